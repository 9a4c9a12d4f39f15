/* The server's end of a TLS connection, for tests of what lies above tls.h:
 * BearSSL's server engine between queues of bytes.  No sockets.
 */
#pragma once
#include "buf.h"
#include "certs.h"
#include "mem.h"
#include "pki.h"

enum { WIRE_HIGH = 65536 }; /* bytes that may wait for the wire */

struct tls_end {
	br_ssl_server_context server;
	struct tls_identity *identity;
	uint8_t in[BR_SSL_BUFSIZE_INPUT], out[BR_SSL_BUFSIZE_OUTPUT];
};

static inline struct tls_end *tls_end_new(const char *cert, const char *key)
{
	struct tls_end *t = mem_new(sizeof *t);
	struct err e = {0};
	t->identity = certs_identity(cert, key, &e);
	br_ssl_server_init_full_ec(&t->server, t->identity->chain, t->identity->count,
		BR_KEYTYPE_EC, &t->identity->key.key.ec);
	br_ssl_engine_set_buffers_bidi(&t->server.eng, t->in, sizeof t->in, t->out, sizeof t->out);
	br_ssl_server_reset(&t->server);
	return t;
}

static inline void tls_end_free(struct tls_end *t)
{
	if (t)
		tls_identity_free(t->identity);
	free(t);
}

/* Moves bytes from a queue to one of the engine's windows, or back. */
static inline size_t move_in(struct buf *from, uint8_t *to, size_t room)
{
	size_t n = buf_len(from) < room ? buf_len(from) : room;
	if (!n)
		return 0;
	memcpy(to, buf_data(from), n);
	buf_eat(from, n);
	return n;
}

/* One move at each of the engine's windows; returns the bytes moved. */
static inline size_t tls_end_step(struct tls_end *t, struct buf *wire_in, struct buf *wire_out,
	struct buf *got, struct buf *say)
{
	br_ssl_engine_context *e = &t->server.eng;
	size_t n, moved = 0;
	uint8_t *p = br_ssl_engine_recvrec_buf(e, &n);
	if (p && (n = move_in(wire_in, p, n))) {
		br_ssl_engine_recvrec_ack(e, n);
		moved += n;
	}
	if ((p = br_ssl_engine_recvapp_buf(e, &n))) {
		buf_put(got, p, n);
		br_ssl_engine_recvapp_ack(e, n);
		moved += n;
	}
	if ((p = br_ssl_engine_sendapp_buf(e, &n)) && (n = move_in(say, p, n))) {
		br_ssl_engine_sendapp_ack(e, n);
		br_ssl_engine_flush(e, 0);
		moved += n;
	}
	if (buf_len(wire_out) < WIRE_HIGH && (p = br_ssl_engine_sendrec_buf(e, &n))) {
		buf_put(wire_out, p, n);
		br_ssl_engine_sendrec_ack(e, n);
		moved += n;
	}
	return moved;
}

/* close_notify, behind what was said. */
static inline void tls_end_close(struct tls_end *t)
{
	br_ssl_engine_close(&t->server.eng);
}

/* Whether the client has ended it in good order. */
static inline bool tls_end_is_closed(const struct tls_end *t)
{
	return br_ssl_engine_current_state(&t->server.eng) == BR_SSL_CLOSED &&
	       br_ssl_engine_last_error(&t->server.eng) == BR_ERR_OK;
}
