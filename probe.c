/* tcp and http share one socket's life; exec is a child's.  All of them end in
 * finish(). */
#include "probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buf.h"
#include "child.h"
#include "dial.h"
#include "http.h"
#include "loop.h"
#include "mem.h"
#include "text.h"
#include "words.h"

struct probe {
	enum probe_kind kind;
	struct dial *dial; /* until it is connected */
	struct io io;
	struct timer timer; /* until it must be connected; then, until the verdict */
	struct buf out, in;
	size_t passed; /* bytes of `in` that are interim heads (1xx) */
	struct child *child;
	char *program;
	struct err err;
	void (*on)(void *owner, const struct err *e, const char *said);
	void *owner;
};

/* ---- the setting ---- */

static bool parse_tcp(struct probe_spec *spec, const char *rest, struct err *e)
{
	if (*rest)
		return err_set(e, ERR_LOCAL, 0, "%s", "");
	spec->kind = PROBE_TCP;
	return true;
}

static bool parse_http(struct probe_spec *spec, const char *rest, struct err *e)
{
	if (*rest != '/')
		return err_set(e, ERR_LOCAL, 0, "a path begins with '/'");
	for (const char *p = rest; *p; p++)
		if (*p <= ' ' || *p > '~')
			return err_set(e, ERR_LOCAL, 0,
				"a path is ASCII without blanks: write %%%02X", (uint8_t)*p);
	*spec = (struct probe_spec){.kind = PROBE_HTTP, .path = mem_dup(rest)};
	return true;
}

static bool parse_exec(struct probe_spec *spec, const char *rest, struct err *e)
{
	struct err hint = {0};
	char **argv = words_split(rest, &hint);
	if (!argv)
		return err_set(e, ERR_LOCAL, 0, "%s",
			*hint.text ? hint.text : "a command is missing behind 'exec'");
	*spec = (struct probe_spec){.kind = PROBE_EXEC, .argv = argv};
	return true;
}

bool probe_parse(struct probe_spec *spec, const char *text, struct err *e)
{
	static const struct {
		const char *name;
		bool (*parse)(struct probe_spec *spec, const char *rest, struct err *e);
	} Kinds[] = {
		{"tcp", parse_tcp},
		{"http", parse_http},
		{"exec", parse_exec},
	};
	struct span kind = {text, strcspn(text, " \t")};
	const char *rest = text + kind.n + strspn(text + kind.n, " \t");
	for (size_t i = 0; i < sizeof Kinds / sizeof *Kinds; i++)
		if (span_is(kind, Kinds[i].name))
			return Kinds[i].parse(spec, rest, e);
	return err_set(e, ERR_LOCAL, 0, "%s", "");
}

void probe_spec_free(struct probe_spec *spec)
{
	words_free(spec->argv);
	free(spec->path);
	*spec = (struct probe_spec){0};
}

/* ---- the end ---- */

static void free_probe(void *owner)
{
	struct probe *p = owner;
	buf_free(&p->out);
	buf_free(&p->in);
	free(p->program);
	free(p);
}

void probe_cancel(struct probe *p)
{
	if (p->dial)
		dial_cancel(p->dial);
	if (p->child)
		child_kill(p->child);
	io_close(&p->io);
	timer_stop(&p->timer);
	loop_free_later(p, free_probe);
}

static void finish(struct probe *p, const char *said)
{
	probe_cancel(p);
	p->on(p->owner, &p->err, said);
}

/* ---- tcp and http ---- */

static void broke(struct probe *p, int error)
{
	bool reset = error == ECONNRESET || error == EPIPE;
	err_set(&p->err, ERR_NOT_READY, 0, "probe: %s",
		reset ? "the connection was reset" : strerror(error));
	finish(p, "");
}

static void judge_status(struct probe *p, int status)
{
	if (status < 200 || status > 399)
		err_set(&p->err, ERR_NOT_READY, status, "probe: HTTP status %d", status);
	finish(p, "");
}

static bool is_interim(int status)
{
	return status < 200 && status != 101;
}

static void read_answer(struct probe *p)
{
	struct http_head head;
	ptrdiff_t n;
	do {
		n = http_read_head(
			&head, buf_data(&p->in) + p->passed, buf_len(&p->in) - p->passed);
		p->passed += n > 0 ? (size_t)n : 0;
	} while (n > 0 && is_interim(head.status));
	if (n > 0) {
		judge_status(p, head.status);
	} else if (n < 0) {
		err_set(&p->err, ERR_NOT_READY, 0, "probe: the answer is not HTTP");
		finish(p, "");
	} else if (buf_len(&p->in) == PROBE_HEAD_MAX) {
		err_set(&p->err, ERR_NOT_READY, 0, "probe: the answer's head is over %d KiB",
			PROBE_HEAD_MAX / 1024);
		finish(p, "");
	}
}

/* Data (n > 0), or the end. */
static void heard(struct probe *p, size_t n)
{
	if (p->kind == PROBE_HTTP && n) {
		buf_push(&p->in, n);
		read_answer(p);
		return;
	}
	if (p->kind == PROBE_HTTP)
		err_set(&p->err, ERR_NOT_READY, 0, "probe: the connection ended without an answer");
	finish(p, "");
}

static void send_rest(struct probe *p)
{
	size_t n = buf_len(&p->out);
	ssize_t sent = n ? send(p->io.fd, buf_data(&p->out), n, MSG_NOSIGNAL) : 0;
	if (sent < 0 && errno != EAGAIN && errno != EINTR) {
		broke(p, errno);
		return;
	}
	buf_eat(&p->out, sent > 0 ? (size_t)sent : 0);
	io_want(&p->io, EPOLLIN | (buf_len(&p->out) ? EPOLLOUT : 0));
}

static void on_socket(struct io *io, uint32_t events)
{
	struct probe *p = OWNER_OF(io, struct probe, io);
	size_t room = PROBE_HEAD_MAX - buf_len(&p->in);
	ssize_t n = recv(io->fd, buf_room(&p->in, room), room, 0);
	(void)events;
	if (n >= 0)
		heard(p, (size_t)n);
	else if (errno == EAGAIN || errno == EINTR)
		send_rest(p);
	else
		broke(p, errno);
}

static void on_dial(void *owner, int fd, const struct err *e)
{
	struct probe *p = owner;
	p->dial = NULL;
	if (fd < 0 && e->code == ECONNRESET) { /* it was taken, and reset before we looked */
		broke(p, e->code);
		return;
	}
	if (fd < 0) {
		err_set(&p->err, ERR_LOCAL, e->code, "probe: %s", e->text);
		finish(p, "");
		return;
	}
	if (p->kind == PROBE_TCP)
		timer_after(&p->timer, PROBE_QUIET_MS);
	io_open(&p->io, fd, on_socket);
	send_rest(p);
}

/* For tcp, no news is good news. */
static void on_timer(struct timer *timer)
{
	struct probe *p = OWNER_OF(timer, struct probe, timer);
	if (p->dial)
		err_set(&p->err, ERR_LOCAL, 0, "probe: the local port does not take connections");
	else if (p->kind == PROBE_HTTP)
		err_set(&p->err, ERR_NOT_READY, 0, "probe: no answer within %d s",
			PROBE_LIMIT_MS / 1000);
	finish(p, "");
}

static void start_socket(
	struct probe *p, const struct probe_spec *spec, const struct probe_target *at)
{
	bool http = spec->kind == PROBE_HTTP;
	if (http)
		buf_print(&p->out,
			"GET %s HTTP/1.1\r\nHost: localhost:%u\r\nUser-Agent: porter-probe\r\n"
			"Accept: */*\r\nConnection: close\r\n\r\n",
			spec->path, at->port);
	timer_after(&p->timer, http ? PROBE_LIMIT_MS : PROBE_LIMIT_MS - PROBE_QUIET_MS);
	p->dial = dial_start(at->address, at->port, on_dial, p);
}

/* ---- exec ---- */

static struct span last_line(const struct buf *b)
{
	return text_last_line((const char *)buf_data(b), buf_len(b));
}

/* Of the first one that has a line with something in it; to be freed. */
static char *last_words(const struct buf *first, const struct buf *second)
{
	struct span line = last_line(first);
	if (!line.n)
		line = last_line(second);
	char *words = mem_dup_n(line.p, text_fit(line.p, line.n, ERR_TEXT - 1));
	text_clean(words);
	return words;
}

static void not_started(struct probe *p, int error)
{
	if (error == ENOENT)
		err_set(&p->err, ERR_LOCAL, error, "probe: no such program: %s", p->program);
	else
		err_set(&p->err, ERR_LOCAL, error, "probe: cannot run %s: %s", p->program,
			strerror(error));
}

static void failed(struct probe *p, const struct child_end *end, const char *said)
{
	switch (end->how) {
	case CHILD_EXITED:
		if (*said)
			err_set(&p->err, ERR_NOT_READY, 0, "probe: %s", said);
		else
			err_set(&p->err, ERR_NOT_READY, 0, "probe: exit status %d", end->value);
		break;
	case CHILD_SIGNALLED:
		err_set(&p->err, ERR_NOT_READY, 0, "probe: killed by signal %d", end->value);
		break;
	case CHILD_TIMED_OUT:
		err_set(&p->err, ERR_NOT_READY, 0, "probe: not done within %d s",
			PROBE_EXEC_LIMIT_MS / 1000);
		break;
	case CHILD_TOO_MUCH:
		err_set(&p->err, ERR_LOCAL, 0, "probe: more than %d KiB of output",
			PROBE_OUTPUT_MAX / 1024);
		break;
	case CHILD_NOT_STARTED:
		not_started(p, end->value);
		break;
	}
}

static void on_child(void *owner, struct child_end *end)
{
	struct probe *p = owner;
	bool well = end->how == CHILD_EXITED && !end->value;
	char *said = well ? last_words(&end->out, &end->err) : last_words(&end->err, &end->out);
	p->child = NULL;
	if (!well)
		failed(p, end, said);
	finish(p, well ? said : "");
	free(said);
}

/* What a program is told. */
enum { PORT, FORWARD, VARIABLES };
static const char *const Variable[VARIABLES] = {"PORTER_LOCAL_PORT=", "PORTER_FORWARD="};

static bool is_ours(const char *variable)
{
	for (int i = 0; i < VARIABLES; i++)
		if (!strncmp(variable, Variable[i], strlen(Variable[i])))
			return true;
	return false;
}

/* porter's own, without ours, and with room for them and a NULL; n: how many. */
static const char **environment(size_t *n)
{
	size_t count = 0;
	while (environ[count])
		count++;
	const char **env = mem_new((count + VARIABLES + 1) * sizeof *env);
	*n = 0;
	for (size_t i = 0; i < count; i++)
		if (!is_ours(environ[i]))
			env[(*n)++] = environ[i];
	return env;
}

static void start_program(
	struct probe *p, const struct probe_spec *spec, const struct probe_target *at)
{
	struct buf ours[VARIABLES] = {0};
	size_t n;
	const char **env = environment(&n);
	buf_print(&ours[PORT], "%s%u%c", Variable[PORT], at->port, '\0');
	buf_print(&ours[FORWARD], "%s%s%c", Variable[FORWARD], at->forward, '\0');
	for (int i = 0; i < VARIABLES; i++)
		env[n++] = (const char *)buf_data(&ours[i]);
	p->program = mem_dup(spec->argv[0]);
	p->child = child_start(&(struct child_spec){.argv = (const char *const *)spec->argv,
				       .env = env,
				       .limit_ms = PROBE_EXEC_LIMIT_MS,
				       .output_max = PROBE_OUTPUT_MAX},
		on_child, p);
	for (int i = 0; i < VARIABLES; i++)
		buf_free(&ours[i]);
	free(env);
}

/* ---- the beginning ---- */

struct probe *probe_start(const struct probe_spec *spec, const struct probe_target *at,
	void (*on)(void *owner, const struct err *e, const char *said), void *owner)
{
	struct probe *p = mem_new(sizeof *p);
	*p = (struct probe){
		.kind = spec->kind, .io.fd = -1, .timer.on = on_timer, .on = on, .owner = owner};
	if (spec->kind == PROBE_EXEC)
		start_program(p, spec, at);
	else
		start_socket(p, spec, at);
	return p;
}
