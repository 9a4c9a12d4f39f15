/* The last events of one forward: when, what and why, for those who show it.
 *
 * One that repeats the newest is counted there, so that an outage does not push
 * out what led to it.  Knows no states, and takes no memory before there is an
 * event.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HISTORY_EVENTS = 100 };

/* Times are loop_wall()'s, which may be set back: the last may be before the first. */
struct history_event {
	int64_t first_ms, last_ms; /* of those that were counted together */
	unsigned times;
	const char *what;
	char *why; /* never NULL */
};

/* Starts as {0}. */
struct history {
	struct history_event *event; /* the n-th that was kept is at n % HISTORY_EVENTS */
	size_t kept, cap;
};

/* Adds one, in the place of the oldest if there are HISTORY_EVENTS.  `what` must
 * stay, `why` is copied; NULL is as "".  Returns false if both are those of the
 * newest, which is counted on. */
bool history_add(struct history *h, int64_t wall_ms, const char *what, const char *why);

size_t history_count(const struct history *h);

/* The i-th, 0 the newest; NULL behind the last.  Good until the next
 * history_add(). */
const struct history_event *history_at(const struct history *h, size_t i);

/* Forgets all: {0} again. */
void history_free(struct history *h);
