/* A porter and its forwards as text: JSON for programs, a table for people.
 *
 * Knows neither who asks nor how it is brought to them.
 */
#pragma once
#include "buf.h"
#include "manager.h"

/* What there is to be said of the process itself. */
struct status_of {
	long pid;
	const char *version;
	const char *config; /* its file; NULL: forwards of the command line */
	const char *log;    /* its file; NULL: stderr */
	int64_t started_ms; /* by loop_wall() */
	bool draining;      /* another porter has its sockets */
};

/* Appends one JSON text (RFC 8259) in one line, as status.schema.json at the top level
 * documents it.  No secrets are in it. */
void status_json(struct buf *out, const struct manager *m, const struct status_of *self);

/* Appends a line on the process, and, behind an empty one, a row for each forward, in
 * columns as wide as they need be.  Nothing in it is obeyed by a terminal. */
void status_table(struct buf *out, const struct manager *m, const struct status_of *self);
