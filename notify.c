/* One datagram for each thing told.  What is told when is for others. */
#include "notify.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

static int Socket = -1;

/* Returns the address's length, 0 if that is none. */
static socklen_t read_address(const char *text, struct sockaddr_un *to)
{
	size_t n = text ? strlen(text) : 0;
	*to = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (n < 2 || n >= sizeof to->sun_path || (*text != '/' && *text != '@'))
		return 0;
	memcpy(to->sun_path, text, n);
	if (*text == '@')
		to->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

bool notify_begin(void)
{
	struct sockaddr_un to;
	socklen_t n = read_address(getenv("NOTIFY_SOCKET"), &to);
	unsetenv("NOTIFY_SOCKET");
	if (!n)
		return false;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, n)) {
		close(fd);
		fd = -1;
	}
	Socket = fd;
	return fd >= 0;
}

static unsigned long long monotonic_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000;
}

void notify_tell(enum notify what, const char *words)
{
	static const char *const Line[] = {
		[NOTIFY_READY] = "READY=1\n",
		[NOTIFY_RELOADING] = "RELOADING=1\n",
		[NOTIFY_STOPPING] = "STOPPING=1\n",
		[NOTIFY_STATUS] = "",
	};
	char text[NOTIFY_WORDS + 128], clean[NOTIFY_WORDS + 1] = "";
	int n = snprintf(text, sizeof text, "%s", Line[what]);
	if (what == NOTIFY_RELOADING)
		n += snprintf(
			text + n, sizeof text - (size_t)n, "MONOTONIC_USEC=%llu\n", monotonic_us());
	if (words) {
		memcpy(clean, words, text_fit(words, strlen(words), NOTIFY_WORDS));
		text_clean(clean);
		n += snprintf(text + n, sizeof text - (size_t)n, "STATUS=%s\n", clean);
	}
	if (Socket >= 0)
		send(Socket, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
}
