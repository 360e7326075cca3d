#include "test.h"

#include "base/text.h"
#include "serve/csv.h"

static const struct {
	const char *text, *as_text, *as_plain;
} cells[] = {
    {"", "", ""},
    {"plain", "plain", "plain"},
    {"a,b", "\"a,b\"", "\"a,b\""},
    {"a\nb", "\"a\nb\"", "\"a\nb\""},
    {"a\rb", "\"a\rb\"", "\"a\rb\""},
    {"\"", "\"\"\"\"", "\"\"\"\""},
    {"\"\"a\"", "\"\"\"\"\"a\"\"\"", "\"\"\"\"\"a\"\"\""},
    {"{\"a\":[1,2]}", "\"{\"\"a\"\":[1,2]}\"", "\"{\"\"a\"\":[1,2]}\""},
    {"=1+1", "'=1+1", "=1+1"},
    {"+1", "'+1", "+1"},
    {"-1", "'-1", "-1"},
    {"@a", "'@a", "@a"},
    {"'a", "''a", "'a"},
    {"\ta", "'\ta", "\ta"},
    {"\ra", "\"'\ra\"", "\"\ra\""},
    {"=\",\"", "\"'=\"\",\"\"\"", "\"=\"\",\"\"\""},
    {"a=+-@'\t", "a=+-@'\t", "a=+-@'\t"},
    {"\xc3\xa9\xff", "\xc3\xa9\xff", "\xc3\xa9\xff"},
};

static void add(struct growing *line, struct slice text, bool is_plain)
{
	(is_plain ? csv_add_plain : csv_add_text)(line, text);
}

static void test_csv_cells_and_lines(void **state)
{
	struct growing line = {.data = NULL};
	char expected[128];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cells); i++)
		for (int is_plain = 0; is_plain < 2; is_plain++) {
			const char *cell = is_plain ? cells[i].as_plain : cells[i].as_text;
			struct text wanted = TEXT_IN(expected);
			growing_clear(&line, 0); /* so that its memory ends behind the cell */
			add(&line, slice_of(cells[i].text), is_plain);
			add(&line, slice_of(cells[i].text), is_plain);
			csv_end_line(&line);
			text_add_format(&wanted, "%s,%s\r\n", cell, cell);
			text_end(&wanted);
			growing_add(&line, (struct slice){"", 1});
			assert_row_text(cells[i].text, line.data, expected);
		}
	growing_free(&line);
}

/* A cell that makes the memory grow, at any place in it. */
static void test_csv_grows(void **state)
{
	struct growing line = {.data = NULL};
	char quotes[600];

	(void)state;
	memset(quotes, '"', sizeof quotes);
	for (size_t len = 0; len <= sizeof quotes; len++) {
		growing_clear(&line, 0);
		csv_add_text(&line, (struct slice){quotes, len});
		csv_end_line(&line);
		assert_int_equal(line.len, len > 0 ? 2 * len + 4 : 2);
		for (size_t i = 0; i + 2 < line.len; i++)
			assert_int_equal(line.data[i], '"');
	}
	growing_free(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_csv_cells_and_lines),
	    cmocka_unit_test(test_csv_grows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
