/* codec_ans.c - entropy coding of small amounts with models that are known beforehand. Pure.
 *
 * What is left of a measured value after prediction is spread like a normal or a Laplace distribution of some width,
 * wherever it comes from. So the models are fixed (codec_ans_table.h: frequencies out of 1024 of up to 32 symbols):
 * no table has to be stored, and 100 values are packed nearly as well as 4000. The coder is tANS (Duda 2009): a state
 * 0..1023 says a symbol, and with a few bits of the stream the state before.
 *
 *   u8 model 0..61: 20 normal and 22 Laplace distributions of signed amounts (zigzag), 10 and 10 of unsigned ones
 *   u8 shift 0..63
 *   varint number of escapes
 *   the low `shift` bits of all amounts, packed least significant bit first, filled up to a whole byte
 *   of each escape: varint ((amount >> shift) - index of the model's last symbol)
 *   bits, least significant first, filled up to a whole byte: state of the even amounts (10), of the odd ones (10);
 *   then for each amount in turn the bits that lead to the next state of its kind.
 * Symbol: amount >> shift; the last symbol of a model says "escape". Both states end at 0.
 *
 * States: the symbols are spread over the 1024 places in steps of 643 (place p, then (p + 643) mod 1024), each as often
 * as its frequency. The j-th place of a symbol with frequency f has number m = f + j; it takes k = 10 - floor(log2 m)
 * bits b and leads to state (m << k) + b - 1024. */
#include "tsdb/codec_ans.h"
#include <math.h>
#include <pthread.h>
#include "tsdb/codec_bits.h"

#define ANS_LOG 10
#define ANS_STATES 1024
#define ANS_STEP 643
#define ANS_SYMBOLS 32
#define ANS_MODELS 62
#define COST_ONE 256 /* of a bit */
#include "tsdb/codec_ans_table.h"

struct ans_entry {
    uint16_t base;
    uint8_t bits, symbol;
};
struct ans_model {
    struct ans_entry decode[ANS_STATES];
    uint16_t encode[ANS_STATES]; /* state of a symbol's j-th place, symbols one after the other */
    uint16_t start[ANS_SYMBOLS]; /* of the symbol in `encode` */
    uint32_t cost[ANS_SYMBOLS];  /* a bit is COST_ONE */
    unsigned escape;             /* the last symbol */
};
static struct ans_model models[ANS_MODELS];
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_bmi2; /* set by models_init */

/* Distributions of one shape, from narrow to wide. */
static const struct family {
    unsigned first, count;
    bool shifted; /* for shift >= 1, else for 0 */
} families[] = {{0, 20, false}, {20, 22, false}, {42, 10, true}, {52, 10, true}};
#define FAMILIES 4

static unsigned log2_of(unsigned x)
{
    return 31 - (unsigned)__builtin_clz(x);
}

static void model_init(struct ans_model *m, const uint16_t *f)
{
    uint8_t symbol_at[ANS_STATES];
    uint16_t seen[ANS_SYMBOLS] = {0}, sum = 0;
    unsigned place = 0;
    for (unsigned s = 0; s < ANS_SYMBOLS; s++) {
        if (f[s]) m->escape = s;
        m->start[s] = sum;
        m->cost[s] = f[s] ? (uint32_t)lround(COST_ONE * log2((double)ANS_STATES / f[s])) : 0;
        for (unsigned j = 0; j < f[s]; j++, place = (place + ANS_STEP) % ANS_STATES) symbol_at[place] = (uint8_t)s;
        sum = (uint16_t)(sum + f[s]);
    }
    for (unsigned x = 0; x < ANS_STATES; x++) {
        unsigned s = symbol_at[x], number = f[s] + seen[s], bits = ANS_LOG - log2_of(number);
        m->encode[m->start[s] + seen[s]++] = (uint16_t)x;
        m->decode[x] = (struct ans_entry){(uint16_t)((number << bits) - ANS_STATES), (uint8_t)bits, (uint8_t)s};
    }
}

static void models_init(void)
{
    for (unsigned i = 0; i < ANS_MODELS; i++) model_init(&models[i], ans_frequency[i]);
#if defined(__x86_64__)
    __builtin_cpu_init();
    has_bmi2 = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#endif
}

/* ---- choosing ---- */
struct histogram {
    uint32_t n[ANS_SYMBOLS + 1]; /* the last one: all above */
    uint64_t above;              /* bytes that escapes from there take */
};

static size_t varint_size(uint64_t v)
{
    return v ? (size_t)(63 - __builtin_clzll(v)) / 7 + 1 : 1;
}

static void count_symbols(const uint64_t *u, size_t n, unsigned shift, struct histogram *h)
{
    *h = (struct histogram){0};
    for (size_t i = 0; i < n; i++) {
        uint64_t x = u[i] >> shift;
        h->n[x < ANS_SYMBOLS ? x : ANS_SYMBOLS]++;
        if (x >= ANS_SYMBOLS) h->above += varint_size(x);
    }
}

/* Bits of all symbols with this model, in COST_ONE; *ret_escapes of them. */
static uint64_t cost_of(const struct ans_model *m, const struct histogram *h, size_t *ret_escapes)
{
    uint64_t cost = h->above * 8 * COST_ONE;
    size_t escapes = h->n[ANS_SYMBOLS];
    for (unsigned s = 0; s < m->escape; s++) cost += (uint64_t)h->n[s] * m->cost[s];
    for (unsigned s = m->escape; s < ANS_SYMBOLS; s++) {
        escapes += h->n[s];
        cost += (uint64_t)h->n[s] * 8 * COST_ONE;
    }
    *ret_escapes = escapes;
    return cost + (uint64_t)escapes * m->cost[m->escape];
}

struct best {
    struct ans_plan plan;
    uint64_t cost;
};

static uint64_t try_model(struct best *b, unsigned model, unsigned shift, const struct histogram *h, uint64_t raw)
{
    struct ans_plan p = {.model = model, .shift = shift};
    uint64_t cost = cost_of(&models[model], h, &p.escapes) + raw;
    if (cost < b->cost) *b = (struct best){p, cost};
    return cost;
}

/* The cost has one dip along a family: big steps, then small ones. */
static void try_family(struct best *b, const struct family *f, unsigned shift, const struct histogram *h, uint64_t raw)
{
    unsigned at = 0;
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < f->count; i += 4) {
        uint64_t c = try_model(b, f->first + i, shift, h, raw);
        if (c < least) least = c, at = i;
    }
    for (unsigned d = 2; d > 0; d /= 2) {
        unsigned middle = at;
        for (int side = -1; side <= 1; side += 2) {
            unsigned i = middle + (unsigned)side * d;
            if (i >= f->count) continue;
            uint64_t c = try_model(b, f->first + i, shift, h, raw);
            if (c < least) least = c, at = i;
        }
    }
}

static void try_shift(struct best *b, const uint64_t *u, size_t n, unsigned shift)
{
    struct histogram h;
    count_symbols(u, n, shift, &h);
    for (unsigned i = 0; i < FAMILIES; i++)
        if (families[i].shifted == (shift > 0)) try_family(b, &families[i], shift, &h, (uint64_t)n * shift * COST_ONE);
}

/* Shift at which the amounts in the middle come out near 4..8: a few of them, sorted by bits. */
static unsigned guess_shift(const uint64_t *u, size_t n)
{
    size_t by_bits[65] = {0}, step = n / 64 + 1, count = 0;
    for (size_t i = 0; i < n; i += step, count++) by_bits[u[i] ? 64 - __builtin_clzll(u[i]) : 0]++;
    unsigned bits = 0;
    for (size_t seen = by_bits[0]; seen <= count / 2 && bits < 64; seen += by_bits[bits]) bits++;
    return bits > 3 ? bits - 3 : 0;
}

size_t ans_choose(const uint64_t *u, size_t n, struct ans_plan *ret)
{
    struct best b = {.cost = UINT64_MAX};
    unsigned shift = guess_shift(u, n);
    pthread_once(&once, models_init);
    try_shift(&b, u, n, shift);
    if (shift) try_shift(&b, u, n, shift - 1);
    *ret = b.plan;
    return 3 + varint_size(b.plan.escapes) + (size_t)(b.cost / COST_ONE + 20 + 7) / 8;
}

/* ---- encoding ---- */
struct bit_out {
    uint8_t *o;
    uint64_t acc;
    unsigned have;
};

static void put_bits(struct bit_out *w, uint64_t x, unsigned n) /* n <= 32 */
{
    w->acc |= x << w->have;
    w->have += n;
    if (w->have < 32) return;
    w->o = put_u32(w->o, (uint32_t)w->acc);
    w->acc >>= 32;
    w->have -= 32;
}

static uint8_t *end_bits(struct bit_out *w)
{
    for (; w->have > 0; w->have = w->have > 8 ? w->have - 8 : 0) *w->o++ = (uint8_t)w->acc, w->acc >>= 8;
    return w->o;
}

static uint8_t *put_low(uint8_t *o, const uint64_t *u, size_t n, unsigned shift)
{
    struct bit_out w = {.o = o};
    uint64_t mask = (UINT64_C(1) << shift) - 1;
    for (size_t i = 0; shift && i < n; i++) {
        uint64_t x = u[i] & mask;
        put_bits(&w, x & 0xffffffff, shift < 32 ? shift : 32);
        if (shift > 32) put_bits(&w, x >> 32, shift - 32);
    }
    return end_bits(&w);
}

static uint8_t *put_symbols(uint8_t *o, const uint64_t *u, size_t n, const struct ans_plan *p, uint16_t *scratch)
{
    const struct ans_model *m = &models[p->model];
    const uint16_t *f = ans_frequency[p->model];
    uint32_t state[2] = {ANS_STATES, ANS_STATES};
    for (size_t i = n; i-- > 0;) { /* backwards, so that reading goes forwards */
        uint64_t x = u[i] >> p->shift;
        unsigned s = x < m->escape ? (unsigned)x : m->escape;
        uint32_t *st = &state[i & 1];
        unsigned bits = ANS_LOG - log2_of(f[s]);
        bits -= *st >> bits < f[s];
        scratch[i] = (uint16_t)(bits << ANS_LOG | (*st & ((1u << bits) - 1)));
        *st = ANS_STATES + m->encode[m->start[s] + (*st >> bits) - f[s]];
    }
    struct bit_out w = {.o = o};
    put_bits(&w, state[0] - ANS_STATES, ANS_LOG);
    put_bits(&w, state[1] - ANS_STATES, ANS_LOG);
    for (size_t i = 0; i < n; i++) put_bits(&w, scratch[i] & (ANS_STATES - 1), scratch[i] >> ANS_LOG);
    return end_bits(&w);
}

uint8_t *ans_encode(uint8_t *o, const uint64_t *u, size_t n, const struct ans_plan *p, uint16_t *scratch)
{
    unsigned escape = models[p->model].escape;
    *o++ = (uint8_t)p->model;
    *o++ = (uint8_t)p->shift;
    o = put_varint(o, p->escapes);
    o = put_low(o, u, n, p->shift);
    for (size_t i = 0, left = p->escapes; left > 0 && i < n; i++)
        if (u[i] >> p->shift >= escape) o = put_varint(o, (u[i] >> p->shift) - escape), left--;
    return put_symbols(o, u, n, p, scratch);
}

/* ---- decoding ---- */
struct bit_in {
    const uint8_t *p, *end;
    uint64_t at; /* bit */
};

/* At least 57 bits from w->at on; zeros behind the end. */
static inline uint64_t look(const struct bit_in *w)
{
    const uint8_t *q = w->p + (w->at >> 3);
    uint64_t v = 0;
    if (w->end - q >= 8)
        v = load_u64(q);
    else
        for (int i = 0; q + i < w->end; i++) v |= (uint64_t)q[i] << (8 * i);
    return v >> (w->at & 7);
}

static inline __attribute__((always_inline)) unsigned step(const struct ans_entry *d, unsigned *state, uint64_t *w)
{
    struct ans_entry e = d[*state];
    *state = e.base + (unsigned)(*w & ((UINT64_C(1) << e.bits) - 1));
    *w >>= e.bits;
    return e.symbol | (unsigned)e.bits << 8;
}

/* Symbols into u. */
static inline __attribute__((always_inline)) void symbols_with(struct in *in, const struct ans_entry *d, uint64_t *u,
                                                               size_t n)
{
    struct bit_in r = {in->p, in->end, 2 * ANS_LOG};
    uint64_t w = look(&(struct bit_in){in->p, in->end, 0}), most = (uint64_t)in_left(in) * 8;
    unsigned a = (unsigned)w & (ANS_STATES - 1), b = (unsigned)(w >> ANS_LOG) & (ANS_STATES - 1);
    size_t i = 0;
    for (; i + 4 <= n && r.at + 64 <= most; i += 4) { /* eight bytes can be read, four steps take at most 40 bits */
        w = load_u64(r.p + (r.at >> 3)) >> (r.at & 7);
        unsigned s0 = step(d, &a, &w), s1 = step(d, &b, &w), s2 = step(d, &a, &w), s3 = step(d, &b, &w);
        u[i] = s0 & 0xff, u[i + 1] = s1 & 0xff, u[i + 2] = s2 & 0xff, u[i + 3] = s3 & 0xff;
        r.at += (s0 >> 8) + (s1 >> 8) + (s2 >> 8) + (s3 >> 8);
    }
    for (; i < n && r.at <= most; i++) {
        w = look(&r);
        unsigned s = step(d, i & 1 ? &b : &a, &w);
        u[i] = s & 0xff;
        r.at += s >> 8;
    }
    if (r.at > most || a || b)
        in->bad = true;
    else
        in->p += (r.at + 7) / 8;
}

static void symbols_plain(struct in *in, const struct ans_entry *d, uint64_t *u, size_t n)
{
    symbols_with(in, d, u, n);
}

#if defined(__x86_64__) /* the same with shifts by any register, which the loop is made of */
__attribute__((target("bmi,bmi2"))) static void symbols_bmi2(struct in *in, const struct ans_entry *d, uint64_t *u,
                                                             size_t n)
{
    symbols_with(in, d, u, n);
}

static void get_symbols(struct in *in, const struct ans_model *m, uint64_t *u, size_t n)
{
    if (has_bmi2)
        symbols_bmi2(in, m->decode, u, n);
    else
        symbols_plain(in, m->decode, u, n);
}
#else
static void get_symbols(struct in *in, const struct ans_model *m, uint64_t *u, size_t n)
{
    symbols_plain(in, m->decode, u, n);
}
#endif

static void add_escapes(struct in *list, uint64_t *u, size_t n, unsigned escape, size_t escapes)
{
    for (size_t i = 0; i < n; i++) {
        if (u[i] != escape) continue;
        if (escapes-- == 0) list->bad = true;
        u[i] += in_varint(list);
        if (list->bad) return;
    }
    if (escapes) list->bad = true;
}

#define SLICE 128 /* amounts whose low bits end at a whole byte, whatever the shift */

static void join_low(const uint8_t *low, const uint8_t *end, uint64_t *u, size_t n, unsigned shift)
{
    uint64_t part[SLICE];
    for (size_t i = 0; i < n; i += SLICE, low += SLICE / 8 * shift) {
        size_t k = n - i < SLICE ? n - i : SLICE;
        bits_unpack(low, end, part, k, shift, 0);
        for (size_t j = 0; j < k; j++) u[i + j] = u[i + j] << shift | part[j];
    }
}

void ans_decode(struct in *in, uint64_t *u, size_t n)
{
    unsigned model = in_u8(in), shift = in_u8(in);
    size_t escapes = in_count(in, n);
    if (model >= ANS_MODELS || shift > 63) in->bad = true;
    if (in->bad) return;
    const uint8_t *low = in_take(in, ((uint64_t)n * shift + 7) / 8);
    struct in list = *in;
    for (size_t i = 0; i < escapes; i++) (void)in_varint(in);
    if (!low || in->bad) {
        in->bad = true;
        return;
    }
    pthread_once(&once, models_init);
    get_symbols(in, &models[model], u, n);
    if (in->bad) return;
    if (escapes) add_escapes(&list, u, n, models[model].escape, escapes);
    in->bad |= list.bad;
    if (shift && !in->bad) join_low(low, in->end, u, n, shift);
}
