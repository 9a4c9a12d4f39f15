/* control.c over real forwards, asked by processes beside: each verb, names, and a hand-over
 * that is carried out, broken off, or not to be had. */
#include "control.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "instance.h"
#include "ipc.h"
#include "takeover.h"
#include "test_ipc.h"
#include "test_manager.h"

static struct status_of Self = {.pid = 4711, .version = "0.1.0", .config = "/etc/porter.ini"};
static bool Keeps;
static unsigned Stops, Takeovers;
static pid_t Heir;
static char Question[TEXT], Answer[TEXT]; /* of the process beside */

/* As the end of the process is seen by who has asked for it. */
static void on_stop(void)
{
	Stops++;
	ipc_cut_all();
}

static void on_taken_over(pid_t by)
{
	Takeovers++;
	Heir = by;
}

static bool keeps_others(void)
{
	return Keeps;
}

static int begin_control(void **state)
{
	begin(state);
	Keeps = false;
	Stops = Takeovers = 0;
	Heir = 0;
	Self.config = "/etc/porter.ini";
	Self.draining = false;
	return 0;
}

static void start(const char *rows)
{
	static const struct control_spec Spec = {NULL, &Self, on_stop, on_taken_over, keeps_others};
	struct control_spec spec = Spec;
	spec.manager = M;
	assert_int_equal(apply_rows(rows), EXIT_OK);
	manager_start(M);
	control_begin(&spec);
}

static int end_control(void **state)
{
	control_end();
	ipc_cut_all();
	return end(state);
}

static enum forward_state state_of(size_t i)
{
	return forward_state(manager_forward(M, i));
}

/* ---- beside ---- */

static bool connect_by(int port, struct ipc_peer *p)
{
	return instance_of_port(p, geteuid(), "127.0.0.1", Port[port]);
}

static void say(struct ipc_peer *p, const char *verb, const char *argument)
{
	char text[TEXT];
	snprintf(text, sizeof text, INSTANCE_SPEAKS "%s%s%s", verb, argument ? " " : "",
		argument ? argument : "");
	NEED(ipc_tell(p, text, PATIENCE_MS, NULL));
}

/* As ipc_hear(), with a NUL behind the text. */
static int hear(struct ipc_peer *p, char text[TEXT], int fd[IPC_FDS], size_t *n)
{
	struct buf said = {0};
	int got = ipc_hear(p, &said, fd, n, PATIENCE_MS, NULL);
	snprintf(text, TEXT, "%.*s", (int)buf_len(&said), (const char *)buf_data(&said));
	buf_free(&said);
	return got;
}

static bool hears(struct ipc_peer *p, const char *want)
{
	char text[TEXT];
	size_t n;
	if (hear(p, text, NULL, &n) == 1 && !strcmp(text, want))
		return true;
	fprintf(stderr, "\"%s\" instead of \"%s\"\n", text, want);
	return false;
}

static bool has_ended(struct ipc_peer *p)
{
	char text[TEXT];
	size_t n;
	return hear(p, text, NULL, &n) == 0;
}

/* By the second port: the first may not be forwarded. */
static void ask(void)
{
	struct ipc_peer p;
	NEED(connect_by(1, &p));
	NEED(ipc_tell(&p, Question, PATIENCE_MS, NULL));
	NEED(hears(&p, Answer));
}

static void expect(const char *question, const char *answer)
{
	snprintf(Question, sizeof Question, "%s", question);
	snprintf(Answer, sizeof Answer, "%s", answer);
	assert_true(run_beside(ask));
}

/* ---- verbs ---- */

#define NOT_UNDERSTOOD                                                                             \
	"error this porter does not understand what it is asked: is it another version?"

static void understands_its_verbs_only(void **state)
{
	static const char *const Row[] = {"nanoporter/2 status", "nanoporter/1", "nanoporter/1 ",
		"status", "nanoporter/1 statu", "nanoporter/1 statuses", "nanoporter/1 status x",
		"nanoporter/1 disable", "nanoporter/1 disablex", "nanoporter/1  stop"};
	(void)state;
	start("x a 0 80,y b 1 81");
	for (size_t i = 0; i < sizeof Row / sizeof *Row; i++)
		expect(Row[i], NOT_UNDERSTOOD);
	assert_int_equal(Stops, 0);
}

static void ask_config_twice(void)
{
	struct ipc_peer p;
	NEED(connect_by(0, &p));
	say(&p, "config", NULL);
	NEED(hears(&p, "ok /etc/porter.ini"));
	say(&p, "config", NULL);
	NEED(hears(&p, "ok /etc/porter.ini"));
}

static void tells_its_configuration_and_may_be_asked_more(void **state)
{
	(void)state;
	start("x a 0 80,y b 1 81");
	assert_true(run_beside(ask_config_twice));
	Self.config = NULL;
	expect("nanoporter/1 config", "ok ");
}

static void ask_status(void)
{
	struct ipc_peer p;
	char text[TEXT];
	size_t n;
	for (int json = 0; json <= 1; json++) {
		NEED(connect_by(0, &p));
		say(&p, json ? "status-json" : "status", NULL);
		NEED(hears(&p, "ok"));
		NEED(hear(&p, text, NULL, &n) == 1);
		NEED(strstr(text, json ? "{\"version\":1," : "porter 0.1.0, pid 4711, ") == text);
		NEED(has_ended(&p));
	}
}

static void tells_its_status_in_both_forms(void **state)
{
	(void)state;
	start("x a 0 80,y b 1 81");
	assert_true(run_beside(ask_status));
}

static void ask_to_stop(void)
{
	struct ipc_peer p;
	char text[TEXT];
	size_t n;
	NEED(connect_by(0, &p));
	say(&p, "stop", NULL);
	NEED(hears(&p, "ok"));
	NEED(hear(&p, text, NULL, &n) == -1);
}

static void a_stop_is_answered_until_the_end(void **state)
{
	(void)state;
	start("x a 0 80,y b 1 81");
	assert_true(run_beside(ask_to_stop));
	assert_int_equal(Stops, 1);
}

/* ---- one forward ---- */

static void stops_and_resumes_a_forward_by_either_name(void **state)
{
	(void)state;
	start("x a 0 80,y b 1 81");
	expect("nanoporter/1 disable x", "ok");
	assert_int_equal(state_of(0), FORWARD_STOPPED);
	assert_int_not_equal(state_of(1), FORWARD_STOPPED);
	expect("nanoporter/1 disable a/s-x", "ok");
	expect("nanoporter/1 reconnect x", "error 'a/s-x' is Stopped: -enable starts it");
	assert_int_equal(state_of(0), FORWARD_STOPPED);
	expect("nanoporter/1 enable a/s-x", "ok");
	assert_int_not_equal(state_of(0), FORWARD_STOPPED);
	expect("nanoporter/1 enable x", "ok");
	expect("nanoporter/1 reconnect x", "ok");
}

static void says_what_may_have_been_meant(void **state)
{
	(void)state;
	start("web a 0 80,api b 1 81");
	expect("nanoporter/1 disable wep", "error there is no forward 'wep': did you mean 'web'?");
	expect("nanoporter/1 enable b/s-apy",
		"error there is no forward 'b/s-apy': did you mean 'b/s-api'?");
	expect("nanoporter/1 reconnect nothing", "error there is no forward 'nothing'");
	expect("nanoporter/1 disable ", "error there is no forward ''");
}

static void does_nothing_where_two_are_called_so(void **state)
{
	char text[TEXT] = "", *to = text;
	(void)state;
	to = forward_text(to, "x", "a", 2, 80);
	forward_text(to, "y", "a", 3, 81);
	for (char *at = text; (at = strstr(at, "s-y"));)
		at[2] = 'x';
	start("x a 0 80,y b 1 81");
	assert_int_equal(apply(text), EXIT_OK);
	control_claim();
	Port[1] = Port[3];
	expect("nanoporter/1 disable a/s-x",
		"error several forwards are called 'a/s-x': name one by its section");
	assert_int_not_equal(state_of(0), FORWARD_STOPPED);
	assert_int_not_equal(state_of(1), FORWARD_STOPPED);
	expect("nanoporter/1 disable y", "ok");
	assert_int_not_equal(state_of(0), FORWARD_STOPPED);
	assert_int_equal(state_of(1), FORWARD_STOPPED);
}

static void ask_while_the_port_is_taken(void)
{
	const struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_port = htons(Port[0]),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	NEED(!bind(fd, (const struct sockaddr *)&at, sizeof at) && !listen(fd, 1));
	snprintf(Answer, sizeof Answer,
		"error port %u is in use by non-nanoporter process: test_control (PID: %d)",
		Port[0], (int)getpid());
	ask();
}

static void says_who_has_the_port_meanwhile(void **state)
{
	(void)state;
	start("x a 0 80,y b 1 81");
	expect("nanoporter/1 disable x", "ok");
	snprintf(Question, sizeof Question, "nanoporter/1 enable x");
	assert_true(run_beside(ask_while_the_port_is_taken));
	assert_int_equal(state_of(0), FORWARD_STOPPED);
	expect("nanoporter/1 enable x", "ok");
	assert_int_not_equal(state_of(0), FORWARD_STOPPED);
}

/* The sockets that were handed over are the heir's as well. */
static void leaves_alone_what_another_has(void **state)
{
	struct buf words = {0};
	(void)state;
	start("x a 0 80,y b 1 81");
	struct forward *x = manager_forward(M, 0), *y = manager_forward(M, 1);
	assert_true(control_stop(x, &words));
	Self.draining = true;
	assert_false(control_start(x, &words));
	assert_false(control_stop(y, &words));
	expect("nanoporter/1 reconnect y", "error another porter takes over from this one");
	Self.draining = false;
	assert_int_equal(state_of(0), FORWARD_STOPPED);
	assert_int_not_equal(state_of(1), FORWARD_STOPPED);
	buf_put(&words, "", 1);
	assert_string_equal((const char *)buf_data(&words),
		"another porter takes over from this one"
		"another porter takes over from this one");
	assert_true(control_start(x, &words));
	assert_int_not_equal(state_of(0), FORWARD_STOPPED);
	buf_free(&words);
}

static void find_the_second_only(void)
{
	struct ipc_peer p;
	NEED(!connect_by(0, &p));
	NEED(connect_by(1, &p));
}

static void find_both(void)
{
	struct ipc_peer p;
	NEED(connect_by(0, &p) && connect_by(1, &p));
}

static void goes_by_the_ports_that_it_has(void **state)
{
	(void)state;
	start("x a 0 80,y b 1 81");
	assert_true(run_beside(find_both));
	expect("nanoporter/1 disable x", "ok");
	assert_true(run_beside(find_the_second_only));
	expect("nanoporter/1 enable x", "ok");
	assert_true(run_beside(find_both));
}

/* ---- handing over ---- */

static uint16_t port_at(int fd)
{
	struct sockaddr_in at;
	socklen_t n = sizeof at;
	return getsockname(fd, (struct sockaddr *)&at, &n) ? 0 : ntohs(at.sin_port);
}

/* Both sockets, by their names. */
static void be_handed_over(struct ipc_peer *p)
{
	char text[TEXT], want[TEXT];
	int fd[IPC_FDS];
	size_t n;
	NEED(connect_by(0, p));
	say(p, TAKEOVER_HAND_OVER, NULL);
	NEED(hears(p, "ok"));
	NEED(hear(p, text, fd, &n) == 1 && n == 2);
	snprintf(want, sizeof want, "127.0.0.1:%u a/s-x\n127.0.0.1:%u b/s-y\n", Port[0], Port[1]);
	NEED(!strcmp(text, want));
	NEED(port_at(fd[0]) == Port[0] && port_at(fd[1]) == Port[1]);
	NEED(hears(p, TAKEOVER_ALL));
}

static void take(struct ipc_peer *p, int port)
{
	char name[32];
	snprintf(name, sizeof name, "127.0.0.1:%u", Port[port]);
	say(p, TAKEOVER_TAKEN, name);
}

static void take_the_first(void)
{
	struct ipc_peer p;
	be_handed_over(&p);
	take(&p, 0);
	say(&p, TAKEOVER_DONE, NULL);
	NEED(hears(&p, Keeps ? TAKEOVER_STAYS : "ok"));
	NEED(has_ended(&p));
	_exit(0);
}

static void an_heir_has_all_in_the_end(void **state)
{
	struct ipc_peer p;
	(void)state;
	start("x a 0 80,y b 1 81");
	assert_true(run_beside(take_the_first));
	assert_int_equal(Takeovers, 1);
	assert_true(Heir > 0 && Heir != getpid());
	assert_int_equal(state_of(0), FORWARD_STOPPED);
	assert_int_equal(state_of(1), FORWARD_STOPPED);
	assert_false(connect_by(0, &p) || connect_by(1, &p));
}

static void or_what_it_takes_where_the_rest_goes_on(void **state)
{
	(void)state;
	Keeps = true;
	start("x a 0 80,y b 1 81");
	assert_true(run_beside(take_the_first));
	assert_int_equal(Takeovers, 1);
	assert_int_equal(state_of(0), FORWARD_STOPPED);
	assert_int_not_equal(state_of(1), FORWARD_STOPPED);
	assert_true(run_beside(find_the_second_only));
}

static void go_away_amid_it(void)
{
	struct ipc_peer p;
	be_handed_over(&p);
	take(&p, 0);
	take(&p, 1);
}

/* What one that went had begun to take is not the next one's. */
static void an_heir_that_goes_away_changes_nothing(void **state)
{
	(void)state;
	Keeps = true;
	start("x a 0 80,y b 1 81");
	assert_true(run_beside(go_away_amid_it));
	assert_int_equal(Takeovers, 0);
	assert_int_not_equal(state_of(0), FORWARD_STOPPED);
	assert_true(run_beside(find_both));
	assert_true(run_beside(take_the_first));
	assert_int_equal(state_of(0), FORWARD_STOPPED);
	assert_int_not_equal(state_of(1), FORWARD_STOPPED);
}

#define LEFT_ALONE "error another porter takes over from this one"

static void two_want_to_be_heirs(void)
{
	struct ipc_peer p, other;
	be_handed_over(&p);
	NEED(connect_by(1, &other));
	say(&other, TAKEOVER_HAND_OVER, NULL);
	NEED(hears(&other, "error another porter is taking over already"));
	NEED(has_ended(&other));
	NEED(connect_by(1, &other));
	say(&other, TAKEOVER_DONE, NULL);
	NEED(hears(&other, "error nothing was handed over"));
	NEED(connect_by(1, &other));
	take(&other, 1);
	NEED(hears(&other, "error nothing was handed over"));
	NEED(connect_by(1, &other));
	say(&other, "disable", "y");
	NEED(hears(&other, LEFT_ALONE));
}

static void there_is_one_heir(void **state)
{
	(void)state;
	start("x a 0 80,y b 1 81");
	assert_true(run_beside(two_want_to_be_heirs));
	assert_int_equal(Takeovers, 0);
	assert_int_not_equal(state_of(0), FORWARD_STOPPED);
	assert_int_not_equal(state_of(1), FORWARD_STOPPED);
}

static void one_that_ends_by_itself_says_so_and_takes_no_orders(void **state)
{
	(void)state;
	start("x a 0 80,y b 1 81");
	Self.draining = true;
	expect("nanoporter/1 config", CONTROL_ENDS " /etc/porter.ini");
	expect("nanoporter/1 disable x", LEFT_ALONE);
	expect("nanoporter/1 enable x", LEFT_ALONE);
	assert_int_not_equal(state_of(0), FORWARD_STOPPED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_control, end_control)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(understands_its_verbs_only),
		TEST(tells_its_configuration_and_may_be_asked_more),
		TEST(tells_its_status_in_both_forms),
		TEST(a_stop_is_answered_until_the_end),
		TEST(stops_and_resumes_a_forward_by_either_name),
		TEST(says_what_may_have_been_meant),
		TEST(does_nothing_where_two_are_called_so),
		TEST(says_who_has_the_port_meanwhile),
		TEST(leaves_alone_what_another_has),
		TEST(goes_by_the_ports_that_it_has),
		TEST(an_heir_has_all_in_the_end),
		TEST(or_what_it_takes_where_the_rest_goes_on),
		TEST(an_heir_that_goes_away_changes_nothing),
		TEST(there_is_one_heir),
		TEST(one_that_ends_by_itself_says_so_and_takes_no_orders),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
