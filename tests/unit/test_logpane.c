/* logpane.c: lines of the log as a page; how it is moved through is test_board.c's. */
#include "test_screen.h"

#include <time.h>

#include "log.h"
#include "logpane.h"

static struct screen S;
static struct page P;

static int end(void **state)
{
	(void)state;
	page_free(&P);
	screen_free(&S);
	return 0;
}

static const char *draw(unsigned columns, unsigned rows)
{
	logpane_page(&P, columns);
	screen_begin(&S, columns, rows);
	page_draw(&P, &S, rows);
	return frame_text(&S);
}

static const char *now(void)
{
	static char text[16];
	time_t at = time(NULL);
	struct tm tm;
	localtime_r(&at, &tm);
	strftime(text, sizeof text, "%H:%M:%S", &tm);
	return text;
}

/* It may be another second by then. */
static bool is_time(const char *text, const char *before)
{
	return !strncmp(text, before, 8) || !strncmp(text, now(), 8);
}

static void shows_the_time_here_and_the_level(void **state)
{
	static const char *const Names[] = {" DEBUG ", " INFO  ", " WARN  ", " ERROR "};
	static const char *const Styles[] = {"0;2", "0;32", "0;33", "0;1;31"};
	char before[16];
	(void)state;
	S.color = true;
	log_level(LOG_DEBUG);
	strcpy(before, now());
	for (enum log_level l = LOG_DEBUG; l <= LOG_ERROR; l++)
		log_line(l, "one: of them", LOG_FIELDS(LOG_STR("key", "a b")));
	log_level(LOG_INFO);
	const char *line = draw(80, 4);
	for (size_t i = 0; i < 4; i++, line = strchr(line, '\n') + 1) {
		assert_true(is_time(line, before));
		assert_memory_equal(line + 8, Names[i], strlen(Names[i]));
		assert_memory_equal(line + 15, "one: of them key=\"a b\"\n", 23);
		assert_string_equal(Frame.sgr[i][0], Styles[i]);
		assert_string_equal(Frame.sgr[i][20], i ? "0" : "0;2");
	}
}

static void is_text_where_the_log_is_json(void **state)
{
	(void)state;
	log_format(LOG_JSON);
	log_line(LOG_INFO, "m", LOG_FIELDS(LOG_NUM("n", 1)));
	log_format(LOG_TEXT);
	assert_memory_equal(draw(80, 1) + 8, " INFO  m n=1\n", 13);
}

static void wraps_long_lines(void **state)
{
	static char words[LOG_LINE_MAX];
	(void)state;
	memset(words, 'w', sizeof words - 1);
	log_line(LOG_INFO, words, NULL);
	draw(40, 200);
	assert_non_null(strstr(Frame.text, " INFO  wwwwwwwwwwwwwwwwwwwwwwwww\n"
					   "               wwwwwwwwwwwwwwwwwwwwwwwww\n"));
}

static void is_empty_where_nothing_was_logged(void **state)
{
	(void)state;
	assert_string_equal(draw(80, 5), "");
}

int main(void)
{
#define LOGPANE_TEST(f) cmocka_unit_test_teardown(f, end)
	const struct CMUnitTest tests[] = {
		LOGPANE_TEST(is_empty_where_nothing_was_logged), /* first: it is kept */
		LOGPANE_TEST(shows_the_time_here_and_the_level),
		LOGPANE_TEST(is_text_where_the_log_is_json),
		LOGPANE_TEST(wraps_long_lines),
	};
	log_open("/dev/null");
	return cmocka_run_group_tests_name("logpane", tests, NULL, NULL);
}
