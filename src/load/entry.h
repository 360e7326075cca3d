/*
 * entry - a record on its way into the table, and what the table promises about it.
 *
 * Owns the members that a record may have, the checks of each, and the words that say
 * what is wrong.  Knows neither forms of files nor SQL.
 *
 * A member that is absent has no data; one that is given and empty, or null, is an empty
 * text.  metaInfo and records are kept byte by byte.
 */
#ifndef ENTRY_H
#define ENTRY_H

#include <stdint.h>

#include "base/growing.h"

enum entry_member {
	ENTRY_BUYER_ID,
	ENTRY_CREATION_TIME,
	ENTRY_ENTITLEMENT_ID,
	ENTRY_ID,
	ENTRY_LAST_UPDATE_TIME,
	ENTRY_META_INFO,
	ENTRY_ORGANIZATION_ID,
	ENTRY_PARTNER,
	ENTRY_PRODUCT_ID,
	ENTRY_RECORDS,
	ENTRY_SERIAL_ID,
	ENTRY_STATUS,
	ENTRY_USAGE_RECORD_REPORT_ID,
	ENTRY_MEMBER_COUNT
};

enum {
	ENTRY_REASON_SIZE = 512,
	ENTRY_LEN_MAX = 4 << 20, /* bytes of one record in a file */
	/* Objects and arrays within metaInfo: MariaDB's functions go no deeper. */
	ENTRY_DEPTH_MAX = 30,
};

/* How a member comes in JSON. */
enum entry_kind { ENTRY_TEXT, ENTRY_NUMBER, ENTRY_OBJECT };

/* The column that a member is stored in. */
extern const char *const entry_columns[ENTRY_MEMBER_COUNT];

/* The member of the API's name; ENTRY_MEMBER_COUNT when there is none. */
enum entry_member entry_find(struct slice name);
const char *entry_name(enum entry_member member);
enum entry_kind entry_kind(enum entry_member member);

struct entry {
	uint64_t line; /* of its file, where it begins */
	struct {
		size_t at, len;
		bool is_given;
	} members[ENTRY_MEMBER_COUNT];
	struct growing bytes;           /* what members points into */
	char reason[ENTRY_REASON_SIZE]; /* the first fault; empty: none */
};

/* Makes an entry empty; its memory stays.  The first time it has to be zero. */
void entry_begin(struct entry *entry, uint64_t line);

/* Notes a fault, unless there is one already. */
void entry_fault(struct entry *entry, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sets a member to a text as it came (JSON for ENTRY_OBJECT), after checking it. */
void entry_set(struct entry *entry, enum entry_member member, struct slice text);

/* Members of metaInfo and records that the table looks at; each to be told of. */
void entry_check_source(struct entry *entry, struct slice text);
void entry_check_timestamp(struct entry *entry, struct slice text);
void entry_check_amount(struct entry *entry, struct slice dimension, struct slice number);

/* What only the whole record can say: that nothing is missing.  Whether it is good. */
bool entry_end(struct entry *entry);

/* A member's text; data is NULL when it is absent.  Valid until the entry changes. */
struct slice entry_text(const struct entry *entry, enum entry_member member);

#endif
