/* The authorizer before a table of keys that is made up. */
#include "test.h"

#include <openssl/evp.h>

#include "base/log.h"
#include "serve/authorizer.h"
#include "store/keys.h"

/* SHA-256 of "abc" (FIPS 180-4, the standard's own example). */
static const unsigned char abc_hash[KEYS_HASH_LEN] = {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};

static struct {
	bool is_broken, is_revoked;
	unsigned count; /* how often the table was asked */
	double age_ms;
} table;

enum keys_status keys_find(struct database *database,
                           const unsigned char hash[static KEYS_HASH_LEN], struct keys_owner *owner)
{
	(void)database;
	table.count++;
	if (table.is_broken)
		return KEYS_FAILED;
	if (table.is_revoked || memcmp(hash, abc_hash, KEYS_HASH_LEN) != 0)
		return KEYS_UNKNOWN;
	*owner = (struct keys_owner){
	    .organization_id = "acme", .organization_id_len = 4, .age_ms = table.age_ms};
	return KEYS_FOUND;
}

static bool has_hash = true;

/* The library's, as long as it has memory. */
int EVP_Digest(const void *data, size_t len, unsigned char *hash, unsigned *hash_len,
               const EVP_MD *type, ENGINE *engine)
{
	EVP_MD_CTX *context = has_hash ? EVP_MD_CTX_new() : NULL;
	int is_done = context != NULL && EVP_DigestInit_ex(context, type, engine) == 1 &&
	              EVP_DigestUpdate(context, data, len) == 1 &&
	              EVP_DigestFinal_ex(context, hash, hash_len) == 1;

	EVP_MD_CTX_free(context);
	return is_done;
}

static unsigned error_count;

void log_message(enum log_level level, const char *format, ...)
{
	(void)format;
	error_count += level == LOG_LEVEL_ERROR;
}

static enum authorizer_status check(struct authorizer *authorizer, const char *authorization,
                                    const char *organization)
{
	return authorizer_check(authorizer, slice_of(authorization), slice_of(organization));
}

static void test_authorizer_check(void **state)
{
	static const struct {
		const char *authorization, *organization;
		enum authorizer_status status;
	} rows[] = {
	    {"Key abc", "acme", AUTHORIZER_ALLOWED},
	    {"key abc", "acme", AUTHORIZER_ALLOWED},
	    {"KEY abc", "acme", AUTHORIZER_ALLOWED},
	    {"Key abc", "Acme", AUTHORIZER_FORBIDDEN},
	    {"Key abc", "acme ", AUTHORIZER_FORBIDDEN},
	    {"Key abc", "acm", AUTHORIZER_FORBIDDEN},
	    {"Key abc", "other", AUTHORIZER_FORBIDDEN},
	    {"Key abc", "", AUTHORIZER_FORBIDDEN},
	    {"Key abd", "acme", AUTHORIZER_NO_KEY},
	    {"Key ABC", "acme", AUTHORIZER_NO_KEY},
	    {"Key abc ", "acme", AUTHORIZER_NO_KEY},
	    {"Key  abc", "acme", AUTHORIZER_NO_KEY},
	    {"Key abc, Key abc", "acme", AUTHORIZER_NO_KEY},
	    {"Key", "acme", AUTHORIZER_NO_KEY},
	    {"Key ", "acme", AUTHORIZER_NO_KEY},
	    {"", "acme", AUTHORIZER_NO_KEY},
	    {"abc", "acme", AUTHORIZER_NO_KEY},
	    {"Bearer abc", "acme", AUTHORIZER_ALLOWED},
	    {"bearer abc", "acme", AUTHORIZER_ALLOWED},
	    {"Bearer abc", "other", AUTHORIZER_FORBIDDEN},
	    {"Bearer abd", "acme", AUTHORIZER_NO_KEY},
	    {"Bearer  abc", "acme", AUTHORIZER_NO_KEY},
	    {"Bearer ", "acme", AUTHORIZER_NO_KEY},
	    {"Bearerabc", "acme", AUTHORIZER_NO_KEY},
	    {"Basic YWJj", "acme", AUTHORIZER_NO_KEY},
	    {"Keyabc", "acme", AUTHORIZER_NO_KEY},
	};
	struct authorizer *authorizer = authorizer_open(NULL, 0);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_row(rows[i].authorization, check(authorizer, rows[i].authorization,
		                                        rows[i].organization) == rows[i].status);
	authorizer_close(authorizer);
}

static void test_authorizer_refuses_long_secrets_unasked(void **state)
{
	char text[2000] = "Key ";
	struct authorizer *authorizer = authorizer_open(NULL, 0);

	(void)state;
	memset(text + 4, 'x', sizeof text - 5);
	table.count = 0;
	assert_int_equal(check(authorizer, text, "acme"), AUTHORIZER_NO_KEY);
	assert_int_equal(table.count, 0);
	authorizer_close(authorizer);
}

static void test_authorizer_remembers_what_it_found(void **state)
{
	struct authorizer *authorizer = authorizer_open(NULL, 60);

	(void)state;
	table.count = 0;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(check(authorizer, "Key abc", "acme"), AUTHORIZER_ALLOWED);
		assert_int_equal(check(authorizer, "Key abc", "other"), AUTHORIZER_FORBIDDEN);
	}
	assert_int_equal(table.count, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(check(authorizer, "Key unknown", "acme"), AUTHORIZER_NO_KEY);
	assert_int_equal(table.count, 6);
	authorizer_close(authorizer);
}

/* A replica that is ten seconds behind may not know what was revoked nine seconds ago. */
static void test_authorizer_counts_the_age_of_an_answer(void **state)
{
	struct authorizer *authorizer = authorizer_open(NULL, 60);

	(void)state;
	table.count = 0;
	table.age_ms = 60e3;
	for (int i = 0; i < 3; i++)
		assert_int_equal(check(authorizer, "Key abc", "acme"), AUTHORIZER_ALLOWED);
	assert_int_equal(table.count, 3);
	table.age_ms = 0;
	authorizer_close(authorizer);
}

static void test_authorizer_asks_each_time_without_a_memory(void **state)
{
	struct authorizer *authorizer = authorizer_open(NULL, 0);

	(void)state;
	assert_int_equal(check(authorizer, "Key abc", "acme"), AUTHORIZER_ALLOWED);
	table.is_revoked = true;
	assert_int_equal(check(authorizer, "Key abc", "acme"), AUTHORIZER_NO_KEY);
	table.is_revoked = false;
	authorizer_close(authorizer);
}

static void test_authorizer_says_no_when_it_cannot_ask(void **state)
{
	struct authorizer *authorizer = authorizer_open(NULL, 0);

	(void)state;
	table.is_broken = true;
	assert_int_equal(check(authorizer, "Key abc", "acme"), AUTHORIZER_FAILED);
	table.is_broken = false;
	authorizer_close(authorizer);
}

static void test_authorizer_says_why_it_has_no_hash(void **state)
{
	struct authorizer *authorizer = authorizer_open(NULL, 60);

	(void)state;
	has_hash = false;
	assert_int_equal(check(authorizer, "Key abc", "acme"), AUTHORIZER_FAILED);
	assert_int_equal(error_count, 1);
	has_hash = true;
	assert_int_equal(check(authorizer, "Key abc", "acme"), AUTHORIZER_ALLOWED);
	assert_int_equal(error_count, 1);
	authorizer_close(authorizer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_authorizer_check),
	    cmocka_unit_test(test_authorizer_refuses_long_secrets_unasked),
	    cmocka_unit_test(test_authorizer_remembers_what_it_found),
	    cmocka_unit_test(test_authorizer_counts_the_age_of_an_answer),
	    cmocka_unit_test(test_authorizer_asks_each_time_without_a_memory),
	    cmocka_unit_test(test_authorizer_says_no_when_it_cannot_ask),
	    cmocka_unit_test(test_authorizer_says_why_it_has_no_hash),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
