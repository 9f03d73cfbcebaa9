/* zone_load.c - see zone_load.h. */
#include "io/zone_load.h"
#include <stdlib.h>
#include "base/mem.h"
#include "io/fs.h"

static bool name_ok(struct str s)
{
    if (!s.n || s.n > 60 || s.p[0] == '/' || s.p[0] == '.' || str_has(s, STR(".."))) return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool ok = (c | 32) >= 'a' && (c | 32) <= 'z';
        if (!ok && !(c >= '0' && c <= '9') && !strchr("_-+/", c)) return false;
    }
    return true;
}

static int from_database(const char *name, struct zone *ret, struct error *e)
{
    const char *dir = getenv("TZDIR");
    struct fs *fs = NULL;
    void *bytes = NULL;
    size_t n = 0;
    int rc = fs_real(dir && dir[0] ? dir : "/usr/share/zoneinfo", false, &fs, NULL);
    if (!rc) rc = fs_read_all(fs, name, ZONE_FILE_MAX, &bytes, &n);
    if (!rc) rc = zone_parse(bytes, n, ret, e);
    mem_free(bytes);
    if (fs) fs_destroy(fs);
    return rc;
}

/* For a machine without the database. */
static int built_in(const char *name, struct zone *ret)
{
    static const struct {
        const char *name, *text;
    } all[] = {{"Asia/Shanghai", "CST-8"},  {"Asia/Chongqing", "CST-8"},
               {"Asia/Harbin", "CST-8"},    {"Asia/Urumqi", "XJT-6"},
               {"Asia/Hong_Kong", "HKT-8"}, {"PRC", "CST-8"},
               {"Etc/UTC", "UTC0"},         {"GMT", "GMT0"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, name) == 0) return zone_parse_posix(str_of(all[i].text), ret, NULL);
    return ERR_NOT_FOUND;
}

int zone_load(struct str name, struct zone *ret, struct error *e)
{
    char z[64];
    if (name.n && (name.p[0] == '+' || name.p[0] == '-')) return zone_parse_fixed(name, ret, e);
    if (str_ieq(name, STR("UTC")) || str_ieq(name, STR("Z"))) return zone_parse_fixed(name, ret, e);
    if (name_ok(name) && str_to_cstr(name, z, sizeof z) && (from_database(z, ret, NULL) == 0 || built_in(z, ret) == 0))
        return 0;
    return error_set(e, ERR_INVALID, "time_zone",
                     "there is no time zone '%.*s' here; use a name such as Asia/Shanghai or an offset such as +08:00",
                     "没有时区“%.*s”；请使用名称（如 Asia/Shanghai）或偏移（如 +08:00）",
                     STR_ARG(str_sub(name, 0, 60)));
}
