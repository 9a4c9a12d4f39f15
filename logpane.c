/* A line of log.h's text form is cut in its parts: the time, as it is here, and the level
 * stand before the rest. */
#include "logpane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "mem.h"
#include "timestamp.h"

enum { LABEL = 15, LABEL_TEXT = 32 };

static enum style level_style(enum log_level level)
{
	static const enum style Style[] = {[LOG_DEBUG] = STYLE_FAINT,
		[LOG_INFO] = STYLE_GOOD,
		[LOG_WARN] = STYLE_WARN,
		[LOG_ERROR] = STYLE_BAD};
	return Style[level];
}

/* "10:31:04 INFO", from "2026-11-22T10:31:04.123Z INFO: ..."; returns what follows. */
static const char *put_label(const char *line, char label[LABEL_TEXT])
{
	const char *level = strchr(line, ' '), *rest = level ? strstr(level, ": ") : NULL;
	char *moment = level ? mem_dup_n(line, (size_t)(level - line)) : mem_dup("");
	int64_t ms;
	struct tm tm;
	label[0] = '\0';
	if (rest && timestamp_parse(moment, &ms)) {
		time_t at = (time_t)(ms / 1000);
		localtime_r(&at, &tm);
		size_t n = strftime(label, LABEL_TEXT, "%H:%M:%S", &tm);
		snprintf(label + n, LABEL_TEXT - n, "%.*s", (int)(rest - level), level);
		line = rest + 2;
	}
	free(moment);
	return line;
}

static void put_line(struct page *p, const char *line, enum log_level level)
{
	char label[LABEL_TEXT];
	const char *rest = put_label(line, label);
	page_put(
		p, level_style(level), label, level == LOG_DEBUG ? STYLE_FAINT : STYLE_PLAIN, rest);
}

void logpane_page(struct page *p, unsigned columns)
{
	bool at_end = page_is_at_end(p);
	uint64_t place = page_place(p);
	enum log_level level;
	const char *line;
	size_t n = 0;
	while (log_recent(n, &level))
		n++;
	page_begin(p, columns, LABEL);
	page_number(p, log_count() - n);
	while (n && (line = log_recent(--n, &level)))
		put_line(p, line, level);
	if (at_end)
		page_move(p, PAGE_ALL);
	else
		page_seek(p, place);
}
