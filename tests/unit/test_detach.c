/* detach.c in processes of its own: what whoever started it is told, and what is left
 * in the background. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "detach.h"
#include "exit.h"

enum { PATIENCE_MS = 30000, BROKEN = 99 };

/* One `porter -detach`: its first process, its output, and a line to the second. */
struct run {
	pid_t first;
	int out[2], err[2], to[2], from[2];
};

/* What the second process does, from detach_begin() on; returns its exit status. */
typedef int (*second)(const struct run *r);

static void open_pipe(int fd[2])
{
	int low[2];
	assert_int_equal(pipe2(low, O_CLOEXEC), 0);
	for (int i = 0; i < 2; i++) {
		fd[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 100);
		close(low[i]);
	}
}

_Noreturn static void be_porter(const struct run *r, second work, bool closed)
{
	int status = BROKEN;
	signal(SIGCHLD, SIG_IGN); /* as a careless parent leaves it */
	close(r->out[0]);
	close(r->from[0]);
	close(r->to[1]);
	dup2(r->out[1], STDOUT_FILENO);
	dup2(r->err[1], STDERR_FILENO);
	close(r->out[1]);
	close(r->err[1]);
	for (int fd = 0; closed && fd < 3; fd++)
		close(fd);
	if (!detach_begin(&status))
		_exit(status);
	_exit(work(r));
}

static struct run start(second work, bool closed)
{
	struct run r;
	open_pipe(r.out);
	open_pipe(r.err);
	open_pipe(r.to);
	open_pipe(r.from);
	r.first = fork();
	if (!r.first)
		be_porter(&r, work, closed);
	close(r.out[1]);
	close(r.err[1]);
	close(r.from[1]);
	close(r.to[0]);
	return r;
}

static void finish(struct run *r)
{
	for (int fds[] = {r->out[0], r->err[0], r->from[0], r->to[1]}, i = 0; i < 4; i++)
		close(fds[i]);
}

/* Returns what comes, up to the end or so many bytes. */
static const char *read_some(int fd, size_t max)
{
	static char text[8192];
	size_t n = 0;
	for (ssize_t some = 1; some && n < max; n += (size_t)some) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		some = read(fd, text + n, max - n);
		assert_true(some >= 0);
	}
	text[n] = '\0';
	return text;
}

static const char *read_all(int fd)
{
	return read_some(fd, 8191);
}

static int wait_status(const struct run *r)
{
	int status = 0;
	assert_int_equal(waitpid(r->first, &status, 0), r->first);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Tells what it has become, waits to be asked once more, and answers. */
static int serve(const struct run *r)
{
	char link[64] = "", byte, name[32];
	int given = dup(STDERR_FILENO); /* as by a shell: exec 9>lock */
	if (!detach_ready("porter runs in the background") || fcntl(given, F_GETFD) >= 0)
		return BROKEN;
	dprintf(r->from[1], "%s", getsid(0) == getpid() ? "leader" : "member");
	for (int fd = 0; fd < 3; fd++) {
		snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(name, link, sizeof link - 1);
		dprintf(r->from[1], " %.*s", (int)n, link);
	}
	dprintf(r->from[1], "\n");
	if (read(r->to[0], &byte, 1) == 1)
		dprintf(r->from[1], "%c", byte);
	return 0;
}

static void check_serving(bool closed, const char *out)
{
	struct run r = start(serve, closed);
	assert_string_equal(read_all(r.out[0]), out); /* its end, while the second lives */
	assert_string_equal(read_all(r.err[0]), "");
	assert_int_equal(wait_status(&r), 0);
	const char *told = "leader /dev/null /dev/null /dev/null\n";
	assert_string_equal(read_some(r.from[0], strlen(told)), told);
	assert_int_equal(write(r.to[1], "!", 1), 1); /* the first has died, the second not */
	assert_string_equal(read_all(r.from[0]), "!");
	finish(&r);
}

static void goes_on_in_the_background(void **state)
{
	(void)state;
	check_serving(false, "porter runs in the background\n");
}

static void begins_without_standard_descriptors(void **state)
{
	(void)state;
	check_serving(true, "");
}

static int complain(const struct run *r)
{
	(void)r;
	dprintf(STDERR_FILENO, "Error: the port is taken\n");
	return EXIT_PORT;
}

static void ends_with_the_status_of_the_one_that_failed(void **state)
{
	(void)state;
	struct run r = start(complain, false);
	assert_int_equal(wait_status(&r), EXIT_PORT);
	assert_string_equal(read_all(r.out[0]), "");
	assert_string_equal(read_all(r.err[0]), "Error: the port is taken\n");
	finish(&r);
}

static int succeed(const struct run *r)
{
	(void)r;
	return 0;
}

static int crash(const struct run *r)
{
	(void)r;
	return raise(SIGKILL);
}

static void ends_with_other_statuses(void **state)
{
	(void)state;
	struct run r = start(succeed, false);
	assert_int_equal(wait_status(&r), 0);
	finish(&r);
	r = start(crash, false);
	assert_int_equal(wait_status(&r), EXIT_BY_SIGNAL + SIGKILL);
	finish(&r);
}

static int hang(const struct run *r)
{
	dprintf(r->from[1], "on");
	return pause();
}

static void dies_with_who_waits(void **state)
{
	(void)state;
	static const int Signals[] = {SIGINT, SIGTERM, SIGHUP, SIGKILL};
	for (size_t i = 0; i < sizeof Signals / sizeof *Signals; i++) {
		struct run r = start(hang, false);
		assert_string_equal(read_some(r.from[0], 2), "on");
		kill(r.first, Signals[i]);
		assert_int_equal(wait_status(&r), -Signals[i]);
		assert_string_equal(read_all(r.from[0]), "");
		finish(&r);
	}
}

/* One that does not obey SIGTERM at once is told that nobody waits. */
static int come_late(const struct run *r)
{
	char byte;
	signal(SIGTERM, SIG_IGN);
	dprintf(r->from[1], "on");
	if (read(r->to[0], &byte, 1) == 1)
		dprintf(r->from[1], "%s", detach_ready("late") ? "told" : "nobody");
	return 0;
}

static void knows_that_nobody_waits(void **state)
{
	(void)state;
	struct run r = start(come_late, false);
	assert_string_equal(read_some(r.from[0], 2), "on");
	kill(r.first, SIGKILL);
	assert_int_equal(wait_status(&r), -SIGKILL);
	assert_int_equal(write(r.to[1], "!", 1), 1);
	assert_string_equal(read_all(r.from[0]), "nobody");
	finish(&r);
}

static int say_much(const struct run *r)
{
	static char much[10000];
	(void)r;
	memset(much, 'x', sizeof much - 1);
	return !detach_ready(much);
}

static int say_nothing(const struct run *r)
{
	(void)r;
	return !detach_ready("");
}

static void may_say_anything(void **state)
{
	(void)state;
	struct run r = start(say_nothing, false);
	assert_string_equal(read_all(r.out[0]), "\n");
	assert_int_equal(wait_status(&r), 0);
	finish(&r);
	r = start(say_much, false);
	size_t n = strlen(read_all(r.out[0]));
	assert_int_equal(wait_status(&r), 0);
	assert_true(n > 4096 && n < 8000); /* a path, at least */
	finish(&r);
}

static void leaves_alone_what_was_not_detached(void **state)
{
	(void)state;
	char before[64] = "", after[64] = "";
	assert_true(readlink("/proc/self/fd/2", before, sizeof before - 1) > 0);
	assert_true(detach_ready("nobody hears it"));
	assert_true(readlink("/proc/self/fd/2", after, sizeof after - 1) > 0);
	assert_string_equal(before, after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_on_in_the_background),
		cmocka_unit_test(begins_without_standard_descriptors),
		cmocka_unit_test(ends_with_the_status_of_the_one_that_failed),
		cmocka_unit_test(ends_with_other_statuses),
		cmocka_unit_test(dies_with_who_waits),
		cmocka_unit_test(knows_that_nobody_waits),
		cmocka_unit_test(may_say_anything),
		cmocka_unit_test(leaves_alone_what_was_not_detached),
	};
	return cmocka_run_group_tests_name("detach", tests, NULL, NULL);
}
