/* WebSocket frames of RFC 6455, read and written: see ws.h. */
#include "ws.h"

#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "hash.h"

enum { FIN = 0x80, RSV = 0x70, OPCODE = 0x0f, CONTROL = 0x08 };        /* in byte 0 */
enum { MASK = 0x80, LENGTH = 0x7f, LENGTH_16 = 126, LENGTH_64 = 127 }; /* in byte 1 */
enum { SHORT_MAX = 125, CODE_NONE = 1005 };

static const char Guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, 1.3 */

static enum ws_opcode opcode(const struct ws_reader *r)
{
	return (enum ws_opcode)(r->head[0] & OPCODE);
}

static bool is_control(const struct ws_reader *r)
{
	return r->head[0] & CONTROL;
}

/* Bytes of head that are needed: a server's frames carry no mask. */
static unsigned head_len(const struct ws_reader *r)
{
	if (r->have < 2 || (r->head[1] & LENGTH) < LENGTH_16)
		return 2;
	return (r->head[1] & LENGTH) == LENGTH_16 ? 4 : 10;
}

static uint64_t payload_len(const struct ws_reader *r)
{
	unsigned n = head_len(r);
	if (n == 2)
		return r->head[1] & LENGTH;
	uint64_t length = 0;
	for (unsigned i = 2; i < n; i++)
		length = length << 8 | r->head[i];
	return length;
}

/* What is wrong with a head, in words; NULL if nothing is (5.2, 5.4, 5.5). */
static const char *fault(const struct ws_reader *r)
{
	static const uint64_t Least[] = {[2] = 0, [4] = SHORT_MAX + 1, [10] = 0x10000};
	uint64_t length = payload_len(r);
	if (r->head[0] & RSV)
		return "reserved bits are set";
	if (r->head[1] & MASK)
		return "the server's frame is masked";
	if (length < Least[head_len(r)] || length >> 63)
		return "a length is malformed";
	if (is_control(r) &&
		(opcode(r) > WS_PONG || !(r->head[0] & FIN) || length > WS_CONTROL_MAX))
		return "a control frame is unknown, fragmented or too long";
	if (is_control(r))
		return NULL;
	if (opcode(r) == WS_TEXT)
		return "a text message";
	if (opcode(r) > WS_BINARY)
		return "an opcode is reserved";
	if (r->in_message != (opcode(r) == WS_CONTINUATION))
		return r->in_message ? "a message inside a message" : "a continuation of nothing";
	return NULL;
}

static void bad(struct ws_event *ev, const char *why)
{
	*ev = (struct ws_event){.type = WS_BAD, .why = why};
}

static void enter_frame(struct ws_reader *r, struct ws_event *ev)
{
	const char *why = fault(r);
	if (why) {
		bad(ev, why);
		return;
	}
	r->inside = true;
	r->left = payload_len(r);
	r->control_have = 0;
	if (opcode(r) == WS_BINARY)
		r->first = r->in_message = true;
}

static void control_event(const struct ws_reader *r, struct ws_event *ev)
{
	static const enum ws_event_type Type[] = {
		[WS_CLOSE] = WS_GOT_CLOSE, [WS_PING] = WS_GOT_PING, [WS_PONG] = WS_GOT_PONG};
	*ev = (struct ws_event){
		.type = Type[opcode(r)], .data = r->control, .length = r->control_have};
	if (opcode(r) != WS_CLOSE)
		return;
	ev->code = CODE_NONE;
	if (ev->length == 1) {
		bad(ev, "a close frame's status is cut short");
	} else if (ev->length) {
		ev->code = (unsigned)r->control[0] << 8 | r->control[1];
		ev->data += 2;
		ev->length -= 2;
	}
}

static void data_event(struct ws_reader *r, const uint8_t *p, size_t n, struct ws_event *ev)
{
	bool last = !r->left && (r->head[0] & FIN);
	if (n || last)
		*ev = (struct ws_event){.type = WS_DATA,
			.data = p,
			.length = n,
			.first = n && r->first,
			.last = last};
	if (n)
		r->first = false;
	if (last)
		r->in_message = false;
}

static size_t read_payload(struct ws_reader *r, const uint8_t *p, size_t n, struct ws_event *ev)
{
	size_t used = n < r->left ? n : (size_t)r->left;
	r->left -= used;
	if (!is_control(r)) {
		data_event(r, p, used, ev);
	} else {
		memcpy(r->control + r->control_have, p, used);
		r->control_have += (unsigned)used;
		if (!r->left)
			control_event(r, ev);
	}
	if (!r->left) {
		r->inside = false;
		r->have = 0;
	}
	return used;
}

size_t ws_read(struct ws_reader *r, const uint8_t *p, size_t n, struct ws_event *ev)
{
	size_t used = 0;
	*ev = (struct ws_event){.type = WS_MORE};
	while (ev->type == WS_MORE) {
		if (r->inside) {
			if (r->left && used == n)
				break;
			used += read_payload(r, p + used, n - used, ev);
			continue;
		}
		while (used < n && r->have < head_len(r))
			r->head[r->have++] = p[used++];
		if (r->have < head_len(r))
			break;
		enter_frame(r, ev);
	}
	return used;
}

size_t ws_header_len(uint64_t length)
{
	return length <= SHORT_MAX ? 6 : length <= 0xffff ? 8 : WS_HEADER_MAX;
}

size_t ws_put_header(uint8_t *out, enum ws_opcode op, uint64_t length, uint32_t mask)
{
	static const uint8_t Form[] = {[8] = LENGTH_16, [WS_HEADER_MAX] = LENGTH_64};
	size_t n = ws_header_len(length), mask_at = n - sizeof mask;
	out[0] = (uint8_t)(FIN | (unsigned)op);
	out[1] = (uint8_t)(MASK | (n == 6 ? length : Form[n]));
	for (size_t i = mask_at; i > 2; length >>= 8)
		out[--i] = (uint8_t)length;
	memcpy(out + mask_at, &mask, sizeof mask);
	return n;
}

void ws_mask(uint8_t *p, size_t n, uint32_t mask, uint64_t offset)
{
	uint8_t key[4], turned[8];
	uint64_t word, keys;
	memcpy(key, &mask, sizeof key);
	for (size_t i = 0; i < sizeof turned; i++)
		turned[i] = key[(offset + i) % sizeof key];
	memcpy(&keys, turned, sizeof keys);
	for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
		memcpy(&word, p, sizeof word);
		word ^= keys;
		memcpy(p, &word, sizeof word);
	}
	for (size_t i = 0; i < n; i++)
		p[i] ^= turned[i];
}

size_t ws_put_control(uint8_t *out, enum ws_opcode op, const void *payload, size_t n, uint32_t mask)
{
	size_t header = ws_put_header(out, op, n, mask);
	if (n)
		memcpy(out + header, payload, n);
	ws_mask(out + header, n, mask, 0);
	return header + n;
}

void ws_accept(char out[WS_ACCEPT_LEN + 1], const char *key)
{
	char text[WS_KEY_LEN + sizeof Guid];
	uint8_t sum[HASH_SHA1_LEN];
	int n = snprintf(text, sizeof text, "%.*s%s", WS_KEY_LEN, key, Guid);
	hash_sha1(sum, text, (size_t)n);
	base64_encode(out, sum, sizeof sum);
}
