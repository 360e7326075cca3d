#include "serve/server.h"

#include <errno.h>
#include <fastcgi.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/turns.h"
#include "serve/fcgi_guard.h"
#include "serve/fcgi_send.h"

enum {
	LISTEN_FD = FCGI_LISTENSOCK_FILENO,
	/* How often a peer is looked at that stopped in the middle of a request. */
	RECEIVE_POLL_MS = 2,
	/* How long a peer may still take to send a request once a signal has come. */
	LEAVE_TIMEOUT_MS = 100,
	/* What libfcgi reads at once; the end of a longer request may stay in the socket. */
	LIBFCGI_READ_SIZE = 8192,
	/* A thousand answers of less do not keep a full backlog waiting for long. */
	SLOW_ANSWER_MS = 10,
	/* How often it is looked whether a request that waits has its turn, ... */
	TURN_POLL_MS = 10,
	/* ... and how many may wait in this worker. */
	WAITING_MAX = 256,
};

/* A connection, with its one request. */
struct peer {
	FCGX_Request request;
	bool is_all;     /* libfcgi has read all that the peer sends */
	double since_ms; /* when the request came */
	uint64_t turn;   /* that it waits for */
	struct peer *next;
};

static int signal_fd = -1;
static int idle_fd = -1; /* readable when there is a connection or a signal */
static bool is_local;    /* the socket is a unix socket */
static bool is_stopped;  /* a signal came */
static bool was_slow;    /* the last answer took SLOW_ANSWER_MS or more */

/* Requests that wait for a turn, the oldest first. */
static struct peer *waiting;
static size_t waiting_count;

static bool fail(const char *what)
{
	log_message(LOG_LEVEL_ERROR, "%s: %s", what, strerror(errno));
	return false;
}

bool server_open(void)
{
	sigset_t signals;
	int is_listening = 0;
	struct sockaddr_storage address;
	socklen_t len = sizeof is_listening, address_len = sizeof address;

	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0 ||
	    (signal_fd = signalfd(-1, &signals, SFD_CLOEXEC)) < 0)
		return fail("signalfd");
	if (getsockopt(LISTEN_FD, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len) != 0 ||
	    !is_listening) {
		log_message(LOG_LEVEL_ERROR, "standard input is not a listening socket: start under "
		                             "spawn-fcgi or systemd, see usage-record-api(8)");
		return false;
	}
	if (getsockname(LISTEN_FD, (struct sockaddr *)&address, &address_len) != 0)
		return fail("getsockname");
	is_local = address.ss_family == AF_UNIX;
	/* Of all workers that wait, one is woken for a connection, not the whole pool. */
	struct epoll_event connection = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	struct epoll_event signal = {.events = EPOLLIN, .data.fd = signal_fd};
	if ((idle_fd = epoll_create1(EPOLL_CLOEXEC)) < 0 ||
	    epoll_ctl(idle_fd, EPOLL_CTL_ADD, LISTEN_FD, &connection) != 0 ||
	    epoll_ctl(idle_fd, EPOLL_CTL_ADD, signal_fd, &signal) != 0)
		return fail("epoll");
	/*
	 * Another worker may take the connection first; accept must not wait for the next one
	 * then, deaf to signals.  O_NONBLOCK would do, but it belongs to the socket that all
	 * share, and systemd clears it whenever it starts an instance; the time limit stays.
	 */
	fcntl(LISTEN_FD, F_SETFL, O_NONBLOCK);
	if (setsockopt(LISTEN_FD, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_usec = 1000},
	               sizeof(struct timeval)) != 0)
		return fail("SO_RCVTIMEO");
	if (FCGX_Init() != 0)
		return fail("FCGX_Init");
	return true;
}

/* Waits for events of fd (-1: none), at most timeout_ms (-1: for ever), and for a signal
 * that asks to stop, which is remembered.  Whether the events came. */
static bool wait_for(int fd, short events, int timeout_ms)
{
	/* One signal is enough; it stays readable. */
	struct pollfd fds[] = {{.fd = is_stopped ? -1 : signal_fd, .events = POLLIN},
	                       {.fd = fd, .events = events}};

	while (poll(fds, 2, timeout_ms) < 0 && errno == EINTR)
		;
	is_stopped |= fds[0].revents != 0;
	return fds[1].revents != 0;
}

/*
 * Waits until the peer has sent a request, without taking it from the socket.  False
 * when the peer left, sent what no web server sends or too slowly.  A signal shortens the
 * wait, but does not end it: a web server that has just connected sends at once, and would
 * be refused twice when a whole pool is told to leave.  *is_all says whether libfcgi will
 * have read all that the peer sends.
 */
static bool receive(int fd, bool *is_all)
{
	static unsigned char bytes[FCGI_GUARD_REQUEST_MAX];
	double deadline_ms = 0;
	bool is_all_sent = false; /* the peer has closed its side */
	bool is_leaving = false;

	for (;;) {
		ssize_t count = recv(fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT);
		enum fcgi_guard_status status = FCGI_GUARD_INCOMPLETE;

		if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		if (count > 0)
			status = fcgi_guard_check(bytes, (size_t)count);
		if (status == FCGI_GUARD_MALFORMED)
			log_message(LOG_LEVEL_WARNING, "malformed FastCGI request of %zd bytes", count);
		if (status != FCGI_GUARD_INCOMPLETE) {
			*is_all = status == FCGI_GUARD_COMPLETE && count <= LIBFCGI_READ_SIZE;
			return status != FCGI_GUARD_MALFORMED;
		}

		double now_ms = clock_ms();
		if (deadline_ms == 0)
			deadline_ms = now_ms + SERVER_RECEIVE_TIMEOUT_MS;
		if (is_stopped && !is_leaving) {
			is_leaving = true;
			if (deadline_ms > now_ms + LEAVE_TIMEOUT_MS)
				deadline_ms = now_ms + LEAVE_TIMEOUT_MS;
		}
		if (is_all_sent)
			return false;
		if (now_ms >= deadline_ms) {
			if (!is_leaving)
				log_message(LOG_LEVEL_WARNING, "no whole FastCGI request within %d ms",
				            SERVER_RECEIVE_TIMEOUT_MS);
			return false;
		}
		/* A socket with half a request counts as readable: look again a bit later. */
		if (count > 0)
			is_all_sent = wait_for(fd, POLLRDHUP, RECEIVE_POLL_MS);
		else
			wait_for(fd, POLLIN, (int)(deadline_ms - now_ms) + 1);
	}
}

/* The web server closes a connection whose client left, or that waited in the backlog
 * for too long: the database is not asked for an answer that nobody will read.  Only
 * behind an answer that took its time can somebody have waited for long. */
static bool is_peer_gone(int fd)
{
	return was_slow && wait_for(fd, POLLRDHUP, 0);
}

/* Sends the answer.  One that breaks off gets no end: the web server then breaks off as well. */
static bool send_response(int fd, unsigned request_id, const struct server_handler *handler,
                          struct http_response *response)
{
	struct slice head = text_slice(&response->headers), none = {NULL, 0};

	if (response->is_head)
		return fcgi_send(fd, request_id, head, none, true);
	while (fcgi_send(fd, request_id, head, response->body, !response->has_more)) {
		if (!response->has_more)
			return true;
		if (!handler->go_on(handler->context, response))
			return false;
		head = none;
	}
	return false;
}

static const char *parameter(const FCGX_Request *request, const char *name)
{
	const char *value = FCGX_GetParam(name, request->envp);

	return value != NULL ? value : "";
}

/* A name that is misspelt must not turn the question of an authorizer into a call, whose
 * 200 would mean yes. */
static enum http_role find_role(const FCGX_Request *request)
{
	const char *name = parameter(request, "USAGE_RECORD_API_ROLE");
	enum http_role role = HTTP_CALL;

	if (request->role == FCGI_AUTHORIZER)
		return HTTP_AUTHORIZER; /* FastCGI 1.0, section 6.3 */
	if (name[0] != '\0')
		while (role < HTTP_ROLE_COUNT && strcmp(name, http_role_names[role]) != 0)
			role++;
	return role;
}

/* False: the request has to wait for a turn. */
static bool answer(struct peer *peer, const struct server_handler *handler)
{
	static struct http_response response;
	const FCGX_Request *request = &peer->request;
	double start_ms = clock_ms();
	bool is_sent = true;
	struct http_request http_request = {
	    .method = parameter(request, "REQUEST_METHOD"),
	    .target = parameter(request, "REQUEST_URI"),
	    .query = parameter(request, "QUERY_STRING"),
	    .request_id = parameter(request, "HTTP_X_REQUEST_ID"),
	    .authorization = parameter(request, "HTTP_AUTHORIZATION"),
	    .accept = parameter(request, "HTTP_ACCEPT"),
	    .accept_encoding = parameter(request, "HTTP_ACCEPT_ENCODING"),
	    .protocol = parameter(request, "SERVER_PROTOCOL"),
	    .search_location = parameter(request, "USAGE_RECORD_API_SEARCH"),
	    .cells_location = parameter(request, "USAGE_RECORD_API_CELLS"),
	    .base_url = parameter(request, "USAGE_RECORD_API_BASE_URL"),
	    .role = find_role(request),
	    .since_ms = peer->since_ms,
	    .may_wait = waiting_count < WAITING_MAX};

	handler->respond(handler->context, &http_request, &response);
	if (response.awaited_turn == 0)
		is_sent = send_response(request->ipcFd, (unsigned)request->requestId, handler, &response);
	double end_ms = clock_ms();
	was_slow = end_ms - start_ms >= SLOW_ANSWER_MS;
	handler->finish(handler->context, &http_request, &response, is_sent, end_ms - peer->since_ms);
	peer->turn = response.awaited_turn;
	return peer->turn == 0;
}

/* Closes the connection.  libfcgi does it gently: it waits, for two seconds at most, until the peer
 * has closed, because the peer could lose the answer if bytes of its own were left unread.  On a
 * unix socket without such bytes the answer stays readable after a plain close. */
static void end(struct peer *peer, bool is_plain)
{
	if (is_plain)
		FCGX_Detach(&peer->request);
	FCGX_Free(&peer->request, 1);
	free(peer);
}

static void let_wait(struct peer *peer)
{
	struct peer **place = &waiting;

	while (*place != NULL)
		place = &(*place)->next;
	*place = peer;
	waiting_count++;
}

/* Serves a connection, which carries one request, and closes it; or lets it wait, which is
 * false. */
static bool serve(int fd, const struct server_handler *handler)
{
	bool is_all;

	if (!receive(fd, &is_all) || is_peer_gone(fd)) {
		close(fd);
		return true;
	}
	struct peer *peer = calloc(1, sizeof *peer);
	if (peer == NULL) {
		log_message(LOG_LEVEL_ERROR, "out of memory for a request");
		close(fd);
		return true;
	}
	/*
	 * FCGX_Accept_r goes on with a connection that the request already has.  It gets one
	 * here because it has to be looked at first; without a socket to listen on it comes
	 * back, instead of waiting for another, should it dislike what the guard let pass.
	 */
	FCGX_InitRequest(&peer->request, -1, 0);
	peer->request.ipcFd = fd;
	peer->request.keepConnection = 1; /* or it would be closed as that of a request before */
	if (FCGX_Accept_r(&peer->request) != 0) {
		log_message(LOG_LEVEL_WARNING, "libfcgi refused a request");
		free(peer);
		return true;
	}
	peer->is_all = is_all;
	peer->since_ms = clock_ms();
	if (!answer(peer, handler)) {
		let_wait(peer);
		return false;
	}
	end(peer, is_local && is_all);
	return true;
}

/* Serves the oldest of those that wait whose turn it is; whether there was one. */
static bool serve_waiting(const struct server_handler *handler)
{
	for (struct peer **place = &waiting; *place != NULL;) {
		struct peer *peer = *place;
		bool is_gone = wait_for(peer->request.ipcFd, POLLRDHUP, 0);
		if (!is_gone && !turns_take(peer->turn, peer->since_ms)) {
			place = &peer->next;
			continue;
		}
		*place = peer->next;
		waiting_count--;
		if (!is_gone)
			answer(peer, handler);
		end(peer, is_gone || (is_local && peer->is_all));
		if (!is_gone)
			return true;
	}
	return false;
}

/* Those that wait are left to the other workers, whom the web server asks when their connections
 * are closed without an answer. */
static void leave_waiting(void)
{
	while (waiting != NULL) {
		struct peer *peer = waiting;
		waiting = peer->next;
		end(peer, true);
	}
}

static void say_what_waits(bool is_idle)
{
	turns_want(waiting != NULL ? waiting->turn : 0, waiting != NULL ? waiting->since_ms : 0,
	           is_idle);
}

/* Waits for a connection, a signal, or some time if there are requests that wait. */
static void wait_idle(void)
{
	struct epoll_event event = {.data.fd = -1};

	log_flush();
	say_what_waits(true);
	is_stopped |= epoll_wait(idle_fd, &event, 1, waiting != NULL ? TURN_POLL_MS : -1) > 0 &&
	              event.data.fd == signal_fd;
}

bool server_run(const struct server_handler *handler)
{
	while (!is_stopped) {
		say_what_waits(false);
		/* Under load the next connection waits already: no need to ask first. */
		int fd = accept4(LISTEN_FD, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0) {
			/* First is seen who is there, so that whoever has a turn passes those who have none. */
			if (serve(fd, handler))
				serve_waiting(handler);
		} else if (errno == EAGAIN) {
			if (!serve_waiting(handler))
				wait_idle();
		} else if (errno != EINTR && errno != ECONNABORTED && errno != EPROTO) {
			return fail("accept");
		}
	}
	leave_waiting();
	return true;
}
