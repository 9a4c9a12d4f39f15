/* A place in a YAML text, and the scalars that may stand there: plain, quoted
 * and block (YAML 1.2, chapters 7.3 and 8.1).  For yaml.c, which knows where
 * they stand; nothing else includes this.
 */
#pragma once
#include "err.h"
#include "value.h"

/* The text holds no NUL, and is UTF-8. */
struct yaml {
	const char *p, *end;
	const char *bol; /* where the line begins */
	uint32_t line;
	unsigned depth; /* containers that are open */
	struct document *doc;
	struct err *e;
};

/* "line 3: ...".  Returns false. */
bool yaml_fail(const struct yaml *y, uint32_t line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

char yaml_peek(const struct yaml *y, size_t i); /* 0 behind the end */
bool yaml_is_blank(char c);                     /* space or tab */
bool yaml_is_break(char c);
bool yaml_is_space(char c); /* blank, break, or the end */
bool yaml_is_flow(char c);  /* one of ,[]{} */
int yaml_column(const struct yaml *y);
bool yaml_at_marker(const struct yaml *y); /* "---" or "..." */

void yaml_skip_blanks(struct yaml *y);
void yaml_skip_break(struct yaml *y);

/* Passes over text up to `to`.  False for characters that YAML has only as
 * escapes, or that end a line for some readers and not for others. */
bool yaml_skip_text(struct yaml *y, const char *to);

/* Each adds the scalar at the cursor, which then stands behind its last
 * character (block: on the line behind).  `indent` is that of the container
 * around it, -1 for none; `flow` tells whether it stands in [] or {}. */
bool yaml_plain(struct yaml *y, int indent, bool flow);
bool yaml_quoted(struct yaml *y);
bool yaml_block(struct yaml *y, int indent);
