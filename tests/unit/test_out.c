/* out.c before readers of all kinds: quick, slow, stopped, gone, and on a full disk.
 * What would wait for them is ended by the alarm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

#include "out.h"
#include "test_loop.h"

enum { ALARM_S = 120, MANY = 20000, LINE = 200 };

static struct out Out;
static int Ends[2]; /* what is read from, and what is written to */
static char Path[] = "/tmp/test_out.XXXXXX";
static char Got[MANY * LINE];
static size_t N; /* in Got */

static int set_up(void **state)
{
	(void)state;
	strcpy(Path + strlen(Path) - 6, "XXXXXX");
	Ends[0] = Ends[1] = -1;
	N = 0;
	loop_init();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	out_close(&Out);
	loop_end();
	close(Ends[0]);
	close(Ends[1]);
	unlink(Path);
	return 0;
}

static void open_pipe(void)
{
	assert_int_equal(pipe2(Ends, O_CLOEXEC), 0);
	out_open(&Out, Ends[1]);
}

static void open_sockets(void)
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, Ends), 0);
	out_open(&Out, Ends[1]);
}

static void open_tcp(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &n), 0);
	Ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(Ends[0], (struct sockaddr *)&a, n), 0);
	Ends[1] = accept(listener, NULL, NULL);
	close(listener);
	out_open(&Out, Ends[1]);
}

static void open_terminal(void)
{
	if (openpty(&Ends[0], &Ends[1], NULL, NULL, NULL))
		skip(); /* none here */
	out_open(&Out, Ends[1]);
}

static void open_file(void)
{
	Ends[1] = mkstemp(Path);
	Ends[0] = open(Path, O_RDONLY);
	assert_true(Ends[0] >= 0 && Ends[1] >= 0);
	out_open(&Out, Ends[1]);
}

/* Line `i`, which ends in "w.\n", with `n` bytes at least. */
static void put_numbered(int i, size_t n)
{
	char line[3 * PIPE_BUF];
	int head = snprintf(line, sizeof line, "line %d ", i);
	assert_in_range(n, head, sizeof line - 2);
	memset(line + head, 'w', n - (size_t)head);
	strcpy(line + n - 1, ".");
	out_line(&Out, line);
}

static void put_many(void)
{
	for (int i = 0; i < MANY; i++)
		put_numbered(i, 20 + (size_t)i % (LINE - 20));
}

/* What is there now; a terminal's lines end in "\r\n". */
static void read_some(void)
{
	fcntl(Ends[0], F_SETFL, O_NONBLOCK);
	for (ssize_t n; (n = read(Ends[0], Got + N, sizeof Got - 1 - N)) > 0;)
		N += (size_t)n;
	Got[N] = '\0';
}

static bool all_is_read(void)
{
	read_some();
	return !buf_len(&Out.queue);
}

static void read_all(void)
{
	struct timer again = {.on = stop_by_timer};
	for (int tries = 0; !all_is_read() && tries < PATIENCE_MS; tries++) {
		timer_after(&again, 1);
		loop_run();
	}
	assert_true(all_is_read());
}

/* Everything in Got is whole and in its order, and lines that are lost are counted
 * where they would be.  Returns how many lines there are or were lost. */
static int check_numbered(int *lost)
{
	int next = 0;
	*lost = 0;
	for (const char *p = Got; *p; p = strchr(p, '\n') + 1) {
		int number = -1, gap = 0;
		const char *end = p + strcspn(p, "\r\n");
		assert_int_not_equal(*end, '\0');
		if (sscanf(p, "... %d line", &gap) == 1) {
			assert_memory_equal(end - 8, "too slow", 8);
			next += gap;
			*lost += gap;
			continue;
		}
		assert_int_equal(sscanf(p, "line %d ", &number), 1);
		assert_int_equal(number, next++);
		assert_int_equal((size_t)(end - p), 20 + (size_t)number % (LINE - 20));
		assert_int_equal(end[-1], '.');
	}
	return next;
}

static void is_written_at_once(void (*open_it)(void))
{
	open_it();
	out_line(&Out, "one");
	out_line(&Out, "");
	out_line(&Out, "two words");
	assert_int_equal(buf_len(&Out.queue), 0);
	read_some();
	assert_string_equal(Got, "one\n\ntwo words\n");
	assert_int_equal(fcntl(Ends[1], F_GETFL) & O_NONBLOCK, 0);
}

static void writes_at_once_to_a_pipe(void **state)
{
	(void)state;
	is_written_at_once(open_pipe);
}

static void writes_at_once_to_a_socket(void **state)
{
	(void)state;
	is_written_at_once(open_sockets);
}

static void writes_at_once_to_a_file(void **state)
{
	(void)state;
	is_written_at_once(open_file);
}

/* The loop sleeps while nobody reads; then all that had room comes, then how much had
 * none, and then lines come again. */
static void waits_for_its_reader(void (*open_it)(void))
{
	int lost;
	open_it();
	put_many();
	assert_in_range(buf_len(&Out.queue), OUT_MAX / 2, OUT_MAX); /* terminals take more late */
	assert_int_equal(fcntl(Ends[1], F_GETFL) & O_NONBLOCK, 0);
	assert_true(loop_until_quiet());
	read_all();
	assert_int_equal(check_numbered(&lost), MANY);
	assert_in_range(lost, 1, MANY - OUT_MAX / LINE);
	put_numbered(MANY, 20 + MANY % (LINE - 20));
	read_all();
	assert_int_equal(check_numbered(&lost), MANY + 1);
	assert_false(out_is_gone(&Out));
	assert_true(loop_until_quiet());
}

static void waits_for_who_reads_a_pipe(void **state)
{
	(void)state;
	waits_for_its_reader(open_pipe);
}

static void waits_for_who_reads_a_socket(void **state)
{
	(void)state;
	waits_for_its_reader(open_sockets);
}

static void waits_for_who_reads_a_terminal(void **state)
{
	(void)state;
	waits_for_its_reader(open_terminal);
}

static void open_stopped_terminal(void)
{
	open_terminal();
	assert_int_equal(tcflow(Ends[1], TCOOFF), 0);
}

static void waits_for_a_stopped_terminal(void **state)
{
	int lost;
	(void)state;
	open_stopped_terminal();
	put_many();
	assert_true(loop_until_quiet());
	read_some();
	assert_string_equal(Got, "");
	assert_int_equal(tcflow(Ends[1], TCOON), 0);
	read_all();
	assert_int_equal(check_numbered(&lost), MANY);
}

/* Root may open all, so it is somebody else for a moment. */
static void open_foreign_pipe(void)
{
	bool root = !geteuid();
	assert_int_equal(pipe2(Ends, O_CLOEXEC), 0);
	fchmod(Ends[1], 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	out_open(&Out, Ends[1]);
	if (root)
		assert_int_equal(seteuid(0), 0);
}

static void waits_for_who_reads_a_pipe_that_it_may_not_open(void **state)
{
	(void)state;
	waits_for_its_reader(open_foreign_pipe);
}

static void says_line_or_lines(void **state)
{
	(void)state;
	open_stopped_terminal();
	while (!Out.lost)
		put_numbered(0, 20);
	assert_int_equal(tcflow(Ends[1], TCOON), 0);
	read_all();
	assert_non_null(strstr(Got, "\n... 1 line lost: the reader is too slow\r\n"));
	assert_null(strstr(Got, "lines"));
}

/* Another's line is written whenever a part of the pipe was read. */
static void lets_no_other_writer_tear_a_line(void **state)
{
	size_t ours = 0, others = 0;
	(void)state;
	open_pipe();
	int other = dup(Ends[1]);
	fcntl(Ends[0], F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 1200; i++)
		put_numbered(i, 100);
	assert_int_equal(Out.lost, 0);
	while (buf_len(&Out.queue)) {
		struct task round = {.on = stop_by_task};
		ssize_t n = read(Ends[0], Got + N, PIPE_BUF + 1);
		assert_true(n > 0);
		N += (size_t)n;
		task_post(&round);
		loop_run();
		assert_int_equal(write(other, "x\n", 2), 2);
		others++;
	}
	read_some();
	close(other);
	for (const char *p = Got; *p; p = strchr(p, '\n') + 1) {
		if (*p == 'x')
			assert_int_equal(p[1], '\n');
		else
			assert_int_equal(strcspn(p, "\n"), 100);
		ours += *p != 'x';
	}
	assert_int_equal(ours, 1200);
	assert_true(others > 10);
}

static void completes_lines_longer_than_a_pipe_takes_at_once(void **state)
{
	(void)state;
	open_pipe();
	for (int i = 0; i < 9; i++)
		put_numbered(i, 3 * PIPE_BUF - 10);
	assert_true(buf_len(&Out.queue) > 0);
	assert_int_equal(Out.lost, 0);
	read_all();
	assert_int_equal(N, 9 * (3 * PIPE_BUF - 10 + 1));
	for (size_t i = 1; i <= 9; i++)
		assert_memory_equal(Got + i * (3 * PIPE_BUF - 9) - 3, "w.\n", 3);
}

static void writes_a_line_longer_than_what_may_wait(void **state)
{
	static char line[OUT_MAX + 1000];
	(void)state;
	memset(line, 'w', sizeof line - 1);
	open_pipe();
	out_line(&Out, line);
	out_line(&Out, "next");
	read_all();
	assert_int_equal(strcspn(Got, "\n"), sizeof line - 1);
	assert_memory_equal(strchr(Got, '\n'), "\nnext\n", 6);
}

static void is_gone(void)
{
	assert_true(out_is_gone(&Out));
	out_line(&Out, "more");
	assert_int_equal(buf_len(&Out.queue), 0);
	assert_null(Out.queue.p);
	assert_true(loop_until_quiet());
}

static void hang_up(void)
{
	close(Ends[0]);
	Ends[0] = -1;
}

static void sees_at_the_next_line_that_its_reader_is_gone(void **state)
{
	static void (*const Open[])(void) = {open_pipe, open_sockets, open_terminal};
	(void)state;
	for (size_t i = 0; i < sizeof Open / sizeof *Open; i++) {
		unsigned before = descriptors();
		Open[i]();
		out_line(&Out, "one");
		hang_up();
		out_line(&Out, "two");
		is_gone();
		close(Ends[1]);
		assert_int_equal(descriptors(), before);
	}
	Ends[1] = -1;
}

static bool out_has_gone(void)
{
	return out_is_gone(&Out);
}

static void sees_while_it_waits_that_its_reader_is_gone(void **state)
{
	static void (*const Open[])(void) = {open_pipe, open_sockets, open_tcp, open_terminal};
	(void)state;
	for (size_t i = 0; i < sizeof Open / sizeof *Open; i++) {
		Open[i]();
		while (!Out.lost)
			put_numbered(0, LINE);
		assert_false(out_is_gone(&Out));
		hang_up();
		assert_true(loop_until(out_has_gone));
		is_gone();
		close(Ends[1]);
	}
	Ends[1] = -1;
}

static void is_gone_at_once_if_there_is_nothing(void **state)
{
	(void)state;
	out_open(&Out, -1);
	is_gone();
}

static void writes_to_devices(void **state)
{
	(void)state;
	Ends[1] = open("/dev/null", O_WRONLY);
	out_open(&Out, Ends[1]);
	put_many();
	assert_int_equal(Out.lost, 0);
	assert_int_equal(buf_len(&Out.queue), 0);
	out_close(&Out);
	close(Ends[1]);
	Ends[1] = open("/dev/full", O_WRONLY);
	out_open(&Out, Ends[1]);
	put_many();
	assert_false(out_is_gone(&Out));
	assert_in_range(buf_len(&Out.queue), OUT_MAX - LINE, OUT_MAX);
	assert_true(loop_until_quiet());
}

/* A limit lets 1010 bytes through, and so a part of a line, as a full disk may. */
static void goes_on_when_a_full_disk_has_room_again(void **state)
{
	struct rlimit old, limit;
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	open_file();
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = 1010;
	setrlimit(RLIMIT_FSIZE, &limit);
	put_many();
	read_some();
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(N, 1010);
	assert_false(out_is_gone(&Out));
	assert_true(loop_until_quiet());
	out_line(&Out, "lost, but tells that there is room");
	out_line(&Out, "and this one is not");
	read_some();
	assert_true(N > OUT_MAX);
	char *told = strstr(Got, "\n... ") + 1;
	int lost, whole = 0, after;
	assert_int_equal(sscanf(told, "... %d lines lost: File too large%n", &lost, &after), 1);
	assert_string_equal(told + after, "\nand this one is not\n");
	*told = '\0';
	assert_int_equal(check_numbered(&whole) + lost, MANY + 1);
}

/* What a pipe has room for again; the rest is lost. */
static void writes_what_it_can_at_its_end(void **state)
{
	unsigned before = descriptors();
	(void)state;
	open_pipe();
	for (int i = 0; i < 1000; i++)
		put_numbered(i, 99);
	size_t waiting = buf_len(&Out.queue);
	assert_true(waiting > 2 * PIPE_BUF);
	assert_int_equal(read(Ends[0], Got, 2 * PIPE_BUF), 2 * PIPE_BUF);
	N = 2 * PIPE_BUF;
	out_close(&Out);
	out_close(&Out);
	assert_true(out_is_gone(&Out));
	read_some();
	assert_in_range(N, 100 * 1000 - waiting + PIPE_BUF, 100 * 1000 - 1);
	assert_memory_equal(Got + N - 3, "w.\n", 3);
	assert_true(loop_until_quiet());
	close(Ends[0]);
	close(Ends[1]);
	Ends[0] = Ends[1] = -1;
	assert_int_equal(descriptors(), before);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(writes_at_once_to_a_pipe),
		TEST(writes_at_once_to_a_socket),
		TEST(writes_at_once_to_a_file),
		TEST(waits_for_who_reads_a_pipe),
		TEST(waits_for_who_reads_a_socket),
		TEST(waits_for_who_reads_a_terminal),
		TEST(waits_for_a_stopped_terminal),
		TEST(waits_for_who_reads_a_pipe_that_it_may_not_open),
		TEST(says_line_or_lines),
		TEST(lets_no_other_writer_tear_a_line),
		TEST(completes_lines_longer_than_a_pipe_takes_at_once),
		TEST(writes_a_line_longer_than_what_may_wait),
		TEST(sees_at_the_next_line_that_its_reader_is_gone),
		TEST(sees_while_it_waits_that_its_reader_is_gone),
		TEST(is_gone_at_once_if_there_is_nothing),
		TEST(writes_to_devices),
		TEST(goes_on_when_a_full_disk_has_room_again),
		TEST(writes_what_it_can_at_its_end),
	};
	signal(SIGPIPE, SIG_IGN);
	alarm(ALARM_S);
	return cmocka_run_group_tests_name("out", tests, NULL, NULL);
}
