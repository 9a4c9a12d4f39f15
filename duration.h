/* Durations as Go writes them: "1m30s", "500ms", "1.5h". */
#pragma once
#include <stdint.h>

/* In ms, rounded down; -1 if the text is none.  "0" is one. */
int64_t duration_ms(const char *text);
