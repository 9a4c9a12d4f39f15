/* From what the lower rooms tell to values. */
#include "view.h"

#include <stdio.h>
#include <string.h>

#include "pod.h"

void view_forward(const struct manager *m, size_t i, struct view_forward *v)
{
	const struct forward *f = manager_forward(m, i);
	const struct config_forward *own = forward_config(f);
	const struct k8s_pod *pod = forward_pod(f);
	*v = (struct view_forward){.name = own->name,
		.cluster = manager_cluster_name(m, i),
		.namespace = own->target.namespace,
		.service = config_title(own),
		.type = pod_type_name(own->target.type),
		.address = own->local_address,
		.local_port = forward_local_port(f),
		.remote_port = own->target.port,
		.remote_name = own->target.port_name,
		.state = forward_state(f),
		.reason = forward_error(f)->text,
		.pod = pod ? pod->name : "",
		.history = forward_history(f)};
	forward_info(f, v->info);
	forward_numbers(f, &v->numbers);
}

void view_ports(const struct view_forward *v, char text[VIEW_PORTS])
{
	char at[VIEW_PORTS] = "", remote[8];
	if (strchr(v->address, ':'))
		snprintf(at, sizeof at, "[%s]:", v->address);
	else if (strcmp(v->address, "127.0.0.1") != 0)
		snprintf(at, sizeof at, "%s:", v->address);
	snprintf(remote, sizeof remote, "%u", v->remote_port);
	snprintf(text, VIEW_PORTS, "%s%u:%s", at, v->local_port,
		v->remote_name ? v->remote_name : remote);
}

void view_count(const struct manager *m, struct view_counts *c)
{
	*c = (struct view_counts){.all = manager_count(m)};
	for (size_t i = 0; i < c->all; i++)
		c->by_state[forward_state(manager_forward(m, i))]++;
}
