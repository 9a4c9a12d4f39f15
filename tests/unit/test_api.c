/* api.c with all below it, against a server that plays what it is told to. */
#include "test_api.h"
#include "child.h"
#include "credential.h"
#include "http.h"
#include "test_plugin.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"

static struct cluster *C;

/* What the calls of one test were told. */
static struct {
	unsigned calls;
	int status;
	struct err err;
	bool has_body;
	char text[64];  /* of "text" in the body */
	char order[64]; /* of the calls' owners */
} Told;

/* What a watch was told, in order: "begun|one|two|end|", "begun|end: why|". */
static struct {
	struct api_call *call;
	struct buf story;
	int status;
	struct err err;
	const char *cancel_at; /* cancelled by its owner when it is told of it */
	bool drops;            /* the owner has been the last user of C, too */
} Watch;

static void on_answer(void *owner, const struct api_answer *a)
{
	const char *text = value_text(value_get(a->body, "text"));
	size_t n = strlen(Told.order);
	Told.calls++;
	Told.status = a->status;
	Told.err = a->err;
	Told.has_body = a->body;
	snprintf(Told.text, sizeof Told.text, "%s", text ? text : "");
	snprintf(Told.order + n, sizeof Told.order - n, "%s", owner ? (const char *)owner : "");
	loop_stop();
}

static unsigned Wanted;

static bool told_all(void)
{
	return Told.calls == Wanted;
}

/* One more answer. */
static void wait_answer(void)
{
	Wanted = Told.calls + 1;
	run_until(told_all);
}

static void get(const char *path)
{
	api_get(C, path, on_answer, NULL);
	wait_answer();
}

static int start(void **state)
{
	(void)state;
	memset(&Told, 0, sizeof Told);
	memset(&Watch, 0, sizeof Watch);
	server_start();
	C = cluster_here();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	if (C)
		cluster_drop(C);
	server_stop();
	buf_free(&Watch.story);
	return 0;
}

/* ---- answers ---- */

static void asks_as_an_api_server_wants_to_be_asked(void **state)
{
	char want[512];
	(void)state;
	PLAY({"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"text\":\"yes\"}", 0});
	get("/api/v1/a?b=c%2Cd");
	assert_int_equal(Told.status, 200);
	assert_string_equal(Told.text, "yes");
	assert_int_equal(Told.err.kind, ERR_NONE);
	snprintf(want, sizeof want,
		"GET /api/v1/a?b=c%%2Cd HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: porter\r\n"
		"Authorization: Bearer t0ken\r\nAccept: application/json\r\n\r\n",
		Server.port);
	assert_int_equal(buf_len(&Server.last), strlen(want));
	assert_memory_equal(buf_data(&Server.last), want, strlen(want));
}

static void reads_an_answer_however_it_is_framed_and_cut(void **state)
{
	static const char *const Whole[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"text\":\"yes\"}",
		("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "9\r\n{\"text\":\"\r\n5;x=y\r\nyes\"}\r\n0\r\nA: b\r\n\r\n"),
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{\"text\":\"yes\"}",
	};
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		PLAY({Whole[i / 2], (i & 1 ? BYTEWISE : 0) | (i / 2 == 2 ? END : 0)});
		get("/api");
		assert_string_equal(Told.err.text, "");
		assert_string_equal(Told.text, "yes");
		assert_int_equal(Told.status, 200);
	}
	assert_asked("1 /api|1 /api|1 /api|1 /api|1 /api|2 /api|");
}

/* Each of these ends the call, and its connection. */
static void says_what_is_wrong_with_an_answer(void **state)
{
	static const struct {
		struct play play;
		enum err_kind kind;
		const char *text;
	} Bad[] = {
		{{"SSH-2.0-OpenSSH_9.2\r\n", 0}, ERR_PROTOCOL, "answer is not HTTP/1.1"},
		{{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 0}, ERR_PROTOCOL,
			"answer's chunks are malformed"},
		{{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1,2,3,4]", 0}, ERR_PROTOCOL,
			"answer is longer than 8 bytes"},
		{{"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n[1,2", END}, ERR_NETWORK,
			"server closed the connection before its answer was whole"},
		{{"HTTP/1.1 200", END}, ERR_NETWORK,
			"server closed the connection before its answer was whole"},
		{{"", END}, ERR_NETWORK,
			"server closed the connection before its answer was whole"},
		{{NULL, 0}, ERR_NETWORK, "no answer in 1 s"},
	};
	char want[ERR_TEXT];
	(void)state;
	for (unsigned i = 0; i < sizeof Bad / sizeof *Bad; i++) {
		int64_t limit = Bad[i].play.text ? PATIENCE_MS : 1000;
		cluster_limit(C, &(struct api_limits){PATIENCE_MS, limit, PATIENCE_MS, 8});
		play(&Bad[i].play, 1);
		get("/api");
		snprintf(want, sizeof want, "cluster 'prod': %s", Bad[i].text);
		assert_string_equal(Told.err.text, want);
		assert_int_equal(Told.err.kind, Bad[i].kind);
		assert_int_equal(Told.status, 0);
		assert_false(Told.has_body);
		assert_int_equal(Server.opened, i + 1);
	}
}

static void an_answer_that_is_not_json_has_a_status_all_the_same(void **state)
{
	(void)state;
	PLAY({"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0});
	get("/healthz");
	assert_int_equal(Told.status, 200);
	assert_int_equal(Told.err.kind, ERR_PROTOCOL);
	assert_non_null(strstr(Told.err.text, "cluster 'prod': answer is not JSON: "));
	assert_false(Told.has_body);
}

/* ---- kept connections ---- */

static void closes_a_connection_when_the_server_says_so(void **state)
{
	(void)state;
	PLAY({"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", 0}, {OK, 0});
	get("/api/a");
	get("/api/b");
	assert_int_equal(Told.status, 200);
	assert_asked("1 /api/a|2 /api/b|");
	assert_int_equal(Server.opened, 2);
}

/* The server ends it in the very moment in which the next request leaves. */
static void replaces_a_kept_connection_that_was_closed(void **state)
{
	static const enum play_how How[] = {END, RESET};
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		PLAY({OK, 0}, {"", How[i]},
			{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", 0});
		get("/api/a");
		get("/api/b");
		assert_int_equal(Told.status, 200);
		assert_int_equal(Told.err.kind, ERR_NONE);
	}
	assert_asked("1 /api/a|1 /api/b|2 /api/b|3 /api/a|3 /api/b|4 /api/b|");
}

static void replaces_it_once_and_not_after_a_first_byte(void **state)
{
	(void)state;
	PLAY({OK, 0}, {"", END}, {"", END});
	get("/api/a");
	get("/api/b");
	assert_int_equal(Told.err.kind, ERR_NETWORK);
	assert_asked("1 /api/a|1 /api/b|2 /api/b|");
	PLAY({OK, 0}, {"H", END});
	get("/api/c");
	get("/api/d");
	assert_int_equal(Told.err.kind, ERR_NETWORK);
	assert_asked("1 /api/a|1 /api/b|2 /api/b|3 /api/c|3 /api/d|");
}

static void an_idle_connection_ends_by_the_server_or_in_time(void **state)
{
	(void)state;
	PLAY({OK, END});
	get("/api/end");
	run_until(all_closed);
	PLAY({"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n", 0});
	get("/api/too-much");
	run_until(all_closed);
	cluster_limit(C, &(struct api_limits){PATIENCE_MS, PATIENCE_MS, 20, 1000});
	PLAY({OK, 0});
	get("/api/idle");
	run_until(all_closed);
	assert_int_equal(Server.opened, 3);
}

static void on_time(struct timer *timer)
{
	(void)timer;
	Told.calls++;
	loop_stop();
}

static void a_connection_that_is_used_again_is_not_idle(void **state)
{
	struct timer timer = {.on = on_time};
	(void)state;
	cluster_limit(C, &(struct api_limits){PATIENCE_MS, PATIENCE_MS, 100, 1000});
	PLAY({OK, 0}, {NULL, 0});
	get("/api");
	struct api_call *call = api_get(C, "/api", on_answer, NULL);
	timer_after(&timer, 300);
	wait_answer();
	assert_int_equal(Server.open, 1);
	api_cancel(call);
}

static bool two_are_open(void)
{
	return Server.open == 2 && Told.calls == 7;
}

static void takes_turns_on_few_connections_and_keeps_two(void **state)
{
	static const struct play Ok[7] = {
		{OK, BYTEWISE},
		{OK, BYTEWISE},
		{OK, BYTEWISE},
		{OK, BYTEWISE},
		{OK, BYTEWISE},
		{OK, BYTEWISE},
		{OK, BYTEWISE},
	};
	static char Name[7][2] = {"a", "b", "c", "d", "e", "f", "g"};
	(void)state;
	play(Ok, 7);
	for (unsigned i = 0; i < 7; i++)
		api_get(C, "/api", on_answer, Name[i]);
	run_until(two_are_open);
	assert_int_equal(Server.opened, API_CALLS);
	/* The first four race; behind them it is first come, first served. */
	assert_int_equal(strspn(Told.order, "abcd"), 4);
	assert_non_null(strchr(Told.order + 4, 'g'));
	assert_int_equal(Told.err.kind, ERR_NONE);
}

/* ---- ends ---- */

static bool asked_four_times(void)
{
	return buf_len(&Server.log) == 4 * strlen("1 /api|");
}

static void a_cancelled_call_is_told_nothing_and_makes_room(void **state)
{
	struct api_call *call[6];
	(void)state;
	PLAY({NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0});
	for (unsigned i = 0; i < 6; i++)
		call[i] = api_get(C, "/api", on_answer, i == 5 ? "last" : "cancelled");
	run_until(asked_four_times);
	api_cancel(call[4]);
	for (unsigned i = 0; i < 4; i++)
		api_cancel(call[i]);
	PLAY({OK, 0});
	wait_answer();
	assert_string_equal(Told.order, "last");
	assert_int_equal(Told.err.kind, ERR_NONE);
}

static void drop_on_answer(void *owner, const struct api_answer *a)
{
	cluster_drop(C);
	C = NULL;
	on_answer(owner, a);
}

static void a_cluster_may_be_dropped_before_and_in_a_call(void **state)
{
	(void)state;
	PLAY({OK, 0});
	struct cluster *user = cluster_share(C);
	struct api_call *other = api_get(C, "/api/other", on_answer, NULL);
	cluster_drop(user);
	api_cancel(other);
	api_get(C, "/api", drop_on_answer, NULL);
	wait_answer();
	assert_int_equal(Told.status, 200);
	run_until(all_closed);
}

/* ---- refusals ---- */

#define STATUS(message, code)                                                                      \
	"{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"" message "\",\"code\":" code "}"

static void says_what_a_refusal_says(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum err_kind kind;
		const char *text;
	} Case[] = {
		{404, STATUS("services \\\"x\\\" not found", "404"), ERR_NOT_FOUND,
			"services \"x\" not found"},
		{401, STATUS("Unauthorized", "401"), ERR_UNAUTHORIZED,
			"server refuses the user's credentials: Unauthorized"},
		{403, STATUS("pods is forbidden", "403"), ERR_FORBIDDEN, "pods is forbidden"},
		{429, STATUS("slow down", "429"), ERR_THROTTLED, "slow down"},
		{500, STATUS("a\\nb\\u001b[31m", "500"), ERR_SERVER, "a?b?[31m"},
		{503, "upstream connect error", ERR_SERVER, "server answered with HTTP status 503"},
		{403, "", ERR_FORBIDDEN, "server answered with HTTP status 403"},
		{404, "{\"message\":\"not ours\"}", ERR_PROTOCOL,
			"server answered with HTTP status 404"},
		{500, STATUS("", "500"), ERR_SERVER, "server answered with HTTP status 500"},
		{302, "[]", ERR_PROTOCOL, "server answered with HTTP status 302"},
	};
	char answer[512];
	(void)state;
	for (unsigned i = 0; i < sizeof Case / sizeof *Case; i++) {
		size_t n = strlen(Case[i].body);
		struct err e = {0};
		api_refusal(&e, Case[i].status, (const uint8_t *)Case[i].body, n);
		snprintf(answer, sizeof answer, "HTTP/1.1 %d No\r\nContent-Length: %zu\r\n\r\n%s",
			Case[i].status, n, Case[i].body);
		PLAY({answer, 0});
		get("/api");
		assert_string_equal(e.text, Case[i].text);
		assert_int_equal(e.kind, Case[i].kind);
		assert_int_equal(e.code, Case[i].status);
		assert_memory_equal(&Told.err, &e, offsetof(struct err, text));
		assert_string_equal(Told.err.text, e.text);
		assert_int_equal(Told.status, Case[i].status);
	}
	assert_int_equal(Server.opened, 1);
}

static void says_why_it_cannot_connect_in_the_clusters_name(void **state)
{
	char want[128];
	(void)state;
	io_close(&Server.io);
	get("/api");
	snprintf(want, sizeof want, "cluster 'prod': connection refused (127.0.0.1:%u)",
		Server.port);
	assert_string_equal(Told.err.text, want);
	assert_int_equal(Told.err.kind, ERR_REFUSED);
	assert_int_equal(Told.err.code, ECONNREFUSED);
	assert_int_equal(Told.status, 0);
}

/* ---- watches ---- */

#define LINE(text) "{\"text\":\"" text "\"}\n" /* 12 bytes and its text */
#define REFUSAL(status, length, wish)                                                              \
	"HTTP/1.1 " status " No\r\nContent-Length: " length "\r\nRetry-After: " wish "\r\n\r\n"

static void note(const char *what, const char *more)
{
	buf_print(&Watch.story, "%s%s|", what, more);
	if (Watch.cancel_at && !strcmp(Watch.cancel_at, what)) {
		api_cancel(Watch.call);
		if (Watch.drops) {
			cluster_drop(C);
			C = NULL;
		}
	}
	loop_stop();
}

static void on_begun(void *owner)
{
	(void)owner;
	note("begun", "");
}

static void on_line(void *owner, const struct value *event)
{
	const char *text = value_text(value_get(event, "text"));
	(void)owner;
	note(text ? text : "?", "");
}

static void on_end(void *owner, const struct api_answer *a)
{
	static const char Name[] = "cluster 'prod': ";
	size_t n = strlen(Name);
	(void)owner;
	Watch.status = a->status;
	Watch.err = a->err;
	note(a->err.kind ? "end: " : "end", a->err.text + (strncmp(a->err.text, Name, n) ? 0 : n));
}

static bool has_ended(void)
{
	buf_put(&Watch.story, "", 1);
	Watch.story.tail--;
	return strstr((const char *)buf_data(&Watch.story), "end");
}

static bool has_begun(void)
{
	return buf_len(&Watch.story);
}

static void watch_for(int64_t limit_ms)
{
	static const struct api_watch_ops Ops = {on_begun, on_line, on_end};
	buf_free(&Watch.story);
	Watch.call = api_watch(C, "/api/w", limit_ms, &Ops, NULL);
}

static void watch(void)
{
	watch_for(PATIENCE_MS);
}

static void assert_story(const char *want)
{
	buf_put(&Watch.story, "", 1);
	assert_string_equal((const char *)buf_data(&Watch.story), want);
	buf_free(&Watch.story);
}

static void gives_out_lines_however_they_are_framed_and_cut(void **state)
{
	static const struct {
		struct play play;
		const char *want;
	} Case[] = {
		{{LINES LINE("a") LINE("b"), END}, "begun|a|b|end|"},
		{{CHUNKED "d\r\n" LINE("a") "\r\n1a\r\n" LINE("b") LINE("c") "\r\n0\r\n\r\n", 0},
			"begun|a|b|c|end|"},
		{{CHUNKED "5\r\n{\"tex\r\n4\r\nt\":\"\r\n3\r\nyes\r\n1\r\n\"\r\n2\r\n}\n\r\n"
			  "0\r\n\r\n",
			 0},
			"begun|yes|end|"},
		{{CHUNKED "14\r\n" LINE("a") "{\"text\"\r\n13\r\n:\"b\"}\n" LINE(
			  "c") "\r\n0\r\n\r\n",
			 0},
			"begun|a|b|c|end|"},
		{{"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n" LINE("a") LINE("b"), 0},
			"begun|a|b|end|"},
		{{CHUNKED "7\r\n{}\n[1]\n\r\n0\r\n\r\n", 0}, "begun|?|?|end|"},
		{{CHUNKED "0\r\n\r\n", 0}, "begun|end|"},
	};
	(void)state;
	for (unsigned i = 0; i < 2 * sizeof Case / sizeof *Case; i++) {
		struct play cut = Case[i / 2].play;
		cut.how |= i & 1 ? BYTEWISE : 0;
		play(&cut, 1);
		watch();
		run_until(has_ended);
		assert_story(Case[i / 2].want);
		assert_int_equal(Watch.status, 200);
		run_until(all_closed);
		assert_int_equal(Server.opened, i + 1);
	}
}

static bool has_line(void)
{
	return buf_len(&Watch.story) > strlen("begun|");
}

static void tells_each_line_when_it_comes(void **state)
{
	(void)state;
	PLAY({OK, 0}, {CHUNKED, 0});
	get("/api");
	watch();
	run_until(has_begun);
	assert_asked("1 /api|2 /api/w|"); /* on a connection of its own */
	wait_quietly(QUIET_MS);
	say(2, "19\r\n" LINE("a") "{\"text\":", 0);
	run_until(has_line);
	wait_quietly(QUIET_MS);
	assert_int_equal(buf_len(&Watch.story), strlen("begun|a|"));
	say(2, "\"b\"}\r\n1\r\n\n\r\n0\r\n\r\n", 0);
	run_until(has_ended);
	assert_story("begun|a|b|end|");
}

static void says_how_a_watch_was_cut(void **state)
{
	static const char Closed[] = "server closed the connection before its answer was whole";
	static const struct {
		struct play play;
		enum err_kind kind;
		const char *begin, *text; /* of the story, and of the error */
	} Case[] = {
		{{CHUNKED "d\r\n" LINE("a") "\r\n", END}, ERR_NETWORK, "begun|a|", Closed},
		{{CHUNKED "d\r\n{\"text", END}, ERR_NETWORK, "begun|", Closed},
		{{LINES LINE("a") "{\"text", END}, ERR_NETWORK, "begun|a|",
			"watch ended in the middle of a line"},
		{{CHUNKED "8\r\n{\"text\":\r\n0\r\n\r\n", 0}, ERR_NETWORK, "begun|",
			"watch ended in the middle of a line"},
		{{LINES LINE("a"), RESET}, ERR_NETWORK, "", ""}, /* may overtake the line */
		{{LINES LINE("a") "no\n" LINE("b"), 0}, ERR_PROTOCOL, "begun|a|",
			"watch sends a line that is not JSON: "},
		{{LINES "\n", 0}, ERR_PROTOCOL, "begun|", "watch sends a line that is not JSON: "},
		{{LINES "{\"text\":\"0123456789012345678901234567890123456789", 0}, ERR_PROTOCOL,
			"begun|", "answer is longer than 32 bytes"},
		{{CHUNKED "d\r\n" LINE("a") "\r\nx", 0}, ERR_PROTOCOL, "begun|a|",
			"answer's chunks are malformed"},
		{{"HTTP/2 200\r\n", 0}, ERR_PROTOCOL, "", "answer is not HTTP/1.1"},
		{{"", END}, ERR_NETWORK, "", Closed},
	};
	char want[ERR_TEXT];
	(void)state;
	cluster_limit(C, &(struct api_limits){PATIENCE_MS, PATIENCE_MS, PATIENCE_MS, 32});
	for (unsigned i = 0; i < sizeof Case / sizeof *Case; i++) {
		play(&Case[i].play, 1);
		watch();
		run_until(has_ended);
		snprintf(want, sizeof want, "%send: %s", Case[i].begin, Case[i].text);
		if (*Case[i].text)
			assert_memory_equal(buf_data(&Watch.story), want, strlen(want));
		assert_int_equal(Watch.err.kind, Case[i].kind);
		run_until(all_closed);
		assert_int_equal(Server.opened, i + 1);
	}
}

static void a_line_may_be_as_long_as_an_answer_and_there_may_be_many(void **state)
{
	(void)state;
	cluster_limit(C, &(struct api_limits){PATIENCE_MS, PATIENCE_MS, PATIENCE_MS, 13});
	PLAY({CHUNKED "d\r\n" LINE("a") "\r\nd\r\n" LINE("b") "\r\ne\r\n" LINE("cc") "\r\n",
		BYTEWISE});
	watch();
	run_until(has_ended);
	assert_story("begun|a|b|end: answer is longer than 13 bytes|");
}

static void a_refused_watch_is_told_as_a_refused_call(void **state)
{
	static const struct {
		const char *text;
		enum err_kind kind;
		int status;
		unsigned wait_s;
		const char *want;
	} Case[] = {
		{REFUSAL("403", "32", "") "{\"kind\":\"Status\",\"message\":\"no\"}", ERR_FORBIDDEN,
			403, 0, "end: no|"},
		{REFUSAL("410", "3", "0") "{}\n", ERR_PROTOCOL, 410, 0,
			"end: server answered with HTTP status 410|"},
		{REFUSAL("429", "6", "7") "{}\n{}\n", ERR_THROTTLED, 429, 7,
			"end: server answered with HTTP status 429|"},
		{REFUSAL("503", "0", "99999"), ERR_SERVER, 503, HTTP_RETRY_MAX,
			"end: server answered with HTTP status 503|"},
		{REFUSAL("101", "0", "1"), ERR_PROTOCOL, 101, 1,
			"end: server answered with HTTP status 101|"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof Case / sizeof *Case; i++) {
		PLAY({Case[i].text, 0});
		watch();
		run_until(has_ended);
		assert_story(Case[i].want);
		assert_int_equal(Watch.status, Case[i].status);
		assert_int_equal(Watch.err.kind, Case[i].kind);
		assert_int_equal(Watch.err.wait_s, Case[i].wait_s);
		run_until(all_closed);
	}
}

static void a_call_has_the_servers_wish_where_it_is_refused(void **state)
{
	(void)state;
	PLAY({REFUSAL("429", "0", "12"), 0},
		{"HTTP/1.1 200 OK\r\nRetry-After: 5\r\nContent-Length: 2\r\n\r\n[}", 0});
	get("/api");
	assert_int_equal(Told.err.wait_s, 12);
	get("/api");
	assert_int_equal(Told.err.kind, ERR_PROTOCOL);
	assert_int_equal(Told.err.wait_s, 0);
}

static void a_watch_has_the_limit_of_a_call_for_its_head_then_its_own(void **state)
{
	static const struct {
		const char *head;
		int64_t lives_ms, dies_ms;
		const char *want;
	} Case[] = {
		{NULL, 20000, 11000, "end: no answer in 30 s|"},
		{"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\n", 20000, 11000,
			"end: no answer in 30 s|"},
		{CHUNKED, 290000, 11000, "begun|end: no answer in 300 s|"},
	};
	(void)state;
	cluster_limit(C, &(struct api_limits){PATIENCE_MS, PATIENCE_MS, PATIENCE_MS, 1000});
	for (unsigned i = 0; i < sizeof Case / sizeof *Case; i++) {
		PLAY({Case[i].head, 0});
		watch_for(300000);
		while (!Server.last.p || Server.plays)
			loop_run();
		wait_quietly(QUIET_MS);
		skip_ms(Case[i].lives_ms);
		assert_false(has_ended());
		skip_ms(Case[i].dies_ms);
		assert_story(Case[i].want);
		assert_int_equal(Watch.err.kind, ERR_NETWORK);
		run_until(all_closed);
	}
}

static void drop_watch(struct api_call **call, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		api_cancel(call[i]);
}

static bool asked_all(void)
{
	return Server.opened && !Server.plays;
}

static void watches_and_calls_take_no_places_of_each_other(void **state)
{
	static const struct play Open[] = {
		{LINES, 0}, {LINES, 0}, {LINES, 0}, {LINES, 0}, {LINES, 0}, {LINES, 0}, {OK, 0}};
	struct api_call *watches[6], *calls[API_CALLS];
	(void)state;
	play(Open, 6);
	for (unsigned i = 0; i < 6; i++) {
		watch();
		watches[i] = Watch.call;
	}
	run_until(asked_all);
	play(Open + 6, 1);
	get("/api");
	assert_int_equal(Told.status, 200);
	drop_watch(watches, 6);
	PLAY({NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0});
	for (unsigned i = 0; i < API_CALLS; i++)
		calls[i] = api_get(C, "/api", on_answer, NULL);
	run_until(asked_all);
	PLAY({LINES, 0});
	watch();
	run_until(has_begun);
	api_cancel(Watch.call);
	drop_watch(calls, API_CALLS);
}

static void a_watch_may_be_cancelled_at_any_time(void **state)
{
	static const char *const At[] = {"begun", "a", "b"};
	static const char *const Want[] = {"begun|", "begun|a|", "begun|a|b|"};
	(void)state;
	watch(); /* before it has begun */
	api_cancel(Watch.call);
	PLAY({NULL, 0});
	watch();
	run_until(asked_all);
	api_cancel(Watch.call);
	for (unsigned i = 0; i < 3; i++) {
		Watch.cancel_at = At[i];
		PLAY({LINES LINE("a") LINE("b") LINE("c"), END});
		watch();
		run_until(has_begun);
		run_until(all_closed);
		assert_story(Want[i]);
	}
}

static void a_watch_outlives_its_owners_use_of_the_cluster(void **state)
{
	(void)state;
	PLAY({LINES, 0}, {LINES LINE("a") LINE("b"), 0});
	watch();
	run_until(has_begun);
	cluster_drop(C);
	say(1, LINE("a"), END);
	run_until(has_ended);
	assert_story("begun|a|end|");
	run_until(all_closed);
	C = cluster_here();
	Watch.cancel_at = "a";
	Watch.drops = true;
	watch();
	run_until(has_begun);
	run_until(all_closed);
	assert_story("begun|a|");
	assert_null(C);
}

static void a_watch_that_cannot_ask_is_told_so_from_the_loop(void **state)
{
	static const struct api_watch_ops Ops = {on_begun, on_line, on_end};
	(void)state;
	Watch.call = api_watch(C, "/a b", PATIENCE_MS, &Ops, NULL);
	assert_false(has_begun());
	run_until(has_ended);
	assert_story("end: '/a b' is no path|");
	assert_int_equal(Server.opened, 0);
}

/* ---- with a plugin ---- */

#define UNAUTHORIZED                                                                               \
	"HTTP/1.1 401 Unauthorized\r\nContent-Length: 43\r\n\r\n"                                  \
	"{\"kind\":\"Status\",\"message\":\"Unauthorized\"}\n"

static int start_login(void **state)
{
	login_begin();
	login_answer("\"token\":\"one\"", 0);
	start(state);
	cluster_drop(C);
	C = login_cluster(Server.port);
	return 0;
}

/* Rounds enough for what is at hand, with the clock as it is. */
static void some_rounds(void)
{
	for (unsigned i = 0; i < 10; i++)
		skip_ms(0);
}

static void assert_token(const char *token)
{
	char want[64];
	int n = snprintf(want, sizeof want, "\r\nAuthorization: Bearer %s\r\n", token);
	assert_non_null(memmem(buf_data(&Server.last), buf_len(&Server.last), want, (size_t)n));
}

/* Those who wait for their turn behind those who wait for it, too. */
static void the_wait_for_a_plugin_is_not_the_calls(void **state)
{
	static const struct play Ok[API_CALLS + 1] = {{OK, 0}, {OK, 0}, {OK, 0}, {OK, 0}, {OK, 0}};
	(void)state;
	login_hold();
	for (unsigned i = 0; i < API_CALLS + 1; i++)
		api_get(C, "/api", on_answer, NULL);
	watch();
	some_rounds();
	skip_ms(API_LIMIT_MS);
	some_rounds();
	assert_int_equal(Told.calls, 0);
	assert_false(has_begun());
	assert_int_equal(Server.opened, 0);
	api_cancel(Watch.call);
	play(Ok, API_CALLS + 1);
	login_go();
	Wanted = API_CALLS + 1;
	run_until(told_all);
	assert_string_equal(Told.err.text, "");
	assert_int_equal(Told.status, 200);
	assert_token("one");
	assert_int_equal(login_runs(), 1);
}

static void has_its_own_limit_behind_that(void **state)
{
	(void)state;
	PLAY({NULL, 0});
	api_get(C, "/api", on_answer, NULL);
	run_until(asked_all);
	skip_ms(API_LIMIT_MS);
	assert_string_equal(Told.err.text, "cluster 'prod': no answer in 30 s");
	assert_int_equal(Told.calls, 1);
}

/* All calls are refused, and one has not had its turn. */
static void waits_behind_those_who_are_refused(void **state)
{
	static const struct play No[API_CALLS] = {
		{UNAUTHORIZED, 0}, {UNAUTHORIZED, 0}, {UNAUTHORIZED, 0}, {UNAUTHORIZED, 0}};
	static const struct play Late[API_CALLS + 1] = {{OK, 0}, {OK, 0}, {OK, 0}, {OK, 0}};
	(void)state;
	PLAY({OK, 0});
	get("/api");
	skip_ms(CREDENTIAL_YOUNG_MS);
	login_hold();
	play(No, API_CALLS);
	for (unsigned i = 0; i < API_CALLS + 1; i++)
		api_get(C, "/api", on_answer, NULL);
	run_until(asked_all);
	run_until(all_closed);
	some_rounds();
	skip_ms(API_LIMIT_MS);
	assert_int_equal(Told.calls, 1);
	play(Late, API_CALLS + 1);
	login_go();
	run_until(asked_all);
	Wanted = 1 + API_CALLS;
	run_until(told_all);
	assert_int_equal(Told.status, 200);
	skip_ms(API_LIMIT_MS);
	assert_int_equal(Told.calls, 2 + API_CALLS);
	assert_string_equal(Told.err.text, "cluster 'prod': no answer in 30 s");
	assert_int_equal(login_runs(), 2);
}

static void a_watch_waits_for_a_plugin(void **state)
{
	(void)state;
	PLAY({LINES LINE("a"), END});
	watch();
	run_until(has_ended);
	assert_story("begun|a|end|");
	assert_token("one");
}

static void tells_why_there_is_no_credential(void **state)
{
	char want[128];
	(void)state;
	login_script("echo no login >&2; exit 1");
	get("/api");
	snprintf(want, sizeof want, "cluster 'prod': plugin %s: no login", LoginProgram);
	assert_string_equal(Told.err.text, want);
	assert_int_equal(Told.err.kind, ERR_UNAUTHORIZED);
	assert_int_equal(Told.status, 0);
	watch();
	run_until(has_ended);
	assert_string_equal(Watch.err.text, want);
	assert_int_equal(login_runs(), 1);
	assert_int_equal(Server.opened, 0);
}

static void gives_up_the_wait_for_a_plugin(void **state)
{
	(void)state;
	login_hold();
	struct api_call *call = api_get(C, "/api", on_answer, NULL);
	watch();
	some_rounds();
	api_cancel(call);
	api_cancel(Watch.call);
	PLAY({OK, 0});
	login_go();
	get("/api");
	assert_int_equal(Told.calls, 1);
	assert_asked("1 /api|");
}

static void asks_again_where_a_credential_is_refused(void **state)
{
	(void)state;
	PLAY({OK, 0}, {UNAUTHORIZED, 0}, {OK, 0});
	get("/api/a");
	skip_ms(CREDENTIAL_YOUNG_MS);
	login_answer("\"token\":\"two\"", 0);
	get("/api/b");
	assert_int_equal(Told.status, 200);
	assert_string_equal(Told.err.text, "");
	assert_token("two");
	assert_asked("1 /api/a|1 /api/b|2 /api/b|");
	assert_int_equal(login_runs(), 2);
	skip_ms(CREDENTIAL_YOUNG_MS);
	PLAY({UNAUTHORIZED, 0}, {LINES LINE("a"), END});
	watch();
	run_until(has_ended);
	assert_story("begun|a|end|");
	assert_int_equal(login_runs(), 3);
}

static void asks_again_but_once(void **state)
{
	(void)state;
	PLAY({OK, 0}, {UNAUTHORIZED, 0}, {UNAUTHORIZED, 0}, {UNAUTHORIZED, 0});
	get("/api/a");
	skip_ms(CREDENTIAL_YOUNG_MS);
	get("/api/b");
	assert_int_equal(Told.calls, 2);
	assert_int_equal(Told.status, 401);
	assert_int_equal(Told.err.kind, ERR_UNAUTHORIZED);
	assert_string_equal(Told.err.text, "server refuses the user's credentials: Unauthorized");
	get("/api/c"); /* the plugin has just been asked */
	assert_int_equal(Told.status, 401);
	assert_asked("1 /api/a|1 /api/b|2 /api/b|2 /api/c|");
	assert_int_equal(login_runs(), 2);
}

/* However late the second refusal comes. */
static void asks_again_but_once_where_the_server_is_slow(void **state)
{
	(void)state;
	PLAY({OK, 0}, {UNAUTHORIZED, 0}, {NULL, 0});
	get("/api/a");
	skip_ms(CREDENTIAL_YOUNG_MS);
	api_get(C, "/api/b", on_answer, NULL);
	run_until(asked_all);
	skip_ms(CREDENTIAL_YOUNG_MS);
	say(2, UNAUTHORIZED, 0);
	wait_answer();
	assert_int_equal(Told.status, 401);
	assert_asked("1 /api/a|1 /api/b|2 /api/b|");
	assert_int_equal(login_runs(), 2);
}

/* As the machine wakes, say: once is asked for all that. */
static void may_be_renewed_while_calls_wait_for_a_plugin(void **state)
{
	(void)state;
	login_hold();
	api_get(C, "/api", on_answer, NULL);
	api_get(C, "/api", on_answer, NULL);
	some_rounds();
	cluster_renew(C);
	cluster_renew(C);
	PLAY({OK, 0}, {OK, 0});
	login_go();
	Wanted = 2;
	run_until(told_all);
	some_rounds();
	assert_int_equal(Told.calls, 2);
	assert_int_equal(login_runs(), 1);
	assert_int_equal(Server.opened, 2);
}

/* What becomes of a kept connection meanwhile is nothing to a call that waits. */
static void keeps_no_connection_while_its_call_waits_for_a_plugin(void **state)
{
	(void)state;
	PLAY({OK, 0});
	get("/api");
	skip_ms(CREDENTIAL_YOUNG_MS);
	assert_true(credential_refused(
		cluster_credential(C), credential_number(cluster_credential(C))));
	login_hold();
	api_get(C, "/api", on_answer, NULL);
	run_until(all_closed);
	PLAY({OK, 0});
	login_go();
	wait_answer();
	assert_int_equal(Told.status, 200);
	assert_asked("1 /api|2 /api|");
}

/* ---- another kubeconfig ---- */

static struct cluster *cluster_with(const char *token)
{
	struct kubeconfig k = {.host = mem_dup("127.0.0.1"), .port = Server.port};
	k.prefix = mem_dup("/new");
	secret_set(&k.token, token, strlen(token));
	return cluster_new("prod", &k, NULL);
}

static void what_waits_for_a_plugin_goes_on_with_what_is_taken(void **state)
{
	(void)state;
	for (unsigned renewed = 0; renewed < 2; renewed++) {
		login_hold();
		for (unsigned i = 0; i < API_CALLS + 1; i++)
			api_get(C, "/api", on_answer, NULL);
		some_rounds();
		cluster_take(C, cluster_with("other"));
		if (renewed)
			cluster_renew(C);
		PLAY({OK, 0}, {OK, 0}, {OK, 0}, {OK, 0}, {OK, 0});
		Told.calls = 0;
		Wanted = API_CALLS + 1;
		run_until(told_all);
		assert_int_equal(Told.status, 200);
		assert_token("other");
		assert_memory_equal(buf_data(&Server.last), "GET /new/api ", 13);
		cluster_take(C, login_cluster(Server.port));
	}
}

static bool one_is_open(void)
{
	return Server.open == 1;
}

static bool asked_for_c(void)
{
	return memmem(buf_data(&Server.log), buf_len(&Server.log), "/c|", 3);
}

/* What was asked already is answered on the connection that it was asked on. */
static void no_connection_serves_two_credentials(void **state)
{
	(void)state;
	PLAY({OK, 0}, {OK, 0}, {NULL, 0});
	get("/a");
	cluster_take(C, cluster_with("other"));
	get("/b");
	assert_token("other");
	assert_int_equal(Told.status, 200);
	api_get(C, "/c", on_answer, NULL);
	run_until(asked_for_c);
	cluster_take(C, cluster_with("third"));
	say(2, OK, 0);
	wait_answer();
	assert_int_equal(Told.status, 200);
	PLAY({OK, 0});
	get("/d");
	assert_token("third");
	assert_asked("1 /a|2 /new/b|2 /new/c|3 /new/d|");
	run_until(one_is_open);
}

static bool asked_once(void)
{
	return buf_len(&Server.log);
}

static struct cluster *cluster_by_proxy(const char *host)
{
	struct kubeconfig k = {.host = mem_dup(host), .port = 443};
	struct err e = {0};
	k.prefix = mem_dup("");
	k.proxy_url = mem_print("http://user:word@127.0.0.1:%u", Server.port);
	struct cluster *c = cluster_new("prod", &k, NULL);
	assert_true(cluster_find_way(c, NULL, NULL, &e));
	return c;
}

/* The former proxy's name and password are there until it has answered. */
static void takes_the_way_to_another_server_too(void **state)
{
	char want[128];
	(void)state;
	cluster_take(C, cluster_by_proxy("one.example"));
	PLAY({NULL, 0}, {"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", END});
	api_get(C, "/api", on_answer, NULL);
	run_until(asked_once);
	cluster_take(C, cluster_by_proxy("two.example"));
	some_rounds();
	say(1, "HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n", END);
	wait_answer();
	snprintf(want, sizeof want, "cluster 'prod': proxy 127.0.0.1:%u: ", Server.port);
	assert_memory_equal(Told.err.text, want, strlen(want));
	get("/api");
	assert_memory_equal(Told.err.text, want, strlen(want));
	assert_asked("1 one.example:443|2 two.example:443|");
	cluster_take(C, cluster_here());
	PLAY({OK, 0});
	get("/api");
	assert_int_equal(Told.status, 200);
}

/* ---- turns ---- */

static void turns_are_apart_and_none_is_owed_after_a_quiet_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		for (int64_t turn = 0; turn < 100; turn++)
			assert_int_equal(cluster_turn(C), turn * API_TURN_MS);
		skip_ms(100 * API_TURN_MS);
	}
	cluster_turn(C);
	struct cluster *other = cluster_here();
	assert_int_equal(cluster_turn(other), 0);
	cluster_drop(other);
}

/* ---- without a connection ---- */

static void makes_no_connection_without_a_credential_or_a_path(void **state)
{
	struct kubeconfig k = {.host = mem_dup("127.0.0.1"), .port = Server.port};
	(void)state;
	static const char *const Odd[] = {"/api/a b", "/api\r\nX-Evil: 1", "/api/\xc3\xa4"};
	for (unsigned i = 0; i < sizeof Odd / sizeof *Odd; i++) {
		get(Odd[i]);
		assert_int_equal(Told.err.kind, ERR_LOCAL);
		assert_non_null(strstr(Told.err.text, "is no path"));
	}
	cluster_drop(C);
	k.prefix = mem_dup("");
	k.token_file = mem_dup("/nonexistent/token");
	C = cluster_new("prod", &k, NULL);
	get("/api");
	assert_string_equal(Told.err.text, "cluster 'prod': cannot read token file "
					   "'/nonexistent/token': No such file or directory");
	assert_int_equal(Told.err.kind, ERR_LOCAL);
	assert_int_equal(Server.opened, 0);
}

/* The first lines of a request to a server. */
static void assert_requested(struct kubeconfig k, const char *want)
{
	struct buf out = {0};
	k.insecure = k.tls;
	struct cluster *c = cluster_new("prod", &k, NULL);
	assert_true(cluster_put_request(c, &out, "POST", "/api/v1", NULL));
	assert_int_equal(buf_len(&out), strlen(want));
	assert_memory_equal(buf_data(&out), want, strlen(want));
	buf_free_wiped(&out);
	cluster_drop(c);
}

static void names_the_host_as_the_url_does(void **state)
{
	(void)state;
	assert_requested((struct kubeconfig){.host = mem_dup("::1"),
				 .port = 6443,
				 .tls = true,
				 .prefix = mem_dup("/k8s/c-1")},
		"POST /k8s/c-1/api/v1 HTTP/1.1\r\nHost: [::1]:6443\r\nUser-Agent: porter\r\n");
	assert_requested((struct kubeconfig){.host = mem_dup("k8s.example"),
				 .port = 443,
				 .tls = true,
				 .prefix = mem_dup("")},
		"POST /api/v1 HTTP/1.1\r\nHost: k8s.example\r\nUser-Agent: porter\r\n");
}

static void refuses_certificates_in_the_clusters_name(void **state)
{
	struct kubeconfig k = {.tls = true, .host = mem_dup("h"), .prefix = mem_dup("")};
	struct err e = {0};
	(void)state;
	k.ca = mem_dup("no certificate");
	assert_null(cluster_new("prod", &k, &e));
	assert_int_equal(e.kind, ERR_TLS);
	assert_int_equal(strncmp(e.text, "cluster 'prod': ", 16), 0);
	assert_null(k.host);
}

static int set_up(void **state)
{
	(void)state;
	login_make();
	child_init();
	loop_init();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	child_end_all();
	loop_end();
	return login_remove();
}

#define WITH_LOGIN(test) cmocka_unit_test_setup_teardown(test, start_login, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BETWEEN(asks_as_an_api_server_wants_to_be_asked),
		BETWEEN(reads_an_answer_however_it_is_framed_and_cut),
		BETWEEN(says_what_is_wrong_with_an_answer),
		BETWEEN(an_answer_that_is_not_json_has_a_status_all_the_same),
		BETWEEN(closes_a_connection_when_the_server_says_so),
		BETWEEN(replaces_a_kept_connection_that_was_closed),
		BETWEEN(replaces_it_once_and_not_after_a_first_byte),
		BETWEEN(an_idle_connection_ends_by_the_server_or_in_time),
		BETWEEN(a_connection_that_is_used_again_is_not_idle),
		BETWEEN(takes_turns_on_few_connections_and_keeps_two),
		BETWEEN(a_cancelled_call_is_told_nothing_and_makes_room),
		BETWEEN(a_cluster_may_be_dropped_before_and_in_a_call),
		BETWEEN(says_what_a_refusal_says),
		BETWEEN(says_why_it_cannot_connect_in_the_clusters_name),
		BETWEEN(gives_out_lines_however_they_are_framed_and_cut),
		BETWEEN(tells_each_line_when_it_comes),
		BETWEEN(says_how_a_watch_was_cut),
		BETWEEN(a_line_may_be_as_long_as_an_answer_and_there_may_be_many),
		BETWEEN(a_refused_watch_is_told_as_a_refused_call),
		BETWEEN(a_call_has_the_servers_wish_where_it_is_refused),
		BETWEEN(a_watch_has_the_limit_of_a_call_for_its_head_then_its_own),
		BETWEEN(watches_and_calls_take_no_places_of_each_other),
		BETWEEN(a_watch_may_be_cancelled_at_any_time),
		BETWEEN(a_watch_outlives_its_owners_use_of_the_cluster),
		BETWEEN(a_watch_that_cannot_ask_is_told_so_from_the_loop),
		WITH_LOGIN(the_wait_for_a_plugin_is_not_the_calls),
		WITH_LOGIN(has_its_own_limit_behind_that),
		WITH_LOGIN(waits_behind_those_who_are_refused),
		WITH_LOGIN(a_watch_waits_for_a_plugin),
		WITH_LOGIN(tells_why_there_is_no_credential),
		WITH_LOGIN(gives_up_the_wait_for_a_plugin),
		WITH_LOGIN(asks_again_where_a_credential_is_refused),
		WITH_LOGIN(asks_again_but_once),
		WITH_LOGIN(asks_again_but_once_where_the_server_is_slow),
		WITH_LOGIN(may_be_renewed_while_calls_wait_for_a_plugin),
		WITH_LOGIN(keeps_no_connection_while_its_call_waits_for_a_plugin),
		WITH_LOGIN(what_waits_for_a_plugin_goes_on_with_what_is_taken),
		BETWEEN(no_connection_serves_two_credentials),
		BETWEEN(takes_the_way_to_another_server_too),
		BETWEEN(turns_are_apart_and_none_is_owed_after_a_quiet_time),
		BETWEEN(makes_no_connection_without_a_credential_or_a_path),
		BETWEEN(names_the_host_as_the_url_does),
		BETWEEN(refuses_certificates_in_the_clusters_name),
	};
	return cmocka_run_group_tests_name("api", tests, set_up, tear_down);
}
