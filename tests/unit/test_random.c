/* random.c alone: every byte is filled and no draw comes twice.  Each of these
 * could fail by chance less than once in 2^90 runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "random.h"

static void fills_every_byte(void **state)
{
	uint8_t a[1000], seen[1000] = {0};
	(void)state;
	for (int round = 0; round < 16; round++) {
		memset(a, 0, sizeof a);
		random_bytes(a, sizeof a);
		for (size_t i = 0; i < sizeof a; i++)
			seen[i] |= a[i];
	}
	assert_null(memchr(seen, 0, sizeof seen));
	memset(a, 0xaa, sizeof a);
	random_bytes(a, 0);
	assert_int_equal(a[0], 0xaa);
}

/* 2,000 draws go through several stocks; four in a row are one sample. */
static void draws_nothing_twice(void **state)
{
	static uint32_t draw[500][4];
	(void)state;
	for (size_t i = 0; i < 500; i++)
		for (size_t j = 0; j < 4; j++)
			draw[i][j] = random_u32();
	for (size_t i = 0; i < 500; i++)
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(draw[i], draw[j], sizeof *draw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_every_byte),
		cmocka_unit_test(draws_nothing_twice),
	};
	return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
