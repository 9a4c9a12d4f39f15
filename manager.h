/* All forwards of a configuration, with their clusters: opened together or not at
 * all, started, changed into those of another configuration, and ended.
 *
 * Knows nothing of where a configuration comes from, or of how states are shown.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "config.h"
#include "exit.h"
#include "forward.h"

struct manager;

/* Called from the loop, and during manager_apply(); what is told of must not be freed
 * there. */
struct manager_ops {
	/* Its state, or the reason for it; or the last connection of one that drains is gone. */
	void (*changed)(void *owner, struct forward *f);
	/* It ends, and none has its name now. */
	void (*removed)(void *owner, struct forward *f);
};

struct manager *manager_new(const struct manager_ops *ops, void *owner);

/* What another configuration has made of the forwards. */
struct manager_change {
	size_t kept, added, removed, changed;
};

/* Makes the forwards those of `c`, and moves its clusters and forwards out of it.  What
 * is the same goes on untouched, with its connections; what is not is replaced, and where
 * the local address and port stay, connections that wait in the kernel are not lost.  A
 * cluster whose kubeconfig says something else becomes that, and its forwards go on; where
 * it leads to another server, they look for their pods there.  So does one whose files
 * change later, by themselves, under the context's name as it was resolved.  What was
 * Stopped stays so, also where it is replaced by one whose section has the same name.
 *
 * Anything but EXIT_OK: nothing has been changed, and each cause was appended to
 * *errors, a line each ("cluster 'prod': ... (porter.ini:3)").  *change may be NULL.
 * The loop must have begun, though it need not run. */
enum exit_status manager_apply(
	struct manager *m, struct config *c, struct buf *errors, struct manager_change *change);

/* Sockets that listen already, lent for the next manager_apply() only: what it wants to
 * bind there takes a copy.  They stay the caller's, and must stay open until then. */
void manager_lend(struct manager *m, const int *fd, size_t count);

/* Begins to serve, and from now on whatever is applied does. */
void manager_start(struct manager *m);

size_t manager_count(const struct manager *m);
struct forward *manager_forward(const struct manager *m, size_t i);  /* by the file's order */
const char *manager_cluster_name(const struct manager *m, size_t i); /* that one's cluster */
size_t manager_wanted(const struct manager *m);      /* how many of them are not Stopped */
size_t manager_active(const struct manager *m);      /* how many are Active */
size_t manager_connections(const struct manager *m); /* local ones, of all; held ones too */

/* The one whose section has that name; or else the one that messages call so
 * ("cluster/service").  NULL where there is none; or where several are called so: *several
 * is then true (it may be NULL). */
struct forward *manager_find(const struct manager *m, const char *name, bool *several);

/* The one that listens there, or would if it were not Stopped; or NULL. */
struct forward *manager_find_port(const struct manager *m, const char *address, uint16_t port);

/* Another porter has the sockets of all: see forward_drain(). */
void manager_drain(struct manager *m);

/* The i-th cluster of a configuration by itself, for those who want no forwards; to be
 * dropped.  NULL with the cause appended to *errors, as above. */
struct cluster *manager_open_cluster(const struct config *c, size_t i, struct buf *errors);

/* The machine was asleep, or only its network has changed: see forward_wake(). */
void manager_wake(struct manager *m, bool slept);

/* Ends and frees all, in any state. */
void manager_free(struct manager *m);
