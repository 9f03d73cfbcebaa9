/* ua_trust_fuzz.c - certificates of strangers: reading any bytes, and judging what could be read. The first byte
 * decides what people have decided. */
#include "proto/opcua/ua_trust.h"

static int answers;

static int ask(void *ctx, const char *purpose, const void *der, size_t n)
{
    int answer = answers & 3;
    answers >>= 2;
    return answer == 3 ? ERR_FORBIDDEN : answer & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct ua_cert *c = NULL;
    struct error e = {0};
    if (n < 1) return 0;
    answers = p[0] | p[0] << 8;
    if (ua_cert_parse(str_make((const char *)p + 1, n - 1), &c, &e)) return 0;
    struct ua_trust t = {.ask = ask, .purpose = "opcua", .now_us = 1795000000000000LL, .host = STR("plc")};
    uint32_t faults = 0;
    if (ua_cert_trust(c, &t, &faults, &e) && e.text[0] == 0) __builtin_trap(); /* a refusal has words */
    ua_cert_free(c);
    return 0;
}
