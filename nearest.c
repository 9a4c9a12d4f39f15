/* Levenshtein's distance, in one row of its table, without regard to case. */
#include "nearest.h"

#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { WORD_MAX = 63, FAR = WORD_MAX + 1, DISTANCE_MAX = 3 };

static unsigned least(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;
	return m < c ? m : c;
}

static bool same(char a, char b)
{
	return tolower((uint8_t)a) == tolower((uint8_t)b);
}

static unsigned distance(const char *a, const char *b)
{
	unsigned row[WORD_MAX + 1];
	size_t n = strlen(b);
	if (strlen(a) > WORD_MAX || n > WORD_MAX)
		return FAR;
	for (unsigned j = 0; j <= n; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned corner = row[0];
		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			unsigned changed = corner + !same(a[i - 1], b[j - 1]);
			corner = row[j];
			row[j] = least(row[j] + 1, row[j - 1] + 1, changed);
		}
	}
	return row[n];
}

struct nearest nearest_to(const char *typed)
{
	size_t half = strlen(typed) / 2, most = half < DISTANCE_MAX ? half : DISTANCE_MAX;
	return (struct nearest){.typed = typed, .distance = (unsigned)most + 1};
}

bool nearest_consider(struct nearest *n, const char *word)
{
	unsigned d = distance(n->typed, word);
	if (d >= n->distance)
		return false;
	n->word = word;
	n->distance = d;
	return true;
}
