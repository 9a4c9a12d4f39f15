/* A proxy's answer: any part of it is answered as the whole is, or wants more.  The
 * first byte picks the part.
 */
#include <assert.h>

#include "connect.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct connect_spec Spec = {"a.test", 6443, NULL, NULL};
	struct err e = {0}, early = {0};
	if (n < 1)
		return 0;
	size_t cut = --n * (*p++ % 18) / 18;
	ptrdiff_t used = connect_read(&Spec, p, n, &e), part = connect_read(&Spec, p, cut, &early);
	assert(used <= (ptrdiff_t)n && (part == 0 || part == used));
	assert((used < 0) == (e.kind != ERR_NONE) && (part < 0) == (early.kind != ERR_NONE));
	return 0;
}
