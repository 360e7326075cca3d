#include "config.h"
#include "store/repository.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/database.h"

#ifndef HAVE_MY_BOOL
typedef bool my_bool; /* MySQL 8 uses C's bool, MariaDB and older MySQL a char */
#endif

enum {
	/* From this offset on, finding the place in the narrow index first is cheaper than
	 * reading the rows that are passed over. */
	SEEK_OFFSET_MIN = 100,
	/* Documents up to this size are fetched without a second call. */
	DOCUMENT_SIZE = 16 * 1024,
	/* A buffer that one long document made larger than this is given back. */
	DOCUMENT_SIZE_KEPT = 256 * 1024,
	/* What planning a statement takes at the very most. */
	PLANNING_MS = 50,
	/* Candidates of a metaInfo filter that one statement may give. */
	CANDIDATES_MAX = 10000,
};

/* Where the library puts a row: bound once, reused for each row of each statement. */
struct row {
	MYSQL_BIND binds[QUERY_PAGE_COLUMNS];
	my_bool is_null[QUERY_PAGE_COLUMNS];
	my_bool is_truncated[QUERY_PAGE_COLUMNS];
	unsigned long lengths[QUERY_PAGE_COLUMNS];
	MYSQL_TIME times[QUERY_PAGE_COLUMNS];
	uint64_t serial_id;
	char texts[QUERY_PAGE_COLUMNS][RECORD_ID_LEN_MAX];
	char *documents[QUERY_PAGE_COLUMNS]; /* owned; only of JSON columns */
	unsigned generation; /* changes whenever a buffer moves: bind again */
};

struct repository {
	struct database *database;
	double limit_ms; /* for all statements of a page together */
	struct row row;
	struct query query;
};

/* One find on its way. */
struct find {
	struct repository *repository;
	const struct filter *filter;
	const struct repository_sink *sink;
	struct repository_result *result;
	struct record_position position; /* the place behind which the next statement goes on */
	uint32_t skip;                   /* records still to be passed over here */
	unsigned try_count;
	double start_ms;
};

static void bind_column(struct row *row, int column, enum enum_field_types type, void *buffer,
                        unsigned long size)
{
	row->binds[column] = (MYSQL_BIND){.buffer_type = type,
	                                  .buffer = buffer,
	                                  .buffer_length = size,
	                                  .is_null = &row->is_null[column],
	                                  .error = &row->is_truncated[column],
	                                  .length = &row->lengths[column]};
}

static bool resize_document(struct row *row, int column, unsigned long size)
{
	char *buffer = realloc(row->documents[column], size);

	if (buffer == NULL)
		return false;
	row->documents[column] = buffer;
	bind_column(row, column, MYSQL_TYPE_STRING, buffer, size);
	row->generation++;
	return true;
}

static bool bind_row(struct row *row)
{
	for (int column = 0; column < QUERY_PAGE_COLUMNS; column++) {
		switch ((enum query_column)column) {
		case QUERY_CREATION_TIME:
		case QUERY_LAST_UPDATE_TIME:
			bind_column(row, column, MYSQL_TYPE_DATETIME, &row->times[column],
			            sizeof row->times[column]);
			break;
		case QUERY_SERIAL_ID:
			bind_column(row, column, MYSQL_TYPE_LONGLONG, &row->serial_id,
			            sizeof row->serial_id);
			row->binds[column].is_unsigned = true;
			break;
		case QUERY_META_INFO:
		case QUERY_RECORDS:
			if (!resize_document(row, column, DOCUMENT_SIZE))
				return false;
			break;
		default:
			bind_column(row, column, MYSQL_TYPE_STRING, row->texts[column],
			            sizeof row->texts[column]);
		}
	}
	return true;
}

struct repository *repository_open(struct database *database, unsigned limit_ms)
{
	struct repository *repository = calloc(1, sizeof *repository);

	if (repository == NULL)
		return NULL;
	repository->database = database;
	repository->limit_ms = limit_ms;
	if (!bind_row(&repository->row)) {
		repository_close(repository);
		return NULL;
	}
	return repository;
}

void repository_close(struct repository *repository)
{
	if (repository == NULL)
		return;
	free(repository->row.documents[QUERY_META_INFO]);
	free(repository->row.documents[QUERY_RECORDS]);
	free(repository);
}

static struct slice column_text(const struct row *row, enum query_column column)
{
	if (row->is_null[column])
		return (struct slice){"", 0};
	return (struct slice){row->binds[column].buffer, row->lengths[column]};
}

static struct utc_time column_time(const struct row *row, enum query_column column)
{
	const MYSQL_TIME *time = &row->times[column];

	return (struct utc_time){.year = time->year, .month = time->month, .day = time->day,
	                         .hour = time->hour, .minute = time->minute, .second = time->second,
	                         .millisecond = (unsigned)(time->second_part / 1000)};
}

static struct record record_of(const struct row *row)
{
	return (struct record){
	    .buyer_id = column_text(row, QUERY_BUYER_ID),
	    .entitlement_id = column_text(row, QUERY_ENTITLEMENT_ID),
	    .id = column_text(row, QUERY_ID),
	    .partner = column_text(row, QUERY_PARTNER),
	    .status = column_text(row, QUERY_STATUS),
	    .usage_record_report_id = column_text(row, QUERY_USAGE_RECORD_REPORT_ID),
	    .meta_info = column_text(row, QUERY_META_INFO),
	    .records = column_text(row, QUERY_RECORDS),
	    .creation_time = column_time(row, QUERY_CREATION_TIME),
	    .last_update_time = column_time(row, QUERY_LAST_UPDATE_TIME),
	    .serial_id = row->serial_id};
}

static struct record_position position_of(const struct row *row)
{
	struct utc_time time = column_time(row, QUERY_CREATION_TIME);

	return (struct record_position){.creation_ms = utc_to_ms(&time), .serial_id = row->serial_id};
}

static double elapsed_ms(const struct find *find)
{
	return clock_ms() - find->start_ms;
}

static enum database_status failure(const struct find *find,
                                    const struct database_statement *statement)
{
	return database_error(find->repository->database, statement->handle, elapsed_ms(find));
}

/* Tells a statement where the row is, if it moved; the library keeps a copy. */
static enum database_status bind_result(const struct find *find,
                                        struct database_statement *statement)
{
	struct row *row = &find->repository->row;

	if (statement->bind_generation == row->generation)
		return DATABASE_OK;
	if (mysql_stmt_bind_result(statement->handle, row->binds) != 0)
		return failure(find, statement);
	statement->bind_generation = row->generation;
	return DATABASE_OK;
}

/* Fetches what did not fit its buffer. */
static enum database_status fetch_rest(const struct find *find,
                                       struct database_statement *statement)
{
	struct row *row = &find->repository->row;

	for (int column = 0; column < QUERY_PAGE_COLUMNS; column++) {
		if (row->is_null[column] || row->lengths[column] <= row->binds[column].buffer_length)
			continue;
		if (row->documents[column] == NULL) {
			log_message(LOG_LEVEL_ERROR, "column %d of record %llu is longer than it may be", column,
			            (unsigned long long)row->serial_id);
			return DATABASE_FAILED;
		}
		if (!resize_document(row, column, row->lengths[column]))
			return DATABASE_FAILED;
		if (mysql_stmt_fetch_column(statement->handle, &row->binds[column], (unsigned)column,
		                            0) != 0)
			return failure(find, statement);
	}
	return DATABASE_OK;
}

_Static_assert((int)QUERY_SQL_SIZE <= (int)DATABASE_SQL_SIZE, "any query fits");

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
			times[i] = (MYSQL_TIME){.year = value->time.year, .month = value->time.month,
			                        .day = value->time.day, .hour = value->time.hour,
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
	return database_execute(handle, binds, (unsigned)query->value_count);
}

/* Prepares and executes the repository's query; its rows are then to be fetched from
 * *statement, unbuffered, into the repository's row. */
static enum database_status execute(const struct find *find,
                                    struct database_statement **statement)
{
	struct repository *repository = find->repository;

	find->result->shape = repository->query.shape;
	enum database_status status = database_prepare(repository->database, repository->query.shape,
	                                               write_sql, statement);
	if (status != DATABASE_OK)
		return status;
	return execute_values((*statement)->handle, &repository->query) ? DATABASE_OK
	                                                                : failure(find, *statement);
}

static enum database_status fetch(const struct find *find, struct database_statement *statement,
                                  bool *is_end)
{
	/* Before the row, not behind one: binding anew may reset the lengths of the row at hand
	 * (Connector/C 3.3.19). */
	enum database_status status = bind_result(find, statement);
	if (status != DATABASE_OK)
		return status;
	int code = mysql_stmt_fetch(statement->handle);

	*is_end = code == MYSQL_NO_DATA;
	if (code == MYSQL_DATA_TRUNCATED)
		return fetch_rest(find, statement);
	return code == 0 || code == MYSQL_NO_DATA ? DATABASE_OK : failure(find, statement);
}

/* Ends the rows of a statement, read to their end or not; NULL is fine. */
static void end_rows(struct database_statement *statement)
{
	if (statement != NULL)
		mysql_stmt_free_result(statement->handle);
}

/*
 * Executes the query and fetches its first row.  A statement that is killed, by hand or
 * by its limit, while MariaDB still plans it can end as if nothing had been found: no
 * row, no error, no warning (10.11.19).  So nothing is believed only when it is said
 * twice; but a metaInfo filter that has looked at its records for longer than any
 * planning takes is not made to do so again.
 */
static enum database_status fetch_first(const struct find *find,
                                        struct database_statement **statement, bool *is_end)
{
	for (int tries = 0;; tries++) {
		double start_ms = clock_ms();
		enum database_status status = execute(find, statement);
		if (status != DATABASE_OK)
			return status;
		status = fetch(find, *statement, is_end);
		bool is_search = find->filter->meta_info != NULL && clock_ms() - start_ms > PLANNING_MS;
		if (status != DATABASE_OK || !*is_end || tries > 0 || is_search)
			return status;
		end_rows(*statement);
	}
}

/* Finds the record at depth filter.offset - 1, the last one before the page. */
static enum database_status seek(struct find *find, bool *is_found)
{
	struct repository *repository = find->repository;
	struct database_statement *statement = NULL;
	bool is_end = true;

	query_build(&repository->query, find->filter,
	            database_is_mariadb(repository->database) ? QUERY_MARIADB : QUERY_MYSQL,
	            QUERY_SEEK, NULL, 1, find->skip - 1);
	enum database_status status = fetch_first(find, &statement, &is_end);
	*is_found = status == DATABASE_OK && !is_end;
	if (*is_found)
		find->position = position_of(&repository->row);
	end_rows(statement);
	return status;
}

/* Gives the row at hand to the sink unless it is none of the page's.  *is_done is set
 * at the first record behind the page. */
static bool take_row(struct find *find, bool *is_done)
{
	const struct filter *filter = find->filter;
	struct record record = record_of(&find->repository->row);
	enum metainfo_match match = METAINFO_CONTAINS;

	if (filter->meta_info != NULL)
		match = metainfo_match(filter->meta_info, record.meta_info);
	if (match == METAINFO_UNREADABLE) {
		log_message(LOG_LEVEL_ERROR, "the metaInfo of record %llu could not be read",
		            (unsigned long long)record.serial_id);
		return false;
	}
	if (match == METAINFO_LACKS)
		return true;
	if (find->skip > 0) {
		find->skip--;
		return true;
	}
	if (find->result->row_count == filter->limit) {
		find->result->has_more = *is_done = true;
		return true;
	}
	if (!find->sink->add(find->sink->context, &record)) {
		log_message(LOG_LEVEL_ERROR, "out of memory after %u records", find->result->row_count);
		return false;
	}
	if (++find->result->row_count == filter->limit)
		find->result->last = position_of(&find->repository->row);
	return true;
}

/* Runs one statement behind *after (NULL: from the newest on) for wanted rows. */
static enum database_status read_rows(struct find *find, const struct record_position *after,
                                      uint32_t wanted, uint32_t skip, bool *is_done)
{
	struct repository *repository = find->repository;
	struct database_statement *statement = NULL;
	uint32_t row_count = 0;
	bool is_end = false;

	query_build(&repository->query, find->filter,
	            database_is_mariadb(repository->database) ? QUERY_MARIADB : QUERY_MYSQL,
	            QUERY_PAGE, after, wanted, skip);
	enum database_status status = fetch_first(find, &statement, &is_end);
	while (status == DATABASE_OK && !is_end && !*is_done) {
		row_count++;
		if (!take_row(find, is_done))
			status = DATABASE_FAILED;
		else if (!*is_done)
			status = fetch(find, statement, &is_end);
	}
	end_rows(statement);
	*is_done |= row_count < wanted;
	find->position = position_of(&repository->row);
	return status;
}

/*
 * Without a metaInfo filter one statement gives the page and the record behind it.
 * With one, the statement gives candidates; as long as these do not fill the page,
 * the next statement goes on behind the last of them.
 */
static enum database_status find_page(struct find *find)
{
	const struct filter *filter = find->filter;
	const struct record_position *after = NULL;
	uint32_t sql_skip = 0;
	enum database_status status = DATABASE_OK;
	bool is_done = false, is_found;

	find->skip = 0;
	if (filter->has_cursor) {
		find->position = filter->cursor.after;
		after = &find->position;
	} else if (filter->meta_info != NULL) {
		find->skip = filter->offset; /* only take_row knows what counts */
	} else if (filter->offset < SEEK_OFFSET_MIN) {
		sql_skip = filter->offset;
	} else {
		find->skip = filter->offset;
		status = seek(find, &is_found);
		if (status != DATABASE_OK || !is_found)
			return status;
		find->skip = 0;
		after = &find->position;
	}

	for (uint32_t wanted = filter->limit + 1; status == DATABASE_OK && !is_done; wanted *= 2) {
		if (wanted > CANDIDATES_MAX)
			wanted = CANDIDATES_MAX;
		status = read_rows(find, after, wanted, sql_skip, &is_done);
		after = &find->position;
		if (status == DATABASE_OK && !is_done && elapsed_ms(find) > find->repository->limit_ms)
			status = DATABASE_TIMEOUT;
	}
	return status;
}

static enum repository_status repository_status(enum database_status status)
{
	switch (status) {
	case DATABASE_OK:
		return REPOSITORY_OK;
	case DATABASE_LOST:
	case DATABASE_UNAVAILABLE:
		return REPOSITORY_UNAVAILABLE;
	case DATABASE_TIMEOUT:
		return REPOSITORY_TIMEOUT;
	case DATABASE_FAILED:
		return REPOSITORY_FAILED;
	}
	return REPOSITORY_FAILED;
}

/* Gives back what long documents took, so that memory stays where it was. */
static void shrink_row(struct row *row)
{
	for (int column = 0; column < QUERY_PAGE_COLUMNS; column++)
		if (row->documents[column] != NULL &&
		    row->binds[column].buffer_length > DOCUMENT_SIZE_KEPT)
			resize_document(row, column, DOCUMENT_SIZE);
}

/* One try; what an earlier one did is forgotten. */
static enum database_status try_page(void *context)
{
	struct find *find = context;

	*find->result = (struct repository_result){.retry_count = find->try_count++};
	find->sink->begin(find->sink->context);
	return find_page(find);
}

enum repository_status repository_find(struct repository *repository, const struct filter *filter,
                                       const struct repository_sink *sink,
                                       struct repository_result *result)
{
	struct find find = {.repository = repository, .filter = filter, .sink = sink,
	                    .result = result, .start_ms = clock_ms()};

	*result = (struct repository_result){.row_count = 0};
	sink->begin(sink->context);
	enum database_status status = database_run(repository->database, try_page, &find);
	shrink_row(&repository->row);
	return repository_status(status);
}

void repository_tend(struct repository *repository)
{
	database_tend(repository->database);
}

enum repository_status repository_check(struct repository *repository)
{
	return repository_status(database_ping(repository->database));
}
