/* auth_password.c - see auth_password.h. Any thread; no state. */
#include "core/auth/auth_password.h"
#include <argon2.h>
#include "base/utf8.h"

/* The worst that are long enough to pass the length rule, and the stems that people lengthen. Compared
 * without case, after trailing digits and punctuation are cut off and with simple repetitions found. */
static const char *const worst[] = {
    "password",     "passw0rd",     "p@ssword",     "p@ssw0rd",    "qwerty",       "qwertyuiop",    "qwertyui",
    "1qaz2wsx",     "1qaz2wsx3edc", "qazwsx",       "qazwsxedc",   "asdfghjkl",    "asdfgh",        "zxcvbnm",
    "zxcvbnmasdf",  "iloveyou",     "letmein",      "letmeinnow",  "welcome",      "administrator", "admin",
    "adminadmin",   "rootroot",     "changeme",     "changeit",    "trustno",      "superman",      "football",
    "baseball",     "sunshine",     "princess",     "woaini",      "woaiwojia",    "woaizhongguo",  "zhongguo",
    "bornite",      "copper",       "operator",     "engineer",    "scada",        "siemens",       "default",
    "qwer1234qwer", "abcdefghij",   "abcdefg",      "a1b2c3d4e5",  "1q2w3e4r5t",   "1q2w3e4r5t6y",  "q1w2e3r4t5",
    "0123456789",   "01234567890",  "1234567890",   "12345678910", "123456789a",   "a123456789",    "0987654321",
    "9876543210",   "1122334455",   "1234512345",   "1234554321",  "123456123456", "123123123123",  "5201314520",
    "147258369",    "1472583690",   "112233445566", "qq123456789", "abc123456789", "asd123456789",  "secret",
    "testtest",     "test",         "guest",        "master",      "monkey",       "dragon",
};

static bool in_list(struct str s)
{
    for (size_t i = 0; i < sizeof(worst) / sizeof(worst[0]); i++)
        if (str_ieq(s, str_of(worst[i]))) return true;
    return false;
}

static struct str without_tail(struct str s)
{
    while (s.p && s.n && !((s.p[s.n - 1] | 32) >= 'a' && (s.p[s.n - 1] | 32) <= 'z') &&
           (unsigned char)s.p[s.n - 1] < 0x80)
        s.n--;
    return s;
}

static bool few_characters(struct str s)
{
    bool seen[256] = {false};
    unsigned n = 0;
    for (size_t i = 0; i < s.n; i++) {
        n += !seen[(unsigned char)s.p[i]];
        seen[(unsigned char)s.p[i]] = true;
    }
    return n < 4;
}

int password_rules(struct str pw, struct str login, struct error *e)
{
    if (!utf8_valid(pw) || pw.n > PASSWORD_MAX || memchr(pw.p ? pw.p : "", 0, pw.n))
        return error_set(e, ERR_INVALID, "password", "a password is UTF-8 text of at most %d bytes",
                         "密码须为不超过 %d 字节的 UTF-8 文本", PASSWORD_MAX);
    if (utf8_len(pw) < PASSWORD_MIN)
        return error_set(e, ERR_INVALID, "password", "a password has at least %d characters; this one has %zu",
                         "密码至少 %d 个字符，当前为 %zu 个", PASSWORD_MIN, utf8_len(pw));
    if (login.n >= 3 && str_ihas(pw, login))
        return error_set(e, ERR_INVALID, "password", "the password must not contain the login", "密码不能包含登录名");
    if (in_list(pw) || in_list(without_tail(pw)) || few_characters(pw))
        return error_set(e, ERR_INVALID, "password",
                         "this password is among the first that are tried; choose for instance four unrelated words",
                         "该密码过于常见，容易被猜中；建议使用几个互不相关的词");
    return 0;
}

int password_length_rule(struct str pw, int64_t least, struct error *e)
{
    if ((int64_t)utf8_len(pw) >= least) return 0;
    return error_set(e, ERR_INVALID, "password", "a password has at least %lld characters here; this one has %zu",
                     "密码至少 %lld 个字符，当前为 %zu 个", (long long)least, utf8_len(pw));
}

int password_class_rule(struct str pw, int64_t least, struct error *e)
{
    bool lower = false, upper = false, digit = false, other = false;
    for (size_t i = 0; i < pw.n; i++) {
        char c = pw.p[i];
        if (c >= 'a' && c <= 'z')
            lower = true;
        else if (c >= 'A' && c <= 'Z')
            upper = true;
        else if (c >= '0' && c <= '9')
            digit = true;
        else
            other = true;
    }
    if (lower + upper + digit + other >= least) return 0;
    return error_set(e, ERR_INVALID, "password",
                     "a password has %lld of these four here: lower case, upper case, digits, other characters",
                     "密码须包含以下四类字符中的 %lld 类：小写字母、大写字母、数字、其他字符", (long long)least);
}

int password_hash(const struct password_cost *c, const struct rng *r, struct str pw, char ret[PASSWORD_HASH_MAX])
{
    uint8_t salt[16];
    r->bytes(r->ctx, salt, sizeof(salt));
    int rc = argon2id_hash_encoded(c->passes, c->memory_kib, c->lanes, pw.p, pw.n, salt, sizeof(salt), 32, ret,
                                   PASSWORD_HASH_MAX);
    if (rc == ARGON2_MEMORY_ALLOCATION_ERROR) return ERR_NOMEM;
    return rc == ARGON2_OK ? 0 : ERR_INTERNAL;
}

bool password_verify(const char *hash, struct str pw)
{
    return argon2id_verify(hash, pw.p, pw.n) == ARGON2_OK;
}
