/* A head, then its body: two cuts of one input must tell the same.  The first
 * byte picks the cut.
 */
#include <assert.h>
#include <string.h>

#include "http.h"

struct sum {
	uint32_t bytes, hash, last;
};

static void check_head(const struct http_head *head, const uint8_t *p, size_t n)
{
	const char *from = (const char *)p, *to = from + n;
	assert(head->status >= 100 && head->status <= 999 && head->length >= -1);
	for (size_t i = 0; i < head->fields; i++) {
		struct span name = head->field[i].name, value = head->field[i].value;
		assert(name.n && name.p >= from && name.p + name.n < value.p + 1);
		assert(value.p + value.n <= to);
		assert(!memchr(value.p, '\n', value.n) && !memchr(value.p, 0, value.n));
	}
	assert(!(head->chunked && head->length >= 0));
	http_has_token(head, "Connection", "Upgrade");
}

static struct sum read_body(const struct http_head *head, const uint8_t *p, size_t n, size_t step)
{
	struct http_body body;
	struct http_event ev = {0};
	struct sum s = {0};
	http_body_begin(&body, head);
	for (size_t at = 0; ev.type != HTTP_END && ev.type != HTTP_BAD;) {
		size_t part = step < n - at ? step : n - at, used;
		used = http_body_read(&body, p + at, part, &ev);
		assert(used <= part && (used == part || ev.type != HTTP_MORE));
		at += used;
		for (size_t i = 0; i < ev.length; i++)
			s.hash = s.hash * 31 + ev.data[i];
		s.bytes += (uint32_t)ev.length;
		if (ev.type == HTTP_MORE && at == n)
			break;
	}
	s.last = (uint32_t)ev.type * 2 + http_body_eof(&body);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct http_head head, part;
	if (n < 1)
		return 0;
	size_t step = 1 + *p++ % 17, cut = --n ? n * step / 18 : 0;
	ptrdiff_t used = http_read_head(&head, p, n), early = http_read_head(&part, p, cut);
	assert(used <= (ptrdiff_t)n && (early == 0 || early == used));
	if (used <= 0)
		return 0;
	check_head(&head, p, (size_t)used);
	p += used;
	n -= (size_t)used;
	struct sum whole = read_body(&head, p, n, n + 1), cuts = read_body(&head, p, n, step);
	assert(!memcmp(&whole, &cuts, sizeof whole));
	return 0;
}
