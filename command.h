/* The command of `porter ... -- COMMAND`: its environment, the signals that are
 * passed on to it, and the status it ends with.
 *
 * It is an attached child (child.h): porter's terminal, process group and
 * standard descriptors are its own.  SIGTSTP and SIGCONT keep their default
 * action, so job control stops and continues both.  There is one at most.  Knows
 * nothing of forwards but their names and addresses, nor when to start.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct command_forward {
	const char *name; /* of its section */
	const char *address;
	uint16_t port;
};

/* Nothing of it is copied: all but argv may go when the call is over. */
struct command_spec {
	const char *const *argv; /* ends with NULL; argv[0] is looked up in PATH */
	const struct command_forward *forward;
	size_t forwards;
};

/* What can be known before anything is started: that there is no such program, or
 * that two forwards would share their variables.  Returns 0, or the exit status
 * (exit.h) with *e set. */
int command_check(const struct command_spec *spec, struct err *e);

/* Starts it, with PORTER_<NAME>_ADDR and PORTER_<NAME>_PORT for each forward, NAME
 * being in upper case with '_' for each character but A-Z and 0-9.
 *
 * From now on SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are the
 * command's: each is passed on to it, but for those that a terminal sent to the
 * whole group.  So porter ends when the command does, however long that takes.
 * (A process that signals the whole group does it twice to the command: that is
 * not to be told from a signal to porter alone.)
 *
 * `on` is called once, from the loop, with the exit status: the command's own,
 * EXIT_BY_SIGNAL and the signal that killed it, or EXIT_COMMAND_NOT_RUN or
 * _NOT_FOUND, where stderr says why. */
void command_start(
	const struct command_spec *spec, void (*on)(void *owner, int status), void *owner);
