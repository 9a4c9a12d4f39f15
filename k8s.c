/* A service or workload is asked for, its pods are watched; or pods by a selector are
 * watched, or one by its name, or that is got again and again.  What an object means is
 * decided in pod.c. */
#include "k8s.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "http.h"
#include "loop.h"
#include "mem.h"
#include "pod.h"
#include "random.h"
#include "watch.h"

struct k8s_target {
	struct cluster *cluster;
	const struct k8s_ref *ref;
	int64_t interval_ms;
	void (*on)(void *owner);
	void *owner;
	struct timer timer;     /* until the next look */
	bool wished;            /* by the server, not before */
	struct task settle;     /* by what is known already */
	struct watcher watcher; /* of the pods that are meant */
	struct pod_distrust distrust;
	struct api_call *call; /* for the service, workload or pod; NULL: none */
	bool asked;            /* the owner waits for the end of a look */
	bool by_get;           /* the pod may not be listed */
	unsigned gets;         /* since it was last tried */
	bool has_rule;         /* the pods that are meant are known */
	bool away;             /* the last try to watch has failed */
	struct pod_rule rule;

	struct k8s_pod pod; /* name "": none */
	struct err err;
	char warning[ERR_TEXT];
};

/* ---- paths ---- */

/* "/api/v1/namespaces/NAMESPACE/pods". */
static struct buf path_of(const struct k8s_target *t, enum k8s_type type)
{
	static const struct {
		const char *api, *objects;
	} Place[] = {[K8S_SERVICE] = {"api/v1", "services"},
		[K8S_POD] = {"api/v1", "pods"},
		[K8S_DEPLOYMENT] = {"apis/apps/v1", "deployments"},
		[K8S_STATEFULSET] = {"apis/apps/v1", "statefulsets"},
		[K8S_DAEMONSET] = {"apis/apps/v1", "daemonsets"}};
	struct buf path = {0};
	buf_print(&path, "/%s/namespaces/", Place[type].api);
	http_put_encoded(&path, t->ref->namespace);
	buf_print(&path, "/%s", Place[type].objects);
	return path;
}

/* Asks for the object that the target is called by. */
static void ask(struct k8s_target *t, void (*on)(void *owner, const struct api_answer *))
{
	struct buf path = path_of(t, t->ref->type);
	buf_print(&path, "/");
	http_put_encoded(&path, t->ref->name);
	buf_put(&path, "", 1);
	t->call = api_get(t->cluster, (const char *)buf_data(&path), on, t);
	buf_free(&path);
}

/* ---- the end of a look ---- */

static bool is_same(const struct k8s_pod *a, const struct k8s_pod *b)
{
	return !strcmp(a->name, b->name) && !strcmp(a->uid, b->uid) && a->port == b->port &&
	       a->ready == b->ready && a->distrusted == b->distrusted &&
	       a->passes_half_close == b->passes_half_close;
}

static void conclude(struct k8s_target *t, const struct k8s_pod *pod, const struct err *e)
{
	bool news = t->asked || !is_same(&t->pod, pod) || t->err.kind != e->kind ||
		    strcmp(t->err.text, e->text) || strcmp(t->warning, t->rule.warning);
	t->asked = false;
	t->pod = *pod;
	t->err = *e;
	memcpy(t->warning, t->rule.warning, sizeof t->warning);
	if (news)
		t->on(t->owner);
}

/* A look that ended in `e` without having seen what it wanted leaves the pod as
 * it was; only what is not there takes it away. */
static void conclude_unseen(struct k8s_target *t, const struct err *e)
{
	struct k8s_pod pod = e->kind == ERR_NOT_FOUND ? (struct k8s_pod){0} : t->pod;
	conclude(t, &pod, e);
}

static struct pod_choice begin_choice(struct k8s_target *t)
{
	return (struct pod_choice){.rule = &t->rule, .uid = t->pod.uid, .distrust = &t->distrust};
}

static void end_choice(struct k8s_target *t, const struct pod_choice *choice)
{
	struct err e = {0};
	const struct k8s_pod *pod = pod_chosen(choice, &e);
	conclude(t, pod ? pod : &(struct k8s_pod){0}, &e);
}

/* ---- by the watch ---- */

static void get_pod(struct k8s_target *t);

/* A selector that the server does not understand (400) needs a person. */
static struct err list_error(const struct k8s_target *t)
{
	const struct err *e = watch_error(&t->watcher);
	struct err out = {0};
	if (t->ref->type != K8S_SELECTOR || e->code != 400)
		return *e;
	err_set(&out, ERR_NOT_FOUND, e->code, "selector '%s': %s", t->ref->name, e->text);
	return out;
}

static void settle(struct k8s_target *t)
{
	const struct err e = list_error(t);
	const struct pod *pod;
	if (!t->has_rule || (!watch_is_listed(&t->watcher) && !e.kind))
		return;
	if (e.kind == ERR_FORBIDDEN && t->ref->type == K8S_POD && !watch_is_listed(&t->watcher)) {
		watch_leave(&t->watcher);
		t->by_get = true;
		t->gets = 0;
		get_pod(t);
	} else if (e.kind) {
		conclude_unseen(t, &e);
	} else {
		struct pod_choice choice = begin_choice(t);
		for (size_t i = 0; (pod = watch_pod(&t->watcher, i)); i++)
			pod_consider(&choice, pod);
		end_choice(t, &choice);
	}
}

static void look(struct k8s_target *t);

/* Where the server was away, and is back, an object that could not be asked for can. */
static void on_watch(struct watcher *w)
{
	struct k8s_target *t = OWNER_OF(w, struct k8s_target, watcher);
	bool away = watch_error(w)->kind, back = t->away && !away;
	t->away = away;
	if (back && !t->has_rule)
		look(t);
	else
		settle(t);
}

static void on_settle(struct task *task)
{
	struct k8s_target *t = OWNER_OF(task, struct k8s_target, settle);
	if (watch_path(&t->watcher))
		settle(t);
}

/* `by` is the head of a query, `text` its value.  If these pods are watched already, they
 * are looked at soon. */
static void watch(struct k8s_target *t, const char *by, const char *text)
{
	struct buf path = path_of(t, K8S_POD);
	buf_print(&path, "?%s", by);
	http_put_encoded(&path, text);
	buf_put(&path, "", 1);
	const char *now = watch_path(&t->watcher), *then = (const char *)buf_data(&path);
	if (!now || strcmp(now, then)) {
		watch_leave(&t->watcher);
		watch_join(&t->watcher, t->cluster, then, t->interval_ms, on_watch);
	} else {
		watch_look(&t->watcher);
		if (!watch_error(&t->watcher)->kind)
			task_post(&t->settle);
	}
	buf_free(&path);
}

/* ---- a service, a workload ---- */

/* The server's words name what the row of a table names already. */
static struct err in_short(const struct k8s_target *t, const struct err *e)
{
	struct err out = {0};
	if (e->kind != ERR_NOT_FOUND)
		return *e;
	err_set(&out, e->kind, e->code, "%s not found", pod_type_name(t->ref->type));
	return out;
}

/* Not before the time that the server has named. */
static void look_later(struct k8s_target *t, int64_t ms, const struct err *e)
{
	int64_t wished_ms = e->wait_s * 1000LL;
	t->wished = wished_ms > ms;
	timer_about(&t->timer, ms);
	if (t->wished)
		timer_after(&t->timer, wished_ms + random_u32() % 1000);
}

static void on_object(void *owner, const struct api_answer *a)
{
	struct k8s_target *t = owner;
	struct err e = in_short(t, &a->err);
	struct buf selector = {0};
	t->call = NULL;
	if (!e.kind || e.kind == ERR_NOT_FOUND) /* else the rule that was known still holds */
		t->has_rule =
			!e.kind && pod_rule_of_object(&t->rule, &selector, t->ref, a->body, &e);
	look_later(t, e.kind ? t->interval_ms : K8S_SERVICE_LOOKS * t->interval_ms, &e);
	buf_put(&selector, "", 1);
	if (e.kind)
		conclude_unseen(t, &e);
	else
		watch(t, "labelSelector=", (const char *)buf_data(&selector));
	buf_free(&selector);
}

/* ---- a pod that may not be listed ---- */

/* The upgrade will tell whether it is there; but nothing will tell the number of a port. */
static void take_unseen(struct k8s_target *t, const struct err *why)
{
	struct k8s_pod pod = {.port = t->ref->port, .ready = true};
	struct err text = {0};
	if (t->ref->port_name) {
		err_set(&text, ERR_FORBIDDEN, why->code, "port '%s' cannot be looked up: %s",
			t->ref->port_name, why->text);
		conclude_unseen(t, &text);
		return;
	}
	snprintf(pod.name, sizeof pod.name, "%s", t->ref->name);
	err_set(&text, ERR_FORBIDDEN, 0, "pod is used without a look at it: %s", why->text);
	memcpy(t->rule.warning, text.text, sizeof t->rule.warning);
	conclude(t, &pod, &(struct err){0});
}

static void on_pod(void *owner, const struct api_answer *a)
{
	struct k8s_target *t = owner;
	struct err e = in_short(t, &a->err);
	t->call = NULL;
	t->by_get = ++t->gets < WATCH_POLLS;
	look_later(t, t->interval_ms, &e);
	if (e.kind == ERR_FORBIDDEN) {
		take_unseen(t, &e);
	} else if (e.kind) {
		conclude_unseen(t, &e);
	} else {
		struct pod_choice choice = begin_choice(t);
		struct pod *pod = pod_read(a->body);
		if (pod)
			pod_consider(&choice, pod);
		free(pod);
		end_choice(t, &choice);
	}
}

static void get_pod(struct k8s_target *t)
{
	t->rule = pod_rule_of_ref(t->ref);
	ask(t, on_pod);
}

/* ---- pods by their name or labels ---- */

static void watch_by_ref(struct k8s_target *t)
{
	bool by_name = t->ref->type == K8S_POD;
	t->rule = pod_rule_of_ref(t->ref);
	t->has_rule = true;
	watch(t, by_name ? "fieldSelector=metadata.name%3D" : "labelSelector=", t->ref->name);
}

/* ---- targets ---- */

static void look(struct k8s_target *t)
{
	if (t->call)
		return;
	timer_stop(&t->timer);
	if (t->by_get)
		get_pod(t);
	else if (t->ref->type == K8S_POD || t->ref->type == K8S_SELECTOR)
		watch_by_ref(t);
	else
		ask(t, on_object);
}

void k8s_look(struct k8s_target *t)
{
	t->asked = true;
	look(t);
}

static void on_timer(struct timer *timer)
{
	look(OWNER_OF(timer, struct k8s_target, timer));
}

struct k8s_target *k8s_follow(struct cluster *cluster, const struct k8s_ref *ref,
	int64_t interval_ms, void (*on)(void *owner), void *owner)
{
	struct k8s_target *t = mem_new(sizeof *t);
	*t = (struct k8s_target){.cluster = cluster_share(cluster),
		.ref = ref,
		.interval_ms = interval_ms,
		.on = on,
		.owner = owner,
		.timer.on = on_timer,
		.settle.on = on_settle};
	k8s_look(t);
	return t;
}

void k8s_set_interval(struct k8s_target *t, int64_t ms)
{
	t->interval_ms = ms;
	if (timer_is_set(&t->timer) && !t->wished)
		timer_about(&t->timer, ms);
	watch_set_interval(&t->watcher, ms);
}

void k8s_unfollow(struct k8s_target *t)
{
	if (t->call)
		api_cancel(t->call);
	timer_stop(&t->timer);
	task_drop(&t->settle);
	watch_leave(&t->watcher);
	cluster_drop(t->cluster);
	loop_free_later(t, free);
}

const struct k8s_pod *k8s_pod(const struct k8s_target *t)
{
	return *t->pod.name ? &t->pod : NULL;
}

const struct err *k8s_error(const struct k8s_target *t)
{
	return &t->err;
}

const char *k8s_warning(const struct k8s_target *t)
{
	return *t->warning ? t->warning : NULL;
}

void k8s_distrust(struct k8s_target *t, const char *uid)
{
	if (*uid)
		pod_distrust(&t->distrust, uid);
	t->asked = true;
	if (!watch_path(&t->watcher) || !t->has_rule) {
		look(t);
		return;
	}
	task_post(&t->settle);
	watch_doubt(&t->watcher);
}
