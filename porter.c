/* porter: start, readiness, reload, and end.  What forwards do is forward.c's, what a
 * configuration may say config.c's, and what options there are options.c's. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "added.h"
#include "adhoc.h"
#include "api.h"
#include "ask.h"
#include "check.h"
#include "child.h"
#include "config.h"
#include "conflict.h"
#include "control.h"
#include "credential.h"
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
#include "problems.h"
#include "ready.h"
#include "report.h"
#include "status.h"
#include "tui.h"
#include "ulimit.h"
#include "wake.h"

#define VERSION "0.1.0"

enum { DRAIN_MS = 30000 }; /* for connections, once another porter has our ports */

static struct {
	struct options options;
	struct config config; /* its clusters and forwards are the manager's */
	struct manager *manager;
	struct filewatch watch;
	struct task reload;
	struct conflict conflict;
	struct status_of self;
	struct timer drain; /* set once another porter has our ports */
	pid_t heir;
	bool had_terminal; /* at the start */
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

static void print_ways_to_begin(struct buf *errors)
{
	struct problems p = {0};
	problems_add(&p, (struct place){NULL, 0}, "there is no configuration file '%s'",
		Run.options.config);
	problems_tell(&p, errors);
	print_errors(errors);
	fprintf(stderr,
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
		"    remote_port = 80\n");
}

/* ---- start ---- */

static bool is_adhoc(void)
{
	return adhoc_is(Run.options.words);
}

static struct adhoc adhoc_words(void)
{
	const struct options *o = &Run.options;
	return (struct adhoc){o->kubeconfig, o->context, o->namespace, o->words};
}

static struct config_pick pick(void)
{
	return (struct config_pick){(const char *const *)Run.options.words, Run.options.profiles};
}

static bool load(struct config *c, bool may_wait, struct buf *errors)
{
	const struct adhoc adhoc = adhoc_words();
	const struct config_pick meant = pick();
	return is_adhoc() ? adhoc_config(c, &adhoc, errors)
			  : config_load(c, Run.options.config, &meant, may_wait, errors);
}

static int load_config(struct buf *errors)
{
	if (!is_adhoc() && access(Run.options.config, F_OK) && errno == ENOENT) {
		print_ways_to_begin(errors);
		return EXIT_CONFIG;
	}
	return load(&Run.config, true, errors) ? EXIT_OK : EXIT_CONFIG;
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

static void warn_of_log(const char *path, const char *words)
{
	log_line(LOG_WARN, words,
		LOG_FIELDS(LOG_STR("file", path), LOG_STR("reason", strerror(errno))));
}

/* A log that cannot be written stops nothing, since lines can go to stderr; but where it
 * was asked for on the command line, or there will be no stderr, it is an error. */
static int open_log(struct buf *errors)
{
	const struct options *o = &Run.options;
	const char *path = log_path();
	struct problems p = {0};
	log_level(log_least());
	log_format(o->log_format);
	if (o->detach && !*path)
		options_no_log(&p);
	else if (log_open(path))
		return EXIT_OK;
	else if (o->log || o->detach)
		problems_add(&p, (struct place){NULL, 0}, "cannot write the log file '%s': %s",
			path, strerror(errno));
	else
		warn_of_log(path, "the log file cannot be written: lines go to stderr");
	return problems_tell(&p, errors) ? EXIT_OK : EXIT_CONFIG;
}

/* The reloaded configuration may name another. */
static void move_log(void)
{
	if (strcmp(log_path(), log_file()) != 0 && !log_open(log_path()))
		warn_of_log(log_path(), "the log file cannot be written: the old one goes on");
}

static bool allow_config(const struct config *c, struct buf *errors)
{
	return ulimit_allow(c->cluster_count, c->forward_count, errors);
}

static int check_command(struct buf *errors)
{
	return ready_check_command(&Run.config, errors);
}

static void reserve(void)
{
	ulimit_reserve(Run.config.cluster_count, Run.config.forward_count);
}

/* ---- ports that are taken ---- */

static int settle_ports(struct buf *errors)
{
	enum conflict_policy policy = Run.options.take_over ? CONFLICT_TAKE_OVER : CONFLICT_FAIL;
	return (int)conflict_settle(&Run.conflict, &Run.config, policy, errors);
}

/* What is in the way of a port is told by the first of them, in better words. */
static int open_forwards(struct buf *errors)
{
	const int *fd;
	if (!allow_config(&Run.config, errors))
		return EXIT_FATAL;
	int status = settle_ports(errors);
	if (status)
		return status;
	size_t n = conflict_sockets(&Run.conflict, &fd);
	manager_lend(Run.manager, fd, n);
	return (int)manager_apply(Run.manager, &Run.config, errors, NULL);
}

/* ---- -check ---- */

static void on_check_line(void *owner, const char *line)
{
	(void)owner;
	puts(line);
	fflush(stdout); /* a slow cluster holds up no other's lines */
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
	int64_t limit_ms = Run.options.wait_ms > 0 ? Run.options.wait_ms : READY_LIMIT_MS;
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

static void run_check(struct buf *errors)
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
}

/* ---- while it runs ---- */

/* What is said from now on stays on the terminal. */
static void end_with(int status)
{
	Run.status = status;
	tui_end();
	loop_stop();
}

static void on_removed(void *owner, struct forward *f)
{
	(void)owner;
	log_line(LOG_INFO, "forward removed", LOG_FIELDS(LOG_STR("forward", forward_name(f))));
	report_removed(f);
	tui_changed();
}

/* ---- another porter takes over ---- */

static void on_drained(struct timer *timer)
{
	size_t left = manager_connections(Run.manager);
	timer_stop(timer);
	log_line(LOG_INFO, "stopping",
		LOG_FIELDS(LOG_STR("reason", "taken over by another nanoporter instance"),
			LOG_NUM("pid", Run.heir), LOG_NUM("connections", (long long)left)));
	end_with(EXIT_TAKEN_OVER);
	fprintf(stderr, "Error: another nanoporter instance has taken over (PID: %ld)\n",
		(long)Run.heir);
}

static void look_drained(void)
{
	if (timer_is_set(&Run.drain) && !manager_connections(Run.manager))
		on_drained(&Run.drain);
}

/* A command goes on, with those ports that nobody else has. */
static bool keeps_others(void)
{
	return ready_command_runs();
}

/* What is connected goes on, for a while. */
static void on_taken_over(pid_t by)
{
	log_line(LOG_WARN, "ports are taken over by another nanoporter instance",
		LOG_FIELDS(LOG_NUM("pid", by),
			LOG_NUM("connections", (long long)manager_connections(Run.manager))));
	if (keeps_others())
		return;
	Run.heir = by;
	Run.self.draining = true;
	ready_end();
	tui_say(STYLE_WARN, "taken over by another nanoporter instance: ends with its connections");
	timer_after(&Run.drain, DRAIN_MS);
	look_drained();
}

static void on_changed(void *owner, struct forward *f)
{
	enum forward_state state = forward_state(f);
	(void)owner;
	report_changed(f);
	tui_changed();
	if (!Run.self.draining)
		ready_look();
	if (state == FORWARD_STOPPED || state == FORWARD_STARTING)
		control_claim(); /* a key has stopped it, or started */
	look_drained();
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

static void log_change(const struct manager_change *change)
{
	log_line(LOG_INFO, "configuration reloaded",
		LOG_FIELDS(LOG_NUM("kept", (long long)change->kept),
			LOG_NUM("added", (long long)change->added),
			LOG_NUM("changed", (long long)change->changed),
			LOG_NUM("removed", (long long)change->removed)));
	char *text = mem_print("reloaded: %zu kept, %zu added, %zu changed, %zu removed",
		change->kept, change->added, change->changed, change->removed);
	tui_say(STYLE_PLAIN, text);
	free(text);
}

static void say_errors(const struct buf *errors)
{
	char *text = mem_dup_n(buf_data(errors), buf_len(errors));
	tui_say(STYLE_BAD, text);
	free(text);
}

/* What a person wants beside it. */
struct addition {
	const char *words;  /* NULL: nothing */
	const char *beside; /* see added.h */
};

/* The file as it is now, with what was added since. */
static bool load_again(struct config *c, const struct addition *more, struct buf *errors)
{
	const struct adhoc otherwise = adhoc_words();
	if (!load(c, false, errors))
		return false;
	added_extend(c);
	return !more->words || added_read(c, more->words, more->beside, &otherwise, errors);
}

/* Who has the port, if it is that. */
static void explain_ports(const struct addition *more, struct buf *errors)
{
	struct config c = {0};
	struct buf again = {0};
	if (load_again(&c, more, &again))
		conflict_free_ports(&c, errors);
	buf_free(&again);
	config_free(&c);
}

/* Absolute: who asks for it is elsewhere. */
static void describe_log(void)
{
	free((char *)Run.self.log);
	Run.self.log = realpath(log_file(), NULL);
}

static void take_config(struct config *c, const struct manager_change *change)
{
	log_change(change);
	config_free(&Run.config);
	Run.config = *c;
	reserve();
	move_log();
	describe_log();
	control_claim();
	tui_changed();
}

/* A file that is not right changes nothing. */
static bool apply_again(const struct addition *more, struct buf *errors)
{
	struct config c = {0};
	struct manager_change change = {0};
	enum exit_status status = EXIT_CONFIG;
	ready_reload(false);
	if (load_again(&c, more, errors) && allow_config(&c, errors))
		status = manager_apply(Run.manager, &c, errors, &change);
	if (status == EXIT_PORT)
		explain_ports(more, errors);
	added_settle(!status);
	if (status)
		config_free(&c);
	else
		take_config(&c, &change);
	ready_reload(true);
	return !status;
}

static void reload(struct task *task)
{
	struct buf errors = {0};
	(void)task;
	if (Run.self.draining)
		return;
	if (!apply_again(&(struct addition){NULL, NULL}, &errors)) {
		say_errors(&errors);
		log_errors(&errors);
	}
	buf_free(&errors);
}

static void on_file(struct filewatch *w)
{
	(void)w;
	task_post(&Run.reload);
}

/* ---- signals ---- */

/* Who waits must not take it for success. */
static void on_stop_signal(int signo, bool by_kernel)
{
	bool early = Run.options.check || !ready_is();
	(void)by_kernel;
	log_line(LOG_INFO, "stopping", LOG_FIELDS(LOG_NUM("signal", signo)));
	end_with(early ? EXIT_FATAL : EXIT_OK);
}

static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Where there is nothing to reload, or the terminal is gone that we had, nobody is left
 * who could end us. */
static void on_hangup(int signo, bool by_kernel)
{
	const struct options *o = &Run.options;
	bool gone = Run.had_terminal && !o->headless && !has_terminal();
	if (is_adhoc() || o->command || o->check || gone)
		on_stop_signal(signo, by_kernel);
	else
		task_post(&Run.reload); /* once, however many there are */
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

/* nohup(1) has its way. */
static bool is_ignored(int signo)
{
	struct sigaction now;
	return !sigaction(signo, NULL, &now) && now.sa_handler == SIG_IGN;
}

static void take_signals(void)
{
	loop_on_signal(SIGTERM, on_stop_signal);
	loop_on_signal(SIGINT, on_stop_signal);
	if (!is_ignored(SIGHUP))
		loop_on_signal(SIGHUP, on_hangup);
	loop_on_signal(SIGUSR1, on_user_signal);
}

/* ---- the screen ---- */

static void on_quit(void *owner)
{
	(void)owner;
	log_line(LOG_INFO, "stopping", LOG_FIELDS(LOG_STR("reason", "a key")));
	end_with(ready_is() ? EXIT_OK : EXIT_FATAL);
}

static void on_reload_key(void *owner)
{
	(void)owner;
	task_post(&Run.reload);
}

static bool on_stop_key(void *owner, struct forward *f, struct buf *errors)
{
	(void)owner;
	return control_stop(f, errors);
}

static bool on_start_key(void *owner, struct forward *f, struct buf *errors)
{
	(void)owner;
	return control_start(f, errors);
}

static bool on_add(void *owner, const char *words, const char *beside, struct buf *errors)
{
	(void)owner;
	if (Run.self.draining || !apply_again(&(struct addition){words, beside}, errors))
		return false;
	tui_say(STYLE_PLAIN, is_adhoc() ? "added" : "added; w writes it to the file");
	return true;
}

static void on_save(void *owner)
{
	const struct config_pick meant = pick();
	struct buf said = {0};
	bool good = false;
	(void)owner;
	if (is_adhoc())
		buf_print(&said, "there is no file to write to: porter was started without one");
	else
		good = added_save(Run.options.config, &meant, Run.manager, &said);
	buf_put(&said, "", 1);
	tui_say(good ? STYLE_PLAIN : STYLE_BAD, (const char *)buf_data(&said));
	buf_free(&said);
}

/* nohup(1) has its way. */
static void on_screen_gone(void)
{
	if (is_ignored(SIGHUP))
		tui_end();
	else
		on_stop_signal(SIGHUP, true);
}

/* Where somebody looks at it, and has the keys: what a script starts by `&` has no stdin. */
static bool is_at_terminal(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

static void open_screen(void)
{
	static const struct board_ops Ops = {
		on_quit, on_reload_key, on_stop_key, on_start_key, on_add, on_save};
	const struct options *o = &Run.options;
	const struct tui_spec spec = {
		.board = {Run.manager, &Ops, NULL}, .ascii = o->ascii, .gone = on_screen_gone};
	struct err e = {0};
	if (o->headless || o->detach || o->command || !is_at_terminal())
		return;
	if (!tui_start(&spec, &e))
		log_line(LOG_DEBUG, "no screen", LOG_FIELDS(LOG_STR("reason", e.text)));
	credential_on_asking(tui_lend);
}

/* ---- the whole ---- */

static enum report_form report_form(void)
{
	if (Run.options.command || Run.options.detach || tui_is_on())
		return REPORT_NOTHING;
	return is_adhoc() ? REPORT_PORTS : REPORT_CHANGES;
}

static void warn_of_watch(void)
{
	if (Run.options.watch && !Run.watch.path)
		log_line(LOG_WARN, "the configuration file cannot be watched",
			LOG_FIELDS(LOG_STR("file", Run.options.config)));
}

/* The command's, where there is one. */
static void stop_by_signal(void)
{
	kill(getpid(), SIGTERM);
}

static void describe(void)
{
	Run.self = (struct status_of){.pid = getpid(),
		.version = VERSION,
		.config = is_adhoc() ? NULL : realpath(Run.options.config, NULL),
		.started_ms = loop_wall()};
	describe_log();
}

/* Others know us by our ports from now on; whoever starts may ask for them. */
static void end_start(void)
{
	describe();
	conflict_commit(&Run.conflict);
	control_begin(&(struct control_spec){
		Run.manager, &Run.self, stop_by_signal, on_taken_over, keeps_others});
	conflict_end(&Run.conflict);
}

static void run_forwards(void)
{
	open_screen();
	log_line(LOG_INFO, "started",
		LOG_FIELDS(LOG_STR("version", VERSION), LOG_NUM("pid", getpid()),
			LOG_NUM("forwards", (long long)manager_count(Run.manager))));
	warn_of_watch();
	reserve();
	report_begin(report_form());
	manager_start(Run.manager);
	wake_start(on_wake);
	end_start();
	ready_begin();
	loop_run();
	notify_tell(NOTIFY_STOPPING, NULL);
	wake_stop();
}

static void stop(void)
{
	filewatch_close(&Run.watch);
	control_end();
	conflict_end(&Run.conflict);
	timer_stop(&Run.drain);
	ready_end();
	task_drop(&Run.reload);
	manager_free(Run.manager);
	added_free();
	report_end();
	loop_settle(); /* what is put off has children of its own */
	child_end_all();
	loop_end();
	free((char *)Run.self.config);
	free((char *)Run.self.log);
	config_free(&Run.config);
}

static void init(void)
{
	static const struct manager_ops Ops = {on_changed, on_removed};
	loop_init();
	Run.reload.on = reload;
	Run.drain.on = on_drained;
	Run.conflict.lock = -1;
	Run.had_terminal = has_terminal();
	credential_terminal(!Run.options.headless && !Run.options.detach);
	Run.manager = manager_new(&Ops, NULL);
	ready_init(&(struct ready_spec){&Run.options, Run.manager, end_with});
	take_signals();
	if (Run.options.watch) /* before it is read: nothing is missed */
		filewatch_open(&Run.watch, Run.options.config, on_file);
}

/* All that can be known to be wrong; the first status counts.  Ports come last: an older
 * porter may be ended for them. */
static int prepare(struct buf *errors)
{
	static int (*const Step[])(struct buf * errors) = {open_log, check_command, open_forwards};
	int first = load_config(errors);
	size_t steps = first ? 0 : Run.options.check ? 1 : sizeof Step / sizeof *Step;
	for (size_t i = 0; i < steps; i++) {
		int status = Step[i](errors);
		first = first ? first : status;
	}
	return first;
}

static int run(void)
{
	struct buf errors = {0};
	init();
	Run.status = prepare(&errors);
	if (!Run.status && Run.options.check)
		run_check(&errors);
	else if (!Run.status)
		run_forwards();
	print_errors(&errors);
	stop();
	return Run.status;
}

/* Where there is a command, porter's own statuses keep out of its way. */
static int ended(int status)
{
	bool own = Run.options.command && !ready_command_runs() && status < EXIT_STATUSES;
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
	if (options_order(&Run.options))
		return ask(&Run.options);
	file_open_standard();
	child_init();
	signal(SIGPIPE, SIG_IGN);
	ulimit_set();
	if (Run.options.detach && !detach_begin(&status))
		return status;
	notify_begin();
	return ended(run());
}
