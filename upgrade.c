/* The port-forward upgrade: one request on a connection of its own, and either
 * a 101 that proves the server understood it, or a refusal in words. */
#include "upgrade.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "credential.h"
#include "http.h"
#include "loop.h"
#include "mem.h"
#include "random.h"
#include "ws.h"

/* What is asked for: one row a transport. */
static const struct ask {
	const char *method, *upgrade, *protocol;
	const char *fields; /* that follow "Upgrade: ...": key and protocol are put in */
	const char *protocol_field;
} Ask[] = {
	[TRANSPORT_WEBSOCKET] = {"GET", "websocket", "SPDY/3.1+portforward.k8s.io",
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ", "Sec-WebSocket-Protocol"},
	[TRANSPORT_SPDY] = {"POST", "SPDY/3.1", "portforward.k8s.io", "Content-Length: 0",
		"X-Stream-Protocol-Version"},
	[TRANSPORT_V4] = {"GET", "websocket", "v4.channel.k8s.io",
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ", "Sec-WebSocket-Protocol"},
};

static const char NoAnswer[] = "the server closed the connection without an answer";

struct upgrade {
	struct cluster *cluster;
	void (*on)(void *owner, struct conn *conn, const struct err *e);
	void *owner;
	struct conn *conn;
	struct err err;
	char *path;
	enum transport transport; /* that is being tried */
	bool may_fall_back;       /* to the next one */
	char key[WS_KEY_LEN + 1]; /* "" for SPDY */
	struct buf in;            /* the head as it comes; then a refusal's body */
	int status;               /* of a refusal whose body is being read */
	unsigned wait_s;          /* that it asks for */
	struct http_body body;
	struct timer limit;
	struct credential_wait wait;
	unsigned number; /* of the credential that it was asked with */
	bool again;      /* it is, since that was refused */
};

static void free_upgrade(void *p)
{
	struct upgrade *u = p;
	buf_free(&u->in);
	cluster_drop(u->cluster);
	free(u->path);
	free(u);
}

void upgrade_cancel(struct upgrade *u)
{
	if (u->conn)
		conn_close(u->conn);
	credential_forget(&u->wait);
	timer_stop(&u->limit);
	loop_free_later(u, free_upgrade);
}

static void finish(struct upgrade *u, struct conn *conn)
{
	if (conn)
		u->conn = NULL;
	upgrade_cancel(u);
	u->on(u->owner, conn, conn ? NULL : &u->err);
}

static void succeed(struct upgrade *u)
{
	cluster_learn_transport(u->cluster, u->transport);
	finish(u, u->conn);
}

static void fail(struct upgrade *u, enum err_kind kind, int code, const char *why)
{
	cluster_learn_transport(u->cluster, TRANSPORT_AUTO);
	err_set(&u->err, kind, code, "cluster '%s': %s", cluster_name(u->cluster), why);
	finish(u, NULL);
}

static void fail_by(struct upgrade *u, const struct err *cause)
{
	fail(u, cause->kind, cause->code, cause->text);
}

static void start_again(struct upgrade *u);

/* The server, or something before it, does not know this transport. */
static void fall_back(struct upgrade *u, const char *why)
{
	if (!u->may_fall_back) {
		fail(u, ERR_PROTOCOL, 0, why);
		return;
	}
	if (u->transport == TRANSPORT_SPDY) {
		cluster_learn_transport(u->cluster, TRANSPORT_V4);
		err_set(&u->err, ERR_PROTOCOL, 0, "cluster '%s': %s", cluster_name(u->cluster),
			why);
		finish(u, NULL);
		return;
	}
	u->transport = TRANSPORT_SPDY;
	start_again(u);
}

static void make_key(struct upgrade *u)
{
	uint8_t nonce[16];
	random_bytes(nonce, sizeof nonce);
	base64_encode(u->key, nonce, sizeof nonce);
	if (u->transport == TRANSPORT_SPDY)
		u->key[0] = '\0';
}

/* Not where another credential has come meanwhile: this server may be none of those who
 * may see it. */
static void send_request(struct upgrade *u)
{
	const struct ask *ask = &Ask[u->transport];
	struct buf out = {0};
	if (u->number != credential_number(cluster_credential(u->cluster))) {
		start_again(u);
		return;
	}
	make_key(u);
	if (cluster_put_request(u->cluster, &out, ask->method, u->path, &u->err)) {
		buf_print(&out, "Connection: Upgrade\r\nUpgrade: %s\r\n%s%s\r\n%s: %s\r\n\r\n",
			ask->upgrade, ask->fields, u->key, ask->protocol_field, ask->protocol);
		conn_put(u->conn, buf_data(&out), buf_len(&out));
	} else {
		finish(u, NULL);
	}
	buf_free_wiped(&out);
}

static const char *what_is_wrong_with_websocket(
	const struct upgrade *u, const struct http_head *head)
{
	struct span v;
	char accept[WS_ACCEPT_LEN + 1];
	ws_accept(accept, u->key);
	if (!http_field(head, "Sec-WebSocket-Accept", &v) || !span_is(v, accept))
		return "the server answered a WebSocket request that was not ours";
	if (http_field(head, "Sec-WebSocket-Extensions", &v))
		return "the server wants WebSocket extensions that were not offered";
	return NULL;
}

/* What a client must check of a 101 (RFC 6455, 4.1).  NULL if all is well. */
static const char *what_is_wrong(const struct upgrade *u, const struct http_head *head)
{
	const struct ask *ask = &Ask[u->transport];
	struct span v;
	if (!http_has_token(head, "Upgrade", ask->upgrade) ||
		!http_has_token(head, "Connection", "upgrade"))
		return "the server switched to another protocol than was asked for";
	if (!http_field(head, ask->protocol_field, &v) || !span_is(v, ask->protocol))
		return "the server chose another port-forward protocol than was asked for";
	return u->key[0] ? what_is_wrong_with_websocket(u, head) : NULL;
}

/* Whether a refusal is about the pod, the user or the server's health, so that
 * another transport would meet the same.  403 is not, for WebSocket: it needs
 * the right to `get`, SPDY that to `create`.  5xx without a Status may be a
 * proxy's that does not know WebSocket; for a POST it is one whose server is
 * down, which says nothing of transports. */
static bool is_final(const struct upgrade *u, bool told)
{
	switch (u->status) {
	case 401:
	case 404:
	case 429:
		return true;
	case 403:
		return told && u->transport != TRANSPORT_WEBSOCKET;
	default:
		return u->status >= 500 && (told || u->transport != TRANSPORT_WEBSOCKET);
	}
}

/* Where the server has refused a credential that can be replaced, once. */
static bool ask_again(struct upgrade *u)
{
	if (u->status != 401 || u->again ||
		!credential_refused(cluster_credential(u->cluster), u->number))
		return false;
	u->again = true;
	start_again(u);
	return true;
}

static void finish_refused(struct upgrade *u)
{
	struct err e = {0};
	if (ask_again(u))
		return;
	bool told = api_refusal(&e, u->status, buf_data(&u->in), buf_len(&u->in));
	if (u->may_fall_back && !is_final(u, told)) {
		fall_back(u, e.text);
		return;
	}
	cluster_learn_transport(u->cluster, TRANSPORT_AUTO);
	e.wait_s = u->wait_s;
	u->err = e;
	finish(u, NULL);
}

static void read_refusal(struct upgrade *u, const uint8_t *p, size_t n)
{
	struct http_event ev = {.type = HTTP_DATA};
	size_t used = 0;
	while (ev.type == HTTP_DATA) {
		used += http_body_read(&u->body, p + used, n - used, &ev);
		if (ev.type == HTTP_DATA)
			buf_put(&u->in, ev.data, ev.length);
	}
	conn_eat(u->conn, used);
	if (ev.type != HTTP_MORE || buf_len(&u->in) > UPGRADE_REFUSAL_MAX)
		finish_refused(u);
}

static void begin_refusal(struct upgrade *u, const struct http_head *head)
{
	u->status = head->status;
	u->wait_s = http_retry_after(head);
	http_body_begin(&u->body, head);
	buf_eat(&u->in, buf_len(&u->in));
	read_refusal(u, buf_data(&u->in), 0); /* a body of no bytes ends here */
}

/* Takes bytes up to the end of the head, and not one more. */
static void read_head(struct upgrade *u, const uint8_t *p, size_t n)
{
	struct http_head head;
	size_t before = buf_len(&u->in);
	buf_put(&u->in, p, n);
	ptrdiff_t used = http_read_head(&head, buf_data(&u->in), buf_len(&u->in));
	if (used < 0) {
		fail(u, ERR_PROTOCOL, 0, "the server's answer is not HTTP");
		return;
	}
	conn_eat(u->conn, used ? (size_t)used - before : n);
	if (!used)
		return;
	if (head.status == 101) {
		const char *wrong = what_is_wrong(u, &head);
		if (wrong)
			fall_back(u, wrong);
		else
			succeed(u);
	} else if (head.status >= 200) {
		begin_refusal(u, &head);
	} else {
		buf_eat(&u->in, buf_len(&u->in));
	}
}

static void on_conn(void *owner, enum conn_event event)
{
	struct upgrade *u = owner;
	struct conn *conn = u->conn;
	uint8_t *p;
	size_t n;
	switch (event) {
	case CONN_OPEN:
		send_request(u);
		break;
	case CONN_IN:
		while (u->conn == conn && (n = conn_peek(conn, &p)))
			(u->status ? read_refusal : read_head)(u, p, n);
		break;
	case CONN_ROOM:
		break;
	case CONN_EOF:
	case CONN_FAIL:
		if (u->status)
			finish_refused(u);
		else if (event == CONN_FAIL)
			fail_by(u, conn_error(u->conn));
		else if (u->may_fall_back && u->transport == TRANSPORT_WEBSOCKET)
			fall_back(u, NoAnswer);
		else
			fail(u, ERR_NETWORK, 0, NoAnswer);
		break;
	}
}

static void on_limit(struct timer *timer)
{
	struct upgrade *u = OWNER_OF(timer, struct upgrade, limit);
	if (u->status)
		finish_refused(u);
	else
		fail(u, ERR_NETWORK, ETIMEDOUT, "no answer to the port-forward request in 15 s");
}

static void connect_now(struct upgrade *u)
{
	u->number = credential_number(cluster_credential(u->cluster));
	u->conn = cluster_connect(u->cluster, on_conn, u);
	timer_after(&u->limit, API_CONNECT_MS + UPGRADE_LIMIT_MS);
}

static void on_credential(struct credential_wait *wait, const struct err *e)
{
	struct upgrade *u = OWNER_OF(wait, struct upgrade, wait);
	if (e->kind) {
		err_set(&u->err, e->kind, e->code, "cluster '%s': %s", cluster_name(u->cluster),
			e->text);
		finish(u, NULL);
	} else {
		connect_now(u);
	}
}

static void start_conn(struct upgrade *u)
{
	if (credential_ask(cluster_credential(u->cluster), &u->wait))
		connect_now(u);
}

static void start_again(struct upgrade *u)
{
	conn_close(u->conn);
	u->conn = NULL;
	timer_stop(&u->limit);
	u->status = 0;
	buf_eat(&u->in, buf_len(&u->in));
	start_conn(u);
}

struct upgrade *upgrade_start(const struct upgrade_spec *spec,
	void (*on)(void *owner, struct conn *conn, const struct err *e), void *owner)
{
	struct upgrade *u = mem_new(sizeof *u);
	struct buf path = {0};
	buf_print(&path, "/api/v1/namespaces/%s/pods/%s/portforward?ports=%u", spec->namespace,
		spec->pod, spec->port);
	*u = (struct upgrade){.cluster = cluster_share(spec->cluster),
		.on = on,
		.owner = owner,
		.path = mem_dup_n(buf_data(&path), buf_len(&path)),
		.limit.on = on_limit,
		.wait.on = on_credential};
	buf_free(&path);
	u->transport = cluster_transport(u->cluster);
	u->may_fall_back = u->transport == TRANSPORT_AUTO;
	if (u->may_fall_back)
		u->transport = TRANSPORT_WEBSOCKET;
	start_conn(u);
	return u;
}
