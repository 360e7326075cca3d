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
	PART_SEEK = PART_EQUALITY_COUNT,
	PART_AFTER,
	PART_META_INFO,
	PART_STRINGS, /* the first of the bits that count the strings */
};
#define BIT(part) (UINT32_C(1) << (part))

static const char *const equality_columns[PART_EQUALITY_COUNT] = {
    [PART_PARTNER] = "partner",
    [PART_BUYER_ID] = "buyer_id",
    [PART_ENTITLEMENT_ID] = "entitlement_id",
    [PART_PRODUCT_ID] = "product_id",
    [PART_STATUS] = "status",
    [PART_SOURCE] = "source",
};

static const char page_columns[] =
    "creation_time, serial_id, id, partner, buyer_id, entitlement_id, status, meta_info, "
    "records, usage_record_report_id, last_update_time";
static const char seek_columns[] = "creation_time, serial_id";

struct builder {
	struct query *query;
	size_t patterns_len;
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

/* The LIKE pattern that matches string alone; '|' is its escape character. */
static void add_pattern(struct builder *builder, struct slice string)
{
	char *pattern = builder->query->patterns + builder->patterns_len;
	size_t len = 0;

	for (size_t i = 0; i < string.len; i++) {
		if (string.data[i] == '%' || string.data[i] == '_' || string.data[i] == '|')
			pattern[len++] = '|';
		pattern[len++] = string.data[i];
	}
	builder->patterns_len += len;
	add_text(builder, (struct slice){pattern, len});
}

/*
 * A sieve that lets through all records that contain the filter, and few others.
 * MySQL's JSON_CONTAINS could decide alone.  MariaDB's compares strings by their
 * spelling, so that "é" does not find "\u00e9"; JSON_SEARCH decodes them, but does
 * not know where in the document they have to stand.
 */
static void add_meta_info(struct builder *builder, const struct metainfo *filter,
                          enum query_dialect dialect)
{
	struct slice strings[QUERY_STRINGS_MAX];
	struct slice text = metainfo_text(filter);
	size_t string_count = 0;

	if (dialect == QUERY_MARIADB) {
		text = metainfo_text_without_strings(filter);
		string_count = metainfo_strings(filter, strings, QUERY_STRINGS_MAX);
	}
	if (!slice_equals(text, "{}")) {
		builder->query->shape |= BIT(PART_META_INFO);
		add_text(builder, text);
	}
	builder->query->shape |= (uint32_t)string_count << PART_STRINGS;
	for (size_t i = 0; i < string_count; i++)
		add_pattern(builder, strings[i]);
}

void query_build(struct query *query, const struct filter *filter, enum query_dialect dialect,
                 enum query_purpose purpose, const struct record_position *after,
                 uint32_t row_count, uint32_t skip)
{
	struct builder builder = {.query = query};
	int64_t last_ms = (filter->end_day + 1) * UTC_DAY_MS - 1;

	query->shape = purpose == QUERY_SEEK ? BIT(PART_SEEK) : 0;
	query->value_count = 0;
	add_text(&builder, (struct slice){filter->organization_id.text, filter->organization_id.len});
	add_word(&builder, PART_PARTNER, filter->partner);
	add_id(&builder, PART_BUYER_ID, &filter->buyer_id);
	add_id(&builder, PART_ENTITLEMENT_ID, &filter->entitlement_id);
	add_id(&builder, PART_PRODUCT_ID, &filter->product_id);
	add_word(&builder, PART_STATUS, filter->status);
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
	if (filter->meta_info != NULL)
		add_meta_info(&builder, filter->meta_info, dialect);
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

static bool has_equality(uint32_t shape)
{
	return (shape & (BIT(PART_EQUALITY_COUNT) - 1)) != 0;
}

static bool has_meta_info(uint32_t shape)
{
	return shape & BIT(PART_META_INFO) || shape >> PART_STRINGS > 0;
}

void query_write_sql(uint32_t shape, char sql[static QUERY_SQL_SIZE])
{
	struct text text = {.data = sql, .size = QUERY_SQL_SIZE};
	bool is_seek = (shape & BIT(PART_SEEK)) != 0;

	text_add_format(&text, "SELECT %s FROM usage_record_group FORCE INDEX (",
	                is_seek ? seek_columns : page_columns);
	/* The index is named because the optimizer, left to choose among as many as this
	 * table has, takes longer to plan a page of 20 than the server to find it. */
	if (has_equality(shape)) {
		TEXT_ADD(&text, "by");
		add_columns(&text, shape, "_");
	} else {
		text_add_format(&text, "%s", is_seek ? "by_time" : "PRIMARY");
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
	if (shape & BIT(PART_META_INFO))
		TEXT_ADD(&text, " AND JSON_CONTAINS(meta_info, ?)");
	for (uint32_t count = shape >> PART_STRINGS; count > 0; count--)
		TEXT_ADD(&text, " AND JSON_SEARCH(meta_info, 'one', ?, '|') IS NOT NULL");
	TEXT_ADD(&text, " ORDER BY creation_time DESC, serial_id DESC LIMIT ? OFFSET ?");
	assert(!text.is_cut &&
	       text.len < text.size); /* tests/unit/store/test_query.c tries all shapes */
	text_end(&text);
}

void query_write_name(uint32_t shape, char name[static QUERY_NAME_SIZE])
{
	struct text text = {.data = name, .size = QUERY_NAME_SIZE};

	if (has_equality(shape))
		add_columns(&text, shape, "+");
	else
		TEXT_ADD(&text, "+all");
	if (has_meta_info(shape))
		TEXT_ADD(&text, "+meta_info");
	if (shape & BIT(PART_AFTER))
		TEXT_ADD(&text, " after");
	if (shape & BIT(PART_SEEK))
		TEXT_ADD(&text, " seek");
	text_end(&text);
	memmove(name, name + 1, text.len); /* the first plus separates nothing */
}
