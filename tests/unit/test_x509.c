/* x509.c, pki.c, pem.c, der.c, against certificates and keys that openssl made
 * when the test began (tests/unit/certs).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/mman.h>

#include "certs.h"
#include "pem.h"
#include "pki.h"
#include "x509.h"

static struct pem_block read_first(const char *name)
{
	struct err e = {0};
	struct pem_block block;
	char *pem = certs_read(name);
	struct span text = {.p = pem, .n = strlen(pem)};
	assert_int_equal(pem_next(&text, &block, &e), PEM_BLOCK);
	block.label = (struct span){0};
	free(pem);
	return block;
}

static void push_certificate(struct x509 *x, const uint8_t *p, size_t n, size_t step)
{
	x->vtable->start_cert(&x->vtable, (uint32_t)n);
	for (size_t at = 0; at < n; at += step)
		x->vtable->append(&x->vtable, p + at, step < n - at ? step : n - at);
	x->vtable->end_cert(&x->vtable);
}

/* As BearSSL's engine does with a server's Certificate message. */
static unsigned push_chain(struct x509 *x, const char *name, size_t step)
{
	struct err e = {0};
	struct pem_block block;
	char *pem = certs_read(name);
	struct span text = {.p = pem, .n = strlen(pem)};
	x->vtable->start_chain(&x->vtable, "sent in SNI");
	while (pem_next(&text, &block, &e) == PEM_BLOCK) {
		push_certificate(x, block.der, block.len, step);
		pem_free(&block);
	}
	free(pem);
	return x->vtable->end_chain(&x->vtable);
}

static unsigned check(
	const char *anchors, const char *chain, const char *host, size_t step, struct err *e)
{
	struct x509 x;
	struct x509_name name;
	struct tls_anchors *a = certs_anchors(anchors);
	assert_non_null(a);
	assert_true(x509_name_set(&name, host));
	x509_init(&x, &name, a->list, a->count);
	unsigned code = push_chain(&x, chain, step), usages = 0;
	const br_x509_pkey *key = x.vtable->get_pkey(&x.vtable, &usages);
	assert_in_range(buf_len(&x.leaf), 0, X509_LEAF_MAX);
	if (!code)
		assert_true(key && usages);
	else
		x509_explain(&x, (int)code, e);
	x509_free(&x);
	tls_anchors_free(a);
	return code;
}

static const char Api[] = "api.example.com";

static const struct {
	const char *anchors, *chain, *host;
	unsigned code;
} Chains[] = {
	{"ca.crt", "server.crt", Api, 0},
	{"ca.crt", "rsa.crt", Api, 0},
	{"ca.crt", "plain.crt", Api, 0}, /* no extendedKeyUsage: all are allowed */
	{"ca.crt", "any.crt", Api, 0},
	{"ca.crt", "client_only.crt", Api, BR_ERR_X509_FORBIDDEN_KEY_USAGE},
	{"ca.crt", "expired.crt", Api, BR_ERR_X509_EXPIRED},
	{"ca.crt", "future.crt", Api, BR_ERR_X509_EXPIRED},
	{"ca.crt", "weak.crt", Api, BR_ERR_X509_WEAK_PUBLIC_KEY},
	{"ca.crt", "sha1.crt", Api, BR_ERR_X509_UNSUPPORTED},
	{"ca.crt", "huge.crt", Api, BR_ERR_X509_LIMIT_EXCEEDED},
	{"other.crt", "server.crt", Api, BR_ERR_X509_NOT_TRUSTED},
	{"ca.crt", "chain.crt", Api, 0},
	{"ca.crt", "leaf.crt", Api, BR_ERR_X509_NOT_TRUSTED}, /* its issuer is missing */
	{"middle.crt", "leaf.crt", Api, 0},
	{"ca.crt", "disorder.crt", Api, BR_ERR_X509_DN_MISMATCH},
	{"ca.crt", "strict_chain.crt", Api, BR_ERR_X509_CRITICAL_EXTENSION},
	{"self.crt", "self.crt", Api, 0},
	{"self.crt", "server.crt", Api, BR_ERR_X509_NOT_TRUSTED},
	{"self.crt", "self.crt", "localhost", BR_ERR_X509_BAD_SERVER_NAME},
	{"self.crt", "under_self.crt", Api, BR_ERR_X509_NOT_TRUSTED}, /* self is no CA */
	{"ca.crt", "self.crt", Api, BR_ERR_X509_NOT_TRUSTED},
	{"v1.crt", "under_v1.crt", Api, 0},
};

static void checks_chains(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof Chains / sizeof *Chains; i++)
		for (size_t step = 1; step < 100000; step *= 47) {
			struct err e = {0};
			unsigned code =
				check(Chains[i].anchors, Chains[i].chain, Chains[i].host, step, &e);
			if (code != Chains[i].code)
				fail_msg("%s for %s: %u", Chains[i].chain, Chains[i].host, code);
		}
}

static const struct {
	const char *chain, *host;
	bool good;
} Names[] = {
	{"server.crt", "API.example.COM", true},
	{"server.crt", "api.example.com.", true},
	{"server.crt", "a.wild.example.com", true},
	{"server.crt", "a.b.wild.example.com", false},
	{"server.crt", "wild.example.com", false},
	{"server.crt", ".wild.example.com", false},
	{"server.crt", "api.example.co", false},
	{"server.crt", "xapi.example.com", false},
	{"server.crt", "example.com", false},
	{"server.crt", "api.example.com.example.org", false},
	{"server.crt", "10.0.0.1", true},
	{"server.crt", "127.0.0.1", true},
	{"server.crt", "10.0.0.2", false},
	{"server.crt", "2001:db8::1", true},
	{"server.crt", "2001:DB8:0::0:1", true},
	{"server.crt", "2001:db8::1%eth0", true},
	{"server.crt", "2001:db8::2", false},
	{"server.crt", "::ffff:10.0.0.1", false},
	{"text_ip.crt", "10.0.0.1", false}, /* has it as a DNS name, and "*.0.0.1" */
	{"cn_only.crt", "cn_only", false},
};

static void takes_names_from_subject_alt_name_only(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof Names / sizeof *Names; i++) {
		struct err e = {0};
		unsigned code = check("ca.crt", Names[i].chain, Names[i].host, 4096, &e);
		if (code != (Names[i].good ? 0 : BR_ERR_X509_BAD_SERVER_NAME))
			fail_msg("%s for %s: %u", Names[i].chain, Names[i].host, code);
	}
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *chain, *host, *words;
	} Wrong[] = {
		{"server.crt", "10.0.0.2",
			"certificate is for 'api.example.com', '*.Wild.example.com', '10.0.0.1', "
			"'127.0.0.1', '2001:db8::1', not for '10.0.0.2'"},
		{"cn_only.crt", "cn_only", "common name does not count"},
		{"expired.crt", Api, "certificate expired on 20"},
		{"future.crt", Api, "certificate is not valid before 2040-01-01"},
		{"client_only.crt", Api, "extendedKeyUsage lacks serverAuth"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Wrong / sizeof *Wrong; i++) {
		struct err e = {0};
		unsigned code = check("ca.crt", Wrong[i].chain, Wrong[i].host, 4096, &e);
		assert_int_equal(e.kind, ERR_TLS);
		assert_int_equal(e.code, code);
		if (!strstr(e.text, Wrong[i].words))
			fail_msg("%s", e.text);
	}
}

static void takes_any_certificate_if_told_to(void **state)
{
	static const char *const Any[] = {
		"server.crt", "rsa.crt", "expired.crt", "self.crt", "disorder.crt", "huge.crt"};
	(void)state;
	for (size_t i = 0; i < sizeof Any / sizeof *Any; i++) {
		struct x509 x;
		unsigned usages = 0;
		x509_init_insecure(&x);
		assert_int_equal(push_chain(&x, Any[i], 100), 0);
		const br_x509_pkey *key = x.vtable->get_pkey(&x.vtable, &usages);
		assert_non_null(key);
		assert_int_equal(key->key_type, i == 1 ? BR_KEYTYPE_RSA : BR_KEYTYPE_EC);
		assert_int_equal(usages, BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN);
		x509_free(&x);
	}
	static const char *const None[] = {"ca.key", "client_ed25519.crt"};
	for (size_t i = 0; i < sizeof None / sizeof *None; i++) {
		struct x509 x;
		x509_init_insecure(&x);
		assert_int_not_equal(push_chain(&x, None[i], 7), 0);
		assert_null(x.vtable->get_pkey(&x.vtable, NULL));
		x509_free(&x);
	}
}

static void refuses_host_names_that_are_none(void **state)
{
	char host[X509_HOST_MAX + 2];
	struct x509_name name;
	(void)state;
	memset(host, 'a', sizeof host);
	host[X509_HOST_MAX + 1] = '\0';
	assert_false(x509_name_set(&name, host));
	host[X509_HOST_MAX] = '\0';
	assert_true(x509_name_set(&name, host));
	assert_false(x509_name_set(&name, ""));
	assert_false(x509_name_set(&name, "."));
}

/* Every beginning of a certificate, hard against an unmapped page, and every
 * byte of it changed. */
static void reads_no_byte_beyond_a_certificate(void **state)
{
	struct x509_name name;
	struct pem_block block = read_first("server.crt");
	(void)state;
	assert_true(x509_name_set(&name, Api));
	uint8_t *page =
		mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(page + 4096, 4096, PROT_NONE);
	for (size_t n = 0; n < block.len; n++) {
		uint8_t *p = memcpy(page + 4096 - n, block.der, n);
		assert_int_equal(
			x509_check((struct der){.p = p, .n = n}, &name), BR_ERR_X509_INVALID_VALUE);
	}
	uint8_t *p = memcpy(page + 4096 - block.len, block.der, block.len);
	for (size_t i = 0; i < block.len; i++)
		for (unsigned bit = 1; bit < 256; bit <<= 1) {
			p[i] = (uint8_t)(block.der[i] ^ bit);
			x509_check((struct der){.p = p, .n = block.len}, &name);
			p[i] = block.der[i];
		}
	assert_int_equal(x509_check((struct der){.p = p, .n = block.len}, &name), 0);
	munmap(page, 8192);
	pem_free(&block);
}

/* What openssl will not make: an extension 2.5.29.99 turned into another
 * subjectAltName. */
static void refuses_an_extension_that_is_there_twice(void **state)
{
	struct x509_name name;
	struct pem_block block = read_first("twice.crt");
	struct der certificate = {.p = block.der, .n = block.len};
	(void)state;
	assert_true(x509_name_set(&name, Api));
	assert_int_equal(x509_check(certificate, &name), 0);
	uint8_t *oid = memmem(block.der, block.len, "\x06\x03\x55\x1d\x63", 5);
	oid[4] = 0x11;
	assert_int_equal(x509_check(certificate, &name), BR_ERR_X509_INVALID_VALUE);
	pem_free(&block);
}

static void reads_der_lengths_of_every_form(void **state)
{
	static const struct {
		uint8_t bytes[7];
		size_t n;
		bool good;
	} Elements[] = {
		{{0x04, 1, 'x'}, 3, true},
		{{0x04, 0x81, 1, 'x'}, 4, true},
		{{0x04, 0x83, 0, 0, 1, 'x'}, 6, true},
		{{0x04, 0x84, 0, 0, 0, 1, 'x'}, 7, false},
		{{0x04, 0x80, 'x', 0, 0}, 5, false},  /* indefinite */
		{{0x1f, 0x01, 1, 'x'}, 4, false},     /* tag of two bytes */
		{{0x04, 2, 'x'}, 3, false},           /* cut */
		{{0x04, 0x83, 0xff, 0xff}, 4, false}, /* cut in the length */
		{{0x04}, 1, false},
		{{0}, 0, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Elements / sizeof *Elements; i++) {
		struct der d = {.p = Elements[i].bytes, .n = Elements[i].n}, value;
		assert_false(der_take(&d, DER_SEQUENCE, &value));
		assert_int_equal(der_take(&d, DER_OCTET_STRING, &value), Elements[i].good);
		assert_int_equal(d.n, Elements[i].good ? 0 : Elements[i].n);
		if (Elements[i].good)
			assert_true(der_is(value, "x", 1));
	}
}

static const struct {
	const char *cert, *key;
	const char *wrong; /* NULL: they are good */
} Identities[] = {
	{"client_rsa.crt", "client_rsa.key", NULL},
	{"client_rsa.crt", "client_rsa.pkcs1", NULL},
	{"client_rsa4096.crt", "client_rsa4096.key", NULL},
	{"client_rsa4096.crt", "client_rsa4096.pkcs1", NULL},
	{"client_p256.crt", "client_p256.key", NULL},
	{"client_p256.crt", "client_p256.sec1", NULL},
	{"client_p256.crt", "client_p256.both", NULL},
	{"client_p384.crt", "client_p384.key", NULL},
	{"client_p384.crt", "client_p384.sec1", NULL},
	{"client_p521.crt", "client_p521.key", NULL},
	{"client_p521.crt", "client_p521.sec1", NULL},
	{"chain.crt", "leaf.key", NULL},
	{"client_p256.crt", "server.key", "do not belong together"},
	{"client_p256.crt", "client_p384.key", "do not belong together"},
	{"client_p256.crt", "client_rsa.key", "do not belong together"},
	{"client_rsa.crt", "rsa.key", "do not belong together"},
	{"client_ed25519.crt", "client_ed25519.key", "is Ed25519, which BearSSL does not support"},
	{"client_ed25519.crt", "client_p256.key", "is Ed25519, which BearSSL does not support"},
	{"client_k1.crt", "client_k1.key", "is EC secp256k1, which BearSSL does not support"},
	{"client_rsa.crt", "rsa4224.key", "RSA over 4096 bits is not supported"},
	{"client_rsa.crt", "client_rsa.encrypted", "is encrypted"},
	{"client_rsa.crt", "client_rsa.oldstyle", "is encrypted"},
	{"client_rsa.crt", "client_rsa.crt", "there is no PEM key"},
	{"client_rsa.key", "client_rsa.key", "there is no PEM certificate"},
};

static void reads_keys_of_every_format(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof Identities / sizeof *Identities; i++) {
		struct err e = {0};
		struct tls_identity *id = certs_identity(Identities[i].cert, Identities[i].key, &e);
		if (!id != !!Identities[i].wrong ||
			!strstr(e.text, Identities[i].wrong ? Identities[i].wrong : ""))
			fail_msg("%s: '%s'", Identities[i].key, e.text);
		tls_identity_free(id);
	}
}

/* The text with `end` for each end of line. */
static char *with_line_ends(const char *text, const char *end)
{
	struct buf out = {0};
	for (; *text; text++)
		if (*text == '\n')
			buf_put(&out, end, strlen(end));
		else
			buf_put(&out, text, 1);
	buf_put(&out, "", 1);
	return (char *)out.p;
}

static void reads_pem_as_people_have_it(void **state)
{
	static const char *const Ends[] = {"\n", "\r\n", " \t\n", "\n\n"};
	char *cert = certs_read("client_rsa.crt"), *key = certs_read("client_rsa.key");
	char both[8192];
	(void)state;
	snprintf(both, sizeof both, "Bag Attributes\n\tname: x\n%sand:\n%s", key, cert);
	for (size_t i = 0; i < sizeof Ends / sizeof *Ends; i++) {
		struct err e = {0};
		char *text = with_line_ends(both, Ends[i]);
		size_t n = strlen(text);
		while (text[n - 1] != '-') /* nothing after the last line's dashes */
			n--;
		struct tls_identity *id = tls_identity_parse(text, n, text, n, &e);
		assert_string_equal(e.text, "");
		assert_non_null(id);
		tls_identity_free(id);
		free(text);
	}
	free(cert);
	free(key);
}

static const char *words_for_cut(size_t n)
{
	if (n <= strlen("-----BEGIN "))
		return "no PEM certificate in it";
	return n < strlen("-----BEGIN CERTIFICATE-----") ? "damaged" : "CERTIFICATE is cut";
}

static void refuses_pem_that_is_cut_anywhere(void **state)
{
	char *text = certs_read("ca.crt");
	size_t whole = strlen(text) - 1; /* its last end of line may be missing */
	(void)state;
	for (size_t n = 0; n < whole; n++) {
		struct err e = {0};
		assert_null(tls_anchors_parse(text, n, &e));
		if (!strstr(e.text, words_for_cut(n)))
			fail_msg("%zu bytes: %s", n, e.text);
	}
	free(text);
}

static void passes_over_blanks_among_base64(void **state)
{
	char *ca = certs_read("ca.crt"), text[2048];
	size_t at = strlen("-----BEGIN CERTIFICATE-----\n") + 5;
	struct err e = {0};
	(void)state;
	int n = snprintf(text, sizeof text, "%.*s \t%s", (int)at, ca, ca + at);
	struct tls_anchors *a = tls_anchors_parse(text, (size_t)n, &e);
	assert_non_null(a);
	tls_anchors_free(a);
	free(ca);
}

static void refuses_pem_that_is_damaged(void **state)
{
	static const struct {
		const char *text, *words;
	} Bad[] = {
		{"  -----BEGIN CERTIFICATE-----\n  AAAA\n  -----END CERTIFICATE-----\n",
			"indented"},
		{"-----BEGIN CERTIFICATE-----\nAA!A\n-----END CERTIFICATE-----\n", "not Base64"},
		{"-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n", "not Base64"},
		{"-----BEGIN CERTIFICATE-----\nAAAA\n-----END X-----\n", "is cut"},
		{"-----BEGIN CERTIFICATE-----\nAAAA\n-----BEGIN CERTIFICATE-----\n", "is cut"},
		{"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "malformed"},
		{"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "malformed"},
		{"-----BEGIN X-----\nAAAA\n-----END X-----\n", "no PEM certificate"},
		{"", "no PEM certificate"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Bad / sizeof *Bad; i++) {
		struct err e = {0};
		assert_null(tls_anchors_parse(Bad[i].text, strlen(Bad[i].text), &e));
		assert_int_equal(e.kind, ERR_TLS);
		if (!strstr(e.text, Bad[i].words))
			fail_msg("%s", e.text);
	}
}

static void reads_every_anchor_or_none(void **state)
{
	char *ca = certs_read("ca.crt"), *v1 = certs_read("v1.crt"),
	     *ed = certs_read("client_ed25519.crt"), text[8192];
	struct err e = {0};
	(void)state;
	int n = snprintf(text, sizeof text, "%s%s", ca, v1);
	struct tls_anchors *a = tls_anchors_parse(text, (size_t)n, &e);
	assert_non_null(a);
	assert_int_equal(a->count, 2);
	assert_int_equal(a->list[0].flags, BR_X509_TA_CA);
	tls_anchors_free(a);
	n = snprintf(text, sizeof text, "%s%s", ca, ed);
	assert_null(tls_anchors_parse(text, (size_t)n, &e));
	assert_non_null(strstr(e.text, "Ed25519"));
	free(ca);
	free(v1);
	free(ed);
}

static void passes_over_what_is_bad_in_the_systems_bundle(void **state)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----\n";
	char *ca = certs_read("ca.crt"), *ed = certs_read("client_ed25519.crt");
	struct err e = {0};
	(void)state;
	setenv("SSL_CERT_FILE", "/nonexistent", 1);
	assert_null(tls_anchors_system(&e));
	assert_int_equal(e.kind, ERR_LOCAL);
	assert_non_null(strstr(e.text, "/nonexistent"));
	FILE *f = fopen(certs_path("bundle"), "w");
	fprintf(f, "%s%s%s!\n-----END CERTIFICATE-----\n%s%sAAAA\n%s%s", ca, ed, begin, ca, begin,
		ca, begin);
	fclose(f);
	setenv("SSL_CERT_FILE", certs_path("bundle"), 1);
	e = (struct err){0};
	const struct tls_anchors *a = tls_anchors_system(&e);
	assert_non_null(a);
	assert_int_equal(a->count, 3);
	setenv("SSL_CERT_FILE", "/nonexistent", 1);
	assert_ptr_equal(tls_anchors_system(&e), a);
	assert_int_equal(e.kind, ERR_NONE);
	free(ca);
	free(ed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_chains),
		cmocka_unit_test(takes_names_from_subject_alt_name_only),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(takes_any_certificate_if_told_to),
		cmocka_unit_test(refuses_host_names_that_are_none),
		cmocka_unit_test(reads_no_byte_beyond_a_certificate),
		cmocka_unit_test(refuses_an_extension_that_is_there_twice),
		cmocka_unit_test(reads_der_lengths_of_every_form),
		cmocka_unit_test(reads_keys_of_every_format),
		cmocka_unit_test(reads_pem_as_people_have_it),
		cmocka_unit_test(passes_over_blanks_among_base64),
		cmocka_unit_test(refuses_pem_that_is_cut_anywhere),
		cmocka_unit_test(refuses_pem_that_is_damaged),
		cmocka_unit_test(reads_every_anchor_or_none),
		cmocka_unit_test(passes_over_what_is_bad_in_the_systems_bundle),
	};
	return cmocka_run_group_tests_name("x509", tests, certs_make, certs_remove);
}
