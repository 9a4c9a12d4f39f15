/* A state for each place in a sequence, after ECMA-48: what decides is the kind of the next
 * byte.  See keypress.h. */
#include "keypress.h"

#include <stddef.h>
#include <string.h>

#include "text.h"

enum {
	GROUND,
	ESCAPED,   /* behind Esc */
	CONTROL,   /* behind CSI (Esc [) or SS3 (Esc O): numbers, then one letter */
	STRING,    /* OSC, DCS and the like: up to a control character */
	ONE_MORE,  /* the console's F keys: Esc [ [ A */
	CHARACTER, /* of several bytes */
	NUMBER_MAX = 1000,
};

enum { PASTE = KEY_PASTED, PASTE_END }; /* what stands around it */

enum { BEL = 0x07 };

static const struct {
	uint8_t final;
	unsigned number; /* before '~' */
	uint32_t key;
} Sequences[] = {
	{'A', 0, KEY_UP},
	{'B', 0, KEY_DOWN},
	{'C', 0, KEY_RIGHT},
	{'D', 0, KEY_LEFT},
	{'F', 0, KEY_END},
	{'H', 0, KEY_HOME},
	{'M', 0, KEY_ENTER}, /* of the keypad */
	{'~', 1, KEY_HOME},
	{'~', 2, KEY_INSERT},
	{'~', 3, KEY_DELETE},
	{'~', 4, KEY_END},
	{'~', 5, KEY_PAGE_UP},
	{'~', 6, KEY_PAGE_DOWN},
	{'~', 7, KEY_HOME},
	{'~', 8, KEY_END},
	{'~', 200, PASTE},
	{'~', 201, PASTE_END},
};

static uint32_t key_of(uint8_t final, unsigned number)
{
	for (size_t i = 0; i < sizeof Sequences / sizeof *Sequences; i++)
		if (Sequences[i].final == final && (final != '~' || Sequences[i].number == number))
			return Sequences[i].key;
	return KEY_NONE;
}

static void forget(struct keypress *k)
{
	*k = (struct keypress){.pasted = k->pasted};
}

static uint32_t done(struct keypress *k, uint32_t key)
{
	bool swallow = k->swallow;
	forget(k);
	return swallow ? KEY_NONE : key;
}

static uint32_t begin(struct keypress *k, unsigned state)
{
	k->state = state;
	return KEY_NONE;
}

static uint32_t read_first(struct keypress *k, uint8_t byte)
{
	if (byte == KEY_ESC)
		return begin(k, ESCAPED);
	if (byte == '\n')
		return done(k, KEY_ENTER);
	if (byte == KEY_CTRL('h'))
		return done(k, KEY_BACKSPACE);
	if (byte < 0x80)
		return done(k, byte);
	k->bytes[k->count++] = (char)byte;
	return begin(k, CHARACTER);
}

/* A control character ends whatever it comes in, and counts itself: Ctrl+C does always. */
static uint32_t read_anew(struct keypress *k, uint8_t byte)
{
	forget(k);
	return read_first(k, byte);
}

static uint32_t read_escaped(struct keypress *k, uint8_t byte)
{
	static const char Strings[] = {']', 'P', 'X', '^', '_'};
	if (byte == KEY_ESC)
		return KEY_ESC; /* that one; the state is the second's */
	if (byte < ' ')
		return read_anew(k, byte);
	if (byte == '[' || byte == 'O')
		return begin(k, CONTROL);
	if (memchr(Strings, byte, sizeof Strings))
		return begin(k, STRING);
	k->swallow = true;
	return read_first(k, byte);
}

static uint32_t read_control(struct keypress *k, uint8_t byte)
{
	if (byte < ' ' || byte > '~')
		return read_anew(k, byte);
	if (byte == '[')
		return begin(k, ONE_MORE);
	if (byte >= '@')
		return done(k, key_of(byte, k->number));
	if (byte == ';')
		k->counted = true;
	else if (byte < '0' || byte > ';')
		k->swallow = true;
	else if (!k->counted && k->number < NUMBER_MAX)
		k->number = k->number * 10 + byte - '0';
	return KEY_NONE;
}

static uint32_t read_string(struct keypress *k, uint8_t byte)
{
	if (byte == BEL)
		return done(k, KEY_NONE);
	return byte < ' ' ? read_anew(k, byte) : KEY_NONE;
}

static uint32_t read_one_more(struct keypress *k, uint8_t byte)
{
	return byte < ' ' ? read_anew(k, byte) : done(k, KEY_NONE);
}

static uint32_t read_character(struct keypress *k, uint8_t byte)
{
	uint32_t c;
	if ((byte & 0xc0) != 0x80)
		return read_anew(k, byte);
	k->bytes[k->count++] = (char)byte;
	if (text_char(k->bytes, k->count, &c))
		return done(k, text_is_control(c) ? KEY_NONE : c);
	return k->count < sizeof k->bytes ? KEY_NONE : done(k, KEY_NONE);
}

static uint32_t pasted(uint32_t key)
{
	if (key == KEY_ENTER || key == KEY_TAB)
		key = ' ';
	return key < KEY_UP && !text_is_control(key) ? KEY_PASTED + key : KEY_NONE;
}

/* Who is stuck in it, since its end was lost, gets out by keys that text has not. */
static uint32_t look_pasted(struct keypress *k, uint32_t key)
{
	if (key == PASTE || key == PASTE_END) {
		k->pasted = key == PASTE;
		return KEY_NONE;
	}
	if (key == KEY_CTRL('c'))
		k->pasted = false;
	return key && k->pasted ? pasted(key) : key;
}

uint32_t keypress_feed(struct keypress *k, uint8_t byte)
{
	static uint32_t (*const Read[])(struct keypress *, uint8_t) = {
		[GROUND] = read_first,
		[ESCAPED] = read_escaped,
		[CONTROL] = read_control,
		[STRING] = read_string,
		[ONE_MORE] = read_one_more,
		[CHARACTER] = read_character,
	};
	return look_pasted(k, Read[k->state](k, byte));
}

int keypress_wait(const struct keypress *k)
{
	if (k->state == GROUND)
		return 0;
	return k->state == ESCAPED ? KEYPRESS_ESC_MS : KEYPRESS_REST_MS;
}

uint32_t keypress_late(struct keypress *k)
{
	bool lone = k->state == ESCAPED;
	k->pasted = k->pasted && !lone;
	return done(k, lone ? KEY_ESC : KEY_NONE);
}
