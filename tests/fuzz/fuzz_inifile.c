/* What is told must be clean, in the order of the lines, and the same when it is
 * written as an INI text and read again. */
#include <assert.h>
#include <string.h>

#include "buf.h"
#include "inifile.h"
#include "text.h"

struct story {
	unsigned line;
	struct buf text; /* as an INI text again; faults leave nothing */
};

static void check(struct story *s, unsigned line, const char *text)
{
	uint32_t c;
	assert(line > s->line);
	s->line = line;
	for (size_t n; *text; text += n) {
		n = text_char(text, 4, &c);
		assert(n && (c == '\t' || !text_is_control(c)));
	}
}

static void on_section(void *owner, unsigned line, const char *name)
{
	struct story *s = owner;
	check(s, line, name);
	assert(strlen(name) <= INIFILE_NAME_MAX);
	buf_print(&s->text, "[%s]\n", name);
}

static void on_key(void *owner, unsigned line, const char *name, const char *value)
{
	struct story *s = owner;
	check(s, line, name);
	check(&(struct story){0}, 1, value);
	assert(*name);
	buf_print(&s->text, "%s=%s\n", name, value);
}

static void on_fault(void *owner, unsigned line, const char *why, bool section)
{
	(void)section;
	check(owner, line, why);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const struct inifile_ops Ops = {on_section, on_key, on_fault};
	struct story first = {0}, again = {0};
	inifile_read((const char *)p, n, &Ops, &first);
	inifile_read((const char *)buf_data(&first.text), buf_len(&first.text), &Ops, &again);
	assert(buf_len(&first.text) == buf_len(&again.text));
	assert(!memcmp(buf_data(&first.text), buf_data(&again.text), buf_len(&first.text)));
	buf_free(&first.text);
	buf_free(&again.text);
	return 0;
}
