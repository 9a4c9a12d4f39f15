/* One look at a time: service, then its pods page by page; or a pod by its
 * name.  What it means is decided in pod.c. */
#include "k8s.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "loop.h"
#include "mem.h"
#include "pod.h"

enum {
	PAGE = 500,      /* pods of one answer */
	PAGES_MAX = 200, /* of one look */
};

struct k8s_target {
	struct cluster *cluster;
	const struct k8s_ref *ref;
	int64_t interval_ms;
	void (*on)(void *owner);
	void *owner;
	struct timer timer; /* until the next look */
	struct pod_distrust distrust;

	/* Of the look under way. */
	struct api_call *call; /* NULL: none */
	struct pod_rule rule;
	struct pod_choice choice;
	struct buf list; /* the path that lists the pods, without "continue" */
	unsigned pages;

	/* Of those that have ended. */
	struct k8s_pod pod; /* name "": none */
	struct err err;
	char warning[ERR_TEXT];
};

/* ---- paths ---- */

/* Percent-encodes all but unreserved characters (RFC 3986, 2.3). */
static void put_encoded(struct buf *out, const char *text)
{
	static const char Plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-._~"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	for (; *text; text++)
		if (strchr(Plain, *text))
			buf_put(out, text, 1);
		else
			buf_print(out, "%%%02X", (unsigned char)*text);
}

/* "/api/v1/namespaces/NAMESPACE/KIND" and, unless it is NULL, "/NAME". */
static struct buf path_of(const struct k8s_target *t, const char *kind, const char *name)
{
	struct buf path = {0};
	buf_print(&path, "/api/v1/namespaces/");
	put_encoded(&path, t->ref->namespace);
	buf_print(&path, "/%s", kind);
	if (name) {
		buf_print(&path, "/");
		put_encoded(&path, name);
	}
	return path;
}

static void put_selector(struct buf *out, const struct value *labels)
{
	const struct value *key = value_first(labels);
	for (const char *comma = ""; key; key = value_next(labels, key), comma = ",") {
		const char *value = value_text(value_of(key));
		put_encoded(out, comma);
		put_encoded(out, value_text(key));
		put_encoded(out, "=");
		put_encoded(out, value ? value : "");
	}
}

/* Takes the path over. */
static void ask(
	struct k8s_target *t, struct buf path, void (*on)(void *owner, const struct api_answer *))
{
	buf_put(&path, "", 1);
	t->call = api_get(t->cluster, (const char *)buf_data(&path), on, t);
	buf_free(&path);
}

/* ---- the end of a look ---- */

static void forget_look(struct k8s_target *t)
{
	if (t->call)
		api_cancel(t->call);
	t->call = NULL;
	buf_free(&t->list);
}

/* A look that ended in `e` without having seen what it wanted leaves the pod as
 * it was; only what is not there takes it away. */
static void end_look(struct k8s_target *t, const struct err *e)
{
	t->err = *e;
	if (e->kind == ERR_NOT_FOUND)
		t->pod = (struct k8s_pod){0};
	forget_look(t);
	timer_about(&t->timer, t->interval_ms);
	t->on(t->owner);
}

static void end_with(struct k8s_target *t, const struct k8s_pod *pod, const struct err *e)
{
	t->pod = pod ? *pod : (struct k8s_pod){0};
	memcpy(t->warning, t->rule.warning, sizeof t->warning);
	end_look(t, e);
}

static void end_in_choice(struct k8s_target *t)
{
	struct err e = {0};
	end_with(t, pod_chosen(&t->choice, &e), &e);
}

static void begin_choice(struct k8s_target *t)
{
	t->choice =
		(struct pod_choice){.rule = &t->rule, .uid = t->pod.uid, .distrust = &t->distrust};
}

static void consider_all(struct k8s_target *t, const struct value *list)
{
	const struct value *items = value_get(list, "items");
	for (const struct value *pod = value_first(items); pod; pod = value_next(items, pod))
		pod_consider(&t->choice, pod);
}

/* ---- a service and its pods ---- */

static void on_list(void *owner, const struct api_answer *a);

static void ask_list(struct k8s_target *t, const char *go_on)
{
	struct buf path = {0};
	buf_put(&path, buf_data(&t->list), buf_len(&t->list));
	if (go_on) {
		buf_print(&path, "&continue=");
		put_encoded(&path, go_on);
	}
	ask(t, path, on_list);
}

static void on_list(void *owner, const struct api_answer *a)
{
	struct k8s_target *t = owner;
	const char *go_on = value_text(value_at(a->body, "metadata/continue"));
	t->call = NULL;
	if (a->err.kind) {
		end_look(t, &a->err);
		return;
	}
	consider_all(t, a->body);
	if (go_on && *go_on && ++t->pages < PAGES_MAX)
		ask_list(t, go_on);
	else
		end_in_choice(t);
}

static void on_service(void *owner, const struct api_answer *a)
{
	struct k8s_target *t = owner;
	struct err e = a->err;
	t->call = NULL;
	if (e.kind || !pod_rule_of_service(&t->rule, t->ref, a->body, &e)) {
		end_look(t, &e);
		return;
	}
	begin_choice(t);
	t->pages = 0;
	t->list = path_of(t, "pods", NULL);
	buf_print(&t->list, "?limit=%d&labelSelector=", PAGE);
	put_selector(&t->list, value_at(a->body, "spec/selector"));
	ask_list(t, NULL);
}

/* ---- a pod by name: get it, or list it, or do without a look ---- */

/* The upgrade will tell. */
static void take_unseen(struct k8s_target *t, const struct err *why)
{
	struct k8s_pod pod = {.port = t->ref->port, .ready = true};
	struct err text = {0};
	snprintf(pod.name, sizeof pod.name, "%s", t->ref->name);
	err_set(&text, ERR_FORBIDDEN, 0, "pod is used without a look at it: %s", why->text);
	memcpy(t->rule.warning, text.text, sizeof t->rule.warning);
	end_with(t, &pod, &(struct err){0});
}

static void on_list_of_one(void *owner, const struct api_answer *a)
{
	struct k8s_target *t = owner;
	t->call = NULL;
	if (a->err.kind == ERR_FORBIDDEN) {
		take_unseen(t, &a->err);
	} else if (a->err.kind) {
		end_look(t, &a->err);
	} else {
		consider_all(t, a->body);
		end_in_choice(t);
	}
}

static void on_pod(void *owner, const struct api_answer *a)
{
	struct k8s_target *t = owner;
	t->call = NULL;
	if (a->err.kind == ERR_FORBIDDEN) {
		struct buf path = path_of(t, "pods", NULL);
		buf_print(&path, "?fieldSelector=metadata.name%%3D");
		put_encoded(&path, t->ref->name);
		ask(t, path, on_list_of_one);
	} else if (a->err.kind) {
		end_look(t, &a->err);
	} else {
		pod_consider(&t->choice, a->body);
		end_in_choice(t);
	}
}

/* ---- targets ---- */

void k8s_look(struct k8s_target *t)
{
	if (t->call)
		return;
	timer_stop(&t->timer);
	if (t->ref->type == K8S_SERVICE) {
		ask(t, path_of(t, "services", t->ref->name), on_service);
		return;
	}
	t->rule = pod_rule_of_name(t->ref);
	begin_choice(t);
	ask(t, path_of(t, "pods", t->ref->name), on_pod);
}

static void on_timer(struct timer *timer)
{
	k8s_look(OWNER_OF(timer, struct k8s_target, timer));
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
		.timer.on = on_timer};
	k8s_look(t);
	return t;
}

void k8s_unfollow(struct k8s_target *t)
{
	forget_look(t);
	timer_stop(&t->timer);
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
	if (*uid && pod_distrust(&t->distrust, uid))
		forget_look(t);
	k8s_look(t);
}
