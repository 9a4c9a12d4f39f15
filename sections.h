/* An INI text by a table of the sections and keys that there may be: sections,
 * each with the texts of its keys and their lines.  What does not fit the table
 * is told, with what may have been meant.  What a text means is the table's
 * owner's business: of its rows only names are looked at here.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "problems.h"

enum {
	SECTIONS_MAX = 4096,
	SECTIONS_KEYS_MAX = 10, /* of a section */
};

struct field;

struct key {
	const char *name;
	size_t offset; /* of its member */
	bool (*read)(const struct field *f, void *to);
	bool required, may_be_empty;
	int64_t min, max;
	const char *must; /* be, in words */
};

struct kind {
	const char *name, *form; /* "forward", "forward NAME" */
	bool has_label;
	const struct key *keys;
	size_t key_count;
};

/* The text of a key; NULL with a line: something was said about it already. */
struct setting {
	char *text;
	unsigned line; /* 0: the key is not there */
};

struct section {
	const struct kind *kind; /* NULL: none of the table */
	char *head;              /* "forward api" */
	const char *label;       /* "api"; within head */
	unsigned line;
	bool spoilt; /* a line of it was refused: what is missing may be there */
	struct setting value[SECTIONS_KEYS_MAX]; /* as kind->keys */
};

/* Starts with the table and the name of the file; what is read is added. */
struct sections {
	const struct kind *kinds;
	size_t kind_count;
	const char *file;
	struct problems *problems;

	struct section *all; /* in the order of their lines; moves while the text is read */
	size_t count, cap;
	bool full; /* there are more than SECTIONS_MAX: the rest was passed over */
};

void sections_read(struct sections *s, const char *text, size_t bytes);
void sections_free(struct sections *s);

/* The section of that kind and label, or NULL. */
struct section *sections_find(const struct sections *s, const struct kind *kind, const char *label);
