/* Forks, execs, reads pipes and reaps.  A child that has ended is left a zombie
 * until it is done with: so its number, which is its group's too, cannot come to
 * mean somebody else while we may still kill that group. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "loop.h"
#include "mem.h"

enum { CHUNK = 16384, NOT_RUN = 127 };

/* The pipes: what it says, and the errno for which it could not be run. */
enum { OUT, ERR, WHY, PIPES };

struct stream {
	struct io io; /* fd -1: ended */
	struct child *child;
	struct buf *to;
	size_t max;
	bool last_only; /* keeps the last of it where it is more than that */
};

struct child {
	struct child *next, **prev;
	pid_t pid;       /* 0: it never was, or is reaped */
	siginfo_t death; /* si_pid 0: it lives */
	struct stream stream[PIPES];
	struct buf why;
	struct timer limit;
	struct task look;     /* to find from the loop that it is over */
	bool leads;           /* a process group of its own */
	bool decided;         /* end.how is what counts, not how it died */
	struct termios modes; /* of the terminal, before it */
	bool has_modes;
	struct child_end end;
	void (*on)(void *owner, struct child_end *end); /* NULL: nobody asks any more */
	void *owner;
};

static struct child *All;

static struct {
	struct rlimit files, core;
	sigset_t mask;
	struct sigaction on_pipe;
} Found;

void child_init(void)
{
	getrlimit(RLIMIT_NOFILE, &Found.files);
	getrlimit(RLIMIT_CORE, &Found.core);
	sigprocmask(SIG_SETMASK, NULL, &Found.mask);
	sigaction(SIGPIPE, NULL, &Found.on_pipe);
	/* Where it is ignored, and that is inherited, no child can be waited for. */
	signal(SIGCHLD, SIG_DFL);
}

/* ---- its end ---- */

static void decide(struct child *c, enum child_how how, int value)
{
	if (c->decided)
		return;
	c->decided = true;
	c->end.how = how;
	c->end.value = value;
}

static void decide_by_death(struct child *c)
{
	int why;
	if (buf_len(&c->why) == sizeof why) {
		memcpy(&why, buf_data(&c->why), sizeof why);
		decide(c, CHILD_NOT_STARTED, why);
	}
	decide(c, c->death.si_code == CLD_EXITED ? CHILD_EXITED : CHILD_SIGNALLED,
		c->death.si_status);
}

/* Waits, where it is not dead yet: only the end of the process does so. */
static void reap(struct child *c)
{
	if (c->pid)
		while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
			;
	c->pid = 0;
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
}

/* Who is in the background would be stopped for it. */
static void put_modes_back(struct child *c)
{
	if (c->has_modes && tcgetpgrp(STDIN_FILENO) == getpgrp())
		tcsetattr(STDIN_FILENO, TCSANOW, &c->modes);
	c->has_modes = false;
}

static void finish(struct child *c)
{
	void (*on)(void *, struct child_end *) = c->on;
	c->on = NULL;
	timer_stop(&c->limit);
	reap(c);
	put_modes_back(c);
	decide_by_death(c);
	if (on)
		on(c->owner, &c->end);
	task_drop(&c->look); /* child_kill() from inside the handler posted it */
	buf_free_wiped(&c->end.out);
	buf_free_wiped(&c->end.err);
	buf_free(&c->why);
	loop_free_later(c, free);
}

/* Kills what there is of it, and waits for no more output: a process that has
 * left the group could keep the pipes open for ever. */
static void stop(struct child *c)
{
	if (c->pid)
		kill(c->leads ? -c->pid : c->pid, SIGKILL);
	for (int i = 0; i < PIPES; i++)
		io_close(&c->stream[i].io);
}

/* ---- its output ---- */

/* Returns whether there may be more to read at once. */
static bool read_some(struct stream *s)
{
	size_t left = s->max - buf_len(s->to);
	size_t room = s->last_only || left >= CHUNK ? CHUNK : left + 1; /* one shows: too much */
	ssize_t n = read(s->io.fd, buf_room(s->to, room), room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		io_close(&s->io);
	} else if ((size_t)n <= left) {
		buf_push(s->to, (size_t)n);
	} else if (s->last_only) {
		buf_push(s->to, (size_t)n);
		buf_eat(s->to, buf_len(s->to) - s->max);
	} else {
		buf_push(s->to, left);
		decide(s->child, CHILD_TOO_MUCH, 0);
		stop(s->child);
	}
	return s->io.fd >= 0;
}

/* A daemon or a browser that it started may have its stderr open for days. */
static void finish_if_over(struct child *c)
{
	struct stream *err = &c->stream[ERR];
	bool dead = !c->pid || c->death.si_pid;
	if (!dead || c->stream[OUT].io.fd >= 0 || c->stream[WHY].io.fd >= 0)
		return;
	while (err->io.fd >= 0 && read_some(err))
		;
	io_close(&err->io);
	finish(c);
}

static void on_stream(struct io *io, uint32_t events)
{
	struct stream *s = OWNER_OF(io, struct stream, io);
	(void)events;
	read_some(s);
	finish_if_over(s->child);
}

/* ---- its death ---- */

static void on_look(struct task *task)
{
	finish_if_over(OWNER_OF(task, struct child, look));
}

/* One that ended in time, and only left others behind, has not timed out. */
static void on_limit(struct timer *timer)
{
	struct child *c = OWNER_OF(timer, struct child, limit);
	if (!c->death.si_pid)
		decide(c, CHILD_TIMED_OUT, 0);
	stop(c);
	finish_if_over(c);
}

/* Returns whether there is no process of it any more. */
static bool look_at(struct child *c)
{
	if (c->pid && !c->death.si_pid)
		waitid(P_PID, (id_t)c->pid, &c->death, WEXITED | WNOHANG | WNOWAIT);
	return !c->pid || c->death.si_pid;
}

static void on_sigchld(int signo, bool by_kernel)
{
	(void)signo;
	(void)by_kernel;
	for (struct child *c = All, *next; c; c = next) {
		next = c->next;
		if (look_at(c))
			finish_if_over(c);
	}
}

void child_signal(const struct child *c, int signo)
{
	if (c->pid && !c->death.si_pid)
		kill(c->pid, signo);
}

void child_kill(struct child *c)
{
	c->on = NULL;
	stop(c);
	/* The next may ask at once: this one's death is waited for, with the modes behind it. */
	while (c->has_modes && c->pid &&
		waitid(P_PID, (id_t)c->pid, &c->death, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		;
	put_modes_back(c);
	task_post(&c->look);
}

void child_leave(struct child *c, int64_t ms)
{
	c->on = NULL;
	timer_after(&c->limit, ms);
}

void child_end_all(void)
{
	while (All) {
		All->on = NULL;
		stop(All);
		finish(All);
	}
}

/* ---- the child's side of fork(2) ---- */

_Noreturn static void cannot_run(int why)
{
	int error = errno;
	ssize_t sent = write(why, &error, sizeof error);
	(void)sent;
	_exit(NOT_RUN);
}

static void close_from(int first)
{
	if (!syscall(SYS_close_range, first, UINT_MAX, 0))
		return;
	for (long fd = first, end = sysconf(_SC_OPEN_MAX); fd < end; fd++) /* Linux < 5.9 */
		close((int)fd);
}

/* The same descriptor, out of the way of the standard ones. */
static int above_standard(int fd)
{
	bool fits = fd < 0 || fd > STDERR_FILENO;
	return fits ? fd : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

static int input_of(const struct child_spec *spec)
{
	if (spec->asking)
		return STDIN_FILENO;
	return above_standard(
		spec->socket ? spec->socket : open("/dev/null", O_RDONLY | O_CLOEXEC));
}

/* Leaves the three standard descriptors and, behind them, `why`, which ends
 * where a program begins.  Returns why's number. */
static int arrange_descriptors(int fd[PIPES][2], const struct child_spec *spec)
{
	enum { NEXT = STDERR_FILENO + 1 };
	for (int i = 0; i < PIPES; i++)
		fd[i][1] = above_standard(fd[i][1]);
	int in = input_of(spec);
	int out = spec->socket ? in : fd[OUT][1];
	int err = spec->asking ? STDERR_FILENO : fd[ERR][1];
	if (in < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
		dup2(err, STDERR_FILENO) < 0)
		cannot_run(fd[WHY][1]);
	if (fd[WHY][1] != NEXT && dup3(fd[WHY][1], NEXT, O_CLOEXEC) < 0)
		cannot_run(fd[WHY][1]);
	close_from(NEXT + 1);
	return NEXT;
}

static bool leads(const struct child_spec *spec)
{
	return !spec->attached && !spec->asking;
}

/* What porter changed for itself is not for its children. */
static void give_back(bool core)
{
	setrlimit(RLIMIT_NOFILE, &Found.files);
	if (core)
		setrlimit(RLIMIT_CORE, &Found.core);
	sigaction(SIGPIPE, &Found.on_pipe, NULL);
	sigprocmask(SIG_SETMASK, &Found.mask, NULL);
}

_Noreturn static void be_the_child(const struct child_spec *spec, int fd[PIPES][2], pid_t parent)
{
	if (leads(spec))
		setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, spec->attached ? SIGTERM : SIGKILL);
	if (getppid() != parent) /* it died before it could have killed us */
		_exit(NOT_RUN);
	int why = spec->attached ? fd[WHY][1] : arrange_descriptors(fd, spec);
	give_back(spec->attached);
	if (!spec->argv) {
		close(why);
		_exit(spec->run(spec->arg));
	}
	execvpe(spec->argv[0], (char *const *)spec->argv,
		spec->env ? (char *const *)spec->env : environ);
	cannot_run(why);
}

/* ---- our side ---- */

static void close_pipes(int fd[PIPES][2], int side)
{
	for (int i = 0; i < PIPES; i++)
		if (fd[i][side] >= 0)
			close(fd[i][side]);
}

/* Returns the pid, or -1 with errno set; our ends of the pipes are then open. */
static pid_t launch(const struct child_spec *spec, int fd[PIPES][2])
{
	pid_t pid = -1, parent = getpid();
	const bool needed[PIPES] = {
		[OUT] = !spec->attached && !spec->socket, [ERR] = leads(spec), [WHY] = true};
	int opened = 0;
	while (opened < PIPES && (!needed[opened] || !pipe2(fd[opened], O_CLOEXEC)))
		opened++;
	if (opened == PIPES)
		pid = fork();
	if (!pid)
		be_the_child(spec, fd, parent);
	int error = errno;
	close_pipes(fd, 1);
	if (pid < 0)
		close_pipes(fd, 0);
	else if (leads(spec))
		setpgid(pid, pid); /* it does so too: whoever comes first */
	errno = error;
	return pid;
}

static void listen_to(struct child *c, int i, int fd, size_t max)
{
	struct buf *const to[PIPES] = {&c->end.out, &c->end.err, &c->why};
	c->stream[i].child = c;
	c->stream[i].to = to[i];
	c->stream[i].max = max;
	io_open(&c->stream[i].io, fd, on_stream);
	if (fd < 0)
		return;
	fcntl(fd, F_SETFL, O_NONBLOCK); /* ours only: the other end is a file of its own */
	io_want(&c->stream[i].io, EPOLLIN);
}

static void enlist(struct child *c)
{
	c->next = All;
	c->prev = &All;
	if (All)
		All->prev = &c->next;
	All = c;
}

struct child *child_start(
	const struct child_spec *spec, void (*on)(void *owner, struct child_end *end), void *owner)
{
	int fd[PIPES][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
	struct child *c = mem_new(sizeof *c);
	*c = (struct child){.limit.on = on_limit,
		.look.on = on_look,
		.leads = leads(spec),
		.on = on,
		.owner = owner};
	c->has_modes = spec->asking && !tcgetattr(STDIN_FILENO, &c->modes);
	c->stream[ERR].last_only = spec->socket;
	enlist(c);
	loop_on_signal(SIGCHLD, on_sigchld);
	pid_t pid = launch(spec, fd);
	if (pid < 0) {
		decide(c, CHILD_NOT_STARTED, errno);
		task_post(&c->look);
	} else {
		c->pid = pid;
		if (spec->limit_ms)
			timer_after(&c->limit, spec->limit_ms);
	}
	for (int i = 0; i < PIPES; i++)
		listen_to(c, i, pid < 0 ? -1 : fd[i][0], i == WHY ? sizeof(int) : spec->output_max);
	return c;
}
