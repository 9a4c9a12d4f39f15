/* The check of a server's certificate: br_x509_minimal for chain, dates and
 * signatures, and around it what that leaves out (RFC 5280, RFC 6125, and as
 * Go does it): names from subjectAltName alone, DNS names, IPv4 and IPv6, and
 * an extendedKeyUsage that has serverAuth.
 *
 * For tls.c and pki.c only: it shows BearSSL's types.
 */
#pragma once
#include <bearssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "der.h"
#include "err.h"

enum {
	X509_HOST_MAX = 253,     /* characters of a DNS name */
	X509_LEAF_MAX = 65536,   /* bytes of a server's own certificate */
	X509_RSA_BYTES_MIN = 256 /* of a modulus: 2048 bits */
};

/* Whom a certificate has to be for. */
struct x509_name {
	char host[X509_HOST_MAX + 1]; /* without a final dot */
	uint8_t ip[16];
	size_t ip_len; /* 4 or 16; 0: host is a DNS name */
};

/* False if `host` is empty or too long.  Of "fe80::1%eth0" the zone is not
 * looked at. */
bool x509_name_set(struct x509_name *name, const char *host);

/* The parts of a certificate that are read here; spans into it. */
struct x509_fields {
	bool v1;               /* has no version: an old root, perhaps */
	struct der validity;   /* two times */
	struct der algorithm;  /* of the public key: OID and parameters */
	struct der extensions; /* empty if there are none */
};

/* False if it is malformed, or anything is behind it. */
bool x509_read(struct der certificate, struct x509_fields *fields);

/* Whether a leaf certificate may be used for that server: 0 or BearSSL's code
 * (INVALID_VALUE, BAD_SERVER_NAME, FORBIDDEN_KEY_USAGE).  Trusts no byte. */
unsigned x509_check(struct der certificate, const struct x509_name *name);

/* BearSSL's X.509 engine, whose class it begins with. */
struct x509 {
	const br_x509_class *vtable;
	union {
		br_x509_minimal_context minimal;
		br_x509_decoder_context decoder; /* insecure: the leaf's key, no more */
	};
	struct x509_name name;
	unsigned certificates; /* of the chain that have ended */
	struct buf leaf;
	bool too_long; /* the leaf is over X509_LEAF_MAX */
};

/* Checks chains against anchors, which must outlive it.  RSA under 2048 bits
 * and SHA-1 signatures are refused. */
void x509_init(struct x509 *x, const struct x509_name *name, const br_x509_trust_anchor *anchors,
	size_t count);

/* Takes any certificate whose key can be read. */
void x509_init_insecure(struct x509 *x);

void x509_free(struct x509 *x); /* what it holds, not x itself */

/* Sets *e for those codes whose words need the certificate: its names, dates,
 * usage.  False, with *e as it was, for other codes. */
bool x509_explain(const struct x509 *x, int code, struct err *e);
