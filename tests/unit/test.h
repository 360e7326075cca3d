/*
 * test - what every unit test needs: cmocka, and asserts that name the row of a case
 * table that failed.
 */
#ifndef TEST_H
#define TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* Fails with the row's own text when condition does not hold. */
#define assert_row(row, condition)                                                                 \
	do {                                                                                           \
		if (!(condition))                                                                          \
			fail_msg("row \"%s\": %s does not hold", row, #condition);                             \
	} while (0)

#define assert_row_text(row, actual, expected)                                                     \
	do {                                                                                           \
		if (strcmp(actual, expected) != 0)                                                         \
			fail_msg("row \"%s\": is\n  %s\nnot\n  %s", row, actual, expected);                    \
	} while (0)

#endif
