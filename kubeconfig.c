/* The kubeconfig of kubeconfig.h: from YAML to the one context that is wanted.
 * What client-go would use and this cannot is refused, never passed over.
 */
#include "kubeconfig.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base64.h"
#include "buf.h"
#include "file.h"
#include "yaml.h"

enum { FILE_MAX = 16 << 20, NAMES_MAX = 300 };

/* What every step needs to read on, and to say where it failed. */
struct source {
	const char *file;
	char *dir; /* absolute; of the file */
	struct document doc;
	struct err *e;
};

static bool refuse(const struct source *s, const struct value *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "FILE:LINE: ...", or "FILE: ..." where there is no value to point at. */
static bool refuse(const struct source *s, const struct value *at, const char *fmt, ...)
{
	char what[ERR_TEXT];
	va_list args;
	va_start(args, fmt);
	vsnprintf(what, sizeof what, fmt, args);
	va_end(args);
	if (at)
		return err_set(s->e, ERR_LOCAL, 0, "%s:%u: %s", s->file, at->line, what);
	return err_set(s->e, ERR_LOCAL, 0, "%s: %s", s->file, what);
}

static const char *home(void)
{
	const char *path = getenv("HOME");
	if (path && *path)
		return path;
	const struct passwd *user = getpwuid(getuid());
	return user && user->pw_dir && *user->pw_dir ? user->pw_dir : NULL;
}

/* To be freed. */
static char *join(const char *dir, const char *path)
{
	size_t n = strlen(dir) + strlen(path) + 2;
	char *joined = mem_new(n);
	snprintf(joined, n, "%s/%s", dir, path);
	return joined;
}

char *kubeconfig_path(const char *path, const char *dir)
{
	const char *at_home = strncmp(path, "~/", 2) ? NULL : home();
	if (at_home)
		return join(at_home, path + 2);
	return dir && *path != '/' ? join(dir, path) : mem_dup(path);
}

char *kubeconfig_folder(const char *file)
{
	const char *slash = strrchr(file, '/');
	char *folder = slash ? mem_dup_n(file, (size_t)(slash - file) + 1) : mem_dup(".");
	char *absolute = realpath(folder, NULL);
	if (!absolute)
		return folder;
	free(folder);
	return absolute;
}

/* The parser says "line 3: what"; here it becomes "FILE:3: what". */
static bool parse(struct source *s, const struct buf *text)
{
	struct err e = {0};
	if (yaml_parse(&s->doc, (const char *)buf_data(text), buf_len(text), &e))
		return true;
	return err_set(s->e, e.kind, 0, "%s:%s", s->file, e.text + strlen("line "));
}

static bool read_source(struct source *s)
{
	struct buf text = {0};
	bool ok = false;
	if (file_read(&text, s->file, FILE_MAX))
		ok = parse(s, &text);
	else
		err_set(s->e, ERR_LOCAL, errno, "cannot read kubeconfig '%s': %s", s->file,
			strerror(errno));
	buf_free_wiped(&text);
	return ok;
}

/* The text of a field that may be absent, null or empty: NULL then. */
static bool get_text(
	const struct source *s, const struct value *map, const char *key, const char **text)
{
	const struct value *v = value_get(map, key);
	*text = NULL;
	if (!v || v->type == VALUE_NULL)
		return true;
	if (v->type == VALUE_LIST || v->type == VALUE_MAP)
		return refuse(s, v, "%s must be a text", key);
	if (strlen(v->text) != v->len)
		return refuse(s, v, "%s holds a NUL", key);
	*text = v->len ? v->text : NULL;
	return true;
}

static bool get_copy(const struct source *s, const struct value *map, const char *key, char **to)
{
	const char *text;
	if (!get_text(s, map, key, &text))
		return false;
	*to = text ? mem_dup(text) : NULL;
	return true;
}

static bool get_secret(
	const struct source *s, const struct value *map, const char *key, struct secret *to)
{
	const char *text;
	if (!get_text(s, map, key, &text))
		return false;
	secret_set(to, text, text ? strlen(text) : 0);
	return true;
}

static bool get_bool(const struct source *s, const struct value *map, const char *key, bool *to)
{
	const struct value *v = value_get(map, key);
	if (v && v->type != VALUE_NULL && v->type != VALUE_BOOL)
		return refuse(s, v, "%s must be true or false", key);
	*to = value_is_true(v);
	return true;
}

static bool decode(
	const struct source *s, const struct value *v, const char *key, struct secret *to)
{
	size_t room = (size_t)v->len / 4 * 3, len;
	*to = (struct secret){.p = mem_new(room + 1), .n = room};
	if (!base64_decode((uint8_t *)to->p, &len, v->text, v->len))
		return refuse(s, v, "%s is not Base64", key);
	to->n = len;
	return true;
}

static bool read_part(
	const struct source *s, const struct value *v, const char *key, struct secret *to)
{
	struct buf text = {0};
	char *path = kubeconfig_path(v->text, s->dir);
	bool ok = file_read(&text, path, FILE_MAX);
	if (ok)
		secret_set(to, buf_data(&text), buf_len(&text));
	else
		refuse(s, v, "cannot read %s '%s': %s", key, path, strerror(errno));
	buf_free_wiped(&text);
	free(path);
	return ok;
}

/* The PEM text in KEY-data, or else in the file that KEY names; or none. */
static bool get_pem(
	const struct source *s, const struct value *map, const char *key, struct secret *to)
{
	char data_key[64];
	const char *data, *path;
	snprintf(data_key, sizeof data_key, "%s-data", key);
	if (!get_text(s, map, data_key, &data) || !get_text(s, map, key, &path))
		return false;
	if (!data && !path)
		return true;
	const struct value *v = value_get(map, data ? data_key : key);
	if (!(data ? decode(s, v, data_key, to) : read_part(s, v, key, to)))
		return false;
	if (!to->n || memchr(to->p, '\0', to->n))
		return refuse(s, v, "%s is not PEM", data ? data_key : key);
	return true;
}

/* "a, b, c": the names in a list of the file, for a message; or "none". */
static void put_names(struct buf *out, const struct value *list)
{
	for (const struct value *v = value_first(list); v; v = value_next(list, v)) {
		const char *name = value_text(value_get(v, "name"));
		if (name && buf_len(out) < NAMES_MAX)
			buf_print(out, "%s'%s'", buf_len(out) ? ", " : "", name);
	}
	if (!buf_len(out))
		buf_print(out, "none");
}

static bool refuse_unknown(
	const struct source *s, const struct value *list, const char *what, const char *name)
{
	struct buf names = {0};
	put_names(&names, list);
	err_set(s->e, ERR_NOT_FOUND, 0, "%s: there is no %s '%s'; there is: %.*s", s->file, what,
		name, (int)buf_len(&names), (const char *)buf_data(&names));
	buf_free(&names);
	return false;
}

/* The entry called `name` in one of the file's lists of names and what they
 * stand for: in "contexts" the map behind "context". */
static bool find(
	const struct source *s, const char *what, const char *name, const struct value **found)
{
	char plural[16];
	const struct value *entry = NULL;
	snprintf(plural, sizeof plural, "%ss", what);
	const struct value *list = value_get(s->doc.root, plural);
	if (list && list->type != VALUE_LIST && list->type != VALUE_NULL)
		return refuse(s, list, "%s must be a list", plural);
	for (const struct value *v = value_first(list); v; v = value_next(list, v)) {
		const char *own;
		if (!get_text(s, v, "name", &own))
			return false;
		if (!own || strcmp(own, name) != 0)
			continue;
		if (entry)
			return refuse(s, v, "there are two %s called '%s'", plural, name);
		entry = v;
	}
	if (!entry)
		return refuse_unknown(s, list, what, name);
	*found = value_get(entry, what);
	if (*found && (*found)->type != VALUE_MAP && (*found)->type != VALUE_NULL)
		return refuse(s, *found, "%s must be a map", what);
	return true;
}

static bool is_host(const char *p, size_t n)
{
	static const char Chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._";
	return n && strspn(p, Chars) >= n;
}

/* "10.0.0.1", "k8s.example" or "[::1]", and the port behind it. */
static bool read_authority(struct kubeconfig *k, const char *p, size_t n)
{
	bool ip6 = n && *p == '[';
	size_t host = ip6 ? strspn(p + 1, "0123456789abcdefABCDEF:.") : strcspn(p, ":/");
	if (ip6 ? host < 2 || p[1 + host] != ']' : !is_host(p, host))
		return false;
	const char *port = p + host + (ip6 ? 2 : 0), *end = p + n;
	k->host = mem_dup_n(p + ip6, host);
	k->port = k->tls ? 443 : 80;
	if (port == end || (*port == ':' && port + 1 == end))
		return true;
	size_t digits = strspn(port + 1, "0123456789");
	unsigned long number = strtoul(port + 1, NULL, 10);
	if (*port != ':' || port + 1 + digits != end || !number || number > UINT16_MAX)
		return false;
	k->port = (uint16_t)number;
	return true;
}

static bool read_prefix(struct kubeconfig *k, const char *p)
{
	size_t n = strlen(p);
	for (size_t i = 0; i < n; i++)
		if (p[i] <= ' ' || p[i] > '~' || p[i] == '?' || p[i] == '#')
			return false;
	while (n && p[n - 1] == '/')
		n--;
	k->prefix = mem_dup_n(p, n);
	return true;
}

/* Without a scheme it is client-go's guess (rest/url_utils.go): TLS where there
 * is something to do TLS with. */
static bool read_server(
	const struct source *s, const struct value *cluster, bool with_tls, struct kubeconfig *k)
{
	const char *url;
	if (!get_text(s, cluster, "server", &url))
		return false;
	const struct value *v = value_get(cluster, "server");
	if (!url)
		return refuse(s, v ? v : cluster, "the cluster has no server");
	const char *scheme_end = strstr(url, "://"), *p = scheme_end ? scheme_end + 3 : url;
	k->tls = scheme_end ? !strncasecmp(url, "https://", 8) : with_tls;
	bool known = !scheme_end || k->tls || !strncasecmp(url, "http://", 7);
	size_t authority = strcspn(p, "/?#");
	if (!known || !read_authority(k, p, authority) || !read_prefix(k, p + authority))
		return refuse(s, v, "server is not a URL such as https://host:6443");
	return true;
}

struct unsupported {
	const char *key, *why;
};

/* Points at the key: the value may begin on a line below. */
static bool check_unsupported(
	const struct source *s, const struct value *map, const struct unsupported *table)
{
	for (; table->key; table++) {
		const struct value *v = value_get(map, table->key);
		bool empty = !v || v->type == VALUE_NULL ||
			     (v->type >= VALUE_LIST ? !value_first(v) : !v->len);
		if (!empty)
			return refuse(s, v - 1, "%s is not supported%s", table->key, table->why);
	}
	return true;
}

static bool read_cluster(
	const struct source *s, const struct value *cluster, bool has_cert, struct kubeconfig *k)
{
	static const struct unsupported Table[] = {{"proxy-url", ""}, {NULL, NULL}};
	struct secret ca = {0};
	bool ok = check_unsupported(s, cluster, Table) &&
		  get_bool(s, cluster, "insecure-skip-tls-verify", &k->insecure) &&
		  get_copy(s, cluster, "tls-server-name", &k->tls_name) &&
		  get_pem(s, cluster, "certificate-authority", &ca);
	k->ca = ca.p;
	if (!ok || !read_server(s, cluster, k->ca || has_cert || k->insecure, k))
		return false;
	if (k->ca && k->insecure)
		return refuse(s, value_get(cluster, "insecure-skip-tls-verify"),
			"insecure-skip-tls-verify and a certificate-authority exclude each other");
	return true;
}

static bool read_user(const struct source *s, const struct value *user, struct kubeconfig *k)
{
	static const char Program[] = ": use a token or a client certificate";
	static const struct unsupported Table[] = {{"exec", Program}, {"auth-provider", Program},
		{"as", ""}, {"as-uid", ""}, {"as-groups", ""}, {"as-user-extra", ""}, {NULL, NULL}};
	const char *token_file = NULL;
	struct secret cert = {0};
	bool ok = check_unsupported(s, user, Table) &&
		  get_pem(s, user, "client-certificate", &cert) &&
		  get_pem(s, user, "client-key", &k->key) &&
		  get_secret(s, user, "token", &k->token) &&
		  get_text(s, user, "tokenFile", &token_file) &&
		  get_copy(s, user, "username", &k->username) &&
		  get_secret(s, user, "password", &k->password);
	k->cert = cert.p;
	if (!ok)
		return false;
	k->token_file = token_file ? kubeconfig_path(token_file, s->dir) : NULL;
	if (!k->cert != !k->key.p)
		return refuse(s, user, "client-certificate and client-key need each other");
	return true;
}

/* What the context names; it may name no user. */
static bool read_context(const struct source *s, struct kubeconfig *k)
{
	const struct value *context = NULL, *cluster = NULL, *user = NULL;
	const char *cluster_name, *user_name;
	if (!find(s, "context", k->context, &context) ||
		!get_copy(s, context, "namespace", &k->namespace) ||
		!get_text(s, context, "cluster", &cluster_name) ||
		!get_text(s, context, "user", &user_name))
		return false;
	if (!k->namespace)
		k->namespace = mem_dup("default");
	if (!cluster_name)
		return refuse(s, context, "context '%s' names no cluster", k->context);
	return find(s, "cluster", cluster_name, &cluster) &&
	       (!user_name || find(s, "user", user_name, &user)) && read_user(s, user, k) &&
	       read_cluster(s, cluster, k->cert, k);
}

static bool check_kind(const struct source *s)
{
	const struct value *root = s->doc.root;
	const char *kind;
	if (root->type != VALUE_MAP)
		return refuse(s, NULL, "this is not a kubeconfig");
	if (!get_text(s, root, "kind", &kind))
		return false;
	if (kind && strcmp(kind, "Config") != 0)
		return refuse(s, value_get(root, "kind"),
			"this is not a kubeconfig: its kind is '%s'", kind);
	return true;
}

static bool read_all(struct source *s, const char *context, struct kubeconfig *k)
{
	if (!read_source(s) || !check_kind(s))
		return false;
	if (!context && !get_text(s, s->doc.root, "current-context", &context))
		return false;
	if (!context)
		return refuse(s, NULL, "there is no current-context: name a context");
	k->file = mem_dup(s->file);
	k->context = mem_dup(context);
	return read_context(s, k);
}

bool kubeconfig_load(struct kubeconfig *k, const char *file, const char *context, struct err *e)
{
	struct source s = {.file = file, .dir = kubeconfig_folder(file), .e = e};
	bool ok = read_all(&s, context, k);
	if (!ok)
		kubeconfig_free(k);
	document_free(&s.doc);
	free(s.dir);
	return ok;
}

/* The members that own memory. */
static const size_t Texts[] = {offsetof(struct kubeconfig, file),
	offsetof(struct kubeconfig, context), offsetof(struct kubeconfig, namespace),
	offsetof(struct kubeconfig, host), offsetof(struct kubeconfig, prefix),
	offsetof(struct kubeconfig, tls_name), offsetof(struct kubeconfig, ca),
	offsetof(struct kubeconfig, cert), offsetof(struct kubeconfig, token_file),
	offsetof(struct kubeconfig, username)};
static const size_t Secrets[] = {offsetof(struct kubeconfig, key),
	offsetof(struct kubeconfig, token), offsetof(struct kubeconfig, password)};
enum { TEXTS = sizeof Texts / sizeof *Texts, SECRETS = sizeof Secrets / sizeof *Secrets };

static char *text_at(const struct kubeconfig *k, size_t i)
{
	char *text;
	memcpy(&text, (const char *)k + Texts[i], sizeof text);
	return text;
}

static const struct secret *secret_at(const struct kubeconfig *k, size_t i)
{
	return (const struct secret *)(const void *)((const char *)k + Secrets[i]);
}

bool kubeconfig_same(const struct kubeconfig *a, const struct kubeconfig *b)
{
	bool same = a->tls == b->tls && a->port == b->port && a->insecure == b->insecure;
	for (size_t i = 0; same && i < TEXTS; i++) {
		const char *x = text_at(a, i), *y = text_at(b, i);
		same = x && y ? !strcmp(x, y) : x == y;
	}
	for (size_t i = 0; same && i < SECRETS; i++) {
		const struct secret *x = secret_at(a, i), *y = secret_at(b, i);
		same = x->n == y->n && (!x->n || !memcmp(x->p, y->p, x->n));
	}
	return same;
}

void kubeconfig_free(struct kubeconfig *k)
{
	for (size_t i = 0; i < TEXTS; i++)
		free(text_at(k, i));
	for (size_t i = 0; i < SECRETS; i++)
		secret_free((struct secret *)(void *)((char *)k + Secrets[i]));
	*k = (struct kubeconfig){0};
}

/* As client-go reads $KUBECONFIG: names between colons, empty ones skipped. */
char *kubeconfig_default(struct err *e)
{
	const char *list = getenv("KUBECONFIG");
	list = list ? list + strspn(list, ":") : "";
	size_t n = strcspn(list, ":");
	if (list[n + strspn(list + n, ":")]) {
		err_set(e, ERR_LOCAL, 0, "KUBECONFIG lists several files: name one of them");
		return NULL;
	}
	char *named = mem_dup_n(n ? list : "~/.kube/config", n ? n : strlen("~/.kube/config"));
	char *path = kubeconfig_path(named, NULL);
	free(named);
	if (n || !access(path, F_OK))
		return path;
	err_set(e, ERR_LOCAL, errno, "no kubeconfig: KUBECONFIG is not set, and %s: %s", path,
		strerror(errno));
	free(path);
	return NULL;
}
