/* One request, one head. */
#include "connect.h"

#include <string.h>

#include "http.h"

enum { TLS_ALERT = 21 }; /* its record's first byte */

void connect_put(struct buf *out, const struct connect_spec *spec)
{
	const char *form = strchr(spec->host, ':') ? "[%s]:%u" : "%s:%u";
	buf_print(out, "CONNECT ");
	buf_print(out, form, spec->host, spec->port);
	buf_print(out, " HTTP/1.1\r\nHost: ");
	buf_print(out, form, spec->host, spec->port);
	buf_print(out, "\r\nUser-Agent: porter\r\n");
	if (spec->user)
		http_put_basic(out, "Proxy-Authorization", spec->user, spec->password);
	buf_put(out, "\r\n", 2);
}

/* "403 Forbidden": what stands behind the version in a head's first line. */
static struct span status_of(const uint8_t *head)
{
	const char *p = strchr((const char *)head, ' ') + 1;
	return (struct span){p, strcspn(p, "\r\n")};
}

static bool may_pass(int status)
{
	return status >= 500 || status == 408 || status == 429;
}

static void refuse(const struct connect_spec *spec, const uint8_t *head, int status, struct err *e)
{
	struct span words = status_of(head);
	if (status == 407 || status == 401) /* tinyproxy says so of a wrong password */
		err_set(e, ERR_LOCAL, status,
			spec->user ? "refuses the user and password" : "wants a user and password");
	else
		err_set(e, may_pass(status) ? ERR_NETWORK : ERR_LOCAL, status, "answered %.*s",
			(int)words.n, words.p);
}

ptrdiff_t connect_read(const struct connect_spec *spec, const uint8_t *p, size_t n, struct err *e)
{
	struct http_head head = {.status = 100};
	size_t used = 0, before = 0;
	while (head.status < 200) {
		ptrdiff_t more = http_read_head(&head, p + used, n - used);
		if (more < 0 || used > HTTP_HEAD_MAX) {
			err_set(e, ERR_LOCAL, 0,
				n && *p == TLS_ALERT
					? "speaks TLS: should its URL begin with https:?"
					: "does not speak HTTP");
			return -1;
		}
		if (!more)
			return 0;
		before = used;
		used += (size_t)more;
	}
	if (head.status < 300)
		return (ptrdiff_t)used;
	refuse(spec, p + before, head.status, e);
	return -1;
}
