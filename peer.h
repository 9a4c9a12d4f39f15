/* What the kernel knows of the other end of a connection on this machine.
 *
 * close(2) and shutdown(2) of a client both arrive as an end of file; sock_diag
 * tells them apart, since a socket that no process holds has no inode.
 */
#pragma once

enum peer {
	PEER_OPEN,    /* a process holds it: it has only ended what it sends */
	PEER_CLOSED,  /* nobody does: nothing we send will be read */
	PEER_UNKNOWN, /* not of this network namespace, or the kernel does not tell */
};

/* Looks at the other end of the connected TCP socket `fd`; never blocks. */
enum peer peer_look(int fd);
