/*
 * amounts - the members of a record's amounts, by dimension.
 *
 * Reads the JSON object as it is stored and leaves the digits as they are.  Of members of one
 * name the last counts, as for whoever parses the page.
 */
#ifndef AMOUNTS_H
#define AMOUNTS_H

#include "base/growing.h"
#include "base/number.h"
#include "request/json_text.h"

struct amount {
	struct slice dimension; /* decoded */
	struct slice value;     /* JSON text; valid as long as the document */
	bool is_number;
	struct number number; /* in value, when it is one */
};

/* Begins as {0}; one document after the other may be parsed into it. */
struct amounts {
	struct amount *list;
	size_t count, size;
	struct growing names;  /* decoded ones */
	struct json_text text; /* of documents that are not plain */
};

enum amounts_status {
	AMOUNTS_OK,
	AMOUNTS_UNREADABLE, /* no JSON object */
	AMOUNTS_NO_MEMORY,
};

/* Lists the members of document; an empty one has none. */
enum amounts_status amounts_parse(struct amounts *amounts, struct slice document);

void amounts_close(struct amounts *amounts);

#endif
