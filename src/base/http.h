/*
 * http - a request and its answer, as server and handler pass them.  A leaf.
 */
#ifndef HTTP_H
#define HTTP_H

#include "base/slice.h"
#include "base/text.h"

enum {
	/* Holds any Link header: no accepted request target is longer than 15 KB. */
	HTTP_HEADERS_SIZE = 24 * 1024,
	HTTP_REQUEST_ID_SIZE = 65,
};

/* What the web server wants; it says so by its parameter USAGE_RECORD_API_ROLE, so that
 * no path of a client ever reaches what is not meant for it. */
enum http_role {
	HTTP_CALL,       /* none: the call itself, and nothing else */
	HTTP_AUTHORIZER, /* whether the call may be made: 200, 401 or 403 */
	HTTP_LOCAL,      /* /healthz, /readyz and /metrics */
	HTTP_ROLE_COUNT  /* something else: a fault of the web server's configuration */
};

extern const char *const http_role_names[HTTP_ROLE_COUNT];

/* How much work an answer may be; request/search.h says which requests are which. */
enum http_work {
	HTTP_PAGE,   /* bounded by what the answer gives */
	HTTP_SEARCH, /* may look at many records for each that it gives */
	HTTP_WORK_COUNT
};

extern const char *const http_work_names[HTTP_WORK_COUNT];

/* Borrowed from the FastCGI library until the request is finished; what the web
 * server did not send is "". */
struct http_request {
	const char *method;          /* REQUEST_METHOD */
	const char *target;          /* REQUEST_URI: raw path, and raw query if it has one */
	const char *query;           /* QUERY_STRING, raw */
	const char *request_id;      /* HTTP_X_REQUEST_ID */
	const char *authorization;   /* HTTP_AUTHORIZATION */
	const char *accept;          /* HTTP_ACCEPT */
	const char *accept_encoding; /* HTTP_ACCEPT_ENCODING */
	const char *protocol;        /* SERVER_PROTOCOL: how the client speaks to the web server */
	/* USAGE_RECORD_API_SEARCH: the web server's location, "@..." or "/...", that has a pool for
	 * searches; "here": this is that pool; "": searches are done here as well. */
	const char *search_location;
	/* USAGE_RECORD_API_BASE_URL: where clients reach the service, in front of "/org/..."; "": the
	 * web server does not say. */
	const char *base_url;
	/* USAGE_RECORD_API_CELLS: the web server's way to the cells, of which the last word is the
	 * name of a cell; "": none. */
	const char *cells_location;
	enum http_role role;
	double since_ms; /* when it came; clock_ms */
	bool may_wait;   /* it may be put off until it has a turn, see base/turns.h */
};

struct compress;

struct http_response {
	char request_id[HTTP_REQUEST_ID_SIZE];
	double db_ms, json_ms;
	int status;
	struct text headers; /* lines of "Name: value\r\n", and an empty one */
	char headers_data[HTTP_HEADERS_SIZE];
	struct slice body; /* or its part at hand; borrowed */
	uint64_t body_len; /* of all of it, as far as it came; what Content-Length counts */
	bool has_more;     /* other parts follow, and there is no Content-Length */
	bool is_broken;    /* one that should follow cannot be had */
	bool is_head;      /* the body is counted, but not sent */
	enum http_work work;
	bool is_passed_on;     /* no answer, but the word to ask another pool, or none at all: */
	uint64_t awaited_turn; /* not 0: to be asked again when there is a turn at this */
	/* What the client accepts, and what compresses a body then. */
	const char *accept_encoding;
	bool is_packed; /* it compresses the parts */
	struct compress *compress;
};

#endif
