/* For each, the totals at the moment that its next rate is taken from. */
#include "rates.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

struct rates_one {
	const void *what;
	uint64_t in, out; /* at at_ms */
	int64_t at_ms;
	struct rate rate;
};

static struct rates_one *place(struct rates *r, size_t i)
{
	if (i >= r->cap) {
		size_t cap = i + 1 + r->cap;
		r->one = mem_grow(r->one, cap * sizeof *r->one);
		memset(r->one + r->cap, 0, (cap - r->cap) * sizeof *r->one);
		r->cap = cap;
	}
	return &r->one[i];
}

struct rate rates_take(
	struct rates *r, size_t i, const void *what, uint64_t in, uint64_t out, int64_t now_ms)
{
	struct rates_one *one = place(r, i);
	uint64_t ms = (uint64_t)(now_ms - one->at_ms);
	if (one->what != what || in < one->in || out < one->out || ms > RATES_MAX_MS) {
		*one = (struct rates_one){what, in, out, now_ms, {0, 0}};
	} else if (ms >= RATES_MS) {
		struct rate rate = {(in - one->in) * 1000 / ms, (out - one->out) * 1000 / ms};
		*one = (struct rates_one){what, in, out, now_ms, rate};
	}
	return one->rate;
}

void rates_free(struct rates *r)
{
	free(r->one);
	*r = (struct rates){0};
}
