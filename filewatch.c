/* Whatever happens in the folders leads to looks at the file, until it stays as it is. */
#include "filewatch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "mem.h"

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool watch_folder(int fd, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? mem_dup_n(path, (size_t)(slash - path) + 1) : mem_dup(".");
	int added = inotify_add_watch(
		fd, folder, IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_ONLYDIR);
	free(folder);
	return added >= 0;
}

/* Folders that were left stay watched: they cost a look at the file. */
static bool watch_folders(const struct filewatch *w)
{
	char *target = realpath(w->path, NULL);
	if (target)
		watch_folder(w->io.fd, target);
	free(target);
	return watch_folder(w->io.fd, w->path);
}

static void on_settled(struct timer *timer)
{
	struct filewatch *w = OWNER_OF(timer, struct filewatch, settle);
	struct stat before = w->latest;
	if (stat(w->path, &w->latest) || is_same(&w->latest, &w->seen))
		return;
	if (!is_same(&w->latest, &before)) {
		timer_after(&w->settle, FILEWATCH_SETTLE_MS);
		return;
	}
	w->seen = w->latest;
	watch_folders(w);
	w->on(w);
}

/* A folder in which others write all the time must not put off the look. */
static void on_event(struct io *io, uint32_t events)
{
	struct filewatch *w = OWNER_OF(io, struct filewatch, io);
	char what[4096]; /* what it is does not matter */
	(void)events;
	while (read(io->fd, what, sizeof what) > 0)
		;
	if (timer_is_set(&w->settle))
		return;
	stat(w->path, &w->latest);
	timer_after(&w->settle, FILEWATCH_SETTLE_MS);
}

bool filewatch_open(struct filewatch *w, const char *path, void (*on)(struct filewatch *w))
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	*w = (struct filewatch){.settle.on = on_settled, .path = mem_dup(path), .on = on};
	stat(path, &w->seen);
	io_open(&w->io, fd, on_event);
	if (fd < 0 || !watch_folders(w)) {
		filewatch_close(w);
		return false;
	}
	io_want(&w->io, EPOLLIN);
	return true;
}

void filewatch_close(struct filewatch *w)
{
	if (!w->path)
		return;
	timer_stop(&w->settle);
	io_close(&w->io);
	free(w->path);
	w->path = NULL;
}
