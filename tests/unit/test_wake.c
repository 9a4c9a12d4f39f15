/* wake.c by the kernel's own messages, in a network that belongs to this process
 * alone; sleep is played. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "log.h"
#include "test_loop.h"
#include "wake.h"

enum { TRIES = 200 };

#define IP "PATH=$PATH:/usr/sbin:/sbin ip "

static const char *Missing; /* why there is no network of our own */
static int Told[2];         /* by enum wake */
static int64_t Told_ms;     /* when WAKE_ROUTES was told last */

static void on_wake(enum wake why)
{
	Told[why]++;
	if (why == WAKE_ROUTES)
		Told_ms = loop_now();
}

/* ---- a network of our own ---- */

static bool write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

/* Who is not root may become it for namespaces of his own. */
static const char *leave_network(void)
{
	char map[32];
	snprintf(map, sizeof map, "0 %u 1", (unsigned)getuid());
	if (unshare(CLONE_NEWNET) &&
		(unshare(CLONE_NEWUSER | CLONE_NEWNET) || !write_to("/proc/self/uid_map", map)))
		return "no network namespace is permitted here";
	if (system(IP "link set lo up"))
		return "there is no ip(8)";
	return NULL;
}

static bool ip(const char *arguments)
{
	char command[256];
	snprintf(command, sizeof command, IP "%s 2>&1", arguments);
	return !system(command);
}

static void change(const char *arguments)
{
	assert_true(ip(arguments));
	assert_true(loop_until_quiet());
}

/* One that is like a VPN's. */
static void add_tunnel(void)
{
	if (ip("tuntap add vpn0 mode tun"))
		return;
	print_message("no tunnel can be made here (/dev/net/tun)\n");
	skip();
}

static int begin(void **state)
{
	(void)state;
	memset(Told, 0, sizeof Told);
	loop_init();
	wake_start(on_wake);
	return 0;
}

static int end(void **state)
{
	(void)state;
	wake_stop();
	loop_end();
	return 0;
}

static void need_network(void)
{
	if (!Missing)
		return;
	print_message("%s\n", Missing);
	skip();
}

/* Changes that the kernel makes in its own time are waited for. */
static bool is_told(int times)
{
	for (int i = 0; i < TRIES && Told[WAKE_ROUTES] < times; i++)
		loop_skip(WAKE_PAUSE_MS);
	return Told[WAKE_ROUTES] == times;
}

/* ---- sleep ---- */

static void tells_of_each_sleep(void **state)
{
	(void)state;
	assert_true(loop_until_quiet());
	assert_int_equal(Told[WAKE_SLEPT], 0);
	for (int i = 1; i < 4; i++) {
		loop_clock_sleep(5000);
		assert_true(loop_until_quiet());
		assert_int_equal(Told[WAKE_SLEPT], i);
	}
	assert_int_equal(Told[WAKE_ROUTES], 0);
}

static void read_info(int fd, char *text, size_t size)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
	int info = open(path, O_RDONLY);
	ssize_t n = read(info, text, size - 1);
	assert_true(n > 0);
	text[n] = '\0';
	close(info);
}

static int find_alarm(void)
{
	struct itimerspec t;
	for (int fd = 3; fd < 64; fd++)
		if (!timerfd_gettime(fd, &t))
			return fd;
	fail_msg("there is no alarm");
	return -1;
}

/* To set the clock is not for a test: the kernel says what it would do then.  That
 * the loop hears the alarm is shown by another end of its wait. */
static void has_an_alarm_for_the_clock_being_set(void **state)
{
	static const struct itimerspec Soon = {.it_value.tv_nsec = 1};
	char info[512];
	int fd = find_alarm();
	uint64_t times;
	(void)state;
	read_info(fd, info, sizeof info);
	assert_non_null(strstr(info, "clockid: 0\n"));        /* CLOCK_REALTIME */
	assert_non_null(strstr(info, "settime flags: 03\n")); /* ABSTIME, CANCEL_ON_SET */
	assert_null(strstr(info, "it_value: (0, 0)"));        /* it is set */
	assert_int_equal(timerfd_settime(fd, 0, &Soon, NULL), 0);
	assert_true(loop_until_quiet());
	assert_int_equal(read(fd, &times, sizeof times), -1);
	assert_int_equal(errno, EAGAIN);
}

/* ---- routes ---- */

static void tells_of_what_may_change_the_way_to_a_server(void **state)
{
	static const char *const Change[] = {
		"address add 10.1.2.3/24 dev lo",
		"route add default dev lo",
		"route replace default dev lo src 10.1.2.3",
		"route delete default",
		"route add unreachable 0.0.0.0/1",
		"rule add to 192.0.2.0/24 table 77",
		"rule delete to 192.0.2.0/24 table 77",
		"address delete 10.1.2.3/24 dev lo",
		"-6 address add 2001:db8::5/64 dev lo",
		"-6 route add default dev lo",
		"-6 rule add to 2001:db8:9::/48 table 77",
		"-6 route delete default dev lo",
		"-6 address delete 2001:db8::5/64 dev lo",
	};
	(void)state;
	need_network();
	for (size_t i = 0; i < sizeof Change / sizeof *Change; i++) {
		Told[WAKE_ROUTES] = 0;
		change(Change[i]);
		if (!is_told(1))
			fail_msg("ip %s: told %d times", Change[i], Told[WAKE_ROUTES]);
	}
}

/* Of its IPv4 routes the kernel tells only the one to its own address. */
static void tells_of_an_interface_that_goes(void **state)
{
	(void)state;
	need_network();
	add_tunnel();
	change("address add 10.7.7.7/24 dev vpn0");
	change("link set vpn0 up");
	change("route add default dev vpn0");
	assert_true(is_told(1));
	change("link delete vpn0");
	assert_true(is_told(2));
}

static void does_not_tell_of_what_leads_nowhere(void **state)
{
	static const char *const Change[] = {
		"address add 127.0.0.9/8 dev lo",
		"address add 169.254.7.7/16 dev vpn0 scope link",
		"link set vpn0 up",
		"-6 address add fe80::7/64 dev vpn0",
		"-6 address add fe80::7/64 dev lo",
		"-6 address delete fe80::7/64 dev lo",
		"address delete 127.0.0.9/8 dev lo",
		"link delete vpn0",
	};
	(void)state;
	need_network();
	add_tunnel();
	for (size_t i = 0; i < sizeof Change / sizeof *Change; i++) {
		change(Change[i]);
		loop_skip(WAKE_SETTLE_MS);
		if (Told[WAKE_ROUTES])
			fail_msg("ip %s", Change[i]);
	}
	change("route add 192.0.2.9 dev lo");
	assert_true(is_told(1));
	change("route delete 192.0.2.9 dev lo");
}

/* Of what happens while it is not told, the end is. */
static void tells_once_of_a_burst_and_then_pauses(void **state)
{
	int64_t began = loop_now(), first;
	(void)state;
	need_network();
	change("route add 192.0.2.1 dev lo");
	loop_skip(WAKE_SETTLE_MS / 2);
	change("route add 192.0.2.2 dev lo");
	loop_skip(WAKE_SETTLE_MS / 2);
	assert_int_equal(Told[WAKE_ROUTES], 1);
	first = Told_ms;
	assert_true(first >= began + WAKE_SETTLE_MS);
	change("route delete 192.0.2.1 dev lo");
	loop_skip(WAKE_SETTLE_MS);
	change("route delete 192.0.2.2 dev lo");
	loop_skip(WAKE_PAUSE_MS);
	assert_int_equal(Told[WAKE_ROUTES], 2);
	assert_true(Told_ms >= first + WAKE_PAUSE_MS);
	loop_skip(3 * WAKE_PAUSE_MS);
	assert_int_equal(Told[WAKE_ROUTES], 2);
}

/* Whether the change came before it slept, or after. */
static void does_not_pause_after_a_sleep(void **state)
{
	(void)state;
	need_network();
	change("route add 192.0.2.1 dev lo");
	loop_skip(WAKE_SETTLE_MS);
	assert_int_equal(Told[WAKE_ROUTES], 1);
	change("route delete 192.0.2.1 dev lo");
	loop_clock_sleep(5000);
	assert_true(loop_until_quiet());
	loop_skip(WAKE_SETTLE_MS);
	assert_int_equal(Told[WAKE_ROUTES], 2);
	loop_clock_sleep(5000);
	assert_true(loop_until_quiet());
	change("route add 192.0.2.1 dev lo");
	loop_skip(WAKE_SETTLE_MS);
	assert_int_equal(Told[WAKE_ROUTES], 3);
	change("route delete 192.0.2.1 dev lo");
}

/* None of the messages matters, but those that were lost might. */
static void takes_what_was_too_much_for_a_change(void **state)
{
	(void)state;
	need_network();
	FILE *batch = popen(IP "-batch -", "w");
	assert_non_null(batch);
	for (int i = 0; i < 4000; i++)
		fprintf(batch, "route %s 169.254.9.9 dev lo\n", i % 2 ? "delete" : "add");
	assert_int_equal(pclose(batch), 0);
	assert_true(is_told(1));
}

/* ---- without ---- */

static void goes_on_where_the_kernel_gives_nothing(void **state)
{
	struct rlimit all, none;
	enum log_level level;
	(void)state;
	wake_stop();
	assert_true(loop_until_quiet());
	getrlimit(RLIMIT_NOFILE, &all);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = all.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	wake_start(on_wake);
	setrlimit(RLIMIT_NOFILE, &all);
	assert_non_null(strstr(log_recent(0, &level), "no netlink"));
	assert_int_equal(level, LOG_INFO);
	loop_clock_sleep(5000);
	assert_true(loop_until_quiet());
	assert_int_equal(Told[WAKE_SLEPT], 1);
}

static void tells_nothing_when_it_was_stopped(void **state)
{
	(void)state;
	need_network();
	change("route add 192.0.2.1 dev lo"); /* noticed, and not told yet */
	wake_stop();
	wake_stop(); /* harmless */
	Told[WAKE_ROUTES] = 0;
	change("route delete 192.0.2.1 dev lo");
	loop_clock_sleep(5000);
	loop_skip(WAKE_PAUSE_MS);
	assert_int_equal(Told[WAKE_SLEPT] + Told[WAKE_ROUTES], 0);
	wake_start(on_wake);
	change("route add 192.0.2.1 dev lo");
	assert_true(is_told(1));
	change("route delete 192.0.2.1 dev lo");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tells_of_each_sleep),
		TEST(has_an_alarm_for_the_clock_being_set),
		TEST(tells_of_what_may_change_the_way_to_a_server),
		TEST(tells_of_an_interface_that_goes),
		TEST(does_not_tell_of_what_leads_nowhere),
		TEST(tells_once_of_a_burst_and_then_pauses),
		TEST(does_not_pause_after_a_sleep),
		TEST(takes_what_was_too_much_for_a_change),
		TEST(goes_on_where_the_kernel_gives_nothing),
		TEST(tells_nothing_when_it_was_stopped),
	};
	Missing = leave_network();
	return cmocka_run_group_tests_name("wake", tests, NULL, NULL);
}
