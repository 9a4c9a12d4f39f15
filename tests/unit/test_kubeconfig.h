/* For tests of kubeconfigs: a folder to write some to, and what comes of reading them. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kubeconfig.h"

#define FILES "tests/unit/kubeconfigs/"

static char Dir[] = "/tmp/porter-kubeconfig-XXXXXX";
static char File[sizeof Dir + 16]; /* "config" in it */

static inline int make_dir(void **state)
{
	(void)state;
	snprintf(File, sizeof File, "%s/config", mkdtemp(Dir));
	return 0;
}

static inline int remove_dir(void **state)
{
	(void)state;
	unlink(File);
	return rmdir(Dir);
}

/* The path of a file in the folder, until the call after the next few. */
static inline const char *in_dir(const char *name)
{
	static char paths[4][sizeof Dir + 64];
	static unsigned turn;
	char *path = paths[turn++ % 4];
	snprintf(path, sizeof *paths, "%s/%s", Dir, name);
	return path;
}

static inline void write_named(const char *name, const char *text)
{
	FILE *f = fopen(in_dir(name), "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	fclose(f);
}

static inline void write_file(const char *text)
{
	write_named("config", text);
}

static inline struct kubeconfig load(const char *file, const char *context)
{
	struct kubeconfig k = {0};
	struct err e = {0};
	bool ok = kubeconfig_load(&k, file, context, &e);
	assert_string_equal(e.text, "");
	assert_true(ok);
	return k;
}

/* The words of a refusal, without the file's name; "" if there is none. */
static inline const char *said(const char *file, const char *context)
{
	static struct err e;
	struct kubeconfig k = {0}, none = {0};
	e = (struct err){0};
	bool ok = kubeconfig_load(&k, file, context, &e);
	if (ok)
		kubeconfig_free(&k);
	assert_int_equal(ok, e.kind == ERR_NONE);
	assert_memory_equal(&k, &none, sizeof k);
	return file && !strncmp(e.text, file, strlen(file)) ? e.text + strlen(file) : e.text;
}

static inline void assert_text(const char *text, const char *want)
{
	if (want)
		assert_non_null(text);
	if (want)
		assert_string_equal(text, want);
	else
		assert_null(text);
}

/* `want`: the texts with a space behind each; NULL: no list. */
static inline void assert_list(char **list, const char *want)
{
	char all[4096];
	size_t n = 0;
	if (!want) {
		assert_null(list);
		return;
	}
	assert_non_null(list);
	for (all[0] = '\0'; *list; list++)
		n += (size_t)snprintf(all + n, sizeof all - n, "%s ", *list);
	assert_string_equal(all, want);
}

#define AROUND(cluster, user)                                                                      \
	"clusters:\n- name: c\n  cluster: {" cluster "}\nusers:\n- name: u\n  user: {" user "}\n"  \
	"contexts:\n- name: x\n  context: {cluster: c, user: u}\ncurrent-context: x\n"
