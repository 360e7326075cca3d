/*
 * collect - what a form of the loader hands over, written down as text: a line for each
 * record, with the line of its file, and its members or what is wrong with it.
 */
#ifndef COLLECT_H
#define COLLECT_H

#include "test.h"

#include <inttypes.h>

#include "base/text.h"
#include "load/sink.h"

struct collect {
	char data[4096];
	struct text text;
	size_t left; /* records that are wanted */
};

static inline bool collect_take(void *context, struct entry *entry, struct slice text)
{
	struct collect *collect = context;

	(void)text;
	text_add_format(&collect->text, "%" PRIu64 ":", entry->line);
	if (entry->reason[0] != '\0')
		text_add_format(&collect->text, " %s", entry->reason);
	for (unsigned member = 0; member < ENTRY_MEMBER_COUNT && entry->reason[0] == '\0'; member++) {
		struct slice value = entry_text(entry, member);
		if (value.data != NULL)
			text_add_format(&collect->text, " %s=%.*s", entry_name(member), (int)value.len,
			                value.data);
	}
	TEXT_ADD(&collect->text, "\n");
	return --collect->left > 0;
}

static inline void collect_begin(struct collect *collect, size_t wanted)
{
	collect->text = TEXT_IN(collect->data);
	collect->left = wanted;
}

/* How the reading ended, and all that was written down. */
static inline const char *collect_end(struct collect *collect, enum form_status status,
                                      const char *reason, uint64_t line)
{
	if (status == FORM_BROKEN)
		text_add_format(&collect->text, "%" PRIu64 ": broken: %s\n", line, reason);
	else if (status == FORM_ENDED)
		TEXT_ADD(&collect->text, "ended\n");
	text_end(&collect->text);
	return collect->data;
}

#endif
