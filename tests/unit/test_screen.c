/* screen.c: what is sent for a frame, byte by byte.  That any change leads to the same as the
 * whole frame does is the fuzzer's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "screen.h"

#define BEGIN "\x1b[?2026h"
#define END   "\x1b[?2026l"

static struct screen S;
static struct buf Out;

static int set_up(void **state)
{
	(void)state;
	S = (struct screen){.color = true};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	screen_free(&S);
	buf_free(&Out);
	cells_set_ascii(false);
	return 0;
}

/* The bytes of the frame, terminated; valid until the next call. */
static const char *changes(void)
{
	Out.head = Out.tail = 0;
	screen_changes(&S, &Out);
	buf_put(&Out, "", 1);
	return (const char *)buf_data(&Out);
}

static void begin(void)
{
	screen_begin(&S, 40, 5);
}

/* A frame of one line, behind one that made the terminal known. */
static const char *line_after(const char *before, const char *text)
{
	begin();
	screen_put(&S, STYLE_PLAIN, before);
	changes();
	begin();
	screen_put(&S, STYLE_PLAIN, text);
	return changes();
}

static void sends_the_first_frame_whole(void **state)
{
	(void)state;
	begin();
	screen_put(&S, STYLE_STRONG, "title");
	screen_line(&S);
	screen_line(&S);
	screen_put(&S, STYLE_PLAIN, "text");
	assert_string_equal(changes(), BEGIN "\x1b[1;1H\x1b[0m\x1b[K\x1b[1;1H\x1b[0;1mtitle"
					     "\x1b[2;1H\x1b[0m\x1b[K"
					     "\x1b[3;1H\x1b[K\x1b[3;1Htext"
					     "\x1b[4;1H\x1b[K\x1b[5;1H\x1b[K\x1b[?25l" END);
}

static void sends_nothing_for_the_same_frame(void **state)
{
	(void)state;
	assert_string_equal(line_after("🟢 Active", "🟢 Active"), "");
	begin();
	screen_put(&S, STYLE_PLAIN, "x");
	screen_cursor(&S);
	changes();
	begin();
	screen_put(&S, STYLE_PLAIN, "x");
	screen_cursor(&S);
	assert_string_equal(changes(), "");
}

static const struct {
	const char *before, *after, *sent;
} Lines[] = {
	{"checked 2s ago", "checked 3s ago", "\x1b[1;9H3"},
	{"checked 9s ago", "checked 10s ago", "\x1b[1;9H10s ago"},
	{"", "new", "\x1b[1;1Hnew"},
	{"abc", "", "\x1b[1;1H   "},
	{"abcd", "", "\x1b[1;1H\x1b[K"},
	{"retry in 3s (attempt 2)", "pod gone", "\x1b[1;1Hpod gone\x1b[1;9H\x1b[K"},
	{"a 12345 b", "c 12345 d", "\x1b[1;1Hc 12345 d"},
	{"a 123456789 b", "c 123456789 d", "\x1b[1;1Hc\x1b[1;13Hd"},
	{"🟢 Active", "🟡 Active", "\x1b[1;1H🟡"},
	{"🟢 Active", "🟡 active", "\x1b[1;1H🟡\x1b[1;3H a"},
	{"🟢x", "abx", "\x1b[1;1Hab"},
	{"abx", "🟢x", "\x1b[1;1H🟢"},
	{"-🟢x", "🟢-x", "\x1b[1;1H🟢\x1b[1;3H-"},
	{"🟢🟢🟢", "-🟢🟢", "\x1b[1;1H-🟢🟢\x1b[1;6H "},
	{"e\u0301 ", "e\u0302", "\x1b[1;1He\u0302"},
	{"é1", "é2", "\x1b[1;2H2"},
	{"───", "──┼", "\x1b[1;3H┼"},
};

static void sends_only_cells_that_change(void **state)
{
	char want[200];
	(void)state;
	for (size_t i = 0; i < sizeof Lines / sizeof *Lines; i++) {
		snprintf(want, sizeof want, BEGIN "%s" END, Lines[i].sent);
		assert_string_equal(line_after(Lines[i].before, Lines[i].after), want);
	}
}

static const char *styled(unsigned style, bool color)
{
	S.color = color;
	line_after("", "");
	begin();
	screen_put(&S, style, "x");
	return changes();
}

static void names_styles(void **state)
{
	static const struct {
		unsigned style;
		const char *color, *none;
	} Styles[] = {
		{STYLE_STRONG, "0;1", "0;1"},
		{STYLE_FAINT, "0;2", "0;2"},
		{STYLE_GOOD, "0;32", "0"},
		{STYLE_WARN, "0;33", "0"},
		{STYLE_BAD, "0;1;31", "0;1"},
		{STYLE_SELECTED, "0;7", "0;7"},
		{STYLE_BAD | STYLE_SELECTED, "0;1;31;7", "0;1;7"},
	};
	char want[100];
	(void)state;
	assert_string_equal(styled(STYLE_PLAIN, true), BEGIN "\x1b[1;1Hx" END);
	for (size_t i = 0; i < 2 * sizeof Styles / sizeof *Styles; i++) {
		snprintf(want, sizeof want, BEGIN "\x1b[1;1H\x1b[%smx\x1b[0m" END,
			i % 2 ? Styles[i / 2].none : Styles[i / 2].color);
		assert_string_equal(styled(Styles[i / 2].style, i % 2 == 0), want);
	}
}

static void sends_styles_that_change(void **state)
{
	(void)state;
	line_after("", "");
	begin();
	screen_put(&S, STYLE_GOOD, "ab");
	screen_put(&S, STYLE_BAD, "c");
	assert_string_equal(changes(), BEGIN "\x1b[1;1H\x1b[0;32mab\x1b[0;1;31mc\x1b[0m" END);
	begin();
	screen_put(&S, STYLE_GOOD, "abc");
	assert_string_equal(changes(), BEGIN "\x1b[1;3H\x1b[0;32mc\x1b[0m" END);
	begin();
	screen_put(&S, STYLE_SELECTED, "abc");
	screen_pad(&S, STYLE_SELECTED, S.columns);
	changes();
	begin();
	screen_put(&S, STYLE_PLAIN, "abc");
	assert_string_equal(changes(), BEGIN "\x1b[1;1Habc\x1b[1;4H\x1b[K" END);
}

static void shows_the_cursor_where_it_is_wanted(void **state)
{
	(void)state;
	line_after("", "");
	begin();
	screen_go(&S, 4);
	screen_put(&S, STYLE_PLAIN, "/a");
	screen_cursor(&S);
	assert_string_equal(changes(), BEGIN "\x1b[5;1H/a\x1b[5;3H\x1b[?25h" END);
	begin();
	screen_put(&S, STYLE_PLAIN, "x");
	screen_go(&S, 4);
	screen_put(&S, STYLE_PLAIN, "/a");
	screen_cursor(&S);
	assert_string_equal(changes(), BEGIN "\x1b[1;1Hx\x1b[5;3H\x1b[?25h" END);
	begin();
	screen_put(&S, STYLE_PLAIN, "x");
	screen_go(&S, 4);
	screen_put(&S, STYLE_PLAIN, "/a");
	assert_string_equal(changes(), BEGIN "\x1b[?25l" END);
	begin();
	screen_pad(&S, STYLE_PLAIN, 99);
	screen_cursor(&S);
	screen_go(&S, 9);
	screen_cursor(&S);
	assert_non_null(strstr(changes(), "\x1b[1;40H\x1b[?25h"));
}

static void sends_all_where_nothing_is_known(void **state)
{
	(void)state;
	line_after("x", "x");
	screen_forget(&S);
	begin();
	screen_put(&S, STYLE_PLAIN, "x");
	assert_non_null(strstr(changes(), "\x1b[1;1H\x1b[0m\x1b[K\x1b[1;1Hx\x1b[2;1H\x1b[K"));
	screen_begin(&S, 41, 5);
	screen_put(&S, STYLE_PLAIN, "x");
	assert_non_null(strstr(changes(), "\x1b[1;1H\x1b[0m\x1b[K\x1b[1;1Hx\x1b[2;1H\x1b[K"));
	screen_begin(&S, 41, 4);
	assert_non_null(strstr(changes(), "\x1b[4;1H\x1b[K"));
}

/* ---- lines ---- */

/* Of the frame that has been put together, without styles and blanks behind. */
static const char *row(unsigned wanted)
{
	static char text[SCREEN_COLUMNS_MAX * 4 + 1];
	char head[32];
	screen_forget(&S);
	snprintf(head, sizeof head, "\x1b[%u;1H", wanted + 1);
	const char *p = strstr(strstr(changes(), head) + 1, "\x1b[K") + strlen("\x1b[K");
	size_t n = 0;
	snprintf(head, sizeof head, "\x1b[%u;1H", wanted + 2);
	const char *end = strstr(p, head);
	for (end = end ? end : strstr(p, "\x1b[?25"); p < end;) {
		if (*p == '\x1b')
			p += strcspn(p, "Hm") + 1;
		else
			text[n++] = *p++;
	}
	text[n] = '\0';
	return text;
}

static void clips_at_the_ends_of_lines(void **state)
{
	(void)state;
	screen_begin(&S, 5, 2);
	screen_put(&S, STYLE_PLAIN, "abc");
	screen_put(&S, STYLE_PLAIN, "defgh");
	screen_put(&S, STYLE_PLAIN, "i");
	assert_int_equal(S.column, 5);
	screen_line(&S);
	screen_put(&S, STYLE_PLAIN, "東京都x");
	screen_line(&S);
	screen_put(&S, STYLE_PLAIN, "below");
	screen_pad(&S, STYLE_PLAIN, 5);
	screen_line(&S);
	screen_rule(&S, STYLE_PLAIN, 5);
	assert_string_equal(row(0), "abcde");
	assert_string_equal(row(1), "東京");
}

static void puts_fields_rules_and_numbers(void **state)
{
	(void)state;
	begin();
	screen_field(&S, STYLE_PLAIN, "production", 6);
	screen_put(&S, STYLE_PLAIN, "|");
	screen_field(&S, STYLE_PLAIN, "東京", 6);
	screen_print(&S, STYLE_PLAIN, "|%d of %s", 3, "60");
	screen_pad(&S, STYLE_PLAIN, 25);
	screen_pad(&S, STYLE_PLAIN, 3);
	screen_put(&S, STYLE_PLAIN, "|");
	screen_field(&S, STYLE_PLAIN, "at the very end", 50);
	screen_put(&S, STYLE_PLAIN, "|");
	screen_line(&S);
	screen_rule(&S, STYLE_PLAIN, 3);
	screen_rule(&S, STYLE_PLAIN, 2);
	assert_string_equal(row(0), "produ…|東京  |3 of 60    |at the very en");
	assert_string_equal(row(1), "───");
	cells_set_ascii(true);
	begin();
	screen_field(&S, STYLE_PLAIN, "production", 6);
	screen_rule(&S, STYLE_PLAIN, 9);
	assert_string_equal(row(0), "pro...---");
}

static void begins_a_line_anew(void **state)
{
	(void)state;
	begin();
	screen_go(&S, 3);
	screen_put(&S, STYLE_PLAIN, "🟢 old text");
	screen_go(&S, 3);
	screen_put(&S, STYLE_PLAIN, "x");
	assert_string_equal(row(3), "x");
	screen_go(&S, 0);
	screen_put(&S, STYLE_PLAIN, "first");
	assert_string_equal(row(0), "first");
	assert_string_equal(row(3), "x");
}

static void bounds_its_size(void **state)
{
	(void)state;
	screen_begin(&S, 100000, 100000);
	assert_int_equal(S.columns, SCREEN_COLUMNS_MAX);
	assert_int_equal(S.rows, SCREEN_ROWS_MAX);
	screen_go(&S, SCREEN_ROWS_MAX - 1);
	screen_pad(&S, STYLE_SELECTED, SCREEN_COLUMNS_MAX);
	assert_non_null(strstr(changes(), "\x1b[200;1H\x1b[K\x1b[200;1H\x1b[0;7m "));
	screen_begin(&S, 1, 1);
	screen_put(&S, STYLE_PLAIN, "東");
	screen_put(&S, STYLE_PLAIN, "x");
	assert_non_null(strstr(changes(), "\x1b[1;1H\x1b[0m\x1b[K\x1b[?25l"));
}

static void has_one_cell_at_least(void **state)
{
	(void)state;
	screen_begin(&S, 0, 0);
	assert_int_equal(S.columns, 1);
	assert_int_equal(S.rows, 1);
	screen_put(&S, STYLE_PLAIN, "xy");
	screen_cursor(&S);
	assert_non_null(strstr(changes(), "\x1b[1;1Hx"));
}

/* Nothing in a text gets out as anything but what is seen. */
static void lets_no_text_command_the_terminal(void **state)
{
	static const char Evil[] = "a\x1b[2J\x1b]0;t\a\x9b"
				   "1m\xc2\x9b"
				   "2J\r\n\x0e\xe2\x80\xae"
				   "b\xff";
	(void)state;
	begin();
	screen_put(&S, STYLE_PLAIN, Evil);
	assert_string_equal(row(0), "a�[2J�]0;t��1m�2J����b�");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sends_the_first_frame_whole),
		TEST(sends_nothing_for_the_same_frame),
		TEST(sends_only_cells_that_change),
		TEST(names_styles),
		TEST(sends_styles_that_change),
		TEST(shows_the_cursor_where_it_is_wanted),
		TEST(sends_all_where_nothing_is_known),
		TEST(clips_at_the_ends_of_lines),
		TEST(puts_fields_rules_and_numbers),
		TEST(begins_a_line_anew),
		TEST(bounds_its_size),
		TEST(has_one_cell_at_least),
		TEST(lets_no_text_command_the_terminal),
	};
	return cmocka_run_group_tests_name("screen", tests, NULL, NULL);
}
