/* Older porters of this user that give way: each hands over the sockets that it listens
 * on, so that no connection is refused meanwhile; one that does not answer is ended.
 *
 * For a start, before anything is served: it waits, but for each step a bounded time.
 * Knows nothing of how they were found, or of what the sockets are for.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "instance.h"
#include "ipc.h"

enum {
	TAKEOVER_ANSWER_MS = 3000, /* for each answer; then SIGTERM */
	TAKEOVER_ALL_MS = 10000,   /* for all that one hands over, however many those are */
	TAKEOVER_LEAVE_MS = 1000, /* for one that has hung up, which may be its end; then SIGTERM */
	TAKEOVER_TERM_MS = 5000,  /* then SIGKILL */
	TAKEOVER_KILL_MS = 5000,  /* then it is given up */
};

/* What is asked, and what ends the answer; TAKEOVER_TAKEN: the ports behind it, with
 * blanks between them, are taken; TAKEOVER_DONE: all are that will be, which is answered
 * by "ok", or by TAKEOVER_STAYS: what is not taken is served on. */
#define TAKEOVER_HAND_OVER "hand-over"
#define TAKEOVER_ALL       "all"
#define TAKEOVER_TAKEN     "taken"
#define TAKEOVER_DONE      "done"
#define TAKEOVER_STAYS     "stays"

struct takeover {
	struct old *old;
	size_t count;
	int *fd; /* what was handed over, and is closed by takeover_end() */
	size_t fds;
};

/* `peer` has the port; it is moved into *t, which starts as {0}.  The port's strings must
 * outlive *t. */
void takeover_add(struct takeover *t, struct ipc_peer *peer, const struct instance_port *port);

/* Asks each to hand over.  Nothing has changed for them yet, and nothing will if they are
 * not told more.  Returns how many have not done so. */
size_t takeover_ask(struct takeover *t);

/* Ends those that have not, by SIGTERM, then by SIGKILL.  False with words in *errors
 * where one goes on. */
bool takeover_kill(struct takeover *t, struct buf *errors);

/* Their ports are served: those that have handed over close theirs, carry what there is to
 * its end, and exit; but one that runs a command goes on until that ends. */
void takeover_commit(struct takeover *t);

/* Back to {0}.  Those that were not told that their ports are served go on as before. */
void takeover_end(struct takeover *t);
