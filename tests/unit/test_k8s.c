/* k8s.c with all below it: follows what a server plays that is told what to play. */
#include "k8s.h"
#include "test_api.h"
#include "watch.h"

static struct cluster *C;
static struct k8s_target *T;
static unsigned Looks, Wanted; /* that have ended; that are waited for */

static char Namespace[] = "shop", Name[] = "web";
static const struct k8s_ref Service = {K8S_SERVICE, Namespace, Name, 80, NULL};
static const struct k8s_ref Pod = {K8S_POD, Namespace, Name, 80, NULL};
static char Port[] = "http", Labels[] = "app=web,tier in (a, b)";
static const struct k8s_ref Pods = {K8S_SELECTOR, Namespace, Labels, 80, NULL};

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
		LINES json, END                                                                    \
	}
#define NO_(status, text)                                                                          \
	{                                                                                          \
		"HTTP/1.1 " status " No\r\n\r\n{\"kind\":\"Status\",\"message\":\"" text "\"}",    \
			END                                                                        \
	}
#define SELECTED(label, more)                                                                      \
	"{\"spec\":{\"selector\":{\"app.kubernetes.io/name\":\"" label                             \
	"\",\"tier\":\"\"},\"ports\":[{\"port\":80" more "}]}}"
#define SERVICE     SELECTED("web", "")
#define PODS(items) "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[" items "]}"
#define POD(name, uid, day, ready)                                                                 \
	"{\"metadata\":{\"name\":\"" name "\",\"uid\":\"" uid                                      \
	"\",\"creationTimestamp\":\"2026-01-" day                                                  \
	"T00:00:00Z\"},\"spec\":{},\"status\":{\"phase\":\"Running\",\"conditions\":["             \
	"{\"type\":\"Ready\",\"status\":\"" ready "\"}]}}"
#define EVENT(type, pod) "{\"type\":\"" type "\",\"object\":" pod "}\n"
#define WATCHED                                                                                    \
	{                                                                                          \
		LINES, 0                                                                           \
	}

#define PODS_PATH       "/api/v1/namespaces/shop/pods"
#define GET_SERVICE     "/api/v1/namespaces/shop/services/web|"
#define GET_POD         PODS_PATH "/web|"
#define BY_LABEL(label) PODS_PATH "?labelSelector=app.kubernetes.io%2Fname%3D" label "%2Ctier%3D"
#define BY_NAME         PODS_PATH "?fieldSelector=metadata.name%3Dweb"
#define LIST(path)      path "&limit=500|"
#define WATCH(path)     path "&watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=1|"

static bool asked_for_all(void)
{
	return Server.plays == 0;
}

/* What the newest connection has to say, of a watch that it carries. */
static void see(const char *events)
{
	say(Server.opened, events, 0);
}

/* What is seen changes what is told. */
static void see_news(const char *events)
{
	Wanted = Looks + 1;
	see(events);
	run_until(looked);
}

/* A service with these pods, which are watched by now. */
#define FOLLOW_SERVICE(pods)                                                                       \
	PLAY(OK_(SERVICE), OK_(PODS(pods)), WATCHED);                                              \
	follow(&Service);                                                                          \
	run_until(asked_for_all);                                                                  \
	wait_quietly(QUIET_MS)

/* ---- a service ---- */

static void follows_a_service_to_its_newest_pod_now_and_later(void **state)
{
	(void)state;
	PLAY(OK_(SELECTED("web", ",\"targetPort\":8080")),
		OK_(PODS(POD("a", "1", "01", "True") "," POD("b", "2", "02", "True"))), WATCHED);
	follow(&Service);
	assert_told("b 2:8080");
	assert_null(k8s_warning(T));
	run_until(asked_for_all);
	see_news(EVENT("MODIFIED", POD("b", "2", "02", "False")));
	assert_told("a 1:8080");
	see_news(EVENT("DELETED", POD("a", "1", "01", "True")));
	assert_told("- no ready pod: 0 of 1 ready");
	see_news(EVENT("ADDED", POD("c", "3", "03", "True")));
	assert_told("c 3:8080");
	assert_asked("1 " GET_SERVICE "2 " LIST(BY_LABEL("web")) "3 " WATCH(BY_LABEL("web")));
}

static void tells_only_what_has_changed(void **state)
{
	(void)state;
	FOLLOW_SERVICE(POD("a", "1", "01", "True"));
	unsigned looks = Looks;
	see(EVENT("ADDED", POD("b", "2", "02", "True"))); /* it stays with its pod */
	see(EVENT("MODIFIED", POD("a", "1", "01", "True")));
	wait_quietly(QUIET_MS);
	assert_int_equal(Looks, looks);
	see_news(EVENT("DELETED", POD("a", "1", "01", "True")));
	assert_told("b 2:80");
	assert_int_equal(Looks, looks + 1);
}

static void a_look_is_told_of_whatever_it_finds(void **state)
{
	(void)state;
	FOLLOW_SERVICE(POD("a", "1", "01", "True"));
	unsigned looks = Looks;
	PLAY(OK_(SERVICE));
	look();
	wait_quietly(QUIET_MS);
	assert_int_equal(Looks, looks + 1);
	assert_told("a 1:80");
	assert_asked("1 " GET_SERVICE
		     "2 " LIST(BY_LABEL("web")) "3 " WATCH(BY_LABEL("web")) "4 " GET_SERVICE);
}

static void asks_for_the_service_at_times_and_is_silent_about_it(void **state)
{
	(void)state;
	FOLLOW_SERVICE(POD("a", "1", "01", "True"));
	unsigned looks = Looks, asked = Server.opened;
	PLAY(OK_(SERVICE));
	skip_ms(K8S_SERVICE_LOOKS * PATIENCE_MS - 10000);
	wait_quietly(QUIET_MS);
	assert_int_equal(Server.opened, asked);
	skip_ms(10000 + K8S_SERVICE_LOOKS * PATIENCE_MS / 5);
	run_until(asked_for_all);
	wait_quietly(QUIET_MS);
	assert_int_equal(Server.opened, asked + 1);
	assert_int_equal(Looks, looks);
	assert_told("a 1:80");
}

static void keeps_the_pod_when_a_look_fails_but_not_when_the_service_is_gone(void **state)
{
	(void)state;
	FOLLOW_SERVICE(POD("a", "1", "01", "True"));
	PLAY(NO_("503", "starting up"), NO_("403", "no more"), OK_(SERVICE),
		NO_("404", "services \"web\" not found"));
	look();
	assert_told("a 1:80 starting up");
	look();
	assert_told("a 1:80 no more");
	look();
	assert_told("a 1:80");
	look();
	assert_told("a 1:80 server answered with HTTP status 404");
	PLAY(NO_("404", "services \\\"web\\\" not found"));
	look();
	assert_told("- service not found");
	assert_int_equal(k8s_error(T)->kind, ERR_NOT_FOUND);
	say(3, EVENT("ADDED", POD("b", "2", "02", "True")), 0); /* by the watch */
	wait_quietly(QUIET_MS);
	assert_told("- service not found");
	PLAY(OK_(SERVICE));
	look();
	assert_told("b 2:80"); /* they were watched all the time */
}

static void looks_again_soon_where_the_service_could_not_be_had(void **state)
{
	(void)state;
	PLAY(NO_("503", "starting up"), OK_(SERVICE), OK_(PODS(POD("a", "1", "01", "True"))),
		WATCHED);
	follow(&Service);
	assert_told("- starting up");
	skip_ms(PATIENCE_MS + PATIENCE_MS / 5);
	wait_look();
	assert_told("a 1:80");
}

static void does_not_ask_before_the_time_that_the_server_names(void **state)
{
	(void)state;
	PLAY({"HTTP/1.1 429 No\r\nRetry-After: 90\r\n\r\n", END}, OK_(SERVICE),
		OK_(PODS(POD("a", "1", "01", "True"))), WATCHED);
	follow(&Service);
	assert_told("- server answered with HTTP status 429");
	skip_ms(89000);
	wait_quietly(QUIET_MS);
	assert_int_equal(Server.plays, 3);
	skip_ms(3000);
	wait_look();
	assert_told("a 1:80");
}

static void keeps_the_pod_while_the_watch_is_broken(void **state)
{
	(void)state;
	FOLLOW_SERVICE(POD("a", "1", "01", "True"));
	Wanted = Looks + 1;
	say(Server.opened, "", RESET);
	run_until(looked);
	assert_int_equal(k8s_error(T)->kind, ERR_NETWORK);
	assert_non_null(k8s_pod(T));
	for (unsigned i = 0; i < 2; i++) { /* until the watch's own pauses are long */
		PLAY(OK_(SERVICE), NO_("500", "etcd"), OK_(SERVICE), NO_("500", "disk"));
		skip_ms(300);
		look();
		assert_told("a 1:80 etcd");
		skip_ms(300);
		look();
		assert_told("a 1:80 disk");
	}
	PLAY(OK_(SERVICE), {LINES EVENT("DELETED", POD("a", "1", "01", "")), 0});
	skip_ms(300);
	int64_t since = loop_now();
	look();
	while (k8s_pod(T))
		wait_look();
	assert_true(loop_now() - since < WATCH_WAIT_MAX_MS / 2);
	assert_told("- no ready pod: service 'web' has no pods");
}

static void says_why_there_is_no_pod(void **state)
{
	(void)state;
	PLAY(OK_("{\"spec\":{\"type\":\"ExternalName\"}}"), OK_(SERVICE),
		OK_(PODS(POD("a", "1", "01", "False"))), WATCHED);
	follow(&Service);
	assert_told("- service 'web' is of type ExternalName: it has no pods to forward to");
	look();
	assert_told("- no ready pod: 0 of 1 ready");
	assert_int_equal(k8s_error(T)->kind, ERR_NOT_READY);
}

static void says_that_pods_may_not_be_listed(void **state)
{
	(void)state;
	PLAY(OK_(SERVICE), NO_("403", "pods is forbidden"));
	follow(&Service);
	assert_told("- pods is forbidden");
	assert_int_equal(k8s_error(T)->kind, ERR_FORBIDDEN);
}

static void warns_of_a_port_that_the_service_does_not_have(void **state)
{
	(void)state;
	static const char Portless[] = LINES
		"{\"spec\":{\"selector\":{\"app.kubernetes.io/name\":\"web\",\"tier\":\"\"}}}";
	PLAY({Portless, END}, OK_(PODS(POD("a", "1", "01", "True"))), WATCHED);
	follow(&Service);
	assert_told("a 1:80");
	assert_non_null(k8s_warning(T));
	run_until(asked_for_all);
	wait_quietly(QUIET_MS);
	PLAY(NO_("503", "starting up"), {Portless, END}, OK_(SERVICE));
	look();
	assert_non_null(k8s_warning(T));
	skip_ms(PATIENCE_MS + PATIENCE_MS / 5);
	wait_look();
	assert_told("a 1:80");
	assert_non_null(k8s_warning(T));
	skip_ms(K8S_SERVICE_LOOKS * PATIENCE_MS * 6 / 5); /* told though nobody has asked */
	wait_look();
	assert_told("a 1:80");
	assert_null(k8s_warning(T));
}

static void a_changed_selector_or_port_means_other_pods(void **state)
{
	(void)state;
	FOLLOW_SERVICE(POD("a", "1", "01", "True"));
	PLAY(OK_(SELECTED("web", ",\"targetPort\":81")));
	look();
	assert_told("a 1:81");
	PLAY(OK_(SELECTED("db", "")), OK_(PODS(POD("d", "4", "01", "True"))), WATCHED);
	look();
	assert_told("d 4:80");
	run_until(asked_for_all);
	wait_quietly(QUIET_MS);
	assert_int_equal(Server.open, 1); /* the other watch has ended */
	assert_asked("1 " GET_SERVICE "2 " LIST(BY_LABEL("web")) "3 " WATCH(
		BY_LABEL("web")) "4 " GET_SERVICE "5 " GET_SERVICE
				 "6 " LIST(BY_LABEL("db")) "7 " WATCH(BY_LABEL("db")));
}

static void two_that_follow_the_same_share_a_watch(void **state)
{
	(void)state;
	FOLLOW_SERVICE(POD("a", "1", "01", "True"));
	struct k8s_target *first = T;
	PLAY(OK_(SERVICE));
	follow(&Service);
	assert_told("a 1:80");
	assert_int_equal(Server.opened, 4);
	k8s_unfollow(first);
	say(3, EVENT("MODIFIED", POD("a", "1", "01", "False")), 0);
	wait_look();
	assert_told("!a 1:80 no ready pod: 0 of 1 ready");
}

/* ---- a workload ---- */

#define WORKLOAD                                                                                   \
	"{\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"web\"},\"matchExpressions\":["        \
	"{\"key\":\"tier\",\"operator\":\"NotIn\",\"values\":[\"a\",\"b\"]}]}}}"
#define BY_WORKLOAD PODS_PATH "?labelSelector=app%3Dweb%2Ctier%20notin%20%28a%2Cb%29"

#define ASKED(workloads)                                                                           \
	"1 /apis/apps/v1/namespaces/shop/" workloads "/web|"                                       \
	"2 /apis/apps/v1/namespaces/shop/" workloads "/web|"                                       \
	"3 " LIST(BY_WORKLOAD) "4 " WATCH(BY_WORKLOAD)

static void follows_a_workload_to_the_pods_of_its_selector(void **state)
{
	static const struct {
		enum k8s_type type;
		const char *missing, *asked;
	} Case[] = {
		{K8S_DEPLOYMENT, "- deployment not found", ASKED("deployments")},
		{K8S_STATEFULSET, "- statefulset not found", ASKED("statefulsets")},
		{K8S_DAEMONSET, "- daemonset not found", ASKED("daemonsets")},
	};
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++) {
		const struct k8s_ref ref = {Case[i].type, Namespace, Name, 80, NULL};
		PLAY(NO_("404", "x.apps \\\"web\\\" not found"), OK_(WORKLOAD),
			OK_(PODS(POD("a", "1", "01", "True") "," POD("b", "2", "02", "True"))),
			WATCHED);
		follow(&ref);
		assert_told(Case[i].missing);
		skip_ms(PATIENCE_MS + PATIENCE_MS / 5);
		wait_look();
		assert_told("b 2:80");
		run_until(asked_for_all);
		see_news(EVENT("MODIFIED", POD("b", "2", "02", "False")));
		assert_told("a 1:80");
		assert_asked(Case[i].asked);
		stop(state);
		start(state);
	}
}

/* ---- pods by a selector ---- */

#define BY_LABELS PODS_PATH "?labelSelector=app%3Dweb%2Ctier%20in%20%28a%2C%20b%29"

static void follows_the_pods_that_a_selector_matches(void **state)
{
	(void)state;
	PLAY(OK_(PODS("")), WATCHED);
	follow(&Pods);
	assert_told("- no ready pod: no pod matches 'app=web,tier in (a, b)'");
	run_until(asked_for_all);
	see_news(EVENT("ADDED", POD("a", "1", "01", "True")));
	assert_told("a 1:80");
	see_news(EVENT("MODIFIED", POD("a", "1", "01", "False")));
	assert_told("!a 1:80 no ready pod: 0 of 1 ready");
	look();
	assert_asked("1 " LIST(BY_LABELS) "2 " WATCH(BY_LABELS));
}

static void says_that_a_selector_is_not_understood_or_pods_may_not_be_listed(void **state)
{
	(void)state;
	PLAY(NO_("400", "unable to parse"), NO_("403", "may not list"));
	follow(&Pods);
	assert_told("- selector 'app=web,tier in (a, b)': unable to parse");
	assert_int_equal(k8s_error(T)->kind, ERR_NOT_FOUND);
	look();
	assert_told("- may not list");
}

/* ---- a port by its name ---- */

#define LISTENS(name, uid, ports)                                                                  \
	"{\"metadata\":{\"name\":\"" name "\",\"uid\":\"" uid                                      \
	"\"},\"spec\":{\"containers\":[{\"ports\":[" ports "]}]},\"status\":{"                     \
	"\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}"
#define NAMED(name, number) "{\"name\":\"" name "\",\"containerPort\":" number "}"

static void finds_a_port_by_its_name_in_each_pod(void **state)
{
	const struct k8s_ref ref = {K8S_SELECTOR, Namespace, Labels, 0, Port};
	(void)state;
	PLAY(OK_(PODS(LISTENS("a", "1", NAMED("http", "8080")))), WATCHED);
	follow(&ref);
	assert_told("a 1:8080");
	run_until(asked_for_all);
	see(EVENT("ADDED", LISTENS("b", "2", NAMED("http", "9090"))));
	see_news(EVENT("DELETED", LISTENS("a", "1", "")));
	assert_told("b 2:9090");
	see(EVENT("ADDED", LISTENS("c", "3", NAMED("web", "80"))));
	see_news(EVENT("DELETED", LISTENS("b", "2", "")));
	assert_told("- pod 'c' has no TCP port named 'http' (it has: web)");
}

static void needs_a_look_at_a_pod_whose_port_is_named(void **state)
{
	const struct k8s_ref ref = {K8S_POD, Namespace, Name, 0, Port};
	(void)state;
	PLAY(NO_("403", "may not list"), NO_("403", "may not get"),
		OK_(LISTENS("web", "1", NAMED("http", "8080"))), NO_("403", "may not get"));
	follow(&ref);
	assert_told("- port 'http' cannot be looked up: may not get");
	assert_int_equal(k8s_error(T)->kind, ERR_FORBIDDEN);
	look();
	assert_told("web 1:8080");
	look();
	assert_told("web 1:8080 port 'http' cannot be looked up: may not get");
}

/* ---- a pod by its name ---- */

static void follows_a_pod_by_name_to_its_next_life(void **state)
{
	(void)state;
	PLAY(OK_(PODS(POD("web", "1", "01", "False"))), WATCHED);
	follow(&Pod);
	assert_told("!web 1:80");
	run_until(asked_for_all);
	see_news(EVENT("DELETED", POD("web", "1", "01", "False")));
	assert_told("- pod not found");
	assert_int_equal(k8s_error(T)->kind, ERR_NOT_FOUND);
	see_news(EVENT("ADDED", POD("web", "2", "02", "True")));
	assert_told("web 2:80");
	look();
	assert_told("web 2:80");
	assert_asked("1 " LIST(BY_NAME) "2 " WATCH(BY_NAME));
}

static void gets_a_pod_that_it_may_not_list_or_does_without(void **state)
{
	static const struct {
		struct play play;
		const char *want;
	} Case[] = {
		{NO_("404", "pods \\\"web\\\" not found"), "- pod not found"},
		{NO_("500", "etcd"), "- etcd"},
		{OK_("{}"), "- pod not found"},
		{OK_(POD("web", "2", "01", "False")), "!web 2:80"},
		{NO_("403", "may not get"), "web :80"},
		{NO_("500", "etcd"), "web :80 etcd"},
	};
	(void)state;
	PLAY(NO_("403", "may not list"), OK_(POD("web", "1", "01", "True")));
	follow(&Pod);
	assert_told("web 1:80");
	assert_null(k8s_warning(T));
	for (unsigned i = 0; i < sizeof Case / sizeof *Case; i++) {
		play(&Case[i].play, 1);
		skip_ms(PATIENCE_MS + PATIENCE_MS / 5);
		wait_look();
		assert_told(Case[i].want);
		if (i == 4)
			assert_string_equal(
				k8s_warning(T), "pod is used without a look at it: may not get");
	}
	PLAY(OK_(POD("web", "3", "01", "True")));
	look();
	assert_told("web 3:80");
	assert_null(k8s_warning(T));
	assert_asked("1 " LIST(BY_NAME) "2 " GET_POD "3 " GET_POD "4 " GET_POD "5 " GET_POD
					"6 " GET_POD "7 " GET_POD "8 " GET_POD "9 " GET_POD);
}

/* ---- what the owner does meanwhile ---- */

static void a_look_under_way_counts_for_the_one_that_is_wanted(void **state)
{
	(void)state;
	PLAY({NULL, 0}, OK_(PODS(POD("a", "1", "01", "True"))), WATCHED);
	T = k8s_follow(C, &Service, PATIENCE_MS, on_look, NULL);
	while (Server.plays > 2)
		loop_run();
	k8s_look(T);
	wait_quietly(QUIET_MS);
	say(1, LINES SERVICE, END);
	wait_look();
	assert_told("a 1:80");
	run_until(asked_for_all);
	assert_asked("1 " GET_SERVICE "2 " LIST(BY_LABEL("web")) "3 " WATCH(BY_LABEL("web")));
}

static void a_look_does_not_end_before_there_is_a_list(void **state)
{
	(void)state;
	PLAY(OK_(SERVICE), {NULL, 0}, OK_(SERVICE));
	T = k8s_follow(C, &Service, PATIENCE_MS, on_look, NULL);
	while (Server.plays > 1)
		loop_run();
	k8s_look(T);
	run_until(asked_for_all);
	k8s_distrust(T, "1");
	wait_quietly(QUIET_MS);
	assert_int_equal(Looks, 0);
}

static void distrust_chooses_again_without_a_request(void **state)
{
	(void)state;
	FOLLOW_SERVICE(POD("a", "1", "01", "True") "," POD("b", "2", "02", "True"));
	assert_told("b 2:80");
	k8s_distrust(T, "2");
	wait_look();
	assert_told("a 1:80");
	assert_false(k8s_pod(T)->distrusted);
	k8s_distrust(T, "1");
	wait_look();
	assert_told("b 2:80"); /* the one that was distrusted first */
	assert_true(k8s_pod(T)->distrusted);
	k8s_distrust(T, "2"); /* counts as a look */
	wait_look();
	assert_told("a 1:80");
	k8s_distrust(T, "");
	wait_look();
	see_news(EVENT("ADDED", POD("c", "3", "01", "True")));
	assert_told("c 3:80");
	assert_asked("1 " GET_SERVICE "2 " LIST(BY_LABEL("web")) "3 " WATCH(BY_LABEL("web")));
}

static void goes_on_by_the_rule_it_knows_while_the_service_cannot_be_asked_for(void **state)
{
	(void)state;
	FOLLOW_SERVICE(POD("a", "1", "01", "True"));
	PLAY(NO_("503", "starting up"));
	look();
	assert_told("a 1:80 starting up");
	k8s_distrust(T, "1"); /* asks for nothing: the watch knows */
	wait_look();
	assert_told("a 1:80");
}

static void distrust_is_a_look_where_there_is_nothing_to_choose_from(void **state)
{
	(void)state;
	FOLLOW_SERVICE(POD("a", "1", "01", "True"));
	PLAY(NO_("404", "no such service"), NO_("503", "still starting"));
	look();
	assert_told("- service not found");
	k8s_distrust(T, "1");
	wait_look();
	assert_told("- still starting");
	k8s_unfollow(T);
	PLAY(NO_("403", "may not list"), OK_(POD("web", "1", "01", "True")),
		OK_(POD("web", "1", "01", "True")));
	follow(&Pod);
	k8s_distrust(T, "1");
	wait_look();
	assert_told("web 1:80");
	assert_true(k8s_pod(T)->distrusted);
}

static void unfollow_and_look(void *owner)
{
	on_look(owner);
	k8s_distrust(T, "1"); /* about to choose again */
	k8s_unfollow(T);
	T = NULL;
}

static void follow_for_once(const struct k8s_ref *ref)
{
	T = k8s_follow(C, ref, 1, unfollow_and_look, NULL);
}

/* In `on`, by an answer for the service, by its pods, and by a pod's answer. */
static void may_be_unfollowed_when_it_tells(void **state)
{
	static const struct {
		const struct k8s_ref *ref;
		struct play play[3];
	} Case[] = {
		{&Service, {NO_("404", "no"), NO_("404", "no"), NO_("404", "no")}},
		{&Service, {OK_(SERVICE), OK_(PODS(POD("a", "1", "01", "True"))), WATCHED}},
		{&Service, {OK_(SERVICE), NO_("500", "etcd"), NO_("500", "etcd")}},
		{&Pod, {OK_(PODS("")), WATCHED, WATCHED}},
		{&Pod, {NO_("403", "may not list"), NO_("403", "may not get"), NO_("403", "")}},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof Case / sizeof *Case; i++) {
		play(Case[i].play, 3);
		follow_for_once(Case[i].ref);
		wait_look();
		assert_null(T);
		run_until(all_closed);
	}
	skip_ms(60000);
	wait_quietly(QUIET_MS);
	assert_int_equal(Looks, sizeof Case / sizeof *Case);
}

static void may_be_unfollowed_between(void **state)
{
	static const struct play Way[] = {OK_(SERVICE), {NULL, 0}};
	(void)state;
	follow_for_once(&Service); /* before anything is asked */
	k8s_unfollow(T);
	for (unsigned i = 1; i <= 2; i++) { /* the service, the list under way */
		play(Way + (i == 1), i);
		follow_for_once(&Service);
		run_until(asked_for_all);
		k8s_unfollow(T);
		T = NULL;
		run_until(all_closed);
	}
	assert_int_equal(Looks, 0);
	FOLLOW_SERVICE(POD("a", "1", "01", "True"));
	k8s_distrust(T, "1");
	k8s_unfollow(T);
	T = NULL;
	run_until(all_closed);
	assert_int_equal(Looks, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BETWEEN(follows_a_service_to_its_newest_pod_now_and_later),
		BETWEEN(tells_only_what_has_changed),
		BETWEEN(a_look_is_told_of_whatever_it_finds),
		BETWEEN(asks_for_the_service_at_times_and_is_silent_about_it),
		BETWEEN(keeps_the_pod_when_a_look_fails_but_not_when_the_service_is_gone),
		BETWEEN(looks_again_soon_where_the_service_could_not_be_had),
		BETWEEN(does_not_ask_before_the_time_that_the_server_names),
		BETWEEN(keeps_the_pod_while_the_watch_is_broken),
		BETWEEN(says_why_there_is_no_pod),
		BETWEEN(says_that_pods_may_not_be_listed),
		BETWEEN(warns_of_a_port_that_the_service_does_not_have),
		BETWEEN(a_changed_selector_or_port_means_other_pods),
		BETWEEN(two_that_follow_the_same_share_a_watch),
		BETWEEN(follows_a_workload_to_the_pods_of_its_selector),
		BETWEEN(follows_the_pods_that_a_selector_matches),
		BETWEEN(says_that_a_selector_is_not_understood_or_pods_may_not_be_listed),
		BETWEEN(finds_a_port_by_its_name_in_each_pod),
		BETWEEN(needs_a_look_at_a_pod_whose_port_is_named),
		BETWEEN(follows_a_pod_by_name_to_its_next_life),
		BETWEEN(gets_a_pod_that_it_may_not_list_or_does_without),
		BETWEEN(a_look_under_way_counts_for_the_one_that_is_wanted),
		BETWEEN(a_look_does_not_end_before_there_is_a_list),
		BETWEEN(distrust_chooses_again_without_a_request),
		BETWEEN(goes_on_by_the_rule_it_knows_while_the_service_cannot_be_asked_for),
		BETWEEN(distrust_is_a_look_where_there_is_nothing_to_choose_from),
		BETWEEN(may_be_unfollowed_when_it_tells),
		BETWEEN(may_be_unfollowed_between),
	};
	loop_init();
	return cmocka_run_group_tests_name("k8s", tests, NULL, NULL);
}
