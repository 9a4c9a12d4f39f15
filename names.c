/* Each rule as a scan from the beginning: a function takes what it can, and
 * tells where it ended.
 */
#include "names.h"

#include <stddef.h>
#include <string.h>

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* One RFC 1123 label at the beginning: its length, or 0. */
static size_t label_len(const char *text)
{
	size_t n = strspn(text, LOWER DIGITS "-");
	return n && n <= NAMES_LABEL_MAX && text[0] != '-' && text[n - 1] != '-' ? n : 0;
}

/* Labels and dots, up to the first byte that is neither; 0 if they are no name. */
static size_t subdomain_len(const char *text)
{
	const char *p = text;
	size_t n = label_len(p);
	for (; n && p[n] == '.'; n = label_len(p))
		p += n + 1;
	size_t len = (size_t)(p - text) + n;
	return n && len <= NAMES_SUBDOMAIN_MAX ? len : 0;
}

bool names_is_label(const char *text)
{
	size_t n = label_len(text);
	return n && !text[n];
}

bool names_is_subdomain(const char *text)
{
	size_t n = subdomain_len(text);
	return n && !text[n];
}

bool names_is_service_port(const char *text)
{
	return names_is_label(text) && strpbrk(text, LOWER);
}

bool names_is_port(const char *text)
{
	return names_is_service_port(text) && strlen(text) <= NAMES_PORT_MAX && !strstr(text, "--");
}

int32_t names_number(const char *text)
{
	int32_t n = *text ? 0 : -1;
	for (; *text && n >= 0; text++) {
		n = *text >= '0' && *text <= '9' ? n * 10 + (*text - '0') : -1;
		n = n <= UINT16_MAX ? n : -1;
	}
	return n;
}

bool names_read_port(const char *text, bool of_service, uint16_t *number)
{
	int32_t n = names_number(text);
	*number = (uint16_t)(n > 0 ? n : 0);
	return *number || (of_service ? names_is_service_port(text) : names_is_port(text));
}

/* ---- label selectors (apimachinery, pkg/labels/selector.go) ---- */

static const char *blanks(const char *p)
{
	return p + strspn(p, " \t");
}

/* A label's value, or the name in its key; `p` if there is none. */
static const char *word(const char *p)
{
	size_t n = strspn(p, LOWER UPPER DIGITS "-_.");
	bool good = n && n <= NAMES_LABEL_MAX && !strchr("-_.", p[0]) && !strchr("-_.", p[n - 1]);
	return good ? p + n : p;
}

/* "app" or "example.com/app"; NULL if there is none. */
static const char *key(const char *p)
{
	size_t prefix = subdomain_len(p);
	if (prefix && p[prefix] == '/')
		p += prefix + 1;
	const char *end = word(p);
	return end > p ? end : NULL;
}

/* Behind "in" and "notin"; a value may be empty. */
static const char *list(const char *p)
{
	if (*p != '(')
		return NULL;
	do
		p = blanks(word(blanks(p + 1)));
	while (*p == ',');
	return *p == ')' ? p + 1 : NULL;
}

static const char *number(const char *p)
{
	size_t n = strspn(p, DIGITS);
	return n ? p + n : NULL;
}

static const struct {
	const char *text;
	const char *(*operand)(const char *p); /* NULL if there is none */
} Operators[] = {
	{"==", word},
	{"!=", word},
	{"=", word},
	{"<", number},
	{">", number},
	{"in", list},
	{"notin", list},
};

/* From the key on; NULL if it is none. */
static const char *requirement(const char *p)
{
	bool absent = *p == '!';
	const char *end = key(blanks(p + absent)), *next = end ? blanks(end) : NULL;
	if (!end || absent)
		return next;
	for (size_t i = 0; i < sizeof Operators / sizeof *Operators; i++) {
		size_t n = strlen(Operators[i].text);
		if (strncmp(next, Operators[i].text, n))
			continue;
		const char *last = Operators[i].operand(blanks(next + n));
		return last ? blanks(last) : NULL;
	}
	return next;
}

bool names_is_selector(const char *text)
{
	const char *p = requirement(blanks(text));
	while (p && *p == ',')
		p = requirement(blanks(p + 1));
	return p && !*p;
}
