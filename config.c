/* The file's sections through the tables of keys.h into members; then what
 * several sections make together.  What is wrong is collected on the way.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "keys.h"
#include "kubeconfig.h"
#include "mem.h"
#include "pick.h"
#include "sections.h"
#include "words.h"

enum {
	FILE_MAX = 1 << 20,   /* bytes */
	PART = 16384,         /* of a stream */
	NO_CLUSTER = INT_MAX, /* a forward's, before a good one is read */
};

struct loader {
	struct config *config;
	char *folder;
	struct problems problems;
	struct sections sections;
};

static struct place at(const struct loader *l, unsigned line)
{
	return (struct place){l->config->path, line};
}

/* ---- sections into members ---- */

/* One section on its way into its struct. */
struct filling {
	struct section *own;
	struct section *template; /* or NULL */
	void *members;
};

static bool has_text(const struct section *s, size_t key)
{
	const char *text = s ? s->value[key].text : NULL;
	return text && (*text || s->kind->keys[key].may_be_empty);
}

/* Whether something was said of a key, or of a line that might have been it. */
static bool is_told(const struct section *s, size_t key)
{
	return s && (s->spoilt || (s->value[key].line && !s->value[key].text));
}

/* Whether it depends on a type, and that is known: one that was refused may be any. */
static bool is_typed(const struct filling *f)
{
	return f->own->kind->keys == Keys[KEYS_FORWARD].keys &&
	       (has_text(f->own, KEYS_TYPE) ||
		       (!is_told(f->own, KEYS_TYPE) && has_text(f->template, KEYS_TYPE)));
}

static void check_missing(struct loader *l, const struct filling *f, size_t i)
{
	const struct section *own = f->own;
	const struct key *key = &own->kind->keys[i];
	if (key->required && own->kind != &Keys[KEYS_TEMPLATE] && !is_told(own, i) &&
		!is_told(own, KEYS_ITS_TEMPLATE) && !is_told(f->template, i))
		problems_add(&l->problems,
			at(l, own->value[i].line ? own->value[i].line : own->line),
			"missing key '%s' in [%s]", key->name, own->head);
}

/* A template's text may be wrong only by the type of a forward that takes it. */
static void name_taker(struct loader *l, const struct filling *f, size_t i)
{
	bool by_type = i == KEYS_SERVICE || i == KEYS_REMOTE_PORT;
	if (by_type && !has_text(f->own, i) && has_text(f->own, KEYS_TYPE))
		problems_remedy(&l->problems, "taken by [%s], type %s", f->own->head,
			f->own->value[KEYS_TYPE].text);
}

/* A text that is refused has been told, once for all that take it. */
static void settle_key(struct loader *l, const struct filling *f, size_t i)
{
	struct section *from = has_text(f->own, i) ? f->own : f->template;
	if (!has_text(from, i)) {
		check_missing(l, f, i);
		return;
	}
	struct setting *value = &from->value[i];
	const struct field field = {.key = &from->kind->keys[i],
		.name = from->kind->keys[i].name,
		.text = value->text,
		.section = from,
		.at = at(l, value->line),
		.members = f->members,
		.typed = is_typed(f),
		.problems = &l->problems,
		.config = l->config,
		.sections = &l->sections,
		.folder = l->folder};
	if (!keys_read(&field)) {
		name_taker(l, f, i);
		free(value->text);
		value->text = NULL;
	}
}

static struct section *template_of(const struct loader *l, const struct section *s)
{
	if (s->kind != &Keys[KEYS_FORWARD] || !has_text(s, KEYS_ITS_TEMPLATE))
		return NULL;
	return sections_find(&l->sections, &Keys[KEYS_TEMPLATE], s->value[KEYS_ITS_TEMPLATE].text);
}

static void settle_section(struct loader *l, struct section *s, void *members)
{
	const struct filling f = {s, template_of(l, s), members};
	for (size_t i = 0; i < s->kind->key_count; i++)
		settle_key(l, &f, i);
}

static void settle_settings(struct loader *l, struct section *s)
{
	settle_section(l, s, l->config);
}

static void settle_cluster(struct loader *l, struct section *s)
{
	struct config_cluster *to = &l->config->clusters[l->config->cluster_count++];
	*to = (struct config_cluster){.name = mem_dup(s->label), .line = s->line};
	settle_section(l, s, to);
}

static struct config_forward new_forward(const struct section *s)
{
	return (struct config_forward){.name = mem_dup(s->label),
		.cluster = NO_CLUSTER,
		.local_address = mem_dup("127.0.0.1"),
		.line = s->line};
}

static void settle_forward(struct loader *l, struct section *s)
{
	struct config_forward *to = &l->config->forwards[l->config->forward_count++];
	*to = new_forward(s);
	to->port_line = has_text(s, KEYS_LOCAL_PORT) ? s->value[KEYS_LOCAL_PORT].line : s->line;
	settle_section(l, s, to);
}

/* What it has is checked, also where nobody takes it. */
static void settle_template(struct loader *l, struct section *s)
{
	struct config_forward scratch = new_forward(s);
	settle_section(l, s, &scratch);
	config_forward_free(&scratch);
}

static size_t count_of(const struct loader *l, const struct kind *kind)
{
	size_t n = 0;
	for (size_t i = 0; i < l->sections.count; i++)
		n += l->sections.all[i].kind == kind;
	return n;
}

/* Kind by kind, since forwards name clusters that stand behind them. */
static void settle(struct loader *l)
{
	static void (*const Settle[KEYS_KINDS])(struct loader *, struct section *) = {
		[KEYS_PORTER] = settle_settings,
		[KEYS_CLUSTER] = settle_cluster,
		[KEYS_FORWARD] = settle_forward,
		[KEYS_TEMPLATE] = settle_template,
	};
	struct config *c = l->config;
	c->clusters = mem_new(count_of(l, &Keys[KEYS_CLUSTER]) * sizeof *c->clusters);
	c->forwards = mem_new(count_of(l, &Keys[KEYS_FORWARD]) * sizeof *c->forwards);
	for (size_t kind = 0; kind < KEYS_KINDS; kind++)
		for (size_t i = 0; i < l->sections.count; i++)
			if (l->sections.all[i].kind == &Keys[kind])
				Settle[kind](l, &l->sections.all[i]);
	if (!c->forward_count && !l->problems.count)
		problems_add(
			&l->problems, at(l, 0), "there is nothing to forward: no [forward NAME]");
}

/* ---- between sections ---- */

/* A forward without an address of its own has ::1 beside 127.0.0.1. */
static bool share_an_address(const struct config_forward *a, const struct config_forward *b)
{
	return !strcmp(a->local_address, b->local_address) ||
	       (!a->address_is_set && !strcmp(b->local_address, "::1")) ||
	       (!b->address_is_set && !strcmp(a->local_address, "::1"));
}

/* A section that is there twice was told of: its port is none of another's. */
static const struct config_forward *same_port_before(const struct config *c, size_t i)
{
	const struct config_forward *own = &c->forwards[i];
	for (const struct config_forward *other = c->forwards; own->local_port && other < own;
		other++)
		if (other->local_port == own->local_port && share_an_address(other, own) &&
			strcmp(other->name, own->name) != 0)
			return other;
	return NULL;
}

/* Either may be missing where something else is wrong. */
static const char *cluster_of(const struct config *c, const struct config_forward *f)
{
	return f->cluster < c->cluster_count ? c->clusters[f->cluster].name : "?";
}

static const char *service_of(const struct config_forward *f)
{
	const char *title = config_title(f);
	return title ? title : "?";
}

void config_check_ports(const struct config *c, struct problems *problems)
{
	for (size_t i = 0; i < c->forward_count; i++) {
		const struct config_forward *own = &c->forwards[i], *other = same_port_before(c, i);
		if (!other)
			continue;
		problems_add(problems,
			(struct place){own->port_line ? c->path : NULL, own->port_line},
			"local port %u is used by both '%s/%s' and '%s/%s'", own->local_port,
			cluster_of(c, other), service_of(other), cluster_of(c, own),
			service_of(own));
		if (c->path && other->port_line)
			problems_remedy(problems, "first in line %u", other->port_line);
	}
}

static void check_kubeconfig(struct loader *l, const struct config_cluster *k)
{
	if (!k->kubeconfig || !strcmp(k->kubeconfig, KUBECONFIG_IN_CLUSTER) ||
		!access(k->kubeconfig, R_OK))
		return;
	bool gone = errno == ENOENT || errno == ENOTDIR;
	const char *why = strerror(errno);
	const struct section *s = sections_find(&l->sections, &Keys[KEYS_CLUSTER], k->name);
	struct place place = at(l, s->value[KEYS_KUBECONFIG].line);
	if (gone)
		problems_add(&l->problems, place, "kubeconfig file not found for cluster '%s': %s",
			k->name, k->kubeconfig);
	else
		problems_add(&l->problems, place,
			"kubeconfig file of cluster '%s' cannot be read: %s: %s", k->name,
			k->kubeconfig, why);
}

/* ---- defaults ---- */

static void set_defaults(struct config *c, const char *path)
{
	*c = (struct config){.path = path ? mem_dup(path) : NULL,
		.settings = {.check_interval_ms = 10000,
			.reconnect_delay_ms = 5000,
			.hold_ms = 10000,
			.tunnels = 4},
		.log = mem_dup("porter.log")};
}

static void read_environment(struct config *c, struct problems *problems)
{
	static const struct {
		const char *name;
		size_t key;
	} Variables[] = {
		{"PORTER_CHECK_INTERVAL", KEYS_CHECK_INTERVAL},
		{"PORTER_RECONNECT_DELAY", KEYS_RECONNECT_DELAY},
	};
	for (size_t i = 0; i < sizeof Variables / sizeof *Variables; i++) {
		const char *text = getenv(Variables[i].name);
		if (text && *text)
			keys_read(&(struct field){.key = &Keys[KEYS_PORTER].keys[Variables[i].key],
				.name = Variables[i].name,
				.text = text,
				.at = {"environment", 0},
				.members = c,
				.problems = problems});
	}
}

void config_defaults(struct config *c, struct problems *problems)
{
	set_defaults(c, NULL);
	read_environment(c, problems);
}

/* ---- the file ---- */

static bool begins_with(const char *text, const char *word)
{
	return !strncmp(text, word, strlen(word));
}

static bool is_yaml_line(const char *line)
{
	static const char *const Starts[] = {"---", "- ", "%", "{"};
	static const char *const Names[] = {"clusters", "check_interval", "reconnect_delay"};
	line += strspn(line, " \t");
	for (size_t i = 0; i < sizeof Starts / sizeof *Starts; i++)
		if (begins_with(line, Starts[i]))
			return true;
	line += strspn(line, "\"'");
	for (size_t i = 0; i < sizeof Names / sizeof *Names; i++)
		if (begins_with(line, Names[i])) {
			const char *colon = line + strlen(Names[i]);
			colon += strspn(colon, "\"' \t");
			return *colon == ':' && strchr(" \t\r\n", colon[1]);
		}
	return false;
}

/* A line that begins with '[' is a section's, whatever stands before it. */
static bool is_yaml(const char *text)
{
	bool found = false;
	text += begins_with(text, "\xef\xbb\xbf") ? 3 : 0; /* a byte order mark */
	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		if (*text == '[')
			return false;
		found = found || is_yaml_line(text);
	}
	return found;
}

/* As one word of a shell.  To be freed. */
static char *quoted(const char *text)
{
	struct buf word = {0};
	bool plain = !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789/._-+,:@%=")];
	if (plain)
		return mem_dup(text);
	buf_put(&word, "'", 1);
	for (; *text; text++)
		if (*text == '\'')
			buf_print(&word, "'\\''");
		else
			buf_put(&word, text, 1);
	buf_put(&word, "'", 1);
	char *whole = mem_dup_n(buf_data(&word), buf_len(&word));
	buf_free(&word);
	return whole;
}

/* What the shell is to write to must not be there yet: it would be lost. */
static void refuse_yaml(struct loader *l)
{
	const char *path = l->config->path;
	char *from = quoted(path), to[32] = "porter.ini";
	for (unsigned n = 2; !access(to, F_OK); n++)
		snprintf(to, sizeof to, "porter-%u.ini", n);
	problems_add(&l->problems, (struct place){NULL, 0},
		"%s is YAML: yaml2ini %s > %s makes a porter.ini of it", path, from, to);
	free(from);
}

static void read_text(struct loader *l, const char *text, size_t bytes)
{
	if (is_yaml(text))
		refuse_yaml(l);
	else
		sections_read(&l->sections, text, bytes);
}

/* Whether its end has to be waited for: a pipe, as of -config <(COMMAND), or a terminal. */
static bool is_stream(const char *path)
{
	struct stat st;
	return !stat(path, &st) && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode));
}

/* As file_read(), which does not wait; ETIMEDOUT if nothing comes for too long. */
static bool read_stream(struct buf *into, const char *path)
{
	struct pollfd p = {
		.fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY), .events = POLLIN};
	if (p.fd < 0)
		return false;
	ssize_t n;
	do {
		int told = poll(&p, 1, CONFIG_SILENCE_S * 1000);
		n = told > 0 ? read(p.fd, buf_room(into, PART), PART) : -1;
		if (n > 0)
			buf_push(into, (size_t)n);
		else if (!told)
			errno = ETIMEDOUT;
	} while (n > 0 && buf_len(into) <= FILE_MAX);
	int error = n > 0 ? EFBIG : errno;
	close(p.fd);
	errno = error;
	return !n;
}

static void read_file(struct loader *l, bool may_wait)
{
	const char *path = l->config->path;
	struct buf text = {0};
	bool stream = is_stream(path);
	if (stream && !may_wait) {
		problems_add(&l->problems, at(l, 0),
			"the configuration came through a pipe: it cannot be read again");
	} else if (stream ? read_stream(&text, path) : file_read(&text, path, FILE_MAX)) {
		buf_put(&text, "", 1);
		read_text(l, (const char *)buf_data(&text), buf_len(&text) - 1);
	} else if (errno == EFBIG) {
		problems_add(&l->problems, at(l, 0), "the configuration is larger than 1 MiB");
	} else {
		problems_add(&l->problems, at(l, 0), "the configuration cannot be read: %s",
			strerror(errno));
	}
	buf_free(&text);
}

bool config_load(struct config *c, const char *path, const struct config_pick *pick, bool may_wait,
	struct buf *errors)
{
	struct loader l = {.config = c, .folder = file_folder(path)};
	set_defaults(c, path);
	l.sections = (struct sections){
		.kinds = Keys, .kind_count = KEYS_KINDS, .file = c->path, .problems = &l.problems};
	read_file(&l, may_wait);
	settle(&l);
	read_environment(c, &l.problems);
	pick_apply(c, pick, &l.problems);
	config_check_ports(c, &l.problems);
	for (size_t i = 0; i < c->cluster_count; i++)
		check_kubeconfig(&l, &c->clusters[i]);
	bool good = problems_tell(&l.problems, errors);
	sections_free(&l.sections);
	free(l.folder);
	if (!good)
		config_free(c);
	return good;
}

/* ---- what it is made of ---- */

void config_cluster_free(struct config_cluster *k)
{
	free(k->name);
	free(k->kubeconfig);
	free(k->context);
	free(k->ssh);
	words_free(k->proxy_command);
	*k = (struct config_cluster){0};
}

void config_forward_free(struct config_forward *f)
{
	free(f->name);
	free(f->target.namespace);
	free(f->target.name);
	free(f->target.port_name);
	free(f->local_address);
	probe_spec_free(&f->probe);
	for (char **profile = f->profiles; profile && *profile; profile++)
		free(*profile);
	free(f->profiles);
	*f = (struct config_forward){0};
}

void config_free(struct config *c)
{
	for (size_t i = 0; i < c->cluster_count; i++)
		config_cluster_free(&c->clusters[i]);
	for (size_t i = 0; i < c->forward_count; i++)
		config_forward_free(&c->forwards[i]);
	free(c->clusters);
	free(c->forwards);
	free(c->path);
	free(c->log);
	*c = (struct config){0};
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_probe(const struct probe_spec *a, const struct probe_spec *b)
{
	return a->kind == b->kind && same_text(a->path, b->path) && words_same(a->argv, b->argv);
}

static bool same_target(const struct k8s_ref *a, const struct k8s_ref *b)
{
	return a->type == b->type && same_text(a->namespace, b->namespace) &&
	       same_text(a->name, b->name) && a->port == b->port &&
	       same_text(a->port_name, b->port_name);
}

const char *config_title(const struct config_forward *f)
{
	return f->target.type == K8S_SELECTOR ? f->name : f->target.name;
}

bool config_same_settings(const struct config_settings *a, const struct config_settings *b)
{
	return a->check_interval_ms == b->check_interval_ms &&
	       a->reconnect_delay_ms == b->reconnect_delay_ms && a->hold_ms == b->hold_ms &&
	       a->tunnels == b->tunnels;
}

bool config_same_cluster(const struct config_cluster *a, const struct config_cluster *b)
{
	return same_text(a->name, b->name) && same_text(a->kubeconfig, b->kubeconfig) &&
	       same_text(a->context, b->context) && a->transport == b->transport &&
	       same_text(a->ssh, b->ssh) && words_same(a->proxy_command, b->proxy_command);
}

bool config_same_forward(const struct config_forward *a, const struct config_forward *b)
{
	return same_text(config_title(a), config_title(b)) && same_target(&a->target, &b->target) &&
	       same_text(a->local_address, b->local_address) &&
	       a->address_is_set == b->address_is_set && a->local_port == b->local_port &&
	       same_probe(&a->probe, &b->probe);
}

const char *config_key(size_t i, const char **section)
{
	for (size_t k = 0; k < KEYS_KINDS; i -= Keys[k++].key_count)
		if (i < Keys[k].key_count) {
			*section = Keys[k].form;
			return Keys[k].keys[i].name;
		}
	return NULL;
}
