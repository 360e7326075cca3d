#include "test.h"

#include "serve/accept.h"

static const char *const media[] = {"application/json", "application/x-ndjson", "text/csv"};
static const char *const codings[] = {"gzip", "identity"};
enum { NONE = -1, JSON = 0, NDJSON, CSV, GZIP = 0, IDENTITY };

static void test_accept_media(void **state)
{
	static const struct {
		const char *header;
		int index;
	} rows[] = {
	    {"", JSON},
	    {" ", JSON},
	    {"*/*", JSON},
	    {"application/json", JSON},
	    {"application/x-ndjson", NDJSON},
	    {"text/csv", CSV},
	    {"TEXT/Csv", CSV},
	    {"text/*", CSV},
	    {"application/*", JSON},
	    {"text/html", NONE},
	    {"image/*", NONE},
	    {"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", JSON},
	    {"text/csv, */*;q=0.1", CSV},
	    {"application/json, text/csv", JSON}, /* the server's order */
	    {"text/csv, application/x-ndjson", NDJSON},
	    {"application/json;q=0.5, text/csv;q=0.51", CSV},
	    {"application/json;q=0.500, text/csv;q=0.5", JSON},
	    {"application/json;q=0, */*", NDJSON},
	    {"*/*;q=0", NONE},
	    {"application/json;q=0", NONE},
	    {"application/*;q=0, text/*;q=0.1", CSV},
	    {"application/json;q=0.0001", JSON},
	    {"application/json;q=0.0", NONE},
	    {"application/json;Q=0", NONE},
	    {"text/csv ; q=1.000 , application/json ; q=0.9", CSV},
	    {"\ttext/csv\t;\tq=1\t", CSV},
	    {",,text/csv,,", CSV},
	    /* HttpURLConnection of Java */
	    {"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", JSON},
	    /* Parameters */
	    {"application/json; charset=utf-8", JSON},
	    {"text/csv;header=absent", CSV},
	    {"text/csv;header=absent;q=0, text/csv;q=0.5", CSV},
	    {"application/json;v=1, application/json;q=0.1, text/csv;q=0.2", CSV},
	    {"text/csv;x=\"a,b;q=0\", application/json;q=0.5", CSV},
	    {"text/csv;x=\"a\\\",application/json;q=0.7,\";q=0.6, application/x-ndjson;q=0.5", CSV},
	    {"application/json;q=0.1;ext=1, text/csv;q=0.2", CSV},
	    /* Repeated: the best of the same */
	    {"application/json;q=0.1, application/json;q=0.3, text/csv;q=0.2", JSON},
	    /* Malformed elements are passed over */
	    {"application/json;q=2, text/csv;q=0.1", CSV},
	    {"application/json;q=, text/csv;q=0.1", CSV},
	    {"application/json;q=-1, text/csv;q=0.1", CSV},
	    {"application/json;q=0..1, text/csv;q=0.1", CSV},
	    {"application/json;q=01, text/csv;q=0.1", CSV},
	    {"application/json;q=1.001, text/csv;q=0.1", CSV},
	    {"application/json;q=99999999999999999999, text/csv;q=0.1", CSV},
	    {"application/json;q=1e0, text/csv;q=0.1", CSV},
	    {"application/json;q=abc", JSON}, /* nothing else is there */
	    {"\"", JSON},
	    {"\"text/csv", JSON},
	    {"text/csv, \"application/json", CSV},
	    {";q=1", JSON},
	    {"text /csv, application/json;q=0.5", JSON},
	    {"*/csv", NONE},
	    {"text/", NONE},
	    {"text", NONE},
	    {"/", NONE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_row(rows[i].header,
		           accept_media(slice_of(rows[i].header), media, COUNT_OF(media)) == rows[i].index);
}

static void test_accept_encoding(void **state)
{
	static const struct {
		const char *header;
		int index;
	} rows[] = {
	    {"", IDENTITY},
	    {" , ", IDENTITY},
	    {"gzip", GZIP},
	    {"GZip", GZIP},
	    {"x-gzip", GZIP},
	    {"gzip, deflate, br, zstd", GZIP},
	    {"deflate, br", IDENTITY},
	    {"*", GZIP},
	    {"identity", IDENTITY},
	    {"identity, gzip", GZIP}, /* the server's order */
	    {"gzip;q=0.5", GZIP},
	    {"gzip;q=0.001", GZIP},
	    {"gzip;q=0", IDENTITY},
	    {"gzip;q=0.5, identity", IDENTITY},
	    {"gzip;q=0.5, *;q=0.1", GZIP},
	    {"gzip;q=0.1, *;q=0.5", IDENTITY},
	    {"identity;q=0.5, *;q=0", IDENTITY},
	    {"gzip;q=1.0, identity; q=0.5, *;q=0", GZIP}, /* RFC 9110 */
	    {"gzip, identity;q=0", GZIP},
	    {"gzip, *;q=0", GZIP},
	    {"identity;q=0", NONE},
	    {"*;q=0", NONE},
	    {"br, *;q=0", NONE},
	    {"gzip;q=0, identity;q=0", NONE},
	    {"gzip;q=0, *;q=0.1", IDENTITY},
	    {"identity;q=0, *", GZIP},
	    {"gzip;q=x", IDENTITY},
	    {"gzip;q=x, gzip;q=0.3", GZIP},
	    {"gzipped", IDENTITY},
	    {"gzi", IDENTITY},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_row(rows[i].header, accept_encoding(slice_of(rows[i].header), codings,
		                                           COUNT_OF(codings)) == rows[i].index);
}

static void test_accept_encoding_without_identity_on_offer(void **state)
{
	(void)state;
	assert_int_equal(accept_encoding(slice_of(""), codings, 1), NONE);
	assert_int_equal(accept_encoding(slice_of("*"), codings, 1), GZIP);
	assert_int_equal(accept_encoding(slice_of("br"), codings, 1), NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_accept_media),
	    cmocka_unit_test(test_accept_encoding),
	    cmocka_unit_test(test_accept_encoding_without_identity_on_offer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
