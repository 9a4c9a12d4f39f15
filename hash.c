/* SHA-1 by way of BearSSL, whose names stay in here. */
#include "hash.h"

#include <bearssl.h>

void hash_sha1(uint8_t out[HASH_SHA1_LEN], const void *p, size_t n)
{
	br_sha1_context ctx;
	br_sha1_init(&ctx);
	br_sha1_update(&ctx, p, n);
	br_sha1_out(&ctx, out);
}
