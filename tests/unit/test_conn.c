/* conn.c with all below it, plain and with TLS, against a server on the same
 * loop that reads, writes and ends as it is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "child.h"
#include "conn.h"
#include "test_conn.h"

enum { BULK = 3000000, STORY = 256 };

static struct tls_anchors *Anchors;
static const struct proxy *Via; /* NULL: straight */

/* ---- our end ---- */

static const char *const Name[] = {"open", "in", "room", "eof", "fail"};

struct side {
	struct conn *c;
	struct buf got, say;
	size_t bite;       /* bytes eaten at once */
	size_t pause_at;   /* pauses when it has so many; 0: never */
	char story[STORY]; /* "open in eof": what was told, repetitions once */
	unsigned told[CONN_FAIL + 1];
	int close_at; /* the event at which it closes the connection; -1 */
};

static struct side A;

static void note(struct side *s, enum conn_event event)
{
	size_t n = strlen(s->story), last = strlen(Name[event]);
	s->told[event]++;
	if (n < last || strcmp(s->story + n - last, Name[event]))
		snprintf(s->story + n, STORY - n, "%s%s", n ? " " : "", Name[event]);
}

static void eat_some(struct side *s)
{
	uint8_t *p;
	size_t n;
	while ((n = conn_peek(s->c, &p))) {
		n = n < s->bite ? n : s->bite;
		if (s->pause_at && buf_len(&s->got) + n > s->pause_at)
			n = s->pause_at - buf_len(&s->got);
		buf_put(&s->got, p, n);
		conn_eat(s->c, n);
		if (s->pause_at && buf_len(&s->got) == s->pause_at)
			conn_pause(s->c);
	}
}

/* Pushes what there is, as far as there is room. */
static void push_some(struct side *s)
{
	uint8_t *p;
	size_t n;
	while (buf_len(&s->say) && (n = conn_room(s->c, 1, &p)))
		conn_push(s->c, move_in(&s->say, p, n));
}

static void on_event(void *owner, enum conn_event event)
{
	struct side *s = owner;
	loop_stop();
	note(s, event);
	if (event == CONN_IN)
		eat_some(s);
	if (event == CONN_OPEN || event == CONN_ROOM)
		push_some(s);
	if ((int)event == s->close_at) {
		conn_close(s->c);
		s->c = NULL;
	}
}

static struct conn *connect_to(const char *host, uint16_t port, bool tls, struct side *s)
{
	const struct tls_options o = {.host = "127.0.0.1", .anchors = Anchors};
	const struct conn_spec spec = {.host = host,
		.port = port,
		.tls = tls ? &o : NULL,
		.proxy = Via,
		.limit_ms = PATIENCE_MS};
	*s = (struct side){.bite = SIZE_MAX, .close_at = -1};
	return s->c = conn_open(&spec, on_event, s);
}

static void begin(bool tls)
{
	server_start(tls);
	connect_to("127.0.0.1", S.port, tls, &A);
}

static void side_free(struct side *s)
{
	if (s->c)
		conn_close(s->c);
	buf_free(&s->got);
	buf_free(&s->say);
	*s = (struct side){0};
}

static void run_until(bool (*done)(void))
{
	if (!loop_until(done))
		fail_msg("nothing came of it: %s; '%s'; %zu bytes here, %zu there", A.story,
			A.c ? conn_error(A.c)->text : "", buf_len(&A.got), buf_len(&S.got));
}

static void run_until_quiet(void)
{
	assert_true(loop_until_quiet());
}

static bool is_open(void)
{
	return A.told[CONN_OPEN];
}

static bool has_ended(void)
{
	return A.told[CONN_EOF] || A.told[CONN_FAIL];
}

static bool is_taken(void)
{
	return S.accepted;
}

static bool server_sees_end(void)
{
	return S.eof || S.lost;
}

static size_t Want;

static bool has_got(void)
{
	return buf_len(&A.got) >= Want;
}

static bool server_has_got(void)
{
	return buf_len(&S.got) >= Want;
}

static void wait_for(bool (*of)(void), size_t n)
{
	Want = n;
	run_until(of);
}

static void end(void)
{
	side_free(&A);
	if (S.io.fd >= 0 && !S.deaf)
		run_until(server_sees_end);
	server_stop();
}

/* ---- bytes ---- */

/* Bytes that show where they belong. */
static void put_pattern(struct buf *b, size_t n)
{
	uint8_t *p = buf_room(b, n);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
	buf_push(b, n);
}

static void assert_pattern(const struct buf *b, size_t n)
{
	struct buf want = {0};
	put_pattern(&want, n);
	assert_int_equal(buf_len(b), n);
	assert_memory_equal(buf_data(b), buf_data(&want), n);
	buf_free(&want);
}

static void carries(bool tls, size_t n, size_t step, size_t bite)
{
	begin(tls);
	S.step = step;
	A.bite = bite;
	put_pattern(&A.say, n);
	put_pattern(&S.say, n);
	wait_for(has_got, n);
	wait_for(server_has_got, n);
	assert_pattern(&A.got, n);
	assert_pattern(&S.got, n);
	assert_int_equal(A.told[CONN_OPEN], 1);
	assert_memory_equal(A.story, "open", 4);
	end();
}

static void carries_bytes_both_ways_however_they_are_cut(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		carries(tls, BULK, SIZE_MAX, SIZE_MAX);
		carries(tls, BULK, 70001, 777);
		carries(tls, 3000, 1, 1);
	}
}

static void sends_what_was_put_before_it_was_open(void **state)
{
	uint8_t *p;
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		begin(tls);
		conn_put(A.c, "GET ", 4);
		conn_put(A.c, "/\r\n", 3);
		assert_int_equal(conn_room(A.c, 1, &p), 0);
		wait_for(server_has_got, 7);
		assert_memory_equal(buf_data(&S.got), "GET /\r\n", 7);
		end();
	}
}

/* Tries in every round, before the connection's own turn. */
static void push_impatiently(struct task *task)
{
	push_some(&A);
	if (buf_len(&A.say))
		task_post(task);
}

/* A server that does not read: all that is given is kept in order, and nothing
 * is pushed past what was put. */
static void keeps_the_order_of_what_is_put_and_pushed(void **state)
{
	uint8_t *p;
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		struct buf sent = {0};
		struct task impatient = {.on = push_impatiently};
		begin(tls);
		run_until(is_open);
		S.deaf = true;
		server_look();
		put_pattern(&A.say, BULK * 8);
		buf_put(&sent, buf_data(&A.say), buf_len(&A.say));
		push_some(&A);
		assert_true(buf_len(&A.say) > 0);
		assert_true(conn_is_sending(A.c));
		size_t pushed = buf_len(&sent) - buf_len(&A.say);
		buf_free(&A.say);
		conn_put(A.c, "one", 3);
		conn_put(A.c, "two", 3);
		assert_int_equal(conn_room(A.c, 1, &p), 0);
		assert_int_equal(A.told[CONN_ROOM], 0);
		S.deaf = false;
		server_look();
		buf_put(&A.say, "three", 5);
		task_post(&impatient);
		wait_for(server_has_got, pushed + 11);
		assert_int_equal(buf_len(&S.got), pushed + 11);
		assert_memory_equal(buf_data(&S.got), buf_data(&sent), pushed);
		assert_memory_equal(buf_data(&S.got) + pushed, "onetwothree", 11);
		assert_true(A.told[CONN_ROOM] > 0);
		assert_false(conn_is_sending(A.c));
		buf_free(&sent);
		end();
	}
}

/* Our end's socket: none of our headers shows it. */
static int find_socket(void)
{
	struct sockaddr_in a;
	for (int fd = 3; fd < 1000; fd++) {
		socklen_t n = sizeof a;
		if (!getpeername(fd, (struct sockaddr *)&a, &n) && ntohs(a.sin_port) == S.port)
			return fd;
	}
	return -1;
}

static void assert_user_timeout(int want)
{
	int ms = -1;
	socklen_t n = sizeof ms;
	assert_int_equal(getsockopt(find_socket(), IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &n), 0);
	assert_int_equal(ms, want);
}

/* The kernel would give up after TCP_USER_TIMEOUT, though the server is well. */
static void waits_for_a_server_that_is_slow_to_read(void **state)
{
	(void)state;
	begin(false);
	run_until(is_open);
	assert_user_timeout(15000);
	S.deaf = true;
	server_look();
	put_pattern(&A.say, BULK * 8);
	push_some(&A);
	loop_skip(5000);
	assert_user_timeout(0);
	loop_skip(3600000);
	assert_string_equal(A.story, "open");
	S.deaf = false;
	server_look();
	wait_for(server_has_got, BULK * 8);
	assert_pattern(&S.got, BULK * 8);
	assert_user_timeout(15000);
	loop_skip(3600000);
	assert_int_equal(A.told[CONN_FAIL], 0);
	end();
}

/* ---- pausing ---- */

static void holds_the_server_up_while_it_is_paused(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		begin(tls);
		run_until(is_open);
		A.pause_at = 1000;
		put_pattern(&S.say, BULK * 8);
		server_look();
		wait_for(has_got, 1000);
		run_until_quiet();
		assert_int_equal(buf_len(&A.got), 1000);
		assert_true(server_has_more());
		A.pause_at = 0;
		conn_resume(A.c);
		wait_for(has_got, BULK * 8);
		assert_pattern(&A.got, BULK * 8);
		end();
	}
}

static void tells_again_what_was_left_at_a_pause(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		begin(tls);
		run_until(is_open);
		A.pause_at = 2;
		server_say("abcdef", 6);
		for (size_t n = 2; n <= 6; n += 2) {
			wait_for(has_got, n);
			run_until_quiet();
			assert_int_equal(buf_len(&A.got), n);
			A.pause_at = n + 2;
			conn_resume(A.c);
		}
		assert_memory_equal(buf_data(&A.got), "abcdef", 6);
		end();
	}
}

/* ---- ends ---- */

static void tells_the_end_behind_the_last_byte(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++)
		for (size_t step = 1; step < SIZE_MAX / 8; step *= 8000) {
			begin(tls);
			run_until(is_open);
			S.step = step;
			put_pattern(&S.say, step == 1 ? 100 : BULK);
			S.closing = true;
			server_look();
			run_until(has_ended);
			assert_string_equal(A.story, "open in eof");
			assert_pattern(&A.got, step == 1 ? 100 : BULK);
			assert_int_equal(conn_error(A.c)->kind, ERR_NONE);
			end();
		}
}

static void takes_a_cut_for_a_failure_where_there_is_tls(void **state)
{
	(void)state;
	begin(true);
	run_until(is_open);
	server_say("abc", 3);
	shutdown(S.io.fd, SHUT_WR);
	run_until(has_ended);
	assert_string_equal(A.story, "open in fail");
	assert_memory_equal(buf_data(&A.got), "abc", 3);
	assert_int_equal(conn_error(A.c)->kind, ERR_NETWORK);
	assert_non_null(strstr(conn_error(A.c)->text, "cut without notice"));
	end();
}

/* Bytes behind close_notify are nobody's; they keep nobody busy either. */
static void reads_nothing_behind_the_end_of_tls(void **state)
{
	(void)state;
	begin(true);
	run_until(is_open);
	buf_put(&S.say, "abc", 3);
	while (tls_end_step(S.tls, &S.wire_in, &S.wire_out, &S.got, &S.say))
		;
	tls_end_close(S.tls);
	while (tls_end_step(S.tls, &S.wire_in, &S.wire_out, &S.got, &S.say))
		;
	buf_put(&S.wire_out, "what is this?", 13);
	server_look();
	run_until(has_ended);
	assert_string_equal(A.story, "open in eof");
	assert_int_equal(buf_len(&A.got), 3);
	end();
}

static void gives_out_what_came_before_a_reset(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		begin(tls);
		run_until(is_open);
		server_say("abc", 3);
		server_reset();
		run_until(has_ended);
		assert_string_equal(A.story, "open in fail");
		assert_memory_equal(buf_data(&A.got), "abc", 3);
		assert_int_equal(conn_error(A.c)->kind, ERR_NETWORK);
		assert_int_equal(conn_error(A.c)->code, ECONNRESET);
		assert_non_null(strstr(conn_error(A.c)->text, "connection to 127.0.0.1:"));
		end();
	}
}

/* The same where sending is what finds out, and where it is paused. */
static void gives_out_what_came_before_sending_failed(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		begin(tls);
		run_until(is_open);
		A.pause_at = 1;
		server_say("ab", 2);
		wait_for(has_got, 1);
		server_say("cdef", 4);
		server_reset();
		run_until_quiet();
		conn_put(A.c, "x", 1);
		conn_put(A.c, "y", 1);
		run_until_quiet();
		assert_string_equal(A.story, "open in");
		A.pause_at = 0;
		conn_resume(A.c);
		run_until(has_ended);
		assert_memory_equal(A.story + strlen(A.story) - 4, "fail", 4);
		assert_int_equal(buf_len(&A.got), 6);
		assert_memory_equal(buf_data(&A.got), "abcdef", 6);
		assert_int_equal(A.told[CONN_FAIL], 1);
		end();
	}
}

/* Servers close over what they have not read, which is a reset behind their close_notify. */
static void takes_an_end_of_tls_before_sending_failed_for_an_end(void **state)
{
	(void)state;
	begin(true);
	run_until(is_open);
	A.pause_at = 1;
	server_say("ab", 2);
	wait_for(has_got, 1);
	tls_end_close(S.tls);
	server_look();
	server_reset();
	run_until_quiet();
	conn_put(A.c, "x", 1);
	conn_put(A.c, "y", 1);
	run_until_quiet();
	assert_string_equal(A.story, "open in");
	A.pause_at = 0;
	conn_resume(A.c);
	run_until(has_ended);
	assert_string_equal(A.story, "open in eof");
	assert_memory_equal(buf_data(&A.got), "ab", 2);
	assert_int_equal(conn_error(A.c)->kind, ERR_NONE);
	end();
}

static bool is_closed(void)
{
	return !A.c;
}

static void can_be_closed_at_each_event(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++)
		for (int event = CONN_OPEN; event <= CONN_FAIL; event++) {
			begin(tls);
			A.close_at = event;
			if (event == CONN_ROOM)
				put_pattern(&A.say, BULK * 8);
			else
				buf_put(&S.say, "abc", 3);
			S.closing = event == CONN_EOF;
			if (event == CONN_FAIL) {
				run_until(is_open);
				server_reset();
			}
			run_until(is_closed);
			assert_int_equal(A.told[event], 1);
			end();
		}
}

/* A close is not a cut: the server is told, behind what was put. */
static void takes_leave_of_the_server(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		begin(tls);
		run_until(is_open);
		conn_put(A.c, "bye", 3);
		conn_close(A.c);
		A.c = NULL;
		run_until(server_sees_end);
		assert_memory_equal(buf_data(&S.got), "bye", 3);
		assert_true(tls ? tls_end_is_closed(S.tls) : S.eof);
		server_stop();
	}
}

static struct side B;

static void pass_to_b(void *owner, enum conn_event event)
{
	uint8_t *p;
	(void)owner;
	loop_stop();
	note(&A, event);
	if (event != CONN_IN)
		return;
	assert_true(conn_peek(A.c, &p) >= 2);
	conn_eat(A.c, 2);
	B = (struct side){.c = A.c, .bite = SIZE_MAX, .close_at = -1};
	conn_pass(A.c, on_event, &B);
	eat_some(&B);
	A.c = NULL;
}

static bool b_has_ended(void)
{
	return B.told[CONN_EOF];
}

static void can_be_passed_on_with_what_came_in(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		begin(tls);
		conn_pass(A.c, pass_to_b, NULL);
		run_until(is_open);
		server_say("abcdef", 6);
		S.closing = true;
		server_look();
		run_until(b_has_ended);
		assert_string_equal(A.story, "open in");
		assert_memory_equal(B.story + strlen(B.story) - 3, "eof", 3);
		assert_int_equal(buf_len(&B.got), 4);
		assert_memory_equal(buf_data(&B.got), "cdef", 4);
		side_free(&B);
		end();
	}
}

static void knows_when_it_last_heard_from_the_server(void **state)
{
	(void)state;
	begin(false);
	run_until(is_open);
	int64_t opened = conn_heard_ms(A.c);
	assert_true(opened > 0);
	loop_clock_skip(5000);
	server_say("a", 1);
	wait_for(has_got, 1);
	assert_true(conn_heard_ms(A.c) >= opened + 5000);
	end();
}

/* ---- beginnings that fail ---- */

static void assert_fails(enum err_kind kind, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void assert_fails(enum err_kind kind, int code, const char *fmt, ...)
{
	char want[ERR_TEXT];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(want, sizeof want, fmt, ap);
	va_end(ap);
	run_until(has_ended);
	assert_string_equal(conn_error(A.c)->text, want);
	assert_int_equal(conn_error(A.c)->kind, kind);
	if (code)
		assert_int_equal(conn_error(A.c)->code, code);
	assert_string_equal(A.story, "fail");
	side_free(&A);
}

static void says_that_it_was_refused(void **state)
{
	(void)state;
	server_start(false);
	io_close(&S.listener);
	run_until_quiet();
	connect_to("127.0.0.1", S.port, true, &A);
	assert_int_equal(A.told[CONN_FAIL], 0);
	assert_fails(ERR_REFUSED, ECONNREFUSED, "connection refused (127.0.0.1:%u)", S.port);
	end();
}

static void says_what_it_waited_for_when_time_is_up(void **state)
{
	(void)state;
	begin(true);
	S.deaf = true;
	run_until(is_taken);
	loop_clock_skip(PATIENCE_MS);
	assert_fails(ERR_NETWORK, ETIMEDOUT, "TLS handshake with 127.0.0.1:%u: no answer in %d s",
		S.port, PATIENCE_MS / 1000);
	end();
}

/* A server that ends the connection during the handshake: what it said before
 * is the cause, not the reset behind it. */
static void says_why_there_is_no_handshake(void **state)
{
	static const struct {
		const char *says;
		size_t n;
		bool reset;
		enum err_kind kind;
		const char *text;
	} Bad[] = {
		{"", 0, false, ERR_NETWORK, "closed the connection during the TLS handshake"},
		{"", 0, true, ERR_NETWORK, "Connection reset by peer"},
		{"\x15\x03\x03\x00\x02\x02\x46", 7, true, ERR_TLS, "server requires TLS 1.3"},
		{"\x15\x03\x03\x00\x02\x02\x46 and more", 16, false, ERR_TLS,
			"server requires TLS 1.3"},
		{"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", 47, false, ERR_TLS,
			"server speaks plain HTTP here"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Bad / sizeof *Bad; i++) {
		server_start(false);
		connect_to("127.0.0.1", S.port, true, &A);
		wait_for(server_has_got, 1);
		server_say(Bad[i].says, Bad[i].n);
		if (Bad[i].reset)
			server_reset();
		else
			shutdown(S.io.fd, SHUT_WR);
		run_until(has_ended);
		assert_string_equal(A.story, "fail");
		assert_int_equal(conn_error(A.c)->kind, Bad[i].kind);
		assert_non_null(strstr(conn_error(A.c)->text, Bad[i].text));
		end();
	}
}

static void does_not_open_where_the_certificate_is_not_trusted(void **state)
{
	struct tls_anchors *right = Anchors;
	(void)state;
	Anchors = certs_anchors("other.crt");
	begin(true);
	conn_put(A.c, "secret", 6);
	run_until(has_ended);
	assert_string_equal(A.story, "fail");
	assert_int_equal(conn_error(A.c)->kind, ERR_TLS);
	assert_non_null(strstr(conn_error(A.c)->text, "unknown authority"));
	assert_int_equal(buf_len(&S.got), 0);
	end();
	tls_anchors_free(Anchors);
	Anchors = right;
}

static void fails_from_the_loop_where_tls_cannot_even_begin(void **state)
{
	const struct tls_options o = {.host = "", .insecure = true};
	const struct conn_spec spec = {
		.host = "127.0.0.1", .port = 1, .tls = &o, .limit_ms = PATIENCE_MS};
	(void)state;
	A = (struct side){.close_at = CONN_FAIL};
	A.c = conn_open(&spec, on_event, &A);
	assert_int_equal(A.told[CONN_FAIL], 0);
	assert_int_equal(conn_error(A.c)->kind, ERR_TLS);
	run_until(has_ended);
	assert_null(A.c);
	side_free(&A);
}

static void can_be_closed_before_it_is_open(void **state)
{
	(void)state;
	begin(true);
	side_free(&A);
	run_until_quiet();
	assert_int_equal(S.accepted, 0);
	connect_to("127.0.0.1", S.port, true, &A);
	run_until(is_taken);
	end();
}

/* Handshakes take turns; all of them come to an end. */
static void opens_many_at_once(void **state)
{
	struct side many[8];
	(void)state;
	server_start(false);
	for (size_t i = 0; i < 8; i++)
		connect_to("127.0.0.1", S.port, true, &many[i]);
	while (S.accepted < 8)
		run_until(is_taken);
	for (size_t i = 0; i < 8; i++)
		side_free(&many[i]);
	end();
}

/* ---- proxies ---- */

static bool is_asked_to_connect(void)
{
	static const char Request[] =
		"CONNECT a.test:6443 HTTP/1.1\r\nHost: a.test:6443\r\nUser-Agent: porter\r\n\r\n";
	return buf_len(&S.got) == sizeof Request - 1 &&
	       !memcmp(buf_data(&S.got), Request, sizeof Request - 1);
}

/* The server is the proxy, and behind its answer the server. */
static void begin_by_proxy(enum proxy_kind kind, bool tls)
{
	static struct proxy proxy;
	server_start(kind == PROXY_HTTPS);
	proxy = (struct proxy){
		.kind = kind, .name = "proxy p", .host = "127.0.0.1", .port = S.port};
	Via = &proxy;
	connect_to("a.test", 6443, tls, &A);
	Via = NULL;
	run_until(is_asked_to_connect);
	buf_free(&S.got);
}

static void answer(const char *text)
{
	server_say(text, strlen(text));
}

static void carries_by_proxy(enum proxy_kind kind, bool tls)
{
	begin_by_proxy(kind, tls);
	put_pattern(&A.say, BULK);
	answer("HTTP/1.1 200 OK\r\n\r\n");
	if (tls) {
		run_until_quiet();
		S.tls = tls_end_new("server.crt", "server.key");
		buf_put(&S.wire_in, buf_data(&S.got), buf_len(&S.got));
		buf_eat(&S.got, buf_len(&S.got));
		server_look();
	}
	put_pattern(&S.say, BULK);
	server_look();
	wait_for(has_got, BULK);
	wait_for(server_has_got, BULK);
	assert_pattern(&A.got, BULK);
	assert_pattern(&S.got, BULK);
	S.closing = true;
	server_look();
	run_until(has_ended);
	assert_memory_equal(A.story, "open", 4);
	assert_int_equal(A.told[CONN_EOF], 1);
	end();
}

static void carries_bytes_through_proxies(void **state)
{
	(void)state;
	run_until_quiet();
	unsigned before = descriptors();
	carries_by_proxy(PROXY_HTTP, false);
	carries_by_proxy(PROXY_HTTP, true);
	carries_by_proxy(PROXY_HTTPS, false);
	run_until_quiet();
	assert_int_equal(descriptors(), before);
}

static void names_the_proxy_that_refuses(void **state)
{
	static const enum proxy_kind Kinds[] = {PROXY_HTTP, PROXY_HTTPS};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		begin_by_proxy(Kinds[i], true);
		S.closing = true;
		answer("HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n");
		run_until(has_ended);
		assert_string_equal(A.story, "fail");
		assert_string_equal(conn_error(A.c)->text, "proxy p: answered 403 Forbidden");
		end();
	}
}

static void holds_a_server_behind_tls_up_while_it_is_paused(void **state)
{
	(void)state;
	begin_by_proxy(PROXY_HTTPS, false);
	answer("HTTP/1.1 200 OK\r\n\r\n");
	run_until(is_open);
	A.pause_at = 1000;
	put_pattern(&S.say, 8 * BULK);
	server_look();
	wait_for(has_got, 1000);
	run_until_quiet();
	assert_true(buf_len(&S.say) > BULK);
	A.pause_at = 0;
	conn_resume(A.c);
	wait_for(has_got, 8 * BULK);
	assert_pattern(&A.got, 8 * BULK);
	end();
}

static void tells_why_what_carries_it_has_ended(void **state)
{
	(void)state;
	begin_by_proxy(PROXY_HTTPS, false);
	answer("HTTP/1.1 200 OK\r\n\r\nlast words");
	run_until(is_open);
	wait_for(has_got, 10);
	server_reset();
	run_until(has_ended);
	assert_memory_equal(buf_data(&A.got), "last words", 10);
	assert_string_equal(A.story, "open in fail");
	assert_non_null(strstr(conn_error(A.c)->text, "proxy p: connection to 127.0.0.1:"));
	assert_int_equal(conn_error(A.c)->kind, ERR_NETWORK);
	end();
}

static void connect_by_program(const char *script, bool tls)
{
	char *words[] = {(char *)"sh", (char *)"-c", (char *)(uintptr_t)script, NULL};
	const struct proxy proxy = {.kind = PROXY_PROGRAM, .name = "sh", .argv = words};
	Via = &proxy;
	connect_to("a.test", 6443, tls, &A);
	Via = NULL;
}

static void carries_bytes_by_a_program(void **state)
{
	(void)state;
	connect_by_program("exec cat", false);
	put_pattern(&A.say, BULK);
	wait_for(has_got, BULK);
	assert_pattern(&A.got, BULK);
	side_free(&A);
}

static void passes_on_a_programs_last_words(void **state)
{
	(void)state;
	connect_by_program("echo hello; echo lost >&2; exit 3", false);
	run_until(has_ended);
	assert_string_equal(A.story, "open in fail");
	assert_memory_equal(buf_data(&A.got), "hello\n", 6);
	assert_string_equal(conn_error(A.c)->text, "sh: lost");
	side_free(&A);
	connect_by_program("exec 0<&- 1>&-; sleep 0.1; echo no way >&2; exit 3", true);
	run_until(has_ended);
	assert_string_equal(A.story, "fail");
	assert_string_equal(conn_error(A.c)->text, "sh: no way");
	side_free(&A);
	connect_by_program("exec 0<&- 1>&-; exec sleep 1000", true); /* it is not waited for */
	run_until(has_ended);
	assert_int_equal(conn_error(A.c)->kind, ERR_NETWORK);
	side_free(&A);
	connect_by_program("exit 0", true);
	run_until(has_ended);
	assert_int_equal(
		conn_error(A.c)->kind, ERR_NETWORK); /* closed, or reset: it read nothing */
	assert_non_null(strstr(conn_error(A.c)->text, "a.test:6443"));
	side_free(&A);
	connect_by_program("exit 0", false);
	run_until(has_ended);
	assert_string_equal(A.story, "open eof");
	side_free(&A);
}

static int set_up(void **state)
{
	if (certs_make(state))
		return -1;
	Anchors = certs_anchors("ca.crt");
	setenv("SSL_CERT_FILE", certs_path("ca.crt"),
		1); /* of proxies, where the server has no TLS */
	child_init();
	loop_init();
	return !Anchors;
}

static int tear_down(void **state)
{
	tls_anchors_free(Anchors);
	loop_end();
	return certs_remove(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_bytes_both_ways_however_they_are_cut),
		cmocka_unit_test(sends_what_was_put_before_it_was_open),
		cmocka_unit_test(keeps_the_order_of_what_is_put_and_pushed),
		cmocka_unit_test(waits_for_a_server_that_is_slow_to_read),
		cmocka_unit_test(holds_the_server_up_while_it_is_paused),
		cmocka_unit_test(tells_again_what_was_left_at_a_pause),
		cmocka_unit_test(tells_the_end_behind_the_last_byte),
		cmocka_unit_test(takes_a_cut_for_a_failure_where_there_is_tls),
		cmocka_unit_test(reads_nothing_behind_the_end_of_tls),
		cmocka_unit_test(gives_out_what_came_before_a_reset),
		cmocka_unit_test(gives_out_what_came_before_sending_failed),
		cmocka_unit_test(takes_an_end_of_tls_before_sending_failed_for_an_end),
		cmocka_unit_test(can_be_closed_at_each_event),
		cmocka_unit_test(takes_leave_of_the_server),
		cmocka_unit_test(can_be_passed_on_with_what_came_in),
		cmocka_unit_test(knows_when_it_last_heard_from_the_server),
		cmocka_unit_test(says_that_it_was_refused),
		cmocka_unit_test(says_what_it_waited_for_when_time_is_up),
		cmocka_unit_test(says_why_there_is_no_handshake),
		cmocka_unit_test(does_not_open_where_the_certificate_is_not_trusted),
		cmocka_unit_test(fails_from_the_loop_where_tls_cannot_even_begin),
		cmocka_unit_test(can_be_closed_before_it_is_open),
		cmocka_unit_test(opens_many_at_once),
		cmocka_unit_test(carries_bytes_through_proxies),
		cmocka_unit_test(names_the_proxy_that_refuses),
		cmocka_unit_test(holds_a_server_behind_tls_up_while_it_is_paused),
		cmocka_unit_test(tells_why_what_carries_it_has_ended),
		cmocka_unit_test(carries_bytes_by_a_program),
		cmocka_unit_test(passes_on_a_programs_last_words),
	};
	return cmocka_run_group_tests_name("conn", tests, set_up, tear_down);
}
