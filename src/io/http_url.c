/* http_url.c - addresses of http_multi.h, read by libcurl as it will read them when it calls. */
#include <curl/curl.h>
#include "base/time.h"
#include "io/http_multi.h"

int http_url_check(const char *url, struct error *e)
{
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *user = NULL, *fragment = NULL;
    if (!u) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    bool good = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && !curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) &&
                !curl_url_get(u, CURLUPART_HOST, &host, 0) &&
                (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    bool extra =
        good && (!curl_url_get(u, CURLUPART_USER, &user, 0) || !curl_url_get(u, CURLUPART_FRAGMENT, &fragment, 0));
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_free(fragment);
    curl_url_cleanup(u);
    struct str rest = str_of(url), s = str_sub(str_cut(&rest, '?'), 0, 120); /* keys may stand in a query */
    if (!good)
        return error_set(e, ERR_INVALID, "url",
                         "'%.*s' is no address: https://host/path or http://10.0.0.7:8080 is expected",
                         "“%.*s”不是有效地址：应为 https://主机/路径 或 http://10.0.0.7:8080", STR_ARG(s));
    if (extra)
        return error_set(e, ERR_INVALID, "url",
                         "the address must hold no user name, password or #fragment; they have options of their own",
                         "地址中不能含用户名、密码或 #片段；请使用相应选项");
    return 0;
}

static char *url_part(CURLU *u, CURLUPart part)
{
    char *s = NULL;
    return curl_url_get(u, part, &s, CURLU_DEFAULT_PORT) ? NULL : s;
}

bool http_url_is_metadata(const char *url)
{
    static const char *const hosts[] = {"169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]",
                                        "[::ffff:a9fe:a9fe]"};
    CURLU *u = curl_url();
    bool it_is = false;
    char *host = u && !curl_url_set(u, CURLUPART_URL, url, 0) ? url_part(u, CURLUPART_HOST) : NULL;
    for (size_t i = 0; host && i < sizeof hosts / sizeof *hosts; i++) it_is |= str_ieq(str_of(host), str_of(hosts[i]));
    curl_free(host);
    curl_url_cleanup(u);
    return it_is;
}

bool http_url_same_host(const char *from, const char *to)
{
    CURLU *u[2] = {curl_url(), curl_url()};
    char *scheme[2] = {0}, *host[2] = {0}, *port[2] = {0};
    bool ok = u[0] && u[1] && !curl_url_set(u[0], CURLUPART_URL, from, 0) && !curl_url_set(u[1], CURLUPART_URL, to, 0);
    for (int i = 0; ok && i < 2; i++) {
        scheme[i] = url_part(u[i], CURLUPART_SCHEME);
        host[i] = url_part(u[i], CURLUPART_HOST);
        port[i] = url_part(u[i], CURLUPART_PORT);
        ok = scheme[i] && host[i] && port[i];
    }
    bool upgrade = ok && strcmp(scheme[0], "http") == 0 && strcmp(scheme[1], "https") == 0 &&
                   strcmp(port[0], "80") == 0 && strcmp(port[1], "443") == 0;
    ok = ok && str_ieq(str_of(host[0]), str_of(host[1])) &&
         (upgrade || (strcmp(scheme[0], scheme[1]) == 0 && strcmp(port[0], port[1]) == 0));
    for (int i = 0; i < 2; i++) {
        curl_free(scheme[i]);
        curl_free(host[i]);
        curl_free(port[i]);
        curl_url_cleanup(u[i]);
    }
    return ok;
}

int http_url_resolve(const char *base, const char *ref, char *ret, size_t cap, struct error *e)
{
    CURLU *u = curl_url();
    char *url = NULL;
    int rc = 0;
    if (!u) return error_set(e, ERR_NOMEM, "", "out of memory", "内存不足");
    if (curl_url_set(u, CURLUPART_URL, base, 0) || curl_url_set(u, CURLUPART_URL, ref, 0) ||
        curl_url_get(u, CURLUPART_URL, &url, 0))
        rc = error_set(e, ERR_INVALID, "", "'%.100s' is no address that can be followed", "“%.100s”不是可访问的地址",
                       ref);
    else if (!str_to_cstr(str_of(url), ret, cap))
        rc = error_set(e, ERR_TOO_LARGE, "", "the address is longer than %zu bytes", "地址超过 %zu 字节", cap - 1);
    curl_free(url);
    curl_url_cleanup(u);
    return rc;
}

int64_t http_retry_after_s(struct str value, int64_t now_us)
{
    int64_t s = 0;
    char date[64];
    if (str_to_i64(value, &s) == 0) return s < 0 ? -1 : s;
    if (!value.n || !str_to_cstr(value, date, sizeof date)) return -1;
    time_t t = curl_getdate(date, NULL);
    if (t == -1) return -1;
    s = (int64_t)t - now_us / TIME_US_PER_S;
    return s < 0 ? 0 : s;
}
