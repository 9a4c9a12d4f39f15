/* Moments as RFC 3339 writes them: "2026-01-31T23:59:59.5+02:00". */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* Milliseconds since 1970, rounded down.  As strict as Go's time.RFC3339 or stricter: the
 * letters are T and Z, a fraction may stand behind '.' or ',', there is no second 60, an
 * offset is less than a day, and nothing stands around it.  False for anything else. */
bool timestamp_parse(const char *text, int64_t *ms);

/* Writes such a moment: "2026-01-31T21:59:59.500Z", of the years 1000 to 9999. */
enum { TIMESTAMP_TEXT = 32 };
void timestamp_print(char text[TIMESTAMP_TEXT], int64_t ms);
