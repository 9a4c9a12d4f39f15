/* status.c over real forwards, some at a cluster whose state is set: that its JSON is
 * JSON, whatever texts are in it, and that its columns fit. */
#include "status.h"

#include "json.h"
#include "test_forward.h"
#include "test_manager.h"
#include "timestamp.h"

static const struct status_of Self = {
	.pid = 4711,
	.version = "0.1.0",
	.config = "/etc/porter.ini",
	.log = "porter.log",
	.started_ms = 1798761599005,
};
static struct document Doc;
static struct buf Out;

static int begin_with_api(void **state)
{
	char text[TEXT];
	begin(state);
	api_start();
	snprintf(text, sizeof text,
		"clusters: [{name: c, cluster: {server: 'http://127.0.0.1:%u'}}]\n"
		"contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n",
		Api.port);
	put("one", text);
	return 0;
}

static int end_with_api(void **state)
{
	document_free(&Doc);
	buf_free(&Out);
	api_stop();
	return end(state);
}

/* ---- what there is ---- */

static const struct value *json_of(const struct status_of *self)
{
	struct err e = {0};
	buf_free(&Out);
	status_json(&Out, M, self);
	assert_int_equal(buf_data(&Out)[buf_len(&Out) - 1], '\n');
	if (!json_parse(&Doc, (const char *)buf_data(&Out), buf_len(&Out), &e))
		fail_msg("%s: %.*s", e.text, (int)buf_len(&Out), (const char *)buf_data(&Out));
	return Doc.root;
}

static const struct value *forward_at(size_t i)
{
	const struct value *list = value_get(Doc.root, "forwards"), *v = value_first(list);
	while (v && i--)
		v = value_next(list, v);
	assert_non_null(v);
	return v;
}

static void expect_text(const struct value *map, const char *key, const char *text)
{
	const char *is = value_text(value_get(map, key));
	if (!is || strcmp(is, text) != 0)
		fail_msg("%s is \"%s\"", key, is ? is : "not there");
}

static void expect_null(const struct value *map, const char *key)
{
	const struct value *v = value_get(map, key);
	assert_non_null(v);
	assert_int_equal(v->type, VALUE_NULL);
}

static int64_t number(const struct value *map, const char *key)
{
	int64_t n = 0;
	if (!value_int(value_get(map, key), &n))
		fail_msg("%s is no number", key);
	return n;
}

static int64_t moment(const struct value *map, const char *key)
{
	const char *text = value_text(value_get(map, key));
	int64_t ms = 0;
	if (!text || !timestamp_parse(text, &ms))
		fail_msg("%s is no moment", key);
	return ms;
}

static const char *table_of(const struct status_of *self)
{
	buf_free(&Out);
	status_table(&Out, M, self);
	buf_put(&Out, "", 1);
	return (const char *)buf_data(&Out);
}

static void wait_for(enum forward_state state)
{
	for (int i = 0; i < PATIENCE_MS / QUIET_MS && forward_state(manager_forward(M, 0)) != state;
		i++)
		loop_until_quiet();
	assert_int_equal(forward_state(manager_forward(M, 0)), state);
}

/* [forward web] of service web at the cluster whose state is set. */
static void start_at_api(void)
{
	char text[TEXT];
	snprintf(text, sizeof text,
		"[forward web]\ncluster = a\nnamespace = shop\nservice = web\ntype = service\n"
		"local_port = %u\nremote_port = 80\n",
		Port[0]);
	assert_int_equal(apply(text), EXIT_OK);
	manager_start(M);
}

/* ---- JSON ---- */

static void tells_of_the_process(void **state)
{
	struct status_of other = Self;
	(void)state;
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	const struct value *all = json_of(&Self);
	assert_int_equal(number(all, "version"), 1);
	assert_int_equal(number(all, "pid"), 4711);
	expect_text(all, "porter", "0.1.0");
	expect_text(all, "config", "/etc/porter.ini");
	expect_text(all, "log", "porter.log");
	expect_text(all, "started", "2026-12-31T23:59:59.005Z");
	assert_non_null(value_get(all, "taken_over"));
	assert_false(value_is_true(value_get(all, "taken_over")));
	expect_text(forward_at(0), "name", "x");
	expect_text(forward_at(1), "name", "y");
	other.config = NULL;
	other.log = NULL;
	other.draining = true;
	all = json_of(&other);
	expect_null(all, "config");
	expect_null(all, "log");
	assert_true(value_is_true(value_get(all, "taken_over")));
}

static void tells_of_a_forward_that_serves(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	start_at_api();
	wait_for(FORWARD_ACTIVE);
	json_of(&Self);
	const struct value *f = forward_at(0);
	expect_text(f, "cluster", "a");
	expect_text(f, "namespace", "shop");
	expect_text(f, "service", "web");
	expect_text(f, "type", "service");
	expect_text(f, "local_address", "127.0.0.1");
	assert_int_equal(number(f, "local_port"), Port[0]);
	assert_int_equal(number(f, "remote_port"), 80);
	expect_text(f, "state", "Active");
	expect_text(f, "reason", "");
	assert_non_null(strstr(value_text(value_get(f, "info")), "checked "));
	expect_text(f, "pod", "web-1");
	expect_text(f, "transport", "websocket");
	assert_int_equal(number(f, "tunnels"), 1);
	assert_int_equal(number(f, "connections"), 0);
	assert_int_equal(number(f, "held"), 0);
	assert_int_equal(number(f, "served"), 0);
	assert_int_equal(number(f, "bytes_up"), 0);
	assert_int_equal(number(f, "bytes_down"), 0);
	expect_null(f, "round_trip_ms");
	assert_int_equal(number(f, "attempts"), 0);
	int64_t checked = moment(f, "checked"), now = loop_wall();
	assert_in_range(checked, now - PATIENCE_MS, now);
	const struct value *event = value_first(value_get(f, "history"));
	expect_text(event, "what", "Active");
	expect_text(event, "why", "");
	assert_int_equal(number(event, "times"), 1);
	assert_in_range(moment(event, "first"), now - PATIENCE_MS, now);
	assert_int_equal(moment(event, "last"), moment(event, "first"));
}

static void tells_what_moves(void **state)
{
	char got[16];
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	start_at_api();
	wait_for(FORWARD_ACTIVE);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(Port[0]),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(send(fd, "hello", 5, 0), 5);
	for (int i = 0; i < PATIENCE_MS / QUIET_MS && recv(fd, got, 16, MSG_DONTWAIT) < 0; i++)
		loop_until_quiet();
	json_of(&Self);
	assert_int_equal(number(forward_at(0), "connections"), 1);
	assert_int_equal(number(forward_at(0), "served"), 1);
	assert_int_equal(number(forward_at(0), "bytes_up"), 5);
	assert_int_equal(number(forward_at(0), "bytes_down"), 5);
	close(fd);
}

static void tells_of_one_that_fails(void **state)
{
	(void)state;
	Api.service = 404;
	start_at_api();
	wait_for(FORWARD_FAILED);
	json_of(&Self);
	const struct value *f = forward_at(0);
	expect_text(f, "state", "Failed");
	expect_text(f, "reason", "service not found");
	expect_text(f, "info", "service not found");
	expect_null(f, "pod");
	expect_null(f, "transport");
	expect_null(f, "checked");
	assert_true(number(f, "attempts") >= 1);
	Api.service = 200;
	PODS_ARE({"web-1", "u-1", READY});
	forward_reconnect(manager_forward(M, 0));
	wait_for(FORWARD_ACTIVE);
	json_of(&Self);
	const struct value *list = value_get(forward_at(0), "history");
	const struct value *event = value_first(list);
	expect_text(event, "what", "Failed"); /* the oldest first */
	expect_text(event, "why", "service not found");
	event = value_next(list, event);
	expect_text(event, "what", "Active");
	assert_null(value_next(list, event));
}

static void remote_ports_may_have_names(void **state)
{
	char text[TEXT];
	(void)state;
	snprintf(text, sizeof text,
		"[forward web]\ncluster = a\nnamespace = shop\nservice = web\ntype = service\n"
		"local_address = 127.0.0.2\nlocal_port = %u\nremote_port = http\n",
		Port[0]);
	assert_int_equal(apply(text), EXIT_OK);
	json_of(&Self);
	assert_int_equal(value_get(forward_at(0), "remote_port")->type, VALUE_STRING);
	expect_text(forward_at(0), "remote_port", "http");
	expect_text(forward_at(0), "local_address", "127.0.0.2");
}

/* Whatever may stand in a text, that of a file's name above all. */
static void takes_every_text(void **state)
{
	struct status_of other = Self;
	char text[TEXT];
	(void)state;
	snprintf(text, sizeof text,
		"[cluster \"quo\\ted\" 東京]\nkubeconfig = two\n"
		"[forward w\"e\\b 東]\ncluster = \"quo\\ted\" 東京\nnamespace = shop\n"
		"service = web\ntype = service\nlocal_port = %u\nremote_port = 80\n",
		Port[0]);
	assert_int_equal(apply(text), EXIT_OK);
	other.config = "/tmp/\x1b[2J\n\t\"x\\\x7f\xff\xc2\x9b\xe2\x80\xae.ini";
	const struct value *all = json_of(&other);
	expect_text(all, "config", "/tmp/\x1b[2J\n\t\"x\\\x7f\xef\xbf\xbd\xc2\x9b\xe2\x80\xae.ini");
	expect_text(forward_at(0), "name", "w\"e\\b 東");
	expect_text(forward_at(0), "cluster", "\"quo\\ted\" 東京");
	for (const uint8_t *p = buf_data(&Out), *last = p + buf_len(&Out) - 1; p < last; p++)
		assert_false(*p < ' ' || *p == 0x7f);
	const char *table = table_of(&other);
	assert_non_null(strstr(table, "/tmp/?[2J??\"x\\????.ini: 0 of 1 forwards are Active\n"));
	assert_non_null(strstr(table, "\n\"quo\\ted\" 東京  shop  "));
	assert_non_null(strstr(table, "\nCluster         Namespace  ")); /* 東 is two wide */
}

/* ---- the table ---- */

static void columns_are_as_wide_as_they_need_be(void **state)
{
	char text[TEXT], want[TEXT];
	(void)state;
	Api.service = 404;
	snprintf(text, sizeof text,
		"[forward a]\ncluster = a\nnamespace = shop\nservice = web\ntype = service\n"
		"local_port = %u\nremote_port = 80\n"
		"[forward b]\ncluster = b\nnamespace = a-longer-one\nservice = postgres-0\n"
		"type = pod\nlocal_address = 127.0.0.2\nlocal_port = %u\nremote_port = postgres\n",
		Port[0], Port[1]);
	assert_int_equal(apply(text), EXIT_OK);
	manager_start(M);
	wait_for(FORWARD_FAILED);
	forward_stop(manager_forward(M, 1));
	snprintf(want, sizeof want,
		"porter 0.1.0, pid 4711, since 2026-12-31T23:59:59.005Z, /etc/porter.ini: "
		"0 of 2 forwards are Active\n\n"
		"Cluster  Namespace     Service     %-*s  Status   Info\n"
		"a        shop          web         %-*s  Failed   service not found\n"
		"b        a-longer-one  postgres-0  127.0.0.2:%u:postgres  Stopped\n",
		(int)snprintf(text, sizeof text, "127.0.0.2:%u:postgres", Port[1]), "Ports",
		snprintf(text, sizeof text, "127.0.0.2:%u:postgres", Port[1]), "", Port[1]);
	snprintf(text, sizeof text, "%u:80", Port[0]);
	char *at = strstr(want, "web         ") + strlen("web         ");
	memcpy(at, text, strlen(text));
	assert_string_equal(table_of(&Self), want);
}

static void says_why_it_reconnects(void **state)
{
	(void)state;
	assert_int_equal(apply_rows("x b 0 80"), EXIT_OK);
	manager_start(M);
	wait_for(FORWARD_RECONNECTING);
	const char *table = table_of(&Self);
	assert_non_null(strstr(table, "Reconnecting  re"));
	assert_non_null(strstr(table, ": cluster 'b': connection refused"));
}

static void says_what_is_left_of_one_that_was_taken_over(void **state)
{
	struct status_of other = {.pid = 1, .version = "2", .draining = true};
	(void)state;
	assert_int_equal(apply_rows("x a 0 80"), EXIT_OK);
	assert_non_null(strstr(table_of(&other),
		"without a file: another porter has its ports; connections left: 0\n"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_with_api, end_with_api)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tells_of_the_process),
		TEST(tells_of_a_forward_that_serves),
		TEST(tells_what_moves),
		TEST(tells_of_one_that_fails),
		TEST(remote_ports_may_have_names),
		TEST(takes_every_text),
		TEST(columns_are_as_wide_as_they_need_be),
		TEST(says_why_it_reconnects),
		TEST(says_what_is_left_of_one_that_was_taken_over),
	};
	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
