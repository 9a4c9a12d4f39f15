/* history.c: what is kept, counted and forgotten; and by ASan, that all is freed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"

static int free_history(void **state)
{
	history_free(*state);
	return 0;
}

static int new_history(void **state)
{
	static struct history h;
	h = (struct history){0};
	*state = &h;
	return 0;
}

static void expect(const struct history *h, size_t i, int64_t first_ms, int64_t last_ms,
	unsigned times, const char *what, const char *why)
{
	const struct history_event *e = history_at(h, i);
	assert_non_null(e);
	assert_int_equal(e->first_ms, first_ms);
	assert_int_equal(e->last_ms, last_ms);
	assert_int_equal(e->times, times);
	assert_string_equal(e->what, what);
	assert_string_equal(e->why, why);
}

static void has_nothing_at_first(void **state)
{
	struct history *h = *state;
	assert_int_equal(history_count(h), 0);
	assert_null(history_at(h, 0));
	assert_null(history_at(h, HISTORY_EVENTS - 1));
	assert_null(h->event);
}

static void has_the_newest_first(void **state)
{
	struct history *h = *state;
	assert_true(history_add(h, 100, "Active", NULL));
	assert_true(history_add(h, 200, "Reconnecting", "pod deleted"));
	assert_true(history_add(h, 300, "Active", ""));
	assert_int_equal(history_count(h), 3);
	expect(h, 0, 300, 300, 1, "Active", "");
	expect(h, 1, 200, 200, 1, "Reconnecting", "pod deleted");
	expect(h, 2, 100, 100, 1, "Active", "");
	assert_null(history_at(h, 3));
}

static void counts_what_is_repeated(void **state)
{
	struct history *h = *state;
	assert_true(history_add(h, 100, "Reconnecting", "refused"));
	assert_false(history_add(h, 200, "Reconnecting", "refused"));
	assert_false(history_add(h, 300, "Reconnecting", "refused"));
	expect(h, 0, 100, 300, 3, "Reconnecting", "refused");
	assert_true(history_add(h, 400, "Failed", "refused"));
	assert_true(history_add(h, 500, "Failed", "forbidden"));
	assert_false(history_add(h, 450, "Failed", "forbidden"));    /* the clock was set back */
	assert_true(history_add(h, 600, "Reconnecting", "refused")); /* not the newest */
	assert_int_equal(history_count(h), 4);
	expect(h, 0, 600, 600, 1, "Reconnecting", "refused");
	expect(h, 1, 500, 450, 2, "Failed", "forbidden");
	expect(h, 2, 400, 400, 1, "Failed", "refused");
	expect(h, 3, 100, 300, 3, "Reconnecting", "refused");
}

static void compares_and_keeps_the_words_themselves(void **state)
{
	struct history *h = *state;
	char what[] = "Failed", why[] = "forbidden";
	assert_true(history_add(h, 100, "Failed", why));
	assert_false(history_add(h, 200, what, "forbidden"));
	memset(why, 'x', strlen(why));
	expect(h, 0, 100, 200, 2, "Failed", "forbidden");
}

static void add_numbered(struct history *h, int from, int to)
{
	char why[16];
	for (int n = from; n < to; n++) {
		snprintf(why, sizeof why, "%d", n);
		assert_true(history_add(h, n, "event", why));
	}
}

static void forgets_the_oldest(void **state)
{
	struct history *h = *state;
	for (int n = 0; n < 3 * HISTORY_EVENTS; n++) {
		size_t count = n < HISTORY_EVENTS ? (size_t)n + 1 : HISTORY_EVENTS;
		add_numbered(h, n, n + 1);
		assert_int_equal(history_count(h), count);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(atoi(history_at(h, i)->why), n - (int)i);
		assert_null(history_at(h, count));
	}
	assert_false(history_add(h, 999, "event", "299"));
	expect(h, 0, 299, 999, 2, "event", "299");
	expect(h, HISTORY_EVENTS - 1, 200, 200, 1, "event", "200");
}

static void takes_memory_as_there_are_events(void **state)
{
	struct history *h = *state;
	add_numbered(h, 0, 1);
	assert_true(h->cap < HISTORY_EVENTS / 10);
	add_numbered(h, 1, 2 * HISTORY_EVENTS);
	assert_int_equal(h->cap, HISTORY_EVENTS);
}

static void begins_anew_when_it_was_freed(void **state)
{
	struct history *h = *state;
	for (int n = 1; n <= HISTORY_EVENTS * 2; n += HISTORY_EVENTS / 2) {
		add_numbered(h, 0, n);
		history_free(h);
		has_nothing_at_first(state);
		history_free(h); /* harmless */
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, new_history, free_history)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(has_nothing_at_first),
		TEST(has_the_newest_first),
		TEST(counts_what_is_repeated),
		TEST(compares_and_keeps_the_words_themselves),
		TEST(forgets_the_oldest),
		TEST(takes_memory_as_there_are_events),
		TEST(begins_anew_when_it_was_freed),
	};
	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
