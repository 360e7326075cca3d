#include "store/summary.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/numbering.h"
#include "request/amounts.h"
#include "store/database.h"
#include "store/repository_status.h"
#include "store/rows.h"
#include "store/walk.h"

enum { CELLS_REMEMBERED = 64 };

/* One dimension in the rows of one key. */
struct cell {
	struct cell_key {
		uint32_t row_key, dimension; /* their numbers */
	} key;
	uint64_t count, unsummed;
	bool is_used; /* a number was added */
	struct decimal_sum sum;
};

struct summary {
	struct database *database;
	const struct repository_limits *limits;
	struct walk *walk; /* borrowed */
	struct rows *rows; /* of counts */
	/* Of the summary at hand. */
	const struct filter *filter;
	bool has_dimensions; /* they are groups */
	struct numbering row_keys, dimensions, cell_keys;
	uint64_t *counts; /* owned, as many as row_keys has room for; likewise below */
	struct cell *cells;
	uint32_t counts_size, cells_size;
	uint64_t record_count;
	enum repository_status refusal;
	double start_ms;
	unsigned try_count;
	uint32_t shape;
	/* Of the record at hand. */
	struct growing key;
	struct amounts amounts;
	uint32_t row_key;                      /* its number */
	uint32_t last_cells[CELLS_REMEMBERED]; /* by dimension; mostly found again */
	int32_t day;                           /* whose text day_text has */
	char day_text[UTC_TEXT_LEN];           /* YYYY-MM-DD, and more */
	/* The result. */
	struct summary_group *result_groups;
	struct summary_sum *result_sums; /* those of the groups, which cells own */
	struct summary_sum *totals;
	uint32_t total_count;
};

struct summary *summary_open(struct database *database, struct walk *walk,
                             const struct repository_limits *limits)
{
	struct summary *summary = calloc(1, sizeof *summary);

	if (summary == NULL)
		return NULL;
	summary->database = database;
	summary->limits = limits;
	summary->walk = walk;
	if ((summary->rows = rows_open(database)) == NULL) {
		summary_close(summary);
		return NULL;
	}
	return summary;
}

/* Drops the groups and sums, to begin anew. */
static void forget(struct summary *summary)
{
	for (uint32_t i = 0; i < summary->cell_keys.count; i++) {
		decimal_close(&summary->cells[i].sum);
		summary->cells[i] = (struct cell){.count = 0};
	}
	for (uint32_t i = 0; i < summary->row_keys.count; i++)
		summary->counts[i] = 0;
	for (uint32_t i = 0; i < summary->total_count; i++)
		decimal_close(&summary->totals[i].sum);
	numbering_clear(&summary->dimensions);
	numbering_clear(&summary->cell_keys);
	numbering_clear(&summary->row_keys);
	summary->record_count = 0;
	summary->total_count = 0;
	summary->day = INT32_MIN;
}

void summary_clear(struct summary *summary)
{
	forget(summary);
	free(summary->counts);
	free(summary->cells);
	free(summary->result_groups);
	free(summary->result_sums);
	free(summary->totals);
	amounts_close(&summary->amounts);
	growing_free(&summary->key);
	summary->counts = NULL;
	summary->cells = NULL;
	summary->result_groups = NULL;
	summary->result_sums = NULL;
	summary->totals = NULL;
	summary->amounts = (struct amounts){.count = 0};
	summary->counts_size = summary->cells_size = 0;
}

void summary_close(struct summary *summary)
{
	if (summary == NULL)
		return;
	summary_clear(summary);
	rows_close(summary->rows);
	free(summary);
}

static bool refuse(struct summary *summary, enum repository_status refusal)
{
	summary->refusal = refusal;
	return false;
}

static bool fail_memory(void)
{
	log_message(LOG_LEVEL_ERROR, "out of memory for a summary");
	return false;
}

/* Room for count items; new ones are zero. */
static bool reserve(void **items, uint32_t *size, uint32_t count, size_t item_size)
{
	uint32_t wanted = *size > 0 ? *size : 64;

	if (count <= *size)
		return true;
	while (wanted < count)
		wanted *= 2;
	char *grown = realloc(*items, wanted * item_size);
	if (grown == NULL)
		return false;
	memset(grown + *size * item_size, 0, (wanted - *size) * item_size);
	*items = grown;
	*size = wanted;
	return true;
}

static uint32_t count_groups(const struct summary *summary)
{
	return summary->has_dimensions ? summary->cell_keys.count : summary->row_keys.count;
}

static bool is_too_much(const struct summary *summary)
{
	return count_groups(summary) > SUMMARY_GROUPS_MAX ||
	       summary->cell_keys.count > SUMMARY_SUMS_MAX ||
	       summary->row_keys.bytes.len + summary->dimensions.bytes.len > SUMMARY_NAMES_MAX;
}

/* Counts records in the row key at hand. */
static bool add_records(struct summary *summary, uint64_t count)
{
	struct numbering *keys = &summary->row_keys;

	if (summary->key.is_short ||
	    !numbering_find(keys, growing_slice(&summary->key), &summary->row_key) ||
	    !reserve((void **)&summary->counts, &summary->counts_size, keys->count,
	             sizeof *summary->counts))
		return fail_memory();
	summary->counts[summary->row_key] += count;
	summary->record_count += count;
	return !is_too_much(summary) || refuse(summary, REPOSITORY_TOO_MANY_GROUPS);
}

/* Row keys are made of parts: how long, and what. */
static void add_part(struct growing *key, struct slice part)
{
	uint32_t len = (uint32_t)part.len;

	growing_add(key, (struct slice){(const char *)&len, sizeof len});
	growing_add(key, part);
}

static struct slice next_part(struct slice *key)
{
	uint32_t len;

	memcpy(&len, key->data, sizeof len);
	struct slice part = {key->data + sizeof len, len};
	key->data += sizeof len + len;
	key->len -= sizeof len + len;
	return part;
}

/* The day of the row at hand as text, which is written anew only when it is another. */
static struct slice day_text(struct summary *summary, const struct rows *rows, size_t len)
{
	int64_t ms = rows_position(rows).creation_ms;
	int32_t day = utc_day(ms);

	if (day != summary->day) {
		struct utc_time time = utc_from_ms(ms);
		utc_write(summary->day_text, &time);
		summary->day = day;
	}
	return (struct slice){summary->day_text, len};
}

enum { DAY_LEN = 10, MONTH_LEN = 7 }; /* of YYYY-MM-DD */

static const enum query_column columns[FILTER_GROUP_COUNT] = {
    [FILTER_DAY] = QUERY_CREATION_TIME,
    [FILTER_MONTH] = QUERY_CREATION_TIME,
    [FILTER_PARTNER] = QUERY_PARTNER,
    [FILTER_BUYER_ID] = QUERY_BUYER_ID,
    [FILTER_ENTITLEMENT_ID] = QUERY_ENTITLEMENT_ID,
    [FILTER_PRODUCT_ID] = QUERY_PRODUCT_ID,
    [FILTER_STATUS] = QUERY_STATUS,
    [FILTER_SOURCE] = QUERY_SOURCE,
    [FILTER_DIMENSION] = QUERY_RECORDS,
};

/* Makes the key of the row at hand; in the place of a dimension stands nothing. */
static void make_row_key(struct summary *summary, const struct rows *rows)
{
	summary->key.len = 0;
	for (size_t i = 0; i < summary->filter->group_count; i++) {
		enum filter_group group = summary->filter->groups[i];
		if (group == FILTER_DAY || group == FILTER_MONTH)
			add_part(&summary->key,
			         day_text(summary, rows, group == FILTER_DAY ? DAY_LEN : MONTH_LEN));
		else if (group == FILTER_DIMENSION)
			add_part(&summary->key, (struct slice){"", 0});
		else
			add_part(&summary->key, rows_text(rows, columns[group]));
	}
}

/* The cell of a dimension in the row key at hand. */
static bool find_cell(struct summary *summary, struct slice dimension, struct cell **cell)
{
	struct cell_key key = {.row_key = summary->row_key};

	if (!numbering_find(&summary->dimensions, dimension, &key.dimension))
		return fail_memory();
	uint32_t *number = &summary->last_cells[(8 * key.row_key + key.dimension) % CELLS_REMEMBERED];
	if (*number < summary->cell_keys.count) {
		*cell = &summary->cells[*number];
		if ((*cell)->key.row_key == key.row_key && (*cell)->key.dimension == key.dimension)
			return true;
	}
	if (!numbering_find(&summary->cell_keys, (struct slice){(const char *)&key, sizeof key},
	                    number) ||
	    !reserve((void **)&summary->cells, &summary->cells_size, summary->cell_keys.count,
	             sizeof *summary->cells))
		return fail_memory();
	*cell = &summary->cells[*number];
	(*cell)->key = key;
	return !is_too_much(summary) || refuse(summary, REPOSITORY_TOO_MANY_GROUPS);
}

static bool add_amount(struct cell *cell, const struct amount *amount)
{
	enum decimal_status status =
	    amount->is_number ? decimal_add(&cell->sum, &amount->number) : DECIMAL_TOO_LONG;

	cell->is_used |= status == DECIMAL_OK;
	cell->unsummed += status == DECIMAL_TOO_LONG;
	return status != DECIMAL_NO_MEMORY || fail_memory();
}

static bool read_amounts(struct summary *summary, const struct rows *rows)
{
	switch (amounts_parse(&summary->amounts, rows_text(rows, QUERY_RECORDS))) {
	case AMOUNTS_OK:
		return true;
	case AMOUNTS_UNREADABLE:
		log_message(LOG_LEVEL_ERROR, "the amounts of record %llu could not be read",
		            (unsigned long long)rows_position(rows).serial_id);
		return false;
	case AMOUNTS_NO_MEMORY:
		break;
	}
	return fail_memory();
}

static bool add_row(struct summary *summary, const struct rows *rows)
{
	const struct amounts *amounts = &summary->amounts;
	bool has_amounts = summary->filter->has_amounts;
	struct cell *cell;

	make_row_key(summary, rows);
	if (!add_records(summary, 1))
		return false;
	if (!has_amounts && !summary->has_dimensions)
		return true;
	if (!read_amounts(summary, rows))
		return false;
	for (size_t i = 0; i < amounts->count; i++) {
		if (!find_cell(summary, amounts->list[i].dimension, &cell) ||
		    (has_amounts && !add_amount(cell, &amounts->list[i])))
			return false;
		cell->count++;
	}
	if (amounts->count > 0 || !summary->has_dimensions)
		return true;
	if (!find_cell(summary, (struct slice){"", 0}, &cell))
		return false;
	cell->count++;
	return true;
}

static void begin_walk(void *context)
{
	forget(context);
}

static enum walk_take take_row(void *context, const struct rows *rows)
{
	return add_row(context, rows) ? WALK_TAKEN : WALK_FAILED;
}

/* Looks at each record. */
static enum repository_status walk_through(struct summary *summary)
{
	struct walk_sink sink = {summary, begin_walk, take_row};
	const struct filter *filter = summary->filter;
	bool reads_amounts = filter->has_amounts || summary->has_dimensions, is_end = false;
	uint32_t wanted = reads_amounts ? QUERY_COLUMN(QUERY_RECORDS) : 0;

	for (size_t i = 0; i < filter->group_count; i++)
		wanted |= QUERY_COLUMN(columns[filter->groups[i]]);
	enum repository_status status = walk_begin(summary->walk, filter, wanted, &sink);
	while (status == REPOSITORY_OK && !is_end) {
		if (clock_ms() - summary->start_ms > summary->limits->search_ms) {
			refuse(summary, REPOSITORY_TOO_LONG);
			break;
		}
		status = walk_next(summary->walk, &is_end);
	}
	walk_end(summary->walk);
	summary->try_count = walk_result(summary->walk)->retry_count + 1;
	summary->shape = walk_result(summary->walk)->shape;
	return status;
}

/* A group may come twice: a missing identifier is an empty one. */
static bool add_count(struct summary *summary)
{
	summary->key.len = 0;
	for (size_t i = 0; i < summary->filter->group_count; i++)
		add_part(&summary->key, rows_text(summary->rows, query_count_key(i)));
	return add_records(summary, rows_count(summary->rows));
}

static enum database_status try_counts(void *context)
{
	struct summary *summary = context;
	struct query query;
	bool is_end;

	forget(summary);
	summary->try_count++;
	query_build_counts(&query, summary->filter, SUMMARY_GROUPS_MAX + 1);
	summary->shape = query.shape;
	enum database_status status =
	    rows_first(summary->rows, &query, summary->start_ms, true, &is_end);
	while (status == DATABASE_OK && !is_end) {
		status = add_count(summary) ? rows_next(summary->rows, &is_end) : DATABASE_FAILED;
	}
	/* Executed again behind a statement that reads by another index, it would not be answered by
	 * the index alone (MariaDB 10.11.19): a third more time. */
	rows_forget(summary->rows);
	return status;
}

/* Has the database count. */
static enum repository_status count(struct summary *summary)
{
	enum database_status status = database_run(summary->database, try_counts, summary);

	if (status == DATABASE_TIMEOUT)
		refuse(summary, REPOSITORY_TOO_LONG);
	return repository_status(status);
}

static int compare_slices(struct slice a, struct slice b)
{
	int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_groups(const void *a, const void *b)
{
	const struct summary_group *group_a = a, *group_b = b;
	int order = 0;

	for (size_t i = 0; i < FILTER_GROUPS_MAX && group_a->keys[i].data != NULL && order == 0; i++)
		order = compare_slices(group_a->keys[i], group_b->keys[i]);
	return order;
}

static int compare_sums(const void *a, const void *b)
{
	const struct summary_sum *sum_a = a, *sum_b = b;

	return compare_slices(sum_a->dimension, sum_b->dimension);
}

static void set_keys(const struct summary *summary, uint32_t row_key, struct slice dimension,
                     struct slice *keys)
{
	struct slice key = numbering_key(&summary->row_keys, row_key);
	const struct filter *filter = summary->filter;

	for (size_t i = 0; i < filter->group_count; i++) {
		keys[i] = next_part(&key);
		if (filter->groups[i] == FILTER_DIMENSION)
			keys[i] = dimension;
	}
}

static struct slice dimension_of(const struct summary *summary, const struct cell *cell)
{
	return numbering_key(&summary->dimensions, cell->key.dimension);
}

/* The group that a cell is, or belongs to. */
static uint32_t group_of(const struct summary *summary, uint32_t cell)
{
	return summary->has_dimensions ? cell : summary->cells[cell].key.row_key;
}

/* Lays the sums of each group side by side. */
static void place_sums(struct summary *summary, struct summary_group *groups, uint32_t group_count)
{
	struct summary_sum *start = summary->result_sums;

	for (uint32_t i = 0; i < summary->cell_keys.count; i++)
		groups[group_of(summary, i)].sum_count += summary->cells[i].is_used;
	for (uint32_t i = 0; i < group_count; i++) {
		groups[i].sums = start;
		start += groups[i].sum_count;
		groups[i].sum_count = 0;
	}
	for (uint32_t i = 0; i < summary->cell_keys.count; i++) {
		const struct cell *cell = &summary->cells[i];
		struct summary_group *group = &groups[group_of(summary, i)];
		group->unsummed += cell->unsummed;
		if (cell->is_used)
			summary->result_sums[group->sums - summary->result_sums + group->sum_count++] =
			    (struct summary_sum){dimension_of(summary, cell), cell->sum};
	}
	for (uint32_t i = 0; i < group_count; i++)
		qsort(&summary->result_sums[groups[i].sums - summary->result_sums], groups[i].sum_count,
		      sizeof *summary->result_sums, compare_sums);
}

/* Adds the sums of each dimension up; one without a number has no total. */
static bool add_totals(struct summary *summary, uint64_t *unsummed)
{
	struct summary_sum *totals = summary->totals;
	uint32_t kept = 0;

	summary->total_count = summary->dimensions.count;
	for (uint32_t i = 0; i < summary->cell_keys.count; i++) {
		const struct cell *cell = &summary->cells[i];
		*unsummed += cell->unsummed;
		if (!cell->is_used)
			continue;
		totals[cell->key.dimension].dimension = dimension_of(summary, cell);
		if (decimal_add_sum(&totals[cell->key.dimension].sum, &cell->sum) != DECIMAL_OK)
			return false;
	}
	for (uint32_t i = 0; i < summary->total_count; i++)
		if (totals[i].dimension.data != NULL)
			totals[kept++] = totals[i];
	summary->total_count = kept;
	qsort(totals, kept, sizeof *totals, compare_sums);
	return true;
}

static bool make_result(struct summary *summary, struct summary_result *result)
{
	uint32_t count = count_groups(summary);
	uint64_t unsummed = 0;
	struct summary_group *groups = calloc(count + 1, sizeof *groups);

	free(summary->result_groups);
	free(summary->result_sums);
	free(summary->totals);
	summary->result_groups = groups;
	summary->result_sums = calloc(summary->cell_keys.count + 1, sizeof *summary->result_sums);
	summary->totals = calloc(summary->dimensions.count + 1, sizeof *summary->totals);
	if (groups == NULL || summary->result_sums == NULL || summary->totals == NULL ||
	    !add_totals(summary, &unsummed))
		return fail_memory();
	for (uint32_t i = 0; i < count; i++) {
		const struct cell *cell = summary->has_dimensions ? &summary->cells[i] : NULL;
		set_keys(summary, cell != NULL ? cell->key.row_key : i,
		         cell != NULL ? dimension_of(summary, cell) : (struct slice){0}, groups[i].keys);
		groups[i].count = cell != NULL ? cell->count : summary->counts[i];
	}
	place_sums(summary, groups, count);
	qsort(groups, count, sizeof *groups, compare_groups);
	*result = (struct summary_result){.groups = groups,
	                                  .group_count = count,
	                                  .total = {.count = summary->record_count,
	                                            .unsummed = unsummed,
	                                            .sums = summary->totals,
	                                            .sum_count = summary->total_count},
	                                  .retry_count = summary->try_count - 1,
	                                  .shape = summary->shape};
	return true;
}

enum repository_status summary_make(struct summary *summary, const struct filter *filter,
                                    struct summary_result *result)
{
	summary->filter = filter;
	summary->refusal = REPOSITORY_OK;
	summary->start_ms = clock_ms();
	summary->try_count = 0;
	summary->has_dimensions = false;
	for (size_t i = 0; i < filter->group_count; i++)
		summary->has_dimensions |= filter->groups[i] == FILTER_DIMENSION;
	bool is_counted = !filter->has_amounts && !summary->has_dimensions && filter->meta_info == NULL;
	enum repository_status status = is_counted ? count(summary) : walk_through(summary);
	if (summary->refusal != REPOSITORY_OK)
		return summary->refusal;
	if (status == REPOSITORY_OK && !make_result(summary, result))
		return REPOSITORY_FAILED;
	return status;
}
