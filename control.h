/* What the other porters of this user may ask of this one while it runs: its state, that
 * it stops, or something about one forward, and its ports.  The requests (ipc.h, behind
 * INSTANCE_SPEAKS) and their answers, each of which begins with "ok" or "error WORDS":
 *
 *	status              the table
 *	status-json         the same as JSON, by status.schema.json
 *	config              the path of the configuration; nothing where there is none;
 *	                    CONTROL_ENDS before it where another has taken over
 *	stop                it ends when the conversation does
 *	reconnect NAME, disable NAME, enable NAME
 *	hand-over           see takeover.h
 */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "manager.h"
#include "status.h"

#define CONTROL_ENDS "ok-ends"

/* What it has must outlive all else here. */
struct control_spec {
	struct manager *manager;
	const struct status_of *self;
	void (*stop)(void);
	/* Its ports are another's now: they are not listened on here any more, and what is
	 * connected goes on.  By which process; all of them, or those asked for only. */
	void (*taken_over)(pid_t by);
	bool (*keeps_others)(void); /* ports that are not asked for go on here */
};

void control_begin(const struct control_spec *spec);

/* Stops a forward, or starts it again, for whoever is at this process.  False, with the
 * cause appended to *words: its port is taken, or all are handed over to another porter. */
bool control_stop(struct forward *f, struct buf *words);
bool control_start(struct forward *f, struct buf *words);

/* What forwards there are, or that are stopped, has changed. */
void control_claim(void);

void control_end(void);
