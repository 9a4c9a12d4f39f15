/* The kubeconfig files that count, and what a name stands for in all of them together:
 * the first file that has it says what it is, as kubectl merges them (client-go,
 * tools/clientcmd/loader.go).  Knows nothing of what is in an entry.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "entry.h"

struct kubefiles {
	struct kubefile *file; /* those that are there, in order */
	size_t count;
	char **names; /* those that were looked for; ends with NULL */
};

/* Reads `path`; or where it is NULL the files that $KUBECONFIG lists, those that are
 * missing left out, or else ~/.kube/config, into *all, which is {0}.  False with *e set
 * (a file that cannot be read or is no kubeconfig; ERR_NOT_FOUND: `path` was NULL, and
 * there is no file at all); *all is then {0}. */
bool kubefiles_load(struct kubefiles *all, const char *path, struct err *e);
void kubefiles_free(struct kubefiles *all); /* zeroes what was read; back to {0} */

/* The map that `name` stands for: `what` is "context", "cluster" or "user", its list
 * the plural of that.  False with *e set: no file has the name, one has it twice, or it
 * is no map. */
bool kubefiles_find(const struct kubefiles *all, const char *what, const char *name,
	struct entry *found, struct err *e);

/* The current context's name.  False with *e set: there is none. */
bool kubefiles_current(const struct kubefiles *all, const char **name, struct err *e);
/* What to call them in a message: the file's path, or "$KUBECONFIG". */
const char *kubefiles_name(const struct kubefiles *all);
