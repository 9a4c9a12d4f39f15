/* Looks a name up in a child, then races its addresses: one attempt more when
 * the last one failed or DIAL_STAGGER_MS have passed; the first to connect wins. */
#include "dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "loop.h"
#include "mem.h"

/* One address as the look-up's child hands it over. */
struct address {
	int family; /* AF_INET, AF_INET6 */
	uint32_t scope;
	unsigned char bytes[16];
};

struct attempt {
	struct io io;
	struct dial *dial;
};

struct dial {
	char *host;
	uint16_t port;
	void (*on)(void *owner, int fd, const struct err *e);
	void *owner;
	struct err err; /* of the attempt that failed first */
	struct child *lookup;
	struct address address[DIAL_ADDRESSES];
	unsigned addresses, started, running;
	struct attempt attempt[DIAL_ADDRESSES];
	struct timer stagger;
	struct task begin; /* so that nothing is told from inside dial_start() */
};

static void free_dial(void *p)
{
	struct dial *d = p;
	free(d->host);
	free(d);
}

void dial_cancel(struct dial *d)
{
	if (d->lookup)
		child_kill(d->lookup);
	for (unsigned i = 0; i < d->started; i++)
		io_close(&d->attempt[i].io);
	timer_stop(&d->stagger);
	task_drop(&d->begin);
	loop_free_later(d, free_dial);
}

static void finish(struct dial *d, int fd)
{
	void (*on)(void *, int, const struct err *) = d->on;
	void *owner = d->owner;
	dial_cancel(d);
	on(owner, fd, &d->err);
}

/* ---- attempts ---- */

static socklen_t to_sockaddr(struct sockaddr_storage *out, const struct address *a, uint16_t port)
{
	memset(out, 0, sizeof *out);
	if (a->family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)out;
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, a->bytes, 4);
		return sizeof *in;
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	in6->sin6_scope_id = a->scope;
	memcpy(&in6->sin6_addr, a->bytes, 16);
	return sizeof *in6;
}

/* Says only that this machine has no such kind of address. */
static bool is_no_way(int error)
{
	return error == EADDRNOTAVAIL || error == EAFNOSUPPORT || error == ENETUNREACH;
}

/* A port of this machine's own, out of those that are given to connections, can
 * be connected to itself where nobody listens on it. */
static bool is_our_own(int fd)
{
	struct sockaddr_storage near, far;
	socklen_t near_n = sizeof near, far_n = sizeof far;
	return !getsockname(fd, (struct sockaddr *)&near, &near_n) &&
	       !getpeername(fd, (struct sockaddr *)&far, &far_n) && near_n == far_n &&
	       !memcmp(&near, &far, near_n);
}

static void attempt_failed(struct dial *d, const struct address *a, int error)
{
	char text[INET6_ADDRSTRLEN];
	if (is_no_way(d->err.code)) /* another address says more */
		d->err = (struct err){0};
	inet_ntop(a->family, a->bytes, text, sizeof text);
	enum err_kind kind = error == ECONNREFUSED                ? ERR_REFUSED
			     : error == EMFILE || error == ENFILE ? ERR_LOCAL
								  : ERR_NETWORK;
	err_set(&d->err, kind, error, a->family == AF_INET6 ? "%s ([%s]:%u)" : "%s (%s:%u)",
		error == ECONNREFUSED ? "connection refused" : strerror(error), text, d->port);
}

static void try_next(struct dial *d);

static void on_connected(struct io *io, uint32_t events)
{
	struct attempt *t = OWNER_OF(io, struct attempt, io);
	struct dial *d = t->dial;
	int error = 0;
	socklen_t n = sizeof error;
	(void)events;
	getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &error, &n);
	if (!error && is_our_own(io->fd))
		error = ECONNREFUSED;
	if (error) {
		attempt_failed(d, &d->address[t - d->attempt], error);
		io_close(io);
		d->running--;
		try_next(d);
		return;
	}
	int fd = io->fd;
	io_want(io, 0);
	io->fd = -1;
	finish(d, fd);
}

/* Returns false if the attempt failed at once. */
static bool start_attempt(struct dial *d, unsigned i)
{
	const struct address *a = &d->address[i];
	struct sockaddr_storage to;
	socklen_t n = to_sockaddr(&to, a, d->port);
	int fd = socket(a->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	d->attempt[i] = (struct attempt){.io.fd = -1, .dial = d};
	if (fd < 0) {
		attempt_failed(d, a, errno);
		return false;
	}
	if (connect(fd, (struct sockaddr *)&to, n) && errno != EINPROGRESS) {
		attempt_failed(d, a, errno);
		close(fd);
		return false;
	}
	io_open(&d->attempt[i].io, fd, on_connected);
	io_want(&d->attempt[i].io, EPOLLOUT);
	d->running++;
	return true;
}

static void try_next(struct dial *d)
{
	timer_stop(&d->stagger);
	while (d->started < d->addresses)
		if (start_attempt(d, d->started++)) {
			if (d->started < d->addresses)
				timer_after(&d->stagger, DIAL_STAGGER_MS);
			return;
		}
	if (!d->running)
		finish(d, -1);
}

static void on_stagger(struct timer *timer)
{
	try_next(OWNER_OF(timer, struct dial, stagger));
}

/* ---- addresses ---- */

static bool add_address(struct dial *d, int family, const void *bytes, uint32_t scope)
{
	if (d->addresses == DIAL_ADDRESSES)
		return false;
	struct address *a = &d->address[d->addresses++];
	*a = (struct address){.family = family, .scope = scope};
	memcpy(a->bytes, bytes, family == AF_INET ? 4 : 16);
	return true;
}

static bool add_literal(struct dial *d)
{
	unsigned char bytes[16];
	if (inet_pton(AF_INET, d->host, bytes) == 1)
		return add_address(d, AF_INET, bytes, 0);
	return inet_pton(AF_INET6, d->host, bytes) == 1 && add_address(d, AF_INET6, bytes, 0);
}

static bool is_localhost(const char *host)
{
	static const char Name[] = "localhost";
	size_t n = strlen(host), want = sizeof Name - 1;
	if (n && host[n - 1] == '.')
		n--;
	return n >= want && !strncasecmp(host + n - want, Name, want) &&
	       (n == want || host[n - want - 1] == '.');
}

static void add_loopback(struct dial *d)
{
	static const unsigned char V4[4] = {127, 0, 0, 1};
	add_address(d, AF_INET6, &in6addr_loopback, 0);
	add_address(d, AF_INET, V4, 0);
}

/* Takes from the families in turn, the first address's family first (RFC 8305, 4). */
static void interleave(struct address *a, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		unsigned j = i;
		while (j < n && a[j].family == a[i - 1].family)
			j++;
		if (j == n)
			return;
		struct address found = a[j];
		memmove(a + i + 1, a + i, (j - i) * sizeof *a);
		a[i] = found;
	}
}

/* Runs in the child: writes the addresses, or says on stderr what is wrong. */
static int lookup_in_child(void *host)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list;
	int error = getaddrinfo(host, NULL, &hints, &list);
	if (error) {
		dprintf(STDERR_FILENO, "%s",
			error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
		return error == EAI_NONAME ? 1 : 2;
	}
	for (struct addrinfo *i = list; i; i = i->ai_next) {
		struct address a = {.family = i->ai_family};
		const struct sockaddr_in6 *in6 = (const void *)i->ai_addr;
		if (a.family == AF_INET) {
			memcpy(a.bytes, &((const struct sockaddr_in *)(void *)i->ai_addr)->sin_addr,
				4);
		} else if (a.family == AF_INET6) {
			a.scope = in6->sin6_scope_id;
			memcpy(a.bytes, &in6->sin6_addr, 16);
		} else {
			continue;
		}
		if (write(STDOUT_FILENO, &a, sizeof a) != sizeof a)
			return 3;
	}
	return 0;
}

static void lookup_failed(struct dial *d, struct child_end *end)
{
	bool started = end->how != CHILD_NOT_STARTED;
	buf_put(&end->err, "", 1);
	const char *why = (const char *)buf_data(&end->err);
	if (!started)
		why = strerror(end->value);
	else if (end->how == CHILD_TIMED_OUT)
		why = "no answer";
	else if (!*why)
		why = "it has no address";
	err_set(&d->err, started ? ERR_NETWORK : ERR_LOCAL, started ? 0 : end->value,
		"cannot look up host '%s': %s", d->host, why);
}

static void on_lookup(void *owner, struct child_end *end)
{
	struct dial *d = owner;
	struct address a;
	d->lookup = NULL;
	for (; buf_len(&end->out) >= sizeof a; buf_eat(&end->out, sizeof a)) {
		memcpy(&a, buf_data(&end->out), sizeof a);
		add_address(d, a.family, a.bytes, a.scope);
	}
	if (!d->addresses)
		lookup_failed(d, end);
	interleave(d->address, d->addresses);
	try_next(d);
}

static void on_begin(struct task *task)
{
	struct dial *d = OWNER_OF(task, struct dial, begin);
	if (add_literal(d)) {
		try_next(d);
	} else if (is_localhost(d->host)) {
		add_loopback(d);
		try_next(d);
	} else {
		d->lookup = child_start(&(struct child_spec){.run = lookup_in_child,
						.arg = d->host,
						.limit_ms = DIAL_LOOKUP_MS,
						.output_max = 4096},
			on_lookup, d);
	}
}

struct dial *dial_start(const char *host, uint16_t port,
	void (*on)(void *owner, int fd, const struct err *e), void *owner)
{
	struct dial *d = mem_new(sizeof *d);
	*d = (struct dial){.host = mem_dup(host),
		.port = port,
		.on = on,
		.owner = owner,
		.stagger.on = on_stagger,
		.begin.on = on_begin};
	task_post(&d->begin);
	return d;
}

void dial_describe(const struct dial *d, char *text, int size)
{
	if (d->addresses)
		snprintf(text, (size_t)size, "connecting to %s:%u", d->host, d->port);
	else
		snprintf(text, (size_t)size, "looking up %s", d->host);
}
