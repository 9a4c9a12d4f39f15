/* One byte stream to a server.  All reading and writing is done in its turn, a
 * task of the loop; descriptors and owners only say that there is something to
 * do.  What was received waits in a stage that all connections share, and only
 * what its owner will not take yet is copied to the connection's own spill. */
#include "conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "loop.h"
#include "mem.h"
#include "route.h"

enum {
	STAGE = 256 * 1024,     /* bytes of one recv(2): fewer system calls */
	PLAIN_ROOM = 16384,     /* bytes of room without TLS */
	PLAIN_HIGH = 65536,     /* bytes pending without TLS, beyond which there is no room */
	DEAD_AFTER_MS = 15000,  /* unacknowledged data (TCP_USER_TIMEOUT), silent peers */
	BLOCKED_LOOK_MS = 5000, /* while the kernel takes nothing: looks whether it is dead */
	PROBES_LOST = 3,        /* of a closed window, unanswered */
	HANDSHAKES_A_ROUND = 1, /* each costs milliseconds of arithmetic */
	FLOW_MIN = 512 * 1024,  /* bytes received without a pause or a word of ours: a flow */
	FLOW_PAUSE_MS = 5,
	FLOW_LOWAT = 128 * 1024, /* bytes for which it is worth being woken, during a flow */
	FLOW_TICK_MS = 1,        /* what stays below that is fetched after this time */
};

/* Bytes just received, of the connection whose turn it is. */
static uint8_t Stage[STAGE];

struct conn {
	void (*on)(void *owner, enum conn_event);
	void *owner;
	struct err err;
	char *name; /* "host:port", for messages */
	struct route *route;
	struct io io;
	struct tls *tls;    /* or NULL */
	struct timer limit; /* until it is open */
	int64_t limit_ms;
	struct task turn;
	const uint8_t *in; /* what is left in the stage, during its turn */
	size_t in_n;
	struct buf spill;   /* received, but not taken from the stage */
	struct buf backlog; /* put, but for lack of room not pushed */
	struct buf plain;   /* without TLS: pushed, but not sent */
	int64_t heard_ms;
	size_t flow;          /* bytes received since the last pause, or word of ours */
	struct timer blocked; /* set while the kernel takes nothing */
	bool patient;         /* TCP_USER_TIMEOUT is off: the look decides */
	struct timer tick;    /* set while there is a flow, and SO_RCVLOWAT is high */
	bool open, readable, writable, hangup, paused;
	bool wants_room;   /* conn_room() gave none, or the kernel took none */
	bool ended;        /* recv(2) gave 0 */
	bool write_failed; /* what came in is still to be read */
	bool told_end, closed;
};

static void tell(struct conn *c, enum conn_event event)
{
	if (c->closed || c->told_end)
		return;
	c->told_end = event == CONN_EOF || event == CONN_FAIL;
	c->on(c->owner, event);
}

static void end_route(struct conn *c)
{
	if (c->route)
		route_close(c->route);
	c->route = NULL;
}

static void fail(struct conn *c)
{
	end_route(c);
	io_close(&c->io);
	timer_stop(&c->limit);
	timer_stop(&c->blocked);
	timer_stop(&c->tick);
	tell(c, CONN_FAIL);
}

/* ---- sending ---- */

static size_t wire_peek(struct conn *c, uint8_t **p)
{
	if (c->tls)
		return tls_wire_peek(c->tls, p);
	*p = buf_data(&c->plain);
	return buf_len(&c->plain);
}

static void wire_eat(struct conn *c, size_t n)
{
	if (c->tls)
		tls_wire_eat(c->tls, n);
	else
		buf_eat(&c->plain, n);
}

/* Kept, and told when all that had come in is read. */
static void lose(struct conn *c, int error)
{
	err_set(&c->err, ERR_NETWORK, error, "connection to %s lost: %s", c->name, strerror(error));
	c->write_failed = true;
	c->readable = true;
	task_post(&c->turn);
}

static void set_user_timeout(struct conn *c, int ms)
{
	c->patient = !ms;
	setsockopt(c->io.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

/* TCP_USER_TIMEOUT would end a connection, too, whose server is well but does not
 * read, because an application does not.  That may last as long as it likes: while
 * the kernel takes nothing, silence alone is death. */
static void on_blocked(struct timer *timer)
{
	struct conn *c = OWNER_OF(timer, struct conn, blocked);
	struct tcp_info i = {0};
	socklen_t n = sizeof i;
	if (!c->patient)
		set_user_timeout(c, 0);
	getsockopt(c->io.fd, IPPROTO_TCP, TCP_INFO, &i, &n);
	bool unanswered = i.tcpi_retransmits || i.tcpi_probes >= PROBES_LOST;
	if (unanswered && i.tcpi_last_ack_recv >= DEAD_AFTER_MS)
		lose(c, ETIMEDOUT);
	else
		timer_after(timer, BLOCKED_LOOK_MS);
}

static void set_writable(struct conn *c, bool writable)
{
	c->writable = writable;
	c->wants_room |= !writable;
	if (!writable && !timer_is_set(&c->blocked))
		timer_after(&c->blocked, BLOCKED_LOOK_MS);
	if (writable)
		timer_stop(&c->blocked);
	if (writable && c->patient)
		set_user_timeout(c, DEAD_AFTER_MS);
}

static void send_wire(struct conn *c)
{
	uint8_t *p;
	size_t n;
	while (c->writable && !c->write_failed && (n = wire_peek(c, &p)) > 0) {
		ssize_t sent = send(c->io.fd, p, n, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			set_writable(c, false);
		} else if (sent < 0) {
			lose(c, errno);
		} else {
			set_writable(c, (size_t)sent == n);
			wire_eat(c, (size_t)sent);
		}
	}
}

static size_t room(struct conn *c, uint8_t **p)
{
	if (c->tls)
		return tls_room(c->tls, p);
	if (buf_len(&c->plain) > PLAIN_HIGH)
		return 0;
	*p = buf_room(&c->plain, PLAIN_ROOM);
	return PLAIN_ROOM;
}

static void push(struct conn *c, size_t n)
{
	if (c->tls)
		tls_push(c->tls, n);
	else
		buf_push(&c->plain, n);
	c->flow = 0;
	task_post(&c->turn);
}

/* Room after sending what is in the way, if that can be sent. */
static size_t make_room(struct conn *c, size_t least, uint8_t **p)
{
	size_t n = room(c, p);
	if (n >= least)
		return n;
	if (c->tls)
		tls_flush(c->tls);
	send_wire(c);
	n = room(c, p);
	return n >= least ? n : 0;
}

static void push_backlog(struct conn *c)
{
	uint8_t *p;
	size_t have, n;
	while ((have = buf_len(&c->backlog)) && (n = make_room(c, 1, &p))) {
		n = n < have ? n : have;
		memcpy(p, buf_data(&c->backlog), n);
		push(c, n);
		buf_eat(&c->backlog, n);
	}
}

size_t conn_room(struct conn *c, size_t least, uint8_t **p)
{
	size_t n = buf_len(&c->backlog) || !c->open ? 0 : make_room(c, least, p);
	if (!n)
		c->wants_room = true;
	return n;
}

void conn_push(struct conn *c, size_t n)
{
	push(c, n);
}

void conn_put(struct conn *c, const void *p, size_t n)
{
	buf_put(&c->backlog, p, n);
	if (c->open)
		push_backlog(c);
	task_post(&c->turn);
}

bool conn_is_sending(const struct conn *c)
{
	uint8_t *p;
	return buf_len(&c->backlog) || (!c->writable && wire_peek((struct conn *)c, &p));
}

/* ---- receiving ---- */

/* Gives the engine what is in the stage, until it has plaintext or no more. */
static void feed(struct conn *c)
{
	uint8_t *p;
	size_t n;
	while (c->in_n && !tls_peek(c->tls, &p) && (n = tls_wire_room(c->tls, &p))) {
		n = n < c->in_n ? n : c->in_n;
		memcpy(p, c->in, n);
		c->in += n;
		c->in_n -= n;
		tls_wire_pushed(c->tls, n);
		if (tls_state(c->tls) == TLS_HANDSHAKE)
			send_wire(c);
	}
}

size_t conn_peek(struct conn *c, uint8_t **p)
{
	if (c->paused || c->closed)
		return 0;
	if (!c->tls) {
		*p = (uint8_t *)(uintptr_t)c->in;
		return c->in_n;
	}
	feed(c);
	return tls_peek(c->tls, p);
}

bool conn_has_more(const struct conn *c)
{
	return c->tls && c->in_n;
}

void conn_eat(struct conn *c, size_t n)
{
	if (c->closed)
		return;
	if (c->tls) {
		tls_eat(c->tls, n);
		return;
	}
	c->in += n;
	c->in_n -= n;
}

static void set_low_water(struct conn *c, int bytes)
{
	setsockopt(c->io.fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

/* Servers write many small records: while they flow, being woken for each costs
 * more than the bytes do.  Exchanges of questions and answers are left alone. */
static void note_flow(struct conn *c, size_t n)
{
	if (loop_now() - c->heard_ms > FLOW_PAUSE_MS)
		c->flow = 0;
	c->heard_ms = loop_now();
	c->flow += n;
	if (c->flow < FLOW_MIN || timer_is_set(&c->tick))
		return;
	set_low_water(c, FLOW_LOWAT);
	timer_after(&c->tick, FLOW_TICK_MS);
}

/* Fetches what came and stays below the mark. */
static void on_tick(struct timer *timer)
{
	struct conn *c = OWNER_OF(timer, struct conn, tick);
	if (loop_now() - c->heard_ms > FLOW_PAUSE_MS || c->flow < FLOW_MIN)
		set_low_water(c, 1);
	else
		timer_after(timer, FLOW_TICK_MS);
	if (loop_now() == c->heard_ms)
		return;
	c->readable = true;
	task_post(&c->turn);
}

static void recv_into_stage(struct conn *c)
{
	ssize_t n = recv(c->io.fd, Stage, sizeof Stage, 0);
	if (n > 0) {
		c->in = Stage;
		c->in_n = (size_t)n;
		note_flow(c, c->in_n);
		c->readable = c->hangup || c->in_n == sizeof Stage;
		return;
	}
	c->readable = n < 0 && errno == EINTR;
	if (n == 0 || (errno == EAGAIN && c->write_failed)) {
		c->ended = true;
	} else if (errno != EAGAIN && errno != EINTR) {
		err_set(&c->err, ERR_NETWORK, errno, "connection to %s lost: %s", c->name,
			strerror(errno));
		c->ended = true;
	}
	if (c->ended && c->route)
		route_finish(c->route);
}

/* The handshake is done, or the plain connection is there. */
static void become_open(struct conn *c)
{
	c->open = true;
	timer_stop(&c->limit);
	push_backlog(c);
	tell(c, CONN_OPEN);
}

static void give_out(struct conn *c)
{
	uint8_t *p;
	if (c->tls && !c->open) {
		feed(c);
		if (tls_state(c->tls) == TLS_OPEN)
			become_open(c);
	}
	if (c->open && conn_peek(c, &p))
		tell(c, CONN_IN);
}

/* One receive, and all of it given out or spilled. */
static void read_in(struct conn *c)
{
	struct buf old = c->spill;
	c->spill = (struct buf){0};
	if (buf_len(&old)) {
		c->in = buf_data(&old);
		c->in_n = buf_len(&old);
	} else if (c->readable && !c->paused && !c->ended) {
		recv_into_stage(c);
	}
	give_out(c);
	if (c->in_n && !c->closed)
		buf_put(&c->spill, c->in, c->in_n);
	c->in_n = 0;
	buf_free(&old);
}

/* ---- the turn ---- */

static void fail_by_tls(struct conn *c, const struct err *e)
{
	struct err lost = {0};
	err_set(&lost, e->kind, e->code, "connection to %s lost: %s", c->name, e->text);
	c->err = c->open ? lost : *e;
}

/* How TLS has ended came in before whatever send(2) met. */
static void end_of_stream(struct conn *c)
{
	if (c->tls && tls_state(c->tls) == TLS_FAILED) {
		fail_by_tls(c, tls_error(c->tls));
	} else if (c->open && c->tls && tls_state(c->tls) == TLS_CLOSED) {
		c->err = (struct err){0};
	} else if (c->ended && c->open && c->tls) {
		err_set(&c->err, ERR_NETWORK, 0, "connection to %s lost: cut without notice",
			c->name);
	} else if (c->ended && !c->open) {
		err_set(&c->err, ERR_NETWORK, 0,
			"%s closed the connection during the TLS handshake", c->name);
	}
	if (c->err.kind)
		fail(c);
	else
		tell(c, CONN_EOF);
}

/* What follows the end of TLS, or the record at which it failed, is never read.  Why a
 * socket has ended, what carries its bytes knows better. */
static bool has_ended(struct conn *c)
{
	uint8_t *p;
	if (c->tls && tls_peek(c->tls, &p))
		return false;
	if (c->tls && tls_state(c->tls) >= TLS_CLOSED)
		return true;
	return c->ended && !buf_len(&c->spill) && !c->route;
}

/* Whether this connection may go on with its handshake in this round: they are
 * spread, so that many at once do not hold up those that carry data. */
static bool may_shake_hands(const struct conn *c)
{
	static uint64_t round;
	static unsigned done;
	if (!c->tls || c->open || (!c->readable && !buf_len(&c->spill)))
		return true;
	if (round != loop_rounds())
		done = 0;
	round = loop_rounds();
	return done++ < HANDSHAKES_A_ROUND;
}

static void take_turn(struct task *task)
{
	struct conn *c = OWNER_OF(task, struct conn, turn);
	if (c->io.fd < 0 || c->told_end)
		return;
	if (!may_shake_hands(c)) {
		task_post(task);
		return;
	}
	if (!c->paused)
		read_in(c);
	if (c->closed)
		return;
	push_backlog(c);
	if (c->tls)
		tls_flush(c->tls);
	send_wire(c);
	if (c->open && c->wants_room && c->writable && !buf_len(&c->backlog)) {
		c->wants_room = false;
		tell(c, CONN_ROOM);
	}
	if (c->closed)
		return;
	if (has_ended(c))
		end_of_stream(c);
	else if (!c->paused && (c->readable || (buf_len(&c->spill) && c->writable)))
		task_post(task);
}

static void on_socket(struct io *io, uint32_t events)
{
	struct conn *c = OWNER_OF(io, struct conn, io);
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->hangup = true;
	if (events & EPOLLOUT)
		set_writable(c, true);
	task_post(&c->turn);
}

void conn_pause(struct conn *c)
{
	c->paused = true;
}

void conn_resume(struct conn *c)
{
	c->paused = false;
	task_post(&c->turn);
}

const struct err *conn_error(const struct conn *c)
{
	return &c->err;
}

int64_t conn_heard_ms(const struct conn *c)
{
	return c->heard_ms;
}

/* ---- beginning and end ---- */

static void set_options(int fd)
{
	static const struct {
		int level, name, value;
	} Option[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},
		{SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, DEAD_AFTER_MS / 1000},
		{IPPROTO_TCP, TCP_KEEPINTVL, DEAD_AFTER_MS / 3000},
		{IPPROTO_TCP, TCP_KEEPCNT, 3},
		{IPPROTO_TCP, TCP_USER_TIMEOUT, DEAD_AFTER_MS},
	};
	for (size_t i = 0; i < sizeof Option / sizeof *Option; i++)
		setsockopt(fd, Option[i].level, Option[i].name, &Option[i].value, sizeof(int));
}

static void on_connected(struct conn *c, int fd)
{
	if (!route_stays(c->route))
		end_route(c);
	set_options(fd);
	io_open(&c->io, fd, on_socket);
	io_want(&c->io, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	c->writable = true;
	c->heard_ms = loop_now();
	task_post(&c->turn);
	if (!c->tls)
		become_open(c);
}

/* A socket, or why there is none; behind that, why what carries it has ended. */
static void on_route(void *owner, int fd, const struct err *e)
{
	struct conn *c = owner;
	if (fd >= 0) {
		on_connected(c, fd);
		return;
	}
	if (e->kind)
		c->err = *e;
	if (c->io.fd < 0) {
		fail(c);
		return;
	}
	end_route(c);
	c->readable = true;
	task_post(&c->turn);
}

static void on_limit(struct timer *timer)
{
	struct conn *c = OWNER_OF(timer, struct conn, limit);
	char what[300];
	if (c->route)
		route_describe(c->route, what, sizeof what);
	else
		snprintf(what, sizeof what, "TLS handshake with %s", c->name);
	err_set(&c->err, ERR_NETWORK, ETIMEDOUT, "%s: no answer in %lld s", what,
		(long long)(c->limit_ms / 1000));
	fail(c);
}

static void on_tls_refused(struct task *task)
{
	fail(OWNER_OF(task, struct conn, turn));
}

struct conn *conn_open(
	const struct conn_spec *spec, void (*on)(void *owner, enum conn_event), void *owner)
{
	struct conn *c = mem_new(sizeof *c);
	char name[300];
	snprintf(name, sizeof name, strchr(spec->host, ':') ? "[%s]:%u" : "%s:%u", spec->host,
		spec->port);
	*c = (struct conn){.on = on,
		.owner = owner,
		.name = mem_dup(name),
		.io.fd = -1,
		.blocked.on = on_blocked,
		.tick.on = on_tick,
		.limit.on = on_limit,
		.limit_ms = spec->limit_ms,
		.turn.on = take_turn};
	if (spec->tls && !(c->tls = tls_new(spec->tls, &c->err))) {
		c->turn.on = on_tls_refused;
		task_post(&c->turn);
		return c;
	}
	const struct route_spec way = {.host = spec->host,
		.port = spec->port,
		.proxy = spec->proxy,
		.tls = spec->tls,
		.limit_ms = spec->limit_ms};
	c->route = route_start(&way, on_route, c);
	timer_after(&c->limit, spec->limit_ms);
	return c;
}

void conn_pass(struct conn *c, void (*on)(void *owner, enum conn_event), void *owner)
{
	c->on = on;
	c->owner = owner;
}

static void free_conn(void *p)
{
	struct conn *c = p;
	tls_free(c->tls);
	buf_free(&c->spill);
	buf_free_wiped(&c->backlog);
	buf_free_wiped(&c->plain);
	free(c->name);
	free(c);
}

/* What was pushed in this turn, as far as the kernel takes it, and close_notify. */
static void send_last(struct conn *c)
{
	push_backlog(c);
	if (c->tls)
		tls_flush(c->tls);
	send_wire(c);
	if (c->tls)
		tls_close(c->tls);
	send_wire(c);
}

void conn_close(struct conn *c)
{
	if (c->closed)
		return;
	c->closed = true;
	if (c->io.fd >= 0 && c->open)
		send_last(c);
	io_close(&c->io);
	end_route(c);
	timer_stop(&c->limit);
	timer_stop(&c->blocked);
	timer_stop(&c->tick);
	task_drop(&c->turn);
	loop_free_later(c, free_conn);
}
