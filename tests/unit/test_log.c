/* log.c with what it stands on: lines as they lie in a file, and those kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "text.h"

enum { ALARM_S = 60 }; /* far more than all of it takes */

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
	log_level(LOG_INFO);
	log_format(LOG_TEXT);
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

static time_t clock_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

/* In this second and in the next. */
static void tells_the_time_of_each_line(void **state)
{
	enum log_level level;
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct tm tm = {0};
		time_t before = clock_now();
		log_line(LOG_INFO, "m", NULL);
		assert_non_null(strptime(log_recent(0, &level), "%Y-%m-%dT%H:%M:%S.", &tm));
		assert_in_range(timegm(&tm), before, clock_now());
		while (clock_now() == before)
			usleep(10000);
	}
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

/* ---- JSON ---- */

/* Behind the time, which has a form of its own. */
static const char *json_behind_time(const char *line)
{
	static const char First[] = "{\"time\":\"dddd-dd-ddTdd:dd:dd.dddZ\",";
	assert_memory_equal(line, First, 9);
	for (size_t i = 9; i < sizeof First - 1; i++)
		if (First[i] == 'd')
			assert_in_range(line[i], '0', '9');
		else
			assert_int_equal(line[i], First[i]);
	return line + sizeof First - 1;
}

static void writes_json(void **state)
{
	(void)state;
	log_format(LOG_JSON);
	log_line(LOG_WARN, "two words",
		LOG_FIELDS(LOG_STR("pod", "web-1"), LOG_NUM("port", -8080), LOG_STR("none", "")));
	assert_string_equal(json_behind_time(read_file(path)),
		"\"level\":\"warn\",\"msg\":\"two "
		"words\",\"pod\":\"web-1\",\"port\":-8080,\"none\":\"\"}"
		"\n");
	assert_string_equal(newest(), "WARN: two words pod=web-1 port=-8080 none=\"\"");
}

static void names_levels_as_programs_do(void **state)
{
	static const char *const Name[] = {"debug", "info", "warn", "error"};
	(void)state;
	log_format(LOG_JSON);
	log_level(LOG_DEBUG);
	for (int i = LOG_DEBUG; i <= LOG_ERROR; i++)
		log_line((enum log_level)i, "m", NULL);
	const char *line = read_file(path);
	for (int i = LOG_DEBUG; i <= LOG_ERROR; i++, line = strchr(line, '\n') + 1) {
		char want[64];
		int n = snprintf(want, sizeof want, "\"level\":\"%s\",\"msg\":\"m\"}\n", Name[i]);
		assert_memory_equal(json_behind_time(line), want, (size_t)n);
	}
}

static void escapes_what_json_must_and_terminals_obey(void **state)
{
	(void)state;
	log_format(LOG_JSON);
	log_line(LOG_INFO, "a\"b\\c\n\x1b[2J",
		LOG_FIELDS(LOG_STR("v", "\xe2\x82\xac\xc2\x9b\xe2\x80\xae"),
			LOG_STR("bad\t", "\xff\xc0\xaf\xe2\x82")));
	assert_string_equal(json_behind_time(read_file(path)),
		"\"level\":\"info\",\"msg\":\"a\\\"b\\\\c\\u000a\\u001b[2J\","
		"\"v\":\"\xe2\x82\xac\\u009b\\u202e\","
		"\"bad\\u0009\":\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"}\n");
}

/* Skips one string; NULL if there is none. */
static const char *skip_string(const char *p)
{
	uint32_t c;
	if (*p++ != '"')
		return NULL;
	while (*p != '"') {
		size_t n = *p != '\\' ? text_char(p, 4, &c) : p[1] == 'u' ? 6 : 2;
		if (n == 6 && strspn(p + 2, "0123456789abcdef") < 4)
			return NULL;
		if (n == 2 && p[1] != '"' && p[1] != '\\')
			return NULL;
		if (!n || (uint8_t)*p < ' ')
			return NULL;
		p += n;
	}
	return p + 1;
}

/* Whether it is an object of strings and numbers, and nothing else. */
static bool is_object(const char *p)
{
	if (*p != '{')
		return false;
	do {
		p = skip_string(p + 1);
		if (!p || *p++ != ':')
			return false;
		size_t digits = strspn(p, "-0123456789");
		p = digits ? p + digits : skip_string(p);
	} while (p && *p == ',');
	return p && !strcmp(p, "}");
}

/* The cut falls on every place of fields and escapes. */
static void cuts_json_to_json(void **state)
{
	static char words[LOG_LINE_MAX + 1];
	static const char *const Unit[] = {"x", "\"", "\x01", "\xe2\x82\xac", "\xff"};
	(void)state;
	log_format(LOG_JSON);
	for (size_t lead = 1700; lead < LOG_LINE_MAX; lead++) {
		assert_int_equal(truncate(path, 0), 0);
		memset(words, 'w', lead);
		words[lead] = '\0';
		log_line(LOG_INFO, words,
			LOG_FIELDS(LOG_STR("a", Unit[lead % 5]), LOG_NUM("number", 1234567),
				LOG_STR("b\n", "\"\"\\\x02\x03\xe2\x82\xac\xe2\x82\xac\xff\xff"),
				LOG_NUM("last", -1)));
		size_t n = strlen(read_file(path));
		assert_in_range(n, 1700, LOG_LINE_MAX);
		assert_int_equal(text[n - 1], '\n');
		text[n - 1] = '\0';
		assert_true(is_object(text));
	}
	memset(words, 'w', sizeof words - 1);
	log_line(LOG_INFO, words, NULL);
	assert_int_equal(strlen(strrchr(read_file(path), '{')), LOG_LINE_MAX);
}

/* ---- what is kept, and where lines go ---- */

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

static void tells_nothing_below_its_level(void **state)
{
	(void)state;
	log_line(LOG_INFO, "before", NULL);
	log_line(LOG_DEBUG, "hidden", NULL);
	assert_string_equal(newest(), "INFO: before");
	log_level(LOG_DEBUG);
	log_line(LOG_DEBUG, "shown", NULL);
	assert_string_equal(newest(), "DEBUG: shown");
	assert_null(strstr(read_file(path), "hidden"));
	assert_non_null(strstr(text, "DEBUG: shown\n"));
	log_level(LOG_WARN);
	log_line(LOG_INFO, "not now", NULL);
	assert_string_equal(newest(), "DEBUG: shown");
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

static void tells_programs_of_lost_lines_by_a_number(void **state)
{
	(void)state;
	log_format(LOG_JSON);
	assert_true(log_open("/dev/full"));
	log_line(LOG_INFO, "lost", NULL);
	assert_true(log_open(path));
	log_line(LOG_INFO, "found", LOG_FIELDS(LOG_STR("a", "b")));
	assert_string_equal(json_behind_time(read_file(path)),
		"\"level\":\"info\",\"msg\":\"found\",\"dropped\":1,\"a\":\"b\"}\n");
}

static void ends_a_torn_line_in_the_file_where_it_is(void **state)
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
	assert_true(log_reopen()); /* the same one */
	log_line(LOG_INFO, "whole", NULL);
	assert_int_equal(strcspn(read_file(path), "\n"), 10);
	assert_string_equal(said(text + 11), "INFO: whole dropped=1\n");
	assert_int_equal(unlink(path), 0);
	setrlimit(RLIMIT_FSIZE, &limit);
	log_line(LOG_INFO, "torn", NULL);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(rename(path, moved), 0);
	assert_true(log_reopen()); /* another one, which begins with a line */
	log_line(LOG_INFO, "whole", NULL);
	assert_string_equal(said(read_file(path)), "INFO: whole dropped=1\n");
}

static void begins_the_file_anew_after_it_was_removed(void **state)
{
	struct stat st;
	(void)state;
	log_line(LOG_INFO, "one", NULL);
	assert_int_equal(unlink(path), 0);
	log_line(LOG_INFO, "two", NULL);
	assert_string_equal(said(read_file(path)), "INFO: two\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void goes_on_in_the_file_that_replaced_it(void **state)
{
	(void)state;
	log_line(LOG_INFO, "one", NULL);
	int fd = open(moved, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, "new\n", 4), 4);
	close(fd);
	assert_int_equal(rename(moved, path), 0);
	log_line(LOG_INFO, "two", NULL);
	assert_memory_equal(read_file(path), "new\n", 4);
	assert_string_equal(said(text + 4), "INFO: two\n");
}

static void goes_on_with_a_removed_file_if_there_can_be_no_other(void **state)
{
	(void)state;
	log_line(LOG_INFO, "one", NULL);
	int fd = open(path, O_RDONLY);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	log_line(LOG_INFO, "two", NULL);
	ssize_t n = read(fd, text, sizeof text - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "INFO: two\n"));
	close(fd);
	assert_int_equal(mkdir(dir, 0700), 0);
	log_line(LOG_INFO, "three", NULL);
	assert_string_equal(said(read_file(path)), "INFO: three\n");
}

/* Every line of `from` is whole and stands there in its order; returns how many, and
 * in *dropped the sum of what they tell. */
static int check_numbered(const char *from, int *dropped)
{
	int lines = 0, last = -1;
	for (const char *p = from; *p; p = strchr(p, '\n') + 1, lines++) {
		int number = -1, more = 0;
		if (sscanf(said(p), "INFO: m dropped=%d i=%d", &more, &number) < 2)
			assert_int_equal(sscanf(said(p), "INFO: m i=%d", &number), 1);
		assert_int_equal(number, last + more + 1);
		assert_memory_equal(strchr(p, '\n') - 4, "wwww", 4);
		*dropped += more;
		last = number;
	}
	return lines;
}

static void log_numbered(int i)
{
	static char words[200];
	memset(words, 'w', sizeof words - 1);
	log_line(LOG_INFO, "m", LOG_FIELDS(LOG_NUM("i", i), LOG_STR("w", words)));
}

/* What stands in for stderr meanwhile; returns what to give to end_stderr(). */
static int begin_stderr(int fd)
{
	int real = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
	assert_true(log_open(""));
	return real;
}

static void end_stderr(int real)
{
	dup2(real, STDERR_FILENO);
	close(real);
	assert_true(log_open(path));
}

static void read_all(int fd)
{
	size_t n = 0;
	for (ssize_t got; (got = read(fd, text + n, sizeof text - 1 - n)) > 0;)
		n += (size_t)got;
	text[n] = '\0';
}

/* p[0] is read from only at the end; the alarm ends what waits for that. */
static void does_not_wait(int p[2])
{
	int sent = 0, dropped = 0, flags = fcntl(p[1], F_GETFL), real = begin_stderr(p[1]);
	for (; sent < 5000; sent++)
		log_numbered(sent);
	assert_int_equal(fcntl(STDERR_FILENO, F_GETFL), flags);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	read_all(p[0]);
	int got = check_numbered(text, &dropped);
	assert_in_range(got, 10, sent - 10);
	assert_int_equal(dropped, 0);
	log_numbered(sent);
	read_all(p[0]);
	assert_int_equal(sscanf(said(text), "INFO: m dropped=%d", &dropped), 1);
	assert_int_equal(dropped, sent - got);
	end_stderr(real);
	close(p[0]);
}

static void does_not_wait_for_a_reader_of_stderr(void **state)
{
	int p[2];
	(void)state;
	assert_int_equal(pipe(p), 0);
	fcntl(p[1], F_SETPIPE_SZ, 32768);
	does_not_wait(p);
	int size = 8192;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	setsockopt(p[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	does_not_wait(p);
}

/* As a shell's 2>&-: the next file that is opened gets its number. */
static void writes_to_nobody_else_when_there_is_no_stderr(void **state)
{
	(void)state;
	int real = dup(STDERR_FILENO);
	close(STDERR_FILENO);
	assert_true(log_open(""));
	assert_int_equal(open(moved, O_RDWR | O_CREAT, 0600), STDERR_FILENO);
	log_line(LOG_INFO, "for stderr", NULL);
	assert_string_equal(read_file(moved), "");
	end_stderr(real);
	log_line(LOG_INFO, "m", NULL);
	assert_string_equal(newest(), "INFO: m dropped=1");
}

static unsigned Shown;

static void on_shown(void)
{
	Shown++;
}

/* Waits for it. */
static void read_some(int fd)
{
	ssize_t n = read(fd, text, sizeof text - 1);
	text[n > 0 ? n : 0] = '\0';
}

static void leaves_a_terminal_to_the_screen(void **state)
{
	int p[2];
	(void)state;
	assert_int_equal(openpty(&p[0], &p[1], NULL, NULL, NULL), 0);
	int real = begin_stderr(p[1]);
	Shown = 0;
	log_show(on_shown);
	size_t count = log_count();
	log_line(LOG_INFO, "for the screen", NULL);
	assert_string_equal(newest(), "INFO: for the screen");
	assert_int_equal(Shown, 1);
	assert_int_equal(log_count(), count + 1);
	log_show(NULL);
	log_line(LOG_INFO, "for the terminal", NULL);
	assert_int_equal(Shown, 1);
	read_some(p[0]);
	assert_string_equal(said(text), "INFO: for the terminal\r\n");
	end_stderr(real);
	close(p[0]);
}

static void writes_to_what_is_no_terminal_beside_a_screen(void **state)
{
	int p[2];
	(void)state;
	assert_int_equal(pipe(p), 0);
	int real = begin_stderr(p[1]);
	Shown = 0;
	log_show(on_shown);
	log_line(LOG_INFO, "for both", NULL);
	read_some(p[0]);
	assert_string_equal(said(text), "INFO: for both\n");
	assert_int_equal(Shown, 1);
	end_stderr(real);
	log_line(LOG_INFO, "in a file", NULL);
	assert_non_null(strstr(read_file(path), "INFO: in a file"));
	assert_int_equal(Shown, 2);
	log_show(NULL);
	close(p[0]);
}

/* Of two pages, one is taken by `moved` until it is removed. */
static void goes_on_when_a_full_disk_has_room_again(void **state)
{
	int sent = 0, dropped = 0;
	(void)state;
	if (unshare(CLONE_NEWNS) || mount("", "/", "", MS_REC | MS_PRIVATE, NULL) ||
		mount("tmpfs", dir, "tmpfs", 0, "size=8k"))
		skip(); /* not root, or in a container */
	assert_int_equal(close(open(moved, O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(truncate(moved, 4096), 0);
	int fd = open(moved, O_WRONLY);
	assert_int_equal(write(fd, text, 4096), 4096);
	close(fd);
	assert_true(log_open(path));
	while (sent < 50)
		log_numbered(sent++);
	assert_int_equal(strlen(read_file(path)), 4096);
	assert_int_equal(unlink(moved), 0);
	log_numbered(sent++);
	log_numbered(sent++);
	read_file(path);
	assert_int_equal(text[4096], '\n');
	char *torn = (char *)memrchr(text, '\n', 4096) + 1;
	memmove(torn, text + 4097, strlen(text + 4097) + 1);
	assert_int_equal(check_numbered(text, &dropped) + dropped, sent);
	assert_in_range(dropped, 50 - 4096 / 200, 50 - 10);
	log_open("");
	umount(dir);
}

int main(void)
{
#define LOG_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		LOG_TEST(writes_a_line_for_the_user_alone),
		LOG_TEST(tells_the_time_of_each_line),
		LOG_TEST(quotes_values_with_blanks_quotes_or_nothing),
		LOG_TEST(lets_no_server_forge_a_line),
		LOG_TEST(cuts_a_long_line_at_the_end_of_a_character),
		LOG_TEST(writes_json),
		LOG_TEST(names_levels_as_programs_do),
		LOG_TEST(escapes_what_json_must_and_terminals_obey),
		LOG_TEST(cuts_json_to_json),
		LOG_TEST(keeps_the_last_lines_newest_first),
		LOG_TEST(tells_nothing_below_its_level),
		LOG_TEST(begins_the_file_anew_after_it_was_moved),
		LOG_TEST(keeps_its_file_when_another_cannot_be_opened),
		LOG_TEST(counts_lines_that_could_not_be_written),
		LOG_TEST(begins_a_new_line_after_a_torn_one),
		LOG_TEST(tells_programs_of_lost_lines_by_a_number),
		LOG_TEST(ends_a_torn_line_in_the_file_where_it_is),
		LOG_TEST(begins_the_file_anew_after_it_was_removed),
		LOG_TEST(goes_on_in_the_file_that_replaced_it),
		LOG_TEST(goes_on_with_a_removed_file_if_there_can_be_no_other),
		LOG_TEST(does_not_wait_for_a_reader_of_stderr),
		LOG_TEST(writes_to_nobody_else_when_there_is_no_stderr),
		LOG_TEST(goes_on_when_a_full_disk_has_room_again),
		LOG_TEST(leaves_a_terminal_to_the_screen),
		LOG_TEST(writes_to_what_is_no_terminal_beside_a_screen),
	};
	alarm(ALARM_S);
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
