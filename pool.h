/* The tunnels of one forward: a spare one always at hand, shared when there
 * are as many as may be, fenced and drained when their pod changes.
 *
 * Knows nothing of listeners, states or back-off: what is lost for good is
 * told, and tried again only when the owner says so.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "k8s.h"
#include "tunnel.h"

enum {
	POOL_IDLE_MS = 60000, /* after which surplus idle tunnels are closed */
	POOL_SPARE_MS = 5000, /* after which a spare that failed is tried again */
	POOL_V4_MAX = 1024,   /* v4 tunnels: one a connection */
	POOL_EXTRA = 64,      /* tunnels beyond the limit, while others are stalled or fenced */
};

struct pool;

struct pool_ops {
	/* A channel may be had now. */
	void (*room)(void *owner);
	/* No tunnel answers; another is being opened, and room or lost follows. */
	void (*silent)(void *owner);
	/* The last tunnel is gone, or could not be opened: pool_use() tries again. */
	void (*lost)(void *owner, const struct err *e);
};

struct pool_spec {
	struct cluster *cluster;
	const char *namespace; /* must outlive the pool */
	unsigned limit;        /* tunnels, from 1 */
};

struct pool *pool_new(const struct pool_spec *spec, const struct pool_ops *ops, void *owner);
void pool_free(struct pool *p);                  /* its channels are ended (CHANNEL_BROKE) */
void pool_limit(struct pool *p, unsigned limit); /* another one, for those to come */

/* New channels go to `pod` from now on, on tunnels opened ahead of them.
 * Tunnels to another pod drain: they keep their channels and close behind the
 * last one.  NULL: to none.  Where the last try failed, this is the next one. */
void pool_use(struct pool *p, const struct k8s_pod *pod);

/* New channels go to new tunnels, the first of which is opened at once; those there are
 * drain as above. */
void pool_renew(struct pool *p);

/* Opens a channel to the pod's port: on an idle tunnel, else on the one with
 * the fewest channels that is neither stalled nor fenced, nor blocked if there is
 * another.  NULL: there is none;
 * ops->room will follow. */
struct channel *pool_channel(struct pool *p, const struct channel_ops *ops, void *owner);

/* Pings through every tunnel. */
void pool_ping(struct pool *p);

/* Every tunnel may be dead without our knowing: none takes a new channel before it has
 * answered, and those that are idle or on their way are replaced, in the cluster's
 * turns. */
void pool_doubt(struct pool *p);

/* Whether the pod's container runtime passes a client's end on to the
 * application, and goes on with the other direction. */
bool pool_passes_half_close(const struct pool *p);

bool pool_is_ready(const struct pool *p); /* a channel can be had */
unsigned pool_tunnels(const struct pool *p);
enum transport pool_transport(const struct pool *p); /* of the newest that is open; AUTO: none is */
int64_t pool_round_trip_ms(const struct pool *p);    /* the last measured; -1: none */
int64_t pool_answered_ms(const struct pool *p);      /* when a tunnel last proved to be well */
