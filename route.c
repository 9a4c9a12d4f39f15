/* A socket to the proxy, by dial.c or relay.c; then its handshake, as bytes of
 * connect.c's or socks.c's; a program has neither.  Not one byte behind the handshake is
 * taken out of the socket. */
#include "route.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "connect.h"
#include "dial.h"
#include "loop.h"
#include "mem.h"
#include "relay.h"
#include "socks.h"
#include "text.h"

enum { CHUNK = 4096, STDERR_KEPT = 4096 };

struct route {
	char *host;
	uint16_t port;
	struct proxy proxy;
	void (*on)(void *owner, int fd, const struct err *e);
	void *owner;
	struct dial *dial;   /* until it is connected */
	struct relay *relay; /* of an https proxy */
	struct child *child;
	struct timer last; /* until the child must have ended */
	struct io io;      /* during the handshake */
	struct buf in, out;
	struct socks socks;
	struct socks_spec socks_spec;
	struct connect_spec connect_spec;
	bool there; /* the socket has been handed over */
	struct err err;
	struct task begin;
};

/* ---- the end ---- */

static void free_route(void *p)
{
	struct route *r = p;
	buf_free_wiped(&r->out);
	buf_free(&r->in);
	proxy_free(&r->proxy);
	free(r->host);
	free(r);
}

void route_close(struct route *r)
{
	if (r->dial)
		dial_cancel(r->dial);
	if (r->relay)
		relay_close(r->relay);
	if (r->child)
		child_leave(r->child, ROUTE_LEAVE_MS);
	io_close(&r->io);
	timer_stop(&r->last);
	task_drop(&r->begin);
	loop_free_later(r, free_route);
}

/* The first cause, in the proxy's name. */
static void blame(struct route *r, const struct err *cause)
{
	if (cause->kind && r->proxy.kind)
		err_set(&r->err, cause->kind, cause->code, "%s: %s", r->proxy.name, cause->text);
	else if (cause->kind)
		r->err = *cause;
}

static void fail(struct route *r, const struct err *cause)
{
	io_close(&r->io);
	blame(r, cause);
	r->on(r->owner, -1, &r->err);
}

static void succeed(struct route *r, int fd)
{
	r->there = true;
	r->on(r->owner, fd, &r->err);
}

/* ---- the handshake ---- */

static ptrdiff_t read_connect(struct route *r, struct err *e)
{
	return connect_read(&r->connect_spec, buf_data(&r->in), buf_len(&r->in), e);
}

static ptrdiff_t read_socks(struct route *r, struct err *e)
{
	return socks_read(&r->socks, buf_data(&r->in), buf_len(&r->in), &r->out, e);
}

static bool begin_connect(struct route *r, struct err *e)
{
	(void)e;
	r->connect_spec =
		(struct connect_spec){r->host, r->port, r->proxy.user, &r->proxy.password};
	connect_put(&r->out, &r->connect_spec);
	return true;
}

static bool begin_socks(struct route *r, struct err *e)
{
	r->socks_spec = (struct socks_spec){r->host, r->port, r->proxy.user, &r->proxy.password};
	return socks_begin(&r->socks, &r->socks_spec, &r->out, e);
}

static const struct handshake {
	bool (*begin)(struct route *r, struct err *e);
	/* Takes one message; as connect_read(). */
	ptrdiff_t (*read)(struct route *r, struct err *e);
} Handshakes[PROXY_KINDS] = {
	[PROXY_HTTP] = {begin_connect, read_connect},
	[PROXY_HTTPS] = {begin_connect, read_connect},
	[PROXY_SOCKS5] = {begin_socks, read_socks},
};

static bool is_done(const struct route *r)
{
	return r->proxy.kind != PROXY_SOCKS5 || r->socks.awaits == SOCKS_DONE;
}

static void lose(struct route *r, int error)
{
	struct err e = {0};
	if (error)
		err_set(&e, ERR_NETWORK, error, "%s", strerror(error));
	else
		err_set(&e, ERR_NETWORK, 0, "closed the connection without an answer");
	fail(r, &e);
}

static void send_rest(struct route *r)
{
	size_t n = buf_len(&r->out);
	ssize_t sent = n ? send(r->io.fd, buf_data(&r->out), n, MSG_NOSIGNAL) : 0;
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		lose(r, errno);
		return;
	}
	buf_eat(&r->out, sent > 0 ? (size_t)sent : 0);
	io_want(&r->io, EPOLLIN | (buf_len(&r->out) ? EPOLLOUT : 0));
}

static void hand_over(struct route *r)
{
	int fd = r->io.fd;
	io_want(&r->io, 0);
	r->io.fd = -1;
	succeed(r, fd);
}

/* `n` bytes more have come, and are still in the socket: takes those that are of the
 * proxy's message. */
static void read_answer(struct route *r, size_t n)
{
	struct err e = {0};
	size_t before = buf_len(&r->in);
	buf_push(&r->in, n);
	ptrdiff_t used = Handshakes[r->proxy.kind].read(r, &e);
	if (used < 0) {
		fail(r, &e);
		return;
	}
	recv(r->io.fd, buf_data(&r->in) + before, used ? (size_t)used - before : n, 0);
	if (!used)
		return;
	buf_eat(&r->in, buf_len(&r->in));
	if (is_done(r))
		hand_over(r);
	else
		send_rest(r);
}

static void on_proxy(struct io *io, uint32_t events)
{
	struct route *r = OWNER_OF(io, struct route, io);
	ssize_t n = recv(io->fd, buf_room(&r->in, CHUNK), CHUNK, MSG_PEEK);
	(void)events;
	if (n > 0)
		read_answer(r, (size_t)n);
	else if (n < 0 && (errno == EAGAIN || errno == EINTR))
		send_rest(r);
	else
		lose(r, n ? errno : 0);
}

static void begin_handshake(struct route *r, int fd)
{
	struct err e = {0};
	io_open(&r->io, fd, on_proxy);
	if (Handshakes[r->proxy.kind].begin(r, &e))
		send_rest(r);
	else
		fail(r, &e);
}

/* ---- the socket ---- */

static void on_dialled(void *owner, int fd, const struct err *e)
{
	struct route *r = owner;
	r->dial = NULL;
	if (fd < 0)
		fail(r, e);
	else if (r->proxy.kind)
		begin_handshake(r, fd);
	else
		succeed(r, fd);
}

static void on_relay(void *owner, int fd, const struct err *e)
{
	struct route *r = owner;
	if (fd >= 0) {
		begin_handshake(r, fd);
		return;
	}
	r->relay = NULL;
	if (r->io.fd < 0) /* else what came in is still to be read: a refusal, perhaps */
		fail(r, e);
}

static bool start_relay(struct route *r, const struct route_spec *spec)
{
	struct tls_options tls = {0};
	if (spec->tls)
		tls = *spec->tls;
	else if (!(tls.anchors = tls_anchors_system(&r->err)))
		return false;
	tls.host = r->proxy.host;
	r->relay = relay_start(&(struct conn_spec){.host = r->proxy.host,
				       .port = r->proxy.port,
				       .tls = &tls,
				       .limit_ms = spec->limit_ms},
		on_relay, r);
	return true;
}

static void start_dial(struct route *r)
{
	const char *host = r->proxy.kind ? r->proxy.host : r->host;
	r->dial = dial_start(host, r->proxy.kind ? r->proxy.port : r->port, on_dialled, r);
}

/* ---- programs ---- */

/* What OpenSSH says last where the server cannot be reached; why stands before it. */
static const char NoWords[] = "stdio forwarding failed";

/* "ssh: " and "user@bastion: ", say, where the name that goes in front has them too. */
static struct span without_name(struct span line, const char *name)
{
	while (*name) {
		size_t n = strcspn(name, " ");
		if (line.n > n + 2 && !memcmp(line.p, name, n) && !memcmp(line.p + n, ": ", 2))
			line = (struct span){line.p + n + 2, line.n - n - 2};
		name += n + (name[n] == ' ');
	}
	return line;
}

static struct span last_words(const struct route *r, const struct buf *said)
{
	const char *text = (const char *)buf_data(said);
	struct span line = text_last_line(text, buf_len(said));
	if (span_is(line, NoWords))
		line = text_last_line(text, (size_t)(line.p - text));
	return without_name(line, r->proxy.name);
}

/* OpenSSH ends with 255 whatever the cause; these need a person. */
static bool needs_person(struct span words)
{
	static const char *const Words[] = {"Permission denied", "Host key verification failed",
		"administratively prohibited", "Bad configuration option"};
	for (size_t i = 0; i < sizeof Words / sizeof *Words; i++)
		if (memmem(words.p, words.n, Words[i], strlen(Words[i])))
			return true;
	return false;
}

static void explain(const struct route *r, const struct child_end *end, struct err *e)
{
	struct span words = last_words(r, &end->err);
	if (end->how == CHILD_NOT_STARTED)
		err_set(e, ERR_LOCAL, end->value, "cannot run '%s': %s", r->proxy.argv[0],
			strerror(end->value));
	else if (words.n && (end->how != CHILD_EXITED || end->value))
		err_set(e, needs_person(words) ? ERR_LOCAL : ERR_NETWORK, 0, "%.*s", (int)words.n,
			words.p);
	else if (end->how == CHILD_EXITED && end->value)
		err_set(e, ERR_NETWORK, 0, "ended with status %d", end->value);
	else if (end->how == CHILD_SIGNALLED)
		err_set(e, ERR_NETWORK, 0, "was killed by signal %d", end->value);
}

static void on_child(void *owner, struct child_end *end)
{
	struct route *r = owner;
	struct err e = {0};
	r->child = NULL;
	timer_stop(&r->last);
	explain(r, end, &e);
	fail(r, &e);
}

static void on_last(struct timer *timer)
{
	struct route *r = OWNER_OF(timer, struct route, last);
	child_kill(r->child);
	r->child = NULL;
	r->on(r->owner, -1, &r->err);
}

static void start_program(struct task *task)
{
	struct route *r = OWNER_OF(task, struct route, begin);
	int fd[2];
	struct err e = {0};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd)) {
		err_set(&e, ERR_LOCAL, errno, "%s", strerror(errno));
		fail(r, &e);
		return;
	}
	r->child = child_start(&(struct child_spec){.argv = (const char *const *)r->proxy.argv,
				       .socket = fd[1],
				       .output_max = STDERR_KEPT},
		on_child, r);
	close(fd[1]);
	fcntl(fd[0], F_SETFL, O_NONBLOCK);
	succeed(r, fd[0]);
}

/* ---- the beginning ---- */

static void on_refused(struct task *task)
{
	struct route *r = OWNER_OF(task, struct route, begin);
	r->on(r->owner, -1, &r->err);
}

struct route *route_start(const struct route_spec *spec,
	void (*on)(void *owner, int fd, const struct err *e), void *owner)
{
	struct route *r = mem_new(sizeof *r);
	*r = (struct route){.host = mem_dup(spec->host),
		.port = spec->port,
		.proxy = spec->proxy ? proxy_copy(spec->proxy) : (struct proxy){0},
		.on = on,
		.owner = owner,
		.last.on = on_last,
		.io.fd = -1,
		.begin.on = start_program};
	if (r->proxy.kind == PROXY_PROGRAM) {
		task_post(&r->begin);
	} else if (r->proxy.kind != PROXY_HTTPS) {
		start_dial(r);
	} else if (!start_relay(r, spec)) {
		r->begin.on = on_refused;
		task_post(&r->begin);
	}
	return r;
}

bool route_stays(const struct route *r)
{
	return r->relay || r->child;
}

void route_finish(struct route *r)
{
	if (r->child && !timer_is_set(&r->last))
		timer_after(&r->last, ROUTE_END_MS);
}

void route_describe(const struct route *r, char *text, int size)
{
	if (r->proxy.kind)
		snprintf(text, (size_t)size, "%s", r->proxy.name);
	else
		dial_describe(r->dial, text, size);
}
