#include "text.h"

#include <stdarg.h>
#include <stdio.h>

void text_add_integer(struct text *text, uint64_t value)
{
	char digits[20];
	size_t first = sizeof digits;

	do
		digits[--first] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	text_add(text, (struct slice){digits + first, sizeof digits - first});
}

void text_add_ms(struct text *text, double ms)
{
	uint64_t us = ms > 0 ? (uint64_t)(ms * 1e3) : 0;
	char decimals[] = {'.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10),
	                   (char)('0' + us % 10)};

	text_add_integer(text, us / 1000);
	text_add(text, (struct slice){decimals, sizeof decimals});
}

static void add_escaped(struct text *text, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char escape[] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	if (c >= 0x20) {
		escape[1] = (char)c;
		text_add(text, (struct slice){escape, 2});
	} else {
		text_add(text, (struct slice){escape, sizeof escape});
	}
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c != '"' && c != '\\';
}

/* Eight bytes at a time ("Bit Twiddling Hacks": determine if a word has a byte less than
 * n, or a zero byte): nearly all text is plain. */
static bool are_eight_plain(const char *bytes)
{
	const uint64_t ones = UINT64_MAX / 255, highs = ones << 7;
	uint64_t word, quotes, backslashes;

	memcpy(&word, bytes, sizeof word);
	quotes = word ^ ones * '"';
	backslashes = word ^ ones * '\\';
	return ((((word - ones * 0x20) & ~word) | ((quotes - ones) & ~quotes) |
	         ((backslashes - ones) & ~backslashes)) & highs) == 0;
}

void text_add_json(struct text *text, struct slice slice)
{
	size_t done = 0; /* what stands before has been added */

	if (slice.len == 0)
		return; /* data may be NULL */
	for (size_t i = 0; i < slice.len;) {
		if (slice.len - i >= 8 && are_eight_plain(slice.data + i)) {
			i += 8;
			continue;
		}
		if (!is_plain((unsigned char)slice.data[i])) {
			text_add(text, (struct slice){slice.data + done, i - done});
			add_escaped(text, (unsigned char)slice.data[i]);
			done = i + 1;
		}
		i++;
	}
	text_add(text, (struct slice){slice.data + done, slice.len - done});
}

void text_add_format(struct text *text, const char *format, ...)
{
	size_t room = text->size - text->len;
	va_list arguments;

	va_start(arguments, format);
	int len = vsnprintf(text->data + text->len, room, format, arguments);
	va_end(arguments);
	if (len < 0 || (size_t)len >= room)
		text->is_cut = true;
	else
		text->len += (size_t)len;
}

void text_end(struct text *text)
{
	if (text->len == text->size)
		text->len--;
	text->data[text->len] = '\0';
}
