/*
 * session - what a session is told to be, whatever the server's settings, its init_connect or
 * its name say.  Pure.
 *
 * A server is asked which of the variables that matter it has, and told their values: those of
 * MariaDB, MySQL and Galera differ, and the version in a handshake says nothing (proxies,
 * --version=...).
 */
#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stddef.h>

enum {
	SESSION_VARIABLES_MAX = 32,
	SESSION_SQL_SIZE = 2048, /* the longest statement and its NUL */
};

struct session_options {
	bool is_writer;                /* strict, and not limited; else a reader */
	unsigned statement_timeout_ms; /* of a reader */
};

/* What the server said of itself. */
struct session {
	bool is_known[SESSION_VARIABLES_MAX]; /* by rows of the table in session.c */
	bool is_group_member;                 /* of MySQL's Group Replication */
};

/* Writes the question: its answer has a row for each variable that the server has, name and
 * value, which session_learn is to be told. */
void session_write_question(char sql[static SESSION_SQL_SIZE]);
void session_learn(struct session *session, const char *name, const char *value);

/* Writes the statement that makes the session what it is to be. */
void session_write_settings(const struct session *session, const struct session_options *options,
                            char sql[static SESSION_SQL_SIZE]);

#endif
