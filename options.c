/* One table of options; environment, then command line, then what does not go together. */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "adhoc.h"
#include "duration.h"
#include "exit.h"
#include "mem.h"
#include "nearest.h"

static const struct place Nowhere = {NULL, 0};

struct rule;
typedef bool reader(struct options *o, const struct rule *rule, char *text);
static reader read_switch, read_text, read_config, read_wait, read_format, read_profiles, read_pid,
	read_conflict;

static const struct rule {
	const char *name, *value, *meaning;
	reader *read;
	size_t offset;
	const char *must;        /* be, in words */
	const char *environment; /* variable that sets it, too */
} Rules[] = {
	{"config", "FILE", "configuration file (default: porter.ini)", read_config,
		offsetof(struct options, config), NULL, "PORTER_CONFIG"},
	{"profile", "NAMES", "only forwards with one of these profiles (\"dev,db\")", read_profiles,
		offsetof(struct options, profiles), "1 to 32 names, with commas between them",
		NULL},
	{"verbose", NULL, "log debug lines too, one for each local connection", read_switch,
		offsetof(struct options, verbose), NULL, "PORTER_VERBOSE"},
	{"log", "FILE", "log file (default: porter.log; \"\": stderr)", read_text,
		offsetof(struct options, log), NULL, "PORTER_LOG"},
	{"log-format", "FORMAT", "text (key=value, the default) or json", read_format,
		offsetof(struct options, log_format), "'text' or 'json'", NULL},
	{"headless", NULL, "no screen: a line for each change; no end with the terminal",
		read_switch, offsetof(struct options, headless), NULL, NULL},
	{"ascii", NULL, "a screen of words and plain lines, also where there is UTF-8", read_switch,
		offsetof(struct options, ascii), NULL, NULL},
	{"check", NULL, "ask each cluster what would become of each forward, and exit", read_switch,
		offsetof(struct options, check), NULL, NULL},
	{"wait", "DURATION", "exit unless every forward is Active by then (\"20s\"; 0: no limit)",
		read_wait, offsetof(struct options, wait_ms), "a duration, as in 20s or 1m30s",
		NULL},
	{"detach", NULL, "go to the background once every forward is Active (30s, or -wait)",
		read_switch, offsetof(struct options, detach), NULL, NULL},
	{"watch", NULL, "read the configuration again when its file changes", read_switch,
		offsetof(struct options, watch), NULL, NULL},
	{"on-conflict", "WHAT", "ports of a running porter: takeover, or fail (so with COMMAND)",
		read_conflict, 0, "'takeover' or 'fail'", NULL},
	{"status", NULL, "print the state of the porters of yours that run, and exit", read_switch,
		offsetof(struct options, status), NULL, NULL},
	{"json", NULL, "-status as JSON, a line for each porter", read_switch,
		offsetof(struct options, json), NULL, NULL},
	{"stop", NULL, "end the running porter", read_switch, offsetof(struct options, stop), NULL,
		NULL},
	{"reconnect", "NAME", "have the running porter connect a forward anew", read_text,
		offsetof(struct options, reconnect), NULL, NULL},
	{"disable", "NAME", "have it stop a forward, and free its port", read_text,
		offsetof(struct options, disable), NULL, NULL},
	{"enable", "NAME", "have it start that forward again", read_text,
		offsetof(struct options, enable), NULL, NULL},
	{"pid", "PID", "of several that run, which one is asked (or by -config FILE)", read_pid, 0,
		"the number of a process", NULL},
	{"context", "NAME", "without a file: the kubeconfig's context", read_text,
		offsetof(struct options, context), NULL, NULL},
	{"n", "NAMESPACE", "without a file: instead of the context's namespace", read_text,
		offsetof(struct options, namespace), NULL, NULL},
	{"namespace", "NAMESPACE", "the same", read_text, offsetof(struct options, namespace), NULL,
		NULL},
	{"kubeconfig", "FILE", "without a file: instead of $KUBECONFIG or ~/.kube/config",
		read_text, offsetof(struct options, kubeconfig), NULL, NULL},
	{"version", NULL, "print the version and exit", read_switch,
		offsetof(struct options, version), NULL, NULL},
	{"help", NULL, "print this and exit", read_switch, offsetof(struct options, help), NULL,
		NULL},
};
enum { RULES = sizeof Rules / sizeof *Rules };

/* ---- values ---- */

static bool read_switch(struct options *o, const struct rule *rule, char *text)
{
	static const char *const Words[] = {"false", "0", "f", "true", "1", "t"};
	for (size_t i = 0; i < sizeof Words / sizeof *Words; i++)
		if (!strcmp(text, Words[i])) {
			*(bool *)(void *)((char *)o + rule->offset) = i >= 3;
			return true;
		}
	return false;
}

static bool read_text(struct options *o, const struct rule *rule, char *text)
{
	memcpy((char *)o + rule->offset, &text, sizeof text);
	return true;
}

static bool read_config(struct options *o, const struct rule *rule, char *text)
{
	o->config_is_set = true;
	return read_text(o, rule, text);
}

static bool read_wait(struct options *o, const struct rule *rule, char *text)
{
	(void)rule;
	o->wait_ms = duration_ms(text);
	return o->wait_ms >= 0;
}

static bool read_format(struct options *o, const struct rule *rule, char *text)
{
	(void)rule;
	o->log_format = strcmp(text, "json") ? LOG_TEXT : LOG_JSON;
	return o->log_format == LOG_JSON || !strcmp(text, "text");
}

static bool read_pid(struct options *o, const struct rule *rule, char *text)
{
	char *end;
	(void)rule;
	errno = 0;
	o->pid = strtol(text, &end, 10);
	return !errno && !*end && o->pid > 0 && o->pid <= INT_MAX;
}

static bool read_conflict(struct options *o, const struct rule *rule, char *text)
{
	(void)rule;
	o->on_conflict_is_set = true;
	o->take_over = !strcmp(text, "takeover");
	return o->take_over || !strcmp(text, "fail");
}

static size_t count_names(const char *text)
{
	size_t n = 0;
	for (; *(text += strspn(text, ", ")); text += strcspn(text, ", "))
		n++;
	return n;
}

/* Cut at the commas, in place: where it is refused it is shown, so that comes first. */
static bool read_profiles(struct options *o, const struct rule *rule, char *text)
{
	(void)rule;
	size_t n = 0, more = count_names(text);
	while (o->profiles[n])
		n++;
	if (!more || n + more > OPTIONS_PROFILES_MAX)
		return false;
	for (char *name = strtok(text, ", "); name; name = strtok(NULL, ", "))
		o->profiles[n++] = name;
	return true;
}

/* ---- rows ---- */

static const struct rule *find_rule(const char *name, size_t n)
{
	for (size_t i = 0; i < RULES; i++)
		if (strlen(Rules[i].name) == n && !strncmp(Rules[i].name, name, n))
			return &Rules[i];
	return NULL;
}

static bool is_switch(const struct rule *rule)
{
	return !rule->value;
}

/* ---- the environment, and the command line ---- */

/* An empty variable is as none. */
static void read_environment(struct options *o, struct problems *p)
{
	for (size_t i = 0; i < RULES; i++) {
		const struct rule *rule = &Rules[i];
		char *text = rule->environment ? getenv(rule->environment) : NULL;
		if (text && *text && !rule->read(o, rule, text))
			problems_add(p, Nowhere, "%s in the environment must be %s, not '%s'",
				rule->environment, is_switch(rule) ? "true or false" : rule->must,
				text);
	}
}

static void unknown_option(struct problems *p, const char *argument, size_t dashes, size_t n)
{
	char *typed = mem_dup_n(argument + dashes, n);
	struct nearest best = nearest_to(typed);
	for (size_t i = 0; i < RULES; i++)
		nearest_consider(&best, Rules[i].name);
	problems_add(p, Nowhere, "unknown option '%s'", argument);
	if (best.word)
		problems_remedy(p, "did you mean '-%s'?", best.word);
	free(typed);
}

/* Returns how many arguments it takes. */
static size_t read_option(struct options *o, char **argument, struct problems *p)
{
	char *name = *argument + strspn(*argument, "-"), *text = NULL;
	size_t dashes = (size_t)(name - *argument), n = strcspn(name, "=");
	const struct rule *rule = dashes <= 2 ? find_rule(name, n) : NULL;
	static char True[] = "true";
	if (!rule) {
		unknown_option(p, *argument, dashes, n);
		return 1;
	}
	text = name[n] ? name + n + 1 : is_switch(rule) ? True : argument[1];
	if (!text)
		problems_add(p, Nowhere, "a value is missing behind '%s'", *argument);
	else if (!rule->read(o, rule, text))
		problems_add(p, Nowhere, "-%s must be %s, not '%s'", rule->name,
			is_switch(rule) ? "true or false" : rule->must, text);
	return text && text == argument[1] ? 2 : 1;
}

/* ---- what does not go together ---- */

void options_no_log(struct problems *p)
{
	problems_add(p, Nowhere, "in the background the log needs a file");
	problems_remedy(p, "name one with -log FILE");
}

/* How many are given, and the last one's name. */
static size_t orders(const struct options *o, const char **name)
{
	const struct {
		bool given;
		const char *name;
	} table[] = {{o->status, "status"}, {o->stop, "stop"}, {o->reconnect, "reconnect"},
		{o->disable, "disable"}, {o->enable, "enable"}};
	size_t n = 0;
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].given) {
			*name = table[i].name;
			n++;
		}
	return n;
}

const char *options_order(const struct options *o)
{
	const char *name = NULL;
	orders(o, &name);
	return name;
}

/* What those who start one want of it. */
static bool is_start(const struct options *o)
{
	return *o->words || *o->profiles || o->command || o->check || o->detach || o->watch ||
	       o->headless || o->wait_ms >= 0 || o->on_conflict_is_set;
}

/* One who asks a running porter starts nothing. */
static void check_order(const struct options *o, struct problems *p)
{
	const char *name = NULL;
	size_t n = orders(o, &name);
	if (n > 1)
		problems_add(p, Nowhere,
			"only one of -status, -stop, -reconnect, -disable and "
			"-enable can be had at a time");
	if (n && is_start(o))
		problems_add(p, Nowhere,
			"-%s asks a porter that runs: it goes together with "
			"-config and -pid only",
			name);
	if (o->json && !o->status)
		problems_add(p, Nowhere, "-json goes together with -status only");
	if (o->pid && !n)
		problems_add(p, Nowhere,
			"-pid goes together with -status, -stop, -reconnect, "
			"-disable and -enable only");
}

static void check_together(const struct options *o, struct problems *p)
{
	bool adhoc = adhoc_is(o->words), kubectls = o->kubeconfig || o->context || o->namespace;
	const struct {
		bool wrong;
		const char *words, *remedy; /* or "" */
	} table[] = {
		{o->command && !*o->command, "there is no command behind '--'", ""},
		{o->command && o->detach, "-detach does not go together with a command", ""},
		{o->command && o->check, "-check does not go together with a command", ""},
		{o->check && o->detach, "-check does not go together with -detach", ""},
		{adhoc && o->config_is_set, "-config does not go together with TYPE/NAME and ports",
			""},
		{adhoc && *o->profiles, "-profile does not go together with TYPE/NAME and ports",
			""},
		{adhoc && o->watch, "-watch does not go together with TYPE/NAME and ports", ""},
		{!adhoc && kubectls, "-context, -n and -kubeconfig are for use without a file",
			"as in: porter -n shop svc/api 8080:80"},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].wrong) {
			problems_add(p, Nowhere, "%s", table[i].words);
			problems_remedy(p, "%s", table[i].remedy);
		}
	if (o->detach && o->log && !*o->log)
		options_no_log(p);
	check_order(o, p);
}

bool options_read(struct options *o, char **argv, struct buf *errors)
{
	struct problems p = {0};
	char **word = argv;
	*o = (struct options){.config = "porter.ini", .wait_ms = -1, .words = argv};
	read_environment(o, &p);
	o->config_is_set = false;
	for (char **at = argv + 1; *at; at++) {
		if (!strcmp(*at, "--")) {
			o->command = at + 1;
			break;
		}
		if (**at == '-')
			at += read_option(o, at, &p) - 1;
		else
			*word++ = *at;
	}
	*word = NULL;
	if (!o->on_conflict_is_set)
		o->take_over = !o->command;
	check_together(o, &p);
	return problems_tell(&p, errors);
}

/* ---- what documents them ---- */

static void print_row(FILE *to, const char *left, const char *meaning)
{
	fprintf(to, "  %-22s %s\n", left, meaning);
}

static void print_statuses(FILE *to)
{
	char left[32];
	fprintf(to, "\nexit status:\n");
	for (enum exit_status s = EXIT_OK; s < EXIT_STATUSES; s++) {
		snprintf(left, sizeof left, "%d", s);
		print_row(to, left, exit_meaning(s));
	}
	fprintf(to, "with COMMAND its own, or\n");
	for (enum exit_command s = EXIT_COMMAND_LATE; s <= EXIT_BY_SIGNAL; s++) {
		snprintf(left, sizeof left, "%d", s);
		print_row(to, left, exit_command_meaning(s));
	}
}

void options_help(FILE *to)
{
	char left[32];
	fprintf(to, "usage: porter [options] [NAME ...] [-- COMMAND ARGS ...]\n"
		    "       porter [options] TYPE/NAME [LOCAL:]REMOTE ... [-- COMMAND ARGS ...]\n"
		    "       porter -status [-json] | -stop | -reconnect NAME | -disable NAME | "
		    "-enable NAME\n"
		    "Keeps the Kubernetes port-forwards of a configuration alive (all of them, or\n"
		    "those of that NAME), or those of the command line, as kubectl writes them.\n"
		    "With COMMAND: runs it while they are Active, and ends with its status.\n\n");
	for (size_t i = 0; i < RULES; i++) {
		snprintf(left, sizeof left, "-%s %s", Rules[i].name,
			Rules[i].value ? Rules[i].value : "");
		print_row(to, left, Rules[i].meaning);
	}
	fprintf(to, "\nenvironment (options come before it, and it before the configuration):\n");
	for (size_t i = 0; i < RULES; i++)
		if (Rules[i].environment) {
			snprintf(left, sizeof left, "-%s", Rules[i].name);
			print_row(to, Rules[i].environment, left);
		}
	print_row(to, "PORTER_CHECK_INTERVAL", "check_interval");
	print_row(to, "PORTER_RECONNECT_DELAY", "reconnect_delay");
	print_statuses(to);
}
