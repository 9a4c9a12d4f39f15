/* Cells of texts: see cells.h.  All else is made of cells_next(). */
#include "cells.h"

#include <string.h>

#include "text.h"
#include "widths.h"

enum { REPLACEMENT = 0xfffd };

static bool Ascii;

void cells_set_ascii(bool ascii)
{
	Ascii = ascii;
}

bool cells_ascii(void)
{
	return Ascii;
}

/* Most of what is shown, told without looking it up. */
static bool is_plain(char c)
{
	return c >= ' ' && c <= '~';
}

/* One character as it may be shown; returns the bytes that it takes in the text. */
static size_t read_char(const char *text, uint32_t *c, enum width *width)
{
	if (is_plain(*text)) {
		*c = (uint32_t)*text;
		*width = WIDTH_NARROW;
		return 1;
	}
	size_t n = text_char(text, 4, c);
	if (!n || text_is_control(*c))
		*c = REPLACEMENT;
	*width = width_of(*c);
	if (Ascii && *c > '~' && *width > WIDTH_MARK) {
		*c = '?';
		*width = WIDTH_NARROW;
	}
	return n ? n : 1;
}

static void add_mark(struct cell *cell, uint32_t mark)
{
	for (int i = 1; i <= CELL_MARKS && !Ascii; i++)
		if (!cell->c[i]) {
			cell->c[i] = mark;
			return;
		}
}

const char *cells_next(const char *text, struct cell *cell)
{
	*cell = (struct cell){0};
	while (*text) {
		uint32_t c;
		enum width width;
		size_t n = read_char(text, &c, &width);
		if (width > WIDTH_MARK) {
			if (cell->columns)
				break;
			cell->c[0] = c;
			cell->columns = width == WIDTH_WIDE ? 2 : 1;
		} else if (width == WIDTH_MARK && cell->columns) {
			add_mark(cell, c);
		}
		text += n;
	}
	return cell->columns ? text : NULL;
}

void cells_put_one(struct buf *to, const struct cell *cell)
{
	for (int i = 0; i <= CELL_MARKS && cell->c[i]; i++)
		buf_push(to, text_put_char((char *)buf_room(to, 4), cell->c[i]));
}

size_t cells_width(const char *text)
{
	struct cell cell;
	size_t columns = 0;
	while ((text = cells_next(text, &cell)))
		columns += cell.columns;
	return columns;
}

size_t cells_fit(const char *text, size_t columns)
{
	struct cell cell;
	const char *p = text, *next;
	while ((next = cells_next(p, &cell)) && cell.columns <= columns) {
		columns -= cell.columns;
		p = next;
	}
	return next ? (size_t)(p - text) : strlen(text);
}

size_t cells_wrap(const char *text, size_t columns)
{
	struct cell cell;
	const char *p = text, *next, *blank = NULL;
	for (size_t taken = 0; (next = cells_next(p, &cell)); p = next) {
		taken += cell.columns;
		if (cell.c[0] == ' ')
			blank = next;
		else if (taken > columns)
			break;
	}
	if (!next)
		return strlen(text);
	return (size_t)((blank ? blank : p > text ? p : next) - text);
}

static size_t put_bytes(struct buf *to, const char *text, size_t n)
{
	struct cell cell;
	size_t columns = 0;
	for (const char *p = text; p < text + n && (p = cells_next(p, &cell));) {
		cells_put_one(to, &cell);
		columns += cell.columns;
	}
	return columns;
}

size_t cells_put(struct buf *to, const char *text, size_t columns)
{
	const char *ellipsis = Ascii ? "..." : "…";
	size_t end = cells_width(ellipsis), n = cells_fit(text, columns);
	if (!text[n])
		return put_bytes(to, text, n);
	if (end > columns)
		return put_bytes(to, ellipsis, cells_fit(ellipsis, columns));
	return put_bytes(to, text, cells_fit(text, columns - end)) +
	       put_bytes(to, ellipsis, strlen(ellipsis));
}
