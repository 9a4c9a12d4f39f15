/* The same input in two cuts must tell the same: the first byte picks the cut.
 * What a client writes, its mask taken off, must read as it was.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "ws.h"

struct sum {
	uint32_t events, bytes, hash, bad;
};

static struct sum read_all(const uint8_t *p, size_t n, size_t step)
{
	struct ws_reader r = {0};
	struct ws_event ev = {0};
	struct sum s = {0};
	for (size_t at = 0; ev.type != WS_BAD;) {
		size_t part = step < n - at ? step : n - at, used;
		used = ws_read(&r, p + at, part, &ev);
		assert(used <= part && (used == part || ev.type != WS_MORE));
		assert(!ev.first || ev.length);
		at += used;
		for (size_t i = 0; i < ev.length; i++)
			s.hash = s.hash * 31 + ev.data[i];
		s.bytes += (uint32_t)ev.length;
		s.events += ev.type == WS_DATA ? (uint32_t)ev.first + ev.last : 1u + ev.code;
		s.events -= ev.type == WS_MORE;
		if (ev.type == WS_MORE && at == n)
			break;
	}
	s.bad = ev.type == WS_BAD;
	return s;
}

static void write_and_read(const uint8_t *p, size_t n, uint32_t mask)
{
	struct ws_reader r = {0};
	struct ws_event ev;
	uint8_t *frame = malloc(n + WS_HEADER_MAX);
	size_t head = ws_put_header(frame, WS_BINARY, n, mask);
	memcpy(frame + head, p, n);
	ws_mask(frame + head, n / 3, mask, 0);
	ws_mask(frame + head + n / 3, n - n / 3, mask, n / 3);
	ws_mask(frame + head, n, mask, 0);
	frame[1] &= 0x7f; /* as a server would have sent it: without the mask's four bytes */
	memmove(frame + 4, frame, head - 4);
	assert(ws_read(&r, frame + 4, head - 4 + n, &ev) == head - 4 + n);
	assert(ev.type == WS_DATA && ev.length == n && ev.last);
	assert(!memcmp(ev.data, p, n));
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 1)
		return 0;
	size_t step = 1 + p[0] % 17;
	struct sum whole = read_all(p + 1, n - 1, n), cut = read_all(p + 1, n - 1, step);
	assert(!memcmp(&whole, &cut, sizeof whole));
	write_and_read(p, n, 0x9e3779b9 * (uint32_t)step);
	return 0;
}
