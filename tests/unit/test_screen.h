/* A terminal for tests: what a frame looks like, from the bytes that screen.c sends for it. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "cells.h"
#include "screen.h"

enum { FRAME_SGR = 16, FRAME_TEXT = 1 << 20 };

static struct {
	struct cell cell[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX];
	char sgr[SCREEN_ROWS_MAX][SCREEN_COLUMNS_MAX][FRAME_SGR]; /* "0;1;31" */
	unsigned row, column;
	bool cursor;
	char now[FRAME_SGR];
	char text[FRAME_TEXT];
} Frame;

static inline void frame_put(const struct cell *cell)
{
	assert_in_range(Frame.column + cell->columns, 1, SCREEN_COLUMNS_MAX);
	Frame.cell[Frame.row][Frame.column] = *cell;
	for (unsigned i = 0; i < cell->columns; i++, Frame.column++) {
		if (i)
			Frame.cell[Frame.row][Frame.column] = (struct cell){0};
		strcpy(Frame.sgr[Frame.row][Frame.column], Frame.now);
	}
}

/* What follows CSI; returns what is behind it. */
static inline const char *frame_obey(const char *p)
{
	size_t n = strspn(p, "0123456789;?");
	if (p[n] == 'H') {
		assert_int_equal(sscanf(p, "%u;%u", &Frame.row, &Frame.column), 2);
		Frame.row--;
		Frame.column--;
	} else if (p[n] == 'K') {
		for (unsigned i = Frame.column; i < SCREEN_COLUMNS_MAX; i++)
			Frame.cell[Frame.row][i] = (struct cell){.c = {' '}, .columns = 1};
	} else if (p[n] == 'm') {
		assert_in_range(n, 1, FRAME_SGR - 1);
		snprintf(Frame.now, sizeof Frame.now, "%.*s", (int)n, p);
	} else {
		assert_non_null(strchr("hl", p[n]));
		assert_int_equal(*p, '?');
		if (!strncmp(p, "?25", 3))
			Frame.cursor = p[n] == 'h';
	}
	return p + n + 1;
}

/* The whole frame; nothing but text and what is known above may be in its bytes. */
static inline void frame_take(struct screen *s)
{
	struct buf bytes = {0};
	struct cell cell;
	screen_forget(s);
	screen_changes(s, &bytes);
	buf_put(&bytes, "", 1);
	for (const char *p = (const char *)buf_data(&bytes); *p;)
		if (!strncmp(p, "\x1b[", 2)) {
			p = frame_obey(p + 2);
		} else {
			assert_true((unsigned char)*p >= ' ' && *p != 0x7f);
			p = cells_next(p, &cell);
			frame_put(&cell);
		}
	buf_free(&bytes);
}

/* One line of it, without the blanks at its end. */
static inline size_t frame_put_line(unsigned row, unsigned columns, char *to)
{
	struct buf line = {0};
	for (unsigned i = 0; i < columns; i++)
		if (Frame.cell[row][i].columns)
			cells_put_one(&line, &Frame.cell[row][i]);
	size_t n = buf_len(&line);
	memcpy(to, buf_data(&line), n);
	while (n && to[n - 1] == ' ')
		n--;
	buf_free(&line);
	return n;
}

/* Takes the frame: its lines, each with an end of line, without blank ones at its end. */
static inline const char *frame_text(struct screen *s)
{
	size_t n = 0, end = 0;
	frame_take(s);
	for (unsigned row = 0; row < s->rows; row++) {
		size_t line = frame_put_line(row, s->columns, Frame.text + n);
		n += line;
		Frame.text[n++] = '\n';
		end = line ? n : end;
	}
	Frame.text[end] = '\0';
	return Frame.text;
}

/* Of the frame taken last: the first line that is selected; -1: none is. */
static inline int frame_selected(const struct screen *s)
{
	for (unsigned row = 0; row < s->rows; row++)
		if (strstr(Frame.sgr[row][0], ";7"))
			return (int)row;
	return -1;
}
