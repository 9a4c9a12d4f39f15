/* ipc.c with askers of all kinds, in this process and in others: quick, slow, gone, hostile,
 * strangers; and with doors of processes that do not run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "ipc.h"
#include "mem.h"
#include "test_ipc.h"

enum { FILES = 520, BIG = 1 << 20, TURNS = 1000, LONG_MS = 600000 };

static char Name[IPC_NAME]; /* of Door; each test its own */
static struct ipc_door Door;
static struct ipc_call *Call; /* that has asked last */
static char Message[IPC_MESSAGE + 1];
static unsigned Asked, Gone, Wanted;
static void (*Answer)(struct ipc_call *call);
static ino_t *Inodes; /* shared with processes beside */
static int Files[FILES];

static void on_asked(void *owner, struct ipc_call *call, const char *message)
{
	assert_ptr_equal(owner, &Door);
	Call = call;
	strcpy(Message, message);
	Asked++;
	if (Answer)
		Answer(call);
	loop_stop();
}

static void on_gone(void *owner, struct ipc_call *call)
{
	assert_ptr_equal(owner, &Door);
	if (call == Call)
		Call = NULL;
	Gone++;
	loop_stop();
}

static const struct ipc_ops Ops = {.asked = on_asked, .gone = on_gone};

static bool all_asked(void)
{
	return Asked == Wanted;
}

static bool all_gone(void)
{
	return Gone == Wanted;
}

static bool until_asked(unsigned n)
{
	Wanted = n;
	return loop_until(all_asked);
}

static bool until_gone(unsigned n)
{
	Wanted = n;
	return loop_until(all_gone);
}

static int begin(void **state)
{
	static unsigned n;
	(void)state;
	snprintf(Name, sizeof Name, "test_ipc/%d/%u", (int)getpid(), ++n);
	loop_init();
	Asked = Gone = 0;
	Call = NULL;
	Answer = NULL;
	return !ipc_open(&Door, Name, &Ops, &Door, NULL);
}

static int end(void **state)
{
	(void)state;
	ipc_close(&Door);
	ipc_cut_all();
	loop_end();
	return 0;
}

static struct ipc_peer connected(void)
{
	struct ipc_peer p;
	assert_true(ipc_connect(&p, Name, NULL));
	return p;
}

/* One in this process, whose question has come. */
static struct ipc_peer asking(const char *message)
{
	struct ipc_peer p = connected();
	assert_true(ipc_tell(&p, message, PATIENCE_MS, NULL));
	assert_true(until_asked(Asked + 1));
	assert_string_equal(Message, message);
	return p;
}

/* All that is said until the end or an error; returns ipc_hear()'s last word. */
static int hear_all(struct ipc_peer *p, struct buf *said, struct err *e)
{
	int heard;
	size_t n;
	while ((heard = ipc_hear(p, said, NULL, &n, PATIENCE_MS, e)) > 0)
		;
	return heard;
}

static bool hears(struct ipc_peer *p, const char *text)
{
	struct buf said = {0};
	size_t n;
	int heard = ipc_hear(p, &said, NULL, &n, PATIENCE_MS, NULL);
	bool same = heard == 1 && buf_len(&said) == strlen(text) &&
		    !memcmp(buf_data(&said), text, strlen(text));
	buf_free(&said);
	return same;
}

/* It has been cut off, and shows it. */
static bool is_cut(struct ipc_peer *p)
{
	struct buf said = {0};
	struct err e = {0};
	int heard = hear_all(p, &said, &e);
	buf_free(&said);
	return heard < 0 && e.kind == ERR_NETWORK && e.code == ECONNRESET;
}

static void say_much(struct ipc_call *call, size_t n)
{
	char *much = mem_new(n);
	for (size_t i = 0; i < n; i++)
		much[i] = (char)('a' + i % 23);
	ipc_say(call, much, n);
	free(much);
}

static bool is_much(const struct buf *b, size_t from, size_t n)
{
	const uint8_t *p = buf_data(b) + from;
	if (buf_len(b) != from + n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (p[i] != (uint8_t)('a' + i % 23))
			return false;
	return true;
}

/* ---- question and answer ---- */

static void answer_much(struct ipc_call *call)
{
	assert_true(ipc_asker(call) > 1 && ipc_asker(call) != getpid());
	ipc_say(call, "ok", 2);
	say_much(call, BIG);
	ipc_end(call);
}

static void ask_for_much(void)
{
	struct ipc_peer p;
	struct buf said = {0};
	NEED(ipc_connect(&p, Name, NULL));
	NEED(p.pid == getppid() && p.uid == geteuid());
	NEED(ipc_tell(&p, "test/1 much\tand\nmore", PATIENCE_MS, NULL));
	NEED(hears(&p, "ok"));
	NEED(hear_all(&p, &said, NULL) == 0);
	NEED(is_much(&said, 0, BIG));
}

static void carries_a_question_and_its_answer(void **state)
{
	(void)state;
	Answer = answer_much;
	assert_true(run_beside(ask_for_much));
	assert_string_equal(Message, "test/1 much\tand\nmore");
	assert_int_equal(Gone, 0);
}

static void carries_several_questions_in_turn(void **state)
{
	(void)state;
	struct ipc_peer p = asking("one");
	ipc_say(Call, "ok", 2);
	assert_true(hears(&p, "ok"));
	assert_true(ipc_tell(&p, "two", PATIENCE_MS, NULL));
	assert_true(until_asked(2));
	assert_string_equal(Message, "two");
	ipc_end(Call);
	struct buf said = {0};
	loop_settle();
	assert_int_equal(hear_all(&p, &said, NULL), 0);
	assert_int_equal(buf_len(&said), 0);
	buf_free(&said);
	ipc_hang_up(&p);
}

static void waits_no_longer_than_it_is_told_and_may_be_heard_again(void **state)
{
	struct buf said = {0};
	struct err e = {0};
	size_t n;
	(void)state;
	struct ipc_peer p = asking("?");
	assert_int_equal(ipc_hear(&p, &said, NULL, &n, 1, &e), -1);
	assert_int_equal(e.code, ETIMEDOUT);
	ipc_say(Call, "late", 4);
	assert_true(hears(&p, "late"));
	ipc_end(Call); /* said, but the loop has not closed it yet */
	e = (struct err){0};
	assert_int_equal(ipc_hear(&p, &said, NULL, &n, 1, &e), -1);
	assert_int_equal(e.code, ETIMEDOUT);
	loop_settle();
	assert_int_equal(ipc_hear(&p, &said, NULL, &n, PATIENCE_MS, NULL), 0);
	buf_free(&said);
	ipc_hang_up(&p);
}

static void an_asker_that_waits_for_us_may_wait_long(void **state)
{
	(void)state;
	struct ipc_peer p = asking("stop");
	loop_skip(LONG_MS);
	assert_int_equal(Gone, 0);
	ipc_say(Call, "done", 4);
	loop_skip(0);
	assert_true(hears(&p, "done"));
	loop_skip(IPC_LIMIT_MS / 2);
	assert_int_equal(Gone, 0);
	loop_skip(IPC_LIMIT_MS / 2);
	assert_int_equal(Gone, 1);
	ipc_hang_up(&p);
}

/* ---- names, and who is behind them ---- */

static void tells_that_nobody_has_a_name_and_that_it_is_taken(void **state)
{
	char other[IPC_NAME + 16];
	struct err e = {0};
	struct ipc_peer p;
	struct ipc_door second;
	(void)state;
	assert_false(ipc_open(&second, Name, &Ops, &Door, &e));
	assert_int_equal(e.code, EADDRINUSE);
	ipc_close(&second);
	snprintf(other, sizeof other, "%s/other", Name);
	e = (struct err){0};
	assert_false(ipc_connect(&p, other, &e));
	assert_int_equal(e.kind, ERR_REFUSED);
	ipc_hang_up(&p);
	memset(other, 'x', IPC_NAME);
	other[IPC_NAME] = '\0';
	e = (struct err){0};
	assert_false(ipc_connect(&p, other, &e));
	assert_int_equal(e.code, ENAMETOOLONG);
	other[IPC_NAME - 1] = '\0';
	int fd = ipc_listen(other, NULL);
	assert_true(fd >= 0 && ipc_connect(&p, other, NULL));
	ipc_hang_up(&p);
	close(fd);
}

static void hold_and_stop(void)
{
	NEED(ipc_listen(Name, NULL) >= 0);
	raise(SIGSTOP);
}

/* A process that has the name and is stopped.  To be killed. */
static struct beside stopped_holder(void)
{
	int status;
	ipc_close(&Door);
	loop_settle();
	struct beside b = beside_start(hold_and_stop);
	assert_int_equal(waitpid(b.pid, &status, WUNTRACED), b.pid);
	assert_true(WIFSTOPPED(status));
	return b;
}

static void a_stopped_process_is_known_too(void **state)
{
	struct ipc_peer p;
	(void)state;
	struct beside b = stopped_holder();
	assert_true(ipc_connect(&p, Name, NULL));
	assert_int_equal(p.pid, b.pid);
	assert_int_equal(p.uid, geteuid());
	assert_true(ipc_tell(&p, "are you there", PATIENCE_MS, NULL));
	kill(b.pid, SIGKILL);
	beside_end(&b);
	assert_true(is_cut(&p));
	ipc_hang_up(&p);
	assert_false(ipc_connect(&p, Name, NULL));
}

/* What it has not taken yet stands in its way, also of those who are gone. */
static void tells_that_too_many_wait_for_a_stopped_process(void **state)
{
	struct ipc_peer p;
	struct err e = {0};
	int n = 0;
	(void)state;
	struct beside b = stopped_holder();
	for (; n < 100000 && ipc_connect(&p, Name, &e); n++)
		ipc_hang_up(&p);
	assert_in_range(n, 100, 5000);
	assert_int_equal(e.kind, ERR_NOT_READY);
	kill(b.pid, SIGKILL);
	beside_end(&b);
}

static void come_as_a_stranger(void)
{
	struct ipc_peer p;
	become_a_stranger();
	NEED(ipc_connect(&p, Name, NULL));
	NEED(p.pid == getppid() && p.uid == 0);
	NEED(ipc_tell(&p, "stop", PATIENCE_MS, NULL));
	NEED(is_cut(&p));
}

static void cuts_off_strangers_without_a_word(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	unsigned open = descriptors();
	assert_true(run_beside(come_as_a_stranger));
	loop_settle();
	assert_int_equal(Asked + Gone, 0);
	assert_int_equal(descriptors(), open);
}

static void free_the_name(struct ipc_call *call)
{
	ipc_say(call, "ok", 2);
	ipc_close(&Door);
	ipc_end(call);
}

static void take_the_name(void)
{
	struct ipc_peer p;
	struct buf said = {0};
	NEED(ipc_connect(&p, Name, NULL));
	NEED(ipc_tell(&p, "taken", PATIENCE_MS, NULL));
	NEED(hear_all(&p, &said, NULL) == 0);
	NEED(ipc_listen(Name, NULL) >= 0);
}

static void a_name_is_free_when_a_conversation_is_over(void **state)
{
	(void)state;
	Answer = free_the_name;
	for (int i = 0; i < 30; i++) {
		assert_true(run_beside(take_the_name));
		assert_true(ipc_open(&Door, Name, &Ops, &Door, NULL));
	}
}

static void conversations_go_on_when_their_door_is_closed(void **state)
{
	struct ipc_peer other;
	(void)state;
	struct ipc_peer p = asking("?");
	ipc_close(&Door);
	loop_settle();
	assert_false(ipc_connect(&other, Name, NULL));
	ipc_say(Call, "still here", 10);
	assert_true(hears(&p, "still here"));
	ipc_hang_up(&p);
	assert_true(until_gone(1));
}

/* ---- descriptors ---- */

static void open_files(void)
{
	struct stat s;
	for (size_t i = 0; i < FILES; i++) {
		Files[i] = socket(AF_UNIX, SOCK_DGRAM, 0);
		assert_int_equal(fstat(Files[i], &s), 0);
		Inodes[i] = s.st_ino;
	}
}

static void close_files(void)
{
	for (size_t i = 0; i < FILES; i++)
		close(Files[i]);
}

static void hand_all(struct ipc_call *call)
{
	char text[64];
	for (size_t at = 0, n; at < FILES; at += n) {
		n = FILES - at < IPC_FDS ? FILES - at : IPC_FDS;
		snprintf(text, sizeof text, "from %zu", at);
		ipc_hand(call, text, Files + at, n);
	}
}

/* Takes all files, as one does that has been told where each begins. */
static void take_all(struct ipc_peer *p)
{
	struct stat s;
	int fd[IPC_FDS];
	char text[64];
	for (size_t at = 0, n; at < FILES; at += n) {
		struct buf said = {0};
		NEED(ipc_hear(p, &said, fd, &n, PATIENCE_MS, NULL) == 1);
		int length = snprintf(text, sizeof text, "from %zu", at);
		NEED(buf_len(&said) == (size_t)length &&
			!memcmp(buf_data(&said), text, buf_len(&said)));
		NEED(n == (FILES - at < IPC_FDS ? FILES - at : IPC_FDS));
		for (size_t i = 0; i < n; i++)
			NEED(!fstat(fd[i], &s) && s.st_ino == Inodes[at + i] &&
				fcntl(fd[i], F_GETFD) == FD_CLOEXEC);
		buf_free(&said);
	}
}

static void ask_for_files(void)
{
	struct ipc_peer p;
	struct buf said = {0};
	NEED(ipc_connect(&p, Name, NULL));
	NEED(ipc_tell(&p, "files", PATIENCE_MS, NULL));
	take_all(&p);
	NEED(hear_all(&p, &said, NULL) == 0);
}

static void hand_all_and_end(struct ipc_call *call)
{
	hand_all(call);
	ipc_end(call);
}

static void hands_over_more_descriptors_than_one_message_takes(void **state)
{
	(void)state;
	unsigned open = descriptors();
	open_files();
	Answer = hand_all_and_end;
	assert_true(run_beside(ask_for_files));
	close_files();
	loop_settle();
	assert_int_equal(descriptors(), open);
}

static void hand_all_behind_much(struct ipc_call *call)
{
	say_much(call, BIG);
	hand_all(call);
	close_files();
	ipc_end(call);
}

static void ask_for_files_behind_much(void)
{
	struct ipc_peer p;
	struct buf said = {0};
	size_t n;
	NEED(ipc_connect(&p, Name, NULL));
	NEED(ipc_tell(&p, "files", PATIENCE_MS, NULL));
	while (buf_len(&said) < BIG)
		NEED(ipc_hear(&p, &said, NULL, &n, PATIENCE_MS, NULL) == 1);
	NEED(is_much(&said, 0, BIG));
	take_all(&p);
	NEED(hear_all(&p, &said, NULL) == 0);
}

static void what_waits_has_descriptors_of_its_own(void **state)
{
	(void)state;
	unsigned open = descriptors();
	open_files();
	Answer = hand_all_behind_much;
	assert_true(run_beside(ask_for_files_behind_much));
	loop_settle();
	assert_int_equal(descriptors(), open);
}

static void take_what_there_is_room_for(void)
{
	struct ipc_peer p;
	struct buf said = {0};
	struct err e = {0};
	struct rlimit few;
	int fd[IPC_FDS];
	size_t n = 7;
	NEED(ipc_connect(&p, Name, NULL));
	NEED(ipc_tell(&p, "files", PATIENCE_MS, NULL));
	unsigned open = descriptors();
	getrlimit(RLIMIT_NOFILE, &few);
	few.rlim_cur = 50;
	setrlimit(RLIMIT_NOFILE, &few);
	NEED(ipc_hear(&p, &said, fd, &n, PATIENCE_MS, &e) == -1);
	NEED(e.kind == ERR_PROTOCOL && e.code == EMFILE && !n && !buf_len(&said));
	NEED(descriptors() == open);
	e = (struct err){0};
	NEED(ipc_hear(&p, &said, NULL, &n, PATIENCE_MS, &e) == -1);
	NEED(e.kind == ERR_PROTOCOL && !n && !buf_len(&said));
	NEED(descriptors() == open);
}

static void keeps_nothing_of_what_cannot_all_be_taken(void **state)
{
	(void)state;
	open_files();
	Answer = hand_all;
	assert_true(run_beside(take_what_there_is_room_for));
	close_files();
}

/* ---- bounds ---- */

static void cuts_off_one_that_reads_nothing(void **state)
{
	(void)state;
	unsigned open = descriptors();
	struct ipc_peer p = asking("?");
	say_much(Call, 8 * BIG);
	ipc_hand(Call, "and this", (int[]){p.fd}, 1);
	loop_skip(0);
	assert_int_equal(Gone, 0);
	loop_skip(IPC_PATIENCE_MS);
	assert_int_equal(Gone, 1);
	assert_true(is_cut(&p));
	ipc_hang_up(&p);
	assert_int_equal(descriptors(), open);
}

static void so_it_does_with_what_its_owner_has_ended(void **state)
{
	(void)state;
	unsigned open = descriptors();
	struct ipc_peer p = asking("?");
	say_much(Call, 8 * BIG);
	ipc_end(Call);
	loop_skip(IPC_PATIENCE_MS);
	assert_int_equal(Gone, 0);
	assert_true(is_cut(&p));
	ipc_hang_up(&p);
	assert_int_equal(descriptors(), open);
}

/* What the kernel holds. */
static void hear_what_there_is(struct ipc_peer *p, struct buf *said)
{
	size_t n;
	while (ipc_hear(p, said, NULL, &n, 0, NULL) > 0)
		;
}

static void one_that_reads_slowly_has_its_time_and_no_more(void **state)
{
	enum { STEP_MS = IPC_PATIENCE_MS / 2, STEPS = IPC_LIMIT_MS / STEP_MS };
	struct buf said = {0};
	(void)state;
	struct ipc_peer p = asking("?");
	say_much(Call, 8 * BIG);
	for (int i = 0; i < STEPS && !Gone; i++) {
		hear_what_there_is(&p, &said);
		loop_skip(STEP_MS);
		assert_true(!Gone || i > STEPS / 2);
	}
	assert_int_equal(Gone, 1);
	assert_true(buf_len(&said) < 8 * BIG);
	buf_free(&said);
	assert_true(is_cut(&p));
	ipc_hang_up(&p);
}

static void one_that_reads_byte_by_byte_harms_itself_only(void **state)
{
	char byte;
	(void)state;
	struct ipc_peer p = asking("?");
	say_much(Call, BIG);
	ipc_end(Call);
	unsigned messages = 0, turns = 0;
	for (ssize_t n; (n = recv(p.fd, &byte, 1, MSG_DONTWAIT)) && turns < TURNS; turns++) {
		messages += n > 0;
		if (n < 0)
			loop_skip(0);
	}
	assert_int_equal(messages, BIG / IPC_MESSAGE + 1);
	assert_int_equal(Gone, 0);
	ipc_hang_up(&p);
}

static void cuts_off_one_that_is_told_more_than_can_be_kept(void **state)
{
	(void)state;
	struct ipc_peer p = asking("?");
	for (int i = 0; i < 20; i++)
		say_much(Call, BIG);
	assert_int_equal(Gone, 0); /* not from inside of the call */
	struct buf said = {0};
	hear_what_there_is(&p, &said); /* what would come next is not what was said next */
	buf_free(&said);
	assert_true(until_gone(1));
	assert_true(is_cut(&p));
	ipc_hang_up(&p);
}

static void one_round(void)
{
	struct task round = {.on = stop_by_task};
	task_post(&round);
	loop_run();
}

static void hear_much(struct ipc_peer *p, size_t n)
{
	struct buf said = {0};
	for (int i = 0; i < TURNS && buf_len(&said) < n; i++) {
		assert_true(Asked == 1 || buf_len(&said) > n / 2);
		hear_what_there_is(p, &said);
		one_round();
	}
	assert_true(is_much(&said, 0, n));
	buf_free(&said);
}

static void what_was_read_is_kept_no_more(void **state)
{
	(void)state;
	struct ipc_peer p = asking("?");
	for (int i = 0; i < 3; i++) {
		say_much(Call, IPC_QUEUE / 2);
		hear_much(&p, IPC_QUEUE / 2);
	}
	assert_int_equal(Gone, 0);
	ipc_hang_up(&p);
}

static void cuts_off_one_that_asks_nothing(void **state)
{
	(void)state;
	struct ipc_peer p = connected();
	loop_skip(0);
	assert_int_equal(Gone, 0);
	loop_skip(IPC_PATIENCE_MS);
	assert_int_equal(Gone, 1);
	assert_true(is_cut(&p));
	ipc_hang_up(&p);
}

static void tells_those_beyond_the_limit_until_there_is_room(void **state)
{
	struct ipc_peer p[IPC_CALLS], more;
	struct buf said = {0};
	(void)state;
	for (size_t i = 0; i < IPC_CALLS; i++)
		p[i] = asking("?");
	more = connected();
	assert_true(ipc_tell(&more, "me too", PATIENCE_MS, NULL));
	loop_skip(0);
	assert_true(ipc_tell(&more, "hello", PATIENCE_MS, NULL)); /* it has hung up, and says why */
	assert_true(hears(&more, "error too many ask at once; try again"));
	assert_int_equal(hear_all(&more, &said, NULL), 0);
	ipc_hang_up(&more);
	ipc_hang_up(&p[3]);
	assert_true(until_gone(1));
	p[3] = asking("now");
	for (size_t i = 0; i < IPC_CALLS; i++)
		ipc_hang_up(&p[i]);
	assert_true(until_gone(1 + IPC_CALLS));
	buf_free(&said);
}

/* Until there are none left for the one that comes, and its door knows. */
static struct ipc_peer without_descriptors(void)
{
	struct rlimit had, none;
	struct ipc_peer p = connected();
	assert_true(ipc_tell(&p, "?", PATIENCE_MS, NULL));
	getrlimit(RLIMIT_NOFILE, &had);
	none = had;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	assert_true(loop_until_quiet()); /* spinning would be the mistake */
	assert_int_equal(Asked, 0);
	setrlimit(RLIMIT_NOFILE, &had);
	return p;
}

static void waits_where_there_are_no_descriptors_left(void **state)
{
	(void)state;
	struct ipc_peer p = without_descriptors();
	loop_skip(1000);
	assert_int_equal(Asked, 1);
	ipc_hang_up(&p);
}

static void a_door_that_waits_may_be_closed(void **state)
{
	(void)state;
	struct ipc_peer p = without_descriptors();
	ipc_close(&Door);
	loop_skip(1000);
	assert_int_equal(Asked, 0);
	assert_true(is_cut(&p));
	ipc_hang_up(&p);
}

/* ---- bad askers ---- */

static void send_raw(struct ipc_peer *p, const void *bytes, size_t n, bool with_descriptor)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.head = {.cmsg_len = CMSG_LEN(sizeof(int)),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS}};
	struct iovec text = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
	struct msghdr m = {.msg_iov = &text, .msg_iovlen = 1};
	memcpy(CMSG_DATA(&control.head), &p->fd, sizeof p->fd);
	if (with_descriptor) {
		m.msg_control = control.room;
		m.msg_controllen = sizeof control.room;
	}
	assert_int_equal(sendmsg(p->fd, &m, MSG_NOSIGNAL), n);
}

static void cuts_off_what_is_no_text_and_nobody_else(void **state)
{
	static char over_long[IPC_MESSAGE + 1];
	static const struct {
		const char *bytes;
		size_t n;
		bool with_descriptor;
	} Bad[] = {
		{over_long, sizeof over_long, false},
		{"a\0b", 3, false},
		{"status", sizeof "status", false}, /* a NUL at the end is one, too */
		{"", 0, false},
		{"\x1b[2J", 4, false},
		{"\xff", 1, false},
		{"status \xc3", 8, false},
		{"status", 6, true},
	};
	(void)state;
	memset(over_long, 'x', sizeof over_long);
	struct ipc_peer good = asking("?");
	struct ipc_call *call = Call;
	unsigned open = descriptors();
	for (unsigned i = 0; i < sizeof Bad / sizeof *Bad; i++) {
		struct ipc_peer p = connected();
		send_raw(&p, Bad[i].bytes, Bad[i].n, Bad[i].with_descriptor);
		assert_true(until_gone(i + 1));
		assert_true(is_cut(&p));
		ipc_hang_up(&p);
	}
	loop_settle();
	assert_int_equal(descriptors(), open);
	assert_int_equal(Asked, 1);
	ipc_say(call, "and you", 7);
	assert_true(hears(&good, "and you"));
	ipc_hang_up(&good);
}

static void takes_a_text_as_long_as_a_message_may_be(void **state)
{
	static char text[IPC_MESSAGE + 1];
	(void)state;
	memset(text, 'x', IPC_MESSAGE);
	struct ipc_peer p = asking(text);
	ipc_hang_up(&p);
	assert_true(until_gone(1));
}

static void one_that_goes_amid_its_answer_is_gone_once(void **state)
{
	(void)state;
	unsigned open = descriptors();
	struct ipc_peer p = asking("?");
	say_much(Call, BIG);
	ipc_hang_up(&p);
	assert_true(until_gone(1));
	assert_true(loop_until_quiet());
	assert_int_equal(Gone, 1);
	loop_settle();
	assert_int_equal(descriptors(), open);
}

/* Each question would else add an answer to what waits. */
static void asks_in_vain_while_it_does_not_read(void **state)
{
	(void)state;
	struct ipc_peer p = asking("?");
	say_much(Call, BIG);
	assert_true(ipc_tell(&p, "and?", PATIENCE_MS, NULL));
	assert_true(loop_until_quiet());
	assert_int_equal(Asked, 1);
	hear_much(&p, BIG);
	assert_true(until_asked(2));
	ipc_hang_up(&p);
}

static void an_answer_that_was_cut_is_none(void **state)
{
	(void)state;
	struct ipc_peer p = asking("?"), other = connected();
	loop_skip(0);
	ipc_say(Call, "nearly all", 10);
	ipc_cut_all();
	loop_settle();
	assert_true(is_cut(&p));
	assert_true(is_cut(&other));
	assert_int_equal(Gone, 0);
	ipc_hang_up(&p);
	ipc_hang_up(&other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(carries_a_question_and_its_answer),
		TEST(carries_several_questions_in_turn),
		TEST(waits_no_longer_than_it_is_told_and_may_be_heard_again),
		TEST(an_asker_that_waits_for_us_may_wait_long),
		TEST(tells_that_nobody_has_a_name_and_that_it_is_taken),
		TEST(a_stopped_process_is_known_too),
		TEST(tells_that_too_many_wait_for_a_stopped_process),
		TEST(cuts_off_strangers_without_a_word),
		TEST(a_name_is_free_when_a_conversation_is_over),
		TEST(conversations_go_on_when_their_door_is_closed),
		TEST(hands_over_more_descriptors_than_one_message_takes),
		TEST(what_waits_has_descriptors_of_its_own),
		TEST(keeps_nothing_of_what_cannot_all_be_taken),
		TEST(cuts_off_one_that_reads_nothing),
		TEST(so_it_does_with_what_its_owner_has_ended),
		TEST(one_that_reads_slowly_has_its_time_and_no_more),
		TEST(one_that_reads_byte_by_byte_harms_itself_only),
		TEST(cuts_off_one_that_is_told_more_than_can_be_kept),
		TEST(what_was_read_is_kept_no_more),
		TEST(cuts_off_one_that_asks_nothing),
		TEST(tells_those_beyond_the_limit_until_there_is_room),
		TEST(waits_where_there_are_no_descriptors_left),
		TEST(a_door_that_waits_may_be_closed),
		TEST(cuts_off_what_is_no_text_and_nobody_else),
		TEST(takes_a_text_as_long_as_a_message_may_be),
		TEST(one_that_goes_amid_its_answer_is_gone_once),
		TEST(asks_in_vain_while_it_does_not_read),
		TEST(an_answer_that_was_cut_is_none),
	};
	Inodes = mmap(NULL, FILES * sizeof *Inodes, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests_name("ipc", tests, NULL, NULL);
}
