/* For tests with descriptors: the loop runs until something is so.  Whatever may
 * change it calls loop_stop().
 */
#pragma once
#include <arpa/inet.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"

enum { PATIENCE_MS = 30000, QUIET_MS = 30, QUIET_ROUNDS = 10 };

static inline void stop_by_timer(struct timer *timer)
{
	(void)timer;
	loop_stop();
}

static inline void stop_by_task(struct task *task)
{
	(void)task;
	loop_stop();
}

/* Returns whether it came to be so.  The first round ends at once: it closes
 * what was closed outside the loop. */
static inline bool loop_until(bool (*done)(void))
{
	struct timer patience = {.on = stop_by_timer};
	struct task round = {.on = stop_by_task};
	timer_after(&patience, PATIENCE_MS);
	task_post(&round);
	do
		loop_run();
	while (!done() && timer_is_set(&patience));
	timer_stop(&patience);
	return done();
}

/* Until it has slept, but for a few rounds, for QUIET_MS.  Returns false if it
 * never does. */
static inline bool loop_until_quiet(void)
{
	struct timer quiet = {.on = stop_by_timer};
	uint64_t began;
	for (int tries = 0; tries < PATIENCE_MS / QUIET_MS; tries++) {
		timer_after(&quiet, QUIET_MS);
		began = loop_rounds();
		while (timer_is_set(&quiet))
			loop_run();
		if (loop_rounds() - began < QUIET_ROUNDS)
			return true;
	}
	return false;
}

/* The clock jumps; what has become due is done, and what follows from that. */
static inline void loop_skip(int64_t ms)
{
	struct task round = {.on = stop_by_task};
	loop_clock_skip(ms);
	task_post(&round);
	loop_run();
	loop_until_quiet();
}

/* How many this process has open. */
static inline unsigned descriptors(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* A port of 127.0.0.1 that nobody has; 0 if there is none. */
static inline uint16_t unused_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) || getsockname(fd, (struct sockaddr *)&a, &n))
		a.sin_port = 0;
	close(fd);
	return ntohs(a.sin_port);
}
