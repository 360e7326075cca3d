#include "serve/handler.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/record.h"
#include "base/turns.h"
#include "base/url.h"
#include "request/cells.h"
#include "serve/authorizer.h"
#include "serve/call.h"
#include "serve/compress.h"
#include "serve/export.h"
#include "serve/json.h"
#include "serve/response.h"
#include "serve/routes.h"

enum {
	/* A body that grew larger than this is given back. */
	BODY_SIZE_KEPT = 1024 * 1024,
};

struct handler {
	struct handler_rooms rooms;
	struct json *json;
	struct growing body;
	struct export *export;
	struct compress *compress;
	unsigned slow_ms;
	/* Of the request at hand. */
	struct slice organization; /* as it stands in the path; empty: none */
	const struct route *route; /* NULL: none */
	struct call call;
	char metrics[METRICS_TEXT_SIZE];
};

struct handler *handler_open(const struct handler_rooms *rooms, unsigned slow_ms)
{
	struct handler *handler = calloc(1, sizeof *handler);

	if (handler == NULL)
		return NULL;
	if ((handler->json = json_open()) == NULL || (handler->compress = compress_open()) == NULL ||
	    (handler->export = export_open(rooms->walk, handler->json, &handler->body)) == NULL) {
		handler_close(handler);
		return NULL;
	}
	handler->rooms = *rooms;
	handler->slow_ms = slow_ms;
	return handler;
}

void handler_close(struct handler *handler)
{
	if (handler == NULL)
		return;
	export_close(handler->export);
	json_close(handler->json);
	compress_close(handler->compress);
	growing_free(&handler->body);
	free(handler);
}

static bool is_request_id_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
	       c == '_' || c == '-';
}

static bool is_request_id(const char *text)
{
	size_t len = 0;

	while (is_request_id_character(text[len]))
		len++;
	return len > 0 && len < HTTP_REQUEST_ID_SIZE && text[len] == '\0';
}

/* The client's own id if it is a good one, else a fresh one. */
static void set_request_id(struct http_response *response, const char *given)
{
	unsigned char random[16] = {0};
	struct text id = TEXT_IN(response->request_id);

	if (is_request_id(given)) {
		text_add(&id, slice_of(given));
	} else {
		if (getrandom(random, sizeof random, GRND_NONBLOCK) < 0)
			log_message(LOG_LEVEL_WARNING, "no random request id");
		for (size_t i = 0; i < sizeof random; i++)
			text_add_hex(&id, random[i], 2);
	}
	text_end(&id);
	log_set_request(response->request_id);
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

/* The organization of the request at hand, decoded into text; empty: nobody's. */
static struct slice decode_organization(const struct handler *handler,
                                        char text[static RECORD_ID_LEN_MAX + 1])
{
	size_t len;

	if (url_decode(handler->organization, URL_PATH, text, RECORD_ID_LEN_MAX + 1, &len) != URL_OK)
		len = 0;
	return (struct slice){text, len};
}

/*
 * Whether the organization lives in this worker's cell; else the answer is complete: the word
 * to ask its own, or a 500 where settings and site do not fit together.  What is nobody's lives
 * in the default cell.  Whoever has the wrong database never answers.
 */
static bool is_at_home(struct handler *handler, const struct http_request *request,
                       struct http_response *response, struct slice organization)
{
	char reason[CELLS_REASON_SIZE];

	if (handler->rooms.cells == NULL) {
		if (request->cells_location[0] == '\0')
			return true;
		log_message(LOG_LEVEL_ERROR, "the web server knows cells, but no CELLS_FILE is set");
		response_end_failed(response, handler->json);
		return false;
	}
	if (!cells_refresh(handler->rooms.cells, reason))
		log_message(LOG_LEVEL_ERROR, "%s; what was read before still counts", reason);
	const char *cell = cells_away(handler->rooms.cells, organization);
	if (cell == NULL)
		return true;
	if (request->cells_location[0] != '\0') {
		response_send_to(response, request->cells_location, cell);
	} else {
		log_message(LOG_LEVEL_ERROR,
		            "the organization lives in cell %s, and the web server names no way there",
		            cell);
		response_end_failed(response, handler->json);
	}
	return false;
}

static void respond_call(struct handler *handler, const struct http_request *request,
                         struct http_response *response)
{
	struct call *call = &handler->call;
	char text[RECORD_ID_LEN_MAX + 1];

	*call = (struct call){.repository = handler->rooms.repository,
	                      .summary = handler->rooms.summary,
	                      .places = handler->rooms.places,
	                      .export = handler->export,
	                      .json = handler->json,
	                      .body = &handler->body,
	                      .request = request,
	                      .response = response};
	if (!response_has_encoding(response)) {
		response_end_message(response, handler->json, 406,
		                     "Accept-Encoding must allow gzip or identity");
		return;
	}
	split_target(request, &call->path, &call->given.query);
	switch (routes_find(call->path, &handler->organization, &handler->route, &call->given)) {
	case ROUTES_REFUSED:
		response_end_message(response, handler->json, 400,
		                     "the path must not have an empty, \".\" or \"..\" segment");
		return;
	case ROUTES_UNKNOWN:
		response_end_message(response, handler->json, 404, "there is nothing at this path");
		return;
	case ROUTES_FOUND:
		break;
	}
	if (!response->is_head && strcmp(request->method, "GET") != 0) {
		TEXT_ADD(&response->headers, "Allow: GET, HEAD\r\n");
		response_end_message(response, handler->json, 405, "only GET and HEAD are allowed here");
		return;
	}
	struct slice organization = decode_organization(handler, text);
	/* Organizations of one number would share their turns, and no more. */
	call->organization = slice_digest(organization);
	if (is_at_home(handler, request, response, organization))
		handler->route->respond(call);
}

/*
 * A key opens what is under its own organization; whether there is something is said by
 * the call itself.  It reads the same raw path in the same way, so no spelling can mean
 * one organization here and another one there.
 */
static void respond_authorizer(struct handler *handler, const struct http_request *request,
                               struct http_response *response)
{
	struct slice path, query;
	struct filter_request given;
	char text[RECORD_ID_LEN_MAX + 1];

	split_target(request, &path, &query);
	routes_find(path, &handler->organization, &handler->route, &given);
	struct slice organization = decode_organization(handler, text);
	if (!is_at_home(handler, request, response, organization))
		return;
	switch (authorizer_check(handler->rooms.authorizer, slice_of(request->authorization),
	                         organization)) {
	case AUTHORIZER_ALLOWED:
		response_end_message(response, handler->json, 200, "allowed");
		return;
	case AUTHORIZER_NO_KEY:
		TEXT_ADD(&response->headers, "WWW-Authenticate: Key realm=\"usage-record-api\"\r\n");
		response_end_message(response, handler->json, 401,
		                     "a valid API key is needed: Authorization: Key <secret>");
		return;
	case AUTHORIZER_FORBIDDEN:
		response_end_message(response, handler->json, 403,
		                     "the API key does not belong to this organization");
		return;
	case AUTHORIZER_FAILED:
		response_end_failed(response, handler->json);
		return;
	}
}

static void respond_local(struct handler *handler, const struct http_request *request,
                          struct http_response *response)
{
	struct text metrics = TEXT_IN(handler->metrics);

	if (strcmp(request->target, "/healthz") == 0) {
		response_end_message(response, handler->json, 200, "alive");
	} else if (strcmp(request->target, "/readyz") == 0) {
		bool is_gate =
		    handler->rooms.cells != NULL && cells_is_gate(handler->rooms.cells); /* asks none */
		bool is_ready = is_gate || repository_check(handler->rooms.repository) == REPOSITORY_OK;
		response_end_message(response, handler->json, is_ready ? 200 : 503,
		                     is_ready ? "the database answers" : "the database does not answer");
	} else if (strcmp(request->target, "/metrics") == 0) {
		metrics_write(&metrics);
		response_end_as(response, 200, "text/plain; version=0.0.4; charset=utf-8",
		                text_slice(&metrics));
	} else {
		response_end_message(response, handler->json, 404, "there is nothing at this path");
	}
}

void handler_respond(void *context, const struct http_request *request,
                     struct http_response *response)
{
	struct handler *handler = context;

	metrics_begin_request();
	handler->organization = (struct slice){"", 0};
	handler->route = NULL;
	handler->call.is_found = false;
	response->db_ms = response->json_ms = 0;
	response->work = HTTP_PAGE;
	response->is_passed_on = response->has_more = response->is_broken = response->is_packed = false;
	response->awaited_turn = 0;
	response->body_len = 0;
	response->is_head = strcmp(request->method, "HEAD") == 0;
	response->headers = TEXT_IN(response->headers_data);
	response->accept_encoding = request->accept_encoding;
	response->compress = handler->compress;
	set_request_id(response, request->request_id);

	switch (request->role) {
	case HTTP_CALL:
		respond_call(handler, request, response);
		break;
	case HTTP_AUTHORIZER:
		respond_authorizer(handler, request, response);
		break;
	case HTTP_LOCAL:
		respond_local(handler, request, response);
		break;
	case HTTP_ROLE_COUNT:
		log_message(LOG_LEVEL_ERROR, "the web server asks with an unknown USAGE_RECORD_API_ROLE");
		response_end_failed(response, handler->json);
		break;
	}
}

bool handler_go_on(void *context, struct http_response *response)
{
	struct handler *handler = context;

	response->is_broken = !export_next(handler->export, response);
	return !response->is_broken;
}

static void count_request(const struct handler *handler, const struct http_request *request,
                          const struct http_response *response, bool is_sent, bool is_slow,
                          double total_ms)
{
	if (response->is_passed_on) {
		metrics_leave_request();
		return;
	}
	metrics_count(METRICS_BYTES, response->body_len);
	if (handler->call.is_found) {
		metrics_count(METRICS_RECORDS, handler->call.found.row_count);
		metrics_count(METRICS_RETRIES, handler->call.found.retry_count);
	}
	if (is_slow)
		metrics_count(METRICS_SLOW_REQUESTS, 1);
	if (!is_sent)
		metrics_count(METRICS_LOST_ANSWERS, 1);
	if (response->work == HTTP_SEARCH)
		metrics_count(METRICS_SEARCHES, 1);
	metrics_end_request(request->role, response->work, response->status, total_ms);
}

/* What only says yes, to nginx or to a monitor, is worth no line of its own; nor is what gets one
 * where it is done. */
static enum log_level level_of(const struct http_request *request,
                               const struct http_response *response, bool is_slow)
{
	if (response->status == 500 || response->is_broken)
		return LOG_LEVEL_ERROR;
	if (is_slow)
		return LOG_LEVEL_WARNING;
	if (response->is_passed_on)
		return LOG_LEVEL_DEBUG;
	return request->role != HTTP_CALL && response->status == 200 ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;
}

void handler_finish(void *context, const struct http_request *request,
                    const struct http_response *response, bool is_sent, double total_ms)
{
	struct handler *handler = context;
	bool is_slow = total_ms >= handler->slow_ms;
	char shape[QUERY_NAME_SIZE];

	export_end(handler->export);
	turns_give_back();
	count_request(handler, request, response, is_sent, is_slow, total_ms);
	log_begin(level_of(request, response, is_slow), is_slow                       ? "slow request"
	                                                : response->awaited_turn != 0 ? "waits"
	                                                : response->is_passed_on      ? "passed on"
	                                                                              : "request");
	if (request->role != HTTP_CALL && request->role < HTTP_ROLE_COUNT)
		log_text("role", slice_of(http_role_names[request->role]));
	log_text("method", slice_of(request->method));
	log_text("target", slice_of(request->target));
	log_text("organization", handler->organization);
	if (request->role == HTTP_CALL && handler->route != NULL)
		log_text("call", slice_of(handler->route->name));
	if (request->role == HTTP_CALL)
		log_text("work", slice_of(http_work_names[response->work]));
	log_integer("status", (uint64_t)response->status);
	log_integer("bytes", response->body_len);
	if (handler->call.is_found) {
		query_write_name(handler->call.found.shape, shape);
		log_text("shape", slice_of(shape));
		log_integer("rows", handler->call.found.row_count);
		log_integer("retries", handler->call.found.retry_count);
	}
	if (!is_sent)
		log_text("fault",
		         slice_of(response->is_broken ? "the answer was broken off"
		                                      : "the peer left before the end of the answer"));
	log_duration("db_ms", response->db_ms);
	log_duration("json_ms", response->json_ms);
	log_duration("total_ms", total_ms);
	log_end();
	log_set_request("");
	json_trim(handler->json);
	growing_clear(&handler->body, BODY_SIZE_KEPT);
	compress_trim(handler->compress);
	repository_tend(handler->rooms.repository);
}
