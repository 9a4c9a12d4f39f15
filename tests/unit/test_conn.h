/* A server for tests of what connects: one listener on the same loop, and the
 * connection it took last.  It reads, writes and ends as it is told, with TLS or
 * without.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "test_loop.h"
#include "test_tls.h"

enum { CHUNK = 65536 };

static struct server {
	struct io listener, io;
	uint16_t port;
	unsigned accepted;
	struct tls_end *tls; /* NULL: plain */
	struct buf wire_in, wire_out, got, say;
	size_t step;    /* bytes at once, both ways */
	bool deaf;      /* reads nothing */
	bool closing;   /* sends FIN (and close_notify) behind what it says */
	bool eof, lost; /* of the client */
} S;

static inline void server_read(void)
{
	size_t most = S.step < CHUNK ? S.step : CHUNK;
	struct buf *to = S.tls ? &S.wire_in : &S.got;
	ssize_t n = recv(S.io.fd, buf_room(to, most), most, 0);
	if (n > 0)
		buf_push(to, (size_t)n);
	S.eof |= n == 0;
	S.lost |= n < 0 && errno != EAGAIN;
}

static inline void server_write(void)
{
	struct buf *from = S.tls ? &S.wire_out : &S.say;
	size_t n = buf_len(from) < S.step ? buf_len(from) : S.step;
	ssize_t sent = n ? send(S.io.fd, buf_data(from), n, MSG_NOSIGNAL) : 0;
	if (sent > 0)
		buf_eat(from, (size_t)sent);
	S.lost |= sent < 0 && errno != EAGAIN;
}

static inline bool server_has_more(void)
{
	return buf_len(&S.say) || buf_len(&S.wire_out);
}

/* Moves what can be moved between the queues; close_notify goes last. */
static inline void server_encrypt(void)
{
	for (int end = 0; S.tls && end < 2; end++) {
		while (tls_end_step(S.tls, &S.wire_in, &S.wire_out, &S.got, &S.say))
			;
		if (S.closing && !server_has_more())
			tls_end_close(S.tls);
	}
}

/* Does what there is to do, and waits for what is then left. */
static inline void server_look(void)
{
	server_encrypt();
	server_write();
	server_encrypt();
	if (S.closing && !server_has_more())
		shutdown(S.io.fd, SHUT_WR);
	bool reads = !S.deaf && !S.eof && !S.lost, writes = server_has_more() && !S.lost;
	io_want(&S.io, (reads ? EPOLLIN : 0) | (writes ? EPOLLOUT : 0));
}

static inline void on_server(struct io *io, uint32_t events)
{
	(void)io;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !S.deaf)
		server_read();
	server_look();
	loop_stop();
}

static inline void on_listener(struct io *io, uint32_t events)
{
	(void)events;
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	io_close(&S.io);
	io_open(&S.io, fd, on_server);
	S.accepted++;
	server_look();
	loop_stop();
}

static inline void server_say(const void *p, size_t n)
{
	buf_put(&S.say, p, n);
	server_look();
}

/* Closes by RST; what was sent before stays readable at the other end. */
static inline void server_reset(void)
{
	setsockopt(S.io.fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
		sizeof(struct linger));
	io_close(&S.io);
}

static inline void server_start(bool tls)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	S = (struct server){.io.fd = -1, .step = SIZE_MAX};
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	S.port = ntohs(a.sin_port);
	if (tls)
		S.tls = tls_end_new("server.crt", "server.key");
	io_open(&S.listener, fd, on_listener);
	io_want(&S.listener, EPOLLIN);
}

static inline void server_stop(void)
{
	io_close(&S.listener);
	io_close(&S.io);
	tls_end_free(S.tls);
	buf_free(&S.wire_in);
	buf_free(&S.wire_out);
	buf_free(&S.got);
	buf_free(&S.say);
}
