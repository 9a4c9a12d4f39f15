/* porter.ini as settings: every key read, checked and filled in, or refused
 * with the line it stands in.  The INI syntax is inifile.h's.  Knows nothing of
 * running state.
 *
 * Messages read "<what is wrong> (porter.ini:14)", and where the remedy is not
 * plain, a line below says it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api.h"
#include "buf.h"
#include "k8s.h"
#include "probe.h"
#include "problems.h"

enum {
	CONFIG_TUNNELS_MAX = 64,
	CONFIG_SILENCE_S = 30, /* a pipe's, before it is given up */
};

struct config_cluster {
	char *name;
	char *kubeconfig; /* path, ~ expanded, relative to the INI's folder; or in-cluster; NULL:
			     default */
	char *context;    /* or NULL: the current one */
	enum transport transport;
	char *ssh;            /* whom its server is reached by: proxy_by_ssh(); or NULL */
	char **proxy_command; /* the same, by a command: proxy_by_command(); or NULL */
	unsigned line;        /* of the section's head; 0: by the command line */
};

struct config_forward {
	char *name;              /* the section's label, unique */
	unsigned cluster;        /* index into clusters */
	struct k8s_ref target;   /* its strings belong to the configuration */
	char *local_address;     /* "127.0.0.1", another of 127.0.0.0/8, or "::1" */
	bool address_is_set;     /* else "127.0.0.1" and, where there is one, ::1 beside it */
	uint16_t local_port;     /* 0: any free one (by the command line only) */
	struct probe_spec probe; /* none by default */
	char **profiles;         /* ends with NULL; or NULL: none */
	unsigned line;           /* 0: by the command line */
	unsigned port_line;      /* of local_port, or the section's where a template has it; or 0 */
};

/* What is the same for all forwards. */
struct config_settings {
	int64_t check_interval_ms;  /* 10 s */
	int64_t reconnect_delay_ms; /* 5 s */
	int64_t hold_ms;            /* 10 s */
	unsigned tunnels;           /* 4 */
};

struct config {
	char *path; /* NULL: made from the command line (adhoc.h) */
	struct config_settings settings;
	char *log; /* "porter.log"; "" is stderr */
	struct config_cluster *clusters;
	size_t cluster_count;
	struct config_forward *forwards;
	size_t forward_count;
};

/* Which forwards are meant: those that one of the two names.  Each ends with
 * NULL, or is NULL; if neither names any, all are meant. */
struct config_pick {
	const char *const *names;
	const char *const *profiles;
};

/* Reads `path` into *c, which is {0}, and keeps the forwards that are meant
 * (`pick` may be NULL: all); where only some are, clusters that none of them
 * uses are dropped.  False if anything is wrong: *errors then has every error,
 * a line each (a remedy: its own line, indented by two blanks), and *c is {0}.
 *
 * A file is read without waiting.  What is none (`-config <(COMMAND)`: a pipe, a
 * FIFO, a terminal) is read to its end where the caller `may_wait`, and given up
 * when nothing has come for CONFIG_SILENCE_S; else it is refused, unread: so at a
 * reload, which must not hold up what is served.
 *
 * Checked in all of the file: unknown sections and keys (the nearest known one
 * is named), keys that are there twice, required ones that are missing, values
 * out of range, clusters and templates that do not exist, sections that are
 * there twice, lines and names that inih would cut, bytes that are not UTF-8 or
 * are control characters; among the forwards that are meant: local addresses
 * and ports used twice, kubeconfig files that are not there.
 *
 * PORTER_CHECK_INTERVAL and PORTER_RECONNECT_DELAY in the environment, unless
 * they are empty, come before what the file says.
 */
bool config_load(struct config *c, const char *path, const struct config_pick *pick, bool may_wait,
	struct buf *errors);
void config_free(struct config *c); /* back to {0}; entries may have been moved out: {0} */

void config_cluster_free(struct config_cluster *k); /* back to {0} */
void config_forward_free(struct config_forward *f); /* back to {0} */

/* *c, which is {0}, as it is where nothing is said but by the environment. */
void config_defaults(struct config *c, struct problems *p);

/* What messages call it, behind its cluster: its service, or, of a selector, itself. */
const char *config_title(const struct config_forward *f);

/* Whether the same would be run.  Lines do not count, nor profiles, nor what a forward
 * is called (but for config_title()), nor its index of a cluster: that cluster is for the caller to
 * compare. */
bool config_same_settings(const struct config_settings *a, const struct config_settings *b);
bool config_same_cluster(const struct config_cluster *a, const struct config_cluster *b);
bool config_same_forward(const struct config_forward *a, const struct config_forward *b);

/* Tells local ports that two forwards would listen at, and the line of the first one,
 * unless both have the same name: that is told elsewhere. */
void config_check_ports(const struct config *c, struct problems *problems);

/* The i-th key there is, and the form of its section's head ("cluster NAME");
 * NULL behind the last: for what documents them. */
const char *config_key(size_t i, const char **section);
