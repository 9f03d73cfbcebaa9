/* rules.c - the options of a device, compiled: which messages are its own, and how they are read. */
#include "drivers/websocket/ws_driver_int.h"

static int no_memory(struct error *e)
{
    return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
}

static const char *keep(struct arena *a, const char *z)
{
    return arena_strdup(a, str_of(z));
}

/* ---- a device ---- */

static int compile(struct wd_rules *r, const struct options *o, bool load, struct error *e)
{
    const char *path = keep(&r->arena, opt_str(o, "select", ""));
    r->select_value = keep(&r->arena, opt_str(o, "select_value", ""));
    r->peer = keep(&r->arena, opt_str(o, "peer", ""));
    r->silence_ms = (uint32_t)opt_ms(o, "silence", 0);
    if (!path || !r->select_value || !r->peer) return no_memory(e);
    if (r->peer[0] && r->peer[0] != '/')
        return error_set(e, ERR_INVALID, "peer", "'%.60s': a path begins with '/', e.g. /plc1",
                         "“%.60s”：路径须以“/”开头，例如 /plc1", r->peer);
    int rc = path[0] ? json_path_compile(str_of(path), &r->arena, &r->select, e) : 0;
    if (rc && e) snprintf(e->where, sizeof e->where, "select");
    return rc || !load ? rc : payload_reader_new(o, &r->reader, e);
}

int wd_rules_new(const struct options *o, bool load, struct wd_rules **ret, struct error *e)
{
    struct wd_rules *r = mem_calloc(1, sizeof *r);
    if (!r) return no_memory(e);
    arena_init(&r->arena, 256 << 10);
    int rc = compile(r, o, load, e);
    if (rc)
        wd_rules_free(r);
    else
        *ret = r;
    return rc;
}

void wd_rules_free(struct wd_rules *r)
{
    if (!r) return;
    payload_reader_free(r->reader);
    arena_fini(&r->arena);
    mem_free(r);
}

int wd_device_check(const struct options *o, struct error *e)
{
    struct wd_rules *r;
    int rc = wd_rules_new(o, true, &r, e);
    if (!rc) wd_rules_free(r);
    return rc;
}

static bool says(const struct json *v, const char *want)
{
    char text[40];
    if (!want[0]) return true;
    if (v->type == JSON_STRING) return str_is(v->s, want);
    if (v->type == JSON_INT) {
        snprintf(text, sizeof text, "%lld", (long long)v->i);
        return strcmp(text, want) == 0;
    }
    return v->type == JSON_BOOL && strcmp(want, v->b ? "true" : "false") == 0;
}

bool wd_rules_match(const struct wd_rules *r, const struct wd_message *m)
{
    if (r->peer[0] && !str_is(m->path, r->peer)) return false;
    if (!r->select) return true;
    const struct json *v = m->root ? json_path_first(r->select, m->root) : NULL;
    return v && says(v, r->select_value);
}
