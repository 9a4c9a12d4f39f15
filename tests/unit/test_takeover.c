/* takeover.c with older porters of all kinds, each a process beside: those that hand over,
 * in one message or many, those that do not, and those that end or stop on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "log.h"
#include "takeover.h"
#include "test_ipc.h"

enum { PORT = 8080, MANY = 600, PORTS = 2500, TAKEN = 64 << 10, ALARM_S = 300 };

#define PORTER(port)                                                                               \
	{                                                                                          \
		"127.0.0.1", (port)                                                                \
	}
#define HAND_OVER INSTANCE_SPEAKS TAKEOVER_HAND_OVER

/* The older one that is started next; it answers by the name of `port`, and has so many
 * forwards from that port on, with two sockets each. */
static struct far {
	uint16_t port;
	size_t forwards;
	void (*asked)(struct ipc_call *call, const char *message);
} Far;

static struct seen {
	unsigned asked, gone, done;
	ino_t inode[2 * MANY];
	char taken[TAKEN]; /* by the words, with their blanks */
} * Seen;                  /* shared by all */

static struct takeover T;
static unsigned Open; /* descriptors when the test began */

/* ---- older ones ---- */

static int Files[2 * MANY];
static struct ipc_call *Heir;

static void open_files(void)
{
	struct stat s;
	for (size_t i = 0; i < 2 * Far.forwards; i++) {
		Files[i] = socket(AF_UNIX, SOCK_DGRAM, 0);
		NEED(!fstat(Files[i], &s));
		Seen->inode[i] = s.st_ino;
	}
}

static void say(struct ipc_call *call, const char *words)
{
	ipc_say(call, words, strlen(words));
}

static void hand_files(struct ipc_call *call)
{
	struct buf text = {0};
	for (size_t at = 0, n; at < 2 * Far.forwards; at += n) {
		n = 2 * Far.forwards - at < IPC_FDS ? 2 * Far.forwards - at : IPC_FDS;
		for (size_t i = at; i < at + n; i++)
			buf_print(&text, "127.0.0.1:%zu one/f%zu\n", Far.port + i / 2, i / 2);
		buf_put(&text, "", 1);
		ipc_hand(call, (const char *)buf_data(&text), Files + at, n);
		buf_eat(&text, buf_len(&text));
	}
	buf_free(&text);
}

/* As control.c does it; `last` is the answer to the last word. */
static void hand_over(struct ipc_call *call, const char *message, const char *last)
{
	static const char Taken[] = INSTANCE_SPEAKS TAKEOVER_TAKEN;
	if (!strcmp(message, HAND_OVER)) {
		say(call, "ok");
		hand_files(call);
		say(call, TAKEOVER_ALL);
	} else if (!strncmp(message, Taken, sizeof Taken - 1)) {
		NEED(strlen(Seen->taken) + strlen(message) < TAKEN);
		strcat(Seen->taken, message + sizeof Taken - 1);
	} else {
		NEED(!strcmp(message, INSTANCE_SPEAKS TAKEOVER_DONE));
		Seen->done++;
		say(call, last);
		ipc_end(call);
		loop_stop();
	}
}

static void give_way(struct ipc_call *call, const char *message)
{
	hand_over(call, message, "ok");
}

static void stay(struct ipc_call *call, const char *message)
{
	hand_over(call, message, TAKEOVER_STAYS);
}

static void refuse(struct ipc_call *call, const char *message)
{
	NEED(!strcmp(message, HAND_OVER));
	say(call, "error not now");
	ipc_end(call);
}

static void misunderstand(struct ipc_call *call, const char *message)
{
	(void)message;
	say(call, "okay");
}

static void hang_up(struct ipc_call *call, const char *message)
{
	(void)message;
	ipc_end(call);
}

static void end_amid_the_hand_over(struct ipc_call *call, const char *message)
{
	(void)message;
	say(call, "ok");
	hand_files(call);
	_exit(0);
}

static void end_behind_it(struct ipc_call *call, const char *message)
{
	if (strcmp(message, HAND_OVER) != 0)
		_exit(0);
	give_way(call, message);
}

static void stop_behind_it(struct ipc_call *call, const char *message)
{
	if (strcmp(message, HAND_OVER) != 0)
		raise(SIGSTOP);
	give_way(call, message);
}

/* Answers when two others have been asked. */
static void wait_for_others(struct ipc_call *call, const char *message)
{
	while (__atomic_load_n(&Seen->asked, __ATOMIC_SEQ_CST) < 3)
		usleep(1000);
	give_way(call, message);
}

static void on_asked(void *owner, struct ipc_call *call, const char *message)
{
	(void)owner;
	Heir = call;
	__atomic_add_fetch(&Seen->asked, 1, __ATOMIC_SEQ_CST);
	Far.asked(call, message);
}

static void on_gone(void *owner, struct ipc_call *call)
{
	(void)owner;
	if (call != Heir)
		return;
	Seen->gone++;
	loop_stop();
}

static void be_older(void)
{
	static const struct ipc_ops Ops = {.asked = on_asked, .gone = on_gone};
	struct ipc_door door;
	char name[IPC_NAME];
	loop_init();
	open_files();
	instance_name(name, geteuid(), "127.0.0.1", Far.port);
	NEED(ipc_open(&door, name, &Ops, NULL, NULL));
	raise(SIGSTOP);
	loop_run();
	loop_settle();
}

/* Stopped, with its door open: so it stays until go_on(). */
static struct beside older(struct far far)
{
	int status;
	Far = far;
	Heir = NULL;
	struct beside b = beside_start(be_older);
	assert_int_equal(waitpid(b.pid, &status, WUNTRACED), b.pid);
	assert_true(WIFSTOPPED(status));
	return b;
}

static void go_on(const struct beside *b)
{
	kill(b->pid, SIGCONT);
}

static struct beside running(
	uint16_t port, size_t forwards, void (*asked)(struct ipc_call *call, const char *message))
{
	struct beside b = older((struct far){port, forwards, asked});
	go_on(&b);
	return b;
}

/* ---- this one ---- */

static int begin(void **state)
{
	(void)state;
	memset(Seen, 0, sizeof *Seen);
	log_line(LOG_INFO, "a test begins", NULL);
	Open = descriptors();
	return 0;
}

static int end(void **state)
{
	(void)state;
	takeover_end(&T);
	return descriptors() != Open;
}

static struct ipc_peer connected(uint16_t port)
{
	struct ipc_peer p;
	assert_true(instance_of_port(&p, geteuid(), "127.0.0.1", port));
	return p;
}

static void add(uint16_t by, uint16_t port)
{
	struct ipc_peer p = connected(by);
	takeover_add(&T, &p, &(struct instance_port)PORTER(port));
}

/* How often a line was logged in this test that has these words; %d is the pid. */
static unsigned lines(const char *form, pid_t pid)
{
	char wanted[LOG_LINE_MAX];
	enum log_level level;
	const char *line;
	unsigned n = 0;
	snprintf(wanted, sizeof wanted, form, (int)pid);
	for (size_t i = 0; (line = log_recent(i, &level)) && !strstr(line, "a test begins"); i++) {
		const char *at = strstr(line, wanted);
		n += at && (!at[strlen(wanted)] || at[strlen(wanted)] == ' ');
	}
	return n;
}

static void assert_killed(pid_t pid, const char *by)
{
	char form[200];
	snprintf(form, sizeof form,
		" INFO: Killed conflicting nanoporter instance port=8080 pid=%%d by=%s", by);
	assert_int_equal(lines(form, pid), 1);
}

static void assert_hands_nothing_over(pid_t pid, const char *reason)
{
	char form[200];
	snprintf(form, sizeof form,
		" WARN: the conflicting nanoporter instance hands nothing over pid=%%d "
		"reason=\"%s\"",
		reason);
	assert_int_equal(lines(form, pid), 1);
}

static void assert_has_the_sockets(size_t n)
{
	struct stat s;
	assert_int_equal(T.fds, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(fstat(T.fd[i], &s), 0);
		assert_int_equal(s.st_ino, Seen->inode[i]);
	}
}

static void assert_ended_by(const struct beside *b, int signo)
{
	int status = beside_end(b);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signo);
}

/* ---- those that hand over ---- */

static void takes_what_is_handed_over_and_says_so(void **state)
{
	(void)state;
	struct beside b = running(PORT, 3, give_way);
	add(PORT, PORT);
	add(PORT, PORT + 2);
	assert_int_equal(T.count, 1);
	assert_int_equal(
		lines(" INFO: Found conflicting nanoporter instance port=8080 pid=%d", b.pid), 1);
	assert_int_equal(
		lines(" INFO: Found conflicting nanoporter instance port=8082 pid=%d", b.pid), 1);
	assert_int_equal(takeover_ask(&T), 0);
	assert_has_the_sockets(6);
	assert_int_equal(Seen->done, 0);
	takeover_commit(&T);
	assert_int_equal(beside_end(&b), 0);
	assert_string_equal(Seen->taken, " 127.0.0.1:8080 127.0.0.1:8082");
	assert_int_equal(Seen->done, 1);
	assert_killed(b.pid, "take-over");
	assert_int_equal(lines(" WARN: forward ends with the conflicting nanoporter instance "
			       "forward=one/f1 local=127.0.0.1:8081 pid=%d",
				 b.pid),
		1);
	assert_int_equal(lines("pid=%d", b.pid), 5); /* two found, two killed, one lost */
}

static void tells_of_one_that_goes_on_with_the_rest(void **state)
{
	(void)state;
	struct beside b = running(PORT, 2, stay);
	add(PORT, PORT);
	assert_int_equal(takeover_ask(&T), 0);
	takeover_commit(&T);
	assert_int_equal(beside_end(&b), 0);
	assert_string_equal(Seen->taken, " 127.0.0.1:8080");
	assert_int_equal(lines(" INFO: Conflicting nanoporter instance goes on without this port "
			       "port=8080 pid=%d",
				 b.pid),
		1);
	assert_int_equal(lines("pid=%d", b.pid), 2);
}

static void many_sockets_and_ports_go_in_several_messages(void **state)
{
	(void)state;
	struct beside b = running(PORT, MANY, give_way);
	struct buf wanted = {0};
	for (uint16_t i = 0; i < PORTS; i++) {
		add(PORT, PORT + i);
		buf_print(&wanted, " 127.0.0.1:%u", PORT + i);
	}
	assert_int_equal(T.count, 1);
	assert_int_equal(takeover_ask(&T), 0);
	assert_has_the_sockets(2 * MANY);
	takeover_commit(&T);
	assert_int_equal(beside_end(&b), 0);
	assert_true(buf_len(&wanted) > IPC_MESSAGE);
	buf_put(&wanted, "", 1);
	assert_string_equal(Seen->taken, (const char *)buf_data(&wanted));
	buf_free(&wanted);
}

static void without_the_word_nothing_has_changed(void **state)
{
	(void)state;
	struct beside b = running(PORT, 2, give_way);
	add(PORT, PORT);
	assert_int_equal(takeover_ask(&T), 0);
	assert_has_the_sockets(4);
	takeover_end(&T);
	assert_int_equal(beside_end(&b), 0);
	assert_int_equal(Seen->gone, 1);
	assert_int_equal(Seen->done, 0);
	assert_string_equal(Seen->taken, "");
	assert_int_equal(lines("pid=%d", b.pid), 1);
}

/* The first one answers only when the others have been asked. */
static void asks_all_before_it_waits_for_one(void **state)
{
	(void)state;
	struct beside b[3];
	for (uint16_t i = 0; i < 3; i++) {
		b[i] = running(PORT + i, 1, i ? give_way : wait_for_others);
		add(PORT + i, PORT + i);
	}
	assert_int_equal(T.count, 3);
	assert_int_equal(takeover_ask(&T), 0);
	assert_int_equal(T.fds, 6);
	takeover_commit(&T);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(beside_end(&b[i]), 0);
	assert_int_equal(Seen->done, 3);
}

/* ---- those that do not ---- */

static void is_told_to_end(
	void (*asked)(struct ipc_call *call, const char *message), const char *reason)
{
	struct buf errors = {0};
	struct beside b = running(PORT, 1, asked);
	add(PORT, PORT);
	assert_int_equal(takeover_ask(&T), 1);
	assert_int_equal(T.fds, 0);
	assert_hands_nothing_over(b.pid, reason);
	assert_true(takeover_kill(&T, &errors));
	assert_ended_by(&b, SIGTERM);
	assert_killed(b.pid, "SIGTERM");
	assert_int_equal(buf_len(&errors), 0);
	takeover_commit(&T);
	assert_int_equal(lines("pid=%d", b.pid), 3);
}

static void one_that_refuses_is_told_to_end(void **state)
{
	(void)state;
	is_told_to_end(refuse, "not now");
}

static void one_that_does_not_understand_is_told_to_end(void **state)
{
	(void)state;
	is_told_to_end(misunderstand, "it does not understand");
}

/* The conversation has ended, but the process has not. */
static void one_that_hangs_up_is_told_to_end(void **state)
{
	(void)state;
	is_told_to_end(hang_up, "it has hung up");
}

/* Before it was added, even: its door shows who it was. */
static void one_that_has_hung_up_already_is_told_to_end(void **state)
{
	struct buf errors = {0}, said = {0};
	size_t n;
	(void)state;
	struct beside b = running(PORT, 1, hang_up);
	struct ipc_peer p = connected(PORT);
	assert_true(ipc_tell(&p, "so", PATIENCE_MS, NULL));
	assert_int_equal(ipc_hear(&p, &said, NULL, &n, PATIENCE_MS, NULL), 0);
	takeover_add(&T, &p, &(struct instance_port)PORTER(PORT));
	assert_int_equal(takeover_ask(&T), 1);
	assert_true(takeover_kill(&T, &errors));
	assert_ended_by(&b, SIGTERM);
	assert_killed(b.pid, "SIGTERM");
	buf_free(&said);
}

static void one_that_is_stopped_is_killed(void **state)
{
	struct buf errors = {0};
	(void)state;
	struct beside b = older((struct far){PORT, 1, give_way});
	add(PORT, PORT);
	assert_int_equal(takeover_ask(&T), 1);
	assert_hands_nothing_over(b.pid, "it does not answer");
	assert_true(takeover_kill(&T, &errors));
	assert_ended_by(&b, SIGKILL);
	assert_killed(b.pid, "SIGKILL");
}

static void one_that_stops_before_the_last_word_is_killed(void **state)
{
	(void)state;
	struct beside b = running(PORT, 1, stop_behind_it);
	add(PORT, PORT);
	assert_int_equal(takeover_ask(&T), 0);
	assert_has_the_sockets(2);
	takeover_commit(&T);
	assert_ended_by(&b, SIGKILL);
	assert_killed(b.pid, "SIGKILL");
}

/* What came is closed, and those that have handed over are let be. */
static void one_that_ends_amid_the_hand_over_has_ended(void **state)
{
	struct buf errors = {0};
	(void)state;
	struct beside other = running(PORT + 1, 1, give_way);
	struct beside b = running(PORT, 1, end_amid_the_hand_over);
	add(PORT, PORT);
	add(PORT + 1, PORT + 1);
	assert_int_equal(takeover_ask(&T), 1);
	assert_hands_nothing_over(b.pid, "it has broken off");
	assert_true(takeover_kill(&T, &errors));
	assert_int_equal(beside_end(&b), 0);
	assert_killed(b.pid, "itself");
	takeover_end(&T);
	assert_int_equal(beside_end(&other), 0);
	assert_int_equal(Seen->gone, 1);
	assert_int_equal(lines("pid=%d", other.pid), 1);
}

static void one_that_ends_before_the_last_word_has_ended(void **state)
{
	(void)state;
	struct beside b = running(PORT, 1, end_behind_it);
	add(PORT, PORT);
	assert_int_equal(takeover_ask(&T), 0);
	takeover_commit(&T);
	assert_int_equal(beside_end(&b), 0);
	assert_killed(b.pid, "itself");
}

/* ---- whose number it is ---- */

static void wait_for_the_end(void)
{
	for (;;)
		pause();
}

/* Neither the conversation nor the door says that it is the process that was found. */
static void a_number_that_is_another_s_by_now_is_let_be(void **state)
{
	struct buf errors = {0};
	int status;
	(void)state;
	struct beside innocent = beside_start(wait_for_the_end), b = running(PORT, 1, give_way);
	struct ipc_peer p = connected(PORT);
	kill(b.pid, SIGKILL);
	assert_ended_by(&b, SIGKILL);
	p.pid = innocent.pid;
	takeover_add(&T, &p, &(struct instance_port)PORTER(PORT));
	assert_int_equal(takeover_ask(&T), 1);
	assert_true(takeover_kill(&T, &errors));
	assert_killed(innocent.pid, "itself");
	assert_int_equal(waitpid(innocent.pid, &status, WNOHANG), 0);
	kill(innocent.pid, SIGKILL);
	assert_ended_by(&innocent, SIGKILL);
}

static void nobody_is_killed_whose_number_is_not_known(void **state)
{
	struct buf errors = {0};
	(void)state;
	struct beside b = running(PORT, 1, misunderstand);
	struct ipc_peer p = connected(PORT);
	p.pid = 0;
	takeover_add(&T, &p, &(struct instance_port)PORTER(PORT));
	assert_int_equal(takeover_ask(&T), 1);
	assert_false(takeover_kill(&T, &errors));
	buf_put(&errors, "", 1);
	assert_string_equal((const char *)buf_data(&errors),
		"port 8080 is in use by a nanoporter instance that does not end (PID: 0)\n");
	buf_free(&errors);
	takeover_end(&T);
	assert_int_equal(beside_end(&b), 0);
	assert_int_equal(Seen->gone, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(takes_what_is_handed_over_and_says_so),
		TEST(tells_of_one_that_goes_on_with_the_rest),
		TEST(many_sockets_and_ports_go_in_several_messages),
		TEST(without_the_word_nothing_has_changed),
		TEST(asks_all_before_it_waits_for_one),
		TEST(one_that_refuses_is_told_to_end),
		TEST(one_that_does_not_understand_is_told_to_end),
		TEST(one_that_hangs_up_is_told_to_end),
		TEST(one_that_has_hung_up_already_is_told_to_end),
		TEST(one_that_is_stopped_is_killed),
		TEST(one_that_stops_before_the_last_word_is_killed),
		TEST(one_that_ends_amid_the_hand_over_has_ended),
		TEST(one_that_ends_before_the_last_word_has_ended),
		TEST(a_number_that_is_another_s_by_now_is_let_be),
		TEST(nobody_is_killed_whose_number_is_not_known),
	};
	struct rlimit files;
	if (!leave_network()) {
		printf("test_takeover: no network namespace may be made here: skipped\n");
		return 0;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < BESIDE_FDS ? files.rlim_max : BESIDE_FDS;
	setrlimit(RLIMIT_NOFILE, &files);
	log_open("/dev/null");
	Seen = mmap(NULL, sizeof *Seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	alarm(ALARM_S);
	return cmocka_run_group_tests_name("takeover", tests, NULL, NULL);
}
