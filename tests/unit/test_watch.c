/* watch.c with all below it, against a server that plays what it is told to, on a clock
 * that jumps. */
#include "watch.h"
#include "test_api.h"

/* Less than any pause: what is asked sooner is asked at once. */
enum { INTERVAL_MS = 1000, PAUSE_MS = WATCH_WAIT_MS - WATCH_WAIT_MS / 10, LIVED_MS = 6000 };

static const char Path[] = "/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb";
static const char Other[] = "/api/v1/namespaces/shop/pods?labelSelector=app%3Ddb";

/* One watcher; those that leave when it is told. */
struct one {
	struct watcher w;
	unsigned told;
	struct one *leaves[2];
};

static struct cluster *C;
static struct one A, B, D;
static int64_t Since; /* when something was said or asked that is waited from */

static void on_watch(struct watcher *w)
{
	struct one *one = OWNER_OF(w, struct one, w);
	one->told++;
	for (unsigned i = 0; i < 2; i++)
		if (one->leaves[i])
			watch_leave(&one->leaves[i]->w);
	loop_stop();
}

static void join(struct one *one, const char *path)
{
	watch_join(&one->w, C, path, INTERVAL_MS, on_watch);
}

static int start(void **state)
{
	(void)state;
	A = B = D = (struct one){0};
	server_start();
	C = cluster_here();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	watch_leave(&A.w);
	watch_leave(&B.w);
	watch_leave(&D.w);
	cluster_drop(C);
	server_stop();
	return 0;
}

/* ---- what is played ---- */

#define LIST(version, items)                                                                       \
	{                                                                                          \
		LINES "{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items      \
		      "]}",                                                                        \
			END                                                                        \
	}
#define POD(name, uid, version, ready)                                                             \
	"{\"metadata\":{\"name\":\"" name "\",\"uid\":\"" uid "\",\"resourceVersion\":\"" version  \
	"\"},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"" ready "\"}]}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"
#define BOOKMARK(version)   EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"" version "\"}}")
#define REFUSED(status)                                                                            \
	{                                                                                          \
		"HTTP/1.1 " status " No\r\n\r\n{\"kind\":\"Status\",\"message\":\"no " status      \
		"\"}",                                                                             \
			END                                                                        \
	}
#define LATER(seconds)                                                                             \
	{                                                                                          \
		"HTTP/1.1 429 No\r\nRetry-After: " seconds "\r\n\r\n", END                         \
	}
#define WATCHED                                                                                    \
	{                                                                                          \
		LINES, 0                                                                           \
	}
#define CUT                                                                                        \
	{                                                                                          \
		CHUNKED, END                                                                       \
	} /* within the answer */

/* More of the newest answer. */
static void send_more(const char *text, enum play_how how)
{
	Since = loop_now();
	say(Server.opened, text, how);
}

/* ---- what is asked ---- */

static unsigned requests(void)
{
	unsigned n = 0;
	for (size_t i = 0; i < buf_len(&Server.log); i++)
		n += buf_data(&Server.log)[i] == '|';
	return n;
}

/* One request in words: "list", "list CONTINUE", "watch VERSION"; "other list". */
static void put_request(struct buf *out, const char *request)
{
	bool other = strstr(request, Other);
	const char *version = strstr(request, "&resourceVersion=");
	const char *go_on = strstr(request, "&continue=");
	if (version)
		version += strlen("&resourceVersion=");
	if (go_on)
		go_on += strlen("&continue=");
	buf_print(out, "%s%s%s%s|", other ? "other " : "", version ? "watch " : "list",
		go_on ? " " : "",
		version ? version
		: go_on ? go_on
			: "");
}

static const char *asked(void)
{
	static char words[8192];
	struct buf log = {0}, out = {0};
	buf_put(&log, buf_data(&Server.log), buf_len(&Server.log));
	buf_put(&log, "", 1);
	for (char *p = (char *)buf_data(&log), *end; (end = strchr(p, '|')); p = end + 1) {
		*end = '\0';
		put_request(&out, p);
	}
	snprintf(words, sizeof words, "%.*s", (int)buf_len(&out), (char *)buf_data(&out));
	buf_free(&log);
	buf_free(&out);
	return words;
}

static const char *Wanted;
static unsigned Wanted_count;

static bool are_asked(void)
{
	return !strcmp(asked(), Wanted);
}

static bool are_so_many(void)
{
	return requests() >= Wanted_count;
}

/* All that was asked since the test's start, sooner or later. */
static void wait_asked(const char *want)
{
	Wanted = want;
	run_until(are_asked);
	Since = loop_now();
}

/* `n` more requests come, and without a pause. */
static void assert_at_once(unsigned n)
{
	Wanted_count = requests() + n;
	run_until(are_so_many);
	assert_true(loop_now() - Since < PAUSE_MS);
	Since = loop_now();
}

/* The clock goes on until there is one more request.  Returns how long that took,
 * and perhaps a little more. */
static int64_t pause_ms(void)
{
	struct timer step = {.on = on_patience};
	int64_t from = Since;
	Wanted_count = requests() + 1;
	for (unsigned i = 0; i < 10000 && !are_so_many(); i++) {
		skip_ms(100);
		timer_after(&step, 3);
		while (timer_is_set(&step) && !are_so_many())
			loop_run();
	}
	timer_stop(&step);
	Since = loop_now();
	return Since - from;
}

static void assert_nothing_is_asked(void)
{
	unsigned n = requests();
	wait_quietly(QUIET_MS);
	assert_int_equal(requests(), n);
}

/* ---- what is told ---- */

static int by_name(const void *a, const void *b)
{
	const struct pod *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

/* "a:UID b:UID+ !why": the pods, ready ones with a plus, and the error. */
static const char *known(const struct one *one)
{
	static char text[2048];
	const struct pod *pod[64];
	size_t count = 0, n = 0;
	while ((pod[count] = watch_pod(&one->w, count)))
		count++;
	qsort(pod, count, sizeof *pod, by_name);
	*text = '\0';
	for (size_t i = 0; i < count; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s:%s%s", n ? " " : "",
			pod[i]->name, pod[i]->uid, pod[i]->ready ? "+" : "");
	const struct err *e = watch_error(&one->w);
	snprintf(text + n, sizeof text - n, "%s%s", e->kind ? " !" : "", e->text);
	return text;
}

static const struct one *Whose;

static bool is_known(void)
{
	return Whose->told && watch_is_listed(&Whose->w) && !strcmp(known(Whose), Wanted);
}

static void wait_known(const struct one *one, const char *want)
{
	Whose = one;
	Wanted = want;
	for (unsigned i = 0; i < PATIENCE_MS / 5 && !is_known(); i++)
		wait_quietly(5);
	assert_string_equal(known(one), want);
	assert_true(is_known());
}

static bool is_told(void)
{
	return Whose->told;
}

static void wait_told(struct one *one)
{
	one->told = 0;
	Whose = one;
	run_until(is_told);
}

/* A watch that has begun with the pod "a". */
static void begin(struct one *one, const char *path)
{
	unsigned n = requests() + 2;
	PLAY(LIST("1", POD("a", "u", "1", "True")), WATCHED);
	join(one, path);
	wait_known(one, "a:u+");
	Wanted_count = n;
	run_until(are_so_many);
	wait_quietly(QUIET_MS);
}

/* ---- lists and events ---- */

static void lists_page_by_page_then_watches(void **state)
{
	char want[2048];
	(void)state;
	PLAY({LINES "{\"metadata\":{\"continue\":\"a/b=\",\"resourceVersion\":\"5\"},"
		    "\"items\":[" POD("a", "u1", "2", "True") "]}",
		     END},
		{LINES "{\"metadata\":{\"continue\":\"c\"},\"items\":null}", END},
		LIST("7 8", POD("b", "u2", "3", "False") "," POD("c", "u3", "4", "True")), WATCHED);
	join(&A, Path);
	assert_false(watch_is_listed(&A.w));
	assert_string_equal(watch_path(&A.w), Path);
	wait_known(&A, "a:u1+ b:u2 c:u3+");
	assert_int_equal(A.told, 1); /* not of the first pages */
	wait_asked("list|list a%2Fb%3D|list c|watch 7%208|");
	snprintf(want, sizeof want,
		"1 %s&limit=500|2 %s&limit=500&continue=a%%2Fb%%3D|3 %s&limit=500&continue=c|"
		"4 %s&watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion=7%%208|",
		Path, Path, Path, Path);
	assert_asked(want);
}

static void each_event_changes_one_pod(void **state)
{
	static const struct {
		const char *event, *want;
	} Case[] = {
		{EVENT("ADDED", POD("b", "u2", "2", "False")), "a:u+ b:u2"},
		{EVENT("MODIFIED", POD("b", "u2", "3", "True")), "a:u+ b:u2+"},
		{EVENT("ADDED", POD("a", "u3", "4", "False")), "a:u3 b:u2+"},
		{EVENT("DELETED", POD("b", "u2", "5", "False")), "a:u3"},
		{EVENT("DELETED", POD("c", "u4", "6", "False")), "a:u3"},
		{EVENT("MODIFIED", POD("c", "u5", "7", "True")), "a:u3 c:u5+"},
		{EVENT("DELETED", POD("a", "u3", "8", "True"))
				EVENT("DELETED", POD("c", "u5", "9", "True")),
			""},
		{EVENT("ADDED", POD("a", "u6", "10", "True")), "a:u6+"},
		{BOOKMARK("30"), "a:u6+"},
	};
	(void)state;
	begin(&A, Path);
	for (unsigned i = 0; i < sizeof Case / sizeof *Case; i++) {
		send_more(Case[i].event, 0);
		wait_known(&A, Case[i].want);
	}
	wait_quietly(QUIET_MS);
	skip_ms(LIVED_MS);
	PLAY(WATCHED);
	send_more("", END);
	wait_asked("list|watch 1|watch 30|");
}

static void an_event_without_a_pod_tells_nobody(void **state)
{
	(void)state;
	begin(&A, Path);
	A.told = 0;
	send_more(BOOKMARK("5"), 0);
	wait_quietly(QUIET_MS);
	assert_int_equal(A.told, 0);
}

/* ---- ends ---- */

static void begins_anew_where_the_version_is_gone_but_not_again_and_again(void **state)
{
	static const struct play Gone[] = {REFUSED("410"),
		{LINES EVENT("ERROR", "{\"code\":410,\"message\":\"too old\"}"), 0}};
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		begin(&A, Path);
		skip_ms(LIVED_MS);
		PLAY(Gone[i], LIST("2", POD("b", "u", "2", "True")), Gone[i],
			LIST("3", POD("c", "u", "3", "True")), Gone[i],
			LIST("4", POD("d", "u", "4", "True")), WATCHED);
		send_more("", END); /* it is begun again from version 1 */
		assert_at_once(3);
		wait_known(&A, "b:u+");
		assert_true(pause_ms() >= PAUSE_MS);
		assert_at_once(1);
		wait_known(&A, "c:u+");
		assert_true(pause_ms() >= 2 * PAUSE_MS);
		wait_known(&A, "d:u+");
		wait_asked("list|watch 1|watch 1|list|watch 2|list|watch 3|list|watch 4|");
		stop(state);
		start(state);
	}
}

static void goes_on_where_the_server_has_ended_it(void **state)
{
	(void)state;
	begin(&A, Path);
	send_more(EVENT("ADDED", POD("b", "u", "2", "True")), 0);
	wait_known(&A, "a:u+ b:u+");
	A.told = 0;
	skip_ms(LIVED_MS);
	PLAY({LINES, END}, {LINES, END}, WATCHED);
	send_more("", END);
	assert_at_once(1);
	assert_true(pause_ms() >= PAUSE_MS); /* those that have not lived */
	assert_true(pause_ms() >= 2 * PAUSE_MS);
	assert_string_equal(known(&A), "a:u+ b:u+");
	assert_int_equal(A.told, 0);
	wait_quietly(QUIET_MS);
	skip_ms(LIVED_MS);
	PLAY({LINES, END});
	send_more("", END);
	assert_at_once(1);
	assert_true(pause_ms() < 2 * PAUSE_MS); /* it counts anew */
	wait_asked("list|watch 1|watch 2|watch 2|watch 2|watch 2|watch 2|");
}

static void goes_on_after_a_cut_and_tells_of_it_when_that_fails_too(void **state)
{
	(void)state;
	begin(&A, Path);
	A.told = 0;
	skip_ms(LIVED_MS);
	PLAY(REFUSED("503"), REFUSED("500"), WATCHED);
	send_more("", RESET);
	assert_at_once(1);
	assert_int_equal(A.told, 0);
	wait_known(&A, "a:u+ !no 503");
	assert_true(pause_ms() >= PAUSE_MS);
	wait_known(&A, "a:u+ !no 500");
	assert_true(pause_ms() >= 2 * PAUSE_MS);
	wait_known(&A, "a:u+");
	wait_asked("list|watch 1|watch 1|watch 1|watch 1|");
}

static void tells_at_once_of_a_cut_soon_after_the_begin(void **state)
{
	(void)state;
	begin(&A, Path);
	PLAY(WATCHED);
	send_more("{", END);
	wait_known(&A, "a:u+ !cluster 'prod': watch ended in the middle of a line");
	assert_true(pause_ms() >= PAUSE_MS);
	wait_known(&A, "a:u+");
}

/* What takes long to fail has not lived for long. */
static void tells_of_a_server_that_does_not_answer(void **state)
{
	(void)state;
	begin(&A, Path);
	skip_ms(LIVED_MS);
	PLAY({NULL, 0}, {NULL, 0}, WATCHED);
	send_more("", RESET);
	assert_at_once(1);
	for (unsigned i = 0; i < 2; i++) {
		skip_ms(API_LIMIT_MS + 1000);
		Since = loop_now();
		wait_known(&A, "a:u+ !cluster 'prod': no answer in 30 s");
		assert_true(pause_ms() >= PAUSE_MS << i);
	}
	wait_known(&A, "a:u+");
}

static void an_error_in_a_watch_is_told_in_the_servers_words(void **state)
{
	static const struct {
		const char *event, *want;
	} Case[] = {
		{EVENT("ERROR", "{\"code\":500,\"message\":\"etcd\\u001b[31m\"}"),
			"a:u+ !cluster 'prod': watch of pods: etcd?[31m"},
		{EVENT("ERROR", "null") EVENT("ADDED", POD("b", "u", "2", "True")),
			"a:u+ !cluster 'prod': watch of pods: the server ended it"},
	};
	(void)state;
	begin(&A, Path);
	for (unsigned i = 0; i < sizeof Case / sizeof *Case; i++) {
		skip_ms(LIVED_MS);
		PLAY(WATCHED);
		send_more(Case[i].event, 0);
		wait_known(&A, Case[i].want);
		int64_t ms = pause_ms();
		assert_true(ms >= PAUSE_MS && ms < 2 * PAUSE_MS); /* it had lived */
		wait_known(&A, "a:u+");
		wait_quietly(QUIET_MS);
	}
	wait_asked("list|watch 1|watch 1|watch 1|");
}

static void a_watch_that_nothing_ends_dies_in_time(void **state)
{
	(void)state;
	begin(&A, Path);
	A.told = 0;
	skip_ms(WATCH_S * 1000LL);
	assert_nothing_is_asked();
	PLAY(WATCHED);
	skip_ms(60000);
	wait_asked("list|watch 1|watch 1|");
	assert_int_equal(A.told, 0);
}

/* ---- where something is refused ---- */

/* A server that has just started refuses all, before it has read who may what. */
static void is_not_given_up_for_one_refusal_where_it_was_taken_before(void **state)
{
	(void)state;
	begin(&A, Path);
	skip_ms(LIVED_MS);
	PLAY(REFUSED("403"), WATCHED);
	send_more("", END);
	wait_asked("list|watch 1|watch 1|watch 1|");
	send_more(EVENT("ADDED", POD("b", "u", "2", "True")), 0);
	wait_known(&A, "a:u+ b:u+");
}

static void polls_where_it_may_not_watch_and_tries_again_at_times(void **state)
{
	static struct play polls[WATCH_POLLS + 3] = {
		LIST("1", POD("a", "u", "1", "True")), REFUSED("403")};
	(void)state;
	for (unsigned i = 0; i < WATCH_POLLS; i++)
		polls[i + 2] = (struct play)LIST("2", POD("b", "u", "1", "True"));
	polls[WATCH_POLLS + 1] =
		(struct play){LINES "{\"items\":[" POD("b", "u", "1", "True") "]}", END};
	polls[WATCH_POLLS + 2] = (struct play)LIST("3", POD("b", "u", "1", "True"));
	play(polls, WATCH_POLLS + 3);
	join(&A, Path);
	wait_asked("list|watch 1|");
	wait_known(&A, "a:u+");
	assert_true(pause_ms() >= INTERVAL_MS);
	wait_known(&A, "b:u+");
	for (unsigned i = 1; i < WATCH_POLLS + 1; i++) { /* one more: the last has no version */
		A.told = 0;
		wait_quietly(1);
		assert_int_equal(requests(), i + 2);
		Wanted_count = requests() + 1;
		skip_ms(INTERVAL_MS + INTERVAL_MS / 5);
		run_until(are_so_many);
		wait_known(&A, "b:u+");
	}
	Wanted_count = WATCH_POLLS + 4;
	run_until(are_so_many);
	assert_non_null(strstr(asked(), "list|watch 3|"));
}

static void polls_go_by_an_interval_that_has_changed(void **state)
{
	(void)state;
	PLAY(LIST("1", ""), REFUSED("403"), LIST("2", POD("a", "u", "1", "True")), LIST("3", ""));
	join(&A, Path);
	wait_asked("list|watch 1|");
	watch_set_interval(&A.w, 10 * INTERVAL_MS);
	assert_true(pause_ms() >= 9 * INTERVAL_MS);
	wait_known(&A, "a:u+");
	watch_set_interval(&A.w, INTERVAL_MS);
	assert_true(pause_ms() < 2 * INTERVAL_MS);
	wait_known(&A, "");
}

static void a_list_that_cannot_be_watched_from_is_asked_for_again(void **state)
{
	(void)state;
	PLAY({LINES "{\"items\":[" POD("a", "u", "1", "True") "]}", END},
		LIST("123456789012345678901234567890123456789012345678901234567890123456789",
			POD("b", "u", "1", "True")),
		REFUSED("500"), LIST("3", ""), WATCHED);
	join(&A, Path);
	wait_known(&A, "a:u+");
	assert_true(pause_ms() >= INTERVAL_MS);
	wait_known(&A, "b:u+");
	assert_true(pause_ms() >= INTERVAL_MS);
	wait_known(&A, "b:u+ !no 500");
	assert_true(pause_ms() >= PAUSE_MS);
	wait_known(&A, "");
	wait_asked("list|list|list|list|watch 3|");
}

static void waits_longer_after_each_failure_up_to_a_limit(void **state)
{
	static const int64_t Pauses[] = {
		1000, 2000, 4000, 8000, WATCH_WAIT_MAX_MS, WATCH_WAIT_MAX_MS, WATCH_WAIT_MAX_MS};
	(void)state;
	PLAY(REFUSED("403"), REFUSED("500"), REFUSED("503"), REFUSED("401"), REFUSED("404"), CUT,
		REFUSED("503"), LIST("1", ""), WATCHED);
	join(&A, Path);
	wait_asked("list|");
	for (unsigned i = 0; i < sizeof Pauses / sizeof *Pauses; i++) {
		int64_t ms = pause_ms();
		assert_true(ms >= Pauses[i] * 9 / 10);
		assert_true(ms < 2 * WATCH_WAIT_MAX_MS);
	}
	wait_known(&A, "");
	wait_asked("list|list|list|list|list|list|list|list|watch 1|");
}

static void counts_failures_anew_after_a_list_that_is_all_there_is(void **state)
{
	(void)state;
	PLAY(REFUSED("503"), REFUSED("503"), REFUSED("503"), LIST("", ""), REFUSED("503"),
		LIST("", ""));
	join(&A, Path);
	wait_asked("list|");
	for (unsigned i = 0; i < 3; i++)
		pause_ms();
	wait_known(&A, "");
	assert_true(pause_ms() >= INTERVAL_MS);
	wait_known(&A, " !no 503");
	assert_true(pause_ms() < 4 * PAUSE_MS);
	wait_known(&A, "");
}

static void tells_why_it_cannot_list(void **state)
{
	(void)state;
	PLAY({LINES "{\"metadata\":{\"continue\":\"c\"},\"items\":[" POD(
		      "x", "u", "1", "True") "]}",
		     END},
		REFUSED("410"), LIST("1", ""), WATCHED);
	join(&A, Path);
	wait_told(&A);
	assert_false(watch_is_listed(&A.w));
	assert_string_equal(known(&A), " !no 410");
	assert_true(pause_ms() >= PAUSE_MS);
	wait_known(&A, ""); /* the page is forgotten */
	wait_asked("list|list c|list|watch 1|");
}

/* It is not pods that are not found. */
static void what_is_not_found_says_nothing_of_pods(void **state)
{
	(void)state;
	PLAY(REFUSED("404"));
	join(&A, Path);
	wait_told(&A);
	assert_string_equal(known(&A), " !no 404");
	assert_int_equal(watch_error(&A.w)->kind, ERR_PROTOCOL);
}

/* A look does not hasten what the server has named a time for; it ends all the same. */
static void keeps_to_the_time_that_the_server_names(void **state)
{
	(void)state;
	PLAY(LATER("40"), LIST("1", ""), LATER("20"), WATCHED);
	join(&A, Path);
	wait_told(&A);
	int64_t began = Since = loop_now();
	skip_ms(5000);
	watch_look(&A.w);
	wait_told(&A);
	assert_non_null(strstr(known(&A), "!server answered with HTTP status 429"));
	assert_nothing_is_asked();
	pause_ms();
	assert_true(loop_now() - began >= 40000);
	wait_asked("list|list|watch 1|");
	assert_true(pause_ms() >= 20000);
	wait_known(&A, "");
	wait_asked("list|list|watch 1|watch 1|");
}

/* ---- sharing ---- */

static void those_who_want_the_same_share_one_watch(void **state)
{
	(void)state;
	PLAY(LIST("1", POD("a", "u", "1", "True")), WATCHED);
	join(&A, Path);
	join(&B, Path);
	wait_known(&A, "a:u+");
	wait_known(&B, "a:u+");
	wait_asked("list|watch 1|");
	join(&D, Path);
	wait_known(&D, "a:u+");
	send_more(EVENT("ADDED", POD("b", "u", "2", "False")), 0);
	wait_known(&A, "a:u+ b:u");
	wait_known(&B, "a:u+ b:u");
	wait_known(&D, "a:u+ b:u");
	assert_nothing_is_asked();
	wait_asked("list|watch 1|");
}

static void another_path_or_cluster_has_its_own(void **state)
{
	struct cluster *second = cluster_here();
	(void)state;
	begin(&A, Path);
	PLAY(LIST("2", ""), WATCHED);
	join(&B, Other);
	wait_known(&B, "");
	wait_asked("list|watch 1|other list|other watch 2|");
	PLAY(LIST("3", POD("c", "u", "1", "True")), WATCHED);
	watch_join(&D.w, second, Path, INTERVAL_MS, on_watch);
	cluster_drop(second); /* the watch is a user, too */
	wait_known(&D, "c:u+");
	wait_asked("list|watch 1|other list|other watch 2|list|watch 3|");
	assert_string_equal(known(&A), "a:u+");
}

static bool one_is_open(void)
{
	return Server.open == 1;
}

static void the_last_to_leave_ends_the_watch(void **state)
{
	(void)state;
	watch_leave(&A.w); /* has joined none */
	assert_null(watch_path(&A.w));
	begin(&A, Path);
	join(&B, Path);
	watch_leave(&A.w);
	watch_leave(&A.w);
	assert_null(watch_path(&A.w));
	wait_quietly(QUIET_MS);
	assert_true(one_is_open());
	send_more(EVENT("DELETED", POD("a", "u", "2", "True")), 0);
	wait_known(&B, "");
	watch_leave(&B.w);
	run_until(all_closed);
	begin(&A, Path); /* as if there had been none */
	wait_asked("list|watch 1|list|watch 1|");
}

/* Each is told until it has left, whoever makes it leave; and nobody of the dead. */
static void may_leave_while_they_are_told(void **state)
{
	static struct one *const Leaves[][2] = {
		{&A, NULL}, {&B, NULL}, {&D, NULL}, {&A, &B}, {&B, &D}, {&D, &A}, {&D, &B}};
	(void)state;
	for (unsigned i = 0; i < sizeof Leaves / sizeof *Leaves; i++) {
		begin(&A, Path);
		join(&B, Path);
		join(&D, Path);
		wait_known(&D, "a:u+");
		wait_quietly(QUIET_MS);
		A.told = B.told = D.told = 0;
		memcpy(A.leaves, Leaves[i], sizeof A.leaves);
		send_more(EVENT("ADDED", POD("b", "u", "2", "True")), 0);
		wait_told(&A);
		const struct one *all[] = {&B, &D};
		for (unsigned k = 0; k < 2; k++) {
			bool left = Leaves[i][0] == all[k] || Leaves[i][1] == all[k];
			assert_int_equal(all[k]->told, !left);
			assert_int_equal(watch_path(&all[k]->w) == NULL, left);
		}
		assert_int_equal(A.told, 1);
		stop(state);
		start(state);
	}
}

static void all_may_leave_while_they_are_told(void **state)
{
	(void)state;
	begin(&A, Path);
	join(&B, Path);
	wait_quietly(QUIET_MS);
	A.leaves[0] = &A;
	A.leaves[1] = &B;
	B.told = 0;
	send_more(EVENT("ADDED", POD("b", "u", "2", "True")), 0);
	run_until(all_closed);
	assert_int_equal(B.told, 0);
	assert_null(watch_path(&A.w));
}

static void look_and_leave(struct watcher *w)
{
	watch_look(w); /* is to be told again */
	watch_leave(w);
	loop_stop();
}

static bool has_left(void)
{
	return !watch_path(&A.w);
}

static void may_leave_between_a_look_and_its_end(void **state)
{
	(void)state;
	PLAY(LATER("9"));
	watch_join(&A.w, C, Path, INTERVAL_MS, look_and_leave);
	run_until(has_left);
	wait_quietly(QUIET_MS);
	assert_nothing_is_asked();
}

static bool is_asked_all(void)
{
	return Server.opened && !Server.plays;
}

static void may_leave_in_any_state(void **state)
{
	static const struct play Now[] = {{NULL, 0}, REFUSED("500"), LIST("", "")};
	(void)state;
	join(&A, Path);
	watch_leave(&A.w); /* before the list is asked for */
	for (unsigned i = 0; i < sizeof Now / sizeof *Now; i++) {
		play(&Now[i], 1);
		join(&A, Path);
		run_until(is_asked_all);
		wait_quietly(QUIET_MS);
		watch_leave(&A.w);
		run_until(all_closed);
	}
	skip_ms(60000);
	assert_nothing_is_asked();
}

/* ---- looks ---- */

static void a_look_ends_a_pause_and_disturbs_nothing_else(void **state)
{
	(void)state;
	begin(&A, Path);
	watch_look(&A.w);
	assert_nothing_is_asked(); /* it is watched */
	PLAY(REFUSED("503"), LIST("1", ""), REFUSED("403"), LIST("2", ""));
	join(&B, Other);
	watch_look(&B.w);
	wait_told(&B);
	assert_string_equal(known(&B), " !no 503");
	skip_ms(300);
	watch_look(&B.w);
	wait_known(&B, "");
	wait_asked("list|watch 1|other list|other list|other watch 1|");
	wait_quietly(QUIET_MS);
	skip_ms(300);
	Since = loop_now();
	watch_look(&B.w); /* it is polled */
	assert_at_once(1);
}

static void a_doubt_lists_anew_but_not_again_and_again(void **state)
{
	(void)state;
	begin(&A, Path);
	watch_doubt(&A.w);
	assert_nothing_is_asked();
	skip_ms(LIVED_MS);
	PLAY(LIST("2", POD("b", "u", "2", "True")), WATCHED);
	watch_doubt(&A.w);
	assert_string_equal(known(&A), "a:u+"); /* until it is known better */
	wait_known(&A, "b:u+");
	wait_asked("list|watch 1|list|watch 2|");
	watch_doubt(&A.w);
	assert_nothing_is_asked();
}

static void many_looks_are_one(void **state)
{
	static const struct play No[] = {REFUSED("503"), REFUSED("503"), REFUSED("503"),
		REFUSED("503"), REFUSED("503"), REFUSED("503")};
	(void)state;
	play(No, 6);
	join(&A, Path);
	wait_told(&A);
	for (unsigned i = 0; i < 4; i++) { /* until the pauses are long */
		skip_ms(300);
		for (unsigned k = 0; k < 100; k++)
			watch_look(&A.w);
		Since = loop_now();
		wait_told(&A);
		assert_int_equal(requests(), 2 + i);
	}
	for (unsigned k = 0; k < 100; k++) /* too soon: it is done a little later */
		watch_look(&A.w);
	wait_told(&A);
	assert_true(loop_now() - Since >= 200 && loop_now() - Since < 4 * PAUSE_MS);
	assert_int_equal(requests(), 6);
}

/* ---- after an outage ---- */

static bool all_are_told(void)
{
	return A.told && B.told && D.told;
}

static void one_that_recovers_wakes_the_others_of_its_cluster(void **state)
{
	struct cluster *second = cluster_here();
	(void)state;
	PLAY(REFUSED("503"), REFUSED("503"), REFUSED("503"));
	join(&A, Path);
	join(&B, Other);
	watch_join(&D.w, second, Path, INTERVAL_MS, on_watch);
	cluster_drop(second);
	run_until(all_are_told);
	for (unsigned i = 0; i < 4; i++) { /* until the pauses are long */
		PLAY(REFUSED("503"), REFUSED("503"), REFUSED("503"));
		A.told = B.told = D.told = 0;
		skip_ms(300);
		watch_look(&A.w);
		watch_look(&B.w);
		watch_look(&D.w);
		run_until(all_are_told);
	}
	unsigned n = requests();
	PLAY(LIST("", ""), LIST("", ""), LIST("", ""), LIST("", ""), LIST("", ""));
	skip_ms(300);
	Since = loop_now();
	watch_look(&A.w);
	assert_at_once(2);
	wait_known(&B, "");
	assert_nothing_is_asked();
	assert_int_equal(requests(), n + 2);
	watch_leave(&A.w);
	watch_leave(&B.w);
	assert_true(pause_ms() > PAUSE_MS); /* by its own clock */
	wait_known(&D, "");
}

static void one_that_was_given_a_time_is_not_woken(void **state)
{
	(void)state;
	PLAY(REFUSED("503"), LATER("100"), LIST("1", ""), WATCHED);
	join(&A, Path);
	wait_told(&A);
	join(&B, Other);
	wait_told(&B);
	skip_ms(300);
	watch_look(&A.w);
	wait_known(&A, "");
	wait_asked("list|other list|list|watch 1|");
	assert_nothing_is_asked();
}

enum { MANY = 30 };
static struct one Many[MANY];

static bool all_are_listed(void)
{
	for (unsigned i = 0; i < MANY; i++)
		if (!watch_is_listed(&Many[i].w))
			return false;
	return true;
}

/* Each that succeeds finds fewer that wait, and those have their turns already. */
static void many_that_are_woken_do_not_put_each_other_off(void **state)
{
	static struct play refused[MANY], lists[3 * MANY];
	char path[sizeof Path + 8];
	(void)state;
	for (unsigned i = 0; i < 3 * MANY; i++)
		lists[i] = (struct play)LIST("", "");
	for (unsigned i = 0; i < MANY; i++) {
		refused[i] = (struct play)REFUSED("503");
		snprintf(path, sizeof path, "%s%u", Path, i);
		join(&Many[i], path);
	}
	play(refused, MANY);
	while (Server.plays)
		wait_quietly(1);
	wait_quietly(QUIET_MS);
	play(lists, 3 * MANY);
	Since = loop_now();
	while (!all_are_listed() && loop_now() - Since < 10 * WATCH_WAIT_MS) {
		skip_ms(10);
		wait_quietly(1);
	}
	assert_true(loop_now() - Since < 5 * WATCH_WAIT_MS / 2);
	for (unsigned i = 0; i < MANY; i++)
		watch_leave(&Many[i].w);
}

/* Each begin looks like a recovery, each cut like an outage. */
static void two_that_are_cut_do_not_wake_each_other(void **state)
{
	static struct play cut[200];
	(void)state;
	for (unsigned i = 0; i < 200; i++)
		cut[i] = (struct play)CUT;
	begin(&A, Path);
	begin(&B, Other);
	play(cut, 200);
	say(2, "", END);
	say(4, "", END);
	for (unsigned i = 0; i < 300; i++) {
		skip_ms(100);
		wait_quietly(3);
	}
	assert_true(requests() > 4 + 4);
	assert_true(requests() < 4 + 40);
}

/* ---- hostile servers ---- */

static void odd_objects_harm_nobody(void **state)
{
	static const char *const Odd[] = {
		"{}",
		"[]",
		"1",
		"null",
		"{\"type\":\"ADDED\"}",
		"{\"type\":1,\"object\":" POD("a", "x", "2", "True") "}",
		"{\"object\":" POD("a", "x", "2", "True") "}",
		"{\"type\":\"added\",\"object\":" POD("a", "x", "2", "True") "}",
		"{\"type\":\"BOOKMARK\",\"object\":" POD("a", "x", "2", "True") "}",
		"{\"type\":\"ADDED\",\"object\":null}",
		"{\"type\":\"ADDED\",\"object\":[]}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":[]}}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":[]}}}",
		"{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"\"}}}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"../x\"}}}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"A\\u0000\"}}}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":{}}}}",
		("{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":"
		 "\"123456789012345678901234567890123456789012345678901234567890123456789\"}}}"),
	};
	struct buf list = {0};
	(void)state;
	buf_print(&list, LINES "{\"metadata\":{\"resourceVersion\":9,\"continue\":{}},\"items\":[");
	for (unsigned i = 0; i < sizeof Odd / sizeof *Odd; i++)
		buf_print(&list, "%s,", Odd[i]);
	buf_print(&list, "%s]}%c", POD("a", "u", "1", "True"), '\0');
	PLAY({(const char *)buf_data(&list), END}, WATCHED);
	join(&A, Path);
	wait_known(&A, "a:u+");
	buf_free(&list);
	wait_asked("list|watch 9|");
	wait_quietly(QUIET_MS);
	for (unsigned i = 0; i < sizeof Odd / sizeof *Odd; i++) {
		send_more(Odd[i], 0);
		send_more("\n", 0);
	}
	send_more(EVENT("ADDED", POD("b", "u", "77", "True")), 0);
	wait_known(&A, "a:u+ b:u+");
	skip_ms(LIVED_MS);
	PLAY(WATCHED);
	send_more("", END);
	wait_asked("list|watch 9|watch 77|");
}

static void a_list_that_is_none_has_no_pods(void **state)
{
	static const char *const Odd[] = {
		"{}", "[]", "7", "{\"items\":{\"a\":{}},\"metadata\":[]}"};
	(void)state;
	for (unsigned i = 0; i < sizeof Odd / sizeof *Odd; i++) {
		char answer[256];
		snprintf(answer, sizeof answer, "%s%s", LINES, Odd[i]);
		PLAY({answer, END});
		join(&A, Path);
		wait_known(&A, "");
		watch_leave(&A.w);
		A = (struct one){0};
	}
}

static void pods_beyond_the_limit_are_left_out(void **state)
{
	struct buf list = {0};
	size_t count = 0;
	(void)state;
	buf_print(&list, LINES "{\"items\":[{}");
	for (unsigned i = 0; i < WATCH_PODS_MAX + 10; i++)
		buf_print(&list, ",{\"metadata\":{\"name\":\"a\"}}");
	buf_print(&list, "]}%c", '\0');
	PLAY({(const char *)buf_data(&list), END});
	join(&A, Path);
	wait_told(&A);
	while (watch_pod(&A.w, count))
		count++;
	assert_int_equal(count, WATCH_PODS_MAX);
	buf_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BETWEEN(lists_page_by_page_then_watches),
		BETWEEN(each_event_changes_one_pod),
		BETWEEN(an_event_without_a_pod_tells_nobody),
		BETWEEN(begins_anew_where_the_version_is_gone_but_not_again_and_again),
		BETWEEN(goes_on_where_the_server_has_ended_it),
		BETWEEN(goes_on_after_a_cut_and_tells_of_it_when_that_fails_too),
		BETWEEN(tells_at_once_of_a_cut_soon_after_the_begin),
		BETWEEN(tells_of_a_server_that_does_not_answer),
		BETWEEN(an_error_in_a_watch_is_told_in_the_servers_words),
		BETWEEN(a_watch_that_nothing_ends_dies_in_time),
		BETWEEN(is_not_given_up_for_one_refusal_where_it_was_taken_before),
		BETWEEN(polls_where_it_may_not_watch_and_tries_again_at_times),
		BETWEEN(polls_go_by_an_interval_that_has_changed),
		BETWEEN(a_list_that_cannot_be_watched_from_is_asked_for_again),
		BETWEEN(waits_longer_after_each_failure_up_to_a_limit),
		BETWEEN(counts_failures_anew_after_a_list_that_is_all_there_is),
		BETWEEN(tells_why_it_cannot_list),
		BETWEEN(what_is_not_found_says_nothing_of_pods),
		BETWEEN(keeps_to_the_time_that_the_server_names),
		BETWEEN(those_who_want_the_same_share_one_watch),
		BETWEEN(another_path_or_cluster_has_its_own),
		BETWEEN(the_last_to_leave_ends_the_watch),
		BETWEEN(may_leave_while_they_are_told),
		BETWEEN(all_may_leave_while_they_are_told),
		BETWEEN(may_leave_between_a_look_and_its_end),
		BETWEEN(may_leave_in_any_state),
		BETWEEN(a_look_ends_a_pause_and_disturbs_nothing_else),
		BETWEEN(a_doubt_lists_anew_but_not_again_and_again),
		BETWEEN(many_looks_are_one),
		BETWEEN(one_that_recovers_wakes_the_others_of_its_cluster),
		BETWEEN(one_that_was_given_a_time_is_not_woken),
		BETWEEN(many_that_are_woken_do_not_put_each_other_off),
		BETWEEN(two_that_are_cut_do_not_wake_each_other),
		BETWEEN(odd_objects_harm_nobody),
		BETWEEN(a_list_that_is_none_has_no_pods),
		BETWEEN(pods_beyond_the_limit_are_left_out),
	};
	loop_init();
	return cmocka_run_group_tests_name("watch", tests, NULL, NULL);
}
