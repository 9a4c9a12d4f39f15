/* exec_credential.c: what client-go writes, byte for byte, and what it takes and refuses.
 * Both have been compared with client-go 0.35. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec_credential.h"

#define V1   "client.authentication.k8s.io/v1"
#define BETA "client.authentication.k8s.io/v1beta1"

static char Beta[] = BETA;

/* ---- what it is told ---- */

static void expect_told(const struct kubeconfig *k, bool interactive, const char *text)
{
	struct buf out = {0};
	exec_credential_put(&out, k, interactive);
	buf_put(&out, "", 1);
	assert_string_equal(buf_data(&out), text);
	buf_free(&out);
}

static void tells_no_more_than_it_must(void **state)
{
	struct kubeconfig_exec x = {.api_version = Beta};
	struct kubeconfig k = {.exec = &x, .server = "https://10.0.0.1:6443", .insecure = true};
	(void)state;
	expect_told(&k, false,
		"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" BETA
		"\",\"spec\":{\"interactive\":false}}\n");
	expect_told(&k, true,
		"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" BETA
		"\",\"spec\":{\"interactive\":true}}\n");
}

static void tells_of_the_cluster_where_it_is_asked_for(void **state)
{
	struct kubeconfig_exec x = {.api_version = Beta, .provide_cluster_info = true};
	struct kubeconfig k = {.exec = &x, .server = "https://k8s.example:443/a\"b/"};
	(void)state;
	expect_told(&k, false,
		"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" BETA
		"\",\"spec\":{\"cluster\":{\"server\":\"https://k8s.example:443/a\\\"b/\","
		"\"config\":null},\"interactive\":false}}\n");
	k.tls_name = "api";
	k.insecure = k.disable_compression = true;
	k.ca = "-----BEGIN\n";
	k.proxy_url = "http://u:p@proxy:3128";
	x.cluster_config = "{\"audience\":\"x\"}";
	expect_told(&k, true,
		"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" BETA
		"\",\"spec\":{\"cluster\":{\"server\":\"https://k8s.example:443/a\\\"b/\","
		"\"tls-server-name\":\"api\",\"insecure-skip-tls-verify\":true,"
		"\"certificate-authority-data\":\"LS0tLS1CRUdJTgo=\","
		"\"proxy-url\":\"http://u:p@proxy:3128\",\"disable-compression\":true,"
		"\"config\":{\"audience\":\"x\"}},\"interactive\":true}}\n");
}

/* ---- what it answers ---- */

#define OF(version, status)                                                                        \
	"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" version "\",\"status\":" status "}"

static void is_text(const char *is, const char *wanted)
{
	if (wanted)
		assert_string_equal(is, wanted);
	else
		assert_null(is);
}

static void takes_credentials(void **state)
{
	static const struct {
		const char *answer, *token, *cert, *key;
		int64_t until_ms;
	} Cases[] = {
		{OF(V1, "{\"token\":\"abc\"}"), "abc", NULL, NULL, 0},
		{" \r\n\t" OF(V1, "{\"token\":\"abc\"}") "\n", "abc", NULL, NULL, 0},
		{OF(V1, "{\"token\":\"abc\",\"expirationTimestamp\":null}"), "abc", NULL, NULL, 0},
		{OF(V1, "{\"token\":\"abc\",\"expirationTimestamp\":\"1970-01-01T00:00:01.5Z\"}"),
			"abc", NULL, NULL, 1500},
		{OF(V1, "{\"token\":\"abc\",\"expirationTimestamp\":\"0001-01-01T00:00:00Z\"}"),
			"abc", NULL, NULL, 0},
		{OF(V1, "{\"clientCertificateData\":\"C\\nC\",\"clientKeyData\":\"K\\nK\"}"), NULL,
			"C\nC", "K\nK", 0},
		{OF(V1, "{\"token\":\"T\",\"clientCertificateData\":\"C\",\"clientKeyData\":\"K\","
			"\"more\":{}}"),
			"T", "C", "K", 0},
		{" " OF(V1, "{\"token\":\"A\",\"token\":\"B\"}"), "B", NULL, NULL, 0},
		{"{\"apiVersion\":\"" V1 "\",\"status\":{\"token\":\"no kind\"}}", "no kind", NULL,
			NULL, 0},
		{"apiVersion: " V1 "\nkind: ExecCredential\nstatus:\n  token: of.YAML\n"
		 "  expirationTimestamp: 1970-01-01T00:00:01Z\n",
			"of.YAML", NULL, NULL, 1000},
		{"\xef\xbb\xbf" OF(V1, "{\"token\":\"abc\"}"), "abc", NULL, NULL, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		struct exec_credential c = {0};
		struct err e = {0};
		const char *answer = Cases[i].answer;
		if (!exec_credential_parse(&c, answer, strlen(answer), V1, &e))
			fail_msg("%s: %s", answer, e.text);
		is_text(c.token.p, Cases[i].token);
		is_text(c.cert, Cases[i].cert);
		is_text(c.key.p, Cases[i].key);
		assert_int_equal(c.until_ms, Cases[i].until_ms);
		exec_credential_free(&c);
	}
}

static void refuses_all_else_and_does_not_quote_it(void **state)
{
	static const char Version[] =
		"answered in another version than " V1 ", which the kubeconfig asks for";
	static const char None[] = "printed no ExecCredential: it is neither JSON nor YAML";
	static const char NoStatus[] = "printed an ExecCredential without a status";
	static const char Nothing[] = "gave neither a token nor a certificate";
	static const char Time[] = "gave an expirationTimestamp that is not of RFC 3339";
	static const char *const Cases[][2] = {
		{"", "printed nothing"},
		{" \n\n", "printed nothing"},
		{"SECRET", None},
		{"- SECRET", None},
		{"SECRET: 1\nSECRET: 2", None},
		{"login first\n" OF(V1, "{\"token\":\"SECRET\"}"), None},
		{"{\"SECRET\n",
			"printed no ExecCredential: line 1: a control character in a string"},
		{OF(V1, "{\"token\":\"SECRET\"}") "SECRET",
			"printed no ExecCredential: line 1: text behind the value"},
		{"{\"SECRET\":1}", Version},
		{OF(BETA, "{\"token\":\"SECRET\"}"), Version},
		{OF("SECRET", "{\"token\":\"SECRET\"}"), Version},
		{"{\"kind\":\"SECRET\",\"apiVersion\":\"" V1
		 "\",\"status\":{\"token\":\"SECRET\"}}",
			"printed no ExecCredential: its kind is another"},
		{"{\"kind\":[1],\"apiVersion\":\"" V1 "\",\"status\":{\"token\":\"SECRET\"}}",
			"printed no ExecCredential: its kind is another"},
		{"{\"apiVersion\":\"" V1 "\"}", NoStatus},
		{OF(V1, "null"), NoStatus},
		{OF(V1, "[\"SECRET\"]"), NoStatus},
		{OF(V1, "{}"), Nothing},
		{OF(V1, "{\"token\":\"\",\"Token\":\"SECRET\"}"), Nothing},
		{OF(V1, "{\"token\":123}"), "gave token, which is no text"},
		{OF(V1, "{\"token\":\"SECRET\\u0000\"}"), "gave token, which is no text"},
		{OF(V1, "{\"clientKeyData\":[\"SECRET\"]}"),
			"gave clientKeyData, which is no text"},
		{OF(V1, "{\"token\":\"SECRET\",\"clientKeyData\":\"SECRET\"}"),
			"gave clientKeyData without clientCertificateData"},
		{OF(V1, "{\"clientCertificateData\":\"SECRET\"}"),
			"gave clientCertificateData without clientKeyData"},
		{OF(V1, "{\"token\":\"SECRET\",\"expirationTimestamp\":\"SECRET\"}"), Time},
		{OF(V1, "{\"token\":\"SECRET\",\"expirationTimestamp\":\"2030-02-30T00:00:00Z\"}"),
			Time},
		{OF(V1, "{\"token\":\"SECRET\",\"expirationTimestamp\":1700000000}"),
			"gave expirationTimestamp, which is no text"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		struct exec_credential c = {0};
		struct err e = {0};
		const char *answer = Cases[i][0];
		assert_false(exec_credential_parse(&c, answer, strlen(answer), V1, &e));
		assert_string_equal(e.text, Cases[i][1]);
		assert_int_equal(e.kind, ERR_LOCAL);
		assert_true(!c.token.p && !c.cert && !c.key.p && !c.until_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_no_more_than_it_must),
		cmocka_unit_test(tells_of_the_cluster_where_it_is_asked_for),
		cmocka_unit_test(takes_credentials),
		cmocka_unit_test(refuses_all_else_and_does_not_quote_it),
	};
	return cmocka_run_group_tests_name("exec_credential", tests, NULL, NULL);
}
