#include "test.h"

#include "base/log.h"
#include "base/turns.h"
#include "workers.h"

enum { ALICE = 7, BOB = 9, TURNS = 2 };

static void join(void)
{
	turns_open(path, TURNS);
}

static void take(void)
{
	turns_take(ALICE, 1);
}

static void want(void)
{
	turns_want(ALICE, 5, true);
}

static void want_but_be_busy(void)
{
	turns_want(ALICE, 5, false);
}

static bool can_take(uint64_t thing, double since_ms)
{
	bool is_taken = turns_take(thing, since_ms);

	turns_give_back();
	return is_taken;
}

static void test_turns_without_a_file(void **state)
{
	(void)state;
	assert_true(turns_open("", 1));
	assert_true(turns_take(ALICE, 1));
	turns_give_back();
}

static void test_turns_are_bounded(void **state)
{
	(void)state;
	assert_true(turns_open(path, TURNS));
	pid_t first = start_worker(join, take);
	assert_true(can_take(ALICE, 1));
	pid_t second = start_worker(join, take);
	assert_false(can_take(ALICE, 1));
	assert_true(can_take(BOB, 1));
	assert_true(turns_take(BOB, 1));
	assert_true(turns_take(BOB, 1)); /* it has one */
	turns_give_back();
	kill_worker(first); /* which gives its turn back */
	assert_true(can_take(ALICE, 1));
	kill_worker(second);
}

static void test_turns_go_to_whoever_waits_longest(void **state)
{
	(void)state;
	pid_t idle = start_worker(join, want);
	assert_true(can_take(ALICE, 4));
	assert_false(can_take(ALICE, 6));
	assert_true(can_take(BOB, 6));
	kill_worker(idle);
	assert_true(can_take(ALICE, 6));
	pid_t busy = start_worker(join, want_but_be_busy);
	assert_true(can_take(ALICE, 6));
	kill_worker(busy);
	turns_want(ALICE, 5, false); /* one's own wish counts, too */
	assert_false(can_take(ALICE, 6));
	assert_true(can_take(ALICE, 5));
	turns_want(0, 0, false);
}

static void test_turns_of_a_file_that_cannot_be(void **state)
{
	(void)state;
	log_open(LOG_LEVEL_ERROR, LOG_TARGET_STDERR);
	assert_false(turns_open("/no/such/folder/metrics", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_turns_without_a_file),
	    cmocka_unit_test(test_turns_are_bounded),
	    cmocka_unit_test(test_turns_go_to_whoever_waits_longest),
	    cmocka_unit_test(test_turns_of_a_file_that_cannot_be),
	};
	make_path();
	return cmocka_run_group_tests(tests, NULL, remove_path);
}
