/* `-detach`: porter goes on in the background, and who started it learns whether
 * it came up.
 *
 * One fork: the first process waits, the second one is porter.  That is the leader
 * of a session without a terminal, and keeps to that without a second fork, since
 * porter opens no file without O_NOCTTY.  The folder stays: paths are relative to
 * it.  Knows nothing of what there is to come up.
 */
#pragma once
#include <stdbool.h>

/* Forks.  To be called before all that belongs to a process: locks, the loop,
 * sockets that listen (which tell their peers the process that called listen(2)).
 *
 * In the child it returns true at once.  In the parent it returns false when the
 * child has called detach_ready(), or has ended, with *status being what to exit
 * with: 0, or that of the child (EXIT_BY_SIGNAL and the signal if that killed it).
 * Until then both share stderr, where the child says what is wrong; and the child
 * is sent SIGTERM if the parent dies, of Ctrl+C, say.  Standard descriptors that
 * were closed are /dev/null for both. */
bool detach_begin(int *status);

/* In the child: it is up.  Closes what porter was started with (a lock must not be held
 * for good), moves stdin, stdout and stderr to /dev/null, then tells
 * the parent, which prints `text` as a line on its stdout and exits; from then on no
 * terminal's end reaches us.  Returns false, with errno set, if that was not possible
 * or there is no parent to tell any more: porter ends then.  Does nothing, and
 * returns true, where nothing was detached. */
bool detach_ready(const char *text);
