/*
 * repository - finds usage record groups.
 *
 * Owns the way from a filter to records: which statements are run, when a place deep in a list is
 * looked up first, which candidates of a metaInfo filter count, and when a page has taken too
 * much.  Knows neither HTTP nor JSON text; the connection and its faults are database's.
 */
#ifndef REPOSITORY_H
#define REPOSITORY_H

#include "base/record.h"
#include "request/filter.h"
#include "store/query.h"

enum {
	/* From this offset on, finding the place in the narrow index first is cheaper than
	 * reading the rows that are passed over. */
	REPOSITORY_SEEK_OFFSET_MIN = 100,
};

enum repository_status {
	REPOSITORY_OK,
	REPOSITORY_UNAVAILABLE, /* no database could be reached, or it was lost twice */
	REPOSITORY_TIMEOUT,     /* the database took longer than it may */
	REPOSITORY_FAILED,      /* the database refused a statement or memory ran out */
	/* What was asked is too much, and not asked by cursor, which would end the page early: */
	REPOSITORY_TOO_LONG,        /* a search that takes longer than it may */
	REPOSITORY_TOO_COSTLY,      /* a metaInfo that takes too many comparisons in one document */
	REPOSITORY_TOO_LARGE,       /* a page of more bytes than it may have */
	REPOSITORY_BEYOND_SINK,     /* a page of more bytes than the sink takes */
	REPOSITORY_TOO_MANY_GROUPS, /* a summary of more than it may have */
	REPOSITORY_STATUS_COUNT
};

struct repository_limits {
	unsigned search_ms; /* for a search */
	size_t page_bytes;  /* of records; a page of one record is always given */
};

/* Where the records go, one call each, in the list's order. */
struct repository_sink {
	void *context;
	void (*begin)(void *context); /* before the first; again when all starts anew */
	bool (*add)(void *context, const struct record *record); /* false: memory ran out */
	size_t bytes_max; /* of records, how many it takes; 0: any number */
};

/* What a find did; after a failure, as far as it came. */
struct repository_result {
	uint32_t row_count; /* records given to the sink */
	/* There are records behind the last one; or the page ended early, and there may be. */
	bool has_more;
	struct record_position last; /* behind which to go on, if has_more */
	unsigned retry_count;        /* 1 when all was started anew */
	uint32_t shape;              /* of the last statement, see query.h */
};

struct database;
struct repository;

/* database and limits are borrowed until repository_close.  NULL when memory ran out. */
struct repository *repository_open(struct database *database,
                                   const struct repository_limits *limits);
void repository_close(struct repository *repository); /* NULL is fine */

/*
 * Gives the records of filter's page to sink.  When the connection is lost, one more
 * try is made and the sink starts anew.  At any other status than REPOSITORY_OK what
 * the sink got is incomplete and must not be shown.
 */
enum repository_status repository_find(struct repository *repository, const struct filter *filter,
                                       const struct repository_sink *sink,
                                       struct repository_result *result);

/* To be called between two requests, see database_tend. */
void repository_tend(struct repository *repository);

/* Whether a page could be answered now, see database_check. */
enum repository_status repository_check(struct repository *repository);

#endif
