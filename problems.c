/* Problems stay in the order in which they were found, and are sorted by line
 * when they are told.
 */
#include "problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "text.h"

struct problem {
	struct place at;
	size_t order;
	char *words;
	char *remedies; /* whole lines; or NULL */
};

/* What is printed may hold line ends and worse: one line of clean text. */
static char *line_of(const char *fmt, va_list args)
{
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, fmt, args);
	char *line = mem_new((size_t)n + 1);
	vsnprintf(line, (size_t)n + 1, fmt, again);
	va_end(again);
	text_clean(line);
	return line;
}

void problems_add(struct problems *p, struct place at, const char *fmt, ...)
{
	va_list args;
	size_t n = p->count++;
	p->all = mem_grow(p->all, p->count * sizeof *p->all);
	va_start(args, fmt);
	p->all[n] = (struct problem){.at = at, .order = n, .words = line_of(fmt, args)};
	va_end(args);
}

void problems_remedy(struct problems *p, const char *fmt, ...)
{
	struct problem *last = &p->all[p->count - 1];
	struct buf all = {0};
	va_list args;
	va_start(args, fmt);
	char *line = line_of(fmt, args);
	va_end(args);
	if (*line) {
		buf_print(&all, "%s  %s\n", last->remedies ? last->remedies : "", line);
		free(last->remedies);
		last->remedies = mem_dup_n(buf_data(&all), buf_len(&all));
	}
	buf_free(&all);
	free(line);
}

static int by_line(const void *a, const void *b)
{
	const struct problem *x = a, *y = b;
	if (x->at.line != y->at.line)
		return x->at.line < y->at.line ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static void put_place(struct buf *out, struct place at)
{
	char *file = mem_dup(at.file);
	text_clean(file);
	buf_print(out, at.line ? " (%s:%u)" : " (%s)", file, at.line);
	free(file);
}

bool problems_tell(struct problems *p, struct buf *out)
{
	size_t count = p->count;
	if (count)
		qsort(p->all, count, sizeof *p->all, by_line);
	for (size_t i = 0; i < count; i++) {
		struct problem *own = &p->all[i];
		if (i < PROBLEMS_SHOWN) {
			buf_print(out, "%s", own->words);
			if (own->at.file)
				put_place(out, own->at);
			buf_print(out, "\n%s", own->remedies ? own->remedies : "");
		}
		free(own->words);
		free(own->remedies);
	}
	if (count > PROBLEMS_SHOWN)
		buf_print(out, "  and %zu more\n", count - PROBLEMS_SHOWN);
	free(p->all);
	*p = (struct problems){0};
	return !count;
}
