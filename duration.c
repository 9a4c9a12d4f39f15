/* One part after the other, each a number with decimals and a unit, summed up in
 * ns; too many of them are refused as a text that is none.
 */
#include "duration.h"

#include <string.h>

enum { NS_OF_MS = 1000000 };

static const struct {
	const char *name;
	int64_t ns;
} Units[] = {
	{"ns", 1},
	{"us", 1000},
	{"\u00b5s", 1000}, /* the micro sign, and the Greek letter */
	{"\u03bcs", 1000},
	{"ms", NS_OF_MS},
	{"s", 1000LL * NS_OF_MS},
	{"m", 60000LL * NS_OF_MS},
	{"h", 3600000LL * NS_OF_MS},
};

static int64_t unit_of(const char *p, size_t n)
{
	for (size_t i = 0; i < sizeof Units / sizeof *Units; i++)
		if (strlen(Units[i].name) == n && !memcmp(p, Units[i].name, n))
			return Units[i].ns;
	return 0;
}

/* One "1.5h" in ns; -1 if it is none. */
static int64_t duration_part(const char **text)
{
	static const char Digits[] = "0123456789";
	const char *p = *text, *fraction = p + strspn(p, Digits);
	size_t whole = (size_t)(fraction - p), decimals = 0;
	if (*fraction == '.')
		decimals = strspn(++fraction, Digits);
	const char *name = fraction + decimals;
	*text = name + strcspn(name, ".0123456789");
	int64_t unit = unit_of(name, (size_t)(*text - name)), count = 0;
	if (!unit || !(whole + decimals))
		return -1;
	while (whole--) {
		if (count > INT64_MAX / unit / 10 - 2)
			return -1;
		count = count * 10 + (*p++ - '0');
	}
	int64_t ns = count * unit;
	while (decimals-- && (unit /= 10))
		ns += (*fraction++ - '0') * unit;
	return ns;
}

int64_t duration_ms(const char *text)
{
	int64_t ns = 0;
	if (!strcmp(text, "0"))
		return 0;
	if (!*text)
		return -1;
	while (*text) {
		int64_t part = duration_part(&text);
		if (part < 0 || part > INT64_MAX - ns)
			return -1;
		ns += part;
	}
	return ns / NS_OF_MS;
}
