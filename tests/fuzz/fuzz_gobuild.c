/* Any bytes as a section, and as a file. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gobuild.h"

static bool is_nanoporter(const uint8_t *p, size_t n)
{
	char path[64];
	int fd = memfd_create("image", MFD_CLOEXEC);
	assert(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	bool is = gobuild_is_nanoporter(path);
	close(fd);
	return is;
}

/* Somewhere in the file there has to be what a section tells it by. */
static bool has_section(const uint8_t *p, size_t n)
{
	for (size_t at = 0; at < n; at++)
		if (gobuild_tells_nanoporter(p + at, n - at))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	assert(!gobuild_tells_nanoporter(p, n) || memmem(p, n, "porter", 6));
	assert(!is_nanoporter(p, n) || has_section(p, n));
	return 0;
}
