/* Variables, words and signals of the command.  Its start and end as a process are
 * child.c's, when it is time for either is for others. */
#include "command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "child.h"
#include "exit.h"
#include "loop.h"
#include "mem.h"
#include "text.h"

enum { VARIABLES = 2 }; /* of each forward */

static struct {
	struct child *child; /* NULL: there is none */
	const char *program;
	void (*on)(void *owner, int status);
	void *owner;
} Command;

static char *take_text(struct buf *b)
{
	char *text = mem_dup_n(buf_data(b), buf_len(b));
	buf_free(b);
	return text;
}

/* ---- what it finds in its environment ---- */

static char upper(uint32_t c)
{
	if (c >= 'a' && c <= 'z')
		return (char)(c - 'a' + 'A');
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? (char)c : '_';
}

/* "PORTER_MY_API" for "my-api". */
static char *prefix_of(const char *name)
{
	struct buf b = {0};
	buf_print(&b, "PORTER_");
	for (size_t n; *name; name += n) {
		uint32_t c = 0;
		n = text_char(name, 4, &c);
		n = n ? n : 1;
		buf_print(&b, "%c", upper(c));
	}
	return take_text(&b);
}

static void put_variables(char **to, const struct command_forward *f)
{
	char *prefix = prefix_of(f->name);
	struct buf b = {0};
	buf_print(&b, "%s_ADDR=%s", prefix, f->address);
	to[0] = take_text(&b);
	buf_print(&b, "%s_PORT=%u", prefix, f->port);
	to[1] = take_text(&b);
	free(prefix);
}

static bool is_one_of(const char *entry, char *const *ours, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strncmp(entry, ours[i], strcspn(ours[i], "=") + 1))
			return true;
	return false;
}

/* Porter's own environment, without those that a porter around it has put there. */
static const char **environment(char *const *ours, size_t n)
{
	size_t count = 0, kept = 0;
	while (environ[count])
		count++;
	const char **env = mem_new((count + n + 1) * sizeof *env);
	for (size_t i = 0; i < count; i++)
		if (!is_one_of(environ[i], ours, n))
			env[kept++] = environ[i];
	for (size_t i = 0; i < n; i++)
		env[kept++] = ours[i];
	return env;
}

/* ---- what can be known before ---- */

static int look_at(const char *path)
{
	struct stat s;
	if (stat(path, &s))
		return errno == EACCES ? EXIT_COMMAND_NOT_RUN : EXIT_COMMAND_NOT_FOUND;
	return S_ISREG(s.st_mode) && !access(path, X_OK) ? 0 : EXIT_COMMAND_NOT_RUN;
}

/* As execvp(3) does, which goes on behind what it may not run. */
static int look_for(const char *program)
{
	int status = EXIT_COMMAND_NOT_FOUND;
	const char *path = getenv("PATH");
	if (strchr(program, '/') || !*program)
		return look_at(program);
	for (size_t n; status && path; path = path[n] ? path + n + 1 : NULL) {
		struct buf b = {0};
		n = strcspn(path, ":");
		buf_print(&b, "%.*s%s%s", (int)n, path, n ? "/" : "", program);
		char *file = take_text(&b);
		int found = look_at(file);
		status = found < status ? found : status;
		free(file);
	}
	return getenv("PATH") ? status : 0; /* the system's own, which execvp(3) knows */
}

static bool check_names(char *const *prefix, const struct command_spec *spec, struct err *e)
{
	for (size_t i = 0; i < spec->forwards; i++)
		for (size_t j = 0; j < i; j++)
			if (!strcmp(prefix[i], prefix[j]))
				return err_set(e, ERR_LOCAL, 0,
					"forwards '%s' and '%s' would both be %s_PORT to the "
					"command: one needs another name",
					spec->forward[j].name, spec->forward[i].name, prefix[i]);
	return true;
}

int command_check(const struct command_spec *spec, struct err *e)
{
	int status = look_for(spec->argv[0]);
	char **prefix = mem_new((spec->forwards + 1) * sizeof *prefix);
	for (size_t i = 0; i < spec->forwards; i++)
		prefix[i] = prefix_of(spec->forward[i].name);
	if (status)
		err_set(e, ERR_LOCAL, 0, "cannot run '%s': %s", spec->argv[0],
			exit_command_meaning((enum exit_command)status));
	else if (!check_names(prefix, spec, e))
		status = EXIT_COMMAND_PORTER;
	for (size_t i = 0; i < spec->forwards; i++)
		free(prefix[i]);
	free(prefix);
	return status;
}

/* ---- while it runs ---- */

/* A terminal's signals go to the whole group, and so to the command: but when it
 * hangs up, SIGHUP is for the leader of its session alone. */
static void pass_on(int signo, bool by_kernel)
{
	bool has_it = by_kernel && (signo != SIGHUP || getsid(0) != getpid());
	if (Command.child && !has_it)
		child_signal(Command.child, signo);
}

static int status_of(const struct child_end *end)
{
	if (end->how == CHILD_EXITED)
		return end->value;
	if (end->how == CHILD_SIGNALLED)
		return EXIT_BY_SIGNAL + end->value;
	return end->value == ENOENT || end->value == ENOTDIR ? EXIT_COMMAND_NOT_FOUND
							     : EXIT_COMMAND_NOT_RUN;
}

static void on_end(void *owner, struct child_end *end)
{
	(void)owner;
	Command.child = NULL;
	if (end->how == CHILD_NOT_STARTED)
		fprintf(stderr, "Error: cannot run '%s': %s\n", Command.program,
			strerror(end->value));
	Command.on(Command.owner, status_of(end));
}

void command_start(
	const struct command_spec *spec, void (*on)(void *owner, int status), void *owner)
{
	static const int Passed[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
	size_t n = VARIABLES * spec->forwards;
	char **ours = mem_new((n + 1) * sizeof *ours);
	for (size_t i = 0; i < spec->forwards; i++)
		put_variables(ours + VARIABLES * i, &spec->forward[i]);
	const char **env = environment(ours, n);
	for (size_t i = 0; i < sizeof Passed / sizeof *Passed; i++)
		loop_on_signal(Passed[i], pass_on);
	Command.program = spec->argv[0];
	Command.on = on;
	Command.owner = owner;
	Command.child =
		child_start(&(struct child_spec){.argv = spec->argv, .env = env, .attached = true},
			on_end, NULL);
	for (size_t i = 0; i < n; i++)
		free(ours[i]);
	free(ours);
	free(env);
}
