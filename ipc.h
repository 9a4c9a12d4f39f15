/* Conversations between processes of one user on this machine: abstract Unix sockets
 * that carry whole messages (SOCK_SEQPACKET), descriptors too, and who is at the other
 * end, by the kernel's word.
 *
 * The serving end is on the loop and never waits; the asking end is for those who have
 * none, and waits no longer than it is told.  What the messages say is for others
 * (control.c), and so are the names (instance.c).
 *
 * On the wire: what the asker says is one text a message, without NUL.  What it is
 * answered ends with a message of one NUL and then the end of the connection, so that
 * an answer that was cut never looks complete.
 *
 * Sources: unix(7), cmsg(3).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "buf.h"
#include "err.h"
#include "loop.h"

enum {
	IPC_NAME = 107,      /* bytes of a name at most, its NUL included */
	IPC_MESSAGE = 32768, /* bytes of one message at most */
	/* Descriptors with one message: Linux takes 253, musl's sendmsg(3) 1,024 bytes. */
	IPC_FDS = 250,
	IPC_CALLS = 8,          /* conversations at once, by all doors */
	IPC_QUEUE = 16 << 20,   /* bytes one of them may have to be read: more cuts it off */
	IPC_PATIENCE_MS = 5000, /* for the first question; between two messages that are read */
	IPC_LIMIT_MS = 30000,   /* from an answer's first word until it is read and ended, or the
				   next question comes */
};

/* ---- the serving end ---- */

struct ipc_call; /* one conversation */

/* Called from the loop.  No limit holds for a conversation whose last word is the
 * asker's: it may be answered whenever it can be. */
struct ipc_ops {
	/* One message of the asker's: UTF-8, without control characters but line ends and
	 * tabs.  It dies at return.  No other is read while an answer is not. */
	void (*asked)(void *owner, struct ipc_call *call, const char *message);
	/* The asker went away, or was cut off: it was too slow, it sent what is no text, or
	 * no memory or descriptors were left for it.  The call dies at return. */
	void (*gone)(void *owner, struct ipc_call *call);
};

/* Where askers come in.  Embedded in its owner. */
struct ipc_door {
	struct io io;
	struct timer pause; /* set while there are no descriptors */
	const struct ipc_ops *ops;
	void *owner;
};

/* Opens a door by a name (without the NUL that stands before it).  False with *e set
 * where that cannot be: e->code EADDRINUSE, some process has it.  Those who come are
 * told our process id as of this call, so it is made behind any fork(2).  Askers of
 * other users are cut off without a word; those beyond IPC_CALLS with an error. */
bool ipc_open(struct ipc_door *d, const char *name, const struct ipc_ops *ops, void *owner,
	struct err *e);

/* Conversations that came by it go on, with its ops and owner.  The name is free when
 * the loop's batch is over; those of a batch are so before a conversation ends that was
 * ended behind them.  Harmless where ipc_open() has failed. */
void ipc_close(struct ipc_door *d);

/* The asker's process; 0: not in our PID namespace. */
pid_t ipc_asker(const struct ipc_call *call);

/* Says p[0..n), in as many messages as it takes; a new one begins with each call.
 * Nothing waits: what the asker has not read is copied, and sent when it has. */
void ipc_say(struct ipc_call *call, const void *p, size_t n);

/* One message of 1 to IPC_MESSAGE bytes with n <= IPC_FDS descriptors, which stay the
 * caller's. */
void ipc_hand(struct ipc_call *call, const char *text, const int *fd, size_t n);

/* Ends it behind what was said; `gone` is not called any more, and the call is the
 * caller's no more.  The only thing the owner must do with each call, but in `gone`. */
void ipc_end(struct ipc_call *call);

/* Cuts off all conversations there are, those that are being ended too; `gone` is not
 * called: for the end of the process. */
void ipc_cut_all(void);

/* ---- the asking end ---- */

struct ipc_peer {
	int fd; /* -1: none */
	pid_t pid;
	unsigned uid; /* of the process that has opened the door, when it did */
	bool ended;   /* it has said that all is said */
};

/* Connects to whoever has the name; whose that is stands in *p, and is for the caller to
 * judge.  Never waits, and needs nothing of the other process: it may be stopped.  False
 * with *e set: ERR_REFUSED, nobody has it; ERR_NOT_READY, a process has, but so many wait
 * for its answer that none more can (it may be stopped). */
bool ipc_connect(struct ipc_peer *p, const char *name, struct err *e);

/* Sends a text of 1 to IPC_MESSAGE bytes.  False with *e set where that takes longer
 * than `limit_ms`.  True says no more than that it is on its way: where the other end
 * has hung up, ipc_hear() has why. */
bool ipc_tell(struct ipc_peer *p, const char *message, int64_t limit_ms, struct err *e);

/* The next message: 1, its text is appended to *into, its descriptors (close-on-exec,
 * the caller's) are fd[0..*n); 0 at the conversation's end; -1 with *e set: late
 * (ETIMEDOUT; it may be heard again), broken off, or more than can be taken (nothing of
 * that is kept).  Where `fd` is NULL, a message with descriptors is such. */
int ipc_hear(struct ipc_peer *p, struct buf *into, int fd[IPC_FDS], size_t *n, int64_t limit_ms,
	struct err *e);

/* Harmless when there is none. */
void ipc_hang_up(struct ipc_peer *p);

/* ---- names alone ---- */

/* A socket (not blocking) that has a name for as long as it is open and lets others
 * connect, but answers none; the caller's.  -1 with *e set as by ipc_open(). */
int ipc_listen(const char *name, struct err *e);
