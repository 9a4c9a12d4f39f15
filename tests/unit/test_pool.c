/* pool.c against a far end that takes one tunnel at a time: when tunnels are
 * opened, and when they are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "pool.h"
#include "test_tunnel.h"
#include "test_ulimit.h"

static struct pool *Pool;
static struct cluster *Cluster;
static unsigned Room, Silent, Lost;
static char Why[ERR_TEXT];

static void on_room(void *owner)
{
	(void)owner;
	Room++;
	loop_stop();
}

static void on_lost(void *owner, const struct err *e)
{
	(void)owner;
	Lost++;
	memcpy(Why, e->text, sizeof Why);
	loop_stop();
}

static void on_silent(void *owner)
{
	(void)owner;
	Silent++;
	loop_stop();
}

static const struct pool_ops Ops = {.room = on_room, .silent = on_silent, .lost = on_lost};
static const struct k8s_pod Web = {.name = "web-1", .uid = "u-1", .port = 80};
static const struct k8s_pod Other = {.name = "web-2", .uid = "u-2", .port = 80};

static int begin(void **state)
{
	(void)state;
	loop_init();
	far_start();
	Cluster = far_cluster(NULL);
	Room = Silent = Lost = 0;
	Pool = pool_new(&(struct pool_spec){.cluster = Cluster, .namespace = "shop", .limit = 2},
		&Ops, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	pool_free(Pool);
	cluster_drop(Cluster);
	far_stop();
	loop_end();
	return 0;
}

static bool is_ready(void)
{
	return pool_is_ready(Pool);
}

static bool is_lost(void)
{
	return Lost;
}

static bool has_two(void)
{
	return Far.accepted == 2 && Far.upgraded;
}

static void keeps_one_tunnel_at_hand(void **state)
{
	(void)state;
	assert_false(pool_is_ready(Pool));
	assert_int_equal(pool_tunnels(Pool), 0);
	assert_int_equal(pool_transport(Pool), TRANSPORT_AUTO);
	pool_use(Pool, &Web);
	assert_int_equal(pool_transport(Pool), TRANSPORT_AUTO);
	assert_true(loop_until(is_ready));
	assert_int_equal(pool_transport(Pool), TRANSPORT_WEBSOCKET);
	assert_true(Room);
	loop_skip(POOL_SPARE_MS);
	pool_use(Pool, &Web);
	assert_true(loop_until_quiet());
	assert_int_equal(Far.accepted, 1);
	assert_int_equal(pool_tunnels(Pool), 1);
}

static void goes_to_another_pod_when_it_is_told_to(void **state)
{
	(void)state;
	pool_use(Pool, &Web);
	assert_true(loop_until(is_ready));
	pool_use(Pool, &Other);
	assert_false(pool_is_ready(Pool)); /* the old one takes no new channel */
	assert_true(loop_until(has_two));
	assert_true(loop_until(is_ready));
	assert_int_equal(pool_tunnels(Pool), 1);
	buf_put(&Far.request, "", 1);
	assert_non_null(strstr((char *)buf_data(&Far.request), "/pods/web-2/portforward"));
	assert_int_equal(Lost, 0);
}

static void leaves_the_next_try_to_its_owner(void **state)
{
	(void)state;
	Far.answer[TRANSPORT_WEBSOCKET] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	pool_use(Pool, &Web);
	assert_true(loop_until(is_lost));
	assert_non_null(strstr(Why, "404"));
	assert_true(loop_until_quiet());
	assert_int_equal(Far.accepted, 1);
	pool_use(Pool, &Web);
	assert_true(loop_until_quiet());
	assert_int_equal(Far.accepted, 2);
}

/* A server that is going away may take tunnels and send them away for a while. */
static void does_not_ask_again_at_once_where_tunnels_are_sent_away(void **state)
{
	(void)state;
	pool_use(Pool, &Web);
	assert_true(loop_until(is_ready));
	far_goaway();
	far_look();
	assert_true(loop_until_quiet());
	assert_int_equal(pool_tunnels(Pool), 0);
	pool_use(Pool, &Web); /* a look that finds the same pod changes nothing */
	assert_true(loop_until_quiet());
	assert_int_equal(Far.accepted, 1);
	loop_skip(POOL_SPARE_MS);
	assert_true(loop_until(is_ready));
	assert_int_equal(Far.accepted, 2);
}

static void asks_for_another_pod_at_once_all_the_same(void **state)
{
	(void)state;
	pool_use(Pool, &Web);
	assert_true(loop_until(is_ready));
	far_goaway();
	far_look();
	assert_true(loop_until_quiet());
	pool_use(Pool, &Other);
	assert_true(loop_until(is_ready));
	assert_int_equal(Far.accepted, 2);
}

static void replaces_at_once_what_has_served_for_long(void **state)
{
	(void)state;
	pool_use(Pool, &Web);
	assert_true(loop_until(is_ready));
	loop_skip(POOL_SPARE_MS);
	far_goaway();
	far_look();
	assert_true(loop_until(has_two));
	assert_true(loop_until(is_ready));
	assert_int_equal(Lost, 0);
}

static void says_once_that_no_tunnel_answers_and_opens_another(void **state)
{
	(void)state;
	pool_use(Pool, &Web);
	assert_true(loop_until(is_ready));
	assert_true(pool_answered_ms(Pool) > 0);
	Far.answer[TRANSPORT_WEBSOCKET] = NULL;
	pool_ping(Pool);
	loop_skip(TUNNEL_FENCE_MS);
	assert_false(pool_is_ready(Pool));
	assert_int_equal(Silent, 1);
	assert_int_equal(Far.accepted, 2);
	assert_int_equal(pool_tunnels(Pool), 1);
	assert_int_equal(Lost, 0);
	loop_skip(API_CONNECT_MS + UPGRADE_LIMIT_MS);
	assert_int_equal(Lost, 1);
	assert_int_equal(Silent, 1);
}

static void opens_a_new_tunnel_where_it_is_renewed(void **state)
{
	(void)state;
	pool_renew(Pool); /* there is no pod to open one to */
	assert_int_equal(pool_tunnels(Pool), 0);
	pool_use(Pool, &Web);
	assert_true(loop_until(is_ready));
	pool_renew(Pool);
	assert_false(pool_is_ready(Pool));
	assert_true(loop_until(has_two));
	assert_true(loop_until(is_ready));
	assert_true(loop_until_quiet());
	assert_int_equal(pool_tunnels(Pool), 1);
	assert_int_equal(Far.accepted, 2);
	assert_int_equal(Lost, 0);
}

/* The wait is for those that nobody has asked for. */
static void is_renewed_at_once_where_a_spare_must_wait(void **state)
{
	(void)state;
	pool_use(Pool, &Web);
	assert_true(loop_until(is_ready));
	far_goaway();
	far_look();
	assert_true(loop_until_quiet());
	assert_int_equal(Far.accepted, 1);
	pool_renew(Pool);
	assert_int_equal(pool_tunnels(Pool), 1);
	assert_true(loop_until(is_ready));
	assert_int_equal(Far.accepted, 2);
}

static void on_channel_end(void *owner, enum channel_how how, const struct err *e)
{
	(void)owner;
	(void)how;
	(void)e;
}

/* The first of a forward is kept for it, whatever is left. */
static void opens_a_spare_where_descriptors_are_plenty(void **state)
{
	static const struct channel_ops Channel_ops = {.end = on_channel_end};
	(void)state;
	descriptors_left(0);
	pool_use(Pool, &Web);
	assert_true(loop_until(is_ready));
	struct channel *c = pool_channel(Pool, &Channel_ops, NULL);
	assert_non_null(c);
	assert_int_equal(pool_tunnels(Pool), 1);
	descriptors_left(490); /* half of them */
	pool_use(Pool, &Web);
	assert_int_equal(pool_tunnels(Pool), 1);
	descriptors_left(491);
	pool_use(Pool, &Web);
	assert_int_equal(pool_tunnels(Pool), 2);
	assert_int_equal(ulimit_left(), 490);
	channel_abort(c);
	pool_use(Pool, NULL);
	assert_int_equal(pool_tunnels(Pool), 0);
	assert_int_equal(ulimit_left(), 491);
	descriptors_left(500);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keeps_one_tunnel_at_hand),
		TEST(goes_to_another_pod_when_it_is_told_to),
		TEST(leaves_the_next_try_to_its_owner),
		TEST(does_not_ask_again_at_once_where_tunnels_are_sent_away),
		TEST(asks_for_another_pod_at_once_all_the_same),
		TEST(replaces_at_once_what_has_served_for_long),
		TEST(says_once_that_no_tunnel_answers_and_opens_another),
		TEST(opens_a_new_tunnel_where_it_is_renewed),
		TEST(is_renewed_at_once_where_a_spare_must_wait),
		TEST(opens_a_spare_where_descriptors_are_plenty),
	};
	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
