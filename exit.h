/* The exit statuses of porter: the one table of them. */
#pragma once

enum exit_status {
	EXIT_OK = 0,
	EXIT_FATAL = 1,
	EXIT_USAGE = 2,
	EXIT_CONFIG = 3,
	EXIT_PORT = 4,
	EXIT_NOT_READY = 5,
	EXIT_STATUSES,
};

/* What a status says, for -help and the manual. */
static inline const char *exit_meaning(enum exit_status s)
{
	static const char *const Meaning[EXIT_STATUSES] = {
		[EXIT_OK] = "ended by SIGTERM or SIGINT, in good order",
		[EXIT_FATAL] = "none of the below",
		[EXIT_USAGE] = "options that do not exist or do not fit",
		[EXIT_CONFIG] = "no configuration, or one with errors; nothing was started",
		[EXIT_PORT] = "a local port is taken; nothing was started",
		[EXIT_NOT_READY] = "-check: not every forward would be served",
	};
	return Meaning[s];
}
