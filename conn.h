/* One byte stream to a server: resolved, connected, with TLS or without.
 *
 * Never blocks: names are resolved in a child process, addresses are tried as
 * in RFC 8305 (happy eyeballs).  Keeps its first error.  Knows nothing of what
 * the bytes mean, nor of proxies, but that route.h leads through them.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "proxy.h"
#include "tls.h"

struct conn;

enum conn_event {
	CONN_OPEN, /* connected, and the handshake is done: first of all events but FAIL */
	CONN_IN,   /* there is something to peek at: take all of it, or conn_pause() */
	CONN_ROOM, /* there is room, and nothing pending, after conn_room() gave none or
		      conn_is_sending() */
	CONN_EOF,  /* the server has ended the stream in good order; all was given out */
	CONN_FAIL, /* conn_error() says why; what had come in before was given out */
};

struct conn_spec {
	const char *host; /* DNS name or IP literal, without brackets; copied */
	uint16_t port;
	const struct tls_options *tls; /* NULL: plain TCP; copied, see tls_new() */
	const struct proxy *proxy;     /* NULL: straight; copied */
	int64_t limit_ms;              /* for all of resolving, connecting and handshake */
};

/* Starts to connect.  `on` is called from the loop only; after EOF and FAIL it
 * is called no more.  Never NULL. */
struct conn *conn_open(
	const struct conn_spec *spec, void (*on)(void *owner, enum conn_event), void *owner);

/* Hands the connection to another owner; also from inside a handler. */
void conn_pass(struct conn *c, void (*on)(void *owner, enum conn_event), void *owner);

/* Bytes that came in, in place: how many there are (0: none now), and how many
 * of them were used.  `p` dies at conn_eat() and at return to the loop. */
size_t conn_peek(struct conn *c, uint8_t **p);
void conn_eat(struct conn *c, size_t n);

/* Whether more has come in than the bytes that conn_peek() has last given. */
bool conn_has_more(const struct conn *c);

/* Bytes to send: room for `least` or more behind those that were pushed (0:
 * CONN_ROOM will follow), and how much of it was filled.  What was pushed
 * leaves at the end of the turn, together. */
size_t conn_room(struct conn *c, size_t least, uint8_t **p);
void conn_push(struct conn *c, size_t n);

/* Sends all of a short message (a request, a control frame): what does not fit
 * now is kept and leaves first, before there is room for anything else. */
void conn_put(struct conn *c, const void *p, size_t n);

/* Reads nothing more from the server until conn_resume(): the server is held
 * up.  What was read already stays and is told again then. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);

const struct err *conn_error(const struct conn *c);

/* Bytes that were pushed or put and have not reached the kernel: data is
 * pending; and when the last byte came from the server (loop_now()). */
bool conn_is_sending(const struct conn *c);
int64_t conn_heard_ms(const struct conn *c);

/* Ends it at once, without a word to the owner; of what is still to be sent,
 * only what the kernel takes now leaves.  Allowed in its own handler. */
void conn_close(struct conn *c);
