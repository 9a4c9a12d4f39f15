/* From a server's name to a socket that is the server's: straight, through a proxy, or
 * by a program (proxy.h).
 *
 * Looks up, connects, asks the proxy.  Knows nothing of what the socket is for; has no
 * time limit of its own.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "proxy.h"
#include "tls.h"

enum {
	ROUTE_END_MS = 1000,   /* a program whose output has ended may take to end itself */
	ROUTE_LEAVE_MS = 2000, /* the same, when its connection has been closed */
};

struct route;

/* Need not outlive the call. */
struct route_spec {
	const char *host; /* DNS name or IP literal, without brackets */
	uint16_t port;
	const struct proxy *proxy;     /* NULL: straight */
	const struct tls_options *tls; /* for an https proxy, but for the host: copied; NULL:
					  the system's authorities */
	int64_t limit_ms;              /* for the same: of its TLS */
};

/* Starts.  `on` is called from the loop only: once with a connected non-blocking
 * socket, which is the caller's from then on, or with -1 and why not, in words that
 * name the proxy.
 *
 * Behind a socket, where route_stays(), it is called once more, with -1: what carries
 * the socket's bytes has ended, and *e says why, of kind ERR_NONE where it does not
 * know.  What had come in can still be read then.  A socket that ends may do so before
 * its route does, which knows the cause.
 *
 * The owner ends the route: behind the call that was the last one, too. */
struct route *route_start(const struct route_spec *spec,
	void (*on)(void *owner, int fd, const struct err *e), void *owner);

/* Whether the socket's bytes are carried by something of ours: then the route is to be
 * kept as long as the socket. */
bool route_stays(const struct route *r);

/* The socket has ended: so does what carries it, soon, if it had not been about to. */
void route_finish(struct route *r);

/* Gives up, or is done with; `on` is not called any more.  What carries a socket ends
 * with it: a program has ROUTE_LEAVE_MS for it. */
void route_close(struct route *r);

/* What it is waiting for, for a message: as dial_describe(), or "proxy
 * proxy.corp:3128", "ssh bastion". */
void route_describe(const struct route *r, char *text, int size);
