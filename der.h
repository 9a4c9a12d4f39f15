/* ASN.1 in DER (X.690), element by element, as certificates and keys need it.
 *
 * Bytes in, spans of them out.  Knows no certificate; lengths over 24 bits and
 * tags of more than one byte are malformed here.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes owned elsewhere: elements one behind the other. */
struct der {
	const uint8_t *p;
	size_t n;
};

/* Whole tag bytes: class, form and number. */
enum der_tag {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_OCTET_STRING = 0x04,
	DER_OID = 0x06,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_IN_0 = 0xa0, /* [0], explicit */
	DER_IN_3 = 0xa3,
};

/* Takes the first element off *d: its tag byte and what it holds.  False, with
 * *d as it was, if there is none or it is malformed or cut. */
bool der_next(struct der *d, unsigned *tag, struct der *value);

/* The same, for an element that has to be of that tag. */
bool der_take(struct der *d, unsigned tag, struct der *value);

/* Whether the bytes are those. */
bool der_is(struct der d, const void *p, size_t n);
