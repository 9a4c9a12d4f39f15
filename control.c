/* Verbs, and the one conversation by which ports are handed over. */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conflict.h"
#include "instance.h"
#include "ipc.h"
#include "log.h"
#include "mem.h"
#include "nearest.h"
#include "takeover.h"

static struct {
	struct control_spec spec;
	struct ipc_call *heir; /* takes the ports over; or NULL */
	struct buf taken;      /* " 127.0.0.1:8080 127.0.0.1:8081": by the heir */
} Control;

static struct manager *forwards(void)
{
	return Control.spec.manager;
}

/* ---- answers ---- */

static void say(struct ipc_call *call, const char *words)
{
	ipc_say(call, words, strlen(words));
}

static void answer(struct ipc_call *call, const char *words)
{
	say(call, words);
	ipc_end(call);
}

static void refuse(struct ipc_call *call, struct buf *words)
{
	buf_put(words, "", 1);
	answer(call, (const char *)buf_data(words));
	buf_free(words);
}

static void answer_with(struct ipc_call *call,
	void (*put)(struct buf *, const struct manager *, const struct status_of *))
{
	struct buf text = {0};
	put(&text, forwards(), Control.spec.self);
	say(call, "ok");
	ipc_say(call, buf_data(&text), buf_len(&text));
	ipc_end(call);
	buf_free(&text);
}

static void serve_status(struct ipc_call *call, const char *argument)
{
	(void)argument;
	answer_with(call, status_table);
}

static void serve_json(struct ipc_call *call, const char *argument)
{
	(void)argument;
	answer_with(call, status_json);
}

/* More may be asked. */
static void serve_config(struct ipc_call *call, const char *argument)
{
	const char *path = Control.spec.self->config;
	struct buf text = {0};
	(void)argument;
	buf_print(&text, "%s %s", Control.spec.self->draining ? CONTROL_ENDS : "ok",
		path ? path : "");
	ipc_say(call, buf_data(&text), buf_len(&text));
	buf_free(&text);
}

/* The conversation ends when we do. */
static void serve_stop(struct ipc_call *call, const char *argument)
{
	(void)argument;
	say(call, "ok");
	Control.spec.stop();
}

/* ---- one forward ---- */

static void name_error(struct buf *words, const char *name, bool several)
{
	struct nearest best = nearest_to(name);
	for (size_t i = 0; i < manager_count(forwards()); i++) {
		const struct forward *f = manager_forward(forwards(), i);
		nearest_consider(&best, forward_config(f)->name);
		nearest_consider(&best, forward_name(f));
	}
	buf_print(words, "%s '%s'", several ? "several forwards are called" : "there is no forward",
		name);
	if (several)
		buf_print(words, ": name one by its section");
	else if (best.word)
		buf_print(words, ": did you mean '%s'?", best.word);
}

static bool reconnect(struct forward *f, struct buf *words)
{
	bool stopped = forward_state(f) == FORWARD_STOPPED;
	if (stopped)
		buf_print(words, "'%s' is Stopped: -enable starts it", forward_name(f));
	else
		forward_reconnect(f);
	return !stopped;
}

static bool disable(struct forward *f, struct buf *words)
{
	(void)words;
	forward_stop(f);
	return true;
}

/* Who has its port; without the remedy, which is for those who start. */
static void tell_holder(const struct forward *f, struct buf *words)
{
	char none[] = "";
	struct config_cluster cluster = {.name = none};
	struct config_forward own = *forward_config(f);
	const struct config c = {
		.clusters = &cluster, .cluster_count = 1, .forwards = &own, .forward_count = 1};
	struct buf lines = {0};
	own.cluster = 0;
	own.local_port = forward_local_port(f);
	conflict_free_ports(&c, &lines);
	buf_put(&lines, "", 1);
	const char *first = (const char *)buf_data(&lines);
	buf_put(words, first, strcspn(first, "\n"));
	buf_free(&lines);
}

static bool enable(struct forward *f, struct buf *words)
{
	struct err e = {0};
	size_t before = buf_len(words);
	bool done = forward_resume(f, &e);
	if (!done)
		tell_holder(f, words);
	if (!done && buf_len(words) == before)
		buf_print(words, "%s", e.text);
	return done;
}

/* What was handed over must stay as it is: who stops a socket stops it for all. */
static bool is_ours(struct buf *words)
{
	bool is = !Control.heir && !Control.spec.self->draining;
	if (!is)
		buf_print(words, "another porter takes over from this one");
	return is;
}

bool control_stop(struct forward *f, struct buf *words)
{
	return is_ours(words) && disable(f, words);
}

bool control_start(struct forward *f, struct buf *words)
{
	return is_ours(words) && enable(f, words);
}

static void serve_forward(
	struct ipc_call *call, const char *name, bool (*act)(struct forward *f, struct buf *words))
{
	bool several;
	struct forward *f = manager_find(forwards(), name, &several);
	struct buf words = {0};
	buf_print(&words, "error ");
	bool ours = is_ours(&words);
	if (ours && !f)
		name_error(&words, name, several);
	if (!ours || !f || !act(f, &words)) {
		refuse(call, &words);
		return;
	}
	control_claim();
	answer(call, "ok");
	buf_free(&words);
}

static void serve_reconnect(struct ipc_call *call, const char *name)
{
	serve_forward(call, name, reconnect);
}

static void serve_disable(struct ipc_call *call, const char *name)
{
	serve_forward(call, name, disable);
}

static void serve_enable(struct ipc_call *call, const char *name)
{
	serve_forward(call, name, enable);
}

/* ---- handing over ---- */

static void put_name(struct buf *out, const struct forward *f)
{
	buf_print(out, "%s:%u", forward_config(f)->local_address, forward_local_port(f));
}

static void serve_hand_over(struct ipc_call *call, const char *argument)
{
	struct buf text = {0};
	int fd[IPC_FDS];
	size_t n = 0;
	(void)argument;
	if (Control.heir) {
		answer(call, "error another porter is taking over already");
		return;
	}
	Control.heir = call;
	say(call, "ok");
	for (size_t i = 0; i < manager_count(forwards()); i++) {
		const struct forward *f = manager_forward(forwards(), i);
		size_t more = forward_sockets(f, fd + n);
		for (size_t k = 0; k < more; k++) {
			put_name(&text, f);
			buf_print(&text, " %s\n", forward_name(f));
		}
		n += more;
		if (n + LISTENER_SOCKETS > IPC_FDS || buf_len(&text) > IPC_MESSAGE / 2) {
			buf_put(&text, "", 1);
			ipc_hand(call, (const char *)buf_data(&text), fd, n);
			buf_eat(&text, buf_len(&text));
			n = 0;
		}
	}
	buf_put(&text, "", 1);
	if (n)
		ipc_hand(call, (const char *)buf_data(&text), fd, n);
	buf_free(&text);
	say(call, TAKEOVER_ALL);
}

static bool is_taken(const struct forward *f)
{
	struct buf name = {0};
	buf_print(&name, " ");
	put_name(&name, f);
	buf_print(&name, " ");
	buf_put(&name, "", 1);
	bool is = strstr((const char *)buf_data(&Control.taken), (const char *)buf_data(&name));
	buf_free(&name);
	return is;
}

static void serve_taken(struct ipc_call *call, const char *ports)
{
	if (call == Control.heir)
		buf_print(&Control.taken, " %s", ports);
	else
		answer(call, "error nothing was handed over");
}

static void drain(bool others)
{
	buf_print(&Control.taken, " ");
	buf_put(&Control.taken, "", 1);
	for (size_t i = 0; i < manager_count(forwards()); i++) {
		struct forward *f = manager_forward(forwards(), i);
		if (others || is_taken(f))
			forward_drain(f);
	}
	buf_free(&Control.taken);
}

static void serve_done(struct ipc_call *call, const char *argument)
{
	pid_t by = ipc_asker(call);
	(void)argument;
	if (call != Control.heir) {
		answer(call, "error nothing was handed over");
		return;
	}
	bool stays = Control.spec.keeps_others();
	Control.heir = NULL;
	drain(!stays);
	control_claim();
	answer(call, stays ? TAKEOVER_STAYS : "ok");
	Control.spec.taken_over(by);
}

/* ---- requests ---- */

static const struct verb {
	const char *name;
	bool has_argument;
	void (*serve)(struct ipc_call *call, const char *argument);
} Verbs[] = {
	{"status", false, serve_status},
	{"status-json", false, serve_json},
	{"config", false, serve_config},
	{"stop", false, serve_stop},
	{"reconnect", true, serve_reconnect},
	{"disable", true, serve_disable},
	{"enable", true, serve_enable},
	{TAKEOVER_HAND_OVER, false, serve_hand_over},
	{TAKEOVER_TAKEN, true, serve_taken},
	{TAKEOVER_DONE, false, serve_done},
};

/* The argument behind its name; NULL: it is another one. */
static const char *argument_of(const struct verb *v, const char *request)
{
	size_t n = strlen(v->name);
	if (strncmp(request, v->name, n) != 0)
		return NULL;
	if (!request[n])
		return v->has_argument ? NULL : request + n;
	return v->has_argument && request[n] == ' ' ? request + n + 1 : NULL;
}

static void on_asked(void *owner, struct ipc_call *call, const char *message)
{
	size_t n = strlen(INSTANCE_SPEAKS);
	(void)owner;
	for (size_t i = 0;
		!strncmp(message, INSTANCE_SPEAKS, n) && i < sizeof Verbs / sizeof *Verbs; i++) {
		const char *argument = argument_of(&Verbs[i], message + n);
		if (argument) {
			Verbs[i].serve(call, argument);
			return;
		}
	}
	answer(call,
		"error this porter does not understand what it is asked: is it another version?");
}

static void on_gone(void *owner, struct ipc_call *call)
{
	(void)owner;
	if (call != Control.heir)
		return;
	Control.heir = NULL;
	buf_free(&Control.taken);
}

/* ---- the whole ---- */

void control_begin(const struct control_spec *spec)
{
	static const struct ipc_ops Ops = {on_asked, on_gone};
	Control.spec = *spec;
	instance_begin(&Ops, NULL);
	control_claim();
}

void control_claim(void)
{
	size_t n = 0, count = manager_count(forwards());
	struct instance_port *port = mem_new((count + 1) * sizeof *port);
	for (size_t i = 0; i < count; i++) {
		const struct forward *f = manager_forward(forwards(), i);
		int fd[LISTENER_SOCKETS];
		if (forward_sockets(f, fd))
			port[n++] = (struct instance_port){
				forward_config(f)->local_address, forward_local_port(f)};
	}
	instance_claim(port, n);
	free(port);
}

void control_end(void)
{
	instance_end();
	buf_free(&Control.taken);
}
