/* For test_kubectl_agrees.py: "dump FILE CONTEXT" writes what kubeconfig.c makes of them
 * ("" for either: the default) as a line of JSON; or the words of a refusal to stderr, and
 * ends with status 1. */
#include <stdio.h>

#include "buf.h"
#include "json.h"
#include "kubeconfig.h"

static void put_text(struct buf *out, const char *key, const char *text)
{
	buf_print(out, "\"%s\":", key);
	if (text)
		json_put_string(out, text);
	else
		buf_print(out, "null");
	buf_print(out, ",");
}

static void put_list(struct buf *out, const char *key, char **list)
{
	buf_print(out, "\"%s\":[", key);
	for (char **text = list; text && *text; text++) {
		buf_put(out, ",", text != list);
		json_put_string(out, *text);
	}
	buf_print(out, "],");
}

static void put_extra(struct buf *out, const struct kubeconfig *k)
{
	buf_print(out, "\"as-user-extra\":[");
	for (size_t i = 0; i < k->as_extra_count; i++) {
		buf_print(out, "%s[", i ? "," : "");
		json_put_string(out, k->as_extra[i].key);
		buf_print(out, ",");
		json_put_string(out, k->as_extra[i].value);
		buf_print(out, "]");
	}
	buf_print(out, "],");
}

static void put_exec(struct buf *out, const struct kubeconfig_exec *exec)
{
	static const char *const Modes[] = {"Never", "IfAvailable", "Always"};
	put_text(out, "apiVersion", exec->api_version);
	put_text(out, "command", exec->command);
	put_text(out, "installHint", exec->install_hint);
	put_text(out, "interactiveMode", Modes[exec->interactive]);
	put_text(out, "extension", exec->cluster_config);
	put_list(out, "args", exec->args);
	put_list(out, "env", exec->env);
	buf_print(out, "\"provideClusterInfo\":%d,", exec->provide_cluster_info);
}

static void put_kubeconfig(struct buf *out, const struct kubeconfig *k)
{
	buf_print(out, "{");
	put_text(out, "context", k->context);
	put_text(out, "namespace", k->namespace);
	put_text(out, "server", k->server);
	put_text(out, "proxy-url", k->proxy_url);
	put_text(out, "tls-server-name", k->tls_name);
	put_text(out, "certificate-authority", k->ca);
	put_text(out, "client-certificate", k->cert);
	put_text(out, "client-key", k->key.p);
	put_text(out, "token", k->token.p);
	put_text(out, "tokenFile", k->token_file);
	put_text(out, "username", k->username);
	put_text(out, "password", k->password.p);
	put_text(out, "as", k->as);
	put_text(out, "as-uid", k->as_uid);
	put_list(out, "as-groups", k->as_groups);
	put_extra(out, k);
	if (k->exec)
		put_exec(out, k->exec);
	buf_print(out, "\"insecure-skip-tls-verify\":%d}\n", k->insecure);
}

int main(int argc, char **argv)
{
	struct kubeconfig k = {0};
	struct err e = {0};
	struct buf out = {0};
	if (argc != 3)
		return 2;
	const char *file = *argv[1] ? argv[1] : NULL, *context = *argv[2] ? argv[2] : NULL;
	if (!kubeconfig_load(&k, file, context, &e)) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	put_kubeconfig(&out, &k);
	fwrite(buf_data(&out), 1, buf_len(&out), stdout);
	buf_free(&out);
	kubeconfig_free(&k);
	return 0;
}
