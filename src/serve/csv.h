/*
 * csv - lines of comma-separated values (RFC 4180).
 *
 * Owns quoting, and what keeps a spreadsheet from running what it is shown: text that begins
 * with one of = + - @ ' or a tab or carriage return gets a ' in front, which nothing else has,
 * so that whoever takes one away has the text back.  Knows no record.
 */
#ifndef CSV_H
#define CSV_H

#include "base/growing.h"

/* Adds a cell of text. */
void csv_add_text(struct growing *line, struct slice text);

/* Adds a cell that is left as it is, a number or JSON; quoted where it has to be. */
void csv_add_plain(struct growing *line, struct slice text);

/* Ends the line behind its last cell. */
void csv_end_line(struct growing *line);

#endif
