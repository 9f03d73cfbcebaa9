/* sample.c - names of qualities and reasons, values as numbers. Pure. */
#include "model/sample.h"
#include <math.h>

static const char *const qualities[] = {
    [QUALITY_GOOD] = "good", [QUALITY_UNCERTAIN] = "uncertain", [QUALITY_BAD] = "bad"};

static const char *const names[] = {
    [REASON_NONE] = "",
    [REASON_COMM_FAILURE] = "comm_failure",
    [REASON_NOT_CONNECTED] = "not_connected",
    [REASON_DEVICE_FAILURE] = "device_failure",
    [REASON_SENSOR_FAILURE] = "sensor_failure",
    [REASON_OUT_OF_RANGE] = "out_of_range",
    [REASON_STALE] = "stale",
    [REASON_CONFIG_ERROR] = "config_error",
    [REASON_DEVICE_EXCEPTION] = "device_exception",
    [REASON_NOT_A_NUMBER] = "not_a_number",
    [REASON_MANUAL] = "manual",
    [REASON_SUBSTITUTED] = "substituted",
    [REASON_NO_DATA] = "no_data",
    [REASON_OUT_OF_SERVICE] = "out_of_service",
    [REASON_LAST_KNOWN] = "last_known",
    [REASON_SHUTDOWN] = "shutdown",
};

static const char *const texts[][2] = {
#define X(name, number, en, zh) [number] = {en, zh},
    QUALITY_REASONS(X)
#undef X
};
#define REASONS (sizeof(texts) / sizeof(texts[0]))
_Static_assert(sizeof(names) / sizeof(names[0]) == REASONS, "a name for each reason");

const char *quality_name(uint8_t quality)
{
    return quality <= QUALITY_BAD ? qualities[quality] : "bad"; /* what we do not know is not to be trusted */
}

const char *reason_name(uint16_t flags)
{
    size_t r = flags & SAMPLE_REASON_MASK;
    return r < REASONS ? names[r] : "";
}

const char *reason_text(uint16_t flags, bool zh)
{
    size_t r = flags & SAMPLE_REASON_MASK;
    return r < REASONS ? texts[r][zh] : "";
}

double sample_number(const struct sample *s)
{
    if (s->type == SAMPLE_DOUBLE) return s->v.d;
    return s->type == SAMPLE_INT || s->type == SAMPLE_BOOL ? (double)s->v.i : NAN;
}

bool sample_same_value(const struct sample *a, const struct sample *b)
{
    if (a->type != b->type) return false;
    if (a->type == SAMPLE_NONE) return true;
    if (a->type == SAMPLE_DOUBLE) return a->v.d == b->v.d || (isnan(a->v.d) && isnan(b->v.d));
    return a->v.u == b->v.u;
}
