/* tui.c on a real pseudo-terminal: when it draws, and when it does not.  What it draws is
 * board.c's. */
#include "test_manager.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "log.h"
#include "tui.h"

enum { ALARM_S = 240 };

static int Master, Slave;
static char Got[1 << 20];
static size_t N;
static unsigned Quits, Gone;

static void on_quit(void *owner)
{
	(void)owner;
	Quits++;
	tui_end();
}

static void on_gone(void)
{
	Gone++;
	tui_end();
}

/* The end of the last test's terminal sends them. */
static void drop_pending(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	sigaddset(&set, SIGWINCH);
	while (sigtimedwait(&set, NULL, &(struct timespec){0}) > 0)
		continue;
}

static int begin_tui(void **state)
{
	drop_pending();
	N = 0;
	Got[0] = '\0';
	Quits = Gone = 0;
	setenv("TERM", "xterm", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	unsetenv("NO_COLOR");
	if (openpty(&Master, &Slave, NULL, NULL, &(struct winsize){24, 80, 0, 0}) ||
		ioctl(Slave, TIOCSCTTY, 0))
		return -1;
	fcntl(Master, F_SETFL, O_NONBLOCK);
	return begin(state);
}

static int end_tui(void **state)
{
	tui_end();
	close(Slave);
	close(Master);
	return end(state);
}

static void start(bool ascii)
{
	static const struct board_ops Ops = {.quit = on_quit};
	struct err e = {0};
	if (!tui_start(&(struct tui_spec){{M, &Ops, NULL}, ascii, on_gone}, &e))
		fail_msg("%s", e.text);
	assert_true(tui_is_on());
}

static void read_some(void)
{
	ssize_t n = read(Master, Got + N, sizeof Got - 1 - N);
	N += n > 0 ? (size_t)n : 0;
	Got[N] = '\0';
}

/* Forgets what was sent before, and lets the loop run until something is there. */
static void expect(const char *text)
{
	for (int i = 0; i < PATIENCE_MS / QUIET_MS && !strstr(Got, text); i++) {
		loop_until_quiet();
		read_some();
	}
	if (!strstr(Got, text))
		fail_msg("no '%s' in: %s", text, Got);
}

static void forget(void)
{
	loop_until_quiet();
	read_some();
	N = 0;
	Got[0] = '\0';
}

static unsigned count(const char *text)
{
	unsigned n = 0;
	for (const char *p = Got; (p = strstr(p, text)); p++)
		n++;
	return n;
}

static unsigned frames(void)
{
	assert_int_equal(count("\x1b[?2026h"), count("\x1b[?2026l"));
	return count("\x1b[?2026h");
}

/* What has come of a jump of the clock, all of it: a word that is said ends it.  It is
 * like none before, since only what differs is sent. */
static unsigned frames_after(int64_t ms)
{
	static unsigned number;
	char word[8] = "";
	forget();
	loop_skip(ms);
	memset(word, 'A' + (int)number++, sizeof word - 1);
	tui_say(STYLE_PLAIN, word);
	expect(word);
	return frames() - 1;
}

static void draws_when_it_starts(void **state)
{
	(void)state;
	assert_int_equal(apply_rows("x a 0 80"), EXIT_OK);
	start(false);
	expect("s-x");
	assert_non_null(strstr(Got, "nanoporter - Kubernetes Port-Forward Manager"));
	assert_non_null(strstr(Got, "\u26aa"));
	assert_int_equal(frames(), 1);
}

static void refuses_what_is_no_screen(void **state)
{
	struct err e = {0};
	(void)state;
	setenv("TERM", "dumb", 1);
	assert_false(tui_start(&(struct tui_spec){.board.manager = M}, &e));
	assert_false(tui_is_on());
	assert_int_not_equal(e.kind, ERR_NONE);
	tui_changed(); /* all of it harmless */
	tui_say(STYLE_PLAIN, "x");
	tui_lend(true);
	tui_lend(false);
	tui_end();
	forget();
	assert_int_equal(N, 0);
}

static bool is_reconnecting(void)
{
	return forward_state(manager_forward(M, 0)) == FORWARD_RECONNECTING;
}

/* As porter.c does when it is told. */
static void wait_reconnecting(void)
{
	for (int i = 0; i < PATIENCE_MS / QUIET_MS && !is_reconnecting(); i++)
		loop_until_quiet();
	tui_changed();
	expect("retry in ");
}

static void has_words_only_where_there_is_no_utf8(void **state)
{
	(void)state;
	assert_int_equal(apply_rows("x a 0 80"), EXIT_OK);
	for (int i = 0; i < 2; i++) {
		setenv("LC_ALL", i ? "C" : "C.UTF-8", 1);
		start(!i);
		expect("s-x");
		expect("Starting");
		for (size_t at = 0; at < N; at++)
			assert_in_range(Got[at], 0, 0x7e);
		tui_end();
		forget();
	}
}

static void has_no_colors_where_none_are_wanted(void **state)
{
	(void)state;
	assert_int_equal(apply_rows("x a 0 80"), EXIT_OK);
	manager_start(M);
	setenv("NO_COLOR", "1", 1);
	start(false);
	wait_reconnecting();
	assert_null(strstr(Got, ";33"));
	tui_end();
	unsetenv("NO_COLOR");
	forget();
	start(false);
	expect("\x1b[0;33m");
}

static void puts_many_changes_into_one_frame(void **state)
{
	char word[32];
	(void)state;
	start(false);
	expect("nanoporter");
	forget();
	for (int i = 0; i < 100; i++) {
		snprintf(word, sizeof word, "number%d", i);
		tui_say(STYLE_PLAIN, word);
	}
	expect("number99");
	assert_int_equal(frames(), 1);
}

static void draws_each_second_only_what_counts(void **state)
{
	(void)state;
	assert_int_equal(apply_rows("x a 0 80"), EXIT_OK);
	start(false);
	expect("Starting");
	manager_start(M); /* of which nobody tells */
	assert_int_equal(frames_after(TUI_COUNT_MS), 0);
	wait_reconnecting();
	frames_after(0); /* it is drawn */
	forward_stop(manager_forward(M, 0));
	assert_int_equal(frames_after(TUI_COUNT_MS), 1);
	expect("Stopped");
	assert_true(forward_resume(manager_forward(M, 0), NULL));
	assert_int_equal(frames_after(TUI_COUNT_MS), 0);
}

static void sends_little_for_a_second(void **state)
{
	(void)state;
	assert_int_equal(apply_rows("x a 0 80"), EXIT_OK);
	manager_start(M);
	start(false);
	wait_reconnecting();
	forget();
	loop_skip(TUI_COUNT_MS);
	expect("\x1b[?2026l");
	assert_in_range(N, 1, 40);
	assert_int_equal(frames(), 1);
}

static void shows_lines_of_the_log_where_it_is_open(void **state)
{
	(void)state;
	start(false);
	expect("nanoporter");
	assert_int_equal(apply_rows("x a 0 80"), EXIT_OK);
	log_line(LOG_INFO, "first", NULL);
	assert_int_equal(frames_after(0), 0);
	assert_int_equal(write(Master, "l", 1), 1);
	expect("first");
	log_line(LOG_INFO, "another", NULL);
	expect("another");
}

static void obeys_keys(void **state)
{
	(void)state;
	start(false);
	expect("nanoporter");
	assert_int_equal(write(Master, "?", 1), 1);
	expect("to the first, to the last");
	forget();
	assert_int_equal(write(Master, "\x1b", 1), 1);
	expect("Namespace");
	assert_int_equal(write(Master, "q", 1), 1);
	expect("\x1b[?1049l"); /* as it was */
	assert_int_equal(Quits, 1);
	assert_false(tui_is_on());
}

static void fits_another_size(void **state)
{
	(void)state;
	start(false);
	expect("────────────────────────────────────────────────────────────────────────────────");
	forget();
	ioctl(Master, TIOCSWINSZ, &(struct winsize){10, 30, 0, 0});
	expect("\x1b[10;1H");
	assert_non_null(strstr(Got, "──────────────────────────────\x1b["));
}

static void draws_the_newest_when_a_slow_terminal_reads_again(void **state)
{
	char word[32];
	unsigned sent = 0;
	int before = -1, now = 0;
	(void)state;
	start(false);
	while (now != before) { /* until it takes no more */
		before = now;
		for (int i = 0; i < 20; i++) {
			snprintf(word, sizeof word, "number%u", sent++);
			tui_say(STYLE_PLAIN, word);
			ioctl(Master, TIOCSWINSZ,
				&(struct winsize){200, (unsigned short)(400 + sent % 2), 0, 0});
			loop_skip(TUI_FRAME_MS);
		}
		ioctl(Master, FIONREAD, &now);
	}
	tui_say(STYLE_PLAIN, "the newest");
	expect("the newest");
	assert_true(count("number") < sent);
}

static void leaves_the_terminal_to_who_asks(void **state)
{
	(void)state;
	start(false);
	expect("nanoporter");
	tui_lend(true);
	expect("\x1b[?1049l");
	forget();
	tui_say(STYLE_PLAIN, "meanwhile");
	loop_skip(1000);
	forget();
	assert_int_equal(N, 0);
	tui_lend(false);
	expect("meanwhile");
	assert_non_null(strstr(Got, "nanoporter")); /* all of it */
}

static void tells_that_the_terminal_is_gone(void **state)
{
	(void)state;
	start(false);
	expect("nanoporter");
	close(Master);
	for (int i = 0; i < PATIENCE_MS / QUIET_MS && !Gone; i++)
		loop_until_quiet();
	assert_int_equal(Gone, 1);
	assert_false(tui_is_on());
}

static int run_all(void)
{
#define TUI_TEST(f) cmocka_unit_test_setup_teardown(f, begin_tui, end_tui)
	const struct CMUnitTest tests[] = {
		TUI_TEST(draws_when_it_starts),
		TUI_TEST(refuses_what_is_no_screen),
		TUI_TEST(has_words_only_where_there_is_no_utf8),
		TUI_TEST(has_no_colors_where_none_are_wanted),
		TUI_TEST(puts_many_changes_into_one_frame),
		TUI_TEST(draws_each_second_only_what_counts),
		TUI_TEST(sends_little_for_a_second),
		TUI_TEST(shows_lines_of_the_log_where_it_is_open),
		TUI_TEST(obeys_keys),
		TUI_TEST(fits_another_size),
		TUI_TEST(draws_the_newest_when_a_slow_terminal_reads_again),
		TUI_TEST(leaves_the_terminal_to_who_asks),
		TUI_TEST(tells_that_the_terminal_is_gone),
	};
	log_open("/dev/null");
	return cmocka_run_group_tests_name("tui", tests, NULL, NULL);
}

/* As in test_term.c: only who leads a session can get another terminal. */
int main(void)
{
	int status = 1;
	pid_t pid = fork();
	if (!pid) {
		setsid();
		signal(SIGHUP, SIG_IGN);
		signal(SIGPIPE, SIG_IGN);
		alarm(ALARM_S);
		return run_all();
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
