/* value.c alone: trees built by hand, as the parsers build them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "value.h"

static size_t add_text(struct document *doc, enum value_type type, const char *text)
{
	size_t index = document_add(doc, type, 1), from = doc->text_len;
	while (*text)
		document_put_char(doc, (uint8_t)*text++);
	document_end_text(doc, index, from);
	return index;
}

/* {"a": [1, {"b": true}, []], "n": null, "a": "last"} */
static void build(struct document *doc)
{
	document_begin(doc, 256);
	size_t map = document_add(doc, VALUE_MAP, 1);
	add_text(doc, VALUE_STRING, "a");
	size_t list = document_add(doc, VALUE_LIST, 2);
	add_text(doc, VALUE_NUMBER, "1");
	size_t inner = document_add(doc, VALUE_MAP, 3);
	add_text(doc, VALUE_STRING, "b");
	add_text(doc, VALUE_BOOL, "true");
	document_end_nodes(doc, inner);
	document_end_nodes(doc, document_add(doc, VALUE_LIST, 4));
	document_end_nodes(doc, list);
	add_text(doc, VALUE_STRING, "n");
	add_text(doc, VALUE_NULL, "null");
	add_text(doc, VALUE_STRING, "a");
	add_text(doc, VALUE_STRING, "last");
	document_end_nodes(doc, map);
}

static void walks_containers_past_what_they_hold(void **state)
{
	struct document doc = {0};
	(void)state;
	build(&doc);
	const struct value *key = value_first(doc.root), *list = value_of(key);
	assert_int_equal(list->type, VALUE_LIST);
	const struct value *item = value_first(list);
	assert_string_equal(value_text(item), "1");
	item = value_next(list, item);
	assert_true(value_is_true(value_get(item, "b")));
	item = value_next(list, item);
	assert_int_equal(item->type, VALUE_LIST);
	assert_null(value_first(item));
	assert_null(value_next(list, item));
	key = value_next(doc.root, key);
	assert_string_equal(key->text, "n");
	key = value_next(doc.root, key);
	assert_string_equal(value_text(value_of(key)), "last");
	assert_null(value_next(doc.root, key));
	document_free(&doc);
}

static void finds_the_last_of_keys_that_occur_twice(void **state)
{
	struct document doc = {0};
	(void)state;
	build(&doc);
	assert_string_equal(value_text(value_get(doc.root, "a")), "last");
	document_free(&doc);
}

static void finds_by_path_only_whole_keys(void **state)
{
	struct document doc = {0};
	(void)state;
	document_begin(&doc, 64);
	size_t outer = document_add(&doc, VALUE_MAP, 1);
	add_text(&doc, VALUE_STRING, "metadata");
	size_t inner = document_add(&doc, VALUE_MAP, 1);
	add_text(&doc, VALUE_STRING, "name");
	add_text(&doc, VALUE_STRING, "web");
	document_end_nodes(&doc, inner);
	document_end_nodes(&doc, outer);
	assert_string_equal(value_text(value_at(doc.root, "metadata/name")), "web");
	assert_null(value_at(doc.root, "meta/name"));
	assert_null(value_at(doc.root, "metadata/names"));
	assert_null(value_at(doc.root, "metadata/name/web"));
	assert_null(value_at(doc.root, "metadata/"));
	document_free(&doc);
}

static void takes_what_is_not_there(void **state)
{
	struct value number = {.type = VALUE_NUMBER, .nodes = 1, .text = "1", .len = 1};
	struct value null = {.type = VALUE_NULL, .nodes = 1, .text = "null", .len = 4};
	int64_t n = 7;
	(void)state;
	assert_null(value_get(NULL, "a"));
	assert_null(value_get(&number, "1"));
	assert_null(value_at(NULL, "a/b"));
	assert_null(value_text(NULL));
	assert_null(value_text(&null));
	assert_null(value_first(NULL));
	assert_null(value_first(&number));
	assert_null(value_next(NULL, NULL));
	assert_null(value_of(NULL));
	assert_false(value_is_true(NULL));
	assert_false(value_int(NULL, &n));
	assert_false(value_int(&null, &n));
	assert_int_equal(n, 7);
}

static void reads_whole_numbers_to_the_ends_of_their_range(void **state)
{
	static const struct {
		const char *text;
		bool fits;
		int64_t n;
	} Cases[] = {{"0", true, 0}, {"-0", true, 0}, {"8080", true, 8080}, {"-12", true, -12},
		{"9223372036854775807", true, INT64_MAX}, {"-9223372036854775808", true, INT64_MIN},
		{"9223372036854775808", false, 0}, {"-9223372036854775809", false, 0},
		{"92233720368547758070", false, 0}, {"1.0", false, 0}, {"1e3", false, 0},
		{"010", false, 0}, {"0x10", false, 0}, {"+1", false, 0}, {"-", false, 0}};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		struct value v = {.type = VALUE_NUMBER, .nodes = 1, .text = Cases[i].text};
		int64_t n = 0;
		assert_int_equal(value_int(&v, &n), Cases[i].fits);
		assert_int_equal(n, Cases[i].n);
	}
}

static void tells_truth_only_of_booleans(void **state)
{
	static const char *const True[] = {"true", "True", "TRUE"};
	(void)state;
	for (size_t i = 0; i < sizeof True / sizeof *True; i++) {
		struct value v = {.type = VALUE_BOOL, .nodes = 1, .text = True[i]};
		assert_true(value_is_true(&v));
		v.type = VALUE_STRING;
		assert_false(value_is_true(&v));
	}
	struct value no = {.type = VALUE_BOOL, .nodes = 1, .text = "false"};
	assert_false(value_is_true(&no));
}

static void puts_characters_as_utf_8(void **state)
{
	struct document doc = {0};
	static const uint32_t Ends[] = {0x7f, 0x80, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff};
	(void)state;
	document_begin(&doc, 64);
	for (size_t i = 0; i < sizeof Ends / sizeof *Ends; i++)
		document_put_char(&doc, Ends[i]);
	static const char Want[] = "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"
				   "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf";
	assert_int_equal(doc.text_len, sizeof Want - 1);
	assert_memory_equal(doc.text, Want, sizeof Want - 1);
	document_free(&doc);
	assert_null(doc.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walks_containers_past_what_they_hold),
		cmocka_unit_test(finds_the_last_of_keys_that_occur_twice),
		cmocka_unit_test(finds_by_path_only_whole_keys),
		cmocka_unit_test(takes_what_is_not_there),
		cmocka_unit_test(reads_whole_numbers_to_the_ends_of_their_range),
		cmocka_unit_test(tells_truth_only_of_booleans),
		cmocka_unit_test(puts_characters_as_utf_8),
	};
	return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
