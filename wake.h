/* What makes it worth while to look at every connection at once: the machine was
 * asleep, or the ways out of it have changed.  Does not know what to do then.
 */
#pragma once

enum wake {
	WAKE_SLEPT,  /* for more than a second: connections may be dead, waits are too long */
	WAKE_ROUTES, /* addresses, routes or rules for routing came or went */
};

enum {
	WAKE_SETTLE_MS = 1000, /* from the first change of routes to being told */
	WAKE_PAUSE_MS = 10000, /* between two tellings of WAKE_ROUTES, unless it slept */
};

/* `on` is called from the loop: for each sleep, at its end; and for each burst of
 * changes of routes, but not for those that lead only to this machine or along one
 * link.  Where the kernel does not let us know (no netlink, in some sandboxes) that
 * is logged once, and the rest goes on.  Costs no wake-up while nothing happens. */
void wake_start(void (*on)(enum wake why));

/* It is not called any more.  Harmless when nothing was started. */
void wake_stop(void);
