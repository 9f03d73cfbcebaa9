/* host_act.c - what outlets do on behalf of others: writes to equipment, log-ins, settings that are kept. */
#include "modules/forward/host_int.h"

struct finding {
    const char *login;
    char id[37];
};

static bool is_him(void *ctx, const struct auth_person *who)
{
    struct finding *f = ctx;
    if (strcmp(who->login, f->login) != 0) return true;
    snprintf(f->id, sizeof f->id, "%s", who->id);
    return false;
}

static int actor_of(struct auth *auth, struct arena *a, const char *login, struct actor *ret)
{
    struct finding f = {.login = login};
    int rc = auth_users_each(auth, is_him, &f);
    if (rc) return rc;
    return f.id[0] ? auth_actor(auth, a, str_of(f.id), ret) : ERR_NOT_FOUND;
}

int fwd_call_actor(struct call *c, struct arena *a, struct actor *ret)
{
    if (!c->user) {
        *ret = actor_system;
        snprintf(ret->login, sizeof ret->login, "forward:%.50s", c->f->code);
        return 0;
    }
    if (actor_of(api_auth(c->f->run->node->api), a, c->user, ret) == 0) return 0;
    return error_set(&c->error, ERR_FORBIDDEN, "", "the user is not there any more", "用户已不存在");
}

/* ---- writes ---- */

static void work_write(void *arg)
{
    struct call *c = arg;
    struct node *n = c->f->run->node;
    char origin[200];
    struct actor by;
    struct control_command cmd = {.point = c->num, .value = c->q.write.value, .origin = origin};
    AUTO_ARENA a;
    arena_init(&a, 1u << 20);
    snprintf(origin, sizeof origin, "forward:%.80s %.60s", c->f->code, c->peer ? c->peer : "");
    if (c->text) cmd.text = str_make(c->text, c->q.write.text_len);
    if (!fwd_call_actor(c, &a, &by)) (void)!n->control->write(n->control->ctx, &by, &cmd, &c->written, &c->error);
    fwd_call_home(c);
}

void host_write(void *ctx, const struct outlet_write *w)
{
    struct fwd *f = ctx;
    struct error e;
    struct driver_write_result no = {.outcome = DRIVER_REFUSED, .error = &e};
    const struct f_slot *s = fwd_slot_of(f, w->slot);
    if (!s || !f->line->points[w->slot].writable) {
        error_set(&e, ERR_FORBIDDEN, "", "this point may not be written by this forwarding", "此转发不允许写入该测点");
        w->done(w->arg, &no);
        return;
    }
    struct call *c = fwd_call_new(f, CALL_WRITE, w->slot);
    if (!c) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        w->done(w->arg, &no);
        return;
    }
    c->q.write = *w;
    if (w->value.type == SAMPLE_STRING) c->text = mem_dup(w->text ? w->text : "", w->text_len + (w->text_len == 0));
    if (w->user && w->user[0]) c->user = mem_strdup(w->user);
    if (w->peer) c->peer = mem_strdup(w->peer);
    struct sample *v = &c->q.write.value;
    if (v->type != SAMPLE_STRING && (s->scale != 1 || s->offset != 0)) {
        v->v.d = (sample_number(v) - s->offset) / s->scale;
        v->type = SAMPLE_DOUBLE;
    }
    fwd_call_start(c, f->run->writing, work_write);
}

/* ---- log-ins ---- */

/* A session is made by the check of a password, and ended at once: only whether he may matters here. */
static void work_login(void *arg)
{
    struct call *c = arg;
    struct auth *auth = api_auth(c->f->run->node->api);
    AUTO_ARENA a;
    char secret[AUTH_TOKEN_CHARS + 1];
    struct principal who;
    unsigned wait;
    arena_init(&a, 1u << 20);
    struct auth_try t = {.login = str_of(c->user ? c->user : ""),
                         .password = str_of(c->text ? c->text : ""),
                         .from = {.peer = c->peer ? c->peer : "", .agent = STR("forward")}};
    int rc = auth_login(auth, &a, &t, secret, &who, &wait, &c->error);
    if (rc && !c->error.code) error_set(&c->error, rc, "", "the user or the password is wrong", "用户名或密码错误");
    if (!rc) {
        struct error none;
        if (auth_session_kill(auth, str_of(who.id), &who.actor, &none))
            log_warn(COMPONENT, "a session was not ended", NULL);
        if (who.must_set_password || who.password_expired || who.must_add_factor)
            error_set(&c->error, ERR_FORBIDDEN, "", "the user has to sign in to the platform first",
                      "用户须先登录平台");
        else if (!permitted(who.actor.may, "point", ACT_READ))
            error_set(&c->error, ERR_FORBIDDEN, "", "the user may not read points", "用户没有读取测点的权限");
    }
    fwd_call_home(c);
}

void host_login(void *ctx, const char *user, const char *password, const char *peer, outlet_done *done, void *arg)
{
    struct fwd *f = ctx;
    struct error e;
    struct call *c = fwd_call_new(f, CALL_LOGIN, UINT32_MAX);
    if (!c) {
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
        done(arg, &e);
        return;
    }
    c->q.login.done = done;
    c->q.login.arg = arg;
    c->user = mem_strdup(user);
    c->text = mem_strdup(password);
    c->peer = mem_strdup(peer);
    fwd_call_start(c, f->run->asking, work_login);
}

/* ---- settings that are kept ---- */

static void work_keep(void *arg)
{
    struct call *c = arg;
    struct fwd *f = c->f;
    (void)!kept_store(f->run->node->kernel, f->id, &f->kept, c->kept_at, c->kept_change, c->text, &c->error);
    fwd_call_home(c);
}

void host_keep(void *ctx, const char *name, const char *value, outlet_done *done, void *arg)
{
    struct fwd *f = ctx;
    struct error e = {0};
    size_t at = 0;
    uint64_t change = 0;
    struct call *c = fwd_call_new(f, CALL_KEEP, UINT32_MAX);
    if (!c)
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
    else if (!f->id[0])
        error_set(&e, ERR_UNSUPPORTED, "", "a trial keeps nothing", "测试时不保存设置");
    else
        (void)!kept_set(&f->kept, name, value, &at, &change, &e);
    if (c && !e.code && value && !(c->text = mem_strdup(value)))
        error_set(&e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (e.code) {
        if (c) fwd_call_free(c);
        if (done) done(arg, &e);
        return;
    }
    c->kept_at = at;
    c->kept_change = change;
    c->q.login.done = done;
    c->q.login.arg = arg;
    fwd_call_start(c, f->run->asking, work_keep);
}

bool host_kept(void *ctx, const char *name, char *ret, size_t cap)
{
    const char *value = kept_get(&((struct fwd *)ctx)->kept, name);
    return value && str_to_cstr(str_of(value), ret, cap);
}
