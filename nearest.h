/* The known word that a mistyped one may have meant.  Knows no words. */
#pragma once
#include <stdbool.h>

/* What was typed, and the nearest of those considered so far. */
struct nearest {
	const char *typed;
	const char *word;  /* NULL: none is near enough */
	unsigned distance; /* the next one must have less */
};

/* Up to three letters may differ, and no more than half of them. */
struct nearest nearest_to(const char *typed);

/* True if `word` (which must stay) is nearer than those before it. */
bool nearest_consider(struct nearest *n, const char *word);
