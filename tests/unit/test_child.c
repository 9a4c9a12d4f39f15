/* child.c on the loop: real programs and forked functions, each to its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "child.h"
#include "loop.h"

enum { LONG_MS = 60000, LIMIT_MS = 2000, PATIENCE_MS = 30000 };

static struct rlimit Files; /* as the test found it */

/* What was told of a child, its output as text. */
struct told {
	unsigned times;
	enum child_how how;
	int value;
	size_t out_len, err_len;
	char out[4096], err[4096];
};

static void keep_text(char *to, size_t size, const struct buf *b)
{
	size_t n = buf_len(b) < size - 1 ? buf_len(b) : size - 1;
	memcpy(to, buf_data(b), n);
	to[n] = '\0';
}

static void on_end(void *owner, struct child_end *end)
{
	struct told *t = owner;
	t->times++;
	t->how = end->how;
	t->value = end->value;
	t->out_len = buf_len(&end->out);
	t->err_len = buf_len(&end->err);
	keep_text(t->out, sizeof t->out, &end->out);
	keep_text(t->err, sizeof t->err, &end->err);
	loop_stop();
}

static struct told run(struct child_spec spec)
{
	struct told t = {0};
	spec.limit_ms = spec.limit_ms ? spec.limit_ms : LONG_MS;
	spec.output_max = spec.output_max ? spec.output_max : 1 << 20;
	child_start(&spec, on_end, &t);
	assert_int_equal(t.times, 0); /* never from inside the call */
	loop_run();
	assert_int_equal(t.times, 1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* reaped */
	assert_int_equal(errno, ECHILD);
	return t;
}

static struct told run_shell(const char *script)
{
	return run((struct child_spec){.argv = (const char *[]){"sh", "-c", script, NULL}});
}

/* Waits until no process has the other end of this pipe open. */
static void wait_for_end_of(int fd)
{
	char byte;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(read(fd, &byte, 1), 0);
}

static void on_wake(struct timer *timer)
{
	(void)timer;
	loop_stop();
}

static void run_loop_for(int64_t ms)
{
	struct timer t = {.on = on_wake};
	timer_after(&t, ms);
	loop_run();
	timer_stop(&t);
}

static void tells_output_and_status(void **state)
{
	(void)state;
	struct told t = run_shell("printf out; printf err >&2; exit 7");
	assert_int_equal(t.how, CHILD_EXITED);
	assert_int_equal(t.value, 7);
	assert_string_equal(t.out, "out");
	assert_string_equal(t.err, "err");
}

static void tells_the_signal_it_died_of(void **state)
{
	(void)state;
	struct told t = run_shell("kill -USR1 $$");
	assert_int_equal(t.how, CHILD_SIGNALLED);
	assert_int_equal(t.value, SIGUSR1);
}

static void tells_why_a_program_was_not_started(void **state)
{
	(void)state;
	struct told t = run((struct child_spec){.argv = (const char *[]){"no-such-program", NULL}});
	assert_int_equal(t.how, CHILD_NOT_STARTED);
	assert_int_equal(t.value, ENOENT);
	t = run((struct child_spec){.argv = (const char *[]){"/etc/passwd", NULL}});
	assert_int_equal(t.how, CHILD_NOT_STARTED);
	assert_int_equal(t.value, EACCES);
}

static void tells_from_the_loop_that_there_are_no_descriptors(void **state)
{
	(void)state;
	struct told t = {0};
	struct rlimit now, none;
	getrlimit(RLIMIT_NOFILE, &now);
	none = (struct rlimit){.rlim_cur = 4, .rlim_max = now.rlim_max};
	struct child_spec spec = {.argv = (const char *[]){"true", NULL}, .output_max = 1};
	loop_on_signal(SIGCHLD, NULL); /* so that the loop needs no descriptor more */
	setrlimit(RLIMIT_NOFILE, &none);
	child_start(&spec, on_end, &t);
	setrlimit(RLIMIT_NOFILE, &now);
	assert_int_equal(t.times, 0);
	loop_run();
	assert_int_equal(t.times, 1);
	assert_int_equal(t.how, CHILD_NOT_STARTED);
	assert_int_equal(t.value, EMFILE);
}

static void reads_both_pipes_to_their_ends(void **state)
{
	(void)state;
	struct told t = run_shell("head -c 700000 /dev/zero >&2; head -c 600000 /dev/zero");
	assert_int_equal(t.how, CHILD_EXITED);
	assert_int_equal(t.out_len, 600000);
	assert_int_equal(t.err_len, 700000);
}

static void stops_at_too_much_output(void **state)
{
	(void)state;
	const char *argv[] = {"sh", "-c", "head -c 5000 /dev/zero; exit 3", NULL};
	struct told t = run((struct child_spec){.argv = argv, .output_max = 5000});
	assert_int_equal(t.how, CHILD_EXITED);
	assert_int_equal(t.out_len, 5000);
	t = run((struct child_spec){.argv = argv, .output_max = 4999});
	assert_int_equal(t.how, CHILD_TOO_MUCH);
	assert_int_equal(t.out_len, 4999);
	t = run((struct child_spec){.argv = (const char *[]){"yes", NULL}});
	assert_int_equal(t.how, CHILD_TOO_MUCH);
}

/* The descriptor that the group inherits shows when all of it is gone. */
static void kills_the_whole_group_at_the_limit(void **state)
{
	(void)state;
	char path[] = "/tmp/test_child.XXXXXX";
	assert_non_null(mkdtemp(path));
	char fifo[64], script[128];
	snprintf(fifo, sizeof fifo, "%s/fifo", path);
	snprintf(script, sizeof script, "exec 5>%s; sleep 1000 & sleep 1000", fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	int fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	const char *argv[] = {"sh", "-c", script, NULL};
	struct told t = run((struct child_spec){.argv = argv, .limit_ms = LIMIT_MS});
	assert_int_equal(t.how, CHILD_TIMED_OUT);
	wait_for_end_of(fd);
	close(fd);
	unlink(fifo);
	rmdir(path);
}

/* Whatever was left behind in its group holds the end up until the limit, and
 * is killed then; what left the group holds it up no longer either. */
static void is_not_held_up_for_ever_by_those_left_behind(void **state)
{
	(void)state;
	static const char *const Scripts[] = {
		"sleep 1000 & echo $!; exit 4", "setsid sleep 1000 & echo $!; exit 4"};
	for (int i = 0; i < 2; i++) {
		const char *argv[] = {"sh", "-c", Scripts[i], NULL};
		struct told t = run((struct child_spec){.argv = argv, .limit_ms = LIMIT_MS});
		assert_int_equal(t.how, CHILD_EXITED);
		assert_int_equal(t.value, 4);
		assert_true(atoi(t.out) > 0);
		if (i == 1)
			assert_int_equal(kill(atoi(t.out), SIGKILL), 0);
	}
}

static void waits_for_no_descendant_that_closed_its_output(void **state)
{
	(void)state;
	struct told t = run_shell("sleep 1000 >/dev/null 2>&1 & echo $!");
	assert_int_equal(t.how, CHILD_EXITED);
	assert_int_equal(kill(atoi(t.out), SIGKILL), 0); /* and leaves it alone */
}

/* As a browser does that a login has opened.  There is no limit here. */
static void waits_for_no_descendant_that_has_its_stderr_alone(void **state)
{
	(void)state;
	struct told t = {0};
	const char *argv[] = {
		"sh", "-c", "sleep 1000 >/dev/null & echo err >&2; echo $!; exit 4", NULL};
	child_start(&(struct child_spec){.argv = argv, .output_max = 100}, on_end, &t);
	run_loop_for(PATIENCE_MS);
	assert_int_equal(t.times, 1);
	assert_int_equal(t.value, 4);
	assert_string_equal(t.err, "err\n");
	assert_int_equal(kill(atoi(t.out), SIGKILL), 0);
}

static void reads_what_is_left_of_stderr_when_it_has_died(void **state)
{
	(void)state;
	struct told t = {0};
	const char *argv[] = {"sh", "-c", "head -c 60000 /dev/zero >&2", NULL};
	struct child_spec spec = {.argv = argv, .output_max = 60000, .limit_ms = LONG_MS};
	siginfo_t info;
	child_start(&spec, on_end, &t);
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
	loop_run();
	assert_int_equal(t.how, CHILD_EXITED);
	assert_int_equal(t.err_len, 60000);
}

static int say_and_return(void *arg)
{
	dprintf(STDOUT_FILENO, "%s", (const char *)arg);
	dprintf(STDERR_FILENO, "oops");
	return 5;
}

static void runs_a_function(void **state)
{
	(void)state;
	char word[] = "hello";
	struct told t = run((struct child_spec){.run = say_and_return, .arg = word});
	assert_int_equal(t.how, CHILD_EXITED);
	assert_int_equal(t.value, 5);
	assert_string_equal(t.out, "hello");
	assert_string_equal(t.err, "oops");
}

/* The descriptors there are, "0 1 2 ", but for the one that looks. */
static int list_descriptors(void *arg)
{
	(void)arg;
	DIR *dir = opendir("/proc/self/fd");
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (*e->d_name != '.' && atoi(e->d_name) != dirfd(dir))
			dprintf(STDOUT_FILENO, "%s ", e->d_name);
	return 0;
}

static void has_no_descriptor_of_ours(void **state)
{
	(void)state;
	int low = dup(STDOUT_FILENO), high = fcntl(low, F_DUPFD, 300);
	assert_true(low >= 0 && high >= 300);
	struct told t = run((struct child_spec){.run = list_descriptors});
	assert_string_equal(t.out, "0 1 2 ");
	t = run_shell("ls /proc/$$/fd; true");
	assert_string_equal(t.out, "0\n1\n2\n");
	t = run((struct child_spec){.argv = (const char *[]){"cat", NULL}}); /* stdin is empty */
	assert_int_equal(t.value, 0);
	close(low);
	close(high);
}

/* Even where the pipes come to lie on the standard descriptors. */
static void starts_when_our_standard_descriptors_are_closed(void **state)
{
	(void)state;
	int saved[3];
	for (int i = 0; i < 3; i++)
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 100);
	for (int i = 0; i < 3; i++)
		close(i);
	struct told t = run_shell("echo out; echo err >&2; cat; exit 6");
	for (int i = 0; i < 3; i++) {
		dup2(saved[i], i);
		close(saved[i]);
	}
	assert_int_equal(t.how, CHILD_EXITED);
	assert_int_equal(t.value, 6);
	assert_string_equal(t.out, "out\n");
	assert_string_equal(t.err, "err\n");
}

static int tell_what_it_has(void *arg)
{
	struct rlimit files;
	struct sigaction on_pipe;
	sigset_t mask;
	(void)arg;
	getrlimit(RLIMIT_NOFILE, &files);
	sigaction(SIGPIPE, NULL, &on_pipe);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	return files.rlim_cur == Files.rlim_cur && on_pipe.sa_handler == SIG_DFL &&
	       !sigismember(&mask, SIGCHLD) && !sigismember(&mask, SIGTERM) &&
	       sigismember(&mask, SIGUSR2) && getpgrp() == getpid();
}

static void gets_back_what_porter_changed(void **state)
{
	(void)state;
	struct rlimit files = {.rlim_cur = Files.rlim_cur + 1, .rlim_max = Files.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(tell_what_it_has(NULL), 0);
	struct told t = run((struct child_spec){.run = tell_what_it_has});
	setrlimit(RLIMIT_NOFILE, &Files);
	assert_int_equal(t.value, 1);
}

static void has_the_environment_it_is_given(void **state)
{
	(void)state;
	const char *argv[] = {"sh", "-c", "echo \"$WORD-$HOME\"", NULL};
	setenv("WORD", "ours", 1);
	setenv("HOME", "/home/us", 1);
	assert_string_equal(run((struct child_spec){.argv = argv}).out, "ours-/home/us\n");
	const char *env[] = {"WORD=given", NULL};
	assert_string_equal(run((struct child_spec){.argv = argv, .env = env}).out, "given-\n");
}

static void says_nothing_after_it_is_killed(void **state)
{
	(void)state;
	struct told t = {0};
	siginfo_t info;
	struct child_spec spec = {.argv = (const char *[]){"sleep", "1000", NULL}, .output_max = 1};
	child_kill(child_start(&spec, on_end, &t));
	spec.argv = (const char *[]){"no-such-program", NULL};
	child_kill(child_start(&spec, on_end, &t));
	/* dead already, but its output is held open */
	spec.argv = (const char *[]){"sh", "-c", "sleep 1000 & exit 0", NULL};
	struct child *held = child_start(&spec, on_end, &t);
	run_loop_for(300);
	child_kill(held);
	for (int i = 0; !waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT); i++) {
		assert_true(i < PATIENCE_MS / 10);
		run_loop_for(10);
	}
	assert_int_equal(t.times, 0);
}

static struct child *Killed;

static void kill_from_inside(void *owner, struct child_end *end)
{
	on_end(owner, end);
	child_kill(Killed);
}

static void may_be_killed_by_its_own_handler(void **state)
{
	(void)state;
	struct told t = {0};
	struct child_spec spec = {.argv = (const char *[]){"true", NULL}, .output_max = 1};
	Killed = child_start(&spec, kill_from_inside, &t);
	loop_run();
	run_loop_for(1);
	assert_int_equal(t.times, 1);
}

static void count_end(void *owner, struct child_end *end)
{
	unsigned *left = owner;
	assert_int_equal(end->how, CHILD_EXITED);
	if (!--*left)
		loop_stop();
}

/* One SIGCHLD may stand for several. */
static void tells_of_each_of_many(void **state)
{
	(void)state;
	enum { MANY = 40 };
	unsigned left = MANY;
	struct child_spec spec = {
		.argv = (const char *[]){"true", NULL}, .limit_ms = LONG_MS, .output_max = 1};
	for (int i = 0; i < MANY; i++)
		child_start(&spec, count_end, &left);
	loop_run();
	assert_int_equal(left, 0);
}

static void leaves_none_at_the_end(void **state)
{
	(void)state;
	struct told t = {0};
	struct child_spec spec = {.argv = (const char *[]){"sleep", "1000", NULL}, .output_max = 1};
	for (int i = 0; i < 3; i++)
		child_start(&spec, on_end, &t);
	child_end_all();
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	run_loop_for(1);
	assert_int_equal(t.times, 0);
}

/* A copy of this process stands for porter: it starts a child and is killed. */
static void check_death_with_porter(bool attached, const char *script, const char *last)
{
	int fd[2];
	char path[32], text[8] = "";
	assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
	snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), fd[1]);
	const char *argv[] = {"sh", "-c", script, path, NULL};
	pid_t porter = fork();
	if (!porter) {
		struct child_spec spec = {.argv = argv, .output_max = 100, .attached = attached};
		loop_init();
		child_start(&spec, on_end, NULL);
		for (;;)
			pause();
	}
	char byte = 0;
	assert_int_equal(read(fd[0], &byte, 1), 1); /* it runs */
	close(fd[1]);
	kill(porter, SIGKILL);
	assert_int_equal(waitpid(porter, NULL, 0), porter);
	if (*last)
		assert_int_equal(read(fd[0], text, sizeof text - 1), strlen(last));
	assert_string_equal(text, last);
	wait_for_end_of(fd[0]);
	close(fd[0]);
}

static void dies_with_porter(void **state)
{
	(void)state;
	check_death_with_porter(false, "trap '' TERM; exec >$0; printf x; exec sleep 1000", "");
}

static void is_asked_to_end_with_porter_if_attached(void **state)
{
	(void)state;
	check_death_with_porter(true,
		"exec >$0; trap 'printf bye; exit' TERM; printf x; while :; do sleep 0.1; done",
		"bye");
}

/* What is attached has all of porter's, but what porter changed or opened. */
static void stands_in_porters_place_if_attached(void **state)
{
	(void)state;
	enum { GIVEN = 300, OURS };
	int out[2], saved = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, OURS);
	char text[256] = "", expected[64];
	struct rlimit core;
	const char *argv[] = {"sh", "-c",
		"cut -d' ' -f5 /proc/$$/stat; ulimit -Sn; ulimit -Sc;"
		"ls /proc/$$/fd | grep '^30[01]'; exit 5",
		NULL};
	assert_int_equal(saved, OURS);
	assert_int_equal(fcntl(STDIN_FILENO, F_DUPFD, GIVEN), GIVEN); /* by who started porter */
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	getrlimit(RLIMIT_CORE, &core);
	setrlimit(RLIMIT_CORE,
		&(struct rlimit){.rlim_cur = core.rlim_max, .rlim_max = core.rlim_max});
	dup2(out[1], STDOUT_FILENO);
	struct told t = run((struct child_spec){.argv = argv, .attached = true});
	fcntl(out[0], F_SETFL, O_NONBLOCK); /* all there will be is there */
	dup2(saved, STDOUT_FILENO);
	setrlimit(RLIMIT_CORE, &core);
	assert_true(read(out[0], text, sizeof text - 1) > 0);
	snprintf(expected, sizeof expected, "%d\n%d\n0\n300\n", getpgrp(), (int)Files.rlim_cur);
	assert_string_equal(text, expected);
	assert_int_equal(t.how, CHILD_EXITED);
	assert_int_equal(t.value, 5);
	assert_int_equal(t.out_len + t.err_len, 0);
	for (int fds[] = {out[0], out[1], saved, GIVEN}, i = 0; i < 4; i++)
		close(fds[i]);
}

/* In a process that stands for porter: it has the terminal, and no cmocka. */
_Noreturn static void let_one_ask(const char *terminal)
{
	struct told t = {0};
	const char *argv[] = {"sh", "-c",
		"stty -echo; printf 'password: ' >&2; read -r word;"
		"echo $word; ls /proc/$$/fd; kill -KILL $$",
		NULL};
	struct child_spec spec = {
		.argv = argv, .asking = true, .limit_ms = LONG_MS, .output_max = sizeof t.out};
	setsid();
	int fd = open(terminal, O_RDWR); /* the session's, from now on */
	dup2(fd, STDIN_FILENO);
	dup2(fd, STDERR_FILENO);
	loop_init();
	child_start(&spec, on_end, &t);
	loop_run();
	bool well = t.how == CHILD_SIGNALLED && t.value == SIGKILL && !t.err_len &&
		    !strcmp(t.out, "sesame\n0\n1\n2\n");
	_exit(well ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void asks_at_the_terminal_and_answers_us(void **state)
{
	(void)state;
	int status, master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char text[64] = "", terminal[64];
	struct termios modes;
	assert_true(master >= 0);
	assert_int_equal(grantpt(master) | unlockpt(master), 0);
	assert_int_equal(ptsname_r(master, terminal, sizeof terminal), 0);
	pid_t porter = fork();
	if (!porter)
		let_one_ask(terminal);
	for (size_t n = 0; !strstr(text, "password: "); n = strlen(text))
		assert_true(read(master, text + n, sizeof text - 1 - n) > 0);
	assert_int_equal(tcgetattr(master, &modes), 0);
	assert_false(modes.c_lflag & ECHO);
	assert_int_equal(write(master, "sesame\n", 7), 7);
	assert_int_equal(waitpid(porter, &status, 0), porter);
	assert_int_equal(status, 0);
	assert_int_equal(tcgetattr(master, &modes), 0);
	assert_true(modes.c_lflag & ECHO);
	close(master);
}

/* Both of its descriptors are the socket, and it has no other of ours. */
static void has_a_socket_for_stdin_and_stdout(void **state)
{
	int fd[2];
	char got[16] = "";
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	assert_int_equal(write(fd[0], "question\n", 9), 9);
	struct told t = run((struct child_spec){
		.argv = (const char *[]){"sh", "-c",
			"read x; ls /proc/self/fd | wc -l >&2; echo re: $x; exit 3", NULL},
		.socket = fd[1]});
	close(fd[1]);
	assert_int_equal(t.value, 3);
	assert_string_equal(t.out, "");
	assert_string_equal(t.err, "4\n"); /* ls has one of its own */
	assert_int_equal(read(fd[0], got, sizeof got - 1), 13);
	assert_string_equal(got, "re: question\n");
	assert_int_equal(read(fd[0], got, 1), 0);
	close(fd[0]);
}

static void keeps_the_last_of_stderr_beside_a_socket(void **state)
{
	int fd[2];
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	struct told t =
		run((struct child_spec){.argv = (const char *[]){"sh", "-c",
						"yes | head -c 300000 >&2; printf end >&2", NULL},
			.socket = fd[1],
			.output_max = 7});
	assert_int_equal(t.how, CHILD_EXITED);
	assert_string_equal(t.err, "y\ny\nend");
	close(fd[0]);
	close(fd[1]);
}

static void is_killed_when_it_was_left_for_too_long(void **state)
{
	int end[2];
	struct told t = {0};
	(void)state;
	assert_int_equal(pipe2(end, O_CLOEXEC), 0);
	struct child *c =
		child_start(&(struct child_spec){.argv = (const char *[]){"sleep", "1000", NULL},
				    .socket = end[1]},
			on_end, &t);
	close(end[1]);
	child_leave(c, 10);
	while (!waitid(
		P_ALL, 0, &(siginfo_t){0}, WEXITED | WNOHANG | WNOWAIT)) /* until it is reaped */
		run_loop_for(20);
	wait_for_end_of(end[0]);
	assert_int_equal(t.times, 0);
	close(end[0]);
}

static void has_the_signal_it_is_sent(void **state)
{
	(void)state;
	struct told t = {0};
	const char *argv[] = {"sh", "-c", "kill -STOP $$; exit 1", NULL};
	struct child_spec spec = {.argv = argv, .output_max = 1, .limit_ms = LONG_MS};
	struct child *c = child_start(&spec, on_end, &t);
	child_signal(c, SIGUSR1); /* whether it is stopped yet or not */
	child_signal(c, SIGCONT);
	loop_run();
	assert_int_equal(t.how, CHILD_SIGNALLED);
	assert_int_equal(t.value, SIGUSR1);
}

static int set_up(void **state)
{
	sigset_t some;
	struct rlimit no_core;
	(void)state;
	getrlimit(RLIMIT_CORE, &no_core);
	no_core.rlim_cur = 0;
	signal(SIGCHLD, SIG_IGN); /* as a careless parent leaves it */
	sigemptyset(&some);
	sigaddset(&some, SIGUSR2);
	sigprocmask(SIG_BLOCK, &some, NULL);
	getrlimit(RLIMIT_NOFILE, &Files);
	Files.rlim_cur = 512;
	setrlimit(RLIMIT_NOFILE, &Files);
	setrlimit(RLIMIT_CORE, &no_core);
	child_init();
	loop_init();
	signal(SIGPIPE, SIG_IGN);
	loop_on_signal(SIGTERM, NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_output_and_status),
		cmocka_unit_test(tells_the_signal_it_died_of),
		cmocka_unit_test(tells_why_a_program_was_not_started),
		cmocka_unit_test(tells_from_the_loop_that_there_are_no_descriptors),
		cmocka_unit_test(reads_both_pipes_to_their_ends),
		cmocka_unit_test(stops_at_too_much_output),
		cmocka_unit_test(kills_the_whole_group_at_the_limit),
		cmocka_unit_test(is_not_held_up_for_ever_by_those_left_behind),
		cmocka_unit_test(waits_for_no_descendant_that_closed_its_output),
		cmocka_unit_test(waits_for_no_descendant_that_has_its_stderr_alone),
		cmocka_unit_test(reads_what_is_left_of_stderr_when_it_has_died),
		cmocka_unit_test(runs_a_function),
		cmocka_unit_test(has_no_descriptor_of_ours),
		cmocka_unit_test(starts_when_our_standard_descriptors_are_closed),
		cmocka_unit_test(gets_back_what_porter_changed),
		cmocka_unit_test(has_the_environment_it_is_given),
		cmocka_unit_test(says_nothing_after_it_is_killed),
		cmocka_unit_test(may_be_killed_by_its_own_handler),
		cmocka_unit_test(tells_of_each_of_many),
		cmocka_unit_test(leaves_none_at_the_end),
		cmocka_unit_test(dies_with_porter),
		cmocka_unit_test(is_asked_to_end_with_porter_if_attached),
		cmocka_unit_test(stands_in_porters_place_if_attached),
		cmocka_unit_test(asks_at_the_terminal_and_answers_us),
		cmocka_unit_test(has_a_socket_for_stdin_and_stdout),
		cmocka_unit_test(keeps_the_last_of_stderr_beside_a_socket),
		cmocka_unit_test(is_killed_when_it_was_left_for_too_long),
		cmocka_unit_test(has_the_signal_it_is_sent),
	};
	return cmocka_run_group_tests_name("child", tests, set_up, NULL);
}
