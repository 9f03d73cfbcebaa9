/* ledger.c - see ledger.h. */
#include "modules/forward/ledger.h"
#include <assert.h>
#include <string.h>
#include "base/mem.h"

void ledger_init(struct ledger *l, uint64_t acked, uint64_t last)
{
    *l = (struct ledger){.acked = acked, .last = last > acked ? last : acked};
}

void ledger_fini(struct ledger *l)
{
    mem_free(l->spans);
    *l = (struct ledger){0};
}

/* Index of the first span that ends at or after seq. */
static size_t find(const struct ledger *l, uint64_t seq)
{
    size_t lo = 0, hi = l->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->spans[mid].to < seq)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static void cut(struct ledger *l, size_t at, size_t n)
{
    memmove(l->spans + at, l->spans + at + n, (l->n - at - n) * sizeof *l->spans);
    l->n -= n;
}

int ledger_take(struct ledger *l, uint64_t from, uint64_t to)
{
    if (!mem_grow((void **)&l->spans, &l->cap, l->n + 1, sizeof *l->spans)) return ERR_NOMEM;
    size_t at = find(l, from);
    assert(from > l->acked && from <= to && (at == l->n || l->spans[at].from > to));
    memmove(l->spans + at + 1, l->spans + at, (l->n - at) * sizeof *l->spans);
    l->spans[at] = (struct span){from, to, false};
    l->n++;
    if (to > l->last) l->last = to;
    return 0;
}

static void join(struct ledger *l, size_t at)
{
    if (at + 1 < l->n && l->spans[at + 1].done && l->spans[at].to + 1 == l->spans[at + 1].from) {
        l->spans[at].to = l->spans[at + 1].to;
        cut(l, at + 1, 1);
    }
    if (at > 0 && l->spans[at - 1].done && l->spans[at - 1].to + 1 == l->spans[at].from) {
        l->spans[at - 1].to = l->spans[at].to;
        cut(l, at, 1);
    }
    if (l->n && l->spans[0].done && l->spans[0].from == l->acked + 1) {
        l->acked = l->spans[0].to;
        cut(l, 0, 1);
    }
}

void ledger_done(struct ledger *l, uint64_t from, uint64_t to)
{
    size_t at = find(l, from);
    assert(at < l->n && l->spans[at].from == from && l->spans[at].to == to && !l->spans[at].done);
    l->spans[at].done = true;
    join(l, at);
}

void ledger_back(struct ledger *l, uint64_t from, uint64_t to)
{
    size_t at = find(l, from);
    assert(at < l->n && l->spans[at].from == from && l->spans[at].to == to && !l->spans[at].done);
    cut(l, at, 1);
}

void ledger_leave(struct ledger *l, uint64_t seq)
{
    if (seq > l->last) l->last = seq;
}

bool ledger_backlog(const struct ledger *l, uint64_t *ret_from, uint64_t *ret_to)
{
    uint64_t from = l->acked + 1;
    size_t at = 0;
    while (at < l->n && l->spans[at].from == from) from = l->spans[at++].to + 1;
    if (from > l->last) return false;
    *ret_from = from;
    *ret_to = at < l->n ? l->spans[at].from - 1 : l->last;
    return true;
}

uint64_t ledger_waiting(const struct ledger *l)
{
    uint64_t n = l->last - l->acked;
    for (size_t i = 0; i < l->n; i++)
        if (l->spans[i].done) n -= l->spans[i].to - l->spans[i].from + 1;
    return n;
}
