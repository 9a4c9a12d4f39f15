/* What is said on stdout, a line at a time; a reader that does not read, or is gone,
 * holds up nothing (out.h).
 */
#pragma once
#include "forward.h"

enum report_form {
	REPORT_NOTHING, /* stdout is somebody else's: a command's, or nobody's */
	REPORT_CHANGES, /* "prod/api Active: checked 0s ago" for each change of state */
	REPORT_PORTS,   /* kubectl's "Forwarding from 127.0.0.1:8080 -> 80", once it is so */
};

void report_begin(enum report_form form);
void report_changed(struct forward *f);
void report_removed(const struct forward *f);

/* Puts out what can be without waiting. */
void report_end(void);
