/*
 * fcgi_send - sends an answer, or a part of one, as FastCGI records (FastCGI 1.0, section 6.2).
 *
 * Owns the time limit towards a peer that does not read.
 */
#ifndef FCGI_SEND_H
#define FCGI_SEND_H

#include <stdbool.h>

#include "base/slice.h"

enum {
	/* How long a peer may take none of an answer: nginx spools what its client does not. */
	FCGI_SEND_TIMEOUT_MS = 10000,
};

/*
 * Sends head and body, either of which may be empty, to the socket fd as the answer to request_id;
 * behind the last of it also its end.  False: the peer left, or stopped reading.
 */
bool fcgi_send(int fd, unsigned request_id, struct slice head, struct slice body, bool is_last);

#endif
