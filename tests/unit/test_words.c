/* words.c alone; test_probe.c has more of what is cut where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdio.h>

#include "words.h"

static void cuts_at_blanks_but_not_in_quotes(void **state)
{
	static const char *const Cases[][2] = {
		{"nc %h %p", "<nc><%h><%p>"},
		{" \tnc\t-x  a:b\t", "<nc><-x><a:b>"},
		{"a \"b 'c'\" 'd \"e' f\\ g", "<a><b 'c'><d \"e><f g>"},
		{"a x\"b c\"'d e'y \"\" ''", "<a><xb cd ey><><>"},
		{"a '\\' \"\\\"\"", "<a><\\><\">"},
		{"", "no: "},
		{" \t", "no: "},
		{"'' a", "no: "},
		{"a \\", "no: nothing stands behind the last '\\'"},
		{"a 'b", "no: a ' is not closed; in quotes, too, a ';' behind a blank begins a "
			 "comment"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		struct err e = {0};
		char told[ERR_TEXT + 8];
		int n = 0;
		char **words = words_split(Cases[i][0], &e);
		if (!words)
			snprintf(told, sizeof told, "no: %s", e.text);
		for (char **word = words; word && *word; word++)
			n += snprintf(told + n, sizeof told - (size_t)n, "<%s>", *word);
		assert_string_equal(told, Cases[i][1]);
		assert_int_equal(e.kind, words ? ERR_NONE : ERR_LOCAL);
		words_free(words);
	}
}

static void compares_word_by_word(void **state)
{
	char *ab[] = {"a", "b", NULL}, *again[] = {"a", "b", NULL}, *a[] = {"a", NULL},
	     *ac[] = {"a", "c", NULL};
	(void)state;
	assert_true(words_same(ab, again));
	assert_true(words_same(NULL, NULL));
	assert_false(words_same(ab, a));
	assert_false(words_same(a, ab));
	assert_false(words_same(ab, ac));
	assert_false(words_same(ab, NULL));
	assert_false(words_same(NULL, ab));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_at_blanks_but_not_in_quotes),
		cmocka_unit_test(compares_word_by_word),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
