#include "base/url.h"

#include <stdint.h>

#include "base/utf8.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum url_status check_text(const char *text, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)text;
	uint32_t code_point;

	for (size_t i = 0; i < len;) {
		size_t step = utf8_sequence(bytes + i, len - i, &code_point);
		if (step == 0)
			return URL_BAD_UTF8;
		if (code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0))
			return URL_CONTROL;
		i += step;
	}
	return URL_OK;
}

enum url_status url_decode(struct slice text, enum url_form form, char *out, size_t out_size,
                           size_t *out_len)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		if (c == '%') {
			if (text.len - i < 3)
				return URL_BAD_ESCAPE;
			int high = hex_digit(text.data[i + 1]), low = hex_digit(text.data[i + 2]);
			if (high < 0 || low < 0)
				return URL_BAD_ESCAPE;
			c = (char)(high << 4 | low);
			i += 2;
		} else if (c == '+' && form == URL_QUERY) {
			c = ' ';
		}
		if (len + 1 >= out_size)
			return URL_TOO_LONG;
		out[len++] = c;
	}
	out[len] = '\0';
	*out_len = len;
	return check_text(out, len);
}

size_t url_character_count(const char *text, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	return count;
}

/* Moves what stands before the first stop in *text to *head; the stop stays. */
static void split_before(struct slice *text, char stop, struct slice *head)
{
	const char *at = memchr(text->data, stop, text->len);

	*head = *text;
	if (at != NULL)
		head->len = (size_t)(at - text->data);
	text->data += head->len;
	text->len -= head->len;
}

static void drop_first(struct slice *text)
{
	text->data++;
	text->len--;
}

bool url_next_segment(struct slice *path, struct slice *segment)
{
	if (path->len == 0 || path->data[0] != '/')
		return false;
	drop_first(path);
	split_before(path, '/', segment);
	return true;
}

bool url_next_pair(struct slice *query, struct slice *name, struct slice *value)
{
	while (query->len > 0 && query->data[0] == '&')
		drop_first(query);
	if (query->len == 0)
		return false;
	split_before(query, '&', value);
	split_before(value, '=', name);
	if (value->len > 0)
		drop_first(value);
	return true;
}
