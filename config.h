/* porter.ini as settings: every key read, checked and filled in, or refused
 * with the line it stands in.  The INI syntax is inifile.h's.  Knows nothing of
 * running state.
 *
 * Messages read "<what is wrong> (porter.ini:14)", and where the remedy is not
 * plain, a second line says it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api.h"
#include "buf.h"
#include "k8s.h"
#include "probe.h"

enum {
	CONFIG_TUNNELS_MAX = 64,
};

struct config_cluster {
	char *name;
	char *kubeconfig; /* path, ~ expanded, relative to the INI's folder; NULL: the default one
			   */
	char *context;    /* or NULL: the current one */
	enum transport transport;
	unsigned line; /* of the section's head */
};

struct config_forward {
	char *name;            /* the section's label */
	unsigned cluster;      /* index into clusters */
	struct k8s_ref target; /* its strings belong to the configuration */
	char *local_address;   /* "127.0.0.1", another of 127.0.0.0/8, or "::1" */
	bool address_is_set;   /* else "127.0.0.1" and, where there is one, ::1 beside it */
	uint16_t local_port;
	struct probe_spec probe; /* none by default */
	unsigned line;
};

/* What is the same for all forwards. */
struct config_settings {
	int64_t check_interval_ms;  /* 10 s */
	int64_t reconnect_delay_ms; /* 5 s */
	int64_t hold_ms;            /* 10 s */
	unsigned tunnels;           /* 4 */
};

struct config {
	char *path;
	struct config_settings settings;
	char *log; /* "porter.log"; "" is stderr */
	struct config_cluster *clusters;
	size_t cluster_count;
	struct config_forward *forwards;
	size_t forward_count;
};

/* Reads `path` into *c, which is {0}.  False if anything is wrong: *errors then
 * has every error of the file, a line each (a remedy: its own line, indented by
 * two blanks), and *c is {0}.
 *
 * Checked: unknown sections and keys (the nearest known one is named), keys
 * that are there twice, required ones that are missing, values out of range,
 * clusters that do not exist or are named twice, local addresses and ports used
 * twice, kubeconfig files that are not there, lines and names that inih would
 * cut, bytes that are not UTF-8 or are control characters.
 */
bool config_load(struct config *c, const char *path, struct buf *errors);
void config_free(struct config *c);

/* The i-th key there is, and the form of its section's head ("cluster NAME"); NULL behind the last:
 * for what documents them. */
const char *config_key(size_t i, const char **section);

/* A duration as Go writes them ("1m30s", "500ms", "1.5h") in ms; -1 if it is
 * none.  "0" is one. */
int64_t config_duration(const char *text);
