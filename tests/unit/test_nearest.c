/* nearest.c alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <string.h>

#include "nearest.h"

static const char *nearest_port(const char *typed)
{
	struct nearest n = nearest_to(typed);
	nearest_consider(&n, "remote_port");
	nearest_consider(&n, "local_port");
	nearest_consider(&n, "log");
	return n.word ? n.word : "";
}

static void finds_what_was_meant(void **state)
{
	static const char *const Cases[][2] = {
		{"local_port", "local_port"},
		{"local_prot", "local_port"},
		{"localPort", "local_port"},
		{"lcalport", "local_port"},
		{"remote-port", "remote_port"},
		{"LOG", "log"},
		{"lag", "log"},
		{"l", ""},
		{"lo", "log"},
		{"", ""},
		{"port", ""},
		{"local_p", "local_port"},
		{"local_", ""},
		{"namespace", ""},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++)
		assert_string_equal(nearest_port(Cases[i][0]), Cases[i][1]);
}

static void keeps_the_first_of_equals(void **state)
{
	(void)state;
	struct nearest n = nearest_to("cat");
	assert_true(nearest_consider(&n, "car"));
	assert_false(nearest_consider(&n, "can"));
	assert_true(nearest_consider(&n, "cat"));
	assert_string_equal(n.word, "cat");
	assert_int_equal(n.distance, 0);
}

static void compares_words_of_up_to_63_bytes(void **state)
{
	char word[65], typed[65];
	(void)state;
	for (size_t n = 62; n <= 64; n++) {
		memset(word, 'a', n);
		word[n] = '\0';
		memcpy(typed, word, n + 1);
		typed[0] = 'b';
		struct nearest near = nearest_to(typed);
		assert_int_equal(nearest_consider(&near, word), n <= 63);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_meant),
		cmocka_unit_test(keeps_the_first_of_equals),
		cmocka_unit_test(compares_words_of_up_to_63_bytes),
	};
	return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
