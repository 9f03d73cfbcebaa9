/* places.c - see places.h.
 *
 * A directory answers when its file LOCK can be opened (io/fs_real.c makes it), an object store when it lets us in.
 * What queries met when they last read segments there (the engine's own count) tells as well, and at once. */
#include "modules/history/places.h"
#include "base/time.h"
#include "store/fs_object.h"

static int look_at_directory(const struct node_place *p, struct place_seen *s)
{
    struct fs_file *f = NULL;
    int err = fs_open(p->fs, "LOCK", FS_READ, &f);
    fs_close(f);
    if (err == ERR_NOT_FOUND)
        return error_set(&s->why, ERR_UNAVAILABLE, "", "%.200s does not hold what was there; is its disk mounted?",
                         "%.200s 中的文件不见了；磁盘是否已挂载？", p->at);
    if (err)
        return error_set(&s->why, err, "", "%.200s cannot be read: %s", "%.200s 无法读取：%s", p->at, error_title(err));
    if (p->fs->ops->space(p->fs, &s->free, &s->total)) s->free = s->total = -1;
    return 0;
}

void places_see(const struct node *n, struct place_seen ret[TS_PLACES])
{
    for (size_t i = 0; i < TS_PLACES; i++) {
        const struct node_place *p = &n->places[i];
        struct place_seen *s = &ret[i];
        *s = (struct place_seen){.free = -1, .total = -1};
        if (!p->at || !p->fs) continue;
        s->err = p->objects ? object_store_check(p->objects, &s->why) : look_at_directory(p, s);
        s->at_us = clock_now_us(n->clock);
    }
}

static void write_bytes_or_null(struct json_writer *w, const char *key, int64_t v)
{
    if (v >= 0)
        jw_ki64(w, key, v);
    else
        jw_kz(w, key, NULL);
}

/* How an object store is used since the start; null for a directory. */
static void write_traffic(const struct node_place *p, struct json_writer *w)
{
    struct fs_object_stats s;
    if (!p->objects) {
        jw_kz(w, "traffic", NULL);
        return;
    }
    fs_object_stats(p->fs, &s);
    jw_key(w, STR("traffic"));
    jw_object(w);
    jw_ki64(w, "cache_hits", (int64_t)s.hits);
    jw_ki64(w, "fetches", (int64_t)s.fetches);
    jw_ki64(w, "fetched_bytes", (int64_t)s.fetched_bytes);
    jw_ki64(w, "uploads", (int64_t)s.uploads);
    jw_ki64(w, "uploaded_bytes", (int64_t)s.uploaded_bytes);
    jw_ki64(w, "failures", (int64_t)s.failures);
    jw_end(w);
}

static void write_state(const struct place_seen *s, const struct ts_place_use *u, bool set, struct json_writer *w)
{
    bool away = set && (s->err || u->away);
    jw_kz(w, "state", !set && !u->files ? "none" : away || !set ? "away" : "ok");
    if (!set && u->files) {
        jw_kz(w, "why", "files lie here, but the settings name no such place");
        jw_kz(w, "why_zh", "此处存有数据，但设置中没有配置该位置");
    } else if (s->err) {
        jw_kz(w, "why", s->why.text[0] ? s->why.text : error_title(s->err));
        jw_kz(w, "why_zh", s->why.text_zh[0] ? s->why.text_zh : error_title_zh(s->err));
    } else {
        jw_kz(w, "why", u->away ? error_title(u->err) : NULL);
        jw_kz(w, "why_zh", u->away ? error_title_zh(u->err) : NULL);
    }
}

static void write_place(const struct node_place *p, enum ts_place place, const struct place_seen *s,
                        const struct ts_place_use *u, struct json_writer *w)
{
    char t[TIME_TEXT_MAX];
    jw_object(w);
    jw_kz(w, "name", ts_place_name(place));
    jw_kz(w, "at", p->at);
    write_state(s, u, p->at != NULL, w);
    jw_ki64(w, "bytes", (int64_t)u->bytes);
    jw_ki64(w, "files", (int64_t)u->files);
    jw_ki64(w, "samples", (int64_t)u->samples);
    jw_ki64(w, "away_files", (int64_t)u->away);
    write_bytes_or_null(w, "free", s->free);
    write_bytes_or_null(w, "total", s->total);
    jw_kz(w, "seen_at", s->at_us ? time_format(s->at_us, t) : NULL);
    write_traffic(p, w);
    jw_end(w);
}

void places_write(const struct node *n, const struct place_seen seen[TS_PLACES], struct json_writer *w)
{
    static const struct node_place none;
    struct ts_place_use use[TS_PLACES] = {{0}};
    const struct ts_admin_ops *admin = n->engine->admin;
    char t[TIME_TEXT_MAX];
    if (admin && admin->places) admin->places(n->engine, use);
    jw_key(w, STR("places"));
    jw_array(w);
    for (unsigned i = 0; i < TS_PLACES; i++)
        write_place(n->places ? &n->places[i] : &none, (enum ts_place)i, &seen[i], &use[i], w);
    jw_end(w);
    jw_kz(w, "places_at", time_format(clock_now_us(n->clock), t));
}
