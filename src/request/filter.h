/*
 * filter - what a request asks for: turns what its path says and the query string into
 * a typed, checked struct filter, or into the words of a 400.
 *
 * Owns the parameter table: every parameter's name, the calls that have it, accepted
 * values, default and conflicts.  Knows no HTTP and no SQL.
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
	FILTER_PATH_VALUES_MAX = 2,
};

/* The calls, each with parameters of its own. */
enum filter_call {
	FILTER_LIST,
	FILTER_RECORD, /* one record, by its id */
	FILTER_SUMMARY,
};

/* What the records of a summary are grouped by. */
enum filter_group {
	FILTER_DAY,
	FILTER_MONTH,
	FILTER_PARTNER,
	FILTER_BUYER_ID,
	FILTER_ENTITLEMENT_ID,
	FILTER_PRODUCT_ID,
	FILTER_STATUS,
	FILTER_SOURCE,
	FILTER_DIMENSION,
	FILTER_GROUP_COUNT
};

enum { FILTER_GROUPS_MAX = 3 };

/* As in requests and answers. */
extern const char *const filter_group_names[FILTER_GROUP_COUNT];

/* All there are, NULL behind the last. */
extern const char *const filter_partners[], *const filter_statuses[], *const filter_sources[];

/* What came, still encoded. */
struct filter_request {
	enum filter_call call;
	/* The parameters in the path, always "orgId". */
	struct filter_path_value {
		struct slice name, value;
	} path[FILTER_PATH_VALUES_MAX];
	size_t path_count;
	struct slice query;
};

/* An identifier, NUL-terminated UTF-8; empty stands for "no filter". */
struct filter_id {
	char text[RECORD_ID_LEN_MAX + 1];
	size_t len;
};

struct filter {
	struct filter_id organization_id; /* never empty */
	struct filter_id id;              /* of the one record that a FILTER_RECORD asks for */
	/* At most one of these four is given. */
	const char *partner; /* static text, NULL: no filter; likewise below */
	struct filter_id buyer_id, entitlement_id, product_id;
	const char *status;
	const char *source;              /* "": records whose source is empty or missing */
	struct metainfo *meta_info;      /* owned; NULL: no filter */
	int32_t start_day, end_day;      /* both included, counted as in utc.h */
	bool has_start_day, has_end_day; /* they were given, and are no defaults */
	uint32_t limit;                  /* 1 to FILTER_LIMIT_MAX */
	bool has_limit;                  /* it was given */
	uint32_t offset;                 /* 0 to INT32_MAX */
	/* The last record before offset is known, see store/places.h: nothing is to be counted. */
	bool has_place;
	struct record_position place;
	bool has_cursor; /* only records behind cursor.after are asked for */
	struct cursor cursor;
	enum filter_group groups[FILTER_GROUPS_MAX]; /* of a summary, different ones */
	size_t group_count;
	bool has_amounts; /* of a summary: sums are asked for, not only counts */
};

enum filter_status {
	FILTER_OK,
	FILTER_REJECTED, /* message says which parameter, what is accepted and what came */
	FILTER_NO_MEMORY,
};

/*
 * Parses what came.  today is the day that stands for an absent endDate, counted as in utc.h.  Of
 * several faults the first in the order of the parameter table is reported,
 * parameters that do not exist last.  At FILTER_REJECTED message is valid UTF-8 and
 * NUL-terminated.  *filter is filled at FILTER_OK alone, and is then to be closed with
 * filter_close.
 */
enum filter_status filter_parse(const struct filter_request *request, int32_t today,
                                struct filter *filter, char message[static FILTER_MESSAGE_SIZE]);

/* Has an absent endDate stand for another day, and so an absent startDate. */
void filter_set_default_end(struct filter *filter, int32_t day);

/* How many records are to be counted and passed over. */
static inline uint32_t filter_skip(const struct filter *filter)
{
	return filter->has_place ? 0 : filter->offset;
}

/* Frees what the filter owns. */
void filter_close(struct filter *filter);

#endif
