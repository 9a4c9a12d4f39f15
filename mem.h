/* Memory that is there or the process ends, and secrets that leave no trace.
 *
 * What hostile input can make us allocate is bounded where it is read; so
 * running out means that the machine has none left, and we say so and exit.
 */
#pragma once
#include <stddef.h>

/* Each returns memory to be given to free(3), never NULL. */
void *mem_new(size_t bytes); /* zeroed */
void *mem_grow(void *p, size_t bytes);
char *mem_dup(const char *text);
char *mem_dup_n(const void *p, size_t bytes); /* with a NUL behind */
char *mem_print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A token, key or password: zeroed when freed, and of a type that the logger
 * has no way to print.  {0} is none. */
struct secret {
	char *p; /* NUL behind the last byte */
	size_t n;
};

/* Copies, of nothing {0}; what the secret held before is zeroed and freed. */
void secret_set(struct secret *s, const void *p, size_t bytes);
void secret_free(struct secret *s);

/* Zeroes, in a way no compiler leaves out. */
void mem_wipe(void *p, size_t bytes);
