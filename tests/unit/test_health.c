/* health.c beside a listener as a forward has one: what a check finds, and what of it
 * reaches the application. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "health.h"
#include "listener.h"
#include "mem.h"
#include "test_loop.h"
#include "test_ulimit.h"

enum { INTERVAL_MS = 60000 };

static struct listener L;
static struct health *H;
static struct probe_spec Probe;
static uint16_t Port;
static unsigned Own, Others, Told;
static bool Resets; /* others' connections */

static void take(void *owner, int fd, const struct sockaddr_storage *from)
{
	static const struct linger Reset = {.l_onoff = 1};
	(void)owner;
	if (health_is_own(H, from)) {
		Own++;
	} else {
		Others++;
		if (Resets)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &Reset, sizeof Reset);
	}
	close(fd);
}

static void on_health(void *owner)
{
	(void)owner;
	Told++;
}

static void start(const char *probe)
{
	if (probe)
		assert_true(probe_parse(&Probe, probe, NULL));
	const struct health_spec spec = {
		.at = {"127.0.0.1", Port, "prod/web"}, .probe = &Probe, .interval_ms = INTERVAL_MS};
	H = health_new(&spec, on_health, NULL);
	health_start(H);
}

static int begin(void **state)
{
	(void)state;
	loop_init();
	Own = Others = Told = 0;
	Resets = false;
	Port = unused_port();
	const struct listener_spec spec = {
		.address = "127.0.0.1", .only_that = true, .port = Port, .name = "prod/web"};
	if (!listener_open(&L, &spec, NULL))
		return -1;
	listener_serve(&L, take, NULL);
	listener_accept(&L, true);
	return 0;
}

static int end(void **state)
{
	(void)state;
	health_free(H);
	listener_close(&L);
	probe_spec_free(&Probe);
	loop_end();
	return 0;
}

static void checks_each_interval_and_nothing_of_it_goes_on(void **state)
{
	(void)state;
	start(NULL);
	assert_true(loop_until_quiet());
	assert_int_equal(Own, 1);
	for (unsigned i = 2; i < 5; i++) {
		int64_t before = loop_now();
		loop_skip(INTERVAL_MS + INTERVAL_MS / 10);
		assert_int_equal(Own, i);
		assert_true(health_checked_ms(H) > before);
	}
	assert_int_equal(Others, 0);
	assert_int_equal(Told, 0);
	assert_int_equal(health_error(H)->kind, ERR_NONE);
}

static void says_that_the_local_port_does_not_answer_until_it_does(void **state)
{
	char want[64];
	(void)state;
	listener_accept(&L, false);
	start(NULL);
	assert_true(loop_until_quiet());
	loop_skip(HEALTH_LIMIT_MS);
	assert_int_equal(health_error(H)->kind, ERR_LOCAL);
	snprintf(want, sizeof want, "local port %u does not answer: ", Port);
	assert_memory_equal(health_error(H)->text, want, strlen(want));
	assert_int_equal(Told, 1);
	listener_accept(&L, true);
	loop_skip(INTERVAL_MS + INTERVAL_MS / 10);
	assert_int_equal(health_error(H)->kind, ERR_NONE);
	assert_int_equal(Told, 2);
}

/* Others may take what was left while it waits. */
static void checks_nothing_where_descriptors_are_short(void **state)
{
	(void)state;
	descriptors_left(490); /* half of them */
	start(NULL);
	assert_true(loop_until_quiet());
	assert_int_equal(ulimit_left(), 490);
	assert_int_equal(Own, 0);
	descriptors_left(491);
	listener_accept(&L, false);
	loop_skip(HEALTH_AGAIN_MS + HEALTH_AGAIN_MS / 10);
	assert_int_equal(ulimit_left(), 490);
	loop_skip(HEALTH_LIMIT_MS);
	assert_int_equal(ulimit_left(), 491);
	assert_int_equal(Told, 0);
	listener_accept(&L, true);
	loop_skip(HEALTH_AGAIN_MS + HEALTH_AGAIN_MS / 10);
	assert_int_equal(Own, 1);
	assert_int_equal(ulimit_left(), 491);
	assert_int_equal(Told, 0);
	descriptors_left(500);
}

/* One failure may be a moment's; it is looked at again soon. */
static void counts_a_probe_that_fails_twice_not_once(void **state)
{
	(void)state;
	Resets = true;
	start("tcp");
	assert_true(loop_until_quiet());
	assert_int_equal(Others, 1);
	assert_string_equal(health_error(H)->text, "");
	assert_true(*health_note(H));
	assert_int_equal(Told, 0);
	loop_skip(HEALTH_AGAIN_MS);
	assert_int_equal(Others, HEALTH_TRIES);
	assert_int_equal(health_error(H)->kind, ERR_NOT_READY);
	assert_int_equal(Told, 1);
	Resets = false;
	loop_skip(INTERVAL_MS + INTERVAL_MS / 10);
	assert_int_equal(health_error(H)->kind, ERR_NONE);
	assert_string_equal(health_note(H), "");
	assert_int_equal(Told, 2);
}

static bool has_a_note(void)
{
	loop_stop();
	return *health_note(H);
}

static void hands_on_what_a_program_says(void **state)
{
	(void)state;
	start("exec /bin/echo all is well");
	while (!has_a_note())
		loop_skip(0);
	assert_string_equal(health_note(H), "all is well");
	assert_int_equal(Told, 0);
	assert_int_equal(Others, 0);
}

static void forgets_what_it_found_when_it_stops(void **state)
{
	(void)state;
	listener_accept(&L, false);
	start(NULL);
	assert_true(loop_until_quiet());
	loop_skip(HEALTH_LIMIT_MS);
	assert_int_equal(health_error(H)->kind, ERR_LOCAL);
	health_stop(H);
	assert_int_equal(health_error(H)->kind, ERR_NONE);
	listener_accept(&L, true);
	loop_skip(2 * INTERVAL_MS);
	assert_int_equal(Own, 0);
	health_start(H);
	health_start(H);
	assert_true(loop_until_quiet());
	assert_int_equal(Own, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(checks_each_interval_and_nothing_of_it_goes_on),
		TEST(says_that_the_local_port_does_not_answer_until_it_does),
		TEST(checks_nothing_where_descriptors_are_short),
		TEST(counts_a_probe_that_fails_twice_not_once),
		TEST(hands_on_what_a_program_says),
		TEST(forgets_what_it_found_when_it_stops),
	};
	child_init();
	return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
