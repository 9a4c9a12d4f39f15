/* The epoll loop: one round is a look at the clocks, a batch of events, the timers
 * that are due, the tasks posted so far, and then what was put off to the batch's
 * end. */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"

enum { BATCH = 256, SIGNALS = 65 };

struct later {
	void *p;
	void (*free_it)(void *p);
};

static struct {
	int epoll;
	int64_t now;
	int64_t asleep;          /* CLOCK_BOOTTIME less CLOCK_MONOTONIC */
	int64_t skipped, dreamt; /* by tests: of all clocks; of those that go on in sleep */
	uint64_t rounds;
	void (*on_sleep)(int64_t ms);
	bool stop;

	struct epoll_event batch[BATCH]; /* ptr NULL: closed since it was told */
	int batched;

	struct timer **heap; /* heap[1] is due first */
	size_t timers, heap_cap;

	struct task *tasks, **last;

	int *closing; /* descriptors, until the batch is over */
	size_t closings, closing_cap;
	struct later *later;
	size_t laters, later_cap;

	struct io signal_io;
	sigset_t signals;
	void (*on_signal[SIGNALS])(int signo, bool by_kernel);
} L;

_Noreturn static void give_up(const char *what)
{
	log_line(LOG_ERROR, what, LOG_FIELDS(LOG_NUM("errno", errno)));
	exit(EXIT_FAILURE);
}

/* Room for one more in a growing array. */
static void *room_for_one(void *p, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return p;
	*cap = *cap ? *cap * 2 : 64;
	return mem_grow(p, *cap * size);
}

static int64_t clock_ms(clockid_t id)
{
	struct timespec t;
	int64_t ahead = L.skipped + (id == CLOCK_MONOTONIC ? 0 : L.dreamt);
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 + ahead;
}

/* Returns for how long the machine has slept since the last time.  Being held up
 * between the two clocks can only make the difference less, so the greatest is
 * the one to go by. */
static int64_t read_clocks(void)
{
	int64_t boot = clock_ms(CLOCK_BOOTTIME), before = L.asleep;
	L.now = clock_ms(CLOCK_MONOTONIC);
	if (boot - L.now > before)
		L.asleep = boot - L.now;
	return L.asleep - before;
}

void loop_on_sleep(void (*on)(int64_t ms))
{
	L.on_sleep = on;
}

void loop_clock_skip(int64_t ms)
{
	L.skipped += ms;
}

void loop_clock_sleep(int64_t ms)
{
	L.dreamt += ms;
}

int64_t loop_now(void)
{
	return L.now;
}

int64_t loop_clock(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

int64_t loop_wall(void)
{
	return clock_ms(CLOCK_REALTIME);
}

uint64_t loop_rounds(void)
{
	return L.rounds;
}

/* ---- descriptors ---- */

void io_open(struct io *io, int fd, void (*on)(struct io *, uint32_t))
{
	*io = (struct io){.fd = fd, .on = on};
}

/* What this batch has for it, and has not been handled yet. */
static void forget_told(const struct io *io)
{
	for (int i = 0; i < L.batched; i++)
		if (L.batch[i].data.ptr == io)
			L.batch[i].data.ptr = NULL;
}

void io_want(struct io *io, uint32_t events)
{
	io->want = events;
	if (events == io->armed)
		return;
	struct epoll_event ev = {.events = events, .data.ptr = io};
	int op = !events ? EPOLL_CTL_DEL : io->armed ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(L.epoll, op, io->fd, &ev))
		give_up("epoll_ctl failed");
	io->armed = events;
	if (!events)
		forget_told(io);
}

void io_close(struct io *io)
{
	if (io->fd < 0)
		return;
	io_want(io, 0);
	L.closing = room_for_one(L.closing, L.closings, &L.closing_cap, sizeof *L.closing);
	L.closing[L.closings++] = io->fd;
	io->fd = -1;
}

/* ---- timers: a binary heap of pointers ---- */

static void heap_put(size_t slot, struct timer *timer)
{
	L.heap[slot] = timer;
	timer->slot = slot;
}

static void heap_up(size_t slot, struct timer *timer)
{
	for (; slot > 1 && timer->at_ms < L.heap[slot / 2]->at_ms; slot /= 2)
		heap_put(slot, L.heap[slot / 2]);
	heap_put(slot, timer);
}

static void heap_down(size_t slot, struct timer *timer)
{
	for (size_t child; (child = slot * 2) <= L.timers; slot = child) {
		if (child < L.timers && L.heap[child + 1]->at_ms < L.heap[child]->at_ms)
			child++;
		if (timer->at_ms <= L.heap[child]->at_ms)
			break;
		heap_put(slot, L.heap[child]);
	}
	heap_put(slot, timer);
}

void timer_stop(struct timer *timer)
{
	if (!timer->slot)
		return;
	struct timer *moved = L.heap[L.timers--];
	size_t slot = timer->slot;
	timer->slot = 0;
	if (moved == timer)
		return;
	heap_up(slot, moved);
	heap_down(moved->slot, moved);
}

void timer_set(struct timer *timer, int64_t at_ms)
{
	timer_stop(timer);
	timer->at_ms = at_ms;
	L.heap = room_for_one(L.heap, L.timers + 1, &L.heap_cap, sizeof *L.heap);
	heap_up(++L.timers, timer);
}

void timer_after(struct timer *timer, int64_t ms)
{
	timer_set(timer, L.now + ms);
}

void timer_about(struct timer *timer, int64_t ms)
{
	int64_t grid = ms < 10 ? 1 : ms / 10, at = L.now + ms + grid - 1;
	timer_set(timer, at - at % grid);
}

bool timer_is_set(const struct timer *timer)
{
	return timer->slot;
}

static void run_timers(void)
{
	for (size_t n = L.timers; n && L.timers && L.heap[1]->at_ms <= L.now; n--) {
		struct timer *timer = L.heap[1];
		timer_stop(timer);
		timer->on(timer);
	}
}

/* ---- tasks: a list, first posted first run ---- */

void task_post(struct task *task)
{
	if (task->prev)
		return;
	task->next = NULL;
	task->prev = L.last;
	*L.last = task;
	L.last = &task->next;
}

void task_drop(struct task *task)
{
	if (!task->prev)
		return;
	*task->prev = task->next;
	if (task->next)
		task->next->prev = task->prev;
	else if (L.last == &task->next)
		L.last = task->prev;
	task->prev = NULL;
}

static void run_tasks(void)
{
	struct task *run = L.tasks;
	if (!run)
		return;
	run->prev = &run;
	L.tasks = NULL;
	L.last = &L.tasks;
	while (run) {
		struct task *task = run;
		task_drop(task);
		task->on(task);
	}
}

/* ---- signals ---- */

static void read_signals(struct io *io, uint32_t events)
{
	struct signalfd_siginfo info;
	(void)events;
	while (read(io->fd, &info, sizeof info) == (ssize_t)sizeof info)
		if (L.on_signal[info.ssi_signo])
			L.on_signal[info.ssi_signo](
				(int)info.ssi_signo, info.ssi_code == SI_KERNEL);
}

void loop_on_signal(int signo, void (*on)(int signo, bool by_kernel))
{
	L.on_signal[signo] = on;
	sigaddset(&L.signals, signo);
	sigprocmask(SIG_BLOCK, &L.signals, NULL);
	int fd = signalfd(L.signal_io.fd, &L.signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		give_up("signalfd failed");
	if (L.signal_io.fd < 0) {
		io_open(&L.signal_io, fd, read_signals);
		io_want(&L.signal_io, EPOLLIN);
	}
}

/* ---- the round ---- */

void loop_free_later(void *p, void (*free_it)(void *p))
{
	L.later = room_for_one(L.later, L.laters, &L.later_cap, sizeof *L.later);
	L.later[L.laters++] = (struct later){p, free_it};
}

static void end_batch(void)
{
	L.batched = 0;
	for (size_t i = 0; i < L.laters; i++) /* one may add to the list */
		L.later[i].free_it(L.later[i].p);
	L.laters = 0;
	for (size_t i = 0; i < L.closings; i++)
		close(L.closing[i]);
	L.closings = 0;
}

static int sleep_ms(void)
{
	if (L.tasks)
		return 0;
	if (!L.timers)
		return -1;
	int64_t wait = L.heap[1]->at_ms - clock_ms(CLOCK_MONOTONIC);
	return wait <= 0 ? 0 : wait > 60000 ? 60000 : (int)wait;
}

static void round_once(void)
{
	int n = epoll_wait(L.epoll, L.batch, BATCH, sleep_ms());
	if (n < 0 && errno != EINTR)
		give_up("epoll_wait failed");
	L.batched = n < 0 ? 0 : n;
	int64_t slept = read_clocks();
	L.rounds++;
	if (slept > LOOP_SLEPT_MS && L.on_sleep)
		L.on_sleep(slept);
	for (int i = 0; i < L.batched; i++) {
		struct io *io = L.batch[i].data.ptr;
		if (io)
			io->on(io, L.batch[i].events);
	}
	run_timers();
	run_tasks();
	end_batch();
}

void loop_init(void)
{
	L.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (L.epoll < 0)
		give_up("epoll_create1 failed");
	L.signal_io.fd = -1;
	sigemptyset(&L.signals);
	L.last = &L.tasks;
	L.now = clock_ms(CLOCK_MONOTONIC);
	L.asleep = clock_ms(CLOCK_BOOTTIME) - L.now;
}

void loop_settle(void)
{
	end_batch();
}

void loop_end(void)
{
	end_batch();
	io_close(&L.signal_io);
	end_batch();
	close(L.epoll);
	free(L.heap);
	free(L.closing);
	free(L.later);
	L.heap = NULL;
	L.tasks = NULL;
	L.closing = NULL;
	L.later = NULL;
	L.on_sleep = NULL;
	L.timers = L.heap_cap = L.closing_cap = L.later_cap = 0;
}

void loop_run(void)
{
	L.stop = false;
	while (!L.stop)
		round_once();
}

void loop_stop(void)
{
	L.stop = true;
}
