/* Each way one place holds what the other end does not take: the connection's own
 * spill, and the pair's buffers in the kernel. */
#include "relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "loop.h"
#include "mem.h"

struct relay {
	struct conn *conn;
	struct io io; /* our end of the pair; fd -1 before the connection is there */
	void (*on)(void *owner, int fd, const struct err *e);
	void *owner;
	bool has_room; /* the connection takes more */
};

static void finish(struct relay *r, const struct err *e)
{
	struct err end = *e;
	void (*on)(void *, int, const struct err *) = r->on;
	void *owner = r->owner;
	relay_close(r);
	on(owner, -1, &end);
}

static void want(struct relay *r, bool out)
{
	io_want(&r->io, (r->has_room ? EPOLLIN : 0) | (out ? EPOLLOUT : 0));
}

/* From the socket straight into the record that carries it. */
static void take_in(struct relay *r)
{
	uint8_t *p;
	size_t room;
	while ((room = conn_room(r->conn, 1, &p))) {
		ssize_t n = recv(r->io.fd, p, room, 0);
		if (n <= 0)
			return;
		conn_push(r->conn, (size_t)n);
	}
	r->has_room = false;
}

/* A socket whose other end is closed takes all: nobody wants it any more. */
static void give_out(struct relay *r)
{
	uint8_t *p;
	size_t n;
	bool full = false;
	while (!full && (n = conn_peek(r->conn, &p))) {
		ssize_t sent = send(r->io.fd, p, n, MSG_NOSIGNAL);
		full = sent < 0 && errno == EAGAIN;
		if (!full)
			conn_eat(r->conn, sent < 0 ? n : (size_t)sent);
	}
	if (full)
		conn_pause(r->conn);
	want(r, full);
}

static void on_socket(struct io *io, uint32_t events)
{
	struct relay *r = OWNER_OF(io, struct relay, io);
	if (events & EPOLLOUT) {
		want(r, false);
		conn_resume(r->conn);
	}
	if (events & EPOLLIN)
		take_in(r);
	if (r->io.want & EPOLLIN && !r->has_room)
		want(r, r->io.want & EPOLLOUT);
}

static void open_pair(struct relay *r)
{
	int fd[2];
	struct err e = {0};
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd)) {
		err_set(&e, ERR_LOCAL, errno, "%s", strerror(errno));
		finish(r, &e);
		return;
	}
	io_open(&r->io, fd[0], on_socket);
	r->has_room = true;
	want(r, false);
	r->on(r->owner, fd[1], &e);
}

static void on_conn(void *owner, enum conn_event event)
{
	struct relay *r = owner;
	switch (event) {
	case CONN_OPEN:
		open_pair(r);
		break;
	case CONN_IN:
		give_out(r);
		break;
	case CONN_ROOM:
		r->has_room = true;
		want(r, r->io.want & EPOLLOUT);
		break;
	case CONN_EOF:
	case CONN_FAIL:
		finish(r, conn_error(r->conn));
		break;
	}
}

struct relay *relay_start(const struct conn_spec *spec,
	void (*on)(void *owner, int fd, const struct err *e), void *owner)
{
	struct relay *r = mem_new(sizeof *r);
	*r = (struct relay){.io.fd = -1, .on = on, .owner = owner};
	r->conn = conn_open(spec, on_conn, r);
	return r;
}

void relay_close(struct relay *r)
{
	if (r->io.fd >= 0)
		take_in(r);
	conn_close(r->conn);
	io_close(&r->io);
	loop_free_later(r, free);
}
