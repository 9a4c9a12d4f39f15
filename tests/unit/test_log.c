/* log.c with what it stands on: lines as they lie in a file, and those kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

static char dir[64], path[80], moved[80], text[65536];

/* The whole file, in `text`. */
static const char *read_file(const char *name)
{
	int fd = open(name, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
	return text;
}

/* Behind the time stamp: fixed length, and in UTC. */
static const char *said(const char *line)
{
	static const char Form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
	for (size_t i = 0; i < sizeof Form - 1; i++)
		if (Form[i] == 'd')
			assert_in_range(line[i], '0', '9');
		else
			assert_int_equal(line[i], Form[i]);
	return line + sizeof Form - 1;
}

static const char *newest(void)
{
	enum log_level level;
	return said(log_recent(0, &level));
}

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/porter-test-log-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/log", dir);
	snprintf(moved, sizeof moved, "%s/log.1", dir);
	return log_open(path) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	log_verbose(false);
	log_open("");
	unlink(path);
	unlink(moved);
	return rmdir(dir);
}

static void writes_a_line_for_the_user_alone(void **state)
{
	struct stat st;
	(void)state;
	log_line(LOG_INFO, "tunnel opened",
		LOG_FIELDS(LOG_STR("forward", "prod/api"), LOG_NUM("port", -8080)));
	log_line(LOG_ERROR, "no fields", NULL);
	const char *line = said(read_file(path));
	static const char First[] = "INFO: tunnel opened forward=prod/api port=-8080\n";
	assert_memory_equal(line, First, sizeof First - 1);
	assert_string_equal(said(line + sizeof First - 1), "ERROR: no fields\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void quotes_values_with_blanks_quotes_or_nothing(void **state)
{
	(void)state;
	log_line(LOG_WARN, "m",
		LOG_FIELDS(LOG_STR("a", ""), LOG_STR("b", "two words"), LOG_STR("c", "\"x\\"),
			LOG_STR("d", "k=v\\")));
	assert_string_equal(newest(), "WARN: m a=\"\" b=\"two words\" c=\"\\\"x\\\\\" d=k=v\\");
}

static void lets_no_server_forge_a_line(void **state)
{
	(void)state;
	log_line(LOG_WARN, "bad\nINFO: x",
		LOG_FIELDS(
			LOG_STR("v", "a\r\n2026-01-01\x1b[2J\xc2\x9b\xff"), LOG_STR("k\n", "1")));
	assert_string_equal(newest(), "WARN: bad?INFO: x v=a??2026-01-01?[2J?? k?=1");
	const char *end = strchr(read_file(path), '\n');
	assert_non_null(end);
	assert_string_equal(end, "\n");
}

static void cuts_a_long_line_at_the_end_of_a_character(void **state)
{
	static char words[3000];
	(void)state;
	for (size_t lead = 0; lead < 3; lead++) {
		memset(words, 'x', lead);
		for (size_t i = lead; i + 3 < sizeof words; i += 3)
			memcpy(words + i, "\xe2\x82\xac", 4);
		log_line(LOG_INFO, "m", LOG_FIELDS(LOG_STR("v", words), LOG_STR("w", "y")));
		size_t before = strlen("INFO: m v="), n = strlen(newest()) - before;
		assert_memory_equal(newest() + before, words, n);
		assert_int_equal((n - lead) % 3, 0);
		assert_in_range(strlen(newest()) + 25, LOG_LINE_MAX - 3, LOG_LINE_MAX - 1);
	}
}

static void keeps_the_last_lines_newest_first(void **state)
{
	enum log_level level;
	(void)state;
	for (int i = 0; i < 2 * LOG_LINES + 7; i++)
		log_line(i % 2 ? LOG_WARN : LOG_INFO, "m", LOG_FIELDS(LOG_NUM("i", i)));
	for (int i = 0; i < LOG_LINES; i++) {
		char want[32];
		int number = 2 * LOG_LINES + 6 - i;
		snprintf(want, sizeof want, "%s: m i=%d", number % 2 ? "WARN" : "INFO", number);
		assert_string_equal(said(log_recent((size_t)i, &level)), want);
		assert_int_equal(level, number % 2 ? LOG_WARN : LOG_INFO);
	}
	assert_null(log_recent(LOG_LINES, &level));
}

static void tells_details_only_when_verbose(void **state)
{
	(void)state;
	assert_false(log_is_verbose());
	log_line(LOG_INFO, "before", NULL);
	log_line(LOG_DEBUG, "hidden", NULL);
	assert_string_equal(newest(), "INFO: before");
	log_verbose(true);
	log_line(LOG_DEBUG, "shown", NULL);
	assert_string_equal(newest(), "DEBUG: shown");
	assert_null(strstr(read_file(path), "hidden"));
	assert_non_null(strstr(text, "DEBUG: shown\n"));
}

static void begins_the_file_anew_after_it_was_moved(void **state)
{
	(void)state;
	log_line(LOG_INFO, "one", NULL);
	assert_int_equal(rename(path, moved), 0);
	log_line(LOG_INFO, "two", NULL);
	assert_true(log_reopen());
	log_line(LOG_INFO, "three", NULL);
	assert_string_equal(said(read_file(path)), "INFO: three\n");
	assert_non_null(strstr(read_file(moved), "two"));
}

static void keeps_its_file_when_another_cannot_be_opened(void **state)
{
	(void)state;
	errno = 0;
	assert_false(log_open("/nonexistent/log"));
	assert_int_equal(errno, ENOENT);
	log_line(LOG_INFO, "still here", NULL);
	assert_string_equal(said(read_file(path)), "INFO: still here\n");
}

static void counts_lines_that_could_not_be_written(void **state)
{
	(void)state;
	assert_true(log_open("/dev/full"));
	log_line(LOG_INFO, "lost", NULL);
	log_line(LOG_INFO, "lost", NULL);
	assert_true(log_open(path));
	log_line(LOG_INFO, "found", LOG_FIELDS(LOG_STR("a", "b")));
	assert_string_equal(said(read_file(path)), "INFO: found dropped=2 a=b\n");
	log_line(LOG_INFO, "more", NULL);
	assert_string_equal(newest(), "INFO: more");
}

/* A file size limit lets ten bytes of a line through, as a full disk may. */
static void begins_a_new_line_after_a_torn_one(void **state)
{
	struct rlimit old, limit;
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = 10;
	setrlimit(RLIMIT_FSIZE, &limit);
	log_line(LOG_INFO, "torn", NULL);
	setrlimit(RLIMIT_FSIZE, &old);
	log_line(LOG_INFO, "whole", NULL);
	read_file(path);
	assert_int_equal(strcspn(text, "\n"), 10);
	assert_string_equal(said(text + 11), "INFO: whole dropped=1\n");
}

int main(void)
{
#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		LOG_TEST(writes_a_line_for_the_user_alone),
		LOG_TEST(quotes_values_with_blanks_quotes_or_nothing),
		LOG_TEST(lets_no_server_forge_a_line),
		LOG_TEST(cuts_a_long_line_at_the_end_of_a_character),
		LOG_TEST(keeps_the_last_lines_newest_first),
		LOG_TEST(tells_details_only_when_verbose),
		LOG_TEST(begins_the_file_anew_after_it_was_moved),
		LOG_TEST(keeps_its_file_when_another_cannot_be_opened),
		LOG_TEST(counts_lines_that_could_not_be_written),
		LOG_TEST(begins_a_new_line_after_a_torn_one),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
