/* file.c on files of this machine: sizes around its bound, and what is no file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"

static char Path[] = "/tmp/test_file.XXXXXX";

static void write_bytes(size_t n)
{
	FILE *f = fopen(Path, "w");
	assert_non_null(f);
	for (size_t i = 0; i < n; i++)
		fputc((int)(i % 251), f);
	fclose(f);
}

static int set_up(void **state)
{
	(void)state;
	int fd = mkstemp(Path);
	close(fd);
	return fd < 0;
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(Path);
}

static void reads_all_there_is_behind_what_was_there(void **state)
{
	static const size_t Sizes[] = {0, 1, 16383, 16384, 16385, 100000};
	(void)state;
	for (size_t i = 0; i < sizeof Sizes / sizeof *Sizes; i++) {
		struct buf b = {0};
		write_bytes(Sizes[i]);
		buf_put(&b, "before", 6);
		assert_true(file_read(&b, Path, 100000));
		assert_int_equal(buf_len(&b), 6 + Sizes[i]);
		assert_memory_equal(buf_data(&b), "before", 6);
		for (size_t k = 0; k < Sizes[i]; k++)
			assert_int_equal(buf_data(&b)[6 + k], k % 251);
		buf_free(&b);
	}
}

static void refuses_more_than_it_may_read(void **state)
{
	struct buf b = {0};
	(void)state;
	write_bytes(1001);
	assert_false(file_read(&b, Path, 1000));
	assert_int_equal(errno, EFBIG);
	buf_free(&b);
	assert_true(file_read(&b, Path, 1001));
	buf_free(&b);
	assert_false(file_read(&b, "/dev/zero", 50000));
	assert_int_equal(errno, EFBIG);
	buf_free(&b);
}

static void does_not_wait_for_a_writer(void **state)
{
	struct buf b = {0};
	(void)state;
	unlink(Path);
	assert_int_equal(mkfifo(Path, 0600), 0);
	assert_true(file_read(&b, Path, 10)); /* nobody writes: it is empty */
	int writer = open(Path, O_RDWR | O_NONBLOCK);
	assert_false(file_read(&b, Path, 10));
	assert_int_equal(errno, EAGAIN);
	close(writer);
	buf_free(&b);
}

static void says_why_it_cannot(void **state)
{
	struct buf b = {0};
	(void)state;
	assert_false(file_read(&b, "/nowhere/at/all", 10));
	assert_int_equal(errno, ENOENT);
	assert_false(file_read(&b, "/tmp", 10));
	assert_int_equal(errno, EISDIR);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_all_there_is_behind_what_was_there),
		cmocka_unit_test(refuses_more_than_it_may_read),
		cmocka_unit_test(does_not_wait_for_a_writer),
		cmocka_unit_test(says_why_it_cannot),
	};
	return cmocka_run_group_tests_name("file", tests, set_up, tear_down);
}
