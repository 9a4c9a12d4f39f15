/* What is wrong with an input, collected on the way and told at the end: in the
 * order of its lines, each with its place, and with its remedies below it.
 *
 *	unknown key 'kubconfig' in [cluster prod] (porter.ini:14)
 *	  did you mean 'kubeconfig'?
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

enum { PROBLEMS_SHOWN = 50 }; /* more than that, and the input is something else */

struct place {
	const char *file; /* or another name of what was read; NULL: it goes without saying */
	unsigned line;    /* from 1; 0: of all of it */
};

/* Starts as {0}; problems_tell() brings it back to that. */
struct problems {
	struct problem *all;
	size_t count;
};

/* The words need not be safe to show: told, they are (text.h). */
void problems_add(struct problems *p, struct place at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A line of remedy for the problem that was added last; "" is none. */
void problems_remedy(struct problems *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Appends them all, a line each; remedies have lines of their own, indented by
 * two blanks, as has the one that counts those that are not shown.  True if there
 * were none. */
bool problems_tell(struct problems *p, struct buf *out);
