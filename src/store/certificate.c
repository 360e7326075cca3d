#include "store/certificate.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

/* What is demanded of the certificate besides its chain. */
static bool set_demands(X509_STORE_CTX *check, const char *host)
{
	X509_VERIFY_PARAM *demands = X509_STORE_CTX_get0_param(check);

	return X509_STORE_CTX_set_purpose(check, X509_PURPOSE_SSL_SERVER) == 1 &&
	       (X509_VERIFY_PARAM_set1_ip_asc(demands, host) == 1 ||
	        X509_VERIFY_PARAM_set1_host(demands, host, 0) == 1);
}

bool certificate_is_good(void *ssl, const char *authorities, const char *host,
                         char reason[static CERTIFICATE_REASON_SIZE])
{
	X509 *certificate = SSL_get_peer_certificate(ssl);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	const char *fault = "out of memory";
	bool is_good = false;

	if (certificate == NULL) {
		fault = "it has shown none";
	} else if (store != NULL && check != NULL) {
		if (X509_STORE_load_locations(store, authorities, NULL) != 1)
			fault = "the authorities cannot be read";
		else if (X509_STORE_CTX_init(check, store, certificate, SSL_get_peer_cert_chain(ssl)) ==
		             1 &&
		         set_demands(check, host))
			is_good = X509_verify_cert(check) == 1;
		if (!is_good && X509_STORE_CTX_get_error(check) != X509_V_OK)
			fault = X509_verify_cert_error_string(X509_STORE_CTX_get_error(check));
	}
	if (!is_good)
		snprintf(reason, CERTIFICATE_REASON_SIZE, "the certificate of %s is refused: %s", host,
		         fault);
	X509_STORE_CTX_free(check);
	X509_STORE_free(store);
	X509_free(certificate);
	return is_good;
}
