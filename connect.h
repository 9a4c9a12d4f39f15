/* HTTP's CONNECT, as a client speaks it (RFC 9110, 9.3.6): asks a proxy for a
 * connection.  Bytes in and bytes out; no sockets.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "mem.h"

/* Whom to ask for, and as whom. */
struct connect_spec {
	const char *host; /* DNS name or IP literal without brackets */
	uint16_t port;
	const char *user;              /* NULL: none */
	const struct secret *password; /* of the user */
};

/* Appends the request, which may have the password in it. */
void connect_put(struct buf *out, const struct connect_spec *spec);

/* Takes the proxy's answer from its first byte on.  Returns its length, behind which
 * the server's bytes begin; 0 if more bytes are needed; -1 with *e set, in words that
 * do not name the proxy.  Of a refusal the body is not waited for.
 *
 * Kinds: ERR_NETWORK where it may pass (5xx: the server cannot be reached; 408, 429),
 * else ERR_LOCAL: it needs a person. */
ptrdiff_t connect_read(const struct connect_spec *spec, const uint8_t *p, size_t n, struct err *e);
