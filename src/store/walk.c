#include "store/walk.h"

#include <stdlib.h>

#include "base/clock.h"
#include "store/repository_status.h"
#include "store/rows.h"

enum {
	/* Rows of a part, and about how many bytes of them: some tens of milliseconds. */
	PART_ROWS_FIRST = 100,
	PART_ROWS_MAX = 10000,
	PART_BYTES = 192 * 1024,
};

struct walk {
	struct database *database;
	struct rows *rows;
	struct query query;
	/* Of the walk at hand. */
	const struct filter *filter;
	struct walk_sink sink;
	uint32_t columns;
	struct repository_result result;
	struct record_position position; /* behind which the next statement goes on */
	bool has_position;
	uint32_t skip;   /* records still to be passed over */
	uint32_t wanted; /* rows of the next part */
	uint32_t wanted_max;
	bool is_end;
	enum repository_status refusal;
	unsigned try_count;
	double start_ms; /* of the statement at hand */
};

struct walk *walk_open(struct database *database)
{
	struct walk *walk = calloc(1, sizeof *walk);

	if (walk == NULL)
		return NULL;
	walk->database = database;
	if ((walk->rows = rows_open(database)) == NULL) {
		free(walk);
		return NULL;
	}
	return walk;
}

void walk_close(struct walk *walk)
{
	if (walk == NULL)
		return;
	rows_close(walk->rows);
	free(walk);
}

const struct repository_result *walk_result(const struct walk *walk)
{
	return &walk->result;
}

static enum database_status read_first(struct walk *walk, uint32_t columns, uint32_t row_count,
                                       uint32_t skip, bool *is_end)
{
	query_build(&walk->query, walk->filter, columns, walk->has_position ? &walk->position : NULL,
	            row_count, skip);
	walk->result.shape = walk->query.shape;
	walk->start_ms = clock_ms();
	return rows_first(walk->rows, &walk->query, walk->start_ms, columns == QUERY_SEEK, is_end);
}

static void set_position(struct walk *walk, struct record_position position)
{
	walk->position = position;
	walk->has_position = true;
}

/* Goes to the record before the first one, unless only who looks at them knows what counts. */
static enum database_status seek(struct walk *walk)
{
	bool is_end;

	if (walk->filter->has_cursor)
		set_position(walk, walk->filter->cursor.after);
	if (walk->filter->meta_info != NULL || walk->skip == 0)
		return DATABASE_OK;
	enum database_status status = read_first(walk, QUERY_SEEK, 1, walk->skip - 1, &is_end);
	if (status == DATABASE_OK && !is_end)
		set_position(walk, rows_position(walk->rows));
	walk->is_end = status == DATABASE_OK && is_end;
	rows_end(walk->rows);
	walk->skip = 0;
	return status;
}

/* Whether the row at hand counts.  False: nobody can tell. */
static bool judge(struct walk *walk, bool *is_match)
{
	*is_match = true;
	if (walk->filter->meta_info == NULL)
		return true;
	enum metainfo_match match = rows_match(walk->rows, walk->filter->meta_info);
	*is_match = match == METAINFO_CONTAINS;
	if (match == METAINFO_TOO_COSTLY)
		walk->refusal = REPOSITORY_TOO_COSTLY;
	return match == METAINFO_CONTAINS || match == METAINFO_LACKS;
}

/* Takes the row at hand; *is_full: no more in this part. */
static bool take(struct walk *walk, bool *is_full)
{
	bool is_match;

	if (!judge(walk, &is_match))
		return false;
	set_position(walk, rows_position(walk->rows));
	if (!is_match)
		return true;
	if (walk->skip > 0) {
		walk->skip--;
		return true;
	}
	enum walk_take taken = walk->sink.take(walk->sink.context, walk->rows);
	walk->result.row_count++;
	if (walk->filter->has_limit && walk->result.row_count == walk->filter->limit)
		walk->is_end = true;
	*is_full = taken == WALK_FULL || walk->is_end;
	return taken != WALK_FAILED;
}

/* How many rows the next part may have, after row_count rows of so many bytes. */
static uint32_t next_wanted(const struct walk *walk, uint32_t row_count, size_t bytes)
{
	size_t wanted = row_count > 0 ? PART_BYTES / (bytes / row_count) + 1 : walk->wanted;

	if (wanted > walk->wanted_max)
		wanted = walk->wanted_max;
	if (wanted > 10 * (size_t)walk->wanted) /* what comes next may be longer */
		wanted = 10 * (size_t)walk->wanted;
	return (uint32_t)wanted;
}

/*
 * One part.  The walk is over when a statement finds nothing, said twice as rows has it, and not
 * when one finds less than it might have.
 */
static enum database_status read_part(struct walk *walk)
{
	bool is_end = false, is_full = false;
	uint32_t row_count = 0;
	size_t bytes = 0;

	if (walk->is_end)
		return DATABASE_OK;
	enum database_status status = read_first(walk, walk->columns, walk->wanted, 0, &is_end);
	walk->is_end = status == DATABASE_OK && is_end;
	while (status == DATABASE_OK && !is_end && !is_full) {
		row_count++;
		bytes += rows_bytes(walk->rows);
		if (!take(walk, &is_full))
			status = DATABASE_FAILED;
		else if (!is_full)
			status = rows_next(walk->rows, &is_end);
	}
	rows_end(walk->rows);
	if (is_full) /* what takes the rows takes no more at once, and reading others is a waste */
		walk->wanted_max = row_count;
	walk->wanted = next_wanted(walk, row_count, bytes);
	return status;
}

static enum database_status try_part(void *context)
{
	return read_part(context);
}

/* The beginning; what an earlier try did is forgotten. */
static enum database_status try_begin(void *context)
{
	struct walk *walk = context;

	walk->result = (struct repository_result){.retry_count = walk->try_count++};
	walk->has_position = walk->is_end = false;
	walk->skip = walk->filter->offset;
	walk->wanted = PART_ROWS_FIRST;
	walk->wanted_max = PART_ROWS_MAX;
	walk->sink.begin(walk->sink.context);
	enum database_status status = database_begin_snapshot(walk->database);
	if (status == DATABASE_OK)
		status = seek(walk);
	return status == DATABASE_OK ? read_part(walk) : status;
}

static enum repository_status status_of(struct walk *walk, enum database_status status)
{
	if (status == DATABASE_OK)
		return REPOSITORY_OK;
	walk_end(walk);
	return walk->refusal != REPOSITORY_OK ? walk->refusal : repository_status(status);
}

enum repository_status walk_begin(struct walk *walk, const struct filter *filter, uint32_t columns,
                                  const struct walk_sink *sink)
{
	walk->filter = filter;
	walk->sink = *sink;
	walk->columns = columns | QUERY_SEEK;
	if (filter->meta_info != NULL)
		walk->columns |= QUERY_SCAN;
	walk->refusal = REPOSITORY_OK;
	walk->try_count = 0;
	return status_of(walk, database_run(walk->database, try_begin, walk));
}

enum repository_status walk_next(struct walk *walk, bool *is_end)
{
	enum database_status status = DATABASE_OK;

	*is_end = walk->is_end;
	if (!walk->is_end)
		status = database_go_on(walk->database, try_part, walk);
	return status_of(walk, status);
}

void walk_end(struct walk *walk)
{
	database_end_snapshot(walk->database);
	rows_shrink(walk->rows);
}
