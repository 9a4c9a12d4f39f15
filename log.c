/* Log lines: built in one buffer, written by one write(2), the last ones kept.
 * Who logs what, and how the screen shows it, is for others.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"
#include "text.h"

static const struct {
	const char *text, *json;
} Level[] = {
	[LOG_DEBUG] = {"DEBUG", "debug"},
	[LOG_INFO] = {"INFO", "info"},
	[LOG_WARN] = {"WARN", "warn"},
	[LOG_ERROR] = {"ERROR", "error"},
};

static struct {
	int fd;
	file_writer *put;
	char *path; /* NULL: stderr */
	enum log_format format;
	enum log_level least;
	bool torn;         /* the last line was written in part only */
	long long dropped; /* lines since the last that was written */
} sink = {.least = LOG_INFO, .fd = STDERR_FILENO, .put = write};

static struct {
	struct {
		char *text;
		enum log_level level;
	} line[LOG_LINES];
	size_t count; /* of lines ever kept; the newest is at count - 1 */
	void (*on)(void);
} kept;

/* text[0] is the '\n' that ends a torn line before it; the last byte, and in JSON two
 * more, stay free for what ends this one. */
struct line {
	char text[LOG_LINE_MAX + 1];
	size_t n, max;
	bool full; /* something did not fit: nothing more goes in */
};

enum { TIME_TEXT = 40 };

static bool is_same_file(int a, int b)
{
	struct stat x, y;
	return !fstat(a, &x) && !fstat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static void use(int fd, file_writer *put)
{
	sink.torn = sink.torn && is_same_file(fd, sink.fd);
	if (sink.fd > STDERR_FILENO)
		close(sink.fd);
	sink.fd = fd;
	sink.put = put;
}

static bool open_sink(const char *path)
{
	/* Not blocking: a FIFO that nobody reads must not stop the loop. */
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		S_IRUSR | S_IWUSR);
	if (fd >= 0)
		use(fd, write);
	return fd >= 0;
}

/* If there is no stderr, every line is dropped: its number may be another file's soon. */
static void use_stderr(void)
{
	file_writer *put = write;
	int fd = file_unblocked(STDERR_FILENO, &put);
	use(fd, put);
}

bool log_open(const char *path)
{
	if (!*path)
		use_stderr();
	else if (!open_sink(path))
		return false;
	char *copy = *path ? mem_dup(path) : NULL; /* `path` may be the old one */
	free(sink.path);
	sink.path = copy;
	return true;
}

bool log_reopen(void)
{
	return !sink.path || open_sink(sink.path);
}

const char *log_file(void)
{
	return sink.path ? sink.path : "";
}

void log_format(enum log_format format)
{
	sink.format = format;
}

void log_level(enum log_level least)
{
	sink.least = least;
}

/* All or nothing. */
static void put(struct line *l, const char *p, size_t n)
{
	if (l->full || l->n + n > l->max) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->n, p, n);
	l->n += n;
}

static void put_char(struct line *l, char c)
{
	if (l->full || l->n >= l->max)
		l->full = true;
	else
		l->text[l->n++] = c;
}

/* Most of what is logged, told without looking it up. */
static bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

static void put_text(struct line *l, const char *text, bool quoted)
{
	for (const char *p = text; *p && !l->full;) {
		uint32_t c = 0;
		size_t n = is_plain(*p) ? 1 : text_char(p, 4, &c);
		if (quoted && (*p == '"' || *p == '\\'))
			put_char(l, '\\');
		if (is_plain(*p))
			put_char(l, *p);
		else if (n && !text_is_control(c))
			put(l, p, n);
		else
			put_char(l, '?');
		p += n ? n : 1;
	}
}

static void put_json_text(struct line *l, const char *text)
{
	for (const char *p = text; *p && !l->full;) {
		uint32_t c = 0xfffd; /* the replacement character, if there is none */
		char escape[16];
		size_t n = is_plain(*p) ? 1 : text_char(p, 4, &c);
		if (is_plain(*p))
			put_char(l, *p);
		else if (*p == '"' || *p == '\\')
			put(l, (char[]){'\\', *p}, 2);
		else if (!n || text_is_control(c))
			put(l, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
		else
			put(l, p, n);
		p += n ? n : 1;
	}
}

/* What is the same for all lines of one second is made once: it costs the most. */
static void read_time(char text[TIME_TEXT])
{
	static struct {
		time_t at;
		char text[TIME_TEXT];
		size_t n;
	} second;
	struct timespec now;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != second.at || !second.n) {
		second.at = now.tv_sec;
		gmtime_r(&second.at, &tm);
		second.n = strftime(second.text, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	}
	memcpy(text, second.text, second.n);
	snprintf(text + second.n, TIME_TEXT - second.n, ".%03uZ",
		(unsigned)(now.tv_nsec / 1000000) % 1000);
}

static void put_number(struct line *l, long long number)
{
	char text[24];
	put(l, text, (size_t)snprintf(text, sizeof text, "%lld", number));
}

static void put_field(struct line *l, const struct log_field *field)
{
	const char *text = field->text;
	bool quoted = text && (!*text || strpbrk(text, " \""));
	put_char(l, ' ');
	put_text(l, field->key, false);
	put(l, quoted ? "=\"" : "=", quoted ? 2 : 1);
	if (text)
		put_text(l, text, quoted);
	else
		put_number(l, field->number);
	if (quoted)
		put_char(l, '"');
}

/* Led by a comma.  Of a text, what fits is there; otherwise the field is whole or not. */
static void put_json_field(struct line *l, const struct log_field *field)
{
	size_t before = l->n;
	put(l, ",\"", 2);
	put_json_text(l, field->key);
	put(l, "\":", 2);
	if (field->text)
		put_char(l, '"');
	else
		put_number(l, field->number);
	if (l->full) {
		l->n = before;
	} else if (field->text) {
		put_json_text(l, field->text);
		l->text[l->n++] = '"';
	}
}

typedef void field_putter(struct line *l, const struct log_field *field);

static void put_fields(struct line *l, field_putter *put_one, const struct log_field *fields)
{
	if (sink.dropped)
		put_one(l, &(struct log_field)LOG_NUM("dropped", sink.dropped));
	for (; fields && fields->key; fields++)
		put_one(l, fields);
}

static void build_text(struct line *l, const char *time, enum log_level level, const char *message,
	const struct log_field *fields)
{
	put_char(l, '\n');
	put_text(l, time, false);
	put_char(l, ' ');
	put_text(l, Level[level].text, false);
	put(l, ": ", 2);
	put_text(l, message, false);
	put_fields(l, put_field, fields);
}

static void build_json(struct line *l, const char *time, enum log_level level, const char *message,
	const struct log_field *fields)
{
	put_char(l, '\n');
	put_json_field(l, &(struct log_field)LOG_STR("time", time));
	put_json_field(l, &(struct log_field)LOG_STR("level", Level[level].json));
	put_json_field(l, &(struct log_field)LOG_STR("msg", message));
	put_fields(l, put_json_field, fields);
	l->text[1] = '{'; /* for the first comma */
	l->text[l->n++] = '}';
}

static void keep(const struct line *l, enum log_level level)
{
	size_t at = kept.count++ % LOG_LINES;
	free(kept.line[at].text);
	kept.line[at].text = mem_dup_n(l->text + 1, l->n - 1);
	kept.line[at].level = level;
}

/* One without a name: nobody who looks for it would find what is written to it. */
static bool is_removed(int fd)
{
	struct stat st;
	return !fstat(fd, &st) && !st.st_nlink;
}

static bool is_only_shown(void)
{
	return kept.on && !sink.path && isatty(sink.fd);
}

static void write_line(struct line *l)
{
	if (is_only_shown())
		return;
	if (sink.path && is_removed(sink.fd))
		open_sink(sink.path); /* or else the old one still is the best there is */
	l->text[l->n] = '\n';
	size_t from = sink.torn ? 0 : 1, n = l->n + 1 - from;
	ssize_t sent;
	do
		sent = sink.put(sink.fd, l->text + from, n);
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
	if (level < sink.least)
		return;
	char time[TIME_TEXT];
	struct line text = {.max = sizeof text.text - 1};
	read_time(time);
	build_text(&text, time, level, message, fields);
	keep(&text, level);
	if (sink.format == LOG_TEXT) {
		write_line(&text);
	} else {
		struct line json = {.max = sizeof json.text - 3};
		build_json(&json, time, level, message, fields);
		write_line(&json);
	}
	if (kept.on)
		kept.on();
}

const char *log_recent(size_t i, enum log_level *level)
{
	if (i >= LOG_LINES || i >= kept.count)
		return NULL;
	size_t at = (kept.count - 1 - i) % LOG_LINES;
	*level = kept.line[at].level;
	return kept.line[at].text;
}

size_t log_count(void)
{
	return kept.count;
}

void log_show(void (*on)(void))
{
	kept.on = on;
}
