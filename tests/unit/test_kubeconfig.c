/* kubeconfig.c: the files that clusters' tools write (kubeconfigs/), and small
 * ones for each rule and refusal.  Run from the top of the tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kubeconfig.h"

#define FILES "tests/unit/kubeconfigs/"

static char Dir[] = "/tmp/porter-kubeconfig-XXXXXX";
static char File[sizeof Dir + 16];
static char Top[4096];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(Dir) || !getcwd(Top, sizeof Top))
		return -1;
	snprintf(File, sizeof File, "%s/config", Dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(File);
	return rmdir(Dir);
}

static void write_file(const char *text)
{
	FILE *f = fopen(File, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	fclose(f);
}

static struct kubeconfig load(const char *file, const char *context)
{
	struct kubeconfig k = {0};
	struct err e = {0};
	bool ok = kubeconfig_load(&k, file, context, &e);
	assert_string_equal(e.text, "");
	assert_true(ok);
	assert_string_equal(k.file, file);
	return k;
}

/* The words of a refusal, without the file's name; "" if there is none. */
static const char *said(const char *file, const char *context)
{
	static struct err e;
	struct kubeconfig k = {0}, none = {0};
	e = (struct err){0};
	bool ok = kubeconfig_load(&k, file, context, &e);
	if (ok)
		kubeconfig_free(&k);
	assert_int_equal(ok, e.kind == ERR_NONE);
	assert_memory_equal(&k, &none, sizeof k);
	return strncmp(e.text, file, strlen(file)) ? e.text : e.text + strlen(file);
}

static void assert_text(const char *text, const char *want)
{
	if (want)
		assert_string_equal(text, want);
	else
		assert_null(text);
}

#define PEM(kind, what) "-----BEGIN " kind "-----\n" what "\n-----END " kind "-----\n"
#define CERT(what)      PEM("CERTIFICATE", what)
#define KEY             PEM("RSA PRIVATE KEY", "no real key")

static void reads_what_the_tools_of_clusters_write(void **state)
{
	static const struct {
		const char *file, *context, *host;
		uint16_t port;
		const char *prefix, *namespace, *ca, *cert, *key, *token;
	} Cases[] = {
		{"kind", "kind-kind", "127.0.0.1", 41653, "", "default", CERT("kind ca"),
			CERT("kind client"), KEY, NULL},
		{"k3s", "default", "127.0.0.1", 6443, "", "default", CERT("k3s ca"),
			CERT("k3s client"), KEY, NULL},
		{"minikube", "minikube", "192.168.49.2", 8443, "", "web", CERT("minikube ca"),
			CERT("minikube client"), KEY, NULL},
		{"aks", "prod-admin", "prod-dns-0a1b2c3d.hcp.westeurope.azmk8s.io", 443, "",
			"default", CERT("aks ca"), CERT("aks client"), KEY, "0123456789abcdef"},
		{"rancher", "prod", "rancher.example.com", 443, "/k8s/clusters/c-m-x7k2v9qd",
			"default", CERT("rancher ca"), NULL, NULL,
			"kubeconfig-user-abcde:no-real-token"},
		{"openshift", "my-project/api-crc-testing:6443/developer", "api.crc.testing", 6443,
			"", "my-project", NULL, NULL, NULL, "sha256~no-real-token"},
		{"docker-desktop", "docker-desktop", "kubernetes.docker.internal", 6443, "",
			"default", CERT("docker ca"), CERT("docker client"), KEY, NULL},
		{"json", "a", "a.example", 443, "", "default", NULL, NULL, NULL, NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		char file[128];
		snprintf(file, sizeof file, FILES "%s.yaml", Cases[i].file);
		struct kubeconfig k = load(file, NULL);
		assert_string_equal(k.context, Cases[i].context);
		assert_true(k.tls);
		assert_string_equal(k.host, Cases[i].host);
		assert_int_equal(k.port, Cases[i].port);
		assert_string_equal(k.prefix, Cases[i].prefix);
		assert_string_equal(k.namespace, Cases[i].namespace);
		assert_text(k.ca, Cases[i].ca);
		assert_text(k.cert, Cases[i].cert);
		assert_text(k.key.p, Cases[i].key);
		assert_int_equal(k.key.n, Cases[i].key ? strlen(Cases[i].key) : 0);
		assert_text(k.token.p, Cases[i].token);
		assert_int_equal(k.insecure, !strcmp(Cases[i].file, "openshift"));
		kubeconfig_free(&k);
	}
}

static void reads_the_context_that_is_asked_for(void **state)
{
	(void)state;
	struct kubeconfig k = load(FILES "rancher.yaml", "prod-node1");
	assert_string_equal(k.context, "prod-node1");
	assert_string_equal(k.host, "10.0.0.11");
	assert_string_equal(k.token.p, "kubeconfig-user-abcde:no-real-token");
	kubeconfig_free(&k);
}

static void keeps_every_kind_of_credential(void **state)
{
	char want[sizeof Top + 64];
	(void)state;
	struct kubeconfig k = load(FILES "service-account.yaml", NULL);
	assert_false(k.tls);
	assert_string_equal(k.host, "::1");
	assert_int_equal(k.port, 8001);
	assert_string_equal(k.prefix, "");
	assert_string_equal(k.namespace, "default");
	assert_string_equal(k.tls_name, "kubernetes.default.svc");
	assert_string_equal(k.username, "ada");
	assert_string_equal(k.password.p, "0815"); /* as it is written, not a number */
	snprintf(want, sizeof want, "%s/" FILES "minikube/../token", Top);
	assert_string_equal(k.token_file, want); /* stays right after chdir() */
	kubeconfig_free(&k);
}

static void refuses_exec_by_name_in_the_context_that_needs_it(void **state)
{
	static const char Why[] = "exec is not supported: use a token or a client certificate";
	(void)state;
	assert_string_equal(strstr(said(FILES "eks.yaml", NULL), "exec"), Why);
	assert_string_equal(strstr(said(FILES "gke.yaml", NULL), "exec"), Why);
	assert_string_equal(strstr(said(FILES "aks.yaml", "prod"), "exec"), Why);
	assert_true(!strncmp(said(FILES "aks.yaml", "prod"), ":27: ", 5));
}

#define AROUND(cluster, user)                                                                      \
	"clusters:\n- name: c\n  cluster: {" cluster "}\nusers:\n- name: u\n  user: {" user "}\n"  \
	"contexts:\n- name: x\n  context: {cluster: c, user: u}\ncurrent-context: x\n"
#define SERVER(url) AROUND("server: '" url "'", "")
#define CA          "certificate-authority-data: YQ=="

static void reads_servers_as_urls(void **state)
{
	static const struct {
		const char *file, *host;
		int port;
		bool tls;
		const char *prefix;
	} Cases[] = {
		{SERVER("https://h"), "h", 443, true, ""},
		{SERVER("HTTPS://h:/"), "h", 443, true, ""},
		{SERVER("http://h"), "h", 80, false, ""},
		{SERVER("https://h:1/a/b//"), "h", 1, true, "/a/b"},
		{SERVER("https://[::]"), "::", 443, true, ""},
		{SERVER("https://[2001:db8::1]"), "2001:db8::1", 443, true, ""},
		{SERVER("https://[::1]:65535/a%20b"), "::1", 65535, true, "/a%20b"},
		{SERVER("10.0.0.1:8080"), "10.0.0.1", 8080, false, ""},
		{AROUND("server: h, " CA, ""), "h", 443, true, ""},
		{AROUND("server: h, insecure-skip-tls-verify: true", ""), "h", 443, true, ""},
		{AROUND("server: h", "client-certificate-data: YQ==, client-key-data: YQ=="), "h",
			443, true, ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		write_file(Cases[i].file);
		struct kubeconfig k = load(File, NULL);
		assert_string_equal(k.host, Cases[i].host);
		assert_int_equal(k.port, Cases[i].port);
		assert_string_equal(k.prefix, Cases[i].prefix);
		assert_int_equal(k.tls, Cases[i].tls);
		kubeconfig_free(&k);
	}
}

static void refuses_servers_that_are_no_urls(void **state)
{
	static const char *const Files[] = {SERVER("https://"), SERVER("https://:1"),
		SERVER("https://h:0"), SERVER("https://h:65536"), SERVER("https://h:1x"),
		SERVER("https://h:18446744073709551617"), SERVER("https://u:p@h"),
		SERVER("https://h?x"), SERVER("https://h/?x"), SERVER("https://h/#x"),
		SERVER("https://h /x"), SERVER("https://h/a b"), SERVER("https://[::1"),
		SERVER("https://[]"), SERVER("https://[:]"), SERVER("https://[::1]x"),
		SERVER("https://[fe80::1%25e]"), SERVER("ftp://h"), SERVER("unix:///run/x"),
		SERVER("https://\xc3\xa4")};
	(void)state;
	for (size_t i = 0; i < sizeof Files / sizeof *Files; i++) {
		write_file(Files[i]);
		assert_string_equal(
			said(File, NULL), ":3: server is not a URL such as https://host:6443");
	}
}

static void prefers_data_to_files(void **state)
{
	(void)state;
	write_file(AROUND("server: h, certificate-authority: nowhere, " CA, ""));
	struct kubeconfig k = load(File, NULL);
	assert_string_equal(k.ca, "a");
	kubeconfig_free(&k);
}

static void takes_nulls_and_empty_texts_as_absent(void **state)
{
	(void)state;
	write_file(AROUND("server: h, certificate-authority-data: '', proxy-url: '', "
			  "insecure-skip-tls-verify: null",
		"exec: null, as: '', as-groups: [], token: '', tokenFile: , username: ~"));
	struct kubeconfig k = load(File, NULL);
	assert_null(k.ca);
	assert_null(k.token.p);
	assert_null(k.token_file);
	assert_null(k.username);
	kubeconfig_free(&k);
}

static void says_what_is_wrong_and_where(void **state)
{
	static const struct {
		const char *file, *context, *why;
	} Cases[] = {
		{"", NULL, ": this is not a kubeconfig"},
		{"a\n", NULL, ": this is not a kubeconfig"},
		{"a: b\nc: &d e\n", NULL, ":2: anchors are not supported: write the value out"},
		{"kind: Secret\n", NULL, ":1: this is not a kubeconfig: its kind is 'Secret'"},
		{"kind: Config\n", NULL, ": there is no current-context: name a context"},
		{"kind: Config\n", "x", ": there is no context 'x'; there is: none"},
		{SERVER("h"), "z", ": there is no context 'z'; there is: 'x'"},
		{"contexts: a\n", "x", ":1: contexts must be a list"},
		{"contexts:\n- name: x\n- name: y\n- name: x\n", "x",
			":4: there are two contexts called 'x'"},
		{"contexts:\n- name: x\n  context: y\n", "x", ":3: context must be a map"},
		{"contexts:\n- name: x\n  context: {user: u}\n", "x",
			":3: context 'x' names no cluster"},
		{"contexts:\n- name: x\n  context: {cluster: d}\nclusters:\n- name: c\n- name: e\n",
			"x", ": there is no cluster 'd'; there is: 'c', 'e'"},
		{"contexts:\n- name: x\n  context: {cluster: c, user: v}\nclusters:\n- name: c\n",
			"x", ": there is no user 'v'; there is: none"},
		{AROUND("", ""), NULL, ":3: the cluster has no server"},
		{AROUND("server: [h]", ""), NULL, ":3: server must be a text"},
		{AROUND("server: \"h\\0\"", ""), NULL, ":3: server holds a NUL"},
		{AROUND("server: h, insecure-skip-tls-verify: yes", ""), NULL,
			":3: insecure-skip-tls-verify must be true or false"},
		{AROUND("server: h, insecure-skip-tls-verify: true, " CA, ""), NULL,
			":3: insecure-skip-tls-verify and a certificate-authority exclude each "
			"other"},
		{AROUND("server: h, certificate-authority-data: '%'", ""), NULL,
			":3: certificate-authority-data is not Base64"},
		{AROUND("server: h, certificate-authority-data: AA==", ""), NULL,
			":3: certificate-authority-data is not PEM"},
		{AROUND("server: h, proxy-url: 'http://p'", ""), NULL,
			":3: proxy-url is not supported"},
		{AROUND("server: h", "auth-provider: {name: oidc}"), NULL,
			":6: auth-provider is not supported: use a token or a client certificate"},
		{AROUND("server: h", "token: [a]"), NULL, ":6: token must be a text"},
		{AROUND("server: h", "as: root"), NULL, ":6: as is not supported"},
		{AROUND("server: h", "as-groups: [a]"), NULL, ":6: as-groups is not supported"},
		{AROUND("server: h", "client-certificate-data: YQ=="), NULL,
			":6: client-certificate and client-key need each other"},
		{AROUND("server: h", "client-key-data: YQ=="), NULL,
			":6: client-certificate and client-key need each other"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		write_file(Cases[i].file);
		assert_string_equal(said(File, Cases[i].context), Cases[i].why);
	}
}

static void says_which_file_cannot_be_read(void **state)
{
	struct kubeconfig k = {0};
	struct err e = {0};
	char want[128];
	(void)state;
	assert_false(kubeconfig_load(&k, "/nowhere/config", NULL, &e));
	assert_string_equal(
		e.text, "cannot read kubeconfig '/nowhere/config': No such file or directory");
	assert_int_equal(e.code, ENOENT);
	e = (struct err){0};
	assert_false(kubeconfig_load(&k, Dir, NULL, &e));
	assert_int_equal(e.code, EISDIR);
	write_file(AROUND("server: h, certificate-authority: ca.crt", ""));
	snprintf(want, sizeof want,
		":3: cannot read certificate-authority '%s/ca.crt': No such file or directory",
		Dir);
	assert_string_equal(said(File, NULL), want);
}

static void finds_paths(void **state)
{
	static const struct {
		const char *path, *dir, *want;
	} Cases[] = {{"a/b", "/d", "/d/a/b"}, {"a", NULL, "a"}, {"/a", "/d", "/a"},
		{"~/a", "/d", "/h/a"}, {"~/a", NULL, "/h/a"}, {"~a/b", "/d", "/d/~a/b"},
		{"~", NULL, "~"}};
	(void)state;
	setenv("HOME", "/h", 1);
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		char *path = kubeconfig_path(Cases[i].path, Cases[i].dir);
		assert_string_equal(path, Cases[i].want);
		free(path);
	}
	unsetenv("HOME"); /* passwd(5) says it then */
	char *path = kubeconfig_path("~/a", NULL);
	assert_true(*path == '/');
	free(path);
}

static void assert_default(const char *list, const char *want)
{
	struct err e = {0};
	if (list)
		setenv("KUBECONFIG", list, 1);
	else
		unsetenv("KUBECONFIG");
	char *path = kubeconfig_default(&e);
	assert_string_equal(path ? path : e.text, want);
	assert_int_equal(!path, e.kind == ERR_LOCAL);
	free(path);
}

static void finds_the_default_file(void **state)
{
	char kube[sizeof Dir + 16], want[sizeof Dir + 16], missing[160];
	(void)state;
	snprintf(kube, sizeof kube, "%s/.kube", Dir);
	snprintf(want, sizeof want, "%s/.kube/config", Dir);
	snprintf(missing, sizeof missing,
		"no kubeconfig: KUBECONFIG is not set, and %s: No such file or directory", want);
	setenv("HOME", Dir, 1);
	assert_default("/a", "/a");
	assert_default(":a::", "a");
	assert_default("/a:/b", "KUBECONFIG lists several files: name one of them");
	assert_default(NULL, missing);
	assert_default(":", missing);
	write_file("");
	assert_int_equal(symlink(".", kube), 0);
	assert_default("", want);
	unlink(kube);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_the_tools_of_clusters_write),
		cmocka_unit_test(reads_the_context_that_is_asked_for),
		cmocka_unit_test(keeps_every_kind_of_credential),
		cmocka_unit_test(refuses_exec_by_name_in_the_context_that_needs_it),
		cmocka_unit_test(reads_servers_as_urls),
		cmocka_unit_test(refuses_servers_that_are_no_urls),
		cmocka_unit_test(prefers_data_to_files),
		cmocka_unit_test(takes_nulls_and_empty_texts_as_absent),
		cmocka_unit_test(says_what_is_wrong_and_where),
		cmocka_unit_test(says_which_file_cannot_be_read),
		cmocka_unit_test(finds_paths),
		cmocka_unit_test(finds_the_default_file),
	};
	return cmocka_run_group_tests_name("kubeconfig", tests, make_dir, remove_dir);
}
