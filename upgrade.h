/* From an API server's HTTP to a pod's port-forward stream: the request that
 * asks for it, and what the answer means.  Knows nothing of what the stream
 * carries.
 */
#pragma once
#include <stdint.h>

#include "api.h"

/* The ways to ask, all of them for SPDY/3.1 frames.  */
enum transport {
	TRANSPORT_WEBSOCKET, /* SPDY/3.1+portforward.k8s.io inside WebSocket: since 1.31 */
};

enum { UPGRADE_LIMIT_MS = 15000, UPGRADE_REFUSAL_MAX = 65536 };

struct upgrade;

struct upgrade_spec {
	struct cluster *cluster;
	const char *namespace, *pod;
	uint16_t port; /* goes into the URL; SPDY names it again for each stream */
	enum transport transport;
};

/* Starts one.  `on` is called once, from the loop: with the connection, which is
 * the caller's from then on (bytes may have come in already: peek), or with
 * NULL and what went wrong, in the server's words where it had any.  Spec's
 * strings need not outlive the call. */
struct upgrade *upgrade_start(const struct upgrade_spec *spec,
	void (*on)(void *owner, struct conn *conn, const struct err *e), void *owner);

/* Gives up; `on` is not called any more. */
void upgrade_cancel(struct upgrade *u);
