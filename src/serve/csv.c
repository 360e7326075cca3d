#include "serve/csv.h"

/* Adds the cell, and the comma behind it. */
static void add_cell(struct growing *line, struct slice mark, struct slice text)
{
	bool is_quoted =
	    text.len > 0 &&
	    (memchr(text.data, ',', text.len) != NULL || memchr(text.data, '"', text.len) != NULL ||
	     memchr(text.data, '\r', text.len) != NULL || memchr(text.data, '\n', text.len) != NULL);
	const char *quote;

	if (!is_quoted) {
		growing_add(line, mark);
		growing_add(line, text);
		GROWING_ADD(line, ",");
		return;
	}
	GROWING_ADD(line, "\"");
	growing_add(line, mark);
	while ((quote = memchr(text.data, '"', text.len)) != NULL) {
		size_t len = (size_t)(quote - text.data) + 1;
		growing_add(line, (struct slice){text.data, len});
		GROWING_ADD(line, "\"");
		text.data += len;
		text.len -= len;
	}
	growing_add(line, text);
	GROWING_ADD(line, "\",");
}

void csv_add_text(struct growing *line, struct slice text)
{
	bool is_marked = text.len > 0 && strchr("=+-@'\t\r", text.data[0]) != NULL;

	add_cell(line, (struct slice){"'", is_marked}, text);
}

void csv_add_plain(struct growing *line, struct slice text)
{
	add_cell(line, (struct slice){"", 0}, text);
}

void csv_end_line(struct growing *line)
{
	if (line->is_short)
		return;
	line->len--; /* the last comma */
	GROWING_ADD(line, "\r\n");
}
