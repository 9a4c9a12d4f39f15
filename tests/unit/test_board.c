/* board.c over real forwards, and no API server: what each key does, and what is on the
 * screen then. */
#include "test_manager.h"

#include "test_screen.h"

#include "board.h"
#include "keypress.h"
#include "log.h"

static struct board *B;
static struct screen S;
static unsigned Quits, Reloads, Saves;
static char Added[TEXT], Beside[TEXT];
static bool Refuse; /* what is to be added, or stopped */

static void on_quit(void *owner)
{
	assert_ptr_equal(owner, &Quits);
	Quits++;
}

static void on_reload(void *owner)
{
	(void)owner;
	Reloads++;
}

static bool on_stop(void *owner, struct forward *f, struct buf *errors)
{
	(void)owner;
	if (Refuse)
		buf_print(errors, "it is another's");
	else
		forward_stop(f);
	return !Refuse;
}

static bool on_start(void *owner, struct forward *f, struct buf *errors)
{
	struct err e = {0};
	(void)owner;
	if (forward_resume(f, &e))
		return true;
	buf_print(errors, "%s", e.text);
	return false;
}

static bool on_add(void *owner, const char *words, const char *beside, struct buf *errors)
{
	(void)owner;
	snprintf(Added, sizeof Added, "%s", words);
	snprintf(Beside, sizeof Beside, "%s", beside ? beside : "(none)");
	if (Refuse)
		buf_print(errors, "unknown type 'x'\n  there are many\n");
	return !Refuse;
}

static void on_save(void *owner)
{
	(void)owner;
	Saves++;
	board_say(B, STYLE_PLAIN, "saved");
}

static int begin_board(void **state)
{
	static const struct board_ops Ops = {
		on_quit, on_reload, on_stop, on_start, on_add, on_save};
	Quits = Reloads = Saves = 0;
	Refuse = false;
	int status = begin(state);
	B = board_new(&(struct board_spec){M, &Ops, &Quits});
	return status;
}

static int end_board(void **state)
{
	board_free(B);
	screen_free(&S);
	cells_set_ascii(false);
	return end(state);
}

static const char *draw(unsigned columns, unsigned rows)
{
	board_draw(B, &S, columns, rows);
	return frame_text(&S);
}

static void key(uint32_t k)
{
	board_key(B, k);
}

static void type(const char *text)
{
	while (*text)
		key((unsigned char)*text++);
}

static bool shows(const char *text)
{
	return strstr(draw(80, 24), text);
}

static void expect(const char *text)
{
	if (!shows(text))
		fail_msg("no '%s' in:\n%s", text, Frame.text);
}

/* The whole line of the frame drawn last that is selected. */
static const char *selected(void)
{
	static char text[TEXT];
	draw(80, 24);
	int row = frame_selected(&S);
	assert_true(row >= 0);
	text[frame_put_line((unsigned)row, S.columns, text)] = '\0';
	return text;
}

/* f1 ... fn, told apart by their addresses, 127.0.1.1 ... */
static void apply_many(unsigned n)
{
	char text[TEXT], *to = text;
	to += sprintf(to,
		"[template t]\ncluster = a\nnamespace = n\nservice = s\ntype = pod\n"
		"local_port = %u\nremote_port = 80\n",
		Port[0]);
	for (unsigned i = 1; i <= n; i++)
		to += sprintf(
			to, "[forward f%u]\ntemplate = t\nlocal_address = 127.0.1.%u\n", i, i);
	assert_int_equal(apply(text), EXIT_OK);
}

static void apply_three(void)
{
	assert_int_equal(apply_rows("x a 0 80,y a 1 8080,z b 2 443"), EXIT_OK);
}

/* ---- the table ---- */

static void shows_the_table(void **state)
{
	(void)state;
	apply_three();
	draw(80, 14);
	expect("nanoporter - Kubernetes Port-Forward Manager  ⚪ 3 Starting\n\nCluster Namespace ");
	expect("\n────────────────────────────────────────────────────────────────────────────────"
	       "\na       n         s-x ");
	expect("⚪ Starting\nb       n         s-z");
	expect("\nPress 'q' or Ctrl+C to quit   ?: help  Enter: details  /: filter  l: log\n");
	assert_int_equal(strlen(strstr(Frame.text, "\nPress")),
		strlen("\nPress 'q' or Ctrl+C to quit   ?: help  Enter: details  /: filter  l: "
		       "log\n"));
	assert_int_equal(frame_selected(&S), 4);
}

static void has_fewer_lines_around_it_on_a_small_screen(void **state)
{
	(void)state;
	apply_many(2);
	assert_string_equal(draw(24, 5), "nanoporter  2 Starting\n"
					 "Service Status\n"
					 "s       ⚪ Starting\n"
					 "s       ⚪ Starting\n"
					 "q: quit  ?: help\n");
	assert_string_equal(draw(24, 4), "nanoporter  2 Starting\n"
					 "Service Status\n"
					 "s       ⚪ Starting\n"
					 "q: quit  ?: help     1/2\n");
	assert_non_null(strstr(draw(19, 4), "\n?: help         1/2\n"));
	board_key(B, '?');
	assert_non_null(strstr(draw(20, 4), "\nEsc: back       2/"));
}

static void moves_the_selection(void **state)
{
	static const struct {
		uint32_t key;
		const char *row; /* the end of its address */
	} Steps[] = {
		{KEY_UP, ".1:"},
		{KEY_DOWN, ".2:"},
		{'j', ".3:"},
		{'k', ".2:"},
		{KEY_UP, ".1:"},
		{KEY_END, ".60:"},
		{KEY_DOWN, ".60:"},
		{'k', ".59:"},
		{KEY_HOME, ".1:"},
		{KEY_PAGE_DOWN, ".19:"}, /* of 18 rows */
		{KEY_PAGE_DOWN, ".37:"},
		{KEY_PAGE_DOWN, ".55:"},
		{KEY_PAGE_DOWN, ".60:"},
		{KEY_PAGE_UP, ".42:"},
	};
	(void)state;
	apply_many(60);
	assert_non_null(strstr(selected(), "127.0.1.1:"));
	for (size_t i = 0; i < sizeof Steps / sizeof *Steps; i++) {
		key(Steps[i].key);
		if (!strstr(selected(), Steps[i].row))
			fail_msg("%zu: %s", i, selected());
	}
}

static void tells_where_one_is(void **state)
{
	(void)state;
	apply_many(60);
	expect("  1/60\n");
	key(KEY_END);
	expect(" 60/60\n");
	assert_null(strstr(draw(80, 80), "/60"));
}

static void scrolls_no_more_than_need_be(void **state)
{
	(void)state;
	apply_many(30);
	for (int i = 0; i < 18; i++)
		key(KEY_DOWN);
	expect("127.0.1.19:");
	assert_null(strstr(Frame.text, "127.0.1.1:"));
	assert_non_null(strstr(Frame.text, "127.0.1.2:"));
	key(KEY_UP);
	expect("127.0.1.19:");
	assert_non_null(strstr(Frame.text, "127.0.1.2:"));
	draw(80, 26); /* no blank lines where there are rows */
	key(KEY_END);
	draw(80, 10);
	draw(80, 24);
	assert_non_null(strstr(Frame.text, "127.0.1.13:"));
}

static void keeps_the_selection_through_a_reload(void **state)
{
	(void)state;
	apply_three();
	key(KEY_DOWN);
	assert_non_null(strstr(selected(), "s-y"));
	assert_int_equal(apply_rows("z b 2 443,x a 0 80,y a 1 8080"), EXIT_OK);
	assert_non_null(strstr(selected(), "s-y"));
	assert_int_equal(frame_selected(&S), 6);
	assert_int_equal(apply_rows("z b 2 443"), EXIT_OK);
	assert_non_null(strstr(selected(), "s-z"));
	loop_until_quiet(); /* the ports are free */
	assert_int_equal(apply_rows("z b 2 443,x a 0 80"), EXIT_OK);
	assert_non_null(strstr(selected(), "s-z"));
}

static void shows_what_is_added_and_what_is_gone(void **state)
{
	(void)state;
	assert_int_equal(apply_rows("x a 0 80"), EXIT_OK);
	assert_false(shows("s-y"));
	assert_int_equal(apply_rows("y a 1 80"), EXIT_OK);
	expect("s-y");
	assert_false(shows("s-x"));
}

/* ---- the filter ---- */

static void filters_as_typed(void **state)
{
	(void)state;
	apply_three();
	type("/");
	expect("\n/\n");
	type("S-Y");
	expect("\n/S-Y\n");
	assert_null(strstr(Frame.text, "s-x"));
	assert_non_null(strstr(selected(), "s-y"));
	key(KEY_BACKSPACE);
	expect("s-x");
	key(KEY_UP); /* no text: it moves the selection */
	assert_non_null(strstr(selected(), "s-x"));
	type("zz");
	expect("No forward matches the filter.");
	key(KEY_ENTER);
	key(KEY_ENTER);
	expect("Filter: S-zz   Esc: clear");
	key(KEY_ESC);
	expect("s-y");
	assert_null(strstr(Frame.text, "Filter"));
	assert_int_equal(Quits, 0);
}

static void filters_by_each_of_its_texts(void **state)
{
	char port[16];
	(void)state;
	apply_three();
	snprintf(port, sizeof port, "%u:443", Port[2]);
	const char *const texts[] = {"B", "s-z", port, "starting"};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		type("/");
		type(texts[i]);
		expect("s-z");
		assert_int_equal(!strstr(Frame.text, "s-x"), i < 3);
		key(KEY_ESC);
		expect("s-x");
	}
}

static void acts_on_nothing_that_is_not_seen(void **state)
{
	(void)state;
	apply_three();
	manager_start(M);
	draw(80, 24);
	type("/nothing\r r");
	expect("No forward matches");
	for (size_t i = 0; i < manager_count(M); i++)
		assert_int_equal(forward_state(manager_forward(M, i)), FORWARD_STARTING);
}

/* ---- one forward ---- */

static void stops_and_starts_it(void **state)
{
	(void)state;
	apply_three();
	manager_start(M);
	draw(80, 24);
	key(KEY_DOWN);
	key(' ');
	assert_int_equal(forward_state(manager_forward(M, 1)), FORWARD_STOPPED);
	assert_non_null(strstr(selected(), "⚫ Stopped"));
	expect("⚪ 2 Starting  ⚫ 1 Stopped");
	key('r');
	expect("\na/s-y is stopped: space starts it\n");
	key(' ');
	assert_int_equal(forward_state(manager_forward(M, 1)), FORWARD_STARTING);
	expect("⚪ 3 Starting");
	assert_null(strstr(Frame.text, "is stopped"));
	key('r');
	expect("\na/s-y is connected anew\n");
}

static void says_why_it_is_not_stopped(void **state)
{
	(void)state;
	apply_three();
	manager_start(M);
	Refuse = true;
	key(' ');
	assert_int_equal(forward_state(manager_forward(M, 0)), FORWARD_STARTING);
	expect("\nit is another's\n");
}

static void says_why_it_cannot_be_started(void **state)
{
	(void)state;
	apply_three();
	manager_start(M);
	draw(80, 24);
	key(' ');
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons(Port[0]),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 1), 0);
	key(' ');
	assert_int_equal(forward_state(manager_forward(M, 0)), FORWARD_STOPPED);
	expect("\ncannot listen on 127.0.0.1:");
	close(fd);
}

static void wait_until(bool (*done)(void))
{
	for (int i = 0; i < PATIENCE_MS / QUIET_MS && !done(); i++)
		loop_until_quiet();
	assert_true(done());
}

static bool all_are_reconnecting(void)
{
	for (size_t i = 0; i < manager_count(M); i++)
		if (forward_state(manager_forward(M, i)) != FORWARD_RECONNECTING)
			return false;
	return true;
}

static void shows_all_there_is_to_know_of_it(void **state)
{
	char want[TEXT];
	(void)state;
	apply_three();
	manager_start(M);
	draw(80, 24);
	key(KEY_END);
	key(KEY_ENTER);
	expect("b/s-z\n\nStatus       ⚪ Starting\n");
	wait_until(all_are_reconnecting);
	expect("b/s-z\n\nStatus       🟡 Reconnecting\nInfo         retry in ");
	expect("\nWhy          ");
	snprintf(want, sizeof want, "\nURL          https://localhost:%u\n", Port[2]);
	expect(want);
	expect("\nCluster      b\nNamespace    n\nService      pod s-z\n");
	expect("\nSection      z\n");
	expect("\nTunnels      0\nRound trip   -\n");
	expect("\nConnections  0 open, 0 of them held; 0 served\nIn           0 B (0 B/s)\n");
	expect("\nEvents\n");
	expect(" 🟡 Reconnecting: ");
	key(KEY_ENTER);
	expect("Cluster Namespace Service");
}

static void leaves_details_of_what_is_gone(void **state)
{
	(void)state;
	apply_three();
	draw(80, 24);
	key(KEY_ENTER);
	expect("a/s-x\n");
	type("/"); /* leads back to the table */
	key(KEY_ESC);
	key(KEY_ENTER);
	assert_int_equal(apply_rows("y a 1 80,z b 2 443"), EXIT_OK);
	expect("Cluster Namespace Service");
	assert_non_null(strstr(selected(), "s-y"));
}

static void keeps_to_it_when_the_filter_does_not(void **state)
{
	(void)state;
	apply_three();
	manager_start(M);
	type("/starting\r");
	draw(80, 24);
	key(KEY_ENTER);
	key(' ');
	expect("a/s-x\n\nStatus       ⚫ Stopped\n");
	key(' ');
	expect("a/s-x\n\nStatus       ⚪ Starting\n");
}

/* ---- the log, and help ---- */

static void log_numbers(unsigned from, unsigned to)
{
	for (; from < to; from++)
		log_line(LOG_INFO, "line", LOG_FIELDS(LOG_NUM("n", from)));
}

static void shows_the_log_as_it_comes(void **state)
{
	(void)state;
	log_numbers(0, 100);
	log_line(LOG_WARN, "forward failed", LOG_FIELDS(LOG_STR("reason", "a\x1b[2J")));
	type("l");
	assert_true(board_shows_log(B));
	expect("Log: /dev/null\n\n");
	expect(" INFO  line n=99\n");
	expect(" WARN  forward failed reason=a?[2J\n\nPress");
	log_numbers(100, 101);
	expect(" INFO  line n=100\n");
	key(KEY_UP);
	draw(80, 24);
	log_numbers(101, 110);
	expect(" INFO  line n=99\n");
	assert_null(strstr(Frame.text, "n=101"));
	key(KEY_HOME);
	draw(80, 24);
	key(KEY_END);
	expect(" INFO  line n=109\n");
	log_numbers(110, 111);
	expect(" INFO  line n=110\n");
	key(KEY_ESC);
	assert_false(board_shows_log(B));
	expect("Cluster Namespace Service");
	assert_int_equal(Quits, 0);
}

static void holds_its_place_when_old_lines_go(void **state)
{
	(void)state;
	log_numbers(0, LOG_LINES);
	type("l");
	draw(80, 24);
	key(KEY_HOME);
	for (int i = 0; i < 300; i++)
		key(KEY_DOWN);
	expect(" INFO  line n=300\n");
	log_numbers(LOG_LINES, LOG_LINES + 200);
	expect("Log: /dev/null\n\n");
	assert_non_null(strstr(Frame.text, " INFO  line n=300\n"));
	log_numbers(LOG_LINES + 200, LOG_LINES + 500);
	expect(" INFO  line n=500\n"); /* the oldest that there is */
}

static void names_every_key(void **state)
{
	static const char *const Keys[] = {"q, Ctrl+C ", "Esc ", "Up, Down, k, j ", "PgUp, PgDn ",
		"Home, End ", "Enter ", "/ ", "r ", "Space ", "R ", "l ", "a ", "w ", "Ctrl+L ",
		"? "};
	(void)state;
	type("?");
	expect("Keys\n\n");
	for (size_t i = 0; i < sizeof Keys / sizeof *Keys; i++) {
		char line[64];
		snprintf(line, sizeof line, "\n%s ", Keys[i]);
		expect(line);
	}
	type("?");
	expect("Cluster Namespace Service");
}

/* ---- leaving ---- */

static void quits_by_each_of_its_keys(void **state)
{
	static const uint32_t Keys[] = {'q', KEY_CTRL('C'), KEY_ESC};
	(void)state;
	for (unsigned i = 0; i < sizeof Keys / sizeof *Keys; i++) {
		key(Keys[i]);
		assert_int_equal(Quits, i + 1);
	}
	type("l");
	key('q');
	assert_int_equal(Quits, 4);
	type("/");
	key(KEY_CTRL('C'));
	assert_int_equal(Quits, 5);
}

static void leaves_one_thing_after_the_other(void **state)
{
	(void)state;
	apply_three();
	type("/s-x\r");
	draw(80, 24);
	key(KEY_ENTER);
	expect("a/s-x\n");
	key(KEY_ESC);
	expect("Filter: s-x");
	key(KEY_ESC);
	expect("s-y");
	assert_int_equal(Quits, 0);
	key(KEY_ESC);
	assert_int_equal(Quits, 1);
}

static void ignores_other_keys(void **state)
{
	static const uint32_t Keys[] = {KEY_CTRL('Z'), KEY_TAB, KEY_INSERT, KEY_LEFT, 'x', 0x20ac};
	static char before[FRAME_TEXT];
	(void)state;
	apply_three();
	strcpy(before, draw(80, 24));
	for (size_t i = 0; i < sizeof Keys / sizeof *Keys; i++)
		key(Keys[i]);
	assert_string_equal(draw(80, 24), before);
	assert_int_equal(Quits, 0);
}

static size_t bytes_of_a_frame(void)
{
	struct buf bytes = {0};
	board_draw(B, &S, 80, 24);
	screen_changes(&S, &bytes);
	size_t n = buf_len(&bytes);
	buf_free(&bytes);
	return n;
}

static void draws_all_anew(void **state)
{
	(void)state;
	apply_three();
	size_t all = bytes_of_a_frame();
	assert_true(all);
	assert_int_equal(bytes_of_a_frame(), 0);
	key(KEY_CTRL('L'));
	assert_int_equal(bytes_of_a_frame(), all);
	assert_int_equal(bytes_of_a_frame(), 0);
}

static void pastes_into_prompts_only(void **state)
{
	static char before[FRAME_TEXT];
	(void)state;
	apply_three();
	strcpy(before, draw(80, 24));
	for (const char *p = "q l?aR"; *p; p++)
		key(KEY_PASTED + (uint32_t)*p);
	assert_string_equal(draw(80, 24), before);
	assert_int_equal(Quits + Reloads, 0);
	key('/');
	for (const char *p = "s-y"; *p; p++)
		key(KEY_PASTED + (uint32_t)*p);
	assert_non_null(strstr(draw(80, 24), "\n/s-y\n"));
}

/* ---- what is for others ---- */

static void adds_beside_what_is_selected(void **state)
{
	(void)state;
	apply_three();
	draw(80, 24);
	key(KEY_END);
	type("a");
	expect("\nAdd to b/n:\n");
	type("svc/q 80");
	expect("\nAdd to b/n: svc/q 80\n");
	assert_true(Frame.cursor);
	key(KEY_ENTER);
	assert_string_equal(Added, "svc/q 80");
	assert_string_equal(Beside, "z");
	assert_null(strstr(draw(80, 24), "Add to"));
	assert_false(Frame.cursor);
}

static void lets_words_be_mended(void **state)
{
	(void)state;
	type("ax/q 80");
	Refuse = true;
	key(KEY_ENTER);
	assert_string_equal(Beside, "(none)");
	expect("\nunknown type 'x'\n  there are many\n");
	key(KEY_LEFT);
	expect("\nAdd: x/q 80\n");
	Refuse = false;
	key(KEY_BACKSPACE);
	key(KEY_ENTER);
	assert_string_equal(Added, "x/q 0");
	assert_null(strstr(draw(80, 24), "Add"));
}

static void adds_nothing_for_nothing(void **state)
{
	(void)state;
	Added[0] = '\0';
	type("a  \r");
	type("asvc/x 80");
	key(KEY_ESC);
	assert_string_equal(Added, "");
	assert_null(strstr(draw(80, 24), "Add"));
	assert_int_equal(Quits, 0);
}

static void reloads_and_saves(void **state)
{
	(void)state;
	type("R");
	assert_int_equal(Reloads, 1);
	type("w");
	assert_int_equal(Saves, 1);
	expect("\nsaved\n");
}

static void says_many_words_in_half_of_the_screen(void **state)
{
	static char words[1000];
	(void)state;
	memset(words, 'w', sizeof words - 1);
	board_say(B, STYLE_BAD, words);
	draw(40, 10);
	assert_int_equal(strspn(strchr(Frame.text, 'w'), "w\n"), 5 * 41);
	board_say(B, STYLE_PLAIN, "in\ntwo lines");
	expect("\nin\ntwo lines\n");
	key('x');
	assert_false(shows("two lines"));
}

/* ---- the whole ---- */

static void tells_what_changes_by_itself(void **state)
{
	(void)state;
	apply_three();
	manager_start(M);
	draw(80, 24);
	assert_false(board_counts(B)); /* all are Starting */
	wait_until(all_are_reconnecting);
	draw(80, 24);
	assert_true(board_counts(B));
	key(KEY_ENTER);
	draw(80, 24);
	assert_true(board_counts(B));
	type("l");
	draw(80, 24);
	assert_false(board_counts(B));
	key(KEY_ESC);
	draw(24, 24); /* no Info */
	assert_false(board_counts(B));
	for (size_t i = 0; i < manager_count(M); i++)
		forward_stop(manager_forward(M, i));
	draw(80, 24);
	assert_false(board_counts(B));
}

static void has_something_for_any_size(void **state)
{
	static const char *const Panes[] = {"", "\r", "l", "?", "/s", "\033a"};
	(void)state;
	apply_many(3);
	log_numbers(0, 30);
	for (size_t i = 0; i < sizeof Panes / sizeof *Panes; i++) {
		type(Panes[i]);
		for (unsigned columns = 1; columns < 50; columns++)
			for (unsigned rows = 1; rows < 15; rows++)
				draw(columns, rows);
		draw(500, 200);
		draw(1000, 1000);
		draw(20, 5);
		assert_true(strlen(Frame.text) > 10);
	}
}

int main(void)
{
#define BOARD_TEST(f) cmocka_unit_test_setup_teardown(f, begin_board, end_board)
	const struct CMUnitTest tests[] = {
		BOARD_TEST(shows_the_table),
		BOARD_TEST(has_fewer_lines_around_it_on_a_small_screen),
		BOARD_TEST(moves_the_selection),
		BOARD_TEST(tells_where_one_is),
		BOARD_TEST(scrolls_no_more_than_need_be),
		BOARD_TEST(keeps_the_selection_through_a_reload),
		BOARD_TEST(shows_what_is_added_and_what_is_gone),
		BOARD_TEST(filters_as_typed),
		BOARD_TEST(filters_by_each_of_its_texts),
		BOARD_TEST(acts_on_nothing_that_is_not_seen),
		BOARD_TEST(stops_and_starts_it),
		BOARD_TEST(says_why_it_is_not_stopped),
		BOARD_TEST(says_why_it_cannot_be_started),
		BOARD_TEST(shows_all_there_is_to_know_of_it),
		BOARD_TEST(leaves_details_of_what_is_gone),
		BOARD_TEST(keeps_to_it_when_the_filter_does_not),
		BOARD_TEST(shows_the_log_as_it_comes),
		BOARD_TEST(holds_its_place_when_old_lines_go),
		BOARD_TEST(names_every_key),
		BOARD_TEST(quits_by_each_of_its_keys),
		BOARD_TEST(leaves_one_thing_after_the_other),
		BOARD_TEST(ignores_other_keys),
		BOARD_TEST(draws_all_anew),
		BOARD_TEST(pastes_into_prompts_only),
		BOARD_TEST(adds_beside_what_is_selected),
		BOARD_TEST(lets_words_be_mended),
		BOARD_TEST(adds_nothing_for_nothing),
		BOARD_TEST(reloads_and_saves),
		BOARD_TEST(says_many_words_in_half_of_the_screen),
		BOARD_TEST(tells_what_changes_by_itself),
		BOARD_TEST(has_something_for_any_size),
	};
	log_open("/dev/null");
	return cmocka_run_group_tests_name("board", tests, NULL, NULL);
}
