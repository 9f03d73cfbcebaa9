/* registry.c - see registry.h. */
#include "outlets/common/registry.h"
#include "drivers/common/options.h"
#include "drivers/common/registry.h"

const struct outlet *outlets_find(const struct outlet *const *table, struct str name)
{
    for (; table && *table; table++)
        if (str_is(name, (*table)->name)) return *table;
    return NULL;
}

static int complain(struct error *e, const struct outlet *o, const char *what)
{
    return error_set(e, ERR_INTERNAL, o->name ? o->name : "", "outlet table: %s", "转发协议表：%s", what);
}

static int check_slots(const struct outlet *o, struct error *e)
{
    if (!o->name || !o->en || !o->zh || !o->help_en || !o->help_zh)
        return complain(e, o, "a name or a text is missing");
    if (!o->server && !o->sender) return complain(e, o, "neither server nor sender");
    if (o->buffered != (o->send != NULL)) return complain(e, o, "buffered and send do not fit");
    if (o->batch_max > OUTLET_BATCH_MAX || (o->batch_max && o->batch_max < OUTLET_BATCH))
        return complain(e, o, "batch_max is out of range");
    if (o->address_check && (!o->address_en || !o->address_zh || !o->examples))
        return complain(e, o, "addresses without help");
    if (!o->channel_open || !o->channel_set || !o->test || !o->status || !o->close || !o->describe)
        return complain(e, o, "a function is missing");
    if (o->needs_address && !o->address_check) return complain(e, o, "needs addresses but cannot check them");
    return 0;
}

int outlets_check(const struct outlet *const *table, struct error *e)
{
    for (const struct outlet *const *p = table; p && *p; p++) {
        const struct outlet *o = *p;
        int rc = check_slots(o, e);
        if (!rc) rc = option_table_check(o->name, o->channel_options, e);
        if (!rc) rc = option_table_check(o->name, o->point_options, e);
        if (rc) return rc;
        for (const struct outlet *const *q = table; q < p; q++)
            if (str_is(str_of(o->name), (*q)->name)) return complain(e, o, "the name stands there twice");
    }
    return 0;
}

static void outlet_json(struct json_writer *w, const struct outlet *o)
{
    jw_object(w);
    jw_kz(w, "name", o->name);
    pair_json(w, "title", o->en, o->zh);
    pair_json(w, "help", o->help_en, o->help_zh);
    jw_kbool(w, "server", o->server);
    jw_kbool(w, "sender", o->sender);
    jw_kbool(w, "buffered", o->buffered);
    jw_kbool(w, "tells", o->send || o->changed);
    jw_kbool(w, "addresses", o->address_check != NULL);
    jw_kbool(w, "needs_address", o->needs_address);
    jw_kbool(w, "can_assign", o->address_default != NULL);
    jw_key(w, STR("channel"));
    options_json(w, o->channel_options);
    jw_key(w, STR("point"));
    options_json(w, o->point_options);
    pair_json(w, "address_help", o->address_en, o->address_zh);
    jw_key(w, STR("examples"));
    jw_array(w);
    for (const char *const *x = o->examples; x && *x; x++) jw_str(w, str_of(*x));
    jw_end(w);
    jw_end(w);
}

void outlets_json(struct json_writer *w, const struct outlet *const *table)
{
    jw_array(w);
    for (; table && *table; table++) outlet_json(w, *table);
    jw_end(w);
}
