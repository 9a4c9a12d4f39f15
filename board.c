/* One state, which keys change and frames are made of.  What is selected is known by its
 * name, since forwards come and go. */
#include "board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cells.h"
#include "details.h"
#include "keypress.h"
#include "log.h"
#include "logpane.h"
#include "loop.h"
#include "mem.h"
#include "page.h"
#include "prompt.h"
#include "rates.h"
#include "table.h"
#include "view.h"

enum pane { PANE_TABLE, PANE_DETAILS, PANE_LOG, PANE_HELP };
enum question { ASKS_NOTHING, ASKS_FILTER, ASKS_ADD };

enum {
	ROOMY = 12,     /* rows of a screen that has blank lines */
	RULED = 7,      /* and of one that has a rule under the head */
	HELP_KEYS = 16, /* columns */
	FOOT_TEXT = 256,
};

struct board {
	struct board_spec spec;
	enum pane pane;
	struct page page; /* of all panes but the table */
	enum question asks;
	struct prompt prompt;
	char filter[PROMPT_TEXT];
	char *said; /* or NULL */
	enum style said_style;
	struct page saying; /* the same, in lines */
	char *selected;     /* the name of its section; or NULL: none has been yet */
	struct table table;
	struct row {
		size_t i; /* of the manager's */
		unsigned lines;
		struct rate rate;
	} * rows; /* those that the filter lets through */
	size_t count, cap;
	size_t at, top, shown; /* rows: the selected one, the first that is shown, how many are */
	unsigned columns;
	struct rates rates;
	bool counts;
	bool anew; /* all of it is to be sent: something else may have written there */
};

/* ---- which forwards ---- */

static const char *name_of(const struct board *b, size_t i)
{
	return forward_config(manager_forward(b->spec.manager, i))->name;
}

/* False if it is gone, or there is none. */
static bool find_selected(const struct board *b, size_t *i)
{
	for (*i = 0; b->selected && *i < manager_count(b->spec.manager); ++*i)
		if (!strcmp(name_of(b, *i), b->selected))
			return true;
	return false;
}

static void select_row(struct board *b, size_t at)
{
	b->at = at;
	if (at < b->count) {
		char *name = mem_dup(name_of(b, b->rows[at].i));
		free(b->selected);
		b->selected = name;
	}
}

static bool passes(const struct board *b, const struct view_forward *v)
{
	char ports[VIEW_PORTS];
	view_ports(v, ports);
	const char *const texts[] = {
		v->cluster, v->namespace, v->service, ports, forward_state_name(v->state)};
	bool found = !*b->filter;
	for (size_t i = 0; i < sizeof texts / sizeof *texts && !found; i++)
		found = strcasestr(texts[i], b->filter);
	return found;
}

static void add_row(struct board *b, size_t i, const struct view_forward *v, struct rate rate)
{
	if (b->count == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 32;
		b->rows = mem_grow(b->rows, b->cap * sizeof *b->rows);
	}
	b->rows[b->count++] = (struct row){i, table_lines(&b->table, v), rate};
	table_consider(&b->table, v);
}

/* What is not there any more leaves the selection to what takes its place; but for its
 * details nothing else is to stand in. */
static void find_place(struct board *b)
{
	for (size_t at = 0; b->selected && at < b->count; at++)
		if (!strcmp(name_of(b, b->rows[at].i), b->selected)) {
			b->at = at;
			return;
		}
	if (b->pane == PANE_TABLE)
		select_row(b, b->at < b->count ? b->at : b->count ? b->count - 1 : 0);
}

static void list_rows(struct board *b)
{
	struct view_forward v;
	b->count = 0;
	table_begin(&b->table, b->columns);
	for (size_t i = 0; i < manager_count(b->spec.manager); i++) {
		view_forward(b->spec.manager, i, &v);
		struct rate rate = rates_take(&b->rates, i, manager_forward(b->spec.manager, i),
			v.numbers.bytes_down, v.numbers.bytes_up, loop_now());
		if (passes(b, &v))
			add_row(b, i, &v, rate);
	}
	table_settle(&b->table);
	find_place(b);
}

/* The first of the rows up to `last` that fit together. */
static size_t first_beside(const struct board *b, size_t last, unsigned room)
{
	unsigned lines = b->rows[last].lines;
	while (last && lines + b->rows[last - 1].lines <= room)
		lines += b->rows[--last].lines;
	return last;
}

/* Moves what is shown as little as need be. */
static void scroll(struct board *b, unsigned room)
{
	if (!b->count)
		return;
	size_t least = first_beside(b, b->at, room), most = first_beside(b, b->count - 1, room);
	if (b->top > b->at)
		b->top = b->at;
	if (b->top < least)
		b->top = least;
	if (b->top > most)
		b->top = most;
}

/* ---- words ---- */

void board_say(struct board *b, enum style style, const char *text)
{
	free(b->said);
	b->said = *text ? mem_dup(text) : NULL;
	b->said_style = style;
}

static void say_errors(struct board *b, struct buf *errors)
{
	buf_put(errors, "", 1);
	board_say(b, STYLE_BAD, (const char *)buf_data(errors));
}

static void say_lines(struct board *b)
{
	char *copy = mem_dup(b->said), *rest = copy;
	page_begin(&b->saying, b->columns, 0);
	for (char *line; (line = strsep(&rest, "\n"));)
		if (*line)
			page_put(&b->saying, STYLE_PLAIN, "", b->said_style, line);
	free(copy);
}

/* ---- keys ---- */

static void quit(struct board *b)
{
	b->spec.ops->quit(b->spec.owner);
}

static void open_pane(struct board *b, enum pane pane)
{
	page_free(&b->page);
	b->pane = b->pane == pane ? PANE_TABLE : pane;
}

static void leave(struct board *b)
{
	if (b->pane != PANE_TABLE)
		open_pane(b, PANE_TABLE);
	else if (*b->filter)
		*b->filter = '\0';
	else
		quit(b);
}

static void move(struct board *b, long by)
{
	if (b->pane != PANE_TABLE) {
		page_move(&b->page, by);
		return;
	}
	list_rows(b);
	size_t left = b->count ? b->count - 1 - b->at : 0;
	if (by < 0)
		select_row(b, b->at > (size_t)-by ? b->at - (size_t)-by : 0);
	else
		select_row(b, b->at + (left < (size_t)by ? left : (size_t)by));
}

static long a_page(const struct board *b)
{
	size_t rows = b->pane == PANE_TABLE ? b->shown : b->page.rows;
	return rows > 1 ? (long)rows : 1;
}

static void up(struct board *b)
{
	move(b, -1);
}

static void down(struct board *b)
{
	move(b, 1);
}

static void page_up(struct board *b)
{
	move(b, -a_page(b));
}

static void page_down(struct board *b)
{
	move(b, a_page(b));
}

static void home(struct board *b)
{
	move(b, -(long)PAGE_ALL);
}

static void to_end(struct board *b)
{
	move(b, PAGE_ALL);
}

static void show_log(struct board *b)
{
	open_pane(b, PANE_LOG);
}

static void show_help(struct board *b)
{
	open_pane(b, PANE_HELP);
}

static void ask(struct board *b, enum question question, const char *text)
{
	if (b->pane != PANE_TABLE)
		open_pane(b, PANE_TABLE);
	b->asks = question;
	b->prompt.at = (size_t)snprintf(b->prompt.text, sizeof b->prompt.text, "%s", text);
}

static void ask_filter(struct board *b)
{
	ask(b, ASKS_FILTER, b->filter);
}

static void ask_add(struct board *b)
{
	ask(b, ASKS_ADD, "");
}

/* The one that keys are for: only while it can be seen. */
static struct forward *subject(struct board *b)
{
	size_t i;
	list_rows(b);
	bool seen = b->pane == PANE_DETAILS || (b->pane == PANE_TABLE && b->count);
	return seen && find_selected(b, &i) ? manager_forward(b->spec.manager, i) : NULL;
}

static void show_details(struct board *b)
{
	if (subject(b))
		open_pane(b, PANE_DETAILS);
}

static void reconnect(struct board *b)
{
	struct forward *f = subject(b);
	if (!f)
		return;
	bool stopped = forward_state(f) == FORWARD_STOPPED;
	char *text = mem_print("%s %s", forward_name(f),
		stopped ? "is stopped: space starts it" : "is connected anew");
	board_say(b, STYLE_PLAIN, text);
	free(text);
	forward_reconnect(f);
}

static void stop_or_start(struct board *b)
{
	const struct board_ops *ops = b->spec.ops;
	struct forward *f = subject(b);
	struct buf errors = {0};
	if (!f)
		return;
	bool stopped = forward_state(f) == FORWARD_STOPPED;
	if (!(stopped ? ops->start : ops->stop)(b->spec.owner, f, &errors))
		say_errors(b, &errors);
	buf_free(&errors);
}

static void reload(struct board *b)
{
	b->spec.ops->reload(b->spec.owner);
}

static void save(struct board *b)
{
	b->spec.ops->save(b->spec.owner);
}

static void draw_anew(struct board *b)
{
	b->anew = true;
}

/* Help is made of it. */
static const struct binding {
	uint32_t key;
	void (*act)(struct board *b);
	const char *keys, *words; /* NULL: as in the row above */
} Bindings[] = {
	{'q', quit, "q, Ctrl+C", "quit, and stop all forwards"},
	{KEY_CTRL('C'), quit, NULL, NULL},
	{KEY_ESC, leave, "Esc", "leave this, or clear the filter, or quit"},
	{KEY_UP, up, "Up, Down, k, j", "move"},
	{'k', up, NULL, NULL},
	{KEY_DOWN, down, NULL, NULL},
	{'j', down, NULL, NULL},
	{KEY_PAGE_UP, page_up, "PgUp, PgDn", "move by a page"},
	{KEY_PAGE_DOWN, page_down, NULL, NULL},
	{KEY_HOME, home, "Home, End", "to the first, to the last"},
	{KEY_END, to_end, NULL, NULL},
	{KEY_ENTER, show_details, "Enter", "details: all there is to know of a forward"},
	{'/', ask_filter, "/", "filter by cluster, namespace, service, ports or state"},
	{'r', reconnect, "r", "reconnect it now"},
	{' ', stop_or_start, "Space", "stop it, or start it again"},
	{'R', reload, "R", "read the configuration again"},
	{'l', show_log, "l", "the log"},
	{'a', ask_add, "a", "add forwards, as in: svc/api 8080:80"},
	{'w', save, "w", "write what was added to the configuration's file"},
	{KEY_CTRL('L'), draw_anew, "Ctrl+L", "draw all of it anew"},
	{'?', show_help, "?", "this"},
};
enum { BINDINGS = sizeof Bindings / sizeof *Bindings };

static void act(struct board *b, uint32_t key)
{
	for (size_t i = 0; i < BINDINGS; i++)
		if (Bindings[i].key == key) {
			Bindings[i].act(b);
			return;
		}
}

/* ---- prompts ---- */

static void add(struct board *b)
{
	struct buf errors = {0};
	size_t i;
	const char *beside = find_selected(b, &i) ? b->selected : NULL;
	if (b->spec.ops->add(b->spec.owner, b->prompt.text, beside, &errors))
		b->asks = ASKS_NOTHING;
	else
		say_errors(b, &errors);
	buf_free(&errors);
}

static void answer(struct board *b)
{
	if (b->asks == ASKS_ADD && b->prompt.text[strspn(b->prompt.text, " ")])
		add(b);
	else
		b->asks = ASKS_NOTHING;
}

/* Returns whether it was for the prompt. */
static bool type(struct board *b, uint32_t key)
{
	bool taken = true;
	if (key == KEY_ENTER)
		answer(b);
	else if (key == KEY_ESC)
		*b->prompt.text = '\0';
	else
		taken = prompt_key(&b->prompt, key);
	if (b->asks == ASKS_FILTER)
		memcpy(b->filter, b->prompt.text, sizeof b->filter);
	if (key == KEY_ESC)
		b->asks = ASKS_NOTHING;
	return taken;
}

/* What is pasted is text for a prompt, and no binding: it may have a 'q'. */
void board_key(struct board *b, uint32_t key)
{
	board_say(b, STYLE_PLAIN, "");
	if (!b->asks || !type(b, key & ~(uint32_t)KEY_PASTED))
		act(b, key);
}

/* ---- the foot ---- */

static const char Quit[] = "Press 'q' or Ctrl+C to quit";

/* The longest that fits. */
static const char *keys_text(const struct board *b, size_t room)
{
	static const char *const Table[] = {
		"Press 'q' or Ctrl+C to quit   ?: help  Enter: details  /: filter  l: log",
		"Press 'q' or Ctrl+C to quit   ?: help", Quit, "q: quit  ?: help", "?: help", NULL};
	static const char *const Pane[] = {
		"Press 'q' or Ctrl+C to quit   Esc: back", "q: quit  Esc: back", "Esc: back", NULL};
	const char *const *text = b->pane == PANE_TABLE ? Table : Pane;
	while (text[1] && cells_width(*text) > room)
		text++;
	return *text;
}

/* Where one is, if there is more than is seen; "" if not. */
static void place_text(const struct board *b, char text[FOOT_TEXT])
{
	text[0] = '\0';
	if (b->pane == PANE_TABLE && b->shown < b->count)
		snprintf(text, FOOT_TEXT, "%zu/%zu", b->at + 1, b->count);
	else if (b->pane != PANE_TABLE && b->page.rows < b->page.count)
		snprintf(text, FOOT_TEXT, "%zu/%zu", b->page.top + b->page.rows, b->page.count);
}

static void draw_keys(const struct board *b, struct screen *s)
{
	char place[FOOT_TEXT];
	place_text(b, place);
	unsigned width = (unsigned)strlen(place), room = s->columns;
	room -= width && width < room ? width + 1 : 0;
	if (*b->filter && b->pane == PANE_TABLE) {
		char *text = mem_print("Filter: %s   Esc: clear", b->filter);
		screen_field(s, STYLE_WARN, text, room);
		free(text);
	} else {
		screen_field(s, STYLE_FAINT, keys_text(b, room), room);
	}
	screen_pad(s, STYLE_PLAIN, s->columns - width);
	screen_put(s, STYLE_PLAIN, place);
}

static void draw_prompt(const struct board *b, struct screen *s)
{
	struct view_forward v;
	size_t i;
	char *label = NULL;
	if (b->asks == ASKS_FILTER)
		label = mem_dup("/");
	else if (!find_selected(b, &i))
		label = mem_dup("Add: ");
	else {
		view_forward(b->spec.manager, i, &v);
		label = mem_print("Add to %s/%s: ", v.cluster, v.namespace);
	}
	prompt_draw(&b->prompt, s, cells_width(label) < s->columns / 2 ? label : "> ");
	free(label);
}

/* Half of the screen at most. */
static unsigned foot_lines(struct board *b, unsigned rows)
{
	if (!b->said)
		return 1;
	say_lines(b);
	size_t lines = b->saying.count, most = rows > 2 ? rows / 2 : 1;
	return (unsigned)(lines < most ? lines : most);
}

static void draw_foot(struct board *b, struct screen *s, unsigned lines)
{
	screen_go(s, s->rows > lines ? s->rows - lines : 0);
	if (b->said)
		page_draw(&b->saying, s, lines);
	else if (b->asks)
		draw_prompt(b, s);
	else
		draw_keys(b, s);
}

/* ---- the panes ---- */

static void put_blank(struct screen *s)
{
	if (s->rows >= ROOMY)
		screen_line(s);
}

/* Of so many, with the blank one at the end. */
static unsigned rows_left(const struct screen *s, unsigned rows)
{
	unsigned used = s->row + (s->rows >= ROOMY ? 1 : 0);
	return rows > used ? rows - used : 1;
}

static void draw_head(const struct board *b, struct screen *s)
{
	struct view_counts counts;
	view_count(b->spec.manager, &counts);
	table_put_title(&b->table, s, &counts);
	put_blank(s);
	table_put_head(&b->table, s);
	if (s->rows >= RULED) {
		screen_rule(s, STYLE_FAINT, s->columns);
		screen_line(s);
	}
}

static void draw_rows(struct board *b, struct screen *s, unsigned room)
{
	struct view_forward v;
	unsigned lines = 0;
	scroll(b, room);
	for (b->shown = 0; b->top + b->shown < b->count && lines < room; b->shown++) {
		const struct row *row = &b->rows[b->top + b->shown];
		view_forward(b->spec.manager, row->i, &v);
		table_put_row(&b->table, s, &v, &row->rate, b->top + b->shown == b->at);
		b->counts = b->counts || table_counts(&b->table, &v);
		lines += row->lines;
	}
	if (!b->count && *b->filter)
		screen_put(s, STYLE_PLAIN, "No forward matches the filter.");
}

static void draw_table(struct board *b, struct screen *s, unsigned rows)
{
	draw_head(b, s);
	draw_rows(b, s, rows_left(s, rows));
}

static void draw_page(struct board *b, struct screen *s, unsigned rows, const char *title)
{
	screen_field(s, STYLE_STRONG, title, s->columns);
	screen_line(s);
	put_blank(s);
	page_draw(&b->page, s, rows_left(s, rows));
}

static void draw_details(struct board *b, struct screen *s, unsigned rows)
{
	struct view_forward v;
	size_t i;
	if (!find_selected(b, &i)) { /* removed */
		open_pane(b, PANE_TABLE);
		list_rows(b);
		draw_table(b, s, rows);
		return;
	}
	const struct forward *f = manager_forward(b->spec.manager, i);
	view_forward(b->spec.manager, i, &v);
	struct rate rate =
		rates_take(&b->rates, i, f, v.numbers.bytes_down, v.numbers.bytes_up, loop_now());
	details_page(&b->page, s->columns, &v, rate);
	draw_page(b, s, rows, forward_name(f));
	b->counts = v.state != FORWARD_STOPPED;
}

static void draw_log(struct board *b, struct screen *s, unsigned rows)
{
	char *title = mem_print("Log%s%s", *log_file() ? ": " : "", log_file());
	logpane_page(&b->page, s->columns);
	draw_page(b, s, rows, title);
	free(title);
}

static void draw_help(struct board *b, struct screen *s, unsigned rows)
{
	page_begin(&b->page, s->columns, HELP_KEYS);
	for (size_t i = 0; i < BINDINGS; i++)
		if (Bindings[i].keys)
			page_put(&b->page, STYLE_STRONG, Bindings[i].keys, STYLE_PLAIN,
				Bindings[i].words);
	draw_page(b, s, rows, "Keys");
}

void board_draw(struct board *b, struct screen *s, unsigned columns, unsigned rows)
{
	static void (*const Draw[])(struct board *, struct screen *, unsigned) = {
		[PANE_TABLE] = draw_table,
		[PANE_DETAILS] = draw_details,
		[PANE_LOG] = draw_log,
		[PANE_HELP] = draw_help,
	};
	screen_begin(s, columns, rows);
	if (b->anew)
		screen_forget(s);
	b->anew = false;
	b->columns = s->columns;
	b->counts = false;
	list_rows(b);
	unsigned foot = foot_lines(b, s->rows);
	Draw[b->pane](b, s, s->rows > foot ? s->rows - foot : 1);
	draw_foot(b, s, foot);
}

bool board_counts(const struct board *b)
{
	return b->counts;
}

bool board_shows_log(const struct board *b)
{
	return b->pane == PANE_LOG;
}

/* ---- beginning and end ---- */

struct board *board_new(const struct board_spec *spec)
{
	struct board *b = mem_new(sizeof *b);
	b->spec = *spec;
	return b;
}

void board_free(struct board *b)
{
	page_free(&b->page);
	page_free(&b->saying);
	rates_free(&b->rates);
	free(b->said);
	free(b->selected);
	free(b->rows);
	free(b);
}
