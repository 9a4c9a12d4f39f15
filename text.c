/* UTF-8 and what must not be shown: see text.h. */
#include "text.h"

#include <string.h>

/* What a first byte says: the rest of the character, and its least code point. */
static const struct lead {
	uint8_t mask, bits;
	unsigned more;
	uint32_t least;
} Leads[] = {
	{0x80, 0x00, 0, 0},
	{0xe0, 0xc0, 1, 0x80},
	{0xf0, 0xe0, 2, 0x800},
	{0xf8, 0xf0, 3, 0x10000},
};

static const struct {
	uint32_t from, to;
} Controls[] = {
	{0x00, 0x1f},
	{0x7f, 0x9f},
	{0x061c, 0x061c},
	{0x200e, 0x200f},
	{0x2028, 0x202e},
	{0x2066, 0x2069},
};

static bool is_scalar(uint32_t c)
{
	return c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

static size_t rest_of_char(const struct lead *lead, const char *p, size_t n, uint32_t *c)
{
	uint32_t code = (uint8_t)*p & (uint8_t)~lead->mask;
	for (unsigned i = 1; i <= lead->more; i++) {
		if (i == n || ((uint8_t)p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | ((uint8_t)p[i] & 0x3f);
	}
	if (code < lead->least || !is_scalar(code))
		return 0;
	*c = code;
	return lead->more + 1;
}

size_t text_char(const char *p, size_t n, uint32_t *c)
{
	for (size_t i = 0; n && i < sizeof Leads / sizeof *Leads; i++)
		if (((uint8_t)*p & Leads[i].mask) == Leads[i].bits)
			return rest_of_char(&Leads[i], p, n, c);
	return 0;
}

size_t text_put_char(char *p, uint32_t c)
{
	const struct lead *lead = Leads + sizeof Leads / sizeof *Leads - 1;
	while (c < lead->least)
		lead--;
	*p = (char)(lead->bits | c >> 6 * lead->more);
	for (unsigned i = 1; i <= lead->more; i++)
		p[i] = (char)(0x80 | (c >> 6 * (lead->more - i) & 0x3f));
	return lead->more + 1;
}

bool text_is_control(uint32_t c)
{
	for (size_t i = 0; i < sizeof Controls / sizeof *Controls; i++)
		if (c >= Controls[i].from && c <= Controls[i].to)
			return true;
	return false;
}

size_t text_clean(char *text)
{
	char *to = text;
	for (const char *p = text; *p;) {
		uint32_t c = 0;
		size_t n = text_char(p, 4, &c);
		if (n && !text_is_control(c)) {
			memmove(to, p, n);
			to += n;
		} else {
			*to++ = '?';
		}
		p += n ? n : 1;
	}
	*to = '\0';
	return (size_t)(to - text);
}

size_t text_fit(const char *p, size_t n, size_t max)
{
	if (n <= max)
		return n;
	size_t end = max;
	while (end && max - end < 3 && ((uint8_t)p[end] & 0xc0) == 0x80)
		end--;
	return end;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool ends_line(char c)
{
	return c == '\n' || c == '\r' || c == '\0';
}

struct span text_last_line(const char *p, size_t n)
{
	size_t end = n, at;
	while (end && (is_blank(p[end - 1]) || ends_line(p[end - 1])))
		end--;
	for (at = end; at && !ends_line(p[at - 1]);)
		at--;
	while (at < end && is_blank(p[at]))
		at++;
	return (struct span){p + at, end - at};
}
