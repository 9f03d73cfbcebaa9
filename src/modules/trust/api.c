/* api.c - routes of certificates, the rule that only this module makes them, and the module's row. */
#include "base/mem.h"
#include "core/module.h"
#include "modules/trust/trust.h"

/* The caller's name in the history, the module's right to its own fields: the route has asked for his. */
static struct actor as_module(const struct api_call *c)
{
    struct actor by = c->actor;
    by.may = NULL;
    return by;
}

static int answer(struct api_call *c, const struct resource *r)
{
    api_audit_note(c, r->id, STR_NULL);
    struct json_writer w = api_answer(c);
    resource_write_for(&w, r, &c->actor);
    return 0;
}

/* ---- own ---- */

static int make(struct api_call *c, const char *purpose, struct str cert, struct str key, struct error *e)
{
    struct trust_book *t = c->module;
    struct resource r;
    struct actor by = as_module(c);
    pthread_mutex_lock(&t->making);
    int rc = trust_own_make(t, c->a, &by, purpose, cert, key, &r, e);
    pthread_mutex_unlock(&t->making);
    return rc ? rc : answer(c, &r);
}

static int purpose_in(const struct json *body, char purpose[TRUST_PURPOSE_MAX], struct error *e)
{
    if (str_to_cstr(json_str(json_get(body, "purpose"), STR("")), purpose, TRUST_PURPOSE_MAX) &&
        trust_purpose_ok(purpose))
        return 0;
    return error_set(e, ERR_INVALID, "purpose", "a purpose is a short word of small letters, such as opcua",
                     "用途应为小写短词，例如 opcua");
}

/* Beforehand, so that peers can be told to trust it; one that is there stays. */
static int post_make(struct api_call *c, struct error *e)
{
    struct json *body;
    char purpose[TRUST_PURPOSE_MAX];
    struct resource r;
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = purpose_in(body, purpose, e);
    if (rc) return rc;
    if (resource_get(c->kernel, c->a, "own_certificate", str_of(purpose), &r, NULL) == 0) return answer(c, &r);
    return make(c, purpose, STR_NULL, STR_NULL, e);
}

static int own_of(struct api_call *c, char purpose[TRUST_PURPOSE_MAX], struct error *e)
{
    struct resource r;
    int rc = api_find(c, "own_certificate", c->param[0], ACT_ADMIN, &r, e);
    if (!rc) str_to_cstr(r.code, purpose, TRUST_PURPOSE_MAX);
    return rc;
}

static int post_renew(struct api_call *c, struct error *e)
{
    char purpose[TRUST_PURPOSE_MAX];
    int rc = own_of(c, purpose, e);
    return rc ? rc : make(c, purpose, STR_NULL, STR_NULL, e);
}

static int post_install(struct api_call *c, struct error *e)
{
    char purpose[TRUST_PURPOSE_MAX];
    struct json *body;
    int rc = own_of(c, purpose, e);
    if (!rc) rc = api_body_json(c, &body, e);
    if (rc) return rc;
    struct str cert = json_str(json_get(body, "certificate"), STR("")), key = json_str(json_get(body, "key"), STR(""));
    if (!cert.n || !key.n)
        return error_set(e, ERR_INVALID, cert.n ? "key" : "certificate",
                         "certificate and private key are needed, as PEM", "需要 PEM 格式的证书和私钥");
    return make(c, purpose, cert, key, e);
}

/* ---- peers ---- */

/* Before it comes by itself: its certificate, or the authority that signs the plant's. */
static int post_add(struct api_call *c, struct error *e)
{
    struct trust_book *t = c->module;
    struct json *body;
    char purpose[TRUST_PURPOSE_MAX];
    struct resource r;
    struct ua_cert *cert = NULL;
    struct actor by = as_module(c);
    int rc = api_body_json(c, &body, e);
    if (!rc) rc = purpose_in(body, purpose, e);
    if (rc) return rc;
    rc = ua_cert_parse(json_str(json_get(body, "certificate"), STR("")), &cert, e);
    if (rc) {
        if (e) snprintf(e->where, sizeof e->where, "certificate");
        return rc;
    }
    rc = trust_peer_record(t, c->a, &by, purpose, ua_cert_info(cert)->der, &r, e);
    ua_cert_free(cert);
    return rc ? rc : answer(c, &r);
}

/* ---- download ---- */

static int send_certificate(struct api_call *c, const char *kind, struct error *e)
{
    struct resource r;
    char head[220];
    struct ua_cert *cert = NULL;
    struct str form = http_query(c->req, "format");
    bool der = str_is(form, "der");
    if (form.n && !der && !str_is(form, "pem"))
        return error_set(e, ERR_INVALID, "format", "the format is pem or der", "格式应为 pem 或 der");
    int rc = api_find(c, kind, c->param[0], ACT_READ, &r, e);
    struct str pem = rc ? STR_NULL : json_str(json_get(r.spec, "certificate"), STR(""));
    if (!rc && der) rc = ua_cert_parse(pem, &cert, e);
    if (rc) return rc;
    c->res->content_type = der ? "application/pkix-cert" : "application/x-pem-file";
    snprintf(head, sizeof head, "attachment; filename=\"%.*s.%s\"", STR_ARG(str_sub(r.code, 0, 80)),
             der ? "der" : "pem");
    http_set_header(c->res, "Content-Disposition", str_of(head));
    buf_str(&c->res->body, der ? ua_cert_info(cert)->der : pem);
    ua_cert_free(cert);
    return 0;
}

static int get_own(struct api_call *c, struct error *e)
{
    return send_certificate(c, "own_certificate", e);
}
static int get_peer(struct api_call *c, struct error *e)
{
    return send_certificate(c, "peer_certificate", e);
}

#define FORMAT "format:string:pem (the whole chain) or der (the first one)"
const struct api_route trust_routes[] = {
    API_DO("POST", "/api/v1/own-certificates:make", "own_certificate", ACT_ADMIN, AUDIT_SECURITY, post_make,
           .summary_en = "This node's certificate for a purpose (opcua), made when there is none",
           .summary_zh = "本节点某用途（opcua）的证书，没有则生成", .body_schema = "{purpose:string}",
           .answer_schema = "kind:own_certificate"),
    API_DO("POST", "/api/v1/own-certificates/{id}:renew", "own_certificate", ACT_ADMIN, AUDIT_SECURITY, post_renew,
           .summary_en = "A new key and certificate for five years; peers must be told to trust it",
           .summary_zh = "生成新密钥和五年有效期的证书；对端须重新信任", .answer_schema = "kind:own_certificate"),
    API_DO("POST", "/api/v1/own-certificates/{id}:install", "own_certificate", ACT_ADMIN, AUDIT_SECURITY, post_install,
           .summary_en = "A certificate and key made elsewhere (PEM), the chain behind the certificate",
           .summary_zh = "导入外部签发的证书和私钥（PEM，证书后可附证书链）",
           .body_schema = "{certificate:string;key:string}", .answer_schema = "kind:own_certificate"),
    API_GET("/api/v1/own-certificates/{id}/certificate", "own_certificate", AUDIT_NONE, get_own,
            .summary_en = "The certificate as a file", .summary_zh = "下载证书文件", .params = FORMAT,
            .answer_schema = "bytes"),
    API_DO("POST", "/api/v1/peer-certificates:add", "peer_certificate", ACT_APPROVE, AUDIT_SECURITY, post_add,
           .summary_en =
               "List a certificate (PEM) of a peer or an authority before it comes by itself; not trusted yet",
           .summary_zh = "预先登记对端或颁发机构的证书（PEM），登记后仍需确认信任",
           .body_schema = "{purpose:string;certificate:string}", .answer_schema = "kind:peer_certificate"),
    API_GET("/api/v1/peer-certificates/{id}/certificate", "peer_certificate", AUDIT_NONE, get_peer,
            .summary_en = "The certificate as a file", .summary_zh = "下载证书文件", .params = FORMAT,
            .answer_schema = "bytes"),
};
const size_t trust_nroutes = sizeof trust_routes / sizeof *trust_routes;

/* ---- life ---- */

/* What a certificate says is not for people to write. */
static int only_ours(void *ctx, struct kernel *k, struct sql_tx *tx, struct arena *a, const struct resource *old,
                     const struct resource *r, struct error *e)
{
    const struct actor *by = resource_changer();
    if (old || !r || !by || !by->may) return 0;
    return error_set(e, ERR_INVALID, "", "certificates are made by %s", "证书应通过 %s 生成",
                     str_is(r->kind, "own_certificate") ? "POST /own-certificates:make"
                                                        : "POST /peer-certificates:add");
}

static int hooks_add(struct trust_book *t, struct error *e)
{
    struct kind_hooks peers = {
        .kind = "peer_certificate", .validate = only_ours, .changed = trust_peer_changed, .ctx = t};
    struct kind_hooks own = {.kind = "own_certificate", .validate = only_ours, .changed = trust_own_changed, .ctx = t};
    int rc = kernel_hooks_add(t->node->kernel, &peers);
    if (!rc) rc = kernel_hooks_add(t->node->kernel, &own);
    return rc ? error_set(e, rc, "trust", "cannot watch the certificates", "无法监视证书") : 0;
}

static void trust_fini(void *ctx)
{
    struct trust_book *t = ctx;
    if (!t) return;
    t->node->trust = NULL;
    trust_book_free(t);
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->making);
    pthread_cond_destroy(&t->wake);
    mem_free(t);
}

static int trust_init(struct node *n, void **ret_ctx, struct error *e)
{
    struct trust_book *t = mem_calloc(1, sizeof *t);
    pthread_condattr_t attr;
    if (!t) return error_set(e, ERR_NOMEM, "trust", "out of memory", "内存不足");
    t->node = n;
    pthread_mutex_init(&t->lock, NULL);
    pthread_mutex_init(&t->making, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->wake, &attr);
    pthread_condattr_destroy(&attr);
    t->functions = (struct trust){trust_identity, trust_ask, t};
    n->trust = &t->functions;
    int rc = hooks_add(t, e);
    if (rc) {
        trust_fini(t);
        return rc;
    }
    *ret_ctx = t;
    return 0;
}

static int trust_start(void *ctx, struct error *e)
{
    int rc = trust_load(ctx, e);
    return rc ? rc : trust_keeper_start(ctx, e);
}

static void trust_stop(void *ctx)
{
    trust_keeper_stop(ctx);
}

extern const struct str modules_trust_kinds[];
extern const struct module trust_module;
const struct module trust_module = {
    .name = "trust",
    .title_en = "Certificates",
    .title_zh = "证书",
    .kinds = modules_trust_kinds,
    .routes = trust_routes,
    .nroutes = 6,
    .init = trust_init,
    .start = trust_start,
    .stop = trust_stop,
    .fini = trust_fini,
};
