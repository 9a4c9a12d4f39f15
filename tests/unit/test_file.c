/* file.c on files of this machine: sizes around its bound, and what is no file.  What
 * would wait instead of telling EAGAIN is ended by the alarm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "file.h"

static char Path[] = "/tmp/test_file.XXXXXX";

static void write_bytes(size_t n)
{
	FILE *f = fopen(Path, "w");
	assert_non_null(f);
	for (size_t i = 0; i < n; i++)
		fputc((int)(i % 251), f);
	fclose(f);
}

enum { ALARM_S = 60 }; /* far more than all of it takes */

static int set_up(void **state)
{
	(void)state;
	int fd = mkstemp(Path);
	close(fd);
	return fd < 0;
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(Path);
}

static void reads_all_there_is_behind_what_was_there(void **state)
{
	static const size_t Sizes[] = {0, 1, 16383, 16384, 16385, 100000};
	(void)state;
	for (size_t i = 0; i < sizeof Sizes / sizeof *Sizes; i++) {
		struct buf b = {0};
		write_bytes(Sizes[i]);
		buf_put(&b, "before", 6);
		assert_true(file_read(&b, Path, 100000));
		assert_int_equal(buf_len(&b), 6 + Sizes[i]);
		assert_memory_equal(buf_data(&b), "before", 6);
		for (size_t k = 0; k < Sizes[i]; k++)
			assert_int_equal(buf_data(&b)[6 + k], k % 251);
		buf_free(&b);
	}
}

static void refuses_more_than_it_may_read(void **state)
{
	struct buf b = {0};
	(void)state;
	write_bytes(1001);
	assert_false(file_read(&b, Path, 1000));
	assert_int_equal(errno, EFBIG);
	buf_free(&b);
	assert_true(file_read(&b, Path, 1001));
	buf_free(&b);
	assert_false(file_read(&b, "/dev/zero", 50000));
	assert_int_equal(errno, EFBIG);
	buf_free(&b);
}

static void does_not_wait_for_a_writer(void **state)
{
	struct buf b = {0};
	(void)state;
	unlink(Path);
	assert_int_equal(mkfifo(Path, 0600), 0);
	assert_true(file_read(&b, Path, 10)); /* nobody writes: it is empty */
	int writer = open(Path, O_RDWR | O_NONBLOCK);
	assert_false(file_read(&b, Path, 10));
	assert_int_equal(errno, EAGAIN);
	close(writer);
	buf_free(&b);
}

static void says_why_it_cannot(void **state)
{
	struct buf b = {0};
	(void)state;
	assert_false(file_read(&b, "/nowhere/at/all", 10));
	assert_int_equal(errno, ENOENT);
	assert_false(file_read(&b, "/tmp", 10));
	assert_int_equal(errno, EISDIR);
	buf_free(&b);
}

/* ---- written to without waiting ---- */

/* Writes until nothing goes; returns how many bytes went. */
static size_t fill(int fd, file_writer *put)
{
	static const char Bytes[1000];
	size_t sent = 0;
	ssize_t n;
	while ((n = put(fd, Bytes, sizeof Bytes)) > 0)
		sent += (size_t)n;
	assert_int_equal(n, -1);
	assert_int_equal(errno, EAGAIN);
	return sent;
}

/* Fills what `to` writes to by another descriptor, reads it, and goes on. */
static void fills_and_goes_on(int to, int from)
{
	static char bytes[1 << 20];
	file_writer *put = NULL;
	int flags = fcntl(to, F_GETFL), own = file_unblocked(to, &put);
	assert_true(own > STDERR_FILENO && own != to);
	assert_true(fcntl(own, F_GETFD) & FD_CLOEXEC);
	size_t sent = fill(own, put), got = 0;
	assert_int_equal(fcntl(to, F_GETFL), flags);
	assert_true(sent > 0);
	while (got < sent) {
		ssize_t n = read(from, bytes, sizeof bytes);
		assert_true(n > 0);
		got += (size_t)n;
	}
	assert_int_equal(put(own, "on", 2), 2);
	assert_int_equal(read(from, bytes, sizeof bytes), 2);
	close(own);
}

static void writes_to_a_full_pipe(void **state)
{
	int p[2];
	(void)state;
	assert_int_equal(pipe(p), 0);
	fills_and_goes_on(p[1], p[0]);
	close(p[1]);
	close(p[0]);
}

static void writes_to_a_full_socket(void **state)
{
	int p[2];
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	fills_and_goes_on(p[1], p[0]);
	close(p[0]);
	file_writer *put = NULL;
	int own = file_unblocked(p[1], &put);
	signal(SIGPIPE, SIG_DFL); /* not even raised */
	assert_int_equal(put(own, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(own);
	close(p[1]);
}

/* Root may open all, so it is somebody else for a moment. */
static void writes_to_a_full_pipe_that_it_may_not_open(void **state)
{
	int p[2], root = !geteuid();
	(void)state;
	assert_int_equal(pipe(p), 0);
	fchmod(p[1], 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	fills_and_goes_on(p[1], p[0]);
	if (root)
		assert_int_equal(seteuid(0), 0);
	close(p[0]);
	close(p[1]);
}

static int open_terminal(int *master)
{
	struct termios raw = {0};
	int fd;
	cfmakeraw(&raw);
	if (openpty(master, &fd, NULL, &raw, NULL))
		skip(); /* none here */
	return fd;
}

static void writes_to_a_stopped_terminal(void **state)
{
	file_writer *put = NULL;
	int master, terminal = open_terminal(&master), own = file_unblocked(terminal, &put);
	char byte;
	(void)state;
	assert_int_equal(tcflow(terminal, TCOOFF), 0);
	assert_int_equal(put(own, "a", 1), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(terminal, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(tcflow(terminal, TCOON), 0);
	assert_int_equal(put(own, "b", 1), 1);
	assert_int_equal(read(master, &byte, 1), 1);
	assert_int_equal(byte, 'b');
	close(own);
	close(terminal);
	close(master);
}

/* To open a master is to make another terminal. */
static void writes_to_the_terminal_that_a_master_has(void **state)
{
	file_writer *put = NULL;
	int master, terminal = open_terminal(&master), own = file_unblocked(master, &put);
	char byte;
	(void)state;
	assert_int_equal(put(own, "a", 1), 1);
	assert_int_equal(read(terminal, &byte, 1), 1);
	assert_int_equal(byte, 'a');
	close(own);
	close(terminal);
	close(master);
}

static int empty_file(void **state)
{
	(void)state;
	unlink(Path); /* it was a FIFO */
	write_bytes(0);
	return 0;
}

static void goes_on_where_others_are_in_a_file(void **state)
{
	file_writer *put = NULL;
	int fd = open(Path, O_RDWR), own = file_unblocked(fd, &put);
	(void)state;
	assert_int_equal(write(fd, "one ", 4), 4);
	assert_int_equal(put(own, "two ", 4), 4);
	assert_int_equal(write(fd, "three", 5), 5);
	struct buf b = {0};
	assert_true(file_read(&b, Path, 100));
	assert_int_equal(buf_len(&b), 13);
	assert_memory_equal(buf_data(&b), "one two three", 13);
	buf_free(&b);
	close(own);
	close(fd);
}

static void writes_to_devices(void **state)
{
	file_writer *put = NULL;
	int null = open("/dev/null", O_WRONLY), full = open("/dev/full", O_WRONLY);
	int own = file_unblocked(null, &put);
	(void)state;
	assert_int_equal(put(own, "x", 1), 1);
	close(own);
	own = file_unblocked(full, &put);
	assert_int_equal(put(own, "x", 1), -1);
	assert_int_equal(errno, ENOSPC);
	close(own);
	close(null);
	close(full);
}

static void has_nothing_for_what_is_not_open(void **state)
{
	file_writer *put = NULL;
	(void)state;
	errno = 0;
	assert_int_equal(file_unblocked(-1, &put), -1);
	assert_int_equal(errno, EBADF);
}

static void finds_paths(void **state)
{
	static const struct {
		const char *path, *dir, *want;
	} Cases[] = {{"a/b", "/d", "/d/a/b"}, {"a", NULL, "a"}, {"/a", "/d", "/a"},
		{"~/a", "/d", "/h/a"}, {"~/a", NULL, "/h/a"}, {"~a/b", "/d", "/d/~a/b"},
		{"~", NULL, "~"}};
	(void)state;
	setenv("HOME", "/h", 1);
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		char *path = file_path(Cases[i].path, Cases[i].dir);
		assert_string_equal(path, Cases[i].want);
		free(path);
	}
	unsetenv("HOME"); /* passwd(5) says it then */
	char *path = file_path("~/a", NULL);
	assert_true(*path == '/');
	free(path);
}

static void finds_folders(void **state)
{
	static const struct {
		const char *path, *want;
	} Cases[] = {{"/nowhere/b/c", "/nowhere/b"}, {"/a", "/"}, {"a", "%"}, {"./a", "%"},
		{"/usr/./bin/../a", "/usr"}};
	char here[4096], want[sizeof here + 16];
	(void)state;
	assert_non_null(getcwd(here, sizeof here));
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		char *folder = file_folder(Cases[i].path);
		bool ours = *Cases[i].want == '%';
		snprintf(want, sizeof want, "%s%s", ours ? here : "", Cases[i].want + ours);
		assert_string_equal(folder, want);
		free(folder);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_paths),
		cmocka_unit_test(finds_folders),
		cmocka_unit_test(reads_all_there_is_behind_what_was_there),
		cmocka_unit_test(refuses_more_than_it_may_read),
		cmocka_unit_test(does_not_wait_for_a_writer),
		cmocka_unit_test(says_why_it_cannot),
		cmocka_unit_test(writes_to_a_full_pipe),
		cmocka_unit_test(writes_to_a_full_socket),
		cmocka_unit_test(writes_to_a_full_pipe_that_it_may_not_open),
		cmocka_unit_test(writes_to_a_stopped_terminal),
		cmocka_unit_test(writes_to_the_terminal_that_a_master_has),
		cmocka_unit_test_setup_teardown(
			goes_on_where_others_are_in_a_file, empty_file, NULL),
		cmocka_unit_test(writes_to_devices),
		cmocka_unit_test(has_nothing_for_what_is_not_open),
	};
	alarm(ALARM_S);
	return cmocka_run_group_tests_name("file", tests, set_up, tear_down);
}
