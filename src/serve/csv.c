#include "serve/csv.h"

/* Whether the text has to stand in quotes. */
static bool is_special(struct slice text)
{
	static const bool specials[UINT8_MAX + 1] = {
	    [','] = true, ['"'] = true, ['\r'] = true, ['\n'] = true};

	for (size_t i = 0; i < text.len; i++)
		if (specials[(unsigned char)text.data[i]])
			return true;
	return false;
}

/* Copies the text, each quote twice, and gives the place behind it.  JSON has a quote every few
 * bytes: looking for the next one, or a jump for each, costs more than writing each byte twice. */
static char *copy_quoted(char *out, struct slice text)
{
	size_t doubled = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		out[i + doubled] = c;
		doubled += c == '"';
		out[i + doubled] = c;
	}
	return out + text.len + doubled;
}

/* Adds the cell, and the comma behind it. */
static void add_cell(struct growing *line, bool is_marked, struct slice text)
{
	/* All quotes, and two around them, mark and comma. */
	if (!growing_reserve(line, 2 * text.len + 4))
		return;
	char *out = line->data + line->len;
	bool is_quoted = is_special(text);

	*out = '"';
	out += is_quoted;
	*out = '\'';
	out += is_marked;
	if (is_quoted) {
		out = copy_quoted(out, text);
		*out++ = '"';
	} else if (text.len > 0) {
		memcpy(out, text.data, text.len);
		out += text.len;
	}
	*out++ = ',';
	line->len = (size_t)(out - line->data);
}

void csv_add_text(struct growing *line, struct slice text)
{
	add_cell(line, text.len > 0 && strchr("=+-@'\t\r", text.data[0]) != NULL, text);
}

void csv_add_plain(struct growing *line, struct slice text)
{
	add_cell(line, false, text);
}

void csv_end_line(struct growing *line)
{
	if (line->is_short)
		return;
	line->len--; /* the last comma */
	GROWING_ADD(line, "\r\n");
}
