/* view.c over a real configuration, and no API server: what is shown is what was
 * configured, and what has become of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "test_manager.h"
#include "view.h"

static struct view_forward V;

static void shows_what_is_configured(void **state)
{
	char text[TEXT];
	(void)state;
	snprintf(text, sizeof text,
		"[forward api]\ncluster = a\nnamespace = shop\nservice = gateway\ntype = service\n"
		"local_port = %u\nremote_port = http\n"
		"[forward tail]\ncluster = b\nnamespace = logs\nservice = app in (a, b)\n"
		"type = selector\nlocal_address = 127.0.0.2\nlocal_port = %u\nremote_port = 81\n",
		Port[0], Port[1]);
	assert_int_equal(apply(text), EXIT_OK);
	view_forward(M, 0, &V);
	assert_string_equal(V.name, "api");
	assert_string_equal(V.cluster, "a");
	assert_string_equal(V.namespace, "shop");
	assert_string_equal(V.service, "gateway");
	assert_string_equal(V.type, "service");
	assert_string_equal(V.address, "127.0.0.1");
	assert_int_equal(V.local_port, Port[0]);
	assert_int_equal(V.remote_port, 0);
	assert_string_equal(V.remote_name, "http");
	assert_int_equal(V.state, FORWARD_STARTING);
	assert_string_equal(V.reason, "");
	assert_string_equal(V.info, "");
	assert_string_equal(V.pod, "");
	assert_int_equal(history_count(V.history), 0);
	assert_null(V.numbers.transport);
	assert_int_equal(V.numbers.round_trip_ms, -1);
	view_forward(M, 1, &V);
	assert_string_equal(V.cluster, "b");
	assert_string_equal(V.service, config_title(forward_config(manager_forward(M, 1))));
	assert_string_equal(V.type, "selector");
	assert_string_equal(V.address, "127.0.0.2");
	assert_int_equal(V.remote_port, 81);
	assert_null(V.remote_name);
}

static void says_ports_in_short(void **state)
{
	static const struct {
		struct view_forward v;
		const char *text;
	} Cases[] = {
		{{.address = "127.0.0.1", .local_port = 8080, .remote_port = 80}, "8080:80"},
		{{.address = "127.0.0.1", .local_port = 1, .remote_name = "http"}, "1:http"},
		{{.address = "127.0.0.2", .local_port = 65535, .remote_port = 65535},
			"127.0.0.2:65535:65535"},
		{{.address = "::1", .local_port = 8080, .remote_name = "metrics"},
			"[::1]:8080:metrics"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		char text[VIEW_PORTS];
		view_ports(&Cases[i].v, text);
		assert_string_equal(text, Cases[i].text);
	}
}

static void shows_what_has_become_of_it(void **state)
{
	struct view_counts c = {0};
	(void)state;
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	manager_start(M);
	for (int i = 0; i < PATIENCE_MS / QUIET_MS && c.by_state[FORWARD_RECONNECTING] < 2; i++) {
		loop_until_quiet();
		view_count(M, &c);
	}
	view_forward(M, 0, &V);
	assert_int_equal(V.state, FORWARD_RECONNECTING);
	assert_non_null(strstr(V.reason, "refused"));
	assert_true(*V.info != '\0');
	assert_in_range(V.numbers.attempts, 1, 10);
	assert_string_equal(history_at(V.history, 0)->why, V.reason);
	assert_int_equal(c.all, 2);
	assert_int_equal(c.by_state[FORWARD_RECONNECTING], 2);
	assert_int_equal(c.by_state[FORWARD_ACTIVE], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(shows_what_is_configured, begin, end),
		cmocka_unit_test(says_ports_in_short),
		cmocka_unit_test_setup_teardown(shows_what_has_become_of_it, begin, end),
	};
	return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
