/*
 * log - one JSON object a line, to standard error or to syslog.
 *
 * Owns the form of a line; what is worth one is its callers' business.  Text of
 * others is escaped, so that no request can forge or break a line.  A line that
 * cannot be written is dropped: logging never holds a request.
 *
 * Lines to standard error are gathered, a few under load, and written at log_flush, at
 * a warning or an error, or when no more fit one write.
 */
#ifndef LOG_H
#define LOG_H

#include <stdint.h>

#include "base/slice.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_COUNT
};

extern const char *const log_level_names[LOG_LEVEL_COUNT];

enum log_target { LOG_TARGET_STDERR, LOG_TARGET_SYSLOG, LOG_TARGET_COUNT };

extern const char *const log_target_names[LOG_TARGET_COUNT];

/* The socket of the syslog daemon, "/dev/log"; tests have one of their own. */
extern const char *log_syslog_path;

/* Lines above level are dropped from now on.  Before the first call: info, stderr. */
void log_open(enum log_level level, enum log_target target);

/* The id that stands in every line until it is set to another; "" for none.  The
 * text is copied and cut at 64 bytes. */
void log_set_request(const char *request_id);

/* A line with a message and nothing else of its own. */
void log_message(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * A line with members: begin, any number of members, end.  Names are constants
 * that need no escaping.  Text is cut at 512 bytes, escapes counted.
 */
void log_begin(enum log_level level, const char *event);
void log_text(const char *name, struct slice text);
void log_integer(const char *name, uint64_t value);
void log_duration(const char *name, double ms); /* with three decimals */
void log_end(void);

/* Writes what was gathered; to be called before waiting and before the end. */
void log_flush(void);

#endif
