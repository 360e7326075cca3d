#include "store/repository.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "request/search.h"
#include "store/repository_status.h"
#include "store/rows.h"

enum {
	/* Candidates of a metaInfo filter that one statement may give, and about how many bytes of
	 * them: some tens of milliseconds. */
	CANDIDATES_MAX = 50000,
	CANDIDATES_BYTES = 32 * 1024 * 1024,
	/* To read more than this and throw it away costs more than a new connection. */
	DISCARDED_BYTES = 1024 * 1024,
	/* What is left of a row without its documents, and of its answer, at the most. */
	ROW_BYTES = 512,
	/* When one candidate of so many counts, all columns are read at once. */
	DENSE_SHARE = 8,
};

struct repository {
	struct database *database;
	const struct repository_limits *limits;
	struct rows *rows;
	struct query query;
	/* The records that a scan found, still to be read. */
	struct record_position matches[FILTER_LIMIT_MAX + 1];
	uint32_t match_count;
};

/* One find on its way. */
struct find {
	struct repository *repository;
	const struct filter *filter;
	const struct repository_sink *sink;
	struct repository_result *result;
	struct record_position position; /* the place behind which the next statement goes on */
	bool has_position;
	uint32_t skip; /* records still to be passed over here */
	size_t bytes;  /* given so far */
	/* The record that was given last: a place is made of one alone, not of each. */
	struct utc_time last_time;
	uint64_t last_serial_id;
	bool is_done;
	enum repository_status refusal; /* what the page is too much of */
	unsigned try_count;
	double start_ms;
};

struct repository *repository_open(struct database *database,
                                   const struct repository_limits *limits)
{
	struct repository *repository = calloc(1, sizeof *repository);

	if (repository == NULL)
		return NULL;
	repository->database = database;
	repository->limits = limits;
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

/* Builds a query behind the find's position and reads its first row. */
static enum database_status read_first(const struct find *find, enum query_purpose purpose,
                                       uint32_t row_count, uint32_t skip, bool *is_end)
{
	struct repository *repository = find->repository;

	query_build(&repository->query, find->filter, purpose,
	            find->has_position ? &find->position : NULL, row_count, skip);
	find->result->shape = repository->query.shape;
	return rows_first(repository->rows, &repository->query, find->start_ms, purpose == QUERY_SEEK,
	                  is_end);
}

static void set_position(struct find *find, struct record_position position)
{
	find->position = position;
	find->has_position = true;
}

/* Finds the record at depth filter.offset - 1, the last one before the page. */
static enum database_status seek(struct find *find, bool *is_found)
{
	struct repository *repository = find->repository;
	bool is_end = true;
	enum database_status status =
	    read_first(find, QUERY_SEEK, 1, find->filter->offset - 1, &is_end);

	*is_found = status == DATABASE_OK && !is_end;
	if (*is_found)
		set_position(find, rows_position(repository->rows));
	rows_end(repository->rows);
	return status;
}

/* Ends the page at last; whoever did not ask by cursor would take that for the end of the list. */
static void end_early(struct find *find, struct record_position last, enum repository_status why)
{
	find->is_done = true;
	if (find->filter->has_cursor) {
		find->result->has_more = true;
		find->result->last = last;
	} else {
		find->refusal = why;
	}
}

static struct record_position last_given(const struct find *find)
{
	return (struct record_position){.creation_ms = utc_to_ms(&find->last_time),
	                                .serial_id = find->last_serial_id};
}

/* Gives a record to the sink, or says that the page ended before it. */
static bool give(struct find *find, const struct record *record)
{
	struct repository_result *result = find->result;
	size_t bytes = record->meta_info.len + record->records.len + ROW_BYTES;

	if (result->row_count == find->filter->limit) {
		result->has_more = find->is_done = true;
		result->last = last_given(find);
		return true;
	}
	find->bytes += bytes;
	if (find->sink->bytes_max > 0 && find->bytes > find->sink->bytes_max) {
		find->refusal = REPOSITORY_BEYOND_SINK;
		find->is_done = true;
		return true;
	}
	if (result->row_count > 0 && find->bytes > find->repository->limits->page_bytes) {
		end_early(find, last_given(find), REPOSITORY_TOO_LARGE);
		return true;
	}
	if (!find->sink->add(find->sink->context, record)) {
		log_message(LOG_LEVEL_ERROR, "out of memory after %u records", result->row_count);
		return false;
	}
	result->row_count++;
	find->last_time = record->creation_time;
	find->last_serial_id = record->serial_id;
	return true;
}

/* Whether the row at hand contains the filter.  False: nobody can tell. */
static bool judge(struct find *find, bool *is_match)
{
	*is_match = false;
	switch (rows_match(find->repository->rows, find->filter->meta_info)) {
	case METAINFO_CONTAINS:
		*is_match = true;
		return true;
	case METAINFO_LACKS:
		return true;
	case METAINFO_UNREADABLE:
	case METAINFO_NO_MEMORY:
		return false;
	case METAINFO_TOO_COSTLY:
		find->refusal = REPOSITORY_TOO_COSTLY;
		find->is_done = true;
		return true;
	}
	return false;
}

/* Leaves count rows of about so many bytes unread. */
static void leave_rows(struct find *find, uint32_t count, size_t bytes)
{
	if (count * bytes > DISCARDED_BYTES)
		database_abandon(find->repository->database);
}

/* Without a metaInfo filter one statement gives the page and the record behind it. */
static enum database_status read_page(struct find *find, uint32_t skip)
{
	struct rows *rows = find->repository->rows;
	bool is_end = false;
	enum database_status status =
	    read_first(find, QUERY_PAGE, find->filter->limit + 1, skip, &is_end);

	while (status == DATABASE_OK && !is_end && !find->is_done) {
		struct record record = rows_record(rows);
		if (!give(find, &record))
			status = DATABASE_FAILED;
		else if (!find->is_done)
			status = rows_next(rows, &is_end);
	}
	uint32_t row_count = find->result->row_count;
	if (status == DATABASE_OK && find->is_done)
		leave_rows(find, find->filter->limit - row_count, find->bytes / (row_count + 1));
	rows_end(rows);
	return status;
}

/* What a statement for candidates found. */
struct chunk {
	enum query_purpose purpose;
	uint32_t wanted, row_count, match_count;
	size_t bytes;
	bool is_late; /* the search has taken as long as it may */
};

/* Takes the candidate at hand. */
static bool take_candidate(struct find *find, struct chunk *chunk)
{
	struct repository *repository = find->repository;
	struct record_position position = rows_position(repository->rows);
	struct record record = {.serial_id = position.serial_id};
	bool is_match;

	chunk->row_count++;
	chunk->bytes += rows_text(repository->rows, QUERY_META_INFO).len + ROW_BYTES;
	if (chunk->purpose == QUERY_PAGE) {
		record = rows_record(repository->rows);
		chunk->bytes += record.records.len;
	}
	if (!judge(find, &is_match))
		return false;
	if (find->is_done)
		return true;
	chunk->match_count += is_match;
	if (is_match && find->skip > 0) {
		find->skip--;
	} else if (is_match && chunk->purpose == QUERY_PAGE) {
		if (!give(find, &record))
			return false;
	} else if (is_match) {
		repository->matches[repository->match_count++] = position;
	}
	set_position(find, position);
	return true;
}

/* Whether a scan has found as many records as the page and the one behind it still want. */
static bool is_full(const struct find *find)
{
	return find->repository->match_count + find->result->row_count > find->filter->limit;
}

/* Runs one statement for candidates. */
static enum database_status read_candidates(struct find *find, struct chunk *chunk)
{
	struct repository *repository = find->repository;
	bool is_end = false;
	enum database_status status = read_first(find, chunk->purpose, chunk->wanted, 0, &is_end);

	while (status == DATABASE_OK && !is_end && !find->is_done && !chunk->is_late &&
	       !is_full(find)) {
		if (!take_candidate(find, chunk))
			status = DATABASE_FAILED;
		else if (!find->is_done)
			status = rows_next(repository->rows, &is_end);
		chunk->is_late = elapsed_ms(find) > repository->limits->search_ms;
	}
	if (status == DATABASE_TIMEOUT && find->has_position) {
		status = DATABASE_OK; /* the limit of the statement came before that of the search */
		chunk->is_late = true;
	} else if (status == DATABASE_OK && !is_end &&
	           (find->is_done || (chunk->is_late && repository->match_count == 0))) {
		leave_rows(find, chunk->wanted - chunk->row_count, chunk->bytes / (chunk->row_count + 1));
	}
	rows_end(repository->rows);
	return status;
}

/* Reads in full the records that a scan found, unless they have changed since. */
static enum database_status read_matches(struct find *find)
{
	struct repository *repository = find->repository;
	struct record_position position = find->position;
	enum database_status status = DATABASE_OK;

	for (uint32_t i = 0; i < repository->match_count && status == DATABASE_OK && !find->is_done;
	     i++) {
		struct record_position match = repository->matches[i];
		bool is_end, is_match = false;
		set_position(find, (struct record_position){match.creation_ms, match.serial_id + 1});
		status = read_first(find, QUERY_PAGE, 1, 0, &is_end);
		if (status == DATABASE_OK && !is_end &&
		    rows_position(repository->rows).serial_id == match.serial_id) {
			struct record record = rows_record(repository->rows);
			if (!judge(find, &is_match) || (is_match && !give(find, &record)))
				status = DATABASE_FAILED;
		}
		rows_end(repository->rows);
	}
	repository->match_count = 0;
	find->position = position;
	return status;
}

/*
 * With a metaInfo filter the statements give candidates, in chunks: all columns as long as many of
 * them count, else what it takes to tell, and in full only the few that do.
 */
static enum database_status search_page(struct find *find)
{
	uint32_t page_rows = find->filter->limit + 1;
	struct chunk chunk = {.purpose = find->skip > 0 ? QUERY_SCAN : QUERY_PAGE, .wanted = page_rows};
	enum database_status status = DATABASE_OK;

	find->repository->match_count = 0;
	while (status == DATABASE_OK && !find->is_done) {
		status = read_candidates(find, &chunk);
		bool is_last = chunk.row_count < chunk.wanted && !chunk.is_late && !is_full(find);
		if (status == DATABASE_OK && !find->is_done)
			status = read_matches(find);
		if (status == DATABASE_OK && !find->is_done && chunk.is_late)
			end_early(find, find->position, REPOSITORY_TOO_LONG);
		find->is_done |= is_last;
		bool is_sparse = chunk.match_count * DENSE_SHARE < chunk.row_count || find->skip > 0;
		uint64_t wanted =
		    (uint64_t)CANDIDATES_BYTES * (chunk.row_count + 1) / (chunk.bytes + 1) + 1;
		wanted = wanted < CANDIDATES_MAX ? wanted : CANDIDATES_MAX;
		chunk = (struct chunk){.purpose = is_sparse ? QUERY_SCAN : QUERY_PAGE};
		chunk.wanted = is_sparse || wanted < page_rows ? (uint32_t)wanted : page_rows;
	}
	return status;
}

static enum database_status find_page(struct find *find)
{
	const struct filter *filter = find->filter;
	bool is_found;

	if (filter->has_cursor || filter->has_place)
		set_position(find, filter->has_cursor ? filter->cursor.after : filter->place);
	if (filter->meta_info != NULL) {
		find->skip = filter_skip(filter); /* only who looks at the records knows what counts */
		return search_page(find);
	}
	if (filter_skip(filter) < REPOSITORY_SEEK_OFFSET_MIN)
		return read_page(find, filter_skip(filter));
	enum database_status status = seek(find, &is_found);
	if (status == DATABASE_TIMEOUT && search_is_needed(filter))
		find->refusal = REPOSITORY_TOO_LONG;
	return status == DATABASE_OK && is_found ? read_page(find, 0) : status;
}

/* One try; what an earlier one did is forgotten. */
static enum database_status try_page(void *context)
{
	struct find *find = context;

	*find->result = (struct repository_result){.retry_count = find->try_count++};
	find->has_position = find->is_done = false;
	find->skip = 0;
	find->bytes = 0;
	find->refusal = REPOSITORY_OK;
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
	if (find.refusal != REPOSITORY_OK && (status == DATABASE_OK || status == DATABASE_TIMEOUT))
		return find.refusal;
	return repository_status(status);
}

void repository_tend(struct repository *repository)
{
	database_tend(repository->database);
}

enum repository_status repository_check(struct repository *repository)
{
	return repository_status(database_check(repository->database));
}
