#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "request/amounts.h"

/* The members as "dimension=value;", with a "?" in front of what is no number. */
static const char *list(const char *document)
{
	static struct amounts amounts;
	static char text[4096];
	struct text out = TEXT_IN(text);

	switch (amounts_parse(&amounts, slice_of(document))) {
	case AMOUNTS_OK:
		break;
	case AMOUNTS_UNREADABLE:
		return "unreadable";
	case AMOUNTS_NO_MEMORY:
		return "no memory";
	}
	for (size_t i = 0; i < amounts.count; i++) {
		const struct amount *amount = &amounts.list[i];
		text_add_format(&out, "%s%.*s=%.*s;", amount->is_number ? "" : "?",
		                (int)amount->dimension.len, amount->dimension.data, (int)amount->value.len,
		                amount->value.data);
	}
	text_end(&out);
	amounts_close(&amounts);
	amounts = (struct amounts){.count = 0};
	return text;
}

static void test_amounts_parse(void **state)
{
	static const struct {
		const char *document, *list;
	} rows[] = {
	    {"", ""},
	    {"{}", ""},
	    {" { } ", ""},
	    {"{\"a\":1}", "a=1;"},
	    {" {\t\"a\" :\n1.50 , \"b\":-1E+2\r} ", "a=1.50;b=-1E+2;"},
	    {"{\"a\":1,\"a\":2}", "a=2;"},
	    {"{\"a\":1,\"b\":2,\"a\":3,\"b\":\"x\"}", "a=3;?b=\"x\";"},
	    {"{\"\\u0061\":1,\"a\":2}", "a=2;"},
	    {"{\"q\\\"\\\\\":1}", "q\"\\=1;"},
	    {"{\"\\ud83d\\ude80\":1}", "\xf0\x9f\x9a\x80=1;"},
	    {"{\"\\ud83d\":1}", "\\ud83d=1;"},
	    {"{\"\":0}", "=0;"},
	    {"{\"a\":\"1\" , \"b\":null,\"c\":[1, {\"d\":2} ] ,\"e\":{ } }",
	     "?a=\"1\";?b=null;?c=[1, {\"d\":2} ];?e={ };"},
	    {"{\"a\":true,\"b\":1}", "?a=true;b=1;"},
	    {"{\"a\":01}", "unreadable"},
	    {"{\"a\":1.}", "unreadable"},
	    {"{\"a\":.5}", "unreadable"},
	    {"{\"a\":1e}", "unreadable"},
	    {"{\"a\":-}", "unreadable"},
	    {"{\"a\":}", "unreadable"},
	    {"{\"a\"}", "unreadable"},
	    {"{\"a\":1", "unreadable"},
	    {"{\"a\":1}}", "unreadable"},
	    {"{\"a\":1,}", "unreadable"},
	    {"{,\"a\":1}", "unreadable"},
	    {"{\"a\\'\":1}", "unreadable"},
	    {"[1]", "unreadable"},
	    {"1", "unreadable"},
	    {"{", "unreadable"},
	    {" ", "unreadable"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_row_text(rows[i].document, list(rows[i].document), rows[i].list);
}

/* Many members, each of them twice. */
static void test_amounts_parse_many(void **state)
{
	enum { COUNT = 20000 };
	struct growing document = {.data = NULL};
	struct amounts amounts = {.count = 0};
	char member[32];

	(void)state;
	for (int i = 0; i < 2 * COUNT; i++) {
		snprintf(member, sizeof member, "%s\"d%d\":%d", i == 0 ? "{" : ",", i % COUNT, i);
		growing_add(&document, slice_of(member));
	}
	GROWING_ADD(&document, "}");
	assert_int_equal(amounts_parse(&amounts, growing_slice(&document)), AMOUNTS_OK);
	assert_int_equal(amounts.count, COUNT);
	assert_true(slice_equals(amounts.list[7].dimension, "d7"));
	assert_true(slice_equals(amounts.list[7].value, "20007"));
	amounts_close(&amounts);
	growing_free(&document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_amounts_parse),
	    cmocka_unit_test(test_amounts_parse_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
