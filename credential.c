/* The Authorization field, in client-go's order: tokenFile, token, username and
 * password.  The caller wipes what is written; what is copied here on the way
 * is wiped here. */
#include "credential.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "file.h"

enum { TOKEN_FILE_MAX = 65536 };

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* As Go's HTTP client: no control characters in a field's value. */
static bool fits_field(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < ' ' || p[i] == 0x7f)
			return false;
	return true;
}

static bool put_token(struct buf *out, const void *token, size_t n, const char *from, struct err *e)
{
	if (!fits_field(token, n))
		return err_set(e, ERR_LOCAL, 0, "%s holds a control character or line end", from);
	buf_print(out, "Authorization: Bearer ");
	buf_put(out, token, n);
	buf_put(out, "\r\n", 2);
	return true;
}

/* Blanks around the token do not count (client-go, transport/token_source.go). */
static bool put_token_of_file(struct buf *out, const char *path, struct err *e)
{
	char from[ERR_TEXT];
	struct buf text = {0};
	bool ok = false;
	if (!file_read(&text, path, TOKEN_FILE_MAX)) {
		err_set(e, ERR_LOCAL, errno, "cannot read token file '%s': %s", path,
			strerror(errno));
	} else {
		const uint8_t *p = buf_data(&text);
		size_t n = buf_len(&text);
		for (; n && is_blank(*p); n--)
			p++;
		while (n && is_blank(p[n - 1]))
			n--;
		snprintf(from, sizeof from, "token file '%s'", path);
		ok = n ? put_token(out, p, n, from, e)
		       : err_set(e, ERR_LOCAL, 0, "%s is empty", from);
	}
	buf_free_wiped(&text);
	return ok;
}

static void put_basic(struct buf *out, const struct kubeconfig *k)
{
	struct buf pair = {0};
	buf_print(&pair, "%s:", k->username);
	buf_put(&pair, k->password.p, k->password.n);
	size_t n = BASE64_LEN(buf_len(&pair));
	buf_print(out, "Authorization: Basic ");
	base64_encode((char *)buf_room(out, n + 1), buf_data(&pair), buf_len(&pair));
	buf_push(out, n);
	buf_put(out, "\r\n", 2);
	buf_free_wiped(&pair);
}

bool credential_put(struct buf *out, const struct kubeconfig *k, struct err *e)
{
	bool has_token = k->token.n > 0;
	if (k->token_file && put_token_of_file(out, k->token_file, has_token ? NULL : e))
		return true;
	if (k->token_file && !has_token)
		return false;
	if (has_token)
		return put_token(out, k->token.p, k->token.n, "the user's token", e);
	if (k->username)
		put_basic(out, k);
	return true;
}
