/*
 * fcgi_guard - looks at the bytes of a FastCGI request before libfcgi reads them.
 *
 * Pure.  libfcgi 2.4.2 waits without end for a peer that stops in the middle of a
 * request, and ends the process when a parameter claims to be 2 GB long.  A request
 * that passed here is complete and has neither; see server.c.
 */
#ifndef FCGI_GUARD_H
#define FCGI_GUARD_H

#include <stddef.h>

enum {
	/* Bytes of a request without its body; nginx sends at most 64 KB of each header. */
	FCGI_GUARD_REQUEST_MAX = 256 * 1024,
};

enum fcgi_guard_status {
	FCGI_GUARD_COMPLETE,   /* begins with a whole request */
	FCGI_GUARD_PARAMETERS, /* a request, but behind its parameters more is to come or comes */
	FCGI_GUARD_INCOMPLETE, /* may become a request when more bytes come */
	FCGI_GUARD_MALFORMED,  /* never will */
};

/* Judges the first len bytes that a peer has sent (FastCGI 1.0, sections 3, 5 and 6). */
enum fcgi_guard_status fcgi_guard_check(const unsigned char *bytes, size_t len);

#endif
