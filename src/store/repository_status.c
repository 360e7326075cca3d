#include "store/repository_status.h"

enum repository_status repository_status(enum database_status status)
{
	switch (status) {
	case DATABASE_OK:
		return REPOSITORY_OK;
	case DATABASE_AGAIN:
	case DATABASE_LOST:
	case DATABASE_UNFIT:
	case DATABASE_SILENT:
	case DATABASE_UNAVAILABLE:
		return REPOSITORY_UNAVAILABLE;
	case DATABASE_TIMEOUT:
		return REPOSITORY_TIMEOUT;
	case DATABASE_FAILED:
		return REPOSITORY_FAILED;
	}
	return REPOSITORY_FAILED;
}
