/* kinds.c - the kinds channel, device and point with the options of all drivers in them
 * (drivers/common/kind_options.h). What a driver requires and which range it allows is checked by validate.c against
 * the driver in question. */
#include "drivers/common/kind_options.h"
#include "modules/collect/collect.h"

#define DRIVERS_MAX 64

extern const struct str modules_collect_kinds[];
extern const char *const modules_collect_kinds_names[];

static const struct option *table_of(const struct driver *d, const char *file)
{
    if (strcmp(file, "area.json") == 0) return NULL;
    if (strcmp(file, "channel.json") == 0) return d->channel_options;
    return strcmp(file, "device.json") == 0 ? d->device_options : d->point_options;
}

static int add_kind(struct collect *c, struct str doc, const char *file, struct error *e)
{
    AUTO_ARENA a;
    struct str text;
    const struct option *tables[DRIVERS_MAX];
    size_t n = 0;
    arena_init(&a, 16 << 20);
    for (const struct driver *const *d = c->node->drivers; *d && n < DRIVERS_MAX; d++) tables[n++] = table_of(*d, file);
    int err = kind_with_options(doc, tables, n, &a, &text, e);
    return err ? err : kernel_kind_add(c->node->kernel, text, e);
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
