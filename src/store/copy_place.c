/* copy_place.c - where a copy is made and how it gets its name at once.
 *
 * SQLite: "<file>.part", renamed after its last connection has put everything into it. PostgreSQL: schema
 * "<schema>_part", renamed in one transaction that drops the empty schema of that name. Both are held alone while
 * they are written, and so is the target where it is there already (empty). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>
#include "base/mem.h"
#include "store/copy_int.h"

#define LITE "sqlite:"

static bool is_lite(const char *url)
{
    return strncmp(url, LITE, strlen(LITE)) == 0;
}

/* The file of a sqlite: URL, without options. */
static void file_of(const char *url, char out[4200])
{
    struct str s = str_of(url + strlen(LITE));
    str_to_cstr(str_cut(&s, '?'), out, 4200);
}

/* "…schema=x…" -> "…schema=x_part…"; without one: the default schema's. */
static void schema_part(const char *url, char *out, size_t cap)
{
    const char *at = strstr(url, "schema=");
    if (!at) {
        snprintf(out, cap, "%s%cschema=bornite_part", url, strchr(url, '?') ? '&' : '?');
        return;
    }
    size_t n = (size_t)(at - url) + strcspn(at, "&");
    snprintf(out, cap, "%.*s_part%s", (int)n, url, url + n);
}

static void schema_of(const char *url, char out[64])
{
    const char *at = strstr(url, "schema=");
    struct str s = at ? str_of(at + strlen("schema=")) : STR("bornite");
    str_to_cstr(str_cut(&s, '&'), out, 64);
}

static int not_empty(const char *name, struct error *e)
{
    return error_set(e, ERR_EXISTS, "to", "the target is not empty (it has the table %s); name another one or empty it",
                     "目标库不为空（已有表 %s）；请换一个或先清空", name);
}

static int check_empty(struct sql *db, struct error *e)
{
    struct copy_shapes *s = mem_calloc(1, sizeof *s);
    if (!s) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    int rc = shapes_read(db, s, e);
    if (!rc && s->n) rc = not_empty(s->table[0].name, e);
    mem_free(s);
    return rc;
}

bool place_may_be(const char *url)
{
    char file[4200];
    if (!is_lite(url)) return true;
    file_of(url, file);
    return access(file, F_OK) == 0;
}

/* The target, when it is there; NULL else. */
static int open_held(const char *url, struct sql **ret, struct error *e)
{
    *ret = NULL;
    if (strstr(url, ":memory:"))
        return error_set(e, ERR_INVALID, "to", "a memory database keeps nothing", "内存数据库不能作为目标");
    if (!place_may_be(url)) return 0;
    int rc = sql_open(url, ret, e);
    if (!rc) rc = check_empty(*ret, e);
    if (!rc) rc = sql_alone(*ret, e);
    if (rc) sql_close(TAKE(*ret));
    return rc;
}

int place_check(const char *url, bool *ret_there, struct error *e)
{
    struct sql *db = NULL;
    int rc = open_held(url, &db, e);
    *ret_there = db != NULL;
    sql_close(db);
    return rc;
}

static int run(struct sql *db, const char *text, struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(db, true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, text, "");
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

static int open_part(struct copy_place *p, struct error *e)
{
    int rc = sql_open(p->part, &p->db, e);
    if (!rc) rc = sql_alone(p->db, e);
    if (rc && p->db) sql_close(TAKE(p->db));
    return rc;
}

/* Nobody else writes to it: it was ours alone a moment ago. */
static int throw_away(struct copy_place *p, struct error *e)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char file[4400], path[4500], schema[64], text[120];
    int rc = 0;
    if (is_lite(p->url)) {
        sql_close(TAKE(p->db));
        file_of(p->part, file);
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
            snprintf(path, sizeof path, "%s%s", file, ends[i]);
            unlink(path);
        }
    } else {
        schema_of(p->part, schema);
        snprintf(text, sizeof text, "drop schema \"%s\" cascade", schema);
        rc = run(p->db, text, e);
        sql_close(TAKE(p->db));
    }
    return rc;
}

int place_open(struct copy_place *p, struct error *e)
{
    char file[4200];
    if (is_lite(p->url)) {
        file_of(p->url, file);
        snprintf(p->part, sizeof p->part, LITE "%s.part", file);
    } else {
        schema_part(p->url, p->part, sizeof p->part);
    }
    int rc = open_held(p->url, &p->held, e);
    if (!rc) rc = open_part(p, e);
    if (!rc) rc = throw_away(p, e);
    if (!rc) rc = open_part(p, e);
    return rc;
}

void place_release(struct copy_place *p)
{
    sql_close(TAKE(p->db));
}

int place_reopen(struct copy_place *p, struct error *e)
{
    return open_part(p, e);
}

static int sync_path(const char *path, struct error *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc =
        fd < 0 || fsync(fd) ? error_set(e, error_from_errno(errno), path, "cannot be made durable", "无法落盘") : 0;
    if (fd >= 0) close(fd);
    return rc;
}

/* Who opens a database takes a shared lock on "<file>-lock": with this one nobody comes in between. */
static int lock_name(const char *file, int *ret, struct error *e)
{
    char path[4300];
    snprintf(path, sizeof path, "%s-lock", file);
    *ret = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*ret >= 0 && flock(*ret, LOCK_EX | LOCK_NB) == 0) return 0;
    return error_set(e, ERR_EXISTS, "to", "%s has been opened by another process meanwhile", "%s 已被另一进程打开",
                     file);
}

static int name_file(struct copy_place *p, const char *part, const char *file, struct error *e)
{
    char dir[4200];
    bool there = p->held != NULL;
    int fd = -1;
    sql_close(TAKE(p->held)); /* before the rename: closing takes away the journal of that name */
    int rc = lock_name(file, &fd, e);
    if (!rc && renameat2(AT_FDCWD, part, AT_FDCWD, file, there ? 0 : RENAME_NOREPLACE))
        rc = error_set(e, errno == EEXIST ? ERR_EXISTS : ERR_IO, "to", "cannot name the copy %s: %s",
                       "无法命名副本 %s：%s", file, strerror(errno));
    snprintf(dir, sizeof dir, "%s", file);
    char *slash = strrchr(dir, '/');
    if (slash) slash[slash == dir] = 0;
    if (!rc) rc = sync_path(slash ? dir : ".", e);
    if (fd >= 0) close(fd);
    return rc;
}

static int publish_file(struct copy_place *p, struct error *e)
{
    char part[4400], file[4200], path[4500];
    file_of(p->part, part);
    file_of(p->url, file);
    sql_close(TAKE(p->db)); /* the last connection moves the journal into the file */
    snprintf(path, sizeof path, "%s-wal", part);
    if (access(path, F_OK) == 0)
        return error_set(e, ERR_IO, path, "the copy's journal was not taken in", "副本日志未能合并");
    int rc = sync_path(part, e);
    if (!rc) rc = name_file(p, part, file, e);
    snprintf(path, sizeof path, "%s-lock", part);
    if (!rc) unlink(path);
    return rc;
}

static int publish_schema(struct copy_place *p, struct error *e)
{
    char part[64], name[64], drop[120], rename[160];
    struct sql_tx *tx;
    schema_of(p->part, part);
    schema_of(p->url, name);
    snprintf(drop, sizeof drop, "drop schema if exists \"%s\" cascade", name);
    snprintf(rename, sizeof rename, "alter schema \"%s\" rename to \"%s\"", part, name);
    int rc = sql_begin(p->db, true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, drop, "");
    if (!rc) rc = sql_exec(tx, e, rename, "");
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

int place_publish(struct copy_place *p, struct error *e)
{
    int rc = is_lite(p->url) ? publish_file(p, e) : publish_schema(p, e);
    place_close(p);
    return rc;
}

void place_close(struct copy_place *p)
{
    sql_close(TAKE(p->db));
    sql_close(TAKE(p->held));
}
