/* listener.c on real sockets: what is bound, and when connections are taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "listener.h"
#include "test_loop.h"
#include "test_ulimit.h"

static struct listener L;
static uint16_t Port;
static unsigned Taken, Wanted;
static struct sockaddr_storage From;

static void take(void *owner, int fd, const struct sockaddr_storage *from)
{
	assert_ptr_equal(owner, &L);
	close(fd);
	ulimit_take();
	From = *from;
	Taken++;
	loop_stop();
}

static bool taken(void)
{
	return Taken == Wanted;
}

static bool open_at(const char *address, bool only_that, struct err *e)
{
	const struct listener_spec spec = {
		.address = address, .only_that = only_that, .port = Port, .name = "prod/web"};
	if (!listener_open(&L, &spec, e))
		return false;
	listener_serve(&L, take, &L);
	listener_accept(&L, true);
	return true;
}

/* Returns the descriptor, or -1. */
static int connect_to(const char *address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(Port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(Port)};
	bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
	int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM, 0);
	inet_pton(AF_INET6, address, &v6.sin6_addr);
	if (!connect(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
		    is_v4 ? sizeof v4 : sizeof v6))
		return fd;
	close(fd);
	return -1;
}

static bool has_v6(void)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool yes = fd >= 0 && !bind(fd, (struct sockaddr *)&a, sizeof a);
	if (fd >= 0)
		close(fd);
	return yes;
}

/* A port that nobody has. */
static int begin(void **state)
{
	(void)state;
	loop_init();
	Taken = Wanted = 0;
	Port = unused_port();
	return 0;
}

static int end(void **state)
{
	(void)state;
	listener_close(&L);
	loop_end();
	return 0;
}

static void takes_on_both_loopbacks_and_tells_who_comes(void **state)
{
	struct sockaddr_in me;
	socklen_t n = sizeof me;
	(void)state;
	assert_true(open_at("127.0.0.1", false, NULL));
	int fd = connect_to("127.0.0.1"), other = connect_to("::1");
	getsockname(fd, (struct sockaddr *)&me, &n);
	Wanted = 1 + has_v6();
	assert_int_equal(other >= 0, has_v6());
	assert_true(loop_until(taken));
	assert_true(From.ss_family == AF_INET6 || !memcmp(&From, &me, 8));
	close(fd);
	close(other);
}

static void binds_that_address_only_where_it_is_given(void **state)
{
	(void)state;
	assert_true(open_at("127.0.0.2", true, NULL));
	int fd = connect_to("127.0.0.2");
	assert_true(fd >= 0);
	assert_int_equal(connect_to("127.0.0.1"), -1);
	assert_int_equal(connect_to("::1"), -1);
	close(fd);
}

static void names_the_port_that_is_taken_and_keeps_nothing_open(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(Port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct err e = {0};
	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_false(open_at("127.0.0.1", false, &e));
	assert_non_null(strstr(e.text, "'prod/web': another process uses it; stop that"));
	for (int i = 0; i < LISTENER_SOCKETS; i++)
		assert_int_equal(L.socket[i].io.fd, -1);
	close(fd);
}

static void leaves_connections_in_the_backlog_until_they_are_wanted(void **state)
{
	(void)state;
	assert_true(open_at("127.0.0.1", true, NULL));
	listener_accept(&L, false);
	int fd = connect_to("127.0.0.1");
	assert_true(fd >= 0);
	assert_true(loop_until_quiet());
	assert_int_equal(Taken, 0);
	listener_accept(&L, true);
	Wanted = 1;
	assert_true(loop_until(taken));
	close(fd);
}

/* Spinning would be the mistake: the socket stays readable. */
static void waits_where_there_are_no_descriptors_left(void **state)
{
	struct rlimit had, none;
	(void)state;
	assert_true(open_at("127.0.0.1", true, NULL));
	int fd = connect_to("127.0.0.1");
	getrlimit(RLIMIT_NOFILE, &had);
	none = had;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	assert_true(loop_until_quiet());
	assert_int_equal(Taken, 0);
	setrlimit(RLIMIT_NOFILE, &had);
	loop_skip(1000);
	assert_int_equal(Taken, 1);
	close(fd);
}

/* Those that are left are for others.  Whoever gives one back has them look again. */
static void leaves_descriptors_to_those_who_need_them(void **state)
{
	int fd[4];
	(void)state;
	descriptors_left(0);
	assert_true(open_at("127.0.0.1", true, NULL));
	for (int i = 0; i < 4; i++)
		fd[i] = connect_to("127.0.0.1");
	assert_true(loop_until_quiet());
	listener_accept(&L, true);
	assert_true(loop_until_quiet());
	assert_int_equal(Taken, 0);
	descriptors_left(2);
	listener_accept(&L, true);
	assert_true(loop_until_quiet());
	assert_int_equal(Taken, 2);
	ulimit_give();
	assert_true(loop_until_quiet());
	assert_int_equal(Taken, 2); /* nobody has told it */
	loop_skip(1000);
	assert_int_equal(Taken, 3);
	ulimit_give();
	listener_accept(&L, true);
	assert_true(loop_until_quiet());
	assert_int_equal(Taken, 4);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	descriptors_left(500);
}

/* A close(2) of ours alone would leave the port to whoever has a copy. */
static void frees_its_port_at_once_whoever_has_copies(void **state)
{
	int fd[LISTENER_SOCKETS];
	struct err e = {0};
	char byte;
	(void)state;
	assert_true(open_at("127.0.0.1", true, NULL));
	assert_int_equal(listener_sockets(&L, fd), 1);
	int copy = dup(fd[0]), waits = connect_to("127.0.0.1");
	assert_true(copy >= 0 && waits >= 0);
	listener_end(&L);
	assert_int_equal(listener_sockets(&L, fd), 0);
	assert_int_equal(L.port, Port);
	assert_int_equal(connect_to("127.0.0.1"), -1);
	assert_int_equal(recv(waits, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	if (!open_at("127.0.0.1", true, &e))
		fail_msg("%s", e.text);
	close(copy);
	close(waits);
}

static void is_closed_before_it_is_opened(void **state)
{
	const struct listener_spec spec = {
		.address = "127.0.0.1", .port = Port, .name = "prod/web"};
	int fd[LISTENER_SOCKETS];
	(void)state;
	listener_init(&L, &spec);
	listener_accept(&L, true);
	assert_int_equal(L.port, Port);
	assert_int_equal(listener_sockets(&L, fd), 0);
	listener_end(&L);
	assert_int_equal(connect_to("127.0.0.1"), -1);
	assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0); /* which a zero would have closed */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(takes_on_both_loopbacks_and_tells_who_comes),
		TEST(binds_that_address_only_where_it_is_given),
		TEST(names_the_port_that_is_taken_and_keeps_nothing_open),
		TEST(leaves_connections_in_the_backlog_until_they_are_wanted),
		TEST(waits_where_there_are_no_descriptors_left),
		TEST(leaves_descriptors_to_those_who_need_them),
		TEST(frees_its_port_at_once_whoever_has_copies),
		TEST(is_closed_before_it_is_opened),
	};
	return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
