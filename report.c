/* A forward's state as a line. */
#include "report.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "mem.h"
#include "out.h"

static struct {
	enum report_form form;
	struct out out;
	const struct forward **told; /* of the ports of these */
	size_t count;
} Report;

static void put(struct buf *line)
{
	buf_put(line, "", 1);
	out_line(&Report.out, (const char *)buf_data(line));
	buf_free(line);
}

static void put_state(struct forward *f)
{
	char info[FORWARD_INFO];
	struct buf line = {0};
	const char *why = forward_state(f) == FORWARD_RECONNECTING ? forward_error(f)->text : "";
	forward_info(f, info);
	buf_print(&line, "%s %s%s%s%s%s", forward_name(f), forward_state_name(forward_state(f)),
		*why ? ": " : "", why, *info ? ": " : "", info);
	put(&line);
}

static bool is_told(const struct forward *f)
{
	for (size_t i = 0; i < Report.count; i++)
		if (Report.told[i] == f)
			return true;
	return false;
}

/* As kubectl: a line for each address, with the port that the pod has. */
static void put_ports(struct forward *f)
{
	const struct k8s_pod *pod = forward_pod(f);
	const struct config_forward *own = forward_config(f);
	int fd[LISTENER_SOCKETS];
	size_t sockets = forward_sockets(f, fd);
	if (forward_state(f) != FORWARD_ACTIVE || !pod || is_told(f))
		return;
	Report.told = mem_grow(Report.told, (Report.count + 1) * sizeof(*Report.told));
	Report.told[Report.count++] = f;
	for (size_t i = 0; i < sockets; i++) {
		struct buf line = {0};
		bool v6 = i || strchr(own->local_address, ':');
		buf_print(&line, "Forwarding from %s:%u -> %u", v6 ? "[::1]" : own->local_address,
			forward_local_port(f), pod->port);
		put(&line);
	}
}

void report_begin(enum report_form form)
{
	Report.form = form;
	if (form)
		out_open(&Report.out, STDOUT_FILENO);
}

void report_changed(struct forward *f)
{
	if (Report.form == REPORT_CHANGES)
		put_state(f);
	else if (Report.form == REPORT_PORTS)
		put_ports(f);
}

void report_removed(const struct forward *f)
{
	struct buf line = {0};
	if (Report.form != REPORT_CHANGES)
		return;
	buf_print(&line, "%s %s: no longer in the configuration", forward_name(f),
		forward_state_name(FORWARD_STOPPED));
	put(&line);
}

void report_end(void)
{
	if (Report.form)
		out_close(&Report.out);
	free(Report.told);
	memset(&Report, 0, sizeof Report);
}
