/* http_link_int.h - shared by http_link*.c: what the options say, the calls that wait and that are on their way. */
#pragma once
#include "base/mem.h"
#include "drivers/common/http_link.h"

#define LINK_URL_MAX 4096
#define LINK_PARALLEL_MAX 32
#define LINK_WAITING_MAX 10000
#define LINK_PAUSE_MAX_S 3600
#define LINK_REDIRECTS 3

enum http_auth { AUTH_NONE, AUTH_BASIC, AUTH_BEARER, AUTH_HEADER, AUTH_QUERY, AUTH_OAUTH2 };
struct http_settings {
    struct arena arena;
    const char *url;                   /* without the last '/' */
    enum http_auth auth;
    const char *auth_header;           /* "Authorization: …", "X-API-Key: …"; NULL: none */
    const char *auth_query;            /* "key=value"; NULL: none */
    const char *auth_query_shown;      /* "key=***" */
    const char *token_url, *token_auth, *token_body; /* token_auth: header or NULL */
    const char *const *headers;        /* NULL-terminated */
    size_t nheaders;
    struct http_multi_config multi;
    uint32_t timeout_ms;
    unsigned parallel;
    uint64_t gap_ns;                   /* between requests; 0: none */
    size_t answer_max;
};
MUST_CHECK int http_settings_new(const struct options *o, struct http_settings **ret, struct error *e);
void http_settings_free(struct http_settings *s);

struct http_ticket {
    struct http_link *l;
    struct http_ticket *next;          /* while it waits */
    struct http_flight *flight;        /* NULL: it waits */
    unsigned place;                    /* while it flies */
    bool again;                        /* with a new token: once only */
    bool once, urgent;
    char *url, *method, *body;
    size_t body_n;
    char **headers;
    uint64_t deadline_ns;
    uint32_t timeout_ms;
    http_done *done;
    void *arg;
};
enum token_state { TOKEN_NONE, TOKEN_ASKED, TOKEN_THERE };
struct http_link {
    struct http_link_host host;
    struct http_settings *s;
    struct http_multi *multi;
    struct http_ticket *first, *last, *flying[LINK_PARALLEL_MAX];
    unsigned waiting, inflight;
    uint64_t next_ns, pause_ns;        /* not before */
    enum token_state token;
    uint64_t token_until_ns;
    char *token_header;
    uv_timer_t timer;
    bool closing, pumping;
    unsigned open;                     /* of multi and timer */
    void (*closed)(void *arg);
    void *closed_arg;
};
void link_pump(struct http_link *l);
/* http_link_token.c: false: one is on its way or could not be asked for, which has told all that wait. */
bool link_token_ready(struct http_link *l);
void link_token_forget(struct http_link *l);
void link_fail_waiting(struct http_link *l, const struct error *e);
uint64_t link_now(const struct http_link *l);
/* http_link_frame.c */
void link_frame_out(struct http_link *l, const struct http_ticket *t);
void link_frame_in(struct http_link *l, const struct http_ticket *t, const struct http_end *end);
