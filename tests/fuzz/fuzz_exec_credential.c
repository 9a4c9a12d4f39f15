/* Any text as a plugin's answer.  What is taken can be used, and means the same when it
 * is written again; what is not says why, and leaves nothing. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "exec_credential.h"
#include "json.h"

static const char Version[] = "client.authentication.k8s.io/v1";

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static void put(struct buf *out, const char *key, const char *text)
{
	buf_print(out, ",\"%s\":", key);
	json_put_string(out, text ? text : "");
}

static void check(const struct exec_credential *c)
{
	struct exec_credential again = {0};
	struct buf out = {0};
	assert(c->token.n || c->cert);
	assert(!c->cert == !c->key.n);
	assert(!c->token.n || strlen(c->token.p) == c->token.n);
	buf_print(&out, "{\"kind\":\"ExecCredential\",\"apiVersion\":\"%s\",\"status\":{\"x\":0",
		Version);
	put(&out, "token", c->token.p);
	put(&out, "clientCertificateData", c->cert);
	put(&out, "clientKeyData", c->key.p);
	buf_print(&out, "}}");
	assert(exec_credential_parse(&again, (char *)buf_data(&out), buf_len(&out), Version, NULL));
	assert(same_text(c->token.p, again.token.p) && same_text(c->key.p, again.key.p) &&
		same_text(c->cert, again.cert) && !again.until_ms);
	exec_credential_free(&again);
	buf_free_wiped(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct exec_credential c = {0};
	struct err e = {0};
	bool ok = exec_credential_parse(&c, (const char *)p, n, Version, &e);
	assert(ok ? !e.kind : e.kind == ERR_LOCAL && *e.text);
	if (ok)
		check(&c);
	else
		assert(!c.token.p && !c.cert && !c.key.p && !c.until_ms);
	exec_credential_free(&c);
	return 0;
}
