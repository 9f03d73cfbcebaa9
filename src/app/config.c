/* config.c - see config.h. */
#include "app/config.h"
#include <fcntl.h>
#include <unistd.h>
#include "base/json.h"
#include "base/mem.h"

enum setting_type { TEXT, NUMBER, SWITCH };
struct setting {
    const char *name;
    enum setting_type type;
    size_t at;       /* in struct config */
    const char *def; /* NULL: none */
    long lo, hi;
    const char *help_en, *help_zh;
};
#define AT(member) offsetof(struct config, member)
static const struct setting settings[] = {
    {"data", TEXT, AT(data), "data", 0, 0, "directory of all data", "数据目录"},
    {"database", TEXT, AT(database), NULL, 0, 0,
     "sqlite:/path/file.db or postgresql://user@host/database?schema=bornite; otherwise kernel.db in the data "
     "directory",
     "sqlite:/路径/文件.db 或 postgresql://用户@主机/数据库?schema=bornite；缺省为数据目录中的 kernel.db"},
    {"objects", TEXT, AT(objects), NULL, 0, 0,
     "store of files: dir:/path or s3+https://host[:port]/bucket[/prefix]?region=…[&path_style=1] (s3+http for a "
     "local one); otherwise objects in the data directory",
     "文件存储：dir:/路径 或 s3+https://主机[:端口]/存储桶[/前缀]?region=…[&path_style=1]（本地可用 "
     "s3+http）；缺省为数据目录中的 objects"},
    {"objects-secret-file", TEXT, AT(objects_secret_file), NULL, 0, 0,
     "file with the access key:secret key of an S3 store (or BORNITE_OBJECTS_SECRET)",
     "S3 存储“访问密钥:秘密密钥”所在文件（或 BORNITE_OBJECTS_SECRET）"},
    {"warm", TEXT, AT(warm), NULL, 0, 0, "directory for history older than the archive class's warm_after",
     "温层目录：存放超过归档类别 warm_after 的历史数据"},
    {"cold", TEXT, AT(cold), NULL, 0, 0,
     "directory or s3+https://host[:port]/bucket[/prefix]?region=… for history older than cold_after",
     "冷层：超过 cold_after 的历史数据，目录或 s3+https://主机[:端口]/存储桶[/前缀]?region=…"},
    {"cold-secret-file", TEXT, AT(cold_secret_file), NULL, 0, 0,
     "file with the access key:secret key of the cold store (or BORNITE_COLD_SECRET)",
     "冷层存储“访问密钥:秘密密钥”所在文件（或 BORNITE_COLD_SECRET）"},
    {"cold-cache-mb", NUMBER, AT(cold_cache_mb), "64", 1, 100000, "memory for what is read from the cold store",
     "冷层读取缓存（MB）"},
    {"listen", TEXT, AT(listen), "127.0.0.1", 0, 0, "address to listen on; 0.0.0.0 for all",
     "监听地址；0.0.0.0 表示全部"},
    {"port", NUMBER, AT(port), "8080", 0, 65535, "port; 0 for any free one", "端口；0 表示任意空闲端口"},
    {"tls-cert", TEXT, AT(tls_cert), NULL, 0, 0, "certificate (PEM); with tls-key: HTTPS",
     "证书（PEM）；与 tls-key 一起启用 HTTPS"},
    {"tls-key", TEXT, AT(tls_key), NULL, 0, 0, "private key (PEM)", "私钥（PEM）"},
    {"secret-key-file", TEXT, AT(secret_key_file), NULL, 0, 0,
     "key under which secrets are sealed; default: secret.key in the data directory",
     "加密机密内容的密钥文件；默认为数据目录中的 secret.key"},
    {"secret-passphrase-file", TEXT, AT(secret_passphrase_file), NULL, 0, 0,
     "file with a passphrase instead of the key file (or BORNITE_SECRET_PASSPHRASE)",
     "以口令代替密钥文件：口令所在文件（或 BORNITE_SECRET_PASSPHRASE）"},
    {"log", TEXT, AT(log), "info", 0, 0, "log level: debug, info, warn, error", "日志级别：debug、info、warn、error"},
    {"shards", NUMBER, AT(shards), "1", 1, 16, "threads of the sample path", "样本处理线程数"},
    {"workers", NUMBER, AT(workers), "4", 1, 64, "threads that answer requests", "请求处理线程数"},
    {"commit-ms", NUMBER, AT(commit_ms), "200", 1, 5000, "polled samples are on disk after at most this long",
     "采集样本最迟多久落盘（毫秒）"},
    {"journal-mb", NUMBER, AT(journal_mb), "4096", 16, 1000000, "most that the journal may hold",
     "日志缓存容量上限（MB）"},
    {"demo", SWITCH, AT(demo), "false", 0, 0, "set up the demo copper group at the first start",
     "首次启动时建立演示铜业集团"},
    {"sim-host", TEXT, AT(sim_host), "127.0.0.1", 0, 0, "where `bornite sim` plays the demo group", "演示仿真所在主机"},
    {"sim-port", NUMBER, AT(sim_port), "5020", 1, 65000, "its first port", "仿真起始端口"},
    {"config", TEXT, AT(file), NULL, 0, 0, "JSON file with these settings", "含上述设置的 JSON 文件"},
};
#define SETTINGS (sizeof settings / sizeof *settings)

static const struct setting *find(struct str name)
{
    for (size_t i = 0; i < SETTINGS; i++)
        if (str_is(name, settings[i].name)) return &settings[i];
    return NULL;
}

/* Texts live as long as the process. */
static const char *keep_text(struct str v)
{
    static char texts[32768];
    static size_t used;
    if (v.n >= sizeof texts - used) return NULL;
    char *z = texts + used;
    str_to_cstr(v, z, v.n + 1);
    used += v.n + 1;
    return z;
}

static int set(struct config *c, const struct setting *s, struct str v, struct error *e)
{
    void *at = (char *)c + s->at;
    int64_t n;
    switch (s->type) {
    case TEXT: {
        const char *z = keep_text(v);
        if (!z) return error_set(e, ERR_TOO_LARGE, s->name, "the settings are too long together", "设置内容过长");
        *(const char **)at = z;
        return 0;
    }
    case NUMBER:
        if (str_to_i64(v, &n) || n < s->lo || n > s->hi)
            return error_set(e, ERR_INVALID, s->name, "'%.*s' is not a number from %ld to %ld",
                             "'%.*s' 不是 %ld 到 %ld 之间的整数", STR_ARG(v), s->lo, s->hi);
        *(long *)at = (long)n;
        return 0;
    case SWITCH:
        if (!str_is(v, "true") && !str_is(v, "false") && !str_is(v, "1") && !str_is(v, "0"))
            return error_set(e, ERR_INVALID, s->name, "'%.*s' must be true or false", "'%.*s' 必须是 true 或 false",
                             STR_ARG(v));
        *(bool *)at = str_is(v, "true") || str_is(v, "1");
        return 0;
    }
    return 0;
}

static int set_defaults(struct config *c, struct error *e)
{
    *c = (struct config){0};
    for (size_t i = 0; i < SETTINGS; i++) {
        int err = settings[i].def ? set(c, &settings[i], str_of(settings[i].def), e) : 0;
        if (err) return err;
    }
    return 0;
}

static int set_environment(struct config *c, struct error *e)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        char name[64] = "BORNITE_";
        size_t n = 8;
        for (const char *p = settings[i].name; *p; p++) name[n++] = (char)(*p == '-' ? '_' : *p - 32);
        name[n] = '\0';
        const char *v = getenv(name);
        int err = v ? set(c, &settings[i], str_of(v), e) : 0;
        if (err) return err;
    }
    return 0;
}

static int unknown(struct str name, const char *where, struct error *e)
{
    return error_set(e, ERR_INVALID, where, "there is no setting '%.*s'; see bornite help",
                     "没有设置项 '%.*s'；参见 bornite help", STR_ARG(name));
}

static int set_member(struct config *c, const struct json *m, const char *file, struct error *e)
{
    AUTO_ARENA a;
    arena_init(&a, 1 << 20);
    const struct setting *s = find(m->key);
    if (!s) return unknown(m->key, file, e);
    if (m->type == JSON_NULL || m->type == JSON_ARRAY || m->type == JSON_OBJECT)
        return error_set(e, ERR_INVALID, s->name, "must be a text, a number, true or false",
                         "必须是文本、数字或布尔值");
    return set(c, s, m->type == JSON_STRING ? m->s : json_text(&a, m), e);
}

static int set_file(struct config *c, struct error *e)
{
    AUTO_ARENA a;
    struct json *root;
    char text[65536];
    if (!c->file) return 0;
    int fd = open(c->file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0) close(fd);
    if (n < 0) return error_set(e, ERR_IO, c->file, "cannot read the file", "无法读取文件");
    arena_init(&a, 1 << 20);
    int err = json_parse(&a, str_make(text, (size_t)n), &root, e);
    if (!err && root->type != JSON_OBJECT)
        err = error_set(e, ERR_INVALID, c->file, "must be one JSON object with settings as members",
                        "必须是一个 JSON 对象，成员为设置项");
    for
        json_each (m, err ? NULL : root)
            if (!err) err = set_member(c, m, c->file, e);
    return err;
}

static int set_arguments(struct config *c, int argc, char **argv, struct error *e)
{
    for (int i = 0; i < argc; i++) {
        struct str arg = str_of(argv[i]);
        if (!str_starts(arg, STR("--"))) return unknown(arg, "", e);
        struct str rest = str_sub(arg, 2, arg.n), name = str_cut(&rest, '=');
        const struct setting *s = find(name);
        if (!s) return unknown(name, "", e);
        if (!rest.p && s->type == SWITCH)
            rest = STR("true");
        else if (!rest.p && i + 1 < argc)
            rest = str_of(argv[++i]);
        if (!rest.p) return error_set(e, ERR_INVALID, s->name, "needs a value", "缺少值");
        int err = set(c, s, rest, e);
        if (err) return err;
    }
    return 0;
}

/* The file is named by the others but weaker than them: read them, then the file, then them again. */
int config_read(struct config *c, int argc, char **argv, struct error *e)
{
    int err = set_defaults(c, e);
    if (!err) err = set_environment(c, e);
    if (!err) err = set_arguments(c, argc, argv, e);
    if (err || !c->file) return err;
    err = set_file(c, e);
    if (!err) err = set_environment(c, e);
    if (!err) err = set_arguments(c, argc, argv, e);
    return err;
}

/* A password in a URL stays out: "postgresql://user:secret@host" -> "postgresql://user@host". */
static void put_text(struct json_writer *w, const char *name, const char *v)
{
    const char *host = strstr(v, "://"), *at = host ? strchr(host, '@') : NULL,
               *colon = host ? strchr(host + 3, ':') : NULL;
    char out[4300];
    if (at && colon && colon < at)
        snprintf(out, sizeof out, "%.*s%s", (int)(colon - v), v, at);
    else
        snprintf(out, sizeof out, "%s", v);
    jw_kz(w, name, strstr(out, "password=") ? "" : out);
}

int config_save(const struct config *c, struct fs *fs, struct error *e)
{
    struct buf b;
    buf_init(&b, 64 << 10);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    for (size_t i = 0; i < SETTINGS; i++) {
        const void *at = (const char *)c + settings[i].at;
        const char *text = settings[i].type == TEXT ? *(const char *const *)at : NULL;
        if (text) put_text(&w, settings[i].name, text);
        if (settings[i].type == NUMBER) jw_ki64(&w, settings[i].name, *(const long *)at);
        if (settings[i].type == SWITCH) jw_kbool(&w, settings[i].name, *(const bool *)at);
    }
    jw_end(&w);
    int rc = b.err ? b.err : fs_replace(fs, "settings.json", b.p, b.n);
    buf_fini(&b);
    return rc ? error_set(e, rc, "settings.json", "cannot be written", "无法写入") : 0;
}

void config_help(void)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        const struct setting *s = &settings[i];
        printf("  --%-12s %s / %s%s%s%s\n", s->name, s->help_en, s->help_zh, s->def ? " (" : "", s->def ? s->def : "",
               s->def ? ")" : "");
    }
}
