#include "json.h"

#include <json-c/printbuf.h>
#include <stdlib.h>

#include "clock.h"
#include "text.h"

enum {
	/* Room before the records for what is known only behind them: nextOffset. */
	PREFIX_SIZE = 64,
	/* A page of 1000 records is about 1 MB. */
	BUFFER_SIZE_KEPT = 4 * 1024 * 1024,
	/* Reading the clock twice for each record would cost more than writing it. */
	SAMPLE_INTERVAL = 16,
};

enum { ID_TEXT_SIZE = RECORD_ID_LEN_MAX * TEXT_JSON_EXPANSION };

struct json {
	struct printbuf *buffer;
	char organization_id_data[ID_TEXT_SIZE];
	struct text organization_id; /* escaped */
	unsigned record_count;
	double sampled_ms;
};

struct json *json_open(void)
{
	struct json *json = calloc(1, sizeof *json);

	if (json != NULL && (json->buffer = printbuf_new()) == NULL) {
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

static bool append(struct json *json, const char *text, size_t len)
{
	return len <= INT32_MAX && printbuf_memappend(json->buffer, text, (int)len) >= 0;
}

static void add_time(struct text *text, const struct utc_time *time)
{
	char written[UTC_TEXT_LEN];

	utc_write(written, time);
	text_add(text, (struct slice){written, UTC_TEXT_LEN});
}

void json_begin_page(struct json *json, struct slice organization_id)
{
	static const char room[PREFIX_SIZE];

	printbuf_reset(json->buffer);
	append(json, room, sizeof room);
	json->organization_id = TEXT_IN(json->organization_id_data);
	text_add_json(&json->organization_id, organization_id);
	json->record_count = 0;
	json->sampled_ms = 0;
}

static bool append_text(struct json *json, const struct text *text)
{
	return append(json, text->data, text->len);
}

static bool append_document(struct json *json, struct slice document)
{
	return document.len > 0 ? append(json, document.data, document.len) : append(json, "{}", 2);
}

/* The members in the order of the published page. */
static bool add_record(struct json *json, const struct record *record)
{
	char data[4 * ID_TEXT_SIZE + 512];
	struct text text = TEXT_IN(data);

	if (json->record_count > 0)
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
	if (!append_text(json, &text) || !append_document(json, record->meta_info))
		return false;

	text = TEXT_IN(data);
	TEXT_ADD(&text, ",\"organizationID\":\"");
	text_add(&text, text_slice(&json->organization_id));
	TEXT_ADD(&text, "\",\"partner\":\"");
	text_add_json(&text, record->partner);
	TEXT_ADD(&text, "\",\"records\":");
	if (!append_text(json, &text) || !append_document(json, record->records))
		return false;

	text = TEXT_IN(data);
	TEXT_ADD(&text, ",\"serialID\":");
	text_add_integer(&text, record->serial_id);
	TEXT_ADD(&text, ",\"status\":\"");
	text_add_json(&text, record->status);
	TEXT_ADD(&text, "\",\"usageRecordReportID\":\"");
	text_add_json(&text, record->usage_record_report_id);
	TEXT_ADD(&text, "\"}");
	return append_text(json, &text);
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
	struct text prefix = TEXT_IN(data);

	if (!append(json, "]}", 2))
		return (struct slice){NULL, 0};
	TEXT_ADD(&prefix, "{\"nextOffset\":");
	text_add_integer(&prefix, next_offset);
	TEXT_ADD(&prefix, ",\"usageRecordGroups\":[");
	char *body = json->buffer->buf + PREFIX_SIZE - prefix.len;
	memcpy(body, prefix.data, prefix.len);
	return (struct slice){body, (size_t)json->buffer->bpos - PREFIX_SIZE + prefix.len};
}

struct slice json_string(struct json *json, struct slice text)
{
	char data[JSON_STRING_LEN_MAX * TEXT_JSON_EXPANSION];
	struct text escaped = TEXT_IN(data);

	text_add_json(&escaped, text);
	printbuf_reset(json->buffer);
	append(json, "\"", 1);
	append_text(json, &escaped);
	append(json, "\"", 1);
	return (struct slice){json->buffer->buf, (size_t)json->buffer->bpos};
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
	struct printbuf *buffer = printbuf_new();
	if (buffer != NULL) {
		printbuf_free(json->buffer);
		json->buffer = buffer;
	}
}
