/*
 * filter - what a request asks for: turns the organization's path segment and the
 * query string into a typed, checked struct filter, or into the words of a 400.
 *
 * Owns the parameter table: every parameter's name, accepted values, default and
 * conflicts.  Knows no HTTP and no SQL.
 */
#ifndef FILTER_H
#define FILTER_H

#include <stdint.h>

#include "base/record.h"
#include "base/slice.h"
#include "request/cursor.h"
#include "request/metainfo.h"

enum {
	FILTER_LIMIT_MAX = 1000,
	FILTER_DAYS_DEFAULT = 30, /* from startDate to endDate */
	FILTER_MESSAGE_SIZE = 1024,
};

/* An identifier, NUL-terminated UTF-8; empty stands for "no filter". */
struct filter_id {
	char text[RECORD_ID_LEN_MAX + 1];
	size_t len;
};

struct filter {
	struct filter_id organization_id; /* never empty */
	/* At most one of these four is given. */
	const char *partner; /* static text, NULL: no filter; likewise below */
	struct filter_id buyer_id, entitlement_id, product_id;
	const char *status;
	const char *source;         /* "": records whose source is empty or missing */
	struct metainfo *meta_info; /* owned; NULL: no filter */
	int32_t start_day, end_day; /* both included, counted as in utc.h */
	uint32_t limit;             /* 1 to FILTER_LIMIT_MAX */
	uint32_t offset;            /* 0 to INT32_MAX */
	bool has_cursor;            /* only records behind cursor.after are asked for */
	struct cursor cursor;
};

enum filter_status {
	FILTER_OK,
	FILTER_REJECTED, /* message says which parameter, what is accepted and what came */
	FILTER_NO_MEMORY,
};

/*
 * Parses a request's organization segment and query string, both still encoded.
 * today is the day that stands for an absent endDate, counted as in utc.h.  Of
 * several faults the first in the order of the parameter table is reported,
 * parameters that do not exist last.  At FILTER_REJECTED message is valid UTF-8 and
 * NUL-terminated.  *filter is filled at FILTER_OK alone, and is then to be closed with
 * filter_close.
 */
enum filter_status filter_parse(struct slice organization, struct slice query, int32_t today,
                                struct filter *filter, char message[static FILTER_MESSAGE_SIZE]);

/* Frees what the filter owns. */
void filter_close(struct filter *filter);

/* Whether an encoded parameter name of a query means the parameter called name. */
bool filter_is_parameter(struct slice encoded, const char *name);

#endif
