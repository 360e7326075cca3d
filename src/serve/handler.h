/*
 * handler - what a request means: roles, methods, request ids, and the line in the log.
 *
 * Owns the local paths; those of the calls are routes'.  Knows neither FastCGI nor SQL.
 */
#ifndef HANDLER_H
#define HANDLER_H

#include "base/http.h"

struct authorizer;
struct cells;
struct handler;
struct places;
struct repository;
struct summary;
struct walk;

/* What the calls ask, borrowed until handler_close. */
struct handler_rooms {
	struct repository *repository;
	struct summary *summary;
	struct walk *walk;
	struct places *places; /* NULL: there are none; likewise below */
	struct authorizer *authorizer;
	struct cells *cells;
};

/* slow_ms: requests that take longer are logged as warnings.  NULL when memory ran out. */
struct handler *handler_open(const struct handler_rooms *rooms, unsigned slow_ms);
void handler_close(struct handler *handler); /* NULL is fine */

/*
 * Answers a request: fills *response, whose body is valid until the next call.
 * context is a struct handler; see struct server_handler.
 */
void handler_respond(void *context, const struct http_request *request,
                     struct http_response *response);

/* Puts the next part of an answer in parts in its place, see struct server_handler. */
bool handler_go_on(void *context, struct http_response *response);

/* Counts the request and writes its line to the log. */
void handler_finish(void *context, const struct http_request *request,
                    const struct http_response *response, bool is_sent, double total_ms);

#endif
