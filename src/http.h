/*
 * http - a request and its answer, as server and handler pass them.  A leaf.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "slice.h"
#include "text.h"

enum {
	/* Holds any Link header: no accepted request target is longer than 15 KB. */
	HTTP_HEADERS_SIZE = 24 * 1024,
	HTTP_REQUEST_ID_SIZE = 65,
};

/* Borrowed from the FastCGI library until the request is finished; what the web
 * server did not send is "". */
struct http_request {
	const char *method;     /* REQUEST_METHOD */
	const char *target;     /* REQUEST_URI: raw path, and raw query if it has one */
	const char *query;      /* QUERY_STRING, raw */
	const char *request_id; /* HTTP_X_REQUEST_ID */
};

struct http_response {
	int status;
	struct text headers; /* lines of "Name: value\r\n", and an empty one */
	char headers_data[HTTP_HEADERS_SIZE];
	struct slice body;               /* what Content-Length counts; borrowed */
	bool is_head;                    /* the body is counted, but not sent */
};

#endif
