/* tls.c against two other ends: BearSSL's server engine in memory, byte by byte
 * and in bulk, and `openssl s_server` behind a socket, for what it thinks of us.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "certs.h"
#include "pki.h"

enum { BULK = 3000000, WAIT_MS = 30000 };

static const char Api[] = "api.example.com";

/* BearSSL's own server. */
struct peer {
	br_ssl_server_context server;
	struct tls_identity *identity;
	uint8_t in[BR_SSL_BUFSIZE_INPUT], out[BR_SSL_BUFSIZE_OUTPUT];
};

static struct peer *peer_new(const char *cert, const char *key)
{
	struct err e = {0};
	struct peer *p = calloc(1, sizeof *p);
	p->identity = certs_identity(cert, key, &e);
	assert_non_null(p->identity);
	const struct tls_identity *id = p->identity;
	if (id->key.key_type == BR_KEYTYPE_RSA)
		br_ssl_server_init_full_rsa(&p->server, id->chain, id->count, &id->key.key.rsa);
	else
		br_ssl_server_init_full_ec(
			&p->server, id->chain, id->count, BR_KEYTYPE_EC, &id->key.key.ec);
	br_ssl_engine_set_buffers_bidi(&p->server.eng, p->in, sizeof p->in, p->out, sizeof p->out);
	assert_true(br_ssl_server_reset(&p->server));
	return p;
}

static void peer_free(struct peer *p)
{
	tls_identity_free(p->identity);
	free(p);
}

static struct tls *tls_to(const char *host, const struct tls_anchors *anchors)
{
	struct err e = {0};
	struct tls *t = tls_new(&(struct tls_options){.host = host, .anchors = anchors}, &e);
	assert_non_null(t);
	assert_int_equal(tls_state(t), TLS_HANDSHAKE);
	return t;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Carries at most `step` bytes each way; how many they were. */
static size_t carry(struct tls *t, struct peer *p, size_t step)
{
	br_ssl_engine_context *engine = &p->server.eng;
	uint8_t *from, *to;
	size_t have, room, up, down;
	have = tls_wire_peek(t, &from);
	to = br_ssl_engine_recvrec_buf(engine, &room);
	if ((up = least(step, least(have, room)))) {
		memcpy(to, from, up);
		br_ssl_engine_recvrec_ack(engine, up);
		tls_wire_eat(t, up);
	}
	from = br_ssl_engine_sendrec_buf(engine, &have);
	room = tls_wire_room(t, &to);
	if ((down = least(step, least(have, room)))) {
		memcpy(to, from, down);
		tls_wire_pushed(t, down);
		br_ssl_engine_sendrec_ack(engine, down);
	}
	return up + down;
}

static void carry_all(struct tls *t, struct peer *p, size_t step)
{
	while (carry(t, p, step))
		;
}

static void say(struct peer *p, const void *text, size_t n)
{
	size_t room;
	uint8_t *to = br_ssl_engine_sendapp_buf(&p->server.eng, &room);
	assert_true(room >= n);
	memcpy(to, text, n);
	br_ssl_engine_sendapp_ack(&p->server.eng, n);
	br_ssl_engine_flush(&p->server.eng, 0);
}

static void assert_hears(struct tls *t, const char *text)
{
	uint8_t *p;
	size_t n = tls_peek(t, &p);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(p, text, n);
	tls_eat(t, n);
}

static void put(struct tls *t, const char *text)
{
	uint8_t *p;
	size_t n = strlen(text);
	assert_true(tls_room(t, &p) >= n);
	memcpy(p, text, n);
	tls_push(t, n);
	tls_flush(t);
}

static void shakes_hands_however_the_bytes_are_cut(void **state)
{
	static const char *const Servers[][2] = {
		{"server.crt", "server.key"}, {"rsa.crt", "rsa.key"}, {"chain.crt", "leaf.key"}};
	struct tls_anchors *ca = certs_anchors("ca.crt");
	(void)state;
	for (size_t i = 0; i < sizeof Servers / sizeof *Servers; i++)
		for (size_t step = 1; step < 100000; step = step * 7 + 2) {
			struct peer *p = peer_new(Servers[i][0], Servers[i][1]);
			struct tls *t = tls_to(Api, ca);
			carry_all(t, p, step);
			assert_int_equal(tls_state(t), TLS_OPEN);
			assert_string_equal(br_ssl_engine_get_server_name(&p->server.eng), Api);
			say(p, "hello", 5);
			put(t, "and to you");
			carry_all(t, p, step);
			assert_hears(t, "hello");
			size_t n;
			uint8_t *heard = br_ssl_engine_recvapp_buf(&p->server.eng, &n);
			assert_int_equal(n, 10);
			assert_memory_equal(heard, "and to you", n);
			tls_free(t);
			peer_free(p);
		}
	tls_anchors_free(ca);
}

/* Whether a ClientHello has a list with a length of two bytes in front. */
static bool has_list(const uint8_t *p, size_t n, const uint8_t *list, size_t list_len)
{
	const uint8_t *at = memmem(p, n, list, list_len);
	return at && at - p >= 2 && (size_t)(at[-2] << 8 | at[-1]) == list_len;
}

static void offers_fast_suites_first_and_nothing_old(void **state)
{
	static const uint8_t Suites[] = {0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30, 0xcc, 0xa9,
		0xcc, 0xa8}; /* ECDHE with ECDSA and RSA: AES-128-GCM, AES-256-GCM, ChaCha20 */
	static const uint8_t Signatures[] = {
		4, 3, 5, 3, 6, 3, 4, 1, 5, 1, 6, 1};                  /* SHA-256, 384, 512 */
	static const uint8_t Curves[] = {0, 29, 0, 23, 0, 24, 0, 25}; /* X25519 first */
	struct tls *t = tls_to(Api, NULL);
	uint8_t *p;
	size_t n = tls_wire_peek(t, &p);
	(void)state;
	assert_memory_equal(p + 9, "\3\3", 2); /* TLS 1.2 */
	assert_true(has_list(p, n, Suites, sizeof Suites));
	assert_true(has_list(p, n, Signatures, sizeof Signatures));
	assert_true(has_list(p, n, Curves, sizeof Curves));
	tls_free(t);
}

static void names_no_address_in_sni(void **state)
{
	static const char *const Hosts[][2] = {
		{"127.0.0.1", ""}, {"2001:db8::1", ""}, {"API.example.com.", "API.example.com"}};
	struct tls_anchors *ca = certs_anchors("ca.crt");
	(void)state;
	for (size_t i = 0; i < sizeof Hosts / sizeof *Hosts; i++) {
		struct peer *p = peer_new("server.crt", "server.key");
		struct tls *t = tls_to(Hosts[i][0], ca);
		carry_all(t, p, 4096);
		assert_int_equal(tls_state(t), TLS_OPEN);
		assert_string_equal(br_ssl_engine_get_server_name(&p->server.eng), Hosts[i][1]);
		tls_free(t);
		peer_free(p);
	}
	tls_anchors_free(ca);
}

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 2654435761u >> 13);
}

/* One way of a bulk transfer: how far it was written and read. */
struct flow {
	size_t written, read;
};

static void fill(struct flow *f, uint8_t *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = pattern(f->written++);
}

static void compare(struct flow *f, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != pattern(f->read++))
			fail_msg("byte %zu differs", f->read - 1);
}

static void work_peer(struct peer *p, struct flow *up, struct flow *down)
{
	br_ssl_engine_context *engine = &p->server.eng;
	size_t n;
	uint8_t *at = br_ssl_engine_recvapp_buf(engine, &n);
	if (n) {
		compare(up, at, n);
		br_ssl_engine_recvapp_ack(engine, n);
	}
	at = br_ssl_engine_sendapp_buf(engine, &n);
	if ((n = least(n, BULK - down->written))) {
		fill(down, at, n);
		br_ssl_engine_sendapp_ack(engine, n);
		br_ssl_engine_flush(engine, 0);
	}
}

static void work_client(struct tls *t, struct flow *up, struct flow *down)
{
	uint8_t *at;
	size_t n = tls_peek(t, &at);
	compare(down, at, n);
	tls_eat(t, n / 2); /* and the rest when it is there again */
	down->read -= n - n / 2;
	if (n == 1) {
		tls_eat(t, 1);
		down->read++;
	}
	n = least(tls_room(t, &at), BULK - up->written);
	n = least(n, 1 + up->written % 20000); /* records of many sizes */
	fill(up, at, n);
	tls_push(t, n);
	tls_flush(t);
}

static void carries_megabytes_both_ways(void **state)
{
	static const size_t Steps[] = {1000, 16409, 70000};
	struct tls_anchors *ca = certs_anchors("ca.crt");
	(void)state;
	for (size_t i = 0; i < sizeof Steps / sizeof *Steps; i++) {
		struct flow up = {0}, down = {0};
		struct peer *p = peer_new("server.crt", "server.key");
		struct tls *t = tls_to(Api, ca);
		carry_all(t, p, 4096);
		while (up.read < BULK || down.read < BULK) {
			work_peer(p, &up, &down);
			work_client(t, &up, &down);
			carry(t, p, Steps[i]);
			assert_int_equal(tls_state(t), TLS_OPEN);
		}
		tls_free(t);
		peer_free(p);
	}
	tls_anchors_free(ca);
}

static void closes_only_when_all_is_read(void **state)
{
	struct tls_anchors *ca = certs_anchors("ca.crt");
	struct peer *p = peer_new("server.crt", "server.key");
	struct tls *t = tls_to(Api, ca);
	uint8_t *at;
	(void)state;
	carry_all(t, p, 4096);
	say(p, "last words", 10);
	br_ssl_engine_close(&p->server.eng);
	carry_all(t, p, 4096);
	assert_int_equal(tls_state(t), TLS_OPEN);
	assert_int_equal(tls_wire_room(t, &at), 0);
	assert_hears(t, "last words");
	carry_all(t, p, 4096);
	assert_int_equal(tls_state(t), TLS_CLOSED);
	assert_int_equal(tls_error(t)->kind, ERR_NONE);
	assert_int_equal(tls_wire_room(t, &at) + tls_room(t, &at) + tls_peek(t, &at), 0);
	/* our close_notify went out in answer */
	assert_int_equal(br_ssl_engine_current_state(&p->server.eng), BR_SSL_CLOSED);
	assert_int_equal(br_ssl_engine_last_error(&p->server.eng), 0);
	tls_free(t);
	peer_free(p);
	tls_anchors_free(ca);
}

/* What we had begun to write still goes out; what the server still sends is
 * dropped, until it closes as well. */
static void closes_with_bytes_unread_and_unsent(void **state)
{
	struct tls_anchors *ca = certs_anchors("ca.crt");
	struct peer *p = peer_new("server.crt", "server.key");
	struct tls *t = tls_to(Api, ca);
	size_t n;
	uint8_t *at;
	(void)state;
	carry_all(t, p, 4096);
	say(p, "unread", 6);
	carry_all(t, p, 4096);
	assert_int_equal(tls_peek(t, &at), 6);
	say(p, "on its way", 10);
	assert_true(tls_room(t, &at) >= 6);
	memcpy(at, "unsent", 6);
	tls_push(t, 6);
	tls_close(t);
	assert_int_equal(tls_peek(t, &at) + tls_room(t, &at), 0);
	for (size_t i = 0; i < 200; i++)
		carry(t, p, 1);
	at = br_ssl_engine_recvapp_buf(&p->server.eng, &n);
	assert_int_equal(n, 6);
	assert_memory_equal(at, "unsent", 6);
	br_ssl_engine_recvapp_ack(&p->server.eng, n);
	carry_all(t, p, 1);
	assert_int_equal(tls_state(t), TLS_CLOSED);
	assert_int_equal(br_ssl_engine_last_error(&p->server.eng), 0);
	assert_int_equal(br_ssl_engine_current_state(&p->server.eng), BR_SSL_CLOSED);
	tls_free(t);
	peer_free(p);
	tls_anchors_free(ca);
}

static void closes_nothing_before_it_is_open(void **state)
{
	struct tls_anchors *ca = certs_anchors("ca.crt");
	struct peer *p = peer_new("server.crt", "server.key");
	struct tls *t = tls_to(Api, ca);
	(void)state;
	tls_close(t);
	carry_all(t, p, 4096);
	assert_int_equal(tls_state(t), TLS_OPEN);
	tls_free(t);
	peer_free(p);
	tls_anchors_free(ca);
}

static void does_not_renegotiate(void **state)
{
	struct tls_anchors *ca = certs_anchors("ca.crt");
	struct peer *p = peer_new("server.crt", "server.key");
	struct tls *t = tls_to(Api, ca);
	(void)state;
	carry_all(t, p, 4096);
	assert_true(br_ssl_engine_renegotiate(&p->server.eng));
	carry_all(t, p, 1);
	assert_int_equal(tls_state(t), TLS_OPEN);
	/* no_renegotiation (100), which BearSSL's server takes as the end */
	assert_int_equal(br_ssl_engine_last_error(&p->server.eng), BR_ERR_RECV_FATAL_ALERT + 100);
	tls_free(t);
	peer_free(p);
	tls_anchors_free(ca);
}

static void fails_at_a_record_that_was_changed(void **state)
{
	struct tls_anchors *ca = certs_anchors("ca.crt");
	struct peer *p = peer_new("server.crt", "server.key");
	struct tls *t = tls_to(Api, ca);
	size_t n;
	uint8_t *at;
	(void)state;
	carry_all(t, p, 4096);
	say(p, "hello", 5);
	at = br_ssl_engine_sendrec_buf(&p->server.eng, &n);
	at[n - 1] ^= 1;
	carry_all(t, p, 4096);
	assert_int_equal(tls_state(t), TLS_FAILED);
	assert_int_equal(tls_error(t)->kind, ERR_NETWORK);
	assert_int_equal(tls_error(t)->code, BR_ERR_BAD_MAC);
	assert_int_equal(tls_wire_room(t, &at) + tls_wire_peek(t, &at) + tls_peek(t, &at), 0);
	tls_close(t);
	assert_int_equal(tls_state(t), TLS_FAILED);
	tls_free(t);
	peer_free(p);
	tls_anchors_free(ca);
}

static const struct {
	const char *cert, *key, *anchors, *host;
	bool insecure;
	int code;
	const char *words;
} Refusals[] = {
	{"server.crt", "server.key", "other.crt", Api, false, BR_ERR_X509_NOT_TRUSTED,
		"certificate is signed by an unknown authority"},
	{"server.crt", "server.key", "ca.crt", "10.9.9.9", false, BR_ERR_X509_BAD_SERVER_NAME,
		"not for '10.9.9.9'"},
	{"expired.crt", "expired.key", "ca.crt", Api, false, BR_ERR_X509_EXPIRED,
		"certificate expired on"},
	{"client_only.crt", "client_only.key", "ca.crt", Api, false,
		BR_ERR_X509_FORBIDDEN_KEY_USAGE, "lacks serverAuth"},
	{"weak.crt", "weak.key", "ca.crt", Api, false, BR_ERR_X509_WEAK_PUBLIC_KEY, "2048 bits"},
	{"encipher.crt", "encipher.key", "ca.crt", Api, false, BR_ERR_WRONG_KEY_USAGE,
		"does not allow signatures"},
	{"disorder.crt", "leaf.key", "ca.crt", Api, false, BR_ERR_X509_DN_MISMATCH, "wrong order"},
	{"strict_chain.crt", "strict.key", "ca.crt", Api, false, BR_ERR_X509_CRITICAL_EXTENSION,
		"critical extension"},
	{"expired.crt", "expired.key", "other.crt", "10.9.9.9", true, 0, ""},
	{"client_only.crt", "client_only.key", NULL, "nobody", true, 0, ""},
	{"rsa.crt", "rsa.key", NULL, "nobody", true, 0, ""},
	{"server.crt", "server.key", NULL, Api, false, BR_ERR_X509_NOT_TRUSTED,
		"unknown authority"},
};

static void refuses_in_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof Refusals / sizeof *Refusals; i++) {
		struct err e = {0};
		struct tls_anchors *a =
			Refusals[i].anchors ? certs_anchors(Refusals[i].anchors) : NULL;
		struct peer *p = peer_new(Refusals[i].cert, Refusals[i].key);
		struct tls *t = tls_new(&(struct tls_options){.host = Refusals[i].host,
						.anchors = a,
						.insecure = Refusals[i].insecure},
			&e);
		carry_all(t, p, 4096);
		assert_int_equal(tls_state(t), Refusals[i].code ? TLS_FAILED : TLS_OPEN);
		assert_int_equal(tls_error(t)->code, Refusals[i].code);
		if (!strstr(tls_error(t)->text, Refusals[i].words))
			fail_msg("%s", tls_error(t)->text);
		tls_free(t);
		peer_free(p);
		tls_anchors_free(a);
	}
}

static void push_wire(struct tls *t, const void *bytes, size_t n)
{
	uint8_t *p;
	for (size_t at = 0, room; at < n && (room = tls_wire_room(t, &p)); at += room) {
		room = least(room, n - at);
		memcpy(p, (const uint8_t *)bytes + at, room);
		tls_wire_pushed(t, room);
	}
}

static void tells_plain_http_and_other_strangers(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *words;
	} Strangers[] = {
		{"HTTP/1.0 400 Bad Request\r\n\r\n", 28, "server speaks plain HTTP"},
		{"SSH-2.0-OpenSSH_9.2\r\n", 21, "does not speak TLS here"},
		{"\x16\x03\x02\x00\x06\x02\x00\x00\x26\x03\x02", 11, "TLS 1.2 is needed"},
		{"\x15\x03\x01\x00\x02\x02\x46", 7, "requires TLS 1.3, which BearSSL does not"},
		{"\x15\x03\x03\x00\x02\x02\x28", 7, "no TLS 1.2 suite that porter supports"},
		{"\x15\x03\x03\x00\x02\x02\x71", 7, "TLS alert 113"},
		{"\x15\x03\x03\x00\x02\x01\x00", 7, "server ended the TLS handshake"},
	};
	uint8_t *p;
	(void)state;
	for (size_t i = 0; i < sizeof Strangers / sizeof *Strangers; i++) {
		struct tls *t = tls_to(Api, NULL);
		push_wire(t, Strangers[i].bytes, Strangers[i].n);
		assert_int_equal(tls_state(t), TLS_FAILED);
		assert_int_equal(tls_error(t)->kind, ERR_TLS);
		if (!strstr(tls_error(t)->text, Strangers[i].words))
			fail_msg("%s", tls_error(t)->text);
		for (size_t n; (n = tls_wire_peek(t, &p));)
			tls_wire_eat(t, n);
		assert_int_equal(tls_state(t), TLS_FAILED);
		tls_free(t);
	}
}

static void refuses_options_without_a_name(void **state)
{
	struct err e = {0};
	(void)state;
	assert_null(tls_new(&(struct tls_options){.host = ""}, &e));
	assert_non_null(strstr(e.text, "no name to verify"));
	tls_free(NULL);
}

/* openssl s_server behind a socket, run in the certificates' directory. */
struct server {
	pid_t pid;
	int fd;
	struct tls *t;
};

static pid_t start_server(const char *const *options, const char *address)
{
	const char *arguments[32] = {"openssl", "s_server", "-naccept", "1", "-unix", address};
	size_t n = 6;
	while (*options)
		arguments[n++] = *options++;
	pid_t pid = fork();
	if (pid)
		return pid;
	int input[2]; /* of which it never sees the end, having both ends */
	if (pipe(input))
		_exit(125);
	dup2(input[0], STDIN_FILENO);
	dup2(creat(certs_path("heard"), 0600), STDOUT_FILENO);
	if (!getenv("VERBOSE"))
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
	if (chdir(certs_path("")))
		_exit(126);
	execvp("openssl", (char *const *)arguments);
	_exit(127);
}

static int connect_server(const struct sockaddr_un *to)
{
	for (int waited = 0; waited < WAIT_MS; waited += 10) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (!connect(fd, (const struct sockaddr *)to, sizeof *to))
			return fd;
		close(fd);
		usleep(10000);
	}
	fail_msg("openssl s_server does not answer at %s", to->sun_path);
	return -1;
}

static struct server server_open(
	const char *const *options, const struct tls_anchors *a, const struct tls_identity *id)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct err e = {0};
	snprintf(at.sun_path, sizeof at.sun_path, "/tmp/porter-tls-%d", (int)getpid());
	unlink(at.sun_path);
	struct server s = {.pid = start_server(options, at.sun_path)};
	s.fd = connect_server(&at);
	unlink(at.sun_path);
	s.t = tls_new(&(struct tls_options){.host = Api, .anchors = a, .identity = id}, &e);
	assert_non_null(s.t);
	return s;
}

static void server_close(struct server *s)
{
	int status;
	close(s->fd);
	tls_free(s->t);
	kill(s->pid, SIGTERM);
	assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
}

/* Sends all there is, then reads once; false at the end of the connection. */
static bool turn(struct server *s)
{
	uint8_t *p;
	size_t n;
	while ((n = tls_wire_peek(s->t, &p))) {
		ssize_t sent = send(s->fd, p, n, MSG_NOSIGNAL);
		if (sent < 0)
			break; /* what it said before may still be read */
		tls_wire_eat(s->t, (size_t)sent);
	}
	if (!(n = tls_wire_room(s->t, &p)))
		return false;
	struct pollfd poll_fd = {.fd = s->fd, .events = POLLIN};
	assert_int_equal(poll(&poll_fd, 1, WAIT_MS), 1);
	ssize_t got = read(s->fd, p, n);
	if (got <= 0)
		return false;
	tls_wire_pushed(s->t, (size_t)got);
	return true;
}

static void shake(struct server *s)
{
	while (tls_state(s->t) == TLS_HANDSHAKE && turn(s))
		;
}

/* Reads plaintext until it ends with `text`. */
static void assert_answers(struct server *s, const char *text)
{
	char heard[256];
	size_t n = 0, want = strlen(text), got;
	uint8_t *p;
	while (n < want) {
		if (!(got = tls_peek(s->t, &p))) {
			assert_true(turn(s));
			continue;
		}
		got = least(got, sizeof heard - n);
		memcpy(heard + n, p, got);
		tls_eat(s->t, got);
		n += got;
	}
	assert_int_equal(n, want);
	assert_memory_equal(heard, text, n);
}

static const struct {
	const char *options[16];
	const char *cert, *key; /* ours */
	int code;
	const char *words;
} Servers[] = {
	{{"-rev", "-cert", "server.crt", "-key", "server.key"}, NULL, NULL, 0, ""},
	{{"-rev", "-cert", "rsa.crt", "-key", "rsa.key"}, NULL, NULL, 0, ""},
	{{"-rev", "-cert", "leaf.crt", "-key", "leaf.key", "-cert_chain", "middle.crt"}, NULL, NULL,
		0, ""},
	{{"-rev", "-cert", "server.crt", "-key", "server.key", "-cipher",
		 "ECDHE-ECDSA-AES256-GCM-SHA384"},
		NULL, NULL, 0, ""},
	{{"-rev", "-cert", "rsa.crt", "-key", "rsa.key", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"},
		NULL, NULL, 0, ""},
	{{"-rev", "-cert", "server.crt", "-key", "server.key", "-curves", "P-384"}, NULL, NULL, 0,
		""},
	{{"-rev", "-cert", "server.crt", "-key", "server.key", "-Verify", "2", "-CAfile", "ca.crt",
		 "-verify_return_error"},
		"client_p256.crt", "client_p256.key", 0, ""},
	{{"-rev", "-cert", "rsa.crt", "-key", "rsa.key", "-Verify", "2", "-CAfile", "ca.crt",
		 "-verify_return_error"},
		"client_p384.crt", "client_p384.sec1", 0, ""},
	{{"-rev", "-cert", "server.crt", "-key", "server.key", "-Verify", "2", "-CAfile", "ca.crt",
		 "-verify_return_error"},
		"client_p521.crt", "client_p521.key", 0, ""},
	{{"-rev", "-cert", "server.crt", "-key", "server.key", "-Verify", "2", "-CAfile", "ca.crt",
		 "-verify_return_error"},
		"client_rsa.crt", "client_rsa.pkcs1", 0, ""},
	{{"-rev", "-cert", "server.crt", "-key", "server.key", "-Verify", "2", "-CAfile", "ca.crt",
		 "-verify_return_error"},
		"client_rsa4096.crt", "client_rsa4096.key", 0, ""},
	{{"-rev", "-cert", "server.crt", "-key", "server.key", "-verify", "2", "-CAfile", "ca.crt"},
		NULL, NULL, 0, ""}, /* asked for a certificate, we have none */
	{{"-cert", "server.crt", "-key", "server.key", "-Verify", "2", "-CAfile", "ca.crt"}, NULL,
		NULL, BR_ERR_RECV_FATAL_ALERT + 40, "or wants a client certificate"},
	{{"-cert", "server.crt", "-key", "server.key", "-Verify", "2", "-CAfile", "other.crt",
		 "-verify_return_error"},
		"client_p256.crt", "client_p256.key", BR_ERR_RECV_FATAL_ALERT + 48,
		"client certificate is signed by an authority the server does not know"},
	{{"-cert", "server.crt", "-key", "server.key", "-Verify", "2", "-CAfile", "ca.crt",
		 "-verify_return_error"},
		"expired.crt", "expired.key", BR_ERR_RECV_FATAL_ALERT + 45,
		"client certificate has expired"},
	{{"-cert", "server.crt", "-key", "server.key", "-tls1_3"}, NULL, NULL,
		BR_ERR_RECV_FATAL_ALERT + 70,
		"server requires TLS 1.3, which BearSSL does not support"},
	{{"-cert", "server.crt", "-key", "server.key", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"},
		NULL, NULL, BR_ERR_RECV_FATAL_ALERT + 40, "no TLS 1.2 suite"},
	{{"-cert", "server.crt", "-key", "server.key", "-tls1_2", "-cipher",
		 "ECDHE-ECDSA-AES128-SHA"},
		NULL, NULL, BR_ERR_RECV_FATAL_ALERT + 40, "no TLS 1.2 suite"},
	{{"-cert", "self.crt", "-key", "self.key"}, NULL, NULL, BR_ERR_X509_NOT_TRUSTED,
		"unknown authority"},
};

static void agrees_with_openssl(void **state)
{
	struct tls_anchors *ca = certs_anchors("ca.crt");
	(void)state;
	for (size_t i = 0; i < sizeof Servers / sizeof *Servers; i++) {
		struct err e = {0};
		struct tls_identity *id =
			Servers[i].cert ? certs_identity(Servers[i].cert, Servers[i].key, &e)
					: NULL;
		struct server s = server_open(Servers[i].options, ca, id);
		shake(&s);
		if (tls_error(s.t)->code != Servers[i].code ||
			!strstr(tls_error(s.t)->text, Servers[i].words))
			fail_msg("%zu: %d %s", i, tls_error(s.t)->code, tls_error(s.t)->text);
		assert_int_equal(tls_state(s.t), Servers[i].code ? TLS_FAILED : TLS_OPEN);
		if (!Servers[i].code) {
			put(s.t, "hello\n");
			assert_answers(&s, "olleh\n");
		}
		server_close(&s);
		tls_identity_free(id);
	}
	tls_anchors_free(ca);
}

/* What s_server printed: among its own words, what it was sent. */
static void compare_heard(struct flow *up)
{
	struct buf heard = {0};
	struct flow first = {0};
	uint8_t begin[64];
	FILE *f = fopen(certs_path("heard"), "r");
	for (size_t n = 1; n; buf_push(&heard, n))
		n = fread(buf_room(&heard, 65536), 1, 65536, f);
	fclose(f);
	fill(&first, begin, sizeof begin);
	uint8_t *p = memmem(buf_data(&heard), buf_len(&heard), begin, sizeof begin);
	assert_non_null(p);
	compare(up, p, least(BULK, (size_t)(buf_data(&heard) + buf_len(&heard) - p)));
	buf_free(&heard);
}

static void uploads_to_openssl(void **state)
{
	static const char *const Options[] = {
		"-cert", "server.crt", "-key", "server.key", "-no_tls1_3", NULL};
	struct tls_anchors *ca = certs_anchors("ca.crt");
	struct server s = server_open(Options, ca, NULL);
	struct flow up = {0};
	uint8_t *p;
	int status;
	(void)state;
	shake(&s);
	assert_int_equal(tls_state(s.t), TLS_OPEN);
	while (up.written < BULK) {
		size_t n = least(tls_room(s.t, &p), BULK - up.written);
		fill(&up, p, n);
		tls_push(s.t, n);
		for (size_t sent; (sent = tls_wire_peek(s.t, &p)); tls_wire_eat(s.t, sent))
			assert_int_equal(send(s.fd, p, sent, MSG_NOSIGNAL), sent);
	}
	tls_close(s.t);
	while (turn(&s))
		;
	assert_int_equal(tls_state(s.t), TLS_CLOSED);
	assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
	compare_heard(&up);
	assert_int_equal(up.read, BULK);
	close(s.fd);
	tls_free(s.t);
	tls_anchors_free(ca);
}

static void make_pattern_file(void)
{
	struct flow file = {0};
	uint8_t part[4096];
	FILE *f = fopen(certs_path("page"), "w");
	while (file.written < BULK) {
		size_t n = least(sizeof part, BULK - file.written);
		fill(&file, part, n);
		fwrite(part, 1, n, f);
	}
	fclose(f);
}

static void downloads_from_openssl(void **state)
{
	static const char *const Options[] = {"-HTTP", "-http_server_binmode", "-cert",
		"server.crt", "-key", "server.key", "-no_tls1_3", NULL};
	struct tls_anchors *ca = certs_anchors("ca.crt");
	struct flow down = {0};
	uint8_t *p;
	(void)state;
	make_pattern_file();
	struct server s = server_open(Options, ca, NULL);
	shake(&s);
	put(s.t, "GET /page HTTP/1.0\r\n\r\n");
	do {
		size_t n = tls_peek(s.t, &p);
		compare(&down, p, n);
		tls_eat(s.t, n);
	} while (turn(&s));
	assert_int_equal(down.read, BULK);
	server_close(&s);
	tls_anchors_free(ca);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shakes_hands_however_the_bytes_are_cut),
		cmocka_unit_test(offers_fast_suites_first_and_nothing_old),
		cmocka_unit_test(names_no_address_in_sni),
		cmocka_unit_test(carries_megabytes_both_ways),
		cmocka_unit_test(closes_only_when_all_is_read),
		cmocka_unit_test(closes_with_bytes_unread_and_unsent),
		cmocka_unit_test(closes_nothing_before_it_is_open),
		cmocka_unit_test(does_not_renegotiate),
		cmocka_unit_test(fails_at_a_record_that_was_changed),
		cmocka_unit_test(refuses_in_words),
		cmocka_unit_test(tells_plain_http_and_other_strangers),
		cmocka_unit_test(refuses_options_without_a_name),
		cmocka_unit_test(agrees_with_openssl),
		cmocka_unit_test(uploads_to_openssl),
		cmocka_unit_test(downloads_from_openssl),
	};
	return cmocka_run_group_tests_name("tls", tests, certs_make, certs_remove);
}
