/* Which pods and which port a service or a workload means, and which of its pods to
 * take: decided from the API's objects alone.
 *
 * No requests.  Knows nothing of how the objects were got.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "k8s.h"
#include "value.h"

enum {
	POD_PORT_NAME = 64,  /* IANA_SVC_NAME: 15 characters; custom ones are not longer */
	POD_PHASE = 16,      /* "Succeeded" is the longest */
	POD_TIME = 32,       /* RFC 3339 in UTC: order of text is order of time */
	POD_DISTRUSTED = 16, /* the first of more is forgotten */
};

/* What is kept of a Pod object: a hundredth of it. */
struct pod {
	char name[K8S_NAME], uid[K8S_UID];
	char created[POD_TIME], phase[POD_PHASE]; /* "" where they are not known */
	bool ready, terminating, passes_half_close;
	unsigned port_count;
	struct pod_port {
		uint16_t number;
		bool tcp;
		char name[POD_PORT_NAME];
	} port[]; /* of its containers, then of its sidecars */
};

/* To be given to free(3).  NULL: the object is no pod that could be asked for. */
struct pod *pod_read(const struct value *object);

/* What is asked of a pod. */
struct pod_rule {
	const struct k8s_ref *ref;
	bool unready;  /* Running is enough: a pod by name, publishNotReadyAddresses */
	uint16_t port; /* of the pod; counts where there is no name */
	char port_name[POD_PORT_NAME]; /* or "": as the pod's containers call it */
	char warning[ERR_TEXT];        /* or "" */
};

/* What messages call it: "service", ... */
const char *pod_type_name(enum k8s_type type);

/* A pod by name, or pods by a selector: `ref` itself says all. */
struct pod_rule pod_rule_of_ref(const struct k8s_ref *ref);

/* From the object that `ref` names, a service or a workload; its selector goes into
 * *selector, which is {0}, as lists take it ("app=web,tier in (a,b)"; not encoded).  False
 * with *e set (ERR_NOT_FOUND) where it leads to no pods or not to TCP, or has no selector
 * (which would match all pods) or one that is not understood.
 *
 * A service's port is the one of that number or name.  It leads to its targetPort; for
 * headless services to itself, as in kubectl (pkg/util/service_port.go).  A name that no
 * port has is an error, as there; a number is taken for the pod's, with a warning. */
bool pod_rule_of_object(struct pod_rule *rule, struct buf *selector, const struct k8s_ref *ref,
	const struct value *object, struct err *e);

/* UIDs of pods that cannot be used whatever their objects say, the one noted
 * last behind the others. */
struct pod_distrust {
	unsigned count;
	char uid[POD_DISTRUSTED][K8S_UID];
};

/* Returns whether it was not noted yet. */
bool pod_distrust(struct pod_distrust *d, const char *uid);

/* One choice: begun with the rule, the UID in use ("" for none) and those that
 * are distrusted, which must outlive it; then fed with pods. */
struct pod_choice {
	const struct pod_rule *rule;
	const char *uid;
	const struct pod_distrust *distrust;

	unsigned seen;  /* pods that have not run to their end */
	struct err err; /* why a pod by name, or one that is ready, cannot be taken */
	struct pod_candidate {
		struct k8s_pod pod; /* name "": none yet */
		bool serves;        /* as it should; else: in use, going, but still Running */
		unsigned trust;     /* the more the better */
		bool in_use;
		char created[POD_TIME];
	} best;
};

void pod_consider(struct pod_choice *choice, const struct pod *pod);

/* The pod to take, or NULL: the one in use if it serves, else the newest that
 * does, distrusted ones last.  Where none does, *e says why; the one in use is
 * then taken all the same as long as it is Running. */
const struct k8s_pod *pod_chosen(const struct pod_choice *choice, struct err *e);
