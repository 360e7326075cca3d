/* The handler before a repository that is made up: linked in place of the real one. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "serve/authorizer.h"
#include "serve/handler.h"
#include "store/repository.h"
#include "store/rows.h"
#include "store/summary.h"
#include "store/walk.h"

/* What the next repository_find does, and what it was asked. */
static struct {
	enum repository_status status;
	uint32_t record_count; /* there are so many, whatever is asked for */
	unsigned begin_count;  /* how often it starts anew */
	bool was_asked;
	struct filter filter; /* without what it owns */
} database;

/* What the next authorizer_check answers, and what it was asked. */
static struct {
	enum authorizer_status status;
	char authorization[64], organization[512];
} keys;

static struct handler *handler;
static const char *search_location = "", *base_url = "", *accepted = "", *accept_encoding = "";
static struct http_response response;

enum authorizer_status authorizer_check(struct authorizer *authorizer, struct slice authorization,
                                        struct slice organization)
{
	(void)authorizer;
	snprintf(keys.authorization, sizeof keys.authorization, "%.*s", (int)authorization.len,
	         authorization.data);
	snprintf(keys.organization, sizeof keys.organization, "%.*s", (int)organization.len,
	         organization.data);
	return keys.status;
}

/* What the next summary_make gives: two groups, or what the status says. */
enum repository_status summary_make(struct summary *summary, const struct filter *filter,
                                    struct summary_result *result)
{
	static const struct summary_sum sums[] = {{{"a\"b", 3}, {.small = -15, .scale = 1}},
	                                          {{"=n", 2}, {.small = 1234567890123}}};
	static const struct summary_group groups[] = {
	    {.keys = {{"2024-08-12", 10}, {"x,\"y\"", 5}}, .count = 3, .sums = sums, .sum_count = 2},
	    {.keys = {{"2024-08-13", 10}, {"-z", 2}}, .count = 1, .unsummed = 2}};

	(void)summary;
	database.was_asked = true;
	database.filter = *filter;
	*result =
	    (struct summary_result){.groups = groups,
	                            .group_count = 2,
	                            .total = {.count = 4, .unsummed = 2, .sums = sums, .sum_count = 2}};
	return database.status;
}

/* What walk gives: parts of one record each, so many, and then what the status says. */
static struct {
	unsigned part_count, given_count;
	enum repository_status status;
	bool is_open;
	struct walk_sink sink;
	struct repository_result result;
} walk;

struct record rows_record(const struct rows *rows)
{
	(void)rows;
	return (struct record){.id = slice_of("=r"),
	                       .partner = slice_of("AWS"),
	                       .status = slice_of("REPORTED"),
	                       .records = slice_of("{\"a,b\":1.50,\"c\":2e3}"),
	                       .creation_time = {2024, 8, 12, 1, 2, 15, 910},
	                       .last_update_time = {2024, 8, 12, 1, 2, 15, 910},
	                       .serial_id = walk.given_count};
}

enum repository_status walk_next(struct walk *unused, bool *is_end)
{
	(void)unused;
	*is_end = walk.given_count == walk.part_count && walk.status == REPOSITORY_OK;
	if (walk.given_count == walk.part_count)
		return walk.status;
	walk.given_count++;
	walk.result.row_count++;
	assert_int_not_equal(walk.sink.take(walk.sink.context, NULL), WALK_FAILED);
	return REPOSITORY_OK;
}

enum repository_status walk_begin(struct walk *unused, const struct filter *filter,
                                  uint32_t columns, const struct walk_sink *sink)
{
	bool is_end;

	assert_int_equal(columns, QUERY_PAGE);
	database.was_asked = walk.is_open = true;
	database.filter = *filter;
	walk.sink = *sink;
	walk.given_count = 0;
	walk.result = (struct repository_result){.row_count = 0};
	sink->begin(sink->context);
	return walk_next(unused, &is_end);
}

void walk_end(struct walk *unused)
{
	(void)unused;
	walk.is_open = false;
}

const struct repository_result *walk_result(const struct walk *unused)
{
	(void)unused;
	return &walk.result;
}

void summary_clear(struct summary *summary)
{
	(void)summary;
}

void repository_tend(struct repository *repository)
{
	(void)repository;
}

enum repository_status repository_check(struct repository *repository)
{
	(void)repository;
	return database.status;
}

enum repository_status repository_find(struct repository *repository, const struct filter *filter,
                                       const struct repository_sink *sink,
                                       struct repository_result *result)
{
	struct record record = {.id = slice_of("r"),
	                        .partner = slice_of("AWS"),
	                        .status = slice_of("REPORTED"),
	                        .creation_time = {2024, 8, 12, 1, 2, 15, 910},
	                        .last_update_time = {2024, 8, 12, 1, 2, 15, 910}};

	(void)repository;
	database.was_asked = true;
	database.filter = *filter;
	for (unsigned attempt = 0; attempt <= database.begin_count; attempt++) {
		*result = (struct repository_result){.retry_count = attempt};
		sink->begin(sink->context);
		while (result->row_count < filter->limit && result->row_count < database.record_count) {
			record.serial_id = ++result->row_count;
			assert_true(sink->add(sink->context, &record));
		}
	}
	result->has_more = result->row_count < database.record_count;
	result->last = (struct record_position){1723424535910, result->row_count};
	return database.status;
}

static const char *ask_for(enum http_role role, const char *method, const char *target,
                           const char *query)
{
	struct http_request request = {.method = method,
	                               .target = target,
	                               .query = query,
	                               .request_id = "test-1",
	                               .authorization = "Key s3cret",
	                               .accept = accepted,
	                               .accept_encoding = accept_encoding,
	                               .protocol = "HTTP/1.1",
	                               .search_location = search_location,
	                               .cells_location = "",
	                               .base_url = base_url,
	                               .role = role};
	static char text[HTTP_HEADERS_SIZE];

	database.was_asked = false;
	handler_respond(handler, &request, &response);
	handler_finish(handler, &request, &response, true, 0.1);
	snprintf(text, sizeof text, "%.*s", (int)response.headers.len, response.headers.data);
	return text;
}

static const char *ask_as(const char *method, const char *target, const char *query)
{
	return ask_for(HTTP_CALL, method, target, query);
}

static const char *ask(const char *target)
{
	return ask_as("GET", target, "");
}

static const char *body(void)
{
	static char text[8192];

	snprintf(text, sizeof text, "%.*s", (int)response.body.len, response.body.data);
	return text;
}

/* Which header of Accept-Encoding gets which answer of which size. */
static void test_handler_compresses(void **state)
{
	static const struct {
		const char *accept_encoding;
		uint32_t record_count;
		int status;
		bool is_compressed;
	} rows[] = {
	    {"", 100, 200, false},
	    {"gzip", 100, 200, true},
	    {"gzip, deflate, br", 100, 200, true},
	    {"gzip;q=0", 100, 200, false},
	    {"identity;q=1, gzip;q=0.5", 100, 200, false},
	    {"br", 100, 200, false},
	    {"*", 100, 200, true},
	    {"gzip", 1, 200, false}, /* fits one packet anyway */
	    {"gzip, identity;q=0", 1, 200, true},
	    {"br, *;q=0", 100, 406, false},
	    {"identity;q=0", 1, 406, false},
	};
	char headers[HTTP_HEADERS_SIZE];

	(void)state;
	database.status = REPOSITORY_OK;
	database.begin_count = 0;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		accept_encoding = rows[i].accept_encoding;
		database.record_count = rows[i].record_count;
		for (int is_head = 0; is_head < 2; is_head++) {
			const char *given = ask_as(is_head ? "HEAD" : "GET", "/org/o/usageRecordGroup", "");
			char length[64];
			assert_row(rows[i].accept_encoding, response.status == rows[i].status);
			assert_row(rows[i].accept_encoding, (strstr(given, "\r\nContent-Encoding: gzip\r\n") !=
			                                     NULL) == rows[i].is_compressed);
			assert_row(rows[i].accept_encoding, strstr(given, "Vary: Accept, Accept-Encoding\r\n"));
			snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", response.body.len);
			assert_row(rows[i].accept_encoding, strstr(given, length));
			assert_row(rows[i].accept_encoding,
			           (memcmp(response.body.data, "\x1f\x8b", 2) == 0) == rows[i].is_compressed);
			if (is_head == 0)
				snprintf(headers, sizeof headers, "%s", given);
			else
				/* Up to the times, which are never the same. */
				assert_memory_equal(given, headers,
				                    (size_t)(strstr(headers, "\r\nServer-Timing: ") - headers));
		}
	}
	accept_encoding = "";
}

static void test_handler_passes_searches_on(void **state)
{
	static const struct {
		const char *query;
		bool is_search;
	} rows[] = {
	    {"metaInfo=%7B%22a%22:1%7D", true},
	    {"offset=10000", true},
	    {"offset=2147483647", true},
	    {"metaInfo=%7B%7D", false},
	    {"offset=9999", false},
	    {"limit=1000", false},
	    {"metaInfo=%7B", false},
	    {"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		search_location = "@searches";
		const char *headers = ask_as("GET", "/org/acme/usageRecordGroup", rows[i].query);
		bool is_passed_on =
		    strcmp(headers, "Status: 200 OK\r\nX-Accel-Redirect: @searches\r\n\r\n") == 0;
		search_location = "";
		if (is_passed_on != rows[i].is_search || (is_passed_on && database.was_asked))
			fail_msg("%s: %s", rows[i].query, headers);
		headers = ask_as("GET", "/org/acme/usageRecordGroup", rows[i].query);
		if (strstr(headers, "X-Accel") != NULL || response.is_passed_on)
			fail_msg("%s, one pool: %s", rows[i].query, headers);
		search_location = "here";
		headers = ask_as("GET", "/org/acme/usageRecordGroup", rows[i].query);
		if (strstr(headers, "X-Accel") != NULL || response.is_passed_on)
			fail_msg("%s, the pool for searches: %s", rows[i].query, headers);
		search_location = "";
	}
}

static void test_handler_routes(void **state)
{
	static const struct {
		const char *target;
		int status;
	} rows[] = {
	    {"/org/acme/usageRecordGroup", 200},
	    {"/org/acme/usageRecordGroup?", 200},
	    {"/org/acme/usageRecordGroup?limit=1", 200},
	    {"/org/a%2Fb/usageRecordGroup", 200},
	    {"/org/a+b/usageRecordGroup", 200},
	    {"/org/a;b/usageRecordGroup", 200},
	    {"/%6Frg/acme/usageRecord%47roup", 200},
	    {"/org/%20/usageRecordGroup", 200},
	    {"/org/.../usageRecordGroup", 200},
	    {"/org//usageRecordGroup", 400},
	    {"//org/acme/usageRecordGroup", 400},
	    {"/org/acme//usageRecordGroup", 400},
	    {"/org/acme/usageRecordGroup/", 400},
	    {"/org/./usageRecordGroup", 400},
	    {"/org/../usageRecordGroup", 400},
	    {"/org/%2e%2E/usageRecordGroup", 400},
	    {"/org/a/../b/usageRecordGroup", 400},
	    {"/", 400},
	    {"", 404},
	    {"*", 400},
	    {"org/acme/usageRecordGroup", 400},
	    {"http://host/org/acme/usageRecordGroup", 400},
	    {"/org/%00/usageRecordGroup", 400},
	    {"/org/%zz/usageRecordGroup", 400},
	    {"/org/acme/usageRecordGroup?x=1", 400},
	    {"/org", 404},
	    {"/org/acme", 404},
	    {"/org/acme/usageRecordGroups", 404},
	    {"/org/acme/usagerecordgroup", 404},
	    {"/Org/acme/usageRecordGroup", 404},
	    {"/org/acme/usageRecordGroup/1/2", 404},
	    {"/org/acme%2FusageRecordGroup", 404},
	    {"/organization/acme/usageRecordGroup", 404},
	    {"/org/acme/usageRecordGroup/1", 200},
	    {"/org/acme/usageRecordGroup/..", 400},
	    {"/org/acme/entitlement/e/usageRecordGroup", 200},
	    {"/org/acme/product/usageRecordGroup/usageRecordGroup", 200},
	    {"/org/acme/entitlement//usageRecordGroup", 400},
	    {"/org/acme/entitlement/%2E/usageRecordGroup", 400},
	    {"/org/acme/entitlement/usageRecordGroup", 404},
	    {"/org/acme/buyer/b/usageRecordGroup", 404},
	    {"/org/acme/product/p/usageRecordGroup/1", 404},
	    {"/org/acme/%zz", 404},
	};

	(void)state;
	database.status = REPOSITORY_OK;
	database.record_count = 1;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ask(rows[i].target);
		if (response.status != rows[i].status)
			fail_msg("%s: %d, not %d", rows[i].target, response.status, rows[i].status);
		assert_row(rows[i].target, database.was_asked == (rows[i].status == 200));
		assert_row(rows[i].target, (body()[0] == '{') == (rows[i].status == 200));
	}
}

static void test_handler_reads_filters_from_the_path(void **state)
{
	static const struct {
		const char *target, *entitlement, *product, *fault;
	} rows[] = {
	    {"/org/acme/entitlement/e%2F1+2/usageRecordGroup", "e/1+2", "", NULL},
	    {"/org/acme/product/p/usageRecordGroup?status=REPORTED&limit=1", "", "p", NULL},
	    {"/org/acme/product/p%ff/usageRecordGroup", "", "",
	     "\"productId must be UTF-8, not \\\"p%ff\\\"\""},
	    {"/org/acme/product/p/usageRecordGroup?partner=AWS", "", "",
	     "\"only one of partner, buyerId, entitlementId and productId may be given\""},
	    {"/org/acme/entitlement/e/usageRecordGroup?productId=p", "", "",
	     "\"only one of partner, buyerId, entitlementId and productId may be given\""},
	    {"/org/acme/entitlement/e/usageRecordGroup?entitlementId=e", "", "",
	     "\"entitlementId must be given once, not 2 times\""},
	    {"/org/acme/entitlement/e/usageRecordGroup?limit=0&partner=x", "", "",
	     "\"partner must be AWS, AZURE or GCP, not \\\"x\\\"\""},
	    {"/org/acme/usageRecordGroup?orgId=acme", "", "",
	     "\"\\\"orgId\\\" is not a parameter of this request\""},
	};

	(void)state;
	database.status = REPOSITORY_OK;
	database.record_count = 1;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ask(rows[i].target);
		assert_row(rows[i].target, response.status == (rows[i].fault == NULL ? 200 : 400));
		assert_row(rows[i].target, database.was_asked == (rows[i].fault == NULL));
		if (rows[i].fault != NULL) {
			assert_row_text(rows[i].target, body(), rows[i].fault);
			continue;
		}
		assert_row_text(rows[i].target, database.filter.entitlement_id.text, rows[i].entitlement);
		assert_row_text(rows[i].target, database.filter.product_id.text, rows[i].product);
	}
}

static void test_handler_answers_one_record(void **state)
{
	static const char *const faults[] = {"/org/acme/usageRecordGroup/r?limit=1",
	                                     "/org/acme/usageRecordGroup/%00",
	                                     "/org/acme/usageRecordGroup/"};

	(void)state;
	database.status = REPOSITORY_OK;
	database.record_count = 1;
	ask("/org/acme/usageRecordGroup/r%2F1");
	assert_int_equal(response.status, 200);
	assert_string_equal(database.filter.id.text, "r/1");
	assert_memory_equal(body(), "{\"buyerID\":\"\",\"creationTime\"", 28);
	assert_int_equal(body()[response.body.len - 1], '}');
	database.record_count = 0;
	ask("/org/acme/usageRecordGroup/r%2F1");
	assert_int_equal(response.status, 404);
	assert_string_equal(body(), "\"this organization has no usage record group of that id\"");
	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		ask(faults[i]);
		assert_row(faults[i], response.status == 400 && !database.was_asked);
	}
	database.status = REPOSITORY_TIMEOUT;
	ask("/org/acme/usageRecordGroup/r");
	assert_int_equal(response.status, 500);
	database.status = REPOSITORY_OK;
}

static void test_handler_answers_a_summary(void **state)
{
	static const struct {
		const char *accept, *query, *content_type, *body;
	} rows[] = {
	    {"", "groupBy=day,buyerId", "application/json",
	     "{\"groups\":[{\"day\":\"2024-08-12\",\"buyerId\":\"x,\\\"y\\\"\",\"count\":3,\"amounts\":"
	     "{\"a\\\"b\":-1.5,\"=n\":1234567890123},\"unsummed\":0},{\"day\":\"2024-08-13\","
	     "\"buyerId\":"
	     "\"-z\",\"count\":1,\"amounts\":{},\"unsummed\":2}],\"count\":4,\"amounts\":"
	     "{\"a\\\"b\":-1.5,\"=n\":1234567890123},\"unsummed\":2}"},
	    {"*/*", "groupBy=day,buyerId&amounts=false", "application/json",
	     "{\"groups\":[{\"day\":\"2024-08-12\",\"buyerId\":\"x,\\\"y\\\"\",\"count\":3},"
	     "{\"day\":\"2024-08-13\",\"buyerId\":\"-z\",\"count\":1}],\"count\":4}"},
	    {"text/csv", "groupBy=day,buyerId", "text/csv; charset=utf-8; header=present",
	     "day,buyerId,count,unsummed,dimension,quantity\r\n"
	     "2024-08-12,\"x,\"\"y\"\"\",3,0,\"a\"\"b\",-1.5\r\n"
	     "2024-08-12,\"x,\"\"y\"\"\",0,0,'=n,1234567890123\r\n2024-08-13,'-z,1,2,,\r\n"},
	    {"text/csv", "groupBy=day,dimension", "text/csv; charset=utf-8; header=present",
	     "day,dimension,count,unsummed,quantity\r\n2024-08-12,\"x,\"\"y\"\"\",3,0,-1.5\r\n"
	     "2024-08-12,\"x,\"\"y\"\"\",0,0,1234567890123\r\n2024-08-13,'-z,1,2,\r\n"},
	    {"text/csv", "groupBy=day,status&amounts=false", "text/csv; charset=utf-8; header=present",
	     "day,status,count\r\n2024-08-12,\"x,\"\"y\"\"\",3\r\n2024-08-13,'-z,1\r\n"},
	    {"application/x-ndjson", "amounts=false", "application/x-ndjson",
	     "{\"day\":\"2024-08-12\",\"status\":\"x,\\\"y\\\"\",\"count\":3}\n"
	     "{\"day\":\"2024-08-13\",\"status\":\"-z\",\"count\":1}\n"},
	};
	char expected[128];

	(void)state;
	database.status = REPOSITORY_OK;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		accepted = rows[i].accept;
		const char *headers = ask_as("GET", "/org/acme/usageRecordSummary", rows[i].query);
		assert_row(rows[i].query, response.status == 200 && response.work == HTTP_SEARCH);
		assert_row_text(rows[i].query, body(), rows[i].body);
		snprintf(expected, sizeof expected, "\r\nContent-Type: %s\r\n", rows[i].content_type);
		assert_row(rows[i].query, strstr(headers, expected) != NULL);
	}
	accepted = "text/html";
	ask("/org/acme/usageRecordSummary");
	assert_int_equal(response.status, 406);
	assert_string_equal(body(),
	                    "\"Accept must allow application/json, application/x-ndjson or text/csv\"");
	accepted = "";
}

/* All parts of an answer, as the web server gets them; "!" behind them when it breaks off. */
static const char *parts_of(const char *target, char *text, size_t size)
{
	struct http_request request = {.method = "GET",
	                               .target = target,
	                               .query = "",
	                               .request_id = "test-1",
	                               .authorization = "",
	                               .accept = accepted,
	                               .accept_encoding = accept_encoding,
	                               .protocol = "HTTP/1.1",
	                               .search_location = search_location,
	                               .cells_location = "",
	                               .base_url = "",
	                               .role = HTTP_CALL};
	size_t len = 0;
	bool is_sent = true;

	handler_respond(handler, &request, &response);
	for (;;) {
		len += (size_t)snprintf(text + len, size - len, "%.*s", (int)response.body.len,
		                        response.body.data);
		assert_true(len < size);
		if (!response.has_more)
			break;
		if (!(is_sent = handler_go_on(handler, &response))) {
			snprintf(text + len, size - len, "!");
			break;
		}
	}
	handler_finish(handler, &request, &response, is_sent, 0.1);
	assert_false(walk.is_open);
	return text;
}

#define LINE(serial)                                                                               \
	"{\"buyerID\":\"\",\"creationTime\":\"2024-08-12T01:02:15.910Z\",\"entitlementID\":\"\","      \
	"\"id\":\"="                                                                                   \
	"r\",\"lastUpdateTime\":\"2024-08-12T01:02:15.910Z\",\"metaInfo\":{},\"organizationID\":"      \
	"\"a/b\",\"partner\":\"AWS\",\"records\":{\"a,b\":1.50,\"c\":2e3},\"serialID\":" serial        \
	",\"status\":\"REPORTED\",\"usageRecordReportID\":\"\"}\n"
#define CSV_HEAD                                                                                   \
	"buyerID,creationTime,entitlementID,id,lastUpdateTime,metaInfo,organizationID,partner,"        \
	"dimension,quantity,serialID,status,usageRecordReportID\r\n"
#define CSV_LINE(amount)                                                                           \
	",2024-08-12T01:02:15.910Z,,'=r,2024-08-12T01:02:15.910Z,{},a/b,AWS," amount ",1,REPORTED,"    \
	"\r\n"

static void test_handler_exports(void **state)
{
	static const struct {
		const char *accept;
		unsigned part_count;
		enum repository_status status;
		int expected_status;
		const char *content_type, *expected;
	} rows[] = {
	    {"application/x-ndjson", 2, REPOSITORY_OK, 200, "application/x-ndjson",
	     LINE("1") LINE("2")},
	    {"text/csv", 1, REPOSITORY_OK, 200, "text/csv; charset=utf-8; header=present",
	     CSV_HEAD CSV_LINE("\"a,b\",1.50") CSV_LINE("c,2e3")},
	    {"text/csv", 0, REPOSITORY_OK, 200, "text/csv; charset=utf-8; header=present", CSV_HEAD},
	    {"text/csv", 1, REPOSITORY_FAILED, 500, "application/json",
	     "\"internal server error, request id test-1\""},
	    {"text/csv", 0, REPOSITORY_TOO_COSTLY, 400, "application/json",
	     "\"metaInfo must be simpler: one record's metaInfo is too long to be held against it\""},
	};
	char text[4096], expected[128];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		accepted = rows[i].accept;
		walk.part_count = rows[i].part_count;
		walk.status = rows[i].status;
		assert_row_text(rows[i].accept, parts_of("/org/a%2Fb/usageRecordGroup", text, sizeof text),
		                rows[i].expected);
		assert_row(rows[i].accept, response.status == rows[i].expected_status);
		assert_row(rows[i].accept, response.work == HTTP_SEARCH);
		snprintf(expected, sizeof expected, "\r\nContent-Type: %s\r\n", rows[i].content_type);
		assert_row(rows[i].accept, strstr(response.headers_data, expected) != NULL);
		assert_row(rows[i].accept,
		           response.status != 200 ||
		               strstr(response.headers_data, "filename=\"usage-records_a_b_") != NULL);
	}
	accepted = "";
	walk.status = REPOSITORY_OK;
}

/* Answers in parts have no length, and no end when there is a fault. */
static void test_handler_breaks_an_export_off(void **state)
{
	static char text[1024 * 1024];
	static const char end[] = "\"usageRecordReportID\":\"\"}\n";

	(void)state;
	accepted = "application/x-ndjson";
	walk.part_count = 1000;
	for (int i = 0; i < 2; i++) {
		walk.status = i == 0 ? REPOSITORY_OK : REPOSITORY_UNAVAILABLE;
		parts_of("/org/a%2Fb/usageRecordGroup", text, sizeof text);
		assert_int_equal(response.status, 200);
		assert_null(strstr(response.headers_data, "Content-Length"));
		assert_int_equal(response.is_broken, i == 1);
		assert_int_equal(response.body_len, strlen(text) - (i == 1));
		text[response.body_len] = '\0';
		assert_string_equal(text + response.body_len - strlen(end), end);
	}
	accept_encoding = "gzip";
	walk.status = REPOSITORY_OK;
	parts_of("/org/a%2Fb/usageRecordGroup", text, sizeof text);
	assert_true(response.body_len > 0 && response.body_len < 100000);
	assert_non_null(strstr(response.headers_data, "Content-Encoding: gzip"));
	accepted = accept_encoding = "";
	walk.status = REPOSITORY_OK;
}

static void test_handler_refuses_a_summary(void **state)
{
	static const char groups[] =
	    "groupBy must be one to three different ones of day, month, partner, buyerId, "
	    "entitlementId, productId, status, source and dimension, with commas between them, not ";
	static const struct {
		const char *query, *given;
	} rows[] = {
	    {"groupBy=", ""},
	    {"groupBy=days", "days"},
	    {"groupBy=day,", "day,"},
	    {"groupBy=,day", ",day"},
	    {"groupBy=day,day", "day,day"},
	    {"groupBy=day,month,partner,status", "day,month,partner,status"},
	    {"groupBy=Day", "Day"},
	    {"groupBy=day+,status", "day ,status"},
	};
	char expected[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ask_as("GET", "/org/acme/usageRecordSummary", rows[i].query);
		snprintf(expected, sizeof expected, "\"%s\\\"%s\\\"\"", groups, rows[i].given);
		assert_row_text(rows[i].query, body(), expected);
	}
	ask("/org/acme/usageRecordSummary?amounts=1");
	assert_string_equal(body(), "\"amounts must be true or false, not \\\"1\\\"\"");
	ask("/org/acme/usageRecordSummary?limit=1");
	assert_string_equal(body(), "\"\\\"limit\\\" is not a parameter of this request\"");
	ask("/org/acme/usageRecordGroup?groupBy=day");
	assert_string_equal(body(), "\"\\\"groupBy\\\" is not a parameter of this request\"");
	database.status = REPOSITORY_TOO_MANY_GROUPS;
	ask("/org/acme/usageRecordSummary");
	assert_int_equal(response.status, 400);
	database.status = REPOSITORY_UNAVAILABLE;
	ask("/org/acme/usageRecordSummary");
	assert_int_equal(response.status, 500);
	database.status = REPOSITORY_OK;
	search_location = "@searches";
	ask("/org/acme/usageRecordSummary");
	assert_true(response.is_passed_on);
	search_location = "";
}

static void test_handler_answers_a_page(void **state)
{
	(void)state;
	database.status = REPOSITORY_OK;
	database.record_count = 1;
	const char *headers = ask("/org/ac%22me/usageRecordGroup");
	assert_int_equal(response.status, 200);
	assert_string_equal(
	    body(), "{\"nextOffset\":0,\"usageRecordGroups\":[{\"buyerID\":\"\","
	            "\"creationTime\":\"2024-08-12T01:02:15.910Z\",\"entitlementID\":\"\","
	            "\"id\":\"r\",\"lastUpdateTime\":\"2024-08-12T01:02:15.910Z\",\"metaInfo\":{},"
	            "\"organizationID\":\"ac\\\"me\",\"partner\":\"AWS\",\"records\":{},"
	            "\"serialID\":1,\"status\":\"REPORTED\",\"usageRecordReportID\":\"\"}]}");
	assert_memory_equal(headers, "Status: 200 OK\r\nContent-Type: application/json\r\n", 48);
	assert_non_null(strstr(headers, "\r\nX-Request-Id: test-1\r\n"));
	assert_non_null(strstr(headers, "\r\nServer-Timing: db;dur="));
	assert_non_null(strstr(headers, "\r\nCache-Control: private, no-store\r\n"
	                                "Vary: Accept, Accept-Encoding\r\n\r\n"));
	assert_null(strstr(headers, "Link:"));
}

static void test_handler_starts_the_body_anew(void **state)
{
	(void)state;
	database.status = REPOSITORY_OK;
	database.record_count = 1;
	ask("/org/acme/usageRecordGroup");
	size_t len = response.body.len;
	database.begin_count = 1;
	ask("/org/acme/usageRecordGroup");
	assert_int_equal(response.body.len, len);
	database.begin_count = 0;
}

/* The link and nextOffset of the page before, followed. */
static void test_handler_links_to_the_next_page(void **state)
{
	static const struct {
		const char *target, *query;
		uint32_t next_offset;
		const char *base_url, *link;
	} rows[] = {
	    {"/org/acme/usageRecordGroup?limit=2", "", 2, "", "<?limit=2&cursor="},
	    {"/org/acme/usageRecordGroup?limit=2&offset=10", "", 12, "", "<?limit=2&cursor="},
	    {"/org/acme/usageRecordGroup?&&offset=10&&limit=2&", "", 12, "", "<?limit=2&cursor="},
	    {"/org/a/usageRecordGroup?%6Ci%6dit=%32&buyerId=x+y%20%C3%A9%2f%2B%26%3d", "", 2, "",
	     "<?limit=2&buyerId=x+y+%C3%A9/%2B%26=&cursor="},
	    {"/org/acme/usageRecordGroup?limit=2&metaInfo={%20\"a\"+:+\"<\\u003e+\"}", "", 2, "",
	     "<?limit=2&metaInfo=%7B%22a%22:%22%3C%3E+%22%7D&cursor="},
	    {"/org/acme/usageRecordGroup?limit=2&metaInfo=%7B%7D", "", 2, "", "<?limit=2&cursor="},
	    {"/org/a#b/usageRecordGroup?limit=2&buyerId=c#d", "", 2, "",
	     "<?limit=2&buyerId=c%23d&cursor="},
	    {"/org/acme/usageRecordGroup?limit=2&source", "", 2, "", "<?limit=2&source=&cursor="},
	    {"/org/acme/usageRecordGroup?limit=2&cursor=1d790a60ed13-f423f-2-5b91a-c1f8622a", "", 4, "",
	     "<?limit=2&cursor="},
	    {"/org/acme/usageRecordGroup?limit=2&cursor=", "", 2, "", "<?limit=2&cursor="},
	    {"/org/acme/usageRecordGroup", "limit=2", 2, "", "<?limit=2&cursor="},
	    {"/org/acme/usageRecordGroup?limit=2&offset=2147483646", "", 2147483647, "",
	     "<?limit=2&cursor="},
	    {"/org/acme/entitlement/e1/usageRecordGroup?limit=2", "", 2, "", "<?limit=2&cursor="},
	    {"/org/a%2Fb+c/usageRecordGroup?limit=2", "", 2, "https://example.com",
	     "<https://example.com/org/a%2Fb+c/usageRecordGroup?limit=2&cursor="},
	    {"/org/\xc3\xa9#/usageRecordGroup?limit=2", "", 2, "https://example.com/billing/",
	     "<https://example.com/billing/org/%C3%A9%23/usageRecordGroup?limit=2&cursor="},
	};
	char expected[64];

	(void)state;
	database.status = REPOSITORY_OK;
	database.record_count = 3;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		base_url = rows[i].base_url;
		const char *headers = ask_as("GET", rows[i].target, rows[i].query);
		assert_row(rows[i].target, response.status == 200);
		snprintf(expected, sizeof expected, "{\"nextOffset\":%u,", rows[i].next_offset);
		assert_row(rows[i].target, strncmp(body(), expected, strlen(expected)) == 0);
		const char *link = strstr(headers, "Link: ");
		assert_row(rows[i].target, link != NULL);
		assert_row(rows[i].target, strncmp(link + 6, rows[i].link, strlen(rows[i].link)) == 0);
		const char *end = strstr(link, ">; rel=\"next\"\r\n");
		assert_row(rows[i].target, end != NULL);

		char next[512];
		const char *query = strchr(link, '?');
		snprintf(next, sizeof next, "%.*s%.*s", (int)strcspn(rows[i].target, "?"), rows[i].target,
		         (int)(end - query), query);
		ask(next);
		assert_row(next, response.status == 200);
		assert_row(next, database.filter.has_cursor);
		assert_row(next, database.filter.cursor.after.creation_ms == 1723424535910);
		assert_row(next, database.filter.cursor.after.serial_id == 2);
		assert_row(next, database.filter.cursor.offset == rows[i].next_offset);
	}
	base_url = "";
}

static void test_handler_keeps_the_days_of_a_walk(void **state)
{
	char next[512];

	(void)state;
	database.status = REPOSITORY_OK;
	database.record_count = 3;
	const char *link = strstr(ask("/org/acme/usageRecordGroup?limit=2"), "<?");
	int32_t end_day = database.filter.end_day;
	snprintf(next, sizeof next, "/org/acme/usageRecordGroup%.*s", (int)strcspn(link + 1, ">"),
	         link + 1);
	ask(next);
	assert_int_equal(database.filter.cursor.end_day, end_day);
	assert_int_equal(database.filter.end_day, end_day);
}

static void test_handler_of_faults_of_the_database(void **state)
{
	static const enum repository_status rows[] = {REPOSITORY_UNAVAILABLE, REPOSITORY_TIMEOUT,
	                                              REPOSITORY_FAILED};

	(void)state;
	database.record_count = 3;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		database.status = rows[i];
		const char *headers = ask("/org/acme/usageRecordGroup?limit=2");
		assert_int_equal(response.status, 500);
		assert_string_equal(body(), "\"internal server error, request id test-1\"");
		assert_null(strstr(headers, "Link:"));
	}
	database.status = REPOSITORY_OK;
}

static void test_handler_of_head(void **state)
{
	(void)state;
	database.record_count = 3;
	ask("/org/acme/usageRecordGroup?limit=2");
	size_t len = response.body.len;
	const char *headers = ask_as("HEAD", "/org/acme/usageRecordGroup?limit=2", "");
	assert_true(response.is_head);
	assert_int_equal(response.body.len, len);
	assert_non_null(strstr(headers, "Link: "));
	ask("/org/acme/usageRecordGroup?limit=2");
	assert_false(response.is_head);
}

static void test_handler_of_other_methods(void **state)
{
	static const char *const rows[] = {"POST", "PUT", "DELETE", "OPTIONS", "get", ""};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *headers = ask_as(rows[i], "/org/acme/usageRecordGroup", "");
		assert_row(rows[i], response.status == 405);
		assert_row(rows[i], strstr(headers, "Allow: GET, HEAD\r\n") != NULL);
		assert_row(rows[i], !database.was_asked);
	}
}

static void test_handler_request_id(void **state)
{
	static const struct {
		const char *given;
		bool is_kept;
	} rows[] = {
	    {"a", true},
	    {"A-Z_a.z-09", true},
	    {"0123456789012345678901234567890123456789012345678901234567890123", true},
	    {"01234567890123456789012345678901234567890123456789012345678901234", false},
	    {"", false},
	    {"a b", false},
	    {"a\r\nSet-Cookie: x", false},
	    {"é", false},
	    {"<script>", false},
	};
	char expected[128];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct http_request request = {.method = "GET",
		                               .target = "/",
		                               .query = "",
		                               .request_id = rows[i].given,
		                               .authorization = "",
		                               .accept = "",
		                               .accept_encoding = "",
		                               .protocol = "HTTP/1.1",
		                               .search_location = "",
		                               .cells_location = "",
		                               .base_url = "",
		                               .role = HTTP_CALL};
		handler_respond(handler, &request, &response);
		text_end(&response.headers);
		snprintf(expected, sizeof expected, "\r\nX-Request-Id: %s\r\n", rows[i].given);
		assert_row(rows[i].given,
		           (strstr(response.headers.data, expected) != NULL) == rows[i].is_kept);
		const char *id = strstr(response.headers.data, "X-Request-Id: ") + 14;
		assert_row(rows[i].given, strcspn(id, "\r") >= 1 && strcspn(id, "\r") <= 64);
		if (!rows[i].is_kept)
			assert_row(rows[i].given, strspn(id, "0123456789abcdef") == 32);
	}
}

static void test_handler_as_an_authorizer(void **state)
{
	static const struct {
		enum authorizer_status keys;
		int status;
		const char *header;
	} rows[] = {
	    {AUTHORIZER_ALLOWED, 200, ""},
	    {AUTHORIZER_NO_KEY, 401, "WWW-Authenticate: Key realm=\"usage-record-api\"\r\n"},
	    {AUTHORIZER_FORBIDDEN, 403, ""},
	    {AUTHORIZER_FAILED, 500, ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		keys.status = rows[i].keys;
		const char *headers =
		    ask_for(HTTP_AUTHORIZER, "GET", "/org/ac%2Fme/usageRecordGroup?x=1", "");
		assert_int_equal(response.status, rows[i].status);
		assert_non_null(strstr(headers, rows[i].header));
		assert_string_equal(keys.authorization, "Key s3cret");
		assert_string_equal(keys.organization, "ac/me");
		assert_false(database.was_asked);
		assert_null(strstr(headers, "s3cret"));
		assert_null(strstr(body(), "s3cret"));
	}
}

static void test_handler_of_an_unknown_role(void **state)
{
	(void)state;
	keys.status = AUTHORIZER_ALLOWED;
	ask_for(HTTP_ROLE_COUNT, "GET", "/org/acme/usageRecordGroup", "");
	assert_int_equal(response.status, 500);
	assert_false(database.was_asked);
}

/* What the authorizer is asked about is what the call would answer about, or nobody. */
static void test_handler_reads_the_organization_in_one_way(void **state)
{
	static const struct {
		const char *target, *organization;
	} rows[] = {
	    {"/org/acme/usageRecordGroup", "acme"},
	    {"/org/acme/other", "acme"},
	    {"/org/acme", "acme"},
	    {"/%6Frg/%61cme/usageRecordGroup", "acme"},
	    {"/org/a+b/usageRecordGroup", "a+b"},
	    {"/org/Acme/usageRecordGroup", "Acme"},
	    {"/org/acme%20/usageRecordGroup", "acme "},
	    {"/org/acme/usageRecordGroup/", "acme"},
	    {"/org/acme//usageRecordGroup", "acme"},
	    {"/org/acme//../other/usageRecordGroup", ""},
	    {"/org/acme/../other/usageRecordGroup", ""},
	    {"/org/acme/./usageRecordGroup", ""},
	    {"/org//acme/usageRecordGroup", ""},
	    {"//org/acme/usageRecordGroup", ""},
	    {"/org/acme%00/usageRecordGroup", ""},
	    {"/org/%zz/usageRecordGroup", ""},
	    {"/org/%ff/usageRecordGroup", ""},
	    {"/", ""},
	    {"", ""},
	};

	(void)state;
	keys.status = AUTHORIZER_ALLOWED;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ask_for(HTTP_AUTHORIZER, "GET", rows[i].target, "");
		assert_row_text(rows[i].target, keys.organization, rows[i].organization);
		ask(rows[i].target);
		assert_row(rows[i].target,
		           !database.was_asked ||
		               strcmp(database.filter.organization_id.text, rows[i].organization) == 0);
	}
}

static void test_handler_of_local_paths(void **state)
{
	static const struct {
		const char *target;
		enum repository_status database;
		int status;
		const char *begin;
	} rows[] = {
	    {"/healthz", REPOSITORY_OK, 200, "\"alive\""},
	    {"/healthz", REPOSITORY_UNAVAILABLE, 200, "\"alive\""},
	    {"/readyz", REPOSITORY_OK, 200, "\"the database answers\""},
	    {"/readyz", REPOSITORY_UNAVAILABLE, 503, "\"the database does not answer\""},
	    {"/metrics", REPOSITORY_OK, 200, "# HELP usage_record_api_requests_total "},
	    {"/org/acme/usageRecordGroup", REPOSITORY_OK, 404, "\"there is nothing at this path\""},
	    {"/", REPOSITORY_OK, 404, "\"there is nothing at this path\""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		database.status = rows[i].database;
		ask_for(HTTP_LOCAL, "GET", rows[i].target, "");
		assert_row(rows[i].target, response.status == rows[i].status);
		assert_row(rows[i].target, strncmp(body(), rows[i].begin, strlen(rows[i].begin)) == 0);
		ask(rows[i].target); /* clients do not get there */
		assert_row(rows[i].target, response.status == 404 || response.status == 400 ||
		                               strcmp(rows[i].target, "/org/acme/usageRecordGroup") == 0);
	}
	database.status = REPOSITORY_OK;
}

static int set_up(void **state)
{
	(void)state;
	log_open(LOG_LEVEL_ERROR, LOG_TARGET_STDERR);
	return (handler = handler_open(&(struct handler_rooms){NULL}, 1000)) == NULL;
}

static int tear_down(void **state)
{
	(void)state;
	handler_close(handler);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_handler_compresses),
	    cmocka_unit_test(test_handler_passes_searches_on),
	    cmocka_unit_test(test_handler_routes),
	    cmocka_unit_test(test_handler_reads_filters_from_the_path),
	    cmocka_unit_test(test_handler_answers_one_record),
	    cmocka_unit_test(test_handler_answers_a_summary),
	    cmocka_unit_test(test_handler_exports),
	    cmocka_unit_test(test_handler_breaks_an_export_off),
	    cmocka_unit_test(test_handler_refuses_a_summary),
	    cmocka_unit_test(test_handler_answers_a_page),
	    cmocka_unit_test(test_handler_starts_the_body_anew),
	    cmocka_unit_test(test_handler_links_to_the_next_page),
	    cmocka_unit_test(test_handler_keeps_the_days_of_a_walk),
	    cmocka_unit_test(test_handler_of_faults_of_the_database),
	    cmocka_unit_test(test_handler_of_head),
	    cmocka_unit_test(test_handler_of_other_methods),
	    cmocka_unit_test(test_handler_request_id),
	    cmocka_unit_test(test_handler_as_an_authorizer),
	    cmocka_unit_test(test_handler_of_an_unknown_role),
	    cmocka_unit_test(test_handler_reads_the_organization_in_one_way),
	    cmocka_unit_test(test_handler_of_local_paths),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
