#include "retire/batch.h"

#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>

static void add(struct batch *batch, const char *text)
{
	growing_add(&batch->sql, slice_of(text));
}

static void begin(struct batch *batch, const char *text)
{
	growing_clear(&batch->sql, 4096);
	add(batch, text);
}

/* A text of other people's, none of whose bytes become SQL. */
static void add_organization(struct batch *batch)
{
	static const char digits[] = "0123456789abcdef";

	add(batch, "_utf8mb4 X'");
	for (size_t i = 0; i < batch->organization.len; i++) {
		unsigned char byte = (unsigned char)batch->organization.data[i];
		growing_add(&batch->sql, (struct slice){(char[]){digits[byte >> 4], digits[byte & 15]}, 2});
	}
	add(batch, "'");
}

/* "creation_time < '2024-01-01'" */
static void add_time(struct batch *batch, const char *compared, const char *time)
{
	add(batch, compared);
	add(batch, " '");
	add(batch, time);
	add(batch, "'");
}

/* Behind a place, or up to it; of an empty one, nothing.  Both columns stand in the second part:
 * of "OR serial_id > 7" alone no range of the primary key can be made, and all records of that
 * time are read, or, as the optimizer likes, of the organization. */
static void add_place(struct batch *batch, const char *compared, const char *time,
                      const char *serial_compared, const char *serial_id)
{
	if (time[0] == '\0')
		return;
	add(batch, " AND (creation_time ");
	add_time(batch, compared, time);
	add_time(batch, " OR (creation_time =", time);
	add(batch, " AND ");
	add(batch, serial_compared);
	add(batch, serial_id);
	add(batch, "))");
}

static enum database_status failed(struct batch *batch)
{
	MYSQL *handle = database_handle(batch->database);

	batch->error = mysql_errno(handle);
	snprintf(batch->fault, sizeof batch->fault, "%u %s", batch->error, mysql_error(handle));
	return database_status(batch->database, batch->error);
}

static enum database_status send(struct batch *batch)
{
	if (batch->sql.is_short) {
		snprintf(batch->fault, sizeof batch->fault, "out of memory");
		return DATABASE_FAILED;
	}
	return mysql_real_query(database_handle(batch->database), batch->sql.data, batch->sql.len) == 0
	           ? DATABASE_OK
	           : failed(batch);
}

static enum database_status query(struct batch *batch, const char *sql)
{
	begin(batch, sql);
	return send(batch);
}

/* One look at the first record of each organization, which is its oldest. */
static enum database_status find(void *context)
{
	struct batch *batch = context;
	MYSQL *handle = database_handle(batch->database);
	bool is_due = false;

	do {
		begin(batch, "SELECT organization_id, ");
		add_time(batch, "creation_time <", batch->before);
		add(batch, " FROM usage_record_group FORCE INDEX (PRIMARY) WHERE organization_id > ");
		add_organization(batch);
		add(batch, " ORDER BY organization_id, creation_time, serial_id LIMIT 1");
		enum database_status status = send(batch);
		if (status != DATABASE_OK)
			return status;
		MYSQL_RES *result = mysql_store_result(handle);
		if (result == NULL)
			return failed(batch);
		MYSQL_ROW row = mysql_fetch_row(result);
		batch->is_found = row != NULL;
		if (row != NULL) {
			growing_clear(&batch->organization, 4096);
			growing_add(&batch->organization,
			            (struct slice){row[0], mysql_fetch_lengths(result)[0]});
			is_due = row[1][0] == '1';
		}
		mysql_free_result(result);
	} while (batch->is_found && !is_due);
	return DATABASE_OK;
}

enum database_status batch_find(struct batch *batch)
{
	batch->creation_time[0] = '\0';
	return database_run(batch->database, find, batch);
}

/* The records of the batch, oldest first. */
static void write_select(struct batch *batch)
{
	begin(batch, "SELECT ");
	for (unsigned member = 0; member < ENTRY_MEMBER_COUNT; member++) {
		bool is_place = member == ENTRY_CREATION_TIME || member == ENTRY_SERIAL_ID;
		add(batch, member > 0 ? ", " : "");
		add(batch, batch->archive != NULL || is_place ? entry_columns[member] : "NULL");
	}
	add(batch, " FROM usage_record_group FORCE INDEX (");
	add(batch, batch->is_dry ? "by_time" : "PRIMARY");
	add(batch, ") WHERE organization_id = ");
	add_organization(batch);
	add_time(batch, " AND creation_time <", batch->before);
	add_place(batch, ">", batch->creation_time, "serial_id > ", batch->serial_id);
	char limit[40];
	snprintf(limit, sizeof limit, " LIMIT %u", batch->record_count_max);
	add(batch, " ORDER BY creation_time, serial_id");
	add(batch, limit);
	add(batch, batch->is_dry ? "" : " FOR UPDATE");
}

/* Behind the place where the batch before ended, up to the last record that was read. */
static void write_delete(struct batch *batch, const char *from_time, const char *from_serial_id)
{
	begin(batch, "DELETE record FROM usage_record_group AS record FORCE INDEX (PRIMARY) "
	             "WHERE organization_id = ");
	add_organization(batch);
	add_place(batch, ">", from_time, "serial_id > ", from_serial_id);
	add_place(batch, "<", batch->creation_time, "serial_id <= ", batch->serial_id);
}

static bool archived(struct batch *batch, bool is_good)
{
	if (!is_good)
		snprintf(batch->fault, sizeof batch->fault, "%s", archive_fault(batch->archive));
	return is_good;
}

/* Reads the batch's records, and writes them to the archive. */
static enum database_status read_records(struct batch *batch)
{
	MYSQL *handle = database_handle(batch->database);
	bool is_good = true;
	MYSQL_ROW row;

	write_select(batch);
	enum database_status status = send(batch);
	if (status != DATABASE_OK)
		return status;
	MYSQL_RES *result = mysql_use_result(handle);
	if (result == NULL)
		return failed(batch);
	if (batch->archive != NULL)
		archive_begin(batch->archive);
	while ((row = mysql_fetch_row(result)) != NULL) {
		const unsigned long *lengths = mysql_fetch_lengths(result);
		struct slice columns[ENTRY_MEMBER_COUNT];
		for (unsigned member = 0; member < ENTRY_MEMBER_COUNT; member++)
			columns[member] = (struct slice){row[member], lengths[member]};
		batch->record_count++;
		snprintf(batch->creation_time, sizeof batch->creation_time, "%s", row[ENTRY_CREATION_TIME]);
		snprintf(batch->serial_id, sizeof batch->serial_id, "%s", row[ENTRY_SERIAL_ID]);
		if (is_good && batch->archive != NULL)
			is_good = archived(batch, archive_add(batch->archive, columns));
	}
	if (mysql_errno(handle) != 0)
		status = failed(batch);
	else if (!is_good || (batch->archive != NULL && batch->record_count > 0 &&
	                      !archived(batch, archive_keep(batch->archive))))
		status = DATABASE_FAILED;
	mysql_free_result(result);
	return status;
}

static enum database_status delete_records(struct batch *batch, const char *from_time,
                                           const char *from_serial_id)
{
	write_delete(batch, from_time, from_serial_id);
	enum database_status status = send(batch);
	if (status != DATABASE_OK)
		return status;
	if (mysql_affected_rows(database_handle(batch->database)) == batch->record_count)
		return query(batch, "COMMIT");
	snprintf(batch->fault, sizeof batch->fault,
	         "other records than were read would have been deleted");
	return DATABASE_FAILED;
}

static enum database_status run(void *context)
{
	struct batch *batch = context;
	char from_time[sizeof batch->creation_time], from_serial_id[sizeof batch->serial_id];

	batch->error = 0;
	batch->fault[0] = '\0';
	batch->record_count = 0;
	memcpy(from_time, batch->creation_time, sizeof from_time);
	memcpy(from_serial_id, batch->serial_id, sizeof from_serial_id);
	enum database_status status = query(batch, "START TRANSACTION");
	if (status == DATABASE_OK)
		status = read_records(batch);
	if (status == DATABASE_OK && batch->record_count > 0 && !batch->is_dry)
		status = delete_records(batch, from_time, from_serial_id);
	else if (status == DATABASE_OK)
		status = query(batch, "ROLLBACK");
	if (status == DATABASE_OK)
		return DATABASE_OK;
	/* What was not retired is still to be. */
	memcpy(batch->creation_time, from_time, sizeof from_time);
	memcpy(batch->serial_id, from_serial_id, sizeof from_serial_id);
	if (status == DATABASE_FAILED)
		mysql_rollback(database_handle(batch->database));
	return status;
}

enum database_status batch_run(struct batch *batch)
{
	return database_run(batch->database, run, batch);
}

bool batch_may_be_repeated(const struct batch *batch)
{
	return batch->error == ER_LOCK_DEADLOCK || batch->error == ER_LOCK_WAIT_TIMEOUT;
}

struct slice batch_question(struct batch *batch)
{
	begin(batch, "SELECT 1 FROM usage_record_group FORCE INDEX (PRIMARY) WHERE organization_id = ");
	add_organization(batch);
	add_time(batch, " AND creation_time =", batch->creation_time);
	add(batch, " AND serial_id = ");
	add(batch, batch->serial_id);
	return growing_slice(&batch->sql);
}

void batch_close(struct batch *batch)
{
	growing_free(&batch->organization);
	growing_free(&batch->sql);
}
