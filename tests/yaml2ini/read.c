/* For pytest: inifile.c as a program.  Reads texts from stdin, each behind its length in decimal
 * and a line end, and answers each with a line of JSON: a list of [line, section], of
 * [line, key, value] and, for what is neither, of [line]. */
#include <stdio.h>
#include <stdlib.h>

#include "buf.h"
#include "inifile.h"
#include "json.h"

static void begin(struct buf *out, unsigned line)
{
	buf_print(out, "%s[%u", buf_len(out) > 1 ? "," : "", line);
}

static void put(struct buf *out, const char *text)
{
	buf_put(out, ",", 1);
	json_put_string(out, text);
}

static void on_section(void *owner, unsigned line, const char *name)
{
	begin(owner, line);
	put(owner, name);
	buf_put(owner, "]", 1);
}

static void on_key(void *owner, unsigned line, const char *name, const char *value)
{
	begin(owner, line);
	put(owner, name);
	put(owner, value);
	buf_put(owner, "]", 1);
}

static void on_fault(void *owner, unsigned line, const char *why, bool section)
{
	(void)why;
	(void)section;
	begin(owner, line);
	buf_put(owner, "]", 1);
}

static void answer(const char *p, size_t n)
{
	static const struct inifile_ops Ops = {on_section, on_key, on_fault};
	struct buf out = {0};
	buf_put(&out, "[", 1);
	inifile_read(p, n, &Ops, &out);
	buf_put(&out, "]\n", 2);
	fwrite(buf_data(&out), 1, buf_len(&out), stdout);
	fflush(stdout);
	buf_free(&out);
}

int main(void)
{
	size_t n;
	while (scanf("%zu", &n) == 1 && getchar() == '\n') {
		char *p = malloc(n ? n : 1); /* no more: ASan sees what is read beyond */
		if (!p || fread(p, 1, n, stdin) != n)
			return 1;
		answer(p, n);
		free(p);
	}
	return 0;
}
