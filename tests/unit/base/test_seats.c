#include "test.h"

#include <fcntl.h>

#include "base/seats.h"
#include "workers.h"

enum { GROUP = 7 };

static int fd;

static int open_file(void)
{
	return open(path, O_RDWR);
}

static void join(void)
{
	fd = open_file();
}

static void take_one(void)
{
	seats_take(fd, SEATS_WORKERS, 2);
}

static void test_seats_are_each_one_process_alone(void **state)
{
	(void)state;
	join();
	pid_t first = start_worker(join, take_one);
	assert_true(seats_has_worker(fd, 0));
	assert_false(seats_has_worker(fd, 1));
	pid_t second = start_worker(join, take_one);
	assert_int_equal(seats_take(fd, SEATS_WORKERS, 2), -1);
	assert_int_equal(seats_take(fd, SEATS_WORKERS, 3), 2);
	kill_worker(first); /* which gives its seat back */
	assert_false(seats_has_worker(fd, 0));
	assert_int_equal(seats_take(fd, SEATS_WORKERS, 2), 0);
	kill_worker(second);
	close(fd);
}

static void test_seats_given_back_are_free(void **state)
{
	int other = open_file();

	(void)state;
	join();
	assert_int_equal(seats_take(fd, SEATS_WORKERS, 1), 0);
	assert_false(seats_has_worker(fd, 0)); /* not by somebody else */
	assert_int_equal(seats_take(other, SEATS_WORKERS, 1), -1);
	seats_give_back(fd, SEATS_WORKERS, 0);
	assert_int_equal(seats_take(other, SEATS_WORKERS, 1), 0);
	close(other);
	close(fd);
}

static void test_seats_of_groups_are_apart(void **state)
{
	static const uint64_t groups[] = {SEATS_WORKERS, 1, 2, GROUP, UINT64_MAX};
	int fds[COUNT_OF(groups)];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(groups); i++) {
		fds[i] = open_file();
		assert_int_equal(seats_take(fds[i], groups[i], SEATS_MAX), 0);
		assert_int_equal(seats_take(fds[i], groups[i], SEATS_MAX), 0); /* it has that one */
	}
	for (size_t i = 0; i < COUNT_OF(groups); i++)
		close(fds[i]);
}

static void test_seats_without_a_file(void **state)
{
	(void)state;
	assert_int_equal(seats_take(-1, GROUP, 1), -1);
	assert_false(seats_has_worker(-1, 0));
	seats_give_back(-1, GROUP, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_seats_are_each_one_process_alone),
	    cmocka_unit_test(test_seats_given_back_are_free),
	    cmocka_unit_test(test_seats_of_groups_are_apart),
	    cmocka_unit_test(test_seats_without_a_file),
	};
	make_path();
	return cmocka_run_group_tests(tests, NULL, remove_path);
}
