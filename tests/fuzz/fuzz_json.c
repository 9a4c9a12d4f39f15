/* What is read, written again by this file and read again, must be the same
 * tree; and what is refused leaves nothing behind. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

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
		buf_put(out, v->text, v->len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct document doc = {0}, again = {0};
	struct buf out = {0};
	if (!json_parse(&doc, (const char *)p, n, NULL)) {
		assert(!doc.root && !doc.text && !doc.count);
		return 0;
	}
	assert(doc.text_len <= doc.text_cap && doc.root->nodes == doc.count);
	put(&out, doc.root);
	assert(json_parse(&again, (const char *)buf_data(&out), buf_len(&out), NULL));
	assert(again.count == doc.count);
	for (size_t i = 0; i < doc.count; i++) {
		const struct value *a = &doc.root[i], *b = &again.root[i];
		assert(a->type == b->type && a->nodes == b->nodes);
		assert(!a->text || !strcmp(a->text, b->text));
	}
	document_free(&doc);
	document_free(&again);
	buf_free(&out);
	return 0;
}
