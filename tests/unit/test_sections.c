/* sections.c: a table of its own, what fits it, and what is said of the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "sections.h"

static const struct key ToolKeys[] = {{.name = "speed"}, {.name = "colour"}};
static const struct key PartKeys[] = {{.name = "weight"}, {.name = "height"}, {.name = "colour"}};
static const struct kind Kinds[] = {
	{"tool", "tool", false, ToolKeys, 2},
	{"part", "part NAME", true, PartKeys, 3},
};

static struct problems Problems;

static struct sections read(const char *text)
{
	struct sections s = {
		.kinds = Kinds, .kind_count = 2, .file = "x.ini", .problems = &Problems};
	sections_read(&s, text, strlen(text));
	return s;
}

static void expect_problems(const char *text)
{
	struct buf out = {0};
	problems_tell(&Problems, &out);
	char *told = mem_dup_n(buf_data(&out), buf_len(&out));
	assert_string_equal(told, text);
	free(told);
	buf_free(&out);
}

static void has_texts_and_lines(void **state)
{
	(void)state;
	struct sections s =
		read("[part big  wheel]\nheight = 3\nweight =\n\n[tool]\nspeed = x y\n");
	expect_problems("");
	assert_int_equal(s.count, 2);
	const struct section *part = &s.all[0];
	assert_ptr_equal(part->kind, &Kinds[1]);
	assert_string_equal(part->head, "part big  wheel");
	assert_string_equal(part->label, "big  wheel");
	assert_int_equal(part->line, 1);
	assert_string_equal(part->value[0].text, "");
	assert_int_equal(part->value[0].line, 3);
	assert_string_equal(part->value[1].text, "3");
	assert_int_equal(part->value[1].line, 2);
	assert_null(part->value[2].text);
	assert_int_equal(part->value[2].line, 0);
	assert_string_equal(s.all[1].value[0].text, "x y");
	assert_ptr_equal(sections_find(&s, &Kinds[1], "big  wheel"), part);
	assert_ptr_equal(sections_find(&s, &Kinds[0], ""), &s.all[1]);
	assert_null(sections_find(&s, &Kinds[1], "big"));
	sections_free(&s);
	assert_int_equal(s.count, 0);
}

static void tells_what_does_not_fit(void **state)
{
	static const char *const Cases[][2] = {
		{"[tol]\nspeed=1\nspeed=2\n", "unknown section [tol] (x.ini:1)\n"
					      "  did you mean [tool]?\n"},
		{"[part]\n", "unknown section [part] (x.ini:1)\n  did you mean [part NAME]?\n"},
		{"[machine]\n", "unknown section [machine] (x.ini:1)\n"
				"  there are [tool] and [part NAME]\n"},
		{"[part a]\n[tool]\n[part\ta]\n",
			"[part a] is there twice, first in line 1 (x.ini:3)\n"},
		{"[part a]\nwight=1\nhieght=2\n",
			"unknown key 'wight' in [part a] (x.ini:2)\n  did you mean 'weight'?\n"
			"unknown key 'hieght' in [part a] (x.ini:3)\n  did you mean 'height'?\n"},
		{"[part a]\nspeed=1\n", "unknown key 'speed' in [part a] (x.ini:2)\n"
					"  it belongs in [tool]\n"},
		{"[tool]\nabsent=1\n", "unknown key 'absent' in [tool] (x.ini:2)\n"},
		{"[tool]\nspeed=\nspeed=1\n",
			"key 'speed' is there twice in [tool], first in line 2 (x.ini:3)\n"},
		{"speed=1\ncolour=2\n[tool]\n",
			"key 'speed' stands before the first [section] (x.ini:1)\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		struct sections s = read(Cases[i][0]);
		expect_problems(Cases[i][1]);
		sections_free(&s);
	}
}

/* What was told of leaves a mark, so that it is not missed as well. */
static void marks_what_was_told(void **state)
{
	(void)state;
	struct sections s =
		read("[part a]\nwight=1\n[part b]\nheight\n[part c]\n[part d\nweight=1\n");
	struct buf out = {0};
	problems_tell(&Problems, &out);
	buf_free(&out);
	assert_int_equal(s.all[0].value[0].line, 2);
	assert_null(s.all[0].value[0].text);
	assert_false(s.all[0].spoilt);
	assert_true(s.all[1].spoilt);
	assert_false(s.all[2].spoilt);
	assert_null(s.all[2].value[0].text);
	assert_int_equal(s.count, 4);
	assert_null(s.all[3].kind);
	sections_free(&s);
}

/* The rest is passed over, with what is wrong in it. */
static void takes_so_many(void **state)
{
	struct buf text = {0};
	(void)state;
	for (int i = 0; i < SECTIONS_MAX; i++)
		buf_print(&text, "[part %d]\nweight=%d\n", i, i);
	buf_put(&text, "", 1);
	struct sections s = read((const char *)buf_data(&text));
	expect_problems("");
	assert_int_equal(s.count, SECTIONS_MAX);
	assert_string_equal(s.all[SECTIONS_MAX - 1].value[0].text, "4095");
	sections_free(&s);
	text.tail--;
	buf_print(&text, "[part x]\nweight=1\nspeed=1\n[part 0]\n[part y\n[tol]\n");
	buf_put(&text, "", 1);
	s = read((const char *)buf_data(&text));
	expect_problems("there are more than 4096 sections: the rest is not read (x.ini)\n"
			"a [section] ends with ']', and nothing but a comment follows "
			"(x.ini:8197)\n");
	assert_int_equal(s.count, SECTIONS_MAX);
	assert_null(s.all[SECTIONS_MAX - 1].value[1].text);
	sections_free(&s);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_texts_and_lines),
		cmocka_unit_test(tells_what_does_not_fit),
		cmocka_unit_test(marks_what_was_told),
		cmocka_unit_test(takes_so_many),
	};
	return cmocka_run_group_tests_name("sections", tests, NULL, NULL);
}
