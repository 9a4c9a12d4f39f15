/* URLs by hand: what is refused of one must not be repeated in words. */
#include "proxy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "buf.h"
#include "noproxy.h"
#include "words.h"

static const struct scheme {
	const char *name;
	enum proxy_kind kind;
	uint16_t port;
} Schemes[] = {
	{"http", PROXY_HTTP, 80},
	{"https", PROXY_HTTPS, 443},
	{"socks5", PROXY_SOCKS5, 1080},
	{"socks5h", PROXY_SOCKS5, 1080},
};

void proxy_free(struct proxy *p)
{
	free(p->name);
	free(p->host);
	free(p->user);
	secret_free(&p->password);
	words_free(p->argv);
	*p = (struct proxy){0};
}

static char *text_copy(const char *text)
{
	return text ? mem_dup(text) : NULL;
}

struct proxy proxy_copy(const struct proxy *p)
{
	struct proxy copy = {.kind = p->kind,
		.name = text_copy(p->name),
		.host = text_copy(p->host),
		.port = p->port,
		.user = text_copy(p->user)};
	size_t n = 0;
	secret_set(&copy.password, p->password.p, p->password.n);
	while (p->argv && p->argv[n])
		n++;
	copy.argv = p->argv ? mem_new((n + 1) * sizeof *copy.argv) : NULL;
	for (size_t i = 0; i < n; i++)
		copy.argv[i] = mem_dup(p->argv[i]);
	return copy;
}

static char *text_of(struct buf *b)
{
	char *text = mem_dup_n(buf_data(b), buf_len(b));
	buf_free_wiped(b);
	return text;
}

/* ---- URLs ---- */

static int digit_of(char c)
{
	static const char Digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *at = c ? strchr(Digits, c) : NULL;
	return at ? (int)((at - Digits) % 16) : -1;
}

/* Nothing that can end a line or a text: both go into lines. */
static bool decode(struct buf *to, struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = (uint8_t)s.p[i];
		if (c == '%') {
			int high = i + 2 < s.n ? digit_of(s.p[i + 1]) : -1;
			int low = i + 2 < s.n ? digit_of(s.p[i + 2]) : -1;
			if (high < 0 || low < 0)
				return false;
			c = (uint8_t)(high << 4 | low);
			i += 2;
		}
		if (c < ' ' || c == 0x7f)
			return false;
		buf_put(to, &c, 1);
	}
	return true;
}

/* "user:password", both perhaps percent-encoded. */
static bool read_user(struct proxy *p, struct span s)
{
	struct buf user = {0}, password = {0};
	const char *colon = memchr(s.p, ':', s.n);
	size_t n = colon ? (size_t)(colon - s.p) : s.n;
	bool good = decode(&user, (struct span){s.p, n}) &&
		    (!colon || decode(&password, (struct span){colon + 1, s.n - n - 1}));
	p->user = text_of(&user);
	secret_set(&p->password, buf_data(&password), buf_len(&password));
	buf_free_wiped(&password);
	return good;
}

static bool is_host(struct span s, bool bracketed)
{
	char text[256];
	uint8_t address[16];
	static const char Chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._";
	if (!s.n || s.n >= sizeof text)
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	return bracketed ? inet_pton(AF_INET6, text, address) == 1 : strspn(text, Chars) == s.n;
}

/* ":3128", ":" or nothing. */
static bool read_port(struct proxy *p, struct span s)
{
	unsigned long n = 0;
	if (s.n && *s.p != ':')
		return false;
	for (size_t i = 1; i < s.n && n <= UINT16_MAX; i++)
		n = s.p[i] >= '0' && s.p[i] <= '9' ? n * 10 + (unsigned)(s.p[i] - '0')
						   : UINT16_MAX + 1UL;
	if (s.n > 1)
		p->port = (uint16_t)n;
	return s.n < 2 || (n && n <= UINT16_MAX);
}

/* "user:password@host:port". */
static bool read_authority(struct proxy *p, struct span s)
{
	const char *at = memrchr(s.p, '@', s.n), *end = s.p + s.n;
	if (at && !read_user(p, (struct span){s.p, (size_t)(at - s.p)}))
		return false;
	const char *host = at ? at + 1 : s.p;
	bool bracketed = host < end && *host == '[';
	host += bracketed;
	const char *stop = memchr(host, bracketed ? ']' : ':', (size_t)(end - host));
	if (bracketed && !stop)
		return false;
	size_t n = (size_t)((stop ? stop : end) - host);
	const char *port = host + n + bracketed;
	p->host = mem_dup_n(host, n);
	return is_host((struct span){host, n}, bracketed) &&
	       read_port(p, (struct span){port, (size_t)(end - port)});
}

static const struct scheme *scheme_of(struct span name)
{
	for (size_t i = 0; i < sizeof Schemes / sizeof *Schemes; i++)
		if (span_is_word(name, Schemes[i].name))
			return &Schemes[i];
	return NULL;
}

/* What stands before "://" and is a scheme by its form (RFC 3986, 3.1). */
static struct span scheme_in(const char *url)
{
	static const char Chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789+-.";
	size_t n = strspn(url, Chars);
	bool letter = *url && memchr(Chars, *url, 52);
	return (struct span){url, letter && !strncmp(url + n, "://", 3) ? n : 0};
}

enum verdict { GOOD, BAD_SCHEME, BAD_URL };

/* Without a scheme it is http's. */
static enum verdict read_url(struct proxy *p, const char *url)
{
	struct span name = scheme_in(url);
	const char *authority = name.n ? url + name.n + 3 : url;
	const struct scheme *scheme = name.n ? scheme_of(name) : Schemes;
	if (!scheme)
		return BAD_SCHEME;
	p->kind = scheme->kind;
	p->port = scheme->port;
	if (!read_authority(p, (struct span){authority, strcspn(authority, "/?#")}))
		return BAD_URL;
	struct buf text = {0};
	buf_print(&text, strchr(p->host, ':') ? "proxy [%s]:%u" : "proxy %s:%u", p->host, p->port);
	p->name = text_of(&text);
	return GOOD;
}

/* ---- the choice ---- */

static bool refuse_scheme(const char *from, struct err *e)
{
	return err_set(e, ERR_LOCAL, 0, "%s must begin with http://, https:// or socks5://", from);
}

static bool choose_by_kubeconfig(struct proxy *p, const char *url, struct err *e)
{
	enum verdict is = scheme_in(url).n ? read_url(p, url) : BAD_SCHEME;
	if (is == BAD_SCHEME)
		return refuse_scheme("proxy-url", e);
	return is == GOOD ||
	       err_set(e, ERR_LOCAL, 0,
		       "proxy-url is not a URL such as http://user:password@proxy:3128");
}

static const char *variable(const char *upper, const char *lower)
{
	const char *text = getenv(upper);
	if (!text || !*text)
		text = getenv(lower);
	return text && *text ? text : NULL;
}

/* A web server gives its scripts every request's "Proxy:" field as HTTP_PROXY. */
static bool is_script(void)
{
	const char *method = getenv("REQUEST_METHOD");
	return method && *method;
}

static bool choose_by_environment(struct proxy *p, const struct proxy_server *to, struct err *e)
{
	const char *name = to->tls ? "HTTPS_PROXY" : "HTTP_PROXY";
	const char *url = variable(name, to->tls ? "https_proxy" : "http_proxy");
	struct proxy found = {0};
	enum verdict is = url ? read_url(&found, url) : BAD_URL;
	bool meant =
		is != BAD_URL && !noproxy_has(variable("NO_PROXY", "no_proxy"), to->host, to->port);
	if (meant && is == GOOD && (to->tls || !is_script())) {
		*p = found;
		return true;
	}
	proxy_free(&found);
	if (meant && is == BAD_SCHEME)
		return refuse_scheme(name, e);
	return !meant ||
	       err_set(e, ERR_LOCAL, 0, "HTTP_PROXY is not used where REQUEST_METHOD is set (CGI)");
}

bool proxy_choose(struct proxy *p, const char *url, const struct proxy_server *to, struct err *e)
{
	bool good = url ? choose_by_kubeconfig(p, url, e) : choose_by_environment(p, to, e);
	if (!good)
		proxy_free(p);
	return good;
}

/* ---- programs ---- */

static char *fill_in(const char *word, const struct proxy_server *to)
{
	struct buf text = {0};
	for (const char *p = word; *p; p++) {
		char what = *p == '%' ? p[1] : '\0';
		if (what == 'h')
			buf_print(&text, "%s", to->host);
		else if (what == 'p')
			buf_print(&text, "%u", to->port);
		else
			buf_put(&text, p, 1);
		p += what == 'h' || what == 'p' || what == '%';
	}
	return text_of(&text);
}

bool proxy_by_command(
	struct proxy *p, char *const *words, const struct proxy_server *to, struct err *e)
{
	size_t n = 0;
	if (*to->host == '-')
		return err_set(e, ERR_LOCAL, 0, "the server's name '%s' begins with '-'", to->host);
	while (words[n])
		n++;
	*p = (struct proxy){.kind = PROXY_PROGRAM,
		.name = mem_dup(*words),
		.argv = mem_new((n + 1) * sizeof *words)};
	for (size_t i = 0; i < n; i++)
		p->argv[i] = fill_in(words[i], to);
	return true;
}

/* One that is a master already is used; ours, which end with their connection, are none.
 * -W brings -T, ClearAllForwardings and ExitOnForwardFailure with it.  Where a straight
 * connection finds a dead path in 15 s, so does this one. */
void proxy_by_ssh(struct proxy *p, const char *target, const struct proxy_server *to)
{
	static char *const Words[] = {"ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o",
		"ServerAliveInterval=5", "-o", "ControlMaster=no", "-W"};
	enum { WORDS = sizeof Words / sizeof *Words };
	struct buf server = {0}, name = {0};
	buf_print(&server, strchr(to->host, ':') ? "[%s]:%u" : "%s:%u", to->host, to->port);
	buf_print(&name, "ssh %s", target);
	*p = (struct proxy){.kind = PROXY_PROGRAM,
		.name = text_of(&name),
		.argv = mem_new((WORDS + 4) * sizeof *p->argv)};
	for (size_t i = 0; i < WORDS; i++)
		p->argv[i] = mem_dup(Words[i]);
	p->argv[WORDS] = text_of(&server);
	p->argv[WORDS + 1] = mem_dup("--");
	p->argv[WORDS + 2] = mem_dup(target);
}

bool proxy_is_ssh_target(const char *text)
{
	for (const char *p = text; *p; p++)
		if ((uint8_t)*p <= 0x20 || *p == 0x7f)
			return false;
	return *text && *text != '-';
}
