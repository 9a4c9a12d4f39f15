/* ExecCredential as client-go writes it (rest/exec.go, with keys in the same order) and
 * reads it (plugin/pkg/client/auth/exec): unknown fields are passed over, those that are
 * null or empty are none, and a kind that is missing is ours. */
#include "exec_credential.h"

#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "json.h"
#include "timestamp.h"
#include "yaml.h"

/* Go's zero time, year 1: those who have no end write it. */
static const char Never[] = "0001-01-01T00:00:00Z";

void exec_credential_free(struct exec_credential *c)
{
	secret_free(&c->token);
	secret_free(&c->key);
	free(c->cert);
	*c = (struct exec_credential){0};
}

/* ---- what it is told ---- */

static void put_text(struct buf *out, const char *key, const char *text)
{
	if (!text || !*text)
		return;
	buf_print(out, ",\"%s\":", key);
	json_put_string(out, text);
}

static void put_true(struct buf *out, const char *key, bool is)
{
	if (is)
		buf_print(out, ",\"%s\":true", key);
}

static void put_base64(struct buf *out, const char *key, const char *text)
{
	size_t len = text ? strlen(text) : 0, n = BASE64_LEN(len);
	if (!len)
		return;
	buf_print(out, ",\"%s\":\"", key);
	base64_encode((char *)buf_room(out, n + 1), text, len);
	buf_push(out, n);
	buf_print(out, "\"");
}

static void put_cluster(struct buf *out, const struct kubeconfig *k)
{
	buf_print(out, "\"cluster\":{\"server\":");
	json_put_string(out, k->server);
	put_text(out, "tls-server-name", k->tls_name);
	put_true(out, "insecure-skip-tls-verify", k->insecure);
	put_base64(out, "certificate-authority-data", k->ca);
	put_text(out, "proxy-url", k->proxy_url);
	put_true(out, "disable-compression", k->disable_compression);
	buf_print(out, ",\"config\":%s},",
		k->exec->cluster_config ? k->exec->cluster_config : "null");
}

void exec_credential_put(struct buf *out, const struct kubeconfig *k, bool interactive)
{
	buf_print(out, "{\"kind\":\"ExecCredential\",\"apiVersion\":");
	json_put_string(out, k->exec->api_version);
	buf_print(out, ",\"spec\":{");
	if (k->exec->provide_cluster_info)
		put_cluster(out, k);
	buf_print(out, "\"interactive\":%s}}\n", interactive ? "true" : "false");
}

/* ---- what it answers ---- */

static bool refuse(struct err *e, const char *what)
{
	return err_set(e, ERR_LOCAL, 0, "%s", what);
}

/* The words of the YAML parser may quote the text, those of the JSON parser do not. */
static bool read_text(struct document *doc, const char *p, size_t n, struct err *e)
{
	struct err why = {0};
	size_t blanks = 0;
	while (blanks < n && strchr(" \t\r\n", p[blanks]) && p[blanks])
		blanks++;
	if (blanks == n)
		return refuse(e, "printed nothing");
	if (p[blanks] == '{')
		return json_parse(doc, p, n, &why) ||
		       err_set(e, ERR_LOCAL, 0, "printed no ExecCredential: %s", why.text);
	return (yaml_parse(doc, p, n, NULL) && doc->root->type == VALUE_MAP) ||
	       refuse(e, "printed no ExecCredential: it is neither JSON nor YAML");
}

static bool is_ours(const struct value *kind)
{
	const char *text = value_text(kind);
	if (!kind || kind->type == VALUE_NULL)
		return true;
	return text && (!*text || !strcmp(text, "ExecCredential"));
}

static bool check_type(const struct value *root, const char *api_version, struct err *e)
{
	const char *version = value_text(value_get(root, "apiVersion"));
	if (!is_ours(value_get(root, "kind")))
		return refuse(e, "printed no ExecCredential: its kind is another");
	return (version && !strcmp(version, api_version)) ||
	       err_set(e, ERR_LOCAL, 0,
		       "answered in another version than %s, which the kubeconfig asks for",
		       api_version);
}

enum { TOKEN, CERT, KEY, UNTIL, FIELDS };
static const char *const Names[FIELDS] = {
	"token", "clientCertificateData", "clientKeyData", "expirationTimestamp"};

/* {NULL, 0} for one that is not there. */
static bool get_field(
	const struct value *status, const char *name, struct span *field, struct err *e)
{
	const struct value *v = value_get(status, name);
	*field = (struct span){NULL, 0};
	if (!v || v->type == VALUE_NULL)
		return true;
	if (v->type != VALUE_STRING || memchr(v->text, '\0', v->len))
		return err_set(e, ERR_LOCAL, 0, "gave %s, which is no text", name);
	if (v->len)
		*field = (struct span){v->text, v->len};
	return true;
}

static bool check_fields(const struct span *field, struct err *e)
{
	if (!field[TOKEN].n && !field[CERT].n && !field[KEY].n)
		return refuse(e, "gave neither a token nor a certificate");
	if (!field[CERT].n != !field[KEY].n)
		return err_set(e, ERR_LOCAL, 0, "gave %s without %s",
			Names[field[CERT].n ? CERT : KEY], Names[field[CERT].n ? KEY : CERT]);
	return true;
}

static bool read_status(struct exec_credential *c, const struct value *status, struct err *e)
{
	struct span field[FIELDS];
	if (!status || status->type != VALUE_MAP)
		return refuse(e, "printed an ExecCredential without a status");
	for (int i = 0; i < FIELDS; i++)
		if (!get_field(status, Names[i], &field[i], e))
			return false;
	if (!check_fields(field, e))
		return false;
	bool ends = field[UNTIL].n && strcmp(field[UNTIL].p, Never) != 0;
	if (ends && !timestamp_parse(field[UNTIL].p, &c->until_ms))
		return refuse(e, "gave an expirationTimestamp that is not of RFC 3339");
	secret_set(&c->token, field[TOKEN].p, field[TOKEN].n);
	secret_set(&c->key, field[KEY].p, field[KEY].n);
	c->cert = field[CERT].n ? mem_dup_n(field[CERT].p, field[CERT].n) : NULL;
	return true;
}

bool exec_credential_parse(
	struct exec_credential *c, const char *p, size_t n, const char *api_version, struct err *e)
{
	struct document doc = {0};
	bool ok = read_text(&doc, p, n, e) && check_type(doc.root, api_version, e) &&
		  read_status(c, value_get(doc.root, "status"), e);
	document_free(&doc);
	if (!ok)
		exec_credential_free(c);
	return ok;
}
