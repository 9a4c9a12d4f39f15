/* connect.c alone: the request, and answers in every cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connect.h"
#include "http.h"

static const struct secret Password = {.p = "open sesame", .n = 11};
static const struct connect_spec Nobody = {"a.com", 6443, NULL, NULL},
				 Somebody = {"a.com", 6443, "Aladdin", &Password};

static void check_request(const struct connect_spec *spec, const char *want)
{
	struct buf out = {0};
	connect_put(&out, spec);
	assert_int_equal(buf_len(&out), strlen(want));
	assert_memory_equal(buf_data(&out), want, strlen(want));
	buf_free(&out);
}

static void asks(void **state)
{
	(void)state;
	check_request(&Nobody, "CONNECT a.com:6443 HTTP/1.1\r\nHost: a.com:6443\r\n"
			       "User-Agent: porter\r\n\r\n");
	check_request(&Somebody, "CONNECT a.com:6443 HTTP/1.1\r\nHost: a.com:6443\r\n"
				 "User-Agent: porter\r\nProxy-Authorization: Basic "
				 "QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n");
	check_request(&(struct connect_spec){"fd00::1", 443, "", &(struct secret){0}},
		"CONNECT [fd00::1]:443 HTTP/1.1\r\nHost: [fd00::1]:443\r\n"
		"User-Agent: porter\r\nProxy-Authorization: Basic Og==\r\n\r\n");
}

/* What any shorter part of the text gets is "more", and the whole what is returned. */
static ptrdiff_t read_cut(const struct connect_spec *spec, const char *text, struct err *e)
{
	size_t n = strlen(text);
	ptrdiff_t used = 0;
	for (size_t cut = 0; cut <= n && !used; cut++) {
		uint8_t *p = malloc(cut ? cut : 1);
		memcpy(p, text, cut);
		used = connect_read(spec, p, cut, e);
		free(p);
	}
	return used;
}

static void takes_the_head_and_no_more(void **state)
{
	static const char *const Heads[] = {
		"HTTP/1.1 200 Connection established\r\n\r\n",
		"HTTP/1.0 200 OK\r\nProxy-agent: tinyproxy/1.11.1\r\n\r\n",
		"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 Well\r\n\r\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof Heads / sizeof *Heads; i++) {
		struct err e = {0};
		char text[200];
		snprintf(text, sizeof text, "%s\x16\x03\x03", Heads[i]);
		assert_int_equal(read_cut(&Nobody, text, &e), strlen(Heads[i]));
		assert_int_equal(e.kind, ERR_NONE);
	}
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const struct connect_spec *spec;
		const char *text, *words;
		enum err_kind kind;
		int code;
	} Rows[] = {
		{&Nobody, "HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n",
			"answered 403 Forbidden", ERR_LOCAL, 403},
		{&Nobody, "HTTP/1.1 403\r\n\r\n", "answered 403", ERR_LOCAL, 403},
		{&Nobody, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
			"wants a user and password", ERR_LOCAL, 407},
		{&Somebody, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
			"refuses the user and password", ERR_LOCAL, 407},
		{&Somebody, "HTTP/1.0 401 Unauthorized\r\n\r\n", "refuses the user and password",
			ERR_LOCAL, 401},
		{&Nobody, "HTTP/1.1 503 Service Unavailable\r\n\r\n",
			"answered 503 Service Unavailable", ERR_NETWORK, 503},
		{&Nobody, "HTTP/1.1 429 Slow\r\n\r\n", "answered 429 Slow", ERR_NETWORK, 429},
		{&Nobody, "HTTP/1.1 302 Found\r\n\r\n", "answered 302 Found", ERR_LOCAL, 302},
		{&Nobody, "HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 502 \xff\r\n\r\n", "answered 502 ?",
			ERR_NETWORK, 502},
		{&Nobody, "SSH-2.0-x\r\n", "does not speak HTTP", ERR_LOCAL, 0},
		{&Nobody, "\x15\x03\x03\x00\x02\x02\x46\r\n",
			"speaks TLS: should its URL begin with https:?", ERR_LOCAL, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Rows / sizeof *Rows; i++) {
		struct err e = {0};
		assert_int_equal(read_cut(Rows[i].spec, Rows[i].text, &e), -1);
		assert_string_equal(e.text, Rows[i].words);
		assert_int_equal(e.kind, Rows[i].kind);
		assert_int_equal(e.code, Rows[i].code);
	}
}

static void does_not_wait_for_ever(void **state)
{
	static const char Line[] = "HTTP/1.1 102 Processing\r\n\r\n";
	struct buf in = {0};
	struct err e = {0};
	ptrdiff_t used = 0;
	(void)state;
	while (!used && buf_len(&in) < 3 * HTTP_HEAD_MAX) {
		buf_put(&in, Line, sizeof Line - 1);
		used = connect_read(&Nobody, buf_data(&in), buf_len(&in), &e);
	}
	assert_int_equal(used, -1);
	assert_string_equal(e.text, "does not speak HTTP");
	buf_free(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks),
		cmocka_unit_test(takes_the_head_and_no_more),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(does_not_wait_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
