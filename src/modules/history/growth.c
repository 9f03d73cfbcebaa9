/* growth.c - see growth.h. Tables:
 *   storage_growth  bytes and samples of a class at the last look of a day
 *   storage_seen    what was told to people: name, time */
#include "modules/history/growth.h"
#include <unistd.h>
#include "base/time.h"

#define DAY_US (86400 * TIME_US_PER_S)
#define KEPT_DAYS 3660

static const struct sql_migration migrations[] = {
    {1, "create table storage_growth(host text not null, day int not null, class_id int not null, bytes int not null, "
        "samples int not null, primary key(host, day, class_id)) strict;"
        "create table storage_seen(host text not null, name text not null, at_us int not null, "
        "primary key(host, name)) strict;"},
};

int growth_migrate(struct sql *db, struct error *e)
{
    return sql_migrate(db, "storage", migrations, sizeof migrations / sizeof *migrations, e);
}

bool growth_fit(const struct growth_day *d, size_t n, double *ret_per_day)
{
    size_t from = n;
    double mx = 0, my = 0, xy = 0, xx = 0;
    while (from > 0 && d[n - 1].day - d[from - 1].day < GROWTH_FIT_DAYS) from--;
    if (n - from < 2) return false;
    for (size_t i = from; i < n; i++) {
        mx += (double)(d[i].day - d[from].day) / (double)(n - from);
        my += (double)d[i].bytes / (double)(n - from);
    }
    for (size_t i = from; i < n; i++) {
        double x = (double)(d[i].day - d[from].day) - mx;
        xy += x * ((double)d[i].bytes - my);
        xx += x * x;
    }
    if (!(xx > 0) || !(xy > 0)) return false;
    *ret_per_day = xy / xx;
    return true;
}

/* Rows of one store: where no other process writes to the database, it may change its name. */
static struct str host_of(struct node *n, char buf[65])
{
    buf[0] = 0;
    if (sql_shared(kernel_sql(n->kernel))) (void)!gethostname(buf, 64);
    buf[64] = 0;
    return str_of(buf);
}

static int64_t today(struct node *n)
{
    return clock_now_us(n->clock) / DAY_US;
}

static int end_write(struct sql_tx *tx, int rc, struct error *e)
{
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

int growth_note(struct node *n, struct error *e)
{
    struct ts_store *st = n->engine;
    struct sql_tx *tx;
    char host[65];
    if (!st->ops->class_usage) return 0;
    int rc = sql_begin(kernel_sql(n->kernel), true, &tx, e);
    if (rc) return rc;
    for (uint8_t id = 0; id < TS_CLASSES && !rc; id++) {
        struct ts_class_usage u = {0};
        if (st->ops->class_usage(st, id, &u) || (id && !u.bytes && !u.samples))
            continue; /* a day without any is a day */
        rc = sql_exec(tx, e,
                      "insert into storage_growth(host, day, class_id, bytes, samples) values($1,$2,$3,$4,$5) on "
                      "conflict(host, day, class_id) do update set bytes = excluded.bytes, samples = excluded.samples",
                      "siiii", host_of(n, host), today(n), (int64_t)id, (int64_t)u.bytes, (int64_t)u.samples);
    }
    if (!rc)
        rc = sql_exec(tx, e, "delete from storage_growth where host = $1 and day < $2", "si", host_of(n, host),
                      today(n) - KEPT_DAYS);
    return end_write(tx, rc, e);
}

static int read_days(struct sql_stmt *s, struct arena *a, size_t max, struct growth_day **ret, size_t *ret_n,
                     struct error *e)
{
    struct growth_day *d = arena_calloc(a, max + 1, sizeof *d);
    size_t n = 0;
    int rc;
    if (!d) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    while ((rc = sql_step(s, e)) == 1 && n < max)
        d[n++] = (struct growth_day){sql_i64(s, 0), sql_i64(s, 1), sql_i64(s, 2)};
    *ret = d;
    *ret_n = n;
    return rc < 0 ? rc : 0;
}

int growth_read(struct node *n, struct arena *a, int64_t days, struct growth_day **ret, size_t *ret_n, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    char host[65];
    int rc = sql_begin(kernel_sql(n->kernel), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx,
                     "select day, cast(sum(bytes) as bigint), cast(sum(samples) as bigint) from storage_growth where "
                     "host = $1 and day > $2 group by day order by day",
                     &s, e);
    if (!rc) {
        sql_bind_str(s, 1, host_of(n, host));
        sql_bind_i64(s, 2, today(n) - days);
        rc = read_days(s, a, (size_t)days, ret, ret_n, e);
    }
    sql_done(s);
    sql_rollback(tx);
    return rc;
}

int growth_seen(struct node *n, int64_t *ret_us, struct error *e)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    char host[65];
    int rc = sql_begin(kernel_sql(n->kernel), false, &tx, e);
    if (rc) return rc;
    rc = sql_prepare(tx, "select at_us from storage_seen where host = $1 and name = 'damage'", &s, e);
    if (!rc) {
        sql_bind_str(s, 1, host_of(n, host));
        rc = sql_step(s, e);
        if (rc >= 0) *ret_us = rc == 1 ? sql_i64(s, 0) : 0;
    }
    sql_done(s);
    sql_rollback(tx);
    return rc < 0 ? rc : 0;
}

int growth_seen_set(struct node *n, int64_t us, struct error *e)
{
    struct sql_tx *tx;
    char host[65];
    int rc = sql_begin(kernel_sql(n->kernel), true, &tx, e);
    if (rc) return rc;
    rc =
        sql_exec(tx, e,
                 "insert into storage_seen(host, name, at_us) values($1,'damage',$2) on conflict(host, name) do update "
                 "set at_us = excluded.at_us",
                 "si", host_of(n, host), us);
    return end_write(tx, rc, e);
}
