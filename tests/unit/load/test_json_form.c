#include "collect.h"

#include "load/json_form.h"

#define MEMBERS "\"organizationID\":\"o\",\"partner\":\"AWS\",\"status\":\"CREATED\""
#define RECORD(id) "{\"id\":\"" id "\"," MEMBERS "}"
#define SEEN(id) " id=" id " organizationID=o partner=AWS status=CREATED\n"
#define WITH(members) "{\"id\":\"1\"," MEMBERS "," members "}"
#define TEN_DEEP "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":"
#define TEN_ENDS "}}}}}}}}}}"

static const struct {
	const char *text, *seen;
} rows[] = {
    /* The shapes that files have. */
    {"", ""},
    {" \n\t\n", ""},
    {RECORD("1"), "1:" SEEN("1")},
    {RECORD("1") "\n" RECORD("2"), "1:" SEEN("1") "2:" SEEN("2")},
    {RECORD("1") RECORD("2"), "1:" SEEN("1") "1:" SEEN("2")},
    {"[\n" RECORD("1") ",\n" RECORD("2") "]", "2:" SEEN("1") "3:" SEEN("2")},
    {"[]", ""},
    {"[] []", ""},
    {"{\"nextOffset\":1,\"usageRecordGroups\":[" RECORD("1") "]}", "1:" SEEN("1")},
    {"{\"usageRecordGroups\":[" RECORD("1") "],\"nextOffset\":1}", "1:" SEEN("1")},
    {"{\"nextOffset\":0,\"usageRecordGroups\":[]}\n{\"usageRecordGroups\":[" RECORD(
         "1") "]}\n" RECORD("2"),
     "2:" SEEN("1") "3:" SEEN("2")},
    {"{\n\"id\":\n\"1\",\n" MEMBERS "}\n" RECORD("2"), "1:" SEEN("1") "5:" SEEN("2")},

    /* Members, as they came. */
    {WITH("\"records\":{ \"a\" : 0.10,\"b\":1E-9 }"),
     "1: id=1 organizationID=o partner=AWS records={ \"a\" : 0.10,\"b\":1E-9 } status=CREATED\n"},
    {WITH("\"metaInfo\":{\"a\":[{\"b\":\"\\u00e9}\"}]}"),
     "1: id=1 metaInfo={\"a\":[{\"b\":\"\\u00e9}\"}]} organizationID=o partner=AWS "
     "status=CREATED\n"},
    {WITH("\"metaInfo\":null,\"records\":null,\"buyerID\":null,\"serialID\":null"),
     "1: buyerID= id=1 metaInfo={} organizationID=o partner=AWS records={} status=CREATED\n"},
    {WITH("\"buyerID\":\"\\u00e9\\\"\""),
     "1: buyerID=é\" id=1 organizationID=o partner=AWS status=CREATED\n"},
    {WITH("\"metaInfo\":" TEN_DEEP TEN_DEEP "1" TEN_ENDS TEN_ENDS),
     "1: id=1 metaInfo=" TEN_DEEP TEN_DEEP "1" TEN_ENDS TEN_ENDS
     " organizationID=o partner=AWS status=CREATED\n"},

    /* What is wrong with one record; the next one is read. */
    {WITH("\"x\":1") "\n" RECORD("2"), "1: a record has no member \"x\"\n2:" SEEN("2")},
    {"{}", "1: id is missing\n"},
    {"{\"id\":\"1\"," MEMBERS ",\"id\":\"1\"}", "1: names \"id\" twice\n"},
    {WITH("\"records\":{\"a\":1,\"\\u0061\":2}"), "1: names \"a\" twice\n"},
    {WITH("\"metaInfo\":{\"a\":{\"x\":1},\"b\":{\"x\":1}}"),
     "1: id=1 metaInfo={\"a\":{\"x\":1},\"b\":{\"x\":1}} organizationID=o partner=AWS "
     "status=CREATED\n"},
    {WITH("\"buyerID\":1"), "1: buyerID must be a string\n"},
    {WITH("\"buyerID\":true"), "1: buyerID must be a string\n"},
    {WITH("\"buyerID\":{}"), "1: buyerID must be a string\n"},
    {WITH("\"serialID\":\"1\""), "1: serialID must be a number\n"},
    {WITH("\"records\":[]"), "1: records must be an object\n"},
    {WITH("\"records\":7"), "1: records must be an object\n"},
    {WITH("\"records\":{\"a\":\"1\"}"), "1: records.a must be a number\n"},
    {WITH("\"records\":{\"a\":null}"), "1: records.a must be a number\n"},
    {WITH("\"records\":{\"a\":[1]}"), "1: records.a must be a number\n"},
    {WITH("\"metaInfo\":{\"source\":1}"), "1: metaInfo.source must be a string\n"},
    {WITH("\"metaInfo\":{\"source\":{}}"), "1: metaInfo.source must be a string\n"},
    {WITH("\"metaInfo\":{\"timestamp\":5}"), "1: metaInfo.timestamp must be a string\n"},
    {WITH("\"metaInfo\":{\"timestamp\":\"2024-08-12T01:02:15\\u005a\"}"),
     "1: metaInfo.timestamp must be written without escapes\n"},
    {WITH("\"metaInfo\":{\"sourc\\u0065\":\"API\"}"),
     "1: metaInfo.source must be named without escapes\n"},
    {WITH("\"metaInfo\":{\"SkipValidation\":0}"),
     "1: metaInfo.SkipValidation must be true or false\n"},
    {WITH("\"metaInfo\":{\"billableRecords\":true}"),
     "1: metaInfo.billableRecords must be a list\n"},
    {WITH("\"metaInfo\":{\"billableRecords\":[{\"quantity\":\"1\"}]}"),
     "1: metaInfo.billableRecords: a quantity must be a number\n"},
    {WITH("\"metaInfo\":{\"a\":\f1}"), "1: has a control character between its values\n"},
    {WITH("\"metaInfo\":{\"x\":{\"source\":1}}"),
     "1: id=1 metaInfo={\"x\":{\"source\":1}} organizationID=o partner=AWS status=CREATED\n"},
    {WITH("\"buyerID\":\"\\ud800\""), "1: has half a surrogate pair\n"},
    {WITH("\"buyerID\":\"\\udc00\\ud800\""), "1: buyerID must be UTF-8\n"},
    {WITH("\"metaInfo\":{\"a\":\"\\ud83dx\"}"), "1: has half a surrogate pair\n"},

    /* What cannot be read on. */
    {RECORD("1") "\n{\"id\":", "1:" SEEN("1") "2: broken: ends within a record\n"},
    {"[" RECORD("1"), "1:" SEEN("1") "1: broken: ends within a page\n"},
    {"null", "1: broken: an object was expected, not null\n"},
    {"\n\"no such path\"", "2: broken: an object was expected, not the answer no such path\n"},
    {"[1]", "1: broken: an object was expected, not 1\n"},
    {"[[]]", "1: broken: a list of records was expected\n"},
    {"{\"usageRecordGroups\":{}}", "1: broken: a list of records was expected\n"},
    {"{\"usageRecordGroups\":1}", "1: broken: usageRecordGroups must be a list\n"},
    {WITH("\"metaInfo\":" TEN_DEEP TEN_DEEP TEN_DEEP TEN_DEEP
          "1" TEN_ENDS TEN_ENDS TEN_ENDS TEN_ENDS),
     "1: broken: is nested too deeply\n"},
};

/* Reads a text in pieces of step bytes. */
static const char *read_all(struct collect *collect, const char *text, size_t step)
{
	struct sink sink = {collect, collect_take};
	struct json_form *form = json_form_open(&sink);
	enum form_status status = FORM_OK;
	size_t len = strlen(text);
	uint64_t line;

	assert_non_null(form);
	assert_true(json_form_begin(form, 1));
	for (size_t at = 0; at < len && status == FORM_OK; at += step)
		status = json_form_read(form, (struct slice){text + at, step < len - at ? step : len - at});
	if (status == FORM_OK)
		status = json_form_end(form);
	const char *reason = json_form_fault(form, &line);
	collect_end(collect, status, reason, line);
	json_form_close(form);
	return collect->data;
}

static void test_json_form_reads(void **state)
{
	struct collect collect;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		collect_begin(&collect, SIZE_MAX);
		read_all(&collect, rows[i].text, 1 << 20);
		assert_row_text(rows[i].text, collect.data, rows[i].seen);
	}
}

static void test_json_form_reads_in_pieces(void **state)
{
	struct collect collect;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		for (size_t step = 1; step < 20; step++) {
			collect_begin(&collect, SIZE_MAX);
			read_all(&collect, rows[i].text, step);
			assert_row_text(rows[i].text, collect.data, rows[i].seen);
		}
	}
}

/* The words are the parser's, and change with it. */
static void test_json_form_refuses_what_is_no_json(void **state)
{
	static const char *const texts[] = {"tru",
	                                    "{\"a\":01}",
	                                    "{'a':1}",
	                                    "{\"a\":1,}",
	                                    "{\"a\":NaN}",
	                                    "{\"a\":\"\t\"}",
	                                    "{\"a\" 1}",
	                                    "[1,]",
	                                    "{\"a\":\"\\x\"}",
	                                    "{\"a\":+1}",
	                                    "]",
	                                    "{\"a\":.5}",
	                                    "{\"a\":1e}",
	                                    "{\"a\":1.}",
	                                    "//\n{}",
	                                    "{\"a\":\"\xff\"}"};
	struct collect collect;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		collect_begin(&collect, SIZE_MAX);
		assert_row(texts[i], strstr(read_all(&collect, texts[i], 1 << 20), ": broken: ") != NULL);
	}
}

static void test_json_form_ends_when_told_to(void **state)
{
	struct collect collect;

	(void)state;
	collect_begin(&collect, 1);
	assert_string_equal(read_all(&collect, RECORD("1") RECORD("2"), 1 << 20),
	                    "1:" SEEN("1") "ended\n");
}

static void test_json_form_begins_anew(void **state)
{
	struct collect collect;
	struct sink sink = {&collect, collect_take};
	struct json_form *form = json_form_open(&sink);

	(void)state;
	collect_begin(&collect, SIZE_MAX);
	assert_true(json_form_begin(form, 1));
	assert_int_equal(json_form_read(form, slice_of("[{\"id\":\"0\",]")), FORM_BROKEN);
	assert_true(json_form_begin(form, 7));
	assert_int_equal(json_form_read(form, slice_of("\n" RECORD("1"))), FORM_OK);
	assert_int_equal(json_form_end(form), FORM_OK);
	assert_string_equal(collect_end(&collect, FORM_OK, "", 0), "8:" SEEN("1"));
	json_form_close(form);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_json_form_reads),
	    cmocka_unit_test(test_json_form_reads_in_pieces),
	    cmocka_unit_test(test_json_form_refuses_what_is_no_json),
	    cmocka_unit_test(test_json_form_ends_when_told_to),
	    cmocka_unit_test(test_json_form_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
