#include "serve/call.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/turns.h"
#include "request/search.h"
#include "serve/accept.h"
#include "serve/json.h"
#include "serve/response.h"

enum { FILE_NAME_ORGANIZATION_LEN = 64 };

bool call_put_off_search(struct call *call)
{
	struct http_response *response = call->response;

	if (response_pass_on(response, call->request))
		return true;
	if (turns_take(call->organization, call->request->since_ms) || !call->request->may_wait)
		return false;
	response->awaited_turn = call->organization;
	response->is_passed_on = true;
	return true;
}

bool call_parse(struct call *call, struct filter *filter)
{
	char message[FILTER_MESSAGE_SIZE];

	switch (filter_parse(&call->given, utc_day(utc_now_ms()), filter, message)) {
	case FILTER_OK:
		return true;
	case FILTER_REJECTED:
		response_end_message(call->response, call->json, 400, message);
		break;
	case FILTER_NO_MEMORY:
		log_message(LOG_LEVEL_ERROR, "out of memory for the filter");
		response_end_failed(call->response, call->json);
		break;
	}
	return false;
}

bool call_choose(struct call *call, const char *const *media, size_t count, size_t *form)
{
	int chosen = accept_media(slice_of(call->request->accept), media, count);
	char data[160];
	struct text message = TEXT_IN(data);

	if (chosen >= 0) {
		*form = (size_t)chosen;
		return true;
	}
	TEXT_ADD(&message, "Accept must allow ");
	for (size_t i = 0; i < count; i++) {
		text_add(&message, slice_of(i == 0 ? "" : i + 1 < count ? ", " : " or "));
		text_add(&message, slice_of(media[i]));
	}
	text_end(&message);
	response_end_message(call->response, call->json, 406, data);
	return false;
}

void call_name_file(struct call *call, const struct filter *filter, const char *what,
                    const char *ending)
{
	struct text *headers = &call->response->headers;
	int32_t days[] = {filter->start_day, filter->end_day};
	char written[UTC_TEXT_LEN];

	text_add_format(headers, "Content-Disposition: attachment; filename=\"usage-%s_", what);
	for (size_t i = 0; i < filter->organization_id.len && i < FILE_NAME_ORGANIZATION_LEN; i++) {
		char c = filter->organization_id.text[i];
		bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		                (c >= 'a' && c <= 'z') || c == '-' || c == '.';
		text_add(headers, (struct slice){is_plain ? &c : "_", 1});
	}
	for (size_t i = 0; i < sizeof days / sizeof days[0]; i++) {
		struct utc_time time = utc_from_ms(days[i] * UTC_DAY_MS);
		utc_write(written, &time);
		TEXT_ADD(headers, "_");
		text_add(headers, (struct slice){written, sizeof "YYYY-MM-DD" - 1});
	}
	text_add_format(headers, ".%s\"\r\n", ending);
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

bool call_find(struct call *call, const struct filter *filter, enum repository_status *status)
{
	struct page page = {call->json, {filter->organization_id.text, filter->organization_id.len}};
	struct repository_sink sink = {&page, begin_page, add_record, 0};
	double start_ms = clock_ms();

	/* What turned out to be a search looks like a page in the pool that it was passed on to. */
	if (strcmp(call->request->search_location, "here") == 0 && call_put_off_search(call))
		return false;
	/* Nothing was sent yet: what turns out to be too long can still be another pool's. */
	if (response_can_pass_on(call->request))
		sink.bytes_max = SEARCH_BYTES_MIN;
	*status = repository_find(call->repository, filter, &sink, &call->found);
	if (*status == REPOSITORY_BEYOND_SINK && call_put_off_search(call))
		return false;
	call->is_found = true;
	call->response->json_ms = json_page_ms(call->json);
	call->response->db_ms = clock_ms() - start_ms - call->response->json_ms;
	return true;
}
