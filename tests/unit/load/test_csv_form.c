#include "collect.h"

#include "load/csv_form.h"

#define HEAD "id,organizationID,partner,status"
#define SEEN(id) " id=" id " organizationID=o partner=AWS status=CREATED\n"

static const struct {
	const char *text, *seen;
} rows[] = {
    {HEAD "\n1,o,AWS,CREATED\n2,o,AWS,CREATED", "2:" SEEN("1") "3:" SEEN("2")},
    {HEAD "\r\n1,o,AWS,CREATED\r\n\r\n2,o,AWS,CREATED\r\n", "2:" SEEN("1") "4:" SEEN("2")},
    {"\xef\xbb\xbf" HEAD "\n1,o,AWS,CREATED\n", "2:" SEEN("1")},
    {HEAD "\n", ""},
    {"status,partner,organizationID,id\nCREATED,AWS,o,1\n", "2:" SEEN("1")},

    /* Cells of JSON and amounts, as they came. */
    {HEAD ",records.a,\"records.x,y\"\n1,o,AWS,CREATED,0.10,\n2,o,AWS,CREATED,,1E-9\n",
     "2: id=1 organizationID=o partner=AWS records={\"a\":0.10} status=CREATED\n"
     "3: id=2 organizationID=o partner=AWS records={\"x,y\":1E-9} status=CREATED\n"},
    {HEAD ",metaInfo\n1,o,AWS,CREATED,\"{\"\"a\"\": \"\"\\u00e9\"\"}\"\n",
     "2: id=1 metaInfo={\"a\": \"\\u00e9\"} organizationID=o partner=AWS status=CREATED\n"},
    {HEAD ",records\n1,o,AWS,CREATED, {} \n",
     "2: id=1 organizationID=o partner=AWS records={} status=CREATED\n"},
    {HEAD ",buyerID\n1,o,AWS,CREATED,\"a \"\"b\"\", c\"\n",
     "2: buyerID=a \"b\", c id=1 organizationID=o partner=AWS status=CREATED\n"},
    {HEAD ",metaInfo,buyerID\n1,o,AWS,CREATED,\"{\n}\",b\n2,o,AWS,CREATED,,\n",
     "2: buyerID=b id=1 metaInfo={\n} organizationID=o partner=AWS status=CREATED\n4:" SEEN("2")},
    {HEAD ",serialID\n1,o,AWS,CREATED,7\n",
     "2: id=1 organizationID=o partner=AWS serialID=7 status=CREATED\n"},

    /* What is wrong with one row; the next one is read. */
    {HEAD "\n1,o,aws,CREATED\n2,o,AWS,CREATED\n",
     "2: partner must be AWS, AZURE or GCP, not \"aws\"\n3:" SEEN("2")},
    {HEAD "\n1,o,AWS\n2,o,AWS,CREATED\n", "2: has 3 cells, the header 4\n3:" SEEN("2")},
    {HEAD "\n1,o,AWS,CREATED,5\n", "2: has 5 cells, the header 4\n"},
    {HEAD "\n,o,AWS,CREATED\n", "2: id is missing\n"},
    {HEAD ",records.a\n1,o,AWS,CREATED,x\n", "2: records.a must be a number, not \"x\"\n"},
    {HEAD ",records.a\n1,o,AWS,CREATED,\"1,\"\"b\"\":2\"\n",
     "2: records.a must be a number, not \"1,\"b\":2\"\n"},
    {HEAD ",serialID\n1,o,AWS,CREATED,x\n", "2: serialID must be a number, not \"x\"\n"},
    {HEAD ",metaInfo\n1,o,AWS,CREATED,[]\n", "2: metaInfo must be an object\n"},
    /* No cell breaks out of its place. */
    {HEAD ",metaInfo\n1,o,AWS,CREATED,\"{},\"\"buyerID\"\":\"\"x\"\"\"\n",
     "2: metaInfo must be a JSON object\n"},
    {HEAD ",metaInfo\n1,o,AWS,CREATED,\"{}} {\"\n",
     "2: metaInfo must be a JSON object\n2: id is missing\n"},

    /* What cannot be read on. */
    {"", "1: broken: has no header line\n"},
    {"\n\n", "2: broken: has no header line\n"},
    {HEAD ",x\n", "1: broken: a record has no member \"x\"\n"},
    {HEAD ",id\n", "1: broken: the header names a column twice\n"},
    {HEAD ",records.a,records.a\n", "1: broken: the header names a column twice\n"},
    {HEAD ",records,records.a\n",
     "1: broken: the header has both records and records.<dimension>\n"},
};

static const char *read_all(struct collect *collect, const char *text)
{
	struct sink sink = {collect, collect_take};
	struct csv_form *form = csv_form_open(&sink);
	enum form_status status = FORM_OK;
	uint64_t line;

	assert_non_null(form);
	while (*text != '\0' && status == FORM_OK) {
		size_t len = strcspn(text, "\n");
		len += text[len] == '\n';
		status = csv_form_read(form, (struct slice){text, len});
		text += len;
	}
	if (status == FORM_OK)
		status = csv_form_end(form);
	const char *reason = csv_form_fault(form, &line);
	collect_end(collect, status, reason, line);
	csv_form_close(form);
	return collect->data;
}

static void test_csv_form_reads(void **state)
{
	struct collect collect;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		collect_begin(&collect, SIZE_MAX);
		read_all(&collect, rows[i].text);
		assert_row_text(rows[i].text, collect.data, rows[i].seen);
	}
}

/* The words are the parser's. */
static void test_csv_form_refuses_what_is_no_csv(void **state)
{
	static const char *const texts[] = {HEAD "\n\"1,o,AWS,CREATED\n",
	                                    HEAD "\n1\"2\",o,AWS,CREATED\n",
	                                    HEAD "\n\"1\"2,o,AWS,CREATED\n"};
	struct collect collect;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		collect_begin(&collect, SIZE_MAX);
		assert_row(texts[i],
		           strstr(read_all(&collect, texts[i]), "2: broken: is not CSV: ") != NULL);
	}
}

static void test_csv_form_ends_when_told_to(void **state)
{
	struct collect collect;

	(void)state;
	collect_begin(&collect, 1);
	assert_string_equal(read_all(&collect, HEAD "\n1,o,AWS,CREATED\n2,o,AWS,CREATED\n"),
	                    "2:" SEEN("1") "ended\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_csv_form_reads),
	    cmocka_unit_test(test_csv_form_refuses_what_is_no_csv),
	    cmocka_unit_test(test_csv_form_ends_when_told_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
