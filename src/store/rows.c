#include "config.h"
#include "store/rows.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/packet.h"
#include "store/wire.h"

#ifndef HAVE_MY_BOOL
typedef bool my_bool; /* MySQL 8 uses C's bool, MariaDB and older MySQL a char */
#endif

enum {
	/* Documents up to this size are fetched without a second call. */
	DOCUMENT_SIZE = 16 * 1024,
	/* A buffer that one long document made larger than this is given back. */
	DOCUMENT_SIZE_KEPT = 256 * 1024,
	/* What planning a statement takes at the very most. */
	PLANNING_MS = 50,
};

static unsigned last_generation;

struct rows {
	struct database *database;
	struct connection_statement *statement;        /* whose rows are read; NULL: none */
	enum query_column columns[QUERY_COLUMN_COUNT]; /* of the statement, in their order */
	size_t column_count;
	double start_ms;                               /* when the page was asked for */
	union packet_value values[QUERY_COLUMN_COUNT]; /* of the row at hand */
	/* The row is read as a packet; else the library copies it to the buffers below. */
	bool is_packet;
	bool is_always_bound;
	struct packet_column packet_columns[QUERY_COLUMN_COUNT];
	MYSQL_BIND binds[QUERY_COLUMN_COUNT];
	my_bool is_null[QUERY_COLUMN_COUNT];
	my_bool is_truncated[QUERY_COLUMN_COUNT];
	unsigned long lengths[QUERY_COLUMN_COUNT];
	MYSQL_TIME times[QUERY_COLUMN_COUNT];
	uint64_t serial_id;
	char texts[QUERY_COLUMN_COUNT][RECORD_ID_LEN_MAX];
	char *documents[QUERY_COLUMN_COUNT]; /* owned; only of JSON columns */
	/* Of the buffers: another whenever one moves, and no other rows have it.  Bind again then,
	 * because statements are shared by all rows of a connection. */
	unsigned generation;
};

static bool is_document(enum query_column column)
{
	return column == QUERY_META_INFO || column == QUERY_RECORDS;
}

static enum packet_kind kind_of(enum query_column column)
{
	switch (column) {
	case QUERY_CREATION_TIME:
	case QUERY_LAST_UPDATE_TIME:
		return PACKET_TIME;
	case QUERY_SERIAL_ID:
		return PACKET_INTEGER;
	default:
		return PACKET_TEXT;
	}
}

static void bind_column(struct rows *rows, int column, enum enum_field_types type, void *buffer,
                        unsigned long size)
{
	rows->binds[column] = (MYSQL_BIND){.buffer_type = type,
	                                   .buffer = buffer,
	                                   .buffer_length = size,
	                                   .is_null = &rows->is_null[column],
	                                   .error = &rows->is_truncated[column],
	                                   .length = &rows->lengths[column]};
}

static bool resize_document(struct rows *rows, int column, unsigned long size)
{
	char *buffer = realloc(rows->documents[column], size);

	if (buffer == NULL)
		return false;
	rows->documents[column] = buffer;
	bind_column(rows, column, MYSQL_TYPE_STRING, buffer, size);
	rows->generation = ++last_generation;
	return true;
}

static bool bind_row(struct rows *rows)
{
	for (int column = 0; column < QUERY_COLUMN_COUNT; column++) {
		switch (kind_of(column)) {
		case PACKET_TIME:
			bind_column(rows, column, MYSQL_TYPE_DATETIME, &rows->times[column],
			            sizeof rows->times[column]);
			break;
		case PACKET_INTEGER:
			bind_column(rows, column, MYSQL_TYPE_LONGLONG, &rows->serial_id,
			            sizeof rows->serial_id);
			rows->binds[column].is_unsigned = true;
			break;
		case PACKET_TEXT:
			if (!is_document(column))
				bind_column(rows, column, MYSQL_TYPE_STRING, rows->texts[column],
				            sizeof rows->texts[column]);
			else if (!resize_document(rows, column, DOCUMENT_SIZE))
				return false;
		}
	}
	return true;
}

struct rows *rows_open(struct database *database)
{
	struct rows *rows = calloc(1, sizeof *rows);

	if (rows == NULL)
		return NULL;
	rows->database = database;
	if (!bind_row(rows)) {
		rows_close(rows);
		return NULL;
	}
	return rows;
}

void rows_close(struct rows *rows)
{
	if (rows == NULL)
		return;
	free(rows->documents[QUERY_META_INFO]);
	free(rows->documents[QUERY_RECORDS]);
	free(rows);
}

void rows_bind(struct rows *rows)
{
	rows->is_always_bound = true;
}

struct slice rows_text(const struct rows *rows, enum query_column column)
{
	return rows->values[column].text;
}

struct record rows_record(const struct rows *rows)
{
	return (struct record){.buyer_id = rows_text(rows, QUERY_BUYER_ID),
	                       .entitlement_id = rows_text(rows, QUERY_ENTITLEMENT_ID),
	                       .id = rows_text(rows, QUERY_ID),
	                       .partner = rows_text(rows, QUERY_PARTNER),
	                       .status = rows_text(rows, QUERY_STATUS),
	                       .usage_record_report_id = rows_text(rows, QUERY_USAGE_RECORD_REPORT_ID),
	                       .meta_info = rows_text(rows, QUERY_META_INFO),
	                       .records = rows_text(rows, QUERY_RECORDS),
	                       .creation_time = rows->values[QUERY_CREATION_TIME].time,
	                       .last_update_time = rows->values[QUERY_LAST_UPDATE_TIME].time,
	                       .serial_id = rows->values[QUERY_SERIAL_ID].integer};
}

struct record_position rows_position(const struct rows *rows)
{
	return (struct record_position){
	    .creation_ms = utc_to_ms(&rows->values[QUERY_CREATION_TIME].time),
	    .serial_id = rows->values[QUERY_SERIAL_ID].integer};
}

uint64_t rows_count(const struct rows *rows)
{
	return rows->values[QUERY_SERIAL_ID].integer;
}

size_t rows_bytes(const struct rows *rows)
{
	size_t bytes = rows->column_count * sizeof(uint64_t);

	for (size_t i = 0; i < rows->column_count; i++)
		if (kind_of(rows->columns[i]) == PACKET_TEXT)
			bytes += rows_text(rows, rows->columns[i]).len;
	return bytes;
}

enum metainfo_match rows_match(const struct rows *rows, struct metainfo *meta_info)
{
	unsigned long long serial_id = rows->values[QUERY_SERIAL_ID].integer;
	enum metainfo_match match = metainfo_match(meta_info, rows_text(rows, QUERY_META_INFO));

	if (match == METAINFO_UNREADABLE)
		log_message(LOG_LEVEL_ERROR, "the metaInfo of record %llu could not be read", serial_id);
	else if (match == METAINFO_NO_MEMORY)
		log_message(LOG_LEVEL_ERROR, "out of memory for the metaInfo of record %llu", serial_id);
	return match;
}

static enum database_status failure(const struct rows *rows)
{
	return database_error(rows->database, rows->statement->handle, clock_ms() - rows->start_ms);
}

/* Tells a statement where the row is, if it moved; the library keeps a copy. */
static enum database_status bind_result(struct rows *rows)
{
	struct connection_statement *statement = rows->statement;
	MYSQL_BIND binds[QUERY_COLUMN_COUNT];

	if (statement->bind_generation == rows->generation)
		return DATABASE_OK;
	for (size_t i = 0; i < rows->column_count; i++)
		binds[i] = rows->binds[rows->columns[i]];
	if (mysql_stmt_bind_result(statement->handle, binds) != 0)
		return failure(rows);
	statement->bind_generation = rows->generation;
	return DATABASE_OK;
}

/* Fetches what did not fit its buffer. */
static enum database_status fetch_rest(struct rows *rows)
{
	for (size_t i = 0; i < rows->column_count; i++) {
		enum query_column column = rows->columns[i];
		if (rows->is_null[column] || rows->lengths[column] <= rows->binds[column].buffer_length)
			continue;
		if (!is_document(column)) {
			log_message(LOG_LEVEL_ERROR, "column %u of record %llu is longer than it may be",
			            column, (unsigned long long)rows->serial_id);
			return DATABASE_FAILED;
		}
		if (!resize_document(rows, column, rows->lengths[column])) {
			log_message(LOG_LEVEL_ERROR, "out of memory for %lu bytes of record %llu",
			            rows->lengths[column], (unsigned long long)rows->serial_id);
			return DATABASE_FAILED;
		}
		if (mysql_stmt_fetch_column(rows->statement->handle, &rows->binds[column], (unsigned)i,
		                            0) != 0)
			return failure(rows);
	}
	return DATABASE_OK;
}

/* Takes the values from where the library put them. */
static void take_values(struct rows *rows)
{
	for (size_t i = 0; i < rows->column_count; i++) {
		enum query_column column = rows->columns[i];
		const MYSQL_TIME *time = &rows->times[column];
		union packet_value *value = &rows->values[column];
		switch (kind_of(column)) {
		case PACKET_TIME:
			value->time = (struct utc_time){.year = time->year,
			                                .month = time->month,
			                                .day = time->day,
			                                .hour = time->hour,
			                                .minute = time->minute,
			                                .second = time->second,
			                                .millisecond = (unsigned)(time->second_part / 1000)};
			break;
		case PACKET_INTEGER:
			value->integer = rows->serial_id;
			break;
		case PACKET_TEXT:
			value->text = rows->is_null[column]
			                  ? (struct slice){"", 0}
			                  : (struct slice){rows->binds[column].buffer, rows->lengths[column]};
		}
	}
}

static enum database_status next_bound(struct rows *rows, bool *is_end)
{
	/* Before the row, not behind one: binding anew may reset the lengths of the row at hand
	 * (Connector/C 3.3.19). */
	enum database_status status = bind_result(rows);
	if (status != DATABASE_OK)
		return status;
	int code = mysql_stmt_fetch(rows->statement->handle);

	*is_end = code == MYSQL_NO_DATA;
	if (code == MYSQL_DATA_TRUNCATED)
		status = fetch_rest(rows);
	else if (code != 0 && code != MYSQL_NO_DATA)
		status = failure(rows);
	if (status == DATABASE_OK && !*is_end)
		take_values(rows);
	return status;
}

/* What comes from elsewhere than from the server that it seems to be: whatever else this
 * connection holds is not believed either. */
static enum database_status refuse(struct rows *rows, size_t count, const char *what)
{
	log_message(LOG_LEVEL_ERROR, "%zu %s are no row of this statement", count, what);
	database_abandon(rows->database);
	return DATABASE_FAILED;
}

static enum database_status next_packet(struct rows *rows, bool *is_end)
{
	struct slice packet;
	int code = wire_next(rows->statement->handle, &packet);

	*is_end = code == MYSQL_NO_DATA;
	if (code != 0)
		return *is_end ? DATABASE_OK : failure(rows);
	return packet_read(packet, rows->packet_columns, rows->column_count)
	           ? DATABASE_OK
	           : refuse(rows, packet.len, "bytes");
}

/* Whether a column comes as its kind does. */
static bool has_kind(const MYSQL_FIELD *field, enum packet_kind kind)
{
	switch (field->type) {
	case MYSQL_TYPE_DATETIME:
	case MYSQL_TYPE_TIMESTAMP:
		return kind == PACKET_TIME;
	case MYSQL_TYPE_LONGLONG:
		return kind == PACKET_INTEGER;
	case MYSQL_TYPE_VARCHAR:
	case MYSQL_TYPE_VAR_STRING:
	case MYSQL_TYPE_STRING:
	case MYSQL_TYPE_TINY_BLOB:
	case MYSQL_TYPE_BLOB:
	case MYSQL_TYPE_MEDIUM_BLOB:
	case MYSQL_TYPE_LONG_BLOB:
	case MYSQL_TYPE_JSON:
		return kind == PACKET_TEXT;
	default:
		return false;
	}
}

/* Makes ready for the rows of an executed statement. */
static enum database_status expect_rows(struct rows *rows)
{
	MYSQL_STMT *handle = rows->statement->handle;
	const MYSQL_FIELD *fields = wire_fields(handle);

	if (mysql_stmt_field_count(handle) != rows->column_count)
		return refuse(rows, mysql_stmt_field_count(handle), "columns");
	rows->is_packet = fields != NULL && !rows->is_always_bound;
	for (size_t i = 0; i < rows->column_count && rows->is_packet; i++) {
		enum query_column column = rows->columns[i];
		rows->packet_columns[i] =
		    (struct packet_column){.kind = kind_of(column),
		                           .len_max = is_document(column) ? SIZE_MAX : RECORD_ID_LEN_MAX,
		                           .value = &rows->values[column]};
		rows->is_packet = has_kind(&fields[i], kind_of(column));
	}
	return DATABASE_OK;
}

_Static_assert((int)QUERY_SQL_SIZE <= (int)CONNECTION_SQL_SIZE, "any query fits");

static void write_sql(uint32_t shape, char *sql)
{
	query_write_sql(shape, sql);
}

/* Sends a query's values; the library reads them where they lie until it has. */
static bool execute_values(MYSQL_STMT *handle, const struct query *query)
{
	MYSQL_BIND binds[QUERY_VALUES_MAX] = {0};
	MYSQL_TIME times[QUERY_VALUES_MAX];

	for (size_t i = 0; i < query->value_count; i++) {
		const struct query_value *value = &query->values[i];
		switch (value->type) {
		case QUERY_TEXT:
			binds[i].buffer_type = MYSQL_TYPE_STRING;
			binds[i].buffer = (char *)value->text.data;
			binds[i].buffer_length = value->text.len;
			break;
		case QUERY_TIME:
			times[i] = (MYSQL_TIME){.year = value->time.year,
			                        .month = value->time.month,
			                        .day = value->time.day,
			                        .hour = value->time.hour,
			                        .minute = value->time.minute,
			                        .second = value->time.second,
			                        .second_part = value->time.millisecond * 1000UL,
			                        .time_type = MYSQL_TIMESTAMP_DATETIME};
			binds[i].buffer_type = MYSQL_TYPE_DATETIME;
			binds[i].buffer = &times[i];
			break;
		case QUERY_INTEGER:
			binds[i].buffer_type = MYSQL_TYPE_LONGLONG;
			binds[i].buffer = (uint64_t *)&value->integer;
			binds[i].is_unsigned = true;
			break;
		}
	}
	return connection_execute(handle, binds, (unsigned)query->value_count);
}

/* Prepares and executes a query; its rows are then to be fetched, unbuffered. */
static enum database_status execute(struct rows *rows, const struct query *query)
{
	enum database_status status =
	    database_prepare(rows->database, query->shape, write_sql, &rows->statement);
	if (status != DATABASE_OK)
		return status;
	rows->column_count = query_columns(query->shape, rows->columns);
	return execute_values(rows->statement->handle, query) ? expect_rows(rows) : failure(rows);
}

enum database_status rows_next(struct rows *rows, bool *is_end)
{
	return rows->is_packet ? next_packet(rows, is_end) : next_bound(rows, is_end);
}

void rows_end(struct rows *rows)
{
	if (rows->statement != NULL)
		mysql_stmt_free_result(rows->statement->handle);
	rows->statement = NULL;
}

void rows_forget(struct rows *rows)
{
	if (rows->statement != NULL)
		database_forget(rows->database, rows->statement);
	rows->statement = NULL;
}

/*
 * A statement that is killed, by hand or by its limit, while MariaDB still plans it can
 * end as if nothing had been found: no row, no error, no warning (10.11.19).  So nothing
 * is believed only when it is said twice; but a search that has looked at its records for
 * longer than any planning takes is not made to do so again.
 */
enum database_status rows_first(struct rows *rows, const struct query *query, double start_ms,
                                bool is_search, bool *is_end)
{
	rows->start_ms = start_ms;
	for (int tries = 0;; tries++) {
		double execute_ms = clock_ms();
		enum database_status status = execute(rows, query);
		if (status != DATABASE_OK)
			return status;
		status = rows_next(rows, is_end);
		bool is_sure = is_search && clock_ms() - execute_ms > PLANNING_MS;
		if (status != DATABASE_OK || !*is_end || tries > 0 || is_sure)
			return status;
		rows_end(rows);
	}
}

void rows_shrink(struct rows *rows)
{
	for (int column = 0; column < QUERY_COLUMN_COUNT; column++)
		if (rows->documents[column] != NULL &&
		    rows->binds[column].buffer_length > DOCUMENT_SIZE_KEPT)
			resize_document(rows, column, DOCUMENT_SIZE);
}
