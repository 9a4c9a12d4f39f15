/* The byte queue and spans of buf.h.  Sets no bounds: whoever fills a queue
 * looks at buf_len() first.
 */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { CAP_MIN = 256, CAP_KEPT = 65536 };

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool span_is(struct span s, const char *text)
{
	return s.n == strlen(text) && (!s.n || !memcmp(s.p, text, s.n));
}

bool span_is_word(struct span s, const char *text)
{
	size_t i = 0;
	while (i < s.n && text[i] && lower(s.p[i]) == lower(text[i]))
		i++;
	return i == s.n && !text[i];
}

size_t buf_len(const struct buf *b)
{
	return b->tail - b->head;
}

uint8_t *buf_data(const struct buf *b)
{
	static uint8_t nothing;
	return b->p ? b->p + b->head : &nothing;
}

/* Not by realloc(): the old memory may hold a secret, so it is wiped. */
static void move_to(struct buf *b, size_t cap)
{
	size_t len = buf_len(b);
	struct buf grown = {.p = mem_grow(NULL, cap), .tail = len, .cap = cap};
	memcpy(grown.p, buf_data(b), len);
	buf_free_wiped(b);
	*b = grown;
}

uint8_t *buf_room(struct buf *b, size_t n)
{
	size_t len = buf_len(b);
	if (b->p && b->cap - b->tail >= n)
		return b->p + b->tail;
	/* Bytes move down only if no more of them are left than were eaten:
	 * so moving costs no more than eating did. */
	if (b->p && b->cap - len >= n && b->head >= len) {
		memmove(b->p, b->p + b->head, len);
		b->head = 0;
		b->tail = len;
		return b->p + len;
	}
	size_t cap = b->cap ? b->cap : CAP_MIN, want = n < SIZE_MAX - len ? len + n : SIZE_MAX;
	while (cap < want)
		cap = cap < SIZE_MAX / 2 ? 2 * cap : SIZE_MAX;
	move_to(b, cap);
	return b->p + b->tail;
}

void buf_push(struct buf *b, size_t n)
{
	b->tail += n;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
	if (!n)
		return;
	memcpy(buf_room(b, n), p, n);
	buf_push(b, n);
}

void buf_print(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	char *room = (char *)buf_room(b, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(room, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf_push(b, (size_t)n);
}

void buf_eat(struct buf *b, size_t n)
{
	b->head += n;
	if (b->head < b->tail)
		return;
	b->head = b->tail = 0;
	if (b->cap > CAP_KEPT)
		buf_free(b);
}

void buf_free(struct buf *b)
{
	free(b->p);
	*b = (struct buf){0};
}

void buf_free_wiped(struct buf *b)
{
	if (b->p)
		mem_wipe(b->p, b->cap);
	buf_free(b);
}
