/* filewatch.c on a folder of its own: each way in which a file becomes another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "filewatch.h"
#include "test_loop.h"

static struct filewatch W;
static char Folder[] = "/tmp/test_filewatch.XXXXXX", Home[4096];
static unsigned Told, Wanted;

static void on_change(struct filewatch *w)
{
	assert_ptr_equal(w, &W);
	Told++;
	loop_stop();
}

static bool told(void)
{
	return Told == Wanted;
}

static void put(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static int begin(void **state)
{
	(void)state;
	strcpy(strrchr(Folder, '.'), ".XXXXXX");
	assert_non_null(getcwd(Home, sizeof Home));
	assert_non_null(mkdtemp(Folder));
	assert_int_equal(chdir(Folder), 0);
	loop_init();
	Told = Wanted = 0;
	put("porter.ini", "first");
	assert_true(filewatch_open(&W, "porter.ini", on_change));
	return 0;
}

static int end(void **state)
{
	static const char *const Files[] = {"porter.ini", "other", "new", "old/porter.ini", "old",
		"next/porter.ini", "next", "now"};
	(void)state;
	filewatch_close(&W);
	loop_end();
	for (size_t i = 0; i < sizeof Files / sizeof *Files; i++)
		remove(Files[i]);
	assert_int_equal(chdir(Home), 0);
	return rmdir(Folder);
}

static void expect_one_more(void)
{
	Wanted++;
	assert_true(loop_until(told));
}

/* One change, of those that follow each other at once. */
static void tells_that_it_was_written(void **state)
{
	(void)state;
	put("porter.ini", "second, and longer");
	put("porter.ini", "third");
	expect_one_more();
	put("porter.ini", "fourth, again longer");
	expect_one_more();
}

static void tells_that_it_was_replaced(void **state)
{
	(void)state;
	put("new", "first");
	assert_int_equal(rename("new", "porter.ini"), 0);
	expect_one_more();
}

static void tells_that_it_is_there_again(void **state)
{
	(void)state;
	assert_int_equal(rename("porter.ini", "other"), 0);
	loop_skip(2 * FILEWATCH_SETTLE_MS);
	assert_int_equal(Told, 0);
	put("porter.ini", "after a while");
	expect_one_more();
}

static void does_not_tell_of_other_files(void **state)
{
	(void)state;
	put("other", "text");
	put("other", "more of it");
	assert_int_equal(rename("other", "new"), 0);
	assert_true(loop_until_quiet());
	loop_skip(2 * FILEWATCH_SETTLE_MS);
	assert_int_equal(Told, 0);
}

/* porter.ini -> now/porter.ini, and now -> old, then next: what a kubelet does. */
static void tells_of_another_way_to_it(void **state)
{
	(void)state;
	filewatch_close(&W);
	assert_int_equal(mkdir("old", 0700), 0);
	assert_int_equal(mkdir("next", 0700), 0);
	put("old/porter.ini", "one");
	put("next/porter.ini", "two");
	assert_int_equal(remove("porter.ini"), 0);
	assert_int_equal(symlink("old", "now"), 0);
	assert_int_equal(symlink("now/porter.ini", "porter.ini"), 0);
	assert_true(filewatch_open(&W, "porter.ini", on_change));
	assert_int_equal(symlink("next", "new"), 0);
	assert_int_equal(rename("new", "now"), 0);
	expect_one_more();
}

static void tells_what_becomes_of_a_link_s_target(void **state)
{
	(void)state;
	filewatch_close(&W);
	assert_int_equal(mkdir("old", 0700), 0);
	put("old/porter.ini", "one");
	assert_int_equal(remove("porter.ini"), 0);
	assert_int_equal(symlink("old/porter.ini", "porter.ini"), 0);
	assert_true(filewatch_open(&W, "porter.ini", on_change));
	put("old/porter.ini", "two, and longer");
	expect_one_more();
}

static struct timer Busy;

static void write_other(struct timer *timer)
{
	put("other", "again");
	timer_after(timer, FILEWATCH_SETTLE_MS / 4);
}

/* As porter's own log does. */
static void is_not_put_off_by_others(void **state)
{
	(void)state;
	Busy = (struct timer){.on = write_other};
	timer_after(&Busy, 1);
	put("porter.ini", "second, and longer");
	expect_one_more();
	timer_stop(&Busy);
}

static void says_that_there_is_no_such_folder(void **state)
{
	struct filewatch other;
	(void)state;
	assert_false(filewatch_open(&other, "nowhere/porter.ini", on_change));
	filewatch_close(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_that_it_was_written, begin, end),
		cmocka_unit_test_setup_teardown(tells_that_it_was_replaced, begin, end),
		cmocka_unit_test_setup_teardown(tells_that_it_is_there_again, begin, end),
		cmocka_unit_test_setup_teardown(does_not_tell_of_other_files, begin, end),
		cmocka_unit_test_setup_teardown(tells_of_another_way_to_it, begin, end),
		cmocka_unit_test_setup_teardown(tells_what_becomes_of_a_link_s_target, begin, end),
		cmocka_unit_test_setup_teardown(is_not_put_off_by_others, begin, end),
		cmocka_unit_test_setup_teardown(says_that_there_is_no_such_folder, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
