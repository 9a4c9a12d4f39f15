/* The pods of one namespace and selector as they are now: listed page by page, then
 * watched; where they may not be watched, listed again and again.
 *
 * Shared by all that ask a cluster for the same.  Knows nothing of services, nor
 * which pod is wanted.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "pod.h"

struct cluster;
struct watch;

enum {
	WATCH_PAGE = 500,                              /* pods of one answer */
	WATCH_PAGES_MAX = 200,                         /* of one list */
	WATCH_PODS_MAX = WATCH_PAGE * WATCH_PAGES_MAX, /* more are left out */
	WATCH_S = 300,        /* the server ends a watch after it, and it is begun again */
	WATCH_WAIT_MS = 1000, /* before a try that follows a failure; twice that for the next */
	WATCH_WAIT_MAX_MS = 10000,
	WATCH_POLLS = 60, /* lists after which one that could not be watched is tried again */
};

/* One that is told; embedded in its owner.  Starts as {0}: it has joined none. */
struct watcher {
	struct watch *watch;
	struct watcher *next, **prev;
	void (*on)(struct watcher *w);
};

/* Joins the watch of `path` ("/api/v1/namespaces/shop/pods?labelSelector=..."; copied),
 * which begins with the first one.  `on` is called from the loop when the pods or the
 * error may have changed, and once for those who join.  `interval_ms` lies between
 * lists where there is no right to watch. */
void watch_join(struct watcher *w, struct cluster *c, const char *path, int64_t interval_ms,
	void (*on)(struct watcher *w));

/* Another interval lies between lists from now on, for all who have joined.  Harmless if
 * it has joined none. */
void watch_set_interval(struct watcher *w, int64_t interval_ms);
void watch_leave(struct watcher *w); /* allowed in `on`; harmless if it has joined none */

const char *watch_path(const struct watcher *w); /* NULL: it has joined none */

/* The i-th pod, in no order; NULL behind the last.  Dies at return to the loop. */
const struct pod *watch_pod(const struct watcher *w, size_t i);
bool watch_is_listed(const struct watcher *w); /* once; else there are no pods yet */

/* Why the pods may have changed since without our knowing: the last try to list or to
 * watch them failed.  Kind ERR_NONE: they are as they are. */
const struct err *watch_error(const struct watcher *w);

/* Where the last try failed, or pods are only listed: again now, and `on` is called at its
 * end.  Not before the time that the server has named (err.wait_s): `on` is called soon. */
void watch_look(struct watcher *w);

/* The server itself says otherwise (a pod that is known here is gone): the watch may have
 * died unnoticed, and is begun anew with a list, unless the last one is from just now. */
void watch_doubt(struct watcher *w);

/* Connections may be dead without our knowing: all watches are begun again, from where
 * they were, and no wait goes on. */
void watch_renew_all(void);
