/* state.h - one alarm condition as a state machine (ISA-18.2, IEC 62682 figure 2: normal, unacknowledged,
 * acknowledged, returned unacknowledged), and when a value is beyond a limit. Pure; no time but what is given.
 *
 *   state            raise            clear              acknowledge     drop (no longer configured)
 *   normal           active_unacked   -                  -               -
 *   active_unacked   -                cleared_unacked    active_acked    normal
 *   active_acked     -                normal             -               normal
 *   cleared_unacked  active_unacked   -                  normal          normal
 *
 * Shelving lies across: a shelved condition goes through its states unseen. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "base/str.h"

enum alarm_condition { ALARM_HH, ALARM_H, ALARM_L, ALARM_LL, ALARM_BAD, ALARM_STALE };
#define ALARM_LIMITS 4
#define ALARM_CONDITIONS 6
enum alarm_state { ALARM_NORMAL, ALARM_ACTIVE_UNACKED, ALARM_ACTIVE_ACKED, ALARM_CLEARED_UNACKED };
#define ALARM_STATES 4
enum alarm_input { ALARM_RAISE, ALARM_CLEAR, ALARM_ACK, ALARM_DROP };
#define ALARM_INPUTS 4

int alarm_next(enum alarm_state s, enum alarm_input in); /* the new state; -1: the input means nothing now */
static inline bool alarm_active(enum alarm_state s) { return s == ALARM_ACTIVE_UNACKED || s == ALARM_ACTIVE_ACKED; }
static inline bool alarm_unacked(enum alarm_state s) { return s == ALARM_ACTIVE_UNACKED || s == ALARM_CLEARED_UNACKED; }

/* Where a value stands to a limit: beyond it (strictly), inside by more than the deadband, or between. A
 * deadband of 0: whatever is not beyond is inside. */
enum alarm_reading { ALARM_INSIDE, ALARM_BETWEEN, ALARM_BEYOND };
enum alarm_reading alarm_read(enum alarm_condition limit, double at, double deadband, double value);

/* The on-delay: what a reading at `now` means for a condition that is active or not. *since is when it went
 * beyond (0: it is not), kept by the caller. An input, or -1: nothing happens (yet). */
int alarm_debounce(bool active, enum alarm_reading r, int64_t now_us, int64_t delay_us, int64_t *since_us);

const char *alarm_condition_name(int c); /* "hh" … */
const char *alarm_condition_text(int c, bool zh);
int alarm_condition_parse(struct str s); /* -1: none */
const char *alarm_state_name(int s);
int alarm_state_parse(struct str s);
uint8_t alarm_priority(int condition, int own); /* own 1..4 wins; 0: 2 for hh ll, 3 for h l, 4 for bad stale */
