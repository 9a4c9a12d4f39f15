/* The stream of a tunnel and its life: SPDY in WebSocket, SPDY alone or v4, read
 * and written; pings and fences; opening and end.  What is on it is channel.c's. */
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "mem.h"
#include "random.h"

enum { CLOSE_NORMAL = 1000, CLOSE_WITHOUT = 1005 }; /* RFC 6455, 7.4.1 */

/* By a task, since what changes a tunnel is often its owner's own call. */
void tunnel_tell_changed(struct tunnel *t)
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

bool tunnel_is_v4(const struct tunnel *t)
{
	return t->transport == TRANSPORT_V4;
}

bool tunnel_is_websocket(const struct tunnel *t)
{
	return t->transport != TRANSPORT_SPDY;
}

/* ---- sending ---- */

/* Conn will say when that is over. */
void tunnel_look_if_blocked(struct tunnel *t)
{
	int64_t judged = loop_now() + TUNNEL_BLOCKED_MS;
	if (!t->conn || t->blocked_ms || !conn_is_sending(t->conn))
		return;
	t->blocked_ms = loop_now();
	if (!timer_is_set(&t->judge) || t->judge.at_ms > judged)
		timer_set(&t->judge, judged);
}

/* A short message, whole: copied, masked, and sent as soon as it can be. */
static void put_frame(struct tunnel *t, enum ws_opcode op, const uint8_t *p, size_t n)
{
	uint8_t out[WS_HEADER_MAX + SPDY_OPEN_MAX];
	uint32_t mask = random_u32();
	size_t head = ws_put_header(out, op, n, mask);
	memcpy(out + head, p, n);
	ws_mask(out + head, n, mask, 0);
	conn_put(t->conn, out, head + n);
	tunnel_look_if_blocked(t);
}

void tunnel_put(struct tunnel *t, const uint8_t *p, size_t n)
{
	if (tunnel_is_websocket(t)) {
		put_frame(t, WS_BINARY, p, n);
		return;
	}
	conn_put(t->conn, p, n);
	tunnel_look_if_blocked(t);
}

void tunnel_finish(struct tunnel *t)
{
	static const uint8_t Normal[] = {0x03, 0xe8}; /* 1000 (RFC 6455, 7.4.1) */
	if (t->conn)
		put_frame(t, WS_CLOSE, Normal, sizeof Normal);
}

/* Answers to the server's pings must not pile up where it does not read. */
static bool may_answer(const struct tunnel *t)
{
	return !conn_is_sending(t->conn);
}

/* ---- judging: pings and streams that are not answered ---- */

void tunnel_set_fence(struct tunnel *t, enum fence why, bool on)
{
	unsigned fences = on ? t->fences | why : t->fences & ~(unsigned)why;
	bool changed = !fences != !t->fences;
	t->fences = fences;
	if (changed)
		tunnel_tell_changed(t);
}

static void die(struct tunnel *t);

static int64_t sooner(int64_t a, int64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* Since when the oldest of the new streams could have been answered; 0: all were. */
static int64_t asked_ms(const struct tunnel *t)
{
	int64_t asked = channels_oldest_unanswered(t);
	return asked && asked < t->resumed_ms ? t->resumed_ms : asked;
}

/* Sets and lifts fences by what is overdue; returns when the next thing will
 * be, 0: nothing. */
static int64_t judge_replies(struct tunnel *t)
{
	int64_t now = loop_now();
	if (asked_ms(t) && asked_ms(t) + TUNNEL_DEAD_MS <= now)
		channels_give_up(t, now - TUNNEL_DEAD_MS);
	int64_t asked = asked_ms(t);
	if (!asked)
		return 0;
	if (asked + TUNNEL_FENCE_MS > now)
		return asked + TUNNEL_FENCE_MS;
	tunnel_set_fence(t, FENCE_REPLY, true);
	return asked + TUNNEL_DEAD_MS;
}

/* One lost pong kills nothing: where something else was heard, another ping tells
 * whether the way is still there. */
static int64_t judge_ping(struct tunnel *t)
{
	int64_t now = loop_now();
	if (!t->ping_ms)
		return 0;
	if (t->ping_ms + TUNNEL_FENCE_MS > now)
		return t->ping_ms + TUNNEL_FENCE_MS;
	tunnel_set_fence(t, FENCE_PING, true);
	if (conn_heard_ms(t->conn) > t->ping_ms) {
		t->ping_ms = 0;
		tunnel_ping(t);
		return now + TUNNEL_FENCE_MS;
	}
	if (t->ping_ms + TUNNEL_DEAD_MS > now)
		return t->ping_ms + TUNNEL_DEAD_MS;
	err_set(&t->err, ERR_NETWORK, 0, "no answer for %d s", TUNNEL_DEAD_MS / 1000);
	return 0;
}

/* Data that brings nothing back may have gone into a hole: a ping tells soon. */
static int64_t judge_sending(struct tunnel *t)
{
	if (!t->sent_ms)
		return 0;
	if (t->sent_ms + TUNNEL_FENCE_MS > loop_now())
		return t->sent_ms + TUNNEL_FENCE_MS;
	t->sent_ms = 0;
	tunnel_ping(t);
	return 0;
}

/* Looks at what is overdue, and sets the timer for what will be next.  While we
 * do not read, nothing can be heard; while the server does not, nothing that we
 * ask gets out: neither is a time to judge. */
static void judge(struct timer *timer)
{
	struct tunnel *t = OWNER_OF(timer, struct tunnel, judge);
	if (t->err.kind) {
		die(t);
		return;
	}
	if (t->paused)
		return;
	if (tunnel_is_stalled(t)) {
		tunnel_tell_changed(t);
		return;
	}
	int64_t next = judge_sending(t);
	next = sooner(next, judge_ping(t));
	if (!t->err.kind)
		next = sooner(next, judge_replies(t));
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
	timer_set(&t->judge, t->resumed_ms);
}

static void unblock(struct tunnel *t)
{
	bool stalled = tunnel_is_stalled(t);
	t->blocked_ms = 0;
	if (!stalled)
		return;
	tunnel_tell_changed(t);
	restart_clocks(t);
}

void tunnel_ping(struct tunnel *t)
{
	uint8_t out[SPDY_CONTROL_LEN];
	if (!t->conn || t->ping_ms || t->paused)
		return;
	t->ping_id += 2;
	t->ping_ms = loop_now();
	if (!tunnel_is_v4(t))
		tunnel_put(t, out, spdy_put_ping(out, t->ping_id - 1));
	if (tunnel_is_websocket(t))
		put_frame(t, WS_PING, out, 0);
	tunnel_judge_later(t);
}

void tunnel_doubt(struct tunnel *t)
{
	if (!t->conn)
		return;
	t->ping_ms = 0;
	tunnel_set_fence(t, FENCE_PING, true);
	tunnel_ping(t);
}

static void got_pong(struct tunnel *t)
{
	if (t->ping_ms)
		t->round_trip_ms = loop_now() - t->ping_ms;
	t->ping_ms = 0;
	t->answered_ms = loop_now();
	tunnel_set_fence(t, FENCE_PING, false);
}

static void got_ping(struct tunnel *t, uint32_t id)
{
	uint8_t out[SPDY_CONTROL_LEN];
	if (id % 2 == 0 && may_answer(t))
		tunnel_put(t, out, spdy_put_ping(out, id));
	else if (id == t->ping_id - 1)
		got_pong(t);
	else if (id % 2)
		tunnel_set_fence(t, FENCE_PING, false);
}

void tunnel_set_paused(struct tunnel *t, bool paused)
{
	if (paused == t->paused || !t->conn)
		return;
	t->paused = paused;
	tunnel_tell_changed(t);
	if (paused) {
		conn_pause(t->conn);
		return;
	}
	conn_resume(t->conn);
	restart_clocks(t);
}

void tunnel_judge_later(struct tunnel *t)
{
	int64_t at = loop_now() + TUNNEL_FENCE_MS;
	if (!timer_is_set(&t->judge) || t->judge.at_ms > at)
		timer_set(&t->judge, at);
}

void tunnel_note_sent(struct tunnel *t)
{
	if (t->sent_ms)
		return;
	t->sent_ms = loop_now();
	tunnel_judge_later(t);
}

void tunnel_fail(struct tunnel *t, enum err_kind kind, const char *why)
{
	err_set(&t->err, kind, 0, "%s", why);
	timer_set(&t->judge, loop_now());
}

/* ---- receiving ---- */

static void on_spdy(struct tunnel *t, const struct spdy_event *ev)
{
	switch (ev->type) {
	case SPDY_MORE:
		break;
	case SPDY_DATA:
	case SPDY_REPLY:
	case SPDY_RESET:
		channels_got_spdy(t, ev);
		break;
	case SPDY_PING:
		got_ping(t, ev->value);
		break;
	case SPDY_GOAWAY:
		tunnel_set_fence(t, FENCE_GOAWAY, true);
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
	if (tunnel_is_v4(t) && (ev->code == CLOSE_NORMAL || ev->code == CLOSE_WITHOUT))
		channels_got_v4_end(t);
	err_set(&t->err, ERR_NETWORK, 0, "closed by the server (%u%s%.*s)", ev->code,
		ev->length ? ": " : "", (int)ev->length, (const char *)ev->data);
}

static void on_ws(struct tunnel *t, const struct ws_event *ev)
{
	switch (ev->type) {
	case WS_MORE:
		break;
	case WS_DATA:
		if (tunnel_is_v4(t))
			channels_got_v4(t, ev);
		else
			read_spdy(t, ev->data, ev->length);
		break;
	case WS_GOT_PING:
		if (may_answer(t))
			put_frame(t, WS_PONG, ev->data, ev->length);
		break;
	case WS_GOT_PONG: /* proves the API server; the whole path only where nothing else can */
		if (tunnel_is_v4(t))
			got_pong(t);
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
	t->sent_ms = 0;
	while (!t->err.kind && !t->closed && (n = conn_peek(conn, &p))) {
		(tunnel_is_websocket(t) ? read_ws : read_spdy)(t, p, n);
		conn_eat(conn, n);
	}
	channels_flush(t);
	if (t->err.kind && !t->closed)
		die(t);
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
		channels_serve_waiting(t);
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
	bool opened = t->conn;
	if (opened && !tunnel_is_v4(t))
		cluster_learn_transport(t->cluster, TRANSPORT_AUTO);
	stop(t);
	channels_end_all(t, opened ? CHANNEL_BROKE : CHANNEL_UNOPENED, &t->err);
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
	t->transport = cluster_transport(t->cluster);
	t->answered_ms = loop_now();
	conn_pass(conn, on_conn, t);
	t->on(t->owner, t, TUNNEL_READY);
	channels_serve_waiting(t);
	if (t->conn)
		read_all(t);
}

struct tunnel *tunnel_open(const struct upgrade_spec *spec,
	void (*on)(void *owner, struct tunnel *t, enum tunnel_event), void *owner)
{
	struct tunnel *t = mem_new(sizeof *t);
	*t = (struct tunnel){.on = on,
		.owner = owner,
		.cluster = cluster_share(spec->cluster),
		.transport = cluster_transport(spec->cluster),
		.v4_skip = {2, 2},
		.pod = mem_dup(spec->pod),
		.uid = mem_dup(spec->uid ? spec->uid : ""),
		.next_stream = 1,
		.last_waiting = &t->waiting,
		.round_trip_ms = -1,
		.judge.on = judge,
		.stall.on = channels_on_stall,
		.changed.on = on_changed};
	t->upgrade = upgrade_start(spec, on_upgraded, t);
	return t;
}

static void free_tunnel(void *p)
{
	struct tunnel *t = p;
	cluster_drop(t->cluster);
	free(t->pod);
	free(t->uid);
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
		channels_end_all(t, CHANNEL_BROKE, &e);
	}
	task_drop(&t->changed);
	loop_free_later(t, free_tunnel);
}

void tunnel_fence(struct tunnel *t)
{
	tunnel_set_fence(t, FENCE_OWNER, true);
}

bool tunnel_is_ready(const struct tunnel *t)
{
	return t->conn;
}

bool tunnel_is_usable(const struct tunnel *t)
{
	return (tunnel_is_ready(t) || (tunnel_is_v4(t) && !t->gone)) && !t->fences;
}

bool tunnel_is_blocked(const struct tunnel *t)
{
	return t->blocked_ms;
}

bool tunnel_is_stalled(const struct tunnel *t)
{
	return t->paused || (t->blocked_ms && t->blocked_ms + TUNNEL_BLOCKED_MS <= loop_now());
}

bool tunnel_is_silent(const struct tunnel *t)
{
	return t->fences & (FENCE_PING | FENCE_REPLY);
}

unsigned tunnel_channels(const struct tunnel *t)
{
	return t->channels;
}

enum transport tunnel_transport(const struct tunnel *t)
{
	return t->transport;
}

int64_t tunnel_round_trip_ms(const struct tunnel *t)
{
	return t->round_trip_ms;
}

int64_t tunnel_answered_ms(const struct tunnel *t)
{
	return t->answered_ms;
}

const struct err *tunnel_error(const struct tunnel *t)
{
	return &t->err;
}
