/* yaml.c and yaml_scalar.c: texts whole, cut after every byte, and hard against
 * an unmapped page.  Agreement with another reader is tests/yaml's business. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "buf.h"
#include "json.h"
#include "yaml.h"

/* The tree in JSON, with the other scalars as they were written: {"a":[1,~]}. */
static void put(struct buf *out, const struct value *v)
{
	bool map = v->type == VALUE_MAP;
	if (v->type == VALUE_STRING) {
		json_put_string(out, v->text);
	} else if (map || v->type == VALUE_LIST) {
		buf_put(out, map ? "{" : "[", 1);
		for (const struct value *i = value_first(v); i; i = value_next(v, i)) {
			buf_put(out, ",", i != v + 1);
			put(out, i);
			if (map) {
				buf_put(out, ":", 1);
				put(out, value_of(i));
			}
		}
		buf_put(out, map ? "}" : "]", 1);
	} else {
		buf_print(out, "%s", v->len ? v->text : "nothing");
	}
}

/* The tree, or the error's words. */
static const char *said(const char *p, size_t n)
{
	static char text[4096];
	struct err e = {0};
	struct document doc = {0};
	struct buf out = {0};
	if (yaml_parse(&doc, p, n, &e)) {
		assert_int_equal(e.kind, ERR_NONE);
		assert_int_equal(doc.root->nodes, doc.count);
		put(&out, doc.root);
	} else {
		assert_null(doc.root);
		assert_null(doc.text);
		assert_int_equal(e.kind, ERR_LOCAL);
		buf_print(&out, "%s", e.text);
	}
	snprintf(text, sizeof text, "%.*s", (int)buf_len(&out), (const char *)buf_data(&out));
	buf_free(&out);
	document_free(&doc);
	return text;
}

struct example {
	const char *yaml, *said;
};

static void check(const struct example *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_string_equal(said(cases[i].yaml, strlen(cases[i].yaml)), cases[i].said);
}

#define CHECK(cases) check(cases, sizeof(cases) / sizeof *(cases))

static const char Kubeconfig[] = "# from a cluster\n"
				 "apiVersion: v1\r\n"
				 "clusters:\n"
				 "- cluster:\n"
				 "    certificate-authority-data: >-\n"
				 "      TUlJ\n"
				 "      QzU=\n"
				 "    server: \"https://10.0.0.1:6443\"  # the first\n"
				 "  name: 'it''s'\n"
				 "contexts: [{context: {cluster: a, user: b}, name: c}]\n"
				 "current-context: a b\n"
				 "  c\n"
				 "preferences: {}\n";

static void reads_a_kubeconfig(void **state)
{
	static const struct example Cases[] = {{Kubeconfig,
		"{\"apiVersion\":\"v1\",\"clusters\":[{\"cluster\":{"
		"\"certificate-authority-data\":\"TUlJ QzU=\","
		"\"server\":\"https://10.0.0.1:6443\"},\"name\":\"it's\"}],"
		"\"contexts\":[{\"context\":{\"cluster\":\"a\",\"user\":\"b\"},\"name\":\"c\"}],"
		"\"current-context\":\"a b c\",\"preferences\":{}}"}};
	(void)state;
	CHECK(Cases);
}

static void reads_no_byte_beyond_its_input(void **state)
{
	static const char Odd[] = "a: \"\\ud83d\\ude00\\x41\\\n b\"\r\nb: |2-\n   x\n\nc: > # d";
	static const char *const Texts[] = {Kubeconfig, Odd};
	(void)state;
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(page + 4096, 4096, PROT_NONE);
	for (size_t i = 0; i < sizeof Texts / sizeof *Texts; i++)
		for (size_t n = 0; n <= strlen(Texts[i]); n++)
			said(memcpy(page + 4096 - n, Texts[i], n), n);
	munmap(page, 8192);
}

static void says_in_which_line_each_value_begins(void **state)
{
	struct document doc = {0};
	(void)state;
	assert_true(yaml_parse(&doc, Kubeconfig, sizeof Kubeconfig - 1, NULL));
	const struct value *cluster = value_first(value_get(doc.root, "clusters"));
	assert_int_equal(doc.root->line, 2);
	assert_int_equal(cluster->line, 4);
	assert_int_equal(value_at(cluster, "cluster/server")->line, 8);
	assert_int_equal(value_get(doc.root, "current-context")->line, 11);
	assert_int_equal(value_get(doc.root, "preferences")->line, 13);
	document_free(&doc);
}

static void types_plain_scalars_by_the_core_schema(void **state)
{
	static const char *const Others[] = {"null", "Null", "NULL", "~", "true", "True", "TRUE",
		"false", "False", "FALSE", "0", "-12", "+5", "007", "0o17", "0xfF", "1.5", ".5",
		"5.", "-1e3", "1.E-2", ".inf", "-.Inf", "+.INF", ".nan", ".NaN"};
	static const char *const Strings[] = {"yes", "no", "on", "Off", "nUll", "tRue", "1_000",
		"0b1", "0o8", "0xg", "0x", "-0x1", "1:30", "1e", "e1", ".", "-.", "+", "1.2.3",
		"v1", "-.nan", "1 2", "2026-01-01"};
	char want[64];
	(void)state;
	for (size_t i = 0; i < sizeof Others / sizeof *Others; i++)
		assert_string_equal(said(Others[i], strlen(Others[i])), Others[i]);
	for (size_t i = 0; i < sizeof Strings / sizeof *Strings; i++) {
		snprintf(want, sizeof want, "\"%s\"", Strings[i]);
		assert_string_equal(said(Strings[i], strlen(Strings[i])), want);
	}
	assert_string_equal(said("'1'", 3), "\"1\"");
	assert_string_equal(said("1: true", 7), "{\"1\":true}");
}

static void reads_plain_scalars(void **state)
{
	static const struct example Cases[] = {
		{"a: https://x:1/?q#f", "{\"a\":\"https://x:1/?q#f\"}"},
		{"a: b\t \n  c # d\ne: f", "{\"a\":\"b c\",\"e\":\"f\"}"},
		{"a:\n  b\n\n\n  c\n", "{\"a\":\"b\\n\\nc\"}"},
		{"a\n b\nc", "\"a b c\""},
		{"a : b", "{\"a\":\"b\"}"},
		{"a:\tb\tc", "{\"a\":\"b\\tc\"}"},
		{"a: b c: d", "line 1: a second ': ' in one line: does the value need quotes?"},
		{"a: b\n c: d", "line 2: this does not belong to what stands above: see the "
				"indentation"},
		{"a: -b\n-c: ?d\n?e: :f", "{\"a\":\"-b\",\"-c\":\"?d\",\"?e\":\":f\"}"},
		{"[a b, c:d, -1,e?f\n g]", "[\"a b\",\"c:d\",-1,\"e?f g\"]"},
		{"a: b\n# c\n  d", "line 3: this does not belong to what stands above: see the "
				   "indentation"},
		{"a: b\n\tc", "line 2: a tab indents this line: only spaces can"},
	};
	(void)state;
	CHECK(Cases);
}

static void reads_quoted_scalars(void **state)
{
	static const struct example Cases[] = {
		{"'it''s \\n'", "\"it's \\\\n\""},
		{"\"\\x41\\u00e4\\U0001F600\\/\\\\\\\"\\ \\e\"",
			"\"A\xc3\xa4\xf0\x9f\x98\x80/\\\\\\\" \\u001b\""},
		{"\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\""},
		{"\"a \n  b\n\n c\"", "\"a b\\nc\""},
		{"\"a \\\n  b\\\n\n c\"", "\"a b\\nc\""},
		{"' a\n\tb '", "\" a b \""},
		{"\"a\": 'b'\n'c' : d", "{\"a\":\"b\",\"c\":\"d\"}"},
		{"- 'a", "line 1: a text in quotes is not closed"},
		{"\"a\n---\n\"", "line 1: a text in quotes is not closed"},
		{"'a'b", "line 1: this does not belong to what stands above: see the indentation"},
		{"a: 'b' c", "line 1: text behind a value: does it need quotes?"},
		{"a: 'b'#c", "line 1: a comment needs a space before '#'"},
		{"\"\n\\q\"", "line 2: an escape that YAML does not have"},
		{"\"\\U0010ffff\\U0000d7ff\\U0000e000\"",
			"\"\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80\""},
		{"\"\\U0000d800\"", "line 1: an escape that YAML does not have"},
		{"\"\\U0000dfff\"", "line 1: an escape that YAML does not have"},
		{"\"\\U00110000\"", "line 1: an escape that YAML does not have"},
		{"\"\\x4\"", "line 1: an escape that YAML does not have"},
		{"\"\\", "line 1: an escape that YAML does not have"},
	};
	(void)state;
	CHECK(Cases);
}

static void reads_block_scalars(void **state)
{
	static const struct example Cases[] = {
		{"a: |\n  b\n   c\n\n  d\n\n", "{\"a\":\"b\\n c\\n\\nd\\n\"}"},
		{"a: |-\n  b\n\n", "{\"a\":\"b\"}"},
		{"a: |+\n  b\n\n", "{\"a\":\"b\\n\\n\"}"},
		{"a: |+\n\n\nb: c", "{\"a\":\"\\n\\n\",\"b\":\"c\"}"},
		{"a: |2-\n   b\nc: d", "{\"a\":\" b\",\"c\":\"d\"}"},
		{"a: |1\n  b", "{\"a\":\" b\"}"},
		{"a: |9\n          b", "{\"a\":\" b\"}"},
		{"a: |-2\n   b", "{\"a\":\" b\"}"},
		{"a: >\n  b\n  c\n\n  d\n   e\n  f\n", "{\"a\":\"b c\\nd\\n e\\nf\\n\"}"},
		{"a: > # b\r\n  c\r\n  d\r\n", "{\"a\":\"c d\\n\"}"},
		{"a: |\n  b", "{\"a\":\"b\"}"},
		{"a: |\n  b\n# c\nd: e", "{\"a\":\"b\\n\",\"d\":\"e\"}"},
		{"a: |\n  # b\n", "{\"a\":\"# b\\n\"}"},
		{"- |\n b\n- - >\n   c\n", "[\"b\\n\",[\"c\\n\"]]"},
		{"a: |\nb: c", "{\"a\":\"\",\"b\":\"c\"}"},
		{"a: |0\n b", "line 1: only +, - or a digit may stand behind '|' or '>'"},
		{"a: |#b\n c", "line 1: only +, - or a digit may stand behind '|' or '>'"},
		{"a: |\n   \n  b", "line 3: a blank line above has more spaces than this one"},
		{"a: |\n   b\n  c", "line 3: this does not belong to what stands above: see the "
				    "indentation"},
		{"a: |\n\tb", "line 2: a tab indents this line: only spaces can"},
		{"[|\n a]", "line 1: a text behind '|' can only be the value of a key or a list's "
			    "item"},
	};
	(void)state;
	CHECK(Cases);
}

static void reads_block_collections(void **state)
{
	static const struct example Cases[] = {
		{"", "nothing"},
		{"# a\n\n", "nothing"},
		{"a:\nb:", "{\"a\":nothing,\"b\":nothing}"},
		{"a:\n- b\n-\n- c: d\n  e: f\ng: h",
			"{\"a\":[\"b\",nothing,{\"c\":\"d\",\"e\":\"f\"}],\"g\":\"h\"}"},
		{"- - a\n  - b\n-   - c\n", "[[\"a\",\"b\"],[\"c\"]]"},
		{"- a:\n  - b\n- c", "[{\"a\":[\"b\"]},\"c\"]"},
		{"a:\n    b:\n      c: d\n    e: f\n", "{\"a\":{\"b\":{\"c\":\"d\"},\"e\":\"f\"}}"},
		{"a:\n # b\n\n  c: d\n", "{\"a\":{\"c\":\"d\"}}"},
		{"a: b\nc", "line 2: a key without ': '"},
		{"a:b", "\"a:b\""},
		{"a: 1\n  b: 2", "line 2: this does not belong to what stands above: see the "
				 "indentation"},
		{"a:\n  b: 1\n c: 2", "line 3: this does not belong to what stands above: see the "
				      "indentation"},
		{" a: 1\nb: 2", "line 2: this does not belong to what stands above: see the "
				"indentation"},
		{"a: - b", "line 1: a list needs a line of its own behind a key"},
		{"a: b\n- c", "line 2: a list item stands where a key or a value should"},
		{"- a\nb: c", "line 2: this does not belong to what stands above: see the "
			      "indentation"},
		{"a:\n\tb", "line 2: a tab indents this line: only spaces can"},
		{"a:\n\tb: c", "line 2: a tab indents this line: only spaces can"},
		{"a: 1 #\n\tb: c", "line 2: a tab indents this line: only spaces can"},
		{"-\ta: b", "line 1: a tab indents this line: only spaces can"},
		{"-\t- a", "line 1: a tab indents this line: only spaces can"},
	};
	(void)state;
	CHECK(Cases);
}

static void reads_flow_collections(void **state)
{
	static const struct example Cases[] = {
		{"{a: b, 'c':d, \"e\": [f,], g, h: , 'i'}",
			"{\"a\":\"b\",\"c\":\"d\",\"e\":[\"f\"],\"g\":nothing,\"h\":nothing,"
			"\"i\":nothing}"},
		{"a: [\n\tb, # c\n  d\n]\ne: {}\n", "{\"a\":[\"b\",\"d\"],\"e\":{}}"},
		{"[a: b, {c: d}]", "[{\"a\":\"b\"},{\"c\":\"d\"}]"},
		{"{\"a\"\n: {\"b\":null}}", "{\"a\":{\"b\":null}}"},
		{"{a:1}", "{\"a:1\":nothing}"},
		{"a: [b", "line 1: this '[' is not closed"},
		{"a:\n {b: c,\n---\n}", "line 2: this '{' is not closed"},
		{"[a b: c d]", "[{\"a b\":\"c d\"}]"},
		{"[a, b}", "line 1: ',' or ']' is missing"},
		{"{a: b: c}", "line 1: ',' or '}' is missing"},
		{"[,]", "line 1: a value is missing before ','"},
		{"[a]]", "line 1: this does not belong to what stands above: see the indentation"},
		{"a: ]", "line 1: a ']' without its '['"},
		{"[- a]", "line 1: a list item stands where a key or a value should"},
		{"[a] : b", "line 1: complex keys are not supported: a key is a text on one line"},
		{"a: b\n[c]: d",
			"line 2: complex keys are not supported: a key is a text on one line"},
		{"a: b\n{c: d}: e",
			"line 2: complex keys are not supported: a key is a text on one line"},
		{"{[a]: b}", "line 1: complex keys are not supported: a key is a text on one line"},
		{"[[a]: b]", "line 1: complex keys are not supported: a key is a text on one line"},
		{"[{a: b}: c]",
			"line 1: complex keys are not supported: a key is a text on one line"},
		{"[\"a\n b\": c]",
			"line 1: complex keys are not supported: a key is a text on one line"},
		{"{a\n b: c}",
			"line 1: complex keys are not supported: a key is a text on one line"},
	};
	(void)state;
	CHECK(Cases);
}

static void reads_one_document(void **state)
{
	static const struct example Cases[] = {
		{"---\na: b\n...\n# c\n", "{\"a\":\"b\"}"},
		{"\xef\xbb\xbf--- # c\na: b", "{\"a\":\"b\"}"},
		{"--- [a]", "[\"a\"]"},
		{"---", "nothing"},
		{"a: b\n...", "{\"a\":\"b\"}"},
		{"a: ---b\n", "{\"a\":\"---b\"}"},
		{"--- a: b", "line 1: a second ': ' in one line: does the value need quotes?"},
		{"a: b\n---\nc: d", "line 2: a second document begins: there can be only one"},
		{"---\n---\n", "line 2: a second document begins: there can be only one"},
		{"a: b\n...\nc: d", "line 3: this does not belong to what stands above: see the "
				    "indentation"},
	};
	(void)state;
	CHECK(Cases);
}

static void refuses_by_name_what_it_does_not_read(void **state)
{
	static const struct example Cases[] = {
		{"a: 1\nb: &c d", "line 2: anchors are not supported: write the value out"},
		{"a: *b", "line 1: aliases are not supported: write the value out"},
		{"a: !!str b", "line 1: tags are not supported: leave it out"},
		{"- [!a b]", "line 1: tags are not supported: leave it out"},
		{"%YAML 1.2\n---\n",
			"line 1: directives are not supported; a text that begins with "
			"'%' needs quotes"},
		{"? a\n: b", "line 1: complex keys are not supported: a key is a text on one line"},
		{": b", "line 1: a key is missing before ':'"},
		{"<<: {a: b}", "line 1: merge keys are not supported: write the keys out"},
		{"[<<: a]", "line 1: merge keys are not supported: write the keys out"},
		{"{<<: a}", "line 1: merge keys are not supported: write the keys out"},
		{"'<<': a", "{\"<<\":\"a\"}"},
		{"a: @b", "line 1: a text that begins with '@' needs quotes"},
		{"a: `b", "line 1: a text that begins with '`' needs quotes"},
		{"a: b\nc: d\n'a': e", "line 3: the key 'a' occurs twice"},
		{"{a: b, c: {a: d}, a: e}", "line 1: the key 'a' occurs twice"},
		{"a: b\n\x01", "line 2: a control character"},
		{"\r\r\xff", "line 3: text that is not UTF-8"},
		{"a:\r\n\r\xff", "line 3: text that is not UTF-8"},
		{"\xff\xfe", "line 1: this is UTF-16: save the file as UTF-8"},
		{"a: b\n# \xe2\x80\xa8 c",
			"line 2: the character U+2028: write it as \"\\u2028\", in "
			"quotes"},
		{"{a # \xe2\x80\xa8\n: b}",
			"line 1: the character U+2028: write it as \"\\u2028\", in quotes"},
		{"a: # \xc2\x9f\n  b",
			"line 1: the character U+009F: write it as \"\\u009F\", in quotes"},
		{"a: |\n  \x7f",
			"line 2: the character U+007F: write it as \"\\u007F\", in quotes"},
		{"a: \xef\xbb\xbf",
			"line 1: the character U+FEFF: write it as \"\\uFEFF\", in quotes"},
		{"a: \xc2\xa0\xef\xbf\xbd", "{\"a\":\"\xc2\xa0\xef\xbf\xbd\"}"},
		{"a: '\xc2\x85'",
			"line 1: the character U+0085: write it as \"\\u0085\", in quotes"},
		{"\"\xc2\x85\"", "\"\\u0085\""},
	};
	(void)state;
	CHECK(Cases);
	assert_string_equal(said("a\0b", 3), "line 1: a control character");
}

static void goes_as_deep_as_it_says_and_no_deeper(void **state)
{
	char text[4 * VALUE_DEPTH_MAX];
	(void)state;
	for (size_t depth = VALUE_DEPTH_MAX; depth <= VALUE_DEPTH_MAX + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		assert_int_equal(*said(text, 2 * depth) == '[', depth == VALUE_DEPTH_MAX);
		for (size_t i = 0; i < depth; i++)
			memcpy(text + 2 * i, "- ", 2);
		assert_int_equal(*said(text, 2 * depth) == '[', depth == VALUE_DEPTH_MAX);
	}
	assert_string_equal(said(text, sizeof text / 2 + 2), "line 1: nested too deeply");
	/* Maps become maps only when their first key has been read. */
	struct buf maps = {0};
	for (int i = 0; i <= VALUE_DEPTH_MAX; i++)
		buf_print(&maps, "%*sa:%s", i, "", i < VALUE_DEPTH_MAX ? "\n" : "");
	assert_string_equal(
		said((const char *)buf_data(&maps), buf_len(&maps)), "line 65: nested too deeply");
	buf_free(&maps);
}

/* The last escape is the one that grows most: its text must fit all the same. */
static void has_room_for_the_longest_text(void **state)
{
	char text[1002] = "\"", want[3 * 500 + 1];
	struct document doc = {0};
	(void)state;
	for (size_t i = 0; i < 500; i++) {
		memcpy(text + 1 + 2 * i, "\\L", 2);
		memcpy(want + 3 * i, "\xe2\x80\xa8", 4);
	}
	text[1001] = '"';
	assert_true(yaml_parse(&doc, text, sizeof text, NULL));
	assert_string_equal(value_text(doc.root), want);
	assert_true(doc.text_len <= doc.text_cap);
	document_free(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_kubeconfig),
		cmocka_unit_test(reads_no_byte_beyond_its_input),
		cmocka_unit_test(says_in_which_line_each_value_begins),
		cmocka_unit_test(types_plain_scalars_by_the_core_schema),
		cmocka_unit_test(reads_plain_scalars),
		cmocka_unit_test(reads_quoted_scalars),
		cmocka_unit_test(reads_block_scalars),
		cmocka_unit_test(reads_block_collections),
		cmocka_unit_test(reads_flow_collections),
		cmocka_unit_test(reads_one_document),
		cmocka_unit_test(refuses_by_name_what_it_does_not_read),
		cmocka_unit_test(goes_as_deep_as_it_says_and_no_deeper),
		cmocka_unit_test(has_room_for_the_longest_text),
	};
	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
