/* text.c alone: what is UTF-8, what may be shown, and where text may be cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>

#include "text.h"

static const struct {
	const char *bytes;
	size_t n; /* of the character, 0 if it is none */
	uint32_t c;
} Chars[] = {
	{"A", 1, 'A'},
	{"\x7f", 1, 0x7f},
	{"\xc2\x80", 2, 0x80},
	{"\xdf\xbf", 2, 0x7ff},
	{"\xe0\xa0\x80", 3, 0x800},
	{"\xed\x9f\xbf", 3, 0xd7ff},
	{"\xee\x80\x80", 3, 0xe000},
	{"\xf0\x90\x80\x80", 4, 0x10000},
	{"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
	{"\x80", 0, 0},             /* a continuation alone */
	{"\xc1\xbf", 0, 0},         /* overlong */
	{"\xe0\x9f\xbf", 0, 0},     /* overlong */
	{"\xf0\x8f\xbf\xbf", 0, 0}, /* overlong */
	{"\xed\xa0\x80", 0, 0},     /* a surrogate */
	{"\xf4\x90\x80\x80", 0, 0}, /* above U+10FFFF */
	{"\xf8\x88\x80\x80", 0, 0}, /* five bytes */
	{"\xff", 0, 0},
};

static void reads_utf8_and_nothing_else(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof Chars / sizeof *Chars; i++) {
		uint32_t c = 0;
		assert_int_equal(text_char(Chars[i].bytes, strlen(Chars[i].bytes), &c), Chars[i].n);
		assert_int_equal(c, Chars[i].c);
	}
}

static void writes_what_it_reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof Chars / sizeof *Chars; i++) {
		char bytes[5] = "";
		if (!Chars[i].n)
			continue;
		assert_int_equal(text_put_char(bytes, Chars[i].c), Chars[i].n);
		assert_string_equal(bytes, Chars[i].bytes);
	}
}

static void reads_no_byte_beyond_a_cut_character(void **state)
{
	(void)state;
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(page + 4096, 4096, PROT_NONE);
	for (size_t i = 0; i < sizeof Chars / sizeof *Chars; i++)
		for (size_t n = 0; n < Chars[i].n; n++) {
			uint32_t c;
			char *end = page + 4096;
			assert_int_equal(text_char(memcpy(end - n, Chars[i].bytes, n), n, &c), 0);
			memcpy(end - n - 1, Chars[i].bytes, n);
			end[-1] = '\0';
			assert_int_equal(text_char(end - n - 1, 4, &c) > 0, n == 0);
		}
	munmap(page, 8192);
}

static void replaces_what_must_not_be_shown(void **state)
{
	static const char *const Pairs[][2] = {
		{"plain text, \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", NULL},
		{"\x1b[31mred\r\n\t", "?[31mred???"},
		{"\x7f\xc2\x80\xc2\x9f\xc2\xa0", "???\xc2\xa0"},
		{"g\xff\xfeh\xc3", "g??h?"},
		{"\xe2\x82g", "??g"},
		{"\xe2\x80\xaegnp.exe", "?gnp.exe"},                        /* U+202E */
		{"\xe2\x80\xaa\xe2\x80\xa8\xe2\x80\xa7", "??\xe2\x80\xa7"}, /* 202A, 2028, 2027 */
		{"\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa", "??\xe2\x81\xaa"}, /* 2066, 2069, 206A */
		{"\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\x8d", "??\xe2\x80\x8d"}, /* 200E, 200F, 200D */
		{"\xd8\x9c", "?"},                                          /* U+061C */
		{"", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Pairs / sizeof *Pairs; i++) {
		char text[64];
		const char *want = Pairs[i][1] ? Pairs[i][1] : Pairs[i][0];
		strcpy(text, Pairs[i][0]);
		assert_int_equal(text_clean(text), strlen(want));
		assert_string_equal(text, want);
	}
}

static void cuts_only_between_characters(void **state)
{
	static const char Text[] = "a\xc3\xa9\xf0\x9f\x98\x80";
	static const size_t Fit[] = {0, 1, 1, 3, 3, 3, 3, 7, 7};
	(void)state;
	for (size_t max = 0; max < sizeof Fit / sizeof *Fit; max++)
		assert_int_equal(text_fit(Text, sizeof Text - 1, max), Fit[max]);
	assert_int_equal(
		text_fit("\x80\x80\x80\x80\x80\x80", 6, 5), 2); /* no text: any cut will do */
}

static void finds_the_last_line_that_says_something(void **state)
{
	static const char *const Cases[][2] = {
		{"", ""},
		{" \n\t\r\n", ""},
		{"one", "one"},
		{"one\ntwo\n", "two"},
		{"one\n \ttwo three \t\n \n\n", "two three"},
		{"10 %\r100 %\r\n", "100 %"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		const char *text = Cases[i][0];
		assert_true(span_is(text_last_line(text, strlen(text)), Cases[i][1]));
	}
	assert_true(span_is(text_last_line("one\0two\0", 8), "two"));
	assert_true(span_is(text_last_line("one\ntwo", 4), "one"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_utf8_and_nothing_else),
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(reads_no_byte_beyond_a_cut_character),
		cmocka_unit_test(replaces_what_must_not_be_shown),
		cmocka_unit_test(cuts_only_between_characters),
		cmocka_unit_test(finds_the_last_line_that_says_something),
	};
	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
