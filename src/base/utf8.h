/*
 * utf8 - the one reading of UTF-8 (RFC 3629): neither overlong forms nor surrogates, and
 * nothing above U+10FFFF.  A leaf.
 */
#ifndef UTF8_H
#define UTF8_H

#include <stdint.h>

#include "base/slice.h"

/* The length of the sequence at text, of which len bytes (at least 1) are there, and its
 * code point; 0 when it is none. */
size_t utf8_sequence(const unsigned char *text, size_t len, uint32_t *code_point);

bool utf8_is_valid(struct slice text);

#endif
