/*
 * tls - whether what goes to a database and back is encrypted, and for whom.
 *
 * Owns in what the client libraries and their versions differ there.  Whether a certificate is
 * the right one is certificate's.
 */
#ifndef TLS_H
#define TLS_H

#include <mysql.h>

#include "store/certificate.h"

enum tls_mode {
	TLS_OFF,
	TLS_REQUIRED, /* encrypted, whoever answers */
	TLS_VERIFY,   /* and the certificate is checked, with the host's name */
	TLS_MODE_COUNT
};

/* Tells a handle that is not connected what to do; authorities is the path of a PEM file, read
 * for TLS_VERIFY alone. */
void tls_set(MYSQL *handle, enum tls_mode mode, const char *authorities);

/* Whether the connection came to be so; else reason says why it is not to be used. */
bool tls_is_good(MYSQL *handle, enum tls_mode mode, const char *authorities,
                 char reason[static CERTIFICATE_REASON_SIZE]);

#endif
