/* names.c: tables of texts, good and bad, and each rule's bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "names.h"

static void knows_labels_and_subdomains(void **state)
{
	static const struct {
		const char *name;
		bool label, subdomain;
	} Cases[] = {
		{"a", true, true},
		{"0", true, true},
		{"a-1", true, true},
		{"a--1", true, true},
		{"a.b-c.1", false, true},
		{"", false, false},
		{"-a", false, false},
		{"a-", false, false},
		{"a.-b", false, false},
		{".a", false, false},
		{"a.", false, false},
		{"a..b", false, false},
		{"A", false, false},
		{"a_b", false, false},
		{"a/b", false, false},
		{"a%2f", false, false},
		{"a?b", false, false},
		{"a b", false, false},
		{"a\n", false, false},
		{"\xc3\xa4", false, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		assert_int_equal(names_is_label(Cases[i].name), Cases[i].label);
		assert_int_equal(names_is_subdomain(Cases[i].name), Cases[i].subdomain);
	}
}

static void knows_the_longest(void **state)
{
	char name[300];
	(void)state;
	for (int n = 62; n <= 65; n++) {
		snprintf(name, sizeof name, "%0*d", n, 7);
		assert_int_equal(names_is_label(name), n <= 63);
		assert_int_equal(names_is_subdomain(name), n <= 63);
		snprintf(name, sizeof name, "a%0*d", n - 1, 7);
		assert_int_equal(names_is_service_port(name), n <= 63);
		assert_int_equal(names_is_selector(name), n <= 63);
		snprintf(name, sizeof name, "a=%0*d", n, 7);
		assert_int_equal(names_is_selector(name), n <= 63);
	}
	for (int n = 252; n <= 255; n++) {
		snprintf(name, sizeof name, "%063d.%063d.%063d.%0*d", 1, 2, 3, n - 192, 4);
		assert_int_equal(names_is_subdomain(name), n <= 253);
		snprintf(name, sizeof name, "%063d.%063d.%063d.%0*d/a", 1, 2, 3, n - 192, 4);
		assert_int_equal(names_is_selector(name), n <= 253);
	}
}

static void knows_names_of_ports(void **state)
{
	static const struct {
		const char *name;
		bool port, service_port;
	} Cases[] = {
		{"http", true, true},
		{"a", true, true},
		{"0x50", true, true},
		{"p-8080", true, true},
		{"fifteen-letters", true, true},
		{"sixteen--letters", false, true},
		{"sixteen-letters-", false, false},
		{"sixteen-letters1", false, true},
		{"a--b", false, true},
		{"80", false, false},
		{"8-0", false, false},
		{"", false, false},
		{"-a", false, false},
		{"a-", false, false},
		{"HTTP", false, false},
		{"a.b", false, false},
		{"a_b", false, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		assert_int_equal(names_is_port(Cases[i].name), Cases[i].port);
		assert_int_equal(names_is_service_port(Cases[i].name), Cases[i].service_port);
	}
}

/* A number counts, else a name, which depends on whose it is. */
static void reads_ports(void **state)
{
	static const struct {
		const char *text;
		int32_t number;
		bool pods, service;
	} Cases[] = {
		{"1", 1, true, true},
		{"080", 80, true, true},
		{"65535", 65535, true, true},
		{"0", 0, false, false},
		{"65536", -1, false, false},
		{"99999999999999999999", -1, false, false},
		{"", -1, false, false},
		{"-1", -1, false, false},
		{"8 0", -1, false, false},
		{"http", -1, true, true},
		{"0x50", -1, true, true},
		{"sixteen-letters1", -1, false, true},
		{"HTTP", -1, false, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		uint16_t number = 7;
		assert_int_equal(names_number(Cases[i].text), Cases[i].number);
		assert_int_equal(names_read_port(Cases[i].text, true, &number), Cases[i].service);
		assert_int_equal(number, Cases[i].number > 0 ? Cases[i].number : 0);
		assert_int_equal(names_read_port(Cases[i].text, false, &number), Cases[i].pods);
	}
}

static void knows_selectors(void **state)
{
	static const char *const Good[] = {"app", "!app", "! app", "app=web", "app==web",
		"app!=web", "app = web", "app=", "app=,tier", "app=web,tier=db", "app=Web_1.x",
		"app in (web)", "app in (a, b)", "app in(a,b)", "app notin ( a , b )",
		"app in (a,)", "n > 5", "n<10", "example.com/app=web", "a.b-c.io/App_1.x",
		" app = web , !tier ", "in=in", "in", "notin in (in)", "app=web\t"};
	static const char *const Bad[] = {"", " ", ",", "app,", ",app", "app=web,", "app web",
		"=web", "!", "!app=web", "app===web", "app=a=b", "app=!web", "app in", "app in a",
		"app in (a", "app in a)", "app in (a b)", "app in (a))", "app notin", "n > x",
		"n > ", "n >= 5", "-app", "app-", "app=-web", "app=web.", "/app", "a/", "a/b/c",
		"A.io/app", "a_b/app", "app=a/b", "app&x", "app?", "app#", "app%20", "app=web\n",
		"app=\"web\"", "app;x", "app=\xc3\xa4", "app\x01"};
	(void)state;
	for (size_t i = 0; i < sizeof Good / sizeof *Good; i++)
		if (!names_is_selector(Good[i]))
			fail_msg("refused: %s", Good[i]);
	for (size_t i = 0; i < sizeof Bad / sizeof *Bad; i++)
		if (names_is_selector(Bad[i]))
			fail_msg("taken: %s", Bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_labels_and_subdomains),
		cmocka_unit_test(knows_the_longest),
		cmocka_unit_test(knows_names_of_ports),
		cmocka_unit_test(reads_ports),
		cmocka_unit_test(knows_selectors),
	};
	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
