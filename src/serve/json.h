/*
 * json - the bodies of answers: a page of records, or one string.
 *
 * Owns the one buffer that a body grows in, kept from request to request.  What the
 * database holds as JSON goes through untouched, digit for digit; numbers never pass
 * through a double.  Knows no HTTP.
 */
#ifndef JSON_H
#define JSON_H

#include <stdint.h>

#include "base/record.h"
#include "base/slice.h"

struct json;

enum { JSON_STRING_LEN_MAX = 1024 };

/* NULL when memory ran out.  To be closed with json_close. */
struct json *json_open(void);
void json_close(struct json *json); /* NULL is fine */

/* Starts a page of organization_id's records; drops the body before. */
void json_begin_page(struct json *json, struct slice organization_id);

/* Starts lines of such records, NDJSON, likewise. */
void json_begin_lines(struct json *json, struct slice organization_id);

/* Adds a record; false when memory ran out, the body is then not to be used. */
bool json_add_record(struct json *json, const struct record *record);

/* Ends the page: its body, valid until the next call of this module.  Empty when
 * memory ran out. */
struct slice json_end_page(struct json *json, uint32_t next_offset);

/* The records alone: of a page of one that one as an object, and lines as far as they came.
 * Valid likewise. */
struct slice json_records(const struct json *json);

/* Makes the body one JSON string of valid UTF-8 text, at most JSON_STRING_LEN_MAX bytes;
 * valid likewise. */
struct slice json_string(struct json *json, struct slice text);

/* Milliseconds that json_add_record took since json_begin_page, by sampling. */
double json_page_ms(const struct json *json);

/* Gives memory back that an unusually long body took. */
void json_trim(struct json *json);

#endif
