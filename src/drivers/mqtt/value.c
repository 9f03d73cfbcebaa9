/* value.c - payloads to records, records to samples; and the payload of a command. Pure but for the arena of the
 * payload.
 *
 * JSON     the option 'records' names the parts of a document that are records of their own ($.data[*]), each with its
 * own time and quality; without it the document is one. A time that a record lacks is looked for in the document. CSV
 * each line is a record.     text, binary, hex: the payload is one. What is no number where one is wanted is bad,
 * NOT_A_NUMBER; JSON null and an empty cell are bad, NO_DATA. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/csv.h"
#include "base/encode.h"
#include "base/time.h"
#include "base/utf8.h"
#include "drivers/mqtt/mqtt_int.h"
#include "model/waveform.h"

/* ---- records ---- */

struct list {
    struct mt_record *r;
    size_t n, cap;
    struct arena *a;
};

static struct mt_record *add(struct list *l)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 8;
        struct mt_record *r = arena_alloc(l->a, cap * sizeof *r);
        if (r == NULL) return NULL;
        if (l->n) memcpy(r, l->r, l->n * sizeof *r);
        l->r = r, l->cap = cap;
    }
    l->r[l->n] = (struct mt_record){0};
    return &l->r[l->n++];
}

static int add_node(void *ctx, const struct json *node)
{
    struct list *l = ctx;
    if (l->n == MT_RECORDS_MAX) return ERR_LIMIT;
    struct mt_record *r = add(l);
    if (r == NULL) return ERR_NOMEM;
    r->json = node;
    return 0;
}

static int json_records(const struct mt_format *f, struct mt_payload *p, struct list *l, struct error *e)
{
    if (!p->parsed) {
        struct json *root = NULL;
        p->parsed = true;
        if (json_parse(p->arena, p->bytes, &root, &p->error) == 0) p->json = root;
    }
    if (p->json == NULL)
        return error_set(e, ERR_INVALID, "", "the payload of %.*s is no JSON: %s%.0s",
                         "%.*s 的报文不是有效的 JSON：%.0s%s", (int)(p->topic.n < 80 ? p->topic.n : 80), p->topic.p,
                         p->error.text, p->error.text_zh);
    int rc = f->records ? json_path_all(f->records, p->json, add_node, l) : add_node(l, p->json);
    for (size_t i = 0; i < l->n; i++) l->r[i].root = p->json;
    return rc ? error_set(e, rc, "", "more than %d records in one message", "单个报文的记录超过 %d 条", MT_RECORDS_MAX)
              : 0;
}

static void name_cells(const struct mt_format *f, struct arena *a, struct str **ret, size_t *ret_n)
{
    struct str rest = f->columns;
    struct str *names = arena_calloc(a, 1000, sizeof *names);
    size_t n = 0;
    while (names && rest.p && rest.n && n < 1000) names[n++] = str_trim(str_cut(&rest, ','));
    *ret = names;
    *ret_n = n;
}

static int csv_records(const struct mt_format *f, struct mt_payload *p, struct list *l, struct error *e)
{
    struct csv c;
    struct str *cells, *names = NULL;
    size_t n, nnames = 0;
    struct error why = {0};
    int rc;
    csv_init(&c, p->bytes);
    c.sep = f->sep;
    if (!f->header && f->columns.n) name_cells(f, p->arena, &names, &nnames);
    while ((rc = csv_next(&c, p->arena, &cells, &n, &why)) == 1 && l->n < MT_RECORDS_MAX) {
        if (f->header && c.row == 1) {
            names = cells, nnames = n;
            continue;
        }
        struct mt_record *r = add(l);
        if (r == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
        *r = (struct mt_record){.cells = cells, .ncells = n, .names = names, .nnames = nnames};
    }
    if (rc >= 0) return 0;
    return error_set(e, ERR_INVALID, "", "the payload of %.*s is no CSV: %s%.0s", "%.*s 的报文不是有效的 CSV：%.0s%s",
                     (int)(p->topic.n < 80 ? p->topic.n : 80), p->topic.p, why.text, why.text_zh);
}

static int byte_records(const struct mt_format *f, struct mt_payload *p, struct list *l, struct error *e)
{
    struct mt_record *r = add(l);
    if (r == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    r->bytes = p->bytes;
    return 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ':' || c == '-';
}

static int hex_records(const struct mt_format *f, struct mt_payload *p, struct list *l, struct error *e)
{
    struct buf b;
    char *text = arena_alloc(p->arena, p->bytes.n + 1);
    size_t n = 0;
    int rc = 0;
    if (text == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    for (size_t i = 0; i < p->bytes.n; i++)
        if (!is_blank(p->bytes.p[i])) text[n++] = p->bytes.p[i];
    buf_init(&b, p->bytes.n + 1);
    if (!p->unhexed) rc = hex_decode(&b, str_make(text, n));
    if (rc == 0 && !p->unhexed) {
        p->hex = arena_str(p->arena, buf_view(&b));
        p->unhexed = true;
    }
    buf_fini(&b);
    if (rc)
        return error_set(e, ERR_INVALID, "", "the payload of %.*s is not hexadecimal", "%.*s 的报文不是十六进制文本",
                         (int)(p->topic.n < 80 ? p->topic.n : 80), p->topic.p);
    struct mt_record *r = add(l);
    if (r) r->bytes = p->hex;
    return r ? 0 : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

int mt_records(const struct mt_format *f, struct mt_payload *p, struct mt_record **ret, size_t *ret_n, struct error *e)
{
    static int (*const forms[])(const struct mt_format *, struct mt_payload *, struct list *,
                                struct error *) = {json_records, csv_records, byte_records, byte_records, hex_records};
    struct list l = {.a = p->arena};
    int rc = forms[f->form](f, p, &l, e);
    if (rc) return rc;
    *ret = l.r;
    *ret_n = l.n;
    return 0;
}

/* ---- numbers, texts ---- */

static void bad(struct sample *s, enum quality_reason why)
{
    s->quality = QUALITY_BAD;
    s->flags = (uint16_t)why;
}

static void check_range(const struct value_spec *v, double d, struct sample *s)
{
    if (d < v->lo || d > v->hi) { /* false for NAN: no limit */
        s->quality = QUALITY_UNCERTAIN;
        s->flags = REASON_OUT_OF_RANGE;
    }
}

static bool plain(const struct value_spec *v)
{
    return v->scale == 1 && v->offset == 0;
}

static bool is_integer(uint8_t type)
{
    return type >= VALUE_INT8 && type <= VALUE_UINT64 ? true : type == VALUE_BCD16 || type == VALUE_BCD32;
}

static void put_double(const struct value_spec *v, double raw, struct sample *s)
{
    double d = raw * v->scale + v->offset;
    if (!isfinite(d)) {
        bad(s, REASON_NOT_A_NUMBER);
        return;
    }
    if (v->type == VALUE_BOOL) {
        s->type = SAMPLE_BOOL;
        s->v.i = raw != 0;
        return;
    }
    s->type = SAMPLE_DOUBLE;
    s->v.d = d;
    if (is_integer(v->type) && plain(v) && fabs(d) < 9.2e18) {
        s->type = SAMPLE_INT;
        s->v.i = llround(d);
    }
    check_range(v, d, s);
}

static void put_int(const struct value_spec *v, int64_t raw, struct sample *s)
{
    bool whole = plain(v) && (v->type == VALUE_AUTO || is_integer(v->type));
    if (!whole) {
        put_double(v, (double)raw, s);
        return;
    }
    s->type = SAMPLE_INT;
    s->v.i = raw;
    check_range(v, (double)raw, s);
}

static void put_bool(const struct value_spec *v, bool b, struct sample *s)
{
    if (v->type != VALUE_AUTO && v->type != VALUE_BOOL) {
        put_int(v, b, s);
        return;
    }
    s->type = SAMPLE_BOOL;
    s->v.i = b;
}

/* 1, 0; -1: it says neither. */
static int truth(struct str t)
{
    static const char *const yes[] = {"true", "on", "yes", "1"}, *const no[] = {"false", "off", "no", "0"};
    for (size_t i = 0; i < 4; i++) {
        if (str_ieq(t, str_of(yes[i]))) return 1;
        if (str_ieq(t, str_of(no[i]))) return 0;
    }
    return -1;
}

static void put_string(struct str text, struct mt_value *r)
{
    if (text.n > 65536 || !utf8_valid(text)) {
        bad(&r->s, REASON_NOT_A_NUMBER);
        return;
    }
    r->s.type = SAMPLE_STRING;
    r->text = text;
}

/* A text that may be a number or a state. guess: what looks like one becomes one (CSV, plain text). */
static void put_text(const struct value_spec *v, struct str text, bool guess, struct mt_value *r)
{
    struct str t = str_trim(text);
    int64_t i;
    double d;
    int b = truth(t);
    if (v->type == VALUE_STRING || (v->type == VALUE_AUTO && !guess)) {
        put_string(text, r);
    } else if (t.n == 0) {
        bad(&r->s, REASON_NO_DATA);
    } else if (v->type == VALUE_BOOL && b >= 0) {
        put_bool(v, b, &r->s);
    } else if (str_to_i64(t, &i) == 0) {
        put_int(v, i, &r->s);
    } else if (str_to_double(t, &d) == 0) {
        put_double(v, d, &r->s);
    } else if (b >= 0) {
        put_bool(v, b, &r->s);
    } else if (v->type == VALUE_AUTO) {
        put_string(text, r);
    } else {
        bad(&r->s, REASON_NOT_A_NUMBER);
    }
}

static void put_blob(struct mt_value *r, struct str bytes, const char *media)
{
    r->s.type = SAMPLE_BLOB;
    r->blob = bytes;
    r->media = media;
}

static const char *media_of(struct str b)
{
    if (str_starts(b, STR("\x89PNG\r\n"))) return "image/png";
    if (str_starts(b, STR("\xff\xd8\xff"))) return "image/jpeg";
    return "application/octet-stream";
}

/* Two numbers or more, and nothing else. */
static bool put_waveform(const struct mt_point *p, const struct json *j, struct arena *a, struct mt_value *r)
{
    const struct value_spec *v = &p->spec;
    bool wanted = v->type == VALUE_AUTO || v->type == VALUE_FLOAT || v->type == VALUE_DOUBLE;
    if (!wanted || j->type != JSON_ARRAY || j->count < 2 || j->count > WAVEFORM_MAX) return false;
    double *d = arena_alloc(a, j->count * sizeof *d);
    struct buf out;
    uint32_t n = 0;
    for
        json_each (x, j) {
            if (d == NULL || (x->type != JSON_INT && x->type != JSON_DOUBLE)) return false;
            d[n++] = json_double(x, NAN) * v->scale + v->offset;
        }
    buf_init(&out, 20u << 20);
    if (waveform_pack(d, n, p->step_s, STR_NULL, &out, NULL) == 0)
        put_blob(r, arena_str(a, buf_view(&out)), WAVEFORM_TYPE);
    buf_fini(&out);
    return r->blob.p != NULL;
}

static void put_json(const struct mt_point *p, const struct json *j, struct arena *a, struct mt_value *r)
{
    const struct value_spec *v = &p->spec;
    if (put_waveform(p, j, a, r)) return;
    if (j->type == JSON_NULL) {
        bad(&r->s, REASON_NO_DATA);
        return;
    }
    if (j->type == JSON_STRING) {
        put_text(v, j->s, false, r);
        return;
    }
    if (v->type == VALUE_STRING || j->type == JSON_ARRAY || j->type == JSON_OBJECT) {
        struct str text = v->type == VALUE_STRING || v->type == VALUE_AUTO ? json_text(a, j) : STR_NULL;
        if (text.p)
            put_string(text, r);
        else
            bad(&r->s, REASON_NOT_A_NUMBER);
        return;
    }
    if (j->type == JSON_BOOL) put_bool(v, j->b, &r->s);
    if (j->type == JSON_INT) put_int(v, j->i, &r->s);
    if (j->type == JSON_DOUBLE) put_double(v, j->d, &r->s);
}

/* ---- places ---- */

static const struct str *cell(const struct mt_record *r, const struct mt_column *c)
{
    size_t at = c->number;
    for (size_t i = 0; at == 0 && i < r->nnames; i++)
        if (str_eq(r->names[i], c->name)) at = i + 1;
    return at && at <= r->ncells ? &r->cells[at - 1] : NULL;
}

static bool put_bytes(const struct mt_point *p, struct str b, struct arena *a, struct mt_value *r)
{
    unsigned n = p->at.length;
    static const uint8_t sizes[VALUE_TYPE_COUNT] = {
#define X(name, text, bytes, en, zh) bytes,
        VALUE_TYPES(X)
#undef X
    };
    if (p->at.whole) {
        put_blob(r, b, media_of(b));
        return b.n > 0;
    }
    if (n == 0) n = sizes[p->spec.type];
    if (p->at.offset > b.n || n > b.n - p->at.offset) return false;
    const uint8_t *raw = (const uint8_t *)b.p + p->at.offset;
    if (p->spec.type == VALUE_STRING) {
        struct str text = str_make((const char *)raw, n);
        while (text.n && text.p[text.n - 1] == 0) text.n--;
        put_string(text, r);
        return true;
    }
    uint8_t bit = p->at.bit == MT_NO_BIT ? 0 : (uint8_t)(raw[0] >> p->at.bit & 1);
    value_decode(&p->spec, p->at.bit == MT_NO_BIT ? raw : &bit, &r->s);
    return true;
}

bool mt_value_of(const struct mt_format *f, const struct mt_point *p, const struct mt_record *rec, struct arena *a,
                 struct mt_value *ret)
{
    *ret = (struct mt_value){.s = {.point = p->num}};
    if (f->form == FORM_JSON) {
        const struct json *j = json_path_first(p->at.query, rec->json);
        if (j) put_json(p, j, a, ret);
        return j != NULL;
    }
    if (f->form == FORM_CSV) {
        const struct str *c = cell(rec, &p->at.column);
        if (c) put_text(&p->spec, *c, true, ret);
        return c != NULL;
    }
    if (f->form != FORM_TEXT) return put_bytes(p, rec->bytes, a, ret);
    put_text(&p->spec, rec->bytes, true, ret);
    return true;
}

/* ---- time ---- */

static bool number_time(double v, unsigned unit, int64_t *ret)
{
    static const double factors[] = {0, 1e6, 1e3, 1, 1e-3};
    double m = fabs(v);
    if (unit == UNIT_AUTO) unit = m < 1e11 ? UNIT_S : m < 1e14 ? UNIT_MS : m < 1e17 ? UNIT_US : UNIT_NS;
    if (unit > UNIT_NS || !isfinite(v) || v * factors[unit] > (double)TIME_MAX_US || v < 0) return false;
    *ret = llround(v * factors[unit]);
    return true;
}

static bool digits(struct str s, size_t at, size_t n, int *ret)
{
    *ret = 0;
    for (size_t i = at; i < at + n; i++) {
        if (i >= s.n || s.p[i] < '0' || s.p[i] > '9') return false;
        *ret = *ret * 10 + (s.p[i] - '0');
    }
    return true;
}

/* yyyymmddhhmmss, with milliseconds behind or not. */
static bool compact_time(struct str s, int tz, int64_t *ret)
{
    struct civil c = {0};
    int ms = 0;
    if (s.n != 14 && s.n != 17) return false;
    if (!digits(s, 0, 4, &c.year) || !digits(s, 4, 2, &c.month) || !digits(s, 6, 2, &c.day) ||
        !digits(s, 8, 2, &c.hour) || !digits(s, 10, 2, &c.minute) || !digits(s, 12, 2, &c.second) ||
        (s.n == 17 && !digits(s, 14, 3, &ms)))
        return false;
    if (c.year < 1970 || c.month < 1 || c.month > 12 || c.day < 1 || c.day > 31 || c.hour > 23 || c.minute > 59 ||
        c.second > 59)
        return false;
    c.micro = ms * 1000;
    *ret = civil_to_us(&c) - tz * 60 * TIME_US_PER_S;
    return true;
}

static bool text_time(struct str s, int tz, int64_t *ret)
{
    char z[64];
    bool zoned = false;
    if (s.n < 8 || s.n >= sizeof z) return false;
    memcpy(z, s.p, s.n);
    for (size_t i = 0; i < s.n; i++) {
        if (z[i] == '/') z[i] = '-';
        zoned = zoned || z[i] == 'Z' || z[i] == 'z' || (i > 10 && (z[i] == '+' || z[i] == '-'));
    }
    if (time_parse(str_make(z, s.n), ret, NULL)) return false;
    if (!zoned) *ret -= tz * 60 * TIME_US_PER_S;
    return true;
}

static bool time_of_text(const struct mt_format *f, struct str s, int64_t *ret)
{
    double v;
    s = str_trim(s);
    if (f->unit == UNIT_COMPACT) return compact_time(s, f->tz_minutes, ret);
    if (f->unit != UNIT_TEXT && str_to_double(s, &v) == 0) return number_time(v, f->unit, ret);
    return (f->unit == UNIT_TEXT || f->unit == UNIT_AUTO) && text_time(s, f->tz_minutes, ret);
}

static bool time_of_json(const struct mt_format *f, const struct json *j, int64_t *ret)
{
    char z[32];
    if (j == NULL) return false;
    if (j->type == JSON_STRING) return time_of_text(f, j->s, ret);
    if (j->type != JSON_INT && j->type != JSON_DOUBLE) return false;
    if (j->type == JSON_INT && f->unit == UNIT_COMPACT) {
        snprintf(z, sizeof z, "%lld", (long long)j->i);
        return compact_time(str_of(z), f->tz_minutes, ret);
    }
    return number_time(json_double(j, -1), f->unit, ret);
}

/* A time that is none, more than a day ahead of ours, or of a clock that nobody set, counts as none. */
void mt_time_of(const struct mt_format *f, const struct mt_record *r, int64_t now_us, int64_t *ret_us, bool *ret_source)
{
    int64_t t = 0;
    bool any = false;
    if (f->form == FORM_JSON && f->time) {
        any = time_of_json(f, json_path_first(f->time, r->json), &t);
        if (!any && r->root != r->json) any = time_of_json(f, json_path_first(f->time, r->root), &t);
    } else if (f->form == FORM_CSV) {
        const struct str *c = cell(r, &f->time_column);
        any = c && time_of_text(f, *c, &t);
    }
    *ret_source = any && t > 946684800 * TIME_US_PER_S && t < now_us + 86400 * TIME_US_PER_S;
    *ret_us = *ret_source ? t : now_us;
}

/* ---- quality ---- */

bool mt_listed(struct str words, struct str w)
{
    while (words.p && words.n)
        if (str_ieq(str_trim(str_cut(&words, ',')), w)) return true;
    return false;
}

static struct str word_of(const struct json *j, char z[32])
{
    if (j->type == JSON_STRING) return str_trim(j->s);
    if (j->type == JSON_BOOL) return j->b ? STR("true") : STR("false");
    if (j->type == JSON_INT)
        snprintf(z, 32, "%lld", (long long)j->i);
    else
        snprintf(z, 32, "%g", json_double(j, NAN));
    return str_of(z);
}

void mt_quality_of(const struct mt_format *f, const struct mt_record *r, struct sample *s)
{
    char z[32];
    struct str w = STR_NULL;
    if (f->form == FORM_JSON && f->quality) {
        const struct json *j = json_path_first(f->quality, r->json);
        if (j == NULL && r->root != r->json) j = json_path_first(f->quality, r->root);
        if (j) w = word_of(j, z);
    } else if (f->form == FORM_CSV) {
        const struct str *c = cell(r, &f->quality_column);
        if (c) w = str_trim(*c);
    }
    if (w.p == NULL || s->quality == QUALITY_BAD || mt_listed(f->good, w)) return;
    s->quality = mt_listed(f->uncertain, w) ? QUALITY_UNCERTAIN : QUALITY_BAD;
    s->flags = (uint16_t)((s->flags & ~SAMPLE_REASON_MASK) | REASON_DEVICE_FAILURE);
}

/* ---- commands ---- */

static double raw_number(const struct value_spec *v, const struct sample *s)
{
    double d = s->type == SAMPLE_DOUBLE ? s->v.d : (double)s->v.i;
    return (d - v->offset) / v->scale;
}

static void put_value(struct buf *b, const struct mt_point *p, const struct sample *v, struct str text, bool json)
{
    const struct value_spec *spec = &p->spec;
    struct json_writer w = json_writer(b);
    if (v->type == SAMPLE_STRING && json)
        jw_str(&w, text);
    else if (v->type == SAMPLE_STRING)
        buf_str(b, text);
    else if (v->type == SAMPLE_BOOL && json && spec->type != VALUE_BOOL && spec->type != VALUE_AUTO)
        buf_z(b, v->v.i ? "1" : "0");
    else if (v->type == SAMPLE_BOOL || spec->type == VALUE_BOOL)
        buf_z(b, (v->type == SAMPLE_DOUBLE ? v->v.d != 0 : v->v.i != 0) ? "true" : "false");
    else if (v->type == SAMPLE_INT && plain(spec))
        buf_printf(b, "%lld", (long long)v->v.i);
    else if (is_integer(spec->type))
        buf_printf(b, "%lld", llround(raw_number(spec, v)));
    else
        buf_double(b, raw_number(spec, v));
}

static void put_name(struct buf *b, struct str name, const struct mt_point *p, const struct sample *v, struct str text,
                     int64_t now_us)
{
    char z[TIME_TEXT_MAX];
    if (str_is(name, "time"))
        buf_z(b, time_format(now_us, z));
    else if (str_is(name, "ts"))
        buf_printf(b, "%lld", (long long)(now_us / 1000));
    else
        put_value(b, p, v, text, str_is(name, "json:value"));
}

int mt_command(const struct mt_point *p, const struct sample *v, struct str text, int64_t now_us, struct arena *a,
               struct str *ret, struct error *e)
{
    struct buf b;
    struct str t = p->write_template;
    bool number = v->type != SAMPLE_STRING;
    if (number && p->spec.type == VALUE_STRING)
        return error_set(e, ERR_INVALID, "value", "a text is wanted", "需要文本值");
    if (number && !isfinite(raw_number(&p->spec, v)))
        return error_set(e, ERR_INVALID, "value", "a finite number is wanted", "需要有限的数值");
    if (!number && p->spec.type != VALUE_STRING && p->spec.type != VALUE_AUTO)
        return error_set(e, ERR_INVALID, "value", "a number is wanted, not a text", "需要数值，而非文本");
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < t.n;) {
        struct str rest = str_sub(t, i, t.n), name;
        if (!str_starts(rest, STR("${"))) {
            buf_u8(&b, (uint8_t)t.p[i++]);
            continue;
        }
        rest = str_sub(rest, 2, rest.n);
        name = str_cut(&rest, '}');
        put_name(&b, name, p, v, text, now_us);
        i += name.n + 3;
    }
    *ret = b.err ? STR_NULL : b.n ? arena_str(a, buf_view(&b)) : STR("");
    buf_fini(&b);
    return ret->p ? 0 : error_set(e, ERR_TOO_LARGE, "value", "the value is too long", "值过长");
}
