/* One list of lines: each a part of an item's label or text. */
#include "page.h"

#include <stdlib.h>
#include <string.h>

#include "cells.h"
#include "mem.h"

enum { BELOW = 2 }; /* the indent of a text that stands below its label */

/* Texts are at their offsets in the page's buffer, terminated. */
struct page_line {
	uint64_t item;
	size_t label, text;
	unsigned indent;
	enum style label_style, style;
};

static const char *text_at(const struct page *p, size_t offset)
{
	return (const char *)buf_data(&p->text) + offset;
}

static size_t keep(struct page *p, const char *text, size_t n)
{
	size_t at = buf_len(&p->text);
	buf_put(&p->text, text, n);
	buf_put(&p->text, "", 1);
	return at;
}

static void add_line(struct page *p, const struct page_line *line)
{
	if (p->count == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 32;
		p->line = mem_grow(p->line, p->cap * sizeof *p->line);
	}
	p->line[p->count++] = *line;
}

void page_begin(struct page *p, unsigned columns, unsigned indent)
{
	buf_eat(&p->text, buf_len(&p->text));
	p->count = 0;
	p->item = 0;
	p->columns = columns;
	p->indent = indent;
}

/* Whether the text has a place beside its label, rather than below it. */
static bool is_beside(const struct page *p, const char *label)
{
	return cells_width(label) < p->indent && p->indent <= p->columns / 2;
}

void page_put(struct page *p, enum style label_style, const char *label, enum style style,
	const char *text)
{
	bool beside = is_beside(p, label);
	size_t empty = keep(p, "", 0);
	struct page_line line = {.item = p->item++,
		.label = keep(p, label, strlen(label)),
		.text = empty,
		.indent = beside || !p->indent ? p->indent : BELOW,
		.label_style = label_style,
		.style = style};
	if (*label && !beside) {
		add_line(p, &line);
		line.label = empty;
	} else if (!*text) {
		add_line(p, &line);
	}
	unsigned room = p->columns > line.indent ? p->columns - line.indent : 1;
	for (size_t n; (n = cells_wrap(text, room)); text += n) {
		line.text = keep(p, text, n);
		add_line(p, &line);
		line.label = empty;
	}
}

void page_number(struct page *p, uint64_t item)
{
	p->item = item;
}

static size_t last_top(const struct page *p)
{
	return p->count > p->rows ? p->count - p->rows : 0;
}

uint64_t page_place(const struct page *p)
{
	return p->top < p->count ? p->line[p->top].item : 0;
}

void page_seek(struct page *p, uint64_t item)
{
	for (p->top = 0; p->top < last_top(p) && p->line[p->top].item < item;)
		p->top++;
}

void page_move(struct page *p, long lines)
{
	if (lines < 0)
		p->top -= p->top < (size_t)-lines ? p->top : (size_t)-lines;
	else
		p->top += (size_t)lines;
	if (p->top > last_top(p))
		p->top = last_top(p);
}

bool page_is_at_end(const struct page *p)
{
	return p->top >= last_top(p);
}

static void draw_line(const struct page *p, struct screen *s, const struct page_line *line)
{
	screen_put(s, line->label_style, text_at(p, line->label));
	screen_pad(s, STYLE_PLAIN, line->indent);
	screen_put(s, line->style, text_at(p, line->text));
	screen_line(s);
}

void page_draw(struct page *p, struct screen *s, unsigned rows)
{
	p->rows = rows;
	page_move(p, 0);
	for (size_t i = p->top; i < p->count && i < p->top + rows; i++)
		draw_line(p, s, &p->line[i]);
}

void page_free(struct page *p)
{
	buf_free(&p->text);
	free(p->line);
	*p = (struct page){0};
}
