/* Sockets that listen on loopback, and the pause where there are no descriptors. */
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "ulimit.h"

enum {
	BACKLOG = 512,
	ACCEPTS_A_TURN = 64,
	NO_DESCRIPTORS_MS = 1000, /* pause after accept(2) found none left */
	ANY_PORT_TRIES = 16,      /* a free port of 127.0.0.1 may be taken on ::1 */
};

/* ---- taking ---- */

static void set_events(struct listener *l)
{
	bool on = l->accepting && !timer_is_set(&l->pause);
	for (int i = 0; i < LISTENER_SOCKETS; i++)
		if (l->socket[i].io.fd >= 0)
			io_want(&l->socket[i].io, on ? EPOLLIN : 0);
}

static void on_pause(struct timer *timer)
{
	set_events(OWNER_OF(timer, struct listener, pause));
}

/* Told once, until all that waited have been taken. */
static void pause_it(struct listener *l)
{
	if (!l->told)
		log_line(LOG_WARN, "no descriptors left: new connections wait",
			LOG_FIELDS(LOG_STR("forward", l->name)));
	l->told = true;
	timer_after(&l->pause, NO_DESCRIPTORS_MS);
	set_events(l);
}

/* As accept4(2), but leaves those that others need. */
static int take_one(int listening, struct sockaddr_storage *from)
{
	socklen_t n = sizeof *from;
	errno = EMFILE;
	return ulimit_left() ? accept4(listening, (struct sockaddr *)from, &n,
				       SOCK_NONBLOCK | SOCK_CLOEXEC)
			     : -1;
}

static void on_connection(struct io *io, uint32_t events)
{
	struct listener *l = OWNER_OF(io, struct listener_socket, io)->listener;
	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN && io->want; i++) {
		struct sockaddr_storage from;
		int fd = take_one(io->fd, &from);
		if (fd >= 0) {
			l->take(l->owner, fd, &from);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			pause_it(l);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			l->told = false;
			break;
		}
	}
}

void listener_serve(struct listener *l,
	void (*take)(void *owner, int fd, const struct sockaddr_storage *from), void *owner)
{
	l->take = take;
	l->owner = owner;
}

void listener_accept(struct listener *l, bool on)
{
	l->accepting = on;
	if (ulimit_left())
		timer_stop(&l->pause);
	set_events(l);
}

/* ---- beginning and end ---- */

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 a = {0}; /* sockaddr_in has it in the same place */
	socklen_t n = sizeof a;
	return getsockname(fd, (struct sockaddr *)&a, &n) ? 0 : ntohs(a.sin6_port);
}

static socklen_t size_of(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

/* A copy of the lent socket that listens there, or -1. */
static int borrow(const struct listener_spec *spec, const struct sockaddr_storage *at)
{
	for (size_t i = 0; i < spec->lent_count; i++) {
		struct sockaddr_storage a = {0};
		socklen_t size = sizeof a;
		if (!getsockname(spec->lent[i], (struct sockaddr *)&a, &size) &&
			size == size_of(at) && !memcmp(&a, at, size))
			return fcntl(spec->lent[i], F_DUPFD_CLOEXEC, 0);
	}
	return -1;
}

/* A socket bound to it, or -1 with errno. */
static int bound(const struct sockaddr_storage *to)
{
	static const int One = 1;
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &One, sizeof One);
	if (to->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &One, sizeof One);
	if (!bind(fd, (const struct sockaddr *)to, size_of(to)))
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* -1 with errno. */
static int listening(const struct sockaddr_storage *to)
{
	int fd = bound(to);
	if (fd < 0 || !listen(fd, BACKLOG))
		return fd;
	int error = errno;
	close(fd);
	errno = error;
	return -1;
}

static bool bind_one(struct listener_socket *s, const struct listener_spec *spec,
	const struct sockaddr_storage *to, bool optional, struct err *e)
{
	int fd = borrow(spec, to);
	s->io.fd = fd = fd < 0 ? listening(to) : fd;
	if (fd >= 0 || (optional && (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT)))
		return true;
	return err_set(e, ERR_LOCAL, errno, "cannot listen on %s:%u for '%s': %s",
		to->ss_family == AF_INET6 ? "[::1]" : spec->address, spec->port, spec->name,
		errno == EADDRINUSE ? "another process uses it; stop that, or change local_port"
				    : strerror(errno));
}

/* A browser tries ::1 first where a name leads to both. */
static size_t wanted(const struct listener_spec *spec, struct sockaddr_storage to[LISTENER_SOCKETS])
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(spec->port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
		.sin6_port = htons(spec->port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	size_t n = 0;
	memset(to, 0, LISTENER_SOCKETS * sizeof *to);
	if (inet_pton(AF_INET, spec->address, &v4.sin_addr) == 1)
		memcpy(&to[n++], &v4, sizeof v4);
	if (!n || !spec->only_that)
		memcpy(&to[n++], &v6, sizeof v6);
	return n;
}

size_t listener_taken(
	const struct listener_spec *spec, struct sockaddr_storage at[LISTENER_SOCKETS])
{
	struct sockaddr_storage to[LISTENER_SOCKETS];
	size_t n = wanted(spec, to), taken = 0;
	for (size_t i = 0; i < n; i++) {
		int fd = bound(&to[i]);
		if (fd >= 0)
			close(fd);
		else if (errno == EADDRINUSE)
			at[taken++] = to[i];
	}
	return taken;
}

static bool bind_all(struct listener *l, const struct listener_spec *spec, struct err *e)
{
	struct sockaddr_storage to[LISTENER_SOCKETS];
	size_t n = wanted(spec, to);
	if (!bind_one(&l->socket[0], spec, &to[0], false, e))
		return false;
	((struct sockaddr_in6 *)&to[1])->sin6_port = htons(port_of(l->socket[0].io.fd));
	return n < 2 || bind_one(&l->socket[1], spec, &to[1], true, e);
}

void listener_init(struct listener *l, const struct listener_spec *spec)
{
	*l = (struct listener){.pause.on = on_pause, .port = spec->port, .name = spec->name};
	for (int i = 0; i < LISTENER_SOCKETS; i++)
		l->socket[i] = (struct listener_socket){
			.io = {.fd = -1, .on = on_connection}, .listener = l};
}

static bool open_once(struct listener *l, const struct listener_spec *spec, struct err *e)
{
	listener_init(l, spec);
	if (bind_all(l, spec, e)) {
		l->port = port_of(l->socket[0].io.fd);
		return true;
	}
	listener_close(l);
	return false;
}

bool listener_open(struct listener *l, const struct listener_spec *spec, struct err *e)
{
	for (int tries = spec->port ? 1 : ANY_PORT_TRIES; --tries;) {
		struct err in_use = {0};
		if (open_once(l, spec, &in_use))
			return true;
		if (in_use.code != EADDRINUSE)
			break;
	}
	return open_once(l, spec, e);
}

size_t listener_sockets(const struct listener *l, int fd[LISTENER_SOCKETS])
{
	size_t n = 0;
	for (int i = 0; i < LISTENER_SOCKETS; i++)
		if (l->socket[i].io.fd >= 0)
			fd[n++] = l->socket[i].io.fd;
	return n;
}

void listener_close(struct listener *l)
{
	timer_stop(&l->pause);
	for (int i = 0; i < LISTENER_SOCKETS; i++)
		io_close(&l->socket[i].io);
}

/* close(2) waits for the end of the batch, and is nothing where others have copies. */
void listener_end(struct listener *l)
{
	int fd[LISTENER_SOCKETS];
	for (size_t n = listener_sockets(l, fd); n--;)
		shutdown(fd[n], SHUT_RDWR);
	listener_close(l);
}
