/* credential.c with real scripts as plugins: which credential counts and for how long,
 * how often a plugin is run and who is told, and what no field may hold. */
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
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "certs.h"
#include "child.h"
#include "credential.h"
#include "test_loop.h"
#include "test_plugin.h"

enum { LIFE_MS = 1000000, POLL_MS = 5, ASKERS = 3 };

static char File[] = "/tmp/porter-token-XXXXXX";

/* The user of most tests has a plugin. */
static char Version[] = LOGIN_VERSION, Server[] = "https://k8s.example";
static struct kubeconfig_exec Exec = {.api_version = Version, .command = LoginProgram};
static const struct kubeconfig Plugin = {.exec = &Exec, .server = Server};

static void write_file(const char *text, size_t n)
{
	FILE *f = fopen(File, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static struct secret secret(const char *text)
{
	return (struct secret){.p = (char *)(uintptr_t)text, .n = strlen(text)};
}

/* ---- fields ---- */

/* What is put behind what is there already, or the error's text. */
static char *put_by(const struct credential *c)
{
	static char text[1024];
	struct buf out = {0};
	struct err e = {0};
	buf_print(&out, "A: b\r\n");
	bool ok = credential_put(c, &out, &e);
	assert_int_equal(ok, !e.kind);
	assert_memory_equal(buf_data(&out), "A: b\r\n", 6);
	if (!ok)
		assert_int_equal(buf_len(&out), 6);
	snprintf(text, sizeof text, "%.*s%s", (int)buf_len(&out) - 6, (char *)buf_data(&out) + 6,
		e.text);
	buf_free_wiped(&out);
	return text;
}

static char *put(struct kubeconfig k)
{
	struct err e = {0};
	struct credential *c = credential_new(&k, &e);
	assert_non_null(c);
	char *text = put_by(c);
	credential_free(c);
	return text;
}

static void puts_what_the_user_has(void **state)
{
	struct kubeconfig all = {.token = secret("abc"), .username = "Aladdin"};
	(void)state;
	all.password = secret("open sesame");
	assert_string_equal(put((struct kubeconfig){0}), "");
	assert_string_equal(put(all), "Authorization: Bearer abc\r\n");
	all.token = (struct secret){0};
	/* The example of RFC 7617, section 2. */
	assert_string_equal(put(all), "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n");
	assert_string_equal(
		put((struct kubeconfig){.username = "u"}), "Authorization: Basic dTo=\r\n");
}

static void a_file_comes_before_a_token_that_stands_in_for_it(void **state)
{
	struct kubeconfig k = {.token_file = File, .token = secret("abc")};
	(void)state;
	write_file(" \tfrom.file\r\n\n", 14);
	assert_string_equal(put(k), "Authorization: Bearer from.file\r\n");
	write_file("rotated", 7);
	assert_string_equal(put(k), "Authorization: Bearer rotated\r\n");
	k.token_file = "/nonexistent/token";
	assert_string_equal(put(k), "Authorization: Bearer abc\r\n");
	k.token = (struct secret){0};
	assert_string_equal(
		put(k), "cannot read token file '/nonexistent/token': No such file or directory");
}

static void refuses_what_no_field_can_hold(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *why;
	} Bad[] = {
		{"", 0, "is empty"},
		{" \n", 2, "is empty"},
		{"a\nX-Evil: 1", 11, "control character"},
		{"a\rb", 3, "control character"},
		{"a\0b", 3, "control character"},
		{"a\x7f"
		 "b",
			3, "control character"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Bad / sizeof *Bad; i++) {
		write_file(Bad[i].text, Bad[i].n);
		assert_non_null(strstr(put((struct kubeconfig){.token_file = File}), Bad[i].why));
	}
	assert_non_null(strstr(put((struct kubeconfig){.token = secret("abc\n")}), "control"));
}

static void refuses_a_file_without_end(void **state)
{
	(void)state;
	assert_non_null(strstr(put((struct kubeconfig){.token_file = "/dev/zero"}), "too large"));
}

/* Keys are escaped as client-go's headerKeyEscape() does it. */
static void puts_whom_to_act_as(void **state)
{
	char *groups[] = {"dev", "ops and more", NULL};
	struct kubeconfig_extra extra[] = {{"Scopes", "view"}, {"Scopes", "edit"},
		{"acme.com/\xc3\xa4 100%", "\xc3\xa4"}, {"!#$&'*+-.^_`|~09azAZ", ""}};
	struct kubeconfig k = {.token = secret("abc"),
		.as = "jane doe",
		.as_uid = "u-1",
		.as_groups = groups,
		.as_extra = extra,
		.as_extra_count = 4};
	(void)state;
	assert_string_equal(put(k),
		"Authorization: Bearer abc\r\nImpersonate-User: jane doe\r\n"
		"Impersonate-Uid: u-1\r\nImpersonate-Group: dev\r\n"
		"Impersonate-Group: ops and more\r\nImpersonate-Extra-Scopes: view\r\n"
		"Impersonate-Extra-Scopes: edit\r\n"
		"Impersonate-Extra-acme.com%2F%C3%A4%20100%25: \xc3\xa4\r\n"
		"Impersonate-Extra-!#$&'*+-.^_`|~09azAZ: \r\n");
	assert_string_equal(put((struct kubeconfig){.as = "system:admin"}),
		"Impersonate-User: system:admin\r\n");
}

static void acts_as_nobody_where_a_field_cannot_hold_it(void **state)
{
	char *bad[] = {"dev", "ops\r\nX-Evil: 1", NULL};
	struct kubeconfig_extra extra[] = {{"good", "1"}, {"a\nb", "\x1b[31m"}};
	(void)state;
	assert_string_equal(put((struct kubeconfig){.token = secret("abc"), .as = "a\nb"}),
		"Impersonate-User holds a control character");
	assert_string_equal(put((struct kubeconfig){.as = "a", .as_uid = "\t"}),
		"Impersonate-Uid holds a control character");
	assert_string_equal(put((struct kubeconfig){.as = "a", .as_groups = bad}),
		"Impersonate-Group holds a control character");
	assert_string_equal(
		put((struct kubeconfig){.as = "a", .as_extra = extra, .as_extra_count = 2}),
		"Impersonate-Extra-a%0Ab holds a control character");
}

static void refuses_a_certificate_that_cannot_be_used(void **state)
{
	struct kubeconfig k = {.cert = "no certificate"};
	struct err e = {0};
	(void)state;
	assert_null(credential_new(&k, &e));
	assert_int_equal(e.kind, ERR_TLS);
}

/* ---- those who ask ---- */

static struct asker {
	struct credential_wait wait;
	unsigned told;
	struct err err;
	void (*then)(void);
} A[ASKERS];

static char Order[32]; /* in which they were told: "012" */

static void on_wait(struct credential_wait *w, const struct err *e)
{
	struct asker *a = OWNER_OF(w, struct asker, wait);
	size_t n = strlen(Order);
	assert_null(w->credential);
	a->told++;
	a->err = *e;
	snprintf(Order + n, sizeof Order - n, "%d", (int)(a - A));
	if (a->then)
		a->then();
	loop_stop();
}

static struct credential *C;

static bool ask(unsigned i)
{
	A[i] = (struct asker){.wait.on = on_wait, .then = A[i].then};
	bool now = credential_ask(C, &A[i].wait);
	assert_int_equal(A[i].told, 0); /* never from inside the call */
	return now;
}

/* Until it is so, whoever changes it. */
static void wait_until(bool (*done)(void))
{
	struct timer poll = {.on = stop_by_timer};
	for (int i = 0; i < PATIENCE_MS / POLL_MS && !done(); i++) {
		timer_after(&poll, POLL_MS);
		while (timer_is_set(&poll))
			loop_run();
	}
	assert_true(done());
}

static bool nobody_waits(void)
{
	for (unsigned i = 0; i < ASKERS; i++)
		if (A[i].wait.credential)
			return false;
	return true;
}

static void expect_error(unsigned i, enum err_kind kind, const char *text)
{
	assert_int_equal(A[i].told, 1);
	assert_string_equal(A[i].err.text, text);
	assert_int_equal(A[i].err.kind, kind);
}

/* ---- the plugin ---- */

/* Asks and is told; returns what there is then, or "". */
static char *get(void)
{
	assert_false(ask(0));
	wait_until(nobody_waits);
	assert_int_equal(A[0].told, 1);
	assert_string_equal(A[0].err.text, "");
	return put_by(C);
}

static void expect_token(const char *token)
{
	char want[64];
	snprintf(want, sizeof want, "Authorization: Bearer %s\r\n", token);
	assert_string_equal(put_by(C), want);
}

static void clock_skip(int64_t ms)
{
	loop_skip(ms);
	wait_until(nobody_waits);
}

static void runs_once_for_all_who_wait(void **state)
{
	(void)state;
	login_answer("\"token\":\"one\"", 0);
	unsigned number = credential_number(C);
	assert_false(ask(0));
	assert_false(ask(1));
	assert_string_equal(put_by(C), "");
	assert_false(ask(2));
	wait_until(nobody_waits);
	assert_string_equal(Order, "012");
	for (unsigned i = 0; i < ASKERS; i++)
		expect_error(i, ERR_NONE, "");
	expect_token("one");
	assert_int_not_equal(credential_number(C), number);
	assert_true(ask(0));
	assert_int_equal(login_runs(), 1);
}

/* Nobody uses it, so nobody wants another before its end. */
static void is_kept_until_its_end(void **state)
{
	(void)state;
	login_answer("\"token\":\"one\"", LIFE_MS);
	get();
	login_answer("\"token\":\"two\"", 0);
	clock_skip(LIFE_MS - 50000);
	assert_true(ask(0));
	expect_token("one");
	clock_skip(50000);
	assert_string_equal(get(), "Authorization: Bearer two\r\n");
	assert_int_equal(login_runs(), 2);
	clock_skip(1000 * (int64_t)LIFE_MS);
	assert_true(ask(0));
	assert_int_equal(login_runs(), 2);
}

static bool has_run_twice(void)
{
	return login_runs() == 2;
}

static unsigned Number;

static bool has_another(void)
{
	return credential_number(C) != Number;
}

static void is_run_ahead_of_the_end_of_what_is_used(void **state)
{
	(void)state;
	login_answer("\"token\":\"one\"", LIFE_MS);
	get();
	Number = credential_number(C);
	assert_true(ask(0));
	login_answer("\"token\":\"two\"", 2 * LIFE_MS);
	clock_skip(LIFE_MS / 2);
	assert_int_equal(login_runs(), 1);
	clock_skip(LIFE_MS / 2 - 50000);
	wait_until(has_another);
	expect_token("two");
	clock_skip(LIFE_MS); /* this one was not used */
	assert_true(ask(0));
	assert_int_equal(login_runs(), 2);
}

static bool no_plugin_runs(void)
{
	siginfo_t info;
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) && errno == ECHILD;
}

static void what_fails_ahead_leaves_what_there_is(void **state)
{
	(void)state;
	login_answer("\"token\":\"one\"", LIFE_MS);
	get();
	assert_true(ask(0));
	Number = credential_number(C);
	login_script("exit 3");
	clock_skip(LIFE_MS - 50000);
	wait_until(has_run_twice);
	wait_until(no_plugin_runs);
	loop_until_quiet();
	assert_true(ask(0));
	expect_token("one");
	assert_int_equal(credential_number(C), Number);
	clock_skip(50000);
	assert_false(ask(0));
	wait_until(nobody_waits);
	assert_int_equal(A[0].err.kind, ERR_UNAUTHORIZED);
	assert_int_equal(login_runs(), 3);
}

/* It is no failure to those who ask: for them, the plugin is run at once. */
static void what_fails_ahead_is_tried_again(void **state)
{
	enum log_level level;
	(void)state;
	login_answer("\"token\":\"one\"", LIFE_MS);
	get();
	Number = credential_number(C);
	assert_true(ask(0));
	login_script("exit 3");
	clock_skip(LIFE_MS - 100000);
	wait_until(has_run_twice);
	wait_until(no_plugin_runs);
	loop_until_quiet();
	assert_non_null(strstr(log_recent(0, &level), "the credential could not be renewed yet"));
	assert_int_equal(level, LOG_WARN);
	clock_skip(10000);
	assert_int_equal(login_runs(), 2);
	login_script("cat answer");
	login_answer("\"token\":\"two\"", LIFE_MS);
	clock_skip(10000);
	wait_until(has_another);
	expect_token("two");
	assert_int_equal(login_runs(), 3);
}

static void what_fails_ahead_is_no_failure_to_those_who_ask(void **state)
{
	(void)state;
	login_answer("\"token\":\"one\"", LIFE_MS);
	get();
	assert_true(ask(0));
	login_script("exit 3");
	clock_skip(LIFE_MS - 50000);
	wait_until(has_run_twice);
	wait_until(no_plugin_runs);
	loop_until_quiet();
	assert_true(credential_refused(C, credential_number(C)));
	login_script("cat answer");
	login_answer("\"token\":\"two\"", 0);
	assert_string_equal(get(), "Authorization: Bearer two\r\n");
	assert_int_equal(login_runs(), 3);
}

static bool has_to_wait(void)
{
	return A[0].wait.credential || !ask(0);
}

static void is_not_tried_without_a_pause_when_the_end_is_near(void **state)
{
	(void)state;
	login_answer("\"token\":\"one\"", LIFE_MS);
	get();
	assert_true(ask(0));
	login_script("exit 3");
	clock_skip(LIFE_MS - 2000);
	wait_until(has_to_wait);
	wait_until(nobody_waits);
	assert_int_equal(A[0].err.kind, ERR_UNAUTHORIZED);
	assert_in_range(login_runs(), 3, 4);
}

/* The moment in which the former was to be replaced means nothing to the next. */
static void what_has_no_end_is_kept_whatever_was_before(void **state)
{
	(void)state;
	login_answer("\"token\":\"one\"", LIFE_MS);
	get();
	clock_skip(CREDENTIAL_YOUNG_MS);
	assert_true(credential_refused(C, credential_number(C)));
	login_answer("\"token\":\"two\"", 0);
	assert_string_equal(get(), "Authorization: Bearer two\r\n");
	assert_true(ask(0));
	clock_skip(LIFE_MS);
	clock_skip(CREDENTIAL_YOUNG_MS);
	assert_true(credential_refused(C, credential_number(C)));
	get();
	assert_int_equal(login_runs(), 3);
}

static void a_failure_is_everybodys_for_a_moment(void **state)
{
	char want[128];
	(void)state;
	login_script("echo no login >&2; exit 1");
	snprintf(want, sizeof want, "plugin %s: no login", LoginProgram);
	ask(0);
	ask(1);
	wait_until(nobody_waits);
	expect_error(0, ERR_UNAUTHORIZED, want);
	expect_error(1, ERR_UNAUTHORIZED, want);
	clock_skip(CREDENTIAL_AGAIN_MS / 2);
	assert_false(ask(2));
	wait_until(nobody_waits);
	expect_error(2, ERR_UNAUTHORIZED, want);
	assert_int_equal(login_runs(), 1);
	clock_skip(CREDENTIAL_AGAIN_MS / 2);
	login_script("cat answer");
	login_answer("\"token\":\"one\"", 0);
	assert_string_equal(get(), "Authorization: Bearer one\r\n");
	assert_int_equal(login_runs(), 2);
}

/* Its task must not come behind its end. */
static void is_freed_while_it_is_about_to_tell(void **state)
{
	(void)state;
	login_script("exit 3");
	ask(0);
	wait_until(nobody_waits);
	ask(0);
	credential_forget(&A[0].wait);
	credential_free(C);
	C = NULL;
	loop_until_quiet();
	assert_int_equal(A[0].told, 0);
}

/* Asks and is told that there is none; returns how often the plugin has been run. */
static unsigned fail_to_get(void)
{
	assert_false(ask(0));
	wait_until(nobody_waits);
	assert_int_equal(A[0].err.kind, ERR_UNAUTHORIZED);
	return login_runs();
}

/* It is run by who asks behind the pause, and not by who asks before its end. */
static void expect_pause(int64_t ms)
{
	unsigned runs = login_runs();
	clock_skip(ms - CREDENTIAL_AGAIN_MS / 2);
	assert_int_equal(fail_to_get(), runs);
	clock_skip(CREDENTIAL_AGAIN_MS / 2);
	assert_int_equal(fail_to_get(), runs + 1);
}

static void pauses_longer_from_failure_to_failure(void **state)
{
	static const int Seconds[] = {5, 10, 20, 40, 60, 60};
	(void)state;
	login_script("exit 3");
	assert_int_equal(fail_to_get(), 1);
	for (size_t i = 0; i < sizeof Seconds / sizeof *Seconds; i++)
		expect_pause(Seconds[i] * 1000);
	clock_skip(CREDENTIAL_AGAIN_MAX_MS);
	login_script("cat answer");
	login_answer("\"token\":\"one\"", LIFE_MS);
	get();
	clock_skip(LIFE_MS);
	login_script("exit 3");
	fail_to_get();
	expect_pause(CREDENTIAL_AGAIN_MS);
}

/* The moment in which it was to be replaced is in the pause. */
static void pauses_where_a_refused_one_was_to_be_replaced(void **state)
{
	(void)state;
	login_answer("\"token\":\"one\"", LIFE_MS);
	get();
	assert_true(ask(0));
	clock_skip(LIFE_MS - LIFE_MS / 5 - CREDENTIAL_AGAIN_MS / 2);
	assert_true(credential_refused(C, credential_number(C)));
	login_script("exit 3");
	assert_int_equal(fail_to_get(), 2);
	clock_skip(CREDENTIAL_AGAIN_MS / 2);
	assert_int_equal(fail_to_get(), 2);
}

static void a_failure_is_told_without_the_answer(void **state)
{
	enum log_level level;
	(void)state;
	login_script("echo SECRET; exit 3");
	ask(0);
	wait_until(nobody_waits);
	assert_null(strstr(A[0].err.text, "SECRET"));
	assert_non_null(strstr(log_recent(0, &level), "exit status 3"));
	assert_null(strstr(log_recent(0, &level), "SECRET"));
	assert_int_equal(level, LOG_WARN);
}

/* ---- refused by the server ---- */

static void what_is_refused_is_got_anew_unless_it_is_young(void **state)
{
	(void)state;
	login_answer("\"token\":\"one\"", 0);
	get();
	unsigned number = credential_number(C);
	assert_false(credential_refused(C, number));
	assert_true(ask(0));
	clock_skip(CREDENTIAL_YOUNG_MS);
	assert_true(credential_refused(C, number));
	assert_int_not_equal(credential_number(C), number);
	assert_true(credential_refused(C, number)); /* another who has met the same */
	login_answer("\"token\":\"two\"", 0);
	assert_string_equal(get(), "Authorization: Bearer two\r\n");
	assert_true(credential_refused(C, number)); /* late: there is another already */
	assert_true(ask(0));
	assert_false(credential_refused(C, credential_number(C)));
	assert_int_equal(login_runs(), 2);
}

static void without_a_plugin_there_is_no_other(void **state)
{
	struct kubeconfig k = {.token = secret("abc")};
	struct credential *c = credential_new(&k, NULL);
	(void)state;
	clock_skip(CREDENTIAL_YOUNG_MS);
	assert_false(credential_refused(c, credential_number(c)));
	assert_true(credential_refused(c, credential_number(C))); /* of the kubeconfig before */
	credential_free(c);
}

/* ---- tokens that end ---- */

static void take_up(const struct kubeconfig *k)
{
	credential_free(C);
	C = credential_new(k, NULL);
}

static void a_token_is_not_used_beyond_its_end(void **state)
{
	struct kubeconfig k = {
		.token = secret("abc"), .token_until = (loop_wall() + LIFE_MS) / 1000};
	(void)state;
	take_up(&k);
	assert_true(ask(0));
	clock_skip(LIFE_MS);
	assert_false(ask(0));
	assert_false(ask(1));
	wait_until(nobody_waits);
	expect_error(0, ERR_UNAUTHORIZED, "the user's token has expired: log in again");
	expect_error(1, ERR_UNAUTHORIZED, "the user's token has expired: log in again");
	k.login_hint = "log in with kubelogin";
	assert_false(ask(2));
	wait_until(nobody_waits);
	expect_error(2, ERR_UNAUTHORIZED, "log in with kubelogin");
	assert_string_equal(Order, "012");
}

/* ---- handed over ---- */

/* Two wait for a plugin that does not end, and then for another credential. */
static void hand_over_to(const struct kubeconfig *k)
{
	struct credential *to = credential_new(k, NULL);
	login_script("exec sleep 1000");
	assert_false(ask(0));
	assert_false(ask(1));
	login_script("cat answer");
	credential_hand_over(C, to);
	credential_free(C);
	C = to;
	assert_int_equal(A[0].told, 0);
	wait_until(nobody_waits);
	assert_string_equal(Order, "01");
}

static void hands_over_to_a_token(void **state)
{
	struct kubeconfig k = {.token = secret("abc")};
	(void)state;
	hand_over_to(&k);
	expect_error(0, ERR_NONE, "");
	expect_error(1, ERR_NONE, "");
}

static void hands_over_to_a_token_that_has_expired(void **state)
{
	struct kubeconfig k = {.token = secret("abc"), .token_until = 1, .login_hint = "log in"};
	(void)state;
	hand_over_to(&k);
	expect_error(0, ERR_UNAUTHORIZED, "log in");
	expect_error(1, ERR_UNAUTHORIZED, "log in");
}

static void hands_over_to_a_plugin(void **state)
{
	(void)state;
	login_answer("\"token\":\"two\"", 0);
	hand_over_to(&Plugin);
	expect_error(0, ERR_NONE, "");
	expect_error(1, ERR_NONE, "");
	expect_token("two");
	assert_in_range(login_runs(), 1, 2); /* the first may not have come so far */
}

static void hands_over_nobody(void **state)
{
	struct credential *to = credential_new(&Plugin, NULL);
	(void)state;
	credential_hand_over(C, to);
	loop_until_quiet();
	credential_free(C);
	C = to;
	login_answer("\"token\":\"one\"", 0);
	get();
	assert_int_equal(login_runs(), 1);
}

/* ---- those who do not wait any more ---- */

static void forget_and_ask_again(void)
{
	credential_forget(&A[1].wait);
	A[0].then = NULL;
	ask(0);
}

static void forgets_in_a_handler(void **state)
{
	(void)state;
	login_script("exit 3");
	A[0].then = forget_and_ask_again;
	for (unsigned i = 0; i < ASKERS; i++)
		ask(i);
	wait_until(nobody_waits);
	assert_string_equal(Order, "020");
	assert_int_equal(A[1].told, 0);
	assert_int_equal(login_runs(), 1);
}

static void forgets_whoever_it_is(void **state)
{
	(void)state;
	login_answer("\"token\":\"one\"", 0);
	for (unsigned i = 0; i < ASKERS; i++)
		ask(i);
	credential_forget(&A[1].wait);
	credential_forget(&A[1].wait); /* who does not wait */
	wait_until(nobody_waits);
	assert_string_equal(Order, "02");
}

/* It goes to the end of the line, and is told once. */
static void who_waits_may_ask_again(void **state)
{
	(void)state;
	login_answer("\"token\":\"one\"", 0);
	for (unsigned i = 0; i < ASKERS; i++)
		ask(i);
	for (unsigned i = 0; i < ASKERS; i += 2)
		assert_false(credential_ask(C, &A[i].wait));
	wait_until(nobody_waits);
	assert_string_equal(Order, "102");
	assert_int_equal(login_runs(), 1);
}

static pid_t Pid;

static bool has_pid(void)
{
	FILE *f = fopen(login_path("answer"), "r");
	bool has = f && fscanf(f, "%d\n", &Pid) == 1;
	if (f)
		fclose(f);
	return has;
}

static bool has_gone(void)
{
	return kill(Pid, 0) && errno == ESRCH;
}

static void kills_a_plugin_that_nobody_waits_for(void **state)
{
	(void)state;
	login_script("echo $$ >new; mv new answer; exec sleep 1000");
	ask(0);
	wait_until(has_pid);
	credential_forget(&A[0].wait);
	take_up(&Plugin);
	wait_until(has_gone);
	assert_int_equal(A[0].told, 0);
}

/* ---- certificates ---- */

/* The PEM text with its line ends as JSON has them. */
static void put_pem(struct buf *out, const char *field, const char *name)
{
	char *text = certs_read(name);
	buf_print(out, "%s\"%s\":\"", buf_len(out) ? "," : "", field);
	for (const char *p = text; *p; p++)
		buf_print(out, *p == '\n' ? "\\n" : "%c", *p);
	buf_print(out, "\"");
	free(text);
}

static void answer_certificate(const char *cert, const char *key)
{
	struct buf status = {0};
	put_pem(&status, "clientCertificateData", cert);
	put_pem(&status, "clientKeyData", key);
	buf_put(&status, "", 1);
	login_answer((const char *)buf_data(&status), LIFE_MS);
	buf_free_wiped(&status);
}

static void shows_the_certificate_that_the_plugin_gives(void **state)
{
	(void)state;
	answer_certificate("client_p256.crt", "client_p256.key");
	assert_null(credential_identity(C));
	Number = credential_number(C);
	assert_string_equal(get(), "");
	struct tls_identity *first = tls_identity_share(credential_identity(C));
	assert_non_null(first);
	assert_true(has_another());
	Number = credential_number(C);
	clock_skip(LIFE_MS);
	answer_certificate("client_p384.crt", "client_p384.key");
	get();
	assert_non_null(credential_identity(C));
	assert_ptr_not_equal(credential_identity(C), first);
	assert_true(has_another());
	tls_identity_free(first);
	clock_skip(LIFE_MS);
	login_answer("\"token\":\"one\"", 0);
	assert_string_equal(get(), "Authorization: Bearer one\r\n");
	assert_null(credential_identity(C));
}

static void a_certificate_of_another_key_is_the_plugins_failure(void **state)
{
	char want[128];
	(void)state;
	answer_certificate("client_p256.crt", "client_p384.key");
	Number = credential_number(C);
	assert_false(ask(0));
	wait_until(nobody_waits);
	snprintf(want, sizeof want,
		"plugin %s: gave a certificate that cannot be used: ", LoginProgram);
	assert_memory_equal(A[0].err.text, want, strlen(want));
	assert_int_equal(A[0].err.kind, ERR_LOCAL);
	assert_null(credential_identity(C));
	assert_false(has_another());
	assert_false(ask(0));
	wait_until(nobody_waits);
	assert_int_equal(login_runs(), 1);
}

/* ---- terminals ---- */

static int begin(void **state)
{
	(void)state;
	memset(A, 0, sizeof A);
	Order[0] = '\0';
	login_begin();
	C = credential_new(&Plugin, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	credential_free(C);
	wait_until(no_plugin_runs);
	loop_until_quiet();
	return 0;
}

static int Tty, Stdin; /* that of our session; and what was stdin before */

static int sit_at_terminal(void **state)
{
	Stdin = dup(STDIN_FILENO);
	dup2(Tty, STDIN_FILENO);
	Exec.interactive = KUBECONFIG_IF_AVAILABLE;
	credential_terminal(true);
	return begin(state);
}

static int leave_terminal(void **state)
{
	int failed = end(state);
	credential_terminal(false);
	Exec.interactive = KUBECONFIG_NEVER;
	dup2(Stdin, STDIN_FILENO);
	close(Stdin);
	return failed;
}

static struct credential *Other;

static void ask_both(void)
{
	Other = credential_new(&Plugin, NULL);
	assert_false(ask(0));
	A[1] = (struct asker){.wait.on = on_wait};
	assert_false(credential_ask(Other, &A[1].wait));
}

static bool has_gone_on(void)
{
	return !access(login_path("go"), F_OK);
}

static bool is_told_1(void)
{
	return A[1].told;
}

static bool has_run(void)
{
	return login_runs() == 1;
}

static void one_asks_at_the_terminal_at_a_time(void **state)
{
	(void)state;
	login_answer("\"token\":\"one\"", 0);
	login_hold();
	ask_both();
	wait_until(has_run);
	loop_until_quiet();
	assert_int_equal(login_runs(), 1);
	login_go();
	wait_until(nobody_waits);
	assert_string_equal(Order, "01");
	expect_error(1, ERR_NONE, "");
	assert_int_equal(login_runs(), 2);
	credential_free(Other);
}

static unsigned Asked, Answered;

static void on_asking(bool asks)
{
	assert_int_equal(Asked, Answered + !asks); /* in turns */
	if (asks)
		assert_int_equal(login_runs(), 0); /* before it */
	*(asks ? &Asked : &Answered) += 1;
}

static void tells_when_the_terminal_is_not_free(void **state)
{
	(void)state;
	Asked = Answered = 0;
	credential_on_asking(on_asking);
	login_answer("\"token\":\"one\"", 0);
	login_hold();
	ask_both();
	wait_until(has_run);
	assert_int_equal(Asked, 1);
	assert_int_equal(Answered, 0);
	login_go();
	wait_until(nobody_waits);
	loop_until_quiet();
	assert_int_equal(login_runs(), 2);
	assert_int_equal(Asked, 1); /* the second one had it right behind the first */
	assert_int_equal(Answered, 1);
	credential_on_asking(NULL);
	credential_free(Other);
}

static void tells_that_it_is_free_when_nobody_wants_the_answer(void **state)
{
	(void)state;
	Asked = Answered = 0;
	credential_on_asking(on_asking);
	login_answer("\"token\":\"one\"", 0);
	login_script("exec sleep 1000");
	assert_false(ask(0));
	loop_until_quiet();
	assert_int_equal(Asked, 1);
	credential_forget(&A[0].wait);
	credential_free(C);
	assert_int_equal(Answered, 1);
	C = credential_new(&Plugin, NULL);
	credential_on_asking(NULL);
}

static void the_next_has_its_turn_when_the_first_is_given_up(void **state)
{
	(void)state;
	login_answer("\"token\":\"one\"", 0);
	login_script("stty -echo; touch go; exec sleep 1000");
	ask_both();
	wait_until(has_gone_on);
	login_script("stty -a | grep -q ' -echo ' || cat answer");
	credential_forget(&A[0].wait);
	credential_free(C);
	C = Other;
	wait_until(nobody_waits);
	expect_error(1, ERR_NONE, "");
}

static void who_does_not_ask_waits_for_no_turn(void **state)
{
	(void)state;
	login_answer("\"token\":\"one\"", 0);
	login_script("exec sleep 1000");
	assert_false(ask(0));
	loop_until_quiet();
	login_script("cat answer");
	Exec.interactive = KUBECONFIG_NEVER;
	Other = credential_new(&Plugin, NULL);
	A[1] = (struct asker){.wait.on = on_wait};
	assert_false(credential_ask(Other, &A[1].wait));
	wait_until(is_told_1);
	expect_error(1, ERR_NONE, "");
	credential_forget(&A[0].wait);
	credential_free(Other);
}

/* As a shell's `porter &`: the terminal is another's. */
static void asks_nobody_in_the_background(void **state)
{
	pid_t pid = fork();
	(void)state;
	if (!pid) {
		pause();
		_exit(0);
	}
	Exec.interactive = KUBECONFIG_ALWAYS;
	assert_int_equal(setpgid(pid, pid), 0);
	assert_int_equal(tcsetpgrp(STDIN_FILENO, pid), 0);
	assert_false(ask(0));
	wait_until(nobody_waits);
	assert_int_equal(tcsetpgrp(STDIN_FILENO, getpgrp()), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_non_null(strstr(A[0].err.text, "needs a terminal"));
	assert_int_equal(login_runs(), 0);
}

static void a_plugin_may_have_the_terminal_while_it_is_free(void **state)
{
	(void)state;
	credential_terminal(false);
	login_answer("\"token\":\"one\"", 0);
	Exec.interactive = KUBECONFIG_ALWAYS;
	assert_false(ask(0));
	wait_until(nobody_waits);
	assert_non_null(strstr(A[0].err.text, "needs a terminal"));
	clock_skip(CREDENTIAL_AGAIN_MS);
	credential_terminal(true);
	get();
	assert_int_equal(login_runs(), 1);
}

static int set_up(void **state)
{
	int fd = mkstemp(File);
	if (fd < 0 || close(fd) || certs_make(state))
		return -1;
	login_make();
	child_init();
	loop_init();
	return 0;
}

static int tear_down(void **state)
{
	child_end_all();
	loop_end();
	return unlink(File) || login_remove() || certs_remove(state);
}

/* Returns in a process that has a session and a terminal of its own; its parent ends as it
 * does. */
static void get_terminal(void)
{
	int status, master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char name[64];
	pid_t pid = fork();
	if (pid) {
		waitpid(pid, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
	}
	setsid();
	signal(SIGTTOU, SIG_IGN);
	if (grantpt(master) || unlockpt(master) || ptsname_r(master, name, sizeof name))
		_exit(EXIT_FAILURE);
	Tty = open(name, O_RDWR | O_CLOEXEC); /* the session's, from now on */
}

#define TEST(f)        cmocka_unit_test_setup_teardown(f, begin, end)
#define AT_TERMINAL(f) cmocka_unit_test_setup_teardown(f, sit_at_terminal, leave_terminal)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(puts_what_the_user_has),
		TEST(a_file_comes_before_a_token_that_stands_in_for_it),
		TEST(refuses_what_no_field_can_hold),
		TEST(refuses_a_file_without_end),
		TEST(puts_whom_to_act_as),
		TEST(acts_as_nobody_where_a_field_cannot_hold_it),
		TEST(refuses_a_certificate_that_cannot_be_used),
		TEST(runs_once_for_all_who_wait),
		TEST(is_kept_until_its_end),
		TEST(is_run_ahead_of_the_end_of_what_is_used),
		TEST(what_fails_ahead_leaves_what_there_is),
		TEST(what_fails_ahead_is_tried_again),
		TEST(what_fails_ahead_is_no_failure_to_those_who_ask),
		TEST(is_not_tried_without_a_pause_when_the_end_is_near),
		TEST(what_has_no_end_is_kept_whatever_was_before),
		TEST(a_failure_is_everybodys_for_a_moment),
		TEST(is_freed_while_it_is_about_to_tell),
		TEST(pauses_longer_from_failure_to_failure),
		TEST(pauses_where_a_refused_one_was_to_be_replaced),
		TEST(a_failure_is_told_without_the_answer),
		TEST(what_is_refused_is_got_anew_unless_it_is_young),
		TEST(without_a_plugin_there_is_no_other),
		TEST(a_token_is_not_used_beyond_its_end),
		TEST(hands_over_to_a_token),
		TEST(hands_over_to_a_token_that_has_expired),
		TEST(hands_over_to_a_plugin),
		TEST(hands_over_nobody),
		TEST(forgets_in_a_handler),
		TEST(forgets_whoever_it_is),
		TEST(who_waits_may_ask_again),
		TEST(kills_a_plugin_that_nobody_waits_for),
		TEST(shows_the_certificate_that_the_plugin_gives),
		TEST(a_certificate_of_another_key_is_the_plugins_failure),
		AT_TERMINAL(a_plugin_may_have_the_terminal_while_it_is_free),
		AT_TERMINAL(one_asks_at_the_terminal_at_a_time),
		AT_TERMINAL(tells_when_the_terminal_is_not_free),
		AT_TERMINAL(tells_that_it_is_free_when_nobody_wants_the_answer),
		AT_TERMINAL(the_next_has_its_turn_when_the_first_is_given_up),
		AT_TERMINAL(who_does_not_ask_waits_for_no_turn),
		AT_TERMINAL(asks_nobody_in_the_background),
	};
	get_terminal();
	return cmocka_run_group_tests_name("credential", tests, set_up, tear_down);
}
