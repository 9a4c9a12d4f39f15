/* timestamp.c: a table of texts, good and bad.  Go's time.Parse says the same of them, but
 * that it takes an hour of 24 and a minute of 60 in an offset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "timestamp.h"

static void reads_moments(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} Cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"1969-12-31T23:59:59Z", -1000},
		{"1969-12-31T23:59:59.25Z", -750},
		{"2001-09-09T01:46:40Z", 1000000000000},
		{"2038-01-19T03:14:08Z", 2147483648000},
		{"2024-02-29T12:00:00Z", 1709208000000},
		{"2000-02-29T00:00:00Z", 951782400000},
		{"2000-03-01T00:00:00Z", 951868800000},
		{"2100-03-01T00:00:00Z", 4107542400000},
		{"2026-12-31T23:59:59Z", 1798761599000},
		{"0001-01-01T00:00:00Z", -62135596800000},
		{"0000-01-01T00:00:00Z", -62167219200000},
		{"9999-12-31T23:59:59.999Z", 253402300799999},
		/* fractions */
		{"1970-01-01T00:00:00.5Z", 500},
		{"1970-01-01T00:00:00,5Z", 500},
		{"1970-01-01T00:00:00.0010Z", 1},
		{"1970-01-01T00:00:00.1239999999999999999999999Z", 123},
		/* offsets */
		{"1970-01-01T02:00:00+02:00", 0},
		{"1969-12-31T18:30:00-05:30", 0},
		{"1970-01-01T00:00:00-00:00", 0},
		{"1970-01-01T23:59:00.007+23:59", 7},
		{"2024-02-29T23:30:00-01:00", 1709253000000},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		int64_t ms;
		assert_true(timestamp_parse(Cases[i].text, &ms));
		assert_int_equal(ms, Cases[i].ms);
	}
}

static void reads_nothing_else(void **state)
{
	static const char *const Bad[] = {"", "Z", "1700000000", "2026-01-01", "2026-01-01T00:00Z",
		"2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01t00:00:00Z",
		"2026-01-01T00:00:00z", " 2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z ",
		"2026-1-01T00:00:00Z", "2026-001-01T00:00:00Z", "226-01-01T00:00:00Z",
		"10000-01-01T00:00:00Z", "-026-01-01T00:00:00Z", "+026-01-01T00:00:00Z",
		"2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z",
		"2026-01-32T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
		"2024-02-30T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z", "2026-01-01T23:59:60Z", "2026-01-01T00:00:00.Z",
		"2026-01-01T00:00:00.-1Z", "2026-01-01T00:00:00.5", "2026-01-01T00:00:00+02",
		"2026-01-01T00:00:00+0200", "2026-01-01T00:00:00+24:00",
		"2026-01-01T00:00:00+02:60", "2026-01-01T00:00:00Z+02:00",
		"2026-01-01T00:00:00 02:00", "2026-01-01T00:00:00+02:00Z"};
	(void)state;
	for (size_t i = 0; i < sizeof Bad / sizeof *Bad; i++) {
		int64_t ms;
		if (timestamp_parse(Bad[i], &ms))
			fail_msg("it took '%s'", Bad[i]);
	}
}

/* Each day of 800 years is the day behind the one before. */
static void counts_every_day(void **state)
{
	static const int Days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int64_t ms, expected = 0;
	char text[32];
	(void)state;
	for (int year = 1970; year < 2770; year++)
		for (int month = 1; month <= 12; month++) {
			bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
			int days = Days[month - 1] + (month == 2 && leap);
			for (int day = 1; day <= days + 1; day++) {
				snprintf(text, sizeof text, "%04d-%02d-%02dT00:00:00Z", year, month,
					day);
				assert_int_equal(timestamp_parse(text, &ms), day <= days);
				if (day <= days)
					assert_int_equal(ms, expected);
				expected += day <= days ? 86400000 : 0;
			}
		}
}

static void writes_moments(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} Cases[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{-1, "1969-12-31T23:59:59.999Z"},
		{-1000, "1969-12-31T23:59:59.000Z"},
		{1798761599005, "2026-12-31T23:59:59.005Z"},
		{1709208000500, "2024-02-29T12:00:00.500Z"},
		{253402300799999, "9999-12-31T23:59:59.999Z"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		char text[TIMESTAMP_TEXT];
		int64_t ms;
		timestamp_print(text, Cases[i].ms);
		assert_string_equal(text, Cases[i].text);
		assert_true(timestamp_parse(text, &ms));
		assert_int_equal(ms, Cases[i].ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_moments),
		cmocka_unit_test(reads_nothing_else),
		cmocka_unit_test(counts_every_day),
		cmocka_unit_test(writes_moments),
	};
	return cmocka_run_group_tests_name("timestamp", tests, NULL, NULL);
}
