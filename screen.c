/* Two frames of cells, the one that is shown and the one that is to be, and what leads
 * from one to the other.  See screen.h.
 *
 * Each span of cells begins with the cursor put where it belongs, and so does what stands
 * behind characters on whose width terminals do not agree: columns stay columns. */
#include "screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

enum {
	TEXT = 4096,      /* bytes of what screen_print() makes */
	GAP = 8,          /* cells that stay, and take no more bytes than to go across them */
	ERASE = 3,        /* blanks that do, than to erase the rest of the line */
	UNKNOWN = 0xffff, /* a style */
};

struct screen_cell {
	uint32_t c[1 + CELL_MARKS];
	uint16_t style;
	uint16_t columns; /* 0: the second half of the one before */
};

static const struct screen_cell Blank = {.c = {' '}, .columns = 1};

/* ---- put together ---- */

static unsigned at_most(unsigned n, unsigned max)
{
	return n < max ? n : max;
}

static size_t count(const struct screen *s)
{
	return (size_t)s->columns * s->rows;
}

static void resize(struct screen *s, unsigned columns, unsigned rows)
{
	s->columns = columns;
	s->rows = rows;
	s->now = mem_grow(s->now, count(s) * sizeof *s->now);
	s->shown = mem_grow(s->shown, count(s) * sizeof *s->shown);
	s->known = false;
}

void screen_begin(struct screen *s, unsigned columns, unsigned rows)
{
	columns = at_most(columns ? columns : 1, SCREEN_COLUMNS_MAX);
	rows = at_most(rows ? rows : 1, SCREEN_ROWS_MAX);
	if (columns != s->columns || rows != s->rows)
		resize(s, columns, rows);
	for (size_t i = 0; i < count(s); i++)
		s->now[i] = Blank;
	s->row = s->column = s->cursor = 0;
}

static struct screen_cell *row_of(struct screen_cell *cells, const struct screen *s, unsigned row)
{
	return cells + (size_t)row * s->columns;
}

/* A wide character that would be cut by the end of the line is not put at all. */
static void put_cell(struct screen *s, unsigned style, const struct cell *cell)
{
	if (s->row >= s->rows || s->columns - s->column < cell->columns) {
		s->column = s->columns;
		return;
	}
	struct screen_cell *to = row_of(s->now, s, s->row) + s->column;
	*to = (struct screen_cell){.style = (uint16_t)style, .columns = (uint16_t)cell->columns};
	memcpy(to->c, cell->c, sizeof to->c);
	if (cell->columns == 2)
		to[1] = (struct screen_cell){.style = (uint16_t)style};
	s->column += cell->columns;
}

void screen_put(struct screen *s, unsigned style, const char *text)
{
	struct cell cell;
	while (s->column < s->columns && (text = cells_next(text, &cell)))
		put_cell(s, style, &cell);
}

void screen_print(struct screen *s, unsigned style, const char *fmt, ...)
{
	char text[TEXT];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	screen_put(s, style, text);
}

void screen_field(struct screen *s, unsigned style, const char *text, unsigned columns)
{
	unsigned end = at_most(s->columns - s->column, columns) + s->column;
	s->text.head = s->text.tail = 0;
	cells_put(&s->text, text, columns);
	buf_put(&s->text, "", 1);
	screen_put(s, style, (const char *)buf_data(&s->text));
	screen_pad(s, style, end);
}

static void repeat(struct screen *s, unsigned style, uint32_t c, unsigned column)
{
	const struct cell cell = {.c = {c}, .columns = 1};
	column = at_most(column, s->columns);
	while (s->column < column)
		put_cell(s, style, &cell);
}

void screen_pad(struct screen *s, unsigned style, unsigned column)
{
	repeat(s, style, ' ', column);
}

void screen_rule(struct screen *s, unsigned style, unsigned column)
{
	repeat(s, style, cells_ascii() ? '-' : 0x2500, column);
}

void screen_go(struct screen *s, unsigned row)
{
	s->row = row;
	s->column = 0;
	for (unsigned i = 0; row < s->rows && i < s->columns; i++)
		row_of(s->now, s, row)[i] = Blank;
}

void screen_line(struct screen *s)
{
	screen_go(s, s->row + 1);
}

void screen_cursor(struct screen *s)
{
	if (s->row < s->rows)
		s->cursor = 1 + s->row * s->columns + at_most(s->column, s->columns - 1);
}

/* ---- the bytes ---- */

/* What writes them, and how the terminal stands. */
struct pen {
	struct buf *to;
	const struct screen *s;
	bool begun;
	unsigned style;
};

static void begin(struct pen *pen)
{
	if (!pen->begun)
		buf_print(pen->to, "\x1b[?2026h");
	pen->begun = true;
}

static void go(struct pen *pen, unsigned row, unsigned column)
{
	begin(pen);
	buf_print(pen->to, "\x1b[%u;%uH", row + 1, column + 1);
}

/* Those of the eight colours only that themes make fit for their background. */
static void set_style(struct pen *pen, unsigned style)
{
	static const struct {
		const char *color, *none;
	} Codes[STYLES] = {
		[STYLE_PLAIN] = {"", ""},
		[STYLE_STRONG] = {";1", ";1"},
		[STYLE_FAINT] = {";2", ";2"},
		[STYLE_GOOD] = {";32", ""},
		[STYLE_WARN] = {";33", ""},
		[STYLE_BAD] = {";1;31", ";1"},
	};
	unsigned name = style & ~(unsigned)STYLE_SELECTED;
	if (style == pen->style)
		return;
	begin(pen);
	buf_print(pen->to, "\x1b[0%s%sm", pen->s->color ? Codes[name].color : Codes[name].none,
		style & STYLE_SELECTED ? ";7" : "");
	pen->style = style;
}

static void erase(struct pen *pen, unsigned row, unsigned column)
{
	go(pen, row, column);
	set_style(pen, STYLE_PLAIN);
	buf_print(pen->to, "\x1b[K");
}

static void put_cells(struct pen *pen, unsigned row, unsigned from, unsigned to)
{
	const struct screen_cell *cells = row_of(pen->s->now, pen->s, row);
	bool lost = true; /* where the cursor is */
	for (unsigned i = from; i < to; i += cells[i].columns) {
		struct cell cell = {.columns = cells[i].columns};
		bool plain = cells[i].c[0] < 0x80;
		if (lost && (plain || i == from))
			go(pen, row, i);
		lost = !plain;
		set_style(pen, cells[i].style);
		memcpy(cell.c, cells[i].c, sizeof cell.c);
		cells_put_one(pen->to, &cell);
	}
}

static bool is_same(const struct screen_cell *a, const struct screen_cell *b)
{
	return !memcmp(a, b, sizeof *a);
}

/* From where on all is blank. */
static unsigned end_of_text(const struct screen_cell *cells, unsigned columns)
{
	while (columns && is_same(cells + columns - 1, &Blank))
		columns--;
	return columns;
}

/* The first column from `from` on in which they differ. */
static unsigned next_change(const struct screen_cell *now, const struct screen_cell *shown,
	unsigned from, unsigned columns)
{
	while (from < columns && is_same(now + from, shown + from))
		from++;
	return from;
}

/* Where what differs there ends, and GAP cells that do not begin. */
static unsigned end_of_change(const struct screen_cell *now, const struct screen_cell *shown,
	unsigned from, unsigned columns)
{
	unsigned end = from, next = from;
	while (next < columns && next < end + GAP) {
		end = next + 1;
		next = next_change(now, shown, end, columns);
	}
	return end;
}

static void change_row(struct pen *pen, unsigned row)
{
	const struct screen *s = pen->s;
	const struct screen_cell *now = row_of(s->now, s, row), *shown = row_of(s->shown, s, row);
	unsigned text = end_of_text(now, s->columns), from = 0, end;
	while ((from = next_change(now, shown, from, s->columns)) < s->columns) {
		end = end_of_change(now, shown, from, s->columns);
		if (end > text + ERASE) {
			put_cells(pen, row, from, text);
			erase(pen, row, text);
			return;
		}
		put_cells(pen, row, from, end);
		from = end;
	}
}

static void draw_row(struct pen *pen, unsigned row)
{
	const struct screen *s = pen->s;
	erase(pen, row, 0);
	put_cells(pen, row, 0, end_of_text(row_of(s->now, s, row), s->columns));
}

/* Whatever was written has moved it. */
static void set_cursor(struct pen *pen)
{
	const struct screen *s = pen->s;
	bool same = s->known && s->cursor == s->cursor_shown;
	if (same && (!pen->begun || !s->cursor))
		return;
	begin(pen);
	if (!s->cursor) {
		buf_print(pen->to, "\x1b[?25l");
	} else {
		go(pen, (s->cursor - 1) / s->columns, (s->cursor - 1) % s->columns);
		buf_print(pen->to, "\x1b[?25h");
	}
}

void screen_changes(struct screen *s, struct buf *to)
{
	struct pen pen = {.to = to, .s = s, .style = s->known ? STYLE_PLAIN : UNKNOWN};
	for (unsigned row = 0; row < s->rows; row++)
		if (s->known)
			change_row(&pen, row);
		else
			draw_row(&pen, row);
	set_style(&pen, STYLE_PLAIN);
	set_cursor(&pen);
	if (pen.begun)
		buf_print(to, "\x1b[?2026l");
	memcpy(s->shown, s->now, count(s) * sizeof *s->now);
	s->cursor_shown = s->cursor;
	s->known = true;
}

void screen_forget(struct screen *s)
{
	s->known = false;
}

void screen_free(struct screen *s)
{
	free(s->now);
	free(s->shown);
	buf_free(&s->text);
	*s = (struct screen){.color = s->color};
}
