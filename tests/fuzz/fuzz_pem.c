/* Any text as PEM: every block, all of them as anchors, and the first ones as a
 * client's certificate and key.  What cannot be used has to say why.
 */
#include <assert.h>

#include "pem.h"
#include "tls.h"

static void read_blocks(const char *p, size_t n)
{
	struct span text = {.p = p, .n = n};
	struct pem_block block;
	enum pem_result result;
	do {
		struct err e = {0};
		size_t before = text.n;
		result = pem_next(&text, &block, &e);
		assert(result == PEM_END ? !text.n : text.n < before);
		assert((result == PEM_BAD) == (e.kind == ERR_TLS));
		pem_free(&block);
	} while (result != PEM_END);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	const char *text = (const char *)p;
	struct err e = {0};
	read_blocks(text, n);
	struct tls_anchors *a = tls_anchors_parse(text, n, &e);
	assert(!a == !!e.kind);
	tls_anchors_free(a);
	e = (struct err){0};
	struct tls_identity *id = tls_identity_parse(text, n, text, n, &e);
	assert(!id == !!e.kind);
	tls_identity_free(id);
	return 0;
}
