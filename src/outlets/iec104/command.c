/* command.c - what controlling stations want of us: commands and set-points go to the host; clocks are compared, ours
 * is not touched.
 *
 * A command is confirmed when the host tells how it went: done, or negative for all else (refused, failed, expired,
 * unknown). Its reply goes to the connection that asked, if that is still there. */
#include <stdio.h>
#include "outlets/iec104/station_int.h"

struct asked {
    struct sv_channel *ch;
    uint64_t conn;
    uint16_t ca;
    uint32_t ioa;
    bool inside, ended; /* ended while host->write ran: rc */
    int rc;
};

static struct sv_conn *conn_of(const struct sv_channel *ch, uint64_t id)
{
    for (struct sv_conn *c = ch->conns; c; c = c->next)
        if (c->id == id && !c->closing) return c;
    return NULL;
}

static int code_of(const struct driver_write_result *r)
{
    static const int codes[] = {[DRIVER_DONE] = 0,
                                [DRIVER_REFUSED] = ERR_FORBIDDEN,
                                [DRIVER_FAILED] = ERR_UNAVAILABLE,
                                [DRIVER_UNKNOWN] = ERR_UNKNOWN,
                                [DRIVER_EXPIRED] = ERR_TIMEOUT};
    return (unsigned)r->outcome < sizeof codes / sizeof *codes ? codes[r->outcome] : ERR_UNKNOWN;
}

static void on_written(void *arg, const struct driver_write_result *r)
{
    struct asked *q = arg;
    struct sv_channel *ch = q->ch;
    struct sv_conn *c = conn_of(ch, q->conn);
    char kv[480];
    q->rc = code_of(r);
    q->ended = true;
    ch->writes--;
    ch->st.writes += q->rc == 0;
    if (q->rc) {
        snprintf(kv, sizeof kv, "peer=%s common_address=%u address=%u err=\"%s\"", c ? c->peer : "-", q->ca, q->ioa,
                 r->error ? r->error->text : "");
        sv_log(ch, DRIVER_LOG_WARN, "a command is answered negatively", kv);
    }
    if (q->inside) return;
    if (c) iec104_station_done(&c->station, q->ca, q->ioa, q->rc);
    mem_free(q);
    sv_soon(ch);
    if (ch->closing) sv_conn_closed(ch);
}

static int execute(struct sv_conn *c, struct sv_point *p, const struct sample *value, uint16_t ca, uint32_t ioa)
{
    struct sv_channel *ch = c->ch;
    const struct outlet_host *h = ch->base.host;
    struct asked *q = mem_alloc(sizeof *q);
    if (q == NULL) return ERR_NOMEM;
    *q = (struct asked){.ch = ch, .conn = c->id, .ca = ca, .ioa = ioa, .inside = true};
    ch->writes++;
    h->write(h->ctx, &(struct outlet_write){.slot = (uint32_t)(p - ch->points),
                                            .value = *value,
                                            .peer = c->peer,
                                            .user = "",
                                            .done = on_written,
                                            .arg = q});
    q->inside = false;
    if (!q->ended) return ERR_AGAIN;
    int rc = q->rc;
    mem_free(q);
    return rc;
}

/* A command that was on its way for long must not be carried out any more. */
static bool too_old(const struct sv_channel *ch, const struct iec104_object *o)
{
    int64_t now = sv_utc(ch), at;
    if (ch->cfg.command_age_us == 0 || !o->time.set) return false;
    if (iec104_zone_utc(&ch->cfg.zone, &o->time, now, &at)) return true;
    return at < now - ch->cfg.command_age_us || at > now + ch->cfg.command_age_us;
}

static int refuse(const struct sv_conn *c, uint16_t ca, uint32_t ioa, const char *why)
{
    char kv[200];
    snprintf(kv, sizeof kv, "peer=%s common_address=%u address=%u err=\"%s\"", c->peer, ca, ioa, why);
    sv_log(c->ch, DRIVER_LOG_WARN, "a command is refused", kv);
    return ERR_FORBIDDEN;
}

int sv_command(void *ctx, uint16_t ca, const struct iec104_type *t, const struct iec104_object *o, enum iec104_step how)
{
    struct sv_conn *c = ctx;
    struct sv_point *p = sv_find_command(c->ch, ca, o->ioa);
    struct sample value;
    if (p == NULL) return ERR_NOT_FOUND;
    if (t->family != p->command) return ERR_UNSUPPORTED;
    if (how == IEC104_CANCEL) return 0;
    if (!p->writable) return refuse(c, ca, o->ioa, "the point is not writable here");
    if (sv_command_value(p, t, o, &value)) return refuse(c, ca, o->ioa, "the value is none");
    if (too_old(c->ch, o)) return refuse(c, ca, o->ioa, "the command is too old (option command_age)");
    if (how == IEC104_SELECT) return 0;
    if (how == IEC104_EXECUTE && p->select == SV_REQUIRED) return refuse(c, ca, o->ioa, "it must be selected first");
    value.time_us = sv_utc(c->ch);
    return execute(c, p, &value, ca, o->ioa);
}

/* ---- clocks ---- */

int sv_clock(void *ctx, uint16_t ca, const struct iec104_time *t)
{
    struct sv_conn *c = ctx;
    int64_t now = sv_utc(c->ch), at;
    char kv[160];
    if (!t->full || iec104_zone_utc(&c->ch->cfg.zone, t, now, &at)) return ERR_INVALID;
    c->clock_ahead_us = at - now;
    c->clock_known = true;
    bool large = c->clock_ahead_us > SV_CLOCK_WARN_US || c->clock_ahead_us < -SV_CLOCK_WARN_US;
    snprintf(kv, sizeof kv, "peer=%s ahead_ms=%lld", c->peer, (long long)(c->clock_ahead_us / 1000));
    if (large != c->clock_warned)
        sv_log(c->ch, large ? DRIVER_LOG_WARN : DRIVER_LOG_INFO,
               large ? "the clock of a controlling station differs; ours is not set" : "its clock is right again", kv);
    c->clock_warned = large;
    sv_soon(c->ch);
    return 0;
}
