/* wire.c - how values stand in Modbus registers: data type, scale, byte order, address.
 *
 * Each class of equipment follows one maker's habits (data/equipment.csv): floats in one of the four
 * byte orders, or scaled 16-bit integers; states as coils, discrete inputs or bits of a status word.
 * Every piece of equipment starts at its own round address, so gaps between blocks are as usual as in
 * a plant. Pure. */
#include "sim/tags_int.h"
#include <math.h>
#include <stdio.h>

static const struct {
    const char *name;
    uint8_t wire, words;
} wires[] = {
    {"f32", WIRE_F32, 2}, {"f64", WIRE_F64, 4}, {"i16", WIRE_I16, 1},   {"u16", WIRE_U16, 1},
    {"i32", WIRE_I32, 2}, {"u32", WIRE_U32, 2}, {"str16", WIRE_STR, 8},
};

static double decade(double x)
{
    return pow(10, floor(log10(x) + 1e-9));
}

/* What the instrument can show: by unit where the field has a habit, else from its noise. */
double sim_resolution(const struct sim_tag *t)
{
    static const struct {
        const char *unit;
        double step;
    } habits[] = {{"degC", 0.1}, {"kW", 1}, {"A", 1}, {"rpm", 1}, {"t/h", 0.1}, {"K", 0.05}};
    if (t->type == SIM_DI || t->type == SIM_ENUM || t->type == SIM_STR) return 1;
    if (t->type == SIM_TOT) return t->wire == WIRE_U32 ? 1 : 0.01;
    for (size_t i = 0; i < sizeof habits / sizeof *habits; i++)
        if (str_is(t->unit, habits[i].unit)) return habits[i].step;
    if (t->noise > 0) return decade(t->noise / 6);
    return decade((t->hi - t->lo) / 20000);
}

/* The finest power of ten, not finer than the resolution, that fits the range into 16 bits. */
static double scale16(const struct sim_tag *t)
{
    double span = fmax(fabs(t->lo), fabs(t->hi)), scale = decade(t->resolution);
    while (span / scale > 32000) scale *= 10;
    return scale;
}

static void choose_wire(struct sim_tag *t, struct str want, const struct sim_layout *l)
{
    struct str name = want.n ? want : l->number;
    if (t->type == SIM_ENUM) name = STR("u16");
    t->wire = WIRE_F32, t->words = 2;
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++)
        if (str_is(name, wires[i].name)) t->wire = wires[i].wire, t->words = wires[i].words;
    if (t->type == SIM_DI) t->wire = WIRE_BOOL, t->words = 0;
    t->resolution = sim_resolution(t);
    t->scale = 1;
    if (t->wire == WIRE_I16) t->scale = scale16(t);
    if (t->wire == WIRE_I32) t->scale = t->resolution;
    if (t->wire == WIRE_I16 || t->wire == WIRE_I32) t->resolution = fmax(t->resolution, t->scale);
}

static void address_text(struct sim_tag *t)
{
    static const char digit[TABLE_COUNT] = {'0', '1', '3', '4'};
    int n = snprintf(t->text, sizeof t->text, "%c%05u", digit[t->table], t->address + 1u);
    if (t->bit >= 0) snprintf(t->text + n, sizeof t->text - (size_t)n, ".%u", t->bit & 7u);
}

/* Bits share status words at the start of the block; coils and discrete inputs have their own tables. */
static void place_bool(struct sim_tag *t, struct sim_device *d, const struct sim_layout *l, int *word, int *bit)
{
    if (!str_is(l->boolean, "bit")) {
        t->table = str_is(l->boolean, "0") ? TABLE_COIL : TABLE_DISCRETE;
        t->address = d->used[t->table]++;
        return;
    }
    t->table = str_is(l->table, "3") ? TABLE_INPUT : TABLE_HOLDING;
    if (*word < 0 || *bit > 7) *word = d->used[t->table]++, *bit = 0;
    t->address = (uint16_t)*word, t->bit = (int8_t)(*bit)++;
}

static void place_words(struct sim_tag *t, struct sim_device *d, const struct sim_layout *l)
{
    t->table = str_is(l->table, "3") && !t->writable ? TABLE_INPUT : TABLE_HOLDING;
    t->address = d->used[t->table];
    d->used[t->table] = (uint16_t)(t->address + t->words);
}

static void align(struct sim_device *d, unsigned step)
{
    for (int i = TABLE_INPUT; i <= TABLE_HOLDING; i++)
        if (d->used[i]) d->used[i] = (uint16_t)((d->used[i] + step - 1) / step * step);
}

void sim_layout_equip(struct sim_plan *p, struct sim_device *d, const struct sim_equip *q, const struct sim_layout *l,
                      const struct str *wants)
{
    int word = -1, bit = 0;
    align(d, q->ntags > 4 ? 20 : 4);
    for (size_t i = 0; i < q->ntags; i++) {
        struct sim_tag *t = &p->tags[q->first + i];
        t->bit = -1;
        str_to_cstr(l->order, t->order, sizeof t->order);
        choose_wire(t, wants[i], l);
        if (t->wire == WIRE_BOOL)
            place_bool(t, d, l, &word, &bit);
        else
            place_words(t, d, l);
        address_text(t);
    }
}

/* `bytes` big-endian in n registers -> the order of the tag: word swap and byte swap. */
static void to_words(const struct sim_tag *t, uint64_t raw, uint16_t *out)
{
    bool swap_words = t->order[0] == 'C' || t->order[0] == 'D';
    bool swap_bytes = t->order[0] == 'B' || t->order[0] == 'D';
    for (int i = 0; i < t->words; i++) {
        int shift = 16 * (swap_words ? i : t->words - 1 - i);
        uint16_t w = (uint16_t)(raw >> shift);
        out[i] = swap_bytes && t->words > 1 ? (uint16_t)(w << 8 | w >> 8) : w;
    }
}

static uint64_t from_words(const struct sim_tag *t, const uint16_t *in)
{
    bool swap_words = t->order[0] == 'C' || t->order[0] == 'D';
    bool swap_bytes = t->order[0] == 'B' || t->order[0] == 'D';
    uint64_t raw = 0;
    for (int i = 0; i < t->words; i++) {
        int shift = 16 * (swap_words ? i : t->words - 1 - i);
        uint16_t w = swap_bytes && t->words > 1 ? (uint16_t)(in[i] << 8 | in[i] >> 8) : in[i];
        raw |= (uint64_t)w << shift;
    }
    return raw;
}

static void text_words(const struct sim_tag *t, const char *text, uint16_t *out)
{
    size_t n = text ? strlen(text) : 0;
    for (size_t i = 0; i < t->words; i++) {
        uint8_t a = 2 * i < n ? (uint8_t)text[2 * i] : 0, b = 2 * i + 1 < n ? (uint8_t)text[2 * i + 1] : 0;
        out[i] = (uint16_t)(a << 8 | b);
    }
}

static uint64_t raw_of(const struct sim_tag *t, double value)
{
    union {
        float f;
        uint32_t u;
    } f = {.f = (float)value};
    union {
        double d;
        uint64_t u;
    } d = {.d = value};
    if (t->wire == WIRE_F32) return f.u;
    if (t->wire == WIRE_F64) return d.u;
    if (t->wire == WIRE_U32) return (uint32_t)(uint64_t)fmax(0, value / t->scale + 0.5);
    return (uint64_t)llround(value / t->scale);
}

void sim_encode(const struct sim_tag *t, double value, const char *text, uint16_t *out)
{
    if (t->wire == WIRE_STR)
        text_words(t, text, out);
    else
        to_words(t, raw_of(t, value), out);
}

double sim_decode(const struct sim_tag *t, const uint16_t *in)
{
    uint64_t raw = t->wire == WIRE_STR ? 0 : from_words(t, in);
    union {
        uint32_t u;
        float f;
    } f = {.u = (uint32_t)raw};
    union {
        uint64_t u;
        double d;
    } d = {.u = raw};
    switch ((enum sim_wire)t->wire) {
    case WIRE_F32: return (double)f.f;
    case WIRE_F64: return d.d;
    case WIRE_I16: return (int16_t)raw * t->scale;
    case WIRE_I32: return (int32_t)raw * t->scale;
    default: return (double)raw * t->scale;
    }
}
