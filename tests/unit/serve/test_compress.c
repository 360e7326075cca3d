#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "serve/compress.h"

enum { BODY_SIZE = 4 * 1024 * 1024 };

static char body[BODY_SIZE + 1], packed[2 * BODY_SIZE], unpacked[BODY_SIZE + 1];

/* Like a page: the same keys, other values. */
static size_t make_page(size_t len)
{
	unsigned seed = 1;
	size_t at = 0;

	while (at < len) {
		seed = seed * 1103515245 + 12345;
		at += (size_t)snprintf(body + at, len - at + 1 < 64 ? len - at + 1 : 64,
		                       "{\"id\":\"%08x\",\"status\":\"REPORTED\",\"n\":%u},", seed,
		                       seed >> 20);
	}
	return len;
}

static size_t make_noise(size_t len)
{
	uint64_t seed = 88172645463325252;

	for (size_t i = 0; i < len; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		body[i] = (char)seed;
	}
	return len;
}

/* Compresses body in parts of part_len; the compressed length. */
static size_t pack(struct compress *compress, size_t len, size_t part_len)
{
	size_t done = 0, packed_len = 0;
	bool is_end;
	struct slice out;

	compress_begin(compress);
	do {
		size_t count = len - done < part_len ? len - done : part_len;
		is_end = done + count == len;
		assert_true(compress_add(compress, (struct slice){body + done, count}, is_end, &out));
		assert_true(packed_len + out.len <= sizeof packed);
		memcpy(packed + packed_len, out.data, out.len);
		packed_len += out.len;
		done += count;
	} while (!is_end);
	return packed_len;
}

/* gzip's own word on it. */
static void assert_unpacks(const char *row, size_t packed_len, size_t len)
{
	char path[] = "/tmp/test-compress-XXXXXX", command[64];
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, packed, packed_len), packed_len);
	close(fd);
	snprintf(command, sizeof command, "gzip -dc <%s", path);
	FILE *gzip = popen(command, "r");
	assert_non_null(gzip);
	size_t unpacked_len = fread(unpacked, 1, sizeof unpacked, gzip);
	assert_row(row, pclose(gzip) == 0);
	unlink(path);
	assert_row(row, unpacked_len == len && memcmp(unpacked, body, len) == 0);
}

static void test_compress_round_trip(void **state)
{
	static const struct {
		const char *name;
		size_t (*make)(size_t);
		size_t len, part_len;
	} rows[] = {
	    {"nothing", make_page, 0, 1},
	    {"one byte", make_page, 1, 1},
	    {"short", make_page, 100, 100},
	    {"short, byte by byte", make_page, 2000, 1},
	    {"a page", make_page, 850000, 850000},
	    {"a page in parts", make_page, 850000, 65536},
	    {"a page in odd parts", make_page, 850000, 4099},
	    {"a long page", make_page, BODY_SIZE, BODY_SIZE},
	    {"noise", make_noise, BODY_SIZE, BODY_SIZE},
	    {"noise in parts", make_noise, BODY_SIZE, 100003},
	    {"little noise", make_noise, 4080, 4080},
	};
	struct compress *compress = compress_open();

	(void)state;
	assert_non_null(compress);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		rows[i].make(rows[i].len);
		assert_unpacks(rows[i].name, pack(compress, rows[i].len, rows[i].part_len), rows[i].len);
		compress_trim(compress);
	}
	compress_close(compress);
}

static void test_compress_makes_pages_small(void **state)
{
	struct compress *compress = compress_open();

	(void)state;
	assert_true(pack(compress, make_page(850000), 850000) < 850000 / 3);
	compress_close(compress);
}

/* Whatever room the library is given at the end of the body. */
static void test_compress_of_each_length(void **state)
{
	struct compress *compress = compress_open();

	(void)state;
	make_noise(BODY_SIZE);
	for (size_t len = 3900; len < 4300; len++)
		assert_true(pack(compress, len, len) >= len);
	for (size_t len = 16000; len < 16800; len += 7)
		assert_true(pack(compress, len, len) >= len);
	compress_close(compress);
}

static void test_compress_shares_nothing_between_bodies(void **state)
{
	static char alone[BODY_SIZE];
	struct compress *compress = compress_open();
	size_t len = pack(compress, make_page(30000), 30000);
	struct slice out;

	(void)state;
	memcpy(alone, packed, len);
	compress_close(compress);

	compress = compress_open();
	pack(compress, make_page(30000), 30000);
	assert_int_equal(pack(compress, 30000, 30000), len);
	assert_memory_equal(packed, alone, len);
	/* Nor with one that was given up. */
	compress_begin(compress);
	assert_true(compress_add(compress, (struct slice){body, 20000}, false, &out));
	assert_int_equal(pack(compress, 30000, 30000), len);
	assert_memory_equal(packed, alone, len);
	compress_close(compress);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_compress_round_trip),
	    cmocka_unit_test(test_compress_makes_pages_small),
	    cmocka_unit_test(test_compress_of_each_length),
	    cmocka_unit_test(test_compress_shares_nothing_between_bodies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
