/* ws_frame.c - WebSocket frames; see ws_frame.h for the format. */
#include "io/ws_frame.h"
#include "base/utf8.h"

#define EMPTY_MAX 1000 /* frames of a message that bring nothing: it would never end */

static int check_head(const struct ws_head *h, uint8_t first)
{
    bool control = h->opcode >= 8;
    if (first & 0x70) return -1002;
    if (h->opcode > WS_PONG || (h->opcode > WS_BINARY && !control)) return -1002;
    if (control && (!h->fin || h->len > 125)) return -1002;
    return 0;
}

int ws_head_parse(const uint8_t *p, size_t n, struct ws_head *ret)
{
    if (n < 2) return 0;
    struct ws_head h = {.fin = p[0] >> 7, .opcode = p[0] & 15, .masked = p[1] >> 7, .len = p[1] & 127};
    unsigned wide = h.len == 126 ? 2 : h.len == 127 ? 8 : 0;
    size_t need = 2 + wide + (h.masked ? 4 : 0);
    int bad = check_head(&h, p[0]);
    if (bad) return bad;
    if (n < need) return 0;
    if (wide) {
        h.len = 0;
        for (unsigned i = 0; i < wide; i++) h.len = h.len << 8 | p[2 + i];
        if (h.len < (wide == 2 ? 126u : 65536u) || h.len >> 63) return -1002;
    }
    if (h.masked) memcpy(h.mask, p + 2 + wide, 4);
    *ret = h;
    return (int)need;
}

size_t ws_head_write(uint8_t out[WS_HEAD_MAX], bool fin, uint8_t opcode, uint64_t len, const uint8_t mask[4])
{
    unsigned wide = len < 126 ? 0 : len < 65536 ? 2 : 8;
    out[0] = (uint8_t)((fin ? 0x80 : 0) | opcode);
    out[1] = (uint8_t)((mask ? 0x80 : 0) | (wide == 0 ? len : wide == 2 ? 126 : 127));
    for (unsigned i = 0; i < wide; i++) out[2 + i] = (uint8_t)(len >> (8 * (wide - 1 - i)));
    if (mask) memcpy(out + 2 + wide, mask, 4);
    return 2 + wide + (mask ? 4 : 0);
}

void ws_mask(uint8_t *p, size_t n, const uint8_t mask[4], uint64_t offset)
{
    uint8_t turned[8];
    for (unsigned i = 0; i < 8; i++) turned[i] = mask[(offset + i) & 3];
    uint64_t wide;
    memcpy(&wide, turned, 8);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t v;
        memcpy(&v, p + i, 8);
        v ^= wide;
        memcpy(p + i, &v, 8);
    }
    for (; i < n; i++) p[i] ^= turned[i & 7];
}

void ws_reader_init(struct ws_reader *r, size_t message_max, bool want_masked)
{
    memset(r, 0, sizeof *r);
    r->want_masked = want_masked;
    buf_init(&r->message, message_max);
}

void ws_reader_fini(struct ws_reader *r)
{
    buf_fini(&r->message);
}

/* A whole head has come: does it fit what came before? */
static int begin_frame(struct ws_reader *r)
{
    const struct ws_head *h = &r->head;
    r->nraw = 0;
    r->got = 0;
    r->in_frame = true;
    if (h->masked != r->want_masked) return -1002;
    if (h->opcode >= 8) return 0;
    if ((h->opcode == WS_CONTINUE) != (r->message_op != 0)) return -1002;
    r->nempty = h->opcode != WS_CONTINUE ? 0 : r->nempty + (h->len == 0);
    if (r->nempty > EMPTY_MAX) return -1009;
    if (h->opcode != WS_CONTINUE) {
        r->message_op = h->opcode;
        buf_clear(&r->message);
    }
    return h->len > r->message.max - r->message.n ? -1009 : 0;
}

static int take_head(struct ws_reader *r, const uint8_t *p, size_t n, size_t *used)
{
    while (*used < n) {
        r->raw[r->nraw++] = p[(*used)++];
        int len = ws_head_parse(r->raw, r->nraw, &r->head);
        if (len < 0) return len;
        if (len > 0) return begin_frame(r);
    }
    return 0;
}

static int take_payload(struct ws_reader *r, const uint8_t *p, size_t n)
{
    bool control = r->head.opcode >= 8;
    uint8_t *to = control ? r->control + r->got : buf_space(&r->message, n);
    if (!to) return -1009;
    if (!control) r->message.n += n;
    memcpy(to, p, n);
    if (r->head.masked) ws_mask(to, n, r->head.mask, r->got);
    r->got += n;
    return 0;
}

static bool close_code_ok(unsigned code)
{
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}

static int end_close(struct ws_reader *r, struct ws_event *ret)
{
    size_t n = (size_t)r->head.len;
    *ret = (struct ws_event){.opcode = WS_CLOSE, .code = 1005};
    if (n == 0) return 1;
    if (n == 1) return -1002;
    ret->code = (unsigned)r->control[0] << 8 | r->control[1];
    ret->data = str_make((const char *)r->control + 2, n - 2);
    if (!close_code_ok(ret->code)) return -1002;
    return utf8_valid(ret->data) ? 1 : -1007;
}

static int end_frame(struct ws_reader *r, struct ws_event *ret)
{
    r->in_frame = false;
    if (r->head.opcode == WS_CLOSE) return end_close(r, ret);
    if (r->head.opcode > 8) {
        *ret = (struct ws_event){.opcode = r->head.opcode,
                                 .data = str_make((const char *)r->control, (size_t)r->head.len)};
        return 1;
    }
    if (!r->head.fin) return 0;
    *ret = (struct ws_event){.opcode = r->message_op, .data = buf_view(&r->message)};
    r->message_op = 0;
    return ret->opcode == WS_BINARY || utf8_valid(ret->data) ? 1 : -1007;
}

int ws_reader_next(struct ws_reader *r, const uint8_t *p, size_t n, size_t *ret_used, struct ws_event *ret)
{
    size_t used = 0;
    int got = 0;
    while (got == 0) {
        if (!r->in_frame) {
            if (used == n) break;
            got = take_head(r, p, n, &used);
            if (got < 0 || !r->in_frame) break;
        }
        uint64_t want = r->head.len - r->got;
        size_t k = n - used < want ? n - used : (size_t)want;
        got = k ? take_payload(r, p + used, k) : 0;
        used += k;
        if (got < 0 || r->got < r->head.len) break;
        got = end_frame(r, ret);
    }
    *ret_used = used;
    return got;
}
