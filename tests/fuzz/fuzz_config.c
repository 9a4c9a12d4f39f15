/* A configuration is whole, and within its bounds; or it is refused in lines of
 * clean text, and empty. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "text.h"

static void check_probe(const struct probe_spec *p)
{
	assert(!p->path == (p->kind != PROBE_HTTP) && !p->argv == (p->kind != PROBE_EXEC));
	assert(!p->argv || (p->argv[0] && *p->argv[0]));
	assert(!p->path || *p->path == '/');
	for (const char *c = p->path; c && *c; c++)
		assert(*c > ' ' && *c <= '~');
}

static void check_whole(const struct config *c)
{
	assert(c->forward_count && c->path && c->log);
	const struct config_settings *s = &c->settings;
	assert(s->check_interval_ms > 0 && s->reconnect_delay_ms >= 0 && s->hold_ms >= 0);
	assert(s->tunnels >= 1 && s->tunnels <= CONFIG_TUNNELS_MAX);
	for (size_t i = 0; i < c->forward_count; i++) {
		const struct config_forward *f = &c->forwards[i];
		assert(f->cluster < c->cluster_count && f->local_port && f->target.port);
		assert(*f->name && *f->target.namespace && *f->target.name && *f->local_address);
		assert(!strpbrk(f->target.namespace, "/?#% ") && !strpbrk(f->target.name, "/?#% "));
		check_probe(&f->probe);
		for (size_t k = 0; k < i; k++)
			assert(c->forwards[k].local_port != f->local_port);
	}
}

static void check_refused(const struct config *c, const struct buf *errors)
{
	const char *p = (const char *)buf_data(errors);
	size_t n = buf_len(errors), used;
	uint32_t code;
	assert(!c->path && !c->log && !c->clusters && !c->forwards);
	assert(n && p[n - 1] == '\n');
	for (size_t i = 0; i < n; i += used) {
		used = text_char(p + i, n - i, &code);
		assert(used && (code == '\n' || !text_is_control(code)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct config c = {0};
	struct buf errors = {0};
	char path[32];
	int fd = memfd_create("porter.ini", MFD_CLOEXEC);
	assert(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	if (config_load(&c, path, NULL, &errors))
		check_whole(&c);
	else
		check_refused(&c, &errors);
	config_free(&c);
	buf_free(&errors);
	close(fd);
	return 0;
}
