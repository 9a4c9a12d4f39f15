/* Addresses are compared in their IPv6 form, IPv4 ones mapped (RFC 4291, 2.5.5.2):
 * what is mapped is IPv4 here, as it is to Go. */
#include "noproxy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "buf.h"

enum { ADDRESS_TEXT = 64, V4_BITS = 96 };

struct server {
	struct span host;
	uint8_t address[16];
	bool is_address;
	char port[8];
};

static const uint8_t Mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(const uint8_t *address)
{
	return !memcmp(address, Mapped, sizeof Mapped);
}

/* `bits`: those of the text's own kind; NULL if nobody asks. */
static bool read_address(uint8_t *address, struct span text, int *bits)
{
	char copy[ADDRESS_TEXT];
	if (text.n >= sizeof copy)
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	memcpy(address, Mapped, sizeof Mapped);
	bool v4 = inet_pton(AF_INET, copy, address + sizeof Mapped) == 1;
	if (bits)
		*bits = v4 ? 32 : 128;
	return v4 || inet_pton(AF_INET6, copy, address) == 1;
}

static bool is_loopback(const struct server *s)
{
	return s->is_address && (is_v4(s->address) ? s->address[12] == 127
						   : !memcmp(s->address, &in6addr_loopback, 16));
}

static void keep_bits(uint8_t *address, int bits)
{
	for (int i = 0; i < 16; i++) {
		int kept = bits - 8 * i;
		if (kept < 8)
			address[i] &= (uint8_t)(kept <= 0 ? 0 : 0xff << (8 - kept));
	}
}

/* Decimal digits; -1 if it is none, or more than `max`. */
static int number_of(struct span text, int max)
{
	int n = text.n ? 0 : -1;
	for (size_t i = 0; i < text.n && n >= 0; i++) {
		bool digit = text.p[i] >= '0' && text.p[i] <= '9';
		n = digit ? n * 10 + (text.p[i] - '0') : -1;
		if (n > max)
			return -1;
	}
	return n;
}

/* False if it is no network; else stores whether the server is in it. */
static bool read_network(struct span entry, const struct server *s, bool *found)
{
	const char *slash = memchr(entry.p, '/', entry.n);
	uint8_t net[16], own[16];
	int all;
	if (!slash)
		return false;
	size_t n = (size_t)(slash - entry.p);
	if (!read_address(net, (struct span){entry.p, n}, &all))
		return false;
	int bits = number_of((struct span){slash + 1, entry.n - n - 1}, all);
	if (bits < 0)
		return false;
	bits += all == 32 ? V4_BITS : 0;
	memcpy(own, s->address, sizeof own);
	keep_bits(net, bits);
	keep_bits(own, bits);
	*found = s->is_address && is_v4(net) == is_v4(s->address) && !memcmp(net, own, sizeof net);
	return true;
}

/* "host:port" and "[address]:port" in two; all is host where it is neither. */
static void split_port(struct span entry, struct span *host, struct span *port)
{
	const char *colon = memrchr(entry.p, ':', entry.n), *end = entry.p + entry.n;
	*host = entry;
	*port = (struct span){end, 0};
	if (!colon)
		return;
	struct span before = {entry.p, (size_t)(colon - entry.p)};
	bool bracketed = before.n > 1 && *before.p == '[' && colon[-1] == ']';
	struct span inner = bracketed ? (struct span){before.p + 1, before.n - 2} : before;
	if (memchr(inner.p, '[', inner.n) || memchr(inner.p, ']', inner.n) ||
		(!bracketed && memchr(inner.p, ':', inner.n)))
		return;
	*host = inner;
	*port = (struct span){colon + 1, (size_t)(end - colon - 1)};
}

/* ".a.com" is for names below only, "a.com" for that one, too. */
static bool is_within(struct span host, struct span domain)
{
	bool below_only = *domain.p == '.';
	size_t n = domain.n - below_only;
	const char *name = domain.p + below_only;
	if (host.n < n || strncasecmp(host.p + host.n - n, name, n) != 0)
		return false;
	return host.n == n ? !below_only : host.p[host.n - n - 1] == '.';
}

static bool matches(struct span entry, const struct server *s)
{
	struct span host, port;
	uint8_t address[16];
	bool found;
	if (read_network(entry, s, &found))
		return found;
	split_port(entry, &host, &port);
	bool of_port = !port.n || span_is(port, s->port);
	if (!host.n || !of_port)
		return false;
	if (read_address(address, host, NULL))
		return s->is_address && !memcmp(address, s->address, sizeof address);
	if (host.n > 1 && !memcmp(host.p, "*.", 2))
		host = (struct span){host.p + 1, host.n - 1};
	return is_within(s->host, host);
}

/* Takes the next entry off *list, without the blanks around it. */
static struct span take_entry(const char **list)
{
	static const char Blanks[] = " \t\r\n\v\f";
	size_t n = strcspn(*list, ",");
	struct span entry = {*list, n};
	*list += n + ((*list)[n] == ',');
	size_t lead = strspn(entry.p, Blanks);
	lead = lead < n ? lead : n;
	entry = (struct span){entry.p + lead, n - lead};
	while (entry.n && strchr(Blanks, entry.p[entry.n - 1]))
		entry.n--;
	return entry;
}

bool noproxy_has(const char *list, const char *host, uint16_t port)
{
	struct server s = {.host = {host, strlen(host)}};
	snprintf(s.port, sizeof s.port, "%u", port);
	s.is_address = read_address(s.address, s.host, NULL);
	bool found = span_is(s.host, "localhost") || is_loopback(&s);
	while (!found && list && *list) {
		struct span entry = take_entry(&list);
		found = entry.n && (span_is(entry, "*") || matches(entry, &s));
	}
	return found;
}
