/*
 * repository_status - what the end of an attempt of database's means to whoever asked.
 */
#ifndef REPOSITORY_STATUS_H
#define REPOSITORY_STATUS_H

#include "store/database.h"
#include "store/repository.h"

enum repository_status repository_status(enum database_status status);

#endif
