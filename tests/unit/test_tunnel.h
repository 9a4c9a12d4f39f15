/* The far end of a tunnel, for tests, on the loop of the program it tests: one
 * listener that answers an upgrade as it is told to, and then speaks SPDY in
 * WebSocket as API servers do.  Writes down what it is sent.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api.h"
#include "buf.h"
#include "mem.h"
#include "spdy.h"
#include "test_loop.h"
#include "upgrade.h"
#include "ws.h"

#define SWITCHING "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
#define ACCEPTED                                                                                   \
	SWITCHING "Upgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n"                             \
		  "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n\r\n"
#define ACCEPTED_SPDY                                                                              \
	SWITCHING "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n"
#define ACCEPTED_V4                                                                                \
	SWITCHING "Upgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n"                             \
		  "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n"

enum { FAR_STREAMS = 4 };

static struct far {
	struct io listener, io;
	uint16_t port;
	unsigned accepted;
	/* To a request for each transport, "%s" in it is the right accept; NULL: none. */
	const char *answer[TRANSPORT_V4 + 1];
	enum transport transport; /* of the last request */
	struct buf request;       /* the last one */
	bool upgraded;            /* frames from now on */
	struct buf in, spdy;      /* frames that are not whole yet */
	struct buf out;
	struct buf wire_in, wire_out; /* where there is TLS */
	void (*crypt)(void);          /* moves what it can between those, in and out; or NULL */
	size_t step;                  /* bytes of one send(2) */
	size_t cut;                   /* payload bytes of one WebSocket frame; 0: any number */
	bool deaf, eof;               /* does not read; the client has ended */
	unsigned reads;               /* recv(2) calls that gave bytes */
	size_t largest;               /* bytes of the largest data frame */
	struct buf said;              /* what the client sent: "syn 1 error 80|data 3 abc|" */
	struct buf got[FAR_STREAMS];  /* the bytes of its data frames: streams 3, 7, ... */
} Far;

/* ---- what the client says ---- */

static inline uint32_t far_number(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The value behind a name in a header block that is not compressed. */
static inline struct span far_header(const uint8_t *p, size_t n, const char *name)
{
	const uint8_t *at = memmem(p, n, name, strlen(name));
	assert_non_null(at);
	at += strlen(name);
	return (struct span){(const char *)at + 4, far_number(at)};
}

static inline void far_control(const uint8_t *p, size_t n)
{
	static const char *const Type[] = {"", "syn", "reply", "reset", "settings", "", "ping"};
	uint32_t type = far_number(p) & 0xffff;
	assert_int_equal(p[1], 3);
	assert_in_range(type, 1, 6);
	buf_print(&Far.said, "%s %u", Type[type], far_number(p + 8));
	if (type == 1) {
		struct span what = far_header(p + 18, n - 18, "streamtype");
		struct span port = far_header(p + 18, n - 18, "port");
		buf_print(&Far.said, " %.*s %.*s%s", (int)what.n, what.p, (int)port.n, port.p,
			p[4] & 1 ? " fin" : "");
	}
	buf_print(&Far.said, "|");
}

static inline void far_data_frame(const uint8_t *p, size_t n)
{
	uint32_t stream = far_number(p);
	n -= SPDY_HEADER_LEN;
	Far.largest = n > Far.largest ? n : Far.largest;
	if (n <= 20)
		buf_print(&Far.said, "data %u %.*s%s|", stream, (int)n,
			(const char *)p + SPDY_HEADER_LEN, p[4] & 1 ? "fin" : "");
	if (stream / 4 < FAR_STREAMS)
		buf_put(&Far.got[stream / 4], p + SPDY_HEADER_LEN, n);
}

static inline void far_read_spdy(void)
{
	for (;;) {
		uint8_t *p = buf_data(&Far.spdy);
		size_t have = buf_len(&Far.spdy), n;
		if (have < SPDY_HEADER_LEN)
			return;
		n = SPDY_HEADER_LEN + (far_number(p + 4) & SPDY_LENGTH_MAX);
		if (have < n)
			return;
		(p[0] & 0x80 ? far_control : far_data_frame)(p, n);
		buf_eat(&Far.spdy, n);
	}
}

static inline void far_message(unsigned op, const uint8_t *p, size_t n)
{
	static const char *const Name[] = {
		[WS_CLOSE] = "close", [WS_PING] = "ws-ping", [WS_PONG] = "ws-pong"};
	if (op == WS_BINARY && Far.transport == TRANSPORT_V4) {
		assert_true(n > 0);
		buf_print(
			&Far.said, "v4 %u %.*s|", *p, n < 20 ? (int)n - 1 : 0, (const char *)p + 1);
		buf_put(&Far.got[0], p + 1, n - 1);
		return;
	}
	if (op == WS_BINARY) {
		buf_put(&Far.spdy, p, n);
		far_read_spdy();
		return;
	}
	assert_in_range(op, WS_CLOSE, WS_PONG);
	buf_print(&Far.said, "%s%s%.*s|", Name[op], n ? " " : "", (int)n, (const char *)p);
}

/* One whole frame of a client: final, masked, its length in the shortest form. */
static inline bool far_read_ws(void)
{
	uint8_t *p = buf_data(&Far.in);
	size_t have = buf_len(&Far.in), head, n;
	uint32_t mask;
	if (have < 2)
		return false;
	n = p[1] & 0x7f;
	head = n == 127 ? 14 : n == 126 ? 8 : 6;
	if (have < head)
		return false;
	if (n >= 126)
		n = n == 126 ? (size_t)p[2] << 8 | p[3] : far_number(p + 6);
	assert_int_equal(head, ws_header_len(n));
	if (have < head + n)
		return false;
	assert_int_equal(p[0] & 0xf0, 0x80);
	assert_true(p[1] & 0x80);
	memcpy(&mask, p + head - 4, 4);
	ws_mask(p + head, n, mask, 0);
	far_message(p[0] & 0x0f, p + head, n);
	buf_eat(&Far.in, head + n);
	return true;
}

/* Text of a request's field, "" if it has none. */
static inline const char *far_field(const char *request, const char *name)
{
	const char *at = strstr(request, name);
	return at ? at + strlen(name) : "";
}

static inline void far_answer(const char *request)
{
	char accept[WS_ACCEPT_LEN + 1];
	bool v4 = !strncmp(far_field(request, "Sec-WebSocket-Protocol: "), "v4.", 3);
	bool post = !strncmp(request, "POST ", 5);
	Far.transport = v4 ? TRANSPORT_V4 : post ? TRANSPORT_SPDY : TRANSPORT_WEBSOCKET;
	const char *answer = Far.answer[Far.transport], *blank;
	if (!answer)
		return;
	ws_accept(accept, far_field(request, "Sec-WebSocket-Key: "));
	blank = strstr(answer, "%s");
	buf_print(&Far.out, "%.*s", blank ? (int)(blank - answer) : -1, answer);
	if (blank)
		buf_print(&Far.out, "%s%s", accept, blank + 2);
	Far.upgraded = true;
}

static inline void far_read_request(void)
{
	buf_put(&Far.in, "", 1);
	char *text = (char *)buf_data(&Far.in), *end = strstr(text, "\r\n\r\n");
	Far.in.tail--;
	if (!end)
		return;
	buf_free(&Far.request);
	buf_print(&Far.request, "%.*s", (int)(end + 4 - text), text);
	buf_eat(&Far.in, (size_t)(end + 4 - text));
	far_answer((const char *)buf_data(&Far.request));
}

static inline void far_read_frames(void)
{
	if (Far.transport == TRANSPORT_SPDY) {
		buf_put(&Far.spdy, buf_data(&Far.in), buf_len(&Far.in));
		buf_eat(&Far.in, buf_len(&Far.in));
		far_read_spdy();
	} else {
		while (far_read_ws())
			;
	}
}

/* ---- the socket ---- */

static inline void far_write(struct buf *from)
{
	size_t n = buf_len(from) < Far.step ? buf_len(from) : Far.step;
	ssize_t sent = n ? send(Far.io.fd, buf_data(from), n, MSG_NOSIGNAL) : 0;
	if (sent > 0)
		buf_eat(from, (size_t)sent);
	else if (sent < 0 && errno != EAGAIN)
		buf_free(from);
}

static inline void far_read(struct buf *to)
{
	ssize_t n = recv(Far.io.fd, buf_room(to, 65536), 65536, 0);
	buf_push(to, n > 0 ? (size_t)n : 0);
	Far.reads += n > 0;
	Far.eof |= n == 0 || (n < 0 && errno != EAGAIN);
}

/* Sends what there is, and waits for what there is then to do. */
static inline void far_look(void)
{
	struct buf *wire = Far.crypt ? &Far.wire_out : &Far.out;
	if (Far.io.fd < 0)
		return;
	if (Far.crypt)
		Far.crypt();
	far_write(wire);
	if (Far.crypt)
		Far.crypt();
	io_want(&Far.io, (Far.deaf || Far.eof ? 0 : EPOLLIN) | (buf_len(wire) ? EPOLLOUT : 0));
}

static inline void on_far(struct io *io, uint32_t events)
{
	(void)io;
	loop_stop();
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		far_read(Far.crypt ? &Far.wire_in : &Far.in);
		if (Far.crypt)
			Far.crypt();
		if (!Far.upgraded)
			far_read_request();
		if (Far.upgraded)
			far_read_frames();
	}
	far_look();
}

static inline void on_far_listener(struct io *io, uint32_t events)
{
	(void)events;
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	io_close(&Far.io);
	io_open(&Far.io, fd, on_far);
	Far.accepted++;
	Far.eof = Far.upgraded = false;
	far_look();
	loop_stop();
}

static inline void far_start(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	Far = (struct far){.io.fd = -1,
		.step = SIZE_MAX,
		.answer = {
			[TRANSPORT_WEBSOCKET] = ACCEPTED,
			[TRANSPORT_SPDY] = ACCEPTED_SPDY,
			[TRANSPORT_V4] = ACCEPTED_V4,
		}};
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	Far.port = ntohs(a.sin_port);
	io_open(&Far.listener, fd, on_far_listener);
	io_want(&Far.listener, EPOLLIN);
}

static inline void far_stop(void)
{
	struct buf *const all[] = {
		&Far.request, &Far.in, &Far.spdy, &Far.out, &Far.said, &Far.wire_in, &Far.wire_out};
	io_close(&Far.listener);
	io_close(&Far.io);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		buf_free(all[i]);
	for (size_t i = 0; i < FAR_STREAMS; i++)
		buf_free(&Far.got[i]);
}

/* Closes by RST; what was sent before stays readable at the other end. */
static inline void far_break(void)
{
	setsockopt(Far.io.fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
		sizeof(struct linger));
	io_close(&Far.io);
}

/* ---- what it says ---- */

static inline void far_frame(unsigned first_byte, const void *p, size_t n)
{
	uint8_t head[10] = {(uint8_t)first_byte, (uint8_t)n};
	size_t len = 2;
	if (n >= 126) {
		head[1] = n < 65536 ? 126 : 127;
		len = n < 65536 ? 4 : 10;
		for (size_t i = len, v = n; i > 2; v >>= 8)
			head[--i] = (uint8_t)v;
	}
	buf_put(&Far.out, head, len);
	buf_put(&Far.out, p, n);
}

/* Bytes of the SPDY stream.  Where they are cut, an empty frame ends the
 * message, as API servers do it. */
static inline void far_put(const void *p, size_t n)
{
	const uint8_t *at = p;
	if (Far.transport == TRANSPORT_SPDY) {
		buf_put(&Far.out, p, n);
		return;
	}
	if (!Far.cut) {
		far_frame(0x80 | WS_BINARY, p, n);
		return;
	}
	for (size_t used = 0, part; used < n; used += part) {
		part = n - used < Far.cut ? n - used : Far.cut;
		far_frame(used ? WS_CONTINUATION : WS_BINARY, at + used, part);
	}
	far_frame(0x80 | WS_CONTINUATION, "", 0);
}

/* A message of v4.channel.k8s.io. */
static inline void far_v4(uint8_t channel, const void *p, size_t n)
{
	uint8_t *message = mem_new(1 + n);
	message[0] = channel;
	memcpy(message + 1, p, n);
	far_put(message, 1 + n);
	free(message);
}

static inline void far_bytes(uint32_t stream, const void *p, size_t n, bool end)
{
	uint8_t *frame = mem_new(SPDY_HEADER_LEN + n);
	spdy_put_data(frame, stream, n, end);
	memcpy(frame + SPDY_HEADER_LEN, p, n);
	far_put(frame, SPDY_HEADER_LEN + n);
	free(frame);
}

static inline void far_data(uint32_t stream, const char *text)
{
	far_bytes(stream, text, strlen(text), false);
}

static inline void far_end(uint32_t stream)
{
	far_bytes(stream, "", 0, true);
}

static inline void far_reply(uint32_t stream)
{
	uint8_t frame[14] = {0x80, 3, 0, 2, 0, 0, 0, 6, 0, 0, 0, (uint8_t)stream, 0x78, 0x9c};
	far_put(frame, sizeof frame);
}

static inline void far_reset(uint32_t stream)
{
	uint8_t frame[SPDY_CONTROL_LEN];
	far_put(frame, spdy_put_reset(frame, stream, SPDY_CANCEL));
}

static inline void far_ping(uint32_t id)
{
	uint8_t frame[SPDY_CONTROL_LEN];
	far_put(frame, spdy_put_ping(frame, id));
}

static inline void far_goaway(void)
{
	static const uint8_t Frame[] = {0x80, 3, 0, 7, 0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0};
	far_put(Frame, sizeof Frame);
}

/* What the client has said since it was last asked. */
static inline void assert_said(const char *want)
{
	buf_put(&Far.said, "", 1);
	assert_string_equal((const char *)buf_data(&Far.said), want);
	buf_free(&Far.said);
}

/* A cluster at the far end, whose user has a token; with TLS where there is a
 * CA's certificate (taken over). */
static inline struct cluster *far_cluster(char *ca)
{
	struct kubeconfig k = {.host = mem_dup("127.0.0.1"), .port = Far.port};
	k.prefix = mem_dup("");
	k.tls = ca;
	k.ca = ca;
	secret_set(&k.token, "t0ken", 5);
	struct cluster *c = cluster_new("prod", &k, NULL);
	assert_non_null(c);
	return c;
}
