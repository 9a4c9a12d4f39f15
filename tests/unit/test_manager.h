/* A manager for tests, with real configurations, kubeconfigs and ports in a folder of its
 * own, and no API server: what is made of a few rows of text.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "manager.h"
#include "test_loop.h"

enum { FORWARDS = 4, TEXT = 4096 };

static struct manager *M;
static char Folder[] = "/tmp/test_manager.XXXXXX", Home[TEXT], Errors[TEXT];
static struct manager_change Change;
static uint16_t Port[FORWARDS];
static unsigned Changed, Removed;
static char Removed_name[TEXT];

static inline void on_changed(void *owner, struct forward *f)
{
	(void)owner;
	(void)f;
	Changed++;
}

static inline void on_removed(void *owner, struct forward *f)
{
	(void)owner;
	Removed++;
	snprintf(Removed_name, sizeof Removed_name, "%s", forward_name(f));
}

static inline void put(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static inline void put_kubeconfig(const char *name, const char *token)
{
	char text[TEXT];
	snprintf(text, sizeof text,
		"clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1', "
		"insecure-skip-tls-verify: true}}]\n"
		"users: [{name: u, user: {token: %s}}]\n"
		"contexts: [{name: x, context: {cluster: c, user: u}}]\n"
		"current-context: x\n",
		token);
	put(name, text);
}

static inline int begin(void **state)
{
	static const struct manager_ops Ops = {on_changed, on_removed};
	(void)state;
	strcpy(strrchr(Folder, '.'), ".XXXXXX");
	assert_non_null(getcwd(Home, sizeof Home));
	assert_non_null(mkdtemp(Folder));
	assert_int_equal(chdir(Folder), 0);
	put_kubeconfig("one", "first");
	put_kubeconfig("two", "second");
	child_init();
	loop_init();
	for (int i = 0; i < FORWARDS; i++)
		Port[i] = unused_port();
	Changed = Removed = 0;
	M = manager_new(&Ops, NULL);
	return 0;
}

static inline int end(void **state)
{
	(void)state;
	manager_free(M);
	child_end_all();
	loop_end();
	remove("one");
	remove("two");
	remove("porter.ini");
	assert_int_equal(chdir(Home), 0);
	return rmdir(Folder);
}

/* The forwards of that text, behind two clusters.  Errors has what is wrong. */
static inline enum exit_status apply(const char *forwards)
{
	struct config c = {0};
	struct buf errors = {0};
	char text[TEXT];
	snprintf(text, sizeof text,
		"[cluster a]\nkubeconfig = one\n[cluster b]\nkubeconfig = two\n%s", forwards);
	put("porter.ini", text);
	if (!config_load(&c, "porter.ini", NULL, true, &errors))
		fail_msg("%.*s", (int)buf_len(&errors), (const char *)buf_data(&errors));
	enum exit_status status = manager_apply(M, &c, &errors, &Change);
	snprintf(Errors, sizeof Errors, "%.*s", (int)buf_len(&errors), (char *)buf_data(&errors));
	buf_free(&errors);
	config_free(&c);
	return status;
}

static inline char *forward_text(
	char *to, const char *name, const char *cluster, int port, int remote)
{
	sprintf(to,
		"[forward %s]\ncluster = %s\nnamespace = n\nservice = s-%s\ntype = pod\n"
		"local_address = 127.0.0.1\nlocal_port = %d\nremote_port = %d\n",
		name, cluster, name, Port[port], remote);
	return to + strlen(to);
}

/* "x a 0 80" is [forward x] of cluster a at Port[0] to port 80; several with commas. */
static inline enum exit_status apply_rows(const char *rows)
{
	char text[TEXT], *to = text, name[32], cluster[32];
	int port, remote, n;
	for (*to = '\0'; sscanf(rows, "%31s %31s %d %d%n", name, cluster, &port, &remote, &n) == 4;
		rows += rows[n] ? n + 1 : n)
		to = forward_text(to, name, cluster, port, remote);
	return apply(text);
}
