/*
 * server - takes FastCGI requests from a listening socket, one at a time, and sends
 * the answers.
 *
 * Owns the accept loop, signals, the time limit for a request to come in, and requests that wait
 * for a turn (base/turns.h), while others are served.
 * The only module that includes fcgiapp.h.  Knows no route and no database.
 *
 * TERM, INT, HUP and USR1 mean the same: answer the request in hand in full, then leave;
 * at once when there is none.  Those that wait are left to other workers.  A fault of one
 * request or of one peer never ends the loop.
 */
#ifndef SERVER_H
#define SERVER_H

#include "base/http.h"

enum {
	/* How long a connected peer may take to send a request: nginx sends it at once. */
	SERVER_RECEIVE_TIMEOUT_MS = 1000,
};

struct server_handler {
	void *context;
	/* Fills *response; what it borrows has to stay until finish. */
	void (*respond)(void *context, const struct http_request *request,
	                struct http_response *response);
	/* Called when what response has of a body was sent and there is more: puts the next part in
	 * its place.  False: there is none to be had, and the answer breaks off. */
	bool (*go_on)(void *context, struct http_response *response);
	/* Called after the answer was sent, or could not be. */
	void (*finish)(void *context, const struct http_request *request,
	               const struct http_response *response, bool is_sent, double total_ms);
};

/*
 * Blocks these signals, so that from here on they are taken by server_run alone,
 * and initialises libfcgi.  To be called first.  False: standard input is no
 * listening socket or the system refused; the log says which.
 */
bool server_open(void);

/* Serves standard input until a signal comes: true.  False: accepting failed in a way
 * that only a new process can mend; the log says why. */
bool server_run(const struct server_handler *handler);

#endif
