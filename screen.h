/* A frame of styled text, put together in memory as cells, and the bytes that turn what
 * the terminal shows into it: those of the cells that are not the same, no others.
 *
 * Texts may come from anywhere: see cells.h for what is shown of them.  Writes nothing
 * anywhere: see term.h.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "cells.h"

enum { SCREEN_COLUMNS_MAX = 500, SCREEN_ROWS_MAX = 200 };

/* What a text is; how it looks is screen.c's.  STYLE_SELECTED may be added to each. */
enum style {
	STYLE_PLAIN,
	STYLE_STRONG, /* titles, heads */
	STYLE_FAINT,  /* what matters less */
	STYLE_GOOD,   /* green */
	STYLE_WARN,   /* yellow */
	STYLE_BAD,    /* red */
	STYLES,
	STYLE_SELECTED = 0x80,
};

/* Starts as {.color = whether there may be any}. */
struct screen {
	bool color;
	unsigned columns, rows;
	unsigned column, row;          /* where the next text goes, from 0 */
	unsigned cursor, cursor_shown; /* cells from the first, and 1; 0: hidden */
	struct screen_cell *now, *shown;
	bool known;      /* what the terminal shows: it is `shown` */
	struct buf text; /* of a field */
};

/* Begins a frame of blank lines, at the first: one cell at least.  What is more than
 * SCREEN_COLUMNS_MAX or SCREEN_ROWS_MAX stays blank; another size than before forgets what
 * is shown. */
void screen_begin(struct screen *s, unsigned columns, unsigned rows);

/* Puts text behind what is in the line; what is beyond its end is lost, and so is what is
 * put below the last line.  `style` is an enum style, with STYLE_SELECTED or without. */
void screen_put(struct screen *s, unsigned style, const char *text);
void screen_print(struct screen *s, unsigned style, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts text in so many columns: cut with an ellipsis, or blanks behind it. */
void screen_field(struct screen *s, unsigned style, const char *text, unsigned columns);

/* Blanks up to a column; none if the line is there already. */
void screen_pad(struct screen *s, unsigned style, unsigned column);

/* A rule up to a column. */
void screen_rule(struct screen *s, unsigned style, unsigned column);

/* To the beginning of the next line, or of any line (from 0), which becomes blank. */
void screen_line(struct screen *s);
void screen_go(struct screen *s, unsigned row);

/* The cursor is shown here, in this frame. */
void screen_cursor(struct screen *s);

/* Ends the frame: appends the bytes that make the terminal show it, with marks around them
 * that make it do so at once (CSI ? 2026); none if it does already.  They count as sent:
 * if they are not, screen_forget(). */
void screen_changes(struct screen *s, struct buf *to);

/* The terminal may show anything: the next frame is sent whole. */
void screen_forget(struct screen *s);

void screen_free(struct screen *s); /* back to {0}, but for .color */
