#include "config.h"
#include "store/places.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/log.h"
#include "base/shared.h"

enum {
	/* A place may lie anywhere in the set that its digest gives. */
	SET_SIZE = 8,
	SET_COUNT = PLACES_COUNT / SET_SIZE,
	KEY_WORDS = 4,
	/* How long a set that is locked is waited for: who has it writes 64 bytes. */
	LOCK_TRIES = 20,
	LOCK_WAIT_US = 500,
};

struct place {
	uint64_t digest[2]; /* of who asks, what shapes the list, and the offset */
	struct record_position after;
	int32_t end_day;
	uint32_t is_ambiguous; /* pages ended differently here */
	int64_t written_ms;    /* as in utc.h: a file may outlive the machine's own clock */
	uint64_t epoch;
};
enum { PLACE_WORDS = sizeof(struct place) / sizeof(uint64_t) };
_Static_assert(sizeof(struct place) == PLACE_WORDS * sizeof(uint64_t), "nothing between the words");

/*
 * The file's contents.  A place is read without a lock: what is half written, by a worker that
 * was killed or is at it, fails its checksum and is no place.  Writers lock a set, so that none
 * of two different ends gets lost.  When one holds the lock for too long, nobody knows what it
 * was about to say: a new epoch begins, and no place of the one before counts.
 */
struct table {
	_Atomic uint64_t key[KEY_WORDS]; /* 0: not made yet */
	_Atomic uint64_t epoch;
	_Atomic pid_t locks[SET_COUNT]; /* who writes; 0: nobody */
	struct slot {
		_Atomic uint64_t words[PLACE_WORDS], checksum;
	} slots[SET_COUNT][SET_SIZE];
};

struct places {
	struct table *table; /* NULL: nothing is remembered */
	pid_t self;
	int64_t memory_ms;
	uint64_t key[KEY_WORDS];
	EVP_MD_CTX *context;
};

/* Whichever worker comes first makes it. */
static bool join_key(struct places *places)
{
	uint64_t random[KEY_WORDS];

	if (getrandom(random, sizeof random, 0) != sizeof random) {
		log_message(LOG_LEVEL_WARNING, "no random key: no places are remembered");
		return false;
	}
	for (int i = 0; i < KEY_WORDS; i++) {
		uint64_t none = 0;
		atomic_compare_exchange_strong(&places->table->key[i], &none, random[i] | 1);
		places->key[i] = atomic_load(&places->table->key[i]);
	}
	return true;
}

struct places *places_open(const char *path, unsigned memory_s)
{
	struct places *places = calloc(1, sizeof *places);
	struct shared shared;

	if (places == NULL || (places->context = EVP_MD_CTX_new()) == NULL ||
	    EVP_DigestInit_ex(places->context, EVP_sha256(), NULL) != 1) {
		places_close(places);
		return NULL;
	}
	places->memory_ms = memory_s * INT64_C(1000);
	places->self = getpid();
	if (path[0] == '\0' || memory_s == 0 || !shared_open(&shared, path, sizeof *places->table))
		return places;
	places->table = shared.memory;
	if (!join_key(places))
		places->table = NULL;
	return places;
}

void places_close(struct places *places)
{
	if (places == NULL)
		return;
	EVP_MD_CTX_free(places->context);
	free(places);
}

/* A file that was cut short left memory of this worker alone, in which others' ends are missing. */
static bool is_shared(const struct places *places)
{
	return places != NULL && places->table != NULL &&
	       atomic_load(&places->table->key[0]) == places->key[0];
}

static bool add(EVP_MD_CTX *context, const void *data, size_t len)
{
	return EVP_DigestUpdate(context, &len, sizeof len) == 1 &&
	       EVP_DigestUpdate(context, data, len) == 1;
}

static bool add_text(EVP_MD_CTX *context, const char *text)
{
	return text != NULL ? add(context, text, strlen(text) + 1) : add(context, "", 0);
}

static bool add_id(EVP_MD_CTX *context, const struct filter_id *id)
{
	return add(context, id->text, id->len);
}

/* All that shapes the list; a day that was not given is the walk's, whatever today is. */
static bool make_digest(const struct places *places, const char *authorization,
                        const struct filter *filter, uint32_t offset, uint64_t digest[static 2])
{
	EVP_MD_CTX *context = places->context;
	struct slice meta_info =
	    filter->meta_info != NULL ? metainfo_text(filter->meta_info) : (struct slice){"", 0};
	const int32_t days[] = {filter->has_start_day, filter->has_start_day ? filter->start_day : 0,
	                        filter->has_end_day, filter->has_end_day ? filter->end_day : 0};
	unsigned char hash[EVP_MAX_MD_SIZE];

	/* The kind is the context's: OpenSSL 3 takes longer to look for it by name than to use it. */
	if (EVP_DigestInit_ex(context, NULL, NULL) != 1 ||
	    !add(context, places->key, sizeof places->key) || !add_text(context, authorization) ||
	    !add_id(context, &filter->organization_id) || !add_text(context, filter->partner) ||
	    !add_id(context, &filter->buyer_id) || !add_id(context, &filter->entitlement_id) ||
	    !add_id(context, &filter->product_id) || !add_text(context, filter->status) ||
	    !add_text(context, filter->source) || !add(context, meta_info.data, meta_info.len) ||
	    !add(context, days, sizeof days) || !add(context, &offset, sizeof offset) ||
	    EVP_DigestFinal_ex(context, hash, NULL) != 1) {
		log_message(LOG_LEVEL_ERROR, "no digest of a place could be made");
		return false;
	}
	memcpy(digest, hash, 2 * sizeof digest[0]);
	return true;
}

static uint64_t make_checksum(const uint64_t words[static PLACE_WORDS])
{
	uint64_t sum = UINT64_C(0x9e3779b97f4a7c15);

	for (int i = 0; i < PLACE_WORDS; i++) {
		sum = (sum ^ words[i]) * UINT64_C(0xff51afd7ed558ccd);
		sum ^= sum >> 32;
	}
	return sum;
}

/* The place in a slot; false when it is none that counts now. */
static bool read_slot(const struct places *places, struct slot *slot, struct place *place)
{
	uint64_t words[PLACE_WORDS];

	for (int i = 0; i < PLACE_WORDS; i++)
		words[i] = atomic_load_explicit(&slot->words[i], memory_order_relaxed);
	if (atomic_load_explicit(&slot->checksum, memory_order_relaxed) != make_checksum(words))
		return false;
	memcpy(place, words, sizeof *place);
	int64_t age_ms = utc_now_ms() - place->written_ms;
	return age_ms >= 0 && age_ms < places->memory_ms &&
	       place->epoch == atomic_load(&places->table->epoch);
}

static void write_slot(struct slot *slot, const struct place *place)
{
	uint64_t words[PLACE_WORDS];

	memcpy(words, place, sizeof *place);
	for (int i = 0; i < PLACE_WORDS; i++)
		atomic_store_explicit(&slot->words[i], words[i], memory_order_relaxed);
	atomic_store_explicit(&slot->checksum, make_checksum(words), memory_order_relaxed);
}

/*
 * The slot of a digest, and the place there; or *is_known is false, and the slot is the one to
 * be written over: one without a place if there is one, else that with the oldest.
 */
static struct slot *find_slot(const struct places *places, const uint64_t digest[static 2],
                              struct place *place, bool *is_known)
{
	struct slot *slots = places->table->slots[digest[0] % SET_COUNT], *oldest = NULL;
	int64_t oldest_ms = INT64_MAX;

	for (int i = 0; i < SET_SIZE; i++) {
		bool is_place = read_slot(places, &slots[i], place);
		*is_known = is_place && memcmp(place->digest, digest, sizeof place->digest) == 0;
		if (*is_known)
			return &slots[i];
		int64_t written_ms = is_place ? place->written_ms : INT64_MIN;
		if (oldest == NULL || written_ms < oldest_ms) {
			oldest = &slots[i];
			oldest_ms = written_ms;
		}
	}
	return oldest;
}

void places_find(struct places *places, const char *authorization, struct filter *filter)
{
	uint64_t digest[2];
	struct place place;
	bool is_known;

	if (filter->offset == 0 || filter->has_cursor || !is_shared(places) ||
	    !make_digest(places, authorization, filter, filter->offset, digest))
		return;
	find_slot(places, digest, &place, &is_known);
	if (!is_known || place.is_ambiguous)
		return;
	filter_set_default_end(filter, place.end_day);
	filter->place = place.after;
	filter->has_place = true;
}

static void lock(const struct places *places, _Atomic pid_t *owner)
{
	for (int tries = 0; tries < LOCK_TRIES; tries++) {
		pid_t nobody = 0;
		if (atomic_compare_exchange_strong(owner, &nobody, places->self))
			return;
		usleep(LOCK_WAIT_US);
	}
	atomic_fetch_add(&places->table->epoch, 1);
	atomic_store(owner, places->self);
}

static void unlock(const struct places *places, _Atomic pid_t *owner)
{
	pid_t self = places->self;

	atomic_compare_exchange_strong(owner, &self, 0);
}

void places_remember(struct places *places, const char *authorization, const struct filter *filter,
                     uint32_t offset, const struct record_position *last)
{
	struct place place = {.after = *last, .end_day = filter->end_day}, known;
	bool is_known;

	if (!is_shared(places) || !make_digest(places, authorization, filter, offset, place.digest))
		return;
	_Atomic pid_t *owner = &places->table->locks[place.digest[0] % SET_COUNT];
	lock(places, owner);
	place.epoch = atomic_load(&places->table->epoch);
	struct slot *slot = find_slot(places, place.digest, &known, &is_known);
	place.is_ambiguous = is_known && (known.is_ambiguous || known.end_day != place.end_day ||
	                                  memcmp(&known.after, &place.after, sizeof known.after) != 0);
	place.written_ms = utc_now_ms();
	write_slot(slot, &place);
	unlock(places, owner);
}
