/* One forward, and all of them, as plain values: what every face shows, the table and
 * JSON of -status and the screen alike.
 *
 * Knows no layout, and changes nothing.
 */
#pragma once
#include "manager.h"

/* Strings are good until the loop's next event. */
struct view_forward {
	const char *name;    /* of its section */
	const char *cluster; /* as the configuration calls it */
	const char *namespace;
	const char *service; /* or pod, workload, selector: see config_title() */
	const char *type;    /* "service", "pod", ... */
	const char *address; /* it listens at; ::1, too, where that is beside it */
	uint16_t local_port;
	uint16_t remote_port;    /* 0 where it has a name */
	const char *remote_name; /* or NULL */
	enum forward_state state;
	const char *reason;      /* why it is not Active, all of it; "" where it is not known */
	char info[FORWARD_INFO]; /* "checked 2s ago", ...: see forward_info() */
	const char *pod;         /* in use; "": none */
	struct forward_numbers numbers;
	const struct history *history;
};

/* The i-th, by the file's order: below manager_count(). */
void view_forward(const struct manager *m, size_t i, struct view_forward *v);

/* "8080:80", "8080:http"; with the address where that is not 127.0.0.1: "[::1]:8080:80". */
enum { VIEW_PORTS = 96 };
void view_ports(const struct view_forward *v, char text[VIEW_PORTS]);

struct view_counts {
	size_t all, by_state[FORWARD_STATES];
};
void view_count(const struct manager *m, struct view_counts *c);
