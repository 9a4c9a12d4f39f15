/* What went wrong, in one value: kind, code and words for the user.
 *
 * The first cause is the one worth knowing, so an error that is set stays as
 * it is.  Knows nothing of where errors are shown.
 */
#pragma once
#include <stdbool.h>

#include "log.h"

enum err_kind {
	ERR_NONE,
	ERR_NETWORK,      /* no route, reset, timed out: the path is broken */
	ERR_REFUSED,      /* nothing listens at the other end */
	ERR_TLS,          /* handshake or certificates */
	ERR_UNAUTHORIZED, /* 401 */
	ERR_FORBIDDEN,    /* 403 */
	ERR_NOT_FOUND,    /* 404, or no such thing in a file */
	ERR_NOT_READY,    /* it exists, but cannot serve yet */
	ERR_THROTTLED,    /* 429 */
	ERR_SERVER,       /* 5xx */
	ERR_PROTOCOL,     /* the other end does not speak as it should */
	ERR_LOCAL,        /* this machine: files, descriptors, settings */
	ERR_KINDS,
};

enum { ERR_TEXT = 512 };

struct err {
	enum err_kind kind;
	int code; /* NETWORK, REFUSED, LOCAL: errno; TLS: BearSSL's; else HTTP status; or 0 */
	unsigned wait_s;     /* not to be tried again before, by the server's wish; 0: none */
	char text[ERR_TEXT]; /* one line; control characters and bad UTF-8 became '?' */
};

/* Sets *e, unless it is set already or e is NULL.  Text that does not fit is
 * cut at a character's end.  Returns false, so that `return err_set(...)`
 * says what failed and that it failed.
 */
bool err_set(struct err *e, enum err_kind kind, int code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* The kind that an API server's HTTP status means (404: ERR_NOT_FOUND, ...). */
enum err_kind err_of_status(int status);

/* What follows from a kind: the one table of it. */
struct err_rule {
	bool passing; /* goes away by itself: Reconnecting; else Failed */
	enum log_level level;
};
const struct err_rule *err_rule(enum err_kind kind);
