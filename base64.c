/* Base64, written out and read back strictly: see base64.h. */
#include "base64.h"

static const char Alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(char *out, const void *p, size_t n)
{
	const uint8_t *in = p;
	for (size_t i = 0; i < n; i += 3) {
		size_t part = n - i < 3 ? n - i : 3;
		uint32_t bits = (uint32_t)in[i] << 16;
		bits |= part > 1 ? (uint32_t)in[i + 1] << 8 : 0;
		bits |= part > 2 ? in[i + 2] : 0;
		*out++ = Alphabet[bits >> 18];
		*out++ = Alphabet[bits >> 12 & 63];
		*out++ = part > 1 ? Alphabet[bits >> 6 & 63] : '=';
		*out++ = part > 2 ? Alphabet[bits & 63] : '=';
	}
	*out = '\0';
}

/* A character's six bits; -1 if it is not of the alphabet. */
static int value_of_char(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters, `pads` of them '=' at the end: their bytes, 0 if malformed. */
static size_t decode_four(uint8_t *out, uint32_t bits, unsigned pads)
{
	static const uint32_t Unused[] = {0, 0xff, 0xffff};
	if (pads > 2 || bits & Unused[pads])
		return 0;
	for (unsigned i = 0; i < 3 - pads; i++)
		out[i] = (uint8_t)(bits >> (16 - 8 * i));
	return 3 - pads;
}

bool base64_decode(uint8_t *out, size_t *len, const char *p, size_t n)
{
	unsigned have = 0, pads = 0;
	uint32_t bits = 0;
	*len = 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\r' || p[i] == '\n')
			continue;
		int v = value_of_char(p[i]);
		if (p[i] == '=' && have)
			pads++;
		else if (v < 0 || pads)
			return false;
		bits = bits << 6 | (v < 0 ? 0 : (uint32_t)v);
		if (++have < 4)
			continue;
		size_t got = decode_four(out + *len, bits, pads);
		if (!got)
			return false;
		*len += got;
		have = 0;
		bits = 0;
	}
	return !have;
}
