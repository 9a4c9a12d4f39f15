/* One try for each forward: k8s.h's look, then a tunnel.  Those of a cluster are begun
 * and told in their order, so each cluster has a list with two places in it. */
#include "check.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "buf.h"
#include "loop.h"
#include "mem.h"
#include "pod.h"
#include "text.h"
#include "tunnel.h"

struct group;

struct one {
	const struct check_spec *spec;
	struct group *group;
	struct one *next;          /* of the same cluster */
	struct k8s_target *target; /* the look; or ... */
	struct tunnel *tunnel;     /* ... the tunnel, under way */
	struct timer limit;
	const char *missing; /* what is waited for, as the limit's words */
	bool over;
	struct err err; /* kind ERR_NONE: it is well */
	struct k8s_pod pod;
	enum transport transport; /* of the tunnel */
	char warning[ERR_TEXT];   /* or "" */
};

/* The forwards of one cluster. */
struct group {
	struct check *check;
	struct cluster *cluster; /* NULL: there is none */
	struct one *to_begin, *to_tell, **last;
	unsigned running;
	bool answered;   /* the server is there */
	struct err down; /* why none is begun any more */
};

struct check {
	const struct check_ops *ops;
	void *owner;
	int64_t limit_ms;
	struct one *one;
	struct group *group; /* the one behind the last has no cluster */
	size_t count, left, failed;
	struct task begin;
};

/* ---- what is told ---- */

__attribute__((format(printf, 2, 3))) static void say(const struct check *c, const char *fmt, ...)
{
	char line[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	text_clean(line);
	c->ops->line(c->owner, line);
}

static void tell_ok(const struct one *o)
{
	static const char *const By[] = {[TRANSPORT_WEBSOCKET] = "websocket",
		[TRANSPORT_SPDY] = "spdy",
		[TRANSPORT_V4] = "v4 (not tried: it would reach the application)"};
	const struct k8s_pod *pod = &o->pod;
	bool seen = *pod->uid;
	char local[16];
	snprintf(local, sizeof local, o->spec->local_port ? "%u" : "a free port",
		o->spec->local_port);
	say(o->group->check, "%s ok: %s -> pod %s%s, port %u, by %s%s%s%s", o->spec->name, local,
		pod->name, seen && pod->ready ? " (Ready)" : "", pod->port, By[o->transport],
		pod->ready ? "" : ", pod not ready", *o->warning ? ", " : "", o->warning);
}

#define PODS "list and watch pods, get and create pods/portforward"

static void tell_failed(const struct one *o)
{
	static const char *const Rights[] = {[K8S_SERVICE] = "get services, " PODS,
		[K8S_POD] = "list and watch, or get, pods, get and create pods/portforward",
		[K8S_DEPLOYMENT] = "get deployments, " PODS,
		[K8S_STATEFULSET] = "get statefulsets, " PODS,
		[K8S_DAEMONSET] = "get daemonsets, " PODS,
		[K8S_SELECTOR] = PODS};
	const struct check *c = o->group->check;
	const struct k8s_ref *ref = o->spec->ref;
	say(c, "%s failed: %s", o->spec->name, o->err.text);
	if (o->err.kind == ERR_FORBIDDEN)
		say(c, "  a forward takes these rights in namespace '%s': %s", ref->namespace,
			Rights[ref->type]);
	else if (o->err.kind == ERR_NOT_FOUND)
		say(c, "  it was looked for as %s '%s' in namespace '%s'", pod_type_name(ref->type),
			ref->name, ref->namespace);
}

static void tell(struct check *c, const struct one *o)
{
	c->left--;
	c->failed += o->err.kind != ERR_NONE;
	(o->err.kind ? tell_failed : tell_ok)(o);
}

static void end_if_over(struct check *c)
{
	if (c->left)
		return;
	say(c, "%zu of %zu ok; no port was bound, no application connected to, no probe run",
		c->count - c->failed, c->count);
	c->ops->end(c->owner, c->failed);
}

/* ---- one after the other ---- */

static void begin(struct one *o);

static void conclude(struct one *o, const struct err *e)
{
	o->over = true;
	o->err = *e;
}

static void begin_some(struct group *g)
{
	while (g->to_begin && g->running < CHECK_AT_ONCE) {
		struct one *o = g->to_begin;
		g->to_begin = o->next;
		if (g->down.kind)
			conclude(o, &g->down);
		else
			begin(o);
	}
}

static void go_on(struct group *g)
{
	begin_some(g);
	while (g->to_tell && g->to_tell->over) {
		tell(g->check, g->to_tell);
		g->to_tell = g->to_tell->next;
	}
	end_if_over(g->check);
}

static void stop(struct one *o)
{
	timer_stop(&o->limit);
	if (o->target)
		k8s_unfollow(o->target);
	if (o->tunnel)
		tunnel_close(o->tunnel);
	o->target = NULL;
	o->tunnel = NULL;
}

/* Each one that waits for a server in vain would take its whole limit. */
static void finish(struct one *o, const struct err *e)
{
	struct group *g = o->group;
	stop(o);
	conclude(o, e);
	g->running--;
	if (e->kind == ERR_NETWORK && !g->answered)
		g->down = *e;
	go_on(g);
}

static void succeed(struct one *o, enum transport by)
{
	o->transport = by;
	finish(o, &(struct err){0});
}

static void on_limit(struct timer *timer)
{
	struct one *o = OWNER_OF(timer, struct one, limit);
	struct err e = {0};
	err_set(&e, ERR_NETWORK, 0, "cluster '%s': %s in %lld s", cluster_name(o->spec->cluster),
		o->missing, (long long)(o->group->check->limit_ms / 1000));
	finish(o, &e);
}

/* ---- the tunnel ---- */

/* What is between may take a tunnel and carry nothing, so it counts when the pod's node
 * has answered through it. */
static void on_tunnel(void *owner, struct tunnel *t, enum tunnel_event event)
{
	struct one *o = owner;
	enum transport left = cluster_transport(o->spec->cluster);
	struct err e = *tunnel_error(t);
	if (event == TUNNEL_READY) {
		o->transport = left;
		o->missing = "no answer through the tunnel";
		tunnel_doubt(t);
	} else if (event == TUNNEL_CHANGED && tunnel_is_usable(t)) {
		succeed(o, o->transport);
	} else if (event == TUNNEL_GONE && e.kind == ERR_PROTOCOL && left == TRANSPORT_V4) {
		succeed(o, left);
	} else if (event == TUNNEL_GONE) {
		finish(o, &e);
	}
}

/* v4 reaches the application at once: it can only be named. */
static void open_tunnel(struct one *o)
{
	const struct upgrade_spec spec = {.cluster = o->spec->cluster,
		.namespace = o->spec->ref->namespace,
		.pod = o->pod.name,
		.uid = o->pod.uid,
		.port = o->pod.port};
	if (cluster_transport(spec.cluster) == TRANSPORT_V4) {
		succeed(o, TRANSPORT_V4);
		return;
	}
	o->missing = "no answer to the port-forward request";
	o->tunnel = tunnel_open(&spec, on_tunnel, o);
}

/* ---- the look ---- */

static void on_target(void *owner)
{
	struct one *o = owner;
	const struct k8s_pod *pod = k8s_pod(o->target);
	const char *warning = k8s_warning(o->target);
	struct err e = *k8s_error(o->target);
	o->group->answered |= e.kind != ERR_NETWORK;
	if (!pod) {
		finish(o, &e);
		return;
	}
	o->pod = *pod;
	snprintf(o->warning, sizeof o->warning, "%s", warning ? warning : "");
	k8s_unfollow(o->target);
	o->target = NULL;
	open_tunnel(o);
}

static void begin(struct one *o)
{
	int64_t limit_ms = o->group->check->limit_ms;
	o->group->running++;
	o->missing = "no answer";
	timer_after(&o->limit, limit_ms);
	o->target = k8s_follow(o->spec->cluster, o->spec->ref, limit_ms, on_target, o);
}

/* ---- beginning and end ---- */

static void on_begin(struct task *task)
{
	struct check *c = OWNER_OF(task, struct check, begin);
	for (struct group *g = c->group; g->cluster; g++)
		begin_some(g);
	end_if_over(c);
}

static struct group *group_of(struct check *c, struct cluster *cluster)
{
	struct group *g = c->group;
	while (g->cluster && g->cluster != cluster)
		g++;
	if (!g->cluster)
		*g = (struct group){.check = c, .cluster = cluster, .last = &g->to_begin};
	return g;
}

static void add(struct check *c, struct one *o, const struct check_spec *spec)
{
	struct group *g = group_of(c, spec->cluster);
	*o = (struct one){.spec = spec, .group = g, .limit.on = on_limit};
	*g->last = o;
	g->last = &o->next;
	g->to_tell = g->to_begin;
}

struct check *check_start(const struct check_spec *specs, size_t count, int64_t limit_ms,
	const struct check_ops *ops, void *owner)
{
	struct check *c = mem_new(sizeof *c);
	*c = (struct check){.ops = ops,
		.owner = owner,
		.limit_ms = limit_ms,
		.one = mem_new((count + 1) * sizeof *c->one),
		.group = mem_new((count + 1) * sizeof *c->group),
		.count = count,
		.left = count,
		.begin.on = on_begin};
	for (size_t i = 0; i < count; i++)
		add(c, &c->one[i], &specs[i]);
	task_post(&c->begin);
	return c;
}

static void free_check(void *p)
{
	struct check *c = p;
	free(c->one);
	free(c->group);
	free(c);
}

void check_free(struct check *c)
{
	task_drop(&c->begin);
	for (size_t i = 0; i < c->count; i++)
		stop(&c->one[i]);
	loop_free_later(c, free_check);
}
