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

/* The columns of a statement come in this order. */
enum query_column {
	QUERY_CREATION_TIME,
	QUERY_SERIAL_ID,
	QUERY_META_INFO,
	QUERY_ID,
	QUERY_PARTNER,
	QUERY_BUYER_ID,
	QUERY_ENTITLEMENT_ID,
	QUERY_STATUS,
	QUERY_RECORDS,
	QUERY_USAGE_RECORD_REPORT_ID,
	QUERY_LAST_UPDATE_TIME,
	QUERY_PRODUCT_ID,
	QUERY_SOURCE,
	QUERY_COLUMN_COUNT
};
#define QUERY_COLUMN(column) (UINT32_C(1) << (column))

/* What a statement is for: sets of columns, of which QUERY_SEEK is a part. */
enum query_purpose {
	/* The place of one record at a depth: creation_time and serial_id alone, which
	 * every index holds, so that the rows passed over are never touched. */
	QUERY_SEEK = QUERY_COLUMN(QUERY_CREATION_TIME) | QUERY_COLUMN(QUERY_SERIAL_ID),
	/* What is needed to look for a metaInfo, and nothing that would only be thrown away. */
	QUERY_SCAN = QUERY_SEEK | QUERY_COLUMN(QUERY_META_INFO),
	/* All that the list gives of a record. */
	QUERY_PAGE = QUERY_COLUMN(QUERY_PRODUCT_ID) - 1,
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
 * Fills *query with the shape and the values of the statement that gives columns of filter's list:
 * row_count records, of a metaInfo filter candidates, behind after (NULL: from the newest on),
 * passing over skip of them; or the one record that the filter names.  filter and *query stay in
 * place as long as the values are used.
 */
void query_build(struct query *query, const struct filter *filter, uint32_t columns,
                 const struct record_position *after, uint32_t row_count, uint32_t skip);

/*
 * Likewise the statement that counts filter's records by its groups, at most group_count of them,
 * in no order; a dimension and a metaInfo filter are not for the database.  A row comes as if it
 * were a record's: the count is its serial id, and the keys are the columns query_count_key says.
 */
void query_build_counts(struct query *query, const struct filter *filter, uint32_t group_count);

/* Where the key of the filter's group of that number is: never missing, "" instead. */
static inline enum query_column query_count_key(size_t number)
{
	return (enum query_column)(QUERY_ID + number);
}

/* The columns of a shape's statement, by number; how many there are. */
size_t query_columns(uint32_t shape, enum query_column columns[static QUERY_COLUMN_COUNT]);

/* Writes the SQL text of a shape, NUL-terminated. */
void query_write_sql(uint32_t shape, char sql[static QUERY_SQL_SIZE]);

/* Writes a probe, see connection.h: whether a server has the table as the lists need it, with all
 * of its columns, indexes and collations. */
void query_write_probe(char sql[static QUERY_SQL_SIZE]);

/* Writes a short name of a shape for logs: "status+source", "all", ... */
enum { QUERY_NAME_SIZE = 96 };
void query_write_name(uint32_t shape, char name[static QUERY_NAME_SIZE]);

#endif
