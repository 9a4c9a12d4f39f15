/* Lines to whoever may be slow to read them, or gone: a pipe, a terminal stopped by
 * ^S, a file on a full disk.  Nothing waits for them.  Knows nothing of the lines.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "file.h"
#include "loop.h"

enum { OUT_MAX = 65536 }; /* bytes that wait, unless one line alone has more */

struct out {
	struct io io;
	file_writer *put;
	struct buf queue; /* whole lines, but for the first if it is torn */
	size_t lost;      /* lines, since the queue was full; until it is empty */
	int error;        /* why the queue does not go; EAGAIN: no reader */
};

/* Lines will go to what `fd` writes to, which stays the caller's: see
 * file_unblocked().  If it is none (>&-), it is gone from the start.  SIGPIPE is to
 * be ignored. */
void out_open(struct out *out, int fd);

/* `text` and an end of line: written at once if that can be, or else later by the
 * loop, in order, and whole: a line that was written in part is completed first, and
 * other writers to the same pipe do not tear one of up to PIPE_BUF bytes.
 *
 * When OUT_MAX bytes wait, lines are lost until all of these are written, and then
 * one tells how many:
 *
 *	... 12 lines lost: the reader is too slow
 *
 * or what else the cause is.  A disk that is full is tried again with each line. */
void out_line(struct out *out, const char *text);

/* Nobody can read it any more (EPIPE, EIO, ...): it was closed, and lines vanish. */
bool out_is_gone(const struct out *out);

/* Writes what can be without waiting; the rest is lost.  Harmless when gone; before
 * loop_end(). */
void out_close(struct out *out);
