/* mqtt_topic.c - names and filters of topics: MQTT 5.0, sections 4.7 and 4.8.2. Levels are cut at '/', and may be
 * empty. Nothing is copied. */
#include "proto/mqtt.h"

static struct str next_level(struct str *rest)
{
    return str_cut(rest, '/');
}

static size_t count_levels(struct str s)
{
    size_t n = 1;
    for (size_t i = 0; i < s.n; i++) n += s.p[i] == '/';
    return n;
}

bool mqtt_topic_ok(struct str t)
{
    if (t.n == 0 || t.n > MQTT_TOPIC_MAX) return false;
    return !memchr(t.p, '+', t.n) && !memchr(t.p, '#', t.n) && !memchr(t.p, '\0', t.n);
}

static bool levels_ok(struct str filter)
{
    struct str rest = filter;
    if (filter.n == 0 || filter.n > MQTT_TOPIC_MAX || memchr(filter.p, '\0', filter.n)) return false;
    if (count_levels(filter) > MQTT_LEVELS_MAX) return false;
    while (rest.p) {
        struct str level = next_level(&rest);
        bool wild = level.n && (memchr(level.p, '+', level.n) || memchr(level.p, '#', level.n));
        if (wild && (level.n > 1 || (level.p[0] == '#' && rest.p))) return false;
    }
    return true;
}

bool mqtt_share(struct str filter, struct str *ret_group, struct str *ret_filter)
{
    struct str rest = filter;
    if (!str_starts(filter, STR("$share/"))) return false;
    rest = str_sub(filter, 7, filter.n);
    *ret_group = str_cut(&rest, '/');
    *ret_filter = rest.p ? rest : STR("");
    return true;
}

bool mqtt_filter_ok(struct str filter)
{
    struct str group, inner;
    if (str_is(filter, "$share")) return false;
    if (!mqtt_share(filter, &group, &inner)) return levels_ok(filter);
    return group.n && !memchr(group.p, '+', group.n) && !memchr(group.p, '#', group.n) && levels_ok(inner);
}

bool mqtt_match(struct str filter, struct str topic)
{
    if (topic.n && topic.p[0] == '$' && filter.n && (filter.p[0] == '+' || filter.p[0] == '#')) return false;
    while (filter.p) {
        struct str f = next_level(&filter);
        if (str_is(f, "#")) return true;
        if (!topic.p) return false;
        struct str t = next_level(&topic);
        if (!str_is(f, "+") && !str_eq(f, t)) return false;
        if (!topic.p && filter.p) return str_is(filter, "#"); /* "a/#" means "a" too */
    }
    return !topic.p;
}

bool mqtt_covers(struct str outer, struct str inner)
{
    if (inner.n && inner.p[0] == '$' && outer.n && (outer.p[0] == '+' || outer.p[0] == '#')) return false;
    while (outer.p) {
        struct str o = next_level(&outer);
        if (str_is(o, "#")) return true;
        if (!inner.p) return false;
        struct str i = next_level(&inner);
        if (str_is(i, "#") || (!str_is(o, "+") && !str_eq(o, i))) return false;
        if (!inner.p && outer.p) return str_is(outer, "#");
    }
    return !inner.p;
}
