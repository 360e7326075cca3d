#include "retire/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/record.h"
#include "base/text.h"
#include "load/reader.h"

enum { PIECE_SIZE = 256 << 10, SIZE_KEPT = 1 << 20 };

/* What a batch says, member by member, whatever it was read from. */
struct digest {
	EVP_MD_CTX *context;
	bool is_good;
};

struct archive {
	int file;
	off_t start; /* of the batch at hand */
	struct growing lines;
	uint64_t record_count, read_count; /* of the batch */
	struct digest written, read;
	char fault[ENTRY_REASON_SIZE + 100];
};

static void digest_begin(struct digest *digest)
{
	digest->is_good = EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) == 1;
}

static void digest_add(struct digest *digest, struct slice text)
{
	uint64_t len = text.len;

	digest->is_good &= EVP_DigestUpdate(digest->context, &len, sizeof len) == 1 &&
	                   EVP_DigestUpdate(digest->context, text.data, text.len) == 1;
}

static bool digests_agree(struct digest *a, struct digest *b)
{
	unsigned char value_a[EVP_MAX_MD_SIZE], value_b[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	return a->is_good && b->is_good && EVP_DigestFinal_ex(a->context, value_a, &len) == 1 &&
	       EVP_DigestFinal_ex(b->context, value_b, &len) == 1 && memcmp(value_a, value_b, len) == 0;
}

static bool fail(struct archive *archive, const char *what)
{
	snprintf(archive->fault, sizeof archive->fault, "%s: %s", what, strerror(errno));
	return false;
}

/* Whether the file is empty, begins as a record does, or with the zeros that a crash may leave of
 * one: another's, a compressed one for example, is neither cut nor added to. */
static bool is_archive(int file)
{
	char first = '\0';
	ssize_t len = pread(file, &first, 1, 0);
	bool is_ours = first == '{' || first == '\0';

	if (!is_ours)
		errno = EMEDIUMTYPE;
	return len >= 0 && is_ours;
}

/* Takes away what stands behind the last whole line. */
static bool drop_torn_line(int file)
{
	char piece[4096];
	off_t end = lseek(file, 0, SEEK_END), at = end;

	while (at > 0) {
		off_t start = at > (off_t)sizeof piece ? at - (off_t)sizeof piece : 0;
		ssize_t len = pread(file, piece, (size_t)(at - start), start);
		if (len != at - start)
			return false;
		const char *newline = memrchr(piece, '\n', (size_t)len);
		at = newline != NULL ? start + (newline - piece) + 1 : start;
		if (newline != NULL)
			break;
	}
	return end >= 0 && (at == end || ftruncate(file, at) == 0);
}

/* A file that was just made is there after a crash when its folder is on the disk, too. */
static bool sync_folder(const char *path)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof copy, "%s", path);
	int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_good = folder >= 0 && fsync(folder) == 0;
	if (folder >= 0)
		close(folder);
	return is_good;
}

struct archive *archive_open(const char *path)
{
	struct archive *archive = calloc(1, sizeof *archive);

	if (archive == NULL)
		return NULL;
	archive->file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	archive->written.context = EVP_MD_CTX_new();
	archive->read.context = EVP_MD_CTX_new();
	if (archive->file >= 0 && flock(archive->file, LOCK_EX | LOCK_NB) == 0 &&
	    is_archive(archive->file) && drop_torn_line(archive->file) && sync_folder(path) &&
	    archive->written.context != NULL && archive->read.context != NULL)
		return archive;
	int error = errno;
	archive_close(archive);
	errno = error;
	return NULL;
}

void archive_close(struct archive *archive)
{
	if (archive == NULL)
		return;
	if (archive->file >= 0)
		close(archive->file);
	EVP_MD_CTX_free(archive->written.context);
	EVP_MD_CTX_free(archive->read.context);
	growing_free(&archive->lines);
	free(archive);
}

void archive_begin(struct archive *archive)
{
	archive->start = lseek(archive->file, 0, SEEK_END);
	archive->record_count = archive->read_count = 0;
	archive->fault[0] = '\0';
	growing_clear(&archive->lines, SIZE_KEPT);
	digest_begin(&archive->written);
	digest_begin(&archive->read);
}

static bool flush(struct archive *archive)
{
	struct slice left = growing_slice(&archive->lines);

	if (archive->lines.is_short) {
		errno = ENOMEM;
		return fail(archive, "the archive");
	}
	while (left.len > 0) {
		ssize_t len = write(archive->file, left.data, left.len);
		if (len < 0 && errno != EINTR)
			return fail(archive, "the archive");
		left.data += len > 0 ? len : 0;
		left.len -= len > 0 ? (size_t)len : 0;
	}
	growing_clear(&archive->lines, SIZE_KEPT);
	return true;
}

static void add_string(struct archive *archive, enum entry_member member, struct slice value)
{
	char inside[RECORD_ID_LEN_MAX * TEXT_JSON_EXPANSION];
	struct text text = TEXT_IN(inside);

	text_add_json(&text, value);
	/* A time: "2024-08-12 01:02:15.910" */
	if (member == ENTRY_CREATION_TIME || member == ENTRY_LAST_UPDATE_TIME) {
		inside[10] = 'T';
		TEXT_ADD(&text, "Z");
	}
	GROWING_ADD(&archive->lines, "\"");
	growing_add(&archive->lines, text_slice(&text));
	GROWING_ADD(&archive->lines, "\"");
}

/* A document; between its values it may have ends of lines, which would end its record. */
static void add_document(struct archive *archive, struct slice value)
{
	size_t at = archive->lines.len;

	growing_add(&archive->lines, value);
	for (; !archive->lines.is_short && at < archive->lines.len; at++)
		if (archive->lines.data[at] == '\n' || archive->lines.data[at] == '\r')
			archive->lines.data[at] = ' ';
}

bool archive_add(struct archive *archive, const struct slice *columns)
{
	struct growing *lines = &archive->lines;
	bool is_first = true;

	for (unsigned member = 0; member < ENTRY_MEMBER_COUNT; member++) {
		struct slice value = columns[member];
		if (value.len == 0) {
			digest_add(&archive->written, (struct slice){"", 0});
			continue;
		}
		growing_add(lines, slice_of(is_first ? "{\"" : ",\""));
		growing_add(lines, slice_of(entry_name(member)));
		GROWING_ADD(lines, "\":");
		if (entry_kind(member) == ENTRY_OBJECT) {
			size_t at = lines->len;
			add_document(archive, value);
			if (!lines->is_short)
				value = (struct slice){lines->data + at, lines->len - at};
		} else if (entry_kind(member) == ENTRY_TEXT) {
			add_string(archive, member, value);
		} else {
			growing_add(lines, value);
		}
		digest_add(&archive->written, value);
		is_first = false;
	}
	GROWING_ADD(lines, "}\n");
	archive->record_count++;
	return lines->len < PIECE_SIZE || flush(archive);
}

/* A record that was read back. */
static bool take(void *context, struct entry *entry, struct slice text)
{
	struct archive *archive = context;

	(void)text;
	if (entry->reason[0] != '\0') {
		struct slice id = entry_text(entry, ENTRY_ID);
		snprintf(archive->fault, sizeof archive->fault,
		         "a record would not load back: %s (id \"%.*s\")", entry->reason,
		         id.len < 60 ? (int)id.len : 60, id.len > 0 ? id.data : "");
		return false;
	}
	archive->read_count++;
	for (unsigned member = 0; member < ENTRY_MEMBER_COUNT; member++)
		digest_add(&archive->read, entry_text(entry, member));
	return true;
}

static bool go_on(void *context, uint64_t read_len)
{
	(void)context, (void)read_len;
	return true;
}

bool archive_keep(struct archive *archive)
{
	struct sink sink = {archive, take};
	struct reader reader = {.sink = &sink, .form = READER_NDJSON, .go_on = go_on};

	if (!flush(archive))
		return false;
	if (fsync(archive->file) != 0)
		return fail(archive, "the archive");
	/* What is read is to come from the disk, where that can be had. */
	posix_fadvise(archive->file, archive->start, 0, POSIX_FADV_DONTNEED);
	if (archive->start < 0 || lseek(archive->file, archive->start, SEEK_SET) < 0)
		return fail(archive, "the archive");
	enum form_status status = reader_run(&reader, archive->file);
	if (archive->fault[0] != '\0')
		return false;
	if (status == FORM_OK && archive->read_count == archive->record_count &&
	    digests_agree(&archive->written, &archive->read))
		return true;
	snprintf(archive->fault, sizeof archive->fault,
	         "the archive does not hold what was written%s%s", status == FORM_BROKEN ? ": " : "",
	         status == FORM_BROKEN ? reader.reason : "");
	return false;
}

const char *archive_fault(const struct archive *archive)
{
	return archive->fault;
}
