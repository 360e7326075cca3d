#include "request/filter.h"

#include <assert.h>
#include <stdio.h>

#include "base/text.h"
#include "base/url.h"

/* Holds one byte more than any parameter accepts. */
enum { VALUE_SIZE = METAINFO_LEN_MAX + 2, QUOTE_LEN = 60 };

const char *const filter_partners[] = {"AWS", "AZURE", "GCP", NULL};
const char *const filter_statuses[] = {"CREATED",        "DELETED",       "INVALID", "REPORTED",
                                       "REPORT_PENDING", "REPORT_FAILED", NULL};
const char *const filter_sources[] = {"API", "INTERNAL", "METRONOME", "ORB", "", NULL};

const char *const filter_group_names[FILTER_GROUP_COUNT] = {
    [FILTER_DAY] = "day",
    [FILTER_MONTH] = "month",
    [FILTER_PARTNER] = "partner",
    [FILTER_BUYER_ID] = "buyerId",
    [FILTER_ENTITLEMENT_ID] = "entitlementId",
    [FILTER_PRODUCT_ID] = "productId",
    [FILTER_STATUS] = "status",
    [FILTER_SOURCE] = "source",
    [FILTER_DIMENSION] = "dimension",
};

struct parse {
	struct filter *filter;
	struct text message;
	const char *name;       /* of the parameter at hand */
	struct slice given;     /* its value as it came */
	enum url_form form;     /* how that is encoded */
	char value[VALUE_SIZE]; /* the same decoded, NUL-terminated */
	size_t value_len;
	int32_t today;
	enum filter_status status;
};

/* Adds a piece of a request in quotes: decoded if that gives text, else as it came with
 * all but printable ASCII shown as %XX; cut short. */
static void add_given(struct text *message, struct slice given, enum url_form form)
{
	char value[VALUE_SIZE];
	size_t len, shown;

	TEXT_ADD(message, "\"");
	if (url_decode(given, form, value, sizeof value, &len) == URL_OK) {
		shown = len < QUOTE_LEN ? len : QUOTE_LEN;
		while (shown < len && shown > 0 && ((unsigned char)value[shown] & 0xc0) == 0x80)
			shown--;
		text_add(message, (struct slice){value, shown});
	} else {
		len = given.len;
		shown = len < QUOTE_LEN ? len : QUOTE_LEN;
		for (size_t i = 0; i < shown; i++) {
			unsigned char c = (unsigned char)given.data[i];
			text_add_format(message, c > 0x20 && c < 0x7f ? "%c" : "%%%02X", c);
		}
	}
	text_add(message, slice_of(shown < len ? "…\"" : "\""));
}

/* Ends the parse: "<name> must <what>, not "<given>"". */
static void reject(struct parse *parse, struct slice what)
{
	parse->status = FILTER_REJECTED;
	text_add(&parse->message, slice_of(parse->name));
	TEXT_ADD(&parse->message, " must ");
	text_add(&parse->message, what);
	TEXT_ADD(&parse->message, ", not ");
	add_given(&parse->message, parse->given, parse->form);
}

/* Ends the parse because two parameters exclude each other. */
static void reject_conflict(struct parse *parse, const char *message)
{
	parse->status = FILTER_REJECTED;
	text_add(&parse->message, slice_of(message));
}

static void parse_id(struct parse *parse, struct filter_id *id)
{
	if (parse->value_len == 0 ||
	    url_character_count(parse->value, parse->value_len) > RECORD_ID_CHARACTERS) {
		char data[40];
		struct text what = TEXT_IN(data);
		text_add_format(&what, "be 1 to %d characters", RECORD_ID_CHARACTERS);
		reject(parse, text_slice(&what));
		return;
	}
	memcpy(id->text, parse->value, parse->value_len + 1);
	id->len = parse->value_len;
}

static const char *parse_word(struct parse *parse, const char *const *accepted)
{
	for (const char *const *word = accepted; *word != NULL; word++)
		if (strcmp(parse->value, *word) == 0)
			return *word;

	char data[200];
	struct text list = TEXT_IN(data);
	for (const char *const *word = accepted; *word != NULL; word++)
		text_add_format(&list, "%s%s",
		                word == accepted  ? "be "
		                : word[1] != NULL ? ", "
		                                  : " or ",
		                **word != '\0' ? *word : "empty");
	reject(parse, text_slice(&list));
	return NULL;
}

/* Writes YYYY-MM-DD, and more behind it. */
static void write_day(char out[static UTC_TEXT_LEN], int32_t day)
{
	struct utc_time time = utc_from_ms(day * UTC_DAY_MS);

	utc_write(out, &time);
}

static void parse_day(struct parse *parse, int32_t *day)
{
	if (!utc_parse_day(slice_of(parse->value), day))
		reject(parse, slice_of("be a day YYYY-MM-DD from 1000-01-01 to 9999-12-31"));
}

static void parse_integer(struct parse *parse, uint32_t min, uint32_t max, uint32_t *integer)
{
	uint64_t value = 0;
	size_t i = 0;

	while (i < parse->value_len && parse->value[i] >= '0' && parse->value[i] <= '9' && value <= max)
		value = value * 10 + (uint64_t)(parse->value[i++] - '0');
	bool is_padded = parse->value_len > 1 && parse->value[0] == '0';
	if (i > 0 && i == parse->value_len && !is_padded && value >= min && value <= max) {
		*integer = (uint32_t)value;
		return;
	}
	char data[80];
	struct text what = TEXT_IN(data);
	text_add_format(&what, "be an integer from %u to %u", min, max);
	reject(parse, text_slice(&what));
}

static void parse_organization_id(struct parse *parse)
{
	parse_id(parse, &parse->filter->organization_id);
}

static void parse_record_id(struct parse *parse)
{
	parse_id(parse, &parse->filter->id);
}

static void parse_partner(struct parse *parse)
{
	parse->filter->partner = parse_word(parse, filter_partners);
}

/* The published page allows one of partner, productId, entitlementId and buyerId. */
static void check_exclusive(struct parse *parse)
{
	const struct filter *filter = parse->filter;
	int count = (filter->partner != NULL) + (filter->buyer_id.len > 0) +
	            (filter->entitlement_id.len > 0) + (filter->product_id.len > 0);

	if (parse->status == FILTER_OK && count > 1)
		reject_conflict(parse, "only one of partner, buyerId, entitlementId and productId "
		                       "may be given");
}

static void parse_buyer_id(struct parse *parse)
{
	parse_id(parse, &parse->filter->buyer_id);
	check_exclusive(parse);
}

static void parse_entitlement_id(struct parse *parse)
{
	parse_id(parse, &parse->filter->entitlement_id);
	check_exclusive(parse);
}

static void parse_product_id(struct parse *parse)
{
	parse_id(parse, &parse->filter->product_id);
	check_exclusive(parse);
}

static void parse_status(struct parse *parse)
{
	parse->filter->status = parse_word(parse, filter_statuses);
}

static void parse_source(struct parse *parse)
{
	parse->filter->source = parse_word(parse, filter_sources);
}

static void parse_meta_info(struct parse *parse)
{
	const char *reason;

	parse->filter->meta_info = metainfo_parse(parse->value, &reason);
	if (parse->filter->meta_info != NULL) {
		/* Every record contains {}: no filter, and no work for the database. */
		if (metainfo_is_empty(parse->filter->meta_info)) {
			metainfo_free(parse->filter->meta_info);
			parse->filter->meta_info = NULL;
		}
	} else if (reason == NULL) {
		parse->status = FILTER_NO_MEMORY;
	} else {
		char data[160];
		struct text what = TEXT_IN(data);
		text_add_format(&what, "be a JSON object of at most %d bytes and %d levels; it %s",
		                METAINFO_LEN_MAX, METAINFO_DEPTH_MAX, reason);
		reject(parse, text_slice(&what));
	}
}

static void parse_start_date(struct parse *parse)
{
	parse_day(parse, &parse->filter->start_day);
	parse->filter->has_start_day = true;
}

static void parse_end_date(struct parse *parse)
{
	parse_day(parse, &parse->filter->end_day);
	parse->filter->has_end_day = true;
}

/* The number of a group, FILTER_GROUP_COUNT when there is none of that name. */
static enum filter_group find_group(const char *name, size_t len)
{
	int group = 0;

	while (group < FILTER_GROUP_COUNT &&
	       !slice_equals((struct slice){name, len}, filter_group_names[group]))
		group++;
	return (enum filter_group)group;
}

static bool has_group(const struct filter *filter, enum filter_group group)
{
	for (size_t i = 0; i < filter->group_count; i++)
		if (filter->groups[i] == group)
			return true;
	return false;
}

static void parse_group_by(struct parse *parse)
{
	struct filter *filter = parse->filter;

	filter->group_count = 0;
	for (const char *word = parse->value;; word++) {
		size_t len = strcspn(word, ",");
		enum filter_group group = find_group(word, len);
		if (group == FILTER_GROUP_COUNT || filter->group_count == FILTER_GROUPS_MAX ||
		    has_group(filter, group)) {
			reject(parse,
			       slice_of("be one to three different ones of day, month, partner, buyerId, "
			                "entitlementId, productId, status, source and dimension, with "
			                "commas between them"));
			return;
		}
		filter->groups[filter->group_count++] = group;
		word += len;
		if (*word == '\0')
			return;
	}
}

static void parse_amounts(struct parse *parse)
{
	static const char *const words[] = {"true", "false", NULL};

	parse->filter->has_amounts = parse_word(parse, words) == words[0];
}

static void parse_limit(struct parse *parse)
{
	parse->filter->has_limit = true;
	parse_integer(parse, 1, FILTER_LIMIT_MAX, &parse->filter->limit);
}

static void parse_offset(struct parse *parse)
{
	parse_integer(parse, 0, INT32_MAX, &parse->filter->offset);
}

static void parse_cursor(struct parse *parse)
{
	if (parse->value_len == 0) /* begins a walk, before all records */
		parse->filter->cursor =
		    (struct cursor){.after = {.creation_ms = INT64_MAX}, .end_day = parse->today};
	else if (!cursor_parse(slice_of(parse->value), &parse->filter->cursor))
		reject(parse, slice_of("be one that a Link header gave"));
	if (parse->status == FILTER_OK && parse->filter->offset > 0)
		reject_conflict(parse, "cursor and an offset other than 0 may not be given together");
	parse->filter->has_cursor = true;
}

enum parameter_key {
	PARAMETER_ORG_ID,
	PARAMETER_RECORD_ID,
	PARAMETER_PARTNER,
	PARAMETER_BUYER_ID,
	PARAMETER_ENTITLEMENT_ID,
	PARAMETER_PRODUCT_ID,
	PARAMETER_STATUS,
	PARAMETER_SOURCE,
	PARAMETER_META_INFO,
	PARAMETER_START_DATE,
	PARAMETER_END_DATE,
	PARAMETER_GROUP_BY,
	PARAMETER_AMOUNTS,
	PARAMETER_LIMIT,
	PARAMETER_OFFSET,
	PARAMETER_CURSOR,
	PARAMETER_COUNT
};

/* The calls whose query a parameter may stand in. */
enum {
	IN_NO_QUERY = 0, /* only in a path */
	IN_LIST = 1 << FILTER_LIST,
	IN_SUMMARY = 1 << FILTER_SUMMARY,
	IN_BOTH = IN_LIST | IN_SUMMARY,
};

/* In the order in which faults are reported. */
static const struct parameter {
	const char *name;
	unsigned calls;
	void (*parse)(struct parse *parse); /* reads parse->value into parse->filter */
} parameters[] = {
    [PARAMETER_ORG_ID] = {"orgId", IN_NO_QUERY, parse_organization_id},
    [PARAMETER_RECORD_ID] = {"usageRecordGroupId", IN_NO_QUERY, parse_record_id},
    [PARAMETER_PARTNER] = {"partner", IN_BOTH, parse_partner},
    [PARAMETER_BUYER_ID] = {"buyerId", IN_BOTH, parse_buyer_id},
    [PARAMETER_ENTITLEMENT_ID] = {"entitlementId", IN_BOTH, parse_entitlement_id},
    [PARAMETER_PRODUCT_ID] = {"productId", IN_BOTH, parse_product_id},
    [PARAMETER_STATUS] = {"status", IN_BOTH, parse_status},
    [PARAMETER_SOURCE] = {"source", IN_BOTH, parse_source},
    [PARAMETER_META_INFO] = {"metaInfo", IN_BOTH, parse_meta_info},
    [PARAMETER_START_DATE] = {"startDate", IN_BOTH, parse_start_date},
    [PARAMETER_END_DATE] = {"endDate", IN_BOTH, parse_end_date},
    [PARAMETER_GROUP_BY] = {"groupBy", IN_SUMMARY, parse_group_by},
    [PARAMETER_AMOUNTS] = {"amounts", IN_SUMMARY, parse_amounts},
    [PARAMETER_LIMIT] = {"limit", IN_LIST, parse_limit},
    [PARAMETER_OFFSET] = {"offset", IN_LIST, parse_offset},
    [PARAMETER_CURSOR] = {"cursor", IN_LIST, parse_cursor},
};
_Static_assert(sizeof parameters / sizeof parameters[0] == PARAMETER_COUNT,
               "each parameter has its row");

/* The parameter of that name, or PARAMETER_COUNT. */
static enum parameter_key find_parameter(struct slice name)
{
	int key = 0;

	while (key < PARAMETER_COUNT && !slice_equals(name, parameters[key].name))
		key++;
	return (enum parameter_key)key;
}

/* The parameter of a call's query that an encoded name means, or PARAMETER_COUNT. */
static enum parameter_key find_in_query(struct slice encoded, enum filter_call call)
{
	char name[32];
	size_t len;

	if (url_decode(encoded, URL_QUERY, name, sizeof name, &len) != URL_OK)
		return PARAMETER_COUNT;
	enum parameter_key key = find_parameter((struct slice){name, len});
	return key < PARAMETER_COUNT && (parameters[key].calls & 1U << call) ? key : PARAMETER_COUNT;
}

/* Values of a request by parameter, still encoded. */
struct given {
	struct slice value;
	enum url_form form;
	unsigned count;
};

static void add_value(struct given *given, struct slice value, enum url_form form)
{
	*given = (struct given){value, form, given->count + 1};
}

static void parse_parameter(struct parse *parse, enum parameter_key key, const struct given *given)
{
	parse->name = parameters[key].name;
	parse->given = given->value;
	parse->form = given->form;
	switch (url_decode(given->value, given->form, parse->value, sizeof parse->value,
	                   &parse->value_len)) {
	case URL_OK:
		parameters[key].parse(parse);
		break;
	case URL_BAD_ESCAPE:
		reject(parse, slice_of("not have a % without two hexadecimal digits"));
		break;
	case URL_CONTROL:
		reject(parse, slice_of("not have control characters"));
		break;
	case URL_BAD_UTF8:
		reject(parse, slice_of("be UTF-8"));
		break;
	case URL_TOO_LONG:
		/* The parameter says in its own words what it accepts: never as much as this. */
		memset(parse->value, 'x', VALUE_SIZE - 1);
		parse->value[VALUE_SIZE - 1] = '\0';
		parse->value_len = VALUE_SIZE - 1;
		parameters[key].parse(parse);
		break;
	}
}

void filter_set_default_end(struct filter *filter, int32_t day)
{
	if (!filter->has_end_day)
		filter->end_day = day;
	if (!filter->has_start_day) {
		filter->start_day = filter->end_day - FILTER_DAYS_DEFAULT;
		if (filter->start_day < UTC_FIRST_DAY)
			filter->start_day = UTC_FIRST_DAY;
	}
}

/* A startDate behind the last day; whose default that is, is said in so many words. */
static void check_dates(struct parse *parse)
{
	char start[UTC_TEXT_LEN], today[UTC_TEXT_LEN];
	const struct filter *filter = parse->filter;

	if (!filter->has_start_day)
		return;
	if (filter->has_end_day && filter->start_day > filter->end_day) {
		reject_conflict(parse, "startDate must not be after endDate");
	} else if (!filter->has_end_day && filter->start_day > parse->today) {
		write_day(start, filter->start_day);
		write_day(today, parse->today);
		parse->status = FILTER_REJECTED;
		text_add_format(&parse->message,
		                "startDate %.10s is after endDate, which is today, %.10s, when absent",
		                start, today);
	}
}

enum filter_status filter_parse(const struct filter_request *request, int32_t today,
                                struct filter *filter, char message[static FILTER_MESSAGE_SIZE])
{
	struct given given[PARAMETER_COUNT] = {{.count = 0}};
	struct slice query = request->query, name, value, unknown = {NULL, 0};
	struct parse parse = {.filter = filter,
	                      .today = today,
	                      .status = FILTER_OK,
	                      .message = {.data = message, .size = FILTER_MESSAGE_SIZE}};

	*filter = (struct filter){.limit = FILTER_LIMIT_MAX,
	                          .groups = {FILTER_DAY, FILTER_STATUS},
	                          .group_count = 2,
	                          .has_amounts = true};
	for (size_t i = 0; i < request->path_count; i++) {
		enum parameter_key key = find_parameter(request->path[i].name);
		assert(key < PARAMETER_COUNT);
		add_value(&given[key], request->path[i].value, URL_PATH);
	}
	while (url_next_pair(&query, &name, &value)) {
		enum parameter_key key = find_in_query(name, request->call);
		if (key < PARAMETER_COUNT)
			add_value(&given[key], value, URL_QUERY);
		else if (unknown.data == NULL)
			unknown = name;
	}

	for (int key = 0; key < PARAMETER_COUNT && parse.status == FILTER_OK; key++) {
		if (given[key].count == 1) {
			parse_parameter(&parse, (enum parameter_key)key, &given[key]);
		} else if (given[key].count > 1) {
			parse.status = FILTER_REJECTED;
			text_add_format(&parse.message, "%s must be given once, not %u times",
			                parameters[key].name, given[key].count);
		}
		if (key == PARAMETER_END_DATE && parse.status == FILTER_OK)
			check_dates(&parse);
	}
	if (parse.status == FILTER_OK && unknown.data != NULL) {
		parse.status = FILTER_REJECTED;
		add_given(&parse.message, unknown, URL_QUERY);
		TEXT_ADD(&parse.message, " is not a parameter of this request");
	}
	if (parse.status != FILTER_OK) {
		text_end(&parse.message);
		filter_close(filter);
		return parse.status;
	}
	filter_set_default_end(filter, filter->has_cursor ? filter->cursor.end_day : today);
	return FILTER_OK;
}

void filter_close(struct filter *filter)
{
	metainfo_free(filter->meta_info);
	filter->meta_info = NULL;
}
