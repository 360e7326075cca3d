#include "test.h"

#include <stdio.h>

#include "serve/fcgi_guard.h"

struct request {
	unsigned char bytes[4096];
	size_t len;
};

static void add_record(struct request *request, unsigned type, unsigned id, const void *content,
                       size_t len, size_t padding)
{
	unsigned char *at = request->bytes + request->len;

	memcpy(
	    at,
	    (unsigned char[]){1, (unsigned char)type, (unsigned char)(id >> 8), (unsigned char)id,
	                      (unsigned char)(len >> 8), (unsigned char)len, (unsigned char)padding, 0},
	    8);
	memcpy(at + 8, content, len);
	memset(at + 8 + len, 0, padding);
	request->len += 8 + len + padding;
}

static void add_begin(struct request *request, unsigned id, unsigned role)
{
	add_record(request, 1, id, (unsigned char[8]){0, (unsigned char)role}, 8, 0);
}

static void add_params(struct request *request, unsigned id, const char *content, size_t len)
{
	add_record(request, 4, id, content, len, 0);
}

static struct request good_request(void)
{
	struct request request = {.len = 0};

	add_begin(&request, 1, 1);
	add_record(&request, 4, 1, "\x0b\x04REQUEST_URI/org", 17, 7);
	add_params(&request, 1, "\x0e\x03REQUEST_METHODGET", 19);
	add_params(&request, 1, "", 0);
	return request;
}

static enum fcgi_guard_status check(const struct request *request)
{
	return fcgi_guard_check(request->bytes, request->len);
}

static void test_guard_of_every_beginning_of_a_request(void **state)
{
	struct request request = good_request();
	char name[48];

	(void)state;
	for (size_t len = 0; len < request.len; len++) {
		snprintf(name, sizeof name, "first %zu bytes", len);
		assert_row(name, fcgi_guard_check(request.bytes, len) == FCGI_GUARD_INCOMPLETE);
	}
	assert_int_equal(check(&request), FCGI_GUARD_PARAMETERS);
	add_record(&request, 5, 1, "", 0, 5);
	for (size_t padding = 5; padding > 0; padding--)
		assert_int_equal(fcgi_guard_check(request.bytes, request.len - padding),
		                 FCGI_GUARD_PARAMETERS);
	assert_int_equal(check(&request), FCGI_GUARD_COMPLETE);
	request.bytes[request.len++] = 0xff;
	assert_int_equal(check(&request), FCGI_GUARD_PARAMETERS);

	request = good_request();
	add_record(&request, 5, 1, "body", 4, 0);
	add_record(&request, 5, 1, "", 0, 0);
	assert_int_equal(check(&request), FCGI_GUARD_PARAMETERS);
}

static void test_guard_of_pairs_across_records(void **state)
{
	static const char pairs[] =
	    "\x0b\x04REQUEST_URI/org\x80\x00\x00\x01\x80\x00\x00\x02nvv\x01\x00n";

	(void)state;
	for (size_t cut = 1; cut < sizeof pairs - 2; cut++) {
		struct request request = {.len = 0};
		add_begin(&request, 1, 1);
		add_params(&request, 1, pairs, cut);
		add_params(&request, 1, pairs + cut, sizeof pairs - 1 - cut);
		assert_int_equal(check(&request), FCGI_GUARD_INCOMPLETE);
		add_params(&request, 1, "", 0);
		assert_int_equal(check(&request), FCGI_GUARD_PARAMETERS);
	}
}

static void test_guard_of_an_authorizer(void **state)
{
	struct request request = {.len = 0};

	(void)state;
	add_begin(&request, 65535, 2);
	add_params(&request, 65535, "", 0);
	assert_int_equal(check(&request), FCGI_GUARD_COMPLETE);
}

static void test_guard_refuses(void **state)
{
	struct request request;

	(void)state;
	request = good_request();
	request.bytes[0] = 2; /* version */
	assert_int_equal(check(&request), FCGI_GUARD_MALFORMED);

	request = good_request();
	request.bytes[1] = 4; /* parameters before the beginning */
	assert_int_equal(check(&request), FCGI_GUARD_MALFORMED);

	request = good_request();
	request.bytes[3] = 0; /* request id 0: management, which no web server sends here */
	assert_int_equal(check(&request), FCGI_GUARD_MALFORMED);

	request = good_request();
	request.bytes[5] = 7; /* a begin body of 7 bytes */
	assert_int_equal(check(&request), FCGI_GUARD_MALFORMED);

	static const unsigned char roles[] = {0, 3, 4, 255};
	for (size_t i = 0; i < sizeof roles; i++) {
		request = good_request();
		request.bytes[9] = roles[i];
		assert_int_equal(check(&request), FCGI_GUARD_MALFORMED);
	}

	request.len = 0; /* padding that libfcgi would read as a record */
	add_record(&request, 1, 1, (unsigned char[8]){0, 1}, 8, 8);
	add_params(&request, 1, "", 0);
	assert_int_equal(check(&request), FCGI_GUARD_MALFORMED);

	request.len = 0; /* another request's parameters */
	add_begin(&request, 1, 1);
	add_params(&request, 2, "\x01\x01nv", 4);
	assert_int_equal(check(&request), FCGI_GUARD_MALFORMED);

	request.len = 0; /* a second beginning */
	add_begin(&request, 1, 1);
	add_begin(&request, 1, 1);
	assert_int_equal(check(&request), FCGI_GUARD_MALFORMED);

	request.len = 0; /* a body before the end of the parameters */
	add_begin(&request, 1, 1);
	add_record(&request, 5, 1, "x", 1, 0);
	assert_int_equal(check(&request), FCGI_GUARD_MALFORMED);
}

static void test_guard_refuses_bad_pairs(void **state)
{
	static const struct {
		const char *name, *content;
		size_t len;
	} rows[] = {
	    {"the name is cut", "\x05\x00nam", 5},
	    {"the value is cut", "\x01\x05nval", 6},
	    {"the lengths are cut", "\x01", 1},
	    {"a long length is cut", "\x01\x80\x00\x00", 4},
	    {"2 GB of name", "\xff\xff\xff\xff\x00n", 6},
	    {"2 GB of value", "\x01\xff\xff\xff\xffn", 6},
	    {"2 GB of both", "\xff\xff\xff\xfe\xff\xff\xff\xfen", 9},
	    {"a NUL in the name", "\x02\x01n\0v", 5},
	    {"a NUL in the value", "\x01\x03nv\0v", 6},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct request request = {.len = 0};
		add_begin(&request, 1, 1);
		add_params(&request, 1, rows[i].content, rows[i].len);
		add_params(&request, 1, "", 0);
		assert_row(rows[i].name, check(&request) == FCGI_GUARD_MALFORMED);
	}
}

static void test_guard_bounds_a_request(void **state)
{
	static unsigned char bytes[FCGI_GUARD_REQUEST_MAX];
	struct request request = {.len = 0};
	size_t len;

	(void)state;
	add_begin(&request, 1, 1);
	memcpy(bytes, request.bytes, len = request.len);
	while (len + 8 + 2 + 200 <= sizeof bytes) { /* good pairs without end */
		request.len = 0;
		char pair[202] = "\x64\x64";
		memset(pair + 2, 'x', 200);
		add_params(&request, 1, pair, sizeof pair);
		memcpy(bytes + len, request.bytes, request.len);
		len += request.len;
		assert_int_equal(fcgi_guard_check(bytes, len), FCGI_GUARD_INCOMPLETE);
	}
	memcpy(bytes + len, request.bytes, sizeof bytes - len);
	assert_int_equal(fcgi_guard_check(bytes, sizeof bytes), FCGI_GUARD_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_guard_of_every_beginning_of_a_request),
	    cmocka_unit_test(test_guard_of_pairs_across_records),
	    cmocka_unit_test(test_guard_of_an_authorizer),
	    cmocka_unit_test(test_guard_refuses),
	    cmocka_unit_test(test_guard_refuses_bad_pairs),
	    cmocka_unit_test(test_guard_bounds_a_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
