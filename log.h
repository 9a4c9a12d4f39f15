/* Log lines: time, level, message, key=value fields; to a file or stderr, and
 * the last ones kept for the screen.  Knows nothing of who logs what.
 *
 *	2026-11-22T10:31:04.123Z INFO: tunnel opened forward=prod/api pod=web-1
 *
 * A value with spaces, quotes or nothing in it is quoted; control characters
 * and bad UTF-8 in any part (text.h) become '?', so a server cannot forge a
 * line.  Or, for programs:
 *
 *	{"time":"2026-11-22T10:31:04.123Z","level":"info","msg":"tunnel opened","port":80}
 *
 * where control characters are escaped and bad UTF-8 becomes U+FFFD.  A line longer
 * than LOG_LINE_MAX, its end included, is cut: to valid JSON, if it is that.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

enum { LOG_LINES = 500, LOG_LINE_MAX = 2048 };

/* One field.  A list of them ends with a key of NULL. */
struct log_field {
	const char *key;
	const char *text; /* or NULL: number counts */
	long long number;
};

/* clang-format off */
#define LOG_STR(k, v)   {.key = (k), .text = (v)}
#define LOG_NUM(k, v)   {.key = (k), .number = (v)}
#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__, {.key = NULL}})
/* clang-format on */

/* Opens `path` for appending, created with mode 0600; "" is stderr, for which nothing
 * waits (file_unblocked()).  Until the first call lines go to stderr, and wait for it.
 * Returns false with errno set and the old destination kept when the file cannot be
 * opened. */
bool log_open(const char *path);

/* Opens the same path again (after logrotate moved the file away).  A file that was
 * removed or replaced is opened again without it, by the next line. */
bool log_reopen(void);

/* Where lines go now: a path as it was given; "" is stderr. */
const char *log_file(void);

/* How lines are written from now on; LOG_TEXT by default. */
void log_format(enum log_format format);

/* The least level of lines that are written, and kept; LOG_INFO by default. */
void log_level(enum log_level least);

/* Writes one line by one write(2).  `fields` may be NULL.  A line that cannot
 * be written is dropped, and counted in the next one that can. */
void log_line(enum log_level level, const char *message, const struct log_field *fields);

/* The i-th line of those kept, 0 the newest, without its end of line, in any format
 * as LOG_TEXT; NULL if there is none.  Stays valid until the next log_line(). */
const char *log_recent(size_t i, enum log_level *level);

/* How many were kept in all, those that are gone included. */
size_t log_count(void);

/* A screen shows them from now on: `on` is called behind each one that is kept, and none
 * goes to stderr while that is a terminal.  NULL: there is no screen any more. */
void log_show(void (*on)(void));
