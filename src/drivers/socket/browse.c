/* browse.c - the last frames that came, and below each what could be an address in it, with its value: how a user finds
 * out where his values stand. Nothing is asked of the device.
 *
 * Nodes: "" the frames of the device, then those of nobody; "d3", "s3" a frame of the ring. */
#include "base/time.h"
#include "drivers/socket/socket_int.h"
#include "base/json_path.h"

#define ITEMS_MAX 200

void ring_add(struct sk_ring *r, int64_t time_us, const struct sk_link *l, const uint8_t *p, size_t n)
{
    struct sk_seen **s = &r->at[r->next];
    if (*s == NULL) *s = mem_alloc(sizeof **s);
    if (*s == NULL) return;
    r->next = (r->next + 1) % SK_SEEN;
    (*s)->time_us = time_us;
    (*s)->n = n < SK_SEEN_BYTES ? n : SK_SEEN_BYTES;
    snprintf((*s)->peer, sizeof(*s)->peer, "%s:%u", l->host, l->port);
    memcpy((*s)->bytes, p, (*s)->n);
}

void ring_free(struct sk_ring *r)
{
    for (int i = 0; i < SK_SEEN; i++) mem_free(r->at[i]);
    *r = (struct sk_ring){0};
}

struct list {
    struct sk_channel *ch;
    struct arena a;
    struct driver_browse_item items[ITEMS_MAX];
    size_t n, max;
};

static struct driver_browse_item *add(struct list *l)
{
    if (l->n >= l->max || l->n >= ITEMS_MAX) return NULL;
    l->items[l->n] = (struct driver_browse_item){.name = "", .type = VALUE_AUTO};
    return &l->items[l->n++];
}

/* ---- frames ---- */

static void add_frame(struct list *l, const struct sk_seen *s, char ring, unsigned at)
{
    char time[TIME_TEXT_MAX], text[200];
    struct driver_browse_item *it = add(l);
    if (it == NULL) return;
    bytes_show(s->bytes, s->n, text, sizeof text);
    time_format(s->time_us, time);
    it->node = arena_printf(&l->a, "%c%u", ring, at);
    it->name = arena_printf(&l->a, "%s %s", time, s->peer);
    it->description = arena_printf(&l->a, "%zu B%s", s->n, ring == 's' ? " ?" : "");
    it->value = arena_printf(&l->a, "%s", text);
    it->children = true;
    if (!it->node || !it->name) l->n--;
}

static void add_ring(struct list *l, const struct sk_ring *r, char name)
{
    for (unsigned k = 1; k <= SK_SEEN; k++) {
        unsigned at = (r->next + SK_SEEN - k) % SK_SEEN;
        if (r->at[at] && r->at[at]->n) add_frame(l, r->at[at], name, at);
    }
}

/* ---- what stands in a frame ---- */

static void add_field(struct list *l, const char *address, enum value_type t, const struct json *v)
{
    char number[40];
    double x;
    size_t used;
    struct driver_browse_item *it = add(l);
    if (it == NULL) return;
    struct str text = v->type == JSON_STRING ? v->s : json_text(&l->a, v);
    if (v->type == JSON_DOUBLE) {
        snprintf(number, sizeof number, "%.7g", v->d);
        text = str_of(number);
    }
    it->name = it->address = arena_printf(&l->a, "%s", address);
    it->value = arena_printf(&l->a, "%.*s", text.n < 200 ? (int)text.n : 200, text.p ? text.p : "");
    it->type = v->type == JSON_STRING && !field_number(v->s, &x, &used) ? VALUE_STRING : t;
    if (!it->name || !it->value) l->n--;
}

static bool try_field(struct list *l, struct field_frame *fr, const char *address)
{
    struct field *f;
    struct field_value v;
    if (field_new(str_of(address), VALUE_AUTO, &f, NULL)) return false;
    bool ok = field_get(f, fr, &v, NULL) == 0;
    if (ok) add_field(l, address, field_type(f), &v.v);
    field_free(f);
    return ok;
}

static bool add_json(struct list *l, struct field_frame *fr)
{
    struct json_path_leaf leaves[ITEMS_MAX];
    struct json *root = NULL;
    if (json_parse(&l->a, str_make((const char *)fr->p, fr->n), &root, NULL) || json_count(root) == 0) return false;
    size_t n = json_path_leaves(root, &l->a, leaves, ITEMS_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct json *v = leaves[i].value;
        const char *address = arena_printf(&l->a, "json:%.*s", STR_ARG(leaves[i].path));
        if (address)
            add_field(l, address,
                      v->type == JSON_STRING ? VALUE_STRING
                      : v->type == JSON_BOOL ? VALUE_BOOL
                                             : VALUE_DOUBLE,
                      v);
    }
    return n > 0;
}

static bool is_text(const struct field_frame *fr)
{
    size_t odd = 0;
    for (size_t i = 0; i < fr->n; i++) odd += fr->p[i] < 9 || (fr->p[i] > 13 && fr->p[i] < ' ');
    return odd * 8 <= fr->n;
}

static void add_texts(struct list *l, struct field_frame *fr)
{
    char address[40];
    bool more = true;
    try_field(l, fr, "text");
    for (unsigned i = 1; i <= 40 && more; i++) {
        snprintf(address, sizeof address, "field %u", i);
        more = try_field(l, fr, address);
    }
    more = true;
    for (unsigned i = 1; i <= 40 && more; i++) {
        snprintf(address, sizeof address, "number %u", i);
        more = try_field(l, fr, address);
    }
}

static void add_bytes(struct list *l, struct field_frame *fr)
{
    static const char *const types[] = {"uint8", "int16", "uint16:LE", "float", "float:LE"};
    char address[40];
    for (size_t k = 0; k < sizeof types / sizeof *types; k++) {
        for (size_t at = 0; at < fr->n && at < 64; at++) {
            snprintf(address, sizeof address, "%zu:%s", at, types[k]);
            if (!try_field(l, fr, address)) break;
        }
    }
}

static int fill(struct list *l, const char *node, const struct sk_ring *r, struct error *e)
{
    const struct sk_ring *from = node[0] == 's' ? &l->ch->strangers : r;
    unsigned at = node[0] && node[1] >= '0' && node[1] <= '9' && node[2] == 0 ? (unsigned)(node[1] - '0') : SK_SEEN;
    if (node[0] == 0) {
        if (r) add_ring(l, r, 'd');
        add_ring(l, &l->ch->strangers, 's');
        return 0;
    }
    if (at >= SK_SEEN || from == NULL || from->at[at] == NULL)
        return error_set(e, ERR_NOT_FOUND, "node", "that frame is not kept any more: look at the list again",
                         "该帧已不再保留：请重新打开列表");
    struct field_frame fr = frame_view(l->ch, from->at[at]->bytes, from->at[at]->n);
    if (add_json(l, &fr)) return 0;
    if (is_text(&fr))
        add_texts(l, &fr);
    else
        add_bytes(l, &fr);
    return 0;
}

void sk_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor,
               size_t max, driver_browse_done *done, void *arg)
{
    struct error e;
    struct list *l = mem_calloc(1, sizeof *l);
    if (l == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e, NULL, 0, NULL);
        return;
    }
    l->ch = (struct sk_channel *)base;
    l->max = max;
    arena_init(&l->a, 1u << 20);
    const struct sk_device *d = sk_twin(l->ch, device ? device->options : NULL);
    int rc = fill(l, node ? node : "", d ? &d->seen : NULL, &e);
    done(arg, rc ? &e : NULL, rc ? NULL : l->items, rc ? 0 : l->n, NULL);
    arena_fini(&l->a);
    mem_free(l);
}
