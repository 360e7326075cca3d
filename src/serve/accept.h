/*
 * accept - which of the forms and encodings on offer a client wants (RFC 9110, section 12.5).
 *
 * Pure.  Reads the header's quality values and wildcards; names and "q" in any case.
 * Elements that are malformed are passed over, and a header of nothing else counts as
 * none: a client's odd header is no reason to refuse it a page.  What Java's URLConnection
 * has always sent, "*; q=.2", is read as it is meant.
 */
#ifndef ACCEPT_H
#define ACCEPT_H

#include "base/slice.h"

/*
 * Chooses among count media types without parameters, "text/csv", in the order in which
 * the server likes them, by the value of an Accept header.  The index of the best; 0 when
 * there is no header or it is empty; -1 when it accepts none of them.  A parameter of a
 * range does not have to be met, but "text/csv" counts more than "text/csv;header=absent".
 */
int accept_media(struct slice header, const char *const *offers, size_t count);

/*
 * The same among content codings, "identity" for none, by the value of Accept-Encoding.
 * "x-gzip" is "gzip".  identity is what a client without the header, or with an empty one,
 * gets, and one that names none of the offers unless it refuses identity, too; -1: it does.
 * If identity is not on offer such a client gets -1 as well.
 */
int accept_encoding(struct slice header, const char *const *offers, size_t count);

#endif
