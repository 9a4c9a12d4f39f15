/* Forwards named on the command line, as kubectl's port-forward names them:
 *
 *	svc/api 8080:80 9090:metrics pod/db 5432
 *
 * A resource is TYPE/NAME (services, pods, deployments, statefulsets and
 * daemonsets, by all of kubectl's names for them), or a pod's NAME; ports follow
 * it: "LOCAL:REMOTE", "PORT" for both, ":REMOTE" for any free local one.  A
 * remote port may be a name.  Unlike kubectl's, one line may name several.
 */
#pragma once
#include <stdbool.h>

#include "config.h"

struct adhoc {
	const char *kubeconfig, *context, *namespace; /* each NULL: as kubectl has it */
	char *const *words;                           /* ends with NULL */
};

/* The types, for messages. */
#define ADHOC_TYPES "svc, pod, deploy, sts and ds"

/* Whether the words mean this: one is TYPE/NAME of a known type, or a port (digits,
 * or a colon with no '/' before it).  Otherwise they may be names of forwards of a
 * file, which may have a '/', too. */
bool adhoc_is(char *const *words);

/* Makes *c, which is {0}, of it: one cluster, called as the context is (which is
 * looked up in the kubeconfig, as the namespace is), and a forward for each
 * port.  A forward is called as the resource, the second one of it with the
 * local port behind: "api", "api-9090".  Settings are as config_defaults() has
 * them.  False if anything is wrong: *errors then has every error as
 * config_load()'s has, but without places, and *c is {0}. */
bool adhoc_config(struct config *c, const struct adhoc *a, struct buf *errors);
