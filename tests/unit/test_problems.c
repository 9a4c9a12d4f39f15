/* problems.c: order, places, remedies, and that what is told is safe to show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "problems.h"

static void expect(struct problems *p, const char *text)
{
	struct buf out = {0};
	assert_int_equal(problems_tell(p, &out), !*text);
	char *told = mem_dup_n(buf_data(&out), buf_len(&out));
	assert_string_equal(told, text);
	assert_null(p->all);
	assert_int_equal(p->count, 0);
	free(told);
	buf_free(&out);
}

static void tells_nothing_where_all_is_well(void **state)
{
	struct problems p = {0};
	(void)state;
	expect(&p, "");
}

static void tells_them_in_the_order_of_lines(void **state)
{
	struct problems p = {0};
	(void)state;
	problems_add(&p, (struct place){"x.ini", 9}, "%s", "nine");
	problems_add(&p, (struct place){"x.ini", 2}, "two");
	problems_remedy(&p, "try %d", 3);
	problems_remedy(&p, "or four");
	problems_add(&p, (struct place){"x.ini", 9}, "nine again");
	problems_remedy(&p, "%s", "");
	problems_add(&p, (struct place){"environment", 0}, "all of it");
	problems_add(&p, (struct place){NULL, 0}, "anywhere");
	expect(&p, "all of it (environment)\nanywhere\ntwo (x.ini:2)\n  try 3\n  or four\n"
		   "nine (x.ini:9)\nnine again (x.ini:9)\n");
	problems_add(&p, (struct place){NULL, 0}, "afresh");
	expect(&p, "afresh\n");
}

static void tells_clean_text(void **state)
{
	struct problems p = {0};
	(void)state;
	problems_add(&p, (struct place){"a\nb", 1}, "c\x1b[2J");
	problems_remedy(&p, "d\n\xff");
	expect(&p, "c?[2J (a?b:1)\n  d??\n");
}

static void tells_fifty(void **state)
{
	struct problems p = {0};
	struct buf want = {0};
	(void)state;
	for (unsigned i = PROBLEMS_SHOWN + 7; i > 0; i--) {
		problems_add(&p, (struct place){"f", i}, "x");
		problems_remedy(&p, "y");
	}
	for (unsigned i = 1; i <= PROBLEMS_SHOWN; i++)
		buf_print(&want, "x (f:%u)\n  y\n", i);
	buf_print(&want, "  and 7 more\n");
	buf_put(&want, "", 1);
	expect(&p, (const char *)buf_data(&want));
	buf_free(&want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_nothing_where_all_is_well),
		cmocka_unit_test(tells_them_in_the_order_of_lines),
		cmocka_unit_test(tells_clean_text),
		cmocka_unit_test(tells_fifty),
	};
	return cmocka_run_group_tests_name("problems", tests, NULL, NULL);
}
