/* What a proxy says, in two cuts: both must lead to the same answers and the same end.
 * The first byte picks the cut, and whether there is a user.
 */
#include <assert.h>
#include <string.h>

#include "socks.h"

struct end {
	size_t used;
	int awaits;
	bool failed;
};

static struct end talk(
	const struct socks_spec *spec, const uint8_t *p, size_t n, size_t step, struct buf *out)
{
	struct socks s;
	struct err e = {0};
	struct end end = {0};
	assert(socks_begin(&s, spec, out, &e));
	for (size_t have = 0; s.awaits != SOCKS_DONE && end.used + have < n;) {
		have = have + step < n - end.used ? have + step : n - end.used;
		ptrdiff_t used = 1;
		while (s.awaits != SOCKS_DONE && used > 0) {
			used = socks_read(&s, p + end.used, have, out, &e);
			assert(used <= (ptrdiff_t)have && (used < 0) == (e.kind != ERR_NONE));
			end.failed = used < 0;
			end.used += used > 0 ? (size_t)used : 0;
			have -= used > 0 ? (size_t)used : 0;
		}
		if (end.failed)
			break;
	}
	end.awaits = (int)s.awaits;
	return end;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct secret Password = {.p = "secret", .n = 6};
	struct socks_spec spec = {"a.test", 6443, NULL, &Password};
	struct buf a = {0}, b = {0};
	if (n < 1)
		return 0;
	spec.user = *p & 1 ? "me" : NULL;
	size_t step = 1 + (*p >> 1) % 7;
	struct end whole = talk(&spec, p + 1, n - 1, n, &a),
		   cut = talk(&spec, p + 1, n - 1, step, &b);
	assert(whole.used == cut.used && whole.awaits == cut.awaits && whole.failed == cut.failed);
	assert(buf_len(&a) == buf_len(&b) && !memcmp(buf_data(&a), buf_data(&b), buf_len(&a)));
	buf_free(&a);
	buf_free(&b);
	return 0;
}
