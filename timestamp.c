/* From fields of fixed width to one number, and back. */
#include "timestamp.h"

#include <stddef.h>
#include <stdio.h>
#include <time.h>

struct field {
	unsigned digits;
	int least, most;
	char behind; /* '\0': whatever comes */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool take_number(const char **p, const struct field *f, int *number)
{
	*number = 0;
	for (unsigned i = 0; i < f->digits; i++, ++*p) {
		if (!is_digit(**p))
			return false;
		*number = *number * 10 + (**p - '0');
	}
	if (*number < f->least || *number > f->most || (f->behind && **p != f->behind))
		return false;
	*p += f->behind != '\0';
	return true;
}

static bool take_fraction(const char **p, int *ms)
{
	*ms = 0;
	if (**p != '.' && **p != ',')
		return true;
	if (!is_digit(*++*p))
		return false;
	for (int worth = 100; is_digit(**p); worth /= 10, ++*p)
		*ms += (**p - '0') * worth;
	return true;
}

static bool take_zone(const char **p, int *minutes)
{
	static const struct field Hours = {2, 0, 23, ':'}, Minutes = {2, 0, 59, '\0'};
	int hours, sign = **p == '-' ? -1 : 1;
	*minutes = 0;
	if (**p == 'Z') {
		++*p;
		return true;
	}
	if (**p != '-' && **p != '+')
		return false;
	++*p;
	if (!take_number(p, &Hours, &hours) || !take_number(p, &Minutes, minutes))
		return false;
	*minutes = sign * (hours * 60 + *minutes);
	return true;
}

bool timestamp_parse(const char *text, int64_t *ms)
{
	enum { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, FIELDS };
	static const struct field Fields[FIELDS] = {
		[YEAR] = {4, 0, 9999, '-'},
		[MONTH] = {2, 1, 12, '-'},
		[DAY] = {2, 1, 31, 'T'},
		[HOUR] = {2, 0, 23, ':'},
		[MINUTE] = {2, 0, 59, ':'},
		[SECOND] = {2, 0, 59, '\0'},
	};
	int n[FIELDS], fraction, zone;
	for (size_t i = 0; i < FIELDS; i++)
		if (!take_number(&text, &Fields[i], &n[i]))
			return false;
	if (!take_fraction(&text, &fraction) || !take_zone(&text, &zone) || *text)
		return false;
	struct tm t = {.tm_year = n[YEAR] - 1900,
		.tm_mon = n[MONTH] - 1,
		.tm_mday = n[DAY],
		.tm_hour = n[HOUR],
		.tm_min = n[MINUTE],
		.tm_sec = n[SECOND]};
	int64_t seconds = timegm(&t) - (int64_t)zone * 60;
	*ms = seconds * 1000 + fraction;
	return t.tm_mday == n[DAY]; /* else it is a day of the next month */
}

void timestamp_print(char text[TIMESTAMP_TEXT], int64_t ms)
{
	int64_t fraction = (ms % 1000 + 1000) % 1000;
	struct tm t = {0};
	gmtime_r(&(time_t){(time_t)((ms - fraction) / 1000)}, &t);
	size_t n = strftime(text, TIMESTAMP_TEXT, "%Y-%m-%dT%H:%M:%S", &t);
	snprintf(text + n, TIMESTAMP_TEXT - n, ".%03uZ", (unsigned)fraction % 1000);
}
