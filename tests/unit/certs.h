/* Where test_x509 and test_tls have their certificates: in $CERTS, where the
 * script tests/unit/certs made them before, else in a directory of their own.
 */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "tls.h"

static char certs_dir[64] = "/tmp/porter-certs-XXXXXX";
static bool certs_own;

static const char *certs_path(const char *name)
{
	static char path[512];
	const char *dir = getenv("CERTS");
	snprintf(path, sizeof path, "%s/%s", dir && *dir ? dir : certs_dir, name);
	return path;
}

/* For cmocka's group set-up; run from the top of the tree. */
static inline int certs_make(void **state)
{
	char command[128];
	(void)state;
	if (getenv("CERTS") && *getenv("CERTS"))
		return access(certs_path("ca.crt"), R_OK);
	if (!mkdtemp(certs_dir))
		return -1;
	certs_own = true;
	snprintf(command, sizeof command, "tests/unit/certs %s", certs_dir);
	return system(command);
}

static inline int certs_remove(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -r %s", certs_dir);
	return certs_own ? system(command) : 0;
}

/* A file of theirs as a text, NUL behind; to be freed. */
static char *certs_read(const char *name)
{
	struct buf text = {0};
	FILE *f = fopen(certs_path(name), "r");
	if (!f)
		fprintf(stderr, "%s is not there\n", certs_path(name));
	for (size_t n = 1; f && n;)
		buf_push(&text, n = fread(buf_room(&text, 4096), 1, 4096, f));
	if (f)
		fclose(f);
	buf_put(&text, "", 1);
	return (char *)text.p;
}

static inline struct tls_anchors *certs_anchors(const char *name)
{
	char *text = certs_read(name);
	struct err e = {0};
	struct tls_anchors *a = tls_anchors_parse(text, strlen(text), &e);
	if (!a)
		fprintf(stderr, "%s: %s\n", name, e.text);
	free(text);
	return a;
}

static inline struct tls_identity *certs_identity(const char *cert, const char *key, struct err *e)
{
	char *c = certs_read(cert), *k = certs_read(key);
	struct tls_identity *id = tls_identity_parse(c, strlen(c), k, strlen(k), e);
	free(c);
	free(k);
	return id;
}
