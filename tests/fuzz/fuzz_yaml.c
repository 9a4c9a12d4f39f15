/* A tree that is read, written again in flow style, must be the same when it is
 * read again; every JSON text with no key twice must be read as JSON reads it. */
#include <assert.h>
#include <string.h>

#include "json.h"
#include "yaml.h"

static void put_text(struct buf *out, const struct value *v)
{
	buf_put(out, "\"", 1);
	for (uint32_t i = 0; i < v->len; i++) {
		uint8_t c = (uint8_t)v->text[i];
		if (c < ' ' || c == '"' || c == '\\')
			buf_print(out, "\\x%02x", c);
		else
			buf_put(out, &c, 1);
	}
	buf_put(out, "\"", 1);
}

static void put(struct buf *out, const struct value *v)
{
	bool map = v->type == VALUE_MAP;
	if (v->type == VALUE_STRING) {
		put_text(out, v);
	} else if (map || v->type == VALUE_LIST) {
		buf_put(out, map ? "{" : "[", 1);
		for (const struct value *i = value_first(v); i; i = value_next(v, i)) {
			put(out, i);
			buf_put(out, ": ", map ? 2 : 0);
			if (map)
				put(out, value_of(i));
			buf_put(out, ",\n", 2);
		}
		buf_put(out, map ? "}" : "]", 1);
	} else {
		buf_print(out, "%s", v->type == VALUE_NULL ? "null" : v->text);
	}
}

static void check_same(const struct document *a, const struct document *b)
{
	assert(a->count == b->count);
	for (size_t i = 0; i < a->count; i++) {
		const struct value *x = &a->root[i], *z = &b->root[i];
		assert(x->type == z->type && x->nodes == z->nodes);
		if (x->type == VALUE_STRING)
			assert(x->len == z->len && !memcmp(x->text, z->text, x->len));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct document doc = {0}, again = {0};
	struct buf out = {0};
	struct err e = {0};
	if (yaml_parse(&doc, (const char *)p, n, &e)) {
		assert(doc.text_len <= doc.text_cap && doc.root->nodes == doc.count);
		put(&out, doc.root);
		assert(yaml_parse(&again, (const char *)buf_data(&out), buf_len(&out), NULL));
		check_same(&doc, &again);
	} else {
		assert(!doc.root && !doc.text);
	}
	if (json_parse(&again, (const char *)p, n, NULL)) {
		assert(doc.root || strstr(e.text, " occurs twice"));
		if (doc.root)
			check_same(&doc, &again);
	}
	buf_free(&out);
	document_free(&doc);
	document_free(&again);
	return 0;
}
