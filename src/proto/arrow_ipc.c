/* arrow_ipc.c - see arrow_ipc.h.
 *
 * A stream is a row of encapsulated messages (Arrow Columnar Format, "Encapsulated message format"):
 *
 *   u32 0xffffffff   i32 length of the metadata with its padding   metadata   zeros up to 8 bytes   body
 *   the end: u32 0xffffffff u32 0
 *
 * Order: Schema, DictionaryBatch of each dictionary, RecordBatch*, end. The metadata is a FlatBuffer with the table
 * Message as root. Slots of the tables as they are numbered in Schema.fbs and Message.fbs:
 *
 *   Message          0 version i16 (4: V5)  1 header type u8 (1 Schema, 2 DictionaryBatch, 3 RecordBatch)  2 header
 *                    3 bodyLength i64
 *   Schema           0 endianness i16 (0 little)  1 fields [Field]
 *   Field            0 name  1 nullable bool  2 type type u8  3 type  4 dictionary  5 children [Field]
 *   Int              0 bitWidth i32  1 is_signed bool            (type 2)
 *   FloatingPoint    0 precision i16 (2: double)                 (type 3)
 *   Utf8             no slots                                    (type 5)
 *   Timestamp        0 unit i16 (2: microseconds)  1 timezone    (type 10)
 *   DictionaryEncoding  0 id i64  1 indexType Int
 *   RecordBatch      0 length i64  1 nodes [FieldNode]  2 buffers [Buffer]
 *   DictionaryBatch  0 id i64  1 data RecordBatch
 *   FieldNode        struct: i64 length, i64 null count     Buffer  struct: i64 offset, i64 length
 *
 * FlatBuffers: everything little-endian; offsets are u32, from where they stand forwards to what they mean. A table is
 * i32 distance back to its vtable, then its values; a vtable is u16 its size, u16 the table's size, u16 place of each
 * slot in the table (0: absent). A string is u32 length, bytes, 0. A vector is u32 count, elements. Each value stands
 * at a multiple of its size, counted from the start. Written top down: an offset is filled in when what it means
 * begins.
 *
 * Body of a batch: for each column the validity bitmap (length 0 when there are no nulls), for UTF8 the offsets, then
 * the values; each begins at a multiple of 8. */
#include "proto/arrow_ipc.h"

enum { HEAD_SCHEMA = 1, HEAD_DICTIONARY = 2, HEAD_BATCH = 3 };
enum { VERSION_5 = 4, DOUBLE_PRECISION = 2, MICROSECONDS = 2 };

/* ---- FlatBuffers ---- */

struct fb {
    struct buf *b;
    size_t start;
};
struct slot {
    uint8_t size; /* 0: absent */
    uint64_t value;
    size_t at; /* where it was written, from the start of the flat buffer */
};

static size_t here(const struct fb *f)
{
    return f->b->n - f->start;
}

static void pad_to(struct fb *f, size_t multiple, size_t rest)
{
    while (here(f) % multiple != rest && !f->b->err) buf_u8(f->b, 0);
}

static void put(struct buf *b, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) buf_u8(b, (uint8_t)(v >> (8 * i)));
}

static void patch(struct fb *f, size_t at, uint64_t v, size_t n)
{
    if (f->b->err) return;
    for (size_t i = 0; i < n; i++) f->b->p[f->start + at + i] = (uint8_t)(v >> (8 * i));
}

/* What the offset at `at` means begins here. */
static void point_here(struct fb *f, size_t at)
{
    patch(f, at, here(f) - at, 4);
}

/* The table that the offset at `ref` means: vtable, then the values, large ones first so that all are aligned. */
static void table(struct fb *f, size_t ref, struct slot *s, size_t n)
{
    size_t vtable_n = 4 + 2 * n;
    pad_to(f, 8, (4 - vtable_n) & 7); /* the table then begins 4 behind a multiple of 8 */
    size_t vtable = here(f), at = vtable + vtable_n;
    for (size_t i = 0; i < vtable_n; i++) buf_u8(f->b, 0);
    point_here(f, ref);
    put(f->b, at - vtable, 4);
    for (size_t size = 8; size; size /= 2)
        for (size_t i = 0; i < n; i++) {
            if (s[i].size != size) continue;
            s[i].at = here(f);
            patch(f, vtable + 4 + 2 * i, s[i].at - at, 2);
            put(f->b, s[i].value, size);
        }
    patch(f, vtable, vtable_n, 2);
    patch(f, vtable + 2, here(f) - at, 2);
}

static void string(struct fb *f, size_t ref, struct str s)
{
    pad_to(f, 4, 0);
    point_here(f, ref);
    put(f->b, s.n, 4);
    buf_add(f->b, s.p, s.n);
    buf_u8(f->b, 0);
}

/* A vector of n offsets, to be filled in: where the first one stands. */
static size_t offsets(struct fb *f, size_t ref, size_t n)
{
    pad_to(f, 4, 0);
    point_here(f, ref);
    put(f->b, n, 4);
    size_t first = here(f);
    for (size_t i = 0; i < n; i++) put(f->b, 0, 4);
    return first;
}

/* The head of a vector of structs with 8-byte members. */
static void structs(struct fb *f, size_t ref, size_t n)
{
    pad_to(f, 8, 4);
    point_here(f, ref);
    put(f->b, n, 4);
}

/* ---- messages ---- */

struct message {
    struct fb f;
    size_t length_at; /* of the metadata's length in the buffer */
    size_t header;    /* offset to be filled in */
};

static struct message message_begin(struct buf *out, unsigned type, uint64_t body)
{
    struct slot s[4] = {{2, VERSION_5, 0}, {1, type, 0}, {4, 0, 0}, {8, body, 0}};
    buf_u32le(out, 0xffffffffu);
    buf_u32le(out, 0);
    struct message m = {.f = {out, out->n}, .length_at = out->n - 4};
    put(out, 0, 4); /* offset of the root */
    table(&m.f, 0, s, 4);
    m.header = s[2].at;
    return m;
}

static void message_end(struct message *m)
{
    pad_to(&m->f, 8, 0);
    uint32_t n = (uint32_t)here(&m->f);
    if (m->f.b->err) return;
    for (size_t i = 0; i < 4; i++) m->f.b->p[m->length_at + i] = (uint8_t)(n >> (8 * i));
}

/* ---- schema ---- */

static void int_type(struct fb *f, size_t ref, unsigned bits, bool is_signed)
{
    struct slot s[2] = {{4, bits, 0}, {is_signed, is_signed, 0}};
    table(f, ref, s, 2);
}

static void type_of(struct fb *f, size_t ref, enum arrow_type t)
{
    struct slot precision[1] = {{2, DOUBLE_PRECISION, 0}}, time[2] = {{2, MICROSECONDS, 0}, {4, 0, 0}};
    if (t == ARROW_U8) int_type(f, ref, 8, false);
    if (t == ARROW_F64) table(f, ref, precision, 1);
    if (t == ARROW_UTF8 || t == ARROW_DICT) table(f, ref, NULL, 0);
    if (t != ARROW_TIME) return;
    table(f, ref, time, 2);
    string(f, time[1].at, STR("UTC"));
}

static void field(struct fb *f, size_t ref, const struct arrow_column *c, size_t id)
{
    static const uint8_t types[] = {
        [ARROW_F64] = 3, [ARROW_U8] = 2, [ARROW_TIME] = 10, [ARROW_UTF8] = 5, [ARROW_DICT] = 5};
    bool dict = c->type == ARROW_DICT;
    struct slot s[6] = {{4, 0, 0}, {1, c->nullable, 0},  {1, types[c->type], 0},
                        {4, 0, 0}, {dict ? 4 : 0, 0, 0}, {4, 0, 0}};
    table(f, ref, s, 6);
    string(f, s[0].at, c->name);
    type_of(f, s[3].at, c->type);
    offsets(f, s[5].at, 0);
    if (!dict) return;
    struct slot d[2] = {{8, id, 0}, {4, 0, 0}};
    table(f, s[4].at, d, 2);
    int_type(f, d[1].at, 32, true);
}

void arrow_schema(struct buf *out, const struct arrow_column *c, size_t n)
{
    struct message m = message_begin(out, HEAD_SCHEMA, 0);
    struct slot s[2] = {{2, 0, 0}, {4, 0, 0}};
    table(&m.f, m.header, s, 2);
    size_t first = offsets(&m.f, s[1].at, n);
    for (size_t i = 0; i < n; i++) field(&m.f, first + 4 * i, &c[i], i);
    message_end(&m);
}

/* ---- batches ---- */

struct piece { /* one buffer of a body */
    const void *p;
    size_t n;
};

static size_t padded(size_t n)
{
    return (n + 7) & ~(size_t)7;
}

/* The buffers of a column, in order; how many. */
static size_t pieces(const struct arrow_column *c, const struct arrow_data *d, size_t rows, struct piece out[3])
{
    static const uint8_t sizes[] = {
        [ARROW_F64] = 8, [ARROW_U8] = 1, [ARROW_TIME] = 8, [ARROW_UTF8] = 4, [ARROW_DICT] = 4};
    out[0] = d->nulls ? (struct piece){d->validity, (rows + 7) / 8} : (struct piece){NULL, 0};
    out[1] = (struct piece){d->values, sizes[c->type] * (rows + (c->type == ARROW_UTF8))};
    if (c->type != ARROW_UTF8) return 2;
    int32_t end;
    memcpy(&end, (const int32_t *)d->values + rows, sizeof end);
    out[2] = (struct piece){d->bytes, (size_t)end};
    return 3;
}

static void record_batch(struct fb *f, size_t ref, const struct arrow_column *c, const struct arrow_data *d, size_t n,
                         size_t rows)
{
    struct slot s[3] = {{8, rows, 0}, {4, 0, 0}, {4, 0, 0}};
    struct piece p[3];
    size_t nbuffers = 0, offset = 0;
    table(f, ref, s, 3);
    structs(f, s[1].at, n);
    for (size_t i = 0; i < n; i++) {
        put(f->b, rows, 8);
        put(f->b, d[i].nulls, 8);
        nbuffers += c[i].type == ARROW_UTF8 ? 3 : 2;
    }
    structs(f, s[2].at, nbuffers);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0, m = pieces(&c[i], &d[i], rows, p); k < m; k++) {
            put(f->b, offset, 8);
            put(f->b, p[k].n, 8);
            offset += padded(p[k].n);
        }
}

static size_t body_size(const struct arrow_column *c, const struct arrow_data *d, size_t n, size_t rows)
{
    struct piece p[3];
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0, m = pieces(&c[i], &d[i], rows, p); k < m; k++) sum += padded(p[k].n);
    return sum;
}

static void body(struct buf *out, const struct arrow_column *c, const struct arrow_data *d, size_t n, size_t rows)
{
    struct piece p[3];
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0, m = pieces(&c[i], &d[i], rows, p); k < m; k++) {
            if (p[k].n) buf_add(out, p[k].p, p[k].n);
            put(out, 0, padded(p[k].n) - p[k].n);
        }
}

void arrow_batch(struct buf *out, const struct arrow_column *c, const struct arrow_data *d, size_t n, size_t rows)
{
    struct message m = message_begin(out, HEAD_BATCH, body_size(c, d, n, rows));
    record_batch(&m.f, m.header, c, d, n, rows);
    message_end(&m);
    body(out, c, d, n, rows);
}

void arrow_dictionary(struct buf *out, size_t column, const struct str *texts, size_t n)
{
    static const struct arrow_column utf8 = {.type = ARROW_UTF8};
    struct buf at, bytes;
    buf_init(&at, 4 * (n + 1));
    buf_init(&bytes, INT32_MAX);
    buf_u32le(&at, 0);
    for (size_t i = 0; i < n; i++) {
        buf_str(&bytes, texts[i]);
        buf_u32le(&at, (uint32_t)bytes.n);
    }
    if (at.err || bytes.err) {
        out->err = out->err ? out->err : ERR_NOMEM;
    } else {
        struct arrow_data d = {.values = at.p, .bytes = bytes.p};
        struct message m = message_begin(out, HEAD_DICTIONARY, body_size(&utf8, &d, 1, n));
        struct slot s[2] = {{8, column, 0}, {4, 0, 0}};
        table(&m.f, m.header, s, 2);
        record_batch(&m.f, s[1].at, &utf8, &d, 1, n);
        message_end(&m);
        body(out, &utf8, &d, 1, n);
    }
    buf_fini(&at);
    buf_fini(&bytes);
}

void arrow_end(struct buf *out)
{
    buf_u32le(out, 0xffffffffu);
    buf_u32le(out, 0);
}
