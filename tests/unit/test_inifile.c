/* inifile.c with inih behind it: what is told of a text, as a story. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "inifile.h"

/* "1 [name]|2 key=value|3 ?why|"; "3 !why|" for a section. */
struct story {
	char text[8192];
	size_t n;
};

static void tell(struct story *s, const char *form, unsigned line, const char *a, const char *b)
{
	int n = snprintf(s->text + s->n, sizeof s->text - s->n, form, line, a, b);
	s->n += (size_t)n;
	assert_true(s->n < sizeof s->text);
}

static void on_section(void *owner, unsigned line, const char *name)
{
	tell(owner, "%u [%s]%s|", line, name, "");
}

static void on_key(void *owner, unsigned line, const char *name, const char *value)
{
	tell(owner, "%u %s=%s|", line, name, value);
}

static void on_fault(void *owner, unsigned line, const char *why, bool section)
{
	tell(owner, "%u %s%s|", line, section ? "!" : "?", why);
}

static const char *told_of(const char *p, size_t n)
{
	static const struct inifile_ops Ops = {on_section, on_key, on_fault};
	static struct story s;
	memset(&s, 0, sizeof s);
	inifile_read(p, n, &Ops, &s);
	return s.text;
}

static void check_story(const char *text, const char *story)
{
	assert_string_equal(told_of(text, strlen(text)), story);
}

#define NEITHER  "the line is neither a [section] nor 'key = value'"
#define ENDS     "a [section] ends with ']', and nothing but a comment follows"
#define CONTROL  "there is a control character in the line"
#define NOT_UTF8 "the line is not UTF-8"

static void tells_sections_and_keys_with_their_lines(void **state)
{
	(void)state;
	check_story("", "");
	check_story("\n\n \t\n", "");
	check_story("a=1", "1 a=1|");
	check_story("[s]\na = 1\n\nb: 2\r\n[t]\n[u]\n", "1 [s]|2 a=1|4 b=2|5 [t]|6 [u]|");
	check_story("\xef\xbb\xbf[s]\n a = b = c \n", "1 [s]|2 a=b = c|");
	check_story("[ s  t ]\na=\nb = \n", "1 [s  t]|2 a=|3 b=|");
	check_story("[]\n[s", "1 []|2 !" ENDS "|");
	check_story("a=\xc3\xa4\tb\n", "1 a=\xc3\xa4\tb|");
}

static void indentation_continues_nothing(void **state)
{
	(void)state;
	check_story(
		"[s]\n  a = 1\n  b = 2\n\t[t]\n  c\n", "1 [s]|2 a=1|3 b=2|4 [t]|5 ?" NEITHER "|");
}

static void passes_over_comments(void **state)
{
	(void)state;
	check_story("; a=1\n# b=2\n  ;c=3\n  # d=4\n", "");
	check_story("a = 1 ; one\nb = 2\t;two\nc = x;y#z # w\n", "1 a=1|2 b=2|3 c=x;y#z # w|");
	check_story("[s] ; note\na = ;\nb ; = 1\n", "1 [s]|2 a=|3 ?" NEITHER "|");
	check_story("; \x80 \x01\na = 1 ; \xff\n", "2 a=1|"); /* nobody reads them */
}

static void tells_what_is_wrong_with_a_line(void **state)
{
	(void)state;
	check_story("word\n= 1\n: 2\n", "1 ?" NEITHER "|2 ?" NEITHER "|3 ?" NEITHER "|");
	check_story("[s]\na=1\nword\nb=2\n", "1 [s]|2 a=1|3 ?" NEITHER "|4 b=2|");
	check_story("[s\n[a]b]\n[a] b\n[\n", "1 !" ENDS "|2 !" ENDS "|3 !" ENDS "|4 !" ENDS "|");
	check_story(
		"a=\x1b[0m\nb=\xc2\x85\n[\x7f]\n", "1 ?" CONTROL "|2 ?" CONTROL "|3 !" CONTROL "|");
	check_story("a=\x80\n[\xc3]\nb=\xed\xa0\x80\n",
		"1 ?" NOT_UTF8 "|2 !" NOT_UTF8 "|3 ?" NOT_UTF8 "|");
	check_story("\xef\xbb\xbf\xef\xbb\xbf"
		    "a=1\n",
		"1 ?there is a byte order mark inside the text|");
	check_story("a=\x01\n", "1 ?" CONTROL "|"); /* the byte that stands around parts */
	assert_string_equal(told_of("a=\0b\nc=1", 8), "1 ?" CONTROL "|2 c=1|");
}

static void takes_names_of_49_bytes_and_no_more(void **state)
{
	char text[64], story[128];
	(void)state;
	for (int n = 47; n <= 51; n++) {
		snprintf(text, sizeof text, "[%0*d]\na=1", n, 7);
		if (n <= INIFILE_NAME_MAX)
			snprintf(story, sizeof story, "1 [%0*d]|2 a=1|", n, 7);
		else
			snprintf(story, sizeof story, "1 !%s|2 a=1|",
				"the section's name is longer than 49 bytes");
		check_story(text, story);
	}
}

/* Each length, and so each place where the reader may cut: between blanks, and
 * before what inih would take for a comment, a section or a key. */
static void gives_long_values_whole(void **state)
{
	static const char Pattern[] = "  ;a\t\t[b] #= :;;#\xc3\xa4 ]";
	char text[INIFILE_LINE_MAX + 64], value[INIFILE_LINE_MAX], story[INIFILE_LINE_MAX + 64];
	(void)state;
	for (size_t n = 1; n < INIFILE_LINE_MAX - 8; n += n < 900 ? 1 : 97) {
		for (size_t i = 0; i < n; i++)
			value[i] = Pattern[(i + 3) % (sizeof Pattern - 1)];
		for (char *p = value; (p = memchr(p, ';', n - (size_t)(p - value))); p++)
			if (p > value && (p[-1] == ' ' || p[-1] == '\t'))
				p[-1] = '-'; /* would be a comment */
		value[0] = '<';
		value[n - 1] = '>';
		value[n] = '\0';
		if (n > 1 && (value[n - 2] & 0x80) && (uint8_t)value[n - 2] == 0xc3)
			value[n - 2] = '-'; /* half a letter */
		snprintf(text, sizeof text, "before=1\nkey = %s ; note\nafter = 2\n", value);
		snprintf(story, sizeof story, "1 before=1|2 key=%s|3 after=2|", value);
		check_story(text, story);
	}
}

static void strips_blanks_of_any_number(void **state)
{
	char text[1024];
	(void)state;
	for (int n = 1; n < 500; n++) {
		snprintf(text, sizeof text, "[s]\nkey =%*s%*s\n", n, "v", n, "");
		check_story(text, "1 [s]|2 key=v|");
	}
}

static void refuses_lines_that_are_too_long(void **state)
{
	char text[INIFILE_LINE_MAX + 64], story[sizeof text + 8];
	(void)state;
	snprintf(text, sizeof text, "a=%0*d", INIFILE_LINE_MAX - 2, 7);
	snprintf(story, sizeof story, "1 %s|", text);
	check_story(text, story);
	snprintf(text, sizeof text, "a=%0*d\nb=1", INIFILE_LINE_MAX - 1, 7);
	check_story(text, "1 ?the line is longer than 4096 bytes|2 b=1|");
	snprintf(text, sizeof text, "a=1 ;%0*d", INIFILE_LINE_MAX, 7);
	check_story(text, "1 a=1|");
}

/* A long line that is no key must not pass for more of the key before it. */
static void tells_nothing_of_long_lines_without_a_key(void **state)
{
	char text[1024];
	(void)state;
	static const char *const Before[][2] = {{"[s]", "1 [s]|"}, {"a=1", "1 a=1|"}};
	for (size_t i = 0; i < 2; i++)
		for (int n = 200; n < 450; n++) {
			char story[256];
			snprintf(text, sizeof text, "%s\n%0*d b=%0*d", Before[i][0], n, 7, n, 7);
			snprintf(story, sizeof story, "%s2 ?" NEITHER "|", Before[i][1]);
			check_story(text, story);
		}
}

static void reads_no_byte_beyond_its_input(void **state)
{
	static const char Text[] = "\xef\xbb\xbf[s]\na = \xc3\xa4 ; note\r\n[t\nword\nb:2\n";
	(void)state;
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(page + 4096, 4096, PROT_NONE);
	for (size_t n = 0; n <= sizeof Text; n++)
		told_of(memcpy(page + 4096 - n, Text, n), n);
	munmap(page, 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_sections_and_keys_with_their_lines),
		cmocka_unit_test(indentation_continues_nothing),
		cmocka_unit_test(passes_over_comments),
		cmocka_unit_test(tells_what_is_wrong_with_a_line),
		cmocka_unit_test(takes_names_of_49_bytes_and_no_more),
		cmocka_unit_test(gives_long_values_whole),
		cmocka_unit_test(strips_blanks_of_any_number),
		cmocka_unit_test(refuses_lines_that_are_too_long),
		cmocka_unit_test(tells_nothing_of_long_lines_without_a_key),
		cmocka_unit_test(reads_no_byte_beyond_its_input),
	};
	return cmocka_run_group_tests_name("inifile", tests, NULL, NULL);
}
