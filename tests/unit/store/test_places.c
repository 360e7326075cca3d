#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "store/places.h"

enum { TODAY = 19947 };

static const struct record_position here = {1000, 10}, there = {1000, 9};

static char folder[] = "/tmp/test-places-XXXXXX";
static char path[64];
static struct places *places;

static int set_up(void **state)
{
	(void)state;
	unlink(path);
	strcpy(folder + sizeof folder - 7, "XXXXXX");
	if (mkdtemp(folder) == NULL)
		return 1;
	snprintf(path, sizeof path, "%s/places", folder);
	places = places_open(path, 60);
	return places == NULL;
}

static int tear_down(void **state)
{
	char command[100];

	(void)state;
	places_close(places);
	snprintf(command, sizeof command, "rm -r %s", folder);
	return system(command);
}

/* A request for organization's list, on a day. */
static struct filter ask_on(int32_t today, const char *organization, const char *query)
{
	char message[FILTER_MESSAGE_SIZE];
	struct filter filter;
	struct filter_request request = {.path = {{slice_of("orgId"), slice_of(organization)}},
	                                 .path_count = 1,
	                                 .query = slice_of(query)};

	if (filter_parse(&request, today, &filter, message) != FILTER_OK)
		fail_msg("%s: %s", query, message);
	return filter;
}

static void remember_on(int32_t today, const char *key, const char *query, uint32_t offset,
                        struct record_position last)
{
	struct filter filter = ask_on(today, "org", query);

	places_remember(places, key, &filter, offset, &last);
	filter_close(&filter);
}

static void remember(const char *key, const char *query, uint32_t offset,
                     struct record_position last)
{
	remember_on(TODAY, key, query, offset, last);
}

/* The serial id of the place that a request gets; 0: none. */
static uint64_t find(const char *key, const char *organization, const char *query)
{
	struct filter filter = ask_on(TODAY, organization, query);

	places_find(places, key, &filter);
	filter_close(&filter);
	return filter.has_place ? filter.place.serial_id : 0;
}

static void test_places_find_what_was_remembered(void **state)
{
	static const char *const queries[] = {
	    "offset=7",
	    "offset=7&limit=3", /* no part of the list */
	    "offset=7&status=REPORTED",
	    "offset=7&status=REPORTED&source=",
	    "offset=7&source=API",
	    "offset=7&buyerId=b",
	    "offset=7&productId=b",
	    "offset=7&entitlementId=b",
	    "offset=7&partner=AWS",
	    "offset=7&metaInfo={\"a\":1}",
	    "offset=7&startDate=2024-08-01",
	    "offset=7&startDate=2024-08-01&endDate=2024-08-12",
	    "offset=7&endDate=2024-08-12",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(queries); i++) {
		bool is_known = i == 1;
		assert_row(queries[i], (find("Key k", "org", queries[i]) != 0) == is_known);
		if (!is_known)
			remember("Key k", queries[i], 7, (struct record_position){5, 100 + i});
		assert_row(queries[i], find("Key k", "org", queries[i]) == (is_known ? 100 : 100 + i));
	}
	assert_int_equal(find("Key k", "org", "metaInfo={ \"a\" : 1 }&offset=7"), 109);
}

static void test_places_of_others_are_not_found(void **state)
{
	static const struct row {
		const char *key, *organization, *query;
	} rows[] = {
	    {"Key k", "org", "offset=6"},
	    {"Key k", "org", "offset=8"},
	    {"Key k", "org", ""},
	    {"Key l", "org", "offset=7"},
	    {"", "org", "offset=7"},
	    {"Key k", "orh", "offset=7"},
	    {"Key k", "org", "offset=7&metaInfo={\"a\":2}"},
	    {"Key k", "org", "cursor="},
	};

	(void)state;
	remember("Key k", "", 7, here);
	assert_int_equal(find("Key k", "org", "offset=7"), 10);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_row(rows[i].query, find(rows[i].key, rows[i].organization, rows[i].query) == 0);
}

/* Two walkers whose pages ended differently cannot be told apart: both count. */
static void test_places_that_are_ambiguous(void **state)
{
	(void)state;
	remember("", "", 7, here);
	remember("", "", 7, here);
	assert_int_equal(find("", "org", "offset=7"), 10);
	remember("", "", 7, there);
	assert_int_equal(find("", "org", "offset=7"), 0);
	remember("", "", 7, here);
	assert_int_equal(find("", "org", "offset=7"), 0);
	remember("Key k", "", 7, there);
	assert_int_equal(find("Key k", "org", "offset=7"), 9);
}

static void test_places_expire(void **state)
{
	(void)state;
	remember("", "", 8, there); /* old for who remembers a second, and good for others */
	struct places *others = places;
	places = places_open(path, 1);
	remember("", "", 7, here);
	remember("", "", 7, there);
	usleep(1100 * 1000);
	assert_int_equal(find("", "org", "offset=8"), 0);
	remember("", "", 7, there); /* whoever was at the other place is no longer waited for */
	assert_int_equal(find("", "org", "offset=7"), 9);
	places_close(places);
	places = others;
	assert_int_equal(find("", "org", "offset=8"), 9);
}

static void test_places_at_midnight(void **state)
{
	static const struct row {
		const char *first, *next;
		int32_t start_day, end_day;
		bool has_place;
	} rows[] = {
	    {"", "offset=7", TODAY - 30, TODAY, true},
	    {"startDate=2024-08-01", "startDate=2024-08-01&offset=7", 19936, TODAY, true},
	    {"endDate=2024-08-12", "endDate=2024-08-12&offset=7", 19917, 19947, true},
	    {"endDate=2024-08-12", "endDate=2024-08-13&offset=7", 19918, 19948, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		remember(rows[i].next, rows[i].first, 7, here); /* the row's own key */
		struct filter filter = ask_on(TODAY + 1, "org", rows[i].next);
		places_find(places, rows[i].next, &filter);
		assert_row(rows[i].next, filter.has_place == rows[i].has_place);
		assert_row(rows[i].next, filter.start_day == rows[i].start_day);
		assert_row(rows[i].next, filter.end_day == rows[i].end_day);
		filter_close(&filter);
	}
	/* A walk that begins behind midnight has other days, wherever its page ends. */
	remember_on(TODAY + 1, "offset=7", "", 7, here);
	assert_int_equal(find("offset=7", "org", "offset=7"), 0);
}

static void test_places_are_shared(void **state)
{
	struct places *others;

	(void)state;
	remember("", "", 7, here);
	places_close(places);
	places = places_open(path, 60); /* a worker that starts anew */
	others = places;
	assert_int_equal(find("", "org", "offset=7"), 10);
	places = places_open(path, 60);
	remember("", "", 8, there);
	places_close(places);
	places = others;
	assert_int_equal(find("", "org", "offset=8"), 9);
}

static void test_places_off(void **state)
{
	struct places *on = places;

	(void)state;
	struct places *const off[] = {NULL, places_open(path, 0), places_open("", 60)};
	for (size_t i = 0; i < COUNT_OF(off); i++) {
		places = off[i];
		remember("", "", 7, here);
		assert_int_equal(find("", "org", "offset=7"), 0);
		places_close(places);
	}
	places = on;
}

/* The oldest go, and each that is found is the right one. */
static void test_places_are_a_fixed_number(void **state)
{
	enum { TOO_MANY = 3 * PLACES_COUNT };
	char query[32];
	unsigned found_count = 0;

	(void)state;
	for (uint32_t i = 1; i <= TOO_MANY; i++) {
		remember("", "", i, (struct record_position){i, i});
		snprintf(query, sizeof query, "offset=%u", i);
		assert_int_equal(find("", "org", query), i);
	}
	for (uint32_t i = 1; i <= TOO_MANY; i++) {
		snprintf(query, sizeof query, "offset=%u", i);
		uint64_t serial_id = find("", "org", query);
		assert_row(query, serial_id == 0 || serial_id == i);
		found_count += serial_id != 0;
	}
	assert_in_range(found_count, PLACES_COUNT / 2, PLACES_COUNT);
}

/* The file of the places, and its size. */
static FILE *open_file(size_t *size)
{
	char command[100], name[100] = "";
	struct stat status;

	snprintf(command, sizeof command, "ls %s.*", path);
	FILE *list = popen(command, "r");
	assert_int_equal(fscanf(list, "%99s", name), 1);
	pclose(list);
	FILE *file = fopen(name, "r+");
	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &status), 0);
	*size = (size_t)status.st_size;
	return file;
}

/* Whatever a killed writer leaves, or who else writes to the file: a right place or none. */
static void test_places_in_a_damaged_file(void **state)
{
	size_t size;
	unsigned char byte;

	(void)state;
	FILE *file = open_file(&size);
	for (unsigned round = 0; round < 20; round++) {
		remember("", "", 7, here);
		uint64_t before = find("", "org", "offset=7");
		assert_true(before == 10);
		for (size_t at = 4096 * 3 + round; at < size; at += 20) {
			fseek(file, (long)at, SEEK_SET);
			assert_int_equal(fread(&byte, 1, 1, file), 1);
			fseek(file, (long)at, SEEK_SET);
			byte ^= (unsigned char)(1 << round % 8);
			fwrite(&byte, 1, 1, file);
		}
		fflush(file);
		uint64_t after = find("", "org", "offset=7");
		assert_true(after == 0 || after == 10);
	}
	fclose(file);
}

/* A writer that was killed with the lock: the next one waits a while, and nothing of before counts.
 */
static void test_places_whose_lock_is_held(void **state)
{
	size_t size;
	int32_t nobody = INT32_MAX;

	(void)state;
	remember("", "", 7, here);
	FILE *file = open_file(&size);
	fseek(file, 40, SEEK_SET); /* behind key and epoch */
	for (int i = 0; i < PLACES_COUNT / 8; i++)
		fwrite(&nobody, sizeof nobody, 1, file);
	fclose(file);
	assert_int_equal(find("", "org", "offset=7"), 10);
	remember("", "", 8, there);
	assert_int_equal(find("", "org", "offset=7"), 0);
	assert_int_equal(find("", "org", "offset=8"), 9);
	remember("", "", 8, here);
	assert_int_equal(find("", "org", "offset=8"), 0);
}

static void test_places_of_a_file_that_was_cut(void **state)
{
	size_t size;

	(void)state;
	places_close(places);
	places = places_open(path, 60); /* its handler of signals comes behind cmocka's */
	remember("", "", 7, here);
	FILE *file = open_file(&size);
	assert_int_equal(ftruncate(fileno(file), 0), 0);
	fclose(file);
	assert_int_equal(find("", "org", "offset=7"), 0);
	remember("", "", 7, here);
	assert_int_equal(find("", "org", "offset=7"), 0);
}

/* Writers that race and are killed: no two ends of one offset look like one. */
static void test_places_with_many_writers(void **state)
{
	enum { WRITERS = 4 };
	pid_t pids[WRITERS];
	char query[32];

	(void)state;
	for (unsigned writer = 0; writer < WRITERS; writer++) {
		if ((pids[writer] = fork()) != 0)
			continue;
		places = places_open(path, 60);
		for (uint32_t i = 1;; i = i % 2000 + 1) /* odd offsets end differently for each */
			remember("", "", i, (struct record_position){1, i % 2 == 0 ? i : i + 10000 * writer});
	}
	usleep(300 * 1000);
	for (unsigned writer = 0; writer < WRITERS; writer++)
		kill(pids[writer], SIGKILL);
	for (unsigned writer = 0; writer < WRITERS; writer++)
		waitpid(pids[writer], NULL, 0);
	unsigned found_count = 0;
	for (uint32_t i = 1; i <= 2000; i++) {
		snprintf(query, sizeof query, "offset=%u", i);
		uint64_t serial_id = find("", "org", query);
		assert_row(query, serial_id == 0 || serial_id % 10000 == i);
		found_count += serial_id == i && i % 2 == 0;
	}
	assert_in_range(found_count, 100, 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_places_find_what_was_remembered),
	    TEST(test_places_of_others_are_not_found),
	    TEST(test_places_that_are_ambiguous),
	    TEST(test_places_expire),
	    TEST(test_places_at_midnight),
	    TEST(test_places_are_shared),
	    TEST(test_places_off),
	    TEST(test_places_are_a_fixed_number),
	    TEST(test_places_in_a_damaged_file),
	    TEST(test_places_whose_lock_is_held),
	    TEST(test_places_of_a_file_that_was_cut),
	    TEST(test_places_with_many_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
