#include "serve/listing.h"

#include "base/log.h"
#include "request/search.h"
#include "serve/call.h"
#include "serve/export.h"
#include "serve/json.h"
#include "serve/link.h"
#include "serve/response.h"

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
    [REPOSITORY_TOO_COSTLY] = CALL_TOO_COSTLY,
    [REPOSITORY_TOO_LARGE] =
        "limit must be lower: the records are too long for one page; or begin with an empty cursor "
        "and follow the Link headers",
};

static void respond_page(struct call *call, const struct filter *filter)
{
	struct http_response *response = call->response;
	enum repository_status status;

	if (!call_find(call, filter, &status))
		return;
	uint32_t offset = next_offset(filter, &call->found);
	struct slice body = json_end_page(call->json, offset);
	if (body.len > SEARCH_BYTES_MIN || status == REPOSITORY_TOO_LARGE)
		response->work = HTTP_SEARCH;
	const char *refusal = refusals[status];
	if (refusal != NULL) {
		response_end_message(response, call->json, 400, refusal);
		return;
	}
	if (status == REPOSITORY_OK && body.len == 0)
		log_message(LOG_LEVEL_ERROR, "out of memory for the end of the page");
	if (status != REPOSITORY_OK || body.len == 0) {
		response_end_failed(response, call->json);
		return;
	}
	if (call->found.has_more) {
		/* What a HEAD asked for, nobody has seen. */
		if (!response->is_head)
			places_remember(call->places, call->request->authorization, filter, offset,
			                &call->found.last);
		link_add_next(&response->headers, call->request->base_url, call->path, call->given.query,
		              filter, &(struct cursor){call->found.last, offset, filter->end_day});
	}
	response_end(response, 200, body);
}

/* In the order in which we like them; all but the first are exports. */
static const char *const media[] = {"application/json", "application/x-ndjson", "text/csv"};
static const enum export_form forms[] = {[1] = EXPORT_NDJSON, [2] = EXPORT_CSV};

void listing_respond(struct call *call)
{
	struct filter filter;
	size_t form;

	if (!call_parse(call, &filter))
		return;
	if (!call_choose(call, media, sizeof media / sizeof media[0], &form)) {
		filter_close(&filter);
		return;
	}
	if (form > 0) {
		export_respond(call->export, call, &filter, forms[form]);
		return;
	}
	places_find(call->places, call->request->authorization, &filter);
	if (!search_is_needed(&filter) || !call_put_off_search(call))
		respond_page(call, &filter);
	filter_close(&filter);
}
