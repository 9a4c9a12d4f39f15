/* A reader for each of the three messages that a proxy sends. */
#include "socks.h"

#include <arpa/inet.h>
#include <string.h>

enum {
	VERSION = 5,
	LOGIN_VERSION = 1,
	NO_LOGIN = 0,
	BY_PASSWORD = 2,
	NONE_WILL_DO = 255,
	CONNECT = 1,
	IPV4 = 1,
	NAME = 3,
	IPV6 = 4,
	FIELD_MAX = 255, /* bytes of a name, user or password */
};

static const struct {
	enum err_kind kind;
	const char *words;
} Replies[] = {
	[1] = {ERR_NETWORK, "general failure"},
	[2] = {ERR_LOCAL, "the proxy's rules do not allow it"},
	[3] = {ERR_NETWORK, "network unreachable"},
	[4] = {ERR_NETWORK, "host unreachable"},
	[5] = {ERR_REFUSED, "connection refused"},
	[6] = {ERR_NETWORK, "it is too far away (TTL expired)"},
	[7] = {ERR_LOCAL, "the proxy does not connect (command not supported)"},
	[8] = {ERR_LOCAL, "the proxy does not know this kind of address"},
};

static void put_byte(struct buf *out, unsigned byte)
{
	buf_put(out, &(uint8_t){(uint8_t)byte}, 1);
}

static void put_field(struct buf *out, const void *p, size_t n)
{
	put_byte(out, (unsigned)n);
	buf_put(out, p, n);
}

bool socks_begin(struct socks *s, const struct socks_spec *spec, struct buf *out, struct err *e)
{
	size_t user = spec->user ? strlen(spec->user) : 1;
	if (strlen(spec->host) > FIELD_MAX)
		return err_set(e, ERR_LOCAL, 0, "the server's name is too long for SOCKS");
	if (!user || user > FIELD_MAX || (spec->user && spec->password->n > FIELD_MAX))
		return err_set(e, ERR_LOCAL, 0,
			"for SOCKS, a user has 1 to 255 bytes, and a password up to 255");
	*s = (struct socks){.spec = spec};
	if (spec->user)
		buf_put(out, (uint8_t[]){VERSION, 2, NO_LOGIN, BY_PASSWORD}, 4);
	else
		buf_put(out, (uint8_t[]){VERSION, 1, NO_LOGIN}, 3);
	return true;
}

static void put_request(const struct socks_spec *spec, struct buf *out)
{
	uint8_t address[16];
	buf_put(out, (uint8_t[]){VERSION, CONNECT, 0}, 3);
	if (inet_pton(AF_INET, spec->host, address) == 1) {
		put_byte(out, IPV4);
		buf_put(out, address, 4);
	} else if (inet_pton(AF_INET6, spec->host, address) == 1) {
		put_byte(out, IPV6);
		buf_put(out, address, 16);
	} else {
		put_byte(out, NAME);
		put_field(out, spec->host, strlen(spec->host));
	}
	buf_put(out, (uint8_t[]){(uint8_t)(spec->port >> 8), (uint8_t)spec->port}, 2);
}

static void put_login(const struct socks_spec *spec, struct buf *out)
{
	put_byte(out, LOGIN_VERSION);
	put_field(out, spec->user, strlen(spec->user));
	put_field(out, spec->password->p, spec->password->n);
}

static bool refuse_user(const struct socks *s, struct err *e)
{
	return err_set(e, ERR_LOCAL, 0,
		s->spec->user ? "refuses the user and password" : "wants a user and password");
}

static bool read_method(struct socks *s, unsigned method, struct buf *out, struct err *e)
{
	if (method == NO_LOGIN) {
		put_request(s->spec, out);
		s->awaits = SOCKS_REPLY;
	} else if (method == BY_PASSWORD && s->spec->user) {
		put_login(s->spec, out);
		s->awaits = SOCKS_LOGIN;
	} else if (method == NONE_WILL_DO) {
		return refuse_user(s, e);
	} else {
		return err_set(e, ERR_LOCAL, 0, "chose a login that was not offered");
	}
	return true;
}

static bool read_login(struct socks *s, unsigned status, struct buf *out, struct err *e)
{
	if (status)
		return refuse_user(s, e);
	put_request(s->spec, out);
	s->awaits = SOCKS_REPLY;
	return true;
}

/* Behind version and reply: a zero, and an address of no use to us. */
static ptrdiff_t read_reply(struct socks *s, const uint8_t *p, size_t n, struct err *e)
{
	const struct socks_spec *to = s->spec;
	if (p[1]) {
		bool known = p[1] < sizeof Replies / sizeof *Replies;
		err_set(e, known ? Replies[p[1]].kind : ERR_NETWORK, 0,
			strchr(to->host, ':') ? "cannot reach [%s]:%u: %s"
					      : "cannot reach %s:%u: %s",
			to->host, to->port, known ? Replies[p[1]].words : "it does not say why");
		return -1;
	}
	if (n < 5)
		return 0;
	size_t address = p[3] == IPV4 ? 4 : p[3] == IPV6 ? 16 : p[3] == NAME ? 1u + p[4] : 0;
	if (!address) {
		err_set(e, ERR_LOCAL, 0, "does not keep to SOCKS5");
		return -1;
	}
	if (n < 4 + address + 2)
		return 0;
	s->awaits = SOCKS_DONE;
	return (ptrdiff_t)(4 + address + 2);
}

ptrdiff_t socks_read(struct socks *s, const uint8_t *p, size_t n, struct buf *out, struct err *e)
{
	if (n && *p != (s->awaits == SOCKS_LOGIN ? LOGIN_VERSION : VERSION)) {
		err_set(e, ERR_LOCAL, 0,
			*p == 'H' ? "speaks HTTP, not SOCKS5" : "does not speak SOCKS5");
		return -1;
	}
	if (n < 2)
		return 0;
	if (s->awaits == SOCKS_REPLY)
		return read_reply(s, p, n, e);
	bool good = (s->awaits == SOCKS_LOGIN ? read_login : read_method)(s, p[1], out, e);
	return good ? 2 : -1;
}
