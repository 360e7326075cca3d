/*
 * record - a usage record group as the database hands it over, and its place in
 * the list's total order.  A leaf: everybody may include it.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stdint.h>

#include "base/slice.h"
#include "base/utc.h"

enum {
	RECORD_ID_CHARACTERS = 255,                   /* of any identifier of a record */
	RECORD_ID_LEN_MAX = RECORD_ID_CHARACTERS * 4, /* bytes of UTF-8 */
};

/* Newest first: creation time descending, ties broken by serial id descending. */
struct record_position {
	int64_t creation_ms; /* as in utc.h */
	uint64_t serial_id;
};

/*
 * The slices are valid UTF-8 and borrowed: they are valid until the function
 * that was handed the record returns.  What is NULL in the database is empty.
 */
struct record {
	struct slice buyer_id, entitlement_id, id, partner, status, usage_record_report_id;
	struct slice meta_info, records; /* JSON objects as stored, or empty */
	struct utc_time creation_time, last_update_time;
	uint64_t serial_id;
};

#endif
