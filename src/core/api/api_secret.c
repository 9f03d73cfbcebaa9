/* api_secret.c - data keys in the API: which there are and how much stands under each; a new one, with everything
 * sealed again by a job. */
#include "base/mem.h"
#include "base/time.h"
#include "core/api/api_int.h"
#include "core/job.h"
#include "core/secret.h"

#define SHOWN 1000

static struct secrets *need(struct api_call *c, struct error *e)
{
    struct secrets *s = kernel_secrets(c->kernel);
    if (!s) error_set(e, ERR_UNAVAILABLE, "", "secrets are not sealed here", "此处未启用机密加密");
    return s;
}

static int list(struct api_call *c, struct error *e)
{
    struct secrets *s = need(c, e);
    char at[TIME_TEXT_MAX];
    if (!s) return ERR_UNAVAILABLE;
    struct secret_key_info *keys = arena_calloc(c->a, SHOWN, sizeof(*keys));
    int64_t(*counts)[2] = arena_calloc(c->a, SHOWN, sizeof(*counts));
    if (!keys || !counts) return ERR_NOMEM;
    size_t n = secrets_keys(s, keys, SHOWN);
    if (n > SHOWN) n = SHOWN;
    for (size_t i = 0; i < n; i++) counts[i][0] = keys[i].number;
    int rc = kernel_secrets_count(c->kernel, counts, n, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_key(&w, STR("keys"));
    jw_array(&w);
    for (size_t i = 0; i < n; i++) {
        jw_object(&w);
        jw_ki64(&w, "number", keys[i].number);
        jw_kz(&w, "created_at", time_format(keys[i].created_us, at));
        jw_ki64(&w, "sealed", counts[i][1]);
        jw_end(&w);
    }
    jw_end(&w);
    jw_kz(&w, "master", secrets_by_passphrase(s) ? "passphrase" : "file");
    jw_end(&w);
    return 0;
}

static int rotate(struct api_call *c, struct error *e)
{
    char id[37];
    struct secrets *s = need(c, e);
    if (!s) return ERR_UNAVAILABLE;
    int rc = secrets_rotate(s, e);
    const struct job_spec spec = {.type = "secrets.reseal", .by = &c->actor};
    if (!rc) rc = job_submit(c->module, &spec, id, e);
    if (rc) return rc;
    struct json_writer w = api_answer(c);
    jw_object(&w);
    jw_kz(&w, "job", id);
    jw_end(&w);
    c->res->status = 202;
    return 0;
}

static bool go_on(void *ctx, size_t seen)
{
    job_progress(ctx, seen, 0, "resources", "资源");
    return !job_cancelled(ctx);
}

static int reseal(void *ctx, struct job *j, struct error *e)
{
    size_t n = 0;
    int rc = kernel_secrets_reseal(ctx, go_on, j, &n, e);
    if (!rc) job_log(j, "info", "%zu resources and revisions sealed again", n);
    return rc;
}

static const struct api_route rows[] = {
    API_GET("/api/v1/secrets", "secret", AUDIT_NONE, list, .summary_en = "Keys under which secrets are sealed",
            .summary_zh = "机密加密密钥",
            .answer_schema = "{keys:{number:integer;created_at:time;sealed:integer}[];master:'file'|'passphrase'}"),
    API_DO("POST", "/api/v1/secrets:rotate", "secret", ACT_ADMIN, AUDIT_SECURITY, rotate, .rate = 6,
           .summary_en = "A new key, and everything sealed again under it", .summary_zh = "更换密钥并重新加密",
           .answer_schema = "{job:string}"),
};

int secrets_routes_add(struct jobs *js, struct kernel *k, struct api *api, struct error *e)
{
    static struct job_type type = {.name = "secrets.reseal",
                                   .title_en = "Secrets sealed again",
                                   .title_zh = "重新加密机密内容",
                                   .kind = "secret",
                                   .action = ACT_ADMIN,
                                   .run = reseal,
                                   .retries = 3,
                                   .resumable = true};
    struct job_type *own = &type;
    own->ctx = k;
    int rc = jobs_type_add(js, own);
    return rc ? rc : api_routes_add(api, rows, sizeof(rows) / sizeof(rows[0]), js, e);
}
