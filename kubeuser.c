/* Of several credentials client-go sends some together (a certificate beside a token),
 * passes over some (a plugin beside any other), and refuses some (two for one header). */
#include "kubeuser.h"

#include <stdlib.h>
#include <string.h>

#include "base64.h"
#include "buf.h"
#include "json.h"

#define GROUP "client.authentication.k8s.io/"

/* ---- credential plugins ---- */

static bool read_version(const struct entry *exec, struct kubeconfig_exec *x)
{
	if (!entry_copy(exec, "apiVersion", &x->api_version))
		return false;
	const char *version = x->api_version;
	if (!version)
		return entry_refuse(exec, exec->map, "exec needs an apiVersion: " GROUP "v1");
	if (!strcmp(version, GROUP "v1alpha1"))
		return entry_refuse(exec, value_get(exec->map, "apiVersion"),
			"exec's apiVersion " GROUP "v1alpha1 is gone since Kubernetes 1.24: update "
			"the plugin, and let it write the kubeconfig again");
	return !strcmp(version, GROUP "v1") || !strcmp(version, GROUP "v1beta1") ||
	       entry_refuse(exec, value_get(exec->map, "apiVersion"),
		       "exec's apiVersion must be " GROUP "v1 or v1beta1, not '%s'", version);
}

/* A name is looked up in PATH; a path is one of the kubeconfig's. */
static bool read_command(const struct entry *exec, struct kubeconfig_exec *x)
{
	const char *command;
	if (!entry_text(exec, "command", &command))
		return false;
	if (!command)
		return entry_refuse(exec, exec->map, "exec needs a command");
	return strchr(command, '/') ? entry_path(exec, "command", &x->command)
				    : entry_copy(exec, "command", &x->command);
}

static bool read_interactive(const struct entry *exec, struct kubeconfig_exec *x)
{
	static const char *const Modes[] = {[KUBECONFIG_NEVER] = "Never",
		[KUBECONFIG_IF_AVAILABLE] = "IfAvailable",
		[KUBECONFIG_ALWAYS] = "Always"};
	const char *mode;
	if (!entry_text(exec, "interactiveMode", &mode))
		return false;
	if (!mode && !strcmp(x->api_version, GROUP "v1"))
		return entry_refuse(exec, exec->map,
			"exec needs an interactiveMode: Never, IfAvailable or Always");
	if (!mode)
		mode = Modes[KUBECONFIG_IF_AVAILABLE];
	for (size_t i = 0; i < sizeof Modes / sizeof *Modes; i++)
		if (!strcmp(mode, Modes[i])) {
			x->interactive = (enum kubeconfig_interactive)i;
			return true;
		}
	return entry_refuse(exec, value_get(exec->map, "interactiveMode"),
		"interactiveMode must be Never, IfAvailable or Always, not '%s'", mode);
}

static bool read_variable(const struct entry *m, char **to)
{
	const char *name, *value;
	if (!entry_text(m, "name", &name) || !entry_text(m, "value", &value))
		return false;
	if (!name)
		return entry_refuse(m, m->map, "a variable in exec's env needs a name");
	*to = mem_print("%s=%s", name, value ? value : "");
	return true;
}

static bool read_env(const struct entry *exec, struct kubeconfig_exec *x)
{
	const struct value *list;
	size_t n = 0;
	if (!entry_list(exec, "env", &list))
		return false;
	for (const struct value *v = value_first(list); v; v = value_next(list, v)) {
		struct entry one = {exec->file, v, exec->e};
		x->env = mem_grow(x->env, (n + 2) * sizeof *x->env);
		x->env[n] = x->env[n + 1] = NULL;
		if (!read_variable(&one, &x->env[n++]))
			return false;
	}
	return true;
}

static bool read_exec(const struct entry *user, struct kubeconfig *k)
{
	struct entry exec, provider;
	if (!entry_map(user, "exec", &exec) || !entry_map(user, "auth-provider", &provider))
		return false;
	if (!exec.map)
		return true;
	if (provider.map)
		return entry_refuse(user, exec.map, "exec and auth-provider exclude each other");
	struct kubeconfig_exec *x = k->exec = mem_new(sizeof *x);
	return read_version(&exec, x) && read_command(&exec, x) && read_interactive(&exec, x) &&
	       entry_texts(&exec, "args", &x->args) && read_env(&exec, x) &&
	       entry_bool(&exec, "provideClusterInfo", &x->provide_cluster_info) &&
	       entry_copy(&exec, "installHint", &x->install_hint);
}

/* ---- auth providers, which client-go had before there were plugins ---- */

/* The second part of a JWT: Base64 for URLs, without padding. */
static bool decode_part(struct buf *out, const char *p, size_t n)
{
	size_t padded = (n + 3) / 4 * 4, len;
	char *text = mem_new(padded + 1);
	for (size_t i = 0; i < padded; i++) {
		char c = i < n ? p[i] : '=';
		text[i] = c == '-' ? '+' : c == '_' ? '/' : c;
	}
	bool ok = strcspn(p, "+/=\r\n") >= n &&
		  base64_decode(buf_room(out, padded), &len, text, padded);
	if (ok)
		buf_push(out, len);
	mem_wipe(text, padded);
	free(text);
	return ok;
}

/* When a JWT expires, in s since 1970.  Go takes 1.7e9, too. */
static bool read_expiry(const char *token, int64_t *until)
{
	struct buf claims = {0};
	struct document doc = {0};
	const char *begin = strchr(token, '.'), *end = begin ? strchr(begin + 1, '.') : NULL;
	bool ok = end && !strchr(end + 1, '.') &&
		  decode_part(&claims, begin + 1, (size_t)(end - begin - 1)) &&
		  json_parse(&doc, (const char *)buf_data(&claims), buf_len(&claims), NULL);
	const struct value *exp = ok ? value_get(doc.root, "exp") : NULL;
	if (exp && exp->type == VALUE_NUMBER && !value_int(exp, until)) {
		double s = strtod(exp->text, NULL);
		*until = s > 0 && s < 1e15 ? (int64_t)s : 0;
	}
	document_free(&doc);
	buf_free_wiped(&claims);
	return *until > 0;
}

/* client-go would renew the token by itself.  We leave that to kubectl, which writes the
 * new one to the kubeconfig. */
static bool read_oidc(const struct entry *provider, struct kubeconfig *k)
{
	struct entry settings;
	const char *token, *renewal;
	if (!entry_map(provider, "config", &settings) ||
		!entry_text(&settings, "id-token", &token) ||
		!entry_text(&settings, "refresh-token", &renewal))
		return false;
	const char *remedy = renewal ? "any kubectl command renews it"
				     : "log in again, or use the exec plugin kubelogin";
	if (k->token.n || k->username)
		return true;
	if (!token)
		return entry_refuse(
			provider, provider->map, "auth-provider oidc has no id-token: %s", remedy);
	if (!read_expiry(token, &k->token_until))
		return entry_refuse(&settings, value_get(settings.map, "id-token"),
			"the id-token of auth-provider oidc is not a JWT that expires");
	secret_set(&k->token, token, strlen(token));
	k->login_hint = mem_print("the id-token of auth-provider oidc has expired: %s", remedy);
	return true;
}

static bool read_provider(const struct entry *user, struct kubeconfig *k)
{
	static const struct {
		const char *name, *remedy;
	} Gone[] = {
		{"gcp", "install gke-gcloud-auth-plugin, then run 'gcloud container clusters "
			"get-credentials CLUSTER'"},
		{"azure", "install kubelogin, then run 'kubelogin convert-kubeconfig'"},
	};
	struct entry provider;
	const char *name;
	if (!entry_map(user, "auth-provider", &provider) || !entry_text(&provider, "name", &name))
		return false;
	if (!provider.map)
		return true;
	if (name && !strcmp(name, "oidc"))
		return read_oidc(&provider, k);
	for (size_t i = 0; name && i < sizeof Gone / sizeof *Gone; i++)
		if (!strcmp(name, Gone[i].name))
			return entry_refuse(user, provider.map,
				"auth-provider %s is gone since Kubernetes 1.26: %s", name,
				Gone[i].remedy);
	return entry_refuse(user, provider.map,
		"there is no auth-provider '%s': use an exec plugin", name ? name : "");
}

/* ---- what stands there by itself ---- */

/* A key without a certificate is of no use, and client-go does not look at it. */
static bool read_certificate(const struct entry *user, struct kubeconfig *k)
{
	struct secret cert = {0};
	bool ok = entry_pem(user, "client-certificate", &cert, &k->cert_file);
	k->cert = cert.p;
	if (!ok || !k->cert)
		return ok;
	return entry_pem(user, "client-key", &k->key, &k->key_file) &&
	       (k->key.n || entry_refuse(user, user->map, "client-certificate needs a client-key"));
}

static bool read_token(const struct entry *user, struct kubeconfig *k)
{
	if (!entry_secret(user, "token", &k->token) ||
		!entry_path(user, "tokenFile", &k->token_file) ||
		!entry_copy(user, "username", &k->username) ||
		!entry_secret(user, "password", &k->password))
		return false;
	return (!k->token.n && !k->token_file) || (!k->username && !k->password.n) ||
	       entry_refuse(user, user->map, "a token and a user name exclude each other");
}

/* ---- whom to act as ---- */

static bool read_extra(const struct entry *user, struct kubeconfig *k)
{
	struct entry extra;
	if (!entry_map(user, "as-user-extra", &extra))
		return false;
	for (const struct value *v = value_first(extra.map); v; v = value_next(extra.map, v)) {
		char **values;
		bool ok = entry_texts(&extra, v->text, &values);
		for (char **value = values; value && *value; value++) {
			size_t n = k->as_extra_count++;
			k->as_extra = mem_grow(k->as_extra, (n + 1) * sizeof *k->as_extra);
			k->as_extra[n] = (struct kubeconfig_extra){mem_dup(v->text), *value};
		}
		free(values);
		if (!ok)
			return false;
	}
	return true;
}

static bool read_as(const struct entry *user, struct kubeconfig *k)
{
	if (!entry_copy(user, "as", &k->as) || !entry_copy(user, "as-uid", &k->as_uid) ||
		!entry_texts(user, "as-groups", &k->as_groups) || !read_extra(user, k))
		return false;
	return k->as || (!k->as_uid && !k->as_groups && !k->as_extra) ||
	       entry_refuse(user, user->map, "as-uid, as-groups and as-user-extra need an 'as'");
}

/* ---- the user ---- */

bool kubeuser_read(const struct entry *user, struct kubeconfig *k)
{
	struct kubeconfig aside = {0}, *to = k->tls ? k : &aside;
	bool ok = read_certificate(user, to) && read_token(user, to) && read_exec(user, to) &&
		  read_provider(user, to) && read_as(user, k);
	if (to->cert || to->token.n || to->token_file || to->username) {
		struct kubeconfig_exec *exec = to->exec;
		to->exec = NULL;
		aside.exec = exec;
	}
	kubeconfig_free(&aside);
	return ok;
}
