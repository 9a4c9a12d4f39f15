/* Opened without waiting for a writer, read in parts until its end. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { PART = 16384 };

bool file_read(struct buf *into, const char *path, size_t max)
{
	size_t limit = buf_len(into) + max;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return false;
	do {
		n = read(fd, buf_room(into, PART), PART);
		if (n > 0)
			buf_push(into, (size_t)n);
	} while ((n > 0 && buf_len(into) <= limit) || (n < 0 && errno == EINTR));
	int error = n > 0 ? EFBIG : errno;
	close(fd);
	errno = error;
	return !n;
}
