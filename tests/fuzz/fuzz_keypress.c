/* Whatever comes: keys are text that can be shown, controls, or named ones; and Ctrl+C,
 * behind anything, is itself. */
#include <assert.h>

#include "keypress.h"
#include "text.h"

static void check(uint32_t key)
{
	assert(key <= KEY_BACKSPACE || key <= KEY_DELETE);
	assert(key < 0x80 || key >= KEY_UP || !text_is_control(key));
	assert(key < 0xd800 || key > 0xdfff);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct keypress k = {0};
	for (size_t i = 0; i < n; i++) {
		struct keypress copy = k, late = k;
		check(keypress_feed(&k, p[i]));
		assert(keypress_feed(&copy, KEY_CTRL('c')) == KEY_CTRL('c'));
		assert(!keypress_wait(&copy));
		check(keypress_late(&late));
		assert(!keypress_wait(&late));
	}
	return 0;
}
