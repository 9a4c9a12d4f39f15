/* plugin.c on the loop: shell scripts as plugins, each to its end. */
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

#include "child.h"
#include "plugin.h"
#include "test_loop.h"

#define ANSWER(status)                                                                             \
	"echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","   \
	"\"status\":" status "}'"

enum { LIMIT_MS = 2000 };

static char Folder[] = "/tmp/porter-plugin-XXXXXX";
static char Path[64];
static char Version[] = "client.authentication.k8s.io/v1", Name[] = "test-login";
static char Server[] = "https://k8s.example";

/* ---- a plugin ---- */

/* `script` behind the first line of a shell script, in the folder of PATH. */
static void write_plugin(const char *script, mode_t mode)
{
	FILE *f = fopen(Path, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", script);
	fclose(f);
	assert_int_equal(chmod(Path, mode), 0);
}

static struct kubeconfig_exec plugin(const char *script)
{
	write_plugin(script, 0700);
	return (struct kubeconfig_exec){
		.api_version = Version, .command = Name, .interactive = KUBECONFIG_IF_AVAILABLE};
}

/* ---- what is told ---- */

static struct told {
	unsigned calls;
	struct err err;
	char token[256], cert[64], key[64];
	int64_t until_ms;
} Told;

static void keep(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text ? text : "");
}

static void on_plugin(void *owner, struct exec_credential *c, const struct err *e)
{
	assert_ptr_equal(owner, &Told);
	Told.calls++;
	Told.err = *e;
	Told.until_ms = c->until_ms;
	keep(Told.token, sizeof Told.token, c->token.p);
	keep(Told.cert, sizeof Told.cert, c->cert);
	keep(Told.key, sizeof Told.key, c->key.p);
	assert_true(!e->kind == (c->token.n || c->cert));
	loop_stop();
}

static bool is_told(void)
{
	return Told.calls;
}

static struct plugin *start(struct kubeconfig_exec *x, bool terminal, int64_t limit_ms)
{
	struct kubeconfig k = {.exec = x, .server = Server};
	struct plugin_spec spec = {.k = &k, .terminal = terminal, .limit_ms = limit_ms};
	Told = (struct told){0};
	struct plugin *p = plugin_start(&spec, on_plugin, &Told);
	assert_false(is_told()); /* never from inside the call */
	return p;
}

static void run(struct kubeconfig_exec *x)
{
	start(x, false, 0);
	assert_true(loop_until(is_told));
	assert_int_equal(Told.calls, 1);
}

static void expect_error(enum err_kind kind, const char *text)
{
	assert_string_equal(Told.err.text, text);
	assert_int_equal(Told.err.kind, kind);
}

static void expect_token(const char *token)
{
	assert_string_equal(Told.err.text, "");
	assert_string_equal(Told.token, token);
}

/* ---- what it is given ---- */

static void gives_what_the_plugin_prints(void **state)
{
	(void)state;
	struct kubeconfig_exec x = plugin("echo some words >&2\n" ANSWER(
		"{\"token\":\"abc\",\"expirationTimestamp\":\"2999-01-01T00:00:00Z\"}"));
	run(&x);
	expect_token("abc");
	assert_true(Told.until_ms == 32472144000000);
	x = plugin(ANSWER("{\"clientCertificateData\":\"C\",\"clientKeyData\":\"K\"}"));
	run(&x);
	expect_token("");
	assert_string_equal(Told.cert, "C");
	assert_string_equal(Told.key, "K");
	assert_int_equal(Told.until_ms, 0);
}

static void has_its_arguments_and_an_empty_stdin(void **state)
{
	char one[] = "one", two[] = "two words", *args[] = {one, two, NULL};
	(void)state;
	struct kubeconfig_exec x = plugin("cat\n" ANSWER("{\"token\":\"'\"$#,$1,$2,$PWD\"'\"}"));
	char here[128], expected[160];
	x.args = args;
	run(&x);
	snprintf(expected, sizeof expected, "2,one,two words,%s", getcwd(here, sizeof here));
	expect_token(expected);
}

static void is_found_by_its_path(void **state)
{
	(void)state;
	struct kubeconfig_exec x = plugin(ANSWER("{\"token\":\"abc\"}"));
	x.command = Path;
	run(&x);
	expect_token("abc");
}

/* Each variable once, the kubeconfig's over porter's. */
static void has_the_kubeconfigs_variables_over_porters(void **state)
{
	char word[] = "WORD=given", more[] = "MORE=a=b", last[] = "WORD=last";
	char *env[] = {word, more, last, NULL};
	(void)state;
	struct kubeconfig_exec x =
		plugin("n=$(tr '\\0' '\\n' </proc/$$/environ | grep -cE "
		       "'^(WORD|KUBERNETES_EXEC_INFO)=')\n" ANSWER(
			       "{\"token\":\"'\"$n,$WORD,$WORDS,$MORE,$HOME\"'\"}"));
	setenv("WORDS", "ours", 1);
	setenv("WORD", "ours", 1);
	setenv("HOME", "/home/us", 1);
	setenv("KUBERNETES_EXEC_INFO", "of a porter in a plugin", 1);
	x.env = env;
	run(&x);
	expect_token("2,last,ours,a=b,/home/us");
	assert_string_equal(getenv("WORD"), "ours");
	unsetenv("KUBERNETES_EXEC_INFO");
}

static void is_told_what_is_wanted(void **state)
{
	char info[512] = "";
	(void)state;
	struct kubeconfig_exec x =
		plugin("printf '%s' \"$KUBERNETES_EXEC_INFO\" >\"$0.info\"\n" ANSWER(
			"{\"token\":\"abc\"}"));
	x.provide_cluster_info = true;
	run(&x);
	expect_token("abc");
	char path[sizeof Path + 8];
	snprintf(path, sizeof path, "%s.info", Path);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	assert_true(fread(info, 1, sizeof info - 1, f) > 0);
	fclose(f);
	unlink(path);
	assert_string_equal(info,
		"{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","
		"\"spec\":{\"cluster\":{\"server\":\"https://k8s.example\",\"config\":null},"
		"\"interactive\":false}}\n");
}

/* ---- what goes wrong ---- */

static void tells_where_there_is_no_program(void **state)
{
	char hint[] = "\nlogin is not there.\n\n  See https://login.example \n";
	(void)state;
	struct kubeconfig_exec x = plugin("");
	unlink(Path);
	run(&x);
	expect_error(ERR_LOCAL, "plugin test-login: no such program");
	assert_int_equal(Told.err.code, ENOENT);
	x.install_hint = hint;
	run(&x);
	expect_error(ERR_LOCAL, "plugin test-login: no such program: login is not there. See "
				"https://login.example");
}

static void tells_why_it_cannot_be_run(void **state)
{
	(void)state;
	struct kubeconfig_exec x = plugin("");
	x.command = Folder;
	char expected[96];
	snprintf(expected, sizeof expected, "plugin %s: cannot run it: Permission denied", Folder);
	run(&x);
	expect_error(ERR_LOCAL, expected);
	assert_int_equal(Told.err.code, EACCES);
}

static void tells_how_it_failed(void **state)
{
	static const struct {
		const char *script, *text;
	} Cases[] = {
		{ANSWER("{\"token\":\"SECRET\"}") "; exit 3", "plugin test-login: exit status 3"},
		{"echo one >&2; printf ' two\\033[31m \\n\\n' >&2; exit 1",
			"plugin test-login: two?[31m"},
		{"kill -TERM $$", "plugin test-login: killed by signal 15"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		struct kubeconfig_exec x = plugin(Cases[i].script);
		run(&x);
		expect_error(ERR_UNAUTHORIZED, Cases[i].text);
		assert_int_equal(Told.err.code, 0);
	}
}

static void tells_what_is_wrong_with_its_answer(void **state)
{
	(void)state;
	struct kubeconfig_exec x = plugin("echo SECRET");
	run(&x);
	expect_error(ERR_LOCAL,
		"plugin test-login: printed no ExecCredential: it is neither JSON nor YAML");
	x = plugin(ANSWER("{}"));
	run(&x);
	expect_error(ERR_LOCAL, "plugin test-login: gave neither a token nor a certificate");
}

static void tells_that_its_answer_has_expired(void **state)
{
	(void)state;
	struct kubeconfig_exec x = plugin(ANSWER(
		"{\"token\":\"SECRET\",\"expirationTimestamp\":\"2024-02-29T23:59:59+01:00\"}"));
	run(&x);
	expect_error(ERR_UNAUTHORIZED,
		"plugin test-login: what it gives has expired at 2024-02-29 22:59:59 UTC");
}

static void stops_it_when_it_prints_too_much(void **state)
{
	static const char *const Scripts[] = {
		"head -c 100000000 /dev/zero", "head -c 100000000 /dev/zero >&2"};
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct kubeconfig_exec x = plugin(Scripts[i]);
		run(&x);
		expect_error(ERR_LOCAL, "plugin test-login: more than 1024 KiB of output");
	}
}

/* ---- its descendants ---- */

/* A script that waits, with a child that does, and a descriptor that is open as long as
 * one of them lives; its other end. */
static struct kubeconfig_exec waiting_plugin(int *fd)
{
	char script[256], fifo[sizeof Path + 8];
	snprintf(fifo, sizeof fifo, "%s.fifo", Path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	*fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	snprintf(script, sizeof script, "exec 5>%s; rm %s; sleep 1000 & echo x >&5; sleep 1000",
		fifo, fifo);
	return plugin(script);
}

static void expect_end_of(int fd)
{
	char byte;
	struct pollfd p = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(read(fd, &byte, 1), 0);
	close(fd);
}

/* Until it has written its "x\n". */
static void expect_start_of(int fd)
{
	char text[2];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(read(fd, text, sizeof text), 2);
}

static void kills_all_of_it_at_the_limit(void **state)
{
	int fd;
	(void)state;
	struct kubeconfig_exec x = waiting_plugin(&fd);
	start(&x, false, LIMIT_MS);
	expect_start_of(fd);
	assert_true(loop_until(is_told));
	expect_error(ERR_NETWORK, "plugin test-login: not done within 2 s");
	assert_int_equal(Told.err.code, ETIMEDOUT);
	expect_end_of(fd);
}

static void kills_all_of_it_when_it_is_given_up(void **state)
{
	int fd;
	(void)state;
	struct kubeconfig_exec x = waiting_plugin(&fd);
	struct plugin *p = start(&x, false, 0);
	expect_start_of(fd);
	plugin_cancel(p);
	expect_end_of(fd);
	loop_until_quiet();
	assert_false(is_told());
}

/* One that was killed, and is a zombie for now, does not. */
static bool lives(int pid)
{
	char path[32], state = 'Z';
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	FILE *f = fopen(path, "r");
	if (!f)
		return false;
	bool known = fscanf(f, "%*d (%*[^)]) %c", &state) == 1;
	fclose(f);
	return known && state != 'Z';
}

/* As client-go does: it may be a daemon that keeps logins, or a browser. */
static void leaves_alone_what_a_plugin_leaves_behind(void **state)
{
	(void)state;
	struct kubeconfig_exec x =
		plugin("sleep 1000 >/dev/null & " ANSWER("{\"token\":\"'$!'\"}"));
	run(&x);
	assert_int_equal(Told.err.kind, ERR_NONE);
	assert_true(lives(atoi(Told.token)));
	assert_int_equal(kill(atoi(Told.token), SIGKILL), 0);
}

/* ---- terminals ---- */

static void refuses_one_that_needs_a_terminal_where_there_is_none(void **state)
{
	static const char Words[] =
		"plugin test-login: it needs a terminal: run it once by hand, or "
		"use a login that does not ask";
	(void)state;
	struct kubeconfig_exec x = plugin(ANSWER("{\"token\":\"abc\"}"));
	x.interactive = KUBECONFIG_ALWAYS;
	run(&x);
	expect_error(ERR_LOCAL, Words);
	plugin_cancel(start(&x, false, 0));
	loop_until_quiet();
	assert_false(is_told());
}

/* Stdin is a pipe with a word in it, stderr another: in the place of a terminal. */
static void run_at_terminal(enum kubeconfig_interactive mode, char *asked, size_t size)
{
	int in[2], err[2], saved[2] = {dup(STDIN_FILENO), dup(STDERR_FILENO)};
	struct kubeconfig_exec x =
		plugin("printf 'password: ' >&2; read -r word\n"
		       "info=${KUBERNETES_EXEC_INFO##*interactive?:}; info=${info%%\\}*}\n" ANSWER(
			       "{\"token\":\"'\"$word,$info\"'\"}"));
	x.interactive = mode;
	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(err, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(write(in[1], "sesame\n", 7), 7);
	dup2(in[0], STDIN_FILENO);
	dup2(err[1], STDERR_FILENO);
	start(&x, true, 0);
	bool told = loop_until(is_told);
	dup2(saved[0], STDIN_FILENO);
	dup2(saved[1], STDERR_FILENO);
	ssize_t n = read(err[0], asked, size - 1);
	asked[n > 0 ? n : 0] = '\0';
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(err[i]);
		close(saved[i]);
	}
	assert_true(told);
}

static void asks_at_a_terminal_if_it_may(void **state)
{
	static const enum kubeconfig_interactive Modes[] = {
		KUBECONFIG_IF_AVAILABLE, KUBECONFIG_ALWAYS};
	char asked[64];
	(void)state;
	for (int i = 0; i < 2; i++) {
		run_at_terminal(Modes[i], asked, sizeof asked);
		expect_token("sesame,true");
		assert_string_equal(asked, "password: ");
	}
	run_at_terminal(KUBECONFIG_NEVER, asked, sizeof asked);
	expect_token(",false");
	assert_string_equal(asked, "");
}

/* ---- the rest ---- */

static void take_token(void *owner, struct exec_credential *c, const struct err *e)
{
	assert_int_equal(e->kind, ERR_NONE);
	*(struct secret *)owner = c->token;
	c->token = (struct secret){0};
	Told.calls++;
	loop_stop();
}

static void leaves_a_handler_what_it_takes(void **state)
{
	struct secret token = {0};
	(void)state;
	struct kubeconfig_exec x = plugin(ANSWER("{\"token\":\"abc\"}"));
	struct kubeconfig k = {.exec = &x, .server = Server};
	Told = (struct told){0};
	plugin_start(&(struct plugin_spec){.k = &k}, take_token, &token);
	x = (struct kubeconfig_exec){0}; /* need not outlive the call */
	k = (struct kubeconfig){0};
	assert_true(loop_until(is_told));
	assert_string_equal(token.p, "abc");
	secret_free(&token);
}

static int set_up(void **state)
{
	char path[4096];
	(void)state;
	assert_non_null(mkdtemp(Folder));
	snprintf(Path, sizeof Path, "%s/%s", Folder, Name);
	snprintf(path, sizeof path, "%s:%s", Folder, getenv("PATH"));
	setenv("PATH", path, 1);
	child_init();
	loop_init();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	loop_until_quiet();
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* all are reaped */
	loop_end();
	unlink(Path);
	return rmdir(Folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_what_the_plugin_prints),
		cmocka_unit_test(leaves_a_handler_what_it_takes),
		cmocka_unit_test(has_its_arguments_and_an_empty_stdin),
		cmocka_unit_test(is_found_by_its_path),
		cmocka_unit_test(has_the_kubeconfigs_variables_over_porters),
		cmocka_unit_test(is_told_what_is_wanted),
		cmocka_unit_test(tells_where_there_is_no_program),
		cmocka_unit_test(tells_why_it_cannot_be_run),
		cmocka_unit_test(tells_how_it_failed),
		cmocka_unit_test(tells_what_is_wrong_with_its_answer),
		cmocka_unit_test(tells_that_its_answer_has_expired),
		cmocka_unit_test(stops_it_when_it_prints_too_much),
		cmocka_unit_test(kills_all_of_it_at_the_limit),
		cmocka_unit_test(kills_all_of_it_when_it_is_given_up),
		cmocka_unit_test(leaves_alone_what_a_plugin_leaves_behind),
		cmocka_unit_test(refuses_one_that_needs_a_terminal_where_there_is_none),
		cmocka_unit_test(asks_at_a_terminal_if_it_may),
	};
	return cmocka_run_group_tests_name("plugin", tests, set_up, tear_down);
}
