/* A forward's life: Starting, Active, Reconnecting, Failed.  Trouble comes from
 * three sides: the look for a pod, the tunnels to it, and checks of the whole.  The
 * first two end in trouble(), which sets the state and the time of the next try. */
#include "forward.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "client.h"
#include "health.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "pool.h"
#include "random.h"

enum {
	HEALTHY_MS = 1000, /* what was Active for less has not recovered */
	HURRIES = 4,       /* waits that may be cut short in a row, where many pods fail ... */
	HURRY_MS = 30000,  /* ... and the time after which it may be once more */
};

struct forward {
	const struct config_settings *settings;
	const struct config_forward *own;
	struct cluster *cluster;
	char *name;
	void (*on)(void *owner, struct forward *f);
	void *owner;
	struct listener listener;
	struct k8s_target *target;
	struct pool *pool;
	struct health *health;
	struct clients clients;
	struct history history;
	enum forward_state state;
	struct err err;         /* why it is not Active */
	unsigned attempts;      /* that failed since it was last healthy */
	bool was_healthy;       /* when it was last Active, and no try has failed since */
	bool at_once;           /* the first try comes so: a healthy tunnel was lost */
	bool api_lost;          /* the API server could not be asked, the last time */
	int64_t active_ms;      /* since when; 0: it never was */
	int64_t left_ms;        /* when it was last Active */
	int64_t outage_ms;      /* when what passes by itself was last the reason; 0: never */
	struct timer retry;     /* set while waiting for the next try */
	int64_t wished_ms;      /* by the server, that there be none before */
	int64_t hurry_ms;       /* HURRY_MS later for each wait that was cut short */
	struct timer ping;      /* each interval */
	struct task tell;       /* `on`, of what others have made of it */
	bool draining;          /* Stopped, but connections go on */
	char tried[K8S_UID];    /* the pod that tunnels were last opened to */
	char serving[K8S_NAME]; /* the pod that connections last went to */
	bool warned;            /* of what the look for the pod warns of */
	int64_t left_pod_ms;    /* when one was last left since a probe failed */
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

uint16_t forward_local_port(const struct forward *f)
{
	return f->listener.port;
}

size_t forward_sockets(const struct forward *f, int fd[LISTENER_SOCKETS])
{
	return listener_sockets(&f->listener, fd);
}

const struct k8s_pod *forward_pod(const struct forward *f)
{
	return f->target ? k8s_pod(f->target) : NULL;
}

const struct history *forward_history(const struct forward *f)
{
	return &f->history;
}

/* ---- states ---- */

static void log_state(const struct forward *f)
{
	static const char *const Words[] = {"forward starting", "forward active",
		"forward reconnecting", "forward failed", "forward stopped"};
	const struct k8s_pod *pod = forward_pod(f);
	enum log_level level =
		f->state == FORWARD_RECONNECTING ? LOG_WARN : err_rule(f->err.kind)->level;
	if (f->state == FORWARD_ACTIVE)
		log_line(level, Words[f->state],
			LOG_FIELDS(LOG_STR("forward", f->name),
				LOG_STR("pod", pod ? pod->name : ""),
				LOG_NUM("local_port", f->listener.port),
				LOG_NUM("remote_port", pod ? pod->port : 0)));
	else if (f->err.kind)
		log_line(level, Words[f->state],
			LOG_FIELDS(LOG_STR("forward", f->name), LOG_STR("reason", f->err.text),
				LOG_NUM("attempt", f->attempts)));
	else
		log_line(level, Words[f->state],
			LOG_FIELDS(LOG_STR("forward", f->name),
				LOG_NUM("local_port", f->listener.port)));
}

/* What is the same as before is counted, and the count told before what comes next.
 * Returns whether it is news. */
static bool note(struct forward *f, const char *what, const char *why)
{
	const struct history_event *last = history_at(&f->history, 0);
	unsigned times = last ? last->times : 0;
	if (!history_add(&f->history, loop_wall(), what, why))
		return false;
	if (times > 1)
		log_line(LOG_INFO, "the last event was repeated",
			LOG_FIELDS(LOG_STR("forward", f->name), LOG_NUM("times", times - 1)));
	return true;
}

/* Returns whether it is news. */
static bool enter(struct forward *f, enum forward_state state, const struct err *e)
{
	f->state = state;
	f->err = *e;
	if (!note(f, forward_state_name(state), e->text))
		return false;
	log_state(f);
	return true;
}

static void set_state(struct forward *f, enum forward_state state, const struct err *e)
{
	if (!f->draining && enter(f, state, e))
		f->on(f->owner, f);
}

static void leave_active(struct forward *f)
{
	int64_t ms = loop_now() - f->active_ms;
	if (f->state != FORWARD_ACTIVE)
		return;
	f->state = FORWARD_RECONNECTING;
	f->was_healthy = ms >= HEALTHY_MS && ms >= f->settings->reconnect_delay_ms;
	f->left_ms = loop_now();
}

static void note_pod(struct forward *f, const char *name)
{
	char text[2 * K8S_NAME + 32];
	if (!strcmp(f->serving, name))
		return;
	snprintf(text, sizeof text, "%s instead of %s", name, f->serving);
	if (*f->serving && note(f, "Moved", text) && f->state == FORWARD_ACTIVE)
		log_line(LOG_INFO, "forward goes to another pod",
			LOG_FIELDS(LOG_STR("forward", f->name), LOG_STR("pod", name),
				LOG_STR("before", f->serving)));
	snprintf(f->serving, sizeof f->serving, "%s", name);
}

/* Also called at the end of each connection, so it does little where all is as it was.
 * A pod that does not answer as it should serves all the same, but is not Active. */
static void become_active(struct forward *f)
{
	const struct k8s_pod *pod = k8s_pod(f->target);
	timer_stop(&f->retry);
	if (f->draining)
		return;
	health_start(f->health);
	note_pod(f, pod ? pod->name : "");
	if (f->state == FORWARD_ACTIVE || health_error(f->health)->kind)
		return;
	f->active_ms = loop_now();
	set_state(f, FORWARD_ACTIVE, &(struct err){0});
}

static int64_t jitter(int64_t ms)
{
	return ms - ms / 10 + random_u32() % (uint32_t)(ms / 5 + 1);
}

/* At once, the first time after a healthy tunnel was lost, in turn among those that
 * were lost with it; then reconnect_delay; then it, or 2^n seconds, up to a minute.
 * Never before the server wants it. */
static int64_t backoff_ms(const struct forward *f, int64_t wished)
{
	int64_t base = f->settings->reconnect_delay_ms;
	unsigned n = f->attempts - f->at_once;
	if (n == 0 && !wished)
		return cluster_turn(f->cluster);
	int64_t ms = n < 2 ? 0 : n > 6 ? FORWARD_BACKOFF_MAX_MS : 1000LL << (n - 1);
	ms = jitter(base > ms ? base : ms);
	return ms > wished ? ms : wished + random_u32() % (uint32_t)(wished / 10 + 1);
}

/* The time for which the server does not want to be asked. */
static int64_t wished_ms(const struct err *e)
{
	int64_t ms = e->wait_s * 1000LL;
	return ms < FORWARD_BACKOFF_MAX_MS ? ms : FORWARD_BACKOFF_MAX_MS;
}

/* A pod that has served, and now is gone or not ready, may be on its way back; and an
 * API server that has just started refuses all before it has read who may do what. */
static bool is_passing(const struct forward *f, const struct err *e, bool lost)
{
	bool of_pod = e->kind == ERR_NOT_READY ||
		      (e->kind == ERR_NOT_FOUND && (lost || f->own->target.type == K8S_POD));
	bool of_rights = e->kind == ERR_FORBIDDEN || e->kind == ERR_UNAUTHORIZED;
	int64_t since = of_pod && f->left_ms > f->outage_ms ? f->left_ms : f->outage_ms;
	return err_rule(e->kind)->passing || ((of_pod || of_rights) && f->active_ms && since &&
						     loop_now() - since < f->settings->hold_ms);
}

/* A look or a tunnel failed.  While a try is being waited for already, only the
 * reason changes.  `lost`: it is a tunnel that failed; a look is not repeated at
 * once. */
static void trouble(struct forward *f, const struct err *e, bool lost)
{
	leave_active(f);
	if (health_error(f->health)->kind)
		f->left_ms = loop_now(); /* it served all the same */
	health_stop(f->health);
	if (err_rule(e->kind)->passing)
		f->outage_ms = loop_now();
	bool passing = is_passing(f, e, lost);
	if (f->was_healthy) {
		f->attempts = 0;
		f->hurry_ms = 0;
		f->at_once = lost;
	}
	f->was_healthy = false;
	if (!timer_is_set(&f->retry)) {
		int64_t wished = wished_ms(e);
		f->attempts++;
		f->wished_ms = loop_now() + wished;
		timer_after(&f->retry, backoff_ms(f, wished));
	}
	set_state(f, passing ? FORWARD_RECONNECTING : FORWARD_FAILED, e);
	if (!passing)
		clients_reset_held(&f->clients, e);
}

/* ---- the pod and the tunnels ---- */

/* Connections beyond those that may be held wait in the kernel's backlog. */
static void set_accepting(struct forward *f)
{
	listener_accept(&f->listener, f->clients.held < FORWARD_HELD_MAX);
}

static void on_pool_room(void *owner)
{
	struct forward *f = owner;
	become_active(f);
	clients_open(&f->clients, f->pool);
	set_accepting(f);
}

static void on_pool_silent(void *owner)
{
	struct forward *f = owner;
	struct err e = {0};
	err_set(&e, ERR_NETWORK, 0, "no answer through the tunnel");
	leave_active(f);
	health_stop(f->health);
	set_state(f, FORWARD_RECONNECTING, &e);
}

/* Whether the API server itself could not be asked; a tunnel would not come to be. */
static bool is_of_server(const struct err *e)
{
	return e->kind == ERR_NETWORK || e->kind == ERR_REFUSED || e->kind == ERR_TLS ||
	       e->kind == ERR_THROTTLED;
}

/* Where the look has failed, the pod is the one known from before: nothing was
 * checked, and without a tunnel (v4) there is no other sign of life. */
static void use(struct forward *f, const struct k8s_pod *pod)
{
	const struct err *e = k8s_error(f->target);
	bool alone = !pool_tunnels(f->pool);
	if (strcmp(f->tried, pod->uid))
		health_pause(f->health);
	memcpy(f->tried, pod->uid, sizeof f->tried);
	if (is_of_server(e) && alone) {
		trouble(f, e, false);
		return;
	}
	pool_use(f->pool, pod);
	if (!pool_is_ready(f->pool))
		return;
	if (e->kind == ERR_NONE || e->kind == ERR_NOT_READY)
		on_pool_room(f);
	else if (!pool_tunnels(f->pool))
		trouble(f, e, false);
}

static bool is_another(const struct forward *f, const struct k8s_pod *pod)
{
	return !pod->distrusted && strcmp(f->tried, pod->uid);
}

/* Not before the server wants it; nor again and again, where one pod of many fails
 * after the other.  One that comes when there was none is always tried. */
static bool may_hurry(struct forward *f)
{
	int64_t now = loop_now(), all = now - (int64_t)HURRIES * HURRY_MS;
	int64_t next = (f->hurry_ms > all ? f->hurry_ms : all) + HURRY_MS;
	bool allowed = now >= f->wished_ms && (!*f->tried || next <= now);
	if (allowed && *f->tried)
		f->hurry_ms = next;
	return allowed;
}

/* While a try is being waited for, only a pod that is another than the last one
 * tried, or has come back, cuts the wait short; never one that has failed before,
 * or several of those would be tried in turns without a pause.  So does the API
 * server's return. */
static void on_target(void *owner)
{
	struct forward *f = owner;
	const struct k8s_pod *pod = k8s_pod(f->target);
	const char *warning = k8s_warning(f->target);
	bool back = f->api_lost && !is_of_server(k8s_error(f->target));
	f->api_lost = is_of_server(k8s_error(f->target));
	if (warning && !f->warned)
		log_line(LOG_WARN, warning, LOG_FIELDS(LOG_STR("forward", f->name)));
	f->warned = warning;
	if (back) {
		f->attempts = 0;
		f->at_once = false;
	}
	if (!pod) {
		f->tried[0] = '\0';
		pool_use(f->pool, NULL);
		trouble(f, k8s_error(f->target), false);
	} else if (!timer_is_set(&f->retry) || (is_another(f, pod) && may_hurry(f))) {
		timer_stop(&f->retry);
		use(f, pod);
	} else if (back && may_hurry(f)) {
		timer_after(&f->retry, cluster_turn(f->cluster));
	}
}

static void on_retry(struct timer *timer)
{
	k8s_look(OWNER_OF(timer, struct forward, retry)->target);
}

static void leave_pod(struct forward *f)
{
	f->left_pod_ms = loop_now();
	k8s_distrust(f->target, f->tried);
}

/* Pods that have all failed a probe are tried in turns, slowly. */
static void on_ping(struct timer *timer)
{
	struct forward *f = OWNER_OF(timer, struct forward, ping);
	pool_ping(f->pool);
	timer_about(timer, f->settings->check_interval_ms);
	if (health_error(f->health)->kind == ERR_NOT_READY &&
		loop_now() - f->left_pod_ms >= FORWARD_BACKOFF_MAX_MS)
		leave_pod(f);
}

/* Where the server cannot reach the pod's node, or the pod is gone, another one may
 * do, though the API calls this one ready for a while yet. */
static void on_pool_lost(void *owner, const struct err *e)
{
	struct forward *f = owner;
	const struct k8s_pod *used = k8s_pod(f->target);
	trouble(f, e, true);
	if ((e->kind == ERR_SERVER || e->kind == ERR_NOT_FOUND) && used)
		k8s_distrust(f->target, used->uid);
}

static const struct pool_ops Pool_ops = {
	.room = on_pool_room, .silent = on_pool_silent, .lost = on_pool_lost};

/* Connections are passed on all the same: it may be the check that is wrong.  Where
 * the application does not answer, another pod's may; it is Active when a check has
 * found it well. */
static void on_health(void *owner)
{
	struct forward *f = owner;
	const struct err *e = health_error(f->health);
	if (!e->kind) {
		become_active(f);
		return;
	}
	const struct k8s_pod *pod = k8s_pod(f->target);
	leave_active(f);
	if (f->state != FORWARD_FAILED || strcmp(f->err.text, e->text))
		set_state(f, FORWARD_FAILED, e);
	if (e->kind == ERR_NOT_READY && pod && !pod->distrusted && may_hurry(f))
		leave_pod(f);
}

void forward_wake(struct forward *f, bool slept)
{
	if (!f->pool)
		return;
	(slept ? pool_doubt : pool_ping)(f->pool);
	if (!timer_is_set(&f->retry))
		return;
	f->attempts = 0;
	f->at_once = false;
	timer_after(&f->retry, cluster_turn(f->cluster));
}

/* ---- local connections ---- */

/* The runtime says that the pod is gone, whatever the API says: no connection
 * goes there any more. */
static void on_held_again(void *owner, enum channel_how how, const char *uid)
{
	struct forward *f = owner;
	const struct k8s_pod *used = k8s_pod(f->target);
	struct err e = {0};
	if (how != CHANNEL_POD_GONE || !used || strcmp(used->uid, uid))
		return;
	err_set(&e, ERR_NETWORK, 0, "pod %s is gone", used->name);
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
			LOG_NUM("local_port", f->listener.port),
			{.key = "remote_port",
				.text = f->own->target.port_name,
				.number = f->own->target.port},
			LOG_NUM("up", (long long)end->up), LOG_NUM("down", (long long)end->down),
			LOG_NUM("ms", end->ms),
			LOG_STR("reason", end->err ? end->err->text : "closed")));
	set_accepting(f);
	if (f->draining && !f->clients.count)
		task_post(&f->tell);
}

static const struct client_ops Client_ops = {.held_again = on_held_again, .gone = on_gone};

/* One who has reset already must not reach the application: it may be a check of
 * ours that was not taken in time. */
static bool is_reset(int fd)
{
	int error = 0;
	socklen_t n = sizeof error;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) || error;
}

static void take(void *owner, int fd, const struct sockaddr_storage *from)
{
	static const int One = 1;
	struct forward *f = owner;
	if (health_is_own(f->health, from) || is_reset(fd)) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &One, sizeof One);
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &One, sizeof One);
	client_new(&f->clients, fd, f->settings->hold_ms, &Client_ops, f);
	if (f->state == FORWARD_FAILED && timer_is_set(&f->retry) && !pool_is_ready(f->pool))
		clients_reset_held(&f->clients, &f->err);
	else
		clients_open(&f->clients, f->pool);
	set_accepting(f);
}

/* ---- beginning and end ---- */

static void free_forward(void *p)
{
	struct forward *f = p;
	history_free(&f->history);
	free(f->name);
	free(f);
}

static struct listener_spec listener_spec(
	const struct forward *f, uint16_t port, const int *lent, size_t lent_count)
{
	return (struct listener_spec){.address = f->own->local_address,
		.only_that = f->own->address_is_set,
		.port = port,
		.name = f->name,
		.lent = lent,
		.lent_count = lent_count};
}

static void on_tell(struct task *task);

struct forward *forward_new(const struct forward_spec *spec, struct err *e)
{
	struct forward *f = mem_new(sizeof *f);
	struct buf name = {0};
	buf_print(&name, "%s/%s", spec->cluster_name, config_title(spec->own));
	*f = (struct forward){.settings = spec->settings,
		.own = spec->own,
		.cluster = spec->cluster,
		.name = mem_dup_n(buf_data(&name), buf_len(&name)),
		.state = spec->stopped ? FORWARD_STOPPED : FORWARD_STARTING,
		.retry.on = on_retry,
		.ping.on = on_ping,
		.tell.on = on_tell};
	buf_free(&name);
	const struct listener_spec at =
		listener_spec(f, f->own->local_port, spec->lent, spec->lent_count);
	listener_init(&f->listener, &at);
	if (spec->stopped || listener_open(&f->listener, &at, e))
		return f;
	loop_free_later(f, free_forward);
	return NULL;
}

static void follow(struct forward *f)
{
	f->target = k8s_follow(
		f->cluster, &f->own->target, f->settings->check_interval_ms, on_target, f);
}

void forward_leave(struct forward *f)
{
	if (!f->target)
		return;
	k8s_unfollow(f->target);
	f->target = NULL;
	f->tried[0] = '\0';
	timer_stop(&f->retry);
	pool_use(f->pool, NULL);
}

void forward_return(struct forward *f)
{
	struct err e = {0};
	if (!f->pool)
		return;
	err_set(&e, ERR_NETWORK, 0, "the kubeconfig leads to another server");
	follow(f);
	trouble(f, &e, true);
}

static void run(struct forward *f)
{
	const struct pool_spec pool = {.cluster = f->cluster,
		.namespace = f->own->target.namespace,
		.limit = f->settings->tunnels};
	const struct health_spec health = {.at = {f->own->local_address, f->listener.port, f->name},
		.probe = &f->own->probe,
		.interval_ms = f->settings->check_interval_ms};
	f->pool = pool_new(&pool, &Pool_ops, f);
	f->health = health_new(&health, on_health, f);
	follow(f);
	timer_about(&f->ping, f->settings->check_interval_ms);
}

static void serve(struct forward *f)
{
	listener_serve(&f->listener, take, f);
	set_accepting(f);
}

void forward_start(struct forward *f, void (*on)(void *owner, struct forward *f), void *owner)
{
	f->on = on;
	f->owner = owner;
	if (f->state == FORWARD_STOPPED)
		return;
	run(f);
	serve(f);
}

void forward_adjust(struct forward *f)
{
	if (!f->pool)
		return;
	k8s_set_interval(f->target, f->settings->check_interval_ms);
	health_set_interval(f->health, f->settings->check_interval_ms);
	pool_limit(f->pool, f->settings->tunnels);
	timer_about(&f->ping, f->settings->check_interval_ms);
}

/* Nothing runs any more. */
static void rest(struct forward *f)
{
	timer_stop(&f->retry);
	timer_stop(&f->ping);
	clients_close(&f->clients);
	if (f->health)
		health_free(f->health);
	if (f->pool)
		pool_free(f->pool);
	if (f->target)
		k8s_unfollow(f->target);
	f->health = NULL;
	f->pool = NULL;
	f->target = NULL;
	f->attempts = 0;
	f->at_once = f->was_healthy = f->draining = false;
	f->tried[0] = '\0';
}

void forward_free(struct forward *f)
{
	listener_close(&f->listener);
	rest(f);
	task_drop(&f->tell);
	loop_free_later(f, free_forward);
}

/* ---- what others want of it ---- */

static void on_tell(struct task *task)
{
	struct forward *f = OWNER_OF(task, struct forward, tell);
	if (f->draining && !f->clients.count)
		rest(f);
	f->on(f->owner, f);
}

static void tell_later(struct forward *f, enum forward_state state)
{
	enter(f, state, &(struct err){0});
	task_post(&f->tell);
}

void forward_stop(struct forward *f)
{
	if (f->state == FORWARD_STOPPED && !f->draining)
		return;
	listener_end(&f->listener);
	rest(f);
	tell_later(f, FORWARD_STOPPED);
}

/* Whether a try was waited for. */
static bool try_now(struct forward *f)
{
	bool waits = timer_is_set(&f->retry);
	f->attempts = 0;
	f->at_once = false;
	if (waits)
		timer_after(&f->retry, 0);
	return waits;
}

/* Of one that drains, what there is goes on. */
bool forward_resume(struct forward *f, struct err *e)
{
	const struct listener_spec at = listener_spec(f, f->listener.port, NULL, 0);
	if (f->state != FORWARD_STOPPED)
		return true;
	if (!listener_open(&f->listener, &at, e))
		return false;
	f->draining = false;
	if (!f->pool)
		run(f);
	else if (!try_now(f))
		k8s_look(f->target);
	serve(f);
	tell_later(f, FORWARD_STARTING);
	return true;
}

void forward_reconnect(struct forward *f)
{
	if (f->state == FORWARD_STOPPED || try_now(f))
		return;
	health_pause(f->health);
	pool_renew(f->pool);
	k8s_look(f->target);
}

void forward_drain(struct forward *f)
{
	if (f->state == FORWARD_STOPPED)
		return;
	listener_close(&f->listener);
	health_stop(f->health);
	f->state = FORWARD_STOPPED;
	f->err = (struct err){0};
	f->draining = true;
	task_post(&f->tell);
}

/* ---- what is told of it ---- */

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
	return pod && !pod->ready ? "pod not ready" : health_note(f->health);
}

/* v4 has no tunnel to ask through: before the first check, the look for the pod counts. */
static int64_t checked_ms(const struct forward *f)
{
	int64_t ms =
		pool_tunnels(f->pool) ? pool_answered_ms(f->pool) : health_checked_ms(f->health);
	return ms > f->active_ms ? ms : f->active_ms;
}

void forward_numbers(const struct forward *f, struct forward_numbers *n)
{
	enum transport by = f->pool ? pool_transport(f->pool) : TRANSPORT_AUTO;
	*n = (struct forward_numbers){.served = f->clients.served,
		.bytes_up = f->clients.up,
		.bytes_down = f->clients.down,
		.connections = f->clients.count,
		.held = f->clients.held,
		.tunnels = f->pool ? pool_tunnels(f->pool) : 0,
		.transport = by ? transport_name(by) : NULL,
		.round_trip_ms = f->pool ? pool_round_trip_ms(f->pool) : -1,
		.checked_ms = f->pool ? checked_ms(f) : 0,
		.attempts = f->state == FORWARD_ACTIVE ? 0 : f->attempts};
}

static void say_active(const struct forward *f, char text[FORWARD_INFO])
{
	const char *but = reservation(f);
	char when[40] = "not checked yet";
	if (checked_ms(f))
		snprintf(when, sizeof when, "checked %llds ago",
			seconds(loop_now() - checked_ms(f)));
	snprintf(text, FORWARD_INFO, "%s%s%s", when, *but ? ", " : "", but);
}

static void say_reconnecting(const struct forward *f, char text[FORWARD_INFO])
{
	long long left = timer_is_set(&f->retry) ? seconds(f->retry.at_ms - loop_now()) : 0;
	if (left && f->attempts)
		snprintf(text, FORWARD_INFO, "retry in %llds (attempt %u)", left, f->attempts);
	else
		snprintf(text, FORWARD_INFO, "reconnecting");
}

void forward_info(const struct forward *f, char text[FORWARD_INFO])
{
	text[0] = '\0';
	if (f->state == FORWARD_ACTIVE)
		say_active(f, text);
	else if (f->state == FORWARD_RECONNECTING)
		say_reconnecting(f, text);
	else if (f->state == FORWARD_FAILED)
		snprintf(text, FORWARD_INFO, "%s", f->err.text);
	else if (f->draining)
		snprintf(text, FORWARD_INFO, "connections left: %u", f->clients.count);
}
