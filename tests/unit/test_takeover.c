/* takeover.c in a network of its own, with older ones that hand over, that do not, and
 * that change their minds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "takeover.h"
#include "test_ipc.h"

enum { ALARM_S = 300, FIRST_PORT = 8080 };

/* What an older one does with the conversation that is the latest; it goes on until it is
 * ended. */
typedef void behaviour(int conversation);

static behaviour *Behaviour;
static uint16_t Port; /* its own */

static void be_an_older_one(void)
{
	char name[IPC_NAME];
	instance_name(name, geteuid(), "127.0.0.1", Port);
	int door = ipc_listen(name, NULL), flags = fcntl(door, F_GETFL);
	NEED(door >= 0 && !fcntl(door, F_SETFL, flags & ~O_NONBLOCK));
	raise(SIGSTOP);
	for (int fd; (fd = accept(door, NULL, NULL)) >= 0;)
		Behaviour(fd);
}

static struct beside older(behaviour *how, uint16_t port)
{
	int status;
	Behaviour = how;
	Port = port;
	struct beside b = beside_start(be_an_older_one);
	assert_int_equal(waitpid(b.pid, &status, WUNTRACED), b.pid);
	assert_true(WIFSTOPPED(status));
	return b;
}

/* ---- what they do ---- */

static void say(int fd, const char *words, size_t n)
{
	NEED(send(fd, words, n, MSG_NOSIGNAL) == (ssize_t)n);
}

#define SAY(fd, words) say(fd, words, sizeof(words) - 1)

static bool hears(int fd, const char *words)
{
	char said[1024] = "";
	return recv(fd, said, sizeof said - 1, 0) > 0 && !strcmp(said, words);
}

static void hand_over(int fd)
{
	NEED(hears(fd, INSTANCE_SPEAKS TAKEOVER_HAND_OVER));
	SAY(fd, "ok");
	SAY(fd, "127.0.0.1:8080 prod/api\n127.0.0.1:8079 prod/db\n");
	SAY(fd, TAKEOVER_ALL);
}

static void refuse(int fd)
{
	char said[64];
	if (recv(fd, said, sizeof said, 0) > 0)
		SAY(fd, "error there is no such thing\0");
	close(fd);
}

static void hear_of_its_end(int fd)
{
	hand_over(fd);
	NEED(hears(fd, INSTANCE_SPEAKS TAKEOVER_TAKEN " 127.0.0.1:8080"));
	NEED(hears(fd, INSTANCE_SPEAKS TAKEOVER_DONE));
}

static void give_way(int fd)
{
	hear_of_its_end(fd);
	SAY(fd, "ok");
	SAY(fd, "\0");
	close(fd);
}

static void stay(int fd)
{
	hear_of_its_end(fd);
	SAY(fd, TAKEOVER_STAYS);
	SAY(fd, "\0");
	close(fd);
}

static void break_off(int fd)
{
	hand_over(fd);
	close(fd);
}

/* ---- the younger one ---- */

static struct takeover T;
static size_t Told; /* lines before this test's */

static size_t lines(void)
{
	enum log_level level;
	size_t n = 0;
	while (log_recent(n, &level))
		n++;
	return n;
}

/* Whether a line of this test has these words. */
static bool told(const char *words)
{
	enum log_level level;
	const char *line;
	for (size_t i = 0; (line = log_recent(i, &level)) && i < lines() - Told; i++)
		if (strstr(line, words))
			return true;
	return false;
}

static void find(const struct beside *b, uint16_t port)
{
	struct ipc_peer peer;
	const struct instance_port at = {"127.0.0.1", port};
	assert_true(instance_of_port(&peer, geteuid(), at.address, port));
	assert_int_equal(peer.pid, b->pid);
	takeover_add(&T, &peer, &at);
}

static int begin(void **state)
{
	(void)state;
	T = (struct takeover){0};
	Told = lines();
	return 0;
}

static void kill_it(const struct beside *b)
{
	kill(b->pid, SIGKILL);
	beside_end(b);
}

static void one_that_gives_way_goes_by_itself(void **state)
{
	(void)state;
	struct beside b = older(give_way, FIRST_PORT);
	find(&b, FIRST_PORT);
	kill(b.pid, SIGCONT);
	assert_int_equal(takeover_ask(&T), 0);
	assert_false(told("Killed"));
	takeover_commit(&T);
	assert_true(told("Found conflicting nanoporter instance port=8080"));
	assert_true(told("Killed conflicting nanoporter instance port=8080"));
	assert_true(told("by=take-over"));
	assert_true(told("forward=prod/db local=127.0.0.1:8079"));
	assert_false(told("forward=prod/api"));
	takeover_end(&T);
	assert_int_equal(kill(b.pid, 0), 0);
	kill_it(&b);
}

static void of_one_that_stays_no_end_is_told(void **state)
{
	(void)state;
	struct beside b = older(stay, FIRST_PORT);
	find(&b, FIRST_PORT);
	kill(b.pid, SIGCONT);
	assert_int_equal(takeover_ask(&T), 0);
	takeover_commit(&T);
	assert_true(told("instance that goes on port=8080"));
	assert_false(told("Killed"));
	assert_false(told("forward=prod/db"));
	takeover_end(&T);
	assert_int_equal(kill(b.pid, 0), 0);
	kill_it(&b);
}

/* It has ended the conversation, but not itself. */
static void one_that_refuses_is_ended(void **state)
{
	struct buf errors = {0};
	(void)state;
	struct beside b = older(refuse, FIRST_PORT);
	find(&b, FIRST_PORT);
	kill(b.pid, SIGCONT);
	assert_int_equal(takeover_ask(&T), 1);
	assert_true(told("reason=\"there is no such thing\""));
	assert_true(takeover_kill(&T, &errors));
	assert_int_equal(WTERMSIG(beside_end(&b)), SIGTERM);
	assert_true(told("by=SIGTERM"));
	assert_int_equal(buf_len(&errors), 0);
	takeover_end(&T);
}

static void one_that_changes_its_mind_is_ended(void **state)
{
	(void)state;
	struct beside b = older(break_off, FIRST_PORT);
	find(&b, FIRST_PORT);
	kill(b.pid, SIGCONT);
	assert_int_equal(takeover_ask(&T), 0);
	takeover_commit(&T);
	assert_int_equal(WTERMSIG(beside_end(&b)), SIGTERM);
	assert_true(told("by=SIGTERM"));
	takeover_end(&T);
}

static void one_that_has_gone_is_not_signalled(void **state)
{
	struct buf errors = {0};
	(void)state;
	struct beside b = older(give_way, FIRST_PORT);
	find(&b, FIRST_PORT);
	kill_it(&b);
	assert_int_equal(takeover_ask(&T), 1);
	assert_true(takeover_kill(&T, &errors));
	assert_true(told("by=itself"));
	takeover_end(&T);
}

static void one_that_is_stopped_is_killed_and_another_hands_over(void **state)
{
	struct buf errors = {0};
	(void)state;
	struct beside silent = older(give_way, FIRST_PORT + 1), b = older(give_way, FIRST_PORT);
	find(&silent, FIRST_PORT + 1);
	find(&b, FIRST_PORT);
	kill(b.pid, SIGCONT);
	assert_int_equal(takeover_ask(&T), 1);
	assert_true(takeover_kill(&T, &errors));
	assert_int_equal(WTERMSIG(beside_end(&silent)), SIGKILL);
	assert_true(told("port=8081 pid="));
	assert_true(told("by=SIGKILL"));
	takeover_commit(&T);
	assert_true(told("by=take-over"));
	takeover_end(&T);
	kill_it(&b);
}

#define TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_gives_way_goes_by_itself),
		TEST(of_one_that_stays_no_end_is_told),
		TEST(one_that_refuses_is_ended),
		TEST(one_that_changes_its_mind_is_ended),
		TEST(one_that_has_gone_is_not_signalled),
		TEST(one_that_is_stopped_is_killed_and_another_hands_over),
	};
	if (!leave_network()) {
		printf("test_takeover: no network namespace may be made here: skipped\n");
		return 0;
	}
	log_open("/dev/null");
	alarm(ALARM_S);
	return cmocka_run_group_tests_name("takeover", tests, NULL, NULL);
}
