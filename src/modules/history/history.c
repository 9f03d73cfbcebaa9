/* history.c - the module history: its row in the table of modules. Each group of routes has its file: routes_query.c,
 * storage.c, advise.c, the doors to other protocols; module.c adds them. */
#include "modules/history/history.h"

extern const struct str modules_history_kinds[];

const struct module history_module = {
    .name = "history",
    .title_en = "History",
    .title_zh = "历史数据",
    .kinds = modules_history_kinds,
    .init = history_init,
    .start = history_start_module,
    .stop = history_stop_module,
    .fini = history_fini,
};
