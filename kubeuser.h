/* A user of a kubeconfig: its credentials, by whichever of the ways there are, and whom
 * it acts as.  Reads what client-go would use and checks what client-go checks
 * (tools/clientcmd/validation.go, plugin/pkg/client/auth); runs and renews nothing.
 */
#pragma once
#include "entry.h"
#include "kubeconfig.h"

/* Fills the members of *k under "who we are" (checks them only, where k->tls is not set)
 * and "whom to act as".  False with user->e set; *k may then hold some of it. */
bool kubeuser_read(const struct entry *user, struct kubeconfig *k);
