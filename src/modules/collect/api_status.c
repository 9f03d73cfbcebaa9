/* api_status.c - GET /drivers, /channels:status, /channels/{id}/diagnostics. */
#include "base/mem.h"
#include "base/time.h"
#include "drivers/common/registry.h"
#include "modules/collect/collect.h"

#define DEVICES_MAX 1000

int get_drivers(struct api_call *c, struct error *e)
{
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    drivers_json(&w, collect_of(c)->node->drivers);
    jw_end(&w);
    return 0;
}

struct tally {
    size_t points, good, bad;
};

static void count_device(struct bus *bus, const struct plant *p, const struct p_device *d, struct tally *t)
{
    for (size_t i = 0; i < d->npoints; i++) {
        struct sample s;
        bool have = bus_current(bus, p->points[d->point + i].num, &s);
        t->points++;
        if (have && s.quality == QUALITY_GOOD) t->good++;
        if (!have || s.quality == QUALITY_BAD) t->bad++;
    }
}

static struct tally count_channel(struct bus *bus, const struct plant *p, const struct p_channel *ch)
{
    struct tally t = {0};
    for (size_t i = 0; i < ch->ndevices; i++) count_device(bus, p, &p->devices[ch->device + i], &t);
    return t;
}

void write_time(struct json_writer *w, const char *key, int64_t us)
{
    char t[TIME_TEXT_MAX];
    jw_kz(w, key, us ? time_format(us, t) : NULL);
}

/* How far the source's clock is ahead of ours; null when its samples do not tell. */
static void write_clock(struct json_writer *w, bool known, int64_t us)
{
    jw_key(w, STR("clock_ms"));
    if (known)
        jw_double(w, us / 1000.0);
    else
        jw_null(w);
}

static void write_counters(struct json_writer *w, const struct driver_status *s)
{
    write_time(w, "since", s->since_us);
    write_time(w, "last_ok", s->last_ok_us);
    jw_kdouble(w, "rtt_ms", s->rtt_us / 1000.0);
    jw_ki64(w, "requests", (int64_t)s->requests);
    jw_ki64(w, "errors", (int64_t)s->errors);
    jw_ki64(w, "timeouts", (int64_t)s->timeouts);
    jw_ki64(w, "reconnects", (int64_t)s->reconnects);
    jw_ki64(w, "polls", (int64_t)s->polls);
    jw_ki64(w, "late", (int64_t)s->late);
    jw_ki64(w, "samples", (int64_t)s->samples);
    jw_ki64(w, "held", (int64_t)s->held);
    jw_ki64(w, "writes", (int64_t)s->writes);
    jw_ki64(w, "bytes_in", (int64_t)s->bytes_in);
    jw_ki64(w, "bytes_out", (int64_t)s->bytes_out);
    jw_ki64(w, "connections", s->connections);
}

static void write_history(struct json_writer *w, const struct chan_view *v)
{
    jw_key(w, STR("history"));
    jw_array(w);
    for (unsigned i = 0; i < v->nhistory; i++) jw_str(w, str_of(driver_state_name(v->history[i])));
    jw_end(w);
}

/* Members of one channel's status into the open object. */
static void write_channel(struct api_call *c, struct json_writer *w, const struct plant *p, const struct p_channel *ch)
{
    struct collect *col = collect_of(c);
    struct chan_view v;
    struct tally t = count_channel(col->node->bus, p, ch);
    bool runs = run_view(col->run, ch->id, &v);
    const char *reason = "";
    if (runs)
        reason = c->zh ? v.status.reason_zh : v.status.reason;
    else if (ch->problem.code)
        reason = c->zh ? ch->problem.text_zh : ch->problem.text;
    else if (!ch->enabled)
        reason = c->zh ? "已停用" : "disabled";
    jw_kstr(w, "id", ch->id);
    jw_kstr(w, "code", ch->code);
    jw_kstr(w, "name", ch->name);
    jw_kz(w, "driver", ch->driver ? ch->driver->name : NULL);
    jw_kz(w, "state", runs ? driver_state_name(v.status.state) : ch->problem.code ? "down" : "off");
    jw_kz(w, "reason", reason);
    jw_ki64(w, "points", (int64_t)t.points);
    jw_ki64(w, "good", (int64_t)t.good);
    jw_ki64(w, "bad", (int64_t)t.bad);
    jw_kdouble(w, "samples_per_s", runs ? v.samples_per_s : 0);
    if (!runs) v = (struct chan_view){0};
    write_clock(w, v.has_clock, v.clock_us);
    write_counters(w, &v.status);
    write_history(w, &v);
}

int get_status(struct api_call *c, struct error *e)
{
    struct plant *p = collect_plant(collect_of(c));
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("items"));
    jw_array(&w);
    for (size_t i = 0; p && i < p->nchannels; i++) {
        if (!permitted_at(c->actor.may, "channel", ACT_READ, p->channels[i].org)) continue;
        jw_object(&w);
        write_channel(c, &w, p, &p->channels[i]);
        jw_end(&w);
    }
    jw_end(&w);
    jw_end(&w);
    plant_unref(p);
    return 0;
}

static void write_frames(struct api_call *c, struct json_writer *w, const struct p_channel *ch)
{
    struct frame_copy *f = mem_calloc(FRAMES_KEPT, sizeof *f);
    size_t n = f ? run_frames(collect_of(c)->run, ch->id, f, FRAMES_KEPT) : 0;
    jw_key(w, STR("frames"));
    jw_array(w);
    for (size_t i = 0; i < n; i++) frame_json(w, &f[i], c->zh, ch->driver ? ch->driver->describe : NULL);
    jw_end(w);
    mem_free(f);
}

static void write_devices(struct api_call *c, struct json_writer *w, const struct plant *p, const struct p_channel *ch)
{
    struct driver_device_status *d = mem_calloc(DEVICES_MAX, sizeof *d);
    int64_t *clocks = mem_calloc(DEVICES_MAX, sizeof *clocks);
    size_t n = d && clocks ? run_devices(collect_of(c)->run, ch->id, d, clocks, DEVICES_MAX) : 0;
    jw_key(w, STR("devices"));
    jw_array(w);
    for (size_t i = 0; i < ch->ndevices; i++) {
        const struct p_device *pd = &p->devices[ch->device + i];
        const struct driver_device_status *s = NULL;
        struct tally t = {0};
        size_t k = 0;
        while (k < n && d[k].num != pd->num) k++;
        if (k < n) s = &d[k];
        count_device(collect_of(c)->node->bus, p, pd, &t);
        jw_object(w);
        jw_kstr(w, "id", pd->id);
        jw_kstr(w, "code", pd->code);
        jw_kstr(w, "name", pd->name);
        jw_kz(w, "state", s && pd->enabled ? driver_state_name(s->state) : "off");
        jw_kz(w, "reason", !s ? "" : c->zh ? s->reason_zh : s->reason);
        jw_ki64(w, "points", (int64_t)t.points);
        jw_ki64(w, "bad", (int64_t)t.bad);
        write_time(w, "last_ok", s ? s->last_ok_us : 0);
        write_clock(w, s && clocks[k] != INT64_MIN, s ? clocks[k] : 0);
        jw_end(w);
    }
    jw_end(w);
    mem_free(d);
    mem_free(clocks);
}

static void write_recording(struct api_call *c, struct json_writer *w, const struct p_channel *ch)
{
    struct capture_view v;
    struct error none;
    jw_kbool(w, "can_capture", ch->driver && ch->driver->wire_port);
    jw_key(w, STR("capture"));
    if (run_captured(collect_of(c)->run, ch->id, &v, NULL, &none) || !v.until_us)
        jw_null(w);
    else
        capture_json(w, &v);
}

int get_diagnostics(struct api_call *c, struct error *e)
{
    struct plant *p = collect_plant(collect_of(c));
    const struct p_channel *ch = p ? plant_channel(p, c->param[0]) : NULL;
    if (!ch || !permitted_at(c->actor.may, "channel", ACT_READ, ch->org)) {
        plant_unref(p);
        return error_set(e, ERR_NOT_FOUND, "id", "there is no channel '%.*s'", "没有通道 '%.*s'", STR_ARG(c->param[0]));
    }
    struct json_writer w = api_answer(c);
    jw_object(&w);
    write_channel(c, &w, p, ch);
    write_devices(c, &w, p, ch);
    write_frames(c, &w, ch);
    write_recording(c, &w, ch);
    jw_end(&w);
    plant_unref(p);
    return 0;
}
