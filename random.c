/* Random bytes from the kernel.  Without them no handshake is safe, so a
 * kernel that has none ends the process.
 */
#include "random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "exit.h"

enum { STOCK = 1024 };

void random_bytes(void *p, size_t n)
{
	for (uint8_t *to = p; n;) {
		ssize_t got = getrandom(to, n, 0);
		if (got < 0 && errno != EINTR) {
			perror("Error: getrandom");
			exit(EXIT_FATAL);
		}
		if (got > 0) {
			to += got;
			n -= (size_t)got;
		}
	}
}

uint32_t random_u32(void)
{
	static uint8_t stock[STOCK];
	static size_t left;
	uint32_t v;
	if (!left) {
		random_bytes(stock, sizeof stock);
		left = sizeof stock;
	}
	left -= sizeof v;
	memcpy(&v, stock + left, sizeof v);
	return v;
}
