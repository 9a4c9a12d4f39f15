/* Word by word: a resource, then its ports.  A word of digits only is a port, and one
 * with a colon that no '/' stands before, since no resource's name is; one without
 * either is a pod's name where a port follows.
 */
#include "adhoc.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "file.h"
#include "kubeconfig.h"
#include "mem.h"
#include "names.h"
#include "nearest.h"
#include "text.h"

/* What the words up to now have made. */
struct maker {
	struct config *config;
	struct problems problems;
	char *namespace;

	/* The resource at hand: */
	const char *word; /* NULL: there was none yet */
	enum k8s_type type;
	const char *name; /* NULL: the word was refused */
	bool has_port;
};

static const struct place Nowhere = {NULL, 0};

/* ---- types ---- */

static const struct {
	const char *word;
	enum k8s_type type;
	bool in_apps; /* its API group, which may stand behind it */
} Types[] = {
	{"svc", K8S_SERVICE, false},
	{"service", K8S_SERVICE, false},
	{"services", K8S_SERVICE, false},
	{"po", K8S_POD, false},
	{"pod", K8S_POD, false},
	{"pods", K8S_POD, false},
	{"deploy", K8S_DEPLOYMENT, true},
	{"deployment", K8S_DEPLOYMENT, true},
	{"deployments", K8S_DEPLOYMENT, true},
	{"sts", K8S_STATEFULSET, true},
	{"statefulset", K8S_STATEFULSET, true},
	{"statefulsets", K8S_STATEFULSET, true},
	{"ds", K8S_DAEMONSET, true},
	{"daemonset", K8S_DAEMONSET, true},
	{"daemonsets", K8S_DAEMONSET, true},
};
enum { TYPES = sizeof Types / sizeof *Types };

/* Of text[0..n): as kubectl, without regard to case. */
static bool type_of(const char *text, size_t n, enum k8s_type *type)
{
	char *word = mem_dup_n(text, n), *group = strchrnul(word, '.');
	bool apps = !strcasecmp(group, ".apps") || !strcasecmp(group, ".v1.apps");
	bool none = !*group, found = false;
	*group = '\0';
	for (size_t i = 0; i < TYPES && !found; i++) {
		found = !strcasecmp(word, Types[i].word) && (none || (apps && Types[i].in_apps));
		if (found)
			*type = Types[i].type;
	}
	free(word);
	return found;
}

/* A short word is near to all of them. */
static void refuse_type(struct maker *m, const char *word, size_t n)
{
	char *type = mem_dup_n(word, n);
	struct nearest best = nearest_to(type);
	for (size_t i = 0; i < TYPES; i++)
		nearest_consider(&best, Types[i].word);
	problems_add(&m->problems, Nowhere, "unknown type '%s' in '%s'", type, word);
	if (best.word && n > 3)
		problems_remedy(&m->problems, "did you mean '%s'?", best.word);
	else
		problems_remedy(&m->problems, "there are " ADHOC_TYPES);
	free(type);
}

/* ---- forwards ---- */

static bool is_taken(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->forward_count; i++)
		if (!strcmp(c->forwards[i].name, name))
			return true;
	return false;
}

/* What "8080:http" says. */
struct port {
	uint16_t local;  /* 0: any free one */
	uint16_t remote; /* 0: the name */
	const char *name;
	const char *label; /* of the port, in the name of its forward */
};

/* "api", else "api-9090", else "api-9090-2" and so on.  To be freed. */
static char *name_of(const struct maker *m, const char *label)
{
	char *name = mem_dup(m->name);
	for (unsigned n = 1; is_taken(m->config, name); n++) {
		struct buf next = {0};
		buf_print(&next, "%s-%s", m->name, label);
		if (n > 1)
			buf_print(&next, "-%u", n);
		free(name);
		name = mem_dup_n(buf_data(&next), buf_len(&next));
		buf_free(&next);
	}
	return name;
}

static void add_forward(struct maker *m, const struct port *p)
{
	struct config *c = m->config;
	const struct config_forward f = {.name = name_of(m, p->label),
		.target = {.type = m->type,
			.namespace = mem_dup(m->namespace),
			.name = mem_dup(m->name),
			.port = p->remote,
			.port_name = p->remote ? NULL : mem_dup(p->name)},
		.local_address = mem_dup("127.0.0.1"),
		.local_port = p->local};
	c->forwards = mem_grow(c->forwards, (c->forward_count + 1) * sizeof f);
	c->forwards[c->forward_count++] = f;
}

/* "LOCAL:REMOTE", whose halves may be the same text. */
static void read_pair(struct maker *m, const char *word, const char *local, const char *remote)
{
	int32_t from = *local ? names_number(local) : 0;
	uint16_t to;
	if (!names_read_port(remote, m->type == K8S_SERVICE, &to))
		problems_add(&m->problems, Nowhere,
			"the remote port in '%s' must be " NAMES_PORT_NUMBER ", or a port's name",
			word);
	else if (from < 0)
		problems_add(&m->problems, Nowhere,
			"the local port in '%s' must be " NAMES_PORT_NUMBER
			", or nothing: any free one",
			word);
	else if (m->name)
		add_forward(m, &(struct port){.local = (uint16_t)from,
				       .remote = to,
				       .name = remote,
				       .label = from ? local : remote});
}

static void read_port(struct maker *m, const char *word)
{
	const char *colon = strchr(word, ':');
	char *local = mem_dup_n(word, strcspn(word, ":"));
	m->has_port = true;
	if (m->word)
		read_pair(m, word, local, colon ? colon + 1 : word);
	else
		problems_add(
			&m->problems, Nowhere, "%s: a port of what? as in: svc/api %s", word, word);
	free(local);
}

/* ---- words ---- */

static bool is_port(const char *word)
{
	return word &&
	       (word[strcspn(word, ":/")] == ':' || (*word && !word[strspn(word, "0123456789")]));
}

static void end_resource(struct maker *m)
{
	if (m->word && m->name && !m->has_port)
		problems_add(&m->problems, Nowhere, "%s: which port? as in: %s 8080:80", m->word,
			m->word);
}

/* Nothing is known of it yet. */
static void begin_resource(struct maker *m, const char *word)
{
	end_resource(m);
	m->word = word;
	m->type = K8S_POD;
	m->name = NULL;
	m->has_port = false;
}

static void read_resource(struct maker *m, const char *word)
{
	const char *slash = strchr(word, '/'), *name = slash ? slash + 1 : word;
	const char *colon = strchr(word, ':');
	begin_resource(m, word);
	if (slash && !type_of(word, (size_t)(slash - word), &m->type))
		refuse_type(m, word, (size_t)(slash - word));
	else if (colon)
		problems_add(&m->problems, Nowhere, "%s: a blank before the port, as in: %.*s %s",
			word, (int)(colon - word), word, colon + 1);
	else if (!names_is_subdomain(name))
		problems_add(&m->problems, Nowhere,
			"the name in '%s' must be lower-case letters, digits, '-' and '.', 253 at "
			"most",
			word);
	else
		m->name = name;
}

/* "svc api", where neither can be anything else. */
static bool is_cut(char *const *words)
{
	enum k8s_type type;
	const char *name = words[1];
	return name && !is_port(name) && !strchr(name, '/') &&
	       type_of(words[0], strlen(words[0]), &type);
}

static void refuse_cut(struct maker *m, char *const *words)
{
	begin_resource(m, words[0]);
	problems_add(&m->problems, Nowhere, "%s %s: a type and its name are one word", words[0],
		words[1]);
	problems_remedy(&m->problems, "did you mean %s/%s?", words[0], words[1]);
}

static void read_words(struct maker *m, char *const *words)
{
	for (; *words; words++)
		if (is_port(*words)) {
			read_port(m, *words);
		} else if (is_cut(words)) {
			refuse_cut(m, words++);
		} else if (strchr(*words, '/') || !m->word || is_port(words[1])) {
			read_resource(m, *words);
		} else {
			problems_add(&m->problems, Nowhere,
				"%s: at which local port? as in: 8080:%s", *words, *words);
			m->has_port = true;
		}
	end_resource(m);
}

bool adhoc_is(char *const *words)
{
	for (char *const *word = words; *word; word++) {
		enum k8s_type type;
		const char *slash = strchr(*word, '/');
		if (is_port(*word) || (slash && type_of(*word, (size_t)(slash - *word), &type)))
			return true;
	}
	return false;
}

/* ---- the cluster ---- */

static char *or_copy(const char *a, const char *b, const char *c)
{
	return mem_dup(a ? a : b ? b : c);
}

static void check_namespace(struct maker *m, const struct adhoc *a, const struct kubeconfig *k)
{
	struct buf source = {0};
	if (names_is_label(m->namespace))
		return;
	if (a->namespace)
		buf_print(&source, "-n");
	else
		buf_print(&source, "of the kubeconfig's context '%s'", k->context);
	problems_add(&m->problems, Nowhere,
		"a namespace must be lower-case letters, digits and '-', 63 at most, not '%s' "
		"(%.*s)",
		m->namespace, (int)buf_len(&source), (const char *)buf_data(&source));
	buf_free(&source);
}

/* What is not known where the kubeconfig is refused stands in messages only. */
static void set_cluster(struct maker *m, const struct adhoc *a)
{
	struct config *c = m->config;
	struct kubeconfig k = {0};
	struct err e = {0};
	char *file = a->kubeconfig ? file_path(a->kubeconfig, NULL) : NULL;
	if (!kubeconfig_load(&k, file, a->context, &e))
		problems_add(&m->problems, Nowhere, "%s", e.text);
	c->clusters = mem_new(sizeof *c->clusters);
	c->clusters[c->cluster_count++] =
		(struct config_cluster){.name = or_copy(k.context, a->context, "?"),
			.kubeconfig = file,
			.context = or_copy(k.context, a->context, "?")};
	text_clean(c->clusters[0].name);
	m->namespace = or_copy(a->namespace, k.namespace, "default");
	check_namespace(m, a, &k);
	kubeconfig_free(&k);
}

bool adhoc_config(struct config *c, const struct adhoc *a, struct buf *errors)
{
	struct maker m = {.config = c};
	config_defaults(c, &m.problems);
	set_cluster(&m, a);
	read_words(&m, a->words);
	config_check_ports(c, &m.problems);
	bool good = problems_tell(&m.problems, errors);
	free(m.namespace);
	if (!good)
		config_free(c);
	return good;
}
