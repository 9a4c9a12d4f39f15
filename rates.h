/* How fast bytes move through each forward, from totals that only grow: over the last
 * second or so.  Knows no clock but the one that it is given, and nothing of how rates
 * are shown.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RATES_MS = 1000,     /* the least time that one is taken over */
	RATES_MAX_MS = 5000, /* the most: totals from before are no news */
};

/* Bytes a second. */
struct rate {
	uint64_t in, out;
};

/* Starts as {0}. */
struct rates {
	struct rates_one *one;
	size_t cap;
};

/* Tells the totals of the i-th, called `what`, as they are at `now_ms`: what was called
 * otherwise before begins anew.  Returns its rate. */
struct rate rates_take(
	struct rates *r, size_t i, const void *what, uint64_t in, uint64_t out, int64_t now_ms);

void rates_free(struct rates *r); /* back to {0} */
