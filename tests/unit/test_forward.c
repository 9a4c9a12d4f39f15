/* forward.c with all below it, against a cluster whose state is set, on a clock that
 * jumps: what becomes of a forward and of those who connect to it, whatever happens. */
#include "forward.h"

#include <ctype.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "child.h"
#include "health.h"
#include "pool.h"
#include "test_forward.h"

enum {
	INTERVAL_MS = 10000,
	DELAY_MS = 3000,
	HOLD_MS = 10000,
	HEALTHY_MS = 4000, /* long enough to count */
	LONG_MS = 30000,   /* longer than each single limit of a try */
	FORWARDS = 8,
	USERS = 8,
};

/* One who connects to a forward. */
struct user {
	struct io io;
	char got[64];
	bool over; /* ended, or reset */
	bool reset;
};

static struct config_settings All;
static struct config_forward Own[FORWARDS];
static struct cluster *Cluster;
static struct forward *F[FORWARDS]; /* most tests have only the first */
static struct user User[USERS];
static unsigned Told;
static char Path[256];           /* states as they were told: "Active|Failed|" */
static char First[FORWARD_INFO]; /* what is said of the first of them */

/* ---- what there is ---- */

static void on_change(void *owner, struct forward *f)
{
	(void)owner;
	if (!Told++)
		forward_info(f, First);
	if (f == F[0])
		snprintf(Path + strlen(Path), sizeof Path - strlen(Path), "%s|",
			forward_state_name(forward_state(f)));
	loop_stop();
}

/* One that is free, on which nothing has listened. */
static uint16_t free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static int begin(void **state)
{
	(void)state;
	child_init();
	loop_init();
	log_line(LOG_INFO, "a test begins", NULL);
	api_start();
	Cluster = api_cluster();
	All = (struct config_settings){.check_interval_ms = INTERVAL_MS,
		.reconnect_delay_ms = DELAY_MS,
		.hold_ms = HOLD_MS,
		.tunnels = 2};
	Told = 0;
	Path[0] = '\0';
	for (int i = 0; i < USERS; i++)
		User[i] = (struct user){.io.fd = -1};
	for (int i = 0; i < FORWARDS; i++)
		Own[i] = (struct config_forward){
			.target = {K8S_SERVICE, (char *)"shop", (char *)"web", 80, NULL},
			.local_address = (char *)"127.0.0.1",
			.address_is_set = true};
	return 0;
}

static void free_all(void)
{
	for (int i = 0; i < FORWARDS; i++)
		if (F[i])
			forward_free(F[i]);
	memset(F, 0, sizeof F);
}

static int end(void **state)
{
	(void)state;
	free_all();
	for (int i = 0; i < USERS; i++)
		io_close(&User[i].io);
	cluster_drop(Cluster);
	child_end_all();
	api_stop();
	loop_end();
	for (int i = 0; i < FORWARDS; i++)
		probe_spec_free(&Own[i].probe);
	return 0;
}

static struct forward *new_forward(int i, struct err *e)
{
	return forward_new(&(struct forward_spec){.settings = &All,
				   .own = &Own[i],
				   .cluster = Cluster,
				   .cluster_name = "prod"},
		e);
}

static void start_one(int i)
{
	struct err e = {0};
	Own[i].local_port = free_port();
	F[i] = new_forward(i, &e);
	if (!F[i])
		fail_msg("%s", e.text);
	forward_start(F[i], on_change, NULL);
}

static void start(void)
{
	start_one(0);
}

/* ---- what is waited for ---- */

static enum forward_state Wanted;
static unsigned Count;

static bool are_so(void)
{
	for (int i = 0; i < FORWARDS; i++)
		if (F[i] && forward_state(F[i]) != Wanted)
			return false;
	return true;
}

static const char *info(void)
{
	static char text[FORWARD_INFO];
	forward_info(F[0], text);
	return text;
}

static void wait_for(enum forward_state wanted)
{
	Wanted = wanted;
	if (!loop_until(are_so))
		fail_msg("it is %s: %s; was: %s", forward_state_name(forward_state(F[0])), info(),
			Path);
}

static bool is_upgraded(void)
{
	return Api.upgrades >= Count;
}

static void wait_for_upgrades(unsigned n)
{
	Count = n;
	if (!loop_until(is_upgraded))
		fail_msg("upgrades: %u; it is %s", Api.upgrades, info());
}

/* What is at hand is done. */
static void settle(void)
{
	assert_true(loop_until_quiet());
}

static void be_active(void)
{
	start();
	wait_for(FORWARD_ACTIVE);
	settle();
}

/* Active for so long that its loss is not one try's. */
static void be_healthy(void)
{
	be_active();
	loop_skip(HEALTHY_MS);
}

/* The clock goes on until there is another upgrade; returns the time since `from`, and
 * perhaps a little more. */
static int64_t ms_to_upgrade(int64_t from, int64_t step)
{
	unsigned before = Api.upgrades;
	struct timer pause = {.on = stop_by_timer};
	for (int i = 0; i < 2000 && Api.upgrades == before; i++) {
		loop_clock_skip(step);
		timer_after(&pause, step + 2); /* real ones */
		while (timer_is_set(&pause) && Api.upgrades == before)
			loop_run();
	}
	timer_stop(&pause);
	if (Api.upgrades == before)
		fail_msg("it was never tried again");
	return Api.asked_ms[before] - from;
}

static unsigned attempt(void)
{
	unsigned n = 0, seconds;
	if (sscanf(info(), "retry in %us (attempt %u)", &seconds, &n) != 2)
		fail_msg("it does not say when it will try again: %s", info());
	return n;
}

static unsigned retry_s(void)
{
	unsigned n, seconds = 0;
	sscanf(info(), "retry in %us (attempt %u)", &seconds, &n);
	return seconds;
}

/* ---- those who connect ---- */

static void on_user(struct io *io, uint32_t events)
{
	struct user *u = OWNER_OF(io, struct user, io);
	size_t have = strlen(u->got);
	(void)events;
	ssize_t n = recv(io->fd, u->got + have, sizeof u->got - 1 - have, 0);
	if (n > 0)
		u->got[have + (size_t)n] = '\0';
	u->over |= n <= 0;
	u->reset |= n < 0;
	if (n <= 0)
		io_close(io);
	loop_stop();
}

static struct user *connect_to(int i, int forward)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(Own[forward].local_port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof a))
		assert_int_equal(errno, EINPROGRESS);
	User[i] = (struct user){.io.fd = -1};
	io_open(&User[i].io, fd, on_user);
	io_want(&User[i].io, EPOLLIN);
	return &User[i];
}

static struct user *connect_one(int i)
{
	return connect_to(i, 0);
}

static void user_says(struct user *u, const char *text)
{
	assert_int_equal(send(u->io.fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* It breaks its connection off. */
static void user_resets(struct user *u)
{
	static const struct linger Reset = {.l_onoff = 1};
	setsockopt(u->io.fd, SOL_SOCKET, SO_LINGER, &Reset, sizeof Reset);
	io_close(&u->io);
	loop_settle();
	settle();
}

static struct user *Who;

static bool is_answered(void)
{
	return Who->over || *Who->got;
}

/* Whether what it says comes back; it has not said anything before. */
static bool is_served(struct user *u)
{
	u->got[0] = '\0';
	user_says(u, "hello");
	Who = u;
	return loop_until(is_answered) && !strcmp(u->got, "hello");
}

static bool is_over(void)
{
	return Who->over;
}

static bool is_reset(struct user *u)
{
	Who = u;
	return loop_until(is_over) && u->reset;
}

/* It is connected, and nothing has become of it yet. */
static struct user *held_user(int i)
{
	struct user *u = connect_one(i);
	user_says(u, "hello");
	settle();
	assert_false(u->over);
	assert_string_equal(u->got, "");
	return u;
}

static bool comes_to_be_served(struct user *u)
{
	Who = u;
	return loop_until(is_answered) && !strcmp(u->got, "hello");
}

/* ---- what is told ---- */

/* Lines of the log with this text since the test began. */
static unsigned logged(const char *text)
{
	enum log_level level;
	const char *line;
	unsigned n = 0;
	for (size_t i = 0; (line = log_recent(i, &level)) && !strstr(line, "a test begins"); i++)
		n += strstr(line, text) != NULL;
	return n;
}

/* The i-th event, 0 the newest: "Failed: service not found". */
static const char *event(size_t i)
{
	static char text[ERR_TEXT + 64];
	const struct history_event *e = history_at(forward_history(F[0]), i);
	snprintf(text, sizeof text, "%s%s%s", e ? e->what : "none", e && *e->why ? ": " : "",
		e ? e->why : "");
	return text;
}

static void assert_starts(const char *text, const char *with)
{
	if (strncmp(text, with, strlen(with)) != 0)
		fail_msg("\"%s\" does not start with \"%s\"", text, with);
}

/* ---- starting ---- */

static void becomes_active_and_says_so_once(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	start();
	assert_int_equal(forward_state(F[0]), FORWARD_STARTING);
	assert_string_equal(info(), "");
	wait_for(FORWARD_ACTIVE);
	loop_skip(INTERVAL_MS + INTERVAL_MS / 10);
	loop_skip(INTERVAL_MS + INTERVAL_MS / 10);
	assert_string_equal(forward_name(F[0]), "prod/web");
	assert_int_equal(forward_error(F[0])->kind, ERR_NONE);
	assert_string_equal(Path, "Active|");
	assert_int_equal(history_count(forward_history(F[0])), 1);
	assert_string_equal(event(0), "Active");
	assert_int_equal(logged("INFO: forward active forward=prod/web pod=web-1"), 1);
	assert_int_equal(logged("forward "), 1);
	assert_int_equal(Api.upgrades, 1);
	assert_int_equal(Api.watches, 1);
	assert_int_equal(Api.pings, 2);
	assert_int_equal(Api.opened, 0); /* checks do not reach the application */
}

static void says_when_it_was_checked(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_active();
	loop_skip(2000);
	assert_string_equal(info(), "checked 2s ago");
	PODS_ARE({"web-1", "u-1", UNREADY});
	settle();
	assert_int_equal(forward_state(F[0]), FORWARD_ACTIVE);
	assert_string_equal(info(), "checked 2s ago, no ready pod: 0 of 1 ready");
}

static void says_that_a_pod_by_name_is_not_ready(void **state)
{
	(void)state;
	Own[0].target = (struct k8s_ref){K8S_POD, (char *)"shop", (char *)"web-1", 80, NULL};
	PODS_ARE({"web-1", "u-1", UNREADY});
	be_active();
	loop_skip(2000);
	assert_string_equal(info(), "checked 2s ago, pod not ready");
}

/* Nothing is opened before it is wanted, and the look alone has proved it well. */
static void is_active_without_a_tunnel_where_each_carries_one(void **state)
{
	(void)state;
	cluster_ask_transport(Cluster, TRANSPORT_V4);
	PODS_ARE({"web-1", "u-1", READY});
	be_active();
	assert_string_equal(First, "checked 0s ago");
	assert_int_equal(Api.upgrades, 0);
	loop_skip(2000);
	assert_string_equal(info(), "checked 2s ago");
}

static void passes_connections_on(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_active();
	assert_true(is_served(connect_one(0)));
	assert_true(is_served(connect_one(1)));
	assert_int_equal(Api.opened, 2);
}

/* ---- what it counts ---- */

static const struct forward_numbers *numbers(void)
{
	static struct forward_numbers n;
	forward_numbers(F[0], &n);
	return &n;
}

static void counts_what_moves_while_it_moves(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_active();
	assert_int_equal(numbers()->served, 0);
	assert_int_equal(numbers()->tunnels, 1);
	assert_string_equal(numbers()->transport, "websocket");
	assert_int_equal(numbers()->round_trip_ms, -1);
	struct user *first = connect_one(0), *second = connect_one(1);
	assert_true(is_served(first) && is_served(second));
	assert_int_equal(numbers()->served, 2);
	assert_int_equal(numbers()->connections, 2);
	assert_int_equal(numbers()->held, 0);
	assert_int_equal(numbers()->bytes_up, 10);
	assert_int_equal(numbers()->bytes_down, 10);
	user_resets(first);
	assert_true(is_served(second));
	assert_int_equal(numbers()->served, 2);
	assert_int_equal(numbers()->connections, 1);
	assert_int_equal(numbers()->bytes_up, 15);
	assert_int_equal(numbers()->bytes_down, 15);
	loop_skip(INTERVAL_MS + INTERVAL_MS / 10);
	assert_true(numbers()->round_trip_ms >= 0);
	assert_in_range(numbers()->checked_ms, loop_now() - INTERVAL_MS, loop_now());
}

static void counts_those_that_wait(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	Api.upgrade = 503;
	start();
	wait_for(FORWARD_RECONNECTING);
	held_user(0);
	assert_int_equal(numbers()->connections, 1);
	assert_int_equal(numbers()->held, 1);
	assert_int_equal(numbers()->served, 0);
	assert_int_equal(numbers()->bytes_up, 0);
	assert_null(numbers()->transport);
	assert_int_equal(numbers()->attempts, 1);
	Api.upgrade = 101;
	wait_for(FORWARD_ACTIVE);
	settle();
	assert_int_equal(numbers()->held, 0);
	assert_int_equal(numbers()->served, 1);
	assert_int_equal(numbers()->attempts, 0);
}

/* It is one connection, however often it is opened. */
static void counts_one_that_goes_elsewhere_once(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY}, {"web-2", "u-2", READY});
	be_healthy();
	Api.application = HAS_NO_POD;
	Api.sick = "web-2";
	struct user *u = connect_one(0);
	user_says(u, "hello");
	assert_true(comes_to_be_served(u));
	assert_int_equal(numbers()->served, 1);
	assert_int_equal(numbers()->bytes_up, 5);
}

/* ---- the wait for the next try ---- */

static void waits_longer_after_each_failure(void **state)
{
	/* After the one that comes at once; then as long as the last. */
	static const int64_t Wait[] = {DELAY_MS, DELAY_MS, 4000, 8000, 16000, 32000, 60000, 60000};
	int64_t from, ms;
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	Api.upgrade = 503;
	api_cut(TUNNEL);
	wait_for_upgrades(2);
	settle();
	for (size_t i = 0; i < sizeof Wait / sizeof *Wait; i++) {
		assert_int_equal(forward_state(F[0]), FORWARD_RECONNECTING);
		assert_int_equal(attempt(), i + 2);
		assert_true(retry_s() * 1000 <= Wait[i] * 11 / 10 + 500);
		from = Api.asked_ms[Api.upgrades - 1];
		ms = ms_to_upgrade(from, Wait[i] / 40);
		assert_true(ms >= Wait[i] * 9 / 10);
		settle();
	}
	assert_int_equal(Api.upgrades, 2 + sizeof Wait / sizeof *Wait);
}

static void begins_anew_after_success(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	Api.upgrade = 503;
	api_cut(TUNNEL);
	wait_for_upgrades(2);
	for (int i = 0; i < 4; i++)
		ms_to_upgrade(loop_now(), 500);
	Api.upgrade = 101;
	ms_to_upgrade(loop_now(), 500);
	wait_for(FORWARD_ACTIVE);
	loop_skip(HEALTHY_MS);
	Api.upgrade = 503;
	unsigned before = Api.upgrades;
	api_cut(TUNNEL);
	wait_for_upgrades(before + 1);
	settle();
	assert_int_equal(attempt(), 2);
}

/* One that serves for a moment each time has not recovered. */
static void goes_on_waiting_where_success_does_not_last(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	api_cut(TUNNEL);
	wait_for_upgrades(2);
	wait_for(FORWARD_ACTIVE);
	for (unsigned i = 2; i < 5; i++) {
		api_cut(TUNNEL);
		wait_for(FORWARD_RECONNECTING);
		settle();
		assert_int_equal(attempt(), i);
		ms_to_upgrade(loop_now(), 500);
		wait_for(FORWARD_ACTIVE);
	}
}

static void waits_as_long_as_the_server_wishes(void **state)
{
	int64_t from;
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	Api.upgrade = 429;
	Api.wait_s = 20;
	api_cut(TUNNEL);
	wait_for_upgrades(2);
	settle();
	for (int i = 0; i < 4; i++) {
		from = Api.asked_ms[Api.upgrades - 1];
		assert_true(retry_s() <= 22);
		assert_true(ms_to_upgrade(from, 200) >= 20000);
		settle();
	}
	Api.wait_s = 600;
	ms_to_upgrade(loop_now(), 1000);
	settle();
	from = Api.asked_ms[Api.upgrades - 1];
	assert_true(retry_s() <= 66);
	assert_true(ms_to_upgrade(from, 1000) >= FORWARD_BACKOFF_MAX_MS);
}

static void asks_for_no_tunnel_where_the_server_wants_no_questions(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	Api.service = 429;
	Api.wait_s = 20;
	int64_t from = loop_now();
	api_cut(TUNNEL);
	wait_for(FORWARD_RECONNECTING);
	settle();
	assert_int_equal(attempt(), 2);
	Api.service = 200;
	assert_true(ms_to_upgrade(from, 200) >= 20000);
	wait_for(FORWARD_ACTIVE);
}

static void waits_so_whatever_pods_come(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	Api.upgrade = 429;
	Api.wait_s = 20;
	api_cut(TUNNEL);
	wait_for_upgrades(2);
	settle();
	int64_t from = Api.asked_ms[1];
	PODS_ARE({"web-2", "u-2", READY});
	settle();
	PODS_ARE({"web-3", "u-3", READY});
	settle();
	assert_int_equal(Api.upgrades, 2);
	assert_true(ms_to_upgrade(from, 200) >= 20000);
	assert_string_equal(Api.last, "web-3");
}

static void takes_turns_where_many_are_lost(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	for (int i = 0; i < FORWARDS; i++)
		start_one(i);
	wait_for(FORWARD_ACTIVE);
	loop_skip(HEALTHY_MS);
	assert_int_equal(Api.upgrades, FORWARDS);
	int64_t lost = loop_now();
	api_cut(TUNNEL);
	wait_for_upgrades(2 * FORWARDS);
	for (int i = 0; i < FORWARDS; i++)
		assert_true(Api.asked_ms[FORWARDS + i] - lost >= (int64_t)i * API_TURN_MS);
	wait_for(FORWARD_ACTIVE);
	assert_int_equal(Api.upgrades, 2 * FORWARDS);
}

/* ---- what cuts the wait short ---- */

/* Its pod's tunnel was lost, and new ones fail; the next try is far away. */
static void be_waiting(void)
{
	be_healthy();
	Api.upgrade = 503;
	api_cut(TUNNEL);
	wait_for_upgrades(2);
	settle();
	for (int i = 0; i < 4; i++) {
		ms_to_upgrade(loop_now(), 500);
		settle();
	}
	assert_true(retry_s() > 8);
}

static void goes_to_another_pod_as_soon_as_there_is_one(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_waiting();
	unsigned before = Api.upgrades;
	Api.broken = "web-1";
	PODS_ARE({"web-1", "u-1", READY}, {"web-2", "u-2", READY});
	wait_for(FORWARD_ACTIVE);
	assert_int_equal(Api.upgrades, before + 1);
	assert_string_equal(Api.last, "web-2");
	assert_string_equal(event(0), "Active");
	assert_string_equal(event(1), "Moved: web-2 instead of web-1");
}

static void goes_to_a_replaced_pod_of_the_same_name(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_waiting();
	unsigned before = Api.upgrades;
	Api.upgrade = 101;
	PODS_ARE({"web-1", "u-2", READY});
	wait_for(FORWARD_ACTIVE);
	assert_int_equal(Api.upgrades, before + 1);
}

static void is_not_hurried_by_the_pod_that_fails(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_waiting();
	unsigned before = Api.upgrades;
	for (int i = 0; i < 3; i++) {
		PODS_ARE({"web-1", "u-1", UNREADY});
		settle();
		PODS_ARE({"web-1", "u-1", READY});
		settle();
	}
	assert_int_equal(Api.upgrades, before);
}

static void tries_each_of_two_pods_once(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY}, {"web-2", "u-2", READY});
	be_healthy();
	Api.upgrade = 503;
	api_cut(TUNNEL);
	wait_for_upgrades(3); /* the first at once, the other behind it */
	settle();
	assert_int_equal(Api.upgrades, 3);
	for (unsigned i = 4; i < 8; i++) {
		ms_to_upgrade(loop_now(), 500);
		settle();
		assert_int_equal(Api.upgrades, i);
	}
	assert_int_equal(forward_state(F[0]), FORWARD_RECONNECTING);
}

/* More than are remembered as failed. */
static void does_not_run_through_all_of_many_pods(void **state)
{
	static char name[PODS][8], uid[PODS][8];
	struct pod_row row[PODS - 1] = {0};
	(void)state;
	for (int i = 0; i < PODS - 1; i++) {
		snprintf(name[i], sizeof name[i], "web-%d", i);
		snprintf(uid[i], sizeof uid[i], "u-%d", i);
		row[i] = (struct pod_row){.name = name[i], .uid = uid[i]};
	}
	api_pods(row, PODS - 1);
	be_healthy();
	Api.upgrade = 503;
	api_cut(TUNNEL);
	wait_for_upgrades(2);
	settle();
	assert_in_range(Api.upgrades, 2, 8);
	for (int i = 0; i < 6; i++) {
		loop_skip(INTERVAL_MS);
		settle();
	}
	assert_in_range(Api.upgrades, 8, 24);
}

static void tries_once_when_the_server_is_back(void **state)
{
	(void)state;
	All.check_interval_ms = 60000; /* it is not found by chance */
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	api_down();
	for (int i = 0; i < 40 && (forward_state(F[0]) != FORWARD_RECONNECTING || retry_s() < 40);
		i++)
		loop_skip(4000);
	assert_true(retry_s() >= 40);
	unsigned before = Api.upgrades;
	Api.upgrade = 503;
	All.reconnect_delay_ms = 20000; /* tries are counted anew */
	api_up();
	for (int i = 0; i < 12 && Api.upgrades == before; i++)
		loop_skip(1000);
	settle();
	assert_int_equal(Api.upgrades, before + 1);
	for (int i = 0; i < 5; i++)
		loop_skip(1000);
	assert_int_equal(Api.upgrades, before + 1);
}

/* RBAC is not read yet. */
static void takes_a_refusal_right_after_an_outage_for_passing(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	api_down();
	wait_for(FORWARD_RECONNECTING);
	struct user *u = held_user(0);
	Api.upgrade = 403;
	unsigned before = Api.upgrades;
	api_up();
	for (int i = 0; i < 40 && Api.upgrades == before; i++)
		loop_skip(250);
	settle();
	assert_int_equal(forward_error(F[0])->kind, ERR_FORBIDDEN);
	assert_int_equal(forward_state(F[0]), FORWARD_RECONNECTING);
	Api.upgrade = 101;
	assert_true(comes_to_be_served(u));
	wait_for(FORWARD_ACTIVE);
	Api.upgrade = 403; /* the same without an outage, when it has gone on for long */
	api_cut(TUNNEL);
	wait_for(FORWARD_FAILED);
}

/* ---- pods that are gone ---- */

static void holds_connections_while_its_only_pod_is_replaced(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	NO_PODS();
	wait_for(FORWARD_RECONNECTING);
	struct user *u = held_user(0);
	loop_skip(2000);
	assert_false(u->over);
	PODS_ARE({"web-2", "u-2", READY});
	assert_true(comes_to_be_served(u));
	assert_string_equal(Path, "Active|Reconnecting|Active|");
	assert_int_equal(Api.upgrades, 3); /* with the spare one */
}

static void does_not_wait_however_often_its_only_pod_is_replaced(void **state)
{
	static const char *const Uid[] = {"u-2", "u-3", "u-4", "u-5", "u-6", "u-7", "u-8"};
	(void)state;
	All.reconnect_delay_ms = 2 * PATIENCE_MS;
	PODS_ARE({"web-1", "u-1", READY});
	be_active();
	for (size_t i = 0; i < sizeof Uid / sizeof *Uid; i++) {
		NO_PODS();
		wait_for(FORWARD_RECONNECTING);
		PODS_ARE({"web-1", Uid[i], READY});
		wait_for(FORWARD_ACTIVE);
	}
}

static void fails_when_its_only_pod_stays_away(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	NO_PODS();
	wait_for(FORWARD_RECONNECTING);
	struct user *u = held_user(0);
	for (int i = 0; i < 20 && forward_state(F[0]) != FORWARD_FAILED; i++)
		loop_skip(1000);
	assert_int_equal(forward_state(F[0]), FORWARD_FAILED);
	assert_true(is_reset(u));
	assert_string_equal(info(), "no ready pod: service 'web' has no pods");
	assert_true(is_reset(connect_one(1)));
	PODS_ARE({"web-2", "u-2", READY});
	wait_for(FORWARD_ACTIVE);
	assert_true(is_served(connect_one(2)));
}

static void fails_at_once_where_there_never_was_a_pod(void **state)
{
	(void)state;
	start();
	struct user *u = connect_one(0);
	wait_for(FORWARD_FAILED);
	assert_string_equal(info(), "no ready pod: service 'web' has no pods");
	assert_true(is_reset(u));
	assert_true(is_reset(connect_one(1)));
	assert_int_equal(logged("held, but nothing"), 0); /* they were not kept waiting */
	assert_string_equal(Path, "Failed|");
	assert_int_equal(logged("ERROR: forward failed"), 1);
}

static void says_that_a_pod_is_not_there(void **state)
{
	(void)state;
	Own[0].target = (struct k8s_ref){K8S_POD, (char *)"shop", (char *)"web-1", 80, NULL};
	start();
	wait_for(FORWARD_FAILED);
	assert_string_equal(info(), "pod not found");
}

static void fails_when_its_service_is_deleted(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	struct user *u = connect_one(0);
	assert_true(is_served(u));
	Api.service = 404;
	for (int i = 0; i < K8S_SERVICE_LOOKS + 2 && forward_state(F[0]) == FORWARD_ACTIVE; i++)
		loop_skip(INTERVAL_MS);
	wait_for(FORWARD_FAILED);
	assert_string_equal(info(), "service not found");
	assert_true(is_reset(connect_one(1)));
	u->got[0] = '\0';
	assert_true(is_served(u)); /* one that is there goes on */
}

static void stays_active_where_its_pod_is_replaced_by_another(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	struct user *u = connect_one(0);
	assert_true(is_served(u));
	PODS_ARE({"web-1", "u-1", GOING}, {"web-2", "u-2", READY});
	settle();
	assert_string_equal(Path, "Active|");
	assert_string_equal(event(0), "Moved: web-2 instead of web-1");
	assert_string_equal(Api.last, "web-2");
	assert_int_equal(logged("forward goes to another pod"), 1);
	assert_true(is_served(connect_one(1)));
	assert_true(is_served(u));
	io_close(&u->io);
	settle();
	loop_skip(1000);
	assert_int_equal(history_count(forward_history(F[0])), 2);
}

static void goes_on_with_a_pod_that_goes_with_none_at_hand(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	PODS_ARE({"web-1", "u-1", GOING});
	settle();
	assert_string_equal(Path, "Active|");
	assert_true(is_served(connect_one(0)));
	assert_int_equal(Api.upgrades, 2); /* with the spare one */
}

/* The runtime says that it is gone; the API does not know yet. */
static void takes_connections_elsewhere_where_the_pod_is_gone(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY}, {"web-2", "u-2", READY});
	be_healthy();
	assert_string_equal(Api.last, "web-2");
	Api.application = HAS_NO_POD;
	Api.sick = "web-2";
	struct user *a = connect_one(0), *b = connect_one(1);
	user_says(a, "hello");
	user_says(b, "hello");
	assert_true(comes_to_be_served(a));
	assert_true(comes_to_be_served(b));
	assert_string_equal(Api.last, "web-1");
	assert_string_equal(Path, "Active|Reconnecting|Active|");
}

/* ---- what repeats ---- */

static void counts_what_repeats(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	Api.upgrade = 503;
	api_cut(TUNNEL);
	wait_for_upgrades(2);
	settle();
	unsigned told = Told;
	for (int i = 0; i < 3; i++)
		ms_to_upgrade(loop_now(), 500);
	settle();
	assert_int_equal(Told, told);
	assert_string_equal(event(0), "Reconnecting: port-forward: 503");
	assert_int_equal(history_at(forward_history(F[0]), 0)->times, 4);
	assert_int_equal(logged("WARN: forward reconnecting"), 2); /* the loss, and the refusal */
	assert_int_equal(logged("repeated"), 0);
	Api.upgrade = 101;
	ms_to_upgrade(loop_now(), 500);
	wait_for(FORWARD_ACTIVE);
	assert_int_equal(logged("INFO: the last event was repeated forward=prod/web times=3"), 1);
	assert_int_equal(Told, told + 1);
	assert_string_equal(event(0), "Active");
}

/* ---- no answer through the tunnel ---- */

static void replaces_a_tunnel_that_does_not_answer(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	Api.mute = true;
	unsigned pings = Api.pings;
	while (Api.pings == pings)
		loop_skip(1000);
	loop_skip(TUNNEL_FENCE_MS);
	wait_for(FORWARD_ACTIVE);
	assert_string_equal(Path, "Active|Reconnecting|Active|");
	assert_string_equal(event(1), "Reconnecting: no answer through the tunnel");
	assert_int_equal(Api.upgrades, 2);
	assert_int_equal(api_tunnels(), 1);
}

/* One tunnel carries a connection, and nothing comes through it; nor are new ones
 * answered. */
static struct user *be_silent(void)
{
	PODS_ARE({"web-1", "u-1", READY});
	All.tunnels = 1;
	be_healthy();
	struct user *u = connect_one(0);
	assert_true(is_served(u));
	Api.mute = true;
	Api.upgrade = 0;
	unsigned pings = Api.pings;
	while (Api.pings == pings)
		loop_skip(1000);
	loop_skip(TUNNEL_FENCE_MS);
	wait_for(FORWARD_RECONNECTING);
	assert_string_equal(info(), "reconnecting");
	assert_int_equal(Api.upgrades, 2);
	return u;
}

static void goes_on_when_the_answer_comes_late(void **state)
{
	struct user *first = be_silent(), *u = held_user(1);
	(void)state;
	Api.mute = false;
	api_pong();
	assert_true(comes_to_be_served(u));
	assert_int_equal(forward_state(F[0]), FORWARD_ACTIVE);
	assert_true(is_served(first));
	assert_int_equal(api_tunnels(), 1);
}

static void tries_again_when_no_answer_comes_at_all(void **state)
{
	struct user *first = be_silent();
	(void)state;
	loop_skip(API_CONNECT_MS + UPGRADE_LIMIT_MS);
	wait_for_upgrades(3);
	loop_skip(API_CONNECT_MS + UPGRADE_LIMIT_MS);
	settle();
	assert_int_equal(forward_state(F[0]), FORWARD_RECONNECTING);
	assert_int_equal(attempt(), 2);
	assert_true(first->reset); /* nothing was heard for too long */
	Api.upgrade = 101;
	Api.mute = false;
	ms_to_upgrade(loop_now(), 500);
	wait_for(FORWARD_ACTIVE);
	assert_true(is_served(connect_one(1)));
}

/* The old tunnel comes back after the new one has failed. */
static void uses_the_old_tunnel_when_it_answers_after_all(void **state)
{
	struct user *first = be_silent();
	(void)state;
	Api.upgrade = 503;
	api_cut(ASKING);
	for (int i = 0; i < 50 && Api.upgrades < 3; i++)
		settle();
	settle();
	struct user *u = held_user(1);
	attempt();
	Api.mute = false;
	api_pong();
	assert_true(comes_to_be_served(u));
	assert_int_equal(forward_state(F[0]), FORWARD_ACTIVE);
	assert_true(is_served(first));
	io_close(&first->io);
	io_close(&u->io);
	settle();
	unsigned before = Api.upgrades, looks = Api.looks;
	loop_skip(2 * DELAY_MS);
	assert_int_equal(Api.looks, looks); /* nothing is tried any more */
	Api.upgrade = 101;
	loop_skip(K8S_SERVICE_LOOKS * INTERVAL_MS);
	assert_int_equal(Api.upgrades, before); /* it is as good as any */
	assert_int_equal(api_tunnels(), 1);
	Api.mute = true;
	forward_wake(F[0], false);
	settle();
	loop_skip(TUNNEL_FENCE_MS);
	assert_int_equal(Api.upgrades, before + 1); /* and replaced as any */
	wait_for(FORWARD_ACTIVE);
}

/* ---- health ---- */

/* No descriptor but the one that the check itself takes. */
static unsigned take_descriptors(int *taken, unsigned max)
{
	unsigned n = 0;
	while (n < max && (taken[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	assert_in_range(n, 1, max - 1);
	close(taken[--n]);
	return n;
}

static void fails_while_its_port_does_not_answer(void **state)
{
	static int taken[1024];
	struct rlimit before, few;
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){512, before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	unsigned n = take_descriptors(taken, 1024);
	loop_skip(INTERVAL_MS);
	loop_skip(HEALTH_LIMIT_MS);
	assert_int_equal(forward_state(F[0]), FORWARD_FAILED);
	assert_non_null(strstr(info(), "does not answer"));
	while (n--)
		close(taken[n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	loop_skip(1000);
	assert_int_equal(Api.opened, 0); /* the check that came too late goes nowhere */
	loop_skip(INTERVAL_MS);
	wait_for(FORWARD_ACTIVE);
	assert_string_equal(Path, "Active|Failed|Active|");
	assert_int_equal(Api.upgrades, 1);
	assert_int_equal(Api.opened, 0);
}

static void probe_by_tcp(void)
{
	assert_true(probe_parse(&Own[0].probe, "tcp", NULL));
}

/* Until the next probe and its verdict. */
static void skip_probe(void)
{
	unsigned before = Api.opened;
	for (int i = 0; i < 30 && Api.opened == before; i++)
		loop_skip(500);
	assert_int_equal(Api.opened, before + 1);
	if (Api.application == ECHOES)
		loop_skip(PROBE_QUIET_MS);
}

static void fails_when_a_probe_has_failed_twice(void **state)
{
	(void)state;
	probe_by_tcp();
	All.tunnels = 1;
	PODS_ARE({"web-1", "u-1", READY});
	start();
	wait_for(FORWARD_ACTIVE);
	skip_probe();
	Api.application = REFUSES;
	skip_probe();
	assert_int_equal(forward_state(F[0]), FORWARD_ACTIVE);
	assert_non_null(strstr(info(), ", probe: "));
	skip_probe();
	assert_int_equal(forward_state(F[0]), FORWARD_FAILED);
	assert_starts(info(), "probe: ");
	unsigned before = Api.opened;
	connect_one(0);
	settle();
	assert_int_equal(Api.opened, before + 1); /* it is passed on all the same */
	skip_probe();
	skip_probe();
	assert_string_equal(Path, "Active|Failed|");
	Api.application = ECHOES;
	skip_probe();
	assert_string_equal(Path, "Active|Failed|Active|");
	assert_int_equal(Api.upgrades, 1);
}

static void tries_another_pod_where_a_probe_fails(void **state)
{
	(void)state;
	probe_by_tcp();
	PODS_ARE({"web-1", "u-1", READY}, {"web-2", "u-2", READY}, {"web-3", "u-3", READY});
	start();
	wait_for(FORWARD_ACTIVE);
	skip_probe();
	Api.application = REFUSES;
	Api.sound = "web-1";
	for (int i = 0; i < 40 && Told < 3; i++)
		loop_skip(500);
	wait_for(FORWARD_ACTIVE);
	assert_string_equal(Path, "Active|Failed|Active|");
	assert_string_equal(event(0), "Active");
	assert_string_equal(event(1), "Moved: web-1 instead of web-2");
	assert_string_equal(event(2), "Moved: web-2 instead of web-3");
	assert_true(is_served(connect_one(0)));
}

/* Neither is Active before a probe has found it so, nor tried again without a pause. */
static void does_not_go_to_and_fro_between_pods_that_fail(void **state)
{
	(void)state;
	probe_by_tcp();
	All.tunnels = 1;
	PODS_ARE({"web-1", "u-1", READY}, {"web-2", "u-2", READY});
	start();
	wait_for(FORWARD_ACTIVE);
	skip_probe();
	Api.application = REFUSES;
	for (int i = 0; i < 110; i++)
		loop_skip(1000);
	assert_in_range(Api.upgrades, 2, 4);
	assert_string_equal(Path, "Active|Failed|");
	char last[sizeof Api.last];
	memcpy(last, Api.last, sizeof last);
	Api.sick = last; /* the other one is well again: it has its turn */
	for (int i = 0; i < 80 && Told < 3; i++)
		loop_skip(1000);
	assert_string_equal(Path, "Active|Failed|Active|");
}

static void holds_connections_while_a_pod_that_failed_a_probe_is_replaced(void **state)
{
	(void)state;
	probe_by_tcp();
	PODS_ARE({"web-1", "u-1", READY});
	Api.application = REFUSES;
	Api.sick = "web-1";
	start();
	wait_for(FORWARD_FAILED);
	loop_skip(2 * HOLD_MS);
	NO_PODS();
	wait_for(FORWARD_RECONNECTING);
	struct user *u = held_user(0);
	PODS_ARE({"web-2", "u-2", READY});
	assert_true(comes_to_be_served(u));
	assert_int_equal(forward_state(F[0]), FORWARD_ACTIVE);
}

/* They are not reset while the other pod's tunnel is opened. */
static void holds_connections_while_it_goes_to_another_pod(void **state)
{
	(void)state;
	probe_by_tcp();
	PODS_ARE({"web-1", "u-1", READY}, {"web-2", "u-2", READY});
	start();
	wait_for(FORWARD_ACTIVE);
	skip_probe();
	Api.application = REFUSES;
	Api.sick = "web-2";
	Api.broken = "web-1";
	Api.upgrade = 0;
	for (int i = 0; i < 40 && Told < 2; i++)
		loop_skip(500);
	settle();
	assert_string_equal(Api.last, "web-1");
	struct user *u = held_user(0);
	Api.upgrade = 101;
	loop_skip(1000);
	assert_false(u->over);
}

/* ---- after a sleep, or where routes have changed ---- */

static void asks_at_once_where_routes_have_changed(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_active();
	unsigned pings = Api.pings;
	forward_wake(F[0], false);
	settle();
	assert_int_equal(Api.pings, pings + 1);
	assert_int_equal(Api.upgrades, 1);
	assert_string_equal(Path, "Active|");
}

static void ends_the_wait_where_routes_have_changed(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_waiting();
	unsigned before = Api.upgrades;
	forward_wake(F[0], false);
	wait_for_upgrades(before + 1);
	settle();
	assert_int_equal(Api.upgrades, before + 1);
	assert_int_equal(attempt(), 1);
	Api.upgrade = 101;
	forward_wake(F[0], true);
	wait_for(FORWARD_ACTIVE);
	assert_int_equal(Api.upgrades, before + 2);
}

static void replaces_idle_tunnels_after_a_sleep(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	loop_clock_sleep(3600000);
	forward_wake(F[0], true);
	wait_for_upgrades(2);
	wait_for(FORWARD_ACTIVE);
	settle();
	assert_int_equal(Api.upgrades, 2);
	assert_int_equal(api_tunnels(), 1);
	assert_true(is_served(connect_one(0)));
}

static void takes_turns_after_a_sleep(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	for (int i = 0; i < FORWARDS; i++)
		start_one(i);
	wait_for(FORWARD_ACTIVE);
	settle();
	loop_clock_sleep(3600000);
	for (int i = 0; i < FORWARDS; i++)
		forward_wake(F[i], true);
	int64_t woken = loop_now();
	wait_for_upgrades(2 * FORWARDS);
	for (int i = 0; i < FORWARDS; i++)
		assert_true(Api.asked_ms[FORWARDS + i] - woken >= (int64_t)i * API_TURN_MS);
	wait_for(FORWARD_ACTIVE);
	assert_int_equal(Api.upgrades, 2 * FORWARDS);
}

static void does_not_trust_a_tunnel_after_a_sleep_before_it_answers(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	All.tunnels = 1;
	be_healthy();
	struct user *first = connect_one(0);
	assert_true(is_served(first));
	Api.mute = true;
	Api.upgrade = 0;
	loop_clock_sleep(3600000);
	forward_wake(F[0], true);
	settle();
	struct user *u = held_user(1);
	assert_int_equal(Api.opened, 1);
	Api.mute = false;
	api_pong();
	assert_true(comes_to_be_served(u));
	assert_true(is_served(first));
	assert_int_equal(forward_state(F[0]), FORWARD_ACTIVE);
}

/* What was under way when it fell asleep may never be answered. */
static void begins_the_try_anew_after_a_sleep(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	Api.upgrade = 0;
	start();
	wait_for_upgrades(1);
	Api.upgrade = 101;
	loop_clock_sleep(3600000);
	forward_wake(F[0], true);
	wait_for(FORWARD_ACTIVE);
	assert_int_equal(Api.upgrades, 2);
}

/* ---- what a person wants ---- */

/* Whether somebody listens there. */
static bool listens(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(forward_local_port(F[0]))};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = !connect(fd, (struct sockaddr *)&a, sizeof a);
	close(fd);
	return yes;
}

/* All that asks or tries. */
static unsigned asked(void)
{
	return Api.looks + Api.lists + Api.watches + Api.upgrades + Api.pings + Api.opened;
}

/* It is Stopped, and stays so whatever else happens. */
static void expect_rest(void)
{
	settle();
	unsigned before = asked(), told = Told;
	size_t events = history_count(forward_history(F[0]));
	forward_wake(F[0], false);
	forward_wake(F[0], true);
	forward_adjust(F[0]);
	forward_leave(F[0]);
	forward_return(F[0]);
	forward_reconnect(F[0]);
	forward_drain(F[0]);
	forward_stop(F[0]);
	PODS_ARE({"web-1", "u-1", READY}, {"web-9", "u-9", READY});
	loop_skip(LONG_MS);
	loop_skip(LONG_MS);
	assert_int_equal(forward_state(F[0]), FORWARD_STOPPED);
	assert_int_equal(forward_error(F[0])->kind, ERR_NONE);
	assert_string_equal(info(), "");
	assert_null(forward_pod(F[0]));
	assert_int_equal(asked(), before);
	assert_int_equal(Told, told);
	assert_int_equal(history_count(forward_history(F[0])), events);
	assert_int_equal(api_tunnels(), 0);
	assert_int_equal(numbers()->connections, 0);
	assert_int_equal(numbers()->tunnels, 0);
	assert_int_equal(numbers()->attempts, 0);
	assert_null(numbers()->transport);
	assert_false(listens());
}

static void stops_and_is_resumed(void **state)
{
	struct err e = {0};
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	struct user *u = connect_one(0);
	assert_true(is_served(u));
	forward_stop(F[0]);
	assert_string_equal(Path, "Active|"); /* nobody is told from inside of a call */
	assert_true(is_reset(u));
	assert_string_equal(Path, "Active|Stopped|");
	assert_string_equal(event(0), "Stopped");
	assert_int_equal(logged("INFO: forward stopped forward=prod/web"), 1);
	expect_rest();
	assert_int_equal(numbers()->bytes_up, 5);
	assert_true(forward_resume(F[0], &e));
	wait_for(FORWARD_ACTIVE);
	assert_string_equal(Path, "Active|Stopped|Starting|Active|");
	assert_string_equal(event(0), "Active");
	assert_true(is_served(connect_one(1)));
	assert_int_equal(numbers()->bytes_up, 10);
	unsigned upgrades = Api.upgrades;
	assert_true(forward_resume(F[0], &e));
	settle();
	assert_int_equal(Api.upgrades, upgrades);
	assert_string_equal(Path, "Active|Stopped|Starting|Active|");
}

/* Both in one batch: its port is free at once, and so is any that it was given. */
static void is_resumed_at_once_at_the_same_port(void **state)
{
	struct err e = {0};
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	F[0] = new_forward(0, &e);
	forward_start(F[0], on_change, NULL);
	wait_for(FORWARD_ACTIVE);
	Own[0].local_port = forward_local_port(F[0]);
	assert_int_not_equal(Own[0].local_port, 0);
	forward_stop(F[0]);
	if (!forward_resume(F[0], &e))
		fail_msg("%s", e.text);
	assert_int_equal(forward_local_port(F[0]), Own[0].local_port);
	wait_for(FORWARD_ACTIVE);
	assert_true(is_served(connect_one(0)));
}

static void stays_stopped_while_its_port_is_taken(void **state)
{
	struct err e = {0};
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_active();
	forward_stop(F[0]);
	settle();
	F[1] = new_forward(0, &e); /* who has it now */
	assert_false(forward_resume(F[0], &e));
	assert_int_equal(e.kind, ERR_LOCAL);
	assert_non_null(strstr(e.text, "another process uses it"));
	assert_int_equal(forward_state(F[0]), FORWARD_STOPPED);
	assert_int_equal(forward_local_port(F[0]), Own[0].local_port);
	forward_free(F[1]);
	F[1] = NULL;
	settle();
	expect_rest();
	assert_true(forward_resume(F[0], &e));
	wait_for(FORWARD_ACTIVE);
}

static void begins_stopped(void **state)
{
	struct err e = {0};
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	Own[0].local_port = free_port();
	F[0] = forward_new(&(struct forward_spec){.settings = &All,
				   .own = &Own[0],
				   .cluster = Cluster,
				   .cluster_name = "prod",
				   .stopped = true},
		&e);
	assert_int_equal(forward_local_port(F[0]), Own[0].local_port);
	assert_int_equal(forward_state(F[0]), FORWARD_STOPPED);
	forward_start(F[0], on_change, NULL);
	expect_rest();
	assert_int_equal(asked(), 0);
	assert_true(forward_resume(F[0], &e));
	wait_for(FORWARD_ACTIVE);
	assert_true(is_served(connect_one(0)));
}

static void tries_at_once_where_a_person_wants_it(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_waiting();
	unsigned before = Api.upgrades;
	forward_reconnect(F[0]);
	wait_for_upgrades(before + 1);
	settle();
	assert_int_equal(attempt(), 1);
	Api.upgrade = 101;
	forward_reconnect(F[0]);
	wait_for(FORWARD_ACTIVE);
	assert_int_equal(Api.upgrades, before + 2);
}

/* Those on the old tunnel go on; whoever comes meanwhile waits for the new one. */
static void goes_to_new_tunnels_where_a_person_wants_it(void **state)
{
	(void)state;
	All.tunnels = 1;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	struct user *first = connect_one(0);
	assert_true(is_served(first));
	cluster_ask_transport(Cluster, TRANSPORT_SPDY); /* to tell one from the other */
	unsigned looks = Api.looks;
	forward_reconnect(F[0]);
	assert_string_equal(numbers()->transport, "websocket"); /* the other is not open yet */
	struct user *second = connect_one(1);
	user_says(second, "hello");
	assert_true(comes_to_be_served(second));
	settle();
	assert_int_equal(Api.looks, looks + 1);
	assert_int_equal(Api.upgrades, 2);
	assert_int_equal(api_tunnels(), 2);
	assert_string_equal(numbers()->transport, "spdy");
	assert_string_equal(Path, "Active|");
	assert_true(is_served(first));
	user_resets(first);
	assert_int_equal(api_tunnels(), 1);
	assert_true(is_served(second));
}

static void checks_again_where_a_person_wants_it(void **state)
{
	(void)state;
	probe_by_tcp();
	All.check_interval_ms = 10 * LONG_MS;
	PODS_ARE({"web-1", "u-1", READY});
	be_active();
	for (int i = 0; i < 100 && !Api.opened; i++)
		settle();
	unsigned before = Api.opened;
	loop_skip(PROBE_QUIET_MS);
	assert_int_equal(before, 1);
	forward_reconnect(F[0]);
	for (int i = 0; i < 100 && Api.opened == before; i++)
		settle();
	assert_int_equal(Api.opened, before + 1);
}

static void begins_a_try_anew_where_a_person_wants_it(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	Api.upgrade = 0; /* it is not answered */
	start();
	wait_for_upgrades(1);
	Api.upgrade = 101;
	forward_reconnect(F[0]);
	wait_for(FORWARD_ACTIVE);
	assert_int_equal(Api.upgrades, 2);
}

/* ---- when another porter has its sockets ---- */

/* As the other has it. */
static int copy_of_socket(void)
{
	int fd[LISTENER_SOCKETS];
	assert_int_equal(forward_sockets(F[0], fd), 1);
	return dup(fd[0]);
}

/* Connections that wait there: all that have come. */
static unsigned come_to(int copy)
{
	unsigned n = 0;
	for (int fd; (fd = accept(copy, NULL, NULL)) >= 0; n++)
		close(fd);
	return n;
}

static void its_connections_go_on_when_it_drains(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	struct user *first = connect_one(0), *second = connect_one(1);
	assert_true(is_served(first) && is_served(second));
	int copy = copy_of_socket();
	forward_drain(F[0]);
	assert_string_equal(Path, "Active|");
	settle();
	assert_string_equal(Path, "Active|Stopped|");
	assert_string_equal(info(), "connections left: 2");
	assert_true(listens()); /* the other does */
	loop_skip(LONG_MS);
	loop_skip(LONG_MS);
	assert_int_equal(numbers()->connections, 2);
	assert_true(is_served(first) && is_served(second));
	user_resets(first);
	assert_string_equal(info(), "connections left: 1");
	assert_true(is_served(second));
	assert_string_equal(Path, "Active|Stopped|");
	user_resets(second);
	assert_string_equal(Path, "Active|Stopped|Stopped|");
	assert_string_equal(event(0), "Active");
	assert_int_equal(logged("forward stopped"), 0);
	assert_int_equal(come_to(copy), 1); /* the one above, and no check of ours */
	assert_int_equal(Api.opened, 2);
	close(copy);
	expect_rest();
}

static void is_done_at_once_where_there_is_none_to_drain(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	forward_drain(F[0]);
	settle();
	assert_string_equal(Path, "Active|Stopped|");
	expect_rest();
}

/* It was taken here, so it is served from here. */
static void serves_those_it_holds_when_it_drains(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	Api.upgrade = 503;
	api_cut(TUNNEL);
	wait_for_upgrades(2);
	struct user *u = held_user(0);
	size_t events = history_count(forward_history(F[0]));
	forward_drain(F[0]);
	settle();
	assert_string_equal(info(), "connections left: 1");
	ms_to_upgrade(loop_now(), 500);
	settle();
	assert_int_equal(forward_state(F[0]), FORWARD_STOPPED);
	assert_int_equal(forward_error(F[0])->kind, ERR_NONE);
	Api.upgrade = 101;
	ms_to_upgrade(loop_now(), 500);
	assert_true(comes_to_be_served(u));
	assert_int_equal(forward_state(F[0]), FORWARD_STOPPED);
	user_resets(u);
	assert_string_equal(Path, "Active|Reconnecting|Reconnecting|Stopped|Stopped|");
	assert_int_equal(history_count(forward_history(F[0])), events);
	expect_rest();
}

static void ends_with_the_last_that_was_held_in_vain(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_waiting();
	struct user *u = held_user(0);
	forward_drain(F[0]);
	loop_skip(HOLD_MS);
	assert_true(is_reset(u));
	settle();
	expect_rest();
}

static void may_be_resumed_while_it_drains(void **state)
{
	struct err e = {0};
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	struct user *u = connect_one(0);
	assert_true(is_served(u));
	int copy = copy_of_socket();
	forward_drain(F[0]);
	settle();
	assert_false(forward_resume(F[0], &e));
	assert_string_equal(info(), "connections left: 1");
	close(copy); /* the other has ended */
	assert_true(forward_resume(F[0], &e));
	wait_for(FORWARD_ACTIVE);
	assert_true(is_served(u));
	assert_true(is_served(connect_one(1)));
	assert_string_equal(Path, "Active|Stopped|Starting|Active|");
}

static void tries_at_once_where_it_is_resumed_while_it_drains(void **state)
{
	struct err e = {0};
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_waiting();
	struct user *u = held_user(0);
	forward_drain(F[0]);
	settle();
	Api.upgrade = 101;
	assert_true(forward_resume(F[0], &e));
	wait_for(FORWARD_ACTIVE);
	assert_true(comes_to_be_served(u));
}

static void ends_its_connections_where_it_is_stopped_while_it_drains(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_healthy();
	struct user *u = connect_one(0);
	assert_true(is_served(u));
	forward_drain(F[0]);
	settle();
	forward_stop(F[0]);
	assert_true(is_reset(u));
	expect_rest();
}

/* ---- the end ---- */

static void be_starting(void)
{
	start();
}

static void be_asking(void)
{
	Api.upgrade = 0;
	start();
	wait_for_upgrades(1);
	held_user(0);
}

static void be_serving(void)
{
	be_active();
	assert_true(is_served(connect_one(0)));
	assert_true(is_served(connect_one(1)));
}

static void be_retrying(void)
{
	be_waiting();
	held_user(0);
}

static void be_failed(void)
{
	Api.service = 404;
	start();
	wait_for(FORWARD_FAILED);
}

static void be_in_silence(void)
{
	be_silent();
	held_user(1);
}

static void be_draining(void)
{
	be_active();
	assert_true(is_served(connect_one(0)));
	PODS_ARE({"web-2", "u-2", READY});
}

static void be_without_a_server(void)
{
	be_active();
	api_down();
}

static void be_probing(void)
{
	probe_by_tcp();
	Api.application = IS_MUTE;
	start();
	for (int i = 0; i < 100 && !Api.opened; i++)
		settle();
}

static void be_only_made(void)
{
	struct err e = {0};
	Own[0].local_port = free_port();
	F[0] = new_forward(0, &e);
	assert_non_null(F[0]);
}

static void is_freed_in_whatever_state_it_is(void **state)
{
	static void (*const Be[])(void) = {be_only_made, be_starting, be_asking, be_serving,
		be_retrying, be_failed, be_in_silence, be_draining, be_without_a_server,
		be_probing};
	for (size_t i = 0; i < sizeof Be / sizeof *Be; i++) {
		PODS_ARE({"web-1", "u-1", READY});
		Be[i]();
		unsigned told = Told;
		free_all();
		settle();
		loop_skip(LONG_MS);
		loop_skip(LONG_MS);
		assert_int_equal(Told, told);
		for (int u = 0; u < USERS; u++)
			assert_true(User[u].over || User[u].io.fd < 0);
		assert_int_equal(api_tunnels(), 0);
		end(state);
		begin(state);
	}
}

static void nobody_is_told_of_one_that_is_freed(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", READY});
	be_active();
	unsigned told = Told;
	forward_stop(F[0]);
	free_all();
	settle();
	assert_int_equal(Told, told);
}

static void is_stopped_in_whatever_state_it_is(void **state)
{
	static void (*const Be[])(void) = {be_starting, be_asking, be_serving, be_retrying,
		be_failed, be_in_silence, be_draining, be_without_a_server, be_probing};
	struct err e = {0};
	for (size_t i = 0; i < sizeof Be / sizeof *Be; i++) {
		PODS_ARE({"web-1", "u-1", READY});
		Be[i]();
		forward_stop(F[0]);
		expect_rest();
		for (int u = 0; u < USERS; u++)
			assert_true(User[u].over || User[u].io.fd < 0);
		if (Api.io.fd < 0)
			api_up();
		Api.upgrade = 101;
		Api.service = 200;
		Api.mute = false;
		Api.application = ECHOES;
		assert_true(forward_resume(F[0], &e));
		wait_for(FORWARD_ACTIVE);
		end(state);
		begin(state);
	}
}

static void says_that_its_port_is_taken(void **state)
{
	struct err e = {0};
	(void)state;
	start();
	assert_null(new_forward(0, &e));
	assert_int_equal(e.kind, ERR_LOCAL);
	assert_non_null(strstr(e.text, "for 'prod/web'"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(becomes_active_and_says_so_once),
		TEST(says_when_it_was_checked),
		TEST(says_that_a_pod_by_name_is_not_ready),
		TEST(is_active_without_a_tunnel_where_each_carries_one),
		TEST(passes_connections_on),
		TEST(counts_what_moves_while_it_moves),
		TEST(counts_those_that_wait),
		TEST(counts_one_that_goes_elsewhere_once),
		TEST(waits_longer_after_each_failure),
		TEST(begins_anew_after_success),
		TEST(goes_on_waiting_where_success_does_not_last),
		TEST(waits_as_long_as_the_server_wishes),
		TEST(asks_for_no_tunnel_where_the_server_wants_no_questions),
		TEST(waits_so_whatever_pods_come),
		TEST(takes_turns_where_many_are_lost),
		TEST(goes_to_another_pod_as_soon_as_there_is_one),
		TEST(goes_to_a_replaced_pod_of_the_same_name),
		TEST(is_not_hurried_by_the_pod_that_fails),
		TEST(tries_each_of_two_pods_once),
		TEST(does_not_run_through_all_of_many_pods),
		TEST(tries_once_when_the_server_is_back),
		TEST(takes_a_refusal_right_after_an_outage_for_passing),
		TEST(holds_connections_while_its_only_pod_is_replaced),
		TEST(does_not_wait_however_often_its_only_pod_is_replaced),
		TEST(fails_when_its_only_pod_stays_away),
		TEST(fails_at_once_where_there_never_was_a_pod),
		TEST(says_that_a_pod_is_not_there),
		TEST(fails_when_its_service_is_deleted),
		TEST(stays_active_where_its_pod_is_replaced_by_another),
		TEST(goes_on_with_a_pod_that_goes_with_none_at_hand),
		TEST(takes_connections_elsewhere_where_the_pod_is_gone),
		TEST(counts_what_repeats),
		TEST(replaces_a_tunnel_that_does_not_answer),
		TEST(goes_on_when_the_answer_comes_late),
		TEST(tries_again_when_no_answer_comes_at_all),
		TEST(uses_the_old_tunnel_when_it_answers_after_all),
		TEST(fails_while_its_port_does_not_answer),
		TEST(fails_when_a_probe_has_failed_twice),
		TEST(tries_another_pod_where_a_probe_fails),
		TEST(does_not_go_to_and_fro_between_pods_that_fail),
		TEST(holds_connections_while_a_pod_that_failed_a_probe_is_replaced),
		TEST(holds_connections_while_it_goes_to_another_pod),
		TEST(asks_at_once_where_routes_have_changed),
		TEST(ends_the_wait_where_routes_have_changed),
		TEST(replaces_idle_tunnels_after_a_sleep),
		TEST(takes_turns_after_a_sleep),
		TEST(does_not_trust_a_tunnel_after_a_sleep_before_it_answers),
		TEST(begins_the_try_anew_after_a_sleep),
		TEST(stops_and_is_resumed),
		TEST(is_resumed_at_once_at_the_same_port),
		TEST(stays_stopped_while_its_port_is_taken),
		TEST(begins_stopped),
		TEST(tries_at_once_where_a_person_wants_it),
		TEST(goes_to_new_tunnels_where_a_person_wants_it),
		TEST(checks_again_where_a_person_wants_it),
		TEST(begins_a_try_anew_where_a_person_wants_it),
		TEST(its_connections_go_on_when_it_drains),
		TEST(is_done_at_once_where_there_is_none_to_drain),
		TEST(serves_those_it_holds_when_it_drains),
		TEST(ends_with_the_last_that_was_held_in_vain),
		TEST(may_be_resumed_while_it_drains),
		TEST(tries_at_once_where_it_is_resumed_while_it_drains),
		TEST(ends_its_connections_where_it_is_stopped_while_it_drains),
		TEST(nobody_is_told_of_one_that_is_freed),
		TEST(is_stopped_in_whatever_state_it_is),
		TEST(is_freed_in_whatever_state_it_is),
		TEST(says_that_its_port_is_taken),
	};
	return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
