#include "base/http.h"

const char *const http_role_names[] = {
    [HTTP_CALL] = "call", [HTTP_AUTHORIZER] = "authorizer", [HTTP_LOCAL] = "local"};
