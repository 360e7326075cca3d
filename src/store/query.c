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
	PART_SCAN,
	PART_AFTER,
	PART_ID, /* one record; no other part */
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
    "creation_time, serial_id, meta_info, id, partner, buyer_id, entitlement_id, status, "
    "records, usage_record_report_id, last_update_time";
static const char seek_columns[] = "creation_time, serial_id";
static const char scan_columns[] = "creation_time, serial_id, meta_info";

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

void query_build(struct query *query, const struct filter *filter, enum query_purpose purpose,
                 const struct record_position *after, uint32_t row_count, uint32_t skip)
{
	struct builder builder = {.query = query};
	struct slice source;
	int64_t last_ms = (filter->end_day + 1) * UTC_DAY_MS - 1;

	query->shape = purpose == QUERY_SEEK   ? BIT(PART_SEEK)
	               : purpose == QUERY_SCAN ? BIT(PART_SCAN)
	                                       : 0;
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

static bool has_equality(uint32_t shape)
{
	return (shape & (BIT(PART_EQUALITY_COUNT) - 1)) != 0;
}

void query_write_sql(uint32_t shape, char sql[static QUERY_SQL_SIZE])
{
	struct text text = {.data = sql, .size = QUERY_SQL_SIZE};
	bool is_seek = (shape & BIT(PART_SEEK)) != 0;

	text_add_format(&text, "SELECT %s FROM usage_record_group FORCE INDEX (",
	                is_seek                  ? seek_columns
	                : shape & BIT(PART_SCAN) ? scan_columns
	                                         : page_columns);
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
		text_add(&text, slice_of(shape & BIT(PART_ID) ? "+id" : "+all"));
	if (shape & BIT(PART_AFTER))
		TEXT_ADD(&text, " after");
	if (shape & BIT(PART_SEEK))
		TEXT_ADD(&text, " seek");
	if (shape & BIT(PART_SCAN))
		TEXT_ADD(&text, " scan");
	text_end(&text);
	memmove(name, name + 1, text.len); /* the first plus separates nothing */
}
