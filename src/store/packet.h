/*
 * packet - a row as the binary protocol of MySQL and MariaDB sends it, read where it lies.  Pure.
 *
 * Believes nothing: what is not to the last byte a row of the columns asked for is refused.
 */
#ifndef PACKET_H
#define PACKET_H

#include <stdint.h>

#include "base/slice.h"
#include "base/utc.h"

/* What a column is on the wire. */
enum packet_kind {
	PACKET_INTEGER, /* of 64 bits */
	PACKET_TIME,    /* a date and its time */
	PACKET_TEXT,
};

/* A value, of the kind of its column; NULL is 0 or empty. */
union packet_value {
	uint64_t integer;
	struct utc_time time;
	struct slice text; /* in the packet */
};

struct packet_column {
	enum packet_kind kind;
	size_t len_max;            /* of a text */
	union packet_value *value; /* where it is to go */
};

/* Reads the columns of a row, in their order.  False if it is none; the values are then of no
 * use. */
bool packet_read(struct slice packet, const struct packet_column *columns, size_t count);

#endif
