/* Questions to NETLINK_SOCK_DIAG, answered before send(2) or recv(2) returns; and the
 * lines of /proc/net/tcp and tcp6. */
#include "tcptable.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PART = 16384,      /* bytes; of a dump the kernel sends no more at once if less is read */
	PARTS_MAX = 16384, /* with some hundred rows each */
	ROWS_MAX = 1 << 20,
};

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

/* What one message says. */
enum said { SAID_ROW, SAID_END, SAID_ABSENT, SAID_REFUSED };

/* ---- addresses ---- */

static void get_end(const struct sockaddr_storage *a, uint32_t address[4], uint16_t *port)
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

static void set_end(
	struct sockaddr_storage *a, int family, const uint32_t address[4], uint16_t port)
{
	struct sockaddr_in *v4 = (void *)a;
	struct sockaddr_in6 *v6 = (void *)a;
	*a = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
	if (family == AF_INET) {
		memcpy(&v4->sin_addr, address, 4);
		v4->sin_port = port;
	} else {
		memcpy(&v6->sin6_addr, address, 16);
		v6->sin6_port = port;
	}
}

/* ---- sock_diag ---- */

static struct question question(int family, unsigned states, int flags)
{
	return (struct question){
		.head = {.nlmsg_len = sizeof(struct question),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)},
		.body = {.sdiag_family = (uint8_t)family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = states,
			.id.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
	};
}

static int open_diag(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
}

/* Attributes stand one after the other, each at a multiple of four. */
static bool is_v6only(const uint8_t *p, size_t n)
{
	struct nlattr a;
	for (size_t at = 0; at + sizeof a < n; at += (a.nla_len + 3u) & ~3u) {
		memcpy(&a, p + at, sizeof a);
		if (a.nla_len <= sizeof a)
			return false;
		if (a.nla_type == INET_DIAG_SKV6ONLY)
			return p[at + sizeof a];
	}
	return false;
}

static enum said read_row(const uint8_t *p, size_t n, struct tcptable_row *row)
{
	struct inet_diag_msg m;
	if (n < sizeof m)
		return SAID_REFUSED;
	memcpy(&m, p, sizeof m);
	*row = (struct tcptable_row){.state = m.idiag_state,
		.v6only = is_v6only(p + sizeof m, n - sizeof m),
		.uid = m.idiag_uid,
		.inode = m.idiag_inode};
	set_end(&row->own, m.idiag_family, m.id.idiag_src, m.id.idiag_sport);
	return SAID_ROW;
}

/* The end of a dump may be an error, too: there is no tcp_diag in this kernel. */
static enum said read_status(const uint8_t *p, size_t n)
{
	int error;
	if (n < sizeof error)
		return SAID_REFUSED;
	memcpy(&error, p, sizeof error);
	return !error ? SAID_END : error == -ENOENT ? SAID_ABSENT : SAID_REFUSED;
}

/* Takes one message off p[0..n). */
static enum said next_message(const uint8_t **p, size_t *n, struct tcptable_row *row)
{
	struct nlmsghdr head;
	if (*n < NLMSG_HDRLEN)
		return SAID_REFUSED;
	memcpy(&head, *p, sizeof head);
	if (head.nlmsg_len < NLMSG_HDRLEN || head.nlmsg_len > *n)
		return SAID_REFUSED;
	const uint8_t *body = *p + NLMSG_HDRLEN;
	size_t body_n = head.nlmsg_len - NLMSG_HDRLEN, step = NLMSG_ALIGN((size_t)head.nlmsg_len);
	*p += step < *n ? step : *n;
	*n -= step < *n ? step : *n;
	switch (head.nlmsg_type) {
	case SOCK_DIAG_BY_FAMILY:
		return read_row(body, body_n, row);
	case NLMSG_DONE:
	case NLMSG_ERROR:
		return read_status(body, body_n);
	default:
		return SAID_REFUSED;
	}
}

enum tcptable_found tcptable_find(const struct sockaddr_storage *own,
	const struct sockaddr_storage *far, struct tcptable_row *row)
{
	struct question q = question(own->ss_family, ~0u, 0);
	uint8_t answer[1024];
	const uint8_t *p = answer;
	get_end(own, q.body.id.idiag_src, &q.body.id.idiag_sport);
	get_end(far, q.body.id.idiag_dst, &q.body.id.idiag_dport);
	int fd = open_diag();
	if (fd < 0)
		return TCPTABLE_UNKNOWN;
	ssize_t n = -1;
	if (send(fd, &q, sizeof q, 0) == (ssize_t)sizeof q)
		n = recv(fd, answer, sizeof answer, 0);
	close(fd);
	size_t left = n < 0 ? 0 : (size_t)n;
	enum said said = next_message(&p, &left, row);
	return said == SAID_ROW      ? TCPTABLE_FOUND
	       : said == SAID_ABSENT ? TCPTABLE_ABSENT
				     : TCPTABLE_UNKNOWN;
}

static enum said read_part(const uint8_t *p, size_t n, tcptable_visit *visit, void *owner)
{
	struct tcptable_row row;
	enum said said = SAID_ROW;
	while (n && (said = next_message(&p, &n, &row)) == SAID_ROW)
		visit(owner, &row);
	return said;
}

static bool dump(int fd, const struct question *q, tcptable_visit *visit, void *owner)
{
	uint8_t part[PART];
	enum said said = SAID_ROW;
	if (send(fd, q, sizeof *q, 0) != (ssize_t)sizeof *q)
		return false;
	for (int i = 0; i < PARTS_MAX && said == SAID_ROW; i++) {
		ssize_t n = recv(fd, part, sizeof part, 0);
		if (n <= 0)
			return false;
		said = read_part(part, (size_t)n, visit, owner);
	}
	return said == SAID_END;
}

bool tcptable_ask(unsigned states, tcptable_visit *visit, void *owner)
{
	struct question v4 = question(AF_INET, states, NLM_F_DUMP);
	struct question v6 = question(AF_INET6, states, NLM_F_DUMP);
	int fd = open_diag();
	if (fd < 0)
		return false;
	bool told = dump(fd, &v4, visit, owner) && dump(fd, &v6, visit, owner);
	close(fd);
	return told;
}

/* ---- /proc/net ---- */

/* From "HEX:PORT"; each eight digits are 32 bits as a number of this machine. */
static bool read_end(const char *text, struct sockaddr_storage *end)
{
	uint32_t address[4] = {0};
	size_t n = strcspn(text, ":");
	if ((n != 8 && n != 32) || !text[n])
		return false;
	for (size_t i = 0; i < n; i += 8) {
		char word[9] = {0};
		memcpy(word, text + i, 8);
		address[i / 8] = (uint32_t)strtoul(word, NULL, 16);
	}
	uint16_t port = (uint16_t)strtoul(text + n + 1, NULL, 16);
	set_end(end, n == 8 ? AF_INET : AF_INET6, address, htons(port));
	return true;
}

/* The first line has the columns' names: no address. */
static bool read_line(char *line, struct tcptable_row *row)
{
	enum { OWN = 1, STATE = 3, UID = 7, INODE = 9, COLUMNS };
	char *column[COLUMNS], *rest = line;
	for (int i = 0; i < COLUMNS; i++)
		if (!(column[i] = strtok_r(rest, " ", &rest)))
			return false;
	*row = (struct tcptable_row){.state = (unsigned)strtoul(column[STATE], NULL, 16),
		.uid = (unsigned)strtoul(column[UID], NULL, 10),
		.inode = strtoul(column[INODE], NULL, 10)};
	return read_end(column[OWN], &row->own);
}

static bool read_file(const char *path, tcptable_visit *visit, void *owner)
{
	struct tcptable_row row;
	char line[512];
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	for (int i = 0; i < ROWS_MAX && fgets(line, sizeof line, file); i++)
		if (read_line(line, &row))
			visit(owner, &row);
	fclose(file);
	return true;
}

bool tcptable_read(tcptable_visit *visit, void *owner)
{
	bool v4 = read_file("/proc/net/tcp", visit, owner);
	bool v6 = read_file("/proc/net/tcp6", visit, owner);
	return v4 || v6;
}
