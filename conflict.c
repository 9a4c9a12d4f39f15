/* What is in the way of a port is a stranger, the Go nanoporter, another user's porter, or
 * one of ours; each has its words and its remedy. */
#include "conflict.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gobuild.h"
#include "holder.h"
#include "listener.h"
#include "log.h"
#include "manager.h"
#include "mem.h"

enum { USER = 64 };

enum who { STRANGER, ORPHAN, GO, FOREIGN, OURS };

/* A port that cannot be bound. */
struct taken {
	const struct config_forward *own;
	enum who who;
	struct ipc_peer peer;      /* of OURS and FOREIGN */
	struct instance_port port; /* as that one calls it */
};

/* Those of one configuration; what is in the way of each has the same index. */
struct all {
	const struct config *config;
	struct taken *taken;
	struct holder *holder;
	size_t count;
};

/* ---- finding ---- */

static void add(struct all *a, const struct config_forward *own, const struct sockaddr_storage *at)
{
	a->taken = mem_grow(a->taken, (a->count + 1) * sizeof *a->taken);
	a->holder = mem_grow(a->holder, (a->count + 1) * sizeof *a->holder);
	a->taken[a->count] = (struct taken){.own = own, .peer.fd = -1};
	a->holder[a->count++] = (struct holder){.at = *at};
}

static void find(struct all *a)
{
	for (size_t i = 0; i < a->config->forward_count; i++) {
		const struct config_forward *own = &a->config->forwards[i];
		const struct listener_spec spec = {.address = own->local_address,
			.only_that = own->address_is_set,
			.port = own->local_port};
		struct sockaddr_storage at[LISTENER_SOCKETS];
		size_t n = own->local_port ? listener_taken(&spec, at) : 0;
		for (size_t k = 0; k < n; k++)
			add(a, own, &at[k]);
	}
	holder_find(a->holder, a->count);
}

/* ---- judging ---- */

/* A porter that has ::1 beside 127.0.0.1 goes by the latter.  A name proves nothing if
 * another process has the socket. */
static bool is_instance(struct taken *t, const struct holder *h)
{
	bool v6 = h->at.ss_family == AF_INET6;
	const char *const name[] = {v6 ? "::1" : t->own->local_address, "127.0.0.1"};
	unsigned uid = h->found ? h->uid : geteuid();
	for (size_t i = 0; i < (v6 ? 2 : 1); i++) {
		t->port = (struct instance_port){name[i], t->own->local_port};
		if (!instance_of_port(&t->peer, uid, t->port.address, t->port.port))
			continue;
		if (!h->pid || h->pid == t->peer.pid)
			return true;
		ipc_hang_up(&t->peer);
	}
	return false;
}

static enum who judge(struct taken *t, const struct holder *h)
{
	char path[40];
	if (h->orphan)
		return ORPHAN;
	if (is_instance(t, h))
		return t->peer.uid == geteuid() ? OURS : FOREIGN;
	snprintf(path, sizeof path, "/proc/%ld/exe", (long)h->pid);
	return h->pid && gobuild_is_nanoporter(path) ? GO : STRANGER;
}

/* One that is in the way at two addresses of a forward is told of once; a forward's own
 * sockets, while it runs, are not in its way. */
static bool is_known(const struct all *a, size_t i)
{
	const struct holder *h = &a->holder[i];
	if (h->pid == getpid())
		return true;
	return i && a->taken[i - 1].own == a->taken[i].own && a->holder[i - 1].pid == h->pid &&
	       a->holder[i - 1].uid == h->uid;
}

static void judge_all(struct all *a)
{
	size_t kept = 0;
	for (size_t i = 0; i < a->count; i++)
		if (!is_known(a, i)) {
			a->holder[kept] = a->holder[i];
			a->taken[kept] = a->taken[i];
			kept++;
		}
	a->count = kept;
	for (size_t i = 0; i < a->count; i++)
		a->taken[i].who = judge(&a->taken[i], &a->holder[i]);
}

static void free_all(struct all *a)
{
	for (size_t i = 0; i < a->count; i++)
		if (a->taken[i].peer.fd >= 0)
			ipc_hang_up(&a->taken[i].peer);
	free(a->taken);
	free(a->holder);
}

/* ---- words ---- */

static void user_name(char name[USER], unsigned uid)
{
	const struct passwd *user = getpwuid(uid);
	if (user)
		snprintf(name, USER, "%s", user->pw_name);
	else
		snprintf(name, USER, "%u", uid);
}

/* "nginx (PID: 1234)", as far as the kernel tells. */
static void put_process(struct buf *out, const struct holder *h)
{
	char user[USER];
	user_name(user, h->uid);
	if (h->pid)
		buf_print(out, "%s (PID: %ld)", h->name, (long)h->pid);
	else if (h->found)
		buf_print(out, "one of user %s (PID: unknown)", user);
	else
		buf_print(out, "unknown (PID: unknown)");
}

static void put_orphan(struct buf *out, const struct all *a, size_t i)
{
	buf_print(out,
		"port %u is in use by a connection that no process has any more\n"
		"  it ends by itself within a minute: try again then\n",
		a->taken[i].own->local_port);
}

static void put_other_port(struct buf *out, const struct all *a, const struct taken *t)
{
	const struct config *c = a->config;
	buf_print(out, "change local_port of '%s/%s'", c->clusters[t->own->cluster].name,
		config_title(t->own));
	if (c->path)
		buf_print(out, " (%s:%u)", c->path, t->own->port_line);
	buf_print(out, "\n");
}

static void put_stranger(struct buf *out, const struct all *a, size_t i)
{
	buf_print(
		out, "port %u is in use by non-nanoporter process: ", a->taken[i].own->local_port);
	put_process(out, &a->holder[i]);
	buf_print(out, "\n  stop it, or ");
	put_other_port(out, a, &a->taken[i]);
}

static void put_go(struct buf *out, const struct all *a, size_t i)
{
	buf_print(out, "port %u is in use by the Go nanoporter: ", a->taken[i].own->local_port);
	put_process(out, &a->holder[i]);
	buf_print(out, "\n  it hands nothing over: kill %ld\n", (long)a->holder[i].pid);
}

static void put_foreign(struct buf *out, const struct all *a, size_t i)
{
	const struct taken *t = &a->taken[i];
	char user[USER];
	user_name(user, t->peer.uid);
	buf_print(out,
		"port %u is in use by a nanoporter of another user: %s (PID: %ld)\n"
		"  have it stopped by %s, or ",
		t->own->local_port, user, (long)t->peer.pid, user);
	put_other_port(out, a, t);
}

static void put_ours(struct buf *out, const struct all *a, size_t i)
{
	const struct taken *t = &a->taken[i];
	buf_print(out,
		"port %u is in use by another nanoporter instance (PID: %ld)\n"
		"  stop it with 'porter -stop -pid %ld', take over from it with "
		"-on-conflict=takeover, or ",
		t->own->local_port, (long)t->peer.pid, (long)t->peer.pid);
	put_other_port(out, a, t);
}

/* By its name we know ourselves, too, where the kernel does not tell who has a port. */
static bool is_in_the_way(const struct taken *t, enum conflict_policy policy)
{
	return t->who != OURS || (policy == CONFLICT_FAIL && t->peer.pid != getpid());
}

/* Those that are in the way for good; returns how many. */
static size_t put_all(const struct all *a, enum conflict_policy policy, struct buf *errors)
{
	static void (*const Put[])(struct buf *, const struct all *, size_t) = {
		[STRANGER] = put_stranger,
		[ORPHAN] = put_orphan,
		[GO] = put_go,
		[FOREIGN] = put_foreign,
		[OURS] = put_ours};
	size_t n = 0;
	for (size_t i = 0; i < a->count; i++)
		if (is_in_the_way(&a->taken[i], policy)) {
			Put[a->taken[i].who](errors, a, i);
			n++;
		}
	return n;
}

/* ---- taking over ---- */

/* What else is wrong is to be known before a process is ended for nothing. */
static bool clusters_open(const struct config *c, struct buf *errors)
{
	size_t before = buf_len(errors);
	for (size_t i = 0; i < c->cluster_count; i++) {
		struct cluster *one = manager_open_cluster(c, i, errors);
		if (one)
			cluster_drop(one);
	}
	return buf_len(errors) == before;
}

/* Ctrl+C must end what waits: nothing is served yet. */
static void let_signals(sigset_t *before)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &set, before);
}

/* Where the start fails already, nobody is ended for it. */
static bool take_over(struct conflict *x, struct all *a, struct buf *errors)
{
	bool futile = buf_len(errors);
	sigset_t before;
	for (size_t i = 0; i < a->count; i++) {
		struct taken *t = &a->taken[i];
		takeover_add(&x->takeover, &t->peer, &t->port);
		t->peer.fd = -1;
	}
	let_signals(&before);
	bool good = !takeover_ask(&x->takeover) || (!futile && takeover_kill(&x->takeover, errors));
	sigprocmask(SIG_SETMASK, &before, NULL);
	return good;
}

/* Nobody else's hold on the name may keep us from starting. */
static bool has_lock(const struct conflict *x, pid_t holder, struct buf *errors)
{
	if (x->lock < 0 && !holder)
		log_line(LOG_WARN, "the lock of those that start cannot be had: not waited for",
			NULL);
	if (x->lock < 0 && holder)
		buf_print(errors,
			"another nanoporter instance does not end its start (PID: %ld)\n"
			"  see what it waits for, or: kill %ld\n",
			(long)holder, (long)holder);
	return x->lock >= 0 || !holder;
}

static bool lock(struct conflict *x, struct buf *errors)
{
	pid_t holder = 0;
	sigset_t before;
	x->lock = instance_lock(0, &holder);
	if (x->lock < 0 && holder) {
		let_signals(&before);
		x->lock = instance_lock(CONFLICT_WAIT_MS, &holder);
		sigprocmask(SIG_SETMASK, &before, NULL);
	}
	return has_lock(x, holder, errors);
}

enum exit_status conflict_settle(
	struct conflict *x, const struct config *c, enum conflict_policy policy, struct buf *errors)
{
	struct all a = {.config = c};
	*x = (struct conflict){.lock = -1};
	if (!lock(x, errors))
		return EXIT_PORT;
	find(&a);
	bool open = !a.count || clusters_open(c, errors);
	judge_all(&a);
	bool good = !put_all(&a, policy, errors);
	if (good && open && a.count)
		good = take_over(x, &a, errors);
	free_all(&a);
	return !open ? EXIT_CONFIG : good ? EXIT_OK : EXIT_PORT;
}

size_t conflict_sockets(const struct conflict *x, const int **fd)
{
	*fd = x->takeover.fd;
	return x->takeover.fds;
}

void conflict_commit(struct conflict *x)
{
	takeover_commit(&x->takeover);
}

void conflict_end(struct conflict *x)
{
	takeover_end(&x->takeover);
	if (x->lock >= 0)
		close(x->lock);
	x->lock = -1;
}

bool conflict_free_ports(const struct config *c, struct buf *errors)
{
	struct all a = {.config = c};
	find(&a);
	judge_all(&a);
	bool good = !put_all(&a, CONFLICT_FAIL, errors);
	free_all(&a);
	return good;
}
