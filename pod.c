/* Service ports, pods' conditions and the order of candidates.  Objects are the
 * server's, so nothing in them is taken for granted but their being JSON. */
#include "pod.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

/* ---- values ---- */

static bool is_text(const struct value *v, const char *text)
{
	const char *have = value_text(v);
	return have && !strcmp(have, text);
}

/* Copies a text that fits; else leaves "". */
static void copy_text(char *out, size_t size, const struct value *v)
{
	const char *text = value_text(v);
	*out = '\0';
	if (text && strlen(text) < size)
		memcpy(out, text, strlen(text) + 1);
}

static bool is_port(const struct value *v, uint16_t port)
{
	int64_t n;
	return value_int(v, &n) && n == port;
}

/* A port's protocol is TCP where it does not say. */
static bool is_tcp(const struct value *port)
{
	const struct value *protocol = value_get(port, "protocol");
	return !protocol || is_text(protocol, "TCP");
}

/* ---- services ---- */

struct pod_rule pod_rule_of_name(const struct k8s_ref *ref)
{
	return (struct pod_rule){.ref = ref, .unready = true, .port = ref->port};
}

/* Whether this service leads to pods. */
static bool has_pods(const char *name, const struct value *spec, struct err *e)
{
	if (is_text(value_get(spec, "type"), "ExternalName"))
		return err_set(e, ERR_NOT_FOUND, 0,
			"service '%s' is of type ExternalName: it has no pods to forward to", name);
	if (!value_first(value_get(spec, "selector")))
		return err_set(e, ERR_NOT_FOUND, 0,
			"service '%s' has no selector: it has no pods to forward to", name);
	return true;
}

/* The service's port of that number, for TCP if there is one. */
static const struct value *find_service_port(const struct value *spec, uint16_t number)
{
	const struct value *ports = value_get(spec, "ports"), *found = NULL;
	for (const struct value *p = value_first(ports); p; p = value_next(ports, p)) {
		if (!is_port(value_get(p, "port"), number))
			continue;
		if (is_tcp(p))
			return p;
		found = p;
	}
	return found;
}

/* targetPort is a number, a name, or, when it is missing or 0, as the port. */
static bool read_target_port(struct pod_rule *rule, const struct value *target, struct err *e)
{
	int64_t n = 0;
	bool ok = !target;
	if (target && target->type == VALUE_STRING) {
		copy_text(rule->port_name, sizeof rule->port_name, target);
		ok = *rule->port_name;
	} else if (target) {
		ok = value_int(target, &n) && n >= 0 && n <= UINT16_MAX;
		rule->port = ok && n ? (uint16_t)n : rule->port;
	}
	return ok || err_set(e, ERR_NOT_FOUND, 0, "service '%s': targetPort of port %u is no port",
			     rule->ref->name, rule->ref->port);
}

bool pod_rule_of_service(struct pod_rule *rule, const struct k8s_ref *ref,
	const struct value *service, struct err *e)
{
	const struct value *spec = value_get(service, "spec");
	*rule = (struct pod_rule){.ref = ref,
		.unready = value_is_true(value_get(spec, "publishNotReadyAddresses")),
		.port = ref->port};
	if (!has_pods(ref->name, spec, e))
		return false;
	const struct value *port = find_service_port(spec, ref->port);
	if (!port) {
		snprintf(rule->warning, sizeof rule->warning,
			"service '%s' has no port %u: it is taken as the pod's port", ref->name,
			ref->port);
		return true;
	}
	if (!is_tcp(port))
		return err_set(e, ERR_NOT_FOUND, 0,
			"port %u of service '%s' is %s: only TCP can be forwarded", ref->port,
			ref->name, value_text(value_get(port, "protocol")));
	if (is_text(value_get(spec, "clusterIP"), "None"))
		return true; /* headless: kubectl leaves the port as it is */
	return read_target_port(rule, value_get(port, "targetPort"), e);
}

/* ---- pods ---- */

/* Returns the pod, which may have moved. */
static struct pod *add_ports(struct pod *pod, const struct value *container)
{
	int64_t n;
	const struct value *ports = value_get(container, "ports");
	for (const struct value *p = value_first(ports); p; p = value_next(ports, p)) {
		if (!value_int(value_get(p, "containerPort"), &n) || n < 1 || n > UINT16_MAX)
			continue;
		pod = mem_grow(pod, sizeof *pod + (pod->port_count + 1) * sizeof *pod->port);
		struct pod_port *port = &pod->port[pod->port_count++];
		*port = (struct pod_port){.number = (uint16_t)n, .tcp = is_tcp(p)};
		copy_text(port->name, sizeof port->name, value_get(p, "name"));
	}
	return pod;
}

/* Of the containers, then of the sidecars, which are init containers that go on: the
 * order in which named ports are looked for (endpointslice, FindPort). */
static struct pod *add_all_ports(struct pod *pod, const struct value *object)
{
	const struct value *list = value_at(object, "spec/containers"), *c;
	for (c = value_first(list); c; c = value_next(list, c))
		pod = add_ports(pod, c);
	list = value_at(object, "spec/initContainers");
	for (c = value_first(list); c; c = value_next(list, c))
		if (is_text(value_get(c, "restartPolicy"), "Always"))
			pod = add_ports(pod, c);
	return pod;
}

static bool is_ready(const struct value *pod)
{
	const struct value *list = value_at(pod, "status/conditions");
	for (const struct value *c = value_first(list); c; c = value_next(list, c))
		if (is_text(value_get(c, "type"), "Ready"))
			return is_text(value_get(c, "status"), "True");
	return false;
}

/* Docker's runtime (cri-dockerd, through socat) shuts its half of the
 * application's connection; containerd and CRI-O close all of it. */
static bool passes_half_close(const struct value *pod)
{
	static const char Docker[] = "docker://";
	const struct value *first = value_first(value_at(pod, "status/containerStatuses"));
	const char *id = value_text(value_get(first, "containerID"));
	return id && !strncmp(id, Docker, sizeof Docker - 1);
}

/* Names become part of paths and of messages. */
static bool is_name(const char *name)
{
	return name && *name && strlen(name) < K8S_NAME &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.")];
}

struct pod *pod_read(const struct value *object)
{
	const struct value *meta = value_get(object, "metadata");
	if (!is_name(value_text(value_get(meta, "name"))))
		return NULL;
	struct pod *pod = mem_new(sizeof *pod);
	pod->ready = is_ready(object);
	pod->terminating = value_get(meta, "deletionTimestamp");
	pod->passes_half_close = passes_half_close(object);
	copy_text(pod->name, sizeof pod->name, value_get(meta, "name"));
	copy_text(pod->uid, sizeof pod->uid, value_get(meta, "uid"));
	copy_text(pod->created, sizeof pod->created, value_get(meta, "creationTimestamp"));
	copy_text(pod->phase, sizeof pod->phase, value_at(object, "status/phase"));
	return add_all_ports(pod, object);
}

/* ---- ports ---- */

static bool is_named_tcp(const struct pod_port *port, const struct pod_rule *rule)
{
	return port->tcp && !strcmp(port->name, rule->port_name);
}

static bool is_tcp_port(const struct pod_port *port, const struct pod_rule *rule)
{
	return port->tcp && port->number == rule->port;
}

static bool is_udp_port(const struct pod_port *port, const struct pod_rule *rule)
{
	return !port->tcp && port->number == rule->port;
}

static const struct pod_port *find_port(const struct pod *pod,
	bool (*match)(const struct pod_port *, const struct pod_rule *),
	const struct pod_rule *rule)
{
	for (unsigned i = 0; i < pod->port_count; i++)
		if (match(&pod->port[i], rule))
			return &pod->port[i];
	return NULL;
}

/* Ports that no container declares may well be listened to; those that are
 * declared for another protocol only are refused, as by kubectl. */
static bool resolve_port(
	uint16_t *port, const struct pod *pod, const struct pod_rule *rule, struct err *e)
{
	*port = rule->port;
	if (*rule->port_name) {
		const struct pod_port *found = find_port(pod, is_named_tcp, rule);
		if (!found)
			return err_set(e, ERR_NOT_FOUND, 0, "pod '%s' has no TCP port named '%s'",
				pod->name, rule->port_name);
		*port = found->number;
	} else if (rule->ref->type == K8S_POD && find_port(pod, is_udp_port, rule) &&
		   !find_port(pod, is_tcp_port, rule)) {
		return err_set(e, ERR_NOT_FOUND, 0,
			"port %u of pod '%s' is not TCP: only TCP can be forwarded", rule->port,
			pod->name);
	}
	return true;
}

/* ---- the choice ---- */

bool pod_distrust(struct pod_distrust *d, const char *uid)
{
	unsigned i = 0;
	while (i < d->count && strcmp(d->uid[i], uid) != 0)
		i++;
	bool noted = i < d->count;
	if (!noted && d->count == POD_DISTRUSTED)
		i = 0;
	if (i < d->count)
		memmove(d->uid + i, d->uid + i + 1, (--d->count - i) * sizeof d->uid[0]);
	snprintf(d->uid[d->count++], sizeof d->uid[0], "%s", uid);
	return !noted;
}

/* Of those that are distrusted, one noted earlier is worth another try sooner. */
static unsigned trust_in(const struct pod_distrust *d, const char *uid)
{
	for (unsigned i = 0; i < d->count; i++)
		if (!strcmp(d->uid[i], uid))
			return d->count - i;
	return UINT_MAX;
}

static bool is_better(const struct pod_candidate *a, const struct pod_candidate *b)
{
	if (!*b->pod.name || a->serves != b->serves)
		return !*b->pod.name || a->serves;
	if (a->trust != b->trust)
		return a->trust > b->trust;
	if (a->in_use != b->in_use)
		return a->in_use;
	if (a->pod.ready != b->pod.ready)
		return a->pod.ready;
	int order = strcmp(a->created, b->created);
	return order ? order > 0 : strcmp(a->pod.name, b->pod.name) < 0;
}

/* Why a pod by name does not do. */
static void say_why(struct err *e, const struct pod *pod)
{
	if (!strcmp(pod->phase, "Running"))
		err_set(e, ERR_NOT_READY, 0, "pod '%s' is terminating", pod->name);
	else
		err_set(e, ERR_NOT_READY, 0, "pod '%s' is not running: its phase is %s", pod->name,
			*pod->phase ? pod->phase : "not known");
}

static struct pod_candidate candidate(const struct pod_choice *choice, const struct pod *pod)
{
	bool running = !strcmp(pod->phase, "Running");
	struct pod_candidate c = {
		.pod = {.ready = pod->ready, .passes_half_close = pod->passes_half_close},
		.serves = running && !pod->terminating && (choice->rule->unready || pod->ready),
		.in_use = *pod->uid && !strcmp(pod->uid, choice->uid),
		.trust = trust_in(choice->distrust, pod->uid)};
	c.pod.distrusted = c.trust < UINT_MAX;
	memcpy(c.pod.name, pod->name, sizeof c.pod.name);
	memcpy(c.pod.uid, pod->uid, sizeof c.pod.uid);
	memcpy(c.created, pod->created, sizeof c.created);
	return c;
}

void pod_consider(struct pod_choice *choice, const struct pod *pod)
{
	const struct pod_rule *rule = choice->rule;
	struct pod_candidate c = candidate(choice, pod);
	choice->seen += strcmp(pod->phase, "Succeeded") && strcmp(pod->phase, "Failed");
	if (rule->ref->type == K8S_POD && !c.serves)
		say_why(&choice->err, pod);
	if (!c.serves && (!c.in_use || strcmp(pod->phase, "Running")))
		return;
	if (resolve_port(&c.pod.port, pod, rule, &choice->err) && is_better(&c, &choice->best))
		choice->best = c;
}

const struct k8s_pod *pod_chosen(const struct pod_choice *choice, struct err *e)
{
	const struct pod_candidate *best = &choice->best;
	if (*best->pod.name && best->serves)
		return &best->pod;
	if (choice->err.kind)
		err_set(e, choice->err.kind, choice->err.code, "%s", choice->err.text);
	else if (choice->rule->ref->type == K8S_POD)
		err_set(e, ERR_NOT_FOUND, 0, "pod not found");
	else if (!choice->seen)
		err_set(e, ERR_NOT_READY, 0, "no ready pod: service '%s' has no pods",
			choice->rule->ref->name);
	else
		err_set(e, ERR_NOT_READY, 0, "no ready pod: 0 of %u ready", choice->seen);
	return *best->pod.name ? &best->pod : NULL;
}
