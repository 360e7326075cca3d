#include "base/text.h"

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

void text_add_hex(struct text *text, uint64_t value, int digit_count)
{
	char digits[16];
	size_t len = 0;

	while (digit_count < 16 && value >> (4 * digit_count) > 0)
		digit_count++;
	while (digit_count-- > 0)
		digits[len++] = "0123456789abcdef"[value >> (4 * digit_count) & 15];
	text_add(text, (struct slice){digits, len});
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

/*
 * Copies eight bytes; false, and nothing, if one of them has to be escaped.  A byte that is
 * less than n, which is at most 0x80, borrows from its highest bit when n is taken away,
 * and did not have it before ("Bit Twiddling Hacks": determine if a word has a byte less
 * than n).  With its second bit turned over, '"' comes right behind the control characters.
 */
static bool copy_eight_plain(char *to, const char *from)
{
	const uint64_t ones = UINT64_MAX / 255, highs = ones << 7;
	uint64_t word;

	memcpy(&word, from, sizeof word);
	uint64_t controls = (word ^ ones * 2) - ones * 0x21;
	uint64_t backslashes = (word ^ ones * '\\') - ones;
	if (((controls | backslashes) & ~word & highs) != 0)
		return false;
	memcpy(to, &word, sizeof word);
	return true;
}

void text_add_json(struct text *text, struct slice slice)
{
	char *out = text->data + text->len;
	size_t i = 0;

	/* Nearly all text is plain.  Its last bytes are rather copied twice than one by one. */
	if (slice.len >= 8 && slice.len <= text->size - text->len) {
		size_t last = slice.len - 8;
		while (i < last && copy_eight_plain(out + i, slice.data + i))
			i += 8;
		if (i >= last && copy_eight_plain(out + last, slice.data + last))
			i = slice.len;
		text->len += i;
	}
	for (; i < slice.len; i++) {
		unsigned char c = (unsigned char)slice.data[i];
		if (c < 0x20 || c == '"' || c == '\\')
			add_escaped(text, c);
		else
			text_add(text, (struct slice){slice.data + i, 1});
	}
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
