/* import_rows.c - see import_rows.h. */
#include "modules/history/import_rows.h"
#include <math.h>
#include <stddef.h>
#include "base/mem.h"
#include "base/metric.h"
#include "base/time.h"

#define BATCH 50000
#define NONE SIZE_MAX
#define REASON_BYTES 200

METRIC(m_rows, METRIC_COUNTER, "bornite_import_rows_total", "Rows of tables that imports of history have read.");
METRIC(m_samples, METRIC_COUNTER, "bornite_import_samples_total", "Samples that imports of history have stored.");

/* ---- the report ---- */

static struct str keep_text(struct importer *m, const char *z)
{
    struct str s = arena_str(&m->arena, str_sub(str_of(z), 0, REASON_BYTES));
    return s.p ? s : STR("");
}

void importer_bad(struct importer *m, uint64_t line, const char *why, const char *why_zh)
{
    m->counts.bad++;
    if (m->nbad < IMPORT_BAD_MAX)
        m->bad[m->nbad++] = (struct import_bad){line, keep_text(m, why), keep_text(m, why_zh)};
}

/* "…'%.*s'…" with the beginning of what stands in the cell. */
static void bad_cell(struct importer *m, uint64_t line, const char *en, const char *zh, const struct cell *c)
{
    char shown[64], a[REASON_BYTES + 1], b[REASON_BYTES + 1];
    if (c->type == CELL_TEXT)
        str_to_cstr(str_sub(c->text, 0, 48), shown, sizeof shown);
    else
        snprintf(shown, sizeof shown, "%.17g", c->type == CELL_DOUBLE ? c->d : (double)c->i);
    snprintf(a, sizeof a, "'%s' %s", shown, en);
    snprintf(b, sizeof b, "“%s”%s", shown, zh);
    importer_bad(m, line, a, b);
}

static struct json *report_bad(const struct importer *m, struct arena *a)
{
    struct json *list = json_new_array(a);
    for (size_t i = 0; i < m->nbad; i++) {
        struct json *it = json_new_object(a);
        json_set(it, a, STR("line"), json_new_i64(a, (int64_t)m->bad[i].line));
        json_set(it, a, STR("reason"), json_new_str(a, m->bad[i].why));
        json_set(it, a, STR("reason_zh"), json_new_str(a, m->bad[i].why_zh));
        if (list) json_push(list, it);
    }
    return list;
}

static const struct count_name {
    const char *name;
    size_t at;
} count_names[] = {
    {"rows", offsetof(struct import_counts, rows)},       {"samples", offsetof(struct import_counts, samples)},
    {"bad", offsetof(struct import_counts, bad)},         {"empty", offsetof(struct import_counts, empty)},
    {"unknown", offsetof(struct import_counts, unknown)}, {"created", offsetof(struct import_counts, created)}};
#define COUNTS (sizeof count_names / sizeof *count_names)

struct json *importer_report(const struct importer *m, struct arena *a)
{
    char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX];
    struct json *r = json_new_object(a), *names = json_new_array(a);
    for (size_t i = 0; r && i < COUNTS; i++) {
        uint64_t v;
        memcpy(&v, (const char *)&m->counts + count_names[i].at, sizeof v);
        json_set(r, a, str_of(count_names[i].name), json_new_i64(a, (int64_t)v));
    }
    if (r && m->counts.from_us <= m->counts.to_us) {
        json_set(r, a, STR("from"), json_new_str(a, arena_str(a, str_of(time_format(m->counts.from_us, from)))));
        json_set(r, a, STR("to"), json_new_str(a, arena_str(a, str_of(time_format(m->counts.to_us, to)))));
    }
    for (size_t i = 0; names && i < m->nunknown; i++) json_push(names, json_new_str(a, m->unknown[i]));
    if (!r || !names) return NULL;
    json_set(r, a, STR("unknown_points"), names);
    json_set(r, a, STR("bad_rows"), report_bad(m, a));
    json_set(r, a, STR("dry_run"), json_new_bool(a, m->dry_run));
    return r;
}

void importer_restore(struct importer *m, const struct json *r)
{
    for (size_t i = 0; i < COUNTS; i++) {
        uint64_t v = (uint64_t)json_i64(json_get(r, count_names[i].name), 0);
        memcpy((char *)&m->counts + count_names[i].at, &v, sizeof v);
    }
    (void)!time_parse(json_str(json_get(r, "from"), STR("")), &m->counts.from_us, NULL);
    (void)!time_parse(json_str(json_get(r, "to"), STR("")), &m->counts.to_us, NULL);
    for
        json_each (it, json_get(r, "unknown_points"))
            if (m->nunknown < IMPORT_UNKNOWN_MAX) m->unknown[m->nunknown++] = json_str(it, STR(""));
    for
        json_each (it, json_get(r, "bad_rows"))
            if (m->nbad < IMPORT_BAD_MAX)
                m->bad[m->nbad++] = (struct import_bad){(uint64_t)json_i64(json_get(it, "line"), 0),
                                                        json_str(json_get(it, "reason"), STR("")),
                                                        json_str(json_get(it, "reason_zh"), STR(""))};
}

/* ---- points ---- */

static void cannot(struct importer *m, struct import_point *p, const struct error *why)
{
    p->num = 0;
    p->why = keep_text(m, why->text);
    p->why_zh = keep_text(m, why->text_zh);
}

static uint8_t type_of(const struct json *spec)
{
    struct str type = json_str(json_get(spec, "type"), STR(""));
    if (str_is(type, "bool")) return SAMPLE_BOOL;
    if (str_is(type, "string")) return SAMPLE_STRING;
    return !type.n || str_is(type, "auto") ? SAMPLE_NONE : SAMPLE_DOUBLE;
}

static bool may_write(struct importer *m, uint32_t num)
{
    struct point_view view;
    if (!m->node->api) return true;
    if (point_view_open(api_points(m->node->api), job_actor(m->job)->may, ACT_WRITE, &view)) return false;
    bool may = point_view_has(&view, num);
    point_view_close(&view);
    return may;
}

static int make_point(struct importer *m, struct arena *a, struct str name, const struct cell *first,
                      struct resource *ret, struct error *why)
{
    struct json *spec = json_new_object(a), *labels = json_new_object(a);
    double number;
    bool text = first && first->type == CELL_TEXT && str_to_double(str_trim(first->text), &number) != 0;
    const char *type = text ? "string" : first && first->type == CELL_BOOL ? "bool" : NULL;
    if (spec && type) json_set(spec, a, STR("type"), json_new_str(a, str_of(type)));
    struct resource_input in = {.code = name, .name = name, .spec = spec, .labels = labels};
    if (!spec || !labels) return error_set(why, ERR_NOMEM, "", "out of memory", "内存不足");
    return resource_create(m->node->kernel, a, job_actor(m->job), "point", &in, ret, why);
}

/* The database is in trouble, not the name. */
static bool is_ours(int err)
{
    return err == ERR_AGAIN || err == ERR_DISK_FULL || err == ERR_IO || err == ERR_NOMEM || err == ERR_UNAVAILABLE ||
           err == ERR_TIMEOUT || err == ERR_CLOSED || err == ERR_CORRUPT || err == ERR_INTERNAL;
}

static void resolve(struct importer *m, struct import_point *p, const struct cell *first)
{
    AUTO_ARENA a;
    struct resource r;
    struct error why = {0};
    arena_init(&a, 4 << 20);
    int err = resource_find(m->node->kernel, &a, job_actor(m->job), "point", p->name, false, &r, &why);
    p->unknown = err == ERR_NOT_FOUND;
    if (p->unknown && !m->create) {
        error_set(&why, err, "", "there is no point '%.*s'", "没有测点 '%.*s'", STR_ARG(p->name));
        if (m->nunknown < IMPORT_UNKNOWN_MAX) m->unknown[m->nunknown++] = p->name;
    } else if (p->unknown) {
        m->counts.created++;
        p->unknown = false;
        if (m->dry_run) {
            p->num = UINT32_MAX; /* would be */
            return;
        }
        why = (struct error){0};
        err = make_point(m, &a, p->name, first, &r, &why);
        if (err) m->counts.created--;
    } else if (!err && !may_write(m, r.num)) {
        err = error_set(&why, ERR_FORBIDDEN, "", "you may not write samples of '%.*s'",
                        "没有写入测点 '%.*s' 数据的权限", STR_ARG(p->name));
    }
    if (is_ours(err)) m->fatal = why;
    if (err) {
        cannot(m, p, &why);
        return;
    }
    p->num = r.num;
    p->type = type_of(r.spec);
}

static bool grow_table(struct importer *m)
{
    size_t size = m->table_size ? m->table_size * 2 : 1024;
    struct import_point **t = mem_calloc(size, sizeof *t);
    if (!t) return false;
    for (size_t i = 0; i < m->table_size; i++) {
        struct import_point *p = m->table[i];
        if (!p) continue;
        size_t at = p->hash & (size - 1);
        while (t[at]) at = (at + 1) & (size - 1);
        t[at] = p;
    }
    mem_free(m->table);
    m->table = t;
    m->table_size = size;
    return true;
}

/* NULL: it cannot be told (no_point). */
static struct import_point *point_of(struct importer *m, struct str name, const struct cell *first)
{
    if (m->last && str_eq(m->last->name, name)) return m->last;
    if (m->npoints * 2 >= m->table_size && !grow_table(m)) return NULL;
    uint64_t hash = str_hash(name, hash_seed());
    size_t at = hash & (m->table_size - 1);
    for (; m->table[at]; at = (at + 1) & (m->table_size - 1))
        if (m->table[at]->hash == hash && str_eq(m->table[at]->name, name)) return m->last = m->table[at];
    struct import_point *p = arena_calloc(&m->arena, 1, sizeof *p);
    if (!p) return NULL;
    *p = (struct import_point){.name = arena_str(&m->arena, name), .hash = hash};
    if (!p->name.p) return NULL;
    resolve(m, p, first);
    if (m->fatal.code) return NULL;
    m->npoints++;
    return m->last = m->table[at] = p;
}

static int no_point(const struct importer *m, struct error *e)
{
    if (!m->fatal.code) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    *e = m->fatal;
    return m->fatal.code;
}

/* ---- columns ---- */

static bool named(struct str title, const char *const *names)
{
    for (; *names; names++)
        if (str_ieq(title, str_of(*names))) return true;
    return false;
}

/* By the mapping (title or number from 0), else by usual titles. NONE: there is none. */
static int find_column(const struct importer *m, const struct str *title, size_t n, const char *role,
                       const char *const *names, size_t *ret, struct error *e)
{
    const struct json *want = json_get(m->mapping, role);
    char where[40];
    *ret = NONE;
    int64_t at = json_i64(want, -1);
    if (at >= 0 && (size_t)at < n) return *ret = (size_t)at, 0;
    for (size_t i = 0; i < n && *ret == NONE; i++)
        if (want ? str_ieq(title[i], json_str(want, STR(""))) : named(title[i], names)) *ret = i;
    if (*ret != NONE || !want || want->type == JSON_NULL) return 0;
    snprintf(where, sizeof where, "mapping.%s", role);
    return error_set(e, ERR_INVALID, where, "the table has no column '%.*s'; its first ones are %.*s, %.*s, %.*s",
                     "表中没有列 '%.*s'；前几列为 %.*s、%.*s、%.*s", STR_ARG(json_str(want, STR("?"))),
                     STR_ARG(title[0]), STR_ARG(n > 1 ? title[1] : STR("-")), STR_ARG(n > 2 ? title[2] : STR("-")));
}

/* A column a point: as `mapping.columns` says ({title: code}), else all but time and quality, by title. */
static int wide_columns(struct importer *m, const struct str *title, size_t n, struct error *e)
{
    const struct json *columns = json_get(m->mapping, "columns");
    size_t found = 0;
    m->wide_point = arena_calloc(&m->arena, n, sizeof(struct import_point *));
    for (size_t i = 0; m->wide_point && i < n; i++) {
        struct str name = title[i];
        if (columns) name = json_str(json_get_str(columns, title[i]), STR(""));
        if (i == m->col_time || i == m->col_quality || !name.n) continue;
        m->wide_point[i] = point_of(m, name, NULL);
        if (!m->wide_point[i]) return no_point(m, e);
        found++;
    }
    if (!m->wide_point) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (found) return 0;
    return error_set(e, ERR_INVALID, "mapping.columns", "no column of the table is a point", "表中没有对应测点的列");
}

int importer_columns(struct importer *m, const struct str *title, size_t n, struct error *e)
{
    static const char *const times[] = {"time", "timestamp", "ts",     "t",        "datetime",
                                        "date", "时间",      "时间戳", "日期时间", NULL};
    static const char *const points[] = {"point", "tag", "code", "tagname", "测点", "点名", "位号", "编码", NULL};
    static const char *const values[] = {"value", "v", "val", "数值", "值", NULL};
    static const char *const qualities[] = {"quality", "q", "status", "质量", "质量码", NULL};
    struct str form = json_str(json_get(job_params(m->job), "form"), STR(""));
    if (n == 0 || n > IMPORT_COLUMNS_MAX)
        return error_set(e, ERR_INVALID, "", "a table has 1 to %d columns; this one has %zu",
                         "表应有 1 到 %d 列，此表有 %zu 列", IMPORT_COLUMNS_MAX, n);
    m->ncolumns = n;
    int err = find_column(m, title, n, "time", times, &m->col_time, e);
    if (!err) err = find_column(m, title, n, "point", points, &m->col_point, e);
    if (!err) err = find_column(m, title, n, "value", values, &m->col_value, e);
    if (!err) err = find_column(m, title, n, "quality", qualities, &m->col_quality, e);
    if (err) return err;
    m->wide = form.n ? str_is(form, "wide") : m->col_point == NONE || json_get(m->mapping, "columns");
    if (m->col_time == NONE)
        return error_set(e, ERR_INVALID, "mapping.time", "which column is the time? None is called time",
                         "哪一列是时间？没有名为 time 或“时间”的列");
    if (m->wide) return wide_columns(m, title, n, e);
    if (m->col_point == NONE || m->col_value == NONE)
        return error_set(e, ERR_INVALID, m->col_point == NONE ? "mapping.point" : "mapping.value",
                         "a long table needs a column of points and one of values", "长表需要测点列和数值列");
    return 0;
}

/* ---- cells ---- */

static bool is_nothing(struct str s)
{
    static const char *const names[] = {"", "null", "none", "nan", "n/a", "na", "-", NULL};
    return named(s, names);
}

static bool cell_time(const struct importer *m, const struct cell *c, int64_t *ret)
{
    switch (c->type) {
    case CELL_TEXT: return time_form_text(&m->time, str_trim(c->text), ret);
    case CELL_INT: return time_form_int(&m->time, c->i, ret);
    case CELL_DOUBLE: return time_form_double(&m->time, c->d, ret);
    case CELL_TIME: return *ret = c->i, c->i >= TIME_MIN_US && c->i <= TIME_MAX_US;
    case CELL_EMPTY:
    case CELL_BOOL: break;
    }
    return false;
}

/* 0 good, 1 uncertain, 2 bad; from 3 on as OPC: below 64 and from 128 to 191 bad, 64 to 127 uncertain, 192 on good. */
static bool cell_quality(const struct cell *c, struct sample *s)
{
    static const char *const names[] = {"good", "uncertain", "bad"};
    struct str text = c->type == CELL_TEXT ? str_trim(c->text) : STR("");
    double q = c->type == CELL_INT ? (double)c->i : c->type == CELL_DOUBLE ? c->d : -1;
    if (c->type == CELL_EMPTY || (c->type == CELL_TEXT && !text.n)) return true;
    for (int i = 0; i < 3; i++)
        if (str_ieq(text, str_of(names[i]))) q = i;
    if (text.n && q < 0 && str_to_double(text, &q)) return false;
    if (!(q >= 0 && q < 65536)) return false;
    s->quality = q == 0 || q >= 192 ? QUALITY_GOOD : q == 1 || (q >= 64 && q < 128) ? QUALITY_UNCERTAIN : QUALITY_BAD;
    if (s->quality != QUALITY_GOOD) s->flags |= REASON_DEVICE_FAILURE;
    return true;
}

static bool truth(struct str s, int64_t *ret)
{
    static const char *const yes[] = {"true", "1", "on", "yes", "开", "是", NULL};
    static const char *const no[] = {"false", "0", "off", "no", "关", "否", NULL};
    *ret = named(s, yes);
    return *ret || named(s, no);
}

static bool text_number(struct str s, double *ret)
{
    char point[48];
    if (str_to_double(s, ret) == 0) return true;
    const char *comma = memchr(s.p, ',', s.n); /* 3,14 */
    if (!comma || s.n >= sizeof point || memchr(s.p, '.', s.n)) return false;
    memcpy(point, s.p, s.n);
    point[comma - s.p] = '.';
    return str_to_double(str_make(point, s.n), ret) == 0;
}

enum told { TOLD, TOLD_NOTHING, TOLD_WRONG, TOLD_FAILED };

static enum told text_value(struct importer *m, const struct import_point *p, struct str text, struct sample *s,
                            struct error *e)
{
    struct str t = str_trim(text);
    if (p->type == SAMPLE_STRING) {
        s->type = SAMPLE_STRING;
        if (!text.n) return TOLD_NOTHING;
        if (m->dry_run) return TOLD;
        return m->node->history->ops->string_put(m->node->history, text, &s->v.u) ? TOLD_FAILED : TOLD;
    }
    if (is_nothing(t)) return TOLD_NOTHING;
    if (p->type == SAMPLE_BOOL) {
        s->type = SAMPLE_BOOL;
        return truth(t, &s->v.i) ? TOLD : TOLD_WRONG;
    }
    s->type = SAMPLE_DOUBLE;
    if (text_number(t, &s->v.d)) return TOLD;
    if (p->type != SAMPLE_NONE || !truth(t, &s->v.i)) return TOLD_WRONG;
    s->type = SAMPLE_BOOL;
    return TOLD;
}

static enum told cell_value(struct importer *m, const struct import_point *p, const struct cell *c, struct sample *s,
                            struct error *e)
{
    char text[40];
    double d = c->type == CELL_DOUBLE ? c->d : (double)c->i;
    if (c->type == CELL_EMPTY || (c->type == CELL_DOUBLE && isnan(c->d))) return TOLD_NOTHING;
    if (c->type == CELL_TEXT) return text_value(m, p, c->text, s, e);
    if (c->type == CELL_TIME) return TOLD_WRONG;
    if (p->type == SAMPLE_STRING) {
        snprintf(text, sizeof text, "%.17g", d);
        return text_value(m, p, str_of(text), s, e);
    }
    s->type = c->type == CELL_BOOL || p->type == SAMPLE_BOOL ? SAMPLE_BOOL : SAMPLE_DOUBLE;
    if (s->type == SAMPLE_BOOL)
        s->v.i = d != 0;
    else
        s->v.d = d;
    return TOLD;
}

/* ---- rows ---- */

static int add_sample(struct importer *m, uint64_t line, const struct import_point *p, const struct cell *c,
                      const struct sample *like, struct error *e)
{
    struct sample s = *like;
    s.point = p->num;
    if (!p->num) {
        m->counts.unknown += p->unknown;
        if (!p->unknown) bad_cell(m, line, p->why.p, p->why_zh.p, c);
        return 0;
    }
    enum told told = cell_value(m, p, c, &s, e);
    if (told == TOLD_FAILED) return error_set(e, ERR_IO, "", "a text cannot be stored", "文本无法存储");
    if (told == TOLD_WRONG) {
        bad_cell(m, line, "is no value of that point", "不是该测点的有效数值", c);
        return 0;
    }
    if (told == TOLD_NOTHING && s.quality != QUALITY_BAD) {
        m->counts.empty++;
        return 0;
    }
    if (told == TOLD_NOTHING) s.type = SAMPLE_NONE, s.v.i = 0;
    if (s.time_us < m->counts.from_us) m->counts.from_us = s.time_us;
    if (s.time_us > m->counts.to_us) m->counts.to_us = s.time_us;
    m->counts.samples++;
    m->batch[m->n++] = s;
    return m->n == BATCH ? importer_flush(m, e) : 0;
}

static int long_row(struct importer *m, uint64_t line, const struct cell *cell, size_t n, const struct sample *like,
                    struct error *e)
{
    if (m->col_point >= n || m->col_value >= n || cell[m->col_point].type != CELL_TEXT) {
        importer_bad(m, line, "no point or no value", "缺少测点或数值");
        return 0;
    }
    struct str name = str_trim(cell[m->col_point].text);
    if (!name.n || name.n > 200) {
        importer_bad(m, line, "no name of a point", "缺少测点名称");
        return 0;
    }
    const struct import_point *p = point_of(m, name, &cell[m->col_value]);
    if (!p) return no_point(m, e);
    return add_sample(m, line, p, &cell[m->col_value], like, e);
}

int importer_row(struct importer *m, uint64_t line, const struct cell *cell, size_t n, struct error *e)
{
    struct sample like = {.flags = SAMPLE_FLAG_BACKFILL | SAMPLE_FLAG_SOURCE_TIME};
    static const struct cell nothing = {.type = CELL_EMPTY};
    m->counts.rows++;
    const struct cell *time = m->col_time < n ? &cell[m->col_time] : &nothing;
    const struct cell *quality = m->col_quality < n ? &cell[m->col_quality] : &nothing;
    if (!cell_time(m, time, &like.time_us)) {
        bad_cell(m, line, "is no time", "不是有效的时间", time);
        return 0;
    }
    if (!cell_quality(quality, &like)) {
        bad_cell(m, line, "is no quality: 0 to 2, an OPC quality, or good, uncertain, bad",
                 "不是有效的质量：0 至 2、OPC 质量码，或 good、uncertain、bad", quality);
        return 0;
    }
    if (!m->wide) return long_row(m, line, cell, n, &like, e);
    int err = 0;
    for (size_t i = 0; i < n && i < m->ncolumns && !err; i++)
        if (m->wide_point[i]) err = add_sample(m, line, m->wide_point[i], &cell[i], &like, e);
    return err;
}

int importer_flush(struct importer *m, struct error *e)
{
    int err = m->n && !m->dry_run ? bus_write(m->node->bus, m->batch, m->n, e) : 0;
    if (err) return err;
    metric_add(&m_samples, m->dry_run ? 0 : (int64_t)m->n);
    m->n = 0;
    m->flushed = true;
    return 0;
}

/* ---- life ---- */

int importer_init(struct importer *m, struct node *n, struct job *j, struct error *e)
{
    const struct json *p = job_params(j);
    struct str unknown = json_str(json_get(p, "unknown"), STR("skip"));
    *m = (struct importer){.node = n, .job = j, .counts = {.from_us = INT64_MAX, .to_us = INT64_MIN}};
    arena_init(&m->arena, 512u << 20);
    m->mapping = json_get(p, "mapping");
    m->create = str_is(unknown, "create");
    m->dry_run = json_bool(json_get(p, "dry_run"), false);
    if (!m->create && !str_is(unknown, "skip"))
        return error_set(e, ERR_INVALID, "unknown", "'%.*s' is not known; write skip or create",
                         "'%.*s' 无效；请写 skip 或 create", STR_ARG(unknown));
    m->batch = mem_alloc(BATCH * sizeof *m->batch);
    if (!m->batch) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    return time_form_init(&m->time, json_str(json_get(p, "time_format"), STR("")),
                          json_str(json_get(p, "time_zone"), STR("")), e);
}

void importer_fini(struct importer *m)
{
    metric_add(&m_rows, (int64_t)m->counts.rows);
    time_form_fini(&m->time);
    mem_free(m->batch);
    mem_free(m->table);
    arena_fini(&m->arena);
}
