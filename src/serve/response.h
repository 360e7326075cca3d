/*
 * response - ends an answer: its status line, its body and the headers that every
 * answer has.
 */
#ifndef RESPONSE_H
#define RESPONSE_H

#include "base/http.h"

struct json;

/* Whether the client accepts any encoding of an answer that there is.  If not it gets a 406. */
bool response_has_encoding(const struct http_response *response);

/*
 * Sets status and body, application/json, behind the headers that were added before.  The
 * body is compressed if that is worth it and the client accepts it.
 */
void response_end(struct http_response *response, int status, struct slice body);

/* The same with a body of another type. */
void response_end_as(struct http_response *response, int status, const char *content_type,
                     struct slice body);

/* The same with a body that is a message as one JSON string, written by json. */
void response_end_message(struct http_response *response, struct json *json, int status,
                          const char *message);

/* A 500 that tells the id under which the log knows more, and nothing else. */
void response_end_failed(struct http_response *response, struct json *json);

/*
 * Begins a 200 whose body comes in parts, with the first of them; the others are put in its place,
 * one after the other, when it was sent.  The body is compressed if the client accepts it.
 * False when memory ran out: there is no answer yet, or it has to break off.
 */
bool response_begin_parts(struct http_response *response, const char *content_type,
                          struct slice part);
bool response_add_part(struct http_response *response, struct slice part, bool is_last);

/* Ends the answer as the word to ask elsewhere: nginx obeys X-Accel-Redirect without its client
 * ever seeing it.  The location is its own word, name ours. */
void response_send_to(struct http_response *response, const char *location, const char *name);

/* Whether the web server has a pool for searches, and this is not it. */
bool response_can_pass_on(const struct http_request *request);

/* Marks the answer as that of a search.  True when it is complete, because it was sent there. */
bool response_pass_on(struct http_response *response, const struct http_request *request);

#endif
