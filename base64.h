/* Base64 of RFC 4648, section 4: the standard alphabet, padded. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters that `n` bytes become, without the NUL. */
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_LEN(n) characters and a NUL. */
void base64_encode(char *out, const void *p, size_t n);

/* Decodes `n` characters into `out`, which has room for n / 4 * 3 bytes; stores
 * the number of bytes in *len.  Line ends (CR, LF) are passed over, as Go's
 * decoder does for kubeconfigs.  False for anything else that is not Base64:
 * other characters, wrong padding, bits that pad and are not zero.
 */
bool base64_decode(uint8_t *out, size_t *len, const char *p, size_t n);
