/* Two sets of forwards and clusters: those that there are, and those that are to be.
 * What is in both is kept; the others are made before anything is ended. */
#include "manager.h"

#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "filewatch.h"
#include "kubeconfig.h"
#include "log.h"
#include "mem.h"
#include "watch.h"

/* A cluster, and the files that its kubeconfig was read from. */
struct group {
	struct config_cluster own;
	struct cluster *cluster;
	struct cluster *fresh; /* what it is to be, when a change is carried out; or NULL */
	struct group_file {
		struct filewatch watch;
		struct group *group;
	} * files;
	size_t file_count;
	struct manager *manager;
	struct task read_again;
};

struct member {
	struct config_forward own;
	struct forward *forward;
	const struct group *group;
};

struct set {
	struct group **groups;
	struct member **members;
	size_t group_count, member_count;
};

struct manager {
	const struct manager_ops *ops;
	void *owner;
	struct config_settings settings;
	struct set set;
	const int *lent; /* for the next change */
	size_t lent_count;
	bool started;
};

/* A change under way. */
struct plan {
	const struct set *before;
	struct set after;
	const struct config *config;
	const struct config_settings *settings;
	const int *given; /* sockets that listen, from outside */
	size_t given_count;
	int *lent; /* those, and the sockets of those that go */
	size_t lent_count;
	struct buf *errors;
	enum exit_status status;
};

static void put_error(struct buf *errors, const struct config *c, unsigned line, const char *words)
{
	buf_print(errors, "%s", words);
	if (c->path && line)
		buf_print(errors, " (%s:%u)", c->path, line);
	buf_print(errors, "\n");
}

static void fail(struct plan *p, enum exit_status status, unsigned line, const char *words)
{
	if (!p->status)
		p->status = status;
	put_error(p->errors, p->config, line, words);
}

/* ---- clusters ---- */

static void unwatch(struct group *g)
{
	for (size_t i = 0; i < g->file_count; i++)
		filewatch_close(&g->files[i].watch);
	free(g->files);
	g->files = NULL;
	g->file_count = 0;
}

static void free_group(struct group *g)
{
	unwatch(g);
	task_drop(&g->read_again);
	if (g->fresh)
		cluster_drop(g->fresh);
	if (g->cluster)
		cluster_drop(g->cluster);
	config_cluster_free(&g->own);
	free(g);
}

static bool has_group(const struct set *set, const struct group *g)
{
	for (size_t i = 0; i < set->group_count; i++)
		if (set->groups[i] == g)
			return true;
	return false;
}

static struct cluster *open_cluster(
	const struct config_cluster *own, const char *context, struct err *e)
{
	struct kubeconfig k = {0};
	struct err cause = {0};
	struct cluster *c = NULL;
	if (!kubeconfig_load(&k, own->kubeconfig, context, &cause))
		err_set(e, cause.kind, 0, "cluster '%s': %s", own->name, cause.text);
	else if ((c = cluster_new(own->name, &k, e)))
		cluster_ask_transport(c, own->transport);
	if (!c || cluster_find_way(c, own->ssh, own->proxy_command, e))
		return c;
	cluster_drop(c);
	return NULL;
}

struct cluster *manager_open_cluster(const struct config *c, size_t i, struct buf *errors)
{
	struct err e = {0};
	struct cluster *cluster = open_cluster(&c->clusters[i], c->clusters[i].context, &e);
	if (!cluster)
		put_error(errors, c, c->clusters[i].line, e.text);
	return cluster;
}

static void warn(const struct cluster *c)
{
	char **line = cluster_kubeconfig(c)->warnings;
	for (; line && *line; line++)
		log_line(LOG_WARN, *line, LOG_FIELDS(LOG_STR("cluster", cluster_name(c))));
}

/* The one that is there already; it may become another user's, or go elsewhere. */
static struct group *old_group(
	const struct plan *p, const struct config_cluster *own, struct cluster *fresh)
{
	for (size_t i = 0; i < p->before->group_count; i++) {
		struct group *g = p->before->groups[i];
		if (!config_same_cluster(&g->own, own))
			continue;
		if (cluster_same(g->cluster, fresh))
			cluster_drop(fresh);
		else
			g->fresh = fresh;
		return g;
	}
	return NULL;
}

static void on_read_again(struct task *task);

static struct group *find_group(struct plan *p, const struct config_cluster *own)
{
	struct err e = {0};
	struct cluster *fresh = open_cluster(own, own->context, &e);
	struct group *g = fresh ? old_group(p, own, fresh) : NULL;
	if (!fresh)
		fail(p, EXIT_CONFIG, own->line, e.text);
	if (g)
		return g;
	g = mem_new(sizeof *g);
	g->cluster = fresh;
	g->read_again.on = on_read_again;
	if (fresh)
		warn(fresh);
	return g;
}

/* ---- forwards ---- */

static void free_member(struct member *m)
{
	if (m->forward)
		forward_free(m->forward);
	config_forward_free(&m->own);
	free(m);
}

static bool has_member(const struct set *set, const struct member *m)
{
	for (size_t i = 0; i < set->member_count; i++)
		if (set->members[i] == m)
			return true;
	return false;
}

static struct member *same_member(
	const struct plan *p, const struct config_forward *own, const struct group *group)
{
	for (size_t i = 0; i < p->before->member_count; i++) {
		struct member *m = p->before->members[i];
		if (m->group == group && config_same_forward(&m->own, own))
			return m;
	}
	return NULL;
}

static void lend(struct plan *p)
{
	p->lent_count = p->given_count;
	p->lent = mem_new(
		(p->given_count + p->before->member_count * LISTENER_SOCKETS) * sizeof *p->lent);
	for (size_t i = 0; i < p->given_count; i++)
		p->lent[i] = p->given[i];
	for (size_t i = 0; i < p->before->member_count; i++) {
		struct member *m = p->before->members[i];
		if (!has_member(&p->after, m))
			p->lent_count += forward_sockets(m->forward, p->lent + p->lent_count);
	}
}

/* Whether the one that had its name, and goes, is Stopped. */
static bool was_stopped(const struct plan *p, const char *name)
{
	for (size_t i = 0; i < p->before->member_count; i++) {
		const struct member *m = p->before->members[i];
		if (!has_member(&p->after, m) && !strcmp(m->own.name, name))
			return forward_state(m->forward) == FORWARD_STOPPED;
	}
	return false;
}

/* A cluster that could not be opened hides no trouble with local ports. */
static struct member *make_member(
	struct plan *p, struct config_forward *own, const struct group *group)
{
	struct member *m = mem_new(sizeof *m);
	struct err e = {0};
	*m = (struct member){.own = *own, .group = group};
	*own = (struct config_forward){.line = own->line, .cluster = own->cluster};
	m->forward = forward_new(&(struct forward_spec){.settings = p->settings,
					 .own = &m->own,
					 .cluster = group->cluster,
					 .cluster_name = p->config->clusters[m->own.cluster].name,
					 .lent = p->lent,
					 .lent_count = p->lent_count,
					 .stopped = was_stopped(p, m->own.name)},
		&e);
	if (!m->forward)
		fail(p, EXIT_PORT, m->own.port_line, e.text);
	return m;
}

/* ---- a change ---- */

static void make_plan(struct plan *p, struct config *c)
{
	struct set *after = &p->after;
	after->groups = mem_new(c->cluster_count * sizeof *after->groups);
	after->members = mem_new(c->forward_count * sizeof *after->members);
	for (; after->group_count < c->cluster_count; after->group_count++)
		after->groups[after->group_count] = find_group(p, &c->clusters[after->group_count]);
	after->member_count = c->forward_count;
	for (size_t i = 0; i < c->forward_count; i++)
		after->members[i] =
			same_member(p, &c->forwards[i], after->groups[c->forwards[i].cluster]);
	lend(p);
	for (size_t i = 0; i < c->forward_count; i++)
		if (!after->members[i])
			after->members[i] = make_member(
				p, &c->forwards[i], after->groups[c->forwards[i].cluster]);
	free(p->lent);
}

static void give_up_fresh(const struct set *set)
{
	for (size_t i = 0; i < set->group_count; i++) {
		struct group *g = set->groups[i];
		if (g->fresh)
			cluster_drop(g->fresh);
		g->fresh = NULL;
	}
}

/* Frees what is in `set` but not in `kept`. */
static void free_others(struct set *set, const struct set *kept)
{
	for (size_t i = 0; i < set->member_count; i++)
		if (!has_member(kept, set->members[i]))
			free_member(set->members[i]);
	for (size_t i = 0; i < set->group_count; i++)
		if (!has_group(kept, set->groups[i]))
			free_group(set->groups[i]);
	free(set->members);
	free(set->groups);
	*set = (struct set){0};
}

/* Of those that go, the one that had this name. */
static bool replaces(const struct set *before, const struct set *after, const char *name)
{
	for (size_t i = 0; i < before->member_count; i++)
		if (!has_member(after, before->members[i]) &&
			!strcmp(before->members[i]->own.name, name))
			return true;
	return false;
}

static struct manager_change compare(const struct set *before, const struct set *after)
{
	struct manager_change change = {0};
	for (size_t i = 0; i < after->member_count; i++) {
		const struct member *m = after->members[i];
		if (has_member(before, m))
			change.kept++;
		else if (replaces(before, after, m->own.name))
			change.changed++;
		else
			change.added++;
	}
	change.removed = before->member_count - change.kept - change.changed;
	return change;
}

/* What was kept keeps its own words, but for those that only name it. */
static void rename_kept(struct config *c, struct set *after)
{
	for (size_t i = 0; i < after->member_count; i++) {
		struct config_forward *own = &after->members[i]->own, *now = &c->forwards[i];
		char *name = own->name;
		own->cluster = now->cluster;
		own->line = now->line;
		own->port_line = now->port_line;
		if (now->name) {
			own->name = now->name;
			now->name = name;
		}
	}
	for (size_t i = 0; i < after->group_count; i++) {
		struct config_cluster own = after->groups[i]->own;
		after->groups[i]->own = c->clusters[i];
		c->clusters[i] = own;
	}
}

static bool has_name(const struct set *set, const char *name)
{
	for (size_t i = 0; i < set->member_count; i++)
		if (!strcmp(forward_name(set->members[i]->forward), name))
			return true;
	return false;
}

static void tell_removed(struct manager *m, const struct set *after)
{
	for (size_t i = 0; i < m->set.member_count; i++) {
		struct forward *f = m->set.members[i]->forward;
		if (!has_name(after, forward_name(f)))
			m->ops->removed(m->owner, f);
	}
}

static void start(struct manager *m, struct member *one)
{
	forward_start(one->forward, m->ops->changed, m->owner);
}

/* ---- kubeconfigs that change ---- */

static void on_file(struct filewatch *w)
{
	task_post(&OWNER_OF(w, struct group_file, watch)->group->read_again);
}

/* Files that are not there yet may come, where their folder is. */
static void watch_files(struct group *g)
{
	char **file = cluster_kubeconfig(g->cluster)->files;
	unwatch(g);
	for (char **one = file; one && *one; one++)
		g->file_count++;
	g->files = mem_new(g->file_count * sizeof *g->files);
	for (size_t i = 0; file && i < g->file_count; i++) {
		g->files[i].group = g;
		if (!filewatch_open(&g->files[i].watch, file[i], on_file))
			log_line(LOG_WARN, "changes of a file will not be noticed",
				LOG_FIELDS(LOG_STR("cluster", cluster_name(g->cluster)),
					LOG_STR("file", file[i])));
	}
}

static void for_forwards(const struct group *g, void (*act)(struct forward *f))
{
	const struct manager *m = g->manager;
	for (size_t i = 0; m->started && i < m->set.member_count; i++)
		if (m->set.members[i]->group == g)
			act(m->set.members[i]->forward);
}

/* Whoever waits for the next try has it at once: it may have been for this. */
static void wake(struct forward *f)
{
	forward_wake(f, false);
}

static void take_fresh(struct group *g)
{
	bool same_server = cluster_same_server(g->cluster, g->fresh);
	log_line(LOG_INFO, "kubeconfig read again",
		LOG_FIELDS(LOG_STR("cluster", cluster_name(g->cluster))));
	if (!same_server)
		for_forwards(g, forward_leave);
	cluster_take(g->cluster, g->fresh);
	g->fresh = NULL;
	warn(g->cluster);
	cluster_renew(g->cluster);
	if (!same_server)
		cluster_learn_transport(g->cluster, TRANSPORT_AUTO);
	for_forwards(g, same_server ? wake : forward_return);
	watch_files(g);
}

/* By the context's name as it was resolved, so that nobody is moved to another cluster
 * by `kubectl config use-context`. */
static void on_read_again(struct task *task)
{
	struct group *g = OWNER_OF(task, struct group, read_again);
	struct err e = {0};
	g->fresh = open_cluster(&g->own, cluster_kubeconfig(g->cluster)->context, &e);
	if (!g->fresh) {
		log_line(LOG_WARN, "the changed kubeconfig is not used",
			LOG_FIELDS(LOG_STR("cluster", cluster_name(g->cluster)),
				LOG_STR("reason", e.text)));
	} else if (cluster_same(g->cluster, g->fresh)) {
		cluster_drop(g->fresh);
		g->fresh = NULL;
	} else {
		take_fresh(g);
	}
}

static void commit(struct manager *m, struct config *c, struct set *after)
{
	struct set before = m->set;
	bool adjust = !config_same_settings(&m->settings, &c->settings);
	rename_kept(c, after);
	if (m->started)
		tell_removed(m, after);
	m->settings = c->settings;
	m->set = *after;
	for (size_t i = 0; m->started && i < after->member_count; i++)
		if (!has_member(&before, after->members[i]))
			start(m, after->members[i]);
		else if (adjust)
			forward_adjust(after->members[i]->forward);
	free_others(&before, after);
	for (size_t i = 0; i < after->group_count; i++) {
		struct group *g = after->groups[i];
		g->manager = m;
		if (g->fresh)
			take_fresh(g);
		else if (!g->files)
			watch_files(g);
	}
}

enum exit_status manager_apply(
	struct manager *m, struct config *c, struct buf *errors, struct manager_change *change)
{
	struct plan p = {.before = &m->set,
		.config = c,
		.settings = &m->settings,
		.given = m->lent,
		.given_count = m->lent_count,
		.errors = errors};
	manager_lend(m, NULL, 0);
	make_plan(&p, c);
	if (p.status) {
		give_up_fresh(&m->set);
		free_others(&p.after, &m->set);
		return p.status;
	}
	if (change)
		*change = compare(&m->set, &p.after);
	commit(m, c, &p.after);
	return EXIT_OK;
}

/* ---- the whole ---- */

struct manager *manager_new(const struct manager_ops *ops, void *owner)
{
	struct manager *m = mem_new(sizeof *m);
	*m = (struct manager){.ops = ops, .owner = owner};
	return m;
}

void manager_lend(struct manager *m, const int *fd, size_t count)
{
	m->lent = fd;
	m->lent_count = count;
}

void manager_start(struct manager *m)
{
	m->started = true;
	for (size_t i = 0; i < m->set.member_count; i++)
		start(m, m->set.members[i]);
}

size_t manager_count(const struct manager *m)
{
	return m->set.member_count;
}

struct forward *manager_forward(const struct manager *m, size_t i)
{
	return m->set.members[i]->forward;
}

const char *manager_cluster_name(const struct manager *m, size_t i)
{
	return m->set.members[i]->group->own.name;
}

static size_t in_state(const struct manager *m, enum forward_state state)
{
	size_t n = 0;
	for (size_t i = 0; i < m->set.member_count; i++)
		n += forward_state(m->set.members[i]->forward) == state;
	return n;
}

size_t manager_wanted(const struct manager *m)
{
	return m->set.member_count - in_state(m, FORWARD_STOPPED);
}

size_t manager_active(const struct manager *m)
{
	return in_state(m, FORWARD_ACTIVE);
}

size_t manager_connections(const struct manager *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->set.member_count; i++) {
		struct forward_numbers numbers;
		forward_numbers(m->set.members[i]->forward, &numbers);
		n += numbers.connections;
	}
	return n;
}

struct forward *manager_find(const struct manager *m, const char *name, bool *several)
{
	struct forward *by_section = NULL, *by_service = NULL;
	unsigned services = 0;
	for (size_t i = 0; i < m->set.member_count; i++) {
		const struct member *one = m->set.members[i];
		if (!strcmp(one->own.name, name))
			by_section = one->forward;
		if (strcmp(forward_name(one->forward), name) != 0)
			continue;
		by_service = one->forward;
		services++;
	}
	if (several)
		*several = !by_section && services > 1;
	return by_section || services != 1 ? by_section : by_service;
}

struct forward *manager_find_port(const struct manager *m, const char *address, uint16_t port)
{
	for (size_t i = 0; i < m->set.member_count; i++) {
		struct forward *f = m->set.members[i]->forward;
		if (forward_local_port(f) == port &&
			!strcmp(forward_config(f)->local_address, address))
			return f;
	}
	return NULL;
}

void manager_drain(struct manager *m)
{
	for (size_t i = 0; i < m->set.member_count; i++)
		forward_drain(m->set.members[i]->forward);
}

void manager_wake(struct manager *m, bool slept)
{
	for (size_t i = 0; slept && i < m->set.group_count; i++)
		cluster_renew(m->set.groups[i]->cluster);
	if (slept)
		watch_renew_all();
	for (size_t i = 0; i < m->set.member_count; i++)
		forward_wake(m->set.members[i]->forward, slept);
}

void manager_free(struct manager *m)
{
	free_others(&m->set, &(struct set){0});
	free(m);
}
