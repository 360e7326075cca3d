#include "test.h"

#include "base/url.h"

static void test_url_decode_of_a_query(void **state)
{
	static const struct {
		const char *text;
		enum url_status status;
		const char *decoded;
	} rows[] = {
	    {"", URL_OK, ""},
	    {"plain", URL_OK, "plain"},
	    {"a+b%20c", URL_OK, "a b c"},
	    {"%2B%2f%2F", URL_OK, "+//"},
	    {"%C3%A9", URL_OK, "é"},
	    {"%c3%a9", URL_OK, "é"},
	    {"\xc3\xa9", URL_OK, "é"},
	    {"%F0%9F%9A%80", URL_OK, "🚀"},
	    {"%F4%8F%BF%BF", URL_OK, "\xf4\x8f\xbf\xbf"},
	    {"%EE%80%80", URL_OK, "\xee\x80\x80"},
	    {"%C2%A0", URL_OK, "\xc2\xa0"},
	    {"%", URL_BAD_ESCAPE, NULL},
	    {"%4", URL_BAD_ESCAPE, NULL},
	    {"%zz", URL_BAD_ESCAPE, NULL},
	    {"%4g", URL_BAD_ESCAPE, NULL},
	    {"% 4", URL_BAD_ESCAPE, NULL},
	    {"abc%", URL_BAD_ESCAPE, NULL},
	    {"%u0041", URL_BAD_ESCAPE, NULL},
	    {"%00", URL_CONTROL, NULL},
	    {"a%00b", URL_CONTROL, NULL},
	    {"%0a", URL_CONTROL, NULL},
	    {"%0D", URL_CONTROL, NULL},
	    {"%09", URL_CONTROL, NULL},
	    {"%1F", URL_CONTROL, NULL},
	    {"%7F", URL_CONTROL, NULL},
	    {"%C2%80", URL_CONTROL, NULL},
	    {"%C2%9F", URL_CONTROL, NULL},
	    {"%80", URL_BAD_UTF8, NULL},
	    {"%FF", URL_BAD_UTF8, NULL},
	    {"%C0%AF", URL_BAD_UTF8, NULL}, /* overlong slash */
	    {"%C1%81", URL_BAD_UTF8, NULL},
	    {"%E0%80%AF", URL_BAD_UTF8, NULL},
	    {"%E0%9F%BF", URL_BAD_UTF8, NULL},
	    {"%F0%80%80%AF", URL_BAD_UTF8, NULL},
	    {"%F0%8F%BF%BF", URL_BAD_UTF8, NULL},
	    {"%ED%A0%80", URL_BAD_UTF8, NULL}, /* surrogate */
	    {"%ED%BF%BF", URL_BAD_UTF8, NULL},
	    {"%F4%90%80%80", URL_BAD_UTF8, NULL}, /* above U+10FFFF */
	    {"%F8%88%80%80%80", URL_BAD_UTF8, NULL},
	    {"%C3", URL_BAD_UTF8, NULL},
	    {"%E2%82", URL_BAD_UTF8, NULL},
	    {"%F0%9F%9A", URL_BAD_UTF8, NULL},
	    {"%C3x", URL_BAD_UTF8, NULL},
	    {"%E2x%82", URL_BAD_UTF8, NULL},
	};
	char out[64];
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		enum url_status status =
		    url_decode(slice_of(rows[i].text), URL_QUERY, out, sizeof out, &len);
		assert_row(rows[i].text, status == rows[i].status);
		if (status == URL_OK) {
			assert_row_text(rows[i].text, out, rows[i].decoded);
			assert_row(rows[i].text, len == strlen(out));
		}
	}
}

static void test_url_decode_of_a_path_keeps_the_plus(void **state)
{
	char out[16];
	size_t len;

	(void)state;
	assert_int_equal(url_decode(slice_of("a+b%2Bc"), URL_PATH, out, sizeof out, &len), URL_OK);
	assert_string_equal(out, "a+b+c");
}

static void test_url_decode_of_more_than_fits(void **state)
{
	char out[4];
	size_t len;

	(void)state;
	assert_int_equal(url_decode(slice_of("abc"), URL_PATH, out, sizeof out, &len), URL_OK);
	assert_int_equal(url_decode(slice_of("abcd"), URL_PATH, out, sizeof out, &len), URL_TOO_LONG);
	assert_int_equal(url_decode(slice_of("%61%62%63%64"), URL_PATH, out, sizeof out, &len),
	                 URL_TOO_LONG);
}

static void test_url_character_count(void **state)
{
	(void)state;
	assert_int_equal(url_character_count("", 0), 0);
	assert_int_equal(url_character_count("abc", 3), 3);
	assert_int_equal(url_character_count("é株🚀", strlen("é株🚀")), 3);
}

static void test_url_next_segment_splits_at_raw_slashes(void **state)
{
	static const struct {
		const char *path;
		size_t count;
		const char *segments[4];
		const char *rest;
	} rows[] = {
	    {"/org/a%2Fb/usageRecordGroup", 3, {"org", "a%2Fb", "usageRecordGroup"}, ""},
	    {"/", 1, {""}, ""},
	    {"//", 2, {"", ""}, ""},
	    {"/a/", 2, {"a", ""}, ""},
	    {"/a;b//c", 3, {"a;b", "", "c"}, ""},
	    {"", 0, {NULL}, ""},
	    {"a/b", 0, {NULL}, "a/b"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct slice path = slice_of(rows[i].path), segment;
		size_t count = 0;
		while (url_next_segment(&path, &segment)) {
			assert_row(rows[i].path, count < rows[i].count);
			assert_row(rows[i].path, slice_equals(segment, rows[i].segments[count]));
			count++;
		}
		assert_row(rows[i].path, count == rows[i].count);
		assert_row(rows[i].path, slice_equals(path, rows[i].rest));
	}
}

static void test_url_next_pair(void **state)
{
	static const struct {
		const char *query;
		size_t count;
		const char *names[3], *values[3];
	} rows[] = {
	    {"", 0, {NULL}, {NULL}},
	    {"&&&", 0, {NULL}, {NULL}},
	    {"a=1", 1, {"a"}, {"1"}},
	    {"a=1&b=2", 2, {"a", "b"}, {"1", "2"}},
	    {"&a=1&&b=2&", 2, {"a", "b"}, {"1", "2"}},
	    {"a", 1, {"a"}, {""}},
	    {"a=", 1, {"a"}, {""}},
	    {"=1", 1, {""}, {"1"}},
	    {"=", 1, {""}, {""}},
	    {"a=b=c", 1, {"a"}, {"b=c"}},
	    {"a=1;b=2", 1, {"a"}, {"1;b=2"}},
	    {"a%3D=%26", 1, {"a%3D"}, {"%26"}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct slice query = slice_of(rows[i].query), name, value;
		size_t count = 0;
		while (url_next_pair(&query, &name, &value)) {
			assert_row(rows[i].query, count < rows[i].count);
			assert_row(rows[i].query, slice_equals(name, rows[i].names[count]));
			assert_row(rows[i].query, slice_equals(value, rows[i].values[count]));
			count++;
		}
		assert_row(rows[i].query, count == rows[i].count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_url_decode_of_a_query),
	    cmocka_unit_test(test_url_decode_of_a_path_keeps_the_plus),
	    cmocka_unit_test(test_url_decode_of_more_than_fits),
	    cmocka_unit_test(test_url_character_count),
	    cmocka_unit_test(test_url_next_segment_splits_at_raw_slashes),
	    cmocka_unit_test(test_url_next_pair),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
