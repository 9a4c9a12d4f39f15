/* What would become of each forward, found out without serving any: its service or pod
 * is looked for, and a tunnel to the pod opened and asked through once.  No local port
 * is touched, no probe is run, nothing reaches an application.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "k8s.h"

struct check;
struct cluster;

enum { CHECK_AT_ONCE = 32 }; /* of each cluster; others wait for their turn */

/* What it has must outlive the check. */
struct check_spec {
	const char *name; /* "cluster/service", as messages call it */
	struct cluster *cluster;
	const struct k8s_ref *ref;
	uint16_t local_port; /* 0: any free one */
};

/* What the owner is told, from the loop only. */
struct check_ops {
	/* One line, without its end; dies at return.  The verdict on a forward is
	 *	NAME ok: 8080 -> pod web-1 (Ready), port 80, by websocket
	 * with what is to be known besides behind it, or
	 *	NAME failed: service not found
	 * in the words of its state, and the remedy, where that is not plain, in a line
	 * indented by two blanks.  The last line counts, and says what was not done. */
	void (*line)(void *owner, const char *line);
	/* Behind the last line; check_free() is allowed. */
	void (*end)(void *owner, size_t failed);
};

/* Checks `count` forwards; the array must outlive the check, too.  One try each, within
 * `limit_ms` from its turn on; it is not repeated, whatever has failed.  Verdicts on the
 * forwards of one cluster come in their order; clusters do not wait for each other.
 * Those of a cluster that gave no answer in time to the first ones fail with them. */
struct check *check_start(const struct check_spec *specs, size_t count, int64_t limit_ms,
	const struct check_ops *ops, void *owner);
void check_free(struct check *c); /* at any time but in `line`; nothing more is told */
