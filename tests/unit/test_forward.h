/* A cluster for tests, on the loop of the program it tests: one port that answers for
 * a service, its pods and their watch, and takes port-forwards, as its state says.  A
 * test sets the state and tells what has changed; then it looks at the counts.
 *
 * The far ends of tunnels are test_tunnel.h's: `Far` is the one that has its turn.
 */
#pragma once
#include "test_tunnel.h"

enum { SESSIONS = 512, PODS = 32, STAMPS = 512 };

enum session_kind { ASKING, WATCHING, TUNNEL };

struct session {
	struct io io;
	enum session_kind kind;
	struct far far;
	char pod[64];  /* at the far end of a tunnel */
	unsigned owed; /* the ping that was not answered; 0: none */
};

struct pod_row {
	const char *name, *uid;
	enum { READY, UNREADY, GOING } is;
};

enum application { ECHOES, REFUSES, HAS_NO_POD, IS_MUTE };

static struct {
	struct io io;
	uint16_t port;
	struct session session[SESSIONS]; /* each is used once */
	unsigned sessions;
	unsigned version; /* of what was told last */

	/* How it is. */
	unsigned service; /* status of the answer to who asks for it */
	struct pod_row pod[PODS];
	unsigned upgrade;   /* status of the answer; 101: taken; 0: there is none */
	const char *broken; /* the name of the one pod that this is for; NULL: for all */
	unsigned wait_s;    /* Retry-After of refusals; 0: they have none */
	bool mute;          /* pings are not answered */
	enum application application;
	const char *sick;  /* the one pod whose application this is; NULL: all are so */
	const char *sound; /* the one that is well all the same; NULL: none */

	/* What was asked. */
	unsigned looks, lists, watches, upgrades, pings, opened;
	int64_t asked_ms[STAMPS]; /* of each upgrade */
	char last[64];            /* the pod of the last */
} Api;

/* ---- sessions ---- */

static inline void session_enter(struct session *s)
{
	Far = s->far;
}

static inline void session_close(struct session *s, bool reset)
{
	struct buf *const all[] = {&Far.request, &Far.in, &Far.spdy, &Far.out, &Far.said};
	if (s->io.fd < 0)
		return;
	session_enter(s);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		buf_free(all[i]);
	for (size_t i = 0; i < FAR_STREAMS; i++)
		buf_free(&Far.got[i]);
	if (reset)
		setsockopt(s->io.fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
			sizeof(struct linger));
	io_close(&s->io);
}

/* Sends what there is: it is little. */
static inline void session_leave(struct session *s)
{
	size_t n = buf_len(&Far.out);
	if (n && send(s->io.fd, buf_data(&Far.out), n, MSG_NOSIGNAL) > 0)
		buf_eat(&Far.out, n);
	s->far = Far;
}

/* ---- what it answers ---- */

static inline void put_answer(unsigned status, const char *body)
{
	buf_print(&Far.out, "HTTP/1.1 %u Words\r\nContent-Length: %zu\r\n", status, strlen(body));
	if (Api.wait_s && status >= 400)
		buf_print(&Far.out, "Retry-After: %u\r\n", Api.wait_s);
	buf_print(&Far.out, "\r\n%s", body);
}

static inline void put_refusal(unsigned status, const char *what)
{
	char body[256];
	snprintf(body, sizeof body, "{\"kind\":\"Status\",\"message\":\"%s: %u\"}", what, status);
	put_answer(status, body);
}

static inline void put_pod(struct buf *out, const struct pod_row *p)
{
	buf_print(out,
		"{\"metadata\":{\"name\":\"%s\",\"uid\":\"%s\",\"resourceVersion\":\"%u\","
		"\"creationTimestamp\":\"2026-01-01T00:00:0%uZ\"%s},\"status\":{\"phase\":"
		"\"Running\","
		"\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"}]}}",
		p->name, p->uid, Api.version, (unsigned)(p - Api.pod) % 10,
		p->is == GOING ? ",\"deletionTimestamp\":\"2026-01-02T00:00:00Z\"" : "",
		p->is == UNREADY ? "False" : "True");
}

static inline void answer_list(void)
{
	struct buf body = {0};
	buf_print(&body, "{\"metadata\":{\"resourceVersion\":\"%u\"},\"items\":[", Api.version);
	for (const struct pod_row *p = Api.pod; p < Api.pod + PODS && p->name; p++) {
		buf_print(&body, p == Api.pod ? "" : ",");
		put_pod(&body, p);
	}
	buf_put(&body, "]}", 3);
	put_answer(200, (const char *)buf_data(&body));
	buf_free(&body);
}

static inline void answer_service(void)
{
	Api.looks++;
	if (Api.service == 200)
		put_answer(200,
			"{\"spec\":{\"selector\":{\"app\":\"web\"},\"ports\":[{\"port\":80}]}}");
	else
		put_refusal(Api.service, "services");
}

static inline bool is_meant(const char *pod, const char *one)
{
	return !one || !strcmp(pod, one);
}

static inline void answer_upgrade(struct session *s, const char *request)
{
	unsigned status = Api.upgrade;
	if (sscanf(request, "%*s /api/v1/namespaces/shop/pods/%63[^/]/", s->pod) != 1)
		s->pod[0] = '\0';
	if (Api.upgrades < STAMPS)
		Api.asked_ms[Api.upgrades] = loop_now();
	Api.upgrades++;
	memcpy(Api.last, s->pod, sizeof Api.last);
	if (!is_meant(s->pod, Api.broken))
		status = 101;
	s->kind = status == 101 ? TUNNEL : ASKING;
	if (status == 101)
		far_answer(request);
	else if (status)
		put_refusal(status, "port-forward");
}

static inline void answer(struct session *s, const char *request)
{
	if (strstr(request, "/portforward")) {
		answer_upgrade(s, request);
	} else if (strstr(request, "/services/")) {
		answer_service();
	} else if (strstr(request, "watch=1")) {
		Api.watches++;
		s->kind = WATCHING;
		buf_print(&Far.out, "HTTP/1.1 200 OK\r\n\r\n");
	} else {
		Api.lists++;
		answer_list();
	}
}

static inline void read_request(struct session *s)
{
	uint8_t *end = memmem(buf_data(&Far.in), buf_len(&Far.in), "\r\n\r\n", 4);
	char request[4096];
	if (!end)
		return;
	size_t n = (size_t)(end + 4 - buf_data(&Far.in));
	snprintf(request, sizeof request, "%.*s", (int)n, (const char *)buf_data(&Far.in));
	buf_eat(&Far.in, n);
	answer(s, request);
}

/* ---- tunnels ---- */

static inline void take_channel(const struct session *s, unsigned stream)
{
	static const char *const Says[] = {[REFUSES] = "dial: connection refused",
		[HAS_NO_POD] = "network namespace for sandbox \"a\" is closed"};
	bool well = !is_meant(s->pod, Api.sick) || (Api.sound && !strcmp(s->pod, Api.sound));
	enum application how = well ? ECHOES : Api.application;
	Api.opened++;
	if (how == IS_MUTE)
		return;
	far_reply(stream - 2);
	far_reply(stream);
	if (how != ECHOES)
		far_bytes(stream - 2, Says[how], strlen(Says[how]), true);
}

/* Answers one thing that the client has said. */
static inline void react(struct session *s, const char *said)
{
	unsigned n;
	char text[32];
	if (sscanf(said, "ping %u", &n) == 1) {
		Api.pings++;
		s->owed = n;
		if (!Api.mute)
			far_ping(n);
	} else if (!strncmp(said, "ws-ping", 7) && !Api.mute) {
		far_frame(0x80 | WS_PONG, "", 0);
	} else if (sscanf(said, "syn %u %31s", &n, text) == 2 && !strcmp(text, "data")) {
		take_channel(s, n);
	} else if (sscanf(said, "data %u %31s", &n, text) == 2) {
		far_data(n, text);
	}
}

static inline void read_tunnel(struct session *s)
{
	far_read_frames();
	struct buf said = Far.said;
	Far.said = (struct buf){0};
	buf_put(&said, "", 1);
	for (char *at = (char *)buf_data(&said), *end; (end = strchr(at, '|')); at = end + 1) {
		*end = '\0';
		react(s, at);
	}
	buf_free(&said);
}

/* ---- the socket ---- */

static inline void on_session(struct io *io, uint32_t events)
{
	struct session *s = OWNER_OF(io, struct session, io);
	(void)events;
	loop_stop();
	session_enter(s);
	ssize_t n = recv(io->fd, buf_room(&Far.in, 65536), 65536, 0);
	if (n <= 0) {
		session_close(s, false);
		return;
	}
	buf_push(&Far.in, (size_t)n);
	(s->kind == TUNNEL ? read_tunnel : read_request)(s);
	session_leave(s);
}

static inline void on_api_listener(struct io *io, uint32_t events)
{
	(void)events;
	int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	if (Api.sessions == SESSIONS) {
		close(fd); /* the test will find that nothing comes of it */
		return;
	}
	struct session *s = &Api.session[Api.sessions++];
	*s = (struct session){.far = {.io.fd = -1,
				      .step = SIZE_MAX,
				      .answer = {[TRANSPORT_WEBSOCKET] = ACCEPTED,
					      [TRANSPORT_SPDY] = ACCEPTED_SPDY}}};
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	io_open(&s->io, fd, on_session);
	io_want(&s->io, EPOLLIN);
	loop_stop();
}

/* Takes connections; on the same port again after api_down(). */
static inline void api_up(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(Api.port)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	Api.port = ntohs(a.sin_port);
	io_open(&Api.io, fd, on_api_listener);
	io_want(&Api.io, EPOLLIN);
}

static inline void api_start(void)
{
	memset(&Api, 0, sizeof Api);
	Api.service = 200;
	Api.upgrade = 101;
	Api.version = 1;
	api_up();
}

/* ---- what happens to it ---- */

/* Cuts the sessions of a kind, by RST. */
static inline void api_cut(enum session_kind kind)
{
	for (unsigned i = 0; i < Api.sessions; i++)
		if (Api.session[i].kind == kind)
			session_close(&Api.session[i], true);
}

/* As if the process had been killed. */
static inline void api_down(void)
{
	api_cut(ASKING);
	api_cut(WATCHING);
	api_cut(TUNNEL);
	io_close(&Api.io);
	assert_true(loop_until_quiet());
}

static inline void put_event(const char *type, const struct pod_row *p)
{
	for (unsigned i = 0; i < Api.sessions; i++) {
		struct session *s = &Api.session[i];
		if (s->kind != WATCHING || s->io.fd < 0)
			continue;
		session_enter(s);
		buf_print(&Far.out, "{\"type\":\"%s\",\"object\":", type);
		put_pod(&Far.out, p);
		buf_print(&Far.out, "}\n");
		session_leave(s);
	}
}

static inline bool is_among(const struct pod_row *p, const struct pod_row *rows, size_t n)
{
	while (n--)
		if (!strcmp(rows[n].name, p->name))
			return true;
	return false;
}

/* These are the pods from now on; those who watch are told. */
static inline void api_pods(const struct pod_row *rows, size_t n)
{
	Api.version++;
	for (struct pod_row *p = Api.pod; p < Api.pod + PODS && p->name; p++)
		if (!is_among(p, rows, n))
			put_event("DELETED", p);
	memset(Api.pod, 0, sizeof Api.pod);
	for (size_t i = 0; i < n; i++)
		Api.pod[i] = rows[i];
	for (struct pod_row *p = Api.pod; p < Api.pod + n; p++)
		put_event("MODIFIED", p);
}

#define NO_PODS() api_pods(NULL, 0)
#define PODS_ARE(...)                                                                              \
	api_pods((const struct pod_row[]){__VA_ARGS__},                                            \
		sizeof((const struct pod_row[]){__VA_ARGS__}) / sizeof(struct pod_row))

/* Answers the pings that were not answered. */
static inline void api_pong(void)
{
	for (unsigned i = 0; i < Api.sessions; i++) {
		struct session *s = &Api.session[i];
		if (s->kind != TUNNEL || s->io.fd < 0 || !s->owed)
			continue;
		session_enter(s);
		far_ping(s->owed);
		session_leave(s);
	}
}

static inline unsigned api_tunnels(void)
{
	unsigned n = 0;
	for (unsigned i = 0; i < Api.sessions; i++)
		n += Api.session[i].kind == TUNNEL && Api.session[i].io.fd >= 0;
	return n;
}

static inline void api_stop(void)
{
	api_cut(ASKING);
	api_cut(WATCHING);
	api_cut(TUNNEL);
	io_close(&Api.io);
}

/* A cluster there, whose user has a token. */
static inline struct cluster *api_cluster(void)
{
	Far.port = Api.port;
	return far_cluster(NULL);
}
