/* map.c - registers and coils, and the points behind them. Pure. */
#include "outlets/modbus/modbus_out.h"
#include <limits.h>
#include "base/utf8.h"
#include "model/sample.h"

static int by_place(const void *a, const void *b)
{
    const struct mo_point *x = a, *y = b;
    if (x->unit != y->unit) return x->unit < y->unit ? -1 : 1;
    if (x->bits != y->bits) return x->bits - y->bits;
    if (x->at != y->at) return x->at < y->at ? -1 : 1;
    if (x->bit != y->bit) return x->bit < y->bit ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static bool over(const struct mo_point *a, const struct mo_point *b)
{
    if (a->unit != b->unit || a->bits != b->bits || a->at + a->count <= b->at) return false;
    return a->bits || a->bit < 0 || b->bit < 0 || a->bit == b->bit;
}

void mo_map_settle(struct mo_map *m, const struct outlet_point *points, size_t *ret_over, struct error *e)
{
    size_t n = 0;
    *ret_over = 0;
    if (m->n) qsort(m->at, m->n, sizeof *m->at, by_place);
    for (size_t i = 0; i < m->n; i++) {
        if (n && over(&m->at[n - 1], &m->at[i])) {
            if ((*ret_over)++ == 0)
                error_set(e, ERR_EXISTS, "address", "%.80s at %.40s lies over %.80s; it is left out",
                          "%.80s（%.40s）与 %.80s 地址重叠，未转发", points[m->at[i].slot].code,
                          points[m->at[i].slot].address, points[m->at[n - 1].slot].code);
            continue;
        }
        m->at[n++] = m->at[i];
    }
    m->n = n;
}

void mo_map_fini(struct mo_map *m)
{
    mem_free(m->at);
    *m = (struct mo_map){0};
}

static bool before(const struct mo_point *p, uint8_t unit, bool bits, unsigned at)
{
    if (p->unit != unit) return p->unit < unit;
    if (p->bits != bits) return p->bits < bits;
    return (unsigned)p->at + p->count <= at;
}

bool mo_map_find(const struct mo_map *m, uint8_t unit, bool bits, unsigned at, unsigned count, size_t *ret_first,
                 size_t *ret_end)
{
    size_t lo = 0, hi = m->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (before(&m->at[mid], unit, bits, at))
            lo = mid + 1;
        else
            hi = mid;
    }
    *ret_first = lo;
    while (lo < m->n && m->at[lo].unit == unit && m->at[lo].bits == bits && m->at[lo].at < at + count) lo++;
    *ret_end = lo;
    return lo > *ret_first;
}

bool mo_map_unit(const struct mo_map *m, uint8_t unit)
{
    size_t a, b;
    return mo_map_find(m, unit, false, 0, 65536, &a, &b) || mo_map_find(m, unit, true, 0, 65536, &a, &b);
}

/* ---- values ---- */

/* Where character i of a text stands among the bytes of its registers. */
static size_t text_place(const struct mo_point *p, size_t i)
{
    switch (p->text) {
    case MODBUS_TEXT_L: return i ^ 1;
    case MODBUS_TEXT_D: return 2 * i + 1;
    case MODBUS_TEXT_E: return 2 * i;
    default: return i;
    }
}

static void put_bytes(const uint8_t *raw, unsigned count, uint16_t *regs)
{
    for (unsigned i = 0; i < count; i++) regs[i] = (uint16_t)(raw[2 * i] << 8 | raw[2 * i + 1]);
}

static void put_text(const struct mo_point *p, const char *text, size_t n, uint16_t *regs)
{
    uint8_t raw[512] = {0};
    for (size_t i = 0; i < p->length && i < n; i++) raw[text_place(p, i)] = (uint8_t)text[i];
    put_bytes(raw, p->count, regs);
}

/* What says "there is no value": NaN; the lowest number of signed types, the highest of the others. */
static struct sample mark(enum value_type t)
{
    struct sample s = {.type = SAMPLE_INT};
    switch (t) {
    case VALUE_INT8: s.v.i = INT8_MIN; break;
    case VALUE_UINT8: s.v.i = UINT8_MAX; break;
    case VALUE_INT16: s.v.i = INT16_MIN; break;
    case VALUE_UINT16: s.v.i = UINT16_MAX; break;
    case VALUE_INT32: s.v.i = INT32_MIN; break;
    case VALUE_UINT32: s.v.i = UINT32_MAX; break;
    case VALUE_INT64: s.v.i = INT64_MIN; break;
    case VALUE_BCD16: s.v.i = 9999; break;
    case VALUE_BCD32: s.v.i = 99999999; break;
    default: break;
    }
    return s;
}

/* One byte stands in the low half of its register; with swapped bytes in the high one. */
static uint16_t half(const struct mo_point *p, uint8_t byte)
{
    return (uint16_t)(p->spec.order & ORDER_BYTES ? byte << 8 : byte);
}

static void put_mark(const struct mo_point *p, uint16_t *regs)
{
    uint8_t raw[8] = {0};
    struct sample s = mark(p->type);
    memset(regs, 0, p->count * sizeof *regs);
    if (p->type == VALUE_FLOAT || p->type == VALUE_DOUBLE) {
        static const uint8_t nan[8] = {0x7f, 0xc0}, nan64[8] = {0x7f, 0xf8};
        put_bytes(p->type == VALUE_FLOAT ? nan : nan64, p->count, regs);
        if (p->spec.order & ORDER_WORDS)
            for (unsigned i = 0; i < p->count / 2; i++) {
                uint16_t t = regs[i];
                regs[i] = regs[p->count - 1 - i];
                regs[p->count - 1 - i] = t;
            }
        if (p->spec.order & ORDER_BYTES)
            for (unsigned i = 0; i < p->count; i++) regs[i] = (uint16_t)(regs[i] << 8 | regs[i] >> 8);
    } else if (p->type == VALUE_UINT64) {
        memset(regs, 0xff, p->count * sizeof *regs);
    } else if (p->type != VALUE_STRING && value_encode(&p->spec, &s, raw, NULL) == 0) {
        if (value_type_bytes(p->type) == 1)
            regs[0] = half(p, raw[0]);
        else
            put_bytes(raw, p->count, regs);
    }
}

bool mo_value_put(const struct mo_point *p, const struct sample *s, const char *text, size_t n, enum mo_bad bad,
                  uint16_t *regs)
{
    uint8_t raw[8] = {0};
    bool usable = s->time_us != 0 && s->type != SAMPLE_NONE && (s->quality != QUALITY_BAD || bad == MO_BAD_LAST);
    if (p->type == VALUE_BOOL) {
        double v = sample_number(s);
        regs[0] = usable && isfinite(v) && v != 0;
        return usable || bad != MO_BAD_EXCEPTION;
    }
    if (p->type == VALUE_STRING) {
        put_text(p, text, usable ? n : 0, regs);
        return usable || bad != MO_BAD_EXCEPTION;
    }
    if (usable && value_encode(&p->spec, s, raw, NULL) == 0) {
        if (value_type_bytes(p->type) == 1) {
            regs[0] = half(p, raw[0]);
            return true;
        }
        put_bytes(raw, p->count, regs);
        return true;
    }
    put_mark(p, regs);
    return bad != MO_BAD_EXCEPTION;
}

bool mo_value_take(const struct mo_point *p, const uint16_t *regs, struct sample *ret, char text[257], size_t *ret_n)
{
    uint8_t raw[512];
    *ret = (struct sample){.type = SAMPLE_BOOL};
    *ret_n = 0;
    if (p->type == VALUE_BOOL) {
        ret->v.i = p->bit >= 0 ? regs[0] >> p->bit & 1 : regs[0] != 0;
        return true;
    }
    for (unsigned i = 0; i < p->count; i++) {
        raw[2 * i] = (uint8_t)(regs[i] >> 8);
        raw[2 * i + 1] = (uint8_t)regs[i];
    }
    if (p->type == VALUE_STRING) {
        ret->type = SAMPLE_STRING;
        for (size_t i = 0; i < p->length && raw[text_place(p, i)]; i++) text[(*ret_n)++] = (char)raw[text_place(p, i)];
        text[*ret_n] = '\0';
        return utf8_check(str_make(text, *ret_n)) == *ret_n;
    }
    if (value_type_bytes(p->type) == 1) { /* the other byte says nothing else */
        bool high = p->spec.order & ORDER_BYTES;
        uint8_t byte = (uint8_t)(high ? regs[0] >> 8 : regs[0]), rest = (uint8_t)(high ? regs[0] : regs[0] >> 8);
        if (rest != 0 && !(p->type == VALUE_INT8 && byte & 0x80 && rest == 0xff)) return false;
        raw[0] = byte;
    }
    value_decode(&p->spec, raw, ret);
    return ret->quality != QUALITY_BAD;
}
