#include "test.h"

#include <stdio.h>

#include "base/text.h"

static void test_text_add_json_escapes_what_json_demands(void **state)
{
	static const struct {
		const char *text, *expected;
	} rows[] = {
	    {"", ""},
	    {"plain", "plain"},
	    {"\"", "\\\""},
	    {"\\", "\\\\"},
	    {"/", "/"},
	    {"\b\f\n\r\t", "\\u0008\\u000c\\u000a\\u000d\\u0009"},
	    {"\x01\x1f \x7f", "\\u0001\\u001f \x7f"},
	    {"é株🚀", "é株🚀"},
	    {"eight by", "eight by"},
	    {"eight b\"", "eight b\\\""},
	    {"\"ight by", "\\\"ight by"},
	    {"0123456789abcdef\n0123456789abcdef", "0123456789abcdef\\u000a0123456789abcdef"},
	    {"\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "ééééé"},
	};
	char data[256];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct text text = TEXT_IN(data);
		text_add_json(&text, slice_of(rows[i].text));
		text_end(&text);
		assert_row_text(rows[i].text, data, rows[i].expected);
		assert_false(text.is_cut);
	}
}

/* The rule, written down plainly. */
static size_t escape_plainly(char *out, const char *bytes, size_t len)
{
	size_t out_len = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c < 0x20)
			out_len += (size_t)sprintf(out + out_len, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			out_len += (size_t)sprintf(out + out_len, "\\%c", c);
		else
			out[out_len++] = (char)c;
	}
	return out_len;
}

/* Each byte at each place of texts of each length, among bytes next to those that count. */
static void test_text_add_json_of_every_byte_at_every_place(void **state)
{
	static const char neighbours[] = " !#[]\x7f\x80\xff";
	char data[256], expected[256], bytes[20];

	(void)state;
	for (const char *neighbour = neighbours; *neighbour != '\0'; neighbour++) {
		memset(bytes, *neighbour, sizeof bytes);
		for (size_t len = 1; len <= sizeof bytes; len++) {
			for (size_t i = 0; i < 256 * len; i++) {
				struct text text = TEXT_IN(data);
				bytes[i % len] = (char)(i / len);
				size_t expected_len = escape_plainly(expected, bytes, len);
				text_add_json(&text, (struct slice){bytes, len});
				assert_int_equal(text.len, expected_len);
				assert_memory_equal(data, expected, expected_len);
				bytes[i % len] = *neighbour;
			}
		}
	}
}

static void test_text_add_integer(void **state)
{
	static const struct {
		uint64_t value;
		const char *expected;
	} rows[] = {{0, "0"},
	            {9, "9"},
	            {10, "10"},
	            {2147483648, "2147483648"},
	            {UINT64_MAX, "18446744073709551615"}};
	char data[32];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct text text = TEXT_IN(data);
		text_add_integer(&text, rows[i].value);
		text_end(&text);
		assert_row_text(rows[i].expected, data, rows[i].expected);
	}
}

static void test_text_add_hex(void **state)
{
	static const struct {
		uint64_t value;
		int digit_count;
		const char *expected;
	} rows[] = {{0, 1, "0"},
	            {0, 2, "00"},
	            {0xf, 2, "0f"},
	            {0xa0, 2, "a0"},
	            {0x123, 2, "123"},
	            {0x1000, 1, "1000"},
	            {7, 8, "00000007"},
	            {UINT64_MAX, 1, "ffffffffffffffff"},
	            {1, 16, "0000000000000001"}};
	char data[32];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct text text = TEXT_IN(data);
		text_add_hex(&text, rows[i].value, rows[i].digit_count);
		text_end(&text);
		assert_row_text(rows[i].expected, data, rows[i].expected);
	}
}

static void test_text_add_ms(void **state)
{
	static const struct {
		double ms;
		const char *expected;
	} rows[] = {
	    {0, "0.000"}, {0.0015, "0.001"}, {1.25, "1.250"}, {12345.678, "12345.678"}, {-1, "0.000"}};
	char data[32];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct text text = TEXT_IN(data);
		text_add_ms(&text, rows[i].ms);
		text_end(&text);
		assert_row_text(rows[i].expected, data, rows[i].expected);
	}
}

static void test_text_leaves_out_what_does_not_fit(void **state)
{
	char data[8];
	struct text text = TEXT_IN(data);

	(void)state;
	TEXT_ADD(&text, "12345");
	TEXT_ADD(&text, "6789");
	assert_true(text.is_cut);
	TEXT_ADD(&text, "678");
	assert_int_equal(text.len, 8);
	text_add_format(&text, "%d", 1);
	text_add_json(&text, slice_of("\n"));
	text_add_json(&text, slice_of("too long for it"));
	assert_int_equal(text.len, 8);
	text_end(&text);
	assert_string_equal(data, "1234567");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text_add_json_escapes_what_json_demands),
	    cmocka_unit_test(test_text_add_json_of_every_byte_at_every_place),
	    cmocka_unit_test(test_text_add_integer),
	    cmocka_unit_test(test_text_add_hex),
	    cmocka_unit_test(test_text_add_ms),
	    cmocka_unit_test(test_text_leaves_out_what_does_not_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
