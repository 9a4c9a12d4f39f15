/* holder.c on real sockets, of this process and of forked ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "holder.h"
#include "test_tcptable.h"

enum { NOBODY = 65534 };

static struct holder look(const char *address, uint16_t port)
{
	struct holder h = {.at = address_of(address, port)};
	holder_find(&h, 1);
	return h;
}

/* The same by a process that has become somebody else. */
static struct holder look_as(void (*become)(void), const char *address, uint16_t port)
{
	int pipes[2], status;
	struct holder h = {0};
	assert_int_equal(pipe(pipes), 0);
	pid_t child = fork();
	if (!child) {
		become();
		h = look(address, port);
		_exit(write(pipes[1], &h, sizeof h) != (ssize_t)sizeof h);
	}
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &h, sizeof h), sizeof h);
	close(pipes[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	return h;
}

/* Nothing but what this process is. */
static void assert_ours(const struct holder *h, const struct sockaddr_storage *bound)
{
	char comm[HOLDER_NAME] = "";
	FILE *file = fopen("/proc/self/comm", "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%63[^\n]", comm), 1);
	fclose(file);
	assert_true(h->found);
	assert_false(h->orphan);
	assert_same_address(&h->bound, bound);
	assert_int_equal(h->uid, getuid());
	assert_int_equal(h->pid, getpid());
	assert_string_equal(h->name, comm);
}

static void assert_nobodys(const struct holder *h)
{
	static const struct sockaddr_storage None = {0};
	assert_false(h->found);
	assert_false(h->orphan);
	assert_memory_equal(&h->bound, &None, sizeof None);
	assert_int_equal(h->pid, 0);
	assert_string_equal(h->name, "");
}

/* Who is in the way of whom: one socket, and whether it is seen from three addresses;
 * by sock_diag, then by /proc, which does not tell of v6only. */
static const struct reach {
	const char *bound;
	bool v6only;
	bool v4, other_v4, v6; /* in the way of 127.0.0.1, of 127.0.0.2, of ::1 */
	bool proc_v4;          /* the first two, by /proc */
} Reaches[] = {
	{"127.0.0.1", false, true, false, false, false},
	{"0.0.0.0", false, true, true, false, false},
	{"::1", true, false, false, true, false},
	{"::", false, true, true, true, false},
	{"::", true, false, false, true, true},
	{"::ffff:127.0.0.1", false, true, false, false, false},
};

static void check_reach(const struct reach *r, bool by_proc, uint16_t port,
	struct holder (*ask)(const char *, uint16_t), const struct sockaddr_storage *bound)
{
	bool more = by_proc && r->proc_v4;
	const struct {
		const char *at;
		bool in_the_way;
	} From[] = {
		{"127.0.0.1", r->v4 || more}, {"127.0.0.2", r->other_v4 || more}, {"::1", r->v6}};
	for (size_t i = 0; i < sizeof From / sizeof *From; i++) {
		struct holder h = ask(From[i].at, port);
		if (From[i].in_the_way)
			assert_ours(&h, bound);
		else
			assert_nobodys(&h);
	}
}

static struct holder look_without_netlink(const char *address, uint16_t port)
{
	return look_as(refuse_netlink, address, port);
}

static void check_reaches(bool by_proc)
{
	for (size_t i = 0; i < sizeof Reaches / sizeof *Reaches; i++) {
		struct sockaddr_storage at = address_of(Reaches[i].bound, 0);
		if (at.ss_family == AF_INET6 && !has_ipv6())
			continue;
		int fd = listen_at(&at, Reaches[i].v6only);
		check_reach(&Reaches[i], by_proc, port_of(&at),
			by_proc ? look_without_netlink : look, &at);
		close(fd);
	}
}

static void finds_what_is_in_the_way(void **state)
{
	(void)state;
	check_reaches(false);
}

static void finds_it_without_netlink(void **state)
{
	(void)state;
	check_reaches(true);
}

static void finds_nobody_at_a_free_port(void **state)
{
	struct sockaddr_storage at = address_of("127.0.0.1", 0);
	(void)state;
	close(listen_at(&at, false));
	struct holder h = {
		.at = at, .found = true, .orphan = true, .bound = at, .pid = 1, .name = "x"};
	holder_find(&h, 1);
	assert_nobodys(&h);
	assert_same_address(&h.at, &at);
	holder_find(NULL, 0);
}

static void finds_several_in_one_look(void **state)
{
	struct sockaddr_storage a = address_of("127.0.0.1", 0), b = address_of("0.0.0.0", 0), c = a;
	(void)state;
	int first = listen_at(&a, false), second = listen_at(&b, false);
	close(listen_at(&c, false));
	struct holder h[] = {{.at = a}, {.at = c}, {.at = address_of("127.0.0.1", port_of(&b))},
		{.at = address_of("127.0.0.2", port_of(&b))}, {.at = a}};
	holder_find(h, sizeof h / sizeof *h);
	assert_ours(&h[0], &a);
	assert_nobodys(&h[1]);
	assert_ours(&h[2], &b);
	assert_ours(&h[3], &b);
	assert_ours(&h[4], &a);
	close(first);
	close(second);
}

/* In which order the kernel shows two sockets of one port is by chance: so, many ports. */
static void prefers_the_address_itself(void **state)
{
	(void)state;
	for (int i = 0; i < 16; i++) {
		struct sockaddr_storage exact = address_of("127.0.0.1", 0), any;
		int listener = listen_at(&exact, false);
		any = address_of("0.0.0.0", port_of(&exact));
		int all = listen_at(&any, false);
		struct holder h = look("127.0.0.1", port_of(&exact));
		assert_ours(&h, &exact);
		h = look_without_netlink("127.0.0.1", port_of(&exact));
		assert_ours(&h, &exact);
		h = look("127.0.0.2", port_of(&exact));
		assert_ours(&h, &any);
		close(listener);
		close(all);
	}
}

/* The free port makes it look at connections, too. */
static void prefers_what_listens(void **state)
{
	struct sockaddr_storage exact = address_of("127.0.0.1", 0), any, own;
	(void)state;
	int listener = listen_at(&exact, false), client = connect_to(&exact, &own);
	int served = accept(listener, NULL, NULL);
	any = address_of("0.0.0.0", port_of(&exact));
	int all = listen_at(&any, false);
	close(listener);
	struct holder h[] = {{.at = exact}, {.at = address_of("127.9.9.9", port_of(&own))}};
	holder_find(h, 2);
	assert_ours(&h[0], &any);
	assert_nobodys(&h[1]);
	close(all);
	holder_find(h, 2);
	assert_ours(&h[0], &exact);
	close(served);
	close(client);
}

/* /proc does not tell that the second is for IPv6 only. */
static void prefers_ipv4_where_the_kernel_tells_less(void **state)
{
	struct sockaddr_storage v4 = address_of("0.0.0.0", 0), v6;
	(void)state;
	if (!has_ipv6())
		skip();
	int first = listen_at(&v4, false);
	v6 = address_of("::", port_of(&v4));
	int second = listen_at(&v6, true);
	struct holder h = look_without_netlink("127.0.0.1", port_of(&v4));
	assert_ours(&h, &v4);
	h = look_without_netlink("::1", port_of(&v4));
	assert_ours(&h, &v6);
	close(first);
	close(second);
}

static void finds_an_outgoing_connection(void **state)
{
	struct sockaddr_storage at = address_of("127.0.0.1", 0), own;
	int on = 1;
	(void)state;
	int listener = listen_at(&at, false), client = connect_to(&at, &own);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	assert_int_equal(bind(fd, (struct sockaddr *)&own, size_of(&own)), -1);
	assert_int_equal(errno, EADDRINUSE);
	struct holder h = look("127.0.0.1", port_of(&own));
	assert_ours(&h, &own);
	h = look_without_netlink("127.0.0.1", port_of(&own));
	assert_ours(&h, &own);
	close(fd);
	close(client);
	close(listener);
}

/* The kernel shows those since Linux 6.8, to sock_diag. */
static void finds_what_is_bound_and_does_not_listen(void **state)
{
	struct sockaddr_storage at = address_of("127.0.0.1", 0);
	struct utsname kernel;
	char *end;
	(void)state;
	assert_int_equal(uname(&kernel), 0);
	long major = strtol(kernel.release, &end, 10), minor = strtol(end + 1, NULL, 10);
	if (major < 6 || (major == 6 && minor < 8))
		skip();
	int fd = bind_at(&at, false);
	tell_own(fd, &at);
	struct holder h = look("127.0.0.1", port_of(&at));
	assert_ours(&h, &at);
	close(fd);
}

/* Whoever closes first has a socket that outlives the process: in TIME_WAIT. */
static void tells_an_orphan(void **state)
{
	struct sockaddr_storage at = address_of("127.0.0.1", 0), own;
	(void)state;
	int listener = listen_at(&at, false), client = connect_to(&at, &own);
	int served = accept(listener, NULL, NULL);
	close(client);
	struct holder h = look("127.0.0.1", port_of(&own));
	close(served);
	for (int i = 0; i < 2; i++) {
		assert_true(h.found);
		assert_true(h.orphan);
		assert_int_equal(h.pid, 0);
		assert_string_equal(h.name, "");
		assert_same_address(&h.bound, &own);
		h = look_without_netlink("127.0.0.1", port_of(&own));
	}
	close(listener);
}

/* ---- processes ---- */

struct child {
	pid_t pid;
	uint16_t port; /* what `begin` returned */
};

/* A child that has this process's sockets and runs `begin`, and then waits. */
static struct child start(uint16_t (*begin)(void))
{
	int pipes[2];
	assert_int_equal(pipe(pipes), 0);
	struct child c = {.pid = fork()};
	if (!c.pid) {
		c.port = begin();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(pipes[1], &c.port, sizeof c.port) == (ssize_t)sizeof c.port)
			pause();
		_exit(97);
	}
	close(pipes[1]);
	assert_int_equal(read(pipes[0], &c.port, sizeof c.port), sizeof c.port);
	close(pipes[0]);
	return c;
}

static void stop(const struct child *c)
{
	assert_int_equal(kill(c->pid, SIGKILL), 0);
	assert_int_equal(waitpid(c->pid, NULL, 0), c->pid);
}

static uint16_t only_wait(void)
{
	return 0;
}

static void names_the_oldest_process(void **state)
{
	struct sockaddr_storage at = address_of("127.0.0.1", 0);
	(void)state;
	int fd = listen_at(&at, false);
	struct child first = start(only_wait), second = start(only_wait);
	struct holder h = look("127.0.0.1", port_of(&at));
	assert_ours(&h, &at);
	close(fd);
	h = look("127.0.0.1", port_of(&at));
	assert_int_equal(h.pid, first.pid);
	stop(&first);
	h = look("127.0.0.1", port_of(&at));
	assert_int_equal(h.pid, second.pid);
	stop(&second);
	h = look("127.0.0.1", port_of(&at));
	assert_nobodys(&h);
}

static uint16_t take_an_evil_name(void)
{
	prctl(PR_SET_NAME, "a) R 1 (\033[2J\xff)");
	return 0;
}

static void takes_any_name(void **state)
{
	struct sockaddr_storage at = address_of("127.0.0.1", 0);
	(void)state;
	int fd = listen_at(&at, false);
	struct child c = start(take_an_evil_name);
	struct holder h = look("127.0.0.1", port_of(&at));
	assert_int_equal(h.pid, getpid());
	close(fd);
	h = look("127.0.0.1", port_of(&at));
	assert_int_equal(h.pid, c.pid);
	assert_string_equal(h.name, "a) R 1 (?[2J?)");
	stop(&c);
}

/* ---- users ---- */

static int Ours; /* a socket of this process that nobody does not keep */

static void become_nobody(void)
{
	close(Ours);
	if (setgid(NOBODY) || setuid(NOBODY))
		_exit(99);
}

static uint16_t listen_as_nobody(void)
{
	struct sockaddr_storage at = address_of("127.0.0.1", 0);
	become_nobody();
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&at, size_of(&at)) || listen(fd, 1))
		_exit(98);
	tell_own(fd, &at);
	return port_of(&at);
}

static void shows_root_another_users_process(void **state)
{
	(void)state;
	if (getuid())
		skip();
	Ours = -1;
	struct child c = start(listen_as_nobody);
	struct holder h = look("127.0.0.1", c.port);
	assert_true(h.found);
	assert_int_equal(h.uid, NOBODY);
	assert_int_equal(h.pid, c.pid);
	assert_string_equal(h.name, "test_holder");
	stop(&c);
}

static void tells_others_the_user_only(void **state)
{
	struct sockaddr_storage at = address_of("127.0.0.1", 0);
	(void)state;
	if (getuid())
		skip();
	Ours = listen_at(&at, false);
	struct holder h = look_as(become_nobody, "127.0.0.1", port_of(&at));
	close(Ours);
	assert_true(h.found);
	assert_false(h.orphan);
	assert_same_address(&h.bound, &at);
	assert_int_equal(h.uid, 0);
	assert_int_equal(h.pid, 0);
	assert_string_equal(h.name, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_is_in_the_way),
		cmocka_unit_test(finds_it_without_netlink),
		cmocka_unit_test(finds_nobody_at_a_free_port),
		cmocka_unit_test(finds_several_in_one_look),
		cmocka_unit_test(prefers_the_address_itself),
		cmocka_unit_test(prefers_what_listens),
		cmocka_unit_test(prefers_ipv4_where_the_kernel_tells_less),
		cmocka_unit_test(finds_an_outgoing_connection),
		cmocka_unit_test(finds_what_is_bound_and_does_not_listen),
		cmocka_unit_test(tells_an_orphan),
		cmocka_unit_test(names_the_oldest_process),
		cmocka_unit_test(takes_any_name),
		cmocka_unit_test(shows_root_another_users_process),
		cmocka_unit_test(tells_others_the_user_only),
	};
	return cmocka_run_group_tests_name("holder", tests, own_network, NULL);
}
