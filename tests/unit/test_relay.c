/* relay.c between a socket and a TLS server; test_conn.c has more, by way of route.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>

#include "relay.h"
#include "test_conn.h"

enum { BULK = 3000000 };

static struct tls_anchors *Anchors;
static struct relay *R;
static struct buf Got, Say;
static struct io Near; /* our end of what it gives */
static unsigned Ends;
static struct err End;
static bool Eof, Paused;

static void look(void)
{
	io_want(&Near, (Paused || Eof ? 0 : EPOLLIN) | (buf_len(&Say) ? EPOLLOUT : 0));
}

static void on_near(struct io *io, uint32_t events)
{
	size_t n = buf_len(&Say);
	if (events & EPOLLIN) {
		ssize_t got = recv(io->fd, buf_room(&Got, CHUNK), CHUNK, 0);
		Eof |= got <= 0;
		buf_push(&Got, got > 0 ? (size_t)got : 0);
	}
	if (events & EPOLLOUT && n) {
		ssize_t sent = send(io->fd, buf_data(&Say), n, MSG_NOSIGNAL);
		buf_eat(&Say, sent > 0 ? (size_t)sent : 0);
	}
	look();
	loop_stop();
}

static void on_relay(void *owner, int fd, const struct err *e)
{
	(void)owner;
	loop_stop();
	if (fd < 0) {
		Ends++;
		End = *e;
		R = NULL;
		return;
	}
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	io_open(&Near, fd, on_near);
	look();
}

static bool is_there(void)
{
	return Near.fd >= 0;
}

static bool has_ended(void)
{
	return Ends;
}

static bool is_eof(void)
{
	return Eof;
}

static size_t Want;

static bool has_got(void)
{
	return buf_len(&Got) >= Want;
}

static bool server_has_got(void)
{
	return buf_len(&S.got) >= Want;
}

static bool server_sees_end(void)
{
	return S.eof || S.lost;
}

static void begin(void)
{
	const struct tls_options tls = {.host = "127.0.0.1", .anchors = Anchors};
	Near.fd = -1;
	Ends = 0;
	Eof = Paused = false;
	server_start(true);
	R = relay_start(
		&(struct conn_spec){
			.host = "127.0.0.1", .port = S.port, .tls = &tls, .limit_ms = PATIENCE_MS},
		on_relay, NULL);
}

static void end(void)
{
	io_close(&Near);
	if (R)
		relay_close(R);
	R = NULL;
	buf_free(&Got);
	buf_free(&Say);
	server_stop();
}

static void put_numbers(struct buf *b)
{
	for (uint32_t i = 0; i < BULK / sizeof i; i++)
		buf_put(b, &i, sizeof i);
}

static void assert_numbers(const struct buf *b)
{
	struct buf want = {0};
	put_numbers(&want);
	assert_int_equal(buf_len(b), buf_len(&want));
	assert_memory_equal(buf_data(b), buf_data(&want), buf_len(&want));
	buf_free(&want);
}

static void carries_both_ways_and_the_end(void **state)
{
	(void)state;
	begin();
	assert_true(loop_until(is_there));
	put_numbers(&Say);
	put_numbers(&S.say);
	Want = BULK / 4 * 4;
	look();
	server_look();
	assert_true(loop_until(server_has_got));
	assert_true(loop_until(has_got));
	assert_numbers(&S.got);
	assert_numbers(&Got);
	S.closing = true;
	server_say("bye", 3);
	assert_true(loop_until(has_ended));
	assert_true(loop_until(is_eof));
	assert_int_equal(End.kind, ERR_NONE);
	assert_int_equal(Ends, 1);
	assert_memory_equal(buf_data(&Got) + Want, "bye", 3);
	end();
}

/* Those who do not read hold the other side up. */
static void holds_up_whoever_is_too_fast(void **state)
{
	(void)state;
	begin();
	assert_true(loop_until(is_there));
	Paused = true;
	S.deaf = true;
	for (int i = 0; i < 4; i++) {
		put_numbers(&S.say);
		put_numbers(&Say);
	}
	look();
	server_look();
	size_t left = 0;
	while (left != buf_len(&S.say) + buf_len(&Say)) {
		left = buf_len(&S.say) + buf_len(&Say);
		assert_true(loop_until_quiet());
	}
	assert_true(buf_len(&S.say) > BULK && buf_len(&Say) > BULK);
	Paused = S.deaf = false;
	Want = 4 * (BULK / 4 * 4);
	look();
	server_look();
	assert_true(loop_until(has_got));
	assert_true(loop_until(server_has_got));
	end();
}

static void tells_why_it_has_failed(void **state)
{
	(void)state;
	begin();
	assert_true(loop_until(is_there));
	server_say("last", 4);
	Want = 4;
	assert_true(loop_until(has_got));
	server_reset();
	assert_true(loop_until(has_ended));
	assert_true(loop_until(is_eof));
	assert_int_equal(End.kind, ERR_NETWORK);
	assert_memory_equal(End.text, "connection to 127.0.0.1:", 24);
	end();
	struct tls_anchors *right = Anchors;
	Anchors = certs_anchors("other.crt");
	begin();
	assert_true(loop_until(has_ended));
	assert_int_equal(Near.fd, -1);
	assert_int_equal(End.kind, ERR_TLS);
	end();
	tls_anchors_free(Anchors);
	Anchors = right;
}

static void sends_what_was_written_before_it_is_closed(void **state)
{
	(void)state;
	begin();
	assert_true(loop_until(is_there));
	assert_int_equal(send(Near.fd, "adieu", 5, 0), 5);
	io_close(&Near);
	relay_close(R);
	R = NULL;
	assert_true(loop_until(server_sees_end));
	assert_int_equal(buf_len(&S.got), 5);
	assert_true(tls_end_is_closed(S.tls));
	assert_int_equal(Ends, 0);
	end();
	begin();
	end(); /* before it is there, too */
	assert_true(loop_until_quiet());
}

static int set_up(void **state)
{
	if (certs_make(state))
		return -1;
	Anchors = certs_anchors("ca.crt");
	loop_init();
	return !Anchors;
}

static int tear_down(void **state)
{
	tls_anchors_free(Anchors);
	loop_end();
	return certs_remove(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_both_ways_and_the_end),
		cmocka_unit_test(holds_up_whoever_is_too_fast),
		cmocka_unit_test(tells_why_it_has_failed),
		cmocka_unit_test(sends_what_was_written_before_it_is_closed),
	};
	return cmocka_run_group_tests_name("relay", tests, set_up, tear_down);
}
