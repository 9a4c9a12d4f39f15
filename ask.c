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
#include "mem.h"

enum {
	ANSWER_MS = 5000,
	END_MS = 15000, /* for one that was told to stop */
};

/* One that runs, and what it says it goes by. */
struct one {
	struct ipc_peer peer;
	char *config; /* ""; by the command line; NULL: it does not answer */
	struct err e; /* why */
	bool ends;    /* by itself: another has taken over */
};

struct choice {
	struct one *one;
	size_t count;
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

/* The answer's first word is "ok". */
static bool hear_ok(struct ipc_peer *p, struct buf *message, struct err *e)
{
	if (!hear(p, message, ANSWER_MS, e))
		return err_set(e, ERR_LOCAL, 0, "it does not answer");
	const char *said = (const char *)buf_data(message);
	return !strncmp(said, "ok", 2) ||
	       err_set(e, ERR_LOCAL, 0, "%s", said + (strncmp(said, "error ", 6) ? 0 : 6));
}

static bool request(struct ipc_peer *p, const char *verb, const char *argument, struct buf *message,
	struct err *e)
{
	return tell(p, verb, argument, e) && hear_ok(p, message, e);
}

/* ---- which one ---- */

static void hear_config(struct one *one)
{
	struct buf message = {0};
	if (!one->e.kind && hear_ok(&one->peer, &message, &one->e)) {
		char *rest = (char *)buf_data(&message), *word = strsep(&rest, " ");
		one->ends = !strcmp(word, CONTROL_ENDS);
		one->config = mem_dup(rest ? rest : "");
	}
	buf_free(&message);
}

static void forget(struct one *one)
{
	ipc_hang_up(&one->peer);
	free(one->config);
}

/* Each is told before one is heard: they wait for a word. */
static struct choice find_all(void)
{
	struct ipc_peer *peer;
	struct choice c = {.count = instance_all(&peer)};
	c.one = mem_new((c.count + 1) * sizeof *c.one);
	for (size_t i = 0; i < c.count; i++) {
		c.one[i].peer = peer[i];
		tell(&c.one[i].peer, "config", NULL, &c.one[i].e);
	}
	for (size_t i = 0; i < c.count; i++)
		hear_config(&c.one[i]);
	free(peer);
	return c;
}

static bool is_meant(const struct one *one, const struct options *o, const char *path)
{
	return (!o->pid || o->pid == one->peer.pid) &&
	       (!path || (one->config && !strcmp(one->config, path)));
}

static struct choice find(const struct options *o)
{
	char path[PATH_MAX];
	const char *named = o->config_is_set ? o->config : NULL;
	struct choice all = find_all(), c = {mem_new((all.count + 1) * sizeof *c.one), 0};
	if (named && realpath(named, path))
		named = path;
	for (size_t i = 0; i < all.count; i++)
		if (is_meant(&all.one[i], o, named))
			c.one[c.count++] = all.one[i];
		else
			forget(&all.one[i]);
	free(all.one);
	return c;
}

/* One that ends by itself is meant where there is no other. */
static void leave_ending_out(struct choice *c)
{
	size_t n = 0, kept = 0;
	for (size_t i = 0; i < c->count; i++)
		n += !c->one[i].ends;
	for (size_t i = 0, all = c->count; n && i < all; i++)
		if (c->one[i].ends)
			forget(&c->one[i]);
		else
			c->one[kept++] = c->one[i];
	c->count = n ? n : c->count;
}

static int tell_none(const struct options *o)
{
	bool chosen = o->config_is_set || o->pid;
	fprintf(stderr, "Error: no nanoporter of yours %s\n",
		chosen ? "runs that is meant by -config or -pid" : "is running");
	return EXIT_FATAL;
}

static int tell_many(const struct choice *c)
{
	fprintf(stderr,
		"Error: several nanoporters of yours are running: name one by -pid or -config\n");
	for (size_t i = 0; i < c->count; i++) {
		const struct one *one = &c->one[i];
		const char *how = !one->config   ? one->e.text
				  : *one->config ? one->config
						 : "by the command line";
		fprintf(stderr, "  PID %ld: %s\n", (long)one->peer.pid, how);
	}
	return EXIT_FATAL;
}

/* ---- what it says ---- */

static int tell_error(const struct ipc_peer *p, const struct err *e)
{
	fprintf(stderr, "Error: nanoporter (PID: %ld): %s\n", (long)p->pid, e->text);
	return EXIT_FATAL;
}

static int print_status(struct ipc_peer *p, bool json)
{
	struct buf message = {0};
	struct err e = {0};
	bool ok = request(p, json ? "status-json" : "status", NULL, &message, &e);
	while (ok && hear(p, &message, ANSWER_MS, &e))
		fputs((const char *)buf_data(&message), stdout);
	buf_free(&message);
	return e.kind ? tell_error(p, &e) : EXIT_OK;
}

static int print_all(const struct choice *c, bool json)
{
	int status = EXIT_OK;
	for (size_t i = 0; i < c->count; i++) {
		if (i && !json)
			putchar('\n');
		struct one *one = &c->one[i];
		int its = one->e.kind ? tell_error(&one->peer, &one->e)
				      : print_status(&one->peer, json);
		status = status ? status : its;
	}
	if (fflush(stdout))
		return EXIT_FATAL;
	return status;
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

/* What has not been answered yet would be taken for the answer to this. */
static int ask_one(struct one *one, const struct options *o)
{
	const char *name = o->reconnect ? o->reconnect : o->disable ? o->disable : o->enable;
	if (one->e.kind)
		return tell_error(&one->peer, &one->e);
	return o->stop ? stop(&one->peer) : order(&one->peer, options_order(o), name);
}

int ask(const struct options *o)
{
	struct choice c = find(o);
	if (!o->status)
		leave_ending_out(&c);
	int status = !c.count      ? tell_none(o)
		     : o->status   ? print_all(&c, o->json)
		     : c.count > 1 ? tell_many(&c)
				   : ask_one(&c.one[0], o);
	for (size_t i = 0; i < c.count; i++)
		forget(&c.one[i]);
	free(c.one);
	return status;
}
