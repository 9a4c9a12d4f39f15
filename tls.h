/* A TLS client, as bytes in and bytes out: BearSSL behind one door.
 *
 * TLS 1.2 with ECDHE and AEAD suites only, AES-128-GCM first, no renegotiation.
 * Nothing above this header knows the library.  No sockets, no files but the
 * system's bundle of authorities.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct tls;
struct tls_anchors;  /* certificates to trust */
struct tls_identity; /* a client's certificate chain and its private key */

/* Reads PEM text: every CERTIFICATE in it.  NULL with *e in words: no
 * certificate, cut before its END line, an algorithm that is not supported.
 * Those who share it free it as its owner does; the last one really does. */
struct tls_anchors *tls_anchors_parse(const char *pem, size_t n, struct err *e);
struct tls_anchors *tls_anchors_share(const struct tls_anchors *a); /* NULL is fine */
void tls_anchors_free(struct tls_anchors *a);

/* The system's authorities: the file in SSL_CERT_FILE, else the first there is
 * of Debian's, RHEL's and Alpine's bundles.  Read once a process and never
 * freed; certificates of it that cannot be used are passed over. */
const struct tls_anchors *tls_anchors_system(struct err *e);

/* Reads a certificate chain and its key, both PEM: RSA (PKCS#1, PKCS#8) to
 * 4096 bits, EC P-256, P-384, P-521 (SEC 1, PKCS#8).  NULL with *e in words
 * (Ed25519, encrypted, certificate and key that do not belong together, ...). */
struct tls_identity *tls_identity_parse(
	const char *cert, size_t cert_len, const char *key, size_t key_len, struct err *e);
struct tls_identity *tls_identity_share(const struct tls_identity *id); /* as anchors */
void tls_identity_free(struct tls_identity *id);                        /* the key is zeroed */

struct tls_options {
	const char *host; /* to verify: DNS name or IP literal without brackets; names go
			     into SNI, addresses do not (RFC 6066, 3) */
	const struct tls_anchors *anchors;   /* ignored if insecure */
	const struct tls_identity *identity; /* or NULL */
	bool insecure; /* take any certificate: kubeconfig's insecure-skip-tls-verify */
};

/* Starts a handshake; options are copied, and what they point to is shared for as
 * long as that lasts.  NULL with *e set. */
struct tls *tls_new(const struct tls_options *o, struct err *e);
void tls_free(struct tls *t); /* NULL is fine */

enum tls_state {
	TLS_HANDSHAKE,
	TLS_OPEN,
	TLS_CLOSED, /* the server's close_notify was read */
	TLS_FAILED, /* tls_error() says why */
};

/* Changes only in tls_wire_pushed(), tls_wire_eat() and tls_close(). */
enum tls_state tls_state(const struct tls *t);

/* Kind ERR_TLS, code BearSSL's, words with the remedy: "server requires TLS
 * 1.3, which BearSSL does not support", "certificate is for 'a', 'b', not for
 * '10.0.0.1'", ...; the caller puts the cluster's name in front.  ERR_NETWORK:
 * it was open, and then something else came. */
const struct err *tls_error(const struct tls *t);

/* Ciphertext from the wire: room for it (0: give out plaintext, or send
 * ciphertext, first; or closed), then how much of the room was filled. */
size_t tls_wire_room(struct tls *t, uint8_t **p);
void tls_wire_pushed(struct tls *t, size_t n);

/* Ciphertext for the wire: what there is (0: none), then how much was sent. */
size_t tls_wire_peek(struct tls *t, uint8_t **p);
void tls_wire_eat(struct tls *t, size_t n);

/* Plaintext from the server: part of one record, in place; dies at eat. */
size_t tls_peek(struct tls *t, uint8_t **p);
void tls_eat(struct tls *t, size_t n);

/* Plaintext for the server: room in the record that is being filled (0: send
 * ciphertext first), then how much of it was filled.  The record goes out when
 * it is full or at tls_flush(). */
size_t tls_room(struct tls *t, uint8_t **p);
void tls_push(struct tls *t, size_t n);
void tls_flush(struct tls *t);

/* Sends close_notify, if the connection is open, behind what was pushed; what is
 * unread, or still comes, is dropped.  The state stays TLS_OPEN until the server
 * answers; there is no need to wait for that. */
void tls_close(struct tls *t);
