/* Selectors, service ports, pods' conditions and the order of candidates.  Objects are the
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

/* ---- messages ---- */

const char *pod_type_name(enum k8s_type type)
{
	static const char *const Name[] = {[K8S_SERVICE] = "service",
		[K8S_POD] = "pod",
		[K8S_DEPLOYMENT] = "deployment",
		[K8S_STATEFULSET] = "statefulset",
		[K8S_DAEMONSET] = "daemonset",
		[K8S_SELECTOR] = "selector"};
	return Name[type];
}

struct port_text {
	char text[POD_PORT_NAME + 2];
};

/* "80", or "'http'". */
static struct port_text port_text(const struct k8s_ref *ref)
{
	struct port_text out;
	if (ref->port_name)
		snprintf(out.text, sizeof out.text, "'%s'", ref->port_name);
	else
		snprintf(out.text, sizeof out.text, "%u", ref->port);
	return out;
}

/* Adds a port to those that could be meant: by its number where it has no name. */
static void put_known(struct buf *known, const char *name, int64_t number)
{
	const char *comma = buf_len(known) ? ", " : "";
	if (name && *name)
		buf_print(known, "%s%s", comma, name);
	else
		buf_print(known, "%s%lld", comma, (long long)number);
}

/* Frees *known, the ports that there are. */
static bool no_such_port(struct err *e, const char *owner, const char *name, const char *port_name,
	struct buf *known)
{
	if (!buf_len(known))
		buf_print(known, "none");
	err_set(e, ERR_NOT_FOUND, 0, "%s '%s' has no TCP port named '%s' (it has: %.*s)", owner,
		name, port_name, (int)buf_len(known), (const char *)buf_data(known));
	buf_free(known);
	return false;
}

/* ---- selectors ---- */

static void put_labels(struct buf *out, const struct value *labels)
{
	const struct value *key = labels && labels->type == VALUE_MAP ? value_first(labels) : NULL;
	for (; key; key = value_next(labels, key)) {
		const char *value = value_text(value_of(key));
		buf_print(out, "%s%s=%s", buf_len(out) ? "," : "", value_text(key),
			value ? value : "");
	}
}

static void put_values(struct buf *out, const struct value *values)
{
	const char *before = "(";
	for (const struct value *v = value_first(values); v; v = value_next(values, v)) {
		buf_print(out, "%s%s", before, value_text(v) ? value_text(v) : "");
		before = ",";
	}
	buf_print(out, ")");
}

/* A LabelSelectorRequirement in the words of a list's labelSelector. */
static bool put_expression(struct buf *out, const struct value *expression)
{
	static const struct {
		const char *name, *before, *behind; /* the key */
		bool has_values;
	} Operator[] = {{"In", "", " in ", true}, {"NotIn", "", " notin ", true},
		{"Exists", "", "", false}, {"DoesNotExist", "!", "", false}};
	const struct value *values = value_get(expression, "values");
	const char *key = value_text(value_get(expression, "key"));
	unsigned i = 0, n = sizeof Operator / sizeof *Operator;
	while (i < n && !is_text(value_get(expression, "operator"), Operator[i].name))
		i++;
	if (i == n || !key || !*key || (Operator[i].has_values && !value_first(values)))
		return false;
	buf_print(out, "%s%s%s%s", buf_len(out) ? "," : "", Operator[i].before, key,
		Operator[i].behind);
	if (Operator[i].has_values)
		put_values(out, values);
	return true;
}

/* A service's selector is labels, a workload's has them, and expressions. */
static bool put_selector(
	struct buf *out, const struct k8s_ref *ref, const struct value *selector, struct err *e)
{
	bool is_service = ref->type == K8S_SERVICE;
	const struct value *list = is_service ? NULL : value_get(selector, "matchExpressions");
	put_labels(out, is_service ? selector : value_get(selector, "matchLabels"));
	for (const struct value *x = value_first(list); x; x = value_next(list, x))
		if (!put_expression(out, x))
			return err_set(e, ERR_NOT_FOUND, 0,
				"%s '%s' has a selector that is not understood",
				pod_type_name(ref->type), ref->name);
	return buf_len(out) ||
	       err_set(e, ERR_NOT_FOUND, 0, "%s '%s' has no selector: it has no pods to forward to",
		       pod_type_name(ref->type), ref->name);
}

/* ---- services ---- */

static bool is_meant(const struct value *port, const struct k8s_ref *ref)
{
	return ref->port_name ? is_text(value_get(port, "name"), ref->port_name)
			      : is_port(value_get(port, "port"), ref->port);
}

/* The service's port that is meant, for TCP if there is one. */
static const struct value *find_service_port(const struct value *ports, const struct k8s_ref *ref)
{
	const struct value *found = NULL;
	for (const struct value *p = value_first(ports); p; p = value_next(ports, p)) {
		if (!is_meant(p, ref))
			continue;
		if (is_tcp(p))
			return p;
		found = p;
	}
	return found;
}

/* Any number will do for the pod's, a name is a mistake. */
static bool without_service_port(struct pod_rule *rule, const struct value *ports, struct err *e)
{
	const struct k8s_ref *ref = rule->ref;
	struct buf known = {0};
	if (!ref->port_name) {
		snprintf(rule->warning, sizeof rule->warning,
			"service '%s' has no port %u: it is taken as the pod's port", ref->name,
			ref->port);
		return true;
	}
	for (const struct value *p = value_first(ports); p; p = value_next(ports, p)) {
		int64_t number = 0;
		if (is_tcp(p) && value_int(value_get(p, "port"), &number))
			put_known(&known, value_text(value_get(p, "name")), number);
	}
	return no_such_port(e, "service", ref->name, ref->port_name, &known);
}

/* A number, a name, or, where it is missing or 0, as it was. */
static bool read_port(struct pod_rule *rule, const struct value *port)
{
	int64_t n = 0;
	if (port && port->type == VALUE_STRING) {
		copy_text(rule->port_name, sizeof rule->port_name, port);
		return *rule->port_name;
	}
	if (port && (!value_int(port, &n) || n < 0 || n > UINT16_MAX))
		return false;
	rule->port = n ? (uint16_t)n : rule->port;
	return true;
}

static bool rule_of_service(struct pod_rule *rule, const struct value *spec, struct err *e)
{
	const struct k8s_ref *ref = rule->ref;
	const struct value *ports = value_get(spec, "ports"), *port = find_service_port(ports, ref);
	rule->unready = value_is_true(value_get(spec, "publishNotReadyAddresses"));
	*rule->port_name = '\0';
	if (!port)
		return without_service_port(rule, ports, e);
	const char *protocol = value_text(value_get(port, "protocol"));
	if (!is_tcp(port))
		return err_set(e, ERR_NOT_FOUND, 0,
			"port %s of service '%s' is %s: only TCP can be forwarded",
			port_text(ref).text, ref->name, protocol ? protocol : "of no protocol");
	bool is_headless = is_text(value_get(spec, "clusterIP"), "None");
	bool ok = read_port(rule, value_get(port, "port")) &&
		  (is_headless || read_port(rule, value_get(port, "targetPort")));
	if (ok && (rule->port || *rule->port_name))
		return true;
	return err_set(e, ERR_NOT_FOUND, 0, "service '%s': targetPort of port %s is no port",
		ref->name, port_text(ref).text);
}

/* ---- rules ---- */

struct pod_rule pod_rule_of_ref(const struct k8s_ref *ref)
{
	struct pod_rule rule = {.ref = ref, .unready = ref->type == K8S_POD, .port = ref->port};
	if (ref->port_name)
		snprintf(rule.port_name, sizeof rule.port_name, "%s", ref->port_name);
	return rule;
}

bool pod_rule_of_object(struct pod_rule *rule, struct buf *selector, const struct k8s_ref *ref,
	const struct value *object, struct err *e)
{
	const struct value *spec = value_get(object, "spec");
	bool is_service = ref->type == K8S_SERVICE;
	*rule = pod_rule_of_ref(ref);
	if (is_service && is_text(value_get(spec, "type"), "ExternalName"))
		return err_set(e, ERR_NOT_FOUND, 0,
			"service '%s' is of type ExternalName: it has no pods to forward to",
			ref->name);
	return put_selector(selector, ref, value_get(spec, "selector"), e) &&
	       (!is_service || rule_of_service(rule, spec, e));
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

static bool without_port(const struct pod *pod, const struct pod_rule *rule, struct err *e)
{
	struct buf known = {0};
	for (unsigned i = 0; i < pod->port_count; i++)
		if (pod->port[i].tcp)
			put_known(&known, pod->port[i].name, pod->port[i].number);
	return no_such_port(e, "pod", pod->name, rule->port_name, &known);
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
			return without_port(pod, rule, e);
		*port = found->number;
	} else if (rule->ref->type != K8S_SERVICE && find_port(pod, is_udp_port, rule) &&
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
	const struct k8s_ref *ref = choice->rule->ref;
	if (*best->pod.name && best->serves)
		return &best->pod;
	if (choice->err.kind)
		err_set(e, choice->err.kind, choice->err.code, "%s", choice->err.text);
	else if (ref->type == K8S_POD)
		err_set(e, ERR_NOT_FOUND, 0, "pod not found");
	else if (choice->seen)
		err_set(e, ERR_NOT_READY, 0, "no ready pod: 0 of %u ready", choice->seen);
	else if (ref->type == K8S_SELECTOR)
		err_set(e, ERR_NOT_READY, 0, "no ready pod: no pod matches '%s'", ref->name);
	else
		err_set(e, ERR_NOT_READY, 0, "no ready pod: %s '%s' has no pods",
			pod_type_name(ref->type), ref->name);
	return *best->pod.name ? &best->pod : NULL;
}
