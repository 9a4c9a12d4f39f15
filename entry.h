/* A map in a kubeconfig file, read key by key.  A key that is absent, null or an empty
 * text is none; what is there and of another type is refused with its place.  Reads the
 * files that it names, and knows no keys itself.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "mem.h"
#include "value.h"

/* One file, as it was read. */
struct kubefile {
	char *path; /* as it was named */
	char *dir;  /* its folder, absolute: relative paths in it start there */
	struct document doc;
};

struct entry {
	const struct kubefile *file;
	const struct value *map; /* NULL: empty */
	struct err *e;           /* for what is wrong with it */
};

/* Says what is wrong at a value: "FILE:LINE: ...", or "FILE: ..." for NULL.  False. */
bool entry_refuse(const struct entry *m, const struct value *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Each returns false for what it cannot take, with *m->e set.  What is given to *to is to
 * be freed by the caller, also then, and is NULL, false or {0} where there is none. */
bool entry_text(const struct entry *m, const char *key, const char **text); /* the file's own */
bool entry_copy(const struct entry *m, const char *key, char **to);
bool entry_secret(const struct entry *m, const char *key, struct secret *to);
bool entry_bool(const struct entry *m, const char *key, bool *to);
bool entry_list(const struct entry *m, const char *key, const struct value **to);
bool entry_map(const struct entry *m, const char *key, struct entry *to);
/* A list of texts; it ends with NULL. */
bool entry_texts(const struct entry *m, const char *key, char ***to);
/* An absolute path: a relative one begins at the file's folder. */
bool entry_path(const struct entry *m, const char *key, char **to);
/* The PEM text in KEY-data (Base64); or else in the file that KEY names, whose path
 * becomes *file, also if it cannot be read. */
bool entry_pem(const struct entry *m, const char *key, struct secret *to, char **file);
