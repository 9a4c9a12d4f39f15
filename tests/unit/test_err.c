/* err.c alone: the first cause, its words, and what its kind leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "err.h"

static void keeps_the_first_cause(void **state)
{
	struct err e = {0};
	(void)state;
	assert_false(err_set(&e, ERR_FORBIDDEN, 403, "pods \"%s\" is forbidden", "web"));
	assert_false(err_set(&e, ERR_NETWORK, 104, "connection reset"));
	assert_int_equal(e.kind, ERR_FORBIDDEN);
	assert_int_equal(e.code, 403);
	assert_string_equal(e.text, "pods \"web\" is forbidden");
	assert_false(err_set(NULL, ERR_LOCAL, 0, "nobody wants to know"));
}

static void keeps_what_a_server_says_to_one_clean_line(void **state)
{
	struct err e = {0};
	(void)state;
	err_set(&e, ERR_SERVER, 500, "%s", "a\nb\x1b[2J\xff\xe2\x80\xaeg");
	assert_string_equal(e.text, "a?b?[2J??g");
}

static void cuts_long_text_at_the_end_of_a_character(void **state)
{
	char text[2 * ERR_TEXT];
	(void)state;
	for (size_t lead = 0; lead < 3; lead++) {
		struct err e = {0};
		memset(text, 'x', lead);
		for (size_t i = lead; i + 3 < sizeof text; i += 3)
			memcpy(text + i, "\xe2\x82\xac", 4);
		err_set(&e, ERR_PROTOCOL, 0, "%s", text);
		size_t n = (ERR_TEXT - 1 - lead) / 3 * 3 + lead;
		assert_int_equal(strlen(e.text), n);
		assert_memory_equal(e.text, text, n);
	}
}

static void tells_passing_causes_from_those_that_need_a_person(void **state)
{
	(void)state;
	for (enum err_kind k = ERR_NETWORK; k < ERR_KINDS; k++) {
		bool passing = k == ERR_NETWORK || k == ERR_REFUSED || k == ERR_THROTTLED ||
			       k == ERR_SERVER || k == ERR_PROTOCOL;
		assert_int_equal(err_rule(k)->passing, passing);
		assert_int_equal(err_rule(k)->level, passing ? LOG_WARN : LOG_ERROR);
	}
	assert_int_equal(err_rule(ERR_NONE)->level, LOG_INFO);
}

static void reads_kinds_from_http_statuses(void **state)
{
	static const struct {
		int status;
		enum err_kind kind;
	} Want[] = {
		{401, ERR_UNAUTHORIZED},
		{403, ERR_FORBIDDEN},
		{404, ERR_NOT_FOUND},
		{429, ERR_THROTTLED},
		{500, ERR_SERVER},
		{503, ERR_SERVER},
		{400, ERR_PROTOCOL},
		{302, ERR_PROTOCOL},
		{200, ERR_PROTOCOL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Want / sizeof *Want; i++)
		assert_int_equal(err_of_status(Want[i].status), Want[i].kind);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_the_first_cause),
		cmocka_unit_test(keeps_what_a_server_says_to_one_clean_line),
		cmocka_unit_test(cuts_long_text_at_the_end_of_a_character),
		cmocka_unit_test(tells_passing_causes_from_those_that_need_a_person),
		cmocka_unit_test(reads_kinds_from_http_statuses),
	};
	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
