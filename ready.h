/* Whether every forward is Active, and what follows from that for those who wait for it:
 * -wait's limit, a command, whoever sent us to the background, systemd.
 *
 * Knows nothing of how forwards come to be, or of what else ends porter.
 */
#pragma once
#include <stdbool.h>

#include "manager.h"
#include "options.h"

enum { READY_LIMIT_MS = 30000 }; /* where a command or -detach waits, and -wait says nothing */

/* What it has must outlive all else here. */
struct ready_spec {
	const struct options *options;
	const struct manager *manager;
	void (*end)(int status); /* porter is to end with it: no screen is in the way then */
};

void ready_init(const struct ready_spec *spec);

/* Finds out what can be known of the command before anything is started, for the forwards
 * of `c`: 0, or the exit status with the words appended to *errors. */
int ready_check_command(const struct config *c, struct buf *errors);

/* The limit counts from now on. */
void ready_begin(void);

/* A state has changed, or what forwards there are.  Where it was ready already, systemd is
 * told the count. */
void ready_look(void);

/* For a reload, before and behind it. */
void ready_reload(bool done);

/* Nobody waits, or those who do have been told.  Where nobody does, it is ready when
 * connections to its ports are taken: they are held until they can be served. */
bool ready_is(void);
bool ready_command_runs(void); /* or has run */

void ready_end(void);
