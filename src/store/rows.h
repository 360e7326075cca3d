/*
 * rows - runs the statement of a query and reads its rows into struct record.
 *
 * Owns how values and rows are bound to the client library.  The rows come unbuffered, one at a
 * time.  Where the library shows them as they came (Connector/C), they are read in place; else, and
 * when a column comes as another type than its own, the library converts them into buffers that are
 * bound once and reused for each row of each statement.
 */
#ifndef ROWS_H
#define ROWS_H

#include "base/record.h"
#include "store/database.h"
#include "store/query.h"

struct rows;

/* NULL when memory ran out. */
struct rows *rows_open(struct database *database);
void rows_close(struct rows *rows); /* NULL is fine */

/* From now on the library converts each row, as where it does not show them: to compare with. */
void rows_bind(struct rows *rows);

/*
 * Runs query and reads its first row; *is_end says that there was none.  To be called
 * within an attempt of database_run.  start_ms is when the page was asked for, as
 * clock_ms has it.  is_search: the statement looks at many rows for each that it gives.
 * Whatever it returns, rows_end is to be called before the next query.
 */
enum database_status rows_first(struct rows *rows, const struct query *query, double start_ms,
                                bool is_search, bool *is_end);

/* Reads the next row. */
enum database_status rows_next(struct rows *rows, bool *is_end);

/* Ends the query, its rows read to their end or not. */
void rows_end(struct rows *rows);

/* Ends the query, the statement of which is not kept prepared. */
void rows_forget(struct rows *rows);

/* Gives back what long documents took, so that memory stays where it was. */
void rows_shrink(struct rows *rows);

/* The row at hand, as far as the query's columns go; a record is all of a QUERY_PAGE's. */
struct record rows_record(const struct rows *rows);
struct slice rows_text(const struct rows *rows, enum query_column column); /* a column of text */
struct record_position rows_position(const struct rows *rows);
uint64_t rows_count(const struct rows *rows); /* of counts, see query_build_counts */

/* About how long the row at hand is, in bytes. */
size_t rows_bytes(const struct rows *rows);

/* Whether the row at hand contains a metaInfo filter; that nobody can tell is logged. */
enum metainfo_match rows_match(const struct rows *rows, struct metainfo *meta_info);

#endif
