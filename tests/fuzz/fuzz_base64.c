/* What is decoded must be what is written again, but for line ends; any bytes
 * must survive both ways.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base64.h"

static void decode_and_encode(const char *p, size_t n)
{
	uint8_t *bytes = malloc(n / 4 * 3);
	size_t len, at = 0;
	if (base64_decode(bytes, &len, p, n)) {
		char *text = malloc(BASE64_LEN(len) + 1);
		base64_encode(text, bytes, len);
		for (size_t i = 0; i < n; i++)
			assert(p[i] == '\r' || p[i] == '\n' || p[i] == text[at++]);
		assert(at == BASE64_LEN(len) && !text[at]);
		free(text);
	}
	free(bytes);
}

static void encode_and_decode(const uint8_t *p, size_t n)
{
	char *text = malloc(BASE64_LEN(n) + 1);
	uint8_t *bytes = malloc(BASE64_LEN(n) / 4 * 3);
	size_t len;
	base64_encode(text, p, n);
	assert(base64_decode(bytes, &len, text, BASE64_LEN(n)));
	assert(len == n && (!n || !memcmp(bytes, p, n)));
	free(bytes);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	decode_and_encode((const char *)p, n);
	encode_and_decode(p, n);
	return 0;
}
