/*
 * keys - finds API keys.
 *
 * Owns the table api_key.  Only hashes of keys are stored and asked for; a key itself
 * never reaches the database.
 */
#ifndef KEYS_H
#define KEYS_H

#include "base/record.h"

enum { KEYS_HASH_LEN = 32 }; /* SHA-256 */

enum keys_status {
	KEYS_FOUND,
	KEYS_UNKNOWN, /* never given, revoked, or expired */
	KEYS_FAILED,  /* the database could not be asked; the log says why */
};

struct keys_owner {
	char organization_id[RECORD_ID_LEN_MAX];
	size_t organization_id_len;
	double age_ms; /* how long ago a revocation may have been that was not seen yet */
};

/* A probe, see connection.h: whether a server has the table. */
extern const char keys_probe[];

struct database;

/* Finds the organization that a key belongs to; *owner is set at KEYS_FOUND alone. */
enum keys_status keys_find(struct database *database,
                           const unsigned char hash[static KEYS_HASH_LEN],
                           struct keys_owner *owner);

#endif
