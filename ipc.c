/* Abstract Unix sockets: the name goes with the last descriptor of its socket, so nothing
 * is left behind by whoever dies.  One struct for a conversation's serving end, which holds
 * what its asker has not read; the asking end is a socket and poll(2). */
#include "ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mem.h"
#include "text.h"

enum {
	/* Those who asked a stopped process and went stand in the way until it goes on. */
	BACKLOG = 4096,
	ACCEPTS_A_TURN = 64,
	NO_DESCRIPTORS_MS = 1000, /* pause after accept(2) found none left */
};

static const char End[1] = ""; /* all is said */
static const char Busy[] = "error too many ask at once; try again";

/* A message that waits to be sent. */
struct piece {
	struct piece *next;
	size_t n, fds; /* bytes, descriptors */
	int fd[];      /* our own; behind them the text */
};

struct ipc_call {
	struct io io;
	struct timer late;
	const struct ipc_ops *ops;
	void *owner;
	pid_t pid;
	struct piece *first, **last;
	size_t queued;    /* bytes of all pieces */
	int64_t moved_ms; /* when the queue last went on */
	int64_t limit_ms; /* when it is cut off; 0: the last word is the asker's */
	bool ended;       /* by its owner, who knows it no more */
	bool broken;      /* to be cut off by the loop */
};

static struct ipc_call *Calls[IPC_CALLS];

/* ---- sockets ---- */

/* Returns the address's length, 0 if there is none of that name. */
static socklen_t address_of(const char *name, struct sockaddr_un *a)
{
	size_t n = strlen(name);
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (!n || n >= IPC_NAME)
		return 0;
	memcpy(a->sun_path + 1, name, n);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n);
}

/* A socket that `use` (bind or connect) has given the address.  -1 with errno set. */
static int socket_at(const char *name, int (*use)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un a;
	socklen_t n = address_of(name, &a);
	if (!n) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && use(fd, (const struct sockaddr *)&a, n)) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static bool look_who(int fd, pid_t *pid, unsigned *uid)
{
	struct ucred who;
	socklen_t n = sizeof who;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n))
		return false;
	*pid = who.pid;
	*uid = who.uid;
	return true;
}

union control {
	struct cmsghdr head;
	char room[CMSG_SPACE(IPC_FDS * sizeof(int))];
};

static bool send_message(int to, const void *p, size_t n, const int *fd, size_t fds)
{
	union control control = {.room = {0}};
	struct iovec text = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
	struct msghdr m = {.msg_iov = &text, .msg_iovlen = 1};
	if (fds) {
		m.msg_control = control.room;
		m.msg_controllen = (socklen_t)CMSG_SPACE(fds * sizeof *fd);
		control.head = (struct cmsghdr){.cmsg_len = (socklen_t)CMSG_LEN(fds * sizeof *fd),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(&control.head), fd, fds * sizeof *fd);
	}
	return sendmsg(to, &m, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

int ipc_listen(const char *name, struct err *e)
{
	int fd = socket_at(name, bind);
	if (fd >= 0 && !listen(fd, BACKLOG))
		return fd;
	int error = errno;
	if (fd >= 0)
		close(fd);
	err_set(e, ERR_LOCAL, error, "cannot take the name '@%s': %s", name, strerror(error));
	return -1;
}

/* ---- a conversation's life ---- */

static void free_piece(struct piece *x)
{
	for (size_t i = 0; i < x->fds; i++)
		close(x->fd[i]);
	free(x);
}

static struct piece *take_first(struct ipc_call *call)
{
	struct piece *x = call->first;
	call->first = x->next;
	if (!call->first)
		call->last = &call->first;
	call->queued -= x->n;
	return x;
}

static void bury(struct ipc_call *call)
{
	while (call->first)
		free_piece(take_first(call));
	timer_stop(&call->late);
	io_close(&call->io);
	for (size_t i = 0; i < IPC_CALLS; i++)
		if (Calls[i] == call)
			Calls[i] = NULL;
	loop_free_later(call, free);
}

static void cut(struct ipc_call *call)
{
	bool owned = !call->ended;
	call->ended = true; /* whatever `gone` says or ends is too late */
	if (owned)
		call->ops->gone(call->owner, call);
	bury(call);
}

/* What is waited for, and for how long. */
static void plan(struct ipc_call *call)
{
	int64_t due = call->limit_ms, stuck = call->moved_ms + IPC_PATIENCE_MS;
	if (call->first && stuck < due)
		due = stuck;
	if (call->broken)
		due = loop_now();
	if (due)
		timer_set(&call->late, due);
	else
		timer_stop(&call->late);
	io_want(&call->io, call->first ? EPOLLOUT : EPOLLIN);
}

static void on_late(struct timer *timer)
{
	cut(OWNER_OF(timer, struct ipc_call, late));
}

/* ---- what is said ---- */

static char *text_of(struct piece *x)
{
	return (char *)(x->fd + x->fds);
}

static void queue(struct ipc_call *call, const void *p, size_t n, const int *fd, size_t fds)
{
	struct piece *x = mem_new(sizeof *x + fds * sizeof *fd + n);
	if (!call->first)
		call->moved_ms = loop_now();
	*x = (struct piece){.n = n};
	for (; x->fds < fds; x->fds++)
		if ((x->fd[x->fds] = fcntl(fd[x->fds], F_DUPFD_CLOEXEC, 0)) < 0)
			break;
	if (x->fds < fds || call->queued + n > IPC_QUEUE) {
		free_piece(x);
		call->broken = true;
		return;
	}
	memcpy(text_of(x), p, n);
	*call->last = x;
	call->last = &x->next;
	call->queued += n;
}

static void put(struct ipc_call *call, const void *p, size_t n, const int *fd, size_t fds)
{
	if (call->ended || call->broken)
		return;
	if (!call->limit_ms)
		call->limit_ms = loop_now() + IPC_LIMIT_MS;
	if (call->first || !send_message(call->io.fd, p, n, fd, fds)) {
		if (call->first || errno == EAGAIN)
			queue(call, p, n, fd, fds);
		else
			call->broken = true;
	}
	plan(call);
}

static void send_queue(struct ipc_call *call)
{
	for (struct piece *x; (x = call->first);) {
		if (!send_message(call->io.fd, text_of(x), x->n, x->fd, x->fds)) {
			call->broken = errno != EAGAIN;
			return;
		}
		call->moved_ms = loop_now();
		free_piece(take_first(call));
	}
}

pid_t ipc_asker(const struct ipc_call *call)
{
	return call->pid;
}

void ipc_say(struct ipc_call *call, const void *p, size_t n)
{
	const char *at = p;
	for (size_t part; n; at += part, n -= part) {
		part = n < IPC_MESSAGE ? n : IPC_MESSAGE;
		put(call, at, part, NULL, 0);
	}
}

void ipc_hand(struct ipc_call *call, const char *text, const int *fd, size_t n)
{
	put(call, text, strlen(text), fd, n);
}

void ipc_end(struct ipc_call *call)
{
	if (call->ended)
		return;
	put(call, End, sizeof End, NULL, 0);
	call->ended = true;
	if (!call->first || call->broken)
		bury(call);
}

void ipc_cut_all(void)
{
	for (size_t i = 0; i < IPC_CALLS; i++)
		if (Calls[i])
			bury(Calls[i]);
}

/* ---- what is asked ---- */

static bool is_text(const char *p, size_t n)
{
	uint32_t c;
	for (size_t used; n; p += used, n -= used) {
		used = text_char(p, n, &c);
		if (!used || (text_is_control(c) && c != '\n' && c != '\t'))
			return false;
	}
	return true;
}

/* Descriptors that come along are closed by the kernel, since there is no room for them. */
static void hear(struct ipc_call *call)
{
	char message[IPC_MESSAGE + 1];
	struct iovec text = {.iov_base = message, .iov_len = IPC_MESSAGE};
	struct msghdr m = {.msg_iov = &text, .msg_iovlen = 1};
	ssize_t n = recvmsg(call->io.fd, &m, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	call->broken =
		n <= 0 || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC) || !is_text(message, (size_t)n);
	if (call->broken)
		return;
	message[n] = '\0';
	call->limit_ms = 0;
	call->ops->asked(call->owner, call, message);
}

static void on_call(struct io *io, uint32_t events)
{
	struct ipc_call *call = OWNER_OF(io, struct ipc_call, io);
	(void)events;
	if (!call->broken)
		(call->first ? send_queue : hear)(call);
	if (io->fd < 0) /* its owner has ended it */
		return;
	if (call->broken)
		cut(call);
	else if (call->ended && !call->first)
		bury(call);
	else
		plan(call);
}

/* ---- doors ---- */

static void begin(struct ipc_call **at, const struct ipc_door *d, int fd, pid_t pid)
{
	struct ipc_call *call = mem_new(sizeof *call);
	*call = (struct ipc_call){.late.on = on_late,
		.ops = d->ops,
		.owner = d->owner,
		.pid = pid,
		.last = &call->first,
		.limit_ms = loop_now() + IPC_PATIENCE_MS};
	*at = call;
	io_open(&call->io, fd, on_call);
	plan(call);
}

static void let_in(const struct ipc_door *d, int fd)
{
	pid_t pid;
	unsigned uid;
	bool ours = look_who(fd, &pid, &uid) && uid == geteuid();
	for (size_t i = 0; ours && i < IPC_CALLS; i++)
		if (!Calls[i]) {
			begin(&Calls[i], d, fd, pid);
			return;
		}
	if (ours && send_message(fd, Busy, sizeof Busy - 1, NULL, 0))
		send_message(fd, End, sizeof End, NULL, 0);
	close(fd);
}

static void on_door(struct io *io, uint32_t events)
{
	struct ipc_door *d = OWNER_OF(io, struct ipc_door, io);
	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN && io->want; i++) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			let_in(d, fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			timer_after(&d->pause, NO_DESCRIPTORS_MS);
			io_want(io, 0);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			break;
		}
	}
}

static void on_pause(struct timer *timer)
{
	io_want(&OWNER_OF(timer, struct ipc_door, pause)->io, EPOLLIN);
}

bool ipc_open(
	struct ipc_door *d, const char *name, const struct ipc_ops *ops, void *owner, struct err *e)
{
	*d = (struct ipc_door){.pause.on = on_pause, .ops = ops, .owner = owner};
	io_open(&d->io, ipc_listen(name, e), on_door);
	if (d->io.fd < 0)
		return false;
	io_want(&d->io, EPOLLIN);
	return true;
}

void ipc_close(struct ipc_door *d)
{
	timer_stop(&d->pause);
	io_close(&d->io);
}

/* ---- the asking end ---- */

bool ipc_connect(struct ipc_peer *p, const char *name, struct err *e)
{
	*p = (struct ipc_peer){.fd = socket_at(name, connect)};
	if (p->fd >= 0 && look_who(p->fd, &p->pid, &p->uid))
		return true;
	int error = errno;
	ipc_hang_up(p);
	return err_set(e,
		error == ECONNREFUSED ? ERR_REFUSED
		: error == EAGAIN     ? ERR_NOT_READY
				      : ERR_LOCAL,
		error, "cannot reach '@%s': %s", name, strerror(error));
}

static bool wait_for(int fd, short events, int64_t until_ms, struct err *e)
{
	int64_t left;
	while ((left = until_ms - loop_clock()) >= 0) {
		struct pollfd p = {.fd = fd, .events = events};
		int n = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
		if (n > 0)
			return true;
		if (n < 0 && errno != EINTR)
			return err_set(e, ERR_LOCAL, errno, "cannot wait: %s", strerror(errno));
	}
	return err_set(e, ERR_NETWORK, ETIMEDOUT, "it does not answer");
}

bool ipc_tell(struct ipc_peer *p, const char *message, int64_t limit_ms, struct err *e)
{
	int64_t until = loop_clock() + limit_ms;
	size_t n = strlen(message);
	while (!send_message(p->fd, message, n, NULL, 0)) {
		if (errno == EPIPE || errno == ECONNRESET)
			break;
		if (errno != EAGAIN)
			return err_set(e, ERR_LOCAL, errno, "cannot ask: %s", strerror(errno));
		if (!wait_for(p->fd, POLLOUT, until, e))
			return false;
	}
	return true;
}

/* A single SCM_RIGHTS is all that the kernel makes of them. */
static size_t keep_descriptors(struct msghdr *m, int *fd)
{
	struct cmsghdr *head = CMSG_FIRSTHDR(m);
	if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
		return 0;
	size_t bytes = head->cmsg_len - CMSG_LEN(0);
	memcpy(fd, CMSG_DATA(head), bytes);
	return bytes / sizeof *fd;
}

/* As recv(2) of one message; EMSGSIZE and EMFILE: more than can be taken. */
static ssize_t receive(int from, void *p, int *fd, size_t *n)
{
	union control control;
	struct iovec text = {.iov_base = p, .iov_len = IPC_MESSAGE};
	struct msghdr m = {.msg_iov = &text, .msg_iovlen = 1};
	if (fd) {
		m.msg_control = control.room;
		m.msg_controllen = sizeof control.room;
	}
	ssize_t got = recvmsg(from, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	*n = got >= 0 && fd ? keep_descriptors(&m, fd) : 0;
	if (got < 0 || !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return got;
	while (*n)
		close(fd[--*n]);
	errno = m.msg_flags & MSG_TRUNC ? EMSGSIZE : EMFILE;
	return -1;
}

int ipc_hear(struct ipc_peer *p, struct buf *into, int fd[IPC_FDS], size_t *n, int64_t limit_ms,
	struct err *e)
{
	int64_t until = loop_clock() + limit_ms;
	*n = 0;
	for (;;) {
		uint8_t *room = buf_room(into, IPC_MESSAGE);
		ssize_t got = receive(p->fd, room, fd, n);
		if (got == 1 && !*room && !*n) {
			p->ended = true;
		} else if (got > 0) {
			buf_push(into, (size_t)got);
			return 1;
		} else if (!got && p->ended) {
			return 0;
		} else if (!got) {
			err_set(e, ERR_NETWORK, ECONNRESET, "it has broken off");
			return -1;
		} else if (errno == EAGAIN) {
			if (!wait_for(p->fd, POLLIN, until, e))
				return -1;
		} else if (errno != ECONNRESET) { /* what it said before is behind that */
			err_set(e, ERR_PROTOCOL, errno, "cannot take what it says: %s",
				strerror(errno));
			return -1;
		}
	}
}

void ipc_hang_up(struct ipc_peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
}
