/* check.c with all below it, against a cluster whose state is set and one that is mute:
 * what is said of each forward, in which order, and what is not done for it. */
#include "check.h"

#include "test_forward.h"
#include "tunnel.h"

enum { LIMIT_MS = 20000, SPECS = 40 };

static struct cluster *Cluster, *Mute;
static struct io Mute_port; /* takes connections, and that is all */
static struct check_spec Spec[SPECS];
static struct k8s_ref Ref;
static struct check *Check;
static struct buf Lines;
static unsigned Told, Ends;
static size_t Failed;

/* ---- what there is ---- */

static void on_line(void *owner, const char *line)
{
	(void)owner;
	assert_int_equal(Ends, 0);
	buf_print(&Lines, "%s\n", line);
	Told++;
}

static void on_end(void *owner, size_t failed)
{
	(void)owner;
	Ends++;
	Failed = failed;
	loop_stop();
}

static const struct check_ops Ops = {.line = on_line, .end = on_end};

static struct cluster *mute_cluster(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	io_open(&Mute_port, fd, NULL);
	struct kubeconfig k = {.host = mem_dup("127.0.0.1"), .port = ntohs(a.sin_port)};
	k.prefix = mem_dup("");
	secret_set(&k.token, "t0ken", 5);
	struct cluster *c = cluster_new("mute", &k, NULL);
	assert_non_null(c);
	return c;
}

static int begin(void **state)
{
	(void)state;
	loop_init();
	api_start();
	Cluster = api_cluster();
	Mute = mute_cluster();
	Told = Ends = 0;
	Failed = 0;
	Check = NULL;
	Ref = (struct k8s_ref){K8S_SERVICE, (char *)"shop", (char *)"web", 80, NULL};
	for (int i = 0; i < SPECS; i++)
		Spec[i] = (struct check_spec){"prod/web", Cluster, &Ref, 8080};
	PODS_ARE({"web-1", "u-1", READY});
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (Check)
		check_free(Check);
	cluster_drop(Cluster);
	cluster_drop(Mute);
	io_close(&Mute_port);
	api_stop();
	loop_end();
	buf_free(&Lines);
	return 0;
}

/* ---- what is waited for, and told ---- */

static void start(size_t count)
{
	Check = check_start(Spec, count, LIMIT_MS, &Ops, NULL);
	assert_int_equal(Told + Ends, 0);
}

static bool is_over(void)
{
	return Ends;
}

static void settle(void)
{
	assert_true(loop_until_quiet());
}

/* All lines since it was last asked. */
static void assert_told(const char *want)
{
	buf_put(&Lines, "", 1);
	assert_string_equal((const char *)buf_data(&Lines), want);
	buf_free(&Lines);
}

#define SUMMARY(ok) ok " ok; no port was bound, no application connected to, no probe run\n"

/* All of one forward. */
static void assert_verdict(const char *want, size_t failed)
{
	char all[4096];
	start(1);
	assert_true(loop_until(is_over));
	snprintf(all, sizeof all, "%s\n%s", want, failed ? SUMMARY("0 of 1") : SUMMARY("1 of 1"));
	assert_told(all);
	assert_int_equal(Ends, 1);
	assert_int_equal(Failed, failed);
	settle();
	assert_int_equal(api_tunnels(), 0);
	assert_int_equal(Api.opened, 0);
	assert_int_equal(Api.watches, 0);
}

/* ---- one that is well ---- */

static void names_pod_port_and_transport(void **state)
{
	(void)state;
	assert_verdict("prod/web ok: 8080 -> pod web-1 (Ready), port 80, by websocket", 0);
	assert_int_equal(Api.upgrades, 1);
	assert_int_equal(Api.pings, 1);
}

static void says_that_a_pod_by_name_is_not_ready(void **state)
{
	(void)state;
	Ref.type = K8S_POD;
	PODS_ARE({"web-1", "u-1", UNREADY});
	assert_verdict("prod/web ok: 8080 -> pod web-1, port 80, by websocket, pod not ready", 0);
}

static void passes_warnings_on(void **state)
{
	(void)state;
	Ref.port = 81;
	assert_verdict("prod/web ok: 8080 -> pod web-1 (Ready), port 81, by websocket, "
		       "service 'web' has no port 81: it is taken as the pod's port",
		0);
}

static void does_not_try_v4(void **state)
{
	(void)state;
	cluster_ask_transport(Cluster, TRANSPORT_V4);
	assert_verdict("prod/web ok: 8080 -> pod web-1 (Ready), port 80, "
		       "by v4 (not tried: it would reach the application)",
		0);
	assert_int_equal(Api.upgrades, 0);
}

static void finds_that_only_v4_is_left(void **state)
{
	(void)state;
	Api.upgrade = 400;
	assert_verdict("prod/web ok: 8080 -> pod web-1 (Ready), port 80, "
		       "by v4 (not tried: it would reach the application)",
		0);
	assert_int_equal(Api.upgrades, 2);
}

/* ---- one that fails ---- */

static void says_where_a_service_was_looked_for(void **state)
{
	(void)state;
	Api.service = 404;
	assert_verdict("prod/web failed: service not found\n"
		       "  it was looked for as service 'web' in namespace 'shop'",
		1);
	assert_int_equal(Api.looks, 1);
	assert_int_equal(Api.upgrades, 0);
}

static void says_where_a_pod_was_looked_for(void **state)
{
	(void)state;
	Ref.type = K8S_POD;
	NO_PODS();
	assert_verdict("prod/web failed: pod not found\n"
		       "  it was looked for as pod 'web' in namespace 'shop'",
		1);
}

static void does_not_wait_for_a_pod(void **state)
{
	(void)state;
	PODS_ARE({"web-1", "u-1", UNREADY}, {"web-2", "u-2", UNREADY});
	assert_verdict("prod/web failed: no ready pod: 0 of 2 ready", 1);
}

static void says_which_rights_it_takes(void **state)
{
	(void)state;
	Api.service = 403;
	assert_verdict("prod/web failed: services: 403\n"
		       "  a forward takes these rights in namespace 'shop': get services, "
		       "list and watch pods, get and create pods/portforward",
		1);
}

static void passes_on_how_credentials_are_refused(void **state)
{
	(void)state;
	Api.service = 401;
	assert_verdict("prod/web failed: server refuses the user's credentials: services: 401", 1);
}

static void fails_where_the_tunnel_is_refused(void **state)
{
	(void)state;
	Ref.type = K8S_POD;
	Api.upgrade = 403;
	assert_verdict("prod/web failed: port-forward: 403\n"
		       "  a forward takes these rights in namespace 'shop': list and watch, or "
		       "get, pods, get and create pods/portforward",
		1);
}

static void fails_once(void **state)
{
	(void)state;
	Api.upgrade = 500;
	assert_verdict("prod/web failed: port-forward: 500", 1);
	loop_skip(LIMIT_MS);
	assert_int_equal(Api.upgrades, 1);
	assert_int_equal(Told, 2);
}

/* ---- no answer ---- */

/* Nothing is told before the limit; then this. */
static void assert_fails_at_the_limit(const char *want)
{
	start(1);
	settle();
	loop_skip(LIMIT_MS - 5000);
	assert_int_equal(Told, 0);
	loop_skip(5000);
	assert_true(loop_until(is_over));
	assert_told(want);
	assert_int_equal(Failed, 1);
}

static void waits_for_a_server_until_the_limit(void **state)
{
	(void)state;
	Spec[0] = (struct check_spec){"mute/web", Mute, &Ref, 8080};
	assert_fails_at_the_limit(
		"mute/web failed: cluster 'mute': no answer in 20 s\n" SUMMARY("0 of 1"));
}

static void waits_for_a_tunnel_until_the_limit(void **state)
{
	(void)state;
	Api.upgrade = 0;
	assert_fails_at_the_limit("prod/web failed: cluster 'prod': no answer to the "
				  "port-forward request in 20 s\n" SUMMARY("0 of 1"));
}

/* It was taken, and carries nothing. */
static void fails_where_no_answer_comes_through_the_tunnel(void **state)
{
	(void)state;
	Api.mute = true;
	start(1);
	settle();
	assert_int_equal(Api.pings, 1);
	loop_skip(TUNNEL_DEAD_MS - 1000);
	assert_int_equal(Told, 0);
	loop_skip(1000);
	assert_true(loop_until(is_over));
	assert_told("prod/web failed: no answer for 15 s\n" SUMMARY("0 of 1"));
}

/* ---- many ---- */

static void is_over_at_once_where_there_is_none(void **state)
{
	(void)state;
	start(0);
	assert_true(loop_until(is_over));
	assert_told(SUMMARY("0 of 0"));
	assert_int_equal(Failed, 0);
}

static void does_not_wait_for_another_cluster(void **state)
{
	(void)state;
	Spec[0] = Spec[2] = (struct check_spec){"mute/web", Mute, &Ref, 8080};
	start(4);
	settle();
	assert_told("prod/web ok: 8080 -> pod web-1 (Ready), port 80, by websocket\n"
		    "prod/web ok: 8080 -> pod web-1 (Ready), port 80, by websocket\n");
	assert_int_equal(Ends, 0);
	loop_skip(LIMIT_MS);
	assert_told("mute/web failed: cluster 'mute': no answer in 20 s\n"
		    "mute/web failed: cluster 'mute': no answer in 20 s\n" SUMMARY("2 of 4"));
	assert_int_equal(Failed, 2);
}

/* The other one's tunnel is opened: the stand-in knows the pods of one namespace only. */
static void tells_those_of_a_cluster_in_their_order(void **state)
{
	struct k8s_ref other = {K8S_SERVICE, (char *)"else", (char *)"db", 80, NULL};
	(void)state;
	Api.broken = "web-1";
	Api.upgrade = 0;
	Spec[1] = (struct check_spec){"prod/db", Cluster, &other, 8081};
	start(2);
	settle();
	assert_int_equal(Api.upgrades, 2);
	assert_int_equal(Api.pings, 1);
	assert_int_equal(Told, 0);
	loop_skip(LIMIT_MS);
	assert_told(
		"prod/web failed: cluster 'prod': no answer to the port-forward request in "
		"20 s\n"
		"prod/db ok: 8081 -> pod web-1 (Ready), port 80, by websocket\n" SUMMARY("1 of 2"));
}

static void opens_so_many_tunnels_at_once_and_no_more(void **state)
{
	(void)state;
	Api.upgrade = 0;
	start(SPECS);
	settle();
	assert_int_equal(Api.upgrades, CHECK_AT_ONCE);
	Api.upgrade = 101;
	loop_skip(LIMIT_MS); /* the server has answered: others have their turn all the same */
	assert_true(loop_until(is_over));
	assert_int_equal(Api.upgrades, SPECS);
	assert_int_equal(Failed, CHECK_AT_ONCE);
	assert_int_equal(Told, SPECS + 1);
}

static void gives_up_those_of_a_server_that_has_not_answered(void **state)
{
	(void)state;
	for (int i = 0; i < SPECS; i++)
		Spec[i].cluster = Mute;
	start(SPECS);
	settle();
	assert_int_equal(Told, 0);
	loop_skip(LIMIT_MS);
	assert_int_equal(Ends, 1);
	assert_int_equal(Failed, SPECS);
	assert_int_equal(Told, SPECS + 1);
}

/* ---- the end ---- */

static void is_freed_at_any_time(void **state)
{
	(void)state;
	Api.upgrade = 0;
	Spec[0].cluster = Mute;
	for (int looked = 0; looked < 2; looked++) {
		start(SPECS);
		if (looked)
			settle();
		check_free(Check);
		Check = NULL;
		loop_skip(LIMIT_MS);
		assert_int_equal(Told + Ends, 0);
	}
}

static void free_at_end(void *owner, size_t failed)
{
	check_free(Check);
	Check = NULL;
	on_end(owner, failed);
}

static void is_freed_at_its_end(void **state)
{
	static const struct check_ops Freeing = {.line = on_line, .end = free_at_end};
	(void)state;
	for (size_t count = 0; count < 3; count++) {
		Ends = 0;
		Check = check_start(Spec, count, LIMIT_MS, &Freeing, NULL);
		assert_true(loop_until(is_over));
		settle();
		assert_int_equal(Ends, 1);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_pod_port_and_transport),
		TEST(says_that_a_pod_by_name_is_not_ready),
		TEST(passes_warnings_on),
		TEST(does_not_try_v4),
		TEST(finds_that_only_v4_is_left),
		TEST(says_where_a_service_was_looked_for),
		TEST(says_where_a_pod_was_looked_for),
		TEST(does_not_wait_for_a_pod),
		TEST(says_which_rights_it_takes),
		TEST(passes_on_how_credentials_are_refused),
		TEST(fails_where_the_tunnel_is_refused),
		TEST(fails_once),
		TEST(waits_for_a_server_until_the_limit),
		TEST(waits_for_a_tunnel_until_the_limit),
		TEST(fails_where_no_answer_comes_through_the_tunnel),
		TEST(is_over_at_once_where_there_is_none),
		TEST(does_not_wait_for_another_cluster),
		TEST(tells_those_of_a_cluster_in_their_order),
		TEST(opens_so_many_tunnels_at_once_and_no_more),
		TEST(gives_up_those_of_a_server_that_has_not_answered),
		TEST(is_freed_at_any_time),
		TEST(is_freed_at_its_end),
	};
	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
