/* The two sides of one fork, and what one tells the other: a single message, or by
 * its end that there will be none. */
#include "detach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exit.h"
#include "file.h"

enum { TEXT = PATH_MAX + 256 };

static int Parent = -1; /* the child's end of a pair of sockets */

/* What the parent exits with. */
static int wait_for(pid_t child, int fd)
{
	char text[TEXT];
	ssize_t n;
	int end = 0;
	do
		n = recv(fd, text, sizeof text, 0);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		printf("%.*s\n", (int)n, text);
		fflush(stdout);
		return EXIT_OK;
	}
	while (waitpid(child, &end, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(end) ? EXIT_BY_SIGNAL + WTERMSIG(end) : WEXITSTATUS(end);
}

bool detach_begin(int *status)
{
	int pair[2];
	pid_t child = -1, parent = getpid();
	fflush(NULL);
	signal(SIGCHLD, SIG_DFL); /* what is ignored cannot be waited for */
	if (file_open_standard() && !socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		child = fork();
	if (child < 0) {
		fprintf(stderr, "Error: cannot go to the background: %s\n", strerror(errno));
		*status = EXIT_FATAL;
		return false;
	}
	close(pair[child ? 1 : 0]);
	if (child) {
		*status = wait_for(child, pair[0]);
		return false;
	}
	Parent = pair[1];
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent) /* it died before it could have told us */
		_exit(EXIT_FATAL);
	return true;
}

/* What porter was started with, a lock, say, is not to be held for good.  Ours are all
 * closed by execve(2), and so known. */
static void close_inherited(void)
{
	DIR *all = opendir("/proc/self/fd");
	for (struct dirent *one; all && (one = readdir(all));) {
		int fd = (int)strtol(one->d_name, NULL, 10);
		if (fd > STDERR_FILENO && fcntl(fd, F_GETFD) == 0)
			close(fd);
	}
	if (all)
		closedir(all);
}

bool detach_ready(const char *text)
{
	if (Parent < 0)
		return true;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return false;
	fflush(NULL);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	close(null);
	close_inherited();
	prctl(PR_SET_PDEATHSIG, 0);
	bool told = send(Parent, text, strnlen(text, TEXT - 1) + 1, MSG_NOSIGNAL) >= 0;
	close(Parent);
	Parent = -1;
	return told;
}
