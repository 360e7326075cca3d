#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "request/cells.h"

static char folder[] = "/tmp/cells-XXXXXX", path[64];
static char reason[CELLS_REASON_SIZE];

static void write_file(const char *text)
{
	char new_path[80];

	snprintf(new_path, sizeof new_path, "%s.new", path);
	FILE *file = fopen(new_path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(rename(new_path, path), 0);
}

/* The cell of an organization, as the gate sees it. */
static const char *cell_of(struct cells *cells, const char *organization)
{
	const char *cell = cells_away(cells, slice_of(organization));

	assert_non_null(cell);
	return cell;
}

static void test_cells_away(void **state)
{
	static const struct {
		const char *organization, *cell;
	} rows[] = {
	    {"acme", "b"}, {"Acme", "c"},        {"acm", "default"}, {"acme ", "default"},
	    {"a/b", "b"},  {"a%2Fb", "default"}, {"a+b", "c"},       {"a b", "default"},
	    {"é", "b"},    {"#1", "c"},          {"", "default"},    {"x", "default"},
	};

	(void)state;
	write_file("# who lives where\n\nacme b\n  Acme\tc  # moved\r\na%2fb b\na+b c\n%C3%A9 b\n%231 "
	           "c\nx default");
	struct cells *cells = cells_open(path, "", reason);
	assert_non_null(cells);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *cell = cell_of(cells, rows[i].organization);
		assert_row_text(rows[i].organization, cell, rows[i].cell);
	}
	assert_true(cells_is_gate(cells));
	cells_close(cells);

	cells = cells_open(path, "b", reason);
	assert_null(cells_away(cells, slice_of("acme")));
	assert_string_equal(cell_of(cells, "Acme"), "c");
	assert_string_equal(cell_of(cells, "other"), "default");
	assert_false(cells_is_gate(cells));
	cells_close(cells);
}

static void test_cells_open_refuses(void **state)
{
	static const struct {
		const char *text, *said; /* behind the path */
	} rows[] = {
	    {"acme\n", ":1: a line must be "},
	    {"x b\nacme b c\n", ":2: a line must be "},
	    {"acme B\n", ":1: a line must be "},
	    {"acme b;\n", ":1: a line must be "},
	    {"%zz b\n", ":1: a line must be "},
	    {"%ff b\n", ":1: a line must be "},
	    {"acme 0123456789012345678901234567890123\n", ":1: a line must be "},
	    {"acme b\nx b\n%61cme c\n", ": \"acme\" is named twice"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		write_file(rows[i].text);
		struct cells *cells = cells_open(path, "", reason);
		assert_row(rows[i].text, cells == NULL);
		assert_row(rows[i].text, strncmp(reason, path, strlen(path)) == 0);
		assert_row(rows[i].text,
		           strncmp(reason + strlen(path), rows[i].said, strlen(rows[i].said)) == 0);
	}
	unlink(path);
	assert_null(cells_open(path, "", reason));
}

static void test_cells_refresh(void **state)
{
	(void)state;
	write_file("acme b\n");
	struct cells *cells = cells_open(path, "", reason);
	assert_non_null(cells);
	assert_true(cells_refresh(cells, reason));
	write_file("acme c\nother c\n");
	assert_string_equal(cell_of(cells, "acme"), "b");
	assert_true(cells_refresh(cells, reason));
	assert_string_equal(cell_of(cells, "acme"), "c");
	assert_string_equal(cell_of(cells, "other"), "c");

	/* What cannot be read changes nothing, and is said once. */
	write_file("acme\n");
	assert_false(cells_refresh(cells, reason));
	assert_true(cells_refresh(cells, reason));
	assert_string_equal(cell_of(cells, "acme"), "c");
	unlink(path);
	assert_false(cells_refresh(cells, reason));
	assert_true(cells_refresh(cells, reason));
	assert_string_equal(cell_of(cells, "acme"), "c");
	write_file("");
	assert_true(cells_refresh(cells, reason));
	assert_string_equal(cell_of(cells, "acme"), "default");
	cells_close(cells);
}

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/cells", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cells_away),
	    cmocka_unit_test(test_cells_open_refuses),
	    cmocka_unit_test(test_cells_refresh),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
