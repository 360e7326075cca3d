#include "test.h"

#include "request/cursor.h"

static const struct cursor samples[] = {
    {{0, 1}, 0, 0},
    {{1723424535910, 42}, 1000, 19947},
    {{UTC_FIRST_DAY * UTC_DAY_MS, 0}, 1, UTC_FIRST_DAY},
    {{(UTC_LAST_DAY + 1) * UTC_DAY_MS - 1, UINT64_MAX}, INT32_MAX, UTC_LAST_DAY},
};

static bool are_equal(const struct cursor *a, const struct cursor *b)
{
	return a->after.creation_ms == b->after.creation_ms &&
	       a->after.serial_id == b->after.serial_id && a->offset == b->offset &&
	       a->end_day == b->end_day;
}

static void test_cursor_reads_what_it_wrote(void **state)
{
	char text[CURSOR_TEXT_SIZE];
	struct cursor cursor;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(samples); i++) {
		cursor_write(text, &samples[i]);
		assert_row(text, strspn(text, "0123456789abcdef-") == strlen(text));
		assert_row(text, cursor_parse(slice_of(text), &cursor));
		assert_row(text, are_equal(&cursor, &samples[i]));
	}
}

static void test_cursor_refuses_every_change_of_one_character(void **state)
{
	static const char characters[] = "0123456789abcdefABCDEFxyz-+ _";
	char text[CURSOR_TEXT_SIZE], changed[CURSOR_TEXT_SIZE];
	struct cursor cursor;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(samples); i++) {
		cursor_write(text, &samples[i]);
		for (size_t at = 0; at < strlen(text); at++) {
			for (const char *c = characters; *c != '\0'; c++) {
				strcpy(changed, text);
				changed[at] = *c;
				assert_row(changed,
				           strcmp(changed, text) == 0 || !cursor_parse(slice_of(changed), &cursor));
			}
		}
	}
}

static void test_cursor_refuses_what_it_did_not_write(void **state)
{
	static const char *const rows[] = {
	    "",
	    "-",
	    "----",
	    "1",
	    "1-2-3-4",
	    "1-2-3-4-00000000",
	    "x",
	    "0x1-2-3-4-5",
	    " 1d790a60ed13-f423f-2-5b91a-c1f8622a",
	    "1d790a60ed13-f423f-2-5b91a-c1f8622a ",
	    "1D790A60ED13-f423f-2-5b91a-c1f8622a",
	    "01d790a60ed13-f423f-2-5b91a-c1f8622a",
	    "1d790a60ed13-f423f-2-5b91a",
	    "1d790a60ed13-f423f-2-5b91a-c1f8622",
	    "1d790a60ed13-f423f-2-5b91a-c1f8622aa",
	    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};
	struct cursor cursor = samples[0];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_row(rows[i], !cursor_parse(slice_of(rows[i]), &cursor));
		assert_row(rows[i], are_equal(&cursor, &samples[0]));
	}
	assert_true(cursor_parse(slice_of("1d790a60ed13-f423f-2-5b91a-c1f8622a"), &cursor));
}

/* Well-formed, with a right sum, but out of range: nobody's Link ever gave these. */
static void test_cursor_refuses_what_is_out_of_range(void **state)
{
	const struct cursor rows[] = {
	    {{(UTC_LAST_DAY + 1) * UTC_DAY_MS, 1}, 0, 0},
	    {{UTC_FIRST_DAY * UTC_DAY_MS - 1, 1}, 0, 0},
	    {{0, 1}, (uint32_t)INT32_MAX + 1, 0},
	    {{0, 1}, 0, UTC_LAST_DAY + 1},
	    {{0, 1}, 0, UTC_FIRST_DAY - 1},
	};
	char text[CURSOR_TEXT_SIZE];
	struct cursor cursor;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		cursor_write(text, &rows[i]);
		assert_row(text, !cursor_parse(slice_of(text), &cursor));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cursor_reads_what_it_wrote),
	    cmocka_unit_test(test_cursor_refuses_every_change_of_one_character),
	    cmocka_unit_test(test_cursor_refuses_what_it_did_not_write),
	    cmocka_unit_test(test_cursor_refuses_what_is_out_of_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
