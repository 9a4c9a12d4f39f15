/* ws.c with what it stands on: frames whole, byte by byte, and hard against an
 * unmapped page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "ws.h"

/* What a reader says of a byte string: "<ab" for a message's first bytes, "cd>"
 * for its last, "ping x|", "close 1000 bye|". */
struct story {
	char text[512];
	size_t n;
};

static void tell(struct story *s, const struct ws_event *ev)
{
	static const char *const Name[] = {
		[WS_GOT_PING] = "ping", [WS_GOT_PONG] = "pong", [WS_GOT_CLOSE] = "close"};
	char *p = s->text + s->n;
	size_t room = sizeof s->text - s->n;
	int n;
	if (ev->type == WS_BAD)
		n = snprintf(p, room, "bad|");
	else if (ev->type == WS_DATA)
		n = snprintf(p, room, "%s%.*s%s", ev->first ? "<" : "", (int)ev->length,
			(const char *)ev->data, ev->last ? ">" : "");
	else
		n = snprintf(p, room, "%s %u %.*s|", Name[ev->type], ev->code, (int)ev->length,
			(const char *)ev->data);
	s->n += (size_t)n;
}

static void read_in_steps(const uint8_t *p, size_t n, size_t step, struct story *s)
{
	struct ws_reader r = {0};
	struct ws_event ev;
	memset(s, 0, sizeof *s);
	for (size_t at = 0; at < n;) {
		size_t part = step < n - at ? step : n - at;
		size_t used = ws_read(&r, p + at, part, &ev);
		assert_true(used <= part);
		at += used;
		if (ev.type == WS_MORE)
			assert_int_equal(used, part);
		else
			tell(s, &ev);
		if (ev.type == WS_BAD) {
			assert_non_null(ev.why);
			return;
		}
	}
	while (ws_read(&r, p, 0, &ev), ev.type != WS_MORE)
		tell(s, &ev);
}

/* clang-format off */
static const uint8_t Conversation[] = {
	0x82, 3, 'a', 'b', 'c',             /* one message in one frame */
	0x02, 0, 0x00, 0,                   /* a message that begins with two empty parts, */
	0x00, 2, 'd', 'e',                  /* goes on, */
	0x89, 2, 'h', 'i',                  /* is broken by a ping, */
	0x00, 1, 'f', 0x80, 0,              /* and ends with an empty part */
	0x8a, 0,                            /* a pong without payload */
	0x82, 0,                            /* an empty message */
	0x02, 1, 'g', 0x80, 1, 'h',
	0x88, 5, 0x03, 0xe8, 'b', 'y', 'e', /* close 1000 */
};
/* clang-format on */
static const char Said[] = "<abc><deping 0 hi|f>pong 0 |><gh>close 1000 bye|";

static void reads_a_conversation_however_it_is_cut(void **state)
{
	struct story s;
	(void)state;
	for (size_t step = 1; step <= sizeof Conversation; step++) {
		read_in_steps(Conversation, sizeof Conversation, step, &s);
		assert_string_equal(s.text, Said);
	}
}

static void reads_no_byte_beyond_its_input(void **state)
{
	struct story s;
	(void)state;
	uint8_t *page =
		mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(page + 4096, 4096, PROT_NONE);
	for (size_t n = 0; n <= sizeof Conversation; n++) {
		uint8_t *p = memcpy(page + 4096 - n, Conversation, n);
		read_in_steps(p, n, n ? n : 1, &s);
		assert_memory_equal(s.text, Said, s.n && s.text[s.n - 1] == '|' ? s.n : 0);
	}
	munmap(page, 8192);
}

/* Lengths in each of the three forms, and the data where it lies. */
static void reads_each_form_of_length(void **state)
{
	static uint8_t frame[10 + 0x10000];
	static const struct {
		uint8_t head[10];
		size_t head_len, length;
	} Forms[] = {
		{{0x82, 125}, 2, 125},
		{{0x82, 126, 0, 126}, 4, 126},
		{{0x82, 126, 0xff, 0xff}, 4, 0xffff},
		{{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}, 10, 0x10000},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Forms / sizeof *Forms; i++) {
		struct ws_reader r = {0};
		struct ws_event ev;
		size_t n = Forms[i].head_len + Forms[i].length;
		memcpy(frame, Forms[i].head, Forms[i].head_len);
		assert_int_equal(ws_read(&r, frame, n, &ev), n);
		assert_int_equal(ev.type, WS_DATA);
		assert_ptr_equal(ev.data, frame + Forms[i].head_len);
		assert_int_equal(ev.length, Forms[i].length);
		assert_true(ev.first && ev.last);
	}
}

static void tells_how_the_connection_is_closed(void **state)
{
	static const uint8_t Bare[] = {0x88, 0}, Cut[] = {0x88, 1, 3};
	struct story s;
	(void)state;
	read_in_steps(Bare, sizeof Bare, 1, &s);
	assert_string_equal(s.text, "close 1005 |");
	read_in_steps(Cut, sizeof Cut, 1, &s);
	assert_string_equal(s.text, "bad|");
}

static void refuses_what_rfc_6455_does_not_allow(void **state)
{
	static const uint8_t Bad[][10] = {
		{0x81, 1, 'a'},                             /* text */
		{0x01, 0},                                  /* text, in parts */
		{0xc2, 1, 'a'},                             /* RSV1: an extension */
		{0xa2, 1, 'a'},                             /* RSV2 */
		{0x92, 1, 'a'},                             /* RSV3 */
		{0x82, 0x81, 0, 0, 0, 0, 'a'},              /* masked */
		{0x83, 0},                                  /* reserved opcodes */
		{0x87, 0}, {0x8b, 0}, {0x8f, 0}, {0x09, 0}, /* a ping in parts */
		{0x89, 126, 0, 126},                        /* a ping too long */
		{0x80, 0},                                  /* a continuation of nothing */
		{0x02, 0, 0x82, 0},                         /* a message inside a message */
		{0x82, 126, 0, 125},                        /* lengths longer than need be */
		{0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff},
		{0x82, 127, 0x80, 0, 0, 0, 0, 1, 0, 0}, /* the top bit (5.2) */
	};
	struct story s;
	(void)state;
	for (size_t i = 0; i < sizeof Bad / sizeof *Bad; i++)
		for (size_t step = 1; step <= sizeof *Bad; step++) {
			read_in_steps(Bad[i], sizeof *Bad, step, &s);
			assert_string_equal(s.text, "bad|");
		}
}

/* The example of RFC 6455, 5.7, as a binary message. */
static void writes_masked_headers_in_their_shortest_form(void **state)
{
	static const uint8_t Mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	static const uint8_t Hello[] = {
		0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
	static const struct {
		uint64_t length;
		size_t n;
		uint8_t head[10];
	} Heads[] = {
		{0, 6, {0x82, 0x80}},
		{125, 6, {0x82, 0xfd}},
		{126, 8, {0x82, 0xfe, 0, 126}},
		{0xffff, 8, {0x82, 0xfe, 0xff, 0xff}},
		{0x10000, 14, {0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0}},
		{0x123456789abcdef, 14, {0x82, 0xff, 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}},
	};
	uint8_t out[WS_HEADER_MAX];
	uint32_t mask;
	(void)state;
	memcpy(&mask, Mask, sizeof mask);
	for (size_t i = 0; i < sizeof Heads / sizeof *Heads; i++) {
		assert_int_equal(ws_header_len(Heads[i].length), Heads[i].n);
		assert_int_equal(ws_put_header(out, WS_BINARY, Heads[i].length, mask), Heads[i].n);
		assert_memory_equal(out, Heads[i].head, Heads[i].n - 4);
		assert_memory_equal(out + Heads[i].n - 4, Mask, 4);
	}
	assert_int_equal(ws_put_control(out, WS_BINARY, "Hello", 5, mask), sizeof Hello);
	assert_memory_equal(out, Hello, sizeof Hello);
	assert_int_equal(ws_put_control(out, WS_PONG, NULL, 0, mask), 6);
	assert_int_equal(out[0], 0x8a);
}

static void masks_from_any_offset_and_alignment(void **state)
{
	static const uint8_t Mask[4] = {1, 0x20, 0x7f, 0xff};
	uint32_t mask;
	(void)state;
	memcpy(&mask, Mask, sizeof mask);
	for (size_t n = 0; n < 40; n++)
		for (size_t at = 0; at < 8; at++)
			for (uint64_t offset = 0xfffffffc; offset < 0x100000004; offset++) {
				uint8_t bytes[64] = {0};
				ws_mask(bytes + at, n, mask, offset);
				for (size_t i = 0; i < sizeof bytes; i++)
					assert_int_equal(
						bytes[i], i < at || i >= at + n
								  ? 0
								  : Mask[(offset + i - at) % 4]);
			}
}

/* The example of RFC 6455, 1.3. */
static void answers_a_key_as_servers_must(void **state)
{
	char out[WS_ACCEPT_LEN + 1];
	(void)state;
	ws_accept(out, "dGhlIHNhbXBsZSBub25jZQ==");
	assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_conversation_however_it_is_cut),
		cmocka_unit_test(reads_no_byte_beyond_its_input),
		cmocka_unit_test(reads_each_form_of_length),
		cmocka_unit_test(tells_how_the_connection_is_closed),
		cmocka_unit_test(refuses_what_rfc_6455_does_not_allow),
		cmocka_unit_test(writes_masked_headers_in_their_shortest_form),
		cmocka_unit_test(masks_from_any_offset_and_alignment),
		cmocka_unit_test(answers_a_key_as_servers_must),
	};
	return cmocka_run_group_tests_name("ws", tests, NULL, NULL);
}
