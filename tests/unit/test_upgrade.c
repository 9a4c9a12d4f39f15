/* upgrade.c with all below it, against a server that answers as it is told to. */
#include "test_tunnel.h"
#include "child.h"
#include "credential.h"
#include "test_plugin.h"

static struct cluster *Cluster;

static struct {
	unsigned calls;
	struct conn *conn;
	struct err err;
	struct buf got;
} Told;

static void on_conn(void *owner, enum conn_event event)
{
	uint8_t *p;
	(void)owner;
	loop_stop();
	for (size_t n; event == CONN_IN && (n = conn_peek(Told.conn, &p));) {
		buf_put(&Told.got, p, n);
		conn_eat(Told.conn, n);
	}
}

static void on_upgrade(void *owner, struct conn *conn, const struct err *e)
{
	(void)owner;
	loop_stop();
	Told.calls++;
	Told.conn = conn;
	if (!conn) {
		Told.err = *e;
		return;
	}
	assert_null(e);
	conn_pass(conn, on_conn, NULL);
	on_conn(NULL, CONN_IN);
}

static struct upgrade *ask(void)
{
	return upgrade_start(
		&(struct upgrade_spec){
			.cluster = Cluster, .namespace = "shop", .pod = "web-1", .port = 8080},
		on_upgrade, NULL);
}

static void run_until(bool (*done)(void))
{
	if (!loop_until(done))
		fail_msg("nothing came of it: '%s'", Told.err.text);
}

static bool is_told(void)
{
	return Told.calls;
}

static bool is_asked(void)
{
	return buf_len(&Far.request);
}

static bool is_asked_for_spdy(void)
{
	return is_asked() && Far.transport == TRANSPORT_SPDY;
}

static bool is_left(void)
{
	return Far.eof || Far.io.fd < 0;
}

static int begin_auto(void **state)
{
	(void)state;
	far_start();
	Cluster = far_cluster(NULL);
	return 0;
}

/* With WebSocket, and nothing else where that is refused. */
static int begin(void **state)
{
	begin_auto(state);
	cluster_ask_transport(Cluster, TRANSPORT_WEBSOCKET);
	return 0;
}

/* The same, by a user whose token is a plugin's. */
static int begin_login(void **state)
{
	(void)state;
	login_begin();
	login_answer("\"token\":\"one\"", 0);
	far_start();
	Cluster = login_cluster(Far.port);
	cluster_ask_transport(Cluster, TRANSPORT_WEBSOCKET);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (Told.conn)
		conn_close(Told.conn);
	run_until(is_left);
	far_stop();
	cluster_drop(Cluster);
	buf_free(&Told.got);
	memset(&Told, 0, sizeof Told);
	assert_true(loop_until_quiet());
	return 0;
}

/* ---- accepted ---- */

static void asks_as_kubernetes_wants_it(void **state)
{
	char want[512];
	(void)state;
	ask();
	run_until(is_told);
	char *text = (char *)buf_data(&Far.request), *key = strstr(text, "Sec-WebSocket-Key: ");
	assert_non_null(key);
	int n = snprintf(want, sizeof want,
		"GET /api/v1/namespaces/shop/pods/web-1/portforward?ports=8080 HTTP/1.1\r\n"
		"Host: 127.0.0.1:%u\r\nUser-Agent: porter\r\nAuthorization: Bearer t0ken\r\n"
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
		"Sec-WebSocket-Key: %.24s\r\n"
		"Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n\r\n",
		Far.port, key + 19);
	assert_int_equal(buf_len(&Far.request), n);
	assert_memory_equal(text, want, (size_t)n);
	assert_non_null(Told.conn);
}

static bool has_got_all(void)
{
	return buf_len(&Told.got) == 6;
}

/* A 101 in any cut, with an early hint before it and bytes of the stream behind. */
static void gives_the_connection_with_all_that_follows_the_head(void **state)
{
	static const size_t Steps[] = {1, 2, 3, 50, SIZE_MAX};
	(void)state;
	for (size_t i = 0; i < sizeof Steps / sizeof *Steps; i++) {
		Far.step = Steps[i];
		Far.answer[TRANSPORT_WEBSOCKET] =
			"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" ACCEPTED "stream";
		ask();
		run_until(has_got_all);
		assert_int_equal(Told.calls, 1);
		assert_memory_equal(buf_data(&Told.got), "stream", 6);
		end(NULL);
		begin(NULL);
	}
	ask(); /* for end() */
	run_until(is_told);
}

static void does_not_mind_the_case_of_names_and_tokens(void **state)
{
	(void)state;
	Far.answer[TRANSPORT_WEBSOCKET] =
		"HTTP/1.1 101 Ok\r\nupgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n"
		"sec-websocket-accept: %s\r\n"
		"sec-websocket-protocol: SPDY/3.1+portforward.k8s.io\r\n\r\n";
	ask();
	run_until(is_told);
	assert_non_null(Told.conn);
}

/* ---- refused ---- */

#define HEAD_101     "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADED     "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define STATUS(text) "{\"kind\":\"Status\",\"message\":\"" text "\"}"

static const struct refusal {
	const char *answer;
	enum err_kind kind;
	int code;
	const char *text;
} Refusals[] = {
	{HEAD_101 UPGRADED "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
			   "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n\r\n",
		ERR_PROTOCOL, 0,
		"cluster 'prod': the server answered a WebSocket request that was not ours"},
	{HEAD_101 UPGRADED "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n\r\n",
		ERR_PROTOCOL, 0,
		"cluster 'prod': the server answered a WebSocket request that was not ours"},
	{HEAD_101 UPGRADED "Sec-WebSocket-Accept: %s\r\n\r\n", ERR_PROTOCOL, 0,
		"cluster 'prod': the server chose another port-forward protocol than was asked "
		"for"},
	{HEAD_101 UPGRADED "Sec-WebSocket-Accept: %s\r\n"
			   "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n",
		ERR_PROTOCOL, 0,
		"cluster 'prod': the server chose another port-forward protocol than was asked "
		"for"},
	{HEAD_101 UPGRADED "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Extensions: "
			   "permessage-deflate\r\n"
			   "Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n\r\n",
		ERR_PROTOCOL, 0,
		"cluster 'prod': the server wants WebSocket extensions that were not offered"},
	{HEAD_101 "Upgrade: SPDY/3.1\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		ERR_PROTOCOL, 0,
		"cluster 'prod': the server switched to another protocol than was asked for"},
	{"HTTP/1.1 404 Not Found\r\nContent-Length: 54\r\n\r\n" STATUS(
		 "pods \\\"web-1\\\" not found"),
		ERR_NOT_FOUND, 404, "pods \"web-1\" not found"},
	{"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n"
	 "39\r\n" STATUS("pods \\\"web-1\\\" is forbidden") "\r\n0\r\n\r\n",
		ERR_FORBIDDEN, 403, "pods \"web-1\" is forbidden"},
	{"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", ERR_SERVER, 500,
		"server answered with HTTP status 500"},
	{"HTTP/1.1 302 Found\r\nLocation: https://login.example.com/\r\n"
	 "Content-Length: 5\r\n\r\nlogin",
		ERR_PROTOCOL, 302, "server answered with HTTP status 302"},
	{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ERR_PROTOCOL, 200,
		"server answered with HTTP status 200"},
	{"SSH-2.0-OpenSSH_9.2\r\n", ERR_PROTOCOL, 0,
		"cluster 'prod': the server's answer is not HTTP"},
};

/* Whole, and byte by byte; without waiting for the server to close. */
static void tells_a_refusal_in_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof Refusals / sizeof *Refusals * 2; i++) {
		const struct refusal *r = &Refusals[i / 2];
		Far.answer[TRANSPORT_WEBSOCKET] = r->answer;
		Far.step = i % 2 ? 1 : SIZE_MAX;
		ask();
		run_until(is_told);
		assert_null(Told.conn);
		assert_string_equal(Told.err.text, r->text);
		assert_int_equal(Told.err.kind, r->kind);
		assert_int_equal(Told.err.code, r->code);
		assert_int_equal(Told.calls, 1);
		end(NULL);
		begin(NULL);
	}
	Far.eof = true;
}

static void wait_till_sent(void)
{
	run_until(is_asked);
	while (buf_len(&Far.out))
		run_until(is_asked);
}

static void end_after_the_answer(bool by_reset)
{
	wait_till_sent();
	if (by_reset)
		far_break();
	else
		shutdown(Far.io.fd, SHUT_WR);
	run_until(is_told);
}

/* What API server 1.30 answers, and other answers that only the end of the
 * connection ends. */
static void takes_the_end_of_the_connection_for_the_end_of_a_refusal(void **state)
{
	(void)state;
	for (int reset = 0; reset < 2; reset++) {
		Far.answer[TRANSPORT_WEBSOCKET] =
			"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n";
		ask();
		end_after_the_answer(reset);
		assert_int_equal(Told.err.kind, ERR_FORBIDDEN);
		assert_string_equal(Told.err.text, "server answered with HTTP status 403");
		end(NULL);
		begin(NULL);
	}
	Far.answer[TRANSPORT_WEBSOCKET] =
		"HTTP/1.1 401 Unauthorized\r\n\r\n" STATUS("Unauthorized");
	ask();
	end_after_the_answer(false);
	assert_int_equal(Told.err.kind, ERR_UNAUTHORIZED);
	assert_string_equal(Told.err.text, "server refuses the user's credentials: Unauthorized");
}

static void says_that_there_was_no_answer(void **state)
{
	static const char *const Parts[] = {"", "HTTP/1.1 101 Switching"};
	(void)state;
	for (int i = 0; i < 2; i++) {
		Far.answer[TRANSPORT_WEBSOCKET] = Parts[i];
		ask();
		end_after_the_answer(false);
		assert_int_equal(Told.err.kind, ERR_NETWORK);
		assert_string_equal(Told.err.text,
			"cluster 'prod': the server closed the connection without an answer");
		end(NULL);
		begin(NULL);
	}
	Far.answer[TRANSPORT_WEBSOCKET] = "";
	ask();
	end_after_the_answer(true);
	assert_int_equal(Told.err.kind, ERR_NETWORK);
	assert_int_equal(Told.err.code, ECONNRESET);
	assert_non_null(strstr(Told.err.text, "cluster 'prod': connection to 127.0.0.1:"));
}

static void does_not_wait_for_ever(void **state)
{
	(void)state;
	Far.answer[TRANSPORT_WEBSOCKET] = NULL;
	ask();
	run_until(is_asked);
	loop_clock_skip(API_CONNECT_MS + UPGRADE_LIMIT_MS);
	run_until(is_told);
	assert_int_equal(Told.err.kind, ERR_NETWORK);
	assert_string_equal(
		Told.err.text, "cluster 'prod': no answer to the port-forward request in 15 s");
	end(NULL);
	begin(NULL);
	Far.answer[TRANSPORT_WEBSOCKET] =
		"HTTP/1.1 404 Not Found\r\nContent-Length: 1000\r\n\r\nthe pod";
	ask();
	run_until(is_asked);
	assert_true(loop_until_quiet());
	assert_int_equal(Told.calls, 0);
	loop_clock_skip(API_CONNECT_MS + UPGRADE_LIMIT_MS);
	run_until(is_told);
	assert_int_equal(Told.err.kind, ERR_PROTOCOL); /* whose words they are is not known */
	assert_int_equal(Told.err.code, 404);
}

static void does_not_read_a_refusal_without_end(void **state)
{
	struct buf answer = {0};
	(void)state;
	buf_print(&answer, "HTTP/1.1 500 Oops\r\n\r\n%*s", 4 * UPGRADE_REFUSAL_MAX, "x");
	buf_put(&answer, "", 1);
	Far.answer[TRANSPORT_WEBSOCKET] = (const char *)buf_data(&answer);
	ask();
	run_until(is_told);
	assert_int_equal(Told.err.kind, ERR_SERVER);
	buf_free(&answer);
}

static void can_be_cancelled_at_any_time(void **state)
{
	(void)state;
	upgrade_cancel(ask());
	assert_true(loop_until_quiet());
	assert_int_equal(Far.accepted, 0);
	Far.answer[TRANSPORT_WEBSOCKET] = NULL;
	struct upgrade *u = ask();
	run_until(is_asked);
	upgrade_cancel(u);
	run_until(is_left);
	assert_int_equal(Told.calls, 0);
}

static void says_that_nobody_listens(void **state)
{
	(void)state;
	io_close(&Far.listener);
	assert_true(loop_until_quiet());
	ask();
	assert_int_equal(Told.calls, 0);
	run_until(is_told);
	assert_int_equal(Told.err.kind, ERR_REFUSED);
	assert_int_equal(Told.err.code, ECONNREFUSED);
	assert_non_null(strstr(Told.err.text, "cluster 'prod': connection refused (127.0.0.1:"));
}

/* ---- the ladder of transports ---- */

static void asks_for_spdy_as_kubernetes_wants_it(void **state)
{
	char want[512];
	(void)state;
	cluster_ask_transport(Cluster, TRANSPORT_SPDY);
	Far.answer[TRANSPORT_SPDY] = ACCEPTED_SPDY "stream";
	ask();
	run_until(has_got_all);
	int n = snprintf(want, sizeof want,
		"POST /api/v1/namespaces/shop/pods/web-1/portforward?ports=8080 HTTP/1.1\r\n"
		"Host: 127.0.0.1:%u\r\nUser-Agent: porter\r\nAuthorization: Bearer t0ken\r\n"
		"Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nContent-Length: 0\r\n"
		"X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n",
		Far.port);
	assert_int_equal(buf_len(&Far.request), n);
	assert_memory_equal(buf_data(&Far.request), want, (size_t)n);
	assert_memory_equal(buf_data(&Told.got), "stream", 6);
}

static void asks_for_v4_as_kubernetes_wants_it(void **state)
{
	(void)state;
	cluster_ask_transport(Cluster, TRANSPORT_V4);
	ask();
	run_until(is_told);
	assert_non_null(Told.conn);
	assert_int_equal(Far.transport, TRANSPORT_V4);
}

static void learns_what_works(void **state)
{
	(void)state;
	assert_int_equal(cluster_transport(Cluster), TRANSPORT_AUTO);
	ask();
	run_until(is_told);
	assert_int_equal(Far.transport, TRANSPORT_WEBSOCKET);
	assert_int_equal(cluster_transport(Cluster), TRANSPORT_WEBSOCKET);
}

/* Refusals that are not about the pod: of 1.30, of a role with `create` only, of
 * a proxy that does not know WebSocket. */
static void falls_back_to_spdy(void **state)
{
	static const char *const Answers[] = {
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 403 Forbidden\r\n\r\n" STATUS("cannot get pods/portforward"),
		"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops",
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		SWITCHING "Upgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n"
			  "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n",
		"",
	};
	(void)state;
	for (size_t i = 0; i < sizeof Answers / sizeof *Answers; i++) {
		Far.answer[TRANSPORT_WEBSOCKET] = Answers[i];
		ask();
		if (i == 1 || !*Answers[i])
			wait_till_sent(), shutdown(Far.io.fd, SHUT_WR);
		run_until(is_told);
		assert_non_null(Told.conn);
		assert_int_equal(Far.transport, TRANSPORT_SPDY);
		assert_int_equal(Far.accepted, 2);
		assert_int_equal(cluster_transport(Cluster), TRANSPORT_SPDY);
		end(NULL);
		begin_auto(NULL);
	}
	ask();
	run_until(is_told);
}

/* Another transport would meet the same. */
static void does_not_fall_back_where_the_pod_or_the_user_is_refused(void **state)
{
	static const struct {
		const char *answer;
		enum err_kind kind;
	} Final[] = {
		{"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", ERR_UNAUTHORIZED},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", ERR_PROTOCOL},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 39\r\n\r\n" STATUS("not found"),
			ERR_NOT_FOUND},
		{"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", ERR_THROTTLED},
		{"HTTP/1.1 500 Oops\r\nContent-Length: 41\r\n\r\n" STATUS("not running"),
			ERR_SERVER},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Final / sizeof *Final; i++) {
		Far.answer[TRANSPORT_WEBSOCKET] = Final[i].answer;
		ask();
		run_until(is_told);
		assert_null(Told.conn);
		assert_int_equal(Told.err.kind, Final[i].kind);
		assert_int_equal(Far.accepted, 1);
		assert_int_equal(cluster_transport(Cluster), TRANSPORT_AUTO);
		end(NULL);
		begin_auto(NULL);
	}
	Far.eof = true;
}

static void says_what_spdy_was_refused_for(void **state)
{
	(void)state;
	Far.answer[TRANSPORT_WEBSOCKET] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
	Far.answer[TRANSPORT_SPDY] =
		"HTTP/1.1 403 Forbidden\r\nContent-Length: 42\r\n\r\n" STATUS("cannot do it");
	ask();
	run_until(is_told);
	assert_int_equal(Told.err.kind, ERR_FORBIDDEN);
	assert_string_equal(Told.err.text, "cannot do it");
	assert_int_equal(cluster_transport(Cluster), TRANSPORT_AUTO);
}

/* V4 is not tried here: it would reach the application. */
static void leaves_v4_for_the_next_time(void **state)
{
	(void)state;
	Far.answer[TRANSPORT_WEBSOCKET] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
	Far.answer[TRANSPORT_SPDY] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
	ask();
	run_until(is_told);
	assert_null(Told.conn);
	assert_int_equal(Told.err.kind, ERR_PROTOCOL);
	assert_int_equal(Far.accepted, 2);
	assert_int_equal(cluster_transport(Cluster), TRANSPORT_V4);
}

/* Whose server is down is not one that knows no SPDY. */
static void learns_nothing_from_a_server_that_is_down(void **state)
{
	static const char Down[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
	(void)state;
	Far.answer[TRANSPORT_WEBSOCKET] = Far.answer[TRANSPORT_SPDY] = Down;
	ask();
	run_until(is_told);
	assert_int_equal(Told.err.kind, ERR_SERVER);
	assert_int_equal(Far.accepted, 2);
	assert_int_equal(cluster_transport(Cluster), TRANSPORT_AUTO);
	end(NULL);
	begin_auto(NULL);
	Far.answer[TRANSPORT_WEBSOCKET] = Far.answer[TRANSPORT_SPDY] = "";
	ask();
	wait_till_sent();
	shutdown(Far.io.fd, SHUT_WR);
	run_until(is_asked_for_spdy);
	shutdown(Far.io.fd, SHUT_WR);
	run_until(is_told);
	assert_int_equal(Told.err.kind, ERR_NETWORK);
	assert_int_equal(cluster_transport(Cluster), TRANSPORT_AUTO);
}

/* What was learned does not outlive its failure. */
static void forgets_what_does_not_work_any_more(void **state)
{
	(void)state;
	cluster_learn_transport(Cluster, TRANSPORT_WEBSOCKET);
	Far.answer[TRANSPORT_WEBSOCKET] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
	ask();
	run_until(is_told);
	assert_null(Told.conn);
	assert_int_equal(Far.accepted, 1);
	assert_int_equal(cluster_transport(Cluster), TRANSPORT_AUTO);
}

/* ---- credentials ---- */

static void assert_token(const char *token)
{
	char want[64];
	int n = snprintf(want, sizeof want, "\r\nAuthorization: Bearer %s\r\n", token);
	assert_non_null(memmem(buf_data(&Far.request), buf_len(&Far.request), want, (size_t)n));
}

static void the_wait_for_a_plugin_is_not_the_requests(void **state)
{
	(void)state;
	login_hold();
	ask();
	loop_skip(API_CONNECT_MS + UPGRADE_LIMIT_MS);
	assert_int_equal(Told.calls, 0);
	assert_int_equal(Far.accepted, 0);
	login_go();
	run_until(is_told);
	assert_non_null(Told.conn);
	assert_token("one");
	assert_int_equal(login_runs(), 1);
}

static void tells_why_there_is_no_credential(void **state)
{
	char want[128];
	(void)state;
	login_script("echo no login >&2; exit 1");
	ask();
	assert_int_equal(Told.calls, 0);
	run_until(is_told);
	snprintf(want, sizeof want, "cluster 'prod': plugin %s: no login", LoginProgram);
	assert_null(Told.conn);
	assert_string_equal(Told.err.text, want);
	assert_int_equal(Told.err.kind, ERR_UNAUTHORIZED);
	assert_int_equal(Far.accepted, 0);
	Far.eof = true; /* for end() */
}

static void can_be_cancelled_while_it_waits_for_a_plugin(void **state)
{
	(void)state;
	login_hold();
	struct upgrade *given_up = ask();
	assert_true(loop_until_quiet());
	ask();
	upgrade_cancel(given_up);
	login_go();
	run_until(is_told);
	assert_int_equal(Told.calls, 1);
	assert_int_equal(Far.accepted, 1);
}

#define UNAUTHORIZED                                                                               \
	"HTTP/1.1 401 Unauthorized\r\nContent-Length: 42\r\n\r\n" STATUS("Unauthorized")

/* The plugin has given a credential that is not young any more. */
static void log_in(void)
{
	ask();
	run_until(is_told);
	assert_non_null(Told.conn);
	conn_close(Told.conn);
	run_until(is_left);
	Told.conn = NULL;
	Told.calls = 0;
	loop_skip(CREDENTIAL_YOUNG_MS);
}

static void wait_for_run(unsigned number)
{
	struct timer poll = {.on = stop_by_timer};
	for (int i = 0; i < PATIENCE_MS / QUIET_MS && login_runs() < number; i++) {
		timer_after(&poll, QUIET_MS);
		while (timer_is_set(&poll))
			loop_run();
	}
	assert_int_equal(login_runs(), number);
}

static void asks_again_where_a_credential_is_refused(void **state)
{
	(void)state;
	log_in();
	login_answer("\"token\":\"two\"", 0);
	login_hold();
	Far.answer[TRANSPORT_WEBSOCKET] = UNAUTHORIZED;
	ask();
	wait_for_run(2);
	loop_skip(API_CONNECT_MS + UPGRADE_LIMIT_MS);
	assert_int_equal(Told.calls, 0);
	Far.answer[TRANSPORT_WEBSOCKET] = ACCEPTED;
	login_go();
	run_until(is_told);
	assert_string_equal(Told.err.text, "");
	assert_non_null(Told.conn);
	assert_token("two");
	assert_int_equal(Far.accepted, 3);
}

static void asks_again_but_once(void **state)
{
	(void)state;
	log_in();
	Far.answer[TRANSPORT_WEBSOCKET] = UNAUTHORIZED;
	for (unsigned accepted = 3; accepted < 5; accepted++) { /* then it is young */
		Told.calls = 0;
		Told.err = (struct err){0};
		ask();
		run_until(is_told);
		assert_string_equal(
			Told.err.text, "server refuses the user's credentials: Unauthorized");
		assert_int_equal(Told.err.kind, ERR_UNAUTHORIZED);
		assert_int_equal(Told.calls, 1);
		assert_int_equal(Far.accepted, accepted);
	}
	assert_int_equal(login_runs(), 2);
}

static bool is_asked_three_times(void)
{
	return Far.accepted == 3 && is_asked();
}

/* However late the second refusal comes. */
static void asks_again_but_once_where_the_server_is_slow(void **state)
{
	(void)state;
	log_in();
	login_answer("\"token\":\"two\"", 0);
	login_hold();
	Far.answer[TRANSPORT_WEBSOCKET] = UNAUTHORIZED;
	ask();
	wait_for_run(2);
	Far.answer[TRANSPORT_WEBSOCKET] = NULL;
	buf_free(&Far.request);
	login_go();
	run_until(is_asked_three_times);
	loop_skip(CREDENTIAL_YOUNG_MS);
	buf_print(&Far.out, "%s", UNAUTHORIZED);
	far_look();
	run_until(is_told);
	assert_int_equal(Told.err.kind, ERR_UNAUTHORIZED);
	assert_int_equal(Far.accepted, 3);
	assert_int_equal(login_runs(), 2);
}

/* Others are told first, while this one is on its way to the server. */
static void does_not_go_without_a_credential_where_it_was_refused_meanwhile(void **state)
{
	(void)state;
	struct credential *c = cluster_credential(Cluster);
	log_in();
	login_answer("\"token\":\"two\"", 0);
	ask();
	assert_true(credential_refused(c, credential_number(c)));
	run_until(is_told);
	assert_non_null(Told.conn);
	assert_token("two");
	assert_int_equal(login_runs(), 2);
}

static struct cluster *cluster_with(const char *token)
{
	struct kubeconfig k = {.host = mem_dup("127.0.0.1"), .port = Far.port};
	k.prefix = mem_dup("/new");
	secret_set(&k.token, token, strlen(token));
	return cluster_new("prod", &k, NULL);
}

static void what_waits_for_a_plugin_goes_on_with_what_is_taken(void **state)
{
	(void)state;
	login_hold();
	ask();
	assert_true(loop_until_quiet());
	cluster_take(Cluster, cluster_with("other"));
	run_until(is_told);
	assert_non_null(Told.conn);
	assert_token("other");
	assert_int_equal(Far.accepted, 1);
}

/* The server that it is connected to may be none of those who may see the token. */
static void sends_no_credential_where_it_was_not_connected_for_it(void **state)
{
	(void)state;
	int other = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	assert_int_equal(bind(other, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(other, 1), 0);
	assert_int_equal(getsockname(other, (struct sockaddr *)&a, &n), 0);
	struct kubeconfig k = {.host = mem_dup("127.0.0.1"), .port = ntohs(a.sin_port)};
	k.prefix = mem_dup("");
	cluster_take(Cluster, cluster_new("prod", &k, NULL));
	ask();
	cluster_take(Cluster, cluster_with("other"));
	run_until(is_told);
	assert_non_null(Told.conn);
	assert_token("other");
	int fd = accept4(other, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fd >= 0);
	char byte;
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
	close(other);
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

#define TEST(f)       cmocka_unit_test_setup_teardown(f, begin, end)
#define TEST_AUTO(f)  cmocka_unit_test_setup_teardown(f, begin_auto, end)
#define TEST_LOGIN(f) cmocka_unit_test_setup_teardown(f, begin_login, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(asks_as_kubernetes_wants_it),
		TEST(gives_the_connection_with_all_that_follows_the_head),
		TEST(does_not_mind_the_case_of_names_and_tokens),
		TEST(tells_a_refusal_in_words),
		TEST(takes_the_end_of_the_connection_for_the_end_of_a_refusal),
		TEST(says_that_there_was_no_answer),
		TEST(does_not_wait_for_ever),
		TEST(does_not_read_a_refusal_without_end),
		TEST(can_be_cancelled_at_any_time),
		TEST(says_that_nobody_listens),
		TEST_AUTO(asks_for_spdy_as_kubernetes_wants_it),
		TEST_AUTO(asks_for_v4_as_kubernetes_wants_it),
		TEST_AUTO(learns_what_works),
		TEST_AUTO(falls_back_to_spdy),
		TEST_AUTO(does_not_fall_back_where_the_pod_or_the_user_is_refused),
		TEST_AUTO(says_what_spdy_was_refused_for),
		TEST_AUTO(leaves_v4_for_the_next_time),
		TEST_AUTO(learns_nothing_from_a_server_that_is_down),
		TEST_AUTO(forgets_what_does_not_work_any_more),
		TEST_LOGIN(the_wait_for_a_plugin_is_not_the_requests),
		TEST_LOGIN(tells_why_there_is_no_credential),
		TEST_LOGIN(can_be_cancelled_while_it_waits_for_a_plugin),
		TEST_LOGIN(asks_again_where_a_credential_is_refused),
		TEST_LOGIN(asks_again_but_once),
		TEST_LOGIN(asks_again_but_once_where_the_server_is_slow),
		TEST_LOGIN(does_not_go_without_a_credential_where_it_was_refused_meanwhile),
		TEST_LOGIN(what_waits_for_a_plugin_goes_on_with_what_is_taken),
		TEST(sends_no_credential_where_it_was_not_connected_for_it),
	};
	return cmocka_run_group_tests_name("upgrade", tests, set_up, tear_down);
}
