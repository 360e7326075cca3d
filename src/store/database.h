/*
 * database - the database of a worker: a connection that heals, to the best of its hosts.
 *
 * Owns the choice among hosts, when one is left and come back to, and what is done about a lost
 * connection.  Knows no table.  What one connection is, and which statements are prepared on it,
 * is connection's.
 *
 * A host is good when it answers the probes; the others are left alone for a moment, and the
 * next one is asked within the same request.  A request that loses its connection waits for
 * another one as long as a connection may be silent; but once one has waited in vain, those
 * behind it are refused at once until there is a connection again.  That a database is away is
 * no fault of the process: database_open does not connect.
 */
#ifndef DATABASE_H
#define DATABASE_H

#include "store/connection.h"

enum {
	/* How long a host is left alone that could not be connected to, ... */
	DATABASE_BACK_OFF_MS = 200,
	/* ... and one that was reached, but is not good. */
	DATABASE_UNFIT_MS = 1000,
	/* How often the host at hand is asked what it is. */
	DATABASE_LOOK_MS = 1000,
	/* A replica that was too far behind is taken again once it is less so by a heartbeat, or one
	 * whose age goes up and down about the bound would be left and taken each second. */
	DATABASE_BEAT_MS = 1000,
	/* How far a heartbeat may lie in the future by the replica's clock. */
	DATABASE_CLOCKS_MS = 1000,
	/* For how long a connection is trusted that was not used, and how long it may then take to
	 * answer: a device between may have forgotten it. */
	DATABASE_IDLE_MS = 1000,
	DATABASE_IDLE_LOOK_MS = 500,
};

/* Which hosts pages come from. */
enum database_reads {
	DATABASE_READS_PRIMARY, /* the first one that is writable */
	DATABASE_READS_ALL,     /* the workers are spread over all that are writable, and over the
	                         * replicas where staleness_s is set */
	DATABASE_READS_COUNT
};

struct database_options {
	struct connection_options connection; /* with a socket, hosts do not count */
	const char *hosts;                    /* as in hosts.h, the preferred one first */
	unsigned port;                        /* of hosts that come without one */
	unsigned return_after_s;              /* how often to look for a better host */
	enum database_reads reads;
	/*
	 * How old the data of a replica may be: what was committed on the primary longer than that
	 * before database_run was called is seen by attempt.  0: nothing bounds it, and replicas are
	 * used only while no host is writable.
	 */
	unsigned staleness_s;
};

struct database;

/*
 * One a process, because closing it ends the client library.  options and probes, see
 * connection.h, are borrowed until database_close; with is_writer, a writable host alone is used.
 * NULL when memory ran out.
 */
struct database *database_open(const struct database_options *options, const char *const *probes);
void database_close(struct database *database); /* NULL is fine */

/*
 * Runs attempt on a connection, and again where that may help, on another host or after a
 * moment; attempt starts anew each time.  It returns what the functions below gave it.  The
 * result is DATABASE_OK, _UNAVAILABLE, _TIMEOUT or _FAILED.
 */
enum database_status database_run(struct database *database,
                                  enum database_status (*attempt)(void *context), void *context);

/* To be called within an attempt of database_run: the handle for statements that are not prepared,
 * and what connection_prepare, _forget, _error, _status and _abandon do. */
MYSQL *database_handle(const struct database *database);
enum database_status database_prepare(struct database *database, uint32_t key,
                                      void (*write_sql)(uint32_t key, char *sql),
                                      struct connection_statement **statement);
void database_forget(struct database *database, struct connection_statement *statement);
enum database_status database_error(struct database *database, MYSQL_STMT *handle,
                                    double elapsed_ms);
enum database_status database_status(const struct database *database, unsigned error);
void database_abandon(struct database *database);

/*
 * Begins a snapshot: until it ends, all statements see the rows as they are now.  To be called
 * within an attempt of database_run, which begins it anew on another connection.
 */
enum database_status database_begin_snapshot(struct database *database);

/* Runs attempt within the snapshot, once: on another connection there would be another one.
 * At any other status than DATABASE_OK the snapshot is over. */
enum database_status database_go_on(struct database *database,
                                    enum database_status (*attempt)(void *context), void *context);

/* Ends the snapshot; no fault when it is over already. */
void database_end_snapshot(struct database *database);

/* Tells which worker of several this is, before the first question; -1: it is not known.  From
 * then on metrics know the hosts. */
void database_set_worker(struct database *database, int number);

/* How old the data of the host at hand is at the most, in milliseconds; 0 on a primary, and where
 * staleness_s is 0. */
double database_age_ms(const struct database *database);

/* To be called between two requests: on another host than the preferred one, looks for
 * a better one now and then, which may take the connect timeout of each host. */
void database_tend(struct database *database);

/* Whether a page can be answered now: a host answers the probes. */
enum database_status database_check(struct database *database);

#endif
