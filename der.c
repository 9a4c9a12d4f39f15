/* The bounded reader of der.h: no byte behind the span is looked at.  What the
 * elements mean is for x509.c and pki.c.
 */
#include "der.h"

#include <string.h>

enum { LENGTH_BYTES_MAX = 3, LONG_TAG = 0x1f, LONG_LENGTH = 0x80 };

/* The length field behind the tag: returns the header's bytes, 0 if malformed. */
static size_t read_length(const struct der *d, size_t *length)
{
	size_t first = d->p[1], bytes = first & 0x7f;
	*length = first;
	if (!(first & LONG_LENGTH))
		return 2;
	if (!bytes || bytes > LENGTH_BYTES_MAX || d->n < 2 + bytes)
		return 0;
	*length = 0;
	for (size_t i = 0; i < bytes; i++)
		*length = *length << 8 | d->p[2 + i];
	return 2 + bytes;
}

bool der_next(struct der *d, unsigned *tag, struct der *value)
{
	size_t length;
	if (d->n < 2 || (d->p[0] & LONG_TAG) == LONG_TAG)
		return false;
	size_t header = read_length(d, &length);
	if (!header || length > d->n - header)
		return false;
	*tag = d->p[0];
	*value = (struct der){.p = d->p + header, .n = length};
	*d = (struct der){.p = value->p + length, .n = d->n - header - length};
	return true;
}

bool der_take(struct der *d, unsigned tag, struct der *value)
{
	struct der rest = *d;
	unsigned found;
	if (!der_next(&rest, &found, value) || found != tag)
		return false;
	*d = rest;
	return true;
}

bool der_is(struct der d, const void *p, size_t n)
{
	return d.n == n && (!n || !memcmp(d.p, p, n));
}
