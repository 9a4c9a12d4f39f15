/* The cluster's few connections and the calls that take turns on them.  A call
 * is begun by a task, so whatever becomes of it is told from the loop. */
#include "api.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "credential.h"
#include "http.h"
#include "json.h"
#include "loop.h"
#include "mem.h"

/* One kept connection, or room for one. */
struct link {
	struct cluster *cluster;
	struct conn *conn;     /* NULL: none */
	struct api_call *call; /* that it serves; NULL: none */
	bool used;             /* it has answered before: it may have been closed since */
	unsigned number;       /* of the credential that was shown on it */
	struct timer idle;
	struct buf in; /* received, and not read yet */
};

struct cluster {
	char *name;
	unsigned users; /* calls are users, too */
	struct kubeconfig *k;
	struct tls_anchors *own;           /* of the kubeconfig, or NULL */
	const struct tls_anchors *anchors; /* those or the system's */
	struct credential *credential;
	struct proxy proxy;
	struct api_limits limits;
	enum transport asked, known; /* AUTO: none is */
	struct link link[API_CALLS];
	int64_t turn_ms;          /* of the last that was given out */
	struct api_call *waiting; /* first come first */
	struct task begin;        /* calls, as far as there are links for them */
};

struct api_call {
	struct cluster *cluster;
	struct api_call *next; /* in the queue */
	struct link *link;     /* NULL: in the queue */
	char *path;
	void (*on)(void *owner, const struct api_answer *);
	void *owner;
	const struct api_watch_ops *watch; /* NULL: it is none */
	int64_t watch_ms;
	struct task start; /* of a watch */
	struct credential_wait wait;
	unsigned number; /* of the credential that it was asked with */
	bool again;      /* it is, since that was refused */
	struct timer limit;
	bool heard;      /* a byte of the answer came */
	bool has_head;   /* all of the head came */
	bool keep;       /* the connection may be used again */
	unsigned wait_s; /* the server's wish */
	struct http_body body;
	struct buf text;
	struct document doc;
	struct api_answer answer;
};

/* Passes an error on in the cluster's name. */
static bool blame(const struct cluster *c, struct err *e, const struct err *cause)
{
	return err_set(e, cause->kind, cause->code, "cluster '%s': %s", c->name, cause->text);
}

/* ---- the cluster ---- */

static void link_close(struct link *link)
{
	if (link->conn)
		conn_close(link->conn);
	timer_stop(&link->idle);
	buf_free(&link->in);
	link->conn = NULL;
	link->used = false;
}

static void on_idle(struct timer *timer)
{
	link_close(OWNER_OF(timer, struct link, idle));
}

static void free_cluster(void *p)
{
	struct cluster *c = p;
	tls_anchors_free(c->own);
	proxy_free(&c->proxy);
	credential_free(c->credential);
	kubeconfig_free(c->k);
	free(c->k);
	free(c->name);
	free(c);
}

static bool read_user(struct cluster *c, struct err *e)
{
	const struct kubeconfig *k = c->k;
	if (k->tls && k->ca && !k->insecure)
		c->anchors = c->own = tls_anchors_parse(k->ca, strlen(k->ca), e);
	else if (k->tls && !k->insecure)
		c->anchors = tls_anchors_system(e);
	if (k->tls && !c->anchors && !k->insecure)
		return false;
	c->credential = credential_new(k, e);
	return c->credential;
}

static void begin_calls(struct task *task);

struct cluster *cluster_new(const char *name, struct kubeconfig *k, struct err *e)
{
	struct cluster *c = mem_new(sizeof *c);
	struct err cause = {0};
	*c = (struct cluster){.name = mem_dup(name),
		.users = 1,
		.k = mem_new(sizeof *k),
		.limits = {API_CONNECT_MS, API_LIMIT_MS, API_IDLE_MS, API_BODY_MAX},
		.begin.on = begin_calls};
	*c->k = *k;
	*k = (struct kubeconfig){0};
	for (size_t i = 0; i < API_CALLS; i++)
		c->link[i] = (struct link){.cluster = c, .idle.on = on_idle};
	if (read_user(c, &cause))
		return c;
	blame(c, e, &cause);
	free_cluster(c);
	return NULL;
}

bool cluster_same(const struct cluster *a, const struct cluster *b)
{
	return !strcmp(a->name, b->name) && kubeconfig_same(a->k, b->k);
}

bool cluster_same_server(const struct cluster *a, const struct cluster *b)
{
	return a->k->tls == b->k->tls && a->k->port == b->k->port &&
	       !strcmp(a->k->host, b->k->host) && !strcmp(a->k->prefix, b->k->prefix);
}

/* Waiting calls have not been sent, and idle connections go by the credential's number. */
void cluster_take(struct cluster *c, struct cluster *fresh)
{
	struct cluster old = *c;
	c->k = fresh->k;
	c->own = fresh->own;
	c->anchors = fresh->anchors;
	c->credential = fresh->credential;
	c->proxy = fresh->proxy;
	fresh->k = old.k;
	fresh->own = old.own;
	fresh->anchors = old.anchors;
	fresh->credential = old.credential;
	fresh->proxy = old.proxy;
	credential_hand_over(old.credential, c->credential);
	cluster_drop(fresh);
}

struct cluster *cluster_share(struct cluster *c)
{
	c->users++;
	return c;
}

/* Freed behind its connections, whose TLS points to what is ours. */
void cluster_drop(struct cluster *c)
{
	if (--c->users)
		return;
	for (size_t i = 0; i < API_CALLS; i++)
		link_close(&c->link[i]);
	task_drop(&c->begin);
	loop_free_later(c, free_cluster);
}

struct credential *cluster_credential(const struct cluster *c)
{
	return c->credential;
}

const char *cluster_name(const struct cluster *c)
{
	return c->name;
}

const struct kubeconfig *cluster_kubeconfig(const struct cluster *c)
{
	return c->k;
}

void cluster_limit(struct cluster *c, const struct api_limits *limits)
{
	c->limits = *limits;
}

bool cluster_find_way(struct cluster *c, const char *ssh, char *const *command, struct err *e)
{
	const struct proxy_server to = {.host = c->k->host, .port = c->k->port, .tls = c->k->tls};
	struct err cause = {0};
	bool good = true;
	if (ssh)
		proxy_by_ssh(&c->proxy, ssh, &to);
	else if (command)
		good = proxy_by_command(&c->proxy, command, &to, &cause);
	else
		good = proxy_choose(&c->proxy, c->k->proxy_url, &to, &cause);
	return good || blame(c, e, &cause);
}

const char *transport_name(enum transport t)
{
	static const char *const Name[] = {[TRANSPORT_AUTO] = "auto",
		[TRANSPORT_WEBSOCKET] = "websocket",
		[TRANSPORT_SPDY] = "spdy",
		[TRANSPORT_V4] = "v4"};
	return Name[t];
}

enum transport cluster_transport(const struct cluster *c)
{
	return c->asked ? c->asked : c->known;
}

void cluster_ask_transport(struct cluster *c, enum transport t)
{
	c->asked = t;
}

void cluster_learn_transport(struct cluster *c, enum transport t)
{
	c->known = t;
}

struct conn *cluster_connect(
	struct cluster *c, void (*on)(void *owner, enum conn_event), void *owner)
{
	const struct kubeconfig *k = c->k;
	const struct tls_options tls = {.host = k->tls_name ? k->tls_name : k->host,
		.anchors = c->anchors,
		.identity = credential_identity(c->credential),
		.insecure = k->insecure};
	const struct conn_spec spec = {.host = k->host,
		.port = k->port,
		.tls = k->tls ? &tls : NULL,
		.proxy = &c->proxy,
		.limit_ms = c->limits.connect_ms};
	return conn_open(&spec, on, owner);
}

int64_t cluster_turn(struct cluster *c)
{
	int64_t now = loop_now(), next = c->turn_ms + API_TURN_MS;
	c->turn_ms = next > now ? next : now;
	return c->turn_ms - now;
}

static bool is_path(const char *path)
{
	for (; *path > ' ' && *path < 0x7f; path++)
		;
	return !*path;
}

/* The port as a browser would write it: not where the scheme says it. */
static void put_host(struct buf *out, const struct kubeconfig *k)
{
	buf_print(out, strchr(k->host, ':') ? "Host: [%s]" : "Host: %s", k->host);
	if (k->port != (k->tls ? 443 : 80))
		buf_print(out, ":%u", k->port);
	buf_print(out, "\r\n");
}

bool cluster_put_request(
	struct cluster *c, struct buf *out, const char *method, const char *path, struct err *e)
{
	struct err cause = {0};
	if (!is_path(path))
		return err_set(e, ERR_LOCAL, 0, "cluster '%s': '%s' is no path", c->name, path);
	buf_print(out, "%s %s%s HTTP/1.1\r\n", method, c->k->prefix, path);
	put_host(out, c->k);
	buf_print(out, "User-Agent: porter\r\n");
	return credential_put(c->credential, out, &cause) || blame(c, e, &cause);
}

/* ---- the end of a call ---- */

static void begin(struct link *link, struct api_call *call);

/* Returns whether the body has the server's words. */
static bool refusal(struct err *e, int status, const struct value *body)
{
	const char *kind = value_text(value_get(body, "kind"));
	const char *message = value_text(value_get(body, "message"));
	bool told = kind && !strcmp(kind, "Status") && message && *message;
	enum err_kind what = err_of_status(status);
	if (!told) /* 404: not the object is missing, but the API */
		err_set(e, what == ERR_NOT_FOUND ? ERR_PROTOCOL : what, status,
			"server answered with HTTP status %d", status);
	else if (what == ERR_UNAUTHORIZED)
		err_set(e, what, status, "server refuses the user's credentials: %s", message);
	else
		err_set(e, what, status, "%s", message);
	return told;
}

bool api_refusal(struct err *e, int status, const uint8_t *body, size_t n)
{
	struct document doc = {0};
	json_parse(&doc, (const char *)body, n, NULL);
	bool told = refusal(e, status, doc.root);
	document_free(&doc);
	return told;
}

static bool may_keep(const struct cluster *c)
{
	unsigned idle = 0;
	for (size_t i = 0; i < API_CALLS; i++)
		idle += c->link[i].conn && !c->link[i].call;
	return idle <= API_KEPT || c->waiting;
}

static void leave_queue(struct api_call *call)
{
	struct api_call **at = &call->cluster->waiting;
	while (*at && *at != call)
		at = &(*at)->next;
	if (*at)
		*at = call->next;
}

/* Takes the call off its connection, which is kept if it can be, or out of the
 * queue. */
static void detach(struct api_call *call, bool keep)
{
	struct link *link = call->link;
	struct cluster *c = call->cluster;
	call->link = NULL;
	timer_stop(&call->limit);
	task_drop(&call->start);
	credential_forget(&call->wait);
	if (!link) {
		leave_queue(call);
		return;
	}
	link->call = NULL;
	link->used = true;
	if (call->watch) {
		link_close(link);
		loop_free_later(link, free);
		return;
	}
	if (keep && may_keep(c))
		timer_after(&link->idle, c->limits.idle_ms);
	else
		link_close(link);
	if (c->waiting)
		task_post(&c->begin);
}

/* Text and values are wiped: some keep secrets in the environment of a pod. */
static void free_call(void *p)
{
	struct api_call *call = p;
	document_free(&call->doc);
	buf_free_wiped(&call->text);
	free(call->path);
	free(call);
}

/* Tells how it went; the call is gone after this, and perhaps the cluster. */
static void finish(struct api_call *call, bool keep)
{
	struct cluster *c = call->cluster;
	detach(call, keep);
	(call->watch ? call->watch->end : call->on)(call->owner, &call->answer);
	loop_free_later(call, free_call);
	cluster_drop(c);
}

__attribute__((format(printf, 3, 4))) static void fail(
	struct api_call *call, enum err_kind kind, const char *fmt, ...)
{
	struct err cause = {.kind = kind};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(cause.text, sizeof cause.text, fmt, ap);
	va_end(ap);
	call->answer.status = 0;
	blame(call->cluster, &call->answer.err, &cause);
	finish(call, false);
}

/* Where the server has refused a credential that can be replaced, once. */
static bool ask_again(struct api_call *call)
{
	struct link *link = call->link;
	if (call->answer.status != 401 || call->again ||
		!credential_refused(call->cluster->credential, call->number))
		return false;
	call->again = true;
	call->heard = call->has_head = call->keep = false;
	call->answer.status = 0;
	buf_eat(&call->text, buf_len(&call->text));
	link_close(link);
	begin(link, call);
	return true;
}

/* The answer is whole. */
static void conclude(struct api_call *call)
{
	struct api_answer *a = &call->answer;
	if (ask_again(call))
		return;
	struct err cause = {0};
	bool refused = a->status / 100 != 2;
	if (json_parse(
		    &call->doc, (const char *)buf_data(&call->text), buf_len(&call->text), &cause))
		a->body = call->doc.root;
	if (refused)
		refusal(&a->err, a->status, a->body);
	else if (call->watch && buf_len(&call->text))
		err_set(&a->err, ERR_NETWORK, 0,
			"cluster '%s': watch ended in the middle of a line", call->cluster->name);
	else if (!call->watch && !a->body)
		err_set(&a->err, ERR_PROTOCOL, a->status, "cluster '%s': answer is not JSON: %s",
			call->cluster->name, cause.text);
	a->err.wait_s = refused ? call->wait_s : 0;
	finish(call, call->keep);
}

/* ---- an answer ---- */

/* Whether its body is given out line by line: that of a refusal is not. */
static bool is_watched(const struct api_call *call)
{
	return call->watch && call->answer.status / 100 == 2;
}

/* Returns true when the body comes next. */
static bool read_head(struct link *link)
{
	struct api_call *call = link->call;
	struct http_head head;
	do {
		ptrdiff_t used = http_read_head(&head, buf_data(&link->in), buf_len(&link->in));
		if (used < 0)
			fail(call, ERR_PROTOCOL, "answer is not HTTP/1.1");
		if (used <= 0)
			return false;
		buf_eat(&link->in, (size_t)used);
	} while (head.status < 200 && head.status != 101);
	call->answer.status = head.status;
	call->keep = head.keep && head.status != 101;
	call->has_head = true;
	call->wait_s = http_retry_after(&head);
	http_body_begin(&call->body, &head);
	if (is_watched(call)) {
		timer_after(&call->limit, call->watch_ms);
		call->watch->begun(call->owner);
	}
	return link->call;
}

/* Gives out the lines that are whole.  False: the call is over. */
static bool give_lines(struct api_call *call, size_t fresh)
{
	size_t from = buf_len(&call->text) - fresh; /* no line ends before */
	for (uint8_t *p, *end; call->link; from = 0) {
		struct err cause = {0};
		p = buf_data(&call->text);
		end = memchr(p + from, '\n', buf_len(&call->text) - from);
		if (!end)
			return true;
		size_t n = (size_t)(end - p);
		if (json_parse(&call->doc, (const char *)p, n, &cause))
			call->watch->line(call->owner, call->doc.root);
		else
			fail(call, ERR_PROTOCOL, "watch sends a line that is not JSON: %s",
				cause.text);
		document_free(&call->doc);
		buf_eat(&call->text, n + 1);
	}
	return false;
}

static bool take_body(struct api_call *call, const struct http_event *ev)
{
	size_t max = call->cluster->limits.body_max;
	if (ev->length > max - buf_len(&call->text)) {
		fail(call, ERR_PROTOCOL, "answer is longer than %zu bytes", max);
		return false;
	}
	buf_put(&call->text, ev->data, ev->length);
	return !is_watched(call) || give_lines(call, ev->length);
}

static void read_body(struct link *link)
{
	struct api_call *call = link->call;
	struct http_event ev;
	do {
		size_t used =
			http_body_read(&call->body, buf_data(&link->in), buf_len(&link->in), &ev);
		if (ev.type == HTTP_DATA && !take_body(call, &ev))
			return;
		buf_eat(&link->in, used);
	} while (ev.type == HTTP_DATA);
	if (ev.type == HTTP_BAD)
		fail(call, ERR_PROTOCOL, "answer's chunks are malformed");
	if (ev.type != HTTP_END)
		return;
	call->keep = call->keep && !buf_len(&link->in);
	conclude(call);
}

static void read_answer(struct link *link)
{
	uint8_t *p;
	for (size_t n; (n = conn_peek(link->conn, &p)) > 0;) {
		buf_put(&link->in, p, n);
		conn_eat(link->conn, n);
	}
	link->call->heard = true;
	if (link->call->has_head || read_head(link))
		read_body(link);
}

/* ---- connections ---- */

static void on_conn(void *owner, enum conn_event event);

/* A request is written before there is a connection to send it: a call without
 * a credential makes none.  A connection on which another was shown is not used. */
static void send_request(struct link *link, struct api_call *call)
{
	struct credential *credential = call->cluster->credential;
	struct buf request = {0};
	call->number = credential_number(credential);
	if (link->number != call->number)
		link_close(link);
	link->number = call->number;
	if (cluster_put_request(link->cluster, &request, "GET", call->path, &call->answer.err)) {
		buf_print(&request, "Accept: application/json\r\n\r\n");
		if (!link->conn)
			link->conn = cluster_connect(link->cluster, on_conn, link);
		conn_put(link->conn, buf_data(&request), buf_len(&request));
	} else {
		finish(call, false);
	}
	buf_free_wiped(&request);
}

static void on_credential(struct credential_wait *wait, const struct err *e)
{
	struct api_call *call = OWNER_OF(wait, struct api_call, wait);
	if (e->kind) {
		blame(call->cluster, &call->answer.err, e);
		finish(call, false);
		return;
	}
	timer_after(&call->limit, call->cluster->limits.call_ms);
	send_request(call->link, call);
}

/* A plugin has a limit of its own; and behind it, another credential needs another
 * connection. */
static void begin(struct link *link, struct api_call *call)
{
	link->call = call;
	call->link = link;
	timer_stop(&link->idle);
	if (!credential_ask(call->cluster->credential, &call->wait)) {
		timer_stop(&call->limit);
		link_close(link);
		task_post(&call->cluster->begin);
		return;
	}
	if (!timer_is_set(&call->limit))
		timer_after(&call->limit, call->cluster->limits.call_ms);
	send_request(link, call);
}

/* The connection ended under its call. */
static void lost(struct link *link, enum conn_event event)
{
	struct api_call *call = link->call;
	const struct err *e = conn_error(link->conn);
	if (link->used && !call->heard) {
		link_close(link);
		begin(link, call);
	} else if (event == CONN_FAIL) {
		blame(link->cluster, &call->answer.err, e);
		call->answer.status = 0;
		finish(call, false);
	} else if (call->has_head && http_body_eof(&call->body)) {
		call->keep = false;
		conclude(call);
	} else {
		fail(call, ERR_NETWORK, "server closed the connection before its answer was whole");
	}
}

static void on_conn(void *owner, enum conn_event event)
{
	struct link *link = owner;
	if (event == CONN_OPEN || event == CONN_ROOM)
		return;
	if (!link->call)
		link_close(link); /* its end, or bytes that nobody asked for */
	else if (event == CONN_IN)
		read_answer(link);
	else
		lost(link, event);
}

void cluster_renew(struct cluster *c)
{
	for (struct link *l = c->link; l < c->link + API_CALLS; l++) {
		struct api_call *call = l->call;
		if (call && call->heard)
			continue;
		link_close(l);
		if (call)
			begin(l, call);
	}
}

/* ---- calls ---- */

/* The link to use next: the connection that was idle for the shortest time,
 * else one to be made. */
static struct link *free_link(struct cluster *c)
{
	struct link *best = NULL;
	for (struct link *l = c->link; l < c->link + API_CALLS; l++)
		if (!l->call && (!best || (l->conn && !best->conn) ||
					(l->conn && l->idle.at_ms > best->idle.at_ms)))
			best = l;
	return best;
}

/* Nor does the time count for those whose turn comes behind calls that wait for a plugin. */
static void stop_limits(struct cluster *c)
{
	bool held = false;
	for (const struct link *l = c->link; l < c->link + API_CALLS; l++)
		held |= l->call && l->call->wait.credential;
	for (struct api_call *call = c->waiting; held && call; call = call->next)
		timer_stop(&call->limit);
}

static void begin_calls(struct task *task)
{
	struct cluster *c = OWNER_OF(task, struct cluster, begin);
	struct link *link;
	while (c->waiting && (link = free_link(c))) {
		struct api_call *call = c->waiting;
		c->waiting = call->next;
		begin(link, call);
	}
	stop_limits(c);
}

static void on_limit(struct timer *timer)
{
	struct api_call *call = OWNER_OF(timer, struct api_call, limit);
	int64_t ms = is_watched(call) ? call->watch_ms : call->cluster->limits.call_ms;
	fail(call, ERR_NETWORK, "no answer in %lld s", (long long)(ms / 1000));
}

static void start_watch(struct task *task)
{
	struct api_call *call = OWNER_OF(task, struct api_call, start);
	struct link *link = mem_new(sizeof *link);
	*link = (struct link){.cluster = call->cluster, .idle.on = on_idle};
	begin(link, call);
}

/* Not begun yet. */
static struct api_call *new_call(struct cluster *c, const char *path, void *owner)
{
	struct api_call *call = mem_new(sizeof *call);
	*call = (struct api_call){.cluster = cluster_share(c),
		.path = mem_dup(path),
		.owner = owner,
		.start.on = start_watch,
		.wait.on = on_credential,
		.limit.on = on_limit};
	timer_after(&call->limit, c->limits.call_ms);
	return call;
}

struct api_call *api_get(struct cluster *c, const char *path,
	void (*on)(void *owner, const struct api_answer *), void *owner)
{
	struct api_call *call = new_call(c, path, owner), **at = &c->waiting;
	call->on = on;
	while (*at)
		at = &(*at)->next;
	*at = call;
	task_post(&c->begin);
	return call;
}

struct api_call *api_watch(struct cluster *c, const char *path, int64_t limit_ms,
	const struct api_watch_ops *ops, void *owner)
{
	struct api_call *call = new_call(c, path, owner);
	call->watch = ops;
	call->watch_ms = limit_ms;
	task_post(&call->start);
	return call;
}

void api_cancel(struct api_call *call)
{
	struct cluster *c = call->cluster;
	detach(call, false);
	loop_free_later(call, free_call);
	cluster_drop(c);
}
