/* A text and a place in it; keys by a table. */
#include "prompt.h"

#include <string.h>

#include "cells.h"
#include "keypress.h"
#include "text.h"

/* Where the character before the cursor begins. */
static size_t before(const struct prompt *p)
{
	size_t at = p->at;
	while (at && ((unsigned char)p->text[--at] & 0xc0) == 0x80)
		continue;
	return at;
}

static size_t behind(const struct prompt *p)
{
	uint32_t c;
	return p->at + (p->text[p->at] ? text_char(p->text + p->at, sizeof p->text, &c) : 0);
}

/* Where the word before the cursor begins. */
static size_t before_word(const struct prompt *p)
{
	size_t at = p->at;
	while (at && p->text[at - 1] == ' ')
		at--;
	while (at && p->text[at - 1] != ' ')
		at--;
	return at;
}

/* The cursor is where it was taken out. */
static void take_out(struct prompt *p, size_t from, size_t to)
{
	memmove(p->text + from, p->text + to, strlen(p->text + to) + 1);
	p->at = from;
}

static void left(struct prompt *p)
{
	p->at = before(p);
}

static void right(struct prompt *p)
{
	p->at = behind(p);
}

static void home(struct prompt *p)
{
	p->at = 0;
}

static void end(struct prompt *p)
{
	p->at = strlen(p->text);
}

static void erase(struct prompt *p)
{
	take_out(p, before(p), p->at);
}

static void erase_next(struct prompt *p)
{
	take_out(p, p->at, behind(p));
}

static void erase_word(struct prompt *p)
{
	take_out(p, before_word(p), p->at);
}

static void erase_before(struct prompt *p)
{
	take_out(p, 0, p->at);
}

static void erase_behind(struct prompt *p)
{
	p->text[p->at] = '\0';
}

static const struct {
	uint32_t key;
	void (*act)(struct prompt *p);
} Keys[] = {
	{KEY_LEFT, left},
	{KEY_RIGHT, right},
	{KEY_HOME, home},
	{KEY_CTRL('A'), home},
	{KEY_END, end},
	{KEY_CTRL('E'), end},
	{KEY_BACKSPACE, erase},
	{KEY_DELETE, erase_next},
	{KEY_CTRL('W'), erase_word},
	{KEY_CTRL('U'), erase_before},
	{KEY_CTRL('K'), erase_behind},
};

static bool insert(struct prompt *p, uint32_t c)
{
	char bytes[4];
	size_t n, length = strlen(p->text);
	if (text_is_control(c) || c >= KEY_UP)
		return false;
	n = text_put_char(bytes, c);
	if (length + n >= sizeof p->text)
		return true; /* it is full */
	memmove(p->text + p->at + n, p->text + p->at, length + 1 - p->at);
	memcpy(p->text + p->at, bytes, n);
	p->at += n;
	return true;
}

bool prompt_key(struct prompt *p, uint32_t key)
{
	for (size_t i = 0; i < sizeof Keys / sizeof *Keys; i++)
		if (Keys[i].key == key) {
			Keys[i].act(p);
			return true;
		}
	return insert(p, key);
}

void prompt_draw(const struct prompt *p, struct screen *s, const char *label)
{
	char before[PROMPT_TEXT]; /* the cursor */
	const char *from = before;
	struct cell cell;
	screen_put(s, STYLE_STRONG, label);
	size_t room = s->columns > s->column + 1 ? s->columns - s->column - 1 : 0;
	memcpy(before, p->text, p->at);
	before[p->at] = '\0';
	for (size_t width = cells_width(before); width > room; width -= cell.columns)
		from = cells_next(from, &cell);
	screen_put(s, STYLE_PLAIN, from);
	screen_cursor(s);
	screen_put(s, STYLE_PLAIN, p->text + p->at);
}
