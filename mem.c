/* Allocation that cannot fail, and the secrets of mem.h.  Writes to stderr by
 * itself when memory runs out: the log would want some.
 */
#include "mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exit.h"

static void *or_exit(void *p)
{
	static const char Text[] = "Error: out of memory\n";
	if (p)
		return p;
	ssize_t sent = write(STDERR_FILENO, Text, sizeof Text - 1);
	(void)sent;
	exit(EXIT_FATAL);
}

void *mem_new(size_t bytes)
{
	return or_exit(calloc(1, bytes ? bytes : 1));
}

void *mem_grow(void *p, size_t bytes)
{
	return or_exit(realloc(p, bytes ? bytes : 1));
}

char *mem_dup(const char *text)
{
	return mem_dup_n(text, strlen(text));
}

char *mem_dup_n(const void *p, size_t bytes)
{
	char *copy = or_exit(bytes < SIZE_MAX ? malloc(bytes + 1) : NULL);
	if (bytes)
		memcpy(copy, p, bytes);
	copy[bytes] = '\0';
	return copy;
}

char *mem_print(const char *fmt, ...)
{
	va_list args;
	char *text;
	va_start(args, fmt);
	int n = vasprintf(&text, fmt, args);
	va_end(args);
	return or_exit(n < 0 ? NULL : text);
}

void secret_set(struct secret *s, const void *p, size_t bytes)
{
	/* The new one first: it may be a part of the old. */
	struct secret set = {0};
	if (bytes)
		set = (struct secret){.p = mem_dup_n(p, bytes), .n = bytes};
	secret_free(s);
	*s = set;
}

void secret_free(struct secret *s)
{
	if (s->p)
		mem_wipe(s->p, s->n);
	free(s->p);
	*s = (struct secret){0};
}

void mem_wipe(void *p, size_t bytes)
{
	if (bytes)
		explicit_bzero(p, bytes);
}
