/* One timer, set for the next frame that is due. */
#include "tui.h"

#include <string.h>

#include "cells.h"
#include "log.h"
#include "loop.h"
#include "term.h"

static void on_frame(struct timer *timer);

static struct {
	struct board *board; /* NULL: there is no screen */
	struct screen screen;
	struct timer frame;
	int64_t drawn_ms; /* the last one; 0: none yet */
	bool waits;       /* for the terminal, which is slow */
	void (*gone)(void);
} Tui = {.frame.on = on_frame};

/* ---- drawing ---- */

static void draw(void)
{
	unsigned columns, rows;
	struct buf *frame = term_frame();
	Tui.waits = !frame;
	if (!frame)
		return;
	term_size(&columns, &rows);
	board_draw(Tui.board, &Tui.screen, columns, rows);
	screen_changes(&Tui.screen, frame);
	term_send();
	Tui.drawn_ms = loop_now();
	if (Tui.board && board_counts(Tui.board))
		timer_set(&Tui.frame, Tui.drawn_ms + TUI_COUNT_MS);
}

static void on_frame(struct timer *timer)
{
	(void)timer;
	draw();
}

/* What changes again before that is in the same frame. */
void tui_changed(void)
{
	int64_t due = Tui.drawn_ms + TUI_FRAME_MS;
	if (Tui.board && (!timer_is_set(&Tui.frame) || Tui.frame.at_ms > due))
		timer_set(&Tui.frame, due);
}

/* ---- what the terminal tells ---- */

static void on_key(uint32_t key)
{
	board_key(Tui.board, key);
	tui_changed();
}

static void on_anew(void)
{
	screen_forget(&Tui.screen);
	tui_changed();
}

static void on_ready(void)
{
	if (Tui.waits)
		tui_changed();
}

static void on_gone(void)
{
	Tui.gone();
}

static void on_log_line(void)
{
	if (board_shows_log(Tui.board))
		tui_changed();
}

/* ---- beginning and end ---- */

bool tui_start(const struct tui_spec *spec, struct err *e)
{
	static const struct term_user User = {on_key, on_anew, on_ready, on_gone};
	if (!term_open(&User, e))
		return false;
	cells_set_ascii(spec->ascii || !term_has_utf8());
	Tui.screen.color = term_has_color();
	Tui.gone = spec->gone;
	Tui.board = board_new(&spec->board);
	log_show(on_log_line);
	tui_changed();
	return true;
}

bool tui_is_on(void)
{
	return Tui.board;
}

void tui_say(enum style style, const char *text)
{
	if (!Tui.board)
		return;
	board_say(Tui.board, style, text);
	tui_changed();
}

void tui_lend(bool lent)
{
	if (lent)
		term_pause();
	else
		term_resume();
}

static void free_board(void *board)
{
	board_free(board);
}

/* It may be called by what a key means: so the board goes later. */
void tui_end(void)
{
	if (!Tui.board)
		return;
	term_close();
	log_show(NULL);
	timer_stop(&Tui.frame);
	screen_free(&Tui.screen);
	loop_free_later(Tui.board, free_board);
	Tui.board = NULL;
	Tui.drawn_ms = 0;
}
