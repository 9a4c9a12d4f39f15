/* client.c over a pool and a far end: how long a local connection waits, over
 * all the times that it has to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "test_tunnel.h"
#include "test_ulimit.h"

enum { HOLD_MS = 1000000 }; /* far more than the test itself takes */

static struct pool *Pool;
static struct cluster *Cluster;
static struct clients List;
static int User = -1; /* the far end of the client's socket */
static unsigned Held_again, Gone;
static struct client_end End;
static char Why[ERR_TEXT];

static void on_room(void *owner)
{
	(void)owner;
	loop_stop();
}

static void on_lost(void *owner, const struct err *e)
{
	(void)owner;
	fail_msg("%s", e->text);
}

static void on_held_again(void *owner, enum channel_how how, const char *uid)
{
	(void)owner;
	assert_int_equal(how, CHANNEL_POD_GONE);
	assert_string_equal(uid, "u-1");
	Held_again++;
	loop_stop();
}

static void on_gone(void *owner, const struct client_end *end)
{
	(void)owner;
	Gone++;
	End = *end;
	assert_non_null(end->err);
	memcpy(Why, end->err->text, sizeof Why);
	loop_stop();
}

static const struct pool_ops Pool_ops = {.room = on_room, .lost = on_lost};
static const struct client_ops Client_ops = {.held_again = on_held_again, .gone = on_gone};
static const struct k8s_pod Web = {.name = "web-1", .uid = "u-1", .port = 80};

static bool is_ready(void)
{
	return pool_is_ready(Pool);
}

static bool is_carried(void)
{
	return memmem(buf_data(&Far.said), buf_len(&Far.said), "data ", 5);
}

static bool is_held_again(void)
{
	return Held_again;
}

static bool is_gone(void)
{
	return Gone;
}

/* Both ends of a connection; ours does not block. */
static int connect_user(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&a, &n), 0);
	User = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(User, (struct sockaddr *)&a, n), 0);
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	close(listener);
	return fd;
}

static void start_client(int64_t hold_ms)
{
	client_new(&List, connect_user(), hold_ms, &Client_ops, NULL);
	assert_int_equal(write(User, "x", 1), 1);
}

static int begin(void **state)
{
	(void)state;
	loop_init();
	far_start();
	Cluster = far_cluster(NULL);
	List = (struct clients){0};
	Gone = 0;
	Pool = pool_new(&(struct pool_spec){.cluster = Cluster, .namespace = "shop", .limit = 1},
		&Pool_ops, NULL);
	pool_use(Pool, &Web);
	assert_true(loop_until(is_ready));
	return 0;
}

static int end(void **state)
{
	(void)state;
	clients_close(&List);
	pool_free(Pool);
	cluster_drop(Cluster);
	far_stop();
	close(User);
	loop_end();
	return 0;
}

/* The runtime says that the pod is gone, on the client's channel. */
static void say_that_the_pod_is_gone(uint32_t stream)
{
	static const char Text[] = "network namespace for sandbox \"1\" is closed";
	buf_free(&Far.said);
	Held_again = 0;
	far_bytes(stream, Text, sizeof Text - 1, true);
	far_reset(stream + 2);
	far_look();
	assert_true(loop_until(is_held_again));
}

static void carry(uint32_t stream)
{
	clients_open(&List, Pool);
	assert_int_equal(List.held, 0);
	assert_true(loop_until(is_carried));
	far_reply(stream);
	far_reply(stream + 2);
	far_look();
	assert_true(loop_until_quiet());
}

static void assert_reset(void)
{
	char byte;
	assert_string_equal(Why, "held, but nothing to connect to in time");
	assert_int_equal(End.how, CHANNEL_BROKE);
	assert_false(End.by_client);
	assert_int_equal(List.count, 0);
	assert_true(loop_until_quiet()); /* which closes its socket */
	assert_int_equal(read(User, &byte, 1), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void waits_for_so_long_in_all(void **state)
{
	(void)state;
	start_client(HOLD_MS);
	loop_skip(HOLD_MS / 2);
	carry(1);
	loop_skip(HOLD_MS * 2); /* while it is carried it does not wait */
	assert_int_equal(List.count, 1);
	say_that_the_pod_is_gone(1);
	assert_int_equal(List.held, 1);
	loop_skip(HOLD_MS / 4);
	assert_int_equal(List.held, 1);
	carry(5);
	say_that_the_pod_is_gone(5);
	assert_int_equal(Gone, 0);
	loop_skip(HOLD_MS / 4);
	assert_true(loop_until(is_gone));
	assert_reset();
}

static void open_late(struct timer *timer)
{
	(void)timer;
	clients_open(&List, Pool);
}

/* It gets its channel in the very round in which its time is over. */
static void is_reset_at_once_when_it_has_waited_long_enough(void **state)
{
	struct timer late = {.on = open_late};
	(void)state;
	start_client(HOLD_MS);
	timer_after(&late, HOLD_MS - 1);
	loop_skip(HOLD_MS * 2);
	assert_int_equal(Gone, 0);
	carry(1);
	say_that_the_pod_is_gone(1);
	assert_true(loop_until(is_gone));
	assert_reset();
}

static void is_counted_among_what_can_wait(void **state)
{
	(void)state;
	descriptors_left(5);
	start_client(HOLD_MS);
	assert_int_equal(ulimit_left(), 4);
	carry(1);
	assert_int_equal(ulimit_left(), 4);
	clients_close(&List);
	assert_int_equal(ulimit_left(), 5);
	descriptors_left(500);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(waits_for_so_long_in_all),
		TEST(is_reset_at_once_when_it_has_waited_long_enough),
		TEST(is_counted_among_what_can_wait),
	};
	return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
