/* credential.c alone: which credential counts, and what no field may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "credential.h"

static char File[] = "/tmp/porter-token-XXXXXX";

static void write_file(const char *text, size_t n)
{
	FILE *f = fopen(File, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, n, f), n);
	fclose(f);
}

/* What is put for a user, or the error's text. */
static char *put(struct kubeconfig k)
{
	static char text[1024];
	struct buf out = {0};
	struct err e = {0};
	bool ok = credential_put(&out, &k, &e);
	assert_int_equal(ok, !e.kind);
	if (!ok)
		assert_int_equal(buf_len(&out), 0);
	snprintf(text, sizeof text, "%.*s%s", (int)buf_len(&out), (char *)buf_data(&out), e.text);
	buf_free_wiped(&out);
	return text;
}

static struct secret secret(const char *text)
{
	return (struct secret){.p = (char *)(uintptr_t)text, .n = strlen(text)};
}

static void puts_what_the_user_has(void **state)
{
	struct kubeconfig all = {.token = secret("abc"), .username = "Aladdin"};
	(void)state;
	all.password = secret("open sesame");
	assert_string_equal(put((struct kubeconfig){0}), "");
	assert_string_equal(put(all), "Authorization: Bearer abc\r\n");
	all.token = (struct secret){0};
	/* The example of RFC 7617, section 2. */
	assert_string_equal(put(all), "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n");
	assert_string_equal(
		put((struct kubeconfig){.username = "u"}), "Authorization: Basic dTo=\r\n");
}

static void a_file_comes_before_a_token_that_stands_in_for_it(void **state)
{
	struct kubeconfig k = {.token_file = File, .token = secret("abc")};
	(void)state;
	write_file(" \tfrom.file\r\n\n", 14);
	assert_string_equal(put(k), "Authorization: Bearer from.file\r\n");
	write_file("rotated", 7);
	assert_string_equal(put(k), "Authorization: Bearer rotated\r\n");
	k.token_file = "/nonexistent/token";
	assert_string_equal(put(k), "Authorization: Bearer abc\r\n");
	k.token = (struct secret){0};
	assert_string_equal(
		put(k), "cannot read token file '/nonexistent/token': No such file or directory");
}

static void refuses_what_no_field_can_hold(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *why;
	} Bad[] = {
		{"", 0, "is empty"},
		{" \n", 2, "is empty"},
		{"a\nX-Evil: 1", 11, "control character"},
		{"a\rb", 3, "control character"},
		{"a\0b", 3, "control character"},
		{"a\x7f"
		 "b",
			3, "control character"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Bad / sizeof *Bad; i++) {
		write_file(Bad[i].text, Bad[i].n);
		assert_non_null(strstr(put((struct kubeconfig){.token_file = File}), Bad[i].why));
	}
	assert_non_null(strstr(put((struct kubeconfig){.token = secret("abc\n")}), "control"));
}

static void refuses_a_file_without_end(void **state)
{
	(void)state;
	assert_non_null(strstr(put((struct kubeconfig){.token_file = "/dev/zero"}), "too large"));
}

static int make_file(void **state)
{
	(void)state;
	int fd = mkstemp(File);
	return fd < 0 ? -1 : close(fd);
}

static int drop_file(void **state)
{
	(void)state;
	return unlink(File);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(puts_what_the_user_has),
		cmocka_unit_test(a_file_comes_before_a_token_that_stands_in_for_it),
		cmocka_unit_test(refuses_what_no_field_can_hold),
		cmocka_unit_test(refuses_a_file_without_end),
	};
	return cmocka_run_group_tests_name("credential", tests, make_file, drop_file);
}
