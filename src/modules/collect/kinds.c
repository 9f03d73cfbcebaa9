/* kinds.c - the kinds channel, device and point with the options of all drivers in them: the member
 * "options" of each document becomes an object whose fields are those of every driver's table, so that
 * CSV columns, the API's schema and unknown-member checks know them. What a driver requires and which
 * range it allows is checked by validate.c against the driver in question. */
#include "base/mem.h"
#include "drivers/common/options.h"
#include "modules/collect/collect.h"

extern const struct str modules_collect_kinds[];
extern const char *const modules_collect_kinds_names[];

static const struct option *table_of(const struct driver *d, const char *file)
{
    if (strcmp(file, "area.json") == 0) return NULL;
    if (strcmp(file, "channel.json") == 0) return d->channel_options;
    return strcmp(file, "device.json") == 0 ? d->device_options : d->point_options;
}

/* The fields of one table, without what only its driver can say. */
static void add_fields(struct arena *a, struct json *fields, const struct option *table)
{
    struct buf b;
    struct json *own;
    buf_init(&b, 1 << 20);
    struct json_writer w = json_writer(&b);
    options_json(&w, table);
    struct str text = arena_str(a, buf_view(&b));
    buf_fini(&b);
    if (json_parse(a, text, &own, NULL)) return;
    for
        json_each (it, own) {
            struct json *f = json_copy(a, it);
            struct str name = json_str(json_get(f, "name"), STR(""));
            bool have = false;
        for
            json_each (old, fields) have |= str_eq(json_str(json_get(old, "name"), STR("")), name);
        if (have) continue;
        static const char *const leave_out[] = {"required", "default", "show_if", "min", "max"};
        for (size_t i = 0; i < sizeof leave_out / sizeof *leave_out; i++) json_remove(f, str_of(leave_out[i]));
        json_push(fields, f);
        }
}

static int add_kind(struct collect *c, struct str doc, const char *file, struct error *e)
{
    AUTO_ARENA a;
    struct json *root;
    arena_init(&a, 4 << 20);
    int err = json_parse(&a, doc, &root, e);
    if (err) return err;
    for (struct json *f = json_get(root, "fields")->child; f; f = f->next) {
        if (!str_is(json_str(json_get(f, "name"), STR("")), "options")) continue;
        struct json *fields = json_new_array(&a);
        for (const struct driver *const *d = c->node->drivers; *d; d++) add_fields(&a, fields, table_of(*d, file));
        if (json_count(fields) == 0) continue;
        json_set(f, &a, STR("type"), json_new_str(&a, STR("object")));
        json_set(f, &a, STR("fields"), fields);
    }
    struct str text = json_text(&a, root);
    return text.p ? kernel_kind_add(c->node->kernel, text, e)
                  : error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

int collect_kinds_add(struct collect *c, struct error *e)
{
    int err = 0;
    static const char *const order[] = {"area.json", "channel.json", "device.json",
                                        "point.json"}; /* what is referred to first */
    for (size_t i = 0; i < sizeof order / sizeof *order && !err; i++)
        for (size_t k = 0; modules_collect_kinds[k].p && !err; k++)
            if (strcmp(modules_collect_kinds_names[k], order[i]) == 0)
                err = add_kind(c, modules_collect_kinds[k], order[i], e);
    return err;
}
