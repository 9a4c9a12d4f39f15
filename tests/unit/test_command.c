/* command.c with real programs: what they find, what they are sent, how they end. */
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_loop.h"

#include "child.h"
#include "command.h"
#include "exit.h"

enum { NONE = -1 };

static const struct command_forward Two[] = {{"api", "127.0.0.1", 8080}, {"my-db.2", "::1", 5432}};

static int Status; /* what was told; NONE: nothing yet */
static int Out[2]; /* a pipe in the place of stdout */
static int Saved_out;

static void on_end(void *owner, int status)
{
	assert_ptr_equal(owner, &Status);
	assert_int_equal(Status, NONE);
	Status = status;
	loop_stop();
}

static bool has_ended(void)
{
	return Status != NONE;
}

static void start(const char *const *argv)
{
	struct command_spec spec = {argv, Two, 2};
	Status = NONE;
	command_start(&spec, on_end, &Status);
	assert_int_equal(Status, NONE); /* never from inside the call */
}

static void start_shell(const char *script)
{
	start((const char *[]){"sh", "-c", script, NULL});
}

static int run(const char *const *argv)
{
	start(argv);
	assert_true(loop_until(has_ended));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* reaped */
	return Status;
}

static int run_shell(const char *script)
{
	return run((const char *[]){"sh", "-c", script, NULL});
}

/* Waits until the command has written so much, all of which is `expected`. */
static void expect_output(const char *expected)
{
	char text[512];
	size_t got = 0, n = strlen(expected);
	while (got < n) {
		struct pollfd p = {.fd = Out[0], .events = POLLIN};
		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		ssize_t some = read(Out[0], text + got, n - got);
		assert_true(some > 0);
		got += (size_t)some;
	}
	assert_memory_equal(text, expected, n);
}

static int redirect(void **state)
{
	(void)state;
	fflush(stdout);
	Saved_out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 100);
	return Saved_out < 0 || pipe2(Out, O_CLOEXEC) || dup2(Out[1], STDOUT_FILENO) < 0;
}

static int restore(void **state)
{
	(void)state;
	dup2(Saved_out, STDOUT_FILENO);
	close(Saved_out);
	close(Out[0]);
	close(Out[1]);
	return 0;
}

/* ---- before it starts ---- */

static int check(const char *program, const struct command_forward *f, size_t n, struct err *e)
{
	struct command_spec spec = {(const char *[]){program, NULL}, f, n};
	*e = (struct err){0};
	int status = command_check(&spec, e);
	assert_int_equal(status != 0, e->kind != ERR_NONE);
	return status;
}

static void finds_names_that_would_be_shared(void **state)
{
	(void)state;
	struct err e;
	const struct command_forward same[] = {
		{"db", "::1", 1}, {"my-api", "::1", 2}, {"My api", "::1", 3}};
	const struct command_forward close_by[] = {
		{"db", "::1", 1}, {"db_port", "::1", 2}, {"db-addr", "::1", 3}};
	assert_int_equal(check("sh", same, 3, &e), EXIT_COMMAND_PORTER);
	assert_string_equal(e.text,
		"forwards 'my-api' and 'My api' would both be PORTER_MY_API_PORT "
		"to the command: one needs another name");
	assert_int_equal(check("sh", same, 2, &e), 0);
	assert_int_equal(check("sh", close_by, 3, &e), 0);
	assert_int_equal(check("sh", NULL, 0, &e), 0);
}

static void finds_programs_that_cannot_be_run(void **state)
{
	(void)state;
	struct err e;
	char *path = strdup(getenv("PATH"));
	assert_int_equal(check("no-such-program", Two, 2, &e), EXIT_COMMAND_NOT_FOUND);
	assert_string_equal(e.text, "cannot run 'no-such-program': there is no such command");
	assert_int_equal(check("/no/such/program", Two, 2, &e), EXIT_COMMAND_NOT_FOUND);
	assert_int_equal(check("/etc/passwd/sh", Two, 2, &e), EXIT_COMMAND_NOT_FOUND);
	assert_int_equal(check("", Two, 2, &e), EXIT_COMMAND_NOT_FOUND);
	assert_int_equal(check("/etc/passwd", Two, 2, &e), EXIT_COMMAND_NOT_RUN);
	assert_int_equal(check("/etc", Two, 2, &e), EXIT_COMMAND_NOT_RUN);
	assert_int_equal(check("/bin/sh", Two, 2, &e), 0);
	setenv("PATH", "/nowhere:/etc:/nowhere", 1);
	assert_int_equal(check("sh", Two, 2, &e), EXIT_COMMAND_NOT_FOUND);
	assert_int_equal(check("passwd", Two, 2, &e), EXIT_COMMAND_NOT_RUN);
	setenv("PATH", "/etc:/nowhere::/bin", 1);
	assert_int_equal(check("sh", Two, 2, &e), 0);
	unsetenv("PATH");
	assert_int_equal(check("sh", Two, 2, &e), 0);
	setenv("PATH", path, 1);
	free(path);
}

/* ---- what it has ---- */

static void has_the_forwards_in_its_environment(void **state)
{
	(void)state;
	setenv("PORTER_API_PORT", "of a porter around us", 1);
	setenv("PORTER_API_PORTS", "of somebody else", 1);
	assert_int_equal(run_shell("tr '\\0' '\\n' </proc/$$/environ | grep ^PORTER_ | sort"), 0);
	expect_output("PORTER_API_ADDR=127.0.0.1\nPORTER_API_PORT=8080\n"
		      "PORTER_API_PORTS=of somebody else\n"
		      "PORTER_MY_DB_2_ADDR=::1\nPORTER_MY_DB_2_PORT=5432\n");
	assert_string_equal(getenv("PORTER_API_PORT"), "of a porter around us");
	assert_null(getenv("PORTER_API_ADDR"));
}

static void has_one_character_for_each_of_a_name(void **state)
{
	(void)state;
	const struct command_forward odd = {"Z\xc3\xbcrich\xff", "::1", 1};
	const char *argv[] = {"sh", "-c", "echo $PORTER_Z_RICH__PORT", NULL};
	struct command_spec spec = {argv, &odd, 1};
	Status = NONE;
	command_start(&spec, on_end, &Status);
	assert_true(loop_until(has_ended));
	expect_output("1\n");
}

static void has_our_standard_descriptors(void **state)
{
	(void)state;
	int in[2], saved_in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 100);
	int saved_err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 100);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(write(in[1], "in\n", 3), 3);
	close(in[1]);
	dup2(in[0], STDIN_FILENO);
	dup2(Out[1], STDERR_FILENO);
	int status = run_shell("cat; echo err >&2");
	dup2(saved_in, STDIN_FILENO);
	dup2(saved_err, STDERR_FILENO);
	assert_int_equal(status, 0);
	expect_output("in\nerr\n");
	for (int fds[] = {in[0], saved_in, saved_err}, i = 0; i < 3; i++)
		close(fds[i]);
}

/* ---- how it ends ---- */

static void ends_with_the_status_a_shell_would_have(void **state)
{
	(void)state;
	assert_int_equal(run((const char *[]){"true", NULL}), 0);
	assert_int_equal(run_shell("exit 37"), 37);
	assert_int_equal(run_shell("kill $$"), EXIT_BY_SIGNAL + SIGTERM);
	assert_int_equal(run_shell("kill -9 $$"), 137);
	assert_int_equal(run((const char *[]){"no-such-program", NULL}), 127);
	assert_int_equal(run((const char *[]){"/etc/passwd/sh", NULL}), 127);
	assert_int_equal(run((const char *[]){"/etc/passwd", NULL}), 126);
}

static void knows_the_statuses_of_porter_itself(void **state)
{
	(void)state;
	assert_int_equal(exit_of_command_mode(EXIT_NOT_READY), 124);
	assert_int_equal(exit_of_command_mode(EXIT_PORT), 125);
	assert_int_equal(exit_of_command_mode(EXIT_OK), 125); /* it never ran */
	for (int s = EXIT_COMMAND_LATE; s <= EXIT_BY_SIGNAL; s++)
		assert_non_null(exit_command_meaning((enum exit_command)s));
	for (int s = EXIT_OK; s < EXIT_STATUSES; s++)
		assert_non_null(exit_meaning((enum exit_status)s));
}

/* ---- signals ---- */

static void has_the_signals_that_are_sent_to_porter(void **state)
{
	static const int Sent[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
	static const char *const Said[] = {
		"TERM\n", "INT\n", "HUP\n", "QUIT\n", "USR1\n", "USR2\n"};
	(void)state;
	start_shell("for s in TERM INT HUP QUIT USR1 USR2; do trap \"echo $s\" $s; done; echo on;"
		    "while :; do sleep 0.02; done");
	expect_output("on\n");
	for (size_t i = 0; i < sizeof Sent / sizeof *Sent; i++) {
		kill(getpid(), Sent[i]);
		loop_until_quiet();
		expect_output(Said[i]);
		assert_int_equal(Status, NONE);
	}
	child_end_all();
	assert_int_equal(Status, NONE);
}

static void dies_of_what_porter_is_told_to_die_of(void **state)
{
	(void)state;
	start_shell("echo on; exec sleep 1000");
	expect_output("on\n");
	kill(getpid(), SIGTERM);
	assert_true(loop_until(has_ended));
	assert_int_equal(Status, 128 + SIGTERM);
	kill(getpid(), SIGTERM); /* nobody's any more */
	loop_until_quiet();
}

/* A porter that leads the session of a terminal, with a command in its foreground. */
_Noreturn static void lead_a_session(int master, const char *script)
{
	setsid();
	if (open(ptsname(master), O_RDWR) < 0) /* becomes its controlling terminal */
		_exit(99);
	close(master);
	child_init();
	loop_init();
	start_shell(script);
	_exit(loop_until(has_ended) ? Status : 98);
}

static pid_t start_on_terminal(const char *script, int *master)
{
	*master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(*master >= 0 && !grantpt(*master) && !unlockpt(*master));
	pid_t porter = fork();
	if (!porter)
		lead_a_session(*master, script);
	expect_output("on\n");
	return porter;
}

static int status_of(pid_t pid)
{
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* One that has left the group would be reached by what porter passes on only. */
static void has_a_terminals_signals_once(void **state)
{
	(void)state;
	int master;
	pid_t porter = start_on_terminal(
		"trap 'exit 5' INT; echo on; while :; do sleep 0.02; done", &master);
	assert_int_equal(write(master, "\3", 1), 1);
	assert_int_equal(status_of(porter), 5);
	close(master);
	porter = start_on_terminal("exec setsid sh -c 'trap \"exit 9\" INT; trap \"exit 1\" USR1;"
				   "echo on; while :; do sleep 0.02; done'",
		&master);
	assert_int_equal(write(master, "\3", 1), 1);
	kill(porter, SIGUSR1);
	assert_int_equal(status_of(porter), 1);
	close(master);
}

static void is_told_when_the_terminal_hangs_up(void **state)
{
	(void)state;
	int master;
	pid_t porter = start_on_terminal(
		"trap 'exit 7' HUP; echo on; while :; do sleep 0.02; done", &master);
	close(master);
	assert_int_equal(status_of(porter), 7);
}

static int set_up(void **state)
{
	(void)state;
	child_init();
	loop_init();
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	child_end_all();
	loop_end();
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, redirect, restore)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_names_that_would_be_shared),
		cmocka_unit_test(finds_programs_that_cannot_be_run),
		TEST(has_the_forwards_in_its_environment),
		TEST(has_one_character_for_each_of_a_name),
		TEST(has_our_standard_descriptors),
		TEST(ends_with_the_status_a_shell_would_have),
		cmocka_unit_test(knows_the_statuses_of_porter_itself),
		TEST(has_the_signals_that_are_sent_to_porter),
		TEST(dies_of_what_porter_is_told_to_die_of),
		TEST(has_a_terminals_signals_once),
		TEST(is_told_when_the_terminal_hangs_up),
	};
	return cmocka_run_group_tests_name("command", tests, set_up, tear_down);
}
