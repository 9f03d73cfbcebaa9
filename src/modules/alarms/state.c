/* state.c - see state.h. */
#include "modules/alarms/state.h"

#define NO (-1)
int alarm_next(enum alarm_state s, enum alarm_input in)
{
    static const int8_t next[ALARM_STATES][ALARM_INPUTS] = {
        /*                         raise                 clear                  ack                 drop */
        [ALARM_NORMAL] = {ALARM_ACTIVE_UNACKED, NO, NO, NO},
        [ALARM_ACTIVE_UNACKED] = {NO, ALARM_CLEARED_UNACKED, ALARM_ACTIVE_ACKED, ALARM_NORMAL},
        [ALARM_ACTIVE_ACKED] = {NO, ALARM_NORMAL, NO, ALARM_NORMAL},
        [ALARM_CLEARED_UNACKED] = {ALARM_ACTIVE_UNACKED, NO, ALARM_NORMAL, ALARM_NORMAL},
    };
    return next[s][in];
}

enum alarm_reading alarm_read(enum alarm_condition limit, double at, double deadband, double value)
{
    double over = limit == ALARM_HH || limit == ALARM_H ? value - at : at - value;
    if (over > 0) return ALARM_BEYOND;
    return over <= -deadband ? ALARM_INSIDE : ALARM_BETWEEN;
}

int alarm_debounce(bool active, enum alarm_reading r, int64_t now_us, int64_t delay_us, int64_t *since_us)
{
    if (active || r != ALARM_BEYOND) {
        *since_us = 0;
        return active && r == ALARM_INSIDE ? ALARM_CLEAR : -1;
    }
    if (!*since_us) *since_us = now_us;
    if (now_us - *since_us < delay_us) return -1;
    *since_us = 0;
    return ALARM_RAISE;
}

static const char *const names[ALARM_CONDITIONS] = {"hh", "h", "l", "ll", "bad", "stale"};
static const char *const texts_en[ALARM_CONDITIONS] = {"high-high", "high", "low", "low-low", "bad quality", "no data"};
static const char *const texts_zh[ALARM_CONDITIONS] = {"高高限", "高限", "低限", "低低限", "坏质量", "数据中断"};
static const char *const states[ALARM_STATES] = {"normal", "active_unacked", "active_acked", "cleared_unacked"};

const char *alarm_condition_name(int c)
{
    return c >= 0 && c < ALARM_CONDITIONS ? names[c] : "";
}
const char *alarm_condition_text(int c, bool zh)
{
    return c < 0 || c >= ALARM_CONDITIONS ? "" : zh ? texts_zh[c] : texts_en[c];
}
const char *alarm_state_name(int s)
{
    return s >= 0 && s < ALARM_STATES ? states[s] : "";
}

static int index_of(struct str s, const char *const *list, int n)
{
    for (int i = 0; i < n; i++)
        if (str_is(s, list[i])) return i;
    return -1;
}
int alarm_condition_parse(struct str s)
{
    return index_of(s, names, ALARM_CONDITIONS);
}
int alarm_state_parse(struct str s)
{
    return index_of(s, states, ALARM_STATES);
}

uint8_t alarm_priority(int condition, int own)
{
    static const uint8_t defaults[ALARM_CONDITIONS] = {2, 3, 3, 2, 4, 4};
    return own >= 1 && own <= 4 ? (uint8_t)own : defaults[condition];
}
