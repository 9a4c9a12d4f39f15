/* From a user's entry to what a request carries: the Authorization field.
 *
 * Token files are read when they are needed.  Knows nothing of forwards.
 */
#pragma once
#include <stdbool.h>

#include "buf.h"
#include "kubeconfig.h"

/* Appends "Authorization: ...\r\n", or nothing where the user has no token or
 * password.  A token file comes before a token, which stands in while the file
 * cannot be used (client-go, transport/round_trippers.go).  The caller wipes the
 * buffer.  False with *e set, and nothing appended: a token file that cannot be
 * read, or a token that no field can hold. */
bool credential_put(struct buf *out, const struct kubeconfig *k, struct err *e);
