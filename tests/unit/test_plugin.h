/* A credential plugin for tests of those who have it run: a script in a folder of its
 * own, which counts its runs in a file.  Knows nothing of who runs it, or why.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api.h"
#include "kubeconfig.h"
#include "loop.h"
#include "mem.h"

#define LOGIN_VERSION "client.authentication.k8s.io/v1"

static char LoginFolder[] = "/tmp/porter-login-XXXXXX";
static char LoginProgram[sizeof LoginFolder + 8];

static inline const char *login_path(const char *name)
{
	static char path[sizeof LoginFolder + 16];
	snprintf(path, sizeof path, "%s/%s", LoginFolder, name);
	return path;
}

static inline void login_put(const char *name, const char *text)
{
	FILE *f = fopen(login_path(name), "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* What the plugin does from now on, in its folder. */
static inline void login_script(const char *script)
{
	char text[512];
	snprintf(text, sizeof text, "#!/bin/sh\ncd %s\nprintf x >>runs\n%s\n", LoginFolder, script);
	login_put("new", text);
	assert_int_equal(chmod(login_path("new"), 0700), 0);
	assert_int_equal(rename(login_path("new"), LoginProgram), 0);
}

/* What it answers from now on: the members of a status, which ends in so many
 * milliseconds; 0: has no end. */
static inline void login_answer(const char *status, int64_t life_ms)
{
	char text[16384], until[64] = "";
	time_t end = (time_t)((loop_wall() + life_ms) / 1000);
	struct tm tm;
	if (life_ms)
		strftime(until, sizeof until, ",\"expirationTimestamp\":\"%Y-%m-%dT%H:%M:%SZ\"",
			gmtime_r(&end, &tm));
	int n = snprintf(text, sizeof text,
		"{\"kind\":\"ExecCredential\",\"apiVersion\":\"%s\",\"status\":{%s%s}}",
		LOGIN_VERSION, status, until);
	assert_in_range(n, 1, sizeof text - 1);
	login_put("answer", text);
}

/* It waits from now on, and those that wait go on. */
static inline void login_hold(void)
{
	login_script("until [ -e go ]; do sleep 0.01; done; cat answer");
}

static inline void login_go(void)
{
	login_put("go", "");
}

static inline unsigned login_runs(void)
{
	struct stat s;
	return stat(login_path("runs"), &s) ? 0 : (unsigned)s.st_size;
}

/* As at first: it has not been run, and prints what it is to answer. */
static inline void login_begin(void)
{
	remove(login_path("runs"));
	remove(login_path("go"));
	login_script("cat answer");
}

static inline void login_make(void)
{
	assert_non_null(mkdtemp(LoginFolder));
	snprintf(LoginProgram, sizeof LoginProgram, "%s/login", LoginFolder);
}

static inline int login_remove(void)
{
	static const char *const Files[] = {"login", "runs", "go", "answer"};
	for (size_t i = 0; i < sizeof Files / sizeof *Files; i++)
		remove(login_path(Files[i]));
	return rmdir(LoginFolder);
}

/* A cluster at a port of this machine, whose user logs in by it. */
static inline struct cluster *login_cluster(uint16_t port)
{
	struct kubeconfig k = {.host = mem_dup("127.0.0.1"), .port = port};
	k.prefix = mem_dup("");
	k.server = mem_dup("https://k8s.example");
	k.exec = mem_new(sizeof *k.exec);
	k.exec->api_version = mem_dup(LOGIN_VERSION);
	k.exec->command = mem_dup(LoginProgram);
	struct cluster *c = cluster_new("prod", &k, NULL);
	assert_non_null(c);
	return c;
}
