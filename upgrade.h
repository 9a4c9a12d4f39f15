/* From an API server's HTTP to a pod's port-forward stream: the request that
 * asks for it, by one transport or another, and what the answer means.  Knows
 * nothing of what the stream carries.
 */
#pragma once
#include <stdint.h>

#include "api.h"

enum { UPGRADE_LIMIT_MS = 15000, UPGRADE_REFUSAL_MAX = 65536 };

struct upgrade;

struct upgrade_spec {
	struct cluster *cluster;
	const char *namespace, *pod;
	const char *uid; /* of the pod, or NULL: for those who ask the tunnel */
	uint16_t port;   /* goes into the URL; SPDY names it again for each stream */
};

/* Starts one, by cluster_transport(); where that is TRANSPORT_AUTO, WebSocket is
 * tried first, and SPDY where the server takes no such WebSocket, as kubectl
 * does.  Where neither is taken only TRANSPORT_V4 is left, which is learned but
 * not tried: it reaches the application at once.  What works is learned, what
 * fails forgotten.
 *
 * `on` is called once, from the loop: with the connection, which is the caller's
 * from then on (bytes may have come in already: peek) and speaks the cluster's
 * transport; or with NULL and what went wrong, in the server's words where it
 * had any.  Spec's strings need not outlive the call. */
struct upgrade *upgrade_start(const struct upgrade_spec *spec,
	void (*on)(void *owner, struct conn *conn, const struct err *e), void *owner);

/* Gives up; `on` is not called any more. */
void upgrade_cancel(struct upgrade *u);
