#include "serve/fcgi_send.h"

#include <errno.h>
#include <fastcgi.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	/* Content of one record: the largest multiple of eight. */
	RECORD_LEN_MAX = 65528,
	RECORDS_PER_WRITE = 64,
	/* What any socket takes at once without a larger buffer. */
	SMALL_RESPONSE_LEN = 64 * 1024,
};

/* Sends all parts; false when the peer left or stopped reading. */
static bool send_parts(int fd, struct iovec *parts, size_t count)
{
	while (count > 0) {
		struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
		ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EAGAIN) {
			struct pollfd peer = {.fd = fd, .events = POLLOUT};
			if (poll(&peer, 1, FCGI_SEND_TIMEOUT_MS) == 0)
				return false;
			continue;
		}
		if (sent < 0 && errno != EINTR)
			return false;
		size_t left = sent < 0 ? 0 : (size_t)sent;
		while (count > 0 && left >= parts->iov_len) {
			left -= parts->iov_len;
			parts++;
			count--;
		}
		if (count > 0) {
			parts->iov_base = (char *)parts->iov_base + left;
			parts->iov_len -= left;
		}
	}
	return true;
}

static FCGI_Header record_header(unsigned type, unsigned request_id, size_t content_len)
{
	return (FCGI_Header){.version = FCGI_VERSION_1,
	                     .type = (unsigned char)type,
	                     .requestIdB1 = (unsigned char)(request_id >> 8),
	                     .requestIdB0 = (unsigned char)request_id,
	                     .contentLengthB1 = (unsigned char)(content_len >> 8),
	                     .contentLengthB0 = (unsigned char)content_len};
}

/*
 * All of it goes in one system call, from where it lies.  libfcgi's streams would copy it and send
 * 64 KB at most at a time; and a worker that is killed between two calls leaves half an answer
 * behind a "200" that the web server has already passed on.  With a send buffer for all of it there
 * is no such moment (up to net.core.wmem_max).
 */
bool fcgi_send(int fd, unsigned request_id, struct slice head, struct slice body, bool is_last)
{
	FCGI_Header headers[RECORDS_PER_WRITE];
	struct iovec parts[2 * RECORDS_PER_WRITE + 2];
	FCGI_Header end_of_stdout = record_header(FCGI_STDOUT, request_id, 0);
	FCGI_EndRequestRecord end = {
	    .header = record_header(FCGI_END_REQUEST, request_id, sizeof(FCGI_EndRequestBody)),
	    .body = {.protocolStatus = FCGI_REQUEST_COMPLETE}};
	size_t total = head.len + body.len;

	if (total > SMALL_RESPONSE_LEN) {
		/* The system doubles the value, which pays for its own bookkeeping. */
		int size = total < INT32_MAX ? (int)total : INT32_MAX;
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	}
	do {
		size_t count = 0, records = 0;
		while (records < RECORDS_PER_WRITE && head.len + body.len > 0) {
			struct slice *rest = head.len > 0 ? &head : &body;
			size_t len = rest->len < RECORD_LEN_MAX ? rest->len : RECORD_LEN_MAX;
			headers[records] = record_header(FCGI_STDOUT, request_id, len);
			parts[count++] = (struct iovec){&headers[records++], sizeof headers[0]};
			parts[count++] = (struct iovec){(char *)rest->data, len};
			rest->data += len;
			rest->len -= len;
		}
		if (is_last && head.len + body.len == 0) {
			parts[count++] = (struct iovec){&end_of_stdout, sizeof end_of_stdout};
			parts[count++] = (struct iovec){&end, sizeof end};
		}
		if (!send_parts(fd, parts, count))
			return false;
	} while (head.len + body.len > 0);
	return true;
}
