/* manager.c with real configurations, kubeconfigs and ports, and no API server: what is
 * kept, what is made anew, and that nothing is half done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test_manager.h"

static void expect_change(size_t kept, size_t added, size_t changed, size_t removed)
{
	assert_int_equal(Change.kept, kept);
	assert_int_equal(Change.added, added);
	assert_int_equal(Change.changed, changed);
	assert_int_equal(Change.removed, removed);
}

/* Returns the descriptor; -1: refused. */
static int connect_to(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	if (!connect(fd, (struct sockaddr *)&a, sizeof a))
		return fd;
	assert_int_equal(errno, ECONNREFUSED);
	close(fd);
	return -1;
}

static bool listens(uint16_t port)
{
	int fd = connect_to(port);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void round_once(void)
{
	struct task stop = {.on = stop_by_task};
	task_post(&stop);
	loop_run();
}

static void begins_with_what_there_is(void **state)
{
	(void)state;
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	expect_change(0, 2, 0, 0);
	assert_int_equal(manager_count(M), 2);
	assert_int_equal(manager_active(M), 0);
	assert_string_equal(forward_name(manager_forward(M, 0)), "a/s-x");
	assert_string_equal(forward_name(manager_forward(M, 1)), "b/s-y");
	assert_true(listens(Port[0]) && listens(Port[1]));
	assert_int_equal(Changed, 0);
	manager_start(M);
}

static void keeps_what_is_the_same(void **state)
{
	(void)state;
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	manager_start(M);
	struct forward *x = manager_forward(M, 0), *y = manager_forward(M, 1);
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	expect_change(2, 0, 0, 0);
	assert_ptr_equal(manager_forward(M, 0), x);
	assert_ptr_equal(manager_forward(M, 1), y);
	assert_int_equal(apply_rows("y b 1 81,z a 2 82,x a 0 80"), EXIT_OK); /* in another order */
	expect_change(2, 1, 0, 0);
	assert_ptr_equal(manager_forward(M, 0), y);
	assert_ptr_equal(manager_forward(M, 2), x);
	assert_string_equal(forward_config(x)->name, "x");
	assert_true(listens(Port[2]));
	assert_int_equal(Removed, 0);
}

static void a_new_name_alone_changes_nothing(void **state)
{
	(void)state;
	char text[TEXT];
	forward_text(text, "x", "a", 0, 80);
	assert_int_equal(apply(text), EXIT_OK);
	manager_start(M);
	struct forward *x = manager_forward(M, 0);
	memcpy(strstr(text, "[forward x]"), "[forward q]", 11);
	assert_int_equal(apply(text), EXIT_OK);
	expect_change(1, 0, 0, 0);
	assert_ptr_equal(manager_forward(M, 0), x);
	assert_string_equal(forward_config(x)->name, "q");
	assert_int_equal(Removed, 0);
}

/* Its old name is another's now. */
static void names_may_move_on(void **state)
{
	(void)state;
	char text[TEXT], *to;
	to = forward_text(text, "x", "a", 0, 80);
	assert_int_equal(apply(text), EXIT_OK);
	manager_start(M);
	struct forward *x = manager_forward(M, 0);
	memcpy(strstr(text, "[forward x]"), "[forward q]", 11);
	forward_text(to, "x", "a", 1, 80);
	assert_int_equal(apply(text), EXIT_OK);
	expect_change(1, 1, 0, 0);
	assert_ptr_equal(manager_forward(M, 0), x);
	assert_int_equal(Removed, 0);
}

/* What waits in the kernel goes to the new one. */
static void a_changed_one_keeps_its_port_open(void **state)
{
	(void)state;
	char byte;
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	manager_start(M);
	struct forward *x = manager_forward(M, 0), *y = manager_forward(M, 1);
	int fd = connect_to(Port[0]);
	assert_int_equal(apply_rows("x a 0 8080,y b 1 81"), EXIT_OK);
	expect_change(1, 0, 1, 0);
	assert_ptr_not_equal(manager_forward(M, 0), x);
	assert_ptr_equal(manager_forward(M, 1), y);
	round_once(); /* closes what was put off */
	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN); /* held, neither closed nor reset */
	assert_true(listens(Port[0]));
	assert_int_equal(Removed, 0);
	close(fd);
}

static void ports_may_be_exchanged(void **state)
{
	(void)state;
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	manager_start(M);
	assert_int_equal(apply_rows("x a 1 80,y b 0 81"), EXIT_OK);
	expect_change(0, 0, 2, 0);
	assert_int_equal(forward_local_port(manager_forward(M, 0)), Port[1]);
	round_once();
	assert_true(listens(Port[0]) && listens(Port[1]));
}

static void a_removed_one_is_told_and_closed(void **state)
{
	(void)state;
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	manager_start(M);
	assert_int_equal(apply_rows("y b 1 81"), EXIT_OK);
	expect_change(1, 0, 0, 1);
	assert_int_equal(Removed, 1);
	assert_string_equal(Removed_name, "a/s-x");
	round_once();
	assert_false(listens(Port[0]));
	assert_true(listens(Port[1]));
}

/* ---- what a person, or another porter, wants ---- */

static void what_is_stopped_stays_so(void **state)
{
	(void)state;
	struct err e = {0};
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	manager_start(M);
	assert_int_equal(manager_wanted(M), 2);
	forward_stop(manager_forward(M, 0));
	assert_int_equal(manager_wanted(M), 1);
	assert_int_equal(apply_rows("y b 1 81,x a 0 80"), EXIT_OK); /* kept */
	assert_int_equal(forward_state(manager_forward(M, 1)), FORWARD_STOPPED);
	assert_int_equal(apply_rows("y b 1 81,x a 2 8080"), EXIT_OK); /* changed */
	expect_change(1, 0, 1, 0);
	assert_int_equal(forward_state(manager_forward(M, 1)), FORWARD_STOPPED);
	assert_int_equal(manager_wanted(M), 1);
	round_once();
	assert_false(listens(Port[0]) || listens(Port[2]));
	assert_int_equal(apply_rows("y b 1 82,z a 3 80"), EXIT_OK); /* another */
	expect_change(0, 1, 1, 1);
	assert_int_equal(manager_wanted(M), 2);
	assert_true(listens(Port[1]) && listens(Port[3]));
	assert_int_equal(apply_rows("y b 1 82,x a 0 80"), EXIT_OK); /* it was forgotten */
	assert_int_equal(manager_wanted(M), 2);
	assert_true(forward_resume(manager_forward(M, 1), &e)); /* as there is nothing to do */
}

static void a_changed_one_that_is_resumed_is_as_configured(void **state)
{
	(void)state;
	struct err e = {0};
	assert_int_equal(apply_rows("x a 0 80"), EXIT_OK);
	manager_start(M);
	forward_stop(manager_forward(M, 0));
	assert_int_equal(apply_rows("x a 1 8080"), EXIT_OK);
	assert_true(forward_resume(manager_forward(M, 0), &e));
	assert_int_equal(manager_wanted(M), 1);
	assert_true(listens(Port[1]));
}

static void finds_by_either_name(void **state)
{
	(void)state;
	bool several = true;
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	struct forward *x = manager_forward(M, 0), *y = manager_forward(M, 1);
	assert_ptr_equal(manager_find(M, "x", &several), x);
	assert_false(several);
	assert_ptr_equal(manager_find(M, "b/s-y", &several), y);
	assert_ptr_equal(manager_find(M, "y", NULL), y);
	several = true;
	assert_null(manager_find(M, "s-x", &several));
	assert_false(several);
	assert_ptr_equal(manager_find_port(M, "127.0.0.1", Port[1]), y);
	assert_null(manager_find_port(M, "127.0.0.2", Port[1]));
	assert_null(manager_find_port(M, "127.0.0.1", Port[2]));
}

/* Two ports of one service; and a section that is called as they are. */
static void finds_none_where_several_are_called_so(void **state)
{
	(void)state;
	bool several = false;
	char text[TEXT], *to = text;
	to = forward_text(to, "x", "a", 0, 80);
	to = forward_text(to, "x", "a", 1, 81);
	memcpy(strstr(text + 1, "[forward x]"), "[forward q]", 11);
	assert_int_equal(apply(text), EXIT_OK);
	struct forward *x = manager_forward(M, 0), *q = manager_forward(M, 1);
	assert_null(manager_find(M, "a/s-x", &several));
	assert_true(several);
	assert_null(manager_find(M, "a/s-x", NULL));
	assert_ptr_equal(manager_find(M, "x", &several), x);
	assert_false(several);
	assert_ptr_equal(manager_find(M, "q", &several), q);
	sprintf(to,
		"[forward a/s-x]\ncluster = b\nnamespace = n\nservice = z\ntype = pod\n"
		"local_port = %u\nremote_port = 80\n",
		Port[2]);
	assert_int_equal(apply(text), EXIT_OK);
	assert_ptr_equal(manager_find(M, "a/s-x", &several), manager_forward(M, 2));
	assert_false(several);
}

static int listen_at(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* Those of another porter.  What waits there is taken here. */
static void sockets_may_come_from_outside(void **state)
{
	(void)state;
	int lent[] = {listen_at(Port[2]), listen_at(Port[0])}, waits = connect_to(Port[0]);
	manager_lend(M, lent, 2);
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	close(lent[0]);
	close(lent[1]);
	manager_start(M);
	for (int i = 0; i < PATIENCE_MS / QUIET_MS && !manager_connections(M); i++)
		loop_until_quiet();
	assert_int_equal(manager_connections(M), 1);
	assert_true(listens(Port[0]) && listens(Port[1]) && !listens(Port[2]));
	close(waits);
}

static void sockets_are_lent_for_one_change(void **state)
{
	(void)state;
	int lent = listen_at(Port[0]);
	manager_lend(M, &lent, 1);
	assert_int_equal(apply_rows("y b 1 81"), EXIT_OK);
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_PORT);
	close(lent);
}

static void all_of_them_drain(void **state)
{
	(void)state;
	int copy[2 * LISTENER_SOCKETS];
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	manager_start(M);
	size_t n = forward_sockets(manager_forward(M, 0), copy);
	n += forward_sockets(manager_forward(M, 1), copy + n);
	assert_int_equal(n, 2);
	for (size_t i = 0; i < n; i++)
		copy[i] = dup(copy[i]);
	int held = connect_to(Port[0]);
	for (int i = 0; i < PATIENCE_MS / QUIET_MS && !manager_connections(M); i++)
		loop_until_quiet();
	manager_drain(M);
	assert_int_equal(manager_wanted(M), 0);
	assert_int_equal(manager_connections(M), 1);
	unsigned changed = Changed;
	loop_until_quiet();
	assert_int_equal(Changed, changed + 2);
	assert_true(listens(Port[0]) && listens(Port[1]));
	setsockopt(
		held, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
	close(held);
	for (int i = 0; i < PATIENCE_MS / QUIET_MS && manager_connections(M); i++)
		loop_until_quiet();
	assert_int_equal(Changed, changed + 3);
	assert_int_equal(manager_connections(M), 0);
	close(copy[0]);
	close(copy[1]);
	assert_false(listens(Port[0]) || listens(Port[1]));
}

/* ---- kubeconfigs that change ---- */

/* How often that was logged. */
static unsigned logged(const char *words)
{
	enum log_level level;
	unsigned n = 0;
	for (size_t i = 0; log_recent(i, &level); i++)
		n += strstr(log_recent(i, &level), words) != NULL;
	return n;
}

static const char Again[] = "kubeconfig read again cluster=a";
static const char Not_used[] = "the changed kubeconfig is not used cluster=a";

/* One that is asked, and never answers. */
static int server(uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static bool is_asked(int fd)
{
	int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (got >= 0)
		close(got);
	return got >= 0;
}

static void round_by_time(void)
{
	struct timer poll = {.on = stop_by_timer};
	timer_after(&poll, QUIET_MS);
	while (timer_is_set(&poll))
		loop_run();
}

static void wait_till_asked(int fd)
{
	bool asked = false;
	for (int i = 0; i < PATIENCE_MS / QUIET_MS && !(asked = is_asked(fd)); i++)
		round_by_time();
	assert_true(asked);
}

static void wait_till_logged(const char *words, unsigned times)
{
	for (int i = 0; i < PATIENCE_MS / QUIET_MS && logged(words) < times; i++)
		round_by_time();
	assert_int_equal(logged(words), times);
}

/* Two contexts at servers of their own. */
static void put_contexts(const char *name, const char *current, uint16_t x, uint16_t y)
{
	char text[TEXT];
	snprintf(text, sizeof text,
		"clusters: [{name: c, cluster: {server: 'https://127.0.0.1:%u'}}, "
		"{name: d, cluster: {server: 'https://127.0.0.1:%u'}}]\n"
		"users: [{name: u, user: {token: t}}]\n"
		"contexts: [{name: x, context: {cluster: c, user: u}}, "
		"{name: y, context: {cluster: d, user: u}}]\n"
		"current-context: %s\n",
		x, y, current);
	put(name, text);
}

/* Its first tries have failed, and the next is not before an hour. */
static struct forward *start_and_fail(void)
{
	char text[TEXT] = "[porter]\nreconnect_delay = 1h\n";
	forward_text(text + strlen(text), "x", "a", 0, 80);
	assert_int_equal(apply(text), EXIT_OK);
	manager_start(M);
	loop_until_quiet();
	return manager_forward(M, 0);
}

static void another_kubeconfig_is_taken_over(void **state)
{
	(void)state;
	unsigned before = logged(Again);
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	manager_start(M);
	struct forward *x = manager_forward(M, 0), *y = manager_forward(M, 1);
	put_kubeconfig("one", "third");
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	expect_change(2, 0, 0, 0);
	assert_ptr_equal(manager_forward(M, 0), x);
	assert_ptr_equal(manager_forward(M, 1), y);
	assert_int_equal(logged(Again), before + 1);
	round_once();
	assert_true(listens(Port[0]));
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	assert_int_equal(logged(Again), before + 1); /* it is what it was taken for */
}

static void a_reload_leads_to_another_server(void **state)
{
	uint16_t port;
	int fd = server(&port);
	(void)state;
	struct forward *x = start_and_fail();
	put_contexts("one", "x", port, 1);
	assert_int_equal(apply_rows("x a 0 80"), EXIT_OK);
	expect_change(1, 0, 0, 0);
	assert_ptr_equal(manager_forward(M, 0), x);
	wait_till_asked(fd);
	close(fd);
}

/* Each time anew, whoever has written it. */
static void a_changed_file_is_used_without_a_reload(void **state)
{
	uint16_t port[2];
	int fd[2] = {server(&port[0]), server(&port[1])};
	(void)state;
	struct forward *x = start_and_fail();
	for (int i = 0; i < 2; i++) {
		put_contexts("new", "x", port[i], 1);
		assert_int_equal(rename("new", "one"), 0);
		wait_till_asked(fd[i]);
		assert_ptr_equal(manager_forward(M, 0), x);
		close(fd[i]);
	}
	assert_int_equal(manager_count(M), 1);
	assert_int_equal(Removed, 0);
}

static void a_broken_file_leaves_what_was(void **state)
{
	uint16_t port;
	int fd = server(&port);
	(void)state;
	unsigned again = logged(Again), not_used = logged(Not_used);
	struct forward *x = start_and_fail();
	put("one", "clusters: [");
	wait_till_logged(Not_used, not_used + 1);
	assert_ptr_equal(manager_forward(M, 0), x);
	assert_true(listens(Port[0]));
	assert_int_equal(logged(Again), again);
	put_contexts("one", "x", port, 1);
	wait_till_asked(fd);
	assert_int_equal(logged(Again), again + 1);
	close(fd);
}

/* By `kubectl config use-context`, nobody is moved; by a reload. */
static void a_context_is_found_once(void **state)
{
	uint16_t port[2];
	int fd[2] = {server(&port[0]), server(&port[1])};
	(void)state;
	put_contexts("one", "x", 1, 1);
	start_and_fail();
	put_contexts("one", "y", port[0], port[1]);
	wait_till_asked(fd[0]);
	loop_until_quiet();
	assert_false(is_asked(fd[1]));
	assert_int_equal(apply_rows("x a 0 80"), EXIT_OK);
	wait_till_asked(fd[1]);
	expect_change(1, 0, 0, 0);
	close(fd[0]);
	close(fd[1]);
}

static void what_fails_takes_no_kubeconfig_over(void **state)
{
	(void)state;
	unsigned before = logged(Again);
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	manager_start(M);
	put_kubeconfig("one", "third");
	put("two", "clusters: [");
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_CONFIG);
	assert_int_equal(logged(Again), before);
	put_kubeconfig("two", "second");
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	assert_int_equal(logged(Again), before + 1);
	expect_change(2, 0, 0, 0);
}

static unsigned warnings(void)
{
	enum log_level level;
	unsigned n = 0;
	for (size_t i = 0; log_recent(i, &level); i++)
		n += level == LOG_WARN;
	return n;
}

static void a_kubeconfig_that_others_can_read_is_told_once(void **state)
{
	(void)state;
	enum log_level level;
	assert_int_equal(chmod("one", 0600), 0);
	assert_int_equal(chmod("two", 0640), 0);
	unsigned before = warnings();
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	assert_int_equal(warnings(), before + 1);
	assert_non_null(strstr(log_recent(0, &level), "/two can be read by its group"));
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	assert_int_equal(warnings(), before + 1);
	put_kubeconfig("two", "fourth");
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	assert_int_equal(warnings(), before + 2);
}

/* All that is wrong is said, and nothing is changed. */
static void what_fails_changes_nothing(void **state)
{
	(void)state;
	char words[TEXT];
	assert_int_equal(apply_rows("x a 0 80,y b 1 81"), EXIT_OK);
	manager_start(M);
	struct forward *x = manager_forward(M, 0), *y = manager_forward(M, 1);
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons(Port[3]),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int taken = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(taken, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(taken, 1), 0);
	assert_int_equal(apply_rows("x a 0 8080,z a 2 80,y b 3 81"), EXIT_PORT);
	snprintf(words, sizeof words,
		"cannot listen on 127.0.0.1:%u for 'b/s-y': another process uses it; stop that, "
		"or change local_port (porter.ini:27)\n",
		Port[3]);
	assert_string_equal(Errors, words);
	put("one", "clusters: [");
	assert_int_equal(apply_rows("x a 0 80,y b 3 81"), EXIT_CONFIG);
	assert_non_null(strstr(Errors, "cluster 'a': "));
	assert_non_null(strstr(Errors, "/one:1: "));
	assert_non_null(strstr(Errors, "(porter.ini:1)\n"));
	assert_non_null(strstr(Errors, "cannot listen on")); /* is said as well */
	round_once();
	assert_int_equal(manager_count(M), 2);
	assert_ptr_equal(manager_forward(M, 0), x);
	assert_ptr_equal(manager_forward(M, 1), y);
	assert_true(listens(Port[0]) && listens(Port[1]) && !listens(Port[2]));
	assert_int_equal(Removed, 0);
	close(taken);
}

static void settings_change_while_forwards_go_on(void **state)
{
	(void)state;
	char text[TEXT] = "[porter]\ncheck_interval = 3s\nhold = 1s\ntunnels = 1\n";
	assert_int_equal(apply_rows("x a 0 80"), EXIT_OK);
	manager_start(M);
	struct forward *x = manager_forward(M, 0);
	forward_text(text + strlen(text), "x", "a", 0, 80);
	assert_int_equal(apply(text), EXIT_OK);
	expect_change(1, 0, 0, 0);
	assert_ptr_equal(manager_forward(M, 0), x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(begins_with_what_there_is, begin, end),
		cmocka_unit_test_setup_teardown(keeps_what_is_the_same, begin, end),
		cmocka_unit_test_setup_teardown(a_new_name_alone_changes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(names_may_move_on, begin, end),
		cmocka_unit_test_setup_teardown(a_changed_one_keeps_its_port_open, begin, end),
		cmocka_unit_test_setup_teardown(ports_may_be_exchanged, begin, end),
		cmocka_unit_test_setup_teardown(a_removed_one_is_told_and_closed, begin, end),
		cmocka_unit_test_setup_teardown(what_is_stopped_stays_so, begin, end),
		cmocka_unit_test_setup_teardown(
			a_changed_one_that_is_resumed_is_as_configured, begin, end),
		cmocka_unit_test_setup_teardown(finds_by_either_name, begin, end),
		cmocka_unit_test_setup_teardown(finds_none_where_several_are_called_so, begin, end),
		cmocka_unit_test_setup_teardown(sockets_may_come_from_outside, begin, end),
		cmocka_unit_test_setup_teardown(sockets_are_lent_for_one_change, begin, end),
		cmocka_unit_test_setup_teardown(all_of_them_drain, begin, end),
		cmocka_unit_test_setup_teardown(another_kubeconfig_is_taken_over, begin, end),
		cmocka_unit_test_setup_teardown(a_reload_leads_to_another_server, begin, end),
		cmocka_unit_test_setup_teardown(
			a_changed_file_is_used_without_a_reload, begin, end),
		cmocka_unit_test_setup_teardown(a_broken_file_leaves_what_was, begin, end),
		cmocka_unit_test_setup_teardown(a_context_is_found_once, begin, end),
		cmocka_unit_test_setup_teardown(what_fails_takes_no_kubeconfig_over, begin, end),
		cmocka_unit_test_setup_teardown(
			a_kubeconfig_that_others_can_read_is_told_once, begin, end),
		cmocka_unit_test_setup_teardown(what_fails_changes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(settings_change_while_forwards_go_on, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
