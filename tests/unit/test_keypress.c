/* keypress.c alone: each key as terminals send it, in one part and in others, and what is
 * none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "keypress.h"

enum { KEYS_MAX = 32 };

/* What bytes mean: keys that end with KEY_NONE, and for how long one waits behind them. */
static const struct {
	const char *bytes;
	uint32_t keys[8];
	int wait;
} Inputs[] = {
	{"q", {'q'}, 0},
	{" ~", {' ', '~'}, 0},
	{"\r", {KEY_ENTER}, 0},
	{"\n", {KEY_ENTER}, 0},
	{"\t", {KEY_TAB}, 0},
	{"\x7f", {KEY_BACKSPACE}, 0},
	{"\b", {KEY_BACKSPACE}, 0},
	{"\x03\x1a\x1c", {KEY_CTRL('c'), KEY_CTRL('z'), 0x1c}, 0},
	{"é東🟢", {0xe9, 0x6771, 0x1f7e2}, 0},
	{"\x1b[A\x1b[B\x1b[C\x1b[D", {KEY_UP, KEY_DOWN, KEY_RIGHT, KEY_LEFT}, 0},
	{"\x1bOA\x1bOB\x1bOC\x1bOD", {KEY_UP, KEY_DOWN, KEY_RIGHT, KEY_LEFT}, 0},
	{"\x1b[H\x1b[F\x1bOH\x1bOF", {KEY_HOME, KEY_END, KEY_HOME, KEY_END}, 0},
	{"\x1b[1~\x1b[4~\x1b[7~\x1b[8~", {KEY_HOME, KEY_END, KEY_HOME, KEY_END}, 0},
	{"\x1b[5~\x1b[6~", {KEY_PAGE_UP, KEY_PAGE_DOWN}, 0},
	{"\x1b[2~\x1b[3~", {KEY_INSERT, KEY_DELETE}, 0},
	{"\x1bOM", {KEY_ENTER}, 0},
	{"\x1b[1;5A\x1b[1;2H\x1b[5;3~", {KEY_UP, KEY_HOME, KEY_PAGE_UP}, 0},
	{"\x1b[01~", {KEY_HOME}, 0},

	/* swallowed whole */
	{"\x1b[15~\x1b[24;2~\x1bOPq", {'q'}, 0},
	{"\x1b[[Aq", {'q'}, 0},
	{"\x1b[<0;10;20Mq", {'q'}, 0},
	{"\x1b[?1;2cq", {'q'}, 0},
	{"\x1b[1 Aq", {'q'}, 0},
	{"\x1b[I\x1b[O\x1b[Zq", {'q'}, 0},
	{"\x1b[99999999999999999999999999999999999999999999999999~q", {'q'}, 0},
	{"\x1b[4294967297~q", {'q'}, 0},
	{"\x1b]0;quit\aq", {'q'}, 0},
	{"\x1b]11;rgb:0/0/0\x1b\\q", {'q'}, 0},
	{"\x1bP1$r0m\x1b\\q", {'q'}, 0},
	{"\x1bqq", {'q'}, 0},
	{"\x1b\x7fq", {'q'}, 0},
	{"\x1b\u00e9q", {'q'}, 0},
	{"\xc2\x9b\xe2\x80\xaeq", {'q'}, 0},

	/* pasted */
	{"\x1b[200~q\x1b[201~q", {KEY_PASTED + 'q', 'q'}, 0},
	{"\x1b[200~\u00e9\r\n\t\x1b[201~",
		{KEY_PASTED + 0xe9, KEY_PASTED + ' ', KEY_PASTED + ' ', KEY_PASTED + ' '}, 0},
	{"\x1b[200~\x1b[A\x1b\x1b[A\x7f\x1a\x1b[201~", {0}, 0},
	{"\x1b[200~\x1b[200~a\x1b[201~q", {KEY_PASTED + 'a', 'q'}, 0},
	{"\x1b[200~a\x03q", {KEY_PASTED + 'a', KEY_CTRL('c'), 'q'}, 0},
	{"\x1b[200~a\x1b", {KEY_PASTED + 'a'}, KEYPRESS_ESC_MS},
	{"\x1b[201~q", {'q'}, 0},

	/* broken off */
	{"\x1b", {0}, KEYPRESS_ESC_MS},
	{"\x1b\x1b", {KEY_ESC}, KEYPRESS_ESC_MS},
	{"\x1b\x1b[A", {KEY_ESC, KEY_UP}, 0},
	{"\x1b\x03", {KEY_CTRL('c')}, 0},
	{"\x1b[1\x03q", {KEY_CTRL('c'), 'q'}, 0},
	{"\x1b[1\x1b[A", {KEY_UP}, 0},
	{"\x1b]0;t\x03q", {KEY_CTRL('c'), 'q'}, 0},
	{"\x1b[[\x03q", {KEY_CTRL('c'), 'q'}, 0},
	{"\x1b[", {0}, KEYPRESS_REST_MS},
	{"\x1b[1;", {0}, KEYPRESS_REST_MS},
	{"\x1bO", {0}, KEYPRESS_REST_MS},
	{"\x1b]0;", {0}, KEYPRESS_REST_MS},
	{"\xe6\x9d", {0}, KEYPRESS_REST_MS},
	{"\xe6\x9dq", {'q'}, 0},
	{"\xe6\x9d\xc3\xa9", {0xe9}, 0},
	{"\xff\x80\x80\x80q", {'q'}, 0},
	{"\xed\xa0\x80q", {'q'}, 0},
	{"\x80q", {'q'}, 0},
};

static void reads_each_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof Inputs / sizeof *Inputs; i++) {
		struct keypress k = {0};
		const uint32_t *next = Inputs[i].keys;
		for (const char *p = Inputs[i].bytes; *p; p++) {
			uint32_t key = keypress_feed(&k, (uint8_t)*p);
			if (key)
				assert_int_equal(key, *next++);
		}
		assert_int_equal(*next, KEY_NONE);
		assert_int_equal(keypress_wait(&k), Inputs[i].wait);
	}
}

/* Whatever was begun is over then: a "q" behind it is one. */
static void gives_up_what_does_not_come_in_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof Inputs / sizeof *Inputs; i++) {
		struct keypress k = {0};
		for (const char *p = Inputs[i].bytes; *p; p++)
			keypress_feed(&k, (uint8_t)*p);
		bool lone = Inputs[i].wait == KEYPRESS_ESC_MS;
		assert_int_equal(keypress_late(&k), lone ? KEY_ESC : KEY_NONE);
		assert_int_equal(keypress_wait(&k), 0);
		assert_int_equal(keypress_feed(&k, 'q'), 'q');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_each_key),
		cmocka_unit_test(gives_up_what_does_not_come_in_time),
	};
	return cmocka_run_group_tests_name("keypress", tests, NULL, NULL);
}
