/* form.c - see form.h. */
#include "modules/notice/form.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include "base/encode.h"
#include "base/time.h"
#include "modules/notice/inbox.h"

#define BODY_MAX (1 << 20)
#define ROBOT_TEXT 3800 /* WeCom takes 4096 bytes, the others more */

static struct str keep(struct arena *a, struct buf *b)
{
    struct str s = b->err ? STR_NULL : arena_str(a, buf_view(b));
    buf_fini(b);
    return s;
}

static void hmac(struct str key, struct str data, uint8_t out[32])
{
    unsigned n = 32;
    HMAC(EVP_sha256(), key.n ? key.p : "", (int)key.n, (const unsigned char *)(data.n ? data.p : ""), data.n, out, &n);
}

/* ---- webhook ---- */

static struct str member(const struct message *m, struct str name, char text[TIME_TEXT_MAX], bool *known)
{
    const struct {
        const char *name;
        struct str value;
    } rows[] = {{"id", m->id},       {"topic", m->topic}, {"severity", str_of(severity_name(m->severity))},
                {"title", m->title}, {"text", m->text},   {"link", m->link},
                {"kind", m->kind},   {"ref", m->ref}};
    *known = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_is(name, rows[i].name)) return rows[i].value.n ? rows[i].value : STR("");
    if (str_is(name, "at")) return str_of(time_format(m->at_us, text));
    if (str_is(name, "count")) {
        snprintf(text, TIME_TEXT_MAX, "%lld", (long long)m->count);
        return str_of(text);
    }
    *known = false;
    return STR("");
}

/* As it stands between the quotes of a JSON text. */
static void escaped(struct buf *out, struct str s)
{
    struct buf b;
    buf_init(&b, BODY_MAX);
    struct json_writer w = json_writer(&b);
    jw_str(&w, s);
    if (!b.err) buf_add(out, b.p + 1, b.n - 2);
    buf_fini(&b);
}

static int fill_in(struct str template, const struct message *m, struct buf *out, struct error *e)
{
    while (template.n) {
        char text[TIME_TEXT_MAX];
        bool known;
        size_t i = 0;
        while (i + 1 < template.n && (template.p[i] != '{' || template.p[i + 1] != '{')) i++;
        if (i + 1 >= template.n) break;
        buf_add(out, template.p, i);
        template = str_sub(template, i + 2, template.n);
        size_t end = 0;
        while (end + 1 < template.n && (template.p[end] != '}' || template.p[end + 1] != '}')) end++;
        struct str name = str_trim(str_sub(template, 0, end));
        struct str value = member(m, name, text, &known);
        if (!known || end + 1 >= template.n)
            return error_set(e, ERR_INVALID, "template", "there is no {{%.*s}}", "没有 {{%.*s}}",
                             STR_ARG(str_sub(name, 0, 40)));
        escaped(out, value);
        template = str_sub(template, end + 2, template.n);
    }
    buf_str(out, template);
    return 0;
}

static void all_members(const struct message *m, struct buf *out)
{
    static const char *const names[] = {"id", "topic", "severity", "title", "text", "link", "at", "kind", "ref"};
    struct json_writer w = json_writer(out);
    jw_object(&w);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[TIME_TEXT_MAX];
        bool known;
        jw_kstr(&w, names[i], member(m, str_of(names[i]), text, &known));
    }
    jw_ki64(&w, "count", m->count);
    jw_end(&w);
}

int form_webhook(struct arena *a, struct str template, const struct message *m, struct str *ret, struct error *e)
{
    struct buf b;
    struct json *checked;
    buf_init(&b, BODY_MAX);
    int rc = 0;
    if (template.n)
        rc = fill_in(template, m, &b, e);
    else
        all_members(m, &b);
    if (!rc) rc = b.err;
    *ret = keep(a, &b);
    if (!rc && !ret->p) rc = ERR_NOMEM;
    if (!rc && json_parse(a, *ret, &checked, e)) {
        rc = ERR_INVALID;
        error_prefix(e, "template: ");
    }
    return rc;
}

struct str form_signature(struct arena *a, struct str secret, int64_t now_us, struct str body)
{
    uint8_t mac[32];
    struct buf b;
    buf_init(&b, BODY_MAX + 64);
    buf_printf(&b, "%lld.", (long long)(now_us / TIME_US_PER_S));
    buf_str(&b, body);
    hmac(secret, buf_view(&b), mac);
    buf_clear(&b);
    buf_printf(&b, "t=%lld,v1=", (long long)(now_us / TIME_US_PER_S));
    hex_encode(&b, mac, sizeof mac);
    return keep(a, &b);
}

/* ---- robots ---- */

static struct str cut(struct str s, size_t max)
{
    if (s.n <= max) return s;
    while (max && ((unsigned char)s.p[max] & 0xc0) == 0x80) max--;
    return str_make(s.p, max);
}

static struct str plain_text(struct arena *a, const struct message *m, const char *title_before,
                             const char *title_after)
{
    struct buf b;
    struct str text = cut(m->text, ROBOT_TEXT - 600);
    buf_init(&b, BODY_MAX);
    buf_printf(&b, "%s%.*s%s", title_before, STR_ARG(cut(m->title, 400)), title_after);
    if (text.n) buf_printf(&b, "\n%.*s", STR_ARG(text));
    return keep(a, &b);
}

static struct str wrapped(struct arena *a, const char *type, const char *object, const char *const *keys,
                          const struct str *values, size_t n)
{
    struct buf b;
    buf_init(&b, BODY_MAX);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    jw_kz(&w, "msgtype", type);
    jw_key(&w, str_of(object));
    jw_object(&w);
    for (size_t i = 0; i < n; i++) jw_kstr(&w, keys[i], values[i]);
    jw_end(&w);
    jw_end(&w);
    return keep(a, &b);
}

struct str form_wecom(struct arena *a, const struct message *m)
{
    struct str text = plain_text(a, m, "**", "**");
    return wrapped(a, "markdown", "markdown", (const char *const[]){"content"}, &text, 1);
}

struct str form_dingtalk(struct arena *a, const struct message *m)
{
    struct str values[] = {cut(m->title, 400), plain_text(a, m, "#### ", "\n")};
    return wrapped(a, "markdown", "markdown", (const char *const[]){"title", "text"}, values, 2);
}

struct str form_dingtalk_url(struct arena *a, struct str url, struct str secret, int64_t now_us)
{
    uint8_t mac[32];
    struct buf b, sign;
    if (!secret.n) return url;
    long long ms = now_us / 1000;
    buf_init(&sign, 256);
    buf_init(&b, 8192);
    buf_printf(&b, "%lld\n%.*s", ms, STR_ARG(secret));
    hmac(secret, buf_view(&b), mac);
    base64_encode(&sign, mac, sizeof mac, false);
    buf_clear(&b);
    buf_printf(&b, "%.*s%ctimestamp=%lld&sign=", STR_ARG(url), str_find(url, '?') < 0 ? '?' : '&', ms);
    percent_encode(&b, buf_view(&sign));
    buf_fini(&sign);
    buf_cstr(&b);
    return keep(a, &b);
}

struct str form_feishu(struct arena *a, const struct message *m, struct str secret, int64_t now_us)
{
    uint8_t mac[32];
    struct buf b, key;
    long long s = now_us / TIME_US_PER_S;
    struct str text = plain_text(a, m, "", "");
    buf_init(&b, BODY_MAX);
    struct json_writer w = json_writer(&b);
    jw_object(&w);
    if (secret.n) {
        struct buf sign;
        char at[24];
        snprintf(at, sizeof at, "%lld", s);
        buf_init(&key, 4096);
        buf_init(&sign, 256);
        buf_printf(&key, "%lld\n%.*s", s, STR_ARG(secret));
        hmac(buf_view(&key), STR(""), mac);
        base64_encode(&sign, mac, sizeof mac, false);
        jw_kz(&w, "timestamp", at);
        jw_kstr(&w, "sign", buf_view(&sign));
        buf_fini(&key);
        buf_fini(&sign);
    }
    jw_kz(&w, "msg_type", "text");
    jw_key(&w, STR("content"));
    jw_object(&w);
    jw_kstr(&w, "text", text);
    jw_end(&w);
    jw_end(&w);
    return keep(a, &b);
}

int form_robot_answer(struct str body, struct error *e)
{
    AUTO_ARENA a;
    struct json *v;
    static const char *const codes[] = {"errcode", "code", "StatusCode"};
    arena_init(&a, 1 << 20);
    if (json_parse(&a, body, &v, NULL) || v->type != JSON_OBJECT)
        return error_set(e, ERR_PROTOCOL, "", "the robot's answer is no JSON", "机器人的应答不是 JSON");
    for (size_t i = 0; i < 3; i++) {
        const struct json *code = json_get(v, codes[i]);
        if (!code) continue;
        if (json_i64(code, -1) == 0) return 0;
        struct str why = json_str(json_get(v, "errmsg"), json_str(json_get(v, "msg"), STR("")));
        return error_set(e, ERR_DEVICE, "", "the robot refuses: %lld %.*s", "机器人拒绝：%lld %.*s",
                         (long long)json_i64(code, -1), STR_ARG(str_sub(why, 0, 200)));
    }
    return error_set(e, ERR_PROTOCOL, "", "the robot's answer has no code", "机器人的应答没有状态码");
}

/* ---- mail ---- */

/* RFC 2047 words of at most 75 characters, cut between characters; folded. */
static void header_words(struct buf *b, struct str s)
{
    while (s.n) {
        struct str part = cut(s, 42);
        if (!part.n) part = str_sub(s, 0, 42);
        buf_z(b, "=?UTF-8?B?");
        base64_encode(b, part.p, part.n, false);
        buf_z(b, "?=");
        s = str_sub(s, part.n, s.n);
        if (s.n) buf_z(b, "\r\n ");
    }
}

static void base64_lines(struct buf *b, struct str s)
{
    while (s.n) {
        struct str part = str_sub(s, 0, 57);
        base64_encode(b, part.p, part.n, false);
        buf_z(b, "\r\n");
        s = str_sub(s, part.n, s.n);
    }
}

static void html_text(struct buf *b, struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '<')
            buf_z(b, "&lt;");
        else if (c == '>')
            buf_z(b, "&gt;");
        else if (c == '&')
            buf_z(b, "&amp;");
        else if (c == '"')
            buf_z(b, "&quot;");
        else if (c == '\n')
            buf_z(b, "<br>");
        else
            buf_u8(b, (uint8_t)c);
    }
}

static void part(struct buf *b, const char *boundary, const char *type, struct buf *content)
{
    buf_printf(b, "--%s\r\nContent-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n", boundary,
               type);
    base64_lines(b, buf_view(content));
    buf_z(b, "\r\n");
}

static void mail_date(struct buf *b, int64_t us)
{
    static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil c = civil_from_us(us);
    buf_printf(b, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[us / (86400 * TIME_US_PER_S) % 7], c.day,
               months[c.month - 1], c.year, c.hour, c.minute, c.second);
}

static void mail_head(struct buf *b, const struct mail *m, const struct message *msg, const char *boundary)
{
    mail_date(b, msg->at_us);
    buf_printf(b, "From: <%.*s>\r\nTo: ", STR_ARG(m->from));
    for (size_t i = 0; i < m->nto; i++) buf_printf(b, "%s<%.*s>", i ? ",\r\n " : "", STR_ARG(m->to[i]));
    buf_printf(b, "\r\nMessage-ID: <%.*s@%.*s>\r\nSubject: ", STR_ARG(msg->id), STR_ARG(m->host));
    header_words(b, msg->title);
    buf_printf(b,
               "\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; "
               "boundary=\"%s\"\r\n\r\n",
               boundary);
}

struct str form_mail(struct arena *a, const struct mail *m, const struct message *msg, bool zh)
{
    struct buf b, content;
    char boundary[80], at[TIME_TEXT_MAX];
    snprintf(boundary, sizeof boundary, "=_%.*s", STR_ARG(str_sub(msg->id, 0, 36)));
    buf_init(&b, 4 << 20);
    buf_init(&content, BODY_MAX);
    mail_head(&b, m, msg, boundary);
    time_format(msg->at_us, at);
    buf_printf(&content, "%.*s\r\n\r\n%.*s\r\n\r\n%s %s\r\n", STR_ARG(msg->title), STR_ARG(msg->text),
               zh ? "时间" : "Time", at);
    part(&b, boundary, "text/plain", &content);
    buf_clear(&content);
    buf_z(&content, "<!doctype html><html><body><h3>");
    html_text(&content, msg->title);
    buf_z(&content, "</h3><p>");
    html_text(&content, msg->text);
    buf_printf(&content, "</p><p style=\"color:#888\">%s %s</p></body></html>", zh ? "时间" : "Time", at);
    part(&b, boundary, "text/html", &content);
    buf_printf(&b, "--%s--\r\n", boundary);
    buf_fini(&content);
    return keep(a, &b);
}
