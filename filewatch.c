/* One inotify descriptor for all.  Whatever happens in a file's folders leads to looks at
 * it, until it stays as it is. */
#include "filewatch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "mem.h"

static void on_events(struct io *io, uint32_t events);

static struct {
	struct io io;
	struct filewatch *all;
} Watches = {.io = {.fd = -1, .on = on_events}};

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A file that is not there is all zeros. */
static struct stat look(const char *path)
{
	struct stat now;
	if (stat(path, &now))
		memset(&now, 0, sizeof now);
	return now;
}

/* ---- folders ---- */

/* The watch descriptor, which is the same for all files of a folder; or -1. */
static int watch_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? mem_dup_n(path, (size_t)(slash - path) + 1) : mem_dup(".");
	int added = inotify_add_watch(Watches.io.fd, folder,
		IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MODIFY | IN_ONLYDIR);
	free(folder);
	return added;
}

/* Folders that were left stay watched: they cost a look at who is meant. */
static bool watch_folders(struct filewatch *w)
{
	char *target = realpath(w->path, NULL);
	w->folder[0] = watch_folder(w->path);
	w->folder[1] = target ? watch_folder(target) : -1;
	free(target);
	return w->folder[0] >= 0;
}

/* ---- looks ---- */

static void on_settled(struct timer *timer)
{
	struct filewatch *w = OWNER_OF(timer, struct filewatch, settle);
	struct stat before = w->latest;
	w->latest = look(w->path);
	if (!w->latest.st_ino || is_same(&w->latest, &w->seen))
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
static void note(int folder)
{
	for (struct filewatch *w = Watches.all; w; w = w->next) {
		if ((w->folder[0] != folder && w->folder[1] != folder) || timer_is_set(&w->settle))
			continue;
		w->latest = look(w->path);
		timer_after(&w->settle, FILEWATCH_SETTLE_MS);
	}
}

static void on_events(struct io *io, uint32_t events)
{
	char text[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n;
	(void)events;
	while ((n = read(io->fd, text, sizeof text)) > 0)
		for (const char *p = text; p < text + n;) {
			const struct inotify_event *e = (const void *)p;
			note(e->wd);
			p += sizeof *e + e->len;
		}
}

/* ---- beginning and end ---- */

static bool open_all(void)
{
	if (Watches.io.fd < 0)
		io_open(&Watches.io, inotify_init1(IN_NONBLOCK | IN_CLOEXEC), on_events);
	if (Watches.io.fd >= 0)
		io_want(&Watches.io, EPOLLIN);
	return Watches.io.fd >= 0;
}

bool filewatch_open(struct filewatch *w, const char *path, void (*on)(struct filewatch *w))
{
	*w = (struct filewatch){.next = Watches.all,
		.settle.on = on_settled,
		.path = mem_dup(path),
		.folder = {-1, -1},
		.seen = look(path),
		.on = on};
	Watches.all = w;
	if (open_all() && watch_folders(w))
		return true;
	filewatch_close(w);
	return false;
}

void filewatch_close(struct filewatch *w)
{
	struct filewatch **at = &Watches.all;
	if (!w->path)
		return;
	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	timer_stop(&w->settle);
	free(w->path);
	w->path = NULL;
	if (!Watches.all)
		io_close(&Watches.io);
}
