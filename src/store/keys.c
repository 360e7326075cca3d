#include "config.h"
#include "store/keys.h"

#include "base/clock.h"
#include "store/database.h"

enum { STATEMENT_KEY = INT32_MAX }; /* beyond all shapes of query.h */

const char keys_probe[] =
    "SELECT 1, COUNT(organization_id), COUNT(revocation_time), COUNT(expiry_time) "
    "FROM api_key WHERE key_hash = ''";

struct lookup {
	struct database *database;
	const unsigned char *hash;
	unsigned char found_hash[KEYS_HASH_LEN];
	struct keys_owner owner;
	bool is_found;
};

static void write_sql(uint32_t key, char *sql)
{
	(void)key;
	strcpy(sql, "SELECT key_hash, organization_id FROM api_key WHERE key_hash = ? "
	            "AND revocation_time IS NULL "
	            "AND (expiry_time IS NULL OR expiry_time > UTC_TIMESTAMP(3))");
}

/* In a time that does not depend on where two hashes begin to differ. */
static bool are_equal(const unsigned char *a, const unsigned char *b)
{
	unsigned char difference = 0;

	for (size_t i = 0; i < KEYS_HASH_LEN; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

static enum database_status look_up(void *context)
{
	struct lookup *lookup = context;
	struct connection_statement *statement;
	unsigned long hash_len, organization_len = 0;
	double start_ms = clock_ms();
	MYSQL_BIND value = {.buffer_type = MYSQL_TYPE_BLOB,
	                    .buffer = (void *)lookup->hash,
	                    .buffer_length = KEYS_HASH_LEN};
	MYSQL_BIND row[] = {{.buffer_type = MYSQL_TYPE_BLOB,
	                     .buffer = lookup->found_hash,
	                     .buffer_length = sizeof lookup->found_hash,
	                     .length = &hash_len},
	                    {.buffer_type = MYSQL_TYPE_STRING,
	                     .buffer = lookup->owner.organization_id,
	                     .buffer_length = sizeof lookup->owner.organization_id,
	                     .length = &organization_len}};

	enum database_status status =
	    database_prepare(lookup->database, STATEMENT_KEY, write_sql, &statement);
	if (status != DATABASE_OK)
		return status;
	if (!connection_execute(statement->handle, &value, 1) ||
	    mysql_stmt_bind_result(statement->handle, row) != 0)
		return database_error(lookup->database, statement->handle, clock_ms() - start_ms);
	int code = mysql_stmt_fetch(statement->handle);
	if (code == 0) {
		lookup->is_found = are_equal(lookup->found_hash, lookup->hash);
		lookup->owner.organization_id_len = organization_len;
		lookup->owner.age_ms = database_age_ms(lookup->database);
	} else if (code != MYSQL_NO_DATA) {
		status = database_error(lookup->database, statement->handle, clock_ms() - start_ms);
	}
	mysql_stmt_free_result(statement->handle);
	return status;
}

enum keys_status keys_find(struct database *database,
                           const unsigned char hash[static KEYS_HASH_LEN], struct keys_owner *owner)
{
	struct lookup lookup = {.database = database, .hash = hash};

	/* That there is none has to be said twice, as in rows.c. */
	for (int tries = 0; tries < 2 && !lookup.is_found; tries++)
		if (database_run(database, look_up, &lookup) != DATABASE_OK)
			return KEYS_FAILED;
	if (!lookup.is_found)
		return KEYS_UNKNOWN;
	*owner = lookup.owner;
	return KEYS_FOUND;
}
