/* hj212_parts.c - messages that need several frames: cutting them, and putting them together again. */
#include <stdio.h>
#include "base/mem.h"
#include "proto/hj212.h"

/* ---- cutting ---- */

/* Bytes of the longest piece of at most max that ends between two items; 0 when the first item is longer. */
static size_t piece(struct str cp, size_t max)
{
    struct hj212_cp it = hj212_cp_begin(cp);
    struct hj212_field f;
    size_t end = 0;
    unsigned item = 0;
    if (cp.n <= max) return cp.n;
    while (hj212_cp_next(&it, &f)) {
        size_t at = cp.n - it.rest.n;
        if (it.item == item && it.rest.n) continue;
        size_t n = it.rest.n ? at - 1 : at; /* without the ';' */
        if (n > max) break;
        end = n;
        item = it.item;
    }
    return end;
}

static int count_pieces(struct str cp, size_t max)
{
    int n = 1;
    for (; cp.n > max; n++) {
        size_t k = piece(cp, max);
        if (k == 0) return ERR_TOO_LARGE;
        cp = str_sub(cp, k + 1, cp.n);
    }
    return n;
}

/* CP such that the whole segment keeps to the standard's 1024 bytes. */
static size_t usual_cp(const struct hj212_message *m)
{
    size_t head = sizeof "QN=;ST=32;CN=2011;PW=;MN=;Flag=7;PNUM=256;PNO=256;CP=&&&&" - 1 + m->qn.n + m->pw.n + m->mn.n;
    size_t room = head < HJ212_SEGMENT_USUAL - 100 ? HJ212_SEGMENT_USUAL - head : 100;
    return room < HJ212_CP_MAX ? room : HJ212_CP_MAX;
}

int hj212_message_put_split(struct buf *out, const struct hj212_message *m, size_t cp_max)
{
    struct hj212_message part = *m;
    struct str rest = m->cp;
    if (cp_max == 0) cp_max = usual_cp(m);
    int n = count_pieces(rest, cp_max);
    if (n < 0 || n > HJ212_PARTS_MAX) return ERR_TOO_LARGE;
    for (int i = 0; i < n; i++) {
        size_t k = piece(rest, cp_max);
        part.cp = str_sub(rest, 0, k);
        rest = str_sub(rest, k + 1, rest.n);
        if (n > 1) {
            part.flag = (part.flag < 0 ? 0 : part.flag) | HJ212_FLAG_PARTS;
            part.pnum = (unsigned)n;
            part.pno = (unsigned)i + 1;
        }
        hj212_message_put(out, &part);
    }
    return out->err ? out->err : n;
}

/* ---- putting together ---- */

void hj212_parts_drop(struct hj212_parts *s)
{
    for (unsigned i = 0; i < s->pnum; i++) mem_free(s->part[i].p);
    mem_free(s->part);
    *s = (struct hj212_parts){0};
}

static int begin(struct hj212_parts *s, const struct hj212_message *m, const char *key, struct error *e)
{
    hj212_parts_drop(s);
    if (m->pnum > HJ212_PARTS_MAX)
        return error_set(e, ERR_TOO_LARGE, "PNUM", "a message of %u packets; at most %d are taken",
                         "报文共 %u 包，最多接受 %d 包", m->pnum, HJ212_PARTS_MAX);
    s->part = mem_calloc(m->pnum, sizeof *s->part);
    if (s->part == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    s->pnum = m->pnum;
    str_to_cstr(str_of(key), s->key, sizeof s->key);
    return 0;
}

/* Does a ';' belong between two parts? Not where the cut went through an item. */
static bool clean_cut(struct str before, struct str after)
{
    if (before.n == 0 || after.n == 0 || before.p[before.n - 1] == ';' || after.p[0] == ';' || after.p[0] == ',')
        return false;
    size_t from = before.n;
    while (from && before.p[from - 1] != ';' && before.p[from - 1] != ',') from--;
    struct str last = str_sub(before, from, before.n), rest = after;
    struct str first = str_cut(&rest, ';');
    first = str_cut(&first, ',');
    return str_find(last, '=') > 0 && str_find(first, '=') > 0;
}

static void join(const struct hj212_parts *s, struct buf *whole)
{
    buf_clear(whole);
    for (unsigned i = 0; i < s->pnum; i++) {
        struct str part = str_make(s->part[i].p, s->part[i].n);
        if (clean_cut(buf_view(whole), part)) buf_u8(whole, ';');
        buf_str(whole, part);
    }
}

int hj212_parts_add(struct hj212_parts *s, const struct hj212_message *m, struct buf *whole, struct error *e)
{
    char key[sizeof s->key];
    snprintf(key, sizeof key, "%.*s %.*s %u", STR_ARG(m->mn), STR_ARG(m->qn), m->cn);
    if (m->pnum == 0 || m->pno == 0 || m->pno > m->pnum)
        return error_set(e, ERR_PROTOCOL, "PNO", "no packet number", "缺少包号");
    if (s->pnum != m->pnum || strcmp(s->key, key) != 0) {
        int rc = begin(s, m, key, e);
        if (rc) return rc;
    }
    struct hj212_part *p = &s->part[m->pno - 1];
    if (p->p == NULL) {
        if (s->bytes + m->cp.n > HJ212_PARTS_BYTES) {
            hj212_parts_drop(s);
            return error_set(e, ERR_TOO_LARGE, "PNUM", "a message of more than %u bytes", "报文超过 %u 字节",
                             HJ212_PARTS_BYTES);
        }
        p->p = mem_dup(m->cp.n ? m->cp.p : "", m->cp.n ? m->cp.n : 1);
        if (p->p == NULL) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
        p->n = m->cp.n;
        s->bytes += p->n;
        s->got++;
    }
    if (s->got < s->pnum) return 0;
    join(s, whole);
    hj212_parts_drop(s);
    return whole->err ? whole->err : 1;
}
