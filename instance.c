/* Claims are kept in the order of their names, so that a new set is merged with the old.
 * Others are found by the kernel's list of Unix sockets, and asked for their user. */
#include "instance.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"
#include "random.h"

enum {
	LOCK_PAUSE_MS = 10,  /* its holder is between bind(2) and listen(2), or has just gone */
	LOCK_MUTE_MS = 2000, /* for so long, and no longer: somebody else may stay there */
};

struct claim {
	struct ipc_door door; /* io.fd -1: another has the name */
	char name[IPC_NAME];
	bool claimed; /* still, as a new set is made */
};

static void on_again(struct timer *timer);

static struct {
	const struct ipc_ops *ops;
	void *owner;
	struct claim own;
	struct claim **all; /* by name */
	size_t n;
	struct timer again; /* set while a name is missing */
	int64_t missing_ms; /* since when one is; 0: none */
	bool told;
} I = {.own.door.io.fd = -1, .again.on = on_again};

void instance_name(char name[IPC_NAME], unsigned uid, const char *address, uint16_t port)
{
	snprintf(name, IPC_NAME, "nanoporter/%u/%s:%u", uid, address, port);
}

/* ---- this process ---- */

/* Returns whether its door is open. */
static bool try_open(struct claim *c, struct err *e)
{
	return c->door.io.fd >= 0 || ipc_open(&c->door, c->name, I.ops, I.owner, e);
}

static void tell(size_t missing, const struct err *e)
{
	log_line(LOG_WARN, "other porters may not find this one",
		LOG_FIELDS(LOG_NUM("names", (long long)missing), LOG_STR("reason", e->text)));
	I.told = true;
}

/* Opens what is not open yet, and sees to it that this is tried again. */
static void open_all(void)
{
	struct err e = {0};
	size_t missing = !try_open(&I.own, &e);
	for (size_t i = 0; i < I.n; i++)
		missing += !try_open(I.all[i], &e);
	if (!missing) {
		I.missing_ms = 0;
		I.told = false;
		return;
	}
	if (!I.missing_ms)
		I.missing_ms = loop_now();
	if (!I.told && loop_now() - I.missing_ms >= INSTANCE_TELL_MS)
		tell(missing, &e);
	timer_after(&I.again, INSTANCE_TRY_MS);
}

static void on_again(struct timer *timer)
{
	(void)timer;
	open_all();
}

void instance_begin(const struct ipc_ops *ops, void *owner)
{
	uint64_t id;
	random_bytes(&id, sizeof id);
	I.ops = ops;
	I.owner = owner;
	snprintf(I.own.name, IPC_NAME, "nanoporter/%u/instance/%016" PRIx64, geteuid(), id);
	open_all();
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct claim *const *)a)->name, (*(struct claim *const *)b)->name);
}

/* The one that there is, or a new one. */
static struct claim *claim_of(const struct instance_port *port)
{
	struct claim *c = mem_new(sizeof *c);
	instance_name(c->name, geteuid(), port->address, port->port);
	struct claim **had = I.n ? bsearch(&c, I.all, I.n, sizeof *I.all, by_name) : NULL;
	if (had) {
		free(c);
		return *had;
	}
	c->door.io.fd = -1;
	return c;
}

static void drop(struct claim *c)
{
	ipc_close(&c->door);
	loop_free_later(c, free);
}

void instance_claim(const struct instance_port *port, size_t n)
{
	struct claim **all = mem_new(n * sizeof *all + 1);
	for (size_t i = 0; i < I.n; i++)
		I.all[i]->claimed = false;
	for (size_t i = 0; i < n; i++) {
		all[i] = claim_of(&port[i]);
		all[i]->claimed = true;
	}
	for (size_t i = 0; i < I.n; i++)
		if (!I.all[i]->claimed)
			drop(I.all[i]);
	free(I.all);
	qsort(all, n, sizeof *all, by_name);
	I.all = all;
	I.n = n;
	open_all();
}

void instance_end(void)
{
	ipc_close(&I.own.door);
	for (size_t i = 0; i < I.n; i++)
		drop(I.all[i]);
	free(I.all);
	I.all = NULL;
	I.n = 0;
	timer_stop(&I.again);
	I.missing_ms = 0;
	I.told = false;
}

/* ---- others ---- */

static bool connect_to_user(struct ipc_peer *p, const char *name, unsigned uid)
{
	if (ipc_connect(p, name, NULL) && p->uid == uid)
		return true;
	ipc_hang_up(p);
	return false;
}

bool instance_of_port(struct ipc_peer *p, unsigned uid, const char *address, uint16_t port)
{
	char name[IPC_NAME];
	instance_name(name, uid, address, port);
	return connect_to_user(p, name, uid);
}

/* The next name, without its '@', in /proc/net/unix of a socket that listens.  Anyone may
 * have a name with an end of line in it, and so forge a line: it is no more than a hint. */
static bool next_name(FILE *f, char **line, size_t *room, char name[IPC_NAME])
{
	char flags[9];
	while (getline(line, room, f) > 0)
		if (sscanf(*line, "%*s %*s %*s %8s %*s %*s %*s @%106s", flags, name) == 2 &&
			!strcmp(flags, "00010000")) /* __SO_ACCEPTCON */
			return true;
	return false;
}

static int by_pid(const void *a, const void *b)
{
	pid_t x = ((const struct ipc_peer *)a)->pid, y = ((const struct ipc_peer *)b)->pid;
	return (x > y) - (x < y);
}

/* This process, or one that is there twice, by a forged line. */
static bool is_known(const struct ipc_peer *list, size_t n, pid_t pid)
{
	for (size_t i = 0; i < n; i++)
		if (pid && list[i].pid == pid)
			return true;
	return pid == getpid();
}

size_t instance_all(struct ipc_peer **list)
{
	char *line = NULL, name[IPC_NAME], prefix[IPC_NAME];
	size_t n = 0, room = 0;
	FILE *f = fopen("/proc/net/unix", "re");
	int length = snprintf(prefix, sizeof prefix, "nanoporter/%u/instance/", geteuid());
	*list = mem_new(INSTANCE_MAX * sizeof **list);
	while (f && n < INSTANCE_MAX && next_name(f, &line, &room, name)) {
		struct ipc_peer *p = &(*list)[n];
		if (strncmp(name, prefix, (size_t)length) || !connect_to_user(p, name, geteuid()))
			continue;
		if (is_known(*list, n, p->pid))
			ipc_hang_up(p);
		else
			n++;
	}
	if (f)
		fclose(f);
	free(line);
	qsort(*list, n, sizeof **list, by_pid);
	return n;
}

/* ---- the lock ---- */

/* Until its holder hangs up.  Returns whether another try is worth it. */
static bool wait_for_holder(const char *name, int64_t until_ms, int64_t *mute_ms, pid_t *holder)
{
	struct ipc_peer p;
	struct buf said = {0};
	size_t n;
	if (!ipc_connect(&p, name, NULL)) {
		poll(NULL, 0, LOCK_PAUSE_MS);
		return loop_clock() < *mute_ms;
	}
	int64_t left = until_ms - loop_clock();
	bool ours = p.uid == geteuid();
	*holder = ours ? p.pid : 0;
	if (ours && left > 0)
		ipc_hear(&p, &said, NULL, &n, left, NULL);
	buf_free(&said);
	ipc_hang_up(&p);
	*mute_ms = loop_clock() + LOCK_MUTE_MS;
	return ours && loop_clock() < until_ms;
}

int instance_lock(int64_t limit_ms, pid_t *holder)
{
	int64_t until = loop_clock() + limit_ms, mute = loop_clock() + LOCK_MUTE_MS;
	char name[IPC_NAME];
	snprintf(name, sizeof name, "nanoporter/%u/starting", geteuid());
	for (;;) {
		struct err e = {0};
		int fd = ipc_listen(name, &e);
		*holder = 0;
		if (fd >= 0 || e.code != EADDRINUSE || !wait_for_holder(name, until, &mute, holder))
			return fd;
	}
}
