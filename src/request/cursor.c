#include "request/cursor.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "base/utc.h"

/* FNV-1a: a cursor that was cut or mistyped must not silently name another place. */
static uint32_t checksum(const char *text, size_t len)
{
	uint32_t sum = 2166136261;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ (unsigned char)text[i]) * 16777619;
	return sum;
}

void cursor_write(char out[static CURSOR_TEXT_SIZE], const struct cursor *cursor)
{
	/* Counted from the first day on, no field is negative. */
	const uint64_t fields[] = {(uint64_t)(cursor->after.creation_ms - UTC_FIRST_DAY * UTC_DAY_MS),
	                           cursor->after.serial_id, cursor->offset,
	                           (uint32_t)(cursor->end_day - UTC_FIRST_DAY)};
	struct text text = {.data = out, .size = CURSOR_TEXT_SIZE};

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		text_add_hex(&text, fields[i], 1);
		TEXT_ADD(&text, "-");
	}
	text_add_hex(&text, checksum(out, text.len - 1), 8);
	text_end(&text);
}

bool cursor_parse(struct slice text, struct cursor *cursor)
{
	char given[CURSOR_TEXT_SIZE], canonical[CURSOR_TEXT_SIZE];
	uint64_t ms, serial_id;
	uint32_t offset, day;

	if (text.len >= sizeof given)
		return false;
	memcpy(given, text.data, text.len);
	given[text.len] = '\0';
	if (sscanf(given, "%16" SCNx64 "-%16" SCNx64 "-%8" SCNx32 "-%8" SCNx32, &ms, &serial_id,
	           &offset, &day) != 4)
		return false;
	if (ms >= (uint64_t)((UTC_LAST_DAY + 1 - UTC_FIRST_DAY) * UTC_DAY_MS) ||
	    day > UTC_LAST_DAY - UTC_FIRST_DAY || offset > INT32_MAX)
		return false;

	struct cursor parsed = {
	    .after = {.creation_ms = (int64_t)ms + UTC_FIRST_DAY * UTC_DAY_MS, .serial_id = serial_id},
	    .offset = offset,
	    .end_day = (int32_t)day + UTC_FIRST_DAY};
	cursor_write(canonical, &parsed);
	if (strcmp(canonical, given) != 0) /* one text for each place; checks the sum too */
		return false;
	*cursor = parsed;
	return true;
}
