#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "serve/json.h"

static struct record sample(void)
{
	return (struct record){
	    .buyer_id = slice_of("b\"1"),
	    .entitlement_id = slice_of(""),
	    .id = slice_of("5a3e"),
	    .partner = slice_of("AWS"),
	    .status = slice_of("REPORTED"),
	    .usage_record_report_id = slice_of("r\\1"),
	    .meta_info = slice_of("{\"q\":7.2243072691274902387, \"a\":\"\\u00e9\\/\"}"),
	    .records = slice_of(""),
	    .creation_time = {2024, 8, 12, 1, 2, 15, 910},
	    .last_update_time = {2024, 8, 12, 1, 2, 16, 0},
	    .serial_id = 18446744073709551615u};
}

static const char sample_text[] =
    "{\"buyerID\":\"b\\\"1\",\"creationTime\":\"2024-08-12T01:02:15.910Z\",\"entitlementID\":\"\","
    "\"id\":\"5a3e\",\"lastUpdateTime\":\"2024-08-12T01:02:16.000Z\","
    "\"metaInfo\":{\"q\":7.2243072691274902387, "
    "\"a\":\"\\u00e9\\/\"},\"organizationID\":\"ac\\\"me\","
    "\"partner\":\"AWS\",\"records\":{},\"serialID\":18446744073709551615,\"status\":\"REPORTED\","
    "\"usageRecordReportID\":\"r\\\\1\"}";

static void assert_body(struct slice body, const char *expected)
{
	if (!slice_equals(body, expected))
		fail_msg("is\n  %.*s\nnot\n  %s", (int)body.len, body.data, expected);
}

static void test_json_page(void **state)
{
	struct json *json = *state;
	struct record record = sample();
	char expected[4096];

	json_begin_page(json, slice_of("ac\"me"));
	assert_body(json_end_page(json, 0), "{\"nextOffset\":0,\"usageRecordGroups\":[]}");

	json_begin_page(json, slice_of("ac\"me"));
	assert_true(json_add_record(json, &record));
	snprintf(expected, sizeof expected, "{\"nextOffset\":0,\"usageRecordGroups\":[%s]}",
	         sample_text);
	assert_body(json_end_page(json, 0), expected);

	json_begin_page(json, slice_of("ac\"me"));
	assert_true(json_add_record(json, &record));
	assert_true(json_add_record(json, &record));
	snprintf(expected, sizeof expected, "{\"nextOffset\":2147483647,\"usageRecordGroups\":[%s,%s]}",
	         sample_text, sample_text);
	assert_body(json_end_page(json, 2147483647), expected);
}

/* Identifiers of 64 four-byte characters, and of 256 characters that all need escapes. */
static void test_json_page_of_the_longest_identifiers(void **state)
{
	struct json *json = *state;
	struct record record = sample();
	char long_id[RECORD_ID_LEN_MAX];

	memset(long_id, 1, sizeof long_id);
	struct slice id = {long_id, sizeof long_id};
	record.buyer_id = record.entitlement_id = record.id = record.usage_record_report_id = id;
	json_begin_page(json, id);
	assert_true(json_add_record(json, &record));
	struct slice body = json_end_page(json, 1);
	size_t count = 0;
	for (size_t i = 0; i + 6 <= body.len; i++)
		count += memcmp(body.data + i, "\\u0001", 6) == 0;
	assert_int_equal(count, 5 * RECORD_ID_LEN_MAX);
}

static void test_json_page_of_long_documents(void **state)
{
	struct json *json = *state;
	struct record record = sample();
	size_t len = 3 * 1024 * 1024;
	char *document = malloc(len);

	memset(document, ' ', len);
	document[0] = '{';
	document[len - 1] = '}';
	record.meta_info = (struct slice){document, len};
	json_begin_page(json, slice_of("o"));
	for (int i = 0; i < 4; i++)
		assert_true(json_add_record(json, &record));
	struct slice body = json_end_page(json, 0);
	assert_true(body.len > 4 * len && body.len < 4 * len + 4096);
	assert_memory_equal(body.data + body.len - 3, "}]}", 3);
	json_trim(json);
	json_begin_page(json, slice_of("o"));
	assert_body(json_end_page(json, 0), "{\"nextOffset\":0,\"usageRecordGroups\":[]}");
	free(document);
}

static void test_json_string(void **state)
{
	struct json *json = *state;
	char longest[JSON_STRING_LEN_MAX];

	assert_body(json_string(json, slice_of("")), "\"\"");
	assert_body(json_string(json, slice_of("limit must not be \"a\\b\"\n…")),
	            "\"limit must not be \\\"a\\\\b\\\"\\u000a…\"");
	memset(longest, '\x01', sizeof longest);
	struct slice body = json_string(json, (struct slice){longest, sizeof longest});
	assert_int_equal(body.len, 6 * JSON_STRING_LEN_MAX + 2);
}

static void test_json_page_ms(void **state)
{
	struct json *json = *state;
	struct record record = sample();

	json_begin_page(json, slice_of("o"));
	assert_true(json_page_ms(json) == 0);
	for (int i = 0; i < 1000; i++)
		json_add_record(json, &record);
	assert_true(json_page_ms(json) > 0 && json_page_ms(json) < 1000);
}

static int set_up(void **state)
{
	return (*state = json_open()) == NULL;
}

static int tear_down(void **state)
{
	json_close(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_json_page),
	    cmocka_unit_test(test_json_page_of_the_longest_identifiers),
	    cmocka_unit_test(test_json_page_of_long_documents),
	    cmocka_unit_test(test_json_string),
	    cmocka_unit_test(test_json_page_ms),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
