#include "load/json_form.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <yajl/yajl_parse.h>

#include "base/utf8.h"

enum {
	DEPTH_MAX = ENTRY_DEPTH_MAX + 4, /* a record's own object, its page's list and page */
	SIZE_KEPT = 256 << 10,
	NO_DEPTH = -1,
};

/* The members of metaInfo that the table looks at. */
enum inner {
	INNER_OTHER,
	INNER_BILLABLE_RECORDS,
	INNER_SKIP_VALIDATION,
	INNER_SOURCE,
	INNER_TIMESTAMP
};

static const struct {
	const char *name, *kind;
} inners[] = {
    [INNER_OTHER] = {"", ""},
    [INNER_BILLABLE_RECORDS] = {"billableRecords", "a list"},
    [INNER_SKIP_VALIDATION] = {"SkipValidation", "true or false"},
    [INNER_SOURCE] = {"source", "a string"},
    [INNER_TIMESTAMP] = {"timestamp", "a string"},
};
enum { INNER_COUNT = sizeof inners / sizeof inners[0] };

struct json_form {
	const struct sink *sink;
	yajl_handle parser;
	struct entry *entry;
	struct growing kept; /* text from kept_at on: of the record at hand */
	uint64_t kept_at;    /* counted from json_form_begin, like all places here */
	uint64_t chunk_at;   /* of the text that the parser has at present */
	uint64_t counted_at; /* up to here lines were counted */
	uint64_t line;       /* at counted_at */
	uint64_t value_at;   /* of the metaInfo or records at hand */
	uint64_t record_at;
	int depth;        /* objects and arrays that are open */
	int record_depth; /* of a record's members; NO_DEPTH outside of one */
	int list_depth;   /* of a list's elements; NO_DEPTH outside of one */
	bool is_blank;    /* nothing but white space so far, which the parser takes for an early end */
	bool is_page, is_list_next;
	enum entry_member member; /* whose value is read; COUNT: none of ours */
	enum inner inner;         /* within metaInfo */
	bool is_quantity;         /* within an element of billableRecords */
	struct growing dimension; /* of records, whose amount comes next */
	size_t member_len[ENTRY_MEMBER_COUNT];
	/* Names seen in the objects of a record, as hashes with the object's number in them. */
	uint64_t *names;
	size_t name_count, name_size;
	unsigned object_count;
	unsigned objects[DEPTH_MAX + 1]; /* the number of the object at each depth */
	enum form_status status;
	char reason[ENTRY_REASON_SIZE];
};

static int broken(struct json_form *form, const char *reason)
{
	if (form->status == FORM_OK) {
		form->status = FORM_BROKEN;
		snprintf(form->reason, sizeof form->reason, "%s", reason);
	}
	return 0;
}

/* The place behind the token that the parser tells of. */
static uint64_t place(const struct json_form *form)
{
	return form->chunk_at + yajl_get_bytes_consumed(form->parser);
}

static struct slice text_from(const struct json_form *form, uint64_t from, uint64_t to)
{
	return (struct slice){form->kept.data + (from - form->kept_at), (size_t)(to - from)};
}

static void count_lines(struct json_form *form, uint64_t to)
{
	if (to == form->counted_at)
		return;
	struct slice text = text_from(form, form->counted_at, to);

	for (const char *at = text.data, *end = text.data + text.len;
	     at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
		form->line++;
	form->counted_at = to;
}

/* FNV-1a over the object's number and the name, stirred.  Two names of one hash would be taken
 * for one: at 64 bits that is less likely than a fault of the machine. */
static bool is_new_name(struct json_form *form, struct slice name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ form->objects[form->depth];

	hash *= UINT64_C(0x100000001b3);
	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.data[i]) * UINT64_C(0x100000001b3);
	hash = (hash ^ hash >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	hash ^= hash >> 32;
	hash += hash == 0;
	if (form->name_count * 2 >= form->name_size) {
		size_t size = form->name_size > 0 ? form->name_size * 2 : 64;
		uint64_t *names = calloc(size, sizeof *names);
		if (names == NULL)
			return true; /* the entry's own memory will be short as well */
		for (size_t i = 0; i < form->name_size; i++) {
			if (form->names[i] == 0)
				continue;
			size_t slot = form->names[i] & (size - 1);
			while (names[slot] != 0)
				slot = (slot + 1) & (size - 1);
			names[slot] = form->names[i];
		}
		free(form->names);
		form->names = names;
		form->name_size = size;
	}
	size_t slot = hash & (form->name_size - 1);
	for (; form->names[slot] != 0; slot = (slot + 1) & (form->name_size - 1))
		if (form->names[slot] == hash)
			return false;
	form->names[slot] = hash;
	form->name_count++;
	return true;
}

static void forget_names(struct json_form *form)
{
	if (form->name_count > 0)
		memset(form->names, 0, form->name_size * sizeof *form->names);
	form->name_count = 0;
	form->object_count = 0;
}

/* Half of a surrogate pair stands for no character. */
static bool has_lone_surrogate(struct slice text)
{
	const char *at = text.data, *end = text.data + text.len;
	bool is_behind_high = false;

	while (at < end && (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
		unsigned unit = 0;
		if (end - at >= 6 && at[1] == 'u') {
			char hex[5] = {at[2], at[3], at[4], at[5], '\0'};
			unit = (unsigned)strtoul(hex, NULL, 16);
		}
		bool is_low = unit >= 0xdc00 && unit < 0xe000;
		if (is_behind_high != is_low)
			return true;
		is_behind_high = unit >= 0xd800 && unit < 0xdc00;
		at += unit != 0 ? 6 : 2;
		if (is_behind_high && (at >= end || *at != '\\'))
			return true;
	}
	return is_behind_high;
}

static void begin_record(struct json_form *form)
{
	form->record_at = place(form) - 1;
	count_lines(form, form->record_at);
	entry_begin(form->entry, form->line);
	form->record_depth = form->depth;
	form->member = ENTRY_MEMBER_COUNT;
	memset(form->member_len, 0, sizeof form->member_len);
	forget_names(form);
}

static int end_record(struct json_form *form)
{
	struct slice text = text_from(form, form->record_at, place(form));

	form->record_depth = NO_DEPTH;
	if (text.len > ENTRY_LEN_MAX)
		entry_fault(form->entry, "is longer than %d bytes", ENTRY_LEN_MAX);
	if (!utf8_is_valid(text))
		entry_fault(form->entry, "is not UTF-8");
	if (has_lone_surrogate(text))
		entry_fault(form->entry, "has half a surrogate pair");
	/* White space to the parser, but not to RFC 8259; strings have none as they are. */
	if (memchr(text.data, '\v', text.len) != NULL || memchr(text.data, '\f', text.len) != NULL)
		entry_fault(form->entry, "has a control character between its values");
	entry_end(form->entry);
	if (!form->sink->take(form->sink->context, form->entry, text)) {
		form->status = FORM_ENDED;
		return 0;
	}
	return 1;
}

static bool is_in_record(const struct json_form *form)
{
	return form->record_depth != NO_DEPTH;
}

/* Whether the value at hand lies directly in the metaInfo or the records of a record. */
static bool is_inner_of(const struct json_form *form, enum entry_member member)
{
	return is_in_record(form) && form->member == member && form->depth == form->record_depth + 1;
}

/* Whether the value at hand is the quantity of an element of metaInfo's billableRecords. */
static bool is_quantity(const struct json_form *form)
{
	return is_in_record(form) && form->member == ENTRY_META_INFO &&
	       form->inner == INNER_BILLABLE_RECORDS && form->is_quantity &&
	       form->depth == form->record_depth + 3;
}

/* Whether a text has no escapes in it; the parser has just told of it. */
static bool is_plain(const struct json_form *form, struct slice text)
{
	uint64_t end = place(form);
	struct slice raw = text_from(form, end - text.len - 2, end);

	return raw.data[0] == '"' && memcmp(raw.data + 1, text.data, text.len) == 0;
}

static void fault_of_quantity(struct json_form *form)
{
	entry_fault(form->entry, "metaInfo.billableRecords: a quantity must be a number");
}

static void fault_of_inner(struct json_form *form)
{
	entry_fault(form->entry, "metaInfo.%s must be %s", inners[form->inner].name,
	            inners[form->inner].kind);
}

/* A scalar that is a member of metaInfo. */
static void check_inner(struct json_form *form, enum entry_kind kind, struct slice text)
{
	bool is_good = kind == ENTRY_TEXT;

	switch (form->inner) {
	case INNER_OTHER:
		return;
	case INNER_BILLABLE_RECORDS:
		is_good = false;
		break;
	case INNER_SKIP_VALIDATION:
		is_good = kind == ENTRY_OBJECT && !slice_equals(text, "null");
		break;
	case INNER_SOURCE:
		if (is_good)
			entry_check_source(form->entry, text);
		break;
	case INNER_TIMESTAMP:
		if (is_good)
			entry_check_timestamp(form->entry, text);
		if (is_good && !is_plain(form, text))
			entry_fault(form->entry, "metaInfo.timestamp must be written without escapes");
		break;
	}
	if (!is_good)
		fault_of_inner(form);
}

static const char *const kind_names[] = {
    [ENTRY_TEXT] = "a string", [ENTRY_NUMBER] = "a number", [ENTRY_OBJECT] = "an object"};

/* A value that is neither object nor array.  kind: what it is; ENTRY_OBJECT for null and
 * the literals, which are none of what a member wants. */
static int scalar(struct json_form *form, enum entry_kind kind, bool is_null, struct slice text)
{
	if (is_in_record(form) && form->depth == form->record_depth) {
		if (form->member == ENTRY_MEMBER_COUNT)
			return 1;
		if (is_null)
			entry_set(form->entry, form->member,
			          entry_kind(form->member) == ENTRY_OBJECT ? slice_of("{}") : slice_of(""));
		else if (kind != entry_kind(form->member) || kind == ENTRY_OBJECT)
			entry_fault(form->entry, "%s must be %s", entry_name(form->member),
			            kind_names[entry_kind(form->member)]);
		else
			entry_set(form->entry, form->member, text);
	} else if (is_inner_of(form, ENTRY_RECORDS)) {
		if (kind == ENTRY_NUMBER)
			entry_check_amount(form->entry, growing_slice(&form->dimension), text);
		else
			entry_fault(form->entry, "records.%.*s must be a number", (int)form->dimension.len,
			            form->dimension.len > 0 ? form->dimension.data : "");
	} else if (is_inner_of(form, ENTRY_META_INFO)) {
		check_inner(form, kind, text);
	} else if (is_quantity(form)) {
		if (kind != ENTRY_NUMBER)
			fault_of_quantity(form);
	} else if (!is_in_record(form) && (form->depth == 0 || form->depth == form->list_depth)) {
		char reason[ENTRY_REASON_SIZE];
		snprintf(reason, sizeof reason, "an object was expected, not %s%.*s",
		         kind == ENTRY_TEXT ? "the answer " : "", text.len < 200 ? (int)text.len : 200,
		         text.data);
		return broken(form, reason);
	} else if (form->is_list_next) {
		return broken(form, "usageRecordGroups must be a list");
	}
	return 1;
}

static int on_null(void *context)
{
	return scalar(context, ENTRY_OBJECT, true, slice_of("null"));
}

static int on_boolean(void *context, int value)
{
	return scalar(context, ENTRY_OBJECT, false, slice_of(value ? "true" : "false"));
}

static int on_number(void *context, const char *text, size_t len)
{
	return scalar(context, ENTRY_NUMBER, false, (struct slice){text, len});
}

static int on_string(void *context, const unsigned char *text, size_t len)
{
	return scalar(context, ENTRY_TEXT, false, (struct slice){(const char *)text, len});
}

/* An object or array begins: what it is to the record around it. */
static int on_start(struct json_form *form, bool is_object)
{
	if (is_in_record(form)) {
		if (form->depth == form->record_depth && form->member != ENTRY_MEMBER_COUNT) {
			if (entry_kind(form->member) != ENTRY_OBJECT || !is_object)
				entry_fault(form->entry, "%s must be %s", entry_name(form->member),
				            kind_names[entry_kind(form->member)]);
			form->value_at = place(form) - 1;
		} else if (is_inner_of(form, ENTRY_RECORDS)) {
			entry_fault(form->entry, "records.%.*s must be a number", (int)form->dimension.len,
			            form->dimension.len > 0 ? form->dimension.data : "");
		} else if (is_inner_of(form, ENTRY_META_INFO) && form->inner != INNER_OTHER &&
		           (form->inner != INNER_BILLABLE_RECORDS || is_object)) {
			fault_of_inner(form);
		} else if (is_quantity(form)) {
			fault_of_quantity(form);
		}
		form->is_quantity = false;
		/* The parser has no limit of its own. */
		if (form->depth - form->record_depth >= ENTRY_DEPTH_MAX)
			return broken(form, "is nested too deeply");
	}
	if (form->depth >= DEPTH_MAX)
		return broken(form, "is nested too deeply");
	bool is_element = !is_in_record(form) && (form->depth == 0 || form->depth == form->list_depth);
	form->depth++;
	if (is_in_record(form))
		return 1;
	if (is_object && is_element) {
		begin_record(form);
	} else if (!is_object && (form->is_list_next || form->depth == 1)) {
		form->list_depth = form->depth;
		form->is_list_next = false;
	} else if (form->is_list_next || is_element) {
		return broken(form, "a list of records was expected");
	}
	return 1;
}

static int on_start_map(void *context)
{
	struct json_form *form = context;

	if (!on_start(form, true))
		return 0;
	form->objects[form->depth] = ++form->object_count;
	return 1;
}

static int on_start_array(void *context)
{
	return on_start(context, false);
}

/* An object or array has ended. */
static int on_end(struct json_form *form)
{
	form->depth--;
	if (!is_in_record(form)) {
		if (form->depth + 1 == form->list_depth)
			form->list_depth = NO_DEPTH;
		if (form->depth == 0)
			form->is_page = form->is_list_next = false;
		return 1;
	}
	if (form->depth < form->record_depth)
		return end_record(form);
	if (form->depth == form->record_depth && form->member != ENTRY_MEMBER_COUNT) {
		struct slice text = text_from(form, form->value_at, place(form));
		form->member_len[form->member] = text.len;
		entry_set(form->entry, form->member, text);
	}
	return 1;
}

static int on_end_map(void *context)
{
	return on_end(context);
}

static int on_end_array(void *context)
{
	return on_end(context);
}

/* What seemed a record is a page. */
static int begin_page(struct json_form *form)
{
	form->record_depth = NO_DEPTH;
	form->is_page = true;
	form->is_list_next = true;
	return 1;
}

static int on_map_key(void *context, const unsigned char *text, size_t len)
{
	struct json_form *form = context;
	struct slice name = {(const char *)text, len};

	if (!is_in_record(form)) {
		form->is_list_next = form->depth == 1 && slice_equals(name, "usageRecordGroups");
		return 1;
	}
	if (!is_new_name(form, name))
		entry_fault(form->entry, "names \"%.*s\" twice", len < 100 ? (int)len : 100, name.data);
	if (form->depth == form->record_depth) {
		form->member = entry_find(name);
		if (form->member != ENTRY_MEMBER_COUNT)
			return 1;
		if (form->depth == 1 && slice_equals(name, "usageRecordGroups"))
			return begin_page(form);
		if (form->depth != 1 || !slice_equals(name, "nextOffset"))
			entry_fault(form->entry, "a record has no member \"%.*s\"", len < 100 ? (int)len : 100,
			            name.data);
	} else if (is_inner_of(form, ENTRY_RECORDS)) {
		growing_clear(&form->dimension, SIZE_KEPT);
		growing_add(&form->dimension, (struct slice){name.data, len < 100 ? len : 100});
	} else if (is_inner_of(form, ENTRY_META_INFO)) {
		form->inner = INNER_COUNT - 1;
		while (form->inner > INNER_OTHER && !slice_equals(name, inners[form->inner].name))
			form->inner--;
		/* MariaDB's JSON_VALUE does not find it otherwise. */
		if (form->inner == INNER_SOURCE && !is_plain(form, name))
			entry_fault(form->entry, "metaInfo.source must be named without escapes");
	} else if (form->depth == form->record_depth + 3) {
		form->is_quantity = slice_equals(name, "quantity");
	}
	return 1;
}

struct json_form *json_form_open(const struct sink *sink)
{
	struct json_form *form = calloc(1, sizeof *form);

	if (form == NULL)
		return NULL;
	form->sink = sink;
	form->entry = calloc(1, sizeof *form->entry);
	if (form->entry == NULL) {
		free(form);
		return NULL;
	}
	return form;
}

void json_form_close(struct json_form *form)
{
	if (form == NULL)
		return;
	if (form->parser != NULL)
		yajl_free(form->parser);
	growing_free(&form->entry->bytes);
	free(form->entry);
	growing_free(&form->kept);
	growing_free(&form->dimension);
	free(form->names);
	free(form);
}

bool json_form_begin(struct json_form *form, uint64_t line)
{
	static const yajl_callbacks callbacks = {.yajl_null = on_null,
	                                         .yajl_boolean = on_boolean,
	                                         .yajl_number = on_number,
	                                         .yajl_string = on_string,
	                                         .yajl_start_map = on_start_map,
	                                         .yajl_map_key = on_map_key,
	                                         .yajl_end_map = on_end_map,
	                                         .yajl_start_array = on_start_array,
	                                         .yajl_end_array = on_end_array};

	/* A parser cannot be told to forget. */
	if (form->parser != NULL)
		yajl_free(form->parser);
	form->parser = yajl_alloc(&callbacks, NULL, form);
	if (form->parser == NULL)
		return false;
	yajl_config(form->parser, yajl_allow_multiple_values, 1);
	growing_clear(&form->kept, SIZE_KEPT);
	form->kept_at = form->chunk_at = form->counted_at = 0;
	form->line = line;
	form->depth = 0;
	form->record_depth = form->list_depth = NO_DEPTH;
	form->is_page = form->is_list_next = false;
	form->is_blank = true;
	form->status = FORM_OK;
	form->reason[0] = '\0';
	return true;
}

/* The parser has stopped: because of the text, unless somebody here has told it to. */
static void break_syntax(struct json_form *form)
{
	char reason[ENTRY_REASON_SIZE];

	if (form->status != FORM_OK)
		return;
	unsigned char *why = yajl_get_error(form->parser, 0, NULL, 0);
	const char *text = why != NULL ? (const char *)why : "";
	snprintf(reason, sizeof reason, "is not JSON: %.*s", (int)strcspn(text, "\n"), text);
	yajl_free_error(form->parser, why);
	broken(form, reason);
}

enum form_status json_form_read(struct json_form *form, struct slice text)
{
	/* Of what was read only the record at hand is still needed. */
	uint64_t needed = is_in_record(form) ? form->record_at : form->chunk_at;
	count_lines(form, needed > form->counted_at ? needed : form->counted_at);
	growing_drop(&form->kept, (size_t)(needed - form->kept_at));
	form->kept_at = needed;
	if (is_in_record(form) && form->kept.len > ENTRY_LEN_MAX) {
		broken(form, "a record is longer than 4194304 bytes");
		return form->status;
	}
	for (size_t i = 0; form->is_blank && i < text.len; i++)
		form->is_blank = memchr(" \t\r\n", text.data[i], 4) != NULL;
	growing_add(&form->kept, text);
	if (form->kept.is_short) {
		broken(form, "out of memory");
		return form->status;
	}
	if (yajl_parse(form->parser, (const unsigned char *)text.data, text.len) == yajl_status_ok) {
		form->chunk_at += text.len;
		return FORM_OK;
	}
	break_syntax(form);
	uint64_t at = place(form);
	if (form->status == FORM_BROKEN && at <= form->chunk_at + text.len && at > form->counted_at)
		count_lines(form, at);
	return form->status;
}

enum form_status json_form_end(struct json_form *form)
{
	if (form->depth > 0)
		broken(form, is_in_record(form) ? "ends within a record" : "ends within a page");
	else if (!form->is_blank && yajl_complete_parse(form->parser) != yajl_status_ok)
		break_syntax(form);
	return form->status;
}

const char *json_form_fault(const struct json_form *form, uint64_t *line)
{
	*line = form->line;
	return form->reason;
}

size_t json_form_member_len(const struct json_form *form, enum entry_member member)
{
	return form->member_len[member];
}
