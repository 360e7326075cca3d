#include "store/query.h"

#include <assert.h>

#include "base/text.h"

/*
 * The parts of a shape, a bit each.  The equality filters come first, in the order
 * of the columns in the indexes: each combination that can be asked for has an
 * index of its own, called by_<column>_<column>..., whose columns are the
 * organization, these columns and the list's order (sql/001-usage-record-group.sql).
 */
enum part {
	PART_PARTNER,
	PART_BUYER_ID,
	PART_ENTITLEMENT_ID,
	PART_PRODUCT_ID,
	PART_STATUS,
	PART_SOURCE,
	PART_EQUALITY_COUNT,
	PART_AFTER = PART_EQUALITY_COUNT,
	PART_ID,      /* one record; no equality filter and no place */
	PART_COLUMNS, /* and above: a bit for each enum query_column */
	PART_COUNTS = PART_COLUMNS + QUERY_COLUMN_COUNT, /* instead: groups, as in group_of */
	PART_END
};
_Static_assert((int)PART_END < 31, "a shape has room, and keys.c as well");

enum { GROUP_BITS = 4 }; /* of a group's number + 1; 0: no group */
_Static_assert(FILTER_GROUP_COUNT < 1 << GROUP_BITS, "a group fits");
_Static_assert((int)FILTER_GROUPS_MAX *(int)GROUP_BITS <= (int)QUERY_COLUMN_COUNT, "so do all");

#define BIT(part) (UINT32_C(1) << (part))

static const char *const equality_columns[PART_EQUALITY_COUNT] = {
    [PART_PARTNER] = "partner",
    [PART_BUYER_ID] = "buyer_id",
    [PART_ENTITLEMENT_ID] = "entitlement_id",
    [PART_PRODUCT_ID] = "product_id",
    [PART_STATUS] = "status",
    [PART_SOURCE] = "source",
};

static const char *const column_names[QUERY_COLUMN_COUNT] = {
    [QUERY_CREATION_TIME] = "creation_time",
    [QUERY_SERIAL_ID] = "serial_id",
    [QUERY_META_INFO] = "meta_info",
    [QUERY_ID] = "id",
    [QUERY_PARTNER] = "partner",
    [QUERY_BUYER_ID] = "buyer_id",
    [QUERY_ENTITLEMENT_ID] = "entitlement_id",
    [QUERY_STATUS] = "status",
    [QUERY_RECORDS] = "records",
    [QUERY_USAGE_RECORD_REPORT_ID] = "usage_record_report_id",
    [QUERY_LAST_UPDATE_TIME] = "last_update_time",
    [QUERY_PRODUCT_ID] = "product_id",
    [QUERY_SOURCE] = "source",
};

struct builder {
	struct query *query;
};

static struct query_value *add_value(struct builder *builder)
{
	assert(builder->query->value_count < QUERY_VALUES_MAX);
	return &builder->query->values[builder->query->value_count++];
}

static void add_text(struct builder *builder, struct slice text)
{
	*add_value(builder) = (struct query_value){.type = QUERY_TEXT, .text = text};
}

static void add_time(struct builder *builder, int64_t ms)
{
	*add_value(builder) = (struct query_value){.type = QUERY_TIME, .time = utc_from_ms(ms)};
}

static void add_integer(struct builder *builder, uint64_t integer)
{
	*add_value(builder) = (struct query_value){.type = QUERY_INTEGER, .integer = integer};
}

static void add_equality(struct builder *builder, enum part part, struct slice text)
{
	builder->query->shape |= BIT(part);
	add_text(builder, text);
}

static void add_word(struct builder *builder, enum part part, const char *word)
{
	if (word != NULL)
		add_equality(builder, part, slice_of(word));
}

static void add_id(struct builder *builder, enum part part, const struct filter_id *id)
{
	if (id->len > 0)
		add_equality(builder, part, (struct slice){id->text, id->len});
}

void query_build(struct query *query, const struct filter *filter, uint32_t columns,
                 const struct record_position *after, uint32_t row_count, uint32_t skip)
{
	struct builder builder = {.query = query};
	struct slice source;
	int64_t last_ms = (filter->end_day + 1) * UTC_DAY_MS - 1;

	query->shape = columns << PART_COLUMNS;
	query->value_count = 0;
	add_text(&builder, (struct slice){filter->organization_id.text, filter->organization_id.len});
	add_id(&builder, PART_ID, &filter->id);
	if (filter->id.len > 0)
		return;
	add_word(&builder, PART_PARTNER, filter->partner);
	add_id(&builder, PART_BUYER_ID, &filter->buyer_id);
	add_id(&builder, PART_ENTITLEMENT_ID, &filter->entitlement_id);
	add_id(&builder, PART_PRODUCT_ID, &filter->product_id);
	add_word(&builder, PART_STATUS, filter->status);
	/* A member of metaInfo that is a column has its index; the rest is metainfo's to judge. */
	if (filter->source == NULL && filter->meta_info != NULL &&
	    metainfo_member(filter->meta_info, "source", &source))
		add_equality(&builder, PART_SOURCE, source);
	else
		add_word(&builder, PART_SOURCE, filter->source);
	add_time(&builder, filter->start_day * UTC_DAY_MS);
	/* A place behind the last day excludes nothing: such a walk begins at its end. */
	if (after != NULL && after->creation_ms <= last_ms) {
		query->shape |= BIT(PART_AFTER);
		add_time(&builder, after->creation_ms);
		add_time(&builder, after->creation_ms);
		add_integer(&builder, after->serial_id);
	} else {
		add_time(&builder, last_ms);
	}
	add_integer(&builder, row_count);
	add_integer(&builder, skip);
}

/* Adds the columns of a shape's equality filters, each behind separator. */
static void add_columns(struct text *text, uint32_t shape, const char *separator)
{
	for (int part = 0; part < PART_EQUALITY_COUNT; part++)
		if (shape & BIT(part))
			text_add_format(text, "%s%s", separator, equality_columns[part]);
}

void query_build_counts(struct query *query, const struct filter *filter, uint32_t group_count)
{
	query_build(query, filter, 0, NULL, group_count, 0);
	query->shape |= BIT(PART_COUNTS);
	for (size_t i = 0; i < filter->group_count; i++)
		query->shape |= ((uint32_t)filter->groups[i] + 1) << (PART_COLUMNS + GROUP_BITS * i);
}

/* The group of a number of a shape that counts; false when there is none. */
static bool group_of(uint32_t shape, size_t number, enum filter_group *group)
{
	uint32_t bits = number < FILTER_GROUPS_MAX
	                    ? shape >> (PART_COLUMNS + GROUP_BITS * number) & ((1U << GROUP_BITS) - 1)
	                    : 0;

	*group = (enum filter_group)(bits - 1);
	return bits > 0;
}

/* The column that a group is, or -1: no column of an index. */
static int part_of(enum filter_group group)
{
	static const int parts[FILTER_GROUP_COUNT] = {[FILTER_DAY] = -1,
	                                              [FILTER_MONTH] = -1,
	                                              [FILTER_PARTNER] = PART_PARTNER,
	                                              [FILTER_BUYER_ID] = PART_BUYER_ID,
	                                              [FILTER_ENTITLEMENT_ID] = PART_ENTITLEMENT_ID,
	                                              [FILTER_PRODUCT_ID] = PART_PRODUCT_ID,
	                                              [FILTER_STATUS] = PART_STATUS,
	                                              [FILTER_SOURCE] = PART_SOURCE,
	                                              [FILTER_DIMENSION] = -1};

	return parts[group];
}

size_t query_columns(uint32_t shape, enum query_column columns[static QUERY_COLUMN_COUNT])
{
	size_t count = 0;
	enum filter_group group;

	if (shape & BIT(PART_COUNTS)) {
		columns[count++] = QUERY_SERIAL_ID;
		for (size_t i = 0; group_of(shape, i, &group); i++)
			columns[count++] = query_count_key(i);
		return count;
	}
	for (int column = 0; column < QUERY_COLUMN_COUNT; column++)
		if (shape >> PART_COLUMNS & QUERY_COLUMN(column))
			columns[count++] = (enum query_column)column;
	return count;
}

static bool has_columns(uint32_t shape, enum query_purpose purpose)
{
	return shape >> PART_COLUMNS == purpose;
}

static bool has_equality(uint32_t shape)
{
	return (shape & (BIT(PART_EQUALITY_COUNT) - 1)) != 0;
}

/* All values that a column of an index may have, where they are few. */
static const char *const *const words[PART_EQUALITY_COUNT] = {
    [PART_PARTNER] = filter_partners,
    [PART_STATUS] = filter_statuses,
    [PART_SOURCE] = filter_sources,
};

static void add_words(struct text *text, const char *column, const char *const *word)
{
	text_add_format(text, " AND %s IN ('%s'", column, *word);
	while (*++word != NULL)
		text_add_format(text, ", '%s'", *word);
	TEXT_ADD(text, ")");
}

/*
 * The index that has all columns a count asks for, with the days behind them.  Columns that are
 * not filtered by are named with all of their values, where these are few: so many short ranges
 * instead of the organization's whole index.  Of two identifiers, which no index has, rows are
 * read.
 */
static void write_count_source(struct text *text, uint32_t shape)
{
	uint32_t wanted = shape & (BIT(PART_EQUALITY_COUNT) - 1), exclusive;
	enum filter_group group;

	for (size_t i = 0; group_of(shape, i, &group); i++)
		if (part_of(group) >= 0)
			wanted |= BIT(part_of(group));
	exclusive = wanted & (BIT(PART_STATUS) - 1);
	bool is_covered = (exclusive & (exclusive - 1)) == 0;
	if (!is_covered)
		wanted = shape & (BIT(PART_EQUALITY_COUNT) - 1);
	if (has_equality(wanted)) {
		TEXT_ADD(text, "by");
		add_columns(text, wanted, "_");
	} else {
		text_add_format(text, "%s", is_covered ? "by_time" : "PRIMARY");
	}
	TEXT_ADD(text, ") WHERE organization_id = ?");
	for (int part = 0; part < PART_EQUALITY_COUNT; part++) {
		if (shape & BIT(part))
			text_add_format(text, " AND %s = ?", equality_columns[part]);
		else if ((wanted & BIT(part)) && words[part] != NULL)
			add_words(text, equality_columns[part], words[part]);
	}
}

/*
 * A day or month is no column of an index, so groups with one are looked up at each record: by
 * numbers, which is quicker than by dates and words.  What is shown of a group is that of any of
 * its records, which the session's sql_mode allows.  Others come in the order of the index.
 */
static void write_counts(struct text *text, uint32_t shape)
{
	static const struct {
		const char *shown, *number;
	} times[] = {
	    [FILTER_DAY] = {"DATE(creation_time)", "TO_DAYS(creation_time)"},
	    [FILTER_MONTH] = {"DATE_FORMAT(creation_time, '%Y-%m')",
	                      "EXTRACT(YEAR_MONTH FROM creation_time)"},
	};
	enum filter_group group;
	bool has_time = false;

	TEXT_ADD(text, "SELECT COUNT(*)");
	for (size_t i = 0; group_of(shape, i, &group); i++) {
		bool is_time = group <= FILTER_MONTH;
		has_time |= is_time;
		text_add_format(text, ", %s",
		                is_time ? times[group].shown : equality_columns[part_of(group)]);
	}
	TEXT_ADD(text, " FROM usage_record_group FORCE INDEX (");
	write_count_source(text, shape);
	TEXT_ADD(text, " AND creation_time BETWEEN ? AND ?");
	for (size_t i = 0; group_of(shape, i, &group); i++) {
		bool is_enum = group == FILTER_PARTNER || group == FILTER_STATUS;
		text_add_format(
		    text, "%s%s%s", i == 0 ? " GROUP BY " : ", ",
		    group <= FILTER_MONTH ? times[group].number : equality_columns[part_of(group)],
		    has_time && is_enum ? " + 0" : "");
	}
	TEXT_ADD(text, " LIMIT ? OFFSET ?");
	text_end(text);
}

void query_write_sql(uint32_t shape, char sql[static QUERY_SQL_SIZE])
{
	struct text text = {.data = sql, .size = QUERY_SQL_SIZE};
	enum query_column columns[QUERY_COLUMN_COUNT];
	size_t column_count = query_columns(shape, columns);

	if (shape & BIT(PART_COUNTS)) {
		write_counts(&text, shape);
		return;
	}
	for (size_t i = 0; i < column_count; i++)
		text_add_format(&text, "%s%s", i == 0 ? "SELECT " : ", ", column_names[columns[i]]);
	TEXT_ADD(&text, " FROM usage_record_group FORCE INDEX (");
	/* The index is named because the optimizer, left to choose among as many as this
	 * table has, takes longer to plan a page of 20 than the server to find it. */
	if (shape & BIT(PART_ID)) {
		TEXT_ADD(&text, "by_id) WHERE organization_id = ? AND id = ?");
		text_end(&text);
		return;
	}
	if (has_equality(shape)) {
		TEXT_ADD(&text, "by");
		add_columns(&text, shape, "_");
	} else {
		text_add_format(&text, "%s", has_columns(shape, QUERY_SEEK) ? "by_time" : "PRIMARY");
	}
	TEXT_ADD(&text, ") WHERE organization_id = ?");
	for (int part = 0; part < PART_EQUALITY_COUNT; part++)
		if (shape & BIT(part))
			text_add_format(&text, " AND %s = ?", equality_columns[part]);
	TEXT_ADD(&text, " AND creation_time >= ? AND ");
	/* Not a row constructor: (a, b) < (?, ?) is no range for either optimizer. */
	if (shape & BIT(PART_AFTER))
		TEXT_ADD(&text, "(creation_time < ? OR (creation_time = ? AND serial_id < ?))");
	else
		TEXT_ADD(&text, "creation_time <= ?");
	TEXT_ADD(&text, " ORDER BY creation_time DESC, serial_id DESC LIMIT ? OFFSET ?");
	assert(!text.is_cut &&
	       text.len < text.size); /* tests/unit/store/test_query.c tries all shapes */
	text_end(&text);
}

void query_write_probe(char sql[static QUERY_SQL_SIZE])
{
	static const enum part exclusive[] = {PART_PARTNER, PART_BUYER_ID, PART_ENTITLEMENT_ID,
	                                      PART_PRODUCT_ID};
	static const uint32_t others[] = {0, BIT(PART_STATUS), BIT(PART_SOURCE),
	                                  BIT(PART_STATUS) | BIT(PART_SOURCE)};
	enum {
		EXCLUSIVE_COUNT = sizeof exclusive / sizeof exclusive[0],
		OTHER_COUNT = sizeof others / sizeof others[0],
	};
	static const char *const exact_columns[] = {"organization_id", "id", "buyer_id",
	                                            "entitlement_id", "product_id"};
	struct text text = {.data = sql, .size = QUERY_SQL_SIZE};

	/* Of no rows, too, a MIN has its column's collation; a table that compares otherwise takes
	 * one company for another.  Each column and index named has to be there. */
	TEXT_ADD(&text, "SELECT 1");
	for (size_t i = 0; i < sizeof exact_columns / sizeof exact_columns[0]; i++)
		text_add_format(&text,
		                " AND COLLATION(MIN(%s)) IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin')",
		                exact_columns[i]);
	for (int column = 0; column < QUERY_COLUMN_COUNT; column++)
		text_add_format(&text, ", COUNT(%s)", column_names[column]);
	TEXT_ADD(&text, " FROM usage_record_group USE INDEX (PRIMARY, by_id, by_time");
	for (size_t i = 0; i <= EXCLUSIVE_COUNT; i++) {
		uint32_t first = i < EXCLUSIVE_COUNT ? BIT(exclusive[i]) : 0;
		for (size_t j = first == 0; j < OTHER_COUNT; j++) {
			TEXT_ADD(&text, ", by");
			add_columns(&text, first | others[j], "_");
		}
	}
	TEXT_ADD(&text, ") WHERE organization_id = ''");
	assert(!text.is_cut && text.len < text.size);
	text_end(&text);
}

void query_write_name(uint32_t shape, char name[static QUERY_NAME_SIZE])
{
	struct text text = {.data = name, .size = QUERY_NAME_SIZE};

	if (has_equality(shape))
		add_columns(&text, shape, "+");
	else
		text_add(&text, slice_of(shape & BIT(PART_ID) ? "+id" : "+all"));
	if (shape & BIT(PART_AFTER))
		TEXT_ADD(&text, " after");
	if (shape & BIT(PART_COUNTS))
		TEXT_ADD(&text, " count");
	if (has_columns(shape, QUERY_SEEK))
		TEXT_ADD(&text, " seek");
	if (has_columns(shape, QUERY_SCAN))
		TEXT_ADD(&text, " scan");
	text_end(&text);
	memmove(name, name + 1, text.len); /* the first plus separates nothing */
}
