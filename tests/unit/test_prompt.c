/* prompt.c: keys in, the text and its cursor out. */
#include "test_screen.h"

#include "keypress.h"
#include "prompt.h"

static struct screen S;
static struct prompt P;

static int begin(void **state)
{
	(void)state;
	P = (struct prompt){0};
	return 0;
}

static int end(void **state)
{
	(void)state;
	screen_free(&S);
	return 0;
}

static void type(const char *text)
{
	for (; *text; text++)
		assert_true(prompt_key(&P, (unsigned char)*text));
}

/* The text with the cursor in it, as '|'. */
static const char *now(void)
{
	static char text[PROMPT_TEXT + 2];
	snprintf(text, sizeof text, "%.*s|%s", (int)P.at, P.text, P.text + P.at);
	return text;
}

static void edits_by_keys(void **state)
{
	static const struct {
		uint32_t key;
		const char *now;
	} Steps[] = {
		{KEY_LEFT, "svc/web 8080:8|0"},
		{KEY_BACKSPACE, "svc/web 8080:|0"},
		{KEY_DELETE, "svc/web 8080:|"},
		{KEY_DELETE, "svc/web 8080:|"},
		{0xe9, "svc/web 8080:\u00e9|"},
		{KEY_LEFT, "svc/web 8080:|\u00e9"},
		{KEY_RIGHT, "svc/web 8080:\u00e9|"},
		{KEY_RIGHT, "svc/web 8080:\u00e9|"},
		{KEY_BACKSPACE, "svc/web 8080:|"},
		{' ', "svc/web 8080: |"},
		{KEY_CTRL('W'), "svc/web |"},
		{KEY_HOME, "|svc/web "},
		{KEY_LEFT, "|svc/web "},
		{KEY_BACKSPACE, "|svc/web "},
		{0x1f600, "\U0001f600|svc/web "},
		{KEY_CTRL('A'), "|\U0001f600svc/web "},
		{KEY_DELETE, "|svc/web "},
		{KEY_END, "svc/web |"},
		{KEY_LEFT, "svc/web| "},
		{KEY_CTRL('K'), "svc/web|"},
		{KEY_CTRL('A'), "|svc/web"},
		{KEY_CTRL('E'), "svc/web|"},
		{KEY_LEFT, "svc/we|b"},
		{KEY_CTRL('U'), "|b"},
		{KEY_CTRL('W'), "|b"},
	};
	(void)state;
	type("svc/web 8080:80");
	for (size_t i = 0; i < sizeof Steps / sizeof *Steps; i++) {
		assert_true(prompt_key(&P, Steps[i].key));
		assert_string_equal(now(), Steps[i].now);
	}
}

static void leaves_other_keys_to_others(void **state)
{
	static const uint32_t Others[] = {
		KEY_UP, KEY_PAGE_DOWN, KEY_ENTER, KEY_ESC, KEY_TAB, KEY_CTRL('C'), 0x202e, 0x85};
	(void)state;
	type("x");
	for (size_t i = 0; i < sizeof Others / sizeof *Others; i++)
		assert_false(prompt_key(&P, Others[i]));
	assert_string_equal(now(), "x|");
}

static void takes_no_more_than_it_has_room_for(void **state)
{
	(void)state;
	for (int i = 0; i < PROMPT_TEXT + 10; i++)
		assert_true(prompt_key(&P, 'x'));
	assert_int_equal(strlen(P.text), PROMPT_TEXT - 1);
	prompt_key(&P, KEY_BACKSPACE);
	prompt_key(&P, 0x1f600); /* four bytes */
	assert_int_equal(strlen(P.text), PROMPT_TEXT - 2);
	prompt_key(&P, 'y');
	assert_int_equal(P.text[PROMPT_TEXT - 2], 'y');
}

static const char *draw(unsigned columns)
{
	screen_begin(&S, columns, 2);
	prompt_draw(&P, &S, "/");
	return frame_text(&S);
}

static void shows_the_cursor_in_any_case(void **state)
{
	(void)state;
	type("0123456789");
	assert_string_equal(draw(20), "/0123456789\n");
	assert_true(Frame.cursor);
	assert_int_equal(Frame.column, 11);
	assert_string_equal(draw(8), "/456789\n");
	assert_int_equal(Frame.column, 7);
	for (int i = 0; i < 4; i++)
		prompt_key(&P, KEY_LEFT);
	assert_string_equal(draw(8), "/0123456\n");
	assert_int_equal(Frame.column, 7);
	prompt_key(&P, KEY_HOME);
	assert_string_equal(draw(8), "/0123456\n");
	assert_int_equal(Frame.column, 1);
	draw(1);
}

static void cuts_no_character(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		prompt_key(&P, 0x6771); /* two columns */
	assert_string_equal(draw(8), "/\u6771\u6771\u6771\n");
	assert_int_equal(Frame.column, 7);
	assert_string_equal(draw(7), "/\u6771\u6771\n");
	assert_int_equal(Frame.column, 5);
	assert_string_equal(draw(2), "/\n");
	assert_int_equal(Frame.column, 1);
}

int main(void)
{
#define PROMPT_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		PROMPT_TEST(edits_by_keys),
		PROMPT_TEST(leaves_other_keys_to_others),
		PROMPT_TEST(takes_no_more_than_it_has_room_for),
		PROMPT_TEST(shows_the_cursor_in_any_case),
		PROMPT_TEST(cuts_no_character),
	};
	return cmocka_run_group_tests_name("prompt", tests, NULL, NULL);
}
