/* porter: start, readiness, reload, and end.  What forwards do is forward.c's, what a
 * configuration may say config.c's, and what options there are options.c's. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "adhoc.h"
#include "api.h"
#include "check.h"
#include "child.h"
#include "command.h"
#include "config.h"
#include "detach.h"
#include "exit.h"
#include "file.h"
#include "filewatch.h"
#include "log.h"
#include "loop.h"
#include "manager.h"
#include "mem.h"
#include "notify.h"
#include "options.h"
#include "report.h"
#include "wake.h"

#define VERSION "0.1.0"

enum { WAIT_MS = 30000 }; /* where others wait for us, and -wait does not say how long */

static struct {
	struct options options;
	struct config config; /* its clusters and forwards are the manager's */
	struct manager *manager;
	struct filewatch watch;
	struct timer limit; /* until every forward must be Active */
	bool ready;         /* those who wait for us have been told */
	bool command_runs;  /* or has run */
	int status;
} Run;

/* ---- messages ---- */

/* Remedies are indented: they belong to the line before. */
static void print_errors(struct buf *errors)
{
	buf_put(errors, "", 1);
	for (char *rest = (char *)buf_data(errors), *line; (line = strsep(&rest, "\n"));)
		if (*line)
			fprintf(stderr, "%s%s\n", *line == ' ' ? "" : "Error: ", line);
	buf_free(errors);
}

static void print_ways_to_begin(void)
{
	fprintf(stderr,
		"Error: there is no configuration file '%s'\n"
		"Ways to begin:\n"
		"  porter svc/web 8080:80               with no file, as with kubectl\n"
		"  cp porter.ini.example porter.ini     and put your clusters and ports in\n"
		"  porter -config /path/to/porter.ini   if you have one elsewhere\n"
		"  yaml2ini config.yaml > porter.ini    if you have one of the Go nanoporter\n"
		"  or write these lines to porter.ini:\n"
		"    [cluster prod]\n"
		"    [forward web]\n"
		"    cluster = prod\n"
		"    namespace = default\n"
		"    service = web\n"
		"    type = service\n"
		"    local_port = 8080\n"
		"    remote_port = 80\n",
		Run.options.config);
}

/* ---- start ---- */

static bool is_adhoc(void)
{
	return adhoc_is(Run.options.words);
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

static bool load(struct config *c, struct buf *errors)
{
	const struct options *o = &Run.options;
	const struct adhoc adhoc = {o->kubeconfig, o->context, o->namespace, o->words};
	const struct config_pick pick = {(const char *const *)o->words, o->profiles};
	return is_adhoc() ? adhoc_config(c, &adhoc, errors)
			  : config_load(c, o->config, &pick, errors);
}

static int load_config(struct buf *errors)
{
	if (!is_adhoc() && access(Run.options.config, F_OK) && errno == ENOENT) {
		print_ways_to_begin();
		return EXIT_CONFIG;
	}
	return load(&Run.config, errors) ? EXIT_OK : EXIT_CONFIG;
}

/* Without a file, and for a check, people look at the terminal. */
static const char *log_path(void)
{
	const struct options *o = &Run.options;
	bool terminal = (is_adhoc() && !o->detach) || o->check;
	return o->log ? o->log : terminal ? "" : Run.config.log;
}

/* A command's stderr is its own, but for what goes wrong. */
static enum log_level log_least(void)
{
	if (Run.options.verbose)
		return LOG_DEBUG;
	return Run.options.command && !*log_path() ? LOG_WARN : LOG_INFO;
}

/* A log that cannot be written stops nothing, since lines can go to stderr; but where it
 * was asked for on the command line, or there will be no stderr, it is an error. */
static int open_log(struct buf *errors)
{
	const struct options *o = &Run.options;
	const char *path = log_path();
	log_level(log_least());
	log_format(o->log_format);
	if (o->detach && !*path)
		buf_print(errors, "in the background the log needs a file\n"
				  "  name one with -log FILE\n");
	else if (!log_open(path) && (o->log || o->detach))
		buf_print(errors, "cannot write the log file '%s': %s\n", path, strerror(errno));
	else if (!log_open(path))
		log_line(LOG_WARN, "the log file cannot be written: lines go to stderr",
			LOG_FIELDS(LOG_STR("file", path), LOG_STR("reason", strerror(errno))));
	return buf_len(errors) ? EXIT_CONFIG : EXIT_OK;
}

/* ---- -check ---- */

static void on_check_line(void *owner, const char *line)
{
	(void)owner;
	puts(line);
}

static void on_check_end(void *owner, size_t failed)
{
	(void)owner;
	Run.status = failed ? EXIT_NOT_READY : EXIT_OK;
	loop_stop();
}

static char *name_of(const struct config_forward *own)
{
	struct buf name = {0};
	buf_print(&name, "%s/%s", Run.config.clusters[own->cluster].name, config_title(own));
	char *text = mem_dup_n(buf_data(&name), buf_len(&name));
	buf_free(&name);
	return text;
}

static void check_forwards(struct cluster *const *cluster)
{
	static const struct check_ops Ops = {on_check_line, on_check_end};
	const struct config *c = &Run.config;
	int64_t limit_ms = Run.options.wait_ms > 0 ? Run.options.wait_ms : WAIT_MS;
	struct check_spec *specs = mem_new(c->forward_count * sizeof *specs);
	for (size_t i = 0; i < c->forward_count; i++) {
		const struct config_forward *own = &c->forwards[i];
		specs[i] = (struct check_spec){.name = name_of(own),
			.cluster = cluster[own->cluster],
			.ref = &own->target,
			.local_port = own->local_port};
	}
	struct check *check = check_start(specs, c->forward_count, limit_ms, &Ops, NULL);
	loop_run();
	check_free(check);
	for (size_t i = 0; i < c->forward_count; i++)
		free((char *)specs[i].name);
	free(specs);
}

static int run_check(struct buf *errors)
{
	const struct config *c = &Run.config;
	struct cluster **cluster = mem_new(c->cluster_count * sizeof(struct cluster *));
	for (size_t i = 0; i < c->cluster_count; i++)
		cluster[i] = manager_open_cluster(c, i, errors);
	if (buf_len(errors))
		Run.status = EXIT_CONFIG;
	else
		check_forwards(cluster);
	for (size_t i = 0; i < c->cluster_count; i++)
		if (cluster[i])
			cluster_drop(cluster[i]);
	free(cluster);
	return Run.status;
}

/* ---- readiness ---- */

static void end_with(int status)
{
	Run.status = status;
	loop_stop();
}

static void on_command_end(void *owner, int status)
{
	(void)owner;
	end_with(status);
}

static struct command_forward *command_forwards(void)
{
	size_t n = manager_count(Run.manager);
	struct command_forward *list = mem_new(n * sizeof *list);
	for (size_t i = 0; i < n; i++) {
		const struct forward *f = manager_forward(Run.manager, i);
		const struct config_forward *own = forward_config(f);
		list[i] = (struct command_forward){
			own->name, own->local_address, forward_local_port(f)};
	}
	return list;
}

static struct command_spec command_spec(struct command_forward *list)
{
	return (struct command_spec){.argv = (const char *const *)Run.options.command,
		.forward = list,
		.forwards = manager_count(Run.manager)};
}

static int check_command(struct buf *errors)
{
	struct command_forward *list = command_forwards();
	struct command_spec spec = command_spec(list);
	struct err e = {0};
	int status = Run.options.command ? command_check(&spec, &e) : EXIT_OK;
	if (status)
		buf_print(errors, "%s\n", e.text);
	free(list);
	return status;
}

static void start_command(void)
{
	struct command_forward *list = command_forwards();
	struct command_spec spec = command_spec(list);
	Run.command_runs = true;
	command_start(&spec, on_command_end, NULL);
	free(list);
}

static void go_to_background(void)
{
	char *log = realpath(log_path(), NULL);
	struct buf text = {0};
	buf_print(&text, "porter runs in the background: pid %ld, log %s", (long)getpid(),
		log ? log : log_path());
	buf_put(&text, "", 1);
	if (!detach_ready((const char *)buf_data(&text)))
		end_with(EXIT_FATAL);
	buf_free(&text);
	free(log);
}

/* Where nobody waits, it is ready when connections to its ports are taken: they are
 * held until they can be served. */
static bool is_waited_for(void)
{
	const struct options *o = &Run.options;
	return o->wait_ms >= 0 || o->detach || o->command;
}

static void tell_manager(enum notify what)
{
	char words[NOTIFY_WORDS];
	snprintf(words, sizeof words, "%zu of %zu forwards are Active", manager_active(Run.manager),
		manager_count(Run.manager));
	notify_tell(what, words);
}

static void become_ready(void)
{
	Run.ready = true;
	timer_stop(&Run.limit);
	tell_manager(NOTIFY_READY);
	if (Run.options.detach)
		go_to_background();
	if (Run.options.command)
		start_command();
}

static void see_whether_ready(void)
{
	bool all = manager_active(Run.manager) == manager_count(Run.manager);
	tell_manager(NOTIFY_STATUS);
	if (!Run.ready && (all || !is_waited_for()))
		become_ready();
}

static void on_limit(struct timer *timer)
{
	char info[FORWARD_INFO];
	(void)timer;
	for (size_t i = 0; i < manager_count(Run.manager); i++) {
		struct forward *f = manager_forward(Run.manager, i);
		if (forward_state(f) == FORWARD_ACTIVE)
			continue;
		const char *why = forward_error(f)->text;
		forward_info(f, info);
		fprintf(stderr, "Error: '%s' is not Active in time: %s\n", forward_name(f),
			*why    ? why
			: *info ? info
				: forward_state_name(forward_state(f)));
	}
	end_with(EXIT_NOT_READY);
}

static void on_changed(void *owner, struct forward *f)
{
	(void)owner;
	report_changed(f);
	see_whether_ready();
}

static void on_removed(void *owner, struct forward *f)
{
	(void)owner;
	report_removed(f);
}

/* ---- reload ---- */

/* Each with its remedy, which is indented behind it. */
static void log_errors(struct buf *errors)
{
	buf_put(errors, "", 1);
	char *rest = (char *)buf_data(errors);
	for (char *remedy = rest; (remedy = strstr(remedy, "\n  "));)
		memcpy(remedy, " - ", 3);
	for (char *line; (line = strsep(&rest, "\n"));)
		if (*line)
			log_line(LOG_ERROR, "configuration not reloaded",
				LOG_FIELDS(LOG_STR("reason", line)));
}

/* A file that is not right changes nothing. */
static void reload(void)
{
	struct config c = {0};
	struct buf errors = {0};
	struct manager_change change = {0};
	notify_tell(NOTIFY_RELOADING, NULL);
	if (load(&c, &errors) && !manager_apply(Run.manager, &c, &errors, &change)) {
		log_line(LOG_INFO, "configuration reloaded",
			LOG_FIELDS(LOG_NUM("kept", (long long)change.kept),
				LOG_NUM("added", (long long)change.added),
				LOG_NUM("changed", (long long)change.changed),
				LOG_NUM("removed", (long long)change.removed)));
		config_free(&Run.config);
		Run.config = c;
	} else {
		log_errors(&errors);
		config_free(&c);
	}
	buf_free(&errors);
	tell_manager(NOTIFY_READY);
}

static void on_file(struct filewatch *w)
{
	(void)w;
	reload();
}

/* ---- signals ---- */

/* Who waits must not take it for success. */
static void on_stop_signal(int signo, bool by_kernel)
{
	(void)by_kernel;
	bool early = Run.options.check || (is_waited_for() && !Run.ready);
	log_line(LOG_INFO, "stopping", LOG_FIELDS(LOG_NUM("signal", signo)));
	end_with(early ? EXIT_FATAL : EXIT_OK);
}

/* Without a file there is nothing to reload: then, and where the kernel says so, it is the
 * terminal that is gone, and nobody is left who could end us. */
static void on_hangup(int signo, bool by_kernel)
{
	const struct options *o = &Run.options;
	if (is_adhoc() || o->command || (by_kernel && !o->headless))
		on_stop_signal(signo, by_kernel);
	else
		reload();
}

static void on_user_signal(int signo, bool by_kernel)
{
	(void)signo;
	(void)by_kernel;
	if (!log_reopen())
		log_line(LOG_WARN, "the log file cannot be opened again",
			LOG_FIELDS(LOG_STR("reason", strerror(errno))));
}

static void on_wake(enum wake why)
{
	manager_wake(Run.manager, why == WAKE_SLEPT);
}

static void take_signals(void)
{
	loop_on_signal(SIGTERM, on_stop_signal);
	loop_on_signal(SIGINT, on_stop_signal);
	loop_on_signal(SIGHUP, on_hangup);
	loop_on_signal(SIGUSR1, on_user_signal);
}

/* ---- the whole ---- */

static enum report_form report_form(void)
{
	if (Run.options.command || Run.options.detach)
		return REPORT_NOTHING;
	return is_adhoc() ? REPORT_PORTS : REPORT_CHANGES;
}

static void watch_file(void)
{
	if (Run.options.watch && !filewatch_open(&Run.watch, Run.options.config, on_file))
		log_line(LOG_WARN, "the configuration file cannot be watched",
			LOG_FIELDS(LOG_STR("file", Run.options.config),
				LOG_STR("reason", strerror(errno))));
}

static int run_forwards(struct buf *errors)
{
	const struct options *o = &Run.options;
	(void)errors;
	log_line(LOG_INFO, "started",
		LOG_FIELDS(LOG_STR("version", VERSION), LOG_NUM("pid", getpid()),
			LOG_NUM("forwards", (long long)manager_count(Run.manager))));
	report_begin(report_form());
	watch_file();
	if (is_waited_for() && o->wait_ms)
		timer_after(&Run.limit, o->wait_ms > 0 ? o->wait_ms : WAIT_MS);
	manager_start(Run.manager);
	wake_start(on_wake);
	see_whether_ready();
	loop_run();
	notify_tell(NOTIFY_STOPPING, NULL);
	wake_stop();
	return Run.status;
}

static int open_forwards(struct buf *errors)
{
	return (int)manager_apply(Run.manager, &Run.config, errors, NULL);
}

static void stop(void)
{
	command_end();
	filewatch_close(&Run.watch);
	timer_stop(&Run.limit);
	manager_free(Run.manager);
	report_end();
	child_end_all();
	loop_end();
	config_free(&Run.config);
}

/* Step by step, until one fails. */
static int run(void)
{
	static int (*const Check[])(struct buf * errors) = {load_config, open_log, run_check, NULL};
	static int (*const Run_forwards[])(struct buf * errors) = {
		load_config, open_log, open_forwards, check_command, run_forwards, NULL};
	static const struct manager_ops Ops = {on_changed, on_removed};
	struct buf errors = {0};
	int status = EXIT_OK;
	Run.limit.on = on_limit;
	Run.manager = manager_new(&Ops, NULL);
	loop_init();
	take_signals();
	for (int (*const *step)(struct buf *) = Run.options.check ? Check : Run_forwards;
		*step && status == EXIT_OK; step++)
		status = (*step)(&errors);
	print_errors(&errors);
	stop();
	return status;
}

/* Where there is a command, porter's own statuses keep out of its way. */
static int ended(int status)
{
	bool own = Run.options.command && !Run.command_runs && status < EXIT_STATUSES;
	return own ? exit_of_command_mode((enum exit_status)status) : status;
}

static int print_only(void)
{
	if (Run.options.help)
		options_help(stdout);
	if (Run.options.version)
		printf("porter %s\n", VERSION);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct buf errors = {0};
	bool ok = options_read(&Run.options, argv, &errors);
	int status;
	(void)argc;
	if (!ok)
		buf_print(&errors, "  porter -help lists the options\n");
	print_errors(&errors);
	if (!ok)
		return ended(EXIT_USAGE);
	if (Run.options.help || Run.options.version)
		return print_only();
	file_open_standard();
	child_init();
	signal(SIGPIPE, SIG_IGN);
	set_limits();
	notify_begin();
	if (Run.options.detach && !detach_begin(&status))
		return status;
	return ended(run());
}
