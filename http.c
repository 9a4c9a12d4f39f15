/* Heads and bodies of HTTP/1.1 responses, read strictly: a line ends with CRLF
 * and holds no control character but tab.
 */
#include "http.h"

#include <string.h>

#include "base64.h"

/* Where a chunked body stands: what the next byte belongs to (RFC 9112, 7.1). */
enum {
	SIZE,
	SIZE_BLANK, /* blanks behind the size, which some servers pad with */
	EXTENSION,
	SIZE_LF,
	CHUNK,
	CHUNK_CR,
	CHUNK_LF,
	TRAILER,
	TRAILER_LF,
	END_LF,
	DONE,
	BAD,
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* May stand in a line: VCHAR, obs-text and blanks (RFC 9110, 5.5). */
static bool is_text(uint8_t c)
{
	return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static bool is_token(struct span s)
{
	static const char Token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	for (size_t i = 0; i < s.n; i++)
		if (!memchr(Token, s.p[i], sizeof Token - 1))
			return false;
	return s.n > 0;
}

static struct span trimmed(const char *p, size_t n)
{
	while (n && is_blank((uint8_t)*p)) {
		p++;
		n--;
	}
	while (n && is_blank((uint8_t)p[n - 1]))
		n--;
	return (struct span){p, n};
}

/* One line, without its end.  Returns the bytes it took; 0 if it is not whole,
 * -1 if it never can be. */
static ptrdiff_t read_line(struct span *line, const uint8_t *p, size_t n)
{
	size_t i = 0;
	while (i < n && is_text(p[i]))
		i++;
	if (i == n || (i + 1 == n && p[i] == '\r'))
		return 0;
	if (p[i] != '\r' || p[i + 1] != '\n')
		return -1;
	*line = (struct span){(const char *)p, i};
	return (ptrdiff_t)i + 2;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* status-line (RFC 9112, 4); Envoy and others leave out reason and its blank. */
static bool read_status_line(struct http_head *head, struct span line)
{
	static const char Version[] = "HTTP/1.";
	const size_t v = sizeof Version - 1, full = v + 5;
	const char *p = line.p;
	if (line.n < full || memcmp(p, Version, v) || !is_digit(p[v]) || p[v + 1] != ' ')
		return false;
	if (p[v + 2] < '1' || p[v + 2] > '9' || !is_digit(p[v + 3]) || !is_digit(p[v + 4]))
		return false;
	head->status = (p[v + 2] - '0') * 100 + (p[v + 3] - '0') * 10 + (p[v + 4] - '0');
	head->keep = p[v] != '0'; /* so far: the version alone */
	return line.n == full || p[full] == ' ';
}

/* A line that begins with a blank (obs-fold) has no token before its colon. */
static bool read_field(struct http_head *head, struct span line)
{
	const char *colon = memchr(line.p, ':', line.n);
	if (!colon || head->fields == HTTP_FIELDS_MAX)
		return false;
	struct span name = {line.p, (size_t)(colon - line.p)};
	head->field[head->fields++] =
		(struct http_field){.name = name, .value = trimmed(colon + 1, line.n - name.n - 1)};
	return is_token(name);
}

static bool read_length(int64_t *length, struct span value)
{
	*length = 0;
	for (size_t i = 0; i < value.n; i++) {
		if (i == 18 || !is_digit(value.p[i]))
			return false;
		*length = *length * 10 + (value.p[i] - '0');
	}
	return value.n > 0;
}

static size_t count_fields(const struct http_head *head, const char *name)
{
	size_t count = 0;
	for (size_t i = 0; i < head->fields; i++)
		count += span_is_word(head->field[i].name, name);
	return count;
}

static bool has_no_body(const struct http_head *head)
{
	return head->status < 200 || head->status == 204 || head->status == 304;
}

/* All fields are read: what they say about the body and the connection.  More
 * than one word on a body's length is how answers are smuggled (RFC 9112, 11.2). */
static bool settle(struct http_head *head)
{
	size_t lengths = count_fields(head, "Content-Length");
	size_t codings = count_fields(head, "Transfer-Encoding");
	struct span value;
	bool old = !head->keep;
	if (lengths + codings > 1)
		return false;
	if (http_field(head, "Content-Length", &value) && !read_length(&head->length, value))
		return false;
	if (http_field(head, "Transfer-Encoding", &value)) {
		head->chunked = span_is_word(value, "chunked");
		if (!head->chunked || old) /* 6.1: HTTP/1.0 has no codings */
			return false;
	}
	bool bounded = head->chunked || head->length >= 0 || has_no_body(head);
	head->keep = bounded && !http_has_token(head, "Connection", "close") &&
		     (!old || http_has_token(head, "Connection", "keep-alive"));
	return true;
}

ptrdiff_t http_read_head(struct http_head *head, const uint8_t *p, size_t n)
{
	const size_t max = n < HTTP_HEAD_MAX ? n : HTTP_HEAD_MAX;
	struct span line;
	size_t at = 0;
	*head = (struct http_head){.length = -1};
	for (;;) {
		ptrdiff_t used = read_line(&line, p + at, max - at);
		if (used < 0 || (used == 0 && max == HTTP_HEAD_MAX))
			return -1;
		if (used == 0)
			return 0;
		bool first = at == 0;
		at += (size_t)used;
		if (!first && !line.n)
			return settle(head) ? (ptrdiff_t)at : -1;
		if (!(first ? read_status_line(head, line) : read_field(head, line)))
			return -1;
	}
}

bool http_field(const struct http_head *head, const char *name, struct span *value)
{
	for (size_t i = 0; i < head->fields; i++)
		if (span_is_word(head->field[i].name, name)) {
			*value = head->field[i].value;
			return true;
		}
	return false;
}

static bool list_has(struct span list, const char *token)
{
	for (;;) {
		const char *comma = list.n ? memchr(list.p, ',', list.n) : NULL;
		size_t n = comma ? (size_t)(comma - list.p) : list.n;
		if (span_is_word(trimmed(list.p, n), token))
			return true;
		if (!comma)
			return false;
		list = (struct span){comma + 1, list.n - n - 1};
	}
}

unsigned http_retry_after(const struct http_head *head)
{
	struct span v;
	unsigned seconds = 0;
	if (!http_field(head, "Retry-After", &v))
		return 0;
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return 0;
		seconds = seconds * 10 + (unsigned)(v.p[i] - '0');
		seconds = seconds < HTTP_RETRY_MAX ? seconds : HTTP_RETRY_MAX;
	}
	return seconds;
}

void http_put_basic(
	struct buf *out, const char *field, const char *user, const struct secret *password)
{
	struct buf pair = {0};
	buf_print(&pair, "%s:", user);
	buf_put(&pair, password->p, password->n);
	size_t n = BASE64_LEN(buf_len(&pair));
	buf_print(out, "%s: Basic ", field);
	base64_encode((char *)buf_room(out, n + 1), buf_data(&pair), buf_len(&pair));
	buf_push(out, n);
	buf_put(out, "\r\n", 2);
	buf_free_wiped(&pair);
}

void http_put_encoded(struct buf *out, const char *text)
{
	static const char Plain[] = "abcdefghijklmnopqrstuvwxyz0123456789-._~"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	for (; *text; text++)
		if (strchr(Plain, *text))
			buf_put(out, text, 1);
		else
			buf_print(out, "%%%02X", (unsigned char)*text);
}

bool http_has_token(const struct http_head *head, const char *name, const char *token)
{
	for (size_t i = 0; i < head->fields; i++)
		if (span_is_word(head->field[i].name, name) &&
			list_has(head->field[i].value, token))
			return true;
	return false;
}

void http_body_begin(struct http_body *body, const struct http_head *head)
{
	*body = (struct http_body){.by = HTTP_BY_LENGTH};
	if (has_no_body(head))
		return;
	if (head->chunked)
		body->by = HTTP_BY_CHUNKS;
	else if (head->length < 0)
		body->by = HTTP_BY_CLOSE;
	else
		body->left = (uint64_t)head->length;
}

static int hex(uint8_t c)
{
	if (is_digit((char)c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int in_blank(struct http_body *b, uint8_t c)
{
	(void)b;
	if (is_blank(c))
		return SIZE_BLANK;
	return c == '\r' ? SIZE_LF : c == ';' ? EXTENSION : BAD;
}

static int in_size(struct http_body *b, uint8_t c)
{
	int digit = hex(c);
	if (digit < 0)
		return b->digits ? in_blank(b, c) : BAD;
	if (b->left >> 56)
		return BAD;
	b->left = b->left << 4 | (unsigned)digit;
	b->digits = true;
	return SIZE;
}

static int in_extension(struct http_body *b, uint8_t c)
{
	(void)b;
	return c == '\r' ? SIZE_LF : is_text(c) ? EXTENSION : BAD;
}

/* The chunk of length 0 is the last; `left` then counts what trailers may take. */
static int in_size_lf(struct http_body *b, uint8_t c)
{
	b->line = 0;
	b->digits = false;
	if (c != '\n' || b->left)
		return c == '\n' ? CHUNK : BAD;
	b->left = HTTP_HEAD_MAX;
	return TRAILER;
}

static int in_chunk_cr(struct http_body *b, uint8_t c)
{
	(void)b;
	return c == '\r' ? CHUNK_LF : BAD;
}

static int in_chunk_lf(struct http_body *b, uint8_t c)
{
	b->line = 0;
	return c == '\n' ? SIZE : BAD;
}

static int in_trailer(struct http_body *b, uint8_t c)
{
	bool first = b->line == 1;
	if (!b->left-- || (first && is_blank(c)))
		return BAD;
	if (c == '\r')
		return first ? END_LF : TRAILER_LF;
	return is_text(c) ? TRAILER : BAD;
}

static int in_trailer_lf(struct http_body *b, uint8_t c)
{
	b->line = 0;
	return c == '\n' && b->left-- ? TRAILER : BAD;
}

static int in_end_lf(struct http_body *b, uint8_t c)
{
	(void)b;
	return c == '\n' ? DONE : BAD;
}

/* Each takes one byte and returns the state that follows. */
static int (*const Take[])(struct http_body *, uint8_t) = {
	[SIZE] = in_size,
	[SIZE_BLANK] = in_blank,
	[EXTENSION] = in_extension,
	[SIZE_LF] = in_size_lf,
	[CHUNK_CR] = in_chunk_cr,
	[CHUNK_LF] = in_chunk_lf,
	[TRAILER] = in_trailer,
	[TRAILER_LF] = in_trailer_lf,
	[END_LF] = in_end_lf,
};

static size_t give(struct http_body *b, const uint8_t *p, size_t n, struct http_event *ev)
{
	size_t used = n < b->left ? n : (size_t)b->left;
	b->left -= used;
	if (used)
		*ev = (struct http_event){.type = HTTP_DATA, .data = p, .length = used};
	return used;
}

static size_t read_chunks(struct http_body *b, const uint8_t *p, size_t n, struct http_event *ev)
{
	size_t used = 0;
	while (used < n && b->state != DONE && b->state != BAD) {
		if (b->state == CHUNK) {
			used += give(b, p + used, n - used, ev);
			if (!b->left)
				b->state = CHUNK_CR;
			return used;
		}
		b->line++;
		b->state = b->line > HTTP_LINE_MAX ? BAD : Take[b->state](b, p[used]);
		used++;
	}
	if (b->state == DONE || b->state == BAD)
		ev->type = b->state == DONE ? HTTP_END : HTTP_BAD;
	return used;
}

size_t http_body_read(struct http_body *b, const uint8_t *p, size_t n, struct http_event *ev)
{
	*ev = (struct http_event){.type = HTTP_MORE};
	if (b->by == HTTP_BY_CHUNKS)
		return read_chunks(b, p, n, ev);
	if (b->by == HTTP_BY_CLOSE) {
		b->left = n;
		return give(b, p, n, ev);
	}
	if (!b->left)
		ev->type = HTTP_END;
	return give(b, p, n, ev);
}

bool http_body_eof(const struct http_body *b)
{
	if (b->by == HTTP_BY_CHUNKS)
		return b->state == DONE;
	return b->by == HTTP_BY_CLOSE || !b->left;
}
