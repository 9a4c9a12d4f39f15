/* kubeuser.c: plugins as the tools of clusters write them, each rule of client-go's for
 * what may stand together, and every refusal with its place. */
#include "test_kubeconfig.h"

#define GROUP       "client.authentication.k8s.io/"
#define USER(user)  AROUND("server: 'https://h'", user)
#define EXEC(more)  "exec: {apiVersion: " GROUP "v1, command: login, interactiveMode: Never" more "}"
#define OIDC(token) "auth-provider: {name: oidc, config: {id-token: " token "}}"
#define TOKEN(exp)  "e30." exp ".sig"
#define CERT        "client-certificate-data: YQ==, client-key-data: Yg=="

static void reads_the_plugins_of_clouds(void **state)
{
	static const struct {
		const char *file, *context, *command, *args, *env;
		bool info;
		const char *hint;
	} Cases[] = {
		{"eks", NULL, "aws",
			"--region eu-central-1 eks get-token --cluster-name prod --output json ",
			"AWS_PROFILE=prod ", false, NULL},
		{"gke", NULL, "gke-gcloud-auth-plugin", NULL, NULL, true,
			"Install gke-gcloud-auth-plugin for use with kubectl by following "
			"https://cloud.google.com/kubernetes-engine/docs/how-to/"
			"cluster-access-for-kubectl#install_plugin"},
		{"aks", "prod", "kubelogin", "get-token --login azurecli ", NULL, false, NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		char file[128];
		snprintf(file, sizeof file, FILES "%s.yaml", Cases[i].file);
		struct kubeconfig k = load(file, Cases[i].context);
		assert_string_equal(k.exec->api_version, GROUP "v1beta1");
		assert_string_equal(k.exec->command, Cases[i].command);
		assert_list(k.exec->args, Cases[i].args);
		assert_list(k.exec->env, Cases[i].env);
		assert_int_equal(k.exec->interactive, KUBECONFIG_IF_AVAILABLE);
		assert_int_equal(k.exec->provide_cluster_info, Cases[i].info);
		assert_text(k.exec->install_hint, Cases[i].hint);
		assert_null(k.exec->cluster_config);
		kubeconfig_free(&k);
	}
}

static void reads_plugins_as_client_go(void **state)
{
	static const struct {
		const char *user, *command, *args, *env;
		enum kubeconfig_interactive interactive;
	} Cases[] = {
		{EXEC(""), "login", NULL, NULL, KUBECONFIG_NEVER},
		{EXEC(", args: [a, '', ~, 1.0, b c]"), "login", "a   1.0 b c ", NULL,
			KUBECONFIG_NEVER},
		{EXEC(", args: [], env: ~"), "login", NULL, NULL, KUBECONFIG_NEVER},
		{EXEC(", env: [{name: A, value: b=c}, {name: D}, {name: E, value: 08}]"), "login",
			NULL, "A=b=c D= E=08 ", KUBECONFIG_NEVER},
		{"exec: {apiVersion: " GROUP "v1, command: ./a, interactiveMode: Always}", "%/./a",
			NULL, NULL, KUBECONFIG_ALWAYS},
		{"exec: {apiVersion: " GROUP "v1, command: a/b, interactiveMode: IfAvailable}",
			"%/a/b", NULL, NULL, KUBECONFIG_IF_AVAILABLE},
		{"exec: {apiVersion: " GROUP "v1beta1, command: /a, interactiveMode: Never}", "/a",
			NULL, NULL, KUBECONFIG_NEVER},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		char text[1024], command[128];
		snprintf(text, sizeof text, USER("%s"), Cases[i].user);
		write_file(text);
		struct kubeconfig k = load(File, NULL);
		const char *want = Cases[i].command;
		snprintf(command, sizeof command, "%s%s", *want == '%' ? Dir : "",
			want + (*want == '%'));
		assert_string_equal(k.exec->command, command);
		assert_list(k.exec->args, Cases[i].args);
		assert_list(k.exec->env, Cases[i].env);
		assert_int_equal(k.exec->interactive, Cases[i].interactive);
		kubeconfig_free(&k);
	}
}

/* client-go runs no plugin beside any of these. */
static void passes_over_a_plugin_beside_another_credential(void **state)
{
	static const char *const Users[] = {USER(EXEC("") ", token: t"),
		USER(EXEC("") ", tokenFile: t"), USER(EXEC("") ", username: u"),
		USER(EXEC("") ", " CERT)};
	(void)state;
	for (size_t i = 0; i < sizeof Users / sizeof *Users; i++) {
		write_file(Users[i]);
		struct kubeconfig k = load(File, NULL);
		assert_null(k.exec);
		kubeconfig_free(&k);
	}
	write_file(USER(EXEC("") ", password: p"));
	struct kubeconfig k = load(File, NULL);
	assert_non_null(k.exec);
	kubeconfig_free(&k);
}

static void reads_an_id_token_until_it_expires(void **state)
{
	static const struct {
		const char *user, *token;
		int64_t until;
		const char *hint;
	} Cases[] = {
		/* {"exp":1700000000}, without padding as JWTs are */
		{OIDC(TOKEN("eyJleHAiOjE3MDAwMDAwMDB9")), TOKEN("eyJleHAiOjE3MDAwMDAwMDB9"),
			1700000000, "log in again, or use the exec plugin kubelogin"},
		/* {"exp":1.7e9} */
		{"auth-provider: {name: oidc, config: {refresh-token: r, id-token: " TOKEN(
			 "eyJleHAiOjEuN2U5fQ") "}}",
			TOKEN("eyJleHAiOjEuN2U5fQ"), 1700000000, "any kubectl command renews it"},
		/* {"a":"??>","exp":1}: with the characters that Base64 for URLs has of its own */
		{OIDC(TOKEN("eyJhIjoiPz8-IiwiZXhwIjoxfQ")), TOKEN("eyJhIjoiPz8-IiwiZXhwIjoxfQ"), 1,
			"log in again, or use the exec plugin kubelogin"},
		{"token: t, " OIDC("x"), "t", 0, NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		char text[1024];
		snprintf(text, sizeof text, USER("%s"), Cases[i].user);
		write_file(text);
		struct kubeconfig k = load(File, NULL);
		assert_string_equal(k.token.p, Cases[i].token);
		assert_int_equal(k.token_until, Cases[i].until);
		if (Cases[i].hint)
			assert_non_null(strstr(k.login_hint, Cases[i].hint));
		else
			assert_null(k.login_hint);
		kubeconfig_free(&k);
	}
	write_file(USER(OIDC(TOKEN("eyJleHAiOjE3MDAwMDAwMDB9")) ", " CERT));
	struct kubeconfig k = load(File, NULL); /* both are used */
	assert_non_null(k.token.p);
	assert_string_equal(k.cert, "a");
	kubeconfig_free(&k);
}

static void reads_whom_to_act_as(void **state)
{
	(void)state;
	write_file(USER("as: ada, as-uid: 07, as-groups: [dev, ''], "
			"as-user-extra: {scopes: [view, edit], none: [], a/b: ['1']}"));
	struct kubeconfig k = load(File, NULL);
	assert_string_equal(k.as, "ada");
	assert_string_equal(k.as_uid, "07");
	assert_list(k.as_groups, "dev  ");
	assert_int_equal(k.as_extra_count, 3);
	assert_string_equal(k.as_extra[0].key, "scopes");
	assert_string_equal(k.as_extra[0].value, "view");
	assert_string_equal(k.as_extra[1].value, "edit");
	assert_string_equal(k.as_extra[2].key, "a/b");
	assert_string_equal(k.as_extra[2].value, "1");
	kubeconfig_free(&k);
}

static void reads_what_may_stand_together(void **state)
{
	(void)state;
	write_file(USER("token: t, tokenFile: f, " CERT));
	struct kubeconfig k = load(File, NULL);
	assert_string_equal(k.token.p, "t");
	assert_string_equal(k.token_file, in_dir("f"));
	assert_string_equal(k.cert, "a");
	assert_string_equal(k.key.p, "b");
	kubeconfig_free(&k);
	write_file(
		USER("token: t, client-key: nowhere")); /* without a certificate it is not read */
	k = load(File, NULL);
	assert_null(k.key.p);
	assert_null(k.key_file);
	kubeconfig_free(&k);
}

#define LOGIN(version, more) "exec: {apiVersion: " version ", command: a" more "}"
static const char Auth[] = ":6: auth-provider ";
static const char Both[] = ":6: a token and a user name exclude each other";
static const char As[] = ":6: as-uid, as-groups and as-user-extra need an 'as'";
static const char Jwt[] = ":6: the id-token of auth-provider oidc is not a JWT that expires";
static const struct {
	const char *file, *why;
} Cases[] = {
	{USER("exec: {}"), ":6: exec needs an apiVersion: " GROUP "v1"},
	{USER("exec: [a]"), ":6: exec must be a map"},
	{USER(LOGIN(GROUP "v1alpha1", "")),
		":6: exec's apiVersion " GROUP "v1alpha1 is gone since Kubernetes 1.24"},
	{USER(LOGIN("v1", "")), ":6: exec's apiVersion must be " GROUP "v1 or v1beta1, not 'v1'"},
	{USER("exec: {apiVersion: " GROUP "v1beta1}"), ":6: exec needs a command"},
	{USER(LOGIN(GROUP "v1", "")), ":6: exec needs an interactiveMode"},
	{USER(LOGIN(GROUP "v1", ", interactiveMode: never")),
		":6: interactiveMode must be Never, IfAvailable or Always, not 'never'"},
	{USER(EXEC(", args: a")), ":6: args must be a list"},
	{USER(EXEC(", args: [[a]]")), ":6: args must be a text"},
	{USER(EXEC(", env: {a: b}")), ":6: env must be a list"},
	{USER(EXEC(", env: [{value: b}]")), ":6: a variable in exec's env needs a name"},
	{USER(EXEC(", env: [{name: a}, {name: []}]")), ":6: name must be a text"},
	{USER(EXEC(", provideClusterInfo: 1")), ":6: provideClusterInfo must be true or false"},
	{USER(EXEC("") ", auth-provider: {name: oidc}"),
		":6: exec and auth-provider exclude each other"},
	{USER("token: t, auth-provider: {name: gcp}"),
		":6: auth-provider gcp is gone since Kubernetes 1.26: install "
		"gke-gcloud-auth-plugin, then run 'gcloud container clusters "
		"get-credentials CLUSTER'"},
	{USER("auth-provider: {name: azure}"),
		":6: auth-provider azure is gone since Kubernetes 1.26: install kubelogin, "
		"then run 'kubelogin convert-kubeconfig'"},
	{USER("auth-provider: {name: x}"), ":6: there is no auth-provider 'x'"},
	{USER("auth-provider: {name: oidc}"), Auth},
	{USER(OIDC("a.b")), Jwt},
	{USER(OIDC("a.eyJleHAiOjF9")), Jwt},
	{USER(OIDC("a.eyJleHAiOjF9.b.c")), Jwt},
	{USER(OIDC("a.eyJleHAiOjF9=.b")), Jwt},
	{USER(OIDC("a.%.b")), Jwt},
	{USER(OIDC("a.e30.b")), Jwt},
	{USER(OIDC("a..b")), Jwt},
	{USER("token: [a]"), ":6: token must be a text"},
	{USER("token: a, username: b"), Both},
	{USER("token: a, password: b"), Both},
	{USER("tokenFile: a, username: b"), Both},
	{USER("as-uid: a"), As},
	{USER("as-groups: [a]"), As},
	{USER("as-user-extra: {a: [b]}"), As},
	{USER("as: a, as-groups: a"), ":6: as-groups must be a list"},
	{USER("as: a, as-user-extra: {a: b}"), ":6: a must be a list"},
	{USER("client-certificate-data: YQ=="), ":6: client-certificate needs a client-key"},
};

static void says_what_is_wrong_and_where(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		char begin[512];
		write_file(Cases[i].file);
		snprintf(begin, sizeof begin, "%.*s", (int)strlen(Cases[i].why), said(File, NULL));
		assert_string_equal(begin, Cases[i].why);
	}
}

/* What it says may be shown and logged. */
static void tells_no_secrets(void **state)
{
	static const char *const Files[] = {USER("token: SECRET, username: a"),
		USER("password: SECRET, token: a"), USER(OIDC("SECRET")), USER(OIDC("a.SECRET.b")),
		USER("token: \"SECRET\\0\""), USER(EXEC(", env: [{value: SECRET}]")),
		USER("client-key-data: 'SECRET%', client-certificate-data: YQ=="),
		AROUND("server: h, proxy-url: 'ftp://u:SECRET@p'", ""),
		AROUND("server: 'https://u:SECRET@h'", "")};
	(void)state;
	for (size_t i = 0; i < sizeof Files / sizeof *Files; i++) {
		write_file(Files[i]);
		const char *words = said(File, NULL);
		assert_true(*words);
		assert_null(strstr(words, "SECRET"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_plugins_of_clouds),
		cmocka_unit_test(reads_plugins_as_client_go),
		cmocka_unit_test(passes_over_a_plugin_beside_another_credential),
		cmocka_unit_test(reads_an_id_token_until_it_expires),
		cmocka_unit_test(reads_whom_to_act_as),
		cmocka_unit_test(reads_what_may_stand_together),
		cmocka_unit_test(says_what_is_wrong_and_where),
		cmocka_unit_test(tells_no_secrets),
	};
	return cmocka_run_group_tests_name("kubeuser", tests, make_dir, remove_dir);
}
