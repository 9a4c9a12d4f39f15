/* Child processes: start, time limit, bounded output, and their end.
 *
 * A child is the leader of its own process group, has its standard input from
 * /dev/null, the descriptor limit, signal mask and SIGPIPE as porter found
 * them, no other descriptor of ours, and is killed when porter dies.  One that is
 * attached stands in porter's own place instead, and one that is asking may use its
 * terminal: see there.  Knows nothing of why a program is run.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

struct child;

/* What to run: a program, or, where `argv` is NULL, a function of ours in a
 * forked copy (it writes to descriptor 1 and returns the exit status). */
struct child_spec {
	const char *const *argv; /* ends with NULL; argv[0] is looked up in PATH */
	const char *const *env;  /* ends with NULL; NULL: porter's own */
	int (*run)(void *arg);
	void *arg;
	/* A program only.  It stays in porter's process group, and so in its terminal's
	 * foreground; has standard descriptors, core limit and all else that porter
	 * was started with, descriptors too (ours are closed by execve(2)); has
	 * SIGTERM, not SIGKILL, when porter dies.  None of its output is read, and
	 * where it is killed, its descendants are not. */
	bool attached;
	/* A program only, that may ask someone at the terminal.  It stays in porter's
	 * process group as one that is attached, and has porter's stdin and stderr: only
	 * its stdout is read.  Where it is killed, its descendants are not.  The terminal's
	 * modes are put back behind it: it may have died with the echo off. */
	bool asking;
	/* A program only: a socket that is its stdin and stdout, of which nothing is read
	 * here; 0: none.  It stays the caller's, to be closed behind the call.  Of stderr
	 * the last bytes are kept, and having more does not end it. */
	int socket;
	int64_t limit_ms;  /* killed after it, with its process group; 0: no limit */
	size_t output_max; /* bytes of stdout, and of stderr; killed when it has more */
};

enum child_how {
	CHILD_EXITED,    /* value: status */
	CHILD_SIGNALLED, /* value: signal */
	CHILD_TIMED_OUT,
	CHILD_TOO_MUCH,    /* more output than output_max */
	CHILD_NOT_STARTED, /* value: errno */
};

struct child_end {
	enum child_how how;
	int value;
	struct buf out, err; /* the child's stdout and stderr; freed after the handler */
};

/* Starts it.  `on` is called once, from the loop, when it has ended and its
 * output is read, or could not be started; the child is freed behind that.
 * Others that it left behind with its stdout open are waited for until the limit
 * and killed then; the end that is told is still the child's own.  What they have yet
 * to say on stderr is not waited for.
 * Spec is copied, argv and env need not outlive the call. */
struct child *child_start(
	const struct child_spec *spec, void (*on)(void *owner, struct child_end *end), void *owner);

/* Sends a signal to it alone; does nothing if it has ended. */
void child_signal(const struct child *c, int signo);

/* Kills it and its group; `on` is not called any more.  It is reaped later; one
 * that is asking has left the terminal, and its modes are put back, when this returns. */
void child_kill(struct child *c);

/* Leaves it to itself: `on` is not called any more, and what is left of it after `ms`
 * is killed. */
void child_leave(struct child *c, int64_t ms);

/* Saves the limits, mask and SIGPIPE that children get back; called once, before
 * the loop changes them. */
void child_init(void);

/* Kills and reaps all there are: for the end of the process. */
void child_end_all(void);
