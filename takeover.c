/* One conversation with each older porter: its sockets, then, when they are served here,
 * the word that they are. */
#include "takeover.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "mem.h"

struct old {
	struct ipc_peer peer;
	int process;                /* a descriptor of it; -1: the conversation has to do */
	struct instance_port *port; /* that is wanted of it */
	size_t ports;
	struct buf has; /* a line for each socket: "ADDRESS:PORT NAME" */
	struct err e;   /* why it hands nothing over, where it does not */
	bool handed;
};

/* ---- words ---- */

static void log_port(const struct old *o, uint16_t port, const char *words, const char *by)
{
	struct log_field fields[] = {LOG_NUM("port", port), LOG_NUM("pid", o->peer.pid),
		{.key = by ? "by" : NULL, .text = by}, {.key = NULL}};
	log_line(LOG_INFO, words, fields);
}

static void log_ports(const struct old *o, const char *words, const char *by)
{
	for (size_t i = 0; i < o->ports; i++)
		log_port(o, o->port[i].port, words, by);
}

static void log_killed(const struct old *o, const char *by)
{
	log_ports(o, "Killed conflicting nanoporter instance", by);
}

static void put_port(struct buf *out, const struct instance_port *port)
{
	buf_print(out, "%s:%u", port->address, port->port);
}

static bool is_wanted(const struct old *o, struct span address)
{
	struct buf wanted = {0};
	bool is = false;
	for (size_t i = 0; !is && i < o->ports; i++) {
		put_port(&wanted, &o->port[i]);
		is = buf_len(&wanted) == address.n &&
		     !memcmp(buf_data(&wanted), address.p, address.n);
		buf_eat(&wanted, buf_len(&wanted));
	}
	buf_free(&wanted);
	return is;
}

/* What the older one has, and nobody will serve; a forward's sockets follow each other. */
static void log_lost(struct old *o)
{
	const char *last = "";
	buf_put(&o->has, "", 1);
	for (char *rest = (char *)buf_data(&o->has), *line; (line = strsep(&rest, "\n"));) {
		size_t n = strcspn(line, " ");
		if (!line[n] || !strcmp(line, last) || is_wanted(o, (struct span){line, n}))
			continue;
		last = line;
		line[n] = '\0';
		log_line(LOG_WARN, "forward ends with the conflicting nanoporter instance",
			LOG_FIELDS(LOG_STR("forward", line + n + 1), LOG_STR("local", line),
				LOG_NUM("pid", o->peer.pid)));
		line[n] = ' ';
	}
	buf_free(&o->has);
}

/* ---- who ---- */

static struct old *find(struct takeover *t, pid_t pid)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->old[i].peer.pid == pid)
			return &t->old[i];
	return NULL;
}

static bool has_hung_up(const struct ipc_peer *peer, int limit_ms)
{
	struct pollfd p = {.fd = peer->fd, .events = POLLRDHUP};
	return poll(&p, 1, limit_ms) > 0 && p.revents & (POLLRDHUP | POLLHUP);
}

/* While its conversation stands, or its door, the process does, too. */
static bool is_there(const struct ipc_peer *peer, const struct instance_port *port)
{
	struct ipc_peer again;
	if (!has_hung_up(peer, 0))
		return true;
	bool same = instance_of_port(&again, geteuid(), port->address, port->port) &&
		    again.pid == peer->pid;
	ipc_hang_up(&again);
	return same;
}

/* A number that is another process's by now is never signalled. */
static int open_process(const struct ipc_peer *peer, const struct instance_port *port)
{
	int process = peer->pid > 0 ? (int)syscall(SYS_pidfd_open, peer->pid, 0) : -1;
	if (process < 0 || is_there(peer, port))
		return process;
	close(process);
	return -1;
}

void takeover_add(struct takeover *t, struct ipc_peer *peer, const struct instance_port *port)
{
	struct old *o = find(t, peer->pid);
	if (o) {
		ipc_hang_up(peer);
	} else {
		t->old = mem_grow(t->old, (t->count + 1) * sizeof *t->old);
		o = &t->old[t->count++];
		*o = (struct old){.peer = *peer, .process = open_process(peer, port)};
	}
	o->port = mem_grow(o->port, (o->ports + 1) * sizeof *o->port);
	o->port[o->ports++] = *port;
	log_port(o, port->port, "Found conflicting nanoporter instance", NULL);
}

/* ---- what is handed over ---- */

static void keep(struct takeover *t, const int *fd, size_t n)
{
	t->fd = mem_grow(t->fd, (t->fds + n + 1) * sizeof *t->fd);
	memcpy(t->fd + t->fds, fd, n * sizeof *fd);
	t->fds += n;
}

static bool is_word(const struct buf *message, const char *word)
{
	return span_is((struct span){(const char *)buf_data(message), buf_len(message)}, word);
}

/* A message and its sockets; false at the end, whatever that is. */
static bool hear(struct takeover *t, struct old *o, struct buf *message, struct err *e)
{
	int fd[IPC_FDS];
	size_t n = 0;
	buf_eat(message, buf_len(message));
	if (ipc_hear(&o->peer, message, fd, &n, TAKEOVER_ANSWER_MS, e) <= 0)
		return false;
	keep(t, fd, n);
	return true;
}

static bool refuse(struct old *o, const struct buf *message)
{
	static const char Error[] = "error ";
	size_t n = sizeof Error - 1, length = buf_len(message);
	const char *said = (const char *)buf_data(message);
	if (length <= n || memcmp(said, Error, n))
		return err_set(&o->e, ERR_PROTOCOL, 0, "it does not understand");
	return err_set(&o->e, ERR_LOCAL, 0, "%.*s", (int)(length - n), said + n);
}

/* All that it has, until it says that this is all. */
static bool take(struct takeover *t, struct old *o)
{
	struct buf message = {0};
	int64_t until = loop_clock() + TAKEOVER_ALL_MS;
	bool ok = hear(t, o, &message, &o->e) && (is_word(&message, "ok") || refuse(o, &message));
	while (ok && (ok = hear(t, o, &message, &o->e)) && !is_word(&message, TAKEOVER_ALL)) {
		buf_put(&o->has, buf_data(&message), buf_len(&message));
		if (loop_clock() > until)
			ok = err_set(&o->e, ERR_PROTOCOL, ETIMEDOUT, "it does not come to an end");
	}
	buf_free(&message);
	return ok || err_set(&o->e, ERR_PROTOCOL, 0, "it has hung up");
}

/* Each is told before one is heard: none waits for long, however slow others are. */
size_t takeover_ask(struct takeover *t)
{
	size_t silent = 0;
	for (size_t i = 0; i < t->count; i++)
		ipc_tell(&t->old[i].peer, INSTANCE_SPEAKS TAKEOVER_HAND_OVER, TAKEOVER_ANSWER_MS,
			&t->old[i].e);
	for (size_t i = 0; i < t->count; i++) {
		struct old *o = &t->old[i];
		o->handed = !o->e.kind && take(t, o);
		if (o->handed)
			continue;
		silent++;
		log_line(LOG_WARN, "the conflicting nanoporter instance hands nothing over",
			LOG_FIELDS(LOG_NUM("pid", o->peer.pid), LOG_STR("reason", o->e.text)));
	}
	return silent;
}

/* ---- those that do not ---- */

/* The conversation ends with the process, also where it was never taken up. */
static bool has_ended(const struct old *o, int limit_ms)
{
	struct pollfd p = {.fd = o->process, .events = POLLIN};
	return o->process < 0 ? has_hung_up(&o->peer, limit_ms) : poll(&p, 1, limit_ms) > 0;
}

static bool end_by(const struct old *o, int signo, int limit_ms)
{
	if (o->process < 0 || syscall(SYS_pidfd_send_signal, o->process, signo, NULL, 0))
		kill(o->peer.pid, signo);
	return has_ended(o, limit_ms);
}

static bool end(const struct old *o)
{
	if (o->peer.pid <= 0)
		return false;
	int leave_ms = has_hung_up(&o->peer, 0) ? TAKEOVER_LEAVE_MS : 0;
	const char *by = has_ended(o, leave_ms)                 ? "itself"
			 : end_by(o, SIGTERM, TAKEOVER_TERM_MS) ? "SIGTERM"
			 : end_by(o, SIGKILL, TAKEOVER_KILL_MS) ? "SIGKILL"
								: NULL;
	if (by)
		log_killed(o, by);
	return by;
}

bool takeover_kill(struct takeover *t, struct buf *errors)
{
	bool all = true;
	for (size_t i = 0; i < t->count; i++) {
		const struct old *o = &t->old[i];
		if (o->handed || end(o))
			continue;
		all = false;
		for (size_t k = 0; k < o->ports; k++)
			buf_print(errors,
				"port %u is in use by a nanoporter instance that does not end "
				"(PID: %ld)\n",
				o->port[k].port, (long)o->peer.pid);
	}
	return all;
}

/* ---- the word ---- */

static bool tell(struct old *o, struct buf *message, struct err *e)
{
	buf_put(message, "", 1);
	bool told = ipc_tell(&o->peer, (const char *)buf_data(message), TAKEOVER_ANSWER_MS, e);
	buf_eat(message, buf_len(message));
	return told;
}

/* As many messages as they take. */
static bool tell_taken(struct old *o, struct err *e)
{
	struct buf message = {0};
	bool ok = true;
	for (size_t i = 0; ok && i < o->ports; i++) {
		if (!buf_len(&message))
			buf_print(&message, INSTANCE_SPEAKS TAKEOVER_TAKEN);
		buf_print(&message, " ");
		put_port(&message, &o->port[i]);
		if (buf_len(&message) > IPC_MESSAGE / 2)
			ok = tell(o, &message, e);
	}
	ok = ok && (!buf_len(&message) || tell(o, &message, e));
	buf_print(&message, INSTANCE_SPEAKS TAKEOVER_DONE);
	ok = ok && tell(o, &message, e);
	buf_free(&message);
	return ok;
}

/* Its names are free when it ends the conversation. */
static void commit(struct takeover *t, struct old *o)
{
	struct buf message = {0};
	struct err e = {0};
	bool heard = tell_taken(o, &e) && hear(t, o, &message, &e);
	bool stays = heard && is_word(&message, TAKEOVER_STAYS);
	bool ok = stays || (heard && is_word(&message, "ok"));
	while (ok && hear(t, o, &message, &e))
		;
	if (stays)
		log_ports(o, "Conflicting nanoporter instance goes on without this port", NULL);
	else if (ok)
		log_killed(o, "take-over");
	else
		end(o); /* it has changed its mind, or was stopped since */
	if (!stays)
		log_lost(o);
	buf_free(&message);
}

void takeover_commit(struct takeover *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->old[i].handed)
			commit(t, &t->old[i]);
}

void takeover_end(struct takeover *t)
{
	for (size_t i = 0; i < t->count; i++) {
		struct old *o = &t->old[i];
		ipc_hang_up(&o->peer);
		if (o->process >= 0)
			close(o->process);
		buf_free(&o->has);
		free(o->port);
	}
	for (size_t i = 0; i < t->fds; i++)
		close(t->fd[i]);
	free(t->old);
	free(t->fd);
	*t = (struct takeover){0};
}
