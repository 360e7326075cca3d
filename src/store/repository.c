#include "store/repository.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/database.h"
#include "store/rows.h"

enum {
	/* Candidates of a metaInfo filter that one statement may give. */
	CANDIDATES_MAX = 10000,
};

struct repository {
	struct database *database;
	double limit_ms; /* for all statements of a page together */
	struct rows *rows;
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

struct repository *repository_open(struct database *database, unsigned limit_ms)
{
	struct repository *repository = calloc(1, sizeof *repository);

	if (repository == NULL)
		return NULL;
	repository->database = database;
	repository->limit_ms = limit_ms;
	if ((repository->rows = rows_open(database)) == NULL) {
		repository_close(repository);
		return NULL;
	}
	return repository;
}

void repository_close(struct repository *repository)
{
	if (repository == NULL)
		return;
	rows_close(repository->rows);
	free(repository);
}

static double elapsed_ms(const struct find *find)
{
	return clock_ms() - find->start_ms;
}

static enum query_dialect dialect(const struct repository *repository)
{
	return database_is_mariadb(repository->database) ? QUERY_MARIADB : QUERY_MYSQL;
}

/* Runs the repository's query and reads its first row. */
static enum database_status read_first(const struct find *find, bool *is_end)
{
	struct repository *repository = find->repository;

	find->result->shape = repository->query.shape;
	return rows_first(repository->rows, &repository->query, find->start_ms,
	                  find->filter->meta_info != NULL, is_end);
}

/* Finds the record at depth filter.offset - 1, the last one before the page. */
static enum database_status seek(struct find *find, bool *is_found)
{
	struct repository *repository = find->repository;
	bool is_end = true;

	query_build(&repository->query, find->filter, dialect(repository), QUERY_SEEK, NULL, 1,
	            find->skip - 1);
	enum database_status status = read_first(find, &is_end);
	*is_found = status == DATABASE_OK && !is_end;
	if (*is_found)
		find->position = rows_position(repository->rows);
	rows_end(repository->rows);
	return status;
}

/* Gives the row at hand to the sink unless it is none of the page's.  *is_done is set
 * at the first record behind the page. */
static bool take_row(struct find *find, bool *is_done)
{
	const struct filter *filter = find->filter;
	struct record record = rows_record(find->repository->rows);
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
		find->result->last = rows_position(find->repository->rows);
	return true;
}

/* Runs one statement behind *after (NULL: from the newest on) for wanted rows. */
static enum database_status read_rows(struct find *find, const struct record_position *after,
                                      uint32_t wanted, uint32_t skip, bool *is_done)
{
	struct repository *repository = find->repository;
	uint32_t row_count = 0;
	bool is_end = false;

	query_build(&repository->query, find->filter, dialect(repository), QUERY_PAGE, after, wanted,
	            skip);
	enum database_status status = read_first(find, &is_end);
	while (status == DATABASE_OK && !is_end && !*is_done) {
		row_count++;
		if (!take_row(find, is_done))
			status = DATABASE_FAILED;
		else if (!*is_done)
			status = rows_next(repository->rows, &is_end);
	}
	rows_end(repository->rows);
	*is_done |= row_count < wanted;
	find->position = rows_position(repository->rows);
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
	} else if (filter->offset < REPOSITORY_SEEK_OFFSET_MIN) {
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
	struct find find = {.repository = repository,
	                    .filter = filter,
	                    .sink = sink,
	                    .result = result,
	                    .start_ms = clock_ms()};

	*result = (struct repository_result){.row_count = 0};
	sink->begin(sink->context);
	enum database_status status = database_run(repository->database, try_page, &find);
	rows_shrink(repository->rows);
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
