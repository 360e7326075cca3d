/*
 * wire - the rows of a statement as the server sent them, each a packet, see packet.h.
 *
 * Knows what MariaDB Connector/C has read already and where that lies.  libmysqlclient does not
 * show its rows: they are to be fetched in the library's own way.
 */
#ifndef WIRE_H
#define WIRE_H

#include <mysql.h>

#include "base/slice.h"

/* The columns of an executed statement, which it owns; NULL: its rows cannot be read as packets. */
const MYSQL_FIELD *wire_fields(MYSQL_STMT *handle);

/* Reads the next row, without a copy: valid until the connection is used again.  Returns what
 * mysql_stmt_fetch does. */
int wire_next(MYSQL_STMT *handle, struct slice *packet);

#endif
