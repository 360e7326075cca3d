/*
 * number - a JSON number as it is spelled (RFC 8259, section 6).
 *
 * Owns the grammar, and where in the text the digits, the point and the exponent stand.
 */
#ifndef NUMBER_H
#define NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* The digits, with a point somewhere among them or none, × 10^exponent; in the text that was read.
 */
struct number {
	const char *digits, *point, *end; /* point is end when there is none */
	int64_t exponent; /* one beyond ±10^9 is not exact: no text has so many digits */
	bool is_negative;
};

/* Reads the number that begins at at and ends before end; what is behind it, NULL when there is
 * none. */
const char *number_read(const char *at, const char *end, struct number *number);

#endif
