#include "base/http.h"

const char *const http_role_names[] = {
    [HTTP_CALL] = "call", [HTTP_AUTHORIZER] = "authorizer", [HTTP_LOCAL] = "local"};

const char *const http_work_names[] = {[HTTP_PAGE] = "page", [HTTP_SEARCH] = "search"};
