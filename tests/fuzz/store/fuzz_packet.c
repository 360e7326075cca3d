/*
 * A row of the binary protocol: the first byte says how many columns it has, one each behind it
 * behind it of which kinds they are, and the rest is the packet.  What is read lies in the packet,
 * and with a byte less or more it is no row.
 */
#include "fuzz.h"

#include <string.h>

#include "store/packet.h"

enum { COLUMNS_MAX = 16, LEN_MAX = 1020 };

static bool is_inside(struct slice text, const char *data, size_t len)
{
	return text.len == 0 ||
	       (text.data >= data && text.len <= len && (size_t)(text.data - data) <= len - text.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	union packet_value values[COLUMNS_MAX];
	struct packet_column columns[COLUMNS_MAX];
	size_t count = size > 0 ? data[0] % (COLUMNS_MAX + 1) : 0;

	if (size < 1 + count)
		return 0;
	for (size_t i = 0; i < count; i++)
		columns[i] = (struct packet_column){data[1 + i] % (PACKET_TEXT + 1), LEN_MAX, &values[i]};
	size_t len = size - 1 - count;
	char *packet = malloc(len); /* without a NUL, so that reading it is noticed, too */
	MUST(packet != NULL || len == 0);
	if (len > 0)
		memcpy(packet, data + 1 + count, len);
	if (packet_read((struct slice){packet, len}, columns, count)) {
		for (size_t i = 0; i < count; i++) {
			char written[UTC_TEXT_LEN];
			if (columns[i].kind == PACKET_TEXT)
				MUST(is_inside(values[i].text, packet, len) && values[i].text.len <= LEN_MAX);
			if (columns[i].kind == PACKET_TIME)
				utc_write(written, &values[i].time);
		}
		char *shorter = malloc(len - 1);
		MUST(shorter != NULL || len == 1);
		memcpy(shorter, packet, len - 1);
		MUST(!packet_read((struct slice){shorter, len - 1}, columns, count));
		free(shorter);
	}
	free(packet);
	return 0;
}
