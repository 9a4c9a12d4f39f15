/* buf.c alone: a queue gives back the bytes it was given, however it grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "buf.h"

static void gives_bytes_back_in_order(void **state)
{
	struct buf b = {0};
	uint8_t in = 0, out = 0;
	(void)state;
	for (size_t round = 0; round < 3000; round++) {
		size_t n = round * 7 % 301;
		uint8_t *p = buf_room(&b, n);
		for (size_t i = 0; i < n; i++)
			p[i] = in++;
		buf_push(&b, n);
		size_t eat = round * 5 % 211;
		eat = eat < buf_len(&b) ? eat : buf_len(&b);
		for (size_t i = 0; i < eat; i++)
			assert_int_equal(buf_data(&b)[i], out++);
		buf_eat(&b, eat);
	}
	while (buf_len(&b)) {
		assert_int_equal(*buf_data(&b), out++);
		buf_eat(&b, 1);
	}
	assert_int_equal(in, out);
	buf_free(&b);
}

static void does_not_grow_while_it_is_eaten_as_fast_as_filled(void **state)
{
	struct buf b = {0};
	(void)state;
	buf_put(&b, "0123456789", 10);
	size_t cap = b.cap;
	for (size_t i = 0; i < 10000; i++) {
		buf_put(&b, "0123456789", 10);
		buf_eat(&b, 10);
	}
	assert_int_equal(b.cap, cap);
	assert_int_equal(buf_len(&b), 10);
	assert_memory_equal(buf_data(&b), "0123456789", 10);
	buf_free(&b);
}

static void gives_memory_back_when_empty_after_growing_large(void **state)
{
	struct buf b = {0};
	(void)state;
	buf_push(&b, (buf_room(&b, 100), 100));
	buf_eat(&b, 100);
	assert_non_null(b.p);
	buf_room(&b, 70000)[69999] = 1;
	buf_push(&b, 70000);
	buf_eat(&b, 69999);
	assert_int_equal(*buf_data(&b), 1);
	buf_eat(&b, 1);
	assert_null(b.p);
	assert_int_equal(b.cap, 0);
}

static void prints_behind_what_is_there(void **state)
{
	struct buf b = {0};
	(void)state;
	buf_print(&b, "%s", "");
	assert_int_equal(buf_len(&b), 0);
	buf_print(&b, "GET %s", "/");
	buf_print(&b, "%0500d", 7);
	assert_int_equal(buf_len(&b), 505);
	assert_memory_equal(buf_data(&b), "GET /0000", 9);
	assert_int_equal(buf_data(&b)[504], '7');
	buf_free_wiped(&b);
	assert_null(b.p);
}

static void is_readable_when_it_never_held_a_byte(void **state)
{
	struct buf b = {0};
	(void)state;
	assert_non_null(buf_data(&b));
	buf_put(&b, NULL, 0);
	buf_eat(&b, 0);
	assert_int_equal(buf_len(&b), 0);
	buf_free(&b);
	buf_free_wiped(&b);
}

static void compares_spans_by_bytes_and_by_word(void **state)
{
	(void)state;
	struct span s = {"Upgrade!", 7};
	assert_true(span_is(s, "Upgrade"));
	assert_false(span_is(s, "upgrade"));
	assert_false(span_is(s, "Upgrad"));
	assert_false(span_is(s, "Upgrade!"));
	assert_true(span_is_word(s, "uPGRADE"));
	assert_false(span_is_word(s, "upgrad"));
	assert_false(span_is_word(s, "upgrade!"));
	assert_false(span_is_word((struct span){"[", 1}, "{"));
	assert_true(span_is((struct span){NULL, 0}, ""));
	assert_true(span_is_word((struct span){NULL, 0}, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_bytes_back_in_order),
		cmocka_unit_test(does_not_grow_while_it_is_eaten_as_fast_as_filled),
		cmocka_unit_test(gives_memory_back_when_empty_after_growing_large),
		cmocka_unit_test(prints_behind_what_is_there),
		cmocka_unit_test(is_readable_when_it_never_held_a_byte),
		cmocka_unit_test(compares_spans_by_bytes_and_by_word),
	};
	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
