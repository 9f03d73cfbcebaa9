/* form.h - what goes over the wire for a message: bodies of webhooks and robots, signatures, the mail. Pure.
 *
 * Sources of the forms: WeCom "group robot" (markdown message), DingTalk "custom robot" (sign: base64 of
 * HMAC-SHA256 over "<ms>\n<secret>" with the secret, url-encoded, with timestamp in the query), Feishu "custom
 * bot" (sign: base64 of HMAC-SHA256 over nothing with the key "<s>\n<secret>"), RFC 5322, 2045-2047 for mail. */
#pragma once
#include "core/event.h"

struct message {
    struct str id, topic, title, text, link, kind, ref; /* in the channel's language */
    enum event_severity severity;
    int64_t at_us, count; /* count: how many events it stands for */
};
/* Template: {{name}} replaced within JSON texts. Empty template: an object of all members. ERR_INVALID: names
 * what is wrong (an unknown name; the outcome is no JSON). */
MUST_CHECK int form_webhook(struct arena *a, struct str template, const struct message *m, struct str *ret, struct error *e);
/* "t=<s>,v1=<hex>" */
struct str form_signature(struct arena *a, struct str secret, int64_t now_us, struct str body);
struct str form_wecom(struct arena *a, const struct message *m);
struct str form_dingtalk(struct arena *a, const struct message *m);
struct str form_dingtalk_url(struct arena *a, struct str url, struct str secret, int64_t now_us);
struct str form_feishu(struct arena *a, const struct message *m, struct str secret, int64_t now_us);
/* What a robot answered with status 200: 0, or an error with its words. */
int form_robot_answer(struct str body, struct error *e);

struct mail {
    struct str from;
    const struct str *to;
    size_t nto;
    struct str host; /* of the Message-ID */
};
struct str form_mail(struct arena *a, const struct mail *m, const struct message *msg, bool zh);
