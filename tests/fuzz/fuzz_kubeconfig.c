/* One or two files (a NUL between them), merged, are a context that keeps client-go's
 * rules, and the same when they are read again; or they are refused in words. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kubeconfig.h"

static int put_file(const uint8_t *p, size_t n)
{
	int fd = memfd_create("kubeconfig", MFD_CLOEXEC);
	assert(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	return fd;
}

static void check_exec(const struct kubeconfig *k)
{
	const struct kubeconfig_exec *x = k->exec;
	assert(!k->token.n && !k->token_file && !k->username && !k->cert);
	assert(x->api_version && *x->command && (!strchr(x->command, '/') || *x->command == '/'));
	for (char **variable = x->env; variable && *variable; variable++)
		assert(strchr(*variable, '='));
}

static void check_whole(const struct kubeconfig *k)
{
	assert(*k->context && *k->namespace && *k->server && *k->host && k->port);
	assert(!*k->prefix || *k->prefix == '/');
	assert(!k->ca || !k->insecure);
	assert(!k->cert == !k->key.n && (k->cert || (!k->cert_file && !k->key_file)));
	assert(!k->username || (!k->token.n && !k->token_file));
	assert(k->tls || (!k->token.n && !k->token_file && !k->username && !k->exec && !k->cert));
	assert(k->as || (!k->as_uid && !k->as_groups && !k->as_extra));
	assert(!k->token_file || *k->token_file == '/');
	assert(!k->token_until == !k->login_hint && k->token_until >= 0);
	if (k->exec)
		check_exec(k);
}

static void load(void)
{
	static const struct kubeconfig None;
	struct kubeconfig k = {0}, again = {0};
	struct err e = {0};
	if (kubeconfig_load(&k, NULL, NULL, &e)) {
		check_whole(&k);
		assert(!e.kind && kubeconfig_load(&again, NULL, NULL, NULL));
		assert(kubeconfig_same(&k, &again));
		kubeconfig_free(&again);
		kubeconfig_free(&k);
	} else {
		assert(e.kind && *e.text);
	}
	assert(!memcmp(&k, &None, sizeof k));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const uint8_t *nul = n ? memchr(p, 0, n) : NULL;
	size_t first = nul ? (size_t)(nul - p) : n;
	char list[64];
	int a = put_file(p, first), b = put_file(nul ? nul + 1 : p, nul ? n - first - 1 : 0);
	snprintf(list, sizeof list, "/proc/self/fd/%d:/proc/self/fd/%d", a, b);
	setenv("KUBECONFIG", list, 1);
	unsetenv("KUBERNETES_SERVICE_HOST");
	load();
	close(a);
	close(b);
	return 0;
}
