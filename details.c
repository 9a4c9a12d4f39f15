/* A row for each value there is, then the events, the newest first. */
#include "details.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loop.h"
#include "mem.h"
#include "table.h"

enum { LABEL = 13, TIME = 24, VALUE = 160 };

static void put(struct page *p, const char *label, const char *value)
{
	if (*value)
		page_put(p, STYLE_FAINT, label, STYLE_PLAIN, value);
}

static void put_state(struct page *p, const struct view_forward *v)
{
	char state[TABLE_STATE];
	table_state(v->state, state);
	page_put(p, STYLE_FAINT, "Status", table_state_style(v->state), state);
	if (strcmp(v->info, v->reason) != 0)
		put(p, "Info", v->info);
	put(p, "Why", v->reason);
}

/* By what the port is usually for. */
static const char *scheme(const struct view_forward *v)
{
	bool tls = v->remote_name ? !strncmp(v->remote_name, "https", 5)
				  : v->remote_port == 443 || v->remote_port == 8443;
	return tls ? "https" : "http";
}

static void put_url(struct page *p, const struct view_forward *v)
{
	bool usual = !strcmp(v->address, "127.0.0.1"), v6 = strchr(v->address, ':');
	char url[VALUE];
	snprintf(url, sizeof url, "%s://%s%s%s:%u", scheme(v), v6 ? "[" : "",
		usual ? "localhost" : v->address, v6 ? "]" : "", v->local_port);
	put(p, "URL", url);
}

static void put_target(struct page *p, const struct view_forward *v)
{
	char ports[VIEW_PORTS], *service = mem_print("%s %s", v->type, v->service);
	view_ports(v, ports);
	put(p, "Cluster", v->cluster);
	put(p, "Namespace", v->namespace);
	put(p, "Service", service);
	put(p, "Ports", ports);
	put(p, "Section", v->name);
	put(p, "Pod", v->pod);
	free(service);
}

static void put_tunnels(struct page *p, const struct view_forward *v)
{
	const struct forward_numbers *n = &v->numbers;
	char text[VALUE], trip[TABLE_AMOUNT];
	snprintf(text, sizeof text, "%u", n->tunnels);
	put(p, "Transport", n->transport ? n->transport : "");
	put(p, "Tunnels", text);
	table_ms(n->round_trip_ms, trip);
	put(p, "Round trip", trip);
}

static void put_traffic(struct page *p, const struct view_forward *v, struct rate rate)
{
	const struct forward_numbers *n = &v->numbers;
	char text[VALUE], in[TABLE_AMOUNT], out[TABLE_AMOUNT], in_rate[TABLE_AMOUNT],
		out_rate[TABLE_AMOUNT];
	table_bytes(n->bytes_down, in);
	table_bytes(n->bytes_up, out);
	table_bytes(rate.in, in_rate);
	table_bytes(rate.out, out_rate);
	snprintf(text, sizeof text, "%u open, %u of them held; %" PRIu64 " served", n->connections,
		n->held, n->served);
	put(p, "Connections", text);
	snprintf(text, sizeof text, "%s (%s/s)", in, in_rate);
	put(p, "In", text);
	snprintf(text, sizeof text, "%s (%s/s)", out, out_rate);
	put(p, "Out", text);
}

/* ---- events ---- */

static bool is_same_day(const struct tm *a, const struct tm *b)
{
	return a->tm_year == b->tm_year && a->tm_yday == b->tm_yday;
}

/* By the clock on the wall; of other days the day, too. */
static void put_time(int64_t wall_ms, char text[TIME])
{
	time_t at = (time_t)(wall_ms / 1000), now = (time_t)(loop_wall() / 1000);
	struct tm then, today;
	localtime_r(&at, &then);
	localtime_r(&now, &today);
	strftime(text, TIME, is_same_day(&then, &today) ? "%H:%M:%S" : "%m-%d %H:%M", &then);
}

/* One of them is a state's name, or another word. */
static enum style event_style(const char *what, char text[TABLE_STATE])
{
	for (enum forward_state s = 0; s < FORWARD_STATES; s++)
		if (!strcmp(what, forward_state_name(s))) {
			table_state(s, text);
			return table_state_style(s);
		}
	snprintf(text, TABLE_STATE, "%s", what);
	return STYLE_PLAIN;
}

static void put_event(struct page *p, const struct history_event *e)
{
	char at[TIME], last[TIME], what[TABLE_STATE];
	enum style style = event_style(e->what, what);
	put_time(e->first_ms, at);
	put_time(e->last_ms, last);
	char *again =
		e->times > 1 ? mem_print(" (%u times, until %s)", e->times, last) : mem_dup("");
	char *text = mem_print("%s%s%s%s", what, *e->why ? ": " : "", e->why, again);
	page_put(p, STYLE_FAINT, at, style, text);
	free(text);
	free(again);
}

void details_page(struct page *p, unsigned columns, const struct view_forward *v, struct rate rate)
{
	const struct history_event *e;
	page_begin(p, columns, LABEL);
	put_state(p, v);
	put_url(p, v);
	put_target(p, v);
	put_tunnels(p, v);
	put_traffic(p, v, rate);
	page_put(p, STYLE_PLAIN, "", STYLE_PLAIN, "");
	page_put(p, STYLE_STRONG, "Events", STYLE_PLAIN, "");
	for (size_t i = 0; (e = history_at(v->history, i)); i++)
		put_event(p, e);
}
