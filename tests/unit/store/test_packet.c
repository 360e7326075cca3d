#include "test.h"

#include <stdlib.h>

#include "store/packet.h"

/* The row of all cases: a time, an integer and two texts. */
struct row {
	union packet_value time, integer, first, second;
};
enum { COLUMN_COUNT = 4, LEN_MAX = 16777216 };

#define TIME "\x0b\xea\x07\x0b\x17\x17\x3b\x20\x78\x96\x09\x00" /* 23:59:32.628 */
/* A packet and its length. */
#define ROW(text) text, sizeof(text) - 1
#define NUMBER "\x40\x42\x0f\x00\x00\x00\x00\x80"

static bool read_row(const char *data, size_t len, struct row *row)
{
	const struct packet_column columns[COLUMN_COUNT] = {{PACKET_TIME, 0, &row->time},
	                                                    {PACKET_INTEGER, 0, &row->integer},
	                                                    {PACKET_TEXT, LEN_MAX, &row->first},
	                                                    {PACKET_TEXT, LEN_MAX, &row->second}};

	return packet_read((struct slice){data, len}, columns, COLUMN_COUNT);
}

static void test_packet_read_gives_the_values(void **state)
{
	static const char data[] = "\0\0" TIME NUMBER "\x03"
	                           "abc"
	                           "\0";
	struct row row;

	(void)state;
	assert_true(read_row(data, sizeof data - 1, &row));
	assert_int_equal(row.time.time.year, 2026);
	assert_int_equal(row.time.time.month, 11);
	assert_int_equal(row.time.time.day, 23);
	assert_int_equal(row.time.time.hour, 23);
	assert_int_equal(row.time.time.minute, 59);
	assert_int_equal(row.time.time.second, 32);
	assert_int_equal(row.time.time.millisecond, 628);
	assert_true(row.integer.integer == UINT64_C(0x80000000000f4240));
	assert_ptr_equal(row.first.text.data, data + 2 + sizeof TIME - 1 + sizeof NUMBER - 1 + 1);
	assert_int_equal(row.first.text.len, 3);
	assert_int_equal(row.second.text.len, 0);
}

/* Of zeros at its end, a time is sent without them. */
static void test_packet_read_of_a_short_time(void **state)
{
	static const char day[] = "\0\0\x04\xea\x07\x0b\x17" NUMBER "\0\0",
	                  second[] = "\0\0\x07\xea\x07\x0b\x17\x17\x3b\x20" NUMBER "\0\0",
	                  zero[] = "\0\0\0" NUMBER "\0\0";
	struct row row;

	(void)state;
	assert_true(read_row(day, sizeof day - 1, &row));
	assert_int_equal(row.time.time.day, 23);
	assert_int_equal(row.time.time.hour, 0);
	assert_true(read_row(second, sizeof second - 1, &row));
	assert_int_equal(row.time.time.second, 32);
	assert_int_equal(row.time.time.millisecond, 0);
	assert_true(read_row(zero, sizeof zero - 1, &row));
	assert_int_equal(row.time.time.year, 0);
}

static void test_packet_read_of_null(void **state)
{
	static const char data[] = "\0\x3c";
	struct row row;

	(void)state;
	memset(&row, 1, sizeof row);
	assert_true(read_row(data, sizeof data - 1, &row));
	assert_int_equal(row.time.time.year, 0);
	assert_int_equal(row.time.time.millisecond, 0);
	assert_true(row.integer.integer == 0);
	assert_int_equal(row.first.text.len, 0);
	assert_int_equal(row.second.text.len, 0);
}

/* The map of NULLs has a byte more with the seventh column, and with each eighth behind it. */
static void test_packet_read_of_many_columns(void **state)
{
	static const struct {
		const char *expected; /* a dot: NULL */
		const char *data;
		size_t len;
	} rows[] = {
	    {".bcde.", ROW("\0\x84\1b\1c\1d\1e")},
	    {"abcdef.", ROW("\0\0\1\1a\1b\1c\1d\1e\1f")},
	    {"abcdef.hijklm.", ROW("\0\0\x81\1a\1b\1c\1d\1e\1f\1h\1i\1j\1k\1l\1m")},
	    {"...............", ROW("\0\xfc\xff\1")},
	};
	union packet_value values[15];
	struct packet_column columns[COUNT_OF(values)];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(values); i++)
		columns[i] = (struct packet_column){PACKET_TEXT, 1, &values[i]};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *expected = rows[i].expected;
		size_t count = strlen(expected);
		assert_row(expected,
		           packet_read((struct slice){rows[i].data, rows[i].len}, columns, count));
		for (size_t j = 0; j < count; j++) {
			struct slice text = values[j].text;
			if (expected[j] == '.')
				assert_row(expected, text.len == 0);
			else
				assert_row(expected, text.len == 1 && text.data[0] == expected[j]);
		}
	}
}

/* What is a text's length in the packet, and how many bytes it says are to come. */
static void test_packet_read_of_long_texts(void **state)
{
	static const struct {
		const char *name, *head;
		size_t head_len, len;
	} rows[] = {
	    {"one byte", "\xfa", 1, 250},
	    {"two", "\xfc\xfb\x00", 3, 251},
	    {"two, the most", "\xfc\xff\xff", 3, 65535},
	    {"three", "\xfd\x00\x00\x01", 4, 65536},
	    {"three, needlessly", "\xfd\x01\x00\x00", 4, 1},
	    {"eight", "\xfe\x00\x00\x00\x01\x00\x00\x00\x00", 9, 16777216},
	};
	struct row row;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		/* The time and the integer are NULL, and so is the second text. */
		size_t size = 2 + rows[i].head_len + rows[i].len;
		char *data = malloc(size);
		assert_non_null(data);
		memset(data, 'x', size);
		memcpy(data, "\0\x2c", 2);
		memcpy(data + 2, rows[i].head, rows[i].head_len);
		assert_row(rows[i].name, read_row(data, size, &row));
		assert_row(rows[i].name, row.first.text.len == rows[i].len);
		assert_row(rows[i].name, row.first.text.data + rows[i].len == data + size);
		assert_row(rows[i].name, !read_row(data, size - 1, &row));
		free(data);
	}
}

static void test_packet_read_refuses(void **state)
{
	static const struct {
		const char *name, *data;
		size_t len;
	} rows[] = {
	    {"nothing", ROW("")},
	    {"a head alone", ROW("\0")},
	    {"another head", ROW("\1\0" TIME NUMBER "\0\0")},
	    {"an end", ROW("\xfe\0\0\2\0")},
	    {"an error", ROW("\xff\x15\x04#28000Access denied")},
	    {"a column less", ROW("\0\0" TIME NUMBER "\0")},
	    {"a byte more", ROW("\0\0" TIME NUMBER "\0\0\0")},
	    {"a time of another length", ROW("\0\0\x05\xea\x07\x0b\x17\0" NUMBER "\0\0")},
	    {"a time that is cut", ROW("\0\x38\x0b\xea\x07\x0b")},
	    {"month 13", ROW("\0\0\x04\xea\x07\x0d\x17" NUMBER "\0\0")},
	    {"day 32", ROW("\0\0\x04\xea\x07\x0b\x20" NUMBER "\0\0")},
	    {"year 10000", ROW("\0\0\x04\x10\x27\x0b\x17" NUMBER "\0\0")},
	    {"hour 24", ROW("\0\0\x07\xea\x07\x0b\x17\x18\x3b\x20" NUMBER "\0\0")},
	    {"minute 60", ROW("\0\0\x07\xea\x07\x0b\x17\x17\x3c\x20" NUMBER "\0\0")},
	    {"second 60", ROW("\0\0\x07\xea\x07\x0b\x17\x17\x3b\x3c" NUMBER "\0\0")},
	    {"a second of a second",
	     ROW("\0\0\x0b\xea\x07\x0b\x17\x17\x3b\x20\x40\x42\x0f\x00" NUMBER "\0\0")},
	    {"an integer that is cut", ROW("\0\x34\1\2\3\4\5\6\7")},
	    {"a text that is cut", ROW("\0\x2c\4abc")},
	    {"a length that is cut", ROW("\0\x2c\xfc\1")},
	    {"a length beyond all memory", ROW("\0\x2c\xfe\xff\xff\xff\xff\xff\xff\xff\xff"
	                                       "abc")},
	    {"the mark of NULL in a row of text", ROW("\0\x2c\xfb")},
	    {"the mark of an error", ROW("\0\x2c\xff")},
	};
	struct row row;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		/* On the heap, so that reading past its end is noticed. */
		char *data = malloc(rows[i].len);
		assert_true(data != NULL || rows[i].len == 0);
		memcpy(data, rows[i].data, rows[i].len);
		assert_row(rows[i].name, !read_row(data, rows[i].len, &row));
		free(data);
	}
}

static void test_packet_read_refuses_a_text_that_is_too_long(void **state)
{
	union packet_value value;
	struct packet_column column = {PACKET_TEXT, 3, &value};

	(void)state;
	assert_true(packet_read((struct slice){ROW("\0\0\3abc")}, &column, 1));
	assert_false(packet_read((struct slice){ROW("\0\0\4abcd")}, &column, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_packet_read_gives_the_values),
	    cmocka_unit_test(test_packet_read_of_a_short_time),
	    cmocka_unit_test(test_packet_read_of_null),
	    cmocka_unit_test(test_packet_read_of_many_columns),
	    cmocka_unit_test(test_packet_read_of_long_texts),
	    cmocka_unit_test(test_packet_read_refuses),
	    cmocka_unit_test(test_packet_read_refuses_a_text_that_is_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
