#include "serve/response.h"

#include "base/log.h"
#include "serve/accept.h"
#include "serve/compress.h"
#include "serve/json.h"

enum {
	/* Less fits one packet anyway. */
	COMPRESSED_LEN_MIN = 1400,
};

/* The length of a body that is not known yet. */
#define LEN_UNKNOWN UINT64_MAX

/* In the order in which we like them. */
enum encoding { ENCODING_NONE = -1, ENCODING_GZIP, ENCODING_IDENTITY, ENCODING_COUNT };
static const char *const encodings[ENCODING_COUNT] = {
    [ENCODING_GZIP] = "gzip", [ENCODING_IDENTITY] = "identity"};

static enum encoding find_encoding(const struct http_response *response, enum encoding first)
{
	int index = accept_encoding(slice_of(response->accept_encoding), encodings + first,
	                            (size_t)(ENCODING_COUNT - first));

	return index < 0 ? ENCODING_NONE : (enum encoding)(first + index);
}

bool response_has_encoding(const struct http_response *response)
{
	return find_encoding(response, ENCODING_GZIP) != ENCODING_NONE;
}

/* Whether a body of len bytes is to be compressed. */
static bool is_compressed(const struct http_response *response, size_t len)
{
	return find_encoding(response, ENCODING_GZIP) == ENCODING_GZIP &&
	       (len >= COMPRESSED_LEN_MIN ||
	        find_encoding(response, ENCODING_IDENTITY) != ENCODING_IDENTITY);
}

/* Compresses the body if it is worth it, and as far as there is memory for it. */
static bool encode(struct http_response *response)
{
	struct slice packed;

	if (!is_compressed(response, response->body.len))
		return false;
	compress_begin(response->compress);
	if (!compress_add(response->compress, response->body, true, &packed)) {
		log_message(LOG_LEVEL_WARNING, "no memory to compress %zu bytes", response->body.len);
		return false;
	}
	response->body = packed;
	return true;
}

static const char *reason_phrase(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 400:
		return "Bad Request";
	case 401:
		return "Unauthorized";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 406:
		return "Not Acceptable";
	case 503:
		return "Service Unavailable";
	default:
		return "Internal Server Error";
	}
}

/* The status line and the headers that every answer has. */
static void end_head(struct http_response *response, int status, const char *content_type,
                     uint64_t len, bool is_encoded)
{
	struct text *headers = &response->headers;

	response->status = status;
	TEXT_ADD(headers, "Status: ");
	text_add_integer(headers, (uint64_t)status);
	TEXT_ADD(headers, " ");
	text_add(headers, slice_of(reason_phrase(status)));
	TEXT_ADD(headers, "\r\nContent-Type: ");
	text_add(headers, slice_of(content_type));
	if (len != LEN_UNKNOWN) {
		TEXT_ADD(headers, "\r\nContent-Length: ");
		text_add_integer(headers, len);
	}
	if (is_encoded)
		TEXT_ADD(headers, "\r\nContent-Encoding: gzip");
	TEXT_ADD(headers, "\r\nX-Request-Id: ");
	text_add(headers, slice_of(response->request_id));
	TEXT_ADD(headers, "\r\nServer-Timing: db;dur=");
	text_add_ms(headers, response->db_ms);
	TEXT_ADD(headers, ", json;dur=");
	text_add_ms(headers, response->json_ms);
	TEXT_ADD(headers,
	         "\r\nCache-Control: private, no-store\r\nVary: Accept, Accept-Encoding\r\n\r\n");
}

void response_end_as(struct http_response *response, int status, const char *content_type,
                     struct slice body)
{
	response->body = body;
	response->has_more = false;
	bool is_encoded = encode(response);
	response->body_len = response->body.len;
	end_head(response, status, content_type, response->body_len, is_encoded);
}

bool response_begin_parts(struct http_response *response, const char *content_type,
                          struct slice part)
{
	response->has_more = true;
	response->is_packed = is_compressed(response, part.len);
	if (response->is_packed)
		compress_begin(response->compress);
	if (!response_add_part(response, part, false))
		return false;
	end_head(response, 200, content_type, LEN_UNKNOWN, response->is_packed);
	return true;
}

bool response_add_part(struct http_response *response, struct slice part, bool is_last)
{
	response->body = part;
	if (response->is_packed && !compress_add(response->compress, part, is_last, &response->body)) {
		log_message(LOG_LEVEL_ERROR, "no memory to compress %zu bytes", part.len);
		return false;
	}
	response->body_len += response->body.len;
	response->has_more = !is_last;
	return true;
}

void response_end(struct http_response *response, int status, struct slice body)
{
	response_end_as(response, status, "application/json", body);
}

void response_end_message(struct http_response *response, struct json *json, int status,
                          const char *message)
{
	response_end(response, status, json_string(json, slice_of(message)));
}

void response_send_to(struct http_response *response, const char *location, const char *name)
{
	/* No header more: nginx would add some of them to those of the answer itself. */
	response->headers.len = 0;
	TEXT_ADD(&response->headers, "Status: 200 OK\r\nX-Accel-Redirect: ");
	text_add(&response->headers, slice_of(location));
	text_add(&response->headers, slice_of(name));
	TEXT_ADD(&response->headers, "\r\n\r\n");
	response->status = 200;
	response->body = (struct slice){NULL, 0};
	response->body_len = 0;
	response->is_passed_on = true;
}

bool response_can_pass_on(const struct http_request *request)
{
	return request->search_location[0] == '@' || request->search_location[0] == '/';
}

bool response_pass_on(struct http_response *response, const struct http_request *request)
{
	response->work = HTTP_SEARCH;
	if (!response_can_pass_on(request))
		return false;
	response_send_to(response, request->search_location, "");
	return true;
}

void response_end_failed(struct http_response *response, struct json *json)
{
	char data[HTTP_REQUEST_ID_SIZE + 64];
	struct text message = TEXT_IN(data);

	TEXT_ADD(&message, "internal server error, request id ");
	text_add(&message, slice_of(response->request_id));
	response_end(response, 500, json_string(json, text_slice(&message)));
}
