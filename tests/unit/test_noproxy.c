/* noproxy.c alone, by the rules (and most cases) of httpproxy's own tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdint.h>

#include "noproxy.h"

struct row {
	const char *list, *host;
	uint16_t port;
	bool has;
};

static void check(const struct row *rows, size_t n)
{
	for (const struct row *r = rows; r < rows + n; r++)
		if (noproxy_has(r->list, r->host, r->port) != r->has)
			fail_msg("'%s' %s '%s' port %u", r->list ? r->list : "(none)",
				r->has ? "has not" : "has", r->host, r->port);
}

static void loopback_is_in_every_list(void **state)
{
	static const struct row Rows[] = {
		{NULL, "localhost", 443, true},
		{"", "127.0.0.1", 443, true},
		{"a.com", "127.9.9.9", 443, true},
		{NULL, "::1", 443, true},
		{NULL, "::ffff:127.0.0.1", 443, true},
		{NULL, "LOCALHOST", 443, false},
		{NULL, "localhost.net", 443, false},
		{NULL, "local.localhost", 443, false},
		{NULL, "128.0.0.1", 443, false},
		{NULL, "::2", 443, false},
		{"", "a.com", 443, false},
	};
	(void)state;
	check(Rows, sizeof Rows / sizeof *Rows);
}

static void names_are_those_below_too(void **state)
{
	static const struct row Rows[] = {
		{"a.com", "a.com", 443, true},
		{"a.com", "b.a.com", 443, true},
		{"a.com", "ba.com", 443, false},
		{"a.com", "com", 443, false},
		{"A.com", "b.a.COM", 443, true},
		{".a.com", "a.com", 443, false},
		{".a.com", "c.b.a.com", 443, true},
		{"*.a.com", "a.com", 443, false},
		{"*.a.com", "b.a.com", 443, true},
		{"*a.com", "ba.com", 443, false},
		{"a.com:6443", "b.a.com", 6443, true},
		{"a.com:6443", "a.com", 443, false},
		{"a.com:06443", "a.com", 6443, false},
		{"a.com:", "a.com", 443, true},
		{".a.com:6443", "b.a.com", 6443, true},
		{"*", "a.com", 443, true},
		{"*", "10.0.0.1", 443, true},
		{"*:443", "a.com", 443, false},
		{"b.com , a.com", "a.com", 443, true},
		{"b.com,,\t*\n", "a.com", 443, true},
		{"b.com a.com", "a.com", 443, false},
		{":1", "a.com", 1, false},
		{".", "a.com", 443, false},
		{"com", "a.com", 443, true},
	};
	(void)state;
	check(Rows, sizeof Rows / sizeof *Rows);
}

static void addresses_are_compared_as_numbers(void **state)
{
	static const struct row Rows[] = {
		{"192.168.1.1", "192.168.1.1", 443, true},
		{"192.168.1.1", "192.168.1.10", 443, false},
		{"192.168.1.1:81", "192.168.1.1", 80, false},
		{"192.168.1.1:80", "192.168.1.1", 80, true},
		{"::ffff:192.168.1.1", "192.168.1.1", 443, true},
		{"192.168.1.", "192.168.1.1", 443, false},
		{"1.1", "192.168.1.1", 443, true}, /* by its text, as a name */
		{"2001:db8::52:0:1", "2001:db8:0:0::52:0:1", 443, true},
		{"[2001:db8::1]", "2001:db8::1", 443, false},
		{"[2001:db8::1]:443", "2001:db8::1", 443, true},
		{"[2001:db8::1]:443", "2001:db8::1", 80, false},
		{"[]:443", "2001:db8::1", 443, false},
		{"10.0.0.1", "a.10.0.0.1", 443, false},
	};
	(void)state;
	check(Rows, sizeof Rows / sizeof *Rows);
}

static void networks_have_all_their_addresses(void **state)
{
	static const struct row Rows[] = {
		{"10.0.0.0/30", "10.0.0.3", 443, true},
		{"10.0.0.0/30", "10.0.0.4", 443, false},
		{"10.0.0.9/8", "10.250.0.4", 443, true},
		{"0.0.0.0/0", "10.0.0.4", 443, true},
		{"0.0.0.0/0", "fd00::1", 443, false},
		{"0.0.0.0/0", "a.com", 443, false},
		{"::/0", "10.0.0.4", 443, false},
		{"::/0", "fd00::1", 443, true},
		{"2002:db8:a::45/64", "2002:db8:a::123", 443, true},
		{"2002:db8:a::45/64", "2002:db8:b::123", 443, false},
		{"10.0.0.1/32", "10.0.0.1", 443, true},
		{"10.0.0.1/33", "10.0.0.1", 443, false},
		{"10.0.0.1/", "10.0.0.1", 443, false},
		{"10.0.0.1/-1", "10.0.0.1", 443, false},
		{"10.0.0.1/8:443", "10.0.0.1", 443, false},
		{"::ffff:10.0.0.0/104", "10.7.0.1", 443, true},
		{"10.0/16", "10.0.0.1", 443, false},
	};
	(void)state;
	check(Rows, sizeof Rows / sizeof *Rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_is_in_every_list),
		cmocka_unit_test(names_are_those_below_too),
		cmocka_unit_test(addresses_are_compared_as_numbers),
		cmocka_unit_test(networks_have_all_their_addresses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
