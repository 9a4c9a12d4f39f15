/* JSON texts of RFC 8259, strictly: no comments, no trailing commas, nothing
 * behind the value, valid UTF-8, VALUE_DEPTH_MAX levels.  Of keys that occur
 * twice the last counts, as in Go.  Lone surrogates become U+FFFD, as in Go.
 */
#pragma once
#include "buf.h"
#include "err.h"
#include "value.h"

/* Parses p[0..n) into *doc, which is {0} or freed first.  False with *e saying
 * "line 3: what is wrong"; *doc is then empty.
 */
bool json_parse(struct document *doc, const char *p, size_t n, struct err *e);

/* Writes `text` as a JSON string, with its quotes.  Bytes that are not UTF-8
 * become U+FFFD, and all that a terminal might obey is escaped. */
void json_put_string(struct buf *out, const char *text);

/* Writes a value and what it holds.  A number that YAML has and JSON has not (0x1f) is
 * written as a string. */
void json_put_value(struct buf *out, const struct value *v);

/* For YAML, which has the same escapes.  The number that `digits` hexadecimal
 * digits at p[0..n) mean, and the character that the text behind a "\u" means:
 * four digits, or a pair of surrogates.  Each returns the bytes used, 0 for
 * anything else. */
size_t json_hex(const char *p, size_t n, unsigned digits, uint32_t *c);
size_t json_escape(const char *p, size_t n, uint32_t *c);
