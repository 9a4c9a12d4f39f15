/* Tells when a file has become another one: written, replaced, or reached by other
 * symbolic links, be they the file itself or in its folder (as Kubernetes updates the
 * files it mounts).
 *
 * By inotify(7) on its folder and its target's, so it costs nothing while nothing happens
 * there.  Knows
 * nothing of what is in the file.
 */
#pragma once
#include <stdbool.h>
#include <sys/stat.h>

#include "loop.h"

enum { FILEWATCH_SETTLE_MS = 200 }; /* that it must stay as it is, before it is told */

/* Embedded in its owner.  Starts as {0}, then filewatch_open(). */
struct filewatch {
	struct filewatch *next;
	struct timer settle;
	char *path;
	int folder[2];      /* inotify's numbers of its own and its target's; -1: none */
	struct stat seen;   /* when it was last told, or opened */
	struct stat latest; /* by the last look */
	void (*on)(struct filewatch *w);
};

/* `on` is called from the loop when the file at `path` (copied) is there and is not as
 * it was; not while there is none.  False with errno set: it cannot be watched. */
bool filewatch_open(struct filewatch *w, const char *path, void (*on)(struct filewatch *w));

/* Harmless where it is not open. */
void filewatch_close(struct filewatch *w);
