/* The screen: a board on the terminal, drawn when something has changed, at most 20 times
 * a second, and once a second while it shows what counts.
 *
 * Knows nothing of what is shown.
 */
#pragma once
#include <stdbool.h>

#include "board.h"
#include "err.h"

enum {
	TUI_FRAME_MS = 50,  /* the least time between two frames */
	TUI_COUNT_MS = 1000 /* and between those that only count */
};

struct tui_spec {
	struct board_spec board;
	bool ascii;         /* even where the terminal has UTF-8 */
	void (*gone)(void); /* the terminal is: porter is to end, or tui_end() is to be called */
};

/* Takes the terminal over.  Lines of the log go to it from then on, and not to a stderr
 * that is a terminal.  False with *e set: there is none to take. */
bool tui_start(const struct tui_spec *spec, struct err *e);
bool tui_is_on(void);

/* A forward has changed, or which there are. */
void tui_changed(void);

/* See board_say(); without a screen, nothing. */
void tui_say(enum style style, const char *text);

/* A program asks at the terminal: it has it meanwhile. */
void tui_lend(bool lent);

/* Gives the terminal back: what is printed from now on stays to be read.  Harmless where
 * there is no screen. */
void tui_end(void);
