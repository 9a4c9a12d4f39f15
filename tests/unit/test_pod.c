/* pod.c on objects as an API server gives them: which pods, which port, which pod, and
 * why none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "pod.h"

static char Namespace[] = "shop", Name[] = "web";

static struct k8s_ref ref(enum k8s_type type, uint16_t port)
{
	return (struct k8s_ref){.type = type, .namespace = Namespace, .name = Name, .port = port};
}

static struct k8s_ref named(enum k8s_type type, char *port_name)
{
	struct k8s_ref r = ref(type, 0);
	r.port_name = port_name;
	return r;
}

static struct document parse(const char *json)
{
	struct document doc = {0};
	struct err e = {0};
	if (!json_parse(&doc, json, strlen(json), &e))
		fail_msg("%s: %s", e.text, json);
	return doc;
}

/* The rule of an object, and its selector ("" if it is refused). */
static bool read_rule(struct pod_rule *rule, char selector[static 256], const struct k8s_ref *r,
	const char *json, struct err *e)
{
	struct document doc = parse(json);
	struct buf out = {0};
	bool ok = pod_rule_of_object(rule, &out, r, doc.root, e);
	snprintf(selector, 256, "%.*s", ok ? (int)buf_len(&out) : 0, (const char *)buf_data(&out));
	buf_free(&out);
	document_free(&doc);
	return ok;
}

static void assert_refused(const struct k8s_ref *r, const char *json, const char *text)
{
	struct pod_rule rule;
	struct err e = {0};
	char selector[256];
	assert_false(read_rule(&rule, selector, r, json, &e));
	assert_string_equal(e.text, text);
	assert_int_equal(e.kind, ERR_NOT_FOUND);
}

/* ---- services ---- */

#define SELECTOR     "\"selector\":{\"app\":\"web\"}"
#define PORTS(ports) "{\"spec\":{" SELECTOR ",\"ports\":[" ports "]}}"

#define HEADLESS(ports) "{\"spec\":{\"clusterIP\":\"None\"," SELECTOR ",\"ports\":[" ports "]}}"

static void finds_the_port_that_a_service_means(void **state)
{
	static char Web[] = "web", Dns[] = "dns-tcp";
	static const struct {
		const char *service;
		char *port_name; /* NULL: 80 */
		uint16_t port;
		const char *name;
	} Case[] = {
		{PORTS("{\"port\":80,\"targetPort\":8080}"), NULL, 8080, ""},
		{PORTS("{\"port\":80,\"protocol\":\"TCP\",\"targetPort\":\"http\"}"), NULL, 80,
			"http"},
		{PORTS("{\"port\":80}"), NULL, 80, ""},
		{PORTS("{\"port\":80,\"targetPort\":0}"), NULL, 80, ""},
		{PORTS("{\"port\":443,\"targetPort\":1},{\"port\":80,\"targetPort\":2}"), NULL, 2,
			""},
		{PORTS("{\"port\":80,\"protocol\":\"UDP\",\"targetPort\":1},"
		       "{\"port\":80,\"protocol\":\"TCP\",\"targetPort\":2}"),
			NULL, 2, ""},
		{PORTS("{\"port\":80,\"targetPort\":2},"
		       "{\"port\":80,\"protocol\":\"UDP\",\"targetPort\":1}"),
			NULL, 2, ""},
		/* kubectl, pkg/util/service_port.go: headless ones keep their port. */
		{HEADLESS("{\"port\":80,\"targetPort\":8080}"), NULL, 80, ""},
		{HEADLESS("{\"port\":80,\"targetPort\":\"http\"}"), NULL, 80, ""},
		{PORTS("{\"port\":80,\"targetPort\":1},"
		       "{\"name\":\"web\",\"port\":81,\"targetPort\":8080}"),
			Web, 8080, ""},
		{PORTS("{\"name\":\"web\",\"port\":81,\"targetPort\":\"http\"}"), Web, 81, "http"},
		{PORTS("{\"name\":\"web\",\"port\":81}"), Web, 81, ""},
		{HEADLESS("{\"name\":\"web\",\"port\":81,\"targetPort\":8080}"), Web, 81, ""},
		/* kubectl takes the name for 53, and 53 for the first that has it. */
		{PORTS("{\"name\":\"dns\",\"port\":53,\"protocol\":\"UDP\",\"targetPort\":1},"
		       "{\"name\":\"dns-tcp\",\"port\":53,\"targetPort\":2}"),
			Dns, 2, ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++) {
		struct k8s_ref r = ref(K8S_SERVICE, Case[i].port_name ? 0 : 80);
		struct pod_rule rule;
		struct err e = {0};
		char selector[256];
		r.port_name = Case[i].port_name;
		assert_true(read_rule(&rule, selector, &r, Case[i].service, &e));
		assert_string_equal(rule.port_name, Case[i].name);
		assert_int_equal(rule.port, Case[i].port);
		assert_string_equal(rule.warning, "");
		assert_false(rule.unready);
		assert_string_equal(selector, "app=web");
	}
}

static void warns_of_a_port_that_the_service_does_not_have(void **state)
{
	static const char *const Service[] = {
		PORTS("{\"port\":80,\"targetPort\":9090}"),
		PORTS(""),
		"{\"spec\":{" SELECTOR ",\"ports\":null}}",
	};
	const struct k8s_ref r = ref(K8S_SERVICE, 9090);
	(void)state;
	for (size_t i = 0; i < sizeof Service / sizeof *Service; i++) {
		struct pod_rule rule;
		char selector[256];
		assert_true(read_rule(&rule, selector, &r, Service[i], NULL));
		assert_int_equal(rule.port, 9090);
		assert_string_equal(rule.warning,
			"service 'web' has no port 9090: it is taken as the pod's port");
	}
}

static void refuses_services_that_lead_to_no_pods(void **state)
{
	static const struct {
		const char *service, *text;
	} Case[] = {
		{"{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"a.example\"}}",
			"service 'web' is of type ExternalName: it has no pods to forward to"},
		{"{\"spec\":{\"ports\":[{\"port\":53}]}}",
			"service 'web' has no selector: it has no pods to forward to"},
		{"{\"spec\":{\"selector\":{},\"ports\":[{\"port\":53}]}}",
			"service 'web' has no selector: it has no pods to forward to"},
		{"{\"spec\":{\"selector\":[{},1],\"ports\":[{\"port\":53}]}}",
			"service 'web' has no selector: it has no pods to forward to"},
		{"[]", "service 'web' has no selector: it has no pods to forward to"},
		{PORTS("{\"port\":53,\"protocol\":\"UDP\"}"),
			"port 53 of service 'web' is UDP: only TCP can be forwarded"},
		{PORTS("{\"port\":53,\"protocol\":\"SCTP\"}"),
			"port 53 of service 'web' is SCTP: only TCP can be forwarded"},
		{PORTS("{\"port\":53,\"protocol\":null}"),
			"port 53 of service 'web' is of no protocol: only TCP can be forwarded"},
		{PORTS("{\"port\":53,\"targetPort\":65536}"),
			"service 'web': targetPort of port 53 is no port"},
		{PORTS("{\"port\":53,\"targetPort\":-1}"),
			"service 'web': targetPort of port 53 is no port"},
		{PORTS("{\"port\":53,\"targetPort\":\"\"}"),
			"service 'web': targetPort of port 53 is no port"},
		{PORTS("{\"port\":53,\"targetPort\":{}}"),
			"service 'web': targetPort of port 53 is no port"},
	};
	const struct k8s_ref r = ref(K8S_SERVICE, 53);
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++)
		assert_refused(&r, Case[i].service, Case[i].text);
}

static void refuses_a_name_that_no_port_of_the_service_has(void **state)
{
	static const struct {
		const char *ports, *text;
	} Case[] = {
		{PORTS(""), "service 'web' has no TCP port named 'http' (it has: none)"},
		{PORTS("{\"name\":\"web\",\"port\":80},{\"port\":81},"
		       "{\"name\":\"dns\",\"port\":53,\"protocol\":\"UDP\"},"
		       "{\"name\":\"metrics\",\"port\":82},{\"name\":\"\",\"port\":83},3"),
			"service 'web' has no TCP port named 'http' (it has: web, 81, metrics, "
			"83)"},
		{PORTS("{\"name\":\"http\",\"port\":80,\"protocol\":\"UDP\"}"),
			"port 'http' of service 'web' is UDP: only TCP can be forwarded"},
		{PORTS("{\"name\":\"http\",\"port\":80,\"targetPort\":65536}"),
			"service 'web': targetPort of port 'http' is no port"},
		{PORTS("{\"name\":\"http\",\"port\":0}"),
			"service 'web': targetPort of port 'http' is no port"},
	};
	static char Http[] = "http";
	const struct k8s_ref r = named(K8S_SERVICE, Http);
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++)
		assert_refused(&r, Case[i].ports, Case[i].text);
}

/* ---- workloads ---- */

#define SELECTS(selector)   "{\"spec\":{\"selector\":" selector "}}"
#define EXPRESSIONS(list)   SELECTS("{\"matchExpressions\":[" list "]}")
#define IS(key, word, more) "{\"key\":\"" key "\",\"operator\":\"" word "\"" more "}"
#define VALUES(list)        ",\"values\":[" list "]"

static void reads_the_selector_of_a_workload(void **state)
{
	static const struct {
		const char *object, *selector;
	} Case[] = {
		{SELECTS("{\"matchLabels\":{\"app\":\"web\",\"tier\":\"\"}}"), "app=web,tier="},
		{EXPRESSIONS(IS("app", "In", VALUES("\"web\"")) "," IS(
			 "tier", "In", VALUES("\"a\",\"\",\"b\""))),
			"app in (web),tier in (a,,b)"},
		{EXPRESSIONS(IS("x.io/app", "NotIn", VALUES("\"a\",\"b\""))),
			"x.io/app notin (a,b)"},
		{EXPRESSIONS(IS("app", "Exists", "")), "app"},
		{EXPRESSIONS(IS("canary", "DoesNotExist", VALUES(""))), "!canary"},
		{SELECTS("{\"matchLabels\":{\"app\":\"web\"},\"matchExpressions\":[" IS(
			 "a", "In", VALUES("\"\"")) "," IS("b", "DoesNotExist", "") "]}"),
			"app=web,a in (),!b"},
	};
	const enum k8s_type Type[] = {K8S_DEPLOYMENT, K8S_STATEFULSET, K8S_DAEMONSET};
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++) {
		const struct k8s_ref r = ref(Type[i % 3], 8080);
		struct pod_rule rule;
		struct err e = {0};
		char selector[256];
		assert_true(read_rule(&rule, selector, &r, Case[i].object, &e));
		assert_string_equal(selector, Case[i].selector);
		assert_int_equal(rule.port, 8080);
		assert_string_equal(rule.port_name, "");
		assert_string_equal(rule.warning, "");
		assert_false(rule.unready);
	}
}

static void refuses_workloads_that_lead_to_no_pods_or_to_all(void **state)
{
	static const char No_selector[] =
		"daemonset 'web' has no selector: it has no pods to forward to";
	static const char Not_understood[] =
		"daemonset 'web' has a selector that is not understood";
	static const struct {
		const char *object, *text;
	} Case[] = {
		{"{}", No_selector},
		{SELECTS("null"), No_selector},
		{SELECTS("{}"), No_selector},
		{SELECTS("{\"matchLabels\":{},\"matchExpressions\":[]}"), No_selector},
		{SELECTS("{\"app\":\"web\"}"), No_selector}, /* a service's */
		{SELECTS("{\"matchLabels\":[1,2]}"), No_selector},
		{SELECTS("{\"matchLabels\":{\"app\":\"web\"},\"matchExpressions\":[" IS(
			 "age", "Gt", VALUES("\"1\"")) "]}"),
			Not_understood},
		{EXPRESSIONS(IS("app", "In", "")), Not_understood},
		{EXPRESSIONS(IS("app", "NotIn", VALUES(""))), Not_understood},
		{EXPRESSIONS(IS("", "Exists", "")), Not_understood},
		{EXPRESSIONS("{\"operator\":\"Exists\"}"), Not_understood},
		{EXPRESSIONS("7"), Not_understood},
	};
	const struct k8s_ref r = ref(K8S_DAEMONSET, 80);
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++)
		assert_refused(&r, Case[i].object, Case[i].text);
}

/* ---- pods ---- */

/* Metadata, status and containers of a pod; UIDs are "u-" and the name. */
#define POD(name, day, meta, phase, ready, spec)                                                   \
	"{\"metadata\":{\"name\":\"" name "\",\"uid\":\"u-" name                                   \
	"\",\"creationTimestamp\":\"2026-01-" day "T00:00:00Z\"" meta "},\"spec\":{" spec          \
	"},\"status\":{\"phase\":\"" phase                                                         \
	"\",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"True\"},"                      \
	"{\"type\":\"Ready\",\"status\":\"" ready "\"}]}}"
#define READY(name, day)   POD(name, day, "", "Running", "True", "")
#define UNREADY(name, day) POD(name, day, "", "Running", "False", "")
#define GOING(name, day)                                                                           \
	POD(name, day, ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"", "Running", "True", "")

/* How one choice is made. */
struct given {
	enum k8s_type type;
	bool unready;
	const char *in_use;
	char *port_name;           /* NULL: 80 */
	const char *distrusted[4]; /* first noted first */
	const char *pods;
	const char *want; /* "name:port", "-" for none, and the error's text */
};

static void consider(struct pod_choice *choice, const struct value *object)
{
	struct pod *pod = pod_read(object);
	if (pod)
		pod_consider(choice, pod);
	free(pod);
}

static void assert_chosen(const struct given *g)
{
	char pods[4096], got[1024], chosen[300] = "-";
	snprintf(pods, sizeof pods, "[%s]", g->pods);
	struct document doc = parse(pods);
	const struct k8s_ref r = g->port_name ? named(g->type, g->port_name) : ref(g->type, 80);
	struct pod_rule rule = pod_rule_of_ref(&r);
	rule.unready |= g->unready;
	struct pod_distrust distrust = {0};
	for (size_t i = 0; i < 4 && g->distrusted[i]; i++)
		pod_distrust(&distrust, g->distrusted[i]);
	struct pod_choice choice = {
		.rule = &rule, .uid = g->in_use ? g->in_use : "", .distrust = &distrust};
	for (const struct value *p = value_first(doc.root); p; p = value_next(doc.root, p))
		consider(&choice, p);
	struct err e = {0};
	const struct k8s_pod *pod = pod_chosen(&choice, &e);
	if (pod)
		snprintf(chosen, sizeof chosen, "%s:%u", pod->name, pod->port);
	snprintf(got, sizeof got, "%s%s%s", chosen, e.kind ? " " : "", e.text);
	assert_string_equal(got, g->want);
	document_free(&doc);
}

static void chooses_the_newest_that_serves(void **state)
{
	static const struct given Case[] = {
		{.pods = READY("a", "01") "," READY("b", "03") "," READY("c", "02"),
			.want = "b:80"},
		{.pods = READY("a", "01") "," UNREADY("b", "03") "," GOING("c", "04"),
			.want = "a:80"},
		{.pods = READY("b", "01") "," READY("a", "01") "," READY("c", "01"),
			.want = "a:80"},
		/* Running will do; Ready is better. */
		{.unready = true,
			.pods = UNREADY("a", "03") "," READY("b", "01") "," READY("c", "02"),
			.want = "c:80"},
		{.unready = true, .pods = UNREADY("a", "03") "," GOING("b", "04"), .want = "a:80"},
		/* A node that was lost: its pods' conditions say True until it is known. */
		{.pods = POD("a", "02", "", "Unknown", "True", "") "," READY("b", "01"),
			.want = "b:80"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++)
		assert_chosen(&Case[i]);
}

static void stays_with_the_one_in_use_while_it_serves(void **state)
{
	static const struct given Case[] = {
		{.in_use = "u-a", .pods = READY("a", "01") "," READY("b", "02"), .want = "a:80"},
		{.in_use = "u-a", .pods = UNREADY("a", "01") "," READY("b", "02"), .want = "b:80"},
		{.in_use = "u-a", .pods = READY("b", "02") "," GOING("a", "01"), .want = "b:80"},
		{.in_use = "u-a", .pods = READY("b", "02") "," READY("a", "01"), .want = "a:80"},
		{.in_use = "u-x", .pods = READY("a", "01") "," READY("b", "02"), .want = "b:80"},
		{.in_use = "u-a",
			.unready = true,
			.pods = UNREADY("a", "01") "," READY("b", "02"),
			.want = "a:80"},
		/* None at hand: as long as it runs, with the reason. */
		{.in_use = "u-a",
			.pods = GOING("a", "01") "," UNREADY("b", "02"),
			.want = "a:80 no ready pod: 0 of 2 ready"},
		{.in_use = "u-a",
			.pods = POD("a", "01", "", "Failed", "False", "") "," UNREADY("b", "02"),
			.want = "- no ready pod: 0 of 1 ready"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++)
		assert_chosen(&Case[i]);
}

static void says_why_there_is_none(void **state)
{
	static const struct given Case[] = {
		{.pods = "", .want = "- no ready pod: service 'web' has no pods"},
		{.pods = UNREADY("a", "01") "," GOING("b", "01") "," POD(
			 "c", "01", "", "Pending", "False", ""),
			.want = "- no ready pod: 0 of 3 ready"},
		{.pods = POD("a", "01", "", "Succeeded", "False", ""),
			.want = "- no ready pod: service 'web' has no pods"},
		{.type = K8S_STATEFULSET,
			.pods = "",
			.want = "- no ready pod: statefulset 'web' has no pods"},
		{.type = K8S_DEPLOYMENT,
			.pods = UNREADY("a", "01"),
			.want = "- no ready pod: 0 of 1 ready"},
		{.type = K8S_SELECTOR, .pods = "", .want = "- no ready pod: no pod matches 'web'"},
		{.type = K8S_SELECTOR,
			.pods = GOING("a", "01"),
			.want = "- no ready pod: 0 of 1 ready"},
		{.type = K8S_POD, .pods = "", .want = "- pod not found"},
		{.type = K8S_POD,
			.pods = POD("web", "01", "", "Pending", "False", ""),
			.want = "- pod 'web' is not running: its phase is Pending"},
		{.type = K8S_POD, .pods = GOING("web", "01"), .want = "- pod 'web' is terminating"},
		{.type = K8S_POD,
			.in_use = "u-web",
			.pods = GOING("web", "01"),
			.want = "web:80 pod 'web' is terminating"},
		{.type = K8S_POD, .pods = UNREADY("web", "01"), .want = "web:80"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++)
		assert_chosen(&Case[i]);
}

#define PORT(name, number, protocol)                                                               \
	"{\"name\":\"" name "\",\"containerPort\":" number ",\"protocol\":\"" protocol "\"}"
#define WITH(name, day, spec) POD(name, day, "", "Running", "True", spec)
#define CONTAINER(ports)      "\"containers\":[{},{\"ports\":[" ports "]}]"
#define INIT(policy, ports)   "\"initContainers\":[{" policy "\"ports\":[" ports "]}]"
#define SIDECAR(ports)        INIT("\"restartPolicy\":\"Always\",", ports)

static void finds_a_named_port_in_the_pods_containers(void **state)
{
	static const struct given Case[] = {
		{.pods = WITH("a", "01",
			 CONTAINER(PORT("x", "1", "TCP") "," PORT("http", "8080", "TCP"))),
			.want = "a:8080"},
		{.pods = WITH("a", "01", CONTAINER("{\"name\":\"http\",\"containerPort\":8081}")),
			.want = "a:8081"},
		{.pods = WITH("a", "01",
			 CONTAINER(PORT("http", "1", "UDP")) "," SIDECAR(PORT("http", "2", "TCP"))),
			.want = "a:2"},
		{.pods = WITH("a", "01",
			 SIDECAR(PORT("http", "2", "TCP")) "," CONTAINER(PORT("http", "3", "TCP"))),
			.want = "a:3"},
		{.pods = WITH("a", "01", INIT("", PORT("http", "2", "TCP"))),
			.want = "- pod 'a' has no TCP port named 'http' (it has: none)"},
		{.pods = WITH("a", "01",
			 CONTAINER(PORT("http", "65536", "TCP") "," PORT("web", "80",
				 "TCP") "," PORT("dns", "53", "UDP") ",{\"containerPort\":9090}")),
			.want = "- pod 'a' has no TCP port named 'http' (it has: web, 9090)"},
		/* In a rollout that renames a port the older pods are the ones to take. */
		{.pods = WITH("old", "01", CONTAINER(PORT("http", "8", "TCP"))) "," WITH(
			 "new", "02", CONTAINER(PORT("web", "9", "TCP"))),
			.want = "old:8"},
		{.pods = UNREADY("a", "01"), .want = "- no ready pod: 0 of 1 ready"},
	};
	(void)state;
	static char Http[] = "http";
	const enum k8s_type Type[] = {K8S_SERVICE, K8S_DEPLOYMENT, K8S_SELECTOR};
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++) {
		struct given g = Case[i];
		g.type = Type[i % 3];
		g.port_name = Http;
		assert_chosen(&g);
	}
}

static void refuses_ports_of_a_pod_that_are_udp_only(void **state)
{
	static const struct given Case[] = {
		{.pods = WITH("web", "01", CONTAINER(PORT("dns", "80", "UDP"))),
			.want = "- port 80 of pod 'web' is not TCP: only TCP can be forwarded"},
		{.pods = WITH("web", "01",
			 CONTAINER(PORT("dns", "80", "UDP") "," PORT("dns-tcp", "80", "TCP"))),
			.want = "web:80"},
		{.pods = WITH("web", "01", CONTAINER(PORT("dns", "81", "UDP"))), .want = "web:80"},
	};
	(void)state;
	const enum k8s_type Type[] = {K8S_POD, K8S_STATEFULSET, K8S_SELECTOR};
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++)
		for (size_t j = 0; j < sizeof Type / sizeof *Type; j++) {
			struct given g = Case[i];
			g.type = Type[j];
			assert_chosen(&g);
		}
}

static void takes_distrusted_ones_last_the_first_noted_first(void **state)
{
	static const struct given Case[] = {
		{.distrusted = {"u-b"},
			.pods = READY("a", "01") "," READY("b", "02"),
			.want = "a:80"},
		{.in_use = "u-b",
			.distrusted = {"u-b"},
			.pods = READY("a", "01") "," READY("b", "02"),
			.want = "a:80"},
		{.distrusted = {"u-a", "u-b"},
			.pods = READY("a", "01") "," READY("b", "02"),
			.want = "a:80"},
		{.in_use = "u-a",
			.distrusted = {"u-a", "u-b", "u-a"},
			.pods = READY("a", "01") "," READY("b", "02"),
			.want = "b:80"},
		{.distrusted = {"u-a"},
			.pods = READY("a", "01") "," UNREADY("b", "02"),
			.want = "a:80"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++)
		assert_chosen(&Case[i]);
}

static void forgets_the_first_of_too_many_distrusted(void **state)
{
	struct pod_distrust d = {0};
	char uid[8];
	(void)state;
	for (unsigned i = 0; i <= POD_DISTRUSTED; i++) {
		snprintf(uid, sizeof uid, "u-%u", i);
		assert_true(pod_distrust(&d, uid));
		assert_false(pod_distrust(&d, uid));
	}
	assert_int_equal(d.count, POD_DISTRUSTED);
	assert_string_equal(d.uid[0], "u-1");
	assert_true(pod_distrust(&d, "u-0"));
}

static void knows_which_runtimes_pass_a_half_close(void **state)
{
	static const struct {
		const char *statuses;
		bool passes;
	} Case[] = {
		{"[{\"containerID\":\"docker://abc\"}]", true},
		{"[{\"containerID\":\"containerd://abc\"}]", false},
		{"[{\"containerID\":\"cri-o://abc\"}]", false},
		{"[{}]", false},
		{"[]", false},
	};
	const struct k8s_ref r = ref(K8S_POD, 80);
	const struct pod_rule rule = pod_rule_of_ref(&r);
	const struct pod_distrust none = {0};
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++) {
		struct pod_choice choice = {.rule = &rule, .uid = "", .distrust = &none};
		struct err e = {0};
		char text[512];
		snprintf(text, sizeof text,
			"{\"metadata\":{\"name\":\"web\",\"uid\":\"1\"},"
			"\"status\":{\"phase\":\"Running\",\"containerStatuses\":%s}}",
			Case[i].statuses);
		struct document doc = parse(text);
		consider(&choice, doc.root);
		const struct k8s_pod *pod = pod_chosen(&choice, &e);
		assert_non_null(pod);
		assert_int_equal(pod->passes_half_close, Case[i].passes);
		document_free(&doc);
	}
}

/* "UID PHASE, ready, terminating: NUMBER/NAME NUMBER/NAME/udp". */
static void put_pod(char *out, size_t size, const struct pod *pod)
{
	int n = snprintf(out, size, "%s %s%s%s:", pod->uid, pod->phase, pod->ready ? ", ready" : "",
		pod->terminating ? ", terminating" : "");
	for (unsigned i = 0; i < pod->port_count; i++)
		n += snprintf(out + n, size - (size_t)n, " %u/%s%s", pod->port[i].number,
			pod->port[i].name, pod->port[i].tcp ? "" : "/udp");
}

static void reads_of_a_pod_what_is_asked_of_it(void **state)
{
	static const struct {
		const char *spec, *status, *want;
	} Case[] = {
		{"{}", "{}", "u :"},
		{"7", "[]", "u :"},
		{"{}",
			"{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Initialized\"},"
			"{\"type\":\"Ready\",\"status\":\"True\"}]}",
			"u Running, ready:"},
		{"{}",
			"{\"phase\":\"Unknown-and-long\",\"conditions\":[{\"type\":\"Ready\","
			"\"status\":\"true\"},{\"type\":\"Ready\",\"status\":\"True\"}]}",
			"u :"},
		/* sidecars behind all containers, other init containers not at all */
		{"{\"initContainers\":[{\"restartPolicy\":\"Always\",\"ports\":["
		 "{\"containerPort\":5,\"name\":\"e\"}]},{\"ports\":[{\"containerPort\":6}]}],"
		 "\"containers\":[{\"ports\":[{\"containerPort\":1,\"name\":\"a\"},"
		 "{\"containerPort\":2,\"name\":\"b\",\"protocol\":\"UDP\"}]},{},"
		 "{\"ports\":[{\"containerPort\":3,\"protocol\":\"TCP\"}]}]}",
			"{}", "u : 1/a 2/b/udp 3/ 5/e"},
		{"{\"containers\":[{\"ports\":[{\"containerPort\":0},{\"containerPort\":65535},"
		 "{\"containerPort\":65536},{\"containerPort\":-1},{\"containerPort\":\"x\"},"
		 "{\"containerPort\":4294967297},{},7,{\"containerPort\":1,\"name\":[],"
		 "\"protocol\":3}]},null,{\"ports\":{}}]}",
			"{}", "u : 65535/ 1//udp"},
	};
	char text[1024], got[256];
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++) {
		snprintf(text, sizeof text,
			"{\"metadata\":{\"name\":\"web\",\"uid\":\"u\"},\"spec\":%s,\"status\":%s}",
			Case[i].spec, Case[i].status);
		struct document doc = parse(text);
		struct pod *pod = pod_read(doc.root);
		document_free(&doc); /* nothing of it is in use */
		assert_non_null(pod);
		assert_string_equal(pod->name, "web");
		put_pod(got, sizeof got, pod);
		assert_string_equal(got, Case[i].want);
		free(pod);
	}
}

static void knows_a_pod_that_is_terminating(void **state)
{
	struct document doc =
		parse("{\"metadata\":{\"name\":\"web\",\"deletionTimestamp\":"
		      "\"2026-01-01T00:00:00Z\"},\"status\":{\"phase\":\"Running\"}}");
	char got[64];
	(void)state;
	struct pod *pod = pod_read(doc.root);
	put_pod(got, sizeof got, pod);
	assert_string_equal(got, " Running, terminating:");
	free(pod);
	document_free(&doc);
}

/* Names go into paths: what is no name is no pod. */
static void passes_over_what_is_no_pod(void **state)
{
	static const char *const Odd[] = {
		"null",
		"[]",
		"{}",
		"{\"metadata\":[],\"spec\":1,\"status\":\"\"}",
		READY("", "01"),
		READY("a/../b", "01"),
		READY("a b", "01"),
		READY("a\\r\\nX-Evil: 1", "01"),
		"{\"metadata\":{\"name\":1},\"status\":{\"phase\":\"Running\",\"conditions\":3}}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof Odd / sizeof *Odd; i++) {
		struct given g = {.pods = Odd[i]};
		g.want = i == 8 ? "- no ready pod: 0 of 1 ready"
				: "- no ready pod: service 'web' has no pods";
		assert_chosen(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_port_that_a_service_means),
		cmocka_unit_test(warns_of_a_port_that_the_service_does_not_have),
		cmocka_unit_test(refuses_services_that_lead_to_no_pods),
		cmocka_unit_test(refuses_a_name_that_no_port_of_the_service_has),
		cmocka_unit_test(reads_the_selector_of_a_workload),
		cmocka_unit_test(refuses_workloads_that_lead_to_no_pods_or_to_all),
		cmocka_unit_test(chooses_the_newest_that_serves),
		cmocka_unit_test(stays_with_the_one_in_use_while_it_serves),
		cmocka_unit_test(says_why_there_is_none),
		cmocka_unit_test(finds_a_named_port_in_the_pods_containers),
		cmocka_unit_test(refuses_ports_of_a_pod_that_are_udp_only),
		cmocka_unit_test(takes_distrusted_ones_last_the_first_noted_first),
		cmocka_unit_test(forgets_the_first_of_too_many_distrusted),
		cmocka_unit_test(knows_which_runtimes_pass_a_half_close),
		cmocka_unit_test(reads_of_a_pod_what_is_asked_of_it),
		cmocka_unit_test(knows_a_pod_that_is_terminating),
		cmocka_unit_test(passes_over_what_is_no_pod),
	};
	return cmocka_run_group_tests_name("pod", tests, NULL, NULL);
}
