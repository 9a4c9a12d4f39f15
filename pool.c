/* One array of tunnels, and one function that tends it: closes what has
 * drained, opens what is missing.  Everything that happens leads there. */
#include "pool.h"

#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "mem.h"
#include "ulimit.h"

struct member {
	struct tunnel *tunnel;
	bool draining; /* to a pod that is not used any more, or replaced */
	bool opened;   /* it was ready once */
	bool own;      /* v4: opened for one channel, on demand */
	int64_t since_ms;
};

struct pool {
	struct cluster *cluster;
	const char *namespace;
	unsigned limit;
	const struct pool_ops *ops;
	void *owner;
	struct k8s_pod pod; /* that is used, or was when the last tunnel was lost; name "": none */
	bool has_pod;       /* it is used */
	struct member *member;
	unsigned count, cap;
	struct timer surplus; /* set while more than one tunnel is idle */
	struct timer spare;   /* set while a spare that failed must wait */
	bool must_wait;       /* for it also where no tunnel is left */
	bool silent;          /* no tunnel answered, and none has been ready since */
	bool told_silent;
	int64_t answered_ms; /* by tunnels that are gone */
};

static bool is_opening(const struct member *m)
{
	return !m->draining && !tunnel_is_ready(m->tunnel);
}

static bool takes_channels(const struct member *m)
{
	return !m->draining && tunnel_is_ready(m->tunnel) && tunnel_is_usable(m->tunnel) &&
	       !tunnel_is_stalled(m->tunnel);
}

static bool is_idle(const struct member *m)
{
	return takes_channels(m) && !tunnel_channels(m->tunnel);
}

static bool is_silent(const struct member *m)
{
	return !m->draining && tunnel_is_silent(m->tunnel);
}

/* v4 reaches the application at once, so its tunnels are opened when they are
 * wanted, and carry one channel each. */
static bool is_on_demand(const struct pool *p)
{
	return cluster_transport(p->cluster) == TRANSPORT_V4;
}

static unsigned count_if(const struct pool *p, bool (*is)(const struct member *))
{
	unsigned n = 0;
	for (unsigned i = 0; i < p->count; i++)
		n += is(&p->member[i]);
	return n;
}

static struct member *find(struct pool *p, const struct tunnel *t)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->member[i].tunnel == t)
			return &p->member[i];
	return NULL;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void remove_member(struct pool *p, struct member *m)
{
	p->answered_ms = later(p->answered_ms, tunnel_answered_ms(m->tunnel));
	tunnel_close(m->tunnel);
	*m = p->member[--p->count];
	if (p->count)
		ulimit_give();
}

static void on_tunnel(void *owner, struct tunnel *t, enum tunnel_event event);

static void open_one(struct pool *p)
{
	struct upgrade_spec spec = {.cluster = p->cluster,
		.namespace = p->namespace,
		.pod = p->pod.name,
		.uid = p->pod.uid,
		.port = p->pod.port};
	if (p->count == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 4;
		p->member = mem_grow(p->member, p->cap * sizeof *p->member);
	}
	if (p->count)
		ulimit_take();
	p->member[p->count++] =
		(struct member){.tunnel = tunnel_open(&spec, on_tunnel, p), .since_ms = loop_now()};
}

/* A server that sends new tunnels away at once (GOAWAY) is not asked again at
 * once. */
static void note_short_life(struct pool *p, const struct member *m)
{
	if (m->draining || m->own || is_silent(m) || loop_now() - m->since_ms >= POOL_SPARE_MS)
		return;
	p->must_wait = true;
	timer_after(&p->spare, POOL_SPARE_MS);
}

/* A tunnel that is empty and takes no more channels has drained. */
static void close_drained(struct pool *p)
{
	for (unsigned i = p->count; i-- > 0;) {
		struct member *m = &p->member[i];
		bool over =
			m->draining || (tunnel_is_ready(m->tunnel) && !tunnel_is_usable(m->tunnel));
		if (!over || tunnel_channels(m->tunnel))
			continue;
		note_short_life(p, m);
		p->silent |= is_silent(m);
		remove_member(p, m);
	}
}

static bool may_open(const struct pool *p, unsigned useful)
{
	return p->has_pod && !is_on_demand(p) && useful < p->limit &&
	       p->count < p->limit + POOL_EXTRA && (!useful || ulimit_is_plenty()) &&
	       (!timer_is_set(&p->spare) || (!useful && !p->must_wait));
}

/* Closes what is drained, opens a spare where none is idle or on its way, and
 * sets the clock for tunnels that are more than needed. */
static void tend(struct pool *p)
{
	close_drained(p);
	unsigned opening = count_if(p, is_opening), idle = count_if(p, is_idle);
	unsigned useful = opening + count_if(p, takes_channels);
	if (!opening && !idle && may_open(p, useful))
		open_one(p);
	if (idle < 2)
		timer_stop(&p->surplus);
	else if (!timer_is_set(&p->surplus))
		timer_after(&p->surplus, POOL_IDLE_MS);
}

static void on_surplus(struct timer *timer)
{
	struct pool *p = OWNER_OF(timer, struct pool, surplus);
	unsigned idle = count_if(p, is_idle);
	for (unsigned i = p->count; i-- > 0 && idle > 1;)
		if (is_idle(&p->member[i])) {
			remove_member(p, &p->member[i]);
			idle--;
		}
}

static void on_spare(struct timer *timer)
{
	struct pool *p = OWNER_OF(timer, struct pool, spare);
	p->must_wait = false;
	tend(p);
}

/* A tunnel is gone.  If others still serve, a spare waits a while; if it was
 * the last one, the owner decides.  One on demand that was open has served its
 * only channel. */
static void lose(struct pool *p, struct member *m)
{
	struct err e = *tunnel_error(m->tunnel);
	bool own = m->own, served = m->opened && (own || is_on_demand(p));
	bool counts = !m->draining && !served;
	bool only_v4_is_left = is_on_demand(p) && !own && e.kind == ERR_PROTOCOL;
	remove_member(p, m);
	if (!counts || (only_v4_is_left && p->has_pod)) {
		if (pool_is_ready(p))
			p->ops->room(p->owner);
	} else if (count_if(p, takes_channels) || count_if(p, is_opening)) {
		timer_after(&p->spare, POOL_SPARE_MS);
		tend(p);
	} else {
		p->has_pod = false;
		p->ops->lost(p->owner, &e);
	}
}

static void on_tunnel(void *owner, struct tunnel *t, enum tunnel_event event)
{
	struct pool *p = owner;
	struct member *m = find(p, t);
	if (event == TUNNEL_GONE) {
		lose(p, m);
		return;
	}
	m->opened |= event == TUNNEL_READY;
	p->has_pod |= takes_channels(m); /* also where it was given up, and answers after all */
	tend(p);
	if (pool_is_ready(p)) {
		p->silent = p->told_silent = false;
		p->ops->room(p->owner);
	} else if (!p->told_silent && (p->silent || count_if(p, is_silent))) {
		p->told_silent = true;
		p->ops->silent(p->owner);
	}
}

static void drain_all(struct pool *p)
{
	for (unsigned i = 0; i < p->count; i++) {
		p->member[i].draining = true;
		tunnel_fence(p->member[i].tunnel);
	}
}

void pool_use(struct pool *p, const struct k8s_pod *pod)
{
	bool same = pod && !strcmp(p->pod.uid, pod->uid) && !strcmp(p->pod.name, pod->name);
	if (!same)
		drain_all(p);
	p->must_wait &= same && p->has_pod; /* another pod may be on a node that stays */
	p->has_pod = pod;
	p->pod = pod ? *pod : (struct k8s_pod){0};
	if (!p->must_wait)
		timer_stop(&p->spare);
	tend(p);
}

void pool_renew(struct pool *p)
{
	drain_all(p);
	p->must_wait = false;
	timer_stop(&p->spare);
	tend(p);
}

static struct channel *channel_of_its_own(
	struct pool *p, const struct channel_ops *ops, void *owner)
{
	if (!p->has_pod || p->count >= POOL_V4_MAX || (p->count && !ulimit_left()))
		return NULL;
	open_one(p);
	p->member[p->count - 1].own = true;
	return channel_open(p->member[p->count - 1].tunnel, p->pod.port, ops, owner);
}

/* One whose server is slow to take what we send may be about to stall. */
static bool is_better(const struct member *a, const struct member *b)
{
	bool slow_a = tunnel_is_blocked(a->tunnel), slow_b = tunnel_is_blocked(b->tunnel);
	if (slow_a != slow_b)
		return slow_b;
	return tunnel_channels(a->tunnel) < tunnel_channels(b->tunnel);
}

struct channel *pool_channel(struct pool *p, const struct channel_ops *ops, void *owner)
{
	struct member *best = NULL;
	if (is_on_demand(p))
		return channel_of_its_own(p, ops, owner);
	for (unsigned i = 0; i < p->count; i++) {
		struct member *m = &p->member[i];
		if (takes_channels(m) && (!best || is_better(m, best)))
			best = m;
	}
	if (!best)
		return NULL;
	struct channel *c = channel_open(best->tunnel, p->pod.port, ops, owner);
	tend(p);
	return c;
}

void pool_ping(struct pool *p)
{
	for (unsigned i = 0; i < p->count; i++)
		tunnel_ping(p->member[i].tunnel);
}

void pool_doubt(struct pool *p)
{
	for (unsigned i = p->count; i-- > 0;) {
		struct member *m = &p->member[i];
		if (is_opening(m) && !tunnel_channels(m->tunnel))
			remove_member(p, m);
		else
			tunnel_doubt(m->tunnel);
	}
	p->must_wait = true;
	timer_after(&p->spare, cluster_turn(p->cluster));
}

bool pool_is_ready(const struct pool *p)
{
	return is_on_demand(p) ? p->has_pod : count_if(p, takes_channels);
}

bool pool_passes_half_close(const struct pool *p)
{
	return p->pod.passes_half_close && !is_on_demand(p); /* v4 has none */
}

unsigned pool_tunnels(const struct pool *p)
{
	return p->count;
}

enum transport pool_transport(const struct pool *p)
{
	const struct member *newest = NULL;
	for (unsigned i = 0; i < p->count; i++) {
		const struct member *m = &p->member[i];
		if (tunnel_is_ready(m->tunnel) && (!newest || m->since_ms >= newest->since_ms))
			newest = m;
	}
	return newest ? tunnel_transport(newest->tunnel) : TRANSPORT_AUTO;
}

int64_t pool_round_trip_ms(const struct pool *p)
{
	int64_t best = -1;
	for (unsigned i = 0; i < p->count; i++) {
		int64_t ms = tunnel_round_trip_ms(p->member[i].tunnel);
		if (ms >= 0 && (best < 0 || ms < best))
			best = ms;
	}
	return best;
}

int64_t pool_answered_ms(const struct pool *p)
{
	int64_t last = p->answered_ms;
	for (unsigned i = 0; i < p->count; i++)
		last = later(last, tunnel_answered_ms(p->member[i].tunnel));
	return last;
}

struct pool *pool_new(const struct pool_spec *spec, const struct pool_ops *ops, void *owner)
{
	struct pool *p = mem_new(sizeof *p);
	*p = (struct pool){.cluster = cluster_share(spec->cluster),
		.namespace = spec->namespace,
		.limit = spec->limit,
		.ops = ops,
		.owner = owner,
		.surplus.on = on_surplus,
		.spare.on = on_spare};
	return p;
}

static void free_pool(void *owner)
{
	struct pool *p = owner;
	cluster_drop(p->cluster);
	free(p->member);
	free(p);
}

void pool_limit(struct pool *p, unsigned limit)
{
	p->limit = limit;
}

void pool_free(struct pool *p)
{
	timer_stop(&p->surplus);
	timer_stop(&p->spare);
	while (p->count)
		remove_member(p, &p->member[0]);
	loop_free_later(p, free_pool);
}
