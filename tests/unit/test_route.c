/* route.c with all below it: a proxy on the same loop that answers as it is told, and
 * real programs.  What is carried by TLS is in test_conn.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "child.h"
#include "route.h"
#include "test_conn.h"

static struct route *R;
static int Fd;
static unsigned Calls;
static struct err E;

static void on_route(void *owner, int fd, const struct err *e)
{
	(void)owner;
	Calls++;
	Fd = fd >= 0 ? fd : Fd;
	E = *e;
	loop_stop();
}

static void start(const struct proxy *proxy)
{
	Fd = -1;
	Calls = 0;
	E = (struct err){0};
	R = route_start(&(struct route_spec){.host = proxy ? "a.test" : "127.0.0.1",
				.port = proxy ? 6443 : S.port,
				.proxy = proxy,
				.limit_ms = PATIENCE_MS},
		on_route, NULL);
	assert_int_equal(Calls, 0); /* never from inside the call */
}

static void start_by(enum proxy_kind kind, const char *user)
{
	server_start(false);
	start(&(struct proxy){.kind = kind,
		.name = "proxy p",
		.host = "127.0.0.1",
		.port = S.port,
		.user = (char *)(uintptr_t)user,
		.password = {.p = "pw", .n = 2}});
}

static void start_program(const char *name, const char *script)
{
	char *words[] = {"sh", "-c", (char *)(uintptr_t)script, NULL};
	start(&(struct proxy){
		.kind = PROXY_PROGRAM, .name = (char *)(uintptr_t)name, .argv = words});
}

static void stop(void)
{
	route_close(R);
	if (Fd >= 0)
		close(Fd);
	server_stop();
	assert_true(loop_until_quiet());
	S = (struct server){.io.fd = -1, .listener.fd = -1};
}

static bool is_called(void)
{
	return Calls > 0;
}

static bool is_called_again(void)
{
	return Calls > 1;
}

static const char *Want;
static size_t WantLen;

static bool proxy_has_got(void)
{
	return buf_len(&S.got) >= WantLen;
}

/* What the proxy hears next, in all. */
static void hears(const char *text, size_t n)
{
	Want = text;
	WantLen = n;
	assert_true(loop_until(proxy_has_got));
	assert_int_equal(buf_len(&S.got), n);
	assert_memory_equal(buf_data(&S.got), text, n);
	buf_free(&S.got);
}

#define BYTES(text) text, sizeof(text) - 1

static void assert_there(const char *rest)
{
	char got[64] = "";
	assert_true(loop_until(is_called));
	assert_true(loop_until_quiet());
	assert_int_equal(Calls, 1);
	assert_string_equal(E.text, "");
	assert_true(Fd >= 0);
	assert_int_equal(fcntl(Fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(fcntl(Fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	ssize_t n = recv(Fd, got, sizeof got - 1, 0);
	assert_int_equal(n, *rest ? (ssize_t)strlen(rest) : -1);
	assert_string_equal(got, rest);
	assert_false(route_stays(R));
}

static void assert_failed(enum err_kind kind, const char *words)
{
	assert_true(loop_until(is_called));
	assert_string_equal(E.text, words);
	assert_int_equal(E.kind, kind);
	assert_int_equal(Fd, -1);
	assert_int_equal(Calls, 1);
}

static void goes_straight(void **state)
{
	(void)state;
	server_start(false);
	start(NULL);
	char what[64];
	route_describe(R, what, sizeof what);
	assert_string_equal(what, "looking up 127.0.0.1");
	assert_there("");
	stop();
}

/* Byte by byte, and all at once: what is behind the answer stays in the socket. */
static void takes_the_proxys_bytes_and_no_more(void **state)
{
	(void)state;
	for (size_t step = 1; step <= 64; step += 63) {
		start_by(PROXY_HTTP, NULL);
		hears(BYTES("CONNECT a.test:6443 HTTP/1.1\r\nHost: a.test:6443\r\n"
			    "User-Agent: porter\r\n\r\n"));
		S.step = step;
		server_say(BYTES("HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello"));
		assert_true(loop_until_quiet());
		assert_there("hello");
		stop();
		start_by(PROXY_SOCKS5, "me");
		S.step = step;
		hears(BYTES("\5\2\0\2"));
		server_say(BYTES("\5\2"));
		hears(BYTES("\1\2me\2pw"));
		server_say(BYTES("\1\0"));
		hears(BYTES("\5\1\0\3\6a.test\x19\x2b"));
		server_say(BYTES("\5\0\0\1\1\2\3\4\0\1hello"));
		assert_true(loop_until_quiet());
		assert_there("hello");
		stop();
	}
}

/* All answers before the questions. */
static void takes_what_comes_early_in_its_turn(void **state)
{
	(void)state;
	start_by(PROXY_SOCKS5, NULL);
	hears(BYTES("\5\1\0"));
	server_say(BYTES("\5\0\5\0\0\1\1\2\3\4\0\1hello"));
	assert_there("hello");
	hears(BYTES("\5\1\0\3\6a.test\x19\x2b"));
	stop();
}

static void names_the_proxy_in_what_is_wrong(void **state)
{
	char what[64];
	(void)state;
	start_by(PROXY_HTTP, NULL);
	hears(BYTES("CONNECT a.test:6443 HTTP/1.1\r\nHost: a.test:6443\r\n"
		    "User-Agent: porter\r\n\r\n"));
	route_describe(R, what, sizeof what);
	assert_string_equal(what, "proxy p");
	server_say(BYTES("HTTP/1.1 407 Who?\r\n\r\n"));
	assert_failed(ERR_LOCAL, "proxy p: wants a user and password");
	stop();
	start_by(PROXY_HTTP, NULL);
	S.closing = true;
	assert_failed(ERR_NETWORK, "proxy p: closed the connection without an answer");
	stop();
	start_by(PROXY_SOCKS5, "");
	assert_failed(ERR_LOCAL, "proxy p: for SOCKS, a user has 1 to 255 bytes, and a password up "
				 "to 255");
	stop();
	server_start(false);
	start(&(struct proxy){
		.kind = PROXY_HTTP, .name = "proxy p", .host = "127.0.0.1", .port = unused_port()});
	assert_true(loop_until(is_called));
	assert_int_equal(E.kind, ERR_REFUSED);
	assert_non_null(strstr(E.text, "proxy p: connection refused (127.0.0.1:"));
	stop();
}

static void can_be_closed_at_any_time(void **state)
{
	(void)state;
	start_by(PROXY_HTTP, NULL);
	stop();
	start_by(PROXY_HTTPS, NULL);
	stop();
	start_by(PROXY_SOCKS5, NULL);
	hears(BYTES("\5\1\0"));
	stop();
	start_program("sh", "sleep 60");
	stop();
	assert_int_equal(Calls, 0);
}

/* ---- programs ---- */

static void is_carried_by_a_program(void **state)
{
	char got[8] = "";
	(void)state;
	start_program("sh", "read x; echo \"<$x>\"; cat >/dev/null; echo done >&2");
	assert_true(loop_until(is_called));
	assert_true(Fd >= 0 && route_stays(R));
	assert_int_equal(send(Fd, "a\n", 2, 0), 2);
	while (recv(Fd, got, 4, 0) < 0)
		assert_true(loop_until_quiet());
	assert_string_equal(got, "<a>\n");
	shutdown(Fd, SHUT_WR);
	assert_true(loop_until(is_called_again));
	assert_int_equal(E.kind, ERR_NONE); /* well, whatever it had to say */
	stop();
}

static void has_a_programs_last_words(void **state)
{
	static const struct {
		const char *name, *script, *words;
		enum err_kind kind;
	} Rows[] = {
		{"ssh me@b",
			"echo x >&2; echo 'me@b: Permission denied (publickey).' >&2; exit 255",
			"ssh me@b: Permission denied (publickey).", ERR_LOCAL},
		{"ssh b", "echo 'ssh: connect to host b port 22: No route to host' >&2; exit 255",
			"ssh b: connect to host b port 22: No route to host", ERR_NETWORK},
		{"ssh b",
			"printf 'channel 0: open failed: connect failed: refused\\r\\nstdio "
			"forwarding "
			"failed\\r\\n' >&2; exit 255",
			"ssh b: channel 0: open failed: connect failed: refused", ERR_NETWORK},
		{"nc", "exit 1", "nc: ended with status 1", ERR_NETWORK},
		{"nc", "kill -9 $$", "nc: was killed by signal 9", ERR_NETWORK},
		{"nc", "yes 0123456789 | head -c 100000 >&2; echo >&2; echo last >&2; exit 1",
			"nc: last", ERR_NETWORK},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Rows / sizeof *Rows; i++) {
		start_program(Rows[i].name, Rows[i].script);
		assert_true(loop_until(is_called_again));
		assert_string_equal(E.text, Rows[i].words);
		assert_int_equal(E.kind, Rows[i].kind);
		stop();
	}
}

static void says_that_there_is_no_program(void **state)
{
	char *words[] = {"/nowhere/x", NULL};
	(void)state;
	start(&(struct proxy){.kind = PROXY_PROGRAM, .name = "x", .argv = words});
	assert_true(loop_until(is_called_again));
	assert_string_equal(E.text, "x: cannot run '/nowhere/x': No such file or directory");
	assert_int_equal(E.kind, ERR_LOCAL);
	stop();
}

/* The pid that the program has said. */
static pid_t pid_of_program(void)
{
	char text[16] = "";
	assert_true(loop_until(is_called));
	while (recv(Fd, text, sizeof text - 1, 0) < 0)
		assert_true(loop_until_quiet());
	return (pid_t)atoi(text);
}

static pid_t Pid;

static bool is_gone(void)
{
	return kill(Pid, 0) != 0;
}

static void stop_loop(struct timer *timer)
{
	timer_after(timer, QUIET_MS);
	loop_stop();
}

static void waits_for_its_end(bool (*over)(void))
{
	struct timer tick = {.on = stop_loop};
	timer_after(&tick, QUIET_MS);
	assert_true(loop_until(over));
	timer_stop(&tick);
}

static void ends_a_program_that_goes_on(void **state)
{
	(void)state;
	start_program("sh", "echo $$; exec sleep 1000 0<&- 1>&-");
	Pid = pid_of_program();
	route_finish(R);
	loop_skip(ROUTE_END_MS / 2);
	assert_int_equal(Calls, 1);
	route_finish(R); /* no new term */
	loop_skip(ROUTE_END_MS / 2 + 1);
	assert_int_equal(Calls, 2);
	waits_for_its_end(is_gone);
	stop();
	start_program("sh", "trap '' HUP TERM; echo $$; sleep 1000; sleep 1000");
	Pid = pid_of_program();
	stop();
	assert_false(is_gone());
	loop_skip(ROUTE_LEAVE_MS + 1);
	waits_for_its_end(is_gone);
}

static void lets_a_program_end_by_itself(void **state)
{
	int end[2];
	char script[128], byte;
	(void)state;
	assert_int_equal(pipe(end), 0);
	snprintf(script, sizeof script, "echo $$; cat; echo x >/proc/%d/fd/%d", getpid(), end[1]);
	start_program("sh", script);
	Pid = pid_of_program();
	stop();
	waits_for_its_end(is_gone);
	assert_int_equal(read(end[0], &byte, 1), 1);
	close(end[0]);
	close(end[1]);
}

static int set_up(void **state)
{
	(void)state;
	child_init();
	loop_init();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	child_end_all();
	loop_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_straight),
		cmocka_unit_test(takes_the_proxys_bytes_and_no_more),
		cmocka_unit_test(takes_what_comes_early_in_its_turn),
		cmocka_unit_test(names_the_proxy_in_what_is_wrong),
		cmocka_unit_test(can_be_closed_at_any_time),
		cmocka_unit_test(is_carried_by_a_program),
		cmocka_unit_test(has_a_programs_last_words),
		cmocka_unit_test(says_that_there_is_no_program),
		cmocka_unit_test(ends_a_program_that_goes_on),
		cmocka_unit_test(lets_a_program_end_by_itself),
	};
	return cmocka_run_group_tests_name("route", tests, set_up, tear_down);
}
