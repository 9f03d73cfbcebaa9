/* inbox.c - see inbox.h. Tables: notice(id uuid7, …), notice_read(user_id, notice_id): what was read one by
 * one; notice_id '' of a user holds in `upto` the id up to which all is read. */
#include "modules/notice/inbox.h"
#include <pthread.h>
#include "base/mem.h"
#include "base/time.h"
#include "core/feed.h"

#define TITLE_MAX 400
#define TEXT_MAX 4000
#define NEWS 50

static const struct sql_migration migrations[] = {
    {1, "create table notice(id text primary key, at_us int not null, topic text not null, severity int not null, "
        "title_en text not null, title_zh text not null, text_en text not null, text_zh text not null, "
        "kind text not null, ref text not null, org text not null, link text not null, user_id text not null, "
        "need int not null) strict;"
        "create table notice_read(user_id text not null, notice_id text not null, upto text not null, "
        "primary key(user_id, notice_id)) strict;"},
};

struct reader {
    char user_id[37], upto[37];
    char (*ids)[37]; /* read one by one, after `upto`; sorted */
    size_t n, cap;
};
struct inbox {
    struct kernel *k;
    pthread_mutex_t lock;
    struct notice **list; /* oldest first */
    size_t n, cap;
    int64_t changes; /* notices and readings; a notice's version is what it was then */
    struct reader **readers;
    size_t nreaders, readers_cap;
};

static const char *const severities[] = {"info", "warning", "error", "critical"};
const char *severity_name(enum event_severity s)
{
    return s <= EVENT_CRITICAL ? severities[s] : "critical";
}
int severity_parse(struct str s)
{
    for (int i = 0; i <= EVENT_CRITICAL; i++)
        if (str_is(s, severities[i])) return i;
    return -1;
}

/* ---- one notice ---- */

struct packer {
    char *at;
};
static struct str pack(struct packer *p, struct str s)
{
    if (s.n) memcpy(p->at, s.p, s.n);
    p->at += s.n;
    return str_make(p->at - s.n, s.n);
}

/* Cut at a character's border. */
static struct str cut(struct str s, size_t max)
{
    if (s.n <= max) return s;
    while (max && ((unsigned char)s.p[max] & 0xc0) == 0x80) max--;
    return str_make(s.p, max);
}

static struct notice *notice_new(struct str topic, struct str ten, struct str tzh, struct str xen, struct str xzh,
                                 struct str ref, struct str link)
{
    ten = cut(ten, TITLE_MAX), tzh = cut(tzh.n ? tzh : ten, TITLE_MAX);
    xen = cut(xen, TEXT_MAX), xzh = cut(xzh.n ? xzh : xen, TEXT_MAX);
    topic = cut(topic, 100), ref = cut(ref, 200), link = cut(link, 1000);
    struct notice *n = mem_calloc(1, sizeof *n + topic.n + ten.n + tzh.n + xen.n + xzh.n + ref.n + link.n + 1);
    if (!n) return NULL;
    struct packer p = {(char *)(n + 1)};
    n->topic = pack(&p, topic);
    n->title_en = pack(&p, ten);
    n->title_zh = pack(&p, tzh);
    n->text_en = pack(&p, xen);
    n->text_zh = pack(&p, xzh);
    n->ref = pack(&p, ref);
    n->link = pack(&p, link);
    return n;
}

struct notice *notice_of(struct node *node, const struct event *ev)
{
    struct notice *n =
        notice_new(str_of(ev->topic), ev->title_en, ev->title_zh, ev->text_en, ev->text_zh, ev->id, ev->link);
    if (!n) return NULL;
    uuid7(node->clock, node->rng, n->id);
    n->at_us = clock_now_us(node->clock);
    n->severity = ev->severity;
    n->need = ev->need;
    memcpy(n->user_id, ev->user_id, sizeof n->user_id);
    str_to_cstr(ev->org, n->org, sizeof n->org);
    str_to_cstr(ev->kind, n->kind, sizeof n->kind);
    return n;
}

bool notice_visible(const struct notice *n, const struct permissions *may, const char *user_id)
{
    if (n->user_id[0]) return strcmp(n->user_id, user_id) == 0;
    return permitted_at(may, n->kind, n->need, str_of(n->org));
}

/* ---- readers ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static struct reader *reader_find(struct inbox *b, const char *user_id)
{
    for (size_t i = 0; i < b->nreaders; i++)
        if (strcmp(b->readers[i]->user_id, user_id) == 0) return b->readers[i];
    return NULL;
}

static struct reader *reader_make(struct inbox *b, const char *user_id)
{
    struct reader *r = reader_find(b, user_id);
    if (r) return r;
    if (!mem_grow((void **)&b->readers, &b->readers_cap, b->nreaders + 1, sizeof *b->readers)) return NULL;
    r = mem_calloc(1, sizeof *r);
    if (!r) return NULL;
    snprintf(r->user_id, sizeof r->user_id, "%s", user_id);
    return b->readers[b->nreaders++] = r;
}

static bool has_read(const struct reader *r, const struct notice *n)
{
    if (!r) return false;
    return strcmp(n->id, r->upto) <= 0 || (r->n && bsearch(n->id, r->ids, r->n, sizeof *r->ids, by_text));
}

static bool mark(struct reader *r, const char *id)
{
    if (!mem_grow((void **)&r->ids, &r->cap, r->n + 1, sizeof *r->ids)) return false;
    size_t at = r->n;
    while (at && strcmp(r->ids[at - 1], id) > 0) at--;
    memmove(r->ids + at + 1, r->ids + at, (r->n - at) * sizeof *r->ids);
    snprintf(r->ids[at], sizeof r->ids[at], "%s", id);
    r->n++;
    return true;
}

static void mark_upto(struct reader *r, const char *id)
{
    snprintf(r->upto, sizeof r->upto, "%s", id);
    size_t keep = 0;
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(r->ids[i], id) > 0) memmove(r->ids[keep++], r->ids[i], sizeof *r->ids);
    r->n = keep;
}

/* ---- loading ---- */

static int put(struct inbox *b, struct notice *n)
{
    if (!n || !mem_grow((void **)&b->list, &b->cap, b->n + 1, sizeof *b->list)) {
        mem_free(n);
        return ERR_NOMEM;
    }
    n->version = ++b->changes;
    b->list[b->n++] = n;
    return 0;
}

static struct notice *read_row(struct sql_stmt *s)
{
    struct notice *n = notice_new(sql_str(s, 2), sql_str(s, 4), sql_str(s, 5), sql_str(s, 6), sql_str(s, 7),
                                  sql_str(s, 9), sql_str(s, 11));
    if (!n) return NULL;
    str_to_cstr(sql_str(s, 0), n->id, sizeof n->id);
    n->at_us = sql_i64(s, 1);
    n->severity = (enum event_severity)sql_i64(s, 3);
    str_to_cstr(sql_str(s, 8), n->kind, sizeof n->kind);
    str_to_cstr(sql_str(s, 10), n->org, sizeof n->org);
    str_to_cstr(sql_str(s, 12), n->user_id, sizeof n->user_id);
    n->need = (enum api_action)sql_i64(s, 13);
    return n;
}

static int load_notices(struct inbox *b, struct sql_tx *tx, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx,
                         "select id, at_us, topic, severity, title_en, title_zh, text_en, text_zh, kind, ref, org, "
                         "link, user_id, need from (select * from notice order by id desc limit $1) as newest "
                         "order by id",
                         &s, e);
    if (rc) return rc;
    sql_bind_i64(s, 1, INBOX_MAX);
    while ((rc = sql_step(s, e)) == 1)
        if ((rc = put(b, read_row(s)))) break;
    sql_done(s);
    return rc;
}

static int load_readers(struct inbox *b, struct sql_tx *tx, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(tx, "select user_id, notice_id, upto from notice_read order by user_id, notice_id", &s, e);
    if (rc) return rc;
    while ((rc = sql_step(s, e)) == 1) {
        char user[37], id[37], upto[37];
        str_to_cstr(sql_str(s, 0), user, sizeof user);
        str_to_cstr(sql_str(s, 1), id, sizeof id);
        str_to_cstr(sql_str(s, 2), upto, sizeof upto);
        struct reader *r = reader_make(b, user);
        if (!r || (id[0] && !mark(r, id))) {
            rc = ERR_NOMEM;
            break;
        }
        if (!id[0]) mark_upto(r, upto);
    }
    sql_done(s);
    return rc;
}

int inbox_open(struct kernel *k, struct inbox **ret, struct error *e)
{
    struct inbox *b = mem_calloc(1, sizeof *b);
    struct sql_tx *tx;
    if (!b) return error_set(e, ERR_NOMEM, "notice", "out of memory", "内存不足");
    b->k = k;
    pthread_mutex_init(&b->lock, NULL);
    int rc = sql_migrate(kernel_sql(k), "notice", migrations, sizeof migrations / sizeof *migrations, e);
    if (!rc) rc = sql_begin(kernel_sql(k), false, &tx, e);
    if (!rc) {
        rc = load_notices(b, tx, e);
        if (!rc) rc = load_readers(b, tx, e);
        sql_rollback(tx);
    }
    if (rc)
        inbox_close(b);
    else
        *ret = b;
    return rc;
}

void inbox_close(struct inbox *b)
{
    if (!b) return;
    for (size_t i = 0; i < b->n; i++) mem_free(b->list[i]);
    for (size_t i = 0; i < b->nreaders; i++) {
        mem_free(b->readers[i]->ids);
        mem_free(b->readers[i]);
    }
    mem_free(b->list);
    mem_free(b->readers);
    pthread_mutex_destroy(&b->lock);
    mem_free(b);
}

/* ---- adding ---- */

static int store_one(struct sql_tx *tx, const struct notice *n, struct error *e)
{
    return sql_exec(tx, e,
                    "insert into notice(id, at_us, topic, severity, title_en, title_zh, text_en, text_zh, kind, ref, "
                    "org, link, user_id, need) values($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)",
                    "sisisssssssssi", str_of(n->id), n->at_us, n->topic, (int64_t)n->severity, n->title_en, n->title_zh,
                    n->text_en, n->text_zh, str_of(n->kind), n->ref, str_of(n->org), n->link, str_of(n->user_id),
                    (int64_t)n->need);
}

int inbox_store(struct sql_tx *tx, struct notice *const *n, size_t count, struct error *e)
{
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++) rc = store_one(tx, n[i], e);
    return rc;
}

void inbox_add(struct inbox *b, struct notice **n, size_t count)
{
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < count; i++)
        if (put(b, n[i])) continue; /* still in the table; shown after the next start */
    if (b->n > INBOX_MAX) {
        size_t extra = b->n - INBOX_MAX;
        for (size_t i = 0; i < extra; i++) mem_free(b->list[i]);
        memmove(b->list, b->list + extra, INBOX_MAX * sizeof *b->list);
        b->n = INBOX_MAX;
    }
    pthread_mutex_unlock(&b->lock);
}

int inbox_prune(struct inbox *b, struct error *e)
{
    struct sql_tx *tx;
    int64_t oldest = clock_now_us(kernel_clock(b->k)) - INBOX_DAYS * 86400LL * TIME_US_PER_S;
    pthread_mutex_lock(&b->lock);
    size_t gone = 0;
    while (gone < b->n && b->list[gone]->at_us < oldest) mem_free(b->list[gone++]);
    if (gone) memmove(b->list, b->list + gone, (b->n - gone) * sizeof *b->list);
    b->n -= gone;
    pthread_mutex_unlock(&b->lock);
    int rc = sql_begin(kernel_sql(b->k), true, &tx, e);
    if (rc) return rc;
    rc = sql_exec(tx, e, "delete from notice where at_us < $1", "i", oldest);
    if (!rc)
        rc =
            sql_exec(tx, e, "delete from notice where id <= (select id from notice order by id desc limit 1 offset $1)",
                     "i", (int64_t)INBOX_MAX);
    if (!rc)
        rc = sql_exec(tx, e,
                      "delete from notice_read where notice_id <> '' and notice_id not in (select id from notice)", "");
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

/* ---- reading ---- */

static void write_members(struct json_writer *w, const struct notice *n, bool zh, bool read)
{
    char at[TIME_TEXT_MAX];
    jw_kstr(w, "id", str_of(n->id));
    jw_kz(w, "at", time_format(n->at_us, at));
    jw_kstr(w, "topic", n->topic);
    jw_kz(w, "severity", severity_name(n->severity));
    jw_kstr(w, "title", zh ? n->title_zh : n->title_en);
    jw_kstr(w, "text", zh ? n->text_zh : n->text_en);
    jw_kstr(w, "link", n->link);
    jw_kbool(w, "read", read);
}

static size_t unread_of(struct inbox *b, const struct actor *who)
{
    const struct reader *r = reader_find(b, who->user_id);
    size_t n = 0;
    for (size_t i = b->n; i-- > 0;) {
        if (r && strcmp(b->list[i]->id, r->upto) <= 0) break; /* ids ascend */
        n += !has_read(r, b->list[i]) && notice_visible(b->list[i], who->may, who->user_id);
    }
    return n;
}

int inbox_list(struct inbox *b, const struct inbox_query *q, struct json_writer *w, size_t *ret_total,
               size_t *ret_unread, struct error *e)
{
    size_t total = 0;
    pthread_mutex_lock(&b->lock);
    const struct reader *r = reader_find(b, q->who->user_id);
    for (size_t i = b->n; i-- > 0;) {
        const struct notice *n = b->list[i];
        bool read = has_read(r, n);
        if ((q->unread && read) || !notice_visible(n, q->who->may, q->who->user_id)) continue;
        if (total++ < q->offset || total > q->offset + q->limit) continue;
        jw_object(w);
        write_members(w, n, q->zh, read);
        jw_end(w);
    }
    *ret_total = total;
    *ret_unread = unread_of(b, q->who);
    pthread_mutex_unlock(&b->lock);
    return 0;
}

static const struct notice *find(struct inbox *b, struct str id)
{
    size_t lo = 0, hi = b->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = str_cmp(str_of(b->list[mid]->id), id);
        if (c == 0) return b->list[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

/* Which of the ids are his and not read: into the arena's list. */
static size_t wanted(struct inbox *b, const struct actor *who, const struct json *ids, struct str *out)
{
    size_t n = 0;
    pthread_mutex_lock(&b->lock);
    const struct reader *r = reader_find(b, who->user_id);
    for
        json_each (it, ids) {
            struct str id = json_str(it, STR(""));
            const struct notice *found = find(b, id);
            if (found && !has_read(r, found) && notice_visible(found, who->may, who->user_id)) out[n++] = id;
        }
    pthread_mutex_unlock(&b->lock);
    return n;
}

static int store_upto(struct sql_tx *tx, const char *user_id, const char *upto, struct error *e)
{
    int rc = sql_exec(tx, e, "delete from notice_read where user_id = $1 and notice_id <= $2", "ss", str_of(user_id),
                      str_of(upto));
    if (rc) return rc;
    return sql_exec(tx, e,
                    "insert into notice_read(user_id, notice_id, upto) values($1, '', $2) on conflict(user_id, "
                    "notice_id) do update set upto = excluded.upto",
                    "ss", str_of(user_id), str_of(upto));
}

static int store_read(struct inbox *b, const char *user_id, const struct str *ids, size_t n, const char *upto,
                      struct error *e)
{
    struct sql_tx *tx;
    int rc = sql_begin(kernel_sql(b->k), true, &tx, e);
    if (rc) return rc;
    if (upto) rc = store_upto(tx, user_id, upto, e);
    for (size_t i = 0; i < n && !rc; i++)
        rc = sql_exec(tx, e,
                      "insert into notice_read(user_id, notice_id, upto) values($1, $2, '') on conflict(user_id, "
                      "notice_id) do nothing",
                      "ss", str_of(user_id), ids[i]);
    if (!rc) return sql_commit(tx, e);
    sql_rollback(tx);
    return rc;
}

int inbox_read(struct inbox *b, const struct actor *who, const struct json *ids, size_t *ret_unread, struct error *e)
{
    AUTO_FREE void *memory = mem_alloc((json_count(ids) + 1) * sizeof(struct str));
    struct str *list = memory;
    char newest[37] = "";
    if (!list) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    size_t n = ids ? wanted(b, who, ids, list) : 0;
    pthread_mutex_lock(&b->lock);
    if (!ids && b->n) memcpy(newest, b->list[b->n - 1]->id, sizeof newest);
    pthread_mutex_unlock(&b->lock);
    int rc = n || newest[0] ? store_read(b, who->user_id, list, n, newest[0] ? newest : NULL, e) : 0;
    if (rc) return rc;
    pthread_mutex_lock(&b->lock);
    struct reader *r = n || newest[0] ? reader_make(b, who->user_id) : NULL;
    if (r && newest[0]) mark_upto(r, newest);
    for (size_t i = 0; r && i < n; i++) {
        char id[37];
        if (str_to_cstr(list[i], id, sizeof id) && !(r->n && bsearch(id, r->ids, r->n, sizeof *r->ids, by_text)))
            (void)!mark(r, id);
    }
    b->changes++;
    *ret_unread = unread_of(b, who);
    pthread_mutex_unlock(&b->lock);
    return 0;
}

void inbox_news(struct inbox *b, const struct actor *who, bool zh, int64_t *cursor, struct buf *out)
{
    pthread_mutex_lock(&b->lock);
    bool first = *cursor < 0, any = *cursor < b->changes;
    size_t from = b->n > NEWS ? b->n - NEWS : 0;
    for (size_t i = from; i < b->n && any && !first; i++) {
        const struct notice *n = b->list[i];
        if (n->version <= *cursor || !notice_visible(n, who->may, who->user_id)) continue;
        struct json_writer w = feed_event(out, "notice");
        write_members(&w, n, zh, false);
        feed_event_end(&w);
    }
    if (first || any) {
        struct json_writer w = feed_event(out, "unread");
        jw_ki64(&w, "unread", (int64_t)unread_of(b, who));
        feed_event_end(&w);
    }
    *cursor = b->changes;
    pthread_mutex_unlock(&b->lock);
}
