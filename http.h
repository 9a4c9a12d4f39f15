/* HTTP/1.1 responses, as a client reads them (RFC 9112).
 *
 * Bytes in; consumed, more or malformed out.  No sockets, no allocation, no
 * knowledge of what a status means.  Obsolete line folding, NUL and other
 * control characters, conflicting or repeated lengths, and Transfer-Encodings
 * other than chunked are malformed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "mem.h"

enum {
	HTTP_HEAD_MAX = 65536, /* bytes of status line and fields */
	HTTP_FIELDS_MAX = 128,
	HTTP_LINE_MAX = 4096, /* bytes of one chunk-size or trailer line */
};

struct http_field {
	struct span name, value; /* value without the blanks around it */
};

/* Its spans point into the input. */
struct http_head {
	int status;
	bool keep; /* the connection may be used again (9.3) */
	bool chunked;
	int64_t length; /* Content-Length, or -1 */
	struct http_field field[HTTP_FIELDS_MAX];
	size_t fields;
};

/* Takes one whole head, its empty line included.  Returns its length; 0 if
 * more bytes are needed; -1 if it is malformed or too long.  1xx heads are
 * returned like others: the caller passes over those it does not wait for.
 */
ptrdiff_t http_read_head(struct http_head *head, const uint8_t *p, size_t n);

/* The first field of that name (any case); false if there is none. */
bool http_field(const struct http_head *head, const char *name, struct span *value);

/* Whether a comma-separated field has this token (any case): "Connection: Upgrade". */
bool http_has_token(const struct http_head *head, const char *name, const char *token);

/* Seconds that the server wants us to wait (Retry-After, RFC 9110, 10.2.3), at most
 * HTTP_RETRY_MAX; 0 where it does not say, or says it as a date. */
enum { HTTP_RETRY_MAX = 3600 };
unsigned http_retry_after(const struct http_head *head);

/* Appends `text` as a part of a path or query: all but unreserved characters are
 * percent-encoded (RFC 3986, 2.3). */
void http_put_encoded(struct buf *out, const char *text);

/* Appends a field with a user and password (RFC 7617), and its line end; the caller wipes
 * the buffer. */
void http_put_basic(
	struct buf *out, const char *field, const char *user, const struct secret *password);

enum http_event_type {
	HTTP_MORE, /* all input is used up */
	HTTP_DATA, /* part of the body: data, length */
	HTTP_END,  /* the body is whole; what follows is not its */
	HTTP_BAD,
};

struct http_event {
	enum http_event_type type;
	const uint8_t *data; /* into the input */
	size_t length;
};

/* How the rest of one body is to be read; begun from its head. */
struct http_body {
	enum { HTTP_BY_LENGTH, HTTP_BY_CHUNKS, HTTP_BY_CLOSE } by;
	int state;     /* of chunks: which part comes next */
	uint64_t left; /* bytes of the body or chunk still to come */
	unsigned line; /* bytes of the present line seen, against HTTP_LINE_MAX */
	bool digits;   /* a chunk-size has begun */
};

/* 1xx, 204 and 304 have no body (RFC 9112, 6.3); neither has a 101. */
void http_body_begin(struct http_body *body, const struct http_head *head);

/* As spdy_read(): takes input until there is one event to tell.  After HTTP_END
 * and HTTP_BAD do not call it any more. */
size_t http_body_read(struct http_body *body, const uint8_t *p, size_t n, struct http_event *ev);

/* The connection ended here: whether the body was whole. */
bool http_body_eof(const struct http_body *body);
