#include "request/search.h"

bool search_is_needed(const struct filter *filter)
{
	return filter->meta_info != NULL || filter_skip(filter) >= SEARCH_OFFSET_MIN;
}
