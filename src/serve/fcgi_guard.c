#include "serve/fcgi_guard.h"

#include <fastcgi.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A stream of name-value pairs, which may begin and end anywhere in a record. */
struct pairs {
	unsigned char lengths[8]; /* of the pair at hand: one or four bytes each */
	size_t lengths_len;
	size_t left; /* bytes of its name and value that are still to come */
};

static size_t length_size(unsigned char first)
{
	return first & 0x80 ? 4 : 1;
}

static size_t length_value(const unsigned char *bytes)
{
	if (length_size(bytes[0]) == 1)
		return bytes[0];
	return (size_t)(bytes[0] & 0x7f) << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 |
	       bytes[3];
}

/* Takes one more byte of the lengths; at the last one, left is set. */
static bool read_length(struct pairs *pairs, unsigned char byte)
{
	pairs->lengths[pairs->lengths_len++] = byte;
	size_t name_size = length_size(pairs->lengths[0]);
	if (pairs->lengths_len <= name_size)
		return true;
	if (pairs->lengths_len < name_size + length_size(pairs->lengths[name_size]))
		return true;
	pairs->left = length_value(pairs->lengths) + length_value(pairs->lengths + name_size);
	pairs->lengths_len = 0;
	return pairs->left <= FCGI_GUARD_REQUEST_MAX;
}

static bool read_pairs(struct pairs *pairs, const unsigned char *bytes, size_t len)
{
	while (len > 0) {
		size_t step = 1;
		if (pairs->left > 0) {
			step = len < pairs->left ? len : pairs->left;
			/* libfcgi makes C strings of them: a NUL would cut what was checked. */
			if (memchr(bytes, '\0', step) != NULL)
				return false;
			pairs->left -= step;
		} else if (!read_length(pairs, *bytes)) {
			return false;
		}
		bytes += step;
		len -= step;
	}
	return true;
}

/* Whether a record may stand here, judged by its header and what came before. */
static bool is_expected(const FCGI_Header *header, size_t content_len, unsigned request_id,
                        bool is_first)
{
	unsigned id = (unsigned)header->requestIdB1 << 8 | header->requestIdB0;

	if (header->version != FCGI_VERSION_1 || id == FCGI_NULL_REQUEST_ID)
		return false;
	/* libfcgi takes the padding of this one record for the next record. */
	if (is_first)
		return header->type == FCGI_BEGIN_REQUEST && header->paddingLength == 0 &&
		       content_len == sizeof(FCGI_BeginRequestBody);
	return header->type == FCGI_PARAMS && id == request_id;
}

/* Whether an empty body follows the parameters, and nothing behind it. */
static bool is_end_of_body(const unsigned char *bytes, size_t len)
{
	FCGI_Header header;

	if (len < sizeof header)
		return false;
	memcpy(&header, bytes, sizeof header);
	return header.type == FCGI_STDIN && header.contentLengthB1 == 0 &&
	       header.contentLengthB0 == 0 && len == sizeof header + header.paddingLength;
}

enum fcgi_guard_status fcgi_guard_check(const unsigned char *bytes, size_t len)
{
	struct pairs pairs = {.lengths_len = 0};
	unsigned request_id = 0, role = FCGI_RESPONDER;
	FCGI_Header header;

	for (size_t at = 0; len - at >= sizeof header;) {
		memcpy(&header, bytes + at, sizeof header);
		size_t content_len = (size_t)header.contentLengthB1 << 8 | header.contentLengthB0;
		bool is_first = at == 0;

		if (!is_expected(&header, content_len, request_id, is_first))
			return FCGI_GUARD_MALFORMED;
		at += sizeof header;
		size_t here = len - at < content_len ? len - at : content_len;
		if (is_first) {
			request_id = (unsigned)header.requestIdB1 << 8 | header.requestIdB0;
			role = here < 2 ? FCGI_RESPONDER : (unsigned)bytes[at] << 8 | bytes[at + 1];
			if (role != FCGI_RESPONDER && role != FCGI_AUTHORIZER)
				return FCGI_GUARD_MALFORMED;
		} else if (!read_pairs(&pairs, bytes + at, here)) {
			return FCGI_GUARD_MALFORMED;
		}
		if (len - at < content_len + header.paddingLength)
			return len >= FCGI_GUARD_REQUEST_MAX ? FCGI_GUARD_MALFORMED : FCGI_GUARD_INCOMPLETE;
		at += content_len + header.paddingLength;
		if (is_first || content_len > 0)
			continue;
		/* the end of the parameters */
		if (pairs.left > 0 || pairs.lengths_len > 0)
			return FCGI_GUARD_MALFORMED;
		return role == FCGI_AUTHORIZER || is_end_of_body(bytes + at, len - at)
		           ? FCGI_GUARD_COMPLETE
		           : FCGI_GUARD_PARAMETERS;
	}
	return len >= FCGI_GUARD_REQUEST_MAX ? FCGI_GUARD_MALFORMED : FCGI_GUARD_INCOMPLETE;
}
