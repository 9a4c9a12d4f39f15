/* A configuration is whole, and within its bounds; or it is refused in lines of
 * clean text, and empty. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "names.h"
#include "text.h"

static void check_probe(const struct probe_spec *p)
{
	assert(!p->path == (p->kind != PROBE_HTTP) && !p->argv == (p->kind != PROBE_EXEC));
	assert(!p->argv || (p->argv[0] && *p->argv[0]));
	assert(!p->path || *p->path == '/');
	for (const char *c = p->path; c && *c; c++)
		assert(*c > ' ' && *c <= '~');
}

static void check_target(const struct k8s_ref *t)
{
	assert(names_is_label(t->namespace));
	assert(t->type == K8S_SELECTOR ? names_is_selector(t->name) : names_is_subdomain(t->name));
	assert(!t->port != !t->port_name && (t->port || names_is_service_port(t->port_name)));
}

static bool both_listen_at_one(const struct config_forward *a, const struct config_forward *b)
{
	return a->local_port == b->local_port && !strcmp(a->local_address, b->local_address);
}

static void check_whole(const struct config *c)
{
	assert(c->forward_count && c->path && c->log);
	const struct config_settings *s = &c->settings;
	assert(s->check_interval_ms > 0 && s->reconnect_delay_ms >= 0 && s->hold_ms >= 0);
	assert(s->tunnels >= 1 && s->tunnels <= CONFIG_TUNNELS_MAX);
	for (size_t i = 0; i < c->forward_count; i++) {
		const struct config_forward *f = &c->forwards[i];
		assert(f->cluster < c->cluster_count && f->local_port && f->port_line);
		assert(*f->name && *f->local_address && config_same_forward(f, f));
		assert(!f->profiles || **f->profiles);
		check_target(&f->target);
		check_probe(&f->probe);
		for (size_t k = 0; k < i; k++)
			assert(!both_listen_at_one(&c->forwards[k], f));
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

/* All of it, or what some names and profiles pick. */
static void load(const char *path, const struct config_pick *pick)
{
	struct config c = {0};
	struct buf errors = {0};
	if (config_load(&c, path, pick, true, &errors))
		check_whole(&c);
	else
		check_refused(&c, &errors);
	config_free(&c);
	buf_free(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const char *const Names[] = {"a", "web", NULL}, *const Profiles[] = {"dev", NULL};
	char path[32];
	int fd = memfd_create("porter.ini", MFD_CLOEXEC);
	assert(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	load(path, NULL);
	load(path, &(struct config_pick){.names = Names, .profiles = Profiles});
	close(fd);
	return 0;
}
