/* The certificate check of x509.h.  Anchors and clients' own certificates are
 * pki.c's, what other errors mean is tls.c's.
 */
#include "x509.h"

#include <arpa/inet.h>
#include <string.h>
#include <time.h>

enum {
	SAN_DNS = 0x82, /* GeneralName (RFC 5280, 4.2.1.6) */
	SAN_IP = 0x87,
	SHOWN_MAX = 200, /* bytes of names in an error */
	SHOWN_NAME_MAX = 80,
	TIME_LEN = 14, /* YYYYMMDDhhmmss */
};

static const uint8_t SubjectAltName[] = {0x55, 0x1d, 0x11};
static const uint8_t ExtendedKeyUsage[] = {0x55, 0x1d, 0x25};
static const uint8_t AnyUsage[] = {0x55, 0x1d, 0x25, 0x00};
static const uint8_t ServerAuth[] = {0x2b, 6, 1, 5, 5, 7, 3, 1};

bool x509_name_set(struct x509_name *name, const char *host)
{
	size_t n = strlen(host), address = strcspn(host, "%");
	*name = (struct x509_name){0};
	if (n && host[n - 1] == '.')
		n--;
	if (!n || n > X509_HOST_MAX)
		return false;
	memcpy(name->host, host, address < n ? address : n);
	if (inet_pton(AF_INET, name->host, name->ip) == 1)
		name->ip_len = 4;
	else if (inet_pton(AF_INET6, name->host, name->ip) == 1)
		name->ip_len = 16;
	memcpy(name->host, host, n);
	return true;
}

static bool read_extensions(struct der tbs, struct der *extensions)
{
	struct der value;
	unsigned tag = 0;
	*extensions = (struct der){0};
	while (tbs.n) /* unique identifiers may stand before [3] */
		if (!der_next(&tbs, &tag, &value))
			return false;
	return tag != DER_IN_3 || der_take(&value, DER_SEQUENCE, extensions);
}

bool x509_read(struct der d, struct x509_fields *f)
{
	struct der certificate, tbs, skip, key;
	if (!der_take(&d, DER_SEQUENCE, &certificate) || d.n ||
		!der_take(&certificate, DER_SEQUENCE, &tbs))
		return false;
	f->v1 = !der_take(&tbs, DER_IN_0, &skip);
	return der_take(&tbs, DER_INTEGER, &skip) &&  /* serial number */
	       der_take(&tbs, DER_SEQUENCE, &skip) && /* signature algorithm */
	       der_take(&tbs, DER_SEQUENCE, &skip) && /* issuer */
	       der_take(&tbs, DER_SEQUENCE, &f->validity) &&
	       der_take(&tbs, DER_SEQUENCE, &skip) && /* subject */
	       der_take(&tbs, DER_SEQUENCE, &key) && der_take(&key, DER_SEQUENCE, &f->algorithm) &&
	       read_extensions(tbs, &f->extensions);
}

static bool next_extension(struct der *list, struct der *oid, struct der *value)
{
	struct der extension, critical;
	if (!der_take(list, DER_SEQUENCE, &extension) || !der_take(&extension, DER_OID, oid))
		return false;
	der_take(&extension, DER_BOOLEAN, &critical);
	return der_take(&extension, DER_OCTET_STRING, value);
}

/* What the extension holds, a SEQUENCE, in *found: NULL if there is none.  False
 * if it is there twice (4.2) or anything is malformed. */
static bool find(struct der list, const uint8_t *id, size_t id_len, struct der *found)
{
	struct der oid, value;
	*found = (struct der){0};
	while (list.n) {
		if (!next_extension(&list, &oid, &value))
			return false;
		if (der_is(oid, id, id_len) && (found->p || !der_take(&value, DER_SEQUENCE, found)))
			return false;
	}
	return true;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool same_letters(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

/* RFC 6125, 6.4: letters of either case; '*' only as the whole first label, for
 * just one label. */
static bool matches_dns(struct der pattern, const char *host)
{
	const char *p = (const char *)pattern.p;
	size_t n = pattern.n;
	if (n > 2 && p[0] == '*' && p[1] == '.') {
		const char *dot = strchr(host, '.');
		if (!dot || dot == host)
			return false;
		host = dot;
		p++;
		n--;
	}
	return n && n == strlen(host) && same_letters(p, host, n);
}

static bool matches(unsigned tag, struct der value, const struct x509_name *name)
{
	if (name->ip_len)
		return tag == SAN_IP && der_is(value, name->ip, name->ip_len);
	return tag == SAN_DNS && matches_dns(value, name->host);
}

static unsigned check_names(struct der names, const struct x509_name *name)
{
	struct der value;
	unsigned tag;
	bool match = false;
	while (names.n) {
		if (!der_next(&names, &tag, &value))
			return BR_ERR_X509_INVALID_VALUE;
		match |= matches(tag, value, name);
	}
	return match ? 0 : BR_ERR_X509_BAD_SERVER_NAME;
}

static unsigned check_usages(struct der usages)
{
	struct der oid;
	bool server = !usages.p; /* without the extension all is allowed */
	while (usages.n) {
		if (!der_take(&usages, DER_OID, &oid))
			return BR_ERR_X509_INVALID_VALUE;
		server |= der_is(oid, ServerAuth, sizeof ServerAuth) ||
			  der_is(oid, AnyUsage, sizeof AnyUsage);
	}
	return server ? 0 : BR_ERR_X509_FORBIDDEN_KEY_USAGE;
}

unsigned x509_check(struct der certificate, const struct x509_name *name)
{
	struct x509_fields f;
	struct der names, usages;
	if (!x509_read(certificate, &f) ||
		!find(f.extensions, SubjectAltName, sizeof SubjectAltName, &names) ||
		!find(f.extensions, ExtendedKeyUsage, sizeof ExtendedKeyUsage, &usages))
		return BR_ERR_X509_INVALID_VALUE;
	unsigned code = check_names(names, name);
	return code ? code : check_usages(usages);
}

/* BearSSL calls these: first the whole class for a checked chain ... */

static struct x509 *self(const br_x509_class **class)
{
	return (struct x509 *)(void *)class;
}

static void start_chain(const br_x509_class **class, const char *server_name)
{
	struct x509 *x = self(class);
	(void)server_name; /* what went into SNI; x->name is what counts */
	x->certificates = 0;
	x->too_long = false;
	buf_free(&x->leaf);
	x->minimal.vtable->start_chain(&x->minimal.vtable, NULL);
}

static void start_cert(const br_x509_class **class, uint32_t length)
{
	struct x509 *x = self(class);
	if (!x->certificates)
		x->too_long = length > X509_LEAF_MAX;
	x->minimal.vtable->start_cert(&x->minimal.vtable, length);
}

static void append(const br_x509_class **class, const unsigned char *p, size_t n)
{
	struct x509 *x = self(class);
	if (!x->certificates && !x->too_long)
		buf_put(&x->leaf, p, n);
	x->minimal.vtable->append(&x->minimal.vtable, p, n);
}

static void end_cert(const br_x509_class **class)
{
	struct x509 *x = self(class);
	x->certificates++;
	x->minimal.vtable->end_cert(&x->minimal.vtable);
}

static struct der leaf(const struct x509 *x)
{
	return (struct der){.p = buf_data(&x->leaf), .n = buf_len(&x->leaf)};
}

static unsigned end_chain(const br_x509_class **class)
{
	struct x509 *x = self(class);
	unsigned code = x->minimal.vtable->end_chain(&x->minimal.vtable);
	if (!code && x->too_long)
		code = BR_ERR_X509_LIMIT_EXCEEDED;
	return code ? code : x509_check(leaf(x), &x->name);
}

static const br_x509_pkey *get_pkey(const br_x509_class *const *class, unsigned *usages)
{
	const struct x509 *x = (const struct x509 *)(const void *)class;
	return x->minimal.vtable->get_pkey(&x->minimal.vtable, usages);
}

static const br_x509_class Checked = {
	.context_size = sizeof(struct x509),
	.start_chain = start_chain,
	.start_cert = start_cert,
	.append = append,
	.end_cert = end_cert,
	.end_chain = end_chain,
	.get_pkey = get_pkey,
};

/* ... then the same for one that is not: only the leaf is decoded. */

static void start_any_chain(const br_x509_class **class, const char *server_name)
{
	(void)server_name;
	self(class)->certificates = 0;
	br_x509_decoder_init(&self(class)->decoder, NULL, NULL);
}

static void start_any_cert(const br_x509_class **class, uint32_t length)
{
	(void)class;
	(void)length;
}

/* A decoder of BearSSL 0.6 that has failed and is given more runs wild. */
static void append_any(const br_x509_class **class, const unsigned char *p, size_t n)
{
	struct x509 *x = self(class);
	if (!x->certificates && !x->decoder.err)
		br_x509_decoder_push(&x->decoder, p, n);
}

static void end_any_cert(const br_x509_class **class)
{
	self(class)->certificates++;
}

static unsigned end_any_chain(const br_x509_class **class)
{
	return (unsigned)br_x509_decoder_last_error(&self(class)->decoder);
}

static const br_x509_pkey *get_any_pkey(const br_x509_class *const *class, unsigned *usages)
{
	const struct x509 *x = (const struct x509 *)(const void *)class;
	if (usages)
		*usages = BR_KEYTYPE_KEYX | BR_KEYTYPE_SIGN;
	return x->decoder.decoded && !x->decoder.err ? &x->decoder.pkey : NULL;
}

static const br_x509_class Unchecked = {
	.context_size = sizeof(struct x509),
	.start_chain = start_any_chain,
	.start_cert = start_any_cert,
	.append = append_any,
	.end_cert = end_any_cert,
	.end_chain = end_any_chain,
	.get_pkey = get_any_pkey,
};

void x509_init(struct x509 *x, const struct x509_name *name, const br_x509_trust_anchor *anchors,
	size_t count)
{
	br_x509_minimal_context *m = &x->minimal;
	*x = (struct x509){.vtable = &Checked, .name = *name};
	br_x509_minimal_init(m, &br_sha256_vtable, anchors, count);
	br_x509_minimal_set_rsa(m, br_rsa_pkcs1_vrfy_get_default());
	br_x509_minimal_set_ecdsa(m, br_ec_get_default(), br_ecdsa_vrfy_asn1_get_default());
	br_x509_minimal_set_hash(m, br_sha256_ID, &br_sha256_vtable);
	br_x509_minimal_set_hash(m, br_sha384_ID, &br_sha384_vtable);
	br_x509_minimal_set_hash(m, br_sha512_ID, &br_sha512_vtable);
	br_x509_minimal_set_minrsa(m, X509_RSA_BYTES_MIN);
}

void x509_init_insecure(struct x509 *x)
{
	*x = (struct x509){.vtable = &Unchecked};
}

void x509_free(struct x509 *x)
{
	buf_free(&x->leaf);
}

static void show_name(struct buf *out, unsigned tag, struct der value)
{
	char ip[INET6_ADDRSTRLEN] = "?";
	int n = value.n < SHOWN_NAME_MAX ? (int)value.n : SHOWN_NAME_MAX;
	const char *comma = buf_len(out) ? ", " : "";
	if (buf_len(out) > SHOWN_MAX)
		return;
	if (tag == SAN_DNS)
		buf_print(out, "%s'%.*s'", comma, n, (const char *)value.p);
	else if (tag == SAN_IP && (value.n == 4 || value.n == 16))
		buf_print(out, "%s'%s'", comma,
			inet_ntop(value.n == 4 ? AF_INET : AF_INET6, value.p, ip, sizeof ip));
}

static void explain_name(struct der certificate, const char *host, struct err *e)
{
	struct x509_fields f;
	struct der names, value;
	struct buf shown = {0};
	unsigned tag;
	if (x509_read(certificate, &f) &&
		find(f.extensions, SubjectAltName, sizeof SubjectAltName, &names))
		while (der_next(&names, &tag, &value))
			show_name(&shown, tag, value);
	if (buf_len(&shown))
		err_set(e, ERR_TLS, BR_ERR_X509_BAD_SERVER_NAME,
			"certificate is for %.*s%s, not for '%s'; tls-server-name can choose the "
			"name",
			(int)buf_len(&shown), (const char *)buf_data(&shown),
			buf_len(&shown) > SHOWN_MAX ? ", ..." : "", host);
	else
		err_set(e, ERR_TLS, BR_ERR_X509_BAD_SERVER_NAME,
			"certificate is for no host (a subject's common name does not count), not "
			"for '%s'",
			host);
	buf_free(&shown);
}

/* A time as "YYYYMMDDhhmmss" (4.1.2.5): two such compare as text. */
static bool read_time(struct der *times, char out[TIME_LEN + 1])
{
	struct der value;
	unsigned tag;
	if (!der_next(times, &tag, &value))
		return false;
	size_t century = tag == DER_UTC_TIME ? 2 : 0;
	if (value.n != TIME_LEN + 1 - century)
		return false;
	if (century)
		memcpy(out, value.p[0] < '5' ? "20" : "19", 2);
	memcpy(out + century, value.p, TIME_LEN - century);
	out[TIME_LEN] = '\0';
	return strspn(out, "0123456789") == TIME_LEN;
}

static void explain_dates(struct der certificate, struct err *e)
{
	char from[TIME_LEN + 1], to[TIME_LEN + 1], now[TIME_LEN + 1];
	struct x509_fields f;
	struct tm tm;
	strftime(now, sizeof now, "%Y%m%d%H%M%S", gmtime_r(&(time_t){time(NULL)}, &tm));
	if (!x509_read(certificate, &f) || !read_time(&f.validity, from) ||
		!read_time(&f.validity, to) || (strcmp(from, now) <= 0 && strcmp(now, to) <= 0))
		err_set(e, ERR_TLS, BR_ERR_X509_EXPIRED,
			"certificate's issuer is out of date: its own certificate has expired, or "
			"is not valid yet");
	else if (strcmp(to, now) < 0)
		err_set(e, ERR_TLS, BR_ERR_X509_EXPIRED,
			"certificate expired on %.4s-%.2s-%.2s: renew it (or is the clock here "
			"wrong?)",
			to, to + 4, to + 6);
	else
		err_set(e, ERR_TLS, BR_ERR_X509_EXPIRED,
			"certificate is not valid before %.4s-%.2s-%.2s: is the clock here wrong?",
			from, from + 4, from + 6);
}

bool x509_explain(const struct x509 *x, int code, struct err *e)
{
	if (x->vtable != &Checked)
		return false;
	if (code == BR_ERR_X509_BAD_SERVER_NAME)
		explain_name(leaf(x), x->name.host, e);
	else if (code == BR_ERR_X509_EXPIRED)
		explain_dates(leaf(x), e);
	else if (code == BR_ERR_X509_FORBIDDEN_KEY_USAGE &&
		 x509_check(leaf(x), &x->name) == BR_ERR_X509_FORBIDDEN_KEY_USAGE)
		err_set(e, ERR_TLS, code,
			"certificate is not for servers: its extendedKeyUsage lacks serverAuth");
	else
		return false;
	return true;
}
