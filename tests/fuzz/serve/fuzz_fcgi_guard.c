/*
 * What a peer sends before libfcgi reads it: the input is the bytes on the socket, and
 * whatever passes has to be read by libfcgi without waiting, without a fault, and with
 * the same number of parameters each time.
 */
#include "fuzz.h"

#include <fcgiapp.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/fcgi_guard.h"

/* As server.c does it. */
static void read_by_library(const uint8_t *data, size_t size)
{
	FCGX_Request request;
	int fds[2], buffer_size = 1 << 20;

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &buffer_size, sizeof buffer_size);
	MUST(write(fds[0], data, size) == (ssize_t)size);
	MUST(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0); /* waiting would be an error */
	FCGX_InitRequest(&request, -1, 0);
	request.ipcFd = fds[1];
	request.keepConnection = 1;
	MUST(FCGX_Accept_r(&request) == 0);
	for (char **parameter = request.envp; *parameter != NULL; parameter++)
		MUST(strchr(*parameter, '=') != NULL);
	FCGX_GetParam("REQUEST_URI", request.envp);
	FCGX_Detach(&request);
	FCGX_Free(&request, 1);
	close(fds[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_initialised;

	if (!is_initialised)
		is_initialised = FCGX_Init() == 0;
	enum fcgi_guard_status status = fcgi_guard_check(data, size);
	if (status == FCGI_GUARD_COMPLETE || status == FCGI_GUARD_PARAMETERS)
		read_by_library(data, size);
	/* Judged by what came first: more bytes never turn a fault into a request. */
	if (status == FCGI_GUARD_MALFORMED && size > 0 && size < FCGI_GUARD_REQUEST_MAX)
		for (size_t len = size - 1; len > 0 && len + 64 > size; len--)
			MUST(fcgi_guard_check(data, len) == FCGI_GUARD_MALFORMED ||
			     fcgi_guard_check(data, len) == FCGI_GUARD_INCOMPLETE);
	return 0;
}
