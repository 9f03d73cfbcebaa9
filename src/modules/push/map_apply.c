/* map_apply.c - rows on records: values with key, time, quality, unit; or what is wrong. */
#include <math.h>
#include "model/sample.h"
#include "modules/push/mapping_int.h"

#define LEAVES_MAX 4096

struct applying {
    const struct mapping *m;
    struct arena *a;
    const struct mapping_input *in;
    struct mapping_result *out;
    struct error *e;
    size_t cap;
    struct str device; /* of the record */
    /* of the row */
    const struct record *r;
    const struct map_row *row;
    size_t at, found;
};

static int no_memory(struct applying *x)
{
    return error_set(x->e, ERR_NOMEM, "", "out of memory", "内存不足");
}

__attribute__((format(printf, 4, 6))) __attribute__((format(printf, 5, 6))) static int
fault(struct applying *x, bool missing, const char *where, const char *en, const char *zh, ...)
{
    struct mapping_result *out = x->out;
    if (out->nfaults == MAPPING_FAULTS_MAX) return 0;
    struct mapping_fault *f = &out->fault[out->nfaults++];
    va_list ap, again;
    *f = (struct mapping_fault){.row = x->at, .record = x->r ? x->r->index : MAPPING_WHOLE, .missing = missing};
    f->why.code = ERR_INVALID;
    snprintf(f->why.where, sizeof f->why.where, "%s", where);
    va_start(ap, zh);
    va_copy(again, ap);
    vsnprintf(f->why.text, sizeof f->why.text, en, ap);
    vsnprintf(f->why.text_zh, sizeof f->why.text_zh, zh, again);
    va_end(again);
    va_end(ap);
    return 0;
}

/* ---- texts with holes ---- */

static struct str level_of(struct str topic, unsigned level)
{
    struct str part = STR_NULL;
    for (unsigned i = 0; i <= level; i++) {
        if (!topic.p) return STR_NULL;
        part = str_cut(&topic, '/');
    }
    return part;
}

/* What a hole says; {NULL,0}: nothing. */
static struct str scalar_text(struct applying *x, const struct json *v)
{
    if (!v || v->type == JSON_NULL || v->type == JSON_ARRAY || v->type == JSON_OBJECT) return STR_NULL;
    return v->type == JSON_STRING ? v->s : json_text(x->a, v);
}

static struct str part_text(struct applying *x, const struct part *p, struct str name)
{
    switch (p->kind) {
    case PART_TEXT: return p->text;
    case PART_TOPIC: return x->in->topic;
    case PART_LEVEL: return level_of(x->in->topic, p->level);
    case PART_CLIENT: return x->in->client;
    case PART_DEVICE: return x->device;
    case PART_NAME: return name;
    case PART_INDEX: return str_of(arena_printf(x->a, "%zu", x->r->index));
    case PART_PLACE: return scalar_text(x, map_place_get(x->m, &p->place, x->a, x->r, true));
    }
    return STR_NULL;
}

/* {NULL,0}: a hole says nothing, or it becomes too long. */
static struct str fill(struct applying *x, const struct template *t, struct str name)
{
    struct buf b;
    if (t->n == 1) return part_text(x, &t->part[0], name);
    buf_init(&b, 1024);
    for (size_t i = 0; i < t->n; i++) {
        struct str s = part_text(x, &t->part[i], name);
        if (!s.n) b.err = ERR_INVALID;
        buf_str(&b, s);
    }
    struct str text = b.err ? STR_NULL : arena_str(x->a, buf_view(&b));
    buf_fini(&b);
    return text;
}

/* ---- time, quality, unit ---- */

static bool time_of(struct applying *x, const struct map_place *at, const struct time_form *f, struct pushed *v)
{
    const struct json *t = map_place_get(x->m, at, x->a, x->r, true);
    bool ok = false;
    if (!at->set || !t || t->type == JSON_NULL) return true;
    if (t->type == JSON_STRING) ok = time_form_text(f, str_trim(t->s), &v->time_us);
    if (t->type == JSON_INT) ok = time_form_int(f, t->i, &v->time_us);
    if (t->type == JSON_DOUBLE) ok = time_form_double(f, t->d, &v->time_us);
    v->has_time = ok;
    if (!ok)
        fault(x, false, "time", "'%.*s' is no time in the given form", "'%.*s' 不符合所填的时间格式",
              STR_ARG(str_sub(json_text(x->a, t), 0, 60)));
    return ok;
}

static bool set_time(struct applying *x, struct pushed *v)
{
    const struct map_row *r = x->row;
    const struct time_form *f = r && r->own_clock ? &r->clock : &x->m->clock;
    return time_of(x, r && r->time.set ? &r->time : &x->m->time, f, v);
}

/* Words of our own, numbers of OPC (192 to 255 good, 64 to 127 uncertain), booleans (true: good). */
static uint8_t usual_quality(const struct json *q)
{
    static const char *const good[] = {"good", "ok", "valid", "normal", "n", "0"};
    double d = json_double(q, NAN);
    if (q->type == JSON_BOOL) return q->b ? QUALITY_GOOD : QUALITY_BAD;
    if (q->type == JSON_STRING) {
        if (str_ieq(q->s, STR("uncertain"))) return QUALITY_UNCERTAIN;
        for (size_t i = 0; i < sizeof good / sizeof *good; i++)
            if (str_ieq(q->s, str_of(good[i]))) return QUALITY_GOOD;
        return QUALITY_BAD;
    }
    return d >= 192 ? QUALITY_GOOD : d >= 64 && d < 128 ? QUALITY_UNCERTAIN : QUALITY_BAD;
}

static uint8_t quality_of(struct applying *x)
{
    const struct map_row *r = x->row;
    const struct json *q = r ? map_place_get(x->m, &r->quality, x->a, x->r, true) : NULL;
    if (!q || q->type == JSON_NULL) return QUALITY_GOOD;
    if (!r->ngood) return usual_quality(q);
    struct str text = scalar_text(x, q);
    for (size_t i = 0; i < r->ngood; i++)
        if (str_ieq(text, r->good[i])) return QUALITY_GOOD;
    return QUALITY_BAD;
}

static struct str unit_of(struct applying *x)
{
    if (!x->row) return STR("");
    if (x->row->unit_at.set) return scalar_text(x, map_place_get(x->m, &x->row->unit_at, x->a, x->r, true));
    return x->row->unit;
}

/* ---- the value ---- */

static const struct json *as_number(struct applying *x, const struct json *v)
{
    double d = v->type == JSON_BOOL ? v->b : json_double(v, NAN);
    if (v->type == JSON_STRING && str_to_double(str_trim(v->s), &d)) d = NAN;
    if (isfinite(d)) return v->type == JSON_INT ? v : json_new_double(x->a, d);
    fault(x, false, "value", "'%.*s' is no number", "'%.*s' 不是数字", STR_ARG(str_sub(json_text(x->a, v), 0, 60)));
    return NULL;
}

static const struct json *as_boolean(struct applying *x, const struct json *v)
{
    static const char *const yes[] = {"true", "on", "yes", "1", "open", "running"}, *const no[] = {"false",  "off",
                                                                                                   "no",     "0",
                                                                                                   "closed", "stopped"};
    if (v->type == JSON_BOOL) return v;
    if (v->type == JSON_INT || v->type == JSON_DOUBLE) return json_new_bool(x->a, json_double(v, 0) != 0);
    for (size_t i = 0; v->type == JSON_STRING && i < sizeof yes / sizeof *yes; i++) {
        if (str_ieq(str_trim(v->s), str_of(yes[i]))) return json_new_bool(x->a, true);
        if (str_ieq(str_trim(v->s), str_of(no[i]))) return json_new_bool(x->a, false);
    }
    fault(x, false, "value", "'%.*s' is neither on nor off", "'%.*s' 不是开关值",
          STR_ARG(str_sub(json_text(x->a, v), 0, 60)));
    return NULL;
}

static const struct json *converted(struct applying *x, const struct json *v)
{
    const struct map_row *r = x->row;
    if (!r) return v;
    if (r->as == MAP_BOOLEAN) return as_boolean(x, v);
    if (r->as == MAP_STRING) return v->type == JSON_STRING ? v : json_new_str(x->a, json_text(x->a, v));
    if (r->as == MAP_NUMBER) v = as_number(x, v);
    bool plain = r->factor == 1 && r->add == 0;
    if (!v || plain || (v->type != JSON_INT && v->type != JSON_DOUBLE)) return v;
    return json_new_double(x->a, json_double(v, 0) * r->factor + r->add);
}

static int add(struct applying *x, struct str key, const struct json *v)
{
    struct mapping_result *out = x->out;
    struct pushed p = {.key = key, .quality = quality_of(x), .unit = unit_of(x)};
    if (!key.n || key.n > 200)
        return fault(x, false, "key", "the key is empty or longer than 200 bytes: a part of it is not in the message",
                     "键为空或超过 200 字节：消息中缺少键的组成部分");
    if (!set_time(x, &p)) return 0;
    if (!(p.v = converted(x, v))) return 0;
    if (out->n == PUSH_VALUES_MAX)
        return error_set(x->e, ERR_TOO_LARGE, "", "a message holds at most %d values", "一条消息最多 %d 个值",
                         PUSH_VALUES_MAX);
    if (out->n == x->cap) {
        size_t cap = x->cap ? x->cap * 2 : 32;
        struct mapped *more = arena_alloc(x->a, cap * sizeof *more);
        if (!more) return no_memory(x);
        if (out->n) memcpy(more, out->v, out->n * sizeof *more);
        out->v = more;
        x->cap = cap;
    }
    out->v[out->n++] = (struct mapped){.row = x->at, .record = x->r->index, .device = x->device, .v = p};
    return 0;
}

static bool names_each(const struct template *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->part[i].kind == PART_NAME) return true;
    return false;
}

static int on_value(void *ctx, const struct json *node)
{
    struct applying *x = ctx;
    size_t n = x->found++;
    if (n == 1 && !names_each(&x->row->key))
        fault(x, false, "key", "the path finds more than one value; put {name} into the key",
              "路径匹配到多个值，请在键中加入 {name}");
    if (n && !names_each(&x->row->key)) return 0;
    if (node->type == JSON_NULL) return fault(x, true, "value", "there is no value (null)", "没有值（null）");
    struct str name = node->key.n ? node->key : str_of(arena_printf(x->a, "%zu", n));
    return add(x, fill(x, &x->row->key, name), node);
}

static int apply_row(struct applying *x)
{
    int rc = 0;
    x->found = 0;
    if (x->m->form == MAP_JSON) {
        rc = json_path_all(x->row->value.path, x->r->doc, on_value, x);
        if (rc == ERR_LIMIT) rc = fault(x, false, "value", "the path visits too much", "路径匹配的内容过多");
    } else {
        const struct json *v = map_place_get(x->m, &x->row->value, x->a, x->r, false);
        if (v) rc = on_value(x, v);
    }
    if (!rc && !x->found) fault(x, true, "value", "nothing stands there in this message", "该消息中此处没有内容");
    return rc;
}

/* ---- every leaf ---- */

static bool is_leaf_of(const struct map_place *p, const struct applying *x, const struct json *v)
{
    return p->set && map_place_get(x->m, p, x->a, x->r, true) == v;
}

static bool told_otherwise(struct applying *x, const struct json *v)
{
    const struct template *d = &x->m->device;
    if (is_leaf_of(&x->m->time, x, v)) return true;
    for (size_t i = 0; x->m->who == MAP_PATH && i < d->n; i++)
        if (d->part[i].kind == PART_PLACE && is_leaf_of(&d->part[i].place, x, v)) return true;
    return false;
}

/* "$.a.b[0]" -> "a.b.0", as points are called. */
static struct str leaf_name(struct applying *x, struct str path)
{
    char *out = arena_alloc(x->a, path.n + 1);
    size_t n = 0;
    for (size_t i = 1; out && i < path.n; i++) {
        char c = path.p[i];
        if (c == ']' || c == '\'') continue;
        if (c == '.' || c == '[') {
            if (n) out[n++] = '.';
        } else {
            out[n++] = c;
        }
    }
    return str_make(out, out ? n : 0);
}

static int apply_leaves(struct applying *x)
{
    struct json_path_leaf *leaf = arena_alloc(x->a, LEAVES_MAX * sizeof *leaf);
    if (!leaf) return no_memory(x);
    size_t n = json_path_leaves(x->r->doc, x->a, leaf, LEAVES_MAX);
    int rc = 0;
    x->row = NULL;
    x->at = MAPPING_WHOLE;
    for (size_t i = 0; i < n && !rc; i++) {
        if (leaf[i].value->type == JSON_NULL || told_otherwise(x, leaf[i].value)) continue;
        struct str name = x->m->form == MAP_CSV ? leaf[i].value->key : leaf_name(x, leaf[i].path);
        rc = add(x, fill(x, &x->m->leaf_key, name.n ? name : STR("value")), leaf[i].value);
    }
    return rc;
}

/* ---- records ---- */

static struct str device_of(struct applying *x)
{
    switch (x->m->who) {
    case MAP_CLIENT: return x->in->client;
    case MAP_TOPIC: return level_of(x->in->topic, x->m->level);
    case MAP_PATH:
    case MAP_FIXED: return fill(x, &x->m->device, STR(""));
    }
    return STR_NULL;
}

static int on_record(void *ctx, const struct record *r)
{
    struct applying *x = ctx;
    int rc = 0;
    x->r = r;
    x->out->records++;
    x->at = MAPPING_WHOLE;
    x->device = STR("");
    x->device = device_of(x);
    if (!x->device.n)
        return fault(x, false, "device", "the message does not say which device it is from",
                     "消息中没有说明来自哪个设备");
    for (size_t i = 0; i < x->m->nrows && !rc; i++) {
        x->row = &x->m->row[i];
        x->at = i;
        rc = apply_row(x);
    }
    return rc || !x->m->leaves ? rc : apply_leaves(x);
}

int mapping_apply(const struct mapping *m, struct arena *a, const struct mapping_input *in, struct mapping_result *ret,
                  struct error *e)
{
    struct applying x = {.m = m, .a = a, .in = in, .out = ret, .e = e, .at = MAPPING_WHOLE};
    *ret = (struct mapping_result){.fault = arena_alloc(a, MAPPING_FAULTS_MAX * sizeof *ret->fault)};
    return ret->fault ? map_records(m, a, in->payload, on_record, &x, e) : no_memory(&x);
}
