/*
 * url - takes request targets apart and decodes their pieces (RFC 3986, and
 * application/x-www-form-urlencoded of the WHATWG URL Standard).
 *
 * Owns the rules of splitting, percent-decoding and UTF-8.  Knows no parameter
 * and no route.  Splitting comes before decoding: "a%2Fb" is one segment.
 */
#ifndef URL_H
#define URL_H

#include "base/slice.h"

enum url_status {
	URL_OK,
	URL_BAD_ESCAPE, /* a % without two hexadecimal digits */
	URL_CONTROL,    /* NUL or another control character (U+0000-1F, U+007F-9F) */
	URL_BAD_UTF8,   /* not UTF-8: overlong, surrogate, cut short, above U+10FFFF */
	URL_TOO_LONG,   /* does not fit the buffer */
};

enum url_form {
	URL_PATH,  /* a plus is a plus */
	URL_QUERY, /* a plus is a space */
};

/*
 * Decodes text into out, NUL-terminated; *out_len is its length without the NUL.
 * On any other status than URL_OK the contents of out and *out_len are undefined.
 */
enum url_status url_decode(struct slice text, enum url_form form, char *out, size_t out_size,
                           size_t *out_len);

/* How many characters (code points) len bytes of valid UTF-8 are. */
size_t url_character_count(const char *text, size_t len);

/*
 * Moves the first segment of *path, which starts with a slash, to *segment and
 * leaves the rest, empty or starting with a slash.  False when *path does not
 * start with a slash; an empty segment is a segment.
 */
bool url_next_segment(struct slice *path, struct slice *segment);

/*
 * Moves the first pair of *query to *name and *value, both still encoded; a pair
 * without "=" has an empty value.  Empty pairs ("&&") are passed over, as the
 * standard says.  False at the end.
 */
bool url_next_pair(struct slice *query, struct slice *name, struct slice *value);

#endif
