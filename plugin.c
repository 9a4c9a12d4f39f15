/* A run of a credential plugin, as client-go does it (plugin/pkg/client/auth/exec), on the
 * loop and within limits. */
#include "plugin.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "loop.h"
#include "text.h"

struct plugin {
	char *command, *api_version, *hint;
	int64_t limit_ms;
	struct child *child; /* NULL: it was refused, or has ended */
	struct task refusal;
	struct err err;
	void (*on)(void *owner, struct exec_credential *c, const struct err *e);
	void *owner;
};

/* ---- the end ---- */

static void free_plugin(void *owner)
{
	struct plugin *p = owner;
	free(p->command);
	free(p->api_version);
	free(p->hint);
	free(p);
}

void plugin_cancel(struct plugin *p)
{
	if (p->child)
		child_kill(p->child);
	task_drop(&p->refusal);
	loop_free_later(p, free_plugin);
}

static void finish(struct plugin *p, struct exec_credential *c)
{
	plugin_cancel(p);
	p->on(p->owner, c, &p->err);
	exec_credential_free(c);
}

static void fail(struct plugin *p, enum err_kind kind, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void fail(struct plugin *p, enum err_kind kind, int code, const char *fmt, ...)
{
	char what[ERR_TEXT];
	va_list args;
	va_start(args, fmt);
	vsnprintf(what, sizeof what, fmt, args);
	va_end(args);
	err_set(&p->err, kind, code, "plugin %s: %s", p->command, what);
}

static void not_started(struct plugin *p, int error)
{
	if (error != ENOENT && error != ENOTDIR)
		fail(p, ERR_LOCAL, error, "cannot run it: %s", strerror(error));
	else if (p->hint)
		fail(p, ERR_LOCAL, error, "no such program: %s", p->hint);
	else
		fail(p, ERR_LOCAL, error, "no such program");
}

static void failed(struct plugin *p, const struct child_end *end)
{
	struct span said = text_last_line((const char *)buf_data(&end->err), buf_len(&end->err));
	int n = (int)text_fit(said.p, said.n, ERR_TEXT - 1);
	switch (end->how) {
	case CHILD_EXITED:
		if (n)
			fail(p, ERR_UNAUTHORIZED, 0, "%.*s", n, said.p);
		else
			fail(p, ERR_UNAUTHORIZED, 0, "exit status %d", end->value);
		break;
	case CHILD_SIGNALLED:
		fail(p, ERR_UNAUTHORIZED, 0, "killed by signal %d", end->value);
		break;
	case CHILD_TIMED_OUT:
		fail(p, ERR_NETWORK, ETIMEDOUT, "not done within %lld s",
			(long long)p->limit_ms / 1000);
		break;
	case CHILD_TOO_MUCH:
		fail(p, ERR_LOCAL, 0, "more than %d KiB of output", PLUGIN_OUTPUT_MAX / 1024);
		break;
	case CHILD_NOT_STARTED:
		not_started(p, end->value);
		break;
	}
}

static void refuse_expired(struct plugin *p, struct exec_credential *c)
{
	char when[32] = "";
	struct tm tm;
	time_t until = (time_t)(c->until_ms / 1000);
	if (gmtime_r(&until, &tm))
		strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
	fail(p, ERR_UNAUTHORIZED, 0, "what it gives has expired at %s UTC", when);
	exec_credential_free(c);
}

static void read_answer(struct plugin *p, const struct buf *out, struct exec_credential *c)
{
	struct err why = {0};
	if (!exec_credential_parse(
		    c, (const char *)buf_data(out), buf_len(out), p->api_version, &why))
		fail(p, why.kind, why.code, "%s", why.text);
	else if (c->until_ms && c->until_ms <= loop_wall())
		refuse_expired(p, c);
}

static void on_child(void *owner, struct child_end *end)
{
	struct plugin *p = owner;
	struct exec_credential c = {0};
	p->child = NULL;
	if (end->how == CHILD_EXITED && !end->value)
		read_answer(p, &end->out, &c);
	else
		failed(p, end);
	finish(p, &c);
}

static void on_refusal(struct task *task)
{
	struct exec_credential none = {0};
	finish(OWNER_OF(task, struct plugin, refusal), &none);
}

/* ---- the beginning ---- */

static size_t count(char *const *list)
{
	size_t n = 0;
	while (list && list[n])
		n++;
	return n;
}

/* To be freed, but not what is in it. */
static const char **arguments(const struct kubeconfig_exec *x)
{
	const char **argv = mem_new((count(x->args) + 2) * sizeof *argv);
	argv[0] = x->command;
	for (size_t i = 0; i < count(x->args); i++)
		argv[i + 1] = x->args[i];
	return argv;
}

/* In the place of a variable of that name, if there is one: who looks for a name that is
 * there twice may find either. */
static void put_variable(const char **env, const char *variable)
{
	size_t name = strcspn(variable, "=") + 1;
	while (*env && strncmp(*env, variable, name) != 0)
		env++;
	*env = variable;
}

/* To be freed, but not what is in it. */
static const char **environment(const struct kubeconfig_exec *x, const char *info)
{
	const char **env = mem_new((count(environ) + count(x->env) + 2) * sizeof *env);
	for (size_t i = 0; i < count(environ); i++)
		env[i] = environ[i];
	for (size_t i = 0; i < count(x->env); i++)
		put_variable(env, x->env[i]);
	put_variable(env, info);
	return env;
}

static void run(struct plugin *p, const struct kubeconfig *k, bool interactive)
{
	struct buf info = {0};
	buf_print(&info, "KUBERNETES_EXEC_INFO=");
	exec_credential_put(&info, k, interactive);
	buf_put(&info, "", 1);
	const char **argv = arguments(k->exec);
	const char **env = environment(k->exec, (const char *)buf_data(&info));
	p->child = child_start(&(struct child_spec){.argv = argv,
				       .env = env,
				       .asking = interactive,
				       .limit_ms = p->limit_ms,
				       .output_max = PLUGIN_OUTPUT_MAX},
		on_child, p);
	free(argv);
	free(env);
	buf_free_wiped(&info); /* a proxy's URL may have a password */
}

/* In one line: hints have several.  To be freed. */
static char *fold(const char *text)
{
	char *line = mem_dup(text), *to = line;
	for (const char *p = line + strspn(line, " \t\r\n"); *p;) {
		size_t word = strcspn(p, " \t\r\n"), gap = strspn(p + word, " \t\r\n");
		memmove(to, p, word);
		to += word;
		p += word + gap;
		if (*p)
			*to++ = ' ';
	}
	*to = '\0';
	return line;
}

struct plugin *plugin_start(const struct plugin_spec *spec,
	void (*on)(void *owner, struct exec_credential *c, const struct err *e), void *owner)
{
	const struct kubeconfig_exec *x = spec->k->exec;
	bool interactive = spec->terminal && x->interactive != KUBECONFIG_NEVER;
	struct plugin *p = mem_new(sizeof *p);
	*p = (struct plugin){.command = mem_dup(x->command),
		.api_version = mem_dup(x->api_version),
		.hint = x->install_hint ? fold(x->install_hint) : NULL,
		.refusal.on = on_refusal,
		.on = on,
		.owner = owner};
	p->limit_ms = spec->limit_ms ? spec->limit_ms
		      : interactive  ? PLUGIN_TERMINAL_LIMIT_MS
				     : PLUGIN_LIMIT_MS;
	if (interactive || x->interactive != KUBECONFIG_ALWAYS) {
		run(p, spec->k, interactive);
		return p;
	}
	fail(p, ERR_LOCAL, 0,
		"it needs a terminal: run it once by hand, or use a login that does not ask");
	task_post(&p->refusal);
	return p;
}
