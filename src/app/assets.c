/* assets.c - the web UI embedded in the binary. Files of dist stand in two parallel tables (cmake/embed):
 * name and bytes; "x.gz" beside "x" is its compressed form. Names with a hash (/assets/) never change. */
#include "app/tables.h"
#include "base/crc32c.h"
#include "base/mem.h"

extern const struct str web_assets[];
extern const char *const web_assets_names[];

struct asset {
    struct str name;
    struct http_static file;
    char etag[24];
};
static struct asset *assets; /* sorted by name; written once by app_assets_init */
static size_t nassets;

static const struct {
    const char *ending, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".json", "application/json"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".woff2", "font/woff2"},
    {".woff", "font/woff"},
    {".wasm", "application/wasm"},
    {".glb", "model/gltf-binary"},
    {".mp4", "video/mp4"},
    {".webmanifest", "application/manifest+json"},
    {".txt", "text/plain; charset=utf-8"},
};

static const char *type_of(struct str name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (str_ends(name, str_of(types[i].ending))) return types[i].type;
    return "application/octet-stream";
}

static int by_name(const void *a, const void *b)
{
    return str_cmp(((const struct asset *)a)->name, ((const struct asset *)b)->name);
}

static struct asset *find(struct str name)
{
    struct asset key = {.name = name};
    return nassets ? bsearch(&key, assets, nassets, sizeof key, by_name) : NULL;
}

static void fill(struct asset *a, struct str name, struct str data)
{
    a->name = name;
    snprintf(a->etag, sizeof a->etag, "\"%08x-%zx\"", crc32c(0, data.p, data.n), data.n);
    a->file = (struct http_static){.data = data, .content_type = type_of(name), .etag = a->etag};
    a->file.cache_control = str_starts(name, STR("/assets/")) ? "public, max-age=31536000, immutable" : "no-cache";
}

int app_assets_init(struct error *e)
{
    size_t n = 0;
    while (web_assets[n].p) n++;
    assets = mem_calloc(n ? n : 1, sizeof *assets);
    if (!assets) return error_set(e, ERR_NOMEM, "web", "out of memory", "内存不足");
    for (size_t i = 0; i < n; i++)
        if (!str_ends(str_of(web_assets_names[i]), STR(".gz")))
            fill(&assets[nassets++], str_of(web_assets_names[i]), web_assets[i]);
    qsort(assets, nassets, sizeof *assets, by_name);
    for (size_t i = 0; i < n; i++) {
        struct str name = str_of(web_assets_names[i]);
        struct asset *plain = str_ends(name, STR(".gz")) ? find(str_sub(name, 0, name.n - 3)) : NULL;
        if (plain && web_assets[i].n < plain->file.data.n) plain->file.gz = web_assets[i];
    }
    for (size_t i = 0; i < nassets; i++) assets[i].file.etag = assets[i].etag;
    return 0;
}

const struct http_static *app_asset(struct str path)
{
    struct asset *a = find(path);
    return a ? &a->file : NULL;
}
