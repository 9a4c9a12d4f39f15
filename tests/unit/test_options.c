/* options.c: command lines and environments, as tables of what comes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "options.h"

enum { ARGUMENTS = 16 };

#define EIGHT      "a,b,c,d,e,f,g,h"
#define THIRTY_TWO EIGHT "," EIGHT ",," EIGHT "," EIGHT

static struct options O;
static char *Line, *Argv[ARGUMENTS];

/* "porter -x y" as argv: words end at blanks, and "_" is an empty one.  Returns the
 * errors. */
static char *read_line(const char *line)
{
	struct buf errors = {0};
	size_t n = 0;
	free(Line);
	Line = mem_dup(line);
	for (char *rest = Line, *word; (word = strsep(&rest, " "));) {
		if (!strcmp(word, "_"))
			*word = '\0';
		Argv[n++] = word;
	}
	Argv[n] = NULL;
	bool ok = options_read(&O, Argv, &errors);
	assert_int_equal(ok, !buf_len(&errors));
	char *text = mem_dup_n(buf_data(&errors), buf_len(&errors));
	buf_free(&errors);
	return text;
}

static void read_well(const char *line)
{
	char *errors = read_line(line);
	assert_string_equal(errors, "");
	free(errors);
}

static int end(void **state)
{
	(void)state;
	free(Line);
	Line = NULL;
	unsetenv("PORTER_CONFIG");
	unsetenv("PORTER_LOG");
	unsetenv("PORTER_VERBOSE");
	return 0;
}

static void has_defaults(void **state)
{
	(void)state;
	read_well("porter");
	assert_string_equal(O.config, "porter.ini");
	assert_false(O.config_is_set);
	assert_null(O.log);
	assert_int_equal(O.log_format, LOG_TEXT);
	assert_int_equal(O.wait_ms, -1);
	assert_null(O.words[0]);
	assert_null(O.profiles[0]);
	assert_null(O.command);
	assert_false(O.verbose || O.headless || O.ascii || O.watch || O.check || O.detach ||
		     O.version || O.help);
}

static void reads_values_in_both_ways(void **state)
{
	static const char *const Lines[] = {"porter -config a.ini -log _ -wait 1m30s -log-format "
					    "json -profile dev,db, -profile x",
		"porter --config=a.ini --log= --wait=90s --log-format=json --profile=dev,db,x"};
	(void)state;
	for (size_t i = 0; i < sizeof Lines / sizeof *Lines; i++) {
		read_well(Lines[i]);
		assert_string_equal(O.config, "a.ini");
		assert_true(O.config_is_set);
		assert_string_equal(O.log, "");
		assert_int_equal(O.wait_ms, 90000);
		assert_int_equal(O.log_format, LOG_JSON);
		assert_string_equal(O.profiles[0], "dev");
		assert_string_equal(O.profiles[1], "db");
		assert_string_equal(O.profiles[2], "x");
		assert_null(O.profiles[3]);
	}
}

static void takes_so_many_profiles(void **state)
{
	(void)state;
	read_well("porter -profile=" EIGHT " -profile ," EIGHT "," EIGHT "," EIGHT);
	assert_string_equal(O.profiles[31], "h");
	assert_null(O.profiles[32]);
	read_well("porter -profile " THIRTY_TWO);
	assert_string_equal(O.profiles[31], "h");
}

static void takes_switches_as_go_does(void **state)
{
	(void)state;
	read_well("porter -verbose -headless=true --watch=1 -ascii -verbose=false");
	assert_true(O.headless && O.watch && O.ascii && !O.verbose);
}

static void finds_words_among_options(void **state)
{
	(void)state;
	read_well("porter svc/api -n shop 8080:80 -context prod :443 --kubeconfig k");
	assert_string_equal(O.words[0], "svc/api");
	assert_string_equal(O.words[1], "8080:80");
	assert_string_equal(O.words[2], ":443");
	assert_null(O.words[3]);
	assert_string_equal(O.namespace, "shop");
	assert_string_equal(O.context, "prod");
	assert_string_equal(O.kubeconfig, "k");
}

static void leaves_the_command_alone(void **state)
{
	(void)state;
	read_well("porter api -wait 20s -- sh -c -verbose -- x");
	assert_string_equal(O.words[0], "api");
	assert_null(O.words[1]);
	assert_false(O.verbose);
	assert_string_equal(O.command[0], "sh");
	assert_string_equal(O.command[1], "-c");
	assert_string_equal(O.command[2], "-verbose");
	assert_string_equal(O.command[3], "--");
	assert_string_equal(O.command[4], "x");
	assert_null(O.command[5]);
}

/* Options come before the environment; an empty variable is as none. */
static void reads_the_environment(void **state)
{
	(void)state;
	setenv("PORTER_CONFIG", "b.ini", 1);
	setenv("PORTER_LOG", "b.log", 1);
	setenv("PORTER_VERBOSE", "true", 1);
	read_well("porter");
	assert_string_equal(O.config, "b.ini");
	assert_false(O.config_is_set);
	assert_string_equal(O.log, "b.log");
	assert_true(O.verbose);
	read_well("porter -config a.ini -log a.log -verbose=false");
	assert_string_equal(O.config, "a.ini");
	assert_string_equal(O.log, "a.log");
	assert_false(O.verbose);
	setenv("PORTER_CONFIG", "", 1);
	setenv("PORTER_LOG", "", 1);
	setenv("PORTER_VERBOSE", "", 1);
	read_well("porter");
	assert_string_equal(O.config, "porter.ini");
	assert_false(O.config_is_set || O.log || O.verbose);
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *line, *errors;
	} Row[] = {
		{"porter -nope", "unknown option '-nope'\n"},
		{"porter -verbos", "unknown option '-verbos'\n  did you mean '-verbose'?\n"},
		{"porter --profil=dev",
			"unknown option '--profil=dev'\n  did you mean '-profile'?\n"},
		{"porter ---config x", "unknown option '---config'\n  did you mean '-config'?\n"},
		{"porter -", "unknown option '-'\n"},
		{"porter -verbose=yes", "-verbose must be true or false, not 'yes'\n"},
		{"porter -config", "a value is missing behind '-config'\n"},
		{"porter -wait soon", "-wait must be a duration, as in 20s or 1m30s, not 'soon'\n"},
		{"porter -wait -5s", "-wait must be a duration, as in 20s or 1m30s, not '-5s'\n"},
		{"porter -log-format xml", "-log-format must be 'text' or 'json', not 'xml'\n"},
		{"porter -profile _", "-profile must be 1 to 32 names, with commas between them, "
				      "not ''\n"},
		{"porter -profile a -profile ,",
			"-profile must be 1 to 32 names, with commas between them, not ','\n"},
		{"porter -profile " THIRTY_TWO ",i",
			"-profile must be 1 to 32 names, with commas between them, not '" THIRTY_TWO
			",i'\n"},
		{"porter -n\x1b[2J=a\nb -wait \x1b[2J",
			"unknown option '-n?[2J=a?b'\n"
			"-wait must be a duration, as in 20s or 1m30s, not '?[2J'\n"},
		{"porter -nope -wait x", "unknown option '-nope'\n"
					 "-wait must be a duration, as in 20s or 1m30s, not 'x'\n"},
		{"porter --", "there is no command behind '--'\n"},
		{"porter -detach -- true", "-detach does not go together with a command\n"},
		{"porter -check -- true", "-check does not go together with a command\n"},
		{"porter -check -detach", "-check does not go together with -detach\n"},
		{"porter -detach -log _", "in the background the log needs a file\n"
					  "  name one with -log FILE\n"},
		{"porter -config a.ini svc/api 80",
			"-config does not go together with TYPE/NAME and ports\n"},
		{"porter -watch -profile x svc/api 80",
			"-profile does not go together with TYPE/NAME and ports\n"
			"-watch does not go together with TYPE/NAME and ports\n"},
		{"porter -n shop api", "-context, -n and -kubeconfig are for use without a file\n"
				       "  as in: porter -n shop svc/api 8080:80\n"},
#define ALONE " asks a porter that runs: it goes together with -config and -pid only\n"
		{"porter -status api", "-status" ALONE},
		{"porter -stop -profile dev", "-stop" ALONE},
		{"porter -status -wait 20s", "-status" ALONE},
		{"porter -disable api -check", "-disable" ALONE},
		{"porter -enable api -detach", "-enable" ALONE},
		{"porter -reconnect api -watch", "-reconnect" ALONE},
		{"porter -stop -headless", "-stop" ALONE},
		{"porter -stop -on-conflict fail", "-stop" ALONE},
		{"porter -stop -- true", "-stop" ALONE},
#define ONE "only one of -status, -stop, -reconnect, -disable and -enable can be had at a time\n"
		{"porter -status -stop", ONE},
		{"porter -disable api -enable api", ONE},
		{"porter -stop -json", "-json goes together with -status only\n"},
		{"porter -json", "-json goes together with -status only\n"},
#define PID "-pid goes together with -status, -stop, -reconnect, -disable and -enable only\n"
		{"porter -pid 7", PID},
		{"porter -stop -pid 0", "-pid must be the number of a process, not '0'\n"},
		{"porter -stop -pid 2147483648",
			"-pid must be the number of a process, not '2147483648'\n"},
		{"porter -stop -pid 7x", "-pid must be the number of a process, not '7x'\n"},
		{"porter -stop -pid _", "-pid must be the number of a process, not ''\n"},
		{"porter -on-conflict kill",
			"-on-conflict must be 'takeover' or 'fail', not 'kill'\n"},
		{"porter -n shop", "-context, -n and -kubeconfig are for use without a file\n"
				   "  as in: porter -n shop svc/api 8080:80\n"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Row / sizeof *Row; i++) {
		char *errors = read_line(Row[i].line);
		assert_string_equal(errors, Row[i].errors);
		free(errors);
	}
	setenv("PORTER_VERBOSE", "perhaps", 1);
	char *errors = read_line("porter");
	assert_string_equal(
		errors, "PORTER_VERBOSE in the environment must be true or false, not 'perhaps'\n");
	free(errors);
}

static void knows_who_asks_a_porter_that_runs(void **state)
{
	static const struct {
		const char *line, *order, *name;
		int64_t pid;
	} Row[] = {
		{"porter api", NULL, NULL, 0},
		{"porter -config a.ini -status -json", "status", NULL, 0},
		{"porter -stop -pid 2147483647", "stop", NULL, INT_MAX},
		{"porter -reconnect prod/api -verbose", "reconnect", "prod/api", 0},
		{"porter -disable api -pid=7", "disable", "api", 7},
		{"porter -enable _", "enable", "", 0},
		{"porter -status=false -stop", "stop", NULL, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Row / sizeof *Row; i++) {
		read_well(Row[i].line);
		const char *order = options_order(&O), *name = Row[i].name;
		const char *is = O.reconnect ? O.reconnect : O.disable ? O.disable : O.enable;
		assert_true(order == Row[i].order || !strcmp(order, Row[i].order));
		assert_true(is == name || !strcmp(is, name));
		assert_int_equal(O.pid, Row[i].pid);
		end(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(has_defaults, end),
		cmocka_unit_test_teardown(reads_values_in_both_ways, end),
		cmocka_unit_test_teardown(takes_so_many_profiles, end),
		cmocka_unit_test_teardown(takes_switches_as_go_does, end),
		cmocka_unit_test_teardown(finds_words_among_options, end),
		cmocka_unit_test_teardown(leaves_the_command_alone, end),
		cmocka_unit_test_teardown(reads_the_environment, end),
		cmocka_unit_test_teardown(says_what_is_wrong, end),
		cmocka_unit_test_teardown(knows_who_asks_a_porter_that_runs, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
