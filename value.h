/* The tree that a JSON or YAML text becomes: values in one array, in the order
 * of the text, a container before what it holds.  Knows neither syntax.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_type {
	VALUE_NULL,
	VALUE_BOOL,
	VALUE_NUMBER,
	VALUE_STRING,
	VALUE_LIST, /* its items follow */
	VALUE_MAP,  /* key, value, key, value, ... follow; keys are strings */
};

enum { VALUE_DEPTH_MAX = 64 };

struct value {
	enum value_type type;
	uint32_t line;    /* where it begins, from 1 */
	uint32_t nodes;   /* values of the subtree, this one included */
	uint32_t len;     /* bytes of text */
	const char *text; /* of scalars: decoded, NUL behind; of a number as written */
};

/* Owns its values and their text.  Starts as {0}; after a parser's success
 * root is the outermost value. */
struct document {
	struct value *root;
	size_t count, cap; /* of values */
	char *text;
	size_t text_len, text_cap;
};

/* Frees, after zeroing the text (it may hold keys): back to {0}. */
void document_free(struct document *doc);

/* For the parsers.  A document begins with room for all the text it can get:
 * so text never moves, and leaves no copies behind.  A scalar is added, its
 * text put behind doc->text_len, then ended (which puts the NUL); a container
 * is added, then what it holds, then ended. */
void document_begin(struct document *doc, size_t text_max); /* frees *doc first */
size_t document_add(struct document *doc, enum value_type type, uint32_t line); /* its index */
void document_put_char(struct document *doc, uint32_t c);                       /* as UTF-8 */
void document_end_text(struct document *doc, size_t index, size_t from);        /* of text_len */
void document_end_nodes(struct document *doc, size_t index);

/* All of these take NULL for a value that is not there, and return NULL (false)
 * for one that is not there or not of the type. */
const struct value *value_get(const struct value *map, const char *key);

/* The same over several maps: value_at(pod, "metadata/name"). */
const struct value *value_at(const struct value *map, const char *path);

/* The text of a scalar other than null (a YAML `token: 123` is the text 123). */
const char *value_text(const struct value *v);
bool value_int(const struct value *v, int64_t *out); /* written as JSON does: not 1e3, 0x1, 007 */
bool value_is_true(const struct value *v);           /* false, too, when absent */

/* The first of a container's values, and the one behind a value in the same
 * container.  For maps both give keys; the value is value_of(key). */
const struct value *value_first(const struct value *container);
const struct value *value_next(const struct value *container, const struct value *v);
const struct value *value_of(const struct value *key);
