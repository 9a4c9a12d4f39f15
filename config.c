/* Two passes: the file as sections of texts with their lines, then each text
 * through the tables into its member.  What is wrong is collected on the way,
 * and told in the order of the lines.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inifile.h"
#include "kubeconfig.h"
#include "mem.h"
#include "nearest.h"
#include "text.h"

enum {
	FILE_MAX = 1 << 20, /* bytes */
	KEYS_MAX = 8,       /* of a section */
	SHOWN_MAX = 50,     /* problems: more than that is not a porter.ini */
	LABEL_MAX = 63,     /* RFC 1123 label */
	SUBDOMAIN_MAX = 253,
	NS_OF_MS = 1000000,
	DAY_MS = 24 * 60 * 60 * 1000,
};

struct problem {
	unsigned line; /* 0: of the file as a whole */
	size_t order;
	struct buf words, remedy;
};

/* The text of a key; NULL with a line: something was said about it already. */
struct setting {
	char *text;
	unsigned line;
};

struct section {
	const struct kind *kind; /* NULL: none of ours, its keys are passed over */
	char *head;              /* "forward api" */
	const char *label;       /* "api" */
	unsigned line;
	bool spoilt; /* a line of it was refused: what is missing may be there */
	struct setting value[KEYS_MAX];
};

struct loader {
	const char *file;
	char *folder;
	struct config *config;
	struct section *sections;
	size_t section_count;
	struct problem *problems;
	size_t problem_count;
};

/* A value on its way into a member. */
struct field {
	struct loader *loader;
	const struct section *section;
	const struct key *key;
	const char *text; /* not empty, unless the key may be */
	unsigned line;
};

struct key {
	const char *name;
	size_t offset;
	void (*read)(const struct field *f, void *to);
	bool required, may_be_empty;
	int64_t min, max;
	const char *must; /* be, in words */
};

enum {
	CLUSTER,
	NAMESPACE,
	SERVICE,
	TYPE,
	REMOTE_PORT,
	LOCAL_ADDRESS,
	LOCAL_PORT,
	PROBE,
}; /* of a forward */

struct kind {
	const char *name, *form; /* "forward", "forward NAME" */
	bool has_label;
	const struct key *keys;
	size_t key_count;
	void *(*place)(struct loader *l, const struct section *s); /* the struct to fill */
};

/* ---- problems ---- */

/* To be printed into; dies with the next one. */
static struct problem *problem(struct loader *l, unsigned line)
{
	size_t n = l->problem_count++;
	l->problems = mem_grow(l->problems, l->problem_count * sizeof *l->problems);
	l->problems[n] = (struct problem){.line = line, .order = n};
	return &l->problems[n];
}

static int by_line(const void *a, const void *b)
{
	const struct problem *x = a, *y = b;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static void put_line(struct buf *out, struct buf *line)
{
	buf_put(line, "", 1);
	char *text = (char *)buf_data(line);
	text_clean(text);
	buf_print(out, "%s\n", text);
	buf_free(line);
}

static void tell(struct loader *l, struct buf *out)
{
	if (l->problem_count)
		qsort(l->problems, l->problem_count, sizeof *l->problems, by_line);
	for (size_t i = 0; i < l->problem_count && i < SHOWN_MAX; i++) {
		struct problem *p = &l->problems[i];
		struct buf remedy = {0};
		buf_print(&p->words, p->line ? " (%s:%u)" : " (%s)", l->file, p->line);
		put_line(out, &p->words);
		if (buf_len(&p->remedy)) {
			buf_print(&remedy, "  %.*s", (int)buf_len(&p->remedy),
				(const char *)buf_data(&p->remedy));
			put_line(out, &remedy);
		}
	}
	if (l->problem_count > SHOWN_MAX)
		buf_print(out, "and %zu more\n", l->problem_count - SHOWN_MAX);
}

/* ---- values ---- */

static void refuse_with(const struct field *f, const char *hint)
{
	struct problem *p = problem(f->loader, f->line);
	buf_print(&p->words, "%s in [%s] must be %s, not '%s'", f->key->name, f->section->head,
		f->key->must, f->text);
	if (strstr(f->text, " #"))
		hint = "a comment behind a value begins with ';'";
	buf_print(&p->remedy, "%s", hint);
}

static void refuse(const struct field *f)
{
	refuse_with(f, "");
}

static void replace(char **to, char *text)
{
	free(*to);
	*to = text;
}

static void read_text(const struct field *f, void *to)
{
	replace(to, mem_dup(f->text));
}

static void read_log(const struct field *f, void *to)
{
	replace(to, kubeconfig_path(f->text, NULL));
}

static void read_kubeconfig(const struct field *f, void *to)
{
	char *path = kubeconfig_path(f->text, f->loader->folder);
	replace(to, path);
	if (!access(path, R_OK))
		return;
	bool gone = errno == ENOENT || errno == ENOTDIR;
	const char *why = strerror(errno), *cluster = f->section->label;
	struct buf *words = &problem(f->loader, f->line)->words;
	if (gone)
		buf_print(words, "kubeconfig file not found for cluster '%s': %s", cluster, path);
	else
		buf_print(words, "kubeconfig file of cluster '%s' cannot be read: %s: %s", cluster,
			path, why);
}

/* Decimal digits within the key's bounds; -1 if the text is refused. */
static int64_t number_of(const struct field *f)
{
	int64_t n = 0;
	for (const char *p = f->text; *p && n <= f->key->max; p++)
		n = *p >= '0' && *p <= '9' ? n * 10 + (*p - '0') : INT64_MAX;
	if (n >= f->key->min && n <= f->key->max)
		return n;
	refuse(f);
	return -1;
}

static void read_tunnels(const struct field *f, void *to)
{
	int64_t n = number_of(f);
	if (n > 0)
		*(unsigned *)to = (unsigned)n;
}

static void read_port(const struct field *f, void *to)
{
	int64_t n = number_of(f);
	if (n > 0)
		*(uint16_t *)to = (uint16_t)n;
}

static void read_duration(const struct field *f, void *to)
{
	int64_t ms = config_duration(f->text);
	if (ms >= f->key->min && ms <= f->key->max)
		*(int64_t *)to = ms;
	else
		refuse(f);
}

/* The text's place among `n` words; -1 if it is refused. */
static int word_of(const struct field *f, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(f->text, words[i]))
			return i;
	refuse(f);
	return -1;
}

static void read_type(const struct field *f, void *to)
{
	static const char *const Types[] = {[K8S_SERVICE] = "service", [K8S_POD] = "pod"};
	int i = word_of(f, Types, sizeof Types / sizeof *Types);
	if (i >= 0)
		*(enum k8s_type *)to = (enum k8s_type)i;
}

static void read_transport(const struct field *f, void *to)
{
	static const char *const Transports[] = {[TRANSPORT_AUTO] = "auto",
		[TRANSPORT_WEBSOCKET] = "websocket",
		[TRANSPORT_SPDY] = "spdy",
		[TRANSPORT_V4] = "v4"};
	int i = word_of(f, Transports, sizeof Transports / sizeof *Transports);
	if (i >= 0)
		*(enum transport *)to = (enum transport)i;
}

/* This machine's own addresses only: nobody else is to reach a cluster by us. */
static void read_local_address(const struct field *f, void *to)
{
	struct config *c = f->loader->config;
	unsigned char bytes[16];
	bool is_v4 = inet_pton(AF_INET, f->text, bytes) == 1 && bytes[0] == 127;
	bool is_v6 = inet_pton(AF_INET6, f->text, bytes) == 1 &&
		     !memcmp(bytes, &in6addr_loopback, sizeof bytes);
	if (!is_v4 && !is_v6)
		refuse(f);
	replace(to, mem_dup(is_v6 ? "::1" : f->text));
	c->forwards[c->forward_count - 1].address_is_set = true;
}

/* One RFC 1123 label at the beginning of text: its length, or 0. */
static size_t label_len(const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
	return n && n <= LABEL_MAX && text[0] != '-' && text[n - 1] != '-' ? n : 0;
}

/* Names go into paths of requests: nothing else may pass. */
static void read_label(const struct field *f, void *to)
{
	size_t n = label_len(f->text);
	if (!n || f->text[n])
		refuse(f);
	replace(to, mem_dup(f->text));
}

static void read_subdomain(const struct field *f, void *to)
{
	const char *p = f->text;
	size_t n = label_len(p);
	for (; n && p[n] == '.'; n = label_len(p))
		p += n + 1;
	if (!n || p[n] || strlen(f->text) > SUBDOMAIN_MAX)
		refuse(f);
	replace(to, mem_dup(f->text));
}

static void read_cluster(const struct field *f, void *to)
{
	const struct config *c = f->loader->config;
	struct nearest best = nearest_to(f->text);
	for (unsigned i = 0; i < c->cluster_count; i++) {
		if (!strcmp(c->clusters[i].name, f->text)) {
			*(unsigned *)to = i;
			return;
		}
		nearest_consider(&best, c->clusters[i].name);
	}
	struct problem *p = problem(f->loader, f->line);
	buf_print(&p->words, "unknown cluster '%s' in [%s]", f->text, f->section->head);
	if (best.word)
		buf_print(&p->remedy, "did you mean '%s'?", best.word);
	else
		buf_print(&p->remedy, "clusters have sections of their own: [cluster NAME]");
}

static const char *text_of(const struct section *s, unsigned key)
{
	return s->value[key].text ? s->value[key].text : "?";
}

/* A forward without an address of its own has ::1 beside 127.0.0.1. */
static bool share_an_address(const struct config_forward *a, const struct config_forward *b)
{
	return !strcmp(a->local_address, b->local_address) ||
	       (!a->address_is_set && !strcmp(b->local_address, "::1")) ||
	       (!b->address_is_set && !strcmp(a->local_address, "::1"));
}

/* Compares with the forwards before this one, whose section is the last yet. */
static void read_local_port(const struct field *f, void *to)
{
	const struct config *c = f->loader->config;
	const struct config_forward *own = &c->forwards[c->forward_count - 1], *other = c->forwards;
	read_port(f, to);
	for (const struct section *s = f->loader->sections; own->local_port && other < own; s++) {
		if (s->kind != f->section->kind)
			continue;
		if (other->local_port == own->local_port && share_an_address(other, own)) {
			buf_print(&problem(f->loader, f->line)->words,
				"local port %u is used by both '%s/%s' and '%s/%s'",
				own->local_port, text_of(s, CLUSTER), text_of(s, SERVICE),
				text_of(f->section, CLUSTER), text_of(f->section, SERVICE));
			return;
		}
		other++;
	}
}

static void read_probe(const struct field *f, void *to)
{
	struct err e = {0};
	if (!probe_parse(to, f->text, &e))
		refuse_with(f, e.text);
}

/* ---- the tables ---- */

#define PORT "a number from 1 to 65535"

static const struct key PorterKeys[] = {
	{"check_interval", offsetof(struct config, settings.check_interval_ms), read_duration, .min = 10,
		.max = DAY_MS, .must = "a duration from 10ms to 24h"},
	{"reconnect_delay", offsetof(struct config, settings.reconnect_delay_ms), read_duration,
		.max = DAY_MS, .must = "a duration up to 24h"},
	{"hold", offsetof(struct config, settings.hold_ms), read_duration, .max = DAY_MS,
		.must = "a duration up to 24h"},
	{"tunnels", offsetof(struct config, settings.tunnels), read_tunnels, .min = 1,
		.max = CONFIG_TUNNELS_MAX, .must = "a number from 1 to 64"},
	{"log", offsetof(struct config, log), read_log, .may_be_empty = true},
};

static const struct key ClusterKeys[] = {
	{"kubeconfig", offsetof(struct config_cluster, kubeconfig), read_kubeconfig,
		.required = false},
	{"context", offsetof(struct config_cluster, context), read_text, .required = false},
	{"transport", offsetof(struct config_cluster, transport), read_transport,
		.must = "'auto', 'websocket', 'spdy' or 'v4'"},
};

static const struct key ForwardKeys[] = {
	[CLUSTER] = {"cluster", offsetof(struct config_forward, cluster), read_cluster,
		.required = true},
	[NAMESPACE] = {"namespace", offsetof(struct config_forward, target.namespace), read_label,
		.required = true, .must = "lower-case letters, digits and '-', 63 at most"},
	[SERVICE] = {"service", offsetof(struct config_forward, target.name), read_subdomain,
		.required = true, .must = "lower-case letters, digits, '-' and '.', 253 at most"},
	[TYPE] = {"type", offsetof(struct config_forward, target.type), read_type, .required = true,
		.must = "'service' or 'pod'"},
	[REMOTE_PORT] = {"remote_port", offsetof(struct config_forward, target.port), read_port,
		.required = true, .min = 1, .max = UINT16_MAX, .must = PORT},
	[LOCAL_ADDRESS] = {"local_address", offsetof(struct config_forward, local_address),
		read_local_address, .must = "an address of 127.0.0.0/8, or ::1"},
	[LOCAL_PORT] = {"local_port", offsetof(struct config_forward, local_port), read_local_port,
		.required = true, .min = 1, .max = UINT16_MAX, .must = PORT},
	[PROBE] = {"probe", offsetof(struct config_forward, probe), read_probe,
		.must = "'tcp', 'http /PATH' or 'exec COMMAND'"},
};

static void *place_settings(struct loader *l, const struct section *s)
{
	(void)s;
	return l->config;
}

static void *place_cluster(struct loader *l, const struct section *s)
{
	struct config_cluster *to = &l->config->clusters[l->config->cluster_count++];
	*to = (struct config_cluster){.name = mem_dup(s->label), .line = s->line};
	return to;
}

static void *place_forward(struct loader *l, const struct section *s)
{
	struct config_forward *to = &l->config->forwards[l->config->forward_count++];
	*to = (struct config_forward){
		.name = mem_dup(s->label), .local_address = mem_dup("127.0.0.1"), .line = s->line};
	return to;
}

#define KEYS(table) (table), sizeof(table) / sizeof *(table)

_Static_assert(sizeof ForwardKeys / sizeof *ForwardKeys <= KEYS_MAX, "a section has room for all");

enum { PORTER, CLUSTERS, FORWARDS, KINDS };
static const struct kind Kinds[KINDS] = {
	[PORTER] = {"porter", "porter", false, KEYS(PorterKeys), place_settings},
	[CLUSTERS] = {"cluster", "cluster NAME", true, KEYS(ClusterKeys), place_cluster},
	[FORWARDS] = {"forward", "forward NAME", true, KEYS(ForwardKeys), place_forward},
};

/* ---- the second pass: texts into members ---- */

static void settle_key(struct loader *l, const struct section *s, size_t i, void *members)
{
	const struct key *key = &s->kind->keys[i];
	const struct setting *value = &s->value[i];
	bool told = value->line && !value->text;
	if (value->text && (*value->text || key->may_be_empty))
		key->read(&(struct field){l, s, key, value->text, value->line},
			(char *)members + key->offset);
	else if (key->required && !told && !s->spoilt)
		buf_print(&problem(l, value->line ? value->line : s->line)->words,
			"missing key '%s' in [%s]", key->name, s->head);
}

static size_t count_of(const struct loader *l, const struct kind *kind)
{
	size_t n = 0;
	for (size_t i = 0; i < l->section_count; i++)
		n += l->sections[i].kind == kind;
	return n;
}

/* Kind by kind, since forwards name clusters that stand behind them. */
static void settle(struct loader *l)
{
	struct config *c = l->config;
	c->clusters = mem_new(count_of(l, &Kinds[CLUSTERS]) * sizeof *c->clusters);
	c->forwards = mem_new(count_of(l, &Kinds[FORWARDS]) * sizeof *c->forwards);
	for (const struct kind *kind = Kinds; kind < Kinds + KINDS; kind++)
		for (size_t i = 0; i < l->section_count; i++) {
			struct section *s = &l->sections[i];
			if (s->kind != kind)
				continue;
			void *members = kind->place(l, s);
			for (size_t key = 0; key < kind->key_count; key++)
				settle_key(l, s, key, members);
		}
	if (!c->forward_count && !l->problem_count)
		buf_print(&problem(l, 0)->words, "there is nothing to forward: no [forward NAME]");
}

/* ---- the first pass: the file's texts ---- */

static struct section *last_section(struct loader *l)
{
	return l->section_count ? &l->sections[l->section_count - 1] : NULL;
}

/* Of no kind yet. */
static struct section *add_section(struct loader *l, unsigned line, const char *head)
{
	size_t n = l->section_count++;
	l->sections = mem_grow(l->sections, l->section_count * sizeof *l->sections);
	l->sections[n] = (struct section){.head = mem_dup(head), .line = line};
	return &l->sections[n];
}

static void unknown_section(struct loader *l, const struct section *s, const char *word)
{
	struct problem *p = problem(l, s->line);
	struct nearest best = nearest_to(word);
	const struct kind *kind = NULL;
	for (size_t i = 0; i < KINDS; i++)
		if (nearest_consider(&best, Kinds[i].name))
			kind = &Kinds[i];
	buf_print(&p->words, "unknown section [%s]", s->head);
	if (kind)
		buf_print(&p->remedy, "did you mean [%s]?", kind->form);
	else
		buf_print(&p->remedy, "there are [porter], [cluster NAME] and [forward NAME]");
}

static void check_unique(struct loader *l, const struct section *s)
{
	const struct section *other = l->sections;
	while (other->kind != s->kind || strcmp(other->label, s->label))
		other++;
	if (other != s)
		buf_print(&problem(l, s->line)->words, "[%s] is there twice, first in line %u",
			s->head, other->line);
}

static void on_section(void *owner, unsigned line, const char *head)
{
	struct loader *l = owner;
	struct section *s = add_section(l, line, head);
	for (char *tab = s->head; (tab = strchr(tab, '\t'));)
		*tab = ' '; /* names are shown */
	size_t n = strcspn(s->head, " ");
	s->label = s->head + n + strspn(s->head + n, " ");
	char *word = mem_dup_n(s->head, n);
	for (size_t i = 0; i < KINDS; i++)
		if (!strcmp(word, Kinds[i].name) && Kinds[i].has_label == (*s->label != '\0'))
			s->kind = &Kinds[i];
	if (s->kind)
		check_unique(l, s);
	else
		unknown_section(l, s, word);
	free(word);
}

/* What an unknown key is taken for is not missing as well. */
static void unknown_key(struct loader *l, struct section *s, unsigned line, const char *name)
{
	struct problem *p = problem(l, line);
	struct nearest best = nearest_to(name);
	size_t meant = KEYS_MAX;
	for (size_t i = 0; i < s->kind->key_count; i++)
		if (!s->value[i].line && nearest_consider(&best, s->kind->keys[i].name))
			meant = i;
	buf_print(&p->words, "unknown key '%s' in [%s]", name, s->head);
	if (meant < KEYS_MAX) {
		s->value[meant].line = line;
		buf_print(&p->remedy, "did you mean '%s'?", best.word);
		return;
	}
	const char *form;
	for (size_t i = 0; (best.word = config_key(i, &form)) && !buf_len(&p->remedy); i++)
		if (!strcmp(best.word, name))
			buf_print(&p->remedy, "it belongs in [%s]", form);
}

static void on_key(void *owner, unsigned line, const char *name, const char *text)
{
	struct loader *l = owner;
	struct section *s = last_section(l);
	if (!s) {
		struct problem *p = problem(l, line);
		buf_print(&p->words, "key '%s' stands before the first [section]", name);
		buf_print(&p->remedy, "is it YAML? yaml2ini makes a porter.ini of it");
		add_section(l, line, ""); /* so that it is said once */
		return;
	}
	size_t i = 0, count = s->kind ? s->kind->key_count : 0;
	while (i < count && strcmp(name, s->kind->keys[i].name))
		i++;
	if (i < count && s->value[i].text)
		buf_print(&problem(l, line)->words,
			"key '%s' is there twice in [%s], first in line %u", name, s->head,
			s->value[i].line);
	else if (i < count)
		s->value[i] = (struct setting){mem_dup(text), line};
	else if (s->kind)
		unknown_key(l, s, line, name);
}

static void on_fault(void *owner, unsigned line, const char *why, bool section)
{
	struct loader *l = owner;
	struct section *s = last_section(l);
	buf_print(&problem(l, line)->words, "%s", why);
	if (section)
		add_section(l, line, ""); /* the keys behind it are not the last one's */
	else if (s)
		s->spoilt = true;
}

/* ---- the file ---- */

static void read_file(struct loader *l)
{
	static const struct inifile_ops Ops = {on_section, on_key, on_fault};
	FILE *file = fopen(l->file, "re");
	struct buf text = {0};
	if (file)
		buf_push(&text, fread(buf_room(&text, FILE_MAX + 1), 1, FILE_MAX + 1, file));
	if (!file || ferror(file))
		buf_print(&problem(l, 0)->words, "the configuration cannot be read: %s",
			strerror(errno));
	else if (buf_len(&text) > FILE_MAX)
		buf_print(&problem(l, 0)->words, "the configuration is larger than 1 MiB");
	else
		inifile_read((const char *)buf_data(&text), buf_len(&text), &Ops, l);
	if (file)
		fclose(file);
	buf_free(&text);
}

/* Of the file, absolute: what is relative to it stays there wherever we go. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? mem_dup_n(path, (size_t)(slash - path) + 1) : mem_dup(".");
	char *absolute = realpath(folder, NULL);
	if (absolute)
		replace(&folder, absolute);
	return folder;
}

static void free_loader(struct loader *l)
{
	for (size_t i = 0; i < l->section_count; i++) {
		free(l->sections[i].head);
		for (size_t k = 0; k < KEYS_MAX; k++)
			free(l->sections[i].value[k].text);
	}
	for (size_t i = 0; i < l->problem_count; i++) {
		buf_free(&l->problems[i].words);
		buf_free(&l->problems[i].remedy);
	}
	free(l->sections);
	free(l->problems);
	free(l->folder);
}

bool config_load(struct config *c, const char *path, struct buf *errors)
{
	struct loader l = {.file = path, .folder = folder_of(path), .config = c};
	*c = (struct config){.path = mem_dup(path),
		.settings = {.check_interval_ms = 10000,
			.reconnect_delay_ms = 5000,
			.hold_ms = 10000,
			.tunnels = 4},
		.log = mem_dup("porter.log")};
	read_file(&l);
	settle(&l);
	bool good = !l.problem_count;
	tell(&l, errors);
	free_loader(&l);
	if (!good)
		config_free(c);
	return good;
}

void config_free(struct config *c)
{
	for (size_t i = 0; i < c->cluster_count; i++) {
		free(c->clusters[i].name);
		free(c->clusters[i].kubeconfig);
		free(c->clusters[i].context);
	}
	for (size_t i = 0; i < c->forward_count; i++) {
		free(c->forwards[i].name);
		free(c->forwards[i].target.namespace);
		free(c->forwards[i].target.name);
		free(c->forwards[i].local_address);
		probe_spec_free(&c->forwards[i].probe);
	}
	free(c->clusters);
	free(c->forwards);
	free(c->path);
	free(c->log);
	*c = (struct config){0};
}

const char *config_key(size_t i, const char **section)
{
	for (size_t k = 0; k < KINDS; i -= Kinds[k++].key_count)
		if (i < Kinds[k].key_count) {
			*section = Kinds[k].form;
			return Kinds[k].keys[i].name;
		}
	return NULL;
}

/* ---- durations ---- */

static const struct {
	const char *name;
	int64_t ns;
} Units[] = {
	{"ns", 1},
	{"us", 1000},
	{"\u00b5s", 1000},
	{"ms", NS_OF_MS},
	{"s", 1000LL * NS_OF_MS},
	{"m", 60000LL * NS_OF_MS},
	{"h", 3600000LL * NS_OF_MS},
};

static int64_t unit_of(const char *p, size_t n)
{
	for (size_t i = 0; i < sizeof Units / sizeof *Units; i++)
		if (strlen(Units[i].name) == n && !memcmp(p, Units[i].name, n))
			return Units[i].ns;
	return 0;
}

/* One "1.5h" in ns; -1 if it is none. */
static int64_t duration_part(const char **text)
{
	static const char Digits[] = "0123456789";
	const char *p = *text, *fraction = p + strspn(p, Digits);
	size_t whole = (size_t)(fraction - p), decimals = 0;
	if (*fraction == '.')
		decimals = strspn(++fraction, Digits);
	const char *name = fraction + decimals;
	*text = name + strcspn(name, ".0123456789");
	int64_t unit = unit_of(name, (size_t)(*text - name)), count = 0;
	if (!unit || !(whole + decimals))
		return -1;
	while (whole--) {
		if (count > INT64_MAX / unit / 10 - 2)
			return -1;
		count = count * 10 + (*p++ - '0');
	}
	int64_t ns = count * unit;
	while (decimals-- && (unit /= 10))
		ns += (*fraction++ - '0') * unit;
	return ns;
}

int64_t config_duration(const char *text)
{
	int64_t ns = 0;
	if (!strcmp(text, "0"))
		return 0;
	if (!*text)
		return -1;
	while (*text) {
		int64_t part = duration_part(&text);
		if (part < 0 || part > INT64_MAX - ns)
			return -1;
		ns += part;
	}
	return ns / NS_OF_MS;
}
