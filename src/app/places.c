/* places.c - see places.h. A directory is locked (file LOCK) like the data directory: two servers must not share it. */
#include "app/places.h"
#include "app/objects.h"
#include "io/log.h"
#include "store/fs_object.h"

static bool is_url(const char *at)
{
    return strncmp(at, "s3+", 3) == 0 || strncmp(at, "dir:", 4) == 0;
}

/* The folder that a cold URL may name: "dir:/path" is the directory itself. */
static int open_folder(const char *path, const char *setting, struct fs **ret, struct error *e)
{
    if (path[0] != '/')
        return error_set(e, ERR_INVALID, setting, "'%.200s' must be a full path, such as /mnt/archive",
                         "“%.200s”须为完整路径，例如 /mnt/archive", path);
    return fs_real(path, true, ret, e);
}

/* A store that is away may come back: what lies there is missing meanwhile, and queries say so. One that refuses us is
 * a wrong setting. */
static int check(struct object_store *s, struct error *e)
{
    struct error why = {0};
    int rc = object_store_check(s, &why);
    if (rc == ERR_UNAVAILABLE || rc == ERR_TIMEOUT) {
        log_warn("history", "the cold store is away", "err=\"%s\"", why.text);
        return 0;
    }
    if (rc) *e = why;
    return rc;
}

static int open_objects(const struct config *c, struct app_places *p, struct error *e)
{
    char secret[APP_SECRET_MAX], spool[4300];
    int found = app_object_secret("BORNITE_COLD_SECRET", c->cold_secret_file, secret, e);
    if (found < 0) return found;
    int rc = object_store_open(c->cold, found ? secret : NULL, &p->store, e);
    explicit_bzero(secret, sizeof secret);
    if (!rc) rc = check(p->store, e);
    snprintf(spool, sizeof spool, "%s/cold-spool", c->data);
    struct fs_object_config fc = {
        .store = p->store, .prefix = "", .spool = spool, .cache_bytes = (size_t)c->cold_cache_mb << 20};
    return rc ? rc : fs_object(&fc, &p->fs[TS_COLD], e);
}

/* "s3+https://user:key@host/bucket?region=x" → "s3+https://host/bucket": to be shown. */
static void shown(const char *url, char *out, size_t cap)
{
    struct str options = str_of(url), s = str_cut(&options, '?');
    const char *slashes = strstr(url, "://");
    size_t scheme = slashes ? (size_t)(slashes - url) + 3 : 0;
    struct str tail = str_sub(s, scheme, s.n), path = tail, host = str_cut(&path, '/');
    (void)str_cut(&host, '@'); /* host is what follows, if there is one */
    if (host.p) tail = str_sub(tail, (size_t)(host.p - tail.p), tail.n);
    snprintf(out, cap, "%.*s%.*s", (int)scheme, url, STR_ARG(tail));
}

int app_places_open(const struct config *c, struct app_places *ret, struct error *e)
{
    struct app_places p = {0};
    int rc = c->warm ? open_folder(c->warm, "warm", &p.fs[TS_WARM], e) : 0;
    if (!rc && c->cold && !is_url(c->cold))
        rc = open_folder(c->cold, "cold", &p.fs[TS_COLD], e);
    else if (!rc && c->cold && strncmp(c->cold, "dir:", 4) == 0)
        rc = open_folder(c->cold + 4, "cold", &p.fs[TS_COLD], e);
    else if (!rc && c->cold)
        rc = open_objects(c, &p, e);
    if (c->cold) shown(c->cold, p.cold_at, sizeof p.cold_at);
    if (rc)
        app_places_close(&p);
    else
        *ret = p;
    return rc;
}

void app_places_close(struct app_places *p)
{
    for (size_t i = 0; i < TS_PLACES; i++) fs_destroy(p->fs[i]);
    object_store_close(p->store);
    *p = (struct app_places){0};
}
