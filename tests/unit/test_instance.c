/* instance.c in a network of its own, among porters, strangers and processes that have
 * stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/un.h>

#include "instance.h"
#include "log.h"
#include "test_ipc.h"

enum { NOBODY = 65534, ALARM_S = 300, MANY = 1000, CROWD = 10, LONG_MS = 3600000 };

static unsigned Asked;
static char Name[IPC_NAME]; /* for processes beside */
static struct shared {
	unsigned inside, all;
} * Seen; /* shared with them */

static void on_asked(void *owner, struct ipc_call *call, const char *message)
{
	assert_ptr_equal(owner, &Asked);
	assert_string_equal(message, "who");
	Asked++;
	ipc_say(call, "me", 2);
	ipc_end(call);
	loop_stop();
}

static void on_gone(void *owner, struct ipc_call *call)
{
	(void)owner;
	(void)call;
}

static const struct ipc_ops Ops = {.asked = on_asked, .gone = on_gone};

static int begin(void **state)
{
	(void)state;
	Asked = 0;
	loop_init();
	instance_begin(&Ops, &Asked);
	return 0;
}

static int end(void **state)
{
	(void)state;
	instance_end();
	ipc_cut_all();
	loop_end();
	return 0;
}

static void claim(const uint16_t *port, size_t n)
{
	struct instance_port all[MANY];
	for (size_t i = 0; i < n; i++)
		all[i] = (struct instance_port){"127.0.0.1", port[i]};
	instance_claim(all, n);
	loop_settle();
}

#define CLAIM(...)                                                                                 \
	claim((const uint16_t[]){__VA_ARGS__},                                                     \
		sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t))

/* Who has a port's name; 0: nobody of our user. */
static pid_t who_has(uint16_t port)
{
	struct ipc_peer p;
	if (!instance_of_port(&p, geteuid(), "127.0.0.1", port))
		return p.fd < 0 ? 0 : -1;
	ipc_hang_up(&p);
	return p.pid;
}

/* ---- processes beside ---- */

static void hold_and_stop(void)
{
	NEED(ipc_listen(Name, NULL) >= 0);
	raise(SIGSTOP);
}

static void hold_as_a_stranger(void)
{
	become_a_stranger();
	hold_and_stop();
}

/* Starts what has done its work when it stops. */
static struct beside stopped(void (*run)(void))
{
	int status;
	struct beside b = beside_start(run);
	assert_int_equal(waitpid(b.pid, &status, WUNTRACED), b.pid);
	assert_true(WIFSTOPPED(status));
	return b;
}

static struct beside holder_of(const char *name, void (*run)(void))
{
	snprintf(Name, sizeof Name, "nanoporter/%u/%s", geteuid(), name);
	return stopped(run);
}

static void kill_it(const struct beside *b)
{
	kill(b->pid, SIGKILL);
	beside_end(b);
}

/* ---- ports ---- */

static void names_are_what_others_look_for(void **state)
{
	char name[IPC_NAME];
	(void)state;
	instance_name(name, 1000, "127.0.0.1", 8080);
	assert_string_equal(name, "nanoporter/1000/127.0.0.1:8080");
	instance_name(name, UINT32_MAX - 1, "::1", 65535);
	assert_string_equal(name, "nanoporter/4294967294/::1:65535");
}

static void ask_by_port(void)
{
	struct ipc_peer p;
	struct buf said = {0};
	size_t n;
	NEED(instance_of_port(&p, geteuid(), "127.0.0.1", 8080));
	NEED(p.pid == getppid() && p.uid == geteuid());
	NEED(ipc_tell(&p, "who", PATIENCE_MS, NULL));
	NEED(ipc_hear(&p, &said, NULL, &n, PATIENCE_MS, NULL) == 1);
	NEED(buf_len(&said) == 2 && !memcmp(buf_data(&said), "me", 2));
	NEED(ipc_hear(&p, &said, NULL, &n, PATIENCE_MS, NULL) == 0);
	NEED(!who_has(8081));
	NEED(!instance_of_port(&p, geteuid(), "127.0.0.2", 8080));
	NEED(!instance_of_port(&p, geteuid() + 1, "127.0.0.1", 8080));
}

static void is_found_by_its_ports(void **state)
{
	(void)state;
	CLAIM(8080);
	assert_true(run_beside(ask_by_port));
	assert_int_equal(Asked, 1);
}

static bool asked(void)
{
	return Asked;
}

/* A connection that is not accepted yet shows that it is the same socket. */
static void keeps_the_doors_of_ports_that_stay(void **state)
{
	struct ipc_peer p;
	(void)state;
	CLAIM(8082, 8080, 8081);
	assert_true(instance_of_port(&p, geteuid(), "127.0.0.1", 8081));
	assert_true(ipc_tell(&p, "who", PATIENCE_MS, NULL));
	CLAIM(8081, 8083);
	assert_int_equal(who_has(8080), 0);
	assert_int_equal(who_has(8081), getpid());
	assert_int_equal(who_has(8082), 0);
	assert_int_equal(who_has(8083), getpid());
	assert_true(loop_until(asked));
	ipc_hang_up(&p);
	instance_claim(NULL, 0);
	loop_settle();
	assert_int_equal(who_has(8081), 0);
}

static void many_ports_are_as_good_as_few(void **state)
{
	uint16_t port[MANY];
	(void)state;
	unsigned open = descriptors();
	for (uint16_t i = 0; i < MANY; i++)
		port[i] = (uint16_t)(1 + i * 7919u % 60000);
	claim(port, MANY);
	assert_int_equal(descriptors(), open + MANY);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(who_has(port[i]), getpid());
	claim(port + 1, MANY - 1);
	assert_int_equal(descriptors(), open + MANY - 1);
	assert_int_equal(who_has(port[0]), 0);
	instance_end();
	loop_settle();
	assert_int_equal(descriptors(), open - 1);
}

static unsigned lines_told(void)
{
	unsigned n = 0;
	enum log_level level;
	const char *line;
	for (size_t i = 0; (line = log_recent(i, &level)); i++)
		n += level == LOG_WARN &&
		     strstr(line, "other porters may not find this one names=1 "
				  "reason=\"cannot take the name "
				  "'@nanoporter/");
	return n;
}

static void tries_again_for_a_name_that_another_has(void **state)
{
	(void)state;
	unsigned before = lines_told();
	struct beside b = holder_of("127.0.0.1:8080", hold_and_stop);
	CLAIM(8080, 8081);
	assert_int_equal(who_has(8080), b.pid);
	assert_int_equal(who_has(8081), getpid());
	assert_int_equal(lines_told(), before);
	for (int i = 0; i < 2 * INSTANCE_TELL_MS / INSTANCE_TRY_MS; i++)
		loop_skip(INSTANCE_TRY_MS);
	assert_int_equal(lines_told(), before + 1);
	kill_it(&b);
	loop_skip(INSTANCE_TRY_MS);
	assert_int_equal(who_has(8080), getpid());
	unsigned open = descriptors();
	loop_skip(INSTANCE_TRY_MS);
	assert_int_equal(descriptors(), open);
	assert_int_equal(lines_told(), before + 1);
}

static void tries_no_more_when_it_is_not_claimed(void **state)
{
	(void)state;
	struct beside b = holder_of("127.0.0.1:8080", hold_and_stop);
	CLAIM(8080);
	CLAIM(8081);
	kill_it(&b);
	loop_skip(INSTANCE_TRY_MS);
	assert_int_equal(who_has(8080), 0);
	assert_int_equal(who_has(8081), getpid());
}

static void a_stopped_porter_is_found_and_a_stranger_is_not(void **state)
{
	struct ipc_peer p;
	(void)state;
	struct beside b = holder_of("127.0.0.1:8080", hold_and_stop);
	assert_int_equal(who_has(8080), b.pid);
	kill_it(&b);
	if (geteuid())
		skip();
	b = holder_of("127.0.0.1:8080", hold_as_a_stranger);
	assert_int_equal(who_has(8080), 0);
	assert_false(instance_of_port(&p, NOBODY, "127.0.0.1", 8080)); /* his, but our name */
	kill_it(&b);
}

/* ---- all of them ---- */

/* Another line of /proc/net/unix, with the name of one that there is. */
static void forge_a_line_and_stop(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	int n = snprintf(
		a.sun_path + 1, sizeof a.sun_path - 1, "\n0: 2 0 00010000 5 1 7 @%.60s", Name);
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)n;
	NEED(!bind(fd, (struct sockaddr *)&a, length) && !listen(fd, 1));
	raise(SIGSTOP);
}

static void find_all_but_itself(const pid_t *pid, size_t n)
{
	struct ipc_peer *list;
	unsigned open = descriptors();
	assert_int_equal(instance_all(&list), n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(list[i].pid, pid[i]);
		ipc_hang_up(&list[i]);
	}
	free(list);
	assert_int_equal(descriptors(), open);
}

static int by_number(const void *a, const void *b)
{
	return (*(const pid_t *)a > *(const pid_t *)b) - (*(const pid_t *)a < *(const pid_t *)b);
}

static void finds_all_porters_of_our_user(void **state)
{
	enum { OTHERS = 6 };
	struct beside b[OTHERS], forger, port, stranger = {0};
	pid_t pid[OTHERS];
	char name[32];
	(void)state;
	find_all_but_itself(NULL, 0);
	for (size_t i = 0; i < OTHERS; i++) {
		snprintf(name, sizeof name, "instance/%zu", i);
		b[i] = holder_of(name, hold_and_stop);
		pid[i] = b[i].pid;
	}
	forger = stopped(forge_a_line_and_stop);
	port = holder_of("127.0.0.1:8080", hold_and_stop);
	if (!geteuid())
		stranger = holder_of("instance/bad", hold_as_a_stranger);
	qsort(pid, OTHERS, sizeof *pid, by_number);
	find_all_but_itself(pid, OTHERS);
	for (size_t i = 0; i < OTHERS; i++)
		kill_it(&b[i]);
	find_all_but_itself(NULL, 0);
	kill_it(&forger);
	kill_it(&port);
	if (stranger.pid)
		kill_it(&stranger);
}

/* The accepted end of a conversation has the door's name, too. */
static void talk_and_count_those_who_come(void)
{
	struct ipc_peer p;
	int fd = ipc_listen(Name, NULL), came = 0;
	NEED(fd >= 0 && ipc_connect(&p, Name, NULL) && accept(fd, NULL, NULL) >= 0);
	raise(SIGSTOP);
	while (accept(fd, NULL, NULL) >= 0)
		came++;
	NEED(came == 1);
}

static void comes_once_to_each(void **state)
{
	(void)state;
	struct beside b = holder_of("instance/busy", talk_and_count_those_who_come);
	find_all_but_itself(&b.pid, 1);
	kill(b.pid, SIGCONT);
	assert_int_equal(beside_end(&b), 0);
}

static void ask_all(void)
{
	struct ipc_peer *list;
	struct buf said = {0};
	size_t n;
	NEED(instance_all(&list) == 1 && list->pid == getppid());
	NEED(ipc_tell(list, "who", PATIENCE_MS, NULL));
	NEED(ipc_hear(list, &said, NULL, &n, PATIENCE_MS, NULL) == 1);
}

static void find_none(void)
{
	struct ipc_peer *list;
	NEED(instance_all(&list) == 0);
}

static void is_found_without_a_port_until_it_ends(void **state)
{
	(void)state;
	assert_true(run_beside(ask_all));
	assert_int_equal(Asked, 1);
	instance_end();
	loop_settle();
	assert_true(run_beside(find_none));
}

/* ---- the lock ---- */

/* As one that starts: nobody else does meanwhile. */
static void lock_and_look(void)
{
	pid_t holder;
	int fd = instance_lock(LONG_MS, &holder);
	NEED(fd >= 0);
	NEED(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	NEED(__atomic_add_fetch(&Seen->inside, 1, __ATOMIC_SEQ_CST) == 1);
	usleep(2000);
	NEED(__atomic_sub_fetch(&Seen->inside, 1, __ATOMIC_SEQ_CST) == 0);
	__atomic_add_fetch(&Seen->all, 1, __ATOMIC_SEQ_CST);
}

static void one_starts_at_a_time(void **state)
{
	struct beside b[CROWD];
	(void)state;
	*Seen = (struct shared){0};
	for (size_t i = 0; i < CROWD; i++)
		b[i] = beside_start(lock_and_look);
	for (size_t i = 0; i < CROWD; i++)
		assert_int_equal(beside_end(&b[i]), 0);
	assert_int_equal(Seen->all, CROWD);
}

static void lock_and_stop(void)
{
	pid_t holder;
	NEED(instance_lock(0, &holder) >= 0);
	raise(SIGSTOP);
}

static void tells_who_has_the_lock(void **state)
{
	pid_t holder = 0;
	(void)state;
	struct beside b = stopped(lock_and_stop);
	unsigned open = descriptors();
	assert_int_equal(instance_lock(0, &holder), -1);
	assert_int_equal(holder, b.pid);
	holder = 0;
	assert_int_equal(instance_lock(20, &holder), -1);
	assert_int_equal(holder, b.pid);
	assert_int_equal(descriptors(), open);
	kill_it(&b);
}

static void wait_for_the_lock(void)
{
	pid_t holder;
	NEED(instance_lock(200, &holder) == -1 && holder == getppid());
}

/* Each look of one that waits would leave a connection behind. */
static void waits_for_the_lock_without_looking_again_and_again(void **state)
{
	pid_t holder;
	(void)state;
	int fd = instance_lock(0, &holder), came = 0;
	assert_true(fd >= 0);
	struct beside b = beside_start(wait_for_the_lock);
	assert_int_equal(beside_end(&b), 0);
	for (int one; (one = accept(fd, NULL, NULL)) >= 0; came++)
		close(one);
	assert_int_equal(came, 1);
	close(fd);
}

/* One that waits is woken; with luck it waits already. */
static void the_lock_goes_with_its_holder(void **state)
{
	(void)state;
	*Seen = (struct shared){0};
	struct beside b = stopped(lock_and_stop), next = beside_start(lock_and_look);
	usleep(50000);
	assert_int_equal(__atomic_load_n(&Seen->all, __ATOMIC_SEQ_CST), 0);
	kill_it(&b);
	assert_int_equal(beside_end(&next), 0);
	assert_int_equal(Seen->all, 1);
}

/* As between bind(2) and listen(2), or when it has just gone. */
static void take_the_name_only(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int n = snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "%s", Name);
	socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)n;
	NEED(!bind(socket(AF_UNIX, SOCK_SEQPACKET, 0), (struct sockaddr *)&a, length));
	raise(SIGSTOP);
}

static pid_t Muted;

static void wake_it_soon(void)
{
	usleep(50000);
	NEED(!kill(Muted, SIGCONT));
}

static void who_takes_or_leaves_the_lock_is_waited_for(void **state)
{
	pid_t holder;
	(void)state;
	struct beside mute = holder_of("starting", take_the_name_only);
	Muted = mute.pid;
	struct beside waker = beside_start(wake_it_soon);
	int fd = instance_lock(0, &holder);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(beside_end(&waker), 0);
	assert_int_equal(beside_end(&mute), 0);
	mute = holder_of("starting", take_the_name_only);
	assert_int_equal(instance_lock(LONG_MS, &holder), -1);
	assert_int_equal(holder, 0);
	kill_it(&mute);
}

static void does_not_wait_for_a_stranger_s_lock(void **state)
{
	pid_t holder = 1;
	(void)state;
	if (geteuid())
		skip();
	struct beside b = holder_of("starting", hold_as_a_stranger);
	assert_int_equal(instance_lock(LONG_MS, &holder), -1);
	assert_int_equal(holder, 0);
	kill_it(&b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names_are_what_others_look_for),
		TEST(is_found_by_its_ports),
		TEST(keeps_the_doors_of_ports_that_stay),
		TEST(many_ports_are_as_good_as_few),
		TEST(tries_again_for_a_name_that_another_has),
		TEST(tries_no_more_when_it_is_not_claimed),
		TEST(a_stopped_porter_is_found_and_a_stranger_is_not),
		TEST(finds_all_porters_of_our_user),
		TEST(comes_once_to_each),
		TEST(is_found_without_a_port_until_it_ends),
		TEST(one_starts_at_a_time),
		TEST(tells_who_has_the_lock),
		TEST(waits_for_the_lock_without_looking_again_and_again),
		TEST(the_lock_goes_with_its_holder),
		TEST(who_takes_or_leaves_the_lock_is_waited_for),
		TEST(does_not_wait_for_a_stranger_s_lock),
	};
	struct rlimit files;
	if (!leave_network()) {
		printf("test_instance: no network namespace may be made here: skipped\n");
		return 0;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max < BESIDE_FDS ? files.rlim_max : BESIDE_FDS;
	setrlimit(RLIMIT_NOFILE, &files);
	log_open("/dev/null");
	Seen = mmap(NULL, sizeof *Seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	alarm(ALARM_S);
	return cmocka_run_group_tests_name("instance", tests, NULL, NULL);
}
