/* First the sockets, row by row, the best one for each port; then all processes once,
 * for the inodes of those. */
#include "holder.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"
#include "tcptable.h"
#include "text.h"

enum { LOOKS_MAX = 1 << 19 }; /* at processes and descriptors */

/* How well a socket explains why a port could not be bound; of two with the same the
 * first stays.  An orphan's is 1, others have one of the sums. */
enum rank { RANK_NONE, RANK_ORPHAN, RANK_CONNECTED, RANK_LISTENS = 4, RANK_EXACT = 1 };

/* What is known of the best socket for one port. */
struct match {
	unsigned rank;
	unsigned long inode;
	unsigned long long started; /* of the oldest process so far */
};

struct search {
	struct holder *h;
	struct match *match;
	size_t n;
	unsigned looks; /* left */
};

struct process {
	pid_t pid;                  /* 0: not read */
	unsigned long long started; /* in ticks since boot */
	char name[HOLDER_NAME];
};

/* ---- sockets ---- */

static in_port_t port_of(const struct sockaddr_storage *a)
{
	return ((const struct sockaddr_in *)a)->sin_port; /* sockaddr_in6 has it there, too */
}

/* IPv4 as ::ffff:1.2.3.4. */
static struct in6_addr address_of(const struct sockaddr_storage *a)
{
	struct in6_addr v6 = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
	if (a->ss_family == AF_INET)
		memcpy(v6.s6_addr + 12, &((const struct sockaddr_in *)a)->sin_addr, 4);
	else
		v6 = ((const struct sockaddr_in6 *)a)->sin6_addr;
	return v6;
}

static bool includes(const struct tcptable_row *row, const struct in6_addr *at)
{
	static const struct in6_addr AnyV4 = {.s6_addr = {[10] = 0xff, [11] = 0xff}};
	struct in6_addr own = address_of(&row->own);
	if (IN6_IS_ADDR_V4MAPPED(at) && IN6_ARE_ADDR_EQUAL(&own, &AnyV4))
		return true;
	return IN6_IS_ADDR_UNSPECIFIED(&own) && !(IN6_IS_ADDR_V4MAPPED(at) && row->v6only);
}

static unsigned rank(const struct tcptable_row *row, const struct sockaddr_storage *at)
{
	struct in6_addr own = address_of(&row->own), wanted = address_of(at);
	bool exact = IN6_ARE_ADDR_EQUAL(&own, &wanted);
	if (!exact && !includes(row, &wanted))
		return RANK_NONE;
	if (!row->inode)
		return RANK_ORPHAN;
	return (row->state == TCP_LISTEN ? RANK_LISTENS : RANK_CONNECTED) +
	       (exact ? RANK_EXACT : 0u);
}

static void on_row(void *owner, const struct tcptable_row *row)
{
	const struct search *s = owner;
	for (size_t i = 0; i < s->n; i++) {
		struct holder *h = &s->h[i];
		unsigned better =
			port_of(&row->own) == port_of(&h->at) ? rank(row, &h->at) : RANK_NONE;
		if (better <= s->match[i].rank)
			continue;
		s->match[i] = (struct match){.rank = better, .inode = row->inode};
		h->found = true;
		h->orphan = better == RANK_ORPHAN;
		h->bound = row->own;
		h->uid = row->uid;
	}
}

static bool all_found(const struct search *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->match[i].rank < RANK_LISTENS)
			return false;
	return true;
}

/* Those that listen are few, and most often what is looked for. */
static void find_sockets(struct search *s)
{
	static const unsigned Listening = 1u << TCP_LISTEN;
	if (!tcptable_ask(Listening, on_row, s) ||
		(!all_found(s) && !tcptable_ask(~Listening, on_row, s)))
		tcptable_read(on_row, s);
}

/* ---- processes ---- */

static DIR *open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (fd >= 0 && !dir)
		close(fd);
	return dir;
}

static const struct dirent *next_entry(struct search *s, DIR *dir)
{
	return s->looks && s->looks-- ? readdir(dir) : NULL;
}

/* From "PID (COMM) STATE ..."; COMM may hold anything. */
static bool read_stat(char *line, struct process *p)
{
	char *name = strchr(line, '('), *end = strrchr(line, ')');
	if (!name || !end || end < name)
		return false;
	*end = '\0';
	snprintf(p->name, sizeof p->name, "%s", name + 1);
	text_clean(p->name);
	char *field = end + 1;
	for (int i = 3; i < 22 && field; i++)
		field = strchr(field + 1, ' ');
	if (!field)
		return false;
	p->started = strtoull(field, NULL, 10);
	return true;
}

static bool read_process(int proc, pid_t pid, struct process *p)
{
	char path[32], line[1024];
	snprintf(path, sizeof path, "%d/stat", (int)pid);
	int fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, line, sizeof line - 1);
	close(fd);
	line[n < 0 ? 0 : n] = '\0';
	if (!read_stat(line, p))
		return false;
	p->pid = pid;
	return true;
}

/* What a descriptor is, by its link "socket:[INODE]"; 0 for any other. */
static unsigned long inode_of(int fds, const char *name)
{
	static const char Socket[] = "socket:[";
	char link[64];
	ssize_t n = readlinkat(fds, name, link, sizeof link - 1);
	if (n < (ssize_t)sizeof Socket || memcmp(link, Socket, sizeof Socket - 1) != 0)
		return 0;
	link[n] = '\0';
	return strtoul(link + sizeof Socket - 1, NULL, 10);
}

/* Processes come by number: of two that were started in the same tick the first stays. */
static void note(
	const struct search *s, unsigned long inode, int proc, pid_t pid, struct process *p)
{
	for (size_t i = 0; i < s->n; i++) {
		struct holder *h = &s->h[i];
		struct match *m = &s->match[i];
		if (m->inode != inode || (!p->pid && !read_process(proc, pid, p)) ||
			(h->pid && m->started <= p->started))
			continue;
		m->started = p->started;
		h->pid = p->pid;
		memcpy(h->name, p->name, sizeof h->name);
	}
}

static void look_into(struct search *s, int proc, pid_t pid)
{
	char path[32];
	struct process p = {0};
	snprintf(path, sizeof path, "%d/fd", (int)pid);
	DIR *dir = open_dir(proc, path);
	if (!dir)
		return;
	for (const struct dirent *entry; (entry = next_entry(s, dir));) {
		unsigned long inode = inode_of(dirfd(dir), entry->d_name);
		if (inode)
			note(s, inode, proc, pid, &p);
	}
	closedir(dir);
}

static void find_processes(struct search *s)
{
	DIR *dir = open_dir(AT_FDCWD, "/proc");
	if (!dir)
		return;
	for (const struct dirent *entry; (entry = next_entry(s, dir));) {
		long pid = strtol(entry->d_name, NULL, 10);
		if (pid > 0)
			look_into(s, dirfd(dir), (pid_t)pid);
	}
	closedir(dir);
}

static bool any_held(const struct search *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->match[i].inode)
			return true;
	return false;
}

void holder_find(struct holder *h, size_t n)
{
	struct search s = {
		.h = h, .match = mem_new(n * sizeof *s.match), .n = n, .looks = LOOKS_MAX};
	for (size_t i = 0; i < n; i++)
		h[i] = (struct holder){.at = h[i].at};
	find_sockets(&s);
	if (any_held(&s))
		find_processes(&s);
	free(s.match);
}
