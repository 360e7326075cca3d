#include "serve/json.h"

#include <json-c/printbuf.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"

enum {
	/* Room before the records for what is known only behind them: nextOffset. */
	PREFIX_SIZE = 64,
	/* A page of 1000 records is about 1 MB. */
	BUFFER_SIZE_KEPT = 4 * 1024 * 1024,
	/* Reading the clock twice for each record would cost more than writing it. */
	SAMPLE_INTERVAL = 16,
};

enum {
	ID_TEXT_SIZE = RECORD_ID_LEN_MAX * TEXT_JSON_EXPANSION,
	/* A record without its documents: seven texts, and names, times and a number. */
	RECORD_SIZE_MAX = 7 * ID_TEXT_SIZE + 512,
	STRING_SIZE_MAX = JSON_STRING_LEN_MAX * TEXT_JSON_EXPANSION + 2,
	BUFFER_SIZE_MIN = STRING_SIZE_MAX,
};
_Static_assert((int)BUFFER_SIZE_MIN >= (int)PREFIX_SIZE, "a page can begin");

struct json {
	struct printbuf *buffer;
	char organization_id_data[ID_TEXT_SIZE];
	struct text organization_id; /* escaped */
	unsigned record_count;
	bool is_lines; /* a record is a line, instead of a member of an array */
	double sampled_ms;
};

/* A buffer that holds any message, and the beginning of any page, without growing. */
static struct printbuf *open_buffer(void)
{
	struct printbuf *buffer = printbuf_new();

	if (buffer != NULL && printbuf_memset(buffer, 0, 0, BUFFER_SIZE_MIN) < 0) {
		printbuf_free(buffer);
		return NULL;
	}
	return buffer;
}

struct json *json_open(void)
{
	struct json *json = calloc(1, sizeof *json);

	if (json != NULL && (json->buffer = open_buffer()) == NULL) {
		free(json);
		return NULL;
	}
	return json;
}

void json_close(struct json *json)
{
	if (json == NULL)
		return;
	printbuf_free(json->buffer);
	free(json);
}

/* Room for len bytes behind what the buffer holds, so that they are written where they stay;
 * false when memory ran out. */
static bool reserve(struct json *json, size_t len, struct text *room)
{
	struct printbuf *buffer = json->buffer;
	int start = buffer->bpos;

	if (len > (size_t)(INT32_MAX - start))
		return false;
	if (len > (size_t)(buffer->size - start)) {
		/* json-c lets a buffer grow only by filling it: fill it and take that back. */
		if (printbuf_memset(buffer, start, 0, (int)len) < 0)
			return false;
		buffer->bpos = start;
	}
	*room = (struct text){.data = buffer->buf + start, .size = len};
	return true;
}

/* Makes what was written in the room a part of the body. */
static void keep(struct json *json, const struct text *room)
{
	json->buffer->bpos += (int)room->len;
}

static void add_time(struct text *text, const struct utc_time *time)
{
	char written[UTC_TEXT_LEN];

	utc_write(written, time);
	text_add(text, (struct slice){written, UTC_TEXT_LEN});
}

static void add_document(struct text *text, struct slice document)
{
	if (document.len > 0)
		text_add(text, document);
	else
		TEXT_ADD(text, "{}");
}

static void begin(struct json *json, struct slice organization_id, bool is_lines)
{
	json->is_lines = is_lines;
	json->buffer->bpos = PREFIX_SIZE;
	json->organization_id = TEXT_IN(json->organization_id_data);
	text_add_json(&json->organization_id, organization_id);
	json->record_count = 0;
	json->sampled_ms = 0;
}

void json_begin_page(struct json *json, struct slice organization_id)
{
	begin(json, organization_id, false);
}

void json_begin_lines(struct json *json, struct slice organization_id)
{
	begin(json, organization_id, true);
}

/* The members in the order of the published page. */
static bool add_record(struct json *json, const struct record *record)
{
	struct text text;

	if (!reserve(json, RECORD_SIZE_MAX + record->meta_info.len + record->records.len, &text))
		return false;
	if (json->record_count > 0 && !json->is_lines)
		TEXT_ADD(&text, ",");
	TEXT_ADD(&text, "{\"buyerID\":\"");
	text_add_json(&text, record->buyer_id);
	TEXT_ADD(&text, "\",\"creationTime\":\"");
	add_time(&text, &record->creation_time);
	TEXT_ADD(&text, "\",\"entitlementID\":\"");
	text_add_json(&text, record->entitlement_id);
	TEXT_ADD(&text, "\",\"id\":\"");
	text_add_json(&text, record->id);
	TEXT_ADD(&text, "\",\"lastUpdateTime\":\"");
	add_time(&text, &record->last_update_time);
	TEXT_ADD(&text, "\",\"metaInfo\":");
	add_document(&text, record->meta_info);
	TEXT_ADD(&text, ",\"organizationID\":\"");
	text_add(&text, text_slice(&json->organization_id));
	TEXT_ADD(&text, "\",\"partner\":\"");
	text_add_json(&text, record->partner);
	TEXT_ADD(&text, "\",\"records\":");
	add_document(&text, record->records);
	TEXT_ADD(&text, ",\"serialID\":");
	text_add_integer(&text, record->serial_id);
	TEXT_ADD(&text, ",\"status\":\"");
	text_add_json(&text, record->status);
	TEXT_ADD(&text, "\",\"usageRecordReportID\":\"");
	text_add_json(&text, record->usage_record_report_id);
	TEXT_ADD(&text, "\"}");
	if (json->is_lines)
		TEXT_ADD(&text, "\n");
	keep(json, &text);
	return !text.is_cut;
}

bool json_add_record(struct json *json, const struct record *record)
{
	bool is_sample = json->record_count % SAMPLE_INTERVAL == 0;
	double start_ms = is_sample ? clock_ms() : 0;
	bool is_added = add_record(json, record);

	json->record_count++;
	if (is_sample)
		json->sampled_ms += clock_ms() - start_ms;
	return is_added;
}

struct slice json_end_page(struct json *json, uint32_t next_offset)
{
	char data[PREFIX_SIZE];
	struct text prefix = TEXT_IN(data), room;

	if (!reserve(json, 2, &room))
		return (struct slice){NULL, 0};
	TEXT_ADD(&room, "]}");
	keep(json, &room);
	TEXT_ADD(&prefix, "{\"nextOffset\":");
	text_add_integer(&prefix, next_offset);
	TEXT_ADD(&prefix, ",\"usageRecordGroups\":[");
	memcpy(json->buffer->buf + PREFIX_SIZE - prefix.len, prefix.data, prefix.len);
	return (struct slice){json->buffer->buf + PREFIX_SIZE - prefix.len,
	                      (size_t)json->buffer->bpos - PREFIX_SIZE + prefix.len};
}

struct slice json_records(const struct json *json)
{
	return (struct slice){json->buffer->buf + PREFIX_SIZE,
	                      (size_t)json->buffer->bpos - PREFIX_SIZE};
}

struct slice json_string(struct json *json, struct slice text)
{
	struct text room = {.data = json->buffer->buf, .size = STRING_SIZE_MAX};

	TEXT_ADD(&room, "\"");
	text_add_json(&room, text);
	TEXT_ADD(&room, "\"");
	return text_slice(&room);
}

double json_page_ms(const struct json *json)
{
	unsigned sample_count = (json->record_count + SAMPLE_INTERVAL - 1) / SAMPLE_INTERVAL;

	return sample_count > 0 ? json->sampled_ms * json->record_count / sample_count : 0;
}

void json_trim(struct json *json)
{
	if (json->buffer->size <= BUFFER_SIZE_KEPT)
		return;
	struct printbuf *buffer = open_buffer();
	if (buffer != NULL) {
		printbuf_free(json->buffer);
		json->buffer = buffer;
	}
}
