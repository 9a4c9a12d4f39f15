/* The exit statuses of porter: the one table of them. */
#pragma once

enum exit_status {
	EXIT_OK = 0,
	EXIT_FATAL = 1,
	EXIT_USAGE = 2,
	EXIT_CONFIG = 3,
	EXIT_PORT = 4,
	EXIT_NOT_READY = 5,
	EXIT_TAKEN_OVER = 6,
	EXIT_STATUSES,
};

/* What a status says, for -help and the manual. */
static inline const char *exit_meaning(enum exit_status s)
{
	static const char *const Meaning[EXIT_STATUSES] = {
		[EXIT_OK] = "ended by a key, SIGTERM or SIGINT; -check or -detach found all well",
		[EXIT_FATAL] =
			"none of the below; ended before it was ready, with -wait or -detach",
		[EXIT_USAGE] = "options that do not exist or do not fit",
		[EXIT_CONFIG] =
			"no configuration, one with errors, or a log that cannot be written",
		[EXIT_PORT] = "a local port is taken, or cannot be bound",
		[EXIT_NOT_READY] =
			"not every forward was Active in time (-wait), or would be (-check)",
		[EXIT_TAKEN_OVER] = "another porter has taken its ports over",
	};
	return Meaning[s];
}

/* With `-- COMMAND` the command's status is porter's, and porter's own ones keep
 * out of its way, as those of timeout(1), env(1) and the shells do. */
enum exit_command {
	EXIT_COMMAND_LATE = 124,
	EXIT_COMMAND_PORTER = 125,
	EXIT_COMMAND_NOT_RUN = 126,
	EXIT_COMMAND_NOT_FOUND = 127,
	EXIT_BY_SIGNAL = 128, /* and the signal's number added */
};

/* For -help, from EXIT_COMMAND_LATE to EXIT_BY_SIGNAL. */
static inline const char *exit_command_meaning(enum exit_command s)
{
	static const char *const Meaning[] = {
		[EXIT_COMMAND_LATE - EXIT_COMMAND_LATE] = "not every forward was Active in time",
		[EXIT_COMMAND_PORTER - EXIT_COMMAND_LATE] =
			"porter itself failed, or was stopped; the command was not started",
		[EXIT_COMMAND_NOT_RUN - EXIT_COMMAND_LATE] = "the command cannot be executed",
		[EXIT_COMMAND_NOT_FOUND - EXIT_COMMAND_LATE] = "there is no such command",
		[EXIT_BY_SIGNAL - EXIT_COMMAND_LATE] = "and N: the command was killed by signal N",
	};
	return Meaning[s - EXIT_COMMAND_LATE];
}

/* What porter ends with where the command never ran: never 0. */
static inline int exit_of_command_mode(enum exit_status s)
{
	return s == EXIT_NOT_READY ? EXIT_COMMAND_LATE : EXIT_COMMAND_PORTER;
}
