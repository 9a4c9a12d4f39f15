/* Text from strangers (servers, files, programs), made safe to show: valid
 * UTF-8 in one line, with nothing in it that a terminal obeys or that turns
 * the direction of reading.  Knows no widths and no languages.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* The character at the beginning of p[0..n): returns its bytes (1 to 4) and
 * stores its code point in *c.  0 if there is none of UTF-8 (RFC 3629: nothing
 * overlong, no surrogates, nothing above U+10FFFF, nothing cut short).  Never
 * reads beyond a NUL, so `n` may be any number over 3 for a terminated text.
 */
size_t text_char(const char *p, size_t n, uint32_t *c);

/* Writes a code point as UTF-8 to p, which has room for four bytes; returns how many it
 * has taken. */
size_t text_put_char(char *p, uint32_t c);

/* Whether a character must not reach a screen or a log: C0, DEL, C1, line and
 * paragraph separators, and the marks that change the direction of text. */
bool text_is_control(uint32_t c);

/* Replaces, in place, each such character and each byte that is not UTF-8 by
 * one '?'.  Returns the new length, which is never greater. */
size_t text_clean(char *text);

/* How many of the first `max` bytes of p[0..n) can be kept without cutting a
 * character: n if all of it fits. */
size_t text_fit(const char *p, size_t n, size_t max);

/* The last line of p[0..n) with something in it, without the blanks around it; empty
 * if there is none.  A carriage return ends a line too: what is behind it is what
 * stays on a terminal. */
struct span text_last_line(const char *p, size_t n);
