/* discover.c - who is there: FindServers (a discovery server knows others) and the endpoints of the one that answers
 * (OPC 10000-4, 5.5), as options of a channel. Asked on a channel without security, before any session. */
#include <stdio.h>
#include "drivers/opcua/opcua_int.h"

#define FOUND_MAX 500

void oc_discover_end(struct oc_channel *ch, struct oc_job *j, const struct error *e)
{
    j->done.discover(j->arg, e, e ? NULL : j->found, e ? 0 : j->nfound);
    oc_job_gone(ch, j);
}

static struct driver_found *add(struct oc_job *j)
{
    if (!j->found) j->found = arena_calloc(&j->arena, FOUND_MAX, sizeof *j->found);
    return j->found && j->nfound < FOUND_MAX ? &j->found[j->nfound++] : NULL;
}

static void add_way(struct oc_job *j, struct str name, struct str description, struct str url, const char *security)
{
    struct driver_found *f = add(j);
    struct buf b;
    if (!f) return;
    buf_init(&b, 8192);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    jw_kstr(&w, "endpoint", url);
    if (security) jw_kz(&w, "security", security);
    jw_end(&w);
    f->name = arena_strdup(&j->arena, name);
    f->description = arena_strdup(&j->arena, description);
    f->options = arena_strdup(&j->arena, buf_view(&b));
    buf_fini(&b);
    if (!f->name || !f->description || !f->options) j->nfound--;
}

/* ---- the endpoints of this server ---- */

static const char *tokens_of(const struct ua_endpoint_description *d, char *ret, size_t cap)
{
    static const char *const names[] = {"anonymous", "user name", "certificate", "issued token"};
    size_t at = 0;
    ret[0] = '\0';
    for (uint32_t i = 0; i < d->user_identity_tokens_n && at < cap; i++) {
        int32_t t = d->user_identity_tokens[i].token_type;
        if (t >= 0 && t < 4 && !strstr(ret, names[t]))
            at += (size_t)snprintf(ret + at, cap - at, "%s%s", at ? ", " : "", names[t]);
    }
    return ret;
}

static void on_endpoints(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_get_endpoints_response *r = value;
    struct oc_job *j = arg;
    char tokens[80], text[500];
    (void)refused;
    for (uint32_t i = 0; r && i < r->endpoints_n; i++) {
        const struct ua_endpoint_description *d = &r->endpoints[i];
        const struct ua_policy *p = ua_policy_find(d->security_policy_uri);
        const char *security = oc_security_name(p, (enum ua_mode)d->security_mode);
        if (!security) continue; /* another transport or a policy that nobody should use */
        snprintf(text, sizeof text, "%s%s%s; %.*s; %s", p->name, p->id == UA_POLICY_NONE ? "" : " ",
                 p->id == UA_POLICY_NONE ? "" : ua_mode_name((enum ua_mode)d->security_mode), STR_ARG(d->endpoint_url),
                 tokens_of(d, tokens, sizeof tokens));
        add_way(j, d->server.application_name.text, str_of(text), str_of(ch->cfg.at.url), security);
    }
    bool begin = ch->conn == CONN_OPENING;
    oc_discover_end(ch, j, r ? NULL : e);
    if (r && begin) oc_session_begin(ch);
}

/* ---- the servers that it knows ---- */

static void on_servers(struct oc_channel *ch, void *arg, const void *value, const struct error *e, bool refused)
{
    const struct ua_find_servers_response *r = value;
    struct oc_job *j = arg;
    struct ua_get_endpoints_request q = {.endpoint_url = str_of(ch->cfg.at.url)};
    if (!r && !refused) {
        oc_discover_end(ch, j, e);
        return;
    }
    for (uint32_t i = 0; r && r->servers_n > 1 && i < r->servers_n; i++) {
        const struct ua_application_description *d = &r->servers[i];
        if (d->discovery_urls_n) add_way(j, d->application_name.text, d->application_uri, d->discovery_urls[0], NULL);
    }
    oc_call(ch, UA_T_get_endpoints_request, &q, ch->cfg.answer_ms, on_endpoints, j);
}

void oc_discover_go(struct oc_channel *ch, struct oc_job *j)
{
    struct ua_find_servers_request q = {.endpoint_url = str_of(ch->cfg.at.url)};
    oc_call(ch, UA_T_find_servers_request, &q, ch->cfg.answer_ms, on_servers, j);
}

bool oc_discover_begin(struct oc_channel *ch)
{
    for (struct oc_job **p = &ch->jobs; *p; p = &(*p)->next)
        if ((*p)->kind == JOB_DISCOVER) {
            struct oc_job *j = *p;
            *p = j->next;
            oc_discover_go(ch, j);
            return true;
        }
    return false;
}

void oc_discover(struct driver_channel *base, driver_discover_done *done, void *arg)
{
    struct oc_channel *ch = (struct oc_channel *)base;
    struct oc_job *j = oc_job_new(ch, JOB_DISCOVER, arg);
    struct error e;
    if (!j) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e, NULL, 0);
        return;
    }
    j->done.discover = done;
    oc_job_push(ch, j);
}
