/* A reader for each kind of value, and the tables of the keys that take it. */
#include "keys.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"
#include "file.h"
#include "kubeconfig.h"
#include "mem.h"
#include "names.h"
#include "nearest.h"
#include "proxy.h"
#include "words.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

static bool refuse_as(const struct field *f, const char *must, const char *hint)
{
	const char *head = f->section ? f->section->head : "";
	problems_add(f->problems, f->at, "%s%s%s%s must be %s, not '%s'", f->name,
		f->section ? " in [" : "", head, f->section ? "]" : "", must, f->text);
	if (f->section && strstr(f->text, " #"))
		hint = "a comment behind a value begins with ';'";
	problems_remedy(f->problems, "%s", hint);
	return false;
}

static bool refuse(const struct field *f)
{
	return refuse_as(f, f->key->must, "");
}

/* ---- values ---- */

static bool set_text(char **to, const char *text)
{
	char *own = mem_dup(text);
	free(*to);
	*to = own;
	return true;
}

static bool read_text(const struct field *f, void *to)
{
	return set_text(to, f->text);
}

static bool read_path(const struct field *f, char **to, const char *folder)
{
	free(*to);
	*to = file_path(f->text, folder);
	return true;
}

static bool read_log(const struct field *f, void *to)
{
	return read_path(f, to, NULL);
}

static bool read_kubeconfig(const struct field *f, void *to)
{
	if (!strcmp(f->text, KUBECONFIG_IN_CLUSTER))
		return set_text(to, f->text);
	return read_path(f, to, f->folder);
}

/* Decimal digits within the key's bounds; -1 if it is none. */
static int64_t number_of(const struct field *f)
{
	int64_t n = names_number(f->text);
	return n >= f->key->min && n <= f->key->max ? n : -1;
}

static bool read_tunnels(const struct field *f, void *to)
{
	int64_t n = number_of(f);
	if (n < 0)
		return refuse(f);
	*(unsigned *)to = (unsigned)n;
	return true;
}

static bool read_port(const struct field *f, void *to)
{
	int64_t n = number_of(f);
	if (n < 0)
		return refuse(f);
	*(uint16_t *)to = (uint16_t)n;
	return true;
}

static bool read_duration(const struct field *f, void *to)
{
	int64_t ms = duration_ms(f->text);
	if (ms < f->key->min || ms > f->key->max)
		return refuse(f);
	*(int64_t *)to = ms;
	return true;
}

/* The text's place among `n` words; -1 if it is refused. */
static int word_of(const struct field *f, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(f->text, words[i]))
			return i;
	refuse(f);
	return -1;
}

static bool read_type(const struct field *f, void *to)
{
	static const char *const Types[] = {[K8S_SERVICE] = "service",
		[K8S_POD] = "pod",
		[K8S_DEPLOYMENT] = "deployment",
		[K8S_STATEFULSET] = "statefulset",
		[K8S_DAEMONSET] = "daemonset",
		[K8S_SELECTOR] = "selector"};
	int i = word_of(f, Types, sizeof Types / sizeof *Types);
	if (i >= 0)
		*(enum k8s_type *)to = (enum k8s_type)i;
	return i >= 0;
}

static bool read_transport(const struct field *f, void *to)
{
	static const char *const Transports[] = {[TRANSPORT_AUTO] = "auto",
		[TRANSPORT_WEBSOCKET] = "websocket",
		[TRANSPORT_SPDY] = "spdy",
		[TRANSPORT_V4] = "v4"};
	int i = word_of(f, Transports, sizeof Transports / sizeof *Transports);
	if (i >= 0)
		*(enum transport *)to = (enum transport)i;
	return i >= 0;
}

static bool read_ssh(const struct field *f, void *to)
{
	return proxy_is_ssh_target(f->text) ? set_text(to, f->text) : refuse(f);
}

static bool read_proxy_command(const struct field *f, void *to)
{
	struct err e = {0};
	if (((const struct config_cluster *)f->members)->ssh) {
		problems_add(f->problems, f->at, "ssh and proxy_command in [%s] exclude each other",
			f->section->head);
		return false;
	}
	char **words = words_split(f->text, &e);
	*(char ***)to = words;
	return words || refuse_as(f, f->key->must, e.text);
}

/* This machine's own addresses only: nobody else is to reach a cluster by us. */
static bool read_local_address(const struct field *f, void *to)
{
	unsigned char bytes[16];
	bool both = !strcmp(f->text, "localhost");
	bool is_v4 = inet_pton(AF_INET, f->text, bytes) == 1 && bytes[0] == 127;
	bool is_v6 = inet_pton(AF_INET6, f->text, bytes) == 1 &&
		     !memcmp(bytes, &in6addr_loopback, sizeof bytes);
	if (!both && !is_v4 && !is_v6)
		return refuse(f);
	((struct config_forward *)f->members)->address_is_set = !both;
	return set_text(to, is_v4 ? f->text : is_v6 ? "::1" : "127.0.0.1");
}

static bool read_namespace(const struct field *f, void *to)
{
	return names_is_label(f->text) ? set_text(to, f->text) : refuse(f);
}

/* A template may leave the type to its users: then a name or a selector will do. */
static bool read_service(const struct field *f, void *to)
{
	const struct config_forward *own = f->members;
	bool may_select = !f->typed || own->target.type == K8S_SELECTOR;
	bool may_name = !f->typed || own->target.type != K8S_SELECTOR;
	if ((may_name && names_is_subdomain(f->text)) || (may_select && names_is_selector(f->text)))
		return set_text(to, f->text);
	if (may_name)
		return refuse(f);
	return refuse_as(f, "a label selector, such as app=web,tier in (a, b)", "");
}

/* A service's ports may have longer names than a pod's. */
static bool read_remote_port(const struct field *f, void *to)
{
	struct config_forward *own = f->members;
	bool of_service = !f->typed || own->target.type == K8S_SERVICE;
	uint16_t number;
	if (!names_read_port(f->text, of_service, &number))
		return refuse(f);
	if (!number)
		return set_text(&own->target.port_name, f->text);
	*(uint16_t *)to = number;
	return true;
}

static bool read_cluster(const struct field *f, void *to)
{
	struct nearest best = nearest_to(f->text);
	for (unsigned i = 0; i < f->config->cluster_count; i++) {
		if (!strcmp(f->config->clusters[i].name, f->text)) {
			*(unsigned *)to = i;
			return true;
		}
		nearest_consider(&best, f->config->clusters[i].name);
	}
	problems_add(f->problems, f->at, "unknown cluster '%s' in [%s]", f->text, f->section->head);
	if (best.word)
		problems_remedy(f->problems, "did you mean '%s'?", best.word);
	else
		problems_remedy(f->problems, "clusters have sections of their own: [cluster NAME]");
	return false;
}

/* No member: config.c asks for the texts of the one that is named. */
static bool read_template(const struct field *f, void *to)
{
	struct nearest best = nearest_to(f->text);
	(void)to;
	if (f->section->kind == &Keys[KEYS_TEMPLATE]) {
		problems_add(
			f->problems, f->at, "[%s] cannot have a template itself", f->section->head);
		return false;
	}
	if (sections_find(f->sections, &Keys[KEYS_TEMPLATE], f->text))
		return true;
	for (size_t i = 0; i < f->sections->count; i++)
		if (f->sections->all[i].kind == &Keys[KEYS_TEMPLATE])
			nearest_consider(&best, f->sections->all[i].label);
	problems_add(
		f->problems, f->at, "unknown template '%s' in [%s]", f->text, f->section->head);
	if (best.word)
		problems_remedy(f->problems, "did you mean '%s'?", best.word);
	else
		problems_remedy(
			f->problems, "templates have sections of their own: [template NAME]");
	return false;
}

static bool read_probe(const struct field *f, void *to)
{
	struct err e = {0};
	if (strcmp(f->text, "none") != 0 && !probe_parse(to, f->text, &e))
		return refuse_as(f, f->key->must, e.text);
	return true;
}

/* The length of the label that the text begins with; 0 if it is none. */
static size_t profile_len(const char *text)
{
	size_t n = strcspn(text, ", \t");
	for (size_t i = 0; i < n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-",
			    text[i]))
			return 0;
	return n;
}

static bool read_profiles(const struct field *f, void *to)
{
	char **all = mem_new((strlen(f->text) / 2 + 2) * sizeof *all);
	size_t count = 0, n;
	const char *p = f->text;
	for (; (n = profile_len(p)); p += strspn(p, " \t")) {
		all[count++] = mem_dup_n(p, n);
		p += n + strspn(p + n, " \t");
		if (*p++ != ',')
			break;
	}
	if (n && !p[-1]) {
		*(char ***)to = all;
		return true;
	}
	while (count)
		free(all[--count]);
	free(all);
	return refuse(f);
}

bool keys_read(const struct field *f)
{
	return f->key->read(f, (char *)f->members + f->key->offset);
}

/* ---- the tables ---- */

#define MEMBER(of, member) offsetof(struct of, member)
#define UP_TO_A_DAY        "a duration up to 24h"

static const struct key PorterKeys[] = {
	[KEYS_CHECK_INTERVAL] = {"check_interval", MEMBER(config, settings.check_interval_ms),
		read_duration, .min = 10, .max = DAY_MS, .must = "a duration from 10ms to 24h"},
	[KEYS_RECONNECT_DELAY] = {"reconnect_delay", MEMBER(config, settings.reconnect_delay_ms),
		read_duration, .max = DAY_MS, .must = UP_TO_A_DAY},
	[KEYS_HOLD] = {"hold", MEMBER(config, settings.hold_ms), read_duration, .max = DAY_MS,
		.must = UP_TO_A_DAY},
	[KEYS_TUNNELS] = {"tunnels", MEMBER(config, settings.tunnels), read_tunnels, .min = 1,
		.max = CONFIG_TUNNELS_MAX, .must = "a number from 1 to 64"},
	[KEYS_LOG] = {"log", MEMBER(config, log), read_log, .may_be_empty = true},
};

static const struct key ClusterKeys[] = {
	[KEYS_KUBECONFIG] = {"kubeconfig", MEMBER(config_cluster, kubeconfig), read_kubeconfig,
		.required = false},
	[KEYS_CONTEXT] = {"context", MEMBER(config_cluster, context), read_text, .required = false},
	[KEYS_TRANSPORT] = {"transport", MEMBER(config_cluster, transport), read_transport,
		.must = "'auto', 'websocket', 'spdy' or 'v4'"},
	[KEYS_SSH] = {"ssh", MEMBER(config_cluster, ssh), read_ssh,
		.must = "a host, USER@HOST or ssh://USER@HOST:PORT"},
	[KEYS_PROXY_COMMAND] = {"proxy_command", MEMBER(config_cluster, proxy_command),
		read_proxy_command, .must = "a command and its arguments"},
};

static const struct key ForwardKeys[] = {
	[KEYS_ITS_TEMPLATE] = {"template", 0, read_template, .required = false},
	[KEYS_ITS_CLUSTER] = {"cluster", MEMBER(config_forward, cluster), read_cluster,
		.required = true},
	[KEYS_NAMESPACE] = {"namespace", MEMBER(config_forward, target.namespace), read_namespace,
		.required = true, .must = "lower-case letters, digits and '-', 63 at most"},
	[KEYS_TYPE] = {"type", MEMBER(config_forward, target.type), read_type, .required = true,
		.must = "'service', 'pod', 'deployment', 'statefulset', 'daemonset' or "
			"'selector'"},
	[KEYS_SERVICE] = {"service", MEMBER(config_forward, target.name), read_service,
		.required = true, .must = "lower-case letters, digits, '-' and '.', 253 at most"},
	[KEYS_REMOTE_PORT] = {"remote_port", MEMBER(config_forward, target.port), read_remote_port,
		.required = true, .min = 1, .max = UINT16_MAX,
		.must = NAMES_PORT_NUMBER ", or a port's name"},
	[KEYS_LOCAL_ADDRESS] = {"local_address", MEMBER(config_forward, local_address),
		read_local_address, .must = "'localhost', an address of 127.0.0.0/8, or ::1"},
	[KEYS_LOCAL_PORT] = {"local_port", MEMBER(config_forward, local_port), read_port,
		.required = true, .min = 1, .max = UINT16_MAX, .must = NAMES_PORT_NUMBER},
	[KEYS_PROBE] = {"probe", MEMBER(config_forward, probe), read_probe,
		.must = "'tcp', 'http /PATH', 'exec COMMAND' or 'none'"},
	[KEYS_PROFILE] = {"profile", MEMBER(config_forward, profiles), read_profiles,
		.must = "words of letters, digits, '.', '_' and '-' with commas between them"},
};

#define KEYS(table) (table), sizeof(table) / sizeof *(table)
_Static_assert(sizeof ForwardKeys / sizeof *ForwardKeys <= SECTIONS_KEYS_MAX, "there is room");

const struct kind Keys[KEYS_KINDS] = {
	[KEYS_PORTER] = {"porter", "porter", false, KEYS(PorterKeys)},
	[KEYS_CLUSTER] = {"cluster", "cluster NAME", true, KEYS(ClusterKeys)},
	[KEYS_FORWARD] = {"forward", "forward NAME", true, KEYS(ForwardKeys)},
	[KEYS_TEMPLATE] = {"template", "template NAME", true, KEYS(ForwardKeys)},
};
