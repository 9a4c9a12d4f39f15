/* json.c and value.c: texts whole, cut after every byte, and hard against an
 * unmapped page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "buf.h"
#include "json.h"

static const char Pod[] = "{\"kind\": \"Pod\",\r\n"
			  " \"metadata\": {\"name\": \"web-1\", \"labels\": {}},\n"
			  "\t\"ports\": [8080, -1.5e+3, {\"ok\": true}, [], null],\n"
			  " \"text\": \"a\\n\\u00e4\\ud83d\\ude00\\/\\\"\xc3\xa4\"}\n";

/* The error's words, or "" for a text that is read. */
static const char *said(const char *p, size_t n)
{
	static struct err e;
	struct document doc = {0};
	e = (struct err){0};
	if (json_parse(&doc, p, n, &e)) {
		assert_non_null(doc.root);
		assert_int_equal(doc.root->nodes, doc.count);
		assert_int_equal(e.kind, ERR_NONE);
	} else {
		assert_null(doc.root);
		assert_null(doc.text);
		assert_int_equal(e.kind, ERR_PROTOCOL);
	}
	document_free(&doc);
	return e.text;
}

static void reads_a_pod(void **state)
{
	struct document doc = {0};
	struct err e = {0};
	int64_t port = 0;
	(void)state;
	assert_true(json_parse(&doc, Pod, sizeof Pod - 1, &e));
	assert_string_equal(value_text(value_at(doc.root, "metadata/name")), "web-1");
	assert_int_equal(value_at(doc.root, "metadata/labels")->nodes, 1);
	const struct value *ports = value_get(doc.root, "ports"), *v = value_first(ports);
	assert_int_equal(ports->line, 3);
	assert_true(value_int(v, &port));
	assert_int_equal(port, 8080);
	v = value_next(ports, v);
	assert_string_equal(value_text(v), "-1.5e+3");
	v = value_next(ports, v);
	assert_true(value_is_true(value_get(v, "ok")));
	v = value_next(ports, value_next(ports, v));
	assert_int_equal(v->type, VALUE_NULL);
	assert_string_equal(
		value_text(value_get(doc.root, "text")), "a\n\xc3\xa4\xf0\x9f\x98\x80/\"\xc3\xa4");
	document_free(&doc);
}

/* Their text needs one byte more than they have. */
static void reads_texts_that_are_one_scalar(void **state)
{
	static const struct {
		const char *json;
		enum value_type type;
	} Cases[] = {{"1", VALUE_NUMBER}, {"-0.5E-2", VALUE_NUMBER}, {"true", VALUE_BOOL},
		{"false", VALUE_BOOL}, {"null", VALUE_NULL}, {"\"\"", VALUE_STRING}};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		struct document doc = {0};
		assert_true(json_parse(&doc, Cases[i].json, strlen(Cases[i].json), NULL));
		assert_int_equal(doc.root->type, Cases[i].type);
		if (Cases[i].type != VALUE_STRING)
			assert_string_equal(doc.root->text, Cases[i].json);
		document_free(&doc);
	}
}

static void refuses_each_part_of_a_text_and_reads_no_byte_beyond(void **state)
{
	(void)state;
	size_t size = sizeof Pod - 1, whole = size - 1; /* the last line end may go */
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(page + 4096, 4096, PROT_NONE);
	for (size_t n = 0; n <= size; n++) {
		const char *p = memcpy(page + 4096 - n, Pod, n);
		assert_int_equal(!*said(p, n), n >= whole);
	}
	munmap(page, 8192);
}

static void refuses_what_rfc_8259_does_not_have(void **state)
{
	static const struct {
		const char *text, *why;
	} Cases[] = {
		{"", "line 1: the text ends too early"},
		{"[1,\n2,\n]", "line 3: a value is missing"},
		{"[1 2]", "line 1: ',' or ']' is missing"},
		{"{\"a\":1,}", "line 1: a key in quotes is missing"},
		{"{a:1}", "line 1: a key in quotes is missing"},
		{"{\"a\" 1}", "line 1: a key without ':'"},
		{"{\"a\":1]", "line 1: ',' or '}' is missing"},
		{"[1] [2]", "line 1: text behind the value"},
		{"[1] // x", "line 1: text behind the value"},
		{"tru", "line 1: a value is missing"},
		{"NaN", "line 1: a value is missing"},
		{"01", "line 1: text behind the value"},
		{"+1", "line 1: a value is missing"},
		{"-", "line 1: a number that JSON does not have"},
		{"1.", "line 1: a number that JSON does not have"},
		{".5", "line 1: a value is missing"},
		{"1e+", "line 1: a number that JSON does not have"},
		{"'a'", "line 1: a value is missing"},
		{"\"a", "line 1: a string is not closed"},
		{"\"a\\\"", "line 1: a string is not closed"},
		{"\"\\x41\"", "line 1: an escape that JSON does not have"},
		{"\"\\u12g4\"", "line 1: \\u needs four hexadecimal digits"},
		{"\"\\u123\"", "line 1: \\u needs four hexadecimal digits"},
		{"\"a\nb\"", "line 1: a control character in a string"},
		{"\"\xc3\"", "line 1: text that is not UTF-8"},
		{"\"\xed\xa0\x80\"", "line 1: text that is not UTF-8"},
		{"\xef\xbb\xbf{}", "line 1: a value is missing"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++)
		assert_string_equal(said(Cases[i].text, strlen(Cases[i].text)), Cases[i].why);
	assert_string_equal(said("[\0]", 3), "line 1: a value is missing");
}

static void reads_escapes_as_go_does(void **state)
{
	static const struct {
		const char *json, *text;
	} Cases[] = {
		{"\"\\b\\f\\n\\r\\t\\\\\"", "\b\f\n\r\t\\"},
		{"\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80"},
		{"\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf"},
		{"\"\\ud800\\udc00\"", "\xf0\x90\x80\x80"},
		{"\"\\ud7ff\\ue000\"", "\xed\x9f\xbf\xee\x80\x80"},
		{"\"\\ud83dx\"", "\xef\xbf\xbdx"},
		{"\"\\udfff\\udbff\"", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
				       "A"},
		{"\"\\ud83d\\n\"", "\xef\xbf\xbd\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		struct document doc = {0};
		assert_true(json_parse(&doc, Cases[i].json, strlen(Cases[i].json), NULL));
		assert_string_equal(value_text(doc.root), Cases[i].text);
		document_free(&doc);
	}
}

static void keeps_a_nul_inside_a_key_apart(void **state)
{
	static const char Text[] = "{\"a\\u0000b\": 1}";
	struct document doc = {0};
	(void)state;
	assert_true(json_parse(&doc, Text, sizeof Text - 1, NULL));
	assert_int_equal(value_first(doc.root)->len, 3);
	assert_null(value_get(doc.root, "a"));
	document_free(&doc);
}

static void goes_as_deep_as_it_says_and_no_deeper(void **state)
{
	char text[2 * VALUE_DEPTH_MAX + 2];
	size_t n = sizeof text - 2;
	(void)state;
	memset(text, '[', sizeof text);
	memset(text + VALUE_DEPTH_MAX, ']', VALUE_DEPTH_MAX);
	assert_string_equal(said(text, n), "");
	memset(text, '[', VALUE_DEPTH_MAX + 1);
	memset(text + VALUE_DEPTH_MAX + 1, ']', VALUE_DEPTH_MAX + 1);
	assert_string_equal(said(text, n + 2), "line 1: nested too deeply");
}

/* Many more values than the first array has room for. */
static void reads_a_long_list(void **state)
{
	enum { ITEMS = 5000 };
	char name[32];
	struct buf text = {0};
	struct document doc = {0};
	(void)state;
	buf_put(&text, "[0", 2);
	for (int i = 1; i < ITEMS; i++)
		buf_print(&text, ",\n{\"name\":\"pod-%d\"}", i);
	buf_put(&text, "]", 1);
	assert_true(json_parse(&doc, (const char *)buf_data(&text), buf_len(&text), NULL));
	const struct value *v = value_first(doc.root);
	for (int i = 1; i < ITEMS; i++) {
		v = value_next(doc.root, v);
		assert_int_equal(v->line, i + 1);
		snprintf(name, sizeof name, "pod-%d", i);
		assert_string_equal(value_text(value_get(v, "name")), name);
	}
	assert_null(value_next(doc.root, v));
	document_free(&doc);
	buf_free(&text);
}

static void writes_strings_that_it_reads_back(void **state)
{
	static const char Odd[] =
		"q\" b\\ \b\f\n\r\t \x01\x1f\x7f \xc3\xa4 \xf0\x9f\x98\x80 \xc2\x9b "
		"\xe2\x80\xa8";
	struct buf out = {0};
	struct document doc = {0};
	(void)state;
	json_put_string(&out, Odd);
	for (size_t i = 0; i < buf_len(&out); i++)
		assert_true(buf_data(&out)[i] >= ' ' && buf_data(&out)[i] != 0x7f);
	assert_true(json_parse(&doc, (const char *)buf_data(&out), buf_len(&out), NULL));
	assert_string_equal(value_text(doc.root), Odd);
	document_free(&doc);
	buf_free(&out);
}

static void writes_what_is_not_utf_8_as_replacements(void **state)
{
	struct buf out = {0};
	(void)state;
	json_put_string(&out, "a\xff\xc3"
			      "b\xe2\x80");
	buf_put(&out, "", 1);
	assert_string_equal((const char *)buf_data(&out), "\"a\\ufffd\\ufffdb\\ufffd\\ufffd\"");
	buf_free(&out);
}

static void writes_what_it_reads(void **state)
{
	static const char *const Texts[] = {"null", "true", "[]", "{}", "-1.5e+3", "\"a\\n\\\"\"",
		"[1,[2,{}],\"\"]", "{\"a\":{\"b\\u001b\":[false,null]},\"\":1e9}"};
	(void)state;
	for (size_t i = 0; i < sizeof Texts / sizeof *Texts; i++) {
		struct document doc = {0};
		struct buf out = {0};
		assert_true(json_parse(&doc, Texts[i], strlen(Texts[i]), NULL));
		json_put_value(&out, doc.root);
		buf_put(&out, "", 1);
		assert_string_equal((char *)buf_data(&out), Texts[i]);
		buf_free(&out);
		document_free(&doc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_what_it_reads),
		cmocka_unit_test(reads_a_pod),
		cmocka_unit_test(reads_texts_that_are_one_scalar),
		cmocka_unit_test(refuses_each_part_of_a_text_and_reads_no_byte_beyond),
		cmocka_unit_test(refuses_what_rfc_8259_does_not_have),
		cmocka_unit_test(reads_escapes_as_go_does),
		cmocka_unit_test(keeps_a_nul_inside_a_key_apart),
		cmocka_unit_test(goes_as_deep_as_it_says_and_no_deeper),
		cmocka_unit_test(reads_a_long_list),
		cmocka_unit_test(writes_strings_that_it_reads_back),
		cmocka_unit_test(writes_what_is_not_utf_8_as_replacements),
	};
	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
