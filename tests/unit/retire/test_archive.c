#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "retire/archive.h"

static const struct slice record[ENTRY_MEMBER_COUNT] = {
#define TEXT(text)                                                                                 \
	{                                                                                              \
		text, sizeof(text) - 1                                                                     \
	}
    [ENTRY_CREATION_TIME] = TEXT("2024-08-12 01:02:15.910"),
    [ENTRY_ID] = TEXT("a\"b"),
    [ENTRY_META_INFO] = TEXT("{\"n\":\r\n1.50}"),
    [ENTRY_ORGANIZATION_ID] = TEXT("o"),
    [ENTRY_PARTNER] = TEXT("AWS"),
    [ENTRY_SERIAL_ID] = TEXT("7"),
    [ENTRY_STATUS] = TEXT("CREATED"),
#undef TEXT
};
#define LINE                                                                                       \
	"{\"creationTime\":\"2024-08-12T01:02:15.910Z\",\"id\":\"a\\\"b\",\"metaInfo\":{\"n\":  1."    \
	"50},\"organizationID\":\"o\",\"partner\":\"AWS\",\"serialID\":7,\"status\":\"CREATED\"}\n"

struct place {
	char path[40];
	int file; /* somebody else's */
	struct archive *archive;
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof *place);

	snprintf(place->path, sizeof place->path, "/tmp/archive.XXXXXX");
	place->file = mkstemp(place->path);
	place->archive = archive_open(place->path);
	*state = place;
	return place->archive == NULL;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	archive_close(place->archive);
	close(place->file);
	unlink(place->path);
	free(place);
	return 0;
}

static void test_a_record_is_written_as_the_loader_reads_it(void **state)
{
	struct place *place = *state;
	char text[2000];

	archive_begin(place->archive);
	assert_true(archive_add(place->archive, record) && archive_keep(place->archive));
	archive_begin(place->archive);
	assert_true(archive_add(place->archive, record) && archive_keep(place->archive));
	ssize_t len = pread(place->file, text, sizeof text - 1, 0);
	text[len] = '\0';
	assert_string_equal(text, LINE LINE);
}

static void test_a_torn_line_is_taken_away(void **state)
{
	static const char *const rows[][2] = {
	    {"", ""}, {"{", ""}, {"{\n", "{\n"}, {"{\n{y", "{\n"}, {"{\n\ny", "{\n\n"}};
	struct place *place = *state;
	char text[20];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		archive_close(place->archive);
		assert_int_equal(ftruncate(place->file, 0), 0);
		assert_int_equal(pwrite(place->file, rows[i][0], strlen(rows[i][0]), 0),
		                 strlen(rows[i][0]));
		place->archive = archive_open(place->path);
		assert_non_null(place->archive);
		text[pread(place->file, text, sizeof text - 1, 0)] = '\0';
		assert_row_text(rows[i][0], text, rows[i][1]);
	}
}

/* A file that does not hold what was written: a byte that has changed, and a line too many. */
static void test_what_is_not_there_is_not_kept(void **state)
{
	struct place *place = *state;

	archive_begin(place->archive);
	for (int i = 0; i < 2000; i++) /* more than stays in memory */
		assert_true(archive_add(place->archive, record));
	char *seven = strstr(LINE, ":7");
	assert_int_equal(pwrite(place->file, "8", 1, seven - LINE + 1), 1);
	assert_false(archive_keep(place->archive));
	assert_string_equal(archive_fault(place->archive),
	                    "the archive does not hold what was written");

	archive_begin(place->archive);
	assert_true(archive_add(place->archive, record));
	assert_true(lseek(place->file, 0, SEEK_END) > 0);
	assert_int_equal(write(place->file, LINE, strlen(LINE)), strlen(LINE));
	assert_false(archive_keep(place->archive));

	archive_begin(place->archive);
	assert_true(archive_add(place->archive, record) && archive_keep(place->archive));
}

static void test_one_process_has_it(void **state)
{
	struct place *place = *state;

	assert_null(archive_open(place->path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_a_record_is_written_as_the_loader_reads_it, set_up,
	                                    tear_down),
	    cmocka_unit_test_setup_teardown(test_a_torn_line_is_taken_away, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_what_is_not_there_is_not_kept, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(test_one_process_has_it, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
