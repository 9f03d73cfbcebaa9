/* registry.c - see registry.h. */
#include "drivers/common/registry.h"
#include "drivers/common/options.h"

static const struct {
    const char *name;
    unsigned bytes;
    const char *en, *zh;
} types[] = {
#define X(id, text, bytes, en, zh) [VALUE_##id] = {text, bytes, en, zh},
    VALUE_TYPES(X)
#undef X
};

const char *value_type_name(enum value_type t)
{
    return (unsigned)t < VALUE_TYPE_COUNT ? types[t].name : "?";
}

const char *value_type_title(enum value_type t, bool zh)
{
    if ((unsigned)t >= VALUE_TYPE_COUNT) return "?";
    return zh ? types[t].zh : types[t].en;
}

unsigned value_type_bytes(enum value_type t)
{
    return (unsigned)t < VALUE_TYPE_COUNT ? types[t].bytes : 0;
}

bool value_type_parse(struct str s, enum value_type *ret)
{
    for (unsigned t = 0; t < VALUE_TYPE_COUNT; t++) {
        if (!str_is(s, types[t].name)) continue;
        *ret = (enum value_type)t;
        return true;
    }
    return false;
}

const struct driver *drivers_find(const struct driver *const *table, struct str name)
{
    for (; table && *table; table++)
        if (str_is(name, (*table)->name)) return *table;
    return NULL;
}

static int grumble(struct error *e, const char *owner, const char *what)
{
    return error_set(e, ERR_INTERNAL, owner ? owner : "", "driver table: %s", "驱动表：%s", what);
}

static int complain(struct error *e, const struct driver *d, const char *what)
{
    return grumble(e, d->name, what);
}

static int check_slots(const struct driver *d, struct error *e)
{
    if (!d->name || !d->en || !d->zh || !d->address_en || !d->address_zh || !d->examples)
        return complain(e, d, "a name or a text is missing");
    if (!d->address_check || !d->channel_open || !d->channel_set || !d->write || !d->read || !d->test || !d->status ||
        !d->devices || !d->close || !d->describe)
        return complain(e, d, "a function is missing");
    return 0;
}

/* A table is sound when its defaults pass its own check (required options aside) and its rows are whole. */
int option_table_check(const char *owner, const struct option *table, struct error *e)
{
    for (const struct option *o = table; o && o->name; o++) {
        if (!o->en || !o->zh) return grumble(e, owner, "an option has no title");
        if (o->type == OPTION_ENUM && !o->choices) return grumble(e, owner, "an enum option has no choices");
    }
    AUTO_ARENA a;
    struct options bag;
    struct error why = {0};
    arena_init(&a, 1 << 20);
    int rc = options_check(table, &a, NULL, &bag, NULL, 0, NULL, &why);
    if (rc == ERR_INTERNAL) return grumble(e, owner, "a default cannot be read");
    return rc == ERR_NOMEM ? rc : 0;
}

int drivers_check(const struct driver *const *table, struct error *e)
{
    for (const struct driver *const *p = table; *p; p++) {
        const struct driver *d = *p;
        int rc = check_slots(d, e);
        if (rc == 0) rc = option_table_check(d->name, d->channel_options, e);
        if (rc == 0) rc = option_table_check(d->name, d->device_options, e);
        if (rc == 0) rc = option_table_check(d->name, d->point_options, e);
        if (rc) return rc;
        for (const struct driver *const *q = table; q < p; q++)
            if (str_is(str_of(d->name), (*q)->name)) return complain(e, d, "the name stands there twice");
    }
    return 0;
}

void pair_json(struct json_writer *w, const char *key, const char *en, const char *zh)
{
    jw_key(w, str_of(key));
    jw_object(w);
    jw_kz(w, "en", en ? en : "");
    jw_kz(w, "zh", zh ? zh : en ? en : "");
    jw_end(w);
}

void driver_json(struct json_writer *w, const struct driver *d)
{
    jw_object(w);
    jw_kz(w, "name", d->name);
    pair_json(w, "title", d->en, d->zh);
    pair_json(w, "help", d->help_en, d->help_zh);
    jw_key(w, STR("channel"));
    options_json(w, d->channel_options);
    jw_key(w, STR("device"));
    options_json(w, d->device_options);
    jw_key(w, STR("point"));
    options_json(w, d->point_options);
    pair_json(w, "address_help", d->address_en, d->address_zh);
    jw_key(w, STR("examples"));
    jw_array(w);
    for (const char *const *x = d->examples; x && *x; x++) jw_str(w, str_of(*x));
    jw_end(w);
    jw_kbool(w, "browse", d->browse);
    jw_kbool(w, "discover", d->discover);
    jw_kbool(w, "history", d->history);
    jw_end(w);
}

void drivers_json(struct json_writer *w, const struct driver *const *table)
{
    jw_array(w);
    for (; table && *table; table++) driver_json(w, *table);
    jw_end(w);
}
