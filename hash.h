/* SHA-1, as RFC 6455 wants it for a handshake; nothing here trusts it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { HASH_SHA1_LEN = 20 };

void hash_sha1(uint8_t out[HASH_SHA1_LEN], const void *p, size_t n);
