/* Opt-in checks of the application behind a forward, through the forward's own
 * local port as a user's connection goes: by TCP, by HTTP, or by a program.
 *
 * Such a probe reaches the application, so its log shows it.  Knows nothing of
 * when one is due, nor of what follows from what it finds; one at a time is the
 * owner's business, and so is that the forward is Active: where connections are
 * held, none of them says anything of the application.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

enum {
	PROBE_LIMIT_MS = 2000,       /* tcp and http, from the start to the verdict */
	PROBE_QUIET_MS = 1000,       /* tcp: nothing bad for so long is well */
	PROBE_HEAD_MAX = 16384,      /* http: bytes of the answer's heads */
	PROBE_EXEC_LIMIT_MS = 10000, /* then it is killed */
	PROBE_OUTPUT_MAX = 65536,    /* bytes of stdout, and of stderr; then, too */
};

enum probe_kind { PROBE_NONE, PROBE_TCP, PROBE_HTTP, PROBE_EXEC };

/* Starts as {0}: no probe. */
struct probe_spec {
	enum probe_kind kind;
	char *path;  /* HTTP: the request's target, printable ASCII from '/' on */
	char **argv; /* EXEC: ends with NULL, and has at least a program */
};

/* Reads "tcp", "http /PATH" or "exec COMMAND ARGUMENTS" into *spec, which is {0}.
 *
 * A command is cut into words as words.h does it, without a shell.
 *
 * Returns false, with *spec still {0}, if it is none of these; *e then has a
 * hint, or no words where the form above says it all. */
bool probe_parse(struct probe_spec *spec, const char *text, struct err *e);
void probe_spec_free(struct probe_spec *spec); /* back to {0} */

struct probe_target {
	const char *address; /* where the forward listens: of 127.0.0.0/8, or ::1 */
	uint16_t port;
	const char *forward; /* its name, cluster/service */
};

struct probe;

/* Starts one, of a kind that is not PROBE_NONE.  Neither `spec` nor `at` need
 * outlive the call.  `on` is called once, from the loop, behind which the probe
 * is no more:
 *
 * - tcp is well where the connection, once it is there, brings data, ends in
 *   good order or stays quiet; the local port takes every connection, so only
 *   how one goes on says something.
 * - http sends a GET, and is well at a status from 200 to 399.  The body is not
 *   read.
 * - exec runs the program with porter's working directory and environment,
 *   PORTER_LOCAL_PORT (the number) and PORTER_FORWARD (the name) added, and is
 *   well at exit status 0.
 *
 * e->kind is then ERR_NONE.  ERR_LOCAL: it could not be made (no descriptors, no
 * such program).  ERR_NOT_READY: the application does not answer as it should,
 * and e->text ("probe: HTTP status 503") says how; where a program ends with
 * another status, in the last line that it printed to stderr, or else to stdout.
 *
 * `said`: where a program found all well, the last line that it printed to
 * stdout, or else to stderr; "" otherwise.  One line, safe to show (text.h). */
struct probe *probe_start(const struct probe_spec *spec, const struct probe_target *at,
	void (*on)(void *owner, const struct err *e, const char *said), void *owner);

/* Gives up, before `on` is called; it is not called any more.  A program is killed. */
void probe_cancel(struct probe *p);
