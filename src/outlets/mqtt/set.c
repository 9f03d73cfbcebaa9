/* set.c - the points of a forwarding: their topics, made once; which command belongs to which. */
#include <stdlib.h>
#include "outlets/mqtt/publisher_int.h"

#define SET_MAX (512u << 20)
#define SUBSCRIBE_MAX 200

struct build {
    struct arena arena;
    struct mp_point *points, **by_command;
    struct outlet_point *copies;
    size_t n, ncommands, wrong;
    struct error trouble;
};

static const char *keep(struct arena *a, const char *z)
{
    const char *r = arena_strdup(a, str_of(z ? z : ""));
    return r ? r : "";
}

static char *expand(struct mp_channel *ch, struct build *b, const char *text, const struct outlet_point *p,
                    struct error *e)
{
    char z[MP_TOPIC_MAX];
    if (text[0] == 0) return arena_strdup(&b->arena, STR(""));
    if (payload_text(text, p, ch->base.host->node_name, z, sizeof z, e)) return NULL;
    if (mqtt_topic_ok(str_of(z))) return arena_strdup(&b->arena, str_of(z));
    error_set(e, ERR_INVALID, "", "%s: '%.200s' is no topic to publish to: no + and no #",
              "%s：“%.200s”不能作为发布主题：不得含 + 和 #", p->code, z);
    return NULL;
}

static void take_point(struct mp_channel *ch, struct build *b, size_t i, const struct outlet_point *p)
{
    struct mp_point *r = &b->points[i];
    struct outlet_point *c = &b->copies[i];
    struct error e = {0};
    *c = *p;
    c->options = NULL;
    c->address = keep(&b->arena, p->address);
    c->code = keep(&b->arena, p->code);
    c->name = keep(&b->arena, p->name);
    c->unit = keep(&b->arena, p->unit);
    c->area = keep(&b->arena, p->area);
    c->device = keep(&b->arena, p->device);
    r->p = c;
    r->topic = expand(ch, b, ch->topic, c, &e);
    r->command = p->writable ? expand(ch, b, ch->command_topic, c, &e) : NULL;
    r->reply = expand(ch, b, ch->reply_topic, c, &e);
    if (r->command && r->command[0]) b->by_command[b->ncommands++] = r;
    if (!r->reply) r->reply = arena_strdup(&b->arena, STR(""));
    if (r->topic) return;
    b->wrong++;
    if (!b->trouble.code) b->trouble = e;
}

static int by_command(const void *pa, const void *pb)
{
    const struct mp_point *const *a = pa, *const *b = pb;
    return strcmp((*a)->command, (*b)->command);
}

/* Two points may not be commanded by one topic: the second one is not. */
static void check_commands(struct build *b)
{
    size_t n = 0;
    if (b->ncommands) qsort(b->by_command, b->ncommands, sizeof *b->by_command, by_command);
    for (size_t i = 0; i < b->ncommands; i++) {
        if (n && strcmp(b->by_command[n - 1]->command, b->by_command[i]->command) == 0) {
            error_set(&b->trouble, ERR_EXISTS, "command_topic",
                      "%s and %s would be commanded by the same topic '%.150s'; put ${code} into 'command_topic'",
                      "%s 与 %s 的命令主题相同（%.150s）；请在“command_topic”中加入 ${code}",
                      b->by_command[n - 1]->p->code, b->by_command[i]->p->code, b->by_command[i]->command);
            continue;
        }
        b->by_command[n++] = b->by_command[i];
    }
    b->ncommands = n;
}

const struct mp_point *mp_by_command(const struct mp_channel *ch, struct str topic)
{
    size_t lo = 0, hi = ch->ncommands;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = str_cmp(str_of(ch->by_command[mid]->command), topic);
        if (c == 0) return ch->by_command[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static bool same_commands(const struct mp_channel *ch, const struct build *b)
{
    if (ch->ncommands != b->ncommands) return false;
    for (size_t i = 0; i < b->ncommands; i++)
        if (strcmp(ch->by_command[i]->command, b->by_command[i]->command) != 0) return false;
    return true;
}

/* Commands that went, or all that are new: what stays is subscribed once more, which does no harm (retained ones are
 * ignored). */
static void change_commands(struct mp_channel *ch, const struct build *b)
{
    struct error e;
    const struct mp_channel next = {.by_command = b->by_command, .ncommands = b->ncommands};
    if (same_commands(ch, b)) return;
    for (size_t i = 0; i < ch->ncommands && mqtt_client_up(ch->client) && ch->subscribed; i++) {
        struct str f = str_of(ch->by_command[i]->command);
        if (!mp_by_command(&next, f) && mqtt_client_unsubscribe(ch->client, &f, 1, 0, &e)) break;
    }
    ch->subscribed = false;
}

void mp_subscribe(struct mp_channel *ch)
{
    struct mqtt_client_filter f[SUBSCRIBE_MAX];
    struct error e;
    size_t n = 0;
    if (ch->subscribed || !mqtt_client_up(ch->client)) return;
    ch->subscribed = true;
    for (size_t i = 0; i < ch->ncommands; i++) {
        f[n++] =
            (struct mqtt_client_filter){.filter = str_of(ch->by_command[i]->command), .qos = 1, .retain_handling = 2};
        if (n < SUBSCRIBE_MAX && i + 1 < ch->ncommands) continue;
        if (mqtt_client_subscribe(ch->client, f, n, 0, &e)) {
            ch->refusal = e;
            return;
        }
        n = 0;
    }
}

int mp_set(struct mp_channel *ch, const struct outlet_point *points, size_t n, struct error *e)
{
    struct build b = {.n = n};
    arena_init(&b.arena, SET_MAX);
    b.points = mem_calloc(n + 1, sizeof *b.points);
    b.copies = mem_calloc(n + 1, sizeof *b.copies);
    b.by_command = mem_calloc(n + 1, sizeof *b.by_command);
    if (!b.points || !b.copies || !b.by_command) {
        mem_free(b.points);
        mem_free(b.copies);
        mem_free(b.by_command);
        return error_set(e, ERR_NOMEM, "", "out of memory for %zu points", "内存不足，无法处理 %zu 个测点", n);
    }
    for (size_t i = 0; i < n; i++) take_point(ch, &b, i, &points[i]);
    check_commands(&b);
    change_commands(ch, &b);
    mp_set_free(ch);
    ch->arena = b.arena;
    ch->points = b.points, ch->copies = b.copies, ch->npoints = n;
    ch->by_command = b.by_command, ch->ncommands = b.ncommands;
    ch->wrong = b.wrong;
    ch->trouble = b.trouble;
    ch->st.points = (uint32_t)n;
    ch->judge = true;
    return 0;
}

void mp_set_free(struct mp_channel *ch)
{
    mem_free(ch->points);
    mem_free(ch->copies);
    mem_free(ch->by_command);
    arena_fini(&ch->arena);
}
