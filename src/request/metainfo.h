/*
 * metainfo - the metaInfo filter: a JSON object that a record's metaInfo must
 * contain, and the exact test of containment.
 *
 * Containment is that of MySQL's JSON_CONTAINS: each member of the filter's object
 * is contained in the member of that name; each element of the filter's array in
 * some element of the document's array; a filter that is no array in some element
 * of a document that is one; scalars when they are equal, as json_text has it.
 *
 * The servers answer some of these questions differently, so none is asked: this module
 * decides alone.
 */
#ifndef METAINFO_H
#define METAINFO_H

#include <stdint.h>

#include "base/slice.h"

enum {
	METAINFO_LEN_MAX = 4096, /* bytes of a filter */
	METAINFO_DEPTH_MAX = 16, /* nested objects and arrays of a filter */
	/* Comparisons that one document may take: about a second. */
	METAINFO_STEPS_MAX = 20000000,
};

struct metainfo;

/*
 * Parses a filter (RFC 8259) of valid UTF-8.  Returns NULL when it is none, *reason then says
 * why in words that fit behind "metaInfo"; *reason is NULL when memory ran out.  To be
 * freed with metainfo_free.
 */
struct metainfo *metainfo_parse(const char *text, const char **reason);
void metainfo_free(struct metainfo *filter); /* NULL is fine */

/* The filter "{}": everything contains it, a missing document too. */
bool metainfo_is_empty(const struct metainfo *filter);

/* The filter without needless white space and escapes. */
struct slice metainfo_text(const struct metainfo *filter);

/* The value of the filter's member called name if it is a string: true, and *value is that
 * string decoded, borrowed from the filter. */
bool metainfo_member(const struct metainfo *filter, const char *name, struct slice *value);

enum metainfo_match {
	METAINFO_CONTAINS,
	METAINFO_LACKS,
	METAINFO_UNREADABLE, /* it is no JSON, or nested too deeply: nobody knows */
	METAINFO_NO_MEMORY,  /* nobody knows either */
	METAINFO_TOO_COSTLY, /* METAINFO_STEPS_MAX was not enough */
};

/* Whether document, JSON text as stored or empty for none, contains the filter.  Of members
 * of one name the last counts, which is the one that MySQL keeps and JavaScript sees.  Most
 * documents that lack the filter are told by their bytes, and not parsed. */
enum metainfo_match metainfo_match(struct metainfo *filter, struct slice document);

#endif
