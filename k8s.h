/* What a forward points at: a service, a workload or a pod by name, or pods by their
 * labels; and the pod and port that serve it now, kept current.  Knows nothing of local
 * sockets or of tunnels.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct cluster;

enum k8s_type {
	K8S_SERVICE,
	K8S_POD,
	K8S_DEPLOYMENT, /* this one and the next two, workloads: what their selectors match */
	K8S_STATEFULSET,
	K8S_DAEMONSET,
	K8S_SELECTOR, /* the pods that a label selector matches */
};

struct k8s_ref {
	enum k8s_type type;
	char *namespace;
	char *name;      /* a selector's is the selector, as kubectl's -l takes it; never empty */
	uint16_t port;   /* of the service; of the pod for all other types */
	char *port_name; /* that port by its name, and `port` is 0; or NULL */
};

enum {
	K8S_NAME = 254, /* RFC 1123 subdomain: at most 253 characters, and a NUL */
	K8S_UID = 64,
};

/* A pod that can be connected to, and the port that answers there. */
struct k8s_pod {
	char name[K8S_NAME];
	char uid[K8S_UID]; /* "" where we may not look at pods */
	uint16_t port;
	bool passes_half_close; /* its container runtime passes a client's end on, and goes on
				   with the other direction */
	bool ready;      /* its Ready condition; one may be used without: by name, or where the
			    service has publishNotReadyAddresses.  True where we may not look */
	bool distrusted; /* k8s_distrust() was told of it, and there is no other */
};

struct k8s_target;

enum { K8S_SERVICE_LOOKS = 6 };

/* Begins to follow `ref` (it and its strings must outlive the target): its pods are
 * watched (watch.h), the service or workload is asked for each K8S_SERVICE_LOOKS
 * intervals.  Where a pod by name may neither be listed nor watched, it is got each
 * interval; where it may not be got, it is used as it is called, unless its port has to
 * be looked up by name.
 *
 * `on` is called from the loop whenever what k8s_pod(), k8s_error() or k8s_warning()
 * tell has changed, and whenever a look has ended that was asked for.
 */
struct k8s_target *k8s_follow(struct cluster *cluster, const struct k8s_ref *ref,
	int64_t interval_ms, void (*on)(void *owner), void *owner);
void k8s_set_interval(struct k8s_target *t, int64_t ms); /* from the next look on */
void k8s_unfollow(struct k8s_target *t);                 /* allowed in `on` */

/* The pod in use: chosen when there was none or the last one is gone, and kept
 * by UID while it serves (Ready ones; or Running ones, where the service has
 * publishNotReadyAddresses; not terminating; the newest).  So in a rollout, while
 * a Deployment's selector matches pods of two ReplicaSets, it is one of the new
 * ones; kubectl takes the one that has been ready for longest, and takes one that is
 * not ready if there is no other (podutils.ActivePods).  Where we may not look at
 * pods, one by name is taken as it is called.  NULL while there is none; changes
 * only before a call of `on`. */
const struct k8s_pod *k8s_pod(const struct k8s_target *t);

/* What is wrong now; kind ERR_NONE when all is well, and before the first look has
 * ended.  With a pod, it says
 *	ERR_NOT_READY: the pod is going (no longer ready, or terminating) but still
 *		Running, and there is no other;
 *	else: the look did not succeed (network, refusal) or the watch is broken, and
 *		the pod is the one known from before.
 * Without, why there is none.  ERR_NOT_FOUND always means that there is none. */
const struct err *k8s_error(const struct k8s_target *t);

/* What the last look warns of that succeeded (a remote port the service does
 * not have, pods we may not look at), or NULL. */
const char *k8s_warning(const struct k8s_target *t);

/* Looks again now; if a look is under way, its result counts. */
void k8s_look(struct k8s_target *t);

/* The pod of that UID cannot be used, whatever its object says: not chosen
 * again until it is another one or no other is left (then the one that was
 * distrusted first).  Chooses again now, and counts as a look. */
void k8s_distrust(struct k8s_target *t, const char *uid);
