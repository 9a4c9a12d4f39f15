/* One limit, and one moment: the first at which every forward is Active. */
#include "ready.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "command.h"
#include "credential.h"
#include "detach.h"
#include "exit.h"
#include "log.h"
#include "loop.h"
#include "mem.h"
#include "notify.h"

static void on_limit(struct timer *timer);

static struct {
	struct ready_spec spec;
	struct timer limit;
	bool is, command_runs;
} Ready = {.limit.on = on_limit};

static bool is_waited_for(void)
{
	const struct options *o = Ready.spec.options;
	return o->wait_ms >= 0 || o->detach || o->command;
}

/* ---- the command ---- */

static struct command_spec command_spec(const struct command_forward *list, size_t n)
{
	return (struct command_spec){.argv = (const char *const *)Ready.spec.options->command,
		.forward = list,
		.forwards = n};
}

int ready_check_command(const struct config *c, struct buf *errors)
{
	struct err e = {0};
	if (!Ready.spec.options->command)
		return EXIT_OK;
	struct command_forward *list = mem_new(c->forward_count * sizeof *list);
	for (size_t i = 0; i < c->forward_count; i++)
		list[i] = (struct command_forward){.name = c->forwards[i].name};
	struct command_spec spec = command_spec(list, c->forward_count);
	int status = command_check(&spec, &e);
	if (status)
		buf_print(errors, "%s\n", e.text);
	free(list);
	return status;
}

static void on_command_end(void *owner, int status)
{
	(void)owner;
	Ready.spec.end(status);
}

static void start_command(void)
{
	size_t n = manager_count(Ready.spec.manager);
	struct command_forward *list = mem_new(n * sizeof *list);
	struct command_spec spec = command_spec(list, n);
	for (size_t i = 0; i < n; i++) {
		const struct forward *f = manager_forward(Ready.spec.manager, i);
		const struct config_forward *own = forward_config(f);
		list[i] = (struct command_forward){
			own->name, own->local_address, forward_local_port(f)};
	}
	Ready.command_runs = true;
	credential_terminal(false);
	command_start(&spec, on_command_end, NULL);
	free(list);
}

/* ---- others ---- */

static void go_to_background(void)
{
	char *log = realpath(log_file(), NULL);
	struct buf text = {0};
	buf_print(&text, "porter runs in the background: pid %ld, log %s", (long)getpid(),
		log ? log : log_file());
	buf_put(&text, "", 1);
	if (!detach_ready((const char *)buf_data(&text)))
		Ready.spec.end(EXIT_FATAL);
	buf_free(&text);
	free(log);
}

static void tell_systemd(enum notify what)
{
	char words[NOTIFY_WORDS];
	snprintf(words, sizeof words, "%zu of %zu forwards are Active",
		manager_active(Ready.spec.manager), manager_wanted(Ready.spec.manager));
	notify_tell(what, words);
}

/* ---- the moment ---- */

static void become_ready(void)
{
	Ready.is = true;
	timer_stop(&Ready.limit);
	tell_systemd(NOTIFY_READY);
	if (Ready.spec.options->detach)
		go_to_background();
	if (Ready.spec.options->command)
		start_command();
}

void ready_look(void)
{
	bool all = manager_active(Ready.spec.manager) == manager_wanted(Ready.spec.manager);
	if (!Ready.is && (all || !is_waited_for()))
		become_ready();
	else
		tell_systemd(NOTIFY_STATUS);
}

void ready_reload(bool done)
{
	if (Ready.is && !done)
		notify_tell(NOTIFY_RELOADING, NULL);
	else if (Ready.is)
		tell_systemd(NOTIFY_READY);
	else if (done)
		ready_look();
}

static void tell_why(const struct forward *f)
{
	char info[FORWARD_INFO];
	const char *why = forward_error(f)->text;
	forward_info(f, info);
	why = *why ? why : *info ? info : forward_state_name(forward_state(f));
	fprintf(stderr, "Error: '%s' is not Active in time: %s\n", forward_name(f), why);
}

static void on_limit(struct timer *timer)
{
	(void)timer;
	log_line(LOG_ERROR, "stopping",
		LOG_FIELDS(LOG_STR("reason", "not every forward is Active in time")));
	Ready.spec.end(EXIT_NOT_READY);
	for (size_t i = 0; i < manager_count(Ready.spec.manager); i++) {
		const struct forward *f = manager_forward(Ready.spec.manager, i);
		if (forward_state(f) != FORWARD_ACTIVE && forward_state(f) != FORWARD_STOPPED)
			tell_why(f);
	}
}

void ready_init(const struct ready_spec *spec)
{
	Ready.spec = *spec;
}

void ready_begin(void)
{
	int64_t ms = Ready.spec.options->wait_ms;
	if (is_waited_for() && ms)
		timer_after(&Ready.limit, ms > 0 ? ms : READY_LIMIT_MS);
	ready_look();
}

bool ready_is(void)
{
	return Ready.is || !is_waited_for();
}

bool ready_command_runs(void)
{
	return Ready.command_runs;
}

void ready_end(void)
{
	timer_stop(&Ready.limit);
}
