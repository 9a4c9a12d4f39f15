/* Keys from the bytes that a terminal sends, one byte at a time.
 *
 * Sequences may have any length and come in any parts: those that mean no key known
 * here are swallowed whole.  Knows no clock: see keypress_wait().
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key is one number: a code point for text; 1 to 26 for Ctrl and a letter; and these. */
#define KEY_CTRL(letter) ((letter)&0x1f)
enum {
	KEY_NONE = 0,
	KEY_TAB = '\t',
	KEY_ENTER = '\r', /* also Ctrl+J */
	KEY_ESC = 0x1b,
	KEY_BACKSPACE = 0x7f, /* also Ctrl+H */
	KEY_UP = 0x110000,
	KEY_DOWN,
	KEY_RIGHT,
	KEY_LEFT,
	KEY_HOME,
	KEY_END,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_INSERT,
	KEY_DELETE,
	KEY_PASTED = 0x200000, /* added to a character that was pasted, not typed */
};

/* Starts as {0}. */
struct keypress {
	unsigned state;
	unsigned number; /* the first one of a sequence */
	bool counted;    /* it is complete */
	bool swallow;    /* what has begun is no key */
	bool pasted;     /* what comes now */
	size_t count;
	char bytes[4]; /* of a character */
};

/* Takes one byte; returns the key that it completes, or KEY_NONE.  With Alt, characters
 * are none; with Shift or Ctrl, arrows and their like are what they are without.
 *
 * Where the terminal marks what is pasted (CSI ? 2004 h), that is characters only: ends of
 * lines and tabs are blanks.  Ctrl+C and a lone Esc are keys all the same. */
uint32_t keypress_feed(struct keypress *k, uint8_t byte);

/* For how many milliseconds the next byte is to be waited for; 0: nothing is begun.  A
 * lone Esc looks as the beginning of a sequence does: only time tells. */
enum { KEYPRESS_ESC_MS = 50, KEYPRESS_REST_MS = 500 };
int keypress_wait(const struct keypress *k);

/* The next byte has not come in that time.  Returns KEY_ESC, or KEY_NONE where something
 * else was begun, which is forgotten. */
uint32_t keypress_late(struct keypress *k);
