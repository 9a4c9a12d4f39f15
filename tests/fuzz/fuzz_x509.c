/* Any bytes as a server's certificate: the leaf's check by itself, for names of
 * every kind, and the whole engine in two cuts, which must say the same.
 */
#include <assert.h>

#include "x509.h"

static unsigned push(struct x509 *x, const uint8_t *p, size_t n, size_t step)
{
	x->vtable->start_chain(&x->vtable, NULL);
	x->vtable->start_cert(&x->vtable, (uint32_t)n);
	for (size_t at = 0; at < n; at += step)
		x->vtable->append(&x->vtable, p + at, step < n - at ? step : n - at);
	x->vtable->end_cert(&x->vtable);
	return x->vtable->end_chain(&x->vtable);
}

static void compare(struct x509 *x, const uint8_t *p, size_t n)
{
	struct err e = {0};
	unsigned whole = push(x, p, n, n), cut = push(x, p, n, 7);
	assert(whole == cut);
	assert(!whole == !!x->vtable->get_pkey(&x->vtable, NULL) ||
		whole == BR_ERR_X509_NOT_TRUSTED);
	assert(x509_explain(x, (int)whole, &e) == (e.kind == ERR_TLS));
	x509_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const Hosts[] = {
		"api.example.com", "a.wild.example.com", "10.0.0.1", "::1"};
	struct x509_name name;
	struct x509 x;
	for (size_t i = 0; i < sizeof Hosts / sizeof *Hosts; i++) {
		struct err e = {0};
		assert(x509_name_set(&name, Hosts[i]));
		x509_init(&x, &name, NULL, 0);
		buf_put(&x.leaf, p, n);
		unsigned code = x509_check((struct der){.p = p, .n = n}, &name);
		assert(code != BR_ERR_X509_BAD_SERVER_NAME || x509_explain(&x, (int)code, &e));
		x509_explain(&x, BR_ERR_X509_EXPIRED, &e);
		x509_free(&x);
	}
	x509_init(&x, &name, NULL, 0);
	compare(&x, p, n);
	x509_init_insecure(&x);
	compare(&x, p, n);
	return 0;
}
