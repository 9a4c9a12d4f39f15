/* Setting errors, and the table of what their kinds lead to.  Whoever owns
 * what failed decides when an error is shown.
 */
#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

static const struct err_rule Passing = {.passing = true, .level = LOG_WARN};
static const struct err_rule Lasting = {.passing = false, .level = LOG_ERROR};

static const struct err_rule *const Rules[ERR_KINDS] = {
	[ERR_NONE] = &(const struct err_rule){.passing = true, .level = LOG_INFO},
	[ERR_NETWORK] = &Passing,
	[ERR_REFUSED] = &Passing,
	[ERR_TLS] = &Lasting,
	[ERR_UNAUTHORIZED] = &Lasting,
	[ERR_FORBIDDEN] = &Lasting,
	[ERR_NOT_FOUND] = &Lasting,
	[ERR_NOT_READY] = &Lasting,
	[ERR_THROTTLED] = &Passing,
	[ERR_SERVER] = &Passing,
	[ERR_PROTOCOL] = &Passing,
	[ERR_LOCAL] = &Lasting,
};

static const struct {
	int status;
	enum err_kind kind;
} Statuses[] = {
	{401, ERR_UNAUTHORIZED},
	{403, ERR_FORBIDDEN},
	{404, ERR_NOT_FOUND},
	{429, ERR_THROTTLED},
};

bool err_set(struct err *e, enum err_kind kind, int code, const char *fmt, ...)
{
	if (!e || e->kind != ERR_NONE)
		return false;
	char text[ERR_TEXT + 1]; /* one byte more than fits: it shows where a character ends */
	va_list ap;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof text, fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	text[text_fit(text, strlen(text), ERR_TEXT - 1)] = '\0';
	text_clean(text);
	e->kind = kind;
	e->code = code;
	memcpy(e->text, text, strlen(text) + 1);
	return false;
}

enum err_kind err_of_status(int status)
{
	for (size_t i = 0; i < sizeof Statuses / sizeof *Statuses; i++)
		if (Statuses[i].status == status)
			return Statuses[i].kind;
	return status >= 500 ? ERR_SERVER : ERR_PROTOCOL;
}

const struct err_rule *err_rule(enum err_kind kind)
{
	return Rules[kind];
}
