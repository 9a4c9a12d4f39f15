/* ulimit.c by limits that are set here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "test_ulimit.h"

static struct rlimit Files, Core;

static int begin(void **state)
{
	(void)state;
	getrlimit(RLIMIT_NOFILE, &Files);
	return getrlimit(RLIMIT_CORE, &Core);
}

static int end(void **state)
{
	(void)state;
	setrlimit(RLIMIT_CORE, &Core);
	return setrlimit(RLIMIT_NOFILE, &Files);
}

static void assert_words(struct buf *errors, const char *words)
{
	buf_put(errors, "", 1);
	assert_string_equal((const char *)buf_data(errors), words);
	buf_free(errors);
}

/* The first test: nothing was reserved yet. */
static void knows_no_end_at_first(void **state)
{
	(void)state;
	assert_true(ulimit_left() > UINT32_MAX);
	ulimit_take();
	assert_true(ulimit_is_plenty());
	ulimit_give();
}

static void refuses_with_words_what_cannot_be(void **state)
{
	static const struct {
		size_t clusters, forwards, needed;
	} Case[] = {{1, 1, 37}, {1, 6, 62}, {1, 7, 67}, {3, 50, 290}};
	struct buf errors = {0};
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++) {
		descriptors_may_be(Case[i].needed);
		assert_true(ulimit_allow(Case[i].clusters, Case[i].forwards, &errors));
		descriptors_may_be(Case[i].needed - 1);
		assert_int_equal(buf_len(&errors), 0);
		assert_false(ulimit_allow(Case[i].clusters, Case[i].forwards, &errors));
		buf_free(&errors);
	}
	descriptors_may_be(64);
	assert_false(ulimit_allow(1, 7, &errors));
	assert_words(&errors,
		"7 forwards need 67 file descriptors, and there may be 64 (ulimit -n)\n"
		"  raise the limit with 'ulimit -n 67' or more, or name fewer forwards\n");
}

static void keeps_some_and_counts_the_others(void **state)
{
	(void)state;
	descriptors_may_be(37);
	ulimit_reserve(1, 1);
	assert_int_equal(ulimit_left(), 8);
	for (size_t left = 8; left-- > 0;) {
		assert_int_equal(ulimit_is_plenty(), left >= 4);
		ulimit_take();
		assert_int_equal(ulimit_left(), left);
	}
	ulimit_take(); /* one more than there were */
	assert_int_equal(ulimit_left(), 0);
	assert_false(ulimit_is_plenty());
	ulimit_give();
	ulimit_give();
	assert_int_equal(ulimit_left(), 1);
	ulimit_reserve(1, 2); /* fewer than are taken */
	assert_int_equal(ulimit_left(), 0);
	ulimit_reserve(2, 2); /* and fewer than are kept */
	assert_int_equal(ulimit_left(), 0);
	for (size_t i = 0; i < 7; i++)
		ulimit_give();
	assert_int_equal(ulimit_left(), 0);
	ulimit_reserve(1, 1);
	assert_int_equal(ulimit_left(), 8);
}

static void takes_what_it_may_have_and_leaves_no_core(void **state)
{
	struct rlimit files, core;
	(void)state;
	descriptors_may_be(100);
	ulimit_set();
	getrlimit(RLIMIT_NOFILE, &files);
	getrlimit(RLIMIT_CORE, &core);
	assert_true(files.rlim_cur == Files.rlim_max && files.rlim_max == Files.rlim_max);
	assert_true(core.rlim_cur <= 1 && core.rlim_max == Core.rlim_max);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(knows_no_end_at_first),
		TEST(refuses_with_words_what_cannot_be),
		TEST(keeps_some_and_counts_the_others),
		TEST(takes_what_it_may_have_and_leaves_no_core),
	};
	return cmocka_run_group_tests_name("ulimit", tests, NULL, NULL);
}
