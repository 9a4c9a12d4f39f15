/* mem.c alone: what is given is whole, and what is secret is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exit.h"
#include "mem.h"

static void gives_memory_even_for_no_bytes(void **state)
{
	(void)state;
	void *p = mem_new(0);
	assert_non_null(p);
	p = mem_grow(p, 0);
	assert_non_null(p);
	free(p);
}

static void grows_and_keeps_what_was_there(void **state)
{
	(void)state;
	char *p = mem_dup("abc");
	p = mem_grow(p, 100000);
	assert_string_equal(p, "abc");
	free(p);
}

static void ends_a_copy_of_bytes_with_a_nul(void **state)
{
	(void)state;
	char *p = mem_dup_n("abcdef", 3);
	assert_string_equal(p, "abc");
	free(p);
	p = mem_dup_n(NULL, 0);
	assert_string_equal(p, "");
	free(p);
}

static void wipes_every_byte(void **state)
{
	static const uint8_t zero[33];
	uint8_t bytes[34];
	(void)state;
	memset(bytes, 0xee, sizeof bytes);
	mem_wipe(bytes, 33);
	assert_memory_equal(bytes, zero, 33);
	assert_int_equal(bytes[33], 0xee);
	mem_wipe(NULL, 0);
}

static void sets_a_secret_from_a_part_of_itself(void **state)
{
	struct secret s = {0};
	(void)state;
	secret_set(&s, "Bearer abc", 10);
	secret_set(&s, s.p + 7, 3);
	assert_string_equal(s.p, "abc");
	assert_int_equal(s.n, 3);
	secret_set(&s, "", 0);
	assert_null(s.p);
	assert_int_equal(s.n, 0);
	secret_free(&s);
}

static void ends_the_process_when_there_is_no_memory(void **state)
{
	int status = 0;
	(void)state;
	pid_t pid = fork();
	if (!pid) {
		close(STDERR_FILENO);
		mem_dup_n("", SIZE_MAX);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_FATAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_memory_even_for_no_bytes),
		cmocka_unit_test(grows_and_keeps_what_was_there),
		cmocka_unit_test(ends_a_copy_of_bytes_with_a_nul),
		cmocka_unit_test(wipes_every_byte),
		cmocka_unit_test(sets_a_secret_from_a_part_of_itself),
		cmocka_unit_test(ends_the_process_when_there_is_no_memory),
	};
	return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
