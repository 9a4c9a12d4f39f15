/* cells.c and the widths below it: what takes how many columns, what is shown of what must
 * not be, and where texts are cut and wrapped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "cells.h"

static struct buf Out;

static int tear_down(void **state)
{
	(void)state;
	cells_set_ascii(false);
	buf_free(&Out);
	return 0;
}

/* What cells_put() makes of it; valid until the next call. */
static const char *put(const char *text, size_t columns, size_t *taken)
{
	Out.head = Out.tail = 0;
	*taken = cells_put(&Out, text, columns);
	buf_put(&Out, "", 1);
	return (const char *)buf_data(&Out);
}

/* How a text is shown where there is room, and in ASCII. */
static const struct {
	const char *text, *shown;
	size_t columns;
	const char *ascii;
} Texts[] = {
	{"", "", 0, ""},
	{"api-gateway", "api-gateway", 11, "api-gateway"},
	{"🟢 Active", "🟢 Active", 9, "? Active"},
	{"⚪⚫🟡🔴", "⚪⚫🟡🔴", 8, "????"},
	{"東京 ｋ８ｓ", "東京 ｋ８ｓ", 11, "?? ???"},
	{"한글", "한글", 4, "??"},
	{"\u1112\u1161\u11ab", "\u1112\u1161\u11ab", 2, "?"}, /* the same, in its parts */
	{"é", "é", 1, "?"},
	{"e\u0301", "e\u0301", 1, "e"},
	{"o\u0302\u0323\u0301\u0301", "o\u0302\u0323", 1, "o"},
	{"\u0301x", "x", 1, "x"},
	{"\u0301\u0301", "", 0, ""},
	{"❤\ufe0f", "❤", 1, "?"},
	{"👩\u200d🚀", "👩🚀", 4, "??"},
	{"a\u200bb\ufeffc", "abc", 3, "abc"},
	{"a\u00adb", "a\u00adb", 3, "a?b"},
	{"─…", "─…", 2, "??"},
	{"\x1b[31mred\x1b[0m", "�[31mred�[0m", 12, "?[31mred?[0m"},
	{"\x1b]0;title\x07", "�]0;title�", 10, "?]0;title?"},
	{"a\tb\r\nc\x7f", "a�b��c�", 7, "a?b??c?"},
	{"\xc2\x9bJ", "�J", 2, "?J"},
	{"\u202eevil\u202c\u2066x", "�evil��x", 8, "?evil??x"},
	{"\xff\xc3[\xe2\x82", "��[��", 5, "??[??"},
	{"\xed\xa0\x80", "���", 3, "???"},
};

static void shows_what_is_harmless_and_its_columns(void **state)
{
	size_t taken;
	(void)state;
	for (size_t i = 0; i < sizeof Texts / sizeof *Texts; i++) {
		assert_string_equal(put(Texts[i].text, 100, &taken), Texts[i].shown);
		assert_int_equal(taken, Texts[i].columns);
		assert_int_equal(cells_width(Texts[i].text), Texts[i].columns);
		assert_int_equal(cells_width(Texts[i].shown), Texts[i].columns);
	}
}

static void shows_ascii_where_there_is_no_more(void **state)
{
	size_t taken;
	(void)state;
	cells_set_ascii(true);
	assert_true(cells_ascii());
	for (size_t i = 0; i < sizeof Texts / sizeof *Texts; i++) {
		assert_string_equal(put(Texts[i].text, 100, &taken), Texts[i].ascii);
		assert_int_equal(taken, strlen(Texts[i].ascii));
		assert_int_equal(cells_width(Texts[i].text), taken);
	}
}

static const struct {
	const char *text;
	size_t columns;
	const char *cut, *ascii;
} Cuts[] = {
	{"abcdef", 6, "abcdef", "abcdef"},
	{"abcdef", 5, "abcd…", "ab..."},
	{"abcdef", 3, "ab…", "..."},
	{"abcdef", 2, "a…", ".."},
	{"abcdef", 1, "…", "."},
	{"abcdef", 0, "", ""},
	{"", 0, "", ""},
	{"東京都", 6, "東京都", "???"},
	{"東京都", 5, "東京…", "???"},
	{"東京都", 4, "東…", "???"},
	{"e\u0301e\u0301e\u0301", 2, "e\u0301…", ".."},
	{"ab\u0301", 2, "ab\u0301", "ab"},
	{"ab\u200b", 2, "ab", "ab"},
};

static void cuts_with_an_ellipsis(void **state)
{
	size_t taken;
	(void)state;
	for (size_t i = 0; i < sizeof Cuts / sizeof *Cuts; i++) {
		cells_set_ascii(false);
		assert_string_equal(put(Cuts[i].text, Cuts[i].columns, &taken), Cuts[i].cut);
		assert_int_equal(taken, cells_width(Cuts[i].cut));
		cells_set_ascii(true);
		assert_string_equal(put(Cuts[i].text, Cuts[i].columns, &taken), Cuts[i].ascii);
	}
}

static void fits_whole_characters_with_their_marks(void **state)
{
	(void)state;
	assert_int_equal(cells_fit("abc", 2), 2);
	assert_int_equal(cells_fit("abc", 3), 3);
	assert_int_equal(cells_fit("a東b", 2), 1);
	assert_int_equal(cells_fit("a東b", 3), 4);
	assert_int_equal(cells_fit("ae\u0301b", 2), 4);
	assert_int_equal(cells_fit("\u0301", 0), 2);
}

/* Lines with '|' between them. */
static const char *wrapped(const char *text, size_t columns)
{
	Out.head = Out.tail = 0;
	for (size_t n; (n = cells_wrap(text, columns)); text += n)
		buf_print(&Out, "%s%.*s", buf_len(&Out) ? "|" : "", (int)n, text);
	buf_put(&Out, "", 1);
	return (const char *)buf_data(&Out);
}

static void wraps_at_blanks_if_there_are(void **state)
{
	(void)state;
	assert_string_equal(wrapped("", 5), "");
	assert_string_equal(wrapped("pods not found", 20), "pods not found");
	assert_string_equal(wrapped("pods not found", 14), "pods not found");
	assert_string_equal(wrapped("pods not found", 13), "pods not |found");
	assert_string_equal(wrapped("pods not found", 8), "pods not |found");
	assert_string_equal(wrapped("pods not found", 7), "pods |not |found");
	assert_string_equal(wrapped("pods   not", 4), "pods   |not");
	assert_string_equal(wrapped("abcdefgh ij", 3), "abc|def|gh |ij");
	assert_string_equal(wrapped("東京都", 5), "東京|都");
	assert_string_equal(wrapped("東京", 1), "東|京");
	assert_string_equal(wrapped("a b", 0), "a| |b");
}

/* Ten thousand marks on one character are read once, and shown as two. */
static void bounds_what_one_cell_has(void **state)
{
	char text[20002] = "x";
	size_t taken;
	(void)state;
	for (size_t i = 1; i + 1 < sizeof text; i += 2)
		memcpy(text + i, "\u0301", 3);
	assert_string_equal(put(text, 1, &taken), "x\u0301\u0301");
	assert_int_equal(cells_fit(text, 1), strlen(text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(shows_what_is_harmless_and_its_columns, tear_down),
		cmocka_unit_test_teardown(shows_ascii_where_there_is_no_more, tear_down),
		cmocka_unit_test_teardown(cuts_with_an_ellipsis, tear_down),
		cmocka_unit_test_teardown(fits_whole_characters_with_their_marks, tear_down),
		cmocka_unit_test_teardown(wraps_at_blanks_if_there_are, tear_down),
		cmocka_unit_test_teardown(bounds_what_one_cell_has, tear_down),
	};
	return cmocka_run_group_tests_name("cells", tests, NULL, NULL);
}
