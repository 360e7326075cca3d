#include "load/csv_form.h"

#include <csv.h>
#include <stdio.h>
#include <stdlib.h>

#include "load/json_form.h"

enum { COLUMNS_MAX = 1000, SIZE_KEPT = 256 << 10 };

#define AMOUNT_PREFIX "records."

struct csv_form {
	const struct sink *sink;
	struct sink own_sink; /* what json_form hands records to */
	struct json_form *json;
	struct csv_parser parser;
	bool is_parser_open;
	struct growing header; /* the names, one behind the other */
	struct column {
		size_t at, len; /* the name; of an amount its dimension */
		enum entry_member member;
		bool is_amount;
	} columns[COLUMNS_MAX];
	size_t column_count;
	bool has_header;
	struct growing cells; /* of the row at hand */
	size_t ends[COLUMNS_MAX];
	size_t cell_count;
	struct growing raw; /* its text in the file */
	struct growing json_text;
	uint64_t line;     /* that is read */
	uint64_t row_line; /* where the row began */
	enum form_status status;
	char reason[ENTRY_REASON_SIZE];
};

static void broken(struct csv_form *form, const char *reason)
{
	if (form->status != FORM_OK)
		return;
	form->status = FORM_BROKEN;
	snprintf(form->reason, sizeof form->reason, "%s", reason);
}

static struct slice cell(const struct csv_form *form, size_t index)
{
	size_t at = index > 0 ? form->ends[index - 1] : 0;

	if (form->ends[index] == at)
		return (struct slice){"", 0};
	return (struct slice){form->cells.data + at, form->ends[index] - at};
}

static struct slice column_name(const struct csv_form *form, const struct column *column)
{
	return column->len > 0 ? (struct slice){form->header.data + column->at, column->len}
	                       : slice_of("");
}

static void read_header(struct csv_form *form)
{
	char reason[ENTRY_REASON_SIZE];

	growing_add(&form->header, growing_slice(&form->cells));
	for (size_t i = 0; i < form->cell_count; i++) {
		struct column *column = &form->columns[i];
		struct slice name = cell(form, i);
		column->at = i > 0 ? form->ends[i - 1] : 0;
		column->len = name.len;
		column->member = entry_find(name);
		column->is_amount = name.len > strlen(AMOUNT_PREFIX) &&
		                    memcmp(name.data, AMOUNT_PREFIX, strlen(AMOUNT_PREFIX)) == 0;
		if (column->is_amount) {
			column->at += strlen(AMOUNT_PREFIX);
			column->len -= strlen(AMOUNT_PREFIX);
		} else if (column->member == ENTRY_MEMBER_COUNT) {
			snprintf(reason, sizeof reason, "a record has no member \"%.*s\"",
			         name.len < 100 ? (int)name.len : 100, name.len > 0 ? name.data : "");
			broken(form, reason);
		}
		for (size_t j = 0; j < i; j++) {
			struct slice other = column_name(form, &form->columns[j]);
			if (form->columns[j].is_amount == column->is_amount && other.len == column->len &&
			    memcmp(other.data, column_name(form, column).data, other.len) == 0)
				broken(form, "the header names a column twice");
			if (form->columns[j].is_amount != column->is_amount &&
			    (form->columns[j].member == ENTRY_RECORDS || column->member == ENTRY_RECORDS))
				broken(form, "the header has both records and records.<dimension>");
		}
	}
	form->column_count = form->cell_count;
	form->has_header = true;
}

static void add_string(struct growing *out, struct slice slice)
{
	GROWING_ADD(out, "\"");
	growing_add_json(out, slice);
	GROWING_ADD(out, "\"");
}

static bool is_number(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '\0' || strchr("0123456789+-.eE", text.data[i]) == NULL)
			return false;
	return text.len > 0;
}

static struct slice trimmed(struct slice text)
{
	while (text.len > 0 && memchr(" \t\r\n", text.data[text.len - 1], 4) != NULL)
		text.len--;
	while (text.len > 0 && memchr(" \t\r\n", text.data[0], 4) != NULL) {
		text.data++;
		text.len--;
	}
	return text;
}

/* Hands on a row that is no record. */
static void refuse(struct csv_form *form, const char *format, const char *name, size_t name_len,
                   struct slice value)
{
	struct entry entry = {.line = form->row_line};

	entry_fault(&entry, format, (int)(name_len < 100 ? name_len : 100), name,
	            (int)(value.len < 60 ? value.len : 60), value.len > 0 ? value.data : "");
	if (!form->sink->take(form->sink->context, &entry, growing_slice(&form->raw)))
		form->status = FORM_ENDED;
}

/* Writes the row as a JSON object; false when a cell is none of what its column wants. */
static bool write_json(struct csv_form *form)
{
	struct growing *out = &form->json_text;
	bool has_amount = false, has_member = false;

	growing_clear(out, SIZE_KEPT);
	GROWING_ADD(out, "{");
	for (size_t i = 0; i < form->column_count; i++) {
		const struct column *column = &form->columns[i];
		struct slice text = cell(form, i), name = column_name(form, column);
		if (column->is_amount || text.len == 0)
			continue;
		growing_add(out, slice_of(has_member ? "," : ""));
		has_member = true;
		add_string(out, name);
		GROWING_ADD(out, ":");
		if (entry_kind(column->member) == ENTRY_NUMBER && !is_number(text)) {
			refuse(form, "%.*s must be a number, not \"%.*s\"", name.data, name.len, text);
			return false;
		}
		if (entry_kind(column->member) == ENTRY_TEXT)
			add_string(out, text);
		else
			growing_add(out, trimmed(text));
	}
	for (size_t i = 0; i < form->column_count; i++) {
		const struct column *column = &form->columns[i];
		struct slice text = trimmed(cell(form, i)), name = column_name(form, column);
		if (!column->is_amount || text.len == 0)
			continue;
		if (!is_number(text)) {
			refuse(form, "records.%.*s must be a number, not \"%.*s\"", name.data, name.len, text);
			return false;
		}
		growing_add(out, slice_of(has_amount   ? ","
		                          : has_member ? ",\"records\":{"
		                                       : "\"records\":{"));
		has_amount = true;
		add_string(out, name);
		GROWING_ADD(out, ":");
		growing_add(out, text);
	}
	growing_add(out, slice_of(has_amount ? "}}" : "}"));
	return true;
}

/* A record that json_form made of a row: that each cell of JSON stayed within its place,
 * and its line and text are the row's. */
static bool take_row(void *context, struct entry *entry, struct slice text)
{
	struct csv_form *form = context;

	(void)text;
	entry->line = form->row_line;
	for (size_t i = 0; i < form->column_count; i++) {
		const struct column *column = &form->columns[i];
		if (column->is_amount || entry_kind(column->member) != ENTRY_OBJECT)
			continue;
		size_t len = trimmed(cell(form, i)).len;
		if (len != json_form_member_len(form->json, column->member) && len > 0)
			entry_fault(entry, "%s must be a JSON object", entry_name(column->member));
	}
	return form->sink->take(form->sink->context, entry, growing_slice(&form->raw));
}

static void on_cell(void *data, size_t len, void *context)
{
	struct csv_form *form = context;

	if (form->cell_count == COLUMNS_MAX) {
		broken(form, "has more than 1000 columns");
		return;
	}
	growing_add(&form->cells, (struct slice){data, len});
	form->ends[form->cell_count++] = form->cells.len;
}

static void read_row(struct csv_form *form)
{
	uint64_t line;

	if (!form->has_header) {
		read_header(form);
		return;
	}
	if (form->cell_count != form->column_count) {
		char counts[60];
		snprintf(counts, sizeof counts, "%zu cells, the header %zu", form->cell_count,
		         form->column_count);
		refuse(form, "has %.*s%.*s", counts, strlen(counts), slice_of(""));
		return;
	}
	if (!write_json(form))
		return;
	if (form->json_text.is_short || !json_form_begin(form->json, form->row_line)) {
		broken(form, "out of memory");
		return;
	}
	enum form_status status = json_form_read(form->json, growing_slice(&form->json_text));
	if (status == FORM_OK)
		status = json_form_end(form->json);
	if (status == FORM_ENDED) {
		form->status = FORM_ENDED;
	} else if (status == FORM_BROKEN) {
		struct slice reason = slice_of(json_form_fault(form->json, &line));
		refuse(form, "%.*s%.*s", "a cell ", 7, reason);
	}
}

static void on_row(int character, void *context)
{
	struct csv_form *form = context;

	(void)character;
	if (form->status == FORM_OK && (form->cells.is_short || form->raw.is_short))
		broken(form, "out of memory");
	if (form->status == FORM_OK)
		read_row(form);
	growing_clear(&form->cells, SIZE_KEPT);
	growing_clear(&form->raw, SIZE_KEPT);
	form->cell_count = 0;
}

struct csv_form *csv_form_open(const struct sink *sink)
{
	struct csv_form *form = calloc(1, sizeof *form);

	if (form == NULL)
		return NULL;
	form->sink = sink;
	form->row_line = 1;
	form->own_sink = (struct sink){form, take_row};
	form->json = json_form_open(&form->own_sink);
	form->is_parser_open = csv_init(&form->parser, CSV_STRICT | CSV_STRICT_FINI) == 0;
	if (form->json == NULL || !form->is_parser_open) {
		csv_form_close(form);
		return NULL;
	}
	return form;
}

void csv_form_close(struct csv_form *form)
{
	if (form == NULL)
		return;
	json_form_close(form->json);
	if (form->is_parser_open)
		csv_free(&form->parser);
	growing_free(&form->header);
	growing_free(&form->cells);
	growing_free(&form->raw);
	growing_free(&form->json_text);
	free(form);
}

static void check_parser(struct csv_form *form, bool is_read)
{
	char reason[ENTRY_REASON_SIZE];

	if (is_read)
		return;
	snprintf(reason, sizeof reason, "is not CSV: %s", csv_strerror(csv_error(&form->parser)));
	broken(form, reason);
}

enum form_status csv_form_read(struct csv_form *form, struct slice line)
{
	form->line++;
	if (form->raw.len == 0)
		form->row_line = form->line;
	/* A byte order mark, as spreadsheets write it. */
	if (form->line == 1 && line.len >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0) {
		line.data += 3;
		line.len -= 3;
	}
	growing_add(&form->raw, line);
	if (form->raw.len > ENTRY_LEN_MAX)
		broken(form, "a row is longer than 4194304 bytes");
	size_t len = csv_parse(&form->parser, line.data, line.len, on_cell, on_row, form);
	check_parser(form, len == line.len);
	/* An empty line is no row, and no part of the next. */
	if (trimmed(growing_slice(&form->raw)).len == 0 && form->cell_count == 0)
		growing_clear(&form->raw, SIZE_KEPT);
	return form->status;
}

enum form_status csv_form_end(struct csv_form *form)
{
	check_parser(form, csv_fini(&form->parser, on_cell, on_row, form) == 0);
	if (form->status == FORM_OK && !form->has_header)
		broken(form, "has no header line");
	return form->status;
}

const char *csv_form_fault(const struct csv_form *form, uint64_t *line)
{
	*line = form->row_line;
	return form->reason;
}
