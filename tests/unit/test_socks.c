/* socks.c alone: conversations byte by byte, with a guard behind each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "socks.h"

static struct secret Password = {.p = "p:w", .n = 3};

/* All that the proxy says is in one text; cut so that each message comes by single
 * bytes, in a block of its own size.  Returns whether all went well. */
static bool talk(const struct socks_spec *spec, const char *said, size_t n, struct buf *out,
	size_t *taken, struct err *e)
{
	struct socks s;
	size_t at = 0, have = 0;
	if (!socks_begin(&s, spec, out, e))
		return false;
	while (s.awaits != SOCKS_DONE && at + have < n) {
		uint8_t *p = malloc(++have);
		memcpy(p, said + at, have);
		size_t before = buf_len(out);
		ptrdiff_t used = socks_read(&s, p, have, out, e);
		free(p);
		if (used < 0)
			return false;
		assert_true((size_t)used == (used ? have : 0));
		assert_true(used || buf_len(out) == before);
		at += (size_t)used;
		have -= (size_t)used;
	}
	*taken = at;
	return s.awaits == SOCKS_DONE;
}

struct row {
	struct socks_spec spec;
	const char *said;
	size_t said_n;
	const char *sent;
	size_t sent_n;
	const char *wrong; /* NULL: nothing */
	enum err_kind kind;
};

#define BYTES(text) text, sizeof(text) - 1
#define NAMED                                                                                      \
	{                                                                                          \
		"a.com", 6443, NULL, &Password                                                     \
	}
#define KNOWN                                                                                      \
	{                                                                                          \
		"a.com", 6443, "me", &Password                                                     \
	}
#define REQUEST "\5\1\0\3\5a.com\x19\x2b"

static void check(const struct row *rows, size_t count)
{
	for (const struct row *r = rows; r < rows + count; r++) {
		struct buf out = {0};
		struct err e = {0};
		size_t taken = 0;
		bool good = talk(&r->spec, r->said, r->said_n, &out, &taken, &e);
		assert_string_equal(e.text, r->wrong ? r->wrong : "");
		assert_int_equal(e.kind, r->kind);
		assert_int_equal(good, !r->wrong);
		assert_int_equal(buf_len(&out), r->sent_n);
		assert_memory_equal(buf_data(&out), r->sent, r->sent_n);
		buf_free(&out);
	}
}

static void asks_for_names_and_addresses(void **state)
{
	static const struct row Rows[] = {
		{NAMED, BYTES("\5\0\5\0\0\1\1\2\3\4\0\1"), BYTES("\5\1\0" REQUEST), NULL, 0},
		{{"10.1.2.3", 443, NULL, NULL},
			BYTES("\5\0\5\0\0\4"
			      "0123456789abcdef"
			      "\0\1"),
			BYTES("\5\1\0\5\1\0\1\x0a\1\2\3\1\xbb"), NULL, 0},
		{{"fd00::1", 443, NULL, NULL}, BYTES("\5\0\5\0\0\3\3abc\0\1"),
			BYTES("\5\1\0\5\1\0\4\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\1\xbb"), NULL, 0},
		{KNOWN, BYTES("\5\0\5\0\0\1\1\2\3\4\0\1"), BYTES("\5\2\0\2" REQUEST), NULL, 0},
		{KNOWN, BYTES("\5\2\1\0\5\0\0\1\1\2\3\4\0\1"), BYTES("\5\2\0\2\1\2me\3p:w" REQUEST),
			NULL, 0},
	};
	(void)state;
	check(Rows, sizeof Rows / sizeof *Rows);
}

static void says_what_is_wrong(void **state)
{
	static const struct row Rows[] = {
		{NAMED, BYTES("\5\xff"), BYTES("\5\1\0"), "wants a user and password", ERR_LOCAL},
		{NAMED, BYTES("\5\2"), BYTES("\5\1\0"), "chose a login that was not offered",
			ERR_LOCAL},
		{KNOWN, BYTES("\5\xff"), BYTES("\5\2\0\2"), "refuses the user and password",
			ERR_LOCAL},
		{KNOWN, BYTES("\5\1"), BYTES("\5\2\0\2"), "chose a login that was not offered",
			ERR_LOCAL},
		{KNOWN, BYTES("\5\2\1\1"), BYTES("\5\2\0\2\1\2me\3p:w"),
			"refuses the user and password", ERR_LOCAL},
		{KNOWN, BYTES("\5\2\5"), BYTES("\5\2\0\2\1\2me\3p:w"), "does not speak SOCKS5",
			ERR_LOCAL},
		{NAMED, BYTES("\4"), BYTES("\5\1\0"), "does not speak SOCKS5", ERR_LOCAL},
		{NAMED, BYTES("HTTP/1.1 400"), BYTES("\5\1\0"), "speaks HTTP, not SOCKS5",
			ERR_LOCAL},
		{NAMED, BYTES("\5\0\5\1"), BYTES("\5\1\0" REQUEST),
			"cannot reach a.com:6443: general failure", ERR_NETWORK},
		{NAMED, BYTES("\5\0\5\2"), BYTES("\5\1\0" REQUEST),
			"cannot reach a.com:6443: the proxy's rules do not allow it", ERR_LOCAL},
		{NAMED, BYTES("\5\0\5\5"), BYTES("\5\1\0" REQUEST),
			"cannot reach a.com:6443: connection refused", ERR_REFUSED},
		{NAMED, BYTES("\5\0\5\x08"), BYTES("\5\1\0" REQUEST),
			"cannot reach a.com:6443: the proxy does not know this kind of address",
			ERR_LOCAL},
		{NAMED, BYTES("\5\0\5\x09"), BYTES("\5\1\0" REQUEST),
			"cannot reach a.com:6443: it does not say why", ERR_NETWORK},
		{NAMED, BYTES("\5\0\5\xff"), BYTES("\5\1\0" REQUEST),
			"cannot reach a.com:6443: it does not say why", ERR_NETWORK},
		{NAMED, BYTES("\5\0\5\0\0\2\1"), BYTES("\5\1\0" REQUEST), "does not keep to SOCKS5",
			ERR_LOCAL},
	};
	(void)state;
	check(Rows, sizeof Rows / sizeof *Rows);
}

static void refuses_what_cannot_be_said(void **state)
{
	static char Long[257];
	const char *user = "for SOCKS, a user has 1 to 255 bytes, and a password up to 255";
	memset(Long, 'a', 256);
	const struct secret secret = {.p = Long, .n = 256};
	const struct row rows[] = {
		{{Long, 443, NULL, NULL}, BYTES(""), BYTES(""),
			"the server's name is too long for SOCKS", ERR_LOCAL},
		{{"a", 443, "", &Password}, BYTES(""), BYTES(""), user, ERR_LOCAL},
		{{"a", 443, Long, &Password}, BYTES(""), BYTES(""), user, ERR_LOCAL},
		{{"a", 443, "me", &secret}, BYTES(""), BYTES(""), user, ERR_LOCAL},
	};
	(void)state;
	check(rows, sizeof rows / sizeof *rows);
}

static void leaves_the_servers_bytes(void **state)
{
	static const uint8_t Said[] = "\5\0\0\1\1\2\3\4\0\1SSH";
	const struct socks_spec spec = NAMED;
	struct socks s = {.spec = &spec, .awaits = SOCKS_REPLY};
	struct buf out = {0};
	struct err e = {0};
	(void)state;
	assert_int_equal(socks_read(&s, Said, sizeof Said - 1, &out, &e), 10);
	assert_int_equal(s.awaits, SOCKS_DONE);
	assert_int_equal(buf_len(&out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_for_names_and_addresses),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(refuses_what_cannot_be_said),
		cmocka_unit_test(leaves_the_servers_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
