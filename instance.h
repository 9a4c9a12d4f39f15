/* By which names the porters of one user know each other: a door (ipc.h) for each local
 * port, one for the process, and a lock for those that start.
 *
 *	@nanoporter/UID/127.0.0.1:8080   whoever forwards that port
 *	@nanoporter/UID/instance/HEX     each process
 *	@nanoporter/UID/starting         whoever is starting
 *
 * They belong to the network namespace, as the ports do, and go with their process.  Any
 * user can take any name, so a name proves nothing: who answers by it does, and that is
 * looked at here.  What is asked, and what follows, is for others (control.c,
 * conflict.c).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "ipc.h"

enum {
	INSTANCE_TRY_MS = 1000,  /* between two tries for names that others have */
	INSTANCE_TELL_MS = 5000, /* for so long that is not worth a line in the log */
	INSTANCE_MAX = 256,      /* porters that instance_all() finds at most */
};

/* Before each request, so that another version is told from this one. */
#define INSTANCE_SPEAKS "nanoporter/1 "

/* The name of a port.  The address is as config.h has it: "::1" where that is all, else
 * one of 127.0.0.0/8. */
void instance_name(char name[IPC_NAME], unsigned uid, const char *address, uint16_t port);

/* ---- this process ---- */

/* Opens its own door; by this and all others `ops` are served.  Behind loop_init() and
 * any fork(2). */
void instance_begin(const struct ipc_ops *ops, void *owner);

struct instance_port {
	const char *address;
	uint16_t port;
};

/* What it forwards from now on, each port once; copied.  Doors of other ports are closed, those of
 * the same stay.  A name that another has is tried for again as long as it is claimed; that this
 * lasts is logged.  Between instance_begin() and instance_end(). */
void instance_claim(const struct instance_port *port, size_t n);

/* Closes all doors; conversations go on, see ipc_close(). */
void instance_end(void);

/* ---- others ---- */

/* Connects to whoever has the port's name, which may be this process.  False: nobody
 * who could be reached (ipc_connect()), or one of another user.  Else p->pid is who; 0:
 * a process outside of our PID namespace. */
bool instance_of_port(struct ipc_peer *p, unsigned uid, const char *address, uint16_t port);

/* Connects to all porters of our user but this process, in the order of their pids.
 * Returns how many there are, and in *list the peers: each to be hung up, the list to be
 * freed.  All wait for a question from now on (IPC_PATIENCE_MS): tell each before any is
 * heard. */
size_t instance_all(struct ipc_peer **list);

/* The lock: waits for up to `limit_ms`, then for nothing; where somebody has its name and
 * cannot be reached, as while they take or leave it, for two seconds in any case.  Returns a
 * descriptor, which holds it until that is closed, in copies of this process too.  -1:
 * another has it still, *holder; or 0, which is not known, or it cannot be had at all, since
 * it is another user's, say: that is not waited for. */
int instance_lock(int64_t limit_ms, pid_t *holder);
