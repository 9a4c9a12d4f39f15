/* pick.c: a configuration made by hand, and what is left of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "pick.h"

static struct config C;

static char **list(const char *a, const char *b)
{
	char **all = mem_new(3 * sizeof *all);
	all[0] = mem_dup(a);
	all[1] = b ? mem_dup(b) : NULL;
	return all;
}

static void add(const char *name, unsigned cluster, char **profiles)
{
	C.forwards = mem_grow(C.forwards, (C.forward_count + 1) * sizeof *C.forwards);
	C.forwards[C.forward_count++] = (struct config_forward){
		.name = mem_dup(name), .cluster = cluster, .profiles = profiles};
}

static int make(void **state)
{
	static const char *const Clusters[] = {"east", "north", "west"};
	(void)state;
	C = (struct config){.path = mem_dup("p.ini"), .clusters = mem_new(sizeof *C.clusters * 3)};
	for (size_t i = 0; i < 3; i++)
		C.clusters[C.cluster_count++].name = mem_dup(Clusters[i]);
	add("api", 0, list("dev", NULL));
	add("web", 2, NULL);
	add("orders", 1, list("prod", "dev"));
	add("audit", 2, list("prod", NULL));
	return 0;
}

static int free_all(void **state)
{
	(void)state;
	config_free(&C);
	return 0;
}

/* "api:east web:west" of what is left, and "/ east west". */
static void expect(const struct config_pick *pick, const char *left, const char *problems)
{
	struct problems p = {0};
	struct buf out = {0}, told = {0};
	pick_apply(&C, pick, &p);
	for (size_t i = 0; i < C.forward_count; i++)
		buf_print(
			&out, "%s:%s ", C.forwards[i].name, C.clusters[C.forwards[i].cluster].name);
	buf_print(&out, "/");
	for (size_t i = 0; i < C.cluster_count; i++)
		buf_print(&out, " %s", C.clusters[i].name);
	problems_tell(&p, &told);
	buf_put(&out, "", 1);
	buf_put(&told, "", 1);
	assert_string_equal((const char *)buf_data(&out), left);
	assert_string_equal((const char *)buf_data(&told), problems);
	buf_free(&out);
	buf_free(&told);
}

#define ALL "api:east web:west orders:north audit:west / east north west"

static void keeps_all_where_none_is_named(void **state)
{
	(void)state;
	expect(NULL, ALL, "");
	expect(&(struct config_pick){NULL, NULL}, ALL, "");
	static const char *const None[] = {NULL};
	expect(&(struct config_pick){None, None}, ALL, "");
}

static void keeps_names(void **state)
{
	static const char *const Names[] = {"audit", "web", "web", NULL};
	(void)state;
	expect(&(struct config_pick){.names = Names}, "web:west audit:west / west", "");
}

static void keeps_profiles(void **state)
{
	static const char *const Profiles[] = {"dev", NULL};
	(void)state;
	expect(&(struct config_pick){.profiles = Profiles}, "api:east orders:north / east north",
		"");
}

static void keeps_what_either_names(void **state)
{
	static const char *const Names[] = {"web", NULL}, *const Profiles[] = {"prod", NULL};
	(void)state;
	expect(&(struct config_pick){Names, Profiles},
		"web:west orders:north audit:west / north west", "");
}

static void tells_what_there_is_not(void **state)
{
	static const char *const Names[] = {"apii", "web", "dev", NULL};
	static const char *const Profiles[] = {"prd", "staging", NULL};
	(void)state;
	expect(&(struct config_pick){Names, Profiles}, "web:west / west",
		"no forward is called 'apii' (p.ini)\n  did you mean 'api'?\n"
		"  there are: api, web, orders, audit\n"
		"no forward is called 'dev' (p.ini)\n  there are: api, web, orders, audit\n"
		"no forward has the profile 'prd' (p.ini)\n  did you mean 'prod'?\n"
		"  there are: dev, prod\n"
		"no forward has the profile 'staging' (p.ini)\n  there are: dev, prod\n");
}

static void tells_of_a_single_one_and_of_none(void **state)
{
	static const char *const Profiles[] = {"prod", NULL}, *const Names[] = {"x", NULL};
	static const char *const Type[] = {"rs/web", NULL};
	(void)state;
	while (C.forward_count > 2)
		config_forward_free(&C.forwards[--C.forward_count]);
	expect(&(struct config_pick){.profiles = Profiles}, "/",
		"no forward has the profile 'prod' (p.ini)\n  there is: dev\n");
	expect(&(struct config_pick){.names = Names}, "/", "no forward is called 'x' (p.ini)\n");
	expect(&(struct config_pick){.names = Type}, "/",
		"no forward is called 'rs/web' (p.ini)\n"
		"  without a file, types are svc, pod, deploy, sts and ds\n");
}

static void lists_as_many_as_there_is_room_for(void **state)
{
	static const char *const Names[] = {"x", NULL};
	char name[16];
	struct problems p = {0};
	struct buf told = {0};
	(void)state;
	for (int i = 0; i < 96; i++) {
		snprintf(name, sizeof name, "forward-%03d", i);
		add(name, 0, NULL);
	}
	pick_apply(&C, &(struct config_pick){.names = Names}, &p);
	problems_tell(&p, &told);
	buf_put(&told, "", 1);
	const char *text = (const char *)buf_data(&told);
	assert_non_null(strstr(text, "forward-020, and 75 more\n"));
	buf_free(&told);
}

/* Of a cluster that does not exist: that is told elsewhere. */
static void keeps_a_forward_without_a_cluster(void **state)
{
	static const char *const Names[] = {"lost", NULL};
	struct problems p = {0};
	(void)state;
	add("lost", 7, NULL);
	pick_apply(&C, &(struct config_pick){.names = Names}, &p);
	assert_int_equal(p.count, 0);
	assert_int_equal(C.forward_count, 1);
	assert_int_equal(C.cluster_count, 0);
	assert_int_equal(C.forwards[0].cluster, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, free_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keeps_all_where_none_is_named),
		TEST(keeps_names),
		TEST(keeps_profiles),
		TEST(keeps_what_either_names),
		TEST(tells_what_there_is_not),
		TEST(tells_of_a_single_one_and_of_none),
		TEST(lists_as_many_as_there_is_room_for),
		TEST(keeps_a_forward_without_a_cluster),
	};
	return cmocka_run_group_tests_name("pick", tests, NULL, NULL);
}
