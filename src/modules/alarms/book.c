/* book.c - see book.h. A hash map of open alarms by point and condition, an array for listing, the names of
 * watched points by number, and the last alarms that were closed (so that streams can tell of them). */
#include "modules/alarms/book.h"
#include <math.h>
#include "base/limits.h"
#include "base/mem.h"
#include "base/time.h"
#include "core/feed.h"

#define CLOSED 1024

struct book {
    pthread_mutex_t lock;
    struct alarm_item **items; /* open, in no order */
    size_t n, cap;
    uint32_t *slots; /* index + 1 into items; 0: free; open addressing */
    size_t nslots;
    struct point_info **points; /* by number */
    size_t npoints;
    int64_t version;
    struct alarm_item closed[CLOSED]; /* by version of closing, a ring */
    size_t nclosed;
};

/* ---- points ---- */

static void info_drop(struct point_info *p)
{
    if (p && --p->refs == 0) mem_free(p);
}

static struct str put_text(char **at, struct str s)
{
    if (s.n) memcpy(*at, s.p, s.n);
    *at += s.n;
    return str_make(*at - s.n, s.n);
}

static struct point_info *info_new(uint32_t num, struct str id, struct str org, struct str code, struct str name,
                                   struct str area, struct str unit)
{
    struct point_info *p = mem_calloc(1, sizeof *p + code.n + name.n + area.n + unit.n + 1);
    if (!p) return NULL;
    char *at = (char *)(p + 1);
    p->refs = 1;
    p->num = num;
    str_to_cstr(id, p->id, sizeof p->id);
    str_to_cstr(org, p->org, sizeof p->org);
    p->code = put_text(&at, code);
    p->name = put_text(&at, name);
    p->area = put_text(&at, area);
    p->unit = put_text(&at, unit);
    return p;
}

static struct alarm_item *find(struct book *b, uint32_t num, int cond);

static void adopt_info(struct book *b, struct alarm_item *it, struct point_info *p)
{
    info_drop(it->info);
    it->info = p;
    if (p) p->refs++;
}

static bool same_info(const struct point_info *a, const struct point_info *b)
{
    return strcmp(a->org, b->org) == 0 && str_eq(a->code, b->code) && str_eq(a->name, b->name) &&
           str_eq(a->area, b->area) && str_eq(a->unit, b->unit);
}

int book_point(struct book *b, uint32_t num, struct str id, struct str org, struct str code, struct str name,
               struct str area, struct str unit)
{
    struct point_info *p = info_new(num, id, org, code, name, area, unit);
    if (!p) return ERR_NOMEM;
    pthread_mutex_lock(&b->lock);
    size_t cap = b->npoints;
    bool room = num < 2 * LIMIT_POINTS && mem_grow((void **)&b->points, &cap, (size_t)num + 1, sizeof *b->points);
    if (room) {
        if (cap > b->npoints) memset(b->points + b->npoints, 0, (cap - b->npoints) * sizeof *b->points);
        b->npoints = cap;
        struct point_info *old = b->points[num];
        for (int c = 0; c < ALARM_CONDITIONS && (!old || !same_info(old, p)); c++) {
            struct alarm_item *it = find(b, num, c);
            if (!it) continue;
            adopt_info(b, it, p);
            it->version = ++b->version;
        }
        info_drop(old);
        b->points[num] = p;
    }
    pthread_mutex_unlock(&b->lock);
    if (!room) mem_free(p);
    return room ? 0 : ERR_NOMEM;
}

bool book_point_org(struct book *b, uint32_t num, char ret[37])
{
    pthread_mutex_lock(&b->lock);
    const struct point_info *p = num < b->npoints ? b->points[num] : NULL;
    if (p) memcpy(ret, p->org, sizeof p->org);
    pthread_mutex_unlock(&b->lock);
    return p != NULL;
}

void book_point_forget(struct book *b, uint32_t num)
{
    pthread_mutex_lock(&b->lock);
    if (num < b->npoints) {
        info_drop(b->points[num]);
        b->points[num] = NULL;
    }
    pthread_mutex_unlock(&b->lock);
}

void book_point_limits(struct book *b, const struct alarm_conf *conf)
{
    pthread_mutex_lock(&b->lock);
    for (int c = 0; c < ALARM_CONDITIONS; c++) {
        struct alarm_item *it = find(b, conf->num, c);
        if (!it) continue;
        uint8_t priority = alarm_priority(c, conf->priority);
        double limit = c < ALARM_LIMITS ? conf->limit[c] : it->limit;
        bool same = it->priority == priority && (it->limit == limit || (isnan(it->limit) && isnan(limit)));
        if (same || (c < ALARM_LIMITS && isnan(limit))) continue;
        it->priority = priority;
        it->limit = limit;
        it->version = ++b->version;
    }
    pthread_mutex_unlock(&b->lock);
}

/* ---- the map ---- */

static size_t slot_of(const struct book *b, uint32_t num, int cond)
{
    uint64_t h = ((uint64_t)num * ALARM_CONDITIONS + (uint64_t)cond) * 0x9e3779b97f4a7c15ull;
    return (size_t)(h >> 20) & (b->nslots - 1);
}

static struct alarm_item *find(struct book *b, uint32_t num, int cond)
{
    if (!b->nslots) return NULL;
    for (size_t i = slot_of(b, num, cond); b->slots[i]; i = (i + 1) & (b->nslots - 1)) {
        struct alarm_item *it = b->items[b->slots[i] - 1];
        if (it->num == num && it->cond == cond) return it;
    }
    return NULL;
}

static void place(struct book *b, size_t index)
{
    size_t i = slot_of(b, b->items[index]->num, b->items[index]->cond);
    while (b->slots[i]) i = (i + 1) & (b->nslots - 1);
    b->slots[i] = (uint32_t)index + 1;
}

static bool widen(struct book *b)
{
    if ((b->n + 1) * 2 <= b->nslots) return true;
    size_t more = b->nslots ? b->nslots * 2 : 256;
    uint32_t *slots = mem_calloc(more, sizeof *slots);
    if (!slots) return false;
    mem_free(b->slots);
    b->slots = slots;
    b->nslots = more;
    for (size_t i = 0; i < b->n; i++) place(b, i);
    return true;
}

static struct alarm_item *add(struct book *b, uint32_t num, int cond)
{
    if (!mem_grow((void **)&b->items, &b->cap, b->n + 1, sizeof *b->items) || !widen(b)) return NULL;
    struct alarm_item *it = mem_calloc(1, sizeof *it);
    if (!it) return NULL;
    *it = (struct alarm_item){.num = num, .cond = (uint8_t)cond, .value = NAN, .limit = NAN};
    adopt_info(b, it, num < b->npoints ? b->points[num] : NULL);
    b->items[b->n] = it;
    place(b, b->n++);
    return it;
}

/* Take the entry at slot i out of the chain: what follows it moves up. */
static void unplace(struct book *b, size_t i)
{
    size_t hole = i, mask = b->nslots - 1;
    b->slots[hole] = 0;
    for (size_t k = (i + 1) & mask; b->slots[k]; k = (k + 1) & mask) {
        struct alarm_item *it = b->items[b->slots[k] - 1];
        size_t home = slot_of(b, it->num, it->cond);
        if (((k - home) & mask) < ((k - hole) & mask)) continue;
        b->slots[hole] = b->slots[k];
        b->slots[k] = 0;
        hole = k;
    }
}

static size_t slot_at(const struct book *b, const struct alarm_item *it)
{
    size_t i = slot_of(b, it->num, it->cond);
    while (b->items[b->slots[i] - 1] != it) i = (i + 1) & (b->nslots - 1);
    return i;
}

/* The closed one is remembered for the streams. */
static void close_item(struct book *b, struct alarm_item *it)
{
    struct alarm_item *mark = &b->closed[b->nclosed++ % CLOSED];
    size_t slot = slot_at(b, it), index = b->slots[slot] - 1;
    info_drop(mark->info);
    *mark = *it;
    unplace(b, slot);
    if (index != b->n - 1) {
        struct alarm_item *last = b->items[b->n - 1];
        b->slots[slot_at(b, last)] = (uint32_t)index + 1;
        b->items[index] = last;
    }
    b->n--;
    mem_free(it);
}

/* ---- steps ---- */

static void note_raised(struct alarm_item *it, const struct alarm_step *s)
{
    it->raised_us = s->at_us;
    it->cleared_us = it->acked_us = 0;
    it->acked_by[0] = it->comment[0] = '\0';
}

static void note_acked(struct alarm_item *it, const struct alarm_step *s)
{
    it->acked_us = s->at_us;
    if (!s->words) return;
    memcpy(it->acked_by, s->words->login, sizeof it->acked_by);
    memcpy(it->comment, s->words->text, sizeof it->comment);
}

static void note_shelved(struct alarm_item *it, const struct alarm_step *s)
{
    it->shelved_until_us = s->words ? s->words->until_us : 0;
    if (!s->words) return;
    memcpy(it->shelved_by, s->words->login, sizeof it->shelved_by);
    memcpy(it->reason, s->words->text, sizeof it->reason);
}

static void apply(struct alarm_item *it, const struct alarm_step *s)
{
    it->state = s->to;
    it->priority = s->priority;
    it->limit = s->limit;
    it->seq = s->seq;
    if (s->event != ALARM_ACKED) it->value = s->value;
    switch ((enum alarm_event)s->event) {
    case ALARM_RAISED: note_raised(it, s); break;
    case ALARM_CLEARED: it->cleared_us = s->at_us; break;
    case ALARM_ACKED: note_acked(it, s); break;
    case ALARM_SHELVED: note_shelved(it, s); break;
    case ALARM_UNSHELVED: it->shelved_until_us = 0; break;
    case ALARM_REMOVED: it->shelved_until_us = 0; break;
    case ALARM_CAUGHT_UP:
        if (!it->raised_us) it->raised_us = s->at_us;
        if (!alarm_active((enum alarm_state)s->to) && !it->cleared_us) it->cleared_us = s->at_us;
        break;
    }
}

static void give(struct alarm_item *ret, const struct alarm_item *it)
{
    *ret = *it;
    if (ret->info) ret->info->refs++;
}

bool book_take(struct book *b, const struct alarm_step *s, struct alarm_item *ret)
{
    pthread_mutex_lock(&b->lock);
    struct alarm_item *it = find(b, s->num, s->cond);
    if (!it) it = add(b, s->num, s->cond);
    bool open = false;
    *ret = (struct alarm_item){.num = s->num, .cond = s->cond};
    if (it) {
        apply(it, s);
        it->version = ++b->version;
        open = it->state != ALARM_NORMAL || it->shelved_until_us;
        give(ret, it);
        if (!open) close_item(b, it);
    }
    pthread_mutex_unlock(&b->lock);
    return open;
}

int book_put(struct book *b, const struct alarm_item *from)
{
    pthread_mutex_lock(&b->lock);
    struct alarm_item *it = find(b, from->num, from->cond);
    if (!it) it = add(b, from->num, from->cond);
    if (it) {
        struct point_info *info = it->info;
        *it = *from;
        it->info = info;
        it->version = ++b->version;
    }
    pthread_mutex_unlock(&b->lock);
    return it ? 0 : ERR_NOMEM;
}

void book_sweep(struct book *b, int64_t version)
{
    pthread_mutex_lock(&b->lock);
    for (size_t i = b->n; i-- > 0;) {
        struct alarm_item *it = b->items[i];
        if (it->version > version) continue;
        it->state = ALARM_NORMAL;
        it->shelved_until_us = 0;
        it->version = ++b->version;
        close_item(b, it);
    }
    pthread_mutex_unlock(&b->lock);
}

bool book_get(struct book *b, uint32_t num, int cond, struct alarm_item *ret)
{
    pthread_mutex_lock(&b->lock);
    struct alarm_item *it = find(b, num, cond);
    if (it) give(ret, it);
    pthread_mutex_unlock(&b->lock);
    return it != NULL;
}

void book_each(struct book *b, void (*fn)(void *ctx, const struct alarm_item *it), void *ctx)
{
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < b->n; i++)
        if (!b->items[i]->shelved_until_us) fn(ctx, b->items[i]);
    pthread_mutex_unlock(&b->lock);
}

void book_item_done(struct book *b, struct alarm_item *it)
{
    pthread_mutex_lock(&b->lock);
    info_drop(it->info);
    it->info = NULL;
    pthread_mutex_unlock(&b->lock);
}

int64_t book_version(struct book *b)
{
    pthread_mutex_lock(&b->lock);
    int64_t v = b->version;
    pthread_mutex_unlock(&b->lock);
    return v;
}

/* ---- showing ---- */

static bool may_see(const struct permissions *may, const struct alarm_item *it)
{
    return it->info && permitted_at(may, "alarm", ACT_READ, str_of(it->info->org));
}

static void write_time(struct json_writer *w, const char *key, int64_t us)
{
    char text[TIME_TEXT_MAX];
    jw_kz(w, key, us ? time_format(us, text) : NULL);
}

static void write_number(struct json_writer *w, const char *key, double v)
{
    if (isnan(v))
        jw_kz(w, key, NULL);
    else
        jw_kdouble(w, key, v);
}

static void write_members(struct json_writer *w, const struct alarm_item *it)
{
    char id[24];
    snprintf(id, sizeof id, "%u-%s", it->num, alarm_condition_name(it->cond));
    jw_kz(w, "id", id);
    jw_ki64(w, "point", it->num);
    jw_kstr(w, "code", it->info ? it->info->code : STR(""));
    jw_kstr(w, "name", it->info ? it->info->name : STR(""));
    jw_kstr(w, "area", it->info ? it->info->area : STR(""));
    jw_kz(w, "org", it->info ? it->info->org : "");
    jw_kz(w, "condition", alarm_condition_name(it->cond));
    jw_ki64(w, "priority", it->priority);
    jw_kz(w, "state", alarm_state_name(it->state));
    write_number(w, "value", it->value);
    write_number(w, "limit", it->limit);
    jw_kstr(w, "unit", it->cond == ALARM_STALE ? STR("s") : it->info ? it->info->unit : STR(""));
    write_time(w, "raised_at", it->raised_us);
    write_time(w, "cleared_at", it->cleared_us);
    jw_kz(w, "acked_by", it->acked_us ? it->acked_by : NULL);
    write_time(w, "acked_at", it->acked_us);
    jw_kz(w, "comment", it->acked_us ? it->comment : NULL);
    write_time(w, "shelved_until", it->shelved_until_us);
    jw_kz(w, "shelved_by", it->shelved_until_us ? it->shelved_by : NULL);
    jw_kz(w, "shelve_reason", it->shelved_until_us ? it->reason : NULL);
}

void book_item_write(struct json_writer *w, const struct alarm_item *it)
{
    jw_object(w);
    write_members(w, it);
    jw_end(w);
}

static bool in_state(enum book_state want, const struct alarm_item *it)
{
    bool shelved = it->shelved_until_us != 0;
    switch (want) {
    case BOOK_OPEN: return !shelved;
    case BOOK_ACTIVE: return !shelved && alarm_active((enum alarm_state)it->state);
    case BOOK_UNACKED: return !shelved && alarm_unacked((enum alarm_state)it->state);
    case BOOK_SHELVED: return shelved;
    case BOOK_ALL: return true;
    }
    return false;
}

static bool in_area(struct str area, struct str want)
{
    if (!want.n) return true;
    if (!str_starts(area, want)) return false;
    return area.n == want.n || area.p[want.n] == '/';
}

static bool matches(const struct book_query *q, const struct alarm_item *it)
{
    return in_state(q->state, it) && (!q->priority || it->priority == q->priority) &&
           in_area(it->info->area, q->area) &&
           (!q->q.n || str_ihas(it->info->code, q->q) || str_ihas(it->info->name, q->q));
}

static void count(struct book_counts *c, const struct alarm_item *it)
{
    bool active = alarm_active((enum alarm_state)it->state), unacked = alarm_unacked((enum alarm_state)it->state);
    if (it->shelved_until_us) {
        c->shelved++;
        return;
    }
    c->active += active;
    c->unacked += unacked;
    if (active || unacked) c->by_priority[it->priority < 5 ? it->priority : 4]++;
}

static int by_urgency(const void *x, const void *y)
{
    const struct alarm_item *a = *(struct alarm_item *const *)x, *b = *(struct alarm_item *const *)y;
    bool ua = alarm_unacked((enum alarm_state)a->state), ub = alarm_unacked((enum alarm_state)b->state);
    if (ua != ub) return ua ? -1 : 1;
    if (a->priority != b->priority) return a->priority < b->priority ? -1 : 1;
    if (a->raised_us != b->raised_us) return a->raised_us > b->raised_us ? -1 : 1;
    if (a->num != b->num) return a->num < b->num ? -1 : 1;
    return a->cond - b->cond;
}

void book_list(struct book *b, const struct book_query *q, struct json_writer *w, size_t *ret_total,
               struct book_counts *ret_counts)
{
    size_t n = 0;
    *ret_counts = (struct book_counts){0};
    pthread_mutex_lock(&b->lock);
    struct alarm_item **found = mem_alloc((b->n + 1) * sizeof *found);
    for (size_t i = 0; found && i < b->n; i++) {
        struct alarm_item *it = b->items[i];
        if (!may_see(q->may, it)) continue;
        count(ret_counts, it);
        if (matches(q, it)) found[n++] = it;
    }
    if (n) qsort(found, n, sizeof *found, by_urgency);
    for (size_t i = q->offset; i < n && i - q->offset < q->limit; i++) book_item_write(w, found[i]);
    pthread_mutex_unlock(&b->lock);
    mem_free(found);
    *ret_total = n;
}

static void counts_event(struct book *b, const struct permissions *may, struct buf *out)
{
    struct book_counts c = {0};
    for (size_t i = 0; i < b->n; i++)
        if (may_see(may, b->items[i])) count(&c, b->items[i]);
    struct json_writer w = feed_event(out, "counts");
    jw_ki64(&w, "active", (int64_t)c.active);
    jw_ki64(&w, "unacked", (int64_t)c.unacked);
    jw_ki64(&w, "shelved", (int64_t)c.shelved);
    jw_key(&w, STR("by_priority"));
    jw_object(&w);
    for (int p = 1; p <= 4; p++) {
        char key[2] = {(char)('0' + p), 0};
        jw_ki64(&w, key, (int64_t)c.by_priority[p]);
    }
    jw_end(&w);
    feed_event_end(&w);
}

static void item_event(const struct permissions *may, const struct alarm_item *it, struct buf *out)
{
    if (!may_see(may, it)) return;
    struct json_writer w = feed_event(out, "alarm");
    write_members(&w, it);
    feed_event_end(&w);
}

static size_t news_of(struct book *b, int64_t since)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) n += b->items[i]->version > since;
    for (size_t i = 0; i < CLOSED && i < b->nclosed; i++) n += b->closed[i].version > since;
    return n;
}

static bool told_all(struct book *b, int64_t since)
{
    int64_t oldest = b->nclosed > CLOSED ? b->closed[b->nclosed % CLOSED].version : 0;
    return since >= oldest;
}

void book_news(struct book *b, const struct permissions *may, int64_t *version, size_t max, struct buf *out)
{
    pthread_mutex_lock(&b->lock);
    bool first = *version < 0;
    if (!first && *version < b->version && (!told_all(b, *version) || news_of(b, *version) > max)) {
        struct json_writer w = feed_event(out, "reset");
        feed_event_end(&w);
    } else if (!first && *version < b->version) {
        for (size_t i = 0; i < CLOSED && i < b->nclosed; i++)
            if (b->closed[i].version > *version) item_event(may, &b->closed[i], out);
        for (size_t i = 0; i < b->n; i++)
            if (b->items[i]->version > *version) item_event(may, b->items[i], out);
    }
    if (first || *version < b->version) counts_event(b, may, out);
    *version = b->version;
    pthread_mutex_unlock(&b->lock);
}

int book_new(struct book **ret)
{
    struct book *b = mem_calloc(1, sizeof *b);
    if (!b) return ERR_NOMEM;
    pthread_mutex_init(&b->lock, NULL);
    *ret = b;
    return 0;
}

void book_free(struct book *b)
{
    if (!b) return;
    for (size_t i = 0; i < b->n; i++) {
        info_drop(b->items[i]->info);
        mem_free(b->items[i]);
    }
    for (size_t i = 0; i < CLOSED; i++) info_drop(b->closed[i].info);
    for (size_t i = 0; i < b->npoints; i++) info_drop(b->points[i]);
    mem_free(b->items);
    mem_free(b->slots);
    mem_free(b->points);
    pthread_mutex_destroy(&b->lock);
    mem_free(b);
}
