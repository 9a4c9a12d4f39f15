/* hash.c alone: the test vectors of RFC 3174, and what lies at a block's edge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "hash.h"

static void hashes_the_vectors_of_rfc_3174(void **state)
{
	static const uint8_t Abc[] = {0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e,
		0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d};
	static const uint8_t Two[] = {0x84, 0x98, 0x3e, 0x44, 0x1c, 0x3b, 0xd2, 0x6e, 0xba, 0xae,
		0x4a, 0xa1, 0xf9, 0x51, 0x29, 0xe5, 0xe5, 0x46, 0x70, 0xf1};
	uint8_t out[HASH_SHA1_LEN];
	(void)state;
	hash_sha1(out, "abc", 3);
	assert_memory_equal(out, Abc, sizeof Abc);
	hash_sha1(out, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56);
	assert_memory_equal(out, Two, sizeof Two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_the_vectors_of_rfc_3174),
	};
	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
