/*
 * utc - days and instants of the proleptic Gregorian calendar, always UTC.
 *
 * Instants are milliseconds since 1970-01-01T00:00:00.000Z, days are counted
 * from 1970-01-01.  Valid from year 1000 to year 9999, the range of DATETIME.
 */
#ifndef UTC_H
#define UTC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define UTC_DAY_MS INT64_C(86400000)
#define UTC_FIRST_DAY (-354285) /* 1000-01-01 */
#define UTC_LAST_DAY 2932896    /* 9999-12-31 */

struct utc_time {
	unsigned year, month, day; /* 1000-9999, 1-12, 1-31 */
	unsigned hour, minute, second, millisecond;
};

/* Reads exactly YYYY-MM-DD; false if it is not a real day in the range. */
bool utc_parse_day(struct slice text, int32_t *day);

int64_t utc_to_ms(const struct utc_time *time);
struct utc_time utc_from_ms(int64_t ms);

/* The instant now, by the system's clock. */
int64_t utc_now_ms(void);

/* The day that an instant lies in. */
int32_t utc_day(int64_t ms);

/* Writes YYYY-MM-DDTHH:MM:SS.mmmZ (RFC 3339), UTC_TEXT_LEN bytes, without a NUL. */
enum { UTC_TEXT_LEN = 24 };
void utc_write(char *out, const struct utc_time *time);

#endif
