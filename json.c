/* The JSON of json.h, in one pass: pod lists have megabytes.  No value costs an
 * allocation; text is copied once, in runs, to the document's arena.
 */
#include "json.h"

#include <string.h>

#include "text.h"

enum { REPLACEMENT = 0xfffd };

struct reader {
	const char *p, *end;
	uint32_t line;
	unsigned depth;
	struct document *doc;
	struct err *e;
};

static bool fail(const struct reader *r, const char *what)
{
	return err_set(r->e, ERR_PROTOCOL, 0, "line %u: %s", r->line, what);
}

/* The next byte; 0, which no JSON text holds, at the end. */
static char peek(const struct reader *r)
{
	return r->p < r->end ? *r->p : '\0';
}

static void skip_space(struct reader *r)
{
	for (; r->p < r->end; r->p++) {
		if (*r->p == '\n')
			r->line++;
		else if (*r->p != ' ' && *r->p != '\t' && *r->p != '\r')
			break;
	}
}

static bool take(struct reader *r, char c)
{
	skip_space(r);
	if (peek(r) != c)
		return false;
	r->p++;
	return true;
}

size_t json_hex(const char *p, size_t n, unsigned digits, uint32_t *c)
{
	*c = 0;
	for (size_t i = 0; i < digits; i++) {
		static const char Digits[] = "0123456789abcdef0123456789ABCDEF";
		const char *d = i < n && p[i] ? strchr(Digits, p[i]) : NULL;
		if (!d)
			return 0;
		*c = *c << 4 | (uint32_t)((d - Digits) & 15);
	}
	return digits;
}

size_t json_escape(const char *p, size_t n, uint32_t *c)
{
	uint32_t low = 0;
	if (!json_hex(p, n, 4, c))
		return 0;
	if (*c < 0xd800 || *c > 0xdfff)
		return 4;
	bool pair = *c < 0xdc00 && n >= 10 && p[4] == '\\' && p[5] == 'u' &&
		    json_hex(p + 6, 4, 4, &low) && low >= 0xdc00 && low <= 0xdfff;
	*c = pair ? 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00) : REPLACEMENT;
	return pair ? 10 : 4;
}

/* At the backslash. */
static bool read_escape(struct reader *r)
{
	static const char Short[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
	r->p++;
	char name = peek(r);
	if (name == 'u') {
		uint32_t c;
		size_t used = json_escape(r->p + 1, (size_t)(r->end - r->p - 1), &c);
		if (!used)
			return fail(r, "\\u needs four hexadecimal digits");
		document_put_char(r->doc, c);
		r->p += 1 + used;
		return true;
	}
	for (const char *s = Short; *s; s += 2)
		if (*s == name) {
			r->doc->text[r->doc->text_len++] = s[1];
			r->p++;
			return true;
		}
	return fail(r, "an escape that JSON does not have");
}

/* Passes over what stands for itself: all but quotes, escapes and controls. */
static bool skip_plain(struct reader *r)
{
	while (r->p < r->end && *r->p != '"' && *r->p != '\\') {
		uint8_t c = (uint8_t)*r->p;
		uint32_t code;
		size_t n = c < 0x80 ? 1 : text_char(r->p, (size_t)(r->end - r->p), &code);
		if (c < ' ')
			return fail(r, "a control character in a string");
		if (!n)
			return fail(r, "text that is not UTF-8");
		r->p += n;
	}
	return r->p < r->end || fail(r, "a string is not closed");
}

/* A value or a key. */
static bool read_string(struct reader *r)
{
	struct document *doc = r->doc;
	size_t index = document_add(doc, VALUE_STRING, r->line), from = doc->text_len;
	r->p++;
	for (;;) {
		const char *run = r->p;
		if (!skip_plain(r))
			return false;
		size_t n = (size_t)(r->p - run);
		memcpy(doc->text + doc->text_len, run, n);
		doc->text_len += n;
		if (*r->p == '"')
			break;
		if (!read_escape(r))
			return false;
	}
	r->p++;
	document_end_text(doc, index, from);
	return true;
}

static void add_scalar(struct reader *r, enum value_type type, const char *end)
{
	size_t index = document_add(r->doc, type, r->line), from = r->doc->text_len;
	size_t n = (size_t)(end - r->p);
	memcpy(r->doc->text + from, r->p, n);
	r->doc->text_len += n;
	document_end_text(r->doc, index, from);
	r->p = end;
}

static const char *digits(const struct reader *r, const char *p)
{
	while (p < r->end && *p >= '0' && *p <= '9')
		p++;
	return p;
}

/* One digit at least, or NULL. */
static const char *some_digits(const struct reader *r, const char *p)
{
	const char *end = p ? digits(r, p) : p;
	return end == p ? NULL : end;
}

static bool read_number(struct reader *r)
{
	const char *p = r->p + (*r->p == '-');
	p = p < r->end && *p == '0' ? p + 1 : some_digits(r, p);
	if (p && p < r->end && *p == '.')
		p = some_digits(r, p + 1);
	if (p && p < r->end && (*p | 0x20) == 'e') {
		p++;
		p += p < r->end && (*p == '+' || *p == '-');
		p = some_digits(r, p);
	}
	if (!p)
		return fail(r, "a number that JSON does not have");
	add_scalar(r, VALUE_NUMBER, p);
	return true;
}

static bool read_word(struct reader *r)
{
	static const struct {
		const char *text;
		enum value_type type;
	} Words[] = {{"true", VALUE_BOOL}, {"false", VALUE_BOOL}, {"null", VALUE_NULL}};
	for (size_t i = 0; i < sizeof Words / sizeof *Words; i++) {
		size_t n = strlen(Words[i].text);
		if ((size_t)(r->end - r->p) >= n && !memcmp(r->p, Words[i].text, n)) {
			add_scalar(r, Words[i].type, r->p + n);
			return true;
		}
	}
	return fail(r, r->p < r->end ? "a value is missing" : "the text ends too early");
}

static bool read_value(struct reader *r);

static bool read_pair(struct reader *r)
{
	skip_space(r);
	if (peek(r) != '"')
		return fail(r, "a key in quotes is missing");
	if (!read_string(r))
		return false;
	return take(r, ':') ? read_value(r) : fail(r, "a key without ':'");
}

/* A list or a map; VALUE_DEPTH_MAX bounds how often this calls itself. */
static bool read_container(struct reader *r, bool map)
{
	char close = map ? '}' : ']';
	if (r->depth++ == VALUE_DEPTH_MAX)
		return fail(r, "nested too deeply");
	size_t index = document_add(r->doc, map ? VALUE_MAP : VALUE_LIST, r->line);
	r->p++;
	if (!take(r, close)) {
		do {
			if (!(map ? read_pair(r) : read_value(r)))
				return false;
		} while (take(r, ','));
		if (!take(r, close))
			return fail(r, map ? "',' or '}' is missing" : "',' or ']' is missing");
	}
	document_end_nodes(r->doc, index);
	r->depth--;
	return true;
}

static bool read_value(struct reader *r)
{
	skip_space(r);
	char c = peek(r);
	if (c == '"')
		return read_string(r);
	if (c == '{' || c == '[')
		return read_container(r, c == '{');
	if (c == '-' || (c >= '0' && c <= '9'))
		return read_number(r);
	return read_word(r);
}

static bool read_document(struct reader *r)
{
	if (r->end - r->p > INT32_MAX)
		return fail(r, "a text of over 2 GiB");
	if (!read_value(r))
		return false;
	skip_space(r);
	return r->p == r->end || fail(r, "text behind the value");
}

/* Text needs no more room than its source: a quote or what separates values
 * gives way to the NUL, and no escape is shorter than what it stands for. */
bool json_parse(struct document *doc, const char *p, size_t n, struct err *e)
{
	struct reader r = {.p = p, .end = p + n, .line = 1, .doc = doc, .e = e};
	document_begin(doc, n + 1);
	if (read_document(&r))
		return true;
	document_free(doc);
	return false;
}

static const char *escape_of(char c)
{
	static const char *const Escapes[] = {['"'] = "\\\"",
		['\\'] = "\\\\",
		['\b'] = "\\b",
		['\f'] = "\\f",
		['\n'] = "\\n",
		['\r'] = "\\r",
		['\t'] = "\\t"};
	return (uint8_t)c < sizeof Escapes / sizeof *Escapes ? Escapes[(uint8_t)c] : NULL;
}

void json_put_string(struct buf *out, const char *text)
{
	buf_put(out, "\"", 1);
	for (const char *p = text; *p;) {
		uint32_t c = REPLACEMENT;
		size_t n = text_char(p, 4, &c);
		const char *escape = escape_of(*p);
		if (escape)
			buf_put(out, escape, 2);
		else if (!n || text_is_control(c))
			buf_print(out, "\\u%04x", c);
		else
			buf_put(out, p, n);
		p += n ? n : 1;
	}
	buf_put(out, "\"", 1);
}

static void put_number(struct buf *out, const struct value *v)
{
	struct document doc = {0};
	if (json_parse(&doc, v->text, v->len, NULL))
		buf_print(out, "%s", v->text);
	else
		json_put_string(out, v->text);
	document_free(&doc);
}

static void put_container(struct buf *out, const struct value *v)
{
	bool map = v->type == VALUE_MAP;
	buf_put(out, map ? "{" : "[", 1);
	for (const struct value *at = value_first(v), *first = at; at; at = value_next(v, at)) {
		if (at != first)
			buf_put(out, ",", 1);
		if (map) {
			json_put_string(out, at->text);
			buf_put(out, ":", 1);
		}
		json_put_value(out, map ? value_of(at) : at);
	}
	buf_put(out, map ? "}" : "]", 1);
}

void json_put_value(struct buf *out, const struct value *v)
{
	if (v->type >= VALUE_LIST)
		put_container(out, v);
	else if (v->type == VALUE_STRING)
		json_put_string(out, v->text);
	else if (v->type == VALUE_NUMBER)
		put_number(out, v);
	else
		buf_print(out, "%s",
			v->type == VALUE_NULL ? "null"
			: value_is_true(v)    ? "true"
					      : "false");
}
