/* Anchors, and clients' certificates with their keys: PEM in, BearSSL's types
 * out.  The check of servers' certificates is x509.c's.
 */
#include "pki.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "der.h"
#include "file.h"
#include "mem.h"
#include "pem.h"
#include "x509.h"

enum { EC_POINT_MAX = BR_EC_KBUF_PUB_MAX_SIZE, RSA_BYTES_MAX = PKI_RSA_BITS_MAX / 8 };

/* Algorithms and curves that people have, and BearSSL does not. */
static const struct {
	size_t n;
	uint8_t oid[9];
	const char *name;
} Unsupported[] = {
	{3, {0x2b, 0x65, 0x70}, "Ed25519"},
	{3, {0x2b, 0x65, 0x71}, "Ed448"},
	{9, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a}, "RSA-PSS"},
	{7, {0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01}, "DSA"},
	{5, {0x2b, 0x81, 0x04, 0x00, 0x0a}, "EC secp256k1"},
	{5, {0x2b, 0x81, 0x04, 0x00, 0x21}, "EC P-224"},
	{8, {0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x01}, "EC P-192"},
	{9, {0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07}, "EC brainpoolP256r1"},
	{9, {0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0b}, "EC brainpoolP384r1"},
	{9, {0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0d}, "EC brainpoolP512r1"},
};

/* The first of those among the OIDs of an AlgorithmIdentifier or a [0]. */
static const char *name_of_algorithm(struct der identifier)
{
	struct der value;
	unsigned tag;
	while (der_next(&identifier, &tag, &value))
		for (size_t i = 0; tag == DER_OID && i < sizeof Unsupported / sizeof *Unsupported;
			i++)
			if (der_is(value, Unsupported[i].oid, Unsupported[i].n))
				return Unsupported[i].name;
	return "of an unknown sort";
}

/* Why BearSSL could not decode `what`, in words. */
static bool refuse(struct err *e, int code, const char *what, const char *algorithm)
{
	if (code == BR_ERR_X509_UNSUPPORTED)
		return err_set(e, ERR_TLS, code,
			"%s is %s, which BearSSL does not support: use RSA to 4096 bits or EC "
			"P-256, P-384, P-521",
			what, algorithm);
	if (code == BR_ERR_X509_LIMIT_EXCEEDED)
		return err_set(e, ERR_TLS, code,
			"%s is too large: RSA over 4096 bits is not supported", what);
	return err_set(e, ERR_TLS, code, "%s is malformed (BearSSL error %d)", what, code);
}

static bool refuse_certificate(struct err *e, int code, struct der certificate)
{
	struct x509_fields f;
	if (!x509_read(certificate, &f))
		return refuse(e, code, "certificate", "of an unknown sort");
	return refuse(e, code, "certificate's key", name_of_algorithm(f.algorithm));
}

static bool is_too_large(const br_x509_pkey *key)
{
	return key->key_type == BR_KEYTYPE_RSA && key->key.rsa.nlen > RSA_BYTES_MAX;
}

/* Decodes a certificate; NULL with *e set if its key cannot be used. */
static const br_x509_pkey *decode_certificate(
	br_x509_decoder_context *decoder, struct der certificate, struct err *e)
{
	br_x509_decoder_push(decoder, certificate.p, certificate.n);
	const br_x509_pkey *key = br_x509_decoder_get_pkey(decoder);
	int code = key ? 0 : br_x509_decoder_last_error(decoder);
	if (key && is_too_large(key))
		code = BR_ERR_X509_LIMIT_EXCEEDED;
	if (!code)
		return key;
	refuse_certificate(e, code, certificate);
	return NULL;
}

static void append_dn(void *to, const void *p, size_t n)
{
	buf_put(to, p, n);
}

/* A copy of a public key that does not point into a decoder. */
static br_x509_pkey copy_key(const br_x509_pkey *key)
{
	br_x509_pkey copy = *key;
	if (key->key_type == BR_KEYTYPE_RSA) {
		copy.key.rsa.n = (uint8_t *)mem_dup_n(key->key.rsa.n, key->key.rsa.nlen);
		copy.key.rsa.e = (uint8_t *)mem_dup_n(key->key.rsa.e, key->key.rsa.elen);
	} else {
		copy.key.ec.q = (uint8_t *)mem_dup_n(key->key.ec.q, key->key.ec.qlen);
	}
	return copy;
}

static void free_key(br_x509_pkey *key)
{
	if (key->key_type == BR_KEYTYPE_RSA) {
		free(key->key.rsa.n);
		free(key->key.rsa.e);
	} else {
		free(key->key.ec.q);
	}
}

/* One that is no CA is trusted as a server's own certificate; X.509 v1 has no
 * way to say what it is, and counts as a CA where it is an anchor, as in Go. */
static bool add_anchor(struct tls_anchors *a, struct der certificate, struct err *e)
{
	struct buf dn = {0};
	struct x509_fields f;
	br_x509_decoder_context decoder;
	br_x509_decoder_init(&decoder, append_dn, &dn);
	const br_x509_pkey *key = decode_certificate(&decoder, certificate, e);
	if (!key) {
		buf_free(&dn);
		return false;
	}
	bool ca = br_x509_decoder_isCA(&decoder) || (x509_read(certificate, &f) && f.v1);
	a->list = mem_grow(a->list, (a->count + 1) * sizeof *a->list);
	a->list[a->count++] = (br_x509_trust_anchor){
		.dn = {.data = (uint8_t *)mem_dup_n(buf_data(&dn), buf_len(&dn)),
			.len = buf_len(&dn)},
		.flags = ca ? BR_X509_TA_CA : 0,
		.pkey = copy_key(key),
	};
	buf_free(&dn);
	return true;
}

/* Every certificate of a text.  If `all` is false, those that cannot be used
 * are passed over. */
static bool add_anchors(struct tls_anchors *a, struct span text, bool all, struct err *e)
{
	struct pem_block block;
	enum pem_result result;
	bool good = true;
	while (good && (result = pem_next(&text, &block, all ? e : NULL)) != PEM_END) {
		if (result == PEM_BAD)
			good = !all;
		else if (span_is(block.label, "CERTIFICATE"))
			good = add_anchor(a, (struct der){.p = block.der, .n = block.len},
				       all ? e : NULL) ||
			       !all;
		pem_free(&block);
	}
	return good && (a->count || err_set(e, ERR_TLS, 0, "there is no PEM certificate in it"));
}

static struct tls_anchors *new_anchors(struct span text, bool all, struct err *e)
{
	struct tls_anchors *a = mem_new(sizeof *a);
	if (add_anchors(a, text, all, e))
		return a;
	tls_anchors_free(a);
	return NULL;
}

struct tls_anchors *tls_anchors_parse(const char *pem, size_t n, struct err *e)
{
	return new_anchors((struct span){.p = pem, .n = n}, true, e);
}

/* How many share it is no part of what it says. */
struct tls_anchors *tls_anchors_share(const struct tls_anchors *a)
{
	struct tls_anchors *shared = (struct tls_anchors *)(uintptr_t)a;
	if (shared)
		shared->shared++;
	return shared;
}

void tls_anchors_free(struct tls_anchors *a)
{
	if (!a || a->shared--)
		return;
	for (size_t i = 0; i < a->count; i++) {
		free(a->list[i].dn.data);
		free_key(&a->list[i].pkey);
	}
	free(a->list);
	free(a);
}

/* The path of the system's bundle, opened and read; NULL with *e set. */
static const char *read_bundle(struct buf *out, struct err *e)
{
	static const char *const Paths[] = {
		"/etc/ssl/certs/ca-certificates.crt", /* Debian */
		"/etc/pki/tls/certs/ca-bundle.crt",   /* RHEL */
		"/etc/ssl/cert.pem",                  /* Alpine */
	};
	const char *chosen = getenv("SSL_CERT_FILE");
	if (chosen && *chosen) {
		if (file_read(out, chosen, PKI_BUNDLE_MAX))
			return chosen;
		err_set(e, ERR_LOCAL, errno, "SSL_CERT_FILE %s: %s", chosen, strerror(errno));
		return NULL;
	}
	for (size_t i = 0; i < sizeof Paths / sizeof *Paths; i++) {
		if (file_read(out, Paths[i], PKI_BUNDLE_MAX))
			return Paths[i];
		buf_free(out);
	}
	err_set(e, ERR_LOCAL, ENOENT,
		"this system has no bundle of authorities (%s): set certificate-authority, or "
		"SSL_CERT_FILE",
		Paths[0]);
	return NULL;
}

const struct tls_anchors *tls_anchors_system(struct err *e)
{
	static struct tls_anchors *system;
	struct buf text = {0};
	const char *path;
	if (!system && (path = read_bundle(&text, e))) {
		system = new_anchors(
			(struct span){.p = (const char *)buf_data(&text), .n = buf_len(&text)},
			false, NULL);
		if (!system)
			err_set(e, ERR_TLS, 0, "%s has no certificate that can be used", path);
	}
	buf_free(&text);
	return system;
}

static bool add_certificate(struct tls_identity *id, struct pem_block *block, struct err *e)
{
	if (!span_is(block->label, "CERTIFICATE"))
		return true;
	if (id->count == PKI_CHAIN_MAX)
		return err_set(e, ERR_TLS, 0, "client certificate's chain is over %d certificates",
			PKI_CHAIN_MAX);
	id->chain[id->count++] = (br_x509_certificate){.data = block->der, .data_len = block->len};
	*block = (struct pem_block){0};
	return true;
}

static bool read_chain(struct tls_identity *id, struct span text, struct err *e)
{
	struct pem_block block;
	enum pem_result result = PEM_END;
	bool good = true;
	while (good && (result = pem_next(&text, &block, e)) == PEM_BLOCK) {
		good = add_certificate(id, &block, e);
		pem_free(&block);
	}
	if (result != PEM_END)
		return false;
	return id->count || err_set(e, ERR_TLS, 0,
				    "client certificate: there is no PEM "
				    "certificate in it");
}

/* PKCS#8 names its algorithm in a SEQUENCE, SEC 1 its curve in a [0]. */
static const char *name_of_key(struct der key)
{
	struct der fields, value, identifier = {0};
	unsigned tag;
	if (der_take(&key, DER_SEQUENCE, &fields))
		while (!identifier.n && der_next(&fields, &tag, &value))
			if (tag == DER_SEQUENCE || tag == DER_IN_0)
				identifier = value;
	return name_of_algorithm(identifier);
}

/* BearSSL's decoder bounds keys by its buffer only. */
static int check_size(const br_skey_decoder_context *key)
{
	size_t n;
	if (key->key_type == BR_KEYTYPE_RSA)
		return key->key.rsa.n_bitlen > PKI_RSA_BITS_MAX ? BR_ERR_X509_LIMIT_EXCEEDED : 0;
	br_ec_get_default()->order(key->key.ec.curve, &n);
	return key->key.ec.xlen && key->key.ec.xlen <= n ? 0 : BR_ERR_X509_INVALID_VALUE;
}

static bool decode_key(struct tls_identity *id, const struct pem_block *block, struct err *e)
{
	static const char What[] = "client's private key";
	br_skey_decoder_init(&id->key);
	br_skey_decoder_push(&id->key, block->der, block->len);
	int code = br_skey_decoder_last_error(&id->key);
	if (!code)
		code = check_size(&id->key);
	return !code ||
	       refuse(e, code, What, name_of_key((struct der){.p = block->der, .n = block->len}));
}

static bool is_key(struct span label)
{
	static const char Suffix[] = "PRIVATE KEY";
	size_t n = sizeof Suffix - 1;
	return label.n >= n && !memcmp(label.p + label.n - n, Suffix, n);
}

static bool use_key(struct tls_identity *id, const struct pem_block *block, struct err *e)
{
	if (block->encrypted || span_is(block->label, "ENCRYPTED PRIVATE KEY"))
		return err_set(e, ERR_TLS, 0,
			"client's private key is encrypted: decrypt it with 'openssl pkey'");
	return decode_key(id, block, e);
}

/* The first private key of the text. */
static bool read_key(struct tls_identity *id, struct span text, struct err *e)
{
	struct pem_block block;
	enum pem_result result;
	while ((result = pem_next(&text, &block, e)) == PEM_BLOCK) {
		bool found = is_key(block.label), good = found && use_key(id, &block, e);
		pem_free(&block);
		if (found)
			return good;
	}
	return result == PEM_END &&
	       err_set(e, ERR_TLS, 0, "client's private key: there is no PEM key in it");
}

/* By a signature: br_rsa_compute_modulus of 0.6 has no room for 4096 bits. */
static bool is_rsa_pair(const br_rsa_private_key *key, const br_rsa_public_key *public)
{
	static const uint8_t Hash[br_sha256_SIZE] = {1}; /* of nothing: any will do */
	uint8_t signature[RSA_BYTES_MAX], found[br_sha256_SIZE];
	size_t len = (key->n_bitlen + 7) / 8;
	return len == public->nlen &&
	       br_rsa_pkcs1_sign_get_default()(
		       BR_HASH_OID_SHA256, Hash, sizeof Hash, key, signature) &&
	       br_rsa_pkcs1_vrfy_get_default()(
		       signature, len, BR_HASH_OID_SHA256, sizeof Hash, public, found) &&
	       !memcmp(found, Hash, sizeof Hash);
}

static bool is_ec_pair(const br_ec_private_key *key, const br_ec_public_key *public)
{
	uint8_t q[EC_POINT_MAX];
	size_t len = br_ec_compute_pub(br_ec_get_default(), NULL, q, key);
	return len && len == public->qlen && !memcmp(q, public->q, len);
}

static bool belong_together(const br_skey_decoder_context *key, const br_x509_pkey *public)
{
	if (key->key_type != public->key_type)
		return false;
	return key->key_type == BR_KEYTYPE_RSA ? is_rsa_pair(&key->key.rsa, &public->key.rsa)
					       : is_ec_pair(&key->key.ec, &public->key.ec);
}

static bool check_pair(const struct tls_identity *id, struct err *e)
{
	br_x509_decoder_context decoder;
	br_x509_decoder_init(&decoder, NULL, NULL);
	const br_x509_pkey *public = decode_certificate(
		&decoder, (struct der){.p = id->chain[0].data, .n = id->chain[0].data_len}, e);
	if (!public)
		return false;
	return belong_together(&id->key, public) ||
	       err_set(e, ERR_TLS, 0, "client certificate and private key do not belong together");
}

struct tls_identity *tls_identity_parse(
	const char *cert, size_t cert_len, const char *key, size_t key_len, struct err *e)
{
	struct tls_identity *id = mem_new(sizeof *id);
	if (read_chain(id, (struct span){.p = cert, .n = cert_len}, e) &&
		read_key(id, (struct span){.p = key, .n = key_len}, e) && check_pair(id, e))
		return id;
	tls_identity_free(id);
	return NULL;
}

struct tls_identity *tls_identity_share(const struct tls_identity *id)
{
	struct tls_identity *shared = (struct tls_identity *)(uintptr_t)id;
	if (shared)
		shared->shared++;
	return shared;
}

void tls_identity_free(struct tls_identity *id)
{
	if (!id || id->shared--)
		return;
	for (size_t i = 0; i < id->count; i++)
		free(id->chain[i].data);
	mem_wipe(id, sizeof *id);
	free(id);
}
