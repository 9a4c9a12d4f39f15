/* Frames of any texts, drawn by their changes onto one terminal and whole onto another: both
 * must show the same, and be sent nothing that could do more than show it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "screen.h"
#include "text.h"
#include "widths.h"

enum { COLUMNS = 24, ROWS = 4, FRAMES = 16, STYLE_TEXT = 12 };

struct place {
	uint32_t c[2 + CELL_MARKS];
	unsigned columns;
	char style[STYLE_TEXT]; /* as it was sent */
};

struct terminal {
	struct place places[ROWS][COLUMNS];
	unsigned columns, row, column;
	bool cursor, marked;
	char style[STYLE_TEXT];
};

/* Half a wide character is none. */
static void blank(struct terminal *t, unsigned row, unsigned column, const char *style)
{
	struct place *p = &t->places[row][column];
	const struct place empty = {.c = {' '}, .columns = 1};
	if (p->columns == 2 && column + 1 < COLUMNS)
		p[1] = empty;
	if (!p->columns && column)
		p[-1] = empty;
	*p = empty;
	strcpy(p->style, style);
}

static void show_mark(struct terminal *t, uint32_t c)
{
	struct place *p = &t->places[t->row][t->column - 1];
	p -= !p->columns;
	for (int i = 1; i <= CELL_MARKS + 1; i++)
		if (!p->c[i]) {
			assert(i <= CELL_MARKS);
			p->c[i] = c;
			return;
		}
}

static void show(struct terminal *t, uint32_t c)
{
	enum width width = width_of(c);
	unsigned columns = width == WIDTH_WIDE ? 2 : 1;
	assert(!text_is_control(c) && width != WIDTH_GONE);
	if (width == WIDTH_MARK) {
		show_mark(t, c);
		return;
	}
	assert(t->row < ROWS && t->column + columns <= t->columns);
	for (unsigned i = 0; i < columns; i++)
		blank(t, t->row, t->column + i, t->style);
	t->places[t->row][t->column].c[0] = c;
	t->places[t->row][t->column].columns = columns;
	if (columns == 2)
		t->places[t->row][t->column + 1].columns = 0;
	t->column += columns;
}

static void obey(struct terminal *t, const char *args, char final)
{
	char *end = NULL;
	if (final == 'H') {
		t->row = (unsigned)strtoul(args, &end, 10) - 1;
		assert(*end == ';');
		t->column = (unsigned)strtoul(end + 1, &end, 10) - 1;
		assert(!*end && t->row < ROWS && t->column < t->columns);
	} else if (final == 'm') {
		assert(*args == '0' && strlen(args) < sizeof t->style);
		strcpy(t->style, strcmp(args, "0") ? args : "");
	} else if (final == 'K') {
		assert(!*args && !*t->style);
		for (unsigned i = t->column; i < COLUMNS; i++)
			blank(t, t->row, i, "");
	} else if (!strcmp(args, "?25")) {
		t->cursor = final == 'h';
	} else {
		assert(!strcmp(args, "?2026") && t->marked != (final == 'h'));
		t->marked = final == 'h';
	}
}

static void read_all(struct terminal *t, struct buf *b)
{
	const char *p = (const char *)buf_data(b), *end = p + buf_len(b);
	while (p < end) {
		char args[16] = "";
		uint32_t c;
		size_t n = text_char(p, (size_t)(end - p), &c);
		assert(n);
		p += n;
		if (c != 0x1b) {
			show(t, c);
			continue;
		}
		n = strspn(++p, "?;0123456789");
		assert(p[-1] == '[' && n < sizeof args);
		memcpy(args, p, n);
		p += n;
		assert(strchr("HmKhl", *p));
		obey(t, args, *p++);
	}
	assert(!t->marked && !*t->style);
	if (!t->cursor)
		t->row = t->column = 0;
	memset(t->style, 0, sizeof t->style);
	b->head = b->tail = 0;
}

/* Draws the frame that the input describes; returns where the next one begins. */
static const uint8_t *draw(struct screen *s, const uint8_t *p, const uint8_t *end)
{
	static const unsigned Styles[] = {
		STYLE_PLAIN, STYLE_STRONG, STYLE_BAD, STYLE_GOOD | STYLE_SELECTED};
	char text[64];
	while (end - p > 2 && p[0] % 8) {
		unsigned style = Styles[p[0] / 8 % 4], number = p[1], kind = p[0] % 8;
		size_t n = number % sizeof text;
		n = n < (size_t)(end - p) - 2 ? n : (size_t)(end - p) - 2;
		memcpy(text, p + 2, n);
		text[n] = '\0';
		p += 2;
		if (kind < 3)
			screen_put(s, style, text);
		else if (kind == 3)
			screen_field(s, style, text, number / 8);
		else if (kind == 4)
			screen_pad(s, style, number);
		else if (kind == 5)
			screen_rule(s, style, number);
		else if (kind == 6)
			screen_go(s, number % (ROWS + 1));
		else
			screen_cursor(s);
		p += kind < 4 ? n : 0;
	}
	return end - p > 2 ? p + 1 : end;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct terminal changed, whole;
	struct screen a = {.color = true}, b = {.color = true};
	struct buf out = {0};
	const uint8_t *end = p + n;
	for (int i = 0; p < end && i < FRAMES; i++) {
		unsigned columns = 1 + *p % COLUMNS;
		changed.columns = whole.columns = i % 4 && a.columns ? a.columns : columns;
		cells_set_ascii(*p++ >= 0xf0);
		screen_begin(&a, changed.columns, ROWS);
		screen_begin(&b, changed.columns, ROWS);
		draw(&a, p, end);
		p = draw(&b, p, end);
		screen_changes(&a, &out);
		read_all(&changed, &out);
		screen_forget(&b);
		screen_changes(&b, &out);
		read_all(&whole, &out);
		assert(!memcmp(&changed, &whole, sizeof whole));
		screen_changes(&a, &out);
		assert(!buf_len(&out));
	}
	screen_free(&a);
	screen_free(&b);
	buf_free(&out);
	return 0;
}
