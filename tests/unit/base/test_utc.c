#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/utc.h"

static void test_utc_parse_day(void **state)
{
	static const struct {
		const char *text;
		bool is_day;
		int32_t day;
	} rows[] = {
	    {"1970-01-01", true, 0},
	    {"1969-12-31", true, -1},
	    {"1000-01-01", true, UTC_FIRST_DAY},
	    {"9999-12-31", true, UTC_LAST_DAY},
	    {"2024-02-29", true, 19782},
	    {"2000-02-29", true, 11016},
	    {"2400-02-29", true, 157113},
	    {"2023-02-29", false, 0},
	    {"1900-02-29", false, 0},
	    {"2100-02-29", false, 0},
	    {"2024-02-30", false, 0},
	    {"2024-04-31", false, 0},
	    {"2024-12-31", true, 20088},
	    {"2024-12-32", false, 0},
	    {"2024-00-10", false, 0},
	    {"2024-13-10", false, 0},
	    {"2024-01-00", false, 0},
	    {"0999-12-31", false, 0},
	    {"0000-00-00", false, 0},
	    {"10000-01-01", false, 0},
	    {"2024-1-01", false, 0},
	    {"2024-01-1", false, 0},
	    {"2024/01/01", false, 0},
	    {"20240101", false, 0},
	    {"2024-01-01 ", false, 0},
	    {" 2024-01-01", false, 0},
	    {"2024-01-01T", false, 0},
	    {"+024-01-01", false, 0},
	    {"2024--1-01", false, 0},
	    {"2024-01-0x", false, 0},
	    {"", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int32_t day = 0;
		assert_row(rows[i].text, utc_parse_day(slice_of(rows[i].text), &day) == rows[i].is_day);
		assert_row(rows[i].text, day == rows[i].day);
	}
}

/* Leap seconds are no business of days, whatever the machine's zone. */
static void test_utc_knows_no_leap_seconds(void **state)
{
	char *zone = getenv("TZ") != NULL ? strdup(getenv("TZ")) : NULL;
	char text[UTC_TEXT_LEN + 1] = "";

	(void)state;
	setenv("TZ", "right/UTC", 1);
	tzset();
	struct utc_time time = utc_from_ms(INT64_C(1723420800000));
	utc_write(text, &time);
	if (zone != NULL)
		setenv("TZ", zone, 1);
	else
		unsetenv("TZ");
	tzset();
	free(zone);
	assert_string_equal(text, "2024-08-12T00:00:00.000Z");
}

/* Every day of the range, against the C library's calendar. */
static void test_utc_agrees_with_the_calendar(void **state)
{
	char text[32];
	int32_t parsed;

	(void)state;
	for (int32_t day = UTC_FIRST_DAY; day <= UTC_LAST_DAY; day++) {
		time_t seconds = (time_t)day * 86400;
		struct tm tm;
		gmtime_r(&seconds, &tm);
		strftime(text, sizeof text, "%Y-%m-%d", &tm);
		assert_row(text, utc_parse_day(slice_of(text), &parsed));
		assert_row(text, parsed == day);
		struct utc_time last = utc_from_ms((day + 1) * UTC_DAY_MS - 1);
		assert_row(text, last.year == (unsigned)tm.tm_year + 1900 &&
		                     last.month == (unsigned)tm.tm_mon + 1 &&
		                     last.day == (unsigned)tm.tm_mday && last.hour == 23 &&
		                     last.minute == 59 && last.second == 59 && last.millisecond == 999);
		assert_row(text, utc_to_ms(&last) == (day + 1) * UTC_DAY_MS - 1);
		assert_row(text, utc_day(day * UTC_DAY_MS) == day);
		assert_row(text, utc_day((day + 1) * UTC_DAY_MS - 1) == day);
	}
}

static void test_utc_write(void **state)
{
	static const struct {
		struct utc_time time;
		const char *text;
	} rows[] = {
	    {{2024, 8, 12, 1, 2, 15, 910}, "2024-08-12T01:02:15.910Z"},
	    {{1000, 1, 1, 0, 0, 0, 0}, "1000-01-01T00:00:00.000Z"},
	    {{9999, 12, 31, 23, 59, 59, 999}, "9999-12-31T23:59:59.999Z"},
	    {{2024, 2, 29, 12, 30, 0, 7}, "2024-02-29T12:30:00.007Z"},
	};
	char text[UTC_TEXT_LEN + 1] = "";

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		utc_write(text, &rows[i].time);
		assert_row_text(rows[i].text, text, rows[i].text);
	}
}

/* Every millisecond of a minute, against the C library's digits. */
static void test_utc_writes_all_digits(void **state)
{
	char text[UTC_TEXT_LEN + 1] = "", expected[UTC_TEXT_LEN + 1];

	(void)state;
	for (unsigned ms = 0; ms < 60000; ms++) {
		struct utc_time time = {2024, 8, 12, 23, ms / 1000, ms / 1000, ms % 1000};
		utc_write(text, &time);
		snprintf(expected, sizeof expected, "2024-08-12T23:%02u:%02u.%03uZ", ms / 1000 % 60,
		         ms / 1000 % 60, ms % 1000);
		assert_row_text(expected, text, expected);
	}
	for (unsigned year = 1000; year <= 9999; year++) {
		struct utc_time time = {.year = year, .month = year % 12 + 1, .day = year % 31 + 1};
		utc_write(text, &time);
		snprintf(expected, sizeof expected, "%04u-%02u-%02uT00:00:00.000Z", year % 10000,
		         year % 12 + 1, year % 31 + 1);
		assert_row_text(expected, text, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_utc_parse_day),
	    cmocka_unit_test(test_utc_knows_no_leap_seconds),
	    cmocka_unit_test(test_utc_agrees_with_the_calendar),
	    cmocka_unit_test(test_utc_write),
	    cmocka_unit_test(test_utc_writes_all_digits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
