/* Forwards that are added while porter runs, beside those of its configuration: read from
 * words as on the command line, kept through reloads, and written to its file as sections.
 *
 * Knows nothing of who wants them, or of what becomes of them.
 */
#pragma once
#include <stdbool.h>

#include "adhoc.h"
#include "config.h"
#include "manager.h"

/* Extends *c by what the words say: "svc/api 8080:80", with -context, -n (or -namespace)
 * and -kubeconfig before or behind, all as adhoc.h has it.  Without -context and -kubeconfig
 * it is in the cluster of the forward of *c that is called `beside`, and in its namespace
 * without -n, too; without any of them, and where `beside` is NULL, as `otherwise` says
 * (but for its words).
 *
 * Sections' names are made to fit, and unlike any other.  False if anything is wrong, what
 * they make together with the rest included: *errors then has it as config_load() does, and
 * *c is to be freed.  added_settle() is to follow. */
bool added_read(struct config *c, const char *words, const char *beside,
	const struct adhoc *otherwise, struct buf *errors);

/* What was read last is used from now on, or it is forgotten. */
void added_settle(bool use);

/* Extends *c, as it was read anew, by what is used; but for what stands in its file by now,
 * and what is of a cluster that does not: that is forgotten, with a line in the log. */
void added_extend(struct config *c);

/* Appends what is used and not in the file yet to it, by one write(2): forwards, with the
 * ports that they have in `m`, and the clusters that they are the first of.  A file that
 * cannot be loaded with them (by `pick`, as it is loaded otherwise) becomes as it was.
 * False with the cause in *said, or true with the sections' names. */
bool added_save(const char *path, const struct config_pick *pick, const struct manager *m,
	struct buf *said);

void added_free(void);
