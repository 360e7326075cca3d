#include "config.h"
#include "store/tls.h"

#include <errmsg.h>
#if !HAVE_DECL_MYSQL_OPT_SSL_MODE
#include <ma_pvio.h>
#endif
#include <stdio.h>
#include <string.h>

#if HAVE_DECL_MYSQL_OPT_SSL_MODE

/* Of libmysqlclient each mode means what it is called. */
void tls_set(MYSQL *handle, enum tls_mode mode, const char *authorities)
{
	static const unsigned modes[] = {[TLS_OFF] = SSL_MODE_DISABLED,
	                                 [TLS_REQUIRED] = SSL_MODE_REQUIRED,
	                                 [TLS_VERIFY] = SSL_MODE_VERIFY_IDENTITY};

	mysql_options(handle, MYSQL_OPT_SSL_MODE, &modes[mode]);
	if (mode == TLS_VERIFY)
		mysql_options(handle, MYSQL_OPT_SSL_CA, authorities);
}

static bool is_verified(MYSQL *handle, const char *authorities,
                        char reason[static CERTIFICATE_REASON_SIZE])
{
	(void)handle, (void)authorities, (void)reason;
	return true;
}

#else

/* How ma_tls.h begins, which includes what is not installed. */
struct tls_session {
	void *data;
	MARIADB_PVIO *pvio;
	void *ssl;
};

/*
 * Connector/C 3.3 verifies chain and name where it has an authority.  3.4 does not on loopback
 * and on unix sockets, and takes any certificate of a server that knows the password's hash.  So
 * the certificate is looked at here.
 */
static bool is_verified(MYSQL *handle, const char *authorities,
                        char reason[static CERTIFICATE_REASON_SIZE])
{
	MARIADB_PVIO *pvio = handle->net.pvio;
	struct tls_session *session = pvio->ctls;
	const char *library = NULL;

	mariadb_get_infov(handle, MARIADB_TLS_LIBRARY, &library);
	if (library == NULL || strncmp(library, "OpenSSL", 7) != 0 || session == NULL ||
	    session->pvio != pvio) {
		snprintf(reason, CERTIFICATE_REASON_SIZE,
		         "the client library does not show the server's certificate");
		return false;
	}
	return certificate_is_good(session->ssl, authorities,
	                           handle->host != NULL ? handle->host : "localhost", reason);
}

#if HAVE_DECL_MARIADB_OPT_TLS_VERIFICATION_CALLBACK
/* The same before the library has sent what proves the password. */
static int verify_early(MARIADB_TLS *tls, unsigned flags)
{
	struct tls_session *session = tls;
	MYSQL *handle = session->pvio->mysql;
	char reason[CERTIFICATE_REASON_SIZE];

	(void)flags;
	if (is_verified(handle, handle->options.ssl_ca, reason))
		return 0;
	handle->net.tls_verify_status |= MARIADB_TLS_VERIFY_ERROR; /* or the password would do */
	handle->net.last_errno = CR_SSL_CONNECTION_ERROR;
	snprintf(handle->net.last_error, sizeof handle->net.last_error, "%s", reason);
	return 1;
}
#endif

/* The defaults of the library changed over time: always explicit. */
void tls_set(MYSQL *handle, enum tls_mode mode, const char *authorities)
{
	my_bool is_on = mode != TLS_OFF;
	my_bool is_strict = mode == TLS_VERIFY;

	mysql_options(handle, MYSQL_OPT_SSL_ENFORCE, &is_on);
	mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &is_strict);
	if (!is_strict)
		return; /* with an authority, 3.4 would verify without being told to */
	mysql_options(handle, MYSQL_OPT_SSL_CA, authorities);
#if HAVE_DECL_MARIADB_OPT_TLS_VERIFICATION_CALLBACK
	mysql_options(handle, MARIADB_OPT_TLS_VERIFICATION_CALLBACK, verify_early);
#endif
}

#endif

/* Connector/C goes on in the clear, though TLS is enforced, when the server has none and
 * no certificate was to be verified (3.3.20). */
bool tls_is_good(MYSQL *handle, enum tls_mode mode, const char *authorities,
                 char reason[static CERTIFICATE_REASON_SIZE])
{
	if (mode == TLS_OFF)
		return true;
	if (mysql_get_ssl_cipher(handle) == NULL) {
		snprintf(reason, CERTIFICATE_REASON_SIZE, "the server offers no TLS");
		return false;
	}
	return mode != TLS_VERIFY || is_verified(handle, authorities, reason);
}
