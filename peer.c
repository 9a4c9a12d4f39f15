/* Two ends, turned round: the far end's own row in the kernel's table. */
#include "peer.h"

#include <errno.h>
#include <sys/socket.h>

#include "tcptable.h"

/* A socket that is not there at all was closed and is over; one in TIME_WAIT
 * has no inode either. */
enum peer peer_look(int fd)
{
	struct sockaddr_storage far = {.ss_family = AF_UNSPEC}, near = far;
	socklen_t far_n = sizeof far, near_n = sizeof near;
	struct tcptable_row row;
	if (getpeername(fd, (struct sockaddr *)&far, &far_n))
		return errno == ENOTCONN ? PEER_CLOSED : PEER_UNKNOWN;
	if (getsockname(fd, (struct sockaddr *)&near, &near_n) ||
		(far.ss_family != AF_INET && far.ss_family != AF_INET6))
		return PEER_UNKNOWN;
	switch (tcptable_find(&far, &near, &row)) {
	case TCPTABLE_FOUND:
		return row.inode ? PEER_OPEN : PEER_CLOSED;
	case TCPTABLE_ABSENT:
		return PEER_CLOSED;
	default:
		return PEER_UNKNOWN;
	}
}
