/* history_cli.c - see history_cli.h. A client of a running server: address by --url or BORNITE_URL, API token by
 * --token-file or BORNITE_TOKEN (not on the command line, where others could read it).
 *
 *   get     any query in any form, streamed to stdout or --out
 *   summary figures of points, of what a filter finds, or with --overall of all of it together, as JSON
 *   write   line protocol, or CSV with the columns time, point, value and perhaps quality (as `get --format csv`
 *           writes it), in pieces of PIECE; each is durable before the next. "-" is stdin.
 *   import  a CSV or Parquet file as a job of the server; waits for its end
 * Exit: 0 done, 1 not all of it, 2 wrong arguments. */
#include "app/history_cli.h"
#include <curl/curl.h>
#include <errno.h>
#include <unistd.h>
#include "base/csv.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/time.h"

#define PIECE (4u << 20)
#define ANSWER_MAX (4u << 20) /* of what is read into memory: faults and small answers */
#define ROW_ARENA (16u << 20)

struct options {
    const char *url, *token_file, *points, *from, *to, *kind, *fn, *interval, *px, *limit, *quality, *tz, *format, *out;
    const char *database, *precision, *ca;
    const char *filter, *file;
    bool overall;
};
static const struct {
    const char *name;
    size_t at;
} option_names[] = {
    {"--url", offsetof(struct options, url)},
    {"--token-file", offsetof(struct options, token_file)},
    {"--ca", offsetof(struct options, ca)},
    {"--points", offsetof(struct options, points)},
    {"--filter", offsetof(struct options, filter)},
    {"--from", offsetof(struct options, from)},
    {"--to", offsetof(struct options, to)},
    {"--kind", offsetof(struct options, kind)},
    {"--fn", offsetof(struct options, fn)},
    {"--interval", offsetof(struct options, interval)},
    {"--px", offsetof(struct options, px)},
    {"--limit", offsetof(struct options, limit)},
    {"--quality", offsetof(struct options, quality)},
    {"--tz", offsetof(struct options, tz)},
    {"--format", offsetof(struct options, format)},
    {"--out", offsetof(struct options, out)},
    {"--database", offsetof(struct options, database)},
    {"--precision", offsetof(struct options, precision)},
};

static int usage(const char *what)
{
    fprintf(stderr,
            "bornite history: %s\n"
            "  bornite history get --points A,B --from TIME --to TIME [--fn average,maximum --interval 1m]\n"
            "      [--kind recorded|interpolated|plot|aggregate|aligned] [--quality good|usable] [--limit N] [--px N]\n"
            "      [--tz ZONE] [--format csv|json|arrow] [--out FILE]\n"
            "  bornite history summary --points A,B | --filter \"area='GRD'\" [--overall] [--from TIME] [--to TIME]\n"
            "      [--interval 1h] [--tz ZONE] [--out FILE]\n"
            "  bornite history write FILE|- [--format line|csv] [--precision ns|us|ms|s] [--database NAME]\n"
            "  bornite history import FILE [--format csv|parquet]\n"
            "  all: [--url http://host:port] (or BORNITE_URL) [--token-file FILE] (or BORNITE_TOKEN) [--ca FILE]\n"
            "  TIME: 2026-01-31T08:00:00Z, epoch milliseconds, or '*', '*-8h', 't'. CSV: time,point,value[,quality].\n"
            "  时间可写 2026-01-31T08:00:00Z、毫秒数或 '*'、'*-8h'、't'。CSV 列：time,point,value[,quality]。\n",
            what);
    return 2;
}

static int read_options(int argc, char **argv, struct options *o)
{
    for (int i = 0; i < argc; i++) {
        struct str rest = str_of(argv[i]), name = str_cut(&rest, '=');
        const char **to = NULL;
        if (strcmp(argv[i], "--overall") == 0) {
            o->overall = true;
            continue;
        }
        if (argv[i][0] != '-' || strcmp(argv[i], "-") == 0) to = &o->file;
        for (size_t k = 0; !to && k < sizeof option_names / sizeof *option_names; k++)
            if (str_is(name, option_names[k].name)) to = (const char **)((char *)o + option_names[k].at);
        if (!to) return usage("this option is not known / 未知选项");
        if (to == &o->file)
            *to = argv[i];
        else if (rest.p)
            *to = rest.p;
        else if (++i < argc)
            *to = argv[i];
        else
            return usage("a value is missing / 缺少取值");
    }
    return 0;
}

/* ---- the client ---- */

struct client {
    CURL *curl;
    struct curl_slist *auth;
    const char *base;
    char token[256];
    FILE *out;         /* good answers go there; NULL: into `answer` */
    struct buf answer; /* faults, and small answers */
    long status;
    char why[CURL_ERROR_SIZE];
};

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct client *c = ctx;
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &c->status);
    if (c->out && c->status < 300) return fwrite(p, 1, size * n, c->out);
    buf_add(&c->answer, p, size * n);
    return c->answer.err ? 0 : size * n;
}

static int read_token(const struct options *o, struct client *c)
{
    const char *env = getenv("BORNITE_TOKEN");
    char text[200] = "";
    if (o->token_file) {
        FILE *f = fopen(o->token_file, "r");
        if (!f || !fgets(text, sizeof text, f)) {
            fprintf(stderr, "bornite history: %s: %s\n", o->token_file, strerror(errno));
            if (f) fclose(f);
            return 2;
        }
        fclose(f);
        env = text;
    }
    if (!env || !*env) return usage("an API token is needed: --token-file or BORNITE_TOKEN / 需要 API 令牌");
    struct str t = str_trim(str_of(env));
    snprintf(c->token, sizeof c->token, "Authorization: Bearer %.*s", STR_ARG(t));
    return 0;
}

static int client_open(const struct options *o, struct client *c)
{
    const char *url = o->url ? o->url : getenv("BORNITE_URL");
    *c = (struct client){.base = url ? url : "http://127.0.0.1:8080"};
    int err = read_token(o, c);
    if (err) return err;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    buf_init(&c->answer, ANSWER_MAX);
    c->curl = curl_easy_init();
    c->auth = curl_slist_append(NULL, c->token);
    if (!c->curl || !c->auth) return 1;
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->why);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
    if (o->ca) curl_easy_setopt(c->curl, CURLOPT_CAINFO, o->ca);
    return 0;
}

static void client_close(struct client *c)
{
    curl_slist_free_all(c->auth);
    curl_easy_cleanup(c->curl);
    buf_fini(&c->answer);
    curl_global_cleanup();
}

/* Body {NULL,0}: GET. 0: an answer came (status); else it is told and 1. */
static int ask(struct client *c, const char *path, const char *type, struct str body)
{
    char url[4096], head[100];
    struct curl_slist *headers = NULL;
    snprintf(url, sizeof url, "%s%s", c->base, path);
    snprintf(head, sizeof head, "Content-Type: %s", type);
    for (struct curl_slist *h = c->auth; h; h = h->next) headers = curl_slist_append(headers, h->data);
    headers = curl_slist_append(headers, head);
    buf_clear(&c->answer);
    c->status = 0;
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
    if (body.p) {
        curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body.p);
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
    }
    CURLcode rc = curl_easy_perform(c->curl);
    curl_slist_free_all(headers);
    if (rc == CURLE_OK) return curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &c->status) != CURLE_OK;
    fprintf(stderr, "bornite history: %s: %s\n", c->base, c->why[0] ? c->why : curl_easy_strerror(rc));
    return 1;
}

/* What the server says of a request that it did not take. */
static int told(struct client *c)
{
    AUTO_ARENA a;
    struct json *j = NULL;
    arena_init(&a, ANSWER_MAX * 8);
    struct str detail = STR_NULL, where = STR_NULL;
    if (json_parse(&a, buf_view(&c->answer), &j, NULL) == 0) {
        detail = json_str(json_get(j, "detail"), json_str(json_get(j, "message"), STR_NULL));
        where = json_str(json_get(j, "where"), STR_NULL);
    }
    fprintf(stderr, "bornite history: %ld %.*s%s%.*s\n", c->status, STR_ARG(where), where.n ? ": " : "",
            STR_ARG(detail));
    return 1;
}

/* ---- get ---- */

static void member(struct json_writer *w, const char *key, const char *value)
{
    if (value) jw_kz(w, key, value);
}

static const char *kind_of(const struct options *o)
{
    if (o->kind) return o->kind;
    return o->fn ? "aggregate" : o->interval ? "interpolated" : "recorded";
}

static void write_query(const struct options *o, bool limited, struct buf *b)
{
    struct json_writer w = json_writer(b);
    jw_object(&w);
    member(&w, "points", o->points);
    member(&w, "from", o->from);
    member(&w, "to", o->to);
    member(&w, "fn", o->fn);
    member(&w, "interval", o->interval);
    member(&w, "px", o->px);
    member(&w, "quality", o->quality);
    member(&w, "tz", o->tz);
    member(&w, "limit", o->limit ? o->limit : limited ? "1000000" : NULL);
    member(&w, "format", o->format ? o->format : "csv");
    jw_end(&w);
}

/* Ask by POST; the answer goes to stdout or --out. */
static int fetch(struct client *c, const struct options *o, const char *kind, struct str body)
{
    char path[100];
    c->out = o->out ? fopen(o->out, "wb") : stdout;
    if (!c->out) {
        fprintf(stderr, "bornite history: %s: %s\n", o->out, strerror(errno));
        return 1;
    }
    snprintf(path, sizeof path, "/api/v1/history/%s", kind);
    int err = ask(c, path, "application/json", body);
    if (!err && c->status != 200) err = told(c);
    if ((o->out ? fclose(c->out) : fflush(c->out)) != 0 && !err) {
        fprintf(stderr, "bornite history: %s: %s\n", o->out ? o->out : "stdout", strerror(errno));
        err = 1;
    }
    return err;
}

static int get(struct client *c, const struct options *o)
{
    struct buf b;
    const char *kind = kind_of(o);
    if (!o->points) return usage("which points? --points A,B / 请给出 --points");
    if (o->file) return usage("get takes options only / get 只接受选项");
    if (strlen(kind) > 20 || strspn(kind, "abcdefghijklmnopqrstuvwxyz") != strlen(kind))
        return usage("--kind is recorded, interpolated, plot, aggregate or aligned");
    buf_init(&b, 1 << 20);
    write_query(o, strcmp(kind, "recorded") == 0, &b);
    int err = fetch(c, o, kind, buf_view(&b));
    buf_fini(&b);
    return err;
}

static int summary(struct client *c, const struct options *o)
{
    struct buf b;
    if (!o->points && !o->filter)
        return usage("which points? --points A,B or --filter EXPRESSION / 请给出 --points 或 --filter");
    if (o->file) return usage("summary takes options only / summary 只接受选项");
    buf_init(&b, 1 << 20);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    member(&w, "points", o->points);
    member(&w, "filter", o->filter);
    member(&w, "from", o->from);
    member(&w, "to", o->to);
    member(&w, "interval", o->interval);
    member(&w, "tz", o->tz);
    if (o->overall) {
        jw_key(&w, STR("overall"));
        jw_bool(&w, true);
    }
    jw_end(&w);
    int err = fetch(c, o, "summary", buf_view(&b));
    if (!err && !o->out) putchar('\n');
    buf_fini(&b);
    return err;
}

/* ---- write ---- */

struct writing {
    struct client *c;
    char path[600];
    size_t line; /* lines sent before this piece */
    size_t stored, dropped;
};

/* Lines of the piece that the server did not take. */
static void told_lines(struct writing *w)
{
    AUTO_ARENA a;
    struct json *j;
    arena_init(&a, ANSWER_MAX * 8);
    if (json_parse(&a, buf_view(&w->c->answer), &j, NULL)) return;
    w->stored += (size_t)json_i64(json_get(j, "stored"), 0);
    w->dropped += (size_t)json_i64(json_get(j, "dropped"), 0);
    for
        json_each (f, json_get(j, "errors"))
            fprintf(stderr, "line %zu: %.*s\n", w->line + (size_t)json_i64(json_get(f, "line"), 0),
                    STR_ARG(json_str(json_get(f, "detail"), STR(""))));
}

static int send_piece(struct writing *w, struct str text)
{
    if (!text.n) return 0;
    if (ask(w->c, w->path, "text/plain; charset=utf-8", text)) return 1;
    if (w->c->status == 400 && str_has(buf_view(&w->c->answer), STR("\"dropped\":")))
        told_lines(w);
    else if (w->c->status != 204)
        return told(w->c);
    for (size_t i = 0; i < text.n; i++) w->line += text.p[i] == '\n';
    return 0;
}

/* Where a piece may end: behind the last line break that is not within quotes (a text may hold one); behind the last
 * one at all when a stray quote hides most of them. */
static size_t whole_lines(struct str s)
{
    size_t end = 0;
    bool quoted = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '"')
            quoted = !quoted;
        else if (s.p[i] == '\n' && !quoted)
            end = i + 1;
    }
    if (end >= s.n / 2) return end;
    for (end = s.n; end > 0 && s.p[end - 1] != '\n';) end--;
    return end;
}

static int write_lines(struct writing *w, FILE *f)
{
    struct buf b;
    int err = 0;
    buf_init(&b, 2 * PIECE);
    while (!err) {
        uint8_t *to = buf_space(&b, 65536);
        size_t n = to ? fread(to, 1, 65536, f) : 0;
        b.n += n;
        bool last = n == 0;
        if (!last && b.n < PIECE) continue;
        size_t end = last ? b.n : whole_lines(buf_view(&b));
        err = send_piece(w, str_make((const char *)b.p, end));
        buf_drop(&b, end);
        if (last) break;
    }
    if (ferror(f)) err = 1;
    buf_fini(&b);
    return err;
}

static void escaped(struct buf *b, struct str s, const char *which)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] && strchr(which, s.p[i])) buf_u8(b, '\\');
        buf_u8(b, (uint8_t)s.p[i]);
    }
}

/* A row as line protocol; false: it has no time, no point or no value. */
static bool row_line(struct buf *b, const struct str *cell, const int at[4], size_t n, struct error *e)
{
    double number;
    int64_t us;
    struct str part[4];
    for (int i = 0; i < 4; i++) part[i] = at[i] >= 0 && (size_t)at[i] < n ? str_trim(cell[at[i]]) : STR("");
    if (!part[1].n || !part[2].n) return !error_set(e, ERR_INVALID, "", "point or value is empty", "测点或值为空");
    if (time_parse(part[0], &us, e)) return false;
    buf_z(b, "m,point=");
    escaped(b, part[1], " ,=\\");
    buf_z(b, " value=");
    if (str_to_double(part[2], &number) == 0) {
        buf_str(b, part[2]);
    } else {
        buf_u8(b, '"');
        escaped(b, part[2], "\"\\");
        buf_u8(b, '"');
    }
    if (part[3].n) {
        buf_z(b, ",quality=\"");
        escaped(b, part[3], "\"\\");
        buf_u8(b, '"');
    }
    buf_printf(b, " %lld\n", (long long)us);
    return true;
}

static int find_columns(const struct str *cell, size_t n, int at[4])
{
    static const char *const names[] = {"time", "point", "value", "quality"};
    for (int k = 0; k < 4; k++) {
        at[k] = -1;
        for (size_t i = 0; i < n; i++)
            if (str_ieq(str_trim(cell[i]), str_of(names[k]))) at[k] = (int)i;
    }
    return at[0] >= 0 && at[1] >= 0 && at[2] >= 0
               ? 0
               : usage("the CSV needs the columns time, point and value in its first row");
}

static int read_file(FILE *f, struct buf *b)
{
    uint8_t *to;
    size_t n;
    do {
        to = buf_space(b, 1 << 16);
        n = to ? fread(to, 1, 1 << 16, f) : 0;
        b->n += n;
    } while (n);
    return !to || ferror(f) ? 1 : 0;
}

static int write_rows(struct writing *w, struct str text)
{
    AUTO_ARENA a;
    struct csv csv;
    struct str *cell;
    struct buf b;
    struct error e = {0};
    size_t n;
    int at[4], got, err;
    arena_init(&a, ROW_ARENA);
    buf_init(&b, 2 * PIECE);
    csv_init(&csv, text);
    if (csv_next(&csv, &a, &cell, &n, &e) != 1) return usage("the CSV is empty");
    err = find_columns(cell, n, at);
    while (!err && (got = csv_next(&csv, &a, &cell, &n, &e)) == 1) {
        if (!row_line(&b, cell, at, n, &e)) {
            fprintf(stderr, "line %zu: %s\n", csv.line, e.text);
            w->dropped++;
        }
        if (b.n >= PIECE) {
            err = send_piece(w, buf_view(&b));
            buf_clear(&b);
        }
        arena_reset(&a);
    }
    if (!err && got < 0) {
        fprintf(stderr, "bornite history: %s\n", e.text);
        err = 1;
    }
    if (!err) err = send_piece(w, buf_view(&b));
    buf_fini(&b);
    return err;
}

static int write_csv(struct writing *w, FILE *f)
{
    struct buf b;
    buf_init(&b, 1u << 30);
    int err = read_file(f, &b);
    if (err)
        fprintf(stderr, "bornite history: the file cannot be read, or is larger than 1 GiB: split it / "
                        "文件无法读取或超过 1 GiB：请拆分\n");
    else
        err = write_rows(w, buf_view(&b));
    buf_fini(&b);
    return err;
}

static bool is_csv(const struct options *o)
{
    size_t n = strlen(o->file);
    return o->format ? strcmp(o->format, "csv") == 0 : n > 4 && strcmp(o->file + n - 4, ".csv") == 0;
}

static int write_file(struct client *c, const struct options *o)
{
    struct writing w = {.c = c};
    struct buf db;
    if (!o->file) return usage("which file? '-' is stdin / 请给出文件");
    bool csv = is_csv(o);
    FILE *f = strcmp(o->file, "-") == 0 ? stdin : fopen(o->file, "rb");
    if (!f) {
        fprintf(stderr, "bornite history: %s: %s\n", o->file, strerror(errno));
        return 1;
    }
    buf_init(&db, 400);
    percent_encode(&db, str_of(o->database ? o->database : ""));
    snprintf(w.path, sizeof w.path, "/write?precision=%.10s&db=%s",
             csv            ? "us"
             : o->precision ? o->precision
                            : "ns",
             buf_cstr(&db));
    buf_fini(&db);
    int err = csv ? write_csv(&w, f) : write_lines(&w, f);
    if (f != stdin) fclose(f);
    fprintf(stderr, "%zu lines sent, %zu values not stored / 已发送 %zu 行，%zu 个值未存储\n", w.line, w.dropped,
            w.line, w.dropped);
    return err ? err : w.dropped > 0;
}

/* ---- import ---- */

static int wait_for_job(struct client *c, struct str id)
{
    char path[120];
    snprintf(path, sizeof path, "/api/v1/jobs/%.*s", STR_ARG(id));
    for (;;) {
        AUTO_ARENA a;
        struct json *j;
        arena_init(&a, ANSWER_MAX * 8);
        if (ask(c, path, "application/json", STR_NULL)) return 1;
        if (c->status != 200 || json_parse(&a, buf_view(&c->answer), &j, NULL)) return told(c);
        struct str state = json_str(json_get(j, "state"), STR(""));
        bool done = str_is(state, "done"), over = done || str_is(state, "failed") || str_is(state, "cancelled");
        if (over) {
            struct str result = json_text(&a, json_get(j, done ? "result" : "error"));
            printf("%.*s %.*s\n", STR_ARG(state), STR_ARG(result));
            return !done;
        }
        usleep(200000);
    }
}

static int start_import(struct client *c, const struct options *o, struct str upload, struct error *e)
{
    AUTO_ARENA a;
    struct json *j;
    struct buf b;
    arena_init(&a, ANSWER_MAX * 8);
    buf_init(&b, 4096);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    jw_kz(&w, "type", "history.import");
    jw_key(&w, STR("params"));
    jw_object(&w);
    jw_kstr(&w, "upload", upload);
    member(&w, "format", o->format);
    jw_end(&w);
    jw_end(&w);
    int err = ask(c, "/api/v1/jobs", "application/json", buf_view(&b));
    buf_fini(&b);
    if (!err && c->status != 201) err = told(c);
    if (!err && json_parse(&a, buf_view(&c->answer), &j, e)) err = 1;
    return err ? err : wait_for_job(c, json_str(json_get(j, "id"), STR("")));
}

static int import_file(struct client *c, const struct options *o)
{
    AUTO_ARENA a;
    struct json *j;
    struct buf b;
    struct error e = {0};
    if (!o->file) return usage("which file? / 请给出文件");
    FILE *f = fopen(o->file, "rb");
    buf_init(&b, 256u << 20);
    arena_init(&a, 1 << 20);
    int err = !f || read_file(f, &b);
    if (err) fprintf(stderr, "bornite history: %s: %s\n", o->file, f ? "larger than 256 MiB" : strerror(errno));
    if (f) fclose(f);
    if (!err) err = ask(c, "/api/v1/uploads?name=history", "application/octet-stream", buf_view(&b));
    buf_fini(&b);
    if (!err && c->status >= 300) err = told(c);
    if (!err && json_parse(&a, buf_view(&c->answer), &j, &e)) err = 1;
    return err ? err : start_import(c, o, json_str(json_get(j, "id"), STR("")), &e);
}

int history_main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct client *c, const struct options *o);
    } commands[] = {{"get", get}, {"summary", summary}, {"write", write_file}, {"import", import_file}};
    static struct options o;
    static struct client c;
    for (size_t i = 0; argc > 0 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[0], commands[i].name) != 0) continue;
        int err = read_options(argc - 1, argv + 1, &o);
        if (!err) err = client_open(&o, &c);
        if (err) return err;
        err = commands[i].run(&c, &o);
        client_close(&c);
        return err;
    }
    return usage("get, summary, write or import");
}
