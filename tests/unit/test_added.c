/* added.c with real files and kubeconfigs: what words become, and what is in the file then. */
#include "test_manager.h"

#include <sys/stat.h>

#include "added.h"
#include "log.h"
#include "pod.h"

static const struct config_pick All;
static struct adhoc Otherwise;
static struct config C;
static struct buf Said;

static int begin_added(void **state)
{
	int status = begin(state);
	put("three", "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
		     "contexts: [{name: x, context: {cluster: c, namespace: shop}},\n"
		     "           {name: y, context: {cluster: c}}]\n"
		     "current-context: x\n");
	Otherwise = (struct adhoc){.kubeconfig = "three"};
	C = (struct config){0};
	return status;
}

static int end_added(void **state)
{
	added_free();
	config_free(&C);
	buf_free(&Said);
	remove("three");
	return end(state);
}

/* The file is "f", of cluster a, alone. */
static void write_file(const char *more)
{
	char text[TEXT], *to = forward_text(text, "f", "a", 0, 80);
	strcpy(to, more);
	char whole[TEXT + 128];
	snprintf(whole, sizeof whole,
		"[cluster a]\nkubeconfig = one\n[cluster b]\nkubeconfig = two\n%s", text);
	put("porter.ini", whole);
}

static const char *said(void)
{
	static char text[TEXT];
	snprintf(text, sizeof text, "%.*s", (int)buf_len(&Said), (const char *)buf_data(&Said));
	buf_free(&Said);
	return text;
}

/* As a reload does. */
static void load(const struct config_pick *pick)
{
	config_free(&C);
	if (!config_load(&C, "porter.ini", pick, false, &Said))
		fail_msg("%s", said());
	added_extend(&C);
}

static bool read_words(const char *words, const char *beside)
{
	load(&All);
	return added_read(&C, words, beside, &Otherwise, &Said);
}

static void add(const char *words, const char *beside)
{
	if (!read_words(words, beside))
		fail_msg("%s", said());
	added_settle(true);
}

static void apply_all(void)
{
	load(&All);
	if (manager_apply(M, &C, &Said, NULL))
		fail_msg("%s", said());
}

/* "cluster/namespace name type/service local:remote" of the i-th. */
static const char *forward(size_t i)
{
	static char text[TEXT];
	assert_in_range(i, 0, C.forward_count - 1);
	const struct config_forward *f = &C.forwards[i];
	snprintf(text, sizeof text, "%s/%s %s %s/%s %u:%u%s", C.clusters[f->cluster].name,
		f->target.namespace, f->name, pod_type_name(f->target.type), f->target.name,
		f->local_port, f->target.port, f->target.port_name ? f->target.port_name : "");
	return text;
}

static const char *file_text(void)
{
	static char text[TEXT];
	FILE *file = fopen("porter.ini", "r");
	assert_non_null(file);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	return text;
}

/* ---- words ---- */

static void joins_the_cluster_and_namespace_of_one(void **state)
{
	(void)state;
	write_file("");
	assert_true(read_words("svc/api 8080:http pod/db :5432", "f"));
	assert_int_equal(C.cluster_count, 2);
	assert_int_equal(C.forward_count, 3);
	assert_string_equal(forward(1), "a/n api service/api 8080:0http");
	assert_string_equal(forward(2), "a/n db pod/db 0:5432");
	assert_string_equal(C.clusters[0].kubeconfig, strcat(strcpy(Errors, Folder), "/one"));
}

static void goes_where_the_words_say(void **state)
{
	static const struct {
		const char *words, *beside, *forward;
	} Words[] = {
		{"-n other svc/api 80", "f", "a/other api service/api 80:80"},
		{"svc/api 80 --namespace=other", "f", "a/other api service/api 80:80"},
		{"-kubeconfig three svc/api 80", "f", "x/shop api service/api 80:80"},
		{"-context y svc/api 80", "f", "y/default api service/api 80:80"},
		{"-context y -n o svc/api 80", "f", "y/o api service/api 80:80"},
		{"svc/api 80", NULL, "x/shop api service/api 80:80"},
		{"svc/api 80", "gone", "x/shop api service/api 80:80"},
	};
	(void)state;
	write_file("");
	for (size_t i = 0; i < sizeof Words / sizeof *Words; i++) {
		assert_true(read_words(Words[i].words, Words[i].beside));
		assert_string_equal(forward(1), Words[i].forward);
	}
	Otherwise.namespace = "given";
	assert_true(read_words("svc/api 80", NULL));
	assert_string_equal(forward(1), "x/given api service/api 80:80");
}

static void names_what_has_a_name_already_anew(void **state)
{
	(void)state;
	write_file("[cluster x]\nkubeconfig = two\n");
	assert_true(read_words("-context x pod/f 1000 1001", "f"));
	assert_string_equal(forward(1), "x-2/shop f-2 pod/f 1000:1000");
	assert_string_equal(forward(2), "x-2/shop f-1001 pod/f 1001:1001");
	add("pod/aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee 1000", "f");
	assert_true(read_words("pod/aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee 1001", "f"));
	assert_string_equal(C.forwards[2].name, "abbbbbbbbbbccccccccccddddddddddeeeeeeee-2");
	assert_string_equal(forward(1),
		"a/n abbbbbbbbbbccccccccccddddddddddeeeeeeeeee "
		"pod/aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee 1000:1000");
}

static void refuses_what_cannot_be(void **state)
{
	char taken[64], told[TEXT];
	(void)state;
	write_file("");
	snprintf(taken, sizeof taken, "svc/api %u:80", Port[0]);
	snprintf(told, sizeof told,
		"local port %u is used by both 'a/s-f' and 'a/api'\n  first in line 11\n", Port[0]);
	const struct {
		const char *words, *told;
	} Table[] = {
		{"x/api 80", "unknown type 'x' in 'x/api'\n  there are svc, pod, deploy, sts and "
			     "ds\n"},
		{"svc/api", "svc/api: which port? as in: svc/api 8080:80\n"},
		{"svc/api 80 -check",
			"-check: only -context, -n and -kubeconfig are options here\n"},
		{"svc/api 80 -- ls", "--: only -context, -n and -kubeconfig are options here\n"},
		{"svc/api 80 -n", "a value is missing behind '-n'\n"},
		{"-context z svc/api 80", "three: there is no context 'z'; there is: 'x', 'y'\n"},
		{"svc/api 'x", "a quote or a backslash has no end\n"},
		{taken, told},
	};
	for (size_t i = 0; i < sizeof Table / sizeof *Table; i++) {
		assert_false(read_words(Table[i].words, "f"));
		assert_string_equal(said(), Table[i].told);
		added_settle(false);
	}
	load(&All);
	assert_int_equal(C.forward_count, 1);
}

/* ---- reloads ---- */

static void stays_through_reloads(void **state)
{
	(void)state;
	write_file("");
	add("svc/api 8080:80", "f");
	add("-context y svc/api 8081:80", "f");
	assert_true(read_words("svc/never 1000", "f"));
	load(&All); /* it was not settled */
	assert_int_equal(C.forward_count, 3);
	assert_int_equal(C.cluster_count, 3);
	assert_string_equal(forward(1), "a/n api service/api 8080:80");
	assert_string_equal(forward(2), "y/default api-2 service/api 8081:80");
	assert_true(read_words("-context y svc/more 8082:80", "f"));
	assert_int_equal(C.cluster_count, 3); /* the same one */
	assert_string_equal(forward(3), "y/default more service/more 8082:80");
}

static void makes_way_for_a_name_in_the_file(void **state)
{
	char more[TEXT];
	(void)state;
	write_file("");
	add("svc/api 8080:80", "f");
	forward_text(more, "api", "b", 1, 80);
	write_file(more);
	load(&All);
	assert_int_equal(C.forward_count, 3);
	assert_string_equal(C.forwards[1].name, "api");
	assert_string_equal(forward(2), "a/n api-2 service/api 8080:80");
}

static void goes_with_its_cluster(void **state)
{
	enum log_level level;
	char text[TEXT], *to = text;
	(void)state;
	write_file("");
	add("svc/api 8080:80", "f");
	to += sprintf(to, "[cluster b]\nkubeconfig = two\n");
	forward_text(to, "g", "b", 1, 80);
	put("porter.ini", text);
	load(&All);
	assert_int_equal(C.forward_count, 1);
	assert_non_null(strstr(log_recent(0, &level),
		"the cluster of an added forward is gone forward=api cluster=a"));
	write_file("");
	load(&All);
	assert_int_equal(C.forward_count, 1);
}

/* ---- the file ---- */

static void writes_sections(void **state)
{
	char want[TEXT];
	(void)state;
	write_file("# the end"); /* of no line */
	assert_int_equal(chmod("porter.ini", 0640), 0);
	add("svc/api :http pod/db 5432", "f");
	add("-context y deploy/web 8081:80", "f");
	apply_all();
	snprintf(want, sizeof want,
		"%s\n\n[cluster y]\nkubeconfig = %s/three\ncontext = y\n"
		"\n[forward api]\ncluster = a\nnamespace = n\nservice = api\ntype = service\n"
		"local_port = %u\nremote_port = http\n"
		"\n[forward db]\ncluster = a\nnamespace = n\nservice = db\ntype = pod\n"
		"local_port = 5432\nremote_port = 5432\n"
		"\n[forward web]\ncluster = y\nnamespace = default\nservice = web\n"
		"type = deployment\nlocal_port = 8081\nremote_port = 80\n",
		file_text(), Folder, forward_local_port(manager_forward(M, 1)));
	assert_int_not_equal(forward_local_port(manager_forward(M, 1)), 0);
	assert_true(added_save("porter.ini", &All, M, &Said));
	assert_string_equal(
		said(), "[forward api], [forward db], [forward web] written to porter.ini\n");
	assert_string_equal(file_text(), want);
	struct stat st;
	assert_int_equal(stat("porter.ini", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	load(&All); /* from the file alone */
	assert_int_equal(C.forward_count, 4);
	assert_false(added_save("porter.ini", &All, M, &Said));
	assert_string_equal(said(), "nothing was added that is not in a file\n");
	assert_string_equal(file_text(), want);
	write_file(""); /* what is taken out of it is gone */
	load(&All);
	assert_int_equal(C.forward_count, 1);
}

static void stays_where_only_some_of_the_file_is_meant(void **state)
{
	static const char *const Names[] = {"f", NULL};
	const struct config_pick some = {.names = Names};
	(void)state;
	write_file("");
	add("svc/api 8080:80", "f");
	assert_true(added_save("porter.ini", &some, M, &Said));
	said();
	load(&some);
	assert_int_equal(C.forward_count, 2);
	load(&All);
	assert_int_equal(C.forward_count, 2);
	assert_false(added_save("porter.ini", &some, M, &Said));
}

static void leaves_a_file_that_it_would_break(void **state)
{
	char before[TEXT];
	(void)state;
	write_file("");
	add("svc/api 8080:80", "f");
	write_file("[forward api]\nwrong = 1\n");
	strcpy(before, file_text());
	assert_false(added_save("porter.ini", &All, M, &Said));
	assert_non_null(strstr(said(), "porter.ini:"));
	assert_string_equal(file_text(), before);
	write_file("");
	assert_true(added_save("porter.ini", &All, M, &Said));
}

static void says_why_it_cannot_write(void **state)
{
	(void)state;
	write_file("");
	add("svc/api 8080:80", "f");
	assert_false(added_save("gone.ini", &All, M, &Said));
	assert_string_equal(said(), "gone.ini cannot be written: No such file or directory\n");
	assert_int_equal(mkfifo("pipe", 0600), 0);
	assert_false(added_save("pipe", &All, M, &Said));
	assert_string_equal(said(), "pipe cannot be written: Invalid argument\n");
	assert_int_equal(unlink("pipe"), 0);
}

int main(void)
{
#define ADDED_TEST(f) cmocka_unit_test_setup_teardown(f, begin_added, end_added)
	const struct CMUnitTest tests[] = {
		ADDED_TEST(joins_the_cluster_and_namespace_of_one),
		ADDED_TEST(goes_where_the_words_say),
		ADDED_TEST(names_what_has_a_name_already_anew),
		ADDED_TEST(refuses_what_cannot_be),
		ADDED_TEST(stays_through_reloads),
		ADDED_TEST(makes_way_for_a_name_in_the_file),
		ADDED_TEST(goes_with_its_cluster),
		ADDED_TEST(writes_sections),
		ADDED_TEST(stays_where_only_some_of_the_file_is_meant),
		ADDED_TEST(leaves_a_file_that_it_would_break),
		ADDED_TEST(says_why_it_cannot_write),
	};
	log_open("/dev/null");
	return cmocka_run_group_tests_name("added", tests, NULL, NULL);
}
