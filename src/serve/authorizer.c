#include "serve/authorizer.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/keys.h"

enum {
	MEMORY_SIZE = 256, /* keys; a key lies at a place that its hash gives */
	SECRET_LEN_MAX = 256,
};

struct memory {
	unsigned char hash[KEYS_HASH_LEN];
	struct keys_owner owner;
	double until_ms; /* 0: empty */
};

struct authorizer {
	struct database *database;
	double memory_ms;
	struct memory memory[MEMORY_SIZE];
};

struct authorizer *authorizer_open(struct database *database, unsigned memory_s)
{
	struct authorizer *authorizer = calloc(1, sizeof *authorizer);

	if (authorizer != NULL) {
		authorizer->database = database;
		authorizer->memory_ms = memory_s * 1e3;
	}
	return authorizer;
}

void authorizer_close(struct authorizer *authorizer)
{
	free(authorizer);
}

/* The secret behind a scheme, which counts in any case (RFC 9110, section 11.1). */
static bool parse_secret(struct slice authorization, struct slice *secret)
{
	static const char *const schemes[] = {"Key ", "Bearer "};

	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		size_t len = strlen(schemes[i]);
		if (authorization.len <= len || strncasecmp(authorization.data, schemes[i], len) != 0)
			continue;
		*secret = (struct slice){authorization.data + len, authorization.len - len};
		return secret->len <= SECRET_LEN_MAX && memchr(secret->data, ' ', secret->len) == NULL;
	}
	return false;
}

/* The owner of a key, from memory if it is fresh there, else from the database. */
static enum keys_status find_owner(struct authorizer *authorizer, const unsigned char *hash,
                                   const struct keys_owner **owner)
{
	struct memory *memory = &authorizer->memory[hash[0] % MEMORY_SIZE];
	struct keys_owner found;

	*owner = &memory->owner;
	if (memory->until_ms > clock_ms() && memcmp(memory->hash, hash, KEYS_HASH_LEN) == 0)
		return KEYS_FOUND;
	enum keys_status status = keys_find(authorizer->database, hash, &found);
	if (status == KEYS_FOUND) {
		memcpy(memory->hash, hash, KEYS_HASH_LEN);
		memory->owner = found;
		/* A replica's word is as old already. */
		memory->until_ms = clock_ms() + authorizer->memory_ms - found.age_ms;
	}
	return status;
}

enum authorizer_status authorizer_check(struct authorizer *authorizer, struct slice authorization,
                                        struct slice organization)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	const struct keys_owner *owner;
	struct slice secret;

	if (!parse_secret(authorization, &secret))
		return AUTHORIZER_NO_KEY;
	if (EVP_Digest(secret.data, secret.len, hash, NULL, EVP_sha256(), NULL) != 1) {
		log_message(LOG_LEVEL_ERROR, "no hash of the API key could be made");
		return AUTHORIZER_FAILED;
	}
	switch (find_owner(authorizer, hash, &owner)) {
	case KEYS_UNKNOWN:
		return AUTHORIZER_NO_KEY;
	case KEYS_FAILED:
		return AUTHORIZER_FAILED;
	case KEYS_FOUND:
		break;
	}
	bool is_owner = organization.len > 0 && organization.len == owner->organization_id_len &&
	                memcmp(organization.data, owner->organization_id, organization.len) == 0;
	return is_owner ? AUTHORIZER_ALLOWED : AUTHORIZER_FORBIDDEN;
}
