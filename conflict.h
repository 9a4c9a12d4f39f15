/* Local ports that are taken when porter starts: by whom, in words, and from older porters
 * of this user taken over.
 *
 * All is found and judged before any process is touched, and one start of a user's porters
 * is over before the next begins.  Knows nothing of how a port is served.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "config.h"
#include "exit.h"
#include "takeover.h"

enum conflict_policy { CONFLICT_TAKE_OVER, CONFLICT_FAIL };

enum { CONFLICT_WAIT_MS = 60000 }; /* for others that start */

struct conflict {
	int lock; /* -1: none */
	struct takeover takeover;
};

/* Begins a start: the lock is held from now on.  Those of c's ports that cannot be bound
 * are told, a line each with its remedy, in *errors; or their sockets are those of
 * conflict_sockets(), or have been freed.  Waits, with limits: for the start.
 *
 * Returns EXIT_OK; or EXIT_PORT, or, where a port is taken and a cluster cannot be opened,
 * EXIT_CONFIG: then nothing has been changed, but where an older porter that did not
 * answer could not be ended.  None is ended where there is something in *errors already. */
enum exit_status conflict_settle(struct conflict *x, const struct config *c,
	enum conflict_policy policy, struct buf *errors);

/* What was handed over, to be lent to listeners. */
size_t conflict_sockets(const struct conflict *x, const int **fd);

/* All ports are served, and those that had them need not any more. */
void conflict_commit(struct conflict *x);

/* The start is over; without conflict_commit() older porters go on as before. */
void conflict_end(struct conflict *x);

/* For one who runs: tells which ports of `c` others have.  Never waits. */
bool conflict_free_ports(const struct config *c, struct buf *errors);
