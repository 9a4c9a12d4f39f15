/* Words of a command line, one to each line of the input: they make whole
 * forwards of unique names, or are refused in lines of clean text.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "adhoc.h"
#include "mem.h"
#include "names.h"
#include "text.h"

enum { WORDS_MAX = 64 };

static const char *kubeconfig(void)
{
	static const char Text[] =
		"{current-context: a, contexts: [{name: a, context: {cluster: c}}],"
		"clusters: [{name: c, cluster: {server: 'http://h'}}]}";
	static char path[32];
	if (!*path) {
		int fd = memfd_create("config", MFD_CLOEXEC);
		assert(fd >= 0 && write(fd, Text, sizeof Text - 1) == sizeof Text - 1);
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	}
	return path;
}

static void check_whole(const struct config *c)
{
	assert(c->cluster_count == 1);
	for (size_t i = 0; i < c->forward_count; i++) {
		const struct config_forward *f = &c->forwards[i];
		assert(names_is_subdomain(f->target.name) && f->target.type != K8S_SELECTOR);
		assert(!f->target.port != !f->target.port_name);
		for (size_t k = 0; k < i; k++) {
			assert(strcmp(c->forwards[k].name, f->name) != 0);
			assert(!f->local_port || c->forwards[k].local_port != f->local_port);
		}
	}
}

static void check_refused(const struct config *c, const struct buf *errors)
{
	char *text = mem_dup_n(buf_data(errors), buf_len(errors));
	assert(!c->clusters && !c->forwards && *text);
	for (char *p = text; (p = strchr(p, '\n'));)
		*p = '.';
	assert(strlen(text) == buf_len(errors));
	char *clean = mem_dup(text);
	text_clean(clean);
	assert(!strcmp(text, clean));
	free(clean);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char *line = mem_dup_n(p, n), *words[WORDS_MAX + 1], *rest = line;
	struct adhoc a = {.kubeconfig = kubeconfig(), .words = words};
	struct config c = {0};
	struct buf errors = {0};
	size_t count = 0;
	while (rest && count < WORDS_MAX)
		words[count++] = strsep(&rest, "\n");
	words[count] = NULL;
	adhoc_is(words);
	if (adhoc_config(&c, &a, &errors))
		check_whole(&c);
	else
		check_refused(&c, &errors);
	config_free(&c);
	buf_free(&errors);
	free(line);
	return 0;
}
