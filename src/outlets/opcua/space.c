/* space.c - the plant as nodes: folders from the paths of areas, devices as objects, points as variables.
 *
 * NodeIds   ns=2;s=CODE          a point (its address may say otherwise, always in namespace 2)
 *           ns=1;s=area:A/B      a folder; ns=1;s=device:A/B/CODE an object; ns=1;s=points: what has neither
 *           ns=1;s=EURange:ns=2;s=CODE   a property of a point
 * The set is built beside the old one and then takes its place; monitored items go over by NodeId. Read only after
 * that. */
#include "outlets/opcua/server_int.h"

#define LOOSE "points:"

static const char *const prop_names[PROP_COUNT] = {"EURange", "EngineeringUnits", "TrueState", "FalseState"};

/* ---- addresses ---- */

static int bad_address(struct str text, struct error *e)
{
    return error_set(e, ERR_INVALID, "address",
                     "address '%.*s': points stand in namespace 2, e.g. ns=2;s=Tank.Level or Tank.Level",
                     "地址“%.*s”：测点位于命名空间 2，例如 ns=2;s=Tank.Level 或 Tank.Level",
                     (int)(text.n > 100 ? 100 : text.n), text.p ? text.p : "");
}
/* A NodeId, or a mere name: ns=2;s=name. */
int os_address(struct str text, struct arena *a, struct ua_nodeid *ret, struct error *e)
{
    struct ua_expanded x = {0};
    bool id = str_starts(text, STR("ns=")) || str_starts(text, STR("i=")) || str_starts(text, STR("s=")) ||
              str_starts(text, STR("nsu=")) || str_starts(text, STR("svr="));
    if (text.n == 0 || text.n > 140) return bad_address(text, e);
    if (!id) {
        *ret = ua_id_str(OS_NS_POINTS, text);
        return 0;
    }
    if (ua_nodeid_parse(a, text, &x, e)) return ERR_INVALID;
    if (x.uri.p || x.server || x.id.ns != OS_NS_POINTS) return bad_address(text, e);
    if (x.id.kind == UA_ID_STRING && x.id.s.n == 0) return bad_address(text, e);
    *ret = x.id;
    return 0;
}

/* ---- finding ---- */

static uint32_t mask_of(uint32_t n)
{
    uint32_t size = 16;
    while (size < n * 2) size *= 2;
    return size - 1;
}
uint32_t os_slot_of(const struct os_space *p, const struct ua_nodeid *id)
{
    uint32_t at = (uint32_t)ua_nodeid_hash(id, hash_seed()) & p->id_mask;
    for (; p->by_id[at]; at = (at + 1) & p->id_mask)
        if (ua_nodeid_eq(&p->points[p->by_id[at] - 1].id, id)) return p->by_id[at] - 1;
    return OS_UNBOUND;
}
static uint32_t folder_of(const struct os_space *p, struct str key)
{
    if (key.p == NULL) return OS_UNBOUND;
    uint32_t at = (uint32_t)str_hash(key, hash_seed()) & p->key_mask;
    for (; p->by_key[at]; at = (at + 1) & p->key_mask)
        if (str_eq(p->folders[p->by_key[at] - 1].key, key)) return p->by_key[at] - 1;
    return OS_UNBOUND;
}

/* parent: folder, OS_UNBOUND: the Objects folder. */
uint64_t os_name_hash(uint32_t parent, struct str name)
{
    return str_hash(name, hash_seed()) ^ parent * 0x9e3779b97f4a7c15ull;
}

bool os_has_prop(const struct os_point *p, unsigned prop)
{
    bool number = p->type != UA_STRING && p->type != UA_BOOLEAN;
    if (prop == PROP_EU_RANGE) return number && isfinite(p->lo) && isfinite(p->hi);
    if (prop == PROP_UNITS) return number && p->unit.n > 0;
    return p->type == UA_BOOLEAN;
}

/* "EURange:ns=2;s=CODE" */
static struct os_node find_prop(const struct os_server *s, struct str text)
{
    struct os_node none = {0};
    struct ua_nodeid id;
    AUTO_ARENA a;
    arena_init(&a, 4096);
    for (unsigned k = 0; k < PROP_COUNT; k++) {
        size_t n = strlen(prop_names[k]);
        if (!str_starts(text, str_of(prop_names[k])) || text.n <= n || text.p[n] != ':') continue;
        if (os_address(str_sub(text, n + 1, text.n), &a, &id, NULL)) return none;
        uint32_t slot = os_slot_of(s->space, &id);
        return slot != OS_UNBOUND && os_has_prop(&s->space->points[slot], k) ? os_node_make(OS_PROP, slot, k) : none;
    }
    return none;
}
struct os_node os_node_find(const struct os_server *s, const struct ua_nodeid *id)
{
    if (id->ns == 0) return id->kind == UA_ID_NUMBER ? os_node_base(id->i) : (struct os_node){0};
    if (id->ns == OS_NS_POINTS) {
        uint32_t slot = os_slot_of(s->space, id);
        return slot == OS_UNBOUND ? (struct os_node){0} : os_node_make(OS_POINT, slot, 0);
    }
    if (id->ns != 1 || id->kind != UA_ID_STRING) return (struct os_node){0};
    uint32_t folder = folder_of(s->space, id->s);
    return folder != OS_UNBOUND ? os_node_make(OS_FOLDER, folder, 0) : find_prop(s, id->s);
}
struct ua_nodeid os_space_id(const struct os_space *p, const struct os_node *n, struct arena *a)
{
    if (n->kind == OS_BASE) return ua_id(0, os_bases[n->i].id);
    if (n->kind == OS_FOLDER) return ua_id_str(1, p->folders[n->i].key);
    if (n->kind == OS_POINT) return p->points[n->i].id;
    struct buf b;
    buf_init(&b, 1024);
    buf_printf(&b, "%s:", prop_names[n->prop]);
    ua_nodeid_text(&b, &p->points[n->i].id);
    struct ua_nodeid id = ua_id_str(1, arena_str(a, buf_view(&b)));
    buf_fini(&b);
    return id;
}

struct ua_nodeid os_node_id(const struct os_server *s, const struct os_node *n, struct arena *a)
{
    return os_space_id(s->space, n, a);
}

/* Does the point lie below this node? */
bool os_inside(const struct os_server *s, uint32_t slot, const struct os_node *folder)
{
    const struct os_space *p = s->space;
    if (folder->kind == OS_BASE) return os_bases[folder->i].id == UA_NODE_SERVER;
    if (folder->kind != OS_FOLDER) return false;
    for (uint32_t f = p->points[slot].folder; f != OS_UNBOUND; f = p->folders[f].parent)
        if (f == folder->i) return true;
    return false;
}

/* ---- building ---- */

static bool grow_folders(struct os_space *p)
{
    if (p->nfolders < p->cfolders) return true;
    uint32_t cap = p->cfolders ? p->cfolders * 2 : 64;
    struct os_folder *f = mem_realloc(p->folders, cap * sizeof *f);
    if (f == NULL) return false;
    p->folders = f;
    p->cfolders = cap;
    return true;
}
static bool rehash(struct os_space *p)
{
    uint32_t mask = mask_of(p->cfolders);
    uint32_t *table = mem_calloc((size_t)mask + 1, sizeof *table);
    if (table == NULL) return false;
    mem_free(p->by_key);
    p->by_key = table;
    p->key_mask = mask;
    for (uint32_t i = 0; i < p->nfolders; i++) {
        uint32_t at = (uint32_t)str_hash(p->folders[i].key, hash_seed()) & mask;
        while (table[at]) at = (at + 1) & mask;
        table[at] = i + 1;
    }
    return true;
}
static void hang_folder(struct os_space *p, uint32_t i, uint32_t parent)
{
    uint32_t *first = parent == OS_UNBOUND ? &p->first_folder : &p->folders[parent].first_folder;
    uint32_t *last = parent == OS_UNBOUND ? &p->last_folder : &p->folders[parent].last_folder;
    if (*first == OS_UNBOUND)
        *first = i;
    else
        p->folders[*last].next_folder = i;
    *last = i;
}
/* Find or make; OS_UNBOUND: out of memory. */
static uint32_t folder(struct os_space *p, struct str key, struct str name, uint32_t parent, bool device)
{
    uint32_t i = p->key_mask ? folder_of(p, key) : OS_UNBOUND;
    if (i != OS_UNBOUND) return i;
    bool full = p->nfolders == p->cfolders;
    if (!grow_folders(p) || (full && !rehash(p))) return OS_UNBOUND;
    i = p->nfolders;
    struct os_folder f = {.key = arena_str(&p->a, key),
                          .name = arena_str(&p->a, name),
                          .parent = parent,
                          .device = device,
                          .first_folder = OS_UNBOUND,
                          .last_folder = OS_UNBOUND,
                          .next_folder = OS_UNBOUND,
                          .first_point = OS_UNBOUND,
                          .last_point = OS_UNBOUND};
    if (f.key.p == NULL || f.name.p == NULL) return OS_UNBOUND;
    p->folders[p->nfolders++] = f;
    uint32_t at = (uint32_t)str_hash(key, hash_seed()) & p->key_mask;
    while (p->by_key[at]) at = (at + 1) & p->key_mask;
    p->by_key[at] = i + 1;
    hang_folder(p, i, parent);
    return i;
}
/* The folders of "A/B/C", each below the one before. */
static uint32_t areas(struct os_space *p, struct str path, bool *ok)
{
    char key[700];
    uint32_t at = OS_UNBOUND;
    struct str rest = path;
    size_t used = 0;
    for (unsigned depth = 0; rest.p && depth < 32; depth++) {
        struct str part = str_cut(&rest, '/');
        if (part.n == 0) continue;
        used = (size_t)(part.p + part.n - path.p);
        int n = snprintf(key, sizeof key, "area:%.*s", (int)used, path.p);
        if (n < 0 || (size_t)n >= sizeof key) break;
        at = folder(p, str_make(key, (size_t)n), part, at, false);
        if (at == OS_UNBOUND) *ok = false;
    }
    return at;
}
static uint32_t place(struct os_space *p, const struct outlet_point *o, bool *ok)
{
    char key[900];
    struct str area = str_of(o->area ? o->area : ""), device = str_of(o->device ? o->device : "");
    uint32_t at = areas(p, area, ok);
    if (device.n) {
        int n = snprintf(key, sizeof key, "device:%.*s%s%.*s", (int)(area.n > 600 ? 600 : area.n), area.p,
                         area.n ? "/" : "", (int)(device.n > 200 ? 200 : device.n), device.p);
        at = folder(p, str_make(key, (size_t)n), device, at, true);
    } else if (at == OS_UNBOUND) {
        at = folder(p, STR(LOOSE), STR("Points"), OS_UNBOUND, false);
    }
    if (at == OS_UNBOUND) *ok = false;
    return at;
}
static void hang_point(struct os_space *p, uint32_t slot)
{
    struct os_folder *f = &p->folders[p->points[slot].folder];
    if (f->first_point == OS_UNBOUND)
        f->first_point = slot;
    else
        p->points[f->last_point].next = slot;
    f->last_point = slot;
}

/* The type of a point that leaves it open: that of its value, when there is one. */
static uint8_t type_of(const struct os_server *s, const struct outlet_point *o, uint32_t slot)
{
    const struct outlet_host *h = s->base.host;
    struct sample x;
    size_t n = 0;
    uint8_t t = os_wire_type(o->type);
    if (t != UA_NULL) return t;
    if (!h->current(h->ctx, slot, &x, NULL, 0, &n)) return UA_NULL;
    return os_type_of_sample(&x);
}
static bool take_point(struct os_server *s, struct os_space *p, const struct outlet_point *o, uint32_t slot)
{
    struct os_point *q = &p->points[slot];
    struct ua_nodeid id = {0};
    bool ok = true;
    struct str address = str_of(o->address && o->address[0] ? o->address : o->code);
    struct str name = str_of(o->name && o->name[0] ? o->name : o->code);
    *q = (struct os_point){
        .folder = OS_UNBOUND, .next = OS_UNBOUND, .lo = o->lo, .hi = o->hi, .writable = o->writable, .step = o->step};
    q->code = arena_str(&p->a, str_of(o->code));
    q->name = arena_str(&p->a, name);
    q->unit = arena_str(&p->a, str_of(o->unit ? o->unit : ""));
    address = arena_str(&p->a, address);
    if (q->code.p == NULL || q->name.p == NULL || q->unit.p == NULL || address.p == NULL) return false;
    if (os_address(address, &p->a, &id, NULL) || os_slot_of(p, &id) != OS_UNBOUND) {
        p->left_out++; /* shown nowhere */
        return true;
    }
    q->type = type_of(s, o, slot);
    q->id = id;
    uint32_t at = (uint32_t)ua_nodeid_hash(&id, hash_seed()) & p->id_mask;
    while (p->by_id[at]) at = (at + 1) & p->id_mask;
    p->by_id[at] = slot + 1;
    q->folder = place(p, o, &ok);
    if (ok) hang_point(p, slot);
    return ok;
}

void os_space_free(struct os_space *p)
{
    if (p == NULL) return;
    arena_fini(&p->a);
    mem_free(p->points);
    mem_free(p->folders);
    mem_free(p->by_id);
    mem_free(p->by_key);
    mem_free(p->by_name);
    mem_free(p);
}
static struct os_space *new_space(size_t n)
{
    struct os_space *p = mem_calloc(1, sizeof *p);
    if (p == NULL) return NULL;
    arena_init(&p->a, (size_t)4 << 30);
    p->id_mask = mask_of((uint32_t)n);
    p->first_folder = p->last_folder = OS_UNBOUND;
    p->points = mem_calloc(n ? n : 1, sizeof *p->points);
    p->by_id = mem_calloc((size_t)p->id_mask + 1, sizeof *p->by_id);
    bool ok = p->points && p->by_id && grow_folders(p) && rehash(p);
    if (ok) return p;
    os_space_free(p);
    return NULL;
}
static void put_name(struct os_space *p, uint32_t parent, struct str name, uint32_t entry)
{
    uint32_t at = (uint32_t)os_name_hash(parent, name) & p->name_mask;
    while (p->by_name[at]) at = (at + 1) & p->name_mask;
    p->by_name[at] = entry;
}
static bool index_names(struct os_space *p)
{
    p->name_mask = mask_of(p->npoints + p->nfolders);
    p->by_name = mem_calloc((size_t)p->name_mask + 1, sizeof *p->by_name);
    if (p->by_name == NULL) return false;
    for (uint32_t i = 0; i < p->nfolders; i++)
        put_name(p, p->folders[i].parent, p->folders[i].name, (i + 1) | OS_IS_FOLDER);
    for (uint32_t i = 0; i < p->npoints; i++)
        if (p->points[i].folder != OS_UNBOUND) put_name(p, p->points[i].folder, p->points[i].code, i + 1);
    return true;
}
/* The same nodes in the same places? */
static bool same_nodes(const struct os_space *a, const struct os_space *b)
{
    if (a->npoints != b->npoints || a->nfolders != b->nfolders) return false;
    for (uint32_t i = 0; i < a->npoints; i++)
        if (!ua_nodeid_eq(&a->points[i].id, &b->points[i].id) || a->points[i].folder != b->points[i].folder)
            return false;
    for (uint32_t i = 0; i < a->nfolders; i++)
        if (!str_eq(a->folders[i].key, b->folders[i].key)) return false;
    return true;
}
int os_space_set(struct os_server *s, const struct outlet_point *points, size_t n, struct error *e)
{
    struct os_space *p = new_space(n), *old = s->space;
    struct os_item **by_slot = mem_calloc(n ? n : 1, sizeof *by_slot);
    bool ok = p && by_slot;
    for (uint32_t i = 0; ok && i < n; i++) {
        ok = take_point(s, p, &points[i], i);
        if (ok) p->npoints = i + 1;
    }
    ok = ok && index_names(p);
    if (!ok) {
        os_space_free(p);
        mem_free(by_slot);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    p->version = old ? old->version + 1 : 1;
    bool other = old && !same_nodes(old, p);
    s->space = p;
    mem_free(s->by_slot);
    s->by_slot = by_slot;
    if (old) os_items_moved(s, old);
    os_space_free(old);
    if (other) os_event_model(s);
    return 0;
}
