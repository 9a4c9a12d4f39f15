/* A connection of conn.h's as a socket: for what is carried inside TLS and is TLS
 * itself, or is to be handed to those who want a descriptor.
 *
 * Copies bytes between the connection and one end of a pair of sockets.  Knows nothing
 * of what they mean.
 */
#pragma once
#include "conn.h"
#include "err.h"

struct relay;

/* Connects as conn_open() does.  `on` is called from the loop only: once with a
 * socket, not blocking, that is the caller's from then on; and once with -1 when the
 * connection has failed, or has ended and all that came in is in the socket.  *e is
 * then why, of kind ERR_NONE where that was in good order.  Behind that the relay is
 * no more. */
struct relay *relay_start(const struct conn_spec *spec,
	void (*on)(void *owner, int fd, const struct err *e), void *owner);

/* Ends it; `on` is not called any more.  Of what was written to the socket, only what
 * fits now leaves. */
void relay_close(struct relay *r);
