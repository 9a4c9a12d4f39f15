/* Files read whole (kubeconfigs, tokens, certificates), and outputs written without
 * waiting for whoever reads them.  Knows no formats. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "buf.h"

/* Appends the bytes of `path` to *into, at most `max` (more: EFBIG).  Never
 * waits, whatever kind of file it is.  False with errno set; some bytes may
 * have been appended then. */
bool file_read(struct buf *into, const char *path, size_t max);

/* `path` with a leading "~/" put into words by $HOME (or the user's entry in passwd
 * where HOME is not set); and relative paths taken from `dir`, unless dir is NULL.  To
 * be freed. */
char *file_path(const char *path, const char *dir);
/* The folder that a file is in, absolute: what is relative to it may be read when the
 * process has gone elsewhere.  To be freed. */
char *file_folder(const char *path);

/* Standard descriptors that are closed become /dev/null, so that nothing that is opened
 * later takes their place.  False with errno set where there is no /dev/null. */
bool file_open_standard(void);

/* As write(2), which is one of them. */
typedef ssize_t file_writer(int fd, const void *p, size_t n);

/* A descriptor of one's own (close-on-exec) for what `fd` writes to, and in *put how
 * to write to it so that it never waits: EAGAIN tells that nothing went now.  What
 * others share with `fd` stays as it is: O_NONBLOCK is not set there.
 *
 *	pipe, FIFO, terminal   opened anew, not blocking
 *	regular file           the same description: the offset stays shared
 *	socket                 the same, by send(2) with MSG_DONTWAIT
 *	anything else, or what we may not open (no /proc, another user's pipe)
 *	                       the same, at most PIPE_BUF bytes after a look whether they
 *	                       go.  That can still wait if others write there too, or if
 *	                       a terminal has less room than that.
 *
 * -1 with errno set if `fd` is none. */
int file_unblocked(int fd, file_writer **put);
