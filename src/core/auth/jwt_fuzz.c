/* Anything as an ID token, with a key set of its own as the second line. */
#include "core/auth/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    AUTO_ARENA a;
    struct str rest = str_make((const char *)data, n), token = str_cut(&rest, '\n');
    struct json *keys = NULL;
    const struct json *claims = NULL;
    struct jwt_want want = {STR("i"), STR("c"), STR("n"), 0};
    arena_init(&a, 1 << 20);
    if (!rest.n || json_parse(&a, rest, &keys, NULL)) keys = NULL;
    if (jwt_verify(&a, token, keys, &want, &claims, NULL)) return 0;
    return 0;
}
