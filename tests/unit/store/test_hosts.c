#include "test.h"

#include "store/hosts.h"

static void test_hosts_parse_accepts(void **state)
{
	static const struct {
		const char *list;
		size_t count;
		struct host hosts[3];
	} rows[] = {
	    {"", 1, {{"", 7}}},
	    {"db", 1, {{"db", 7}}},
	    {"db:3307", 1, {{"db", 3307}}},
	    {"db:65535", 1, {{"db", 65535}}},
	    {"a,b:1,c.example", 3, {{"a", 7}, {"b", 1}, {"c.example", 7}}},
	    {"127.0.0.1:3306,::1", 2, {{"127.0.0.1", 3306}, {"::1", 7}}},
	    {"fe80::1%eth0,my_db-1", 2, {{"fe80::1%eth0", 7}, {"my_db-1", 7}}},
	    {"[::1]:3307,[2001:db8::1]", 2, {{"::1", 3307}, {"2001:db8::1", 7}}},
	};
	struct hosts hosts;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_row(rows[i].list, hosts_parse(rows[i].list, 7, &hosts));
		assert_row(rows[i].list, hosts.count == rows[i].count);
		for (size_t j = 0; j < rows[i].count; j++) {
			assert_row_text(rows[i].list, hosts.hosts[j].name, rows[i].hosts[j].name);
			assert_row(rows[i].list, hosts.hosts[j].port == rows[i].hosts[j].port);
		}
	}
}

static void test_hosts_parse_refuses(void **state)
{
	static const char *const rows[] = {
	    ",",
	    "a,",
	    ",a",
	    "a,,b",
	    ":3306",
	    "a:",
	    "a:0",
	    "a:65536",
	    "a:x",
	    "a: 1",
	    "a:-1",
	    "a:1x",
	    "a:99999999999999999999",
	    "[::1",
	    "[]",
	    "[]:1",
	    "[::1]x",
	    "[::1]:",
	    "[::1]1",
	    "1,2,3,4,5,6,7,8,9",
	    "\"db1,db2\"",
	    "'db'",
	    "db1, db2",
	    " db",
	    "db/x",
	    "dé",
	};
	char long_name[HOSTS_NAME_SIZE + 1];
	struct hosts hosts;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_row(rows[i], !hosts_parse(rows[i], 7, &hosts));
	memset(long_name, 'a', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = '\0';
	assert_false(hosts_parse(long_name, 7, &hosts));
	assert_true(hosts_parse(long_name + 1, 7, &hosts));
}

/* A host from each on has a worker more at most than another, whichever host is gone. */
static void test_hosts_spread_is_even(void **state)
{
	struct hosts hosts;
	size_t first[3] = {0}, next[3][3] = {{0}};

	(void)state;
	for (unsigned worker = 0; worker < 12; worker++) {
		assert_true(hosts_parse("0,1,2", 7, &hosts));
		hosts_spread(&hosts, worker);
		size_t preferred = (size_t)(hosts.hosts[0].name[0] - '0');
		first[preferred]++;
		next[preferred][hosts.hosts[1].name[0] - '0']++;
		assert_int_equal(hosts.hosts[0].name[0] + hosts.hosts[1].name[0] + hosts.hosts[2].name[0],
		                 '0' + '1' + '2');
	}
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(first[i], 4);
		for (size_t j = 0; j < 3; j++)
			assert_int_equal(next[i][j], i == j ? 0 : 2);
	}
	assert_true(hosts_parse("one", 7, &hosts));
	hosts_spread(&hosts, 5);
	assert_string_equal(hosts.hosts[0].name, "one");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hosts_parse_accepts),
	    cmocka_unit_test(test_hosts_parse_refuses),
	    cmocka_unit_test(test_hosts_spread_is_even),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
