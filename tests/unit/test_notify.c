/* notify.c before a socket of ours in the place of the service manager's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "notify.h"

static char Folder[] = "/tmp/test_notify.XXXXXX";

/* A manager at `name`, as $NOTIFY_SOCKET has it: @ is an abstract one. */
static int manager_at(const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	size_t n = strlen(name);
	memcpy(at.sun_path, name, n);
	if (*name == '@')
		at.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static int start_manager(void)
{
	char name[64];
	snprintf(name, sizeof name, "@porter-test-%d", getpid());
	int fd = manager_at(name);
	assert_true(notify_begin());
	return fd;
}

static void expect(int fd, const char *told)
{
	char text[1024];
	ssize_t n = recv(fd, text, sizeof text - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_string_equal(text, told);
}

static void expect_no_more(int fd)
{
	char byte;
	assert_int_equal(recv(fd, &byte, 1, 0), -1);
	close(fd);
}

/* It is the first test: nobody was ever there. */
static void does_nothing_where_there_is_no_manager(void **state)
{
	(void)state;
	char too_long[120] = "";
	memset(too_long, 'x', sizeof too_long - 1);
	*too_long = '/';
	const char *const bad[] = {
		"", "/", "@", "relative", "vsock:2:1", "/no/such/socket", too_long};
	unsetenv("NOTIFY_SOCKET");
	assert_false(notify_begin());
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		setenv("NOTIFY_SOCKET", bad[i], 1);
		assert_false(notify_begin());
		assert_null(getenv("NOTIFY_SOCKET"));
	}
	notify_tell(NOTIFY_READY, "unheard");
}

static void tells_in_order(void **state)
{
	(void)state;
	int fd = start_manager();
	assert_null(getenv("NOTIFY_SOCKET"));
	notify_tell(NOTIFY_READY, NULL);
	notify_tell(NOTIFY_STATUS, "5 of 6 forwards are Active");
	notify_tell(NOTIFY_READY, "6 of 6 forwards are Active");
	notify_tell(NOTIFY_STOPPING, NULL);
	expect(fd, "READY=1\n");
	expect(fd, "STATUS=5 of 6 forwards are Active\n");
	expect(fd, "READY=1\nSTATUS=6 of 6 forwards are Active\n");
	expect(fd, "STOPPING=1\n");
	expect_no_more(fd);
}

static unsigned long long now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000;
}

static void says_when_it_began_to_reload(void **state)
{
	(void)state;
	static const char Begin[] = "RELOADING=1\nMONOTONIC_USEC=";
	char text[256] = "", *rest;
	int fd = start_manager();
	unsigned long long before = now_us();
	notify_tell(NOTIFY_RELOADING, "reading porter.ini");
	unsigned long long after = now_us();
	assert_true(recv(fd, text, sizeof text - 1, 0) > 0);
	assert_memory_equal(text, Begin, strlen(Begin));
	unsigned long long told = strtoull(text + strlen(Begin), &rest, 10);
	assert_true(before <= told && told <= after);
	assert_string_equal(rest, "\nSTATUS=reading porter.ini\n");
	expect_no_more(fd);
}

static void lets_no_words_be_more_than_words(void **state)
{
	(void)state;
	char longest[NOTIFY_WORDS + 1], longer[NOTIFY_WORDS + 3], told[NOTIFY_WORDS + 16];
	int fd = start_manager();
	notify_tell(NOTIFY_STATUS, "a\nSTOPPING=1\r\x1b[0m\xff");
	expect(fd, "STATUS=a?STOPPING=1??[0m?\n");
	memset(longest, 'x', NOTIFY_WORDS);
	longest[NOTIFY_WORDS] = '\0';
	notify_tell(NOTIFY_STATUS, longest);
	snprintf(told, sizeof told, "STATUS=%s\n", longest);
	expect(fd, told);
	snprintf(longer, sizeof longer, "%.*s\xc3\xbcx", NOTIFY_WORDS - 1, longest);
	notify_tell(NOTIFY_STATUS, longer); /* cut at the character's end */
	snprintf(told, sizeof told, "STATUS=%.*s\n", NOTIFY_WORDS - 1, longest);
	expect(fd, told);
	expect_no_more(fd);
}

/* Its queue is full after a few; and then it is gone. */
static void is_held_up_by_no_manager(void **state)
{
	(void)state;
	int fd = start_manager();
	for (int i = 0; i < 10000; i++)
		notify_tell(NOTIFY_STATUS, "busy");
	expect(fd, "STATUS=busy\n");
	close(fd);
	notify_tell(NOTIFY_STOPPING, NULL);
}

static void finds_a_socket_by_its_path(void **state)
{
	(void)state;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; /* as long as may be */
	assert_non_null(mkdtemp(Folder));
	int n = snprintf(path, sizeof path, "%s/", Folder);
	memset(path + n, 's', sizeof path - 1 - (size_t)n);
	path[sizeof path - 1] = '\0';
	int fd = manager_at(path);
	assert_true(notify_begin());
	notify_tell(NOTIFY_READY, NULL);
	expect(fd, "READY=1\n");
	expect_no_more(fd);
	unlink(path);
	rmdir(Folder);
}

/* No descriptor of it goes to programs that we run. */
static void keeps_its_socket_to_itself(void **state)
{
	(void)state;
	int fd = start_manager(), next = dup(STDERR_FILENO); /* the lowest that is free */
	close(next);
	close(fd);
	fd = start_manager();
	assert_int_equal(fcntl(next, F_GETFD), FD_CLOEXEC);
	expect_no_more(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(does_nothing_where_there_is_no_manager),
		cmocka_unit_test(tells_in_order),
		cmocka_unit_test(says_when_it_began_to_reload),
		cmocka_unit_test(lets_no_words_be_more_than_words),
		cmocka_unit_test(is_held_up_by_no_manager),
		cmocka_unit_test(finds_a_socket_by_its_path),
		cmocka_unit_test(keeps_its_socket_to_itself),
	};
	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
