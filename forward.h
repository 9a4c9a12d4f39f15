/* One forward: its listeners, its state, and the back-off between tries.
 *
 * Brings together the pod it points at (k8s), the tunnels to it (pool) and the
 * local connections (clients).  Knows nothing of how it is shown.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "history.h"
#include "listener.h"

struct cluster;
struct forward;

enum {
	FORWARD_HELD_MAX = 128, /* connections held at once; further ones wait in the backlog */
	FORWARD_BACKOFF_MAX_MS = 60000, /* a tenth more or less, as each wait */
	FORWARD_INFO = 640,             /* bytes of forward_info() */
};

enum forward_state {
	FORWARD_STARTING,
	FORWARD_ACTIVE,       /* a pod serves, a tunnel to it answers, checks find all well */
	FORWARD_RECONNECTING, /* lost, and the cause is passing */
	FORWARD_FAILED,       /* the last try's cause needs a person; tried all the same */
	FORWARD_STOPPED,      /* by a person, or another porter has its sockets */
	FORWARD_STATES,
};

/* "Active", ... */
const char *forward_state_name(enum forward_state s);

/* What it has must outlive the forward, but for `lent`. */
struct forward_spec {
	const struct config_settings *settings;
	const struct config_forward *own;
	struct cluster *cluster;
	const char *cluster_name; /* as messages call it */
	const int *lent;          /* sockets that listen already: see listener.h */
	size_t lent_count;
	bool stopped; /* it begins so: nothing is bound before forward_resume() */
};

/* Makes one and binds its listeners, which take no connection yet: the loop
 * is not needed.  NULL with *e set: the port is taken, or cannot be bound. */
struct forward *forward_new(const struct forward_spec *spec, struct err *e);

/* Begins to serve.  `on` is called from the loop whenever the state or the reason for
 * it has changed; tries that fail as before are only counted.  It is for showing that:
 * it must neither free the forward nor want anything of it (below). */
void forward_start(struct forward *f, void (*on)(void *owner, struct forward *f), void *owner);

/* Its cluster is to become another one: nothing that is known of the target holds.  Then,
 * when all forwards of the cluster have left (what is watched is shared), it is looked for
 * there.  Connections that there are go on, for as long as their tunnels do. */
void forward_leave(struct forward *f);
void forward_return(struct forward *f);

/* The settings are others than they were: from now on it goes by them. */
void forward_adjust(struct forward *f);

/* What a person, or another porter, wants of it; only behind forward_start().  `on` is
 * told of it later, from the loop.
 *
 * Stops: its connections end, its port is free, and nothing runs for it; harmless where it
 * is so already.  So it stays until it is resumed: then it binds the same port, also where
 * any was asked for, and begins anew.  False with *e set where that cannot be bound: it
 * stays Stopped.  True where it was not Stopped. */
void forward_stop(struct forward *f);
bool forward_resume(struct forward *f, struct err *e);

/* The next try comes at once, whoever wished the wait, and tries are counted anew.  Where
 * none is waited for, new connections go to new tunnels, and the pod is looked at and all is
 * checked again; those that there are go on.  Nothing where it is Stopped. */
void forward_reconnect(struct forward *f);

/* Another porter has its sockets: it is Stopped from now on, though not in its history,
 * and checks nothing; but connections that there are, held ones too, go on to their end.
 * `on` is told once more when the last one is gone. */
void forward_drain(struct forward *f);

/* Closes its listeners and connections, at once, and frees it; in any state, before
 * forward_start() too. */
void forward_free(struct forward *f);

/* The machine was asleep, or only its network has changed: asks at once whether all is
 * well, and ends the wait for the next try, whoever wished it.  After a sleep tunnels
 * are used again when they have answered.  Only behind forward_start(). */
void forward_wake(struct forward *f, bool slept);

enum forward_state forward_state(const struct forward *f);

/* "cluster/service", as messages name it: see config_title(). */
const char *forward_name(const struct forward *f);
const struct config_forward *forward_config(const struct forward *f);

/* Where it listens: the port, and the sockets, as another may be lent them. */
uint16_t forward_local_port(const struct forward *f);
size_t forward_sockets(const struct forward *f, int fd[LISTENER_SOCKETS]);

/* The pod in use, or NULL. */
const struct k8s_pod *forward_pod(const struct forward *f);

/* Why it is not Active; kind ERR_NONE where it is, or is not known yet. */
const struct err *forward_error(const struct forward *f);

/* Its last events: what is a state's name, or "Moved" (to another pod). */
const struct history *forward_history(const struct forward *f);

/* What it has done since it began, and what there is now. */
struct forward_numbers {
	uint64_t served;            /* connections in all that went on to a pod */
	uint64_t bytes_up;          /* from local clients, those that are open included */
	uint64_t bytes_down;        /* to them */
	unsigned connections, held; /* open now, and which of them wait */
	unsigned tunnels;           /* open, or being opened */
	const char *transport; /* of the newest tunnel: "websocket", "spdy", "v4"; NULL: none */
	int64_t round_trip_ms; /* through a tunnel to the pod's node; -1: not measured */
	int64_t checked_ms;    /* when it last proved to be well, by loop_now(); 0: never */
	unsigned attempts;     /* that have failed since it was last Active */
};
void forward_numbers(const struct forward *f, struct forward_numbers *n);

/* What is to be known of the state, in words: "checked 2s ago", "checked 2s ago,
 * pod not ready", "retry in 3s (attempt 2)", "pod not found". */
void forward_info(const struct forward *f, char text[FORWARD_INFO]);
