/* From a host's name to a connected TCP socket.
 *
 * Names are looked up in a child process, since getaddrinfo(3) blocks;
 * addresses are tried in turn and side by side as in RFC 8305 (happy eyeballs).
 * Knows nothing of what the socket is for; has no time limit of its own.
 */
#pragma once
#include <stdint.h>

#include "err.h"

enum {
	DIAL_ADDRESSES = 16,   /* of a name, the rest is left out */
	DIAL_STAGGER_MS = 250, /* from one attempt to the next (RFC 8305, 5) */
	DIAL_LOOKUP_MS = 30000,
};

struct dial;

/* Starts.  `host` is a DNS name or an IP literal without brackets.  "localhost"
 * and names below it are ::1 and 127.0.0.1 (RFC 6761, 6.3), without a look-up.
 * `on` is called once, from the loop: with a connected non-blocking socket that
 * is the caller's from then on, or with -1 and the first cause.
 */
struct dial *dial_start(const char *host, uint16_t port,
	void (*on)(void *owner, int fd, const struct err *e), void *owner);

/* Gives up; `on` is not called any more. */
void dial_cancel(struct dial *d);

/* What it is waiting for, for a message: "looking up api.example.com",
 * "connecting to api.example.com:6443". */
void dial_describe(const struct dial *d, char *text, int size);
