/* validate.c - the kinds forward and forward_point: the outlets' options in their documents, and what only an outlet
 * can check of them before they are stored. */
#include "base/mem.h"
#include "drivers/common/kind_options.h"
#include "drivers/common/registry.h"
#include "modules/forward/forward.h"

#define OUTLETS_MAX 64

extern const struct str modules_forward_kinds[];
extern const char *const modules_forward_kinds_names[];

static int add_kind(struct forward *f, const char *file, bool points, struct error *e)
{
    AUTO_ARENA a;
    struct str text = STR_NULL;
    const struct option *tables[OUTLETS_MAX];
    size_t n = 0, k = 0;
    arena_init(&a, 16 << 20);
    for (const struct outlet *const *o = f->node->outlets; *o && n < OUTLETS_MAX; o++)
        tables[n++] = points ? (*o)->point_options : (*o)->channel_options;
    while (strcmp(modules_forward_kinds_names[k], file) != 0) k++;
    int rc = kind_with_options(modules_forward_kinds[k], tables, n, &a, &text, e);
    return rc ? rc : kernel_kind_add(f->node->kernel, text, e);
}

int forward_kinds_add(struct forward *f, struct error *e)
{
    int rc = add_kind(f, "forward.json", false, e);
    return rc ? rc : add_kind(f, "forward_point.json", true, e);
}

/* ---- a forwarding ---- */

static int none(void *ctx, const struct brief *b)
{
    return 1; /* one is enough: the filter can be read */
}

static int check_filter(struct kernel *k, struct str filter, struct error *e)
{
    static const char *const no_fields[] = {NULL};
    struct list_query q = {.kind = "point", .filter = filter};
    if (!filter.n || str_is(filter, "*")) return 0;
    int rc = resource_list_brief(k, &q, no_fields, 0, none, NULL, e);
    if (rc > 0) return 0;
    if (rc && e) snprintf(e->where, sizeof e->where, "spec.filter");
    return rc;
}

int forward_line_of_spec(struct forward *f, const struct json *spec, struct f_line **ret, struct error *e)
{
    struct f_line *l;
    int rc = plan_line_of_spec(f->node, spec, &l, e);
    if (rc) return rc;
    if (l->outlet->channel_check) rc = l->outlet->channel_check(&l->options, e);
    if (!rc) {
        *ret = l;
        return 0;
    }
    f_line_unref(l);
    error_prefix(e, "spec.options.");
    return rc;
}

static int check_forward(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                         const struct resource *new_, struct error *e)
{
    struct forward *f = ctx;
    struct f_line *l;
    if (!new_) return 0;
    int rc = forward_line_of_spec(f, new_->spec, &l, e);
    if (rc) return rc;
    f_line_unref(l);
    return check_filter(k, json_str(json_get(new_->spec, "filter"), STR("")), e);
}

/* ---- a mapping ---- */

static int outlet_of(struct forward *f, struct kernel *k, struct sql_tx *tx, struct arena *a, struct str id,
                     struct f_line **ret, struct error *e)
{
    struct resource r;
    int rc = resource_find_in(k, tx, a, "forward", id, &r, e);
    if (rc == ERR_NOT_FOUND)
        return error_set(e, ERR_INVALID, "spec.forward", "there is no forwarding '%.*s'", "没有数据转发 '%.*s'",
                         STR_ARG(id));
    return rc ? rc : plan_line_of_spec(f->node, r.spec, ret, e);
}

static int check_address(const struct f_line *l, const struct json *spec, const struct options *o, struct str code,
                         struct error *e)
{
    struct str address = json_str(json_get(spec, "address"), STR(""));
    struct outlet_address found;
    struct outlet_point p = {.num = 1,
                             .address = address.p,
                             .options = o,
                             .code = "P",
                             .name = "",
                             .unit = "",
                             .area = "",
                             .device = "",
                             .lo = NAN,
                             .hi = NAN};
    if (!address.n && !l->outlet->needs_address) return 0;
    if (!address.n)
        return error_set(e, ERR_INVALID, "spec.address", "this protocol needs an address, such as '%s'",
                         "该协议需要填写地址，例如 '%s'", l->outlet->examples ? l->outlet->examples[0] : "");
    if (!l->outlet->address_check)
        return error_set(e, ERR_INVALID, "spec.address", "this protocol has no addresses; leave it empty",
                         "该协议没有地址，请留空");
    if (!value_type_parse(json_str(json_get(spec, "type"), STR("auto")), &p.type)) p.type = VALUE_AUTO;
    int rc = l->outlet->address_check(&p, &l->options, &found, e);
    if (rc && e) snprintf(e->where, sizeof e->where, "spec.address");
    return rc;
}

static int check_point(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                       const struct resource *new_, struct error *e)
{
    struct f_line *l;
    struct options o;
    if (!new_) return 0;
    if (json_double(json_get(new_->spec, "scale"), 1) == 0)
        return error_set(e, ERR_INVALID, "spec.scale", "must not be 0", "不能为 0");
    int rc = outlet_of(ctx, k, tx, a, json_str(json_get(new_->spec, "forward"), STR("")), &l, e);
    if (rc) return rc;
    rc = plan_point_options(l->outlet, a, new_->spec, &o, e);
    if (!rc) rc = check_address(l, new_->spec, &o, new_->code, e);
    f_line_unref(l);
    return rc;
}

static void changed(void *ctx, struct kernel *k, const struct change *c, size_t n)
{
    forward_set_signal(ctx);
}

int forward_hooks_add(struct forward *f, struct error *e)
{
    const struct kind_hooks hooks[] = {{"forward", check_forward, changed, f},
                                       {"forward_point", check_point, changed, f}};
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
        int rc = kernel_hooks_add(f->node->kernel, &hooks[i]);
        if (rc) return error_set(e, rc, "forward", "cannot register the kind %s", "无法登记类型 %s", hooks[i].kind);
    }
    return 0;
}
