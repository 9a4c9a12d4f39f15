/* The kubeconfig of kubeconfig.h: from the files to the one context that is wanted.
 * What client-go would use and this cannot is refused, never passed over.
 */
#include "kubeconfig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "entry.h"
#include "file.h"
#include "json.h"
#include "kubefiles.h"
#include "kubeuser.h"

enum { PEM_MAX = 16 << 20 };

static const char Extension[] = "client.authentication.k8s.io/exec";

/* Takes `text` over, which may be NULL: then nothing is added. */
static void add_text(char ***list, char *text)
{
	size_t n = 0;
	if (!text)
		return;
	while (*list && (*list)[n])
		n++;
	*list = mem_grow(*list, (n + 2) * sizeof **list);
	(*list)[n] = text;
	(*list)[n + 1] = NULL;
}

static void add_file(struct kubeconfig *k, const char *path)
{
	add_text(&k->files, path ? mem_dup(path) : NULL);
}

/* ---- the server's URL ---- */

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

static bool read_url(const char *url, bool with_tls, struct kubeconfig *k)
{
	const char *scheme_end = strstr(url, "://"), *p = scheme_end ? scheme_end + 3 : url;
	k->tls = scheme_end ? !strncasecmp(url, "https://", 8) : with_tls;
	bool known = !scheme_end || k->tls || !strncasecmp(url, "http://", 7);
	size_t authority = strcspn(p, "/?#");
	return known && read_authority(k, p, authority) && read_prefix(k, p + authority);
}

/* ---- the cluster ---- */

/* Without a scheme it is TLS where there is something to do TLS with, as client-go means
 * it (rest/url_utils.go). */
static bool read_server(const struct entry *cluster, bool with_tls, struct kubeconfig *k)
{
	const struct value *v = value_get(cluster->map, "server");
	if (!entry_copy(cluster, "server", &k->server))
		return false;
	if (!k->server)
		return entry_refuse(cluster, v ? v : cluster->map, "the cluster has no server");
	return read_url(k->server, with_tls, k) ||
	       entry_refuse(cluster, v, "server is not a URL such as https://host:6443");
}

/* What is wrong is not shown: there may be a password in it. */
static bool read_proxy(const struct entry *cluster, struct kubeconfig *k)
{
	static const char *const Schemes[] = {"http://", "https://", "socks5://", "socks5h://"};
	if (!entry_copy(cluster, "proxy-url", &k->proxy_url))
		return false;
	for (size_t i = 0; k->proxy_url && i < sizeof Schemes / sizeof *Schemes; i++)
		if (!strncasecmp(k->proxy_url, Schemes[i], strlen(Schemes[i])))
			return true;
	return !k->proxy_url ||
	       entry_refuse(cluster, value_get(cluster->map, "proxy-url"),
		       "proxy-url must begin with http://, https://, socks5:// or socks5h://");
}

static bool read_cluster(const struct entry *cluster, bool has_cert, struct kubeconfig *k)
{
	struct secret ca = {0};
	bool ok = entry_bool(cluster, "insecure-skip-tls-verify", &k->insecure) &&
		  entry_bool(cluster, "disable-compression", &k->disable_compression) &&
		  entry_copy(cluster, "tls-server-name", &k->tls_name) && read_proxy(cluster, k) &&
		  entry_pem(cluster, "certificate-authority", &ca, &k->ca_file);
	k->ca = ca.p;
	if (!ok || !read_server(cluster, k->ca || has_cert || k->insecure, k))
		return false;
	if (k->ca && k->insecure)
		return entry_refuse(cluster, value_get(cluster->map, "insecure-skip-tls-verify"),
			"insecure-skip-tls-verify and a certificate-authority exclude each other");
	return true;
}

/* What the cluster has to say to plugins. */
static bool read_extension(const struct entry *cluster, struct kubeconfig_exec *exec)
{
	const struct value *list;
	struct buf text = {0};
	if (!entry_list(cluster, "extensions", &list))
		return false;
	for (const struct value *v = value_first(list); v; v = value_next(list, v)) {
		const char *name = value_text(value_get(v, "name"));
		const struct value *extension = value_get(v, "extension");
		if (name && !strcmp(name, Extension) && extension && !buf_len(&text))
			json_put_value(&text, extension);
	}
	if (buf_len(&text))
		exec->cluster_config = mem_dup_n(buf_data(&text), buf_len(&text));
	buf_free_wiped(&text);
	return true;
}

/* ---- the context ---- */

static bool names_certificate(const struct entry *user)
{
	const char *data, *file;
	return entry_text(user, "client-certificate-data", &data) &&
	       entry_text(user, "client-certificate", &file) && (data || file);
}

/* As helm, and for the same reason: credentials stand there, and programs to run. */
static void check_mode(const struct kubefile *file, struct kubeconfig *k)
{
	static const struct {
		unsigned bit;
		const char *what;
	} Bits[] = {{S_IWOTH, "changed by every user"}, {S_IWGRP, "changed by its group"},
		{S_IROTH, "read by every user"}, {S_IRGRP, "read by its group"}};
	struct stat st;
	size_t i = 0, n = sizeof Bits / sizeof *Bits;
	if (stat(file->path, &st))
		return;
	while (i < n && !(st.st_mode & Bits[i].bit))
		i++;
	if (i < n)
		add_text(&k->warnings, mem_print("kubeconfig %s can be %s: chmod go= it",
					       file->path, Bits[i].what));
}

/* What the context names; it may name no user. */
static bool read_context(const struct kubefiles *all, struct kubeconfig *k, struct err *e)
{
	struct entry context, cluster, user = {0};
	const char *cluster_name, *user_name;
	if (!kubefiles_find(all, "context", k->context, &context, e) ||
		!entry_copy(&context, "namespace", &k->namespace) ||
		!entry_text(&context, "cluster", &cluster_name) ||
		!entry_text(&context, "user", &user_name))
		return false;
	if (!k->namespace)
		k->namespace = mem_dup("default");
	if (!cluster_name)
		return entry_refuse(
			&context, context.map, "context '%s' names no cluster", k->context);
	if (!kubefiles_find(all, "cluster", cluster_name, &cluster, e) ||
		(user_name && !kubefiles_find(all, "user", user_name, &user, e)) ||
		!read_cluster(&cluster, names_certificate(&user), k) || !kubeuser_read(&user, k))
		return false;
	if (user.file)
		check_mode(user.file, k);
	return !k->exec || read_extension(&cluster, k->exec);
}

static bool read_files(
	const struct kubefiles *all, struct kubeconfig *k, const char *context, struct err *e)
{
	if (!context && !kubefiles_current(all, &context, e))
		return false;
	k->context = mem_dup(context);
	if (!read_context(all, k, e))
		return false;
	for (char **name = all->names; *name; name++)
		add_file(k, *name);
	add_file(k, k->ca_file);
	add_file(k, k->cert_file);
	add_file(k, k->key_file);
	return true;
}

/* ---- in a cluster ---- */

static bool read_environment(struct kubeconfig *k, struct err *e)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"),
		   *port = getenv("KUBERNETES_SERVICE_PORT");
	if (!host || !*host || !port || !*port)
		return err_set(e, ERR_LOCAL, 0,
			"in-cluster: this is not a pod: KUBERNETES_SERVICE_HOST and _PORT are not "
			"set");
	bool ip6 = strchr(host, ':');
	k->server = mem_print("https://%s%s%s:%s", ip6 ? "[" : "", host, ip6 ? "]" : "", port);
	return read_url(k->server, true, k) ||
	       err_set(e, ERR_LOCAL, 0, "in-cluster: '%s' is not the URL of a server", k->server);
}

/* As client-go, which goes on without: the system's certificates are used then. */
static void read_authorities(struct kubeconfig *k)
{
	struct buf text = {0};
	add_file(k, k->ca_file);
	if (file_read(&text, k->ca_file, PEM_MAX))
		k->ca = mem_dup_n(buf_data(&text), buf_len(&text));
	else
		add_text(&k->warnings,
			mem_print("in-cluster: cannot read %s: %s", k->ca_file, strerror(errno)));
	buf_free(&text);
}

/* The downward API's variable comes before the file, as in client-go. */
static void read_namespace(struct kubeconfig *k, const char *account)
{
	struct buf text = {0};
	const char *name = getenv("POD_NAMESPACE");
	char *path = file_path("namespace", account);
	if ((!name || !*name) && file_read(&text, path, PEM_MAX)) {
		buf_put(&text, "", 1);
		name = (const char *)buf_data(&text);
		name += strspn(name, " \t\r\n");
	}
	size_t n = name ? strcspn(name, " \t\r\n") : 0;
	k->namespace = n ? mem_dup_n(name, n) : mem_dup("default");
	buf_free(&text);
	free(path);
}

static bool is_readable(const char *path, struct err *e)
{
	return !access(path, R_OK) || err_set(e, ERR_LOCAL, errno,
					      "in-cluster: cannot read the service account's token "
					      "'%s': %s",
					      path, strerror(errno));
}

bool kubeconfig_in_cluster(struct kubeconfig *k, const char *account, struct err *e)
{
	k->context = mem_dup(KUBECONFIG_IN_CLUSTER);
	k->token_file = file_path("token", account);
	k->ca_file = file_path("ca.crt", account);
	if (!read_environment(k, e) || !is_readable(k->token_file, e)) {
		kubeconfig_free(k);
		return false;
	}
	read_authorities(k);
	read_namespace(k, account);
	return true;
}

/* ---- the door ---- */

static bool load_account(struct kubeconfig *k, const char *context, struct err *e)
{
	if (context && strcmp(context, KUBECONFIG_IN_CLUSTER) != 0)
		return err_set(
			e, ERR_NOT_FOUND, 0, "in-cluster: there is no context '%s'", context);
	return kubeconfig_in_cluster(k, KUBECONFIG_ACCOUNT, e);
}

bool kubeconfig_load(struct kubeconfig *k, const char *file, const char *context, struct err *e)
{
	struct kubefiles all = {0};
	struct err none = {0};
	if (file && !strcmp(file, KUBECONFIG_IN_CLUSTER))
		return load_account(k, context, e);
	if (!kubefiles_load(&all, file, &none))
		return (none.kind == ERR_NOT_FOUND && load_account(k, context, NULL)) ||
		       err_set(e, none.kind, none.code, "%s", none.text);
	bool ok = read_files(&all, k, context, e);
	if (!ok)
		kubeconfig_free(k);
	kubefiles_free(&all);
	return ok;
}

/* ---- values as such ---- */

/* The members that own memory: texts, lists of texts, secrets. */
#define K(member) offsetof(struct kubeconfig, member)
#define X(member) offsetof(struct kubeconfig_exec, member)
static const size_t Texts[] = {K(context), K(namespace), K(server), K(host), K(prefix),
	K(proxy_url), K(tls_name), K(ca), K(ca_file), K(cert), K(cert_file), K(key_file),
	K(token_file), K(username), K(login_hint), K(as), K(as_uid)};
static const size_t Lists[] = {K(as_groups), K(files)};
static const size_t Secrets[] = {K(key), K(token), K(password)};
static const size_t ExecTexts[] = {X(api_version), X(command), X(cluster_config), X(install_hint)};
static const size_t ExecLists[] = {X(args), X(env)};
#define COUNT(table) (sizeof(table) / sizeof *(table))

/* The pointer that is the member at `offset`. */
static void *member(const void *of, size_t offset)
{
	void *p;
	memcpy(&p, (const char *)of + offset, sizeof p);
	return p;
}

static const struct secret *secret_at(const struct kubeconfig *k, size_t i)
{
	return (const struct secret *)(const void *)((const char *)k + Secrets[i]);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_texts(const void *a, const void *b, const size_t *table, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!same_text(member(a, table[i]), member(b, table[i])))
			return false;
	return true;
}

static bool same_lists(const void *a, const void *b, const size_t *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char **x = member(a, table[i]), **y = member(b, table[i]);
		for (; x && y && *x && same_text(*x, *y); x++)
			y++;
		if (x && y ? *x != *y : x != y)
			return false;
	}
	return true;
}

static bool same_secrets(const struct kubeconfig *a, const struct kubeconfig *b)
{
	for (size_t i = 0; i < COUNT(Secrets); i++) {
		const struct secret *x = secret_at(a, i), *y = secret_at(b, i);
		if (x->n != y->n || (x->n && memcmp(x->p, y->p, x->n) != 0))
			return false;
	}
	return true;
}

static bool same_exec(const struct kubeconfig_exec *a, const struct kubeconfig_exec *b)
{
	if (!a || !b)
		return a == b;
	return a->interactive == b->interactive &&
	       a->provide_cluster_info == b->provide_cluster_info &&
	       same_texts(a, b, ExecTexts, COUNT(ExecTexts)) &&
	       same_lists(a, b, ExecLists, COUNT(ExecLists));
}

static bool same_extra(const struct kubeconfig *a, const struct kubeconfig *b)
{
	if (a->as_extra_count != b->as_extra_count)
		return false;
	for (size_t i = 0; i < a->as_extra_count; i++)
		if (strcmp(a->as_extra[i].key, b->as_extra[i].key) != 0 ||
			strcmp(a->as_extra[i].value, b->as_extra[i].value) != 0)
			return false;
	return true;
}

bool kubeconfig_same(const struct kubeconfig *a, const struct kubeconfig *b)
{
	return a->tls == b->tls && a->port == b->port && a->insecure == b->insecure &&
	       a->disable_compression == b->disable_compression &&
	       a->token_until == b->token_until && same_texts(a, b, Texts, COUNT(Texts)) &&
	       same_lists(a, b, Lists, COUNT(Lists)) && same_secrets(a, b) &&
	       same_exec(a->exec, b->exec) && same_extra(a, b);
}

/* Any of them may hold a secret: a password in a URL, a key in a plugin's environment. */
static void free_text(char *text)
{
	if (text)
		mem_wipe(text, strlen(text));
	free(text);
}

static void free_list(char **list)
{
	for (char **text = list; text && *text; text++)
		free_text(*text);
	free(list);
}

static void free_members(
	const void *of, const size_t *texts, size_t n, const size_t *lists, size_t m)
{
	for (size_t i = 0; i < n; i++)
		free_text(member(of, texts[i]));
	for (size_t i = 0; i < m; i++)
		free_list(member(of, lists[i]));
}

void kubeconfig_free(struct kubeconfig *k)
{
	free_members(k, Texts, COUNT(Texts), Lists, COUNT(Lists));
	free_list(k->warnings);
	for (size_t i = 0; i < COUNT(Secrets); i++)
		secret_free((struct secret *)(void *)((char *)k + Secrets[i]));
	if (k->exec)
		free_members(k->exec, ExecTexts, COUNT(ExecTexts), ExecLists, COUNT(ExecLists));
	free(k->exec);
	for (size_t i = 0; i < k->as_extra_count; i++) {
		free_text(k->as_extra[i].key);
		free_text(k->as_extra[i].value);
	}
	free(k->as_extra);
	*k = (struct kubeconfig){0};
}
