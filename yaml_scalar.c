/* The scalars of yaml_scalar.h: their ends, their folded lines, their escapes.
 * Where readers in use (libyaml, and so kubectl) differ from YAML 1.2, this
 * takes what both read alike.
 */
#include "yaml_scalar.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "text.h"

bool yaml_fail(const struct yaml *y, uint32_t line, const char *fmt, ...)
{
	char what[ERR_TEXT];
	va_list args;
	va_start(args, fmt);
	vsnprintf(what, sizeof what, fmt, args);
	va_end(args);
	return err_set(y->e, ERR_LOCAL, 0, "line %u: %s", line, what);
}

char yaml_peek(const struct yaml *y, size_t i)
{
	return i < (size_t)(y->end - y->p) ? y->p[i] : '\0';
}

bool yaml_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool yaml_is_break(char c)
{
	return c == '\n' || c == '\r';
}

bool yaml_is_space(char c)
{
	return !c || yaml_is_blank(c) || yaml_is_break(c);
}

bool yaml_is_flow(char c)
{
	return c && strchr(",[]{}", c);
}

int yaml_column(const struct yaml *y)
{
	return (int)(y->p - y->bol);
}

bool yaml_at_marker(const struct yaml *y)
{
	return y->p == y->bol && y->end - y->p >= 3 &&
	       (!memcmp(y->p, "---", 3) || !memcmp(y->p, "...", 3)) &&
	       yaml_is_space(yaml_peek(y, 3));
}

void yaml_skip_blanks(struct yaml *y)
{
	while (yaml_is_blank(yaml_peek(y, 0)))
		y->p++;
}

void yaml_skip_break(struct yaml *y)
{
	y->p += *y->p == '\r' && yaml_peek(y, 1) == '\n' ? 2 : 1;
	y->bol = y->p;
	y->line++;
}

bool yaml_skip_text(struct yaml *y, const char *to)
{
	while (y->p < to) {
		uint32_t c = (uint8_t)*y->p;
		y->p += c < 0x80 ? 1 : text_char(y->p, (size_t)(y->end - y->p), &c);
		bool control = c >= 0x7f && c <= 0x9f, separator = c == 0x2028 || c == 0x2029;
		if (control || separator || c == 0xfeff || c == 0xfffe || c == 0xffff)
			return yaml_fail(y, y->line,
				"the character U+%04X: write it as \"\\u%04X\", in quotes", c, c);
	}
	return true;
}

static void put(struct yaml *y, const char *p, size_t n)
{
	memcpy(y->doc->text + y->doc->text_len, p, n);
	y->doc->text_len += n;
}

static void put_breaks(struct yaml *y, unsigned n)
{
	memset(y->doc->text + y->doc->text_len, '\n', n);
	y->doc->text_len += n;
}

/* White space inside a plain or quoted scalar: blanks count, unless they stand
 * around the end of a line; that is a space, or where blank lines follow, those
 * are line ends (6.5). */
struct gap {
	const char *blanks;
	size_t n;
	bool broken;
	unsigned blank_lines;
};

static unsigned skip_blank_lines(struct yaml *y)
{
	unsigned n = 0;
	for (yaml_skip_blanks(y); yaml_is_break(yaml_peek(y, 0)); yaml_skip_blanks(y), n++)
		yaml_skip_break(y);
	return n;
}

static struct gap skip_gap(struct yaml *y)
{
	struct gap g = {.blanks = y->p};
	yaml_skip_blanks(y);
	g.n = (size_t)(y->p - g.blanks);
	g.broken = yaml_is_break(yaml_peek(y, 0));
	if (g.broken) {
		yaml_skip_break(y);
		g.blank_lines = skip_blank_lines(y);
	}
	return g;
}

static void put_gap(struct yaml *y, const struct gap *g)
{
	if (!g->broken)
		put(y, g->blanks, g->n);
	else if (g->blank_lines)
		put_breaks(y, g->blank_lines);
	else
		put(y, " ", 1);
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_decimal(const char *p)
{
	static const char Digits[] = "0123456789";
	p += *p == '-' || *p == '+';
	size_t whole = strspn(p, Digits), part = 0;
	p += whole;
	if (*p == '.') {
		part = strspn(p + 1, Digits);
		p += part + 1;
	}
	if (!whole && !part)
		return false;
	if (*p == 'e' || *p == 'E') {
		p += p[1] == '-' || p[1] == '+' ? 2 : 1;
		size_t power = strspn(p, Digits);
		if (!power)
			return false;
		p += power;
	}
	return !*p;
}

static bool is_prefixed(const char *p, const char *prefix, const char *digits)
{
	size_t n = strlen(prefix);
	return !strncmp(p, prefix, n) && p[n] && !p[n + strspn(p + n, digits)];
}

/* The core schema's tag resolution (10.3.2). */
static enum value_type type_of(const char *text)
{
	static const struct {
		const char *text;
		enum value_type type;
	} Words[] = {{"null", VALUE_NULL}, {"Null", VALUE_NULL}, {"NULL", VALUE_NULL},
		{"~", VALUE_NULL}, {"true", VALUE_BOOL}, {"True", VALUE_BOOL}, {"TRUE", VALUE_BOOL},
		{"false", VALUE_BOOL}, {"False", VALUE_BOOL}, {"FALSE", VALUE_BOOL},
		{".nan", VALUE_NUMBER}, {".NaN", VALUE_NUMBER}, {".NAN", VALUE_NUMBER},
		{".inf", VALUE_NUMBER}, {".Inf", VALUE_NUMBER}, {".INF", VALUE_NUMBER},
		{"+.inf", VALUE_NUMBER}, {"+.Inf", VALUE_NUMBER}, {"+.INF", VALUE_NUMBER},
		{"-.inf", VALUE_NUMBER}, {"-.Inf", VALUE_NUMBER}, {"-.INF", VALUE_NUMBER}};
	for (size_t i = 0; i < sizeof Words / sizeof *Words; i++)
		if (!strcmp(text, Words[i].text))
			return Words[i].type;
	bool number = is_decimal(text) || is_prefixed(text, "0o", "01234567") ||
		      is_prefixed(text, "0x", "0123456789abcdefABCDEF");
	return number ? VALUE_NUMBER : VALUE_STRING;
}

/* Whether the character at the cursor is one of a plain scalar (7.3.3). */
static bool at_plain(const struct yaml *y, bool flow)
{
	char c = yaml_peek(y, 0), next = yaml_peek(y, 1);
	if (yaml_is_space(c) || (flow && yaml_is_flow(c)))
		return false;
	return c != ':' || !(yaml_is_space(next) || (flow && yaml_is_flow(next)));
}

static bool plain_goes_on(const struct yaml *y, const struct gap *g, int indent, bool flow)
{
	if (!at_plain(y, flow) || *y->p == '#')
		return false;
	if (!g->broken)
		return true;
	/* A tab that indents is left for the caller to refuse. */
	bool tab = memchr(y->bol, '\t', (size_t)(y->p - y->bol));
	return !yaml_at_marker(y) && (flow || (yaml_column(y) > indent && !tab));
}

bool yaml_plain(struct yaml *y, int indent, bool flow)
{
	struct document *doc = y->doc;
	size_t index = document_add(doc, VALUE_STRING, y->line), from = doc->text_len;
	for (;;) {
		const char *run = y->p, *end = run;
		for (struct yaml at = *y; at_plain(&at, flow); end = at.p)
			at.p++;
		if (!yaml_skip_text(y, end))
			return false;
		put(y, run, (size_t)(end - run));
		struct yaml before = *y;
		struct gap g = skip_gap(y);
		if (!plain_goes_on(y, &g, indent, flow)) {
			*y = before;
			break;
		}
		put_gap(y, &g);
	}
	document_end_text(doc, index, from);
	doc->root[index].type = type_of(doc->root[index].text);
	return true;
}

/* At a backslash (5.7).  One before a line's end joins the lines. */
static bool read_escape(struct yaml *y)
{
	static const struct {
		char name;
		uint32_t c;
	} Short[] = {{'0', 0}, {'a', 7}, {'b', 8}, {'t', 9}, {'\t', 9}, {'n', 10}, {'v', 11},
		{'f', 12}, {'r', 13}, {'e', 27}, {' ', ' '}, {'"', '"'}, {'/', '/'}, {'\\', '\\'},
		{'N', 0x85}, {'_', 0xa0}, {'L', 0x2028}, {'P', 0x2029}};
	char name = yaml_peek(y, 1);
	const char *p = y->p + 2;
	size_t left = p < y->end ? (size_t)(y->end - p) : 0, used = 0;
	uint32_t c = 0;
	if (yaml_is_break(name)) {
		y->p++;
		yaml_skip_break(y);
		put_breaks(y, skip_blank_lines(y));
		return true;
	}
	for (size_t i = 0; i < sizeof Short / sizeof *Short; i++)
		if (name == Short[i].name) {
			document_put_char(y->doc, Short[i].c);
			y->p = p;
			return true;
		}
	if (name == 'u')
		used = json_escape(p, left, &c);
	else if (name == 'x' || name == 'U')
		used = json_hex(p, left, name == 'x' ? 2 : 8, &c);
	if (!used || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return yaml_fail(y, y->line, "an escape that YAML does not have");
	document_put_char(y->doc, c);
	y->p = p + used;
	return true;
}

/* What stands for itself.  JSON has every character in its strings, so all are
 * taken between double quotes. */
static bool read_run(struct yaml *y, char quote)
{
	const char *run = y->p, *end = run;
	while (end < y->end && !yaml_is_space(*end) && *end != quote &&
		!(quote == '"' && *end == '\\'))
		end++;
	put(y, run, (size_t)(end - run));
	if (quote == '\'')
		return yaml_skip_text(y, end);
	y->p = end;
	return true;
}

/* One piece of a quoted scalar; *open becomes false behind its last. */
static bool read_piece(struct yaml *y, char quote, bool *open)
{
	char c = yaml_peek(y, 0);
	if (yaml_is_blank(c) || yaml_is_break(c)) {
		struct gap g = skip_gap(y);
		put_gap(y, &g);
	} else if (c == '\\' && quote == '"') {
		return read_escape(y);
	} else if (c != quote) {
		return read_run(y, quote);
	} else if (quote == '\'' && yaml_peek(y, 1) == '\'') {
		put(y, "'", 1);
		y->p += 2;
	} else {
		y->p++;
		*open = false;
	}
	return true;
}

bool yaml_quoted(struct yaml *y)
{
	char quote = *y->p++;
	uint32_t line = y->line;
	size_t index = document_add(y->doc, VALUE_STRING, line), from = y->doc->text_len;
	for (bool open = true; open;) {
		if (y->p == y->end || yaml_at_marker(y))
			return yaml_fail(y, line, "a text in quotes is not closed");
		if (!read_piece(y, quote, &open))
			return false;
	}
	document_end_text(y->doc, index, from);
	return true;
}

struct block {
	bool folded;
	char chomp; /* '+', '-' or 0 */
	int indent; /* of its lines; 0 until it is known */
};

static bool read_header(struct yaml *y, struct block *b)
{
	*b = (struct block){.folded = *y->p == '>'};
	for (y->p++;; y->p++) {
		char c = yaml_peek(y, 0);
		if ((c == '+' || c == '-') && !b->chomp)
			b->chomp = c;
		else if (c >= '1' && c <= '9' && !b->indent)
			b->indent = c - '0';
		else
			break;
	}
	const char *indicators = y->p;
	yaml_skip_blanks(y);
	const char *end = y->p;
	if (yaml_peek(y, 0) == '#' && y->p > indicators)
		while (end < y->end && !yaml_is_break(*end))
			end++;
	if (!yaml_skip_text(y, end))
		return false;
	if (y->p == y->end)
		return true;
	if (!yaml_is_break(*y->p))
		return yaml_fail(y, y->line, "only +, - or a digit may stand behind '|' or '>'");
	yaml_skip_break(y);
	return true;
}

/* The indentation of the first line that is not blank counts (8.1.1.1), if it
 * is `least` at least. */
static bool find_indent(const struct yaml *y, int least, int *indent)
{
	struct yaml at = *y;
	int blank = 0;
	for (;;) {
		while (yaml_peek(&at, 0) == ' ')
			at.p++;
		if (!yaml_is_break(yaml_peek(&at, 0)))
			break;
		blank = blank > yaml_column(&at) ? blank : yaml_column(&at);
		yaml_skip_break(&at);
	}
	int first = yaml_column(&at);
	if (at.p < at.end && first >= least && blank > first)
		return yaml_fail(y, at.line, "a blank line above has more spaces than this one");
	*indent = first > least ? first : least;
	*indent = blank > *indent ? blank : *indent;
	return true;
}

/* To the next line that is not blank, as far as the indentation goes. */
static unsigned skip_to_line(struct yaml *y, int indent)
{
	for (unsigned breaks = 0;; breaks++) {
		while (yaml_column(y) < indent && yaml_peek(y, 0) == ' ')
			y->p++;
		if (!yaml_is_break(yaml_peek(y, 0)))
			return breaks;
		yaml_skip_break(y);
	}
}

static bool at_line(const struct yaml *y, const struct block *b)
{
	return yaml_column(y) == b->indent && y->p < y->end;
}

/* One line, and its end, which is a space where it is folded (8.1.3). */
static bool read_line(struct yaml *y, const struct block *b, unsigned *breaks, bool *ended)
{
	const char *line = y->p, *end = line;
	bool spaced = yaml_is_blank(*line);
	while (end < y->end && !yaml_is_break(*end))
		end++;
	if (!yaml_skip_text(y, end))
		return false;
	put_breaks(y, *breaks);
	put(y, line, (size_t)(end - line));
	*ended = y->p < y->end;
	if (*ended)
		yaml_skip_break(y);
	*breaks = skip_to_line(y, b->indent);
	if (!at_line(y, b))
		return true;
	if (!b->folded || spaced || yaml_is_blank(*y->p))
		put_breaks(y, 1);
	else if (!*breaks)
		put(y, " ", 1);
	return true;
}

bool yaml_block(struct yaml *y, int indent)
{
	struct document *doc = y->doc;
	size_t index = document_add(doc, VALUE_STRING, y->line), from = doc->text_len;
	struct block b;
	if (!read_header(y, &b))
		return false;
	int outer = indent < 0 ? 0 : indent;
	if (b.indent)
		b.indent += outer;
	else if (!find_indent(y, outer + 1, &b.indent))
		return false;
	bool ended = false;
	unsigned breaks = skip_to_line(y, b.indent);
	while (at_line(y, &b))
		if (!read_line(y, &b, &breaks, &ended))
			return false;
	if (yaml_peek(y, 0) == '\t')
		return yaml_fail(y, y->line, "a tab indents this line: only spaces can");
	put_breaks(y, b.chomp != '-' && ended);
	put_breaks(y, b.chomp == '+' ? breaks : 0);
	document_end_text(doc, index, from);
	return true;
}
