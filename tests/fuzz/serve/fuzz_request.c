/*
 * From path and query to filter, answer and Link: the input is a request target, with
 * what follows a newline as a QUERY_STRING of its own.  The repository is made up and
 * always has one more record.
 */
#include "fuzz.h"

#include <json-c/json.h>
#include <string.h>

#include "base/log.h"
#include "serve/authorizer.h"
#include "serve/handler.h"
#include "store/query.h"
#include "store/repository.h"
#include "store/rows.h"
#include "store/summary.h"
#include "store/walk.h"

static struct query query;

/* Remembers whose path it was asked about. */
static char asked[1024];

static bool is_one; /* one record was asked for */

enum authorizer_status authorizer_check(struct authorizer *authorizer, struct slice authorization,
                                        struct slice organization)
{
	(void)authorizer;
	(void)authorization;
	snprintf(asked, sizeof asked, "%.*s", (int)organization.len, organization.data);
	return AUTHORIZER_ALLOWED;
}

enum repository_status summary_make(struct summary *summary, const struct filter *filter,
                                    struct summary_result *result)
{
	char sql[QUERY_SQL_SIZE];

	(void)summary;
	is_one = true; /* no page, and no Link */
	MUST(strcmp(filter->organization_id.text, asked) == 0);
	MUST(filter->group_count >= 1 && filter->group_count <= FILTER_GROUPS_MAX);
	bool is_counted = true; /* dimensions are no column */
	for (size_t i = 0; i < filter->group_count; i++)
		is_counted &= filter->groups[i] != FILTER_DIMENSION;
	if (is_counted) {
		query_build_counts(&query, filter, 10);
		query_write_sql(query.shape, sql);
		MUST(strlen(sql) < sizeof sql);
	}
	*result = (struct summary_result){.group_count = 0};
	return REPOSITORY_OK;
}

struct record rows_record(const struct rows *rows)
{
	(void)rows;
	return (struct record){.id = slice_of("r"), .partner = slice_of("AWS")};
}

enum repository_status walk_begin(struct walk *walk, const struct filter *filter, uint32_t columns,
                                  const struct walk_sink *sink)
{
	(void)walk;
	is_one = true; /* no page, and no Link */
	MUST(strcmp(filter->organization_id.text, asked) == 0);
	MUST(columns == QUERY_PAGE);
	sink->begin(sink->context);
	MUST(sink->take(sink->context, NULL) == WALK_TAKEN);
	return REPOSITORY_OK;
}

enum repository_status walk_next(struct walk *walk, bool *is_end)
{
	(void)walk;
	*is_end = true;
	return REPOSITORY_OK;
}

void walk_end(struct walk *walk)
{
	(void)walk;
}

const struct repository_result *walk_result(const struct walk *walk)
{
	static const struct repository_result result = {.row_count = 1};

	(void)walk;
	return &result;
}

void summary_clear(struct summary *summary)
{
	(void)summary;
}

void repository_tend(struct repository *repository)
{
	(void)repository;
}

enum repository_status repository_check(struct repository *repository)
{
	(void)repository;
	return REPOSITORY_OK;
}

enum repository_status repository_find(struct repository *repository, const struct filter *filter,
                                       const struct repository_sink *sink,
                                       struct repository_result *result)
{
	struct record record = {.id = slice_of("r"),
	                        .partner = slice_of("AWS"),
	                        .status = slice_of("REPORTED"),
	                        .creation_time = {2024, 8, 12, 1, 2, 15, 910},
	                        .last_update_time = {2024, 8, 12, 1, 2, 15, 910}};
	char sql[QUERY_SQL_SIZE];

	(void)repository;
	is_one = filter->id.len > 0;
	MUST(filter->limit >= 1 && filter->limit <= FILTER_LIMIT_MAX);
	/* The authorizer was asked about the same organization. */
	MUST(filter->organization_id.len >= 1);
	MUST(strcmp(filter->organization_id.text, asked) == 0);
	MUST((filter->partner != NULL) + (filter->buyer_id.len > 0) + (filter->entitlement_id.len > 0) +
	         (filter->product_id.len > 0) <=
	     1);
	query_build(&query, filter, filter->meta_info != NULL ? QUERY_SCAN : QUERY_PAGE,
	            filter->has_cursor ? &filter->cursor.after : NULL, filter->limit + 1,
	            filter->offset);
	query_write_sql(query.shape, sql);
	MUST(strlen(sql) < sizeof sql);
	sink->begin(sink->context);
	MUST(sink->add(sink->context, &record));
	*result =
	    (struct repository_result){.row_count = 1, .has_more = true, .last = {1723424535910, 42}};
	return REPOSITORY_OK;
}

/* Not by JSON_TOKENER_STRICT: json-c 0.18 refuses every byte from 0x80 on then.  What else it
 * would have refused is a control character or another quote. */
static bool is_json_string(struct slice body)
{
	struct json_tokener *tokener = json_tokener_new();

	MUST(body.len > 0 && body.data[0] == '"');
	for (size_t i = 0; i < body.len; i++)
		MUST((unsigned char)body.data[i] >= 0x20);
	json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
	struct json_object *value = json_tokener_parse_ex(tokener, body.data, (int)body.len);
	bool is_string = json_object_is_type(value, json_type_string) &&
	                 json_tokener_get_parse_end(tokener) == body.len;
	json_object_put(value);
	json_tokener_free(tokener);
	return is_string;
}

/* Headers that a web server would understand: each ends in CR LF, no other control. */
static void check_headers(struct slice headers)
{
	MUST(headers.len > 4 && memcmp(headers.data + headers.len - 4, "\r\n\r\n", 4) == 0);
	for (size_t i = 0; i < headers.len; i++) {
		unsigned char c = (unsigned char)headers.data[i];
		MUST((c >= 0x20 && c < 0x7f) || (c == '\r' && headers.data[i + 1] == '\n') ||
		     (c == '\n' && headers.data[i - 1] == '\r'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct handler *handler;
	static struct http_response response;
	char *text = fuzz_text(data, size), *newline = strchr(text, '\n');

	if (handler == NULL) {
		log_open(LOG_LEVEL_ERROR, LOG_TARGET_STDERR);
		handler = handler_open(&(struct handler_rooms){NULL}, 1000);
		MUST(handler != NULL);
	}
	if (newline != NULL)
		*newline = '\0';
	struct http_request request = {.method = "GET",
	                               .target = text,
	                               .query = newline != NULL ? newline + 1 : "",
	                               .request_id = "f",
	                               .authorization = "",
	                               .accept = "",
	                               .accept_encoding = "",
	                               .protocol = "HTTP/1.1",
	                               .search_location = "",
	                               .cells_location = "",
	                               .base_url = "",
	                               .role = HTTP_AUTHORIZER};
	handler_respond(handler, &request, &response);
	handler_finish(handler, &request, &response, true, 0);
	MUST(response.status == 200);
	request.role = HTTP_CALL;
	handler_respond(handler, &request, &response);
	handler_finish(handler, &request, &response, true, 0);
	MUST(!response.headers.is_cut);
	check_headers(text_slice(&response.headers));
	if (response.status != 200) {
		MUST(response.status == 400 || response.status == 404);
		MUST(is_json_string(response.body));
		free(text);
		return 0;
	}

	/* The Link leads to a page of the same list. */
	text_end(&response.headers);
	char *link = strstr(response.headers.data, "Link: <?");
	MUST((link != NULL) == !is_one);
	if (link == NULL) {
		free(text);
		return 0;
	}
	char *target = NULL;
	char *end = strstr(link, ">; rel=\"next\"\r\n");
	MUST(end != NULL);
	*end = '\0';
	MUST(asprintf(&target, "%.*s%s", (int)strcspn(text, "?"), text, link + strlen("Link: <")) > 0);
	request.target = target;
	request.query = "";
	handler_respond(handler, &request, &response);
	handler_finish(handler, &request, &response, true, 0);
	MUST(response.status == 200);
	free(target);
	free(text);
	return 0;
}
