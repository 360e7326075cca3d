#include "base/decimal.h"

#include <gmp.h>
#include <stdint.h>
#include <stdlib.h>

enum {
	WIDE_DIGITS = 38, /* any number of so many fits decimal_wide, with room for a sign */
	WORD_DIGITS = 19, /* and uint64_t */
	/* Digits of a sum before the point: those of a number, and what many numbers add. */
	WHOLE_DIGITS = DECIMAL_PLACES_MAX + 25,
	BIG_DIGITS = WHOLE_DIGITS + DECIMAL_PLACES_MAX,
	/* A limb has more than 19 digits, on machines with 32 bits 9. */
	BIG_LIMBS = BIG_DIGITS / (GMP_LIMB_BITS == 64 ? 19 : 9) + 1,
};

/* In units of 10^-DECIMAL_PLACES_MAX: what is above 0 and what is below, apart. */
struct decimal_big {
	mp_limb_t above[BIG_LIMBS], below[BIG_LIMBS];
};

static const uint64_t powers[WORD_DIGITS + 1] = {1,
                                                 10,
                                                 100,
                                                 1000,
                                                 10000,
                                                 100000,
                                                 1000000,
                                                 10000000,
                                                 100000000,
                                                 1000000000,
                                                 10000000000,
                                                 100000000000,
                                                 1000000000000,
                                                 10000000000000,
                                                 100000000000000,
                                                 1000000000000000,
                                                 10000000000000000,
                                                 100000000000000000,
                                                 1000000000000000000,
                                                 10000000000000000000U};

/* Multiplies by 10^places; false when that does not fit. */
static bool scale_up(decimal_wide *value, unsigned places)
{
	for (; places > WORD_DIGITS; places -= WORD_DIGITS)
		if (__builtin_mul_overflow(*value, (decimal_wide)powers[WORD_DIGITS], value))
			return false;
	return !__builtin_mul_overflow(*value, (decimal_wide)powers[places], value);
}

/* Reads digits behind those that value is of. */
static decimal_wide read_digits(decimal_wide value, const char *at, const char *end)
{
	while (at < end) {
		ptrdiff_t count = end - at < WORD_DIGITS ? end - at : WORD_DIGITS;
		uint64_t word = 0;
		for (const char *stop = at + count; at < stop; at++)
			word = word * 10 + (uint64_t)(*at - '0');
		value = value * powers[count] + word;
	}
	return value;
}

/* Adds value * 10^-scale; false, and nothing, when that does not fit. */
static bool add_small(struct decimal_sum *sum, decimal_wide value, unsigned scale)
{
	decimal_wide total = sum->small;
	unsigned total_scale = sum->scale;

	if (scale > total_scale) {
		if (!scale_up(&total, scale - total_scale))
			return false;
		total_scale = scale;
	} else if (scale < total_scale && !scale_up(&value, total_scale - scale)) {
		return false;
	}
	if (__builtin_add_overflow(total, value, &total))
		return false;
	sum->small = total;
	sum->scale = total_scale;
	return true;
}

/* Adds digits, as values from 0 to 9, the first of which has the place 10^place. */
static void add_digits(mp_limb_t *sum, const unsigned char *digits, size_t count, int64_t place)
{
	unsigned char all[BIG_DIGITS] = {0};
	mp_limb_t limbs[BIG_LIMBS + 1] = {0}; /* one more than mpn_set_str is said to need */
	size_t first = (size_t)(WHOLE_DIGITS - 1 - place);

	memcpy(all + first, digits, count);
	mpn_set_str(limbs, all + first, BIG_DIGITS - first, 10);
	mpn_add_n(sum, sum, limbs, BIG_LIMBS);
}

/* Puts a sum that has grown too wide, or is about to, where all digits have a place. */
static bool make_big(struct decimal_sum *sum)
{
	unsigned char digits[WIDE_DIGITS + 1];
	struct decimal_big *big = calloc(1, sizeof *big);
	size_t first = sizeof digits;

	if (big == NULL)
		return false;
	__extension__ unsigned __int128 rest =
	    sum->small < 0 ? -(unsigned __int128)sum->small : (unsigned __int128)sum->small;
	for (; rest > 0; rest /= 10)
		digits[--first] = (unsigned char)(rest % 10);
	if (first < sizeof digits)
		add_digits(sum->small < 0 ? big->below : big->above, digits + first, sizeof digits - first,
		           (int64_t)(sizeof digits - first) - 1 - (int64_t)sum->scale);
	sum->big = big;
	return true;
}

static enum decimal_status add_big(struct decimal_sum *sum, const struct number *number)
{
	unsigned char digits[2 * DECIMAL_PLACES_MAX];
	size_t count = 0;
	const char *first = number->digits, *last = number->end;

	while (first < last && (*first == '0' || *first == '.'))
		first++;
	while (last > first && (last[-1] == '0' || last[-1] == '.'))
		last--;
	if (first == last)
		return DECIMAL_OK;
	int64_t place = number->exponent +
	                (first < number->point ? number->point - first - 1 : number->point - first);
	int64_t last_place = number->exponent +
	                     (last <= number->point ? number->point - last : number->point + 1 - last);
	if (place >= DECIMAL_PLACES_MAX || last_place < -DECIMAL_PLACES_MAX)
		return DECIMAL_TOO_LONG;
	for (; first < last; first++)
		if (*first != '.')
			digits[count++] = (unsigned char)(*first - '0');
	if (sum->big == NULL && !make_big(sum))
		return DECIMAL_NO_MEMORY;
	add_digits(number->is_negative ? sum->big->below : sum->big->above, digits, count, place);
	return DECIMAL_OK;
}

enum decimal_status decimal_add(struct decimal_sum *sum, const struct number *number)
{
	size_t count = (size_t)(number->end - number->digits);
	int64_t behind = number->point < number->end ? number->end - number->point - 1 : 0;
	int64_t scale = behind - number->exponent;

	if (sum->big == NULL && count <= WIDE_DIGITS && scale <= WIDE_DIGITS && scale >= -WIDE_DIGITS) {
		decimal_wide value = read_digits(0, number->digits, number->point);
		if (behind > 0)
			value = read_digits(value, number->point + 1, number->end);
		if (number->is_negative)
			value = -value;
		if (scale >= 0 ? add_small(sum, value, (unsigned)scale)
		               : scale_up(&value, (unsigned)-scale) && add_small(sum, value, 0))
			return DECIMAL_OK;
	}
	return add_big(sum, number);
}

enum decimal_status decimal_add_sum(struct decimal_sum *sum, const struct decimal_sum *more)
{
	struct decimal_sum copy = {.small = more->small, .scale = more->scale};

	if (more->big == NULL && sum->big == NULL && add_small(sum, more->small, more->scale))
		return DECIMAL_OK;
	if (sum->big == NULL && !make_big(sum))
		return DECIMAL_NO_MEMORY;
	if (more->big == NULL && !make_big(&copy))
		return DECIMAL_NO_MEMORY;
	const struct decimal_big *big = more->big != NULL ? more->big : copy.big;
	mpn_add_n(sum->big->above, sum->big->above, big->above, BIG_LIMBS);
	mpn_add_n(sum->big->below, sum->big->below, big->below, BIG_LIMBS);
	decimal_close(&copy);
	return DECIMAL_OK;
}

/* Writes digits, as values from 0 to 9, the last places of which stand behind the point. */
static void write_digits(struct growing *text, const unsigned char *digits, size_t count,
                         size_t places)
{
	char written[BIG_DIGITS + 64];
	size_t len = 0;

	while (places > 0 && count > 0 && digits[count - 1] == 0) {
		count--;
		places--;
	}
	if (count <= places)
		written[len++] = '0';
	for (size_t i = 0; i + places < count; i++)
		written[len++] = (char)('0' + digits[i]);
	if (places > 0 && count > 0) {
		written[len++] = '.';
		for (size_t i = count; i < places; i++)
			written[len++] = '0';
		for (size_t i = count > places ? count - places : 0; i < count; i++)
			written[len++] = (char)('0' + digits[i]);
	}
	growing_add(text, (struct slice){written, len});
}

static void write_small(const struct decimal_sum *sum, struct growing *text)
{
	unsigned char digits[WIDE_DIGITS + 1];
	size_t first = sizeof digits;
	__extension__ unsigned __int128 rest =
	    sum->small < 0 ? -(unsigned __int128)sum->small : (unsigned __int128)sum->small;

	for (; rest > 0; rest /= 10)
		digits[--first] = (unsigned char)(rest % 10);
	if (sum->small < 0)
		GROWING_ADD(text, "-");
	write_digits(text, digits + first, sizeof digits - first, sum->scale);
}

static void write_big(const struct decimal_big *big, struct growing *text)
{
	unsigned char digits[BIG_DIGITS + 64];
	mp_limb_t rest[BIG_LIMBS];
	mp_size_t len = BIG_LIMBS;

	bool is_negative = mpn_cmp(big->above, big->below, BIG_LIMBS) < 0;
	mpn_sub_n(rest, is_negative ? big->below : big->above, is_negative ? big->above : big->below,
	          BIG_LIMBS);
	while (len > 0 && rest[len - 1] == 0)
		len--;
	if (is_negative)
		GROWING_ADD(text, "-");
	size_t count = len > 0 ? mpn_get_str(digits, 10, rest, len) : 0;
	size_t first = 0;
	while (first < count && digits[first] == 0)
		first++;
	write_digits(text, digits + first, count - first, DECIMAL_PLACES_MAX);
}

void decimal_write(const struct decimal_sum *sum, struct growing *text)
{
	if (sum->big != NULL)
		write_big(sum->big, text);
	else
		write_small(sum, text);
}

void decimal_close(struct decimal_sum *sum)
{
	free(sum->big);
	*sum = (struct decimal_sum){0};
}
