/* Two ways to write the values of view.h. */
#include "status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cells.h"
#include "json.h"
#include "loop.h"
#include "mem.h"
#include "text.h"
#include "timestamp.h"
#include "view.h"

enum { SCHEMA = 1 }; /* of what the JSON means: greater where an old reader would err */

/* ---- JSON ---- */

/* Behind what is there already. */
static void put_comma(struct buf *out)
{
	uint8_t last = buf_data(out)[buf_len(out) - 1];
	if (last != '{' && last != '[')
		buf_put(out, ",", 1);
}

static void put_key(struct buf *out, const char *key)
{
	put_comma(out);
	buf_print(out, "\"%s\":", key);
}

static void put_text(struct buf *out, const char *key, const char *text)
{
	put_key(out, key);
	if (text)
		json_put_string(out, text);
	else
		buf_print(out, "null");
}

static void put_number(struct buf *out, const char *key, uint64_t n)
{
	put_key(out, key);
	buf_print(out, "%" PRIu64, n);
}

static void put_time(struct buf *out, const char *key, int64_t wall_ms)
{
	char text[TIMESTAMP_TEXT];
	timestamp_print(text, wall_ms);
	put_text(out, key, text);
}

static void put_bool(struct buf *out, const char *key, bool yes)
{
	put_key(out, key);
	buf_print(out, yes ? "true" : "false");
}

/* An empty one says that there is none. */
static const char *or_null(const char *text)
{
	return text && *text ? text : NULL;
}

static void put_history(struct buf *out, const struct history *h)
{
	put_key(out, "history");
	buf_put(out, "[", 1);
	for (size_t i = history_count(h); i-- > 0;) {
		const struct history_event *e = history_at(h, i);
		put_comma(out);
		buf_put(out, "{", 1);
		put_time(out, "first", e->first_ms);
		put_time(out, "last", e->last_ms);
		put_number(out, "times", e->times);
		put_text(out, "what", e->what);
		put_text(out, "why", e->why);
		buf_put(out, "}", 1);
	}
	buf_put(out, "]", 1);
}

static void put_numbers(struct buf *out, const struct forward_numbers *n)
{
	put_text(out, "transport", n->transport);
	put_number(out, "tunnels", n->tunnels);
	put_number(out, "connections", n->connections);
	put_number(out, "held", n->held);
	put_number(out, "served", n->served);
	put_number(out, "bytes_up", n->bytes_up);
	put_number(out, "bytes_down", n->bytes_down);
	if (n->round_trip_ms < 0)
		put_text(out, "round_trip_ms", NULL);
	else
		put_number(out, "round_trip_ms", (uint64_t)n->round_trip_ms);
	if (n->checked_ms)
		put_time(out, "checked", loop_wall() - (loop_now() - n->checked_ms));
	else
		put_text(out, "checked", NULL);
	put_number(out, "attempts", n->attempts);
}

static void put_forward(struct buf *out, const struct view_forward *v)
{
	buf_put(out, "{", 1);
	put_text(out, "name", v->name);
	put_text(out, "cluster", v->cluster);
	put_text(out, "namespace", v->namespace);
	put_text(out, "service", v->service);
	put_text(out, "type", v->type);
	put_text(out, "local_address", v->address);
	put_number(out, "local_port", v->local_port);
	if (v->remote_name)
		put_text(out, "remote_port", v->remote_name);
	else
		put_number(out, "remote_port", v->remote_port);
	put_text(out, "state", forward_state_name(v->state));
	put_text(out, "reason", v->reason);
	put_text(out, "info", v->info);
	put_text(out, "pod", or_null(v->pod));
	put_numbers(out, &v->numbers);
	put_history(out, v->history);
	buf_put(out, "}", 1);
}

void status_json(struct buf *out, const struct manager *m, const struct status_of *self)
{
	buf_put(out, "{", 1);
	put_number(out, "version", SCHEMA);
	put_text(out, "porter", self->version);
	put_number(out, "pid", (uint64_t)self->pid);
	put_text(out, "config", self->config);
	put_text(out, "log", self->log);
	put_time(out, "started", self->started_ms);
	put_bool(out, "taken_over", self->draining);
	put_key(out, "forwards");
	buf_put(out, "[", 1);
	for (size_t i = 0; i < manager_count(m); i++) {
		struct view_forward v;
		view_forward(m, i, &v);
		put_comma(out);
		put_forward(out, &v);
	}
	buf_print(out, "]}\n");
}

/* ---- the table ---- */

enum { CLUSTER, NAMESPACE, SERVICE, PORTS, STATUS, INFO, COLUMNS };

struct row {
	char *cell[COLUMNS];
};

/* To be freed; fit for a terminal. */
static char *clean(char *text)
{
	text_clean(text);
	return text;
}

/* There is room for the reason, which Info alone would not have. */
static struct row row_of(const struct view_forward *v)
{
	bool more = v->state == FORWARD_RECONNECTING && *v->reason;
	char ports[VIEW_PORTS];
	view_ports(v, ports);
	return (struct row){{
		[CLUSTER] = clean(mem_dup(v->cluster)),
		[NAMESPACE] = clean(mem_dup(v->namespace)),
		[SERVICE] = clean(mem_dup(v->service)),
		[PORTS] = clean(mem_dup(ports)),
		[STATUS] = mem_dup(forward_state_name(v->state)),
		[INFO] = clean(
			mem_print("%s%s%s", v->info, more ? ": " : "", more ? v->reason : "")),
	}};
}

static void put_row(struct buf *out, const struct row *row, const size_t width[COLUMNS])
{
	size_t fill = 0;
	for (size_t i = 0; i < COLUMNS; i++) {
		const char *cell = row->cell[i];
		if (*cell) {
			buf_print(out, "%*s%s", (int)fill, "", cell);
			fill = 0;
		}
		fill += width[i] + 2 - cells_width(cell);
	}
	buf_print(out, "\n");
}

/* "porter 0.1.0, pid 4711, since ..., porter.ini: 3 of 4 forwards are Active". */
static void put_heading(struct buf *out, const struct manager *m, const struct status_of *self)
{
	struct view_counts c;
	char since[TIMESTAMP_TEXT];
	char *config = clean(mem_dup(self->config ? self->config : "without a file"));
	view_count(m, &c);
	timestamp_print(since, self->started_ms);
	buf_print(
		out, "porter %s, pid %ld, since %s, %s: ", self->version, self->pid, since, config);
	if (self->draining)
		buf_print(out, "another porter has its ports; connections left: %zu\n",
			manager_connections(m));
	else
		buf_print(
			out, "%zu of %zu forwards are Active\n", c.by_state[FORWARD_ACTIVE], c.all);
	free(config);
}

static void put_rows(struct buf *out, const struct row *row, size_t rows)
{
	size_t width[COLUMNS] = {0};
	for (size_t r = 0; r < rows; r++)
		for (size_t i = 0; i < COLUMNS; i++) {
			size_t n = cells_width(row[r].cell[i]);
			width[i] = n > width[i] ? n : width[i];
		}
	for (size_t r = 0; r < rows; r++)
		put_row(out, &row[r], width);
}

void status_table(struct buf *out, const struct manager *m, const struct status_of *self)
{
	static const char *const Head[COLUMNS] = {
		"Cluster", "Namespace", "Service", "Ports", "Status", "Info"};
	size_t rows = 1 + manager_count(m);
	struct row *row = mem_new(rows * sizeof *row);
	for (size_t i = 0; i < COLUMNS; i++)
		row[0].cell[i] = mem_dup(Head[i]);
	for (size_t r = 1; r < rows; r++) {
		struct view_forward v;
		view_forward(m, r - 1, &v);
		row[r] = row_of(&v);
	}
	put_heading(out, m, self);
	buf_put(out, "\n", 1);
	put_rows(out, row, rows);
	for (size_t r = 0; r < rows; r++)
		for (size_t i = 0; i < COLUMNS; i++)
			free(row[r].cell[i]);
	free(row);
}
