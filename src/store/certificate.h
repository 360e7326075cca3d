/*
 * certificate - whether the peer of a TLS connection is who it has to be.
 *
 * Knows OpenSSL, neither the client library nor its idea of verification, which differs from
 * version to version.
 */
#ifndef CERTIFICATE_H
#define CERTIFICATE_H

#include <stdbool.h>

/* Where to write why a certificate is refused. */
enum { CERTIFICATE_REASON_SIZE = 200 };

/*
 * Whether the certificate that the peer of ssl, an OpenSSL SSL *, has shown is signed, with what
 * lies between, by an authority of the PEM file authorities, is one of a server, good now, and
 * names host: a name, or an address.  False: reason says why not.
 */
bool certificate_is_good(void *ssl, const char *authorities, const char *host,
                         char reason[static CERTIFICATE_REASON_SIZE]);

#endif
