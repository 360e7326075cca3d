#include "serve/response.h"

#include "serve/json.h"

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
	case 503:
		return "Service Unavailable";
	default:
		return "Internal Server Error";
	}
}

void response_end_as(struct http_response *response, int status, const char *content_type,
                     struct slice body)
{
	struct text *headers = &response->headers;

	response->status = status;
	response->body = body;
	TEXT_ADD(headers, "Status: ");
	text_add_integer(headers, (uint64_t)status);
	TEXT_ADD(headers, " ");
	text_add(headers, slice_of(reason_phrase(status)));
	TEXT_ADD(headers, "\r\nContent-Type: ");
	text_add(headers, slice_of(content_type));
	TEXT_ADD(headers, "\r\nContent-Length: ");
	text_add_integer(headers, body.len);
	TEXT_ADD(headers, "\r\nX-Request-Id: ");
	text_add(headers, slice_of(response->request_id));
	TEXT_ADD(headers, "\r\nServer-Timing: db;dur=");
	text_add_ms(headers, response->db_ms);
	TEXT_ADD(headers, ", json;dur=");
	text_add_ms(headers, response->json_ms);
	TEXT_ADD(headers, "\r\nCache-Control: private, no-store\r\n\r\n");
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

bool response_pass_on(struct http_response *response, const struct http_request *request)
{
	response->work = HTTP_SEARCH;
	if (request->search_location[0] == '\0')
		return false;
	/* No header more: nginx would add some of them to those of the answer itself. */
	response->headers.len = 0;
	TEXT_ADD(&response->headers, "Status: 200 OK\r\nX-Accel-Redirect: ");
	text_add(&response->headers, slice_of(request->search_location));
	TEXT_ADD(&response->headers, "\r\n\r\n");
	response->status = 200;
	response->body = (struct slice){NULL, 0};
	response->is_passed_on = true;
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
