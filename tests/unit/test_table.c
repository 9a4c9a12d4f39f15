/* table.c: what a table looks like in each width, line by line. */
#include "test_screen.h"

#include "table.h"

static struct screen S;
static struct history None;

static struct view_forward row(const char *cluster, const char *namespace, const char *service,
	uint16_t local, uint16_t remote, enum forward_state state, const char *info)
{
	struct view_forward v = {.name = "x",
		.cluster = cluster,
		.namespace = namespace,
		.service = service,
		.type = "service",
		.address = "127.0.0.1",
		.local_port = local,
		.remote_port = remote,
		.state = state,
		.reason = "",
		.pod = "",
		.numbers.round_trip_ms = -1,
		.history = &None};
	snprintf(v.info, sizeof v.info, "%s", info);
	return v;
}

static struct view_forward Rows[8];
static size_t Count;

static void add(struct view_forward v)
{
	Rows[Count++] = v;
}

/* The seed's four, and the two other states. */
static int begin(void **state)
{
	(void)state;
	Count = 0;
	add(row("production", "default", "api-gateway", 8080, 80, FORWARD_ACTIVE,
		"checked 2s ago"));
	add(row("production", "databases", "postgres-primary-0", 5432, 5432, FORWARD_ACTIVE,
		"checked 1s ago"));
	add(row("staging", "web", "frontend-service", 3000, 3000, FORWARD_RECONNECTING,
		"retry in 3s (attempt 2)"));
	add(row("staging", "web", "backend-api-service", 4000, 8080, FORWARD_FAILED,
		"pod not found"));
	add(row("staging", "web", "new", 4001, 8080, FORWARD_STARTING, ""));
	add(row("staging", "web", "old", 4002, 8080, FORWARD_STOPPED, ""));
	return 0;
}

static int end(void **state)
{
	(void)state;
	cells_set_ascii(false);
	screen_free(&S);
	return 0;
}

static struct table T;

static const char *draw_selected(unsigned columns, size_t selected, struct rate rate)
{
	struct view_counts counts = {.all = Count};
	screen_begin(&S, columns, SCREEN_ROWS_MAX);
	table_begin(&T, columns);
	for (size_t i = 0; i < Count; i++) {
		table_consider(&T, &Rows[i]);
		counts.by_state[Rows[i].state]++;
	}
	table_settle(&T);
	table_put_title(&T, &S, &counts);
	table_put_head(&T, &S);
	for (size_t i = 0; i < Count; i++) {
		unsigned before = S.row;
		table_put_row(&T, &S, &Rows[i], &rate, i == selected);
		assert_int_equal(S.row - before, table_lines(&T, &Rows[i]));
	}
	return frame_text(&S);
}

static const char *draw(unsigned columns)
{
	return draw_selected(columns, Count, (struct rate){0, 0});
}

/* ---- widths ---- */

static void has_all_columns_where_there_is_room(void **state)
{
	(void)state;
	Count = 4;
	Rows[0].numbers.connections = 3;
	Rows[0].numbers.round_trip_ms = 12;
	Rows[1].numbers.round_trip_ms = 1234;
	assert_string_equal(draw_selected(160, 4, (struct rate){1234567, 999}),
		"nanoporter - Kubernetes Port-Forward Manager  🟢 2 Active  🟡 1 Reconnecting  "
		"🔴 1 Failed\n"
		"Cluster     Namespace  Service              Ports      Status           Conns     "
		"   In       Out     RTT  Info\n"
		"production  default    api-gateway          8080:80    🟢 Active            3  "
		"1.2 "
		"MB/s   999 B/s   12 ms  checked 2s ago\n"
		"production  databases  postgres-primary-0   5432:5432  🟢 Active            0  "
		"1.2 "
		"MB/s   999 B/s   1.2 s  checked 1s ago\n"
		"staging     web        frontend-service     3000:3000  🟡 Reconnecting      0  "
		"1.2 "
		"MB/s   999 B/s       -  retry in 3s (attempt 2)\n"
		"staging     web        backend-api-service  4000:8080  🔴 Failed            0  1.2 "
		"MB/s   999 B/s       -  pod not found\n");
}

static void has_the_usual_columns(void **state)
{
	(void)state;
	assert_string_equal(draw(90),
		"nanoporter  🟢 2 Active  🟡 1 Reconnecting  🔴 1 Failed  ⚪ 1 Starting  "
		"⚫ 1 Stopped\n"
		"Cluster    Namespace Service             Ports     Status          Info\n"
		"production default   api-gateway         8080:80   🟢 Active       checked 2s "
		"ago\n"
		"production databases postgres-primary-0  5432:5432 🟢 Active       checked 1s "
		"ago\n"
		"staging    web       frontend-service    3000:3000 🟡 Reconnecting retry in 3s "
		"(attempt 2)\n"
		"staging    web       backend-api-service 4000:8080 🔴 Failed       pod not found\n"
		"staging    web       new                 4001:8080 ⚪ Starting\n"
		"staging    web       old                 4002:8080 ⚫ Stopped\n");
}

static void info_gives_way_first(void **state)
{
	(void)state;
	Count = 3;
	assert_string_equal(draw(78),
		"nanoporter - Kubernetes Port-Forward Manager  🟢 2 Active  🟡 1 Reconnecting\n"
		"Cluster    Namespace Service            Ports     Status          Info\n"
		"production default   api-gateway        8080:80   🟢 Active       checked 2s "
		"…\n"
		"production databases postgres-primary-0 5432:5432 🟢 Active       checked 1s "
		"…\n"
		"staging    web       frontend-service   3000:3000 🟡 Reconnecting retry in "
		"3s…\n");
}

static void then_cluster_and_namespace(void **state)
{
	(void)state;
	assert_string_equal(draw(70),
		"nanoporter  2 Active  1 Reconnecting  1 Failed  1 Starting  1 Stopped\n"
		"Clust… Names… Service             Ports     Status          Info\n"
		"produ… defau… api-gateway         8080:80   🟢 Active       checked 2…\n"
		"produ… datab… postgres-primary-0  5432:5432 🟢 Active       checked 1…\n"
		"stagi… web    frontend-service    3000:3000 🟡 Reconnecting retry in …\n"
		"stagi… web    backend-api-service 4000:8080 🔴 Failed       pod not f…\n"
		"stagi… web    new                 4001:8080 ⚪ Starting\n"
		"stagi… web    old                 4002:8080 ⚫ Stopped\n");
}

static void then_columns_leave(void **state)
{
	(void)state;
	Count = 3;
	assert_string_equal(draw(62),
		"nanoporter  🟢 2 Active  🟡 1 Reconnecting\n"
		"Clust… Service            Ports     Status          Info\n"
		"produ… api-gateway        8080:80   🟢 Active       checked 2…\n"
		"produ… postgres-primary-0 5432:5432 🟢 Active       checked 1…\n"
		"stagi… frontend-service   3000:3000 🟡 Reconnecting retry in …\n");
	assert_string_equal(draw(56),
		"nanoporter  🟢 2 Active  🟡 1 Reconnecting\n"
		"Service            Ports     Status          Info\n"
		"api-gateway        8080:80   🟢 Active       checked 2s…\n"
		"postgres-primary-0 5432:5432 🟢 Active       checked 1s…\n"
		"frontend-service   3000:3000 🟡 Reconnecting retry in 3…\n");
	assert_string_equal(draw(50), "nanoporter  🟢 2 Active  🟡 1 Reconnecting\n"
				      "Service            Ports     Status\n"
				      "api-gateway        8080:80   🟢 Active\n"
				      "postgres-primary-0 5432:5432 🟢 Active\n"
				      "frontend-service   3000:3000 🟡 Reconnecting\n");
	assert_string_equal(draw(40), "nanoporter  2 Active  1 Reconnecting\n"
				      "Service            Status\n"
				      "api-gateway        🟢 Active\n"
				      "postgres-primary-0 🟢 Active\n"
				      "frontend-service   🟡 Reconnecting\n");
}

static void then_rows_take_two_lines(void **state)
{
	(void)state;
	Count = 3;
	assert_string_equal(draw(30), "nanoporter 2/3 Active\n"
				      "Service     Status\n"
				      "api-gateway 🟢 Active\n"
				      "postgres-primary-0\n"
				      "            🟢 Active\n"
				      "frontend-service\n"
				      "            🟡 Reconnecting\n");
	assert_string_equal(draw(20), "2/3 Active\n"
				      "  Status\n"
				      "api-gateway\n"
				      "  🟢 Active\n"
				      "postgres-primary-0\n"
				      "  🟢 Active\n"
				      "frontend-service\n"
				      "  🟡 Reconnecting\n");
}

static void rows_of_long_names_take_more(void **state)
{
	static char name[254];
	(void)state;
	memset(name, 'n', 253);
	Count = 2;
	Rows[1].service = name;
	draw(100);
	assert_non_null(strstr(Frame.text,
		"production  default    api-gateway  8080:80    🟢 Active        checked 2s ago\n"
		"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
		"nn"
		"nnnnnnnnnnnnnnnn\n"));
	assert_non_null(
		strstr(Frame.text, "\nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\n"
				   "production  databases               5432:5432  🟢 Active     "
				   "   checked 1s ago\n"));
}

static void has_only_words_in_ascii(void **state)
{
	(void)state;
	cells_set_ascii(true);
	Count = 4;
	Rows[0].cluster = "köln";
	assert_string_equal(draw(76),
		"nanoporter  2 Active  1 Reconnecting  1 Failed\n"
		"Cluster    Namespace Service             Ports     Status       Info\n"
		"k?ln       default   api-gateway         8080:80   Active       checked 2...\n"
		"production databases postgres-primary-0  5432:5432 Active       checked 1...\n"
		"staging    web       frontend-service    3000:3000 Reconnecting retry in ...\n"
		"staging    web       backend-api-service 4000:8080 Failed       pod not f...\n");
}

/* The lines of the frame without their ends: what is wrapped at the width is whole. */
static const char *joined(void)
{
	static char text[FRAME_TEXT];
	char *to = text;
	for (const char *p = Frame.text; *p; p++)
		if (*p != '\n')
			*to++ = *p;
	*to = '\0';
	return text;
}

static void cuts_no_service_and_hides_no_state_in_any_width(void **state)
{
	static char name[64];
	(void)state;
	memset(name, 'n', 63);
	Rows[4].service = name;
	Rows[5].service = "名前.名前.名前.名前.名前.名前.名前.名前";
	for (unsigned columns = 20; columns <= SCREEN_COLUMNS_MAX; columns++) {
		draw(columns);
		const char *rows = strchr(joined(), 'S');
		for (size_t i = 0; i < Count; i++) {
			assert_non_null(strstr(rows, Rows[i].service));
			assert_non_null(strstr(
				strstr(rows, Rows[i].service), forward_state_name(Rows[i].state)));
		}
	}
}

/* What changes while it runs moves no column. */
static void stands_still_while_states_change(void **state)
{
	(void)state;
	for (unsigned columns = 20; columns <= 200; columns++) {
		begin(NULL);
		draw(columns);
		const struct table before = T;
		for (size_t i = 0; i < Count; i++) {
			Rows[i].state = FORWARD_FAILED;
			memset(Rows[i].info, 'i', sizeof Rows[i].info - 1);
			Rows[i].numbers.connections = 1000;
		}
		draw(columns);
		assert_memory_equal(&T, &before, sizeof T);
	}
}

static void shows_nothing_where_there_is_nothing(void **state)
{
	(void)state;
	Count = 0;
	assert_string_equal(draw(80), "nanoporter - Kubernetes Port-Forward Manager\n"
				      "Cluster Namespace Service Ports Status          Info\n");
	for (unsigned columns = 0; columns < 20; columns++)
		draw(columns);
}

/* ---- cells ---- */

static void writes_amounts_in_few_columns(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} Bytes[] = {{0, "0 B"}, {999, "999 B"}, {1000, "1.0 kB"}, {9999, "9.9 kB"},
		{10000, "10 kB"}, {999999, "999 kB"}, {1000000, "1.0 MB"}, {123456789, "123 MB"},
		{UINT64_MAX, "18 EB"}};
	static const struct {
		int64_t ms;
		const char *text;
	} Ms[] = {{-1, "-"}, {0, "0 ms"}, {999, "999 ms"}, {1000, "1.0 s"}, {9999, "9.9 s"},
		{10000, "10 s"}};
	char text[TABLE_AMOUNT];
	(void)state;
	for (size_t i = 0; i < sizeof Bytes / sizeof *Bytes; i++) {
		table_bytes(Bytes[i].bytes, text);
		assert_string_equal(text, Bytes[i].text);
	}
	for (size_t i = 0; i < sizeof Ms / sizeof *Ms; i++) {
		table_ms(Ms[i].ms, text);
		assert_string_equal(text, Ms[i].text);
	}
}

static void styles_states_and_the_selected_row(void **state)
{
	(void)state;
	S.color = true;
	draw_selected(90, 3, (struct rate){0, 0});
	assert_int_equal(frame_selected(&S), 5);
	assert_string_equal(Frame.sgr[2][51], "0;32");
	assert_string_equal(Frame.sgr[4][51], "0;33");
	assert_string_equal(Frame.sgr[5][51], "0;1;31;7");
	assert_string_equal(Frame.sgr[5][0], "0;7");
	assert_string_equal(Frame.sgr[5][89], "0;7"); /* to the end of the line */
	assert_string_equal(Frame.sgr[6][51], "0");
	S.color = false;
}

static void counts_what_changes_by_itself(void **state)
{
	static const struct {
		unsigned columns;
		bool counts[FORWARD_STATES];
	} Widths[] = {
		{40, {0}},
		{90, {[FORWARD_ACTIVE] = true, [FORWARD_RECONNECTING] = true}},
		{160, {[FORWARD_ACTIVE] = true,
			      [FORWARD_RECONNECTING] = true,
			      [FORWARD_FAILED] = true}},
	};
	(void)state;
	for (size_t i = 0; i < sizeof Widths / sizeof *Widths; i++) {
		draw(Widths[i].columns);
		for (size_t r = 0; r < Count; r++)
			assert_int_equal(
				table_counts(&T, &Rows[r]), Widths[i].counts[Rows[r].state]);
	}
}

static void shows_hostile_texts_harmless(void **state)
{
	(void)state;
	Count = 1;
	strcpy(Rows[0].info, "\x1b[2J\a\xff\u202e\r\n");
	Rows[0].service = "api\x1b]0;x\a";
	draw(90);
	assert_non_null(strstr(Frame.text, " api\ufffd]0;x\ufffd "));
	assert_non_null(strstr(Frame.text, " \ufffd[2J\ufffd\ufffd\ufffd\ufffd\ufffd\n"));
}

int main(void)
{
#define TABLE_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		TABLE_TEST(has_all_columns_where_there_is_room),
		TABLE_TEST(has_the_usual_columns),
		TABLE_TEST(info_gives_way_first),
		TABLE_TEST(then_cluster_and_namespace),
		TABLE_TEST(then_columns_leave),
		TABLE_TEST(then_rows_take_two_lines),
		TABLE_TEST(rows_of_long_names_take_more),
		TABLE_TEST(has_only_words_in_ascii),
		TABLE_TEST(cuts_no_service_and_hides_no_state_in_any_width),
		TABLE_TEST(stands_still_while_states_change),
		TABLE_TEST(shows_nothing_where_there_is_nothing),
		TABLE_TEST(writes_amounts_in_few_columns),
		TABLE_TEST(styles_states_and_the_selected_row),
		TABLE_TEST(counts_what_changes_by_itself),
		TABLE_TEST(shows_hostile_texts_harmless),
	};
	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
