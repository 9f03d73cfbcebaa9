/* manifest.c - see manifest.h. */
#include "modules/backup/manifest.h"
#include "base/mem.h"

#define LINES_CHUNK (4u << 20)
#define LINE_MAX_BYTES (32u << 20)

static const char *const part_names[PARTS] = {"history", "database", "files"};
const char *part_name(enum backup_part p)
{
    return part_names[p];
}

static int nomem(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

/* ------------------------------------------------------------------ the document */

static void write_parts(struct json_writer *w, const struct manifest *m)
{
    jw_key(w, STR("parts"));
    jw_object(w);
    for (int i = 0; i < PARTS; i++) {
        if (!m->part[i]) continue;
        jw_key(w, str_of(part_names[i]));
        jw_object(w);
        jw_ki64(w, "files", (int64_t)m->part_files[i]);
        jw_ki64(w, "bytes", (int64_t)m->part_bytes[i]);
        jw_end(w);
    }
    jw_end(w);
    jw_key(w, STR("list"));
    jw_json(w, m->list);
    jw_key(w, STR("points"));
    jw_json(w, m->points);
    jw_key(w, STR("digest"));
    jw_object(w);
    jw_ki64(w, "from", m->digest_from);
    jw_ki64(w, "to", m->digest_to);
    jw_ki64(w, "samples", (int64_t)m->digest_samples);
    jw_ki64(w, "points", (int64_t)m->digest_points);
    jw_kbool(w, "complete", m->digest_complete);
    jw_end(w);
}

int manifest_write(struct target *t, const struct manifest *m, struct error *e)
{
    struct buf b;
    char key[100];
    buf_init(&b, 64u << 20);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    jw_ki64(&w, "format", MANIFEST_FORMAT);
    jw_kz(&w, "id", m->id);
    jw_kz(&w, "plan", m->plan);
    jw_kz(&w, "plan_code", m->plan_code);
    jw_kz(&w, "mode", m->mode);
    jw_kz(&w, "base", m->base);
    jw_ki64(&w, "at", m->at_us);
    jw_ki64(&w, "ended_at", m->ended_us);
    jw_ki64(&w, "until", m->until_us);
    jw_ki64(&w, "files", (int64_t)m->files);
    jw_ki64(&w, "bytes", (int64_t)m->bytes);
    jw_ki64(&w, "new_bytes", (int64_t)m->new_bytes);
    jw_ki64(&w, "samples", (int64_t)m->samples);
    jw_ki64(&w, "log", (int64_t)m->log);
    jw_kz(&w, "engine", m->engine);
    write_parts(&w, m);
    jw_end(&w);
    snprintf(key, sizeof key, "backups/%s/manifest.json", m->id);
    int rc = b.err ? error_set(e, b.err, "manifest", "is too large", "过大") : target_doc_put(t, key, buf_view(&b), e);
    buf_fini(&b);
    return rc;
}

static void take_text(const struct json *v, const char *name, char *out, size_t cap)
{
    str_to_cstr(json_str(json_get(v, name), STR("")), out, cap);
}

static uint64_t take_u64(const struct json *v, const char *name)
{
    int64_t n = json_i64(json_get(v, name), 0);
    return n < 0 ? 0 : (uint64_t)n;
}

int manifest_parse(const struct json *v, struct manifest *m, const char *key, struct error *e)
{
    const struct json *parts = json_get(v, "parts"), *d = json_get(v, "digest");
    int64_t format = json_i64(json_get(v, "format"), 0);
    if (format > MANIFEST_FORMAT)
        return error_set(e, ERR_UNSUPPORTED, key, "was written by a newer version (format %lld)",
                         "由更新的版本写入（格式 %lld）", (long long)format);
    *m = (struct manifest){.at_us = json_i64(json_get(v, "at"), 0),
                           .ended_us = json_i64(json_get(v, "ended_at"), 0),
                           .until_us = json_i64(json_get(v, "until"), 0),
                           .files = take_u64(v, "files"),
                           .bytes = take_u64(v, "bytes"),
                           .new_bytes = take_u64(v, "new_bytes"),
                           .samples = take_u64(v, "samples"),
                           .log = take_u64(v, "log"),
                           .list = json_get(v, "list"),
                           .points = json_get(v, "points"),
                           .digest_from = json_i64(json_get(d, "from"), 0),
                           .digest_to = json_i64(json_get(d, "to"), 0),
                           .digest_samples = take_u64(d, "samples"),
                           .digest_points = take_u64(d, "points"),
                           .digest_complete = json_bool(json_get(d, "complete"), false)};
    take_text(v, "id", m->id, sizeof m->id);
    take_text(v, "plan", m->plan, sizeof m->plan);
    take_text(v, "plan_code", m->plan_code, sizeof m->plan_code);
    take_text(v, "mode", m->mode, sizeof m->mode);
    take_text(v, "base", m->base, sizeof m->base);
    take_text(v, "engine", m->engine, sizeof m->engine);
    for (int i = 0; i < PARTS; i++) {
        const struct json *p = json_get(parts, part_names[i]);
        m->part[i] = p != NULL;
        m->part_files[i] = take_u64(p, "files");
        m->part_bytes[i] = take_u64(p, "bytes");
    }
    if (format < 1 || strlen(m->id) != 36 || !m->list || m->list->type != JSON_ARRAY)
        return error_set(e, ERR_CORRUPT, key, "is no manifest of a backup", "不是备份清单");
    return 0;
}

int manifest_read(struct target *t, struct arena *a, struct str id, struct manifest *ret, struct error *e)
{
    char key[100];
    struct str text;
    struct json *v;
    if (id.n != 36)
        return error_set(e, ERR_INVALID, "backup", "'%.*s' is no id of a backup", "“%.*s”不是备份编号",
                         STR_ARG(str_sub(id, 0, 60)));
    snprintf(key, sizeof key, "backups/%.36s/manifest.json", id.p);
    int rc = target_doc_get(t, key, a, &text, e);
    if (rc == ERR_NOT_FOUND)
        return error_set(e, rc, "backup", "there is no backup %.36s in the target", "目标中没有备份 %.36s", id.p);
    if (!rc && json_parse(a, text, &v, e)) rc = error_set(e, ERR_CORRUPT, key, "is damaged", "已损坏");
    if (!rc) rc = manifest_parse(v, ret, key, e);
    if (!rc && !str_eq(str_of(ret->id), id))
        rc = error_set(e, ERR_CORRUPT, key, "is that of another backup", "属于另一备份");
    return rc;
}

/* ------------------------------------------------------------------ all of a target */

struct ids {
    char (*id)[37];
    size_t n, cap;
};

static int take_id(void *ctx, const char *key, const struct object_info *i)
{
    struct ids *s = ctx;
    struct str rest = str_of(key), id;
    (void)str_cut(&rest, '/');
    id = str_cut(&rest, '/');
    if (id.n != 36 || !str_is(rest, "manifest.json")) return 0;
    if (!mem_grow((void **)&s->id, &s->cap, s->n + 1, sizeof *s->id)) return ERR_NOMEM;
    str_to_cstr(id, s->id[s->n++], 37);
    return 0;
}

static int by_time(const void *a, const void *b)
{
    const struct manifest *x = a, *y = b;
    return x->at_us < y->at_us ? -1 : x->at_us > y->at_us ? 1 : strcmp(x->id, y->id);
}

int manifest_all(struct target *t, struct arena *a, struct manifest **ret, size_t *ret_n, size_t *ret_bad,
                 struct error *e)
{
    struct ids s = {0};
    size_t n = 0;
    *ret_bad = 0;
    int rc = target_each(t, "backups/", take_id, &s, e);
    struct manifest *m = rc ? NULL : arena_calloc(a, s.n + 1, sizeof *m);
    if (!rc && !m) rc = nomem(e);
    for (size_t i = 0; i < s.n && !rc; i++) {
        struct error why = {0};
        int one = manifest_read(t, a, str_of(s.id[i]), &m[n], &why);
        if (one == 0)
            n++;
        else if (one == ERR_CORRUPT)
            ++*ret_bad;
        else if (one != ERR_NOT_FOUND) {
            rc = one;
            if (e) *e = why;
        }
    }
    mem_free(s.id);
    if (rc) return rc;
    qsort(m, n, sizeof *m, by_time);
    *ret = m;
    *ret_n = n;
    return 0;
}

int manifest_delete(struct target *t, const char *id, struct error *e)
{
    char key[100];
    snprintf(key, sizeof key, "backups/%.36s/manifest.json", id);
    return target_delete(t, key, e);
}

int manifest_pick(struct target *t, struct arena *a, struct str id, int64_t until_us, struct manifest *ret,
                  struct error *e)
{
    struct manifest *all;
    size_t n, bad;
    if (id.n) return manifest_read(t, a, id, ret, e);
    int rc = manifest_all(t, a, &all, &n, &bad, e);
    while (!rc && n && all[n - 1].at_us > until_us) n--;
    if (!rc && !n)
        rc = error_set(e, ERR_NOT_FOUND, "backup", "there is no backup %s in the target",
                       "目标中没有%.0s符合条件的备份", until_us == INT64_MAX ? "" : "at or before that time");
    if (!rc) *ret = all[n - 1];
    return rc;
}

/* ------------------------------------------------------------------ files */

void entry_write(struct json_writer *w, const struct entry *f)
{
    jw_object(w);
    jw_kstr(w, "part", f->part);
    jw_kstr(w, "name", f->name);
    jw_kstr(w, "id", f->id);
    jw_ki64(w, "bytes", f->bytes);
    jw_kstr(w, "sha256", f->sha256);
    jw_key(w, STR("chunks"));
    jw_json(w, f->chunks);
    jw_ki64(w, "class", f->class_id);
    jw_ki64(w, "place", f->place);
    jw_ki64(w, "from", f->from_us);
    jw_ki64(w, "to", f->to_us);
    jw_end(w);
}

int entry_read(const struct json *v, struct entry *ret, struct error *e)
{
    *ret = (struct entry){.part = json_str(json_get(v, "part"), STR("")),
                          .name = json_str(json_get(v, "name"), STR("")),
                          .id = json_str(json_get(v, "id"), STR("")),
                          .sha256 = json_str(json_get(v, "sha256"), STR("")),
                          .bytes = json_i64(json_get(v, "bytes"), -1),
                          .class_id = (int)json_i64(json_get(v, "class"), 255),
                          .place = (int)json_i64(json_get(v, "place"), 0),
                          .from_us = json_i64(json_get(v, "from"), 0),
                          .to_us = json_i64(json_get(v, "to"), 0),
                          .chunks = json_get(v, "chunks")};
    bool good = ret->name.n && ret->bytes >= 0 && ret->sha256.n == TARGET_HASH - 1 && ret->chunks &&
                ret->chunks->type == JSON_ARRAY;
    /* A name becomes a path: it must not lead out of the folder. */
    good = good && ret->name.n < 500 && ret->name.p[0] != '/' && !str_has(ret->name, STR("..")) &&
           !str_has(ret->name, STR("//")) && str_find(ret->name, 0) < 0;
    return good ? 0
                : error_set(e, ERR_CORRUPT, "list", "a file of the backup is not described well", "备份文件描述有误");
}

/* ------------------------------------------------------------------ lists */

int lines_begin(struct lines *l, struct target *t, struct arena *a, struct error *e)
{
    *l = (struct lines){.t = t, .a = a, .chunks = json_new_array(a)};
    buf_init(&l->buf, LINES_CHUNK + LINE_MAX_BYTES);
    return l->chunks ? 0 : nomem(e);
}

static int store_lines(struct lines *l, size_t n, struct error *e)
{
    char hash[TARGET_HASH];
    int rc = target_put(l->t, l->buf.p, n, hash, NULL, e);
    if (rc) return rc;
    buf_drop(&l->buf, n);
    return json_push(l->chunks, json_new_str(l->a, arena_str(l->a, str_of(hash)))) ? 0 : nomem(e);
}

int lines_add(struct lines *l, struct str line, struct error *e)
{
    buf_str(&l->buf, line);
    buf_u8(&l->buf, '\n');
    if (l->buf.err) return error_set(e, l->buf.err, "list", "a line is too long", "行过长");
    int rc = 0;
    while (!rc && l->buf.n >= LINES_CHUNK) rc = store_lines(l, LINES_CHUNK, e);
    return rc;
}

int lines_flush(struct lines *l, struct error *e)
{
    return l->buf.n ? store_lines(l, l->buf.n, e) : 0;
}

int lines_end(struct lines *l, struct error *e)
{
    int rc = lines_flush(l, e);
    lines_fini(l);
    return rc;
}

void lines_fini(struct lines *l)
{
    buf_fini(&l->buf);
    buf_init(&l->buf, 0);
}

static int give_line(struct str line, line_fn *fn, void *ctx, struct error *e)
{
    AUTO_ARENA a;
    struct json *v;
    arena_init(&a, 2 * LINE_MAX_BYTES);
    if (json_parse(&a, line, &v, e)) return error_set(e, ERR_CORRUPT, "list", "a line is damaged", "行已损坏");
    return fn(ctx, &a, v, e);
}

/* Whole lines of what is gathered; the rest stays. */
static int give_lines(struct buf *b, bool last, line_fn *fn, void *ctx, struct error *e)
{
    struct str rest = buf_view(b);
    int rc = 0;
    while (!rc && rest.n) {
        ptrdiff_t end = str_find(rest, '\n');
        if (end < 0) break;
        rc = give_line(str_sub(rest, 0, (size_t)end), fn, ctx, e);
        rest = str_sub(rest, (size_t)end + 1, rest.n);
    }
    if (!rc && last && rest.n) rc = error_set(e, ERR_CORRUPT, "list", "ends within a line", "在行中间结束");
    buf_drop(b, b->n - rest.n);
    return rc;
}

int lines_each(struct target *t, const struct json *chunks, line_fn *fn, void *ctx, struct error *e)
{
    AUTO_FREE char *chunk = mem_alloc(TARGET_CHUNK);
    struct buf b;
    size_t n;
    int rc = chunk ? 0 : nomem(e);
    buf_init(&b, TARGET_CHUNK + LINE_MAX_BYTES);
    for (const struct json *c = chunks ? chunks->child : NULL; c && !rc; c = c->next) {
        rc = target_get(t, json_str(c, STR("")), chunk, &n, e);
        if (rc) break;
        buf_add(&b, chunk, n);
        rc = b.err ? error_set(e, ERR_CORRUPT, "list", "a line is too long", "行过长")
                   : give_lines(&b, false, fn, ctx, e);
    }
    if (!rc) rc = give_lines(&b, true, fn, ctx, e);
    buf_fini(&b);
    return rc;
}

struct files {
    entry_fn *fn;
    void *ctx;
};
static int give_entry(void *ctx, struct arena *a, const struct json *line, struct error *e)
{
    struct files *f = ctx;
    struct entry x;
    int rc = entry_read(line, &x, e);
    return rc ? rc : f->fn(f->ctx, &x, e);
}
int manifest_files(struct target *t, const struct manifest *m, entry_fn *fn, void *ctx, struct error *e)
{
    struct files f = {fn, ctx};
    return lines_each(t, m->list, give_entry, &f, e);
}

/* ------------------------------------------------------------------ logs */

static void log_key(uint64_t number, char out[60])
{
    snprintf(out, 60, "logs/%016llx.json", (unsigned long long)number);
}

int logfile_write(struct target *t, const struct log_entry *l, struct error *e)
{
    struct buf b;
    char key[60];
    buf_init(&b, 4u << 20);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    jw_kstr(&w, "part", STR("log"));
    jw_kstr(&w, "name", l->file.name);
    jw_ki64(&w, "number", (int64_t)l->number);
    jw_ki64(&w, "after", (int64_t)l->after);
    jw_ki64(&w, "bytes", l->file.bytes);
    jw_kstr(&w, "sha256", l->file.sha256);
    jw_key(&w, STR("chunks"));
    jw_json(&w, l->file.chunks);
    jw_ki64(&w, "first", l->first_us);
    jw_ki64(&w, "last", l->last_us);
    jw_end(&w);
    log_key(l->number, key);
    int rc = b.err ? nomem(e) : target_doc_put(t, key, buf_view(&b), e);
    buf_fini(&b);
    return rc;
}

struct log_list {
    struct target *t;
    struct arena *a;
    uint64_t *number;
    size_t n, cap;
};

static int take_log(void *ctx, const char *key, const struct object_info *i)
{
    struct log_list *l = ctx;
    const char *name = key + strlen("logs/");
    if (strlen(name) != 21 || strcmp(name + 16, ".json") != 0) return 0;
    if (!mem_grow((void **)&l->number, &l->cap, l->n + 1, sizeof *l->number)) return ERR_NOMEM;
    l->number[l->n++] = strtoull(name, NULL, 16);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const struct log_entry *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int read_log(struct log_list *l, uint64_t number, struct log_entry *ret, struct error *e)
{
    char key[60];
    struct str text;
    struct json *v;
    log_key(number, key);
    int rc = target_doc_get(l->t, key, l->a, &text, e);
    if (!rc && json_parse(l->a, text, &v, e)) rc = error_set(e, ERR_CORRUPT, key, "is damaged", "已损坏");
    if (!rc) rc = entry_read(v, &ret->file, e);
    if (rc) return rc;
    ret->number = take_u64(v, "number");
    ret->after = take_u64(v, "after");
    ret->first_us = json_i64(json_get(v, "first"), 0);
    ret->last_us = json_i64(json_get(v, "last"), 0);
    return ret->number == number ? 0 : error_set(e, ERR_CORRUPT, key, "is that of another log", "属于另一日志");
}

int logfile_all(struct target *t, struct arena *a, struct log_entry **ret, size_t *ret_n, struct error *e)
{
    struct log_list l = {.t = t, .a = a};
    int rc = target_each(t, "logs/", take_log, &l, e);
    struct log_entry *x = rc ? NULL : arena_calloc(a, l.n + 1, sizeof *x);
    if (!rc && !x) rc = nomem(e);
    for (size_t i = 0; i < l.n && !rc; i++) rc = read_log(&l, l.number[i], &x[i], e);
    mem_free(l.number);
    if (rc) return rc;
    qsort(x, l.n, sizeof *x, by_number);
    *ret = x;
    *ret_n = l.n;
    return 0;
}

int logfile_delete(struct target *t, uint64_t number, struct error *e)
{
    char key[60];
    log_key(number, key);
    return target_delete(t, key, e);
}
