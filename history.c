/* A ring that grows to its size as it fills.  What is an event, and what is shown
 * of it, is for others. */
#include "history.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum { FIRST_CAP = 4 };

static struct history_event *place(const struct history *h, size_t n)
{
	return &h->event[n % HISTORY_EVENTS];
}

static bool repeats(const struct history_event *e, const char *what, const char *why)
{
	return !strcmp(e->what, what) && !strcmp(e->why, why);
}

static void make_room(struct history *h)
{
	if (h->kept < h->cap || h->cap == HISTORY_EVENTS)
		return;
	h->cap = h->cap ? h->cap * 2 : FIRST_CAP;
	if (h->cap > HISTORY_EVENTS)
		h->cap = HISTORY_EVENTS;
	h->event = mem_grow(h->event, h->cap * sizeof *h->event);
}

bool history_add(struct history *h, int64_t wall_ms, const char *what, const char *why)
{
	struct history_event *newest = h->kept ? place(h, h->kept - 1) : NULL;
	why = why ? why : "";
	if (newest && repeats(newest, what, why)) {
		newest->last_ms = wall_ms;
		newest->times++;
		return false;
	}
	make_room(h);
	struct history_event *e = place(h, h->kept);
	if (h->kept >= HISTORY_EVENTS)
		free(e->why);
	*e = (struct history_event){wall_ms, wall_ms, 1, what, mem_dup(why)};
	h->kept++;
	return true;
}

size_t history_count(const struct history *h)
{
	return h->kept < HISTORY_EVENTS ? h->kept : HISTORY_EVENTS;
}

const struct history_event *history_at(const struct history *h, size_t i)
{
	return i < history_count(h) ? place(h, h->kept - 1 - i) : NULL;
}

void history_free(struct history *h)
{
	for (size_t i = 0; i < history_count(h); i++)
		free(place(h, i)->why);
	free(h->event);
	*h = (struct history){0};
}
