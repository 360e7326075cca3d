#include "test.h"

#include <stdio.h>

#include "base/record.h"
#include "load/entry.h"

#define TIME_FAULT(name, text)                                                                     \
	name " must be a time like 2024-08-12T01:02:15.910Z, not \"" text "\""

static void test_entry_set(void **state)
{
	static const struct {
		enum entry_member member;
		const char *text, *stored; /* NULL: as if it were absent */
		const char *reason;
	} rows[] = {
	    {ENTRY_ID, "é", "é", ""},
	    {ENTRY_ID, "a b", "a b", ""},
	    {ENTRY_BUYER_ID, "", "", ""},
	    {ENTRY_BUYER_ID, "\xff", NULL, "buyerID must be UTF-8"},
	    {ENTRY_BUYER_ID, "a\x7f", "a\x7f", "buyerID must not have control characters: \"a\x7f\""},
	    {ENTRY_BUYER_ID, "a\nb", "a\nb", "buyerID must not have control characters: \"a\\u000ab\""},
	    {ENTRY_PARTNER, "GCP", "GCP", ""},
	    {ENTRY_PARTNER, "gcp", "gcp", "partner must be AWS, AZURE or GCP, not \"gcp\""},
	    {ENTRY_STATUS, "REPORT_PENDING", "REPORT_PENDING", ""},
	    {ENTRY_STATUS, "DONE", "DONE",
	     "status must be CREATED, DELETED, INVALID, REPORTED, REPORT_PENDING or REPORT_FAILED, not "
	     "\"DONE\""},

	    {ENTRY_CREATION_TIME, "2024-08-12T01:02:15.910Z", "2024-08-12 01:02:15.910", ""},
	    {ENTRY_CREATION_TIME, "2024-08-12T01:02:15Z", "2024-08-12 01:02:15.000", ""},
	    {ENTRY_CREATION_TIME, "2024-08-12 01:02:15z", "2024-08-12 01:02:15.000", ""},
	    {ENTRY_CREATION_TIME, "2024-08-12T01:02:15.9Z", "2024-08-12 01:02:15.900", ""},
	    {ENTRY_CREATION_TIME, "2024-08-12T01:02:15.9109999999Z", "2024-08-12 01:02:15.910", ""},
	    {ENTRY_CREATION_TIME, "2024-08-12T01:02:15.910+02:00", "2024-08-11 23:02:15.910", ""},
	    {ENTRY_CREATION_TIME, "2024-08-12T01:02:15-23:59", "2024-08-13 01:01:15.000", ""},
	    {ENTRY_CREATION_TIME, "2024-02-29T00:00:00-00:00", "2024-02-29 00:00:00.000", ""},
	    {ENTRY_CREATION_TIME, "1000-01-01T00:00:00Z", "1000-01-01 00:00:00.000", ""},
	    {ENTRY_CREATION_TIME, "9999-12-31T23:59:59.999Z", "9999-12-31 23:59:59.999", ""},
	    {ENTRY_CREATION_TIME, "", NULL, ""},
	    {ENTRY_CREATION_TIME, "1000-01-01T00:00:00+00:01", NULL,
	     TIME_FAULT("creationTime", "1000-01-01T00:00:00+00:01")},
	    {ENTRY_CREATION_TIME, "9999-12-31T23:59:59-00:01", NULL,
	     TIME_FAULT("creationTime", "9999-12-31T23:59:59-00:01")},
	    {ENTRY_CREATION_TIME, "2023-02-29T00:00:00Z", NULL,
	     TIME_FAULT("creationTime", "2023-02-29T00:00:00Z")},
	    {ENTRY_CREATION_TIME, "2024-08-12T24:00:00Z", NULL,
	     TIME_FAULT("creationTime", "2024-08-12T24:00:00Z")},
	    {ENTRY_CREATION_TIME, "2016-12-31T23:59:60Z", NULL,
	     TIME_FAULT("creationTime", "2016-12-31T23:59:60Z")},
	    {ENTRY_CREATION_TIME, "2024-08-12T01:02:15", NULL,
	     TIME_FAULT("creationTime", "2024-08-12T01:02:15")},
	    {ENTRY_CREATION_TIME, "2024-08-12T01:02:15.Z", NULL,
	     TIME_FAULT("creationTime", "2024-08-12T01:02:15.Z")},
	    {ENTRY_CREATION_TIME, "2024-08-12T01:02:15+2:00", NULL,
	     TIME_FAULT("creationTime", "2024-08-12T01:02:15+2:00")},
	    {ENTRY_CREATION_TIME, "2024-08-12T01:02:15Z ", NULL,
	     TIME_FAULT("creationTime", "2024-08-12T01:02:15Z ")},
	    {ENTRY_CREATION_TIME, "2024-08-12", NULL, TIME_FAULT("creationTime", "2024-08-12")},

	    {ENTRY_SERIAL_ID, "1", "1", ""},
	    {ENTRY_SERIAL_ID, "9223372036854775807", "9223372036854775807", ""},
	    {ENTRY_SERIAL_ID, "0", NULL, ""},
	    {ENTRY_SERIAL_ID, "", NULL, ""},
	    {ENTRY_SERIAL_ID, "9223372036854775808", "9223372036854775808",
	     "serialID must be an integer from 1 to 9223372036854775807, not \"9223372036854775808\""},
	    {ENTRY_SERIAL_ID, "1.0", "1.0",
	     "serialID must be an integer from 1 to 9223372036854775807, not \"1.0\""},
	    {ENTRY_SERIAL_ID, "-1", "-1",
	     "serialID must be an integer from 1 to 9223372036854775807, not \"-1\""},
	};
	struct entry entry = {0};
	char name[200];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		snprintf(name, sizeof name, "%s=%s", entry_name(rows[i].member), rows[i].text);
		entry_begin(&entry, 1);
		entry_set(&entry, rows[i].member, slice_of(rows[i].text));
		struct slice stored = entry_text(&entry, rows[i].member);
		assert_row_text(name, entry.reason, rows[i].reason);
		if (rows[i].stored == NULL) {
			assert_row(name, stored.data == NULL);
		} else {
			assert_row(name, stored.data != NULL);
			assert_row(name, slice_equals(stored, rows[i].stored));
		}
	}
	growing_free(&entry.bytes);
}

static void test_entry_checks_of_metainfo(void **state)
{
	static const struct {
		void (*check)(struct entry *entry, struct slice text);
		const char *text, *reason;
	} rows[] = {
	    {entry_check_source, "", ""},
	    {entry_check_source, "ORB", ""},
	    {entry_check_source, "orb",
	     "metaInfo.source must be API, INTERNAL, METRONOME, ORB or empty, not \"orb\""},
	    {entry_check_timestamp, "2024-08-12T01:02:15Z", ""},
	    {entry_check_timestamp, "2024-08-12T01:02:15.123456789+01:00", ""},
	    {entry_check_timestamp, "2024-08-12 01:02:15Z",
	     TIME_FAULT("metaInfo.timestamp", "2024-08-12 01:02:15Z")},
	    {entry_check_timestamp, "2024-08-12T01:02:15z",
	     TIME_FAULT("metaInfo.timestamp", "2024-08-12T01:02:15z")},
	    {entry_check_timestamp, "", TIME_FAULT("metaInfo.timestamp", "")},
	};
	struct entry entry = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		entry_begin(&entry, 1);
		rows[i].check(&entry, slice_of(rows[i].text));
		assert_row_text(rows[i].text, entry.reason, rows[i].reason);
	}
}

static void test_entry_check_amount(void **state)
{
	static const struct {
		const char *number;
		bool is_good;
	} rows[] = {{"0", true},      {"-1.5", true},     {"123456789012345678901.5", true},
	            {"1e308", true},  {"1.8e308", false}, {"-1E309", false},
	            {"1e-999", true}, {"1e999", false}};
	struct entry entry = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		entry_begin(&entry, 1);
		entry_check_amount(&entry, slice_of("seats"), slice_of(rows[i].number));
		assert_row(rows[i].number, (entry.reason[0] == '\0') == rows[i].is_good);
	}
}

static void test_entry_length_of_identifiers(void **state)
{
	char text[2 * RECORD_ID_CHARACTERS + 2];
	struct entry entry = {0};

	(void)state;
	for (int count = RECORD_ID_CHARACTERS; count <= RECORD_ID_CHARACTERS + 1; count++) {
		for (int i = 0; i < count; i++)
			memcpy(text + 2 * i, "é", 2);
		entry_begin(&entry, 1);
		entry_set(&entry, ENTRY_PRODUCT_ID, (struct slice){text, 2 * (size_t)count});
		assert_int_equal(entry.reason[0] == '\0', count == RECORD_ID_CHARACTERS);
	}
	growing_free(&entry.bytes);
}

static void test_entry_first_fault_counts(void **state)
{
	struct entry entry = {0};

	(void)state;
	entry_begin(&entry, 1);
	entry_fault(&entry, "%s", "one");
	entry_fault(&entry, "%s", "two");
	assert_false(entry_end(&entry));
	assert_string_equal(entry.reason, "one");
	growing_free(&entry.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_entry_set),
	    cmocka_unit_test(test_entry_checks_of_metainfo),
	    cmocka_unit_test(test_entry_check_amount),
	    cmocka_unit_test(test_entry_length_of_identifiers),
	    cmocka_unit_test(test_entry_first_fault_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
