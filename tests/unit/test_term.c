/* term.c on a real pseudo-terminal: the test leads a session that has it, and is at its
 * other end, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>

#include "term.h"
#include "test_loop.h"

enum { ALARM_S = 240, BIG = 300000 };
#define TAKEN      "\x18\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[?2004h\x1b[0m\x1b[H\x1b[J"
#define GIVEN_BACK "\x18\x1b[?2026l\x1b[0m\x1b[H\x1b[J\x1b[?2004l\x1b[?25h\x1b[?7h\x1b[?1049l"

static int Master, Slave;
static struct termios Before;
static uint32_t Keys[64];
static unsigned KeyCount, AnewCount, ReadyCount, GoneCount;
static char Got[1 << 20];
static size_t N;
static bool CloseAtKey;

static void on_key(uint32_t key)
{
	Keys[KeyCount++ % 64] = key;
	if (CloseAtKey)
		term_close();
	loop_stop();
}

static void on_anew(void)
{
	AnewCount++;
	loop_stop();
}

static void on_ready(void)
{
	ReadyCount++;
	loop_stop();
}

static void on_gone(void)
{
	GoneCount++;
	loop_stop();
}

static const struct term_user User = {on_key, on_anew, on_ready, on_gone};

/* The end of a terminal sends SIGCONT, too, which is not for the next test. */
static void drop_pending(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	sigaddset(&set, SIGWINCH);
	while (sigtimedwait(&set, NULL, &(struct timespec){0}) > 0)
		;
}

static int set_up(void **state)
{
	(void)state;
	drop_pending();
	KeyCount = AnewCount = ReadyCount = GoneCount = 0;
	N = 0;
	CloseAtKey = false;
	setenv("TERM", "xterm-256color", 1);
	loop_init();
	if (openpty(&Master, &Slave, NULL, NULL, NULL) || ioctl(Slave, TIOCSCTTY, 0))
		return -1;
	fcntl(Master, F_SETFL, O_NONBLOCK);
	return tcgetattr(Slave, &Before);
}

static int tear_down(void **state)
{
	(void)state;
	term_close();
	loop_end();
	close(Slave);
	close(Master);
	return 0;
}

static void open_it(void)
{
	struct err e = {0};
	if (!term_open(&User, &e))
		fail_msg("%s", e.text);
	assert_true(term_is_open());
}

static bool got_some(void)
{
	ssize_t n = read(Master, Got + N, sizeof Got - 1 - N);
	if (n > 0)
		N += (size_t)n;
	Got[N] = '\0';
	return n > 0;
}

static bool ends_with(const char *end)
{
	size_t n = strlen(end);
	return N >= n && !memcmp(Got + N - n, end, n);
}

/* The kernel carries bytes across in its own time. */
static void read_until(const char *end)
{
	for (int tries = 0; !ends_with(end) && tries < PATIENCE_MS; tries++)
		if (!got_some())
			usleep(1000);
	if (!ends_with(end))
		fail_msg("not at its end: %s", Got + (N > 200 ? N - 200 : 0));
}

static void type(const char *bytes)
{
	int n = 0, want = (int)strlen(bytes);
	assert_int_equal(write(Master, bytes, strlen(bytes)), want);
	for (int tries = 0; n < want && tries < PATIENCE_MS; tries++) {
		ioctl(Slave, FIONREAD, &n);
		usleep(1000);
	}
	assert_int_equal(n, want);
}

static void run_a_round(void)
{
	struct task round = {.on = stop_by_task};
	task_post(&round);
	loop_run();
	task_drop(&round);
}

static bool is_raw(void)
{
	struct termios now;
	tcgetattr(Slave, &now);
	return !(now.c_lflag & (ICANON | ECHO | ISIG | IEXTEN)) && !(now.c_oflag & OPOST) &&
	       !(now.c_iflag & (ICRNL | IXON));
}

static bool is_as_before(void)
{
	struct termios now;
	tcgetattr(Slave, &now);
	return now.c_iflag == Before.c_iflag && now.c_oflag == Before.c_oflag &&
	       now.c_cflag == Before.c_cflag && now.c_lflag == Before.c_lflag &&
	       !memcmp(now.c_cc, Before.c_cc, sizeof now.c_cc);
}

/* ---- taken and given back ---- */

static void gives_back_what_it_takes(void **state)
{
	(void)state;
	open_it();
	assert_true(is_raw());
	read_until(TAKEN);
	term_close();
	assert_false(term_is_open());
	assert_true(is_as_before());
	read_until(TAKEN GIVEN_BACK);
	term_close();
	open_it();
	assert_true(is_raw());
	read_until(TAKEN GIVEN_BACK TAKEN);
	assert_int_equal(fcntl(Slave, F_GETFL) & O_NONBLOCK, 0);
}

static void keeps_unusual_modes(void **state)
{
	(void)state;
	Before.c_iflag |= IXOFF;
	Before.c_lflag &= ~(tcflag_t)ECHOE;
	Before.c_cc[VERASE] = '#';
	Before.c_cc[VMIN] = 7;
	tcsetattr(Slave, TCSANOW, &Before);
	open_it();
	assert_true(is_raw());
	term_close();
	assert_true(is_as_before());
}

static void expect_refusal(const char *words)
{
	struct err e = {0};
	assert_false(term_open(&User, &e));
	assert_non_null(strstr(e.text, words));
	assert_false(term_is_open());
	assert_true(is_as_before());
	assert_false(got_some());
}

static void refuses_what_is_no_screen(void **state)
{
	(void)state;
	setenv("TERM", "dumb", 1);
	expect_refusal("TERM");
	setenv("TERM", "", 1);
	expect_refusal("TERM");
	unsetenv("TERM");
	expect_refusal("TERM");
	assert_null(term_frame());
	term_send();
	term_pause();
	term_resume();
}

/* In a process of its own; returns how that ended. */
static int in_child(void (*run)(void))
{
	int status = 0;
	pid_t pid = fork();
	if (!pid) {
		run();
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	if (WIFSTOPPED(status))
		kill(pid, SIGKILL);
	return status;
}

static void open_without_a_terminal(void)
{
	struct err e = {0};
	setsid();
	_exit(!term_open(&User, &e) && strstr(e.text, "/dev/tty") ? 0 : 1);
}

static void open_in_the_background(void)
{
	struct err e = {0};
	setpgid(0, 0);
	_exit(!term_open(&User, &e) && strstr(e.text, "background") ? 0 : 1);
}

static void refuses_where_it_has_no_terminal_or_not_the_foreground(void **state)
{
	(void)state;
	assert_int_equal(in_child(open_without_a_terminal), 0);
	assert_int_equal(in_child(open_in_the_background), 0);
	assert_true(is_as_before());
	assert_false(got_some());
}

/* ---- on every way out ---- */

static int Signal;

static void die_by_signal(void)
{
	signal(Signal, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	open_it();
	kill(getpid(), Signal);
}

static void gives_back_when_killed(void **state)
{
	static const int Signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGTERM, SIGINT,
		SIGQUIT, SIGHUP, SIGUSR2};
	(void)state;
	for (size_t i = 0; i < sizeof Signals / sizeof *Signals; i++) {
		Signal = Signals[i];
		int status = in_child(die_by_signal);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), Signal);
		assert_true(is_as_before());
		read_until(TAKEN GIVEN_BACK);
		N = 0;
	}
}

/* A fault of its own, not one that is sent. */
static void die_by_fault(void)
{
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	signal(SIGSEGV, SIG_DFL);
	open_it();
	*page = 1;
}

static void die_by_abort(void)
{
	signal(SIGABRT, SIG_DFL);
	open_it();
	abort();
}

static void gives_back_at_a_fault(void **state)
{
	(void)state;
	assert_int_equal(WTERMSIG(in_child(die_by_fault)), SIGSEGV);
	assert_true(is_as_before());
	read_until(TAKEN GIVEN_BACK);
	N = 0;
	assert_int_equal(WTERMSIG(in_child(die_by_abort)), SIGABRT);
	assert_true(is_as_before());
	read_until(TAKEN GIVEN_BACK);
}

static int go_deeper(volatile int n)
{
	volatile char page[4096];
	page[0] = (char)n;
	return n ? go_deeper(n + 1) + page[0] : 0;
}

static void die_without_a_stack(void)
{
	signal(SIGSEGV, SIG_DFL);
	sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
	open_it();
	go_deeper(1);
}

static void gives_back_when_the_stack_is_full(void **state)
{
	(void)state;
	assert_int_equal(WTERMSIG(in_child(die_without_a_stack)), SIGSEGV);
	assert_true(is_as_before());
	read_until(TAKEN GIVEN_BACK);
}

static void do_before_us(int signo)
{
	_exit(signo);
}

static void die_by_a_handler(void)
{
	signal(SIGBUS, do_before_us);
	open_it();
	raise(SIGBUS);
}

static void leaves_the_signal_to_who_had_it(void **state)
{
	(void)state;
	assert_int_equal(WEXITSTATUS(in_child(die_by_a_handler)), SIGBUS);
	assert_true(is_as_before());
	read_until(TAKEN GIVEN_BACK);
}

static void open_and_exit(void)
{
	open_it();
	exit(7);
}

static void gives_back_at_exit(void **state)
{
	(void)state;
	assert_int_equal(WEXITSTATUS(in_child(open_and_exit)), 7);
	assert_true(is_as_before());
	read_until(TAKEN GIVEN_BACK);
}

static void die(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	raise(SIGTERM);
}

static void leave(void)
{
	exit(0);
}

static void lets_no_child_give_it_back(void **state)
{
	(void)state;
	open_it();
	read_until(TAKEN);
	assert_int_equal(WTERMSIG(in_child(die)), SIGTERM);
	assert_int_equal(in_child(leave), 0);
	assert_true(is_raw());
	assert_false(got_some());
}

/* ---- keys ---- */

static bool key_has_come(void)
{
	return KeyCount;
}

static void tells_keys(void **state)
{
	(void)state;
	open_it();
	type("q\x03\x1a\x1b[A\xc3\xa9");
	assert_true(loop_until(key_has_come));
	assert_int_equal(KeyCount, 5);
	assert_int_equal(Keys[0], 'q');
	assert_int_equal(Keys[1], KEY_CTRL('c'));
	assert_int_equal(Keys[2], KEY_CTRL('z'));
	assert_int_equal(Keys[3], KEY_UP);
	assert_int_equal(Keys[4], 0xe9);
}

static void tells_esc_by_time(void **state)
{
	(void)state;
	open_it();
	type("\x1b");
	run_a_round();
	type("[B");
	assert_true(loop_until(key_has_come));
	assert_int_equal(Keys[0], KEY_DOWN);
	KeyCount = 0;
	type("\x1b");
	assert_true(loop_until(key_has_come));
	assert_int_equal(Keys[0], KEY_ESC);
	assert_true(loop_until_quiet());
}

static void may_be_closed_by_a_key(void **state)
{
	(void)state;
	open_it();
	CloseAtKey = true;
	type("qqq\x1b");
	assert_true(loop_until(key_has_come));
	loop_skip(KEYPRESS_REST_MS);
	assert_int_equal(KeyCount, 1);
	assert_true(is_as_before());
	KeyCount = 0;
	open_it();
	type("x");
	assert_true(loop_until(key_has_come));
	assert_int_equal(Keys[0], 'x');
}

/* ---- frames ---- */

static void show(const char *text)
{
	struct buf *frame = term_frame();
	assert_non_null(frame);
	assert_int_equal(buf_len(frame), 0);
	buf_put(frame, text, strlen(text));
	term_send();
}

static void writes_frames_at_once(void **state)
{
	(void)state;
	open_it();
	show("one");
	show("");
	show("\x1b[5;5Htwo\n");
	read_until(TAKEN "one\x1b[5;5Htwo\n");
	assert_int_equal(ReadyCount, 0);
	assert_true(loop_until_quiet());
}

static void fill(void)
{
	struct buf *frame = term_frame();
	assert_non_null(frame);
	memset(buf_room(frame, BIG), 'x', BIG);
	buf_push(frame, BIG);
	term_send();
}

static bool is_ready(void)
{
	got_some();
	return ReadyCount;
}

/* It is complete before the next, and who asked meanwhile is told once. */
static void waits_for_a_slow_terminal(void **state)
{
	struct timer again = {.on = stop_by_timer};
	(void)state;
	open_it();
	fill();
	assert_null(term_frame());
	assert_null(term_frame());
	assert_true(loop_until_quiet());
	assert_int_equal(ReadyCount, 0);
	for (int tries = 0; !is_ready() && tries < PATIENCE_MS; tries++) {
		timer_after(&again, 1);
		loop_run();
	}
	timer_stop(&again);
	type("q");
	assert_true(loop_until(key_has_come));
	show("next");
	read_until("xxxnext");
	assert_int_equal(N, strlen(TAKEN) + BIG + strlen("next"));
	assert_int_equal(strspn(Got + strlen(TAKEN), "x"), BIG);
	assert_true(loop_until_quiet());
	assert_int_equal(ReadyCount, 1);
}

static void takes_keys_of_a_slow_terminal(void **state)
{
	(void)state;
	open_it();
	fill();
	type("q");
	assert_true(loop_until(key_has_come));
	assert_int_equal(Keys[0], 'q');
}

/* A frame that is stuck is no reason to stay, or to leave the terminal raw. */
static void leaves_a_terminal_that_does_not_read(void **state)
{
	(void)state;
	open_it();
	fill();
	assert_true(loop_until_quiet());
	term_close();
	assert_true(is_as_before());
	read_until(GIVEN_BACK);
}

static void leaves_a_stopped_terminal(void **state)
{
	(void)state;
	open_it();
	assert_int_equal(tcflow(Slave, TCOOFF), 0);
	show("never seen");
	assert_true(loop_until_quiet());
	term_close();
	assert_true(is_as_before());
}

/* ---- what happens to it ---- */

static bool is_anew(void)
{
	return AnewCount;
}

static bool is_gone(void)
{
	return GoneCount;
}

static void tells_its_size(void **state)
{
	struct winsize size = {.ws_col = 120, .ws_row = 40};
	unsigned columns, rows;
	(void)state;
	open_it();
	term_size(&columns, &rows);
	assert_int_equal(columns, 80);
	assert_int_equal(rows, 24);
	assert_int_equal(ioctl(Master, TIOCSWINSZ, &size), 0);
	assert_true(loop_until(is_anew));
	term_size(&columns, &rows);
	assert_int_equal(columns, 120);
	assert_int_equal(rows, 40);
}

static void tells_that_it_is_gone(void **state)
{
	(void)state;
	open_it();
	show("x");
	close(Master);
	assert_true(loop_until(is_gone));
	term_frame();
	term_send();
	assert_true(loop_until_quiet());
	assert_int_equal(GoneCount, 1);
	term_close();
	Master = -1;
}

static void tells_that_it_is_gone_while_it_is_slow(void **state)
{
	(void)state;
	open_it();
	fill();
	assert_null(term_frame());
	close(Master);
	assert_true(loop_until(is_gone));
	assert_int_equal(ReadyCount, 0);
	Master = -1;
}

/* In a group that the kernel would stop: its leader's parent is of the same session.
 * Returns the group that had the terminal before. */
static pid_t be_a_group(void)
{
	sigset_t none;
	pid_t before = getpgrp();
	sigemptyset(&none);
	setpgid(0, 0);
	signal(SIGTTOU, SIG_IGN);
	tcsetpgrp(Slave, getpgrp());
	signal(SIGTTOU, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return before;
}

static void be_told_to_stop(void)
{
	pid_t before = be_a_group();
	open_it();
	kill(getpid(), SIGTSTP);
	kill(getpid(), SIGTTIN);
	kill(getpid(), SIGTTOU);
	type("q");
	bool told = loop_until(key_has_come) && !AnewCount;
	term_close();
	tcsetpgrp(Slave, before);
	_exit(told ? 0 : 1);
}

static void goes_on_when_it_is_to_stop(void **state)
{
	(void)state;
	assert_int_equal(in_child(be_told_to_stop), 0);
	assert_true(is_as_before());
}

/* As child.h gives it back, a child's mask is what it was before. */
static void start_one_that_is_told_to_stop(void)
{
	pid_t before = be_a_group();
	int status = 0;
	open_it();
	pid_t child = fork();
	if (!child) {
		sigset_t none;
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execlp("sh", "sh", "-c", "kill -TSTP $$; exit 7", (char *)NULL);
		_exit(1);
	}
	waitpid(child, &status, WUNTRACED);
	if (WIFSTOPPED(status))
		kill(child, SIGKILL);
	term_close();
	tcsetpgrp(Slave, before);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void leaves_no_child_stopped(void **state)
{
	(void)state;
	assert_int_equal(WEXITSTATUS(in_child(start_one_that_is_told_to_stop)), 7);
	assert_true(is_as_before());
}

static void takes_over_again_when_it_is_continued(void **state)
{
	(void)state;
	open_it();
	read_until(TAKEN);
	tcsetattr(Slave, TCSANOW, &Before); /* as a shell does */
	kill(getpid(), SIGCONT);
	assert_true(loop_until(is_anew));
	assert_true(is_raw());
	read_until(TAKEN TAKEN);
	term_close();
	assert_true(is_as_before());
}

static pid_t start_other_group(void)
{
	pid_t pid = fork();
	if (!pid) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	setpgid(pid, pid);
	return pid;
}

static void leaves_it_alone_in_the_background(void **state)
{
	(void)state;
	open_it();
	pid_t other = start_other_group();
	assert_int_equal(tcsetpgrp(Slave, other), 0);
	tcsetattr(Slave, TCSANOW, &Before);
	kill(getpid(), SIGCONT);
	assert_true(loop_until_quiet());
	read_until(TAKEN);
	assert_null(term_frame());
	type("q\n");
	assert_true(loop_until_quiet());
	assert_true(is_as_before());
	assert_int_equal(KeyCount + AnewCount + GoneCount, 0);

	assert_int_equal(tcsetpgrp(Slave, getpgrp()), 0); /* no signal tells that */
	assert_true(loop_until(is_anew));
	assert_true(is_raw());
	assert_int_equal(GoneCount, 0);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
}

/* Somebody else came to the foreground, and no signal told. */
static void reads_nothing_in_the_background(void **state)
{
	(void)state;
	open_it();
	pid_t other = start_other_group();
	assert_int_equal(tcsetpgrp(Slave, other), 0);
	tcsetattr(Slave, TCSANOW, &Before);
	type("q\n");
	assert_true(loop_until_quiet());
	assert_null(term_frame());
	term_close();
	assert_int_equal(KeyCount + GoneCount, 0);
	read_until(TAKEN "q\r\n"); /* the echo */
	assert_int_equal(tcsetpgrp(Slave, getpgrp()), 0);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
}

static void gives_nothing_back_that_others_have(void **state)
{
	(void)state;
	open_it();
	read_until(TAKEN);
	pid_t other = start_other_group();
	assert_int_equal(tcsetpgrp(Slave, other), 0);
	term_close();
	assert_true(is_raw());
	assert_false(got_some());
	assert_int_equal(tcsetpgrp(Slave, getpgrp()), 0);
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
}

static void is_given_back_for_a_while(void **state)
{
	(void)state;
	open_it();
	fill();
	term_pause();
	assert_true(is_as_before());
	read_until(GIVEN_BACK);
	assert_null(term_frame());
	kill(getpid(), SIGCONT);
	assert_true(loop_until_quiet());
	assert_true(is_as_before());
	assert_int_equal(AnewCount, 0);
	N = 0;
	term_resume();
	assert_true(is_raw());
	assert_true(loop_until(is_anew));
	show("x");
	read_until(TAKEN "x");
	term_resume();
	assert_true(loop_until_quiet());
	assert_int_equal(AnewCount, 1);
}

/* ---- what the environment says ---- */

static const struct {
	const char *all, *ctype, *lang;
	bool utf8;
} Locales[] = {
	{NULL, NULL, NULL, false},
	{"", "", "", false},
	{NULL, NULL, "en_US.UTF-8", true},
	{NULL, NULL, "C.utf8", true},
	{NULL, NULL, "C", false},
	{NULL, "de_DE.UTF-8", "C", true},
	{NULL, "de_DE.ISO-8859-1", "C.UTF-8", false},
	{"C", "de_DE.UTF-8", "C.UTF-8", false},
	{"", "de_DE.utf-8", "C", true},
	{"POSIX.UTF-8", "C", "C", true},
};

static void set(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

static void reads_the_environment(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof Locales / sizeof *Locales; i++) {
		set("LC_ALL", Locales[i].all);
		set("LC_CTYPE", Locales[i].ctype);
		set("LANG", Locales[i].lang);
		assert_int_equal(term_has_utf8(), Locales[i].utf8);
	}
	set("NO_COLOR", NULL);
	assert_true(term_has_color());
	set("NO_COLOR", "");
	assert_true(term_has_color());
	set("NO_COLOR", "1");
	assert_false(term_has_color());
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

static int run_all(void)
{
	const struct CMUnitTest tests[] = {
		TEST(gives_back_what_it_takes),
		TEST(keeps_unusual_modes),
		TEST(refuses_what_is_no_screen),
		TEST(refuses_where_it_has_no_terminal_or_not_the_foreground),
		TEST(gives_back_when_killed),
		TEST(gives_back_at_a_fault),
		TEST(gives_back_when_the_stack_is_full),
		TEST(leaves_the_signal_to_who_had_it),
		TEST(gives_back_at_exit),
		TEST(lets_no_child_give_it_back),
		TEST(tells_keys),
		TEST(tells_esc_by_time),
		TEST(may_be_closed_by_a_key),
		TEST(writes_frames_at_once),
		TEST(waits_for_a_slow_terminal),
		TEST(takes_keys_of_a_slow_terminal),
		TEST(leaves_a_terminal_that_does_not_read),
		TEST(leaves_a_stopped_terminal),
		TEST(tells_its_size),
		TEST(tells_that_it_is_gone),
		TEST(tells_that_it_is_gone_while_it_is_slow),
		TEST(goes_on_when_it_is_to_stop),
		TEST(leaves_no_child_stopped),
		TEST(takes_over_again_when_it_is_continued),
		TEST(leaves_it_alone_in_the_background),
		TEST(reads_nothing_in_the_background),
		TEST(gives_nothing_back_that_others_have),
		TEST(is_given_back_for_a_while),
		TEST(reads_the_environment),
	};
	return cmocka_run_group_tests_name("term", tests, NULL, NULL);
}

/* Only who leads a session can get another terminal, and who leads a group cannot become
 * such a one. */
int main(void)
{
	int status = 1;
	pid_t pid = fork();
	if (!pid) {
		setsid();
		signal(SIGHUP, SIG_IGN);
		alarm(ALARM_S);
		return run_all();
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
