/* Texts as cells of a terminal: how many columns they take, and what of them fits.
 *
 * Whatever is in a text, what is shown of it is harmless: control characters, bytes that
 * are not UTF-8 and marks that turn the direction of reading (text.h) are U+FFFD, one
 * column each.  Knows no colours and no places.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* Whether the terminal has ASCII only; false at first.  Then every other character, and
 * what is U+FFFD otherwise, is '?'. */
void cells_set_ascii(bool ascii);
bool cells_ascii(void);

enum { CELL_MARKS = 2 };

/* One character as it is shown. */
struct cell {
	uint32_t c[1 + CELL_MARKS]; /* and the marks drawn onto it; 0: no more */
	unsigned columns;           /* 1 or 2 */
};

/* Stores the first cell of a terminated text, and returns where the next one begins;
 * NULL if there is none.  Marks without a character before them, marks of which it has
 * CELL_MARKS already, and characters that cannot be seen are left out. */
const char *cells_next(const char *text, struct cell *cell);

/* Appends a cell's characters. */
void cells_put_one(struct buf *to, const struct cell *cell);

/* The columns that a text takes. */
size_t cells_width(const char *text);

/* How many bytes of a text fit in so many columns: all of them, if it does. */
size_t cells_fit(const char *text, size_t columns);

/* The bytes of a text that make the first line where it is wrapped: up to a blank, if
 * there is one, or else as many as fit; one cell at least.  0 if there is no text.  The
 * blanks at which it is cut are counted to that line, and may reach beyond it. */
size_t cells_wrap(const char *text, size_t columns);

/* Appends a text as it is shown, cut with an ellipsis if it takes more columns than that.
 * Returns how many it has taken. */
size_t cells_put(struct buf *to, const char *text, size_t columns);
