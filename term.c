/* The terminal: see term.h.  What a signal's handler needs to give it back stands by
 * itself, and is written before Taken is. */
#include "term.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "loop.h"

/* CAN ends a sequence that was cut.  Where there is no alternate screen, an empty one is
 * left: what was shown looks alive, and is not. */
#define CLEAR "\x1b[0m\x1b[H\x1b[J"
static const char Take[] = "\x18\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h" CLEAR;
static const char GiveBack[] = "\x18\x1b[?2026l" CLEAR "\x1b[?2004l\x1b[?25h\x1b[?7h\x1b[?1049l";

/* CHUNK bytes are read in one turn: keys may cost something, and others have theirs. */
enum { LENGTH = sizeof GiveBack - 1, CHUNK = 64, TRIES = 3, STACK = 32768, LOOK_MS = 500 };
enum { COLUMNS = 80, ROWS = 24 }; /* where it does not say */

static void on_late(struct timer *timer);
static void on_look(struct timer *timer);
static void on_anew(struct task *task);
static void on_gone(struct task *task);

static struct {
	struct io io; /* fd -1: it is not open */
	const struct term_user *user;
	struct buf frame; /* what of it is not written yet */
	bool awaited;     /* somebody has asked for the next one */
	bool paused;      /* by term_pause() */
	struct keypress keypress;
	struct timer late;
	struct timer look; /* whether it is in the foreground again: no signal tells that */
	struct task anew, gone;
} T = {.io.fd = -1, .late.on = on_late, .look.on = on_look, .anew.on = on_anew, .gone.on = on_gone};

static volatile sig_atomic_t Taken;
static int Fd;
static pid_t Owner;
static struct termios Found;

/* ---- on every way out ---- */

static struct {
	int signo;
	struct sigaction before;
} Fatal[] = {{.signo = SIGSEGV}, {.signo = SIGABRT}, {.signo = SIGBUS}, {.signo = SIGFPE},
	{.signo = SIGILL}, {.signo = SIGSYS}, {.signo = SIGTRAP}, {.signo = SIGTERM},
	{.signo = SIGINT}, {.signo = SIGQUIT}, {.signo = SIGHUP}, {.signo = SIGALRM},
	{.signo = SIGUSR1}, {.signo = SIGUSR2}, {.signo = SIGXCPU}, {.signo = SIGXFSZ}};
enum { FATALS = sizeof Fatal / sizeof *Fatal };

static bool in_foreground(int fd)
{
	return tcgetpgrp(fd) == getpgrp();
}

/* What waits for a terminal that does not read is dropped: it would be in the way.  Safe
 * in a signal's handler. */
static void give_back(void)
{
	if (!Taken || Owner != getpid())
		return;
	Taken = 0;
	if (!in_foreground(Fd))
		return;
	for (int i = 0; i < TRIES && write(Fd, GiveBack, LENGTH) < LENGTH; i++)
		tcflush(Fd, TCOFLUSH);
	tcsetattr(Fd, TCSANOW, &Found);
}

/* The signal comes again when the handler returns, and finds what was there before us. */
static void on_fatal(int signo)
{
	int error = errno;
	give_back();
	for (size_t i = 0; i < FATALS; i++)
		if (Fatal[i].signo == signo)
			sigaction(signo, &Fatal[i].before, NULL);
	raise(signo);
	errno = error;
}

/* A stack that has overflown has no room for a handler. */
static void lend_stack(void)
{
	static char stack[STACK];
	stack_t now;
	if (!sigaltstack(NULL, &now) && (now.ss_flags & SS_DISABLE))
		sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, NULL);
}

static void handle_fatal(void)
{
	struct sigaction act = {.sa_handler = on_fatal, .sa_flags = SA_ONSTACK};
	sigfillset(&act.sa_mask);
	lend_stack();
	for (size_t i = 0; i < FATALS; i++) {
		sigaction(Fatal[i].signo, &act, &Fatal[i].before);
		if (Fatal[i].before.sa_handler == SIG_IGN)
			sigaction(Fatal[i].signo, &Fatal[i].before, NULL);
	}
}

static void handle_fatal_no_more(void)
{
	for (size_t i = 0; i < FATALS; i++)
		sigaction(Fatal[i].signo, &Fatal[i].before, NULL);
}

/* ---- written ---- */

static void fail(void)
{
	T.awaited = false;
	buf_free(&T.frame);
	io_want(&T.io, 0);
	task_post(&T.gone);
}

static void on_gone(struct task *task)
{
	(void)task;
	T.user->gone();
}

/* One write: what it does not take has to wait. */
static void write_frame(void)
{
	ssize_t n = write(T.io.fd, buf_data(&T.frame), buf_len(&T.frame));
	if (n > 0)
		buf_eat(&T.frame, (size_t)n);
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		fail();
	else
		io_want(&T.io, buf_len(&T.frame) ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

struct buf *term_frame(void)
{
	if (!Taken)
		return NULL;
	T.awaited = buf_len(&T.frame);
	return T.awaited ? NULL : &T.frame;
}

void term_send(void)
{
	if (Taken && buf_len(&T.frame))
		write_frame();
}

/* ---- read ---- */

static void deliver(uint32_t key)
{
	if (key && Taken)
		T.user->key(key);
}

static void on_late(struct timer *timer)
{
	(void)timer;
	deliver(keypress_late(&T.keypress));
}

static void feed(const uint8_t *p, ssize_t n)
{
	for (ssize_t i = 0; i < n && Taken; i++)
		deliver(keypress_feed(&T.keypress, p[i]));
	if (Taken && keypress_wait(&T.keypress))
		timer_after(&T.late, keypress_wait(&T.keypress));
	else
		timer_stop(&T.late);
}

/* It is somebody else's now: nothing is read, written or given back. */
static void step_back(void)
{
	Taken = 0;
	buf_free(&T.frame);
	timer_stop(&T.late);
	timer_stop(&T.look);
	T.keypress = (struct keypress){0};
	io_want(&T.io, 0);
}

static void lose(void)
{
	if (tcgetpgrp(T.io.fd) < 0 || in_foreground(T.io.fd)) {
		fail();
	} else {
		step_back();
		timer_about(&T.look, LOOK_MS);
	}
}

static void read_keys(void)
{
	uint8_t bytes[CHUNK];
	ssize_t n = read(T.io.fd, bytes, sizeof bytes);
	if (n > 0)
		feed(bytes, n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		lose();
}

static void on_io(struct io *io, uint32_t events)
{
	if (events & ~(uint32_t)EPOLLOUT)
		read_keys();
	if (Taken && io->want & EPOLLOUT)
		write_frame();
	if (Taken && T.awaited && !buf_len(&T.frame)) {
		T.awaited = false;
		T.user->ready();
	}
}

/* ---- taken and given back ---- */

static void on_anew(struct task *task)
{
	(void)task;
	if (Taken)
		T.user->anew();
}

static void take(void)
{
	struct termios raw = Found;
	cfmakeraw(&raw);
	Taken = 1;
	tcsetattr(Fd, TCSANOW, &raw);
	buf_free(&T.frame);
	buf_put(&T.frame, Take, sizeof Take - 1);
	write_frame();
}

static void take_again(void)
{
	step_back();
	if (!in_foreground(T.io.fd)) {
		lose();
	} else {
		take();
		task_post(&T.anew);
	}
}

static void on_look(struct timer *timer)
{
	(void)timer;
	take_again();
}

void term_pause(void)
{
	if (T.io.fd < 0)
		return;
	T.paused = true;
	give_back();
	step_back();
}

void term_resume(void)
{
	if (T.io.fd < 0 || !T.paused)
		return;
	T.paused = false;
	take_again();
}

static void on_window_changed(int signo, bool by_kernel)
{
	(void)signo;
	(void)by_kernel;
	task_post(&T.anew);
}

static void on_continued(int signo, bool by_kernel)
{
	(void)signo;
	(void)by_kernel;
	if (T.io.fd >= 0 && !T.paused)
		take_again();
}

void term_close(void)
{
	if (T.io.fd < 0)
		return;
	give_back();
	step_back();
	handle_fatal_no_more();
	task_drop(&T.anew);
	task_drop(&T.gone);
	io_close(&T.io);
	T.awaited = T.paused = false;
}

bool term_is_open(void)
{
	return T.io.fd >= 0;
}

/* ---- opened ---- */

/* -1 with *e set. */
static int open_own(struct err *e)
{
	const char *kind = getenv("TERM");
	if (!kind || !*kind || !strcmp(kind, "dumb")) {
		err_set(e, ERR_LOCAL, 0, "TERM names no terminal with a screen");
		return -1;
	}
	int fd = open("/dev/tty", O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		err_set(e, ERR_LOCAL, errno, "no terminal: /dev/tty: %s", strerror(errno));
	return fd;
}

static bool find_modes(int fd, struct err *e)
{
	if (!in_foreground(fd))
		return err_set(e, ERR_LOCAL, 0, "started in the background of its terminal");
	if (tcgetattr(fd, &Found))
		return err_set(e, ERR_LOCAL, errno, "/dev/tty: %s", strerror(errno));
	return true;
}

/* Nobody is told of these: a process that would stop for them goes on.  Programs that ask
 * at the terminal go on at Ctrl+Z, too: who else would continue them? */
static void block_stops(void)
{
	sigset_t stops;
	signal(SIGTSTP, SIG_IGN);
	sigemptyset(&stops);
	sigaddset(&stops, SIGTSTP);
	sigaddset(&stops, SIGTTIN);
	sigaddset(&stops, SIGTTOU);
	sigprocmask(SIG_BLOCK, &stops, NULL);
}

static void begin_once(void)
{
	static bool begun;
	if (!begun)
		atexit(give_back);
	begun = true;
	block_stops();
	loop_on_signal(SIGWINCH, on_window_changed);
	loop_on_signal(SIGCONT, on_continued);
}

bool term_open(const struct term_user *user, struct err *e)
{
	int fd = open_own(e);
	if (fd < 0)
		return false;
	if (!find_modes(fd, e)) {
		close(fd);
		return false;
	}
	T.user = user;
	io_open(&T.io, fd, on_io);
	Fd = fd;
	Owner = getpid();
	begin_once();
	handle_fatal();
	take();
	return true;
}

void term_size(unsigned *columns, unsigned *rows)
{
	struct winsize size = {0};
	ioctl(T.io.fd, TIOCGWINSZ, &size);
	*columns = size.ws_col ? size.ws_col : COLUMNS;
	*rows = size.ws_row ? size.ws_row : ROWS;
}

/* ---- what the environment says ---- */

static const char *setting(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

bool term_has_utf8(void)
{
	static const char *const Names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
	const char *value = NULL;
	for (size_t i = 0; !value && i < sizeof Names / sizeof *Names; i++)
		value = setting(Names[i]);
	return value && (strcasestr(value, "UTF-8") || strcasestr(value, "UTF8"));
}

bool term_has_color(void)
{
	return !setting("NO_COLOR");
}
