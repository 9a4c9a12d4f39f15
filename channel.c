/* What is on a tunnel: the table of channels, their frames in both directions,
 * how they end, and the rules for those who do not read. */
#include "channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "mem.h"
#include "random.h"

enum {
	LEAST_ROOM = 1024,   /* smaller rooms are not worth a frame */
	ERROR_TEXT = 2048,   /* bytes of an error stream that are kept */
	VERDICT_MS = 2000,   /* from the end of data to the error stream's word */
	GATHER = 256 * 1024, /* bytes that are given out at once */
	V4_DATA = 0,         /* channel numbers of v4.channel.k8s.io, for the first port */
	V4_ERROR = 1,
	V4_INNER = 1,    /* bytes before a v4 message's payload */
	MASKED_HEAD = 8, /* of a WebSocket header for a length of 16 bits */
};

static size_t Queued; /* bytes that wait at all channels' owners */

/* Data of several records for one channel, so that its client gets them by one
 * write; used only while more is at hand than one record. */
static struct {
	struct channel *channel; /* NULL: empty */
	size_t n;
	uint8_t bytes[GATHER];
} Gathered;

/* ---- the table of channels ---- */

static struct channel **slot_of(struct tunnel *t, uint32_t stream)
{
	uint32_t first = (stream & ~2u); /* error streams are 1, 5, 9, ... */
	struct channel **slot = &t->bucket[first / 4 % CHANNEL_BUCKETS];
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
	if (Gathered.channel == c)
		Gathered.channel = NULL;
	channels_balance(t);
	tunnel_tell_changed(t);
}

/* ---- sending ---- */

static void put_reset(struct tunnel *t, uint32_t stream)
{
	uint8_t out[SPDY_CONTROL_LEN];
	tunnel_put(t, out, spdy_put_reset(out, stream, SPDY_CANCEL));
}

/* A v4 channel has no other end than that of its tunnel. */
static void reset_both(struct channel *c)
{
	if (tunnel_is_v4(c->tunnel)) {
		tunnel_fail(c->tunnel, ERR_LOCAL, "its connection was ended");
		return;
	}
	put_reset(c->tunnel, c->stream + 2);
	put_reset(c->tunnel, c->stream);
}

static void put_end(struct channel *c)
{
	uint8_t out[SPDY_HEADER_LEN];
	c->we_finished = true;
	if (tunnel_is_v4(c->tunnel))
		tunnel_finish(c->tunnel);
	else
		tunnel_put(c->tunnel, out, spdy_put_data(out, c->stream + 2, 0, true));
}

/* Bytes of all headers before a payload of `n`. */
static size_t headers_len(const struct channel *c, size_t n)
{
	size_t inner = tunnel_is_v4(c->tunnel) ? V4_INNER : SPDY_HEADER_LEN;
	return inner + (tunnel_is_websocket(c->tunnel) ? ws_header_len(inner + n) : 0);
}

/* Where a frame's payload goes on: how it is masked there. */
struct mask {
	uint32_t key;
	uint64_t offset;
	bool on;
};

static void mask_on(struct mask *m, uint8_t *p, size_t n)
{
	if (m->on)
		ws_mask(p, n, m->key, m->offset);
	m->offset += n;
}

/* Writes the headers of a frame with `n` bytes of payload; returns their length. */
static size_t put_headers(const struct channel *c, uint8_t *out, size_t n, struct mask *m)
{
	size_t inner = tunnel_is_v4(c->tunnel) ? V4_INNER : SPDY_HEADER_LEN, at = 0;
	*m = (struct mask){.on = tunnel_is_websocket(c->tunnel)};
	if (m->on) {
		m->key = random_u32();
		at = ws_put_header(out, WS_BINARY, inner + n, m->key);
	}
	if (tunnel_is_v4(c->tunnel))
		out[at] = V4_DATA;
	else
		spdy_put_data(out + at, c->stream + 2, n, false);
	mask_on(m, out + at, inner);
	return at + inner;
}

size_t channel_room(struct channel *c, uint8_t **p)
{
	struct tunnel *t = c->tunnel;
	size_t headers = headers_len(c, TUNNEL_FRAME);
	c->room_n = 0;
	if (tunnel_is_ready(t) && (!t->waiting || t->served == c))
		c->room_n = conn_room(t->conn, LEAST_ROOM, &c->room);
	if (!c->room_n) {
		tunnel_look_if_blocked(t);
		wait_for_room(c);
		return 0;
	}
	leave_waiting(c);
	*p = c->room + headers;
	return (c->room_n < TUNNEL_FRAME ? c->room_n : TUNNEL_FRAME) - headers;
}

/* The headers go in front of the payload.  Where their shortest form is shorter
 * than what was left for them, the payload is moved down. */
void channel_push(struct channel *c, size_t n)
{
	struct mask m;
	size_t left = headers_len(c, TUNNEL_FRAME), headers = headers_len(c, n);
	if (headers < left)
		memmove(c->room + headers, c->room + left, n);
	put_headers(c, c->room, n, &m);
	mask_on(&m, c->room + headers, n);
	conn_push(c->tunnel->conn, headers + n);
	tunnel_note_sent(c->tunnel);
}

/* Reads what the socket was seen to have; false: it has less. */
static bool read_promised(int fd, uint8_t *p, size_t n)
{
	while (n) {
		ssize_t got = recv(fd, p, n, 0);
		if (got == 0 || (got < 0 && errno != EINTR))
			return false;
		p += got > 0 ? got : 0;
		n -= got > 0 ? (size_t)got : 0;
	}
	return true;
}

/* What finds no room is read all the same, since the frame has promised it: it
 * leaves before anything else does. */
static bool put_rest(struct channel *c, int fd, size_t left, struct mask *m)
{
	uint8_t *rest = mem_new(left);
	bool whole = read_promised(fd, rest, left);
	mask_on(m, rest, left);
	if (whole)
		conn_put(c->tunnel->conn, rest, left);
	mem_wipe(rest, left);
	free(rest);
	return whole;
}

/* One frame over as many TLS records as it takes: large messages cost the
 * server far less than small ones. */
static ssize_t pull_large(struct channel *c, int fd, size_t total)
{
	struct conn *conn = c->tunnel->conn;
	struct mask m;
	uint8_t *p = c->room;
	size_t head = put_headers(c, p, total, &m), room = c->room_n, left = total;
	bool whole = true;
	while (whole && left && room) {
		size_t n = room - head < left ? room - head : left;
		whole = read_promised(fd, p + head, n);
		mask_on(&m, p + head, n);
		conn_push(conn, head + n);
		left -= n;
		head = 0;
		room = left ? conn_room(conn, 1, &p) : 0;
	}
	tunnel_note_sent(c->tunnel);
	if (whole && left)
		whole = put_rest(c, fd, left, &m);
	if (!whole)
		tunnel_fail(c->tunnel, ERR_LOCAL, "bytes that a client had sent are gone");
	return (ssize_t)total;
}

ssize_t channel_pull(struct channel *c, int fd, bool *drained)
{
	uint8_t *p;
	int queued = 0;
	size_t room = channel_room(c, &p);
	if (!room) {
		errno = ENOBUFS;
		return -1;
	}
	*drained = false;
	if (c->sustained && !ioctl(fd, FIONREAD, &queued) && queued > 0 && (size_t)queued > room)
		return pull_large(c, fd, queued < TUNNEL_PULL ? (size_t)queued : TUNNEL_PULL);
	ssize_t n = recv(fd, p, room, 0);
	*drained = n < (ssize_t)room;
	c->sustained = !*drained;
	if (n > 0)
		channel_push(c, (size_t)n);
	return n;
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

/* Until there is no more room: those who got none keep their places. */
void channels_serve_waiting(struct tunnel *t)
{
	while (t->waiting && !t->closed && !t->gone) {
		struct channel *c = t->waiting;
		leave_waiting(c);
		t->served = c;
		c->ops->room(c->owner);
		t->served = NULL;
		if (c->waiting)
			return;
	}
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
	for (int i = 0; i < CHANNEL_BUCKETS; i++)
		for (struct channel *c = t->bucket[i]; c; c = c->next)
			if (holds_up(c) && (!most || c->queued > most->queued))
				most = c;
	return most;
}

/* Pauses or resumes the tunnel by what its clients leave unread. */
void channels_balance(struct tunnel *t)
{
	if (!t->conn)
		return;
	tunnel_set_paused(t, fullest(t));
	if (!t->paused || t->channels < 2)
		timer_stop(&t->stall);
	else if (!timer_is_set(&t->stall))
		timer_after(&t->stall, TUNNEL_STALL_MS);
}

void channel_queued(struct channel *c, size_t bytes)
{
	Queued += bytes - c->queued;
	c->queued = bytes;
	channels_balance(c->tunnel);
}

static void end_channel(struct channel *c, enum channel_how how, const struct err *e)
{
	remove_channel(c);
	c->ops->end(c->owner, how, e);
}

void channels_on_stall(struct timer *timer)
{
	struct tunnel *t = OWNER_OF(timer, struct tunnel, stall);
	struct channel *c = fullest(t);
	struct err e = {0};
	if (!c) { /* it was too much for the process, and is not any more */
		channels_balance(t);
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
 * then CRI-O's and Docker's. */
static const struct cause {
	const char *first, *then, *words;
	enum channel_how how;
	enum err_kind kind;
} Cause[] = {
	{"connection refused", "", "connection refused", CHANNEL_REFUSED, ERR_REFUSED},
	{"network namespace for sandbox", "is closed", "the pod is gone", CHANNEL_POD_GONE,
		ERR_NOT_READY},
	{"sandbox", "is not running", "the pod is gone", CHANNEL_POD_GONE, ERR_NOT_READY},
	{"container not running", "", "the pod is gone", CHANNEL_POD_GONE, ERR_NOT_READY},
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

/* ---- data ---- */

void channels_flush(struct tunnel *t)
{
	struct channel *c = Gathered.channel;
	if (!c || c->tunnel != t)
		return;
	Gathered.channel = NULL;
	c->ops->data(c->owner, Gathered.bytes, Gathered.n);
}

static bool is_there(struct tunnel *t, const struct channel *c)
{
	return *slot_of(t, c->stream) == c;
}

/* Gives data out: straight from the record it came in, unless more records are
 * at hand, for then one write for all of them is worth the copy. */
static void give_out(struct channel *c, const uint8_t *p, size_t n)
{
	struct tunnel *t = c->tunnel;
	if (Gathered.channel && (Gathered.channel != c || Gathered.n + n > GATHER))
		channels_flush(Gathered.channel->tunnel);
	if (!is_there(t, c))
		return; /* what was flushed has ended it */
	if (!Gathered.channel && (n > GATHER / 2 || !conn_has_more(t->conn))) {
		c->ops->data(c->owner, p, n);
		return;
	}
	if (!Gathered.channel)
		Gathered.n = 0;
	Gathered.channel = c;
	memcpy(Gathered.bytes + Gathered.n, p, n);
	Gathered.n += n;
}

/* Gives out what the channel has before it ends; false: the channel is no more. */
static bool flush_first(struct channel *c)
{
	struct tunnel *t = c->tunnel;
	if (Gathered.channel == c)
		channels_flush(t);
	return is_there(t, c);
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
	if (t->fences & FENCE_REPLY && !channels_oldest_unanswered(t))
		tunnel_set_fence(t, FENCE_REPLY, false);
}

/* What its two streams' ends mean, taken together. */
static void look_at_ends(struct channel *c)
{
	bool broken = c->error_finished && buf_len(&c->error);
	if (!broken && !c->data_finished)
		return;
	if (!flush_first(c))
		return;
	if (broken)
		break_channel(c);
	else if (c->error_finished)
		finish_channel(c);
	else if (!timer_is_set(&c->verdict))
		timer_after(&c->verdict, VERDICT_MS);
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
			give_out(c, ev->data, ev->length);
		if (*slot_of(t, ev->stream) != c)
			return;
		c->data_finished |= ev->end;
	}
	if (ev->end)
		look_at_ends(c);
}

static void got_reset(struct tunnel *t, uint32_t stream)
{
	struct channel *c = *slot_of(t, stream);
	if (c && flush_first(c))
		break_channel(c);
}

void channels_got_spdy(struct tunnel *t, const struct spdy_event *ev)
{
	if (ev->type == SPDY_DATA)
		got_data(t, ev);
	else if (ev->type == SPDY_REPLY)
		got_reply(t, ev->stream);
	else if (ev->type == SPDY_RESET)
		got_reset(t, ev->stream);
}

/* ---- v4: one channel, and its number before each message ---- */

void channels_got_v4(struct tunnel *t, const struct ws_event *ev)
{
	struct channel *c = *slot_of(t, 1);
	const uint8_t *p = ev->data;
	size_t n = ev->length;
	if (ev->first) {
		t->v4_channel = *p++;
		n--;
	}
	if (!c || t->v4_channel > V4_ERROR)
		return;
	unsigned *skip = &t->v4_skip[t->v4_channel];
	size_t port = n < *skip ? n : *skip;
	*skip -= (unsigned)port;
	if (t->v4_channel == V4_DATA && n > port)
		give_out(c, p + port, n - port);
	else if (t->v4_channel == V4_ERROR)
		got_error_data(c, &(struct spdy_event){.data = p + port, .length = n - port});
	if (t->v4_channel == V4_ERROR && ev->last && buf_len(&c->error) && flush_first(c))
		break_channel(c);
}

void channels_got_v4_end(struct tunnel *t)
{
	struct channel *c = *slot_of(t, 1);
	if (c && flush_first(c))
		end_channel(c, CHANNEL_ENDED, NULL);
}

static struct channel *oldest_unanswered(const struct tunnel *t)
{
	struct channel *oldest = NULL;
	for (int i = 0; i < CHANNEL_BUCKETS; i++)
		for (struct channel *c = t->bucket[i]; c; c = c->next)
			if (!c->replied && (!oldest || c->opened_ms < oldest->opened_ms))
				oldest = c;
	return oldest;
}

int64_t channels_oldest_unanswered(const struct tunnel *t)
{
	const struct channel *oldest = oldest_unanswered(t);
	return oldest ? oldest->opened_ms : 0;
}

/* It may have reached the application all the same: it cannot be opened again elsewhere. */
void channels_give_up(struct tunnel *t, int64_t until_ms)
{
	struct err e = {0};
	err_set(&e, ERR_NETWORK, 0, "no answer to a new connection for %d s",
		TUNNEL_DEAD_MS / 1000);
	for (struct channel *c; (c = oldest_unanswered(t)) && c->opened_ms <= until_ms;) {
		reset_both(c);
		end_channel(c, CHANNEL_BROKE, &e);
	}
}

void channels_end_all(struct tunnel *t, enum channel_how how, const struct err *e)
{
	for (int i = 0; i < CHANNEL_BUCKETS; i++)
		while (t->bucket[i])
			end_channel(t->bucket[i], how, e);
}

const char *channel_pod(const struct channel *c)
{
	return c->tunnel->pod;
}

const char *channel_uid(const struct channel *c)
{
	return c->tunnel->uid;
}

static void put_open(struct channel *c, uint16_t port)
{
	struct tunnel *t = c->tunnel;
	uint8_t out[SPDY_OPEN_MAX];
	struct spdy_open open = {.stream = c->stream,
		.request = t->next_request++,
		.port = port,
		.first = c->stream == 1};
	tunnel_put(t, out, spdy_put_open(out, &open));
}

struct channel *channel_open(
	struct tunnel *t, uint16_t port, const struct channel_ops *ops, void *owner)
{
	if (!tunnel_is_usable(t))
		return NULL;
	struct channel *c = mem_new(sizeof *c);
	*c = (struct channel){.tunnel = t,
		.ops = ops,
		.owner = owner,
		.stream = t->next_stream,
		.opened_ms = loop_now(),
		.replied = tunnel_is_v4(t),
		.verdict.on = on_verdict};
	*slot_of(t, c->stream) = c;
	t->channels++;
	t->next_stream += 4;
	if (tunnel_is_v4(t) || t->next_stream + 2 > SPDY_STREAM_MAX)
		tunnel_set_fence(t, FENCE_STREAMS, true);
	if (!tunnel_is_v4(t))
		put_open(c, port);
	channels_balance(t);
	tunnel_judge_later(t);
	return c;
}
