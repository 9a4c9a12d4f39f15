/* The sections and keys of an INI text, each with its line.
 *
 * The syntax is inih's: "[section]", "key = value" or "key: value", comments
 * from ';' behind a blank and from ';' or '#' at the beginning of a line, blanks
 * around all of it stripped, a byte order mark, CRLF.  Values have no quotes and
 * no escapes; what is in them is theirs, but for " ;".  Indentation means
 * nothing: there are no continuation lines.  What inih (55) would cut in silence
 * is read whole or refused.
 *
 * No I/O, and no knowledge of which keys there are.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum {
	INIFILE_NAME_MAX = 49,   /* bytes of a section's name: inih cuts there */
	INIFILE_LINE_MAX = 4096, /* bytes of a line without its comment */
};

/* What is told, in the order of the lines (from 1); the texts are gone after
 * the call, and are clean: see text.h. */
struct inifile_ops {
	void (*section)(void *owner, unsigned line, const char *name); /* also an empty one */
	void (*key)(void *owner, unsigned line, const char *name, const char *value);
	/* A line that is none of both: `why`, and whether it looks like a section. */
	void (*fault)(void *owner, unsigned line, const char *why, bool section);
};

void inifile_read(const char *p, size_t n, const struct inifile_ops *ops, void *owner);
