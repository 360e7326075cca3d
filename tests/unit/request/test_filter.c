#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "request/filter.h"

#define TEN "xxxxxxxxxx"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

enum { TODAY = 19947 }; /* 2024-08-12 */

/* Parses and gives the message, or "" when the filter was accepted. */
static const char *parse(const char *organization, const char *query, struct filter *filter)
{
	static char message[FILTER_MESSAGE_SIZE];
	struct filter_request request = {.path = {{slice_of("orgId"), slice_of(organization)}},
	                                 .path_count = 1,
	                                 .query = slice_of(query)};
	enum filter_status status = filter_parse(&request, TODAY, filter, message);

	if (status == FILTER_OK)
		return "";
	assert_int_equal(status, FILTER_REJECTED);
	return message;
}

/* Whether a query is accepted; the filter is thrown away. */
static const char *fault(const char *query)
{
	struct filter filter;
	const char *message = parse("org", query, &filter);

	if (message[0] == '\0')
		filter_close(&filter);
	return message;
}

static void test_filter_parse_without_parameters(void **state)
{
	struct filter filter;

	(void)state;
	assert_string_equal(parse("acme", "", &filter), "");
	assert_string_equal(filter.organization_id.text, "acme");
	assert_null(filter.partner);
	assert_int_equal(filter.buyer_id.len, 0);
	assert_int_equal(filter.entitlement_id.len, 0);
	assert_int_equal(filter.product_id.len, 0);
	assert_null(filter.status);
	assert_null(filter.source);
	assert_null(filter.meta_info);
	assert_int_equal(filter.end_day, TODAY);
	assert_int_equal(filter.start_day, TODAY - 30);
	assert_int_equal(filter.limit, 1000);
	assert_int_equal(filter.offset, 0);
	assert_false(filter.has_cursor);
}

static void test_filter_parse_accepts(void **state)
{
	static const char *const rows[] = {
	    "partner=AWS",
	    "partner=AZURE",
	    "partner=GCP",
	    "buyerId=b",
	    "entitlementId=e",
	    "productId=p",
	    "buyerId=%F0%9F%9A%80",
	    "buyerId=a+b%2Fc/d",
	    "productId='%3B--",
	    "status=CREATED",
	    "status=DELETED",
	    "status=INVALID",
	    "status=REPORTED",
	    "status=REPORT_PENDING",
	    "status=REPORT_FAILED",
	    "source=API",
	    "source=INTERNAL",
	    "source=METRONOME",
	    "source=ORB",
	    "source=",
	    "source",
	    "metaInfo={}",
	    "metaInfo=%7B%22a%22:%22b/c+d%22%7D",
	    "startDate=2024-08-12",
	    "startDate=1000-01-01",
	    "endDate=9999-12-31",
	    "endDate=1000-01-01",
	    "startDate=2024-02-29&endDate=2024-02-29",
	    "limit=1",
	    "limit=1000",
	    "offset=0",
	    "offset=2147483647",
	    "cursor=1d790a60ed13-f423f-2-5b91a-c1f8622a",
	    "cursor=1d790a60ed13-f423f-2-5b91a-c1f8622a&offset=0",
	    "%70artner=AWS",
	    "status=%52EPORTED",
	    "&&partner=AWS&",
	    "partner=AWS&status=REPORTED&source=API&metaInfo={}&startDate=2024-01-01&endDate=2024-02-01"
	    "&limit=10&offset=20",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_row_text(rows[i], fault(rows[i]), "");
}

static void test_filter_parse_refuses(void **state)
{
	static const struct {
		const char *query, *message;
	} rows[] = {
	    {"partner=aws", "partner must be AWS, AZURE or GCP, not \"aws\""},
	    {"partner=", "partner must be AWS, AZURE or GCP, not \"\""},
	    {"partner", "partner must be AWS, AZURE or GCP, not \"\""},
	    {"partner=AWS+", "partner must be AWS, AZURE or GCP, not \"AWS \""},
	    {"partner=AWS%00", "partner must not have control characters, not \"AWS%00\""},
	    {"partner=AWS'+OR+1=1--", "partner must be AWS, AZURE or GCP, not \"AWS' OR 1=1--\""},
	    {"buyerId=", "buyerId must be 1 to 255 characters, not \"\""},
	    {"entitlementId=", "entitlementId must be 1 to 255 characters, not \"\""},
	    {"productId=", "productId must be 1 to 255 characters, not \"\""},
	    {"buyerId=%zz", "buyerId must not have a % without two hexadecimal digits, not \"%zz\""},
	    {"buyerId=%C0%AF", "buyerId must be UTF-8, not \"%C0%AF\""},
	    {"status=reported",
	     "status must be CREATED, DELETED, INVALID, REPORTED, REPORT_PENDING or REPORT_FAILED, "
	     "not \"reported\""},
	    {"status=",
	     "status must be CREATED, DELETED, INVALID, REPORTED, REPORT_PENDING or REPORT_FAILED, "
	     "not \"\""},
	    {"source=api", "source must be API, INTERNAL, METRONOME, ORB or empty, not \"api\""},
	    {"metaInfo=",
	     "metaInfo must be a JSON object of at most 4096 bytes and 16 levels; it is not JSON, "
	     "not \"\""},
	    {"metaInfo=[]",
	     "metaInfo must be a JSON object of at most 4096 bytes and 16 levels; it is not an "
	     "object, not \"[]\""},
	    {"startDate=2023-02-29",
	     "startDate must be a day YYYY-MM-DD from 1000-01-01 to 9999-12-31, not \"2023-02-29\""},
	    {"endDate=", "endDate must be a day YYYY-MM-DD from 1000-01-01 to 9999-12-31, not \"\""},
	    {"endDate=0999-12-31",
	     "endDate must be a day YYYY-MM-DD from 1000-01-01 to 9999-12-31, not \"0999-12-31\""},
	    {"startDate=2024-08-13",
	     "startDate 2024-08-13 is after endDate, which is today, 2024-08-12, when absent"},
	    {"startDate=2024-01-02&endDate=2024-01-01", "startDate must not be after endDate"},
	    {"limit=0", "limit must be an integer from 1 to 1000, not \"0\""},
	    {"limit=1001", "limit must be an integer from 1 to 1000, not \"1001\""},
	    {"limit=", "limit must be an integer from 1 to 1000, not \"\""},
	    {"limit=abc", "limit must be an integer from 1 to 1000, not \"abc\""},
	    {"limit=007", "limit must be an integer from 1 to 1000, not \"007\""},
	    {"limit=+1", "limit must be an integer from 1 to 1000, not \" 1\""},
	    {"limit=%2B1", "limit must be an integer from 1 to 1000, not \"+1\""},
	    {"limit=-1", "limit must be an integer from 1 to 1000, not \"-1\""},
	    {"limit=1e3", "limit must be an integer from 1 to 1000, not \"1e3\""},
	    {"limit=0x10", "limit must be an integer from 1 to 1000, not \"0x10\""},
	    {"limit=1.0", "limit must be an integer from 1 to 1000, not \"1.0\""},
	    {"limit=1+", "limit must be an integer from 1 to 1000, not \"1 \""},
	    {"limit=18446744073709551617",
	     "limit must be an integer from 1 to 1000, not \"18446744073709551617\""},
	    {"limit=%D9%A1", "limit must be an integer from 1 to 1000, not \"١\""},
	    {"offset=-1", "offset must be an integer from 0 to 2147483647, not \"-1\""},
	    {"offset=00", "offset must be an integer from 0 to 2147483647, not \"00\""},
	    {"offset=2147483648", "offset must be an integer from 0 to 2147483647, not \"2147483648\""},
	    {"cursor=abc", "cursor must be one that a Link header gave, not \"abc\""},
	    {"cursor=&offset=1", "cursor and an offset other than 0 may not be given together"},
	    {"cursor=1d790a60ed13-f423f-2-5b91a-c1f8622a&offset=1",
	     "cursor and an offset other than 0 may not be given together"},
	    {"limit=1&limit=1", "limit must be given once, not 2 times"},
	    {"limit=1&li%6Dit=1&limit=1", "limit must be given once, not 3 times"},
	    {"partner=AWS&buyerId=b",
	     "only one of partner, buyerId, entitlementId and productId may be given"},
	    {"productId=p&entitlementId=e",
	     "only one of partner, buyerId, entitlementId and productId may be given"},
	    {"buyerId=b&productId=p",
	     "only one of partner, buyerId, entitlementId and productId may be given"},
	    {"foo=1", "\"foo\" is not a parameter of this request"},
	    {"=1", "\"\" is not a parameter of this request"},
	    {"Partner=AWS", "\"Partner\" is not a parameter of this request"},
	    {"partner[]=AWS", "\"partner[]\" is not a parameter of this request"},
	    {"partner%00=AWS", "\"partner%00\" is not a parameter of this request"},
	    {"%zz=1", "\"%zz\" is not a parameter of this request"},
	    {"orgId=other", "\"orgId\" is not a parameter of this request"},
	    {"limit=1;offset=1", "limit must be an integer from 1 to 1000, not \"1;offset=1\""},
	    {"limit=\"\xff\x01", "limit must be UTF-8, not \"\"%FF%01\""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_row_text(rows[i].query, fault(rows[i].query), rows[i].message);
}

static void test_filter_parse_reports_the_first_fault_of_the_table(void **state)
{
	static const struct {
		const char *query, *name;
	} rows[] = {
	    {"cursor=x&offset=x&limit=x&endDate=x&startDate=x&metaInfo=x&source=x&status=x&"
	     "productId=&entitlementId=&buyerId=&partner=x&foo=1",
	     "partner"},
	    {"cursor=x&offset=x&limit=x&endDate=x&startDate=x&metaInfo=x&source=x&status=x&"
	     "productId=&entitlementId=&buyerId=",
	     "buyerId"},
	    {"offset=x&limit=x&endDate=x&startDate=x&metaInfo=x&source=x&status=x&productId=&"
	     "entitlementId=",
	     "entitlementId"},
	    {"limit=x&endDate=x&startDate=x&metaInfo=x&source=x&status=x&productId=", "productId"},
	    {"foo=1&endDate=x&startDate=x&metaInfo=x&source=x&status=x", "status"},
	    {"endDate=x&startDate=x&metaInfo=x&source=x", "source"},
	    {"endDate=x&startDate=x&metaInfo=x", "metaInfo"},
	    {"endDate=x&startDate=x", "startDate"},
	    {"limit=x&endDate=x", "endDate"},
	    {"offset=x&limit=x", "limit"},
	    {"cursor=x&offset=x", "offset"},
	    {"foo=1&cursor=x", "cursor"},
	    {"limit=x&limit=y&partner=x", "partner"},
	    {"status=x&partner=AWS&buyerId=b", "only one"},
	    {"limit=x&startDate=2024-01-02&endDate=2024-01-01", "startDate"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_row(rows[i].query,
		           strncmp(fault(rows[i].query), rows[i].name, strlen(rows[i].name)) == 0);
}

static void test_filter_parse_of_the_organization(void **state)
{
	static const struct {
		const char *segment, *id, *message;
	} rows[] = {
	    {"a", "a", ""},
	    {"a%2Fb", "a/b", ""},
	    {"a+b", "a+b", ""},
	    {"a;b=c", "a;b=c", ""},
	    {"%C3%A9", "é", ""},
	    {"%zz", NULL, "orgId must not have a % without two hexadecimal digits, not \"%zz\""},
	    {"a%00", NULL, "orgId must not have control characters, not \"a%00\""},
	    {"%ED%A0%80", NULL, "orgId must be UTF-8, not \"%ED%A0%80\""},
	    {"", NULL, "orgId must be 1 to 255 characters, not \"\""},
	    {"a+b" HUNDRED HUNDRED HUNDRED, NULL,
	     "orgId must be 1 to 255 characters, not "
	     "\"a+bxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\""},
	};
	struct filter filter;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_row_text(rows[i].segment, parse(rows[i].segment, "", &filter), rows[i].message);
		if (rows[i].id != NULL)
			assert_row_text(rows[i].segment, filter.organization_id.text, rows[i].id);
	}
}

/* count times character, encoded or not. */
static char *repeat(char *out, const char *prefix, const char *character, int count)
{
	char *end = stpcpy(out, prefix);

	while (count-- > 0)
		end = stpcpy(end, character);
	return out;
}

static void test_filter_parse_counts_characters_not_bytes(void **state)
{
	char text[16 * 1024];
	struct filter filter;

	(void)state;
	assert_string_equal(fault(repeat(text, "buyerId=", "x", 255)), "");
	assert_string_equal(fault(repeat(text, "buyerId=", "%F0%9F%9A%80", 255)), "");
	assert_string_not_equal(fault(repeat(text, "buyerId=", "x", 256)), "");
	assert_string_not_equal(fault(repeat(text, "buyerId=", "%F0%9F%9A%80", 256)), "");
	assert_string_equal(parse(repeat(text, "", "%C3%A9", 255), "", &filter), "");
	assert_int_equal(filter.organization_id.len, 510);
	assert_string_not_equal(parse(repeat(text, "", "%C3%A9", 256), "", &filter), "");
}

static void test_filter_parse_cuts_what_it_quotes(void **state)
{
	static const char *const names[] = {
	    "partner=",   "buyerId=", "entitlementId=", "productId=", "status=", "source=",
	    "startDate=", "endDate=", "offset=",        "cursor=",    NULL};
	char text[64 * 1024];

	(void)state;
	assert_string_equal(fault(repeat(text, "limit=", "x", 8192)),
	                    "limit must be an integer from 1 to 1000, not "
	                    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\"");
	for (int count = METAINFO_LEN_MAX + 1; count < METAINFO_LEN_MAX + 4; count++) {
		assert_string_equal(fault(repeat(text, "metaInfo=", "x", count)),
		                    "metaInfo must be a JSON object of at most 4096 bytes and 16 levels; "
		                    "it is too long, not "
		                    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\"");
		assert_string_equal(fault(repeat(text, "buyerId=", "x", count)),
		                    "buyerId must be 1 to 255 characters, not "
		                    "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\"");
	}
	for (const char *const *name = names; *name != NULL; name++)
		assert_string_not_equal(fault(repeat(text, *name, "1", 5000)), "");
	assert_string_equal(fault(repeat(text, "limit=x", "%C3%A9", 100)),
	                    "limit must be an integer from 1 to 1000, not "
	                    "\"xééééééééééééééééééééééééééééé…\"");
	assert_string_equal(fault(repeat(text, "", "a=1&", 10000)),
	                    "\"a\" is not a parameter of this request");
	assert_string_equal(fault(repeat(text, "", "limit=1&", 8000)),
	                    "limit must be given once, not 8000 times");
}

static void test_filter_parse_of_dates(void **state)
{
	static const struct {
		const char *query;
		int32_t start_day, end_day;
	} rows[] = {
	    {"", TODAY - 30, TODAY},
	    {"startDate=2024-08-12", TODAY, TODAY},
	    {"startDate=2024-01-01", 19723, TODAY},
	    {"endDate=2024-01-31", 19723, 19753},
	    {"endDate=1000-01-15", UTC_FIRST_DAY, UTC_FIRST_DAY + 14},
	    {"startDate=1000-01-01&endDate=9999-12-31", UTC_FIRST_DAY, UTC_LAST_DAY},
	    /* a cursor keeps the end of the walk that it belongs to; 5b91a: 2026-11-24 */
	    {"cursor=1d790a60ed13-f423f-2-5b91a-c1f8622a", 20781 - 30, 20781},
	    {"cursor=1d790a60ed13-f423f-2-5b91a-c1f8622a&endDate=2024-01-31", 19723, 19753},
	    {"cursor=1d790a60ed13-f423f-2-5b91a-c1f8622a&startDate=2024-01-01", 19723, 20781},
	    {"cursor=", TODAY - 30, TODAY},
	    {"cursor=&startDate=2024-01-01", 19723, TODAY},
	    {"cursor=&endDate=2024-01-31", 19723, 19753},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct filter filter;
		assert_row_text(rows[i].query, parse("org", rows[i].query, &filter), "");
		assert_row(rows[i].query, filter.start_day == rows[i].start_day);
		assert_row(rows[i].query, filter.end_day == rows[i].end_day);
	}
}

static void test_filter_parse_fills_the_filter(void **state)
{
	struct filter filter;

	(void)state;
	assert_string_equal(parse("o",
	                          "productId=a%2fb+c&status=INVALID&source=&limit=7&offset=9"
	                          "&metaInfo=%7B%22a%22%3A%22x%5C%2Fy%22%7D",
	                          &filter),
	                    "");
	assert_string_equal(filter.product_id.text, "a/b c");
	assert_int_equal(filter.product_id.len, 5);
	assert_string_equal(filter.status, "INVALID");
	assert_string_equal(filter.source, "");
	assert_int_equal(filter.limit, 7);
	assert_int_equal(filter.offset, 9);
	assert_non_null(filter.meta_info);
	assert_true(slice_equals(metainfo_text(filter.meta_info), "{\"a\":\"x/y\"}"));
	filter_close(&filter);

	assert_string_equal(parse("o", "metaInfo=+%7B+%7D+", &filter), "");
	assert_null(filter.meta_info); /* every record contains {} */

	assert_string_equal(parse("o", "cursor=1d790a60ed13-f423f-2-5b91a-c1f8622a", &filter), "");
	assert_true(filter.has_cursor);
	assert_int_equal(filter.cursor.after.serial_id, 999999);
	assert_int_equal(filter.cursor.offset, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_filter_parse_without_parameters),
	    cmocka_unit_test(test_filter_parse_accepts),
	    cmocka_unit_test(test_filter_parse_refuses),
	    cmocka_unit_test(test_filter_parse_reports_the_first_fault_of_the_table),
	    cmocka_unit_test(test_filter_parse_of_the_organization),
	    cmocka_unit_test(test_filter_parse_counts_characters_not_bytes),
	    cmocka_unit_test(test_filter_parse_cuts_what_it_quotes),
	    cmocka_unit_test(test_filter_parse_of_dates),
	    cmocka_unit_test(test_filter_parse_fills_the_filter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
