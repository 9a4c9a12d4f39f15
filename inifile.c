/* Lines for inih, and what it makes of them.  inih tells neither the line, nor
 * that it cut one (at 197 bytes), nor a section without keys.  So its reader is
 * ours: it hands a long line on in parts, as continuation lines; and behind the
 * head of a section it hands on a key with no name.
 */
#include "inifile.h"

#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "mem.h"
#include "text.h"

/* Around each part of a long line: what inih strips or takes for a comment at
 * the ends of a line stays inside.  No line that is handed on has this byte. */
static const char Guard = '\1';

struct reader {
	const struct inifile_ops *ops;
	void *owner;
	struct span left; /* of the text */
	unsigned line;

	struct span rest; /* of the line at hand: what inih does not have yet */
	unsigned parts;   /* that it has; 0: there is no line at hand */
	bool head;        /* the line is a section's */
	bool told;        /* inih has told what is in it: */
	char *name;
	struct buf value;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span trimmed(struct span s)
{
	for (; s.n && is_blank(*s.p); s.p++)
		s.n--;
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* ---- what inih tells ---- */

static int on_key(void *user, const char *section, const char *name, const char *text)
{
	struct reader *r = user;
	if (r->head || (r->parts == 1 && *name)) {
		const char *what = r->head ? section : name;
		struct span inner = trimmed((struct span){what, strlen(what)});
		free(r->name);
		r->name = mem_dup_n(inner.p, inner.n);
		r->told = true;
	}
	text += *text == Guard;
	if (!buf_len(&r->value)) /* blanks that would have been stripped */
		text += strspn(text, " \t");
	size_t n = strlen(text);
	buf_put(&r->value, text, n - (n && text[n - 1] == Guard));
	return 1;
}

static void end_line(struct reader *r)
{
	buf_put(&r->value, "", 1);
	if (!r->parts)
		;
	else if (!r->told)
		r->ops->fault(r->owner, r->line,
			"the line is neither a [section] nor 'key = value'", false);
	else if (r->head)
		r->ops->section(r->owner, r->line, r->name);
	else
		r->ops->key(r->owner, r->line, r->name, (const char *)buf_data(&r->value));
	buf_eat(&r->value, buf_len(&r->value));
	r->parts = 0;
	r->told = false;
}

/* ---- lines ---- */

/* The comments that inih knows; it does not look for them in continuations. */
static struct span without_comment(struct span s)
{
	s = trimmed(s);
	if (s.n && *s.p == '#')
		s.n = 0;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == ';' && (!i || is_blank(s.p[i - 1])))
			s.n = i;
	return trimmed(s);
}

static const char *fault_of_text(struct span s)
{
	uint32_t c;
	for (size_t i = 0, n; i < s.n; i += n) {
		n = text_char(s.p + i, s.n - i, &c);
		if (!n)
			return "the line is not UTF-8";
		if (text_is_control(c) && c != '\t')
			return "there is a control character in the line";
		if (c == 0xfeff) /* nobody sees it, and inih would strip some */
			return "there is a byte order mark inside the text";
	}
	return NULL;
}

static const char *fault_of_section(struct span s)
{
	if (memchr(s.p, ']', s.n) != s.p + s.n - 1)
		return "a [section] ends with ']', and nothing but a comment follows";
	if (s.n - 2 > INIFILE_NAME_MAX)
		return "the section's name is longer than 49 bytes";
	return NULL;
}

/* What keeps a line from inih, in words; or NULL. */
static const char *fault_of(struct span s)
{
	if (s.n > INIFILE_LINE_MAX)
		return "the line is longer than 4096 bytes";
	const char *why = fault_of_text(s);
	return why || *s.p != '[' ? why : fault_of_section(s);
}

static struct span take_line(struct reader *r)
{
	const char *end = memchr(r->left.p, '\n', r->left.n);
	struct span line = {r->left.p, end ? (size_t)(end - r->left.p) : r->left.n};
	size_t used = line.n + (end != NULL);
	r->left = (struct span){r->left.p + used, r->left.n - used};
	r->line++;
	return line;
}

/* Puts the next line with something in it into `rest`; false: there is none. */
static bool next_line(struct reader *r)
{
	while (r->left.n) {
		r->rest = without_comment(take_line(r));
		if (!r->rest.n)
			continue;
		r->head = *r->rest.p == '[';
		const char *why = fault_of(r->rest);
		if (!why)
			return true;
		r->ops->fault(r->owner, r->line, why, r->head);
	}
	return false;
}

static void hand_on(struct reader *r, char *to, size_t size)
{
	size_t room = size - sizeof " <>\n", n = r->rest.n < room ? r->rest.n : room;
	if (r->parts++) {
		*to++ = ' ';
		*to++ = Guard;
	}
	memcpy(to, r->rest.p, n);
	to += n;
	if (n < r->rest.n)
		*to++ = Guard;
	*to++ = '\n';
	*to = '\0';
	r->rest = (struct span){r->rest.p + n, r->rest.n - n};
}

/* As fgets(): one line, of which inih takes `size` bytes. */
static char *read_line(char *to, int size, void *user)
{
	struct reader *r = user;
	if (r->head && r->parts == 1) {
		r->parts++;
		return memcpy(to, "=\n", sizeof "=\n");
	}
	if (!r->rest.n) {
		end_line(r);
		if (!next_line(r))
			return NULL;
	}
	hand_on(r, to, (size_t)size);
	return to;
}

void inifile_read(const char *p, size_t n, const struct inifile_ops *ops, void *owner)
{
	static const char Mark[] = {'\xef', '\xbb', '\xbf'}; /* U+FEFF in UTF-8 */
	struct reader r = {.ops = ops, .owner = owner, .left = {p, n}};
	if (n >= sizeof Mark && !memcmp(p, Mark, sizeof Mark))
		r.left = (struct span){p + sizeof Mark, n - sizeof Mark};
	ini_parse_stream(read_line, &r, on_key, &r);
	free(r.name);
	buf_free(&r.value);
}
