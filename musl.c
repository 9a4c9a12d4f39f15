/* What Debian's libbearssl.a and libinih.a, built for glibc, want and musl has
 * not: the checked copies that _FORTIFY_SOURCE makes of memcpy(3) and its like,
 * and, since musl 1.2.4, fopen64().  Linked into the static porter only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef fopen64 /* a macro in older musl */

void *__memcpy_chk(void *to, const void *from, size_t n, size_t room);
void *__memmove_chk(void *to, const void *from, size_t n, size_t room);
void *__memset_chk(void *to, int byte, size_t n, size_t room);
FILE *fopen64(const char *path, const char *mode);

static void check(size_t n, size_t room)
{
	if (n > room)
		abort();
}

void *__memcpy_chk(void *to, const void *from, size_t n, size_t room)
{
	check(n, room);
	return memcpy(to, from, n);
}

void *__memmove_chk(void *to, const void *from, size_t n, size_t room)
{
	check(n, room);
	return memmove(to, from, n);
}

void *__memset_chk(void *to, int byte, size_t n, size_t room)
{
	check(n, room);
	return memset(to, byte, n);
}

FILE *fopen64(const char *path, const char *mode)
{
	return fopen(path, mode);
}
