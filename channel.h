/* The inside of a tunnel: for tunnel.c, which has the stream and its life, and
 * channel.c, which has what is on it.  Everybody else includes tunnel.h.
 */
#pragma once
#include "buf.h"
#include "loop.h"
#include "spdy.h"
#include "tunnel.h"
#include "ws.h"

enum { CHANNEL_BUCKETS = 64 };

/* Why a tunnel takes no new channels: a set of these. */
enum fence {
	FENCE_PING = 1,     /* a ping was not answered in time */
	FENCE_REPLY = 2,    /* nor was a new stream */
	FENCE_GOAWAY = 4,   /* the server's wish */
	FENCE_OWNER = 8,    /* the owner's wish */
	FENCE_STREAMS = 16, /* stream ids are used up; v4: its one channel is */
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
	size_t room_n;
	bool replied, error_finished, data_finished, we_finished;
	bool sustained;       /* its source had more than one frame takes */
	struct timer verdict; /* set while data has ended and the error stream has not */
};

struct tunnel {
	void (*on)(void *owner, struct tunnel *t, enum tunnel_event);
	void *owner;
	struct cluster *cluster;
	char *pod, *uid;
	struct upgrade *upgrade; /* until it is ready */
	struct conn *conn;
	enum transport transport; /* AUTO: not known before it is ready */
	struct err err;
	struct ws_reader ws;
	struct spdy_reader spdy;
	unsigned v4_channel; /* that the present message is for */
	unsigned v4_skip[2]; /* bytes still to come that name the port */
	struct channel *bucket[CHANNEL_BUCKETS];
	unsigned channels;
	uint32_t next_stream, next_request;
	struct channel *waiting, **last_waiting;
	struct channel *served; /* the one whose turn it is to take room */
	unsigned fences;        /* set of enum fence */
	uint32_t ping_id;
	int64_t ping_ms; /* when the ping under way was sent; 0: none is */
	int64_t round_trip_ms, answered_ms;
	int64_t sent_ms;     /* when data was first sent since we last heard; 0: none was */
	int64_t blocked_ms;  /* since when the server has not taken what we send; 0: it does */
	int64_t resumed_ms;  /* when we last began to read again, or it did */
	struct timer judge;  /* of pings and replies */
	struct timer stall;  /* of a shared tunnel that is paused */
	struct task changed; /* the owner is to be told */
	bool paused, gone, closed;
};

/* ---- tunnel.c, for channel.c ---- */

bool tunnel_is_websocket(const struct tunnel *t); /* else bare SPDY */
bool tunnel_is_v4(const struct tunnel *t);        /* else SPDY, in WebSocket or not */

/* Sends whole SPDY frames, or a v4 message: as soon as it can be. */
void tunnel_put(struct tunnel *t, const uint8_t *p, size_t n);

/* The owner is told soon that something has changed. */
void tunnel_tell_changed(struct tunnel *t);
void tunnel_set_fence(struct tunnel *t, enum fence why, bool on);

/* Stops or starts to read what the server sends. */
void tunnel_set_paused(struct tunnel *t, bool paused);

/* There is something new to wait for: it is judged after TUNNEL_FENCE_MS. */
void tunnel_judge_later(struct tunnel *t);
void tunnel_note_sent(struct tunnel *t); /* data that should bring something back */
void tunnel_look_if_blocked(struct tunnel *t);

/* Ends a v4 tunnel in good order: there is no more to send. */
void tunnel_finish(struct tunnel *t);

/* It cannot go on: GONE follows, from the loop. */
void tunnel_fail(struct tunnel *t, enum err_kind kind, const char *why);

/* ---- channel.c, for tunnel.c ---- */

void channels_got_spdy(struct tunnel *t, const struct spdy_event *ev); /* DATA, REPLY, RESET */
void channels_got_v4(struct tunnel *t, const struct ws_event *ev);     /* a part of a message */
void channels_got_v4_end(struct tunnel *t); /* the server has closed in good order */

/* Gives out what was gathered: to be called when all input at hand is read. */
void channels_flush(struct tunnel *t);
void channels_serve_waiting(struct tunnel *t); /* there is room */
void channels_balance(struct tunnel *t);       /* by what clients leave unread */
void channels_on_stall(struct timer *timer);   /* they have for too long */
void channels_end_all(struct tunnel *t, enum channel_how how, const struct err *e);

/* When the oldest stream without a reply was opened; 0: all have one. */
int64_t channels_oldest_unanswered(const struct tunnel *t);

/* Ends those without a reply that were opened at `until_ms` or before. */
void channels_give_up(struct tunnel *t, int64_t until_ms);
