/* Lines to read: wrapped to the screen's width, and moved through where they are more
 * than it shows.  Knows nothing of what they say.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "screen.h"

/* Starts as {0}: at its beginning. */
struct page {
	struct buf text;
	struct page_line *line;
	size_t count, cap;
	unsigned columns;
	unsigned indent;
	uint64_t item;
	size_t top;  /* the first line that is shown */
	size_t rows; /* that the screen had for it, the last time */
};

/* Begins anew, at the same place, for so many columns.  What stands behind a label begins
 * at column `indent`, or below the label where there is no room for both. */
void page_begin(struct page *p, unsigned columns, unsigned indent);

/* Adds one item: a label and a text, which are copied; either may be "". */
void page_put(struct page *p, enum style label_style, const char *label, enum style style,
	const char *text);

/* Of items that come and go, by their number: the next one put has this number, and those
 * behind it follow. */
void page_number(struct page *p, uint64_t item);
uint64_t page_place(const struct page *p);     /* the one at the top */
void page_seek(struct page *p, uint64_t item); /* it, or the next that there is */

/* So many lines down, or up; never beyond its ends.  PAGE_ALL: to an end. */
enum { PAGE_ALL = 1 << 30 };
void page_move(struct page *p, long lines);
bool page_is_at_end(const struct page *p);

/* Puts so many lines of it, from the screen's place on. */
void page_draw(struct page *p, struct screen *s, unsigned rows);

void page_free(struct page *p); /* back to {0} */
