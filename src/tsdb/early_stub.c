#include "base/mem.h"
#include "tsdb/recover.h"
#include "tsdb/worker.h"
struct seg {
    int x;
};
void seg_unref(struct seg *s) {}
struct seg *seg_ref(struct seg *s)
{
    return s;
}
const struct seg_info *seg_info(const struct seg *s)
{
    return NULL;
}
bool seg_name_parse(const char *name, struct seg_info *ret)
{
    return false;
}
int seg_source(struct seg *s, uint32_t point, int64_t from, int64_t to, int64_t floor, struct arena *a,
               struct codec *codec, struct source *ret)
{
    return 0;
}
int segs_load(struct tsdb *db, struct seg_info *names, size_t n, struct seg_set *ret, struct error *e)
{
    return 0;
}
void seg_set_fini(struct seg_set *s) {}
bool seal_due(struct tsdb *db, uint64_t factor)
{
    return false;
}
int tsdb_seal(struct ts_store *st, struct error *e)
{
    return 0;
}
int tsdb_merge(struct ts_store *st, struct error *e)
{
    return 0;
}
int worker_start(struct tsdb *db)
{
    return 0;
}
void worker_stop(struct tsdb *db) {}
