/* The keys of porter.ini: what each takes, and the member of config.h's structs
 * that it becomes.  Knows one text at a time; what several of them make together
 * is config.c's.
 */
#pragma once
#include "config.h"
#include "sections.h"

/* The kinds of sections, and the keys of each in the order of its table. */
enum { KEYS_PORTER, KEYS_CLUSTER, KEYS_FORWARD, KEYS_TEMPLATE, KEYS_KINDS };
enum { KEYS_CHECK_INTERVAL, KEYS_RECONNECT_DELAY, KEYS_HOLD, KEYS_TUNNELS, KEYS_LOG };
enum { KEYS_KUBECONFIG, KEYS_CONTEXT, KEYS_TRANSPORT, KEYS_SSH, KEYS_PROXY_COMMAND };
enum {
	KEYS_ITS_TEMPLATE,
	KEYS_ITS_CLUSTER,
	KEYS_NAMESPACE,
	KEYS_TYPE, /* before the two that depend on it */
	KEYS_SERVICE,
	KEYS_REMOTE_PORT,
	KEYS_LOCAL_ADDRESS,
	KEYS_LOCAL_PORT,
	KEYS_PROBE,
	KEYS_PROFILE,
}; /* of forwards and templates */

/* [porter] is filled into struct config, the others into theirs; a template into
 * a struct config_forward. */
extern const struct kind Keys[KEYS_KINDS];

/* A text on its way into a member. */
struct field {
	const struct key *key;
	const char *name;              /* the key's, or the variable's */
	const char *text;              /* not empty, unless the key may be */
	const struct section *section; /* that it stands in; NULL: the environment */
	struct place at;
	void *members; /* the struct to fill */
	bool typed;    /* its target's type has been read */

	struct problems *problems;
	const struct config *config;     /* its clusters; not for [porter] */
	const struct sections *sections; /* the templates; likewise */
	const char *folder;              /* that relative paths begin at; likewise */
};

/* False if the text is refused, and has been told; the member is as before then. */
bool keys_read(const struct field *f);
