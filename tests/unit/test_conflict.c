/* conflict.c among processes that have ports and names, in a network of their own: who is
 * in the way, in words, and that nobody is touched.  Taking over is test_takeover.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "conflict.h"
#include "test_ipc.h"
#include "test_tcptable.h"

enum { PORT = 8080, TEXT = 1024, ALARM_S = 300 };

static struct conflict X;
static struct config_cluster Cluster = {.name = "prod", .line = 3};
static struct config_forward Forward;
static struct config Config = {.clusters = &Cluster, .forwards = &Forward, .forward_count = 1};
static char Errors[TEXT], Words[TEXT];
static const char *At; /* for processes beside */
static struct beside Holder[2];
static size_t Holders;

static int begin(void **state)
{
	(void)state;
	Config.path = "porter.ini";
	Config.cluster_count = 0; /* none is opened */
	Forward = (struct config_forward){.target.name = "api",
		.target.namespace = "shop",
		.local_address = "127.0.0.1",
		.local_port = PORT,
		.port_line = 9};
	loop_init();
	return 0;
}

static int end(void **state)
{
	(void)state;
	conflict_end(&X);
	loop_end();
	while (Holders) { /* of a test that has failed */
		kill(Holder[--Holders].pid, SIGKILL);
		beside_end(&Holder[Holders]);
	}
	return 0;
}

static void keep(struct buf *errors)
{
	snprintf(Errors, sizeof Errors, "%.*s", (int)buf_len(errors),
		buf_len(errors) ? (const char *)buf_data(errors) : "");
	buf_free(errors);
}

/* Ends what it began: others start in the meantime. */
static enum exit_status settle(enum conflict_policy policy)
{
	struct buf errors = {0};
	enum exit_status status = conflict_settle(&X, &Config, policy, &errors);
	conflict_end(&X);
	keep(&errors);
	return status;
}

static bool is_free(void)
{
	struct buf errors = {0};
	bool is = conflict_free_ports(&Config, &errors);
	keep(&errors);
	return is;
}

/* ---- processes beside ---- */

static void listen_there(const char *address)
{
	struct sockaddr_storage at = address_of(address, PORT);
	NEED(listen_at(&at, true) >= 0);
}

static void have_name(unsigned uid, const char *address)
{
	char name[IPC_NAME];
	instance_name(name, uid, address, PORT);
	NEED(ipc_listen(name, NULL) >= 0);
}

static void hold_port(void)
{
	listen_there(At);
	raise(SIGSTOP);
}

static void hold_both_addresses(void)
{
	listen_there("127.0.0.1");
	hold_port();
}

static void hold_name(void)
{
	have_name(geteuid(), At);
	raise(SIGSTOP);
}

static void hold_both(void)
{
	listen_there(At);
	have_name(geteuid(), "127.0.0.1");
	raise(SIGSTOP);
}

static void hold_both_as_a_stranger(void)
{
	become_a_stranger();
	hold_both();
}

static void hold_port_and_our_name_as_a_stranger(void)
{
	unsigned we = geteuid();
	become_a_stranger();
	listen_there(At);
	have_name(we, At);
	raise(SIGSTOP);
}

/* Starts what has done its work when it stops, and answers nothing. */
static pid_t holder(void (*run)(void), const char *address)
{
	int status;
	At = address;
	const struct beside *b = &Holder[Holders++];
	Holder[Holders - 1] = beside_start(run);
	assert_int_equal(waitpid(b->pid, &status, WUNTRACED), b->pid);
	assert_true(WIFSTOPPED(status));
	return b->pid;
}

/* They were left alone. */
static void end_holders(void)
{
	int status;
	while (Holders) {
		const struct beside *b = &Holder[Holders - 1];
		assert_int_equal(waitpid(b->pid, &status, WNOHANG), 0);
		kill(b->pid, SIGKILL);
		Holders--;
		assert_int_equal(WTERMSIG(beside_end(b)), SIGKILL);
	}
}

/* ---- words ---- */

static const char Elsewhere[] = "change local_port of 'prod/api' (porter.ini:9)\n";

static void words_of_stranger(pid_t pid)
{
	snprintf(Words, sizeof Words,
		"port 8080 is in use by non-nanoporter process: test_conflict (PID: %d)\n"
		"  stop it, or %s",
		(int)pid, Elsewhere);
}

static void words_of_ours(pid_t pid)
{
	snprintf(Words, sizeof Words,
		"port 8080 is in use by another nanoporter instance (PID: %d)\n"
		"  stop it with 'porter -stop -pid %d', take over from it with "
		"-on-conflict=takeover, or %s",
		(int)pid, (int)pid, Elsewhere);
}

static void assert_refused(enum conflict_policy policy)
{
	assert_int_equal(settle(policy), EXIT_PORT);
	assert_string_equal(Errors, Words);
}

/* Whatever is wanted, and also where nobody starts. */
static void assert_in_the_way(void)
{
	assert_refused(CONFLICT_TAKE_OVER);
	assert_refused(CONFLICT_FAIL);
	assert_false(is_free());
	assert_string_equal(Errors, Words);
}

static void begins_where_ports_are_free_and_keeps_the_lock(void **state)
{
	struct buf errors = {0};
	const int *fd;
	pid_t who;
	(void)state;
	assert_true(is_free());
	assert_int_equal(conflict_settle(&X, &Config, CONFLICT_TAKE_OVER, &errors), EXIT_OK);
	assert_int_equal(buf_len(&errors), 0);
	assert_int_equal(conflict_sockets(&X, &fd), 0);
	assert_int_equal(instance_lock(0, &who), -1);
	assert_int_equal(who, getpid());
	conflict_end(&X);
	int lock = instance_lock(0, &who);
	assert_true(lock >= 0);
	close(lock);
}

static void names_a_stranger(void **state)
{
	(void)state;
	pid_t b = holder(hold_port, "127.0.0.1");
	words_of_stranger(b);
	assert_in_the_way();
	Config.path = NULL; /* the command line has no lines */
	*strstr(Words, " (porter.ini") = '\0';
	strcat(Words, "\n");
	assert_in_the_way();
	end_holders();
}

/* Only the user is known there. */
static void start_as_a_stranger(void)
{
	static const char Begin[] = "port 8080 is in use by non-nanoporter process: one of user "
				    "root (PID: unknown)\n";
	become_a_stranger();
	NEED(!is_free());
	NEED(!strncmp(Errors, Begin, sizeof Begin - 1));
}

static void names_the_user_of_a_process_that_it_may_not_see(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	holder(hold_port, "127.0.0.1");
	assert_true(run_beside(start_as_a_stranger));
	end_holders();
}

static void tells_of_one_at_two_addresses_once(void **state)
{
	(void)state;
	if (!has_ipv6())
		skip();
	pid_t a = holder(hold_port, "127.0.0.1"), b = holder(hold_port, "::1");
	char both[2 * TEXT];
	words_of_stranger(a);
	strcpy(both, Words);
	words_of_stranger(b);
	strcat(both, Words);
	assert_int_equal(settle(CONFLICT_TAKE_OVER), EXIT_PORT);
	assert_string_equal(Errors, both);
	Forward.address_is_set = true;
	words_of_stranger(a);
	assert_in_the_way();
	end_holders();
	Forward.address_is_set = false;
	words_of_stranger(holder(hold_both_addresses, "::1"));
	assert_in_the_way();
	end_holders();
	b = holder(hold_port, "::"); /* of IPv6 only */
	words_of_stranger(b);
	assert_in_the_way();
	end_holders();
}

static void one_of_ours_is_in_the_way_where_that_is_wanted(void **state)
{
	(void)state;
	pid_t b = holder(hold_both, "127.0.0.1");
	words_of_ours(b);
	assert_refused(CONFLICT_FAIL);
	assert_false(is_free());
	assert_string_equal(Errors, Words);
	end_holders();
}

/* It goes by the other one's name. */
static void one_of_ours_is_known_by_its_second_address(void **state)
{
	(void)state;
	if (!has_ipv6())
		skip();
	Forward.local_address = "::1";
	Forward.address_is_set = true;
	pid_t b = holder(hold_both, "::1");
	words_of_ours(b);
	assert_refused(CONFLICT_FAIL);
	end_holders();
}

static void a_name_alone_makes_no_porter(void **state)
{
	(void)state;
	holder(hold_name, "127.0.0.1");
	pid_t b = holder(hold_port, "127.0.0.1");
	words_of_stranger(b);
	assert_in_the_way();
	end_holders();
	holder(hold_name, "127.0.0.1");
	assert_true(is_free());
	end_holders();
}

static void another_users_is_named_as_such(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	pid_t b = holder(hold_both_as_a_stranger, "127.0.0.1");
	snprintf(Words, sizeof Words,
		"port 8080 is in use by a nanoporter of another user: nobody (PID: %d)\n"
		"  have it stopped by nobody, or %s",
		(int)b, Elsewhere);
	assert_in_the_way();
	end_holders();
	b = holder(hold_port_and_our_name_as_a_stranger, "127.0.0.1");
	words_of_stranger(b);
	assert_in_the_way();
	end_holders();
}

static void what_is_its_own_is_not_in_its_way(void **state)
{
	struct sockaddr_storage at = address_of("127.0.0.1", PORT);
	(void)state;
	int fd = listen_at(&at, false);
	assert_true(is_free());
	close(fd);
	Forward.local_port = 0; /* any */
	assert_true(is_free());
}

static void tells_what_else_is_wrong(void **state)
{
	static char None[] = "/nowhere/kubeconfig";
	(void)state;
	pid_t b = holder(hold_port, "127.0.0.1");
	Cluster.kubeconfig = None;
	Config.cluster_count = 1;
	assert_int_equal(settle(CONFLICT_TAKE_OVER), EXIT_CONFIG);
	words_of_stranger(b);
	assert_memory_equal(Errors, "cluster 'prod'", strlen("cluster 'prod'"));
	assert_string_equal(strchr(Errors, '\n') + 1, Words);
	end_holders();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(begins_where_ports_are_free_and_keeps_the_lock),
		TEST(names_a_stranger),
		TEST(names_the_user_of_a_process_that_it_may_not_see),
		TEST(tells_of_one_at_two_addresses_once),
		TEST(one_of_ours_is_in_the_way_where_that_is_wanted),
		TEST(one_of_ours_is_known_by_its_second_address),
		TEST(a_name_alone_makes_no_porter),
		TEST(another_users_is_named_as_such),
		TEST(what_is_its_own_is_not_in_its_way),
		TEST(tells_what_else_is_wrong),
	};
	if (geteuid()) {
		printf("test_conflict: no network namespace may be made here: skipped\n");
		return 0;
	}
	alarm(ALARM_S);
	return cmocka_run_group_tests_name("conflict", tests, own_network, NULL);
}
