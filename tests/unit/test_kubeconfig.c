/* kubeconfig.c: the files that clusters' tools write (kubeconfigs/), small ones for each
 * rule and refusal, and the account of a pod.  Run from the top of the tree. */
#include <errno.h>

#include "test_kubeconfig.h"

static char Top[4096];

static int begin(void **state)
{
	unsetenv("KUBECONFIG");
	unsetenv("POD_NAMESPACE");
	return getcwd(Top, sizeof Top) ? make_dir(state) : -1;
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
	assert_true(k.tls);
	assert_string_equal(k.server, "https://[::1]:8001/");
	assert_string_equal(k.host, "::1");
	assert_int_equal(k.port, 8001);
	assert_string_equal(k.prefix, "");
	assert_string_equal(k.namespace, "default");
	assert_string_equal(k.tls_name, "kubernetes.default.svc");
	assert_string_equal(k.proxy_url, "socks5://127.0.0.1:1080");
	snprintf(want, sizeof want, "%s/" FILES "minikube/../token", Top);
	assert_string_equal(k.token_file, want); /* stays right after chdir() */
	kubeconfig_free(&k);
	k = load(FILES "service-account.yaml", "ada");
	assert_string_equal(k.username, "ada");
	assert_string_equal(k.password.p, "0815");
	kubeconfig_free(&k);
}

#define EXEC                                                                                       \
	"exec: {apiVersion: client.authentication.k8s.io/v1, command: login, "                     \
	"interactiveMode: Never}"
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
		{"", NULL, ": there is no current-context: name a context"},
		{"a\n", NULL, ": this is not a kubeconfig"},
		{"[]\n", NULL, ": this is not a kubeconfig"},
		{"a: b\nc: &d e\n", NULL, ":2: anchors are not supported: write the value out"},
		{"kind: Secret\n", NULL, ":1: this is not a kubeconfig: its kind is 'Secret'"},
		{"apiVersion: v2\n", NULL, ":1: this is not a kubeconfig: its apiVersion is 'v2'"},
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
		{AROUND("server: h, proxy-url: 'ftp://u:secret@p'", ""), NULL,
			":3: proxy-url must begin with http://, https://, socks5:// or socks5h://"},
		{AROUND("server: 'https://h', extensions: a", EXEC), NULL,
			":3: extensions must be a list"},
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

/* client-go sends credentials over TLS only, but says whom it acts as. */
static void has_no_credentials_for_a_server_without_tls(void **state)
{
	static const char *const Users[] = {"token: t, as: a", "tokenFile: t, as: a",
		"username: u, password: p, as: a", EXEC ", as: a",
		"client-certificate-data: YQ==, client-key-data: YQ==, as: a"};
	struct kubeconfig none = {0};
	(void)state;
	for (size_t i = 0; i < sizeof Users / sizeof *Users; i++) {
		char text[1024];
		snprintf(text, sizeof text, AROUND("server: 'http://h'", "%s"), Users[i]);
		write_file(text);
		struct kubeconfig k = load(File, NULL);
		assert_null(k.cert);
		assert_memory_equal(&k.token, &none.token, sizeof k.token);
		assert_null(k.token_file);
		assert_null(k.username);
		assert_null(k.exec);
		assert_string_equal(k.as, "a");
		kubeconfig_free(&k);
	}
}

static void passes_on_what_a_cluster_tells_to_plugins(void **state)
{
	(void)state;
	write_file(AROUND("server: h, disable-compression: true, certificate-authority: config, "
			  "extensions: [{name: other, extension: 1}, "
			  "{name: client.authentication.k8s.io/exec, extension: "
			  "{audience: \"a\\n\", n: [1, 0x1, 1.5e3, yes, True, null, ''], m: {}}}]",
		EXEC));
	struct kubeconfig k = load(File, NULL);
	assert_true(k.disable_compression);
	assert_string_equal(k.ca_file, File);
	assert_string_equal(k.exec->cluster_config,
		"{\"audience\":\"a\\n\",\"n\":[1,\"0x1\",1.5e3,\"yes\",true,null,\"\"],\"m\":{}}");
	kubeconfig_free(&k);
}

static void names_the_files_to_watch(void **state)
{
	char want[5 * sizeof File];
	(void)state;
	write_file(AROUND("server: h, certificate-authority: config",
		"client-certificate: config, client-key: config, tokenFile: t"));
	struct kubeconfig k = load(File, NULL);
	snprintf(want, sizeof want, "%s %s %s %s ", File, File, File, File);
	assert_list(k.files, want);
	assert_string_equal(k.cert_file, File);
	assert_string_equal(k.key_file, File);
	kubeconfig_free(&k);
	k = load(FILES "kind.yaml", NULL);
	assert_list(k.files, FILES "kind.yaml ");
	assert_null(k.cert_file);
	assert_null(k.key_file);
	kubeconfig_free(&k);
}

static void warns_of_a_file_that_is_not_the_users_alone(void **state)
{
	static const struct {
		mode_t mode;
		const char *what;
	} Cases[] = {{0600, NULL}, {0400, NULL}, {0711, NULL}, {0640, "read by its group"},
		{0604, "read by every user"}, {0644, "read by every user"},
		{0664, "changed by its group"}, {0666, "changed by every user"}};
	(void)state;
	write_file(AROUND("server: h", "token: t"));
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		assert_int_equal(chmod(File, Cases[i].mode), 0);
		struct kubeconfig k = load(File, NULL);
		if (Cases[i].what) {
			assert_non_null(strstr(k.warnings[0], Cases[i].what));
			assert_non_null(strstr(k.warnings[0], File));
			assert_null(k.warnings[1]);
		} else {
			assert_null(k.warnings);
		}
		kubeconfig_free(&k);
	}
}

/* ---- in a cluster ---- */

static void set_cluster(const char *host, const char *port)
{
	setenv("KUBERNETES_SERVICE_HOST", host, 1);
	setenv("KUBERNETES_SERVICE_PORT", port, 1);
}

static int leave_cluster(void **state)
{
	(void)state;
	unsetenv("KUBERNETES_SERVICE_HOST");
	unsetenv("KUBERNETES_SERVICE_PORT");
	unsetenv("POD_NAMESPACE");
	unlink(in_dir("token"));
	unlink(in_dir("ca.crt"));
	unlink(in_dir("namespace"));
	return 0;
}

static struct kubeconfig in_cluster(void)
{
	struct kubeconfig k = {0};
	struct err e = {0};
	assert_true(kubeconfig_in_cluster(&k, Dir, &e));
	assert_string_equal(e.text, "");
	return k;
}

static void reads_the_account_of_the_pod(void **state)
{
	char want[sizeof File + 1];
	(void)state;
	set_cluster("10.96.0.1", "443");
	write_named("token", "abc\n");
	write_named("ca.crt", CERT("cluster"));
	write_named("namespace", "shop\n");
	struct kubeconfig k = in_cluster();
	assert_string_equal(k.context, KUBECONFIG_IN_CLUSTER);
	assert_string_equal(k.server, "https://10.96.0.1:443");
	assert_true(k.tls);
	assert_string_equal(k.host, "10.96.0.1");
	assert_int_equal(k.port, 443);
	assert_string_equal(k.prefix, "");
	assert_string_equal(k.ca, CERT("cluster"));
	assert_string_equal(k.token_file, in_dir("token"));
	assert_null(k.token.p); /* it is read each time: Kubernetes renews it */
	assert_string_equal(k.namespace, "shop");
	snprintf(want, sizeof want, "%s ", in_dir("ca.crt"));
	assert_list(k.files, want);
	assert_null(k.warnings);
	kubeconfig_free(&k);
	setenv("POD_NAMESPACE", "other", 1);
	k = in_cluster();
	assert_string_equal(k.namespace, "other");
	kubeconfig_free(&k);
}

static void goes_on_without_what_an_account_may_lack(void **state)
{
	(void)state;
	set_cluster("fd00::1", "6443");
	write_named("token", "abc");
	struct kubeconfig k = in_cluster();
	assert_string_equal(k.server, "https://[fd00::1]:6443");
	assert_string_equal(k.host, "fd00::1");
	assert_string_equal(k.namespace, "default");
	assert_null(k.ca);
	assert_non_null(strstr(k.warnings[0], "/ca.crt: No such file or directory"));
	kubeconfig_free(&k);
}

static void says_why_it_is_no_pod(void **state)
{
	static const struct {
		const char *host, *port, *why;
	} Cases[] = {
		{"", "443", "KUBERNETES_SERVICE_HOST and _PORT are not set"},
		{"h", "", "KUBERNETES_SERVICE_HOST and _PORT are not set"},
		{"h h", "443", "'https://h h:443' is not the URL of a server"},
		{"h", "443", "/token': No such file or directory"},
	};
	struct kubeconfig k = {0}, none = {0};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		struct err e = {0};
		set_cluster(Cases[i].host, Cases[i].port);
		assert_false(kubeconfig_in_cluster(&k, Dir, &e));
		assert_non_null(strstr(e.text, Cases[i].why));
		assert_memory_equal(&k, &none, sizeof k);
	}
	leave_cluster(state);
	assert_string_equal(said(KUBECONFIG_IN_CLUSTER, NULL),
		": this is not a pod: KUBERNETES_SERVICE_HOST and _PORT are not set");
	assert_string_equal(
		said(KUBECONFIG_IN_CLUSTER, "x"), ": there is no context 'x'"); /* it has none */
}

/* ---- values as such ---- */

#define FULL                                                                                       \
	AROUND("server: 'https://h:1/p', " CA ", tls-server-name: t, proxy-url: 'http://p'",       \
		EXEC ", as: a, as-uid: i, as-groups: [g, h], as-user-extra: {k: [v, w]}")

/* What differs in one thing is not the same. */
static void knows_what_is_the_same(void **state)
{
	static const struct {
		const char *from, *to;
	} Changes[] = {{"h:1", "h:2"}, {"h:1", "i:1"}, {"/p'", "/q'"}, {"https", "http"},
		{"YQ==", "Yg=="}, {"name: t", "name: u"}, {"//p", "//q"}, {"Never", "Always"},
		{"login", "logon"}, {"as: a", "as: b"}, {"uid: i", "uid: j"}, {"[g, h]", "[g, i]"},
		{"[g, h]", "[g]"}, {"[g, h]", "[g, h, i]"}, {"{k: ", "{l: "}, {"[v, w]", "[v, v]"},
		{"[v, w]", "[v]"}, {"s.io/v1", "s.io/v1beta1"}, {"exec: {", "exec: {args: [a], "},
		{"exec: {", "exec: {env: [{name: a}], "}, {"exec: {", "exec: {installHint: a, "},
		{"exec: {", "exec: {provideClusterInfo: true, "}, {"user: {", "user: {token: t, "},
		{"user: {", "user: {tokenFile: t, "},
		{"server: ", "disable-compression: true, server: "},
		{"cluster: c, ", "namespace: n, cluster: c, "}};
	char text[2048];
	(void)state;
	write_file(FULL);
	struct kubeconfig a = load(File, NULL), b = load(File, NULL);
	assert_true(kubeconfig_same(&a, &b));
	kubeconfig_free(&b);
	for (size_t i = 0; i < sizeof Changes / sizeof *Changes; i++) {
		const char *at = strstr(FULL, Changes[i].from);
		assert_non_null(at);
		snprintf(text, sizeof text, "%.*s%s%s", (int)(at - FULL), FULL, Changes[i].to,
			at + strlen(Changes[i].from));
		write_file(text);
		b = load(File, NULL);
		assert_false(kubeconfig_same(&a, &b));
		assert_false(kubeconfig_same(&b, &a));
		kubeconfig_free(&b);
	}
	kubeconfig_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_the_tools_of_clusters_write),
		cmocka_unit_test(reads_the_context_that_is_asked_for),
		cmocka_unit_test(keeps_every_kind_of_credential),
		cmocka_unit_test(reads_servers_as_urls),
		cmocka_unit_test(refuses_servers_that_are_no_urls),
		cmocka_unit_test(prefers_data_to_files),
		cmocka_unit_test(takes_nulls_and_empty_texts_as_absent),
		cmocka_unit_test(says_what_is_wrong_and_where),
		cmocka_unit_test(says_which_file_cannot_be_read),
		cmocka_unit_test(has_no_credentials_for_a_server_without_tls),
		cmocka_unit_test(passes_on_what_a_cluster_tells_to_plugins),
		cmocka_unit_test(names_the_files_to_watch),
		cmocka_unit_test(warns_of_a_file_that_is_not_the_users_alone),
		cmocka_unit_test_teardown(reads_the_account_of_the_pod, leave_cluster),
		cmocka_unit_test_teardown(goes_on_without_what_an_account_may_lack, leave_cluster),
		cmocka_unit_test_teardown(says_why_it_is_no_pod, leave_cluster),
		cmocka_unit_test(knows_what_is_the_same),
	};
	return cmocka_run_group_tests_name("kubeconfig", tests, begin, remove_dir);
}
