/* Asks a porter of this user that runs: -status, -stop, -reconnect, -disable, -enable.
 *
 * Waits, with limits.  What is asked for is said by the one that runs (control.h); this
 * finds it, and prints what it says.
 */
#pragma once
#include "options.h"

/* Returns the exit status; what is wrong is on stderr. */
int ask(const struct options *o);
