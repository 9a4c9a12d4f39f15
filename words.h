/* A command as one line of a setting, cut into words.  Runs nothing, and knows no
 * program.
 */
#pragma once
#include <stdbool.h>

#include "err.h"

/* Cuts at blanks, without a shell.  "..." and '...' keep what is between them, and may
 * be part of a word; a backslash takes the next character as it is, but not inside
 * '...'.  Nothing else is special.
 *
 * Returns words that end with NULL, one at least and the first of them not empty; or
 * NULL with *e set, kind ERR_LOCAL, whose words are a hint, or "" where there is none. */
char **words_split(const char *text, struct err *e);

void words_free(char **words); /* NULL is fine */

/* Whether both are the same; NULL is the same as NULL only. */
bool words_same(char *const *a, char *const *b);
