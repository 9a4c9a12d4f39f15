/* Who holds a TCP port: the socket that is in the way, and the oldest process that has
 * it, as far as the kernel tells us.  Judges nobody, and ends nobody.
 *
 * Sources: tcptable.h; proc(5): /proc/PID/fd, /proc/PID/stat.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

enum { HOLDER_NAME = 64 };

struct holder {
	struct sockaddr_storage at; /* in: the address and port that could not be bound */
	bool found;                 /* a socket was found that is in the way */
	bool orphan; /* no process has it any more: it goes by itself, within a minute */
	struct sockaddr_storage bound; /* what that one is bound to */
	unsigned uid;                  /* whose socket it is; no meaning for an orphan */
	pid_t pid; /* the oldest process that has it; 0: the kernel does not tell (another
		    * user's, another PID namespace) */
	char name[HOLDER_NAME]; /* its comm, safe to show; "" where pid is 0 */
};

/* Looks for all of them at once, at one address each (sockaddr_in, sockaddr_in6; not a
 * wildcard), and fills what is not "in".  In the way is a socket at the same address, or
 * at one that includes it (0.0.0.0, and :: unless it is for IPv6 only), also written as
 * ::ffff:127.0.0.1.  Of several it is one that listens, else one that is connected (an
 * outgoing connection takes its local port, too), else an orphan; among those the one at
 * the address itself.
 *
 * Never blocks; where a machine has more than half a million processes and descriptors,
 * some are not looked at. */
void holder_find(struct holder *h, size_t n);
