/* sample_test.c - names and values of samples. */
#include "base/test.h"
#include "model/sample.h"

TEST(sample_names)
{
    CHECK_Z(quality_name(QUALITY_UNCERTAIN), "uncertain");
    CHECK_Z(quality_name(9), "bad");
    CHECK_Z(reason_name(REASON_COMM_FAILURE | SAMPLE_FLAG_BACKFILL), "comm_failure");
    CHECK_Z(reason_name(200), "");
    CHECK_Z(reason_text(REASON_STALE, false), "stale");
    CHECK_Z(reason_text(REASON_SHUTDOWN, true), "采集停止");
}

TEST(sample_values)
{
    struct sample d = {.type = SAMPLE_DOUBLE, .v.d = NAN}, i = {.type = SAMPLE_INT, .v.i = -5},
                  s = {.type = SAMPLE_STRING, .v.u = 5};
    CHECK(isnan(sample_number(&s)) && sample_same_value(&d, &d) && !sample_same_value(&i, &s));
    CHECK_DBL(sample_number(&i), -5, 0);
    struct sample z = {.type = SAMPLE_DOUBLE, .v.d = 0}, nz = {.type = SAMPLE_DOUBLE, .v.d = -0.0};
    CHECK(sample_same_value(&z, &nz) && !sample_same_value(&z, &d));
}
