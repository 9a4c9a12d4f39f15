/* What this process may have: descriptors, and whether what it is to do can be done with
 * so many; and no core dump.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/* As many descriptors as we may have; and no core dump, which would hold keys. */
void ulimit_set(void);

/* False with words in *errors where so many forwards cannot even begin: their ports, one
 * tunnel and one connection each are more than there are descriptors. */
bool ulimit_allow(size_t clusters, size_t forwards, struct buf *errors);
