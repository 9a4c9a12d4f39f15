/* probe.c on the loop: against an application that answers as it is told to, and
 * with real programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "child.h"
#include "mem.h"
#include "probe.h"
#include "test_loop.h"

/* ---- what is told ---- */

static struct told {
	unsigned calls;
	int64_t at_ms;
	struct err err;
	char said[ERR_TEXT];
} Told;

static void on_probe(void *owner, const struct err *e, const char *said)
{
	assert_ptr_equal(owner, &Told);
	assert_in_range(strlen(said), 0, sizeof Told.said - 1);
	Told.calls++;
	Told.at_ms = loop_now();
	Told.err = *e;
	strcpy(Told.said, said);
	loop_stop();
}

static bool is_told(void)
{
	return Told.calls;
}

/* ---- the application ---- */

enum end { STAY, CLOSE, RESET };

static struct app {
	struct io listener, io;
	uint16_t port;
	const char *answer;
	size_t len, step;  /* of the answer; bytes of one send(2), one a round */
	size_t wants;      /* bytes of the request, before it answers */
	enum end end;      /* behind the answer */
	struct task speak; /* goes on */
	struct buf got;
} App;

static void app_end(void)
{
	if (App.end == STAY)
		return;
	if (App.end == RESET)
		setsockopt(App.io.fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
			sizeof(struct linger));
	io_close(&App.io);
}

static void app_speak(struct task *task)
{
	size_t n = App.len < App.step ? App.len : App.step;
	if (App.io.fd < 0 || (n && send(App.io.fd, App.answer, n, MSG_NOSIGNAL) < 0))
		return;
	App.answer += n;
	App.len -= n;
	if (App.len)
		task_post(task);
	else
		app_end();
}

static void on_app(struct io *io, uint32_t events)
{
	ssize_t n = recv(io->fd, buf_room(&App.got, 65536), 65536, 0);
	(void)events;
	loop_stop();
	if (n > 0)
		buf_push(&App.got, (size_t)n);
	else
		io_close(io);
	if (n > 0 && buf_len(&App.got) >= App.wants)
		task_post(&App.speak);
}

static void on_app_listener(struct io *io, uint32_t events)
{
	(void)events;
	io_close(&App.io);
	io_open(&App.io, accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), on_app);
	io_want(&App.io, EPOLLIN);
	loop_stop();
	if (!App.wants)
		task_post(&App.speak);
}

static bool is_accepted(void)
{
	return App.io.fd >= 0;
}

/* One that listens at any port of 127.0.0.1 or ::1; -1: there is no ::1. */
static int listen_on(int family, int backlog, uint16_t *port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr *a = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t n = family == AF_INET ? sizeof v4 : sizeof v6;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, a, n)) {
		close(fd);
		return -1;
	}
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, a, &n), 0);
	*port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
	return fd;
}

static int begin(void **state)
{
	(void)state;
	loop_init();
	App = (struct app){.io.fd = -1, .step = SIZE_MAX, .speak.on = app_speak};
	io_open(&App.listener, listen_on(AF_INET, 16, &App.port), on_app_listener);
	io_want(&App.listener, EPOLLIN);
	memset(&Told, 0, sizeof Told);
	return 0;
}

static int end(void **state)
{
	(void)state;
	io_close(&App.listener);
	io_close(&App.io);
	task_drop(&App.speak);
	buf_free(&App.got);
	loop_end();
	return 0;
}

/* ---- probes ---- */

static struct probe_spec parsed(const char *text)
{
	struct probe_spec spec = {0};
	struct err e = {0};
	if (!probe_parse(&spec, text, &e))
		fail_msg("%s: %s", text, e.text);
	return spec;
}

static struct probe *start_at(const char *text, const char *address, uint16_t port)
{
	struct probe_spec spec = parsed(text);
	memset(&Told, 0, sizeof Told);
	struct probe *p = probe_start(&spec,
		&(struct probe_target){.address = address, .port = port, .forward = "prod/web"},
		on_probe, &Told);
	probe_spec_free(&spec);
	assert_int_equal(Told.calls, 0); /* never from inside the call */
	return p;
}

static struct probe *start(const char *text)
{
	return start_at(text, "127.0.0.1", App.port);
}

/* However slow this machine is: the limits are far away from now on. */
static void give_time(void)
{
	loop_clock_skip(-PATIENCE_MS);
}

/* In two steps, so that what comes too early is seen to. */
static void let_pass(int64_t ms)
{
	loop_skip(ms / 2);
	assert_true(loop_until_quiet());
	loop_skip(ms - ms / 2);
}

/* Once, in these words; "" is well. */
static void assert_told(enum err_kind kind, const char *text)
{
	assert_true(loop_until(is_told));
	assert_true(loop_until_quiet());
	assert_int_equal(Told.calls, 1);
	assert_string_equal(Told.err.text, text);
	assert_int_equal(Told.err.kind, kind);
}

/* The application says `answer` when it has `wants` bytes, and does then so. */
static void tell_app(const char *answer, size_t wants, enum end then)
{
	io_close(&App.io);
	buf_free(&App.got);
	App.answer = answer;
	App.len = strlen(answer);
	App.wants = wants;
	App.end = then;
}

static void check(const char *text, enum err_kind kind, const char *words)
{
	start(text);
	give_time();
	assert_told(kind, words);
	assert_string_equal(Told.said, "");
}

static void reads_what_is_set(void **state)
{
	static const struct {
		const char *text, *told; /* a kind and <words>, or what is refused */
	} Cases[] = {
		{"tcp", "1"},
		{"http /", "2 </>"},
		{"http \t /a%20b?c=d#~", "2 </a%20b?c=d#~>"},
		{"exec true", "3 <true>"},
		{"exec\ta  b\tc ", "3 <a> <b> <c>"},
		{"exec a \"b c\" 'd e' f\\ g", "3 <a> <b c> <d e> <f g>"},
		{"exec a x\"b c\"'d e'y", "3 <a> <xb cd ey>"},
		{"exec a \"\" '' b", "3 <a> <> <> <b>"},
		{"exec a \\\" \\' \\\\ \\;", "3 <a> <\"> <'> <\\> <;>"},
		{"exec a \"b\\\"c\\\\d\\e'f\"", "3 <a> <b\"c\\de'f>"},
		{"exec a 'b\\c\"d'", "3 <a> <b\\c\"d>"},
		{"exec a # $B ~ * | c", "3 <a> <#> <$B> <~> <*> <|> <c>"},
		{"exec \xc3\xa4", "3 <\xc3\xa4>"},
		{"", "no: "},
		{"TCP", "no: "},
		{"tcp 80", "no: "},
		{"tcpx", "no: "},
		{"https /", "no: "},
		{"/healthz", "no: "},
		{"http", "no: a path begins with '/'"},
		{"http healthz", "no: a path begins with '/'"},
		{"http /a b", "no: a path is ASCII without blanks: write %20"},
		{"http /a\r\nb", "no: a path is ASCII without blanks: write %0D"},
		{"http /\x7f", "no: a path is ASCII without blanks: write %7F"},
		{"http /\xc3\xa4", "no: a path is ASCII without blanks: write %C3"},
		{"exec", "no: a command is missing behind 'exec'"},
		{"exec \"\" a", "no: a command is missing behind 'exec'"},
		{"exec a \"b", "no: a \" is not closed; in quotes, too, a ';' behind a blank "
			       "begins a comment"},
		{"exec a 'b\\'", "3 <a> <b\\>"},
		{"exec a 'b\"", "no: a ' is not closed; in quotes, too, a ';' behind a blank "
				"begins a comment"},
		{"exec a \\", "no: nothing stands behind the last '\\'"},
		{"exec a \"\\", "no: nothing stands behind the last '\\'"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		struct probe_spec spec = {0};
		struct err e = {0};
		char told[ERR_TEXT + 8];
		int n = 0;
		if (probe_parse(&spec, Cases[i].text, &e))
			n = snprintf(told, sizeof told, "%d", spec.kind);
		else
			snprintf(told, sizeof told, "no: %s", e.text);
		if (spec.path)
			snprintf(told + n, sizeof told - (size_t)n, " <%s>", spec.path);
		for (char **word = spec.argv; word && *word; word++)
			n += snprintf(told + n, sizeof told - (size_t)n, " <%s>", *word);
		assert_string_equal(told, Cases[i].told);
		assert_int_equal(e.kind, n ? ERR_NONE : ERR_LOCAL);
		probe_spec_free(&spec);
		assert_memory_equal(&spec, &(struct probe_spec){0}, sizeof spec);
	}
}

/* ---- tcp ---- */

static void tcp_is_well_where_data_or_an_end_comes(void **state)
{
	(void)state;
	tell_app("SSH-2.0-x\r\n", 0, STAY);
	check("tcp", ERR_NONE, "");
	tell_app("", 0, CLOSE);
	check("tcp", ERR_NONE, "");
	assert_int_equal(buf_len(&App.got), 0);
}

static void tcp_is_well_where_it_stays_quiet(void **state)
{
	(void)state;
	tell_app("", 0, STAY);
	int64_t since = loop_now() - PATIENCE_MS;
	start("tcp");
	give_time();
	assert_true(loop_until(is_accepted));
	let_pass(PROBE_QUIET_MS);
	assert_true(is_told());
	assert_told(ERR_NONE, "");
	assert_true(Told.at_ms - since >= PROBE_QUIET_MS);
	assert_true(Told.at_ms - since < PATIENCE_MS); /* which was for the connect */
	assert_int_equal(buf_len(&App.got), 0);
	assert_int_equal(App.io.fd, -1); /* it has closed */
}

static void tcp_is_not_well_where_it_is_reset(void **state)
{
	(void)state;
	tell_app("", 0, RESET);
	check("tcp", ERR_NOT_READY, "probe: the connection was reset");
}

static void needs_a_listener(void **state)
{
	static const char *const Probes[] = {"tcp", "http /"};
	char words[128];
	(void)state;
	io_close(&App.listener);
	assert_true(loop_until_quiet());
	snprintf(words, sizeof words, "probe: connection refused (127.0.0.1:%u)", App.port);
	for (size_t i = 0; i < sizeof Probes / sizeof *Probes; i++) {
		check(Probes[i], ERR_LOCAL, words);
		assert_int_equal(Told.err.code, ECONNREFUSED);
	}
}

/* Whose backlog is full, so that the kernel answers no more. */
static void needs_a_listener_that_listens(void **state)
{
	static const char *const Probes[] = {"tcp", "http /"};
	enum { FULL = 2 };
	uint16_t port;
	int listener = listen_on(AF_INET, 0, &port), fd[FULL];
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port)};
	(void)state;
	for (int i = 0; i < FULL; i++) {
		fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_true(
			!connect(fd[i], (struct sockaddr *)&a, sizeof a) || errno == EINPROGRESS);
	}
	for (size_t i = 0; i < sizeof Probes / sizeof *Probes; i++) {
		start_at(Probes[i], "127.0.0.1", port);
		assert_true(loop_until_quiet());
		loop_skip(PROBE_LIMIT_MS);
		assert_told(ERR_LOCAL, "probe: the local port does not take connections");
	}
	for (int i = 0; i < FULL; i++)
		close(fd[i]);
	close(listener);
}

/* ---- http ---- */

#define OK        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define NO_ANSWER "probe: the connection ended without an answer"
#define NO_HTTP   "probe: the answer is not HTTP"
#define CONTINUE  "HTTP/1.1 100 Continue\r\n\r\n"
#define STATUS(s) "HTTP/1.1 " #s " x\r\n\r\n"
#define FAILED(s) "probe: HTTP status " #s
#define REQUEST(p)                                                                                 \
	"GET " p " HTTP/1.1\r\nHost: localhost:%u\r\nUser-Agent: porter-probe\r\n"                 \
	"Accept: */*\r\nConnection: close\r\n\r\n"

static void judges_http_answers(void **state)
{
	static const struct {
		const char *answer;
		enum end then;
		const char *words;
	} Cases[] = {
		{OK, STAY, ""},
		{OK, CLOSE, ""},
		{STATUS(204), CLOSE, ""},
		{STATUS(301), CLOSE, ""},
		{STATUS(399), CLOSE, ""},
		{"HTTP/1.0 200 OK\r\n\r\n", CLOSE, ""},
		{STATUS(400), STAY, FAILED(400)},
		{STATUS(404), STAY, FAILED(404)},
		{STATUS(503), STAY, FAILED(503)},
		{STATUS(101), STAY, FAILED(101)},
		{CONTINUE STATUS(103) OK, STAY, ""},
		{CONTINUE CONTINUE STATUS(500), STAY, FAILED(500)},
		{CONTINUE, CLOSE, NO_ANSWER},
		{"", CLOSE, NO_ANSWER},
		{"HTTP/1.1 200 OK\r\nServer:", CLOSE, NO_ANSWER},
		{"HTTP/1.1 200 OK\r\nServer:", RESET, "probe: the connection was reset"},
		{"", RESET, "probe: the connection was reset"},
		{"SSH-2.0-OpenSSH_9\r\n", STAY, NO_HTTP},
		{"\x15\x03\x01", STAY, NO_HTTP},
		{"HTTP/1.1 200 OK\r\nA\x1b: b\r\n\r\n", STAY, NO_HTTP},
	};
	static const size_t Steps[] = {SIZE_MAX, 1};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++)
		for (size_t k = 0; k < sizeof Steps / sizeof *Steps; k++) {
			tell_app(Cases[i].answer, 1, Cases[i].then);
			App.step = Steps[k];
			bool well = !*Cases[i].words;
			check("http /", well ? ERR_NONE : ERR_NOT_READY, Cases[i].words);
			task_drop(&App.speak);
		}
}

static void tells_the_http_status(void **state)
{
	(void)state;
	tell_app(STATUS(503), 1, STAY);
	check("http /", ERR_NOT_READY, FAILED(503));
	assert_int_equal(Told.err.code, 503);
}

static void asks_for_the_path(void **state)
{
	char want[512];
	(void)state;
	tell_app(OK, 1, STAY);
	check("http /healthz?full=%20", ERR_NONE, "");
	snprintf(want, sizeof want, REQUEST("/healthz?full=%%20"), App.port);
	buf_put(&App.got, "", 1);
	assert_string_equal((const char *)buf_data(&App.got), want);
}

/* More than the sockets take at once. */
static void sends_a_long_request_whole(void **state)
{
	enum { LONG = 16 << 20 };
	char *text = mem_new(LONG + 1);
	(void)state;
	memset(text, 'a', LONG);
	memcpy(text, "http /", 6);
	tell_app(OK, LONG, STAY);
	check(text, ERR_NONE, "");
	assert_true(buf_len(&App.got) > LONG);
	free(text);
}

static void reads_no_more_of_a_head_than_it_may(void **state)
{
	static const char *const Words[] = {"", "probe: the answer's head is over 16 KiB"};
	char *answer = mem_new(PROBE_HEAD_MAX + 2);
	(void)state;
	for (int over = 0; over < 2; over++) {
		memset(answer, 'a', PROBE_HEAD_MAX + 1);
		memcpy(answer, "HTTP/1.1 200 ", 13);
		memcpy(answer + PROBE_HEAD_MAX - 4 + over, "\r\n\r\n", 5);
		tell_app(answer, 1, STAY);
		check("http /", over ? ERR_NOT_READY : ERR_NONE, Words[over]);
	}
	free(answer);
}

static void waits_for_an_answer_so_long(void **state)
{
	(void)state;
	tell_app(CONTINUE "HTTP/1.1 2", 1, STAY);
	int64_t since = loop_now();
	start("http /");
	assert_true(loop_until(is_accepted));
	let_pass(PROBE_LIMIT_MS);
	assert_true(is_told());
	assert_told(ERR_NOT_READY, "probe: no answer within 2 s");
	assert_true(Told.at_ms - since >= PROBE_LIMIT_MS);
}

static void asks_at_ipv6_too(void **state)
{
	(void)state;
	io_close(&App.listener);
	int fd = listen_on(AF_INET6, 16, &App.port);
	if (fd < 0)
		skip();
	io_open(&App.listener, fd, on_app_listener);
	io_want(&App.listener, EPOLLIN);
	tell_app(OK, 1, STAY);
	start_at("http /", "::1", App.port);
	give_time();
	assert_told(ERR_NONE, "");
}

/* ---- exec ---- */

static void judges_programs(void **state)
{
	static const struct {
		const char *text;
		enum err_kind kind;
		const char *words, *said;
	} Cases[] = {
		{"exec true", ERR_NONE, "", ""},
		{"exec sh -c \"echo a; echo b\"", ERR_NONE, "", "b"},
		{"exec sh -c \"echo out; echo err >&2\"", ERR_NONE, "", "out"},
		{"exec sh -c \"echo err >&2\"", ERR_NONE, "", "err"},
		{"exec printf '1\\n  2 3\\t \\r\\n\\n \\n'", ERR_NONE, "", "2 3"},
		{"exec printf '10%%\\r20%%'", ERR_NONE, "", "20%"},
		{"exec printf 'a\\0b\\0'", ERR_NONE, "", "b"},
		{"exec printf '\\033]0;x\\007\\377\\302\\233'", ERR_NONE, "", "?]0;x???"},
		{"exec false", ERR_NOT_READY, "probe: exit status 1", ""},
		{"exec sh -c \"exit 3\"", ERR_NOT_READY, "probe: exit status 3", ""},
		{"exec sh -c \"echo err >&2; echo out; exit 3\"", ERR_NOT_READY, "probe: err", ""},
		{"exec sh -c \"echo >&2; echo out; exit 3\"", ERR_NOT_READY, "probe: out", ""},
		{"exec sh -c \"printf '\\\\033[2J' >&2; exit 3\"", ERR_NOT_READY, "probe: ?[2J",
			""},
		{"exec sh -c \"echo x; kill -9 $$\"", ERR_NOT_READY, "probe: killed by signal 9",
			""},
		{"exec no-such-program", ERR_LOCAL, "probe: no such program: no-such-program", ""},
		{"exec /dev/null", ERR_LOCAL, "probe: cannot run /dev/null: Permission denied", ""},
		{"exec head -c 65537 /dev/zero", ERR_LOCAL, "probe: more than 64 KiB of output",
			""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		start(Cases[i].text);
		give_time();
		assert_told(Cases[i].kind, Cases[i].words);
		assert_string_equal(Told.said, Cases[i].said);
	}
}

static void shows_one_line_s_beginning(void **state)
{
	(void)state;
	start("exec sh -c \"head -c 60000 /dev/zero | tr '\\\\000' x\"");
	assert_told(ERR_NONE, "");
	assert_int_equal(strlen(Told.said), ERR_TEXT - 1);
	assert_int_equal(strspn(Told.said, "x"), ERR_TEXT - 1);
}

/* Where they are set already, as in a program that a porter has run, ours count. */
static void tells_programs_where_the_forward_is(void **state)
{
	char want[128];
	(void)state;
	setenv("PORTER_LOCAL_PORT", "1", 1);
	setenv("PORTER_FORWARD", "other/one", 1);
	setenv("PORTER_FORWARDED", "kept", 1);
	start("exec sh -c \"echo $PORTER_LOCAL_PORT $PORTER_FORWARD $PORTER_FORWARDED\"");
	give_time();
	assert_told(ERR_NONE, "");
	snprintf(want, sizeof want, "%u prod/web kept", App.port);
	assert_string_equal(Told.said, want);
	start("exec grep -zc ^PORTER_ /proc/self/environ");
	give_time();
	assert_told(ERR_NONE, "");
	assert_string_equal(Told.said, "3");
	assert_string_equal(getenv("PORTER_FORWARD"), "other/one");
}

static void kills_a_program_that_takes_too_long(void **state)
{
	(void)state;
	int64_t since = loop_now();
	start("exec sh -c \"echo x; sleep 1000\"");
	assert_true(loop_until_quiet());
	let_pass(PROBE_EXEC_LIMIT_MS);
	assert_told(ERR_NOT_READY, "probe: not done within 10 s");
	assert_true(Told.at_ms - since >= PROBE_EXEC_LIMIT_MS);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

/* ---- all ---- */

static void says_nothing_when_it_is_cancelled(void **state)
{
	static const char *const Probes[] = {"tcp", "http /", "exec sleep 1000"};
	(void)state;
	tell_app("", 0, STAY);
	child_kill(child_start(&(struct child_spec){.argv = (const char *[]){"true", NULL}}, NULL,
		NULL)); /* the loop has its signalfd(2) */
	assert_true(loop_until_quiet());
	unsigned before = descriptors();
	for (size_t i = 0; i < sizeof Probes / sizeof *Probes; i++) {
		probe_cancel(start(Probes[i]));
		assert_true(loop_until_quiet());
		struct probe *p = start(Probes[i]);
		assert_true(loop_until_quiet());
		probe_cancel(p);
		assert_true(loop_until_quiet());
		loop_skip(PROBE_EXEC_LIMIT_MS);
		assert_int_equal(Told.calls, 0);
	}
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	io_close(&App.io);
	assert_true(loop_until_quiet());
	assert_int_equal(descriptors(), before);
}

static void leaves_no_descriptor(void **state)
{
	static const char *const Probes[] = {"tcp", "http /", "exec true"};
	(void)state;
	tell_app(OK, 0, STAY);
	check("exec true", ERR_NONE, "");
	unsigned before = descriptors();
	for (size_t i = 0; i < sizeof Probes / sizeof *Probes; i++) {
		tell_app(OK, 0, CLOSE);
		check(Probes[i], ERR_NONE, "");
		assert_int_equal(descriptors(), before);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_what_is_set),
		TEST(tcp_is_well_where_data_or_an_end_comes),
		TEST(tcp_is_well_where_it_stays_quiet),
		TEST(tcp_is_not_well_where_it_is_reset),
		TEST(needs_a_listener),
		TEST(needs_a_listener_that_listens),
		TEST(judges_http_answers),
		TEST(tells_the_http_status),
		TEST(asks_for_the_path),
		TEST(sends_a_long_request_whole),
		TEST(reads_no_more_of_a_head_than_it_may),
		TEST(waits_for_an_answer_so_long),
		TEST(asks_at_ipv6_too),
		TEST(judges_programs),
		TEST(shows_one_line_s_beginning),
		TEST(tells_programs_where_the_forward_is),
		TEST(kills_a_program_that_takes_too_long),
		TEST(says_nothing_when_it_is_cancelled),
		TEST(leaves_no_descriptor),
	};
	child_init();
	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
