/* Service ports, pods' conditions and the order of candidates.  Objects are the
 * server's, so nothing in them is taken for granted but their being JSON. */
#include "pod.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

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

typedef bool match_port(const struct value *port, const struct pod_rule *rule);

static const struct value *port_in(
	const struct value *container, match_port *match, const struct pod_rule *rule)
{
	const struct value *ports = value_get(container, "ports");
	for (const struct value *p = value_first(ports); p; p = value_next(ports, p))
		if (match(p, rule))
			return p;
	return NULL;
}

/* The first that matches in containers, then in sidecars, which are init
 * containers that go on (endpointslice, FindPort). */
static const struct value *find_port(
	const struct value *pod, match_port *match, const struct pod_rule *rule)
{
	const struct value *found = NULL, *list = value_at(pod, "spec/containers"), *c;
	for (c = value_first(list); c && !found; c = value_next(list, c))
		found = port_in(c, match, rule);
	list = value_at(pod, "spec/initContainers");
	for (c = value_first(list); c && !found; c = value_next(list, c))
		if (is_text(value_get(c, "restartPolicy"), "Always"))
			found = port_in(c, match, rule);
	return found;
}

static bool is_named_tcp(const struct value *port, const struct pod_rule *rule)
{
	return is_tcp(port) && is_text(value_get(port, "name"), rule->port_name);
}

static bool is_tcp_port(const struct value *port, const struct pod_rule *rule)
{
	return is_tcp(port) && is_port(value_get(port, "containerPort"), rule->port);
}

static bool is_udp_port(const struct value *port, const struct pod_rule *rule)
{
	return !is_tcp(port) && is_port(value_get(port, "containerPort"), rule->port);
}

/* Ports that no container declares may well be listened to; those that are
 * declared for another protocol only are refused, as by kubectl. */
static bool resolve_port(
	struct k8s_pod *out, const struct value *pod, const struct pod_rule *rule, struct err *e)
{
	int64_t n;
	out->port = rule->port;
	if (*rule->port_name) {
		const struct value *found = find_port(pod, is_named_tcp, rule);
		if (!value_int(value_get(found, "containerPort"), &n) || n < 1 || n > UINT16_MAX)
			return err_set(e, ERR_NOT_FOUND, 0, "pod '%s' has no TCP port named '%s'",
				out->name, rule->port_name);
		out->port = (uint16_t)n;
	} else if (rule->ref->type == K8S_POD && find_port(pod, is_udp_port, rule) &&
		   !find_port(pod, is_tcp_port, rule)) {
		return err_set(e, ERR_NOT_FOUND, 0,
			"port %u of pod '%s' is not TCP: only TCP can be forwarded", rule->port,
			out->name);
	}
	return true;
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
	return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.")];
}

static void read_pod(struct pod_candidate *c, const struct value *object)
{
	const struct value *meta = value_get(object, "metadata");
	*c = (struct pod_candidate){
		.pod = {.ready = is_ready(object), .passes_half_close = passes_half_close(object)}};
	copy_text(c->pod.name, sizeof c->pod.name, value_get(meta, "name"));
	copy_text(c->pod.uid, sizeof c->pod.uid, value_get(meta, "uid"));
	copy_text(c->created, sizeof c->created, value_get(meta, "creationTimestamp"));
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
static void say_why(struct err *e, const char *name, const struct value *phase, bool running)
{
	const char *text = value_text(phase);
	if (running)
		err_set(e, ERR_NOT_READY, 0, "pod '%s' is terminating", name);
	else
		err_set(e, ERR_NOT_READY, 0, "pod '%s' is not running: its phase is %s", name,
			text ? text : "not known");
}

void pod_consider(struct pod_choice *choice, const struct value *object)
{
	const struct pod_rule *rule = choice->rule;
	const struct value *phase = value_at(object, "status/phase");
	bool running = is_text(phase, "Running");
	bool going = value_at(object, "metadata/deletionTimestamp");
	struct pod_candidate c;
	read_pod(&c, object);
	if (!is_name(c.pod.name))
		return;
	choice->seen += !is_text(phase, "Succeeded") && !is_text(phase, "Failed");
	c.serves = running && !going && (rule->unready || c.pod.ready);
	c.in_use = *c.pod.uid && !strcmp(c.pod.uid, choice->uid);
	c.trust = trust_in(choice->distrust, c.pod.uid);
	c.pod.distrusted = c.trust < UINT_MAX;
	if (rule->ref->type == K8S_POD && !c.serves)
		say_why(&choice->err, c.pod.name, phase, running);
	if (!c.serves && !(c.in_use && running))
		return;
	if (resolve_port(&c.pod, object, rule, &choice->err) && is_better(&c, &choice->best))
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
		err_set(e, ERR_NOT_FOUND, 404, "pods \"%s\" not found", choice->rule->ref->name);
	else if (!choice->seen)
		err_set(e, ERR_NOT_READY, 0, "no ready pod: service '%s' has no pods",
			choice->rule->ref->name);
	else
		err_set(e, ERR_NOT_READY, 0, "no ready pod: 0 of %u ready", choice->seen);
	return *best->pod.name ? &best->pod : NULL;
}
