/* A local connection's life: HELD, CARRIED, then either DRAINING (the
 * application has closed) or RESETTING (something broke).  All its reading and
 * writing is done in its turn, a task of the loop, and in its channel's calls. */
#include "client.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "mem.h"
#include "peer.h"
#include "ulimit.h"

enum {
	POLL_OUTQ_MS = 10,
	LOOK_FIRST_MS = 20, /* a close(2) may follow a shutdown(2), or still be under way */
	LOOK_AGAIN_MS = 1000,
	QUIET_MS = 30000, /* without a byte from the application, a half-close is passed on */
};

enum state {
	HELD,      /* waits for a channel */
	CARRIED,   /* has one */
	DRAINING,  /* gets what is left, then our FIN, then a while to close itself */
	RESETTING, /* gets what is left, then a reset */
};

struct client {
	struct clients *list;
	struct client *next, **prev;
	const struct client_ops *ops;
	void *owner;
	struct io io;
	struct task turn;
	struct timer timer; /* HELD: gives up; CARRIED: looks how the client ended; later
			       states: gives up waiting for the client */
	struct timer outq;  /* RESETTING: looks whether the kernel has delivered */
	enum state state;
	struct channel *channel;
	struct buf out;   /* for the client, not taken yet */
	struct buf early; /* from the client, until the first byte has come back */
	size_t replayed;  /* bytes of early that this channel has */
	bool early_full;  /* there was more than is kept: no second try */
	bool heard;       /* a byte has come back */
	bool readable, writable, hangup;
	bool eof;               /* the client has no more to send */
	bool eof_passed;        /* and its channel knows */
	bool passes_half_close; /* the pod's container runtime does */
	bool finished;          /* nothing more will come for it from its channel */
	bool shut;              /* we have sent our FIN */
	bool by_client;         /* the client broke it off */
	int64_t hold_ms;        /* what is left of the time that it may be held */
	struct err err;
	enum channel_how how;
	uint64_t up, down;
	int64_t since_ms, heard_ms;
	char pod[254];
	char uid[K8S_UID]; /* that pod's */
};

static void set_state(struct client *c, enum state state)
{
	c->list->held -= c->state == HELD;
	c->list->held += state == HELD;
	c->state = state;
}

/* ---- the end ---- */

static void free_client(void *p)
{
	struct client *c = p;
	buf_free(&c->out);
	buf_free(&c->early);
	free(c);
}

static void leave_list(struct client *c)
{
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	else
		c->list->last = c->prev;
	c->list->count--;
	ulimit_give();
	c->list->held -= c->state == HELD;
}

static void close_client(struct client *c, bool reset)
{
	static const struct linger Reset = {.l_onoff = 1};
	if (reset)
		setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &Reset, sizeof Reset);
	if (c->channel)
		channel_abort(c->channel);
	c->channel = NULL;
	io_close(&c->io);
	timer_stop(&c->timer);
	timer_stop(&c->outq);
	task_drop(&c->turn);
	leave_list(c);
	loop_free_later(c, free_client);
}

static void end_client(struct client *c, bool reset)
{
	struct client_end end = {.how = c->how,
		.err = c->how == CHANNEL_ENDED ? NULL : &c->err,
		.by_client = c->by_client,
		.up = c->up,
		.down = c->down,
		.ms = loop_now() - c->since_ms};
	memcpy(end.pod, c->pod, sizeof end.pod);
	close_client(c, reset);
	c->ops->gone(c->owner, &end);
}

/* The client itself has broken the connection off. */
static void client_broke(struct client *c, int error)
{
	if (c->state == HELD || c->state == CARRIED) {
		c->how = CHANNEL_BROKE;
		c->by_client = true;
		err_set(&c->err, ERR_LOCAL, error, "%s", strerror(error));
	}
	end_client(c, true);
}

/* ---- to the client ---- */

/* Sends what it takes; returns the bytes taken, or -1: it broke. */
static ssize_t send_some(struct client *c, const uint8_t *p, size_t n)
{
	size_t sent = 0;
	while (sent < n && c->writable) {
		ssize_t k = send(c->io.fd, p + sent, n - sent, MSG_NOSIGNAL);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno != EAGAIN)
			return -1;
		if (k < 0)
			c->writable = false;
		else
			sent += (size_t)k;
	}
	return (ssize_t)sent;
}

static void forget_early(struct client *c)
{
	buf_free(&c->early);
	c->replayed = 0;
}

static void tell_queued(struct client *c)
{
	if (c->channel)
		channel_queued(c->channel, buf_len(&c->out));
}

/* False: the client is no more. */
static bool flush(struct client *c)
{
	if (!buf_len(&c->out))
		return true;
	ssize_t sent = send_some(c, buf_data(&c->out), buf_len(&c->out));
	if (sent < 0) {
		client_broke(c, errno);
		return false;
	}
	buf_eat(&c->out, (size_t)sent);
	if (sent)
		tell_queued(c);
	return true;
}

static void on_data(void *owner, const uint8_t *p, size_t n)
{
	struct client *c = owner;
	c->heard = true;
	c->heard_ms = loop_now();
	forget_early(c);
	c->down += n;
	c->list->down += n;
	ssize_t sent = buf_len(&c->out) ? 0 : send_some(c, p, n);
	if (sent < 0) {
		client_broke(c, errno);
		return;
	}
	if ((size_t)sent == n)
		return;
	buf_put(&c->out, p + sent, n - (size_t)sent);
	tell_queued(c);
}

/* ---- from the client ---- */

static void keep_early(struct client *c, const uint8_t *p, size_t n)
{
	if (c->heard || c->early_full)
		return;
	c->early_full = buf_len(&c->early) + n > CLIENT_EARLY;
	if (c->early_full) {
		forget_early(c);
		return;
	}
	buf_put(&c->early, p, n);
	c->replayed += n;
}

/* Sends again what an earlier channel did not bring to the application.
 * Returns whether all of it is sent. */
static bool replay(struct client *c)
{
	uint8_t *p;
	size_t n, left;
	while ((left = buf_len(&c->early) - c->replayed) && (n = channel_room(c->channel, &p))) {
		n = n < left ? n : left;
		memcpy(p, buf_data(&c->early) + c->replayed, n);
		channel_push(c->channel, n);
		c->replayed += n;
	}
	return !left;
}

/* A client that has closed is done with; one that has only ended what it sends
 * waits for an answer.  Most container runtimes cut both directions a second
 * after our FIN, so for them it is held back until the application has been
 * quiet for long. */
static void pass_eof_on(struct client *c, int64_t look_again_ms)
{
	bool hold = !c->passes_half_close && loop_now() - c->heard_ms < QUIET_MS &&
		    peer_look(c->io.fd) == PEER_OPEN;
	c->eof_passed = !hold;
	if (hold)
		timer_after(&c->timer, look_again_ms);
	else
		channel_finish(c->channel);
}

static void reach_eof(struct client *c)
{
	c->eof = true;
	c->readable = false;
	c->heard_ms = loop_now();
	pass_eof_on(c, LOOK_FIRST_MS);
}

/* As channel_pull(), for as long as what is sent may have to be sent again. */
static ssize_t pull_and_keep(struct client *c, bool *drained)
{
	uint8_t *p;
	size_t room = channel_room(c->channel, &p);
	if (!room) {
		errno = ENOBUFS;
		return -1;
	}
	ssize_t n = recv(c->io.fd, p, room, 0);
	*drained = n < (ssize_t)room;
	if (n > 0) {
		keep_early(c, p, (size_t)n);
		channel_push(c->channel, (size_t)n);
	}
	return n;
}

/* Moves bytes from the socket straight into the frame that carries them.
 * Returns the bytes moved; 0: no more now, or the client is no more. */
static size_t move_some(struct client *c)
{
	bool drained;
	ssize_t n = c->heard || c->early_full ? channel_pull(c->channel, c->io.fd, &drained)
					      : pull_and_keep(c, &drained);
	if (n > 0) {
		c->up += (uint64_t)n;
		c->list->up += (uint64_t)n;
		c->readable = c->hangup || !drained;
		return (size_t)n;
	}
	if (n == 0)
		reach_eof(c);
	else if (errno == EAGAIN)
		c->readable = false;
	else if (errno != EINTR && errno != ENOBUFS)
		client_broke(c, errno);
	return 0;
}

static void read_client(struct client *c)
{
	size_t moved = 0, n = 1;
	if (!replay(c))
		return;
	if (c->eof && !c->eof_passed && !timer_is_set(&c->timer))
		pass_eof_on(c, LOOK_AGAIN_MS);
	while (c->readable && n && moved < CLIENT_TURN)
		moved += n = move_some(c);
	if (moved >= CLIENT_TURN && c->readable)
		task_post(&c->turn);
}

/* ---- ends ---- */

/* Our FIN, behind the last byte, when the application has no more to say. */
static void shut_when_flushed(struct client *c)
{
	if (!c->finished || c->shut || buf_len(&c->out))
		return;
	c->shut = true;
	shutdown(c->io.fd, SHUT_WR);
}

/* The application has closed: our FIN behind the last byte, however long the
 * client takes to read it; then what the client still sends is thrown away until
 * it closes, since closing first would reset the connection under the bytes it
 * has not read. */
static void drain(struct client *c)
{
	uint8_t scrap[16384];
	size_t thrown = 0;
	ssize_t n = 0;
	if (buf_len(&c->out))
		return;
	shut_when_flushed(c);
	if (!timer_is_set(&c->timer))
		timer_after(&c->timer, CLIENT_LINGER_MS);
	while (thrown < CLIENT_TURN && (n = recv(c->io.fd, scrap, sizeof scrap, 0)) > 0)
		thrown += (size_t)n;
	if (n > 0 || (n < 0 && errno == EINTR))
		task_post(&c->turn);
	else if (c->eof || n == 0 || errno != EAGAIN)
		end_client(c, false);
}

/* Something broke: a reset, behind the last byte that had arrived, so that a
 * cut transfer never looks complete. */
static void reset_when_delivered(struct client *c)
{
	int unsent = 0;
	if (buf_len(&c->out))
		return;
	if (ioctl(c->io.fd, SIOCOUTQ, &unsent) || !unsent)
		end_client(c, true);
	else
		timer_after(&c->outq, POLL_OUTQ_MS);
}

static void on_outq(struct timer *timer)
{
	reset_when_delivered(OWNER_OF(timer, struct client, outq));
}

static void on_finished(void *owner)
{
	struct client *c = owner;
	c->finished = true;
	shut_when_flushed(c);
}

static void hold(struct client *c)
{
	set_state(c, HELD);
	timer_after(&c->timer, c->hold_ms);
}

static void stop_holding(struct client *c)
{
	int64_t left = c->timer.at_ms - loop_now();
	c->hold_ms = left > 0 ? left : 0;
	timer_stop(&c->timer);
	set_state(c, CARRIED);
}

static bool may_try_again(const struct client *c, enum channel_how how)
{
	return (how == CHANNEL_POD_GONE || how == CHANNEL_UNOPENED) && !c->heard && !c->early_full;
}

static void on_end(void *owner, enum channel_how how, const struct err *e)
{
	struct client *c = owner;
	c->channel = NULL;
	if (may_try_again(c, how)) {
		c->replayed = 0;
		c->eof_passed = false;
		hold(c);
		c->ops->held_again(c->owner, how, c->uid);
		return;
	}
	c->how = how;
	c->finished = true;
	if (e)
		c->err = *e;
	set_state(c, how == CHANNEL_ENDED ? DRAINING : RESETTING);
	timer_stop(&c->timer);
	if (how != CHANNEL_ENDED)
		timer_after(&c->timer, CLIENT_DELIVER_MS);
	task_post(&c->turn);
}

/* ---- the turn ---- */

static void on_room(void *owner)
{
	struct client *c = owner;
	if (c->channel)
		read_client(c);
}

static const struct channel_ops Ops = {
	.data = on_data,
	.room = on_room,
	.finished = on_finished,
	.end = on_end,
};

static void take_turn(struct task *task)
{
	struct client *c = OWNER_OF(task, struct client, turn);
	if (!flush(c))
		return;
	switch (c->state) {
	case HELD:
		break;
	case CARRIED:
		shut_when_flushed(c);
		read_client(c);
		break;
	case DRAINING:
		drain(c);
		break;
	case RESETTING:
		reset_when_delivered(c);
		break;
	}
}

static void on_socket(struct io *io, uint32_t events)
{
	struct client *c = OWNER_OF(io, struct client, io);
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->readable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->hangup = true;
	if (events & EPOLLOUT)
		c->writable = true;
	if (events & EPOLLERR && c->state == HELD)
		client_broke(c, ECONNRESET);
	else
		task_post(&c->turn);
}

static void on_timer(struct timer *timer)
{
	struct client *c = OWNER_OF(timer, struct client, timer);
	if (c->state == CARRIED) {
		pass_eof_on(c, LOOK_AGAIN_MS);
		return;
	}
	if (c->state == HELD) {
		c->how = CHANNEL_BROKE;
		err_set(&c->err, ERR_NOT_READY, 0, "held, but nothing to connect to in time");
	}
	end_client(c, c->state != DRAINING);
}

/* ---- what the forward asks for ---- */

void client_new(
	struct clients *list, int fd, int64_t hold_ms, const struct client_ops *ops, void *owner)
{
	struct client *c = mem_new(sizeof *c);
	if (!list->last)
		list->last = &list->first;
	*c = (struct client){.list = list,
		.prev = list->last,
		.ops = ops,
		.owner = owner,
		.turn.on = take_turn,
		.timer.on = on_timer,
		.outq.on = on_outq,
		.writable = true,
		.hold_ms = hold_ms,
		.since_ms = loop_now()};
	*list->last = c;
	list->last = &c->next;
	list->count++;
	list->held++;
	ulimit_take();
	io_open(&c->io, fd, on_socket);
	io_want(&c->io, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
	timer_after(&c->timer, hold_ms);
}

static bool open_channel(struct client *c, struct pool *pool)
{
	c->channel = pool_channel(pool, &Ops, c);
	if (!c->channel)
		return false;
	stop_holding(c);
	c->list->served += !*c->pod;
	c->passes_half_close = pool_passes_half_close(pool);
	strncpy(c->pod, channel_pod(c->channel), sizeof c->pod - 1);
	strncpy(c->uid, channel_uid(c->channel), sizeof c->uid - 1);
	task_post(&c->turn);
	return true;
}

void clients_open(struct clients *list, struct pool *pool)
{
	for (struct client *c = list->first, *next; c && list->held; c = next) {
		next = c->next;
		if (c->state == HELD && !open_channel(c, pool))
			return;
	}
}

void clients_reset_held(struct clients *list, const struct err *why)
{
	for (struct client *c = list->first, *next; c && list->held; c = next) {
		next = c->next;
		if (c->state != HELD)
			continue;
		c->how = CHANNEL_BROKE;
		c->err = *why;
		end_client(c, true);
	}
}

void clients_close(struct clients *list)
{
	while (list->first)
		close_client(list->first, true);
}
