/* tunnel.c with all below it, against the far end of test_tunnel.h. */
#include "test_tunnel.h"

#include <unistd.h>

#include "test_tls.h"
#include "tunnel.h"

enum { BULK = 1000000, FLOOD = 24000000, STORY = 512 };

/* ---- our end: a tunnel, and channels whose owners write down what they are told ---- */

static struct cluster *Cluster;
static struct tunnel *T;

static struct {
	char story[STORY]; /* "ready changed gone", repetitions once */
	unsigned changed;
	int close_at; /* the event at which to close it; -1 */
} Told;

struct side {
	struct channel *c;
	struct buf got, say;
	char story[STORY];    /* "data finished end" */
	enum channel_how how; /* of the end */
	struct err err;
	size_t queued; /* told to the tunnel with the next data; 0: nothing */
	bool abort_at_data, close_at_data, close_at_end;
	struct side *abort_too;   /* at end */
	struct side *abort_other; /* at data */
};

static struct side A, B, C;
static char Served[STORY]; /* "ABA": whose turn it was to send */

static void note(char *story, const char *what)
{
	size_t n = strlen(story), last = strlen(what);
	if (n < last || strcmp(story + n - last, what))
		snprintf(story + n, STORY - n, "%s%s", n ? " " : "", what);
	loop_stop();
}

static void close_tunnel(void)
{
	if (T)
		tunnel_close(T);
	T = NULL;
}

static void on_tunnel(void *owner, struct tunnel *t, enum tunnel_event event)
{
	static const char *const Name[] = {"ready", "changed", "gone"};
	(void)owner;
	assert_ptr_equal(t, T);
	note(Told.story, Name[event]);
	Told.changed += event == TUNNEL_CHANGED;
	if ((int)event == Told.close_at)
		close_tunnel();
}

static void push_some(struct side *s)
{
	uint8_t *p;
	size_t n;
	while (buf_len(&s->say) && (n = channel_room(s->c, &p))) {
		n = n < buf_len(&s->say) ? n : buf_len(&s->say);
		memcpy(p, buf_data(&s->say), n);
		buf_eat(&s->say, n);
		channel_push(s->c, n);
	}
}

static void on_data(void *owner, const uint8_t *p, size_t n)
{
	struct side *s = owner;
	assert_true(n > 0);
	note(s->story, "data");
	buf_put(&s->got, p, n);
	if (s->queued)
		channel_queued(s->c, s->queued);
	if (s->abort_at_data) {
		channel_abort(s->c);
		s->c = NULL;
	}
	if (s->abort_other) {
		channel_abort(s->abort_other->c);
		s->abort_other->c = NULL;
		s->abort_other = NULL;
	}
	if (s->close_at_data)
		close_tunnel();
}

static void on_room(void *owner)
{
	struct side *s = owner;
	size_t n = strlen(Served);
	loop_stop();
	if (n + 1 < sizeof Served)
		Served[n] = s == &A ? 'A' : s == &B ? 'B' : 'C';
	push_some(s);
}

static void on_finished(void *owner)
{
	note(((struct side *)owner)->story, "finished");
}

static void on_end(void *owner, enum channel_how how, const struct err *e)
{
	struct side *s = owner;
	note(s->story, "end");
	s->c = NULL;
	s->how = how;
	assert_int_equal(!e, how == CHANNEL_ENDED);
	if (e)
		s->err = *e;
	if (s->abort_too && s->abort_too->c) {
		channel_abort(s->abort_too->c);
		s->abort_too->c = NULL;
	}
	if (s->close_at_end)
		close_tunnel();
}

static const struct channel_ops Ops = {
	.data = on_data, .room = on_room, .finished = on_finished, .end = on_end};

static void run_until(bool (*done)(void))
{
	if (!loop_until(done))
		fail_msg("nothing came of it: tunnel '%s' %s; A '%s', B '%s'; said %.*s",
			Told.story, T ? tunnel_error(T)->text : "", A.story, B.story,
			(int)buf_len(&Far.said), (const char *)buf_data(&Far.said));
}

static void settle(void)
{
	assert_true(loop_until_quiet());
}

static bool is_ready(void)
{
	return strstr(Told.story, "ready");
}

static bool is_gone(void)
{
	return strstr(Told.story, "gone");
}

static bool is_left(void)
{
	return Far.eof || Far.io.fd < 0;
}

static bool a_has_ended(void)
{
	return strstr(A.story, "end");
}

static bool b_has_ended(void)
{
	return strstr(B.story, "end");
}

static void open_tunnel(void)
{
	T = tunnel_open(
		&(struct upgrade_spec){
			.cluster = Cluster, .namespace = "shop", .pod = "web-1", .port = 80},
		on_tunnel, NULL);
}

static void open_channel(struct side *s, uint16_t port)
{
	s->c = channel_open(T, port, &Ops, s);
	assert_non_null(s->c);
}

static void free_side(struct side *s)
{
	buf_free(&s->got);
	buf_free(&s->say);
	memset(s, 0, sizeof *s);
}

/* How the next one is opened. */
static enum transport Ask = TRANSPORT_AUTO;
static bool With_tls;
static size_t Record; /* bytes of one TLS record */

static struct tls_end *Tls;
static struct buf Piece; /* the next record */

static void far_crypt(void)
{
	do {
		if (!buf_len(&Piece) && buf_len(&Far.wire_out) < WIRE_HIGH) {
			size_t n = buf_len(&Far.out) < Record ? buf_len(&Far.out) : Record;
			buf_put(&Piece, buf_data(&Far.out), n);
			buf_eat(&Far.out, n);
		}
	} while (tls_end_step(Tls, &Far.wire_in, &Far.wire_out, &Far.in, &Piece));
}

static int begin(void **state)
{
	(void)state;
	Told.close_at = -1;
	far_start();
	if (With_tls) {
		Tls = tls_end_new("server.crt", "server.key");
		Far.crypt = far_crypt;
	}
	Cluster = far_cluster(With_tls ? certs_read("ca.crt") : NULL);
	cluster_ask_transport(Cluster, Ask);
	open_tunnel();
	Ask = TRANSPORT_AUTO;
	return 0;
}

static int end(void **state)
{
	(void)state;
	Far.deaf = false;
	far_look();
	close_tunnel();
	run_until(is_left);
	far_stop();
	cluster_drop(Cluster);
	memset(&Told, 0, sizeof Told);
	memset(Served, 0, sizeof Served);
	free_side(&A);
	free_side(&B);
	free_side(&C);
	settle();
	tls_end_free(Tls);
	Tls = NULL;
	With_tls = false;
	buf_free(&Piece);
	return 0;
}

static int begin_ready(void **state)
{
	begin(state);
	run_until(is_ready);
	return 0;
}

static void again(void)
{
	bool tls = With_tls;
	end(NULL);
	With_tls = tls;
	begin_ready(NULL);
}

/* Records of a size that cuts frames, and brings many to one turn. */
static int begin_tls(void **state)
{
	With_tls = true;
	Record = 30;
	return begin_ready(state);
}

static int begin_spdy(void **state)
{
	Ask = TRANSPORT_SPDY;
	return begin_ready(state);
}

static int begin_v4(void **state)
{
	Ask = TRANSPORT_V4;
	return begin(state);
}

static const char *Expected;

static bool is_said(void)
{
	return buf_len(&Far.said) >= strlen(Expected);
}

/* Waits until the far end has been told that, and nothing else. */
static void expect_said(const char *text)
{
	Expected = text;
	run_until(is_said);
	settle();
	assert_said(text);
}

static size_t Want;
static const struct side *Waiting;

static bool has_got(void)
{
	return buf_len(&Waiting->got) >= Want;
}

static void wait_got(const struct side *s, size_t n)
{
	Waiting = s;
	Want = n;
	run_until(has_got);
}

static void expect_got(struct side *s, const char *text)
{
	size_t n = strlen(text);
	wait_got(s, n);
	assert_int_equal(buf_len(&s->got), n);
	assert_memory_equal(buf_data(&s->got), text, n);
	buf_free(&s->got);
}

static void put_pattern(struct buf *b, size_t n, unsigned seed)
{
	uint8_t *p = buf_room(b, n);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((i ^ i >> 8 ^ i >> 16) + seed);
	buf_push(b, n);
}

static void assert_pattern(const struct buf *b, size_t n, unsigned seed)
{
	struct buf want = {0};
	put_pattern(&want, n, seed);
	assert_int_equal(buf_len(b), n);
	assert_memory_equal(buf_data(b), buf_data(&want), n);
	buf_free(&want);
}

/* ---- channels ---- */

static bool far_has_read(void)
{
	return Far.reads > Want;
}

static bool far_has_got(void)
{
	return buf_len(&Far.got[0]) >= Want;
}

static void wait_far_got(size_t n)
{
	Want = n;
	run_until(far_has_got);
}

static bool is_served(void)
{
	return Served[0];
}

static void sends_the_first_bytes_with_the_streams_that_carry_them(void **state)
{
	(void)state;
	assert_string_equal(Told.story, "ready");
	open_channel(&A, 80);
	assert_string_equal(channel_pod(A.c), "web-1");
	buf_put(&A.say, "hello", 5);
	push_some(&A);
	Want = Far.reads;
	run_until(far_has_read);
	assert_int_equal(Far.reads, Want + 1);
	assert_said("syn 1 error 80 fin|syn 3 data 80|data 3 hello|");
	open_channel(&B, 65535);
	assert_int_equal(tunnel_channels(T), 2);
	expect_said("syn 5 error 65535 fin|syn 7 data 65535|");
}

static bool all_is_carried(void)
{
	return buf_len(&A.got) + buf_len(&B.got) + buf_len(&Far.got[0]) + buf_len(&Far.got[1]) ==
	       4 * BULK;
}

static void carries_two_channels_side_by_side(void **state)
{
	(void)state;
	open_channel(&A, 80);
	open_channel(&B, 81);
	put_pattern(&A.say, BULK, 1);
	put_pattern(&B.say, BULK, 2);
	struct buf down = {0};
	put_pattern(&down, BULK, 3);
	for (size_t at = 0, n; at < BULK; at += n) {
		n = at % 30011 + 1 < BULK - at ? at % 30011 + 1 : BULK - at;
		far_bytes(3, buf_data(&down) + at, n, false);
		far_bytes(7, buf_data(&down) + at, n, false);
	}
	buf_free(&down);
	far_look();
	push_some(&A);
	push_some(&B);
	run_until(all_is_carried);
	assert_pattern(&Far.got[0], BULK, 1);
	assert_pattern(&Far.got[1], BULK, 2);
	assert_pattern(&A.got, BULK, 3);
	assert_pattern(&B.got, BULK, 3);
}

/* As a client's socket, which has all that to give. */
static void pull_all(int to, int from, struct buf *say)
{
	bool drained = false;
	while (buf_len(say) || !drained) {
		ssize_t n = send(to, buf_data(say), buf_len(say), MSG_DONTWAIT);
		buf_eat(say, n > 0 ? (size_t)n : 0);
		Served[0] = '\0';
		n = channel_pull(A.c, from, &drained);
		if (n >= 0 || errno == EAGAIN)
			continue;
		assert_int_equal(errno, ENOBUFS);
		run_until(is_served);
	}
}

/* However little room there is when a large frame has begun. */
static void pulls_large_frames_from_a_socket(void **state)
{
	static const int Size = 1 << 20;
	struct buf part = {0}, all = {0};
	bool drained;
	int fd[2];
	(void)state;
	open_channel(&A, 80);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &Size, sizeof Size);
	put_pattern(&all, FLOOD, 0);
	for (size_t n = 1; n < 100; n *= 7) { /* small ones first */
		buf_put(&part, buf_data(&all), n);
		buf_eat(&all, n);
		pull_all(fd[0], fd[1], &part);
	}
	pull_all(fd[0], fd[1], &all);
	wait_far_got(FLOOD);
	assert_pattern(&Far.got[0], FLOOD, 0);
	assert_in_range(Far.largest, TUNNEL_FRAME + 1, TUNNEL_PULL);
	close(fd[0]);
	assert_int_equal(channel_pull(A.c, fd[1], &drained), 0);
	close(fd[1]);
	buf_free(&part);
	buf_free(&all);
}

/* All that a server says, in frames and segments of every size. */
static void reads_however_it_is_cut(void **state)
{
	static const size_t Cuts[] = {0, 1, 2, 3, 7, 8, 9, 200};
	(void)state;
	for (size_t i = 0; i < sizeof Cuts / sizeof *Cuts * 2; i++) {
		char longer[301] = {0};
		memset(longer, 'x', 300);
		Far.cut = Cuts[i / 2];
		Far.step = i % 2 ? 1 : SIZE_MAX;
		open_channel(&A, 80);
		open_channel(&B, 80);
		far_reply(1);
		far_reply(3);
		far_data(3, "hello");
		far_frame(0x80 | WS_PING, "are you there", 13);
		far_data(7, longer);
		far_ping(2);
		far_bytes(3, "bye", 3, false);
		far_end(1);
		far_end(3);
		far_data(5, "dial tcp4: i/o timeout");
		far_reset(7);
		far_reset(5);
		far_look();
		run_until(b_has_ended);
		assert_string_equal(A.story, "data end");
		assert_int_equal(A.how, CHANNEL_ENDED);
		expect_got(&A, "hellobye");
		assert_string_equal(B.story, "data end");
		assert_string_equal(B.err.text, "i/o timeout");
		expect_got(&B, longer);
		expect_said("syn 1 error 80 fin|syn 3 data 80|syn 5 error 80 fin|syn 7 data 80|"
			    "ws-pong are you there|ping 2|data 3 fin|");
		assert_int_equal(tunnel_channels(T), 0);
		again();
	}
}

static void ends_as_the_application_ends(void **state)
{
	(void)state;
	open_channel(&A, 80);
	settle();
	assert_said("syn 1 error 80 fin|syn 3 data 80|");
	far_bytes(1, "", 0, true);
	far_bytes(3, "last", 4, true);
	far_look();
	run_until(a_has_ended);
	assert_string_equal(A.story, "data end");
	assert_int_equal(A.how, CHANNEL_ENDED);
	expect_got(&A, "last");
	expect_said("data 3 fin|");
}

static void finishes_once(void **state)
{
	(void)state;
	open_channel(&A, 80);
	channel_finish(A.c);
	channel_finish(A.c);
	expect_said("syn 1 error 80 fin|syn 3 data 80|data 3 fin|");
	far_data(3, "still here");
	far_look();
	expect_got(&A, "still here");
	far_end(3);
	far_end(1);
	far_look();
	run_until(a_has_ended);
	assert_int_equal(A.how, CHANNEL_ENDED);
	settle();
	assert_said("");
}

/* The end of data alone is half an end, unless the error stream says more soon. */
static void waits_for_what_the_error_stream_says(void **state)
{
	(void)state;
	open_channel(&A, 80);
	far_end(3);
	far_look();
	settle();
	assert_string_equal(A.story, "");
	far_data(1, "x: connection refused");
	far_end(1);
	far_look();
	run_until(a_has_ended);
	assert_string_equal(A.story, "end");
	assert_int_equal(A.how, CHANNEL_REFUSED);
	open_channel(&B, 80);
	far_end(7);
	far_look();
	settle();
	loop_skip(2000);
	assert_string_equal(B.story, "finished");
	far_end(5);
	far_look();
	run_until(b_has_ended);
	assert_string_equal(B.story, "finished end");
	assert_int_equal(B.how, CHANNEL_ENDED);
}

static void tells_what_broke_a_channel(void **state)
{
	static const struct {
		const char *said;
		enum channel_how how;
		enum err_kind kind;
		const char *text;
	} Cases[] = {
		{"error forwarding port 9999 to pod abc, uid : failed to execute portforward in "
		 "network namespace \"/var/run/netns/cni-1\": failed to connect to localhost:9999 "
		 "inside namespace \"abc\", IPv4: dial tcp4 127.0.0.1:9999: connect: connection "
		 "refused IPv6 dial tcp6: address localhost: no suitable address found ",
			CHANNEL_REFUSED, ERR_REFUSED, "connection refused"},
		{"error forwarding port 1 to pod abc, uid : exit status 1: 2024/05/06 socat[7] E "
		 "connect(5, AF=2 127.0.0.1:1, 16): Connection refused\n",
			CHANNEL_REFUSED, ERR_REFUSED, "connection refused"},
		{"error forwarding port 80 to pod abc, uid : failed to execute portforward in "
		 "network namespace \"/var/run/netns/cni-1\": network namespace for sandbox "
		 "\"abc\" is closed",
			CHANNEL_POD_GONE, ERR_NOT_READY, "the pod is gone"},
		{"error forwarding port 80 to pod abc, uid : sandbox abc is not running",
			CHANNEL_POD_GONE, ERR_NOT_READY, "the pod is gone"},
		{"error forwarding port 80 to pod abc, uid : read tcp4 127.0.0.1:1->127.0.0.1:80: "
		 "read: connection reset by peer",
			CHANNEL_BROKE, ERR_SERVER, "connection reset by peer"},
		{"odd\033[2J: ", CHANNEL_BROKE, ERR_SERVER, "odd?[2J:"},
		{"", CHANNEL_BROKE, ERR_SERVER, "reset by the server"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof Cases / sizeof *Cases * 2; i++) {
		uint32_t stream = 1 + 4 * i;
		const char *said = Cases[i / 2].said;
		if (i % 2 && !*said)
			break; /* its end alone is none of the channel's */
		open_channel(&A, 80);
		far_data(stream + 2, "so far so ");
		far_data(stream + 2, "good");
		far_data(stream, said);
		if (i % 2)
			far_end(stream);
		far_reset(stream + 2);
		far_reset(stream);
		far_look();
		run_until(a_has_ended);
		assert_string_equal(A.err.text, Cases[i / 2].text);
		assert_int_equal(A.err.kind, Cases[i / 2].kind);
		assert_int_equal(A.how, Cases[i / 2].how);
		assert_string_equal(A.story, "data end");
		expect_got(&A, "so far so good");
		free_side(&A);
	}
	settle();
	assert_true(tunnel_is_usable(T));
	assert_int_equal(tunnel_channels(T), 0);
}

/* A text without end is cut, and does not fill memory. */
static void keeps_no_more_of_an_error_than_a_line(void **state)
{
	char text[1001] = {0};
	(void)state;
	memset(text, 'e', 1000);
	open_channel(&A, 80);
	for (int i = 0; i < 50; i++)
		far_data(1, text);
	far_data(1, "connection refused");
	far_reset(1);
	far_look();
	run_until(a_has_ended);
	assert_int_equal(A.how, CHANNEL_BROKE);
	assert_int_equal(strlen(A.err.text), ERR_TEXT - 1);
}

static void passes_over_what_comes_late(void **state)
{
	(void)state;
	open_channel(&A, 80);
	open_channel(&B, 80);
	settle();
	buf_free(&Far.said);
	channel_abort(A.c);
	A.c = NULL;
	expect_said("reset 3|reset 1|");
	assert_int_equal(tunnel_channels(T), 1);
	far_reply(1);
	far_data(3, "late");
	far_data(1, "late");
	far_end(1);
	far_reset(3);
	far_reset(1);
	far_data(11, "early");
	far_data(2, "odd");
	far_reset(0x7fffffff);
	far_data(7, "on");
	far_look();
	expect_got(&B, "on");
	assert_string_equal(A.story, "");
	assert_true(tunnel_is_usable(T));
}

static void may_be_aborted_by_what_it_is_told(void **state)
{
	(void)state;
	open_channel(&A, 80);
	open_channel(&B, 80);
	open_channel(&C, 80);
	A.abort_at_data = true;
	B.abort_too = &C;
	far_data(3, "first");
	far_bytes(3, "second", 6, true);
	far_data(11, "third");
	far_reset(7);
	far_data(11, "fourth");
	far_look();
	run_until(b_has_ended);
	settle();
	expect_got(&A, With_tls ? "firstsecond" : "first"); /* gathered, or not */
	expect_got(&C, With_tls ? "" : "third");
	assert_int_equal(tunnel_channels(T), 0);
	assert_true(tunnel_is_usable(T));
}

/* Of data that is gathered, too. */
static void may_be_aborted_by_what_another_is_told(void **state)
{
	(void)state;
	char text[1000] = {0};
	memset(text, 'x', sizeof text - 1);
	open_channel(&A, 80);
	open_channel(&B, 80);
	A.abort_other = &B;
	for (int i = 0; i < 500; i++) /* more than is received at once */
		far_data(i % 2 ? 7 : 3, text);
	far_end(1);
	far_end(3);
	far_look();
	run_until(a_has_ended);
	assert_string_equal(B.story, "");
	assert_int_equal(buf_len(&A.got), 250 * 999);
}

static bool all_were_served(void)
{
	return strlen(Served) >= 6;
}

/* Each would take all the room there is; nobody is passed over. */
static void serves_those_who_wait_in_turn(void **state)
{
	struct side *const sides[] = {&A, &B, &C};
	(void)state;
	Far.deaf = true;
	far_look();
	for (int i = 0; i < 3; i++) {
		open_channel(sides[i], 80);
		put_pattern(&sides[i]->say, FLOOD, 0);
		push_some(sides[i]);
	}
	assert_int_equal(buf_len(&B.say), FLOOD);
	settle();
	assert_string_equal(Served, "");
	Far.deaf = false;
	far_look();
	run_until(all_were_served);
	assert_memory_equal(Served, "ABCABC", 6);
	channel_abort(B.c); /* while it waits */
	memset(Served, 0, sizeof Served);
	run_until(all_were_served);
	assert_null(memchr(Served, 'B', 6));
}

/* ---- fences and pings ---- */

static void takes_no_new_channel_after_goaway(void **state)
{
	(void)state;
	open_channel(&A, 80);
	far_reply(1);
	far_goaway();
	far_data(3, "on");
	far_look();
	expect_got(&A, "on");
	settle();
	assert_true(tunnel_is_ready(T));
	assert_false(tunnel_is_usable(T));
	assert_null(channel_open(T, 80, &Ops, &B));
	assert_string_equal(Told.story, "ready changed");
	far_data(3, "and on");
	far_look();
	expect_got(&A, "and on");
}

static void takes_no_new_channel_when_fenced(void **state)
{
	(void)state;
	tunnel_fence(T);
	tunnel_fence(T);
	assert_false(tunnel_is_usable(T));
	assert_null(channel_open(T, 80, &Ops, &A));
	assert_int_equal(Told.changed, 0);
	settle();
	assert_int_equal(Told.changed, 1);
}

static void pings_and_measures(void **state)
{
	(void)state;
	assert_int_equal(tunnel_round_trip_ms(T), -1);
	tunnel_ping(T);
	tunnel_ping(T); /* one is under way */
	expect_said("ping 1|ws-ping|");
	loop_skip(1000);
	far_ping(1);
	far_look();
	settle();
	assert_in_range(tunnel_round_trip_ms(T), 1000, 1000 + PATIENCE_MS);
	tunnel_ping(T);
	expect_said("ping 3|ws-ping|");
	assert_true(tunnel_is_usable(T));
	assert_int_equal(Told.changed, 0);
}

static void pings_when_what_was_sent_brings_nothing_back(void **state)
{
	(void)state;
	open_channel(&A, 80);
	far_reply(3);
	far_look();
	settle();
	buf_put(&A.say, "anybody?", 8);
	push_some(&A);
	settle();
	loop_skip(TUNNEL_FENCE_MS - 2000);
	assert_null(strstr((char *)buf_data(&Far.said), "ping"));
	loop_skip(2000);
	expect_said("syn 1 error 80 fin|syn 3 data 80|data 3 anybody?|ping 1|ws-ping|");
}

static void does_not_ping_while_data_goes_both_ways(void **state)
{
	(void)state;
	open_channel(&A, 80);
	for (int i = 0; i < 3; i++) {
		buf_put(&A.say, "x", 1);
		push_some(&A);
		loop_skip(TUNNEL_FENCE_MS - 2000);
		far_data(3, "y");
		far_look();
		settle();
	}
	loop_skip(TUNNEL_FENCE_MS);
	expect_said("syn 1 error 80 fin|syn 3 data 80|data 3 x|data 3 x|data 3 x|");
}

static void fences_until_a_ping_is_answered(void **state)
{
	(void)state;
	tunnel_ping(T);
	settle();
	loop_skip(TUNNEL_FENCE_MS - 2000);
	assert_true(tunnel_is_usable(T));
	loop_skip(2000);
	assert_false(tunnel_is_usable(T));
	assert_true(tunnel_is_ready(T));
	assert_int_equal(Told.changed, 1);
	far_ping(1);
	far_look();
	settle();
	assert_true(tunnel_is_usable(T));
	assert_int_equal(Told.changed, 2);
	loop_skip(TUNNEL_DEAD_MS);
	assert_true(tunnel_is_usable(T));
}

static void is_dead_when_nothing_is_heard_after_a_ping(void **state)
{
	(void)state;
	open_channel(&A, 80);
	tunnel_ping(T);
	settle();
	loop_skip(TUNNEL_DEAD_MS - 2000);
	assert_true(tunnel_is_ready(T));
	loop_skip(2000);
	run_until(is_gone);
	assert_string_equal(Told.story, "ready changed gone");
	assert_int_equal(tunnel_error(T)->kind, ERR_NETWORK);
	assert_string_equal(tunnel_error(T)->text, "no answer for 15 s");
	assert_false(tunnel_is_ready(T));
	assert_string_equal(A.story, "end");
	assert_int_equal(A.how, CHANNEL_BROKE);
	assert_string_equal(A.err.text, "no answer for 15 s");
	tunnel_ping(T);
	assert_false(tunnel_is_stalled(T));
	assert_null(channel_open(T, 80, &Ops, &A));
}

/* Any byte is a sign of life; but new channels want an answer. */
/* The API server answers its ping, the pod's node does not. */
static void lose_a_pong(void)
{
	tunnel_ping(T);
	settle();
	loop_skip(TUNNEL_FENCE_MS - 1000);
	far_frame(0x80 | WS_PONG, "", 0);
	far_look();
	settle();
	buf_free(&Far.said);
	loop_skip(1000);
	assert_true(tunnel_is_ready(T));
	assert_false(tunnel_is_usable(T));
	expect_said("ping 3|ws-ping|"); /* by itself */
}

static void is_not_dead_for_a_lost_pong(void **state)
{
	(void)state;
	lose_a_pong();
	far_ping(3);
	far_look();
	settle();
	assert_true(tunnel_is_usable(T));
	loop_skip(TUNNEL_DEAD_MS);
	assert_true(tunnel_is_ready(T));
}

static void is_dead_when_nothing_is_heard_after_another_ping_either(void **state)
{
	(void)state;
	lose_a_pong();
	loop_skip(TUNNEL_DEAD_MS);
	run_until(is_gone);
	assert_string_equal(tunnel_error(T)->text, "no answer for 15 s");
}

static void fences_until_new_streams_are_answered(void **state)
{
	(void)state;
	open_channel(&A, 80);
	settle();
	loop_skip(TUNNEL_FENCE_MS - 2000);
	open_channel(&B, 80);
	settle();
	loop_skip(2000);
	assert_false(tunnel_is_usable(T));
	assert_int_equal(Told.changed, 1);
	far_reply(3); /* of its data stream: as good */
	far_look();
	settle();
	assert_false(tunnel_is_usable(T));
	far_data(7, "data is an answer, too");
	far_look();
	settle();
	assert_true(tunnel_is_usable(T));
	assert_int_equal(Told.changed, 2);
	loop_skip(TUNNEL_DEAD_MS);
	assert_true(tunnel_is_usable(T));
}

static void gives_up_new_streams_that_are_never_answered(void **state)
{
	(void)state;
	open_channel(&A, 80);
	settle();
	loop_skip(TUNNEL_FENCE_MS - 2000);
	open_channel(&B, 80);
	settle();
	loop_skip(TUNNEL_DEAD_MS - TUNNEL_FENCE_MS);
	assert_string_equal(A.story, "");
	buf_free(&Far.said);
	loop_skip(2000);
	run_until(a_has_ended);
	assert_int_equal(A.how, CHANNEL_BROKE);
	assert_string_equal(A.err.text, "no answer to a new connection for 15 s");
	expect_said("reset 3|reset 1|");
	assert_false(tunnel_is_usable(T));
	assert_string_equal(B.story, "");
	far_reply(5);
	far_look();
	settle();
	assert_true(tunnel_is_usable(T));
	loop_skip(TUNNEL_DEAD_MS);
	assert_string_equal(B.story, "");
}

/* ---- those who do not read ---- */

static void stops_reading_for_a_lonely_client_as_long_as_it_takes(void **state)
{
	struct buf down = {0};
	(void)state;
	put_pattern(&down, FLOOD, 0);
	open_channel(&A, 80);
	far_reply(1);
	A.queued = 1;
	for (size_t i = 0; i < 2; i++) /* one frame has 24 bits for its length */
		far_bytes(3, buf_data(&down) + i * FLOOD / 2, FLOOD / 2, false);
	far_look();
	wait_got(&A, 1);
	settle();
	size_t got = buf_len(&A.got);
	assert_true(tunnel_is_stalled(T));
	assert_true(buf_len(&Far.out) > 0);
	assert_int_equal(Told.changed, 1);
	tunnel_ping(T);
	loop_skip(600000);
	assert_string_equal(A.story, "data");
	assert_int_equal(buf_len(&A.got), got);
	assert_true(tunnel_is_usable(T));
	A.queued = 0;
	channel_queued(A.c, 0);
	assert_false(tunnel_is_stalled(T));
	wait_got(&A, FLOOD);
	assert_pattern(&A.got, FLOOD, 0);
	assert_int_equal(Told.changed, 2);
	buf_free(&down);
}

/* What was asked before the pause could not be answered in it. */
static void does_not_judge_by_a_time_in_which_it_did_not_read(void **state)
{
	(void)state;
	open_channel(&A, 80);
	tunnel_ping(T);
	settle();
	channel_queued(A.c, 1);
	settle();
	loop_skip(600000);
	channel_queued(A.c, 0);
	settle();
	assert_true(tunnel_is_usable(T));
	loop_skip(TUNNEL_FENCE_MS - 2000);
	assert_true(tunnel_is_usable(T));
	loop_skip(2000);
	assert_false(tunnel_is_usable(T));
	far_reply(1);
	far_ping(1);
	far_look();
	settle();
	assert_true(tunnel_is_usable(T));
}

static void lets_a_stalled_client_queue_beside_others(void **state)
{
	(void)state;
	open_channel(&A, 80);
	open_channel(&B, 80);
	far_reply(1);
	far_reply(5);
	channel_queued(A.c, TUNNEL_QUEUE);
	far_data(7, "one");
	far_look();
	expect_got(&B, "one");
	assert_false(tunnel_is_stalled(T));
	channel_queued(A.c, TUNNEL_QUEUE + 1);
	assert_true(tunnel_is_stalled(T));
	far_data(7, "two");
	far_look();
	settle();
	assert_int_equal(buf_len(&B.got), 0);
	loop_skip(TUNNEL_STALL_MS - 2000);
	assert_string_equal(A.story, "");
	channel_queued(A.c, TUNNEL_QUEUE); /* it reads again, in time */
	expect_got(&B, "two");
	loop_skip(TUNNEL_STALL_MS);
	assert_string_equal(A.story, "");
	assert_int_equal(tunnel_channels(T), 2);
}

static void ends_a_client_that_holds_up_others_too_long(void **state)
{
	(void)state;
	open_channel(&A, 80);
	open_channel(&B, 80);
	far_reply(1);
	far_reply(5);
	settle();
	buf_free(&Far.said);
	channel_queued(A.c, TUNNEL_QUEUE + 1);
	far_data(7, "at last");
	far_look();
	settle();
	loop_skip(TUNNEL_STALL_MS);
	run_until(a_has_ended);
	assert_int_equal(A.how, CHANNEL_BROKE);
	assert_int_equal(A.err.kind, ERR_LOCAL);
	assert_string_equal(A.err.text, "the client did not read for 10 s and held up others");
	expect_got(&B, "at last");
	expect_said("reset 3|reset 1|");
	assert_false(tunnel_is_stalled(T));
	assert_int_equal(tunnel_channels(T), 1);
}

/* Who was alone and comes to share is held to the rules of sharing. */
static void changes_the_rules_with_the_company(void **state)
{
	(void)state;
	open_channel(&A, 80);
	channel_queued(A.c, 1);
	assert_true(tunnel_is_stalled(T));
	open_channel(&B, 80);
	assert_false(tunnel_is_stalled(T));
	channel_abort(B.c);
	assert_true(tunnel_is_stalled(T));
	channel_abort(A.c);
	assert_false(tunnel_is_stalled(T));
}

/* Many queues that are short, and together too long for the process. */
static void bounds_what_all_may_queue(void **state)
{
	enum { MANY = TUNNEL_QUEUE_ALL / TUNNEL_QUEUE + 1 };
	static struct side many[MANY];
	(void)state;
	open_channel(&A, 80); /* so that none is alone */
	for (int i = 0; i < MANY; i++) {
		assert_false(tunnel_is_stalled(T));
		open_channel(&many[i], 80);
		channel_queued(many[i].c, TUNNEL_QUEUE);
	}
	assert_true(tunnel_is_stalled(T));
	channel_queued(many[0].c, 0);
	assert_false(tunnel_is_stalled(T));
	close_tunnel();
	for (int i = 0; i < MANY; i++)
		assert_int_equal(many[i].how, CHANNEL_BROKE);
}

/* A server that takes nothing is not dead, and what is asked of it meanwhile
 * cannot have come out. */
static void is_stalled_while_the_server_does_not_read(void **state)
{
	(void)state;
	open_channel(&A, 80);
	far_reply(1);
	far_look();
	settle();
	Far.deaf = true;
	far_look();
	put_pattern(&A.say, FLOOD, 0);
	push_some(&A);
	settle();
	assert_false(tunnel_is_stalled(T));
	tunnel_ping(T);
	far_frame(0x80 | WS_PING, "a", 1);
	far_ping(2);
	far_look();
	loop_skip(TUNNEL_BLOCKED_MS);
	assert_true(tunnel_is_stalled(T));
	assert_int_equal(Told.changed, 1);
	loop_skip(600000);
	assert_true(tunnel_is_usable(T));
	Far.deaf = false;
	far_look();
	wait_far_got(FLOOD);
	assert_pattern(&Far.got[0], FLOOD, 0);
	settle();
	assert_false(tunnel_is_stalled(T));
	assert_int_equal(Told.changed, 2);
	assert_said("syn 1 error 80 fin|syn 3 data 80|ping 1|ws-ping|");
	loop_skip(TUNNEL_DEAD_MS);
	run_until(is_gone);
}

/* ---- ends of the tunnel ---- */

static void expect_gone(enum err_kind kind, const char *text)
{
	far_look();
	run_until(is_gone);
	assert_string_equal(tunnel_error(T)->text, text);
	assert_int_equal(tunnel_error(T)->kind, kind);
	assert_string_equal(A.story, "data end");
	assert_int_equal(A.how, CHANNEL_BROKE);
	assert_string_equal(A.err.text, text);
	assert_int_equal(buf_len(&A.got), 3);
	again();
}

static void open_and_hear(void)
{
	open_channel(&A, 80);
	far_data(3, "abc");
}

static void says_what_ended_it(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		enum err_kind kind;
		const char *text;
	} Bad[] = {
		{"\x82\x81\x01\x02\x03\x04\x05", 7, ERR_PROTOCOL,
			"WebSocket: the server's frame is masked"},
		{"\x81\x02hi", 4, ERR_PROTOCOL, "WebSocket: a text message"},
		{"\x82\x08\x80\x02\x00\x06\x00\x00\x00\x04", 10, ERR_PROTOCOL,
			"the server does not speak SPDY/3.1"},
		{"\x88\x07\x03\xe9gone\n", 9, ERR_NETWORK, "closed by the server (1001: gone?)"},
		{"\x88\x00", 2, ERR_NETWORK, "closed by the server (1005)"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Bad / sizeof *Bad; i++) {
		open_and_hear();
		buf_put(&Far.out, Bad[i].bytes, Bad[i].n);
		far_data(3, "never seen");
		expect_gone(Bad[i].kind, Bad[i].text);
	}
	if (With_tls)
		return; /* there it would be a cut */
	open_and_hear();
	far_look();
	shutdown(Far.io.fd, SHUT_WR);
	expect_gone(ERR_NETWORK, "closed by the server");
}

static void says_that_the_connection_was_lost(void **state)
{
	(void)state;
	open_and_hear();
	far_look();
	settle();
	far_break();
	run_until(is_gone);
	assert_int_equal(tunnel_error(T)->code, ECONNRESET);
	assert_string_equal(A.err.text, tunnel_error(T)->text);
	assert_string_equal(A.story, "data end");
}

static void says_why_it_never_opened(void **state)
{
	(void)state;
	Far.answer[TRANSPORT_WEBSOCKET] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	assert_false(tunnel_is_ready(T));
	assert_null(channel_open(T, 80, &Ops, &A));
	tunnel_ping(T);
	run_until(is_gone);
	assert_string_equal(Told.story, "gone");
	assert_int_equal(tunnel_error(T)->kind, ERR_PROTOCOL);
}

static void tells_its_channels_when_it_is_closed(void **state)
{
	(void)state;
	open_channel(&A, 80);
	open_channel(&B, 80);
	A.abort_too = &C;
	open_channel(&C, 80);
	close_tunnel();
	assert_string_equal(A.story, "end");
	assert_int_equal(A.how, CHANNEL_BROKE);
	assert_string_equal(A.err.text, "the tunnel was closed");
	assert_string_equal(B.story, "end");
	settle();
	assert_string_equal(Told.story, "ready");
	assert_string_equal(C.story, "");
}

/* In whatever handler it happens, nothing is told afterwards. */
static void can_be_closed_from_its_handlers(void **state)
{
	(void)state;
	Told.close_at = TUNNEL_READY;
	run_until(is_ready);
	again();
	Told.close_at = TUNNEL_CHANGED;
	tunnel_fence(T);
	settle();
	assert_null(T);
	again();
	Told.close_at = TUNNEL_GONE;
	far_break();
	run_until(is_gone);
	again();
	open_channel(&A, 80);
	A.close_at_data = true;
	far_data(3, "one");
	far_bytes(3, "two", 3, true);
	far_end(1);
	far_look();
	run_until(a_has_ended);
	assert_string_equal(A.story, "data end");
	assert_int_equal(A.how, CHANNEL_BROKE);
	expect_got(&A, With_tls ? "onetwo" : "one");
	again();
	open_channel(&A, 80);
	open_channel(&B, 80);
	A.close_at_end = true;
	far_break();
	run_until(b_has_ended);
	settle();
	assert_string_equal(Told.story, "ready");
	again();
	close_tunnel();
	open_tunnel();
	close_tunnel();
	settle();
}

/* ---- v4: one channel ---- */

static const uint8_t Port[] = {80, 0};

static void carries_one_channel_over_v4(void **state)
{
	(void)state;
	open_channel(&A, 80); /* before it is ready */
	assert_null(channel_open(T, 80, &Ops, &B));
	assert_string_equal(Told.story, "");
	put_pattern(&A.say, BULK, 5);
	push_some(&A);
	assert_int_equal(buf_len(&A.say), BULK);
	run_until(is_ready);
	assert_int_equal(Far.transport, TRANSPORT_V4);
	assert_false(tunnel_is_usable(T));
	wait_far_got(BULK);
	assert_pattern(&Far.got[0], BULK, 5);
	for (Far.cut = 0; Far.cut < 4; Far.cut++) {
		if (!Far.cut)
			far_v4(0, Port, 2);
		far_v4(1, Port, Far.cut ? 0 : 2);
		far_v4(0, "hello", 5);
		far_v4(7, "nobody's", 8);
		far_look();
		expect_got(&A, "hello");
	}
	tunnel_ping(T);
	settle();
	assert_non_null(memmem(buf_data(&Far.said), buf_len(&Far.said), "ws-ping|", 8));
	far_frame(0x80 | WS_PONG, "", 0);
	far_look();
	settle();
	assert_true(tunnel_round_trip_ms(T) >= 0);
	assert_string_equal(A.story, "data");
}

static void ends_a_v4_channel_with_its_tunnel(void **state)
{
	static const struct {
		uint8_t frame[2];
		const char *bytes;
		size_t n;
		enum channel_how how;
	} Ends[] = {
		{{0x80 | WS_CLOSE}, "\x03\xe8", 2, CHANNEL_ENDED},
		{{0x80 | WS_CLOSE}, "", 0, CHANNEL_ENDED},
		{{0x80 | WS_CLOSE}, "\x03\xf3", 2, CHANNEL_BROKE}, /* 1011: an error */
		{{0x80 | WS_BINARY}, "\1dial: connect: connection refused", 34, CHANNEL_REFUSED},
		{{0x80 | WS_TEXT}, "what?", 5, CHANNEL_BROKE},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Ends / sizeof *Ends; i++) {
		open_channel(&A, 80);
		run_until(is_ready);
		far_v4(0, Port, 2);
		far_v4(1, Port, 2);
		far_v4(0, "last words", 10);
		far_frame(Ends[i].frame[0], Ends[i].bytes, Ends[i].n);
		far_look();
		run_until(a_has_ended);
		assert_int_equal(A.how, Ends[i].how);
		expect_got(&A, "last words");
		end(NULL);
		begin_v4(NULL);
	}
}

/* From the loop, not from inside the call; and also where it is held up. */
static void ends_a_v4_tunnel_with_its_channel(void **state)
{
	(void)state;
	for (int stalled = 0; stalled < 3; stalled++) {
		open_channel(&A, 80);
		run_until(is_ready);
		if (stalled == 1)
			channel_queued(A.c, 1);
		if (stalled == 2) {
			Far.deaf = true;
			far_look();
			put_pattern(&A.say, FLOOD, 0);
			push_some(&A);
			settle();
			loop_skip(TUNNEL_BLOCKED_MS);
		}
		assert_int_equal(tunnel_is_stalled(T), stalled > 0);
		channel_abort(A.c);
		assert_null(strstr(Told.story, "gone"));
		run_until(is_gone);
		assert_string_equal(A.story, "");
		end(NULL);
		begin_v4(NULL);
	}
	open_channel(&A, 80);
	run_until(is_ready);
	channel_finish(A.c);
	expect_said("close \x03\xe8|");
}

static void says_that_a_v4_channel_never_opened(void **state)
{
	(void)state;
	Far.answer[TRANSPORT_V4] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	open_channel(&A, 80);
	run_until(is_gone);
	assert_string_equal(A.story, "end");
	assert_int_equal(A.how, CHANNEL_UNOPENED);
	assert_int_equal(A.err.kind, ERR_PROTOCOL);
}

static int set_up(void **state)
{
	int failed = certs_make(state);
	loop_init(); /* after what takes long: its clock stands still meanwhile */
	return failed;
}

static int tear_down(void **state)
{
	loop_end();
	return certs_remove(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin_ready, end)
#define TEST_SPDY(f)                                                                               \
	{                                                                                          \
		"spdy: " #f, f, begin_spdy, end, NULL                                              \
	}
#define TEST_TLS(f)                                                                                \
	{                                                                                          \
		"tls: " #f, f, begin_tls, end, NULL                                                \
	}
#define TEST_V4(f)      cmocka_unit_test_setup_teardown(f, begin_v4, end)
#define TEST_OPENING(f) cmocka_unit_test_setup_teardown(f, begin, end)

static const struct CMUnitTest Tests[] = {
	TEST(sends_the_first_bytes_with_the_streams_that_carry_them),
	TEST(carries_two_channels_side_by_side),
	TEST(pulls_large_frames_from_a_socket),
	TEST(reads_however_it_is_cut),
	TEST(ends_as_the_application_ends),
	TEST(finishes_once),
	TEST(waits_for_what_the_error_stream_says),
	TEST(tells_what_broke_a_channel),
	TEST(keeps_no_more_of_an_error_than_a_line),
	TEST(passes_over_what_comes_late),
	TEST(may_be_aborted_by_what_it_is_told),
	TEST(may_be_aborted_by_what_another_is_told),
	TEST(serves_those_who_wait_in_turn),
	TEST(takes_no_new_channel_after_goaway),
	TEST(takes_no_new_channel_when_fenced),
	TEST(pings_and_measures),
	TEST(pings_when_what_was_sent_brings_nothing_back),
	TEST(does_not_ping_while_data_goes_both_ways),
	TEST(fences_until_a_ping_is_answered),
	TEST(is_dead_when_nothing_is_heard_after_a_ping),
	TEST(is_not_dead_for_a_lost_pong),
	TEST(is_dead_when_nothing_is_heard_after_another_ping_either),
	TEST(fences_until_new_streams_are_answered),
	TEST(gives_up_new_streams_that_are_never_answered),
	TEST(stops_reading_for_a_lonely_client_as_long_as_it_takes),
	TEST(does_not_judge_by_a_time_in_which_it_did_not_read),
	TEST(lets_a_stalled_client_queue_beside_others),
	TEST(ends_a_client_that_holds_up_others_too_long),
	TEST(changes_the_rules_with_the_company),
	TEST(bounds_what_all_may_queue),
	TEST(is_stalled_while_the_server_does_not_read),
	TEST(says_what_ended_it),
	TEST(says_that_the_connection_was_lost),
	TEST_OPENING(says_why_it_never_opened),
	TEST(tells_its_channels_when_it_is_closed),
	TEST_OPENING(can_be_closed_from_its_handlers),
	TEST_SPDY(sends_the_first_bytes_with_the_streams_that_carry_them),
	TEST_SPDY(carries_two_channels_side_by_side),
	TEST_SPDY(pulls_large_frames_from_a_socket),
	TEST_SPDY(ends_as_the_application_ends),
	TEST_SPDY(finishes_once),
	TEST_SPDY(tells_what_broke_a_channel),
	TEST_SPDY(passes_over_what_comes_late),
	TEST_SPDY(is_dead_when_nothing_is_heard_after_a_ping),
	TEST_TLS(carries_two_channels_side_by_side),
	TEST_TLS(pulls_large_frames_from_a_socket),
	TEST_TLS(reads_however_it_is_cut),
	TEST_TLS(ends_as_the_application_ends),
	TEST_TLS(waits_for_what_the_error_stream_says),
	TEST_TLS(tells_what_broke_a_channel),
	TEST_TLS(may_be_aborted_by_what_it_is_told),
	TEST_TLS(may_be_aborted_by_what_another_is_told),
	TEST_TLS(stops_reading_for_a_lonely_client_as_long_as_it_takes),
	TEST_TLS(says_what_ended_it),
	TEST_TLS(can_be_closed_from_its_handlers),
	TEST_V4(carries_one_channel_over_v4),
	TEST_V4(ends_a_v4_channel_with_its_tunnel),
	TEST_V4(ends_a_v4_tunnel_with_its_channel),
	TEST_V4(says_that_a_v4_channel_never_opened),
};

int main(void)
{
	return cmocka_run_group_tests_name("tunnel", Tests, set_up, tear_down);
}
