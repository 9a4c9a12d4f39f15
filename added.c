/* Plain copies of what was made of the words: the configuration that runs has its own. */
#include "added.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inifile.h"
#include "kubeconfig.h"
#include "log.h"
#include "mem.h"
#include "options.h"
#include "pod.h"
#include "problems.h"
#include "text.h"
#include "words.h"

enum { LABEL_MAX = INIFILE_NAME_MAX - (sizeof "forward " - 1) }; /* "cluster " is as long */

static struct {
	struct item {
		struct config_forward own;
		char *cluster; /* its name */
		bool saved;
	} * items;
	struct fresh {
		struct config_cluster own;
		bool saved;
	} * clusters; /* that were not there before */
	size_t count, clusters_count;
	size_t used, clusters_used; /* those behind were read only */
} Added;

/* ---- copies ---- */

static char *copy(const char *text)
{
	return text ? mem_dup(text) : NULL;
}

/* Of what adhoc.h makes: it has no more. */
static struct config_forward copy_forward(const struct config_forward *f)
{
	return (struct config_forward){.name = mem_dup(f->name),
		.cluster = f->cluster,
		.target = {.type = f->target.type,
			.namespace = mem_dup(f->target.namespace),
			.name = mem_dup(f->target.name),
			.port = f->target.port,
			.port_name = copy(f->target.port_name)},
		.local_address = mem_dup(f->local_address),
		.local_port = f->local_port};
}

static struct config_cluster copy_cluster(const struct config_cluster *k)
{
	return (struct config_cluster){.name = mem_dup(k->name),
		.kubeconfig = copy(k->kubeconfig),
		.context = copy(k->context),
		.transport = k->transport};
}

static void put_forward(struct config *c, struct config_forward f)
{
	c->forwards = mem_grow(c->forwards, (c->forward_count + 1) * sizeof f);
	c->forwards[c->forward_count++] = f;
}

static void put_cluster(struct config *c, struct config_cluster k)
{
	c->clusters = mem_grow(c->clusters, (c->cluster_count + 1) * sizeof k);
	c->clusters[c->cluster_count++] = k;
}

static void note_forward(const struct config_forward *f, const char *cluster)
{
	Added.items = mem_grow(Added.items, (Added.count + 1) * sizeof *Added.items);
	Added.items[Added.count++] = (struct item){copy_forward(f), mem_dup(cluster), false};
}

static void note_cluster(const struct config_cluster *k)
{
	Added.clusters =
		mem_grow(Added.clusters, (Added.clusters_count + 1) * sizeof *Added.clusters);
	Added.clusters[Added.clusters_count++] = (struct fresh){copy_cluster(k), false};
}

static void forget(size_t item)
{
	config_forward_free(&Added.items[item].own);
	free(Added.items[item].cluster);
	Added.count--;
	memmove(Added.items + item, Added.items + item + 1,
		(Added.count - item) * sizeof *Added.items);
}

/* ---- names ---- */

static bool has_forward(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->forward_count; i++)
		if (!strcmp(c->forwards[i].name, name))
			return true;
	return false;
}

/* `count` where there is none. */
static size_t find_cluster(const struct config *c, const char *name)
{
	size_t i = 0;
	while (i < c->cluster_count && strcmp(c->clusters[i].name, name) != 0)
		i++;
	return i;
}

static bool has_cluster(const struct config *c, const char *name)
{
	return find_cluster(c, name) < c->cluster_count;
}

/* The name, or as much of its end as fits, since that is what contexts differ in; with a
 * number where it is taken. */
static void name_anew(char **name, const struct config *c,
	bool (*is_taken)(const struct config *c, const char *name))
{
	char *base = *name, number[16] = "";
	size_t n = strlen(base);
	const char *from = base + (n > LABEL_MAX ? n - LABEL_MAX : 0);
	while (((unsigned char)*from & 0xc0) == 0x80)
		from++;
	*name = mem_dup(from);
	for (unsigned i = 2; is_taken(c, *name); i++) {
		int digits = snprintf(number, sizeof number, "-%u", i);
		size_t keep = text_fit(from, strlen(from), LABEL_MAX - (size_t)digits);
		free(*name);
		*name = mem_print("%.*s%s", (int)keep, from, number);
	}
	free(base);
}

/* ---- words ---- */

static bool is_allowed(const char *word)
{
	static const char *const Options[] = {"context", "n", "namespace", "kubeconfig"};
	const char *name = word + strspn(word, "-");
	size_t n = strcspn(name, "=");
	for (size_t i = 0; i < sizeof Options / sizeof *Options; i++)
		if (strlen(Options[i]) == n && !strncmp(Options[i], name, n))
			return true;
	return *word != '-';
}

/* The words behind a program's name, which options_read() passes over; to be freed. */
static char **arguments(char **words)
{
	size_t n = 0;
	while (words[n])
		n++;
	char **argv = mem_new((n + 2) * sizeof *argv);
	argv[0] = words[0];
	memcpy(argv + 1, words, n * sizeof *argv);
	return argv;
}

static bool read_options(struct options *o, char **argv, struct buf *errors)
{
	for (char **word = argv + 1; *word; word++)
		if (!is_allowed(*word)) {
			buf_print(errors,
				"%s: only -context, -n and -kubeconfig are options here\n", *word);
			return false;
		}
	return options_read(o, argv, errors);
}

/* ---- together ---- */

static const struct config_forward *find_forward(const struct config *c, const char *name)
{
	for (size_t i = 0; name && i < c->forward_count; i++)
		if (!strcmp(c->forwards[i].name, name))
			return &c->forwards[i];
	return NULL;
}

/* Where the words lead to, and in *cluster the index in c of a cluster that is there
 * already; the count, where it may be another one. */
static struct adhoc place_of(const struct config *c, const struct options *o, const char *beside,
	const struct adhoc *otherwise, size_t *cluster)
{
	const struct config_forward *f = find_forward(c, beside);
	bool elsewhere = o->context || o->kubeconfig;
	*cluster = c->cluster_count;
	if (elsewhere || !f)
		return (struct adhoc){o->kubeconfig ? o->kubeconfig : otherwise->kubeconfig,
			elsewhere ? o->context : otherwise->context,
			o->namespace ? o->namespace
			: elsewhere  ? NULL
				     : otherwise->namespace,
			o->words};
	*cluster = f->cluster;
	return (struct adhoc){c->clusters[f->cluster].kubeconfig, c->clusters[f->cluster].context,
		o->namespace ? o->namespace : f->target.namespace, o->words};
}

/* The same is not added twice. */
static size_t add_cluster(struct config *c, struct config_cluster *k)
{
	for (size_t i = 0; i < c->cluster_count; i++)
		if (config_same_cluster(&c->clusters[i], k))
			return i;
	name_anew(&k->name, c, has_cluster);
	note_cluster(k);
	put_cluster(c, *k);
	*k = (struct config_cluster){0};
	return c->cluster_count - 1;
}

static void merge(struct config *c, struct config *more, size_t cluster)
{
	if (cluster == c->cluster_count)
		cluster = add_cluster(c, &more->clusters[0]);
	for (size_t i = 0; i < more->forward_count; i++) {
		struct config_forward *f = &more->forwards[i];
		f->cluster = (unsigned)cluster;
		name_anew(&f->name, c, has_forward);
		note_forward(f, c->clusters[cluster].name);
		put_forward(c, *f);
		*f = (struct config_forward){0};
	}
}

static bool read_words(struct config *c, char **argv, const char *beside,
	const struct adhoc *otherwise, struct buf *errors)
{
	struct options o;
	struct config more = {0};
	struct problems problems = {0};
	size_t cluster;
	if (!read_options(&o, argv, errors))
		return false;
	struct adhoc adhoc = place_of(c, &o, beside, otherwise, &cluster);
	if (!adhoc_config(&more, &adhoc, errors))
		return false;
	merge(c, &more, cluster);
	config_free(&more);
	config_check_ports(c, &problems);
	return problems_tell(&problems, errors);
}

bool added_read(struct config *c, const char *words, const char *beside,
	const struct adhoc *otherwise, struct buf *errors)
{
	char **list = words_split(words, NULL);
	added_settle(false);
	if (!list) {
		buf_print(errors, "a quote or a backslash has no end\n");
		return false;
	}
	char **argv = arguments(list);
	bool good = read_words(c, argv, beside, otherwise, errors);
	free(argv);
	words_free(list);
	return good;
}

void added_settle(bool use)
{
	if (use) {
		Added.used = Added.count;
		Added.clusters_used = Added.clusters_count;
	}
	while (Added.count > Added.used)
		forget(Added.count - 1);
	while (Added.clusters_count > Added.clusters_used)
		config_cluster_free(&Added.clusters[--Added.clusters_count].own);
}

/* ---- a reload ---- */

static void extend_clusters(struct config *c)
{
	for (size_t i = 0; i < Added.clusters_used; i++)
		if (!Added.clusters[i].saved && !has_cluster(c, Added.clusters[i].own.name))
			put_cluster(c, copy_cluster(&Added.clusters[i].own));
}

static void extend_by(struct config *c, struct item *item)
{
	if (!item->saved && has_forward(c, item->own.name))
		name_anew(&item->own.name, c, has_forward);
	if (has_forward(c, item->own.name))
		return;
	item->own.cluster = (unsigned)find_cluster(c, item->cluster);
	put_forward(c, copy_forward(&item->own));
}

void added_extend(struct config *c)
{
	added_settle(false);
	extend_clusters(c);
	for (size_t i = 0; i < Added.used;) {
		struct item *item = &Added.items[i];
		if (has_cluster(c, item->cluster)) {
			extend_by(c, item);
			i++;
		} else {
			log_line(LOG_WARN, "the cluster of an added forward is gone",
				LOG_FIELDS(LOG_STR("forward", item->own.name),
					LOG_STR("cluster", item->cluster)));
			forget(i);
			Added.used--;
		}
	}
}

/* ---- the file ---- */

/* Relative paths are taken from the file's folder there. */
static void put_cluster_section(struct buf *to, const struct config_cluster *k)
{
	bool in_cluster = k->kubeconfig && !strcmp(k->kubeconfig, KUBECONFIG_IN_CLUSTER);
	char *path = k->kubeconfig && !in_cluster ? realpath(k->kubeconfig, NULL) : NULL;
	buf_print(to, "\n[cluster %s]\n", k->name);
	if (k->kubeconfig)
		buf_print(to, "kubeconfig = %s\n", path ? path : k->kubeconfig);
	if (!in_cluster)
		buf_print(to, "context = %s\n", k->context);
	free(path);
}

static uint16_t port_of(const struct manager *m, const struct config_forward *f)
{
	for (size_t i = 0; i < manager_count(m); i++) {
		const struct forward *one = manager_forward(m, i);
		if (!strcmp(forward_config(one)->name, f->name))
			return forward_local_port(one);
	}
	return f->local_port;
}

static void put_forward_section(struct buf *to, const struct item *item, const struct manager *m)
{
	const struct config_forward *f = &item->own;
	buf_print(to,
		"\n[forward %s]\ncluster = %s\nnamespace = %s\nservice = %s\ntype = %s\n"
		"local_port = %u\n",
		f->name, item->cluster, f->target.namespace, f->target.name,
		pod_type_name(f->target.type), port_of(m, f));
	if (f->target.port_name)
		buf_print(to, "remote_port = %s\n", f->target.port_name);
	else
		buf_print(to, "remote_port = %u\n", f->target.port);
}

static size_t put_sections(struct buf *to, struct buf *names, const struct manager *m)
{
	size_t n = 0;
	for (size_t i = 0; i < Added.clusters_used; i++)
		if (!Added.clusters[i].saved)
			put_cluster_section(to, &Added.clusters[i].own);
	for (size_t i = 0; i < Added.used; i++)
		if (!Added.items[i].saved) {
			put_forward_section(to, &Added.items[i], m);
			buf_print(
				names, "%s[forward %s]", n++ ? ", " : "", Added.items[i].own.name);
		}
	return n;
}

static bool ends_with_a_line(int fd, off_t size)
{
	char last = '\n';
	return !size || (pread(fd, &last, 1, size - 1) == 1 && last == '\n');
}

/* All or nothing; *size is what it was. */
static bool append(int fd, struct buf *text, off_t *size)
{
	struct stat st;
	if (fstat(fd, &st))
		return false;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return false;
	}
	*size = st.st_size;
	size_t from = ends_with_a_line(fd, st.st_size) ? 1 : 0, n = buf_len(text) - from;
	ssize_t sent = write(fd, buf_data(text) + from, n);
	if (sent == (ssize_t)n)
		return true;
	if (sent >= 0 && !ftruncate(fd, st.st_size))
		errno = ENOSPC;
	return false;
}

static bool is_good(const char *path, const struct config_pick *pick, struct buf *errors)
{
	struct config c = {0};
	bool good = config_load(&c, path, pick, false, errors);
	config_free(&c);
	return good;
}

static bool picks_all(const struct config_pick *pick)
{
	return (!pick->names || !*pick->names) && (!pick->profiles || !*pick->profiles);
}

/* What is in the file by now is read from there; but where only some of that is meant, it
 * may not be among it. */
static void mark_saved(const struct config_pick *pick)
{
	if (picks_all(pick))
		Added.used = Added.clusters_used = 0;
	added_settle(false);
	for (size_t i = 0; i < Added.clusters_used; i++)
		Added.clusters[i].saved = true;
	for (size_t i = 0; i < Added.used; i++)
		Added.items[i].saved = true;
}

static bool save(int fd, const char *path, const struct config_pick *pick, struct buf *text,
	struct buf *said)
{
	off_t size = 0;
	if (!append(fd, text, &size)) {
		buf_print(said, "%s cannot be written: %s\n", path, strerror(errno));
		return false;
	}
	if (is_good(path, pick, said))
		return true;
	if (ftruncate(fd, size))
		buf_print(said, "%s cannot be put right: %s\n", path, strerror(errno));
	return false;
}

bool added_save(
	const char *path, const struct config_pick *pick, const struct manager *m, struct buf *said)
{
	struct buf text = {0}, names = {0};
	bool good = false;
	buf_print(&text, "\n"); /* where the last line has no end */
	if (!put_sections(&text, &names, m)) {
		buf_print(said, "nothing was added that is not in a file\n");
	} else {
		int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		good = fd >= 0 && save(fd, path, pick, &text, said);
		if (fd < 0)
			buf_print(said, "%s cannot be written: %s\n", path, strerror(errno));
		else
			close(fd);
	}
	if (good) {
		mark_saved(pick);
		buf_print(said, "%.*s written to %s\n", (int)buf_len(&names),
			(const char *)buf_data(&names), path);
	}
	buf_free(&text);
	buf_free(&names);
	return good;
}

void added_free(void)
{
	Added.used = Added.clusters_used = 0;
	added_settle(false);
	free(Added.items);
	free(Added.clusters);
	memset(&Added, 0, sizeof Added);
}
