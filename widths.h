/* What a character is on a terminal, by a table of our own: what libc would say depends
 * on the locale.  Unicode 14; made and checked by tests/widths/.
 */
#pragma once
#include <stdint.h>

enum width {
	WIDTH_GONE,   /* no column and nothing to see: joiners, variation selectors */
	WIDTH_MARK,   /* no column: drawn onto the character before it */
	WIDTH_NARROW, /* one column; also what is in no range of the table */
	WIDTH_WIDE,   /* two: CJK, emoji */
};

enum width width_of(uint32_t c);
