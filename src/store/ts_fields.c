/* ts_fields.c - what the dialects of remote time-series engines share: a sample as fields, times in other units, words
 * of a refusal. Pure. */
#include <math.h>
#include "store/ts_dialect.h"

const struct ts_dialect *const ts_dialects[] = {&ts_influxdb, &ts_victoriametrics, &ts_tdengine,
                                                &ts_iotdb,    &ts_clickhouse,      NULL};

/* NaN, infinities and -0 do not survive in decimal text. */
static bool plain_double(double d)
{
    return isfinite(d) && !(d == 0 && signbit(d));
}

void ts_fields_of(const struct ts_row *row, struct ts_fields *ret)
{
    const struct sample *s = &row->s;
    *ret = (struct ts_fields){.t = s->type, .q = s->quality, .f = s->flags};
    switch (s->type) {
    case SAMPLE_DOUBLE:
        ret->has_d = plain_double(s->v.d);
        ret->has_i = !ret->has_d;
        if (ret->has_d)
            ret->d = s->v.d;
        else
            ret->t = TS_TYPE_BITS, ret->i = s->v.i;
        break;
    case SAMPLE_INT:
    case SAMPLE_BOOL:
        ret->has_i = true;
        ret->i = s->v.i;
        break;
    case SAMPLE_STRING: ret->s = row->text.p ? row->text : STR(""); break;
    default: break;
    }
}

static bool value_of(const struct ts_fields *f, struct ts_row *r)
{
    r->s.type = (uint8_t)(f->t == TS_TYPE_BITS ? SAMPLE_DOUBLE : f->t);
    switch (f->t) {
    case SAMPLE_NONE: return true;
    case SAMPLE_DOUBLE: r->s.v.d = f->d; return f->has_d;
    case SAMPLE_STRING: r->text = f->s; return f->s.p != NULL;
    case SAMPLE_BOOL: r->s.v.i = f->i != 0; return f->has_i;
    case SAMPLE_INT:
    case TS_TYPE_BITS: r->s.v.i = f->i; return f->has_i;
    default: return false;
    }
}

int ts_fields_row(const struct ts_fields *f, uint32_t point, int64_t time_us, struct ts_row *ret)
{
    struct ts_row r = {.s = {.time_us = time_us, .point = point}};
    if (f->q < 0 || f->q > QUALITY_BAD || f->f < 0 || f->f > UINT16_MAX || !value_of(f, &r)) return ERR_PROTOCOL;
    r.s.quality = (uint8_t)f->q;
    r.s.flags = (uint16_t)f->f;
    *ret = r;
    return 0;
}

static bool is_number(const struct json *v)
{
    return v && (v->type == JSON_INT || v->type == JSON_DOUBLE);
}

void ts_fields_json(const struct json *const cell[6], struct ts_fields *ret)
{
    *ret = (struct ts_fields){.t = json_i64(cell[0], -1),
                              .q = json_i64(cell[1], -1),
                              .f = json_i64(cell[2], -1),
                              .d = json_double(cell[3], 0),
                              .i = json_i64(cell[4], 0),
                              .has_d = is_number(cell[3]),
                              .has_i = cell[4] && cell[4]->type == JSON_INT};
    if (cell[5] && cell[5]->type == JSON_STRING) ret->s = cell[5]->s.p ? cell[5]->s : STR("");
}

const char *ts_code(const struct ts_target *t, uint32_t point, char out[TS_REMOTE_NAME_MAX])
{
    if (!t->name || !t->name(t->name_ctx, point, out, TS_REMOTE_NAME_MAX)) out[0] = 0;
    return out;
}

size_t ts_same_point(const struct ts_row *rows, size_t n)
{
    size_t k = 1;
    while (k < n && rows[k].s.point == rows[0].s.point) k++;
    return k;
}

int64_t ts_floor(int64_t us, int64_t unit)
{
    int64_t q = us / unit;
    return us % unit < 0 ? q - 1 : q;
}

int64_t ts_ceil(int64_t us, int64_t unit)
{
    int64_t q = us / unit;
    return us % unit > 0 ? q + 1 : q;
}

int ts_verdict_http(int status)
{
    static const struct {
        int status, code;
    } known[] = {{400, ERR_INVALID},   {401, ERR_UNAUTHENTICATED}, {403, ERR_FORBIDDEN},
                 {404, ERR_NOT_FOUND}, {413, ERR_TOO_LARGE},       {422, ERR_INVALID}};
    if (status >= 200 && status <= 299) return 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status) return known[i].code;
    return ERR_UNAVAILABLE;
}

void ts_why(struct str text, char *why, size_t cap)
{
    size_t n = 0;
    text = str_trim(text);
    for (size_t i = 0; i < text.n && n + 1 < cap; i++) {
        unsigned char c = (unsigned char)text.p[i];
        why[n++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
    }
    while (n > 0 && n + 1 >= cap && ((unsigned char)why[n - 1] & 0xc0) == 0x80) n--; /* no half characters */
    if (n > 0 && n + 1 >= cap && (unsigned char)why[n - 1] >= 0xc0) n--;
    why[n] = 0;
}

void ts_why_json(struct str body, const char *key, char *why, size_t cap)
{
    AUTO_ARENA a;
    struct json *v;
    arena_init(&a, 1 << 20);
    if (body.n < 65536 && json_parse(&a, body, &v, NULL) == 0) body = json_str(json_get(v, key), body);
    ts_why(body, why, cap);
}
