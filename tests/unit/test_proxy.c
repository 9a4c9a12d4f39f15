/* proxy.c with what is below it: URLs, the environment, programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"

enum { TOLD = 600 };

static const struct proxy_server Server = {"api.corp", 6443, true};

/* "none", "http p:3128", "socks5 p:1080 user 'a' password 'b'", "no: WORDS". */
static void tell(char *told, const char *url, const struct proxy_server *to)
{
	static const char *const Kinds[PROXY_KINDS] = {
		"none", "http", "https", "socks5", "program"};
	struct proxy p = {0};
	struct err e = {0};
	if (!proxy_choose(&p, url, to, &e)) {
		snprintf(told, TOLD, "no: %s", e.text);
		assert_int_equal(e.kind, ERR_LOCAL);
	} else {
		int n = snprintf(told, TOLD, "%s", Kinds[p.kind]);
		if (p.kind)
			n += snprintf(told + n, TOLD - (size_t)n, " %s:%u", p.host, p.port);
		if (p.user)
			snprintf(told + n, TOLD - (size_t)n, " user '%s' password '%.*s'", p.user,
				(int)p.password.n, p.password.p ? p.password.p : "");
	}
	proxy_free(&p);
	assert_memory_equal(&p, &(struct proxy){0}, sizeof p);
}

static void check_url(const char *url, const char *want)
{
	char told[TOLD];
	tell(told, url, &Server);
	assert_string_equal(told, want);
}

static void reads_urls(void **state)
{
	static const char *const Rows[][2] = {
		{"http://p", "http p:80"},
		{"HTTP://p:3128", "http p:3128"},
		{"https://p", "https p:443"},
		{"socks5://p", "socks5 p:1080"},
		{"socks5h://10.0.0.1:9", "socks5 10.0.0.1:9"},
		{"http://[fd00::1]:3128/x?y#z", "http fd00::1:3128"},
		{"http://[fd00::1]", "http fd00::1:80"},
		{"http://p:/", "http p:80"},
		{"http://me@p", "http p:80 user 'me' password ''"},
		{"http://me:s3:c@p:1", "http p:1 user 'me' password 's3:c'"},
		{"http://a%40b:c%3a%2F%25@p", "http p:80 user 'a@b' password 'c:/%'"},
		{"http://a@b:c@d@p", "http p:80 user 'a@b' password 'c@d'"},
		{"http://:x@p", "http p:80 user '' password 'x'"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Rows / sizeof *Rows; i++)
		check_url(Rows[i][0], Rows[i][1]);
}

static void refuses_without_repeating_a_password(void **state)
{
	static const char Scheme[] = "no: proxy-url must begin with http://, https:// or socks5://";
	static const char Url[] =
		"no: proxy-url is not a URL such as http://user:password@proxy:3128";
	static const char *const Rows[][2] = {
		{"ftp://p", Scheme},
		{"p:3128", Scheme},
		{"://p", Scheme},
		{"", Scheme},
		{"socks4://me:secret@p", Scheme},
		{"http://", Url},
		{"http:///x", Url},
		{"http://me:secret@", Url},
		{"http://me:secret@p:0", Url},
		{"http://me:secret@p:65536", Url},
		{"http://me:secret@p:99999999999999999999", Url},
		{"http://me:secret@p:8o", Url},
		{"http://me:se%cret@p", Url},
		{"http://me:secret%@p", Url},
		{"http://me:secret%0a@p", Url},
		{"http://me:se\ncret@p", Url},
		{"http://a b", Url},
		{"http://[fd00::1", Url},
		{"http://[fd00::1]x", Url},
		{"http://[p]", Url},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Rows / sizeof *Rows; i++)
		check_url(Rows[i][0], Rows[i][1]);
}

static const char *const Variables[] = {"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy",
	"NO_PROXY", "no_proxy", "REQUEST_METHOD", "ALL_PROXY"};

/* `env`: "NAME=VALUE" with blanks between them. */
static void set_env(const char *env)
{
	char copy[200], *at = NULL;
	for (size_t i = 0; i < sizeof Variables / sizeof *Variables; i++)
		unsetenv(Variables[i]);
	snprintf(copy, sizeof copy, "%s", env);
	for (char *word = strtok_r(copy, " ", &at); word; word = strtok_r(NULL, " ", &at)) {
		char *value = strchr(word, '=');
		*value++ = '\0';
		setenv(word, value, 1);
	}
}

static void goes_by_the_environment_as_kubectl_does(void **state)
{
	static const struct {
		const char *env;
		struct proxy_server to;
		const char *want;
	} Rows[] = {
		{"", {"api.corp", 6443, true}, "none"},
		{"HTTPS_PROXY=p:3128", {"api.corp", 6443, true}, "http p:3128"},
		{"HTTPS_PROXY=p", {"api.corp", 6443, true}, "http p:80"},
		{"https_proxy=https://p", {"api.corp", 6443, true}, "https p:443"},
		{"HTTPS_PROXY=a https_proxy=b", {"api.corp", 6443, true}, "http a:80"},
		{"HTTPS_PROXY= https_proxy=b", {"api.corp", 6443, true}, "http b:80"},
		{"HTTPS_PROXY=me:x@p:1", {"api.corp", 6443, true},
			"http p:1 user 'me' password 'x'"},
		{"HTTPS_PROXY=socks5://p", {"api.corp", 6443, true}, "socks5 p:1080"},
		{"HTTP_PROXY=p", {"api.corp", 6443, true}, "none"},
		{"HTTPS_PROXY=p", {"api.corp", 80, false}, "none"},
		{"ALL_PROXY=p", {"api.corp", 6443, true}, "none"},
		{"HTTP_PROXY=p", {"api.corp", 80, false}, "http p:80"},
		{"http_proxy=p", {"api.corp", 80, false}, "http p:80"},
		{"HTTPS_PROXY=p NO_PROXY=corp", {"api.corp", 6443, true}, "none"},
		{"HTTPS_PROXY=p no_proxy=api.corp:6443", {"api.corp", 6443, true}, "none"},
		{"HTTPS_PROXY=p NO_PROXY=x no_proxy=corp", {"api.corp", 6443, true}, "http p:80"},
		{"HTTPS_PROXY=p NO_PROXY=10.0.0.0/8", {"10.1.2.3", 6443, true}, "none"},
		{"HTTPS_PROXY=p", {"127.0.0.1", 6443, true}, "none"},
		{"HTTPS_PROXY=p", {"localhost", 6443, true}, "none"},
		{"HTTPS_PROXY=p", {"::1", 6443, true}, "none"},
		{"HTTPS_PROXY=p:x", {"api.corp", 6443, true}, "none"},
		{"HTTPS_PROXY=ftp://p", {"api.corp", 6443, true},
			"no: HTTPS_PROXY must begin with http://, https:// or socks5://"},
		{"HTTPS_PROXY=ftp://p NO_PROXY=*", {"api.corp", 6443, true}, "none"},
		{"HTTPS_PROXY=p REQUEST_METHOD=GET", {"api.corp", 6443, true}, "http p:80"},
		{"HTTP_PROXY=p REQUEST_METHOD=GET", {"api.corp", 80, false},
			"no: HTTP_PROXY is not used where REQUEST_METHOD is set (CGI)"},
		{"HTTP_PROXY=p REQUEST_METHOD=GET NO_PROXY=*", {"api.corp", 80, false}, "none"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Rows / sizeof *Rows; i++) {
		char told[TOLD];
		set_env(Rows[i].env);
		tell(told, NULL, &Rows[i].to);
		if (strcmp(told, Rows[i].want) != 0)
			fail_msg("%s: %s, not %s", Rows[i].env, told, Rows[i].want);
	}
	set_env("");
}

static void a_kubeconfigs_own_wins_whatever_the_server(void **state)
{
	char told[TOLD];
	(void)state;
	set_env("HTTPS_PROXY=other NO_PROXY=*");
	tell(told, "http://p", &(struct proxy_server){"127.0.0.1", 6443, true});
	assert_string_equal(told, "http p:80");
	set_env("");
}

static void has_a_name_without_a_password(void **state)
{
	struct proxy p = {0};
	(void)state;
	assert_true(proxy_choose(&p, "http://me:secret@p.corp:3128", &Server, NULL));
	assert_string_equal(p.name, "proxy p.corp:3128");
	proxy_free(&p);
	assert_true(proxy_choose(&p, "https://[::1]", &Server, NULL));
	assert_string_equal(p.name, "proxy [::1]:443");
	proxy_free(&p);
}

static void assert_words(const struct proxy *p, const char *want)
{
	char told[TOLD] = "";
	size_t n = 0;
	for (char **word = p->argv; *word; word++)
		n += (size_t)snprintf(told + n, sizeof told - n, "<%s>", *word);
	assert_int_equal(p->kind, PROXY_PROGRAM);
	assert_string_equal(told, want);
}

static void runs_ssh_that_never_asks(void **state)
{
	struct proxy p = {0};
	(void)state;
	proxy_by_ssh(&p, "me@bastion", &Server);
	assert_string_equal(p.name, "ssh me@bastion");
	assert_words(&p,
		"<ssh><-o><BatchMode=yes><-o><ConnectTimeout=10><-o>"
		"<ServerAliveInterval=5><-o><ControlMaster=no><-W><api.corp:6443><--><me@bastion>");
	proxy_free(&p);
	proxy_by_ssh(&p, "b", &(struct proxy_server){"fd00::1", 443, true});
	assert_string_equal(p.argv[10], "[fd00::1]:443");
	proxy_free(&p);
}

static void takes_no_option_for_a_host(void **state)
{
	(void)state;
	assert_true(proxy_is_ssh_target("bastion"));
	assert_true(proxy_is_ssh_target("ssh://me@bastion:2222"));
	assert_false(proxy_is_ssh_target(""));
	assert_false(proxy_is_ssh_target("-oProxyCommand=x"));
	assert_false(proxy_is_ssh_target("a b"));
	assert_false(proxy_is_ssh_target("a\tb"));
}

static void fills_in_a_command(void **state)
{
	char *words[] = {"nc", "%h", "%p", "%h:%p", "100%%", "%%h", "%x%", "%", NULL};
	struct proxy p = {0};
	struct err e = {0};
	(void)state;
	assert_true(proxy_by_command(&p, words, &Server, &e));
	assert_string_equal(p.name, "nc");
	assert_words(&p, "<nc><api.corp><6443><api.corp:6443><100%><%h><%x%><%>");
	proxy_free(&p);
	assert_false(proxy_by_command(&p, words, &(struct proxy_server){"-e", 1, true}, &e));
	assert_string_equal(e.text, "the server's name '-e' begins with '-'");
	assert_memory_equal(&p, &(struct proxy){0}, sizeof p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_urls),
		cmocka_unit_test(refuses_without_repeating_a_password),
		cmocka_unit_test(goes_by_the_environment_as_kubectl_does),
		cmocka_unit_test(a_kubeconfigs_own_wins_whatever_the_server),
		cmocka_unit_test(has_a_name_without_a_password),
		cmocka_unit_test(runs_ssh_that_never_asks),
		cmocka_unit_test(takes_no_option_for_a_host),
		cmocka_unit_test(fills_in_a_command),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
