/* Whether a forward does what it is for, asked from outside each interval: its local
 * port takes a connection in time and, where the configuration asks for it, a probe
 * reaches the application.  Knows nothing of pods and tunnels.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "probe.h"

struct health;

enum {
	HEALTH_LIMIT_MS = 2000, /* for the local port to take a connection */
	HEALTH_AGAIN_MS = 1000, /* to the next check, where a probe has failed once, or none
				   could be made */
	HEALTH_TRIES = 2,       /* probes that fail in a row before it counts */
};

/* What it has must outlive the health. */
struct health_spec {
	struct probe_target at;
	const struct probe_spec *probe;
	int64_t interval_ms;
};

/* `on` is called from the loop when health_error() has changed. */
struct health *health_new(const struct health_spec *spec, void (*on)(void *owner), void *owner);
void health_free(struct health *h);
void health_set_interval(struct health *h, int64_t ms); /* from the next check on */

/* Checks from now on, the first at once; or not any more, and what was found is
 * forgotten.  Between health_pause() and the end of the next check what counts goes on
 * to count; `on` is called then, even where it is the same as before.  Where
 * descriptors are not plenty (ulimit.h) nothing is checked.  Each is harmless where it is
 * so already. */
void health_start(struct health *h);
void health_pause(struct health *h);
void health_stop(struct health *h);

/* A connection was accepted from this address: whether it is the check's own, which
 * ends here and goes nowhere. */
bool health_is_own(struct health *h, const struct sockaddr_storage *from);

/* Kind ERR_NONE: well, or not known.  ERR_LOCAL: the local port; ERR_NOT_READY: the
 * application. */
const struct err *health_error(const struct health *h);

/* What is to be said of it: the words of a probe that is well, or of a first one that
 * has failed; or "". */
const char *health_note(const struct health *h);

int64_t health_checked_ms(const struct health *h); /* when it was last well */
