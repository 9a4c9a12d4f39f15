/* The epoll loop: descriptors, timers, tasks, signals, deferred closing.
 *
 * One thread.  A handler runs only from the loop, never from inside a call to
 * this header.  Everything is embedded in its owner, so nothing here allocates
 * for one.  Knows no protocol.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

/* The struct that has `member` at `p`: from what is embedded to its owner. */
#define OWNER_OF(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

/* A descriptor and the events wanted on it (EPOLLIN, EPOLLOUT, EPOLLRDHUP,
 * EPOLLET; EPOLLERR and EPOLLHUP always come). */
struct io {
	int fd; /* -1: none */
	uint32_t want, armed;
	void (*on)(struct io *io, uint32_t events);
};

/* Takes the descriptor over. */
void io_open(struct io *io, int fd, void (*on)(struct io *, uint32_t));

/* What to be told of from now on; 0 is nothing.  The only caller of
 * epoll_ctl(2). */
void io_want(struct io *io, uint32_t events);

/* No event comes after it; fd becomes -1.  close(2) waits for the end of the
 * batch, so that the number cannot come back in it.  Harmless when there is
 * none. */
void io_close(struct io *io);

/* A moment at which to be called, once.  Starts as {.on = handler}. */
struct timer {
	int64_t at_ms; /* by loop_now() */
	size_t slot;   /* in the heap, from 1; 0: not set */
	void (*on)(struct timer *timer);
};

void timer_set(struct timer *timer, int64_t at_ms); /* moves it if it is set */
void timer_after(struct timer *timer, int64_t ms);

/* As timer_after(), for what recurs and need not be exact: up to a tenth of `ms`
 * later, so that many such timers share a wake-up. */
void timer_about(struct timer *timer, int64_t ms);
void timer_stop(struct timer *timer); /* harmless when it is not set */
bool timer_is_set(const struct timer *timer);

/* A call to be made once, soon: behind the events at hand, before the loop
 * sleeps.  A task posted by a task runs in the next round, after a look at the
 * descriptors.  Starts as {.on = handler}. */
struct task {
	struct task *next, **prev; /* prev NULL: not posted */
	void (*on)(struct task *task);
};

void task_post(struct task *task); /* once is enough */
void task_drop(struct task *task);

/* Frees `p` by `free_it` when the present batch of events, timers and tasks is
 * over: the way for an owner to free what may be in use further up the stack. */
void loop_free_later(void *p, void (*free_it)(void *p));

/* Milliseconds of CLOCK_MONOTONIC, read once a round: the only clock there is
 * for waiting. */
int64_t loop_now(void);

/* The same clock as it is now: for those who wait outside of the loop, which need not
 * be there. */
int64_t loop_clock(void);

/* Milliseconds since 1970, as people read them: never for waiting, since it may be
 * set. */
int64_t loop_wall(void);

/* `on` is called first thing in a round when the machine has slept (was suspended)
 * for `ms` since the round before, if that is more than LOOP_SLEPT_MS: loop_now()
 * stood still meanwhile, and so did every timer.  NULL: nobody is told. */
enum { LOOP_SLEPT_MS = 1000 };
void loop_on_sleep(void (*on)(int64_t ms));

/* For tests: all clocks are ahead by so much more from the next round on; and the
 * machine has slept for so long, when the next round begins. */
void loop_clock_skip(int64_t ms);
void loop_clock_sleep(int64_t ms);

/* Called for each arrival of a signal, which is blocked for the process from now
 * on.  `by_kernel`: no process sent it; a terminal did, say, to all of the group. */
void loop_on_signal(int signo, void (*on)(int signo, bool by_kernel));

void loop_init(void);
void loop_run(void);    /* returns after loop_stop() */
void loop_stop(void);   /* when the present batch is over */
void loop_settle(void); /* outside of loop_run(): frees and closes what was put off */
void loop_end(void);    /* behind the last run: frees and closes what was put off, and the loop */

/* Rounds of the loop since the start: wake-ups, for tests and benchmarks. */
uint64_t loop_rounds(void);
