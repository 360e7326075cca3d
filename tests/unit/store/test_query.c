#include "test.h"

#include <stdio.h>

#include "store/query.h"

static struct query query;

static void build(const char *text, enum query_purpose purpose, const struct record_position *after,
                  char sql[static QUERY_SQL_SIZE])
{
	char message[FILTER_MESSAGE_SIZE];
	static struct filter filter; /* the query's values point into it */

	struct filter_request request = {
	    .path = {{slice_of("orgId"), slice_of("org")}}, .path_count = 1, .query = slice_of(text)};

	filter_close(&filter);
	assert_row(text, filter_parse(&request, 19947, &filter, message) == FILTER_OK);
	query_build(&query, &filter, purpose, after, filter.limit + 1, filter.offset);
	query_write_sql(query.shape, sql);
}

static void test_query_sql_of_a_page(void **state)
{
	char sql[QUERY_SQL_SIZE];

	(void)state;
	build("", QUERY_PAGE, NULL, sql);
	assert_string_equal(
	    sql, "SELECT creation_time, serial_id, meta_info, id, partner, buyer_id, entitlement_id, "
	         "status, records, usage_record_report_id, last_update_time "
	         "FROM usage_record_group FORCE INDEX (PRIMARY) WHERE organization_id = ? "
	         "AND creation_time >= ? AND creation_time <= ? "
	         "ORDER BY creation_time DESC, serial_id DESC LIMIT ? OFFSET ?");
	build("status=REPORTED&productId=p&source=", QUERY_PAGE, &(struct record_position){0, 1}, sql);
	assert_string_equal(
	    sql, "SELECT creation_time, serial_id, meta_info, id, partner, buyer_id, entitlement_id, "
	         "status, records, usage_record_report_id, last_update_time "
	         "FROM usage_record_group FORCE INDEX (by_product_id_status_source) "
	         "WHERE organization_id = ? AND product_id = ? AND status = ? AND source = ? "
	         "AND creation_time >= ? "
	         "AND (creation_time < ? OR (creation_time = ? AND serial_id < ?)) "
	         "ORDER BY creation_time DESC, serial_id DESC LIMIT ? OFFSET ?");
}

static void test_query_sql_of_a_seek(void **state)
{
	char sql[QUERY_SQL_SIZE];

	(void)state;
	build("", QUERY_SEEK, NULL, sql);
	assert_string_equal(
	    sql, "SELECT creation_time, serial_id FROM usage_record_group FORCE INDEX (by_time) "
	         "WHERE organization_id = ? AND creation_time >= ? AND creation_time <= ? "
	         "ORDER BY creation_time DESC, serial_id DESC LIMIT ? OFFSET ?");
	build("buyerId=b", QUERY_SEEK, NULL, sql);
	assert_non_null(strstr(sql, "SELECT creation_time, serial_id FROM usage_record_group "
	                            "FORCE INDEX (by_buyer_id) "));
}

static void test_query_sql_of_a_scan(void **state)
{
	char sql[QUERY_SQL_SIZE];

	(void)state;
	build("metaInfo={\"a\":1}", QUERY_SCAN, NULL, sql);
	assert_string_equal(sql,
	                    "SELECT creation_time, serial_id, meta_info FROM usage_record_group "
	                    "FORCE INDEX (PRIMARY) "
	                    "WHERE organization_id = ? AND creation_time >= ? AND creation_time <= ? "
	                    "ORDER BY creation_time DESC, serial_id DESC LIMIT ? OFFSET ?");
}

/* A member of metaInfo that is a column goes to its index. */
static void test_query_source_of_meta_info(void **state)
{
	char sql[QUERY_SQL_SIZE];

	(void)state;
	build("metaInfo={\"a\":1,\"source\":\"\\u004fRB\"}", QUERY_SCAN, NULL, sql);
	assert_non_null(
	    strstr(sql, "FORCE INDEX (by_source) WHERE organization_id = ? AND source = ? "));
	assert_true(slice_equals(query.values[1].text, "ORB"));
	build("source=API&metaInfo={\"source\":\"ORB\"}", QUERY_SCAN, NULL, sql);
	assert_true(slice_equals(query.values[1].text, "API"));
	build("metaInfo={\"b\":{\"source\":\"ORB\"}}", QUERY_SCAN, NULL, sql);
	assert_non_null(strstr(sql, "FORCE INDEX (PRIMARY)"));
}

/* The name of each index that a list may use is in the probe. */
static void assert_probed(const char *sql, const char *probe)
{
	const char *name = strchr(sql, '(') + 1;
	char between[96];

	snprintf(between, sizeof between, "%.*s", (int)strcspn(name, ")"), name);
	const char *found = strstr(strchr(strstr(probe, "USE INDEX"), '('), between);
	while (found != NULL && strcspn(found, ",)") != strlen(between))
		found = strstr(found + 1, between);
	assert_row(between, found != NULL);
}

/* Every combination that filter_parse lets pass: the SQL fits, has as many places as
 * there are values, holds nothing of the request, and equal shapes have equal texts. */
static void test_query_of_every_combination(void **state)
{
	static const char *const exclusive[] = {"", "partner=GCP", "buyerId=SECRET",
	                                        "entitlementId=SECRET", "productId=SECRET"};
	static const char *const statuses[] = {"", "&status=INVALID"};
	static const char *const sources[] = {"", "&source=ORB", "&source="};
	static const char *const meta_infos[] = {
	    "", "&metaInfo={\"SECRET\":1}", "&metaInfo={\"a\":\"SECRET\"}",
	    "&metaInfo={\"a\":[\"SECRET\",\"b\",\"c\",\"d\",\"e\",7]}"};
	const struct record_position position = {1723424535910, 42};
	char text[256], sql[QUERY_SQL_SIZE], probe[QUERY_SQL_SIZE], name[QUERY_NAME_SIZE];

	(void)state;
	query_write_probe(probe);
	for (size_t i = 0; i < 5 * 2 * 3 * 4 * 3 * 2; i++) {
		size_t rest = i;
		const char *const parts[] = {exclusive[rest % 5], statuses[(rest /= 5) % 2],
		                             sources[(rest /= 2) % 3], meta_infos[(rest /= 3) % 4]};
		enum query_purpose purpose = (enum query_purpose)((rest /= 4) % 3);
		bool is_after = (rest / 3) % 2;
		size_t places = 0;

		snprintf(text, sizeof text, "%s%s%s%s", parts[0], parts[1], parts[2], parts[3]);
		build(text, purpose, is_after ? &position : NULL, sql);
		assert_row(text, strlen(sql) + 1 < QUERY_SQL_SIZE);
		assert_probed(sql, probe);
		for (const char *c = sql; *c != '\0'; c++)
			places += *c == '?';
		assert_row(text, places == query.value_count);
		assert_row(text, strstr(sql, "SECRET") == NULL);
		query_write_name(query.shape, name);
		assert_row(text, strlen(name) > 2 && name[0] != '+');
	}
}

static void test_query_values_of_a_page(void **state)
{
	char sql[QUERY_SQL_SIZE];

	(void)state;
	build("partner=AZURE&startDate=2024-02-28&endDate=2024-02-29&limit=5&offset=7", QUERY_PAGE,
	      NULL, sql);
	assert_int_equal(query.value_count, 6);
	assert_true(slice_equals(query.values[0].text, "org"));
	assert_true(slice_equals(query.values[1].text, "AZURE"));
	assert_int_equal(utc_to_ms(&query.values[2].time), 19781 * UTC_DAY_MS);
	assert_int_equal(utc_to_ms(&query.values[3].time), 19783 * UTC_DAY_MS - 1);
	assert_int_equal(query.values[4].integer, 6);
	assert_int_equal(query.values[5].integer, 7);
}

static void test_query_place_behind_the_last_day_excludes_nothing(void **state)
{
	const struct record_position late = {19783 * UTC_DAY_MS, 42},
	                             last = {19783 * UTC_DAY_MS - 1, 42};
	char sql[QUERY_SQL_SIZE];

	(void)state;
	build("startDate=2024-02-28&endDate=2024-02-29", QUERY_PAGE, &late, sql);
	assert_non_null(strstr(sql, "creation_time <= ? ORDER"));
	build("startDate=2024-02-28&endDate=2024-02-29", QUERY_PAGE, &last, sql);
	assert_non_null(strstr(sql, "serial_id < ?"));
	assert_int_equal(query.values[4].integer, 42);
}

static void test_query_names(void **state)
{
	char sql[QUERY_SQL_SIZE], name[QUERY_NAME_SIZE];

	(void)state;
	build("", QUERY_PAGE, NULL, sql);
	query_write_name(query.shape, name);
	assert_string_equal(name, "all");
	build("status=INVALID&source=API&metaInfo={\"a\":\"b\"}", QUERY_SCAN,
	      &(struct record_position){0, 0}, sql);
	query_write_name(query.shape, name);
	assert_string_equal(name, "status+source after scan");
	build("", QUERY_SEEK, NULL, sql);
	query_write_name(query.shape, name);
	assert_string_equal(name, "all seek");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_query_sql_of_a_page),
	    cmocka_unit_test(test_query_sql_of_a_seek),
	    cmocka_unit_test(test_query_sql_of_a_scan),
	    cmocka_unit_test(test_query_source_of_meta_info),
	    cmocka_unit_test(test_query_of_every_combination),
	    cmocka_unit_test(test_query_values_of_a_page),
	    cmocka_unit_test(test_query_place_behind_the_last_day_excludes_nothing),
	    cmocka_unit_test(test_query_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
