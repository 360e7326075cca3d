#include "serve/export.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "request/amounts.h"
#include "serve/call.h"
#include "serve/csv.h"
#include "serve/json.h"
#include "serve/response.h"
#include "store/rows.h"
#include "store/walk.h"

enum {
	/* What is shorter is sent as one body, whose length is known. */
	WHOLE_LEN_MAX = 64 * 1024,
	PART_LEN_MAX = 496 * 1024,
	/* Reading the clock twice for each record would cost more than writing it. */
	SAMPLE_INTERVAL = 16,
	CELLS_SIZE_KEPT = 64 * 1024,
};

struct form {
	const char *content_type, *ending;
	void (*begin)(struct export *export); /* before the first record of all */
	void (*go_on)(struct export *export); /* before the first of another part */
	bool (*add)(struct export *export, const struct record *record);
	struct slice (*part)(const struct export *export);
};

struct export
{
	struct walk *walk;
	struct json *json;
	struct growing *body;
	/* Of the export at hand. */
	struct call *call; /* NULL: none */
	const struct form *form;
	struct filter filter; /* owned */
	unsigned record_count;
	/* Of the lines of the record at hand. */
	struct growing before, behind; /* the cells on both sides of dimension and quantity */
	struct amounts amounts;
	size_t amounts_written;
	struct growing document; /* of the amounts, when the record's own is gone */
	double sampled_ms;
};

static struct slice organization(const struct export *export)
{
	return (struct slice){export->filter.organization_id.text, export->filter.organization_id.len};
}

static void begin_lines(struct export *export)
{
	json_begin_lines(export->json, organization(export));
}

static bool add_line(struct export *export, const struct record *record)
{
	return json_add_record(export->json, record);
}

static struct slice lines(const struct export *export)
{
	return json_records(export->json);
}

static void go_on_csv(struct export *export)
{
	growing_clear(export->body, SIZE_MAX);
}

/* The members in the order of the published page, but for "records": a line has one of them. */
static void begin_csv(struct export *export)
{
	growing_clear(export->body, SIZE_MAX);
	GROWING_ADD(
	    export->body,
	    "buyerID,creationTime,entitlementID,id,lastUpdateTime,metaInfo,organizationID,partner,"
	    "dimension,quantity,serialID,status,usageRecordReportID\r\n");
}

static void add_time(struct growing *line, const struct utc_time *time)
{
	char text[UTC_TEXT_LEN];

	utc_write(text, time);
	csv_add_plain(line, (struct slice){text, sizeof text});
}

static void write_before(struct export *export, const struct record *record)
{
	struct growing *line = &export->before;

	growing_clear(line, CELLS_SIZE_KEPT);
	csv_add_text(line, record->buyer_id);
	add_time(line, &record->creation_time);
	csv_add_text(line, record->entitlement_id);
	csv_add_text(line, record->id);
	add_time(line, &record->last_update_time);
	csv_add_plain(line, record->meta_info.len > 0 ? record->meta_info : slice_of("{}"));
	csv_add_text(line, organization(export));
	csv_add_plain(line, record->partner);
}

static void write_behind(struct export *export, const struct record *record)
{
	struct growing *line = &export->behind;
	char digits[24];
	struct text serial_id = TEXT_IN(digits);

	growing_clear(line, CELLS_SIZE_KEPT);
	text_add_integer(&serial_id, record->serial_id);
	csv_add_plain(line, text_slice(&serial_id));
	csv_add_plain(line, record->status);
	csv_add_text(line, record->usage_record_report_id);
	csv_end_line(line);
}

static void add_csv_line(struct export *export, struct slice dimension, struct slice quantity)
{
	growing_add(export->body, growing_slice(&export->before));
	csv_add_text(export->body, dimension);
	csv_add_plain(export->body, quantity);
	growing_add(export->body, growing_slice(&export->behind));
}

static bool is_within_record(const struct export *export)
{
	return export->amounts_written < export->amounts.count;
}

static bool has_memory(const struct export *export)
{
	bool is_short = export->body->is_short || export->before.is_short || export->behind.is_short ||
	                export->document.is_short;

	if (is_short)
		log_message(LOG_LEVEL_ERROR, "out of memory for an export");
	return !is_short;
}

/* A line for each amount of the record at hand, until the part is full. */
static bool add_csv_lines(struct export *export)
{
	while (is_within_record(export) && !export->body->is_short &&
	       export->body->len < PART_LEN_MAX) {
		const struct amount *amount = &export->amounts.list[export->amounts_written++];
		add_csv_line(export, amount->dimension, amount->value);
	}
	return has_memory(export);
}

static bool parse_amounts(struct export *export, struct slice document, uint64_t serial_id)
{
	if (amounts_parse(&export->amounts, document) == AMOUNTS_OK)
		return true;
	log_message(LOG_LEVEL_ERROR, "the amounts of record %llu could not be read",
	            (unsigned long long)serial_id);
	return false;
}

static bool add_csv(struct export *export, const struct record *record)
{
	export->amounts_written = 0;
	if (!parse_amounts(export, record->records, record->serial_id))
		return false;
	write_before(export, record);
	write_behind(export, record);
	if (export->amounts.count == 0)
		add_csv_line(export, (struct slice){"", 0}, (struct slice){"", 0});
	if (!add_csv_lines(export))
		return false;
	if (!is_within_record(export))
		return true;
	/* The other lines come in parts of their own, when the record is gone. */
	growing_clear(&export->document, 0);
	growing_add(&export->document, record->records);
	return has_memory(export) &&
	       parse_amounts(export, growing_slice(&export->document), record->serial_id);
}

static struct slice csv(const struct export *export)
{
	return growing_slice(export->body);
}

static const struct form forms[EXPORT_FORM_COUNT] = {
    [EXPORT_NDJSON] = {"application/x-ndjson", "ndjson", begin_lines, begin_lines, add_line, lines},
    [EXPORT_CSV] = {"text/csv; charset=utf-8; header=present", "csv", begin_csv, go_on_csv, add_csv,
                    csv},
};

static void begin(void *context)
{
	struct export *export = context;

	export->record_count = 0;
	export->amounts.count = export->amounts_written = 0;
	export->sampled_ms = 0;
	export->form->begin(export);
}

static enum walk_take take(void *context, const struct rows *rows)
{
	struct export *export = context;
	struct record record = rows_record(rows);
	bool is_sample = export->record_count++ % SAMPLE_INTERVAL == 0;
	double start_ms = is_sample ? clock_ms() : 0;

	if (!export->form->add(export, &record))
		return WALK_FAILED;
	if (is_sample)
		export->sampled_ms += (clock_ms() - start_ms) * SAMPLE_INTERVAL;
	return export->form->part(export).len < PART_LEN_MAX ? WALK_TAKEN : WALK_FULL;
}

struct export *export_open(struct walk *walk, struct json *json, struct growing *body)
{
	struct export *export = calloc(1, sizeof *export);

	if (export == NULL)
		return NULL;
	export->walk = walk;
	export->json = json;
	export->body = body;
	return export;
}

void export_close(struct export *export)
{
	if (export == NULL)
		return;
	export_end(export);
	free(export);
}

/* Says how the time that has passed since start_ms was spent. */
static void count_time(struct export *export, struct http_response *response, double start_ms)
{
	response->db_ms += clock_ms() - start_ms - export->sampled_ms;
	response->json_ms += export->sampled_ms;
	export->sampled_ms = 0;
}

/* Answers with the first part, and with all if that is little. */
static void respond(struct export *export)
{
	struct http_response *response = export->call->response;
	struct walk_sink sink = {export, begin, take};
	double start_ms = clock_ms();
	bool is_end = false;
	enum repository_status status = walk_begin(export->walk, &export->filter, QUERY_PAGE, &sink);

	while (status == REPOSITORY_OK && !is_end && export->form->part(export).len < WHOLE_LEN_MAX)
		status = walk_next(export->walk, &is_end);
	count_time(export, response, start_ms);
	if (status == REPOSITORY_TOO_COSTLY) {
		response_end_message(response, export->json, 400, CALL_TOO_COSTLY);
		return;
	}
	if (status != REPOSITORY_OK) {
		response_end_failed(response, export->json);
		return;
	}
	/* Its body without a length ends where the connection does, so a part would look whole. */
	if (!is_end && strcmp(export->call->request->protocol, "HTTP/1.0") == 0) {
		response_end_message(response, export->json, 400,
		                     "an answer of this length needs HTTP/1.1, in which its end shows");
		return;
	}
	call_name_file(export->call, &export->filter, "records", export->form->ending);
	if (is_end)
		response_end_as(response, 200, export->form->content_type, export->form->part(export));
	else if (!response_begin_parts(response, export->form->content_type,
	                               export->form->part(export)))
		response_end_failed(response, export->json);
}

void export_respond(struct export *export, struct call *call, struct filter *filter,
                    enum export_form form)
{
	export->call = call;
	export->form = &forms[form];
	export->filter = *filter;
	filter->meta_info = NULL;
	if (!call_put_off_search(call))
		respond(export);
}

bool export_next(struct export *export, struct http_response *response)
{
	double start_ms = clock_ms();
	bool is_end = false, is_good;

	export->form->go_on(export);
	if (is_within_record(export))
		is_good = add_csv_lines(export);
	else
		is_good = walk_next(export->walk, &is_end) == REPOSITORY_OK;
	count_time(export, response, start_ms);
	return is_good && response_add_part(response, export->form->part(export), is_end);
}

void export_end(struct export *export)
{
	if (export->call == NULL)
		return;
	if (!export->call->response->is_passed_on) {
		export->call->found = *walk_result(export->walk);
		export->call->is_found = true;
		walk_end(export->walk);
	}
	export->call = NULL;
	amounts_close(&export->amounts);
	export->amounts = (struct amounts){.count = 0};
	growing_free(&export->before);
	growing_free(&export->behind);
	growing_free(&export->document);
	filter_close(&export->filter);
}
