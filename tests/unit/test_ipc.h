/* For tests with several processes: a function that runs in a copy of this one, without
 * its descriptors, beside the loop or alone.
 */
#pragma once
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_loop.h"

/* Ends the copy, and so fails the test, unless it is so. */
#define NEED(so) ((so) ? (void)0 : fail_beside(#so, __FILE__, __LINE__))

enum { BESIDE_FDS = 4096 }; /* descriptors that a test has at most */

static inline void fail_beside(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: not so, in process %d: %s\n", file, line, (int)getpid(), what);
	_exit(1);
}

struct beside {
	pid_t pid;
	int fd; /* reads as ended when it has */
};

static inline struct beside beside_start(void (*run)(void))
{
	int pipes[2];
	if (pipe(pipes))
		abort();
	struct beside b = {.pid = fork(), .fd = pipes[0]};
	if (b.pid) {
		close(pipes[1]);
		return b;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int fd = STDERR_FILENO + 1; fd < BESIDE_FDS; fd++)
		if (fd != pipes[1])
			close(fd);
	run();
	_exit(0);
}

/* Waits for its end; returns as waitpid(2). */
static inline int beside_end(const struct beside *b)
{
	int status = -1;
	waitpid(b->pid, &status, 0);
	close(b->fd);
	return status;
}

/* In a process beside, of root's only: it is another user's from now on. */
static inline void become_a_stranger(void)
{
	NEED(!setuid(65534));
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* setuid(2) has forgotten it */
}

static bool BesideOver;

static inline bool beside_over(void)
{
	return BesideOver;
}

static inline void on_beside(struct io *io, uint32_t events)
{
	(void)events;
	io_want(io, 0);
	BesideOver = true;
	loop_stop();
}

/* Runs the loop until `run` has ended in a process beside; returns whether all was well
 * there. */
static inline bool run_beside(void (*run)(void))
{
	struct beside b = beside_start(run);
	struct io io;
	BesideOver = false;
	io_open(&io, b.fd, on_beside);
	io_want(&io, EPOLLIN);
	if (!loop_until(beside_over))
		kill(b.pid, SIGKILL);
	io_want(&io, 0);
	return beside_end(&b) == 0;
}

static inline bool write_to(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, strlen(text)) >= 0;
	if (fd >= 0)
		close(fd);
	return done;
}

/* To a network of our own: names there are nobody else's, and neither are ports.  False:
 * that is not allowed here. */
static inline bool leave_network(void)
{
	char map[64];
	snprintf(map, sizeof map, "%u %u 1", geteuid(), geteuid());
	return !unshare(CLONE_NEWNET) ||
	       (!unshare(CLONE_NEWUSER | CLONE_NEWNET) && write_to("/proc/self/uid_map", map));
}
