#include "handler.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "clock.h"
#include "filter.h"
#include "json.h"
#include "log.h"
#include "repository.h"
#include "url.h"

struct handler {
	struct repository *repository;
	struct json *json;
	unsigned slow_ms;
	/* Of the request at hand, for its log line. */
	char request_id[HTTP_REQUEST_ID_SIZE];
	struct slice organization; /* as it stands in the path; empty: none */
	struct repository_result result;
	bool is_found; /* result is set */
	double db_ms, json_ms;
};

struct handler *handler_open(struct repository *repository, unsigned slow_ms)
{
	struct handler *handler = calloc(1, sizeof *handler);

	if (handler == NULL || (handler->json = json_open()) == NULL) {
		free(handler);
		return NULL;
	}
	handler->repository = repository;
	handler->slow_ms = slow_ms;
	return handler;
}

void handler_close(struct handler *handler)
{
	if (handler == NULL)
		return;
	json_close(handler->json);
	free(handler);
}

static bool is_request_id(const char *text)
{
	size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return len > 0 && len < HTTP_REQUEST_ID_SIZE && text[len] == '\0';
}

/* The client's own id if it is a good one, else a fresh one. */
static void set_request_id(struct handler *handler, const char *given)
{
	unsigned char random[16] = {0};

	if (is_request_id(given)) {
		snprintf(handler->request_id, sizeof handler->request_id, "%s", given);
	} else {
		if (getrandom(random, sizeof random, GRND_NONBLOCK) < 0)
			log_message(LOG_LEVEL_WARNING, "no random request id");
		for (size_t i = 0; i < sizeof random; i++)
			snprintf(handler->request_id + 2 * i, 3, "%02x", random[i]);
	}
	log_set_request(handler->request_id);
}

static const char *reason_phrase(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	default:
		return "Internal Server Error";
	}
}

/* Ends an answer: its status, its body and the headers that every answer has. */
static void set_response(struct handler *handler, struct http_response *response, int status,
                         struct slice body)
{
	struct text *headers = &response->headers;

	response->status = status;
	response->body = body;
	TEXT_ADD(headers, "Status: ");
	text_add_integer(headers, (uint64_t)status);
	TEXT_ADD(headers, " ");
	text_add(headers, slice_of(reason_phrase(status)));
	TEXT_ADD(headers, "\r\nContent-Type: application/json\r\nContent-Length: ");
	text_add_integer(headers, body.len);
	TEXT_ADD(headers, "\r\nX-Request-Id: ");
	text_add(headers, slice_of(handler->request_id));
	TEXT_ADD(headers, "\r\nServer-Timing: db;dur=");
	text_add_ms(headers, handler->db_ms);
	TEXT_ADD(headers, ", json;dur=");
	text_add_ms(headers, handler->json_ms);
	TEXT_ADD(headers, "\r\nCache-Control: private, no-store\r\n\r\n");
}

static void set_message(struct handler *handler, struct http_response *response, int status,
                        const char *message)
{
	set_response(handler, response, status, json_string(handler->json, slice_of(message)));
}

static void set_internal_error(struct handler *handler, struct http_response *response)
{
	char message[HTTP_REQUEST_ID_SIZE + 64];

	snprintf(message, sizeof message, "internal server error, request id %s", handler->request_id);
	set_message(handler, response, 500, message);
}

enum route {
	ROUTE_USAGE_RECORD_GROUPS,
	ROUTE_UNKNOWN,
	ROUTE_REFUSED, /* a segment that is empty, "." or ".." */
};

/* Splits before it decodes: "a%2Fb" is one segment, "%6Frg" means "org". */
static enum route find_route(struct slice path, struct slice *organization)
{
	static const char *const segments[] = {"org", NULL, "usageRecordGroup"};
	enum { SEGMENT_COUNT = sizeof segments / sizeof segments[0] };
	enum route route = ROUTE_USAGE_RECORD_GROUPS;
	struct slice segment;
	char text[32];
	size_t count = 0, len;

	while (url_next_segment(&path, &segment)) {
		bool is_text = url_decode(segment, URL_PATH, text, sizeof text, &len) == URL_OK;
		if (segment.len == 0 ||
		    (is_text && (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)))
			return ROUTE_REFUSED;
		if (count >= SEGMENT_COUNT)
			route = ROUTE_UNKNOWN;
		else if (segments[count] == NULL)
			*organization = segment;
		else if (!is_text || strcmp(text, segments[count]) != 0)
			route = ROUTE_UNKNOWN;
		count++;
	}
	if (path.len > 0)
		return ROUTE_REFUSED; /* does not start with a slash */
	return count == SEGMENT_COUNT ? route : ROUTE_UNKNOWN;
}

/* Splits a request target; a target without a query may come with it beside. */
static void split_target(const struct http_request *request, struct slice *path,
                         struct slice *query)
{
	const char *mark = strchr(request->target, '?');

	*path = slice_of(request->target);
	if (mark != NULL) {
		path->len = (size_t)(mark - request->target);
		*query = slice_of(mark + 1);
	} else {
		*query = slice_of(request->query);
	}
}

/* Adds a piece of a target to a header; what may not stand there is escaped. */
static void add_target(struct text *headers, struct slice target)
{
	for (size_t i = 0; i < target.len; i++) {
		unsigned char c = (unsigned char)target.data[i];
		if (c > 0x20 && c < 0x7f && strchr("\"<>\\^`{|}", c) == NULL)
			text_add(headers, (struct slice){target.data + i, 1});
		else
			text_add_format(headers, "%%%02X", c);
	}
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
		add_target(headers, (struct slice){name.data, (size_t)(value.data + value.len - name.data)});
		TEXT_ADD(headers, "&");
	}
	cursor_write(text, cursor);
	TEXT_ADD(headers, "cursor=");
	text_add(headers, slice_of(text));
	TEXT_ADD(headers, ">; rel=\"next\"\r\n");
}

static void begin_page(void *context)
{
	struct handler *handler = context;
	char organization_id[RECORD_ID_LEN_MAX + 1];
	size_t len = 0;

	/* It was decoded before, by filter_parse. */
	url_decode(handler->organization, URL_PATH, organization_id, sizeof organization_id, &len);
	json_begin_page(handler->json, (struct slice){organization_id, len});
}

static bool add_record(void *context, const struct record *record)
{
	struct handler *handler = context;

	return json_add_record(handler->json, record);
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

static void list_usage_record_groups(struct handler *handler, struct slice path,
                                     struct slice query, struct http_response *response)
{
	struct repository_sink sink = {handler, begin_page, add_record};
	char message[FILTER_MESSAGE_SIZE];
	struct filter filter;

	switch (filter_parse(handler->organization, query, utc_day(utc_now_ms()), &filter, message)) {
	case FILTER_OK:
		break;
	case FILTER_REJECTED:
		set_message(handler, response, 400, message);
		return;
	case FILTER_NO_MEMORY:
		set_internal_error(handler, response);
		return;
	}

	double start_ms = clock_ms();
	enum repository_status status =
	    repository_find(handler->repository, &filter, &sink, &handler->result);
	handler->is_found = true;
	handler->json_ms = json_page_ms(handler->json);
	handler->db_ms = clock_ms() - start_ms - handler->json_ms;

	uint32_t offset = next_offset(&filter, &handler->result);
	struct slice body = json_end_page(handler->json, offset);
	if (status != REPOSITORY_OK || body.len == 0) {
		set_internal_error(handler, response);
	} else {
		if (offset > 0)
			add_link(&response->headers, path, query,
			         &(struct cursor){handler->result.last, offset, filter.end_day});
		set_response(handler, response, 200, body);
	}
	filter_close(&filter);
}

void handler_respond(void *context, const struct http_request *request,
                     struct http_response *response)
{
	struct handler *handler = context;
	struct slice path, query;

	handler->organization = (struct slice){"", 0};
	handler->is_found = false;
	handler->db_ms = handler->json_ms = 0;
	set_request_id(handler, request->request_id);
	split_target(request, &path, &query);
	response->is_head = strcmp(request->method, "HEAD") == 0;

	switch (find_route(path, &handler->organization)) {
	case ROUTE_REFUSED:
		set_message(handler, response, 400,
		            "the path must not have an empty, \".\" or \"..\" segment");
		return;
	case ROUTE_UNKNOWN:
		set_message(handler, response, 404, "there is nothing at this path");
		return;
	case ROUTE_USAGE_RECORD_GROUPS:
		break;
	}
	if (!response->is_head && strcmp(request->method, "GET") != 0) {
		TEXT_ADD(&response->headers, "Allow: GET, HEAD\r\n");
		set_message(handler, response, 405, "only GET and HEAD are allowed here");
		return;
	}
	list_usage_record_groups(handler, path, query, response);
}

void handler_finish(void *context, const struct http_request *request,
                    const struct http_response *response, bool is_sent, double total_ms)
{
	struct handler *handler = context;
	bool is_slow = total_ms >= handler->slow_ms;
	char shape[QUERY_NAME_SIZE];

	log_begin(is_slow ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, is_slow ? "slow request" : "request");
	log_text("method", slice_of(request->method));
	log_text("target", slice_of(request->target));
	log_text("organization", handler->organization);
	log_integer("status", (uint64_t)response->status);
	log_integer("bytes", response->body.len);
	if (handler->is_found) {
		query_write_name(handler->result.shape, shape);
		log_text("shape", slice_of(shape));
		log_integer("rows", handler->result.row_count);
		log_integer("retries", handler->result.retry_count);
	}
	if (!is_sent)
		log_text("fault", slice_of("the peer left before the end of the answer"));
	log_duration("db_ms", handler->db_ms);
	log_duration("json_ms", handler->json_ms);
	log_duration("total_ms", total_ms);
	log_end();
	log_set_request("");
	json_trim(handler->json);
}
