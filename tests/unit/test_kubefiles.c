/* kubefiles.c: which files count, and what a name stands for in several.  What kubectl
 * makes of the same files is in tests/kubeconfig. */
#include "test_kubeconfig.h"

#include <errno.h>

#include "file.h"

#define CLUSTER(name, host) "clusters: [{name: " name ", cluster: {server: 'https://" host "'}}]\n"
#define CONTEXT(name, ns)   "contexts: [{name: " name ", context: {cluster: c, namespace: " ns "}}]\n"

static const char *const Names[] = {"a", "b", "c", "d/a", ".kube/config"};

static int begin(void **state)
{
	make_dir(state);
	setenv("HOME", Dir, 1);
	mkdir(in_dir("d"), 0700);
	mkdir(in_dir(".kube"), 0700);
	unsetenv("KUBERNETES_SERVICE_HOST");
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof Names / sizeof *Names; i++)
		unlink(in_dir(Names[i]));
	unsetenv("KUBECONFIG");
	return 0;
}

static int end(void **state)
{
	rmdir(in_dir("d"));
	rmdir(in_dir(".kube"));
	return remove_dir(state);
}

/* "a:b" in the folder, as $KUBECONFIG has it; empty names stay empty. */
static void set_list(const char *names)
{
	char list[2048];
	size_t n = 0;
	for (size_t i; *names; names += i + (names[i] == ':')) {
		i = strcspn(names, ":");
		n += (size_t)snprintf(list + n, sizeof list - n, "%s%s%.*s%s", i ? Dir : "",
			i ? "/" : "", (int)i, names, names[i] ? ":" : "");
	}
	list[n] = '\0';
	setenv("KUBECONFIG", list, 1);
}

/* The same without the folder's name. */
static void assert_files(const struct kubeconfig *k, const char *want)
{
	char all[1024] = "";
	for (char **file = k->files; *file; file++) {
		assert_memory_equal(*file, Dir, strlen(Dir));
		strcat(strcat(all, *file + strlen(Dir) + 1), " ");
	}
	assert_string_equal(all, want);
}

static void the_first_file_that_has_a_name_counts(void **state)
{
	(void)state;
	write_named("a", "current-context: ''\n" CONTEXT("x", "first"));
	write_named("b", "current-context: x\n" CLUSTER("c", "of-b") CONTEXT("x", "second"));
	write_named("c", "current-context: y\n" CLUSTER("c", "of-c") CONTEXT("y", "third"));
	set_list("a:b:c");
	struct kubeconfig k = load(NULL, NULL);
	assert_string_equal(k.context, "x");
	assert_string_equal(k.namespace, "first");
	assert_string_equal(k.host, "of-b");
	assert_files(&k, "a b c ");
	kubeconfig_free(&k);
	k = load(NULL, "y");
	assert_string_equal(k.namespace, "third");
	assert_string_equal(k.host, "of-b");
	kubeconfig_free(&k);
	set_list("c:b:a");
	k = load(NULL, NULL);
	assert_string_equal(k.context, "y");
	assert_string_equal(k.host, "of-c");
	kubeconfig_free(&k);
	k = load(in_dir("b"), NULL); /* one that is named counts alone */
	assert_string_equal(k.namespace, "second");
	assert_files(&k, "b ");
	kubeconfig_free(&k);
}

static void a_name_is_one_files_altogether(void **state)
{
	(void)state;
	write_named("a", "users: [{name: u, user: {username: ada}}]\n" CLUSTER("c", "h"));
	write_named("b", "users: [{name: u, user: {username: bob, password: p}}]\n"
			 "contexts: [{name: x, context: {cluster: c, user: u}}]\n");
	set_list("a:b");
	struct kubeconfig k = load(NULL, "x");
	assert_string_equal(k.username, "ada");
	assert_null(k.password.p);
	kubeconfig_free(&k);
	write_named("a", "users: [{name: u}]\n" CLUSTER("c", "h")); /* it has it, and it is empty */
	k = load(NULL, "x");
	assert_null(k.username);
	kubeconfig_free(&k);
}

static void paths_begin_where_they_stand(void **state)
{
	(void)state;
	write_named("a", "contexts: [{name: x, context: {cluster: c, user: u}}]\n");
	write_named("d/a", "users: [{name: u, user: {tokenFile: t}}]\n" CLUSTER("c", "h"));
	set_list("a:d/a");
	struct kubeconfig k = load(NULL, "x");
	assert_string_equal(k.token_file, in_dir("d/t"));
	kubeconfig_free(&k);
}

static void what_is_missing_or_empty_is_passed_over(void **state)
{
	(void)state;
	write_named("a", "");
	write_named("b", "# nothing yet\n");
	write_named("c", "current-context: x\n" CLUSTER("c", "h") CONTEXT("x", "n"));
	set_list(":a:nowhere::b:c:a:");
	struct kubeconfig k = load(NULL, NULL);
	assert_string_equal(k.namespace, "n");
	assert_files(&k, "a nowhere b c "); /* it may come to be there */
	kubeconfig_free(&k);
}

static void finds_the_default(void **state)
{
	(void)state;
	write_named(".kube/config", "current-context: x\n" CLUSTER("c", "h") CONTEXT("x", "home"));
	unsetenv("KUBECONFIG");
	struct kubeconfig k = load(NULL, NULL);
	assert_string_equal(k.namespace, "home");
	assert_files(&k, ".kube/config ");
	kubeconfig_free(&k);
	setenv("KUBECONFIG", "", 1);
	k = load(NULL, NULL);
	assert_string_equal(k.namespace, "home");
	kubeconfig_free(&k);
	setenv("KUBECONFIG", "~/.kube/config", 1); /* as a shell left it in quotes */
	k = load(NULL, NULL);
	assert_string_equal(k.namespace, "home");
	kubeconfig_free(&k);
	setenv("KUBECONFIG", ":", 1);
	assert_string_equal(
		said(NULL, NULL), "no kubeconfig: KUBECONFIG names no file that is there: ':'");
}

static void assert_refused(const char *list, const char *want)
{
	char words[512];
	set_list(list);
	const char *p = said(NULL, "x"), *at;
	for (words[0] = '\0'; (at = strstr(p, Dir)); p = at + strlen(Dir))
		sprintf(words + strlen(words), "%.*s%%", (int)(at - p), p);
	assert_string_equal(strcat(words, p), want);
}

static void says_what_is_wrong_and_in_which_file(void **state)
{
	(void)state;
	write_named("a", CONTEXT("x", "n"));
	write_named("b", CLUSTER("b", "h") "users: [a: &b c]\n");
	write_named("c", "clusters:\n- {name: c, cluster: {server: h}}\n- {name: c}\n");
	write_named("d/a", "kind: Pod\n");
	assert_refused("a:b", "%/b:2: anchors are not supported: write the value out");
	assert_refused("a:d:nowhere", "cannot read kubeconfig '%/d': Is a directory");
	assert_refused("a:d/a", "%/d/a:1: this is not a kubeconfig: its kind is 'Pod'");
	assert_refused("a:c", "%/c:3: there are two clusters called 'c'");
	assert_refused("a", "%/a: there is no cluster 'c'; there is: none");
	write_named("b", CLUSTER("b", "h"));
	write_named("c", CLUSTER("d", "h"));
	assert_refused("a:b:c", "$KUBECONFIG: there is no cluster 'c'; there is: 'b', 'd'");
	assert_refused("nowhere:no", "no kubeconfig: KUBECONFIG names no file that is there: "
				     "'%/nowhere:%/no'");
	unsetenv("KUBECONFIG");
	const char *words = said(NULL, NULL);
	assert_non_null(strstr(words, "no kubeconfig: KUBECONFIG is not set, and /tmp/"));
	assert_non_null(strstr(words, "/.kube/config: No such file or directory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(the_first_file_that_has_a_name_counts, remove_files),
		cmocka_unit_test_teardown(a_name_is_one_files_altogether, remove_files),
		cmocka_unit_test_teardown(paths_begin_where_they_stand, remove_files),
		cmocka_unit_test_teardown(what_is_missing_or_empty_is_passed_over, remove_files),
		cmocka_unit_test_teardown(finds_the_default, remove_files),
		cmocka_unit_test_teardown(says_what_is_wrong_and_in_which_file, remove_files),
	};
	return cmocka_run_group_tests_name("kubefiles", tests, begin, end);
}
