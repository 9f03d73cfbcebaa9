/* api_info.c - GET /system/info and /licences: what runs here, and what it is made of.
 *
 * The licences are a JSON document that the build writes from the packages it finds (cmake/licences.cmake). */
#include <dirent.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "base/mem.h"
#include "base/time.h"
#include "core/api/api_int.h"
#include "core/system.h"

struct info_ctx {
    struct system_info info;
    char *database; /* without password */
    int64_t started_us;
    uint64_t started_ns;
};

/* ------------------------------------------------------------------ the URL of the store, without password */

static void mask_user(struct buf *out, struct str url)
{
    ptrdiff_t slash = url.n ? str_find(url, '/') : -1;
    struct str head = str_sub(url, 0, slash < 0 ? url.n : (size_t)slash), rest = str_sub(url, head.n, url.n),
               user = head;
    ptrdiff_t at = str_find(head, '@');
    if (at < 0) {
        buf_str(out, url);
        return;
    }
    user = str_sub(head, 0, (size_t)at);
    buf_str(out, str_cut(&user, ':'));
    if (user.p) buf_z(out, ":***");
    buf_str(out, str_sub(head, (size_t)at, head.n));
    buf_str(out, rest);
}

static void mask_query(struct buf *out, struct str query)
{
    for (bool first = true; query.p; first = false) {
        struct str part = str_cut(&query, '&'), value = part, key = str_cut(&value, '=');
        buf_u8(out, first ? '?' : '&');
        buf_str(out, str_ihas(key, STR("password")) ? STR("password=***") : part);
    }
}

static char *masked(const char *url)
{
    struct buf out;
    struct str query = str_of(url), head = str_cut(&query, '?');
    const char *sep = strstr(url, "://");
    size_t scheme = sep && sep < head.p + head.n ? (size_t)(sep - url) + 3 : 0;
    buf_init(&out, 8192);
    buf_str(&out, str_sub(head, 0, scheme));
    if (scheme)
        mask_user(&out, str_sub(head, scheme, head.n));
    else
        buf_str(&out, head);
    mask_query(&out, query);
    char *text = mem_strdup(buf_cstr(&out));
    buf_fini(&out);
    return text;
}

/* ------------------------------------------------------------------ parts of the answer */

static int64_t database_size(struct sql *db)
{
    struct sql_tx *tx;
    struct sql_stmt *s = NULL;
    int64_t n = -1;
    const char *text = sql_dialect(db) == SQL_SQLITE
                           ? "select page_count * page_size from pragma_page_count(), pragma_page_size()"
                           : "select pg_database_size(current_database())";
    if (sql_begin(db, false, &tx, NULL)) return n;
    if (sql_prepare(tx, text, &s, NULL) == 0 && sql_step(s, NULL) == 1) n = sql_i64(s, 0);
    sql_done(s);
    sql_rollback(tx);
    return n;
}

static void write_store(struct api_call *c, const struct info_ctx *x, struct json_writer *w)
{
    struct sql *db = kernel_sql(c->kernel);
    jw_key(w, STR("store"));
    jw_object(w);
    jw_kz(w, "engine", sql_dialect(db) == SQL_SQLITE ? "SQLite" : "PostgreSQL");
    jw_kz(w, "url", x->database);
    jw_ki64(w, "bytes", database_size(db));
    jw_end(w);
}

static void write_disk(const struct info_ctx *x, struct json_writer *w)
{
    int64_t free_bytes = -1, total = -1;
    struct fs *fs = x->info.data;
    if (fs && fs->ops->space && fs->ops->space(fs, &free_bytes, &total)) free_bytes = total = -1;
    jw_key(w, STR("disk"));
    jw_object(w);
    jw_kz(w, "path", x->info.data_path);
    jw_ki64(w, "free", free_bytes);
    jw_ki64(w, "total", total);
    jw_end(w);
}

struct thread_count {
    char name[32];
    int64_t n;
};

static size_t count_threads(struct thread_count *out, size_t max)
{
    DIR *d = opendir("/proc/self/task");
    size_t n = 0;
    if (!d) return 0;
    for (struct dirent *ent; (ent = readdir(d));) {
        char path[64], name[32] = "";
        if (ent->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", ent->d_name);
        FILE *f = fopen(path, "r");
        if (!f) continue;
        if (!fgets(name, sizeof name, f)) name[0] = 0;
        fclose(f);
        name[strcspn(name, "\n")] = 0;
        size_t i = 0;
        while (i < n && strcmp(out[i].name, name) != 0) i++;
        if (i == n && n == max) continue;
        if (i == n) memcpy(out[n++].name, name, sizeof name);
        out[i].n++;
    }
    closedir(d);
    return n;
}

static void write_threads(struct json_writer *w)
{
    struct thread_count t[64] = {0};
    size_t n = count_threads(t, 64);
    jw_key(w, STR("threads"));
    jw_array(w);
    for (size_t i = 0; i < n; i++) {
        jw_object(w);
        jw_kz(w, "name", t[i].name);
        jw_ki64(w, "n", t[i].n);
        jw_end(w);
    }
    jw_end(w);
}

static int64_t resident_bytes(void)
{
    long long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f) return -1;
    int got = fscanf(f, "%lld %lld", &size, &resident);
    fclose(f);
    return got == 2 ? resident * sysconf(_SC_PAGESIZE) : -1;
}

static void write_machine(struct json_writer *w)
{
    struct utsname u = {0};
    if (uname(&u) == 0) {
        jw_kz(w, "host", u.nodename);
        jw_kz(w, "os", u.sysname);
        jw_kz(w, "kernel", u.release);
        jw_kz(w, "machine", u.machine);
    }
    jw_ki64(w, "pid", getpid());
    jw_ki64(w, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
    jw_ki64(w, "memory", resident_bytes());
}

static int get_info(struct api_call *c, struct error *e)
{
    const struct info_ctx *x = c->module;
    char t[TIME_TEXT_MAX];
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kz(&w, "name", "Bornite");
    jw_kz(&w, "version", c->api->cfg.version ? c->api->cfg.version : "dev");
    jw_kz(&w, "build", x->info.build);
    jw_kz(&w, "compiler", "gcc " __VERSION__);
    jw_kz(&w, "started_at", time_format(x->started_us, t));
    jw_ki64(&w, "uptime_s", (int64_t)((clock_mono_ns(c->api->clock) - x->started_ns) / 1000000000));
    jw_key(&w, STR("roles"));
    jw_array(&w);
    jw_str(&w, str_of(x->info.roles));
    jw_end(&w);
    write_machine(&w);
    write_store(c, x, &w);
    write_disk(x, &w);
    write_threads(&w);
    jw_end(&w);
    return 0;
}

extern const struct str core_licences[];
static int get_licences(struct api_call *c, struct error *e)
{
    buf_str(&c->res->body, core_licences[0]);
    return 0;
}

static const struct api_route routes[] = {
    API_GET("/api/v1/system/info", "system", AUDIT_NONE, get_info, .summary_en = "What runs here",
            .summary_zh = "系统信息",
            .answer_schema =
                "{name:string;version:string;build:string;compiler:string;started_at:time;uptime_s:integer;"
                "roles:string[];host?:string;os?:string;kernel?:string;machine?:string;pid:integer;cpus:integer;"
                "memory:integer;store:{engine:string;url:string;bytes:integer};"
                "disk:{path:string;free:integer;total:integer};threads:{name:string;n:integer}[]}"),
    API_DO("GET", "/api/v1/licences", "system", ACT_SELF, AUDIT_NONE, get_licences,
           .summary_en = "What the platform is made of, with licences", .summary_zh = "所用软件及其许可",
           .answer_schema = "{items:{name:string;version:string;licence:string;source:'debian'|'npm';text:string}[]}"),
};

int system_info_add(struct api *api, const struct system_info *info, struct system_routes **ret, struct error *e)
{
    struct info_ctx *x = mem_calloc(1, sizeof *x);
    if (x) x->database = masked(info->database);
    if (!x || !x->database) {
        mem_free(x);
        return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    }
    x->info = *info;
    x->started_us = clock_now_us(api->clock);
    x->started_ns = clock_mono_ns(api->clock);
    *ret = (struct system_routes *)x;
    return api_routes_add(api, routes, sizeof routes / sizeof *routes, x, e);
}

void system_info_free(struct system_routes *r)
{
    struct info_ctx *x = (struct info_ctx *)r;
    if (!x) return;
    mem_free(x->database);
    mem_free(x);
}
