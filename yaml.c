/* The structure of YAML: what is indented how far under what.  The scalars in
 * it are yaml_scalar.c's.
 */
#include "yaml.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "text.h"
#include "yaml_scalar.h"

/* At a value's beginning, or a key's: what a first character says about it. */
static const struct {
	char c;
	const char *why;
} Refused[] = {
	{'\0', "the text ends where a value is missing"},
	{'&', "anchors are not supported: write the value out"},
	{'*', "aliases are not supported: write the value out"},
	{'!', "tags are not supported: leave it out"},
	{'?', "complex keys are not supported: a key is a text on one line"},
	{'%', "directives are not supported; a text that begins with '%' needs quotes"},
	{'@', "a text that begins with '@' needs quotes"},
	{'`', "a text that begins with '`' needs quotes"},
	{'|', "a text behind '|' can only be the value of a key or a list's item"},
	{'>', "a text behind '>' can only be the value of a key or a list's item"},
	{'-', "a list item stands where a key or a value should"},
	{':', "a key is missing before ':'"},
	{',', "a value is missing before ','"},
	{']', "a ']' without its '['"},
	{'}', "a '}' without its '{'"},
};

static const char Tab[] = "a tab indents this line: only spaces can";
static const char Complex[] = "complex keys are not supported: a key is a text on one line";
static const char Astray[] = "this does not belong to what stands above: see the indentation";

/* To the next thing that is not white space or a comment. */
static bool next_token(struct yaml *y)
{
	for (;;) {
		yaml_skip_blanks(y);
		if (yaml_peek(y, 0) == '#') {
			if (y->p > y->bol && !yaml_is_blank(y->p[-1]))
				return yaml_fail(y, y->line, "a comment needs a space before '#'");
			const char *end = y->p;
			while (end < y->end && !yaml_is_break(*end))
				end++;
			if (!yaml_skip_text(y, end))
				return false;
		}
		if (!yaml_is_break(yaml_peek(y, 0)))
			return true;
		yaml_skip_break(y);
	}
}

static bool at_end(const struct yaml *y)
{
	return y->p == y->end || yaml_at_marker(y);
}

/* Whether only blanks stand before the cursor on its line. */
static bool is_first(const struct yaml *y)
{
	const char *p = y->p;
	while (p > y->bol && yaml_is_blank(p[-1]))
		p--;
	return p == y->bol;
}

static bool is_behind_tab(const struct yaml *y)
{
	const char *p = y->p;
	while (p > y->bol && p[-1] == ' ')
		p--;
	return p > y->bol && p[-1] == '\t';
}

static bool at_dash(const struct yaml *y)
{
	return yaml_peek(y, 0) == '-' && yaml_is_space(yaml_peek(y, 1)) && !yaml_at_marker(y);
}

static bool at_colon(const struct yaml *y)
{
	return yaml_peek(y, 0) == ':' && yaml_is_space(yaml_peek(y, 1));
}

static bool add_null(struct yaml *y, uint32_t line)
{
	size_t index = document_add(y->doc, VALUE_NULL, line);
	y->doc->root[index].text = "";
	return true;
}

static bool enter(struct yaml *y, enum value_type type, uint32_t line, size_t *index)
{
	*index = document_add(y->doc, type, line);
	return y->depth++ < VALUE_DEPTH_MAX || yaml_fail(y, line, "nested too deeply");
}

static int by_text(const void *a, const void *b)
{
	const struct value *x = *(const struct value *const *)a;
	const struct value *z = *(const struct value *const *)b;
	uint32_t n = x->len < z->len ? x->len : z->len;
	int order = memcmp(x->text, z->text, n);
	if (!order)
		order = (x->len > z->len) - (x->len < z->len);
	return order ? order : (x > z) - (x < z);
}

static bool same_text(const struct value *a, const struct value *b)
{
	return a->len == b->len && !memcmp(a->text, b->text, a->len);
}

/* By sorting: a map may have many keys. */
static bool check_keys(struct yaml *y, const struct value *map)
{
	size_t n = 0;
	const struct value **keys = mem_new(map->nodes * sizeof *keys), *twice = NULL;
	for (const struct value *k = value_first(map); k; k = value_next(map, k))
		keys[n++] = k;
	qsort(keys, n, sizeof *keys, by_text);
	for (size_t i = 1; i < n && !twice; i++)
		if (same_text(keys[i - 1], keys[i]))
			twice = keys[i];
	free(keys);
	return !twice || yaml_fail(y, twice->line, "the key '%s' occurs twice", twice->text);
}

static bool leave(struct yaml *y, size_t index)
{
	y->depth--;
	document_end_nodes(y->doc, index);
	struct value *v = &y->doc->root[index];
	return v->type != VALUE_MAP || check_keys(y, v);
}

/* Makes the scalar at `index`, the last value, the first key of a new map. */
static bool enter_map_by_key(struct yaml *y, size_t index)
{
	size_t last;
	struct value key = y->doc->root[index];
	if (!enter(y, VALUE_MAP, key.line, &last))
		return false;
	struct value *root = y->doc->root;
	root[index] = root[last];
	root[last] = key;
	root[last].type = VALUE_STRING;
	return true;
}

static bool check_start(const struct yaml *y, bool flow)
{
	char c = yaml_at_marker(y) ? '\0' : yaml_peek(y, 0), next = yaml_peek(y, 1);
	bool alone = yaml_is_space(next) || (flow && yaml_is_flow(next));
	if (c == '-' ? !alone : !flow && (c == '?' || c == ':') && !alone)
		return true;
	for (size_t i = 0; i < sizeof Refused / sizeof *Refused; i++)
		if (c == Refused[i].c)
			return yaml_fail(y, y->line, "%s", Refused[i].why);
	return true;
}

static bool read_scalar(struct yaml *y, int indent, bool flow)
{
	if (!check_start(y, flow))
		return false;
	bool quoted = *y->p == '"' || *y->p == '\'';
	return quoted ? yaml_quoted(y) : yaml_plain(y, indent, flow);
}

/* The value that was read at `from` turns out to be a key. */
static bool check_key(const struct yaml *y, size_t index, const char *from)
{
	const struct value *key = &y->doc->root[index];
	if (*from == '<' && !strcmp(key->text, "<<"))
		return yaml_fail(y, key->line, "merge keys are not supported: write the keys out");
	return true;
}

static bool flow_node(struct yaml *y);

/* Behind the ':' of a pair: the value may be left out. */
static bool flow_value(struct yaml *y)
{
	uint32_t line = y->line;
	y->p++;
	if (!next_token(y))
		return false;
	char c = yaml_peek(y, 0);
	return c == ',' || c == ']' || c == '}' ? add_null(y, line) : flow_node(y);
}

static bool flow_pair(struct yaml *y)
{
	const char *from = y->p;
	uint32_t line = y->line;
	size_t key = y->doc->count;
	if (*from == '[' || *from == '{')
		return yaml_fail(y, line, Complex);
	if (!read_scalar(y, -1, true) || !check_key(y, key, from))
		return false;
	if (y->line != line)
		return yaml_fail(y, line, Complex);
	y->doc->root[key].type = VALUE_STRING;
	if (!next_token(y))
		return false;
	return yaml_peek(y, 0) == ':' ? flow_value(y) : add_null(y, line);
}

/* An item of a list; `[a: b]` is a list of one map. */
static bool flow_item(struct yaml *y)
{
	const char *from = y->p;
	uint32_t line = y->line;
	size_t index = y->doc->count;
	if (!flow_node(y))
		return false;
	yaml_skip_blanks(y);
	if (yaml_peek(y, 0) != ':')
		return true;
	if (*from == '[' || *from == '{' || y->line != line)
		return yaml_fail(y, line, Complex);
	return check_key(y, index, from) && enter_map_by_key(y, index) && flow_value(y) &&
	       leave(y, index);
}

static bool flow_container(struct yaml *y)
{
	bool map = *y->p == '{';
	char close = map ? '}' : ']';
	uint32_t line = y->line;
	size_t index;
	if (!enter(y, map ? VALUE_MAP : VALUE_LIST, line, &index))
		return false;
	y->p++;
	for (;;) {
		if (!next_token(y))
			return false;
		if (at_end(y))
			return yaml_fail(y, line, "this %s is not closed", map ? "'{'" : "'['");
		if (*y->p == close)
			break;
		if (!(map ? flow_pair(y) : flow_item(y)) || !next_token(y))
			return false;
		if (yaml_peek(y, 0) == ',')
			y->p++;
		else if (!at_end(y) && *y->p != close)
			return yaml_fail(y, y->line, "',' or '%c' is missing", close);
	}
	y->p++;
	return leave(y, index);
}

/* VALUE_DEPTH_MAX bounds how often these call each other. */
static bool flow_node(struct yaml *y)
{
	char c = yaml_peek(y, 0);
	return c == '[' || c == '{' ? flow_container(y) : read_scalar(y, -1, true);
}

static bool block_node(struct yaml *y, int indent, bool inline_only);

/* Behind an entry: whether one more of its container follows. */
static bool next_entry(struct yaml *y, int column, bool *more)
{
	*more = false;
	if (!next_token(y))
		return false;
	if (at_end(y))
		return true;
	if (!is_first(y))
		return yaml_fail(y, y->line, "text behind a value: does it need quotes?");
	if (is_behind_tab(y))
		return yaml_fail(y, y->line, Tab);
	if (yaml_column(y) > column)
		return yaml_fail(y, y->line, Astray);
	*more = yaml_column(y) == column;
	return true;
}

static bool block_list(struct yaml *y, int column)
{
	size_t index;
	bool more;
	if (!enter(y, VALUE_LIST, y->line, &index))
		return false;
	do {
		y->p++;
		if (!block_node(y, column, false) || !next_entry(y, column, &more))
			return false;
	} while (more && at_dash(y));
	return leave(y, index);
}

static bool block_key(struct yaml *y)
{
	const char *from = y->p;
	uint32_t line = y->line;
	size_t key = y->doc->count;
	if (*from == '[' || *from == '{')
		return yaml_fail(y, line, Complex);
	if (!read_scalar(y, -1, false) || !check_key(y, key, from))
		return false;
	y->doc->root[key].type = VALUE_STRING;
	yaml_skip_blanks(y);
	return (y->line == line && at_colon(y)) || yaml_fail(y, line, "a key without ': '");
}

/* At the ':' behind the first key, which was read as a value. */
static bool block_map(struct yaml *y, int column, size_t index)
{
	bool more;
	if (!enter_map_by_key(y, index))
		return false;
	for (;;) {
		y->p++;
		if (!block_node(y, column, true) || !next_entry(y, column, &more))
			return false;
		if (!more)
			return leave(y, index);
		if (!block_key(y))
			return false;
	}
}

/* A scalar or a flow container, or the key that begins a map. */
static bool block_leaf(struct yaml *y, int indent, bool inline_only)
{
	const char *from = y->p;
	int column = yaml_column(y);
	uint32_t line = y->line;
	size_t index = y->doc->count;
	bool flow = *from == '[' || *from == '{', tab = is_behind_tab(y);
	if (!(flow ? flow_container(y) : read_scalar(y, indent, false)))
		return false;
	yaml_skip_blanks(y);
	if (!at_colon(y))
		return true;
	if (y->line != line)
		return yaml_fail(y, y->line, flow ? Complex : Astray);
	if (inline_only)
		return yaml_fail(y, line, "a second ': ' in one line: does the value need quotes?");
	if (flow)
		return yaml_fail(y, line, Complex);
	if (tab)
		return yaml_fail(y, line, Tab);
	return check_key(y, index, from) && block_map(y, column, index);
}

/* One value, indented deeper than `indent`.  `inline_only`: on the line of the
 * cursor (behind a key, or "---") only a scalar or a flow container may stand;
 * and behind a key a list may be as deep as that, as kubectl writes it. */
static bool block_node(struct yaml *y, int indent, bool inline_only)
{
	uint32_t line = y->line;
	if (!next_token(y))
		return false;
	bool first = is_first(y), list = at_dash(y);
	int least = list && inline_only ? indent : indent + 1;
	if (at_end(y) || (first && yaml_column(y) < least))
		return add_null(y, line);
	if (is_behind_tab(y) && (list || (first && indent >= 0)))
		return yaml_fail(y, y->line, Tab);
	inline_only = inline_only && !first;
	if (list && inline_only)
		return yaml_fail(y, y->line, "a list needs a line of its own behind a key");
	if (list)
		return block_list(y, yaml_column(y));
	if (yaml_peek(y, 0) == '|' || yaml_peek(y, 0) == '>')
		return yaml_block(y, indent);
	return block_leaf(y, indent, inline_only);
}

static bool check_text(const struct yaml *y)
{
	uint32_t line = 1, c;
	size_t n = (size_t)(y->end - y->p), used;
	if (n >= 2 && (!memcmp(y->p, "\xff\xfe", 2) || !memcmp(y->p, "\xfe\xff", 2)))
		return yaml_fail(y, 1, "this is UTF-16: save the file as UTF-8");
	if (n > INT32_MAX)
		return yaml_fail(y, 1, "a text of over 2 GiB");
	for (size_t i = 0; i < n; i += used) {
		char next = i + 1 < n ? y->p[i + 1] : '\0';
		used = text_char(y->p + i, n - i, &c);
		if (!used)
			return yaml_fail(y, line, "text that is not UTF-8");
		if (c < ' ' && c != '\t' && c != '\n' && c != '\r')
			return yaml_fail(y, line, "a control character");
		line += c == '\n' || (c == '\r' && next != '\n');
	}
	return true;
}

static bool read_document(struct yaml *y)
{
	static const char Bom[] = "\xef\xbb\xbf";
	if (!check_text(y))
		return false;
	if (y->end - y->p >= 3 && !memcmp(y->p, Bom, 3))
		y->bol = y->p += 3;
	if (!next_token(y))
		return false;
	if (yaml_at_marker(y) && *y->p == '-')
		y->p += 3;
	if (!block_node(y, -1, true) || !next_token(y))
		return false;
	if (yaml_at_marker(y) && *y->p == '.') {
		y->p += 3;
		if (!next_token(y))
			return false;
	}
	if (yaml_at_marker(y))
		return yaml_fail(y, y->line, "a second document begins: there can be only one");
	return y->p == y->end || yaml_fail(y, y->line, Astray);
}

/* A scalar's text needs at most half as much room again as its source: the
 * escape \L has two bytes and stands for three. */
bool yaml_parse(struct document *doc, const char *p, size_t n, struct err *e)
{
	struct yaml y = {.p = p, .end = p + n, .bol = p, .line = 1, .doc = doc, .e = e};
	document_begin(doc, n + n / 2 + 1);
	if (read_document(&y))
		return true;
	document_free(doc);
	return false;
}
