/* peer.c on real sockets: what the other end did, told from this one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

struct pair {
	int client, served;
};

static struct pair connect_over(int family)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in b = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *to = family == AF_INET ? (struct sockaddr *)&b : (struct sockaddr *)&a;
	socklen_t n = family == AF_INET ? sizeof b : sizeof a;
	struct pair p;
	int listener = socket(family, SOCK_STREAM, 0);
	if (bind(listener, to, n))
		skip(); /* no ::1 here */
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, to, &n), 0);
	p.client = socket(family, SOCK_STREAM, 0);
	assert_int_equal(connect(p.client, to, n), 0);
	p.served = accept(listener, NULL, NULL);
	close(listener);
	return p;
}

/* Waits for the end of file, as porter does before it looks. */
static void wait_for_eof(int fd)
{
	char byte;
	assert_int_equal(read(fd, &byte, 1), 0);
}

static void tells_shutdown_from_close(int family)
{
	struct pair p = connect_over(family);
	assert_int_equal(peer_look(p.served), PEER_OPEN);
	shutdown(p.client, SHUT_WR);
	wait_for_eof(p.served);
	assert_int_equal(peer_look(p.served), PEER_OPEN);
	close(p.client);
	assert_int_equal(peer_look(p.served), PEER_CLOSED);
	close(p.served);
}

static void tells_shutdown_from_close_over_v4(void **state)
{
	(void)state;
	tells_shutdown_from_close(AF_INET);
}

static void tells_shutdown_from_close_over_v6(void **state)
{
	(void)state;
	tells_shutdown_from_close(AF_INET6);
}

static void takes_a_reset_for_closed(void **state)
{
	static const struct linger Reset = {.l_onoff = 1};
	(void)state;
	struct pair p = connect_over(AF_INET);
	setsockopt(p.client, SOL_SOCKET, SO_LINGER, &Reset, sizeof Reset);
	close(p.client);
	assert_int_equal(peer_look(p.served), PEER_CLOSED);
	close(p.served);
}

static void knows_nothing_of_what_is_no_tcp_socket(void **state)
{
	int fds[2];
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(peer_look(fds[0]), PEER_UNKNOWN);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_shutdown_from_close_over_v4),
		cmocka_unit_test(tells_shutdown_from_close_over_v6),
		cmocka_unit_test(takes_a_reset_for_closed),
		cmocka_unit_test(knows_nothing_of_what_is_no_tcp_socket),
	};
	return cmocka_run_group_tests_name("peer", tests, NULL, NULL);
}
