/* The command line, with the environment behind it, as plain values: each option is a
 * row of one table, which -help prints too.  Knows nothing of what they do.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "buf.h"
#include "log.h"
#include "problems.h"

enum { OPTIONS_PROFILES_MAX = 32 };

struct options {
	const char *config; /* "porter.ini", -config or PORTER_CONFIG */
	bool config_is_set; /* by -config, not by PORTER_CONFIG only */
	const char *log;    /* -log or PORTER_LOG; NULL: as the configuration says */
	enum log_format log_format;
	bool verbose; /* -verbose or PORTER_VERBOSE */
	bool headless, ascii, watch, check, detach, version, help;
	bool status, json, stop;                  /* asks a running porter, as the next */
	const char *reconnect, *disable, *enable; /* a forward's name; or NULL */
	int64_t pid;                              /* of the porter that is asked; 0: not set */
	bool on_conflict_is_set, take_over;       /* -on-conflict */
	int64_t wait_ms;                          /* -1: not set */
	const char *profiles[OPTIONS_PROFILES_MAX + 1]; /* ends with NULL */
	const char *kubeconfig, *context, *namespace;   /* for ad hoc use; or NULL */
	char **words;   /* what is no option, in its order; ends with NULL */
	char **command; /* what stands behind "--"; NULL: there is none */
};

/* Reads argv, whose strings must stay; words and command point into it, and words are
 * moved to its beginning.  False if anything is wrong: *errors then has it as
 * problems_tell() does.
 *
 * Options begin with one or two dashes and stand anywhere before "--"; a value follows
 * as "-name VALUE" or "-name=VALUE"; switches take "=true" and "=false", as in Go. */
bool options_read(struct options *o, char **argv, struct buf *errors);

/* The option by which another porter is asked ("status"); NULL where none is. */
const char *options_order(const struct options *o);

/* Tells that -detach needs a log file: the same is wrong where the configuration has none. */
void options_no_log(struct problems *p);

/* Usage, options, environment and exit statuses. */
void options_help(FILE *to);
