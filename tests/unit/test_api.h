/* A scripted API server for tests, on the loop of the program it tests: it plays
 * one answer for each request, in order, and writes down who asked what.  Knows
 * nothing of Kubernetes; checks nothing itself.
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
#include <unistd.h>

#include "api.h"
#include "loop.h"
#include "mem.h"

enum { PATIENCE_MS = 30000, QUIET_MS = 20, SESSIONS = 128 };

enum play_how {
	BYTEWISE = 1, /* one byte a round */
	END = 2,      /* close behind the answer (FIN) */
	RESET = 4,    /* the same, by RST */
};

/* What answers one request.  Text NULL: nothing, ever. */
struct play {
	const char *text;
	enum play_how how;
};

struct session {
	struct io io;
	struct buf in, out;
	enum play_how how;
	struct task step; /* the next byte */
};

static struct {
	struct io io;
	uint16_t port;
	const struct play *play;
	size_t plays;
	struct session session[SESSIONS]; /* in the order in which they were opened */
	unsigned opened, open;
	struct buf log;  /* "1 /api/v1/a|": the session's number and the path */
	struct buf last; /* the last request, whole */
} Server;

/* Heads of answers that go on: the body is by chunks, or ends with the connection. */
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define LINES   "HTTP/1.1 200 OK\r\n\r\n"

/* A test between start() and stop(). */
#define BETWEEN(test) cmocka_unit_test_setup_teardown(test, start, stop)

#define PLAY(...)                                                                                  \
	play((const struct play[]){__VA_ARGS__},                                                   \
		sizeof((const struct play[]){__VA_ARGS__}) / sizeof(struct play))

static inline void session_close(struct session *s)
{
	task_drop(&s->step);
	io_close(&s->io);
	buf_free(&s->in);
	buf_free(&s->out);
	Server.open--;
	loop_stop();
}

static inline void session_write(struct session *s)
{
	size_t n = s->how & BYTEWISE ? 1 : buf_len(&s->out);
	if (n && buf_len(&s->out)) {
		ssize_t sent = send(s->io.fd, buf_data(&s->out), n, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN) {
			session_close(s);
			return;
		}
		buf_eat(&s->out, sent > 0 ? (size_t)sent : 0);
	}
	if (buf_len(&s->out)) {
		task_post(&s->step);
		return;
	}
	if (s->how & RESET)
		setsockopt(s->io.fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
			sizeof(struct linger));
	if (s->how & (END | RESET))
		session_close(s);
}

static inline void session_step(struct task *task)
{
	session_write(OWNER_OF(task, struct session, step));
}

static inline void session_answer(struct session *s)
{
	const char *path = strchr((const char *)buf_data(&s->in), ' ');
	buf_print(&Server.log, "%d %.*s|", (int)(s - Server.session) + 1,
		path ? (int)strcspn(path + 1, " ") : 0, path ? path + 1 : "");
	buf_free(&Server.last);
	Server.last = s->in;
	s->in = (struct buf){0};
	const struct play *play = Server.plays ? Server.play : &(const struct play){0};
	if (Server.plays) {
		Server.play++;
		Server.plays--;
	}
	loop_stop();
	s->how = play->how;
	if (play->text)
		buf_put(&s->out, play->text, strlen(play->text));
	session_write(s);
}

/* More of the answer that the session of that number (from 1) is at. */
static inline void say(unsigned number, const char *text, enum play_how how)
{
	struct session *s = &Server.session[number - 1];
	s->how = how;
	buf_put(&s->out, text, strlen(text));
	session_write(s);
}

static inline void on_session(struct io *io, uint32_t events)
{
	struct session *s = OWNER_OF(io, struct session, io);
	ssize_t n = recv(io->fd, buf_room(&s->in, 4096), 4096, 0);
	(void)events;
	if (n <= 0) {
		session_close(s);
		return;
	}
	buf_push(&s->in, (size_t)n);
	if (buf_len(&s->in) > 4 && !memcmp(buf_data(&s->in) + buf_len(&s->in) - 4, "\r\n\r\n", 4))
		session_answer(s);
}

static inline void on_listener(struct io *io, uint32_t events)
{
	(void)events;
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (Server.opened == SESSIONS) { /* the test will find that nothing comes of it */
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	struct session *s = &Server.session[Server.opened++];
	*s = (struct session){.step.on = session_step};
	io_open(&s->io, fd, on_session);
	io_want(&s->io, EPOLLIN);
	Server.open++;
	loop_stop();
}

static inline void server_start(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	memset(&Server, 0, sizeof Server);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, SESSIONS), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	Server.port = ntohs(a.sin_port);
	io_open(&Server.io, fd, on_listener);
	io_want(&Server.io, EPOLLIN);
}

static inline void play(const struct play *p, size_t n)
{
	Server.play = p;
	Server.plays = n;
}

static inline void on_patience(struct timer *timer)
{
	(void)timer;
	loop_stop();
}

static inline void on_round(struct task *task)
{
	(void)task;
	loop_stop();
}

/* Runs until it is so; whoever changes what `done` looks at stops the loop.  The
 * first round ends at once: it closes what was closed outside the loop. */
static inline void run_until(bool (*done)(void))
{
	struct timer patience = {.on = on_patience};
	struct task round = {.on = on_round};
	timer_after(&patience, PATIENCE_MS);
	task_post(&round);
	do
		loop_run();
	while (!done() && timer_is_set(&patience));
	timer_stop(&patience);
	if (!done())
		fail_msg("nothing came of it; asked so far: %.*s", (int)buf_len(&Server.log),
			(const char *)buf_data(&Server.log));
}

/* The clock jumps; the timers that have become due are called. */
static inline void skip_ms(int64_t ms)
{
	struct task round = {.on = on_round};
	loop_clock_skip(ms);
	task_post(&round);
	loop_run();
}

/* Time for what should not happen. */
static inline void wait_quietly(int64_t ms)
{
	struct timer quiet = {.on = on_patience};
	timer_after(&quiet, ms);
	while (timer_is_set(&quiet))
		loop_run();
}

static inline bool all_closed(void)
{
	return !Server.open;
}

/* Ends the listener, after the program's side of all connections is gone. */
static inline void server_stop(void)
{
	Server.plays = 0;
	run_until(all_closed);
	io_close(&Server.io);
	buf_free(&Server.log);
	buf_free(&Server.last);
}

/* Asserts who has asked what so far. */
static inline void assert_asked(const char *want)
{
	buf_put(&Server.log, "", 1);
	assert_string_equal((const char *)buf_data(&Server.log), want);
	Server.log.tail--;
}

/* A cluster at the server, whose user has the token "t0ken". */
static inline struct cluster *cluster_here(void)
{
	struct kubeconfig k = {.host = mem_dup("127.0.0.1"), .port = Server.port};
	k.prefix = mem_dup("");
	secret_set(&k.token, "t0ken", 5);
	struct cluster *c = cluster_new("prod", &k, NULL);
	assert_non_null(c);
	return c;
}
