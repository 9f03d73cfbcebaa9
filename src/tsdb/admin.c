/* admin.c - the table of housekeeping operations, and the names of the places. */
#include "tsdb/engine.h"

const char *ts_place_name(enum ts_place p)
{
    static const char *const names[TS_PLACES] = {"hot", "warm", "cold"};
    return (unsigned)p < TS_PLACES ? names[p] : "";
}

const struct ts_admin_ops tsdb_admin_ops = {
    .usage = db_usage,
    .preview = db_preview,
    .snapshot = db_snapshot,
    .archive_logs = db_archive_logs,
    .logs = db_logs,
    .log_read = db_log_read,
    .log_drop = db_log_drop,
};
