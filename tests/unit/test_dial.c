/* dial.c with loop and child, on this machine's loopback addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "child.h"
#include "dial.h"
#include "test_loop.h"

static struct {
	unsigned calls;
	int fd;
	struct err err;
} Told;

static void on_dial(void *owner, int fd, const struct err *e)
{
	assert_ptr_equal(owner, &Told);
	Told.calls++;
	Told.fd = fd;
	Told.err = *e;
	loop_stop();
}

static bool is_told(void)
{
	return Told.calls;
}

static int socket_of(int family)
{
	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* One that listens on 127.0.0.1 or ::1, at *port (0: any, told there); -1: there
 * is no such address here. */
static int listen_on(int family, uint16_t *port, int backlog)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(*port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
		.sin6_port = htons(*port)};
	struct sockaddr *a = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
	socklen_t n = family == AF_INET ? sizeof v4 : sizeof v6;
	int fd = socket_of(family);
	if (bind(fd, a, n) || listen(fd, backlog) || getsockname(fd, a, &n)) {
		close(fd);
		return -1;
	}
	*port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
	return fd;
}

/* A port of both families on which nobody listens. */
static uint16_t closed_port(void)
{
	uint16_t port = 0;
	close(listen_on(AF_INET, &port, 1));
	return port;
}

static void dial(const char *host, uint16_t port)
{
	memset(&Told, 0, sizeof Told);
	dial_start(host, port, on_dial, &Told);
	assert_int_equal(Told.calls, 0);
	if (!loop_until(is_told))
		fail_msg("%s: nothing came of it", host);
	assert_true(loop_until_quiet());
	assert_int_equal(Told.calls, 1);
}

static void reaches(const char *host, int listener, uint16_t port)
{
	dial(host, port);
	if (Told.fd < 0)
		fail_msg("%s: %s", host, Told.err.text);
	assert_true(fcntl(Told.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(Told.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(send(Told.fd, "x", 1, MSG_NOSIGNAL), 1);
	int served = accept(listener, NULL, NULL);
	assert_true(served >= 0);
	close(served);
	close(Told.fd);
}

static void connects_to_addresses_and_to_local_names(void **state)
{
	/* 127.1 is no literal to us: getaddrinfo(3) knows what it means. */
	static const char *const Hosts[] = {
		"127.0.0.1", "localhost", "LocalHost.", "api.localhost", "127.1"};
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port, 16);
	(void)state;
	unsigned before = descriptors();
	for (size_t i = 0; i < sizeof Hosts / sizeof *Hosts; i++)
		reaches(Hosts[i], listener, port);
	assert_int_equal(descriptors(), before + 1); /* signalfd(2), for the child */
	close(listener);
}

static void connects_over_v6(void **state)
{
	uint16_t port = 0;
	int listener = listen_on(AF_INET6, &port, 16);
	(void)state;
	if (listener < 0)
		skip();
	reaches("::1", listener, port);
	reaches("0:0::1", listener, port);
	reaches("localhost", listener, port);
	close(listener);
}

static void says_where_it_was_refused(void **state)
{
	char text[100];
	uint16_t port = closed_port();
	(void)state;
	unsigned before = descriptors();
	dial("127.0.0.1", port);
	snprintf(text, sizeof text, "connection refused (127.0.0.1:%u)", port);
	assert_int_equal(Told.fd, -1);
	assert_int_equal(Told.err.kind, ERR_REFUSED);
	assert_int_equal(Told.err.code, ECONNREFUSED);
	assert_string_equal(Told.err.text, text);
	dial("localhost", port);
	assert_int_equal(Told.fd, -1);
	snprintf(text, sizeof text, "([::1]:%u)", port);
	assert_non_null(strstr(Told.err.text, text)); /* the first of the two */
	assert_int_equal(descriptors(), before);
}

/* Where connect(2) itself says no. */
static void says_what_cannot_even_begin(void **state)
{
	(void)state;
	dial("255.255.255.255", 1);
	assert_int_equal(Told.fd, -1);
	assert_true(Told.err.kind == ERR_NETWORK && Told.err.code);
	assert_non_null(strstr(Told.err.text, " (255.255.255.255:1)"));
}

static void says_which_name_cannot_be_looked_up(void **state)
{
	static const char Text[] = "cannot look up host 'nowhere.invalid': ";
	(void)state;
	dial("nowhere.invalid", 443);
	assert_int_equal(Told.fd, -1);
	assert_int_equal(Told.err.kind, ERR_NETWORK);
	assert_memory_equal(Told.err.text, Text, sizeof Text - 1);
	assert_true(strlen(Told.err.text) > sizeof Text);
}

/* Fills the queue of a listener, so that further attempts get no answer. */
static void fill(const struct sockaddr_in6 *to, int fd[], int most)
{
	for (int i = 0; i < most; i++) {
		fd[i] = socket_of(AF_INET6);
		connect(fd[i], (const struct sockaddr *)to, sizeof *to);
	}
}

/* ::1 does not answer, 127.0.0.1 does: it need not wait for the first to fail. */
static void goes_on_to_the_next_address_beside_one_that_does_not_answer(void **state)
{
	enum { MOST = 8 };
	uint16_t port = 0;
	int fd[MOST], deaf = listen_on(AF_INET6, &port, 0), listener;
	(void)state;
	if (deaf < 0)
		skip();
	listener = listen_on(AF_INET, &port, 16);
	assert_true(listener >= 0);
	struct sockaddr_in6 to = {.sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
		.sin6_port = htons(port)};
	fill(&to, fd, MOST);
	unsigned before = descriptors();
	reaches("localhost", listener, port);
	assert_int_equal(descriptors(), before);
	for (int i = 0; i < MOST; i++)
		close(fd[i]);
	close(deaf);
	close(listener);
}

static void can_be_cancelled_at_any_time(void **state)
{
	uint16_t port = 0;
	int listener = listen_on(AF_INET, &port, 16);
	char text[100];
	(void)state;
	memset(&Told, 0, sizeof Told);
	unsigned before = descriptors();
	dial_cancel(dial_start("127.0.0.1", port, on_dial, &Told));
	assert_true(loop_until_quiet());
	assert_int_equal(accept(listener, NULL, NULL), -1);
	struct dial *d = dial_start("nowhere.invalid", port, on_dial, &Told);
	struct task round = {.on = stop_by_task};
	task_post(&round);
	loop_run(); /* the child is started */
	dial_describe(d, text, sizeof text);
	assert_string_equal(text, "looking up nowhere.invalid");
	dial_cancel(d);
	assert_true(loop_until_quiet());
	assert_int_equal(Told.calls, 0);
	assert_int_equal(descriptors(), before);
	close(listener);
}

static int set_up(void **state)
{
	(void)state;
	child_init();
	loop_init();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	child_end_all();
	loop_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connects_to_addresses_and_to_local_names),
		cmocka_unit_test(connects_over_v6),
		cmocka_unit_test(says_where_it_was_refused),
		cmocka_unit_test(says_what_cannot_even_begin),
		cmocka_unit_test(says_which_name_cannot_be_looked_up),
		cmocka_unit_test(goes_on_to_the_next_address_beside_one_that_does_not_answer),
		cmocka_unit_test(can_be_cancelled_at_any_time),
	};
	return cmocka_run_group_tests_name("dial", tests, set_up, tear_down);
}
