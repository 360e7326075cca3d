#include "base/number.h"

#include <stddef.h>

enum { EXPONENT_MAX = 1000000000 };

static const char *skip_digits(const char *at, const char *end)
{
	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at;
}

static const char *read_exponent(const char *at, const char *end, int64_t *exponent)
{
	bool is_negative = at < end && *at == '-';
	const char *digits = at += at < end && (*at == '-' || *at == '+');

	for (; at < end && *at >= '0' && *at <= '9'; at++)
		if (*exponent < EXPONENT_MAX)
			*exponent = *exponent * 10 + (*at - '0');
	if (is_negative)
		*exponent = -*exponent;
	return at > digits ? at : NULL;
}

const char *number_read(const char *at, const char *end, struct number *number)
{
	number->exponent = 0;
	number->is_negative = at < end && *at == '-';
	number->digits = at += number->is_negative;
	number->point = number->end = at = skip_digits(at, end);
	if (at == number->digits || (*number->digits == '0' && at > number->digits + 1))
		return NULL;
	if (at < end && *at == '.') {
		number->end = skip_digits(++at, end);
		if (number->end == at)
			return NULL;
		at = number->end;
	}
	if (at < end && (*at == 'e' || *at == 'E'))
		return read_exponent(at + 1, end, &number->exponent);
	return at;
}
