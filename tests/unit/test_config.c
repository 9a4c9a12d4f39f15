/* config.c: files in a folder of the test's own, and what becomes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "mem.h"

static char Start[4096], Folder[] = "/tmp/test_config.XXXXXX"; /* we are in the second */

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	char *text = mem_new(65536);
	assert_in_range(fread(text, 1, 65535, f), 1, 65534);
	fclose(f);
	return text;
}

static char *load_picked(struct config *c, const char *path, const struct config_pick *pick)
{
	struct buf errors = {0};
	*c = (struct config){0};
	bool good = config_load(c, path, pick, true, &errors);
	char *text = mem_dup_n(buf_data(&errors), buf_len(&errors));
	assert_int_equal(good, !*text);
	if (!good)
		assert_memory_equal(c, &(struct config){0}, sizeof *c);
	buf_free(&errors);
	return text;
}

static char *load_path(struct config *c, const char *path)
{
	return load_picked(c, path, NULL);
}

static char *load(struct config *c, const char *text)
{
	write_file("porter.ini", text);
	return load_path(c, "porter.ini");
}

/* The file is refused, and in these words. */
static void check_errors(const char *text, const char *errors)
{
	struct config c;
	char *told = load(&c, text);
	assert_string_equal(told, errors);
	free(told);
	config_free(&c);
}

#define PROD "[cluster prod]\n"
#define FORWARD(name, cluster, service, port)                                                      \
	"[forward " name "]\ncluster=" cluster "\nnamespace=default\nservice=" service             \
	"\ntype=service\nlocal_port=" port "\nremote_port=80\n"

static void loads_the_example(void **state)
{
	struct config c;
	char path[8192];
	(void)state;
	snprintf(path, sizeof path, "%s/porter.ini.example", Start);
	char *told = load_path(&c, path);
	assert_string_equal(told, "");
	free(told);
	assert_string_equal(c.path, path);
	assert_int_equal(c.cluster_count, 3);
	assert_string_equal(c.clusters[0].name, "production");
	assert_string_equal(c.clusters[0].context, "prod-context");
	snprintf(path, sizeof path, "%s/.kube/staging-config", Folder);
	assert_string_equal(c.clusters[1].kubeconfig, path);
	assert_null(c.clusters[1].context);
	assert_string_equal(c.clusters[1].ssh, "me@bastion");
	assert_null(c.clusters[1].proxy_command);
	assert_null(c.clusters[2].ssh);
	assert_string_equal(c.clusters[2].proxy_command[0], "nc");
	assert_string_equal(c.clusters[2].proxy_command[6], "%p");
	assert_int_equal(c.forward_count, 6);
	const struct config_forward *f = &c.forwards[1];
	assert_string_equal(f->name, "postgres");
	assert_int_equal(f->cluster, 0);
	assert_string_equal(f->target.namespace, "databases");
	assert_string_equal(f->target.name, "postgres-primary-0");
	assert_int_equal(f->target.type, K8S_POD);
	assert_int_equal(f->target.port, 5432);
	assert_string_equal(f->local_address, "127.0.0.2");
	assert_true(f->address_is_set);
	assert_int_equal(f->local_port, 5432);
	assert_int_equal(c.forwards[2].cluster, 1);
	assert_int_equal(c.forwards[2].target.type, K8S_SERVICE);
	assert_int_equal(c.forwards[1].probe.kind, PROBE_NONE);
	assert_int_equal(c.forwards[2].probe.kind, PROBE_HTTP);
	assert_string_equal(c.forwards[2].probe.path, "/healthz");
	assert_int_equal(c.forwards[3].target.type, K8S_SELECTOR);
	assert_string_equal(c.forwards[3].target.port_name, "metrics");
	assert_int_equal(c.forwards[4].target.type, K8S_STATEFULSET);
	assert_int_equal(c.forwards[4].target.port, 5432);
	assert_int_equal(c.forwards[4].probe.kind, PROBE_TCP);
	assert_int_equal(c.forwards[5].probe.kind, PROBE_NONE);
	assert_string_equal(c.forwards[5].profiles[1], "oncall");
	config_free(&c);
}

/* In this form, '%' standing for the key; and "[SECTION" somewhere. */
static void check_that_every_key_is_in(const char *file, const char *form)
{
	char path[8192], line[128];
	const char *section, *key;
	snprintf(path, sizeof path, "%s/%s", Start, file);
	char *text = read_file(path);
	size_t n = 0;
	for (; (key = config_key(n, &section)); n++) {
		snprintf(line, sizeof line, "%.*s%s%s", (int)strcspn(form, "%"), form, key,
			strchr(form, '%') + 1);
		if (!strstr(text, line))
			fail_msg("%s has no %s", file, key);
		snprintf(line, sizeof line, "[%.*s", (int)strcspn(section, " "), section);
		assert_non_null(strstr(text, line));
	}
	assert_true(n > 1);
	free(text);
}

static void finds_every_key_in_the_documents(void **state)
{
	(void)state;
	check_that_every_key_is_in("porter.ini.example", "\n% = ");
	check_that_every_key_is_in("README.md", " | `%` | ");
	check_that_every_key_is_in("porter.1", "\n.It Cm %\n");
}

static void check_settings(const struct config *c, int64_t check, int64_t delay, int64_t hold)
{
	assert_int_equal(c->settings.check_interval_ms, check);
	assert_int_equal(c->settings.reconnect_delay_ms, delay);
	assert_int_equal(c->settings.hold_ms, hold);
}

static void has_defaults(void **state)
{
	struct config c;
	(void)state;
	free(load(&c, PROD FORWARD("a", "prod", "api", "8080")));
	check_settings(&c, 10000, 5000, 10000);
	assert_int_equal(c.settings.tunnels, 4);
	assert_string_equal(c.log, "porter.log");
	assert_null(c.clusters[0].kubeconfig);
	assert_null(c.clusters[0].context);
	assert_int_equal(c.clusters[0].line, 1);
	assert_int_equal(c.forwards[0].line, 2);
	config_free(&c);
	/* keys without a value are as good as none */
	free(load(&c,
		"[porter]\ncheck_interval=\ntunnels=\nhold= ; x\n[cluster prod]\nkubeconfig=\n"
		"context=\n" FORWARD("a", "prod", "api", "8080")));
	check_settings(&c, 10000, 5000, 10000);
	assert_int_equal(c.settings.tunnels, 4);
	assert_null(c.clusters[0].kubeconfig);
	assert_null(c.clusters[0].context);
	config_free(&c);
}

static void takes_every_setting(void **state)
{
	struct config c;
	(void)state;
	free(load(&c, FORWARD("prod", "prod", "api.x-1", "65535") /* before its cluster */
		"[porter]\ncheck_interval=10ms\nreconnect_delay=0\nhold=1.5h\ntunnels=64\nlog="
		"\n" PROD "context = team#1;eu: x\ntransport = v4\n" FORWARD("other", "prod", "web",
			"65535") "local_address = 127.9.0.1\n" FORWARD("third", "prod", "web",
			"65534") "local_address = 0:0::1\nprobe = exec ./check -x \"a \\; b\" ; "
				 "c\n"));
	check_settings(&c, 10, 0, 5400000);
	assert_int_equal(c.settings.tunnels, 64);
	assert_string_equal(c.log, "");
	assert_string_equal(c.clusters[0].context, "team#1;eu: x");
	assert_string_equal(c.forwards[0].target.name, "api.x-1");
	assert_int_equal(c.clusters[0].transport, TRANSPORT_V4);
	assert_int_equal(c.forwards[0].local_port, 65535);
	assert_string_equal(c.forwards[1].local_address, "127.9.0.1");
	assert_true(c.forwards[1].address_is_set);
	assert_string_equal(c.forwards[2].local_address, "::1");
	assert_int_equal(c.forwards[0].probe.kind, PROBE_NONE);
	assert_int_equal(c.forwards[2].probe.kind, PROBE_EXEC);
	assert_string_equal(c.forwards[2].probe.argv[0], "./check");
	assert_string_equal(c.forwards[2].probe.argv[2], "a ; b");
	assert_null(c.forwards[2].probe.argv[3]);
	config_free(&c);
}

static void takes_paths_from_the_file_s_folder(void **state)
{
	struct config c;
	char path[128];
	(void)state;
	write_file("sub/kube", "");
	write_file("sub/porter.ini",
		"[porter]\nlog=~/my.log\n[cluster prod]\nkubeconfig=kube\n" FORWARD(
			"a", "prod", "api", "8080"));
	free(load_path(&c, "sub/porter.ini"));
	snprintf(path, sizeof path, "%s/sub/kube", Folder);
	assert_string_equal(c.clusters[0].kubeconfig, path);
	snprintf(path, sizeof path, "%s/my.log", Folder);
	assert_string_equal(c.log, path);
	config_free(&c);
}

#define SECTIONS "there are [porter], [cluster NAME], [forward NAME] and [template NAME]"

#define PROBES "'tcp', 'http /PATH', 'exec COMMAND' or 'none'"
#define TYPES  "'service', 'pod', 'deployment', 'statefulset', 'daemonset' or 'selector'"

#define YAML "porter.ini is YAML: yaml2ini porter.ini > porter-2.ini makes a porter.ini of it\n"

/* A file, and what is said of it. */
static const char *const Refused[][2] = {
	{"", "there is nothing to forward: no [forward NAME] (porter.ini)\n"},
	{PROD, "there is nothing to forward: no [forward NAME] (porter.ini)\n"},

	/* sections */
	{"[porters]\n", "unknown section [porters] (porter.ini:1)\n  did you mean [porter]?\n"},
	{"[Forward a]\n", "unknown section [Forward a] (porter.ini:1)\n"
			  "  did you mean [forward NAME]?\n"},
	{"\n[cluster]\n", "unknown section [cluster] (porter.ini:2)\n"
			  "  did you mean [cluster NAME]?\n"},
	{"[porter x]\n", "unknown section [porter x] (porter.ini:1)\n"
			 "  did you mean [porter]?\n"},
	{"[web]\nanything=1\n", "unknown section [web] (porter.ini:1)\n  " SECTIONS "\n"},
	{"[]\n", "unknown section [] (porter.ini:1)\n  " SECTIONS "\n"},
	{PROD FORWARD("a", "prod", "api", "1") "[ cluster\tprod ]\n",
		"[cluster prod] is there twice, first in line 1 (porter.ini:9)\n"},
	{"[porter]\n" PROD "[porter]\n" FORWARD("a", "prod", "api", "1"),
		"[porter] is there twice, first in line 1 (porter.ini:3)\n"},
	{PROD FORWARD("a", "prod", "api", "1") FORWARD("a", "prod", "api", "2"),
		"[forward a] is there twice, first in line 2 (porter.ini:9)\n"},
	{"hold = 5s\ntunnels = 3\n[porter]\n",
		"key 'hold' stands before the first [section] (porter.ini:1)\n"},
	{"log: x\n" PROD, "key 'log' stands before the first [section] (porter.ini:1)\n"},
	{"clusters: x\n" PROD, "key 'clusters' stands before the first [section] (porter.ini:1)\n"},
	{"\xef\xbb\xbf" PROD "context = x\n---\n",
		"the line is neither a [section] nor 'key = value' (porter.ini:3)\n"},
	{"logs: x\n", "key 'logs' stands before the first [section] (porter.ini:1)\n"},
	{"clusters:\n  - name: prod\n", YAML},
	{"log: x\nclusters:\n  - name: prod\n", YAML},
	{"\xef\xbb\xbf"
	 "clusters:",
		YAML},
	{"reconnect_delay : 5s\r\n", YAML},
	{"%YAML 1.2\n", YAML},
	{"# ours\n\n  ---\nclusters:\n", YAML},
	{"\"check_interval\": 10s\n", YAML},
	{"{clusters: []}\n", YAML},
	{"- name: prod\n", YAML},

	/* keys */
	{PROD "kubconfig=x\n", "unknown key 'kubconfig' in [cluster prod] (porter.ini:2)\n"
			       "  did you mean 'kubeconfig'?\n"},
	{PROD "context=a\ncontxt=b\n", "unknown key 'contxt' in [cluster prod] (porter.ini:3)\n"},
	{PROD "tunnels=3\n", "unknown key 'tunnels' in [cluster prod] (porter.ini:2)\n"
			     "  it belongs in [porter]\n"},
	{PROD "cluster=3\n", "unknown key 'cluster' in [cluster prod] (porter.ini:2)\n"
			     "  it belongs in [forward NAME]\n"},
	{PROD "colour=3\n", "unknown key 'colour' in [cluster prod] (porter.ini:2)\n"},
	{PROD "context=a\ncontext=b\n",
		"key 'context' is there twice in [cluster prod], first in line 2 "
		"(porter.ini:3)\n"},
	{PROD "context=\ncontext=b\n",
		"key 'context' is there twice in [cluster prod], first in line 2 "
		"(porter.ini:3)\n"},
	{PROD FORWARD("a", "prod", "", "8080"),
		"missing key 'service' in [forward a] (porter.ini:5)\n"},
	{PROD "[forward a]\n", "missing key 'cluster' in [forward a] (porter.ini:2)\n"
			       "missing key 'namespace' in [forward a] (porter.ini:2)\n"
			       "missing key 'type' in [forward a] (porter.ini:2)\n"
			       "missing key 'service' in [forward a] (porter.ini:2)\n"
			       "missing key 'remote_port' in [forward a] (porter.ini:2)\n"
			       "missing key 'local_port' in [forward a] (porter.ini:2)\n"},

	/* what is mistyped, or in a line that is refused, is not missing as well */
	{PROD "[forward a]\ncluster=prod\nname_space=x\nservice=a\ntype=pod\nlocal_prot=1\n"
	      "remote_port=80\n",
		"unknown key 'name_space' in [forward a] (porter.ini:4)\n"
		"  did you mean 'namespace'?\n"
		"unknown key 'local_prot' in [forward a] (porter.ini:7)\n"
		"  did you mean 'local_port'?\n"},
	{PROD "[forward a]\ncluster=prod\nnamespace x\nservice=a\ntype=pod\nlocal_port=1\n"
	      "remote_port=80\n",
		"the line is neither a [section] nor 'key = value' (porter.ini:4)\n"},
	{PROD FORWARD("a", "prod", "api", "1") "[forward b\ncluster=prod\n",
		"a [section] ends with ']', and nothing but a comment follows "
		"(porter.ini:9)\n"},

	/* values */
	{"[porter]\ncheck_interval=9ms\n", "check_interval in [porter] must be a duration "
					   "from 10ms to 24h, not '9ms' (porter.ini:2)\n"},
	{"[porter]\nreconnect_delay=5\n", "reconnect_delay in [porter] must be a duration "
					  "up to 24h, not '5' (porter.ini:2)\n"},
	{"[porter]\nhold=24h1ms\n", "hold in [porter] must be a duration up to 24h, not "
				    "'24h1ms' (porter.ini:2)\n"},
	{"[porter]\ntunnels=0\n", "tunnels in [porter] must be a number from 1 to 64, not "
				  "'0' (porter.ini:2)\n"},
	{"[porter]\ntunnels=65\n", "tunnels in [porter] must be a number from 1 to 64, not "
				   "'65' (porter.ini:2)\n"},
	{"[porter]\ntunnels=4 # four\n",
		"tunnels in [porter] must be a number from 1 to 64, not '4 # four' "
		"(porter.ini:2)\n  a comment behind a value begins with ';'\n"},
	{PROD FORWARD("a", "prod", "api", "65536"),
		"local_port in [forward a] must be a number from 1 to 65535, not '65536' "
		"(porter.ini:7)\n"},
	{PROD FORWARD("a", "prod", "api", "0"),
		"local_port in [forward a] must be a number from 1 to 65535, not '0' "
		"(porter.ini:7)\n"},
	{PROD FORWARD("a", "prod", "api", "-1"),
		"local_port in [forward a] must be a number from 1 to 65535, not '-1' "
		"(porter.ini:7)\n"},
	{PROD FORWARD("a", "prod", "api", "0x50"),
		"local_port in [forward a] must be a number from 1 to 65535, not '0x50' "
		"(porter.ini:7)\n"},
	{PROD FORWARD("a", "prod", "api", "18446744073709551697"), /* 2^64 + 81 */
		"local_port in [forward a] must be a number from 1 to 65535, not "
		"'18446744073709551697' (porter.ini:7)\n"},
	{PROD "[forward a]\ncluster=prod\nnamespace=Web_1\nservice=a/b\ntype=service\n"
	      "local_port=8080\nremote_port=-http\n",
		"namespace in [forward a] must be lower-case letters, digits and '-', 63 at most, "
		"not 'Web_1' (porter.ini:4)\n"
		"service in [forward a] must be lower-case letters, digits, '-' and '.', 253 at "
		"most, not 'a/b' (porter.ini:5)\n"
		"remote_port in [forward a] must be a number from 1 to 65535, or a port's name, "
		"not '-http' (porter.ini:8)\n"},
	{PROD FORWARD(
		 "a", "prod", "api", "1") "[forward b]\ncluster=prod\nnamespace=x\n"
					  "service=api\ntype=svc\nlocal_port=2\nremote_port=80\n",
		"type in [forward b] must be " TYPES ", not 'svc' (porter.ini:13)\n"},

	/* between sections */
	{PROD FORWARD("a", "prd", "api", "8080"),
		"unknown cluster 'prd' in [forward a] (porter.ini:3)\n"
		"  did you mean 'prod'?\n"},
	{PROD FORWARD("a", "staging", "api", "8080"),
		"unknown cluster 'staging' in [forward a] (porter.ini:3)\n"
		"  clusters have sections of their own: [cluster NAME]\n"},
	{PROD "[cluster staging]\n" FORWARD("a", "prod", "api", "8080") FORWARD(
		 "b", "staging", "web", "8081") FORWARD("c", "staging", "app", "8080"),
		"local port 8080 is used by both 'prod/api' and 'staging/app' "
		"(porter.ini:22)\n  first in line 8\n"},
	{PROD FORWARD("a", "prod", "api", "8080") FORWARD("a", "prod", "api", "8080")
			FORWARD("b", "prod", "web", "8080"),
		"[forward a] is there twice, first in line 2 (porter.ini:9)\n"
		"local port 8080 is used by both 'prod/api' and 'prod/web' (porter.ini:21)\n  "
		"first in line 7\n"},

	/* addresses */
	{PROD FORWARD("a", "prod", "api", "8080")
			FORWARD("b", "prod", "web", "8080") "local_address = ::1\n",
		"local port 8080 is used by both 'prod/api' and 'prod/web' (porter.ini:14)\n  "
		"first in line 7\n"},
	{PROD FORWARD("a", "prod", "api", "8080") "local_address = 0.0.0.0\n",
		"local_address in [forward a] must be 'localhost', an address of 127.0.0.0/8, or "
		"::1, not '0.0.0.0' (porter.ini:9)\n"},
	{"[cluster prod]\nssh=-oProxyCommand=x\n" FORWARD("a", "prod", "a", "1"),
		"ssh in [cluster prod] must be a host, USER@HOST or ssh://USER@HOST:PORT, not "
		"'-oProxyCommand=x' (porter.ini:2)\n"},
	{"[cluster prod]\nproxy_command=nc 'x\n" FORWARD("a", "prod", "a", "1"),
		"proxy_command in [cluster prod] must be a command and its arguments, not 'nc 'x' "
		"(porter.ini:2)\n  a ' is not closed; in quotes, too, a ';' behind a blank begins "
		"a comment\n"},
	{"[cluster prod]\nproxy_command=nc\nssh=b\n" FORWARD("a", "prod", "a", "1"),
		"ssh and proxy_command in [cluster prod] exclude each other (porter.ini:2)\n"},
	{"[cluster prod]\ntransport = tcp\n" FORWARD("a", "prod", "api", "8080"),
		"transport in [cluster prod] must be 'auto', 'websocket', 'spdy' or 'v4', not "
		"'tcp' (porter.ini:2)\n"},

	/* probes */
	{PROD FORWARD("a", "prod", "api", "8080") "probe = https /\n",
		"probe in [forward a] must be " PROBES ", not 'https /' (porter.ini:9)\n"},
	{PROD FORWARD("a", "prod", "api", "8080") "probe = tcp # often\n",
		"probe in [forward a] must be " PROBES ", not 'tcp # often' (porter.ini:9)\n"
		"  a comment behind a value begins with ';'\n"},
	{PROD FORWARD("a", "prod", "api", "8080") "probe = http /a\tb\n",
		"probe in [forward a] must be " PROBES ", not 'http /a?b' (porter.ini:9)\n"
		"  a path is ASCII without blanks: write %09\n"},
	{PROD FORWARD("a", "prod", "api", "8080") "probe = exec sh -c \"a ; b\"\n",
		"probe in [forward a] must be " PROBES ", not 'exec sh -c \"a' (porter.ini:9)\n"
		"  a \" is not closed; in quotes, too, a ';' behind a blank begins a comment\n"},

	{PROD FORWARD("a", "prod", "api", "70000") FORWARD("b", "prod", "api", "70000"),
		"local_port in [forward a] must be a number from 1 to 65535, not '70000' "
		"(porter.ini:7)\n"
		"local_port in [forward b] must be a number from 1 to 65535, not '70000' "
		"(porter.ini:14)\n"},

	/* templates: a wrong value is told once, what is missing by who takes it */
	{PROD "[template t]\ncluster=prd\nnamespace=X\ntype=pods\nremote_port=0\nprobe=x\n"
	      "[forward a]\ntemplate=t\nservice=a\nlocal_port=1\n"
	      "[forward b]\ntemplate=t\nservice=b\nlocal_port=2\n",
		"unknown cluster 'prd' in [template t] (porter.ini:3)\n  did you mean 'prod'?\n"
		"namespace in [template t] must be lower-case letters, digits and '-', 63 at most, "
		"not 'X' (porter.ini:4)\n"
		"type in [template t] must be " TYPES ", not 'pods' (porter.ini:5)\n"
		"remote_port in [template t] must be a number from 1 to 65535, or a port's name, "
		"not '0' (porter.ini:6)\n"
		"probe in [template t] must be " PROBES ", not 'x' (porter.ini:7)\n"},
	{PROD FORWARD("a", "prod", "api", "1") "[template t]\nlocal_port=0\n",
		"local_port in [template t] must be a number from 1 to 65535, not '0' "
		"(porter.ini:10)\n"},
	{PROD "[template t]\ncluster=prod\nnamespace=x\n[forward a]\ntemplate=t\ntype=pod\n"
	      "remote_port=1\nservice=\n",
		"missing key 'local_port' in [forward a] (porter.ini:5)\n"
		"missing key 'service' in [forward a] (porter.ini:9)\n"},
	{PROD "[template web]\n[forward a]\ntemplate=wep\n",
		"unknown template 'wep' in [forward a] (porter.ini:4)\n  did you mean 'web'?\n"},
	{PROD "[forward a]\ntemplate=web\nlocal_port=0\n",
		"unknown template 'web' in [forward a] (porter.ini:3)\n"
		"  templates have sections of their own: [template NAME]\n"
		"local_port in [forward a] must be a number from 1 to 65535, not '0' "
		"(porter.ini:4)\n"},
	{PROD FORWARD("a", "prod", "api", "1") "[template t]\ntemplate=u\n[template u]\n",
		"[template t] cannot have a template itself (porter.ini:10)\n"},
	{PROD "[template t]\nservice api\ntpye=pod\n[forward a]\ntemplate=t\ncluster=prod\n"
	      "namespace=x\nlocal_port=1\nremote_port=1\n",
		"the line is neither a [section] nor 'key = value' (porter.ini:3)\n"
		"unknown key 'tpye' in [template t] (porter.ini:4)\n  did you mean 'type'?\n"},
	{PROD "[template t]\ncluster=prod\nnamespace=x\ntype=pod\nremote_port=1\nlocal_port=5\n"
	      "[forward a]\nservice=a\ntemplate=t\n[forward b]\nservice=b\ntemplate=t\n",
		"local port 5 is used by both 'prod/a' and 'prod/b' (porter.ini:11)\n"
		"  first in line 8\n"},
	{PROD "[template t]\ncluster=prod\nnamespace=x\ntype=pod\nremote_port=1\n"
	      "[forward a]\nservice=app=web\ntemplate=t\nlocal_port=1\n",
		"service in [forward a] must be lower-case letters, digits, '-' and '.', 253 at "
		"most, not 'app=web' (porter.ini:8)\n"},
	{PROD "[template t]\ncluster=prod\nnamespace=x\ntype=selector\nservice=app=web\n"
	      "remote_port=80\n[forward a]\ntype=selectr\ntemplate=t\nlocal_port=1\n",
		"type in [forward a] must be " TYPES ", not 'selectr' (porter.ini:9)\n"},
	{PROD "[template "
	      "t]\ncluster=prod\nnamespace=x\nservice=app=web\nremote_port=sixteen-letters1\n"
	      "[forward a]\ntype=deployment\ntemplate=t\nlocal_port=1\n",
		"service in [template t] must be lower-case letters, digits, '-' and '.', 253 at "
		"most, not 'app=web' (porter.ini:5)\n  taken by [forward a], type deployment\n"
		"remote_port in [template t] must be a number from 1 to 65535, or a port's name, "
		"not 'sixteen-letters1' (porter.ini:6)\n  taken by [forward a], type deployment\n"},
	{"[template t]\n", "there is nothing to forward: no [forward NAME] (porter.ini)\n"},

	/* what is wrong in one section may be needed in another */
	{PROD FORWARD("a", "prd", "api", "1") FORWARD("b", "prod", "Web", "1"),
		"unknown cluster 'prd' in [forward a] (porter.ini:3)\n  did you mean 'prod'?\n"
		"service in [forward b] must be lower-case letters, digits, '-' and '.', 253 at "
		"most, not 'Web' (porter.ini:12)\n"
		"local port 1 is used by both '?/api' and 'prod/?' (porter.ini:14)\n  first in "
		"line 7\n"},

	/* files */
	{"[cluster production]\nkubeconfig=/nowhere/config\n" FORWARD(
		 "a", "production", "api", "8080"),
		"kubeconfig file not found for cluster 'production': /nowhere/config "
		"(porter.ini:2)\n"},
	{PROD "kubeconfig=porter.ini/config\n" FORWARD("a", "prod", "api", "8080"),
		"kubeconfig file not found for cluster 'prod': FOLDER/porter.ini/config "
		"(porter.ini:2)\n"},
};

static void says_what_is_wrong_and_where(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof Refused / sizeof *Refused; i++) {
		char want[1024];
		const char *folder = strstr(Refused[i][1], "FOLDER");
		int before = folder ? (int)(folder - Refused[i][1]) : 0;
		snprintf(want, sizeof want, "%.*s%s%s", before, Refused[i][1], folder ? Folder : "",
			Refused[i][1] + before + (folder ? strlen("FOLDER") : 0));
		check_errors(Refused[i][0], want);
	}
}

static void tells_every_mistake_in_the_order_of_the_lines(void **state)
{
	(void)state;
	check_errors("[forward api]\ncluster = prod\nnamespace = default\nservice = api\n"
		     "type = servce\nlocal_port = 99999\nremote_port = 80\n"
		     "[porter]\nhold = soon\nlogs = x.log\n[cluster prod\n",
		"unknown cluster 'prod' in [forward api] (porter.ini:2)\n"
		"  clusters have sections of their own: [cluster NAME]\n"
		"type in [forward api] must be " TYPES ", not 'servce' (porter.ini:5)\n"
		"local_port in [forward api] must be a number from 1 to 65535, not '99999' "
		"(porter.ini:6)\n"
		"hold in [porter] must be a duration up to 24h, not 'soon' (porter.ini:9)\n"
		"unknown key 'logs' in [porter] (porter.ini:10)\n  did you mean 'log'?\n"
		"a [section] ends with ']', and nothing but a comment follows (porter.ini:11)\n");
}

#define TEMPLATE                                                                                   \
	"[template t]\ncluster=prod\nnamespace=x\ntype=selector\nservice=app=web\n"                \
	"remote_port=http\nprobe=tcp\nprofile=dev\nlocal_address=::1\n"

static void fills_in_from_a_template(void **state)
{
	struct config c;
	(void)state;
	char *told =
		load(&c, "[forward a]\ntemplate=t\nlocal_port=1\nprobe=\n"
			 "[forward b]\ntemplate=t\nlocal_port=2\nprobe=none\ntype=pod\nservice=b\n"
			 "remote_port=80\nprofile=prod, x\nnamespace=y\n"
			 "local_address=localhost\n" PROD TEMPLATE "[template unused]\n");
	assert_string_equal(told, "");
	free(told);
	assert_int_equal(c.forward_count, 2);
	const struct config_forward *a = &c.forwards[0], *b = &c.forwards[1];
	assert_string_equal(a->name, "a");
	assert_string_equal(a->target.namespace, "x");
	assert_int_equal(a->target.type, K8S_SELECTOR);
	assert_string_equal(a->target.name, "app=web");
	assert_string_equal(a->target.port_name, "http");
	assert_int_equal(a->target.port, 0);
	assert_int_equal(a->probe.kind, PROBE_TCP); /* a key without a value is none */
	assert_string_equal(a->profiles[0], "dev");
	assert_string_equal(a->local_address, "::1");
	assert_int_equal(a->line, 1);
	assert_int_equal(a->port_line, 3);
	assert_string_equal(b->target.namespace, "y");
	assert_int_equal(b->target.type, K8S_POD);
	assert_string_equal(b->target.name, "b");
	assert_int_equal(b->target.port, 80);
	assert_null(b->target.port_name);
	assert_int_equal(b->probe.kind, PROBE_NONE);
	assert_string_equal(b->profiles[0], "prod");
	assert_string_equal(b->profiles[1], "x");
	assert_null(b->profiles[2]);
	assert_string_equal(b->local_address, "127.0.0.1");
	assert_false(b->address_is_set);
	config_free(&c);
}

static void knows_every_type(void **state)
{
	static const char *const Types[] = {[K8S_SERVICE] = "service",
		[K8S_POD] = "pod",
		[K8S_DEPLOYMENT] = "deployment",
		[K8S_STATEFULSET] = "statefulset",
		[K8S_DAEMONSET] = "daemonset",
		[K8S_SELECTOR] = "selector"};
	(void)state;
	for (size_t i = 0; i < sizeof Types / sizeof *Types; i++) {
		struct config c;
		char text[512];
		snprintf(text, sizeof text,
			PROD "[forward a]\ncluster=prod\nnamespace=x\nservice=web\ntype=%s\n"
			     "local_port=1\nremote_port=1\n",
			Types[i]);
		free(load(&c, text));
		assert_int_equal(c.forward_count, 1);
		assert_int_equal(c.forwards[0].target.type, i);
		config_free(&c);
	}
}

/* Each of two databases has its profile; the file's third forward has none. */
static const char Profiles[] =
	"[cluster east]\nkubeconfig=/nowhere/config\n"
	"[cluster idle]\n[cluster west]\n" FORWARD(
		"db-dev", "west", "db", "5432") "profile=dev\n" FORWARD("db-prod", "east", "db",
		"5432") "profile=prod, oncall\n" FORWARD("web", "west", "web", "80");

static void expect_picked(const struct config_pick *pick, const char *told, const char *first)
{
	struct config c;
	write_file("porter.ini", Profiles);
	char *text = load_picked(&c, "porter.ini", pick);
	assert_string_equal(text, told);
	free(text);
	if (first)
		assert_string_equal(c.forwards[0].name, first);
	config_free(&c);
}

#define EAST "kubeconfig file not found for cluster 'east': /nowhere/config (porter.ini:2)\n"

/* What is not picked is neither missed nor in the way. */
static void judges_between_sections_what_is_picked(void **state)
{
	static const char *const Dev[] = {"dev", NULL}, *const OnCall[] = {"oncall", NULL};
	static const char *const Both[] = {"db-dev", "db-prod", NULL}, *const Web[] = {"web", NULL};
	(void)state;
	expect_picked(NULL,
		EAST "local port 5432 is used by both 'west/db' and 'east/db' "
		     "(porter.ini:18)\n  first in line 10\n",
		NULL);
	expect_picked(&(struct config_pick){.profiles = Dev}, "", "db-dev");
	expect_picked(&(struct config_pick){.names = Web}, "", "web");
	expect_picked(&(struct config_pick){.names = Web, .profiles = Dev}, "", "db-dev");
	expect_picked(&(struct config_pick){.profiles = OnCall}, EAST, NULL);
	expect_picked(&(struct config_pick){.names = Both},
		EAST "local port 5432 is used by both 'west/db' and 'east/db' (porter.ini:18)\n"
		     "  first in line 10\n",
		NULL);
}

static void drops_what_is_not_picked(void **state)
{
	static const char *const Web[] = {"web", NULL}, *const Typo[] = {"wep", NULL};
	const struct config_pick pick = {.names = Web};
	struct config c;
	(void)state;
	write_file("porter.ini", Profiles);
	free(load_picked(&c, "porter.ini", &pick));
	assert_int_equal(c.forward_count, 1);
	assert_int_equal(c.cluster_count, 1);
	assert_string_equal(c.clusters[0].name, "west");
	assert_int_equal(c.forwards[0].cluster, 0);
	config_free(&c);
	expect_picked(&(struct config_pick){.names = Typo},
		"no forward is called 'wep' (porter.ini)\n  did you mean 'web'?\n"
		"  there are: db-dev, db-prod, web\n",
		NULL);
	/* the rest is checked all the same */
	write_file("porter.ini", PROD "[forward a]\n" FORWARD("web", "prod", "web", "80"));
	char *told = load_picked(&c, "porter.ini", &pick);
	assert_non_null(strstr(told, "missing key 'type' in [forward a] (porter.ini:2)\n"));
	free(told);
}

static void heeds_the_environment(void **state)
{
	struct config c;
	(void)state;
	const char *file = "[porter]\ncheck_interval=1s\nreconnect_delay=2s\n" PROD FORWARD(
		"a", "prod", "api", "1");
	setenv("PORTER_CHECK_INTERVAL", "10ms", 1);
	setenv("PORTER_RECONNECT_DELAY", "", 1);
	free(load(&c, file));
	check_settings(&c, 10, 2000, 10000);
	config_free(&c);
	setenv("PORTER_CHECK_INTERVAL", "x", 1);
	setenv("PORTER_RECONNECT_DELAY", "25h", 1);
	check_errors(file,
		"PORTER_CHECK_INTERVAL must be a duration from 10ms to 24h, not 'x' (environment)\n"
		"PORTER_RECONNECT_DELAY must be a duration up to 24h, not '25h' (environment)\n");
	struct problems p = {0};
	setenv("PORTER_RECONNECT_DELAY", "7s", 1);
	unsetenv("PORTER_CHECK_INTERVAL");
	c = (struct config){0};
	config_defaults(&c, &p);
	check_settings(&c, 10000, 7000, 10000);
	assert_int_equal(c.settings.tunnels, 4);
	assert_int_equal(p.count, 0);
	assert_null(c.path);
	config_free(&c);
	unsetenv("PORTER_RECONNECT_DELAY");
}

static void expect_yaml(const char *path, const char *command)
{
	struct config c;
	char want[256];
	write_file(path, "clusters:\n");
	char *told = load_path(&c, path);
	snprintf(want, sizeof want, "%s is YAML: yaml2ini %s makes a porter.ini of it\n", path,
		command);
	assert_string_equal(told, want);
	free(told);
}

/* To a file that is not there yet. */
static void names_the_way_from_yaml(void **state)
{
	struct config c;
	(void)state;
	unlink("porter.ini");
	expect_yaml("config.yaml", "config.yaml > porter.ini");
	write_file("porter.ini", "");
	expect_yaml("config.yaml", "config.yaml > porter-2.ini");
	write_file("porter-2.ini", "");
	expect_yaml("config.yaml", "config.yaml > porter-3.ini");
	expect_yaml("a b'c.yml", "'a b'\\''c.yml' > porter-3.ini");
	unlink("porter-2.ini");
	write_file("config.yaml", "");
	char *told = load_path(&c, "config.yaml");
	assert_string_equal(told, "there is nothing to forward: no [forward NAME] (config.yaml)\n");
	free(told);
	write_file("config.yaml", "; ours\n" PROD FORWARD("a", "prod", "api", "1"));
	told = load_path(&c, "config.yaml");
	assert_string_equal(told, "");
	free(told);
	config_free(&c);
}

/* The last one in a file of one cluster, with these lines more. */
static void load_one(struct config *c, const char *cluster, const char *forward)
{
	char text[1024];
	snprintf(text, sizeof text,
		"[cluster prod]\n%s[template t]\ncluster=prod\nnamespace=x\ntype=pod\n"
		"service=a\nremote_port=80\nlocal_port=80\nprobe=exec a b\n"
		"[forward a]\ntemplate=t\n%s",
		cluster, forward);
	char *told = load(c, text);
	assert_string_equal(told, "");
	free(told);
}

/* It is a word, and no file that has to be there. */
static void takes_in_cluster_for_a_kubeconfig(void **state)
{
	struct config c;
	(void)state;
	load_one(&c, "kubeconfig=in-cluster\n", "");
	assert_string_equal(c.clusters[0].kubeconfig, "in-cluster");
	config_free(&c);
}

static void knows_what_would_be_the_same(void **state)
{
	static const char *const Clusters[] = {"context=x\n", "transport=spdy\n",
		"kubeconfig=~/.kube/config\n", "ssh=b\n", "proxy_command=nc %h\n"};
	static const char *const Forwards[] = {"namespace=y\n", "type=deployment\n", "service=b\n",
		"remote_port=81\n", "remote_port=http\n", "local_port=81\n",
		"local_address=127.0.0.1\n", "local_address=::1\n", "probe=none\n", "probe=tcp\n",
		"probe=http /\n", "probe=exec a\n", "probe=exec a b c\n", "probe=exec a c\n"};
	struct config a, b;
	(void)state;
	load_one(&a, "", "");
	load_one(&b, "\n\n", "\nprofile=dev\nprobe=exec 'a' b\nlocal_address=localhost\n");
	assert_true(config_same_cluster(&a.clusters[0], &b.clusters[0]));
	assert_true(config_same_forward(&a.forwards[0], &b.forwards[0]));
	b.forwards[0].cluster = 7;
	assert_true(config_same_forward(&a.forwards[0], &b.forwards[0]));
	*b.forwards[0].name = 'b'; /* it is shown by its service, unless it is a selector */
	assert_true(config_same_forward(&a.forwards[0], &b.forwards[0]));
	a.forwards[0].target.type = b.forwards[0].target.type = K8S_SELECTOR;
	assert_false(config_same_forward(&a.forwards[0], &b.forwards[0]));
	a.forwards[0].target.type = K8S_POD;
	*b.clusters[0].name = 'b';
	assert_false(config_same_cluster(&a.clusters[0], &b.clusters[0]));
	config_free(&b);
	for (size_t i = 0; i < sizeof Clusters / sizeof *Clusters; i++) {
		load_one(&b, Clusters[i], "");
		assert_false(config_same_cluster(&a.clusters[0], &b.clusters[0]));
		assert_false(config_same_cluster(&b.clusters[0], &a.clusters[0]));
		config_free(&b);
	}
	for (size_t i = 0; i < sizeof Forwards / sizeof *Forwards; i++) {
		load_one(&b, "", Forwards[i]);
		if (config_same_forward(&a.forwards[0], &b.forwards[0]) ||
			config_same_forward(&b.forwards[0], &a.forwards[0]))
			fail_msg("as good as the same: %s", Forwards[i]);
		config_free(&b);
	}
	free(a.forwards[0].target.port_name);
	a.forwards[0].target.port_name = mem_dup("http");
	a.forwards[0].target.port = 0;
	load_one(&b, "", "remote_port=grpc\n");
	assert_false(config_same_forward(&a.forwards[0], &b.forwards[0]));
	config_free(&b);
	config_free(&a);
}

static void lets_its_entries_be_moved_out(void **state)
{
	struct config c;
	(void)state;
	load_one(&c, "context=x\n", "profile=a, b\nremote_port=http\n");
	struct config_forward f = c.forwards[0];
	struct config_cluster k = c.clusters[0];
	c.forwards[0] = (struct config_forward){0};
	c.clusters[0] = (struct config_cluster){0};
	config_free(&c);
	assert_string_equal(f.profiles[1], "b");
	assert_string_equal(k.context, "x");
	config_forward_free(&f);
	config_cluster_free(&k);
	assert_memory_equal(&f, &(struct config_forward){0}, sizeof f);
	assert_memory_equal(&k, &(struct config_cluster){0}, sizeof k);
}

static void stops_after_fifty(void **state)
{
	char *text = mem_new(65536), *told;
	struct config c;
	(void)state;
	strcpy(text, "[porter]\n");
	for (int i = 0; i < 57; i++)
		strcat(text, "x\n");
	told = load(&c, text);
	assert_null(strstr(told, "porter.ini:52)"));
	assert_non_null(strstr(told, "(porter.ini:51)\n  and 7 more\n"));
	free(told);
	free(text);
}

static void says_why_a_file_cannot_be_read(void **state)
{
	struct config c;
	(void)state;
	char *told = load_path(&c, "no.ini");
	assert_string_equal(
		told, "the configuration cannot be read: No such file or directory (no.ini)\n");
	free(told);
	told = load_path(&c, "sub");
	assert_string_equal(told, "the configuration cannot be read: Is a directory (sub)\n");
	free(told);
	char *big = mem_new((1 << 20) + 2);
	memset(big, '\n', (1 << 20) + 1);
	told = load(&c, big);
	assert_string_equal(told, "the configuration is larger than 1 MiB (porter.ini)\n");
	free(told);
	free(big);
}

/* In two parts, the second one later. */
static void write_to_pipe(const char *first, const char *second)
{
	int fd = open("pipe", O_WRONLY);
	bool good = write(fd, first, strlen(first)) == (ssize_t)strlen(first);
	usleep(50000);
	good = good && write(fd, second, strlen(second)) == (ssize_t)strlen(second);
	_exit(!good);
}

/* Nobody writes to it: what waits is ended by the alarm. */
static void waits_for_a_pipe_where_it_may(void **state)
{
	struct config c = {0};
	struct buf errors = {0};
	int status;
	(void)state;
	alarm(60);
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_false(config_load(&c, "pipe", NULL, false, &errors));
	buf_put(&errors, "", 1);
	assert_string_equal((char *)buf_data(&errors),
		"the configuration came through a pipe: it cannot be read again (pipe)\n");
	buf_free(&errors);
	pid_t pid = fork();
	if (!pid)
		write_to_pipe(PROD, FORWARD("a", "prod", "api", "1"));
	char *told = load_path(&c, "pipe");
	assert_string_equal(told, "");
	free(told);
	assert_int_equal(c.forward_count, 1);
	config_free(&c);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	alarm(0);
}

/* What is shown of a file and of its name is text. */
static void shows_no_control_characters(void **state)
{
	struct config c;
	(void)state;
	write_file("a\x1b[2J.ini", "[porter]\nx=\x1b[2J\n");
	char *told = load_path(&c, "a\x1b[2J.ini");
	assert_string_equal(told, "there is a control character in the line (a?[2J.ini:2)\n");
	free(told);
}

static int set_up(void **state)
{
	(void)state;
	if (!getcwd(Start, sizeof Start) || !mkdtemp(Folder) || chdir(Folder) ||
		mkdir("sub", 0700) || mkdir(".kube", 0700))
		return -1;
	setenv("HOME", Folder, 1);
	unsetenv("PORTER_CHECK_INTERVAL");
	unsetenv("PORTER_RECONNECT_DELAY");
	write_file(".kube/config", "");
	write_file(".kube/staging-config", "");
	return 0;
}

static int tear_down(void **state)
{
	static const char *const Files[] = {"porter.ini", "sub/porter.ini", "sub/kube",
		"a\x1b[2J.ini", "config.yaml", "a b'c.yml", "pipe", ".kube/config",
		".kube/staging-config"};
	(void)state;
	for (size_t i = 0; i < sizeof Files / sizeof *Files; i++)
		unlink(Files[i]);
	return rmdir("sub") || rmdir(".kube") || chdir(Start) || rmdir(Folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_the_example),
		cmocka_unit_test(finds_every_key_in_the_documents),
		cmocka_unit_test(has_defaults),
		cmocka_unit_test(takes_every_setting),
		cmocka_unit_test(takes_paths_from_the_file_s_folder),
		cmocka_unit_test(says_what_is_wrong_and_where),
		cmocka_unit_test(tells_every_mistake_in_the_order_of_the_lines),
		cmocka_unit_test(fills_in_from_a_template),
		cmocka_unit_test(knows_every_type),
		cmocka_unit_test(judges_between_sections_what_is_picked),
		cmocka_unit_test(drops_what_is_not_picked),
		cmocka_unit_test(heeds_the_environment),
		cmocka_unit_test(names_the_way_from_yaml),
		cmocka_unit_test(takes_in_cluster_for_a_kubeconfig),
		cmocka_unit_test(knows_what_would_be_the_same),
		cmocka_unit_test(lets_its_entries_be_moved_out),
		cmocka_unit_test(stops_after_fifty),
		cmocka_unit_test(says_why_a_file_cannot_be_read),
		cmocka_unit_test(waits_for_a_pipe_where_it_may),
		cmocka_unit_test(shows_no_control_characters),
	};
	return cmocka_run_group_tests_name("config", tests, set_up, tear_down);
}
