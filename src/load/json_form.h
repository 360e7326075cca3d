/*
 * json_form - reads records in JSON: one behind the other, in arrays, or in the pages that
 * the list answers, with any white space between them.
 *
 * Owns what a record looks like in JSON; the syntax is yajl's, which reads in pieces and
 * gives numbers as text.  Memory grows with the longest record, not with the file.
 */
#ifndef JSON_FORM_H
#define JSON_FORM_H

#include "load/sink.h"

struct json_form;

struct json_form *json_form_open(const struct sink *sink); /* NULL: out of memory */
void json_form_close(struct json_form *form);              /* NULL is fine */

/* Forgets what it has read, after FORM_BROKEN too; the next byte is of line. */
bool json_form_begin(struct json_form *form, uint64_t line);

/* Reads on. */
enum form_status json_form_read(struct json_form *form, struct slice text);

/* The text ends here, of a file or of a line: within a record that is a fault. */
enum form_status json_form_end(struct json_form *form);

/* Why it is FORM_BROKEN, and in which line, from 1 on; the text is the form's. */
const char *json_form_fault(const struct json_form *form, uint64_t *line);

/* Where in the last record's own text a member's JSON lies: for whoever put the text
 * together and has to know that nothing broke out of its place. */
size_t json_form_member_len(const struct json_form *form, enum entry_member member);

#endif
