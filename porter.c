/* porter: options, start, and end.  What forwards do is forward.c's, what a
 * configuration may say config.c's. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api.h"
#include "check.h"
#include "child.h"
#include "config.h"
#include "exit.h"
#include "forward.h"
#include "kubeconfig.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "wake.h"
#include "watch.h"

#define VERSION "0.1.0"

enum { CHECK_MS = 30000 }; /* for each forward */

static struct options {
	const char *config;
	const char *log; /* NULL: as the configuration says */
	bool verbose, headless, check, version, help;
} Options = {.config = "porter.ini"};

static struct {
	struct config config;
	struct cluster **cluster; /* by the configuration's index */
	struct forward **forward;
} Run;

/* ---- options ---- */

static const struct option_rule {
	const char *name, *argument, *meaning;
	const char **text; /* one of the two */
	bool *flag;
} Rule[] = {
	{"config", "FILE", "configuration file (default: porter.ini)", &Options.config, NULL},
	{"verbose", NULL, "log debug lines too", NULL, &Options.verbose},
	{"log", "FILE", "log file (default: porter.log; \"\": stderr)", &Options.log, NULL},
	{"headless", NULL, "no screen: a line on stdout for each change", NULL, &Options.headless},
	{"check", NULL, "say what would become of each forward, and exit", NULL, &Options.check},
	{"version", NULL, "print the version and exit", NULL, &Options.version},
	{"help", NULL, "print this and exit", NULL, &Options.help},
};
enum { RULES = sizeof Rule / sizeof *Rule };

static void print_help(FILE *to)
{
	fprintf(to, "usage: porter [options]\n"
		    "Keeps the Kubernetes port-forwards of a configuration alive.\n\n");
	for (size_t i = 0; i < RULES; i++) {
		char left[32];
		snprintf(left, sizeof left, "-%s %s", Rule[i].name,
			Rule[i].argument ? Rule[i].argument : "");
		fprintf(to, "  %-14s %s\n", left, Rule[i].meaning);
	}
	fprintf(to, "\nexit status:\n");
	for (enum exit_status s = EXIT_OK; s < EXIT_STATUSES; s++)
		fprintf(to, "  %-14d %s\n", s, exit_meaning(s));
}

static const struct option_rule *find_rule(const char *name, size_t n)
{
	for (size_t i = 0; i < RULES; i++)
		if (strlen(Rule[i].name) == n && !strncmp(Rule[i].name, name, n))
			return &Rule[i];
	return NULL;
}

static bool refuse_option(const char *what, const char *argument)
{
	fprintf(stderr, "Error: %s '%s'\n  porter -help lists the options\n", what, argument);
	return false;
}

/* One or two dashes; "-name VALUE" or "-name=VALUE", as Go's flag package. */
static bool read_options(char **argv)
{
	for (char **arg = argv + 1; *arg; arg++) {
		const char *name = *arg + strspn(*arg, "-");
		size_t dashes = (size_t)(name - *arg), n = strcspn(name, "=");
		const struct option_rule *rule = find_rule(name, n);
		if (dashes < 1 || dashes > 2 || !rule)
			return refuse_option("unknown option or argument", *arg);
		if (rule->flag && name[n])
			return refuse_option("this option takes no value:", *arg);
		if (rule->flag)
			*rule->flag = true;
		else if (name[n])
			*rule->text = name + n + 1;
		else if (!(*rule->text = *++arg))
			return refuse_option("a value is missing behind", arg[-1]);
	}
	return true;
}

/* ---- start ---- */

static enum exit_status without_configuration(void)
{
	fprintf(stderr,
		"Error: there is no configuration file '%s'\n"
		"Three ways to begin:\n"
		"  cp porter.ini.example porter.ini     and put your clusters and ports in\n"
		"  porter -config /path/to/porter.ini   if you have one elsewhere\n"
		"  or write these lines to porter.ini:\n"
		"    [cluster prod]\n"
		"    [forward web]\n"
		"    cluster = prod\n"
		"    namespace = default\n"
		"    service = web\n"
		"    type = service\n"
		"    local_port = 8080\n"
		"    remote_port = 80\n",
		Options.config);
	return EXIT_CONFIG;
}

/* As many descriptors as we may have; and no core dump, which would hold keys.
 * A limit of one byte stops those that go to a program, too (core(5)). */
static void set_limits(void)
{
	struct rlimit r;
	if (!getrlimit(RLIMIT_NOFILE, &r)) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
	if (!getrlimit(RLIMIT_CORE, &r)) {
		r.rlim_cur = r.rlim_max < 1 ? r.rlim_max : 1;
		setrlimit(RLIMIT_CORE, &r);
	}
}

static enum exit_status open_log(void)
{
	const char *path = Options.log ? Options.log : Run.config.log;
	log_level(Options.verbose ? LOG_DEBUG : LOG_INFO);
	if (log_open(path))
		return EXIT_OK;
	fprintf(stderr, "Error: cannot write the log file '%s': %s\n", path, strerror(errno));
	return EXIT_CONFIG;
}

static bool open_cluster(size_t i)
{
	const struct config_cluster *own = &Run.config.clusters[i];
	struct kubeconfig k = {0};
	struct err e = {0};
	char *file = own->kubeconfig ? mem_dup(own->kubeconfig) : kubeconfig_default(&e);
	if (file && kubeconfig_load(&k, file, own->context, &e))
		Run.cluster[i] = cluster_new(own->name, &k, &e);
	free(file);
	if (Run.cluster[i])
		cluster_ask_transport(Run.cluster[i], own->transport);
	else
		fprintf(stderr, "Error: cluster '%s': %s (%s:%u)\n", own->name, e.text,
			Run.config.path, own->line);
	return Run.cluster[i];
}

static enum exit_status open_clusters(void)
{
	bool all = true;
	Run.cluster = mem_new((Run.config.cluster_count + 1) * sizeof(struct cluster *));
	for (size_t i = 0; i < Run.config.cluster_count; i++)
		all &= open_cluster(i);
	return all ? EXIT_OK : EXIT_CONFIG;
}

static enum exit_status open_forwards(void)
{
	bool all = true;
	Run.forward = mem_new((Run.config.forward_count + 1) * sizeof(struct forward *));
	for (size_t i = 0; i < Run.config.forward_count; i++) {
		const struct config_forward *own = &Run.config.forwards[i];
		struct err e = {0};
		const struct forward_spec spec = {.settings = &Run.config.settings,
			.own = own,
			.cluster = Run.cluster[own->cluster],
			.cluster_name = Run.config.clusters[own->cluster].name};
		Run.forward[i] = forward_new(&spec, &e);
		if (!Run.forward[i])
			fprintf(stderr, "Error: %s (%s:%u)\n", e.text, Run.config.path, own->line);
		all &= Run.forward[i] != NULL;
	}
	return all ? EXIT_OK : EXIT_PORT;
}

/* All that is wrong is said, before anything is done. */
static enum exit_status open_all(void)
{
	if (Options.check)
		return open_clusters();
	enum exit_status clusters = open_clusters(), forwards = open_forwards();
	return clusters ? clusters : forwards;
}

/* Remedies are indented: they belong to the line before. */
static void print_errors(char *lines)
{
	for (char *line = strtok(lines, "\n"); line; line = strtok(NULL, "\n"))
		fprintf(stderr, "%s%s\n", *line == ' ' ? "" : "Error: ", line);
}

static enum exit_status load_config(void)
{
	struct buf errors = {0};
	if (access(Options.config, F_OK))
		return without_configuration();
	if (config_load(&Run.config, Options.config, NULL, &errors))
		return EXIT_OK;
	buf_put(&errors, "", 1);
	print_errors((char *)buf_data(&errors));
	buf_free(&errors);
	return EXIT_CONFIG;
}

/* One line for each change of state, for scripts and people without a screen. */
static void print_change(void *owner, struct forward *f)
{
	char info[FORWARD_INFO];
	bool waits = forward_state(f) == FORWARD_RECONNECTING;
	(void)owner;
	forward_info(f, info);
	printf("%s %s: %s%s%s\n", forward_name(f), forward_state_name(forward_state(f)),
		waits ? forward_error(f)->text : "", waits ? ": " : "", info);
	fflush(stdout);
}

/* Every forward asks at once whether it is well, and none waits any longer. */
static void on_wake(enum wake why)
{
	bool slept = why == WAKE_SLEPT;
	for (size_t i = 0; slept && i < Run.config.cluster_count; i++)
		cluster_renew(Run.cluster[i]);
	if (slept)
		watch_renew_all();
	for (size_t i = 0; i < Run.config.forward_count; i++)
		forward_wake(Run.forward[i], slept);
}

static void on_stop_signal(int signo, bool by_kernel)
{
	(void)by_kernel;
	log_line(LOG_INFO, "stopping", LOG_FIELDS(LOG_NUM("signal", signo)));
	loop_stop();
}

static void heed_signals(void)
{
	signal(SIGPIPE, SIG_IGN);
	loop_on_signal(SIGTERM, on_stop_signal);
	loop_on_signal(SIGINT, on_stop_signal);
}

static void run(void)
{
	heed_signals();
	log_line(LOG_INFO, "started",
		LOG_FIELDS(LOG_STR("version", VERSION), LOG_NUM("pid", getpid()),
			LOG_NUM("forwards", (long long)Run.config.forward_count)));
	for (size_t i = 0; i < Run.config.forward_count; i++)
		forward_start(Run.forward[i], print_change, NULL);
	wake_start(on_wake);
	loop_run();
	wake_stop();
}

/* ---- -check ---- */

static void print_line(void *owner, const char *line)
{
	(void)owner;
	puts(line);
	fflush(stdout);
}

static void on_checked(void *owner, size_t failed)
{
	*(enum exit_status *)owner = failed ? EXIT_NOT_READY : EXIT_OK;
	loop_stop();
}

static char *name_of(const struct config_forward *own)
{
	struct buf name = {0};
	buf_print(&name, "%s/%s", Run.config.clusters[own->cluster].name, own->target.name);
	char *copy = mem_dup_n(buf_data(&name), buf_len(&name));
	buf_free(&name);
	return copy;
}

static enum exit_status check_all(void)
{
	static const struct check_ops Ops = {.line = print_line, .end = on_checked};
	size_t n = Run.config.forward_count;
	struct check_spec *spec = mem_new(n * sizeof *spec);
	char **name = mem_new(n * sizeof *name);
	enum exit_status status = EXIT_NOT_READY;
	for (size_t i = 0; i < n; i++) {
		const struct config_forward *own = &Run.config.forwards[i];
		name[i] = name_of(own);
		spec[i] = (struct check_spec){
			name[i], Run.cluster[own->cluster], &own->target, own->local_port};
	}
	heed_signals();
	struct check *check = check_start(spec, n, CHECK_MS, &Ops, &status);
	loop_run();
	check_free(check);
	for (size_t i = 0; i < n; i++)
		free(name[i]);
	free(name);
	free(spec);
	return status;
}

static void stop(void)
{
	for (size_t i = 0; Run.forward && i < Run.config.forward_count; i++)
		if (Run.forward[i])
			forward_free(Run.forward[i]);
	for (size_t i = 0; Run.cluster && i < Run.config.cluster_count; i++)
		if (Run.cluster[i])
			cluster_drop(Run.cluster[i]);
	child_end_all();
	loop_end();
	free(Run.forward);
	free(Run.cluster);
	config_free(&Run.config);
}

int main(int argc, char **argv)
{
	static enum exit_status (*const Step[])(void) = {load_config, open_log, open_all};
	enum exit_status status = EXIT_OK;
	(void)argc;
	if (!read_options(argv))
		return EXIT_USAGE;
	if (Options.help)
		print_help(stdout);
	if (Options.version)
		printf("porter %s\n", VERSION);
	if (Options.help || Options.version)
		return EXIT_OK;
	child_init();
	set_limits();
	loop_init();
	for (size_t i = 0; i < sizeof Step / sizeof *Step && status == EXIT_OK; i++)
		status = Step[i]();
	if (status == EXIT_OK && Options.check)
		status = check_all();
	else if (status == EXIT_OK)
		run();
	stop();
	return (int)status;
}
