/* browse.c - what has been heard of each MN, configured or not: to pick points from, to add a device, to read.
 *
 * Nodes of a device: "" its commands, "2011" the fields of one. Beside its commands stand the MNs that nobody has
 * configured ("mn:…"), each with its fields below. Bounded: HJ_UNKNOWN_MAX strangers of HJ_STRANGE_MAX
 * fields, and as much of one message. */
#include <stdio.h>
#include <stdlib.h>
#include "drivers/hj212/hj212_int.h"

struct hj_seen *hj_seen_find(struct hj_channel *ch, struct str mn)
{
    for (struct hj_seen *s = ch->seen; s; s = s->next)
        if (str_is(mn, s->mn)) return s;
    return NULL;
}

static struct hj_seen *seen_new(struct hj_channel *ch, struct str mn, bool known)
{
    if (mn.n == 0 || (!known && ch->nunknown >= HJ_UNKNOWN_MAX)) return NULL;
    struct hj_seen *s = mem_calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    str_to_cstr(mn, s->mn, sizeof s->mn);
    s->known = known;
    s->next = ch->seen;
    ch->seen = s;
    ch->nunknown += !known;
    return s;
}

static struct hj_seen_field *field_of(struct hj_seen *s, unsigned cn, struct str name, size_t hint)
{
    if (hint < s->n && s->fields[hint].cn == cn && str_is(name, s->fields[hint].name)) return &s->fields[hint];
    for (size_t i = 0; i < s->n; i++)
        if (s->fields[i].cn == cn && str_is(name, s->fields[i].name)) return &s->fields[i];
    return NULL;
}

static struct hj_seen_field *field_add(struct hj_seen *s, unsigned cn, struct str name)
{
    if (s->n >= HJ_SEEN_MAX || name.n >= HJ_NAME_MAX) return NULL;
    if (!mem_grow((void **)&s->fields, &s->cap, s->n + 1, sizeof *s->fields)) return NULL;
    struct hj_seen_field *f = &s->fields[s->n++];
    *f = (struct hj_seen_field){.cn = cn};
    str_to_cstr(name, f->name, sizeof f->name);
    return f;
}

static void set_flag(struct hj_seen *s, unsigned cn, const struct hj212_field *flag, size_t at,
                     const struct hj212_field *all)
{
    for (size_t i = at; i-- > 0 && at - i < HJ_ITEM_MAX && all[i].item == flag->item;) { /* of the fields before it */
        struct hj_seen_field *f = str_eq(all[i].code, flag->code) ? field_of(s, cn, all[i].name, SIZE_MAX) : NULL;
        if (f) str_to_cstr(flag->value, f->flag, sizeof f->flag);
    }
}

static bool is_head(struct str name)
{
    return str_is(name, "DataTime") || str_is(name, "QN") || str_is(name, "PolId") || str_is(name, "InfoId");
}

/* The fields of the message stand in ch->fields. Those of a device that sends the same message again and again are
 * found at the place where the last one stood. */
void hj_seen_message(struct hj_channel *ch, const struct hj_conn *c, const struct hj212_message *m, bool known,
                     int64_t time_us)
{
    struct hj_seen *s = hj_seen_find(ch, m->mn);
    size_t hint = 0;
    if (s == NULL) s = seen_new(ch, m->mn, known);
    if (s == NULL) return;
    if (s->known != known) ch->nunknown = known ? ch->nunknown - 1 : ch->nunknown + 1;
    s->known = known;
    s->messages++;
    s->last_us = hj_utc(ch);
    if (m->st != 91) s->st = m->st;
    str_to_cstr(str_of(c->peer), s->peer, sizeof s->peer);
    for (size_t i = 0; i < ch->nfields && i < (known ? HJ_SEEN_MAX : HJ_STRANGE_MAX); i++) {
        const struct hj212_field *f = &ch->fields[i];
        if (is_head(f->name)) continue;
        struct hj_seen_field *to = field_of(s, m->cn, f->name, hint);
        if (to == NULL) to = field_add(s, m->cn, f->name);
        if (to == NULL) continue;
        hint = (size_t)(to - s->fields) + 1;
        hj212_text(f->value, to->value, sizeof to->value);
        to->time_us = time_us;
        if (str_is(f->attr, "Flag")) set_flag(s, m->cn, f, i, ch->fields);
    }
}

const struct hj_seen_field *hj_seen_value(struct hj_channel *ch, struct str mn, unsigned cn, struct str name)
{
    struct hj_seen *s = hj_seen_find(ch, mn);
    return s && name.n ? field_of(s, cn, name, SIZE_MAX) : NULL;
}

void hj_seen_free(struct hj_channel *ch)
{
    for (struct hj_seen *s = ch->seen, *next; s; s = next) {
        next = s->next;
        mem_free(s->fields);
        mem_free(s);
    }
    ch->seen = NULL;
}

/* ---- browsing ---- */

#define TEXT 160
struct page {
    struct driver_browse_item *items;
    char (*texts)[4][TEXT]; /* node, name, description, address of each */
    size_t n, max, skip, at;
};

/* Room for one more, or NULL when it stands before the page or behind it. */
static struct driver_browse_item *add(struct page *p)
{
    if (p->at++ < p->skip || p->n == p->max) return NULL;
    struct driver_browse_item *i = &p->items[p->n];
    char(*t)[TEXT] = p->texts[p->n++];
    *i = (struct driver_browse_item){.node = t[0], .name = t[1], .description = t[2]};
    return i;
}

static void add_field(struct page *p, const struct hj_seen_field *f, bool address)
{
    const struct hj212_code *code, *attr;
    struct str name = str_of(f->name), rest = name;
    struct driver_browse_item *i = add(p);
    if (i == NULL) return;
    char(*t)[TEXT] = p->texts[p->n - 1];
    code = hj212_code(str_cut(&rest, '-'));
    attr = hj212_attr(rest);
    snprintf(t[0], TEXT, "%u/%s", f->cn, f->name);
    snprintf(t[1], TEXT, "%s", f->name);
    snprintf(t[2], TEXT, "%s%s%s%s%s", code ? code->zh : "", code ? " " : "", code ? code->en : "",
             attr && code ? ", " : "", attr ? attr->en : "");
    snprintf(t[3], TEXT, "%u/%s", f->cn, f->name);
    if (address) i->address = t[3];
    struct hj_address a;
    i->type = hj_address_parse(t[3], &a, NULL) ? VALUE_AUTO : hj_address_type(&a);
    i->value = f->value;
    i->unit = code && code->unit[0] && i->type == VALUE_DOUBLE ? code->unit : NULL;
}

static void add_command(struct page *p, unsigned cn)
{
    const struct hj212_command *c = hj212_command(cn);
    struct driver_browse_item *i = add(p);
    if (i == NULL) return;
    char(*t)[TEXT] = p->texts[p->n - 1];
    snprintf(t[0], TEXT, "%u", cn);
    snprintf(t[1], TEXT, "%u", cn);
    snprintf(t[2], TEXT, "%s %s", c ? c->zh : "", c ? c->en : "");
    i->children = true;
}

static void add_stranger(struct page *p, const struct hj_seen *s)
{
    const struct hj212_number *st = hj212_system((int)s->st);
    struct driver_browse_item *i = add(p);
    if (i == NULL) return;
    char(*t)[TEXT] = p->texts[p->n - 1];
    snprintf(t[0], TEXT, "mn:%s", s->mn);
    snprintf(t[1], TEXT, "MN %s", s->mn);
    snprintf(t[2], TEXT, "未配置 not configured: %s (ST %u), %llu messages from %s", st ? st->en : "", s->st,
             (unsigned long long)s->messages, s->peer);
    i->children = true;
}

static void add_special(struct page *p, const char *address, const char *text, enum value_type type, bool writable)
{
    struct driver_browse_item *i = add(p);
    if (i == NULL) return;
    char(*t)[TEXT] = p->texts[p->n - 1];
    snprintf(t[0], TEXT, "%s", address);
    snprintf(t[1], TEXT, "%s", address);
    snprintf(t[2], TEXT, "%s", text);
    snprintf(t[3], TEXT, "%s", address);
    i->address = t[3];
    i->type = type;
    i->writable = writable;
}

static const struct {
    const char *address, *text;
    enum value_type type;
    bool writable;
} specials[] = {
    {"clock", "仪器时钟偏差（秒） clock of the instrument minus ours, s", VALUE_DOUBLE, false},
    {"set/RtdInterval", "实时数据间隔（秒） interval of real-time data, s", VALUE_INT32, true},
    {"set/MinInterval", "分钟数据间隔（分钟） interval of minute data, min", VALUE_INT32, true},
    {"set/SystemTime", "设置现场机时间 set its time: 'now' or yyyymmddhhmmss", VALUE_STRING, true},
    {"recall/2051", "补传分钟数据（小时） ask for minute data of the last hours", VALUE_DOUBLE, true},
    {"recall/2061", "补传小时数据（小时） ask for hour data of the last hours", VALUE_DOUBLE, true},
};

static void list_commands(struct page *p, const struct hj_seen *s)
{
    for (size_t i = 0; s && i < s->n; i++) {
        bool first = true;
        for (size_t k = 0; k < i && first; k++) first = s->fields[k].cn != s->fields[i].cn;
        if (first) add_command(p, s->fields[i].cn);
    }
}

static bool fill(struct hj_channel *ch, struct page *p, struct str mn, struct str node)
{
    uint64_t cn = 0;
    const struct hj_seen *s = hj_seen_find(ch, mn);
    if (str_starts(node, STR("mn:"))) {
        s = hj_seen_find(ch, str_sub(node, 3, node.n));
        for (size_t i = 0; s && i < s->n; i++) add_field(p, &s->fields[i], false);
        return s != NULL;
    }
    if (node.n) {
        if (str_to_u64(node, &cn)) return false;
        for (size_t i = 0; s && i < s->n; i++)
            if (s->fields[i].cn == cn) add_field(p, &s->fields[i], true);
        return s != NULL;
    }
    list_commands(p, s);
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
        add_special(p, specials[i].address, specials[i].text, specials[i].type, specials[i].writable);
    for (const struct hj_seen *u = ch->seen; u; u = u->next)
        if (!u->known && hj_device_by_mn(ch, str_of(u->mn)) == NULL) add_stranger(p, u);
    return true;
}

void hj_browse(struct driver_channel *base, const struct driver_device *device, const char *node, const char *cursor,
               size_t max, driver_browse_done *done, void *arg)
{
    struct hj_channel *ch = (struct hj_channel *)base;
    struct error e;
    char next[24];
    uint64_t skip = 0;
    if (cursor && str_to_u64(str_of(cursor), &skip)) skip = 0;
    if (max == 0 || max > 1000) max = 1000;
    AUTO_FREE struct driver_browse_item *items = mem_calloc(max, sizeof *items);
    AUTO_FREE void *texts = mem_calloc(max, sizeof(char[4][TEXT]));
    struct page p = {.items = items, .texts = texts, .max = max, .skip = skip};
    hj_listen(ch);
    if (items == NULL || texts == NULL) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e, NULL, 0, NULL);
        return;
    }
    if (!fill(ch, &p, str_of(device ? opt_str(device->options, "mn", "") : ""), str_of(node ? node : ""))) {
        error_set(&e, ERR_NOT_FOUND, "node", "nothing came under '%.80s' yet", "“%.80s”下尚无数据", node ? node : "");
        done(arg, &e, NULL, 0, NULL);
        return;
    }
    snprintf(next, sizeof next, "%zu", (size_t)skip + p.n);
    done(arg, NULL, items, p.n, p.at > skip + p.n ? next : NULL);
}
