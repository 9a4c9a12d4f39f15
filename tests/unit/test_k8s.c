/* k8s.c with all below it: looks at a server that plays what it is told to. */
#include "k8s.h"
#include "test_api.h"

static struct cluster *C;
static struct k8s_target *T;
static unsigned Looks, Wanted; /* that have ended; that are waited for */

static char Namespace[] = "shop", Name[] = "web";
static const struct k8s_ref Service = {K8S_SERVICE, Namespace, Name, 80};
static const struct k8s_ref Pod = {K8S_POD, Namespace, Name, 80};

static void on_look(void *owner)
{
	(void)owner;
	Looks++;
	loop_stop();
}

static bool looked(void)
{
	return Looks >= Wanted;
}

static void wait_look(void)
{
	Wanted = Looks + 1;
	run_until(looked);
}

static void follow(const struct k8s_ref *ref)
{
	T = k8s_follow(C, ref, PATIENCE_MS, on_look, NULL);
	wait_look();
}

static void look(void)
{
	k8s_look(T);
	wait_look();
}

/* "name uid:port", with "!" if it is not ready, and the error's text. */
static void assert_told(const char *want)
{
	const struct k8s_pod *p = k8s_pod(T);
	const struct err *e = k8s_error(T);
	char got[1024] = "-";
	if (p)
		snprintf(got, sizeof got, "%s%s %s:%u", p->ready ? "" : "!", p->name, p->uid,
			p->port);
	size_t n = strlen(got);
	snprintf(got + n, sizeof got - n, "%s%s", e->kind ? " " : "", e->text);
	assert_string_equal(got, want);
}

static int start(void **state)
{
	(void)state;
	T = NULL;
	Looks = 0;
	server_start();
	C = cluster_here();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	if (T)
		k8s_unfollow(T);
	cluster_drop(C);
	server_stop();
	return 0;
}

/* ---- what is played: bodies end with their connection ---- */

#define OK_(json)                                                                                  \
	{                                                                                          \
		"HTTP/1.1 200 OK\r\n\r\n" json, END                                                \
	}
#define NO_(status, text)                                                                          \
	{                                                                                          \
		"HTTP/1.1 " status " No\r\n\r\n{\"kind\":\"Status\",\"message\":\"" text "\"}",    \
			END                                                                        \
	}
#define SERVICE(ports)                                                                             \
	"{\"spec\":{\"selector\":{\"app.kubernetes.io/name\":\"web\",\"tier\":\"\"},"              \
	"\"ports\":[" ports "]}}"
#define PODS(items) "{\"metadata\":{},\"items\":[" items "]}"
#define POD(name, day, ready)                                                                      \
	"{\"metadata\":{\"name\":\"" name "\",\"uid\":\"u-" name                                   \
	"\",\"creationTimestamp\":\"2026-01-" day                                                  \
	"T00:00:00Z\"},\"spec\":{},\"status\":{\"phase\":\"Running\",\"conditions\":["             \
	"{\"type\":\"Ready\",\"status\":\"" ready "\"}]}}"

#define GET_SERVICE "/api/v1/namespaces/shop/services/web|"
#define GET_PODS                                                                                   \
	"/api/v1/namespaces/shop/pods?limit=500&labelSelector="                                    \
	"app.kubernetes.io%2Fname%3Dweb%2Ctier%3D"
#define GET_POD  "/api/v1/namespaces/shop/pods/web|"
#define LIST_POD "/api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Dweb|"

static void follows_a_service_to_its_newest_pod_over_all_pages(void **state)
{
	(void)state;
	PLAY(OK_(SERVICE("{\"port\":80,\"targetPort\":8080}")),
		OK_("{\"metadata\":{\"continue\":\"a/b=\"},\"items\":[" POD(
			"a", "02", "True") "]}"),
		OK_("{\"metadata\":{\"continue\":\"c\"},\"items\":null}"),
		OK_(PODS(POD("b", "03", "True") "," POD("c", "01", "True"))));
	follow(&Service);
	assert_told("b u-b:8080");
	assert_null(k8s_warning(T));
	assert_asked("1 " GET_SERVICE "2 " GET_PODS "|3 " GET_PODS "&continue=a%2Fb%3D|"
		     "4 " GET_PODS "&continue=c|");
}

static void looks_again_and_again_and_stays_with_its_pod(void **state)
{
	(void)state;
	PLAY(OK_(SERVICE("{\"port\":80}")), OK_(PODS(POD("a", "01", "True"))),
		OK_(SERVICE("{\"port\":80}")),
		OK_(PODS(POD("a", "01", "True") "," POD("b", "02", "True"))));
	T = k8s_follow(C, &Service, 1, on_look, NULL);
	Wanted = 2;
	run_until(looked);
	assert_told("a u-a:80");
}

static void keeps_the_pod_when_a_look_fails_but_not_when_the_service_is_gone(void **state)
{
	(void)state;
	PLAY(OK_(SERVICE("{\"port\":1}")), OK_(PODS(POD("a", "01", "True"))),
		NO_("503", "starting up"), NO_("403", "no more"), OK_(SERVICE("{\"port\":80}")),
		NO_("500", "etcd"), OK_(SERVICE("{\"port\":80}")),
		OK_(PODS(POD("a", "01", "False"))), OK_(SERVICE("{\"port\":80}")),
		OK_(PODS(POD("a", "01", "True"))), NO_("404", "services \\\"web\\\" not found"));
	follow(&Service);
	assert_told("a u-a:80");
	assert_non_null(k8s_warning(T));
	look();
	assert_told("a u-a:80 starting up");
	assert_non_null(k8s_warning(T));
	look();
	assert_told("a u-a:80 no more");
	look();
	assert_told("a u-a:80 etcd");
	look();
	assert_told("!a u-a:80 no ready pod: 0 of 1 ready");
	assert_null(k8s_warning(T));
	look();
	assert_told("a u-a:80");
	look();
	assert_told("- services \"web\" not found");
	assert_int_equal(k8s_error(T)->kind, ERR_NOT_FOUND);
}

static void says_why_there_is_no_pod(void **state)
{
	(void)state;
	PLAY(OK_("{\"spec\":{\"type\":\"ExternalName\"}}"), OK_(SERVICE("{\"port\":80}")),
		OK_(PODS(POD("a", "01", "False"))), OK_(SERVICE("{\"port\":80}")),
		NO_("403", "pods is forbidden"));
	follow(&Service);
	assert_told("- service 'web' is of type ExternalName: it has no pods to forward to");
	look();
	assert_told("- no ready pod: 0 of 1 ready");
	assert_int_equal(k8s_error(T)->kind, ERR_NOT_READY);
	look();
	assert_told("- pods is forbidden");
	assert_int_equal(k8s_error(T)->kind, ERR_FORBIDDEN);
}

/* ---- a pod by its name ---- */

static void follows_a_pod_by_name_to_its_next_life(void **state)
{
	(void)state;
	PLAY(OK_(POD("web", "01", "False")), NO_("404", "pods \\\"web\\\" not found"),
		OK_("{\"metadata\":{\"name\":\"web\",\"uid\":\"next\"},\"status\":"
		    "{\"phase\":\"Running\"}}"));
	follow(&Pod);
	assert_told("!web u-web:80");
	look();
	assert_told("- pods \"web\" not found");
	look();
	assert_told("!web next:80");
	assert_asked("1 " GET_POD "2 " GET_POD "3 " GET_POD);
}

static void lists_a_pod_that_it_may_not_get_or_does_without(void **state)
{
	(void)state;
	PLAY(NO_("403", "may not get"), OK_(PODS(POD("web", "01", "True"))),
		NO_("403", "may not get"), OK_(PODS("")), NO_("403", "may not get"),
		NO_("403", "may not list"), NO_("403", "may not get"), NO_("500", "etcd"));
	follow(&Pod);
	assert_told("web u-web:80");
	assert_null(k8s_warning(T));
	look();
	assert_told("- pods \"web\" not found");
	look();
	assert_told("web :80");
	assert_string_equal(k8s_warning(T), "pod is used without a look at it: may not list");
	look();
	assert_told("web :80 etcd");
	assert_asked("1 " GET_POD "2 " LIST_POD "3 " GET_POD "4 " LIST_POD "5 " GET_POD
		     "6 " LIST_POD "7 " GET_POD "8 " LIST_POD);
}

/* ---- what the owner does meanwhile ---- */

static void a_look_under_way_counts_for_the_one_that_is_wanted(void **state)
{
	(void)state;
	PLAY(OK_(POD("web", "01", "True")));
	T = k8s_follow(C, &Pod, PATIENCE_MS, on_look, NULL);
	k8s_look(T);
	wait_look();
	assert_told("web u-web:80");
	assert_asked("1 " GET_POD);
}

static bool asked_for_all(void)
{
	return Server.plays == 0;
}

static void on_other(void *owner, const struct api_answer *a)
{
	(void)a;
	on_look(owner);
}

static void distrust_begins_anew_once_and_leads_to_another_pod(void **state)
{
	static const char Both[] =
		"HTTP/1.1 200 OK\r\n\r\n" PODS(POD("a", "01", "True") "," POD("b", "02", "True"));
	(void)state;
	PLAY(OK_(SERVICE("{\"port\":80}")), {Both, END});
	follow(&Service);
	assert_told("b u-b:80");
	PLAY(OK_(SERVICE("{\"port\":80}")), {NULL, 0});
	k8s_look(T);
	run_until(asked_for_all);
	PLAY({NULL, 0});
	k8s_distrust(T, "u-b");
	run_until(asked_for_all);
	/* Known by now: what is asked next is not by the target. */
	PLAY(OK_("{}"));
	k8s_distrust(T, "u-b");
	api_get(C, "/api", on_other, NULL);
	wait_look();
	PLAY(OK_(SERVICE("{\"port\":80}")), {Both, END});
	k8s_distrust(T, "u-c");
	wait_look();
	assert_told("a u-a:80");
	assert_asked("1 " GET_SERVICE "2 " GET_PODS "|3 " GET_SERVICE "4 " GET_PODS
		     "|5 " GET_SERVICE "6 /api|7 " GET_SERVICE "8 " GET_PODS "|");
}

static void unfollow_and_look(void *owner)
{
	on_look(owner);
	k8s_unfollow(T);
	T = NULL;
}

static void may_be_unfollowed_at_any_time(void **state)
{
	(void)state;
	PLAY(NO_("404", "no"), OK_(POD("web", "01", "True")), {NULL, 0});
	for (unsigned i = 0; i < 2; i++) {
		T = k8s_follow(C, &Pod, 1, unfollow_and_look, NULL);
		wait_look();
	}
	T = k8s_follow(C, &Pod, 1, unfollow_and_look, NULL);
	run_until(asked_for_all);
	k8s_unfollow(T);
	T = k8s_follow(C, &Pod, 1, unfollow_and_look, NULL);
	k8s_unfollow(T);
	T = NULL;
	run_until(all_closed);
	assert_int_equal(Looks, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BETWEEN(follows_a_service_to_its_newest_pod_over_all_pages),
		BETWEEN(looks_again_and_again_and_stays_with_its_pod),
		BETWEEN(keeps_the_pod_when_a_look_fails_but_not_when_the_service_is_gone),
		BETWEEN(says_why_there_is_no_pod),
		BETWEEN(follows_a_pod_by_name_to_its_next_life),
		BETWEEN(lists_a_pod_that_it_may_not_get_or_does_without),
		BETWEEN(a_look_under_way_counts_for_the_one_that_is_wanted),
		BETWEEN(distrust_begins_anew_once_and_leads_to_another_pod),
		BETWEEN(may_be_unfollowed_at_any_time),
	};
	loop_init();
	return cmocka_run_group_tests_name("k8s", tests, NULL, NULL);
}
