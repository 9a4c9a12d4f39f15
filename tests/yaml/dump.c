/* For test_yaml_agrees.py: reads texts from stdin, each behind its length in
 * decimal and a line end, and answers each with a line of JSON: {"ok": TREE} with
 * scalars as type and text, or {"refused": WORDS}. */
#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "json.h"
#include "yaml.h"

static void put(struct buf *out, const struct value *v);

/* The text in hexadecimal: it may hold a NUL. */
static void put_scalar(struct buf *out, const struct value *v)
{
	static const char *const Types[] = {[VALUE_NULL] = "null",
		[VALUE_BOOL] = "bool",
		[VALUE_NUMBER] = "number",
		[VALUE_STRING] = "string"};
	buf_print(out, "{\"type\":\"%s\",\"text\":\"", Types[v->type]);
	for (uint32_t i = 0; i < v->len; i++)
		buf_print(out, "%02x", (unsigned)(uint8_t)v->text[i]);
	buf_put(out, "\"}", 2);
}

static void put_items(struct buf *out, const struct value *v)
{
	for (const struct value *i = value_first(v); i; i = value_next(v, i)) {
		buf_put(out, ",", i != v + 1);
		put(out, i);
		if (v->type == VALUE_MAP) {
			buf_put(out, ",", 1);
			put(out, value_of(i));
		}
	}
}

static void put(struct buf *out, const struct value *v)
{
	if (v->type != VALUE_LIST && v->type != VALUE_MAP) {
		put_scalar(out, v);
		return;
	}
	const char *name = v->type == VALUE_MAP ? "map" : "list";
	buf_print(out, "{\"%s\":[", name);
	put_items(out, v);
	buf_put(out, "]}", 2);
}

static void answer(const char *p, size_t n)
{
	struct document doc = {0};
	struct err e = {0};
	struct buf out = {0};
	if (yaml_parse(&doc, p, n, &e)) {
		buf_print(&out, "{\"ok\":");
		put(&out, doc.root);
	} else {
		buf_print(&out, "{\"refused\":");
		json_put_string(&out, e.text);
	}
	buf_put(&out, "}\n", 2);
	fwrite(buf_data(&out), 1, buf_len(&out), stdout);
	fflush(stdout);
	buf_free(&out);
	document_free(&doc);
}

int main(void)
{
	size_t n;
	while (scanf("%zu", &n) == 1 && getchar() == '\n') {
		char *p = malloc(n ? n : 1); /* no more: ASan sees what is read beyond */
		if (!p || fread(p, 1, n, stdin) != n)
			return 1;
		answer(p, n);
		free(p);
	}
	return 0;
}
