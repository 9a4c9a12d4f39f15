/* adhoc.c: words of a command line, and the forwards that they make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adhoc.h"
#include "mem.h"

static char File[] = "/tmp/test_adhoc.XXXXXX"; /* the kubeconfig */

enum { WORDS = 8 };

static bool make_as(struct config *c, struct adhoc a, const char *line, char **told)
{
	char *copy = mem_dup(line), *words[WORDS + 1] = {NULL};
	struct buf errors = {0};
	size_t n = 0;
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
		assert_true(n < WORDS);
		words[n++] = word;
	}
	a.words = words;
	*c = (struct config){0};
	bool good = adhoc_config(c, &a, &errors);
	if (!good)
		assert_memory_equal(c, &(struct config){0}, sizeof *c);
	*told = mem_dup_n(buf_data(&errors), buf_len(&errors));
	assert_int_equal(good, !**told);
	buf_free(&errors);
	free(copy);
	return good;
}

static void make(struct config *c, const char *line)
{
	char *told;
	make_as(c, (struct adhoc){.kubeconfig = File}, line, &told);
	assert_string_equal(told, "");
	free(told);
}

/* "NAME TYPE/NAMESPACE/SERVICE LOCAL:REMOTE" of all of them, a line each. */
static char *summary(const struct config *c)
{
	struct buf all = {0};
	for (size_t i = 0; i < c->forward_count; i++) {
		const struct config_forward *f = &c->forwards[i];
		buf_print(&all, "%s %d/%s/%s %u:", f->name, (int)f->target.type,
			f->target.namespace, f->target.name, f->local_port);
		if (f->target.port)
			buf_print(&all, "%u\n", f->target.port);
		else
			buf_print(&all, "%s\n", f->target.port_name);
		assert_true(!f->target.port != !f->target.port_name);
		assert_int_equal(f->cluster, 0);
		assert_string_equal(f->local_address, "127.0.0.1");
		assert_false(f->address_is_set);
		assert_int_equal(f->probe.kind, PROBE_NONE);
	}
	char *text = mem_dup_n(buf_data(&all), buf_len(&all));
	buf_free(&all);
	return text;
}

static void makes_a_forward_of_each_port(void **state)
{
	static const char *const Cases[][2] = {
		{"svc/api 8080:80", "api 0/shop/api 8080:80\n"},
		{"svc/api 8080", "api 0/shop/api 8080:8080\n"},
		{"svc/api :80", "api 0/shop/api 0:80\n"},
		{"svc/api 0:80", "api 0/shop/api 0:80\n"},
		{"svc/api 8080:http", "api 0/shop/api 8080:http\n"},
		{"svc/api 8080:a-name-longer-than-a-pod-s",
			"api 0/shop/api 8080:a-name-longer-than-a-pod-s\n"},
		{"svc/api :http", "api 0/shop/api 0:http\n"},
		{"svc/api 65535:1", "api 0/shop/api 65535:1\n"},
		{"web-1.x 5432", "web-1.x 1/shop/web-1.x 5432:5432\n"},
		{"svc/api 8080:80 9090:metrics pod/db 5432",
			"api 0/shop/api 8080:80\napi-9090 0/shop/api 9090:metrics\n"
			"db 1/shop/db 5432:5432\n"},
		{"svc/api 80 db 5432", "api 0/shop/api 80:80\ndb 1/shop/db 5432:5432\n"},
		{"svc/api 80 po/api 81", "api 0/shop/api 80:80\napi-81 1/shop/api 81:81\n"},
		{"svc/api :80 0:80 :80 :http",
			"api 0/shop/api 0:80\napi-80 0/shop/api 0:80\napi-80-2 0/shop/api 0:80\n"
			"api-http 0/shop/api 0:http\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		struct config c;
		make(&c, Cases[i][0]);
		char *text = summary(&c);
		assert_string_equal(text, Cases[i][1]);
		free(text);
		config_free(&c);
	}
}

static void knows_kubectl_s_names_of_types(void **state)
{
	static const struct {
		const char *words;
		enum k8s_type type;
	} Cases[] = {
		{"svc service services SVC", K8S_SERVICE},
		{"po pod pods Pod", K8S_POD},
		{"deploy deployment deployments deployments.apps deployment.v1.apps",
			K8S_DEPLOYMENT},
		{"sts statefulset statefulsets sts.apps", K8S_STATEFULSET},
		{"ds daemonset daemonsets daemonsets.apps", K8S_DAEMONSET},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		char *copy = mem_dup(Cases[i].words), line[64];
		for (char *word = copy, *end; *word; word = end + (*end == ' ')) {
			end = strchrnul(word, ' ');
			struct config c = {0};
			struct adhoc a = {.kubeconfig = File};
			struct buf errors = {0};
			snprintf(line, sizeof line, "%.*s/web", (int)(end - word), word);
			char port[] = "80", *words[] = {line, port, NULL};
			a.words = words;
			assert_true(adhoc_is((char *[]){line, NULL}));
			assert_true(adhoc_config(&c, &a, &errors));
			assert_int_equal(c.forwards[0].target.type, Cases[i].type);
			config_free(&c);
		}
		free(copy);
	}
}

static void is_asked_as_kubectl_is(void **state)
{
	struct config c;
	char *told;
	(void)state;
	make(&c, "svc/api 80");
	assert_null(c.path);
	assert_int_equal(c.cluster_count, 1);
	assert_string_equal(c.clusters[0].name, "kind");
	assert_string_equal(c.clusters[0].context, "kind");
	assert_string_equal(c.clusters[0].kubeconfig, File);
	assert_int_equal(c.settings.check_interval_ms, 10000);
	assert_int_equal(c.settings.tunnels, 4);
	config_free(&c);

	make_as(&c, (struct adhoc){.kubeconfig = File, .context = "plain"}, "svc/api 80", &told);
	free(told);
	assert_string_equal(c.clusters[0].name, "plain");
	assert_string_equal(c.forwards[0].target.namespace, "default");
	config_free(&c);

	make_as(&c,
		(struct adhoc){.kubeconfig = File,
			.context = "a\x1b"
				   "b"},
		"svc/api 80", &told);
	free(told);
	assert_string_equal(c.clusters[0].name, "a?b"); /* shown */
	assert_string_equal(c.clusters[0].context, "a\x1b"
						   "b");
	config_free(&c);

	make_as(&c, (struct adhoc){.kubeconfig = File, .namespace = "other"}, "svc/api 80", &told);
	free(told);
	assert_string_equal(c.forwards[0].target.namespace, "other");
	config_free(&c);

	setenv("KUBECONFIG", File, 1);
	setenv("PORTER_CHECK_INTERVAL", "20ms", 1);
	make_as(&c, (struct adhoc){0}, "svc/api 80", &told);
	unsetenv("PORTER_CHECK_INTERVAL");
	free(told);
	assert_null(c.clusters[0].kubeconfig);
	assert_string_equal(c.clusters[0].context, "kind");
	assert_int_equal(c.settings.check_interval_ms, 20);
	config_free(&c);
}

#define REMOTE " must be a number from 1 to 65535, or a port's name\n"
#define LOCAL  " must be a number from 1 to 65535, or nothing: any free one\n"

static void says_what_is_wrong(void **state)
{
	static const char *const Cases[][2] = {
		{"svc/api", "svc/api: which port? as in: svc/api 8080:80\n"},
		{"svc/api pod/db 80", "svc/api: which port? as in: svc/api 8080:80\n"},
		{"api svc/db 80", "api: which port? as in: api 8080:80\n"},
		{"8080:80", "8080:80: a port of what? as in: svc/api 8080:80\n"},
		{"svc/api:80", "svc/api:80: a blank before the port, as in: svc/api 80\n"},
		{"svc/api:8080:80 81",
			"svc/api:8080:80: a blank before the port, as in: svc/api 8080:80\n"},
		{"svc api 8080:80", "svc api: a type and its name are one word\n"
				    "  did you mean svc/api?\n"},
		{"svc/db 80 po api", "po api: a type and its name are one word\n"
				     "  did you mean po/api?\n"},
		{"rs/web 80", "unknown type 'rs' in 'rs/web'\n"
			      "  there are svc, pod, deploy, sts and ds\n"},
		{"sv/web 80", "unknown type 'sv' in 'sv/web'\n"
			      "  there are svc, pod, deploy, sts and ds\n"},
		{"svc/api http", "http: at which local port? as in: 8080:http\n"},
		{"svc/api 80 http", "http: at which local port? as in: 8080:http\n"},
		{"svcs/api 80", "unknown type 'svcs' in 'svcs/api'\n  did you mean 'svc'?\n"},
		{"ingress/api 80", "unknown type 'ingress' in 'ingress/api'\n"
				   "  there are svc, pod, deploy, sts and ds\n"},
		{"svc.apps/api 80", "unknown type 'svc.apps' in 'svc.apps/api'\n"
				    "  there are svc, pod, deploy, sts and ds\n"},
		{"svc/Api 80", "the name in 'svc/Api' must be lower-case letters, digits, '-' and "
			       "'.', 253 at most\n"},
		{"svc/ 80", "the name in 'svc/' must be lower-case letters, digits, '-' and '.', "
			    "253 at most\n"},
		{"svc/a/b 80", "the name in 'svc/a/b' must be lower-case letters, digits, '-' and "
			       "'.', 253 at most\n"},
		{"svc/api 0", "the remote port in '0'" REMOTE},
		{"svc/api 8080:", "the remote port in '8080:'" REMOTE},
		{"svc/api 8080:65536", "the remote port in '8080:65536'" REMOTE},
		{"svc/api 1:2:3", "the remote port in '1:2:3'" REMOTE},
		{"svc/api 80:HTTP", "the remote port in '80:HTTP'" REMOTE},
		{"pod/api 80:a-name-of-16-let", "the remote port in '80:a-name-of-16-let'" REMOTE},
		{"svc/api 65536:80", "the local port in '65536:80'" LOCAL},
		{"svc/api http:80", "the local port in 'http:80'" LOCAL},
		{"svc/api 80:http 80:x\x1b[2J pod/Db 5x:80",
			"the remote port in '80:x?[2J'" REMOTE
			"the name in 'pod/Db' must be lower-case letters, digits, '-' and '.', "
			"253 at most\n"
			"the local port in '5x:80'" LOCAL},
		{"svc/api 8080 pod/db 8080",
			"local port 8080 is used by both 'kind/api' and 'kind/db'\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		struct config c;
		char *told;
		make_as(&c, (struct adhoc){.kubeconfig = File}, Cases[i][0], &told);
		assert_string_equal(told, Cases[i][1]);
		free(told);
		config_free(&c);
	}
}

/* With those of the words: all of it is told at once. */
static void says_what_is_wrong_with_the_cluster(void **state)
{
	struct config c;
	char *told;
	(void)state;
	make_as(&c, (struct adhoc){.kubeconfig = "/nowhere/config", .namespace = "Shop"},
		"svc/api 80 pod/db 80 web", &told);
	assert_string_equal(told,
		"cannot read kubeconfig '/nowhere/config': No such file or directory\n"
		"a namespace must be lower-case letters, digits and '-', 63 at most, not 'Shop' "
		"(-n)\n"
		"web: at which local port? as in: 8080:web\n"
		"local port 80 is used by both '?/api' and '?/db'\n");
	free(told);
	make_as(&c, (struct adhoc){.kubeconfig = File, .context = "upper"}, "svc/api 80", &told);
	assert_string_equal(told,
		"a namespace must be lower-case letters, digits and '-', 63 at most, not 'Shop' "
		"(of the kubeconfig's context 'upper')\n");
	free(told);
}

static void tells_kubectl_s_grammar_from_names(void **state)
{
	char *const api[] = {"api", NULL}, *const names[] = {"api", "db", NULL};
	char *const service[] = {"svc/api", NULL}, *const later[] = {"api", "po/db", NULL};
	char *const pod[] = {"api", "8080", NULL}, *const any[] = {"api", ":80", NULL};
	char *const last[] = {"api", "db", "5432:pg", NULL}, *const number[] = {"8080", NULL};
	char *const label[] = {"prod/api", NULL}, *const typo[] = {"ing/api", "80", NULL};
	char *const pair[] = {":80", NULL}, *const glued[] = {"svc/api:80", NULL};
	char *const other[] = {"prod/a:80", NULL}, *const none[] = {NULL};
	(void)state;
	assert_false(adhoc_is(none));
	assert_false(adhoc_is(api));
	assert_false(adhoc_is(names));
	assert_true(adhoc_is(number));
	assert_true(adhoc_is(pair));
	assert_true(adhoc_is(glued));
	assert_false(adhoc_is(other));
	assert_false(adhoc_is(label));
	assert_true(adhoc_is(service));
	assert_true(adhoc_is(later));
	assert_true(adhoc_is(pod));
	assert_true(adhoc_is(any));
	assert_true(adhoc_is(last));
	assert_true(adhoc_is(typo));
}

static int write_kubeconfig(void **state)
{
	static const char Text[] =
		"{current-context: kind, clusters: [{name: c, cluster: {server: 'http://h'}}],\n"
		"contexts: [{name: kind, context: {cluster: c, namespace: shop}},\n"
		"{name: upper, context: {cluster: c, namespace: Shop}},\n"
		"{name: plain, context: {cluster: c}}, {name: \"a\\eb\", context: {cluster: "
		"c}}]}\n";
	int fd = mkstemp(File);
	(void)state;
	unsetenv("PORTER_CHECK_INTERVAL");
	unsetenv("PORTER_RECONNECT_DELAY");
	return fd < 0 || write(fd, Text, sizeof Text - 1) != sizeof Text - 1 || close(fd);
}

static int remove_kubeconfig(void **state)
{
	(void)state;
	return unlink(File);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_a_forward_of_each_port),
		cmocka_unit_test(knows_kubectl_s_names_of_types),
		cmocka_unit_test(is_asked_as_kubectl_is),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(says_what_is_wrong_with_the_cluster),
		cmocka_unit_test(tells_kubectl_s_grammar_from_names),
	};
	return cmocka_run_group_tests_name("adhoc", tests, write_kubeconfig, remove_kubeconfig);
}
