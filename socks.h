/* SOCKS5, as a client speaks it (RFC 1928, RFC 1929): asks a proxy for a connection.
 *
 * Bytes in and bytes out; no sockets.  Names go to the proxy as they are, which looks
 * them up.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "mem.h"

/* Whom to ask for, and as whom; outlives its struct socks. */
struct socks_spec {
	const char *host; /* DNS name or IP literal without brackets */
	uint16_t port;
	const char *user;              /* NULL: none */
	const struct secret *password; /* of the user */
};

struct socks {
	const struct socks_spec *spec;
	enum { SOCKS_METHOD, SOCKS_LOGIN, SOCKS_REPLY, SOCKS_DONE } awaits;
};

/* Begins, and appends what is to be sent first.  False with *e set (ERR_LOCAL): name,
 * user or password cannot be said in SOCKS. */
bool socks_begin(struct socks *s, const struct socks_spec *spec, struct buf *out, struct err *e);

/* Takes one whole message of the proxy's and appends our answer to it, which may be a
 * password.  Returns its length; 0 if more bytes are needed; -1 with *e set, in words
 * that do not name the proxy.  At SOCKS_DONE, what follows is the server's, and it is
 * called no more.
 *
 * Kinds: ERR_LOCAL where it needs a person (user, rules, no SOCKS5 there), else
 * ERR_REFUSED or ERR_NETWORK: the server cannot be reached. */
ptrdiff_t socks_read(struct socks *s, const uint8_t *p, size_t n, struct buf *out, struct err *e);
