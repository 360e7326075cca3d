/*
 * export - answers a list as a whole: all records of its filter in one answer, as NDJSON or CSV.
 *
 * Owns the two forms.  The records come from one snapshot, part by part, and are sent before the
 * next part is read, so that memory does not grow with the list.  A fault before anything was
 * sent is an answer of its own; behind that the answer breaks off, and never ends as if whole.
 */
#ifndef EXPORT_H
#define EXPORT_H

#include "base/growing.h"
#include "request/filter.h"

struct call;
struct export;
struct http_response;
struct json;
struct walk;

enum export_form { EXPORT_NDJSON, EXPORT_CSV, EXPORT_FORM_COUNT };

/* All are borrowed until export_close.  NULL when memory ran out. */
struct export *export_open(struct walk *walk, struct json *json, struct growing *body);
void export_close(struct export *export); /* NULL is fine */

/*
 * Answers with all records of filter, or those of them that its limit, offset and cursor name;
 * with a 400 or a 500; or passes the call on.  The filter is moved: nothing is left to close.
 */
void export_respond(struct export *export, struct call *call, struct filter *filter,
                    enum export_form form);

/* Puts the next part of the answer in its place; false when there cannot be one. */
bool export_next(struct export *export, struct http_response *response);

/* To be called when the answer is over, to its end or not, and when there was none. */
void export_end(struct export *export);

#endif
