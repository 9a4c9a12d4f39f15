/* keys.c: single texts, and the members that they become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "mem.h"

static struct problems Problems;
static struct config_forward F;

/* One of a forward's; `typed`: as of the type that F has. */
static bool reads(size_t key, const char *text, bool typed)
{
	static const struct section Section = {
		.kind = &Keys[KEYS_FORWARD], .head = (char *)"forward a"};
	const struct key *own = &Keys[KEYS_FORWARD].keys[key];
	return keys_read(&(struct field){.key = own,
		.name = own->name,
		.text = text,
		.section = &Section,
		.at = {"porter.ini", 3},
		.members = &F,
		.typed = typed,
		.problems = &Problems});
}

static void expect_problems(const char *text)
{
	struct buf out = {0};
	problems_tell(&Problems, &out);
	char *told = mem_dup_n(buf_data(&out), buf_len(&out));
	assert_string_equal(told, text);
	free(told);
	buf_free(&out);
}

static int free_all(void **state)
{
	struct buf out = {0};
	(void)state;
	config_forward_free(&F);
	problems_tell(&Problems, &out);
	buf_free(&out);
	return 0;
}

static void stand_where_their_numbers_say(void **state)
{
	static const struct {
		size_t kind, key;
		const char *name;
	} Cases[] = {
		{KEYS_PORTER, KEYS_CHECK_INTERVAL, "check_interval"},
		{KEYS_PORTER, KEYS_RECONNECT_DELAY, "reconnect_delay"},
		{KEYS_CLUSTER, KEYS_KUBECONFIG, "kubeconfig"},
		{KEYS_FORWARD, KEYS_ITS_TEMPLATE, "template"},
		{KEYS_TEMPLATE, KEYS_TYPE, "type"},
		{KEYS_FORWARD, KEYS_LOCAL_PORT, "local_port"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++)
		assert_string_equal(Keys[Cases[i].kind].keys[Cases[i].key].name, Cases[i].name);
	for (size_t kind = 0; kind < KEYS_KINDS; kind++)
		for (size_t i = 0; i < Keys[kind].key_count; i++)
			assert_true(Keys[kind].keys[i].name && Keys[kind].keys[i].read);
}

static void names_go_by_the_type(void **state)
{
	static const enum k8s_type All[] = {
		K8S_SERVICE, K8S_POD, K8S_DEPLOYMENT, K8S_STATEFULSET, K8S_DAEMONSET, K8S_SELECTOR};
	(void)state;
	for (size_t i = 0; i < sizeof All / sizeof *All; i++) {
		F.target.type = All[i];
		bool selector = All[i] == K8S_SELECTOR;
		assert_true(reads(KEYS_SERVICE, "web-1.x.y", true)); /* also as a label's key */
		assert_int_equal(reads(KEYS_SERVICE, "app=web,!old", true), selector);
		assert_string_equal(F.target.name, selector ? "app=web,!old" : "web-1.x.y");
		assert_false(reads(KEYS_SERVICE, "../x", true));
		assert_int_equal(
			reads(KEYS_REMOTE_PORT, "sixteen-letters1", true), All[i] == K8S_SERVICE);
		assert_true(reads(KEYS_REMOTE_PORT, "http", true));
		assert_string_equal(F.target.port_name, "http");
		assert_int_equal(F.target.port, 0);
	}
	/* where none is known, all that some type takes */
	F.target.type = K8S_POD;
	assert_true(reads(KEYS_SERVICE, "web", false));
	assert_true(reads(KEYS_SERVICE, "app=web", false));
	assert_false(reads(KEYS_SERVICE, "../x", false));
	assert_true(reads(KEYS_REMOTE_PORT, "sixteen-letters1", false));
	assert_true(reads(KEYS_NAMESPACE, "web-1", true));
	assert_false(reads(KEYS_NAMESPACE, "web.x", true));
}

static void say_what_they_must_be(void **state)
{
	(void)state;
	F.target.type = K8S_SELECTOR;
	assert_false(reads(KEYS_SERVICE, "app in web", true));
	expect_problems("service in [forward a] must be a label selector, such as app=web,"
			"tier in (a, b), not 'app in web' (porter.ini:3)\n");
	assert_false(reads(KEYS_PROFILE, "dev # x", true));
	expect_problems("profile in [forward a] must be words of letters, digits, '.', '_' and '-' "
			"with commas between them, not 'dev # x' (porter.ini:3)\n"
			"  a comment behind a value begins with ';'\n");
	assert_false(keys_read(&(struct field){.key = &Keys[KEYS_PORTER].keys[KEYS_HOLD],
		.name = "PORTER_HOLD",
		.text = "1 # x",
		.at = {"environment", 0},
		.problems = &Problems}));
	expect_problems("PORTER_HOLD must be a duration up to 24h, not '1 # x' (environment)\n");
}

static void leave_a_member_as_it_is_when_refused(void **state)
{
	(void)state;
	assert_true(reads(KEYS_LOCAL_PORT, "65535", true));
	assert_true(reads(KEYS_SERVICE, "web", true));
	assert_true(reads(KEYS_LOCAL_ADDRESS, "127.0.0.2", true));
	assert_true(reads(KEYS_PROFILE, "dev", true));
	assert_true(reads(KEYS_TYPE, "pod", true));
	static const size_t Refused[] = {KEYS_LOCAL_PORT, KEYS_SERVICE, KEYS_LOCAL_ADDRESS,
		KEYS_PROFILE, KEYS_TYPE, KEYS_PROBE, KEYS_REMOTE_PORT};
	for (size_t i = 0; i < sizeof Refused / sizeof *Refused; i++)
		assert_false(reads(Refused[i], "?", true));
	assert_int_equal(F.local_port, 65535);
	assert_string_equal(F.target.name, "web");
	assert_string_equal(F.local_address, "127.0.0.2");
	assert_true(F.address_is_set);
	assert_string_equal(F.profiles[0], "dev");
	assert_int_equal(F.target.type, K8S_POD);
	assert_null(F.target.port_name);
	assert_int_equal(F.probe.kind, PROBE_NONE);
}

static void local_addresses_are_this_machine_s(void **state)
{
	static const struct {
		const char *text, *address; /* NULL: refused */
		bool is_set;
	} Cases[] = {
		{"localhost", "127.0.0.1", false},
		{"127.0.0.1", "127.0.0.1", true},
		{"127.255.255.254", "127.255.255.254", true},
		{"::1", "::1", true},
		{"0:0::0:1", "::1", true},
		{"0.0.0.0", NULL, false},
		{"128.0.0.1", NULL, false},
		{"::", NULL, false},
		{"::ffff:127.0.0.1", NULL, false},
		{"127.1", NULL, false},
		{"Localhost", NULL, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		F.address_is_set = !Cases[i].is_set;
		assert_int_equal(
			reads(KEYS_LOCAL_ADDRESS, Cases[i].text, true), !!Cases[i].address);
		if (!Cases[i].address)
			continue;
		assert_string_equal(F.local_address, Cases[i].address);
		assert_int_equal(F.address_is_set, Cases[i].is_set);
	}
}

static void profiles_are_a_list(void **state)
{
	static const char *const Bad[] = {
		",", "a,", ",a", "a,,b", "a b", "a, ,b", "a;b", "a/b", "\xc3\xa4", "a,b c", " "};
	(void)state;
	assert_true(reads(KEYS_PROFILE, "dev ,Db_1.x-,a\t, b", true));
	assert_string_equal(F.profiles[0], "dev");
	assert_string_equal(F.profiles[1], "Db_1.x-");
	assert_string_equal(F.profiles[2], "a");
	assert_string_equal(F.profiles[3], "b");
	assert_null(F.profiles[4]);
	for (size_t i = 0; i < sizeof Bad / sizeof *Bad; i++)
		assert_false(reads(KEYS_PROFILE, Bad[i], true));
}

static void a_probe_may_be_none(void **state)
{
	(void)state;
	assert_true(reads(KEYS_PROBE, "none", true));
	assert_int_equal(F.probe.kind, PROBE_NONE);
	assert_true(reads(KEYS_PROBE, "http /x", true));
	assert_int_equal(F.probe.kind, PROBE_HTTP);
}

#define TEST(name) cmocka_unit_test_teardown(name, free_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(stand_where_their_numbers_say),
		TEST(names_go_by_the_type),
		TEST(say_what_they_must_be),
		TEST(leave_a_member_as_it_is_when_refused),
		TEST(local_addresses_are_this_machine_s),
		TEST(profiles_are_a_list),
		TEST(a_probe_may_be_none),
	};
	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
