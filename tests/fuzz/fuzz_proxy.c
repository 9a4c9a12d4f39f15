/* A proxy's URL: what is taken has all its parts, and whatever is refused is refused in
 * words that are not its own.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct proxy_server To = {"api.corp", 6443, true};
	char *url = mem_dup_n(p, n);
	struct proxy proxy = {0};
	struct err e = {0};
	if (proxy_choose(&proxy, url, &To, &e)) {
		assert(proxy.kind && proxy.port && *proxy.host && *proxy.name);
		assert(!strpbrk(proxy.host, "@/?# \t\r\n") && !strstr(proxy.name, "@"));
		assert(!proxy.user || !strpbrk(proxy.user, "\r\n"));
		assert(proxy.user || !proxy.password.n);
		struct proxy copy = proxy_copy(&proxy);
		assert(copy.password.n == proxy.password.n && !strcmp(copy.name, proxy.name));
		proxy_free(&copy);
	} else {
		assert(e.kind == ERR_LOCAL && !memcmp(e.text, "proxy-url ", 10));
		assert(!proxy.host && !proxy.user && !proxy.password.p);
	}
	proxy_free(&proxy);
	free(url);
	return 0;
}
