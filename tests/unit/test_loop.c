/* loop.c alone: in what order handlers run, and what they may do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test_loop.h"

enum { MANY = 300 };

static char Story[64]; /* what ran: "abc" */

static void note(char what)
{
	size_t n = strlen(Story);
	assert_true(n + 1 < sizeof Story);
	Story[n] = what;
	Story[n + 1] = '\0';
}

static void settle(void)
{
	assert_true(loop_until_quiet());
}

static int begin(void **state)
{
	(void)state;
	memset(Story, 0, sizeof Story);
	loop_init();
	return 0;
}

static int end(void **state)
{
	(void)state;
	loop_end();
	return 0;
}

/* ---- timers ---- */

static struct timer Many[MANY];
static int64_t Last;
static unsigned Ran;

static void on_one_of_many(struct timer *timer)
{
	assert_true(timer->at_ms >= Last);
	assert_true(timer->at_ms <= loop_now());
	assert_false(timer_is_set(timer));
	Last = timer->at_ms;
	Ran++;
}

static void runs_timers_in_the_order_of_their_times(void **state)
{
	int64_t now = loop_now();
	unsigned stopped = 0;
	(void)state;
	Last = Ran = 0;
	for (unsigned i = 0; i < MANY; i++) {
		Many[i] = (struct timer){.on = on_one_of_many};
		timer_set(&Many[i], now + 1000 + (i * 7919) % 1000);
	}
	for (unsigned i = 0; i < MANY; i += 3)
		timer_set(&Many[i], now + 1000 + (i * 104729) % 1000);
	for (unsigned i = 0; i < MANY; i += 7, stopped++)
		timer_stop(&Many[i]);
	settle();
	assert_int_equal(Ran, 0);
	loop_skip(1500);
	assert_in_range(Ran, 1, MANY - stopped - 1);
	loop_skip(500);
	assert_int_equal(Ran, MANY - stopped);
	for (unsigned i = 0; i < MANY; i++)
		assert_false(timer_is_set(&Many[i]));
}

static struct timer First, Second, Third;

static void lets_timers_that_need_not_be_exact_share_a_time(void **state)
{
	struct timer t = {.on = on_one_of_many};
	(void)state;
	for (int64_t ms = 1; ms <= 100000; ms *= 10)
		for (int64_t early = 0; early < 30; early += 7) {
			int64_t grid = ms < 10 ? 1 : ms / 10;
			timer_about(&t, ms + early);
			assert_true(t.at_ms >= loop_now() + ms + early);
			assert_true(t.at_ms <= loop_now() + ms + early + (ms + early) / 10);
			if (!early)
				assert_int_equal(t.at_ms % grid, 0);
		}
	timer_stop(&t);
}

static void on_first(struct timer *timer)
{
	note('1');
	timer_stop(timer); /* harmless: it is not set any more */
	timer_stop(&Second);
	timer_after(&Third, 1000);
}

static void on_third(struct timer *timer)
{
	(void)timer;
	note('3');
}

static void lets_a_timer_stop_and_move_others_that_are_due(void **state)
{
	(void)state;
	First = (struct timer){.on = on_first};
	Second = Third = (struct timer){.on = on_third};
	timer_after(&First, 1);
	timer_after(&Second, 2);
	timer_after(&Third, 3);
	loop_skip(10);
	assert_string_equal(Story, "1");
	loop_skip(1000);
	assert_string_equal(Story, "13");
}

static void on_restless(struct timer *timer)
{
	note('r');
	if (strlen(Story) < 8)
		timer_after(timer, 0);
}

static void on_quick(struct task *task)
{
	(void)task;
	note('t');
}

/* One that sets itself for now runs again, but lets tasks have their turn. */
static void is_not_held_up_by_a_timer_that_is_always_due(void **state)
{
	struct timer restless = {.on = on_restless};
	struct task task = {.on = on_quick};
	(void)state;
	timer_after(&restless, 0);
	task_post(&task);
	settle();
	assert_int_equal(strlen(Story), 8);
	assert_true(strchr(Story, 't') - Story < 4);
}

static void sleeps_while_there_is_nothing_to_do(void **state)
{
	struct timer timer = {.on = stop_by_timer};
	uint64_t rounds = loop_rounds();
	int64_t began = loop_now();
	(void)state;
	timer_after(&timer, 50);
	loop_run();
	assert_true(loop_rounds() - rounds < 5);
	assert_true(loop_now() >= began + 50);
}

/* ---- tasks ---- */

struct letter {
	struct task task;
	char name;
	unsigned again; /* times to post itself */
	struct letter *drop, *post;
	uint64_t round;
};

static void on_letter(struct task *task)
{
	struct letter *l = OWNER_OF(task, struct letter, task);
	note(l->name);
	assert_int_not_equal(l->round, loop_rounds());
	l->round = loop_rounds();
	if (l->again && l->again--)
		task_post(task);
	if (l->drop)
		task_drop(&l->drop->task);
	if (l->post)
		task_post(&l->post->task);
}

static void runs_tasks_in_the_order_of_posting(void **state)
{
	struct letter a = {{.on = on_letter}, .name = 'a'}, b = a, c = a;
	(void)state;
	b.name = 'b';
	c.name = 'c';
	task_post(&b.task);
	task_post(&a.task);
	task_post(&c.task);
	task_post(&b.task); /* keeps its place, and runs once */
	settle();
	assert_string_equal(Story, "bac");
	task_post(&a.task);
	task_post(&b.task);
	task_post(&c.task);
	task_drop(&c.task); /* the last one */
	task_drop(&a.task); /* the first one */
	task_drop(&a.task);
	task_post(&a.task);
	settle();
	assert_string_equal(Story, "bacba");
}

/* on_letter() sees to it that nothing runs twice in a round. */
static void runs_what_a_task_posts_in_the_next_round(void **state)
{
	struct letter a = {{.on = on_letter}, .name = 'a', .again = 2}, b = a;
	(void)state;
	b.name = 'b';
	b.again = 0;
	task_post(&a.task);
	task_post(&b.task);
	settle();
	assert_string_equal(Story, "abaa");
}

static void lets_a_task_drop_and_post_others(void **state)
{
	struct letter a = {{.on = on_letter}, .name = 'a'}, b = a, c = a, d = a;
	(void)state;
	b.name = 'b';
	c.name = 'c';
	d.name = 'd';
	a.drop = &b; /* in the midst of those that run */
	c.drop = &d; /* the last of them */
	c.post = &b;
	d.post = &a;
	task_post(&a.task);
	task_post(&b.task);
	task_post(&c.task);
	task_post(&d.task);
	settle();
	assert_string_equal(Story, "acb");
}

/* ---- descriptors ---- */

struct end {
	struct io io;
	int other; /* the other end of the pair */
	char name;
	struct end *close, *silence;
	int closed; /* the number that was closed */
	int opened; /* a new descriptor's number */
};

static void on_end(struct io *io, uint32_t events)
{
	struct end *e = OWNER_OF(io, struct end, io);
	char byte;
	note(e->name);
	assert_true(events & EPOLLIN);
	assert_int_equal(read(io->fd, &byte, 1), 1);
	if (e->close) {
		e->closed = e->close->io.fd;
		io_close(&e->close->io);
		io_close(&e->close->io); /* harmless */
		assert_int_equal(e->close->io.fd, -1);
		e->opened = dup(STDERR_FILENO);
	}
	if (e->silence)
		io_want(&e->silence->io, 0);
	loop_stop();
}

static void open_end(struct end *e, char name)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	*e = (struct end){.other = pair[1], .name = name};
	io_open(&e->io, pair[0], on_end);
	io_want(&e->io, EPOLLIN);
}

static void close_end(struct end *e)
{
	io_close(&e->io);
	close(e->other);
}

static void tells_nothing_of_what_was_closed_in_the_same_batch(void **state)
{
	struct end a, b;
	(void)state;
	open_end(&a, 'a');
	open_end(&b, 'b');
	a.close = &b;
	b.close = &a; /* whichever comes first closes the other */
	assert_int_equal(write(a.other, "x", 1), 1);
	assert_int_equal(write(b.other, "x", 1), 1);
	loop_run();
	struct end *ran = a.io.fd < 0 ? &b : &a;
	assert_int_equal(strlen(Story), 1);
	assert_int_equal(Story[0], ran->name);
	assert_int_not_equal(ran->opened, ran->closed);    /* not free inside the batch */
	assert_int_equal(fcntl(ran->closed, F_GETFD), -1); /* but behind it */
	close(ran->opened);
	close_end(&a);
	close_end(&b);
}

static void tells_nothing_that_is_not_wanted_any_more(void **state)
{
	struct end a, b;
	(void)state;
	open_end(&a, 'a');
	open_end(&b, 'b');
	a.silence = &b;
	b.silence = &a;
	assert_int_equal(write(a.other, "x", 1), 1);
	assert_int_equal(write(b.other, "x", 1), 1);
	settle();
	assert_int_equal(strlen(Story), 1);
	struct end *silent = a.io.want ? &b : &a;
	io_want(&silent->io, EPOLLIN); /* it was not lost */
	settle();
	assert_int_equal(strlen(Story), 2);
	close_end(&a);
	close_end(&b);
}

/* ---- what is put off ---- */

static void on_free(void *p)
{
	note(*(char *)p);
	if (*(char *)p == 'x') {
		static char more = 'y';
		loop_free_later(&more, on_free);
	}
}

static void free_and_post(struct task *task)
{
	static char names[] = "xz";
	(void)task;
	loop_free_later(&names[0], on_free);
	loop_free_later(&names[1], on_free);
	note('1');
}

static void frees_when_the_batch_is_over(void **state)
{
	struct task first = {.on = free_and_post}, second = {.on = on_quick};
	(void)state;
	task_post(&first);
	task_post(&second);
	settle();
	assert_string_equal(Story, "1txzy");
}

static void frees_and_closes_at_its_end(void **state)
{
	struct end a;
	static char name = 'f';
	open_end(&a, 'a');
	int fd = a.io.fd;
	io_close(&a.io);
	loop_free_later(&name, on_free);
	assert_int_not_equal(fcntl(fd, F_GETFD), -1);
	end(state);
	assert_string_equal(Story, "f");
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	close(a.other);
	loop_init(); /* for end() */
}

/* What was left in a loop that ended is not in the next one. */
static void begins_anew(void **state)
{
	struct task task = {.on = on_quick};
	struct timer timer = {.on = on_restless};
	task_post(&task);
	timer_after(&timer, 0);
	end(state);
	begin(state);
	settle();
	assert_string_equal(Story, "");
}

/* ---- signals ---- */

static void on_signal(int signo, bool by_kernel)
{
	note(signo == SIGUSR1 ? '1' : signo == SIGUSR2 ? '2' : '?');
	if (by_kernel)
		note('k');
}

static void tells_of_signals_from_the_loop(void **state)
{
	(void)state;
	loop_on_signal(SIGUSR1, on_signal);
	loop_on_signal(SIGUSR2, on_signal);
	raise(SIGUSR1);
	raise(SIGUSR2);
	assert_string_equal(Story, "");
	settle();
	assert_string_equal(Story, "12");
	raise(SIGUSR2);
	settle();
	assert_string_equal(Story, "122");
}

static void on_kernels_signal(int signo, bool by_kernel)
{
	(void)signo;
	note(by_kernel ? 'k' : 'p');
}

/* A pseudo-terminal sends what is typed to its foreground group: a child of ours. */
static void knows_which_signals_no_process_sent(void **state)
{
	(void)state;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status = -1;
	assert_true(master >= 0 && !grantpt(master) && !unlockpt(master));
	pid_t child = fork();
	if (!child) {
		setsid();
		open(ptsname(master), O_RDWR); /* becomes its controlling terminal */
		loop_init();
		loop_on_signal(SIGINT, on_kernels_signal);
		if (write(master, "\3", 1) == 1)
			settle();
		raise(SIGINT);
		settle();
		_exit(strcmp(Story, "kp") ? 1 : 0);
	}
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	close(master);
}

/* ---- the clock ---- */

static void jumps_when_it_is_told_to(void **state)
{
	int64_t now = loop_now();
	(void)state;
	loop_clock_skip(3600000);
	assert_int_equal(loop_now(), now); /* one time for all of a round */
	assert_true(loop_clock() >= now + 3600000);
	settle();
	assert_true(loop_now() >= now + 3600000);
}

static int64_t Slept;

static void on_sleep(int64_t ms)
{
	note('s');
	Slept = ms;
}

static void on_due(struct timer *timer)
{
	(void)timer;
	note('t');
}

static void tells_first_of_all_that_the_machine_has_slept(void **state)
{
	struct timer late = {.on = on_due};
	struct end a;
	int64_t now = loop_now();
	(void)state;
	open_end(&a, 'a');
	assert_int_equal(write(a.other, "x", 1), 1);
	timer_after(&late, 0);
	loop_on_sleep(on_sleep);
	loop_clock_sleep(3600000);
	settle();
	assert_string_equal(Story, "sat");
	assert_true(Slept > 3600000 / 2);
	assert_true(loop_now() < now + 3600000);
	close_end(&a);
}

/* Neither time that was spent awake, nor naps, however many. */
static void does_not_take_other_waits_for_sleep(void **state)
{
	(void)state;
	loop_on_sleep(on_sleep);
	loop_clock_skip(3600000);
	settle();
	for (int i = 0; i < 5; i++) {
		loop_clock_sleep(LOOP_SLEPT_MS / 2);
		settle();
	}
	assert_string_equal(Story, "");
	loop_clock_sleep(LOOP_SLEPT_MS * 2);
	settle();
	loop_on_sleep(NULL);
	loop_clock_sleep(3600000);
	settle();
	loop_on_sleep(on_sleep);
	settle();
	assert_string_equal(Story, "s");
}

static void knows_the_time_of_day_beside_that_of_waiting(void **state)
{
	int64_t wall = loop_wall();
	(void)state;
	assert_true(wall > 1500000000000);
	loop_clock_skip(100LL * 86400000);
	assert_true(loop_wall() - wall > 99LL * 86400000);
	loop_clock_sleep(100LL * 86400000);
	assert_true(loop_wall() - wall > 199LL * 86400000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(runs_timers_in_the_order_of_their_times),
		TEST(lets_timers_that_need_not_be_exact_share_a_time),
		TEST(lets_a_timer_stop_and_move_others_that_are_due),
		TEST(is_not_held_up_by_a_timer_that_is_always_due),
		TEST(sleeps_while_there_is_nothing_to_do),
		TEST(runs_tasks_in_the_order_of_posting),
		TEST(runs_what_a_task_posts_in_the_next_round),
		TEST(lets_a_task_drop_and_post_others),
		TEST(tells_nothing_of_what_was_closed_in_the_same_batch),
		TEST(tells_nothing_that_is_not_wanted_any_more),
		TEST(frees_when_the_batch_is_over),
		TEST(frees_and_closes_at_its_end),
		TEST(begins_anew),
		TEST(tells_of_signals_from_the_loop),
		TEST(knows_which_signals_no_process_sent),
		TEST(jumps_when_it_is_told_to),
		TEST(tells_first_of_all_that_the_machine_has_slept),
		TEST(does_not_take_other_waits_for_sleep),
		TEST(knows_the_time_of_day_beside_that_of_waiting),
	};
	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
