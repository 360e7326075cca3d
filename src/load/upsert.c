#include "load/upsert.h"

#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"

enum {
	TRIES_MAX = 10,
	DUPLICATE_TRIES_MAX = 3,
	RETRY_US = 20000,
	SIZE_KEPT = 16 << 20,
	SLOTS = UPSERT_RECORDS_MAX * 2
};

struct upsert {
	struct database *database;
	struct growing sql;
	/* The batch at hand. */
	struct entry **entries;
	size_t count;
	bool is_dry;       /* nothing is written */
	bool is_rehearsal; /* what was written is taken back */
	enum upsert_outcome *outcomes;
	unsigned error;        /* of the server, 0: none */
	uint16_t slots[SLOTS]; /* entries by organization and id, counted from 1 */
};

struct upsert *upsert_open(struct database *database)
{
	struct upsert *upsert = calloc(1, sizeof *upsert);

	if (upsert != NULL)
		upsert->database = database;
	return upsert;
}

void upsert_close(struct upsert *upsert)
{
	if (upsert == NULL)
		return;
	growing_free(&upsert->sql);
	free(upsert);
}

static bool slices_equal(struct slice a, struct slice b)
{
	return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static uint64_t hash(struct slice organization, struct slice id)
{
	uint64_t value = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < id.len; i++)
		value = (value ^ (unsigned char)id.data[i]) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < organization.len; i++)
		value = (value ^ (unsigned char)organization.data[i]) * UINT64_C(0x100000001b3);
	return value ^ value >> 32;
}

/* The slot that has the record, or the empty one where it belongs. */
static uint16_t *slot_of(struct upsert *upsert, struct slice organization, struct slice id)
{
	size_t slot = hash(organization, id) % SLOTS;

	for (; upsert->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
		const struct entry *entry = upsert->entries[upsert->slots[slot] - 1];
		if (slices_equal(entry_text(entry, ENTRY_ID), id) &&
		    slices_equal(entry_text(entry, ENTRY_ORGANIZATION_ID), organization))
			break;
	}
	return &upsert->slots[slot];
}

static void add(struct upsert *upsert, const char *text)
{
	growing_add(&upsert->sql, slice_of(text));
}

/* A value as a literal, escaped by the client library for the session's character set. */
static void add_value(struct upsert *upsert, struct slice text)
{
	MYSQL *connection = database_handle(upsert->database);

	if (!growing_reserve(&upsert->sql, text.len * 2 + 3))
		return;
	char *out = upsert->sql.data + upsert->sql.len;
	*out++ = '\'';
	unsigned long len = mysql_real_escape_string(connection, out, text.data, text.len);
	out[len] = '\'';
	upsert->sql.len += len + 2;
}

/* What a member is stored as: an absent or empty identifier as NULL. */
static void add_member(struct upsert *upsert, const struct entry *entry, enum entry_member member)
{
	struct slice text = entry_text(entry, member);

	if (text.len > 0)
		add_value(upsert, text);
	else if (member == ENTRY_CREATION_TIME || member == ENTRY_LAST_UPDATE_TIME)
		add(upsert, "UTC_TIMESTAMP(3)");
	else
		add(upsert, "NULL");
}

static enum database_status failed(struct upsert *upsert)
{
	MYSQL *connection = database_handle(upsert->database);

	upsert->error = mysql_errno(connection);
	return database_status(upsert->database, upsert->error);
}

/* Whether another try may do better: others hold what this one wants, or were faster.  A
 * record that another loader has inserted meanwhile is seen by the next try; what is still
 * a duplicate then is one of another column. */
static bool is_passing(unsigned error, unsigned tries)
{
	return error == ER_LOCK_DEADLOCK || error == ER_LOCK_WAIT_TIMEOUT ||
	       (error == ER_DUP_ENTRY && tries + 1 < DUPLICATE_TRIES_MAX);
}

static enum database_status query(struct upsert *upsert, const char *sql)
{
	return mysql_query(database_handle(upsert->database), sql) == 0 ? DATABASE_OK : failed(upsert);
}

static enum database_status send(struct upsert *upsert)
{
	if (upsert->sql.is_short) {
		log_message(LOG_LEVEL_ERROR, "out of memory");
		return DATABASE_FAILED;
	}
	return mysql_real_query(database_handle(upsert->database), upsert->sql.data, upsert->sql.len) ==
	               0
	           ? DATABASE_OK
	           : failed(upsert);
}

static void begin_sql(struct upsert *upsert, const char *text)
{
	growing_clear(&upsert->sql, SIZE_KEPT);
	add(upsert, text);
}

static void add_columns(struct upsert *upsert)
{
	for (unsigned member = 0; member < ENTRY_MEMBER_COUNT; member++) {
		add(upsert, member > 0 ? ", " : "");
		add(upsert, entry_columns[member]);
	}
}

/* Whether the record says anything that is not what is stored. */
static bool differs(const struct entry *entry, MYSQL_ROW row, const unsigned long *lengths)
{
	for (unsigned member = 0; member < ENTRY_MEMBER_COUNT; member++) {
		struct slice text = entry_text(entry, member);
		struct slice stored = {row[member] != NULL ? row[member] : "", lengths[member]};
		if (text.data == NULL)
			continue;
		/* The API shows both alike. */
		if (stored.data[0] == '\0' && entry_kind(member) == ENTRY_OBJECT)
			stored = slice_of("{}");
		if (!slices_equal(text, stored))
			return true;
	}
	return false;
}

/* Finds out what each record of the batch is to what is stored.  The order of the
 * conditions lets either server read by_id as one list of points. */
static enum database_status look(struct upsert *upsert)
{
	MYSQL *connection = database_handle(upsert->database);
	bool is_listed[UPSERT_RECORDS_MAX] = {false};
	MYSQL_ROW row;

	begin_sql(upsert, "SELECT ");
	add_columns(upsert);
	add(upsert, " FROM usage_record_group FORCE INDEX (by_id) WHERE ");
	for (size_t i = 0, groups = 0; i < upsert->count; i++) {
		upsert->outcomes[i] = UPSERT_NEW;
		if (is_listed[i])
			continue;
		struct slice organization = entry_text(upsert->entries[i], ENTRY_ORGANIZATION_ID);
		add(upsert, groups++ > 0 ? " OR (organization_id = " : "(organization_id = ");
		add_value(upsert, organization);
		add(upsert, " AND id IN (");
		for (size_t j = i; j < upsert->count; j++) {
			if (is_listed[j] ||
			    !slices_equal(organization, entry_text(upsert->entries[j], ENTRY_ORGANIZATION_ID)))
				continue;
			is_listed[j] = true;
			add(upsert, j > i ? ", " : "");
			add_value(upsert, entry_text(upsert->entries[j], ENTRY_ID));
		}
		add(upsert, "))");
	}
	enum database_status status = send(upsert);
	if (status != DATABASE_OK)
		return status;
	MYSQL_RES *result = mysql_use_result(connection);
	if (result == NULL)
		return failed(upsert);
	/* MySQL's JSON type makes doubles of numbers: what is loaded would not be what is stored. */
	if (mysql_fetch_field_direct(result, ENTRY_RECORDS)->type == MYSQL_TYPE_JSON ||
	    mysql_fetch_field_direct(result, ENTRY_META_INFO)->type == MYSQL_TYPE_JSON) {
		entry_fault(
		    upsert->entries[0],
		    "columns of the type JSON would round its numbers: sql/migrate makes them text");
		mysql_free_result(result);
		return DATABASE_FAILED;
	}
	while ((row = mysql_fetch_row(result)) != NULL) {
		const unsigned long *lengths = mysql_fetch_lengths(result);
		uint16_t slot = *slot_of(
		    upsert, (struct slice){row[ENTRY_ORGANIZATION_ID], lengths[ENTRY_ORGANIZATION_ID]},
		    (struct slice){row[ENTRY_ID], lengths[ENTRY_ID]});
		if (slot == 0)
			continue;
		const struct entry *entry = upsert->entries[slot - 1];
		struct slice time = entry_text(entry, ENTRY_LAST_UPDATE_TIME);
		if (time.len > 0 && strncmp(time.data, row[ENTRY_LAST_UPDATE_TIME], time.len) < 0)
			upsert->outcomes[slot - 1] = UPSERT_OLDER;
		else
			upsert->outcomes[slot - 1] =
			    differs(entry, row, lengths) ? UPSERT_CHANGED : UPSERT_SAME;
	}
	if (mysql_errno(connection) != 0)
		status = failed(upsert);
	mysql_free_result(result);
	return status;
}

static enum database_status insert(struct upsert *upsert)
{
	size_t row_count = 0;

	begin_sql(upsert, "INSERT INTO usage_record_group (");
	add_columns(upsert);
	add(upsert, ") VALUES ");
	for (size_t i = 0; i < upsert->count; i++) {
		if (upsert->outcomes[i] != UPSERT_NEW)
			continue;
		add(upsert, row_count++ > 0 ? ", (" : "(");
		for (unsigned member = 0; member < ENTRY_MEMBER_COUNT; member++) {
			add(upsert, member > 0 ? ", " : "");
			add_member(upsert, upsert->entries[i], member);
		}
		add(upsert, ")");
	}
	return row_count > 0 ? send(upsert) : DATABASE_OK;
}

/* The condition on the time holds off a writer that came between. */
static enum database_status update(struct upsert *upsert, size_t index)
{
	const struct entry *entry = upsert->entries[index];
	struct slice time = entry_text(entry, ENTRY_LAST_UPDATE_TIME);

	begin_sql(upsert, "UPDATE usage_record_group SET ");
	for (unsigned member = 0; member < ENTRY_MEMBER_COUNT; member++) {
		if (entry_text(entry, member).data == NULL || member == ENTRY_ORGANIZATION_ID ||
		    member == ENTRY_ID || member == ENTRY_LAST_UPDATE_TIME)
			continue;
		add(upsert, entry_columns[member]);
		add(upsert, " = ");
		add_member(upsert, entry, member);
		add(upsert, ", ");
	}
	add(upsert, "last_update_time = ");
	add_member(upsert, entry, ENTRY_LAST_UPDATE_TIME);
	add(upsert, " WHERE organization_id = ");
	add_value(upsert, entry_text(entry, ENTRY_ORGANIZATION_ID));
	add(upsert, " AND id = ");
	add_value(upsert, entry_text(entry, ENTRY_ID));
	if (time.len > 0) {
		add(upsert, " AND last_update_time <= ");
		add_value(upsert, time);
	}
	enum database_status status = send(upsert);
	/* Another writer came between, with the same or with something newer. */
	if (status == DATABASE_OK && mysql_affected_rows(database_handle(upsert->database)) == 0)
		upsert->outcomes[index] = UPSERT_SAME;
	return status;
}

static enum database_status store_batch(void *context)
{
	struct upsert *upsert = context;

	upsert->error = 0;
	upsert->entries[0]->reason[0] = '\0'; /* of a try before */
	enum database_status status = query(upsert, "START TRANSACTION");
	if (status == DATABASE_OK)
		status = look(upsert);
	if (status == DATABASE_OK && !upsert->is_dry)
		status = insert(upsert);
	for (size_t i = 0; i < upsert->count && status == DATABASE_OK && !upsert->is_dry; i++)
		if (upsert->outcomes[i] == UPSERT_CHANGED)
			status = update(upsert, i);
	if (status == DATABASE_OK)
		status = query(upsert, upsert->is_rehearsal ? "ROLLBACK" : "COMMIT");
	if (status == DATABASE_FAILED) {
		unsigned error = upsert->error;
		if (upsert->count == 1)
			entry_fault(upsert->entries[0], "the database refuses it: %u %s", error,
			            mysql_error(database_handle(upsert->database)));
		/* On a connection that is gone by now it is as good as done. */
		query(upsert, "ROLLBACK");
		upsert->error = error;
	}
	return status;
}

static enum database_status run(struct upsert *upsert, struct entry **entries, size_t count,
                                enum upsert_outcome *outcomes)
{
	enum database_status status = DATABASE_UNAVAILABLE;

	upsert->entries = entries;
	upsert->count = count;
	upsert->outcomes = outcomes;
	memset(upsert->slots, 0, sizeof upsert->slots);
	for (size_t i = 0; i < count; i++)
		*slot_of(upsert, entry_text(entries[i], ENTRY_ORGANIZATION_ID),
		         entry_text(entries[i], ENTRY_ID)) = (uint16_t)(i + 1);
	for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
		if (tries > 0)
			usleep(RETRY_US * tries * (1 + (unsigned)getpid() % 3));
		status = database_run(upsert->database, store_batch, upsert);
		if (status == DATABASE_OK ||
		    (status == DATABASE_FAILED && !is_passing(upsert->error, tries)))
			break;
	}
	return status;
}

size_t upsert_find(struct entry *const *entries, size_t count, const struct entry *entry)
{
	size_t i = 0;

	while (i < count &&
	       !(slices_equal(entry_text(entries[i], ENTRY_ID), entry_text(entry, ENTRY_ID)) &&
	         slices_equal(entry_text(entries[i], ENTRY_ORGANIZATION_ID),
	                      entry_text(entry, ENTRY_ORGANIZATION_ID))))
		i++;
	return i;
}

/* Of a batch that was refused: which record is to blame only each by itself can tell. */
static enum database_status store_parts(struct upsert *upsert, struct entry **entries, size_t count,
                                        enum upsert_outcome *outcomes)
{
	size_t half = count / 2;
	enum database_status status = run(upsert, entries, count, outcomes);

	if (status != DATABASE_FAILED)
		return status;
	if (count == 1) {
		outcomes[0] = UPSERT_REFUSED;
		return DATABASE_OK;
	}
	status = store_parts(upsert, entries, half, outcomes);
	if (status != DATABASE_OK)
		return status;
	return store_parts(upsert, entries + half, count - half, outcomes + half);
}

static bool has_refused(const enum upsert_outcome *outcomes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (outcomes[i] == UPSERT_REFUSED)
			return true;
	return false;
}

enum database_status upsert_store(struct upsert *upsert, struct entry **entries, size_t count,
                                  bool is_dry, bool is_partial, enum upsert_outcome *outcomes)
{
	upsert->is_dry = is_dry;
	upsert->is_rehearsal = false;
	enum database_status status = run(upsert, entries, count, outcomes);
	if (status != DATABASE_FAILED)
		return status;
	upsert->is_rehearsal = !is_partial;
	status = store_parts(upsert, entries, count, outcomes);
	if (status != DATABASE_OK || is_partial || has_refused(outcomes, count))
		return status;
	/* None is to blame: others stood in the way, and nothing is stored yet. */
	upsert->is_rehearsal = false;
	return store_parts(upsert, entries, count, outcomes);
}
