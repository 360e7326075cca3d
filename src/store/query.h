/*
 * query - the SQL of a list: turns a filter into one of a bounded number of
 * statement shapes and the typed values for its parameters.
 *
 * Owns table, column and index names.  Pure: no connection, no I/O.  A statement is put together of
 * constant fragments alone; no byte of a request ever becomes SQL text.
 */
#ifndef QUERY_H
#define QUERY_H

#include "base/record.h"
#include "request/filter.h"

/* What a statement is for. */
enum query_purpose {
	/* A page: the columns of enum query_column, in the list's order. */
	QUERY_PAGE,
	/* The place of one record at a depth: creation_time and serial_id alone, which
	 * every index holds, so that the rows passed over are never touched. */
	QUERY_SEEK,
	/* What is needed to look for a metaInfo, and nothing that would only be thrown away. */
	QUERY_SCAN,
};

/* The columns of a QUERY_PAGE; a QUERY_SEEK gives the first two, a QUERY_SCAN three. */
enum query_column {
	QUERY_CREATION_TIME,
	QUERY_SERIAL_ID,
	QUERY_SEEK_COLUMNS,
	QUERY_META_INFO = QUERY_SEEK_COLUMNS,
	QUERY_SCAN_COLUMNS,
	QUERY_ID = QUERY_SCAN_COLUMNS,
	QUERY_PARTNER,
	QUERY_BUYER_ID,
	QUERY_ENTITLEMENT_ID,
	QUERY_STATUS,
	QUERY_RECORDS,
	QUERY_USAGE_RECORD_REPORT_ID,
	QUERY_LAST_UPDATE_TIME,
	QUERY_PAGE_COLUMNS
};

enum {
	QUERY_SQL_SIZE = 2048,
	QUERY_VALUES_MAX = 20,
};

struct query_value {
	enum { QUERY_TEXT, QUERY_TIME, QUERY_INTEGER } type;
	union {
		struct slice text; /* borrowed from the filter */
		struct utc_time time;
		uint64_t integer;
	};
};

struct query {
	uint32_t shape; /* equal shapes have equal SQL text */
	size_t value_count;
	struct query_value values[QUERY_VALUES_MAX];
};

/*
 * Fills *query with the shape and the values of the statement that serves filter:
 * row_count records, of a metaInfo filter candidates, behind after (NULL: from the newest on),
 * passing over skip of them; or the one record that the filter names.  filter and *query stay in
 * place as long as the values are used.
 */
void query_build(struct query *query, const struct filter *filter, enum query_purpose purpose,
                 const struct record_position *after, uint32_t row_count, uint32_t skip);

/* Writes the SQL text of a shape, NUL-terminated. */
void query_write_sql(uint32_t shape, char sql[static QUERY_SQL_SIZE]);

/* Writes a short name of a shape for logs: "status+source", "all", ... */
enum { QUERY_NAME_SIZE = 96 };
void query_write_name(uint32_t shape, char name[static QUERY_NAME_SIZE]);

#endif
