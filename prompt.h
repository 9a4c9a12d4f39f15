/* One line that is typed: its text and its cursor.  Knows nothing of what it is for.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "screen.h"

enum { PROMPT_TEXT = 1024 }; /* bytes, and a NUL */

/* Starts as {0}: empty. */
struct prompt {
	char text[PROMPT_TEXT];
	size_t at; /* the cursor's byte */
};

/* A key of keypress.h: text, Backspace, Delete, arrows, Home, End, Ctrl+A, E, K, U and W.
 * False if it is none of these. */
bool prompt_key(struct prompt *p, uint32_t key);

/* Puts `label` and the text, with the cursor, into the rest of the line: as much of it as
 * there is room for, the cursor in any case. */
void prompt_draw(const struct prompt *p, struct screen *s, const char *label);
