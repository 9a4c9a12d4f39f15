/* The tree of value.h.  Parsers fill it; here is what they share, and how it
 * is walked.
 */
#include "value.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "text.h"

enum { CAP_MIN = 64 };

void document_free(struct document *doc)
{
	if (doc->text)
		mem_wipe(doc->text, doc->text_len);
	free(doc->text);
	free(doc->root);
	*doc = (struct document){0};
}

void document_begin(struct document *doc, size_t text_max)
{
	document_free(doc);
	doc->text = mem_new(text_max);
	doc->text_cap = text_max;
}

size_t document_add(struct document *doc, enum value_type type, uint32_t line)
{
	if (doc->count == doc->cap) {
		doc->cap = doc->cap ? doc->cap * 2 : CAP_MIN;
		doc->root = mem_grow(doc->root, doc->cap * sizeof *doc->root);
	}
	doc->root[doc->count] = (struct value){.type = type, .line = line, .nodes = 1};
	return doc->count++;
}

void document_put_char(struct document *doc, uint32_t c)
{
	doc->text_len += text_put_char(doc->text + doc->text_len, c);
}

void document_end_text(struct document *doc, size_t index, size_t from)
{
	doc->root[index].text = doc->text + from;
	doc->root[index].len = (uint32_t)(doc->text_len - from);
	doc->text[doc->text_len++] = '\0';
}

void document_end_nodes(struct document *doc, size_t index)
{
	doc->root[index].nodes = (uint32_t)(doc->count - index);
}

static const struct value *get(const struct value *map, const char *name, size_t len)
{
	const struct value *found = NULL;
	if (!map || map->type != VALUE_MAP)
		return NULL;
	for (const struct value *k = value_first(map); k; k = value_next(map, k))
		if (k->len == len && !memcmp(k->text, name, len))
			found = value_of(k);
	return found;
}

const struct value *value_get(const struct value *map, const char *key)
{
	return get(map, key, strlen(key));
}

const struct value *value_at(const struct value *map, const char *path)
{
	for (;;) {
		size_t n = strcspn(path, "/");
		map = get(map, path, n);
		if (!path[n])
			return map;
		path += n + 1;
	}
}

const char *value_text(const struct value *v)
{
	bool has =
		v && (v->type == VALUE_BOOL || v->type == VALUE_NUMBER || v->type == VALUE_STRING);
	return has ? v->text : NULL;
}

/* Digits are added below zero, where there is room for INT64_MIN. */
bool value_int(const struct value *v, int64_t *out)
{
	if (!v || v->type != VALUE_NUMBER)
		return false;
	bool minus = v->text[0] == '-';
	const char *p = v->text + minus;
	int64_t n = 0;
	if (!*p || (*p == '0' && p[1]))
		return false;
	for (; *p; p++) {
		if (*p < '0' || *p > '9' || n < (INT64_MIN + (*p - '0')) / 10)
			return false;
		n = n * 10 - (*p - '0');
	}
	if (!minus && n == INT64_MIN)
		return false;
	*out = minus ? n : -n;
	return true;
}

bool value_is_true(const struct value *v)
{
	return v && v->type == VALUE_BOOL && (v->text[0] | 0x20) == 't';
}

const struct value *value_first(const struct value *container)
{
	bool holds = container && (container->type == VALUE_LIST || container->type == VALUE_MAP);
	return holds && container->nodes > 1 ? container + 1 : NULL;
}

const struct value *value_next(const struct value *container, const struct value *v)
{
	if (!container || !v)
		return NULL;
	const struct value *next = v + v->nodes;
	if (container->type == VALUE_MAP)
		next += next->nodes;
	return next < container + container->nodes ? next : NULL;
}

const struct value *value_of(const struct value *key)
{
	return key ? key + 1 : NULL;
}
