/* SPDY/3.1 in WebSocket over one connection: frames in both directions, the
 * table of channels, pings, and the rules for those who do not read. */
#include "tunnel.h"

#include <stdlib.h>
#include <string.h>

#include "loop.h"
#include "mem.h"
#include "random.h"
#include "spdy.h"
#include "ws.h"

enum {
	BUCKETS = 64,
	LEAST_ROOM = 1024,   /* smaller rooms are not worth a frame */
	HEADERS_MAX = 8 + 8, /* WebSocket's for a length of 16 bits, SPDY's */
	ERROR_TEXT = 2048,   /* bytes of an error stream that are kept */
	VERDICT_MS = 2000,   /* from the end of data to the error stream's word */
};

/* Why a tunnel takes no new channels: a set of these. */
enum fence {
	FENCE_PING = 1,     /* a ping was not answered in time */
	FENCE_REPLY = 2,    /* nor was a new stream */
	FENCE_GOAWAY = 4,   /* the server's wish */
	FENCE_OWNER = 8,    /* the owner's wish */
	FENCE_STREAMS = 16, /* stream ids are used up */
};

struct channel {
	struct tunnel *tunnel;
	struct channel *next;                 /* in its bucket */
	struct channel *wait_next, **waiting; /* in the queue for room; NULL: not in it */
	const struct channel_ops *ops;
	void *owner;
	uint32_t stream; /* of the error stream; data is the next odd one */
	int64_t opened_ms;
	size_t queued;    /* bytes that wait at the owner's */
	struct buf error; /* text of the error stream */
	uint8_t *room;    /* given out by channel_room(), headers in front */
	bool replied, error_finished, data_finished, we_finished;
	struct timer verdict; /* set while data has ended and the error stream has not */
};

struct tunnel {
	void (*on)(void *owner, struct tunnel *t, enum tunnel_event);
	void *owner;
	char *pod;
	struct upgrade *upgrade; /* until it is ready */
	struct conn *conn;
	struct err err;
	struct ws_reader ws;
	struct spdy_reader spdy;
	struct channel *bucket[BUCKETS];
	unsigned channels;
	uint32_t next_stream, next_request;
	struct channel *waiting, **last_waiting;
	struct channel *served; /* the one whose turn it is to take room */
	unsigned fences;        /* set of enum fence */
	uint32_t ping_id;
	int64_t ping_ms; /* when the ping under way was sent; 0: none is */
	int64_t round_trip_ms;
	int64_t blocked_ms;  /* since when the server has not taken what we send; 0: it does */
	int64_t resumed_ms;  /* when we last began to read again, or it did */
	struct timer judge;  /* of pings and replies */
	struct timer stall;  /* of a shared tunnel that is paused */
	struct task changed; /* the owner is to be told */
	bool paused, gone, closed;
};

static size_t Queued; /* bytes that wait at all channels' owners */

/* By a task, since what changes a tunnel is often its owner's own call. */
static void tell_changed(struct tunnel *t)
{
	if (!t->closed)
		task_post(&t->changed);
}

static void on_changed(struct task *task)
{
	struct tunnel *t = OWNER_OF(task, struct tunnel, changed);
	if (t->gone)
		return;
	t->on(t->owner, t, TUNNEL_CHANGED);
}

/* ---- the table of channels ---- */

static struct channel **slot_of(struct tunnel *t, uint32_t stream)
{
	uint32_t first = (stream & ~2u); /* error streams are 1, 5, 9, ... */
	struct channel **slot = &t->bucket[first / 4 % BUCKETS];
	while (*slot && (*slot)->stream != first)
		slot = &(*slot)->next;
	return slot;
}

static void leave_waiting(struct channel *c)
{
	if (!c->waiting)
		return;
	*c->waiting = c->wait_next;
	if (c->wait_next)
		c->wait_next->waiting = c->waiting;
	else
		c->tunnel->last_waiting = c->waiting;
	c->waiting = NULL;
}

static void wait_for_room(struct channel *c)
{
	struct tunnel *t = c->tunnel;
	if (c->waiting)
		return;
	c->wait_next = NULL;
	c->waiting = t->last_waiting;
	*t->last_waiting = c;
	t->last_waiting = &c->wait_next;
}

static void free_channel(void *p)
{
	struct channel *c = p;
	buf_free(&c->error);
	free(c);
}

static void balance(struct tunnel *t);

static void remove_channel(struct channel *c)
{
	struct tunnel *t = c->tunnel;
	struct channel **slot = slot_of(t, c->stream);
	*slot = c->next;
	t->channels--;
	Queued -= c->queued;
	c->queued = 0;
	leave_waiting(c);
	timer_stop(&c->verdict);
	loop_free_later(c, free_channel);
	balance(t);
	tell_changed(t);
}

/* ---- sending ---- */

/* Conn will say when that is over. */
static void look_if_blocked(struct tunnel *t)
{
	int64_t judged = loop_now() + TUNNEL_BLOCKED_MS;
	if (t->blocked_ms || !conn_is_sending(t->conn))
		return;
	t->blocked_ms = loop_now();
	if (!timer_is_set(&t->judge) || t->judge.at_ms > judged)
		timer_set(&t->judge, judged);
}

/* A short message, whole: copied, masked, and sent as soon as it can be. */
static void put_message(struct tunnel *t, enum ws_opcode op, const uint8_t *p, size_t n)
{
	uint8_t out[WS_HEADER_MAX + SPDY_OPEN_MAX];
	uint32_t mask = random_u32();
	size_t head = ws_put_header(out, op, n, mask);
	memcpy(out + head, p, n);
	ws_mask(out + head, n, mask, 0);
	conn_put(t->conn, out, head + n);
	look_if_blocked(t);
}

/* The answer to a ping, unless the server does not read: they must not pile up. */
static void put_answer(struct tunnel *t, enum ws_opcode op, const uint8_t *p, size_t n)
{
	if (!conn_is_sending(t->conn))
		put_message(t, op, p, n);
}

static void put_reset(struct tunnel *t, uint32_t stream)
{
	uint8_t out[SPDY_CONTROL_LEN];
	put_message(t, WS_BINARY, out, spdy_put_reset(out, stream, SPDY_CANCEL));
}

static void put_end(struct channel *c)
{
	uint8_t out[SPDY_HEADER_LEN];
	c->we_finished = true;
	put_message(c->tunnel, WS_BINARY, out, spdy_put_data(out, c->stream + 2, 0, true));
}

static void reset_both(struct channel *c)
{
	put_reset(c->tunnel, c->stream + 2);
	put_reset(c->tunnel, c->stream);
}

size_t channel_room(struct channel *c, uint8_t **p)
{
	size_t n = 0;
	if (!c->tunnel->waiting || c->tunnel->served == c)
		n = conn_room(c->tunnel->conn, LEAST_ROOM, &c->room);
	if (!n) {
		look_if_blocked(c->tunnel);
		wait_for_room(c);
		return 0;
	}
	leave_waiting(c);
	*p = c->room + HEADERS_MAX;
	return (n < TUNNEL_FRAME ? n : TUNNEL_FRAME) - HEADERS_MAX;
}

/* The headers go in front of the payload.  Where the shortest form of the
 * WebSocket header is two bytes shorter than what was left for it, the frame is
 * moved down. */
void channel_push(struct channel *c, size_t n)
{
	uint32_t mask = random_u32();
	size_t frame = SPDY_HEADER_LEN + n, head = ws_header_len(frame);
	if (head + SPDY_HEADER_LEN < HEADERS_MAX)
		memmove(c->room + head + SPDY_HEADER_LEN, c->room + HEADERS_MAX, n);
	ws_put_header(c->room, WS_BINARY, frame, mask);
	spdy_put_data(c->room + head, c->stream + 2, n, false);
	ws_mask(c->room + head, frame, mask, 0);
	conn_push(c->tunnel->conn, head + frame);
}

void channel_finish(struct channel *c)
{
	leave_waiting(c);
	if (!c->we_finished)
		put_end(c);
}

void channel_abort(struct channel *c)
{
	if (!c->tunnel->gone)
		reset_both(c);
	remove_channel(c);
}

/* ---- judging: pings and streams that are not answered ---- */

static void set_fence(struct tunnel *t, enum fence why, bool on)
{
	unsigned fences = on ? t->fences | why : t->fences & ~(unsigned)why;
	bool changed = !fences != !t->fences;
	t->fences = fences;
	if (changed)
		tell_changed(t);
}

static void die(struct tunnel *t);

/* When the oldest stream without a reply was opened; 0: all have one. */
static int64_t oldest_unanswered(struct tunnel *t)
{
	int64_t oldest = 0;
	for (int i = 0; i < BUCKETS; i++)
		for (struct channel *c = t->bucket[i]; c; c = c->next)
			if (!c->replied && (!oldest || c->opened_ms < oldest))
				oldest = c->opened_ms;
	return oldest;
}

static int64_t sooner(int64_t a, int64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* Sets and lifts fences by what is overdue; returns when the next thing will
 * be, 0: nothing. */
static int64_t judge_replies(struct tunnel *t)
{
	int64_t asked = oldest_unanswered(t);
	if (!asked)
		return 0;
	if (asked < t->resumed_ms)
		asked = t->resumed_ms;
	if (asked + TUNNEL_FENCE_MS > loop_now())
		return asked + TUNNEL_FENCE_MS;
	set_fence(t, FENCE_REPLY, true);
	return 0;
}

static int64_t judge_ping(struct tunnel *t)
{
	int64_t now = loop_now();
	if (!t->ping_ms)
		return 0;
	if (t->ping_ms + TUNNEL_FENCE_MS > now)
		return t->ping_ms + TUNNEL_FENCE_MS;
	set_fence(t, FENCE_PING, true);
	if (t->ping_ms + TUNNEL_DEAD_MS > now)
		return t->ping_ms + TUNNEL_DEAD_MS;
	if (conn_heard_ms(t->conn) <= t->ping_ms)
		err_set(&t->err, ERR_NETWORK, 0, "no answer for %d s", TUNNEL_DEAD_MS / 1000);
	t->ping_ms = 0; /* one lost pong kills nothing */
	return 0;
}

/* Looks at what is overdue, and sets the timer for what will be next.  While we
 * do not read, nothing can be heard; while the server does not, nothing that we
 * ask gets out: neither is a time to judge. */
static void judge(struct timer *timer)
{
	struct tunnel *t = OWNER_OF(timer, struct tunnel, judge);
	if (tunnel_is_stalled(t)) {
		tell_changed(t);
		return;
	}
	int64_t next = sooner(judge_replies(t), judge_ping(t));
	if (t->blocked_ms)
		next = sooner(next, t->blocked_ms + TUNNEL_BLOCKED_MS);
	if (t->err.kind)
		die(t);
	else if (next)
		timer_set(&t->judge, next);
}

/* What was asked may not have gone out, or its answer not been read. */
static void restart_clocks(struct tunnel *t)
{
	t->resumed_ms = loop_now();
	if (t->ping_ms)
		t->ping_ms = t->resumed_ms;
	judge(&t->judge);
}

static void unblock(struct tunnel *t)
{
	bool stalled = tunnel_is_stalled(t);
	t->blocked_ms = 0;
	if (!stalled)
		return;
	tell_changed(t);
	restart_clocks(t);
}

void tunnel_ping(struct tunnel *t)
{
	uint8_t out[SPDY_CONTROL_LEN];
	if (!t->conn || t->ping_ms || t->paused)
		return;
	t->ping_id += 2;
	t->ping_ms = loop_now();
	put_message(t, WS_BINARY, out, spdy_put_ping(out, t->ping_id - 1));
	put_message(t, WS_PING, out, 0);
	judge(&t->judge);
}

static void got_ping(struct tunnel *t, uint32_t id)
{
	uint8_t out[SPDY_CONTROL_LEN];
	if (id % 2 == 0) {
		put_answer(t, WS_BINARY, out, spdy_put_ping(out, id));
		return;
	}
	if (id == t->ping_id - 1 && t->ping_ms) {
		t->round_trip_ms = loop_now() - t->ping_ms;
		t->ping_ms = 0;
	}
	set_fence(t, FENCE_PING, false);
}

/* ---- those who do not read ---- */

/* Whether the reading of the tunnel has to stop for this channel's sake. */
static bool holds_up(const struct channel *c)
{
	if (c->tunnel->channels == 1)
		return c->queued;
	return c->queued > TUNNEL_QUEUE || (c->queued && Queued > TUNNEL_QUEUE_ALL);
}

static struct channel *fullest(struct tunnel *t)
{
	struct channel *most = NULL;
	for (int i = 0; i < BUCKETS; i++)
		for (struct channel *c = t->bucket[i]; c; c = c->next)
			if (holds_up(c) && (!most || c->queued > most->queued))
				most = c;
	return most;
}

static void set_paused(struct tunnel *t, bool paused)
{
	if (paused == t->paused)
		return;
	t->paused = paused;
	tell_changed(t);
	if (paused) {
		conn_pause(t->conn);
		return;
	}
	conn_resume(t->conn);
	restart_clocks(t);
}

/* Pauses or resumes the tunnel by what its clients leave unread. */
static void balance(struct tunnel *t)
{
	if (!t->conn)
		return;
	set_paused(t, fullest(t));
	if (!t->paused || t->channels < 2)
		timer_stop(&t->stall);
	else if (!timer_is_set(&t->stall))
		timer_after(&t->stall, TUNNEL_STALL_MS);
}

void channel_queued(struct channel *c, size_t bytes)
{
	Queued += bytes - c->queued;
	c->queued = bytes;
	balance(c->tunnel);
}

static void end_channel(struct channel *c, enum channel_how how, const struct err *e)
{
	remove_channel(c);
	c->ops->end(c->owner, how, e);
}

static void on_stall(struct timer *timer)
{
	struct tunnel *t = OWNER_OF(timer, struct tunnel, stall);
	struct channel *c = fullest(t);
	struct err e = {0};
	if (!c) { /* it was too much for the process, and is not any more */
		balance(t);
		return;
	}
	err_set(&e, ERR_LOCAL, 0, "the client did not read for %d s and held up others",
		TUNNEL_STALL_MS / 1000);
	reset_both(c);
	end_channel(c, CHANNEL_BROKE, &e);
}

/* ---- receiving ---- */

/* The part behind the last ": ", which mostly names the cause. */
static const char *last_clause(const char *text)
{
	const char *found;
	while ((found = strstr(text, ": ")) && found[2])
		text = found + 2;
	return text;
}

/* What container runtimes say, and we for it; the first texts are containerd's,
 * the last is CRI-O's. */
static const struct cause {
	const char *first, *then, *words;
	enum channel_how how;
	enum err_kind kind;
} Cause[] = {
	{"connection refused", "", "connection refused", CHANNEL_REFUSED, ERR_REFUSED},
	{"network namespace for sandbox", "is closed", "the pod is gone", CHANNEL_POD_GONE,
		ERR_NOT_READY},
	{"sandbox", "is not running", "the pod is gone", CHANNEL_POD_GONE, ERR_NOT_READY},
};

static const struct cause *find_cause(const char *text)
{
	for (size_t i = 0; i < sizeof Cause / sizeof *Cause; i++) {
		const char *at = strcasestr(text, Cause[i].first);
		if (at && strstr(at, Cause[i].then))
			return &Cause[i];
	}
	return NULL;
}

/* The far end has broken the channel off; its error stream may say why. */
static void break_channel(struct channel *c)
{
	struct err e = {0};
	while (buf_len(&c->error) && buf_data(&c->error)[buf_len(&c->error) - 1] <= ' ')
		c->error.tail--; /* containerd ends with a blank */
	buf_put(&c->error, "", 1);
	const char *text = (const char *)buf_data(&c->error);
	const struct cause *cause = find_cause(text);
	err_set(&e, cause ? cause->kind : ERR_SERVER, 0, "%s",
		cause   ? cause->words
		: *text ? last_clause(text)
			: "reset by the server");
	end_channel(c, cause ? cause->how : CHANNEL_BROKE, &e);
}

static void finish_channel(struct channel *c)
{
	if (!c->we_finished)
		put_end(c);
	end_channel(c, CHANNEL_ENDED, NULL);
}

/* Runtimes end the data stream first, and then say on the error stream whether
 * that was an error.  Where they say nothing, the application has only ended
 * what it sends. */
static void on_verdict(struct timer *timer)
{
	struct channel *c = OWNER_OF(timer, struct channel, verdict);
	c->ops->finished(c->owner);
}

static void got_error_data(struct channel *c, const struct spdy_event *ev)
{
	size_t room = ERROR_TEXT - buf_len(&c->error);
	buf_put(&c->error, ev->data, ev->length < room ? ev->length : room);
	c->error_finished |= ev->end;
}

static void got_reply(struct tunnel *t, uint32_t stream)
{
	struct channel *c = *slot_of(t, stream);
	if (c)
		c->replied = true;
	if (t->fences & FENCE_REPLY && !oldest_unanswered(t))
		set_fence(t, FENCE_REPLY, false);
}

static void got_data(struct tunnel *t, const struct spdy_event *ev)
{
	struct channel *c = *slot_of(t, ev->stream);
	if (!c)
		return; /* it was ended while this was under way */
	if (!c->replied)
		got_reply(t, ev->stream);
	if (ev->stream == c->stream) {
		got_error_data(c, ev);
	} else {
		if (ev->length)
			c->ops->data(c->owner, ev->data, ev->length);
		if (*slot_of(t, ev->stream) != c)
			return;
		c->data_finished |= ev->end;
	}
	if (c->error_finished && buf_len(&c->error))
		break_channel(c);
	else if (c->error_finished && c->data_finished)
		finish_channel(c);
	else if (ev->end && c->data_finished)
		timer_after(&c->verdict, VERDICT_MS);
}

static void got_reset(struct tunnel *t, uint32_t stream)
{
	struct channel *c = *slot_of(t, stream);
	if (c)
		break_channel(c);
}

static void on_spdy(struct tunnel *t, const struct spdy_event *ev)
{
	switch (ev->type) {
	case SPDY_MORE:
		break;
	case SPDY_DATA:
		got_data(t, ev);
		break;
	case SPDY_REPLY:
		got_reply(t, ev->stream);
		break;
	case SPDY_RESET:
		got_reset(t, ev->stream);
		break;
	case SPDY_PING:
		got_ping(t, ev->value);
		break;
	case SPDY_GOAWAY:
		set_fence(t, FENCE_GOAWAY, true);
		break;
	case SPDY_BAD:
		err_set(&t->err, ERR_PROTOCOL, 0, "the server does not speak SPDY/3.1");
		break;
	}
}

static void read_spdy(struct tunnel *t, const uint8_t *p, size_t n)
{
	struct spdy_event ev = {.type = SPDY_PING};
	size_t used = 0;
	while (!t->err.kind && !t->closed && ev.type != SPDY_MORE) {
		used += spdy_read(&t->spdy, p + used, n - used, &ev);
		on_spdy(t, &ev);
	}
}

static void got_close(struct tunnel *t, const struct ws_event *ev)
{
	err_set(&t->err, ERR_NETWORK, 0, "closed by the server (%u%s%.*s)", ev->code,
		ev->length ? ": " : "", (int)ev->length, (const char *)ev->data);
}

static void on_ws(struct tunnel *t, const struct ws_event *ev)
{
	switch (ev->type) {
	case WS_MORE:
	case WS_GOT_PONG:
		break;
	case WS_DATA:
		read_spdy(t, ev->data, ev->length);
		break;
	case WS_GOT_PING:
		put_answer(t, WS_PONG, ev->data, ev->length);
		break;
	case WS_GOT_CLOSE:
		got_close(t, ev);
		break;
	case WS_BAD:
		err_set(&t->err, ERR_PROTOCOL, 0, "WebSocket: %s", ev->why);
		break;
	}
}

static void read_ws(struct tunnel *t, const uint8_t *p, size_t n)
{
	struct ws_event ev = {.type = WS_DATA};
	size_t used = 0;
	while (!t->err.kind && !t->closed && ev.type != WS_MORE) {
		used += ws_read(&t->ws, p + used, n - used, &ev);
		on_ws(t, &ev);
	}
}

/* A tunnel that is paused stops between two peeks, never inside one: what is
 * read past the stop is one TLS record at most. */
static void read_all(struct tunnel *t)
{
	struct conn *conn = t->conn;
	uint8_t *p;
	size_t n;
	while (!t->err.kind && !t->closed && (n = conn_peek(conn, &p))) {
		read_ws(t, p, n);
		conn_eat(conn, n);
	}
	if (t->err.kind && !t->closed)
		die(t);
}

/* Until there is no more room: those who got none keep their places. */
static void serve_waiting(struct tunnel *t)
{
	while (t->waiting && !t->closed) {
		struct channel *c = t->waiting;
		leave_waiting(c);
		t->served = c;
		c->ops->room(c->owner);
		t->served = NULL;
		if (c->waiting)
			return;
	}
}

static void on_conn(void *owner, enum conn_event event)
{
	struct tunnel *t = owner;
	switch (event) {
	case CONN_OPEN:
		break;
	case CONN_IN:
		read_all(t);
		break;
	case CONN_ROOM:
		unblock(t);
		serve_waiting(t);
		break;
	case CONN_EOF:
		err_set(&t->err, ERR_NETWORK, 0, "closed by the server");
		die(t);
		break;
	case CONN_FAIL:
		err_set(&t->err, conn_error(t->conn)->kind, conn_error(t->conn)->code, "%s",
			conn_error(t->conn)->text);
		die(t);
		break;
	}
}

/* ---- beginning and end ---- */

static void end_all_channels(struct tunnel *t, const struct err *e)
{
	for (int i = 0; i < BUCKETS; i++)
		while (t->bucket[i])
			end_channel(t->bucket[i], CHANNEL_BROKE, e);
}

static void stop(struct tunnel *t)
{
	t->gone = true;
	timer_stop(&t->judge);
	timer_stop(&t->stall);
	if (t->upgrade)
		upgrade_cancel(t->upgrade);
	t->upgrade = NULL;
	if (t->conn)
		conn_close(t->conn);
	t->conn = NULL;
}

static void die(struct tunnel *t)
{
	if (t->gone)
		return;
	stop(t);
	end_all_channels(t, &t->err);
	task_drop(&t->changed);
	if (!t->closed)
		t->on(t->owner, t, TUNNEL_GONE);
}

static void on_upgraded(void *owner, struct conn *conn, const struct err *e)
{
	struct tunnel *t = owner;
	t->upgrade = NULL;
	if (!conn) {
		t->err = *e;
		die(t);
		return;
	}
	t->conn = conn;
	conn_pass(conn, on_conn, t);
	t->on(t->owner, t, TUNNEL_READY);
	if (!t->closed)
		read_all(t);
}

struct tunnel *tunnel_open(const struct upgrade_spec *spec,
	void (*on)(void *owner, struct tunnel *t, enum tunnel_event), void *owner)
{
	struct tunnel *t = mem_new(sizeof *t);
	*t = (struct tunnel){.on = on,
		.owner = owner,
		.pod = mem_dup(spec->pod),
		.next_stream = 1,
		.last_waiting = &t->waiting,
		.round_trip_ms = -1,
		.judge.on = judge,
		.stall.on = on_stall,
		.changed.on = on_changed};
	t->upgrade = upgrade_start(spec, on_upgraded, t);
	return t;
}

static void free_tunnel(void *p)
{
	struct tunnel *t = p;
	free(t->pod);
	free(t);
}

void tunnel_close(struct tunnel *t)
{
	struct err e = {0};
	if (t->closed)
		return;
	t->closed = true;
	task_drop(&t->changed);
	if (!t->gone) {
		err_set(&e, ERR_NETWORK, 0, "the tunnel was closed");
		stop(t);
		end_all_channels(t, &e);
	}
	task_drop(&t->changed);
	loop_free_later(t, free_tunnel);
}

void tunnel_fence(struct tunnel *t)
{
	set_fence(t, FENCE_OWNER, true);
}

bool tunnel_is_ready(const struct tunnel *t)
{
	return t->conn;
}

bool tunnel_is_usable(const struct tunnel *t)
{
	return tunnel_is_ready(t) && !t->fences;
}

bool tunnel_is_stalled(const struct tunnel *t)
{
	return t->paused || (t->blocked_ms && t->blocked_ms + TUNNEL_BLOCKED_MS <= loop_now());
}

unsigned tunnel_channels(const struct tunnel *t)
{
	return t->channels;
}

int64_t tunnel_round_trip_ms(const struct tunnel *t)
{
	return t->round_trip_ms;
}

const struct err *tunnel_error(const struct tunnel *t)
{
	return &t->err;
}

const char *channel_pod(const struct channel *c)
{
	return c->tunnel->pod;
}

struct channel *channel_open(
	struct tunnel *t, uint16_t port, const struct channel_ops *ops, void *owner)
{
	uint8_t out[SPDY_OPEN_MAX];
	if (!tunnel_is_usable(t))
		return NULL;
	struct channel *c = mem_new(sizeof *c);
	*c = (struct channel){.tunnel = t,
		.ops = ops,
		.owner = owner,
		.stream = t->next_stream,
		.opened_ms = loop_now(),
		.verdict.on = on_verdict};
	struct spdy_open open = {.stream = c->stream,
		.request = t->next_request++,
		.port = port,
		.first = c->stream == 1};
	*slot_of(t, c->stream) = c;
	t->channels++;
	t->next_stream += 4;
	if (t->next_stream + 2 > SPDY_STREAM_MAX)
		set_fence(t, FENCE_STREAMS, true);
	put_message(t, WS_BINARY, out, spdy_put_open(out, &open));
	balance(t);
	if (!timer_is_set(&t->judge))
		judge(&t->judge);
	return c;
}
