/* A forward's life: Starting, Active, Reconnecting, Failed.  Trouble comes from
 * two sides, the look for a pod and the tunnels to it; both end in trouble(),
 * which sets the state and the time of the next try. */
#include "forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api.h"
#include "client.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "pool.h"
#include "random.h"

enum {
	LISTENERS = 2, /* 127.0.0.1 and ::1 */
	BACKLOG = 512,
	ACCEPTS_A_TURN = 64,
	NO_DESCRIPTORS_MS = 1000, /* pause after accept(2) found none left */
	HEALTHY_MS = 1000,        /* what was Active for less has not recovered */
};

struct listener {
	struct io io;
	struct forward *forward;
};

struct forward {
	const struct config *all;
	const struct config_forward *own;
	struct cluster *cluster;
	char *name;
	void (*on)(void *owner, struct forward *f);
	void *owner;
	struct listener listener[LISTENERS];
	struct k8s_target *target;
	struct pool *pool;
	struct clients clients;
	enum forward_state state;
	struct err err;         /* why it is not Active */
	unsigned attempts;      /* that failed since it was last healthy */
	bool was_active;        /* and a tunnel was lost: the first try comes at once */
	int64_t active_ms;      /* since when */
	int64_t checked_ms;     /* when pod and tunnel were last known to be well */
	struct timer retry;     /* set while waiting for the next try */
	struct timer check;     /* pings */
	struct timer accepting; /* set while there are no descriptors */
	char tried[K8S_UID];    /* the pod that tunnels were last opened to */
	bool warned;            /* of what the look for the pod warns of */
};

const char *forward_state_name(enum forward_state s)
{
	static const char *const Name[] = {
		"Starting", "Active", "Reconnecting", "Failed", "Stopped"};
	return Name[s];
}

enum forward_state forward_state(const struct forward *f)
{
	return f->state;
}

const char *forward_name(const struct forward *f)
{
	return f->name;
}

const struct config_forward *forward_config(const struct forward *f)
{
	return f->own;
}

static void set_accepting(struct forward *f);

/* ---- states ---- */

static int64_t jitter(int64_t ms)
{
	return ms - ms / 10 + random_u32() % (uint32_t)(ms / 5 + 1);
}

/* At once, the first time after a healthy tunnel was lost; then
 * reconnect_delay; then it, or 2^n seconds, up to a minute. */
static int64_t backoff_ms(const struct forward *f)
{
	int64_t base = f->all->reconnect_delay_ms;
	unsigned n = f->attempts - f->was_active;
	if (n == 0)
		return 0;
	int64_t power = n < 2 ? 0 : n > 6 ? FORWARD_BACKOFF_MAX_MS : 1000LL << (n - 1);
	power = power < FORWARD_BACKOFF_MAX_MS ? power : FORWARD_BACKOFF_MAX_MS;
	return jitter(base > power ? base : power);
}

static void log_state(const struct forward *f)
{
	enum log_level level = f->state == FORWARD_ACTIVE ? LOG_INFO : err_rule(f->err.kind)->level;
	const struct k8s_pod *pod = k8s_pod(f->target);
	if (f->state == FORWARD_ACTIVE)
		log_line(level, "forward active",
			LOG_FIELDS(LOG_STR("forward", f->name),
				LOG_STR("pod", pod ? pod->name : ""),
				LOG_NUM("local_port", f->own->local_port),
				LOG_NUM("remote_port", pod ? pod->port : 0)));
	else
		log_line(level,
			f->state == FORWARD_FAILED ? "forward failed" : "forward reconnecting",
			LOG_FIELDS(LOG_STR("forward", f->name), LOG_STR("reason", f->err.text),
				LOG_NUM("attempt", f->attempts)));
}

static void set_state(struct forward *f, enum forward_state state)
{
	f->state = state;
	log_state(f);
	f->on(f->owner, f);
}

static void become_active(struct forward *f)
{
	f->checked_ms = loop_now();
	if (f->state == FORWARD_ACTIVE)
		return;
	timer_stop(&f->retry);
	f->err = (struct err){0};
	f->active_ms = loop_now();
	set_state(f, FORWARD_ACTIVE);
}

static bool was_healthy(const struct forward *f)
{
	int64_t ms = loop_now() - f->active_ms;
	return f->state == FORWARD_ACTIVE && ms >= HEALTHY_MS && ms >= f->all->reconnect_delay_ms;
}

/* A look or a tunnel failed.  While a try is being waited for already, only the
 * reason changes.  `lost`: it is a tunnel that failed; a look is not repeated at
 * once. */
static void trouble(struct forward *f, const struct err *e, bool lost)
{
	bool waiting = timer_is_set(&f->retry);
	bool news = strcmp(f->err.text, e->text);
	enum forward_state state =
		err_rule(e->kind)->passing ? FORWARD_RECONNECTING : FORWARD_FAILED;
	if (was_healthy(f)) {
		f->attempts = 0;
		f->was_active = lost;
	}
	f->err = *e;
	if (!waiting) {
		f->attempts++;
		timer_after(&f->retry, backoff_ms(f));
	}
	if (f->state != state || news || !waiting)
		set_state(f, state);
	if (state == FORWARD_FAILED)
		clients_reset_held(&f->clients, e);
}

/* ---- the pod and the tunnels ---- */

static void on_pool_room(void *owner)
{
	struct forward *f = owner;
	become_active(f);
	clients_open(&f->clients, f->pool);
	set_accepting(f);
}

/* Where the look has failed, the pod is the one known from before: nothing was
 * checked, and without a tunnel (v4) there is no other sign of life. */
static void use(struct forward *f, const struct k8s_pod *pod)
{
	enum err_kind kind = k8s_error(f->target)->kind;
	memcpy(f->tried, pod->uid, sizeof f->tried);
	pool_use(f->pool, pod);
	if (!pool_is_ready(f->pool))
		return;
	if (kind == ERR_NONE || kind == ERR_NOT_READY)
		on_pool_room(f);
	else if (!pool_tunnels(f->pool))
		trouble(f, k8s_error(f->target), false);
}

/* While a try is being waited for, only a pod that is another than the last one
 * tried, or has come back, cuts the wait short; never one that has failed before,
 * or several of those would be tried in turns without a pause. */
static void on_target(void *owner)
{
	struct forward *f = owner;
	const struct k8s_pod *pod = k8s_pod(f->target);
	const char *warning = k8s_warning(f->target);
	if (warning && !f->warned)
		log_line(LOG_WARN, warning, LOG_FIELDS(LOG_STR("forward", f->name)));
	f->warned = warning;
	if (!pod) {
		f->tried[0] = '\0';
		pool_use(f->pool, NULL);
		trouble(f, k8s_error(f->target), false);
	} else if (!timer_is_set(&f->retry) || (!pod->distrusted && strcmp(f->tried, pod->uid))) {
		timer_stop(&f->retry);
		use(f, pod);
	}
}

static void on_retry(struct timer *timer)
{
	k8s_look(OWNER_OF(timer, struct forward, retry)->target);
}

static void on_check(struct timer *timer)
{
	struct forward *f = OWNER_OF(timer, struct forward, check);
	pool_ping(f->pool);
	timer_about(timer, f->all->check_interval_ms);
}

/* Where the server cannot reach the pod's node, another pod may do, though the API
 * calls this one ready for a while yet. */
static void on_pool_lost(void *owner, const struct err *e)
{
	struct forward *f = owner;
	const struct k8s_pod *used = k8s_pod(f->target);
	trouble(f, e, true);
	if (e->kind == ERR_SERVER && used)
		k8s_distrust(f->target, used->uid);
}

static const struct pool_ops Pool_ops = {.room = on_pool_room, .lost = on_pool_lost};

/* ---- local connections ---- */

/* The runtime says that the pod is gone, whatever the API says: no connection
 * goes there any more. */
static void on_held_again(void *owner, enum channel_how how, const char *pod)
{
	struct forward *f = owner;
	const struct k8s_pod *used = k8s_pod(f->target);
	struct err e = {0};
	if (how != CHANNEL_POD_GONE || !used || strcmp(used->name, pod))
		return;
	err_set(&e, ERR_NETWORK, 0, "pod %s is gone", pod);
	pool_use(f->pool, NULL);
	trouble(f, &e, true);
	k8s_distrust(f->target, used->uid);
}

static void on_gone(void *owner, const struct client_end *end)
{
	struct forward *f = owner;
	bool hidden = !end->err || end->by_client;
	log_line(hidden ? LOG_DEBUG : LOG_WARN,
		!end->err        ? "connection closed"
		: end->by_client ? "connection reset by the client"
				 : "connection reset",
		LOG_FIELDS(LOG_STR("forward", f->name), LOG_STR("pod", end->pod),
			LOG_NUM("local_port", f->own->local_port),
			LOG_NUM("remote_port", f->own->target.port),
			LOG_NUM("up", (long long)end->up), LOG_NUM("down", (long long)end->down),
			LOG_NUM("ms", end->ms),
			LOG_STR("reason", end->err ? end->err->text : "closed")));
	set_accepting(f);
}

static const struct client_ops Client_ops = {.held_again = on_held_again, .gone = on_gone};

static void take(struct forward *f, int fd)
{
	static const int One = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &One, sizeof One);
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &One, sizeof One);
	client_new(&f->clients, fd, f->all->hold_ms, &Client_ops, f);
	if (f->state == FORWARD_FAILED)
		clients_reset_held(&f->clients, &f->err);
	else
		clients_open(&f->clients, f->pool);
}

static void on_listener(struct io *io, uint32_t events)
{
	struct forward *f = OWNER_OF(io, struct listener, io)->forward;
	(void)events;
	for (int i = 0; i < ACCEPTS_A_TURN && f->clients.held < FORWARD_HELD_MAX; i++) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			take(f, fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			log_line(LOG_WARN, "no descriptors left: new connections wait",
				LOG_FIELDS(LOG_STR("forward", f->name)));
			timer_after(&f->accepting, NO_DESCRIPTORS_MS);
			break;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			break;
		}
	}
	set_accepting(f);
}

/* Connections beyond those that may be held wait in the kernel's backlog. */
static void set_accepting(struct forward *f)
{
	bool on = f->clients.held < FORWARD_HELD_MAX && !timer_is_set(&f->accepting);
	for (int i = 0; i < LISTENERS; i++)
		if (f->listener[i].io.fd >= 0)
			io_want(&f->listener[i].io, on ? EPOLLIN : 0);
}

static void on_accepting(struct timer *timer)
{
	set_accepting(OWNER_OF(timer, struct forward, accepting));
}

/* ---- beginning and end ---- */

static bool bind_one(struct forward *f, struct listener *l, const struct sockaddr *to, socklen_t n,
	bool optional, struct err *e)
{
	static const int One = 1;
	int fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	*l = (struct listener){.io = {.fd = fd, .on = on_listener}, .forward = f};
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &One, sizeof One);
		if (to->sa_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &One, sizeof One);
		if (!bind(fd, to, n) && !listen(fd, BACKLOG))
			return true;
	}
	int error = errno;
	if (fd >= 0)
		close(fd);
	l->io.fd = -1;
	if (optional && (error == EADDRNOTAVAIL || error == EAFNOSUPPORT))
		return true;
	return err_set(e, ERR_LOCAL, error, "cannot listen on %s:%u for '%s': %s",
		to->sa_family == AF_INET6 ? "[::1]" : f->own->local_address, f->own->local_port,
		f->name,
		error == EADDRINUSE ? "another process uses it; stop that, or change local_port"
				    : strerror(error));
}

/* A browser tries ::1 first where a name leads to both. */
static bool bind_all(struct forward *f, struct err *e)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(f->own->local_port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
		.sin6_port = htons(f->own->local_port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct listener *l = f->listener;
	bool is_v4 = inet_pton(AF_INET, f->own->local_address, &v4.sin_addr) == 1;
	if (is_v4 && !bind_one(f, l++, (struct sockaddr *)&v4, sizeof v4, false, e))
		return false;
	if (is_v4 && f->own->address_is_set)
		return true;
	return bind_one(f, l, (struct sockaddr *)&v6, sizeof v6, is_v4, e);
}

static void close_listeners(struct forward *f)
{
	for (int i = 0; i < LISTENERS; i++)
		io_close(&f->listener[i].io);
}

static void free_forward(void *p)
{
	struct forward *f = p;
	free(f->name);
	free(f);
}

struct forward *forward_new(const struct config *all, const struct config_forward *own,
	struct cluster *cluster, struct err *e)
{
	struct forward *f = mem_new(sizeof *f);
	struct buf name = {0};
	buf_print(&name, "%s/%s", all->clusters[own->cluster].name, own->target.name);
	*f = (struct forward){.all = all,
		.own = own,
		.cluster = cluster,
		.name = mem_dup_n(buf_data(&name), buf_len(&name)),
		.listener = {{.io.fd = -1}, {.io.fd = -1}},
		.retry.on = on_retry,
		.check.on = on_check,
		.accepting.on = on_accepting};
	buf_free(&name);
	if (bind_all(f, e))
		return f;
	close_listeners(f);
	loop_free_later(f, free_forward);
	return NULL;
}

void forward_start(struct forward *f, void (*on)(void *owner, struct forward *f), void *owner)
{
	struct pool_spec spec = {.cluster = f->cluster,
		.namespace = f->own->target.namespace,
		.limit = f->all->tunnels};
	f->on = on;
	f->owner = owner;
	f->pool = pool_new(&spec, &Pool_ops, f);
	f->target =
		k8s_follow(f->cluster, &f->own->target, f->all->check_interval_ms, on_target, f);
	timer_about(&f->check, f->all->check_interval_ms);
	set_accepting(f);
}

void forward_free(struct forward *f)
{
	f->state = FORWARD_STOPPED;
	close_listeners(f);
	timer_stop(&f->retry);
	timer_stop(&f->check);
	timer_stop(&f->accepting);
	clients_close(&f->clients);
	if (f->pool)
		pool_free(f->pool);
	if (f->target)
		k8s_unfollow(f->target);
	loop_free_later(f, free_forward);
}

const struct err *forward_error(const struct forward *f)
{
	return &f->err;
}

static long long seconds(int64_t ms)
{
	return ms < 0 ? 0 : (ms + 500) / 1000;
}

/* What is worth knowing of a pod that serves all the same. */
static const char *reservation(const struct forward *f)
{
	const struct k8s_pod *pod = k8s_pod(f->target);
	const struct err *e = k8s_error(f->target);
	if (e->kind)
		return e->text; /* it is going, or the last look did not succeed */
	return pod && !pod->ready ? "pod not ready" : NULL;
}

void forward_info(const struct forward *f, char text[FORWARD_INFO])
{
	int64_t now = loop_now();
	const char *but = f->state == FORWARD_ACTIVE ? reservation(f) : NULL;
	text[0] = '\0';
	if (f->state == FORWARD_ACTIVE)
		snprintf(text, FORWARD_INFO, "checked %llds ago%s%s", seconds(now - f->checked_ms),
			but ? ", " : "", but ? but : "");
	else if (f->state == FORWARD_RECONNECTING)
		snprintf(text, FORWARD_INFO, "retry in %llds (attempt %u)",
			seconds(f->retry.at_ms - now), f->attempts);
	else if (f->state == FORWARD_FAILED)
		snprintf(text, FORWARD_INFO, "%s", f->err.text);
}
