#include "base/utc.h"

#include <time.h>

/* All by hand: the C library's calendar counts leap seconds where TZ is a "right/" zone. */

enum { DAYS_BEFORE_1970 = 719468, CYCLE_DAYS = 146097 }; /* from 0000-03-01; of 400 years */

/* Days from 1970-01-01; years run from March so that a leap day comes last. */
static int32_t day_number(unsigned year, unsigned month, unsigned day)
{
	unsigned march_year = month > 2 ? year : year - 1;
	unsigned century = march_year / 100;
	unsigned month_from_march = (month + 9) % 12;

	return (int32_t)(march_year * 365 + march_year / 4 - century + century / 4 +
	                 (month_from_march * 153 + 2) / 5 + day) -
	       DAYS_BEFORE_1970 - 1;
}

/* The other way: fills year, month and day. */
static void set_day(struct utc_time *time, int32_t day)
{
	unsigned from_start = (unsigned)(day + DAYS_BEFORE_1970);
	unsigned in_cycle = from_start % CYCLE_DAYS;
	/* Without the leap days of 4 years, those of centuries, and that of the whole. */
	unsigned year =
	    (in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / (CYCLE_DAYS - 1)) / 365;
	unsigned in_year = in_cycle - (year * 365 + year / 4 - year / 100);
	unsigned month_from_march = (in_year * 5 + 2) / 153;

	time->day = in_year - (month_from_march * 153 + 2) / 5 + 1;
	time->month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	time->year = year + from_start / CYCLE_DAYS * 400 + (time->month <= 2);
}

static unsigned month_length(unsigned year, unsigned month)
{
	static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return month == 2 && is_leap ? 29 : lengths[month - 1];
}

bool utc_parse_day(struct slice text, int32_t *day)
{
	unsigned parts[3] = {0};

	if (text.len != 10 || text.data[4] != '-' || text.data[7] != '-')
		return false;
	for (size_t i = 0, part = 0; i < text.len; i++) {
		char c = text.data[i];
		if (i == 4 || i == 7)
			part++;
		else if (c >= '0' && c <= '9')
			parts[part] = parts[part] * 10 + (unsigned)(c - '0');
		else
			return false;
	}
	if (parts[0] < 1000 || parts[1] < 1 || parts[1] > 12 || parts[2] < 1 ||
	    parts[2] > month_length(parts[0], parts[1]))
		return false;
	*day = day_number(parts[0], parts[1], parts[2]);
	return true;
}

int64_t utc_to_ms(const struct utc_time *time)
{
	int64_t seconds = (int64_t)day_number(time->year, time->month, time->day) * 86400 +
	                  time->hour * 3600 + time->minute * 60 + time->second;
	return seconds * 1000 + time->millisecond;
}

int32_t utc_day(int64_t ms)
{
	return (int32_t)((ms >= 0 ? ms : ms - (UTC_DAY_MS - 1)) / UTC_DAY_MS);
}

struct utc_time utc_from_ms(int64_t ms)
{
	int32_t day = utc_day(ms);
	unsigned in_day = (unsigned)(ms - day * UTC_DAY_MS);
	struct utc_time time = {.hour = in_day / 3600000,
	                        .minute = in_day / 60000 % 60,
	                        .second = in_day / 1000 % 60,
	                        .millisecond = in_day % 1000};

	set_day(&time, day);
	return time;
}

int64_t utc_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static char *write_two(char *out, unsigned value)
{
	static const char digits[] = "0001020304050607080910111213141516171819"
	                             "2021222324252627282930313233343536373839"
	                             "4041424344454647484950515253545556575859"
	                             "6061626364656667686970717273747576777879"
	                             "8081828384858687888990919293949596979899";

	memcpy(out, digits + value % 100 * 2, 2);
	return out + 2;
}

void utc_write(char *out, const struct utc_time *time)
{
	out = write_two(out, time->year / 100);
	out = write_two(out, time->year % 100);
	*out++ = '-';
	out = write_two(out, time->month);
	*out++ = '-';
	out = write_two(out, time->day);
	*out++ = 'T';
	out = write_two(out, time->hour);
	*out++ = ':';
	out = write_two(out, time->minute);
	*out++ = ':';
	out = write_two(out, time->second);
	*out++ = '.';
	*out++ = (char)('0' + time->millisecond / 100 % 10);
	out = write_two(out, time->millisecond % 100);
	*out = 'Z';
}
