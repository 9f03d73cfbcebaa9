/* ts_live_test.c - remote engines that really run, against a model in memory: the same random samples of every type,
 * with rewrites, read back equal within what the engine can hold. BORNITE_TEST_ENGINES names them: "influxdb=http://…
 * clickhouse=http://user:password@…" (user and password only here); without it nothing is asked. */
#include <time.h>
#include <unistd.h>
#include "base/str.h"
#include "store/ts_remote.h"
#include "store/ts_test.h"

#define T0 1700000000000000LL
#define POINTS 5

struct live {
    struct ts_store *st;
    struct mem_store *model;
    struct ts_remote_traits traits;
    struct dice dice;
};

static bool name_of(void *ctx, uint32_t point, char *out, size_t cap)
{
    snprintf(out, cap, "熔炼.TI %u,a=b\"'", point);
    return point != 3;
}

static bool open_live(struct live *l, struct str text)
{
    static unsigned run;
    char engine[32], url[200], user[64] = "", password[64] = "", database[64];
    struct str rest = text, name = str_cut(&rest, '='), scheme = rest;
    ptrdiff_t at = str_find(rest, '@');
    if (at > 0) {
        struct str login = str_sub(scheme, 7, (size_t)at - 7), u = str_cut(&login, ':');
        str_to_cstr(u, user, sizeof user);
        str_to_cstr(login, password, sizeof password);
        snprintf(url, sizeof url, "http://%.*s", (int)(rest.n - (size_t)at - 1), rest.p + at + 1);
    } else {
        str_to_cstr(rest, url, sizeof url);
    }
    str_to_cstr(name, engine, sizeof engine);
    snprintf(database, sizeof database, "t%ld_%u", (long)time(NULL), (unsigned)getpid() * 100 + run++);
    *l = (struct live){.model = mem_store_new(), .dice = {(uint64_t)time(NULL)}};
    struct ts_remote_config c = {.engine = engine,
                                 .url = url,
                                 .database = database,
                                 .user = user,
                                 .password = password,
                                 .batch = 300,
                                 .name = name_of,
                                 .strings = &l->model->base};
    struct error e = {0};
    struct ts_remote_info info;
    int err = ts_remote_open(&c, &l->st, &e);
    if (!err) err = ts_remote_test(l->st, &info, &e);
    if (err) test_fail(__FILE__, __LINE__, "%s: %s", engine, e.text);
    if (err) return false;
    ts_remote_traits(l->st, &l->traits);
    printf("%s %s, %u ms\n", engine, info.version, info.ms);
    return true;
}

static void close_live(struct live *l)
{
    if (l->st) l->st->ops->close(l->st);
    mem_close(&l->model->base);
}

struct seen {
    struct sample *s;
    size_t n, cap;
};
static int see(void *ctx, const struct sample *s, size_t n)
{
    struct seen *x = ctx;
    if (!mem_grow((void **)&x->s, &x->cap, x->n + n, sizeof *s)) abort();
    memcpy(x->s + x->n, s, n * sizeof *s);
    x->n += n;
    return 0;
}

static size_t first_difference(struct live *l, const struct seen *want, const struct seen *got)
{
    size_t i = 0;
    while (i < want->n && i < got->n && ts_remote_same(l->st, &want->s[i], &got->s[i])) i++;
    return i;
}

/* New samples may need a moment to be seen. */
static void same_range(struct live *l, uint32_t point, int64_t from, int64_t to, int line)
{
    struct seen want = {0}, got = {0};
    struct error e = {0};
    size_t i = 0;
    (void)!mem_scan(&l->model->base, point, from, to, see, &want, NULL);
    for (int tries = 0; tries < (l->traits.visible_us ? 100 : 1); tries++) {
        got.n = 0;
        int err = l->st->ops->scan(l->st, point, from, to, see, &got, &e);
        if (err) test_fail(__FILE__, line, "%s: scan %s %s", l->traits.engine, error_name(err), e.text);
        i = first_difference(l, &want, &got);
        if (want.n == got.n && i == want.n) break;
        usleep(100000);
    }
    if (want.n != got.n || i < want.n) {
        struct sample none = {0}, *w = i < want.n ? &want.s[i] : &none, *g = i < got.n ? &got.s[i] : &none;
        test_fail(
            __FILE__, line,
            "%s point %u: %zu samples, want %zu; [%zu] t %lld/%lld type %u/%u q %u/%u f %x/%x v %.17g/%.17g %llx/%llx",
            l->traits.engine, point, got.n, want.n, i, (long long)g->time_us, (long long)w->time_us, g->type, w->type,
            g->quality, w->quality, g->flags, w->flags, sample_number(g), sample_number(w), (unsigned long long)g->v.u,
            (unsigned long long)w->v.u);
    }
    mem_free(want.s);
    mem_free(got.s);
}

/* What the model would hold if it were the engine. */
static void write_both(struct live *l, const struct sample *s, size_t n)
{
    struct error e = {0};
    int err = l->st->ops->append(l->st, s, n, &e);
    if (err) test_fail(__FILE__, __LINE__, "%s: append %s %s", l->traits.engine, error_name(err), e.text);
    for (size_t i = 0; i < n; i++) {
        struct sample f = ts_remote_fit(l->st, &s[i]);
        mem_put(l->model, &f);
    }
}

static int64_t some_time(struct live *l)
{
    return T0 + (int64_t)roll(&l->dice, 100000) * (l->traits.exact ? 333 : 333000);
}

static void random_writes(struct live *l)
{
    struct sample s[400];
    for (int round = 0; round < 12; round++) {
        size_t n = 1 + (size_t)roll(&l->dice, 400), k = 0;
        for (size_t i = 0; i < n; i++) {
            uint32_t point = 1 + (uint32_t)roll(&l->dice, POINTS);
            struct sample x = random_sample(&l->dice, &l->model->base, point, some_time(l)), have;
            double size = fabs(sample_number(&x));
            if (!l->traits.exact && isfinite(size) && size != 0 && (size > 1e6 || size < 1e-3)) continue;
            bool again = mem_before(&l->model->base, point, x.time_us, &have) == 0 && have.time_us == x.time_us;
            for (size_t j = 0; j < k && !again; j++) again = s[j].point == point && s[j].time_us == x.time_us;
            if (l->traits.exact || !again) s[k++] = x; /* rewrites only where the last one wins */
        }
        if (k) write_both(l, s, k);
        if (k && round % 3 == 0) write_both(l, s, k); /* the outcome was not known */
    }
}

static bool seek_same(struct live *l, uint32_t point, int64_t at, bool back, struct sample *w, struct sample *g)
{
    const struct ts_store_ops *m = l->model->base.ops, *o = l->st->ops;
    *w = *g = (struct sample){0};
    int a = (back ? m->before : m->after)(&l->model->base, point, at, w);
    int b = (back ? o->before : o->after)(l->st, point, at, g);
    return a == b && (a || ts_remote_same(l->st, w, g));
}

/* An index by day may know new series of that day a moment later. */
static void check_seek(struct live *l, uint32_t point, int64_t at)
{
    for (int back = 0; back < 2; back++) {
        struct sample w, g;
        bool good = false;
        for (int tries = 0; !good && tries < (l->traits.visible_us ? 100 : 1); tries++) {
            if (tries) usleep(100000);
            good = seek_same(l, point, at, back, &w, &g);
        }
        if (!good)
            test_fail(__FILE__, __LINE__, "%s %s %lld: %lld, want %lld", l->traits.engine, back ? "before" : "after",
                      (long long)at, (long long)g.time_us, (long long)w.time_us);
    }
}

static void check_plot(struct live *l, uint32_t point)
{
    struct seen got = {0};
    struct error e = {0};
    size_t bad = 0;
    int err = l->st->ops->plot(l->st, point, T0, T0 + 34000000000, 20, see, &got, &e);
    if (err) test_fail(__FILE__, __LINE__, "%s plot: %s", l->traits.engine, e.text);
    for (size_t i = 0; i < got.n; i++) {
        struct sample have;
        bool stored =
            mem_before(&l->model->base, point, got.s[i].time_us, &have) == 0 && ts_remote_same(l->st, &have, &got.s[i]);
        bad += !stored || (i && got.s[i].time_us <= got.s[i - 1].time_us);
    }
    CHECK_INT(bad, 0);
    CHECK(got.n > 1 && got.n <= 100);
    mem_free(got.s);
}

static void check_summary(struct live *l, uint32_t point)
{
    struct ts_summary w, g;
    struct error e = {0};
    int64_t from = T0 + 1000000, to = T0 + 30000000;
    CHECK_INT(ts_summary_by_scan(&l->model->base, point, from, to, false, &w, &e), 0);
    CHECK_INT(l->st->ops->summary(l->st, point, from, to, false, &g, &e), 0);
    CHECK_INT(g.count, w.count);
    CHECK_INT(g.good, w.good);
    if (l->traits.exact && isfinite(w.twa)) CHECK_DBL(g.twa, w.twa, fabs(w.twa) * 1e-12);
}

static void check_remove(struct live *l)
{
    struct error e = {0};
    if (!l->traits.removes) {
        CHECK_INT(l->st->ops->remove(l->st, 1, T0, T0 + 5000000, &e), ERR_UNSUPPORTED);
        return;
    }
    CHECK_INT(l->st->ops->remove(l->st, 1, T0 + 5000000, T0 + 15000000, &e), 0);
    (void)!mem_remove(&l->model->base, 1, T0 + 5000000, T0 + 15000000, NULL);
    same_range(l, 1, T0, T0 + 40000000, __LINE__);
    struct sample s = random_sample(&l->dice, &l->model->base, 1, T0 + 7000000);
    write_both(l, &s, 1); /* later writes into the range stay */
    same_range(l, 1, T0, T0 + 40000000, __LINE__);
    CHECK_INT(l->st->ops->remove(l->st, 99, T0, T0 + 1, &e), 0);
}

/* More than one page, one point, even period. */
static void check_long(struct live *l)
{
    enum { N = 25000 };
    struct sample *s = mem_calloc(N, sizeof *s);
    for (size_t i = 0; i < N; i++)
        s[i] = (struct sample){
            .time_us = T0 + (int64_t)i * 1000000, .point = 50, .type = SAMPLE_DOUBLE, .v.d = (double)(i % 1000) / 4};
    write_both(l, s, N);
    same_range(l, 50, INT64_MIN, INT64_MAX, __LINE__);
    same_range(l, 50, T0 + 9999 * 1000000LL, T0 + 20001 * 1000000LL, __LINE__);
    check_seek(l, 50, T0 + 12345 * 1000000LL + 500);
    mem_free(s);
}

static void exercise(struct live *l)
{
    struct error e = {0};
    struct seen none = {0};
    CHECK_INT(l->st->ops->scan(l->st, 1, T0, T0 + 1000, see, &none, &e), 0);
    CHECK_INT(none.n, 0);
    random_writes(l);
    for (uint32_t p = 1; p <= POINTS; p++) same_range(l, p, T0, T0 + 34000000000, __LINE__);
    for (uint32_t p = 1; p <= POINTS; p++) {
        same_range(l, p, some_time(l), some_time(l), __LINE__);
        check_seek(l, p, some_time(l));
    }
    check_seek(l, 1, T0 - 1);
    check_seek(l, 1, T0 + 40000000000);
    check_seek(l, 77, T0);
    check_plot(l, 2);
    check_summary(l, 2);
    check_remove(l);
    check_long(l);
}

TEST(engines_that_run)
{
    const char *z = getenv("BORNITE_TEST_ENGINES");
    struct str rest = str_of(z);
    if (!z) printf("no engine: BORNITE_TEST_ENGINES is not set\n");
    while (rest.p) {
        struct str one = str_cut(&rest, ' ');
        struct live l = {0};
        if (!one.n) continue;
        if (open_live(&l, one)) exercise(&l);
        close_live(&l);
    }
}
