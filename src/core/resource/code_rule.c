/* code_rule.c - codes that are given: rules with patterns, serial numbers, check digits; codes that are never
 * used again.
 *
 * A rule (kind `code_rule`) is for one kind and belongs to an organisation or to the whole platform; the one
 * of the resource's organisation goes before the platform's. A create without a code takes the next code.
 * Tokens: {org} code of the organisation, {yyyy} {yy} {mm} {dd} of now at the rule's offset from UTC, {n:5}
 * serial number of at least 5 digits, {field:name} value of a field (of a reference the code), {check} check
 * digits over what stands before, at the end only. The serial number is a row of table `sequence`, one for
 * each rule, organisation (per_org) and period (reset), moved in the transaction that uses it: it never
 * comes twice, and numbers of codes that somebody took by hand are passed over.
 *
 * Life-long codes (kind.h "code".lifelong): table code_used holds each code that a resource of the kind ever
 * had, with the resource; nobody else gets it. */
#include "core/resource/code_rule.h"
#include "base/time.h"
#include "core/resource/code_digits.h"
#include "core/resource/kernel_int.h"

#define RULES_MAX 64  /* of one kind */
#define PIECES_MAX 32 /* of a pattern */
#define TRIES_MAX 100000

enum token { TOKEN_TEXT, TOKEN_ORG, TOKEN_YYYY, TOKEN_YY, TOKEN_MM, TOKEN_DD, TOKEN_N, TOKEN_CHECK, TOKEN_FIELD };
struct piece {
    enum token token;
    struct str text; /* literal, or the name of the field */
    unsigned width;
};
struct rule {
    struct str id, org;
    struct piece pieces[PIECES_MAX];
    size_t n;
    int64_t start, step, offset_us;
    char reset; /* n y m d */
    bool per_org;
    enum check_digits check;
};
struct code_rules {
    struct rule items[RULES_MAX];
    size_t n;
};

/* ------------------------------------------------------------------ patterns */

static const struct {
    const char *name;
    enum token token;
} tokens[] = {{"org", TOKEN_ORG}, {"yyyy", TOKEN_YYYY}, {"yy", TOKEN_YY},       {"mm", TOKEN_MM},
              {"dd", TOKEN_DD},   {"n", TOKEN_N},       {"check", TOKEN_CHECK}, {"field", TOKEN_FIELD}};

static int bad_token(struct str token, struct error *e)
{
    return error_set(e, ERR_INVALID, "spec.pattern",
                     "'{%.*s}' is no token; use {org} {yyyy} {yy} {mm} {dd} {n:5} {field:name} {check}",
                     "“{%.*s}”不是可用的标记；可用 {org} {yyyy} {yy} {mm} {dd} {n:5} {field:字段名} {check}",
                     STR_ARG(str_sub(token, 0, 40)));
}

static int read_token(struct str inner, struct piece *p, struct error *e)
{
    struct str rest = inner, name = str_cut(&rest, ':');
    uint64_t width = 1;
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        if (!str_is(name, tokens[i].name)) continue;
        *p = (struct piece){tokens[i].token, rest, 0};
        bool argument = p->token == TOKEN_N || p->token == TOKEN_FIELD;
        if (rest.p && !argument) return bad_token(inner, e);
        if (p->token == TOKEN_FIELD && !rest.n) return bad_token(inner, e);
        if (p->token == TOKEN_N && rest.p && (str_to_u64(rest, &width) || !width || width > 12))
            return error_set(e, ERR_INVALID, "spec.pattern", "{n:…} takes 1 to 12 digits", "{n:…} 的位数为 1 至 12");
        p->width = (unsigned)width;
        return 0;
    }
    return bad_token(inner, e);
}

static int read_pattern(struct str s, struct rule *r, struct error *e)
{
    r->n = 0;
    while (s.n) {
        if (r->n == PIECES_MAX)
            return error_set(e, ERR_INVALID, "spec.pattern", "has more than %d parts", "超过 %d 个部分", PIECES_MAX);
        struct piece *p = &r->pieces[r->n++];
        ptrdiff_t open = str_find(s, '{');
        if (open != 0) {
            size_t n = open < 0 ? s.n : (size_t)open;
            *p = (struct piece){TOKEN_TEXT, str_sub(s, 0, n), 0};
            s = str_sub(s, n, s.n);
            continue;
        }
        ptrdiff_t close = str_find(s, '}');
        if (close < 0) return bad_token(str_sub(s, 1, s.n), e);
        int rc = read_token(str_sub(s, 1, (size_t)close - 1), p, e);
        if (rc) return rc;
        s = str_sub(s, (size_t)close + 1, s.n);
    }
    return 0;
}

static const struct piece *piece_of(const struct rule *r, enum token t)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->pieces[i].token == t) return &r->pieces[i];
    return NULL;
}

static int64_t offset_of(struct str s)
{
    int64_t h = 0, m = 0;
    if (s.n != 6 || str_to_i64(str_sub(s, 1, 2), &h) || str_to_i64(str_sub(s, 4, 2), &m)) return 0;
    return (s.p[0] == '-' ? -1 : 1) * (h * 60 + m) * 60 * TIME_US_PER_S;
}

static int read_rule(const struct json *spec, struct rule *r, struct error *e)
{
    struct str reset = json_str(json_get(spec, "reset"), STR("none"));
    r->start = json_i64(json_get(spec, "start"), 1);
    r->step = json_i64(json_get(spec, "step"), 1);
    r->per_org = json_bool(json_get(spec, "per_org"), false);
    r->check = check_digits_of(json_str(json_get(spec, "check"), STR_NULL));
    r->offset_us = offset_of(json_str(json_get(spec, "utc_offset"), STR("+00:00")));
    r->reset = reset.p[0];
    return read_pattern(json_str(json_get(spec, "pattern"), STR("")), r, e);
}

/* ------------------------------------------------------------------ a rule that makes sense */

static int fault(struct error *e, const char *where, const char *en, const char *zh)
{
    return error_set(e, ERR_INVALID, where, "%s%.0s", "%.0s%s", en, zh);
}

static int check_tokens(const struct rule *r, const struct kind *kd, struct error *e)
{
    const struct piece *serial = piece_of(r, TOKEN_N), *check = piece_of(r, TOKEN_CHECK);
    if (!serial) return fault(e, "spec.pattern", "needs a serial number, such as {n:5}", "需要序号标记，例如 {n:5}");
    if ((check != NULL) != (r->check != CHECK_DIGITS_NONE))
        return fault(e, check ? "spec.check" : "spec.pattern",
                     check ? "{check} needs a kind of check digits" : "check digits need {check} at the end",
                     check ? "使用 {check} 时须选择校验方式" : "选择了校验方式时，编码末尾须有 {check}");
    if (check && check != &r->pieces[r->n - 1])
        return fault(e, "spec.pattern", "{check} stands at the end", "{check} 须位于末尾");
    for (size_t i = 0; i < r->n; i++) {
        const struct piece *p = &r->pieces[i];
        const struct field *f = p->token == TOKEN_FIELD ? kind_field(kd, p->text) : NULL;
        if (p->token == TOKEN_FIELD && (!f || f->type == FIELD_SECRET || f->sensitive || f->type == FIELD_OBJECT ||
                                        f->type == FIELD_ARRAY || f->type == FIELD_JSON))
            return error_set(e, ERR_INVALID, "spec.pattern", "'%.*s' is no field of %.*s with a simple value",
                             "“%.*s”不是“%.*s”中可用的简单字段", STR_ARG(p->text), STR_ARG(kd->kind));
    }
    return 0;
}

/* Numbers that begin again need the period in the code. */
static int check_reset(const struct rule *r, struct error *e)
{
    bool year = piece_of(r, TOKEN_YYYY) || piece_of(r, TOKEN_YY), month = piece_of(r, TOKEN_MM) != NULL;
    bool ok = r->reset == 'n' || (r->reset == 'y' && year) || (r->reset == 'm' && year && month) ||
              (r->reset == 'd' && year && month && piece_of(r, TOKEN_DD));
    if (!ok)
        return fault(e, "spec.pattern", "must hold the whole period after which the numbers begin again",
                     "须包含序号重置周期对应的日期标记");
    if (r->per_org && !piece_of(r, TOKEN_ORG)) return 0; /* codes are unique per organisation */
    return 0;
}

static int check_only(struct changer *c, const struct resource *next, struct str kind, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(c->tx,
                         "select code from resource where kind = 'code_rule' and deleted = 0 and id <> $1 and org = $2 "
                         "and spec ->> 'kind' = $3 limit 1",
                         &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, next->id);
    sql_bind_str(s, 2, next->org);
    sql_bind_str(s, 3, kind);
    rc = sql_step(s, e);
    if (rc == 1)
        rc = error_set(e, ERR_EXISTS, "spec.kind", "the rule '%.*s' is for this kind already; change that one",
                       "规则“%.*s”已用于该类型；请修改该规则", STR_ARG(sql_str(s, 0)));
    sql_done(s);
    return rc;
}

int code_rule_check(struct changer *c, struct arena *a, const struct resource *old, const struct resource *next,
                    struct error *e)
{
    struct rule r = {.n = 0};
    struct str name = json_str(json_get(next->spec, "kind"), STR(""));
    const struct kind *kd = kernel_kind(c->k, name);
    if (!kd || !str_eq(kd->kind, name))
        return error_set(e, ERR_INVALID, "spec.kind", "there is no kind '%.*s'", "没有类型“%.*s”", STR_ARG(name));
    int rc = read_rule(next->spec, &r, e);
    if (!rc && r.step == 0) rc = fault(e, "spec.step", "must not be 0", "不能为 0");
    if (!rc) rc = check_tokens(&r, kd, e);
    if (!rc) rc = check_reset(&r, e);
    return rc ? rc : check_only(c, next, name, e);
}

/* ------------------------------------------------------------------ rules of a kind */

static int load_one(struct sql_stmt *s, struct arena *a, struct rule *r, struct error *e)
{
    struct json *spec;
    struct str text = arena_str(a, sql_str(s, 2));
    r->id = arena_str(a, sql_str(s, 0));
    r->org = arena_str(a, sql_str(s, 1));
    CATCH_NOMEM(text.p && r->id.p && r->org.p, e);
    int rc = json_parse(a, text, &spec, e);
    return rc ? rc : read_rule(spec, r, e);
}

static int load_rules(struct changer *c, struct error *e)
{
    struct sql_stmt *s;
    if (c->rules) return 0;
    struct code_rules *rules = mem_calloc(1, sizeof *rules);
    CATCH_NOMEM(rules, e);
    c->rules = rules;
    if (!kernel_kind(c->k, STR("code_rule"))) return 0;
    int rc = sql_prepare(c->tx,
                         "select id, org, spec from resource where kind = 'code_rule' and deleted = 0 and spec ->> "
                         "'kind' = $1 order by id",
                         &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, c->kd->kind);
    while (rules->n < RULES_MAX && (rc = sql_step(s, e)) == 1) {
        rc = load_one(s, &c->refs_arena, &rules->items[rules->n], e);
        if (rc) break;
        rules->n++;
    }
    sql_done(s);
    return rc < 0 ? rc : 0;
}

void code_rules_forget(struct changer *c)
{
    mem_free(c->rules);
    c->rules = NULL;
}

static const struct rule *rule_for(const struct code_rules *rules, struct str org)
{
    const struct rule *common = NULL;
    for (size_t i = 0; i < rules->n; i++) {
        if (str_eq(rules->items[i].org, org)) return &rules->items[i];
        if (!rules->items[i].org.n) common = &rules->items[i];
    }
    return common;
}

int code_ruled(struct changer *c, struct arena *a, struct str org, bool *ret, struct error *e)
{
    int rc = load_rules(c, e);
    if (!rc) *ret = rule_for(c->rules, org) != NULL;
    return rc;
}

/* ------------------------------------------------------------------ making a code */

struct making {
    struct changer *c;
    struct arena *a;
    const struct rule *r;
    const struct resource *next; /* NULL: a preview */
    struct str org;              /* id */
    struct civil at;
    struct error *e;
};

static int put_org(struct making *m, struct buf *b)
{
    struct sql_stmt *s;
    if (!m->org.n)
        return m->next ? error_set(m->e, ERR_INVALID, "org", "the code needs an organisation; say which one",
                                   "编码中包含组织；请指明所属组织")
                       : (buf_z(b, "{org}"), 0);
    int rc = sql_prepare(m->c->tx, "select code from resource where id = $1", &s, m->e);
    if (rc) return rc;
    sql_bind_str(s, 1, m->org);
    rc = sql_step(s, m->e);
    buf_str(b, rc == 1 ? sql_str(s, 0) : m->org);
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int put_ref_code(struct making *m, struct str id, struct buf *b)
{
    struct sql_stmt *s;
    int rc = sql_prepare(m->c->tx, "select code from resource where id = $1", &s, m->e);
    if (rc) return rc;
    sql_bind_str(s, 1, id);
    rc = sql_step(s, m->e);
    if (rc == 1) buf_str(b, sql_str(s, 0));
    sql_done(s);
    return rc < 0 ? rc : 0;
}

static int put_field(struct making *m, struct str path, struct buf *b)
{
    if (!m->next) {
        buf_printf(b, "{%.*s}", STR_ARG(path));
        return 0;
    }
    const struct field *f = kind_field(m->c->kd, path);
    const struct json *v = m->next->spec;
    for (struct str rest = path; rest.p && v;) v = json_get_str(v, str_cut(&rest, '.'));
    size_t before = b->n;
    int rc = 0;
    if (f && f->type == FIELD_REF && v)
        rc = put_ref_code(m, json_str(v, STR("")), b);
    else if (f && v)
        field_to_text(f, v, b);
    if (rc || b->n > before) return rc;
    char where[ERROR_WHERE_MAX];
    snprintf(where, sizeof where, "spec.%.*s", STR_ARG(path));
    return error_set(m->e, ERR_INVALID, where, "is part of the code and has to be filled in",
                     "是编码的一部分，必须填写");
}

static int put_piece(struct making *m, const struct piece *p, int64_t serial, struct buf *b)
{
    char check[3];
    switch (p->token) {
    case TOKEN_TEXT: buf_str(b, p->text); return 0;
    case TOKEN_ORG: return put_org(m, b);
    case TOKEN_YYYY: buf_printf(b, "%04d", m->at.year); return 0;
    case TOKEN_YY: buf_printf(b, "%02d", m->at.year % 100); return 0;
    case TOKEN_MM: buf_printf(b, "%02d", m->at.month); return 0;
    case TOKEN_DD: buf_printf(b, "%02d", m->at.day); return 0;
    case TOKEN_N: buf_printf(b, "%0*lld", (int)p->width, (long long)serial); return 0;
    case TOKEN_CHECK:
        check_digits(m->r->check, buf_view(b), check);
        buf_z(b, check);
        return 0;
    case TOKEN_FIELD: return put_field(m, p->text, b);
    }
    return 0;
}

static int make_code(struct making *m, int64_t serial, struct str *ret)
{
    struct buf b;
    int rc = 0;
    buf_init(&b, 4096);
    for (size_t i = 0; i < m->r->n && !rc; i++) rc = put_piece(m, &m->r->pieces[i], serial, &b);
    if (!rc) {
        *ret = b.err ? STR_NULL : arena_str(m->a, buf_view(&b));
        if (!ret->p) rc = kernel_nomem(m->e);
    }
    buf_fini(&b);
    return rc;
}

static struct str serial_name(const struct making *m)
{
    const struct civil *t = &m->at;
    char period[16] = "";
    if (m->r->reset == 'y') snprintf(period, sizeof period, "%04d", t->year);
    if (m->r->reset == 'm') snprintf(period, sizeof period, "%04d%02d", t->year, t->month);
    if (m->r->reset == 'd') snprintf(period, sizeof period, "%04d%02d%02d", t->year, t->month, t->day);
    return str_of(
        arena_printf(m->a, "code:%.*s:%.*s:%s", STR_ARG(m->r->id), STR_ARG(m->r->per_org ? m->org : STR("")), period));
}

static void begin_making(struct making *m, struct changer *c, struct arena *a, const struct rule *r, struct str org,
                         const struct resource *next, struct error *e)
{
    *m = (struct making){.c = c, .a = a, .r = r, .next = next, .org = org, .e = e};
    m->at = civil_from_us(c->now_us + r->offset_us);
}

/* The last number that was given, so that the next is *ret + step. */
static int last_serial(struct making *m, struct str name, int64_t *ret)
{
    struct sql_stmt *s;
    int rc = sql_prepare(m->c->tx, "select value from sequence where name = $1", &s, m->e);
    if (rc) return rc;
    sql_bind_str(s, 1, name);
    rc = sql_step(s, m->e);
    *ret = rc == 1 ? sql_i64(s, 0) : m->r->start - m->r->step;
    sql_done(s);
    return rc < 0 ? rc : 0;
}

/* 1: somebody has it, or had it and it is never used again. */
static int in_use(struct changer *c, const struct resource *next, struct str code, struct error *e)
{
    struct sql_stmt *s;
    int rc = sql_prepare(c->tx,
                         "select 1 from resource where kind = $1 and code = $2 and org = $3 and deleted = 0 union all "
                         "select 1 from code_used where kind = $1 and code = $2 and org = $3 limit 1",
                         &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, next->kind);
    sql_bind_str(s, 2, code);
    sql_bind_str(s, 3, next->org);
    rc = sql_step(s, e);
    sql_done(s);
    return rc;
}

int code_give(struct changer *c, struct arena *a, struct resource *next, struct error *e)
{
    struct making m;
    int64_t serial = 0;
    int rc = load_rules(c, e);
    const struct rule *r = rc ? NULL : rule_for(c->rules, next->org);
    if (!r) return rc;
    begin_making(&m, c, a, r, next->org, next, e);
    struct str name = serial_name(&m);
    CATCH_NOMEM(name.p, e);
    rc = last_serial(&m, name, &serial);
    for (int tries = 0; !rc && tries < TRIES_MAX; tries++) {
        serial += r->step;
        if (serial < 0) return error_set(e, ERR_LIMIT, "code", "the rule has no numbers left", "编码规则的序号已用尽");
        rc = make_code(&m, serial, &next->code);
        if (!rc) rc = in_use(c, next, next->code, e);
        if (rc == 0) return sequence_write(c->tx, name, serial, e);
        if (rc == 1) rc = 0;
    }
    return rc ? rc
              : error_set(e, ERR_LIMIT, "code", "the next %d codes of the rule are taken; set its start higher",
                          "编码规则的后续 %d 个编码均已被占用；请提高起始值", TRIES_MAX);
}

/* ------------------------------------------------------------------ life-long codes */

int code_unused(struct changer *c, const struct resource *next, struct error *e)
{
    struct sql_stmt *s;
    if (!c->kd->code_lifelong) return 0;
    int rc =
        sql_prepare(c->tx, "select 1 from code_used where kind = $1 and org = $2 and code = $3 and id <> $4", &s, e);
    if (rc) return rc;
    sql_bind_str(s, 1, c->kd->kind);
    sql_bind_str(s, 2, next->org);
    sql_bind_str(s, 3, next->code);
    sql_bind_str(s, 4, next->id);
    rc = sql_step(s, e);
    sql_done(s);
    if (rc != 1) return rc;
    return error_set(e, ERR_EXISTS, "code", "'%.*s' has been used before and is never used again; choose another code",
                     "编码“%.*s”曾被使用，不可再次使用；请换一个编码", STR_ARG(next->code));
}

int code_used(struct changer *c, const struct resource *next, struct error *e)
{
    if (!c->kd->code_lifelong) return 0;
    return sql_exec(c->tx, e,
                    "insert into code_used(kind, org, code, id) values($1, $2, $3, $4) on conflict(kind, org, code) do "
                    "nothing",
                    "ssss", c->kd->kind, next->org, next->code, next->id);
}

/* ------------------------------------------------------------------ preview and check */

struct asking {
    struct str rule, org, code;
    size_t count;
    struct str *ret;
    bool *ok;
    struct error *why;
};

/* A transaction that is never committed: the numbers are looked at as a create would. */
static int with_rule(struct kernel *k, struct arena *a, const struct actor *by, struct asking *x,
                     int (*fn)(struct changer *c, struct arena *a, const struct rule *r, const struct kind *kd,
                               struct asking *x, struct error *e),
                     struct error *e)
{
    struct changer c;
    struct resource res;
    struct rule r = {.n = 0};
    const struct row_view view = {.by = by};
    int rc = changer_begin(k, "code_rule", by, &c, e);
    if (rc) return rc;
    rc = row_find_for(k, c.tx, a, c.kd, x->rule, &view, &res, e);
    if (!rc) rc = read_rule(res.spec, &r, e);
    r.id = res.id;
    r.org = res.org;
    const struct kind *kd = rc ? NULL : kernel_kind(k, json_str(json_get(res.spec, "kind"), STR("")));
    if (!rc && !kd) rc = error_set(e, ERR_NOT_FOUND, "spec.kind", "the rule's kind is gone", "规则对应的类型已不存在");
    if (!rc) rc = fn(&c, a, &r, kd, x, e);
    (void)!changer_end(&c, false, NULL);
    return rc;
}

static int preview(struct changer *c, struct arena *a, const struct rule *r, const struct kind *kd, struct asking *x,
                   struct error *e)
{
    struct making m;
    struct str org = r->org;
    struct resource probe = {.kind = kd->kind};
    int64_t serial = 0;
    int rc = x->org.n && org_known(c->k) ? changer_ref(c, STR("org"), x->org, &org, e) : 0;
    if (rc) return rc;
    begin_making(&m, c, a, r, org, NULL, e);
    struct str name = serial_name(&m);
    CATCH_NOMEM(name.p, e);
    probe.org = org;
    rc = last_serial(&m, name, &serial);
    size_t n = 0;
    for (int tries = 0; !rc && n < x->count && tries < TRIES_MAX; tries++) {
        serial += r->step;
        rc = make_code(&m, serial, &x->ret[n]);
        if (!rc) rc = in_use(c, &probe, x->ret[n], e);
        if (rc == 0) n++;
        if (rc == 1) rc = 0;
    }
    x->count = n;
    return rc;
}

int code_rule_preview(struct kernel *k, struct arena *a, const struct actor *by, struct str rule, struct str org,
                      size_t count, struct str *ret, struct error *e)
{
    struct asking x = {.rule = rule, .org = org, .count = count, .ret = ret};
    int rc = with_rule(k, a, by, &x, preview, e);
    for (size_t i = rc ? count : x.count; i < count; i++) ret[i] = STR("");
    return rc;
}

/* Is there a way to cut the text into the pieces? Texts are short and patterns have few free parts. */
static bool fits(const struct rule *r, size_t i, struct str s, int *steps);

static bool fits_free(const struct rule *r, size_t i, struct str s, size_t least, size_t most, bool digits, int *steps)
{
    for (size_t n = least; n <= s.n && n <= most; n++) {
        if (digits && n && (s.p[n - 1] < '0' || s.p[n - 1] > '9')) return false;
        bool all = true;
        for (size_t j = 0; digits && j < n; j++) all = all && s.p[j] >= '0' && s.p[j] <= '9';
        if (all && fits(r, i + 1, str_sub(s, n, s.n), steps)) return true;
    }
    return false;
}

static bool in_range(struct str s, int64_t lo, int64_t hi)
{
    int64_t v;
    return str_to_i64(s, &v) == 0 && v >= lo && v <= hi;
}

static bool fits(const struct rule *r, size_t i, struct str s, int *steps)
{
    if (++*steps > 100000) return false;
    if (i == r->n) return s.n == 0;
    const struct piece *p = &r->pieces[i];
    size_t check = check_digits_len(r->check);
    switch (p->token) {
    case TOKEN_TEXT: return str_starts(s, p->text) && fits(r, i + 1, str_sub(s, p->text.n, s.n), steps);
    case TOKEN_YYYY: return fits_free(r, i, s, 4, 4, true, steps);
    case TOKEN_YY: return fits_free(r, i, s, 2, 2, true, steps);
    case TOKEN_MM: return in_range(str_sub(s, 0, 2), 1, 12) && fits_free(r, i, s, 2, 2, true, steps);
    case TOKEN_DD: return in_range(str_sub(s, 0, 2), 1, 31) && fits_free(r, i, s, 2, 2, true, steps);
    case TOKEN_N: return fits_free(r, i, s, p->width, 18, true, steps);
    case TOKEN_CHECK: return s.n == check;
    case TOKEN_ORG:
    case TOKEN_FIELD: return fits_free(r, i, s, 1, s.n, false, steps);
    }
    return false;
}

static int test(struct changer *c, struct arena *a, const struct rule *r, const struct kind *kd, struct asking *x,
                struct error *e)
{
    int steps = 0;
    char check[3];
    size_t n = check_digits_len(r->check);
    *x->ok = false;
    if (!fits(r, 0, x->code, &steps)) {
        (void)error_set(x->why, ERR_INVALID, "code", "'%.*s' does not follow the pattern", "“%.*s”不符合编码规则",
                        STR_ARG(str_sub(x->code, 0, 80)));
        return 0;
    }
    check_digits(r->check, str_sub(x->code, 0, x->code.n - n), check);
    if (!str_eq(str_of(check), str_sub(x->code, x->code.n - n, n))) {
        (void)error_set(x->why, ERR_INVALID, "code", "the check digits should be %s", "校验位应为 %s", check);
        return 0;
    }
    *x->ok = true;
    return 0;
}

int code_rule_test(struct kernel *k, struct arena *a, const struct actor *by, struct str rule, struct str code,
                   bool *ret_ok, struct error *why, struct error *e)
{
    struct asking x = {.rule = rule, .code = code, .ok = ret_ok, .why = why};
    return with_rule(k, a, by, &x, test, e);
}
