/* A list and a host, with a NUL between them: "*" has every server, one list more can
 * only add to what another has, and a host is in the list that has its name.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "noproxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *list = mem_dup_n(p, n), both[512];
	size_t list_n = strlen(list);
	char *host = list_n < n ? mem_dup(list + list_n + 1) : mem_dup("");
	bool has = noproxy_has(list, host, 6443);
	snprintf(both, sizeof both, "x.test,%.200s,", list);
	if (list_n <= 200)
		assert(noproxy_has(both, host, 6443) >= has);
	assert(noproxy_has("a, * ", host, 1));
	if (*host && strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(host))
		assert(noproxy_has(host, host, 6443));
	free(list);
	free(host);
	return 0;
}
