#include "load/entry.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/record.h"
#include "base/text.h"
#include "base/url.h"
#include "base/utc.h"
#include "base/utf8.h"
#include "request/filter.h"

enum { SIZE_KEPT = 64 << 10 };

static void check_identifier(struct entry *entry, enum entry_member member, struct slice text);
static void check_word(struct entry *entry, enum entry_member member, struct slice text);
static void set_time(struct entry *entry, enum entry_member member, struct slice text);
static void set_serial_id(struct entry *entry, enum entry_member member, struct slice text);
static void set_text(struct entry *entry, enum entry_member member, struct slice text);

/* clang-format off */
static const struct member {
	const char *name;
	enum entry_kind kind;
	bool is_needed;
	void (*set)(struct entry *entry, enum entry_member member, struct slice text);
	const char *const *words;
} members[] = {
	[ENTRY_BUYER_ID] = {"buyerID", ENTRY_TEXT, false, check_identifier, NULL},
	[ENTRY_CREATION_TIME] = {"creationTime", ENTRY_TEXT, false, set_time, NULL},
	[ENTRY_ENTITLEMENT_ID] = {"entitlementID", ENTRY_TEXT, false, check_identifier, NULL},
	[ENTRY_ID] = {"id", ENTRY_TEXT, true, check_identifier, NULL},
	[ENTRY_LAST_UPDATE_TIME] = {"lastUpdateTime", ENTRY_TEXT, false, set_time, NULL},
	[ENTRY_META_INFO] = {"metaInfo", ENTRY_OBJECT, false, set_text, NULL},
	[ENTRY_ORGANIZATION_ID] = {"organizationID", ENTRY_TEXT, true, check_identifier, NULL},
	[ENTRY_PARTNER] = {"partner", ENTRY_TEXT, true, check_word, filter_partners},
	[ENTRY_PRODUCT_ID] = {"productID", ENTRY_TEXT, false, check_identifier, NULL},
	[ENTRY_RECORDS] = {"records", ENTRY_OBJECT, false, set_text, NULL},
	[ENTRY_SERIAL_ID] = {"serialID", ENTRY_NUMBER, false, set_serial_id, NULL},
	[ENTRY_STATUS] = {"status", ENTRY_TEXT, true, check_word, filter_statuses},
	[ENTRY_USAGE_RECORD_REPORT_ID] = {"usageRecordReportID", ENTRY_TEXT, false, check_identifier, NULL},
};

const char *const entry_columns[] = {
	[ENTRY_BUYER_ID] = "buyer_id",
	[ENTRY_CREATION_TIME] = "creation_time",
	[ENTRY_ENTITLEMENT_ID] = "entitlement_id",
	[ENTRY_ID] = "id",
	[ENTRY_LAST_UPDATE_TIME] = "last_update_time",
	[ENTRY_META_INFO] = "meta_info",
	[ENTRY_ORGANIZATION_ID] = "organization_id",
	[ENTRY_PARTNER] = "partner",
	[ENTRY_PRODUCT_ID] = "product_id",
	[ENTRY_RECORDS] = "records",
	[ENTRY_SERIAL_ID] = "serial_id",
	[ENTRY_STATUS] = "status",
	[ENTRY_USAGE_RECORD_REPORT_ID] = "usage_record_report_id",
};
/* clang-format on */
_Static_assert(sizeof members / sizeof members[0] == ENTRY_MEMBER_COUNT, "a row each");

enum entry_member entry_find(struct slice name)
{
	unsigned member = 0;

	while (member < ENTRY_MEMBER_COUNT && !slice_equals(name, members[member].name))
		member++;
	return member;
}

const char *entry_name(enum entry_member member)
{
	return members[member].name;
}

enum entry_kind entry_kind(enum entry_member member)
{
	return members[member].kind;
}

void entry_begin(struct entry *entry, uint64_t line)
{
	entry->line = line;
	memset(entry->members, 0, sizeof entry->members);
	growing_clear(&entry->bytes, SIZE_KEPT);
	entry->reason[0] = '\0';
}

void entry_fault(struct entry *entry, const char *format, ...)
{
	va_list arguments;

	if (entry->reason[0] != '\0')
		return;
	va_start(arguments, format);
	vsnprintf(entry->reason, sizeof entry->reason, format, arguments);
	va_end(arguments);
}

/* What came, in quotes, escaped and cut short. */
struct shown {
	char text[100];
};

static struct shown show(struct slice slice)
{
	struct shown shown;
	struct text text = {.data = shown.text, .size = sizeof shown.text - 5};
	size_t len = slice.len < 60 ? slice.len : 60;

	while (len > 0 && len < slice.len && (slice.data[len] & 0xc0) == 0x80)
		len--;
	TEXT_ADD(&text, "\"");
	text_add_json(&text, (struct slice){slice.data, len});
	text.size = sizeof shown.text;
	if (len < slice.len || text.is_cut)
		TEXT_ADD(&text, "...");
	TEXT_ADD(&text, "\"");
	text_end(&text);
	return shown;
}

static void set_text(struct entry *entry, enum entry_member member, struct slice text)
{
	entry->members[member].at = entry->bytes.len;
	entry->members[member].len = text.len;
	entry->members[member].is_given = true;
	growing_add(&entry->bytes, text);
}

static void check_identifier(struct entry *entry, enum entry_member member, struct slice text)
{
	const unsigned char *bytes = (const unsigned char *)text.data;
	size_t count = url_character_count(text.data, text.len);
	uint32_t character;

	if (count > RECORD_ID_CHARACTERS)
		entry_fault(entry, "%s must have at most %d characters, not %zu: %s", entry_name(member),
		            RECORD_ID_CHARACTERS, count, show(text).text);
	for (size_t i = 0; i < text.len;) {
		size_t step = utf8_sequence(bytes + i, text.len - i, &character);
		if (step == 0) {
			entry_fault(entry, "%s must be UTF-8", entry_name(member));
			return;
		}
		if (character < 0x20 || (character >= 0x7f && character < 0xa0))
			entry_fault(entry, "%s must not have control characters: %s", entry_name(member),
			            show(text).text);
		i += step;
	}
	set_text(entry, member, text);
}

static bool is_one_of(struct slice text, const char *const *words)
{
	while (*words != NULL && !slice_equals(text, *words))
		words++;
	return *words != NULL;
}

/* "AWS, AZURE or GCP" */
static struct shown list(const char *const *words)
{
	struct shown shown;
	struct text text = TEXT_IN(shown.text);

	for (size_t i = 0; words[i] != NULL; i++)
		text_add_format(&text, "%s%s",
		                i == 0                 ? ""
		                : words[i + 1] == NULL ? " or "
		                                       : ", ",
		                words[i][0] != '\0' ? words[i] : "empty");
	text_end(&text);
	return shown;
}

static void check_word(struct entry *entry, enum entry_member member, struct slice text)
{
	const char *const *words = members[member].words;

	if (!is_one_of(text, words))
		entry_fault(entry, "%s must be %s, not %s", entry_name(member), list(words).text,
		            show(text).text);
	set_text(entry, member, text);
}

/* Reads two digits at *at, which moves behind them; -1 when there are fewer. */
static int two_digits(struct slice text, size_t *at)
{
	int value = 0;

	for (int count = 2; count > 0; count--, ++*at) {
		if (*at >= text.len || text.data[*at] < '0' || text.data[*at] > '9')
			return -1;
		value = value * 10 + (text.data[*at] - '0');
	}
	return value;
}

static bool is_char(struct slice text, size_t *at, const char *accepted)
{
	if (*at >= text.len || text.data[*at] == '\0' || strchr(accepted, text.data[*at]) == NULL)
		return false;
	++*at;
	return true;
}

/* RFC 3339, section 5.6; what is finer than a millisecond is cut.  A leap second has no
 * place in the table. */
static bool parse_time(struct slice text, int64_t *ms)
{
	size_t at = 10;
	int32_t day;
	int fraction = 0, offset = 0;

	if (text.len < 20 || !utc_parse_day((struct slice){text.data, 10}, &day) ||
	    !is_char(text, &at, "Tt "))
		return false;
	int hour = two_digits(text, &at);
	if (!is_char(text, &at, ":"))
		return false;
	int minute = two_digits(text, &at);
	if (!is_char(text, &at, ":"))
		return false;
	int second = two_digits(text, &at);
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
		return false;
	if (is_char(text, &at, ".")) {
		size_t first = at;
		for (int weight = 100; at < text.len && text.data[at] >= '0' && text.data[at] <= '9';
		     at++, weight /= 10)
			fraction += (text.data[at] - '0') * weight;
		if (at == first)
			return false;
	}
	if (!is_char(text, &at, "Zz")) {
		int sign = at < text.len && text.data[at] == '-' ? -1 : 1;
		if (!is_char(text, &at, "+-"))
			return false;
		int hours = two_digits(text, &at);
		if (!is_char(text, &at, ":"))
			return false;
		int minutes = two_digits(text, &at);
		if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
			return false;
		offset = sign * (hours * 60 + minutes);
	}
	*ms =
	    day * UTC_DAY_MS + ((hour * 60 + minute - offset) * 60 + second) * INT64_C(1000) + fraction;
	int32_t utc = utc_day(*ms);
	return at == text.len && utc >= UTC_FIRST_DAY && utc <= UTC_LAST_DAY;
}

static void fault_of_time(struct entry *entry, const char *name, struct slice text)
{
	entry_fault(entry, "%s must be a time like 2024-08-12T01:02:15.910Z, not %s", name,
	            show(text).text);
}

/* As the database writes it, so that both compare as text. */
static void set_time(struct entry *entry, enum entry_member member, struct slice text)
{
	char out[UTC_TEXT_LEN];
	int64_t ms;

	if (text.len == 0)
		return; /* as if it were absent */
	if (!parse_time(text, &ms)) {
		fault_of_time(entry, entry_name(member), text);
		return;
	}
	struct utc_time time = utc_from_ms(ms);
	utc_write(out, &time);
	out[10] = ' ';
	set_text(entry, member, (struct slice){out, UTC_TEXT_LEN - 1});
}

static void set_serial_id(struct entry *entry, enum entry_member member, struct slice text)
{
	size_t at = 0;

	while (at < text.len && text.data[at] >= '0' && text.data[at] <= '9')
		at++;
	/* 0 is what clients that know none send. */
	if (text.len == 0 || slice_equals(text, "0"))
		return;
	if (at < text.len || text.data[0] == '0' || text.len > 19 ||
	    (text.len == 19 && memcmp(text.data, "9223372036854775807", 19) > 0))
		entry_fault(entry, "serialID must be an integer from 1 to 9223372036854775807, not %s",
		            show(text).text);
	set_text(entry, member, text);
}

void entry_set(struct entry *entry, enum entry_member member, struct slice text)
{
	members[member].set(entry, member, text);
}

void entry_check_source(struct entry *entry, struct slice text)
{
	if (!is_one_of(text, filter_sources))
		entry_fault(entry, "metaInfo.source must be %s, not %s", list(filter_sources).text,
		            show(text).text);
}

void entry_check_timestamp(struct entry *entry, struct slice text)
{
	int64_t ms;

	/* Clients read it strictly. */
	if (!parse_time(text, &ms) || text.data[10] != 'T' || text.data[text.len - 1] == 'z')
		fault_of_time(entry, "metaInfo.timestamp", text);
}

void entry_check_amount(struct entry *entry, struct slice dimension, struct slice number)
{
	char copy[400];

	/* Below so many digits without an exponent there is nothing to be asked. */
	if (number.len < 300 && memchr(number.data, 'e', number.len) == NULL &&
	    memchr(number.data, 'E', number.len) == NULL)
		return;
	if (number.len < sizeof copy) {
		memcpy(copy, number.data, number.len);
		copy[number.len] = '\0';
		if (!isinf(strtod(copy, NULL)))
			return;
	}
	entry_fault(entry, "records.%s must be a number that fits a double, not %s",
	            show(dimension).text, show(number).text);
}

bool entry_end(struct entry *entry)
{
	for (unsigned member = 0; member < ENTRY_MEMBER_COUNT; member++)
		if (members[member].is_needed && entry->members[member].len == 0)
			entry_fault(entry, "%s is missing", entry_name(member));
	if (entry->bytes.is_short)
		entry_fault(entry, "out of memory");
	return entry->reason[0] == '\0';
}

struct slice entry_text(const struct entry *entry, enum entry_member member)
{
	if (!entry->members[member].is_given)
		return (struct slice){NULL, 0};
	/* Of a record with empty members alone nothing was ever added. */
	if (entry->members[member].len == 0)
		return (struct slice){"", 0};
	return (struct slice){entry->bytes.data + entry->members[member].at,
	                      entry->members[member].len};
}
