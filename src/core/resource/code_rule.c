#include "core/resource/kernel_int.h"
int code_give(struct changer *c, struct arena *a, struct resource *next, struct error *e)
{
    return 0;
}
int code_rule_check(struct changer *c, struct arena *a, const struct resource *old, const struct resource *next,
                    struct error *e)
{
    return 0;
}
int code_unused(struct changer *c, const struct resource *next, struct error *e)
{
    return 0;
}
int code_used(struct changer *c, const struct resource *next, struct error *e)
{
    return 0;
}
void code_rules_forget(struct changer *c) {}
