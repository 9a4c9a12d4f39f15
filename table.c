/* Columns by stages, from the widest layout to the narrowest: the first that fits is it.
 * Which rows are on the screen is for others. */
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cells.h"
#include "mem.h"

enum {
	NAME_LEAST = 6,  /* of Cluster and Namespace, before they leave */
	INFO_LEAST = 10, /* likewise */
	INFO_ROOM = 30,  /* what Info has before anything is added beyond it */
	INDENT = 2,      /* of what stands below a service, where all rows take two lines */
	STATES_GAP = 2,
};

static const char Title[] = "nanoporter - Kubernetes Port-Forward Manager";
static const char Short_title[] = "nanoporter";

static const struct {
	const char *head;
	unsigned least; /* columns, beyond those of the head */
	bool right;     /* numbers */
} Columns[TABLE_COLUMNS] = {
	[TABLE_CLUSTER] = {"Cluster", 0, false},
	[TABLE_NAMESPACE] = {"Namespace", 0, false},
	[TABLE_SERVICE] = {"Service", 0, false},
	[TABLE_PORTS] = {"Ports", 0, false},
	[TABLE_STATUS] = {"Status", sizeof "Reconnecting" - 1, false},
	[TABLE_CONNECTIONS] = {"Conns", 0, true},
	[TABLE_IN] = {"In", sizeof "999 kB/s" - 1, true},
	[TABLE_OUT] = {"Out", sizeof "999 kB/s" - 1, true},
	[TABLE_ROUND_TRIP] = {"RTT", sizeof "999 ms" - 1, true},
	[TABLE_INFO] = {"Info", 0, false},
};

static const struct {
	const char *icon;
	enum style style;
} States[FORWARD_STATES] = {
	[FORWARD_STARTING] = {"⚪", STYLE_PLAIN},
	[FORWARD_ACTIVE] = {"🟢", STYLE_GOOD},
	[FORWARD_RECONNECTING] = {"🟡", STYLE_WARN},
	[FORWARD_FAILED] = {"🔴", STYLE_BAD},
	[FORWARD_STOPPED] = {"⚫", STYLE_FAINT},
};

/* ---- texts ---- */

static const char *icon(enum forward_state state)
{
	return cells_ascii() ? "" : States[state].icon;
}

void table_state(enum forward_state state, char text[TABLE_STATE])
{
	snprintf(text, TABLE_STATE, "%s%s%s", icon(state), cells_ascii() ? "" : " ",
		forward_state_name(state));
}

enum style table_state_style(enum forward_state state)
{
	return States[state].style;
}

void table_bytes(uint64_t bytes, char text[TABLE_AMOUNT])
{
	static const char *const Units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	size_t unit = 0;
	uint64_t tenths = 0;
	for (; bytes >= 1000; bytes /= 1000, unit++)
		tenths = bytes % 1000 / 100;
	if (unit && bytes < 10)
		snprintf(text, TABLE_AMOUNT, "%u.%u %s", (unsigned)bytes, (unsigned)tenths,
			Units[unit]);
	else
		snprintf(text, TABLE_AMOUNT, "%u %s", (unsigned)bytes, Units[unit]);
}

void table_ms(int64_t ms, char text[TABLE_AMOUNT])
{
	if (ms < 0)
		snprintf(text, TABLE_AMOUNT, "-");
	else if (ms < 1000)
		snprintf(text, TABLE_AMOUNT, "%d ms", (int)ms);
	else if (ms < 10000)
		snprintf(text, TABLE_AMOUNT, "%d.%d s", (int)(ms / 1000), (int)(ms % 1000 / 100));
	else
		snprintf(text, TABLE_AMOUNT, "%lld s", (long long)(ms / 1000));
}

static void put_rate(uint64_t rate, char text[TABLE_AMOUNT])
{
	char bytes[TABLE_AMOUNT];
	table_bytes(rate, bytes);
	snprintf(text, TABLE_AMOUNT, rate ? "%.20s/s" : "-", bytes);
}

/* ---- columns ---- */

static unsigned status_width(void)
{
	char widest[TABLE_STATE];
	table_state(FORWARD_RECONNECTING, widest);
	return (unsigned)cells_width(widest);
}

static bool is_long(const struct table *t, const struct view_forward *v)
{
	return cells_width(v->service) > t->limit;
}

void table_begin(struct table *t, unsigned columns)
{
	unsigned beside = 1 + status_width();
	*t = (struct table){.columns = columns, .limit = columns > beside ? columns - beside : 0};
}

static void widen(struct table *t, enum table_column c, const char *text)
{
	size_t width = cells_width(text);
	if (width > t->width[c])
		t->width[c] = (unsigned)width;
}

void table_consider(struct table *t, const struct view_forward *v)
{
	char ports[VIEW_PORTS];
	view_ports(v, ports);
	widen(t, TABLE_CLUSTER, v->cluster);
	widen(t, TABLE_NAMESPACE, v->namespace);
	widen(t, TABLE_PORTS, ports);
	if (!is_long(t, v))
		widen(t, TABLE_SERVICE, v->service);
}

enum {
	SEED = 1 << TABLE_CLUSTER | 1 << TABLE_NAMESPACE | 1 << TABLE_SERVICE | 1 << TABLE_PORTS |
	       1 << TABLE_STATUS | 1 << TABLE_INFO,
	CONNECTIONS = 1 << TABLE_CONNECTIONS,
	RATES = CONNECTIONS | 1 << TABLE_IN | 1 << TABLE_OUT,
	ALL = RATES | 1 << TABLE_ROUND_TRIP | SEED,
};

static const struct stage {
	unsigned columns; /* a bit for each */
	unsigned gap;
	unsigned info;
	bool squeezed; /* Cluster and Namespace are as narrow as need be */
} Stages[] = {
	{ALL, 2, INFO_ROOM, false},
	{SEED | RATES, 2, INFO_ROOM, false},
	{SEED | CONNECTIONS, 2, INFO_ROOM, false},
	{SEED, 2, INFO_ROOM, false},
	{SEED, 1, INFO_LEAST, false},
	{SEED, 1, INFO_LEAST, true},
	{SEED ^ 1 << TABLE_NAMESPACE, 1, INFO_LEAST, true},
	{1 << TABLE_SERVICE | 1 << TABLE_PORTS | 1 << TABLE_STATUS | 1 << TABLE_INFO, 1, INFO_LEAST,
		false},
	{1 << TABLE_SERVICE | 1 << TABLE_PORTS | 1 << TABLE_STATUS, 1, 0, false},
	{1 << TABLE_SERVICE | 1 << TABLE_STATUS, 1, 0, false},
};
enum { STAGES = sizeof Stages / sizeof *Stages };

static bool may_be_narrow(enum table_column c)
{
	return c == TABLE_CLUSTER || c == TABLE_NAMESPACE;
}

/* The widths of a stage at its narrowest, from those that the texts want. */
static void take_stage(struct table *t, const struct stage *stage, const struct table *wanted)
{
	*t = *wanted;
	t->gap = stage->gap;
	t->width[TABLE_INFO] = stage->info;
	for (enum table_column c = 0; c < TABLE_COLUMNS; c++)
		if (!(stage->columns & 1U << c))
			t->width[c] = 0;
		else if (stage->squeezed && may_be_narrow(c) && t->width[c] > NAME_LEAST)
			t->width[c] = NAME_LEAST;
}

static unsigned indent(const struct table *t)
{
	return t->width[TABLE_SERVICE] ? 0 : INDENT;
}

static unsigned taken(const struct table *t)
{
	unsigned sum = indent(t), gap = 0;
	for (enum table_column c = 0; c < TABLE_COLUMNS; c++)
		if (t->width[c]) {
			sum += gap + t->width[c];
			gap = t->gap;
		}
	return sum;
}

/* What is left goes to the narrower one first, and then to Info. */
static void give_room(struct table *t, const struct table *wanted)
{
	unsigned room = t->columns - taken(t);
	unsigned *a = &t->width[TABLE_CLUSTER], *b = &t->width[TABLE_NAMESPACE];
	for (; room; room--) {
		bool more_a = *a && *a < wanted->width[TABLE_CLUSTER];
		bool more_b = *b && *b < wanted->width[TABLE_NAMESPACE];
		if (more_a && (!more_b || *a <= *b))
			++*a;
		else if (more_b)
			++*b;
		else
			break;
	}
	if (t->width[TABLE_INFO])
		t->width[TABLE_INFO] += room;
}

/* The head may be cut where the service beside it would be; where no service has a
 * place in a line, its column has none either. */
static void want_heads(struct table *t)
{
	bool has_service = t->width[TABLE_SERVICE] || !t->width[TABLE_PORTS];
	for (enum table_column c = 0; c < TABLE_COLUMNS; c++) {
		widen(t, c, Columns[c].head);
		if (t->width[c] < Columns[c].least)
			t->width[c] = Columns[c].least;
	}
	t->width[TABLE_STATUS] = status_width();
	if (!has_service)
		t->width[TABLE_SERVICE] = 0;
	else if (t->width[TABLE_SERVICE] > t->limit)
		t->width[TABLE_SERVICE] = t->limit;
}

void table_settle(struct table *t)
{
	want_heads(t);
	const struct table wanted = *t;
	for (size_t i = 0; i < STAGES; i++) {
		take_stage(t, &Stages[i], &wanted);
		if (taken(t) > t->columns)
			continue;
		give_room(t, &wanted);
		break;
	}
}

/* ---- lines ---- */

static unsigned wrapped_lines(const char *text, unsigned columns)
{
	unsigned lines = 0;
	for (size_t n; (n = cells_wrap(text, columns)); text += n)
		lines++;
	return lines;
}

unsigned table_lines(const struct table *t, const struct view_forward *v)
{
	return 1 + (is_long(t, v) ? wrapped_lines(v->service, t->columns) : 0);
}

bool table_counts(const struct table *t, const struct view_forward *v)
{
	switch (v->state) {
	case FORWARD_ACTIVE:
	case FORWARD_RECONNECTING:
		return t->width[TABLE_INFO] || t->width[TABLE_CONNECTIONS];
	case FORWARD_FAILED:
		return t->width[TABLE_CONNECTIONS];
	default:
		return false;
	}
}

/* ---- drawing ---- */

static void put_cells(const struct table *t, struct screen *s, unsigned style,
	const char *const text[TABLE_COLUMNS], unsigned const styles[TABLE_COLUMNS])
{
	unsigned at = indent(t);
	for (enum table_column c = 0; c < TABLE_COLUMNS; c++) {
		unsigned width = t->width[c];
		size_t own = width ? cells_width(text[c]) : 0;
		if (!width)
			continue;
		screen_pad(s, style, at);
		if (Columns[c].right && own < width)
			screen_pad(s, style, at + width - (unsigned)own);
		screen_field(s, styles[c], text[c], own < width ? (unsigned)own : width);
		at += width + t->gap;
	}
	screen_pad(s, style, s->columns);
	screen_line(s);
}

static void all_in(unsigned style, unsigned styles[TABLE_COLUMNS])
{
	for (enum table_column c = 0; c < TABLE_COLUMNS; c++)
		styles[c] = style;
}

void table_put_head(const struct table *t, struct screen *s)
{
	const char *text[TABLE_COLUMNS];
	unsigned styles[TABLE_COLUMNS];
	for (enum table_column c = 0; c < TABLE_COLUMNS; c++)
		text[c] = Columns[c].head;
	all_in(STYLE_STRONG, styles);
	put_cells(t, s, STYLE_PLAIN, text, styles);
}

static void put_service(
	const struct table *t, struct screen *s, const struct view_forward *v, unsigned style)
{
	const char *text = v->service;
	for (size_t n; (n = cells_wrap(text, t->columns)); text += n) {
		char *line = mem_dup_n(text, n);
		screen_put(s, style, line);
		screen_pad(s, style, s->columns);
		screen_line(s);
		free(line);
	}
}

void table_put_row(const struct table *t, struct screen *s, const struct view_forward *v,
	const struct rate *rate, bool selected)
{
	unsigned style = STYLE_PLAIN | (selected ? (unsigned)STYLE_SELECTED : 0);
	char state[TABLE_STATE], in[TABLE_AMOUNT], out[TABLE_AMOUNT], trip[TABLE_AMOUNT],
		connections[TABLE_AMOUNT], ports[VIEW_PORTS];
	unsigned styles[TABLE_COLUMNS];
	view_ports(v, ports);
	table_state(v->state, state);
	put_rate(rate->in, in);
	put_rate(rate->out, out);
	table_ms(v->numbers.round_trip_ms, trip);
	snprintf(connections, sizeof connections, "%u", v->numbers.connections);
	all_in(style, styles);
	styles[TABLE_STATUS] = (style & STYLE_SELECTED) | States[v->state].style;
	if (is_long(t, v))
		put_service(t, s, v, style);
	put_cells(t, s, style,
		(const char *[TABLE_COLUMNS]){[TABLE_CLUSTER] = v->cluster,
			[TABLE_NAMESPACE] = v->namespace,
			[TABLE_SERVICE] = is_long(t, v) ? "" : v->service,
			[TABLE_PORTS] = ports,
			[TABLE_STATUS] = state,
			[TABLE_CONNECTIONS] = connections,
			[TABLE_IN] = in,
			[TABLE_OUT] = out,
			[TABLE_ROUND_TRIP] = trip,
			[TABLE_INFO] = v->info},
		styles);
}

/* ---- the title ---- */

/* As in the order of what one hopes for. */
static const enum forward_state Order[FORWARD_STATES] = {
	FORWARD_ACTIVE, FORWARD_RECONNECTING, FORWARD_FAILED, FORWARD_STARTING, FORWARD_STOPPED};

enum { COUNT_TEXT = 64 };

/* "🟢 2 Active", or "2 Active". */
static void count_text(const struct view_counts *c, enum forward_state state, bool with_icon,
	char text[COUNT_TEXT])
{
	snprintf(text, COUNT_TEXT, "%s%s%zu %s", with_icon ? icon(state) : "",
		with_icon && !cells_ascii() ? " " : "", c->by_state[state],
		forward_state_name(state));
}

static size_t counts_width(const struct view_counts *c, bool with_icons)
{
	char text[COUNT_TEXT];
	size_t width = 0;
	for (enum forward_state state = 0; state < FORWARD_STATES; state++) {
		count_text(c, state, with_icons, text);
		width += c->by_state[state] ? STATES_GAP + cells_width(text) : 0;
	}
	return width;
}

static void put_counts(struct screen *s, const struct view_counts *c, bool with_icons)
{
	char text[COUNT_TEXT];
	for (size_t i = 0; i < FORWARD_STATES; i++) {
		if (!c->by_state[Order[i]])
			continue;
		count_text(c, Order[i], with_icons, text);
		screen_pad(s, STYLE_PLAIN, s->column + STATES_GAP);
		screen_put(s, States[Order[i]].style, text);
	}
}

/* Where there is no room for all counts: how many are as they should be. */
static void put_few(const struct table *t, struct screen *s, const struct view_counts *c)
{
	char text[COUNT_TEXT];
	snprintf(text, sizeof text, "%zu/%zu %s", c->by_state[FORWARD_ACTIVE], c->all,
		forward_state_name(FORWARD_ACTIVE));
	if (sizeof Short_title + cells_width(text) <= t->columns)
		screen_print(s, STYLE_STRONG, "%s ", Short_title);
	screen_put(s, STYLE_PLAIN, text);
}

/* The first form that fits. */
void table_put_title(const struct table *t, struct screen *s, const struct view_counts *c)
{
	static const struct {
		const char *title;
		bool with_icons;
	} Forms[] = {{Title, true}, {Short_title, true}, {Short_title, false}};
	enum { FORMS = sizeof Forms / sizeof *Forms };
	size_t i = 0;
	while (i < FORMS &&
		strlen(Forms[i].title) + counts_width(c, Forms[i].with_icons) > t->columns)
		i++;
	if (i < FORMS) {
		screen_put(s, STYLE_STRONG, Forms[i].title);
		put_counts(s, c, Forms[i].with_icons);
	} else {
		put_few(t, s, c);
	}
	screen_line(s);
}
