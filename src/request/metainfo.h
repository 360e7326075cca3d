/*
 * metainfo - the metaInfo filter: a JSON object that a record's metaInfo must
 * contain, and the exact test of containment.
 *
 * Containment is that of MySQL's JSON_CONTAINS: each member of the filter's object
 * is contained in the member of that name; each element of the filter's array in
 * some element of the document's array; a filter that is no array in some element
 * of a document that is one; scalars when they are equal.  Numbers compare as
 * 64-bit integers where both are, else as doubles; strings by their characters,
 * however they are spelled.
 *
 * The servers answer some of these questions differently (see query.c), so their
 * JSON functions serve as a coarse sieve only and this module has the last word.
 */
#ifndef METAINFO_H
#define METAINFO_H

#include "base/slice.h"

enum {
	METAINFO_LEN_MAX = 4096, /* bytes of a filter */
	METAINFO_DEPTH_MAX = 16, /* nested objects and arrays of a filter */
};

struct metainfo;

/*
 * Parses a filter (RFC 8259).  Returns NULL when it is none, *reason then says why
 * in words that fit behind "metaInfo"; *reason is NULL when memory ran out.  To be
 * freed with metainfo_free.
 */
struct metainfo *metainfo_parse(const char *text, const char **reason);
void metainfo_free(struct metainfo *filter); /* NULL is fine */

/* The filter "{}": everything contains it, a missing document too. */
bool metainfo_is_empty(const struct metainfo *filter);

/* The filter as JSON text, all characters but '"', '\' and controls unescaped. */
struct slice metainfo_text(const struct metainfo *filter);

/* The same with all strings taken out of its objects and arrays, which stay. */
struct slice metainfo_text_without_strings(const struct metainfo *filter);

/*
 * The decoded strings among the filter's values, up to max of them, in the order
 * of the text; strings with a NUL character are left out.  Returns their number.
 */
size_t metainfo_strings(const struct metainfo *filter, struct slice *strings, size_t max);

enum metainfo_match {
	METAINFO_CONTAINS,
	METAINFO_LACKS,
	METAINFO_UNREADABLE, /* it is no JSON, or memory ran out: nobody knows */
};

/* Whether document, JSON text as stored or empty for none, contains the filter.  Of members
 * of one name the last counts, which is the one that MySQL keeps; MariaDB's own functions
 * see the first, so that such a record is found there only if both contain the filter. */
enum metainfo_match metainfo_match(const struct metainfo *filter, struct slice document);

#endif
