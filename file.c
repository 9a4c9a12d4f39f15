/* Opened without waiting for a writer, read in parts until the end; written to, for
 * lack of a write(2) that does not block, by what each kind of file has instead. */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mem.h"

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

static const char *home(void)
{
	const char *path = getenv("HOME");
	if (path && *path)
		return path;
	const struct passwd *user = getpwuid(getuid());
	return user && user->pw_dir && *user->pw_dir ? user->pw_dir : NULL;
}

/* To be freed. */
static char *join(const char *dir, const char *path)
{
	size_t n = strlen(dir) + strlen(path) + 2;
	char *joined = mem_new(n);
	snprintf(joined, n, "%s/%s", dir, path);
	return joined;
}

char *file_path(const char *path, const char *dir)
{
	const char *at_home = strncmp(path, "~/", 2) ? NULL : home();
	if (at_home)
		return join(at_home, path + 2);
	return dir && *path != '/' ? join(dir, path) : mem_dup(path);
}

char *file_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder =
		!slash ? mem_dup(".") : mem_dup_n(path, slash == path ? 1 : (size_t)(slash - path));
	char *absolute = realpath(folder, NULL);
	if (!absolute)
		return folder;
	free(folder);
	return absolute;
}

static ssize_t send_now(int fd, const void *p, size_t n)
{
	return send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static ssize_t write_if_ready(int fd, const void *p, size_t n)
{
	struct pollfd look = {.fd = fd, .events = POLLOUT};
	int told = poll(&look, 1, 0);
	if (told > 0)
		return write(fd, p, n < PIPE_BUF ? n : PIPE_BUF);
	if (!told)
		errno = EAGAIN;
	return -1;
}

/* Returns -1 if it is of no such kind, or not ours to open. */
static int open_anew(int fd, const struct stat *st)
{
	char path[32];
	bool is_master = st->st_rdev == makedev(5, 2); /* whose opening makes another pty */
	if (!S_ISFIFO(st->st_mode) && (is_master || !isatty(fd)))
		return -1;
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

int file_unblocked(int fd, file_writer **put)
{
	struct stat st;
	if (fstat(fd, &st))
		return -1;
	int own = open_anew(fd, &st);
	if (own >= 0 || S_ISREG(st.st_mode))
		*put = write;
	else
		*put = S_ISSOCK(st.st_mode) ? send_now : write_if_ready;
	return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

bool file_open_standard(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO && !fcntl(fd, F_SETFD, 0));
	return fd > STDERR_FILENO && !close(fd);
}
