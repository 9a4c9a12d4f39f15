/* What this process may have: descriptors, whether what it is to do can be done with so
 * many, and how many are left for what can wait; and no core dump.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/* As many descriptors as we may have; and no core dump, which would hold keys. */
void ulimit_set(void);

/* False with words in *errors where so many forwards cannot even begin: their ports, one
 * tunnel and one watch each, and a few connections of all are more than there are
 * descriptors. */
bool ulimit_allow(size_t clusters, size_t forwards, struct buf *errors);

/* ---- what can wait ---- */

/* From now on those that so many forwards cannot do without are kept for them, also while
 * they are not in use: a tunnel that was lost can come back, however many connections
 * wait for it.  The others are for what can wait, one each: local connections, checks,
 * and tunnels beyond the first of a forward.  Before the first call there is no end of
 * them. */
void ulimit_reserve(size_t clusters, size_t forwards);

/* How many of the others are left. */
size_t ulimit_left(void);

/* Whether more than half of them are: for what is only quicker with it, or can be later. */
bool ulimit_is_plenty(void);

/* One is in use, or is not any more.  Also where none was left: it is for the caller to
 * have asked. */
void ulimit_take(void);
void ulimit_give(void);
