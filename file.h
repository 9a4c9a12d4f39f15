/* A file read whole: kubeconfigs, tokens, certificates. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/* Appends the bytes of `path` to *into, at most `max` (more: EFBIG).  Never
 * waits, whatever kind of file it is.  False with errno set; some bytes may
 * have been appended then. */
bool file_read(struct buf *into, const char *path, size_t max);
