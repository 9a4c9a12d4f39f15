/* A tunnel: one upgraded connection to one pod, and the channels on it, each of
 * which carries one local connection (two SPDY streams; v4 has one for all).
 *
 * Knows what every frame and error of the other end means; does not know why a
 * tunnel is wanted, or what a channel's bytes are.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "k8s.h"
#include "upgrade.h"

struct tunnel;
struct channel;

enum {
	TUNNEL_FENCE_MS = 5000, /* a ping or a new stream unanswered: no new channels */
	TUNNEL_DEAD_MS = 15000, /* nothing at all heard after a ping: given up; a new stream, too */
	TUNNEL_QUEUE = 1 << 20, /* bytes that one stalled client of a shared tunnel may queue */
	TUNNEL_QUEUE_ALL = 64 << 20, /* the same for the whole process */
	TUNNEL_STALL_MS = 10000,     /* how long it may then hold up the others */
	TUNNEL_BLOCKED_MS = 1000,    /* the server takes nothing: stalled */
	TUNNEL_FRAME = 16384,        /* bytes of one frame that channel_push() sends, at most */
	TUNNEL_PULL = 131072,        /* the same for channel_pull() */
};

enum tunnel_event {
	TUNNEL_READY,   /* open: channels may be opened */
	TUNNEL_CHANGED, /* fenced or not any more, a channel less, stalled or not */
	TUNNEL_GONE,    /* tunnel_error() says why; channels were ended; only tunnel_close() now */
};

/* Opens one to `pod`.  `on` is called from the loop only.  Never NULL.  Where
 * the cluster's transport is TRANSPORT_V4 the tunnel has one channel only, which
 * may be opened at once, before it is ready. */
struct tunnel *tunnel_open(const struct upgrade_spec *spec,
	void (*on)(void *owner, struct tunnel *t, enum tunnel_event), void *owner);

/* Ends it, its channels first (each is told CHANNEL_BROKE). */
void tunnel_close(struct tunnel *t);

/* Takes no new channel from now on; those it has go on. */
void tunnel_fence(struct tunnel *t);

/* Sends a ping, unless one is under way (also done by itself, when data has been
 * sent for TUNNEL_FENCE_MS and nothing came): a SPDY one, which the pod's container
 * runtime answers, and a WebSocket one, which the API server answers.  The
 * first unanswered for TUNNEL_FENCE_MS fences the tunnel until one is answered, and is
 * sent again where something else was heard; silence for TUNNEL_DEAD_MS ends it. */
void tunnel_ping(struct tunnel *t);

/* It may be dead without our knowing: fenced until a new ping is answered. */
void tunnel_doubt(struct tunnel *t);

bool tunnel_is_ready(const struct tunnel *t);   /* open, whether fenced or not */
bool tunnel_is_usable(const struct tunnel *t);  /* not fenced, and ready where it need be */
bool tunnel_is_blocked(const struct tunnel *t); /* the server takes nothing, for now */
bool tunnel_is_stalled(const struct tunnel *t); /* held up by a client or by the server */
bool tunnel_is_silent(const struct tunnel *t);  /* fenced: what was asked is not answered */
unsigned tunnel_channels(const struct tunnel *t);
enum transport tunnel_transport(const struct tunnel *t); /* AUTO: not known before it is ready */
int64_t tunnel_round_trip_ms(const struct tunnel *t);    /* of the last ping; -1: none yet */
int64_t tunnel_answered_ms(const struct tunnel *t);      /* when it last proved to be well */
const struct err *tunnel_error(const struct tunnel *t);

/* ---- channels ---- */

enum channel_how {
	CHANNEL_ENDED,    /* the application has closed; all it sent was given out */
	CHANNEL_REFUSED,  /* nothing listens on the port */
	CHANNEL_UNOPENED, /* its v4 tunnel could not be opened: the application saw nothing */
	CHANNEL_POD_GONE, /* the pod has no network any more: it never reached the application */
	CHANNEL_BROKE,    /* anything else; also when the tunnel is gone */
};

/* What an owner is told, from the loop only. */
struct channel_ops {
	void (*data)(void *owner, const uint8_t *p, size_t n); /* p dies at return */
	void (*room)(void *owner);     /* channel_room() gave none, and may give some now */
	void (*finished)(void *owner); /* no more data will come; sending is still possible */
	/* The channel is no more.  e is set unless it ENDED. */
	void (*end)(void *owner, enum channel_how how, const struct err *e);
};

/* Opens a channel to the pod's `port`; data may be pushed at once.  NULL: the
 * tunnel is not usable. */
struct channel *channel_open(
	struct tunnel *t, uint16_t port, const struct channel_ops *ops, void *owner);

/* Room for data towards the application (0: ops->room will follow; those who
 * wait are served first come, first served), and how much of it was filled. */
size_t channel_room(struct channel *c, uint8_t **p);
void channel_push(struct channel *c, size_t n);

/* Both at once: moves what the socket `fd` has to give into one frame, a large
 * one where it has much; tells whether that was all there is.  Returns as recv(2)
 * does; errno ENOBUFS: there is no room, ops->room will follow. */
ssize_t channel_pull(struct channel *c, int fd, bool *drained);

/* The local end has no more to send: FIN on the data stream. */
void channel_finish(struct channel *c);

/* The owner could not pass on all data: so many bytes wait in its queue now.
 * To be told at each change; 0 when all is passed on.  Alone on its tunnel, a
 * stalled client stops the reading of it; beside others it may queue
 * TUNNEL_QUEUE bytes, and then hold them up for TUNNEL_STALL_MS, after which
 * its channel is ended. */
void channel_queued(struct channel *c, size_t bytes);

/* Ends it now, on both sides; ops->end is not called. */
void channel_abort(struct channel *c);

/* The name of the pod at the far end. */
const char *channel_pod(const struct channel *c);
const char *channel_uid(const struct channel *c); /* the pod's, as the tunnel was opened for it */
