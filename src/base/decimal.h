/*
 * decimal - exact sums of decimal numbers, whatever digits and exponents they have.
 *
 * Owns how sums are held: in one wide integer and a scale as long as that does, which is
 * nearly always, else in as many digits as DECIMAL_PLACES_MAX asks for.  The only module that
 * includes gmp.h.  Nothing is ever rounded.
 */
#ifndef DECIMAL_H
#define DECIMAL_H

#include "base/growing.h"
#include "base/number.h"

enum {
	/* Digits before the point, and behind it, that a number may have when it is written out
	 * without an exponent; all doubles have less.  1e999999 must not take a megabyte. */
	DECIMAL_PLACES_MAX = 400,
};

__extension__ typedef __int128 decimal_wide;

/* Begins as {0}, which is 0.  Plain bytes: may be moved. */
struct decimal_sum {
	decimal_wide small; /* in units of 10^-scale; the sum when big is NULL */
	unsigned scale;
	struct decimal_big *big; /* owned */
};

enum decimal_status {
	DECIMAL_OK,
	DECIMAL_TOO_LONG, /* more places than DECIMAL_PLACES_MAX; the sum is as before */
	DECIMAL_NO_MEMORY,
};

enum decimal_status decimal_add(struct decimal_sum *sum, const struct number *number);

/* Adds a sum of up to 10^20 numbers to another. */
enum decimal_status decimal_add_sum(struct decimal_sum *sum, const struct decimal_sum *more);

/* Adds the sum's digits to text: JSON, without exponent and without needless zeros. */
void decimal_write(const struct decimal_sum *sum, struct growing *text);

void decimal_close(struct decimal_sum *sum);

#endif
