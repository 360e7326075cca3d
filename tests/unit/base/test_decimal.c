#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/decimal.h"

static enum decimal_status add(struct decimal_sum *sum, struct slice text)
{
	struct number number;

	assert_ptr_equal(number_read(text.data, text.data + text.len, &number), text.data + text.len);
	return decimal_add(sum, &number);
}

/* The sum of numbers with spaces between them, as text; "!" for each that is too long. */
static const char *sum_of(const char *numbers)
{
	static char text[2048];
	struct decimal_sum sum = {0};
	struct growing written = {.data = NULL};
	size_t len, bad = 0;

	for (const char *at = numbers; *at != '\0'; at += len + (at[len] == ' ')) {
		len = strcspn(at, " ");
		bad += add(&sum, (struct slice){at, len}) == DECIMAL_TOO_LONG;
	}
	decimal_write(&sum, &written);
	snprintf(text, sizeof text, "%.*s%.*s", (int)written.len, written.data, (int)bad, "!!!!!!!!");
	growing_free(&written);
	decimal_close(&sum);
	return text;
}

static void test_decimal_add(void **state)
{
	static const struct {
		const char *numbers, *sum;
	} rows[] = {
	    {"", "0"},
	    {"0", "0"},
	    {"-0", "0"},
	    {"-0.00", "0"},
	    {"0e999999999999999999", "0"},
	    {"1", "1"},
	    {"-1", "-1"},
	    {"1.50 1.50", "3"},
	    {"0.1 0.2", "0.3"},
	    {"100", "100"},
	    {"1e2 1E+2 1e-2", "200.01"},
	    {"-0.001", "-0.001"},
	    {"1 -1", "0"},
	    {"0.5 -1", "-0.5"},
	    {"3.8535107192876003319 6.7981278267387882916", "10.6516385460263886235"},
	    {"12345678901234567890.123456789 0.000000001", "12345678901234567890.12345679"},
	    {"99999999999999999999999999999999999999 1", "100000000000000000000000000000000000000"},
	    {"170141183460469231731687303715884105727 1", "170141183460469231731687303715884105728"},
	    {"-170141183460469231731687303715884105728 -1", "-170141183460469231731687303715884105729"},
	    {"1e38 1e-38",
	     "100000000000000000000000000000000000000.00000000000000000000000000000000000001"},
	    {"1e38 1e-38 -1e38", "0.00000000000000000000000000000000000001"},
	    {"1e40 -1e40", "0"},
	    {"1e-40 -1", "-0.9999999999999999999999999999999999999999"},
	    {"1e400", "0!"},
	    {"1 1e-401 1e400 1e999999999999 1e-999999999999 2", "3!!!!"},
	    {"1.0e-400 -1e-400", "0"},
	    {"0.1000000000000000055511151231257827021181583404541015625",
	     "0.1000000000000000055511151231257827021181583404541015625"},
	    {"0.0000000000000000000000000000000000000000000000000125",
	     "0.0000000000000000000000000000000000000000000000000125"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_row_text(rows[i].numbers, sum_of(rows[i].numbers), rows[i].sum);
}

/* The longest that there are, a thousand of them, and back to nothing. */
static void test_decimal_of_the_longest(void **state)
{
	char number[2 * DECIMAL_PLACES_MAX + 3];
	struct decimal_sum sum = {0}, total = {0};
	struct growing text = {.data = NULL};

	(void)state;
	number[0] = '-';
	memset(number + 1, '9', sizeof number - 1);
	number[1 + DECIMAL_PLACES_MAX] = '.';
	for (int i = 0; i < 1000; i++)
		assert_int_equal(add(&sum, (struct slice){number, sizeof number - 1}), DECIMAL_OK);
	decimal_write(&sum, &text);
	assert_int_equal(text.len, 1 + DECIMAL_PLACES_MAX + 3 + 1 + DECIMAL_PLACES_MAX - 3);
	assert_memory_equal(text.data, "-9999", 5);
	assert_memory_equal(text.data + text.len - 2, "99", 2);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(add(&total, (struct slice){number + 1, sizeof number - 2}), DECIMAL_OK);
	assert_int_equal(add(&total, slice_of("0.5")), DECIMAL_OK);
	assert_int_equal(decimal_add_sum(&total, &sum), DECIMAL_OK);
	growing_clear(&text, 0);
	decimal_write(&total, &text);
	assert_int_equal(text.len, 3);
	assert_memory_equal(text.data, "0.5", 3);
	growing_free(&text);
	decimal_close(&sum);
	decimal_close(&total);
}

static void test_decimal_add_sum(void **state)
{
	static const struct {
		const char *a, *b, *sum;
	} rows[] = {
	    {"1.5", "2.25", "3.75"},
	    {"1e30", "1e-30", "1000000000000000000000000000000.000000000000000000000000000001"},
	    {"1e100", "-1", NULL},
	    {"-1", "1e100", NULL},
	    {"0", "0", "0"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct decimal_sum a = {0}, b = {0};
		struct growing text = {.data = NULL};
		assert_int_equal(add(&a, slice_of(rows[i].a)), DECIMAL_OK);
		assert_int_equal(add(&b, slice_of(rows[i].b)), DECIMAL_OK);
		assert_int_equal(decimal_add_sum(&a, &b), DECIMAL_OK);
		decimal_write(&a, &text);
		if (rows[i].sum != NULL)
			assert_row(rows[i].a, slice_equals(growing_slice(&text), rows[i].sum));
		else
			assert_row(rows[i].a, text.len == 100 && strspn(text.data, "9") >= 100);
		growing_free(&text);
		decimal_close(&a);
		decimal_close(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_decimal_add),
	    cmocka_unit_test(test_decimal_of_the_longest),
	    cmocka_unit_test(test_decimal_add_sum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
