/* page.c: lines as they are wrapped, and what is shown of them. */
#include "test_screen.h"

#include "page.h"

static struct screen S;
static struct page P;

static int end(void **state)
{
	(void)state;
	page_free(&P);
	screen_free(&S);
	return 0;
}

static const char *draw(unsigned columns, unsigned rows)
{
	screen_begin(&S, columns, rows + 1);
	page_draw(&P, &S, rows);
	return frame_text(&S);
}

static void put(const char *label, const char *text)
{
	page_put(&P, STYLE_FAINT, label, STYLE_PLAIN, text);
}

/* Items "1" to "n". */
static void put_numbers(unsigned n)
{
	char text[16];
	page_begin(&P, 20, 0);
	for (unsigned i = 1; i <= n; i++) {
		snprintf(text, sizeof text, "%u", i);
		put("", text);
	}
}

static void puts_texts_beside_their_labels(void **state)
{
	(void)state;
	page_begin(&P, 30, 10);
	put("Pod", "web-1");
	put("", "no label");
	put("Why", "what is longer than the line is wrapped");
	put("", "");
	put("Events", "");
	assert_string_equal(draw(30, 10), "Pod       web-1\n"
					  "          no label\n"
					  "Why       what is longer than\n"
					  "          the line is wrapped\n"
					  "\n"
					  "Events\n");
}

static void puts_them_below_where_there_is_no_room(void **state)
{
	(void)state;
	page_begin(&P, 16, 10);
	put("Pod", "web-1");
	put("Why", "it is gone, and no other is ready");
	assert_string_equal(draw(16, 10), "Pod\n"
					  "  web-1\n"
					  "Why\n"
					  "  it is gone,\n"
					  "  and no other\n"
					  "  is ready\n");
	page_begin(&P, 40, 10);
	put("a long label", "text");
	assert_string_equal(draw(40, 10), "a long label\n  text\n");
}

static void shows_a_word_that_is_longer_than_the_line(void **state)
{
	(void)state;
	page_begin(&P, 10, 0);
	put("", "0123456789abcdefghij名前");
	assert_string_equal(draw(10, 10), "0123456789\nabcdefghij\n名前\n");
}

static void moves_to_its_ends_and_no_further(void **state)
{
	(void)state;
	put_numbers(9);
	assert_string_equal(draw(20, 3), "1\n2\n3\n");
	assert_false(page_is_at_end(&P));
	page_move(&P, -1);
	assert_string_equal(draw(20, 3), "1\n2\n3\n");
	page_move(&P, 2);
	assert_string_equal(draw(20, 3), "3\n4\n5\n");
	page_move(&P, PAGE_ALL);
	assert_string_equal(draw(20, 3), "7\n8\n9\n");
	assert_true(page_is_at_end(&P));
	page_move(&P, -1);
	assert_string_equal(draw(20, 3), "6\n7\n8\n");
	page_move(&P, -PAGE_ALL);
	assert_string_equal(draw(20, 3), "1\n2\n3\n");
	page_move(&P, PAGE_ALL);
	assert_string_equal(draw(20, 20), "1\n2\n3\n4\n5\n6\n7\n8\n9\n"); /* more room now */
}

static void finds_an_item_again(void **state)
{
	(void)state;
	put_numbers(9);
	draw(20, 3);
	page_move(&P, 4);
	assert_int_equal(page_place(&P), 4);
	page_begin(&P, 8, 0);
	page_number(&P, 3); /* older ones are gone */
	for (int i = 0; i < 6; i++)
		put("", "of two lines");
	page_seek(&P, 4);
	assert_int_equal(P.top, 2);
	assert_int_equal(page_place(&P), 4);
	page_seek(&P, 0);
	assert_int_equal(page_place(&P), 3);
	page_seek(&P, 100);
	assert_true(page_is_at_end(&P));
}

static void has_nothing_at_first(void **state)
{
	(void)state;
	assert_int_equal(page_place(&P), 0);
	assert_true(page_is_at_end(&P));
	page_move(&P, PAGE_ALL);
	page_move(&P, -PAGE_ALL);
	page_begin(&P, 0, 10);
	assert_string_equal(draw(20, 3), "");
	put("label", "text");
	draw(20, 3);
}

int main(void)
{
#define PAGE_TEST(f) cmocka_unit_test_setup_teardown(f, NULL, end)
	const struct CMUnitTest tests[] = {
		PAGE_TEST(puts_texts_beside_their_labels),
		PAGE_TEST(puts_them_below_where_there_is_no_room),
		PAGE_TEST(shows_a_word_that_is_longer_than_the_line),
		PAGE_TEST(moves_to_its_ends_and_no_further),
		PAGE_TEST(finds_an_item_again),
		PAGE_TEST(has_nothing_at_first),
	};
	return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
