/* Requests to one cluster's API server over kept connections (HTTP/1.1).
 *
 * Knows how to reach the cluster and who we are there; knows nothing of
 * services or pods.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "conn.h"
#include "err.h"
#include "kubeconfig.h"
#include "value.h"

struct cluster;

/* How a port-forward is carried. */
enum transport {
	TRANSPORT_AUTO,      /* the first of the others that the server takes */
	TRANSPORT_WEBSOCKET, /* SPDY/3.1 inside WebSocket: since Kubernetes 1.31 */
	TRANSPORT_SPDY,      /* SPDY/3.1 as it is: deprecated, and everywhere */
	TRANSPORT_V4,        /* v4.channel.k8s.io: a WebSocket for each connection */
};

const char *transport_name(enum transport t); /* "websocket", ... */

/* Takes the kubeconfig over and decodes its certificates; counts one user.
 * NULL with *e set ("cluster 'prod': ..."); the kubeconfig is freed then, too. */
struct cluster *cluster_new(const char *name, struct kubeconfig *k, struct err *e);

/* Whether both are the same cluster and user, by kubeconfigs that say the same. */
bool cluster_same(const struct cluster *a, const struct cluster *b);

/* Whether both are reached at the same address. */
bool cluster_same_server(const struct cluster *a, const struct cluster *b);

/* From now on `c` is what `fresh` is, which nobody else has used, and is dropped: another
 * user, certificate or address, or another way there.  Connections that there are go on. */
void cluster_take(struct cluster *c, struct cluster *fresh);

struct cluster *cluster_share(struct cluster *c); /* one more user */
void cluster_drop(struct cluster *c);             /* the last one frees */
const char *cluster_name(const struct cluster *c);
struct credential *cluster_credential(const struct cluster *c);
const struct kubeconfig *cluster_kubeconfig(const struct cluster *c);

/* Milliseconds until the caller's turn, for what many do at once after an outage:
 * turns are API_TURN_MS apart, so that their handshakes are spread. */
enum { API_TURN_MS = 10 };
int64_t cluster_turn(struct cluster *c);

/* Connections may be dead without our knowing: idle ones are not used again, and what
 * has not been answered at all is asked on new ones. */
void cluster_renew(struct cluster *c);

/* How the server is reached: by ssh(1) to `ssh`, by `command` (both as proxy.h has them),
 * or, where both are NULL, by the kubeconfig's proxy-url or the environment's.  Before
 * the first connection; without this call they go straight.  False with *e set
 * ("cluster 'prod': ..."). */
bool cluster_find_way(struct cluster *c, const char *ssh, char *const *command, struct err *e);

/* The transport to use: the one that is asked for; else the one that is known to
 * work here; else TRANSPORT_AUTO. */
enum transport cluster_transport(const struct cluster *c);
void cluster_ask_transport(struct cluster *c, enum transport t);

/* Remembers what works; TRANSPORT_AUTO forgets it, after a failure. */
void cluster_learn_transport(struct cluster *c, enum transport t);

/* Starts a connection of its own to the API server, for an upgrade, with the
 * credential that there is; its owner shares the cluster for as long.  conn_error() does not name
 * the cluster. */
struct conn *cluster_connect(
	struct cluster *c, void (*on)(void *owner, enum conn_event), void *owner);

/* Appends a request's first line and the fields every request has (Host,
 * User-Agent, Authorization); the caller adds its own and the empty line, and
 * wipes the buffer.  `path` begins with "/api" and is in its encoded form.
 * False with *e set ("cluster 'prod': ..."): no credential, or no such path. */
bool cluster_put_request(
	struct cluster *c, struct buf *out, const char *method, const char *path, struct err *e);

struct api_answer {
	int status;               /* HTTP's; 0 if there was no whole answer */
	const struct value *body; /* its JSON; NULL if it is none */
	struct err err;           /* set where the status is not 2xx, there was no answer
				     ("cluster 'prod': ...") or it is not JSON */
};

struct api_call;

/* API_CALLS at once, each on a connection of its own; further ones wait for
 * their turn, first come first served.  Idle connections are kept for the next
 * call, API_KEPT of them for API_IDLE_MS. */
enum { API_CALLS = 4, API_KEPT = 2, API_IDLE_MS = 60000 };

/* Bounds of one call: connecting, the whole with its wait, bytes of the body. */
enum { API_CONNECT_MS = 15000, API_LIMIT_MS = 30000, API_BODY_MAX = 16 << 20 };

struct api_limits {
	int64_t connect_ms, call_ms, idle_ms;
	size_t body_max;
};

/* Other limits than these, from now on. */
void cluster_limit(struct cluster *c, const struct api_limits *limits);

/* GET `path` (as above; copied).  `on` is called once, from the loop; the call,
 * answer and body die behind it.  A kept connection that the server closes
 * before the first byte of its answer is replaced at once by a new one. */
struct api_call *api_get(struct cluster *c, const char *path,
	void (*on)(void *owner, const struct api_answer *), void *owner);
void api_cancel(struct api_call *call); /* before `on`, which is then not called */

/* What the owner of a watch is told. */
struct api_watch_ops {
	void (*begun)(void *owner);                           /* the server has accepted it */
	void (*line)(void *owner, const struct value *event); /* dies at return */
	/* As `on` above; without an error where the server has ended it in good order. */
	void (*end)(void *owner, const struct api_answer *a);
};

/* GET `path`, whose answer is a JSON value a line and goes on for up to `limit_ms`:
 * beyond that it has died unnoticed.  On a connection of its own, at once.
 * api_cancel() is allowed in `begun` and `line`, too. */
struct api_call *api_watch(struct cluster *c, const char *path, int64_t limit_ms,
	const struct api_watch_ops *ops, void *owner);

/* What a refusal says: kind and code by status, text by the Status object in the
 * body where there is one.  The text does not name the cluster.  Returns whether
 * the words are the server's: it was Kubernetes that refused, not a proxy. */
bool api_refusal(struct err *e, int status, const uint8_t *body, size_t n);
