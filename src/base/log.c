#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/text.h"
#include "base/utc.h"

enum { TEXT_LEN_MAX = 512, LINE_SIZE = 4096, LINE_END_LEN = 2, MESSAGE_SIZE = 1024 };
_Static_assert((int)LINE_SIZE <= PIPE_BUF, "lines of several processes must not mix");

const char *const log_level_names[] = {"error", "warning", "info", "debug"};
const char *const log_target_names[] = {"stderr", "syslog"};
const char *log_syslog_path = "/dev/log";

/* One process, one thread, one line at a time. */
static enum log_level max_level = LOG_LEVEL_INFO;
static enum log_target line_target = LOG_TARGET_STDERR;
static enum log_level line_level;
static char request_id[65];
static int process_id;
static char line_data[LINE_SIZE];
static struct text line;
static char gathered[LINE_SIZE]; /* whole lines that are still to be written */
static size_t gathered_len;
static int syslog_fd = -1;

void log_open(enum log_level level, enum log_target target)
{
	max_level = level;
	line_target = target;
}

void log_set_request(const char *id)
{
	size_t len = strnlen(id, sizeof request_id - 1);

	memcpy(request_id, id, len);
	request_id[len] = '\0';
}

static void add_name(const char *name)
{
	TEXT_ADD(&line, ",\"");
	text_add(&line, slice_of(name));
	TEXT_ADD(&line, "\":");
}

/* What a byte takes in a line at most. */
static size_t written_len(unsigned char c)
{
	return c < 0x20 || c >= 0x7f ? TEXT_JSON_EXPANSION : c == '"' || c == '\\' ? 2 : 1;
}

/* Bytes that are no ASCII text come as \u00XX: what came from outside may not even be
 * UTF-8.  Escapes count, or long ones would leave no room for the members behind. */
void log_text(const char *name, struct slice text)
{
	size_t done = 0, end = 0, len = 0;

	add_name(name);
	TEXT_ADD(&line, "\"");
	for (; end < text.len; end++) {
		unsigned char c = (unsigned char)text.data[end];
		len += written_len(c);
		if (len > TEXT_LEN_MAX)
			break;
		if (c < 0x7f)
			continue;
		text_add_json(&line, (struct slice){text.data + done, end - done});
		text_add_format(&line, "\\u00%02x", c);
		done = end + 1;
	}
	text_add_json(&line, (struct slice){text.data + done, end - done});
	TEXT_ADD(&line, "\"");
}

void log_integer(const char *name, uint64_t value)
{
	add_name(name);
	text_add_integer(&line, value);
}

void log_duration(const char *name, double ms)
{
	add_name(name);
	text_add_ms(&line, ms);
}

void log_begin(enum log_level level, const char *event)
{
	struct utc_time now = utc_from_ms(utc_now_ms());
	char time[UTC_TEXT_LEN];

	if (process_id == 0)
		process_id = (int)getpid();
	utc_write(time, &now);
	line_level = level;
	line = (struct text){.data = line_data, .size = LINE_SIZE - LINE_END_LEN};
	TEXT_ADD(&line, "{\"time\":\"");
	text_add(&line, (struct slice){time, UTC_TEXT_LEN});
	TEXT_ADD(&line, "\"");
	log_text("level", slice_of(log_level_names[level]));
	log_text("event", slice_of(event));
	log_integer("pid", (uint64_t)process_id);
	if (request_id[0] != '\0')
		log_text("request_id", slice_of(request_id));
}

static bool connect_to_syslog(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strncpy(address.sun_path, log_syslog_path, sizeof address.sun_path - 1);
	syslog_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (syslog_fd < 0)
		return false;
	if (connect(syslog_fd, (struct sockaddr *)&address, sizeof address) == 0)
		return true;
	close(syslog_fd);
	syslog_fd = -1;
	return false;
}

/* syslog(3) waits for a daemon that reads no more.  The daemon knows the time itself. */
static void send_to_syslog(int priority)
{
	char head[64];
	struct text text = TEXT_IN(head);

	text_add_format(&text, "<%d>usage-record-api[%d]: ", LOG_DAEMON | priority, process_id);
	struct iovec parts[] = {{head, text.len}, {line.data, line.len}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	/* A daemon that was started anew has another socket. */
	for (int tries = 0; tries < 2; tries++) {
		if (syslog_fd < 0 && !connect_to_syslog())
			return;
		if (sendmsg(syslog_fd, &message, MSG_NOSIGNAL) >= 0 || errno == EAGAIN)
			return;
		close(syslog_fd);
		syslog_fd = -1;
	}
}

void log_end(void)
{
	static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};

	if (line_level > max_level)
		return;
	line.size = LINE_SIZE;
	TEXT_ADD(&line, "}");
	if (line_target == LOG_TARGET_SYSLOG) {
		send_to_syslog(priorities[line_level]);
		return;
	}
	TEXT_ADD(&line, "\n");
	if (gathered_len + line.len > sizeof gathered)
		log_flush();
	memcpy(gathered + gathered_len, line.data, line.len);
	gathered_len += line.len;
	if (line_level <= LOG_LEVEL_WARNING)
		log_flush();
}

void log_flush(void)
{
	struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (gathered_len == 0)
		return;
	/* No write that would wait: a reader that hangs or a full disk costs lines, not
	 * requests. */
	if (poll(&out, 1, 0) <= 0 || write(STDERR_FILENO, gathered, gathered_len) < 0) {
		/* Nothing is left that could be told of it. */
	}
	gathered_len = 0;
}

void log_message(enum log_level level, const char *format, ...)
{
	char text[MESSAGE_SIZE];
	va_list arguments;

	if (level > max_level)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	log_begin(level, "message");
	log_text("message", slice_of(text));
	log_end();
}
