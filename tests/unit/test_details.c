/* details.c: the page of one forward, made of plain values. */
#include "test_screen.h"

#include <time.h>

#include "details.h"
#include "loop.h"
#include "rates.h"

static struct screen S;
static struct page P;
static struct history History;
static struct view_forward V;

static int begin(void **state)
{
	(void)state;
	loop_init();
	V = (struct view_forward){.name = "api",
		.cluster = "production",
		.namespace = "default",
		.service = "api-gateway",
		.type = "service",
		.address = "127.0.0.1",
		.local_port = 8080,
		.remote_port = 80,
		.state = FORWARD_ACTIVE,
		.reason = "",
		.info = "checked 2s ago",
		.pod = "api-gateway-7d9f",
		.numbers = {.served = 12,
			.bytes_up = 1234,
			.bytes_down = 5678901,
			.connections = 3,
			.held = 1,
			.tunnels = 2,
			.transport = "websocket",
			.round_trip_ms = 12},
		.history = &History};
	return 0;
}

static int end(void **state)
{
	(void)state;
	history_free(&History);
	page_free(&P);
	screen_free(&S);
	loop_end();
	return 0;
}

static const char *draw(unsigned columns)
{
	details_page(&P, columns, &V, (struct rate){2000, 30});
	screen_begin(&S, columns, SCREEN_ROWS_MAX);
	page_draw(&P, &S, SCREEN_ROWS_MAX);
	return frame_text(&S);
}

static void expect(const char *text)
{
	if (!strstr(draw(80), text))
		fail_msg("no '%s' in:\n%s", text, Frame.text);
}

static void shows_what_there_is(void **state)
{
	(void)state;
	assert_string_equal(draw(80), "Status       🟢 Active\n"
				      "Info         checked 2s ago\n"
				      "URL          http://localhost:8080\n"
				      "Cluster      production\n"
				      "Namespace    default\n"
				      "Service      service api-gateway\n"
				      "Ports        8080:80\n"
				      "Section      api\n"
				      "Pod          api-gateway-7d9f\n"
				      "Transport    websocket\n"
				      "Tunnels      2\n"
				      "Round trip   12 ms\n"
				      "Connections  3 open, 1 of them held; 12 served\n"
				      "In           5.6 MB (2.0 kB/s)\n"
				      "Out          1.2 kB (30 B/s)\n"
				      "\n"
				      "Events\n");
}

static void leaves_out_what_there_is_not(void **state)
{
	(void)state;
	V.state = FORWARD_STOPPED;
	V.info[0] = '\0';
	V.pod = "";
	V.numbers.transport = NULL;
	expect("Status       ⚫ Stopped\nURL ");
	expect("Section      api\nTunnels ");
}

static void says_why_once(void **state)
{
	(void)state;
	V.state = FORWARD_FAILED;
	V.reason = "pods is forbidden: User \"dev\" cannot list resource \"pods\" in API group "
		   "\"\" in the namespace \"default\"";
	snprintf(V.info, sizeof V.info, "%s", V.reason);
	expect("Status       🔴 Failed\n"
	       "Why          pods is forbidden: User \"dev\" cannot list resource \"pods\" in API\n"
	       "             group \"\" in the namespace \"default\"\n"
	       "URL ");
	V.state = FORWARD_RECONNECTING;
	strcpy(V.info, "retry in 3s (attempt 2)");
	expect("Status       🟡 Reconnecting\n"
	       "Info         retry in 3s (attempt 2)\n"
	       "Why          pods is forbidden: ");
}

static void tells_its_url(void **state)
{
	static const struct {
		const char *address, *name;
		uint16_t port;
		const char *url;
	} Urls[] = {
		{"127.0.0.1", NULL, 443, "https://localhost:8080"},
		{"127.0.0.1", NULL, 8443, "https://localhost:8080"},
		{"127.0.0.1", "https", 0, "https://localhost:8080"},
		{"127.0.0.1", "https-web", 0, "https://localhost:8080"},
		{"127.0.0.1", "http", 0, "http://localhost:8080"},
		{"127.0.0.7", NULL, 80, "http://127.0.0.7:8080"},
		{"::1", NULL, 80, "http://[::1]:8080"},
	};
	char want[128];
	(void)state;
	for (size_t i = 0; i < sizeof Urls / sizeof *Urls; i++) {
		V.address = Urls[i].address;
		V.remote_name = Urls[i].name;
		V.remote_port = Urls[i].port;
		snprintf(want, sizeof want, "\nURL          %s\n", Urls[i].url);
		expect(want);
	}
}

/* As the page has it, for the wall's clock here. */
static const char *clock_text(int64_t ms, const char *format)
{
	static char text[4][32];
	static unsigned which;
	time_t at = (time_t)(ms / 1000);
	struct tm tm;
	localtime_r(&at, &tm);
	which = (which + 1) % 4;
	strftime(text[which], sizeof text[which], format, &tm);
	return text[which];
}

static void tells_events_the_newest_first(void **state)
{
	char want[512];
	int64_t now = loop_wall(), long_ago = now - 3 * 86400000LL;
	(void)state;
	history_add(&History, long_ago, "Starting", "");
	history_add(&History, now - 2000, "Reconnecting", "connection refused");
	history_add(&History, now - 1000, "Reconnecting", "connection refused");
	history_add(&History, now, "Moved", "web-2 instead of web-1");
	snprintf(want, sizeof want,
		"Events\n"
		"%s     Moved: web-2 instead of web-1\n"
		"%s     🟡 Reconnecting: connection refused (2 times, until %s)\n"
		"%s  ⚪ Starting\n",
		clock_text(now, "%H:%M:%S"), clock_text(now - 2000, "%H:%M:%S"),
		clock_text(now - 1000, "%H:%M:%S"), clock_text(long_ago, "%m-%d %H:%M"));
	if (strcmp(clock_text(now, "%d"), clock_text(now - 2000, "%d")) != 0)
		skip(); /* midnight */
	expect(want);
}

static void shows_hostile_texts_harmless(void **state)
{
	static char reason[10001];
	(void)state;
	memset(reason, 'x', 10000);
	memcpy(reason, "\x1b[2J\x9b\xff\u202e\a", 10);
	V.reason = reason;
	V.pod = "\x1b]0;title\a";
	history_add(&History, 0, "Failed", reason);
	expect("Why          \ufffd[2J\ufffd\ufffd\ufffd\ufffdx");
	expect("\nPod          \ufffd]0;title\ufffd\n");
	for (unsigned columns = 1; columns < 60; columns++)
		draw(columns);
	assert_true(P.count > 2 * 10000 / 60); /* all of it, twice */
}

int main(void)
{
#define DETAILS_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		DETAILS_TEST(shows_what_there_is),
		DETAILS_TEST(leaves_out_what_there_is_not),
		DETAILS_TEST(says_why_once),
		DETAILS_TEST(tells_its_url),
		DETAILS_TEST(tells_events_the_newest_first),
		DETAILS_TEST(shows_hostile_texts_harmless),
	};
	return cmocka_run_group_tests_name("details", tests, NULL, NULL);
}
