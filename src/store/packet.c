#include "store/packet.h"

enum {
	/* Of the map of columns that are NULL, the first two bits say nothing. */
	NULL_MAP_SKIP = 2,
	/* A time is as short as its zeros allow: nothing, a day, to the second, to the microsecond. */
	TIME_LEN_DAY = 4,
	TIME_LEN_SECOND = 7,
	TIME_LEN_MAX = 11,
};

/* What is left of a packet. */
struct rest {
	const unsigned char *data, *end;
};

static uint64_t little_endian(const unsigned char *data, size_t len)
{
	uint64_t number = 0;

	for (size_t i = 0; i < len; i++)
		number |= (uint64_t)data[i] << (8 * i);
	return number;
}

static bool take(struct rest *rest, uint64_t len, const unsigned char **data)
{
	if (len > (uint64_t)(rest->end - rest->data))
		return false;
	*data = rest->data;
	rest->data += len;
	return true;
}

/* The length that is written before a text: a byte, or what that byte says how many are. */
static bool take_len(struct rest *rest, uint64_t *len)
{
	static const unsigned char sizes[] = {[252 - 252] = 2, [253 - 252] = 3, [254 - 252] = 8};
	const unsigned char *data;

	if (!take(rest, 1, &data))
		return false;
	*len = data[0];
	if (data[0] < 251)
		return true;
	if (data[0] == 251 || data[0] == 255)
		return false;
	size_t size = sizes[data[0] - 252];
	if (!take(rest, size, &data))
		return false;
	*len = little_endian(data, size);
	return true;
}

static bool take_time(struct rest *rest, struct utc_time *time)
{
	const unsigned char *len, *data;

	*time = (struct utc_time){.year = 0};
	if (!take(rest, 1, &len) || !take(rest, *len, &data))
		return false;
	if (*len != 0 && *len != TIME_LEN_DAY && *len != TIME_LEN_SECOND && *len != TIME_LEN_MAX)
		return false;
	if (*len >= TIME_LEN_DAY) {
		time->year = (unsigned)little_endian(data, 2);
		time->month = data[2];
		time->day = data[3];
	}
	if (*len >= TIME_LEN_SECOND) {
		time->hour = data[4];
		time->minute = data[5];
		time->second = data[6];
	}
	if (*len == TIME_LEN_MAX)
		time->millisecond = (unsigned)little_endian(data + 7, 4) / 1000;
	return time->year <= 9999 && time->month <= 12 && time->day <= 31 && time->hour <= 23 &&
	       time->minute <= 59 && time->second <= 59 && time->millisecond <= 999;
}

static bool take_value(struct rest *rest, const struct packet_column *column)
{
	const unsigned char *data;
	uint64_t len;

	switch (column->kind) {
	case PACKET_INTEGER:
		if (!take(rest, 8, &data))
			return false;
		column->value->integer = little_endian(data, 8);
		return true;
	case PACKET_TIME:
		return take_time(rest, &column->value->time);
	case PACKET_TEXT:
		if (!take_len(rest, &len) || len > column->len_max || !take(rest, len, &data))
			return false;
		column->value->text = (struct slice){(const char *)data, (size_t)len};
		return true;
	}
	return false;
}

static void set_null(const struct packet_column *column)
{
	if (column->kind == PACKET_TEXT)
		column->value->text = (struct slice){"", 0};
	else
		*column->value = (union packet_value){.time = {.year = 0}};
}

bool packet_read(struct slice packet, const struct packet_column *columns, size_t count)
{
	struct rest rest = {(const unsigned char *)packet.data,
	                    (const unsigned char *)packet.data + packet.len};
	const unsigned char *head, *nulls;

	if (!take(&rest, 1, &head) || *head != 0 ||
	    !take(&rest, (count + NULL_MAP_SKIP + 7) / 8, &nulls))
		return false;
	for (size_t i = 0; i < count; i++) {
		size_t bit = i + NULL_MAP_SKIP;
		if (nulls[bit / 8] >> bit % 8 & 1)
			set_null(&columns[i]);
		else if (!take_value(&rest, &columns[i]))
			return false;
	}
	return rest.data == rest.end;
}
