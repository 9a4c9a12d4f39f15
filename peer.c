/* One question to NETLINK_SOCK_DIAG, answered before send(2) returns. */
#include "peer.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

static void put_end(const struct sockaddr_storage *a, uint32_t address[4], uint16_t *port)
{
	const struct sockaddr_in *v4 = (const void *)a;
	const struct sockaddr_in6 *v6 = (const void *)a;
	if (a->ss_family == AF_INET) {
		memcpy(address, &v4->sin_addr, 4);
		*port = v4->sin_port;
	} else {
		memcpy(address, &v6->sin6_addr, 16);
		*port = v6->sin6_port;
	}
}

/* The question for the socket whose own end is our far end. */
static void prepare(
	struct question *q, const struct sockaddr_storage *far, const struct sockaddr_storage *near)
{
	*q = (struct question){
		.head = {.nlmsg_len = sizeof *q,
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST},
		.body = {.sdiag_family = (uint8_t)far->ss_family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = ~0u,
			.id.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
	};
	put_end(far, q->body.id.idiag_src, &q->body.id.idiag_sport);
	put_end(near, q->body.id.idiag_dst, &q->body.id.idiag_dport);
}

/* A socket that is not there at all was closed and is over; one in TIME_WAIT
 * has no inode either. */
static enum peer read_answer(const uint8_t *p, size_t n)
{
	struct nlmsghdr head;
	struct nlmsgerr error;
	struct inet_diag_msg found;
	if (n < sizeof head)
		return PEER_UNKNOWN;
	memcpy(&head, p, sizeof head);
	if (head.nlmsg_type == NLMSG_ERROR && n >= NLMSG_HDRLEN + sizeof error) {
		memcpy(&error, p + NLMSG_HDRLEN, sizeof error);
		return error.error == -ENOENT ? PEER_CLOSED : PEER_UNKNOWN;
	}
	if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY || n < NLMSG_HDRLEN + sizeof found)
		return PEER_UNKNOWN;
	memcpy(&found, p + NLMSG_HDRLEN, sizeof found);
	return found.idiag_inode ? PEER_OPEN : PEER_CLOSED;
}

enum peer peer_look(int fd)
{
	struct question q;
	struct sockaddr_storage far = {.ss_family = AF_UNSPEC}, near = far;
	socklen_t far_n = sizeof far, near_n = sizeof near;
	uint8_t answer[1024];
	if (getpeername(fd, (struct sockaddr *)&far, &far_n))
		return errno == ENOTCONN ? PEER_CLOSED : PEER_UNKNOWN;
	if (getsockname(fd, (struct sockaddr *)&near, &near_n) ||
		(far.ss_family != AF_INET && far.ss_family != AF_INET6))
		return PEER_UNKNOWN;
	prepare(&q, &far, &near);
	int ask = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	if (ask < 0)
		return PEER_UNKNOWN;
	ssize_t n = -1;
	if (send(ask, &q, sizeof q, 0) == (ssize_t)sizeof q)
		n = recv(ask, answer, sizeof answer, 0);
	close(ask);
	return n < 0 ? PEER_UNKNOWN : read_answer(answer, (size_t)n);
}
