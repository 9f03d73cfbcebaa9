/* ts_admin.c - names of the places: see ts_admin.h. */
#include "model/ts_admin.h"

const char *ts_place_name(enum ts_place p)
{
    static const char *const names[TS_PLACES] = {"hot", "warm", "cold"};
    return (unsigned)p < TS_PLACES ? names[p] : "";
}
