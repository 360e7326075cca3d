/*
 * compress - makes bodies smaller for clients that accept it: gzip, RFC 1952.
 *
 * Owns the library and the buffers, which are kept from body to body; no body is
 * compressed with what was in another.  ISA-L's level 1 where configure found it, which
 * takes a seventh of the time of zlib's level 1, else zlib's.  Knows no HTTP.
 */
#ifndef COMPRESS_H
#define COMPRESS_H

#include <stdbool.h>

#include "base/slice.h"

struct compress;

/* NULL when memory ran out.  To be closed with compress_close. */
struct compress *compress_open(void);
void compress_close(struct compress *compress); /* NULL is fine */

/* Begins a body; drops the one before. */
void compress_begin(struct compress *compress);

/*
 * Adds a part of the body, which may be empty, the last one with is_end.  *out is what of
 * the compressed body is ready now, valid until the next call of this module; it may be
 * empty as long as the end has not come.  A whole body is one part.  False when memory ran
 * out; the body is then not to be used.
 */
bool compress_add(struct compress *compress, struct slice part, bool is_end, struct slice *out);

/* Gives memory back that an unusually long body took. */
void compress_trim(struct compress *compress);

#endif
