/* admin.c - the table of housekeeping operations. */
#include "tsdb/engine.h"

const struct ts_admin_ops tsdb_admin_ops = {
    .usage = db_usage,
    .preview = db_preview,
    .scrub = db_scrub,
    .damage = db_damage,
    .snapshot = db_snapshot,
    .archive_logs = db_archive_logs,
    .logs = db_logs,
    .log_read = db_log_read,
    .log_drop = db_log_drop,
    .places = db_places,
};
