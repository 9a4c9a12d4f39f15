/* A watch is waiting, listing or watching: a call is under way, or the timer is set.
 * What a list gives replaces the pods when it is whole; then each event changes one. */
#include "watch.h"

#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "http.h"
#include "loop.h"
#include "mem.h"
#include "random.h"

enum {
	VERSION = 64,     /* bytes of a resourceVersion */
	SHORT_MS = 5000,  /* a watch that lived less has failed, whatever it says */
	GRACE_MS = 30000, /* beyond WATCH_S: it died unnoticed */
	REFUSALS = 3,     /* of a watch that was taken before: a server that starts refuses all */
	LOOKS_APART_MS = 200, /* of those who share one, many may ask for a look */
};

struct pods {
	struct pod **pod;
	size_t count, cap;
};

struct watch {
	struct watch *next;
	struct cluster *cluster;
	char *path;
	int64_t interval_ms;
	struct watcher *first, **last;
	struct watcher *telling; /* the one to be told next */
	struct task tell;
	struct timer timer;    /* until the next try */
	struct api_call *call; /* a list or a watch; NULL: waiting */
	int64_t began_ms;      /* the call; of a watch that is taken, since then */
	bool taken;            /* the last try, by the server */
	bool was_taken;        /* any, since it was last refused for good */
	bool woken;            /* since another has succeeded: its turn to try will come */
	struct pods pods, fresh;
	unsigned pages;        /* of `fresh` */
	char version[VERSION]; /* of `pods`; "": they must be listed again */
	bool listed;
	int64_t listed_ms; /* when it was last */
	unsigned polls;    /* lists until watching is tried again; 0: it is watched */
	unsigned failures; /* in a row */
	struct err err;
};

static struct watch *All;

/* ---- sets of pods ---- */

static void pods_add(struct pods *s, struct pod *pod)
{
	if (s->count == WATCH_PODS_MAX) {
		free(pod);
		return;
	}
	if (s->count == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 4;
		s->pod = mem_grow(s->pod, s->cap * sizeof *s->pod);
	}
	s->pod[s->count++] = pod;
}

static void pods_remove(struct pods *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->pod[i]->name, name)) {
			free(s->pod[i]);
			s->pod[i] = s->pod[--s->count];
			return;
		}
}

static void pods_free(struct pods *s)
{
	while (s->count)
		free(s->pod[--s->count]);
	free(s->pod);
	*s = (struct pods){0};
}

/* ---- telling ---- */

static void tell(struct task *task)
{
	struct watch *w = OWNER_OF(task, struct watch, tell);
	for (w->telling = w->first; w->telling;) {
		struct watcher *one = w->telling;
		w->telling = one->next;
		one->on(one);
	}
}

static void tell_soon(struct watch *w)
{
	task_post(&w->tell);
}

/* ---- tries ---- */

static void list(struct watch *w, const char *go_on);
static void begin_watch(struct watch *w);

static void try_now(struct watch *w)
{
	timer_stop(&w->timer);
	w->began_ms = loop_now();
	w->taken = w->woken = false;
	if (*w->version && !w->polls)
		begin_watch(w);
	else
		list(w, NULL);
}

static void on_timer(struct timer *timer)
{
	try_now(OWNER_OF(timer, struct watch, timer));
}

/* Not what the server was slow to refuse, or did not answer at all. */
static bool has_lived(const struct watch *w)
{
	return w->taken && loop_now() - w->began_ms >= SHORT_MS;
}

/* Twice as long after each failure, never quite the same, and not less than the server
 * wishes. */
static int64_t wait_ms(const struct watch *w)
{
	unsigned n = w->failures < 6 ? w->failures : 6;
	int64_t ms = (int64_t)WATCH_WAIT_MS << (n - 1), wished = w->err.wait_s * 1000LL;
	ms = ms < WATCH_WAIT_MAX_MS ? ms : WATCH_WAIT_MAX_MS;
	ms -= ms / 10;
	ms = ms > wished ? ms : wished;
	return ms + random_u32() % (uint32_t)(ms / 5 + 1);
}

/* Not found is the API, or the namespace: it says nothing of pods. */
static void fail(struct watch *w, const struct err *e)
{
	w->err = *e;
	if (e->kind == ERR_NOT_FOUND)
		w->err.kind = ERR_PROTOCOL;
	w->failures = has_lived(w) ? 1 : w->failures + 1;
	timer_after(&w->timer, wait_ms(w));
	tell_soon(w);
}

/* What was well for a while is begun again at once, in its turn among those of the
 * cluster that were cut with it; else after a pause. */
static void try_again(struct watch *w, bool lived)
{
	w->failures = lived ? 0 : w->failures + 1;
	timer_after(&w->timer, lived ? cluster_turn(w->cluster) : wait_ms(w));
}

/* It waits for the server to come back: neither for the time that the server has named,
 * nor because it is cut as often as it is taken, or two of those would wake each other
 * without end. */
static bool is_cut_off(const struct watch *w)
{
	return w->err.kind && !w->err.wait_s && !w->taken && !w->call && !w->woken;
}

/* The last try has succeeded.  If that is news, it is so for the others, too, that
 * wait for the same cluster. */
static void succeed(struct watch *w)
{
	if (w->err.kind)
		for (struct watch *o = All; o; o = o->next)
			if (o != w && o->cluster == w->cluster && is_cut_off(o)) {
				timer_after(&o->timer, cluster_turn(o->cluster));
				o->woken = true;
			}
	w->err = (struct err){0};
	tell_soon(w);
}

/* ---- lists ---- */

static void note_version(struct watch *w, const struct value *meta)
{
	const char *version = value_text(value_get(meta, "resourceVersion"));
	if (version && strlen(version) < sizeof w->version)
		memcpy(w->version, version, strlen(version) + 1);
}

static void end_list(struct watch *w, const struct value *meta)
{
	pods_free(&w->pods);
	w->pods = w->fresh;
	w->fresh = (struct pods){0};
	w->listed = true;
	w->listed_ms = loop_now();
	w->version[0] = '\0';
	note_version(w, meta);
	succeed(w);
	if ((w->polls && --w->polls) || !*w->version) {
		w->failures = 0;
		timer_about(&w->timer, w->interval_ms);
	} else {
		begin_watch(w);
	}
}

static void on_list(void *owner, const struct api_answer *a)
{
	struct watch *w = owner;
	const struct value *items = value_get(a->body, "items"), *meta, *item;
	w->call = NULL;
	if (a->err.kind) {
		pods_free(&w->fresh);
		fail(w, &a->err);
		return;
	}
	for (item = value_first(items); item; item = value_next(items, item)) {
		struct pod *pod = pod_read(item);
		if (pod)
			pods_add(&w->fresh, pod);
	}
	meta = value_get(a->body, "metadata");
	const char *go_on = value_text(value_get(meta, "continue"));
	if (go_on && *go_on && ++w->pages < WATCH_PAGES_MAX)
		list(w, go_on);
	else
		end_list(w, meta);
}

static void list(struct watch *w, const char *go_on)
{
	struct buf path = {0};
	buf_print(&path, "%s&limit=%d", w->path, WATCH_PAGE);
	if (go_on) {
		buf_print(&path, "&continue=");
		http_put_encoded(&path, go_on);
	} else {
		w->pages = 0;
	}
	buf_put(&path, "", 1);
	w->call = api_get(w->cluster, (const char *)buf_data(&path), on_list, w);
	buf_free(&path);
}

/* ---- watching ---- */

/* The server knows the version no more (410 Gone): what has happened since is lost. */
static void begin_anew(struct watch *w)
{
	w->version[0] = '\0';
	try_again(w, loop_now() - w->listed_ms >= SHORT_MS);
}

static void on_begun(void *owner)
{
	struct watch *w = owner;
	w->began_ms = loop_now();
	w->taken = w->was_taken = true;
	if (w->err.kind)
		succeed(w);
}

static void stop_call(struct watch *w)
{
	if (w->call)
		api_cancel(w->call);
	w->call = NULL;
}

static void take_error(struct watch *w, const struct value *status)
{
	const char *message = value_text(value_get(status, "message"));
	struct err e = {0};
	int64_t code = 0;
	stop_call(w);
	value_int(value_get(status, "code"), &code);
	if (code == 410) {
		begin_anew(w);
		return;
	}
	err_set(&e, ERR_SERVER, (int)code, "cluster '%s': watch of pods: %s",
		cluster_name(w->cluster), message ? message : "the server ended it");
	fail(w, &e);
}

static void on_line(void *owner, const struct value *event)
{
	struct watch *w = owner;
	const char *type = value_text(value_get(event, "type"));
	const struct value *object = value_get(event, "object");
	if (type && !strcmp(type, "ERROR")) {
		take_error(w, object);
		return;
	}
	note_version(w, value_get(object, "metadata"));
	bool is = type && (!strcmp(type, "ADDED") || !strcmp(type, "MODIFIED"));
	struct pod *pod = is || (type && !strcmp(type, "DELETED")) ? pod_read(object) : NULL;
	if (!pod)
		return;
	pods_remove(&w->pods, pod->name);
	if (is)
		pods_add(&w->pods, pod);
	else
		free(pod);
	tell_soon(w);
}

/* Lists will have to do, the first at once where there was trouble before. */
static void begin_polling(struct watch *w, const struct err *why)
{
	w->polls = WATCH_POLLS;
	w->was_taken = false;
	log_line(LOG_INFO, "pods cannot be watched: they are listed at each check",
		LOG_FIELDS(LOG_STR("cluster", cluster_name(w->cluster)),
			LOG_STR("reason", why->text)));
	timer_about(&w->timer, w->err.kind ? 0 : w->interval_ms);
}

static void on_watch_end(void *owner, const struct api_answer *a)
{
	struct watch *w = owner;
	bool lived = has_lived(w);
	w->call = NULL;
	if (a->status == 410)
		begin_anew(w);
	else if (a->err.kind == ERR_FORBIDDEN && (!w->was_taken || w->failures >= REFUSALS))
		begin_polling(w, &a->err);
	else if (!a->err.kind || (a->err.kind == ERR_NETWORK && lived))
		try_again(w, lived);
	else
		fail(w, &a->err);
}

static const struct api_watch_ops Ops = {.begun = on_begun, .line = on_line, .end = on_watch_end};

static void begin_watch(struct watch *w)
{
	struct buf path = {0};
	buf_print(&path,
		"%s&watch=1&allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=", w->path,
		WATCH_S);
	http_put_encoded(&path, w->version);
	buf_put(&path, "", 1);
	w->began_ms = loop_now();
	w->taken = false;
	w->call = api_watch(
		w->cluster, (const char *)buf_data(&path), WATCH_S * 1000 + GRACE_MS, &Ops, w);
	buf_free(&path);
}

/* ---- beginning and end ---- */

static struct watch *find(const struct cluster *c, const char *path)
{
	struct watch *w = All;
	while (w && (w->cluster != c || strcmp(w->path, path)))
		w = w->next;
	return w;
}

static struct watch *begin(struct cluster *c, const char *path, int64_t interval_ms)
{
	struct watch *w = mem_new(sizeof *w);
	*w = (struct watch){.next = All,
		.cluster = cluster_share(c),
		.path = mem_dup(path),
		.interval_ms = interval_ms,
		.last = &w->first,
		.tell.on = tell,
		.timer.on = on_timer};
	All = w;
	try_now(w);
	return w;
}

static void free_watch(void *p)
{
	struct watch *w = p;
	pods_free(&w->pods);
	pods_free(&w->fresh);
	free(w->path);
	free(w);
}

static void end(struct watch *w)
{
	struct watch **at = &All;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	stop_call(w);
	timer_stop(&w->timer);
	task_drop(&w->tell);
	cluster_drop(w->cluster);
	loop_free_later(w, free_watch);
}

void watch_join(struct watcher *one, struct cluster *c, const char *path, int64_t interval_ms,
	void (*on)(struct watcher *))
{
	struct watch *w = find(c, path);
	if (!w)
		w = begin(c, path, interval_ms);
	*one = (struct watcher){.watch = w, .prev = w->last, .on = on};
	*w->last = one;
	w->last = &one->next;
	if (w->listed || w->err.kind)
		tell_soon(w);
}

void watch_set_interval(struct watcher *one, int64_t interval_ms)
{
	struct watch *w = one->watch;
	if (!w || w->interval_ms == interval_ms)
		return;
	w->interval_ms = interval_ms;
	if (w->polls && !w->err.kind && timer_is_set(&w->timer))
		timer_about(&w->timer, interval_ms);
}

void watch_leave(struct watcher *one)
{
	struct watch *w = one->watch;
	if (!w)
		return;
	if (w->telling == one)
		w->telling = one->next;
	*one->prev = one->next;
	if (one->next)
		one->next->prev = one->prev;
	else
		w->last = one->prev;
	one->watch = NULL;
	if (!w->first)
		end(w);
}

/* ---- what is known ---- */

const char *watch_path(const struct watcher *one)
{
	return one->watch ? one->watch->path : NULL;
}

const struct pod *watch_pod(const struct watcher *one, size_t i)
{
	return i < one->watch->pods.count ? one->watch->pods.pod[i] : NULL;
}

bool watch_is_listed(const struct watcher *one)
{
	return one->watch->listed;
}

const struct err *watch_error(const struct watcher *one)
{
	return &one->watch->err;
}

void watch_look(struct watcher *one)
{
	struct watch *w = one->watch;
	int64_t at = w->began_ms + LOOKS_APART_MS;
	if (!w->call && w->err.wait_s)
		tell_soon(w);
	else if (!w->call && at < w->timer.at_ms)
		timer_set(&w->timer, at);
}

void watch_doubt(struct watcher *one)
{
	struct watch *w = one->watch;
	bool watching = w->call && *w->version && !w->polls;
	if (!watching || loop_now() - w->listed_ms < SHORT_MS)
		return;
	stop_call(w);
	w->version[0] = '\0';
	timer_after(&w->timer, cluster_turn(w->cluster));
}

void watch_renew_all(void)
{
	for (struct watch *w = All; w; w = w->next) {
		stop_call(w);
		pods_free(&w->fresh);
		timer_after(&w->timer, cluster_turn(w->cluster));
	}
}
