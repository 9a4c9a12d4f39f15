/* WebSocket frames (RFC 6455), from the client's side.
 *
 * Bytes in, events out; values in, bytes out.  No sockets, no allocation, no
 * extensions, no knowledge of what messages mean.  Frames may be cut anywhere;
 * messages may be fragmented anywhere, with empty frames among them, as API
 * servers do.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WS_HEADER_MAX = 14,   /* bytes before a client's payload */
	WS_CONTROL_MAX = 125, /* payload bytes of a control frame (5.5) */
	WS_KEY_LEN = 24,      /* characters of Sec-WebSocket-Key */
	WS_ACCEPT_LEN = 28,   /* characters of Sec-WebSocket-Accept */
};

enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

enum ws_event_type {
	WS_MORE,     /* all input is used up */
	WS_DATA,     /* part of a binary message: data, length, first, last */
	WS_GOT_PING, /* data, length: to be sent back by a pong */
	WS_GOT_PONG,
	WS_GOT_CLOSE, /* code, and data, length: the reason */
	WS_BAD,       /* not RFC 6455, or a text message: `why` in words */
};

struct ws_event {
	enum ws_event_type type;
	const uint8_t *data; /* DATA: into the input; control frames: into the reader */
	size_t length;
	bool first, last; /* DATA: holds the message's first byte (so
			     length > 0), its end */
	unsigned code;    /* CLOSE: status (7.4), 1005 if there was none */
	const char *why;  /* BAD */
};

/* Reader of one connection.  Starts as {0}. */
struct ws_reader {
	uint8_t head[WS_HEADER_MAX];
	uint8_t control[WS_CONTROL_MAX]; /* payload of a control frame, until it is whole */
	unsigned have;                   /* bytes in head */
	unsigned control_have;
	uint64_t left;   /* payload bytes still to come */
	bool inside;     /* head is whole: what comes is payload */
	bool in_message; /* a message has begun and not ended */
	bool first;      /* the next payload byte is its message's first */
};

/* As spdy_read(): takes input until there is one event to tell; to be called
 * again with the rest until the event is WS_MORE.  An empty part of a message
 * is told only where it ends the message.  Masked server frames, reserved bits
 * and opcodes, fragmented or long control frames, lengths not in their
 * shortest form, and a message inside a message are WS_BAD.
 */
size_t ws_read(struct ws_reader *r, const uint8_t *p, size_t n, struct ws_event *ev);

/* Bytes that ws_put_header() writes for a payload of `length`: 6, 8 or 14. */
size_t ws_header_len(uint64_t length);

/* Writes a final frame's header, masked with `mask`'s four bytes as they lie in
 * memory; returns its length.  The payload follows, run through ws_mask(). */
size_t ws_put_header(uint8_t *out, enum ws_opcode op, uint64_t length, uint32_t mask);

/* Masks `n` bytes in place; `offset` is that of p in its frame's payload. */
void ws_mask(uint8_t *p, size_t n, uint32_t mask, uint64_t offset);

/* A whole control frame, `n` <= WS_CONTROL_MAX; returns its length, at most
 * WS_HEADER_MAX + n. */
size_t ws_put_control(
	uint8_t *out, enum ws_opcode op, const void *payload, size_t n, uint32_t mask);

/* The Sec-WebSocket-Accept that answers `key` (4.2.2), and a NUL. */
void ws_accept(char out[WS_ACCEPT_LEN + 1], const char *key);
