/*
 * check - what must hold for each record that a form of the loader takes.
 */
#ifndef CHECK_H
#define CHECK_H

#include "fuzz.h"

#include "base/utf8.h"
#include "load/sink.h"

struct check {
	size_t good_count, refused_count;
};

static inline bool check_take(void *context, struct entry *entry, struct slice text)
{
	struct check *check = context;

	(void)text;
	if (entry->reason[0] != '\0') {
		check->refused_count++;
		return true;
	}
	check->good_count++;
	for (unsigned member = 0; member < ENTRY_MEMBER_COUNT; member++) {
		struct slice value = entry_text(entry, member);
		if (value.data == NULL)
			continue;
		MUST(utf8_is_valid(value));
		if (entry_kind(member) == ENTRY_OBJECT)
			MUST(value.len >= 2 && value.data[0] == '{' && value.data[value.len - 1] == '}');
		else
			MUST(memchr(value.data, '\0', value.len) == NULL);
	}
	MUST(entry_text(entry, ENTRY_ID).len > 0);
	MUST(entry_text(entry, ENTRY_ORGANIZATION_ID).len > 0);
	return true;
}

#endif
