#include "core/resource/kernel_int.h"
int user_kind_check(struct changer *c, struct arena *a, const struct resource *old, struct resource *next,
                    struct error *e)
{
    return 0;
}
int user_kind_changed(struct changer *c, struct arena *a, const struct resource *old, const struct resource *next,
                      struct error *e)
{
    return 0;
}
int kinds_refresh(struct kernel *k, struct sql_tx *tx, int64_t gen, struct error *e)
{
    return 0;
}
