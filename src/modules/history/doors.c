/* doors.c - see doors.h: the table of tables, and what the doors keep. */
#include "modules/history/doors.h"
#include "base/mem.h"
#include "io/loop.h"
#include "modules/history/line_map.h"

#define STREAM_THREADS 4
#define STREAM_QUEUE 512

struct doors {
    struct line_map *lines;
    struct pool *pool;
};

struct line_map *doors_lines(struct doors *d)
{
    return d->lines;
}

struct pool *doors_pool(struct doors *d)
{
    return d->pool;
}

static const struct door_routes *const tables[] = {&ingest_line_routes, &stream_routes, &grafana_routes,
                                                   &prometheus_routes};

int doors_new(struct node *n, void *module, struct doors **ret, struct error *e)
{
    struct doors *d = mem_calloc(1, sizeof *d);
    if (!d) return error_set(e, ERR_NOMEM, "history", "out of memory", "内存不足");
    int err = line_map_new(n, &d->lines, e);
    if (!err && pool_start("history-stream", STREAM_THREADS, STREAM_QUEUE, &d->pool))
        err = error_set(e, ERR_LIMIT, "history", "cannot start the threads of queries", "无法启动查询线程");
    for (size_t i = 0; !err && i < sizeof tables / sizeof *tables; i++)
        err = api_routes_add(n->api, tables[i]->row, tables[i]->n, module, e);
    if (err) {
        doors_free(d);
        return err;
    }
    *ret = d;
    return 0;
}

int doors_start(struct doors *d, struct error *e)
{
    return line_map_start(d->lines, e);
}

void doors_stop(struct doors *d)
{
    pool_stop(d->pool);
    d->pool = NULL;
}

void doors_free(struct doors *d)
{
    if (!d) return;
    pool_stop(d->pool);
    line_map_free(d->lines);
    mem_free(d);
}
