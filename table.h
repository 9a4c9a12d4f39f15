/* The forwards as a table: which columns there are in a terminal's width, how wide each
 * is, and the cells of a row.
 *
 * What gives way where it is narrow, in this order: what goes beyond cluster, namespace,
 * service, ports, state and info; Info, by an ellipsis; Namespace and Cluster, likewise;
 * then columns leave: Namespace, Cluster, Info, Ports; then a row takes two lines: the
 * service by itself, and the rest below.  The state never leaves, and services are never
 * cut.  It depends on names only, so that nothing moves while states change.
 *
 * Knows nothing of scrolling, or of keys.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rates.h"
#include "screen.h"
#include "view.h"

/* From left to right. */
enum table_column {
	TABLE_CLUSTER,
	TABLE_NAMESPACE,
	TABLE_SERVICE,
	TABLE_PORTS,
	TABLE_STATUS,
	TABLE_CONNECTIONS,
	TABLE_IN,
	TABLE_OUT,
	TABLE_ROUND_TRIP,
	TABLE_INFO,
	TABLE_COLUMNS,
};

/* table_begin(), table_consider() for each forward, table_settle(): then the rest. */
struct table {
	unsigned columns;              /* of the terminal */
	unsigned limit;                /* of a service, where its state stands beside it */
	unsigned width[TABLE_COLUMNS]; /* of the table's; 0: not there */
	unsigned gap;                  /* between two of them */
};

void table_begin(struct table *t, unsigned columns);
void table_consider(struct table *t, const struct view_forward *v);
void table_settle(struct table *t);

/* How many lines of the screen its row takes. */
unsigned table_lines(const struct table *t, const struct view_forward *v);

/* Whether the row shows what changes by itself, as seconds do. */
bool table_counts(const struct table *t, const struct view_forward *v);

/* Each begins at the screen's place, and goes on to the line behind it. */
void table_put_title(const struct table *t, struct screen *s, const struct view_counts *c);
void table_put_head(const struct table *t, struct screen *s);
void table_put_row(const struct table *t, struct screen *s, const struct view_forward *v,
	const struct rate *rate, bool selected);

/* ---- the same for all that shows forwards ---- */

/* "🟢 Active", or "Active" where the terminal has ASCII only; and its style. */
enum { TABLE_STATE = 32 };
void table_state(enum forward_state state, char text[TABLE_STATE]);
enum style table_state_style(enum forward_state state);

/* "999 B", "1.2 kB", "34 MB"; and of milliseconds "12 ms", "1.2 s", "-" where there are
 * none (-1). */
enum { TABLE_AMOUNT = 24 };
void table_bytes(uint64_t bytes, char text[TABLE_AMOUNT]);
void table_ms(int64_t ms, char text[TABLE_AMOUNT]);
