/* http.c with what it stands on: heads and bodies whole, byte by byte, and hard
 * against an unmapped page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "http.h"

/* Reads a head from text that ends where an unmapped page begins; every part
 * of it that is not the whole must ask for more, or be refused already. */
static ptrdiff_t read_head(struct http_head *head, const char *text)
{
	static char *page;
	size_t size = 2 * HTTP_HEAD_MAX, n = strlen(text);
	if (!page) {
		page = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
		mprotect(page + size, 4096, PROT_NONE);
	}
	for (size_t part = 0; part < n && n < 1024; part++) {
		char *p = memcpy(page + size - part, text, part);
		ptrdiff_t got = http_read_head(head, (uint8_t *)p, part);
		if (got)
			return got;
	}
	return http_read_head(head, memcpy(page + size - n, text, n), n);
}

static void reads_what_servers_send(void **state)
{
	static const struct {
		const char *text;
		int status;
		bool keep, chunked;
		int length;
	} Heads[] = {
		{"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", 200, true, false, 12},
		{"HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", 200, true, false, 0},
		{"HTTP/1.1 200 \r\nContent-Length: \t 7 \t\r\n\r\n", 200, true, false, 7},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", 200, true, true, -1},
		{"HTTP/1.1 200 OK\r\nX-Empty:\r\n\r\n", 200, false, false, -1},
		{"HTTP/1.1 204 No Content\r\n\r\n", 204, true, false, -1},
		{"HTTP/1.1 304 Not Modified\r\n\r\n", 304, true, false, -1},
		{"HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 403, false,
			false, 0},
		{"HTTP/1.1 200 OK\r\nConnection: a, CLOSE\r\nContent-Length: 0\r\n\r\n", 200, false,
			false, 0},
		{"HTTP/1.0 200 Connection established\r\n\r\n", 200, false, false, -1},
		{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", 200, false, false, 1},
		{"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: Keep-Alive\r\n\r\n", 200,
			true, false, 1},
		{"HTTP/1.1 500 \xc3\xa9t\xe9\r\nServer: caf\xe9\tx\r\nContent-Length: 3\r\n\r\n",
			500, true, false, 3},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Heads / sizeof *Heads; i++) {
		struct http_head head;
		assert_int_equal(read_head(&head, Heads[i].text), strlen(Heads[i].text));
		assert_int_equal(head.status, Heads[i].status);
		assert_int_equal(head.keep, Heads[i].keep);
		assert_int_equal(head.chunked, Heads[i].chunked);
		assert_int_equal(head.length, Heads[i].length);
	}
}

static void refuses_what_could_be_read_in_two_ways(void **state)
{
	static const char *const Bad[] = {
		"\r\n",
		"HTTP/2 200 OK\r\n",
		"HTTP/1.1 20 OK\r\n",
		"HTTP/1.1 2000\r\n",
		"HTTP/1.1 020 OK\r\n",
		"HTTP/1.1  200 OK\r\n",
		"http/1.1 200 OK\r\n",
		"SSH-2.0-OpenSSH_9.2\r\n",
		"\x15\x03\x01",
		"HTTP/1.1 200 OK\n",
		"HTTP/1.1 200 OK\r\r\n",
		"HTTP/1.1 200 OK\r\nA: b\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
		"HTTP/1.1 200 OK\r\n: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\x01\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\x7f\r\n\r\n",
		"HTTP/1.1 200 OK\r\nCaf\xe9: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000000\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"HTTP/1.1 200 A\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: a\r\n\r\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof Bad / sizeof *Bad; i++) {
		struct http_head head;
		assert_int_equal(read_head(&head, Bad[i]), -1);
	}
	struct http_head head;
	const char nul[] = "HTTP/1.1 200 OK\r\nA: \0b\r\n\r\n";
	assert_int_equal(http_read_head(&head, (const uint8_t *)nul, sizeof nul - 1), -1);
}

static void takes_heads_up_to_its_limits(void **state)
{
	struct http_head head;
	static char text[HTTP_HEAD_MAX + 2];
	(void)state;
	for (size_t extra = 0; extra < 2; extra++) {
		size_t n = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\nA: ");
		memset(text + n, 'x', HTTP_HEAD_MAX - n);
		strcpy(text + HTTP_HEAD_MAX - 4 + extra, "\r\n\r\n");
		assert_int_equal(read_head(&head, text), extra ? -1 : HTTP_HEAD_MAX);
	}
	for (int fields = HTTP_FIELDS_MAX; fields <= HTTP_FIELDS_MAX + 1; fields++) {
		size_t n = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\n");
		for (int i = 0; i < fields; i++)
			n += (size_t)sprintf(text + n, "A: b\r\n");
		strcpy(text + n, "\r\n");
		assert_int_equal(
			read_head(&head, text), fields > HTTP_FIELDS_MAX ? -1 : (ptrdiff_t)n + 2);
	}
}

static void leaves_what_is_behind_a_head_alone(void **state)
{
	static const char Two[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
	struct http_head head;
	(void)state;
	ptrdiff_t n = http_read_head(&head, (const uint8_t *)Two, sizeof Two - 1);
	assert_int_equal(n, 25);
	assert_int_equal(head.status, 100);
	assert_int_equal(http_read_head(&head, (const uint8_t *)Two + n, sizeof Two - 26), 19);
	assert_int_equal(head.status, 200);
}

static void finds_fields_and_tokens_in_any_case(void **state)
{
	static const char Text[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
				   "connection: keep-alive,\t Upgrade ,\r\nX-One: a\r\n"
				   "CONNECTION: x-two\r\nx-one: b\r\n\r\n";
	struct http_head head;
	struct span value;
	(void)state;
	assert_int_equal(read_head(&head, Text), sizeof Text - 1);
	assert_true(http_field(&head, "x-ONE", &value));
	assert_true(span_is(value, "a"));
	assert_false(http_field(&head, "X-On", &value));
	assert_true(http_has_token(&head, "Connection", "upgrade"));
	assert_true(http_has_token(&head, "Connection", "Keep-Alive"));
	assert_true(http_has_token(&head, "Connection", "X-Two"));
	assert_false(http_has_token(&head, "Connection", "keep"));
	assert_false(http_has_token(&head, "Connection", "close"));
}

static void reads_the_seconds_a_server_wants_us_to_wait(void **state)
{
	static const struct {
		const char *field;
		unsigned seconds;
	} Case[] = {
		{"Retry-After: 1\r\n", 1},
		{"retry-after:\t120 \r\n", 120},
		{"Retry-After: 007\r\n", 7},
		{"Retry-After: 3600\r\n", 3600},
		{"Retry-After: 3601\r\n", HTTP_RETRY_MAX},
		{"Retry-After: 99999999999999999999999999\r\n", HTTP_RETRY_MAX},
		{"Retry-After: 4294967297\r\n", HTTP_RETRY_MAX},
		{"Retry-After: 5\r\nRetry-After: 6\r\n", 5},
		{"", 0},
		{"Retry-After:\r\n", 0},
		{"Retry-After: 0\r\n", 0},
		{"Retry-After: -1\r\n", 0},
		{"Retry-After: 1.5\r\n", 0},
		{"Retry-After: 5 s\r\n", 0},
		{"Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n", 0},
		{"X-Retry-After: 1\r\n", 0},
	};
	char text[256];
	struct http_head head;
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++) {
		snprintf(text, sizeof text, "HTTP/1.1 429 No\r\n%s\r\n", Case[i].field);
		assert_int_equal(read_head(&head, text), strlen(text));
		assert_int_equal(http_retry_after(&head), Case[i].seconds);
	}
}

static void encodes_all_but_unreserved_characters(void **state)
{
	static const char *const Case[][2] = {
		{"", ""},
		{"web-1.shop_x~Y", "web-1.shop_x~Y"},
		{"a/b=c,d&e+f", "a%2Fb%3Dc%2Cd%26e%2Bf"},
		{"100% \"\r\n", "100%25%20%22%0D%0A"},
		{"\xc3\xa4\xff\x7f\x01", "%C3%A4%FF%7F%01"},
		{"0189AZaz@[`{/:", "0189AZaz%40%5B%60%7B%2F%3A"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Case / sizeof *Case; i++) {
		struct buf out = {0};
		buf_print(&out, "?");
		http_put_encoded(&out, Case[i][0]);
		buf_put(&out, "", 1);
		assert_string_equal((const char *)buf_data(&out) + 1, Case[i][1]);
		buf_free(&out);
	}
}

/* What a body says: its bytes, then '.' for its end, '!' if it is malformed,
 * '~' if it ended with the connection, '?' if that cut it. */
struct story {
	char text[256];
	size_t n, used;
};

static void read_body(
	const struct http_head *head, const char *p, size_t n, size_t step, struct story *s)
{
	struct http_body body;
	struct http_event ev = {0};
	http_body_begin(&body, head);
	*s = (struct story){0};
	for (;;) {
		size_t part = step < n - s->used ? step : n - s->used;
		size_t used = http_body_read(&body, (const uint8_t *)p + s->used, part, &ev);
		assert_true(used <= part);
		s->used += used;
		if (ev.type == HTTP_DATA) {
			assert_true(ev.length > 0 && s->n + ev.length < sizeof s->text - 1);
			memcpy(s->text + s->n, ev.data, ev.length);
			s->n += ev.length;
		} else if (ev.type == HTTP_MORE) {
			assert_int_equal(used, part);
			if (s->used == n)
				break;
		} else {
			s->text[s->n] = ev.type == HTTP_END ? '.' : '!';
			assert_int_equal(http_body_eof(&body), ev.type == HTTP_END);
			return;
		}
	}
	s->text[s->n] = http_body_eof(&body) ? '~' : '?';
}

static const struct http_head Plain = {.status = 200, .length = -1};
static const struct http_head Chunked = {.status = 200, .chunked = true, .length = -1};

/* In every cut, the end of the input against an unmapped page. */
static void assert_body(const struct http_head *head, const char *p, const char *want, size_t rest)
{
	static char *page;
	size_t n = strlen(p);
	struct story s;
	if (!page) {
		page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mprotect(page + 4096, 4096, PROT_NONE);
	}
	memcpy(page + 4096 - n, p, n);
	for (size_t step = 1; step <= n + 1; step++) {
		read_body(head, page + 4096 - n, n, step, &s);
		assert_string_equal(s.text, want);
		assert_int_equal(n - s.used, rest);
	}
}

static void reads_bodies_however_they_are_cut(void **state)
{
	struct http_head five = {.status = 200, .length = 5}, none = {.status = 200};
	(void)state;
	assert_body(&five, "hello", "hello.", 0);
	assert_body(&five, "hello, next", "hello.", 6);
	assert_body(&five, "hell", "hell?", 0);
	assert_body(&none, "next", ".", 4);
	assert_body(&Plain, "to the end", "to the end~", 0);
	assert_body(&Plain, "", "~", 0);
	assert_body(&Chunked, "5\r\nhello\r\n0\r\n\r\n", "hello.", 0);
	assert_body(&Chunked, "0\r\n\r\nnext", ".", 4);
	assert_body(&Chunked,
		"00a ;x=\"y;\xe9\"\r\n0123456789\r\nF\t\r\n<-- fifteen -->\r\n000\r\n"
		"Grpc-Status: 0\r\nX:\r\n\r\nN",
		"0123456789<-- fifteen -->.", 1);
	assert_body(&Chunked, "3\r\nabc", "abc?", 0);
	assert_body(&Chunked, "3\r\nabc\r\n0\r\n\r", "abc?", 0);
}

static void has_no_body_where_http_has_none(void **state)
{
	static const int Statuses[] = {100, 101, 204, 304};
	(void)state;
	for (size_t i = 0; i < sizeof Statuses / sizeof *Statuses; i++) {
		struct http_head head = {.status = Statuses[i], .chunked = true, .length = -1};
		assert_body(&head, "next", ".", 4);
		head = (struct http_head){.status = Statuses[i], .length = 3};
		assert_body(&head, "next", ".", 4);
	}
}

static void refuses_chunks_that_are_not_whole_or_not_numbers(void **state)
{
	static const char *const Bad[][2] = {
		{"\r\n", "!"},
		{";x\r\n", "!"},
		{" 5\r\nhello", "!"},
		{"-5\r\n", "!"},
		{"0x5\r\n", "!"},
		{"5 5\r\nhello", "!"},
		{"5\nhello", "!"},
		{"5;\x01\r\n", "!"},
		{"5;\n", "!"},
		{"5\rhello", "!"},
		{"10000000000000000\r\n", "!"},
		{"3\r\nabcd\r\n", "abc!"},
		{"3\r\nabc\n", "abc!"},
		{"3\r\nabc\rx", "abc!"},
		{"0\r\nA: b\n", "!"},
		{"0\r\nA: b\rx", "!"},
		{"0\r\n folded\r\n", "!"},
		{"0\r\nA: \x7f\r\n", "!"},
		{"0\r\n\rx", "!"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Bad / sizeof *Bad; i++)
		for (size_t step = 1; step < 32; step++) {
			struct story s;
			read_body(&Chunked, Bad[i][0], strlen(Bad[i][0]), step, &s);
			assert_string_equal(s.text, Bad[i][1]);
		}
}

/* `count` times `line` behind `head`, then `tail`. */
static char *repeated(const char *head, const char *line, size_t count, const char *tail)
{
	char *text = malloc(strlen(head) + strlen(line) * count + strlen(tail) + 1);
	char *p = stpcpy(text, head);
	while (count--)
		p = stpcpy(p, line);
	stpcpy(p, tail);
	return text;
}

static void bounds_what_it_passes_over(void **state)
{
	const size_t line = HTTP_LINE_MAX - 4, trailers = HTTP_HEAD_MAX / 8;
	const struct {
		char *text;
		const char *want;
	} Cases[] = {
		{repeated("1;", "x", line, "\r\na\r\n0\r\n\r\n"), "a."},
		{repeated("1;", "x", line + 1, "\r\na\r\n0\r\n\r\n"), "!"},
		{repeated("", "0", line + 1, "1\r\na\r\n0\r\n\r\n"), "a."},
		{repeated("", "0", line + 2, "1\r\na\r\n0\r\n\r\n"), "!"},
		{repeated("0\r\n", "x", line + 2, "\r\n\r\n"), "."},
		{repeated("0\r\n", "x", line + 3, "\r\n\r\n"), "!"},
		{repeated("0\r\n", "Abc: x\r\n", trailers - 1, "\r\n"), "."},
		{repeated("0\r\n", "Abc: x\r\n", trailers, "\r\n"), "!"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Cases / sizeof *Cases; i++) {
		struct story s;
		read_body(&Chunked, Cases[i].text, strlen(Cases[i].text), 1000, &s);
		assert_string_equal(s.text, Cases[i].want);
		free(Cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_servers_send),
		cmocka_unit_test(refuses_what_could_be_read_in_two_ways),
		cmocka_unit_test(takes_heads_up_to_its_limits),
		cmocka_unit_test(leaves_what_is_behind_a_head_alone),
		cmocka_unit_test(finds_fields_and_tokens_in_any_case),
		cmocka_unit_test(reads_the_seconds_a_server_wants_us_to_wait),
		cmocka_unit_test(encodes_all_but_unreserved_characters),
		cmocka_unit_test(reads_bodies_however_they_are_cut),
		cmocka_unit_test(has_no_body_where_http_has_none),
		cmocka_unit_test(refuses_chunks_that_are_not_whole_or_not_numbers),
		cmocka_unit_test(bounds_what_it_passes_over),
	};
	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
