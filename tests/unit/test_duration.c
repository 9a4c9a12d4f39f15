/* duration.c: a table of texts, good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "duration.h"

static void reads_them_as_go_writes_them(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} Cases[] = {
		{"0", 0},
		{"0s", 0},
		{"10s", 10000},
		{"1m30s", 90000},
		{"500ms", 500},
		{"1.5h", 5400000},
		{"1h1m1s1ms", 3661001},
		{".5s", 500},
		{"1.s", 1000},
		{"0.0019s", 1},
		{"1999us", 1},
		{"1999\u00b5s", 1},
		{"1999\u03bcs", 1},
		{"3000000ns", 3},
		{"1.123456789012345678901234567890s", 1123},
		{"2000000h", 7200000000000},
		{"", -1},
		{"10", -1},
		{"s", -1},
		{".s", -1},
		{".", -1},
		{"-1s", -1},
		{"+1s", -1},
		{"1x", -1},
		{"1sx", -1},
		{"1m30", -1},
		{"1 s", -1},
		{" 1s", -1},
		{"1..5s", -1},
		{"1e3s", -1},
		{"1S", -1},
		{"10000000h", -1},
		{"2000000h2000000h", -1},
		{"99999999999999999999999999999999s", -1},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++)
		assert_int_equal(duration_ms(Cases[i].text), Cases[i].ms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_them_as_go_writes_them),
	};
	return cmocka_run_group_tests_name("duration", tests, NULL, NULL);
}
