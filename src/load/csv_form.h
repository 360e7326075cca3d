/*
 * csv_form - reads records in CSV (RFC 4180, UTF-8) with a header line.
 *
 * Columns are named like the API's members; records.<dimension> is one amount, records and
 * metaInfo are JSON.  A cell that is empty is absent.  The syntax is libcsv's.  Each row is
 * written as JSON and read by json_form, so that both forms mean the same.
 */
#ifndef CSV_FORM_H
#define CSV_FORM_H

#include "load/sink.h"

struct csv_form;

struct csv_form *csv_form_open(const struct sink *sink); /* NULL: out of memory */
void csv_form_close(struct csv_form *form);              /* NULL is fine */

/* To be given a line at a time, its end included, so that the lines can be counted. */
enum form_status csv_form_read(struct csv_form *form, struct slice line);
enum form_status csv_form_end(struct csv_form *form);

/* Why it is FORM_BROKEN, and in which line, from 1 on; the text is the form's. */
const char *csv_form_fault(const struct csv_form *form, uint64_t *line);

#endif
