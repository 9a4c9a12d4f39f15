/* Log lines: built in one buffer, written by one write(2), the last ones kept.
 * Who logs what, and how the screen shows it, is for others.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mem.h"
#include "text.h"

static const char *const Level[] = {"DEBUG", "INFO", "WARN", "ERROR"};

static struct {
	int fd;
	char *path; /* NULL: stderr */
	bool verbose;
	bool torn;         /* the last line was written in part only */
	long long dropped; /* lines since the last that was written */
} sink = {.fd = STDERR_FILENO};

static struct {
	struct {
		char *text;
		enum log_level level;
	} line[LOG_LINES];
	size_t count; /* of lines ever kept; the newest is at count - 1 */
} kept;

struct line {
	char text[LOG_LINE_MAX + 1]; /* [0] is the '\n' that ends a torn line before it */
	size_t n;
	bool full; /* something did not fit: nothing more goes in */
};

static bool open_sink(const char *path)
{
	/* Not blocking: a FIFO that nobody reads must not stop the loop. */
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		S_IRUSR | S_IWUSR);
	if (fd < 0)
		return false;
	if (sink.path)
		close(sink.fd);
	sink.fd = fd;
	sink.torn = false;
	return true;
}

bool log_open(const char *path)
{
	if (*path && !open_sink(path))
		return false;
	if (!*path && sink.path) {
		close(sink.fd);
		sink.fd = STDERR_FILENO;
		sink.torn = false;
	}
	char *copy = *path ? mem_dup(path) : NULL; /* `path` may be the old one */
	free(sink.path);
	sink.path = copy;
	return true;
}

bool log_reopen(void)
{
	return !sink.path || open_sink(sink.path);
}

void log_verbose(bool on)
{
	sink.verbose = on;
}

bool log_is_verbose(void)
{
	return sink.verbose;
}

/* All or nothing; one byte stays free for the end of the line. */
static void put(struct line *l, const char *p, size_t n)
{
	if (l->full || n > sizeof l->text - 1 - l->n) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->n, p, n);
	l->n += n;
}

static void put_char(struct line *l, char c)
{
	put(l, &c, 1);
}

static void put_text(struct line *l, const char *text, bool quoted)
{
	for (const char *p = text; *p && !l->full;) {
		uint32_t c = 0;
		size_t n = text_char(p, 4, &c);
		if (quoted && (*p == '"' || *p == '\\'))
			put_char(l, '\\');
		if (n && !text_is_control(c))
			put(l, p, n);
		else
			put_char(l, '?');
		p += n ? n : 1;
	}
}

static void put_time(struct line *l)
{
	struct timespec now;
	struct tm tm;
	char text[32], milli[8];
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	put(l, text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm));
	snprintf(milli, sizeof milli, ".%03uZ", (unsigned)(now.tv_nsec / 1000000) % 1000);
	put_text(l, milli, false);
}

static void put_field(struct line *l, const struct log_field *field)
{
	char number[24];
	const char *text = field->text;
	if (!text) {
		snprintf(number, sizeof number, "%lld", field->number);
		text = number;
	}
	bool quoted = !*text || strpbrk(text, " \"");
	put_char(l, ' ');
	put_text(l, field->key, false);
	put(l, quoted ? "=\"" : "=", quoted ? 2 : 1);
	put_text(l, text, quoted);
	if (quoted)
		put_char(l, '"');
}

static void build(
	struct line *l, enum log_level level, const char *message, const struct log_field *fields)
{
	put_char(l, '\n');
	put_time(l);
	put_char(l, ' ');
	put_text(l, Level[level], false);
	put(l, ": ", 2);
	put_text(l, message, false);
	if (sink.dropped)
		put_field(l, &(struct log_field)LOG_NUM("dropped", sink.dropped));
	for (; fields && fields->key; fields++)
		put_field(l, fields);
}

static void keep(const struct line *l, enum log_level level)
{
	size_t at = kept.count++ % LOG_LINES;
	free(kept.line[at].text);
	kept.line[at].text = mem_dup_n(l->text + 1, l->n - 1);
	kept.line[at].level = level;
}

static void write_line(struct line *l)
{
	l->text[l->n] = '\n';
	size_t from = sink.torn ? 0 : 1, n = l->n + 1 - from;
	ssize_t sent;
	do
		sent = write(sink.fd, l->text + from, n);
	while (sent < 0 && errno == EINTR);
	if (sent == (ssize_t)n) {
		sink.torn = false;
		sink.dropped = 0;
		return;
	}
	sink.dropped++;
	if (sent > 0)
		sink.torn = true;
}

void log_line(enum log_level level, const char *message, const struct log_field *fields)
{
	if (level == LOG_DEBUG && !sink.verbose)
		return;
	struct line l = {.n = 0};
	build(&l, level, message, fields);
	keep(&l, level);
	write_line(&l);
}

const char *log_recent(size_t i, enum log_level *level)
{
	if (i >= LOG_LINES || i >= kept.count)
		return NULL;
	size_t at = (kept.count - 1 - i) % LOG_LINES;
	*level = kept.line[at].level;
	return kept.line[at].text;
}
