#include "base/utf8.h"

size_t utf8_sequence(const unsigned char *text, size_t len, uint32_t *code_point)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char lead = text[0];
	size_t need = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	uint32_t value = lead & (need == 1 ? 0x7f : 0xff >> (need + 1));

	if (need == 0 || need > len || lead > 0xf4)
		return 0;
	for (size_t i = 1; i < need; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (text[i] & 0x3f);
	}
	if (value < smallest[need] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*code_point = value;
	return need;
}

bool utf8_is_valid(struct slice text)
{
	const unsigned char *bytes = (const unsigned char *)text.data;
	uint32_t code_point;

	for (size_t i = 0; i < text.len;) {
		size_t step = bytes[i] < 0x80 ? 1 : utf8_sequence(bytes + i, text.len - i, &code_point);
		if (step == 0)
			return false;
		i += step;
	}
	return true;
}
