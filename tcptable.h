/* The kernel's table of the TCP sockets of this network namespace: by sock_diag, or by
 * the files in /proc/net where that is refused (seccomp, gVisor).  Knows nothing of
 * processes, nor of what a socket is looked up for.
 *
 * Sources: sock_diag(7); Linux' net/ipv4/inet_diag.c; "proc_net_tcp" of its manual.
 */
#pragma once
#include <stdbool.h>
#include <sys/socket.h>

struct tcptable_row {
	struct sockaddr_storage own; /* what it is bound to; ::ffff:1.2.3.4 stays AF_INET6 */
	unsigned state;              /* TCP_LISTEN, ... of <netinet/tcp.h>, or one above those */
	bool v6only;                 /* told by sock_diag, and of those that listen or only bind */
	unsigned uid;                /* who made it; 0 where it has no inode */
	unsigned long inode;         /* 0: no process holds it any more */
};

enum tcptable_found {
	TCPTABLE_FOUND,
	TCPTABLE_ABSENT,
	TCPTABLE_UNKNOWN, /* the kernel does not tell */
};

/* By sock_diag: the connected socket whose own end and far end these are, both of one
 * family.  Fills *row where it is found.  Never blocks. */
enum tcptable_found tcptable_find(const struct sockaddr_storage *own,
	const struct sockaddr_storage *far, struct tcptable_row *row);

/* Called for each row, IPv4 first; the row dies at return. */
typedef void tcptable_visit(void *owner, const struct tcptable_row *row);

/* By sock_diag: every socket in one of `states` (a bit 1 << TCP_... each), since Linux
 * 6.8 also those that are bound, and neither listen nor are connected.  False where the
 * kernel does not tell, or not to the end.  Never blocks; a million rows are the most. */
bool tcptable_ask(unsigned states, tcptable_visit *visit, void *owner);

/* By /proc/net: every socket that listens or is connected.  As above. */
bool tcptable_read(tcptable_visit *visit, void *owner);
