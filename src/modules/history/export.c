/* export.c - GET and POST /history/export: CSV of any length; as the queries of the same names, without their limits.
 */
#include "modules/history/export.h"
#include "modules/history/deliver.h"

int export_csv(struct api_call *c, struct error *e)
{
    static const char *const modes[] = {"recorded", "interpolated", "aggregate", NULL};
    static const char *const kinds[] = {"all_recorded", "all_interpolated", "aggregate"};
    struct params p;
    size_t mode;
    int err = deliver_params(c, &p, e);
    if (!err) err = params_word(&p, "mode", modes, &mode, e);
    if (!err) err = deliver_run(c, kinds[mode], &p, &answer_csv, e);
    if (err) return err;
    http_set_header(c->res, "Content-Disposition", STR("attachment; filename=\"history.csv\""));
    return 0;
}
