/* base64.c alone: the vectors of RFC 4648, strictness, and bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>

#include "base64.h"

static const char *const Vectors[][2] = {
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
	{"\xfb\xff\xbf\xf0", "+/+/8A=="},
};

static bool decodes_to(const char *text, const char *want)
{
	uint8_t out[64];
	size_t n;
	return base64_decode(out, &n, text, strlen(text)) && n == strlen(want) &&
	       !memcmp(out, want, n);
}

static void reads_and_writes_the_vectors_of_rfc_4648(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof Vectors / sizeof *Vectors; i++) {
		const char *plain = Vectors[i][0], *coded = Vectors[i][1];
		char out[64];
		base64_encode(out, plain, strlen(plain));
		assert_string_equal(out, coded);
		assert_int_equal(BASE64_LEN(strlen(plain)), strlen(coded));
		assert_true(decodes_to(coded, plain));
	}
}

static void passes_over_line_ends_anywhere(void **state)
{
	(void)state;
	assert_true(decodes_to("Zm9v\r\nYmFy\n", "foobar"));
	assert_true(decodes_to("\nZ\nm\n9\nvY\r\ng=\n=\n", "foob"));
	assert_true(decodes_to("\r\n", ""));
}

static void refuses_what_is_not_base64(void **state)
{
	static const char *const Bad[] = {"Z", "Zg", "Zg=", "Zm9", "Zg===", "=",
		"====", "Z===", "Zg==Zg==", "Zg==AAAA", "Zg=A",
		"Zg==\nZg==", "Z=g=", "Zm9v=", "Zh==", "Zm9=", "Zm9 v", "Zm-v", "Zm_v", "Zm9v\t",
		"Zm\xc3\xa9"};
	(void)state;
	for (size_t i = 0; i < sizeof Bad / sizeof *Bad; i++) {
		uint8_t out[64];
		size_t n;
		assert_false(base64_decode(out, &n, Bad[i], strlen(Bad[i])));
	}
}

static void stays_within_its_bounds(void **state)
{
	uint8_t *page =
		mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)state;
	mprotect(page + 4096, 4096, PROT_NONE);
	mprotect(page + 12288, 4096, PROT_NONE);
	for (size_t n = 0; n < 40; n++) {
		size_t coded = BASE64_LEN(n), len;
		char *text = (char *)page + 4096 - coded;
		uint8_t *out = page + 12288 - coded / 4 * 3, plain[40], filled[61];
		for (size_t i = 0; i < n; i++)
			plain[i] = (uint8_t)(i * 73);
		base64_encode((char *)filled, plain, n);
		memcpy(text, filled, coded);
		assert_true(base64_decode(out, &len, text, coded));
		assert_int_equal(len, n);
		assert_memory_equal(out, plain, n);
	}
	munmap(page, 16384);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes_the_vectors_of_rfc_4648),
		cmocka_unit_test(passes_over_line_ends_anywhere),
		cmocka_unit_test(refuses_what_is_not_base64),
		cmocka_unit_test(stays_within_its_bounds),
	};
	return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
