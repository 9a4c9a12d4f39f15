/* A growable queue of bytes, and spans of somebody else's bytes.
 *
 * Knows nothing of sockets.  Bounds are the user's business: see buf_len().
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes owned elsewhere; not terminated. */
struct span {
	const char *p;
	size_t n;
};

bool span_is(struct span s, const char *text);      /* the same bytes */
bool span_is_word(struct span s, const char *text); /* the same but for ASCII case */

/* Starts as {0}.  Bytes are p[head..tail). */
struct buf {
	uint8_t *p;
	size_t head, tail, cap;
};

size_t buf_len(const struct buf *b);
uint8_t *buf_data(const struct buf *b); /* never NULL; dies at change */

/* Room for `n` bytes behind the last one; the caller fills it, then pushes
 * what it filled.  Memory that the queue outgrows is zeroed. */
uint8_t *buf_room(struct buf *b, size_t n);
void buf_push(struct buf *b, size_t n);

void buf_put(struct buf *b, const void *p, size_t n);
void buf_print(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first `n` bytes; an empty queue that grew over 64 KiB gives its
 * memory back. */
void buf_eat(struct buf *b, size_t n);
void buf_free(struct buf *b);       /* back to {0} */
void buf_free_wiped(struct buf *b); /* the same; its memory is zeroed first */
