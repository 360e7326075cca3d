#include "load/reader.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "load/csv_form.h"
#include "load/json_form.h"

enum { PIECE_SIZE = 64 << 10, SIZE_KEPT = 256 << 10 };

const char *const reader_form_names[] = {[READER_LOOK] = "auto",
                                         [READER_CSV] = "csv",
                                         [READER_JSON] = "json",
                                         [READER_NDJSON] = "ndjson"};

/* What is read at present. */
struct reading {
	struct reader *reader;
	struct json_form *json;
	struct csv_form *csv;
	struct growing line; /* that has not ended yet */
	uint64_t line_count;
	uint64_t read_len;
};

static struct slice without_space(struct slice text)
{
	while (text.len > 0 && memchr(" \t\r\n", text.data[0], 4) != NULL) {
		text.data++;
		text.len--;
	}
	return text;
}

static bool begins_with(struct slice text, const char *start)
{
	return text.len >= strlen(start) && memcmp(text.data, start, strlen(start)) == 0;
}

static enum reader_form look(struct slice text)
{
	text = without_space(text);
	if (text.len == 0 || text.data[0] == '[')
		return READER_JSON;
	if (text.data[0] != '{')
		return READER_CSV;
	struct slice name = without_space((struct slice){text.data + 1, text.len - 1});
	if (begins_with(name, "\"usageRecordGroups\"") || begins_with(name, "\"nextOffset\""))
		return READER_JSON;
	/* An object that does not end on its line was laid out for people. */
	const char *end = memchr(text.data, '\n', text.len);
	size_t len = end != NULL ? (size_t)(end - text.data) : text.len;
	if (end == NULL && text.len >= PIECE_SIZE / 2)
		return READER_NDJSON;
	while (len > 0 && memchr(" \t\r", text.data[len - 1], 3) != NULL)
		len--;
	return len > 1 && text.data[len - 1] == '}' ? READER_NDJSON : READER_JSON;
}

static enum form_status broken(struct reader *reader, const char *reason, uint64_t line)
{
	snprintf(reader->reason, sizeof reader->reason, "%s", reason);
	reader->line = line;
	return FORM_BROKEN;
}

static enum form_status json_status(struct reading *reading, enum form_status status)
{
	uint64_t line;

	if (status != FORM_BROKEN)
		return status;
	const char *reason = json_form_fault(reading->json, &line);
	return broken(reading->reader, reason, line);
}

static enum form_status csv_status(struct reading *reading, enum form_status status)
{
	uint64_t line;

	if (status != FORM_BROKEN)
		return status;
	const char *reason = csv_form_fault(reading->csv, &line);
	return broken(reading->reader, reason, line);
}

static enum form_status read_line(struct reading *reading, struct slice line)
{
	struct reader *reader = reading->reader;

	reading->line_count++;
	if (reader->form == READER_CSV)
		return csv_status(reading, csv_form_read(reading->csv, line));
	if (without_space(line).len == 0)
		return FORM_OK;
	if (!json_form_begin(reading->json, reading->line_count))
		return broken(reader, "out of memory", 0);
	enum form_status status = json_form_read(reading->json, line);
	if (status == FORM_OK)
		status = json_form_end(reading->json);
	if (status != FORM_BROKEN)
		return status;
	struct entry entry = {.line = reading->line_count};
	uint64_t where;
	entry_fault(&entry, "%s", json_form_fault(reading->json, &where));
	return reader->sink->take(reader->sink->context, &entry, line) ? FORM_OK : FORM_ENDED;
}

/* Cuts a piece into lines; the last one may have to wait for its end. */
static enum form_status read_lines(struct reading *reading, struct slice piece)
{
	enum form_status status = FORM_OK;

	while (piece.len > 0 && status == FORM_OK) {
		const char *end = memchr(piece.data, '\n', piece.len);
		size_t len = end != NULL ? (size_t)(end - piece.data) + 1 : piece.len;
		struct slice line = {piece.data, len};
		if (end == NULL || reading->line.len > 0) {
			growing_add(&reading->line, line);
			line = growing_slice(&reading->line);
			if (line.len > ENTRY_LEN_MAX || reading->line.is_short)
				return broken(reading->reader, "a line is longer than 4194304 bytes",
				              reading->line_count + 1);
		}
		if (end != NULL) {
			status = read_line(reading, line);
			growing_clear(&reading->line, SIZE_KEPT);
		}
		piece.data += len;
		piece.len -= len;
	}
	return status;
}

static enum form_status read_piece(struct reading *reading, struct slice piece)
{
	struct reader *reader = reading->reader;

	if (reading->read_len == 0) {
		if (begins_with(piece, "\xef\xbb\xbf")) {
			piece.data += 3;
			piece.len -= 3;
		}
		if (reader->form == READER_LOOK)
			reader->form = look(piece);
		if (reader->form == READER_CSV ? (reading->csv = csv_form_open(reader->sink)) == NULL
		                               : (reading->json = json_form_open(reader->sink)) == NULL ||
		                                     !json_form_begin(reading->json, 1))
			return broken(reader, "out of memory", 0);
	}
	if (reader->form == READER_JSON)
		return json_status(reading, json_form_read(reading->json, piece));
	return read_lines(reading, piece);
}

static enum form_status end(struct reading *reading)
{
	enum form_status status = FORM_OK;

	if (reading->read_len == 0)
		return FORM_OK;
	if (reading->reader->form == READER_JSON)
		return json_status(reading, json_form_end(reading->json));
	if (reading->line.len > 0)
		status = read_line(reading, growing_slice(&reading->line));
	if (status == FORM_OK && reading->csv != NULL)
		status = csv_status(reading, csv_form_end(reading->csv));
	return status;
}

/* Fills a buffer as far as the file has something; 0 at its end, -1 at a fault. */
static ssize_t fill(struct reading *reading, int file, char *buffer)
{
	ssize_t len;

	while ((len = read(file, buffer, PIECE_SIZE)) < 0 && errno == EINTR)
		if (!reading->reader->go_on(reading->reader->sink->context, reading->read_len))
			break;
	/* A form is known by its first line, which a pipe may give in parts. */
	while (reading->read_len == 0 && len > 0 && len < PIECE_SIZE / 2 &&
	       memchr(buffer, '\n', (size_t)len) == NULL) {
		ssize_t more = read(file, buffer + len, PIECE_SIZE - (size_t)len);
		if (more <= 0)
			break;
		len += more;
	}
	return len;
}

enum form_status reader_run(struct reader *reader, int file)
{
	struct reading reading = {.reader = reader};
	enum form_status status = FORM_OK;
	char buffer[PIECE_SIZE];
	ssize_t len = 0;

	reader->line = 0;
	while (status == FORM_OK) {
		if (!reader->go_on(reader->sink->context, reading.read_len)) {
			status = FORM_ENDED;
			break;
		}
		len = fill(&reading, file, buffer);
		if (len <= 0)
			break;
		status = read_piece(&reading, (struct slice){buffer, (size_t)len});
		reading.read_len += (uint64_t)len;
	}
	if (status == FORM_OK && len < 0)
		status = errno == EINTR ? FORM_ENDED : broken(reader, strerror(errno), 0);
	if (status == FORM_OK)
		status = end(&reading);
	json_form_close(reading.json);
	csv_form_close(reading.csv);
	growing_free(&reading.line);
	return status;
}
