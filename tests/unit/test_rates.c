/* rates.c: bytes a second, by totals and a clock that the test has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rates.h"

static struct rates R;
static int A, B; /* two that are told of */

static int end(void **state)
{
	(void)state;
	rates_free(&R);
	return 0;
}

static void expect(size_t i, const void *what, uint64_t in, uint64_t out, int64_t ms,
	uint64_t rate_in, uint64_t rate_out)
{
	struct rate rate = rates_take(&R, i, what, in, out, ms);
	assert_int_equal(rate.in, rate_in);
	assert_int_equal(rate.out, rate_out);
}

static void is_taken_over_a_second_or_more(void **state)
{
	(void)state;
	expect(0, &A, 5000, 70, 100000, 0, 0);
	expect(0, &A, 6000, 80, 100999, 0, 0); /* too early */
	expect(0, &A, 8000, 90, 101000, 3000, 20);
	expect(0, &A, 9000, 90, 101050, 3000, 20); /* it stands until the next */
	expect(0, &A, 9000, 90, 103000, 500, 0);
	expect(0, &A, 9000, 90, 104000, 0, 0);
}

static void begins_anew_for_another_one(void **state)
{
	(void)state;
	expect(0, &A, 0, 0, 100000, 0, 0);
	expect(0, &A, 1000, 0, 101000, 1000, 0);
	expect(0, &B, 9000, 0, 102000, 0, 0);
	expect(0, &B, 9500, 0, 103000, 500, 0);
	expect(0, &B, 100, 0, 104000, 0, 0); /* or one that lies where the other was */
	expect(0, &B, 200, 0, 105000, 100, 0);
}

static void tells_nothing_of_long_ago(void **state)
{
	(void)state;
	expect(0, &A, 0, 0, 100000, 0, 0);
	expect(0, &A, 50000, 0, 100000 + RATES_MAX_MS, 10000, 0);
	expect(0, &A, 1000000, 0, 100001 + 2 * RATES_MAX_MS, 0, 0);
}

static void knows_each_by_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < 1000; i++)
		expect(i, &A, 0, 0, 100000, 0, 0);
	for (size_t i = 0; i < 1000; i++)
		expect(i, &A, i, 2 * i, 101000, i, 2 * i);
	expect(5000, &A, 0, 0, 101000, 0, 0);
}

int main(void)
{
#define RATES_TEST(f) cmocka_unit_test_setup_teardown(f, NULL, end)
	const struct CMUnitTest tests[] = {
		RATES_TEST(is_taken_over_a_second_or_more),
		RATES_TEST(begins_anew_for_another_one),
		RATES_TEST(tells_nothing_of_long_ago),
		RATES_TEST(knows_each_by_its_place),
	};
	return cmocka_run_group_tests_name("rates", tests, NULL, NULL);
}
