/* BearSSL's client engine behind tls.h.  The check of certificates is x509.c's;
 * sockets, and when to read and write, are conn.c's.
 */
#include "tls.h"

#include <bearssl.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "pki.h"
#include "random.h"
#include "x509.h"

enum {
	ALERT = BR_ERR_RECV_FATAL_ALERT, /* plus the number of RFC 5246, 7.2 */
	ENTROPY = 32,
	HANDSHAKE_RECORD = 22, /* RFC 5246, 6.2.1 */
	RECORD_HEADER = 5,
	IN_SIZE = BR_SSL_BUFSIZE_INPUT,
	OUT_SIZE = BR_SSL_BUFSIZE_OUTPUT,
};

struct tls {
	br_ssl_client_context client;
	struct x509 *x509; /* NULL when the handshake is over; so are these two */
	struct tls_anchors *anchors;
	struct tls_identity *identity;
	enum tls_state state;
	bool identified; /* we have a certificate to show */
	struct err error;
	uint8_t *records; /* one in, one out */
};

/* What a code means, and what else where we have no certificate to show. */
static const struct {
	int code;
	const char *words, *anonymous;
} Words[] = {
	{BR_ERR_BAD_VERSION, "server changed its TLS version midway", NULL},
	{BR_ERR_BAD_LENGTH, "server sent a TLS record of a wrong length", NULL},
	{BR_ERR_TOO_LARGE, "server sent a TLS record that is too large", NULL},
	{BR_ERR_BAD_MAC, "a TLS record was damaged on its way", NULL},
	{BR_ERR_BAD_CIPHER_SUITE, "server chose a cipher suite that was not offered", NULL},
	{BR_ERR_INVALID_ALGORITHM,
		"server chose a curve or signature that BearSSL does not support (SHA-1, RSA-PSS?)",
		NULL},
	{BR_ERR_BAD_SIGNATURE, "server's signature is wrong: it may not have the certificate's key",
		NULL},
	{BR_ERR_WRONG_KEY_USAGE, "certificate's keyUsage does not allow signatures", NULL},
	{BR_ERR_X509_UNSUPPORTED,
		"certificate uses an algorithm that is not supported (Ed25519, RSA-PSS or SHA-1, "
		"perhaps): RSA and EC with SHA-256 are",
		NULL},
	{BR_ERR_X509_LIMIT_EXCEEDED,
		"certificate is too large: RSA over 4096 bits is not supported", NULL},
	{BR_ERR_X509_WRONG_KEY_TYPE,
		"certificate is signed by another kind of key than its issuer has", NULL},
	{BR_ERR_X509_BAD_SIGNATURE, "a signature in the certificate's chain is wrong", NULL},
	{BR_ERR_X509_EXPIRED, "certificate is out of date", NULL},
	{BR_ERR_X509_DN_MISMATCH,
		"server sends its certificates in a wrong order: each has to be followed by its "
		"issuer's",
		NULL},
	{BR_ERR_X509_BAD_SERVER_NAME, "certificate is for another host", NULL},
	{BR_ERR_X509_CRITICAL_EXTENSION,
		"certificate has a critical extension that BearSSL does not support (name "
		"constraints, perhaps)",
		NULL},
	{BR_ERR_X509_NOT_CA, "certificate is signed by one that is not a CA's", NULL},
	{BR_ERR_X509_FORBIDDEN_KEY_USAGE,
		"certificate's issuer may not sign certificates: its keyUsage forbids it", NULL},
	{BR_ERR_X509_WEAK_PUBLIC_KEY, "certificate's RSA key is too short: 2048 bits are needed",
		NULL},
	{BR_ERR_X509_NOT_TRUSTED,
		"certificate is signed by an unknown authority: is certificate-authority-data "
		"this cluster's?",
		NULL},
	{ALERT + 20, "server found a TLS record damaged on its way", NULL},
	{ALERT + 40,
		"server has no TLS 1.2 suite that porter supports (ECDHE with AES-GCM or "
		"ChaCha20), or refuses the client certificate",
		"server has no TLS 1.2 suite that porter supports (ECDHE with AES-GCM or "
		"ChaCha20), or wants a client certificate"},
	{ALERT + 42, "server refused the client certificate", "server wants a client certificate"},
	{ALERT + 43, "server does not support the client certificate's kind",
		"server does not support this kind of certificate"},
	{ALERT + 44, "client certificate has been revoked", NULL},
	{ALERT + 45, "client certificate has expired: renew the kubeconfig's", NULL},
	{ALERT + 46, "server refused the client certificate", "server wants a client certificate"},
	{ALERT + 47, "server refused the handshake (illegal parameter)", NULL},
	{ALERT + 48, "client certificate is signed by an authority the server does not know",
		"server refused the handshake (unknown authority)"},
	{ALERT + 49, "server denied access to the client certificate", "server denied access"},
	{ALERT + 50, "server refused the handshake (decode error)", NULL},
	{ALERT + 51, "server refused the handshake (a signature or key did not fit)", NULL},
	{ALERT + 70, "server requires TLS 1.3, which BearSSL does not support", NULL},
	{ALERT + 71, "server requires stronger cipher suites than BearSSL supports", NULL},
	{ALERT + 80, "server had an internal error in TLS", NULL},
	{ALERT + 112, "server does not know this host name: tls-server-name can choose another",
		NULL},
	{ALERT + 116, "server refused the client certificate", "server wants a client certificate"},
};

static const char *find_words(int code, bool identified)
{
	for (size_t i = 0; i < sizeof Words / sizeof *Words; i++)
		if (Words[i].code == code)
			return identified || !Words[i].anonymous ? Words[i].words
								 : Words[i].anonymous;
	return NULL;
}

/* BearSSL has one code for whatever is not TLS 1.2; the record it stopped at
 * begins the buffer. */
static const char *explain_version(const uint8_t *record)
{
	if (!memcmp(record, "HTTP", 4))
		return "server speaks plain HTTP here, not TLS: is the port right, or should the "
		       "URL begin with http:?";
	if (*record == HANDSHAKE_RECORD)
		return "server requires TLS 1.1 or older; TLS 1.2 is needed";
	return "server does not speak TLS here (plain HTTP?): is the port right?";
}

/* It was TLS until here. */
static bool is_garbled(const struct tls *t, int code)
{
	return t->state == TLS_OPEN && (code < ALERT || code >= BR_ERR_SEND_FATAL_ALERT);
}

static void set_error(struct tls *t, int code)
{
	const char *words = code == BR_ERR_UNSUPPORTED_VERSION ? explain_version(t->records)
							       : find_words(code, t->identified);
	if (is_garbled(t, code)) {
		err_set(&t->error, ERR_NETWORK, code, "what came was garbled (BearSSL error %d)",
			code);
		return;
	}
	if (t->x509 && x509_explain(t->x509, code, &t->error))
		return;
	if (words)
		err_set(&t->error, ERR_TLS, code, "%s", words);
	else if (code > ALERT && code < BR_ERR_SEND_FATAL_ALERT)
		err_set(&t->error, ERR_TLS, code, "server refused with TLS alert %d", code - ALERT);
	else
		err_set(&t->error, ERR_TLS, code,
			"server did not keep to TLS 1.2, or its certificate is malformed "
			"(BearSSL error %d)",
			code);
}

/* What only a handshake needs; there is never a second one. */
static void end_handshake(struct tls *t)
{
	if (t->x509)
		x509_free(t->x509);
	free(t->x509);
	tls_anchors_free(t->anchors);
	tls_identity_free(t->identity);
	t->x509 = NULL;
	t->anchors = NULL;
	t->identity = NULL;
	br_ssl_engine_set_x509(&t->client.eng, NULL);
}

static void enter(struct tls *t, enum tls_state state)
{
	t->state = state;
	end_handshake(t);
}

/* A close_notify that was read is `shutdown_recv`, the one thing that BearSSL
 * tells nobody: it says closed only when its own close_notify has been sent. */
static void settle(struct tls *t)
{
	const br_ssl_engine_context *engine = &t->client.eng;
	unsigned now = br_ssl_engine_current_state(engine);
	int code = br_ssl_engine_last_error(engine);
	if (t->state >= TLS_CLOSED)
		return;
	bool closed = engine->shutdown_recv || now == BR_SSL_CLOSED;
	if (code) {
		set_error(t, code);
		enter(t, TLS_FAILED);
	} else if (closed && t->state == TLS_HANDSHAKE) {
		err_set(&t->error, ERR_TLS, 0, "server ended the TLS handshake");
		enter(t, TLS_FAILED);
	} else if (closed) {
		enter(t, TLS_CLOSED);
	} else if (t->state == TLS_HANDSHAKE && now & BR_SSL_SENDAPP) {
		enter(t, TLS_OPEN);
	}
}

/* As br_ssl_client_init_full(), less what is never offered.  BearSSL has
 * ChaCha20 first, which takes six times as long as AES with AES-NI. */
static void init_engine(br_ssl_client_context *client)
{
	static const uint16_t Suites[] = {
		BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	};
	br_ssl_engine_context *engine = &client->eng;
	br_ssl_client_zero(client);
	br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
	br_ssl_engine_set_suites(engine, Suites, sizeof Suites / sizeof *Suites);
	br_ssl_engine_set_hash(engine, br_sha256_ID, &br_sha256_vtable);
	br_ssl_engine_set_hash(engine, br_sha384_ID, &br_sha384_vtable);
	br_ssl_engine_set_hash(engine, br_sha512_ID, &br_sha512_vtable);
	br_ssl_engine_set_prf_sha256(engine, br_tls12_sha256_prf);
	br_ssl_engine_set_prf_sha384(engine, br_tls12_sha384_prf);
	br_ssl_engine_set_default_rsavrfy(engine);
	br_ssl_engine_set_default_ecdsa(engine);
	br_ssl_engine_set_default_aes_gcm(engine);
	br_ssl_engine_set_default_chapol(engine);
	br_ssl_engine_add_flags(engine, BR_OPT_NO_RENEGOTIATION);
}

static void init_identity(br_ssl_client_context *client, const struct tls_identity *id)
{
	if (id->key.key_type == BR_KEYTYPE_RSA)
		br_ssl_client_set_single_rsa(client, id->chain, id->count, &id->key.key.rsa,
			br_rsa_pkcs1_sign_get_default());
	else
		br_ssl_client_set_single_ec(client, id->chain, id->count, &id->key.key.ec,
			BR_KEYTYPE_SIGN, BR_KEYTYPE_EC, br_ec_get_default(),
			br_ecdsa_sign_asn1_get_default());
}

static void init_x509(struct tls *t, const struct tls_options *o, const struct x509_name *name)
{
	t->x509 = mem_new(sizeof *t->x509);
	if (o->insecure)
		x509_init_insecure(t->x509);
	else
		x509_init(t->x509, name, o->anchors ? o->anchors->list : NULL,
			o->anchors ? o->anchors->count : 0);
	br_ssl_engine_set_x509(&t->client.eng, &t->x509->vtable);
}

/* X25519 takes BearSSL 0.27 ms where P-256 takes 0.7, and Go's servers take the
 * first curve of ours.  0.6 means to name it first, but a slip in its code puts
 * it last: so it is moved in the ClientHello, and that is hashed anew. */
static void put_x25519_first(br_ssl_engine_context *engine)
{
	static const uint8_t Found[] = {0, 23, 0, 24, 0, 25, 0, 29};
	static const uint8_t Wanted[] = {0, 29, 0, 23, 0, 24, 0, 25};
	size_t n;
	uint8_t *hello = br_ssl_engine_sendrec_buf(engine, &n);
	uint8_t *curves = n > RECORD_HEADER ? memmem(hello, n, Found, sizeof Found) : NULL;
	if (!curves)
		return;
	memcpy(curves, Wanted, sizeof Wanted);
	br_multihash_init(&engine->mhash);
	br_multihash_update(&engine->mhash, hello + RECORD_HEADER, n - RECORD_HEADER);
}

/* BearSSL 0.6 takes RDRAND alone where there is one: the kernel's bytes go in
 * first, so that neither is trusted by itself. */
static void start(struct tls *t, const struct x509_name *name)
{
	uint8_t entropy[ENTROPY];
	random_bytes(entropy, sizeof entropy);
	br_ssl_engine_inject_entropy(&t->client.eng, entropy, sizeof entropy);
	mem_wipe(entropy, sizeof entropy);
	if (br_ssl_client_reset(&t->client, name->ip_len ? NULL : name->host, 0))
		put_x25519_first(&t->client.eng);
}

struct tls *tls_new(const struct tls_options *o, struct err *e)
{
	struct x509_name name;
	if (!x509_name_set(&name, o->host)) {
		err_set(e, ERR_TLS, 0, "server has no name to verify, or one of over %d characters",
			X509_HOST_MAX);
		return NULL;
	}
	struct tls *t = mem_new(sizeof *t);
	t->identified = o->identity;
	t->anchors = tls_anchors_share(o->anchors);
	t->identity = tls_identity_share(o->identity);
	t->records = mem_grow(NULL, IN_SIZE + OUT_SIZE);
	init_engine(&t->client);
	init_x509(t, o, &name);
	if (o->identity)
		init_identity(&t->client, o->identity);
	br_ssl_engine_set_buffers_bidi(
		&t->client.eng, t->records, IN_SIZE, t->records + IN_SIZE, OUT_SIZE);
	start(t, &name);
	settle(t);
	if (t->state != TLS_FAILED)
		return t;
	err_set(e, t->error.kind, t->error.code, "%s", t->error.text);
	tls_free(t);
	return NULL;
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	end_handshake(t);
	mem_wipe(t->records, IN_SIZE + OUT_SIZE);
	free(t->records);
	mem_wipe(t, sizeof *t);
	free(t);
}

enum tls_state tls_state(const struct tls *t)
{
	return t->state;
}

const struct err *tls_error(const struct tls *t)
{
	return &t->error;
}

size_t tls_wire_room(struct tls *t, uint8_t **p)
{
	size_t n;
	*p = br_ssl_engine_recvrec_buf(&t->client.eng, &n);
	return n;
}

void tls_wire_pushed(struct tls *t, size_t n)
{
	if (!n)
		return;
	br_ssl_engine_recvrec_ack(&t->client.eng, n);
	settle(t);
}

size_t tls_wire_peek(struct tls *t, uint8_t **p)
{
	size_t n;
	*p = br_ssl_engine_sendrec_buf(&t->client.eng, &n);
	return n;
}

void tls_wire_eat(struct tls *t, size_t n)
{
	if (!n)
		return;
	br_ssl_engine_sendrec_ack(&t->client.eng, n);
	settle(t);
}

size_t tls_peek(struct tls *t, uint8_t **p)
{
	size_t n;
	*p = br_ssl_engine_recvapp_buf(&t->client.eng, &n);
	return n;
}

void tls_eat(struct tls *t, size_t n)
{
	if (n)
		br_ssl_engine_recvapp_ack(&t->client.eng, n);
}

size_t tls_room(struct tls *t, uint8_t **p)
{
	size_t n;
	*p = br_ssl_engine_sendapp_buf(&t->client.eng, &n);
	return n;
}

void tls_push(struct tls *t, size_t n)
{
	if (n)
		br_ssl_engine_sendapp_ack(&t->client.eng, n);
}

void tls_flush(struct tls *t)
{
	br_ssl_engine_flush(&t->client.eng, 0);
}

/* With plaintext unread the engine would close, and then neither read nor
 * write a byte: so that goes first. */
void tls_close(struct tls *t)
{
	uint8_t *p;
	if (t->state != TLS_OPEN)
		return;
	for (size_t n; (n = tls_peek(t, &p));)
		tls_eat(t, n);
	br_ssl_engine_close(&t->client.eng);
	settle(t);
}
