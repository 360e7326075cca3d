#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "request/metainfo.h"

static void test_metainfo_parse(void **state)
{
	static const struct {
		const char *text;
		const char *reason; /* NULL: accepted */
	} rows[] = {
	    {"{}", NULL},
	    {" {} ", NULL},
	    {"{\"a\":1}", NULL},
	    {"{ \"a\" : [ 1 , 2 ] , \"b\" : null }", NULL},
	    {"{\"a\":-0.5e+10}", NULL},
	    {"{\"a\":0}", NULL},
	    {"{\"a\":-0}", NULL},
	    {"{\"a\":1E5}", NULL},
	    {"{\"a\":\"\\u00e9\\n\\/\\\\\\\"\"}", NULL},
	    {"{\"a\":\"\\u0000\"}", NULL},
	    {"{\"a\":\"'single' NaN 01 1.\"}", NULL},
	    {"{\"\":true}", NULL},
	    {"{\"a\":{\"a\":1}}", NULL},
	    {"{\"a\":[{\"a\":1},{\"a\":1}]}", NULL},
	    {"{\"\\\\u0000\":1}", NULL},
	    {"", "is not JSON"},
	    {" ", "is not JSON"},
	    {"null", "is not an object"},
	    {"true", "is not an object"},
	    {"1", "is not an object"},
	    {"\"a\"", "is not an object"},
	    {"[]", "is not an object"},
	    {"[{}]", "is not an object"},
	    {"{", "is not JSON"},
	    {"}", "is not JSON"},
	    {"{}}", "is not JSON"},
	    {"{}{}", "is not JSON"},
	    {"{} x", "is not JSON"},
	    {"{\"a\"}", "is not JSON"},
	    {"{\"a\":}", "is not JSON"},
	    {"{\"a\":1,}", "is not JSON"},
	    {"{,\"a\":1}", "is not JSON"},
	    {"{\"a\":1 \"b\":2}", "is not JSON"},
	    {"{\"a\":[1,]}", "is not JSON"},
	    {"{\"a\":[1}", "is not JSON"},
	    {"{a:1}", "is not JSON"},
	    {"{'a':1}", "is not JSON"},
	    {"{\"a\":'b'}", "is not JSON"},
	    {"{\"a\":NaN}", "is not JSON"},
	    {"{\"a\":Infinity}", "is not JSON"},
	    {"{\"a\":-Infinity}", "has a malformed number"},
	    {"{\"a\":True}", "is not JSON"},
	    {"{\"a\":nul}", "is not JSON"},
	    {"{\"a\":undefined}", "is not JSON"},
	    {"{\"a\":1/2}", "is not JSON"},
	    {"{/**/}", "is not JSON"},
	    {"{\"a\":+1}", "is not JSON"},
	    {"{\"a\":.5}", "is not JSON"},
	    {"{\"a\":01}", "has a malformed number"},
	    {"{\"a\":00}", "has a malformed number"},
	    {"{\"a\":-01}", "has a malformed number"},
	    {"{\"a\":1.}", "has a malformed number"},
	    {"{\"a\":1.e5}", "has a malformed number"},
	    {"{\"a\":1e}", "has a malformed number"},
	    {"{\"a\":1e+}", "has a malformed number"},
	    {"{\"a\":-}", "has a malformed number"},
	    {"{\"a\":1.5.5}", "is not JSON"},
	    {"{\"a\":0x10}", "is not JSON"},
	    {"{\"a\":1e999}", "has a number that does not fit a double"},
	    {"{\"a\":\"b}", "has a string without an end"},
	    {"{\"a\":\"\\\"}", "has a string without an end"},
	    {"{\"a\":\"\\x41\"}", "is not JSON"},
	    {"{\"a\":\"\\u12\"}", "is not JSON"},
	    {"{\"a\\u0000b\":1}", "has a NUL in a name"},
	    {"{\"a\":\"\\ud83d\"}", "has half a surrogate pair"},
	    {"{\"a\":\"\\uD83Dx\"}", "has half a surrogate pair"},
	    {"{\"a\":\"\\ude80\"}", "has half a surrogate pair"},
	    {"{\"\\ud83d\\ud83d\\ude80\":1}", "has half a surrogate pair"},
	    {"{\"a\":1,\"a\":1}", "names a member twice"},
	    {"{\"a\":1,\"\\u0061\":2}", "names a member twice"},
	    {"{\"b\":[{\"a\":1,\"a\":2}]}", "names a member twice"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *reason = "";
		struct metainfo *filter = metainfo_parse(rows[i].text, &reason);
		assert_row(rows[i].text, (filter != NULL) == (rows[i].reason == NULL));
		if (rows[i].reason != NULL)
			assert_row_text(rows[i].text, reason, rows[i].reason);
		metainfo_free(filter);
	}
}

static char *nested(char *text, int depth)
{
	char *out = text;

	for (int i = 0; i < depth; i++)
		out += sprintf(out, "{\"a\":");
	out += sprintf(out, "1");
	for (int i = 0; i < depth; i++)
		*out++ = '}';
	*out = '\0';
	return text;
}

static void test_metainfo_parse_bounds_depth_and_length(void **state)
{
	char text[METAINFO_LEN_MAX + 2];
	const char *reason;
	struct metainfo *filter;

	(void)state;
	filter = metainfo_parse(nested(text, METAINFO_DEPTH_MAX), &reason);
	assert_non_null(filter);
	metainfo_free(filter);
	assert_null(metainfo_parse(nested(text, METAINFO_DEPTH_MAX + 1), &reason));
	assert_string_equal(reason, "is nested too deeply");

	memset(text, 'x', sizeof text);
	memcpy(text, "{\"a\":\"", 6);
	memcpy(text + METAINFO_LEN_MAX - 2, "\"}", 3);
	filter = metainfo_parse(text, &reason);
	assert_non_null(filter);
	metainfo_free(filter);
	memcpy(text + METAINFO_LEN_MAX - 2, "x\"}", 4);
	assert_null(metainfo_parse(text, &reason));
	assert_string_equal(reason, "is too long");
}

static void test_metainfo_match(void **state)
{
	static const struct {
		const char *document, *filter;
		bool matches;
	} rows[] = {
	    {"{\"a\":1,\"b\":2}", "{\"a\":1}", true},
	    {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
	    {"{\"a\":1}", "{\"A\":1}", false},
	    {"{}", "{\"a\":null}", false},
	    {"{\"a\":null}", "{\"a\":null}", true},
	    {"{\"a\":null}", "{\"a\":false}", false},
	    {"{\"a\":true}", "{\"a\":true}", true},
	    {"{\"a\":true}", "{\"a\":false}", false},
	    {"{\"a\":true}", "{\"a\":1}", false},
	    {"{\"a\":\"1\"}", "{\"a\":1}", false},
	    {"{\"a\":\"x\"}", "{\"a\":\"x\"}", true},
	    {"{\"a\":\"x\"}", "{\"a\":\"X\"}", false},
	    {"{\"a\":\"x \"}", "{\"a\":\"x\"}", false},
	    {"{\"a\":\"\"}", "{\"a\":\"\"}", true},
	    /* a name that stands elsewhere too, or far from its value */
	    {"{\"a\" \t\n\r:  1 }", "{\"a\":1}", true},
	    {"{\"b\":\"a\",\"a\":1}", "{\"a\":1}", true},
	    {"{\"b\":\"a\"}", "{\"a\":1}", false},
	    {"{\"b\":{\"a\":1},\"a\":2}", "{\"a\":1}", false},
	    {"{\"b\":{\"a\":2},\"a\":1}", "{\"a\":1}", true},
	    {"{\"aa\":1}", "{\"a\":1}", false},
	    {"{\"aa\":2,\"a\":1}", "{\"a\":1}", true},
	    {"{\"a\":[2,[1]]}", "{\"a\":1}", true},
	    {"{\"a\":[2,[3]]}", "{\"a\":1}", false},
	    {"{\"a\":2,\"a\":1}", "{\"a\":1}", true},
	    {"{\"a\":1,\"a\":2}", "{\"a\":1}", false},
	    {"{\":\":\":\"}", "{\":\":\":\"}", true},
	    {"{\"a\":\"b\",\",\":1}", "{\",\":1}", true},
	    {"{\"\":1}", "{\"\":1}", true},
	    {"{\"a\":1}", "{\"\":1}", false},
	    {"{\"x\\\"a\":1}", "{\"a\":1}", false},
	    {"{\"x\\\"a\":2,\"a\":1,\"b\":\"\\u00e9\"}", "{\"a\":1}", true},
	    {"{\"x\":\"\\u00e9\",\"\\u0061\":1}", "{\"a\":1}", true},
	    {"{\"a\":\"\\u00e9\"}", "{\"a\":\"\u00e9x\"}", false},
	    /* one string, in every legal spelling */
	    {"{\"a\":\"\\u00e9\"}", "{\"a\":\"é\"}", true},
	    {"{\"a\":\"é\"}", "{\"a\":\"\\u00E9\"}", true},
	    {"{\"a\":\"x\\/y\"}", "{\"a\":\"x/y\"}", true},
	    {"{\"a\":\"x\\u002fy\"}", "{\"a\":\"x\\/y\"}", true},
	    {"{\"a\":\"\\ud83d\\ude80\"}", "{\"a\":\"🚀\"}", true},
	    {"{\"a\":\"\\u0022\\u005c\"}", "{\"a\":\"\\\"\\\\\"}", true},
	    {"{\"a\":\"\\t\"}", "{\"a\":\"\\u0009\"}", true},
	    {"{\"\\u0061\":1}", "{\"a\":1}", true},
	    {"{\"a\":\"e\\u0301\"}", "{\"a\":\"é\"}", false},
	    {"{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\\u0000y\"}", true},
	    {"{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\\u0000z\"}", false},
	    {"{\"a\\u0000b\":\"x\"}", "{\"a\":\"x\"}", false},
	    {"{\"a\":\"x\",\"a\\u0000b\" :\"y\"}", "{\"a\":\"x\"}", true},
	    {"{\"a\":\"x\",\"a\\u0000b\":\"y\"}", "{\"a\":\"y\"}", false},
	    {"{\"\\u0000\":{\"a\":1},\"b\\\"\\u0000\":2,\"c\":[\"\\u0000\",3]}",
	     "{\"c\":[3,\"\\u0000\"]}", true},
	    {"{\"a\\\\u0000b\":1}", "{\"a\\\\u0000b\":1}", true},
	    /* numbers by their value */
	    {"{\"a\":1.0}", "{\"a\":1}", true},
	    {"{\"a\":100}", "{\"a\":1e2}", true},
	    {"{\"a\":1.50}", "{\"a\":1.5}", true},
	    {"{\"a\":-0}", "{\"a\":0}", true},
	    {"{\"a\":0.1000000000001}", "{\"a\":0.1}", false},
	    {"{\"a\":0.1}", "{\"a\":0.10000000000000001}", false},
	    {"{\"a\":0.1}", "{\"a\":0.1000}", true},
	    {"{\"a\":0.05}", "{\"a\":5e-2}", true},
	    {"{\"a\":0.05}", "{\"a\":0.5e-2}", false},
	    {"{\"a\":1200}", "{\"a\":0.0012E+6}", true},
	    {"{\"a\":10.10}", "{\"a\":10.1}", true},
	    {"{\"a\":0e999999999999}", "{\"a\":-0.0}", true},
	    {"{\"a\":1e999999999999}", "{\"a\":1e300}", false},
	    {"{\"a\":1e-999999999999}", "{\"a\":0}", false},
	    {"{\"a\":9007199254740993}", "{\"a\":9007199254740992}", false},
	    {"{\"a\":9007199254740993}", "{\"a\":9007199254740992.0}", false},
	    {"{\"a\":18446744073709551615}", "{\"a\":18446744073709551615}", true},
	    {"{\"a\":18446744073709551615}", "{\"a\":18446744073709551614}", false},
	    {"{\"a\":-1}", "{\"a\":18446744073709551615}", false},
	    {"{\"a\":-9223372036854775808}", "{\"a\":-9223372036854775808}", true},
	    {"{\"a\":7.2243072691274902387}", "{\"a\":7.2243072691274902387}", true},
	    /* by all of their digits */
	    {"{\"a\":99999999999999999999}", "{\"a\":1e20}", false},
	    {"{\"a\":123456789012345678901234567891}", "{\"a\":123456789012345678901234567890}", false},
	    {"{\"a\":123456789012345678901234567890}", "{\"a\":12345678901234567890123456789e1}", true},
	    {"{\"a\":1e20}", "{\"a\":100000000000000000000}", true},
	    {"{\"a\":[{\"b\":\"1\\\"2\"},99999999999999999999 , 1]}",
	     "{\"a\":[1,99999999999999999999,{\"b\":\"1\\\"2\"}]}", true},
	    {"{\"a\":99999999999999999999}", "{\"a\":18446744073709551615}", false},
	    {"{\"a\":18446744073709551615}", "{\"a\":99999999999999999999}", false},
	    {"{\"a\":18446744073709551616}", "{\"a\":18446744073709551615}", false},
	    {"{\"a\":18446744073709551616}", "{\"a\":1.8446744073709551616e19}", true},
	    {"{\"a\":-9223372036854775809}", "{\"a\":-9223372036854775809}", true},
	    {"{\"a\":-9223372036854775810}", "{\"a\":-99999999999999999999}", false},
	    {"{\"a\":\"99999999999999999999\"}", "{\"a\":\"99999999999999999999\"}", true},
	    {"{\"a\":\"99999999999999999999.0\"}", "{\"a\":\"99999999999999999999\"}", false},
	    {"{\"a\":99999999999999999999e-20}", "{\"a\":1}", false},
	    {"{\"a\":10000000000000000000e-19}", "{\"a\":1}", true},
	    /* objects */
	    {"{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"c\":2}}", true},
	    {"{\"a\":{\"b\":1}}", "{\"a\":{}}", true},
	    {"{\"a\":1}", "{\"a\":{}}", false},
	    {"{\"b\":1}", "{\"a\":{}}", false},
	    {"{\"b\":{\"a\":1}}", "{\"a\":1}", false},
	    /* arrays */
	    {"{\"a\":[1,2,3]}", "{\"a\":[3,1]}", true},
	    {"{\"a\":[1,2]}", "{\"a\":[1,1]}", true},
	    {"{\"a\":[1,2]}", "{\"a\":[1,4]}", false},
	    {"{\"a\":[1,2]}", "{\"a\":[]}", true},
	    {"{\"a\":[]}", "{\"a\":[]}", true},
	    {"{\"a\":{}}", "{\"a\":[]}", false},
	    {"{\"a\":1}", "{\"a\":[1]}", false},
	    {"{\"a\":[1,2]}", "{\"a\":1}", true},
	    {"{\"a\":[\"x\"]}", "{\"a\":\"x\"}", true},
	    {"{\"a\":[{\"b\":1,\"c\":2},{\"b\":3}]}", "{\"a\":[{\"b\":3},{\"c\":2}]}", true},
	    {"{\"a\":[{\"b\":1},{\"c\":2}]}", "{\"a\":[{\"b\":1,\"c\":2}]}", false},
	    {"{\"a\":[{\"b\":1}]}", "{\"a\":{\"b\":1}}", true},
	    {"{\"a\":[[1,2],[3]]}", "{\"a\":[[2]]}", true},
	    {"{\"a\":[[1],[2]]}", "{\"a\":[[1,2]]}", false},
	    {"{\"a\":[1,2]}", "{\"a\":[[1]]}", false},
	    {"{\"a\":[1,[2,3]]}", "{\"a\":[3]}", true},
	    {"{\"a\":[[1,[2]],3,null,\"x\"]}", "{\"a\":[\"x\",null,2,3,1,1]}", true},
	    {"{\"a\":[{\"b\":[1,2]},{\"b\":[3]}]}", "{\"a\":[{\"b\":[3]},{\"b\":2}]}", true},
	    {"{\"a\":[{\"b\":[1,2]},{\"b\":[3]}]}", "{\"a\":[{\"b\":[2,3]}]}", false},
	    {"[{\"a\":1},{\"b\":2}]", "{\"b\":2}", true},
	    /* of members of one name the last counts */
	    {"{\"a\":1,\"a\":2}", "{\"a\":2}", true},
	    {"{\"a\":1,\"a\":2}", "{\"a\":1}", false},
	    /* half a surrogate pair is nothing that a filter can have */
	    {"{\"a\":\"\\ud83d\",\"b\":1}", "{\"b\":1}", true},
	    {"{\"a\":\"\\ud83d\\ud83d\\ude80\"}", "{\"a\":\"🚀\"}", false},
	    /* nor what is none */
	    {"", "{\"a\":1}", false},
	    {"null", "{\"a\":1}", false},
	    {"99999999999999999999", "{\"a\":1}", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *reason;
		struct metainfo *filter = metainfo_parse(rows[i].filter, &reason);
		assert_row(rows[i].filter, filter != NULL);
		if (metainfo_match(filter, slice_of(rows[i].document)) !=
		    (rows[i].matches ? METAINFO_CONTAINS : METAINFO_LACKS))
			fail_msg("%s %s %s", rows[i].document,
			         rows[i].matches ? "should contain" : "should not contain", rows[i].filter);
		metainfo_free(filter);
	}
}

/* One filter, many documents: nothing of a document is left for the next. */
static void test_metainfo_match_again_after_a_fault(void **state)
{
	const char *reason;
	struct metainfo *filter = metainfo_parse("{\"a\":1}", &reason);

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(metainfo_match(filter, slice_of("{\"a\":1}")), METAINFO_CONTAINS);
		assert_int_equal(metainfo_match(filter, slice_of("{\"a\":[")), METAINFO_UNREADABLE);
		assert_int_equal(metainfo_match(filter, slice_of("{\"a\":1")), METAINFO_UNREADABLE);
		assert_int_equal(metainfo_match(filter, slice_of("{\"a\":1}99999999999999999999")),
		                 METAINFO_UNREADABLE);
		assert_int_equal(metainfo_match(filter, slice_of("")), METAINFO_LACKS);
		assert_int_equal(metainfo_match(filter, slice_of("{\"a\":2}")), METAINFO_LACKS);
	}
	metainfo_free(filter);
}

static void test_metainfo_text_is_short(void **state)
{
	static const struct {
		const char *filter, *text;
	} rows[] = {
	    {"{\"a\":1}", "{\"a\":1}"},
	    {"{ \"a\" :\t[ \"x\\/\\u00e9 y\" , -1.50e+3 ] }\n", "{\"a\":[\"x/é y\",-1.50e+3]}"},
	    {"{\"\\u0022\":\"\\u000A\\u0001\\u005c\\u0000\\ud83d\\ude80\"}",
	     "{\"\\\"\":\"\\n\\u0001\\\\\\u0000🚀\"}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *reason;
		struct metainfo *filter = metainfo_parse(rows[i].filter, &reason);
		assert_row(rows[i].filter, slice_equals(metainfo_text(filter), rows[i].text));
		assert_row(rows[i].filter, !metainfo_is_empty(filter));
		metainfo_free(filter);
	}
}

static void test_metainfo_member(void **state)
{
	static const struct {
		const char *filter, *value;
	} rows[] = {
	    {"{\"source\":\"ORB\"}", "ORB"},
	    {"{\"x\":[\"source\"],\"b\":{\"source\":\"API\"},\"sourc\\u0065\":\"O\\u0052B\"}", "ORB"},
	    {"{\"a\":{\"source\":\"ORB\"}}", NULL},
	    {"{\"a\":\"source\",\"b\":\"ORB\"}", NULL},
	    {"{\"source\":[\"ORB\"]}", NULL},
	    {"{\"source\":1,\"b\":\"ORB\"}", NULL},
	    {"{\"source\":{},\"b\":\"ORB\"}", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *reason;
		struct slice value;
		struct metainfo *filter = metainfo_parse(rows[i].filter, &reason);
		bool is_found = metainfo_member(filter, "source", &value);
		assert_row(rows[i].filter, is_found == (rows[i].value != NULL));
		if (is_found)
			assert_row(rows[i].filter, slice_equals(value, rows[i].value));
		metainfo_free(filter);
	}
}

/* {"a":[...]} of count elements, each written by format and its number. */
static char *array_of(size_t count, const char *format, size_t from)
{
	char *text = malloc(count * 24 + 16), *out = text + sprintf(text, "{\"a\":[");

	assert_non_null(text);
	for (size_t i = 0; i < count; i++) {
		out += sprintf(out, format, from + i);
		*out++ = ',';
	}
	strcpy(out - 1, "]}");
	return text;
}

/* What took a minute when each element was held against each. */
static void test_metainfo_match_of_long_arrays_is_bounded(void **state)
{
	const char *reason;
	char *document = array_of(200000, "\"s%zu\"", 0), *objects = array_of(200000, "{\"b\":%zu}", 0);
	char *strings_in = array_of(400, "\"s%zu\"", 199600),
	     *strings_out = array_of(400, "\"s%zu\"", 199601);
	char *objects_out = array_of(300, "{\"b\":%zu}", 199999);
	struct metainfo *in = metainfo_parse(strings_in, &reason),
	                *out = metainfo_parse(strings_out, &reason);
	struct metainfo *costly = metainfo_parse(objects_out, &reason);

	(void)state;
	clock_t start = clock(); /* processor time: the machine may be busy */
	assert_int_equal(metainfo_match(in, slice_of(document)), METAINFO_CONTAINS);
	assert_int_equal(metainfo_match(out, slice_of(document)), METAINFO_LACKS);
	assert_int_not_equal(metainfo_match(costly, slice_of(objects)), METAINFO_CONTAINS);
	assert_true(clock() - start < 5 * CLOCKS_PER_SEC); /* 0.1 s by itself; sanitizers */
	metainfo_free(in);
	metainfo_free(out);
	metainfo_free(costly);
	free(document);
	free(objects);
	free(strings_in);
	free(strings_out);
	free(objects_out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_metainfo_parse),
	    cmocka_unit_test(test_metainfo_parse_bounds_depth_and_length),
	    cmocka_unit_test(test_metainfo_match),
	    cmocka_unit_test(test_metainfo_match_again_after_a_fault),
	    cmocka_unit_test(test_metainfo_text_is_short),
	    cmocka_unit_test(test_metainfo_member),
	    cmocka_unit_test(test_metainfo_match_of_long_arrays_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
