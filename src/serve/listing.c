#include "serve/listing.h"

#include "base/clock.h"
#include "base/url.h"
#include "request/filter.h"
#include "request/search.h"
#include "serve/json.h"
#include "serve/response.h"

static bool may_stand(unsigned char c)
{
	return c > 0x20 && c < 0x7f && strchr("\"#<>\\^`{|}", c) == NULL;
}

/* Adds a piece of a target to a header; what may not stand there is escaped. */
static void add_target(struct text *headers, struct slice target)
{
	size_t done = 0;

	for (size_t i = 0; i < target.len; i++) {
		unsigned char c = (unsigned char)target.data[i];
		if (may_stand(c))
			continue;
		text_add(headers, (struct slice){target.data + done, i - done});
		text_add_format(headers, "%%%02X", c);
		done = i + 1;
	}
	text_add(headers, (struct slice){target.data + done, target.len - done});
}

/* The Link to the next page: the same target with the cursor of its last record. */
static void add_link(struct text *headers, struct slice path, struct slice query,
                     const struct cursor *cursor)
{
	char text[CURSOR_TEXT_SIZE];
	struct slice name, value;

	TEXT_ADD(headers, "Link: <");
	add_target(headers, path);
	TEXT_ADD(headers, "?");
	while (url_next_pair(&query, &name, &value)) {
		if (filter_is_parameter(name, "cursor") || filter_is_parameter(name, "offset"))
			continue;
		add_target(headers,
		           (struct slice){name.data, (size_t)(value.data + value.len - name.data)});
		TEXT_ADD(headers, "&");
	}
	cursor_write(text, cursor);
	TEXT_ADD(headers, "cursor=");
	text_add(headers, slice_of(text));
	TEXT_ADD(headers, ">; rel=\"next\"\r\n");
}

/* The body of a page that records are added to. */
struct page {
	struct json *json;
	struct slice organization_id; /* decoded */
};

static void begin_page(void *context)
{
	struct page *page = context;

	json_begin_page(page->json, page->organization_id);
}

static bool add_record(void *context, const struct record *record)
{
	struct page *page = context;

	return json_add_record(page->json, record);
}

/* How many records stand before the next page, 0 when there is none. */
static uint32_t next_offset(const struct filter *filter, const struct repository_result *result)
{
	uint64_t offset = filter->has_cursor ? filter->cursor.offset : filter->offset;

	if (!result->has_more)
		return 0;
	offset += result->row_count;
	return offset < INT32_MAX ? (uint32_t)offset : INT32_MAX;
}

/* What is asked for is too much; how to ask for less. */
static const char *const refusals[REPOSITORY_STATUS_COUNT] = {
    [REPOSITORY_TOO_LONG] =
        "the search takes too long: give fewer days (startDate, endDate), more filters or a lower "
        "offset, or begin with an empty cursor and follow the Link headers",
    [REPOSITORY_TOO_COSTLY] =
        "metaInfo must be simpler: one record's metaInfo is too long to be held against it",
    [REPOSITORY_TOO_LARGE] =
        "limit must be lower: the records are too long for one page; or begin with an empty cursor "
        "and follow the Link headers",
};

static void respond_page(struct repository *repository, struct json *json,
                         const struct http_request *request, struct slice path, struct slice query,
                         const struct filter *filter, struct http_response *response,
                         struct listing_result *result)
{
	struct page page = {json, {filter->organization_id.text, filter->organization_id.len}};
	struct repository_sink sink = {&page, begin_page, add_record, 0};
	double start_ms = clock_ms();

	/* Nothing was sent yet: what turns out to be too long can still be another pool's. */
	if (request->search_location[0] != '\0')
		sink.bytes_max = SEARCH_BYTES_MIN;
	enum repository_status status = repository_find(repository, filter, &sink, &result->found);

	if (status == REPOSITORY_BEYOND_SINK && response_pass_on(response, request))
		return;
	result->is_found = true;
	response->json_ms = json_page_ms(json);
	response->db_ms = clock_ms() - start_ms - response->json_ms;
	uint32_t offset = next_offset(filter, &result->found);
	struct slice body = json_end_page(json, offset);
	if (body.len > SEARCH_BYTES_MIN || status == REPOSITORY_TOO_LARGE)
		response->work = HTTP_SEARCH;
	const char *refusal = refusals[status];
	if (refusal != NULL) {
		response_end_message(response, json, 400, refusal);
		return;
	}
	if (status != REPOSITORY_OK || body.len == 0) {
		response_end_failed(response, json);
		return;
	}
	if (result->found.has_more)
		add_link(&response->headers, path, query,
		         &(struct cursor){result->found.last, offset, filter->end_day});
	response_end(response, 200, body);
}

void listing_respond(struct repository *repository, struct json *json,
                     const struct http_request *request, struct slice path,
                     struct slice organization, struct slice query, struct http_response *response,
                     struct listing_result *result)
{
	char message[FILTER_MESSAGE_SIZE];
	struct filter filter;

	result->is_found = false;
	switch (filter_parse(organization, query, utc_day(utc_now_ms()), &filter, message)) {
	case FILTER_OK:
		if (!search_is_needed(&filter) || !response_pass_on(response, request))
			respond_page(repository, json, request, path, query, &filter, response, result);
		filter_close(&filter);
		break;
	case FILTER_REJECTED:
		response_end_message(response, json, 400, message);
		break;
	case FILTER_NO_MEMORY:
		response_end_failed(response, json);
		break;
	}
}
