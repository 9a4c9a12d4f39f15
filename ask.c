/* Which porter, then one request, and what it answers. */
#include "ask.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "control.h"
#include "exit.h"
#include "instance.h"
#include "ipc.h"
#include "loop.h"
#include "mem.h"

enum {
	ANSWER_MS = 5000,
	END_MS = 15000, /* for one that was told to stop */
};

/* One that runs, and what it says it goes by. */
struct one {
	struct ipc_peer peer;
	char *config; /* ""; by the command line; NULL: it does not say */
	struct err e; /* why */
	bool ends;    /* by itself: another has taken over */
	bool meant;
};

struct choice {
	struct one *one;
	size_t count, meant;
};

/* ---- one conversation ---- */

/* The next message, with a NUL behind it; false at the end, or where *e is set. */
static bool hear(struct ipc_peer *p, struct buf *message, int64_t limit_ms, struct err *e)
{
	size_t n = 0;
	buf_eat(message, buf_len(message));
	if (ipc_hear(p, message, NULL, &n, limit_ms, e) <= 0)
		return false;
	buf_put(message, "", 1);
	return true;
}

static bool tell(struct ipc_peer *p, const char *verb, const char *argument, struct err *e)
{
	char *text = mem_print(
		"%s%s%s%s", INSTANCE_SPEAKS, verb, argument ? " " : "", argument ? argument : "");
	bool told = ipc_tell(p, text, ANSWER_MS, e);
	free(text);
	return told;
}

/* What stands behind the answer's first word, which it says; NULL: another one does. */
static const char *behind(const struct buf *message, const char *word)
{
	const char *said = (const char *)buf_data(message);
	size_t n = strlen(word);
	if (strncmp(said, word, n) != 0 || (said[n] && said[n] != ' '))
		return NULL;
	return said[n] ? said + n + 1 : said + n;
}

static bool hear_ok(struct ipc_peer *p, struct buf *message, int64_t limit_ms, struct err *e)
{
	if (!hear(p, message, limit_ms, e))
		return err_set(e, ERR_LOCAL, 0, "it does not answer");
	const char *words = behind(message, "error");
	return behind(message, "ok") || behind(message, CONTROL_ENDS) ||
	       err_set(e, ERR_LOCAL, 0, "%s",
		       words ? words : "its answer is not understood: is it another version?");
}

static bool request(struct ipc_peer *p, const char *verb, const char *argument, struct buf *message,
	struct err *e)
{
	return tell(p, verb, argument, e) && hear_ok(p, message, ANSWER_MS, e);
}

/* ---- which one ---- */

static void hear_config(struct one *one, int64_t until_ms)
{
	struct buf message = {0};
	int64_t left = until_ms - loop_clock();
	if (!one->e.kind && hear_ok(&one->peer, &message, left > 0 ? left : 0, &one->e)) {
		const char *ends = behind(&message, CONTROL_ENDS);
		one->ends = ends;
		one->config = mem_dup(ends ? ends : behind(&message, "ok"));
	}
	buf_free(&message);
}

static void forget(struct choice *c)
{
	for (size_t i = 0; i < c->count; i++) {
		ipc_hang_up(&c->one[i].peer);
		free(c->one[i].config);
	}
	free(c->one);
}

/* All that run; or, where one is named by its pid, that one. */
static struct choice find_all(int64_t pid)
{
	struct ipc_peer *peer;
	size_t n = instance_all(&peer);
	struct choice c = {.one = mem_new((n + 1) * sizeof *c.one)};
	for (size_t i = 0; i < n; i++)
		if (!pid || peer[i].pid == pid)
			c.one[c.count++].peer = peer[i];
		else
			ipc_hang_up(&peer[i]);
	free(peer);
	return c;
}

/* Each is told before one is heard: they wait for a word, and we for none longer than for
 * one. */
static void ask_configs(struct choice *c)
{
	int64_t until = loop_clock() + ANSWER_MS;
	for (size_t i = 0; i < c->count; i++)
		tell(&c->one[i].peer, "config", NULL, &c->one[i].e);
	for (size_t i = 0; i < c->count; i++)
		hear_config(&c->one[i], until);
}

static struct choice find(const struct options *o)
{
	char path[PATH_MAX];
	const char *named = o->config_is_set ? o->config : NULL;
	struct choice c = find_all(o->pid);
	if (named && realpath(named, path))
		named = path;
	ask_configs(&c);
	for (size_t i = 0; i < c.count; i++) {
		struct one *one = &c.one[i];
		one->meant = !named || (one->config && !strcmp(one->config, named));
		c.meant += one->meant;
	}
	return c;
}

/* One that ends by itself takes no orders, where there is another. */
static void leave_ending_out(struct choice *c)
{
	size_t stay = 0;
	for (size_t i = 0; i < c->count; i++)
		stay += c->one[i].meant && !c->one[i].ends;
	for (size_t i = 0; stay && i < c->count; i++)
		c->one[i].meant &= !c->one[i].ends;
	c->meant = stay ? stay : c->meant;
}

static void list(const struct one *one)
{
	const char *how = !one->config   ? one->e.text
			  : *one->config ? one->config
					 : "by the command line";
	fprintf(stderr, "  PID %ld: %s\n", (long)one->peer.pid, how);
}

/* Which one does not say may be the one. */
static int tell_none(const struct choice *c, const struct options *o)
{
	bool chosen = o->config_is_set || o->pid;
	fprintf(stderr, "Error: no nanoporter of yours %s\n",
		chosen ? "runs that is meant by -config or -pid" : "is running");
	for (size_t i = 0; i < c->count; i++)
		if (!c->one[i].config)
			list(&c->one[i]);
	return EXIT_FATAL;
}

static int tell_many(const struct choice *c)
{
	fprintf(stderr,
		"Error: several nanoporters of yours are running: name one by -pid or -config\n");
	for (size_t i = 0; i < c->count; i++)
		if (c->one[i].meant)
			list(&c->one[i]);
	return EXIT_FATAL;
}

/* ---- what it says ---- */

static int tell_error(const struct ipc_peer *p, const struct err *e)
{
	fprintf(stderr, "Error: nanoporter (PID: %ld): %s\n", (long)p->pid, e->text);
	return EXIT_FATAL;
}

/* Nothing of an answer that is cut, however slowly stdout takes it. */
static int print_status(struct ipc_peer *p, bool json)
{
	struct buf message = {0}, all = {0};
	struct err e = {0};
	bool ok = request(p, json ? "status-json" : "status", NULL, &message, &e);
	while (ok && hear(p, &message, ANSWER_MS, &e))
		buf_put(&all, buf_data(&message), buf_len(&message) - 1);
	if (!e.kind)
		fwrite(buf_data(&all), 1, buf_len(&all), stdout);
	buf_free(&message);
	buf_free(&all);
	return e.kind ? tell_error(p, &e) : EXIT_OK;
}

static int print_all(const struct choice *c, bool json)
{
	int status = EXIT_OK;
	const char *between = "";
	for (size_t i = 0; i < c->count; i++) {
		struct one *one = &c->one[i];
		if (!one->meant)
			continue;
		if (!one->config) {
			status = tell_error(&one->peer, &one->e);
			continue;
		}
		fputs(between, stdout);
		between = json ? "" : "\n";
		if (print_status(&one->peer, json))
			status = EXIT_FATAL;
	}
	return fflush(stdout) ? EXIT_FATAL : status;
}

/* It has ended when the conversation breaks off. */
static int stop(struct ipc_peer *p)
{
	struct buf message = {0};
	struct err e = {0}, end = {0};
	bool ok = request(p, "stop", NULL, &message, &e);
	while (ok && hear(p, &message, END_MS, &end))
		;
	buf_free(&message);
	if (ok && end.code == ETIMEDOUT)
		err_set(&e, ERR_LOCAL, 0, "it takes its time to end");
	if (e.kind)
		return tell_error(p, &e);
	printf("nanoporter (PID: %ld) has stopped\n", (long)p->pid);
	return EXIT_OK;
}

static int order(struct ipc_peer *p, const char *verb, const char *name)
{
	struct buf message = {0};
	struct err e = {0};
	request(p, verb, name, &message, &e);
	buf_free(&message);
	return e.kind ? tell_error(p, &e) : EXIT_OK;
}

/* Who did not say by which configuration it goes does nothing else either. */
static int ask_one(const struct choice *c, const struct options *o)
{
	const char *name = o->reconnect ? o->reconnect : o->disable ? o->disable : o->enable;
	struct one *one = c->one;
	while (!one->meant)
		one++;
	if (!one->config)
		return tell_error(&one->peer, &one->e);
	return o->stop ? stop(&one->peer) : order(&one->peer, options_order(o), name);
}

int ask(const struct options *o)
{
	struct choice c = find(o);
	if (!o->status)
		leave_ending_out(&c);
	int status = !c.meant      ? tell_none(&c, o)
		     : o->status   ? print_all(&c, o->json)
		     : c.meant > 1 ? tell_many(&c)
				   : ask_one(&c, o);
	forget(&c);
	return status;
}
