/*
 * reader - reads one file in its form, piece by piece.
 *
 * Owns how a form is recognised, and lines: NDJSON is read line by line, so that a broken
 * line is one refused record; in the other forms a fault of the syntax ends the file.
 */
#ifndef READER_H
#define READER_H

#include "load/sink.h"

enum reader_form {
	READER_LOOK, /* at the beginning of the file */
	READER_CSV,
	READER_JSON,   /* records, lists of records and pages behind each other */
	READER_NDJSON, /* a record a line */
	READER_FORM_COUNT
};

extern const char *const reader_form_names[READER_FORM_COUNT];

struct reader {
	const struct sink *sink;
	enum reader_form form;
	bool (*go_on)(void *context, uint64_t read_len); /* asked between pieces; the sink's context */
	char reason[ENTRY_REASON_SIZE];                  /* of FORM_BROKEN */
	uint64_t line;                                   /* where; 0: nowhere in particular */
};

/* Reads an open file to its end. */
enum form_status reader_run(struct reader *reader, int file);

#endif
