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

enum { CELLS_REMEMBERED = 8 };

struct group {
	uint64_t count, unsummed;
};

/* The sum of one dimension in one group. */
struct cell {
	uint32_t group;
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
	struct numbering group_keys, cell_keys;
	struct group *groups; /* owned, as many as group_keys has room for; likewise below */
	struct cell *cells;
	uint32_t groups_size, cells_size;
	uint64_t record_count, unsummed;
	enum repository_status refusal;
	double start_ms;
	unsigned try_count;
	uint32_t shape;
	/* Of the record at hand. */
	struct growing key;
	struct amounts amounts;
	int32_t day;                 /* whose text day_text has */
	char day_text[UTC_TEXT_LEN]; /* YYYY-MM-DD, and more */
	uint32_t last_group;         /* UINT32_MAX: none */
	uint32_t last_cells[CELLS_REMEMBERED];
	/* The result. */
	struct numbering dimensions; /* of the total */
	struct summary_group *result_groups;
	struct summary_sum *result_sums; /* those of the groups, which cells own, and of the total */
	uint32_t total_start;
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
		summary->cells[i].is_used = false;
	}
	for (uint32_t i = 0; i < summary->group_keys.count; i++)
		summary->groups[i] = (struct group){.count = 0};
	for (uint32_t i = 0; i < summary->dimensions.count; i++)
		decimal_close(&summary->result_sums[summary->total_start + i].sum);
	numbering_clear(&summary->dimensions);
	numbering_clear(&summary->cell_keys);
	numbering_clear(&summary->group_keys);
	summary->record_count = summary->unsummed = 0;
	summary->last_group = UINT32_MAX;
	memset(summary->last_cells, 0xff, sizeof summary->last_cells);
	summary->day = INT32_MIN;
}

void summary_clear(struct summary *summary)
{
	forget(summary);
	free(summary->groups);
	free(summary->cells);
	free(summary->result_groups);
	free(summary->result_sums);
	amounts_close(&summary->amounts);
	growing_free(&summary->key);
	summary->groups = NULL;
	summary->cells = NULL;
	summary->result_groups = NULL;
	summary->result_sums = NULL;
	summary->amounts = (struct amounts){.count = 0};
	summary->groups_size = summary->cells_size = 0;
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

static bool is_too_much(const struct summary *summary)
{
	return summary->group_keys.count > SUMMARY_GROUPS_MAX ||
	       summary->cell_keys.count > SUMMARY_SUMS_MAX ||
	       summary->group_keys.bytes.len + summary->cell_keys.bytes.len > SUMMARY_NAMES_MAX;
}

/* The group of a key. */
static bool find_group(struct summary *summary, struct slice key, uint32_t *group)
{
	if (!numbering_find(&summary->group_keys, key, group) ||
	    !reserve((void **)&summary->groups, &summary->groups_size, summary->group_keys.count,
	             sizeof *summary->groups))
		return fail_memory();
	return !is_too_much(summary) || refuse(summary, REPOSITORY_TOO_MANY_GROUPS);
}

/* Keys of groups and cells are made of parts: how long, and what. */
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

/* The key of the row at hand, but for its dimension. */
static struct slice row_key(struct summary *summary, const struct rows *rows)
{
	summary->key.len = 0;
	for (size_t i = 0; i < summary->filter->group_count; i++) {
		enum filter_group group = summary->filter->groups[i];
		if (group == FILTER_DAY || group == FILTER_MONTH)
			add_part(&summary->key,
			         day_text(summary, rows, group == FILTER_DAY ? DAY_LEN : MONTH_LEN));
		else if (group != FILTER_DIMENSION)
			add_part(&summary->key, rows_text(rows, columns[group]));
	}
	return growing_slice(&summary->key);
}

/* The cell of a dimension; number says which of the row's amounts it is, because those of one
 * row are mostly those of the row before. */
static bool find_cell(struct summary *summary, uint32_t group, struct slice dimension,
                      size_t number, struct cell **cell)
{
	uint32_t *last = number < CELLS_REMEMBERED ? &summary->last_cells[number] : NULL;
	uint32_t found;

	if (last != NULL && *last != UINT32_MAX && summary->cells[*last].group == group) {
		struct slice known = numbering_key(&summary->cell_keys, *last);
		if (known.len == sizeof group + dimension.len &&
		    memcmp(known.data + sizeof group, dimension.data, dimension.len) == 0) {
			*cell = &summary->cells[*last];
			return true;
		}
	}
	struct growing *key = &summary->key;
	size_t start = key->len;
	growing_add(key, (struct slice){(const char *)&group, sizeof group});
	growing_add(key, dimension);
	if (key->is_short ||
	    !numbering_find(&summary->cell_keys, (struct slice){key->data + start, key->len - start},
	                    &found) ||
	    !reserve((void **)&summary->cells, &summary->cells_size, summary->cell_keys.count,
	             sizeof *summary->cells))
		return fail_memory();
	key->len = start;
	summary->cells[found].group = group;
	*cell = &summary->cells[found];
	if (last != NULL)
		*last = found;
	return !is_too_much(summary) || refuse(summary, REPOSITORY_TOO_MANY_GROUPS);
}

static bool add_amount(struct summary *summary, uint32_t group, const struct amount *amount,
                       size_t number)
{
	enum decimal_status status = DECIMAL_TOO_LONG;
	struct cell *cell;

	if (amount->is_number) {
		if (!find_cell(summary, group, amount->dimension, number, &cell))
			return false;
		status = decimal_add(&cell->sum, amount->value);
		cell->is_used |= status == DECIMAL_OK;
	}
	if (status == DECIMAL_TOO_LONG) {
		summary->groups[group].unsummed++;
		summary->unsummed++;
	}
	return status != DECIMAL_NO_MEMORY || fail_memory();
}

/* Counts a row whose key is without its dimension in the group of that dimension. */
static bool add_to_dimension(struct summary *summary, struct slice dimension, uint32_t *group)
{
	struct growing *key = &summary->key;
	size_t start = key->len;

	add_part(key, dimension);
	if (key->is_short)
		return fail_memory();
	bool is_found = find_group(summary, growing_slice(key), group);
	key->len = start;
	if (is_found)
		summary->groups[*group].count++;
	return is_found;
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
	struct slice key = row_key(summary, rows);
	const struct amounts *amounts = &summary->amounts;
	bool has_amounts = summary->filter->has_amounts;
	uint32_t group = summary->last_group;

	if (summary->key.is_short)
		return fail_memory();
	summary->record_count++;
	if ((has_amounts || summary->has_dimensions) && !read_amounts(summary, rows))
		return false;
	if (!summary->has_dimensions) {
		struct slice last =
		    group != UINT32_MAX ? numbering_key(&summary->group_keys, group) : (struct slice){0};
		bool is_last =
		    group != UINT32_MAX && last.len == key.len && memcmp(last.data, key.data, key.len) == 0;
		if (!is_last && !find_group(summary, key, &group))
			return false;
		summary->last_group = group;
		summary->groups[group].count++;
		for (size_t i = 0; has_amounts && i < amounts->count; i++)
			if (!add_amount(summary, group, &amounts->list[i], i))
				return false;
		return true;
	}
	for (size_t i = 0; i < amounts->count; i++)
		if (!add_to_dimension(summary, amounts->list[i].dimension, &group) ||
		    (has_amounts && !add_amount(summary, group, &amounts->list[i], i)))
			return false;
	return amounts->count > 0 || add_to_dimension(summary, (struct slice){"", 0}, &group);
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

static bool add_count(struct summary *summary)
{
	uint32_t group;

	summary->key.len = 0;
	for (size_t i = 0; i < summary->filter->group_count; i++)
		add_part(&summary->key, rows_text(summary->rows, query_count_key(i)));
	if (summary->key.is_short)
		return fail_memory();
	if (!find_group(summary, growing_slice(&summary->key), &group))
		return false;
	/* A group may come twice: a missing identifier is an empty one. */
	summary->groups[group].count += rows_count(summary->rows);
	summary->record_count += rows_count(summary->rows);
	return true;
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
	rows_end(summary->rows);
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

/* Puts the parts of a group's key in the order of the filter's groups. */
static void set_keys(const struct summary *summary, uint32_t number, struct slice *keys)
{
	struct slice key = numbering_key(&summary->group_keys, number);
	const struct filter *filter = summary->filter;
	size_t dimension = filter->group_count;

	for (size_t i = 0; i < filter->group_count; i++) {
		if (filter->groups[i] == FILTER_DIMENSION)
			dimension = i; /* always the last part */
		else
			keys[i] = next_part(&key);
	}
	if (dimension < filter->group_count)
		keys[dimension] = next_part(&key);
}

/* Lays the sums of each group side by side. */
static void place_sums(struct summary *summary, struct summary_group *groups, uint32_t group_count)
{
	uint32_t start = 0;

	for (uint32_t i = 0; i < summary->cell_keys.count; i++)
		groups[summary->cells[i].group].sum_count += summary->cells[i].is_used;
	for (uint32_t i = 0; i < group_count; i++) {
		groups[i].sums = &summary->result_sums[start];
		start += (uint32_t)groups[i].sum_count;
		groups[i].sum_count = 0;
	}
	for (uint32_t i = 0; i < summary->cell_keys.count; i++) {
		if (!summary->cells[i].is_used)
			continue;
		struct summary_group *group = &groups[summary->cells[i].group];
		struct slice key = numbering_key(&summary->cell_keys, i);
		size_t place = (size_t)(group->sums - summary->result_sums) + group->sum_count++;
		summary->result_sums[place] = (struct summary_sum){
		    {key.data + sizeof(uint32_t), key.len - sizeof(uint32_t)}, summary->cells[i].sum};
	}
	for (uint32_t i = 0; i < group_count; i++)
		qsort(&summary->result_sums[groups[i].sums - summary->result_sums], groups[i].sum_count,
		      sizeof *summary->result_sums, compare_sums);
	summary->total_start = start;
}

static bool add_totals(struct summary *summary)
{
	for (uint32_t i = 0; i < summary->total_start; i++) {
		const struct summary_sum *sum = &summary->result_sums[i];
		uint32_t number, count = summary->dimensions.count;
		if (!numbering_find(&summary->dimensions, sum->dimension, &number))
			return false;
		struct summary_sum *total = &summary->result_sums[summary->total_start + number];
		if (number == count)
			*total = (struct summary_sum){.dimension = sum->dimension};
		if (decimal_add_sum(&total->sum, &sum->sum) != DECIMAL_OK)
			return false;
	}
	return true;
}

static bool make_result(struct summary *summary, struct summary_result *result)
{
	uint32_t count = summary->group_keys.count;
	struct summary_group *groups = calloc(count + 1, sizeof *groups);
	struct summary_sum *sums = calloc(2 * summary->cell_keys.count + 1, sizeof *sums);

	free(summary->result_groups);
	free(summary->result_sums);
	summary->result_groups = groups;
	summary->result_sums = sums;
	if (groups == NULL || sums == NULL)
		return fail_memory();
	for (uint32_t i = 0; i < count; i++) {
		set_keys(summary, i, groups[i].keys);
		groups[i].count = summary->groups[i].count;
		groups[i].unsummed = summary->groups[i].unsummed;
	}
	place_sums(summary, groups, count);
	if (!add_totals(summary))
		return fail_memory();
	qsort(groups, count, sizeof *groups, compare_groups);
	struct summary_sum *totals = sums + summary->total_start;
	qsort(totals, summary->dimensions.count, sizeof *totals, compare_sums);
	*result = (struct summary_result){.groups = groups,
	                                  .group_count = count,
	                                  .total = {.count = summary->record_count,
	                                            .unsummed = summary->unsummed,
	                                            .sums = totals,
	                                            .sum_count = summary->dimensions.count},
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
