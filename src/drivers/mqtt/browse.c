/* browse.c - topics that were seen, with their last payloads; from them a user picks points.
 *
 * Seen       a hash of topics; the ones that were silent longest make room. Of a payload up to PAYLOAD_KEPT bytes are
 * kept. Browsing   at the top the topics of the device (all, when it has none: '#' is subscribed for BROWSE_MS then),
 * below a topic what its last payload offers: leaves of JSON, columns, the text, bytes. */
#include <stdio.h>
#include <stdlib.h>
#include "base/csv.h"
#include "base/encode.h"
#include "base/time.h"
#include "drivers/mqtt/mqtt_int.h"

#define SEEN_MAX 4000
#define SEEN_BYTES_MAX (16u << 20)
#define PAYLOAD_KEPT 65536
#define TABLE 1024
#define LEAVES_MAX 5000
#define VALUE_MAX 120

/* ---- what was seen ---- */

static struct mt_seen **slot(const struct mt_channel *ch, struct str topic)
{
    struct mt_seen **p = &ch->seen[str_hash(topic, hash_seed()) % TABLE];
    while (*p && !str_eq((*p)->topic, topic)) p = &(*p)->next;
    return p;
}

const struct mt_seen *mt_seen_find(const struct mt_channel *ch, struct str topic)
{
    return ch->seen ? *slot(ch, topic) : NULL;
}

static void unlink_seen(struct mt_channel *ch, struct mt_seen *s)
{
    *(s->newer ? &s->newer->older : &ch->newest) = s->older;
    *(s->older ? &s->older->newer : &ch->oldest) = s->newer;
    s->newer = s->older = NULL;
}

static void to_front(struct mt_channel *ch, struct mt_seen *s)
{
    s->older = ch->newest;
    if (ch->newest) ch->newest->newer = s;
    ch->newest = s;
    if (ch->oldest == NULL) ch->oldest = s;
}

static void drop_oldest(struct mt_channel *ch)
{
    struct mt_seen *s = ch->oldest, **p = slot(ch, s->topic);
    *p = s->next;
    unlink_seen(ch, s);
    ch->nseen--;
    ch->seen_bytes -= s->kept;
    mem_free(s->payload);
    mem_free(s);
}

static struct mt_seen *new_seen(struct mt_channel *ch, struct str topic)
{
    struct mt_seen *s = mem_calloc(1, sizeof *s + topic.n);
    if (s == NULL) return NULL;
    char *z = (char *)(s + 1);
    memcpy(z, topic.p, topic.n);
    s->topic = str_make(z, topic.n);
    struct mt_seen **p = slot(ch, topic);
    s->next = *p;
    *p = s;
    ch->nseen++;
    to_front(ch, s);
    return s;
}

static void keep_payload(struct mt_channel *ch, struct mt_seen *s, struct str payload)
{
    size_t n = payload.n < PAYLOAD_KEPT ? payload.n : PAYLOAD_KEPT;
    if (n > s->kept || n < s->kept / 4) {
        char *p = mem_realloc(s->payload, n + 1);
        if (p == NULL) return;
        s->payload = p;
    }
    ch->seen_bytes += n - s->kept;
    if (n) memcpy(s->payload, payload.p, n);
    s->kept = n;
    s->whole = payload.n;
}

bool mt_seen_message(struct mt_channel *ch, const struct mqtt_client_message *m, int64_t now_us)
{
    if (ch->seen == NULL) ch->seen = mem_calloc(TABLE, sizeof *ch->seen);
    if (ch->seen == NULL) return false;
    struct mt_seen *s = *slot(ch, m->topic);
    bool known = s != NULL;
    if (known) {
        unlink_seen(ch, s);
        to_front(ch, s);
    } else if ((s = new_seen(ch, m->topic)) == NULL) {
        return false;
    }
    s->messages++;
    s->time_us = now_us;
    s->retained = m->retain;
    keep_payload(ch, s, m->payload);
    while (ch->nseen > SEEN_MAX || (ch->seen_bytes > SEEN_BYTES_MAX && ch->nseen > 1)) drop_oldest(ch);
    return !known;
}

void mt_seen_free(struct mt_channel *ch)
{
    while (ch->oldest) drop_oldest(ch);
    mem_free(ch->seen);
}

/* ---- a page of items ---- */

struct page {
    struct driver_browse_item *items;
    struct arena *a;
    size_t n, max, skip, at;
};

/* Room for one more, or NULL when it stands before the page or behind it. */
static struct driver_browse_item *add(struct page *p)
{
    if (p->at++ < p->skip || p->n == p->max) return NULL;
    struct driver_browse_item *i = &p->items[p->n++];
    *i = (struct driver_browse_item){.node = "", .name = ""};
    return i;
}

static const char *text_of(struct arena *a, struct str s)
{
    const char *z = arena_strdup(a, s);
    return z ? z : "";
}

static const char *cut_text(struct arena *a, struct str s)
{
    struct str part = str_sub(s, 0, VALUE_MAX);
    char *z = arena_printf(a, "%.*s%s", STR_ARG(part), part.n < s.n ? "…" : "");
    for (char *c = z; c && *c; c++)
        if ((unsigned char)*c < ' ') *c = ' ';
    return z ? z : "";
}

static bool is_text(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' && !strchr("\r\n\t", s.p[i])) return false;
    return true;
}

static const char *bytes_text(struct arena *a, struct str s)
{
    struct buf b;
    if (is_text(s)) return cut_text(a, s);
    buf_init(&b, 4096);
    hex_encode(&b, s.p, s.n < VALUE_MAX / 2 ? s.n : VALUE_MAX / 2);
    const char *z = arena_printf(a, "%.*s%s", (int)b.n, (const char *)b.p, s.n > VALUE_MAX / 2 ? "…" : "");
    buf_fini(&b);
    return z ? z : "";
}

/* ---- topics ---- */

static bool of_device(const struct mt_job *j, struct str topic)
{
    for (size_t i = 0; i < j->ndfilters; i++)
        if (mt_meets(j->dfilters[i], topic)) return true;
    return j->ndfilters == 0;
}

static int by_topic(const void *pa, const void *pb)
{
    const struct mt_seen *const *a = pa, *const *b = pb;
    return str_cmp((*a)->topic, (*b)->topic);
}

static void add_topic(struct page *p, const struct mt_job *j, const struct mt_seen *s)
{
    char t[TIME_TEXT_MAX];
    struct driver_browse_item *i = add(p);
    if (i == NULL) return;
    i->node = i->name = text_of(p->a, s->topic);
    i->description = arena_printf(p->a, "%llu × %s%s", (unsigned long long)s->messages,
                                  time_format(s->time_us / 1000 * 1000, t), s->retained ? " (retained 保留消息)" : "");
    i->value = bytes_text(p->a, str_make(s->payload, s->kept));
    i->children = j->format.form != FORM_TEXT;
    if (j->format.form == FORM_TEXT) i->address = i->name;
}

static void list_topics(const struct mt_channel *ch, const struct mt_job *j, struct page *p)
{
    AUTO_FREE const struct mt_seen **list = mem_calloc(ch->nseen + 1, sizeof *list);
    size_t n = 0;
    for (const struct mt_seen *s = ch->newest; s && list; s = s->older)
        if (of_device(j, s->topic)) list[n++] = s;
    if (n) qsort(list, n, sizeof *list, by_topic);
    for (size_t i = 0; i < n; i++) add_topic(p, j, list[i]);
}

/* ---- inside a payload ---- */

static void set_address(struct page *p, struct driver_browse_item *i, struct str topic, struct str place)
{
    i->address = arena_printf(p->a, "%.*s#%.*s", STR_ARG(topic), STR_ARG(place));
    i->node = i->address ? i->address : "";
    i->name = text_of(p->a, place);
}

static const struct json *record_of(const struct mt_format *f, const struct json *root)
{
    const struct json *first = f->records ? json_path_first(f->records, root) : NULL;
    return first ? first : root;
}

static void list_leaves(const struct mt_job *j, const struct mt_seen *s, struct page *p)
{
    struct json *root;
    struct error e;
    struct json_path_leaf *leaves = arena_calloc(p->a, LEAVES_MAX, sizeof *leaves);
    static const uint8_t types[] = {[JSON_BOOL] = VALUE_BOOL,
                                    [JSON_INT] = VALUE_DOUBLE,
                                    [JSON_DOUBLE] = VALUE_DOUBLE,
                                    [JSON_STRING] = VALUE_STRING,
                                    [JSON_OBJECT] = VALUE_AUTO};
    if (leaves == NULL || json_parse(p->a, str_make(s->payload, s->kept), &root, &e)) return;
    size_t n = json_path_leaves(record_of(&j->format, root), p->a, leaves, LEAVES_MAX);
    for (size_t k = 0; k < n; k++) {
        struct driver_browse_item *i = add(p);
        if (i == NULL) continue;
        set_address(p, i, s->topic, leaves[k].path);
        i->type = (enum value_type)types[leaves[k].value->type];
        i->value = leaves[k].value->type == JSON_STRING ? cut_text(p->a, leaves[k].value->s)
                                                        : cut_text(p->a, json_text(p->a, leaves[k].value));
    }
}

static void list_cells(const struct mt_job *j, const struct mt_seen *s, struct page *p)
{
    struct mt_payload payload = {.topic = s->topic, .bytes = str_make(s->payload, s->kept), .arena = p->a};
    struct mt_record *r;
    struct error e;
    size_t n;
    char number[24];
    if (mt_records(&j->format, &payload, &r, &n, &e) || n == 0) return;
    for (size_t k = 0; k < r[n - 1].ncells; k++) {
        struct driver_browse_item *i = add(p);
        if (i == NULL) continue;
        snprintf(number, sizeof number, "%zu", k + 1);
        bool named = k < r[n - 1].nnames && r[n - 1].names[k].n;
        set_address(p, i, s->topic, named ? r[n - 1].names[k] : str_of(number));
        i->value = cut_text(p->a, r[n - 1].cells[k]);
    }
}

static void list_bytes(const struct mt_job *j, const struct mt_seen *s, struct page *p)
{
    struct mt_payload payload = {.topic = s->topic, .bytes = str_make(s->payload, s->kept), .arena = p->a};
    struct mt_record *r;
    struct error e;
    size_t n;
    char place[24], value[8];
    if (mt_records(&j->format, &payload, &r, &n, &e) || n == 0) return;
    for (size_t k = 0; k < r->bytes.n; k++) {
        struct driver_browse_item *i = add(p);
        if (i == NULL) continue;
        snprintf(place, sizeof place, "%zu", k);
        snprintf(value, sizeof value, "0x%02x", (uint8_t)r->bytes.p[k]);
        set_address(p, i, s->topic, str_of(place));
        i->type = VALUE_UINT8;
        i->value = text_of(p->a, str_of(value));
    }
}

static bool fill(const struct mt_channel *ch, const struct mt_job *j, struct page *p)
{
    static void (*const inside[])(const struct mt_job *, const struct mt_seen *,
                                  struct page *) = {list_leaves, list_cells, NULL, list_bytes, list_bytes};
    if (j->node.n == 0) {
        list_topics(ch, j, p);
        return true;
    }
    const struct mt_seen *s = mt_seen_find(ch, j->node);
    if (s && inside[j->format.form]) inside[j->format.form](j, s, p);
    return s != NULL;
}

/* ---- the job ---- */

/* Below a topic that was seen, and with a subscription that has told something already: at once. */
bool mt_browse_ready(const struct mt_channel *ch, const struct mt_job *j)
{
    if (j->node.n) return mt_seen_find(ch, j->node) != NULL;
    if (j->ndfilters == 0 && !j->skip) return false;
    for (const struct mt_seen *s = ch->newest; s; s = s->older)
        if (of_device(j, s->topic) && (j->skip || (mqtt_client_up(ch->client) && s->time_us > ch->st.since_us)))
            return true;
    return false;
}

void mt_browse_answer(struct mt_channel *ch, struct mt_job *j)
{
    struct page p = {.a = &j->arena, .max = j->max, .skip = j->skip};
    struct error e;
    char next[24];
    p.items = arena_calloc(&j->arena, j->max, sizeof *p.items);
    if (p.items == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        j->done.browse(j->arg, &e, NULL, 0, NULL);
        return;
    }
    if (!fill(ch, j, &p)) {
        error_set(&e, ERR_NOT_FOUND, "node", "nothing came on '%.*s' yet", "“%.*s”尚无消息",
                  (int)(j->node.n < 100 ? j->node.n : 100), j->node.p);
        j->done.browse(j->arg, &e, NULL, 0, NULL);
        return;
    }
    snprintf(next, sizeof next, "%zu", p.skip + p.n);
    j->done.browse(j->arg, NULL, p.items, p.n, p.at > p.skip + p.n ? next : NULL);
}

static int prepare(struct mt_job *j, const struct driver_device *device, struct error *e)
{
    const struct options *o = device ? device->options : NULL;
    int rc = mt_filters_of(o, &j->arena, &j->dfilters, &j->ndfilters, e);
    if (!rc) rc = mt_format_of(o, &j->arena, &j->format, e);
    j->filters = arena_calloc(&j->arena, MT_FILTERS_MAX, sizeof *j->filters);
    if (!rc && !j->filters) rc = error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc) return rc;
    bool all = j->ndfilters == 0 || j->node.n;
    j->nfilters = all ? 1 : j->ndfilters;
    j->filters[0] = j->node.n ? j->node : STR("#");
    if (j->node.n && !mqtt_topic_ok(j->node))
        return error_set(e, ERR_NOT_FOUND, "node", "'%.*s' is no topic", "“%.*s”不是主题",
                         (int)(j->node.n < 100 ? j->node.n : 100), j->node.p);
    if (!all) memcpy(j->filters, j->dfilters, j->ndfilters * sizeof *j->filters);
    j->qos = (uint8_t)opt_i64(o, "qos", 1);
    return 0;
}

void mt_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor,
               size_t max, driver_browse_done *done, void *arg)
{
    struct mt_channel *ch = (struct mt_channel *)base;
    struct mt_job *j = mt_job_new(ch, JOB_BROWSE, arg);
    struct error e = {0};
    uint64_t skip = 0;
    if (j) j->node = arena_str(&j->arena, str_of(node ? node : ""));
    int rc = j ? prepare(j, device, &e) : error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (rc) {
        done(arg, &e, NULL, 0, NULL);
        if (j) arena_fini(&j->arena);
        mem_free(j);
        return;
    }
    if (cursor && str_to_u64(str_of(cursor), &skip)) skip = 0;
    j->done.browse = done;
    j->skip = (size_t)skip;
    j->max = max == 0 || max > 1000 ? 1000 : max;
    mt_job_push(ch, j);
}
