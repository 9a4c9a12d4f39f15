/* A queue of lines before a descriptor that does not block.  How such a one is had is
 * file.c's. */
#include "out.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* No later write will do better. */
static bool is_final(int error)
{
	return error == EPIPE || error == EIO || error == ECONNRESET;
}

/* Whole lines, as many as a pipe takes undivided: so nobody else's come between. */
static size_t next_part(const struct out *out)
{
	size_t n = buf_len(&out->queue);
	if (n <= PIPE_BUF)
		return n;
	const uint8_t *p = buf_data(&out->queue), *end = memrchr(p, '\n', PIPE_BUF);
	return end ? (size_t)(end - p) + 1 : PIPE_BUF;
}

/* Returns whether all is written; or else out->error says why not. */
static bool write_queue(struct out *out)
{
	while (buf_len(&out->queue)) {
		ssize_t n = out->put(out->io.fd, buf_data(&out->queue), next_part(out));
		if (n >= 0) {
			buf_eat(&out->queue, (size_t)n);
		} else if (errno != EINTR) {
			out->error = errno;
			return false;
		}
	}
	return true;
}

static void tell_lost(struct out *out)
{
	buf_print(&out->queue, "... %zu line%s lost: %s\n", out->lost, out->lost == 1 ? "" : "s",
		out->error == EAGAIN ? "the reader is too slow" : strerror(out->error));
	out->lost = 0;
}

static void give_up(struct out *out)
{
	io_close(&out->io);
	buf_free(&out->queue);
}

/* epoll knows of no room in files, and refuses them; but those never tell EAGAIN. */
static void flush(struct out *out)
{
	bool all = write_queue(out);
	if (all && out->lost) {
		tell_lost(out);
		all = write_queue(out);
	}
	if (!all && is_final(out->error))
		give_up(out);
	else
		io_want(&out->io, !all && out->error == EAGAIN ? EPOLLOUT : 0);
}

static void on_room(struct io *io, uint32_t events)
{
	(void)events;
	flush(OWNER_OF(io, struct out, io));
}

void out_open(struct out *out, int fd)
{
	*out = (struct out){.put = write};
	io_open(&out->io, file_unblocked(fd, &out->put), on_room);
}

void out_line(struct out *out, const char *text)
{
	size_t n = strlen(text), before = buf_len(&out->queue);
	if (out_is_gone(out))
		return;
	if (out->lost || (before && before + n + 1 > OUT_MAX)) {
		out->lost++;
	} else {
		buf_put(&out->queue, text, n);
		buf_put(&out->queue, "\n", 1);
	}
	flush(out);
}

bool out_is_gone(const struct out *out)
{
	return out->io.fd < 0;
}

void out_close(struct out *out)
{
	if (out_is_gone(out))
		return;
	flush(out);
	give_up(out);
}
