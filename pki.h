/* What the anchors and identities of tls.h are made of.  pki.c reads them from
 * PEM: it has tls_anchors_*() and tls_identity_*(), as tls.h describes them.
 *
 * For tls.c only: it shows BearSSL's types.
 */
#pragma once
#include <bearssl.h>
#include <stddef.h>
#include <stdint.h>

#include "tls.h"

enum {
	PKI_RSA_BITS_MAX = 4096,
	PKI_CHAIN_MAX = 16,           /* certificates of an identity */
	PKI_BUNDLE_MAX = 8 * 1048576, /* bytes of the system's bundle */
	PKI_KEY_PADDING = 64,
};

struct tls_anchors {
	unsigned shared; /* by so many besides the owner */
	br_x509_trust_anchor *list;
	size_t count;
};

struct tls_identity {
	unsigned shared;
	br_x509_certificate chain[PKI_CHAIN_MAX];
	size_t count;
	br_skey_decoder_context key;      /* holds the decoded key */
	uint8_t padding[PKI_KEY_PADDING]; /* br_skey_decoder of 0.6 can write 17 bytes too far */
};
